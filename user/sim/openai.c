/* OpenAI's chat completions, Azure's too: requests, answers, streams. */
#include "sim/check.h"

#include <string.h>

/* ---- reading */

static const struct sim_member body_members[] = {
	{"model", SIM_STRING},
	{"messages", SIM_LIST | SIM_NEEDED},
	{"stream", SIM_BOOL},
	{"stream_options", SIM_OBJECT},
	{"max_completion_tokens", SIM_NUMBER},
	{"max_tokens", SIM_NUMBER},
	{"n", SIM_NUMBER},
	{"stop", SIM_STRING | SIM_LIST},
	{"tools", SIM_LIST},
	{"tool_choice", SIM_STRING | SIM_OBJECT},
	{"response_format", SIM_OBJECT},
	{"temperature", SIM_NUMBER},
	{"top_p", SIM_NUMBER},
	{"presence_penalty", SIM_NUMBER},
	{"frequency_penalty", SIM_NUMBER},
	{"user", SIM_STRING},
	{"parallel_tool_calls", SIM_BOOL},
	{"reasoning_effort", SIM_STRING},
	{"audio", SIM_OBJECT},
	{"function_call", SIM_STRING | SIM_OBJECT},
	{"functions", SIM_LIST},
	{"logit_bias", SIM_OBJECT},
	{"logprobs", SIM_BOOL},
	{"metadata", SIM_OBJECT},
	{"modalities", SIM_LIST},
	{"moderation", SIM_ANY},
	{"prediction", SIM_OBJECT},
	{"prompt_cache_key", SIM_STRING},
	{"prompt_cache_options", SIM_OBJECT},
	{"prompt_cache_retention", SIM_STRING},
	{"safety_identifier", SIM_STRING},
	{"seed", SIM_NUMBER},
	{"service_tier", SIM_STRING},
	{"store", SIM_BOOL},
	{"top_logprobs", SIM_NUMBER},
	{"verbosity", SIM_STRING},
	{"web_search_options", SIM_OBJECT},
};
enum {
	MODEL,
	MESSAGES,
	STREAM,
	STREAM_OPTIONS,
	MAX,
	MAX_OLD,
	N,
	STOP,
	TOOLS,
	TOOL_CHOICE,
	FORMAT,
	TEMPERATURE,
	TOP_P,
	PRESENCE,
	FREQUENCY,
	USER,
	PARALLEL,
	EFFORT,
};

enum part_of { OF_TEXT = 1, OF_USER = 2, OF_ASSISTANT = 4 };

static bool read_image(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {{"url", SIM_STRING | SIM_NEEDED}, {"detail", SIM_STRING}};
	struct json_span m[ARRAY_SIZE(members)], url;

	if (!SIM_MEMBERS(r, at, v, members, m) ||
	    !SIM_ONE_OF(r, SIM_AT(at, "detail"), &m[1], "auto", "low", "high", "original"))
		return false;
	url = sim_raw(&m[0]);
	if ((url.len < 8 || memcmp(url.at, "https://", 8) != 0) && (url.len < 7 || memcmp(url.at, "http://", 7) != 0) &&
	    (url.len < 11 || memcmp(url.at, "data:image/", 11) != 0))
		return sim_refuse_value(r, SIM_AT(at, "url"), "it should be an http(s) URL or a data URL of an image");
	r->files++;
	return true;
}

