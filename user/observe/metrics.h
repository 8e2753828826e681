/* Metrics: a registry of families with bounded label sets; each worker writes its own shard without atomics'
 * read-modify-write (single writer per shard, relaxed stores), a scrape sums the shards. Renders Prometheus text and
 * OpenMetrics. */
#ifndef OBSERVE_METRICS_H
#define OBSERVE_METRICS_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct metrics;
struct metric;

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

int metrics_new(unsigned shards, struct metrics **ret, struct err *err) MUST_CHECK;
void metrics_free(struct metrics *m);

/* label_names: NULL-terminated. Every distinct label set becomes one series, at most max_series per family; beyond that
 * the series labelled "other" counts, and metrics_series_dropped_total rises. Buckets only for histograms, ascending. */
struct metric *metrics_register(struct metrics *m, enum metric_kind kind, const char *name, const char *help,
				const char *const *label_names, unsigned max_series, const double *buckets, size_t n_buckets);
/* Finds or makes a series; takes a lock on a miss only. Cache the result on hot paths. Values are copied. */
int metrics_series(struct metric *f, const char *const *label_values) MUST_CHECK;
void metrics_add(struct metric *f, int series, unsigned shard, uint64_t n);
void metrics_set(struct metric *f, int series, int64_t v);         /* gauges, any thread */
void metrics_observe(struct metric *f, int series, unsigned shard, double seconds);

/* Called at each scrape, to fill in what lives elsewhere (kernel statistics, pools): writes whole families as text. */
typedef void (*metrics_collector)(struct buf *out, bool openmetrics, void *arg);
int metrics_collector_add(struct metrics *m, metrics_collector c, void *arg) MUST_CHECK;
int metrics_render(struct metrics *m, bool openmetrics, struct buf *out) MUST_CHECK;

/* Helpers for collectors. */
void metrics_put_head(struct buf *out, bool openmetrics, enum metric_kind kind, const char *name, const char *help);
void metrics_put_value(struct buf *out, const char *name, const char *labels /* "a=\"b\"" or "" */, double v);

#endif
