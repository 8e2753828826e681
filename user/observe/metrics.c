#include "observe/internal.h"

#include <assert.h>
#include <string.h>

#define CACHE_LINE 64u

static void metric_free(struct metric *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->n_labels; i++)
		free(f->label_names[i]);
	for (unsigned i = 0; f->series && i < f->n_series; i++) {
		free(f->series[i].key);
		free(f->series[i].labels);
	}
	free(f->series);
	free(f->table);
	free(f->cells);
	free(f->name);
	free(f->help);
	free(f);
}

static void metric_freep(struct metric **f)
{
	metric_free(*f);
}

int metrics_new(unsigned shards, struct metrics **ret, struct err *err)
{
	struct metrics *m;

	assert(shards > 0);
	m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(err, ERR_NOMEM, "metrics: out of memory");
	m->shards = shards;
	pthread_mutex_init(&m->lock, NULL); /* can't fail for a default mutex on Linux */
	*ret = m;
	return 0;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	while (m->first) {
		struct metric *next = m->first->next;

		metric_free(m->first);
		m->first = next;
	}
	while (m->collectors) {
		struct collector *next = m->collectors->next;

		free(m->collectors);
		m->collectors = next;
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* ---- series */

static uint64_t key_hash(const char *key, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)key[i]) * 0x100000001b3u;
	return h ^ h >> 32;
}

/* The values side by side, each with its NUL; 0 when they are too long. */
static size_t key_build(const struct metric *f, const char *const *values, char key[METRICS_LABEL_BYTES_MAX])
{
	size_t len = 0;

	for (unsigned i = 0; i < f->n_labels; i++) {
		const char *v = values[i] ? values[i] : "";
		size_t n = strlen(v) + 1;

		if (n > METRICS_LABEL_BYTES_MAX - len)
			return 0;
		memcpy(key + len, v, n);
		len += n;
	}
	return len;
}

/* The series with this key, or -1 with *ret_slot the place for it. */
static int table_find(const struct metric *f, const char *key, size_t len, size_t *ret_slot)
{
	size_t slot = (size_t)key_hash(key, len) & f->table_mask;

	for (;; slot = (slot + 1) & f->table_mask) {
		uint32_t entry = __atomic_load_n(&f->table[slot], __ATOMIC_ACQUIRE);
		const struct series *s;

		if (!entry)
			break;
		s = &f->series[entry - 1];
		if (s->key_len == len && memcmp(s->key, key, len) == 0)
			return (int)(entry - 1);
	}
	*ret_slot = slot;
	return -1;
}

/* Under the lock, or before the family is published. */
static int series_new(struct metric *f, const char *key, size_t len, size_t slot)
{
	struct series *s = &f->series[f->n_series];
	struct buf labels = BUF_INIT;
	const char *value = key;

	s->key = malloc(len ? len : 1);
	for (unsigned i = 0; i < f->n_labels; i++) {
		metrics_put_label(&labels, f->label_names[i], value);
		value += strlen(value) + 1;
	}
	s->labels = buf_steal(&labels);
	if (!s->key || !s->labels) {
		free(s->key);
		free(s->labels);
		buf_done(&labels);
		*s = (struct series){0};
		return -1;
	}
	memcpy(s->key, key, len);
	s->key_len = len;
	__atomic_store_n(&f->table[slot], f->n_series + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&f->n_series, f->n_series + 1, __ATOMIC_RELEASE);
	return (int)f->n_series - 1;
}

static int series_add(struct metric *f, const char *key, size_t len)
{
	int found = -1;
	size_t slot;

	if (len) {
		pthread_mutex_lock(&f->owner->lock);
		found = table_find(f, key, len, &slot); /* another thread may have been faster */
		if (found < 0 && f->n_series <= f->max_series)
			found = series_new(f, key, len, slot);
		pthread_mutex_unlock(&f->owner->lock);
	}
	if (found >= 0)
		return found;
	__atomic_fetch_add(&f->owner->series_dropped, 1, __ATOMIC_RELAXED);
	return 0; /* M2 */
}

int metrics_series(struct metric *f, const char *const *label_values)
{
	char key[METRICS_LABEL_BYTES_MAX];
	size_t len, slot;
	int found;

	if (!f || !f->n_labels)
		return 0;
	len = key_build(f, label_values, key);
	found = len ? table_find(f, key, len, &slot) : -1;
	return found >= 0 ? found : series_add(f, key, len);
}

/* ---- registration */

static int metric_name_set(struct metric *f, const char *name, const char *help, const char *const *label_names)
{
	f->name = strdup(name);
	f->help = strdup(help);
	if (!f->name || !f->help)
		return ERR_NOMEM;
	for (; label_names && label_names[f->n_labels]; f->n_labels++) {
		assert(f->n_labels < METRICS_LABELS_MAX);
		f->label_names[f->n_labels] = strdup(label_names[f->n_labels]);
		if (!f->label_names[f->n_labels])
			return ERR_NOMEM;
	}
	return 0;
}

