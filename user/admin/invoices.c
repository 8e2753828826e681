/* Invoices of providers, compared with our own records of the calls they are for. */
#include "admin/bill_json.h"

#include "base/clock.h"

#include <string.h>

#define TOLERANCE_NANO (MONEY_NANO / 100) /* providers round each line to cents */
#define INVOICE_ERRORS_SHOWN 50u

struct invoice {
	const char *actor, *provider;
	char period[16];
	int64_t tolerance_nano;
	struct store_invoice_line *lines;
	size_t n;
	struct books_report *report;
};

static void invoice_done(struct invoice *v)
{
	free(v->lines);
	free(v->report);
}

/* period= and tolerance= of the query. false: answered. */
static bool take_query(struct admin_call *c, struct invoice *v)
{
	int64_t from_ms, to_ms;
	char text[32];
	struct err err;

	v->actor = c->actor;
	v->provider = c->part;
	v->tolerance_nano = TOLERANCE_NANO;
	v->report = calloc(1, sizeof(*v->report));
	if (!v->report) {
		reply_error(c, 503, "no_memory", "out of memory");
		return false;
	}
	if (!query_get(c, "period", v->period, sizeof(v->period))) {
		reply_error(c, 400, "invalid", "of which period? give period=2026-11");
		return false;
	}
	if (books_period_parse(v->period, &from_ms, &to_ms, &err) < 0) {
		reply_err(c, &err);
		return false;
	}
	if (query_get(c, "tolerance", text, sizeof(text)) &&
	    (money_parse(text, strlen(text), &v->tolerance_nano, &err) < 0 || v->tolerance_nano < 0)) {
		reply_error(c, 400, "invalid", "tolerance must be an amount such as 0.01");
		return false;
	}
	return true;
}

/* 400 with all errors of the file. */
static void reply_invoice_errors(struct admin_call *c, const struct books_invoice_error *errors, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:i,s:s}", "line", (int)errors[i].line, "message", errors[i].msg));
	reply_json(c, 400,
		   json_pack("{s:{s:s,s:s},s:o}", "error", "code", "invalid", "message",
			     "the invoice has errors; nothing was imported", "errors", list));
}

/* false: answered. */
static bool parse(struct admin_call *c, struct invoice *v)
{
	struct books_invoice_error errors[INVOICE_ERRORS_SHOWN];
	size_t n_errors = ARRAY_SIZE(errors);
	struct err err;
	int rc = books_invoice_parse(c->body, c->body_len, &v->lines, &v->n, errors, &n_errors, &err);

	if (rc == ERR_INVAL && n_errors) {
		reply_invoice_errors(c, errors, n_errors);
		return false;
	}
	if (rc < 0) {
		reply_err(c, &err);
		return false;
	}
	return true;
}

static int import(struct store *s, void *arg, struct err *err)
{
	const struct invoice *v = arg;

	return store_invoice_put(s, v->actor, v->provider, v->period, v->lines, v->n, err);
}

static int record(struct store *s, void *arg, struct err *err)
{
	return books_record(s, ((const struct invoice *)arg)->report, clock_wall_ms(), err);
}

static int add_line(const struct store_invoice_line *l, void *arg)
{
	json_t *o = json_pack("{s:s,s:o}", "model", l->model, "amount", money_json(l->amount_nano));
	const struct {
		const char *name;
		uint64_t v;
	} counts[] = {{"calls", l->calls},
		      {"input_tokens", l->input_tokens},
		      {"cached_input_tokens", l->cached_input_tokens},
		      {"output_tokens", l->output_tokens}};

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		json_object_set_new(o, counts[i].name,
				    counts[i].v == UINT64_MAX ? json_null() : json_integer((json_int_t)counts[i].v));
	return json_array_append_new(arg, o) < 0 ? ERR_NOMEM : 0;
}

/* The stored invoice and where it differs; also stored as discrepancies when `store` is set. */
static int compare(struct admin_call *c, struct invoice *v, bool store, json_t **ret, struct err *err)
{
	_cleanup_(account_names_done) struct account_names names = {0};
	json_t *lines = json_array(), *o;
	size_t n;
	int rc;

	err->code = ERR_NOMEM;
	rc = store_invoice_each(c->books, v->provider, v->period, add_line, lines, err);
	if (rc == 0 && !json_array_size(lines))
		rc = err_set(err, ERR_NOT_FOUND, "there is no invoice of '%s' for %s", v->provider, v->period);
	if (rc == 0)
		rc = books_invoice_compare(c->books, v->provider, v->period, v->tolerance_nano, v->report, err);
	if (rc == 0 && store && v->report->n_first)
		rc = ledger_run(c->a->o.ledger, record, v, err);
	if (rc == 0 && store)
		discrepancies_count(c);
	if (rc == 0)
		rc = account_names_load(c->books, &names, err);
	if (rc < 0) {
		json_decref(lines);
		return rc;
	}
	n = json_array_size(lines);
	o = report_json(v->report, &names);
	*ret = json_pack("{s:s,s:s,s:I,s:o,s:I,s:O}", "provider", v->provider, "period", v->period, "lines",
			 (json_int_t)n, "invoice", lines, "differing", (json_int_t)v->report->differences,
			 "differences", json_object_get(o, "first"));
	json_decref(o);
	return 0;
}

void handle_invoice_put(struct admin_call *c)
{
	_cleanup_(invoice_done) struct invoice v = {0};
	struct err err;
	json_t *o;

	if (!take_query(c, &v) || !parse(c, &v))
		return;
	if (ledger_run(c->a->o.ledger, import, &v, &err) < 0 || compare(c, &v, true, &o, &err) < 0)
		reply_err(c, &err);
	else
		reply_json(c, 200, o);
}

void handle_invoice_show(struct admin_call *c)
{
	_cleanup_(invoice_done) struct invoice v = {0};
	struct err err;
	json_t *o;

	if (!take_query(c, &v))
		return;
	if (compare(c, &v, false, &o, &err) < 0)
		reply_err(c, &err);
	else
		reply_json(c, 200, o);
}
