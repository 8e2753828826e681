/* Goal: Anthropic messages as a client's request: what admission reads, what is refused and whom it blames (D5, C1),
 * what is left out as a hint, and that the same wire changes only the model's name. Method: one row per member, and per
 * object that has members. What a parser took is seen by what the renderer makes of it. */
#include "dialect/anthropic.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define M "\"model\":\"claude\",\"max_tokens\":9," HI
#define TOOL "{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}"

static const struct dialect_target target = {
	.route = TG_ROUTE_MESSAGES, .dialect = TG_DIALECT_ANTHROPIC, .wire = WIRE_ANTHROPIC};

static int parse(const char *body, struct dialect_request *q, struct dialect_fault *fault)
{
	size_t len = strlen(body);
	char *copy = malloc(len ? len : 1); /* exact size, for ASan */
	int rc;

	memcpy(copy, body, len);
	rc = dialect_request_parse(&target, copy, len, q, fault);
	if (rc == 0)
		q->model = body + (q->model - copy);
	free(copy);
	return rc;
}

Test(anthropic_request, scanned)
{
	static const struct {
		const char *body, *model;
		bool stream;
		uint64_t max_output, estimate, files;
	} rows[] = {
		{"{" M "}", "claude", false, 9, 2, 0},
		{" {" M " , \"stream\" : true } ", "claude", true, 9, 2, 0},
		{"{" M ",\"stream\":null}", "claude", false, 9, 2, 0},
		{"{\"max_tokens\":0," HI ",\"model\":\"\xe6\xa8\xa1\"}", "\xe6\xa8\xa1", false, 0, 2, 0},
		{"{" M ",\"system\":\"You are terse.\"}", "claude", false, 9, 6, 0},
		{"{" M ",\"system\":[{\"type\":\"text\",\"text\":\"You are terse.\"}]}", "claude", false, 9, 7, 0},
		{"{" M ",\"tools\":[" TOOL "]}", "claude", false, 9, 14, 0},
		{"{\"model\":\"c\",\"max_tokens\":1099511627776,\"messages\":[{\"role\":\"user\",\"content\":[{"
		 "\"type\":"
		 "\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"AAAA\"}},{\"type\":"
		 "\"tool_result\",\"tool_use_id\":\"1\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"url\","
		 "\"url\":\"https://x/y\"}}]}]}]}",
		 "c", false, 1ull << 40, 22, 2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dialect_fault fault;
		struct dialect_request q;

		cr_assert_eq(parse(rows[i].body, &q, &fault), 0, "row %zu: %s", i, fault.err.msg);
		cr_expect_eq(q.model_len, strlen(rows[i].model), "row %zu", i);
		cr_expect_arr_eq(q.model, rows[i].model, q.model_len, "row %zu", i);
		cr_expect_eq(q.body_model.len, q.model_len + 2, "row %zu", i);
		cr_expect_eq(rows[i].body + q.body_model.at, q.model - 1, "row %zu", i);
		cr_expect_eq(q.stream, rows[i].stream, "row %zu", i);
		cr_expect_eq(q.max_output_tokens, rows[i].max_output, "row %zu", i);
		cr_expect_eq(q.choices, 1, "row %zu", i);
		cr_expect_eq(q.files, rows[i].files, "row %zu: %" PRIu64, i, q.files);
		if (!rows[i].files) /* else it is estimate.c's */
			cr_expect_eq(q.prompt_tokens_estimate, rows[i].estimate, "row %zu: %" PRIu64, i,
				     q.prompt_tokens_estimate);
	}
}

Test(anthropic_request, not_scanned)
{
	static const struct {
		const char *body, *param, *message;
	} rows[] = {
		{"", "", "unexpected end"},
		{"[]", "", "expected an object"},
		{"{" M "", "", "unexpected end"},
		{"{" M ",\"x\":\"\xff\"}", "", "invalid UTF-8"},
		{"{\"max_tokens\":1," HI "}", "model", "Missing required"},
		{"{\"model\":1,\"max_tokens\":1," HI "}", "model", "non-empty string"},
		{"{\"model\":\"a\",\"model\":\"b\",\"max_tokens\":1," HI "}", "model", "given twice"},
		{"{\"model\":\"a\"," HI "}", "max_tokens", "required"},
		{"{\"model\":\"a\",\"max_tokens\":null," HI "}", "max_tokens", "required"},
		{"{\"model\":\"a\",\"max_tokens\":-1," HI "}", "max_tokens", "whole number"},
		{"{\"model\":\"a\",\"max_tokens\":1.5," HI "}", "max_tokens", "whole number"},
		{"{\"model\":\"a\",\"max_tokens\":\"9\"," HI "}", "max_tokens", "whole number"},
		{"{\"model\":\"a\",\"max_tokens\":1099511627777," HI "}", "max_tokens", "too large"},
		{"{\"model\":\"a\",\"max_tokens\":1}", "messages", "non-empty array"},
		{"{\"model\":\"a\",\"max_tokens\":1,\"messages\":[]}", "messages", "non-empty array"},
		{"{\"model\":\"a\",\"max_tokens\":1,\"messages\":\"Hi\"}", "messages", "non-empty array"},
		{"{" M ",\"stream\":1}", "stream", "boolean"},
		{"{" M ",\"stream\":true,\"stream\":true}", "stream", "given twice"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dialect_fault fault;
		struct dialect_request q;

		cr_assert_eq(parse(rows[i].body, &q, &fault), ERR_INVAL, "row %zu", i);
		cr_expect_str_eq(fault.param, rows[i].param, "row %zu", i);
		cr_expect(strstr(fault.err.msg, rows[i].message), "row %zu: %s", i, fault.err.msg);
	}
}

/* D2's counterpart: the same wire takes everything, known or not. */
Test(anthropic_request, same_wire)
{
	static const char *const rows[] = {
		"{%s\"max_tokens\":1," HI ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024},\"foo\":[1e5]}",
		"{\"max_tokens\":1,\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
		"\"thinking\":\"\\u00e9\",\"signature\":\"s\"}]}],%s\"tools\":[{\"type\":\"web_search_20250305\"}]}",
	};
	const struct dialect_upstream up = {PROVIDER_ANTHROPIC, "claude-\"x\"", ""};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf body = BUF_INIT, want = BUF_INIT, out = BUF_INIT, ignored = BUF_INIT;
		struct dialect_fault fault;
		struct dialect_request q;
		struct arena a = {0};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		buf_printf(&body, rows[i], "\"model\" : \"public\" ,");
		buf_printf(&want, rows[i], "\"model\" : \"claude-\\\"x\\\"\" ,");
#pragma GCC diagnostic pop
		cr_assert_eq(dialect_request_parse(&target, body.data, body.len, &q, &fault), 0);
		cr_assert_eq(dialect_request_render(&q, &target, body.data, body.len, &up, &a, &out, &ignored, &fault),
			     0);
		cr_expect_str_eq(out.data, want.data, "row %zu", i);
		cr_expect_eq(ignored.len, 0);
		buf_done(&body);
		buf_done(&want);
		buf_done(&out);
		arena_done(&a);
	}
}

