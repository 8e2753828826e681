/* Goal: a provider's CSV is read as it is meant or refused with every error's line. Method: tables of texts, accepted
 * with their values, refused with line and words. */
#include "ledger/books.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct store_invoice_line *lines;
static struct books_invoice_error errors[8];
static size_t n_lines, n_errors;
static struct err err;

static int parse(const char *text, size_t len)
{
	free(lines);
	lines = NULL;
	n_lines = 0;
	n_errors = ARRAY_SIZE(errors);
	memset(&err, 0, sizeof(err));
	return books_invoice_parse(text, len, &lines, &n_lines, errors, &n_errors, &err);
}

static void done(void)
{
	free(lines);
}

TestSuite(books_invoice_csv, .fini = done);

Test(books_invoice_csv, one_line_in_many_spellings)
{
	static const char *const texts[] = {
		"model,amount,calls\ngpt-4o,12.5,7\n",
		"model,amount,calls\r\ngpt-4o,12.5,7\r\n",
		"model,amount,calls\ngpt-4o,12.5,7", /* no end of line at the end */
		"\xef\xbb\xbfmodel,amount,calls\ngpt-4o,12.5,7\n",
		"\xef\xbb\xbf\"model\",\"amount\",\"calls\"\r\n\"gpt-4o\",\"12.5\",\"7\"\r\n",
		"calls,amount,model\n7,12.5,gpt-4o\n",
		"Model, AMOUNT ,Calls\n gpt-4o , 12.50\t, 7\n",
		"\n\r\n  \nmodel,amount,calls\n\n\ngpt-4o,12.500000000,7\n\n\n",
		"model,amount,calls\n\"gpt-4o\" ,\t\"12.5\" , \"7\"\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cr_assert_eq(parse(texts[i], strlen(texts[i])), 0, "text %zu: %s", i, err.msg);
		cr_assert_eq(n_lines, 1u);
		cr_expect_str_eq(lines[0].model, "gpt-4o");
		cr_expect_eq(lines[0].amount_nano, 12500000000);
		cr_expect_eq(lines[0].calls, 7u);
		cr_expect_eq(lines[0].input_tokens, UINT64_MAX, "absent: the invoice doesn't say");
		cr_expect_eq(lines[0].output_tokens, UINT64_MAX);
	}
}

Test(books_invoice_csv, values)
{
	static const char text[] = "model,input_tokens,cached_input_tokens,output_tokens,amount\n"
				   "\"a, \"\"quoted\"\" one\",9007199254740992,0,1,-3.10\n"
				   "modèle,,,,0.000000001\n"
				   "c,10,10,0,9223372036.854775807\n";

	cr_assert_eq(parse(text, strlen(text)), 0, "%s", err.msg);
	cr_assert_eq(n_lines, 3u);
	cr_expect_str_eq(lines[0].model, "a, \"quoted\" one");
	cr_expect_eq(lines[0].input_tokens, USAGE_TOKENS_MAX);
	cr_expect_eq(lines[0].cached_input_tokens, 0u);
	cr_expect_eq(lines[0].amount_nano, -3100000000, "a credit");
	cr_expect_str_eq(lines[1].model, "modèle");
	cr_expect_eq(lines[1].input_tokens, UINT64_MAX, "an empty cell: the invoice doesn't say");
	cr_expect_eq(lines[1].amount_nano, 1);
	cr_expect_eq(lines[2].amount_nano, INT64_MAX);
}

#define HEAD "model,amount,calls,input_tokens,cached_input_tokens,output_tokens\n"

