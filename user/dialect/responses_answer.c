/* OpenAI responses: what a whole answer says of its usage, and other wires' answers as a response object. */
#include "dialect/responses.h"

#include "dialect/internal.h"

#include <inttypes.h>
#include <string.h>

/* ---- usage */

static int read_details(const struct json_span *v, struct json_member *m, size_t n)
{
	if (!wire_given(v))
		return 0;
	return json_scan_object(v->at, v->len, m, n, NULL) < 0 ? ERR_INVAL : 0;
}

static int read_input_details(const struct json_span *v, struct usage *u)
{
	enum { CACHED, WRITTEN, FIELDS };
	struct json_member m[FIELDS] = {
		[CACHED] = {.name = "cached_tokens"}, [WRITTEN] = {.name = "cache_write_tokens"}};

	if (read_details(v, m, FIELDS) < 0 || usage_count(&m[CACHED].value, &u->cached_input_tokens) < 0 ||
	    usage_count(&m[WRITTEN].value, &u->cache_write_tokens) < 0)
		return ERR_INVAL;
	return 0;
}

static int read_output_details(const struct json_span *v, struct usage *u)
{
	struct json_member m = {.name = "reasoning_tokens"};

	return read_details(v, &m, 1) < 0 ? ERR_INVAL : usage_count(&m.value, &u->reasoning_tokens);
}

/* A total that can't be read isn't the sum either. */
static bool total_differs(const struct json_span *total, uint64_t sum)
{
	uint64_t n = sum;

	return wire_given(total) && (json_number_u64(total, &n) < 0 || n != sum);
}

int responses_usage(const struct json_span *v, struct usage *ret, bool *ret_inconsistent)
{
	enum { INPUT, OUTPUT, TOTAL, INPUT_DETAILS, OUTPUT_DETAILS, FIELDS };
	struct json_member m[FIELDS] = {[INPUT] = {.name = "input_tokens"},
					[OUTPUT] = {.name = "output_tokens"},
					[TOTAL] = {.name = "total_tokens"},
					[INPUT_DETAILS] = {.name = "input_tokens_details"},
					[OUTPUT_DETAILS] = {.name = "output_tokens_details"}};
	struct usage u = {0};

	if (!wire_given(v))
		return ERR_NOT_FOUND;
	if (json_scan_object(v->at, v->len, m, FIELDS, NULL) < 0)
		return ERR_INVAL;
	if (!m[INPUT].count && !m[OUTPUT].count && !m[TOTAL].count)
		return ERR_NOT_FOUND;
	if (!wire_given(&m[INPUT].value) || !wire_given(&m[OUTPUT].value))
		return ERR_INVAL; /* half a report */
	if (usage_count(&m[INPUT].value, &u.input_tokens) < 0 || usage_count(&m[OUTPUT].value, &u.output_tokens) < 0 ||
	    read_input_details(&m[INPUT_DETAILS].value, &u) < 0 ||
	    read_output_details(&m[OUTPUT_DETAILS].value, &u) < 0)
		return ERR_INVAL;
	if (u.cached_input_tokens > u.input_tokens || u.cache_write_tokens > u.input_tokens - u.cached_input_tokens ||
	    u.reasoning_tokens > u.output_tokens)
		return ERR_INVAL;
	*ret = u;
	*ret_inconsistent = total_differs(&m[TOTAL].value, u.input_tokens + u.output_tokens);
	return 0;
}

/* One that failed and says nothing of its usage has delivered nothing: that isn't to be estimated. */
int responses_answer_usage(const char *body, size_t len, struct usage *ret, bool *ret_inconsistent)
{
	enum { USAGE, STATUS, FIELDS };
	struct json_member m[FIELDS] = {[USAGE] = {.name = "usage"}, [STATUS] = {.name = "status"}};
	int rc;

	if (json_scan_object(body, len, m, FIELDS, NULL) < 0)
		return ERR_PROTO;
	rc = responses_usage(&m[USAGE].value, ret, ret_inconsistent);
	if (rc != ERR_NOT_FOUND || !json_string_is(&m[STATUS].value, "failed"))
		return rc;
	*ret = (struct usage){0};
	*ret_inconsistent = false;
	return 0;
}

bool responses_answer_valid(const char *body, size_t len)
{
	enum { OBJECT, OUTPUT, FIELDS };
	struct json_member m[FIELDS] = {[OBJECT] = {.name = "object"}, [OUTPUT] = {.name = "output"}};

	return json_scan_object(body, len, m, FIELDS, NULL) == 0 && m[OUTPUT].value.type == JSON_SPAN_ARRAY &&
	       json_string_is(&m[OBJECT].value, "response");
}

/* ---- pieces of a response */

static const char *digits_of(const struct dialect_answer_opts *o)
{
	return strncmp(o->id, "req_", 4) == 0 ? o->id + 4 : o->id;
}

void responses_put_id(const struct dialect_answer_opts *o, struct buf *out)
{
	buf_printf(out, "\"resp_%s\"", digits_of(o));
}

void responses_put_item_id(const struct dialect_answer_opts *o, bool call, unsigned index, struct buf *out)
{
	buf_printf(out, "\"%s_%s_%u\"", call ? "fc" : "msg", digits_of(o), index);
}

const char *responses_status(enum chat_finish finish)
{
	return finish == CHAT_FINISH_LENGTH || finish == CHAT_FINISH_FILTER ? "incomplete" : "completed";
}

void responses_put_part(bool refusal, struct chat_text text, struct buf *out)
{
	buf_puts(out, refusal ? "{\"type\":\"refusal\",\"refusal\":" : "{\"type\":\"output_text\",\"text\":");
	chat_put_string(out, text);
	buf_puts(out, refusal ? "}" : ",\"annotations\":[],\"logprobs\":[]}");
}

