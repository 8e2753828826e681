/* Roll-up: sums per account, hour and rule, and balances, made from the rows since the last time: by SQL here, or from
 * what the writer remembers of them (books_recent.c), with the same result. Readers add the rows after its mark in the
 * same query, so that they see one moment. */
#include "store/internal.h"

#include <inttypes.h>
#include <limits.h>

/* Rows aggregated at a time: what the sorter holds in memory, however far roll-up is behind. */
#define CHUNK 65536
#define HOUR 3600000

/* ---- saturating_sum(x): a provider may report 2^53 tokens in every call, and roll-up must not stop at that. Money is
 * added by sum(), which fails instead. */

static void saturating_step(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	int64_t *sum = sqlite3_aggregate_context(ctx, sizeof(*sum));

	(void)argc;
	if (!sum)
		sqlite3_result_error_nomem(ctx);
	else if (__builtin_add_overflow(*sum, sqlite3_value_int64(argv[0]), sum))
		*sum = INT64_MAX;
}

static void saturating_final(sqlite3_context *ctx)
{
	int64_t *sum = sqlite3_aggregate_context(ctx, 0);

	sqlite3_result_int64(ctx, sum ? *sum : 0);
}

int sums_register(struct store *s, struct err *err)
{
	if (sqlite3_create_function_v2(s->db, "saturating_sum", 1,
				       SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL, NULL,
				       saturating_step, saturating_final, NULL) != SQLITE_OK)
		return store_fail(s, err, "database");
	return store_exec(s, SQL_GATHERED, err);
}

/* ---- roll-up */

struct marks {
	int64_t usage_id, transfer_id, usage_last, transfer_last;
};

static int read_marks(struct store *s, struct marks *ret, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_ROLLED_UP, err);
	int rc = query_row(&q);

	if (rc <= 0)
		return rc < 0 ? rc : err_set(err, ERR_CORRUPT, "roll-up: its mark is missing");
	ret->usage_id = sqlite3_column_int64(q.stmt, 0);
	ret->transfer_id = sqlite3_column_int64(q.stmt, 1);
	ret->usage_last = sqlite3_column_int64(q.stmt, 2);
	ret->transfer_last = sqlite3_column_int64(q.stmt, 3);
	return 0;
}

int sums_run(struct store *s, enum store_statement which, int64_t after, int64_t upto, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, which, err);

	query_int(&q, after);
	query_int(&q, upto);
	return query_run(&q);
}

static int run(struct store *s, enum store_statement which, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, which, err);

	return query_run(&q);
}

static int roll_up_usage(struct store *s, int64_t after, int64_t upto, struct err *err)
{
	int rc = sums_run(s, STORE_SQL_USAGE_SUMS_MERGE, after, upto, err);

	return rc < 0 ? rc : sums_run(s, STORE_SQL_USAGE_BLOCKS_MERGE, after, upto, err);
}

/* Three things are made of a transfer: its rows are sorted once, into a small table. */
static int roll_up_transfers(struct store *s, int64_t after, int64_t upto, struct err *err)
{
	int rc = sums_run(s, STORE_SQL_TRANSFERS_GATHER, after, upto, err);

	if (rc == 0)
		rc = run(s, STORE_SQL_TRANSFER_SUMS_MERGE, err);
	if (rc == 0)
		rc = run(s, STORE_SQL_BALANCES_MERGE, err);
	if (rc == 0)
		rc = run(s, STORE_SQL_TRANSFER_BLOCKS_MERGE, err);
	return rc < 0 ? rc : run(s, STORE_SQL_GATHERED_FORGET, err);
}

typedef int (*roll_up_fn)(struct store *s, int64_t after, int64_t upto, struct err *err);

static int roll_up_range(struct store *s, roll_up_fn fn, int64_t after, int64_t last, struct err *err)
{
	int rc = 0;

	for (int64_t at = after; rc == 0 && at < last; at += CHUNK)
		rc = fn(s, at, at + CHUNK < last ? at + CHUNK : last, err);
	return rc;
}

