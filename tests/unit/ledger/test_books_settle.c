/* Goal: K2 to K4, a settlement covers its period, all of it and nothing else, once; invoices in whole cents carry what
 * they leave over; sums agree with the records'. Method: hand-computed books. */
#include "books_fixture.h"

#include <stdlib.h>

TestSuite(books_settle, .init = bk_init, .fini = bk_done);

#define CENT 10000000ll

static struct store_settlement settle(const char *period, int64_t now_ms)
{
	struct store_settlement p;

	MUST(books_settle(bk_store, "ops", period, now_ms, &p, &bk_err));
	return p;
}

static int try_settle(const char *period, int64_t now_ms)
{
	struct store_settlement p;

	return books_settle(bk_store, "ops", period, now_ms, &p, &bk_err);
}

/* A call of `input` tokens: 1250 nano-units each. */
static int64_t call(const char *tenant, int64_t rule, uint64_t input, int64_t at_ms)
{
	struct bk_call c = {.tenant = tenant, .rule = rule, .input = input, .at_ms = at_ms, .source = USAGE_REPORTED};

	return bk_call(&c);
}

/* K2: the first and the last millisecond are in, the next one isn't. */
Test(books_settle, edges_of_the_period)
{
	int64_t rule = bk_rule("openai", "gpt-4o", "big");
	struct store_settlement p;
	struct bk_lines l;

	call("acme", rule, 1, OCTOBER_MS);
	call("acme", rule, 10, NOVEMBER_MS - 1);
	call("acme", rule, 100, NOVEMBER_MS);
	call("acme", rule, 1000, DECEMBER_MS - 1);
	call("acme", rule, 10000, DECEMBER_MS);
	p = settle("2026-10", DECEMBER_MS + 5);
	cr_expect_eq(p.calls, 2u);
	cr_expect_eq(p.price_nano, 11 * 1250);
	cr_expect_eq(p.last_usage_id, 2);
	cr_expect_eq(p.last_transfer_id, 4);
	cr_expect_str_eq(p.currency, "USD");
	cr_expect_str_eq(p.actor, "ops");
	p = settle("2026-11", DECEMBER_MS + 5);
	cr_expect_eq(p.calls, 2u);
	cr_expect_eq(p.price_nano, 1100 * 1250);
	cr_expect_eq(p.cost_nano, 1100 * 1000);
	cr_expect_eq(p.last_usage_id, 4);
	bk_lines("2026-11", "acme", &l);
	cr_expect_eq(bk_line(&l, STORE_LINE_STATEMENT, "acme", NULL)->opening_nano, -11 * 1250);
	cr_expect_eq(bk_line(&l, STORE_LINE_STATEMENT, "acme", NULL)->closing_nano, -1111 * 1250);
	free(l.v);
}

Test(books_settle, not_before_it_is_over_and_once)
{
	REFUSED(try_settle("2026-11", DECEMBER_MS - 1), ERR_INVAL, "not over before 2026-12-01T00:00Z");
	REFUSED(try_settle("2026-11-24", NOVEMBER_MS), ERR_INVAL, "not over");
	REFUSED(try_settle("2026-11x", JANUARY_MS), ERR_INVAL, "a month as 2026-11");
	settle("2026-11", DECEMBER_MS);
	REFUSED(try_settle("2026-11", JANUARY_MS), ERR_EXISTS, "settled already");
	MUST(books_settlement_verify(bk_store, "2026-11", &bk_err));
}

Test(books_settle, periods_follow_each_other)
{
	int64_t rule = bk_rule("openai", "gpt-4o", "big");

	call("acme", rule, 8, OCTOBER_MS + 5);
	REFUSED(try_settle("2026-11", JANUARY_MS), ERR_INVAL, "settle their period first");
	settle("2026-10", JANUARY_MS);
	call("acme", rule, 8, NOVEMBER_MS + 5);
	settle("2026-11-01", JANUARY_MS);
	REFUSED(try_settle("2026-11", JANUARY_MS), ERR_INVAL, "2026-11 and 2026-11-01 overlap");
	REFUSED(try_settle("2026-10-31", JANUARY_MS), ERR_INVAL, "2026-10-31 and 2026-10 overlap");
	REFUSED(try_settle("2026-09", JANUARY_MS), ERR_INVAL, "2026-1");
	bk_transfer(TRANSFER_DEPOSIT, "acme", 5, NOVEMBER_MS + 3 * DAY_MS, 0);
	REFUSED(try_settle("2026-12", JANUARY_MS), ERR_INVAL, "from 2026-11-02 to 2026-12-01");
	settle("2026-11-02", JANUARY_MS);
	settle("2026-11-04", JANUARY_MS); /* nothing moved on the third */
	settle("2026-12", JANUARY_MS);
}

