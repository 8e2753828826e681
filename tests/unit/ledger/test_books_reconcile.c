/* Goal: reconciliation is silent about sound books, and names what was altered, forged or lost, once, with what to do.
 * Method: forgeries by SQL behind the store's back, one at a time, each with the kinds it has to be reported as. */
#include "books_fixture.h"

#include <stdlib.h>

TestSuite(books_reconcile, .init = bk_init, .fini = bk_done);

static struct books_report report;
static int64_t last_id;

static void reconcile(bool full, int64_t after)
{
	MUST(books_reconcile(bk_store, full, after, JANUARY_MS, &report, &last_id, &bk_err));
}

static const struct store_difference *found(const char *kind)
{
	for (size_t i = 0; i < report.n_first; i++)
		if (strcmp(report.first[i].kind, kind) == 0)
			return &report.first[i];
	return NULL;
}

/* Calls of all kinds in October, settled, and in November. */
static void fill(void)
{
	int64_t rule = bk_rule("openai", "gpt-4o", "big"), id = 0;
	struct store_settlement p;

	bk_transfer(TRANSFER_DEPOSIT, "acme", 7 * MONEY_NANO, OCTOBER_MS, 0);
	for (unsigned i = 0; i < 40; i++) {
		struct bk_call c = {.tenant = i % 4 ? "acme" : "beta",
				    .rule = i % 7 ? rule : 0,
				    .input = 1000 + i,
				    .output = i * i,
				    .hold_nano = i % 5 ? 0 : 1000,
				    .at_ms = OCTOBER_MS + i * DAY_MS,
				    .source = i % 7 ? 1 + i % 4 : USAGE_NONE};

		if (i == 31)
			MUST(books_settle(bk_store, "ops", "2026-10", NOVEMBER_MS, &p, &bk_err));
		id = bk_call(&c);
		if (i == 20)
			bk_transfer(TRANSFER_REFUND, "beta", 1000, c.at_ms, id);
	}
}

Test(books_reconcile, sound_books)
{
	reconcile(true, 0);
	cr_expect(report.differences == 0 && report.records_checked == 0 && last_id == 0);
	fill();
	reconcile(true, 0);
	cr_expect_eq(report.differences, 0u, "%s: %s", report.first[0].kind, report.first[0].text);
	cr_expect_eq(report.records_checked, 40u);
	cr_expect_eq(last_id, 40);
	cr_expect_eq(report.started_ms, JANUARY_MS);
	MUST(store_books_roll_up(bk_store, &bk_err));
	reconcile(false, 35);
	cr_expect_eq(report.differences, 0u, "%s: %s", report.first[0].kind, report.first[0].text);
	cr_expect_eq(report.records_checked, 5u);
	reconcile(false, 40);
	cr_expect_eq(report.records_checked, 0u);
}

#define NO_TRIGGERS                                                                                                    \
	"DROP TRIGGER usage_no_update; DROP TRIGGER usage_no_delete; DROP TRIGGER transfers_no_update;"                \
	"DROP TRIGGER transfers_no_delete; DROP TRIGGER price_rules_no_update; DROP TRIGGER price_rules_no_delete;"    \
	"DROP TRIGGER settlements_no_update; DROP TRIGGER settlement_lines_no_update;"

struct forgery {
	const char *sql;
	const char *kinds[3];
	const char *subject, *says; /* of the first kind */
};

static void try_forgery(const struct forgery *f)
{
	fill();
	MUST(store_books_roll_up(bk_store, &bk_err));
	bk_sql(NO_TRIGGERS);
	bk_sql(f->sql);
	reconcile(true, 0);
	for (size_t i = 0; i < ARRAY_SIZE(f->kinds) && f->kinds[i]; i++) {
		const struct store_difference *d = found(f->kinds[i]);

		cr_assert_not_null(d, "%s: no %s, but %s %s %s", f->sql, f->kinds[i], report.first[0].kind,
				   report.n_first > 1 ? report.first[1].kind : "",
				   report.n_first > 2 ? report.first[2].kind : "");
		cr_expect_gt(strlen(d->text), 20u);
		cr_expect_not_null(strstr(d->text, "; "), "\"%s\" doesn't say what to do", d->text);
		if (i)
			continue;
		cr_expect(strstr(d->text, f->says) != NULL, "\"%s\" doesn't say \"%s\"", d->text, f->says);
		cr_expect_str_eq(report.subject[d - report.first], f->subject);
	}
}

