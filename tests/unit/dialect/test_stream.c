/* Goal: dialect.h's D1 to D4 for OpenAI's chat streams on the same wire. Method: streams as providers send them
 * (official shape, CRLF, comments, no blank, usage with choices, errors, cut off, more behind [DONE]), each fed whole,
 * cut in two at every byte, in three, and byte by byte. */
#include "dialect/dialect.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#define HELLO "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}],\"usage\":null}\n\n"
#define USAGE_ONLY                                                                                                     \
	"data: {\"id\":\"1\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,"                   \
	"\"total_tokens\":12,\"prompt_tokens_details\":{\"cached_tokens\":4},"                                         \
	"\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\n"
#define DONE "data: [DONE]\n\n"

#define U(input, cached, output, reasoning)                                                                            \
	{                                                                                                              \
		.input_tokens = input, .cached_input_tokens = cached, .output_tokens = output,                         \
		.reasoning_tokens = reasoning                                                                          \
	}
#define CHUNK(index, reason)                                                                                           \
	"data: {\"choices\":[{\"index\":" #index ",\"delta\":{\"content\":\"x\"},\"finish_reason\":" reason "}]}\n\n"
#define USAGE(members) "data: {\"choices\":[],\"usage\":{" members "}}\n\n"
#define GOOD_USAGE USAGE("\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3")

