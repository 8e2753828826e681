/* What recovery and reconciliation found: holds that a crash left open, and discrepancies. */
#include "store/internal.h"

#include <inttypes.h>
#include <string.h>

int store_recovery_put(struct store *s, const struct store_recovery *r, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_RECOVERY_INSERT, err);

	query_int(&q, r->time_ms);
	query_blob(&q, r->request_id.b, REQUEST_ID_BYTES);
	query_int(&q, r->account_id);
	query_int(&q, r->hold_nano);
	query_int(&q, r->price_nano);
	query_text(&q, r->rule);
	query_text(&q, r->text);
	return query_run(&q);
}

int store_recovery_page(struct store *s, int64_t before, size_t limit, store_recovery_cb cb, void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_RECOVERY_PAGE, err);
	int rc;

	query_int(&q, before ? before : INT64_MAX);
	query_int(&q, limit_of(limit));
	while ((rc = query_row(&q)) > 0) {
		struct store_recovery r = {
			.id = sqlite3_column_int64(q.stmt, 0),
			.time_ms = sqlite3_column_int64(q.stmt, 1),
			.account_id = sqlite3_column_int64(q.stmt, 3),
			.hold_nano = sqlite3_column_int64(q.stmt, 4),
			.price_nano = sqlite3_column_int64(q.stmt, 5),
		};

		read_request_id(&q, 2, &r.request_id);
		query_column_text(&q, 6, r.rule, sizeof(r.rule));
		query_column_text(&q, 7, r.text, sizeof(r.text));
		rc = cb(&r, arg);
		if (rc)
			return rc;
	}
	return rc;
}

/* ---- discrepancies */

int store_discrepancy_put(struct store *s, const struct store_discrepancy *d, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_DISCREPANCY_PUT, err);

	if (d->found_ms < 0)
		return err_set(err, ERR_INVAL, "discrepancy: its time is negative");
	query_int(&q, d->found_ms);
	query_text(&q, d->kind);
	query_text(&q, d->subject);
	query_int(&q, d->expected_nano);
	query_int(&q, d->found_nano);
	query_text(&q, d->text);
	query_text(&q, d->note);
	return query_run(&q);
}

static int close_one(struct store *s, int64_t id, const char *note, int64_t now_ms, char subject[128], struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_DISCREPANCY_CLOSE, err);
	int rc;

	query_int(&q, id);
	query_int(&q, now_ms);
	query_text(&q, note);
	rc = query_row(&q);
	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "no open discrepancy %" PRId64, id);
	if (rc < 0)
		return rc;
	query_column_text(&q, 0, subject, 128);
	return query_run(&q); /* RETURNING: to its end */
}

int store_discrepancy_close(struct store *s, const char *actor, int64_t id, const char *note, int64_t now_ms,
			    struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	char subject[128];
	int rc;

	rc = name_check("note", note, sizeof(((struct store_discrepancy *)0)->note), err);
	if (rc == 0 && now_ms <= 0)
		rc = err_set(err, ERR_INVAL, "the time of closing has to be above zero");
	if (rc == 0)
		rc = txn_join(&txn, s, err);
	if (rc == 0)
		rc = close_one(s, id, note, now_ms, subject, err);
	if (rc == 0)
		rc = audit_add(s, actor, "discrepancy.close", subject, err, "id=%" PRId64 " note=%s", id, note);
	return rc < 0 ? rc : txn_commit(&txn, err);
}

int store_discrepancy_page(struct store *s, bool open_only, int64_t before, size_t limit, store_discrepancy_cb cb,
			   void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q =
		query_begin(s, open_only ? STORE_SQL_DISCREPANCY_PAGE_OPEN : STORE_SQL_DISCREPANCY_PAGE, err);
	int rc;

	query_int(&q, before ? before : INT64_MAX);
	query_int(&q, limit_of(limit));
	while ((rc = query_row(&q)) > 0) {
		struct store_discrepancy d = {
			.id = sqlite3_column_int64(q.stmt, 0),
			.found_ms = sqlite3_column_int64(q.stmt, 1),
			.closed_ms = sqlite3_column_int64(q.stmt, 2),
			.expected_nano = sqlite3_column_int64(q.stmt, 5),
			.found_nano = sqlite3_column_int64(q.stmt, 6),
		};

		query_column_text(&q, 3, d.kind, sizeof(d.kind));
		query_column_text(&q, 4, d.subject, sizeof(d.subject));
		query_column_text(&q, 7, d.text, sizeof(d.text));
		query_column_text(&q, 8, d.note, sizeof(d.note));
		rc = cb(&d, arg);
		if (rc)
			return rc;
	}
	return rc;
}

int store_discrepancy_count(struct store *s, uint64_t *ret_open, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_DISCREPANCY_COUNT, err);
	int rc = query_row(&q);

	if (rc <= 0)
		return rc < 0 ? rc : err_set(err, ERR_IO, "database: no row where one always is");
	*ret_open = (uint64_t)sqlite3_column_int64(q.stmt, 0);
	return 0;
}
