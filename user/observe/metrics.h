/* Metrics: a registry of families with bounded label sets; each worker writes its own shard without atomics'
 * read-modify-write (single writer per shard, relaxed stores), a scrape sums the shards. Renders Prometheus text 0.0.4
 * and OpenMetrics 1.0.
 *
 * Invariants (tests cite them):
 *  M1  A scrape never blocks a writer, and a value never goes backwards between two scrapes.
 *  M2  A family has at most max_series series; what doesn't fit is counted under "other", never lost.
 *  M3  Whatever a label's value is, the text stays well-formed.
 */
#ifndef OBSERVE_METRICS_H
#define OBSERVE_METRICS_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct metrics;
struct metric;

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRICS_CONTENT_TYPE_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_CONTENT_TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define METRICS_LABELS_MAX 8        /* per family */
#define METRICS_LABEL_BYTES_MAX 512 /* of one series, all values together; longer ones count as "other" */
#define METRICS_BUCKETS_MAX 64

int metrics_new(unsigned shards, struct metrics **ret, struct err *err) MUST_CHECK;
/* No thread may be writing any more. */
void metrics_free(struct metrics *m);

/* label_names: NULL-terminated, or NULL for none. Every distinct label set becomes one series, at most max_series per
 * family; beyond that the series labelled "other" counts, and metrics_series_dropped_total rises. Buckets only for
 * histograms, ascending, without +Inf. A counter's name ends in _total. NULL when out of memory; the functions below
 * do nothing with NULL. Any thread. */
struct metric *metrics_register(struct metrics *m, enum metric_kind kind, const char *name, const char *help,
				const char *const *label_names, unsigned max_series, const double *buckets,
				size_t n_buckets);
/* Finds or makes a series; takes a lock on a miss only. Never negative. Cache the result on hot paths. label_values:
 * one for each name (NULL = ""); values are copied. */
int metrics_series(struct metric *f, const char *const *label_values) MUST_CHECK;
/* Each shard has one writing thread. Series 0 is the only one of a family without labels. */
void metrics_add(struct metric *f, int series, unsigned shard, uint64_t n);
void metrics_set(struct metric *f, int series, int64_t v); /* gauges, any thread */
void metrics_observe(struct metric *f, int series, unsigned shard, double seconds);

/* Called at each scrape, to fill in what lives elsewhere (kernel statistics, pools): writes whole families as text. */
typedef void (*metrics_collector)(struct buf *out, bool openmetrics, void *arg);
int metrics_collector_add(struct metrics *m, metrics_collector c, void *arg) MUST_CHECK;
/* 0, or why `out` failed. */
int metrics_render(struct metrics *m, bool openmetrics, struct buf *out) MUST_CHECK;

/* Helpers for collectors. `name` as in the sample: a counter's with _total. */
void metrics_put_head(struct buf *out, bool openmetrics, enum metric_kind kind, const char *name, const char *help);
void metrics_put_value(struct buf *out, const char *name, const char *labels /* "a=\"b\"" or "" */, double v);
/* Appends name="value" to a label list, escaped, with a comma when the list isn't empty. */
void metrics_put_label(struct buf *labels, const char *name, const char *value);

#endif