/* Nothing moved, nothing is owed: no statement. A balance alone is worth one. */
Test(books_settle, empty_period)
{
	struct store_settlement p = settle("2026-10", JANUARY_MS);
	struct bk_lines l;

	cr_expect_eq(p.calls, 0u);
	bk_lines("2026-10", NULL, &l);
	cr_expect_eq(l.n, 0u);
	free(l.v);
	bk_transfer(TRANSFER_DEPOSIT, "acme", 5 * MONEY_NANO, NOVEMBER_MS, 0);
	bk_account(ACCOUNT_TENANT, "idle");
	settle("2026-11", JANUARY_MS);
	settle("2026-12", JANUARY_MS);
	bk_lines("2026-12", NULL, &l);
	cr_assert_eq(l.n, 1u);
	cr_expect_str_eq(l.v[0].account, "acme");
	cr_expect_eq(l.v[0].opening_nano, 5 * MONEY_NANO);
	cr_expect_eq(l.v[0].closing_nano, 5 * MONEY_NANO);
	cr_expect_eq(l.v[0].invoice_cents, 0);
	free(l.v);
	MUST(books_settlement_verify(bk_store, "2026-12", &bk_err));
}

/* K3, over three periods. In tokens of input a cent is 8000: 3000 tokens are 0.375 cents, rounded to 0 and carried;
 * with 2000 more 0.625, invoiced as 1 and -0.375 carried; with 27000 more (3.375) exactly 3.00. */
Test(books_settle, carry_chains)
{
	static const struct {
		const char *period;
		int64_t at_ms;
		uint64_t tokens;
		int64_t in_nano, cents, out_nano;
	} rows[] = {
		{"2026-10", OCTOBER_MS, 3000, 0, 0, 3750000},
		{"2026-11", NOVEMBER_MS, 2000, 3750000, 1, -3750000},
		{"2026-12", DECEMBER_MS, 27000, -3750000, 3, 0},
	};
	int64_t rule = bk_rule("openai", "gpt-4o", "big"), exact = 0, invoiced = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct store_settlement_line *s;
		struct bk_lines l;

		call("acme", rule, rows[i].tokens, rows[i].at_ms);
		exact += (int64_t)rows[i].tokens * 1250;
		settle(rows[i].period, JANUARY_MS);
		bk_lines(rows[i].period, "acme", &l);
		s = bk_line(&l, STORE_LINE_STATEMENT, "acme", NULL);
		cr_expect_eq(s->carried_in_nano, rows[i].in_nano, "%s", rows[i].period);
		cr_expect_eq(s->invoice_cents, rows[i].cents, "%s", rows[i].period);
		cr_expect_eq(s->carried_out_nano, rows[i].out_nano, "%s", rows[i].period);
		invoiced += s->invoice_cents * CENT;
		cr_expect_eq(exact, invoiced + s->carried_out_nano, "invoices never drift");
		free(l.v);
	}
}

/* Half a cent rounds away from zero; the tenant with a carry and nothing else keeps its statement and its carry. */
Test(books_settle, half_a_cent_and_a_month_without_calls)
{
	int64_t rule = bk_rule("openai", "gpt-4o", "big");
	const struct store_settlement_line *s;
	struct bk_lines l;

	call("acme", rule, CENT_TOKENS / 2, OCTOBER_MS);
	bk_transfer(TRANSFER_DEPOSIT, "acme", CENT / 2, OCTOBER_MS + 1, 0); /* balance zero */
	settle("2026-10", JANUARY_MS);
	bk_lines("2026-10", "acme", &l);
	s = bk_line(&l, STORE_LINE_STATEMENT, "acme", NULL);
	cr_expect(s->invoice_cents == 1 && s->carried_out_nano == -CENT / 2);
	free(l.v);
	settle("2026-11", JANUARY_MS);
	bk_lines("2026-11", "acme", &l);
	s = bk_line(&l, STORE_LINE_STATEMENT, "acme", NULL);
	cr_expect(s->opening_nano == 0 && s->closing_nano == 0 && s->calls == 0);
	cr_expect(s->carried_in_nano == -CENT / 2 && s->invoice_cents == -1 && s->carried_out_nano == CENT / 2,
		  "half a cent, either way, away from zero");
	free(l.v);
}

