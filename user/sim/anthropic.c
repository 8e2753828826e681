/* Anthropic's messages: requests, answers, streams. */
#include "sim/check.h"

#include <string.h>

/* ---- reading */

static const struct sim_member body_members[] = {
	{"model", SIM_STRING | SIM_NEEDED},
	{"messages", SIM_LIST | SIM_NEEDED},
	{"max_tokens", SIM_NUMBER | SIM_NEEDED},
	{"stream", SIM_BOOL},
	{"system", SIM_STRING | SIM_LIST},
	{"stop_sequences", SIM_LIST},
	{"temperature", SIM_NUMBER},
	{"top_p", SIM_NUMBER},
	{"top_k", SIM_NUMBER},
	{"tools", SIM_LIST},
	{"tool_choice", SIM_OBJECT},
	{"metadata", SIM_OBJECT},
	{"output_config", SIM_OBJECT},
	{"cache_control", SIM_OBJECT},
	{"container", SIM_STRING | SIM_OBJECT},
	{"diagnostics", SIM_OBJECT},
	{"inference_geo", SIM_STRING},
	{"service_tier", SIM_STRING},
	{"speed", SIM_STRING},
	{"thinking", SIM_OBJECT},
	{"user_profile_id", SIM_STRING},
	{"workspace_id", SIM_STRING},
};
enum {
	MODEL,
	MESSAGES,
	MAX,
	STREAM,
	SYSTEM,
	STOP,
	TEMPERATURE,
	TOP_P,
	TOP_K,
	TOOLS,
	TOOL_CHOICE,
	METADATA,
	OUTPUT,
};

/* Where a block may stand. */
enum block_of { OF_SYSTEM = 1, OF_USER = 2, OF_ASSISTANT = 4, OF_RESULT = 8 };

static bool read_block(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, unsigned of);

static bool read_text(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, unsigned of)
{
	static const struct sim_member members[] = {{"type", SIM_STRING},
						    {"text", SIM_STRING | SIM_NEEDED},
						    {"cache_control", SIM_OBJECT},
						    {"citations", SIM_LIST}};
	struct json_span m[ARRAY_SIZE(members)];

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	if (m[1].len == 2)
		return sim_refuse_value(r, SIM_AT(at, "text"), "text content blocks must be non-empty");
	if (sim_given(&m[3]) && r->new_rules && of & OF_USER)
		return sim_refuse_unknown(r, at, "citations", 9);
	sim_prompt_add(r, &m[1]);
	return true;
}

static bool read_image(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {{"type", SIM_STRING},
						    {"source", SIM_OBJECT | SIM_NEEDED},
						    {"cache_control", SIM_OBJECT},
						    {"transformations", SIM_LIST}};
	static const struct sim_member base64[] = {
		{"type", SIM_STRING}, {"media_type", SIM_STRING | SIM_NEEDED}, {"data", SIM_STRING | SIM_NEEDED}};
	static const struct sim_member url[] = {{"type", SIM_STRING}, {"url", SIM_STRING | SIM_NEEDED}};
	struct json_span m[ARRAY_SIZE(members)], s[ARRAY_SIZE(base64)], type;
	const struct sim_path source = {.up = at, .name = "source"};

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	type = sim_member_of(&m[1], "type");
	r->files++;
	if (json_string_is(&type, "url"))
		return SIM_MEMBERS(r, &source, &m[1], url, s);
	if (!json_string_is(&type, "base64"))
		return sim_refuse_value(r, SIM_AT(&source, "type"), "it should be 'base64' or 'url'");
	return SIM_MEMBERS(r, &source, &m[1], base64, s) &&
	       SIM_ONE_OF(r, SIM_AT(&source, "media_type"), &s[1], "image/jpeg", "image/png", "image/gif",
			  "image/webp");
}

