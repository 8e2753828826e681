/* Answers kept for clients that ask again under their Idempotency-Key. */
#include "store/internal.h"

#include <string.h>

static int check_answer(const struct store_answer *a, struct err *err)
{
	size_t len = strlen(a->key);

	if (!len || len > 255)
		return err_set(err, ERR_INVAL, "an Idempotency-Key of %zu bytes; 1 to 255 are right", len);
	if (a->expires_ms < 0)
		return err_set(err, ERR_INVAL, "answer: its time of expiry is negative");
	return 0;
}

static void bind_answer(struct query *q, const struct store_answer *a, int64_t now_ms)
{
	query_int(q, a->account_id);
	query_text(q, a->key);
	query_blob(q, a->body_hash, sizeof(a->body_hash));
	query_blob(q, a->request_id.b, REQUEST_ID_BYTES);
	query_int(q, a->status);
	query_bytes_as_text(q, a->headers ? a->headers : "", a->headers ? a->headers_len : 0);
	if (a->body_kept)
		query_blob(q, a->body ? a->body : "", a->body ? a->body_len : 0);
	else
		query_null(q);
	query_int(q, a->expires_ms);
	query_int(q, now_ms);
}

int store_answer_put(struct store *s, const struct store_answer *a, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_ANSWER_PUT, err);
	int rc;

	rc = check_answer(a, err);
	if (rc == 0)
		rc = posting_check_open(s, err);
	if (rc < 0)
		return rc;
	bind_answer(&q, a, s->posting.tail.time_ms); /* the books' own time tells what has expired */
	rc = query_run(&q);
	if (rc == 0 && !query_changes(&q))
		return err_set(err, ERR_EXISTS, "that Idempotency-Key has an answer, which hasn't expired");
	return rc;
}

static struct store_answer read_answer(struct query *q)
{
	struct store_answer a = {
		.account_id = sqlite3_column_int64(q->stmt, 0),
		.key = (const char *)sqlite3_column_text(q->stmt, 1),
		.status = sqlite3_column_int(q->stmt, 4),
		.headers = (const char *)sqlite3_column_text(q->stmt, 5),
		.headers_len = (size_t)sqlite3_column_bytes(q->stmt, 5),
		.body_kept = sqlite3_column_type(q->stmt, 6) != SQLITE_NULL,
		.expires_ms = sqlite3_column_int64(q->stmt, 7),
	};

	if (sqlite3_column_bytes(q->stmt, 2) == sizeof(a.body_hash)) /* the schema's CHECK says so */
		memcpy(a.body_hash, sqlite3_column_blob(q->stmt, 2), sizeof(a.body_hash));
	read_request_id(q, 3, &a.request_id);
	a.body = sqlite3_column_blob(q->stmt, 6); /* NULL when empty */
	a.body_len = (size_t)sqlite3_column_bytes(q->stmt, 6);
	if (!a.body)
		a.body = "";
	return a;
}

int store_answer_get(struct store *s, int64_t account_id, const char *key, int64_t now_ms, store_answer_cb cb,
		     void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_ANSWER_GET, err);
	struct store_answer a;
	int rc;

	query_int(&q, account_id);
	query_text(&q, key);
	query_int(&q, now_ms);
	rc = query_row(&q);
	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "no answer is kept under that key");
	if (rc < 0)
		return rc;
	a = read_answer(&q);
	if (!a.key || !a.headers)
		return err_set(err, ERR_NOMEM, "out of memory for a kept answer");
	return cb(&a, arg);
}

int store_answer_expire(struct store *s, int64_t now_ms, size_t limit, size_t *ret_removed, struct err *err)
{
	_cleanup_(query_done) struct query look = query_begin(s, STORE_SQL_ANSWER_ANY_EXPIRED, err);
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_ANSWER_EXPIRE, err);
	int rc;

	/* A DELETE would take the write lock and sync even for nothing. */
	query_int(&look, now_ms);
	rc = query_row(&look);
	if (rc > 0 && sqlite3_column_int(look.stmt, 0)) {
		query_done(&look);
		query_int(&q, now_ms);
		query_int(&q, limit_of(limit));
		rc = query_run(&q);
		if (rc == 0)
			*ret_removed = (size_t)query_changes(&q);
		return rc;
	}
	if (rc < 0)
		return rc;
	*ret_removed = 0;
	return 0;
}