/* A refund belongs to the period it is made in; then the invoice can be a credit note. */
Test(books_settle, refund_in_a_later_period)
{
	int64_t rule = bk_rule("openai", "gpt-4o", "big"), id = call("acme", rule, 10 * CENT_TOKENS, OCTOBER_MS);
	const struct store_settlement_line *s;
	struct store_settlement p;
	struct bk_lines l;

	bk_transfer(TRANSFER_REFUND, "acme", 4 * CENT, NOVEMBER_MS, id);
	bk_transfer(TRANSFER_SLA_CREDIT, "acme", CENT, NOVEMBER_MS, 0);
	bk_transfer(TRANSFER_ADJUSTMENT, "acme", -CENT, NOVEMBER_MS, 0);
	p = settle("2026-10", JANUARY_MS);
	cr_expect(p.price_nano == 10 * CENT && p.refunds_nano == 0 && p.sla_nano == 0);
	p = settle("2026-11", JANUARY_MS);
	cr_expect(p.price_nano == 0 && p.refunds_nano == 4 * CENT && p.sla_nano == CENT && p.calls == 0);
	bk_lines("2026-11", "acme", &l);
	s = bk_line(&l, STORE_LINE_STATEMENT, "acme", NULL);
	cr_expect_eq(s->invoice_cents, -5,
		     "charges less refunds less compensation; adjustments are of the balance only");
	cr_expect_eq(s->opening_nano, -10 * CENT);
	cr_expect_eq(s->closing_nano, -6 * CENT);
	free(l.v);
}

/* K4, and what lines there are: rules of one public model are one line, of one upstream model one payable. */
Test(books_settle, sums_and_groups)
{
	int64_t mini_openai = bk_rule("openai", "gpt-4o-mini", "mini"),
		mini_azure = bk_rule("azure", "mini-eu", "mini"), big = bk_rule("openai", "gpt-4o", "big"),
		mini_twice = bk_rule("openai", "gpt-4o-mini", "small");
	struct bk_call none = {.tenant = "beta", .at_ms = NOVEMBER_MS + 9, .status = 503},
		       undelivered = {.tenant = "beta", .rule = big, .at_ms = NOVEMBER_MS + 9, .status = 502},
		       over = {.tenant = "beta",
			       .rule = big,
			       .output = 100,
			       .hold_nano = 200000,
			       .at_ms = NOVEMBER_MS + 9,
			       .source = USAGE_ESTIMATED};
	int64_t price = 0, cost = 0, invoiced = 0, carried = 0;
	struct store_settlement p;
	struct bk_lines l;

	call("acme", mini_openai, 100, NOVEMBER_MS);
	call("acme", mini_azure, 200, NOVEMBER_MS + 1);
	call("beta", mini_openai, 400, NOVEMBER_MS + 2);
	call("acme", mini_twice, 800, NOVEMBER_MS + 3);
	bk_call(&none);
	bk_call(&undelivered);
	bk_call(&over); /* 100 x 2000 / 0.8 = 250000, 50000 above the hold */
	p = settle("2026-11", DECEMBER_MS);
	bk_lines("2026-11", NULL, &l);

	cr_expect_eq(bk_line(&l, STORE_LINE_USAGE, "acme", "mini")->calls, 2u);
	cr_expect_eq(bk_line(&l, STORE_LINE_USAGE, "acme", "mini")->usage.input_tokens, 300u);
	cr_expect_eq(bk_line(&l, STORE_LINE_USAGE, "acme", "mini")->price_nano, 300 * 1250);
	cr_expect_eq(bk_line(&l, STORE_LINE_USAGE, "acme", "small")->price_nano, 800 * 1250);
	cr_expect_eq(bk_line(&l, STORE_LINE_USAGE, "beta", "")->calls, 1u, "no provider reached");
	cr_expect_eq(bk_line(&l, STORE_LINE_USAGE, "beta", "big")->calls, 2u, "also the one not delivered");
	cr_expect_eq(bk_line(&l, STORE_LINE_PAYABLE, "openai", "gpt-4o-mini")->cost_nano, 1300 * 1000);
	cr_expect_eq(bk_line(&l, STORE_LINE_PAYABLE, "openai", "gpt-4o-mini")->calls, 3u);
	cr_expect_eq(bk_line(&l, STORE_LINE_PAYABLE, "azure", "mini-eu")->cost_nano, 200 * 1000);
	cr_expect_eq(bk_line(&l, STORE_LINE_PAYABLE, "openai", "gpt-4o")->cost_nano, 200000);
	cr_expect(!bk_has_line(&l, STORE_LINE_USAGE, "beta", "small"));
	for (size_t i = 0; i < l.n; i++) {
		const struct store_settlement_line *s = &l.v[i];

		if (s->kind == STORE_LINE_STATEMENT) {
			price += s->price_nano;
			invoiced += s->invoice_cents * CENT;
			carried += s->carried_out_nano - s->carried_in_nano;
		} else if (s->kind == STORE_LINE_PAYABLE) {
			cost += s->cost_nano;
		}
	}
	cr_expect_eq(p.calls, 7u);
	cr_expect_eq(p.price_nano, 1500 * 1250 + 250000);
	cr_expect_eq(p.cost_nano, 1500 * 1000 + 200000);
	cr_expect_eq(price, p.price_nano, "K4");
	cr_expect_eq(cost, p.cost_nano, "K4");
	cr_expect_eq(invoiced + carried, price, "K3");
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i].kind == STORE_LINE_TRANSFERS && l.v[i].transfer_kind == TRANSFER_OVERAGE)
			cr_expect_eq(l.v[i].price_nano, -50000);
	free(l.v);
}

