/* Google's generateContent and streamGenerateContent: requests, answers, streams. */
#include "sim/check.h"

#include <string.h>

#define SCHEMA_DEPTH_MAX 32u

/* ---- reading */

static const struct sim_member body_members[] = {
	{"contents", SIM_LIST | SIM_NEEDED},
	{"systemInstruction", SIM_OBJECT},
	{"generationConfig", SIM_OBJECT},
	{"tools", SIM_LIST},
	{"toolConfig", SIM_OBJECT},
	{"safetySettings", SIM_LIST},
	{"cachedContent", SIM_STRING},
	{"serviceTier", SIM_STRING},
	{"store", SIM_BOOL},
	{"model", SIM_STRING},
};
enum { CONTENTS, SYSTEM, CONFIG, TOOLS, TOOL_CONFIG };

/* Tool calls and results are matched by number: Google's calls need no id. */
struct turns {
	unsigned calls, results; /* of the turn before; of this one */
};

static bool read_inline(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {
		{"mimeType", SIM_STRING | SIM_NEEDED}, {"data", SIM_STRING | SIM_NEEDED}, {"displayName", SIM_STRING}};
	struct json_span m[ARRAY_SIZE(members)];

	r->files++;
	return SIM_MEMBERS(r, at, v, members, m);
}

static bool read_file(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {
		{"fileUri", SIM_STRING | SIM_NEEDED}, {"mimeType", SIM_STRING}, {"displayName", SIM_STRING}};
	struct json_span m[ARRAY_SIZE(members)];

	r->files++;
	return SIM_MEMBERS(r, at, v, members, m);
}

static bool read_call(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, struct turns *t)
{
	static const struct sim_member members[] = {
		{"name", SIM_STRING | SIM_NEEDED}, {"args", SIM_OBJECT}, {"id", SIM_STRING}};
	struct json_span m[ARRAY_SIZE(members)];

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	t->calls++;
	sim_prompt_add(r, &m[0]);
	r->text_bytes += sim_given(&m[1]) ? sim_compact_len(m[1].at, m[1].len) : 2;
	return true;
}

/* A result that is an object with a single text in it counts as that text, which is how other dialects say it. */
static void count_result(struct sim_reader *r, const struct json_span *response)
{
	struct json_span key, value = {0}, last = {0};
	struct json_iter it;
	unsigned n = 0;

	if (json_iter_init(&it, response) == 0)
		while (json_iter_next(&it, &key, &value) > 0) {
			last = value;
			n++;
		}
	if (n == 1 && last.type == JSON_SPAN_STRING)
		sim_prompt_add(r, &last);
	else
		r->text_bytes += sim_compact_len(response->at, response->len);
}

static bool read_result(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, struct turns *t)
{
	static const struct sim_member members[] = {{"name", SIM_STRING | SIM_NEEDED},
						    {"response", SIM_OBJECT | SIM_NEEDED},
						    {"id", SIM_STRING},
						    {"parts", SIM_LIST},
						    {"scheduling", SIM_STRING},
						    {"willContinue", SIM_BOOL}};
	struct json_span m[ARRAY_SIZE(members)];

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	t->results++;
	r->after_result = true;
	count_result(r, &m[1]);
	return true;
}