void responses_put_message_head(const struct dialect_answer_opts *o, unsigned index, const char *status,
				struct buf *out)
{
	buf_puts(out, "{\"id\":");
	responses_put_item_id(o, false, index, out);
	buf_printf(out, ",\"type\":\"message\",\"status\":\"%s\",\"role\":\"assistant\",\"content\":[", status);
}

void responses_put_call_head(const struct dialect_answer_opts *o, unsigned index, const char *status,
			     struct chat_text call_id, struct chat_text name, struct buf *out)
{
	buf_puts(out, "{\"id\":");
	responses_put_item_id(o, true, index, out);
	buf_printf(out, ",\"type\":\"function_call\",\"status\":\"%s\",\"call_id\":", status);
	chat_put_string(out, call_id);
	buf_puts(out, ",\"name\":");
	chat_put_string(out, name);
	buf_puts(out, ",\"arguments\":");
}

void responses_put_head(const struct dialect_answer_opts *o, const char *status, enum chat_finish finish,
			struct buf *out)
{
	buf_puts(out, "{\"id\":");
	responses_put_id(o, out);
	buf_printf(out,
		   ",\"object\":\"response\",\"created_at\":%" PRId64
		   ",\"status\":\"%s\",\"background\":false,\"error\":null,\"incomplete_details\":",
		   o->created_s, status);
	buf_puts(out, finish == CHAT_FINISH_LENGTH   ? "{\"reason\":\"max_output_tokens\"}"
		      : finish == CHAT_FINISH_FILTER ? "{\"reason\":\"content_filter\"}"
						     : "null");
	buf_puts(out, ",\"instructions\":null,\"max_output_tokens\":null,\"model\":");
	buf_put_json_string(out, o->model, o->model_len);
	buf_puts(out, ",\"output\":[");
}

static void put_usage(const struct usage *u, struct buf *out)
{
	buf_printf(out,
		   "{\"input_tokens\":%" PRIu64 ",\"input_tokens_details\":{\"cached_tokens\":%" PRIu64
		   ",\"cache_write_tokens\":%" PRIu64 "},\"output_tokens\":%" PRIu64
		   ",\"output_tokens_details\":{\"reasoning_tokens\":%" PRIu64 "},\"total_tokens\":%" PRIu64 "}",
		   u->input_tokens, u->cached_input_tokens, u->cache_write_tokens, u->output_tokens,
		   u->reasoning_tokens, u->input_tokens + u->output_tokens);
}

/* What a response repeats of its request stands here as if it hadn't been given: the request is gone by now, and the
 * SDKs don't read it. */
void responses_put_tail(const struct usage *u, struct buf *out)
{
	buf_puts(out, "],\"parallel_tool_calls\":true,\"previous_response_id\":null,\"reasoning\":{\"effort\":null,"
		      "\"summary\":null},\"service_tier\":\"default\",\"store\":false,\"temperature\":null,\"text\":"
		      "{\"format\":{\"type\":\"text\"}},\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":null,"
		      "\"truncation\":\"disabled\",\"usage\":");
	if (u)
		put_usage(u, out);
	else
		buf_puts(out, "null");
	buf_puts(out, ",\"user\":null,\"metadata\":{}}");
}

/* ---- whole answers */

/* Texts that follow each other, as one message. Returns the first part behind them. */
static const struct chat_part *put_message(const struct chat_part *p, const struct dialect_answer_opts *o,
					   unsigned index, enum chat_finish finish, struct buf *out)
{
	const struct chat_part *end = p;

	while (end && (end->kind == CHAT_TEXT || end->kind == CHAT_REFUSAL))
		end = end->next;
	responses_put_message_head(o, index, end ? "completed" : responses_status(finish), out);
	for (const struct chat_part *first = p; p != end; p = p->next) {
		if (p != first)
			buf_putc(out, ',');
		responses_put_part(p->kind == CHAT_REFUSAL, p->text, out);
	}
	buf_puts(out, "]}");
	return end;
}

static int put_call(const struct chat_part *p, const struct dialect_answer_opts *o, unsigned index, unsigned tool,
		    enum chat_finish finish, struct buf *out)
{
	struct chat_text id = p->id;
	char made[64];
	int rc;

	if (!id.at)
		id = (struct chat_text){.at = made, .len = chat_make_call_id(o, 0, tool, made)};
	responses_put_call_head(o, index, p->next ? "completed" : responses_status(finish), id, p->name, out);
	buf_putc(out, '"');
	rc = chat_put_args_text(out, p);
	buf_puts(out, "\"}");
	return rc;
}

int responses_answer_render(const struct chat_answer *answer, const struct dialect_answer_opts *o, struct buf *out)
{
	const struct chat_choice *choice = answer->choices;
	enum chat_finish finish = choice ? choice->finish : CHAT_FINISH_NONE;
	const struct chat_part *p = choice ? choice->parts : NULL;
	unsigned tool = 0;
	int rc;

	responses_put_head(o, responses_status(finish), finish, out);
	for (unsigned index = 0; p; index++) {
		if (index)
			buf_putc(out, ',');
		if (p->kind == CHAT_TEXT || p->kind == CHAT_REFUSAL) {
			p = put_message(p, o, index, finish, out);
			continue;
		}
		if (p->kind != CHAT_TOOL_CALL)
			return ERR_PROTO; /* nothing that a model says */
		rc = put_call(p, o, index, tool++, finish, out);
		if (rc < 0)
			return rc;
		p = p->next;
	}
	responses_put_tail(answer->have_usage ? &answer->usage : NULL, out);
	return out->failed ? ERR_NOMEM : 0;
}
