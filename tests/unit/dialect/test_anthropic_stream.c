/* Goal: streams made for Anthropic's clients: order of events, one block open at a time, numbers of blocks, usage known
 * only at the end, the end held back (D4), errors in the middle, the same whatever the cuts (D1). Method: OpenAI's
 * streams through the engine, compared as a whole; and events that OpenAI's decoder doesn't make, given to the encoder.
 */
#include "dialect/anthropic.h"

#include <criterion/criterion.h>
#include <string.h>

#define EV(type, members) "event: " type "\ndata: {\"type\":\"" type "\"" members "}\n\n"
#define USAGE(input, write, read, output)                                                                              \
	"\"usage\":{\"input_tokens\":" input ",\"cache_creation_input_tokens\":" write                                 \
	",\"cache_read_input_tokens\":" read ",\"output_tokens\":" output
#define NO_USAGE USAGE("0", "0", "0", "0") "}"
#define START_WITH(usage)                                                                                              \
	EV("message_start",                                                                                            \
	   ",\"message\":{\"id\":\"msg_01\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":"  \
	   "[],\"stop_reason\":null,\"stop_sequence\":null," usage "}")
#define START START_WITH(NO_USAGE)
#define TEXT_START(i) EV("content_block_start", ",\"index\":" i ",\"content_block\":{\"type\":\"text\",\"text\":\"\"}")
#define TOOL_START(i, id, name)                                                                                        \
	EV("content_block_start", ",\"index\":" i ",\"content_block\":{\"type\":\"tool_use\",\"id\":\"" id             \
				  "\",\"name\":\"" name "\",\"input\":{}}")
#define DELTA(i, members) EV("content_block_delta", ",\"index\":" i ",\"delta\":{" members "}")
#define TEXT(i, text) DELTA(i, "\"type\":\"text_delta\",\"text\":\"" text "\"")
#define ARGS(i, text) DELTA(i, "\"type\":\"input_json_delta\",\"partial_json\":\"" text "\"")
#define STOP(i) EV("content_block_stop", ",\"index\":" i)
#define END(reason, usage)                                                                                             \
	EV("message_delta", ",\"delta\":{\"stop_reason\":\"" reason "\",\"stop_sequence\":null}," usage)               \
	EV("message_stop", "")

#define CHUNK(delta, reason)                                                                                           \
	"data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":" delta          \
	",\"finish_reason\":" reason "}]}\n\n"
#define SAYS(text) CHUNK("{\"content\":\"" text "\"}", "null")
#define CALL(i, id, name)                                                                                              \
	CHUNK("{\"tool_calls\":[{\"index\":" i ",\"id\":\"" id                                                         \
	      "\",\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"\"}}]}",                   \
	      "null")
#define CALL_ARGS(i, text)                                                                                             \
	CHUNK("{\"tool_calls\":[{\"index\":" i ",\"function\":{\"arguments\":\"" text "\"}}]}", "null")
#define OPENAI_USAGE                                                                                                   \
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"prompt_tokens_details\":{"     \
	"\"cached_tokens\":4},\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\n"
#define DONE "data: [DONE]\n\n"