/* Each in a fresh database. */
#define FORGERY(name, ...)                                                                                             \
	Test(books_reconcile, name)                                                                                    \
	{                                                                                                              \
		static const struct forgery f = {__VA_ARGS__};                                                         \
                                                                                                                       \
		try_forgery(&f);                                                                                       \
	}

/* Record 12: 1011 x 1000 + 121 x 2000 = 1253000 cost, 1566250 price. */
FORGERY(price_forged, "UPDATE usage SET price_nano = price_nano - 1 WHERE id = 12",
	{"price_differs", "charge_differs", "usage_sum_differs"}, "req_00000000000000000000000c",
	"makes its price 0.00156625, but 0.001566249 is stored; refund or adjust")
FORGERY(price_forged_throughout,
	"UPDATE usage SET price_nano = price_nano + 5, hold_nano = hold_nano + 5 WHERE id = 12;"
	"UPDATE transfers SET amount_nano = amount_nano + 5 WHERE usage_id = 12 AND kind = 2",
	{"price_differs"}, "req_00000000000000000000000c", "makes its price 0.00156625, but 0.001566255")
FORGERY(cost_forged, "UPDATE usage SET cost_nano = 1 WHERE id = 12", {"cost_differs"}, "req_00000000000000000000000c",
	"provider's invoice")
FORGERY(tokens_forged, "UPDATE usage SET output_tokens = 0 WHERE id = 12", {"price_differs"},
	"req_00000000000000000000000c", "0.00126375")
FORGERY(rule_forged, "UPDATE price_rules SET tier_margin_e4 = 2500", {"price_differs"}, "req_000000000000000000000002",
	"but")
FORGERY(rule_lost, "DELETE FROM price_rules", {"rule_missing", "settlement_differs"}, "req_000000000000000000000002",
	"is not in the books")
FORGERY(source_forged, "UPDATE usage SET source = 0 WHERE id = 12", {"charged_for_nothing"},
	"req_00000000000000000000000c", "nothing to charge for")
FORGERY(charge_lost, "DELETE FROM transfers WHERE usage_id = 12 AND kind = 2",
	{"usage_without_charge", "transfer_missing", "transfer_sum_without_transfer"}, "req_00000000000000000000000c",
	"never charged; adjust the account")
FORGERY(record_lost, "DELETE FROM usage WHERE id = 12",
	{"usage_missing", "transfer_without_usage", "usage_sum_without_usage"}, "usage 12", "the file was altered")
FORGERY(refund_raised, "UPDATE transfers SET amount_nano = 99999999999 WHERE kind = 5",
	{"refund_above_price", "transfer_sum_differs"}, "req_000000000000000000000015", "more was refunded")
FORGERY(balance_raised, "UPDATE balances SET balance_nano = balance_nano + 1 WHERE account_id = 1",
	{"balance_differs", "total_not_zero"}, "account 1", "not the sum of its transfers; the file was altered")
FORGERY(sum_raised,
	"UPDATE usage_sums SET price_nano = price_nano + 1 WHERE hour = (SELECT min(hour) FROM usage_sums"
	" WHERE price_nano > 0)",
	{"usage_sum_differs"}, "account 1", "not that of its rows; the file was altered, or a sum made wrongly")
FORGERY(settlement_forged, "UPDATE settlement_lines SET price_nano = price_nano - 1 WHERE kind = 1",
	{"settlement_altered"}, "settlement 2026-10", "2026-10 was altered after it was made")