/* ---- as a chat, seen by what is made of it again */

struct outcome {
	int rc;
	struct buf out, ignored;
	struct dialect_fault fault;
};

static void translate(const char *body, const char *version, struct outcome *o)
{
	const struct dialect_upstream up = {PROVIDER_ANTHROPIC, "up", version};
	struct chat chat = {.from = WIRE_ANTHROPIC, .n = 1};
	struct chat_reader r = {.ignored = &o->ignored, .fault = &o->fault};
	struct dialect_request q;
	struct arena a = {0};
	size_t len = strlen(body);
	char *copy = malloc(len);

	*o = (struct outcome){0};
	r.arena = &a;
	memcpy(copy, body, len);
	o->rc = dialect_request_parse(&target, copy, len, &q, &o->fault);
	if (o->rc == 0)
		o->rc = anthropic_parse(&r, &target, copy, len, &chat);
	if (o->rc == 0)
		o->rc = anthropic_render(&chat, &up, &o->out, &o->ignored, &o->fault);
	arena_done(&a);
	free(copy);
}

static void outcome_done(struct outcome *o)
{
	buf_done(&o->out);
	buf_done(&o->ignored);
}

#define USER(blocks) "\"messages\":[{\"role\":\"user\",\"content\":[" blocks "]}]"
#define OUT(messages, more) "{\"model\":\"up\",\"max_tokens\":9," messages more "}"
#define TEXT(t) "{\"type\":\"text\",\"text\":\"" t "\"}"
#define OUT_HI USER(TEXT("Hi"))
#define B(messages) "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[" messages "]}"
#define MSG(role, blocks) "{\"role\":\"" role "\",\"content\":[" blocks "]}"
#define PNG "{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"iVBO\"}"
#define CALL "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{\"a\":[1, 2]}}"
#define RESULT(more) "{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_1\"" more "}"