static const struct row {
	const char *name, *in;
	const char *stripped; /* NULL: the same as in */
	bool have_usage, done, error;
	struct usage usage;
	uint64_t content_bytes;
	bool malformed, inconsistent;
	unsigned finished, choices; /* choices 0: the default */
} rows[] = {
	{"plain", HELLO HELLO DONE, NULL, .done = true, .content_bytes = 10},
	{"usage", HELLO USAGE_ONLY DONE, HELLO DONE, .have_usage = true, .done = true, .usage = U(9, 4, 3, 2),
	 .content_bytes = 5},
	{"usage first", USAGE_ONLY HELLO, HELLO, .have_usage = true, .usage = U(9, 4, 3, 2), .content_bytes = 5},
	{"crlf",
	 "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\r\n\r\ndata: "
	 "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
	 "\"completion_tokens\":2}}\r\n\r\ndata: [DONE]\r\n\r\n",
	 "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\r\n\r\ndata: [DONE]\r\n\r\n", .have_usage = true,
	 .done = true, .usage = U(1, 0, 2, 0), .content_bytes = 1},
	{"no blank after the colon",
	 "data:{\"choices\":[{\"delta\":{\"content\":\"xy\"}}]}\n\ndata:{\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
	 "\"completion_tokens\":2}}\n\ndata:[DONE]\n\n",
	 "data:{\"choices\":[{\"delta\":{\"content\":\"xy\"}}]}\n\ndata:[DONE]\n\n", .have_usage = true, .done = true,
	 .usage = U(1, 0, 2, 0), .content_bytes = 2},
	{"comments, names, ids", ": OPENROUTER PROCESSING\n\n: x\nevent: message\nid: 7\n" HELLO "retry: 5\n\n" DONE,
	 NULL, .done = true, .content_bytes = 5},
	{"usage beside choices stays",
	 "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,"
	 "\"completion_tokens\":6}}\n\n" DONE,
	 NULL, .have_usage = true, .done = true, .usage = U(5, 0, 6, 0), .content_bytes = 4, .finished = 1},
	{"cumulative usage: the last counts",
	 "data: "
	 "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n"
	 "data: "
	 "{\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}"
	 "\n\n" DONE,
	 NULL, .have_usage = true, .done = true, .usage = U(5, 0, 2, 0), .content_bytes = 2},
	{"empty choices without usage stay (Azure)",
	 "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\ndata: {\"choices\":[],\"usage\":null}\n\n" DONE, NULL,
	 .done = true},
	{"usage without choices", "data: {\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}\n\n" DONE, DONE,
	 .have_usage = true, .done = true},
	{"a name inside is not the member",
	 "data: "
	 "{\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":{\\\"prompt_tokens\\\":1}\",\"usage\":{\"prompt_"
	 "tokens\":7}}}]}\n\n",
	 NULL, .content_bytes = 31},
	{"error", HELLO "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\"}}\n\n", NULL, .error = true,
	 .content_bytes = 5},
	{"error null is none", "data: {\"choices\":[{}],\"error\":null}\n\n", .stripped = NULL},
	{"error with usage stays", "data: {\"error\":{},\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n",
	 NULL, .have_usage = true, .error = true, .usage = U(1, 0, 1, 0)},
	{"no end of the last event", HELLO "data: [DONE]", NULL, .done = true, .content_bytes = 5},
	{"no end of the usage",
	 HELLO "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n", HELLO,
	 .have_usage = true, .usage = U(1, 0, 2, 0), .content_bytes = 5},
	{"cut off in the middle", HELLO "data: {\"choices\":[{\"del", NULL, .content_bytes = 5},
	{"several data lines are one value",
	 "data: {\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":1,\ndata: \"completion_tokens\":2}}\n\n" DONE,
	 DONE, .have_usage = true, .done = true, .usage = U(1, 0, 2, 0)},
	{"malformed usage is left alone",
	 "data: {\"choices\":[{}],\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":2}}\n\n", .malformed = true},
	{"half a usage is malformed", USAGE("\"prompt_tokens\":1,\"total_tokens\":1"), "", .malformed = true},
	{"empty usage is none", USAGE(""), .stripped = ""},
	{"a good usage behind a malformed one", USAGE("\"prompt_tokens\":\"1\"") GOOD_USAGE, "", .have_usage = true,
	 .usage = U(1, 0, 2, 0)},
	{"a malformed usage behind a good one", GOOD_USAGE USAGE("\"prompt_tokens\":\"1\""), "", .malformed = true,
	 .usage = U(1, 0, 2, 0)},
	{"nothing behind a good usage", GOOD_USAGE USAGE("") "data: {\"choices\":[],\"usage\":null}\n\n",
	 "data: {\"choices\":[],\"usage\":null}\n\n", .have_usage = true, .usage = U(1, 0, 2, 0)},
	{"total off", USAGE("\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":4"), "", .have_usage = true,
	 .usage = U(1, 0, 2, 0), .inconsistent = true},
	{"total off, then right", USAGE("\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":4") GOOD_USAGE,
	 "", .have_usage = true, .usage = U(1, 0, 2, 0)},
	{"finished without [DONE]", CHUNK(0, "null") CHUNK(0, "\"stop\""), NULL, .content_bytes = 6, .finished = 1},
	{"finished twice counts once", CHUNK(0, "\"stop\"") CHUNK(0, "\"stop\""), NULL, .content_bytes = 10,
	 .finished = 1},
	{"cut before the reason", CHUNK(0, "null") CHUNK(0, "null"), NULL, .content_bytes = 2},
	{"one of two choices finished", CHUNK(0, "null") CHUNK(1, "null") CHUNK(1, "\"length\""), NULL,
	 .content_bytes = 9, .finished = 1, .choices = 2},
	{"two of two, the first one first", CHUNK(0, "\"stop\"") CHUNK(1, "\"length\""), NULL, .content_bytes = 12,
	 .finished = 2, .choices = 2},
	{"both in one event",
	 "data: {\"choices\":[{\"index\":65,\"finish_reason\":\"stop\"},{\"index\":1,\"finish_reason\":null}]}\n\n",
	 NULL, .content_bytes = 4, .finished = 1, .choices = 2},
	{"reason before the delta", "data: {\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}]}\n\n",
	 NULL, .content_bytes = 4, .finished = 1},
	{"a reason in a delta, a string or beyond any index is none",
	 "data: "
	 "{\"choices\":[{\"index\":0,\"delta\":{\"finish_reason\":\"stop\",\"content\":\"\\\"finish_reason\\\":1\"}}]}"
	 "\n\n" CHUNK(128, "\"stop\"") CHUNK(-1, "\"stop\""),
	 NULL, .content_bytes = 33},
	{"choices that are none", "data: {\"choices\":\"abc\"}\n\ndata: {\"choices\":{\"index\":0}}\n\n", NULL,
	 .content_bytes = 3},
	{"behind [DONE]", HELLO DONE ": bye\n\n" HELLO "data: rest", NULL, .done = true, .content_bytes = 10},
	{"usage behind [DONE] is stripped as well", HELLO DONE GOOD_USAGE DONE, HELLO DONE DONE, .done = true,
	 .have_usage = true, .usage = U(1, 0, 2, 0), .content_bytes = 5},
	{"[DONE] alone", DONE, NULL, .done = true},
	{"not JSON, not SSE", "data: nonsense\n\nhello\n\n\n\n\r\n\r\n<html>", .stripped = NULL},
	{"empty", "", .stripped = NULL},
};

static void init(struct dialect_stream *s, bool strip)
{
	struct dialect_answer_opts o = {
		.from = WIRE_OPENAI_CHAT, .to = WIRE_OPENAI_CHAT, .id = "req_1", .include_usage = !strip, .choices = 1};

	cr_assert_eq(dialect_stream_init(s, &o), 0);
}

static void feed(struct dialect_stream *s, const char *data, size_t len, struct buf *out)
{
	/* An own heap block of the exact size: ASan sees a read beyond the piece. */
	char *copy = malloc(len ? len : 1);

	memcpy(copy, data, len);
	cr_assert_eq(dialect_stream_feed(s, copy, len, out), 0);
	free(copy);
}

/* D4: where what is held back begins. */
static size_t done_at(const char *text)
{
	const char *a = strstr(text, "data: [DONE]"), *b = strstr(text, "data:[DONE]");

	return a ? (size_t)(a - text) : b ? (size_t)(b - text) : strlen(text);
}

/* Pieces end at a, b and the end; step > 0: pieces of that size instead. */
static void check(const struct row *r, bool strip, size_t a, size_t b, size_t step)
{
	const char *want = strip && r->stripped ? r->stripped : r->in;
	size_t len = strlen(r->in);
	struct buf out = BUF_INIT;
	struct dialect_stream s;

	init(&s, strip);
	if (r->choices)
		s.opts.choices = r->choices;
	if (step) {
		for (size_t i = 0; i < len; i += step)
			feed(&s, r->in + i, len - i < step ? len - i : step, &out);
	} else {
		feed(&s, r->in, a, &out);
		feed(&s, r->in + a, b - a, &out);
		feed(&s, r->in + b, len - b, &out);
	}
	cr_assert_eq(dialect_stream_end(&s, &out), 0);
	cr_assert_eq(out.len, done_at(want), "%s: %zu bytes before [DONE]", r->name, out.len);
	cr_assert_eq(dialect_stream_release(&s, &out), 0);
	cr_assert_eq(dialect_stream_release(&s, &out), 0);
	cr_assert_eq(out.len, strlen(want), "%s: cut %zu %zu step %zu: '%s'", r->name, a, b, step,
		     out.data ? out.data : "");
	cr_assert_arr_eq(out.data ? out.data : "", want, out.len, "%s: cut %zu %zu step %zu", r->name, a, b, step);
	cr_assert_eq(s.have_usage, r->have_usage, "%s", r->name);
	cr_assert_eq(s.ending, r->done, "%s", r->name);
	cr_assert_eq(s.error_seen, r->error, "%s", r->name);
	cr_assert_arr_eq(&s.usage, &r->usage, sizeof(s.usage), "%s: %" PRIu64 " %" PRIu64, r->name,
			 s.usage.input_tokens, s.usage.output_tokens);
	cr_assert_eq(s.usage_malformed, r->malformed, "%s", r->name);
	cr_assert_eq(s.have_usage && s.usage_inconsistent, r->inconsistent, "%s", r->name);
	cr_assert_eq(s.finished, r->finished, "%s: %u", r->name, s.finished);
	cr_assert_eq(s.complete, r->done || r->finished >= s.opts.choices, "%s", r->name);
	cr_assert_eq(s.content_bytes, r->content_bytes, "%s: %" PRIu64, r->name, s.content_bytes);
	dialect_stream_done(&s);
	buf_done(&out);
}

Test(stream, every_cut, .timeout = 120)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].in);

		for (int strip = 0; strip < 2; strip++) {
			for (size_t step = 1; step < 8; step++)
				check(&rows[i], strip, 0, 0, step);
			for (size_t a = 0; a <= len; a++) {
				check(&rows[i], strip, a, a, 0);
				check(&rows[i], strip, a, a + (len - a) / 3, 0);
			}
		}
	}
}

