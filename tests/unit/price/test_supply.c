/* Goal: the state of supply follows whole windows, with hysteresis, and nothing else (P7). Method: walks of samples,
 * one a second, by a clock of the test's own. */
#include "price/price.h"

#include <criterion/criterion.h>

#define SEC 1000000000ull
#define WINDOW_S 60

static const struct supply_opts usual = {
	.surplus_below_e4 = 3000,
	.scarce_above_e4 = 8000,
	.hysteresis_e4 = 500,
	.window_ns = WINDOW_S * SEC,
};

/* A whole window at one utilisation. Its first sample closes the window before; none after it changes anything. */
static void window_of(struct supply *s, uint32_t utilisation_e4, uint64_t *now_ns)
{
	enum price_supply state = supply_sample(s, &usual, utilisation_e4, *now_ns);

	for (unsigned i = 1; i < WINDOW_S; i++)
		cr_assert_eq(supply_sample(s, &usual, utilisation_e4, *now_ns + i * SEC), state);
	*now_ns += WINDOW_S * SEC;
}

/* The state after a window at each utilisation: what its samples say is known when the next sample comes. */
Test(supply, hysteresis)
{
	static const struct {
		uint32_t mean_e4;
		enum price_supply after;
	} walk[] = {
		{5000, SUPPLY_BALANCED}, {3000, SUPPLY_BALANCED}, /* at the bound is not below it */
		{2999, SUPPLY_SURPLUS},  {3001, SUPPLY_SURPLUS},  /* back only past the bound ... */
		{3500, SUPPLY_SURPLUS},  {3501, SUPPLY_BALANCED}, /* ... by the hysteresis */
		{3001, SUPPLY_BALANCED}, {8000, SUPPLY_BALANCED}, {8001, SUPPLY_SCARCE},
		{7500, SUPPLY_SCARCE},   {7499, SUPPLY_BALANCED}, {8000, SUPPLY_BALANCED},
		{10000, SUPPLY_SCARCE},  {0, SUPPLY_SURPLUS}, /* both steps at once, either way */
		{9000, SUPPLY_SCARCE},   {7600, SUPPLY_SCARCE},   {5000, SUPPLY_BALANCED},
	};
	struct supply s = SUPPLY_INIT;
	uint64_t now_ns = 12345 * SEC;

	for (size_t i = 0; i < ARRAY_SIZE(walk); i++) {
		struct supply probe;

		window_of(&s, walk[i].mean_e4, &now_ns);
		probe = s;
		cr_expect_eq(supply_sample(&probe, &usual, 0, now_ns), walk[i].after, "step %zu: %d", i, probe.state);
		cr_expect_eq(probe.last_mean_e4, walk[i].mean_e4);
	}
}

Test(supply, starts_balanced)
{
	struct supply s = SUPPLY_INIT;

	cr_expect_eq(supply_sample(&s, &usual, 10000, 0), SUPPLY_BALANCED);
	cr_expect_eq(supply_sample(&s, &usual, 10000, WINDOW_S * SEC - 1), SUPPLY_BALANCED);
	cr_expect_eq(supply_sample(&s, &usual, 0, WINDOW_S * SEC), SUPPLY_SCARCE);
}

/* The mean decides, not the last sample nor a peak. */
Test(supply, mean_of_the_window)
{
	struct supply s = SUPPLY_INIT;
	uint64_t now_ns = 0;

	for (unsigned i = 0; i < WINDOW_S; i++, now_ns += SEC)
		cr_assert_eq(supply_sample(&s, &usual, i % 2 ? 10000 : 0, now_ns), SUPPLY_BALANCED);
	cr_expect_eq(supply_sample(&s, &usual, 10000, now_ns), SUPPLY_BALANCED);
	cr_expect_eq(s.last_mean_e4, 5000);
}

/* Samples above full count as full: one burst doesn't stand for a window. */
Test(supply, overfull_is_full)
{
	struct supply s = SUPPLY_INIT;

	supply_sample(&s, &usual, UINT32_MAX, 0);
	for (unsigned i = 1; i < 4; i++)
		supply_sample(&s, &usual, 6000, i * SEC);
	cr_expect_eq(supply_sample(&s, &usual, 6000, WINDOW_S * SEC), SUPPLY_BALANCED);
	cr_expect_eq(s.last_mean_e4, 7000);
}

/* P7: of a pause nothing is known; what came before it counts as the window it was. */
Test(supply, pause_changes_nothing)
{
	struct supply s = SUPPLY_INIT;
	uint64_t now_ns = 0;

	window_of(&s, 9000, &now_ns);
	now_ns += 3600 * SEC;
	cr_expect_eq(supply_sample(&s, &usual, 0, now_ns), SUPPLY_SCARCE);
	cr_expect_eq(s.last_mean_e4, 9000);
	/* and the window after the pause is a whole one */
	cr_expect_eq(supply_sample(&s, &usual, 0, now_ns + WINDOW_S * SEC - 1), SUPPLY_SCARCE);
	cr_expect_eq(supply_sample(&s, &usual, 0, now_ns + WINDOW_S * SEC), SUPPLY_SURPLUS);
}

Test(supply, clock_stands_or_runs_back)
{
	struct supply s = SUPPLY_INIT;

	for (unsigned i = 0; i < 1000; i++)
		cr_assert_eq(supply_sample(&s, &usual, 10000, 500 * SEC), SUPPLY_BALANCED);
	/* Back: the window starts anew, and what it had is dropped. */
	cr_expect_eq(supply_sample(&s, &usual, 5000, 100 * SEC), SUPPLY_BALANCED);
	cr_expect_eq(s.samples, 1);
	cr_expect_eq(supply_sample(&s, &usual, 5000, 159 * SEC), SUPPLY_BALANCED);
	cr_expect_eq(supply_sample(&s, &usual, 5000, 160 * SEC), SUPPLY_BALANCED);
	cr_expect_eq(s.last_mean_e4, 5000);
}

/* A hysteresis that reaches past zero or full holds the state for good, without wrapping into nonsense. */
Test(supply, hysteresis_beyond_the_scale)
{
	struct supply_opts o = {
		.surplus_below_e4 = 9900, .scarce_above_e4 = 9950, .hysteresis_e4 = 10000, .window_ns = SEC};
	struct supply s = SUPPLY_INIT;

	supply_sample(&s, &o, 10000, 0);
	cr_expect_eq(supply_sample(&s, &o, 0, SEC), SUPPLY_SCARCE);
	cr_expect_eq(supply_sample(&s, &o, 0, 2 * SEC), SUPPLY_SCARCE);
}