static bool read_part(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, unsigned of)
{
	static const struct sim_member members[] = {{"type", SIM_STRING | SIM_NEEDED},
						    {"text", SIM_STRING},
						    {"refusal", SIM_STRING},
						    {"image_url", SIM_OBJECT},
						    {"input_audio", SIM_OBJECT},
						    {"file", SIM_OBJECT},
						    {"prompt_cache_breakpoint", SIM_OBJECT}};
	struct json_span m[ARRAY_SIZE(members)];
	unsigned need;

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	if (json_string_is(&m[0], "text"))
		need = 1;
	else if (json_string_is(&m[0], "refusal") && of & OF_ASSISTANT)
		need = 2;
	else if (json_string_is(&m[0], "image_url") && of & OF_USER)
		need = 3;
	else if (json_string_is(&m[0], "input_audio") && of & OF_USER)
		need = 4;
	else if (json_string_is(&m[0], "file") && of & OF_USER)
		need = 5;
	else
		return sim_refuse_value(r, SIM_AT(at, "type"), "this message can't have such a part");
	if (!sim_given(&m[need]))
		return sim_refuse_missing(r, SIM_AT(at, members[need].name));
	for (unsigned i = 1; i <= 5; i++)
		if (i != need && sim_given(&m[i]))
			return sim_refuse_unknown(r, at, members[i].name, strlen(members[i].name));
	if (need == 3)
		return read_image(r, SIM_AT(at, "image_url"), &m[3]);
	if (need < 3)
		sim_prompt_add(r, &m[need]);
	else
		r->files++;
	return true;
}

static bool read_content(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, unsigned of)
{
	if (v->type == JSON_SPAN_ARRAY && json_is_empty(v))
		return sim_refuse_value(r, at, "it should have at least one part");
	return sim_read_parts(r, at, v, read_part, of);
}

static bool read_call(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member call[] = {{"id", SIM_STRING | SIM_NEEDED},
						 {"type", SIM_STRING | SIM_NEEDED},
						 {"function", SIM_OBJECT | SIM_NEEDED}};
	static const struct sim_member function[] = {{"name", SIM_STRING | SIM_NEEDED},
						     {"arguments", SIM_STRING | SIM_NEEDED}};
	struct json_span c[ARRAY_SIZE(call)], f[ARRAY_SIZE(function)];
	size_t args;

	if (!SIM_MEMBERS(r, at, v, call, c) || !SIM_ONE_OF(r, SIM_AT(at, "type"), &c[1], "function") ||
	    !SIM_MEMBERS(r, SIM_AT(at, "function"), &c[2], function, f))
		return false;
	/* The model wrote them, so any text is taken; our models write JSON. */
	if (!sim_args_text_len(r, &f[1], &args))
		args = sim_string_len(&f[1]);
	sim_prompt_add(r, &f[0]);
	r->text_bytes += args;
	return sim_call_seen(r, &c[0]) || sim_refuse_value(r, at, "too many tool calls");
}

static bool read_calls(struct sim_reader *r, const struct sim_path *at, const struct json_span *list)
{
	struct json_iter it;
	struct json_span v;

	if (!sim_given(list) || json_iter_init(&it, list) < 0)
		return true;
	if (json_is_empty(list))
		return sim_refuse_value(r, at, "it should have at least one call");
	for (unsigned i = 0; json_iter_next(&it, NULL, &v) > 0; i++)
		if (!read_call(r, SIM_NTH(at, i), &v))
			return false;
	return true;
}

static bool read_assistant(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {{"role", SIM_STRING},          {"content", SIM_STRING | SIM_LIST},
						    {"tool_calls", SIM_LIST},      {"refusal", SIM_STRING},
						    {"name", SIM_STRING},          {"audio", SIM_OBJECT},
						    {"function_call", SIM_OBJECT}, {"annotations", SIM_LIST}};
	struct json_span m[ARRAY_SIZE(members)];

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	if (!sim_given(&m[1]) && !sim_given(&m[2]) && !sim_given(&m[3]) && !sim_given(&m[5]) && !sim_given(&m[6]))
		return sim_refuse_value(r, SIM_AT(at, "content"), "it may be absent only beside tool calls");
	sim_prompt_add(r, &m[3]);
	return read_content(r, SIM_AT(at, "content"), &m[1], OF_TEXT | OF_ASSISTANT) &&
	       read_calls(r, SIM_AT(at, "tool_calls"), &m[2]);
}

static bool read_result(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {{"role", SIM_STRING},
						    {"content", SIM_STRING | SIM_LIST | SIM_NEEDED},
						    {"tool_call_id", SIM_STRING | SIM_NEEDED}};
	struct json_span m[ARRAY_SIZE(members)];

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	if (!sim_result_seen(r, &m[2]))
		return sim_refuse_value(
			r, SIM_AT(at, "role"),
			"messages with role 'tool' must answer a call of the assistant's message before");
	return read_content(r, SIM_AT(at, "content"), &m[1], OF_TEXT);
}

