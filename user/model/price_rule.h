/* The rule by which one call is priced: everything the formula needs, frozen at admission, stored once and referred to
 * by the charges it made. docs/pricing.md has the rules P1... */
#ifndef MODEL_PRICE_RULE_H
#define MODEL_PRICE_RULE_H

#include "model/money.h"
#include "model/tenant.h"

#include <stdbool.h>
#include <stdint.h>

/* Margins and factors have four decimals. */
#define PRICE_E4 10000u

enum price_formula { PRICE_MARGIN, PRICE_MULTIPLIER };
enum price_supply { SUPPLY_SURPLUS, SUPPLY_BALANCED, SUPPLY_SCARCE, SUPPLY_STATES };
/* Every token of a call is in exactly one class. */
enum token_class { TOKEN_INPUT, TOKEN_CACHED_INPUT, TOKEN_CACHE_WRITE, TOKEN_OUTPUT, TOKEN_CLASSES };

#define PRICE_TIER_MAX 32
#define PRICE_NAME_MAX 128

struct price_rule {
	int64_t id;            /* of the store; 0 = not stored */
	int64_t book_id;       /* policy version the rule was made from */
	int64_t effective_ms;  /* of the cost row; 0 = always */
	char currency[CURRENCY_MAX];
	char provider[PRICE_NAME_MAX], upstream_model[PRICE_NAME_MAX], model[PRICE_NAME_MAX], tier[PRICE_TIER_MAX];
	enum price_formula formula;
	enum price_supply supply;
	bool supply_pinned;
	int64_t rate_nano[TOKEN_CLASSES]; /* per million tokens, the provider's price */
	/* All times 1e4. */
	uint32_t base_margin_e4, tier_margin_e4, model_factor_e4, supply_factor_e4, min_margin_e4, max_margin_e4;
};

#endif