static bool read_part(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, bool model,
		      struct turns *t)
{
	static const struct sim_member members[] = {{"text", SIM_STRING},
						    {"inlineData", SIM_OBJECT},
						    {"fileData", SIM_OBJECT},
						    {"functionCall", SIM_OBJECT},
						    {"functionResponse", SIM_OBJECT},
						    {"executableCode", SIM_OBJECT},
						    {"codeExecutionResult", SIM_OBJECT},
						    {"thought", SIM_BOOL},
						    {"thoughtSignature", SIM_STRING},
						    {"videoMetadata", SIM_OBJECT},
						    {"mediaResolution", SIM_OBJECT},
						    {"partMetadata", SIM_OBJECT}};
	struct json_span m[ARRAY_SIZE(members)];
	unsigned data = 0;

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	for (unsigned i = 0; i <= 6; i++)
		data += sim_given(&m[i]);
	if (data != 1)
		return sim_refuse_value(r, at,
					data ? "oneof field 'data' is already set"
					     : "required oneof field 'data' must "
					       "have one initialized field");
	if (model ? sim_given(&m[4]) : sim_given(&m[3]))
		return sim_refuse_value(r, at, "such a part can't stand in a turn of this role");
	if (sim_given(&m[0]) && m[7].type != JSON_SPAN_TRUE)
		sim_prompt_add(r, &m[0]);
	return (!sim_given(&m[1]) || read_inline(r, SIM_AT(at, "inlineData"), &m[1])) &&
	       (!sim_given(&m[2]) || read_file(r, SIM_AT(at, "fileData"), &m[2])) &&
	       (!sim_given(&m[3]) || read_call(r, SIM_AT(at, "functionCall"), &m[3], t)) &&
	       (!sim_given(&m[4]) || read_result(r, SIM_AT(at, "functionResponse"), &m[4], t));
}

static bool read_parts(struct sim_reader *r, const struct sim_path *at, const struct json_span *list, bool model,
		       struct turns *t)
{
	struct json_iter it;
	struct json_span v;

	if (json_is_empty(list))
		return sim_refuse_value(r, at, "contents.parts must not be empty");
	if (json_iter_init(&it, list) < 0)
		return true;
	for (unsigned i = 0; json_iter_next(&it, NULL, &v) > 0; i++)
		if (!read_part(r, SIM_NTH(at, i), &v, model, t))
			return false;
	return true;
}

static const struct sim_member content_members[] = {{"role", SIM_STRING}, {"parts", SIM_LIST | SIM_NEEDED}};

static bool read_content(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, struct turns *t)
{
	struct turns now = {0};
	struct json_span m[ARRAY_SIZE(content_members)];
	bool model;

	if (!SIM_MEMBERS(r, at, v, content_members, m))
		return false;
	model = json_string_is(&m[0], "model");
	if (sim_given(&m[0]) && !model && !json_string_is(&m[0], "user") && !json_string_is(&m[0], "function"))
		return sim_refuse_value(r, SIM_AT(at, "role"), "Please use a valid role: user, model.");
	r->after_result = false;
	if (!read_parts(r, SIM_AT(at, "parts"), &m[1], model, &now))
		return false;
	if (now.results != t->calls)
		return sim_refuse_value(
			r, at,
			"Please ensure that the number of function response parts is equal to the number "
			"of function call parts of the function call turn.");
	*t = now;
	return true;
}

static bool read_contents(struct sim_reader *r, const struct json_span *list)
{
	const struct sim_path at = {.name = "contents"};
	struct turns t = {0};
	struct json_iter it;
	struct json_span v;

	if (json_is_empty(list))
		return sim_refuse_missing(r, &at);
	if (json_iter_init(&it, list) < 0)
		return true;
	for (unsigned i = 0; json_iter_next(&it, NULL, &v) > 0; i++)
		if (!read_content(r, SIM_NTH(&at, i), &v, &t))
			return false;
	return !t.calls || sim_refuse_value(r, &at, "a function call turn must be followed by its function responses");
}

static bool read_system(struct sim_reader *r, const struct json_span *v)
{
	const struct sim_path at = {.name = "systemInstruction"};
	struct json_span m[ARRAY_SIZE(content_members)];
	struct turns none = {0};

	if (!sim_given(v))
		return true;
	return SIM_MEMBERS(r, &at, v, content_members, m) && read_parts(r, SIM_AT(&at, "parts"), &m[1], false, &none);
}

/* ---- schemas: a part of OpenAPI's, where what JSON Schema has beside it is refused */

static bool read_schema(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, unsigned depth);

