/* Goal: the way into the wires: a request for every kind of provider, from every client; what the path says counts more
 * than the body. Method: one plain chat in each client's words through dialect_request_parse and _render for each kind
 * of provider, read again with the provider's own parser; table rows for what only the path names. */
#include "dialect/wire.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

/* The same chat: a system text, a question, a call, its result; a tool; sampling and a limit. */
static const struct client {
	struct dialect_target t;
	const char *body;
} clients[] = {
	{{.wire = WIRE_OPENAI_CHAT, .dialect = TG_DIALECT_OPENAI},
	 "{\"model\":\"public\",\"messages\":[{\"role\":\"system\",\"content\":\"Be \\u00e4\"},{\"role\":\"user\","
	 "\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"ok\",\"tool_calls\":[{\"id\":\"c1\",\"type\":"
	 "\"function\","
	 "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\","
	 "\"content\":\"r\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","
	 "\"parameters\":{\"type\":\"object\",\"properties\":{}}}}],\"max_completion_tokens\":50,\"temperature\":0.5,"
	 "\"stream\":true}"},
	{{.wire = WIRE_OPENAI_RESPONSES, .dialect = TG_DIALECT_OPENAI},
	 "{\"model\":\"public\",\"instructions\":\"Be "
	 "\\u00e4\",\"input\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"type\":"
	 "\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"ok\"}]},{\"type\":"
	 "\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"},{\"type\":"
	 "\"function_call_output\",\"call_id\":\"c1\",\"output\":\"r\"}],\"tools\":[{\"type\":\"function\",\"name\":"
	 "\"f\","
	 "\"description\":\"d\",\"parameters\":{\"type\":\"object\",\"properties\":{}},\"strict\":false}],"
	 "\"max_output_tokens\":50,\"temperature\":0.5,\"stream\":true,\"store\":false}"},
	{{.wire = WIRE_ANTHROPIC, .dialect = TG_DIALECT_ANTHROPIC},
	 "{\"model\":\"public\",\"system\":\"Be "
	 "\\u00e4\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":"
	 "\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"ok\"},{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":"
	 "\"f\","
	 "\"input\":{\"a\":1}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"c1\","
	 "\"content\":"
	 "\"r\"}]}],\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\","
	 "\"properties\":{}}}],"
	 "\"max_tokens\":50,\"temperature\":0.5,\"stream\":true}"},
	{{.wire = WIRE_GEMINI,
	  .dialect = TG_DIALECT_GEMINI,
	  .model = "public",
	  .model_len = 6,
	  .stream = true,
	  .beta = true},
	 "{\"systemInstruction\":{\"parts\":[{\"text\":\"Be "
	 "\\u00e4\"}]},\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":"
	 "\"Hi\"}]},{\"role\":\"model\",\"parts\":[{\"text\":\"ok\"},{\"functionCall\":{\"id\":\"c1\",\"name\":\"f\","
	 "\"args\":{"
	 "\"a\":1}}}]},{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"c1\",\"name\":\"f\",\"response\":{"
	 "\"output\":\"r\"}}}]}],\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"description\":\"d\","
	 "\"parameters\":{"
	 "\"type\":\"object\",\"properties\":{}}}]}],\"generationConfig\":{\"maxOutputTokens\":50,\"temperature\":0.5}"
	 "}"},
};

/* What the provider's parser reads of it is what was said. */
static void check_said(enum wire to, const struct dialect_target *t, const char *body, size_t len, const char *what)
{
	struct dialect_target at = {
		.wire = to, .model = t->model, .model_len = t->model_len, .stream = true, .beta = true};
	struct dialect_fault fault = {0};
	struct buf ignored = BUF_INIT;
	struct arena a = {0};
	struct chat_reader r = {.arena = &a, .fault = &fault, .ignored = &ignored};
	struct chat c = {.from = to, .n = 1};
	const struct chat_message *m;

	cr_assert_eq(wire_ops_of(to)->parse(&r, &at, body, len, &c), 0, "%s: %s: %s", what, fault.err.msg, body);
	cr_assert(c.system && chat_text_is(c.system->text, "Be \xc3\xa4"), "%s: %s", what, body);
	m = c.messages;
	cr_assert(m && m->role == CHAT_USER && chat_text_is(m->parts->text, "Hi"), "%s: %s", what, body);
	m = m->next;
	cr_assert(m && m->role == CHAT_ASSISTANT && chat_text_is(m->parts->text, "ok"), "%s: %s", what, body);
	/* Responses' items are apart */
	if (!m->parts->next)
		m = m->next;
	cr_assert(m && m->role == CHAT_ASSISTANT, "%s: %s", what, body);
	for (const struct chat_part *p = m->parts; p; p = p->next)
		if (p->kind == CHAT_TOOL_CALL)
			cr_expect(chat_text_is(p->name, "f"), "%s", what);
	m = m->next;
	cr_assert(m && m->role == CHAT_USER && m->parts->kind == CHAT_TOOL_RESULT, "%s: %s", what, body);
	cr_expect(c.tools && chat_text_is(c.tools->name, "f") && chat_text_is(c.tools->description, "d"), "%s", what);
	cr_expect(c.max_tokens_given && c.max_tokens == 50, "%s", what);
	cr_expect(c.temperature.len == 3 && !memcmp(c.temperature.at, "0.5", 3), "%s", what);
	arena_done(&a);
	buf_done(&ignored);
}

