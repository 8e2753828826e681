/* generationConfig: how the answer is made and what form it has. */
#include "dialect/gemini.h"
#include "dialect/internal.h"

#include <string.h>

enum {
	TEMPERATURE,
	TOP_P,
	TOP_K,
	PRESENCE,
	FREQUENCY,
	SEED,
	NUMBERS, /* the above */
	COUNT = NUMBERS,
	MAX,
	STOPS,
	MIME,
	SCHEMA,
	JSON_SCHEMA,
	THINKING,
	MODALITIES,
	READS,
	MEMBERS = READS + 12
};
static const struct gemini_member members[MEMBERS] = {
	[TEMPERATURE] = {"temperature", GEMINI_READ},
	[TOP_P] = {"topP", GEMINI_READ},
	[TOP_K] = {"topK", GEMINI_READ},
	[PRESENCE] = {"presencePenalty", GEMINI_READ},
	[FREQUENCY] = {"frequencyPenalty", GEMINI_READ},
	[SEED] = {"seed", GEMINI_READ},
	[COUNT] = {"candidateCount", GEMINI_READ},
	[MAX] = {"maxOutputTokens", GEMINI_READ},
	[STOPS] = {"stopSequences", GEMINI_READ},
	[MIME] = {"responseMimeType", GEMINI_READ},
	[SCHEMA] = {"responseSchema", GEMINI_READ},
	[JSON_SCHEMA] = {"responseJsonSchema", GEMINI_READ},
	[THINKING] = {"thinkingConfig", GEMINI_READ},
	[MODALITIES] = {"responseModalities", GEMINI_READ},
	[READS] = {"responseLogprobs", GEMINI_REFUSE},
	{"logprobs", GEMINI_REFUSE},
	{"responseFormat", GEMINI_REFUSE},
	{"mediaResolution", GEMINI_REFUSE},
	{"speechConfig", GEMINI_REFUSE},
	{"imageConfig", GEMINI_REFUSE},
	{"audioTimestamp", GEMINI_REFUSE},
	{"audioTranscriptionConfig", GEMINI_REFUSE},
	{"translationConfig", GEMINI_REFUSE},
	{"enableAffectiveDialog", GEMINI_REFUSE},
	{"enableEnhancedCivicAnswers", GEMINI_REFUSE},
	{"routingConfig", GEMINI_REFUSE},
};

static int read_numbers(struct gemini_reader *g, const struct place *at, const struct json_span *m)
{
	struct chat *c = g->chat;
	struct json_span *to[NUMBERS] = {&c->temperature,       &c->top_p, &c->top_k, &c->presence_penalty,
					 &c->frequency_penalty, &c->seed};
	struct json_span digits;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < NUMBERS; i++)
		rc = gemini_number(g, at, members[i].name, &m[i], to[i]);
	if (rc < 0)
		return rc;
	digits = gemini_unquoted(&m[COUNT]);
	rc = scan_count(&digits, "generationConfig.candidateCount", SCAN_CHOICES_MAX, &c->n, g->r->fault);
	if (rc < 0)
		return rc;
	c->max_tokens_given = wire_given(&m[MAX]);
	digits = gemini_unquoted(&m[MAX]);
	return scan_count(&digits, "generationConfig.maxOutputTokens", SCAN_TOKENS_MAX, &c->max_tokens, g->r->fault);
}

static int read_stops(struct gemini_reader *g, const struct place *up, const struct json_span *v)
{
	struct place list = member_of(up, "stopSequences"), at = {.up = &list};
	struct chat *c = g->chat;
	struct json_span stop;
	struct json_iter it;

	if (!wire_given(v))
		return 0;
	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return members_refuse(g->r, &list, "expected an array of strings");
	for (; json_iter_next(&it, NULL, &stop) == 1; at.index++) {
		if (stop.type != JSON_SPAN_STRING || stop.len <= 2)
			return members_refuse(g->r, &at, "expected a non-empty string");
		if (c->n_stop == CHAT_STOPS_MAX)
			return members_refuse(g->r, &list, "too many");
		c->stop[c->n_stop++] = chat_text_of(&stop);
	}
	return 0;
}

