/* Goal: openai.h's D1 to D3. Method: streams as providers send them (official shape, CRLF, comments, no blank, usage
 * with choices, errors, cut off), each fed whole, cut in two at every byte, in three, and byte by byte. */
#include "dialect/openai.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#define HELLO "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}],\"usage\":null}\n\n"
#define USAGE_ONLY                                                                                                     \
	"data: {\"id\":\"1\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,"                   \
	"\"total_tokens\":12,\"prompt_tokens_details\":{\"cached_tokens\":4},"                                         \
	"\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\n"
#define DONE "data: [DONE]\n\n"

static const struct row {
	const char *name, *in;
	const char *stripped; /* NULL: the same as in */
	bool have_usage, done, error;
	struct usage usage;
	uint64_t content_bytes;
} rows[] = {
	{"plain", HELLO HELLO DONE, NULL, false, true, false, {0}, 10},
	{"usage", HELLO USAGE_ONLY DONE, HELLO DONE, true, true, false, {9, 4, 3, 2}, 5},
	{"usage first", USAGE_ONLY HELLO, HELLO, true, false, false, {9, 4, 3, 2}, 5},
	{"crlf",
	 "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\r\n\r\ndata: "
	 "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
	 "\"completion_tokens\":2}}\r\n\r\ndata: [DONE]\r\n\r\n",
	 "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\r\n\r\ndata: [DONE]\r\n\r\n",
	 true,
	 true,
	 false,
	 {1, 0, 2, 0},
	 1},
	{"no blank after the colon",
	 "data:{\"choices\":[{\"delta\":{\"content\":\"xy\"}}]}\n\ndata:{\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
	 "\"completion_tokens\":2}}\n\ndata:[DONE]\n\n",
	 "data:{\"choices\":[{\"delta\":{\"content\":\"xy\"}}]}\n\ndata:[DONE]\n\n",
	 true,
	 true,
	 false,
	 {1, 0, 2, 0},
	 2},
	{"comments, names, ids",
	 ": OPENROUTER PROCESSING\n\n: x\nevent: message\nid: 7\n" HELLO "retry: 5\n\n" DONE,
	 NULL,
	 false,
	 true,
	 false,
	 {0},
	 5},
	{"usage beside choices stays",
	 "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,"
	 "\"completion_tokens\":6}}\n\n" DONE,
	 NULL,
	 true,
	 true,
	 false,
	 {5, 0, 6, 0},
	 4},
	{"cumulative usage: the last counts",
	 "data: "
	 "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n"
	 "data: "
	 "{\"choices\":[{\"delta\":{\"content\":\"b\"}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}"
	 "\n\n" DONE,
	 NULL,
	 true,
	 true,
	 false,
	 {5, 0, 2, 0},
	 2},
	{"empty choices without usage stay (Azure)",
	 "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\ndata: {\"choices\":[],\"usage\":null}\n\n" DONE,
	 NULL,
	 false,
	 true,
	 false,
	 {0},
	 0},
	{"usage without choices",
	 "data: {\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}\n\n" DONE,
	 DONE,
	 true,
	 true,
	 false,
	 {0},
	 0},
	{"a name inside is not the member",
	 "data: "
	 "{\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":{\\\"prompt_tokens\\\":1}\",\"usage\":{\"prompt_"
	 "tokens\":7}}}]}\n\n",
	 NULL,
	 false,
	 false,
	 false,
	 {0},
	 31},
	{"error",
	 HELLO "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\"}}\n\n",
	 NULL,
	 false,
	 false,
	 true,
	 {0},
	 5},
	{"error null is none", "data: {\"choices\":[{}],\"error\":null}\n\n", NULL, false, false, false, {0}, 0},
	{"error with usage stays",
	 "data: {\"error\":{},\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n",
	 NULL,
	 true,
	 false,
	 true,
	 {1, 0, 1, 0},
	 0},
	{"no end of the last event", HELLO "data: [DONE]", NULL, false, true, false, {0}, 5},
	{"no end of the usage",
	 HELLO "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n",
	 HELLO,
	 true,
	 false,
	 false,
	 {1, 0, 2, 0},
	 5},
	{"cut off in the middle", HELLO "data: {\"choices\":[{\"del", NULL, false, false, false, {0}, 5},
	{"several data lines are one value",
	 "data: {\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":1,\ndata: \"completion_tokens\":2}}\n\n" DONE,
	 DONE,
	 true,
	 true,
	 false,
	 {1, 0, 2, 0},
	 0},
	{"malformed usage is left alone",
	 "data: {\"choices\":[{}],\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":2}}\n\n",
	 NULL,
	 false,
	 false,
	 false,
	 {0},
	 0},
	{"not JSON, not SSE", "data: nonsense\n\nhello\n\n\n\n\r\n\r\n<html>", NULL, false, false, false, {0}, 0},
	{"empty", "", NULL, false, false, false, {0}, 0},
};

