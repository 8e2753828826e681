/* What may be priced at all, the classes of tokens, and the names of things. */
#include "price/price.h"

#include <inttypes.h>

#define RATE_MAX_NANO 1000000000000000ll /* a unit of the currency per token */
#define FACTOR_MAX_E4 (100 * PRICE_E4)
#define MARGIN_MAX_E4 9500 /* a price is at most twenty times the cost */

uint64_t price_class_tokens(const struct usage *u, enum token_class c)
{
	switch (c) {
	case TOKEN_INPUT:
		return u->input_tokens - u->cached_input_tokens - u->cache_write_tokens;
	case TOKEN_CACHED_INPUT:
		return u->cached_input_tokens;
	case TOKEN_CACHE_WRITE:
		return u->cache_write_tokens;
	case TOKEN_OUTPUT:
		return u->output_tokens;
	case TOKEN_CLASSES:
		break;
	}
	return 0;
}

static int check_count(const char *what, uint64_t n, struct err *err)
{
	if (n <= USAGE_TOKENS_MAX)
		return 0;
	return err_set(err, ERR_INVAL, "%s: %" PRIu64 " is above 2^53", what, n);
}

int price_check_usage(const struct usage *u, struct err *err)
{
	int rc;

	if ((rc = check_count("input_tokens", u->input_tokens, err)) < 0 ||
	    (rc = check_count("output_tokens", u->output_tokens, err)) < 0)
		return rc;
	/* Parts in this order, without a sum that could wrap. */
	if (u->cached_input_tokens > u->input_tokens)
		return err_set(err, ERR_INVAL, "cached_input_tokens: %" PRIu64 " of %" PRIu64 " input tokens",
			       u->cached_input_tokens, u->input_tokens);
	if (u->cache_write_tokens > u->input_tokens - u->cached_input_tokens)
		return err_set(err, ERR_INVAL,
			       "cache_write_tokens: %" PRIu64 " and %" PRIu64 " cached of %" PRIu64 " input tokens",
			       u->cache_write_tokens, u->cached_input_tokens, u->input_tokens);
	if (u->reasoning_tokens > u->output_tokens)
		return err_set(err, ERR_INVAL, "reasoning_tokens: %" PRIu64 " of %" PRIu64 " output tokens",
			       u->reasoning_tokens, u->output_tokens);
	return 0;
}

static int check_rates(const struct price_rule *r, struct err *err)
{
	for (unsigned c = 0; c < TOKEN_CLASSES; c++)
		if (r->rate_nano[c] < 0 || r->rate_nano[c] > RATE_MAX_NANO)
			return err_set(err, ERR_INVAL, "rate of %s: %" PRId64 " nano-units, want 0 to %lld",
				       price_class_name(c), r->rate_nano[c], RATE_MAX_NANO);
	return 0;
}

static int check_factor(const char *what, uint32_t factor_e4, struct err *err)
{
	if (factor_e4 <= FACTOR_MAX_E4)
		return 0;
	return err_set(err, ERR_INVAL, "%s: %" PRIu32 "/10000 is above 100", what, factor_e4);
}

static int check_margins(const struct price_rule *r, struct err *err)
{
	if (r->base_margin_e4 > MARGIN_MAX_E4)
		return err_set(err, ERR_INVAL, "base margin: %" PRIu32 "/10000 is above 0.95", r->base_margin_e4);
	if (r->max_margin_e4 > MARGIN_MAX_E4)
		return err_set(err, ERR_INVAL, "max margin: %" PRIu32 "/10000 is above 0.95", r->max_margin_e4);
	if (r->min_margin_e4 > r->max_margin_e4)
		return err_set(err, ERR_INVAL, "min margin: %" PRIu32 "/10000 is above the max, %" PRIu32 "/10000",
			       r->min_margin_e4, r->max_margin_e4);
	return 0;
}

static int check_currency(const char currency[CURRENCY_MAX], struct err *err)
{
	for (unsigned i = 0; i < CURRENCY_MAX - 1; i++)
		if (currency[i] < 'A' || currency[i] > 'Z')
			return err_set(err, ERR_INVAL, "currency: want three capital letters");
	if (currency[CURRENCY_MAX - 1])
		return err_set(err, ERR_INVAL, "currency: want three capital letters");
	return 0;
}

int price_check_rule(const struct price_rule *r, struct err *err)
{
	int rc;

	if ((unsigned)r->formula > PRICE_MULTIPLIER)
		return err_set(err, ERR_INVAL, "formula: no such one, %u", (unsigned)r->formula);
	if ((unsigned)r->supply >= SUPPLY_STATES)
		return err_set(err, ERR_INVAL, "supply: no such state, %u", (unsigned)r->supply);
	if ((rc = check_rates(r, err)) < 0 || (rc = check_factor("tier margin", r->tier_margin_e4, err)) < 0 ||
	    (rc = check_factor("model factor", r->model_factor_e4, err)) < 0 ||
	    (rc = check_factor("supply factor", r->supply_factor_e4, err)) < 0 || (rc = check_margins(r, err)) < 0)
		return rc;
	return check_currency(r->currency, err);
}

static const char *name_of(const char *const *names, size_t n, unsigned i)
{
	return i < n ? names[i] : "unknown";
}

const char *price_class_name(enum token_class c)
{
	static const char *const names[] = {"input", "cached_input", "cache_write", "output"};

	_Static_assert(ARRAY_SIZE(names) == TOKEN_CLASSES, "a name for each class");
	return name_of(names, ARRAY_SIZE(names), c);
}

const char *price_supply_name(enum price_supply s)
{
	static const char *const names[] = {"surplus", "balanced", "scarce"};

	_Static_assert(ARRAY_SIZE(names) == SUPPLY_STATES, "a name for each state");
	return name_of(names, ARRAY_SIZE(names), s);
}

const char *price_formula_name(enum price_formula f)
{
	static const char *const names[] = {"margin", "multiplier"};

	return name_of(names, ARRAY_SIZE(names), f);
}
