/* Schema of `prices`: what a call costs and what it is sold for. The formula itself: price/price.h. Invariants:
 * policy_prices.h. */
#include "conf/policy_prices.h"

#include "conf/policy_rate.h"

#include "model/price_rule.h"

#include <stdlib.h>
#include <string.h>

#define MARGIN_MAX 9500
#define FACTOR_MIN 100
#define FACTOR_MAX 1000000
#define TIERS_MAX 64
#define MODELS_MAX 1000
#define COSTS_MAX 1000

_Static_assert((int)POLICY_FORMULA_MARGIN == (int)PRICE_MARGIN &&
		       (int)POLICY_FORMULA_MULTIPLIER == (int)PRICE_MULTIPLIER,
	       "formulas");
_Static_assert((int)POLICY_SURPLUS == (int)SUPPLY_SURPLUS && (int)POLICY_BALANCED == (int)SUPPLY_BALANCED &&
		       (int)POLICY_SCARCE == (int)SUPPLY_SCARCE,
	       "supply states");
_Static_assert(sizeof(((struct policy_prices *)0)->currency) == CURRENCY_MAX, "what SCHEMA_CURRENCY writes");

#define OF_PRICES(member) OF_POLICY(prices.member)
#define E4(name_, offset_, min_, max_, def_, help_)                                                                    \
	{                                                                                                              \
		.name = name_, .type = SCHEMA_E4, .offset = offset_, .min = min_, .max = max_, .def = def_,            \
		.help = help_                                                                                          \
	}

/* ---- margin */

static const struct schema_field margin_fields[] = {
	E4("base", OF_PRICES(base_margin_e4), 0, MARGIN_MAX, "0.25", "Of tiers that name none."),
	E4("min", OF_PRICES(min_margin_e4), 0, MARGIN_MAX, "0.15", "The margin used is at least this."),
	E4("max", OF_PRICES(max_margin_e4), 0, MARGIN_MAX, "0.50", "And at most this."),
};

static void check_margin(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	const struct policy_prices *p = &((struct policy *)base)->prices;
	const char *field = given & 2 ? "min" : "max";
	char lo[64], hi[64];

	if (p->min_margin_e4 <= p->max_margin_e4 || policy_field_has_error(rd, n, "min") ||
	    policy_field_has_error(rd, n, "max"))
		return;
	schema_format_exact(SCHEMA_E4, p->min_margin_e4, lo);
	schema_format_exact(SCHEMA_E4, p->max_margin_e4, hi);
	reader_error(rd, node_get(n, field), field, "min %s is above max %s; min may be at most max", lo, hi);
}

static const struct schema margin_schema = {SCHEMA(margin_fields), .check = check_margin};

/* ---- tiers */

static const struct schema_field tier_fields[] = {
	{.name = "margin",
	 .type = SCHEMA_E4,
	 .offset = offsetof(struct policy_tier, margin_e4),
	 .max = FACTOR_MAX,
	 .def_text = "= `prices.margin.base`",
	 .help = "Before the factors; at most 0.95. With `formula: multiplier` a factor, at most 100."},
};

static void check_tier(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	const struct policy_prices *p = &((const struct policy *)rd->root)->prices;
	struct policy_tier *t = base;
	char text[64];

	if (!(given & 1))
		t->margin_e4 = p->base_margin_e4;
	if (!(given & 1) || t->margin_e4 <= MARGIN_MAX || p->formula != POLICY_FORMULA_MARGIN)
		return;
	schema_format_exact(SCHEMA_E4, t->margin_e4, text);
	reader_error(rd, node_get(n, "margin"), "margin",
		     "%s is out of range; from 0 to 0.95 (a factor above it goes with formula: multiplier)", text);
}

static const char *broken_tier(const char *s, size_t len)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

	if (!len || len >= PRICE_TIER_MAX || strspn(s, alphabet) != len)
		return "is no tier's name; 1 to 31 of a-z, 0-9, \"_\" and \"-\"";
	return NULL;
}

static const struct schema tier_schema = {
	SCHEMA(tier_fields), .size = sizeof(struct policy_tier), .name_offset = offsetof(struct policy_tier, name),
	.name_text = "TIER", .name_rule = broken_tier,           .check = check_tier};

static int tier_compare(const void *a, const void *b)
{
	return strcmp(((const struct policy_tier *)a)->name, ((const struct policy_tier *)b)->name);
}

