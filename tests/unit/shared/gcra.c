/* Goal: G1 to G4 of tollgate/gcra.h, exactly, in one thread with an injected clock and in many threads on one word.
 * Method: costs and waits against 128-bit arithmetic; a count of admissions against the formula. */
#include "tollgate/gcra.h"

#include <criterion/criterion.h>
#include <pthread.h>

#define SECOND 1000000000ull

Test(shared_gcra, cost_rounds_up)
{
	static const struct {
		__u64 emission_q16, units, cost;
	} rows[] = {
		{0, 5, 0},
		{1ull << 16, 1, 1},
		{1ull << 16, 1000, 1000},
		{1, 1, 1}, /* 1/65536 ns rounds up (G3) */
		{1, 65536, 1},
		{1, 65537, 2},
		{(3ull << 16) + 0x8000, 3, 11}, /* 10.5 */
		{600000ull << 16, 1, 600000},
		{1ull << 16, 1ull << 40, TG_GCRA_MAX_NS + 1},
		{TG_GCRA_MAX_NS << 16, 1, TG_GCRA_MAX_NS},
		{TG_GCRA_MAX_NS << 16, 2, TG_GCRA_MAX_NS + 1},
		{1ull << 39, 1ull << 24, TG_GCRA_MAX_NS},
		{(1ull << 39) + 1, 1ull << 24, TG_GCRA_MAX_NS + 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(tg_gcra_cost_ns(rows[i].emission_q16, rows[i].units), rows[i].cost, "row %zu", i);
}

/* Against wide arithmetic, across the border between the quick way and the general one. */
Test(shared_gcra, cost_is_exact)
{
	__u64 x = 88172645463325252ull;

	for (int i = 0; i < 200000; i++) {
		__u64 emission, units;
		unsigned __int128 want;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		emission = x >> (x % 60);
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		units = (x >> (24 + x % 40)) & ((1ull << 40) - 1);
		want = ((unsigned __int128)emission * units + 0xffff) >> 16;
		if (want > TG_GCRA_MAX_NS)
			want = TG_GCRA_MAX_NS + 1;
		cr_assert_eq(tg_gcra_cost_ns(emission, units), (__u64)want, "%llu * %llu", emission, units);
	}
}

Test(shared_gcra, admits_the_burst_then_the_rate)
{
	const __u64 cost = SECOND / 10, burst = SECOND; /* 10 per second, burst 10 */
	__u64 tat = 0, now = 50 * SECOND, before;

	for (int i = 0; i < 10; i++)
		cr_expect_eq(tg_gcra_take(&tat, now, cost, burst), TG_GCRA_ADMIT, "%d", i);
	before = tat;
	cr_expect_eq(tg_gcra_take(&tat, now, cost, burst), TG_GCRA_REFUSE);
	cr_expect_eq(tat, before, "a refusal changes nothing (G2)");
	cr_expect_eq(tg_gcra_wait_ns(tat, now, cost, burst), cost);
	cr_expect_eq(tat, before, "asking changes nothing");
	cr_expect_eq(tg_gcra_take(&tat, now + cost - 1, cost, burst), TG_GCRA_REFUSE);
	cr_expect_eq(tg_gcra_take(&tat, now + cost, cost, burst), TG_GCRA_ADMIT);
	cr_expect_eq(tg_gcra_take(&tat, now + cost, cost, burst), TG_GCRA_REFUSE);
	cr_expect_eq(tg_gcra_wait_ns(0, now, cost, burst), 0);
}

Test(shared_gcra, peek_and_take_agree)
{
	__u64 tat = 0, now = SECOND;

	for (int i = 0; i < 1000; i++) {
		__u64 wait = tg_gcra_wait_ns(tat, now, 70, 1000);

		if (wait) {
			cr_assert_eq(tg_gcra_take(&tat, now + wait - 1, 70, 1000), TG_GCRA_REFUSE);
			now += wait;
		}
		cr_assert_eq(tg_gcra_take(&tat, now, 70, 1000), TG_GCRA_ADMIT);
		now += (unsigned)i % 13;
	}
}

Test(shared_gcra, give_and_charge)
{
	__u64 tat = 0, now = SECOND;

	cr_assert_eq(tg_gcra_take(&tat, now, 400, 1000), TG_GCRA_ADMIT);
	tg_gcra_give(&tat, 400);
	cr_expect_eq(tat, now);
	tg_gcra_give(&tat, 2 * SECOND);
	cr_expect_eq(tat, 0, "never below zero");
	tg_gcra_charge(&tat, now, 5000);
	cr_expect_eq(tat, now + 5000, "owed even over the burst");
	tg_gcra_charge(&tat, now, TG_GCRA_MAX_NS);
	cr_expect_eq(tat, now + TG_GCRA_MAX_NS, "saturates");
}

/* ---- many threads, one bucket: exactly the burst is admitted while the clock stands still */

#define THREADS 8
#define TRIES 20000
#define BURST 50000

static __u64 shared_tat;
struct tally {
	unsigned admitted, contended;
};

static void *taker(void *arg)
{
	struct tally *t = arg;

	for (int i = 0; i < TRIES; i++)
		switch (tg_gcra_take(&shared_tat, SECOND, 10, 10 * BURST)) {
		case TG_GCRA_ADMIT:
			t->admitted++;
			break;
		case TG_GCRA_CONTENDED:
			t->contended++;
			break;
		default:
			break;
		}
	return NULL;
}

Test(shared_gcra, threads_never_over_admit)
{
	struct tally t[THREADS] = {{0, 0}};
	pthread_t id[THREADS];
	unsigned admitted = 0;

	for (int i = 0; i < THREADS; i++)
		cr_assert(pthread_create(&id[i], NULL, taker, &t[i]) == 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(id[i], NULL);
		admitted += t[i].admitted;
	}
	/* 160000 tries for 50000 places: a contended try is a refusal (G4), but enough others follow it */
	cr_expect_eq(admitted, BURST);
	cr_expect_eq(shared_tat, SECOND + 10ull * BURST);
}

/* Takes and gives that cancel out leave the word as it was: no lost update. */
static void *taker_giver(void *arg)
{
	unsigned *kept = arg;

	for (int i = 0; i < TRIES; i++)
		if (tg_gcra_take(&shared_tat, SECOND, 10, TG_GCRA_MAX_NS) == TG_GCRA_ADMIT) {
			if (i % 2)
				tg_gcra_give(&shared_tat, 10);
			else
				(*kept)++;
		}
	return NULL;
}

Test(shared_gcra, threads_lose_no_update)
{
	unsigned kept[THREADS] = {0}, sum = 0;
	pthread_t id[THREADS];

	shared_tat = 0;
	for (int i = 0; i < THREADS; i++)
		cr_assert(pthread_create(&id[i], NULL, taker_giver, &kept[i]) == 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(id[i], NULL);
		sum += kept[i];
	}
	/* a give that is contended away leaves the bucket fuller, never emptier (gcra.h) */
	cr_expect_geq(shared_tat, SECOND + 10ull * sum);
}
