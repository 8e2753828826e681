/* Goal: reconciliation misses no alteration of the books. Method: one change of each kind to the file behind the
 * store's back, its triggers dropped; each must be found, under its name; then the file is as before and nothing is
 * found. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#define TENANTS 3

static struct store *s;
static struct books_accounts acc;

static void set_up(void)
{
	struct transfer refund = {.kind = TRANSFER_REFUND, .usage_id = 10, .amount_nano = 5};
	struct usage_record r;
	int64_t id;

	fixture_init();
	s = fixture_books();
	fixture_accounts(s, TENANTS, &acc);
	fixture_fill(s, &acc, TENANTS, 0, 200, 50, 60000);
	r = fixture_record(&acc, TENANTS, 199, 60000);
	refund.time_ms = r.posted_ms;
	refund.debit_account = acc.other[BOOKS_REVENUE];
	refund.credit_account = fixture_record(&acc, TENANTS, 9, 60000).account_id;
	MUST(store_books_begin(s, &oops));
	MUST(store_transfer_put(s, &refund, &id, &oops));
	MUST(store_books_commit(s, &oops));
	MUST(store_books_roll_up(s, &oops));
	store_close(s);
	s = NULL;
}

TestSuite(books_check, .init = set_up, .fini = fixture_done);

struct found {
	char kinds[600];
	unsigned n;
};

static int note(const struct store_difference *d, void *arg)
{
	struct found *f = arg;
	size_t used = strlen(f->kinds);

	cr_expect_gt(strlen(d->text), 0);
	f->n++;
	if (used < 500)
		snprintf(f->kinds + used, sizeof(f->kinds) - used, "%s(%lld,%lld) ", d->kind, (long long)d->usage_id,
			 (long long)d->transfer_id);
	return 0;
}

#define UNLOCK                                                                                                         \
	"DROP TRIGGER usage_no_update; DROP TRIGGER usage_no_delete; DROP TRIGGER transfers_no_update;"                \
	"DROP TRIGGER transfers_no_delete;"

static void check_all(struct found *f)
{
	uint64_t checked;

	s = fixture_books();
	MUST(store_check_usage(s, 0, 0, note, f, &checked, &oops));
	MUST(store_check_sums(s, note, f, &oops));
	store_close(s);
}

Test(books_check, alterations)
{
	static const struct {
		const char *sql;
		const char *says;
	} rows[] = {
		{"UPDATE usage SET price_nano = price_nano + 1 WHERE id = 5", "charge_differs(5,0) usage_sum_differs"},
		{"UPDATE usage SET cost_nano = cost_nano + 1 WHERE id = 5", "cost_differs(5,0) usage_sum_differs"},
		{"UPDATE usage SET hold_nano = 1 WHERE id = 5", "overage_differs(5,0) "},
		{"UPDATE usage SET account_id = account_id % 3 + 1 WHERE id = 5", "charge_of_other_account(5,"},
		{"UPDATE usage SET input_tokens = input_tokens + 1 WHERE id = 5", "usage_sum_differs"},
		{"UPDATE usage SET rule_id = rule_id % 3 + 1 WHERE id = 5", "usage_sum_differs"},
		{"UPDATE usage SET posted_ms = posted_ms + 86400000 WHERE id = 5", "time_runs_back(6,0)"},
		{"DELETE FROM usage WHERE id = 5", "usage_missing(5,0) transfer_without_usage(5,"},
		{"DELETE FROM usage WHERE id = 1", "usage_missing(1,0) usage_sum_differs"},
		{"DELETE FROM usage WHERE id = 200", "usage_missing(0,0)"},
		{"UPDATE transfers SET amount_nano = amount_nano + 1 WHERE usage_id = 5 AND kind = 2",
		 "charge_differs(5,0)"},
		{"UPDATE transfers SET amount_nano = amount_nano + 1 WHERE usage_id = 5 AND kind = 4",
		 "cost_differs(5,0)"},
		{"UPDATE transfers SET amount_nano = 4000000000 WHERE kind = 5", "refund_above_price(10,0)"},
		{"UPDATE transfers SET usage_id = 999 WHERE kind = 5", "transfer_without_usage(999,0)"},
		{"UPDATE transfers SET credit = debit % 3 + 1 WHERE kind = 5", "transfer_sum_differs"},
		{"UPDATE transfers SET debit = debit % 3 + 1 WHERE usage_id = 5 AND kind = 2",
		 "charge_of_other_account(5,"},
		{"UPDATE transfers SET time_ms = time_ms - 3600000 WHERE usage_id = 150 AND kind = 2",
		 "time_runs_back"},
		{"DELETE FROM transfers WHERE usage_id = 5 AND kind = 2", "usage_without_charge(5,0)"},
		{"DELETE FROM transfers WHERE usage_id = 5 AND kind = 4", "cost_differs(5,0)"},
		{"DELETE FROM transfers WHERE kind = 5", "transfer_missing(0,0)"},
		{"DELETE FROM transfers WHERE id = 1", "transfer_missing("},
		{"UPDATE balances SET balance_nano = balance_nano + 1 WHERE account_id = 1",
		 "balance_differs(0,0) total_not_zero(0,0) "},
		{"DELETE FROM balances WHERE account_id = 1", "balance_differs(0,0) total_not_zero(0,0) "},
		{"INSERT INTO balances VALUES (99, 0)", "balance_differs(0,0) "},
		{"UPDATE usage_sums SET price_nano = price_nano - 1 WHERE account_id = 1", "usage_sum_differs(0,0)"},
		{"UPDATE usage_sums SET calls = calls - 1 WHERE account_id = 1", "usage_sum_differs(0,0)"},
		{"UPDATE usage_sums SET reasoning_tokens = 1 WHERE account_id = 1", "usage_sum_differs(0,0)"},
		{"DELETE FROM usage_sums WHERE account_id = 2", "usage_sum_differs(0,0)"},
		{"INSERT INTO usage_sums SELECT account_id, hour + 9000, rule_id, calls, charged_calls, "
		 "estimated_calls,"
		 " input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano,"
		 " price_nano FROM usage_sums LIMIT 1",
		 "usage_sum_without_usage(0,0) "},
		{"UPDATE transfer_sums SET credits_nano = credits_nano + 1 WHERE kind = 2 AND account_id = 5",
		 "transfer_sum_differs(0,0)"},
		{"DELETE FROM transfer_sums WHERE account_id = 2", "transfer_sum_differs(0,0)"},
		{"INSERT INTO transfer_sums VALUES (1, 9, 9, 1, 0, 0)", "transfer_sum_without_transfer(0,0) "},
	};
	char copy[500];
	struct found f = {0};

	check_all(&f);
	cr_expect_eq(f.n, 0, "%s", f.kinds);
	/* unlocked, once, as what is restored each time */
	fixture_books_sql(UNLOCK "PRAGMA wal_checkpoint(TRUNCATE)");
	snprintf(copy, sizeof(copy), "cp %s %s/good.db", fixture_books_path, fixture_folder);
	cr_assert_eq(system(copy), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fixture_books_sql(rows[i].sql);
		memset(&f, 0, sizeof(f));
		check_all(&f);
		cr_expect_not_null(strstr(f.kinds, rows[i].says), "%s: %s", rows[i].sql, f.kinds);
		snprintf(copy, sizeof(copy), "rm -f %s-wal %s-shm; cp %s/good.db %s", fixture_books_path,
			 fixture_books_path, fixture_folder, fixture_books_path);
		cr_assert_eq(system(copy), 0);
	}
	memset(&f, 0, sizeof(f));
	check_all(&f);
	cr_expect_eq(f.n, 0, "%s", f.kinds);
}

