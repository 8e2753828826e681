/* Goal: roll-up from what the writer remembers makes the tables that roll-up from the rows makes, and is used only when
 * it may be. Method: random postings; before each roll-up the file is copied, a connection that remembers nothing rolls
 * the copy up, and all tables have to be equal; s->recent says which way was open. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#define TENANTS 40
#define STEP_MS 4000 /* 900 records to the hour */

static struct store *s;
static struct books_accounts acc;
static uint64_t next;

static void set_up(void)
{
	fixture_init();
	s = fixture_books();
	fixture_accounts(s, TENANTS, &acc);
	MUST(store_exec(s, "PRAGMA synchronous = OFF", &oops)); /* the test's time */
	next = 0;
}

static void clean(void)
{
	store_close(s);
	fixture_done();
}

TestSuite(books_recent, .init = set_up, .fini = clean);

/* ---- both ways */

static const char *const tables[] = {"usage_sums",   "transfer_sums",   "balances",
				     "usage_blocks", "transfer_blocks", "rolled_up"};

static void expect_equal(const char *copy)
{
	sqlite3 *db = NULL;
	char sql[400];

	cr_assert_eq(sqlite3_open(fixture_books_path, &db), SQLITE_OK);
	snprintf(sql, sizeof(sql), "ATTACH '%s' AS other", copy);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		const char *t = tables[i];
		sqlite3_stmt *stmt = NULL;

		snprintf(sql, sizeof(sql),
			 "SELECT (SELECT count(*) FROM (SELECT * FROM main.%s EXCEPT SELECT * FROM other.%s)),"
			 " (SELECT count(*) FROM main.%s) - (SELECT count(*) FROM other.%s)",
			 t, t, t, t);
		cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
		cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW);
		cr_assert(sqlite3_column_int64(stmt, 0) == 0 && sqlite3_column_int64(stmt, 1) == 0,
			  "%s: %lld rows differ, %lld more, after %llu records", t, sqlite3_column_int64(stmt, 0),
			  sqlite3_column_int64(stmt, 1), (unsigned long long)next);
		sqlite3_finalize(stmt);
	}
	sqlite3_close(db);
}

static struct store *open_at(const char *path)
{
	struct store_opts opts = fixture_opts();
	struct store *other = NULL;

	opts.schema = STORE_SCHEMA_BOOKS;
	MUST(store_open(path, &opts, &other, &oops));
	return other;
}

static bool covered(struct store *of)
{
	return recent_covers(&of->recent, fixture_books_number("SELECT usage_id FROM rolled_up"),
			     fixture_books_number("SELECT max(id) FROM usage"),
			     fixture_books_number("SELECT transfer_id FROM rolled_up"),
			     fixture_books_number("SELECT max(id) FROM transfers"));
}

/* Rolls up both ways; the result of both is the same, also when it is an error. */
static int roll_up_both(bool from_memory)
{
	struct store *other;
	char copy[160];
	int rc;

	snprintf(copy, sizeof(copy), "%s/copy.db", fixture_folder);
	MUST(store_backup(s, copy, &oops));
	other = open_at(copy);
	cr_assert_eq(covered(s), from_memory, "after %llu records", (unsigned long long)next);
	rc = store_books_roll_up(s, &oops);
	cr_assert_eq(store_books_roll_up(other, &oops), rc, "%d: %s", rc, oops.msg);
	store_close(other);
	expect_equal(copy);
	unlink(copy);
	return rc;
}

/* ---- postings */

static void deposit(struct store *by, int64_t to, int64_t amount_nano, int64_t time_ms)
{
	struct transfer t = {.time_ms = time_ms,
			     .kind = TRANSFER_DEPOSIT,
			     .debit_account = acc.other[BOOKS_CASH],
			     .credit_account = to,
			     .amount_nano = amount_nano};
	int64_t id;

	MUST(store_transfer_put(by, &t, &id, &oops));
}

/* One transaction of `n` records with a deposit before the last, committed or taken back. */
static void post(struct store *by, uint64_t n, bool commit)
{
	MUST(store_books_begin(by, &oops));
	for (uint64_t i = 0; i < n; i++) {
		struct usage_record r = fixture_record(&acc, TENANTS, next + i, STEP_MS);

		if (i % 7 == 3) /* in no order of accounts */
			r.account_id = acc.tenant[(next + i) * 13 % TENANTS];
		if (i % 31 == 5)
			r.rule_id = 0;
		if (i == n - 1)
			deposit(by, r.account_id, 5000000000, r.posted_ms);
		MUST(fixture_post(by, &acc, &r, &oops));
		if (i == n / 2) /* refused, and not remembered */
			cr_assert_eq(fixture_post(by, &acc, &r, &oops), ERR_EXISTS);
	}
	if (!commit) {
		store_books_abort(by);
		return;
	}
	MUST(store_books_commit(by, &oops));
	next += n;
}

/* Hours, blocks of 4096 ids and the growth of what is remembered at any place; transactions given up in between. */
Test(books_recent, random_postings)
{
	unsigned seed = 7;

	for (int i = 0; i < 60; i++) {
		for (int n = rand_r(&seed) % 4; n >= 0; n--)
			post(s, 1 + (uint64_t)rand_r(&seed) % (i % 10 ? 60 : 1500), rand_r(&seed) % 4 != 0);
		/* When all were given up there is nothing to do, and nothing remembered covers that too. */
		MUST(roll_up_both(true));
	}
	cr_expect_gt(next, 8192);
}

