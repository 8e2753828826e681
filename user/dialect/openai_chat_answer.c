/* OpenAI's whole chat completions: read and written. */
#include "dialect/openai_chat.h"

#include <inttypes.h>
#include <string.h>

static const struct {
	const char *name;
	enum chat_finish finish;
} finishes[] = {
	{"stop", CHAT_FINISH_STOP},           {"length", CHAT_FINISH_LENGTH},
	{"tool_calls", CHAT_FINISH_TOOLS},    {"content_filter", CHAT_FINISH_FILTER},
	{"function_call", CHAT_FINISH_TOOLS},
};

enum chat_finish openai_finish_of(const struct json_span *reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(finishes); i++)
		if (json_string_is(reason, finishes[i].name))
			return finishes[i].finish;
	return CHAT_FINISH_STOP;
}

const char *openai_finish_name(enum chat_finish f)
{
	for (size_t i = 0; i < ARRAY_SIZE(finishes); i++)
		if (finishes[i].finish == f)
			return finishes[i].name;
	return "stop";
}

/* ---- reading */

static int broken(struct err *err, const char *what)
{
	return err_set(err, ERR_PROTO, "chat completion: %s", what);
}

struct parts {
	struct arena *a;
	struct chat_part **end;
	struct err *err;
};

static struct chat_part *add_part(struct parts *l, enum chat_part_kind kind)
{
	struct chat_part *p = arena_alloc(l->a, sizeof(*p));

	if (!p) {
		err_set(l->err, ERR_NOMEM, "chat completion: out of memory");
		return NULL;
	}
	p->kind = kind;
	*l->end = p;
	l->end = &p->next;
	return p;
}

static int add_text(struct parts *l, enum chat_part_kind kind, const struct json_span *v)
{
	struct chat_part *p;

	if (!wire_given(v))
		return 0;
	if (v->type != JSON_SPAN_STRING)
		return broken(l->err, "a message's content isn't text");
	if (v->len == 2)
		return 0;
	p = add_part(l, kind);
	if (!p)
		return ERR_NOMEM;
	p->text = chat_text_of(v);
	return 0;
}

static int add_call(struct parts *l, const struct json_span *call)
{
	enum { ID, FUNCTION, FIELDS };
	struct json_member m[FIELDS] = {[ID] = {.name = "id"}, [FUNCTION] = {.name = "function"}};
	enum { NAME, ARGS };
	struct json_member f[] = {[NAME] = {.name = "name"}, [ARGS] = {.name = "arguments"}};
	struct chat_part *p;

	if (json_scan_object(call->at, call->len, m, FIELDS, NULL) < 0 || m[FUNCTION].value.type != JSON_SPAN_OBJECT ||
	    json_scan_object(m[FUNCTION].value.at, m[FUNCTION].value.len, f, ARRAY_SIZE(f), NULL) < 0 ||
	    f[NAME].value.type != JSON_SPAN_STRING)
		return broken(l->err, "a tool call isn't one");
	p = add_part(l, CHAT_TOOL_CALL);
	if (!p)
		return ERR_NOMEM;
	p->id = chat_text_of(&m[ID].value);
	p->name = chat_text_of(&f[NAME].value);
	p->args_text = chat_text_of(&f[ARGS].value);
	return 0;
}

static int add_calls(struct parts *l, const struct json_span *v)
{
	struct json_span call;
	struct json_iter it;
	int rc = 0;

	if (!wire_given(v))
		return 0;
	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return broken(l->err, "tool_calls aren't an array");
	while (rc == 0 && json_iter_next(&it, NULL, &call) == 1)
		rc = add_call(l, &call);
	return rc;
}

static int read_choice(struct arena *a, const struct json_span *v, struct chat_choice *ret, struct err *err)
{
	enum { MESSAGE, REASON, FIELDS };
	struct json_member m[FIELDS] = {[MESSAGE] = {.name = "message"}, [REASON] = {.name = "finish_reason"}};
	enum { CONTENT, REFUSAL, TOOLS };
	struct json_member f[] = {
		[CONTENT] = {.name = "content"}, [REFUSAL] = {.name = "refusal"}, [TOOLS] = {.name = "tool_calls"}};
	struct parts l = {.a = a, .end = &ret->parts, .err = err};
	int rc;

	if (json_scan_object(v->at, v->len, m, FIELDS, NULL) < 0 || m[MESSAGE].value.type != JSON_SPAN_OBJECT ||
	    json_scan_object(m[MESSAGE].value.at, m[MESSAGE].value.len, f, ARRAY_SIZE(f), NULL) < 0)
		return broken(err, "a choice without a message");
	ret->finish = openai_finish_of(&m[REASON].value);
	rc = add_text(&l, CHAT_TEXT, &f[CONTENT].value);
	if (rc == 0)
		rc = add_text(&l, CHAT_REFUSAL, &f[REFUSAL].value);
	if (rc == 0)
		rc = add_calls(&l, &f[TOOLS].value);
	return rc;
}

