/* Goal: what Anthropic's providers are sent of chats that Anthropic's own clients can't make (chat.h's C2): other
 * wires' tool arguments, calls without ids, penalties, formats, efforts; each field is said, or refused by the client's
 * name of it. Method: chats by hand, one row per field. */
#include "dialect/anthropic.h"

#include <criterion/criterion.h>
#include <string.h>

#define T(s)                                                                                                           \
	{                                                                                                              \
		.at = s, .len = sizeof(s) - 1                                                                          \
	}
#define NUMBER(s)                                                                                                      \
	{                                                                                                              \
		.at = s, .len = sizeof(s) - 1, .type = JSON_SPAN_NUMBER                                                \
	}
#define OBJECT(s)                                                                                                      \
	{                                                                                                              \
		.at = s, .len = sizeof(s) - 1, .type = JSON_SPAN_OBJECT                                                \
	}

#define OUT(more) "{\"model\":\"up\",\"max_tokens\":4096,\"messages\":[" USER_HI "]" more "}"
#define TEXT(t) "{\"type\":\"text\",\"text\":\"" t "\"}"
#define USER_HI "{\"role\":\"user\",\"content\":[" TEXT("Hi") "]}"

static struct chat_part hi_part = {.kind = CHAT_TEXT, .text = T("Hi")};
static struct chat_message hi = {.role = CHAT_USER, .parts = &hi_part};

static int render(const struct chat *c, struct buf *out, struct buf *ignored, struct dialect_fault *fault)
{
	const struct dialect_upstream up = {PROVIDER_ANTHROPIC, "up", ""};

	*fault = (struct dialect_fault){0};
	return anthropic_render(c, &up, out, ignored, fault);
}

static void expect_said(const char *name, const struct chat *c, const char *want, const char *want_ignored)
{
	struct buf out = BUF_INIT, ignored = BUF_INIT;
	struct dialect_fault fault;

	cr_assert_eq(render(c, &out, &ignored, &fault), 0, "%s: %s", name, fault.err.msg);
	cr_expect_str_eq(out.data, want, "%s:\n%s\n%s", name, out.data, want);
	cr_expect_str_eq(ignored.len ? ignored.data : "", want_ignored, "%s", name);
	buf_done(&out);
	buf_done(&ignored);
}

static void expect_refused(const char *name, const struct chat *c, const char *param, const char *message)
{
	struct buf out = BUF_INIT, ignored = BUF_INIT;
	struct dialect_fault fault;

	cr_assert_eq(render(c, &out, &ignored, &fault), ERR_INVAL, "%s: %s", name, out.data);
	cr_expect_str_eq(fault.param, param, "%s: %s", name, fault.param);
	cr_expect(strstr(fault.err.msg, message), "%s: %s", name, fault.err.msg);
	buf_done(&out);
	buf_done(&ignored);
}

/* ---- beside the conversation */

static struct chat_tool tool = {.name = T("f")};
static struct chat_tool typed = {.name = T("f"), .schema = OBJECT("{\"type\":\"object\"}"), .strict = true};
static struct chat_tool untyped = {.name = T("f"), .schema = OBJECT("{\"properties\":{}}")};
#define TOOLS(schema) ",\"tools\":[{\"name\":\"f\",\"input_schema\":" schema "}]"
#define NO_SCHEMA "{\"type\":\"object\",\"properties\":{}}"

