/* bill explain, holds, recoveries, reconcile, discrepancies, close. */
#include "ctl/call.h"
#include "ctl/steps.h"

#include <string.h>

/* ---- explain */

static void put_call(struct buf *out, json_t *record, json_t *rule, int64_t now_ms)
{
	static const struct view_column fields[] = {
		{"request", "request", VIEW_TEXT},
		{"who", "tenant", VIEW_TEXT},
		{"key", "key", VIEW_TEXT},
		{"what", "model", VIEW_TEXT},
		{"by", "price rule", VIEW_TEXT},
		{"admitted_ms", "admitted", VIEW_WHEN},
		{"posted_ms", "posted", VIEW_WHEN},
		{"status", "HTTP status", VIEW_TEXT},
		{"source", "usage", VIEW_TEXT},
		{"notes", "notes", VIEW_TEXT},
		{NULL, NULL, VIEW_TEXT},
	};
	json_t *flags = json_object_get(record, "flags"), *flag;
	_cleanup_(buf_done) struct buf notes = BUF_INIT;
	size_t i;

	json_array_foreach(flags, i, flag)
		buf_printf(&notes, "%s%s", i ? ", " : "", json_string_value(flag) ? json_string_value(flag) : "");
	if (notes.len)
		json_object_set_new(record, "notes", json_string(notes.data));
	if (json_is_object(rule)) {
		json_object_set_new(record, "who",
				    json_sprintf("%s (tier %s at the time)", view_text_at(record, "tenant"),
						 view_text_at(rule, "tier")));
		json_object_set_new(record, "what",
				    json_sprintf("%s by %s/%s", view_text_at(rule, "model"),
						 view_text_at(rule, "provider"), view_text_at(rule, "upstream_model")));
		json_object_set_new(record, "by",
				    json_sprintf("%" JSON_INTEGER_FORMAT " (policy version %" JSON_INTEGER_FORMAT ")",
						 json_integer_value(json_object_get(rule, "id")),
						 json_integer_value(json_object_get(rule, "book"))));
	} else {
		json_object_set(record, "who", json_object_get(record, "tenant"));
		json_object_set_new(record, "what", json_string("no deployment was reached"));
	}
	view_fields(out, record, fields, now_ms);
}

static void put_transfers(struct buf *out, json_t *rows, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"kind", "TRANSFER", VIEW_TEXT},
		{"from", "FROM", VIEW_TEXT},
		{"to", "TO", VIEW_TEXT},
		{"amount", "AMOUNT", VIEW_MONEY},
		{"time_ms", "POSTED (UTC)", VIEW_WHEN},
		{"note", "NOTE", VIEW_TEXT},
		{NULL, NULL, VIEW_TEXT},
	};

	if (!json_array_size(rows))
		buf_puts(out, "no transfers: nothing was charged\n");
	else
		view_table(out, rows, columns, now_ms);
}

static void put_verdict(struct buf *out, json_t *json)
{
	const char *why = view_text_at(json, "why");

	if (json_is_true(json_object_get(json, "matches")))
		buf_printf(out, "recomputed: %s\n", *why ? why : "equals the stored price");
	else
		buf_printf(out, "recomputed: DIFFERS: %s\n", why);
}

static void view_explanation(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column amounts[] = {
		{"hold", "HELD", VIEW_MONEY},
		{"cost", "STORED COST", VIEW_MONEY},
		{"price", "STORED PRICE", VIEW_MONEY},
		{NULL, NULL, VIEW_TEXT},
	};
	json_t *record = json_object_get(json, "record"), *rule = json_object_get(json, "rule"), *one;

	put_call(out, record, rule, now_ms);
	buf_putc(out, '\n');
	if (json_is_object(json_object_get(json, "steps"))) {
		steps_put(out, rule, json_object_get(json, "steps"), now_ms);
		buf_putc(out, '\n');
	}
	one = json_pack("[O]", record);
	view_table(out, one, amounts, now_ms);
	json_decref(one);
	buf_putc(out, '\n');
	put_transfers(out, json_object_get(json, "transfers"), now_ms);
	buf_putc(out, '\n');
	put_verdict(out, json);
}

/* The output says it; what is left is to fail. */
static int fail_silently(const struct ctl *ctl, int code, struct err *err, const char *message)
{
	err_set(err, code, "%s", message);
	if (ctl->json)
		err->msg[0] = '\0';
	return code;
}

int ctl_run_bill_explain(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	struct api_request request;
	int rc;

	api_path(&request, "GET", "/admin/v1/bills/explain", NULL);
	api_query(&request, "request", args->positional[0]);
	rc = api_call(ctl, &request, &reply, err);
	if (rc == 0)
		rc = output(ctl, reply.json, view_explanation, err);
	if (rc == 0 && !json_is_true(json_object_get(reply.json, "matches")))
		rc = fail_silently(ctl, ERR_CORRUPT, err, "the charge doesn't follow from its rule and tokens");
	return rc;
}

/* ---- holds, recoveries */

