/* The formula. price_compute and price_amounts are one function with two results, so that they can't differ.
 *
 * Why 128 bits are enough, for inputs within the ranges that check.c keeps:
 *  - exact cost: rate (<= 1e15) x tokens, at most 2^53 of input and 2^53 of output: <= 1.9e31; and once the cost in
 *    nano-units is known to fit an int64_t, <= 9.3e24.
 *  - margin: three factors times 1e4, 1e6 each: <= 1e18, an int64_t.
 *  - price: exact cost x 1e6 <= 9.3e30. `multiplier` where it isn't clamped: factors of at most 1 / (1 - 0.95) = 20,
 *    times 1e12; exact cost x factors <= 1.9e38, and 2^128 is 3.4e38.
 *
 * Products and sums are checked all the same: a change of a range shall become an error and not a wrong price. */
#include "price/price.h"

#include <stdbool.h>

typedef unsigned __int128 u128;

#define PER_MILLION 1000000u /* rates are per million tokens */
#define E12 1000000000000ull /* margins have twelve decimals: three factors of four */
#define E8 100000000u        /* from four decimals to twelve */

/* What the exact cost (in millionths of a nano-unit) is multiplied with to become the price in nano-units. */
struct markup {
	uint64_t num, den;
};

/* The one rounding: n / d, half up. ERR_RANGE when it doesn't fit. */
static int round_ratio(u128 n, uint64_t d, int64_t *ret)
{
	u128 q = n / d;
	uint64_t rest = (uint64_t)(n - q * d);

	q += rest >= d - rest;
	if (q > INT64_MAX)
		return ERR_RANGE;
	*ret = (int64_t)q;
	return 0;
}

/* P1 */
static int cost_of(const struct price_rule *r, const struct usage *u, struct price_steps *st)
{
	u128 sum = 0;

	for (unsigned c = 0; c < TOKEN_CLASSES; c++) {
		uint64_t tokens = price_class_tokens(u, c);
		u128 exact;

		if (__builtin_mul_overflow((u128)tokens, (u128)r->rate_nano[c], &exact) ||
		    __builtin_add_overflow(sum, exact, &sum))
			return ERR_RANGE;
		st->class[c].tokens = tokens;
		st->class[c].rate_nano = r->rate_nano[c];
		st->class[c].exact_femto = exact;
	}
	st->cost_exact = sum;
	return round_ratio(sum, PER_MILLION, &st->cost_nano);
}

/* All three factors, 12 decimals; at most 1e18. */
static uint64_t factors_e12(const struct price_rule *r)
{
	return (uint64_t)r->tier_margin_e4 * r->model_factor_e4 * r->supply_factor_e4;
}

/* price = exact cost / (1 - margin); the 1e6 of "per million" is cancelled against the 1e12 of the margin. */
static struct markup markup_of_margin(int64_t margin_e12)
{
	return (struct markup){.num = E12 / PER_MILLION, .den = E12 - (uint64_t)margin_e12};
}

static void clamp_to(struct price_steps *st, enum price_clamp clamp, uint32_t bound_e4)
{
	st->clamp = clamp;
	st->margin_used_e12 = (int64_t)bound_e4 * E8;
}

/* P2 */
static struct markup markup_margin(const struct price_rule *r, struct price_steps *st)
{
	st->margin_e12 = (int64_t)factors_e12(r);
	st->margin_used_e12 = st->margin_e12;
	st->clamp = PRICE_CLAMP_NONE;
	if (st->margin_e12 < (int64_t)r->min_margin_e4 * E8)
		clamp_to(st, PRICE_CLAMP_MIN, r->min_margin_e4);
	else if (st->margin_e12 > (int64_t)r->max_margin_e4 * E8)
		clamp_to(st, PRICE_CLAMP_MAX, r->max_margin_e4);
	return markup_of_margin(st->margin_used_e12);
}

/* The margin that price = cost x f / d leaves: 1 - d / f. For people to read; decisions are made on the fractions. */
static int64_t margin_left_e12(uint64_t f, uint64_t d)
{
	uint64_t apart = f >= d ? f - d : d - f;
	int64_t m;

	if (!f || round_ratio((u128)apart * E12, f, &m) < 0)
		return INT64_MIN;
	return f >= d ? m : -m;
}

/* P3. With f = the factors and d = (1 - base), both times 1e12, the margin is 1 - d / f, and it is below a bound b
 * where f x (1 - b) < d. */
static struct markup markup_multiplier(const struct price_rule *r, struct price_steps *st)
{
	uint64_t f = factors_e12(r), d = (uint64_t)(PRICE_E4 - r->base_margin_e4) * E8;

	st->margin_e12 = margin_left_e12(f, d);
	st->margin_used_e12 = st->margin_e12;
	st->clamp = PRICE_CLAMP_NONE;
	if ((u128)f * (PRICE_E4 - r->min_margin_e4) < (u128)d * PRICE_E4)
		clamp_to(st, PRICE_CLAMP_MIN, r->min_margin_e4);
	else if ((u128)f * (PRICE_E4 - r->max_margin_e4) > (u128)d * PRICE_E4)
		clamp_to(st, PRICE_CLAMP_MAX, r->max_margin_e4);
	else
		return (struct markup){.num = f, .den = d * PER_MILLION};
	return markup_of_margin(st->margin_used_e12);
}

static inline int compute(const struct price_rule *r, const struct usage *u, struct price_steps *st, struct err *err)
{
	struct markup m;
	u128 n;
	int rc;

	if ((rc = price_check_rule(r, err)) < 0 || (rc = price_check_usage(u, err)) < 0)
		return rc;
	if (cost_of(r, u, st) < 0)
		return err_set(err, ERR_RANGE, "the cost doesn't fit: more than 9223372036 %s", r->currency);
	m = r->formula == PRICE_MARGIN ? markup_margin(r, st) : markup_multiplier(r, st);
	/* P4: from the exact cost, not from the rounded one. */
	if (__builtin_mul_overflow(st->cost_exact, (u128)m.num, &n) || round_ratio(n, m.den, &st->price_nano) < 0)
		return err_set(err, ERR_RANGE, "the price doesn't fit: more than 9223372036 %s", r->currency);
	return 0;
}

int price_compute(const struct price_rule *r, const struct usage *u, struct price_steps *ret, struct err *err)
{
	struct price_steps st;
	int rc = compute(r, u, &st, err);

	if (rc == 0)
		*ret = st;
	return rc;
}

int price_amounts(const struct price_rule *r, const struct usage *u, int64_t *ret_cost_nano, int64_t *ret_price_nano)
{
	struct price_steps st;
	int rc = compute(r, u, &st, NULL);

	if (rc == 0) {
		*ret_cost_nano = st.cost_nano;
		*ret_price_nano = st.price_nano;
	}
	return rc;
}

int price_worst(const struct price_rule *r, uint64_t input_tokens, uint64_t output_tokens, int64_t *ret_nano)
{
	struct usage u = {.input_tokens = input_tokens, .output_tokens = output_tokens};
	const int64_t *rate = r->rate_nano;
	int64_t cost_nano;

	if (rate[TOKEN_CACHE_WRITE] > rate[TOKEN_INPUT] && rate[TOKEN_CACHE_WRITE] >= rate[TOKEN_CACHED_INPUT])
		u.cache_write_tokens = input_tokens;
	else if (rate[TOKEN_CACHED_INPUT] > rate[TOKEN_INPUT])
		u.cached_input_tokens = input_tokens;
	return price_amounts(r, &u, &cost_nano, ret_nano);
}
