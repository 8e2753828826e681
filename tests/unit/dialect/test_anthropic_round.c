/* Goal: what Anthropic and OpenAI can both say comes back as it was, requests and streams (D5, C2); and running out of
 * memory is said, wherever it happens. Method: there and back through the room's own interface. */
#include "dialect/anthropic.h"

#include <criterion/criterion.h>
#include <string.h>

static int translate(enum wire from, enum provider_kind to, const char *body, size_t arena_max, struct buf *out,
		     struct dialect_fault *fault)
{
	const struct dialect_target target = {.wire = from};
	const struct dialect_upstream up = {to, "up", ""};
	_cleanup_(buf_done) struct buf ignored = BUF_INIT;
	struct arena a = {.max = arena_max};
	struct dialect_request q;
	int rc = dialect_request_parse(&target, body, strlen(body), &q, fault);

	cr_assert_eq(rc, 0, "%s", fault->err.msg);
	rc = dialect_request_render(&q, &target, body, strlen(body), &up, &a, out, &ignored, fault);
	arena_done(&a);
	return rc;
}

#define BODY(messages, more) "{\"model\":\"up\",\"max_tokens\":7," messages more "}"
#define TEXT(t) "{\"type\":\"text\",\"text\":\"" t "\"}"
#define TURN(role, blocks) "{\"role\":\"" role "\",\"content\":[" blocks "]}"
#define HI "\"messages\":[" TURN("user", TEXT("Hi")) "]"
#define TOOLS                                                                                                          \
	",\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}}]"

static const char *const requests[] = {
	BODY(HI, ""),
	BODY("\"system\":[" TEXT("Be \\\"terse\\\".") "]," HI,
	     ",\"temperature\":0.25,\"top_p\":1,\"stop_sequences\":[\"\\n\"]"),
	BODY(HI, TOOLS ",\"tool_choice\":{\"type\":\"auto\"}"),
	BODY(HI, TOOLS ",\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":true}"),
	BODY(HI, TOOLS ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"}"),
	BODY(HI, TOOLS ",\"tool_choice\":{\"type\":\"none\"}"),
	BODY(HI, ",\"output_config\":{\"effort\":\"high\"},\"metadata\":{\"user_id\":\"u\"},\"stream\":true"),
	BODY(HI, ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"object\"}}}"),
	BODY("\"messages\":[" TURN("user",
				   "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/gif\","
				   "\"data\":\"R0lG\"}},{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":"
				   "\"https://x\\/y\"}}," TEXT("What?")) "]",
	     ""),
	BODY(
		"\"messages\":[" TURN(
			"user",
			TEXT("1")) "," TURN("assistant",
					    TEXT("2") ",{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{"
						      "\"q\":\"\\u00e9\\n\"}},"
						      "{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"f\",\"input\":{}"
						      "}") "," TURN("user",
								    "{\"type\":\"tool_result\",\"tool_use_id\":\"a\","
								    "\"content\":[" TEXT(
									    "3") "]},"
										 "{\"type\":\"tool_result\",\"tool_use_"
										 "id\":\"b\",\"content\":[" TEXT("4") "]}," TEXT(
											 "5")) "," TURN("assistant",
													TEXT("6")) "," TURN("user",
															    TEXT("7")) "]",
		TOOLS),
};

Test(anthropic_round, requests)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		struct buf openai = BUF_INIT, back = BUF_INIT;
		struct dialect_fault fault;

		cr_assert_eq(translate(WIRE_ANTHROPIC, PROVIDER_OPENAI, requests[i], 0, &openai, &fault), 0,
			     "row %zu: %s", i, fault.err.msg);
		cr_assert_eq(translate(WIRE_OPENAI_CHAT, PROVIDER_ANTHROPIC, openai.data, 0, &back, &fault), 0,
			     "row %zu: %s", i, fault.err.msg);
		cr_expect_str_eq(back.data, requests[i], "row %zu:\n%s\n%s\n%s", i, requests[i], openai.data,
				 back.data);
		buf_done(&openai);
		buf_done(&back);
	}
}

