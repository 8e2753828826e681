/* Goal: the formula's edges: rounding, clamps, classes, zero, what doesn't fit and what isn't allowed (P1 to P6).
 * Method: rows with hand-computed amounts. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#define TOKENS_MAX USAGE_TOKENS_MAX

/* Cost and price the same: margin 0, nothing clamped. */
static struct price_rule rule_at_cost(void)
{
	struct price_rule r = RULE_USUAL;

	memset(r.rate_nano, 0, sizeof(r.rate_nano));
	r.tier_margin_e4 = 0;
	r.min_margin_e4 = 0;
	return r;
}

/* Both forms, which must agree; the price, or the error. */
static int64_t priced(const struct price_rule *r, const struct usage *u, struct price_steps *ret)
{
	int64_t cost_nano = -7, price_nano = -7;
	struct err err;
	int rc = price_compute(r, u, ret, &err);

	cr_assert_eq(price_amounts(r, u, &cost_nano, &price_nano), rc);
	if (rc < 0) {
		cr_expect_eq(cost_nano, -7);
		cr_expect_eq(price_nano, -7);
		return rc;
	}
	cr_expect_eq(cost_nano, ret->cost_nano);
	cr_expect_eq(price_nano, ret->price_nano);
	return price_nano;
}

/* P1, P4: rate x tokens / 1e6, half up. */
Test(compute, cost_rounds_half_up_once)
{
	static const struct {
		int64_t rate_nano;
		uint64_t tokens;
		int64_t cost_nano;
	} rows[] = {
		{0, 1000, 0},
		{1, 0, 0},
		{1, 499999, 0},
		{1, 500000, 1},
		{1, 500001, 1},
		{1, 1499999, 1},
		{1, 1500000, 2},
		{499999, 1, 0},
		{500000, 1, 1},
		{2500000, 1, 3}, /* up, not to even */
		{3500000, 1, 4},
		{1000000, TOKENS_MAX, 9007199254740992},
		{1023000000, TOKENS_MAX, 1023 * 9007199254740992},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct price_rule r = rule_at_cost();
		struct usage u = {.output_tokens = rows[i].tokens};
		struct price_steps st;

		r.rate_nano[TOKEN_OUTPUT] = rows[i].rate_nano;
		cr_expect_eq(priced(&r, &u, &st), rows[i].cost_nano, "row %zu", i);
		cr_expect_eq(st.cost_nano, rows[i].cost_nano, "row %zu", i);
	}
}

/* P1: the sum is rounded, not its parts: three thirds of a nano-unit and a bit are one. */
Test(compute, classes_are_summed_exactly)
{
	struct price_rule r = rule_at_cost();
	struct usage u = {.input_tokens = 3, .cached_input_tokens = 1, .cache_write_tokens = 1, .output_tokens = 1};
	struct price_steps st;

	for (unsigned c = 0; c < TOKEN_CLASSES; c++)
		r.rate_nano[c] = 400000;
	cr_expect_eq(priced(&r, &u, &st), 2);
	/* Each class by its own rate. */
	r.rate_nano[TOKEN_INPUT] = 1000000;
	r.rate_nano[TOKEN_CACHED_INPUT] = 20000000;
	r.rate_nano[TOKEN_CACHE_WRITE] = 300000000;
	r.rate_nano[TOKEN_OUTPUT] = 4000000000;
	cr_expect_eq(priced(&r, &u, &st), 4321);
	u = (struct usage){.input_tokens = 20,
			   .cached_input_tokens = 12,
			   .cache_write_tokens = 3,
			   .output_tokens = 7,
			   .reasoning_tokens = 7};
	cr_expect_eq(priced(&r, &u, &st), 5 * 1 + 12 * 20 + 3 * 300 + 7 * 4000);
}