static bool read_schemas(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, unsigned depth)
{
	struct json_span key, value;
	struct json_iter it;
	char name[64];

	if (!sim_given(v) || json_iter_init(&it, v) < 0)
		return true;
	for (unsigned i = 0; json_iter_next(&it, &key, &value) > 0; i++) {
		size_t n = v->type == JSON_SPAN_OBJECT && key.len - 2 < sizeof(name) ? key.len - 2 : 0;

		memcpy(name, key.at + 1, n);
		name[n] = '\0';
		if (!read_schema(r, v->type == JSON_SPAN_OBJECT ? SIM_AT(at, name) : SIM_NTH(at, i), &value, depth))
			return false;
	}
	return true;
}

static bool read_schema(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, unsigned depth)
{
	static const struct sim_member members[] = {{"type", SIM_STRING | SIM_NEEDED},
						    {"properties", SIM_OBJECT},
						    {"items", SIM_OBJECT},
						    {"anyOf", SIM_LIST},
						    {"required", SIM_LIST},
						    {"description", SIM_STRING},
						    {"enum", SIM_LIST},
						    {"format", SIM_STRING},
						    {"title", SIM_STRING},
						    {"nullable", SIM_BOOL},
						    {"default", SIM_ANY},
						    {"example", SIM_ANY},
						    {"pattern", SIM_STRING},
						    {"minimum", SIM_NUMBER},
						    {"maximum", SIM_NUMBER},
						    {"minItems", SIM_ANY},
						    {"maxItems", SIM_ANY},
						    {"minLength", SIM_ANY},
						    {"maxLength", SIM_ANY},
						    {"minProperties", SIM_ANY},
						    {"maxProperties", SIM_ANY},
						    {"propertyOrdering", SIM_LIST}};
	struct json_span m[ARRAY_SIZE(members)], any = sim_member_of(v, "anyOf");

	if (depth == SCHEMA_DEPTH_MAX)
		return sim_refuse_value(r, at, "the schema is too deep");
	if (sim_given(&any))
		return read_schemas(r, SIM_AT(at, "anyOf"), &any, depth + 1);
	return SIM_MEMBERS(r, at, v, members, m) && read_schemas(r, SIM_AT(at, "properties"), &m[1], depth + 1) &&
	       (!sim_given(&m[2]) || read_schema(r, SIM_AT(at, "items"), &m[2], depth + 1));
}

/* ---- tools */

static bool read_declaration(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {
		{"name", SIM_STRING | SIM_NEEDED}, {"description", SIM_STRING},
		{"parameters", SIM_OBJECT},        {"parametersJsonSchema", SIM_OBJECT},
		{"response", SIM_OBJECT},          {"responseJsonSchema", SIM_OBJECT},
		{"behavior", SIM_STRING}};
	struct json_span m[ARRAY_SIZE(members)];

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	if (sim_given(&m[2]) && sim_given(&m[3]))
		return sim_refuse_value(r, at, "parameters and parametersJsonSchema can't both be set");
	if (sim_given(&m[2]) && !read_schema(r, SIM_AT(at, "parameters"), &m[2], 0))
		return false;
	sim_tool_offer(r, &m[0], sim_given(&m[2]) ? &m[2] : &m[3]);
	return true;
}

static bool read_tool(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {
		{"functionDeclarations", SIM_LIST}, {"googleSearch", SIM_OBJECT}, {"googleSearchRetrieval", SIM_OBJECT},
		{"codeExecution", SIM_OBJECT},      {"urlContext", SIM_OBJECT},   {"googleMaps", SIM_OBJECT},
		{"fileSearch", SIM_OBJECT},         {"computerUse", SIM_OBJECT}};
	const struct sim_path list = {.up = at, .name = "functionDeclarations"};
	struct json_span m[ARRAY_SIZE(members)], declaration;
	struct json_iter it;

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	if (!sim_given(&m[0]) || json_iter_init(&it, &m[0]) < 0)
		return true;
	for (unsigned i = 0; json_iter_next(&it, NULL, &declaration) > 0; i++)
		if (!read_declaration(r, SIM_NTH(&list, i), &declaration))
			return false;
	return true;
}

