/* What changes from one policy's prices to another's, in lines for people. */
#include "conf/policy_diff.h"
#include "conf/policy_prices.h"

#include <stdio.h>
#include <string.h>

/* ---- single values */

static void diff_word(struct buf *out, const char *field, const char *a, const char *b)
{
	if (strcmp(a, b) != 0)
		buf_printf(out, "prices.%s: %s -> %s\n", field, a, b);
}

static void diff_margin(struct buf *out, const struct policy_prices *a, const struct policy_prices *b)
{
	const struct diff_value values[] = {
		{"base", SCHEMA_E4, a->base_margin_e4, b->base_margin_e4},
		{"min", SCHEMA_E4, a->min_margin_e4, b->min_margin_e4},
		{"max", SCHEMA_E4, a->max_margin_e4, b->max_margin_e4},
	};

	diff_values(out, "prices.margin.", values, ARRAY_SIZE(values));
}

static void diff_supply(struct buf *out, const struct policy_prices *a, const struct policy_prices *b)
{
	static const char *const pins[] = {"surplus", "balanced", "scarce", "measured"};
	const struct diff_value values[] = {
		{pins[0], SCHEMA_E4, a->supply.factor_e4[0], b->supply.factor_e4[0]},
		{pins[1], SCHEMA_E4, a->supply.factor_e4[1], b->supply.factor_e4[1]},
		{pins[2], SCHEMA_E4, a->supply.factor_e4[2], b->supply.factor_e4[2]},
		{"surplus_below", SCHEMA_E4, a->supply.surplus_below_e4, b->supply.surplus_below_e4},
		{"scarce_above", SCHEMA_E4, a->supply.scarce_above_e4, b->supply.scarce_above_e4},
		{"hysteresis", SCHEMA_E4, a->supply.hysteresis_e4, b->supply.hysteresis_e4},
		{"window", SCHEMA_DURATION_NS, a->supply.window_ns, b->supply.window_ns},
	};

	diff_word(out, "supply.pin", pins[a->supply.pin], pins[b->supply.pin]);
	diff_values(out, "prices.supply.", values, ARRAY_SIZE(values));
}

/* ---- lists */

struct list {
	const char *name;
	const void *a, *b;
	size_t n_a, n_b, size;
	bool ordered; /* of which the first that matches counts */
	bool (*same)(const void *a, const void *b);
	void (*put_name)(struct buf *out, const void *entry);
	/* The entry's values, from `a` to `b`, which may be the same. Returns how many. */
	size_t (*values)(const void *a, const void *b, struct diff_value to[4]);
};

static const void *entry_at(const void *items, size_t size, size_t i)
{
	return (const char *)items + i * size;
}

/* Index of the entry, or n. */
static size_t find_entry(const struct list *l, const void *items, size_t n, const void *entry)
{
	size_t i = 0;

	while (i < n && !l->same(entry_at(items, l->size, i), entry))
		i++;
	return i;
}

static void show_entry(struct buf *out, const struct list *l, char sign, const void *entry)
{
	struct diff_value values[4];
	size_t n = l->values(entry, entry, values);
	char text[64];

	buf_printf(out, "prices.%s: %c ", l->name, sign);
	l->put_name(out, entry);
	for (size_t i = 0; i < n; i++) {
		diff_format(values[i].type, values[i].to, text);
		buf_printf(out, "%s %s %s", i ? "," : ":", values[i].name, text);
	}
	buf_puts(out, "\n");
}

/* False when they are the same. */
static bool show_changes(struct buf *out, const struct list *l, const void *a, const void *b)
{
	struct diff_value values[4];
	size_t n = l->values(a, b, values), shown = 0;
	char from[64], to[64];

	for (size_t i = 0; i < n; i++) {
		if (values[i].from == values[i].to)
			continue;
		diff_format(values[i].type, values[i].from, from);
		diff_format(values[i].type, values[i].to, to);
		if (!shown++) {
			buf_printf(out, "prices.%s: ", l->name);
			l->put_name(out, b);
		}
		buf_printf(out, "%s %s %s -> %s", shown > 1 ? "," : ":", values[i].name, from, to);
	}
	if (shown)
		buf_puts(out, "\n");
	return shown > 0;
}

struct tally {
	size_t added, removed, changed;
};

/* A line was written past `before`: it stays unless there are enough of them. */
static void count_line(struct buf *out, const struct tally *t, size_t before)
{
	if (t->added + t->removed + t->changed <= DIFF_SHOWN_MAX || !out->data)
		return;
	out->len = before;
	out->data[before] = '\0';
}

static void diff_removed(struct buf *out, const struct list *l, struct tally *t)
{
	for (size_t i = 0; i < l->n_a; i++) {
		const void *entry = entry_at(l->a, l->size, i);
		size_t before = out->len;

		if (find_entry(l, l->b, l->n_b, entry) < l->n_b)
			continue;
		t->removed++;
		show_entry(out, l, '-', entry);
		count_line(out, t, before);
	}
}