static bool read_call(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {{"type", SIM_STRING},
						    {"id", SIM_STRING | SIM_NEEDED},
						    {"name", SIM_STRING | SIM_NEEDED},
						    {"input", SIM_OBJECT | SIM_NEEDED},
						    {"cache_control", SIM_OBJECT},
						    {"caller", SIM_OBJECT},
						    {"toolset_name", SIM_STRING}};
	struct json_span m[ARRAY_SIZE(members)], id;

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	id = sim_raw(&m[1]);
	for (size_t i = 0; i < id.len; i++)
		if (!memchr("-_", id.at[i], 2) && !((id.at[i] | 0x20) >= 'a' && (id.at[i] | 0x20) <= 'z') &&
		    !(id.at[i] >= '0' && id.at[i] <= '9'))
			return sim_refuse_value(r, SIM_AT(at, "id"), "String should match pattern '^[a-zA-Z0-9_-]+$'");
	sim_prompt_add(r, &m[2]);
	r->text_bytes += sim_compact_len(m[3].at, m[3].len);
	return sim_call_seen(r, &m[1]) || sim_refuse_value(r, at, "too many tool calls");
}

static bool read_result(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {{"type", SIM_STRING},
						    {"tool_use_id", SIM_STRING | SIM_NEEDED},
						    {"content", SIM_STRING | SIM_LIST},
						    {"is_error", SIM_BOOL},
						    {"cache_control", SIM_OBJECT},
						    {"toolset_name", SIM_STRING}};
	struct json_span m[ARRAY_SIZE(members)];

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	if (!sim_result_seen(r, &m[1]))
		return sim_refuse_value(r, SIM_AT(at, "tool_use_id"),
					"each `tool_result` block must have a corresponding `tool_use` block in the "
					"previous message");
	r->after_result = true;
	return sim_read_parts(r, SIM_AT(at, "content"), &m[2], read_block, OF_RESULT);
}

static bool read_thinking(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {
		{"type", SIM_STRING}, {"thinking", SIM_STRING | SIM_NEEDED}, {"signature", SIM_STRING | SIM_NEEDED}};
	struct json_span m[ARRAY_SIZE(members)];

	return SIM_MEMBERS(r, at, v, members, m);
}

static bool read_document(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {{"type", SIM_STRING},          {"source", SIM_OBJECT | SIM_NEEDED},
						    {"cache_control", SIM_OBJECT}, {"citations", SIM_OBJECT},
						    {"context", SIM_STRING},       {"title", SIM_STRING}};
	struct json_span m[ARRAY_SIZE(members)];

	r->files++;
	return SIM_MEMBERS(r, at, v, members, m);
}

static bool read_block(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, unsigned of)
{
	struct json_span type = sim_member_of(v, "type");

	if (v->type != JSON_SPAN_OBJECT)
		return sim_refuse_type(r, at, "an object");
	if (type.type != JSON_SPAN_STRING)
		return sim_refuse_missing(r, SIM_AT(at, "type"));
	if (json_string_is(&type, "tool_result") && of & OF_USER)
		return read_result(r, at, v);
	/* Results come first, and all of them. */
	if (r->n_pending && of & OF_USER)
		return sim_refuse_value(r, at,
					"`tool_use` ids were found without `tool_result` blocks immediately after");
	if (json_string_is(&type, "text"))
		return read_text(r, at, v, of);
	if (json_string_is(&type, "image") && of & (OF_USER | OF_RESULT))
		return read_image(r, at, v);
	if (json_string_is(&type, "document") && (of & (OF_USER | OF_RESULT) || (of & OF_ASSISTANT && !r->new_rules)))
		return read_document(r, at, v);
	if (json_string_is(&type, "tool_use") && of & OF_ASSISTANT)
		return read_call(r, at, v);
	if (json_string_is(&type, "thinking") && of & OF_ASSISTANT)
		return read_thinking(r, at, v);
	return sim_refuse_value(r, SIM_AT(at, "type"), "such a block can't stand here");
}

