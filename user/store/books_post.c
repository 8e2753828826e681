/* Posting: one transaction of many rows. A row costs what its insertion costs: ids, times and "is there such an
 * account" are compared with what was read at the transaction's begin (no one else writes while it is open). */
#include "store/internal.h"

#include <inttypes.h>
#include <string.h>

struct books_ends {
	struct store_books_tail tail;
	int64_t account, rule;
};

static int read_ends(struct store *s, struct books_ends *ret, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_BOOKS_TAIL, err);
	int rc = query_row(&q);

	if (rc <= 0)
		return rc < 0 ? rc : err_set(err, ERR_IO, "database: no row where one always is");
	ret->tail.time_ms = sqlite3_column_int64(q.stmt, 0);
	ret->tail.usage_id = sqlite3_column_int64(q.stmt, 1);
	ret->tail.transfer_id = sqlite3_column_int64(q.stmt, 2);
	ret->account = sqlite3_column_int64(q.stmt, 3);
	ret->rule = sqlite3_column_int64(q.stmt, 4);
	return 0;
}

int store_books_tail(struct store *s, struct store_books_tail *ret, struct err *err)
{
	struct books_ends ends;
	int rc = read_ends(s, &ends, err);

	if (rc == 0)
		*ret = ends.tail;
	return rc;
}

int store_books_begin(struct store *s, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	struct books_ends ends;
	int rc;

	if (s->posting.open)
		return err_set(err, ERR_INVAL, "a posting transaction is open already");
	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = read_ends(s, &ends, err);
	if (rc < 0)
		return rc;
	s->posting =
		(struct posting){.open = true, .tail = ends.tail, .last_account = ends.account, .last_rule = ends.rule};
	recent_begin(&s->recent, &ends.tail);
	txn.open = NULL; /* stays open until commit or abort */
	return 0;
}

/* After some errors (disk full, I/O) SQLite has rolled back by itself: a row put then would be a transaction of its own
 * (B4). */
int posting_check_open(struct store *s, struct err *err)
{
	if (!s->posting.open)
		return err_set(err, ERR_INVAL, "no posting transaction is open");
	if (sqlite3_get_autocommit(s->db))
		return err_set(err, ERR_IO, "the posting transaction was rolled back by an earlier failure");
	return 0;
}

int store_books_commit(struct store *s, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = {.open = s};
	int rc = posting_check_open(s, err);

	s->posting.open = false;
	if (rc == 0)
		rc = txn_commit(&txn, err);
	if (rc == 0)
		recent_commit(&s->recent);
	return rc;
}

void store_books_abort(struct store *s)
{
	struct txn txn = {.open = s};

	s->posting.open = false;
	txn_end(&txn);
}

/* Ids run without a gap, so that a lost row would be seen, and times don't run back (B3). */
static int check_place(const char *what, int64_t id, int64_t last_id, int64_t time_ms, int64_t last_ms, struct err *err)
{
	if (id && id != last_id + 1)
		return err_set(err, ERR_INVAL, "%s %" PRId64 " can't follow %" PRId64, what, id, last_id);
	if (time_ms < last_ms)
		return err_set(err, ERR_INVAL, "%s: its time %" PRId64 " is before the last one, %" PRId64, what,
			       time_ms, last_ms);
	return 0;
}

static bool tokens_fit(const struct usage *u)
{
	return u->input_tokens <= USAGE_TOKENS_MAX && u->cached_input_tokens <= USAGE_TOKENS_MAX &&
	       u->cache_write_tokens <= USAGE_TOKENS_MAX && u->output_tokens <= USAGE_TOKENS_MAX &&
	       u->reasoning_tokens <= USAGE_TOKENS_MAX;
}

static int check_usage(const struct posting *p, const struct usage_record *r, struct err *err)
{
	if (r->account_id < 1 || r->account_id > p->last_account)
		return err_set(err, ERR_INVAL, "usage record: no account %" PRId64, r->account_id);
	if (r->rule_id < 0 || r->rule_id > p->last_rule)
		return err_set(err, ERR_INVAL, "usage record: no price rule %" PRId64, r->rule_id);
	if (r->hold_nano < 0 || r->cost_nano < 0 || r->price_nano < 0)
		return err_set(err, ERR_INVAL, "usage record: a negative amount");
	if (r->source >= USAGE_SOURCES || r->admitted_ms < 0)
		return err_set(err, ERR_INVAL, "usage record: source or time of admission is out of range");
	if (!tokens_fit(&r->usage) || r->bytes > INT64_MAX)
		return err_set(err, ERR_RANGE, "usage record: a count is above 2^53");
	return check_place("usage record", r->id, p->tail.usage_id, r->posted_ms, p->tail.time_ms, err);
}

static void bind_usage(struct query *q, const struct usage_record *r, int64_t id, int64_t first_transfer)
{
	query_int(q, id);
	query_blob(q, r->request_id.b, REQUEST_ID_BYTES);
	query_int(q, r->account_id);
	query_int(q, r->rule_id);
	query_text(q, r->key_id);
	query_int(q, r->route);
	query_int(q, r->admitted_ms);
	query_int(q, r->posted_ms);
	query_int(q, (int64_t)r->usage.input_tokens);
	query_int(q, (int64_t)r->usage.cached_input_tokens);
	query_int(q, (int64_t)r->usage.cache_write_tokens);
	query_int(q, (int64_t)r->usage.output_tokens);
	query_int(q, (int64_t)r->usage.reasoning_tokens);
	query_int(q, r->source);
	query_int(q, r->flags);
	query_int(q, r->status);
	query_int(q, r->hold_nano);
	query_int(q, r->cost_nano);
	query_int(q, r->price_nano);
	query_int(q, r->latency_us);
	query_int(q, (int64_t)r->bytes);
	query_int(q, first_transfer);
}

