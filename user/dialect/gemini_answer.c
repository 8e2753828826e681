/* Whole answers, and what streams have in common with them: usage, reasons to finish, parts. */
#include "dialect/gemini.h"
#include "dialect/internal.h"

#include <inttypes.h>
#include <string.h>

/* ---- usage */

/* Zero counts are left out of Google's JSON, so that a count which isn't there is one, as long as the total doesn't say
 * that there was more. */
int gemini_usage(const struct json_span *v, struct usage *ret, bool *ret_inconsistent)
{
	enum { PROMPT, CANDIDATES, TOTAL, CACHED, THOUGHTS, TOOL_USE, FIELDS };
	struct json_member m[FIELDS] = {
		[PROMPT] = {.name = "promptTokenCount"},     [CANDIDATES] = {.name = "candidatesTokenCount"},
		[TOTAL] = {.name = "totalTokenCount"},       [CACHED] = {.name = "cachedContentTokenCount"},
		[THOUGHTS] = {.name = "thoughtsTokenCount"}, [TOOL_USE] = {.name = "toolUsePromptTokenCount"}};
	uint64_t n[FIELDS] = {0}, sum;
	struct usage u;

	if (!wire_given(v))
		return ERR_NOT_FOUND;
	if (json_scan_object(v->at, v->len, m, FIELDS, NULL) < 0)
		return ERR_INVAL;
	if (!m[PROMPT].count && !m[CANDIDATES].count && !m[TOTAL].count)
		return ERR_NOT_FOUND;
	for (unsigned i = 0; i < FIELDS; i++)
		if (i != TOTAL && usage_count(&m[i].value, &n[i]) < 0)
			return ERR_INVAL;
	sum = n[PROMPT] + n[TOOL_USE] + n[CANDIDATES] + n[THOUGHTS];
	if (sum > USAGE_TOKENS_MAX || n[CACHED] > n[PROMPT] || !wire_given(&m[PROMPT].value))
		return ERR_INVAL;
	*ret_inconsistent = false;
	if (wire_given(&m[TOTAL].value))
		*ret_inconsistent = json_number_u64(&m[TOTAL].value, &n[TOTAL]) < 0 || n[TOTAL] != sum;
	if (!wire_given(&m[CANDIDATES].value) && (!wire_given(&m[TOTAL].value) || n[TOTAL] > sum))
		return ERR_INVAL; /* half a report */
	u = (struct usage){.input_tokens = n[PROMPT] + n[TOOL_USE],
			   .cached_input_tokens = n[CACHED],
			   .output_tokens = n[CANDIDATES] + n[THOUGHTS],
			   .reasoning_tokens = n[THOUGHTS]};
	*ret = u;
	return 0;
}

void gemini_put_usage(struct buf *out, const struct usage *u)
{
	buf_printf(out, "\"usageMetadata\":{\"promptTokenCount\":%" PRIu64 ",\"candidatesTokenCount\":%" PRIu64,
		   u->input_tokens, u->output_tokens - u->reasoning_tokens);
	if (u->cached_input_tokens)
		buf_printf(out, ",\"cachedContentTokenCount\":%" PRIu64, u->cached_input_tokens);
	if (u->reasoning_tokens)
		buf_printf(out, ",\"thoughtsTokenCount\":%" PRIu64, u->reasoning_tokens);
	buf_printf(out, ",\"totalTokenCount\":%" PRIu64 "}", u->input_tokens + u->output_tokens);
}

int gemini_answer_usage(const char *body, size_t len, struct usage *ret, bool *ret_inconsistent)
{
	struct json_member m = {.name = "usageMetadata"};

	if (json_scan_object(body, len, &m, 1, NULL) < 0)
		return ERR_PROTO;
	return gemini_usage(&m.value, ret, ret_inconsistent);
}

/* ---- reasons to finish */

