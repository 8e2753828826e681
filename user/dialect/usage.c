/* Usage as OpenAI reports it. What isn't plainly a count is malformed, and nothing of that report is believed: a price
 * must not come from half of one. */
#include "dialect/internal.h"
#include "dialect/openai.h"

#include <string.h>

/* Absent and null leave *ret alone: servers differ in how they say that they have nothing to say. */
static int read_count(const struct json_span *v, uint64_t *ret)
{
	uint64_t n;

	if (!span_given(v))
		return 0;
	if (json_number_u64(v, &n) < 0 || n > USAGE_TOKENS_MAX)
		return ERR_INVAL;
	*ret = n;
	return 0;
}

static int read_details(const struct json_span *v, const char *name, uint64_t *ret)
{
	struct json_member m = {.name = name};

	if (!span_given(v))
		return 0;
	if (json_scan_object(v->at, v->len, &m, 1, NULL) < 0)
		return ERR_INVAL;
	return read_count(&m.value, ret);
}

/* A total that can't be read isn't the sum either. */
static bool total_differs(const struct json_span *total, uint64_t sum)
{
	uint64_t n = sum;

	return span_given(total) && (json_number_u64(total, &n) < 0 || n != sum);
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

	if (!span_given(v))
		return ERR_NOT_FOUND;
	if (json_scan_object(v->at, v->len, m, FIELDS, NULL) < 0)
		return ERR_INVAL;
	if (!m[PROMPT].count && !m[COMPLETION].count && !m[TOTAL].count)
		return ERR_NOT_FOUND;
	if (!span_given(&m[PROMPT].value) || (chat && !span_given(&m[COMPLETION].value)))
		return ERR_INVAL; /* half a report */
	if (read_count(&m[PROMPT].value, &u.input_tokens) < 0 ||
	    read_count(&m[COMPLETION].value, &u.output_tokens) < 0 ||
	    read_details(&m[PROMPT_DETAILS].value, "cached_tokens", &u.cached_input_tokens) < 0 ||
	    read_details(&m[COMPLETION_DETAILS].value, "reasoning_tokens", &u.reasoning_tokens) < 0)
		return ERR_INVAL;
	if (u.cached_input_tokens > u.input_tokens || u.reasoning_tokens > u.output_tokens)
		return ERR_INVAL;
	*ret = u;
	*ret_inconsistent = total_differs(&m[TOTAL].value, u.input_tokens + u.output_tokens);
	return 0;
}

int openai_answer_usage(const char *body, size_t len, struct usage *ret, bool *ret_inconsistent)
{
	enum { USAGE, CHOICES, FIELDS };
	struct json_member m[FIELDS] = {[USAGE] = {.name = "usage"}, [CHOICES] = {.name = "choices"}};

	if (json_scan_object(body, len, m, FIELDS, NULL) < 0)
		return ERR_INVAL;
	return openai_read_usage(&m[USAGE].value, m[CHOICES].count > 0, ret, ret_inconsistent);
}

/* ---- an answer too large to be kept whole */

void openai_tail_feed(struct openai_tail *t, const char *data, size_t len)
{
	size_t keep = sizeof(t->text) - len;

	if (len >= sizeof(t->text)) {
		memcpy(t->text, data + len - sizeof(t->text), sizeof(t->text));
		t->len = sizeof(t->text);
		return;
	}
	if (t->len > keep) {
		memmove(t->text, t->text + t->len - keep, keep);
		t->len = keep;
	}
	memcpy(t->text + t->len, data, len);
	t->len += len;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* What follows the string that p opens; NULL when it has no end. */
static const char *string_end(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		p += *p == '\\';
	return p < end ? p + 1 : NULL;
}

/* From p, which is inside a container: behind the bracket that closes it. NULL when that isn't there. */
static const char *container_end(const char *p, const char *end)
{
	unsigned depth = 1;

	while (p && p < end) {
		if (*p == '"') {
			p = string_end(p, end);
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']') && --depth == 0)
			return p + 1;
		p++;
	}
	return NULL;
}

/* The object of a "usage" at `at`, if it is a member of what the answer's last bracket closes. Inside a string the
 * quotes would be escaped. */
static bool usage_at(const char *at, const char *end, struct json_span *ret)
{
	const char *p = skip_space(at + strlen("\"usage\""), end), *behind, *outer;

	if (p == end || *p != ':')
		return false;
	p = skip_space(p + 1, end);
	if (p == end || *p != '{')
		return false;
	behind = container_end(p + 1, end);
	outer = behind ? container_end(behind, end) : NULL;
	if (!outer || skip_space(outer, end) != end)
		return false;
	*ret = (struct json_span){.at = p, .len = (size_t)(behind - p), .type = JSON_SPAN_OBJECT};
	return true;
}

int openai_tail_usage(const struct openai_tail *t, struct usage *ret, bool *ret_inconsistent)
{
	const char *end = t->text + t->len, *p = t->text, *at;
	struct json_span v = {.type = JSON_SPAN_ABSENT}, found;

	for (; (at = memmem(p, (size_t)(end - p), "\"usage\"", 7)); p = at + 7)
		if (usage_at(at, end, &found))
			v = found;
	return openai_read_usage(&v, false, ret, ret_inconsistent);
}
