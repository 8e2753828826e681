/* What parsers and renderers of all wires have in common. */
#include "dialect/chat.h"

#include "base/json_text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- refusals */

int chat_refuse(struct dialect_fault *fault, const char *param, const char *fmt, ...)
{
	char what[ERR_MSG_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(fault->param, sizeof(fault->param), "%s", param);
	return err_set(&fault->err, ERR_INVAL, "Invalid value for '%s': %s.", fault->param, what);
}

static const char *const names[WIRE_COUNT][CHAT_FIELDS] = {
	[WIRE_OPENAI_CHAT] =
		{
			[CHAT_F_SYSTEM] = "messages",
			[CHAT_F_MESSAGES] = "messages",
			[CHAT_F_NAME] = "messages.name",
			[CHAT_F_IMAGE] = "messages.content.image_url",
			[CHAT_F_TOOLS] = "tools",
			[CHAT_F_TOOL_STRICT] = "tools.function.strict",
			[CHAT_F_TOOL_CHOICE] = "tool_choice",
			[CHAT_F_PARALLEL_TOOLS] = "parallel_tool_calls",
			[CHAT_F_MAX_TOKENS] = "max_completion_tokens",
			[CHAT_F_N] = "n",
			[CHAT_F_TEMPERATURE] = "temperature",
			[CHAT_F_TOP_P] = "top_p",
			[CHAT_F_PRESENCE_PENALTY] = "presence_penalty",
			[CHAT_F_FREQUENCY_PENALTY] = "frequency_penalty",
			[CHAT_F_SEED] = "seed",
			[CHAT_F_STOP] = "stop",
			[CHAT_F_FORMAT] = "response_format",
			[CHAT_F_EFFORT] = "reasoning_effort",
			[CHAT_F_USER] = "user",
		},
	[WIRE_OPENAI_RESPONSES] =
		{
			[CHAT_F_SYSTEM] = "instructions",
			[CHAT_F_MESSAGES] = "input",
			[CHAT_F_IMAGE] = "input.content.image_url",
			[CHAT_F_TOOLS] = "tools",
			[CHAT_F_TOOL_STRICT] = "tools.strict",
			[CHAT_F_TOOL_CHOICE] = "tool_choice",
			[CHAT_F_PARALLEL_TOOLS] = "parallel_tool_calls",
			[CHAT_F_MAX_TOKENS] = "max_output_tokens",
			[CHAT_F_TEMPERATURE] = "temperature",
			[CHAT_F_TOP_P] = "top_p",
			[CHAT_F_FORMAT] = "text.format",
			[CHAT_F_EFFORT] = "reasoning.effort",
			[CHAT_F_USER] = "user",
		},
	[WIRE_ANTHROPIC] =
		{
			[CHAT_F_SYSTEM] = "system",
			[CHAT_F_MESSAGES] = "messages",
			[CHAT_F_IMAGE] = "messages.content.source",
			[CHAT_F_TOOLS] = "tools",
			[CHAT_F_TOOL_STRICT] = "tools.strict",
			[CHAT_F_TOOL_CHOICE] = "tool_choice",
			[CHAT_F_PARALLEL_TOOLS] = "tool_choice.disable_parallel_tool_use",
			[CHAT_F_MAX_TOKENS] = "max_tokens",
			[CHAT_F_TEMPERATURE] = "temperature",
			[CHAT_F_TOP_P] = "top_p",
			[CHAT_F_TOP_K] = "top_k",
			[CHAT_F_STOP] = "stop_sequences",
			[CHAT_F_FORMAT] = "output_config.format",
			[CHAT_F_EFFORT] = "output_config.effort",
			[CHAT_F_USER] = "metadata.user_id",
		},
	[WIRE_GEMINI] =
		{
			[CHAT_F_SYSTEM] = "systemInstruction",
			[CHAT_F_MESSAGES] = "contents",
			[CHAT_F_IMAGE] = "contents.parts.fileData",
			[CHAT_F_TOOLS] = "tools",
			[CHAT_F_TOOL_CHOICE] = "toolConfig.functionCallingConfig",
			[CHAT_F_MAX_TOKENS] = "generationConfig.maxOutputTokens",
			[CHAT_F_N] = "generationConfig.candidateCount",
			[CHAT_F_TEMPERATURE] = "generationConfig.temperature",
			[CHAT_F_TOP_P] = "generationConfig.topP",
			[CHAT_F_TOP_K] = "generationConfig.topK",
			[CHAT_F_PRESENCE_PENALTY] = "generationConfig.presencePenalty",
			[CHAT_F_FREQUENCY_PENALTY] = "generationConfig.frequencyPenalty",
			[CHAT_F_SEED] = "generationConfig.seed",
			[CHAT_F_STOP] = "generationConfig.stopSequences",
			[CHAT_F_FORMAT] = "generationConfig.responseMimeType",
			[CHAT_F_EFFORT] = "generationConfig.thinkingConfig",
		},
};

const char *chat_name(enum wire from, enum chat_field f)
{
	assert(from < WIRE_COUNT && f < CHAT_FIELDS);
	return names[from][f];
}

int chat_inexpressible(struct dialect_fault *fault, const struct chat *c, enum chat_field f, const char *why)
{
	const char *name = chat_name(c->from, f);

	snprintf(fault->param, sizeof(fault->param), "%s", name ? name : "");
	return err_set(&fault->err, ERR_INVAL, "'%s' can't be expressed for this model's provider: %s.",
		       name ? name : "the request", why);
}

void chat_ignore(struct buf *ignored, const char *name)
{
	size_t len = strlen(name);
	const char *p = ignored->data, *end = p ? p + ignored->len : NULL, *comma;

	for (; p && p < end; p = comma + 2) { /* once is enough: the same hint may stand on every message */
		comma = memmem(p, (size_t)(end - p), ", ", 2);
		comma = comma ? comma : end;
		if ((size_t)(comma - p) == len && memcmp(p, name, len) == 0)
			return;
		if (comma == end)
			break;
	}
	if (ignored->len)
		buf_puts(ignored, ", ");
	buf_puts(ignored, name);
}

void *chat_alloc(struct chat_reader *r, size_t size)
{
	void *p = arena_alloc(r->arena, size);

	if (!p)
		err_set(&r->fault->err, ERR_NOMEM, "out of memory");
	return p;
}

struct chat_part *chat_append_part(struct chat_reader *r, struct chat_part ***tail, enum chat_part_kind kind)
{
	struct chat_part *p = chat_alloc(r, sizeof(*p));

	if (!p)
		return NULL;
	p->kind = kind;
	**tail = p;
	*tail = &p->next;
	return p;
}

struct chat_message *chat_append_message(struct chat_reader *r, struct chat_message ***tail, enum chat_role role)
{
	struct chat_message *m = chat_alloc(r, sizeof(*m));

	if (!m)
		return NULL;
	m->role = role;
	**tail = m;
	*tail = &m->next;
	return m;
}

struct chat_tool *chat_append_tool(struct chat_reader *r, struct chat_tool ***tail)
{
	struct chat_tool *t = chat_alloc(r, sizeof(*t));

	if (!t)
		return NULL;
	**tail = t;
	*tail = &t->next;
	return t;
}

/* ---- texts and values */

struct chat_text chat_text_of(const struct json_span *string)
{
	if (string->type != JSON_SPAN_STRING)
		return (struct chat_text){0};
	return (struct chat_text){.at = string->at + 1, .len = string->len - 2};
}

bool chat_text_is(struct chat_text t, const char *text)
{
	return t.at && json_content_is(t.at, t.len, memchr(t.at, '\\', t.len), text, strlen(text));
}

bool chat_text_begins(struct chat_text t, const char *prefix)
{
	size_t len = strlen(prefix);

	return t.len >= len && memcmp(t.at, prefix, len) == 0;
}

bool chat_text_same(struct chat_text a, struct chat_text b)
{
	return a.at && b.at && a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

bool chat_split_data_url(struct chat_text url, struct chat_part *part)
{
	static const char scheme[] = "data:", base64[] = ";base64,";
	const char *type, *mark;

	if (!chat_text_begins(url, scheme))
		return false;
	type = url.at + sizeof(scheme) - 1;
	mark = memmem(url.at, url.len, base64, sizeof(base64) - 1);
	if (!mark || mark == type)
		return false;
	part->kind = CHAT_IMAGE_DATA;
	part->media_type = (struct chat_text){.at = type, .len = (size_t)(mark - type)};
	part->data.at = mark + sizeof(base64) - 1;
	part->data.len = url.len - (size_t)(part->data.at - url.at);
	return true;
}

void chat_put_string(struct buf *out, struct chat_text t)
{
	buf_putc(out, '"');
	buf_append(out, t.at, t.len);
	buf_putc(out, '"');
}

void chat_put_span(struct buf *out, const struct json_span *v)
{
	buf_append(out, v->at, v->len);
}

static bool is_blank(struct chat_text t)
{
	for (size_t i = 0; i < t.len; i++)
		if (t.at[i] != ' ')
			return false;
	return true;
}

int chat_put_args_object(struct buf *out, const struct chat_part *p)
{
	size_t before = out->len;
	int rc;

	if (p->args.type != JSON_SPAN_ABSENT)
		return buf_append(out, p->args.at, p->args.len);
	if (is_blank(p->args_text))
		return buf_append(out, "{}", 2);
	rc = json_unescape(p->args_text.at, p->args_text.len, out);
	if (rc < 0)
		return rc;
	if (json_scan_object(out->data + before, out->len - before, NULL, 0, NULL) == 0)
		return 0;
	out->len = before;
	out->data[before] = '\0';
	return ERR_INVAL;
}

int chat_put_args_text(struct buf *out, const struct chat_part *p)
{
	if (p->args.type != JSON_SPAN_ABSENT)
		return json_escape(p->args.at, p->args.len, out);
	if (is_blank(p->args_text))
		return buf_append(out, "{}", 2);
	return buf_append(out, p->args_text.at, p->args_text.len);
}

size_t chat_make_call_id(const struct dialect_answer_opts *o, unsigned choice, unsigned tool, char ret[64])
{
	const char *digits = strncmp(o->id, "req_", 4) == 0 ? o->id + 4 : o->id;
	int n = snprintf(ret, 64, "call_%.32s_%u_%u", digits, choice, tool);

	return (size_t)n;
}