enum chat_finish gemini_finish_of(const struct json_span *reason, bool tools)
{
	if (!wire_given(reason) || json_string_is(reason, "STOP") ||
	    json_string_is(reason, "FINISH_REASON_UNSPECIFIED"))
		return tools ? CHAT_FINISH_TOOLS : CHAT_FINISH_STOP;
	if (json_string_is(reason, "MAX_TOKENS") || json_string_is(reason, "CONTINUATION"))
		return CHAT_FINISH_LENGTH;
	/* SAFETY, RECITATION, PROHIBITED_CONTENT, MALFORMED_FUNCTION_CALL and whatever comes: not the whole answer */
	return CHAT_FINISH_FILTER;
}

const char *gemini_finish_name(enum chat_finish f, bool broken_call)
{
	switch (f) {
	case CHAT_FINISH_LENGTH:
		return "MAX_TOKENS";
	case CHAT_FINISH_FILTER:
		return "SAFETY";
	case CHAT_FINISH_NONE:
	case CHAT_FINISH_STOP:
	case CHAT_FINISH_TOOLS:
		break;
	}
	return broken_call ? "MALFORMED_FUNCTION_CALL" : "STOP";
}

/* ---- reading */

static int read_call(const struct json_span *v, struct gemini_part *ret)
{
	enum { ID, NAME, ARGS, FIELDS };
	struct json_member m[FIELDS] = {[ID] = {.name = "id"}, [NAME] = {.name = "name"}, [ARGS] = {.name = "args"}};

	if (json_scan_object(v->at, v->len, m, FIELDS, NULL) < 0 || m[NAME].value.type != JSON_SPAN_STRING)
		return ERR_PROTO;
	ret->is_call = true;
	ret->id = chat_text_of(&m[ID].value);
	if (!ret->id.len)
		ret->id.at = NULL;
	ret->name = chat_text_of(&m[NAME].value);
	ret->args = m[ARGS].value;
	if (!wire_given(&ret->args))
		ret->args = (struct json_span){.at = "{}", .len = 2, .type = JSON_SPAN_OBJECT};
	return ret->args.type == JSON_SPAN_OBJECT ? 0 : ERR_PROTO;
}

int gemini_part_read(const struct json_span *v, struct gemini_part *ret)
{
	enum { TEXT, CALL, THOUGHT, FIELDS };
	struct json_member m[FIELDS] = {
		[TEXT] = {.name = "text"}, [CALL] = {.name = "functionCall"}, [THOUGHT] = {.name = "thought"}};

	*ret = (struct gemini_part){0};
	if (json_scan_object(v->at, v->len, m, FIELDS, NULL) < 0)
		return ERR_PROTO;
	ret->thought = m[THOUGHT].value.type == JSON_SPAN_TRUE;
	if (wire_given(&m[TEXT].value) && m[TEXT].value.type != JSON_SPAN_STRING)
		return ERR_PROTO;
	ret->text = chat_text_of(&m[TEXT].value);
	return wire_given(&m[CALL].value) ? read_call(&m[CALL].value, ret) : 0;
}

static int add_part(struct arena *a, const struct gemini_part *g, struct chat_part **ret)
{
	struct chat_part *p = arena_alloc(a, sizeof(*p));

	if (!p)
		return ERR_NOMEM;
	p->kind = g->is_call ? CHAT_TOOL_CALL : CHAT_TEXT;
	p->text = g->text;
	p->id = g->id;
	p->name = g->name;
	p->args = g->args;
	*ret = p;
	return 0;
}

static int read_parts(struct arena *a, const struct json_span *v, struct chat_part **end, bool *ret_tools)
{
	struct gemini_part part;
	struct json_span span;
	struct json_iter it;
	int rc = 0;

	if (!wire_given(v))
		return 0;
	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return ERR_PROTO;
	while (rc == 0 && json_iter_next(&it, NULL, &span) == 1) {
		rc = gemini_part_read(&span, &part);
		if (rc < 0 || part.thought || (!part.text.at && !part.is_call))
			continue;
		*ret_tools |= part.is_call;
		rc = add_part(a, &part, end);
		if (rc == 0)
			end = &(*end)->next;
	}
	return rc;
}