static bool read_message(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, bool first)
{
	static const struct sim_member members[] = {{"role", SIM_STRING | SIM_NEEDED},
						    {"content", SIM_STRING | SIM_LIST | SIM_NEEDED}};
	struct json_span m[ARRAY_SIZE(members)];
	bool user;

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	user = json_string_is(&m[0], "user");
	if (!user && !json_string_is(&m[0], "assistant"))
		return sim_refuse_value(r, SIM_AT(at, "role"), "Input should be 'user' or 'assistant'");
	if (first && !user)
		return sim_refuse_value(r, at, "first message must use the \"user\" role");
	if (m[1].len == 2)
		return sim_refuse_value(r, SIM_AT(at, "content"), "it must have non-empty content");
	if (r->n_pending && (!user || m[1].type == JSON_SPAN_STRING))
		return sim_refuse_value(r, at,
					"`tool_use` ids were found without `tool_result` blocks immediately after");
	r->after_result = false;
	if (!sim_read_parts(r, SIM_AT(at, "content"), &m[1], read_block, user ? OF_USER : OF_ASSISTANT))
		return false;
	return !user || !r->n_pending ||
	       sim_refuse_value(r, at, "`tool_use` ids were found without `tool_result` blocks immediately after");
}

static bool read_messages(struct sim_reader *r, const struct json_span *list)
{
	const struct sim_path at = {.name = "messages"};
	struct json_iter it;
	struct json_span v;

	if (json_is_empty(list))
		return sim_refuse_value(r, &at, "at least one message is required");
	if (json_iter_init(&it, list) < 0)
		return true;
	for (unsigned i = 0; json_iter_next(&it, NULL, &v) > 0; i++)
		if (!read_message(r, SIM_NTH(&at, i), &v, i == 0))
			return false;
	return !r->n_pending || sim_refuse_value(r, &at, "`tool_use` ids were found without `tool_result` blocks");
}

static bool read_tool(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {{"name", SIM_STRING | SIM_NEEDED},
						    {"input_schema", SIM_OBJECT | SIM_NEEDED},
						    {"description", SIM_STRING},
						    {"type", SIM_STRING},
						    {"strict", SIM_BOOL},
						    {"cache_control", SIM_OBJECT},
						    {"allowed_callers", SIM_LIST},
						    {"defer_loading", SIM_BOOL},
						    {"eager_input_streaming", SIM_BOOL},
						    {"input_examples", SIM_LIST}};
	struct json_span m[ARRAY_SIZE(members)], type;
	const struct sim_path schema = {.up = at, .name = "input_schema"};

	if (!SIM_MEMBERS(r, at, v, members, m) || !SIM_ONE_OF(r, SIM_AT(at, "type"), &m[3], "custom"))
		return false;
	type = sim_member_of(&m[1], "type");
	if (!sim_given(&type))
		return sim_refuse_missing(r, SIM_AT(&schema, "type"));
	if (!json_string_is(&type, "object"))
		return sim_refuse_value(r, SIM_AT(&schema, "type"), "Input should be 'object'");
	sim_tool_offer(r, &m[0], &m[1]);
	return true;
}

static bool read_tools(struct sim_reader *r, const struct json_span *tools, const struct json_span *choice)
{
	static const struct sim_member members[] = {
		{"type", SIM_STRING | SIM_NEEDED}, {"name", SIM_STRING}, {"disable_parallel_tool_use", SIM_BOOL}};
	const struct sim_path at = {.name = "tools"}, choice_at = {.name = "tool_choice"};
	struct json_span m[ARRAY_SIZE(members)] = {0}, v;
	struct json_iter it;

	if (sim_given(choice) && (!sim_given(tools) || json_is_empty(tools)))
		return sim_refuse_value(r, &choice_at, "tool_choice may only be specified while providing tools");
	if (sim_given(choice)) {
		if (!SIM_MEMBERS(r, &choice_at, choice, members, m) ||
		    !SIM_ONE_OF(r, SIM_AT(&choice_at, "type"), &m[0], "auto", "any", "tool", "none"))
			return false;
		if (json_string_is(&m[0], "tool") && !sim_given(&m[1]))
			return sim_refuse_missing(r, SIM_AT(&choice_at, "name"));
		if (!json_string_is(&m[0], "tool") && sim_given(&m[1]))
			return sim_refuse_unknown(r, &choice_at, "name", 4);
	}
	r->tools_off = json_string_is(&m[0], "none");
	r->tool_wanted = m[1];
	if (!sim_given(tools) || json_iter_init(&it, tools) < 0)
		return true;
	for (unsigned i = 0; json_iter_next(&it, NULL, &v) > 0; i++)
		if (!read_tool(r, SIM_NTH(&at, i), &v))
			return false;
	return true;
}

