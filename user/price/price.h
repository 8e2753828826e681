/* Tokens, rates and factors to money. Pure: no clock, no I/O. Rules P1... and worked examples: docs/pricing.md.
 *
 * Invariants (tests cite them):
 *  P1  Cost: sum over the token classes of rate x tokens, exact; in nano-units after one division by a million.
 *  P2  Formula `margin`: margin = tier x model factor x supply factor, exact (12 decimals), clamped to [min, max];
 *      price = exact cost / (1 - margin).
 *  P3  Formula `multiplier` (the seed's): price = exact cost / (1 - base) x tier x model factor x supply factor; where
 *      its margin, (price - cost) / price, leaves [min, max], the price of the nearer bound.
 *  P4  Each amount is rounded once, half up, from the exact fraction: the price is never made from the rounded cost.
 *  P5  Nothing wraps: what doesn't fit an int64_t is ERR_RANGE.
 *  P6  No tokens, no price: all classes zero gives zero.
 */
#ifndef PRICE_PRICE_H
#define PRICE_PRICE_H

#include "base/err.h"
#include "model/price_rule.h"
#include "model/usage.h"

/* The tokens of one class. usage must be valid (price_check_usage). */
uint64_t price_class_tokens(const struct usage *u, enum token_class c);
const char *price_class_name(enum token_class c);  /* "input", "cached_input", "cache_write", "output" */
const char *price_supply_name(enum price_supply s); /* "surplus", "balanced", "scarce" */
const char *price_formula_name(enum price_formula f);

/* Can this usage be priced: each count at most USAGE_TOKENS_MAX, parts not above their whole. ERR_INVAL says which. */
int price_check_usage(const struct usage *u, struct err *err) MUST_CHECK;
/* Ranges a rule must keep: rates 0..1e15, factors up to 100, 0 <= min <= max <= 0.95, base <= 0.95, currency three
 * capital letters. ERR_INVAL names the part. */
int price_check_rule(const struct price_rule *r, struct err *err) MUST_CHECK;

enum price_clamp { PRICE_CLAMP_NONE, PRICE_CLAMP_MIN, PRICE_CLAMP_MAX };

/* Every step, for explanations. */
struct price_steps {
	struct {
		uint64_t tokens;
		int64_t rate_nano;                     /* per million */
		unsigned __int128 exact_femto;         /* rate x tokens: millionths of a nano-unit */
	} class[TOKEN_CLASSES];
	unsigned __int128 cost_exact;                  /* the sum of them */
	int64_t cost_nano;
	int64_t margin_e12;                            /* before the clamp; `multiplier`: of its price, rounded, may be negative,
							* INT64_MIN when it has none (price 0) or it doesn't fit */
	int64_t margin_used_e12;                       /* after it */
	enum price_clamp clamp;
	int64_t price_nano;
};

/* Cost and price of `u` under `r`.
 * Units:  nano-units of r->currency.
 * Errors: ERR_INVAL (usage or rule break their ranges), ERR_RANGE (overflow); *ret then untouched.
 * Source: docs/pricing.md P1 to P6. */
int price_compute(const struct price_rule *r, const struct usage *u, struct price_steps *ret,
		  struct err *err) MUST_CHECK;
/* The hot path's form: only the two amounts, same function of the same inputs. */
int price_amounts(const struct price_rule *r, const struct usage *u, int64_t *ret_cost_nano,
		  int64_t *ret_price_nano) MUST_CHECK;
/* The most a call can cost that has at most so many tokens in and out: every input token in the dearest input class. */
int price_worst(const struct price_rule *r, uint64_t input_tokens, uint64_t output_tokens,
		int64_t *ret_nano) MUST_CHECK;

/* ---- patterns of model and provider names: '*' stands for any run of characters, '|' separates alternatives. */
bool price_match(const char *pattern, const char *name);

/* ---- supply and demand (supply.c): utilisation in, state out.
 *
 *   SURPLUS <-below low- BALANCED -above high-> SCARCE, each back only past the bound by `hysteresis`. A mean past both
 *   bounds takes both steps at once. Without room for the way back (below + hysteresis < 1, above - hysteresis > 0) a state
 *   stays for good.
 *
 *  P7  A state changes only when the mean over a whole window says so; a window without samples changes nothing. */
struct supply_opts {
	uint32_t surplus_below_e4, scarce_above_e4, hysteresis_e4; /* utilisation, 1e4 = full */
	uint64_t window_ns;
};
struct supply {
	enum price_supply state;
	uint64_t window_start_ns;
	uint64_t sum_e4, samples;
	uint32_t last_mean_e4; /* of the last whole window */
};
#define SUPPLY_INIT ((struct supply){.state = SUPPLY_BALANCED}) /* not zeroes: those would say SURPLUS */
/* One sample (above full counts as full); returns the state now. The first sample after a window's end closes it. When
 * the clock runs back the window starts anew. */
enum price_supply supply_sample(struct supply *s, const struct supply_opts *o, uint32_t utilisation_e4,
				uint64_t now_ns);

#endif
