/* Anthropic messages: whole answers, and usage wherever it stands. */
#include "dialect/anthropic.h"

#include "base/json_text.h"
#include "dialect/internal.h"

#include <inttypes.h>
#include <string.h>

/* ---- usage */

static int read_thinking(const struct json_span *v, uint64_t *ret)
{
	struct json_member m = {.name = "thinking_tokens"};

	if (!wire_given(v))
		return 0;
	if (json_scan_object(v->at, v->len, &m, 1, NULL) < 0)
		return ERR_INVAL;
	return usage_count(&m.value, ret);
}

int anthropic_counts_read(const struct json_span *v, struct anthropic_counts *c)
{
	enum { INPUT, CACHE_WRITE, CACHE_READ, OUTPUT, OUTPUT_DETAILS, FIELDS };
	struct json_member m[FIELDS] = {[INPUT] = {.name = "input_tokens"},
					[CACHE_WRITE] = {.name = "cache_creation_input_tokens"},
					[CACHE_READ] = {.name = "cache_read_input_tokens"},
					[OUTPUT] = {.name = "output_tokens"},
					[OUTPUT_DETAILS] = {.name = "output_tokens_details"}};

	if (!wire_given(v))
		return ERR_NOT_FOUND;
	if (json_scan_object(v->at, v->len, m, FIELDS, NULL) < 0)
		return ERR_INVAL;
	if (!m[INPUT].count && !m[CACHE_WRITE].count && !m[CACHE_READ].count && !m[OUTPUT].count)
		return ERR_NOT_FOUND;
	if (usage_count(&m[INPUT].value, &c->input) < 0 || usage_count(&m[CACHE_WRITE].value, &c->cache_write) < 0 ||
	    usage_count(&m[CACHE_READ].value, &c->cache_read) < 0 || usage_count(&m[OUTPUT].value, &c->output) < 0 ||
	    read_thinking(&m[OUTPUT_DETAILS].value, &c->thinking) < 0)
		return ERR_INVAL;
	c->have_input |= wire_given(&m[INPUT].value);
	c->have_output |= wire_given(&m[OUTPUT].value);
	return 0;
}

int anthropic_counts_sum(const struct anthropic_counts *c, struct usage *ret)
{
	struct usage u = {
		.input_tokens = c->input + c->cache_read + c->cache_write, /* each is at most 2^53 */
		.cached_input_tokens = c->cache_read,
		.cache_write_tokens = c->cache_write,
		.output_tokens = c->output,
		.reasoning_tokens = c->thinking,
	};

	if (!c->have_input || !c->have_output || u.input_tokens > USAGE_TOKENS_MAX || c->thinking > c->output)
		return ERR_INVAL;
	*ret = u;
	return 0;
}

/* There is no total that could differ. What cache_creation tells apart (5 minutes, one hour) may be less than
 * cache_creation_input_tokens, which counts. */
int anthropic_usage(const struct json_span *v, struct usage *ret, bool *ret_inconsistent)
{
	struct anthropic_counts c = {0};
	int rc = anthropic_counts_read(v, &c);

	if (rc == 0)
		rc = anthropic_counts_sum(&c, ret);
	if (rc == 0)
		*ret_inconsistent = false;
	return rc;
}

int anthropic_answer_usage(const char *body, size_t len, struct usage *ret, bool *ret_inconsistent)
{
	struct json_member m = {.name = "usage"};

	if (json_scan_object(body, len, &m, 1, NULL) < 0)
		return ERR_PROTO;
	return anthropic_usage(&m.value, ret, ret_inconsistent);
}

void anthropic_put_usage(const struct usage *u, struct buf *out)
{
	uint64_t cached = u->cached_input_tokens + u->cache_write_tokens;

	buf_printf(out,
		   "\"usage\":{\"input_tokens\":%" PRIu64 ",\"cache_creation_input_tokens\":%" PRIu64
		   ",\"cache_read_input_tokens\":%" PRIu64 ",\"output_tokens\":%" PRIu64,
		   u->input_tokens > cached ? u->input_tokens - cached : 0, u->cache_write_tokens,
		   u->cached_input_tokens, u->output_tokens);
	if (u->reasoning_tokens)
		buf_printf(out, ",\"output_tokens_details\":{\"thinking_tokens\":%" PRIu64 "}", u->reasoning_tokens);
	buf_putc(out, '}');
}

/* ---- why it ended */

enum chat_finish anthropic_finish_of(const struct json_span *v)
{
	static const struct {
		const char *reason;
		enum chat_finish finish;
	} reasons[] = {
		{"max_tokens", CHAT_FINISH_LENGTH},
		{"model_context_window_exceeded", CHAT_FINISH_LENGTH},
		{"tool_use", CHAT_FINISH_TOOLS},
		{"refusal", CHAT_FINISH_FILTER},
	};