static const struct {
	const char *in, *out, *ignored;
} taken[] = {
	{"{" M "}", OUT(OUT_HI, ""), ""},
	{"{" M ",\"system\":null,\"tools\":null,\"foo\":null}", OUT(OUT_HI, ""), ""},
	{"{" M ",\"system\":\"S\\n\\u00e9\"}", OUT("\"system\":[" TEXT("S\\n\\u00e9") "]," OUT_HI, ""), ""},
	{"{" M
	 ",\"system\":[" TEXT("A") ",{\"type\":\"text\",\"text\":\"B\",\"cache_control\":{\"type\":\"ephemeral\"}}]}",
	 OUT("\"system\":[" TEXT("A") "," TEXT("B") "]," OUT_HI, ""), "cache_control"},
	{B(MSG("system", TEXT("A")) "," MSG("user", TEXT("Hi"))), OUT("\"system\":[" TEXT("A") "]," OUT_HI, ""), ""},
	{B(MSG("user", "{\"type\":\"image\",\"source\":" PNG "}," TEXT("?"))),
	 OUT(USER("{\"type\":\"image\",\"source\":" PNG "}," TEXT("?")), ""), ""},
	{B(MSG("user", "{\"source\":{\"url\":\"https://x\\/y\",\"type\":\"url\"},\"type\":\"image\"}")),
	 OUT(USER("{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x\\/y\"}}"), ""), ""},
	/* turns: joined, results first, empty text left out */
	{B(MSG("user", TEXT("1")) "," MSG("user", TEXT("") "," TEXT("2")) "," MSG("assistant",
										  TEXT("")) "," MSG("user", TEXT("3"))),
	 OUT(USER(TEXT("1") "," TEXT("2") "," TEXT("3")), ""), ""},
	{B(MSG("user", TEXT("1")) "," MSG("assistant", TEXT("x") "," CALL) "," MSG(
		 "user", TEXT("2") "," RESULT(",\"content\":\"y\"")) "," MSG("user", RESULT(""))),
	 OUT("\"messages\":[" MSG("user", TEXT("1")) "," MSG("assistant", TEXT("x") "," CALL) "," MSG(
		     "user", RESULT(",\"content\":[" TEXT("y") "]") "," RESULT("") "," TEXT("2")) "]",
	     ""),
	 ""},
	{B(MSG("user",
	       RESULT(",\"is_error\":true,\"content\":[" TEXT("y") ",{\"type\":\"image\",\"source\":" PNG "}]"))),
	 OUT(USER(RESULT(",\"content\":[" TEXT("y") ",{\"type\":\"image\",\"source\":" PNG "}],\"is_error\":true")),
	     ""),
	 ""},
	{B(MSG("assistant", "{\"type\":\"text\",\"text\":\"x\",\"citations\":null},"
			    "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{},\"caller\":{\"type\":"
			    "\"direct\"}}") "," MSG("user", TEXT("1"))),
	 OUT("\"messages\":[" MSG("assistant", TEXT("x") ",{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\","
							 "\"input\":{}}") "," MSG("user", TEXT("1")) "]",
	     ""),
	 ""},
	/* tools */
	{"{" M ",\"tools\":[" TOOL "]}", OUT(OUT_HI, ",\"tools\":[" TOOL "]"), ""},
	{"{" M
	 ",\"tools\":[{\"type\":\"custom\",\"strict\":true,\"description\":\"d\",\"name\":\"f\",\"input_schema\":{},"
	 "\"cache_control\":{},\"eager_input_streaming\":true,\"defer_loading\":false,\"allowed_callers\":[\"direct\"],"
	 "\"input_examples\":[]}]}",
	 OUT(OUT_HI, ",\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\"},\"strict\":true}]"),
	 "cache_control, tools.eager_input_streaming"},
	{"{" M ",\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"auto\"}}",
	 OUT(OUT_HI, ",\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"auto\"}"), ""},
	{"{" M ",\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":true}}",
	 OUT(OUT_HI, ",\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":true}"),
	 ""},
	{"{" M ",\"tools\":[" TOOL
	 "],\"tool_choice\":{\"disable_parallel_tool_use\":false,\"name\":\"f\",\"type\":\"tool\"}}",
	 OUT(OUT_HI, ",\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"}"), ""},
	{"{" M ",\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"none\"}}",
	 OUT(OUT_HI, ",\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"none\"}"), ""},
	{"{" M ",\"tool_choice\":{\"type\":\"none\"}}", OUT(OUT_HI, ""), ""},
	/* the rest */
	{"{" M ",\"stream\":true}", OUT(OUT_HI, ",\"stream\":true"), ""},
	{"{" M ",\"stop_sequences\":[\"\\n\",\"END\"]}", OUT(OUT_HI, ",\"stop_sequences\":[\"\\n\",\"END\"]"), ""},
	{"{" M ",\"stop_sequences\":[]}", OUT(OUT_HI, ""), ""},
	{"{" M ",\"temperature\":0.70,\"top_p\":1.0,\"top_k\":40}",
	 OUT(OUT_HI, ",\"temperature\":0.70,\"top_p\":1.0,\"top_k\":40"), ""},
	{"{" M ",\"temperature\":0,\"top_p\":1}", OUT(OUT_HI, ",\"temperature\":0,\"top_p\":1"), ""},
	{"{" M ",\"metadata\":{\"user_id\":\"u\"}}", OUT(OUT_HI, ",\"metadata\":{\"user_id\":\"u\"}"), ""},
	{"{" M ",\"metadata\":{\"user_id\":null}}", OUT(OUT_HI, ""), ""},
	{"{" M
	 ",\"thinking\":{\"type\":\"disabled\"},\"service_tier\":\"auto\",\"cache_control\":{},\"diagnostics\":{}}",
	 OUT(OUT_HI, ""), "thinking, service_tier, cache_control, diagnostics"},
	{"{" M ",\"speed\":\"standard\",\"mcp_servers\":[]}", OUT(OUT_HI, ""), ""},
	{"{" M ",\"output_config\":{\"effort\":\"xhigh\"}}", OUT(OUT_HI, ",\"output_config\":{\"effort\":\"xhigh\"}"),
	 ""},
	{"{" M ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"a\":1}},\"effort\":\"low\"}}",
	 OUT(OUT_HI,
	     ",\"output_config\":{\"effort\":\"low\",\"format\":{\"type\":\"json_schema\",\"schema\":{\"a\":1}}}"),
	 ""},
};