/* A job that goes on where it stopped sees each record once and reports nothing at its borders. */
Test(books_check, in_ranges)
{
	struct found f = {0};
	uint64_t checked, sum = 0;

	s = fixture_books();
	for (int64_t from = 1; from <= 200; from += 7) {
		MUST(store_check_usage(s, from, from + 6, note, &f, &checked, &oops));
		sum += checked;
	}
	cr_expect_eq(sum, 200);
	cr_expect_eq(f.n, 0, "%s", f.kinds);
	MUST(store_check_usage(s, 500, 600, note, &f, &checked, &oops));
	cr_expect_eq(checked, 0);
	cr_expect_eq(f.n, 0, "%s", f.kinds);
	store_close(s);
	/* what is wrong is found in its range and in no other */
	fixture_books_sql(UNLOCK "UPDATE usage SET price_nano = price_nano + 1 WHERE id = 50");
	s = fixture_books();
	MUST(store_check_usage(s, 1, 49, note, &f, &checked, &oops));
	MUST(store_check_usage(s, 51, 0, note, &f, &checked, &oops));
	cr_expect_eq(f.n, 0, "%s", f.kinds);
	MUST(store_check_usage(s, 50, 50, note, &f, &checked, &oops));
	cr_expect_str_eq(f.kinds, "charge_differs(50,0) ");
	store_close(s);
}

static int stop(const struct store_difference *d, void *arg)
{
	(void)d;
	++*(int *)arg;
	return 42;
}

Test(books_check, a_callback_can_stop_it)
{
	uint64_t checked = 7;
	int calls = 0;

	fixture_books_sql(UNLOCK "UPDATE usage SET price_nano = price_nano + 1");
	s = fixture_books();
	cr_expect_eq(store_check_usage(s, 0, 0, stop, &calls, &checked, &oops), 42);
	cr_expect_eq(calls, 1);
	cr_expect_eq(checked, 7, "out is untouched");
	cr_expect_eq(store_check_sums(s, stop, &calls, &oops), 42);
	cr_expect_eq(calls, 2);
	MUST(store_books_begin(s, &oops)); /* no read transaction is left open */
	MUST(store_books_commit(s, &oops));
	store_close(s);
}