/* Returns whether entries of both stand in another order. */
static bool diff_kept_and_added(struct buf *out, const struct list *l, struct tally *t)
{
	bool moved = false;
	size_t last = 0;

	for (size_t i = 0; i < l->n_b; i++) {
		const void *entry = entry_at(l->b, l->size, i);
		size_t before = out->len, at = find_entry(l, l->a, l->n_a, entry);

		if (at == l->n_a) {
			t->added++;
			show_entry(out, l, '+', entry);
		} else {
			moved |= at < last;
			last = at;
			t->changed += show_changes(out, l, entry_at(l->a, l->size, at), entry);
		}
		count_line(out, t, before);
	}
	return moved;
}

static void show_order(struct buf *out, const struct list *l)
{
	buf_printf(out, "prices.%s: another order, and the first match counts:", l->name);
	for (size_t i = 0; i < l->n_b && i < DIFF_SHOWN_MAX; i++) {
		buf_puts(out, i ? ", " : " ");
		l->put_name(out, entry_at(l->b, l->size, i));
	}
	buf_puts(out, l->n_b > DIFF_SHOWN_MAX ? ", ...\n" : "\n");
}

static void diff_list(struct buf *out, const struct list *l)
{
	struct tally t = {0};
	bool moved;
	size_t all;

	diff_removed(out, l, &t);
	moved = diff_kept_and_added(out, l, &t);
	if (moved && l->ordered)
		show_order(out, l);
	all = t.added + t.removed + t.changed;
	if (all > DIFF_SHOWN_MAX)
		buf_printf(out, "prices.%s: %zu added, %zu removed, %zu changed in all (%zu not shown)\n", l->name,
			   t.added, t.removed, t.changed, all - DIFF_SHOWN_MAX);
}

/* ---- tiers, models, costs */

static bool same_tier(const void *a, const void *b)
{
	return !strcmp(((const struct policy_tier *)a)->name, ((const struct policy_tier *)b)->name);
}

static void put_tier(struct buf *out, const void *entry)
{
	buf_puts(out, ((const struct policy_tier *)entry)->name);
}

static size_t tier_values(const void *a, const void *b, struct diff_value to[4])
{
	const struct policy_tier *from = a, *into = b;

	to[0] = (struct diff_value){"margin", SCHEMA_E4, from->margin_e4, into->margin_e4};
	return 1;
}

static bool same_model(const void *a, const void *b)
{
	return !strcmp(((const struct policy_model_factor *)a)->match, ((const struct policy_model_factor *)b)->match);
}

static void put_model(struct buf *out, const void *entry)
{
	buf_puts(out, ((const struct policy_model_factor *)entry)->match);
}

static size_t model_values(const void *a, const void *b, struct diff_value to[4])
{
	const struct policy_model_factor *from = a, *into = b;

	to[0] = (struct diff_value){"factor", SCHEMA_E4, from->factor_e4, into->factor_e4};
	return 1;
}

static bool same_cost(const void *pa, const void *pb)
{
	const struct policy_cost *a = pa, *b = pb;

	return a->effective_ms == b->effective_ms && !strcmp(a->model, b->model) && !strcmp(a->provider, b->provider);
}

static void put_cost(struct buf *out, const void *entry)
{
	const struct policy_cost *c = entry;
	char since[64];

	buf_printf(out, "%s/%s", c->provider, c->model);
	if (c->effective_ms) {
		schema_format_exact(SCHEMA_TIME, (uint64_t)c->effective_ms, since);
		buf_printf(out, " from %s", since);
	}
}

static size_t cost_values(const void *a, const void *b, struct diff_value to[4])
{
	const struct policy_cost *f = a, *t = b;

	to[0] = (struct diff_value){"input", SCHEMA_MONEY, (uint64_t)f->input_nano, (uint64_t)t->input_nano};
	to[1] = (struct diff_value){"cached_input", SCHEMA_MONEY, (uint64_t)f->cached_input_nano,
				    (uint64_t)t->cached_input_nano};
	to[2] = (struct diff_value){"cache_write", SCHEMA_MONEY, (uint64_t)f->cache_write_nano,
				    (uint64_t)t->cache_write_nano};
	to[3] = (struct diff_value){"output", SCHEMA_MONEY, (uint64_t)f->output_nano, (uint64_t)t->output_nano};
	return 4;
}

void policy_diff_prices(struct buf *out, const struct policy_prices *a, const struct policy_prices *b)
{
	static const char *const formulas[] = {"margin", "multiplier"};
	const struct list lists[] = {
		{"tiers", a->tiers, b->tiers, a->n_tiers, b->n_tiers, sizeof(*a->tiers), false, same_tier, put_tier,
		 tier_values},
		{"models", a->models, b->models, a->n_models, b->n_models, sizeof(*a->models), true, same_model,
		 put_model, model_values},
		{"costs", a->costs, b->costs, a->n_costs, b->n_costs, sizeof(*a->costs), true, same_cost, put_cost,
		 cost_values},
	};

	diff_word(out, "currency", a->currency, b->currency);
	diff_word(out, "formula", formulas[a->formula], formulas[b->formula]);
	diff_margin(out, a, b);
	diff_list(out, &lists[0]);
	diff_list(out, &lists[1]);
	diff_supply(out, a, b);
	diff_list(out, &lists[2]);
}
