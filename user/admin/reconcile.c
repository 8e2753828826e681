/* Reconciliation, the discrepancies it leaves, and the invoices of providers that our records are compared with. */
#include "admin/bill_json.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"

#include <string.h>

static int record(struct store *s, void *arg, struct err *err)
{
	return books_record(s, arg, clock_wall_ms(), err);
}

void discrepancies_count(struct admin_call *c)
{
	uint64_t open;
	struct err err;

	if (store_discrepancy_count(c->books, &open, &err) == 0)
		c->a->discrepancies_open = open;
}

uint64_t admin_discrepancies_open(const struct admin *a)
{
	return a->discrepancies_open;
}

/* ---- reconciliation */

static int reconcile(struct admin_call *c, bool full, struct books_report *report, struct err *err)
{
	int64_t last = 0;
	int rc;

	if (!full && !c->a->reconciled_upto)
		c->a->reconciled_upto = position_load(c);
	rc = books_reconcile(c->books, full, c->a->reconciled_upto, clock_wall_ms(), report, &last, err);
	if (rc == 0 && report->n_first)
		rc = ledger_run(c->a->o.ledger, record, report, err);
	if (rc == 0) {
		if (last != c->a->reconciled_upto)
			position_save(c, last);
		c->a->reconciled_upto = last;
		discrepancies_count(c);
	}
	return rc;
}

void handle_bill_reconcile(struct admin_call *c)
{
	_cleanup_(account_names_done) struct account_names names = {0};
	struct books_report *report = calloc(1, sizeof(*report));
	char full[8] = "0";
	struct err err;
	json_t *o;

	query_get(c, "full", full, sizeof(full));
	if (!report) {
		reply_error(c, 503, "no_memory", "out of memory");
	} else if (reconcile(c, !strcmp(full, "1"), report, &err) < 0 ||
		   account_names_load(c->books, &names, &err) < 0) {
		reply_err(c, &err);
	} else {
		o = report_json(report, &names);
		json_object_set_new(o, "open", json_integer((json_int_t)c->a->discrepancies_open));
		reply_json(c, 200, o);
	}
	free(report);
}

static void reconcile_silently(struct admin_call *c)
{
	struct books_report *report = calloc(1, sizeof(*report));
	struct err err;

	if (!report)
		log_warn(NULL, "reconciliation: out of memory");
	else if (reconcile(c, false, report, &err) < 0)
		log_error(NULL, "reconciliation: %s", err.msg);
	else if (report->differences)
		log_error(NULL,
			  "reconciliation found %llu differences in %llu records (tollctl bill discrepancies); the "
			  "first: %s",
			  (unsigned long long)report->differences, (unsigned long long)report->records_checked,
			  report->n_first ? report->first[0].text : "-");
	else
		log_info(NULL, "reconciliation: %llu records agree, %lld ms",
			 (unsigned long long)report->records_checked, (long long)report->took_ms);
	free(report);
	c->a->reconciling = false;
}

void admin_reconcile(struct admin *a)
{
	struct err err;

	if (!a->o.ledger || atomic_exchange(&a->reconciling, true))
		return;
	if (job_start_silent(a, JOB_LONG, reconcile_silently, &err) < 0) {
		a->reconciling = false;
		log_warn(NULL, "reconciliation: %s", err.msg);
	}
}

/* ---- discrepancies */

struct discrepancies {
	json_t *list;
	int64_t last_id;
};

static int add_discrepancy(const struct store_discrepancy *d, void *arg)
{
	struct discrepancies *l = arg;

	l->last_id = d->id;
	return json_array_append_new(
		       l->list, json_pack("{s:I,s:I,s:I,s:s,s:s,s:o,s:o,s:s,s:s}", "id", (json_int_t)d->id, "found_ms",
					  (json_int_t)d->found_ms, "closed_ms", (json_int_t)d->closed_ms, "kind",
					  d->kind, "subject", d->subject, "expected", money_json(d->expected_nano),
					  "found", money_json(d->found_nano), "text", d->text, "note", d->note)) < 0
		       ? ERR_NOMEM
		       : 0;
}

void handle_discrepancies_list(struct admin_call *c)
{
	struct discrepancies l = {0};
	char all[8] = "0";
	struct page page;
	struct err err = {.code = ERR_NOMEM, .msg = "out of memory"};

	if (!query_page(c, &page))
		return;
	query_get(c, "all", all, sizeof(all));
	l.list = json_array();
	if (store_discrepancy_page(c->books, strcmp(all, "1") != 0, page.before, page.limit, add_discrepancy, &l,
				   &err) < 0) {
		json_decref(l.list);
		reply_err(c, &err);
		return;
	}
	reply_page(c, "discrepancies", l.list, &page, l.last_id);
}

struct closing {
	const char *actor, *note;
	int64_t id, now_ms;
};

static int close_it(struct store *s, void *arg, struct err *err)
{
	const struct closing *d = arg;

	return store_discrepancy_close(s, d->actor, d->id, d->note, d->now_ms, err);
}

void handle_discrepancy_close(struct admin_call *c)
{
	struct closing d = {.actor = c->actor, .now_ms = clock_wall_ms()};
	json_t *o = body_object(c);
	uint64_t id;
	struct err err;

	if (!o)
		return;
	d.note = body_string(c, o, "note", sizeof(((struct store_discrepancy *)NULL)->note) - 1, true);
	if (d.note && (num_parse_u64(c->part, strlen(c->part), &id) < 0 || !id || id > INT64_MAX)) {
		reply_error(c, 404, "not_found", "no such discrepancy");
	} else if (d.note) {
		d.id = (int64_t)id;
		if (ledger_run(c->a->o.ledger, close_it, &d, &err) < 0) {
			reply_err(c, &err);
		} else {
			discrepancies_count(c);
			reply_json(c, 200,
				   json_pack("{s:I,s:I,s:s}", "id", (json_int_t)d.id, "closed_ms", (json_int_t)d.now_ms,
					     "note", d.note));
		}
	}
	json_decref(o);
}
