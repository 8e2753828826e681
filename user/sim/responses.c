/* OpenAI's responses, Azure's too: requests, answers, streams. */
#include "sim/check.h"

#include <string.h>

/* ---- reading */

static const struct sim_member body_members[] = {
	{"model", SIM_STRING},
	{"input", SIM_STRING | SIM_LIST | SIM_NEEDED},
	{"instructions", SIM_STRING},
	{"stream", SIM_BOOL},
	{"max_output_tokens", SIM_NUMBER},
	{"temperature", SIM_NUMBER},
	{"top_p", SIM_NUMBER},
	{"text", SIM_OBJECT},
	{"tools", SIM_LIST},
	{"tool_choice", SIM_STRING | SIM_OBJECT},
	{"user", SIM_STRING},
	{"background", SIM_BOOL},
	{"context_management", SIM_LIST},
	{"conversation", SIM_STRING | SIM_OBJECT},
	{"include", SIM_LIST},
	{"max_tool_calls", SIM_NUMBER},
	{"metadata", SIM_OBJECT},
	{"moderation", SIM_ANY},
	{"parallel_tool_calls", SIM_BOOL},
	{"previous_response_id", SIM_STRING},
	{"prompt", SIM_OBJECT},
	{"prompt_cache_key", SIM_STRING},
	{"prompt_cache_options", SIM_OBJECT},
	{"prompt_cache_retention", SIM_STRING},
	{"reasoning", SIM_OBJECT},
	{"safety_identifier", SIM_STRING},
	{"service_tier", SIM_STRING},
	{"store", SIM_BOOL},
	{"stream_options", SIM_OBJECT},
	{"top_logprobs", SIM_NUMBER},
	{"truncation", SIM_STRING},
};
enum { MODEL, INPUT, INSTRUCTIONS, STREAM, MAX, TEMPERATURE, TOP_P, TEXT, TOOLS, TOOL_CHOICE, USER };

static bool read_part(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, unsigned assistant)
{
	static const struct sim_member members[] = {
		{"type", SIM_STRING | SIM_NEEDED}, {"text", SIM_STRING},     {"refusal", SIM_STRING},
		{"image_url", SIM_STRING},         {"file_id", SIM_STRING},  {"detail", SIM_STRING},
		{"file_data", SIM_STRING},         {"file_url", SIM_STRING}, {"filename", SIM_STRING},
		{"annotations", SIM_LIST},         {"logprobs", SIM_LIST},   {"prompt_cache_breakpoint", SIM_OBJECT}};
	struct json_span m[ARRAY_SIZE(members)];

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	if (json_string_is(&m[0], assistant ? "output_text" : "input_text")) {
		sim_prompt_add(r, &m[1]);
		return sim_given(&m[1]) || sim_refuse_missing(r, SIM_AT(at, "text"));
	}
	if (assistant && json_string_is(&m[0], "refusal")) {
		sim_prompt_add(r, &m[2]);
		return sim_given(&m[2]) || sim_refuse_missing(r, SIM_AT(at, "refusal"));
	}
	if (!assistant && (json_string_is(&m[0], "input_image") || json_string_is(&m[0], "input_file"))) {
		r->files++;
		return true;
	}
	return sim_refuse_value(r, SIM_AT(at, "type"), "such a part can't stand here");
}

static bool read_message(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {{"role", SIM_STRING | SIM_NEEDED},
						    {"content", SIM_STRING | SIM_LIST | SIM_NEEDED},
						    {"type", SIM_STRING},
						    {"id", SIM_STRING},
						    {"status", SIM_STRING},
						    {"phase", SIM_STRING}};
	struct json_span m[ARRAY_SIZE(members)];

	if (!SIM_MEMBERS(r, at, v, members, m) ||
	    !SIM_ONE_OF(r, SIM_AT(at, "role"), &m[0], "user", "assistant", "system", "developer"))
		return false;
	r->after_result = false;
	return sim_read_parts(r, SIM_AT(at, "content"), &m[1], read_part, json_string_is(&m[0], "assistant"));
}

