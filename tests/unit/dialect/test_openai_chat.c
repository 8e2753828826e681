/* Goal: chat.h's C1 and C2 for OpenAI's chat: every member is read, refused by name or named as a hint; what was read
 * is said again. Method: table rows of requests parsed into a struct chat and rendered as OpenAI's again, compared as
 * JSON values; chats that only other wires can make, rendered; whole answers likewise. */
#include "dialect/openai_chat.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#define U "{\"role\":\"user\",\"content\":\"Hi\"}"
#define BODY(messages, more) "{\"model\":\"public\",\"messages\":[" messages "]" more "}"
#define WANT(messages, more) "{\"model\":\"up\",\"messages\":[" messages "]" more "}"
#define CALL(id, name, args)                                                                                           \
	"{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" args "\"}}"

struct trip {
	int rc;
	struct dialect_fault fault;
	struct buf out, ignored;
};

static void trip_done(struct trip *t)
{
	buf_done(&t->out);
	buf_done(&t->ignored);
}

static void round_trip(const char *body, struct arena *a, struct trip *ret)
{
	struct dialect_upstream u = {.kind = PROVIDER_OPENAI, .model = "up", .api_version = ""};
	struct chat_reader r = {.arena = a, .fault = &ret->fault, .ignored = &ret->ignored};
	struct chat chat = {.from = WIRE_OPENAI_CHAT, .n = 1};
	size_t len = strlen(body);
	char *copy = malloc(len); /* exact size, for ASan */

	memcpy(copy, body, len);
	ret->rc = wire_openai_chat.parse(&r, NULL, copy, len, &chat);
	if (ret->rc == 0)
		ret->rc = wire_openai_chat.render(&chat, &u, &ret->out, &ret->ignored, &ret->fault);
	free(copy);
}

static void same_json(const char *got, size_t len, const char *want)
{
	json_error_t err;
	json_t *a = json_loadb(got, len, JSON_REJECT_DUPLICATES, &err), *b;

	cr_assert_not_null(a, "%s: %s", err.text, got);
	b = json_loads(want, JSON_REJECT_DUPLICATES, &err);
	cr_assert_not_null(b, "%s: %s", err.text, want);
	cr_expect(json_equal(a, b), "\n got %s\nwant %s", got, want);
	json_decref(a);
	json_decref(b);
}

