/* OpenAI's chat requests, from another wire. */
#include "dialect/openai_chat.h"

#include "base/json_text.h"

#include <inttypes.h>
#include <string.h>

#define STOPS_MAX 4u

/* Gemini's calls may have no ids, and its results then name their function: ids are made up, and the results of one
 * name belong to the calls of that name in their order. */
struct made_id {
	struct chat_text name;
	bool answered;
};

struct writer {
	const struct chat *c;
	struct buf *out;
	struct buf calls;  /* struct made_id, of calls without id so far */
	size_t unanswered; /* none before this one waits for its result */
	struct dialect_fault *fault;
	bool first; /* no message yet */
};

static void put(struct writer *w, const char *text)
{
	buf_puts(w->out, text);
}

static void put_member(struct writer *w, const char *name)
{
	buf_putc(w->out, ',');
	buf_putc(w->out, '"');
	buf_puts(w->out, name);
	buf_puts(w->out, "\":");
}

static void begin_message(struct writer *w, const char *role)
{
	put(w, w->first ? "{\"role\":\"" : ",{\"role\":\"");
	put(w, role);
	put(w, "\"");
	w->first = false;
}

/* ---- made-up ids */

static struct made_id *made_ids(const struct writer *w, size_t *ret_n)
{
	*ret_n = w->calls.len / sizeof(struct made_id);
	return (struct made_id *)(void *)w->calls.data;
}

static void put_made_id(struct writer *w, size_t number)
{
	buf_printf(w->out, "\"call_%zu\"", number);
}

static int put_call_id(struct writer *w, const struct chat_part *p)
{
	struct made_id made = {.name = p->name};
	size_t n;

	if (p->id.at) {
		chat_put_string(w->out, p->id);
		return 0;
	}
	made_ids(w, &n);
	put_made_id(w, n);
	return buf_append(&w->calls, &made, sizeof(made));
}

static int put_result_id(struct writer *w, const struct chat_part *p)
{
	struct made_id *ids;
	size_t n;

	if (p->id.at) {
		chat_put_string(w->out, p->id);
		return 0;
	}
	ids = made_ids(w, &n);
	while (w->unanswered < n && ids[w->unanswered].answered)
		w->unanswered++;
	for (size_t i = w->unanswered; i < n; i++) {
		if (ids[i].answered || !chat_text_same(ids[i].name, p->name))
			continue;
		ids[i].answered = true;
		put_made_id(w, i);
		return 0;
	}
	return chat_inexpressible(w->fault, w->c, CHAT_F_MESSAGES, "a tool's result without a call before it");
}

/* ---- content */

static size_t count_parts(const struct chat_part *p, bool (*wanted)(const struct chat_part *))
{
	size_t n = 0;

	for (; p; p = p->next)
		n += wanted(p);
	return n;
}

static bool is_text(const struct chat_part *p)
{
	return p->kind == CHAT_TEXT;
}

static bool is_content(const struct chat_part *p)
{
	return p->kind == CHAT_TEXT || p->kind == CHAT_REFUSAL || p->kind == CHAT_IMAGE_URL ||
	       p->kind == CHAT_IMAGE_DATA;
}

