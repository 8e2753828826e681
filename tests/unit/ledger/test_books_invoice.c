/* Goal: an imported invoice is compared with our records model by model, and each difference is a sentence with both
 * figures. Method: one month's calls with hand-computed costs, invoices that deviate in one thing each. */
#include "books_fixture.h"

#include <stdlib.h>

TestSuite(books_invoice, .init = bk_init, .fini = bk_done);

static struct books_report report;

/* Of November at openai: big 3 calls, 3000 tokens in, 300 cached, 30 out: cost (2700 x 1000 + 300 x 500 + 30 x 2000) =
 * 0.00291; mini 1 call, 1000 in: 0.001. Another provider's and another month's calls don't count. */
static void fill(void)
{
	int64_t big = bk_rule("openai", "gpt-4o", "big"), mini = bk_rule("openai", "gpt-4o-mini", "mini"),
		other = bk_rule("azure", "gpt-4o", "big");
	struct bk_call calls[] = {
		{.rule = big, .input = 77, .at_ms = NOVEMBER_MS - 1},
		{.rule = big, .input = 1000, .cached = 300, .output = 10, .at_ms = NOVEMBER_MS},
		{.rule = big, .input = 1000, .output = 10, .at_ms = NOVEMBER_MS + 1},
		{.rule = other, .input = 99, .at_ms = NOVEMBER_MS + 2},
		{.rule = mini, .input = 1000, .at_ms = NOVEMBER_MS + 3},
		{.rule = big, .input = 1000, .output = 10, .at_ms = DECEMBER_MS - 1},
		{.rule = big, .input = 77, .at_ms = DECEMBER_MS},
	};
	struct bk_call failed = {.tenant = "acme", .rule = big, .at_ms = DECEMBER_MS - 1, .status = 502};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		calls[i].tenant = i % 2 ? "acme" : "beta";
		calls[i].source = USAGE_REPORTED;
		if (i == 6)
			bk_call(&failed); /* costs nothing, so it is on no invoice */
		bk_call(&calls[i]);
	}
}

static void compare(const char *csv, int64_t tolerance_nano)
{
	struct books_invoice_error errors[4];
	struct store_invoice_line *lines = NULL;
	size_t n = 0, n_errors = ARRAY_SIZE(errors);

	MUST(books_invoice_parse(csv, strlen(csv), &lines, &n, errors, &n_errors, &bk_err));
	MUST(store_invoice_put(bk_store, "ops", "openai", "2026-11", lines, n, &bk_err));
	free(lines);
	MUST(books_invoice_compare(bk_store, "openai", "2026-11", tolerance_nano, &report, &bk_err));
}