static bool read_message(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {
		{"role", SIM_STRING}, {"content", SIM_STRING | SIM_LIST | SIM_NEEDED}, {"name", SIM_STRING}};
	struct json_span m[ARRAY_SIZE(members)], role = sim_member_of(v, "role");

	if (v->type != JSON_SPAN_OBJECT)
		return sim_refuse_type(r, at, "an object");
	if (!sim_given(&role))
		return sim_refuse_missing(r, SIM_AT(at, "role"));
	r->after_result = json_string_is(&role, "tool");
	if (r->after_result)
		return read_result(r, at, v);
	if (r->n_pending)
		return sim_refuse_value(r, at,
					"every tool call of the assistant's message before needs its 'tool' message");
	if (json_string_is(&role, "assistant"))
		return read_assistant(r, at, v);
	if (!SIM_ONE_OF(r, SIM_AT(at, "role"), &role, "system", "developer", "user", "assistant", "tool") ||
	    !SIM_MEMBERS(r, at, v, members, m))
		return false;
	return read_content(r, SIM_AT(at, "content"), &m[1],
			    json_string_is(&role, "user") ? OF_TEXT | OF_USER : OF_TEXT);
}

/* None at all is refused by the real one; load generators rely on it here. */
static bool read_messages(struct sim_reader *r, const struct json_span *list)
{
	const struct sim_path at = {.name = "messages"};
	struct json_iter it;
	struct json_span v;

	if (json_iter_init(&it, list) < 0)
		return true;
	for (unsigned i = 0; json_iter_next(&it, NULL, &v) > 0; i++)
		if (!read_message(r, SIM_NTH(&at, i), &v))
			return false;
	return !r->n_pending || sim_refuse_value(r, &at, "every tool call needs its 'tool' message");
}

static bool read_tool(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member tool[] = {{"type", SIM_STRING | SIM_NEEDED},
						 {"function", SIM_OBJECT | SIM_NEEDED}};
	static const struct sim_member function[] = {{"name", SIM_STRING | SIM_NEEDED},
						     {"description", SIM_STRING},
						     {"parameters", SIM_OBJECT},
						     {"strict", SIM_BOOL}};
	struct json_span t[ARRAY_SIZE(tool)], f[ARRAY_SIZE(function)];

	if (!SIM_MEMBERS(r, at, v, tool, t) || !SIM_ONE_OF(r, SIM_AT(at, "type"), &t[0], "function") ||
	    !SIM_MEMBERS(r, SIM_AT(at, "function"), &t[1], function, f))
		return false;
	sim_tool_offer(r, &f[0], &f[2]);
	return true;
}

static bool read_tools(struct sim_reader *r, const struct json_span *tools, const struct json_span *choice)
{
	const struct sim_path at = {.name = "tools"}, choice_at = {.name = "tool_choice"};
	struct json_span v, function;
	struct json_iter it;

	if (sim_given(choice) && !sim_given(tools))
		return sim_refuse_value(r, &choice_at, "it is only allowed when 'tools' are specified");
	if (!sim_given(tools) || json_iter_init(&it, tools) < 0)
		return true;
	if (choice->type == JSON_SPAN_STRING && !SIM_ONE_OF(r, &choice_at, choice, "none", "auto", "required"))
		return false;
	r->tools_off = json_string_is(choice, "none");
	function = sim_member_of(choice, "function");
	r->tool_wanted = sim_member_of(&function, "name");
	if (choice->type == JSON_SPAN_OBJECT && !sim_given(&r->tool_wanted))
		return sim_refuse_missing(r, SIM_AT(SIM_AT(&choice_at, "function"), "name"));
	if (json_is_empty(tools))
		return sim_refuse_value(r, &at, "it should have at least one tool");
	for (unsigned i = 0; json_iter_next(&it, NULL, &v) > 0; i++)
		if (!read_tool(r, SIM_NTH(&at, i), &v))
			return false;
	return true;
}

