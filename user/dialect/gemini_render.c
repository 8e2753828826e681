/* Any chat as a generateContent.
 *
 * Decisions: schemas go as JSON Schema, by parametersJsonSchema and responseJsonSchema, which v1 and v1beta both have;
 * Google's own form of them can't say all. A call's signature of thought, which models from Gemini 3 on insist on and
 * another model's call doesn't have, is the one that Google documents for this. Images in a tool's result stand behind
 * it in the same turn. */
#include "dialect/gemini.h"

#include <inttypes.h>
#include <string.h>

#define STOPS_MAX 5u

struct writer {
	const struct chat *c;
	struct buf *out, *ignored;
	struct dialect_fault *fault;
	bool signatures;
	bool first;                                       /* nothing stands in the list under way */
	const struct chat_part *calls[GEMINI_CALLS_KEPT]; /* the last ones, in a ring */
	unsigned n_calls;
};

static int inexpressible(struct writer *w, enum chat_field f, const char *why)
{
	return chat_inexpressible(w->fault, w->c, f, why);
}

static void comma(struct writer *w)
{
	if (!w->first)
		buf_putc(w->out, ',');
	w->first = false;
}

/* ---- parts */

static void put_text(struct writer *w, struct chat_text t)
{
	comma(w);
	buf_puts(w->out, "{\"text\":");
	chat_put_string(w->out, t);
	buf_putc(w->out, '}');
}

static void put_image(struct writer *w, const struct chat_part *p)
{
	bool data = p->kind == CHAT_IMAGE_DATA;

	comma(w);
	buf_puts(w->out, data ? "{\"inlineData\":{\"data\":" : "{\"fileData\":{\"fileUri\":");
	chat_put_string(w->out, data ? p->data : p->url);
	if (p->media_type.at) {
		buf_puts(w->out, ",\"mimeType\":");
		chat_put_string(w->out, p->media_type);
	}
	buf_puts(w->out, "}}");
}

static void put_id(struct buf *out, struct chat_text id)
{
	if (!id.at)
		return;
	buf_puts(out, "\"id\":");
	chat_put_string(out, id);
	buf_putc(out, ',');
}

int gemini_put_call(struct buf *out, const struct chat_part *call)
{
	size_t before = out->len;
	int rc;

	buf_puts(out, "{\"functionCall\":{");
	put_id(out, call->id);
	buf_puts(out, "\"name\":");
	chat_put_string(out, call->name);
	buf_puts(out, ",\"args\":");
	rc = out->failed ? ERR_NOMEM : chat_put_args_object(out, call);
	if (rc < 0) {
		gemini_cut(out, before);
		return rc;
	}
	return buf_putc(out, '}');
}

static int put_call(struct writer *w, const struct chat_part *p)
{
	int rc;

	w->calls[w->n_calls++ % GEMINI_CALLS_KEPT] = p;
	comma(w);
	rc = gemini_put_call(w->out, p);
	if (rc == ERR_INVAL)
		return inexpressible(w, CHAT_F_MESSAGES, "a tool call's arguments are no JSON object");
	if (w->signatures)
		buf_puts(w->out, ",\"thoughtSignature\":\"skip_thought_signature_validator\"");
	buf_putc(w->out, '}');
	return rc;
}

/* ---- results of tools */

/* The name of the function that a result is of: by the last call before it with its id. */
static struct chat_text function_of(const struct writer *w, const struct chat_part *result)
{
	unsigned n = w->n_calls < GEMINI_CALLS_KEPT ? w->n_calls : GEMINI_CALLS_KEPT;

	for (unsigned i = 1; i <= n && result->id.at; i++) {
		const struct chat_part *p = w->calls[(w->n_calls - i) % GEMINI_CALLS_KEPT];

		if (p->id.at && p->id.len == result->id.len && memcmp(p->id.at, result->id.at, p->id.len) == 0)
			return p->name;
	}
	return result->name;
}

/* The only text, if it is a JSON object. */
static bool put_object_text(struct buf *out, const struct chat_part *result)
{
	const struct chat_part *p = result->parts;
	struct chat_part as_args = {.kind = CHAT_TOOL_CALL};

	if (result->is_error || !p || p->next || p->kind != CHAT_TEXT || !p->text.len)
		return false;
	as_args.args_text = p->text;
	for (size_t i = 0; p->text.at[i] == ' '; i++)
		if (i + 1 == p->text.len)
			return false; /* blank is an object to those who write arguments */
	return chat_put_args_object(out, &as_args) == 0;
}

static void put_response(struct writer *w, const struct chat_part *result)
{
	if (wire_given(&result->result)) {
		chat_put_span(w->out, &result->result);
		return;
	}
	if (put_object_text(w->out, result))
		return;
	buf_puts(w->out, result->is_error ? "{\"error\":\"" : "{\"result\":\"");
	for (const struct chat_part *p = result->parts; p; p = p->next)
		if (p->kind == CHAT_TEXT)
			buf_append(w->out, p->text.at, p->text.len);
	buf_puts(w->out, "\"}");
}

