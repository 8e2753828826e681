/* Goal: statements say what was settled, to people and programs, and a tenant's never says what its calls cost us.
 * Method: one settled month, the whole texts; JSON read back by jansson; CSV by a small reader; hostile names. */
#include "books_fixture.h"

#include <jansson.h>
#include <stdlib.h>

TestSuite(books_statement, .init = bk_init, .fini = bk_done);

#define CENT 10000000ll

static struct buf out;

static int render(const char *period, const char *tenant, enum books_format format, bool draft)
{
	struct books_statement_opts o = {
		.period = period, .tenant = tenant, .format = format, .draft = draft, .now_ms = DECEMBER_MS};

	buf_reset(&out);
	return books_statement(bk_store, &o, &out, &bk_err);
}

/* November: acme has two models, a deposit and a refund, beta a call without a provider. */
static void fill(void)
{
	int64_t mini = bk_rule("openai", "gpt-4o-mini", "mini"), big = bk_rule("openai", "gpt-4o", "big");
	struct bk_call calls[] = {
		{.tenant = "acme", .rule = mini, .input = 8000, .cached = 800, .output = 3, .at_ms = NOVEMBER_MS},
		{.tenant = "acme", .rule = big, .input = 80000, .hold_nano = 90 * CENT / 10, .at_ms = NOVEMBER_MS + 1},
		{.tenant = "beta", .at_ms = NOVEMBER_MS + 2, .status = 503},
	};
	struct store_settlement p;
	int64_t id;

	bk_transfer(TRANSFER_DEPOSIT, "acme", 10 * MONEY_NANO, OCTOBER_MS, 0);
	MUST(books_settle(bk_store, "ops", "2026-10", NOVEMBER_MS, &p, &bk_err));
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		calls[i].source = calls[i].rule ? USAGE_REPORTED : USAGE_NONE;
		id = bk_call(&calls[i]);
		if (i == 1)
			bk_transfer(TRANSFER_REFUND, "acme", CENT, NOVEMBER_MS + 1, id);
	}
	MUST(books_settle(bk_store, "ops", "2026-11", DECEMBER_MS + 300000, &p, &bk_err));
}

/* mini: (7200 x 1000 + 800 x 500 + 3 x 2000) / 0.8 = 9507500; big: 80000 x 1250 = 10 cents, 1 above its hold. */
Test(books_statement, text_of_a_tenant)
{
	static const char want[] =
		"STATEMENT\n"
		"\n"
		"Tenant    acme\n"
		"Period    2026-11 (2026-11-01 to 2026-11-30, UTC)\n"
		"Currency  USD\n"
		"Status    settled on 2026-12-01 at 00:05 by ops\n"
		"\n"
		"Calls by model\n"
		"  model  calls  input tokens  of them cached  output tokens     amount\n"
		"  big        1         80000               0              0  0.10\n"
		"  mini       1          8000             800              3  0.0095075\n"
		"  --------------------------------------------------------------------\n"
		"  total      2         88000             800              3  0.1095075\n"
		"\n"
		"Account\n"
		"  opening balance                 10.00\n"
		"  charges                      2  -0.0995075\n"
		"  charges above what was held  1  -0.01\n"
		"  refunds                      1   0.01\n"
		"  ------------------------------------------\n"
		"  closing balance                  9.9004925\n"
		"\n"
		"Invoice\n"
		"  charges                   0.1095075\n"
		"  less refunds             -0.01\n"
		"  carried in                0.00\n"
		"  -----------------------------------\n"
		"  invoice, in whole cents   0.10\n"
		"  carried out              -0.0004925\n"
		"\n"
		"  Calls are charged exactly, invoices are in whole cents. What rounding leaves over (at most half a\n"
		"  cent, either way) is carried to the next invoice, so that invoices add up to the exact charges.\n";

	fill();
	MUST(render("2026-11", "acme", BOOKS_TEXT, false));
	cr_expect_str_eq(out.data, want, "\n%s", out.data);
}

Test(books_statement, text_of_the_whole)
{
	static const char *const says[] = {
		"SETTLEMENT\n\nPeriod    2026-11",
		"  acme        2  0.1095075     0.01          0.00        0.00     0.10   -0.0004925  9.9004925\n",
		"  beta        1  0.00          0.00          0.00        0.00     0.00    0.00       0.00\n",
		"Payable to providers\n",
		"  openai    gpt-4o           1         80000               0              0  0.08\n",
		"  openai    gpt-4o-mini      1          8000             800              3  0.007606\n",
		"Result (3 calls)\n",
		"  revenue                   0.0995075\n",
		"  less cost                -0.087606\n",
		"  margin                    0.0119015\n",
		"  11.96 % of the revenue\n",
		"\nSHA-256 ",
	};

	fill();
	MUST(render("2026-11", NULL, BOOKS_TEXT, false));
	for (size_t i = 0; i < ARRAY_SIZE(says); i++)
		cr_expect(strstr(out.data, says[i]) != NULL, "it doesn't say \"%s\":\n%s", says[i], out.data);
}

