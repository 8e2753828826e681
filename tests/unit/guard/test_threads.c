/* Goal: L1 and L2 with many threads on the same buckets. Method: 8 threads, start together, one key/tenant/gateway mix;
 * first with one frozen clock (the numbers are then exact), then with the real clock against G1's theory. Run under
 * SAN=thread too. */
#include "world.h"

#include "base/clock.h"
#include "tollgate/gcra.h"

#include <pthread.h>
#include <sched.h>

#define THREADS 8
#define ASKS 20000

TestSuite(threads, .init = world_new, .fini = world_free, .timeout = 120);

struct worker {
	pthread_t thread;
	unsigned key;
	__u64 frozen_ns, until_ns; /* frozen_ns 0: real clock until until_ns, and so many asks at least:
				    * on a busy machine that time is over before all have begun */
	__u64 tokens;
	unsigned admitted, refused;
	__u64 tokens_admitted;
};
static pthread_barrier_t start;

static void *work(void *arg)
{
	struct worker *w = arg;

	pthread_barrier_wait(&start);
	for (unsigned i = 0; w->frozen_ns ? i < ASKS : i < ASKS / 4 || clock_mono_ns() < w->until_ns; i++) {
		__u64 now = w->frozen_ns ? w->frozen_ns : clock_mono_ns();
		struct limits_result r = admit(w->key, TG_ROUTE_CHAT_COMPLETIONS, w->tokens, now);

		w->admitted += r.admitted;
		w->refused += !r.admitted;
		w->tokens_admitted += r.admitted ? w->tokens : 0;
		if (i % 32 == 0)
			sched_yield(); /* two cores: else a thread is done before the next one starts */
	}
	return NULL;
}

static void run(struct worker *w)
{
	cr_assert_eq(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (int i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	pthread_barrier_destroy(&start);
}

static unsigned sum_admitted(const struct worker *w, unsigned key)
{
	unsigned n = 0;

	for (int i = 0; i < THREADS; i++)
		n += key && w[i].key != key ? 0 : w[i].admitted;
	return n;
}

/* Half the threads on each key, two keys of one tenant. Whichever dimension is the tight one admits exactly its burst,
 * and afterwards every bucket has consumed exactly what was admitted: refusals left nothing behind. */
Test(threads, frozen_clock_exact)
{
	static const struct {
		const char *name;
		unsigned gateway, tenant, key, want;
		__u64 token_burst;
	} rows[] = {
		{"gateway tight", 3000, 50000, 50000, 3000, 1000000},
		{"tenant tight", 50000, 3001, 50000, 3001, 1000000},
		{"keys tight", 50000, 50000, 1500, 3000, 1000000},
		{"tokens tight", 50000, 50000, 50000, 2000, 3000}, /* 3 a request */
		{"all alike", 3000, 3000, 1500, 3000, 4500},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct worker w[THREADS];
		const unsigned want = rows[i].want;

		memset(w_buckets, 0, 4 * sizeof(*w_buckets));
		/* 1 ms a unit. */
		set_rate(TG_SUBJECT_GATEWAY, TG_DIM_REQUESTS, 60000, rows[i].gateway, false);
		set_rate(TENANT, TG_DIM_REQUESTS, 60000, rows[i].tenant, false);
		for (unsigned k = KEY; k <= KEY2; k++) {
			set_rate(k, TG_DIM_REQUESTS, 60000, rows[i].key, false);
			set_rate(k, TG_DIM_TOKENS, 60000, rows[i].token_burst, false);
		}
		for (unsigned t = 0; t < THREADS; t++)
			w[t] = (struct worker){.key = KEY + t % 2, .frozen_ns = T0, .tokens = 3};
		run(w);
		cr_expect_eq(sum_admitted(w, 0), want, "%s: %u", rows[i].name, sum_admitted(w, 0));
		cr_expect_eq(w_buckets[0].tat_ns[TG_DIM_REQUESTS], T0 + want * 1000000ull, "%s: gateway", rows[i].name);
		cr_expect_eq(w_buckets[TENANT].tat_ns[TG_DIM_REQUESTS], T0 + want * 1000000ull, "%s: tenant",
			     rows[i].name);
		for (unsigned k = KEY; k <= KEY2; k++) {
			__u64 n = sum_admitted(w, k);
			__u64 used = w_buckets[k].tat_ns[TG_DIM_REQUESTS],
			      used_tokens = w_buckets[k].tat_ns[TG_DIM_TOKENS];

			cr_expect_gt(n, 0, "%s: the threads didn't overlap", rows[i].name);
			cr_expect_eq(used, T0 + n * 1000000, "%s: key", rows[i].name);
			cr_expect_eq(used_tokens, T0 + n * 3000000, "%s: tokens", rows[i].name);
		}
	}
}

/* G1 over the whole run: at most burst + elapsed / emission. And it keeps admitting: a bucket that only ever refuses
 * would pass the bound too. */
static void expect_theory(const char *name, __u64 admitted, const struct tg_rate *rate, __u64 elapsed_ns)
{
	__u64 most = (__u64)(((unsigned __int128)(rate->burst_ns + elapsed_ns) << 16) / rate->emission_q16) + 1;

	cr_expect_leq(admitted, most, "%s: %llu, theory %llu", name, admitted, most);
}

Test(threads, real_clock_never_above_theory)
{
	struct worker w[THREADS];
	__u64 begin = clock_mono_ns(), tokens = 0, elapsed;
	unsigned refused = 0;

	set_rate(TG_SUBJECT_GATEWAY, TG_DIM_REQUESTS, 60 * 9000, 700, false);
	set_rate(TENANT, TG_DIM_REQUESTS, 60 * 8000, 600, false);
	set_rate(KEY, TG_DIM_REQUESTS, 60 * 3000, 500, false);
	set_rate(KEY2, TG_DIM_REQUESTS, 60 * 7000, 300, false);
	set_rate(KEY2, TG_DIM_TOKENS, 60 * 10000, 900, false);
	for (unsigned t = 0; t < THREADS; t++)
		w[t] = (struct worker){.key = KEY + t % 2, .until_ns = begin + SEC / 2, .tokens = 3};
	run(w);
	elapsed = clock_mono_ns() - begin;
	for (int t = 0; t < THREADS; t++) {
		refused += w[t].refused;
		tokens += w[t].key == KEY2 ? w[t].tokens_admitted : 0;
	}
	expect_theory("gateway", sum_admitted(w, 0), &w_rates[0].rate[TG_DIM_REQUESTS], elapsed);
	expect_theory("tenant", sum_admitted(w, 0), &w_rates[TENANT].rate[TG_DIM_REQUESTS], elapsed);
	expect_theory("key", sum_admitted(w, KEY), &w_rates[KEY].rate[TG_DIM_REQUESTS], elapsed);
	expect_theory("key2", sum_admitted(w, KEY2), &w_rates[KEY2].rate[TG_DIM_REQUESTS], elapsed);
	expect_theory("key2 tokens", tokens, &w_rates[KEY2].rate[TG_DIM_TOKENS], elapsed);
	cr_expect_gt(sum_admitted(w, KEY), 500);
	cr_expect_gt(sum_admitted(w, KEY2), 300);
	cr_expect_gt(refused, 0u, "nothing was refused: the test shows nothing");
}
