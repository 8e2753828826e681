/* price list, price quote. */
#include "ctl/call.h"
#include "ctl/steps.h"

#include <string.h>

/* ---- list */

static void lift(json_t *row, const char *name, const char *object, const char *field)
{
	json_object_set(row, name, json_object_get(json_object_get(row, object), field));
}

static void view_prices(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"model", "MODEL", VIEW_TEXT},
		{"deployment", "DEPLOYMENT", VIEW_TEXT},
		{"tier", "TIER", VIEW_TEXT},
		{"supply", "SUPPLY", VIEW_TEXT},
		{"utilisation", "UTILISATION", VIEW_MONEY},
		{"margin", "MARGIN", VIEW_MONEY},
		{"clamp", "CLAMP", VIEW_TEXT},
		{"price_input", "INPUT", VIEW_MONEY},
		{"price_cached", "CACHED", VIEW_MONEY},
		{"price_output", "OUTPUT", VIEW_MONEY},
		{"cost_input", "COST IN", VIEW_MONEY},
		{"cost_output", "COST OUT", VIEW_MONEY},
		{NULL, NULL, VIEW_TEXT},
	};
	json_t *rows = json_object_get(json, "prices"), *row;
	size_t i;

	if (!json_array_size(rows)) {
		buf_puts(out, "no model is priced: prices.costs of the policy has no row that fits a deployment\n");
		return;
	}
	json_array_foreach(rows, i, row)
	{
		json_object_set_new(
			row, "deployment",
			json_sprintf("%s/%s", view_text_at(row, "provider"), view_text_at(row, "upstream_model")));
		if (json_is_true(json_object_get(row, "supply_pinned")))
			json_object_set_new(row, "supply", json_sprintf("%s (pinned)", view_text_at(row, "supply")));
		if (!strcmp(view_text_at(row, "clamp"), "none"))
			json_object_set_new(row, "clamp", json_string(""));
		lift(row, "price_input", "prices", "input");
		lift(row, "price_cached", "prices", "cached_input");
		lift(row, "price_output", "prices", "output");
		lift(row, "cost_input", "rates", "input");
		lift(row, "cost_output", "rates", "output");
	}
	view_table(out, rows, columns, now_ms);
	buf_printf(out, "%s per million tokens\n", view_text_at(json, "currency"));
}

int ctl_run_price_list(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	struct api_request request;

	api_path(&request, "GET", "/admin/v1/prices", NULL);
	api_query(&request, "model", ctl_option(args, "model"));
	api_query(&request, "tier", ctl_option(args, "tier"));
	return call_request(ctl, &request, view_prices, err);
}

/* ---- quote */

#define MILLION "1000000"

static void put_quote(struct buf *out, json_t *quote, int64_t now_ms)
{
	json_t *rule = json_object_get(quote, "rule");

	buf_printf(out,
		   "%s by %s/%s (priority %" JSON_INTEGER_FORMAT ", weight %" JSON_INTEGER_FORMAT
		   "; measured: %s, utilisation %s)\n\n",
		   view_text_at(rule, "model"), view_text_at(rule, "provider"), view_text_at(rule, "upstream_model"),
		   json_integer_value(json_object_get(rule, "priority")),
		   json_integer_value(json_object_get(rule, "weight")), view_text_at(rule, "supply_measured"),
		   view_text_at(rule, "utilisation"));
	steps_put(out, rule, json_object_get(quote, "steps"), now_ms);
}

static void view_quote(struct buf *out, json_t *json, int64_t now_ms)
{
	json_t *quotes = json_object_get(json, "quotes"), *quote;
	size_t i;

	if (!json_array_size(quotes))
		buf_puts(out, "no deployment of this model is priced\n");
	json_array_foreach(quotes, i, quote)
	{
		buf_puts(out, i ? "\n" : "");
		put_quote(out, quote, now_ms);
	}
}

int ctl_run_price_quote(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	static const char *const counts[][2] = {{"input", "input"},
						{"cached-input", "cached_input"},
						{"cache-write", "cache_write"},
						{"output", "output"}};
	struct api_request request;
	uint64_t ignored;
	bool counted = false;
	int rc = 0;

	if (ctl_option(args, "tier") && ctl_option(args, "tenant")) {
		err_set(err, ERR_INVAL, "--tier and --tenant exclude each other");
		return CTL_USAGE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(counts) && !rc; i++)
		rc = ctl_option_number(args, counts[i][0], &ignored, err);
	if (rc)
		return rc;
	api_path(&request, "GET", "/admin/v1/prices/quote", NULL);
	api_query(&request, "model", args->positional[0]);
	api_query(&request, "tier", ctl_option(args, "tier"));
	api_query(&request, "tenant", ctl_option(args, "tenant"));
	api_query(&request, "supply", ctl_option(args, "supply"));
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		counted |= ctl_option(args, counts[i][0]) != NULL;
		api_query(&request, counts[i][1], ctl_option(args, counts[i][0]));
	}
	if (!counted) { /* nothing costs nothing, which nobody asks */
		api_query(&request, "input", MILLION);
		api_query(&request, "output", MILLION);
	}
	return call_request(ctl, &request, view_quote, err);
}
