/* Goal: 0 nano-units of difference between price_amounts / price_compute and the fractions of docs/pricing.md (P1 to
 * P5), and no price above its hold. Method: random usages under random rules, against GMP's integers computing each
 * fraction as it stands on that page, nothing cancelled. The same seed gives the same cases; TG_SEED chooses another.
 *
 * Five kinds of cases, or the interesting ones would never come up: the usual numbers; everything over its whole range,
 * logarithmically; few and round numbers, for fractions of exactly one half; the fractions next to one half, which only
 * solving for them finds; amounts around the largest that fits. The
 * test counts what came up, and fails when some of it is too rare to have been tested. */
#include "price/price.h"

#include <criterion/criterion.h>
#include <gmp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#endif

#define RATE_MAX 1000000000000000ull
#define DEFAULT_SEED 20260101

/* ---- cases */

struct rng {
	uint64_t s;
};

static uint64_t rng_next(struct rng *g) /* splitmix64 */
{
	uint64_t z = g->s += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t below(struct rng *g, uint64_t n)
{
	return rng_next(g) % n;
}

/* 0 to max, each length in bits as likely as any other. */
static uint64_t any_size(struct rng *g, uint64_t max)
{
	unsigned bits = (unsigned)below(g, 66 - (unsigned)__builtin_clzll(max));
	uint64_t n = bits ? rng_next(g) >> (64 - bits) : 0;

	return n <= max ? n : max;
}

static uint32_t factor(struct rng *g)
{
	return (uint32_t)any_size(g, 1000000);
}

static void usual_rule(struct rng *g, struct price_rule *r)
{
	static const uint32_t tiers[] = {1500, 2500, 4000}, models[] = {12000, 10000, 11000, 9000},
			      supplies[] = {8000, 10000, 13000};

	for (unsigned c = 0; c < TOKEN_CLASSES; c++)
		r->rate_nano[c] = (int64_t)below(g, 30000) * 2500000;
	r->tier_margin_e4 = tiers[below(g, 3)];
	r->model_factor_e4 = models[below(g, 4)];
	r->supply_factor_e4 = supplies[below(g, 3)];
	r->base_margin_e4 = 2500;
	r->min_margin_e4 = 1500;
	r->max_margin_e4 = 5000;
	if (r->formula == PRICE_MULTIPLIER && below(g, 2)) /* else it always clamps */
		r->tier_margin_e4 = 8000 + (uint32_t)below(g, 8000);
}

static void any_rule(struct rng *g, struct price_rule *r)
{
	for (unsigned c = 0; c < TOKEN_CLASSES; c++)
		r->rate_nano[c] = (int64_t)any_size(g, RATE_MAX);
	r->tier_margin_e4 = factor(g);
	r->model_factor_e4 = factor(g);
	r->supply_factor_e4 = factor(g);
	r->base_margin_e4 = (uint32_t)below(g, 9501);
	r->max_margin_e4 = (uint32_t)below(g, 9501);
	r->min_margin_e4 = (uint32_t)below(g, r->max_margin_e4 + 1);
}

static void round_rule(struct rng *g, struct price_rule *r)
{
	for (unsigned c = 0; c < TOKEN_CLASSES; c++)
		r->rate_nano[c] = (int64_t)below(g, 40) * 125000;
	r->tier_margin_e4 = (uint32_t)below(g, 20) * 500;
	r->model_factor_e4 = (uint32_t)below(g, 4) * 5000;
	r->supply_factor_e4 = (uint32_t)below(g, 4) * 5000;
	r->base_margin_e4 = (uint32_t)below(g, 4) * 2000;
	r->max_margin_e4 = (uint32_t)below(g, 20) * 500;
	r->min_margin_e4 = (uint32_t)below(g, r->max_margin_e4 / 500 + 1) * 500;
}

/* A cost within 0.01 % of 2^63, most of it in one class; half of the time sold at cost. */
static void edge_case(struct rng *g, struct price_rule *r, struct usage *u)
{
	unsigned __int128 limit = (unsigned __int128)1000000 << 63;
	uint64_t spread = below(g, 2) ? 1000000 : 10;

	any_rule(g, r);
	u->output_tokens = (1ull << 53) - any_size(g, (1ull << 53) - 9300000000);
	u->reasoning_tokens = any_size(g, u->output_tokens);
	r->rate_nano[TOKEN_OUTPUT] = (int64_t)(limit / u->output_tokens);
	r->rate_nano[TOKEN_OUTPUT] +=
		(int64_t)(below(g, 2 * spread) - spread) * (r->rate_nano[TOKEN_OUTPUT] / 10000000000 + 1);
	if ((uint64_t)r->rate_nano[TOKEN_OUTPUT] > RATE_MAX)
		r->rate_nano[TOKEN_OUTPUT] = RATE_MAX;
	u->input_tokens = any_size(g, 1000000000);
	r->rate_nano[TOKEN_INPUT] = (int64_t)any_size(g, 1000000);
	if (below(g, 2))
		r->tier_margin_e4 = r->min_margin_e4 = 0;
}

/* A price whose fraction is next to one half, below or above: with d = 1e12 - margin odd, the tokens' sum n for which
 * n x 1e6 leaves (d - 1) / 2 or (d + 1) / 2. */
static void next_to_half(struct rng *g, struct price_rule *r, struct usage *u)
{
	mpz_t d, inverse, n;
	uint64_t margin_e12;

	r->formula = PRICE_MARGIN;
	r->max_margin_e4 = 9500;
	u->output_tokens = 1;
	mpz_inits(d, inverse, n, NULL);
	do {
		r->tier_margin_e4 = 1 + 2 * (uint32_t)below(g, 4000);
		r->model_factor_e4 = 1 + 2 * (uint32_t)below(g, 5000);
		r->supply_factor_e4 = 1 + 2 * (uint32_t)below(g, 5000);
		margin_e12 = (uint64_t)r->tier_margin_e4 * r->model_factor_e4 * r->supply_factor_e4;
		mpz_set_ui(d, 1000000000000 - margin_e12);
		mpz_set_ui(n, 1000000);
	} while (!mpz_invert(inverse, n, d));
	mpz_fdiv_q_2exp(n, d, 1);
	mpz_add_ui(n, n, below(g, 2));
	mpz_mul(n, n, inverse);
	mpz_mod(n, n, d);
	r->rate_nano[TOKEN_OUTPUT] = mpz_get_si(n);
	mpz_clears(d, inverse, n, NULL);
}

static void usage_up_to(struct rng *g, struct usage *u, uint64_t max)
{
	u->input_tokens = any_size(g, max);
	u->output_tokens = any_size(g, max);
	u->cached_input_tokens = below(g, 2) ? any_size(g, u->input_tokens + !u->input_tokens) : 0;
	if (u->cached_input_tokens > u->input_tokens)
		u->cached_input_tokens = u->input_tokens;
	if (u->input_tokens > u->cached_input_tokens && below(g, 2))
		u->cache_write_tokens = any_size(g, u->input_tokens - u->cached_input_tokens);
}

static void make_case(struct rng *g, struct price_rule *r, struct usage *u)
{
	*r = (struct price_rule){.currency = "EUR", .formula = (enum price_formula)below(g, 2)};
	*u = (struct usage){0};
	switch (below(g, 5)) {
	case 0:
		usual_rule(g, r);
		usage_up_to(g, u, 2000000);
		break;
	case 1:
		any_rule(g, r);
		usage_up_to(g, u, USAGE_TOKENS_MAX);
		break;
	case 2:
		round_rule(g, r);
		usage_up_to(g, u, 50);
		break;
	case 3:
		next_to_half(g, r, u);
		break;
	default:
		edge_case(g, r, u);
	}
}

/* ---- the oracle */

struct oracle {
	mpz_t n;        /* sum of rate x tokens */
	mpz_t cost_den; /* cost = n / cost_den */
	mpz_t price_num, price_den;
	mpz_t amount, two_den, left, right, t;
	enum price_clamp clamp;
	bool cost_is_half, price_is_half;
};

static void oracle_init(struct oracle *o)
{
	mpz_inits(o->n, o->cost_den, o->price_num, o->price_den, o->amount, o->two_den, o->left, o->right, o->t, NULL);
	mpz_set_ui(o->cost_den, 1000000);
}

static void oracle_done(struct oracle *o)
{
	mpz_clears(o->n, o->cost_den, o->price_num, o->price_den, o->amount, o->two_den, o->left, o->right, o->t, NULL);
}

/* floor(num / den + 1/2); INT64_MIN when that is above INT64_MAX. */
static int64_t half_up(struct oracle *o, const mpz_t num, const mpz_t den, bool *ret_exactly_half)
{
	mpz_mul_ui(o->amount, num, 2);
	mpz_add(o->amount, o->amount, den);
	mpz_mul_ui(o->two_den, den, 2);
	mpz_fdiv_qr(o->amount, o->t, o->amount, o->two_den);
	*ret_exactly_half = mpz_sgn(o->t) == 0; /* it is the half that made it whole */
	return mpz_fits_slong_p(o->amount) ? mpz_get_si(o->amount) : INT64_MIN;
}

static void oracle_cost(struct oracle *o, const struct price_rule *r, const struct usage *u)
{
	mpz_set_ui(o->n, u->input_tokens);
	mpz_sub_ui(o->n, o->n, u->cached_input_tokens);
	mpz_sub_ui(o->n, o->n, u->cache_write_tokens);
	mpz_mul_si(o->n, o->n, r->rate_nano[TOKEN_INPUT]);
	mpz_set_ui(o->t, u->cached_input_tokens);
	mpz_addmul_ui(o->n, o->t, (unsigned long)r->rate_nano[TOKEN_CACHED_INPUT]);
	mpz_set_ui(o->t, u->cache_write_tokens);
	mpz_addmul_ui(o->n, o->t, (unsigned long)r->rate_nano[TOKEN_CACHE_WRITE]);
	mpz_set_ui(o->t, u->output_tokens);
	mpz_addmul_ui(o->n, o->t, (unsigned long)r->rate_nano[TOKEN_OUTPUT]);
}

/* price = cost / (1 - bound), bound in 1e-4 */
static void oracle_price_at(struct oracle *o, uint32_t bound_e4)
{
	mpz_mul_ui(o->price_num, o->n, 10000);
	mpz_mul_ui(o->price_den, o->cost_den, 10000 - bound_e4);
}

/* P2 */
static void oracle_margin(struct oracle *o, const struct price_rule *r)
{
	mpz_set_ui(o->left, r->tier_margin_e4);
	mpz_mul_ui(o->left, o->left, r->model_factor_e4);
	mpz_mul_ui(o->left, o->left, r->supply_factor_e4);
	mpz_ui_pow_ui(o->t, 10, 8);
	mpz_mul_ui(o->right, o->t, r->min_margin_e4);
	o->clamp = mpz_cmp(o->left, o->right) < 0 ? PRICE_CLAMP_MIN : PRICE_CLAMP_NONE;
	mpz_mul_ui(o->right, o->t, r->max_margin_e4);
	if (mpz_cmp(o->left, o->right) > 0)
		o->clamp = PRICE_CLAMP_MAX;
	if (o->clamp != PRICE_CLAMP_NONE)
		return;
	mpz_ui_pow_ui(o->t, 10, 12);
	mpz_mul(o->price_num, o->n, o->t);
	mpz_sub(o->t, o->t, o->left);
	mpz_mul(o->price_den, o->cost_den, o->t);
}

/* Whether (price - cost) / price, of the fractions themselves, is less (-1), as much or more than bound / 1e4. */
static int margin_cmp(struct oracle *o, uint32_t bound_e4)
{
	/* (P - C) x 1e4 <=> bound x P, with P = pn / pd and C = n / cd: times pd x cd */
	mpz_mul(o->left, o->price_num, o->cost_den);
	mpz_mul(o->right, o->n, o->price_den);
	mpz_sub(o->left, o->left, o->right);
	mpz_mul_ui(o->left, o->left, 10000);
	mpz_mul(o->right, o->price_num, o->cost_den);
	mpz_mul_ui(o->right, o->right, bound_e4);
	/* At price 0 and a cost the margin is below everything. */
	return mpz_sgn(o->price_num) == 0 && mpz_sgn(o->n) > 0 ? -1 : mpz_cmp(o->left, o->right);
}

/* P3 */
static void oracle_multiplier(struct oracle *o, const struct price_rule *r)
{
	mpz_mul_ui(o->price_num, o->n, 10000);
	mpz_mul_ui(o->price_num, o->price_num, r->tier_margin_e4);
	mpz_mul_ui(o->price_num, o->price_num, r->model_factor_e4);
	mpz_mul_ui(o->price_num, o->price_num, r->supply_factor_e4);
	mpz_ui_pow_ui(o->t, 10, 12);
	mpz_mul(o->price_den, o->cost_den, o->t);
	mpz_mul_ui(o->price_den, o->price_den, 10000 - r->base_margin_e4);
	o->clamp = PRICE_CLAMP_NONE;
	if (margin_cmp(o, r->min_margin_e4) < 0)
		o->clamp = PRICE_CLAMP_MIN;
	else if (margin_cmp(o, r->max_margin_e4) > 0)
		o->clamp = PRICE_CLAMP_MAX;
}

/* As price_amounts, by big numbers. */
static int oracle_amounts(struct oracle *o, const struct price_rule *r, const struct usage *u, int64_t *ret_cost,
			  int64_t *ret_price)
{
	oracle_cost(o, r, u);
	if (r->formula == PRICE_MARGIN)
		oracle_margin(o, r);
	else
		oracle_multiplier(o, r);
	if (o->clamp != PRICE_CLAMP_NONE)
		oracle_price_at(o, o->clamp == PRICE_CLAMP_MIN ? r->min_margin_e4 : r->max_margin_e4);
	*ret_cost = half_up(o, o->n, o->cost_den, &o->cost_is_half);
	*ret_price = half_up(o, o->price_num, o->price_den, &o->price_is_half);
	return *ret_cost == INT64_MIN || *ret_price == INT64_MIN ? ERR_RANGE : 0;
}

/* ---- comparing */

struct seen {
	uint64_t priced, range, cost_halves, price_halves, near_limit;
	uint64_t clamp[2][3]; /* formula, clamp */
};

static void fail_case(uint64_t i, const struct price_rule *r, const struct usage *u, const char *what)
{
	cr_assert_fail("case %" PRIu64 ": %s; formula %d, rates %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64
		       ", base %u tier %u model %u supply %u min %u max %u, tokens %" PRIu64 " %" PRIu64 " %" PRIu64
		       " %" PRIu64,
		       i, what, r->formula, r->rate_nano[0], r->rate_nano[1], r->rate_nano[2], r->rate_nano[3],
		       r->base_margin_e4, r->tier_margin_e4, r->model_factor_e4, r->supply_factor_e4, r->min_margin_e4,
		       r->max_margin_e4, u->input_tokens, u->cached_input_tokens, u->cache_write_tokens,
		       u->output_tokens);
}

/* A hold for as many tokens and for some more covers the price; where it doesn't fit there is none. */
static bool hold_covers(struct rng *g, const struct price_rule *r, const struct usage *u, int64_t price_nano)
{
	uint64_t more = any_size(g, USAGE_TOKENS_MAX - u->input_tokens + 1);
	int64_t hold_nano;

	if (more > USAGE_TOKENS_MAX - u->input_tokens)
		more = 0;
	if (price_worst(r, u->input_tokens, u->output_tokens, &hold_nano) == 0 && hold_nano < price_nano)
		return false;
	return price_worst(r, u->input_tokens + more, u->output_tokens, &hold_nano) < 0 || hold_nano >= price_nano;
}

static const char *compare(struct oracle *o, struct rng *g, const struct price_rule *r, const struct usage *u,
			   struct seen *seen)
{
	int64_t cost = -7, price = -7, want_cost, want_price;
	int want = oracle_amounts(o, r, u, &want_cost, &want_price);
	struct price_steps st;

	if (price_amounts(r, u, &cost, &price) != want || price_compute(r, u, &st, NULL) != want)
		return "another result code";
	if (want < 0) {
		seen->range++;
		return cost == -7 && price == -7 ? NULL : "touched on failure";
	}
	if (cost != want_cost || st.cost_nano != want_cost)
		return "another cost";
	if (price != want_price || st.price_nano != want_price)
		return "another price";
	if (mpz_sgn(o->n) > 0 && st.clamp != o->clamp) /* without a cost a margin is nothing */
		return "another clamp";
	if (!hold_covers(g, r, u, price))
		return "hold below the price";
	seen->priced++;
	seen->cost_halves += o->cost_is_half;
	seen->price_halves += o->price_is_half;
	seen->near_limit += price > INT64_MAX - INT64_MAX / 1000;
	if (mpz_sgn(o->n) > 0)
		seen->clamp[r->formula][o->clamp]++;
	return NULL;
}

static void run_oracle(uint64_t wanted)
{
	const char *env = getenv("TG_SEED");
	struct rng g = {env ? strtoull(env, NULL, 0) : DEFAULT_SEED};
	struct seen seen = {0};
	struct oracle o;

	oracle_init(&o);
	for (uint64_t i = 0; seen.priced < wanted; i++) {
		struct price_rule r;
		struct usage u;
		const char *wrong;

		make_case(&g, &r, &u);
		wrong = compare(&o, &g, &r, &u, &seen);
		if (wrong)
			fail_case(i, &r, &u, wrong);
	}
	oracle_done(&o);
	fprintf(stderr,
		"# priced %" PRIu64 ", of them near the limit %" PRIu64 ", cost halves %" PRIu64
		", price halves %" PRIu64 "; too large %" PRIu64 "\n",
		seen.priced, seen.near_limit, seen.cost_halves, seen.price_halves, seen.range);
	cr_expect_gt(seen.range, wanted / 100);
	cr_expect_gt(seen.near_limit, wanted / 1000);
	cr_expect_gt(seen.cost_halves, wanted / 100);
	cr_expect_gt(seen.price_halves, wanted / 500);
	for (unsigned f = 0; f < 2; f++)
		for (unsigned c = 0; c < 3; c++)
			cr_expect_gt(seen.clamp[f][c], wanted / 50, "formula %u, clamp %u: %" PRIu64, f, c,
				     seen.clamp[f][c]);
}

#ifdef SANITIZED
Test(oracle, no_difference_in_200_thousand_usages_fewer_as_sanitized)
{
	run_oracle(200000);
}
#else
Test(oracle, no_difference_in_10_million_usages)
{
	run_oracle(10000000);
}
#endif
