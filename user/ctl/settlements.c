/* bill settle, settlements, statement, invoice. */
#include "ctl/call.h"
#include "ctl/input.h"

#include <stdio.h>
#include <string.h>

#define INVOICE_MAX ((size_t)16 << 20)

/* ---- settling */

static const struct view_column settlement_columns[] = {
	{"period", "PERIOD", VIEW_TEXT},    {"settled_ms", "SETTLED (UTC)", VIEW_WHEN},
	{"calls", "CALLS", VIEW_NUMBER},    {"price", "CHARGES", VIEW_MONEY},
	{"refunds", "REFUNDS", VIEW_MONEY}, {"sla", "SLA CREDITS", VIEW_MONEY},
	{"cost", "COST", VIEW_MONEY},       {"currency", "CURRENCY", VIEW_TEXT},
	{"actor", "BY", VIEW_TEXT},         {NULL, NULL, VIEW_TEXT},
};

static void view_settlement(struct buf *out, json_t *json, int64_t now_ms)
{
	view_fields(out, json, settlement_columns, now_ms);
	buf_printf(out, "hash of its lines: %s\n", view_text_at(json, "hash"));
}

static void view_settlements(struct buf *out, json_t *json, int64_t now_ms)
{
	json_t *rows = json_object_get(json, "settlements");

	if (!json_array_size(rows))
		buf_puts(out, "no period is settled yet: tollctl bill settle --period YYYY-MM\n");
	else
		view_table(out, rows, settlement_columns, now_ms);
}

int ctl_run_bill_settle(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const char *period;
	int rc = ctl_required(args, "period", &period, err);

	if (rc)
		return rc;
	call_patiently(ctl);
	return call_json(ctl, "POST", "/admin/v1/bills/settlements", NULL, json_pack("{s:s}", "period", period),
			 view_settlement, err);
}

int ctl_run_bill_settlements(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	(void)args;
	return call_simple(ctl, "GET", "/admin/v1/bills/settlements", NULL, view_settlements, err);
}

/* ---- the document itself, as the gateway made it */

int ctl_run_bill_statement(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const char *period, *format = ctl_option(args, "format");
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	struct api_request request;
	int rc = ctl_required(args, "period", &period, err);

	if (rc)
		return rc;
	if (ctl->json && format && strcmp(format, "json") != 0) {
		err_set(err, ERR_INVAL, "--json and --format %s exclude each other", format);
		return CTL_USAGE;
	}
	call_patiently(ctl);
	api_path(&request, "GET", "/admin/v1/bills/settlements/%s", period);
	request.any_answer = true;
	api_query(&request, "tenant", args->n_positional ? args->positional[0] : NULL);
	api_query(&request, "format", ctl->json ? "json" : format ? format : "text");
	api_query(&request, "draft", ctl_option(args, "draft") ? "1" : NULL);
	rc = api_call(ctl, &request, &reply, err);
	if (rc < 0)
		return rc;
	return ctl->json ? output(ctl, reply.json, NULL, err) : output_text(&reply.text, err);
}

/* ---- invoices of providers */

static void view_invoice(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"kind", "DIFFERENCE", VIEW_TEXT}, {"expected", "OURS", VIEW_MONEY}, {"found", "INVOICE", VIEW_MONEY},
		{"text", "TEXT", VIEW_TEXT},       {NULL, NULL, VIEW_TEXT},
	};
	json_t *rows = json_object_get(json, "differences");
	json_int_t differing = json_integer_value(json_object_get(json, "differing"));

	if (json_array_size(rows)) {
		view_table(out, rows, columns, now_ms);
		buf_putc(out, '\n');
	}
	buf_printf(out, "invoice of %s for %s: %" JSON_INTEGER_FORMAT " lines, %" JSON_INTEGER_FORMAT " differences\n",
		   view_text_at(json, "provider"), view_text_at(json, "period"),
		   json_integer_value(json_object_get(json, "lines")), differing);
}

static void print_file_errors(const char *path, json_t *errors)
{
	json_t *e;
	size_t i;

	json_array_foreach(errors, i, e)
		fprintf(stderr, "%s:%" JSON_INTEGER_FORMAT ": %s\n", path,
			json_integer_value(json_object_get(e, "line")), view_text_at(e, "message"));
}

/* The request's method and body: an import with a file, a look at the stored one without. */
static int read_invoice(const struct ctl_args *args, struct api_request *request, struct buf *text, struct err *err)
{
	const char *path = args->n_positional > 1 ? args->positional[1] : NULL;
	int rc = 0;

	if (path)
		rc = input_read(path, INVOICE_MAX, text, err);
	if (rc < 0)
		return rc;
	api_path(request, path ? "PUT" : "GET", "/admin/v1/bills/invoices/%s", args->positional[0]);
	if (path) {
		request->content_type = "text/csv";
		request->body = text->data ? text->data : "";
		request->body_len = text->len;
	}
	return 0;
}

int ctl_run_bill_invoice(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const char *period, *tolerance = ctl_option(args, "tolerance");
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	_cleanup_(buf_done) struct buf text = BUF_INIT;
	struct api_request request;
	int rc = ctl_required(args, "period", &period, err);

	if (rc == 0)
		rc = ctl_check_amount("--tolerance", tolerance, false, err);
	if (rc == 0)
		rc = read_invoice(args, &request, &text, err);
	if (rc)
		return rc;
	call_patiently(ctl);
	api_query(&request, "period", period);
	api_query(&request, "tolerance", tolerance);
	rc = api_call(ctl, &request, &reply, err);
	if (rc == ERR_INVAL && args->n_positional > 1)
		print_file_errors(input_name(args->positional[1]), json_object_get(reply.json, "errors"));
	if (rc == 0)
		rc = output(ctl, reply.json, view_invoice, err);
	if (rc == 0 && json_integer_value(json_object_get(reply.json, "differing"))) {
		rc = err_set(err, ERR_CORRUPT, "the invoice and our records differ");
		if (ctl->json)
			err->msg[0] = '\0';
	}
	return rc;
}
