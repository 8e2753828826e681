/* Between metrics.c (values) and text.c (exposition). */
#ifndef OBSERVE_INTERNAL_H
#define OBSERVE_INTERNAL_H

#include "observe/metrics.h"

#include <pthread.h>

struct series {
	char *key; /* the values, each with its NUL */
	size_t key_len;
	char *labels; /* a="x",b="y" escaped; "" when the family has none */
};

struct metric {
	struct metric *next;
	struct metrics *owner;
	enum metric_kind kind;
	char *name, *help;
	char *label_names[METRICS_LABELS_MAX];
	unsigned n_labels;
	double buckets[METRICS_BUCKETS_MAX];
	size_t n_buckets;
	size_t n_cells; /* 64-bit words per series and shard */
	unsigned max_series;
	struct series *series; /* max_series + 1; the first is "other" (or the only one) */
	unsigned n_series;     /* released after the entry is complete */
	uint32_t *table;       /* open addressing, index + 1; a slot is written once */
	size_t table_mask;
	uint64_t *cells; /* shard after shard, each on cache lines of its own */
	size_t shard_stride;
};

/* A histogram's cells: one per bucket, +Inf, and the sum as a double's bits. */
#define CELLS_OF_HISTOGRAM(n_buckets) ((n_buckets) + 2)

struct collector {
	struct collector *next;
	metrics_collector fn;
	void *arg;
};

struct metrics {
	unsigned shards;
	pthread_mutex_t lock; /* registration and new series; readers never take it */
	struct metric *first, *last;
	struct collector *collectors, *last_collector;
	uint64_t series_dropped;
};

static inline uint64_t *metric_cells(const struct metric *f, int series, unsigned shard)
{
	return f->cells + shard * f->shard_stride + (size_t)series * f->n_cells;
}

static inline uint64_t cell_load(const uint64_t *cell)
{
	return __atomic_load_n(cell, __ATOMIC_RELAXED);
}

#endif
