/* Helpers for the tests of streams. */
#include "streams.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

extern const struct recorded_stream recorded_openai[], recorded_anthropic_pairs[], recorded_gemini_pairs[];

const struct recorded_stream *const recorded_streams[] = {recorded_openai, recorded_anthropic_pairs,
							  recorded_gemini_pairs};
const size_t n_recorded_streams = ARRAY_SIZE(recorded_streams);

struct dialect_answer_opts stream_opts(enum wire from, enum wire to, unsigned choices)
{
	return (struct dialect_answer_opts){
		.from = from,
		.to = to,
		.id = "req_0123456789abcdef01234567",
		.model = "the \"model\"",
		.model_len = strlen("the \"model\""),
		.created_s = 1700000000,
		.include_usage = true,
		.choices = choices ? choices : 1,
	};
}

static int feed(struct stream_run *r, const char *data, size_t len)
{
	char *copy = malloc(len ? len : 1);
	int rc;

	memcpy(copy, data, len);
	rc = dialect_stream_feed(&r->s, copy, len, &r->out);
	free(copy);
	return rc;
}

void stream_run(struct stream_run *r, const struct dialect_answer_opts *o, const char *text, size_t len, size_t cut,
		size_t step)
{
	cut = cut < len ? cut : len;
	*r = (struct stream_run){0};
	cr_assert_eq(dialect_stream_init(&r->s, o), 0);
	r->rc = feed(r, text, cut);
	for (size_t at = cut, n; r->rc == 0 && at < len; at += n) {
		n = step && step < len - at ? step : len - at;
		r->rc = feed(r, text + at, n);
	}
	if (r->rc == 0)
		r->rc = dialect_stream_end(&r->s, &r->out);
	if (r->rc == 0) {
		cr_assert_eq(dialect_stream_release(&r->s, &r->held), 0);
		cr_assert_eq(dialect_stream_release(&r->s, &r->held), 0);
	}
}

void stream_run_done(struct stream_run *r)
{
	dialect_stream_done(&r->s);
	buf_done(&r->out);
	buf_done(&r->held);
}

/* ---- summary */

struct choice {
	struct buf text, refusal, tools;
	char finish[32];
	int open_tool;
	bool seen;
};
#define CHOICES_MAX 4

static const char *text_of(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : "";
}

static void add_tools(struct choice *c, const json_t *calls)
{
	const json_t *call, *function;
	size_t i;

	json_array_foreach(calls, i, call)
	{
		int index = (int)json_integer_value(json_object_get(call, "index"));

		function = json_object_get(call, "function");
		if (index + 1 != c->open_tool) {
			cr_assert_eq(index, c->open_tool, "calls are numbered one by one");
			cr_assert_str_eq(text_of(call, "type"), "function");
			cr_assert(*text_of(call, "id") && *text_of(function, "name"));
			buf_printf(&c->tools, "%s|%s(", c->open_tool ? ")" : "", text_of(function, "name"));
			c->open_tool = index + 1;
		}
		buf_puts(&c->tools, text_of(function, "arguments"));
	}
}

static void add_chunk(struct choice *choices, const json_t *chunk)
{
	const json_t *choice, *delta;
	size_t i;

	cr_assert(json_is_array(json_object_get(chunk, "choices")));
	cr_assert_str_eq(text_of(chunk, "object"), "chat.completion.chunk");
	json_array_foreach(json_object_get(chunk, "choices"), i, choice)
	{
		size_t index = (size_t)json_integer_value(json_object_get(choice, "index"));
		struct choice *c = &choices[index];

		cr_assert_lt(index, CHOICES_MAX);
		delta = json_object_get(choice, "delta");
		cr_assert(json_is_object(delta));
		cr_assert(c->seen || !strcmp(text_of(delta, "role"), "assistant"), "no role");
		c->seen = true;
		buf_puts(&c->text, text_of(delta, "content"));
		buf_puts(&c->refusal, text_of(delta, "refusal"));
		add_tools(c, json_object_get(delta, "tool_calls"));
		if (*text_of(choice, "finish_reason"))
			snprintf(c->finish, sizeof(c->finish), "%s", text_of(choice, "finish_reason"));
	}
}

static void add_event(struct choice *choices, const char *data, size_t len)
{
	json_error_t err;
	json_t *chunk;

	if (len == 6 && memcmp(data, "[DONE]", 6) == 0)
		return;
	chunk = json_loadb(data, len, JSON_REJECT_DUPLICATES, &err);
	cr_assert_not_null(chunk, "%s: %.*s", err.text, (int)len, data);
	if (!json_object_get(chunk, "error"))
		add_chunk(choices, chunk);
	json_decref(chunk);
}

char *stream_summary(const char *text, size_t len)
{
	struct choice choices[CHOICES_MAX] = {0};
	const char *p = text, *end = text + len, *nl;
	struct buf b = BUF_INIT;

	for (; p < end && (nl = memmem(p, (size_t)(end - p), "\n\n", 2)); p = nl + 2) {
		cr_assert(nl - p > 6 && memcmp(p, "data: ", 6) == 0);
		add_event(choices, p + 6, (size_t)(nl - p - 6));
	}
	cr_assert_eq(p, end, "the last event has no end");
	for (int i = 0; i < CHOICES_MAX; i++) {
		struct choice *c = &choices[i];

		if (c->seen)
			buf_printf(&b, "%s%d:%s%s%s%s%s|%s", b.len ? ";" : "", i, c->text.len ? c->text.data : "",
				   c->refusal.len ? "~" : "", c->refusal.len ? c->refusal.data : "",
				   c->tools.len ? c->tools.data : "", c->tools.len ? ")" : "", c->finish);
		buf_done(&c->text);
		buf_done(&c->refusal);
		buf_done(&c->tools);
	}
	buf_puts(&b, "");
	return buf_steal(&b);
}