int openai_chat_answer_parse(struct arena *a, const char *body, size_t len, struct chat_answer *ret, struct err *err)
{
	enum { ID, CHOICES, USAGE, FIELDS };
	struct json_member m[FIELDS] = {
		[ID] = {.name = "id"}, [CHOICES] = {.name = "choices"}, [USAGE] = {.name = "usage"}};
	struct chat_choice **end = &ret->choices, *choice;
	struct json_span v;
	struct json_iter it;
	bool inconsistent;
	int rc = 0;

	if (json_scan_object(body, len, m, FIELDS, NULL) < 0)
		return broken(err, "no JSON object");
	if (m[CHOICES].value.type != JSON_SPAN_ARRAY || json_iter_init(&it, &m[CHOICES].value) < 0)
		return broken(err, "no choices");
	ret->id = chat_text_of(&m[ID].value);
	while (rc == 0 && json_iter_next(&it, NULL, &v) == 1) {
		choice = arena_alloc(a, sizeof(*choice));
		if (!choice)
			return err_set(err, ERR_NOMEM, "chat completion: out of memory");
		rc = read_choice(a, &v, choice, err);
		*end = choice;
		end = &choice->next;
	}
	if (rc == 0 && !ret->choices)
		rc = broken(err, "no choices");
	ret->have_usage = openai_read_usage(&m[USAGE].value, true, &ret->usage, &inconsistent) == 0;
	return rc;
}

/* ---- writing */

void openai_put_usage(struct buf *out, const struct usage *u)
{
	buf_printf(out,
		   "{\"prompt_tokens\":%" PRIu64 ",\"completion_tokens\":%" PRIu64 ",\"total_tokens\":%" PRIu64
		   ",\"prompt_tokens_details\":{\"cached_tokens\":%" PRIu64
		   "},\"completion_tokens_details\":{\"reasoning_tokens\":%" PRIu64 "}}",
		   u->input_tokens, u->output_tokens, u->input_tokens + u->output_tokens, u->cached_input_tokens,
		   u->reasoning_tokens);
}

void openai_put_head(struct buf *out, const struct dialect_answer_opts *o, const char *object)
{
	const char *digits = strncmp(o->id, "req_", 4) == 0 ? o->id + 4 : o->id;

	buf_printf(out, "\"id\":\"chatcmpl-%s\",\"object\":\"%s\",\"created\":%" PRId64 ",\"model\":", digits, object,
		   o->created_s);
	buf_put_json_string(out, o->model, o->model_len);
}

/* The texts of one kind as one string; null when there are none. */
static void put_texts(struct buf *out, const struct chat_part *parts, enum chat_part_kind kind)
{
	bool any = false;

	for (const struct chat_part *p = parts; p; p = p->next) {
		if (p->kind != kind)
			continue;
		if (!any)
			buf_putc(out, '"');
		any = true;
		buf_append(out, p->text.at, p->text.len);
	}
	buf_puts(out, any ? "\"" : "null");
}

static void put_call(struct buf *out, const struct dialect_answer_opts *o, const struct chat_part *p, unsigned choice,
		     unsigned tool)
{
	char made[64];

	buf_puts(out, tool ? ",{\"id\":\"" : ",\"tool_calls\":[{\"id\":\"");
	if (p->id.at)
		buf_append(out, p->id.at, p->id.len);
	else
		buf_append(out, made, chat_make_call_id(o, choice, tool, made));
	buf_puts(out, "\",\"type\":\"function\",\"function\":{\"name\":");
	chat_put_string(out, p->name);
	buf_puts(out, ",\"arguments\":\"");
	chat_put_args_text(out, p);
	buf_puts(out, "\"}}");
}

static void put_choice(struct buf *out, const struct dialect_answer_opts *o, const struct chat_choice *c,
		       unsigned index)
{
	unsigned tools = 0;

	buf_printf(out, "%s{\"index\":%u,\"message\":{\"role\":\"assistant\",\"content\":", index ? "," : "", index);
	put_texts(out, c->parts, CHAT_TEXT);
	buf_puts(out, ",\"refusal\":");
	put_texts(out, c->parts, CHAT_REFUSAL);
	for (const struct chat_part *p = c->parts; p; p = p->next)
		if (p->kind == CHAT_TOOL_CALL)
			put_call(out, o, p, index, tools++);
	if (tools)
		buf_putc(out, ']');
	buf_printf(out, "},\"logprobs\":null,\"finish_reason\":\"%s\"}", openai_finish_name(c->finish));
}

int openai_chat_answer_render(const struct chat_answer *answer, const struct dialect_answer_opts *o, struct buf *out)
{
	unsigned index = 0;

	buf_putc(out, '{');
	openai_put_head(out, o, "chat.completion");
	buf_puts(out, ",\"choices\":[");
	for (const struct chat_choice *c = answer->choices; c; c = c->next)
		put_choice(out, o, c, index++);
	buf_putc(out, ']');
	if (answer->have_usage) {
		buf_puts(out, ",\"usage\":");
		openai_put_usage(out, &answer->usage);
	}
	buf_putc(out, '}');
	return out->failed ? ERR_NOMEM : 0;
}
