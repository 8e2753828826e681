/* Do the sums that roll-up made agree with the rows they were made from? Made again beside them, by the same
 * statements, a run of ids at a time; hours that are complete are compared and forgotten, so that memory holds about
 * one hour's. */
#include "store/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CHUNK 65536

struct check {
	struct store *s;
	store_difference_cb cb;
	void *arg;
	struct err *err;
};

/* The two tables of sums. */
struct sums {
	const char *kind, *kind_extra; /* words for differences */
	const char *what;
	enum store_statement merge, last_hour, compare, forget, count_stored;
};
static const struct sums of_usage = {
	.kind = "usage_sum_differs",
	.kind_extra = "usage_sum_without_usage",
	.what = "rule",
	.merge = STORE_SQL_CHECK_USAGE_MERGE,
	.last_hour = STORE_SQL_CHECK_USAGE_HOUR,
	.compare = STORE_SQL_CHECK_USAGE_COMPARE,
	.forget = STORE_SQL_CHECK_USAGE_FORGET,
	.count_stored = STORE_SQL_CHECK_USAGE_COUNT,
};
static const struct sums of_transfers = {
	.kind = "transfer_sum_differs",
	.kind_extra = "transfer_sum_without_transfer",
	.what = "kind",
	.merge = STORE_SQL_CHECK_TRANSFER_MERGE,
	.last_hour = STORE_SQL_CHECK_TRANSFER_HOUR,
	.compare = STORE_SQL_CHECK_TRANSFER_COMPARE,
	.forget = STORE_SQL_CHECK_TRANSFER_FORGET,
	.count_stored = STORE_SQL_CHECK_TRANSFER_COUNT,
};

static int one_number(struct check *c, enum store_statement which, int64_t arg, bool has_arg, int64_t *ret)
{
	_cleanup_(query_done) struct query q = query_begin(c->s, which, c->err);
	int rc;

	if (has_arg)
		query_int(&q, arg);
	rc = query_row(&q);
	if (rc <= 0)
		return rc < 0 ? rc : err_set(c->err, ERR_IO, "database: no row where one always is");
	*ret = sqlite3_column_int64(q.stmt, 0);
	return 0;
}

/* Hours before `before` are complete: compare, then forget them. */
static int compare(struct check *c, const struct sums *t, int64_t before, int64_t *compared)
{
	_cleanup_(query_done) struct query q = query_begin(c->s, t->compare, c->err);
	_cleanup_(query_done) struct query forget = query_begin(c->s, t->forget, c->err);
	int rc;

	query_int(&q, before);
	while ((rc = query_row(&q)) > 0) {
		struct store_difference d = {.kind = t->kind,
					     .account_id = sqlite3_column_int64(q.stmt, 0),
					     .expected_nano = sqlite3_column_int64(q.stmt, 3),
					     .found_nano = sqlite3_column_int64(q.stmt, 4)};

		snprintf(d.text, sizeof(d.text),
			 "account %" PRId64 ", hour %lld, %s %lld: the sum is not that of its rows", d.account_id,
			 (long long)sqlite3_column_int64(q.stmt, 1), t->what,
			 (long long)sqlite3_column_int64(q.stmt, 2));
		rc = c->cb(&d, c->arg);
		if (rc)
			return rc;
	}
	if (rc < 0)
		return rc;
	query_done(&q);
	query_int(&forget, before);
	rc = query_run(&forget);
	if (rc == 0)
		*compared += query_changes(&forget);
	return rc;
}

static int check_extra(struct check *c, const struct sums *t, int64_t compared)
{
	struct store_difference d = {.kind = t->kind_extra};
	int64_t stored;
	int rc = one_number(c, t->count_stored, 0, false, &stored);

	/* Fewer than compared: a missing one differed above. */
	if (rc < 0 || stored <= compared)
		return rc;
	snprintf(d.text, sizeof(d.text), "%" PRId64 " sums have no rows they could be made from", stored - compared);
	return c->cb(&d, c->arg);
}