Test(books_invoice_csv, refused_with_line_and_reason)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *says;
	} rows[] = {
		{"", 1, "empty"},
		{"\n\n", 1, "empty"},
		{"\xef\xbb\xbf", 1, "empty"},
		{"model,amount\n", 1, "no lines"},
		{"model\ngpt-4o\n", 1, "\"amount\" is missing"},
		{"amount\n1\n", 1, "\"model\" is missing"},
		{"model,amount,price\na,1,1\n", 1, "no such column \"price\"; known ones: model, amount, calls"},
		{"model,amount,\na,1,\n", 1, "no such column \"\""},
		{"model,amount,Model\na,1,b\n", 1, "twice"},
		{"\n\nmodel,amount\na,1\nb\n", 5, "1 cells, but the header has 2"},
		{"model,amount\na,1,2\n", 2, "3 cells"},
		{"model,amount\n,1\n", 2, "model: 0 bytes"},
		{"model,amount\na,\n", 2, "amount: missing"},
		{"model,amount\na,1e3\n", 2, "\"1e3\" is not a number"},
		{"model,amount\na,+1\n", 2, "not a number"},
		{"model,amount\na,\"1,234.56\"\n", 2, "thousands separator"},
		{"model,amount\na,$1\n", 2, "not a number"},
		{"model,amount\na,1.0000000001\n", 2, "nine decimals"},
		{"model,amount\na,NaN\n", 2, "not a number"},
		{"model,amount\na,9223372036.854775808\n", 2, "too large"},
		{"model,amount\na,9223372036\nb,9223372036\n", 3, "the sum of all lines is too large"},
		{HEAD "a,1,-1,,,\n", 2, "calls: \"-1\" is not a whole number"},
		{HEAD "a,1,1.5,,,\n", 2, "calls"},
		{HEAD "a,1,,9007199254740993,,\n", 2, "input_tokens: \"9007199254740993\""},
		{HEAD "a,1,,99999999999999999999999,,\n", 2, "input_tokens"},
		{HEAD "a,1,,5,6,\n", 2, "6 of 5 input tokens"},
		{"model,amount\na,1\nb,2\na,3\n", 4, "model \"a\" is in line 2 already"},
		{"model,amount\na,1\n\"b,2\n\nc,3\n", 3, "not closed"},
		{"model,amount\n\"a\"x,1\n", 2, "between a closing quotation mark and the comma"},
		{"model,amount\na\"b,1\n", 2, "a quotation mark inside"},
		{"model,amount\n\"a\nb\",1\n", 2, "control characters"},
		{"model,amount\na\tb,1\n", 2, "control characters"},
		{"model,amount\n\xff\xfe,1\n", 2, "not UTF-8"},
		/* a row over two lines: the next one's number is right */
		{"model,amount\n\"a\n\n\",1\nb,x\n", 2, "control characters"},
		{",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\n", 1, "at most 32"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cr_expect_eq(parse(rows[i].text, strlen(rows[i].text)), ERR_INVAL, "row %zu was taken", i);
		cr_assert_gt(n_errors, 0u, "row %zu", i);
		cr_expect_eq(errors[0].line, rows[i].line, "row %zu: line %u: %s", i, errors[0].line, errors[0].msg);
		cr_expect(strstr(errors[0].msg, rows[i].says) != NULL, "row %zu: \"%s\" doesn't say \"%s\"", i,
			  errors[0].msg, rows[i].says);
		cr_expect_null(lines, "nothing is given out");
	}
}

/* All at once, in order of lines, also those found last. */
Test(books_invoice_csv, every_error)
{
	static const char text[] = "model,amount,calls\n"
				   "a,1,1\n"
				   "b,x,y\n"
				   "a,2,2\n"
				   "c\n"
				   "d,1,1\n"
				   "a,3,3\n";
	static const unsigned want[] = {3, 3, 4, 5, 7};

	cr_assert_eq(parse(text, strlen(text)), ERR_INVAL);
	cr_assert_eq(n_errors, ARRAY_SIZE(want));
	for (size_t i = 0; i < n_errors; i++)
		cr_expect_eq(errors[i].line, want[i], "error %zu is of line %u: %s", i, errors[i].line, errors[i].msg);
	cr_expect(strstr(err.msg, "5 errors") != NULL, "%s", err.msg);
}

/* More errors than there is room for: the first ones, and how many there are. */
Test(books_invoice_csv, bounded_errors)
{
	char text[4096] = "model,amount\n";
	size_t none = 0;

	for (unsigned i = 0; i < 100; i++)
		strcat(text, "a,x\n");
	cr_assert_eq(parse(text, strlen(text)), ERR_INVAL);
	cr_expect_eq(n_errors, ARRAY_SIZE(errors));
	cr_expect_eq(errors[7].line, 9u);
	cr_expect(strstr(err.msg, "100 errors") != NULL, "%s", err.msg);
	cr_expect_eq(books_invoice_parse(text, strlen(text), &lines, &n_lines, NULL, &none, &err), ERR_INVAL);
	cr_expect_eq(none, 0u);
}

Test(books_invoice_csv, bytes_that_are_no_text)
{
	static const char nul[] = "model,amount\na\0b,1\nc,1\0\n";

	cr_assert_eq(parse(nul, sizeof(nul) - 1), ERR_INVAL);
	cr_expect_eq(n_errors, 2u);
	cr_expect_eq(errors[0].line, 2u);
	cr_expect_eq(errors[1].line, 3u);
}

Test(books_invoice_csv, many_lines)
{
	static const unsigned n = 100000;
	char *text = malloc(n * 24 + 64), *at = text;

	cr_assert_not_null(text);
	at += sprintf(at, "amount,model\r\n");
	for (unsigned i = 0; i < n; i++)
		at += sprintf(at, "%u.%02u,m-%u\r\n", i, i % 100, i);
	cr_assert_eq(parse(text, (size_t)(at - text)), 0, "%s", err.msg);
	cr_assert_eq(n_lines, n);
	cr_expect_str_eq(lines[n - 1].model, "m-99999");
	cr_expect_eq(lines[n - 1].amount_nano, 99999990000000);
	at += sprintf(at, "1,one-too-many\r\n");
	cr_expect_eq(parse(text, (size_t)(at - text)), ERR_INVAL);
	cr_expect_eq(errors[0].line, n + 2);
	cr_expect(strstr(errors[0].msg, "more than 100000 lines") != NULL);
	free(text);
}