#define CHAT .from = WIRE_OPENAI_CHAT, .messages = &hi
static const struct {
	const char *name;
	struct chat chat;
	const char *out, *ignored;
} said[] = {
	{"nothing", {CHAT, .n = 1}, OUT(""), ""},
	{"max_tokens",
	 {CHAT, .max_tokens_given = true, .max_tokens = 17},
	 "{\"model\":\"up\",\"max_tokens\":17,\"messages\":[" USER_HI "]}",
	 ""},
	{"n of one", {CHAT, .n = 1}, OUT(""), ""},
	{"penalties of nothing",
	 {CHAT, .presence_penalty = NUMBER("0"), .frequency_penalty = NUMBER("-0.0e5")},
	 OUT(""),
	 ""},
	{"temperature",
	 {CHAT, .temperature = NUMBER("1.0"), .top_p = NUMBER("1e-1")},
	 OUT(",\"temperature\":1.0,\"top_p\":1e-1"),
	 ""},
	{"temperature with an exponent", {CHAT, .temperature = NUMBER("10E-1")}, OUT(",\"temperature\":10E-1"), ""},
	{"user", {CHAT, .user = T("u\\n")}, OUT(",\"metadata\":{\"user_id\":\"u\\n\"}"), ""},
	{"stop", {CHAT, .stop = {T("a"), T("b")}, .n_stop = 2}, OUT(",\"stop_sequences\":[\"a\",\"b\"]"), ""},
	{"stream", {CHAT, .stream = true, .include_usage = true}, OUT(",\"stream\":true"), ""},
	{"effort", {CHAT, .effort = T("medium")}, OUT(",\"output_config\":{\"effort\":\"medium\"}"), ""},
	{"no effort", {CHAT, .effort = T("none")}, OUT(",\"thinking\":{\"type\":\"disabled\"}"), ""},
	{"a tool without a schema", {CHAT, .tools = &tool}, OUT(TOOLS(NO_SCHEMA)), ""},
	{"a tool's schema without a type",
	 {CHAT, .tools = &untyped},
	 OUT(TOOLS("{\"type\":\"object\",\"properties\":{}}")),
	 ""},
	{"a strict tool", {CHAT, .tools = &typed}, OUT(TOOLS("{\"type\":\"object\"},\"strict\":true")), ""},
	{"one call at a time",
	 {CHAT, .tools = &tool, .parallel_given = true},
	 OUT(TOOLS(NO_SCHEMA) ",\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}"),
	 ""},
	{"calls at once", {CHAT, .tools = &tool, .parallel_given = true, .parallel = true}, OUT(TOOLS(NO_SCHEMA)), ""},
	{"no call at a time",
	 {CHAT, .tools = &tool, .parallel_given = true, .tool_choice_given = true, .tool_choice = CHAT_TOOLS_NONE},
	 OUT(TOOLS(NO_SCHEMA) ",\"tool_choice\":{\"type\":\"none\"}"),
	 ""},
	{"a call of one tool",
	 {CHAT, .tools = &tool, .tool_choice_given = true, .tool_choice = CHAT_TOOLS_NAMED, .tool_choice_name = T("f")},
	 OUT(TOOLS(NO_SCHEMA) ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"}"),
	 ""},
	{"a schema",
	 {CHAT, .format = CHAT_FORMAT_SCHEMA, .format_name = T("n"), .format_schema = OBJECT("{\"a\":1}")},
	 OUT(",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"a\":1}}}"),
	 "response_format.json_schema.name"},
	{"a schema described",
	 {CHAT, .format = CHAT_FORMAT_SCHEMA, .format_description = T("d"), .format_schema = OBJECT("{\"a\":1}")},
	 OUT(",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"description\":\"d\",\"a\":1}}}"),
	 ""},
	{"an empty schema described",
	 {CHAT, .format = CHAT_FORMAT_SCHEMA, .format_description = T("d"), .format_schema = OBJECT("{ }"),
	  .effort = T("low")},
	 OUT(",\"output_config\":{\"effort\":\"low\",\"format\":{\"type\":\"json_schema\",\"schema\":{\"description\":"
	     "\"d\" }}}"),
	 ""},
	{"a schema of responses",
	 {.from = WIRE_OPENAI_RESPONSES,
	  .messages = &hi,
	  .format = CHAT_FORMAT_SCHEMA,
	  .format_name = T("n"),
	  .format_schema = OBJECT("{}")},
	 OUT(",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}}"),
	 "text.format.name"},
};

Test(anthropic_render, said)
{
	for (size_t i = 0; i < ARRAY_SIZE(said); i++)
		expect_said(said[i].name, &said[i].chat, said[i].out, said[i].ignored);
}

static struct chat_message named = {.role = CHAT_USER, .parts = &hi_part, .name = T("Ann")};
static struct chat_message last = {.role = CHAT_ASSISTANT, .parts = &hi_part};
static struct chat_message unanswered = {.role = CHAT_USER, .parts = &hi_part, .next = &last};
static struct chat_part bmp_part = {.kind = CHAT_IMAGE_DATA, .media_type = T("image/bmp"), .data = T("AA")};
static struct chat_message bmp = {.role = CHAT_USER, .parts = &bmp_part};

