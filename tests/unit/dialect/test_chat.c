/* Goal: what parsers and renderers of all wires share: texts that move as written, tool arguments between text and
 * object, names for refusals. Method: table rows. */
#include "dialect/wire.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct chat_text text(const char *s)
{
	return (struct chat_text){.at = s, .len = s ? strlen(s) : 0};
}

Test(chat, text_is)
{
	static const struct {
		const char *raw, *text;
		bool is;
	} rows[] = {
		{"auto", "auto", true},
		{"auto", "aut", false},
		{"aut", "auto", false},
		{"\\u0061uto", "auto", true},
		{"a\\/b", "a/b", true},
		{"\\u00e4", "\xc3\xa4", true},
		{"\\ud83d\\ude00", "\xf0\x9f\x98\x80", true},
		{"", "", true},
		{NULL, "", false},
		{"\\u0000", "", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_eq(chat_text_is(text(rows[i].raw), rows[i].text), rows[i].is, "row %zu", i);
}

Test(chat, arguments)
{
	static const struct {
		const char *text, *object; /* as the content of a string; as an object, NULL: it is none */
		const char *text_again;    /* from text; NULL: the same */
	} rows[] = {
		{"{\\\"a\\\":\\\"\\\\n\\\"}", "{\"a\":\"\\n\"}", NULL},
		{"{\\u0022a\\u0022:1}", "{\"a\":1}", NULL},
		{"", "{}", "{}"},
		{"  ", "{}", "{}"},
		{NULL, "{}", "{}"},
		{"[1]", NULL, NULL},
		{"{\\\"a\\\":", NULL, NULL},
		{"hello", NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct chat_part p = {.kind = CHAT_TOOL_CALL, .args_text = text(rows[i].text)};
		struct buf b = BUF_INIT;

		buf_puts(&b, "x");
		cr_expect_eq(chat_put_args_object(&b, &p), rows[i].object ? 0 : ERR_INVAL, "row %zu", i);
		cr_expect_str_eq(b.data + 1, rows[i].object ? rows[i].object : "", "nothing is left of what is none");
		buf_reset(&b);
		cr_expect_eq(chat_put_args_text(&b, &p), 0);
		cr_expect_str_eq(b.data, rows[i].text_again ? rows[i].text_again : rows[i].text);
		buf_done(&b);
	}
}

Test(chat, arguments_of_an_object)
{
	static const char written[] = "{ \"a\" : \"\\u00e4\n\" }";
	struct chat_part p = {.args = {.at = written, .len = sizeof(written) - 1, .type = JSON_SPAN_OBJECT}};
	struct buf b = BUF_INIT;

	cr_expect_eq(chat_put_args_object(&b, &p), 0);
	cr_expect_str_eq(b.data, written);
	buf_reset(&b);
	cr_expect_eq(chat_put_args_text(&b, &p), 0);
	cr_expect_str_eq(b.data, "{ \\\"a\\\" : \\\"\\\\u00e4\\n\\\" }");
	buf_done(&b);
}

Test(chat, refusals)
{
	struct chat c = {.from = WIRE_ANTHROPIC};
	struct dialect_fault f = {0};
	char longer[2 * DIALECT_PARAM_MAX];

	cr_expect_eq(chat_refuse(&f, "a.b", "expected %d", 7), ERR_INVAL);
	cr_expect_str_eq(f.param, "a.b");
	cr_expect_str_eq(f.err.msg, "Invalid value for 'a.b': expected 7.");
	cr_expect_eq(chat_inexpressible(&f, &c, CHAT_F_STOP, "why"), ERR_INVAL);
	cr_expect_str_eq(f.param, "stop_sequences");
	cr_expect_not_null(strstr(f.err.msg, "why"));
	c.from = WIRE_OPENAI_CHAT;
	cr_expect_eq(chat_inexpressible(&f, &c, CHAT_F_TOP_K, "why"), ERR_INVAL);
	cr_expect_str_eq(f.param, "", "its wire has no such name");
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	cr_expect_eq(chat_refuse(&f, longer, "bad"), ERR_INVAL);
	cr_expect_eq(strlen(f.param), DIALECT_PARAM_MAX - 1);
}

/* Embeddings aren't translated; every wire of a chat can name what it has to say. */
Test(chat, names)
{
	for (int w = 0; w < WIRE_COUNT; w++)
		for (int f = 0; f < CHAT_FIELDS; f++) {
			const char *name = chat_name((enum wire)w, (enum chat_field)f);
			bool must = f == CHAT_F_MESSAGES || f == CHAT_F_TOOLS || f == CHAT_F_MAX_TOKENS;

			cr_expect(!name || *name);
			if (must && w != WIRE_OPENAI_EMBEDDINGS)
				cr_expect_not_null(name, "%d %d", w, f);
		}
}

Test(chat, ignored_once)
{
	struct buf b = BUF_INIT;

	chat_ignore(&b, "user");
	chat_ignore(&b, "metadata");
	chat_ignore(&b, "user");
	chat_ignore(&b, "meta");
	chat_ignore(&b, "data");
	chat_ignore(&b, "metadata");
	cr_expect_str_eq(b.data, "user, metadata, meta, data");
	buf_done(&b);
}

Test(chat, call_ids)
{
	struct dialect_answer_opts o = {.id = "req_0123456789abcdef01234567"};
	char a[64], b[64];

	cr_expect_eq(chat_make_call_id(&o, 0, 0, a), strlen(a));
	cr_expect_eq(chat_make_call_id(&o, 0, 1, b), strlen(b));
	cr_expect_str_neq(a, b);
	cr_expect_eq(strspn(a, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"), strlen(a),
		     "what Anthropic allows: %s", a);
	o.id = "a much longer id than any request of ours has, which is cut off";
	cr_expect_lt(chat_make_call_id(&o, 4294967295u, 4294967295u, a), sizeof(a));
}