static void default_tiers(struct reader *rd, struct policy_prices *p)
{
	static const struct {
		const char *name;
		uint32_t margin_e4;
	} tiers[] = {{"enterprise", 4000}, {"free", 1500}, {"growth", 2500}};

	p->tiers = reader_alloc(rd, ARRAY_SIZE(tiers), sizeof(*p->tiers));
	if (!p->tiers)
		return;
	p->n_tiers = ARRAY_SIZE(tiers);
	for (size_t i = 0; i < p->n_tiers; i++)
		p->tiers[i] = (struct policy_tier){.name = reader_strndup(rd, tiers[i].name, strlen(tiers[i].name)),
						   .margin_e4 = tiers[i].margin_e4};
}

static void check_tiers(struct reader *rd, struct policy_prices *p, const struct node *n)
{
	if (!n)
		default_tiers(rd, p);
	else if (node_is_null(n) || (n->type == NODE_MAP && !n->n))
		reader_error(rd, n, "tiers", "is empty; give at least one, such as free: {margin: 0.15}");
	if (p->n_tiers > 1 && !rd->nomem)
		qsort(p->tiers, p->n_tiers, sizeof(*p->tiers), tier_compare);
}

/* ---- models */

static const struct schema_field model_fields[] = {
	{.name = "match",
	 .type = SCHEMA_STRING,
	 .offset = offsetof(struct policy_model_factor, match),
	 .max = POLICY_PATTERN_MAX,
	 .required = true,
	 .help = "Pattern of public model names, such as `gpt-4*`."},
	{.name = "factor",
	 .type = SCHEMA_E4,
	 .offset = offsetof(struct policy_model_factor, factor_e4),
	 .min = FACTOR_MIN,
	 .max = FACTOR_MAX,
	 .required = true,
	 .help = "Times the tier's margin."},
};

static void check_model(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	(void)given;
	policy_check_pattern(rd, n, "match", ((struct policy_model_factor *)base)->match, false);
}

static const struct schema model_schema = {SCHEMA(model_fields), .size = sizeof(struct policy_model_factor),
					   .check = check_model};

static void default_models(struct reader *rd, struct policy_prices *p)
{
	static const struct {
		const char *match;
		uint32_t factor_e4;
	} models[] = {
		{"gpt-4*", 12000},
		{"gpt-3.5*", 10000},
		{"claude*", 11000},
		{"qwen*|deepseek*|glm*|ernie*|doubao*|moonshot*|kimi*|hunyuan*|yi-*|baichuan*", 9000},
	};

	p->models = reader_alloc(rd, ARRAY_SIZE(models), sizeof(*p->models));
	if (!p->models)
		return;
	p->n_models = ARRAY_SIZE(models);
	for (size_t i = 0; i < p->n_models; i++)
		p->models[i] = (struct policy_model_factor){
			.match = reader_strndup(rd, models[i].match, strlen(models[i].match)),
			.factor_e4 = models[i].factor_e4};
}

/* PP2 */
static void check_model_order(struct reader *rd, const struct policy_prices *p, const struct node *n)
{
	const struct node *later = n && n->type == NODE_LIST ? n->first : NULL;

	for (size_t i = 0; i < p->n_models && later; i++, later = later->next) {
		const struct node *first = n->first;

		for (size_t j = 0; j < i && p->models[i].match; j++, first = first->next) {
			if (!p->models[j].match || !policy_pattern_covers(p->models[j].match, p->models[i].match))
				continue;
			reader_push(rd, NULL, 0, i);
			policy_covered_error(rd, later, p->models[i].match, first);
			reader_pop(rd);
			break;
		}
	}
}

/* ---- supply */

static const struct schema_choice pins[] = {{"measured", POLICY_MEASURED},
					    {"surplus", POLICY_SURPLUS},
					    {"balanced", POLICY_BALANCED},
					    {"scarce", POLICY_SCARCE},
					    {0}};

#define SUPPLY_FACTOR(name_, state, def_, help_)                                                                       \
	E4(name_, OF_PRICES(supply.factor_e4[state]), FACTOR_MIN, FACTOR_MAX, def_, help_)