Test(books_invoice, each_difference)
{
	static const struct {
		const char *csv;
		int64_t tolerance_nano;
		uint64_t differences;
		const char *kind, *subject, *says;
	} rows[] = {
		{"model,amount\ngpt-4o,0.00291\ngpt-4o-mini,0.001\n", 0, 0, NULL, NULL, NULL},
		{"model,amount,calls,input_tokens,cached_input_tokens,output_tokens\n"
		 "gpt-4o-mini,0.001,1,1000,0,0\ngpt-4o,0.00291,3,3000,300,30\n",
		 0, 0, NULL, NULL, NULL},
		{"model,amount\ngpt-4o,0.00292\ngpt-4o-mini,0.001\n", 10000, 0, NULL, NULL, NULL},
		{"model,amount\ngpt-4o,0.00292\ngpt-4o-mini,0.001\n", 9999, 1, "invoice_amount_differs",
		 "openai 2026-11 gpt-4o", "gpt-4o: the invoice says 0.00292, our records come to 0.00291"},
		{"model,amount\ngpt-4o,0.00290\ngpt-4o-mini,0.001\n", 9999, 1, "invoice_amount_differs",
		 "openai 2026-11 gpt-4o", "the invoice says 0.0029, our records come to 0.00291"},
		{"model,amount\ngpt-4o,0.00291\n", 0, 1, "invoice_model_missing", "openai 2026-11 gpt-4o-mini",
		 "our records come to 0.001, but the invoice has no line"},
		{"model,amount\ngpt-4o,0.00291\ngpt-4o-mini,0.001\no3,12\n", 0, 1, "invoice_model_unknown",
		 "openai 2026-11 o3", "o3: the invoice says 12.00, but we have no call of it"},
		{"model,amount\na,-1\ngpt-4o,0.00291\ngpt-4o-mini,0.001\n", 0, 1, "invoice_model_unknown",
		 "openai 2026-11 a", "a: the invoice says -1.00"},
		{"model,amount,calls\ngpt-4o,0.00291,4\ngpt-4o-mini,0.001,\n", 0, 1, "invoice_calls_differ",
		 "openai 2026-11 gpt-4o", "the invoice says 4 calls, our records say 3 (+1)"},
		{"model,amount,input_tokens\ngpt-4o,0.00291,2999\ngpt-4o-mini,0.001,1000\n", 0, 1,
		 "invoice_input_differs", "openai 2026-11 gpt-4o", "2999 input tokens, our records say 3000 (-1)"},
		{"model,amount,cached_input_tokens\ngpt-4o,0.00291,0\ngpt-4o-mini,0.001,0\n", 0, 1,
		 "invoice_cached_differs", "openai 2026-11 gpt-4o", "0 cached input tokens, our records say 300"},
		{"model,amount,output_tokens\ngpt-4o,0.00291,31\ngpt-4o-mini,0.001,0\n", 0, 1, "invoice_output_differs",
		 "openai 2026-11 gpt-4o", "31 output tokens, our records say 30"},
		/* each within the tolerance, the sum not */
		{"model,amount\ngpt-4o,0.00292\ngpt-4o-mini,0.00101\n", 10000, 1, "invoice_total_differs",
		 "openai 2026-11 all models", "total is 0.00393, ours 0.00391"},
		{"model,amount\nx,1\n", 0, 3, "invoice_model_missing", "openai 2026-11 gpt-4o", "0.00291"},
	};

	fill();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		compare(rows[i].csv, rows[i].tolerance_nano);
		cr_expect_eq(report.differences, rows[i].differences, "row %zu: %zu, %s", i, report.n_first,
			     report.first[0].text);
		if (!rows[i].differences)
			continue;
		cr_expect_str_eq(report.first[0].kind, rows[i].kind, "row %zu", i);
		cr_expect_str_eq(report.subject[0], rows[i].subject, "row %zu", i);
		cr_expect(strstr(report.first[0].text, rows[i].says) != NULL, "row %zu: \"%s\" doesn't say \"%s\"", i,
			  report.first[0].text, rows[i].says);
	}
}

/* Imported again: the new one holds. What differs is one discrepancy per model and kind. */
Test(books_invoice, again)
{
	uint64_t open = 0;

	fill();
	for (unsigned i = 0; i < 2; i++) {
		compare("model,amount\ngpt-4o,5\no3,1\n", 0);
		cr_expect_eq(report.differences, 3u);
		MUST(books_record(bk_store, &report, DECEMBER_MS, &bk_err));
	}
	MUST(store_discrepancy_count(bk_store, &open, &bk_err));
	cr_expect_eq(open, 3u);
	compare("model,amount\ngpt-4o,0.00291\ngpt-4o-mini,0.001\n", 0);
	cr_expect_eq(report.differences, 0u);
	cr_expect_eq(report.records_checked, 2u);
}

Test(books_invoice, refused)
{
	fill();
	REFUSED(books_invoice_compare(bk_store, "openai", "2026-11", 0, &report, &bk_err), ERR_NOT_FOUND,
		"no invoice of \"openai\" was imported for 2026-11");
	REFUSED(books_invoice_compare(bk_store, "openai", "2026-1", 0, &report, &bk_err), ERR_INVAL, "a month as");
	REFUSED(books_invoice_compare(bk_store, "openai", "2026-11", -1, &report, &bk_err), ERR_INVAL, "negative");
}