static int roll_up_rows(struct store *s, const struct marks *m, struct err *err)
{
	int rc;

	if (recent_covers(&s->recent, m->usage_id, m->usage_last, m->transfer_id, m->transfer_last) &&
	    recent_group(&s->recent))
		return recent_store(s, err);
	rc = roll_up_range(s, roll_up_usage, m->usage_id, m->usage_last, err);
	return rc < 0 ? rc : roll_up_range(s, roll_up_transfers, m->transfer_id, m->transfer_last, err);
}

int store_books_roll_up(struct store *s, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	struct marks m;
	int rc;

	rc = read_marks(s, &m, err); /* nothing new: nothing written */
	if (rc < 0 || (m.usage_id == m.usage_last && m.transfer_id == m.transfer_last))
		return rc;
	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = read_marks(s, &m, err);
	if (rc == 0)
		rc = roll_up_rows(s, &m, err);
	if (rc == 0)
		rc = sums_run(s, STORE_SQL_ROLLED_UP_SET, m.usage_last, m.transfer_last, err);
	if (rc == 0)
		rc = txn_commit(&txn, err);
	if (rc == 0)
		recent_restart(&s->recent, m.usage_last, m.transfer_last);
	return rc;
}

/* ---- sums */

static int bind_hours(struct query *q, int64_t account_id, int64_t from_ms, int64_t to_ms)
{
	if (from_ms < 0 || to_ms < from_ms || from_ms % HOUR || to_ms % HOUR)
		return err_set(q->err, ERR_INVAL,
			       "sums are by the hour: %" PRId64 " to %" PRId64 " ms isn't a run of whole hours",
			       from_ms, to_ms);
	query_int(q, from_ms / HOUR);
	query_int(q, to_ms / HOUR);
	query_int(q, account_id);
	return 0;
}

static void read_usage_sum(struct query *q, struct store_usage_sum *ret)
{
	ret->account_id = sqlite3_column_int64(q->stmt, 0);
	ret->rule_id = sqlite3_column_int64(q->stmt, 1);
	ret->calls = (uint64_t)sqlite3_column_int64(q->stmt, 2);
	ret->charged_calls = (uint64_t)sqlite3_column_int64(q->stmt, 3);
	ret->estimated_calls = (uint64_t)sqlite3_column_int64(q->stmt, 4);
	read_tokens(q, 5, &ret->usage);
	ret->cost_nano = sqlite3_column_int64(q->stmt, 10);
	ret->price_nano = sqlite3_column_int64(q->stmt, 11);
}

int store_usage_sums(struct store *s, int64_t account_id, int64_t from_ms, int64_t to_ms, store_usage_sum_cb cb,
		     void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_USAGE_SUMS, err);
	int rc = bind_hours(&q, account_id, from_ms, to_ms);

	if (rc < 0)
		return rc;
	while ((rc = query_row(&q)) > 0) {
		struct store_usage_sum sum;

		read_usage_sum(&q, &sum);
		rc = cb(&sum, arg);
		if (rc)
			return rc;
	}
	return rc;
}

int store_transfer_sums(struct store *s, int64_t account_id, int64_t from_ms, int64_t to_ms, store_transfer_sum_cb cb,
			void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_TRANSFER_SUMS, err);
	int rc = bind_hours(&q, account_id, from_ms, to_ms);

	if (rc < 0)
		return rc;
	while ((rc = query_row(&q)) > 0) {
		struct store_transfer_sum sum = {
			.account_id = sqlite3_column_int64(q.stmt, 0),
			.kind = (enum transfer_kind)sqlite3_column_int(q.stmt, 1),
			.count = (uint64_t)sqlite3_column_int64(q.stmt, 2),
			.credits_nano = sqlite3_column_int64(q.stmt, 3),
			.debits_nano = sqlite3_column_int64(q.stmt, 4),
		};

		rc = cb(&sum, arg);
		if (rc)
			return rc;
	}
	return rc;
}
