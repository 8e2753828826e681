/* Goal: L1 and L2 while requests are admitted and settled at the same time. Method: 8 threads on two keys of one
 * tenant, a frozen clock, so that the numbers are exact: at the end every bucket holds what was admitted and, for
 * tokens, what was used, to the nanosecond; and no bucket ever went further than its rule and what is owed. */
#include "../unit/guard/world.h"

#include "tollgate/gcra.h"

#include <pthread.h>
#include <sched.h>

#define THREADS 8
#define ASKS 10000
#define UNIT_NS 1000000ull /* 60000 a minute */

TestSuite(settle, .init = world_new, .fini = world_free, .timeout = 120);

struct row {
	const char *name;
	unsigned gateway, token_burst;
	__u64 charge, use_min, use_max; /* tokens of one request */
};

struct worker {
	pthread_t thread;
	const struct row *row;
	unsigned key;
	__u64 seed;
	unsigned admitted, refused, charged_wrong;
	__u64 used;
};
static pthread_barrier_t start;

static __u64 usage(struct worker *w)
{
	w->seed ^= w->seed << 13, w->seed ^= w->seed >> 7, w->seed ^= w->seed << 17;
	return w->row->use_min + w->seed % (w->row->use_max - w->row->use_min + 1);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	pthread_barrier_wait(&start);
	for (unsigned i = 0; i < ASKS; i++) {
		struct limits_result r = admit(w->key, TG_ROUTE_CHAT_COMPLETIONS, w->row->charge, T0);

		if (i % 16 == 0)
			sched_yield(); /* with what was charged outstanding */
		if (r.admitted) {
			__u64 n = usage(w);

			w->charged_wrong += r.tokens_charged != w->row->charge;
			limits_settle_tokens(&w_view, w->key, r.tokens_charged, n, T0);
			w->used += n;
		}
		w->admitted += r.admitted;
		w->refused += !r.admitted;
	}
	return NULL;
}

static void run(struct worker *w, const struct row *row)
{
	memset(w_buckets, 0, 4 * sizeof(*w_buckets));
	set_rate(TG_SUBJECT_GATEWAY, TG_DIM_REQUESTS, 60000, row->gateway, false);
	set_rate(TENANT, TG_DIM_REQUESTS, 60000, 1000000, false);
	for (unsigned k = KEY; k <= KEY2; k++)
		set_rate(k, TG_DIM_TOKENS, 60000, row->token_burst, false);
	cr_assert_eq(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		w[i] = (struct worker){.row = row, .key = KEY + i % 2, .seed = 0x9e3779b97f4a7c15ull * (i + 1)};
		cr_assert_eq(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	pthread_barrier_destroy(&start);
}

static void check_key(const struct worker *w, const struct row *row, unsigned key)
{
	__u64 tat = w_buckets[key].tat_ns[TG_DIM_TOKENS], used = 0;
	__u64 owed = row->use_max > row->charge ? THREADS / 2 * (row->use_max - row->charge) : 0;
	unsigned admitted = 0;

	for (unsigned i = 0; i < THREADS; i++)
		if (w[i].key == key) {
			used += w[i].used;
			admitted += w[i].admitted;
			cr_expect_eq(w[i].charged_wrong, 0u, "%s", row->name);
		}
	cr_expect_gt(admitted, 0u, "%s", row->name);
	cr_expect_eq(tat, T0 + used * UNIT_NS, "%s: key %u holds %lld ns too much", row->name, key,
		     (long long)(tat - T0 - used * UNIT_NS));
	/* L2: whoever was admitted fitted beside all that was settled and outstanding then. */
	cr_expect_leq(used, row->token_burst + owed, "%s: key %u", row->name, key);
	if (row->gateway > THREADS * ASKS)
		cr_expect_gt(used + row->charge, row->token_burst, "%s: key %u refused what would have fitted",
			     row->name, key);
}

Test(settle, frozen_clock_exact)
{
	static const struct row rows[] = {
		{"requests tight, tokens given back", 5000, 10000000, 10, 0, 9},
		{"requests tight, tokens owed", 5000, 10000000, 10, 10, 30},
		{"tokens tight, given back", 1000000, 20000, 10, 0, 9},
		{"tokens tight, as estimated", 1000000, 20000, 10, 10, 10},
		{"tokens tight, owed", 1000000, 20000, 10, 11, 40},
		{"tokens tight, either way", 1000000, 20000, 10, 0, 20},
		{"both tight", 3000, 15000, 10, 0, 20},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct worker w[THREADS];
		unsigned admitted = 0, refused = 0;

		run(w, &rows[i]);
		for (unsigned t = 0; t < THREADS; t++) {
			admitted += w[t].admitted;
			refused += w[t].refused;
		}
		cr_expect_eq(admitted + refused, THREADS * ASKS);
		cr_expect_gt(refused, 0u, "%s: nothing was refused, the row shows nothing", rows[i].name);
		for (unsigned k = KEY; k <= KEY2; k++)
			check_key(w, &rows[i], k);
		/* L1: refusals left nothing behind. */
		cr_expect_eq(w_buckets[0].tat_ns[TG_DIM_REQUESTS], T0 + admitted * UNIT_NS, "%s: gateway",
			     rows[i].name);
		cr_expect_eq(w_buckets[TENANT].tat_ns[TG_DIM_REQUESTS], T0 + admitted * UNIT_NS, "%s: tenant",
			     rows[i].name);
		if (rows[i].gateway < THREADS * ASKS && rows[i].token_burst > 100000)
			cr_expect_eq(admitted, rows[i].gateway, "%s", rows[i].name);
		cr_expect_leq(admitted, rows[i].gateway, "%s", rows[i].name);
	}
}

/* ---- one word under take, give and charge at once */

static __u64 word;

static void *take_give_charge(void *arg)
{
	__u64 *sum = arg;

	pthread_barrier_wait(&start);
	for (unsigned i = 0; i < ASKS; i++) {
		if (tg_gcra_take(&word, T0, 10, TG_GCRA_MAX_NS) != TG_GCRA_ADMIT)
			continue;
		*sum += 10;
		if (i % 16 == 0)
			sched_yield();
		if (i % 3 == 0) {
			tg_gcra_charge(&word, T0, 7);
			*sum += 7;
		} else if (i % 3 == 1) {
			tg_gcra_give(&word, 4);
			*sum -= 4;
		}
	}
	return NULL;
}

/* gcra.h gives up after TG_GCRA_TRIES: what can then be off is a charge or a give left out, never a torn word. */
Test(settle, one_word)
{
	__u64 sums[THREADS] = {0}, sum = 0, slack = THREADS * 16ull;
	pthread_t t[THREADS];

	cr_assert_eq(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, take_give_charge, &sums[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		sum += sums[i];
	}
	pthread_barrier_destroy(&start);
	cr_expect_geq(word + slack, T0 + sum, "%llu short", T0 + sum - word);
	cr_expect_leq(word, T0 + sum + slack, "%llu over", word - T0 - sum);
}
