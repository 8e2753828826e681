/* Accounts and transfers, read. */
#include "store/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int64_t limit_of(size_t limit)
{
	return limit > INT64_MAX ? -1 : (int64_t)limit;
}

/* A balance beyond 64 bits comes as a REAL. */
static int read_account(struct query *q, struct account *ret)
{
	struct account a = {0};

	if (sqlite3_column_type(q->stmt, 5) != SQLITE_INTEGER)
		return err_set(q->err, ERR_RANGE, "account %lld: its balance doesn't fit in 64 bits",
			       (long long)sqlite3_column_int64(q->stmt, 0));
	a.id = sqlite3_column_int64(q->stmt, 0);
	a.kind = (enum account_kind)sqlite3_column_int(q->stmt, 1);
	query_column_text(q, 2, a.name, sizeof(a.name));
	a.credit_line_nano = sqlite3_column_int64(q->stmt, 3);
	a.created_ms = sqlite3_column_int64(q->stmt, 4);
	a.balance_nano = sqlite3_column_int64(q->stmt, 5);
	*ret = a;
	return 0;
}

int store_account_get(struct store *s, enum account_kind kind, const char *name, struct account *ret, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_ACCOUNT_GET, err);
	int rc;

	query_int(&q, kind);
	query_text(&q, name);
	rc = query_row(&q);
	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "no account '%.127s' of that kind", name);
	return rc < 0 ? rc : read_account(&q, ret);
}

static int insert_account(struct store *s, enum account_kind kind, const char *name, int64_t now_ms, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_ACCOUNT_INSERT, err);
	int rc;

	query_int(&q, kind);
	query_text(&q, name);
	query_int(&q, now_ms);
	rc = query_run(&q);
	if (rc == 0 && s->posting.open)
		s->posting.last_account = sqlite3_last_insert_rowid(s->db);
	return rc;
}

int store_account_open(struct store *s, enum account_kind kind, const char *name, int64_t now_ms, struct account *ret,
		       struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	struct account a;
	int rc;

	if (kind >= ACCOUNT_KINDS)
		return err_set(err, ERR_INVAL, "no kind of account %d", (int)kind);
	if (now_ms < 0)
		return err_set(err, ERR_INVAL, "account: its time is negative");
	/* Tenants and providers have names; of the other kinds there is one each, which may do without. */
	if (*name || kind == ACCOUNT_TENANT || kind == ACCOUNT_PAYABLE) {
		rc = name_check("account name", name, sizeof(a.name), err);
		if (rc < 0)
			return rc;
	}
	rc = txn_join(&txn, s, err);
	if (rc == 0)
		rc = store_account_get(s, kind, name, &a, err);
	if (rc == ERR_NOT_FOUND) {
		rc = insert_account(s, kind, name, now_ms, err);
		if (rc == 0)
			rc = store_account_get(s, kind, name, &a, err);
	}
	if (rc == 0)
		rc = txn_commit(&txn, err);
	if (rc == 0)
		*ret = a;
	return rc;
}

static int update_credit_line(struct store *s, int64_t id, int64_t credit_line_nano, char name[ACCOUNT_NAME_MAX],
			      struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_ACCOUNT_CREDIT_LINE, err);
	int rc;

	query_int(&q, id);
	query_int(&q, credit_line_nano);
	rc = query_row(&q);
	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "no account %" PRId64, id);
	if (rc < 0)
		return rc;
	query_column_text(&q, 0, name, ACCOUNT_NAME_MAX);
	return query_run(&q); /* RETURNING: to its end */
}

int store_account_set_credit_line(struct store *s, const char *actor, int64_t id, int64_t credit_line_nano,
				  struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	char name[ACCOUNT_NAME_MAX];
	int rc;

	if (credit_line_nano < 0)
		return err_set(err, ERR_INVAL, "a credit line can't be negative");
	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = update_credit_line(s, id, credit_line_nano, name, err);
	if (rc == 0)
		rc = audit_add(s, actor, "account.credit_line", name, err, "nano=%" PRId64, credit_line_nano);
	return rc < 0 ? rc : txn_commit(&txn, err);
}