/* ---- the form of the answer */

static int read_form(struct gemini_reader *g, const struct place *up, const struct json_span *m)
{
	static const struct gemini_either names = {"responseSchema", "responseJsonSchema",
						   "only one of responseSchema and responseJsonSchema"};
	struct place at = member_of(up, "responseMimeType");
	struct chat *c = g->chat;
	bool schema = wire_given(&m[SCHEMA]) || wire_given(&m[JSON_SCHEMA]);

	if (json_string_is(&m[MIME], "application/json")) {
		c->format = schema ? CHAT_FORMAT_SCHEMA : CHAT_FORMAT_JSON;
		c->format_name = (struct chat_text){.at = "response", .len = 8}; /* here a schema has none */
		return schema ? gemini_read_either_schema(g, up, &names, &m[SCHEMA], &m[JSON_SCHEMA], &c->format_schema)
			      : 0;
	}
	if (wire_given(&m[MIME]) && m[MIME].type != JSON_SPAN_STRING)
		return members_refuse(g->r, &at, "expected a string");
	if (wire_given(&m[MIME]) && !json_string_is(&m[MIME], "text/plain"))
		return members_inexpressible(g->r, &at, "only text/plain and application/json can be");
	if (schema)
		return members_refuse(g->r, &at, "a schema needs application/json");
	return 0;
}

static int read_modalities(struct gemini_reader *g, const struct place *up, const struct json_span *v)
{
	struct place at = member_of(up, "responseModalities");
	struct json_span modality;
	struct json_iter it;

	if (!wire_given(v))
		return 0;
	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return members_refuse(g->r, &at, "expected an array of strings");
	while (json_iter_next(&it, NULL, &modality) == 1)
		if (!json_string_is(&modality, "TEXT") && !json_string_is(&modality, "MODALITY_UNSPECIFIED"))
			return members_inexpressible(g->r, &at, "only TEXT can be");
	return 0;
}

/* How much a model thinks is said in other words elsewhere; that it needn't, or as it likes, is no demand. */
static int read_thinking(struct gemini_reader *g, const struct place *up, const struct json_span *v)
{
	enum { THOUGHTS, BUDGET, LEVEL, FIELDS };
	static const struct gemini_member rows[FIELDS] = {[THOUGHTS] = {"includeThoughts", GEMINI_REFUSE},
							  [BUDGET] = {"thinkingBudget", GEMINI_READ},
							  [LEVEL] = {"thinkingLevel", GEMINI_READ}};
	struct place at = member_of(up, "thinkingConfig"), budget = member_of(&at, "thinkingBudget"),
		     level = member_of(&at, "thinkingLevel");
	struct json_span m[FIELDS], number;
	int rc;

	if (!wire_given(v))
		return 0;
	rc = gemini_members(g, &at, v, rows, FIELDS, m);
	if (rc < 0)
		return rc;
	if (wire_given(&m[LEVEL]) && !json_string_is(&m[LEVEL], "THINKING_LEVEL_UNSPECIFIED"))
		return members_inexpressible(g->r, &level, "only Google's own API has it");
	rc = gemini_number(g, &at, "thinkingBudget", &m[BUDGET], &number);
	if (rc < 0 || !wire_given(&m[BUDGET]))
		return rc;
	if (!(number.len == 1 && *number.at == '0') && !(number.len == 2 && memcmp(number.at, "-1", 2) == 0))
		return members_inexpressible(g->r, &budget, "only Google's own API has it");
	return 0;
}

int gemini_read_config(struct gemini_reader *g, const struct place *at, const struct json_span *v)
{
	struct json_span m[MEMBERS];
	int rc = gemini_members(g, at, v, members, MEMBERS, m);

	if (rc == 0)
		rc = read_numbers(g, at, m);
	if (rc == 0)
		rc = read_stops(g, at, &m[STOPS]);
	if (rc == 0)
		rc = read_form(g, at, m);
	if (rc == 0)
		rc = read_modalities(g, at, &m[MODALITIES]);
	if (rc == 0)
		rc = read_thinking(g, at, &m[THINKING]);
	return rc;
}