static const char *text(const json_t *o, const char *name)
{
	const char *v = json_string_value(json_object_get(o, name));

	return v ? v : "(none)";
}

Test(books_statement, json)
{
	json_t *doc, *t;

	fill();
	MUST(render("2026-11", NULL, BOOKS_JSON, false));
	doc = json_loads(out.data, JSON_REJECT_DUPLICATES, NULL);
	cr_assert_not_null(doc, "%s", out.data);
	cr_expect_str_eq(text(doc, "currency"), "USD");
	cr_expect_eq(json_integer_value(json_object_get(doc, "calls")), 3);
	cr_expect_str_eq(text(doc, "charges"), "0.1095075");
	cr_expect_str_eq(text(doc, "refunds"), "0.01");
	cr_expect_str_eq(text(doc, "revenue"), "0.0995075");
	cr_expect_str_eq(text(doc, "cost"), "0.087606");
	cr_expect_str_eq(text(doc, "margin"), "0.0119015");
	cr_expect_str_eq(text(doc, "margin_percent"), "11.96");
	cr_expect_eq(strlen(text(doc, "hash")), 64u);
	cr_expect_eq(json_array_size(json_object_get(doc, "payables")), 2u);
	cr_assert_eq(json_array_size(json_object_get(doc, "tenants")), 2u);
	t = json_array_get(json_object_get(doc, "tenants"), 0);
	cr_expect_str_eq(text(t, "tenant"), "acme");
	cr_expect_str_eq(text(t, "invoice"), "0.10");
	cr_expect_str_eq(text(t, "amount"), "0.0995075");
	cr_expect_eq(json_array_size(json_object_get(t, "models")), 2u);
	cr_expect_eq(json_array_size(json_object_get(t, "transfers")), 3u);
	t = json_array_get(json_object_get(doc, "tenants"), 1);
	cr_expect(json_is_null(json_object_get(json_array_get(json_object_get(t, "models"), 0), "model")));
	json_decref(doc);

	MUST(render("2026-11", "acme", BOOKS_JSON, false));
	doc = json_loads(out.data, JSON_REJECT_DUPLICATES, NULL);
	cr_assert_not_null(doc, "%s", out.data);
	cr_expect_str_eq(text(doc, "tenant"), "acme");
	cr_expect_str_eq(text(doc, "opening_balance"), "10.00");
	cr_expect_str_eq(text(doc, "closing_balance"), "9.9004925");
	cr_expect_str_eq(text(doc, "carried_out"), "-0.0004925");
	json_decref(doc);
}

Test(books_statement, csv_of_a_tenant)
{
	static const char want[] =
		"period,currency,status,account,line,item,calls,input_tokens,cached_input_tokens,cache_write_tokens,"
		"output_tokens,amount\r\n"
		"2026-11,USD,settled,acme,opening_balance,,,,,,,10.00\r\n"
		"2026-11,USD,settled,acme,usage,big,1,80000,0,0,0,0.10\r\n"
		"2026-11,USD,settled,acme,usage,mini,1,8000,800,0,3,0.0095075\r\n"
		"2026-11,USD,settled,acme,transfers,charge,2,,,,,-0.0995075\r\n"
		"2026-11,USD,settled,acme,transfers,overage,1,,,,,-0.01\r\n"
		"2026-11,USD,settled,acme,transfers,refund,1,,,,,0.01\r\n"
		"2026-11,USD,settled,acme,closing_balance,,,,,,,9.9004925\r\n"
		"2026-11,USD,settled,acme,charges,,2,88000,800,0,3,0.1095075\r\n"
		"2026-11,USD,settled,acme,amount,,,,,,,0.0995075\r\n"
		"2026-11,USD,settled,acme,carried_in,,,,,,,0.00\r\n"
		"2026-11,USD,settled,acme,invoice,,,,,,,0.10\r\n"
		"2026-11,USD,settled,acme,carried_out,,,,,,,-0.0004925\r\n";

	fill();
	MUST(render("2026-11", "acme", BOOKS_CSV, false));
	cr_expect_str_eq(out.data, want, "\n%s", out.data);
	MUST(render("2026-11", NULL, BOOKS_CSV, false));
	cr_expect_not_null(strstr(out.data, "2026-11,USD,settled,openai,payable,gpt-4o,1,80000,0,0,0,0.08\r\n"));
	cr_expect_not_null(strstr(out.data, "2026-11,USD,settled,,total_margin,,,,,,,0.0119015\r\n"));
}

