/* Do usage records and their transfers agree? Both tables are read once, side by side, in the order of their ids. */
#include "store/internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct record {
	int64_t id, account_id, hold_nano, cost_nano, price_nano, first_transfer, posted_ms;
	struct request_id request_id;
};

struct entry {
	int64_t id, debit, amount_nano, usage_id, time_ms;
	enum transfer_kind kind;
};

struct check {
	store_difference_cb cb;
	void *arg;
	struct query records, entries;
	struct entry next; /* the transfer that is not consumed yet; id 0 = none left */
	struct record before;
	int64_t entry_before, entry_before_ms;
	bool from_start; /* the first ids have to be 1 */
	uint64_t checked;
};

static int report(struct check *c, const char *kind, const struct record *r, int64_t transfer_id, int64_t expected,
		  int64_t found, const char *fmt, ...) PRINTF_LIKE(7, 8);

static int report(struct check *c, const char *kind, const struct record *r, int64_t transfer_id, int64_t expected,
		  int64_t found, const char *fmt, ...)
{
	struct store_difference d = {.kind = kind,
				     .usage_id = r->id,
				     .transfer_id = transfer_id,
				     .account_id = r->account_id,
				     .request_id = r->request_id,
				     .expected_nano = expected,
				     .found_nano = found};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d.text, sizeof(d.text), fmt, ap);
	va_end(ap);
	return c->cb(&d, c->arg);
}

/* ---- transfers, one ahead */

static int next_entry(struct check *c)
{
	sqlite3_stmt *row = c->entries.stmt;
	int rc = query_row(&c->entries);

	c->next = (struct entry){0};
	if (rc <= 0)
		return rc;
	c->next = (struct entry){
		.id = sqlite3_column_int64(row, 0),
		.kind = (enum transfer_kind)sqlite3_column_int(row, 1),
		.debit = sqlite3_column_int64(row, 2),
		.amount_nano = sqlite3_column_int64(row, 3),
		.usage_id = sqlite3_column_int64(row, 4),
		.time_ms = sqlite3_column_int64(row, 5),
	};
	return 0;
}

/* B3, B6: ids without a gap, times that don't run back. */
static int check_entry_place(struct check *c)
{
	const struct entry *e = &c->next;
	const struct record none = {.id = e->usage_id};
	int rc = 0;

	if ((c->entry_before || c->from_start) && e->id != c->entry_before + 1)
		rc = report(c, "transfer_missing", &none, c->entry_before + 1, 0, 0,
			    "transfers %" PRId64 " to %" PRId64 " are missing", c->entry_before + 1, e->id - 1);
	if (rc == 0 && e->time_ms < c->entry_before_ms)
		rc = report(c, "time_runs_back", &none, e->id, c->entry_before_ms, e->time_ms,
			    "transfer %" PRId64 " is dated before the one ahead of it", e->id);
	c->entry_before = e->id;
	c->entry_before_ms = e->time_ms;
	return rc;
}

/* Transfers ahead of `first`: none of them may be a call's, for they'd belong to a record that isn't there. */
static int skip_entries(struct check *c, int64_t first)
{
	int rc = 0;

	while (rc == 0 && c->next.id && c->next.id < first) {
		const struct record none = {.id = c->next.usage_id};

		rc = check_entry_place(c);
		if (rc == 0 && transfer_of_call(c->next.kind))
			rc = report(c, "transfer_without_usage", &none, c->next.id, 0, c->next.amount_nano,
				    "transfer %" PRId64 " doesn't follow the record it names, %" PRId64, c->next.id,
				    c->next.usage_id);
		if (rc == 0)
			rc = next_entry(c);
	}
	return rc;
}

struct amounts {
	int64_t charge, overage, cost;
	int64_t foreign; /* the id of a transfer that takes from another account */
	bool overflow;
};

static int take_entries(struct check *c, const struct record *r, struct amounts *a)
{
	int rc = 0;

	while (rc == 0 && c->next.id && c->next.usage_id == r->id && transfer_of_call(c->next.kind)) {
		const struct entry *e = &c->next;
		int64_t *sum = e->kind == TRANSFER_CHARGE    ? &a->charge
			       : e->kind == TRANSFER_OVERAGE ? &a->overage
							     : &a->cost;

		a->overflow |= __builtin_add_overflow(*sum, e->amount_nano, sum);
		if (e->kind != TRANSFER_COST && e->debit != r->account_id)
			a->foreign = e->id;
		rc = check_entry_place(c);
		if (rc == 0)
			rc = next_entry(c);
	}
	return rc;
}

/* ---- one record */

static int check_record_place(struct check *c, const struct record *r)
{
	const struct record *b = &c->before;
	int rc = 0;

	if ((b->id || c->from_start) && r->id != b->id + 1)
		rc = report(c, "usage_missing", &(struct record){.id = b->id + 1}, 0, 0, 0,
			    "usage records %" PRId64 " to %" PRId64 " are missing", b->id + 1, r->id - 1);
	if (rc == 0 && b->id && r->posted_ms < b->posted_ms)
		rc = report(c, "time_runs_back", r, 0, b->posted_ms, r->posted_ms,
			    "record %" PRId64 " is dated before the one ahead of it", r->id);
	return rc;
}

