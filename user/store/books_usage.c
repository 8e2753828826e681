/* Usage records, read. */
#include "store/internal.h"

#include <string.h>

void read_usage(struct query *q, struct usage_record *r)
{
	sqlite3_stmt *row = q->stmt;

	memset(r, 0, sizeof(*r));
	r->id = sqlite3_column_int64(row, 0);
	read_request_id(q, 1, &r->request_id);
	r->account_id = sqlite3_column_int64(row, 2);
	r->rule_id = sqlite3_column_int64(row, 3);
	query_column_text(q, 4, r->key_id, sizeof(r->key_id));
	r->route = (unsigned)sqlite3_column_int64(row, 5);
	r->admitted_ms = sqlite3_column_int64(row, 6);
	r->posted_ms = sqlite3_column_int64(row, 7);
	read_tokens(q, 8, &r->usage);
	r->source = (enum usage_source)sqlite3_column_int(row, 13);
	r->flags = (unsigned)sqlite3_column_int64(row, 14);
	r->status = sqlite3_column_int(row, 15);
	r->hold_nano = sqlite3_column_int64(row, 16);
	r->cost_nano = sqlite3_column_int64(row, 17);
	r->price_nano = sqlite3_column_int64(row, 18);
	r->latency_us = (uint32_t)sqlite3_column_int64(row, 19);
	r->bytes = (uint64_t)sqlite3_column_int64(row, 20);
}

void read_request_id(struct query *q, int column, struct request_id *ret)
{
	if (sqlite3_column_bytes(q->stmt, column) == REQUEST_ID_BYTES) /* the schema's CHECK says so */
		memcpy(ret->b, sqlite3_column_blob(q->stmt, column), REQUEST_ID_BYTES);
}

void read_tokens(struct query *q, int first_column, struct usage *ret)
{
	ret->input_tokens = (uint64_t)sqlite3_column_int64(q->stmt, first_column);
	ret->cached_input_tokens = (uint64_t)sqlite3_column_int64(q->stmt, first_column + 1);
	ret->cache_write_tokens = (uint64_t)sqlite3_column_int64(q->stmt, first_column + 2);
	ret->output_tokens = (uint64_t)sqlite3_column_int64(q->stmt, first_column + 3);
	ret->reasoning_tokens = (uint64_t)sqlite3_column_int64(q->stmt, first_column + 4);
}

int store_usage_get(struct store *s, const struct request_id *id, struct usage_record *ret, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_USAGE_GET, err);
	int rc;

	query_blob(&q, id->b, REQUEST_ID_BYTES);
	rc = query_row(&q);
	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "no usage record of that request");
	if (rc < 0)
		return rc;
	read_usage(&q, ret);
	return 0;
}

/* All rows of a bound query; *left counts down what may still come. */
static int walk(struct query *q, size_t *left, store_usage_cb cb, void *arg)
{
	int rc;

	while ((rc = query_row(q)) > 0) {
		struct usage_record r;

		read_usage(q, &r);
		rc = cb(&r, arg);
		if (rc)
			return rc;
		(*left)--;
	}
	return rc;
}

int store_usage_each(struct store *s, int64_t after_id, int64_t upto_id, store_usage_cb cb, void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_USAGE_EACH, err);
	size_t left = SIZE_MAX;

	query_int(&q, after_id);
	query_int(&q, upto_id);
	return walk(&q, &left, cb, arg);
}

static int page_part(struct store *s, enum store_statement which, int64_t account_id, int64_t before, size_t *left,
		     store_usage_cb cb, void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, which, err);

	query_int(&q, before);
	if (account_id)
		query_int(&q, account_id);
	query_int(&q, limit_of(*left));
	return walk(&q, left, cb, arg);
}

int store_usage_page(struct store *s, int64_t account_id, int64_t before, size_t limit, store_usage_cb cb, void *arg,
		     struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT; /* the roll-up's mark and its blocks of one moment */
	int rc;

	if (!before)
		before = INT64_MAX;
	if (!account_id)
		return page_part(s, STORE_SQL_USAGE_PAGE_ALL, 0, before, &limit, cb, arg, err);
	rc = txn_begin_read(&txn, s, err);
	if (rc == 0)
		rc = page_part(s, STORE_SQL_USAGE_PAGE_TAIL, account_id, before, &limit, cb, arg, err);
	if (rc == 0 && limit)
		rc = page_part(s, STORE_SQL_USAGE_PAGE_BLOCKS, account_id, before, &limit, cb, arg, err);
	return rc;
}

int store_usage_count(struct store *s, uint64_t *ret, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_USAGE_COUNT, err); /* ids have no gaps */
	int rc = query_row(&q);

	if (rc <= 0)
		return rc < 0 ? rc : err_set(err, ERR_IO, "database: no row where one always is");
	*ret = (uint64_t)sqlite3_column_int64(q.stmt, 0);
	return 0;
}