	if (!wire_given(v))
		return CHAT_FINISH_NONE;
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (json_string_is(v, reasons[i].reason))
			return reasons[i].finish;
	/* end_turn, stop_sequence; pause_turn is about tools that run at the provider, which can't be asked for */
	return CHAT_FINISH_STOP;
}

void anthropic_put_stop(enum chat_finish finish, struct chat_text stop_sequence, struct buf *out)
{
	static const char *const reasons[] = {
		[CHAT_FINISH_NONE] = "end_turn",  [CHAT_FINISH_STOP] = "end_turn",  [CHAT_FINISH_LENGTH] = "max_tokens",
		[CHAT_FINISH_TOOLS] = "tool_use", [CHAT_FINISH_FILTER] = "refusal",
	};
	bool by_sequence = finish == CHAT_FINISH_STOP && stop_sequence.at;

	buf_printf(out, "\"stop_reason\":\"%s\",\"stop_sequence\":", by_sequence ? "stop_sequence" : reasons[finish]);
	if (by_sequence)
		chat_put_string(out, stop_sequence);
	else
		buf_puts(out, "null");
}

/* ---- from the provider */

enum { M_TYPE, M_ID, M_CONTENT, M_STOP_REASON, M_STOP_SEQUENCE, M_USAGE, M_FIELDS };

static int scan_message(const char *body, size_t len, struct json_member m[M_FIELDS])
{
	static const char *const names[M_FIELDS] = {"type", "id", "content", "stop_reason", "stop_sequence", "usage"};

	for (size_t i = 0; i < M_FIELDS; i++)
		m[i].name = names[i];
	if (json_scan_object(body, len, m, M_FIELDS, NULL) < 0 || !json_string_is(&m[M_TYPE].value, "message") ||
	    m[M_CONTENT].value.type != JSON_SPAN_ARRAY)
		return ERR_PROTO;
	return 0;
}

static bool block_valid(const struct json_span *block)
{
	enum { TYPE, TEXT, FIELDS };
	struct json_member m[FIELDS] = {[TYPE] = {.name = "type"}, [TEXT] = {.name = "text"}};

	return block->type == JSON_SPAN_OBJECT && json_scan_object(block->at, block->len, m, FIELDS, NULL) == 0 &&
	       m[TYPE].value.type == JSON_SPAN_STRING &&
	       (!json_string_is(&m[TYPE].value, "text") || m[TEXT].value.type == JSON_SPAN_STRING);
}

bool anthropic_answer_valid(const char *body, size_t len)
{
	struct json_member m[M_FIELDS];
	struct json_iter it;
	struct json_span v;

	if (scan_message(body, len, m) < 0 || json_iter_init(&it, &m[M_CONTENT].value) < 0)
		return false;
	while (json_iter_next(&it, NULL, &v) == 1)
		if (!block_valid(&v))
			return false;
	return true;
}

/* One block of an answer: text and calls of the client's tools. Thinking may come unasked and has no place elsewhere;
 * of what isn't known there is nothing that could be said. */
static int parse_block(struct arena *a, const struct json_span *block, struct chat_part **tail)
{
	enum { TYPE, TEXT, ID, NAME, INPUT, FIELDS };
	struct json_member m[FIELDS] = {[TYPE] = {.name = "type"},
					[TEXT] = {.name = "text"},
					[ID] = {.name = "id"},
					[NAME] = {.name = "name"},
					[INPUT] = {.name = "input"}};
	bool text, call;

	if (block->type != JSON_SPAN_OBJECT || json_scan_object(block->at, block->len, m, FIELDS, NULL) < 0 ||
	    m[TYPE].value.type != JSON_SPAN_STRING)
		return ERR_PROTO;
	text = json_string_is(&m[TYPE].value, "text");
	call = json_string_is(&m[TYPE].value, "tool_use");
	if (!text && !call)
		return 0;
	if (text ? m[TEXT].value.type != JSON_SPAN_STRING
		 : m[ID].value.type != JSON_SPAN_STRING || m[NAME].value.type != JSON_SPAN_STRING ||
			    m[INPUT].value.type != JSON_SPAN_OBJECT)
		return ERR_PROTO;
	*tail = arena_alloc(a, sizeof(**tail));
	if (!*tail)
		return ERR_NOMEM;
	(*tail)->kind = text ? CHAT_TEXT : CHAT_TOOL_CALL;
	(*tail)->text = chat_text_of(&m[TEXT].value);
	(*tail)->id = chat_text_of(&m[ID].value);
	(*tail)->name = chat_text_of(&m[NAME].value);
	(*tail)->args = m[INPUT].value;
	return 1;
}

