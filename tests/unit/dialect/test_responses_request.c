/* Goal: a responses request is read for admission, passed on with another model's name, and parsed for other wires by
 * chat.h's C1: each member is in the chat, refused by name, or named as ignored.
 * Method: rows. A parsed chat is written out as one line and compared; each member of the wire has a row of its own. */
#include "dialect/wire.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct dialect_target target = {
	.route = TG_ROUTE_RESPONSES, .dialect = TG_DIALECT_OPENAI, .wire = WIRE_OPENAI_RESPONSES};

#define BODY(more) "{\"model\":\"m\",\"input\":\"Hi\"" more "}"
#define ITEMS(items) "{\"model\":\"m\",\"input\":[" items "]}"
#define USER "{\"role\":\"user\",\"content\":\"Hi\"}"

/* ---- scan */

static const struct scan_row {
	const char *name, *body;
	const char *param; /* refused */
	bool stream;
	uint64_t max_output, estimate, text_bytes, files;
} scan_rows[] = {
	{"string", "{\"model\":\"m\",\"input\":\"12345678\"}", .estimate = 2, .text_bytes = 10},
	{"instructions count", BODY(",\"instructions\":\"12345678\""), .estimate = 3, .text_bytes = 4 + 10},
	{"tools count", BODY(",\"tools\":[{\"a\":\"12345\"}]"), .estimate = 1 + 4, .text_bytes = 4 + 15},
	{"items", ITEMS("{\"content\":\"12345678\"}"), .estimate = 2, .text_bytes = 24},
	{"items and tools", "{\"model\":\"m\",\"input\":[{\"content\":\"12345678\"}],\"tools\":[{\"a\":\"12345\"}]}",
	 .estimate = 2 + 4, .text_bytes = 24 + 15},
	{"an embedded image",
	 ITEMS("{\"content\":[{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,AAAA\"}]}"),
	 .estimate = (11 + 26 + 3) / 4, .text_bytes = 79 - 26, .files = 1},
	{"a linked file", ITEMS("{\"content\":[{\"type\":\"input_file\",\"file_id\":\"f\"}]}"), .estimate = 3,
	 .text_bytes = 51, .files = 1},
	{"no input: a stored prompt", "{\"model\":\"m\",\"prompt\":{\"id\":\"p\"}}", .estimate = 0},
	{"stream and cap", BODY(",\"stream\":true,\"max_output_tokens\":77"), .stream = true, .max_output = 77,
	 .estimate = 1, .text_bytes = 4},
	{"text's format counts in the bytes", BODY(",\"text\":{\"a\":1}"), .estimate = 1, .text_bytes = 4 + 7},
	{"background false", BODY(",\"background\":false"), .estimate = 1, .text_bytes = 4},
	{"background", BODY(",\"background\":true"), .param = "background"},
	{"background is no boolean", BODY(",\"background\":1"), .param = "background"},
	{"no model", "{\"input\":\"x\"}", .param = "model"},
	{"model is no string", "{\"model\":1,\"input\":\"x\"}", .param = "model"},
	{"input is an object", "{\"model\":\"m\",\"input\":{}}", .param = "input"},
	{"instructions is no string", BODY(",\"instructions\":[]"), .param = "instructions"},
	{"tools is no array", BODY(",\"tools\":{}"), .param = "tools"},
	{"stream is no boolean", BODY(",\"stream\":\"true\""), .param = "stream"},
	{"cap of zero", BODY(",\"max_output_tokens\":0"), .param = "max_output_tokens"},
	{"cap beyond all", BODY(",\"max_output_tokens\":99999999999999"), .param = "max_output_tokens"},
	{"given twice", BODY(",\"input\":\"again\""), .param = "input"},
	{"no JSON", "{\"model\":", .param = ""},
	{"no object", "[]", .param = ""},
};

