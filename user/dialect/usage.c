/* Usage as OpenAI reports it. */
#include "dialect/internal.h"
#include "dialect/openai.h"

/* Absent and null leave *ret alone: embeddings have no completion, and servers differ in how they say so. */
static int read_number(const struct json_span *v, uint64_t *ret)
{
	if (v->type == JSON_SPAN_ABSENT || v->type == JSON_SPAN_NULL)
		return 0;
	return json_number_u64(v, ret);
}

static int read_details(const struct json_span *v, const char *name, uint64_t *ret)
{
	struct json_member m = {.name = name};

	if (v->type == JSON_SPAN_ABSENT || v->type == JSON_SPAN_NULL)
		return 0;
	if (json_scan_object(v->at, v->len, &m, 1, NULL) < 0)
		return ERR_INVAL;
	return read_number(&m.value, ret);
}

int openai_read_usage(const struct json_span *v, struct usage *ret)
{
	enum { PROMPT, COMPLETION, PROMPT_DETAILS, COMPLETION_DETAILS, FIELDS };
	struct json_member m[FIELDS] = {[PROMPT] = {.name = "prompt_tokens"},
					[COMPLETION] = {.name = "completion_tokens"},
					[PROMPT_DETAILS] = {.name = "prompt_tokens_details"},
					[COMPLETION_DETAILS] = {.name = "completion_tokens_details"}};
	struct usage u = {0};

	if (v->type == JSON_SPAN_ABSENT || v->type == JSON_SPAN_NULL)
		return ERR_NOT_FOUND;
	if (json_scan_object(v->at, v->len, m, FIELDS, NULL) < 0)
		return ERR_INVAL;
	if (m[PROMPT].value.type != JSON_SPAN_NUMBER && m[COMPLETION].value.type != JSON_SPAN_NUMBER)
		return m[PROMPT].count || m[COMPLETION].count ? ERR_INVAL : ERR_NOT_FOUND;
	if (read_number(&m[PROMPT].value, &u.input_tokens) < 0 ||
	    read_number(&m[COMPLETION].value, &u.output_tokens) < 0 ||
	    read_details(&m[PROMPT_DETAILS].value, "cached_tokens", &u.cached_input_tokens) < 0 ||
	    read_details(&m[COMPLETION_DETAILS].value, "reasoning_tokens", &u.reasoning_tokens) < 0)
		return ERR_INVAL;
	*ret = u;
	return 0;
}

int openai_answer_usage(const char *body, size_t len, struct usage *ret)
{
	struct json_member usage = {.name = "usage"};

	if (json_scan_object(body, len, &usage, 1, NULL) < 0)
		return ERR_INVAL;
	return openai_read_usage(&usage.value, ret);
}