/* P2 and P3 around their bounds. Cost 1000000. */
Test(compute, clamps_at_and_beyond_the_bounds)
{
	static const struct {
		enum price_formula formula;
		uint32_t tier_e4, model_e4, supply_e4, base_e4, min_e4, max_e4;
		enum price_clamp clamp;
		int64_t used_e12, price_nano;
	} rows[] = {
		/* exactly at a bound is inside */
		{PRICE_MARGIN, 1500, 10000, 10000, 2500, 1500, 5000, PRICE_CLAMP_NONE, 150000000000, 1176471},
		{PRICE_MARGIN, 5000, 10000, 10000, 2500, 1500, 5000, PRICE_CLAMP_NONE, 500000000000, 2000000},
		{PRICE_MARGIN, 2500, 20000, 10000, 2500, 1500, 5000, PRICE_CLAMP_NONE, 500000000000, 2000000},
		/* one step of the twelfth decimal beyond it is not: 0.4999 x 1.0001 x 1.0001 = 0.499999984999, ... */
		{PRICE_MARGIN, 4999, 10001, 10001, 2500, 1500, 5000, PRICE_CLAMP_NONE, 499999984999, 2000000},
		{PRICE_MARGIN, 5000, 10001, 10000, 2500, 1500, 5000, PRICE_CLAMP_MAX, 500000000000, 2000000},
		{PRICE_MARGIN, 1500, 9999, 10000, 2500, 1500, 5000, PRICE_CLAMP_MIN, 150000000000, 1176471},
		/* no margin, no clamp; the widest clamp; a clamp that is one point */
		{PRICE_MARGIN, 0, 10000, 10000, 2500, 0, 0, PRICE_CLAMP_NONE, 0, 1000000},
		{PRICE_MARGIN, 1000000, 1000000, 1000000, 2500, 0, 9500, PRICE_CLAMP_MAX, 950000000000, 20000000},
		{PRICE_MARGIN, 2500, 10000, 10000, 2500, 3000, 3000, PRICE_CLAMP_MIN, 300000000000, 1428571},
		{PRICE_MARGIN, 2500, 0, 10000, 2500, 1500, 5000, PRICE_CLAMP_MIN, 150000000000, 1176471},
		/* cost / 0.75 x 1.2: margin 0.375; base 0.15 x 1: exactly min; base 0.25 x 1.5: exactly max */
		{PRICE_MULTIPLIER, 12000, 10000, 10000, 2500, 1500, 5000, PRICE_CLAMP_NONE, 375000000000, 1600000},
		{PRICE_MULTIPLIER, 10000, 10000, 10000, 1500, 1500, 5000, PRICE_CLAMP_NONE, 150000000000, 1176471},
		{PRICE_MULTIPLIER, 15000, 10000, 10000, 2500, 1500, 5000, PRICE_CLAMP_NONE, 500000000000, 2000000},
		{PRICE_MULTIPLIER, 9999, 10000, 10000, 1500, 1500, 5000, PRICE_CLAMP_MIN, 150000000000, 1176471},
		{PRICE_MULTIPLIER, 15000, 10001, 10000, 2500, 1500, 5000, PRICE_CLAMP_MAX, 500000000000, 2000000},
		{PRICE_MULTIPLIER, 1000000, 1000000, 1000000, 9500, 0, 9500, PRICE_CLAMP_MAX, 950000000000, 20000000},
		{PRICE_MULTIPLIER, 0, 10000, 10000, 2500, 1500, 5000, PRICE_CLAMP_MIN, 150000000000, 1176471},
		{PRICE_MULTIPLIER, 1, 1, 1, 0, 0, 5000, PRICE_CLAMP_MIN, 0, 1000000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct price_rule r = RULE_USUAL;
		struct usage u = {.input_tokens = 1};
		struct price_steps st;

		r.rate_nano[TOKEN_INPUT] = 1000000000000;
		r.formula = rows[i].formula;
		r.tier_margin_e4 = rows[i].tier_e4;
		r.model_factor_e4 = rows[i].model_e4;
		r.supply_factor_e4 = rows[i].supply_e4;
		r.base_margin_e4 = rows[i].base_e4;
		r.min_margin_e4 = rows[i].min_e4;
		r.max_margin_e4 = rows[i].max_e4;
		cr_expect_eq(priced(&r, &u, &st), rows[i].price_nano, "row %zu: %" PRId64, i, st.price_nano);
		cr_expect_eq(st.clamp, rows[i].clamp, "row %zu", i);
		cr_expect_eq(st.margin_used_e12, rows[i].used_e12, "row %zu: %" PRId64, i, st.margin_used_e12);
	}
}

/* A margin no number stands for (price 0) reads as the lowest. */
Test(compute, multiplier_without_a_price)
{
	struct price_rule r = RULE_USUAL;
	struct usage u = USAGE_EXAMPLE;
	struct price_steps st;

	r.formula = PRICE_MULTIPLIER;
	r.supply_factor_e4 = 0;
	cr_expect_eq(priced(&r, &u, &st), 527647);
	cr_expect_eq(st.margin_e12, INT64_MIN);
	cr_expect_eq(st.clamp, PRICE_CLAMP_MIN);
}

/* P6, under both formulas, and with tokens that cost nothing. */
Test(compute, no_tokens_no_price)
{
	for (unsigned f = PRICE_MARGIN; f <= PRICE_MULTIPLIER; f++) {
		struct price_rule r = RULE_USUAL;
		struct usage none = {0}, some = USAGE_EXAMPLE;
		struct price_steps st;

		r.formula = f;
		cr_expect_eq(priced(&r, &none, &st), 0);
		cr_expect_eq(st.cost_nano, 0);
		memset(r.rate_nano, 0, sizeof(r.rate_nano));
		cr_expect_eq(priced(&r, &some, &st), 0);
	}
}

/* P5: the last amount that fits, and the next half nano-unit. 9223372036 x 1 unit + 0.854775807 units = INT64_MAX. */
Test(compute, what_does_not_fit)
{
	static const struct {
		uint64_t cached; /* millionths of a nano-unit above INT64_MAX */
		uint32_t tier_e4;
		int64_t result;
	} rows[] = {
		{0, 0, INT64_MAX},      {499999, 0, INT64_MAX},
		{500000, 0, ERR_RANGE}, {TOKENS_MAX - 9223372036, 0, ERR_RANGE},
		{0, 1, ERR_RANGE}, /* the cost fits, the price doesn't */
		{0, 5000, ERR_RANGE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct price_rule r = rule_at_cost();
		struct usage u = {.input_tokens = 9223372036 + rows[i].cached,
				  .cached_input_tokens = rows[i].cached,
				  .output_tokens = 1000000};
		struct price_steps st;

		r.tier_margin_e4 = rows[i].tier_e4;
		r.rate_nano[TOKEN_INPUT] = 1000000000000000;
		r.rate_nano[TOKEN_CACHED_INPUT] = 1;
		r.rate_nano[TOKEN_OUTPUT] = 854775807;
		cr_expect_eq(priced(&r, &u, &st), rows[i].result, "row %zu", i);
	}
}

Test(compute, largest_of_everything_is_an_error_not_a_number)
{
	struct price_rule r = RULE_USUAL;
	struct usage u = {.input_tokens = TOKENS_MAX, .cached_input_tokens = TOKENS_MAX, .output_tokens = TOKENS_MAX};
	struct price_steps st;

	for (unsigned c = 0; c < TOKEN_CLASSES; c++)
		r.rate_nano[c] = 1000000000000000;
	r.tier_margin_e4 = r.model_factor_e4 = r.supply_factor_e4 = 1000000;
	r.base_margin_e4 = r.max_margin_e4 = 9500;
	for (unsigned f = PRICE_MARGIN; f <= PRICE_MULTIPLIER; f++) {
		r.formula = f;
		cr_expect_eq(priced(&r, &u, &st), ERR_RANGE);
	}
}

Test(compute, usage_that_is_not_priced)
{
	static const struct {
		struct usage u;
		const char *names; /* NULL: fine */
	} rows[] = {
		{{.input_tokens = TOKENS_MAX, .output_tokens = TOKENS_MAX, .reasoning_tokens = TOKENS_MAX}, NULL},
		{{.input_tokens = 5, .cached_input_tokens = 2, .cache_write_tokens = 3}, NULL},
		{{.input_tokens = TOKENS_MAX + 1}, "input_tokens"},
		{{.output_tokens = TOKENS_MAX + 1}, "output_tokens"},
		{{.output_tokens = UINT64_MAX}, "output_tokens"}, /* a negative number in disguise */
		{{.input_tokens = 5, .cached_input_tokens = 6}, "cached_input_tokens"},
		{{.input_tokens = 5, .cached_input_tokens = 3, .cache_write_tokens = 3}, "cache_write_tokens"},
		{{.input_tokens = 5, .cached_input_tokens = 5, .cache_write_tokens = UINT64_MAX - 4},
		 "cache_write_tokens"},
		{{.input_tokens = 5, .cached_input_tokens = UINT64_MAX, .cache_write_tokens = 6},
		 "cached_input_tokens"},
		{{.output_tokens = 5, .reasoning_tokens = 6}, "reasoning_tokens"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct price_rule r = RULE_USUAL;
		struct err err = {0};
		struct price_steps st;
		int rc = price_check_usage(&rows[i].u, &err);

		cr_expect_eq(rc, rows[i].names ? ERR_INVAL : 0, "row %zu", i);
		if (rc < 0) {
			cr_expect_eq(strncmp(err.msg, rows[i].names, strlen(rows[i].names)), 0, "row %zu: %s", i,
				     err.msg);
			cr_expect_eq(priced(&r, &rows[i].u, &st), ERR_INVAL, "row %zu", i);
		}
	}
}

/* A rule broken in one place each. */
static void break_rule(struct price_rule *r, unsigned how)
{
	switch (how) {
	case 0:
		r->rate_nano[TOKEN_INPUT] = -1;
		break;
	case 1:
		r->rate_nano[TOKEN_OUTPUT] = 1000000000000001;
		break;
	case 2:
		r->tier_margin_e4 = 1000001;
		break;
	case 3:
		r->model_factor_e4 = 1000001;
		break;
	case 4:
		r->supply_factor_e4 = UINT32_MAX;
		break;
	case 5:
		r->base_margin_e4 = 9501;
		break;
	case 6:
		r->max_margin_e4 = 9501;
		break;
	case 7:
		r->min_margin_e4 = 5001;
		break;
	case 8:
		strcpy(r->currency, "usd");
		break;
	case 9:
		strcpy(r->currency, "US");
		break;
	case 10:
		memset(r->currency, 'A', CURRENCY_MAX);
		break;
	case 11:
		r->formula = (enum price_formula)2;
		break;
	case 12:
		r->supply = SUPPLY_STATES;
		break;
	case 13:
		r->rate_nano[TOKEN_CACHE_WRITE] = INT64_MIN;
		break;
	}
}

Test(compute, rules_that_are_not_applied)
{
	static const char *const names[] = {"rate of input", "rate of output",     "tier margin", "model factor",
					    "supply factor", "base margin",        "max margin",  "min margin",
					    "currency",      "currency",           "currency",    "formula",
					    "supply",        "rate of cache_write"};
	struct price_rule usual = RULE_USUAL;

	cr_assert_eq(price_check_rule(&usual, NULL), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		struct price_rule r = RULE_USUAL;
		struct usage u = USAGE_EXAMPLE;
		struct price_steps st = {.price_nano = -7};
		struct err err = {0};

		break_rule(&r, i);
		cr_expect_eq(price_compute(&r, &u, &st, &err), ERR_INVAL, "row %u", i);
		cr_expect_eq(strncmp(err.msg, names[i], strlen(names[i])), 0, "row %u: %s", i, err.msg);
		cr_expect_eq(st.price_nano, -7, "row %u: touched", i);
		cr_expect_eq(priced(&r, &u, &st), ERR_INVAL);
	}
}

Test(compute, worst_is_in_the_dearest_input_class)
{
	static const struct {
		int64_t input, cached, write;
		int64_t dearest;
	} rows[] = {
		{3000000, 1000000, 2000000, 3}, {1000000, 3000000, 2000000, 3},
		{1000000, 2000000, 3000000, 3}, {3000000, 3000000, 3000000, 3},
		{1000000, 3000000, 3000000, 3}, {3000000, 3000000, 1000000, 3},
		{3000000, 1000000, 3000000, 3}, {0, 0, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct price_rule r = rule_at_cost();
		int64_t hold_nano = -7;

		r.rate_nano[TOKEN_INPUT] = rows[i].input;
		r.rate_nano[TOKEN_CACHED_INPUT] = rows[i].cached;
		r.rate_nano[TOKEN_CACHE_WRITE] = rows[i].write;
		r.rate_nano[TOKEN_OUTPUT] = 100000000;
		cr_assert_eq(price_worst(&r, 10, 5, &hold_nano), 0);
		cr_expect_eq(hold_nano, 10 * rows[i].dearest + 500, "row %zu: %" PRId64, i, hold_nano);
	}
}

Test(compute, worst_of_too_much)
{
	struct price_rule r = RULE_USUAL;
	int64_t hold_nano = -7;

	cr_expect_eq(price_worst(&r, TOKENS_MAX + 1, 0, &hold_nano), ERR_INVAL);
	cr_expect_eq(price_worst(&r, 0, UINT64_MAX, &hold_nano), ERR_INVAL);
	r.rate_nano[TOKEN_OUTPUT] = 1000000000000000;
	cr_expect_eq(price_worst(&r, 0, TOKENS_MAX, &hold_nano), ERR_RANGE);
	cr_expect_eq(hold_nano, -7);
}

Test(compute, names)
{
	cr_expect_str_eq(price_class_name(TOKEN_CACHE_WRITE), "cache_write");
	cr_expect_str_eq(price_class_name(TOKEN_CLASSES), "unknown");
	cr_expect_str_eq(price_supply_name(SUPPLY_SCARCE), "scarce");
	cr_expect_str_eq(price_supply_name(SUPPLY_STATES), "unknown");
	cr_expect_str_eq(price_formula_name(PRICE_MARGIN), "margin");
	cr_expect_str_eq(price_formula_name(PRICE_MULTIPLIER), "multiplier");
}