static bool read_output(struct sim_reader *r, const struct json_span *v)
{
	static const struct sim_member members[] = {{"effort", SIM_STRING}, {"format", SIM_OBJECT}};
	static const struct sim_member format[] = {{"type", SIM_STRING | SIM_NEEDED},
						   {"schema", SIM_OBJECT | SIM_NEEDED}};
	const struct sim_path at = {.name = "output_config"};
	struct json_span m[ARRAY_SIZE(members)], f[ARRAY_SIZE(format)];

	if (!sim_given(v))
		return true;
	if (!SIM_MEMBERS(r, &at, v, members, m) ||
	    !SIM_ONE_OF(r, SIM_AT(&at, "effort"), &m[0], "low", "medium", "high", "xhigh", "max"))
		return false;
	if (!sim_given(&m[1]))
		return true;
	r->job->json = true;
	return SIM_MEMBERS(r, SIM_AT(&at, "format"), &m[1], format, f) &&
	       SIM_ONE_OF(r, SIM_AT(SIM_AT(&at, "format"), "type"), &f[0], "json_schema");
}

static bool read_sampling(struct sim_reader *r, const struct json_span *m)
{
	uint64_t k = 0;

	for (unsigned i = TEMPERATURE; i <= TOP_K; i++)
		if (r->new_rules && sim_given(&m[i]))
			return sim_refuse_unknown(r, NULL, body_members[i].name, strlen(body_members[i].name));
	return sim_check_uint(r, SIM_AT(NULL, "max_tokens"), &m[MAX], 1, UINT64_MAX, &r->limit) &&
	       sim_check_range(r, SIM_AT(NULL, "temperature"), &m[TEMPERATURE], 0, 1) &&
	       sim_check_range(r, SIM_AT(NULL, "top_p"), &m[TOP_P], 0, 1) &&
	       sim_check_uint(r, SIM_AT(NULL, "top_k"), &m[TOP_K], 0, UINT64_MAX, &k) &&
	       sim_stops_read(r, SIM_AT(NULL, "stop_sequences"), &m[STOP], SIM_STOPS_MAX);
}

static bool messages_read(struct sim_reader *r, const struct json_span *body)
{
	static const struct sim_member metadata[] = {{"user_id", SIM_STRING}};
	struct json_span m[ARRAY_SIZE(body_members)], user[1] = {0};

	if (!SIM_MEMBERS(r, NULL, body, body_members, m)) {
		r->model = sim_member_of(body, "model");
		return false;
	}
	r->model = m[MODEL];
	r->job->stream = m[STREAM].type == JSON_SPAN_TRUE;
	if (!sim_model_take(r) ||
	    (sim_given(&m[METADATA]) && !SIM_MEMBERS(r, SIM_AT(NULL, "metadata"), &m[METADATA], metadata, user)))
		return false;
	r->user = user[0];
	return read_sampling(r, m) && sim_read_parts(r, SIM_AT(NULL, "system"), &m[SYSTEM], read_block, OF_SYSTEM) &&
	       read_messages(r, &m[MESSAGES]) && read_tools(r, &m[TOOLS], &m[TOOL_CHOICE]) &&
	       read_output(r, &m[OUTPUT]);
}

/* ---- writing */