static int metric_cells_new(struct metric *f, unsigned shards)
{
	size_t n_series = (size_t)f->max_series + 1, table = 8, bytes;

	f->n_cells = f->kind == METRIC_HISTOGRAM ? CELLS_OF_HISTOGRAM(f->n_buckets) : 1;
	f->shard_stride = (n_series * f->n_cells * sizeof(uint64_t) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE /
			  sizeof(uint64_t);
	bytes = f->shard_stride * sizeof(uint64_t) * shards;
	while (table < 2 * n_series)
		table *= 2;
	f->table_mask = table - 1;
	f->table = calloc(table, sizeof(*f->table));
	f->series = calloc(n_series, sizeof(*f->series));
	f->cells = aligned_alloc(CACHE_LINE, bytes);
	if (!f->table || !f->series || !f->cells)
		return ERR_NOMEM;
	memset(f->cells, 0, bytes);
	return 0;
}

/* Series 0: "other" in every label, or the only one. */
static int metric_other_new(struct metric *f)
{
	char key[METRICS_LABELS_MAX * sizeof("other")];
	size_t len = 0, slot;

	for (unsigned i = 0; i < f->n_labels; i++, len += sizeof("other"))
		memcpy(key + len, "other", sizeof("other"));
	if (table_find(f, key, len, &slot) >= 0)
		return 0;
	return series_new(f, key, len, slot) < 0 ? ERR_NOMEM : 0;
}

struct metric *metrics_register(struct metrics *m, enum metric_kind kind, const char *name, const char *help,
				const char *const *label_names, unsigned max_series, const double *buckets,
				size_t n_buckets)
{
	_cleanup_(metric_freep) struct metric *f = calloc(1, sizeof(*f));
	size_t len = strlen(name);

	assert(kind != METRIC_COUNTER || (len > 6 && strcmp(name + len - 6, "_total") == 0));
	assert((kind == METRIC_HISTOGRAM) == (n_buckets > 0) && n_buckets <= METRICS_BUCKETS_MAX);
	if (!f)
		return NULL;
	f->owner = m;
	f->kind = kind;
	for (f->n_buckets = 0; f->n_buckets < n_buckets; f->n_buckets++) {
		assert(!f->n_buckets || buckets[f->n_buckets] > buckets[f->n_buckets - 1]);
		f->buckets[f->n_buckets] = buckets[f->n_buckets];
	}
	if (metric_name_set(f, name, help, label_names) < 0)
		return NULL;
	f->max_series = f->n_labels ? max_series : 0;
	if (metric_cells_new(f, m->shards) < 0 || metric_other_new(f) < 0)
		return NULL;
	pthread_mutex_lock(&m->lock);
	__atomic_store_n(m->last ? &m->last->next : &m->first, f, __ATOMIC_RELEASE);
	m->last = f;
	pthread_mutex_unlock(&m->lock);
	return take_ptr(&f);
}

int metrics_collector_add(struct metrics *m, metrics_collector c, void *arg)
{
	struct collector *n = calloc(1, sizeof(*n));

	if (!n)
		return ERR_NOMEM;
	n->fn = c;
	n->arg = arg;
	pthread_mutex_lock(&m->lock);
	__atomic_store_n(m->last_collector ? &m->last_collector->next : &m->collectors, n, __ATOMIC_RELEASE);
	m->last_collector = n;
	pthread_mutex_unlock(&m->lock);
	return 0;
}

/* ---- values */

static void cell_add(uint64_t *cell, uint64_t n)
{
	__atomic_store_n(cell, cell_load(cell) + n, __ATOMIC_RELAXED);
}

void metrics_add(struct metric *f, int series, unsigned shard, uint64_t n)
{
	if (!f)
		return;
	assert(f->kind == METRIC_COUNTER && shard < f->owner->shards && (unsigned)series <= f->max_series);
	cell_add(metric_cells(f, series, shard), n);
}

void metrics_set(struct metric *f, int series, int64_t v)
{
	if (!f)
		return;
	assert(f->kind == METRIC_GAUGE && (unsigned)series <= f->max_series);
	__atomic_store_n(metric_cells(f, series, 0), (uint64_t)v, __ATOMIC_RELAXED);
}

void metrics_observe(struct metric *f, int series, unsigned shard, double seconds)
{
	uint64_t *cells, bits;
	double sum;
	size_t b = 0;

	if (!f)
		return;
	assert(f->kind == METRIC_HISTOGRAM && shard < f->owner->shards && (unsigned)series <= f->max_series);
	if (!(seconds >= 0)) /* a clock gone wrong must not poison the sum */
		seconds = 0;
	while (b < f->n_buckets && seconds > f->buckets[b])
		b++;
	cells = metric_cells(f, series, shard);
	cell_add(&cells[b], 1);
	bits = cell_load(&cells[f->n_buckets + 1]);
	memcpy(&sum, &bits, sizeof(sum));
	sum += seconds;
	memcpy(&bits, &sum, sizeof(bits));
	__atomic_store_n(&cells[f->n_buckets + 1], bits, __ATOMIC_RELAXED);
}
