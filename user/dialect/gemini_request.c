/* A client's generateContent: what admission needs of it, the same for a provider of the same wire, and the whole of it
 * for others. */
#include "dialect/gemini.h"
#include "dialect/internal.h"

#include <stdio.h>
#include <string.h>

/* ---- scan */

/* One of two spellings; both is twice. */
static int either(const struct json_member *camel, const struct json_member *snake, struct dialect_fault *fault,
		  const char *param, struct json_member *ret)
{
	if (camel->count && snake->count)
		return chat_refuse(fault, param, "given twice");
	*ret = camel->count ? *camel : *snake;
	return 0;
}

static int scan_config(const struct json_span *v, struct dialect_request *q, struct dialect_fault *fault)
{
	enum { MAX, MAX_SNAKE, COUNT, COUNT_SNAKE, FIELDS };
	struct json_member m[FIELDS] = {[MAX] = {.name = "maxOutputTokens"},
					[MAX_SNAKE] = {.name = "max_output_tokens"},
					[COUNT] = {.name = "candidateCount"},
					[COUNT_SNAKE] = {.name = "candidate_count"}};
	struct json_member max = {0}, count = {0};
	struct json_span digits;
	int rc;

	if (!wire_given(v))
		return 0;
	if (json_scan_object(v->at, v->len, m, FIELDS, NULL) < 0)
		return chat_refuse(fault, "generationConfig", "expected an object");
	for (unsigned i = 0; i < FIELDS; i++)
		if (m[i].count > 1)
			return chat_refuse(fault,
					   i < COUNT ? "generationConfig.maxOutputTokens"
						     : "generationConfig.candidateCount",
					   "given twice");
	rc = either(&m[MAX], &m[MAX_SNAKE], fault, "generationConfig.maxOutputTokens", &max);
	if (rc == 0)
		rc = either(&m[COUNT], &m[COUNT_SNAKE], fault, "generationConfig.candidateCount", &count);
	if (rc < 0)
		return rc;
	digits = gemini_unquoted(&max.value);
	rc = scan_count(&digits, "generationConfig.maxOutputTokens", SCAN_TOKENS_MAX, &q->max_output_tokens, fault);
	if (rc < 0)
		return rc;
	digits = gemini_unquoted(&count.value);
	rc = scan_count(&digits, "generationConfig.candidateCount", SCAN_CHOICES_MAX, &q->choices, fault);
	q->max_output_tokens *= q->choices;
	return rc;
}

/* Google lets the body repeat the path's model. */
static int scan_body_model(const char *body, const struct json_span *v, struct dialect_request *q,
			   struct dialect_fault *fault)
{
	if (!wire_given(v))
		return 0;
	if (v->type != JSON_SPAN_STRING)
		return chat_refuse(fault, "model", "expected a string");
	q->body_model.at = (size_t)(v->at - body);
	q->body_model.len = v->len;
	return 0;
}

int gemini_scan(const struct dialect_target *t, const char *body, size_t len, struct dialect_request *q,
		struct dialect_fault *fault)
{
	enum { CONTENTS, TOOLS, MODEL, SYSTEM, SYSTEM_SNAKE, CONFIG, CONFIG_SNAKE, FIELDS };
	struct json_member m[FIELDS] = {[CONTENTS] = {.name = "contents"},
					[TOOLS] = {.name = "tools"},
					[MODEL] = {.name = "model"},
					[SYSTEM] = {.name = "systemInstruction"},
					[SYSTEM_SNAKE] = {.name = "system_instruction"},
					[CONFIG] = {.name = "generationConfig"},
					[CONFIG_SNAKE] = {.name = "generation_config"}};
	const struct json_span *contents = &m[CONTENTS].value;
	struct json_member system = {0}, config = {0};
	struct estimate e;
	int rc;

	(void)t;
	rc = scan_body(body, len, m, FIELDS, fault);
	if (rc == 0)
		rc = either(&m[SYSTEM], &m[SYSTEM_SNAKE], fault, "systemInstruction", &system);
	if (rc == 0)
		rc = either(&m[CONFIG], &m[CONFIG_SNAKE], fault, "generationConfig", &config);
	if (rc < 0)
		return rc;
	if (contents->type != JSON_SPAN_ARRAY || json_is_empty(contents))
		return chat_refuse(fault, "contents", "expected a non-empty array");
	rc = scan_body_model(body, &m[MODEL].value, q, fault);
	if (rc == 0)
		rc = scan_config(&config.value, q, fault);
	if (rc < 0)
		return rc;
	e = estimate_messages(&m[CONTENTS], &m[TOOLS]);
	e.tokens += (system.string_bytes + 3) / 4;
	scan_estimate(q, e, system.value.len + config.value.len);
	return 0;
}