static const struct schema_field supply_fields[] = {
	SUPPLY_FACTOR("surplus", POLICY_SURPLUS, "0.8", "Times the margin while a deployment has little to do."),
	SUPPLY_FACTOR("balanced", POLICY_BALANCED, "1.0", "And in between."),
	SUPPLY_FACTOR("scarce", POLICY_SCARCE, "1.3", "And while it is close to full."),
	{.name = "pin",
	 .type = SCHEMA_CHOICE,
	 .offset = OF_PRICES(supply.pin),
	 .choices = pins,
	 .def = "measured",
	 .help = "State by each deployment's utilisation (measured), or this one whatever it is."},
	E4("surplus_below", OF_PRICES(supply.surplus_below_e4), 0, PRICE_E4, "0.3",
	   "Utilisation below which there is surplus; 1 = full."),
	E4("scarce_above", OF_PRICES(supply.scarce_above_e4), 0, PRICE_E4, "0.8",
	   "Utilisation above which it is scarce."),
	E4("hysteresis", OF_PRICES(supply.hysteresis_e4), 0, PRICE_E4, "0.05",
	   "How far past its bound the utilisation has to come back."),
	{.name = "window",
	 .type = SCHEMA_DURATION_NS,
	 .offset = OF_PRICES(supply.window_ns),
	 .min = 100000000u,
	 .max = 86400000000000u,
	 .def = "60s",
	 .help = "The state changes by the mean over this time."},
};

#define SUPPLY_BOUNDS (7u << 4) /* surplus_below, scarce_above, hysteresis */

static void check_supply(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	const struct policy_prices *p = &((struct policy *)base)->prices;
	uint32_t least = p->supply.surplus_below_e4 + 2 * p->supply.hysteresis_e4;
	char text[64];

	if (!(given & SUPPLY_BOUNDS) || least < p->supply.scarce_above_e4 ||
	    policy_field_has_error(rd, n, "surplus_below") || policy_field_has_error(rd, n, "scarce_above") ||
	    policy_field_has_error(rd, n, "hysteresis"))
		return;
	schema_format_exact(SCHEMA_E4, least, text);
	reader_error(rd, n, NULL,
		     "surplus_below + hysteresis has to be below scarce_above - hysteresis, else the states overlap; "
		     "scarce_above has to be above %s here",
		     text);
}

static const struct schema supply_schema = {SCHEMA(supply_fields), .check = check_supply};

/* ---- the section. Order matters: tiers look at formula and margin. */

static const struct schema_choice formulas[] = {
	{"margin", POLICY_FORMULA_MARGIN}, {"multiplier", POLICY_FORMULA_MULTIPLIER}, {0}};

static const struct schema_field prices_fields[] = {
	{.name = "currency",
	 .type = SCHEMA_CURRENCY,
	 .offset = OF_PRICES(currency),
	 .def = "USD",
	 .help = "Of all amounts here and in the books, which keep the one they began with."},
	{.name = "formula",
	 .type = SCHEMA_CHOICE,
	 .offset = OF_PRICES(formula),
	 .choices = formulas,
	 .def = "margin",
	 .help = "margin: cost / (1 - margin). multiplier: cost / (1 - base) times all factors."},
	{.name = "margin", .type = SCHEMA_MAP, .sub = &margin_schema, .help = "Share of the price that is not cost."},
	{.name = "tiers",
	 .type = SCHEMA_DICT,
	 .offset = OF_PRICES(tiers),
	 .count_offset = OF_PRICES(n_tiers),
	 .max = TIERS_MAX,
	 .sub = &tier_schema,
	 .def_text = "free: {margin: 0.15}, growth: {margin: 0.25}, enterprise: {margin: 0.40}",
	 .help = "Price tiers of tenants."},
	{.name = "models",
	 .type = SCHEMA_LIST,
	 .offset = OF_PRICES(models),
	 .count_offset = OF_PRICES(n_models),
	 .max = MODELS_MAX,
	 .sub = &model_schema,
	 .def_text = "gpt-4 1.2, gpt-3.5 1.0, claude 1.1, qwen, deepseek and others 0.9: `deploy/policy.yaml`",
	 .help = "Factors by model. The first that matches counts; 1 where none does."},
	{.name = "supply", .type = SCHEMA_MAP, .sub = &supply_schema, .help = "Factors by supply and demand."},
	{.name = "costs",
	 .type = SCHEMA_LIST,
	 .offset = OF_PRICES(costs),
	 .count_offset = OF_PRICES(n_costs),
	 .max = COSTS_MAX,
	 .sub = &policy_cost_schema,
	 .def_text = "empty",
	 .help = "What providers charge. A model without one is not sold: 503 model_not_priced."},
};

static void check_prices(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	struct policy_prices *p = &((struct policy *)base)->prices;

	const struct node *models = node_get(n, "models");

	(void)given;
	check_tiers(rd, p, node_get(n, "tiers"));
	if (!models)
		default_models(rd, p);
	reader_push(rd, "models", 6, 0);
	check_model_order(rd, p, models);
	reader_pop(rd);
	reader_push(rd, "costs", 5, 0);
	policy_check_cost_order(rd, p, node_get(n, "costs"));
	reader_pop(rd);
}

const struct schema policy_prices_schema = {SCHEMA(prices_fields), .check = check_prices};
