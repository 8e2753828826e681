#include "ctl/steps.h"

#include <string.h>

/* Owned rows of a table with few columns. */
static void add_row(json_t *rows, json_t *row)
{
	json_array_append_new(rows, row);
}

/* ---- cost */

static void put_cost(struct buf *out, json_t *rule, json_t *steps, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"class", "COST", VIEW_TEXT},   {"tokens", "TOKENS", VIEW_NUMBER}, {"rate", "PER MILLION", VIEW_MONEY},
		{"exact", "EXACT", VIEW_MONEY}, {NULL, NULL, VIEW_TEXT},
	};
	json_t *rows = json_array(), *class;
	size_t i;

	(void)rule;
	json_array_foreach(json_object_get(steps, "classes"), i, class)
	{
		if (json_integer_value(json_object_get(class, "tokens")))
			json_array_append(rows, class);
	}
	add_row(rows, json_pack("{s:s, s:O*}", "class", "sum", "exact", json_object_get(steps, "cost_exact")));
	add_row(rows, json_pack("{s:s, s:O*}", "class", "cost, rounded half up once", "exact",
				json_object_get(steps, "cost")));
	view_table(out, rows, columns, now_ms);
	json_decref(rows);
}

/* ---- margin */

static json_t *factor_row(json_t *rule, const char *name, const char *what, const char *field)
{
	return json_pack("{s:o, s:O*}", "what", json_sprintf("%s%s", what, name), "value",
			 json_object_get(rule, field));
}

static const char *clamp_text(const char *clamp)
{
	if (!strcmp(clamp, "min"))
		return ": raised to the lower bound";
	if (!strcmp(clamp, "max"))
		return ": lowered to the upper bound";
	return ": as it is";
}

static void add_clamp(json_t *rows, json_t *rule, json_t *steps)
{
	add_row(rows,
		json_pack("{s:o, s:O*}", "what",
			  json_sprintf("within %s to %s%s", view_text_at(rule, "min_margin"),
				       view_text_at(rule, "max_margin"), clamp_text(view_text_at(steps, "clamp"))),
			  "value", json_object_get(steps, "margin_used")));
}

static void put_margin(struct buf *out, json_t *rule, json_t *steps, bool multiplier, int64_t now_ms)
{
	const struct view_column columns[] = {
		{"what", multiplier ? "MULTIPLIER" : "MARGIN", VIEW_TEXT},
		{"value", "", VIEW_MONEY},
		{NULL, NULL, VIEW_TEXT},
	};
	const char *pinned = json_is_true(json_object_get(rule, "supply_pinned")) ? " (pinned)" : "";
	json_t *rows = json_array();

	if (multiplier)
		add_row(rows, factor_row(rule, "", "base margin: cost / (1 - it)", "base_margin"));
	add_row(rows, factor_row(rule, view_text_at(rule, "tier"), multiplier ? "x tier " : "tier ", "tier_margin"));
	add_row(rows, factor_row(rule, view_text_at(rule, "model"), "x model ", "model_factor"));
	add_row(rows,
		json_pack("{s:o, s:O*}", "what", json_sprintf("x supply %s%s", view_text_at(rule, "supply"), pinned),
			  "value", json_object_get(rule, "supply_factor")));
	add_row(rows, json_pack("{s:s, s:O*}", "what", multiplier ? "margin of that price" : "= margin", "value",
				json_object_get(steps, "margin")));
	add_clamp(rows, rule, steps);
	view_table(out, rows, columns, now_ms);
	json_decref(rows);
}

/* ---- price */

static void put_price(struct buf *out, json_t *rule, json_t *steps, bool multiplier)
{
	bool clamped = strcmp(view_text_at(steps, "clamp"), "none") != 0;

	buf_puts(out, "PRICE ");
	if (multiplier && !clamped)
		buf_printf(out, "%s / (1 - %s) x %s x %s x %s", view_text_at(steps, "cost_exact"),
			   view_text_at(rule, "base_margin"), view_text_at(rule, "tier_margin"),
			   view_text_at(rule, "model_factor"), view_text_at(rule, "supply_factor"));
	else
		buf_printf(out, "%s / (1 - %s)", view_text_at(steps, "cost_exact"), view_text_at(steps, "margin_used"));
	buf_printf(out, " = %s %s, rounded half up once\n", view_text_at(steps, "price"),
		   view_text_at(rule, "currency"));
}

void steps_put(struct buf *out, json_t *rule, json_t *steps, int64_t now_ms)
{
	bool multiplier = !strcmp(view_text_at(rule, "formula"), "multiplier");

	put_cost(out, rule, steps, now_ms);
	buf_putc(out, '\n');
	put_margin(out, rule, steps, multiplier, now_ms);
	buf_putc(out, '\n');
	put_price(out, rule, steps, multiplier);
}