int gemini_splice(const struct dialect_request *q, const char *body, size_t len, const char *upstream_model,
		  struct buf *out)
{
	char name[512];

	if (!q->body_model.len)
		return buf_append(out, body, len);
	snprintf(name, sizeof(name), "models/%s", upstream_model);
	return splice_model(q, body, len, name, NULL, out);
}

/* ---- parse */

enum {
	CONTENTS,
	SYSTEM,
	TOOLS,
	TOOL_CONFIG,
	CONFIG,
	MODEL,
	STORE,
	SERVICE_TIER,
	LABELS,
	SAFETY,
	CACHED,
	CONTINUATION,
	ARMOR,
	MEMBERS
};
static const struct gemini_member body_members[MEMBERS] = {
	[CONTENTS] = {"contents", GEMINI_READ},
	[SYSTEM] = {"systemInstruction", GEMINI_READ},
	[TOOLS] = {"tools", GEMINI_READ},
	[TOOL_CONFIG] = {"toolConfig", GEMINI_READ},
	[CONFIG] = {"generationConfig", GEMINI_READ},
	[MODEL] = {"model", GEMINI_READ}, /* the path's, again */
	[STORE] = {"store", GEMINI_READ},
	[SERVICE_TIER] = {"serviceTier", GEMINI_READ},
	[LABELS] = {"labels", GEMINI_HINT},
	[SAFETY] = {"safetySettings", GEMINI_REFUSE}, /* they decide what is answered */
	[CACHED] = {"cachedContent", GEMINI_REFUSE},
	[CONTINUATION] = {"continuationToken", GEMINI_REFUSE},
	[ARMOR] = {"modelArmorConfig", GEMINI_REFUSE},
};

/* Where the answer is kept and how soon it comes: only what is usual is a hint. */
static int read_service(struct gemini_reader *g, const struct place *up, const struct json_span *m)
{
	static const char *const usual[] = {"SERVICE_TIER_UNSPECIFIED", "STANDARD", "unspecified", "standard"};
	struct place store = member_of(up, "store"), tier = member_of(up, "serviceTier");
	bool kept = false;
	int rc;

	rc = gemini_bool(g, up, "store", &m[STORE], &kept);
	if (rc < 0)
		return rc;
	if (kept)
		return members_inexpressible(g->r, &store, "only Google's own API has it");
	if (wire_given(&m[STORE]))
		members_ignore(g->r, &store);
	if (!wire_given(&m[SERVICE_TIER]))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		if (json_string_is(&m[SERVICE_TIER], usual[i])) {
			members_ignore(g->r, &tier);
			return 0;
		}
	return members_inexpressible(g->r, &tier, "only Google's own API has it");
}

int gemini_parse(struct chat_reader *r, const struct dialect_target *t, const char *body, size_t len, struct chat *ret)
{
	struct gemini_reader g = {.r = r, .chat = ret, .calls_end = &g.calls};
	struct place at[MEMBERS], root = {.name = ""};
	struct json_span whole, m[MEMBERS];
	int rc;

	if (json_scan_value(body, len, &whole, NULL) < 0)
		return members_refuse(g.r, &root, "expected an object");
	rc = gemini_members(&g, &root, &whole, body_members, MEMBERS, m);
	for (unsigned i = 0; i < MEMBERS; i++)
		at[i] = member_of(NULL, body_members[i].name);
	if (rc == 0)
		rc = read_service(&g, &root, m);
	if (rc == 0 && wire_given(&m[SYSTEM]))
		rc = gemini_read_system(&g, &at[SYSTEM], &m[SYSTEM]);
	if (rc == 0)
		rc = gemini_read_contents(&g, &at[CONTENTS], &m[CONTENTS]);
	if (rc == 0 && wire_given(&m[TOOLS]))
		rc = gemini_read_tools(&g, &at[TOOLS], &m[TOOLS]);
	if (rc == 0 && wire_given(&m[TOOL_CONFIG]))
		rc = gemini_read_tool_config(&g, &at[TOOL_CONFIG], &m[TOOL_CONFIG]);
	if (rc == 0 && wire_given(&m[CONFIG]))
		rc = gemini_read_config(&g, &at[CONFIG], &m[CONFIG]);
	ret->stream = t->stream;
	return rc;
}