/* Sums read from roll-ups are those read from the records. */
Test(books_settle, rolled_up_or_not)
{
	int64_t rule = bk_rule("openai", "gpt-4o", "big");
	struct store_settlement_line *lines = NULL;
	struct store_settlement draft, p;
	size_t n = 0;

	for (unsigned i = 0; i < 200; i++) {
		call(i % 3 ? "acme" : "beta", rule, 1 + i * 7, NOVEMBER_MS + i * 3600000ll);
		if (i == 120)
			MUST(store_books_roll_up(bk_store, &bk_err));
	}
	MUST(books_draft(bk_store, "2026-11", NOVEMBER_MS + 201 * 3600000ll, &draft, &lines, &n, &bk_err));
	free(lines);
	p = settle("2026-11", DECEMBER_MS);
	cr_expect_eq(draft.calls, 200u);
	cr_expect(draft.calls == p.calls && draft.price_nano == p.price_nano && draft.cost_nano == p.cost_nano);
}

Test(books_settle, draft_stores_nothing)
{
	struct store_settlement_line *lines = NULL;
	struct store_settlement p;
	size_t n = 0;

	call("acme", bk_rule("openai", "gpt-4o", "big"), CENT_TOKENS, NOVEMBER_MS);
	REFUSED(books_draft(bk_store, "2026-12", NOVEMBER_MS, &p, &lines, &n, &bk_err), ERR_INVAL, "has not begun");
	MUST(books_draft(bk_store, "2026-11", NOVEMBER_MS + 1, &p, &lines, &n, &bk_err));
	cr_expect_eq(p.price_nano, CENT);
	cr_assert_eq(n, 4u, "statement, usage, charge, payable");
	free(lines);
	cr_expect_eq(store_settlement_get(bk_store, "2026-11", &p, &bk_err), ERR_NOT_FOUND);
	settle("2026-11", DECEMBER_MS);
}