Test(anthropic_request, taken)
{
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		struct outcome o;

		translate(taken[i].in, "", &o);
		cr_assert_eq(o.rc, 0, "row %zu: %s: %s", i, taken[i].in, o.fault.err.msg);
		cr_expect_str_eq(o.out.data, taken[i].out, "row %zu: %s\n%s", i, o.out.data, taken[i].out);
		cr_expect_str_eq(o.ignored.len ? o.ignored.data : "", taken[i].ignored, "row %zu: %s", i,
				 o.ignored.data);
		outcome_done(&o);
	}
}

static const struct {
	const char *in, *param, *message;
} refused[] = {
	{"{" M ",\"foo\":1}", "foo", "can't be expressed"},
	{"{" M ",\"top_k\":1,\"top_k\":2}", "top_k", "given twice"},
	{"{\"model\":\"m\",\"max_tokens\":0," HI "}", "max_tokens", "at least one token"},
	{"{" M ",\"container\":\"c\"}", "container", "only Anthropic"},
	{"{" M ",\"context_management\":{}}", "context_management", "only Anthropic"},
	{"{" M ",\"inference_geo\":\"eu\"}", "inference_geo", "only Anthropic"},
	{"{" M ",\"mcp_servers\":[{}]}", "mcp_servers", "only Anthropic"},
	{"{" M ",\"mcp_servers\":{}}", "mcp_servers", "array"},
	{"{" M ",\"speed\":\"fast\"}", "speed", "only Anthropic"},
	{"{" M ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}}", "thinking.type", "can't be expressed"},
	{"{" M ",\"thinking\":{\"type\":\"adaptive\"}}", "thinking.type", "can't be expressed"},
	{"{" M ",\"thinking\":{}}", "thinking.type", "string"},
	{"{" M ",\"thinking\":true}", "thinking", "object"},
	{"{" M ",\"output_config\":{\"effort\":\"max\"}}", "output_config.effort", "can't be expressed"},
	{"{" M ",\"output_config\":{\"effort\":\"much\"}}", "output_config.effort", "expected low"},
	{"{" M ",\"output_config\":{\"effort\":3}}", "output_config.effort", "expected low"},
	{"{" M ",\"output_config\":{\"x\":3}}", "output_config.x", "isn't known"},
	{"{" M ",\"output_config\":{\"format\":{\"type\":\"text\"}}}", "output_config.format.type", "json_schema"},
	{"{" M ",\"output_config\":{\"format\":{\"type\":\"json_schema\"}}}", "output_config.format.schema",
	 "required"},
	{"{" M ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":1}}}",
	 "output_config.format.schema", "object"},
	{"{" M ",\"temperature\":1.01}", "temperature", "0 to 1"},
	{"{" M ",\"temperature\":10}", "temperature", "0 to 1"},
	{"{" M ",\"temperature\":-0.5}", "temperature", "0 to 1"},
	{"{" M ",\"temperature\":5e-1}", "temperature", "0 to 1"},
	{"{" M ",\"temperature\":\"1\"}", "temperature", "0 to 1"},
	{"{" M ",\"top_p\":2}", "top_p", "0 to 1"},
	{"{" M ",\"top_k\":0.5}", "top_k", "whole number"},
	{"{" M ",\"top_k\":-1}", "top_k", "whole number"},
	{"{" M ",\"stop_sequences\":\"x\"}", "stop_sequences", "array"},
	{"{" M ",\"stop_sequences\":[\"x\",1]}", "stop_sequences[1]", "string"},
	{"{" M
	 ",\"stop_sequences\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]}",
	 "stop_sequences", "too many"},
	{"{" M ",\"metadata\":\"u\"}", "metadata", "object"},
	{"{" M ",\"metadata\":{\"user_id\":1}}", "metadata.user_id", "string"},
	{"{" M ",\"metadata\":{\"x\":1}}", "metadata.x", "isn't known"},
	/* tools */
	{"{" M ",\"tools\":{}}", "tools", "array"},
	{"{" M ",\"tools\":[1]}", "tools[0]", "object"},
	{"{" M ",\"tools\":[" TOOL ",{\"type\":\"web_search_20250305\",\"name\":\"web_search\",\"max_uses\":5}]}",
	 "tools[1].type", "can't be expressed"},
	{"{" M ",\"tools\":[{\"type\":1}]}", "tools[0].type", "string"},
	{"{" M ",\"tools\":[{\"name\":\"f\"}]}", "tools[0].input_schema", "required"},
	{"{" M ",\"tools\":[{\"input_schema\":{}}]}", "tools[0].name", "required"},
	{"{" M ",\"tools\":[{\"name\":\"f\",\"input_schema\":\"{}\"}]}", "tools[0].input_schema", "object"},
	{"{" M ",\"tools\":[{\"name\":\"f\",\"input_schema\":{},\"description\":1}]}", "tools[0].description",
	 "string"},
	{"{" M ",\"tools\":[{\"name\":\"f\",\"input_schema\":{},\"strict\":1}]}", "tools[0].strict", "boolean"},
	{"{" M ",\"tools\":[{\"name\":\"f\",\"input_schema\":{},\"defer_loading\":true}]}", "tools[0].defer_loading",
	 "only Anthropic"},
	{"{" M ",\"tools\":[{\"name\":\"f\",\"input_schema\":{},\"input_examples\":[{}]}]}", "tools[0].input_examples",
	 "only Anthropic"},
	{"{" M ",\"tools\":[{\"name\":\"f\",\"input_schema\":{},\"allowed_callers\":[\"code_execution_20250825\"]}]}",
	 "tools[0].allowed_callers", "only Anthropic"},
	{"{" M ",\"tools\":[{\"name\":\"f\",\"input_schema\":{},\"x\":0}]}", "tools[0].x", "isn't known"},
	{"{" M ",\"tool_choice\":\"auto\"}", "tool_choice", "object"},
	{"{" M ",\"tool_choice\":{\"type\":\"some\"}}", "tool_choice.type", "expected auto"},
	{"{" M ",\"tool_choice\":{\"type\":\"tool\"}}", "tool_choice.name", "required"},
	{"{" M ",\"tool_choice\":{\"type\":\"auto\",\"name\":\"f\"}}", "tool_choice.name", "isn't known"},
	{"{" M ",\"tool_choice\":{\"type\":\"none\",\"disable_parallel_tool_use\":true}}",
	 "tool_choice.disable_parallel_tool_use", "isn't known"},
	{"{" M ",\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":1}}",
	 "tool_choice.disable_parallel_tool_use", "boolean"},
	{"{" M ",\"tool_choice\":{\"type\":\"any\"}}", "tool_choice", "there are no tools"},
	/* messages */
	{"{" M ",\"system\":1}", "system", "string or an array"},
	{"{" M ",\"system\":[{\"type\":\"image\",\"source\":" PNG "}]}", "system[0].type", "can't stand here"},
	{B("1"), "messages[0]", "object"},
	{B("{\"role\":\"user\"}"), "messages[0].content", "required"},
	{B("{\"content\":\"x\"}"), "messages[0].role", "required"},
	{B("{\"role\":\"tool\",\"content\":\"x\"}"), "messages[0].role", "expected user"},
	{B("{\"role\":\"user\",\"content\":\"x\",\"name\":\"n\"}"), "messages[0].name", "isn't known"},
	{B("{\"role\":\"user\",\"content\":{}}"), "messages[0].content", "string or an array"},
	{B("{\"role\":\"system\",\"content\":\"x\"}"), "messages", "user's message"},
	{B(MSG("user", TEXT("1")) "," MSG("system", TEXT("2"))), "messages[1].role", "before all others"},
	{B(MSG("user", TEXT("1")) "," MSG("assistant", TEXT("2"))), "messages[1]", "go on"},
	{B(MSG("user", TEXT(""))), "messages", "user's message"},
	{B(MSG("user", "1")), "messages[0].content[0]", "object"},
	{B(MSG("user", "{}")), "messages[0].content[0].type", "string"},
	{B(MSG("user", "{\"type\":\"document\"}")), "messages[0].content[0].type", "can't be expressed"},
	{B(MSG("user", "{\"type\":\"search_result\"}")), "messages[0].content[0].type", "can't be expressed"},
	{B(MSG("user", TEXT("x") ",{\"type\":\"text\"}")), "messages[0].content[1].text", "required"},
	{B(MSG("user", "{\"type\":\"text\",\"text\":1}")), "messages[0].content[0].text", "string"},
	{B(MSG("user", "{\"type\":\"text\",\"text\":\"\",\"citations\":[{}]}")), "messages[0].content[0].citations",
	 "only Anthropic"},
	{B(MSG("user", CALL)), "messages[0].content[0].type", "can't stand here"},
	{B(MSG("assistant", RESULT(""))), "messages[0].content[0].type", "can't stand here"},
	{B(MSG("assistant", "{\"type\":\"image\",\"source\":" PNG "}")), "messages[0].content[0].type",
	 "can't stand here"},
	{B(MSG("assistant", "{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s\"}")),
	 "messages[0].content[0].type", "can't be expressed"},
	{B(MSG("assistant", "{\"type\":\"redacted_thinking\",\"data\":\"t\"}")), "messages[0].content[0].type",
	 "can't be expressed"},
	{B(MSG("assistant", "{\"type\":\"tool_use\",\"id\":\"1\",\"name\":\"f\",\"input\":\"{}\"}")),
	 "messages[0].content[0].input", "object"},
	{B(MSG("assistant", "{\"type\":\"tool_use\",\"id\":\"1\",\"input\":{}}")), "messages[0].content[0].name",
	 "required"},
	{B(MSG("assistant",
	       "{\"type\":\"tool_use\",\"id\":\"1\",\"name\":\"f\",\"input\":{},\"caller\":{\"type\":\"x\"}}")),
	 "messages[0].content[0].caller", "only Anthropic"},
	{B(MSG("user", RESULT(",\"content\":[" CALL "]"))), "messages[0].content[0].content[0].type",
	 "can't stand here"},
	{B(MSG("user", RESULT(",\"is_error\":0"))), "messages[0].content[0].is_error", "boolean"},
	{B(MSG("user", "{\"type\":\"tool_result\"}")), "messages[0].content[0].tool_use_id", "required"},
	{B(MSG("user", "{\"type\":\"image\"}")), "messages[0].content[0].source", "required"},
	{B(MSG("user", "{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":\"f\"}}")),
	 "messages[0].content[0].source.type", "base64 or as a URL"},
	{B(MSG("user", "{\"type\":\"image\",\"source\":{\"type\":\"url\"}}")), "messages[0].content[0].source.url",
	 "required"},
	{B(MSG("user", "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\"\"}}")),
	 "messages[0].content[0].source.media_type", "required"},
	{B(MSG("user", "{\"type\":\"image\",\"source\":" PNG ",\"transformations\":{}}")),
	 "messages[0].content[0].transformations", "only Anthropic"},
};

