/* Goal: rates that never admit more than the policy's numbers (G3), and exactly the burst. Method: rows, and a walk
 * through the bucket. */
#include "guard/rates.h"
#include "tollgate/gcra.h"

#include <criterion/criterion.h>

#define SEC 1000000000ull
#define DAY (86400 * SEC)

Test(rates, burst_and_period_exact)
{
	static const struct {
		__u64 units, period_ns, burst, cost;
	} rows[] = {
		{100000, 60 * SEC, 100000, 1},
		{10000, 60 * SEC, 1500, 1},
		{1000, 60 * SEC, 1000, 1},
		{7, 60 * SEC, 7, 1},
		{3, SEC, 100, 1},
		{1, DAY, 1, 1},
		{999983, 60 * SEC, 1999, 1},
		{100000, 60 * SEC, 100000, 123},
		{1, SEC, 0, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tg_rate r = rates_compile(rows[i].units, rows[i].period_ns, rows[i].burst, false);
		__u64 burst = rows[i].burst ? rows[i].burst : 1;
		__u64 cost = tg_gcra_cost_ns(r.emission_q16, rows[i].cost);
		__u64 tat = 0, n = 0, now = 5 * DAY;

		while (tg_gcra_take(&tat, now, cost, r.burst_ns) == TG_GCRA_ADMIT)
			n++;
		cr_expect_eq(n, burst / rows[i].cost, "row %zu: burst admitted %llu", i, n);
		/* In the period after it at most `units` come in: ask at every 1/1000 of it. */
		n = 0;
		for (unsigned step = 1; step <= 1000; step++)
			while (tg_gcra_take(&tat, now + rows[i].period_ns / 1000 * step, cost, r.burst_ns) ==
			       TG_GCRA_ADMIT)
				n++;
		cr_expect_leq(n, rows[i].units / rows[i].cost, "row %zu: period admitted %llu", i, n);
		cr_expect_geq(n * rows[i].cost * 10000 + 10000 * rows[i].cost, rows[i].units * 9999,
			      "row %zu: period admitted only %llu", i, n);
		cr_expect_eq(r.limit, rows[i].units);
		cr_expect_eq(r.flags, 0);
	}
}

/* G3 over everything: the emission is never below period / units. */
Test(rates, rounds_up)
{
	for (__u64 units = 1; units < 3000000000ull; units += units / 7 + 1) {
		for (__u64 period = 1; period <= DAY; period = period * 13 + 1) {
			struct tg_rate r = rates_compile(units, period, 1, true);
			unsigned __int128 covered = (unsigned __int128)r.emission_q16 * units;

			cr_assert(covered >= (unsigned __int128)period << 16, "%llu per %llu ns", units, period);
			cr_assert_eq(r.flags, TG_RATE_SHADOW);
		}
	}
}

Test(rates, edges)
{
	struct tg_rate r = rates_compile(0, 60 * SEC, 10, true);

	cr_expect_eq(r.emission_q16, 0);
	cr_expect_eq(r.burst_ns, 0);
	r = rates_compile(1, ~0ull, ~0ull, false);
	cr_expect_leq(r.burst_ns, TG_GCRA_MAX_NS);
	cr_expect_leq(r.emission_q16 >> 16, TG_GCRA_MAX_NS);
	r = rates_compile(1ull << 40, 1, 1, false);
	cr_expect_geq(r.emission_q16, 1);
	cr_expect_eq(r.limit, 0xffffffffu);
}