static const struct row {
	const char *name, *in, *out; /* out NULL: ERR_PROTO */
} rows[] = {
	{"text",
	 CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null") SAYS("Hel") SAYS("lo\\n\\\"\\u00e9")
		 CHUNK("{}", "\"stop\"") OPENAI_USAGE DONE,
	 START TEXT_START("0") TEXT("0", "Hel") TEXT("0", "lo\\n\\\"\\u00e9") STOP("0")
		 END("end_turn", USAGE("5", "0", "4", "3") ",\"output_tokens_details\":{\"thinking_tokens\":2}}")},
	{"tools one after the other",
	 SAYS("a") CALL("0", "call_1", "f") CALL_ARGS("0", "{\\\"x\\\":") CALL_ARGS("0", "1}") CALL("1", "call_2", "g")
		 CALL_ARGS("1", "{}") CHUNK("{}", "\"tool_calls\"") DONE,
	 START TEXT_START("0") TEXT("0", "a") STOP("0") TOOL_START("1", "call_1", "f") ARGS("1", "{\\\"x\\\":")
		 ARGS("1", "1}") STOP("1") TOOL_START("2", "call_2", "g") ARGS("2", "{}") STOP("2")
			 END("tool_use", NO_USAGE)},
	{"text between a call's arguments waits",
	 CALL("0", "c", "f") CALL_ARGS("0", "{") SAYS("x") SAYS("y") CALL_ARGS("0", "}") SAYS("z")
		 CHUNK("{}", "\"tool_calls\"") DONE,
	 START TOOL_START("0", "c", "f") ARGS("0", "{") ARGS("0", "}") STOP("0") TEXT_START("1") TEXT("1", "xyz")
		 STOP("1") END("tool_use", NO_USAGE)},
	{"... and stands before the next call",
	 CALL("0", "c", "f") SAYS("x") CALL("1", "d", "g") CHUNK("{}", "\"tool_calls\"") DONE,
	 START TOOL_START("0", "c", "f") STOP("0") TEXT_START("1") TEXT("1", "x") STOP("1") TOOL_START("2", "d", "g")
		 STOP("2") END("tool_use", NO_USAGE)},
	{"a refusal", CHUNK("{\"refusal\":\"No.\"}", "null") CHUNK("{}", "\"stop\"") DONE,
	 START TEXT_START("0") TEXT("0", "No.") STOP("0") END("refusal", NO_USAGE)},
	{"cut by the limit", SAYS("x") CHUNK("{}", "\"length\"") DONE,
	 START TEXT_START("0") TEXT("0", "x") STOP("0") END("max_tokens", NO_USAGE)},
	{"filtered", CHUNK("{}", "\"content_filter\"") DONE, START END("refusal", NO_USAGE)},
	{"nothing said", DONE, START END("end_turn", NO_USAGE)},
	{"other choices aren't the client's",
	 "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}\n\n" SAYS("x")
		 CHUNK("{}", "\"stop\"") DONE,
	 START TEXT_START("0") TEXT("0", "x") STOP("0") END("end_turn", NO_USAGE)},
	{"usage first",
	 "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}\n\n" SAYS("x")
		 CHUNK("{}", "\"stop\"") DONE,
	 START_WITH(USAGE("9", "0", "0", "0") "}") TEXT_START("0") TEXT("0", "x") STOP("0")
		 END("end_turn", USAGE("9", "0", "0", "3") "}")},
	{"cut off", SAYS("x") "data: {\"choices\":[{\"ind", START TEXT_START("0") TEXT("0", "x")},
	{"an error", SAYS("x") "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\"}}\n\n" SAYS("y"),
	 START TEXT_START("0")
		 TEXT("0", "x") "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\","
				"\"message\":\"m\"},\"request_id\":\"req_01\"}\n\n"},
	{"not the provider's wire", SAYS("x") "data: {}\n\n", NULL},
};

static const struct dialect_answer_opts opts = {
	.from = WIRE_OPENAI_CHAT, .to = WIRE_ANTHROPIC, .id = "req_01", .model = "m", .model_len = 1, .choices = 1};

static void check(const struct row *r, size_t step)
{
	const char *held = r->out ? strstr(r->out, "event: message_delta") : NULL;
	struct buf out = BUF_INIT;
	struct dialect_stream s;
	size_t len = strlen(r->in), n;
	int rc = 0;

	cr_assert_eq(dialect_stream_init(&s, &opts), 0);
	for (size_t i = 0; i < len && rc == 0; i += n) {
		char *piece;

		n = len - i < step ? len - i : step;
		piece = malloc(n);
		memcpy(piece, r->in + i, n);
		rc = dialect_stream_feed(&s, piece, n, &out);
		free(piece);
	}
	if (rc == 0)
		rc = dialect_stream_end(&s, &out);
	cr_assert_eq(rc, r->out ? 0 : ERR_PROTO, "%s: %d", r->name, rc);
	if (rc == 0) {
		if (held && strcmp(r->name, "nothing said") != 0)
			cr_assert_eq(out.len, (size_t)(held - r->out), "%s: step %zu: D4", r->name, step);
		cr_assert_eq(dialect_stream_release(&s, &out), 0);
		cr_assert_str_eq(out.data, r->out, "%s: step %zu:\n%s\n%s", r->name, step, out.data, r->out);
	}
	dialect_stream_done(&s);
	buf_done(&out);
}

Test(anthropic_stream, made_from_openai, .timeout = 120)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		check(&rows[i], SIZE_MAX);
		for (size_t step = 1; step < 70; step++)
			check(&rows[i], step);
	}
}

/* ---- the encoder by itself */

#define T(s)                                                                                                           \
	{                                                                                                              \
		.at = s, .len = sizeof(s) - 1                                                                          \
	}

