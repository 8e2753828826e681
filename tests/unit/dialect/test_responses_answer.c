/* Goal: usage of a whole response is believed only when it is plainly one; what is no response isn't taken for one
 * (D6); other wires' answers become responses as the SDK's types have them. Method: rows; rendered answers compared as
 * a whole. */
#include "dialect/wire.h"
#include "streams.h"

#include <criterion/criterion.h>
#include <string.h>

#define RESPONSE(usage) "{\"id\":\"resp_1\",\"object\":\"response\",\"output\":[]" usage "}"
#define USAGE(members) RESPONSE(",\"usage\":{" members "}")

static const struct usage_row {
	const char *name, *body;
	int rc;
	bool inconsistent;
	struct usage usage;
} usage_rows[] = {
	{"all of it",
	 USAGE("\"input_tokens\":36,\"input_tokens_details\":{\"cached_tokens\":10,\"cache_write_tokens\":6,\"x\":"
	       "\"y\"},"
	       "\"output_tokens\":87,\"output_tokens_details\":{\"reasoning_tokens\":64},\"total_tokens\":123"),
	 0,
	 false,
	 {36, 10, 6, 87, 64}},
	{"counts alone", USAGE("\"input_tokens\":1,\"output_tokens\":2"), 0, false, {1, 0, 0, 2, 0}},
	{"zeros are counts", USAGE("\"input_tokens\":0,\"output_tokens\":0,\"total_tokens\":0"), 0, false, {0}},
	{"details null",
	 USAGE("\"input_tokens\":1,\"input_tokens_details\":null,\"output_tokens\":2,"
	       "\"output_tokens_details\":{\"reasoning_tokens\":null}"),
	 0,
	 false,
	 {1, 0, 0, 2, 0}},
	{"total off", USAGE("\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":4"), 0, true, {1, 0, 0, 2, 0}},
	{"total no number",
	 USAGE("\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":\"3\""),
	 0,
	 true,
	 {1, 0, 0, 2, 0}},
	{"none", RESPONSE(""), ERR_NOT_FOUND, false, {0}},
	{"null", RESPONSE(",\"usage\":null"), ERR_NOT_FOUND, false, {0}},
	{"empty", USAGE(""), ERR_NOT_FOUND, false, {0}},
	{"failed and null", RESPONSE(",\"status\":\"failed\",\"usage\":null"), 0, false, {0}},
	{"failed with usage",
	 RESPONSE(",\"status\":\"failed\",\"usage\":{\"input_tokens\":1,\"output_tokens\":0}"),
	 0,
	 false,
	 {1, 0, 0, 0, 0}},
	{"failed with half", RESPONSE(",\"status\":\"failed\",\"usage\":{\"input_tokens\":1}"), ERR_INVAL, false, {0}},
	{"incomplete and null", RESPONSE(",\"status\":\"incomplete\",\"usage\":null"), ERR_NOT_FOUND, false, {0}},
	{"a chat's names", USAGE("\"prompt_tokens\":1,\"completion_tokens\":2"), ERR_NOT_FOUND, false, {0}},
	{"half", USAGE("\"input_tokens\":1,\"total_tokens\":1"), ERR_INVAL, false, {0}},
	{"the other half", USAGE("\"output_tokens\":1"), ERR_INVAL, false, {0}},
	{"a string", USAGE("\"input_tokens\":\"1\",\"output_tokens\":2"), ERR_INVAL, false, {0}},
	{"negative", USAGE("\"input_tokens\":1,\"output_tokens\":-2"), ERR_INVAL, false, {0}},
	{"a fraction", USAGE("\"input_tokens\":1.5,\"output_tokens\":2"), ERR_INVAL, false, {0}},
	{"beyond belief", USAGE("\"input_tokens\":9007199254740993,\"output_tokens\":2"), ERR_INVAL, false, {0}},
	{"cached above input",
	 USAGE("\"input_tokens\":1,\"output_tokens\":2,\"input_tokens_details\":{\"cached_tokens\":2}"),
	 ERR_INVAL,
	 false,
	 {0}},
	{"cached and written above input",
	 USAGE("\"input_tokens\":3,\"output_tokens\":2,\"input_tokens_details\":{\"cached_tokens\":2,\"cache_write_"
	       "tokens\":2}"),
	 ERR_INVAL,
	 false,
	 {0}},
	{"reasoning above output",
	 USAGE("\"input_tokens\":1,\"output_tokens\":2,\"output_tokens_details\":{\"reasoning_tokens\":3}"),
	 ERR_INVAL,
	 false,
	 {0}},
	{"details no object",
	 USAGE("\"input_tokens\":1,\"output_tokens\":2,\"output_tokens_details\":[]"),
	 ERR_INVAL,
	 false,
	 {0}},
	{"no object", RESPONSE(",\"usage\":[]"), ERR_INVAL, false, {0}},
	{"no JSON", "{\"usage\":", ERR_PROTO, false, {0}},
	{"no answer", "[]", ERR_PROTO, false, {0}},
};

Test(responses_answer, usage)
{
	for (size_t i = 0; i < ARRAY_SIZE(usage_rows); i++) {
		const struct usage_row *r = &usage_rows[i];
		struct usage u = {.input_tokens = 77};
		bool inconsistent = false;
		int rc = dialect_answer_usage(WIRE_OPENAI_RESPONSES, r->body, strlen(r->body), &u, &inconsistent);

		cr_expect_eq(rc, r->rc, "%s: %d", r->name, rc);
		if (rc == 0)
			cr_expect_arr_eq(&u, &r->usage, sizeof(u), "%s", r->name);
		else
			cr_expect_eq(u.input_tokens, 77, "%s", r->name);
		cr_expect_eq(inconsistent, r->inconsistent, "%s", r->name);
	}
}

Test(responses_answer, valid)
{
	static const struct {
		const char *body;
		bool valid;
	} rows[] = {
		{RESPONSE(""), true},
		{"{\"object\":\"response\",\"status\":\"failed\",\"error\":{},\"output\":[]}", true},
		{"{\"object\":\"chat.completion\",\"output\":[]}", false},
		{"{\"object\":\"response\"}", false},
		{"{\"object\":\"response\",\"output\":null}", false},
		{"{\"output\":[]}", false},
		{"{\"error\":{}}", false},
		{"[]", false},
		{"<html>", false},
		{"", false},
		{RESPONSE("") "x", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_eq(dialect_answer_valid(WIRE_OPENAI_RESPONSES, rows[i].body, strlen(rows[i].body)),
			     rows[i].valid, "%s", rows[i].body);
}

Test(responses_answer, usage_at_the_end_of_an_answer_too_large)
{
	static const char end[] =
		"\\\"usage\\\":{}\"}]}],\"usage\":{\"input_tokens\":1,\"output_tokens\":2},\"metadata\":{}}";
	static char text[1 << 16];
	struct dialect_tail tail = {.len = 0};
	bool inconsistent = true;
	struct usage u;

	memset(text, 'x', sizeof(text));
	dialect_tail_feed(&tail, text, sizeof(text));
	dialect_tail_feed(&tail, end, strlen(end));
	cr_assert_eq(dialect_tail_usage(&tail, WIRE_OPENAI_RESPONSES, &u, &inconsistent), 0);
	cr_expect(u.input_tokens == 1 && u.output_tokens == 2 && !inconsistent);
}

/* ---- rendered */

#define ID "0123456789abcdef01234567"
#define RENDERED(status, details, output, usage)                                                                       \
	"{\"id\":\"resp_" ID "\",\"object\":\"response\",\"created_at\":1700000000,\"status\":\"" status               \
	"\",\"background\":false,\"error\":null,\"incomplete_details\":" details                                       \
	",\"instructions\":null,\"max_output_tokens\":null,\"model\":\"the \\\"model\\\"\",\"output\":[" output        \
	"],\"parallel_tool_calls\":true,\"previous_response_id\":null,\"reasoning\":{\"effort\":null,\"summary\":"     \
	"null},"                                                                                                       \
	"\"service_tier\":\"default\",\"store\":false,\"temperature\":null,\"text\":{\"format\":{\"type\":\"text\"}}," \
	"\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":null,\"truncation\":\"disabled\",\"usage\":" usage            \
	",\"user\":null,\"metadata\":{}}"
#define MESSAGE(i, status, parts)                                                                                      \
	"{\"id\":\"msg_" ID "_" #i "\",\"type\":\"message\",\"status\":\"" status                                      \
	"\",\"role\":\"assistant\",\"content\":[" parts "]}"
#define PART(text) "{\"type\":\"output_text\",\"text\":\"" text "\",\"annotations\":[],\"logprobs\":[]}"
#define CALL(i, status, id, name, args)                                                                                \
	"{\"id\":\"fc_" ID "_" #i "\",\"type\":\"function_call\",\"status\":\"" status "\",\"call_id\":\"" id          \
	"\",\"name\":\"" name "\",\"arguments\":\"" args "\"}"
#define T(s)                                                                                                           \
	{                                                                                                              \
		.at = s, .len = sizeof(s) - 1                                                                          \
	}

static const struct render_row {
	const char *name;
	struct chat_part parts[6];
	unsigned n;
	enum chat_finish finish;
	bool usage;
	const char *want; /* NULL: ERR_PROTO */
} render_rows[] = {
	{"text",
	 {{.kind = CHAT_TEXT, .text = T("a\\n\\\"")}},
	 1,
	 CHAT_FINISH_STOP,
	 true,
	 RENDERED("completed", "null", MESSAGE(0, "completed", PART("a\\n\\\"")),
		  "{\"input_tokens\":11,\"input_tokens_details\":{\"cached_tokens\":4,\"cache_write_tokens\":2},"
		  "\"output_tokens\":7,\"output_tokens_details\":{\"reasoning_tokens\":3},\"total_tokens\":18}")},
	{"nothing", {{0}}, 0, CHAT_FINISH_STOP, false, RENDERED("completed", "null", "", "null")},
	{"cut",
	 {{.kind = CHAT_TEXT, .text = T("a")}, {.kind = CHAT_TEXT, .text = T("b")}},
	 2,
	 CHAT_FINISH_LENGTH,
	 false,
	 RENDERED("incomplete", "{\"reason\":\"max_output_tokens\"}", MESSAGE(0, "incomplete", PART("a") "," PART("b")),
		  "null")},
	{"filtered",
	 {{.kind = CHAT_REFUSAL, .text = T("no")}},
	 1,
	 CHAT_FINISH_FILTER,
	 false,
	 RENDERED("incomplete", "{\"reason\":\"content_filter\"}",
		  MESSAGE(0, "incomplete", "{\"type\":\"refusal\",\"refusal\":\"no\"}"), "null")},
	{"text, calls, text",
	 {{.kind = CHAT_TEXT, .text = T("a")},
	  {.kind = CHAT_TOOL_CALL, .id = T("call_x"), .name = T("f"), .args_text = T("{\\\"b\\\":1}")},
	  {.kind = CHAT_TOOL_CALL,
	   .name = T("g"),
	   .args = {.at = "{\"c\":\"\\n\"}", .len = 10, .type = JSON_SPAN_OBJECT}},
	  {.kind = CHAT_TEXT, .text = T("z")}},
	 4,
	 CHAT_FINISH_TOOLS,
	 false,
	 RENDERED("completed", "null",
		  MESSAGE(0, "completed", PART("a")) "," CALL(1, "completed", "call_x", "f", "{\\\"b\\\":1}") "," CALL(
			  2, "completed", "call_" ID "_0_1", "g",
			  "{\\\"c\\\":\\\"\\\\n\\\"}") "," MESSAGE(3, "completed", PART("z")),
		  "null")},
	{"a call cut off",
	 {{.kind = CHAT_TEXT, .text = T("a")},
	  {.kind = CHAT_TOOL_CALL, .id = T("c"), .name = T("f"), .args_text = T("{\\\"b")}},
	 2,
	 CHAT_FINISH_LENGTH,
	 false,
	 RENDERED("incomplete", "{\"reason\":\"max_output_tokens\"}",
		  MESSAGE(0, "completed", PART("a")) "," CALL(1, "incomplete", "c", "f", "{\\\"b"), "null")},
	{"what no model says", {{.kind = CHAT_TOOL_RESULT}}, 1, CHAT_FINISH_STOP, false, NULL},
};

Test(responses_answer, rendered)
{
	for (size_t i = 0; i < ARRAY_SIZE(render_rows); i++) {
		const struct render_row *r = &render_rows[i];
		const struct dialect_answer_opts o = stream_opts(WIRE_ANTHROPIC, WIRE_OPENAI_RESPONSES, 1);
		struct chat_part parts[ARRAY_SIZE(r->parts)];
		struct chat_choice choice = {.parts = r->n ? parts : NULL, .finish = r->finish};
		struct chat_answer answer = {.choices = &choice,
					     .have_usage = r->usage,
					     .usage = {.input_tokens = 11,
						       .cached_input_tokens = 4,
						       .cache_write_tokens = 2,
						       .output_tokens = 7,
						       .reasoning_tokens = 3}};
		struct buf out = BUF_INIT;
		int rc;

		memcpy(parts, r->parts, sizeof(parts));
		for (unsigned k = 1; k < r->n; k++)
			parts[k - 1].next = &parts[k];
		rc = wire_openai_responses.answer_render(&answer, &o, &out);
		cr_expect_eq(rc, r->want ? 0 : ERR_PROTO, "%s: %d", r->name, rc);
		if (!r->want) {
			buf_done(&out);
			continue;
		}
		cr_expect_str_eq(out.data, r->want, "%s:\n%s", r->name, out.data);
		cr_expect(dialect_answer_valid(WIRE_OPENAI_RESPONSES, out.data, out.len), "%s", r->name);
		buf_done(&out);
	}
}

Test(responses_answer, usage_reads_as_it_was_rendered)
{
	const struct dialect_answer_opts o = stream_opts(WIRE_ANTHROPIC, WIRE_OPENAI_RESPONSES, 1);
	const struct chat_answer answer = {.have_usage = true, .usage = {36, 10, 6, 87, 64}};
	struct buf out = BUF_INIT;
	bool inconsistent = true;
	struct usage u = {0};

	cr_assert_eq(wire_openai_responses.answer_render(&answer, &o, &out), 0);
	cr_assert_eq(dialect_answer_usage(WIRE_OPENAI_RESPONSES, out.data, out.len, &u, &inconsistent), 0);
	cr_expect_arr_eq(&u, &answer.usage, sizeof(u));
	cr_expect_not(inconsistent);
	buf_done(&out);
}