/* The bound holds for what must be gathered, and a stream of many events of that size in all passes. */
Test(stream, bound)
{
	struct buf big = {.max = 4 * DIALECT_EVENT_MAX}, out = {.max = 8 * DIALECT_EVENT_MAX};
	struct dialect_stream s;
	int rc = 0;

	init(&s, true);
	for (size_t i = 0; rc == 0 && i < 2 * DIALECT_EVENT_MAX; i += 1000)
		rc = dialect_stream_feed(&s, memset((char[1000]){0}, 'x', 1000), 1000, &out);
	cr_expect_eq(rc, ERR_PROTO);
	cr_expect_leq(s.line.len, DIALECT_EVENT_MAX);
	cr_expect_eq(out.len, 0);
	dialect_stream_done(&s);
	init(&s, true);
	while (big.len < 2 * DIALECT_EVENT_MAX)
		buf_puts(&big, HELLO);
	for (size_t i = 0; i < big.len; i += 777)
		cr_assert_eq(dialect_stream_feed(&s, big.data + i, big.len - i < 777 ? big.len - i : 777, &out), 0);
	cr_assert_eq(out.len, big.len);
	cr_expect_arr_eq(out.data, big.data, big.len);
	dialect_stream_done(&s);
	buf_done(&big);
	buf_done(&out);
}