/* A record of October that came (or was dated back) after the settlement. */
FORGERY(settled_period_grew,
	"UPDATE usage SET posted_ms = posted_ms - 1 WHERE posted_ms = 1793491200000;"
	"UPDATE transfers SET time_ms = time_ms - 1 WHERE time_ms = 1793491200000;"
	"DELETE FROM usage_sums; DELETE FROM transfer_sums; UPDATE rolled_up SET usage_id = 0,"
	" transfer_id = 0; DELETE FROM balances; DELETE FROM usage_blocks; DELETE FROM transfer_blocks",
	{"settlement_differs"}, "settlement 2026-10", "charges of 2026-10 were settled as")

/* More than fit are counted, and said to be more; the next run opens nothing twice. */
Test(books_reconcile, recorded_once)
{
	int64_t rule = bk_rule("openai", "gpt-4o", "big");
	uint64_t open = 0;

	for (unsigned i = 0; i < 100; i++) {
		struct bk_call c = {
			.tenant = "acme", .rule = rule, .input = 8, .at_ms = OCTOBER_MS, .source = USAGE_REPORTED};

		bk_call(&c);
	}
	bk_sql(NO_TRIGGERS "UPDATE usage SET price_nano = price_nano + 1, hold_nano = hold_nano + 1;"
			   "UPDATE transfers SET amount_nano = amount_nano + 1 WHERE kind = 2");
	reconcile(true, 0);
	cr_expect_eq(report.differences, 100u);
	cr_expect_eq(report.n_first, 64u);
	for (unsigned run = 0; run < 2; run++) {
		MUST(books_record(bk_store, &report, JANUARY_MS + run, &bk_err));
		MUST(store_discrepancy_count(bk_store, &open, &bk_err));
		cr_expect_eq(open, 65u, "the first ones, and one that says that there are more");
	}
	reconcile(false, 100);
	cr_expect_eq(report.differences, 0u, "what was looked at before is not looked at again");
	MUST(books_record(bk_store, &report, JANUARY_MS, &bk_err));
	MUST(store_discrepancy_count(bk_store, &open, &bk_err));
	cr_expect_eq(open, 65u);
}

static int keep_report(const struct store_discrepancy *d, void *arg)
{
	*(struct store_discrepancy *)arg = *d;
	return 0;
}

Test(books_reconcile, recorded_as_found)
{
	struct store_discrepancy d = {0};

	fill();
	bk_sql(NO_TRIGGERS "UPDATE usage SET cost_nano = cost_nano + 1 WHERE id = 40;"
			   "UPDATE transfers SET amount_nano = amount_nano + 1 WHERE usage_id = 40 AND kind = 4");
	reconcile(false, 0);
	cr_expect_eq(report.differences, 1u);
	MUST(books_record(bk_store, &report, JANUARY_MS, &bk_err));
	MUST(store_discrepancy_page(bk_store, true, 0, 10, keep_report, &d, &bk_err));
	cr_expect_str_eq(d.kind, "cost_differs");
	cr_expect_str_eq(d.subject, "req_000000000000000000000028");
	cr_expect_eq(d.found_ms, JANUARY_MS);
	cr_expect_eq(d.found_nano, d.expected_nano + 1);
	cr_expect_str_eq(d.text, report.first[0].text);
}

/* A run between full ones sees a forged balance by the total, at the cost of one look at the accounts. */
Test(books_reconcile, total_without_full)
{
	fill();
	MUST(store_books_roll_up(bk_store, &bk_err));
	bk_sql("UPDATE balances SET balance_nano = balance_nano + 9 WHERE account_id = 1");
	reconcile(false, 40);
	cr_assert_eq(report.differences, 1u);
	cr_expect_str_eq(report.first[0].kind, "total_not_zero");
	cr_expect_eq(report.first[0].found_nano, 9);
}