static bool read_tool_config(struct sim_reader *r, const struct json_span *v)
{
	static const struct sim_member members[] = {{"functionCallingConfig", SIM_OBJECT},
						    {"retrievalConfig", SIM_OBJECT}};
	static const struct sim_member calling[] = {{"mode", SIM_STRING}, {"allowedFunctionNames", SIM_LIST}};
	const struct sim_path at = {.name = "toolConfig"}, calling_at = {.up = &at, .name = "functionCallingConfig"};
	struct json_span m[ARRAY_SIZE(members)], c[ARRAY_SIZE(calling)];
	struct json_iter it;

	if (!sim_given(v))
		return true;
	if (!SIM_MEMBERS(r, &at, v, members, m))
		return false;
	if (!sim_given(&m[0]))
		return true;
	if (!SIM_MEMBERS(r, &calling_at, &m[0], calling, c) ||
	    !SIM_ONE_OF(r, SIM_AT(&calling_at, "mode"), &c[0], "MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"))
		return false;
	r->tools_off = json_string_is(&c[0], "NONE");
	if (!sim_given(&c[1]) || json_iter_init(&it, &c[1]) < 0)
		return true;
	if (!json_string_is(&c[0], "ANY") && !json_string_is(&c[0], "VALIDATED"))
		return sim_refuse_value(r, SIM_AT(&calling_at, "allowedFunctionNames"), "it goes with mode ANY only");
	return json_iter_next(&it, NULL, &r->tool_wanted) >= 0;
}

static bool read_tools(struct sim_reader *r, const struct json_span *tools, const struct json_span *config)
{
	const struct sim_path at = {.name = "tools"};
	struct json_iter it;
	struct json_span v;

	if (!read_tool_config(r, config))
		return false;
	if (!sim_given(tools) || json_iter_init(&it, tools) < 0)
		return true;
	for (unsigned i = 0; json_iter_next(&it, NULL, &v) > 0; i++)
		if (!read_tool(r, SIM_NTH(&at, i), &v))
			return false;
	return true;
}

/* ---- generationConfig */

static const struct sim_member config_members[] = {
	{"maxOutputTokens", SIM_NUMBER},
	{"candidateCount", SIM_NUMBER},
	{"stopSequences", SIM_LIST},
	{"temperature", SIM_NUMBER},
	{"topP", SIM_NUMBER},
	{"topK", SIM_NUMBER},
	{"presencePenalty", SIM_NUMBER},
	{"frequencyPenalty", SIM_NUMBER},
	{"seed", SIM_NUMBER},
	{"responseMimeType", SIM_STRING},
	{"responseSchema", SIM_OBJECT},
	{"responseJsonSchema", SIM_OBJECT},
	{"_responseJsonSchema", SIM_OBJECT},
	{"thinkingConfig", SIM_OBJECT},
	{"responseModalities", SIM_LIST},
	{"responseLogprobs", SIM_BOOL},
	{"logprobs", SIM_NUMBER},
	{"speechConfig", SIM_OBJECT},
	{"mediaResolution", SIM_STRING},
	{"imageConfig", SIM_OBJECT},
	{"enableEnhancedCivicAnswers", SIM_BOOL},
};
enum {
	MAX,
	COUNT,
	STOP,
	TEMPERATURE,
	TOP_P,
	TOP_K,
	PRESENCE,
	FREQUENCY,
	SEED,
	MIME,
	SCHEMA,
	JSON_SCHEMA,
	JSON_SCHEMA_OLD
};

static bool read_format(struct sim_reader *r, const struct sim_path *at, const struct json_span *m)
{
	bool schema = sim_given(&m[SCHEMA]) || sim_given(&m[JSON_SCHEMA]) || sim_given(&m[JSON_SCHEMA_OLD]);

	if (!SIM_ONE_OF(r, SIM_AT(at, "responseMimeType"), &m[MIME], "text/plain", "application/json", "text/x.enum"))
		return false;
	r->job->json = json_string_is(&m[MIME], "application/json");
	if (schema && (!sim_given(&m[MIME]) || json_string_is(&m[MIME], "text/plain")))
		return sim_refuse_value(r, SIM_AT(at, "responseMimeType"),
					"a response schema needs the MIME type application/json");
	return !sim_given(&m[SCHEMA]) || read_schema(r, SIM_AT(at, "responseSchema"), &m[SCHEMA], 0);
}

