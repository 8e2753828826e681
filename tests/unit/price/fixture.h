/* The rule of docs/pricing.md's examples: the policy's defaults, the cost row of gpt-4o-mini. */
#ifndef TESTS_PRICE_FIXTURE_H
#define TESTS_PRICE_FIXTURE_H

#include "price/price.h"

#define FREE_E4 1500
#define GROWTH_E4 2500
#define ENTERPRISE_E4 4000

#define RULE_USUAL                                                                                                     \
	((struct price_rule){                                                                                          \
		.currency = "USD",                                                                                     \
		.formula = PRICE_MARGIN,                                                                               \
		.supply = SUPPLY_BALANCED,                                                                             \
		.rate_nano = {150000000, 75000000, 150000000, 600000000},                                              \
		.base_margin_e4 = 2500,                                                                                \
		.tier_margin_e4 = GROWTH_E4,                                                                           \
		.model_factor_e4 = 12000,                                                                              \
		.supply_factor_e4 = 10000,                                                                             \
		.min_margin_e4 = 1500,                                                                                 \
		.max_margin_e4 = 5000,                                                                                 \
	})

#define USAGE_EXAMPLE ((struct usage){.input_tokens = 1234, .cached_input_tokens = 1024, .output_tokens = 567})

#endif
