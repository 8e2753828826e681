/* account and usage. Amounts go through as the decimal strings they are typed as. */
#include "ctl/call.h"

#include <string.h>

/* ---- balances */

static const struct view_column account_columns[] = {
	{"tenant", "TENANT", VIEW_TEXT},        {"tier", "TIER", VIEW_TEXT},
	{"balance", "BALANCE", VIEW_MONEY},     {"held", "HELD", VIEW_MONEY},
	{"available", "AVAILABLE", VIEW_MONEY}, {"credit_line", "CREDIT LINE", VIEW_MONEY},
	{"currency", "CURRENCY", VIEW_TEXT},    {"holds", "OPEN CALLS", VIEW_NUMBER},
	{"status", "STATUS", VIEW_TEXT},        {NULL, NULL, VIEW_TEXT},
};

static void view_accounts(struct buf *out, json_t *json, int64_t now_ms)
{
	json_t *rows = json_object_get(json, "accounts");

	if (!json_array_size(rows))
		buf_puts(out, "no accounts yet: each tenant has one (tollctl tenant create ID)\n");
	else
		view_table(out, rows, account_columns, now_ms);
}

static void view_account(struct buf *out, json_t *json, int64_t now_ms)
{
	view_fields(out, json, account_columns, now_ms);
}

int ctl_run_account_list(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	(void)args;
	return call_simple(ctl, "GET", "/admin/v1/accounts", NULL, view_accounts, err);
}

int ctl_run_account_show(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	return call_simple(ctl, "GET", "/admin/v1/accounts/%s", args->positional[0], view_account, err);
}

/* ---- posting */

static void view_posted(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column fields[] = {
		{"id", "transfer", VIEW_TEXT},     {"time_ms", "posted (UTC)", VIEW_WHEN},
		{"kind", "kind", VIEW_TEXT},       {"from", "from", VIEW_TEXT},
		{"to", "to", VIEW_TEXT},           {"amount", "amount", VIEW_MONEY},
		{"request", "request", VIEW_TEXT}, {"ref", "ref", VIEW_TEXT},
		{"note", "note", VIEW_TEXT},       {NULL, NULL, VIEW_TEXT},
	};
	static const char *const optional[] = {"ref", "note"};
	json_t *balance = json_object_get(json, "balance"), *transfer = json_object_get(json, "transfer");

	for (size_t i = 0; i < ARRAY_SIZE(optional); i++)
		if (!*view_text_at(transfer, optional[i]))
			json_object_del(transfer, optional[i]);
	view_fields(out, transfer, fields, now_ms);
	if (balance) {
		buf_puts(out, "balance now ");
		view_value(out, balance, VIEW_MONEY, now_ms);
		buf_printf(out, " %s\n", view_text_at(json, "currency"));
	}
	if (json_is_true(json_object_get(json, "repeated")))
		buf_puts(out, "this ref was posted before: nothing was posted now\n");
}

int ctl_run_account_deposit(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const char *amount = args->positional[1];
	int rc = ctl_check_amount("AMOUNT", amount, false, err);

	if (rc)
		return rc;
	return call_json(ctl, "POST", "/admin/v1/accounts/%s/deposits", args->positional[0],
			 json_pack("{s:s, s:s*, s:s*, s:s*}", "amount", amount, "currency",
				   ctl_option(args, "currency"), "ref", ctl_option(args, "ref"), "note",
				   ctl_option(args, "note")),
			 view_posted, err);
}

int ctl_run_account_adjust(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const char *amount = args->positional[1], *note;
	int rc = ctl_check_amount("AMOUNT", amount, true, err);

	if (rc == 0)
		rc = ctl_required(args, "note", &note, err);
	if (rc)
		return rc;
	return call_json(ctl, "POST", "/admin/v1/accounts/%s/adjustments", args->positional[0],
			 json_pack("{s:s, s:s, s:s*}", "amount", amount, "note", note, "ref", ctl_option(args, "ref")),
			 view_posted, err);
}