Test(responses_request, scan)
{
	for (size_t i = 0; i < sizeof(scan_rows) / sizeof(scan_rows[0]); i++) {
		const struct scan_row *r = &scan_rows[i];
		struct dialect_request q = {0};
		struct dialect_fault fault;
		int rc = dialect_request_parse(&target, r->body, strlen(r->body), &q, &fault);

		if (r->param) {
			cr_expect_eq(rc, ERR_INVAL, "%s", r->name);
			cr_expect_str_eq(fault.param, r->param, "%s", r->name);
			cr_expect(fault.err.msg[0], "%s", r->name);
			continue;
		}
		cr_assert_eq(rc, 0, "%s: %s", r->name, fault.err.msg);
		cr_expect(q.model_len == 1 && *q.model == 'm', "%s", r->name);
		cr_expect_eq(q.stream, r->stream, "%s", r->name);
		cr_expect_eq(q.choices, 1, "%s", r->name);
		cr_expect_eq(q.max_output_tokens, r->max_output, "%s", r->name);
		cr_expect_eq(q.prompt_tokens_estimate, r->estimate, "%s: %zu", r->name,
			     (size_t)q.prompt_tokens_estimate);
		cr_expect_eq(q.text_bytes, r->text_bytes, "%s: %zu", r->name, (size_t)q.text_bytes);
		cr_expect_eq(q.files, r->files, "%s", r->name);
	}
}

/* ---- same wire */