static void put_part(struct writer *w, const struct chat_part *p)
{
	switch (p->kind) {
	case CHAT_TEXT:
		put(w, "{\"type\":\"text\",\"text\":");
		chat_put_string(w->out, p->text);
		put(w, "}");
		break;
	case CHAT_REFUSAL:
		put(w, "{\"type\":\"refusal\",\"refusal\":");
		chat_put_string(w->out, p->text);
		put(w, "}");
		break;
	case CHAT_IMAGE_URL:
		put(w, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
		chat_put_string(w->out, p->url);
		put(w, "}}");
		break;
	case CHAT_IMAGE_DATA:
		put(w, "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:");
		buf_append(w->out, p->media_type.at, p->media_type.len);
		put(w, ";base64,");
		buf_append(w->out, p->data.at, p->data.len);
		put(w, "\"}}");
		break;
	case CHAT_TOOL_CALL:
	case CHAT_TOOL_RESULT:
		break;
	}
}

/* One text is a string, more is an array. `before`: text to be said first. */
static void put_content(struct writer *w, const struct chat_part *parts, const char *before)
{
	size_t n = count_parts(parts, is_content);
	bool first = true;

	put_member(w, "content");
	if (n == 1 && count_parts(parts, is_text) == 1) {
		while (!is_text(parts))
			parts = parts->next;
		buf_putc(w->out, '"');
		put(w, before);
		buf_append(w->out, parts->text.at, parts->text.len);
		buf_putc(w->out, '"');
		return;
	}
	if (n == 0) {
		buf_printf(w->out, "\"%s\"", before);
		return;
	}
	buf_putc(w->out, '[');
	if (*before) {
		buf_printf(w->out, "{\"type\":\"text\",\"text\":\"%s\"}", before);
		first = false;
	}
	for (; parts; parts = parts->next) {
		if (!is_content(parts))
			continue;
		if (!first)
			buf_putc(w->out, ',');
		first = false;
		put_part(w, parts);
	}
	buf_putc(w->out, ']');
}

/* ---- messages */

static void put_name(struct writer *w, const struct chat_message *m)
{
	if (!m->name.at)
		return;
	put_member(w, "name");
	chat_put_string(w->out, m->name);
}

static int put_result(struct writer *w, const struct chat_part *p)
{
	/* The wire has no mark for a failure; its content is where a model looks. */
	const char *before = p->is_error ? "Error: " : "";
	int rc;

	for (const struct chat_part *q = p->parts; q; q = q->next)
		if (q->kind != CHAT_TEXT)
			return chat_inexpressible(w->fault, w->c, CHAT_F_IMAGE,
						  "a tool's result can only have text there");
	begin_message(w, "tool");
	put_member(w, "tool_call_id");
	rc = put_result_id(w, p);
	if (rc < 0)
		return rc;
	if (p->result.type != JSON_SPAN_ABSENT) {
		put_member(w, "content");
		buf_putc(w->out, '"');
		put(w, before);
		json_escape(p->result.at, p->result.len, w->out);
		buf_putc(w->out, '"');
	} else {
		put_content(w, p->parts, before);
	}
	put(w, "}");
	return 0;
}

/* Results come first: they answer the calls of the message before. */
static int put_user(struct writer *w, const struct chat_message *m)
{
	bool results = false;
	int rc;

	for (const struct chat_part *p = m->parts; p; p = p->next) {
		if (p->kind == CHAT_TOOL_CALL)
			return chat_inexpressible(w->fault, w->c, CHAT_F_MESSAGES, "a tool call by the user");
		if (p->kind != CHAT_TOOL_RESULT)
			continue;
		results = true;
		rc = put_result(w, p);
		if (rc < 0)
			return rc;
	}
	if (results && !count_parts(m->parts, is_content))
		return 0;
	begin_message(w, "user");
	put_content(w, m->parts, "");
	put_name(w, m);
	put(w, "}");
	return 0;
}

static int put_call(struct writer *w, const struct chat_part *p, bool first)
{
	int rc;

	put(w, first ? ",\"tool_calls\":[{\"id\":" : ",{\"id\":");
	rc = put_call_id(w, p);
	if (rc < 0)
		return rc;
	put(w, ",\"type\":\"function\",\"function\":{\"name\":");
	chat_put_string(w->out, p->name);
	put(w, ",\"arguments\":\"");
	chat_put_args_text(w->out, p);
	put(w, "\"}}");
	return 0;
}

static int put_assistant(struct writer *w, const struct chat_message *m)
{
	bool first = true;
	int rc;

	for (const struct chat_part *p = m->parts; p; p = p->next) {
		if (p->kind == CHAT_IMAGE_URL || p->kind == CHAT_IMAGE_DATA)
			return chat_inexpressible(w->fault, w->c, CHAT_F_IMAGE, "an image by the assistant");
		if (p->kind == CHAT_TOOL_RESULT)
			return chat_inexpressible(w->fault, w->c, CHAT_F_MESSAGES, "a tool's result by the assistant");
	}
	begin_message(w, "assistant");
	if (count_parts(m->parts, is_content))
		put_content(w, m->parts, "");
	else if (m->parts)
		put(w, ",\"content\":null");
	else
		put(w, ",\"content\":\"\"");
	put_name(w, m);
	for (const struct chat_part *p = m->parts; p; p = p->next) {
		if (p->kind != CHAT_TOOL_CALL)
			continue;
		rc = put_call(w, p, first);
		if (rc < 0)
			return rc;
		first = false;
	}
	put(w, first ? "}" : "]}");
	return 0;
}

static int put_messages(struct writer *w)
{
	int rc = 0;

	put(w, ",\"messages\":[");
	if (w->c->system) {
		begin_message(w, "system");
		put_content(w, w->c->system, "");
		put(w, "}");
	}
	for (const struct chat_message *m = w->c->messages; m && rc == 0; m = m->next)
		rc = m->role == CHAT_USER ? put_user(w, m) : put_assistant(w, m);
	put(w, "]");
	return rc;
}

/* ---- the rest */

static void put_tool(struct writer *w, const struct chat_tool *t)
{
	put(w, "{\"type\":\"function\",\"function\":{\"name\":");
	chat_put_string(w->out, t->name);
	if (t->description.at) {
		put_member(w, "description");
		chat_put_string(w->out, t->description);
	}
	if (t->schema.type != JSON_SPAN_ABSENT) {
		put_member(w, "parameters");
		chat_put_span(w->out, &t->schema);
	}
	put(w, t->strict ? ",\"strict\":true}}" : "}}");
}

static void put_tools(struct writer *w)
{
	static const char *const choices[] = {
		[CHAT_TOOLS_AUTO] = "\"auto\"", [CHAT_TOOLS_NONE] = "\"none\"", [CHAT_TOOLS_REQUIRED] = "\"required\""};
	const struct chat *c = w->c;

	for (const struct chat_tool *t = c->tools; t; t = t->next) {
		put(w, t == c->tools ? ",\"tools\":[" : ",");
		put_tool(w, t);
	}
	if (c->tools)
		put(w, "]");
	if (c->tool_choice_given && c->tool_choice != CHAT_TOOLS_NAMED) {
		put_member(w, "tool_choice");
		put(w, choices[c->tool_choice]);
	} else if (c->tool_choice_given) {
		put(w, ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":");
		chat_put_string(w->out, c->tool_choice_name);
		put(w, "}}");
	}
	if (c->parallel_given)
		put(w, c->parallel ? ",\"parallel_tool_calls\":true" : ",\"parallel_tool_calls\":false");
}

static void put_number(struct writer *w, const char *name, const struct json_span *v)
{
	if (v->type == JSON_SPAN_ABSENT)
		return;
	put_member(w, name);
	chat_put_span(w->out, v);
}

static void put_text(struct writer *w, const char *name, struct chat_text t)
{
	if (!t.at)
		return;
	put_member(w, name);
	chat_put_string(w->out, t);
}

static int put_sampling(struct writer *w)
{
	const struct chat *c = w->c;

	if (c->top_k.type != JSON_SPAN_ABSENT)
		return chat_inexpressible(w->fault, c, CHAT_F_TOP_K, "its API has no such parameter");
	if (c->n_stop > STOPS_MAX)
		return chat_inexpressible(w->fault, c, CHAT_F_STOP, "it takes at most 4 stop sequences");
	if (c->max_tokens_given)
		buf_printf(w->out, ",\"max_completion_tokens\":%" PRIu64, c->max_tokens);
	if (c->n > 1)
		buf_printf(w->out, ",\"n\":%" PRIu64, c->n);
	put_number(w, "temperature", &c->temperature);
	put_number(w, "top_p", &c->top_p);
	put_number(w, "presence_penalty", &c->presence_penalty);
	put_number(w, "frequency_penalty", &c->frequency_penalty);
	put_number(w, "seed", &c->seed);
	for (size_t i = 0; i < c->n_stop; i++) {
		put(w, i ? "," : ",\"stop\":[");
		chat_put_string(w->out, c->stop[i]);
	}
	if (c->n_stop)
		put(w, "]");
	put_text(w, "reasoning_effort", c->effort);
	put_text(w, "user", c->user);
	return 0;
}

static void put_format(struct writer *w)
{
	const struct chat *c = w->c;

	if (c->format == CHAT_FORMAT_JSON)
		put(w, ",\"response_format\":{\"type\":\"json_object\"}");
	if (c->format != CHAT_FORMAT_SCHEMA)
		return;
	put(w, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":");
	if (c->format_name.at)
		chat_put_string(w->out, c->format_name);
	else
		put(w, "\"answer\""); /* must be given there, and means nothing */
	put_text(w, "description", c->format_description);
	put_number(w, "schema", &c->format_schema);
	put(w, c->format_strict ? ",\"strict\":true}}" : "}}");
}

int openai_chat_render(const struct chat *c, const struct dialect_upstream *u, struct buf *out, struct buf *ignored,
		       struct dialect_fault *fault)
{
	struct writer w = {.c = c, .out = out, .fault = fault, .first = true};
	int rc;

	(void)ignored;
	put(&w, "{\"model\":");
	buf_put_json_string(out, u->model, strlen(u->model));
	rc = put_messages(&w);
	if (rc == 0)
		rc = put_sampling(&w);
	if (rc == 0) {
		put_tools(&w);
		put_format(&w);
		put(&w, c->stream ? ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}" : "}");
	}
	buf_done(&w.calls);
	if (rc == 0 && out->failed)
		rc = ERR_NOMEM;
	return rc;
}