static bool read_format(struct sim_reader *r, const struct json_span *v)
{
	static const struct sim_member members[] = {{"type", SIM_STRING | SIM_NEEDED}, {"json_schema", SIM_OBJECT}};
	static const struct sim_member schema[] = {{"name", SIM_STRING | SIM_NEEDED},
						   {"description", SIM_STRING},
						   {"schema", SIM_OBJECT},
						   {"strict", SIM_BOOL}};
	const struct sim_path at = {.name = "response_format"};
	struct json_span m[ARRAY_SIZE(members)], s[ARRAY_SIZE(schema)];

	if (!sim_given(v))
		return true;
	if (!SIM_MEMBERS(r, &at, v, members, m) ||
	    !SIM_ONE_OF(r, SIM_AT(&at, "type"), &m[0], "text", "json_object", "json_schema"))
		return false;
	r->job->json = !json_string_is(&m[0], "text");
	if (!json_string_is(&m[0], "json_schema"))
		return true;
	if (!sim_given(&m[1]))
		return sim_refuse_missing(r, SIM_AT(&at, "json_schema"));
	return SIM_MEMBERS(r, SIM_AT(&at, "json_schema"), &m[1], schema, s);
}

static bool read_sampling(struct sim_reader *r, const struct json_span *m)
{
	const struct sim_path max = {.name = body_members[MAX].name}, max_old = {.name = body_members[MAX_OLD].name},
			      n = {.name = "n"};
	uint64_t choices = 1;

	if (!sim_check_range(r, SIM_AT(NULL, "temperature"), &m[TEMPERATURE], 0, 2) ||
	    !sim_check_range(r, SIM_AT(NULL, "top_p"), &m[TOP_P], 0, 1) ||
	    !sim_check_range(r, SIM_AT(NULL, "presence_penalty"), &m[PRESENCE], -2, 2) ||
	    !sim_check_range(r, SIM_AT(NULL, "frequency_penalty"), &m[FREQUENCY], -2, 2) ||
	    !sim_check_uint(r, &n, &m[N], 1, SIM_CHOICES_MAX, &choices) ||
	    !sim_check_uint(r, &max, &m[MAX], 1, UINT64_MAX, &r->limit) ||
	    !sim_check_uint(r, &max_old, &m[MAX_OLD], 1, UINT64_MAX, &r->limit))
		return false;
	if (sim_given(&m[MAX]) && sim_given(&m[MAX_OLD]))
		return sim_refuse_value(r, &max_old, "'max_tokens' and 'max_completion_tokens' can't both be given");
	if (!SIM_ONE_OF(r, SIM_AT(NULL, "reasoning_effort"), &m[EFFORT], "none", "minimal", "low", "medium", "high",
			"xhigh", "max"))
		return false;
	r->job->choices = (unsigned)choices;
	return sim_stops_read(r, SIM_AT(NULL, "stop"), &m[STOP], 4);
}

static bool chat_read(struct sim_reader *r, const struct json_span *body)
{
	static const struct sim_member options[] = {{"include_usage", SIM_BOOL}, {"include_obfuscation", SIM_BOOL}};
	struct json_span m[ARRAY_SIZE(body_members)], o[ARRAY_SIZE(options)] = {0};

	/* Whose request it was is known as early as can be, whatever else is wrong with it. */
	if (!SIM_MEMBERS(r, NULL, body, body_members, m)) {
		r->model = sim_member_of(body, "model");
		return false;
	}
	r->model = m[MODEL];
	r->user = m[USER];
	r->job->stream = m[STREAM].type == JSON_SPAN_TRUE;
	if (sim_given(&m[STREAM_OPTIONS]) && !r->job->stream)
		return sim_refuse_value(r, SIM_AT(NULL, "stream_options"),
					"it is only allowed when 'stream' is enabled");
	if (sim_given(&m[STREAM_OPTIONS]) &&
	    !SIM_MEMBERS(r, SIM_AT(NULL, "stream_options"), &m[STREAM_OPTIONS], options, o))
		return false;
	r->job->include_usage = o[0].type == JSON_SPAN_TRUE;
	return sim_model_take(r) && read_sampling(r, m) && read_messages(r, &m[MESSAGES]) &&
	       read_tools(r, &m[TOOLS], &m[TOOL_CHOICE]) && read_format(r, &m[FORMAT]);
}