static int check_table(struct check *c, const struct sums *t, int64_t last)
{
	int64_t compared = 0;
	int rc = 0;

	for (int64_t at = 0; rc == 0 && at < last; at += CHUNK) {
		int64_t upto = at + CHUNK < last ? at + CHUNK : last, hour;

		rc = sums_run(c->s, t->merge, at, upto, c->err);
		if (rc == 0)
			rc = one_number(c, t->last_hour, upto, true, &hour); /* later ids may still add to it */
		if (rc == 0)
			rc = compare(c, t, upto == last ? INT64_MAX : hour, &compared);
	}
	return rc ? rc : check_extra(c, t, compared);
}

static int check_balances(struct check *c)
{
	_cleanup_(query_done) struct query q = query_begin(c->s, STORE_SQL_CHECK_BALANCES, c->err);
	int rc;

	while ((rc = query_row(&q)) > 0) {
		struct store_difference d = {.kind = "balance_differs",
					     .account_id = sqlite3_column_int64(q.stmt, 0),
					     .expected_nano = sqlite3_column_int64(q.stmt, 1),
					     .found_nano = sqlite3_column_int64(q.stmt, 2)};

		snprintf(d.text, sizeof(d.text), "account %" PRId64 "%s: its balance is not the sum of its transfers",
			 d.account_id, sqlite3_column_int(q.stmt, 3) ? "" : " (which isn't there)");
		rc = c->cb(&d, c->arg);
		if (rc)
			return rc;
	}
	return rc;
}

static int check_total(struct check *c)
{
	struct store_difference d = {.kind = "total_not_zero"};
	int rc = one_number(c, STORE_SQL_CHECK_TOTAL, 0, false, &d.found_nano);

	if (rc < 0 || !d.found_nano)
		return rc;
	snprintf(d.text, sizeof(d.text), "the balances of all accounts don't add up to zero");
	return c->cb(&d, c->arg);
}

static int make_copies(struct check *c)
{
	int rc = store_exec(c->s, SQL_CHECK_TABLES, c->err);

	return rc < 0 ? rc : store_exec(c->s, "DELETE FROM temp.usage_copy; DELETE FROM temp.transfer_copy", c->err);
}

/* Rows cut off the end leave no gap, but the mark is beyond them. */
static int check_mark(struct check *c, const char *kind, int64_t mark, enum store_statement count)
{
	struct store_difference d = {.kind = kind};
	int64_t last;
	int rc = one_number(c, count, 0, false, &last);

	if (rc < 0 || last >= mark)
		return rc;
	snprintf(d.text, sizeof(d.text), "rows %" PRId64 " to %" PRId64 " are missing at the end", last + 1, mark);
	return c->cb(&d, c->arg);
}

static int check_all(struct check *c)
{
	int64_t usage_last, transfer_last;
	int rc;

	rc = one_number(c, STORE_SQL_CHECK_USAGE_MARK, 0, false, &usage_last);
	if (rc == 0)
		rc = one_number(c, STORE_SQL_CHECK_TRANSFER_MARK, 0, false, &transfer_last);
	if (rc == 0)
		rc = check_mark(c, "usage_missing", usage_last, STORE_SQL_USAGE_COUNT);
	if (rc == 0)
		rc = check_mark(c, "transfer_missing", transfer_last, STORE_SQL_TRANSFER_COUNT);
	if (rc == 0)
		rc = check_table(c, &of_usage, usage_last);
	if (rc == 0)
		rc = check_table(c, &of_transfers, transfer_last);
	if (rc == 0)
		rc = check_balances(c);
	return rc ? rc : check_total(c);
}

int store_check_sums(struct store *s, store_difference_cb cb, void *arg, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT; /* of one moment; temporary tables take no lock on the file */
	struct check c = {.s = s, .cb = cb, .arg = arg, .err = err};
	int rc;

	rc = make_copies(&c);
	if (rc == 0)
		rc = txn_begin_read(&txn, s, err);
	return rc < 0 ? rc : check_all(&c);
}
