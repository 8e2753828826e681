/* Anthropic messages, a client's request: what admission needs of it, and its way to a provider of the same wire. */
#include "dialect/anthropic.h"

#include "dialect/internal.h"

/* 0 is a number here: it fills the prompt cache and generates nothing. */
static int scan_max_tokens(const struct json_span *v, struct dialect_request *q, struct dialect_fault *fault)
{
	uint64_t n;

	if (!wire_given(v))
		return chat_refuse(fault, "max_tokens", "this parameter is required");
	if (json_number_u64(v, &n) < 0)
		return chat_refuse(fault, "max_tokens", "expected a whole number");
	if (n > SCAN_TOKENS_MAX)
		return chat_refuse(fault, "max_tokens", "the number is too large");
	q->max_output_tokens = n;
	return 0;
}

int anthropic_scan(const struct dialect_target *t, const char *body, size_t len, struct dialect_request *q,
		   struct dialect_fault *fault)
{
	enum { MODEL, MESSAGES, MAX_TOKENS, STREAM, SYSTEM, TOOLS, OUTPUT_CONFIG, MEMBERS };
	struct json_member m[MEMBERS] = {[MODEL] = {.name = "model"},
					 [MESSAGES] = {.name = "messages"},
					 [MAX_TOKENS] = {.name = "max_tokens"},
					 [STREAM] = {.name = "stream"},
					 [SYSTEM] = {.name = "system"},
					 [TOOLS] = {.name = "tools"},
					 [OUTPUT_CONFIG] = {.name = "output_config"}};
	const struct json_span *messages = &m[MESSAGES].value;
	struct estimate e;

	(void)t;
	if (scan_body(body, len, m, MEMBERS, fault) < 0 || scan_model(body, &m[MODEL].value, q, fault) < 0)
		return ERR_INVAL;
	if (messages->type != JSON_SPAN_ARRAY || json_is_empty(messages))
		return chat_refuse(fault, "messages", "expected a non-empty array");
	if (scan_max_tokens(&m[MAX_TOKENS].value, q, fault) < 0 ||
	    scan_bool(&m[STREAM].value, "stream", &q->stream, fault) < 0)
		return ERR_INVAL;
	e = estimate_messages(&m[MESSAGES], &m[TOOLS]);
	e.tokens += (m[SYSTEM].string_bytes + 3) / 4;
	scan_estimate(q, e, m[SYSTEM].value.len + m[OUTPUT_CONFIG].value.len);
	return 0;
}

int anthropic_splice(const struct dialect_request *q, const char *body, size_t len, const char *upstream_model,
		     struct buf *out)
{
	return splice_model(q, body, len, upstream_model, NULL, out);
}