static bool read_call(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {{"type", SIM_STRING},
						    {"call_id", SIM_STRING | SIM_NEEDED},
						    {"name", SIM_STRING | SIM_NEEDED},
						    {"arguments", SIM_STRING | SIM_NEEDED},
						    {"id", SIM_STRING},
						    {"status", SIM_STRING},
						    {"namespace", SIM_STRING},
						    {"caller", SIM_OBJECT}};
	struct json_span m[ARRAY_SIZE(members)];
	size_t args;

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	if (!sim_args_text_len(r, &m[3], &args))
		args = sim_string_len(&m[3]);
	sim_prompt_add(r, &m[2]);
	r->text_bytes += args;
	return sim_call_seen(r, &m[1]) || sim_refuse_value(r, at, "too many tool calls");
}

static bool read_result(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	static const struct sim_member members[] = {{"type", SIM_STRING},
						    {"call_id", SIM_STRING | SIM_NEEDED},
						    {"output", SIM_STRING | SIM_LIST | SIM_NEEDED},
						    {"id", SIM_STRING},
						    {"status", SIM_STRING},
						    {"caller", SIM_OBJECT}};
	struct json_span m[ARRAY_SIZE(members)];

	if (!SIM_MEMBERS(r, at, v, members, m))
		return false;
	if (!sim_result_seen(r, &m[1]))
		return sim_refuse_value(r, SIM_AT(at, "call_id"), "No tool call found for function call output");
	r->after_result = true;
	return sim_read_parts(r, SIM_AT(at, "output"), &m[2], read_part, false);
}

static bool read_item(struct sim_reader *r, const struct sim_path *at, const struct json_span *v)
{
	struct json_span type = sim_member_of(v, "type");

	if (v->type != JSON_SPAN_OBJECT)
		return sim_refuse_type(r, at, "an object");
	if (!sim_given(&type) || json_string_is(&type, "message"))
		return read_message(r, at, v);
	if (json_string_is(&type, "function_call"))
		return read_call(r, at, v);
	if (json_string_is(&type, "function_call_output"))
		return read_result(r, at, v);
	/* What the model thought before: not looked into. */
	return json_string_is(&type, "reasoning") || json_string_is(&type, "item_reference") ||
	       sim_refuse_value(r, SIM_AT(at, "type"), "the simulator knows no such item");
}

static bool read_input(struct sim_reader *r, const struct json_span *list)
{
	const struct sim_path at = {.name = "input"};
	struct json_iter it;
	struct json_span v;

	if (list->type == JSON_SPAN_STRING) {
		sim_prompt_add(r, list);
		return true;
	}
	if (json_iter_init(&it, list) < 0)
		return true;
	for (unsigned i = 0; json_iter_next(&it, NULL, &v) > 0; i++)
		if (!read_item(r, SIM_NTH(&at, i), &v))
			return false;
	return !r->n_pending || sim_refuse_value(r, &at, "No tool output found for function call");
}

static bool read_tools(struct sim_reader *r, const struct json_span *tools, const struct json_span *choice)
{
	static const struct sim_member members[] = {{"type", SIM_STRING | SIM_NEEDED},
						    {"name", SIM_STRING | SIM_NEEDED},
						    {"description", SIM_STRING},
						    {"parameters", SIM_OBJECT},
						    {"strict", SIM_BOOL},
						    {"output_schema", SIM_OBJECT},
						    {"defer_loading", SIM_BOOL},
						    {"allowed_callers", SIM_LIST}};
	const struct sim_path at = {.name = "tools"}, choice_at = {.name = "tool_choice"};
	struct json_span m[ARRAY_SIZE(members)], v;
	struct json_iter it;

	if (choice->type == JSON_SPAN_STRING && !SIM_ONE_OF(r, &choice_at, choice, "none", "auto", "required"))
		return false;
	r->tools_off = json_string_is(choice, "none");
	r->tool_wanted = sim_member_of(choice, "name");
	if (!sim_given(tools) || json_iter_init(&it, tools) < 0)
		return true;
	for (unsigned i = 0; json_iter_next(&it, NULL, &v) > 0; i++) {
		if (!SIM_MEMBERS(r, SIM_NTH(&at, i), &v, members, m) ||
		    !SIM_ONE_OF(r, SIM_AT(SIM_NTH(&at, i), "type"), &m[0], "function"))
			return false;
		sim_tool_offer(r, &m[1], &m[3]);
	}
	return true;
}

