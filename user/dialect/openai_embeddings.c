/* OpenAI's embeddings: same wire only. */
#include "dialect/internal.h"

enum { MODEL, INPUT, MEMBERS };

static int scan(const struct dialect_target *t, const char *body, size_t len, struct dialect_request *q,
		struct dialect_fault *fault)
{
	struct json_member m[MEMBERS] = {[MODEL] = {.name = "model"}, [INPUT] = {.name = "input"}};
	const struct json_span *input = &m[INPUT].value;

	(void)t;
	if (scan_body(body, len, m, MEMBERS, fault) < 0 || scan_model(body, &m[MODEL].value, q, fault) < 0)
		return ERR_INVAL;
	if (!wire_given(input))
		return scan_missing(fault, "input");
	if (!(input->type == JSON_SPAN_STRING && input->len > 2) &&
	    !(input->type == JSON_SPAN_ARRAY && !json_is_empty(input)))
		return chat_refuse(fault, "input", "expected a non-empty string or array");
	scan_estimate(q, estimate_input(&m[INPUT]), 0);
	return 0;
}

static int splice(const struct dialect_request *q, const char *body, size_t len, const char *upstream_model,
		  struct buf *out)
{
	return splice_model(q, body, len, upstream_model, NULL, out);
}

static bool answer_valid(const char *body, size_t len)
{
	struct json_member m = {.name = "data"};

	return json_scan_object(body, len, &m, 1, NULL) == 0 && m.value.type == JSON_SPAN_ARRAY;
}

static int usage(const struct json_span *v, struct usage *ret, bool *ret_inconsistent)
{
	return openai_read_usage(v, false, ret, ret_inconsistent);
}

static int answer_usage(const char *body, size_t len, struct usage *ret, bool *ret_inconsistent)
{
	struct json_member m = {.name = "usage"};

	if (json_scan_object(body, len, &m, 1, NULL) < 0)
		return ERR_PROTO;
	return usage(&m.value, ret, ret_inconsistent);
}

const struct wire_ops wire_openai_embeddings = {
	.scan = scan,
	.splice = splice,
	.answer_valid = answer_valid,
	.answer_usage = answer_usage,
	.usage = usage,
	.usage_member = "usage",
};