static int parse_content(struct arena *a, const struct json_span *content, struct chat_choice *choice, struct err *err)
{
	struct chat_part **tail = &choice->parts;
	struct json_span block;
	struct json_iter it;
	size_t n = 0;
	int rc;

	if (json_iter_init(&it, content) < 0)
		return err_set(err, ERR_PROTO, "answer: content is no array");
	for (; json_iter_next(&it, NULL, &block) == 1; n++) {
		rc = parse_block(a, &block, tail);
		if (rc < 0)
			return err_set(err, rc, "answer: content[%zu]: %s", n,
				       rc == ERR_PROTO ? "no block" : "out of memory");
		if (rc == 1)
			tail = &(*tail)->next;
	}
	return 0;
}

int anthropic_answer_parse(struct arena *a, const char *body, size_t len, struct chat_answer *ret, struct err *err)
{
	struct json_member m[M_FIELDS];
	struct chat_answer answer = {0};
	bool inconsistent;
	int rc;

	if (scan_message(body, len, m) < 0)
		return err_set(err, ERR_PROTO, "answer: no message of Anthropic's");
	answer.id = chat_text_of(&m[M_ID].value);
	answer.choices = arena_alloc(a, sizeof(*answer.choices));
	if (!answer.choices)
		return err_set(err, ERR_NOMEM, "answer: out of memory");
	answer.choices->finish = anthropic_finish_of(&m[M_STOP_REASON].value);
	answer.choices->stop_sequence = chat_text_of(&m[M_STOP_SEQUENCE].value);
	rc = parse_content(a, &m[M_CONTENT].value, answer.choices, err);
	if (rc < 0)
		return rc;
	answer.have_usage = anthropic_usage(&m[M_USAGE].value, &answer.usage, &inconsistent) == 0;
	*ret = answer;
	return 0;
}

/* ---- for the client */

void anthropic_put_head(const struct dialect_answer_opts *o, struct buf *out)
{
	const char *digits = strncmp(o->id, "req_", 4) == 0 ? o->id + 4 : o->id;

	buf_puts(out, "{\"id\":\"msg_");
	json_escape(digits, strlen(digits), out);
	buf_puts(out, "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
	buf_put_json_string(out, o->model, o->model_len);
}

/* A call whose arguments were cut off by the output's limit is there without them, as Anthropic has it. */
static int put_call(const struct chat_part *p, const char *id, size_t id_len, bool cut, struct buf *out)
{
	int rc;

	buf_puts(out, "{\"type\":\"tool_use\",\"id\":\"");
	buf_append(out, id, id_len);
	buf_puts(out, "\",\"name\":");
	chat_put_string(out, p->name);
	buf_puts(out, ",\"input\":");
	rc = chat_put_args_object(out, p);
	if (rc == ERR_INVAL && cut)
		rc = buf_puts(out, "{}");
	buf_putc(out, '}');
	return rc == ERR_INVAL ? ERR_PROTO : rc;
}

static int put_part(const struct chat_part *p, unsigned tool, const struct chat_choice *choice,
		    const struct dialect_answer_opts *o, struct buf *out)
{
	char made[64];
	size_t len;

	if (p->kind != CHAT_TOOL_CALL) {
		buf_puts(out, "{\"type\":\"text\",\"text\":");
		chat_put_string(out, p->text);
		buf_putc(out, '}');
		return 0;
	}
	if (p->id.at)
		return put_call(p, p->id.at, p->id.len, choice->finish == CHAT_FINISH_LENGTH, out);
	len = chat_make_call_id(o, 0, tool, made);
	return put_call(p, made, len, choice->finish == CHAT_FINISH_LENGTH, out);
}

static bool says_something(const struct chat_part *p)
{
	return p->kind == CHAT_TOOL_CALL || ((p->kind == CHAT_TEXT || p->kind == CHAT_REFUSAL) && p->text.len);
}

int anthropic_answer_render(const struct chat_answer *answer, const struct dialect_answer_opts *o, struct buf *out)
{
	const struct chat_choice *choice = answer->choices; /* one was asked for */
	enum chat_finish finish;
	unsigned tool = 0;
	bool any = false;
	int rc;

	if (!choice)
		return ERR_PROTO;
	finish = choice->finish;
	anthropic_put_head(o, out);
	buf_puts(out, ",\"content\":[");
	for (const struct chat_part *p = choice->parts; p; p = p->next) {
		if (!says_something(p))
			continue;
		if (any)
			buf_putc(out, ',');
		any = true;
		rc = put_part(p, tool, choice, o, out);
		if (rc < 0)
			return rc;
		tool += p->kind == CHAT_TOOL_CALL;
		if (p->kind == CHAT_REFUSAL && finish == CHAT_FINISH_STOP)
			finish = CHAT_FINISH_FILTER;
	}
	buf_puts(out, "],");
	anthropic_put_stop(finish, choice->stop_sequence, out);
	buf_putc(out, ',');
	anthropic_put_usage(&answer->usage, out);
	buf_putc(out, '}');
	return out->failed ? ERR_NOMEM : 0;
}