Test(responses_request, everything_but_the_model_is_passed_on)
{
	static const struct {
		const char *body, *want, *path_model;
	} rows[] = {
		{"{ \"input\" : \"x\\u0000\",\"model\" :\"m\", \"unknown\":[1.50,{}] }\n",
		 "{ \"input\" : \"x\\u0000\",\"model\" :\"up/1\", \"unknown\":[1.50,{}] }\n", NULL},
		{BODY(",\"previous_response_id\":\"resp_1\",\"store\":true"),
		 "{\"model\":\"up/1\",\"input\":\"Hi\",\"previous_response_id\":\"resp_1\",\"store\":true}", NULL},
		{"{\"input\":\"x\"}", "{\"model\":\"up/1\",\"input\":\"x\"}", "d"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct dialect_upstream up = {.kind = PROVIDER_OPENAI, .model = "up/1", .api_version = ""};
		struct dialect_target t = target;
		struct buf out = BUF_INIT, ignored = BUF_INIT;
		struct dialect_request q;
		struct dialect_fault fault;
		struct arena a = {0};
		size_t len = strlen(rows[i].body);

		t.model = rows[i].path_model;
		t.model_len = t.model ? strlen(t.model) : 0;
		cr_assert_eq(dialect_request_parse(&t, rows[i].body, len, &q, &fault), 0, "%s", fault.err.msg);
		cr_assert_eq(dialect_request_render(&q, &t, rows[i].body, len, &up, &a, &out, &ignored, &fault), 0);
		cr_expect_str_eq(out.data, rows[i].want);
		cr_expect_eq(ignored.len, 0);
		buf_done(&out);
		buf_done(&ignored);
		arena_done(&a);
	}
}

/* ---- a chat, written out */

static void put_text(struct buf *out, const char *label, struct chat_text t)
{
	if (t.at)
		buf_printf(out, "%s%.*s", label, (int)t.len, t.at);
}

static void put_span(struct buf *out, const char *label, const struct json_span *v)
{
	if (v->type != JSON_SPAN_ABSENT)
		buf_printf(out, "%s%.*s", label, (int)v->len, v->at);
}

static void put_parts(struct buf *out, const struct chat_part *p)
{
	static const char *const kinds[] = {"text", "refusal", "url", "data", "call", "result"};

	buf_putc(out, '[');
	for (const struct chat_part *first = p; p; p = p->next) {
		buf_printf(out, "%s%s", p == first ? "" : " ", kinds[p->kind]);
		put_text(out, ":", p->text);
		put_text(out, ":", p->url);
		put_text(out, ":", p->media_type);
		put_text(out, ",", p->data);
		put_text(out, ":", p->id);
		put_text(out, ",", p->name);
		put_text(out, ",", p->args_text);
		if (p->kind == CHAT_TOOL_RESULT)
			put_parts(out, p->parts);
	}
	buf_putc(out, ']');
}

static void put_options(struct buf *out, const struct chat *c)
{
	static const char *const choices[] = {"auto", "none", "required", "named"};
	static const char *const formats[] = {"", " json", " schema"};

	for (const struct chat_tool *t = c->tools; t; t = t->next) {
		put_text(out, " tool:", t->name);
		put_text(out, ",", t->description);
		put_span(out, ",", &t->schema);
		buf_puts(out, t->strict ? ",strict" : "");
	}
	if (c->tool_choice_given)
		buf_printf(out, " choice:%s", choices[c->tool_choice]);
	put_text(out, ":", c->tool_choice_name);
	if (c->parallel_given)
		buf_puts(out, c->parallel ? " parallel" : " serial");
	if (c->max_tokens_given)
		buf_printf(out, " max:%zu", (size_t)c->max_tokens);
	put_span(out, " temperature:", &c->temperature);
	put_span(out, " top_p:", &c->top_p);
	buf_puts(out, formats[c->format]);
	put_text(out, ":", c->format_name);
	put_text(out, ",", c->format_description);
	put_span(out, ",", &c->format_schema);
	buf_puts(out, c->format_strict ? ",strict" : "");
	put_text(out, " effort:", c->effort);
	put_text(out, " user:", c->user);
	buf_puts(out, c->stream ? " stream" : "");
}

static void put_chat(struct buf *out, const struct chat *c)
{
	if (c->system) {
		buf_puts(out, "system");
		put_parts(out, c->system);
		buf_putc(out, ' ');
	}
	for (const struct chat_message *m = c->messages; m; m = m->next) {
		buf_printf(out, "%s%s", m == c->messages ? "" : " ", m->role == CHAT_USER ? "user" : "assistant");
		put_parts(out, m->parts);
	}
	put_options(out, c);
}

static int parse(const char *body, struct arena *a, struct chat *ret, struct buf *ignored, struct dialect_fault *fault)
{
	struct chat_reader r = {.arena = a, .fault = fault, .ignored = ignored};

	*fault = (struct dialect_fault){0};
	*ret = (struct chat){.from = WIRE_OPENAI_RESPONSES, .n = 1};
	return wire_openai_responses.parse(&r, &target, body, strlen(body), ret);
}

#define CALL(id, name, args)                                                                                           \
	"{\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"" name "\",\"arguments\":\"" args "\"}"
#define RESULT(id, output) "{\"type\":\"function_call_output\",\"call_id\":\"" id "\",\"output\":" output "}"
#define ASSISTANT(content) "{\"type\":\"message\",\"role\":\"assistant\",\"content\":" content "}"

static const struct parsed_row {
	const char *body, *want;
	const char *ignored; /* NULL: nothing */
} parsed_rows[] = {
	{BODY(""), "user[text:Hi]", NULL},
	{"{\"model\":\"m\",\"input\":\"a\\n\\\"b\\\"\"}", "user[text:a\\n\\\"b\\\"]", NULL},
	{BODY(",\"instructions\":\"Be brief\""), "system[text:Be brief] user[text:Hi]", NULL},
	{BODY(",\"instructions\":null"), "user[text:Hi]", NULL},
	{ITEMS("{\"type\":\"message\","
	       "\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"},"
	       "{\"type\":\"input_text\",\"text\":\"b\"}]}"),
	 "user[text:a text:b]", NULL},
	{ITEMS("{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"developer\",\"content\":[{\"type\":\"input_text\","
	       "\"text\":\"d\"}]}," USER),
	 "system[text:s text:d] user[text:Hi]", NULL},
	{ITEMS("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"detail\":\"auto\",\"image_url\":"
	       "\"https://x/y.png\"}]}"),
	 "user[url:https://x/y.png]", NULL},
	{ITEMS("{\"role\":\"user\",\"content\":[{\"image_url\":\"data:image\\/png;base64,AA==\",\"type\":"
	       "\"input_image\",\"file_id\":null}]}"),
	 "user[data:image\\/png,AA==]", NULL},
	/* Users' messages stay apart, a turn of the model is one message, results of one turn as well. */
	{ITEMS(USER "," USER), "user[text:Hi] user[text:Hi]", NULL},
	{ITEMS(USER "," ASSISTANT("\"a\"") "," ASSISTANT("\"b\"") "," USER),
	 "user[text:Hi] assistant[text:a] assistant[text:b] user[text:Hi]", NULL},
	{ITEMS(USER "," ASSISTANT(
		 "[{\"type\":\"output_text\",\"text\":\"a\",\"annotations\":[],\"logprobs\":[]},"
		 "{\"type\":\"refusal\",\"refusal\":\"no\"}]") "," CALL("c1", "f",
									"{\\\"x\\\":1}") "," CALL("c2", "g",
												  "") "," RESULT("c1",
														 "\"one"
														 "\"") "," RESULT("c2",
																  "\"two\"") "," USER),
	 "user[text:Hi] assistant[text:a refusal:no call:c1,f,{\\\"x\\\":1} call:c2,g,] "
	 "user[result:c1[text:one] result:c2[text:two]] user[text:Hi]",
	 NULL},
	{ITEMS(USER "," CALL("c1", "f", "{}") "," ASSISTANT("\"so\"") "," RESULT("c1", "\"one\"")),
	 "user[text:Hi] assistant[call:c1,f,{} text:so] user[result:c1[text:one]]", NULL},
	{ITEMS(USER
	       "," CALL("c1", "f", "{}") "," RESULT("c1", "\"1\"") "," CALL("c2", "f", "{}") "," RESULT("c2", "\"2\"")),
	 "user[text:Hi] assistant[call:c1,f,{}] user[result:c1[text:1]] assistant[call:c2,f,{}] "
	 "user[result:c2[text:2]]",
	 NULL},
	{ITEMS(USER "," CALL("c", "f", "{}") "," RESULT("c", "[{\"type\":\"input_text\",\"text\":\"t\"},{\"type\":"
							     "\"input_image\",\"image_url\":\"http://i\"}]")),
	 "user[text:Hi] assistant[call:c,f,{}] user[result:c[text:t url:http://i]]", NULL},
	{ITEMS(USER ",{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[],\"encrypted_content\":null}," USER),
	 "user[text:Hi] user[text:Hi]", "input.id"},
	{ITEMS("{\"type\":\"message\",\"role\":\"user\",\"id\":\"i\",\"status\":\"completed\",\"content\":\"Hi\"},"
	       "{\"type\":\"message\",\"role\":\"assistant\",\"id\":\"j\",\"status\":\"completed\",\"phase\":"
	       "\"final_answer\",\"content\":\"Ho\"},{\"type\":\"function_call\",\"id\":\"k\",\"status\":\"completed\","
	       "\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"\",\"caller\":{\"type\":\"direct\"}}"),
	 "user[text:Hi] assistant[text:Ho call:c,f,]", "input.id, input.status, input.phase"},
	{ITEMS("{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\",\"prompt_cache_breakpoint\":"
	       "{\"mode\":\"explicit\"}}]}"),
	 "user[text:a]", "input.content.prompt_cache_breakpoint"},
	/* Members */
	{BODY(",\"stream\":true,\"stream_options\":{\"include_obfuscation\":false}"), "user[text:Hi] stream",
	 "stream_options.include_obfuscation"},
	{BODY(",\"max_output_tokens\":5,\"temperature\":0.50,\"top_p\":1e0"),
	 "user[text:Hi] max:5 temperature:0.50 top_p:1e0", NULL},
	{BODY(",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":"
	      "\"object\"},\"strict\":true},{\"name\":\"g\",\"type\":\"function\",\"strict\":null,\"parameters\":null,"
	      "\"defer_loading\":false,\"allowed_callers\":[\"direct\"]}]"),
	 "user[text:Hi] tool:f,d,{\"type\":\"object\"},strict tool:g", NULL},
	{BODY(",\"tools\":[],\"tool_choice\":\"auto\""), "user[text:Hi] choice:auto", NULL},
	{BODY(",\"tool_choice\":\"none\""), "user[text:Hi] choice:none", NULL},
	{BODY(",\"tool_choice\":\"required\",\"parallel_tool_calls\":false"), "user[text:Hi] choice:required serial",
	 NULL},
	{BODY(",\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"},\"parallel_tool_calls\":true"),
	 "user[text:Hi] choice:named:f parallel", NULL},
	{BODY(",\"text\":{\"format\":{\"type\":\"text\"},\"verbosity\":\"medium\"}"), "user[text:Hi]", NULL},
	{BODY(",\"text\":{\"format\":{\"type\":\"json_object\"}}"), "user[text:Hi] json", NULL},
	{BODY(",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"description\":\"d\",\"schema\":{\"a\":"
	      "1},"
	      "\"strict\":true}}"),
	 "user[text:Hi] schema:n,d,{\"a\":1},strict", NULL},
	{BODY(",\"reasoning\":{\"effort\":\"high\",\"summary\":null,\"context\":\"auto\",\"mode\":\"standard\"}"),
	 "user[text:Hi] effort:high", NULL},
	{BODY(",\"user\":\"u\""), "user[text:Hi] user:u", NULL},
	{BODY(",\"store\":false,\"include\":[],\"truncation\":\"disabled\",\"background\":false,\"top_logprobs\":0"),
	 "user[text:Hi]", NULL},
	{BODY(",\"previous_response_id\":null,\"conversation\":null,\"prompt\":null,\"max_tool_calls\":null,"
	      "\"context_management\":null,\"moderation\":null,\"anything\":null"),
	 "user[text:Hi]", NULL},
	{BODY(",\"metadata\":{\"a\":\"b\"},\"safety_identifier\":\"s\",\"prompt_cache_key\":\"k\",\"prompt_cache_"
	      "options\":"
	      "{},\"prompt_cache_retention\":\"24h\",\"service_tier\":\"auto\""),
	 "user[text:Hi]",
	 "metadata, safety_identifier, prompt_cache_key, prompt_cache_options, prompt_cache_retention, service_tier"},
	{BODY(",\"service_tier\":\"default\""), "user[text:Hi]", "service_tier"},
};

