/* Usage as OpenAI reports it. What isn't plainly a count is malformed, and nothing of that report is believed: a price
 * must not come from half of one. */
#include "dialect/internal.h"

#include <string.h>

/* Absent and null leave *ret alone: servers differ in how they say that they have nothing to say. */
int usage_count(const struct json_span *v, uint64_t *ret)
{
	uint64_t n;

	if (!wire_given(v))
		return 0;
	if (json_number_u64(v, &n) < 0 || n > USAGE_TOKENS_MAX)
		return ERR_INVAL;
	*ret = n;
	return 0;
}

static int read_details(const struct json_span *v, const char *name, uint64_t *ret)
{
	struct json_member m = {.name = name};

	if (!wire_given(v))
		return 0;
	if (json_scan_object(v->at, v->len, &m, 1, NULL) < 0)
		return ERR_INVAL;
	return usage_count(&m.value, ret);
}

/* A total that can't be read isn't the sum either. */
static bool total_differs(const struct json_span *total, uint64_t sum)
{
	uint64_t n = sum;

	return wire_given(total) && (json_number_u64(total, &n) < 0 || n != sum);
}

int openai_read_usage(const struct json_span *v, bool chat, struct usage *ret, bool *ret_inconsistent)
{
	enum { PROMPT, COMPLETION, TOTAL, PROMPT_DETAILS, COMPLETION_DETAILS, FIELDS };
	struct json_member m[FIELDS] = {[PROMPT] = {.name = "prompt_tokens"},
					[COMPLETION] = {.name = "completion_tokens"},
					[TOTAL] = {.name = "total_tokens"},
					[PROMPT_DETAILS] = {.name = "prompt_tokens_details"},
					[COMPLETION_DETAILS] = {.name = "completion_tokens_details"}};
	struct usage u = {0};

	if (!wire_given(v))
		return ERR_NOT_FOUND;
	if (json_scan_object(v->at, v->len, m, FIELDS, NULL) < 0)
		return ERR_INVAL;
	if (!m[PROMPT].count && !m[COMPLETION].count && !m[TOTAL].count)
		return ERR_NOT_FOUND;
	if (!wire_given(&m[PROMPT].value) || (chat && !wire_given(&m[COMPLETION].value)))
		return ERR_INVAL; /* half a report */
	if (usage_count(&m[PROMPT].value, &u.input_tokens) < 0 ||
	    usage_count(&m[COMPLETION].value, &u.output_tokens) < 0 ||
	    read_details(&m[PROMPT_DETAILS].value, "cached_tokens", &u.cached_input_tokens) < 0 ||
	    read_details(&m[COMPLETION_DETAILS].value, "reasoning_tokens", &u.reasoning_tokens) < 0)
		return ERR_INVAL;
	if (u.cached_input_tokens > u.input_tokens || u.reasoning_tokens > u.output_tokens)
		return ERR_INVAL;
	*ret = u;
	*ret_inconsistent = total_differs(&m[TOTAL].value, u.input_tokens + u.output_tokens);
	return 0;
}