Test(wire, every_client_at_every_provider)
{
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		for (int kind = 0; kind < PROVIDER_KINDS; kind++) {
			const struct client *c = &clients[i];
			struct dialect_upstream u = {
				.kind = (enum provider_kind)kind, .model = "up", .api_version = ""};
			enum wire to = dialect_wire_for(u.kind, c->t.wire);
			struct buf out = BUF_INIT, ignored = BUF_INIT;
			struct dialect_request q;
			struct dialect_fault fault;
			struct arena a = {0};
			char what[64];

			snprintf(what, sizeof(what), "client wire %d at kind %d", c->t.wire, kind);
			cr_assert_eq(dialect_request_parse(&c->t, c->body, strlen(c->body), &q, &fault), 0, "%s: %s",
				     what, fault.err.msg);
			cr_expect(q.model_len == 6 && !memcmp(q.model, "public", 6), "%s", what);
			cr_expect(q.stream && q.max_output_tokens == 50 && q.choices == 1, "%s", what);
			cr_assert_eq(dialect_request_render(&q, &c->t, c->body, strlen(c->body), &u, &a, &out, &ignored,
							    &fault),
				     0, "%s: %s", what, fault.err.msg);
			if (to != WIRE_GEMINI) {
				json_t *root = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);

				cr_assert_not_null(root, "%s: %s", what, out.data);
				cr_expect_str_eq(json_string_value(json_object_get(root, "model")), "up", "%s", what);
				cr_expect(json_is_true(json_object_get(root, "stream")), "%s", what);
				json_decref(root);
			}
			check_said(to, &c->t, out.data, out.len, what);
			buf_done(&out);
			buf_done(&ignored);
			arena_done(&a);
		}
}

/* ---- Azure's deployment paths: the body's model may differ, or be absent */

Test(wire, model_of_the_path)
{
	static const struct {
		const char *body, *want;
	} rows[] = {
		{"{\"messages\":[1]}", "{\"model\":\"up\",\"messages\":[1]}"},
		{" { \"messages\":[1]}", " {\"model\":\"up\", \"messages\":[1]}"},
		{"{\"messages\":[1],\"model\":\"other\"}", "{\"messages\":[1],\"model\":\"up\"}"},
		{"{\"messages\":[1],\"model\":\"\\u006fther\"}", "{\"messages\":[1],\"model\":\"up\"}"},
		{"{\"messages\":[1],\"model\":null}", "{\"messages\":[1],\"model\":\"up\"}"},
		{"{\"messages\":[1],\"stream\":true}",
		 "{\"model\":\"up\",\"stream_options\":{\"include_usage\":true},\"messages\":[1],\"stream\":true}"},
		{"{\"messages\":[1],\"stream\":true,\"model\":\"x\"}",
		 "{\"messages\":[1],\"stream\":true,\"model\":\"up\",\"stream_options\":{\"include_usage\":true}}"},
		{"{\"messages\":[1],\"model\":7}", NULL},
		{"{\"messages\":[1],\"model\":\"\"}", NULL},
	};
	struct dialect_target t = {
		.wire = WIRE_OPENAI_CHAT, .dialect = TG_DIALECT_AZURE, .model = "deployment", .model_len = 10};
	struct dialect_upstream u = {.kind = PROVIDER_AZURE, .model = "up", .api_version = "2024-10-21"};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf out = BUF_INIT, ignored = BUF_INIT;
		struct dialect_fault fault;
		struct dialect_request q;
		struct arena a = {0};
		size_t len = strlen(rows[i].body);
		int rc = dialect_request_parse(&t, rows[i].body, len, &q, &fault);

		cr_assert_eq(rc, rows[i].want ? 0 : ERR_INVAL, "%s: %s", rows[i].body, fault.err.msg);
		if (rc == 0) {
			cr_expect_str_eq(q.model, "deployment");
			cr_assert_eq(dialect_request_render(&q, &t, rows[i].body, len, &u, &a, &out, &ignored, &fault),
				     0);
			cr_expect_str_eq(out.data, rows[i].want, "%s", out.data);
		} else {
			cr_expect_str_eq(fault.param, "model");
		}
		buf_done(&out);
		buf_done(&ignored);
		arena_done(&a);
	}
}

/* A full buffer is no request half sent. */
Test(wire, no_room)
{
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		for (int kind = 0; kind < PROVIDER_KINDS; kind++) {
			struct dialect_upstream u = {
				.kind = (enum provider_kind)kind, .model = "up", .api_version = ""};
			struct buf out = {.max = 40}, ignored = BUF_INIT;
			const struct client *c = &clients[i];
			struct dialect_request q;
			struct dialect_fault fault;
			struct arena a = {0};
			int rc;

			cr_assert_eq(dialect_request_parse(&c->t, c->body, strlen(c->body), &q, &fault), 0);
			rc = dialect_request_render(&q, &c->t, c->body, strlen(c->body), &u, &a, &out, &ignored,
						    &fault);
			cr_expect(rc == ERR_NOMEM || rc == ERR_FULL, "client %zu at kind %d: %d", i, kind, rc);
			cr_expect(fault.err.msg[0]);
			buf_done(&out);
			buf_done(&ignored);
			arena_done(&a);
		}
}