static bool read_text(struct sim_reader *r, const struct json_span *v)
{
	static const struct sim_member members[] = {{"format", SIM_OBJECT}, {"verbosity", SIM_STRING}};
	static const struct sim_member format[] = {{"type", SIM_STRING | SIM_NEEDED},
						   {"name", SIM_STRING},
						   {"description", SIM_STRING},
						   {"schema", SIM_OBJECT},
						   {"strict", SIM_BOOL}};
	const struct sim_path at = {.name = "text"}, format_at = {.up = &at, .name = "format"};
	struct json_span m[ARRAY_SIZE(members)], f[ARRAY_SIZE(format)];

	if (!sim_given(v))
		return true;
	if (!SIM_MEMBERS(r, &at, v, members, m))
		return false;
	if (!sim_given(&m[0]))
		return true;
	if (!SIM_MEMBERS(r, &format_at, &m[0], format, f) ||
	    !SIM_ONE_OF(r, SIM_AT(&format_at, "type"), &f[0], "text", "json_object", "json_schema"))
		return false;
	r->job->json = !json_string_is(&f[0], "text");
	return true;
}

static bool responses_read(struct sim_reader *r, const struct json_span *body)
{
	struct json_span m[ARRAY_SIZE(body_members)];

	if (!SIM_MEMBERS(r, NULL, body, body_members, m)) {
		r->model = sim_member_of(body, "model");
		return false;
	}
	r->model = m[MODEL];
	r->user = m[USER];
	r->job->stream = m[STREAM].type == JSON_SPAN_TRUE;
	sim_prompt_add(r, &m[INSTRUCTIONS]);
	return sim_model_take(r) &&
	       sim_check_uint(r, SIM_AT(NULL, "max_output_tokens"), &m[MAX], 1, UINT64_MAX, &r->limit) &&
	       sim_check_range(r, SIM_AT(NULL, "temperature"), &m[TEMPERATURE], 0, 2) &&
	       sim_check_range(r, SIM_AT(NULL, "top_p"), &m[TOP_P], 0, 1) && read_input(r, &m[INPUT]) &&
	       read_tools(r, &m[TOOLS], &m[TOOL_CHOICE]) && read_text(r, &m[TEXT]);
}

/* ---- writing */

static void put_usage(struct buf *o, const struct sim_job *j, bool part)
{
	struct sim_tokens t = sim_tokens_said(j, part);

	SIM_PUT(o, ",\"usage\":{\"input_tokens\":");
	sim_put_count(o, j, t.prompt);
	SIM_PUT(o, ",\"input_tokens_details\":{\"cached_tokens\":");
	sim_put_uint(o, t.cached);
	SIM_PUT(o, "},\"output_tokens\":");
	sim_put_count(o, j, t.completion);
	SIM_PUT(o, ",\"output_tokens_details\":{\"reasoning_tokens\":");
	sim_put_uint(o, t.thoughts);
	SIM_PUT(o, "},\"total_tokens\":");
	sim_put_count(o, j, t.prompt + t.completion + (j->usage == SIM_USAGE_INCONSISTENT ? 7 : 0));
	buf_putc(o, '}');
}

static void put_reasoning(struct buf *o, const struct sim_job *j)
{
	SIM_PUT(o, "{\"type\":\"reasoning\",\"id\":\"rs_sim");
	sim_put_hex16(o, j->id);
	SIM_PUT(o, "\",\"summary\":[]}");
}