/* ---- writing */

static void put_usage_value(const struct sim_job *j, bool part, struct buf *o)
{
	struct sim_tokens t = sim_tokens_said(j, part);

	SIM_PUT(o, "{\"prompt_tokens\":");
	sim_put_count(o, j, t.prompt);
	SIM_PUT(o, ",\"completion_tokens\":");
	sim_put_count(o, j, t.completion);
	SIM_PUT(o, ",\"total_tokens\":");
	sim_put_count(o, j, t.prompt + t.completion + (j->usage == SIM_USAGE_INCONSISTENT ? 7 : 0));
	SIM_PUT(o, ",\"prompt_tokens_details\":{\"cached_tokens\":");
	sim_put_uint(o, t.cached);
	SIM_PUT(o, "},\"completion_tokens_details\":{\"reasoning_tokens\":");
	sim_put_uint(o, t.thoughts);
	SIM_PUT(o, "}}");
}

/* `,"usage":...`, as often as it is reported. */
static void put_usage(struct buf *o, const struct sim_job *j)
{
	if (j->usage == SIM_USAGE_NONE)
		return;
	if (j->usage == SIM_USAGE_TWICE) {
		SIM_PUT(o, ",\"usage\":");
		put_usage_value(j, true, o);
	}
	SIM_PUT(o, ",\"usage\":");
	put_usage_value(j, false, o);
}

static void put_head(struct buf *o, const struct sim_job *j, const char *object)
{
	SIM_PUT(o, "{\"id\":\"chatcmpl-sim");
	sim_put_hex16(o, j->id);
	SIM_PUT(o, "\",\"object\":\"");
	buf_puts(o, object);
	SIM_PUT(o, "\",\"created\":");
	sim_put_uint(o, (uint64_t)j->created_s);
	SIM_PUT(o, ",\"model\":");
	sim_put_string(o, j->model);
	SIM_PUT(o, ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_tollgate_sim\",\"choices\":[");
}

static const char *finish_reason(const struct sim_job *j)
{
	return j->end == SIM_END_TOOL ? "tool_calls" : j->end == SIM_END_LIMIT ? "length" : "stop";
}

/* "id": the call's own, so that a tool result can be matched. */
static void put_tool_id(struct buf *o, const struct sim_job *j, unsigned choice)
{
	SIM_PUT(o, "\"id\":\"call_sim");
	sim_put_hex16(o, j->id * SIM_CHOICES_MAX + choice);
	SIM_PUT(o, "\",\"type\":\"function\",\"function\":{\"name\":");
	sim_put_string(o, j->tool_name);
	SIM_PUT(o, ",\"arguments\":");
}

static void chat_render(const struct sim_job *j, struct buf *o)
{
	put_head(o, j, "chat.completion");
	for (unsigned i = 0; i < j->choices; i++) {
		if (i)
			buf_putc(o, ',');
		SIM_PUT(o, "{\"index\":");
		sim_put_uint(o, i);
		SIM_PUT(o, ",\"message\":{\"role\":\"assistant\",\"content\":");
		if (j->tool) {
			SIM_PUT(o, "null,\"refusal\":null,\"tool_calls\":[{");
			put_tool_id(o, j, i);
			buf_put_json_string(o, j->tool_args, strlen(j->tool_args));
			SIM_PUT(o, "}}]}");
		} else {
			buf_putc(o, '"');
			sim_answer_text_render(j, o);
			SIM_PUT(o, "\",\"refusal\":null}");
		}
		SIM_PUT(o, ",\"logprobs\":null,\"finish_reason\":");
		sim_put_string(o, finish_reason(j));
		if (j->dialect == TG_DIALECT_AZURE)
			sim_azure_choice_filter(o);
		buf_putc(o, '}');
	}
	buf_putc(o, ']');
	if (j->dialect == TG_DIALECT_AZURE)
		sim_azure_prompt_filter(o);
	put_usage(o, j);
	buf_putc(o, '}');
}

