/* Goal: docs/pricing.md tells the truth. Method: its worked examples, number by number, as the page has them. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <inttypes.h>

static const uint32_t tiers[] = {FREE_E4, GROWTH_E4, ENTERPRISE_E4};
static const uint32_t models[] = {12000, 10000, 11000, 9000};
static const uint32_t supplies[] = {8000, 10000, 13000};

Test(examples, cost_by_class)
{
	static const int64_t by_class_nano[] = {31500, 76800, 0, 340200};
	struct price_rule r = RULE_USUAL;
	struct usage u = USAGE_EXAMPLE;
	struct price_steps st;

	cr_assert_eq(price_compute(&r, &u, &st, NULL), 0);
	for (unsigned c = 0; c < TOKEN_CLASSES; c++) {
		cr_expect(st.class[c].exact_femto == (unsigned __int128)by_class_nano[c] * 1000000, "%s",
			  price_class_name(c));
		cr_expect_eq(st.class[c].rate_nano, r.rate_nano[c]);
	}
	cr_expect_eq(st.class[TOKEN_INPUT].tokens, 210);
	cr_expect_eq(st.cost_nano, 448500);
}

Test(examples, each_tier_and_the_clamp)
{
	static const struct {
		const char *name;
		uint32_t tier_e4, supply_e4;
		int64_t margin_e12, used_e12;
		enum price_clamp clamp;
		int64_t price_nano;
	} rows[] = {
		{"free", FREE_E4, 10000, 180000000000, 180000000000, PRICE_CLAMP_NONE, 546951},
		{"growth", GROWTH_E4, 10000, 300000000000, 300000000000, PRICE_CLAMP_NONE, 640714},
		{"enterprise", ENTERPRISE_E4, 10000, 480000000000, 480000000000, PRICE_CLAMP_NONE, 862500},
		{"enterprise, scarce", ENTERPRISE_E4, 13000, 624000000000, 500000000000, PRICE_CLAMP_MAX, 897000},
		{"free, surplus", FREE_E4, 8000, 144000000000, 150000000000, PRICE_CLAMP_MIN, 527647},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct price_rule r = RULE_USUAL;
		struct usage u = USAGE_EXAMPLE;
		struct price_steps st;

		r.tier_margin_e4 = rows[i].tier_e4;
		r.supply_factor_e4 = rows[i].supply_e4;
		cr_assert_eq(price_compute(&r, &u, &st, NULL), 0);
		cr_expect_eq(st.margin_e12, rows[i].margin_e12, "%s", rows[i].name);
		cr_expect_eq(st.margin_used_e12, rows[i].used_e12, "%s", rows[i].name);
		cr_expect_eq(st.clamp, rows[i].clamp, "%s", rows[i].name);
		cr_expect_eq(st.cost_nano, 448500, "%s", rows[i].name);
		cr_expect_eq(st.price_nano, rows[i].price_nano, "%s: %" PRId64, rows[i].name, st.price_nano);
	}
}

Test(examples, price_not_from_the_rounded_cost)
{
	struct price_rule r = RULE_USUAL;
	struct usage u = {.input_tokens = 1};
	struct price_steps st;

	r.rate_nano[TOKEN_INPUT] = 2500000;
	r.model_factor_e4 = 10000;
	cr_assert_eq(price_compute(&r, &u, &st, NULL), 0);
	cr_expect_eq(st.cost_nano, 3);
	cr_expect_eq(st.price_nano, 3);
}

Test(examples, hold)
{
	struct price_rule r = RULE_USUAL;
	int64_t hold_nano;

	cr_assert_eq(price_worst(&r, 1234, 1000, &hold_nano), 0);
	cr_expect_eq(hold_nano, 1121571);
}

/* The seed's formula by the seed's numbers: below cost before the clamp, at its lower bound after it, always. */
Test(examples, multiplier_always_clamps)
{
	for (size_t t = 0; t < ARRAY_SIZE(tiers); t++)
		for (size_t m = 0; m < ARRAY_SIZE(models); m++)
			for (size_t s = 0; s < ARRAY_SIZE(supplies); s++) {
				struct price_rule r = RULE_USUAL;
				struct usage u = USAGE_EXAMPLE;
				struct price_steps st;

				r.formula = PRICE_MULTIPLIER;
				r.tier_margin_e4 = tiers[t];
				r.model_factor_e4 = models[m];
				r.supply_factor_e4 = supplies[s];
				cr_assert_eq(price_compute(&r, &u, &st, NULL), 0);
				cr_expect_lt(st.margin_e12, 0, "%zu %zu %zu", t, m, s);
				cr_expect_eq(st.clamp, PRICE_CLAMP_MIN);
				cr_expect_eq(st.margin_used_e12, 150000000000);
				cr_expect_eq(st.price_nano, 527647);
			}
}

Test(examples, multiplier_literally)
{
	/* What the page's table shows: the formula's own price, with a clamp that is out of the way as far as it goes
	 * (min 0 still clamps: so the margin before the clamp tells). margin = 1 - cost / price. */
	static const struct {
		uint32_t tier_e4, supply_e4;
		int64_t price_nano, margin_e12;
	} rows[] = {
		{FREE_E4, 10000, 107640, -3166666666667},
		{GROWTH_E4, 10000, 179400, -1500000000000},
		{ENTERPRISE_E4, 10000, 287040, -562500000000},
		{ENTERPRISE_E4, 13000, 373152, -201923076923},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct price_rule r = RULE_USUAL;
		struct usage u = USAGE_EXAMPLE;
		struct price_steps st;

		r.formula = PRICE_MULTIPLIER;
		r.tier_margin_e4 = rows[i].tier_e4;
		r.supply_factor_e4 = rows[i].supply_e4;
		cr_assert_eq(price_compute(&r, &u, &st, NULL), 0);
		cr_expect_eq(st.margin_e12, rows[i].margin_e12, "row %zu: %" PRId64, i, st.margin_e12);
		/* cost = price x (1 - margin), within the twelve decimals */
		cr_expect_eq((rows[i].price_nano * ((1000000000000 - st.margin_e12) / 1000) + 500000000) / 1000000000,
			     448500, "row %zu", i);
	}
}