Test(responses_request, parsed)
{
	for (size_t i = 0; i < sizeof(parsed_rows) / sizeof(parsed_rows[0]); i++) {
		const struct parsed_row *r = &parsed_rows[i];
		struct buf out = BUF_INIT, ignored = BUF_INIT;
		struct dialect_fault fault;
		struct arena a = {0};
		struct chat c;

		cr_assert_eq(parse(r->body, &a, &c, &ignored, &fault), 0, "%s: %s", r->body, fault.err.msg);
		put_chat(&out, &c);
		cr_expect_str_eq(out.data, r->want, "%s:\n%s\n%s", r->body, out.data, r->want);
		cr_expect_str_eq(ignored.data ? ignored.data : "", r->ignored ? r->ignored : "");
		buf_done(&out);
		buf_done(&ignored);
		arena_done(&a);
	}
}

#define PART(part) ITEMS("{\"role\":\"user\",\"content\":[" part "]}")
#define TOOL(members) BODY(",\"tools\":[{\"type\":\"function\",\"name\":\"f\"" members "}]")

static const struct refused_row {
	const char *body, *param;
} refused_rows[] = {
	{"{\"model\":\"m\"}", "input"},
	{"{\"model\":\"m\",\"input\":null}", "input"},
	{"{\"model\":\"m\",\"input\":[]}", "input"},
	{"{\"model\":\"m\",\"input\":7}", "input"},
	{ITEMS("{\"role\":\"system\",\"content\":\"s\"}"), "input"},
	{ITEMS("\"Hi\""), "input[0]"},
	{ITEMS(USER ",{}"), "input[1].type"},
	{ITEMS(USER ",{\"id\":\"msg_1\"}"), "input[1].type"},
	{ITEMS("{\"type\":\"item_reference\",\"id\":\"msg_1\"}"), "input[0].type"},
	{ITEMS("{\"type\":\"web_search_call\",\"id\":\"ws_1\"}"), "input[0].type"},
	{ITEMS("{\"type\":7,\"role\":\"user\"}"), "input[0].type"},
	{ITEMS("{\"role\":\"tool\",\"content\":\"x\"}"), "input[0].role"},
	{ITEMS("{\"role\":\"user\"}"), "input[0].content"},
	{ITEMS("{\"type\":\"message\",\"content\":\"x\"}"), "input[0].role"},
	{ITEMS("{\"role\":\"user\",\"content\":7}"), "input[0].content"},
	{ITEMS("{\"role\":\"user\",\"content\":\"x\",\"name\":\"n\"}"), "input[0].name"},
	{ITEMS(USER ",{\"role\":\"developer\",\"content\":\"x\"}"), "input[1].role"},
	{ITEMS("{\"role\":\"system\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"http://x\"}]}"),
	 "input[0].content[0].type"},
	{PART("\"x\""), "input[0].content[0]"},
	{PART("{\"text\":\"x\"}"), "input[0].content[0].type"},
	{PART("{\"type\":\"output_text\",\"text\":\"x\"}"), "input[0].content[0].type"},
	{PART("{\"type\":\"input_text\"}"), "input[0].content[0].text"},
	{PART("{\"type\":\"input_text\",\"text\":\"x\"},{\"type\":\"input_file\",\"file_id\":\"f\"}"),
	 "input[0].content[1].type"},
	{PART("{\"type\":\"input_image\"}"), "input[0].content[0].image_url"},
	{PART("{\"type\":\"input_image\",\"file_id\":\"f\"}"), "input[0].content[0].file_id"},
	{PART("{\"type\":\"input_image\",\"image_url\":{\"url\":\"http://x\"}}"), "input[0].content[0].image_url"},
	{PART("{\"type\":\"input_image\",\"image_url\":\"ftp://x\"}"), "input[0].content[0].image_url"},
	{PART("{\"type\":\"input_image\",\"image_url\":\"data:;base64,AA\"}"), "input[0].content[0].image_url"},
	{PART("{\"type\":\"input_image\",\"image_url\":\"data:image/png,AA\"}"), "input[0].content[0].image_url"},
	{PART("{\"type\":\"input_image\",\"image_url\":\"http://x\",\"detail\":\"high\"}"),
	 "input[0].content[0].detail"},
	{ITEMS(ASSISTANT("[{\"type\":\"input_text\",\"text\":\"x\"}]")), "input[0].content[0].type"},
	{ITEMS(ASSISTANT("[{\"type\":\"output_text\",\"text\":\"x\",\"annotations\":[{\"type\":\"url_citation\"}]}]")),
	 "input[0].content[0].annotations"},
	{ITEMS(ASSISTANT("[{\"type\":\"output_text\",\"text\":\"x\",\"logprobs\":[{}]}]")),
	 "input[0].content[0].logprobs"},
	{ITEMS("{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"}"), "input[0].call_id"},
	{ITEMS("{\"type\":\"function_call\",\"call_id\":\"c\",\"arguments\":\"{}\"}"), "input[0].name"},
	{ITEMS("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":{}}"), "input[0].arguments"},
	{ITEMS("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"\",\"namespace\":\"n\"}"),
	 "input[0].namespace"},
	{ITEMS("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"\",\"caller\":{\"type\":"
	       "\"program\"}}"),
	 "input[0].caller"},
	{ITEMS("{\"type\":\"function_call_output\",\"output\":\"x\"}"), "input[0].call_id"},
	{ITEMS(RESULT("c", "{}")), "input[0].output"},
	{ITEMS(RESULT("c", "[{\"type\":\"refusal\",\"refusal\":\"x\"}]")), "input[0].output[0].type"},
	{ITEMS("{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"x\"}"), "input[0].encrypted_content"},
	{ITEMS("{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"x\"}]}"),
	 "input[0].summary"},
	{BODY(",\"instructions\":7"), "instructions"},
	{BODY(",\"max_output_tokens\":\"5\""), "max_output_tokens"},
	{BODY(",\"temperature\":\"1\""), "temperature"},
	{BODY(",\"top_p\":true"), "top_p"},
	{BODY(",\"tools\":[{\"type\":\"web_search\"}]"), "tools[0].type"},
	{TOOL("},{\"type\":\"mcp\""), "tools[1].type"},
	{BODY(",\"tools\":[{\"name\":\"f\"}]"), "tools[0].type"},
	{BODY(",\"tools\":[{\"type\":\"function\"}]"), "tools[0].name"},
	{TOOL(",\"parameters\":[]"), "tools[0].parameters"},
	{TOOL(",\"strict\":1"), "tools[0].strict"},
	{TOOL(",\"defer_loading\":true"), "tools[0].defer_loading"},
	{TOOL(",\"output_schema\":{}"), "tools[0].output_schema"},
	{TOOL(",\"allowed_callers\":[\"programmatic\"]"), "tools[0].allowed_callers"},
	{TOOL(",\"function\":{}"), "tools[0].function"},
	{BODY(",\"tool_choice\":\"any\""), "tool_choice"},
	{BODY(",\"tool_choice\":{\"type\":\"allowed_tools\"}"), "tool_choice.type"},
	{BODY(",\"tool_choice\":{\"type\":\"function\"}"), "tool_choice.name"},
	{BODY(",\"parallel_tool_calls\":1"), "parallel_tool_calls"},
	{BODY(",\"text\":{\"verbosity\":\"low\"}"), "text.verbosity"},
	{BODY(",\"text\":{\"format\":{\"type\":\"grammar\"}}"), "text.format.type"},
	{BODY(",\"text\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}}"), "text.format.name"},
	{BODY(",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\"}}"), "text.format.schema"},
	{BODY(",\"reasoning\":{\"effort\":\"max\"}"), "reasoning.effort"},
	{BODY(",\"reasoning\":{\"effort\":\"huge\"}"), "reasoning.effort"},
	{BODY(",\"reasoning\":{\"summary\":\"auto\"}"), "reasoning.summary"},
	{BODY(",\"reasoning\":{\"generate_summary\":\"auto\"}"), "reasoning.generate_summary"},
	{BODY(",\"reasoning\":{\"mode\":\"pro\"}"), "reasoning.mode"},
	{BODY(",\"reasoning\":{\"context\":\"all_turns\"}"), "reasoning.context"},
	{BODY(",\"store\":true"), "store"},
	{BODY(",\"store\":1"), "store"},
	{BODY(",\"previous_response_id\":\"resp_1\""), "previous_response_id"},
	{BODY(",\"conversation\":\"conv_1\""), "conversation"},
	{BODY(",\"prompt\":{\"id\":\"p\"}"), "prompt"},
	{BODY(",\"include\":[\"reasoning.encrypted_content\"]"), "include"},
	{BODY(",\"truncation\":\"auto\""), "truncation"},
	{BODY(",\"max_tool_calls\":3"), "max_tool_calls"},
	{BODY(",\"top_logprobs\":2"), "top_logprobs"},
	{BODY(",\"context_management\":[]"), "context_management"},
	{BODY(",\"moderation\":{}"), "moderation"},
	{BODY(",\"service_tier\":\"priority\""), "service_tier"},
	{BODY(",\"stream_options\":{\"other\":1}"), "stream_options.other"},
	{BODY(",\"stop\":[\"x\"]"), "stop"},
	{BODY(",\"messages\":[]"), "messages"},
	{BODY(",\"user\":7"), "user"},
};

Test(responses_request, refused_by_name)
{
	for (size_t i = 0; i < sizeof(refused_rows) / sizeof(refused_rows[0]); i++) {
		const struct refused_row *r = &refused_rows[i];
		struct buf ignored = BUF_INIT;
		struct dialect_fault fault;
		struct arena a = {0};
		struct chat c;

		cr_expect_eq(parse(r->body, &a, &c, &ignored, &fault), ERR_INVAL, "%s", r->body);
		cr_expect_str_eq(fault.param, r->param, "%s: %s", r->body, fault.param);
		cr_expect(strstr(fault.err.msg, r->param), "%s: %s", r->body, fault.err.msg);
		buf_done(&ignored);
		arena_done(&a);
	}
}

/* Out of memory at every allocation. */
Test(responses_request, a_full_arena_is_no_fault_of_the_client)
{
	static const char body[] = ITEMS("{\"role\":\"system\",\"content\":\"s\"}," USER
					 "," CALL("c", "f", "{}") "," RESULT("c", "\"x\""));
	struct buf ignored = BUF_INIT;
	struct dialect_fault fault;
	struct arena a = {0};
	struct chat c;
	size_t needed;

	cr_assert_eq(parse(body, &a, &c, &ignored, &fault), 0);
	needed = a.used;
	arena_done(&a);
	for (size_t max = 1; max < needed; max += 16) {
		struct arena small = {.max = max};

		cr_expect_eq(parse(body, &small, &c, &ignored, &fault), ERR_NOMEM, "%zu", max);
		arena_done(&small);
	}
	buf_done(&ignored);
}

/* In time that grows with the conversation, not with its square. */
Test(responses_request, results_find_their_calls_in_a_long_conversation)
{
	static const struct {
		unsigned answered; /* the call that the last result is of */
		int rc;
		const char *want;
	} rows[] = {{299, 0, "{\"functionResponse\":{\"id\":\"c299\",\"name\":\"f299\""},
		    {200, 0, "{\"functionResponse\":{\"id\":\"c200\",\"name\":\"f200\""},
		    {3, ERR_INVAL, NULL}};
	const struct dialect_upstream up = {.kind = PROVIDER_GEMINI, .model = "g", .api_version = ""};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf body = BUF_INIT, out = BUF_INIT, ignored = BUF_INIT;
		struct dialect_request q;
		struct dialect_fault fault;
		struct arena a = {0};

		buf_puts(&body, "{\"model\":\"m\",\"input\":[" USER);
		for (unsigned k = 0; k < 300; k++)
			buf_printf(&body, "," CALL("c%u", "f%u", "{}"), k, k);
		buf_printf(&body, "," RESULT("c%u", "\"r\"") "]}", rows[i].answered);
		cr_assert_eq(dialect_request_parse(&target, body.data, body.len, &q, &fault), 0, "%s", fault.err.msg);
		cr_expect_eq(dialect_request_render(&q, &target, body.data, body.len, &up, &a, &out, &ignored, &fault),
			     rows[i].rc, "%zu", i);
		if (rows[i].rc < 0)
			cr_expect_str_eq(fault.param, "input");
		else
			cr_expect(strstr(out.data, rows[i].want), "%s", out.data);
		buf_done(&body);
		buf_done(&out);
		buf_done(&ignored);
		arena_done(&a);
	}
}