Test(anthropic_round, memory_that_is_short)
{
	const char *body = requests[ARRAY_SIZE(requests) - 1];
	struct dialect_fault fault;
	size_t failed = 0;
	int rc = ERR_NOMEM;

	for (size_t max = 1; rc < 0; max += 64) {
		struct buf out = BUF_INIT;

		rc = translate(WIRE_ANTHROPIC, PROVIDER_OPENAI, body, max, &out, &fault);
		buf_done(&out);
		cr_assert(rc == 0 || rc == ERR_NOMEM, "%zu bytes: %d", max, rc);
		failed += rc < 0;
	}
	cr_expect_gt(failed, 10);
	for (size_t max = 1; max < 400; max++) {
		struct buf out = {.max = max};

		rc = translate(WIRE_OPENAI_CHAT, PROVIDER_ANTHROPIC,
			       "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", 0, &out,
			       &fault);
		cr_assert_eq(rc < 0,
			     max < strlen("{'model':'up','max_tokens':4096,'messages':[{'role':'user',"
					  "'content':[{'type':'text','text':'Hi'}]}]}"),
			     "%zu bytes: %d", max, rc);
		buf_done(&out);
	}
}

/* ---- streams */

#define EV(type, members) "event: " type "\ndata: {\"type\":\"" type "\"" members "}\n\n"
#define STREAM(usage_start, usage_end)                                                                                 \
	EV("message_start",                                                                                            \
	   ",\"message\":{\"id\":\"msg_01\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"                    \
	   "\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{" usage_start "}}")            \
	EV("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}")                  \
	EV("content_block_delta", ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\\u00e9\"}")            \
	EV("content_block_stop", ",\"index\":0")                                                                       \
	EV("content_block_start", ",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\"," \
				  "\"input\":{}}")                                                                     \
	EV("content_block_delta",                                                                                      \
	   ",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"b\\\":\"}")                  \
	EV("content_block_delta", ",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"1}\"}")    \
	EV("content_block_stop", ",\"index\":1")                                                                       \
	EV("message_delta",                                                                                            \
	   ",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{" usage_end "}")               \
	EV("message_stop", "")
#define COUNTS(input, cached, output)                                                                                  \
	"\"input_tokens\":" input ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":" cached             \
	",\"output_tokens\":" output

static void pass(enum wire from, enum wire to, const struct buf *in, struct buf *out)
{
	const struct dialect_answer_opts o = {.from = from,
					      .to = to,
					      .id = "req_01",
					      .model = "m",
					      .model_len = 1,
					      .include_usage = true,
					      .choices = 1};
	struct dialect_stream s;

	cr_assert_eq(dialect_stream_init(&s, &o), 0);
	cr_assert_eq(dialect_stream_feed(&s, in->data, in->len, out), 0);
	cr_assert_eq(dialect_stream_end(&s, out), 0);
	cr_assert_eq(dialect_stream_release(&s, out), 0);
	cr_assert(s.complete && s.have_usage);
	dialect_stream_done(&s);
}

Test(anthropic_round, a_stream)
{
	struct buf in = BUF_INIT, openai = BUF_INIT, back = BUF_INIT;

	buf_puts(&in, STREAM(COUNTS("20", "5", "1"), "\"output_tokens\":9"));
	pass(WIRE_ANTHROPIC, WIRE_OPENAI_CHAT, &in, &openai);
	pass(WIRE_OPENAI_CHAT, WIRE_ANTHROPIC, &openai, &back);
	cr_expect_str_eq(back.data, STREAM(COUNTS("0", "0", "0"), COUNTS("20", "5", "9")), "%s\n%s", openai.data,
			 back.data);
	buf_done(&in);
	buf_done(&openai);
	buf_done(&back);
}