/* What follows [DONE] is bounded too, and held back for good when nobody asks for it. */
Test(stream, bound_behind_done)
{
	struct buf out = BUF_INIT;
	struct dialect_stream s;
	int rc;

	init(&s, true);
	rc = dialect_stream_feed(&s, HELLO DONE, strlen(HELLO DONE), &out);
	for (size_t i = 0; rc == 0 && i < 2 * DIALECT_EVENT_MAX; i += strlen(HELLO))
		rc = dialect_stream_feed(&s, HELLO, strlen(HELLO), &out);
	cr_expect_eq(rc, ERR_PROTO);
	cr_expect_leq(s.held.len, DIALECT_EVENT_MAX);
	cr_expect_eq(out.len, strlen(HELLO));
	dialect_stream_done(&s);
	buf_done(&out);
}

/* Nothing is lost when there is no room for what was held: it can be asked for again. */
Test(stream, release_without_room)
{
	struct buf out = {.max = 4}, room = BUF_INIT;
	struct dialect_stream s;

	init(&s, true);
	cr_assert_eq(dialect_stream_feed(&s, DONE, strlen(DONE), &out), 0);
	cr_expect_eq(dialect_stream_release(&s, &out), ERR_FULL);
	cr_expect_eq(dialect_stream_release(&s, &room), 0);
	cr_expect_str_eq(room.data, DONE);
	dialect_stream_done(&s);
	buf_done(&out);
	buf_done(&room);
}

Test(stream, full_output)
{
	struct buf out = {.max = 20};
	struct dialect_stream s;

	init(&s, false);
	cr_expect_eq(dialect_stream_feed(&s, HELLO, strlen(HELLO), &out), ERR_FULL);
	dialect_stream_done(&s);
	buf_done(&out);
}