static int check_amounts(struct check *c, const struct record *r, const struct amounts *a)
{
	int64_t overage = r->price_nano > r->hold_nano ? r->price_nano - r->hold_nano : 0;
	int64_t charged;
	int rc = 0;

	if (a->overflow || __builtin_add_overflow(a->charge, a->overage, &charged))
		return report(c, "charge_differs", r, 0, r->price_nano, INT64_MAX, "its transfers exceed 64 bits");
	if (r->price_nano && !charged)
		rc = report(c, "usage_without_charge", r, 0, r->price_nano, 0, "priced, but never charged");
	else if (charged != r->price_nano)
		rc = report(c, "charge_differs", r, 0, r->price_nano, charged,
			    "charge and overage are not the record's price");
	else if (a->overage != overage)
		rc = report(c, "overage_differs", r, 0, overage, a->overage,
			    "the overage is not what the price is above the hold");
	if (rc == 0 && a->cost != r->cost_nano)
		rc = report(c, "cost_differs", r, 0, r->cost_nano, a->cost, "what is owed is not the record's cost");
	if (rc == 0 && a->foreign)
		rc = report(c, "charge_of_other_account", r, a->foreign, r->account_id, 0,
			    "transfer %" PRId64 " takes from another account than the record's", a->foreign);
	return rc;
}

static void read_record(struct query *q, struct record *r)
{
	r->id = sqlite3_column_int64(q->stmt, 0);
	read_request_id(q, 1, &r->request_id);
	r->account_id = sqlite3_column_int64(q->stmt, 2);
	r->hold_nano = sqlite3_column_int64(q->stmt, 3);
	r->cost_nano = sqlite3_column_int64(q->stmt, 4);
	r->price_nano = sqlite3_column_int64(q->stmt, 5);
	r->first_transfer = sqlite3_column_int64(q->stmt, 6);
	r->posted_ms = sqlite3_column_int64(q->stmt, 7);
}

static int check_records(struct check *c)
{
	int rc = next_entry(c);

	while (rc == 0) {
		struct record r = {0};
		struct amounts a = {0};

		rc = query_row(&c->records);
		if (rc <= 0)
			break;
		read_record(&c->records, &r);
		rc = check_record_place(c, &r);
		if (rc == 0)
			rc = skip_entries(c, r.first_transfer);
		if (rc == 0)
			rc = take_entries(c, &r, &a);
		if (rc == 0)
			rc = check_amounts(c, &r, &a);
		c->before = r;
		c->checked++;
	}
	return rc ? rc : skip_entries(c, INT64_MAX);
}

/* ---- refunds */

static int check_refunds(struct check *c, struct store *s, int64_t from_id, int64_t to_id, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_CHECK_REFUNDS, err);
	int rc;

	query_int(&q, from_id);
	query_int(&q, to_id);
	while ((rc = query_row(&q)) > 0) {
		int64_t refunds = sqlite3_column_int64(q.stmt, 1);
		struct record r = {.id = sqlite3_column_int64(q.stmt, 0),
				   .account_id = sqlite3_column_int64(q.stmt, 2),
				   .price_nano = sqlite3_column_int64(q.stmt, 3)};

		read_request_id(&q, 4, &r.request_id);
		if (sqlite3_column_type(q.stmt, 3) == SQLITE_NULL)
			rc = report(c, "transfer_without_usage", &r, 0, 0, refunds,
				    "a refund of a record that isn't there");
		else
			rc = report(c, "refund_above_price", &r, 0, r.price_nano, refunds,
				    "more was refunded than the call's price");
		if (rc)
			return rc;
	}
	return rc;
}

int store_check_usage(struct store *s, int64_t from_id, int64_t to_id, store_difference_cb cb, void *arg,
		      uint64_t *ret_checked, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	struct check c = {.cb = cb, .arg = arg, .from_start = from_id <= 1};
	int rc;

	if (!to_id)
		to_id = INT64_MAX;
	rc = txn_begin_read(&txn, s, err); /* all of it of one moment */
	if (rc < 0)
		return rc;
	c.records = query_begin(s, STORE_SQL_CHECK_RECORDS, err);
	query_int(&c.records, from_id);
	query_int(&c.records, to_id);
	c.entries = query_begin(s, STORE_SQL_CHECK_ENTRIES, err);
	query_int(&c.entries, from_id);
	query_int(&c.entries, to_id);
	rc = check_records(&c);
	query_done(&c.records);
	query_done(&c.entries);
	if (rc == 0)
		rc = check_refunds(&c, s, from_id, to_id, err);
	if (rc == 0)
		*ret_checked = c.checked;
	return rc;
}