int ctl_run_account_refund(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const char *amount = ctl_option(args, "amount");
	int rc = ctl_check_amount("--amount", amount, false, err);

	if (rc)
		return rc;
	return call_json(ctl, "POST", "/admin/v1/accounts/%s/refunds", args->positional[0],
			 json_pack("{s:s, s:s*, s:s*, s:s*}", "request", args->positional[1], "amount", amount, "ref",
				   ctl_option(args, "ref"), "note", ctl_option(args, "note")),
			 view_posted, err);
}

static void view_credit_line(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column fields[] = {
		{"tenant", "tenant", VIEW_TEXT},
		{"credit_line", "credit line", VIEW_MONEY},
		{"balance", "balance", VIEW_MONEY},
		{NULL, NULL, VIEW_TEXT},
	};

	view_fields(out, json, fields, now_ms);
}

int ctl_run_account_credit_line(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	int rc = ctl_check_amount("AMOUNT", args->positional[1], false, err);

	if (rc)
		return rc;
	return call_json(ctl, "PUT", "/admin/v1/accounts/%s/credit-line", args->positional[0],
			 json_pack("{s:s}", "amount", args->positional[1]), view_credit_line, err);
}

/* ---- what was posted */

static void view_transfers(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"id", "ID", VIEW_TEXT},          {"time_ms", "TIME (UTC)", VIEW_WHEN}, {"kind", "KIND", VIEW_TEXT},
		{"change", "CHANGE", VIEW_MONEY}, {"request", "REQUEST", VIEW_TEXT},    {"ref", "REF", VIEW_TEXT},
		{"actor", "BY", VIEW_TEXT},       {"note", "NOTE", VIEW_TEXT},          {NULL, NULL, VIEW_TEXT},
	};
	json_t *rows = json_object_get(json, "transfers");

	if (!json_array_size(rows))
		buf_puts(out, "no transfers\n");
	else
		view_table(out, rows, columns, now_ms);
	call_put_next(out, json);
}

int ctl_run_account_transfers(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	struct api_request request;
	int rc;

	api_path(&request, "GET", "/admin/v1/accounts/%s/transfers", args->positional[0]);
	rc = call_page(args, &request, err);
	return rc ? rc : call_request(ctl, &request, view_transfers, err);
}

/* ---- usage */

/* tokens.{input,...} beside the other columns. */
static void lift_tokens(json_t *rows)
{
	static const char *const classes[] = {"input", "cached_input", "cache_write", "output"};
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) for (size_t k = 0; k < ARRAY_SIZE(classes); k++)
		json_object_set(row, classes[k], json_object_get(json_object_get(row, "tokens"), classes[k]));
}

static void view_usage(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"posted_ms", "POSTED (UTC)", VIEW_WHEN}, {"request", "REQUEST", VIEW_TEXT},
		{"tenant", "TENANT", VIEW_TEXT},          {"model", "MODEL", VIEW_TEXT},
		{"status", "STATUS", VIEW_TEXT},          {"source", "SOURCE", VIEW_TEXT},
		{"input", "INPUT", VIEW_NUMBER},          {"cached_input", "CACHED", VIEW_NUMBER},
		{"output", "OUTPUT", VIEW_NUMBER},        {"cost", "COST", VIEW_MONEY},
		{"price", "PRICE", VIEW_MONEY},           {NULL, NULL, VIEW_TEXT},
	};
	json_t *rows = json_object_get(json, "usage");

	lift_tokens(rows);
	if (!json_array_size(rows))
		buf_puts(out, "no calls\n");
	else
		view_table(out, rows, columns, now_ms);
	call_put_next(out, json);
}

int ctl_run_usage_list(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	struct api_request request;
	int rc;

	api_path(&request, "GET", "/admin/v1/usage", NULL);
	api_query(&request, "tenant", ctl_option(args, "tenant"));
	rc = call_page(args, &request, err);
	return rc ? rc : call_request(ctl, &request, view_usage, err);
}