static int read_candidate(struct arena *a, const struct json_span *v, struct chat_choice *ret)
{
	enum { CONTENT, REASON, FIELDS };
	struct json_member m[FIELDS] = {[CONTENT] = {.name = "content"}, [REASON] = {.name = "finishReason"}};
	struct json_member parts = {.name = "parts"};
	bool tools = false;
	int rc = 0;

	if (json_scan_object(v->at, v->len, m, FIELDS, NULL) < 0)
		return ERR_PROTO;
	if (wire_given(&m[CONTENT].value)) {
		if (json_scan_object(m[CONTENT].value.at, m[CONTENT].value.len, &parts, 1, NULL) < 0)
			return ERR_PROTO;
		rc = read_parts(a, &parts.value, &ret->parts, &tools);
	}
	ret->finish = gemini_finish_of(&m[REASON].value, tools);
	return rc;
}

static int read_candidates(struct arena *a, const struct json_span *v, struct chat_answer *ret)
{
	struct chat_choice **end = &ret->choices;
	struct json_span candidate;
	struct json_iter it;
	int rc = 0;

	if (!wire_given(v))
		return 0;
	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return ERR_PROTO;
	while (rc == 0 && json_iter_next(&it, NULL, &candidate) == 1) {
		*end = arena_alloc(a, sizeof(**end));
		if (!*end)
			return ERR_NOMEM;
		rc = read_candidate(a, &candidate, *end);
		end = &(*end)->next;
	}
	return rc;
}

/* A prompt that Google won't answer has no candidates. */
static int add_blocked(struct arena *a, struct chat_answer *ret)
{
	ret->choices = arena_alloc(a, sizeof(*ret->choices));
	if (!ret->choices)
		return ERR_NOMEM;
	ret->choices->finish = CHAT_FINISH_FILTER;
	return 0;
}

enum { CANDIDATES, FEEDBACK, USAGE, ID, FIELDS };
#define ANSWER_MEMBERS                                                                                                 \
	{                                                                                                              \
		[CANDIDATES] = {.name = "candidates"}, [FEEDBACK] = {.name = "promptFeedback"},                        \
		[USAGE] = {.name = "usageMetadata"}, [ID] = {                                                          \
			.name = "responseId"                                                                           \
		}                                                                                                      \
	}

int gemini_answer_parse(struct arena *a, const char *body, size_t len, struct chat_answer *ret, struct err *err)
{
	struct json_member m[FIELDS] = ANSWER_MEMBERS;
	struct chat_answer answer = {0};
	bool inconsistent;
	int rc;

	if (json_scan_object(body, len, m, FIELDS, NULL) < 0)
		return err_set(err, ERR_PROTO, "the answer is no JSON object");
	rc = read_candidates(a, &m[CANDIDATES].value, &answer);
	if (rc == 0 && !answer.choices)
		rc = m[FEEDBACK].value.type == JSON_SPAN_OBJECT ? add_blocked(a, &answer) : ERR_PROTO;
	if (rc < 0)
		return err_set(err, rc,
			       rc == ERR_PROTO ? "the answer has no candidates as Gemini sends them" : "out of memory");
	answer.id = chat_text_of(&m[ID].value);
	answer.have_usage = gemini_usage(&m[USAGE].value, &answer.usage, &inconsistent) == 0;
	*ret = answer;
	return 0;
}

/* Absent, or an array of such. */
static bool all_valid(const struct json_span *array, bool (*valid)(const struct json_span *v))
{
	struct json_span v;
	struct json_iter it;

	if (!wire_given(array))
		return true;
	if (array->type != JSON_SPAN_ARRAY || json_iter_init(&it, array) < 0)
		return false;
	while (json_iter_next(&it, NULL, &v) == 1)
		if (!valid(&v))
			return false;
	return true;
}

