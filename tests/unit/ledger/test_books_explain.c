/* Goal: K1, a charge is explained by its frozen rule and its tokens, and what doesn't follow from them is said so.
 * Method: one call of every source with figures computed by hand; then stored figures forged behind the store's back.
 */
#include "books_fixture.h"

TestSuite(books_explain, .init = bk_init, .fini = bk_done);

static struct books_explanation explain(int64_t id)
{
	struct request_id request = bk_request(id);
	struct books_explanation e;

	MUST(books_explain(bk_store, &request, &e, &bk_err));
	return e;
}

Test(books_explain, every_source)
{
	static const struct {
		enum usage_source source;
		uint64_t input, cached, output;
		int64_t cost_nano, price_nano;
		unsigned transfers;
	} rows[] = {
		/* 1000 x 1000 + 100 x 2000 = 1200000; / 0.8 = 1500000 */
		{USAGE_REPORTED, 1000, 0, 100, 1200000, 1500000, 2},
		/* (1000 - 600) x 1000 + 600 x 500 + 1 x 2000 = 702000; / 0.8 = 877500 */
		{USAGE_DRAINED, 1000, 600, 1, 702000, 877500, 2},
		{USAGE_ESTIMATED, 3, 0, 0, 3000, 3750, 2},
		{USAGE_RECOVERED, 0, 0, 7, 14000, 17500, 2},
		{USAGE_REPORTED, 0, 0, 0, 0, 0, 0}, /* an explicit zero stays zero */
		{USAGE_NONE, 1000, 0, 100, 0, 0, 0},
	};
	int64_t rule = bk_rule("openai", "gpt-4o-mini", "mini");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bk_call c = {.tenant = "acme",
				    .rule = rule,
				    .input = rows[i].input,
				    .cached = rows[i].cached,
				    .output = rows[i].output,
				    .source = rows[i].source,
				    .at_ms = NOVEMBER_MS + (int64_t)i};
		struct books_explanation e = explain(bk_call(&c));

		cr_expect(e.matches, "row %zu: %s", i, e.why);
		cr_expect(e.have_rule);
		cr_expect_str_eq(e.tenant, "acme");
		cr_expect_str_eq(e.rule.model, "mini");
		cr_expect_eq(e.record.source, rows[i].source);
		cr_expect_eq(e.record.cost_nano, rows[i].cost_nano, "row %zu", i);
		cr_expect_eq(e.record.price_nano, rows[i].price_nano, "row %zu", i);
		cr_expect_eq(e.n_transfers, rows[i].transfers, "row %zu: %zu transfers", i, e.n_transfers);
		if (rows[i].source == USAGE_NONE) {
			cr_expect(strstr(e.why, "nothing was delivered") != NULL, "%s", e.why);
			continue;
		}
		cr_expect_str_eq(e.why, "", "row %zu", i);
		cr_expect_eq(e.steps.price_nano, rows[i].price_nano);
		cr_expect_eq(e.steps.cost_nano, rows[i].cost_nano);
		cr_expect_eq(e.steps.margin_used_e12, 200000000000, "margin 0.2");
	}
}

Test(books_explain, voided_in_words)
{
	struct bk_call unreached = {.tenant = "acme", .at_ms = NOVEMBER_MS, .status = 503};
	struct bk_call expired = {.tenant = "acme",
				  .rule = bk_rule("openai", "gpt-4o", "big"),
				  .at_ms = NOVEMBER_MS,
				  .status = 504,
				  .flags = USAGE_FLAG_EXPIRED};
	struct books_explanation e = explain(bk_call(&unreached));

	cr_expect(e.matches && !e.have_rule);
	cr_expect(strstr(e.why, "no provider was reached (status 503)") != NULL, "%s", e.why);
	e = explain(bk_call(&expired));
	cr_expect(e.matches && e.have_rule);
	cr_expect(strstr(e.why, "status 504") && strstr(e.why, "the hold's time was over"), "%s", e.why);
}