struct said {
	struct chat_event ev;
	int rc;
};

static void expect_encoded(const struct said *said, size_t n, const char *want)
{
	struct buf out = BUF_INIT;
	struct dialect_stream s;

	cr_assert_eq(dialect_stream_init(&s, &opts), 0);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(anthropic_encode(&s, &said[i].ev, &out), said[i].rc, "event %zu", i);
	cr_assert_str_eq(out.data, want, "%s\n%s", out.data, want);
	dialect_stream_done(&s);
	buf_done(&out);
}

Test(anthropic_stream, whole_calls)
{
	static const struct said said[] = {
		{{.kind = CHAT_EV_TEXT, .text = T("a")}, 0},
		{{.kind = CHAT_EV_TOOL_WHOLE,
		  .name = T("f"),
		  .args = {"{\"a\":\"b\\n\"}", 11, JSON_SPAN_OBJECT, false}},
		 0},
		{{.kind = CHAT_EV_TOOL_WHOLE, .tool = 1, .id = T("i"), .name = T("g")}, 0},
		{{.kind = CHAT_EV_TEXT, .text = T("b")}, 0},
		{{.kind = CHAT_EV_FINISH, .finish = CHAT_FINISH_TOOLS}, 0},
	};

	expect_encoded(said, ARRAY_SIZE(said),
		       START TEXT_START("0") TEXT("0", "a") STOP("0") TOOL_START("1", "call_01_0_0", "f")
			       ARGS("1", "{\\\"a\\\":\\\"b\\\\n\\\"}") STOP("1") TOOL_START("2", "i", "g") STOP("2")
				       TEXT_START("3") TEXT("3", "b") STOP("3"));
}

/* A decoder that doesn't say that a call has ended, before the next or at all; pieces of one that has are refused. */
Test(anthropic_stream, calls_without_an_end)
{
	static const struct said said[] = {
		{{.kind = CHAT_EV_TOOL_BEGIN, .id = T("i"), .name = T("f")}, 0},
		{{.kind = CHAT_EV_TOOL_ARGS, .text = T("{}")}, 0},
		{{.kind = CHAT_EV_TOOL_BEGIN, .tool = 1, .id = T("j"), .name = T("g")}, 0},
		{{.kind = CHAT_EV_TOOL_END}, 0},
		{{.kind = CHAT_EV_TOOL_ARGS, .text = T("{}")}, ERR_PROTO},
		{{.kind = CHAT_EV_FINISH, .finish = CHAT_FINISH_TOOLS}, 0},
		{{.kind = CHAT_EV_TOOL_ARGS, .tool = 1, .text = T("{}")}, ERR_PROTO},
	};

	expect_encoded(said, ARRAY_SIZE(said),
		       START TOOL_START("0", "i", "f") ARGS("0", "{}") STOP("0") TOOL_START("1", "j", "g") STOP("1"));
}

Test(anthropic_stream, a_stop_sequence)
{
	static const struct said said[] = {
		{{.kind = CHAT_EV_FINISH, .finish = CHAT_FINISH_STOP, .stop_sequence = T("\\n")}, 0},
		{{.kind = CHAT_EV_END}, 0},
	};

	expect_encoded(said, ARRAY_SIZE(said),
		       START EV("message_delta",
				",\"delta\":{\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"\\n\"}," NO_USAGE)
			       EV("message_stop", ""));
}

Test(anthropic_stream, late_text_is_bounded)
{
	struct chat_event begin = {.kind = CHAT_EV_TOOL_BEGIN, .id = T("i"), .name = T("f")};
	struct chat_event text = {.kind = CHAT_EV_TEXT};
	struct buf out = BUF_INIT;
	struct dialect_stream s;
	size_t half = DIALECT_EVENT_MAX / 2;
	char *late = malloc(half);

	memset(late, 'x', half);
	text.text = (struct chat_text){late, half};
	cr_assert_eq(dialect_stream_init(&s, &opts), 0);
	cr_assert_eq(anthropic_encode(&s, &begin, &out), 0);
	cr_assert_eq(anthropic_encode(&s, &text, &out), 0);
	cr_assert_eq(anthropic_encode(&s, &text, &out), 0);
	cr_assert_eq(anthropic_encode(&s, &text, &out), ERR_PROTO);
	dialect_stream_done(&s);
	buf_done(&out);
	free(late);
}
