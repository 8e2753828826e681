/* Goal: what is believed of a provider's usage report, and what isn't. Method: table rows of whole answers; the same
 * reports at the end of an answer too large to be kept, fed in pieces of every size. */
#include "dialect/dialect.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define U(input, cached, output, reasoning)                                                                            \
	{                                                                                                              \
		.input_tokens = input, .cached_input_tokens = cached, .output_tokens = output,                         \
		.reasoning_tokens = reasoning                                                                          \
	}
#define P "\"prompt_tokens\":"
#define C "\"completion_tokens\":"
#define T "\"total_tokens\":"
#define PD "\"prompt_tokens_details\":"
#define CD "\"completion_tokens_details\":"
#define REPORT(members) "{\"usage\":{" members "}}"
#define CHAT_REPORT(members) "{\"choices\":[{}],\"usage\":{" members "}}"

static const struct row {
	const char *body;
	int rc;
	struct usage usage;
	bool inconsistent;
} rows[] = {
	{CHAT_REPORT(P "9," C "12," T "21," PD "{\"cached_tokens\":3,\"audio_tokens\":0}," CD
		       "{\"reasoning_tokens\":5}"),
	 .usage = U(9, 3, 12, 5)},
	{REPORT(P "9," T "9"), .usage = U(9, 0, 0, 0)},
	{CHAT_REPORT(P "0," C "0," T "0"), .usage = U(0, 0, 0, 0)},
	{REPORT(P "9," C "null," PD "null"), .usage = U(9, 0, 0, 0)},
	{CHAT_REPORT(P "9," C "1," PD "{}," CD "{\"reasoning_tokens\":null}"), .usage = U(9, 0, 1, 0)},
	{"{\"usage\":{" P "1," C "2},\"choices\":[{\"usage\":{" P "77," C "1}}]}", .usage = U(1, 0, 2, 0)},
	/* a part may be its whole, and the largest count is one */
	{CHAT_REPORT(P "9," C "12," PD "{\"cached_tokens\":9}," CD "{\"reasoning_tokens\":12}"),
	 .usage = U(9, 9, 12, 12)},
	{CHAT_REPORT(P "9007199254740992," C "0"), .usage = U(USAGE_TOKENS_MAX, 0, 0, 0)},
	/* OpenAI's input has nothing written to a cache apart */
	{CHAT_REPORT(P "9," C "1," PD "{\"cached_tokens\":1,\"cache_write_tokens\":5}"), .usage = U(9, 1, 1, 0)},
	/* totals */
	{CHAT_REPORT(P "9," C "12," T "22"), .usage = U(9, 0, 12, 0), .inconsistent = true},
	{CHAT_REPORT(P "9," C "12," T "0"), .usage = U(9, 0, 12, 0), .inconsistent = true},
	{CHAT_REPORT(P "9," C "12," T "\"21\""), .usage = U(9, 0, 12, 0), .inconsistent = true},
	{CHAT_REPORT(P "9," C "12," T "-21"), .usage = U(9, 0, 12, 0), .inconsistent = true},
	{CHAT_REPORT(P "9," C "12," T "null"), .usage = U(9, 0, 12, 0)},
	{REPORT(P "9," T "10"), .usage = U(9, 0, 0, 0), .inconsistent = true},
	/* nothing */
	{"{\"usage\":null}", .rc = ERR_NOT_FOUND},
	{"{\"choices\":[]}", .rc = ERR_NOT_FOUND},
	{REPORT(""), .rc = ERR_NOT_FOUND},
	{REPORT("\"queue_time\":0.1"), .rc = ERR_NOT_FOUND},
	/* malformed */
	{"{\"usage\":[1]}", .rc = ERR_INVAL},
	{"{\"usage\":5}", .rc = ERR_INVAL},
	{"{\"usage\":\"9\"}", .rc = ERR_INVAL},
	{REPORT(P "null," C "null"), .rc = ERR_INVAL},
	{REPORT(T "9"), .rc = ERR_INVAL},
	{REPORT(C "9"), .rc = ERR_INVAL},
	{CHAT_REPORT(P "9"), .rc = ERR_INVAL},
	{CHAT_REPORT(P "9," C "null"), .rc = ERR_INVAL},
	{REPORT(P "-1"), .rc = ERR_INVAL},
	{REPORT(P "-0"), .rc = ERR_INVAL},
	{REPORT(P "1.5"), .rc = ERR_INVAL},
	{REPORT(P "1.0"), .rc = ERR_INVAL},
	{REPORT(P "1e3"), .rc = ERR_INVAL},
	{REPORT(P "\"1\""), .rc = ERR_INVAL},
	{REPORT(P "true"), .rc = ERR_INVAL},
	{CHAT_REPORT(P "1," C "\"2\""), .rc = ERR_INVAL},
	{CHAT_REPORT(P "1," C "2," PD "7"), .rc = ERR_INVAL},
	{CHAT_REPORT(P "1," C "2," PD "{\"cached_tokens\":\"1\"}"), .rc = ERR_INVAL},
	{CHAT_REPORT(P "1," C "2," PD "{\"cached_tokens\":2}"), .rc = ERR_INVAL},
	{CHAT_REPORT(P "1," C "2," CD "{\"reasoning_tokens\":3}"), .rc = ERR_INVAL},
	{REPORT(P "9007199254740993"), .rc = ERR_INVAL},
	{REPORT(P "18446744073709551616"), .rc = ERR_INVAL},
	{CHAT_REPORT(P "1," C "9007199254740993"), .rc = ERR_INVAL},
	/* no JSON object */
	{"{\"usage\":{" P "1}", .rc = ERR_PROTO},
	{"[]", .rc = ERR_PROTO},
	{"<html>", .rc = ERR_PROTO},
	{"", .rc = ERR_PROTO},
};