/* The input's counts, which leave the cache's out of input_tokens. */
static void put_input(struct buf *o, const struct sim_job *j, const struct sim_tokens *t)
{
	SIM_PUT(o, "\"input_tokens\":");
	sim_put_count(o, j, t->prompt - t->cached - t->created);
	SIM_PUT(o, ",\"cache_creation_input_tokens\":");
	sim_put_uint(o, t->created);
	SIM_PUT(o, ",\"cache_read_input_tokens\":");
	sim_put_uint(o, t->cached);
}

static void put_usage(struct buf *o, const struct sim_job *j, uint64_t output, bool part)
{
	struct sim_tokens t = sim_tokens_said(j, false);
	uint64_t split = t.created - (j->usage == SIM_USAGE_INCONSISTENT && t.created >= 7 ? 7 : 0);

	if (part)
		t.prompt /= 2, t.cached /= 2, t.created /= 2, split = t.created;
	buf_putc(o, '{');
	put_input(o, j, &t);
	SIM_PUT(o, ",\"cache_creation\":{\"ephemeral_5m_input_tokens\":");
	sim_put_uint(o, split);
	SIM_PUT(o, ",\"ephemeral_1h_input_tokens\":0},\"output_tokens\":");
	sim_put_count(o, j, output);
	SIM_PUT(o, ",\"service_tier\":\"standard\"}");
}