static void feed(struct openai_stream *s, const char *data, size_t len, struct buf *out)
{
	/* An own heap block of the exact size: ASan sees a read beyond the piece. */
	char *copy = malloc(len ? len : 1);

	memcpy(copy, data, len);
	cr_assert_eq(openai_stream_feed(s, copy, len, out), 0);
	free(copy);
}

/* Pieces end at a, b and the end; step > 0: pieces of that size instead. */
static void check(const struct row *r, bool strip, size_t a, size_t b, size_t step)
{
	const char *want = strip && r->stripped ? r->stripped : r->in;
	size_t len = strlen(r->in);
	struct buf out = BUF_INIT;
	struct openai_stream s;

	openai_stream_init(&s, strip);
	if (step) {
		for (size_t i = 0; i < len; i += step)
			feed(&s, r->in + i, len - i < step ? len - i : step, &out);
	} else {
		feed(&s, r->in, a, &out);
		feed(&s, r->in + a, b - a, &out);
		feed(&s, r->in + b, len - b, &out);
	}
	cr_assert_eq(openai_stream_end(&s, &out), 0);
	cr_assert_eq(out.len, strlen(want), "%s: cut %zu %zu step %zu: '%s'", r->name, a, b, step,
		     out.data ? out.data : "");
	cr_assert_arr_eq(out.data ? out.data : "", want, out.len, "%s: cut %zu %zu step %zu", r->name, a, b, step);
	cr_assert_eq(s.have_usage, r->have_usage, "%s", r->name);
	cr_assert_eq(s.done_seen, r->done, "%s", r->name);
	cr_assert_eq(s.error_seen, r->error, "%s", r->name);
	cr_assert_arr_eq(&s.usage, &r->usage, sizeof(s.usage), "%s: %" PRIu64 " %" PRIu64, r->name,
			 s.usage.input_tokens, s.usage.output_tokens);
	cr_assert_eq(s.content_bytes, r->content_bytes, "%s: %" PRIu64, r->name, s.content_bytes);
	openai_stream_done(&s);
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
	struct buf big = {.max = 4 * OPENAI_EVENT_MAX}, out = {.max = 8 * OPENAI_EVENT_MAX};
	struct openai_stream s;
	int rc = 0;

	openai_stream_init(&s, true);
	for (size_t i = 0; rc == 0 && i < 2 * OPENAI_EVENT_MAX; i += 1000)
		rc = openai_stream_feed(&s, memset((char[1000]){0}, 'x', 1000), 1000, &out);
	cr_expect_eq(rc, ERR_PROTO);
	cr_expect_leq(s.line.len, OPENAI_EVENT_MAX);
	cr_expect_eq(out.len, 0);
	openai_stream_done(&s);
	openai_stream_init(&s, true);
	while (big.len < 2 * OPENAI_EVENT_MAX)
		buf_puts(&big, HELLO);
	for (size_t i = 0; i < big.len; i += 777)
		cr_assert_eq(openai_stream_feed(&s, big.data + i, big.len - i < 777 ? big.len - i : 777, &out), 0);
	cr_assert_eq(out.len, big.len);
	cr_expect_arr_eq(out.data, big.data, big.len);
	openai_stream_done(&s);
	buf_done(&big);
	buf_done(&out);
}

Test(stream, full_output)
{
	struct buf out = {.max = 20};
	struct openai_stream s;

	openai_stream_init(&s, false);
	cr_expect_eq(openai_stream_feed(&s, HELLO, strlen(HELLO), &out), ERR_FULL);
	openai_stream_done(&s);
	buf_done(&out);
}
