/* Schema of `prices.costs`: what providers charge. PP2: policy_prices.h. */
#include "conf/policy_prices.h"

#include "model/money.h"

#include <string.h>

#define RATE_MAX (1000000ull * (uint64_t)MONEY_NANO)
#define TIME_MAX_MS 253402300799000 /* the last second of 9999 */
#define SCHEMA(table) .fields = table, .n_fields = ARRAY_SIZE(table)

#define OF_COST(member) offsetof(struct policy_cost, member)
#define COST_PATTERN(name_, help_)                                                                                     \
	{                                                                                                              \
		.name = #name_, .type = SCHEMA_STRING, .offset = OF_COST(name_), .max = POLICY_PATTERN_MAX,            \
		.required = true, .help = help_                                                                        \
	}

static const struct schema_field cost_fields[] = {
	COST_PATTERN(provider, "Pattern of names of the configuration's `providers`."),
	COST_PATTERN(model, "Pattern of the model's names at the provider."),
	{.name = "input",
	 .type = SCHEMA_MONEY,
	 .offset = OF_COST(input_nano),
	 .max = RATE_MAX,
	 .required = true,
	 .help = "Per million prompt tokens."},
	{.name = "cached_input",
	 .type = SCHEMA_MONEY,
	 .offset = OF_COST(cached_input_nano),
	 .max = RATE_MAX,
	 .def_text = "= input",
	 .help = "Per million prompt tokens read from the provider's cache."},
	{.name = "cache_write",
	 .type = SCHEMA_MONEY,
	 .offset = OF_COST(cache_write_nano),
	 .max = RATE_MAX,
	 .def_text = "= input",
	 .help = "Per million prompt tokens written to the provider's cache."},
	{.name = "output",
	 .type = SCHEMA_MONEY,
	 .offset = OF_COST(output_nano),
	 .max = RATE_MAX,
	 .required = true,
	 .help = "Per million tokens of the answer; 0 for embeddings."},
	{.name = "effective",
	 .type = SCHEMA_TIME,
	 .offset = OF_COST(effective_ms),
	 .max = TIME_MAX_MS,
	 .def_text = "always",
	 .help = "From when on this cost holds."},
};

static void check_cost(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	struct policy_cost *c = base;

	if (!(given & 8))
		c->cached_input_nano = c->input_nano;
	if (!(given & 16))
		c->cache_write_nano = c->input_nano;
	policy_check_pattern(rd, n, "provider", c->provider, true);
	policy_check_pattern(rd, n, "model", c->model, false);
}

const struct schema policy_cost_schema = {SCHEMA(cost_fields), .size = sizeof(struct policy_cost), .check = check_cost};

static bool same_patterns(const struct policy_cost *a, const struct policy_cost *b)
{
	return !strcmp(a->provider, b->provider) && !strcmp(a->model, b->model);
}

/* PP2; false when `later` is fine beside `first`. The same patterns at another time are the cost's next version. */
static bool cost_clashes(struct reader *rd, const struct policy_cost *first, const struct node *first_at,
			 const struct policy_cost *later, const struct node *later_at)
{
	if (!first->provider || !first->model || policy_field_has_error(rd, first_at, "effective"))
		return false;
	if (same_patterns(first, later)) {
		if (first->effective_ms != later->effective_ms)
			return false;
		reader_error(rd, later_at, NULL,
			     "\"%.64s\" has provider, model and effective time of the entry on line %u; keep one, or "
			     "give them different times",
			     later->model, first_at->line);
		return true;
	}
	if (first->effective_ms > later->effective_ms || !policy_pattern_covers(first->provider, later->provider) ||
	    !policy_pattern_covers(first->model, later->model))
		return false;
	policy_covered_error(rd, later_at, later->model, first_at);
	return true;
}

void policy_check_cost_order(struct reader *rd, const struct policy_prices *p, const struct node *list)
{
	const struct node *later = list && list->type == NODE_LIST ? list->first : NULL;

	for (size_t i = 0; i < p->n_costs && later; i++, later = later->next) {
		const struct policy_cost *c = &p->costs[i];
		const struct node *first = list->first;

		if (!c->provider || !c->model || policy_field_has_error(rd, later, "effective"))
			continue;
		reader_push(rd, NULL, 0, i);
		for (size_t j = 0; j < i && !cost_clashes(rd, &p->costs[j], first, c, later); j++)
			first = first->next;
		reader_pop(rd);
	}
}