Test(anthropic_request, refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct outcome o;

		translate(refused[i].in, "", &o);
		cr_assert_eq(o.rc, ERR_INVAL, "row %zu: %s: %s", i, refused[i].in, o.out.data);
		cr_expect_str_eq(o.fault.param, refused[i].param, "row %zu: %s", i, o.fault.param);
		cr_expect(strstr(o.fault.err.msg, refused[i].message), "row %zu: %s", i, o.fault.err.msg);
		outcome_done(&o);
	}
}

Test(anthropic_request, a_long_name_is_cut)
{
	struct buf body = BUF_INIT;
	struct outcome o;

	buf_puts(&body, "{" M ",\"output_config\":{\"");
	for (int i = 0; i < 1000; i++)
		buf_putc(&body, 'x');
	buf_puts(&body, "\":1}}");
	translate(body.data, "", &o);
	cr_assert_eq(o.rc, ERR_INVAL);
	cr_expect_eq(strlen(o.fault.param), DIALECT_PARAM_MAX - 1);
	outcome_done(&o);
	buf_done(&body);
}

/* From 2026-10-21 on there is no sampling: the one thing that is left out though it could change the answer. */
Test(anthropic_request, sampling_by_version)
{
	static const struct {
		const char *version, *out, *ignored;
	} rows[] = {
		{"", OUT(OUT_HI, ",\"temperature\":1,\"top_p\":0.5,\"top_k\":3"), ""},
		{"2023-06-01", OUT(OUT_HI, ",\"temperature\":1,\"top_p\":0.5,\"top_k\":3"), ""},
		{"2026-10-20", OUT(OUT_HI, ",\"temperature\":1,\"top_p\":0.5,\"top_k\":3"), ""},
		{"2026-10-21", OUT(OUT_HI, ""), "temperature, top_p, top_k"},
		{"2027-01-01", OUT(OUT_HI, ""), "temperature, top_p, top_k"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct outcome o;

		translate("{" M ",\"temperature\":1,\"top_p\":0.5,\"top_k\":3}", rows[i].version, &o);
		cr_assert_eq(o.rc, 0, "row %zu: %s", i, o.fault.err.msg);
		cr_expect_str_eq(o.out.data, rows[i].out, "row %zu", i);
		cr_expect_str_eq(o.ignored.len ? o.ignored.data : "", rows[i].ignored, "row %zu", i);
		outcome_done(&o);
	}
}