static const struct {
	const char *name;
	struct chat chat;
	const char *param, *message;
} refused[] = {
	{"n", {CHAT, .n = 2}, "n", "one answer"},
	{"presence", {CHAT, .presence_penalty = NUMBER("0.01")}, "presence_penalty", "no penalties"},
	{"frequency", {CHAT, .frequency_penalty = NUMBER("-1")}, "frequency_penalty", "no penalties"},
	{"frequency of Google's",
	 {.from = WIRE_GEMINI, .messages = &hi, .frequency_penalty = NUMBER("1")},
	 "generationConfig.frequencyPenalty",
	 "no penalties"},
	{"seed", {CHAT, .seed = NUMBER("0")}, "seed", "no seed"},
	{"any JSON", {CHAT, .format = CHAT_FORMAT_JSON}, "response_format", "schema"},
	{"a schema that isn't there", {CHAT, .format = CHAT_FORMAT_SCHEMA}, "response_format", "schema"},
	{"two descriptions",
	 {CHAT, .format = CHAT_FORMAT_SCHEMA, .format_description = T("d"),
	  .format_schema = OBJECT("{\"description\":\"e\"}")},
	 "response_format",
	 "both described"},
	{"minimal effort", {CHAT, .effort = T("minimal")}, "reasoning_effort", "low, medium"},
	{"temperature above 1", {CHAT, .temperature = NUMBER("1.1")}, "temperature", "0 to 1"},
	{"temperature far above", {CHAT, .temperature = NUMBER("1e999")}, "temperature", "0 to 1"},
	{"temperature below", {CHAT, .temperature = NUMBER("-0.1")}, "temperature", "0 to 1"},
	{"a choice without tools",
	 {CHAT, .tool_choice_given = true, .tool_choice = CHAT_TOOLS_REQUIRED},
	 "tool_choice",
	 "no tools"},
	{"a name", {.from = WIRE_OPENAI_CHAT, .messages = &named}, "messages.name", "no names"},
	{"no messages", {.from = WIRE_OPENAI_CHAT}, "messages", "user's message"},
	{"an answer begun", {.from = WIRE_OPENAI_CHAT, .messages = &unanswered}, "messages", "go on"},
	{"a bitmap", {.from = WIRE_OPENAI_CHAT, .messages = &bmp}, "messages.content.image_url", "JPEG"},
};

Test(anthropic_render, refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		expect_refused(refused[i].name, &refused[i].chat, refused[i].param, refused[i].message);
}

/* ---- turns */

#define BODY(turns) "{\"model\":\"up\",\"max_tokens\":4096,\"messages\":[" turns "]}"
#define TURN(role, blocks) "{\"role\":\"" role "\",\"content\":[" blocks "]}"
#define CALL(id, name, input) "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":" input "}"
#define RESULT(id, more) "{\"type\":\"tool_result\",\"tool_use_id\":\"" id "\"" more "}"

/* OpenAI's: arguments as text, a message per result, ids with what Anthropic doesn't take. */
Test(anthropic_render, calls_of_openai)
{
	struct chat_part second = {
		.kind = CHAT_TOOL_CALL, .id = T("functions.g:1"), .name = T("g"), .args_text = T("")};
	struct chat_part first = {.kind = CHAT_TOOL_CALL,
				  .id = T("call_1"),
				  .name = T("f"),
				  .args_text = T("{\\\"a\\\": \\\"\\\\n\\\"}"),
				  .next = &second};
	struct chat_part text1 = {.kind = CHAT_TEXT, .text = T("done")}, text2 = {.kind = CHAT_TEXT, .text = T("")};
	struct chat_part result2 = {.kind = CHAT_TOOL_RESULT, .id = T("functions.g:1"), .parts = &text2};
	struct chat_part result1 = {.kind = CHAT_TOOL_RESULT, .id = T("call_1"), .parts = &text1};
	struct chat_message results2 = {.role = CHAT_USER, .parts = &result2};
	struct chat_message results1 = {.role = CHAT_USER, .parts = &result1, .next = &results2};
	struct chat_message calls = {.role = CHAT_ASSISTANT, .parts = &first, .next = &results1};
	struct chat_message ask = {.role = CHAT_USER, .parts = &hi_part, .next = &calls};
	struct chat chat = {.from = WIRE_OPENAI_CHAT, .messages = &ask};

	expect_said("calls", &chat,
		    BODY(USER_HI "," TURN(
			    "assistant",
			    CALL("call_1", "f", "{\"a\": \"\\n\"}") "," CALL(
				    "functions_g_1", "g",
				    "{}")) "," TURN("user",
						    RESULT("call_1", ",\"content\":[" TEXT("done") "]") "," RESULT(
							    "functions_g_1", ""))),
		    "");
	first.args_text = (struct chat_text)T("[1]");
	expect_refused("arguments that are no object", &chat, "messages", "no JSON object");
}