static bool read_config(struct sim_reader *r, const struct json_span *v)
{
	const struct sim_path at = {.name = "generationConfig"};
	struct json_span m[ARRAY_SIZE(config_members)];
	uint64_t count = 1;

	if (!sim_given(v))
		return true;
	if (!SIM_MEMBERS(r, &at, v, config_members, m) ||
	    !sim_check_uint(r, SIM_AT(&at, "maxOutputTokens"), &m[MAX], 1, UINT64_MAX, &r->limit) ||
	    !sim_check_uint(r, SIM_AT(&at, "candidateCount"), &m[COUNT], 1, 8, &count) ||
	    !sim_check_range(r, SIM_AT(&at, "temperature"), &m[TEMPERATURE], 0, 2) ||
	    !sim_check_range(r, SIM_AT(&at, "topP"), &m[TOP_P], 0, 1) ||
	    !sim_check_range(r, SIM_AT(&at, "topK"), &m[TOP_K], 1, 1e9) ||
	    !sim_check_range(r, SIM_AT(&at, "presencePenalty"), &m[PRESENCE], -2, 2) ||
	    !sim_check_range(r, SIM_AT(&at, "frequencyPenalty"), &m[FREQUENCY], -2, 2) ||
	    !sim_stops_read(r, SIM_AT(&at, "stopSequences"), &m[STOP], 5))
		return false;
	r->job->choices = (unsigned)count;
	return read_format(r, &at, m);
}

static bool gemini_read(struct sim_reader *r, const struct json_span *body)
{
	struct json_span m[ARRAY_SIZE(body_members)];

	return SIM_MEMBERS(r, NULL, body, body_members, m) && read_system(r, &m[SYSTEM]) &&
	       read_config(r, &m[CONFIG]) && read_contents(r, &m[CONTENTS]) &&
	       read_tools(r, &m[TOOLS], &m[TOOL_CONFIG]);
}

/* ---- writing */

/* What all candidates have so far: the whole, or so much of it in the middle of a stream. */
static void put_usage(struct buf *o, const struct sim_job *j, const struct sim_tokens *t)
{
	uint64_t said = t->completion - t->thoughts;

	SIM_PUT(o, ",\"usageMetadata\":{\"promptTokenCount\":");
	sim_put_count(o, j, t->prompt);
	SIM_PUT(o, ",\"candidatesTokenCount\":");
	sim_put_count(o, j, said);
	SIM_PUT(o, ",\"totalTokenCount\":");
	sim_put_count(o, j, t->prompt + t->completion + (j->usage == SIM_USAGE_INCONSISTENT ? 7 : 0));
	if (t->cached) {
		SIM_PUT(o, ",\"cachedContentTokenCount\":");
		sim_put_uint(o, t->cached);
	}
	if (t->thoughts) {
		SIM_PUT(o, ",\"thoughtsTokenCount\":");
		sim_put_uint(o, t->thoughts);
	}
	buf_putc(o, '}');
}

static void put_tail(struct buf *o, const struct sim_job *j)
{
	SIM_PUT(o, ",\"modelVersion\":");
	sim_put_string(o, j->model);
	SIM_PUT(o, ",\"responseId\":\"sim");
	sim_put_hex16(o, j->id);
	SIM_PUT(o, "\"}");
}

static void put_call(struct buf *o, const struct sim_job *j)
{
	SIM_PUT(o, "{\"functionCall\":{\"name\":");
	sim_put_string(o, j->tool_name);
	SIM_PUT(o, ",\"args\":");
	buf_puts(o, j->tool_args);
	SIM_PUT(o, "}}");
}

static void put_thought(struct buf *o, const struct sim_job *j)
{
	SIM_PUT(o, "{\"text\":\"");
	sim_thoughts_render(j, o);
	SIM_PUT(o, "\",\"thought\":true}");
}