static bool part_valid(const struct json_span *v)
{
	struct json_member text = {.name = "text"};

	return v->type == JSON_SPAN_OBJECT && json_scan_object(v->at, v->len, &text, 1, NULL) == 0 &&
	       (!wire_given(&text.value) || text.value.type == JSON_SPAN_STRING);
}

static bool candidate_valid(const struct json_span *v)
{
	struct json_member content = {.name = "content"}, parts = {.name = "parts"};

	if (v->type != JSON_SPAN_OBJECT || json_scan_object(v->at, v->len, &content, 1, NULL) < 0)
		return false;
	if (!wire_given(&content.value))
		return true;
	return content.value.type == JSON_SPAN_OBJECT &&
	       json_scan_object(content.value.at, content.value.len, &parts, 1, NULL) == 0 &&
	       all_valid(&parts.value, part_valid);
}

bool gemini_answer_valid(const char *body, size_t len)
{
	struct json_member m[FIELDS] = ANSWER_MEMBERS;

	if (json_scan_object(body, len, m, FIELDS, NULL) < 0 || !all_valid(&m[CANDIDATES].value, candidate_valid))
		return false;
	return (wire_given(&m[CANDIDATES].value) && !json_is_empty(&m[CANDIDATES].value)) ||
	       m[FEEDBACK].value.type == JSON_SPAN_OBJECT;
}

/* ---- writing */

void gemini_put_tail(struct buf *out, const struct dialect_answer_opts *o)
{
	buf_puts(out, ",\"modelVersion\":");
	buf_put_json_string(out, o->model, o->model_len);
	buf_puts(out, ",\"responseId\":");
	buf_put_json_string(out, o->id, strlen(o->id));
	buf_putc(out, '}');
}

static int put_part(struct buf *out, const struct chat_part *p, bool first, bool *ret_broken)
{
	size_t before = out->len;
	int rc;

	if (!first)
		buf_putc(out, ',');
	if (p->kind != CHAT_TOOL_CALL) {
		buf_puts(out, "{\"text\":");
		chat_put_string(out, p->text);
		return buf_putc(out, '}');
	}
	rc = gemini_put_call(out, p);
	if (rc == ERR_INVAL) { /* cut off, or the model's own slip: Google leaves such a call out too */
		*ret_broken = true;
		gemini_cut(out, before);
		return 0;
	}
	return rc < 0 ? rc : buf_putc(out, '}');
}

static int put_choice(struct buf *out, const struct chat_choice *c, unsigned index)
{
	bool broken = false;
	size_t empty;
	int rc = 0;

	buf_puts(out, "{\"content\":{\"parts\":[");
	empty = out->len;
	for (const struct chat_part *p = c->parts; rc == 0 && p; p = p->next)
		if (p->kind == CHAT_TEXT || p->kind == CHAT_REFUSAL || p->kind == CHAT_TOOL_CALL)
			rc = put_part(out, p, out->len == empty, &broken);
	if (out->len == empty) /* the SDK drops a turn without parts */
		buf_puts(out, "{\"text\":\"\"}");
	buf_printf(out, "],\"role\":\"model\"},\"finishReason\":\"%s\",\"index\":%u}",
		   gemini_finish_name(c->finish, broken), index);
	return rc;
}

int gemini_answer_render(const struct chat_answer *answer, const struct dialect_answer_opts *o, struct buf *out)
{
	unsigned index = 0;
	int rc = 0;

	buf_puts(out, "{\"candidates\":[");
	for (const struct chat_choice *c = answer->choices; rc == 0 && c; c = c->next, index++) {
		if (index)
			buf_putc(out, ',');
		rc = put_choice(out, c, index);
	}
	buf_putc(out, ']');
	if (answer->have_usage) {
		buf_putc(out, ',');
		gemini_put_usage(out, &answer->usage);
	}
	gemini_put_tail(out, o);
	return rc < 0 ? rc : out->failed ? ERR_NOMEM : 0;
}