static int put_result(struct writer *w, const struct chat_part *result)
{
	struct chat_text name = function_of(w, result);

	if (!name.at)
		return inexpressible(w, CHAT_F_MESSAGES, "a tool's result answers no call before it");
	comma(w);
	buf_puts(w->out, "{\"functionResponse\":{");
	put_id(w->out, result->id);
	buf_puts(w->out, "\"name\":");
	chat_put_string(w->out, name);
	buf_puts(w->out, ",\"response\":");
	put_response(w, result);
	buf_puts(w->out, "}}");
	for (const struct chat_part *p = result->parts; p; p = p->next)
		if (p->kind == CHAT_IMAGE_DATA || p->kind == CHAT_IMAGE_URL)
			put_image(w, p);
	return 0;
}

/* ---- turns */

static int put_part(struct writer *w, const struct chat_part *p)
{
	switch (p->kind) {
	case CHAT_TEXT:
	case CHAT_REFUSAL:
		put_text(w, p->text);
		return 0;
	case CHAT_IMAGE_URL:
	case CHAT_IMAGE_DATA:
		put_image(w, p);
		return 0;
	case CHAT_TOOL_CALL:
		return put_call(w, p);
	case CHAT_TOOL_RESULT:
		return put_result(w, p);
	}
	return 0;
}

/* Messages of one role in a row are one turn: all results of a turn's calls have to stand in one. */
static const struct chat_message *put_turn(struct writer *w, const struct chat_message *m, int *rc)
{
	enum chat_role role = m->role;
	bool first = true;

	for (; *rc == 0 && m && (m->role == role || !m->parts); m = m->next) {
		if (m->name.at)
			*rc = inexpressible(w, CHAT_F_NAME, "Gemini has no names of participants");
		for (const struct chat_part *p = m->parts; *rc == 0 && p; p = p->next) {
			w->first = first;
			first = false;
			*rc = put_part(w, p);
		}
	}
	return m;
}

static int put_contents(struct writer *w)
{
	const struct chat_message *m = w->c->messages;
	bool any = false;
	int rc = 0;

	buf_puts(w->out, "\"contents\":[");
	while (rc == 0 && m) {
		if (!m->parts && !m->name.at) {
			m = m->next;
			continue;
		}
		buf_printf(w->out, "%s{\"role\":\"%s\",\"parts\":[", any ? "," : "",
			   m->role == CHAT_USER ? "user" : "model");
		any = true;
		m = put_turn(w, m, &rc);
		buf_puts(w->out, "]}");
	}
	buf_putc(w->out, ']');
	if (rc == 0 && !any)
		rc = inexpressible(w, CHAT_F_MESSAGES, "Gemini needs a message that isn't the system's");
	return rc;
}

static void put_system(struct writer *w)
{
	if (!w->c->system)
		return;
	buf_puts(w->out, ",\"systemInstruction\":{\"parts\":[");
	w->first = true;
	for (const struct chat_part *p = w->c->system; p; p = p->next)
		put_text(w, p->text);
	buf_puts(w->out, "]}");
}

/* ---- tools */

static void put_tool(struct writer *w, const struct chat_tool *t)
{
	comma(w);
	buf_puts(w->out, "{\"name\":");
	chat_put_string(w->out, t->name);
	if (t->description.at) {
		buf_puts(w->out, ",\"description\":");
		chat_put_string(w->out, t->description);
	}
	if (wire_given(&t->schema)) {
		buf_puts(w->out, ",\"parametersJsonSchema\":");
		chat_put_span(w->out, &t->schema);
	}
	if (t->strict && chat_name(w->c->from, CHAT_F_TOOL_STRICT))
		chat_ignore(w->ignored, chat_name(w->c->from, CHAT_F_TOOL_STRICT));
	buf_putc(w->out, '}');
}

static int put_tool_choice(struct writer *w)
{
	static const char *const modes[] = {[CHAT_TOOLS_AUTO] = "AUTO",
					    [CHAT_TOOLS_NONE] = "NONE",
					    [CHAT_TOOLS_REQUIRED] = "ANY",
					    [CHAT_TOOLS_NAMED] = "ANY"};
	const struct chat *c = w->c;

	if (!c->tool_choice_given)
		return 0;
	if (!c->tools) /* Google refuses a choice among none */
		return c->tool_choice == CHAT_TOOLS_AUTO || c->tool_choice == CHAT_TOOLS_NONE
			       ? 0
			       : inexpressible(w, CHAT_F_TOOL_CHOICE, "there are no tools");
	buf_printf(w->out, ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"%s\"", modes[c->tool_choice]);
	if (c->tool_choice == CHAT_TOOLS_NAMED) {
		buf_puts(w->out, ",\"allowedFunctionNames\":[");
		chat_put_string(w->out, c->tool_choice_name);
		buf_putc(w->out, ']');
	}
	buf_puts(w->out, "}}");
	return 0;
}