static void view_holds(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"request", "REQUEST", VIEW_TEXT},
		{"tenant", "TENANT", VIEW_TEXT},
		{"key", "KEY", VIEW_TEXT},
		{"amount", "HELD", VIEW_MONEY},
		{"admitted_ms", "SINCE (UTC)", VIEW_WHEN},
		{"expires_ms", "ENDS", VIEW_EXPIRES},
		{"forwarded", "FORWARDED", VIEW_MARK},
		{"stream", "STREAM", VIEW_MARK},
		{"delivered_tokens", "DELIVERED", VIEW_NUMBER},
		{"reported", "REPORTED", VIEW_MARK},
		{NULL, NULL, VIEW_TEXT},
	};
	json_t *rows = json_object_get(json, "holds");
	json_int_t open = json_integer_value(json_object_get(json, "open"));

	if (!json_array_size(rows)) {
		buf_puts(out, "no holds: no call is under way\n");
		return;
	}
	view_table(out, rows, columns, now_ms);
	if (open > (json_int_t)json_array_size(rows))
		buf_printf(out, "the oldest %zu of %" JSON_INTEGER_FORMAT "\n", json_array_size(rows), open);
}

int ctl_run_bill_holds(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	(void)args;
	return call_simple(ctl, "GET", "/admin/v1/bills/holds", NULL, view_holds, err);
}

static void view_recoveries(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"id", "ID", VIEW_TEXT},           {"time_ms", "TIME (UTC)", VIEW_WHEN},
		{"request", "REQUEST", VIEW_TEXT}, {"tenant", "TENANT", VIEW_TEXT},
		{"rule", "RULE", VIEW_TEXT},       {"hold", "HELD", VIEW_MONEY},
		{"price", "CHARGED", VIEW_MONEY},  {"text", "WHY", VIEW_TEXT},
		{NULL, NULL, VIEW_TEXT},
	};
	json_t *rows = json_object_get(json, "recoveries");

	if (!json_array_size(rows))
		buf_puts(out, "nothing had to be recovered\n");
	else
		view_table(out, rows, columns, now_ms);
	call_put_next(out, json);
}

int ctl_run_bill_recoveries(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	struct api_request request;
	int rc;

	api_path(&request, "GET", "/admin/v1/bills/recoveries", NULL);
	rc = call_page(args, &request, err);
	return rc ? rc : call_request(ctl, &request, view_recoveries, err);
}

/* ---- reconciliation */

static void view_report(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"kind", "DIFFERENCE", VIEW_TEXT}, {"request", "REQUEST", VIEW_TEXT},
		{"account", "ACCOUNT", VIEW_TEXT}, {"expected", "EXPECTED", VIEW_MONEY},
		{"found", "FOUND", VIEW_MONEY},    {"text", "TEXT", VIEW_TEXT},
		{NULL, NULL, VIEW_TEXT},
	};
	json_t *rows = json_object_get(json, "first");
	json_int_t differences = json_integer_value(json_object_get(json, "differences"));

	if (json_array_size(rows))
		view_table(out, rows, columns, now_ms);
	if (differences > (json_int_t)json_array_size(rows))
		buf_printf(out, "... and %" JSON_INTEGER_FORMAT " more\n",
			   differences - (json_int_t)json_array_size(rows));
	buf_puts(out, json_array_size(rows) ? "\n" : "");
	view_value(out, json_object_get(json, "records_checked"), VIEW_NUMBER, now_ms);
	buf_puts(out, json_integer_value(json_object_get(json, "records_checked")) == 1 ? " record checked in "
											: " records checked in ");
	view_value(out, json_object_get(json, "took_ms"), VIEW_WAIT_MS, now_ms);
	buf_printf(out, ": differences: %" JSON_INTEGER_FORMAT "; open discrepancies: %" JSON_INTEGER_FORMAT "\n",
		   differences, json_integer_value(json_object_get(json, "open")));
}

int ctl_run_bill_reconcile(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	struct api_request request;
	int rc;

	call_patiently(ctl);
	api_path(&request, "POST", "/admin/v1/bills/reconcile", NULL);
	api_query(&request, "full", ctl_option(args, "full") ? "1" : NULL);
	rc = api_call(ctl, &request, &reply, err);
	if (rc == 0)
		rc = output(ctl, reply.json, view_report, err);
	if (rc == 0 && json_integer_value(json_object_get(reply.json, "differences")))
		rc = fail_silently(ctl, ERR_CORRUPT, err, "the books don't agree");
	return rc;
}

static void view_discrepancies(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"id", "ID", VIEW_TEXT},
		{"found_ms", "FOUND (UTC)", VIEW_WHEN},
		{"kind", "KIND", VIEW_TEXT},
		{"subject", "SUBJECT", VIEW_TEXT},
		{"expected", "EXPECTED", VIEW_MONEY},
		{"found", "FOUND", VIEW_MONEY},
		{"closed_ms", "CLOSED (UTC)", VIEW_WHEN},
		{"text", "TEXT", VIEW_TEXT},
		{"note", "NOTE", VIEW_TEXT},
		{NULL, NULL, VIEW_TEXT},
	};
	json_t *rows = json_object_get(json, "discrepancies");

	if (!json_array_size(rows))
		buf_puts(out, "no discrepancies\n");
	else
		view_table(out, rows, columns, now_ms);
	call_put_next(out, json);
}

int ctl_run_bill_discrepancies(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	struct api_request request;
	int rc;

	api_path(&request, "GET", "/admin/v1/bills/discrepancies", NULL);
	api_query(&request, "all", ctl_option(args, "all") ? "1" : NULL);
	rc = call_page(args, &request, err);
	return rc ? rc : call_request(ctl, &request, view_discrepancies, err);
}

int ctl_run_bill_close(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const char *note;
	int rc = ctl_required(args, "note", &note, err);

	if (rc)
		return rc;
	return call_json(ctl, "POST", "/admin/v1/bills/discrepancies/%s/close", args->positional[0],
			 json_pack("{s:s}", "note", note), call_view_done, err);
}