/* Google's: no ids; results in the calls' order, or in another by name; a result is an object. */
Test(anthropic_render, calls_without_ids)
{
	struct chat_part call3 = {.kind = CHAT_TOOL_CALL, .name = T("f"), .args = OBJECT("{\"n\":2}")};
	struct chat_part call2 = {.kind = CHAT_TOOL_CALL, .name = T("g"), .args = OBJECT("{}"), .next = &call3};
	struct chat_part call1 = {.kind = CHAT_TOOL_CALL, .name = T("f"), .args = OBJECT("{\"n\":1}"), .next = &call2};
	struct chat_part result3 = {.kind = CHAT_TOOL_RESULT, .name = T("f"), .result = OBJECT("{\"r\":\"\\n3\"}")};
	struct chat_part result1 = {
		.kind = CHAT_TOOL_RESULT, .name = T("f"), .result = OBJECT("{\"r\":1}"), .next = &result3};
	struct chat_part result2 = {.kind = CHAT_TOOL_RESULT,
				    .name = T("g"),
				    .result = OBJECT("{\"r\":2}"),
				    .is_error = true,
				    .next = &result1};
	struct chat_message results = {.role = CHAT_USER, .parts = &result2};
	struct chat_message calls = {.role = CHAT_ASSISTANT, .parts = &call1, .next = &results};
	struct chat_message ask = {.role = CHAT_USER, .parts = &hi_part, .next = &calls};
	struct chat chat = {.from = WIRE_GEMINI, .messages = &ask};

	expect_said(
		"calls", &chat,
		BODY(USER_HI "," TURN(
			"assistant", CALL("call_1_0", "f", "{\"n\":1}") "," CALL("call_1_1", "g", "{}") "," CALL(
					     "call_1_2", "f",
					     "{\"n\":2}")) "," TURN("user",
								    RESULT("call_1_1", ",\"content\":\"{\\\"r\\\":2}\","
										       "\"is_error\":true") "," RESULT(
									    "call_1_0", ",\"content\":\"{\\\"r\\\":1}"
											"\"") "," RESULT("call_1_2",
													 ",\"content\":"
													 "\"{\\\"r\\\":"
													 "\\\"\\\\n3\\"
													 "\"}\""))),
		"");
	result3.name = (struct chat_text)T("g");
	expect_refused("two results of one call", &chat, "contents", "no call");
	call3.name = (struct chat_text)T("g");
	result1.name = result3.name = (struct chat_text){0};
	expect_refused("a result of nobody", &chat, "contents", "no call");
	chat.messages = &results;
	result1.name = result3.name = (struct chat_text)T("f");
	expect_refused("results first", &chat, "contents", "no call");
}

Test(anthropic_render, too_many_calls_without_ids)
{
	static struct chat_part calls[257];
	struct chat_message results = {.role = CHAT_USER, .parts = &hi_part};
	struct chat_message message = {.role = CHAT_ASSISTANT, .parts = calls, .next = &results};
	struct chat chat = {.from = WIRE_GEMINI, .messages = &message};
	struct buf out = BUF_INIT, ignored = BUF_INIT;
	struct dialect_fault fault;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		calls[i] = (struct chat_part){.kind = CHAT_TOOL_CALL,
					      .name = T("f"),
					      .args = OBJECT("{}"),
					      .next = i < 255 ? &calls[i + 1] : NULL};
	cr_expect_eq(render(&chat, &out, &ignored, &fault), 0, "%s", fault.err.msg);
	calls[255].next = &calls[256];
	expect_refused("257 calls", &chat, "contents", "too many calls");
	buf_done(&out);
}

Test(anthropic_render, images_and_refusals)
{
	struct chat_part url = {.kind = CHAT_IMAGE_URL, .url = T("https://x")};
	struct chat_part webp = {
		.kind = CHAT_IMAGE_DATA, .media_type = T("image\\/webp"), .data = T("AA=="), .next = &url};
	struct chat_part no = {.kind = CHAT_REFUSAL, .text = T("No.")};
	struct chat_message third = {.role = CHAT_USER, .parts = &hi_part};
	struct chat_message second = {.role = CHAT_ASSISTANT, .parts = &no, .next = &third};
	struct chat_message first = {.role = CHAT_USER, .parts = &webp, .next = &second};
	struct chat chat = {.from = WIRE_OPENAI_CHAT, .messages = &first};

	expect_said(
		"images", &chat,
		BODY(TURN(
			"user",
			"{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
			"webp\",\"data\":\"AA==\"}},"
			"{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x\"}}") "," TURN("assistan"
													     "t",
													     TEXT("No"
														  ".")) "," USER_HI),
		"");
}