static int put_tools(struct writer *w)
{
	const struct chat *c = w->c;

	if (c->tools && c->parallel_given && !c->parallel)
		return inexpressible(w, CHAT_F_PARALLEL_TOOLS, "Gemini may call several tools at once");
	if (c->tools) {
		buf_puts(w->out, ",\"tools\":[{\"functionDeclarations\":[");
		w->first = true;
		for (const struct chat_tool *t = c->tools; t; t = t->next)
			put_tool(w, t);
		buf_puts(w->out, "]}]");
	}
	return put_tool_choice(w);
}

/* ---- generationConfig */

static void put_numbers(struct writer *w)
{
	const struct chat *c = w->c;
	const struct {
		const char *name;
		const struct json_span *v;
	} numbers[] = {{"temperature", &c->temperature},
		       {"topP", &c->top_p},
		       {"topK", &c->top_k},
		       {"presencePenalty", &c->presence_penalty},
		       {"frequencyPenalty", &c->frequency_penalty},
		       {"seed", &c->seed}};

	if (c->max_tokens_given) {
		comma(w);
		buf_printf(w->out, "\"maxOutputTokens\":%" PRIu64, c->max_tokens);
	}
	if (c->n > 1) {
		comma(w);
		buf_printf(w->out, "\"candidateCount\":%" PRIu64, c->n);
	}
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (!wire_given(numbers[i].v))
			continue;
		comma(w);
		buf_printf(w->out, "\"%s\":", numbers[i].name);
		chat_put_span(w->out, numbers[i].v);
	}
}

static int put_stops(struct writer *w)
{
	const struct chat *c = w->c;

	if (!c->n_stop)
		return 0;
	if (c->n_stop > STOPS_MAX)
		return inexpressible(w, CHAT_F_STOP, "Gemini takes at most 5");
	comma(w);
	buf_puts(w->out, "\"stopSequences\":[");
	for (size_t i = 0; i < c->n_stop; i++) {
		if (i)
			buf_putc(w->out, ',');
		chat_put_string(w->out, c->stop[i]);
	}
	buf_putc(w->out, ']');
	return 0;
}

/* A description of the schema stands in it. */
static int put_schema(struct writer *w)
{
	const struct chat *c = w->c;
	const struct json_span *v = &c->format_schema;
	struct json_member own = {.name = "description"};

	buf_puts(w->out, ",\"responseJsonSchema\":");
	if (!c->format_description.len) {
		chat_put_span(w->out, v);
		return 0;
	}
	if (v->type != JSON_SPAN_OBJECT || json_scan_object(v->at, v->len, &own, 1, NULL) < 0 || own.count)
		return inexpressible(w, CHAT_F_FORMAT, "a description beside that in the schema");
	buf_puts(w->out, "{\"description\":");
	chat_put_string(w->out, c->format_description);
	if (!json_is_empty(v))
		buf_putc(w->out, ',');
	buf_append(w->out, v->at + 1, v->len - 1);
	return 0;
}

static int put_form(struct writer *w)
{
	if (w->c->format == CHAT_FORMAT_TEXT)
		return 0;
	comma(w);
	buf_puts(w->out, "\"responseMimeType\":\"application/json\"");
	return w->c->format == CHAT_FORMAT_SCHEMA && wire_given(&w->c->format_schema) ? put_schema(w) : 0;
}

static int put_config(struct writer *w)
{
	size_t before = w->out->len, empty;
	int rc;

	buf_puts(w->out, ",\"generationConfig\":{");
	empty = w->out->len;
	w->first = true;
	put_numbers(w);
	rc = put_stops(w);
	if (rc == 0)
		rc = put_form(w);
	if (w->out->len == empty && !w->out->failed) {
		gemini_cut(w->out, before);
	} else {
		buf_putc(w->out, '}');
	}
	return rc;
}

static bool wants_signatures(const char *model)
{
	return strncmp(model, "gemini-", 7) == 0 && model[7] != '1' && model[7] != '2';
}

int gemini_render(const struct chat *c, const struct dialect_upstream *u, struct buf *out, struct buf *ignored,
		  struct dialect_fault *fault)
{
	struct writer w = {
		.c = c, .out = out, .ignored = ignored, .fault = fault, .signatures = wants_signatures(u->model)};
	int rc;

	if (c->effort.at)
		return inexpressible(&w, CHAT_F_EFFORT, "how much Gemini thinks is said in other measures");
	buf_putc(out, '{');
	rc = put_contents(&w);
	if (rc < 0)
		return rc;
	put_system(&w);
	rc = put_tools(&w);
	if (rc == 0)
		rc = put_config(&w);
	buf_putc(out, '}');
	if (rc == 0 && c->user.at && chat_name(c->from, CHAT_F_USER))
		chat_ignore(ignored, chat_name(c->from, CHAT_F_USER));
	return rc < 0 ? rc : out->failed ? ERR_NOMEM : 0;
}