static void put_message_head(struct buf *o, const struct sim_job *j)
{
	SIM_PUT(o, "{\"id\":\"msg_sim");
	sim_put_hex16(o, j->id);
	SIM_PUT(o, "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
	sim_put_string(o, j->model);
}

static void put_stop(struct buf *o, const struct sim_job *j)
{
	static const char *const reasons[] = {"end_turn", "max_tokens", "stop_sequence", "tool_use"};

	SIM_PUT(o, "\"stop_reason\":");
	sim_put_string(o, reasons[j->end]);
	SIM_PUT(o, ",\"stop_sequence\":");
	if (j->end == SIM_END_STOP)
		sim_put_string(o, j->stop);
	else
		SIM_PUT(o, "null");
}

static void put_tool_head(struct buf *o, const struct sim_job *j)
{
	SIM_PUT(o, "{\"type\":\"tool_use\",\"id\":\"toolu_sim");
	sim_put_hex16(o, j->id);
	SIM_PUT(o, "\",\"name\":");
	sim_put_string(o, j->tool_name);
	SIM_PUT(o, ",\"input\":");
}

#define SIGNATURE "c2ltdWxhdGVk"

static void messages_render(const struct sim_job *j, struct buf *o)
{
	put_message_head(o, j);
	SIM_PUT(o, ",\"content\":[");
	if (j->thoughts) {
		SIM_PUT(o, "{\"type\":\"thinking\",\"thinking\":\"");
		sim_thoughts_render(j, o);
		SIM_PUT(o, "\",\"signature\":\"" SIGNATURE "\"},");
	}
	if (j->tool) {
		put_tool_head(o, j);
		buf_puts(o, j->tool_args);
		buf_putc(o, '}');
	} else {
		SIM_PUT(o, "{\"type\":\"text\",\"text\":\"");
		sim_answer_text_render(j, o);
		SIM_PUT(o, "\"}");
	}
	SIM_PUT(o, "],");
	put_stop(o, j);
	if (j->usage == SIM_USAGE_TWICE) {
		SIM_PUT(o, ",\"usage\":");
		put_usage(o, j, sim_tokens_said(j, true).completion, true);
	}
	if (j->usage != SIM_USAGE_NONE) {
		SIM_PUT(o, ",\"usage\":");
		put_usage(o, j, sim_tokens_said(j, false).completion, false);
	}
	buf_putc(o, '}');
}

/* ---- streams */

#define EVENT(name) "event: " name "\ndata: {\"type\":\"" name "\""
#define END "}\n\n"

static void put_thinking(struct buf *o, const struct sim_job *j)
{
	SIM_PUT(o,
		EVENT("content_block_start") ",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\","
					     "\"signature\":\"\"}" END);
	SIM_PUT(o, EVENT("content_block_delta") ",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"");
	sim_thoughts_render(j, o);
	SIM_PUT(o, "\"}" END);
	SIM_PUT(o, EVENT("content_block_delta") ",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":"
						"\"" SIGNATURE "\"}" END);
	SIM_PUT(o, EVENT("content_block_stop") ",\"index\":0" END);
}

static void put_open(struct buf *o, const struct sim_job *j)
{
	SIM_PUT(o, EVENT("message_start") ",\"message\":");
	put_message_head(o, j);
	SIM_PUT(o, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
	if (j->usage != SIM_USAGE_NONE) {
		SIM_PUT(o, ",\"usage\":");
		put_usage(o, j, j->usage == SIM_USAGE_ZERO ? 0 : 1, j->usage == SIM_USAGE_TWICE);
	}
	SIM_PUT(o, "}" END);
	if (j->thoughts)
		put_thinking(o, j);
	SIM_PUT(o, EVENT("content_block_start") ",\"index\":");
	buf_putc(o, j->thoughts ? '1' : '0');
	SIM_PUT(o, ",\"content_block\":");
	if (j->tool) {
		put_tool_head(o, j);
		SIM_PUT(o, "{}}" END);
	} else {
		SIM_PUT(o, "{\"type\":\"text\",\"text\":\"\"}" END);
	}
	SIM_PUT(o, EVENT("ping") END);
}

static void put_delta(struct buf *o, const struct sim_job *j)
{
	SIM_PUT(o, EVENT("content_block_delta") ",\"index\":");
	buf_putc(o, j->thoughts ? '1' : '0');
	if (j->tool) {
		SIM_PUT(o, ",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":");
		sim_args_piece_render(j, j->step - 1, o);
		SIM_PUT(o, "}" END);
		return;
	}
	SIM_PUT(o, ",\"delta\":{\"type\":\"text_delta\",\"text\":\"");
	sim_piece_render(j, j->step - 1, o);
	SIM_PUT(o, "\"}" END);
}

/* Cumulative; the output alone, unless what message_start said wasn't true. */
static void put_delta_usage(struct buf *o, const struct sim_job *j)
{
	struct sim_tokens t = sim_tokens_said(j, false);

	if (j->usage == SIM_USAGE_NONE)
		return;
	SIM_PUT(o, ",\"usage\":{");
	if (j->usage == SIM_USAGE_TWICE) {
		put_input(o, j, &t);
		buf_putc(o, ',');
	}
	SIM_PUT(o, "\"output_tokens\":");
	sim_put_count(o, j, t.completion);
	buf_putc(o, '}');
}

static void put_close(struct buf *o, const struct sim_job *j)
{
	SIM_PUT(o, EVENT("content_block_stop") ",\"index\":");
	buf_putc(o, j->thoughts ? '1' : '0');
	SIM_PUT(o, END);
	SIM_PUT(o, EVENT("message_delta") ",\"delta\":{");
	put_stop(o, j);
	buf_putc(o, '}');
	put_delta_usage(o, j);
	SIM_PUT(o, END);
	if (j->fault != SIM_NODONE)
		SIM_PUT(o, EVENT("message_stop") END);
}

static bool messages_stream_next(struct sim_job *j, struct buf *o)
{
	unsigned n = sim_pieces(j);

	if (j->fault == SIM_MALFORMED && j->step == n / 2 + 1)
		SIM_PUT(o, EVENT("content_block_delta") ",\"index\":\n\n");
	if (j->step == 0)
		put_open(o, j);
	else if (j->step <= n)
		put_delta(o, j);
	else
		put_close(o, j);
	return j->step++ <= n;
}

const struct sim_wire sim_wire_messages = {
	.name = "messages",
	.read = messages_read,
	.render = messages_render,
	.stream_next = messages_stream_next,
	.error_head = "event: error\ndata: ",
	.ping = EVENT("ping") END,
};