int store_account_each(struct store *s, store_account_cb cb, void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_ACCOUNT_EACH, err);
	int rc;

	while ((rc = query_row(&q)) > 0) {
		struct account a;

		rc = read_account(&q, &a);
		if (rc == 0)
			rc = cb(&a, arg);
		if (rc)
			return rc;
	}
	return rc;
}

/* ---- transfers */

void read_transfer(struct query *q, struct transfer *t)
{
	memset(t, 0, sizeof(*t));
	t->id = sqlite3_column_int64(q->stmt, 0);
	t->time_ms = sqlite3_column_int64(q->stmt, 1);
	t->kind = (enum transfer_kind)sqlite3_column_int(q->stmt, 2);
	t->debit_account = sqlite3_column_int64(q->stmt, 3);
	t->credit_account = sqlite3_column_int64(q->stmt, 4);
	t->amount_nano = sqlite3_column_int64(q->stmt, 5);
	t->usage_id = sqlite3_column_int64(q->stmt, 6);
	query_column_text(q, 7, t->actor, sizeof(t->actor));
	query_column_text(q, 8, t->ref, sizeof(t->ref));
	query_column_text(q, 9, t->note, sizeof(t->note));
}

/* Rows of one page; *left counts down what may still come. */
static int page_part(struct store *s, enum store_statement which, int64_t account_id, int64_t before, size_t *left,
		     store_transfer_cb cb, void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, which, err);
	int rc;

	query_int(&q, before);
	if (account_id)
		query_int(&q, account_id);
	query_int(&q, limit_of(*left));
	while ((rc = query_row(&q)) > 0) {
		struct transfer t;

		read_transfer(&q, &t);
		rc = cb(&t, arg);
		if (rc)
			return rc;
		(*left)--;
	}
	return rc;
}

int store_transfer_page(struct store *s, int64_t account_id, int64_t before, size_t limit, store_transfer_cb cb,
			void *arg, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT; /* the roll-up's mark and its blocks of one moment */
	int rc;

	if (!before)
		before = INT64_MAX;
	if (!account_id)
		return page_part(s, STORE_SQL_TRANSFER_PAGE_ALL, 0, before, &limit, cb, arg, err);
	rc = txn_begin_read(&txn, s, err);
	if (rc == 0)
		rc = page_part(s, STORE_SQL_TRANSFER_PAGE_TAIL, account_id, before, &limit, cb, arg, err);
	if (rc == 0 && limit)
		rc = page_part(s, STORE_SQL_TRANSFER_PAGE_BLOCKS, account_id, before, &limit, cb, arg, err);
	return rc;
}

/* The call's own transfers, which follow its record without a gap (B6), then refunds and the like. */
static int transfers_of(struct store *s, enum store_statement which, int64_t usage_id, store_transfer_cb cb, void *arg,
			struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, which, err);
	int rc;

	query_int(&q, usage_id);
	while ((rc = query_row(&q)) > 0) {
		struct transfer t;

		read_transfer(&q, &t);
		if (which == STORE_SQL_TRANSFER_FROM && (t.usage_id != usage_id || !transfer_of_call(t.kind)))
			return 0;
		rc = cb(&t, arg);
		if (rc)
			return rc;
	}
	return rc;
}

int store_transfer_of_usage(struct store *s, int64_t usage_id, store_transfer_cb cb, void *arg, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	int rc;

	rc = txn_begin_read(&txn, s, err);
	if (rc == 0)
		rc = transfers_of(s, STORE_SQL_TRANSFER_FROM, usage_id, cb, arg, err);
	if (rc == 0)
		rc = transfers_of(s, STORE_SQL_TRANSFER_LATER, usage_id, cb, arg, err);
	return rc;
}

int store_transfer_by_ref(struct store *s, int64_t account_id, const char *ref, struct transfer *ret, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_TRANSFER_BY_REF, err);
	int rc;

	query_int(&q, account_id);
	query_text(&q, ref);
	rc = query_row(&q);
	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "no transfer with reference '%.127s'", ref);
	if (rc < 0)
		return rc;
	read_transfer(&q, ret);
	return 0;
}