/* Calls and transfers that disagree aren't settled. */
Test(books_settle, books_in_disorder)
{
	call("acme", bk_rule("openai", "gpt-4o", "big"), CENT_TOKENS, NOVEMBER_MS);
	bk_sql("DROP TRIGGER transfers_no_update; UPDATE transfers SET amount_nano = amount_nano + 1 WHERE kind = 2");
	REFUSED(try_settle("2026-11", DECEMBER_MS), ERR_CORRUPT,
		"tenant acme: the calls' prices come to 0.01, its charges to 0.010000001");
	bk_sql("UPDATE transfers SET amount_nano = amount_nano - 1 WHERE kind = 2;"
	       "UPDATE transfers SET amount_nano = amount_nano - 1 WHERE kind = 4; DELETE FROM transfer_sums;"
	       "UPDATE rolled_up SET transfer_id = 0; DELETE FROM balances; DELETE FROM transfer_blocks");
	REFUSED(try_settle("2026-11", DECEMBER_MS), ERR_CORRUPT, "provider openai");
}

Test(books_settle, altered_afterwards)
{
	static const char *const forgeries[] = {
		"UPDATE settlement_lines SET price_nano = price_nano + 1 WHERE kind = 1",
		"UPDATE settlement_lines SET invoice_cents = 0 WHERE kind = 0",
		"UPDATE settlement_lines SET account = 'bcme' WHERE kind = 1",
		"UPDATE settlement_lines SET model = 'bi', account = 'acmeg' WHERE kind = 1", /* same letters */
		"DELETE FROM settlement_lines WHERE kind = 3",
		"UPDATE settlement_lines SET id = 1000 WHERE kind = 1", /* another order */
		"UPDATE settlements SET actor = 'somebody'",
		"UPDATE settlements SET calls = calls + 1",
		"UPDATE settlements SET hash = zeroblob(32)",
	};

	call("acme", bk_rule("openai", "gpt-4o", "big"), CENT_TOKENS, NOVEMBER_MS);
	settle("2026-11", DECEMBER_MS);
	MUST(books_settlement_verify(bk_store, "2026-11", &bk_err));
	bk_sql("DROP TRIGGER settlements_no_update; DROP TRIGGER settlements_no_delete;"
	       "DROP TRIGGER settlement_lines_no_update; DROP TRIGGER settlement_lines_no_delete;"
	       "DROP TRIGGER settlement_lines_closed;"
	       "CREATE TABLE l AS SELECT * FROM settlement_lines; CREATE TABLE s AS SELECT * FROM settlements");
	for (size_t i = 0; i < ARRAY_SIZE(forgeries); i++) {
		bk_sql(forgeries[i]);
		cr_expect_eq(books_settlement_verify(bk_store, "2026-11", &bk_err), ERR_CORRUPT, "not seen: %s",
			     forgeries[i]);
		bk_sql("DELETE FROM settlement_lines; DELETE FROM settlements;"
		       "INSERT INTO settlement_lines SELECT * FROM l; INSERT INTO settlements SELECT * FROM s");
		MUST(books_settlement_verify(bk_store, "2026-11", &bk_err));
	}
	REFUSED(books_settlement_verify(bk_store, "2026-10", &bk_err), ERR_NOT_FOUND, "");
}

/* What is made beside the ledger thread is only stored when it still is all of the period. */
Test(books_settle, posted_between_make_and_put)
{
	struct books_settlement made = {.n = 0}, other = {.n = 0};
	int64_t rule = bk_rule("openai", "gpt-4o", "big");

	call("acme", rule, 8, NOVEMBER_MS);
	MUST(books_settle_make(bk_store, "ops", "2026-11", DECEMBER_MS, &made, &bk_err));
	call("acme", rule, 8, DECEMBER_MS - 1);
	REFUSED(books_settle_put(bk_store, &made, &bk_err), ERR_BUSY, "settle it again");
	books_settlement_done(&made);
	MUST(books_settle_make(bk_store, "ops", "2026-11", DECEMBER_MS, &made, &bk_err));
	call("acme", rule, 8, DECEMBER_MS); /* the next period's */
	MUST(books_settle_make(bk_store, "other", "2026-11", DECEMBER_MS, &other, &bk_err));
	MUST(books_settle_put(bk_store, &made, &bk_err));
	REFUSED(books_settle_put(bk_store, &other, &bk_err), ERR_EXISTS, "settled already");
	MUST(books_settlement_verify(bk_store, "2026-11", &bk_err));
	cr_expect_eq(made.head.calls, 2u);
	books_settlement_done(&made);
	books_settlement_done(&other);
}