Test(openai_chat, said_again)
{
	static const struct {
		const char *body, *want, *ignored;
	} rows[] = {
		{BODY(U, ), WANT(U, ), ""},
		{BODY(U, ",\"stream\":false,\"temperature\":null,\"tools\":[]"), WANT(U, ), ""},
		{BODY(U, ",\"stream\":true"), WANT(U, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}"),
		 ""},
		{BODY(U, ",\"stream\":true,\"stream_options\":{\"include_obfuscation\":false}"),
		 WANT(U, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}"), "include_obfuscation"},
		{BODY(U, ",\"max_tokens\":5,\"max_completion_tokens\":9,\"n\":2,\"temperature\":0.70,\"top_p\":1e-1,"
			 "\"presence_penalty\":-1,\"frequency_penalty\":0,\"seed\":7,\"stop\":\"\\n\",\"user\":\"me\","
			 "\"reasoning_effort\":\"low\""),
		 WANT(U, ",\"max_completion_tokens\":9,\"n\":2,\"temperature\":0.70,\"top_p\":1e-1,\"presence_"
			 "penalty\":-1,"
			 "\"frequency_penalty\":0,\"seed\":7,\"stop\":[\"\\n\"],\"reasoning_effort\":\"low\",\"user\":"
			 "\"me\""),
		 ""},
		{BODY(U, ",\"stop\":[\"a\",\"b\"]"), WANT(U, ",\"stop\":[\"a\",\"b\"]"), ""},
		/* texts are moved as they are written */
		{BODY("{\"role\":\"user\",\"content\":\"\\u00e4\\ud83d\\ude00 \\\"\\\\ \xc3\xa4\"}", ),
		 WANT("{\"role\":\"user\",\"content\":\"\\u00e4\\ud83d\\ude00 \\\"\\\\ \xc3\xa4\"}", ), ""},
		/* roles */
		{BODY("{\"role\":\"developer\",\"content\":\"a\"},{\"role\":\"system\",\"content\":[{\"type\":\"text\","
		      "\"text\":\"b\"}]},{\"role\":\"user\",\"name\":\"Bo\",\"content\":[{\"type\":\"text\",\"text\":"
		      "\"x\"},"
		      "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/y\",\"detail\":\"auto\"}},{\"type\":"
		      "\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAA=\"}}]},{\"role\":\"assistant\","
		      "\"content\":\"ok\"}," U, ),
		 WANT("{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\","
		      "\"text\":"
		      "\"b\"}]},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"image_"
		      "url\","
		      "\"image_url\":{\"url\":\"https://x/"
		      "y\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/"
		      "png;base64,AAA=\"}}],\"name\":\"Bo\"},{\"role\":\"assistant\",\"content\":\"ok\"}," U, ),
		 ""},
		/* tools, their calls and results */
		{BODY(U ",{\"role\":\"assistant\",\"content\":null,\"refusal\":null,\"annotations\":[],\"tool_calls\":"
			"[" CALL("a", "f", "{\\\"x\\\":1}") "," CALL(
				"b", "g", "") "]},{\"role\":\"tool\",\"tool_call_id\":\"a\","
					      "\"content\":\"r\"},{\"role\":\"tool\",\"tool_call_id\":\"b\","
					      "\"content\":[{\"type\":\"text\","
					      "\"text\":\"s\"}]},{\"role\":\"assistant\",\"content\":\"t\"}",
		      ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","
		      "\"parameters\":{"
		      "\"type\":\"object\"},\"strict\":true}},{\"type\":\"function\",\"function\":{\"name\":\"g\"}}],"
		      "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}},\"parallel_tool_calls\":"
		      "false"),
		 WANT(U ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL(
			      "a", "f", "{\\\"x\\\":1}") "," CALL("b", "g",
								  "{}") "]},{\"role\":\"tool\",\"tool_call_id\":\"a\","
									"\"content\":\"r\"},{\"role\":\"tool\","
									"\"tool_call_id\":\"b\",\"content\":\"s\"},{"
									"\"role\":\"assistant\",\"content\":\"t\"}",
		      ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","
		      "\"parameters\":{"
		      "\"type\":\"object\"},\"strict\":true}},{\"type\":\"function\",\"function\":{\"name\":\"g\"}}],"
		      "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}},\"parallel_tool_calls\":"
		      "false"),
		 ""},
		{BODY(U, ",\"tool_choice\":\"required\""), WANT(U, ",\"tool_choice\":\"required\""), ""},
		{BODY(U ",{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"no\"}]},{\"role\":"
			"\"assistant\",\"refusal\":\"never\"}", ),
		 WANT(U ",{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"no\"}]},{\"role\":"
			"\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"never\"}]}", ),
		 ""},
		/* formats */
		{BODY(U, ",\"response_format\":{\"type\":\"text\"}"), WANT(U, ), ""},
		{BODY(U, ",\"response_format\":{\"type\":\"json_object\"}"),
		 WANT(U, ",\"response_format\":{\"type\":\"json_object\"}"), ""},
		{BODY(U,
		      ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"description\":"
		      "\"d\",\"schema\":{\"a\":[1]},\"strict\":true}}"),
		 WANT(U,
		      ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"description\":"
		      "\"d\",\"schema\":{\"a\":[1]},\"strict\":true}}"),
		 ""},
		/* hints, each named once; and what asks for nothing */
		{BODY("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{}},{"
		      "\"type\":"
		      "\"text\",\"text\":\"b\",\"cache_control\":{}}]}",
		      ",\"metadata\":{\"a\":\"b\"},\"store\":false,\"service_tier\":\"auto\",\"prompt_cache_key\":"
		      "\"k\","
		      "\"safety_identifier\":\"s\",\"prediction\":{\"type\":\"content\"},\"verbosity\":\"medium\","
		      "\"modalities\":[\"text\"],\"logprobs\":false,\"top_logprobs\":0,\"logit_bias\":{},\"functions\":"
		      "[]"),
		 WANT("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":"
		      "\"b\"}]}", ),
		 "cache_control, metadata, store, service_tier, prompt_cache_key, safety_identifier, prediction, "
		 "verbosity"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct trip t = {0};
		struct arena a = {0};

		round_trip(rows[i].body, &a, &t);
		cr_assert_eq(t.rc, 0, "%s: %s", rows[i].body, t.fault.err.msg);
		same_json(t.out.data, t.out.len, rows[i].want);
		cr_expect_str_eq(t.ignored.data ? t.ignored.data : "", rows[i].ignored);
		trip_done(&t);
		arena_done(&a);
	}
}

#define PART(part) BODY("{\"role\":\"user\",\"content\":[" part "]}", )
Test(openai_chat, refused)
{
	static const struct {
		const char *body, *param;
	} rows[] = {
		/* can't be said elsewhere */
		{BODY(U, ",\"logprobs\":true"), "logprobs"},
		{BODY(U, ",\"top_logprobs\":2"), "top_logprobs"},
		{BODY(U, ",\"logit_bias\":{\"1\":2}"), "logit_bias"},
		{BODY(U, ",\"modalities\":[\"text\",\"audio\"]"), "modalities"},
		{BODY(U, ",\"audio\":{}"), "audio"},
		{BODY(U, ",\"store\":true"), "store"},
		{BODY(U, ",\"service_tier\":\"flex\""), "service_tier"},
		{BODY(U, ",\"verbosity\":\"low\""), "verbosity"},
		{BODY(U, ",\"functions\":[{}]"), "functions"},
		{BODY(U, ",\"function_call\":\"auto\""), "function_call"},
		{BODY(U, ",\"web_search_options\":{}"), "web_search_options"},
		{BODY(U ","
			"{\"role\":\"system\",\"content\":\"late\"}", ),
		 "messages[1].role"},
		{BODY("{\"role\":\"system\",\"content\":\"alone\"}", ), "messages"},
		{BODY("{\"role\":\"system\",\"name\":\"n\",\"content\":\"a\"}," U, ), "messages[0].name"},
		{BODY("{\"role\":\"function\",\"name\":\"f\",\"content\":\"a\"}", ), "messages[0].role"},
		{PART("{\"type\":\"input_audio\",\"input_audio\":{}}"), "messages[0].content[0].input_audio"},
		{PART("{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"file\",\"file\":{}}"),
		 "messages[0].content[1].file"},
		{PART("{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x\",\"detail\":\"low\"}}"),
		 "messages[0].content[0].image_url.detail"},
		{PART("{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:text/plain,hello\"}}"),
		 "messages[0].content[0].image_url.url"},
		{BODY(U
		      ",{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":[{\"type\":\"image_url\",\"image_url\":{"
		      "\"url\":\"x\"}}]}", ),
		 "messages[1].content[0].type"},
		{BODY(U ",{\"role\":\"assistant\",\"function_call\":{}}", ), "messages[1].function_call"},
		{BODY(U
		      ",{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"custom\",\"custom\":{}}]}", ),
		 "messages[1].tool_calls[0].custom"},
		{BODY(U, ",\"tools\":[{\"type\":\"custom\"}]"), "tools[0].type"},
		{BODY(U, ",\"tool_choice\":{\"type\":\"allowed_tools\"}"), "tool_choice.type"},
		/* unknown members, by name when they look like one */
		{BODY(U, ",\"frobnicate\":1"), "frobnicate"},
		{BODY(U, ",\"a \\\"b\":1"), ""},
		{BODY("{\"role\":\"user\",\"content\":\"x\",\"colour\":1}", ), "messages[0].colour"},
		{BODY(U, ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"defer\":true}}]"),
		 "tools[0].function.defer"},
		{BODY(U, ",\"stream_options\":{\"x\":1}"), "stream_options.x"},
		{BODY(U, ",\"stop\":\"a\",\"sto\\u0070\":\"b\""), "stop"},
		{BODY("{\"role\":\"user\",\"content\":\"x\",\"content\":\"y\"}", ), "messages[0].content"},
		/* wrong types */
		{BODY(U, ",\"temperature\":\"1\""), "temperature"},
		{BODY(U, ",\"stop\":7"), "stop"},
		{BODY(U, ",\"stop\":[7]"), "stop"},
		{BODY(U, ",\"stop\":\"a\",\"stop\":\"b\""), "stop"}, /* nor so often that there is no room for it */
		{BODY(U, ",\"tools\":[],\"tools\":[]"), "tools"},
		{BODY(U, ",\"stop\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"), "stop"},
		{BODY(U, ",\"parallel_tool_calls\":1"), "parallel_tool_calls"},
		{BODY(U, ",\"tool_choice\":\"any\""), "tool_choice"},
		{BODY(U, ",\"tool_choice\":7"), "tool_choice"},
		{BODY(U, ",\"tool_choice\":{\"type\":\"function\"}"), "tool_choice.function.name"},
		{BODY(U, ",\"tools\":{}"), "tools"},
		{BODY(U, ",\"tools\":[7]"), "tools[0]"},
		{BODY(U, ",\"tools\":[{\"type\":\"function\"}]"), "tools[0].function.name"},
		{BODY(U, ",\"response_format\":{\"type\":\"xml\"}"), "response_format.type"},
		{BODY(U, ",\"response_format\":{\"type\":\"json_schema\"}"), "response_format.json_schema.schema"},
		{BODY("7", ), "messages[0]"},
		{BODY("{}", ), "messages[0].role"},
		{BODY("{\"role\":\"user\"}", ), "messages[0].content"},
		{BODY("{\"role\":\"user\",\"content\":7}", ), "messages[0].content"},
		{BODY("{\"role\":\"user\",\"content\":\"a\",\"tool_calls\":[]}", ), "messages[0].tool_calls"},
		{BODY(U ",{\"role\":\"tool\",\"content\":\"a\"}", ), "messages[1].tool_call_id"},
		{BODY(U ",{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":7}}]}", ),
		 "messages[1].tool_calls[0].function.name"},
		{PART("{\"type\":\"text\"}"), "messages[0].content[0].text"},
		{PART("{\"type\":\"image_url\"}"), "messages[0].content[0].image_url"},
		/* the renderer's */
		{BODY(U, ",\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]"), "stop"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct trip t = {0};
		struct arena a = {0};

		round_trip(rows[i].body, &a, &t);
		cr_expect_eq(t.rc, ERR_INVAL, "%s", rows[i].body);
		cr_expect_str_eq(t.fault.param, rows[i].param, "%s: %s", rows[i].body, t.fault.param);
		cr_expect_gt(strlen(t.fault.err.msg), 10);
		trip_done(&t);
		arena_done(&a);
	}
}

Test(openai_chat, no_memory)
{
	struct arena a = {.max = 64};
	struct trip t = {0};

	round_trip(BODY(U, ), &a, &t);
	cr_expect_eq(t.rc, ERR_NOMEM);
	trip_done(&t);
	arena_done(&a);
}

/* ---- what only other wires' clients say */

static struct chat_text text(const char *s)
{
	return (struct chat_text){.at = s, .len = strlen(s)};
}

static struct json_span object(const char *s)
{
	return (struct json_span){.at = s, .len = strlen(s), .type = JSON_SPAN_OBJECT};
}

static int render(const struct chat *c, struct buf *out, struct dialect_fault *fault)
{
	struct dialect_upstream u = {.kind = PROVIDER_OPENAI, .model = "up", .api_version = ""};
	struct buf ignored = BUF_INIT;
	int rc = wire_openai_chat.render(c, &u, out, &ignored, fault);

	buf_done(&ignored);
	return rc;
}

/* Gemini's calls and results without ids; Anthropic's failed result, and a text beside results. */
Test(openai_chat, results_without_ids)
{
	struct chat_part r3 = {.kind = CHAT_TEXT, .text = text("more")};
	struct chat_part failed = {.kind = CHAT_TEXT, .text = text("no such city")};
	struct chat_part r2 = {
		.next = &r3, .kind = CHAT_TOOL_RESULT, .name = text("f"), .parts = &failed, .is_error = true};
	struct chat_part r1 = {
		.next = &r2, .kind = CHAT_TOOL_RESULT, .name = text("g"), .result = object("{\"t\":\"\\n\"}")};
	struct chat_part r0 = {.next = &r1, .kind = CHAT_TOOL_RESULT, .name = text("f")};
	struct chat_message results = {.role = CHAT_USER, .parts = &r0};
	struct chat_part c2 = {.kind = CHAT_TOOL_CALL, .name = text("f"), .args = object("{\"c\":\"x\"}")};
	struct chat_part c1 = {.next = &c2, .kind = CHAT_TOOL_CALL, .name = text("g")};
	struct chat_part c0 = {.next = &c1, .kind = CHAT_TOOL_CALL, .name = text("f"), .args = object("{}")};
	struct chat_message calls = {.next = &results, .role = CHAT_ASSISTANT, .parts = &c0};
	struct chat c = {.from = WIRE_GEMINI, .messages = &calls, .n = 1};
	struct dialect_fault fault = {0};
	struct buf out = BUF_INIT;

	cr_assert_eq(render(&c, &out, &fault), 0, "%s", fault.err.msg);
	same_json(
		out.data, out.len,
		WANT("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL("call_0", "f", "{}") "," CALL(
			     "call_1", "g",
			     "{}") "," CALL("call_2", "f",
					    "{\\\"c\\\":\\\"x\\\"}") "]},"
								     "{\"role\":\"tool\",\"tool_call_id\":\"call_0\","
								     "\"content\":\"\"},{\"role\":\"tool\","
								     "\"tool_call_id\":\"call_1\",\"content\":\"{"
								     "\\\"t\\\":\\\"\\\\n\\\"}\"},{\"role\":\"tool\","
								     "\"tool_call_id\":\"call_2\",\"content\":\"Error: "
								     "no such city\"},{\"role\":\"user\",\"content\":"
								     "\"more\"}", ));
	buf_reset(&out);
	r2.name = text("h"); /* nobody called it */
	cr_expect_eq(render(&c, &out, &fault), ERR_INVAL);
	cr_expect_str_eq(fault.param, "contents");
	buf_done(&out);
}

Test(openai_chat, inexpressible)
{
	struct chat_part text_part = {.kind = CHAT_TEXT, .text = text("Hi")};
	struct chat_part image = {.kind = CHAT_IMAGE_URL, .url = text("https://x")};
	struct chat_part result = {.kind = CHAT_TOOL_RESULT, .id = text("a"), .parts = &image};
	struct chat_message m = {.role = CHAT_USER, .parts = &text_part};
	struct chat c = {.from = WIRE_ANTHROPIC, .messages = &m, .n = 1};
	struct dialect_fault fault = {0};
	struct buf out = BUF_INIT;

	c.top_k = (struct json_span){.at = "5", .len = 1, .type = JSON_SPAN_NUMBER};
	cr_expect_eq(render(&c, &out, &fault), ERR_INVAL);
	cr_expect_str_eq(fault.param, "top_k");
	c.top_k = (struct json_span){0};
	m.parts = &result;
	buf_reset(&out);
	cr_expect_eq(render(&c, &out, &fault), ERR_INVAL);
	cr_expect_str_eq(fault.param, "messages.content.source");
	m.parts = &image;
	m.role = CHAT_ASSISTANT;
	buf_reset(&out);
	cr_expect_eq(render(&c, &out, &fault), ERR_INVAL);
	buf_done(&out);
}

/* ---- whole answers */

#define ANSWER(choices, more) "{\"id\":\"chatcmpl-1\",\"choices\":[" choices "]" more "}"
#define USAGE                                                                                                          \
	",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12,\"prompt_tokens_details\":{"      \
	"\"cached_tokens\":4},\"completion_tokens_details\":{\"reasoning_tokens\":2}}"
#define HEAD                                                                                                           \
	"{\"id\":\"chatcmpl-abc\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"pub\\\"lic\","     \
	"\"choices\":["

Test(openai_chat, answers)
{
	static const struct {
		const char *body, *want; /* want NULL: ERR_PROTO */
	} rows[] = {
		{ANSWER("{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi \\u00e4\",\"refusal\":null},"
			"\"finish_reason\":\"stop\"}",
			USAGE),
		 HEAD "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi \\u00e4\",\"refusal\":null},"
		      "\"logprobs\":null,\"finish_reason\":\"stop\"}]" USAGE "}"},
		{ANSWER("{\"message\":{\"content\":\"\",\"tool_calls\":[" CALL("a", "f", "{}") "," CALL(
				"b", "g", "") "]},"
					      "\"finish_reason\":\"tool_calls\"},{\"message\":{\"refusal\":\"no\"},"
					      "\"finish_reason\":"
					      "\"content_filter\"}", ),
		 HEAD "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":null,\"tool_"
		      "calls\":[" CALL("a", "f", "{}") "," CALL(
			      "b", "g", "{}") "]},\"logprobs\":null,\"finish_reason\":\"tool_calls\"},"
					      "{\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":null,"
					      "\"refusal\":\"no\"},\"logprobs\":"
					      "null,\"finish_reason\":\"content_filter\"}]}"},
		{"", NULL},
		{"<html>", NULL},
		{"[]", NULL},
		{"{}", NULL},
		{"{\"choices\":[]}", NULL},
		{"{\"choices\":{}}", NULL},
		{ANSWER("7", ), NULL},
		{ANSWER("{}", ), NULL},
		{ANSWER("{\"message\":\"x\"}", ), NULL},
		{ANSWER("{\"message\":{\"content\":7}}", ), NULL},
		{ANSWER("{\"message\":{\"tool_calls\":7}}", ), NULL},
		{ANSWER("{\"message\":{\"tool_calls\":[{\"id\":\"a\"}]}}", ), NULL},
		{ANSWER("{\"message\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":7}}]}}", ), NULL},
	};
	static const char *const invalid[] = {
		"{\"error\":{}}",
		"{\"choices\":[]}",
		"{\"choices\":{}}",
		"{\"choices\":[7]}",
		"{\"choices\":[{}]}",
		"{\"choices\":[{\"message\":\"x\"}]}",
		"{\"choices\":[{\"message\":{\"content\":7}}]}",
	};
	struct dialect_answer_opts o = {.from = WIRE_OPENAI_CHAT,
					.to = WIRE_OPENAI_CHAT,
					.id = "req_abc",
					.model = "pub\"lic",
					.model_len = 7,
					.created_s = 1700000000,
					.choices = 1};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].body);
		char *copy = memcpy(malloc(len + 1), rows[i].body, len);
		struct buf out = BUF_INIT;
		struct arena a = {0};
		struct err err = {0};
		int rc = dialect_answer_translate(&o, copy, len, &a, &out, &err);

		if (rows[i].want) {
			cr_assert_eq(rc, 0, "%s: %s", rows[i].body, err.msg);
			cr_expect(dialect_answer_valid(WIRE_OPENAI_CHAT, copy, len));
			same_json(out.data, out.len, rows[i].want);
		} else {
			cr_expect_eq(rc, ERR_PROTO, "%s: %d", rows[i].body, rc);
			cr_expect(err.msg[0]);
		}
		free(copy);
		buf_done(&out);
		arena_done(&a);
	}
	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++) /* D6 */
		cr_expect(!dialect_answer_valid(WIRE_OPENAI_CHAT, invalid[i], strlen(invalid[i])), "%s", invalid[i]);
	cr_expect(!dialect_answer_valid(WIRE_OPENAI_EMBEDDINGS, "{\"choices\":[]}", 14));
	cr_expect(dialect_answer_valid(WIRE_OPENAI_EMBEDDINGS, "{\"data\":[]}", 11));
}