Test(books_recent, start)
{
	struct store *again;

	post(s, 300, true);
	again = fixture_books();
	store_close(s);
	s = again;
	post(s, 10, true);
	MUST(roll_up_both(false)); /* the 300 were another connection's */
	post(s, 300, true);
	MUST(roll_up_both(true));
	store_close(s);
	s = fixture_books(); /* all is rolled up: at once from what is remembered */
	post(s, 20, true);
	MUST(roll_up_both(true));
}

Test(books_recent, another_connection)
{
	struct store *other = fixture_books();

	post(s, 50, true);
	post(other, 20, true);
	MUST(roll_up_both(false));
	post(s, 50, true);
	post(other, 20, true);
	post(s, 50, true);
	MUST(roll_up_both(false));
	post(s, 30, true);
	MUST(roll_up_both(true));
	post(s, 50, true);
	MUST(store_books_roll_up(other, &oops));
	MUST(roll_up_both(false)); /* nothing is left to do */
	post(s, 50, true);
	MUST(store_books_roll_up(other, &oops));
	post(s, 60, true);
	MUST(roll_up_both(false));
	post(s, 60, true);
	MUST(roll_up_both(true));
	store_close(other);
}

/* More than is remembered, in one transaction and in many. */
Test(books_recent, more_than_is_kept)
{
	post(s, 8192, true);
	MUST(roll_up_both(true));
	post(s, 8193, true);
	MUST(roll_up_both(false));
	for (int i = 0; i < 9; i++)
		post(s, 1000, true);
	MUST(roll_up_both(false));
	post(s, 1000, true);
	MUST(roll_up_both(true));
}

/* A commit that fails leaves nothing remembered: neither when it is not there nor when it turns out to be. */
Test(books_recent, unknown_outcome)
{
	post(s, 50, true);
	post(s, 70, true);
	s->recent.usage_committed = 50; /* as if the second commit had been told to have failed */
	post(s, 10, true);
	MUST(roll_up_both(false));
	post(s, 10, true);
	MUST(roll_up_both(true));
}

/* ---- what doesn't fit */

Test(books_recent, tokens_saturate)
{
	for (int part = 0; part < 3; part++) {
		MUST(store_books_begin(s, &oops));
		for (int i = 0; i < 1100; i++) {
			struct usage_record r = fixture_record(&acc, 1, next++, 0);
			int64_t id;

			r.usage.input_tokens = r.usage.reasoning_tokens = USAGE_TOKENS_MAX;
			MUST(store_usage_put(s, &r, &id, &oops));
		}
		MUST(store_books_commit(s, &oops));
		MUST(roll_up_both(true));
	}
	cr_expect_gt(fixture_books_number("SELECT count(*) FROM usage_sums"
					  " WHERE input_tokens = 9223372036854775807"),
		     0);
}

/* In one roll-up, against what was there, and in a balance that other transfers bring back below the limit. */
Test(books_recent, money_fails)
{
	struct store *by = s;

	MUST(store_books_begin(by, &oops));
	deposit(by, acc.tenant[0], INT64_MAX - 1, FIXTURE_START_MS);
	MUST(store_books_commit(by, &oops));
	MUST(roll_up_both(true));
	MUST(store_books_begin(by, &oops));
	deposit(by, acc.tenant[0], 2, FIXTURE_START_MS);
	MUST(store_books_commit(by, &oops));
	cr_expect_eq(roll_up_both(true), ERR_RANGE);
	MUST(store_books_begin(by, &oops));
	deposit(by, acc.tenant[1], INT64_MAX - 1, FIXTURE_START_MS);
	deposit(by, acc.tenant[1], 2, FIXTURE_START_MS);
	MUST(store_books_commit(by, &oops));
	cr_expect_eq(roll_up_both(true), ERR_RANGE);
}

Test(books_recent, money_there_and_back)
{
	struct transfer back = {.time_ms = FIXTURE_START_MS,
				.kind = TRANSFER_ADJUSTMENT,
				.debit_account = acc.tenant[0],
				.credit_account = acc.other[BOOKS_CASH],
				.amount_nano = INT64_MAX / 2};

	MUST(store_books_begin(s, &oops));
	for (int i = 0; i < 4; i++) {
		int64_t id;

		deposit(s, acc.tenant[0], INT64_MAX / 2, FIXTURE_START_MS);
		MUST(store_transfer_put(s, &back, &id, &oops));
	}
	MUST(store_books_commit(s, &oops));
	(void)roll_up_both(true); /* the same in both ways, whatever SQL makes of it */
}

Test(books_recent, usage_amounts_fail)
{
	MUST(store_books_begin(s, &oops));
	for (int i = 0; i < 3; i++) {
		struct usage_record r = fixture_record(&acc, 1, next++, 0);
		int64_t id;

		r.rule_id = acc.rule[0];
		r.cost_nano = INT64_MAX / 2;
		MUST(store_usage_put(s, &r, &id, &oops));
	}
	MUST(store_books_commit(s, &oops));
	cr_expect_eq(roll_up_both(true), ERR_RANGE);
}