int store_usage_put(struct store *s, const struct usage_record *r, int64_t *ret_id, struct err *err)
{
	struct posting *p = &s->posting;
	int rc = posting_check_open(s, err);

	if (rc == 0)
		rc = check_usage(p, r, err);
	if (rc < 0)
		return rc;
	p->record = 0;
	{
		_cleanup_(query_release) struct query q = query_begin(s, STORE_SQL_USAGE_INSERT, err);

		bind_usage(&q, r, p->tail.usage_id + 1, p->tail.transfer_id + 1);
		rc = query_run(&q);
	}
	if (rc == ERR_EXISTS)
		return err_set(err, ERR_EXISTS, "the request has a usage record already"); /* B2 */
	if (rc < 0)
		return rc;
	recent_usage(&s->recent, r);
	p->tail.time_ms = r->posted_ms;
	p->record = *ret_id = ++p->tail.usage_id;
	return 0;
}

static int check_transfer(const struct posting *p, const struct transfer *t, struct err *err)
{
	if (t->kind >= TRANSFER_KINDS)
		return err_set(err, ERR_INVAL, "transfer: no kind %d", (int)t->kind);
	if (t->amount_nano <= 0)
		return err_set(err, ERR_INVAL, "transfer: its amount has to be above zero");
	if (t->debit_account < 1 || t->debit_account > p->last_account || t->credit_account < 1 ||
	    t->credit_account > p->last_account || t->debit_account == t->credit_account)
		return err_set(err, ERR_INVAL, "transfer: not between two accounts (%" PRId64 ", %" PRId64 ")",
			       t->debit_account, t->credit_account);
	if (t->usage_id < 0 || t->usage_id > p->tail.usage_id)
		return err_set(err, ERR_INVAL, "transfer: no usage record %" PRId64, t->usage_id);
	if (transfer_of_call(t->kind) && (!p->record || t->usage_id != p->record)) /* B6 */
		return err_set(err, ERR_INVAL, "transfer: a call's charge, overage and cost have to follow its record");
	return check_place("transfer", t->id, p->tail.transfer_id, t->time_ms, p->tail.time_ms, err);
}

static int insert_transfer(struct store *s, const struct transfer *t, int64_t id, struct err *err)
{
	bool texts = *t->actor || *t->ref || *t->note || !t->usage_id;
	_cleanup_(query_release) struct query q =
		query_begin(s, texts ? STORE_SQL_TRANSFER_INSERT_TEXTS : STORE_SQL_TRANSFER_INSERT, err);

	query_int(&q, id);
	query_int(&q, t->time_ms);
	query_int(&q, t->kind);
	query_int(&q, t->debit_account);
	query_int(&q, t->credit_account);
	query_int(&q, t->amount_nano);
	query_int(&q, t->usage_id);
	if (texts) {
		query_text(&q, t->actor);
		query_text(&q, t->ref);
		query_text(&q, t->note);
	}
	return query_run(&q);
}

int store_transfer_put(struct store *s, const struct transfer *t, int64_t *ret_id, struct err *err)
{
	struct posting *p = &s->posting;
	int rc = posting_check_open(s, err);

	if (rc == 0)
		rc = check_transfer(p, t, err);
	if (rc == 0)
		rc = insert_transfer(s, t, p->tail.transfer_id + 1, err);
	if (rc == ERR_EXISTS)
		return err_set(err, ERR_EXISTS, "reference '%s' was used with this account before", t->ref);
	if (rc < 0)
		return rc;
	recent_transfer(&s->recent, t);
	if (!transfer_of_call(t->kind))
		p->record = 0;
	p->tail.time_ms = t->time_ms;
	*ret_id = ++p->tail.transfer_id;
	return 0;
}

int store_books_checkpoint(struct store *s, struct err *err)
{
	/* PASSIVE: neither waits for readers nor makes them wait; what is still read stays in the log for the next
	 * time. */
	int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);

	return rc == SQLITE_OK || rc == SQLITE_BUSY ? 0 : store_fail(s, err, "checkpoint");
}

static int read_currency(struct store *s, char ret[CURRENCY_MAX], struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_BOOK_CURRENCY, err);
	int rc = query_row(&q);

	if (rc > 0)
		query_column_text(&q, 0, ret, CURRENCY_MAX);
	return rc;
}

static int write_currency(struct store *s, const char *currency, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_BOOK_CURRENCY_SET, err);

	query_text(&q, currency);
	return query_run(&q);
}

int store_books_currency(struct store *s, const char *currency, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	char have[CURRENCY_MAX] = "";
	int rc;

	if (strlen(currency) != CURRENCY_MAX - 1)
		return err_set(err, ERR_INVAL, "currency '%.8s': a code of three letters is right", currency);
	rc = txn_join(&txn, s, err);
	if (rc == 0)
		rc = read_currency(s, have, err);
	if (rc < 0)
		return rc;
	if (rc > 0 && strcmp(have, currency) != 0)
		return err_set(err, ERR_INVAL, "the books are kept in %s, not in %.8s", have, currency);
	if (rc == 0)
		rc = write_currency(s, currency, err);
	return rc < 0 ? rc : txn_commit(&txn, err);
}