static void put_finish(struct buf *o, const struct sim_job *j)
{
	if (j->end == SIM_END_LIMIT)
		SIM_PUT(o, ",\"finishReason\":\"MAX_TOKENS\"");
	else
		SIM_PUT(o, ",\"finishReason\":\"STOP\"");
}

static void gemini_render(const struct sim_job *j, struct buf *o)
{
	struct sim_tokens whole = sim_tokens_said(j, false), part = sim_tokens_said(j, true);

	SIM_PUT(o, "{\"candidates\":[");
	for (unsigned i = 0; i < j->choices; i++) {
		if (i)
			buf_putc(o, ',');
		SIM_PUT(o, "{\"content\":{\"parts\":[");
		if (j->thoughts) {
			put_thought(o, j);
			buf_putc(o, ',');
		}
		if (j->tool) {
			put_call(o, j);
		} else {
			SIM_PUT(o, "{\"text\":\"");
			sim_answer_text_render(j, o);
			SIM_PUT(o, "\"}");
		}
		SIM_PUT(o, "],\"role\":\"model\"}");
		put_finish(o, j);
		SIM_PUT(o, ",\"index\":");
		sim_put_uint(o, i);
		buf_putc(o, '}');
	}
	buf_putc(o, ']');
	if (j->usage == SIM_USAGE_TWICE)
		put_usage(o, j, &part);
	if (j->usage != SIM_USAGE_NONE)
		put_usage(o, j, &whole);
	put_tail(o, j);
}

/* ---- streams: the last piece has the finish reason, and every event the usage so far */

enum part { PART_THOUGHT, PART_CONTENT, PART_NOTHING };

static void put_candidate(struct buf *o, const struct sim_job *j, unsigned index, enum part part, bool last)
{
	SIM_PUT(o, "{\"content\":{\"parts\":[");
	if (part == PART_THOUGHT) {
		put_thought(o, j);
	} else if (part == PART_NOTHING) {
		SIM_PUT(o, "{\"text\":\"\"}");
	} else if (j->tool) {
		put_call(o, j);
	} else {
		SIM_PUT(o, "{\"text\":\"");
		sim_piece_render(j, j->step - 1, o);
		SIM_PUT(o, "\"}");
	}
	SIM_PUT(o, "],\"role\":\"model\"}");
	if (last && j->fault != SIM_NODONE)
		put_finish(o, j);
	SIM_PUT(o, ",\"index\":");
	sim_put_uint(o, index);
	buf_putc(o, '}');
}

static void put_event(struct buf *o, const struct sim_job *j, enum part part, unsigned pieces)
{
	struct sim_tokens t = sim_tokens_said(j, false);
	bool last = part != PART_THOUGHT && j->step >= pieces;

	if (!last)
		t.completion = t.thoughts + (pieces ? (t.completion - t.thoughts) * j->step / pieces : 0);
	SIM_PUT(o, "data: {\"candidates\":[");
	for (unsigned i = 0; i < j->choices; i++) {
		if (i)
			buf_putc(o, ',');
		put_candidate(o, j, i, part, last);
	}
	buf_putc(o, ']');
	if (j->usage != SIM_USAGE_NONE)
		put_usage(o, j, &t);
	put_tail(o, j);
	SIM_PUT(o, "\n\n");
}

static bool gemini_stream_next(struct sim_job *j, struct buf *o)
{
	unsigned n = sim_pieces(j);

	if (j->fault == SIM_MALFORMED && j->step == n / 2 + 1)
		SIM_PUT(o, "data: {\"candidates\":[{\"content\":\n\n");
	if (j->step == 0 && j->thoughts)
		put_event(o, j, PART_THOUGHT, n);
	else if (j->step >= 1 && j->step <= n)
		put_event(o, j, PART_CONTENT, n);
	else if (j->step > n && n == 0)
		put_event(o, j, PART_NOTHING, n);
	return j->step++ <= n;
}

const struct sim_wire sim_wire_gemini = {
	.name = "generateContent",
	.read = gemini_read,
	.render = gemini_render,
	.stream_next = gemini_stream_next,
	.error_head = "data: ",
	.ping = ": ping\n\n",
};