/* Nothing in a tenant's statement is provider's: neither names nor amounts of cost and margin. */
Test(books_statement, a_tenant_sees_no_cost)
{
	static const char *const secrets[] = {"openai", "gpt-4o", "0.08\n", "0.08\"", "0.08\r",
					      "0.0876", "margin", "cost",   "beta"};

	fill();
	for (unsigned format = BOOKS_TEXT; format <= BOOKS_CSV; format++) {
		MUST(render("2026-11", "acme", (enum books_format)format, false));
		for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
			cr_expect(strstr(out.data, secrets[i]) == NULL, "format %u says \"%s\":\n%s", format,
				  secrets[i], out.data);
	}
}

/* RFC 4180 quoting, and no text that a spreadsheet computes. */
Test(books_statement, csv_of_hostile_names)
{
	static const struct {
		const char *model, *cell;
	} rows[] = {
		{"=1+1", ",\"'=1+1\","},  {"+a", ",\"'+a\","},
		{"-a", ",\"'-a\","},      {"@a", ",\"'@a\","},
		{"\ta", ",\"'\ta\","},    {"a,b", ",\"a,b\","},
		{"a\"b", ",\"a\"\"b\","}, {"a\nb", ",\"a\nb\","},
		{"a=b", ",a=b,"},         {"=\"x\"", ",\"'=\"\"x\"\"\","},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bk_call c = {.tenant = "acme",
				    .rule = bk_rule("openai", "m", rows[i].model),
				    .input = 1,
				    .source = USAGE_REPORTED,
				    .at_ms = NOVEMBER_MS};

		bk_call(&c);
	}
	MUST(render("2026-11", "acme", BOOKS_CSV, true));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect(strstr(out.data, rows[i].cell) != NULL, "no cell %s in\n%s", rows[i].cell, out.data);
	MUST(render("2026-11", "acme", BOOKS_TEXT, true));
	cr_expect_not_null(strstr(out.data, "a?b"), "controls don't reach a terminal");
	cr_expect_not_null(strstr(out.data, "DRAFT"));
}

Test(books_statement, refused)
{
	bk_account(ACCOUNT_TENANT, "idle");
	fill();
	REFUSED(render("2026-12", NULL, BOOKS_TEXT, false), ERR_NOT_FOUND, "2026-12 is not settled");
	REFUSED(render("2026-13", NULL, BOOKS_TEXT, false), ERR_INVAL, "no such month");
	REFUSED(render("2026-11", NULL, BOOKS_TEXT, true), ERR_EXISTS, "no draft of it any more");
	REFUSED(render("2027-01", NULL, BOOKS_TEXT, true), ERR_INVAL, "has not begun");
	REFUSED(render("2026-11", "nobody", BOOKS_TEXT, false), ERR_NOT_FOUND, "\"nobody\" has no statement");
	REFUSED(render("2026-11", "openai", BOOKS_TEXT, false), ERR_NOT_FOUND, "\"openai\" has no statement");
	REFUSED(render("2026-12", "nobody", BOOKS_TEXT, true), ERR_NOT_FOUND, "\"nobody\" has no account");
	REFUSED(render("2026-12", "idle", BOOKS_TEXT, true), ERR_NOT_FOUND, "no statement");
	out.max = 100;
	REFUSED(render("2026-11", NULL, BOOKS_TEXT, false), ERR_FULL, "longer than");
}

/* A draft is what the settlement then says. */
Test(books_statement, draft_then_settled)
{
	struct bk_call c = {.tenant = "acme",
			    .rule = bk_rule("openai", "m", "big"),
			    .input = 12345,
			    .source = USAGE_REPORTED,
			    .at_ms = NOVEMBER_MS};
	char *draft;
	struct store_settlement p;

	bk_call(&c);
	MUST(render("2026-11", "acme", BOOKS_CSV, true));
	draft = buf_steal(&out);
	cr_assert_not_null(draft);
	MUST(books_settle(bk_store, "ops", "2026-11", DECEMBER_MS, &p, &bk_err));
	MUST(render("2026-11", "acme", BOOKS_CSV, false));
	for (char *at; (at = strstr(draft, ",draft,"));) {
		char *tail = strdup(at + strlen(",draft,"));

		/* "settled" is two letters longer: compare piece by piece */
		*at = '\0';
		cr_assert_eq(strncmp(draft, out.data, strlen(draft)), 0, "%s\n%s", draft, out.data);
		buf_consume(&out, strlen(draft));
		cr_assert_eq(strncmp(out.data, ",settled,", 9), 0);
		buf_consume(&out, 9);
		free(draft);
		draft = tail;
	}
	cr_expect_str_eq(draft, out.data);
	free(draft);
}