/* The text or the call, as it is at the beginning (empty) or at the end. */
static void put_part(struct buf *o, const struct sim_job *j, bool whole)
{
	SIM_PUT(o, "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"");
	if (whole)
		sim_answer_text_render(j, o);
	SIM_PUT(o, "\"}");
}

static void put_item_id(struct buf *o, const struct sim_job *j)
{
	buf_puts(o, j->tool ? "fc_sim" : "msg_sim");
	sim_put_hex16(o, j->id);
}

static void put_item(struct buf *o, const struct sim_job *j, bool whole)
{
	const char *status = !whole ? "in_progress" : j->end == SIM_END_LIMIT ? "incomplete" : "completed";

	SIM_PUT(o, "{\"id\":\"");
	put_item_id(o, j);
	SIM_PUT(o, "\",\"status\":");
	sim_put_string(o, status);
	if (j->tool) {
		SIM_PUT(o, ",\"type\":\"function_call\",\"call_id\":\"call_sim");
		sim_put_hex16(o, j->id * SIM_CHOICES_MAX);
		SIM_PUT(o, "\",\"name\":");
		sim_put_string(o, j->tool_name);
		SIM_PUT(o, ",\"arguments\":");
		buf_put_json_string(o, j->tool_args, whole ? strlen(j->tool_args) : 0);
		buf_putc(o, '}');
		return;
	}
	SIM_PUT(o, ",\"type\":\"message\",\"role\":\"assistant\",\"content\":[");
	if (whole)
		put_part(o, j, true);
	SIM_PUT(o, "]}");
}

/* At the beginning of a stream (nothing yet), or whole. */
static void put_response(struct buf *o, const struct sim_job *j, bool whole, const struct sim_error *failed)
{
	const char *status = failed                    ? "failed"
			     : !whole                  ? "in_progress"
			     : j->end == SIM_END_LIMIT ? "incomplete"
						       : "completed";

	SIM_PUT(o, "{\"id\":\"resp_sim");
	sim_put_hex16(o, j->id);
	SIM_PUT(o, "\",\"object\":\"response\",\"created_at\":");
	sim_put_uint(o, (uint64_t)j->created_s);
	SIM_PUT(o, ",\"status\":");
	sim_put_string(o, status);
	SIM_PUT(o, ",\"error\":");
	if (failed) {
		SIM_PUT(o, "{\"code\":\"server_error\",\"message\":");
		buf_put_json_string(o, failed->message, strlen(failed->message));
		buf_putc(o, '}');
	} else {
		SIM_PUT(o, "null");
	}
	SIM_PUT(o, ",\"incomplete_details\":");
	if (whole && j->end == SIM_END_LIMIT)
		SIM_PUT(o, "{\"reason\":\"max_output_tokens\"}");
	else
		SIM_PUT(o, "null");
	SIM_PUT(o, ",\"instructions\":null,\"metadata\":{},\"model\":");
	sim_put_string(o, j->model);
	SIM_PUT(o, ",\"output\":[");
	if (whole && j->thoughts) {
		put_reasoning(o, j);
		buf_putc(o, ',');
	}
	if (whole)
		put_item(o, j, true);
	SIM_PUT(o, "],\"parallel_tool_calls\":true,\"temperature\":1.0,\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":"
		   "1.0");
	if (whole && j->usage == SIM_USAGE_TWICE)
		put_usage(o, j, true);
	if (whole && j->usage != SIM_USAGE_NONE)
		put_usage(o, j, false);
	else
		SIM_PUT(o, ",\"usage\":null");
	buf_putc(o, '}');
}

static void responses_render(const struct sim_job *j, struct buf *o)
{
	put_response(o, j, true, NULL);
}

/* ---- streams */

static void event_open(struct buf *o, struct sim_job *j, const char *type)
{
	SIM_PUT(o, "event: ");
	buf_puts(o, type);
	SIM_PUT(o, "\ndata: {\"type\":");
	sim_put_string(o, type);
	SIM_PUT(o, ",\"sequence_number\":");
	sim_put_uint(o, j->sequence++);
}

static void event_close(struct buf *o)
{
	SIM_PUT(o, "}\n\n");
}

static void put_response_event(struct buf *o, struct sim_job *j, const char *type, bool whole,
			       const struct sim_error *failed)
{
	event_open(o, j, type);
	SIM_PUT(o, ",\"response\":");
	put_response(o, j, whole, failed);
	event_close(o);
}

/* An event about the item that holds text or call. */
static void item_event_open(struct buf *o, struct sim_job *j, const char *type)
{
	event_open(o, j, type);
	SIM_PUT(o, ",\"item_id\":\"");
	put_item_id(o, j);
	SIM_PUT(o, "\",\"output_index\":");
	buf_putc(o, j->thoughts ? '1' : '0');
	if (!j->tool)
		SIM_PUT(o, ",\"content_index\":0");
}

static void put_item_event(struct buf *o, struct sim_job *j, const char *type, bool whole)
{
	event_open(o, j, type);
	SIM_PUT(o, ",\"output_index\":");
	buf_putc(o, j->thoughts ? '1' : '0');
	SIM_PUT(o, ",\"item\":");
	put_item(o, j, whole);
	event_close(o);
}

static void put_reasoning_events(struct buf *o, struct sim_job *j)
{
	static const char *const types[] = {"response.output_item.added", "response.output_item.done"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		event_open(o, j, types[i]);
		SIM_PUT(o, ",\"output_index\":0,\"item\":");
		put_reasoning(o, j);
		event_close(o);
	}
}

static void put_open(struct buf *o, struct sim_job *j)
{
	put_response_event(o, j, "response.created", false, NULL);
	put_response_event(o, j, "response.in_progress", false, NULL);
	if (j->thoughts)
		put_reasoning_events(o, j);
	put_item_event(o, j, "response.output_item.added", false);
	if (j->tool)
		return;
	item_event_open(o, j, "response.content_part.added");
	SIM_PUT(o, ",\"part\":");
	put_part(o, j, false);
	event_close(o);
}

static void put_delta(struct buf *o, struct sim_job *j)
{
	if (j->tool) {
		item_event_open(o, j, "response.function_call_arguments.delta");
		SIM_PUT(o, ",\"delta\":");
		sim_args_piece_render(j, j->step - 1, o);
	} else {
		item_event_open(o, j, "response.output_text.delta");
		SIM_PUT(o, ",\"logprobs\":[],\"delta\":\"");
		sim_piece_render(j, j->step - 1, o);
		buf_putc(o, '"');
	}
	event_close(o);
}

static void put_close(struct buf *o, struct sim_job *j)
{
	if (j->tool) {
		item_event_open(o, j, "response.function_call_arguments.done");
		SIM_PUT(o, ",\"name\":");
		sim_put_string(o, j->tool_name);
		SIM_PUT(o, ",\"arguments\":");
		buf_put_json_string(o, j->tool_args, strlen(j->tool_args));
		event_close(o);
	} else {
		item_event_open(o, j, "response.output_text.done");
		SIM_PUT(o, ",\"logprobs\":[],\"text\":\"");
		sim_answer_text_render(j, o);
		buf_putc(o, '"');
		event_close(o);
		item_event_open(o, j, "response.content_part.done");
		SIM_PUT(o, ",\"part\":");
		put_part(o, j, true);
		event_close(o);
	}
	put_item_event(o, j, "response.output_item.done", true);
	if (j->fault != SIM_NODONE)
		put_response_event(o, j, j->end == SIM_END_LIMIT ? "response.incomplete" : "response.completed", true,
				   NULL);
}

static bool responses_stream_next(struct sim_job *j, struct buf *o)
{
	unsigned n = sim_pieces(j);

	if (j->fault == SIM_MALFORMED && j->step == n / 2 + 1)
		SIM_PUT(o, "event: response.output_text.delta\ndata: "
			   "{\"type\":\"response.output_text.delta\",\"delta\":\n\n");
	if (j->step == 0)
		put_open(o, j);
	else if (j->step <= n)
		put_delta(o, j);
	else
		put_close(o, j);
	return j->step++ <= n;
}

/* Before anything was said an error event, later a response that failed: both are in use. */
static void responses_stream_error(struct sim_job *j, struct buf *o)
{
	if (j->step > 0) {
		put_response_event(o, j, "response.failed", false, &sim_stream_failure);
		return;
	}
	event_open(o, j, "error");
	SIM_PUT(o, ",\"code\":\"server_error\",\"param\":null,\"message\":");
	buf_put_json_string(o, sim_stream_failure.message, strlen(sim_stream_failure.message));
	event_close(o);
}

const struct sim_wire sim_wire_responses = {
	.name = "responses",
	.read = responses_read,
	.render = responses_render,
	.stream_next = responses_stream_next,
	.stream_error = responses_stream_error,
	.ping = ": keep-alive\n\n",
};
