/* OpenAI responses: a request read for admission, and respliced for a provider of the same wire. */
#include "dialect/responses.h"

#include "dialect/internal.h"

enum { MODEL, INPUT, INSTRUCTIONS, STREAM, MAX_OUTPUT_TOKENS, TOOLS, TEXT, BACKGROUND, MEMBERS };

/* A missing input is the provider's to judge: a stored prompt or an earlier response may stand for it. */
static int scan_input(const struct json_member *m, struct dialect_fault *fault)
{
	const struct json_span *input = &m[INPUT].value, *tools = &m[TOOLS].value;

	if (wire_given(input) && input->type != JSON_SPAN_STRING && input->type != JSON_SPAN_ARRAY)
		return chat_refuse(fault, "input", "expected a string or an array");
	if (wire_given(&m[INSTRUCTIONS].value) && m[INSTRUCTIONS].value.type != JSON_SPAN_STRING)
		return chat_refuse(fault, "instructions", "expected a string");
	if (wire_given(tools) && tools->type != JSON_SPAN_ARRAY)
		return chat_refuse(fault, "tools", "expected an array");
	return 0;
}

/* A background response goes on when its call is over: nobody would see what it used. */
static int scan_background(const struct json_span *v, struct dialect_fault *fault)
{
	bool background = false;
	int rc = scan_bool(v, "background", &background, fault);

	return rc == 0 && background ? chat_refuse(fault, "background", "background responses aren't served") : rc;
}

static struct estimate estimate_of(const struct json_member *m)
{
	static const struct json_member none = {.value = {.type = JSON_SPAN_ABSENT}};

	if (m[INPUT].value.type == JSON_SPAN_ARRAY)
		return estimate_messages(&m[INPUT], &m[TOOLS]);
	if (m[INPUT].value.type == JSON_SPAN_STRING)
		return estimate_input(&m[INPUT]);
	return estimate_input(&none);
}

int responses_scan(const struct dialect_target *t, const char *body, size_t len, struct dialect_request *q,
		   struct dialect_fault *fault)
{
	struct json_member m[MEMBERS] = {
		[MODEL] = {.name = "model"},
		[INPUT] = {.name = "input"},
		[INSTRUCTIONS] = {.name = "instructions"},
		[STREAM] = {.name = "stream"},
		[MAX_OUTPUT_TOKENS] = {.name = "max_output_tokens"},
		[TOOLS] = {.name = "tools"},
		[TEXT] = {.name = "text"},
		[BACKGROUND] = {.name = "background"},
	};
	struct estimate e;
	uint64_t others;

	(void)t;
	if (scan_body(body, len, m, MEMBERS, fault) < 0 || scan_model(body, &m[MODEL].value, q, fault) < 0 ||
	    scan_bool(&m[STREAM].value, "stream", &q->stream, fault) < 0 ||
	    scan_background(&m[BACKGROUND].value, fault) < 0 ||
	    scan_count(&m[MAX_OUTPUT_TOKENS].value, "max_output_tokens", SCAN_TOKENS_MAX, &q->max_output_tokens,
		       fault) < 0 ||
	    scan_input(m, fault) < 0)
		return ERR_INVAL;
	q->choices = 1;
	e = estimate_of(m);
	others = m[INSTRUCTIONS].value.len + m[TEXT].value.len;
	if (m[INPUT].value.type != JSON_SPAN_ARRAY) { /* which takes the tools with it */
		e.tokens += (m[TOOLS].value.len + 3) / 4;
		others += m[TOOLS].value.len;
	}
	e.tokens += (m[INSTRUCTIONS].string_bytes + 3) / 4;
	scan_estimate(q, e, others);
	return 0;
}

int responses_splice(const struct dialect_request *q, const char *body, size_t len, const char *upstream_model,
		     struct buf *out)
{
	return splice_model(q, body, len, upstream_model, NULL, out);
}