/* ---- streams: after the closing step usage and [DONE] */

static void put_delta_open(struct buf *o, const struct sim_job *j, unsigned choice)
{
	SIM_PUT(o, "{\"role\":\"assistant\",\"content\":");
	if (!j->tool) {
		SIM_PUT(o, "\"\",\"refusal\":null}");
		return;
	}
	SIM_PUT(o, "null,\"tool_calls\":[{\"index\":0,");
	put_tool_id(o, j, choice);
	SIM_PUT(o, "\"\"}}]}");
}

static void put_delta_piece(struct buf *o, const struct sim_job *j, unsigned piece)
{
	if (j->tool) {
		SIM_PUT(o, "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":");
		sim_args_piece_render(j, piece, o);
		SIM_PUT(o, "}}]}");
		return;
	}
	SIM_PUT(o, "{\"content\":\"");
	sim_piece_render(j, piece, o);
	SIM_PUT(o, "\"}");
}

static void put_chunk(struct buf *o, const struct sim_job *j, unsigned choice, unsigned pieces)
{
	SIM_PUT(o, "data: ");
	put_head(o, j, "chat.completion.chunk");
	SIM_PUT(o, "{\"index\":");
	sim_put_uint(o, choice);
	SIM_PUT(o, ",\"delta\":");
	if (j->step == 0)
		put_delta_open(o, j, choice);
	else if (j->step <= pieces)
		put_delta_piece(o, j, j->step - 1);
	else
		SIM_PUT(o, "{}");
	SIM_PUT(o, ",\"logprobs\":null,\"finish_reason\":");
	if (j->step > pieces)
		sim_put_string(o, finish_reason(j));
	else
		SIM_PUT(o, "null");
	if (j->dialect == TG_DIALECT_AZURE && j->step > 0)
		sim_azure_choice_filter(o);
	SIM_PUT(o, "}]");
	if (j->include_usage && j->usage == SIM_USAGE_ON_CHOICE && j->step > pieces && choice + 1 == j->choices)
		put_usage(o, j);
	else if (j->include_usage && j->usage != SIM_USAGE_NONE)
		SIM_PUT(o, ",\"usage\":null");
	SIM_PUT(o, "}\n\n");
}

static void put_usage_chunk(struct buf *o, const struct sim_job *j, bool part)
{
	SIM_PUT(o, "data: ");
	put_head(o, j, "chat.completion.chunk");
	SIM_PUT(o, "],\"usage\":");
	put_usage_value(j, part, o);
	SIM_PUT(o, "}\n\n");
}

static void put_usage_chunks(struct buf *o, const struct sim_job *j)
{
	if (!j->include_usage || j->usage == SIM_USAGE_NONE || j->usage == SIM_USAGE_ON_CHOICE)
		return;
	if (j->usage == SIM_USAGE_TWICE)
		put_usage_chunk(o, j, true);
	put_usage_chunk(o, j, false);
}

static bool chat_stream_next(struct sim_job *j, struct buf *o)
{
	unsigned n = sim_pieces(j);

	if (j->dialect == TG_DIALECT_AZURE && j->step == 0) {
		SIM_PUT(o, "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\"");
		sim_azure_prompt_filter(o);
		SIM_PUT(o, "}\n\n");
	}
	if (j->fault == SIM_MALFORMED && j->step == n / 2 + 1)
		SIM_PUT(o, "data: {\"id\":\"chatcmpl-broken\",\"choices\":[{\"index\":\n\n");
	for (unsigned i = 0; i < j->choices; i++)
		put_chunk(o, j, i, n);
	if (j->step++ <= n)
		return true;
	put_usage_chunks(o, j);
	if (j->fault != SIM_NODONE)
		SIM_PUT(o, "data: [DONE]\n\n");
	return false;
}

const struct sim_wire sim_wire_chat = {
	.name = "chat",
	.read = chat_read,
	.render = chat_render,
	.stream_next = chat_stream_next,
	.error_head = "data: ",
	.ping = ": keep-alive\n\n",
};
