/* What the kernel program counts. */
#include "kernel/handle.h"
#include "kernel/walk.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

/* A census of a map that the kernel fills may take this share of the time, as one part in so many. */
#define CENSUS_SHARE 100

static void sum_health(struct tg_health *sum, const struct tg_health *h)
{
	sum->events_lost += h->events_lost;
	sum->events_throttled += h->events_throttled;
	sum->state_full += h->state_full;
	sum->gcra_contended += h->gcra_contended;
	sum->helper_failed += h->helper_failed;
}

static int read_health(struct kernel *k, struct tg_health *ret, struct err *err)
{
	_cleanup_(freep) struct tg_health *cpus = calloc(k->n_cpus, sizeof(*cpus));
	uint32_t zero = 0;

	if (!cpus)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (bpf_map_lookup_elem(k->map_fd[KERNEL_MAP_HEALTH], &zero, cpus))
		return err_errno(err, errno, "can't read tg_health");
	for (unsigned c = 0; c < k->n_cpus; c++)
		sum_health(ret, &cpus[c]);
	return 0;
}

/* All of tg_stats in one call. */
static int read_verdicts(struct kernel *k, struct kernel_stats *ret, struct err *err)
{
	uint32_t n = k->map_max[KERNEL_MAP_STATS], token = 0;
	_cleanup_(freep) struct tg_stat *values = calloc((size_t)n * k->n_cpus, sizeof(*values));
	_cleanup_(freep) uint32_t *keys = calloc(n, sizeof(*keys));

	if (!values || !keys)
		return err_set(err, ERR_NOMEM, "out of memory");
	/* ENOENT: the end was reached, which it always is. */
	if (bpf_map_lookup_batch(k->map_fd[KERNEL_MAP_STATS], NULL, &token, keys, values, &n, NULL) && errno != ENOENT)
		return err_errno(err, errno, "can't read tg_stats");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t verdict = keys[i] / TG_STATS_STRIDE, reason = keys[i] % TG_STATS_STRIDE;

		if (verdict >= TG_VERDICT_COUNT || reason >= TG_REASON_COUNT)
			continue;
		for (unsigned c = 0; c < k->n_cpus; c++) {
			ret->by[verdict][reason].packets += values[i * k->n_cpus + c].packets;
			ret->by[verdict][reason].bytes += values[i * k->n_cpus + c].bytes;
		}
	}
	return 0;
}

int kernel_stats(struct kernel *k, struct kernel_stats *ret, struct err *err)
{
	struct kernel_stats sum = {0};
	int rc = k->memory ? 0 : read_verdicts(k, &sum, err);

	if (rc == 0 && !k->memory)
		rc = read_health(k, &sum.health, err);
	if (rc == 0)
		*ret = sum;
	return rc;
}

int kernel_slot_stats(struct kernel *k, uint32_t subject, struct tg_slot_stat *ret, struct err *err)
{
	_cleanup_(freep) struct tg_slot_stat *cpus = calloc(k->n_cpus + 1, sizeof(*cpus));
	struct tg_slot_stat sum = {0};

	if (subject >= TG_SUBJECTS_MAX)
		return err_set(err, ERR_RANGE, "subject %u is over %u", subject, TG_SUBJECTS_MAX - 1);
	if (!cpus)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (!k->memory && bpf_map_lookup_elem(k->map_fd[KERNEL_MAP_SLOT_STATS], &subject, cpus))
		return err_errno(err, errno, "can't read tg_slot_stats");
	for (unsigned c = 0; c < k->n_cpus; c++) {
		sum.answered += cpus[c].answered;
		sum.shadowed += cpus[c].shadowed;
		sum.passed += cpus[c].passed;
		sum.bytes += cpus[c].bytes;
	}
	*ret = sum;
	return 0;
}

int kernel_net_state(struct kernel *k, const struct tg_net_key *key, struct tg_net_value *ret)
{
	struct tg_net_value v;

	if (k->memory)
		return ERR_UNSUPPORTED;
	if (bpf_map_lookup_elem(k->map_fd[KERNEL_MAP_NET_STATE], key, &v))
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	*ret = v;
	return 0;
}

/* ---- how full */

/* The kernel adds to these and evicts from them by itself. */
static bool kernel_fills(enum kernel_map map)
{
	return map == KERNEL_MAP_NET_STATE || map == KERNEL_MAP_FLOWS;
}

static int census(struct kernel *k, enum kernel_map map, uint64_t *ret, struct err *err)
{
	uint64_t start = clock_mono_ns();
	int rc = 0;

	pthread_mutex_lock(&k->census_lock);
	if (k->census[map].counted_ns == 0 ||
	    start - k->census[map].counted_ns >= k->census[map].cost_ns * CENSUS_SHARE) {
		rc = walk_count(k->map_fd[map], &k->census[map].used, err);
		k->census[map].counted_ns = start;
		k->census[map].cost_ns = clock_mono_ns() - start;
	}
	*ret = k->census[map].used;
	pthread_mutex_unlock(&k->census_lock);
	return rc;
}

int kernel_fill(struct kernel *k, struct kernel_fill *ret, size_t *n_ret, struct err *err)
{
	static const enum kernel_map maps[] = {
		KERNEL_MAP_KEYS,       KERNEL_MAP_NET_STATE,  KERNEL_MAP_FLOWS,
		KERNEL_MAP_BLOCK4,     KERNEL_MAP_BLOCK6,     KERNEL_MAP_BLOCK_NET4,
		KERNEL_MAP_BLOCK_NET6, KERNEL_MAP_ALLOW_NET4, KERNEL_MAP_ALLOW_NET6,
	};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(maps) && n < *n_ret; i++) {
		enum kernel_map map = maps[i];
		uint64_t used = k->used[map];
		int rc;

		if (k->map_fd[map] < 0)
			continue;
		rc = kernel_fills(map) ? census(k, map, &used, err) : 0;
		if (rc)
			return rc;
		ret[n++] = (struct kernel_fill){kernel_map_table[map].name, used, k->map_max[map]};
	}
	*n_ret = n;
	return 0;
}