static void check(const struct row *r, int rc, int want_rc, const struct usage *u, bool inconsistent)
{
	struct usage untouched;

	memset(&untouched, 7, sizeof(untouched));
	cr_assert_eq(rc, want_rc, "%s: %d", r->body, rc);
	cr_assert_arr_eq(u, rc ? &untouched : &r->usage, sizeof(*u), "%s", r->body);
	cr_assert_eq(inconsistent, rc ? true : r->inconsistent, "%s", r->body);
}

/* A report of embeddings has no completion_tokens. */
static enum wire wire_of(const char *body)
{
	return strstr(body, "\"choices\"") ? WIRE_OPENAI_CHAT : WIRE_OPENAI_EMBEDDINGS;
}

Test(usage, of_answers)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool inconsistent = true; /* untouched on failure */
		struct usage u;
		int rc;

		memset(&u, 7, sizeof(u));
		rc = dialect_answer_usage(wire_of(rows[i].body), rows[i].body, strlen(rows[i].body), &u, &inconsistent);
		check(&rows[i], rc, rows[i].rc, &u, inconsistent);
	}
}

/* ---- the tail of what is too large to be kept */

static void feed_all(struct dialect_tail *t, const char *data, size_t len, size_t step)
{
	t->len = 0;
	for (size_t i = 0; i < len; i += step) {
		size_t n = len - i < step ? len - i : step;
		char *piece = malloc(n); /* exact size, for ASan */

		memcpy(piece, data + i, n);
		dialect_tail_feed(t, piece, n);
		free(piece);
	}
}

static int tail_of(const char *text, size_t len, size_t step, struct usage *u, bool *inconsistent)
{
	struct dialect_tail t;

	memset(u, 7, sizeof(*u));
	*inconsistent = true;
	feed_all(&t, text, len, step);
	return dialect_tail_usage(&t, WIRE_OPENAI_EMBEDDINGS, u, inconsistent);
}

/* An embeddings answer, cut into pieces of any size: always the same. */
Test(tail, every_piece)
{
	static const struct row want = {"embeddings", .usage = U(8, 0, 0, 0)};
	struct buf b = BUF_INIT;
	struct usage u;
	bool inconsistent;
	int rc;

	buf_puts(&b, "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[");
	while (b.len < 3 * DIALECT_TAIL_BYTES)
		buf_puts(&b, "-0.0123456789,");
	buf_puts(&b, "1]}],\"model\":\"e\",\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}\n");
	for (size_t step = 1; step <= b.len; step++) {
		rc = tail_of(b.data, b.len, step, &u, &inconsistent);
		check(&want, rc, 0, &u, inconsistent);
	}
	/* Cut off anywhere, it is no complete answer, and what it said doesn't count. */
	for (size_t len = 0; len < b.len - 1; len++)
		cr_assert_eq(tail_of(b.data, len, 1000, &u, &inconsistent), ERR_NOT_FOUND, "%zu", len);
	buf_done(&b);
}

Test(tail, found)
{
	static const struct row tails[] = {
		{"...]}],\"usage\":{" P "1," C "2," T "3}}", .usage = U(1, 0, 2, 0)},
		{"...]}],\"usage\" : { " P " 1, " C "2 } , \"x\":{\"y\":[\"}\\\"\"]} }\r\n", .usage = U(1, 0, 2, 0)},
		{"\"usage\":{" P "1," PD "{\"cached_tokens\":1}}}", .usage = U(1, 1, 0, 0)},
		/* the last one of the answer itself, not one inside */
		{",\"usage\":{" P "1," C "2},\"x\":[{\"usage\":{" P "7," C "7}}]}", .usage = U(1, 0, 2, 0)},
		{",\"usage\":{" P "7," C "7},\"usage\":{" P "1," C "2," T "4}}", .usage = U(1, 0, 2, 0),
		 .inconsistent = true},
		/* in a text it is no member */
		{",\"content\":\"\\\"usage\\\":{\\\"prompt_tokens\\\":5}\"}", .rc = ERR_NOT_FOUND},
		{",\"a\":\"usage\",\"b\":{" P "1}}", .rc = ERR_NOT_FOUND},
		{",\"usage\":null}", .rc = ERR_NOT_FOUND},
		{",\"usage\"", .rc = ERR_NOT_FOUND},
		{",\"usage\":", .rc = ERR_NOT_FOUND},
		{",\"usage\":{" P "1},\"x\":\"", .rc = ERR_NOT_FOUND},
		{",\"usage\":{" P "1}}}", .rc = ERR_NOT_FOUND},
		{"age\":{" P "1}}", .rc = ERR_NOT_FOUND},
		{"", .rc = ERR_NOT_FOUND},
		{",\"usage\":{" P "\"1\"}}", .rc = ERR_INVAL},
		{",\"usage\":{" P "1,,}}", .rc = ERR_INVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		struct usage u;
		bool inconsistent;
		int rc = tail_of(tails[i].body, strlen(tails[i].body), 3, &u, &inconsistent);

		check(&tails[i], rc, tails[i].rc, &u, inconsistent);
	}
}
