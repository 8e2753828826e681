/* Settlements: immutable (B5), by triggers: the lines are put first, and the row of the period closes it. */
#include "store/internal.h"

#include <string.h>

static int insert_settlement(struct store *s, const struct store_settlement *p, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_SETTLEMENT_INSERT, err);

	query_text(&q, p->period);
	query_int(&q, p->from_ms);
	query_int(&q, p->to_ms);
	query_int(&q, p->settled_ms);
	query_text(&q, p->currency);
	query_text(&q, p->actor);
	query_int(&q, p->last_usage_id);
	query_int(&q, p->last_transfer_id);
	query_int(&q, (int64_t)p->calls);
	query_int(&q, p->cost_nano);
	query_int(&q, p->price_nano);
	query_int(&q, p->refunds_nano);
	query_int(&q, p->sla_nano);
	query_blob(&q, p->hash, sizeof(p->hash));
	return query_run(&q);
}

static void bind_line(struct query *q, const char *period, const struct store_settlement_line *l)
{
	query_text(q, period);
	query_int(q, l->kind);
	query_text(q, l->account);
	query_text(q, l->model);
	query_int(q, l->transfer_kind);
	query_int(q, (int64_t)l->calls);
	query_int(q, (int64_t)l->usage.input_tokens);
	query_int(q, (int64_t)l->usage.cached_input_tokens);
	query_int(q, (int64_t)l->usage.cache_write_tokens);
	query_int(q, (int64_t)l->usage.output_tokens);
	query_int(q, (int64_t)l->usage.reasoning_tokens);
	query_int(q, l->cost_nano);
	query_int(q, l->price_nano);
	query_int(q, l->opening_nano);
	query_int(q, l->closing_nano);
	query_int(q, l->invoice_cents);
	query_int(q, l->carried_in_nano);
	query_int(q, l->carried_out_nano);
}

static int insert_lines(struct store *s, const char *period, const struct store_settlement_line *lines, size_t n,
			struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_SETTLEMENT_LINE_INSERT, err);

	for (size_t i = 0; i < n; i++) {
		int rc;

		query_again(&q);
		bind_line(&q, period, &lines[i]);
		rc = query_run(&q);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int find_settlement(struct store *s, const char *period, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_SETTLEMENT_GET, err);

	query_text(&q, period);
	return query_row(&q);
}

int store_settlement_put(struct store *s, const struct store_settlement *p, const struct store_settlement_line *lines,
			 size_t n, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	int rc;

	if (p->from_ms >= p->to_ms)
		return err_set(err, ERR_INVAL, "period %.15s: it ends before it begins", p->period);
	rc = name_check("period", p->period, sizeof(p->period), err);
	if (rc == 0)
		rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = find_settlement(s, p->period, err);
	if (rc > 0)
		return err_set(err, ERR_EXISTS, "period %s is settled already", p->period);
	if (rc == 0)
		rc = insert_lines(s, p->period, lines, n, err);
	if (rc == 0)
		rc = insert_settlement(s, p, err);
	if (rc == 0)
		rc = audit_add(s, p->actor, "bill.settle", p->period, err, "lines=%zu price=%lld cost=%lld", n,
			       (long long)p->price_nano, (long long)p->cost_nano);
	return rc < 0 ? rc : txn_commit(&txn, err);
}

static void read_settlement(struct query *q, struct store_settlement *p)
{
	memset(p, 0, sizeof(*p));
	query_column_text(q, 0, p->period, sizeof(p->period));
	p->from_ms = sqlite3_column_int64(q->stmt, 1);
	p->to_ms = sqlite3_column_int64(q->stmt, 2);
	p->settled_ms = sqlite3_column_int64(q->stmt, 3);
	query_column_text(q, 4, p->currency, sizeof(p->currency));
	query_column_text(q, 5, p->actor, sizeof(p->actor));
	p->last_usage_id = sqlite3_column_int64(q->stmt, 6);
	p->last_transfer_id = sqlite3_column_int64(q->stmt, 7);
	p->calls = (uint64_t)sqlite3_column_int64(q->stmt, 8);
	p->cost_nano = sqlite3_column_int64(q->stmt, 9);
	p->price_nano = sqlite3_column_int64(q->stmt, 10);
	p->refunds_nano = sqlite3_column_int64(q->stmt, 11);
	p->sla_nano = sqlite3_column_int64(q->stmt, 12);
	if (sqlite3_column_bytes(q->stmt, 13) == sizeof(p->hash)) /* the schema's CHECK says so */
		memcpy(p->hash, sqlite3_column_blob(q->stmt, 13), sizeof(p->hash));
}

int store_settlement_get(struct store *s, const char *period, struct store_settlement *ret, struct err *err)
{
	_cleanup_(query_done) struct query q =
		query_begin(s, *period ? STORE_SQL_SETTLEMENT_GET : STORE_SQL_SETTLEMENT_EACH, err);
	int rc;

	if (*period)
		query_text(&q, period);
	rc = query_row(&q);
	if (rc == 0)
		return *period ? err_set(err, ERR_NOT_FOUND, "period %.15s is not settled", period)
			       : err_set(err, ERR_NOT_FOUND, "no period was settled yet");
	if (rc < 0)
		return rc;
	read_settlement(&q, ret);
	return 0;
}

int store_settlement_each(struct store *s, store_settlement_cb cb, void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_SETTLEMENT_EACH, err);
	int rc;

	while ((rc = query_row(&q)) > 0) {
		struct store_settlement p;

		read_settlement(&q, &p);
		rc = cb(&p, arg);
		if (rc)
			return rc;
	}
	return rc;
}

static void read_line(struct query *q, struct store_settlement_line *l)
{
	memset(l, 0, sizeof(*l));
	l->kind = (enum store_line_kind)sqlite3_column_int(q->stmt, 0);
	query_column_text(q, 1, l->account, sizeof(l->account));
	query_column_text(q, 2, l->model, sizeof(l->model));
	l->transfer_kind = (unsigned)sqlite3_column_int64(q->stmt, 3);
	l->calls = (uint64_t)sqlite3_column_int64(q->stmt, 4);
	read_tokens(q, 5, &l->usage);
	l->cost_nano = sqlite3_column_int64(q->stmt, 10);
	l->price_nano = sqlite3_column_int64(q->stmt, 11);
	l->opening_nano = sqlite3_column_int64(q->stmt, 12);
	l->closing_nano = sqlite3_column_int64(q->stmt, 13);
	l->invoice_cents = sqlite3_column_int64(q->stmt, 14);
	l->carried_in_nano = sqlite3_column_int64(q->stmt, 15);
	l->carried_out_nano = sqlite3_column_int64(q->stmt, 16);
}

int store_settlement_line_each(struct store *s, const char *period, const char *account, store_settlement_line_cb cb,
			       void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q =
		query_begin(s, account ? STORE_SQL_SETTLEMENT_LINES_OF : STORE_SQL_SETTLEMENT_LINES, err);
	int rc;

	query_text(&q, period);
	if (account)
		query_text(&q, account);
	while ((rc = query_row(&q)) > 0) {
		struct store_settlement_line l;

		read_line(&q, &l);
		rc = cb(&l, arg);
		if (rc)
			return rc;
	}
	return rc;
}
