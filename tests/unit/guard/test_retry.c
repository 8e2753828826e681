/* Goal: T1. Method: rows of calls and retries; random sequences from seeds against the sum; 8 threads that take all
 * they get. Run under SAN=thread too. */
#include "guard/retry.h"

#include "base/util.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>

TestSuite(retry, .timeout = 120);

static unsigned calls(struct retry_budget *b, const struct retry_rules *r, unsigned n, unsigned tries_each)
{
	unsigned granted = 0;

	while (n--) {
		retry_budget_call(b, r);
		for (unsigned i = 0; i < tries_each; i++)
			granted += retry_budget_take(b);
	}
	return granted;
}

Test(retry, budget)
{
	static const struct {
		const char *name;
		struct retry_rules r;
		unsigned idle, calls, tries_each, granted;
	} rows[] = {
		{"a tenth, and the reserve", {1000, 10, 3}, 0, 10000, 2, 1009},
		{"quiet times save up to the reserve, no more", {1000, 10, 3}, 1000000, 10000, 2, 1009},
		{"few failures are all tried again", {1000, 10, 3}, 0, 10, 1, 10},
		{"no share: the reserve and nothing more", {0, 10, 3}, 1000, 10000, 2, 10},
		{"no reserve: nothing can be saved", {1000, 0, 3}, 1000, 10000, 2, 0},
		{"a reserve of one", {1000, 1, 3}, 1000, 10000, 2, 1000},
		{"all calls", {10000, 10, 3}, 0, 1000, 1, 1000},
		{"all calls, twice each", {10000, 10, 3}, 0, 1000, 2, 1009},
		{"a share too small to see", {1, 10, 3}, 0, 10000, 1, 10},
		{"and when it adds up", {1, 10, 3}, 0, 10001, 1, 11},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct retry_budget b;
		unsigned granted;

		retry_budget_init(&b, &rows[i].r);
		calls(&b, &rows[i].r, rows[i].idle, 0);
		granted = calls(&b, &rows[i].r, rows[i].calls, rows[i].tries_each);
		cr_expect_eq(granted, rows[i].granted, "%s: %u, wanted %u", rows[i].name, granted, rows[i].granted);
	}
}

/* Amplification: everything fails, every failure is tried as often as it may. */
Test(retry, amplification_at_most_a_fifth)
{
	struct retry_rules r = RETRY_RULES_DEFAULT;
	struct retry_budget b;
	unsigned granted;

	retry_budget_init(&b, &r);
	granted = calls(&b, &r, 1000, r.attempts - 1);
	cr_expect_leq(1000 + granted, 1200u, "%u requests for 1000 calls", 1000 + granted);
	cr_expect_geq(granted, 100u);
}

/* A reload. */
Test(retry, rules_changed)
{
	struct retry_rules r = RETRY_RULES_DEFAULT;
	struct retry_budget b;

	retry_budget_init(&b, &r);
	r.reserve = 2;
	cr_expect_eq(calls(&b, &r, 1, 100), 2u, "a lower reserve counts at the next call");
	r.reserve = 50;
	cr_expect_eq(calls(&b, &r, 400, 0), 0u);
	cr_expect_eq(calls(&b, &r, 1, 100), 40u, "a higher one is filled by calls, not given");
}

Test(retry, random_sequences)
{
	for (uint64_t seed = 1; seed <= 500; seed++) {
		uint64_t x = seed * 0x9e3779b97f4a7c15ull, n_calls = 0, n_granted = 0;
		struct retry_rules r = {.share_e4 = (unsigned)(x >> 40) % 10001, .reserve = (unsigned)(x >> 20) % 30};
		struct retry_budget b;

		retry_budget_init(&b, &r);
		for (unsigned i = 0; i < 5000; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			if (x >> 30 & 1) {
				retry_budget_call(&b, &r);
				n_calls++;
			} else {
				n_granted += retry_budget_take(&b);
			}
			cr_assert_leq(n_granted * 10000, r.reserve * 10000ull + r.share_e4 * n_calls,
				      "seed %lu: %lu granted after %lu calls", seed, n_granted, n_calls);
			cr_assert_geq(b.balance_e4, 0, "seed %lu", seed);
		}
	}
}

#define THREADS 8
#define CALLS 20000
static struct retry_budget shared;
static const struct retry_rules rules = {.share_e4 = 1000, .reserve = 10, .attempts = 3};
static pthread_barrier_t start;

static void *greedy(void *arg)
{
	unsigned *granted = arg;

	pthread_barrier_wait(&start);
	for (unsigned i = 0; i < CALLS; i++) {
		*granted += calls(&shared, &rules, 1, 2);
		if (i % 64 == 0)
			sched_yield();
	}
	return NULL;
}

Test(retry, threads)
{
	unsigned granted[THREADS] = {0}, all = 0;
	pthread_t t[THREADS];

	retry_budget_init(&shared, &rules);
	cr_assert_eq(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, greedy, &granted[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		all += granted[i];
	}
	cr_expect_leq(all, rules.reserve + THREADS * CALLS / 10, "T1: %u granted", all);
	/* Two tries each: what the calls brought was taken, but for what stood over the reserve at the very start. */
	cr_expect_geq(all, THREADS * CALLS / 10 - rules.reserve, "%u granted", all);
}