Test(books_explain, overage_and_refunds_are_among_the_transfers)
{
	struct bk_call c = {.tenant = "acme",
			    .rule = bk_rule("openai", "gpt-4o", "big"),
			    .input = 1000,
			    .hold_nano = 1000000,
			    .source = USAGE_REPORTED,
			    .at_ms = NOVEMBER_MS};
	static const enum transfer_kind want[] = {TRANSFER_CHARGE, TRANSFER_OVERAGE, TRANSFER_COST, TRANSFER_REFUND};
	static const int64_t amounts[] = {1000000, 250000, 1000000, 50000};
	int64_t id = bk_call(&c);
	struct books_explanation e;

	bk_transfer(TRANSFER_REFUND, "acme", 50000, NOVEMBER_MS + 5, id);
	e = explain(id);
	cr_expect(e.matches, "%s", e.why);
	cr_assert_eq(e.n_transfers, ARRAY_SIZE(want));
	for (size_t i = 0; i < e.n_transfers; i++) {
		cr_expect_eq(e.transfers[i].kind, want[i], "transfer %zu", i);
		cr_expect_eq(e.transfers[i].amount_nano, amounts[i], "transfer %zu", i);
	}
}

/* More refunds than there is room for: the first transfers, and the sums are right all the same. */
Test(books_explain, many_refunds)
{
	struct bk_call c = {.tenant = "acme",
			    .rule = bk_rule("openai", "gpt-4o", "big"),
			    .input = 1000,
			    .source = USAGE_REPORTED,
			    .at_ms = NOVEMBER_MS};
	int64_t id = bk_call(&c);
	struct books_explanation e;

	for (unsigned i = 0; i < 20; i++)
		bk_transfer(TRANSFER_REFUND, "acme", 1, NOVEMBER_MS + 1, id);
	e = explain(id);
	cr_expect(e.matches, "%s", e.why);
	cr_expect_eq(e.n_transfers, ARRAY_SIZE(e.transfers));
}

Test(books_explain, forged)
{
	static const struct {
		const char *sql, *says;
	} rows[] = {
		{"UPDATE usage SET price_nano = 1250001 WHERE id = 1", "makes its price 0.00125, but 0.001250001"},
		{"UPDATE usage SET cost_nano = 999999 WHERE id = 1", "makes its cost 0.001, but 0.000999999"},
		{"UPDATE usage SET input_tokens = 1001 WHERE id = 1", "makes its price 0.00125125"},
		{"UPDATE usage SET cached_input_tokens = 2000 WHERE id = 1", "can't price its tokens"},
		{"UPDATE usage SET rule_id = 77 WHERE id = 1", "price rule 77 is not in the books"},
		{"UPDATE usage SET rule_id = 0 WHERE id = 1", "nothing to charge for (no provider was reached)"},
		{"UPDATE usage SET source = 0 WHERE id = 1", "nothing to charge for (nothing was delivered)"},
		{"UPDATE transfers SET amount_nano = 1249999 WHERE kind = 2",
		 "price is 0.00125, but its transfers come to 0.001249999"},
		{"UPDATE transfers SET amount_nano = 1 WHERE kind = 4",
		 "cost is 0.001, but its transfers come to 0.000000001"},
		{"UPDATE price_rules SET rate_input_nano = 2000000000", "makes its price 0.0025"},
	};
	struct bk_call c = {.tenant = "acme",
			    .rule = bk_rule("openai", "gpt-4o", "big"),
			    .input = 1000,
			    .source = USAGE_REPORTED,
			    .at_ms = NOVEMBER_MS};

	bk_call(&c);
	bk_sql("DROP TRIGGER usage_no_update; DROP TRIGGER transfers_no_update; DROP TRIGGER price_rules_no_update;"
	       "CREATE TABLE usage_true AS SELECT * FROM usage; CREATE TABLE transfers_true AS SELECT * FROM "
	       "transfers;");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct books_explanation e;

		bk_sql(rows[i].sql);
		e = explain(1);
		cr_expect(!e.matches, "row %zu: taken for true", i);
		cr_expect(strstr(e.why, rows[i].says) != NULL, "row %zu: \"%s\" doesn't say \"%s\"", i, e.why,
			  rows[i].says);
		bk_sql("DELETE FROM usage_sums; DROP TRIGGER IF EXISTS usage_no_delete;"
		       "DROP TRIGGER IF EXISTS transfers_no_delete; DELETE FROM usage; DELETE FROM transfers;"
		       "INSERT INTO usage SELECT * FROM usage_true; INSERT INTO transfers SELECT * FROM "
		       "transfers_true;");
	}
}

Test(books_explain, no_such_request)
{
	struct request_id id = bk_request(99);
	struct books_explanation e;

	REFUSED(books_explain(bk_store, &id, &e, &bk_err), ERR_NOT_FOUND, "req_000000000000000000000063: the books");
}
