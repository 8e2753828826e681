/* OpenAI responses, a client's request as a chat: tools, and all that isn't input. */
#include "dialect/responses_parse.h"

static int read_number(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	return v->type == JSON_SPAN_NUMBER ? member_any(r, at, v, into) : members_refuse(r, at, "expected a number");
}

/* ---- tools */

static int read_tool(struct chat_reader *r, const struct place *at, const struct json_span *v, struct chat_tool *tool)
{
	static const struct member table[] = {
		{"type", member_known, 0, true},
		{"name", member_string, offsetof(struct chat_tool, name), true},
		{"description", member_string, offsetof(struct chat_tool, description), false},
		{"parameters", member_object, offsetof(struct chat_tool, schema), false},
		{"strict", member_bool, offsetof(struct chat_tool, strict), false},
		{"defer_loading", member_not_true, 0, false},
		{"allowed_callers", member_callers, 0, false},
		{"output_schema", member_inexpressible, 0, false},
	};
	const struct place here = member_of(at, "type");
	struct json_span type;

	if (members_type(r, at, v, &type) < 0)
		return ERR_INVAL;
	if (!json_string_is(&type, "function"))
		return members_inexpressible(r, &here, "OpenAI's own tools run only there");
	return members_read(r, at, v, table, ARRAY_SIZE(table), tool);
}

static int read_tools(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	return content_tools(r, at, v, read_tool, into);
}

/* {"type":"function","name":"f"} */
static int read_named_choice(struct chat_reader *r, const struct place *at, const struct json_span *v, struct chat *c)
{
	static const struct member table[] = {
		{"type", member_known, 0, true},
		{"name", member_string, offsetof(struct chat, tool_choice_name), true},
	};
	const struct place here = member_of(at, "type");
	struct json_span type;

	if (members_type(r, at, v, &type) < 0)
		return ERR_INVAL;
	if (!json_string_is(&type, "function"))
		return members_inexpressible(r, &here, "a tool is chosen by a function's name");
	c->tool_choice = CHAT_TOOLS_NAMED;
	return members_read(r, at, v, table, ARRAY_SIZE(table), c);
}

static int read_tool_choice(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	static const struct {
		const char *name;
		enum chat_tool_choice choice;
	} choices[] = {{"auto", CHAT_TOOLS_AUTO}, {"none", CHAT_TOOLS_NONE}, {"required", CHAT_TOOLS_REQUIRED}};
	struct chat *c = into;

	c->tool_choice_given = true;
	if (v->type == JSON_SPAN_OBJECT)
		return read_named_choice(r, at, v, c);
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
		if (!json_string_is(v, choices[i].name))
			continue;
		c->tool_choice = choices[i].choice;
		return 0;
	}
	return members_refuse(r, at, "expected auto, none, required or a function");
}

static int read_parallel(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct chat *c = into;

	c->parallel_given = true;
	return member_bool(r, at, v, &c->parallel);
}

/* ---- what the text is to be */

static int read_format(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	static const struct member table[] = {
		{"type", member_known, 0, true},
		{"name", member_string, offsetof(struct chat, format_name), true},
		{"schema", member_object, offsetof(struct chat, format_schema), true},
		{"description", member_string, offsetof(struct chat, format_description), false},
		{"strict", member_bool, offsetof(struct chat, format_strict), false},
	};
	static const struct {
		const char *type;
		enum chat_format format;
		size_t n_members;
	} formats[] = {
		{"text", CHAT_FORMAT_TEXT, 1},
		{"json_object", CHAT_FORMAT_JSON, 1},
		{"json_schema", CHAT_FORMAT_SCHEMA, ARRAY_SIZE(table)},
	};
	const struct place here = member_of(at, "type");
	struct chat *c = into;
	struct json_span type;

	if (members_type(r, at, v, &type) < 0)
		return ERR_INVAL;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (!json_string_is(&type, formats[i].type))
			continue;
		c->format = formats[i].format;
		return members_read(r, at, v, table, formats[i].n_members, c);
	}
	return members_inexpressible(r, &here, "the formats are text, json_object and json_schema");
}

static int read_verbosity(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	return json_string_is(v, "medium") ? 0 : member_inexpressible(r, at, v, into);
}

static int read_text(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	static const struct member table[] = {
		{"format", read_format, 0, false},
		{"verbosity", read_verbosity, 0, false},
	};

	return members_read(r, at, v, table, ARRAY_SIZE(table), into);
}

static int read_effort(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	static const char *const efforts[] = {"none", "minimal", "low", "medium", "high", "xhigh"};

	for (size_t i = 0; i < ARRAY_SIZE(efforts); i++)
		if (json_string_is(v, efforts[i]))
			return member_string(r, at, v, into);
	return json_string_is(v, "max") ? member_inexpressible(r, at, v, into)
					: members_refuse(r, at, "expected none, minimal, low, medium, high or xhigh");
}

static int read_mode(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	return json_string_is(v, "standard") ? 0 : member_inexpressible(r, at, v, into);
}

static int read_context(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	return json_string_is(v, "auto") ? 0 : member_inexpressible(r, at, v, into);
}

static int read_reasoning(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	static const struct member table[] = {
		{"effort", read_effort, offsetof(struct chat, effort), false},
		{"summary", member_inexpressible, 0, false},
		{"generate_summary", member_inexpressible, 0, false},
		{"mode", read_mode, 0, false},
		{"context", read_context, 0, false},
	};

	return members_read(r, at, v, table, ARRAY_SIZE(table), into);
}

/* ---- the rest of the body */

static int read_max_tokens(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct chat *c = into;

	if (json_number_u64(v, &c->max_tokens) < 0)
		return members_refuse(r, at, "expected a positive integer");
	c->max_tokens_given = true;
	return 0;
}

static int read_store(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	bool store = false;
	int rc = member_bool(r, at, v, &store);

	(void)into;
	return rc == 0 && store ? members_inexpressible(r, at, "answers of this model can't be stored") : rc;
}

static int read_stored(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	(void)v;
	(void)into;
	return members_inexpressible(r, at, "what it names is stored at OpenAI");
}

static int read_truncation(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	return json_string_is(v, "disabled") ? 0 : member_inexpressible(r, at, v, into);
}

static int read_tier(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	return json_string_is(v, "auto") || json_string_is(v, "default") ? member_hint(r, at, v, into)
									 : member_inexpressible(r, at, v, into);
}

static int read_logprobs(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	uint64_t n;

	if (json_number_u64(v, &n) < 0)
		return members_refuse(r, at, "expected a whole number");
	return n ? member_inexpressible(r, at, v, into) : 0;
}

static int read_stream_options(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	/* Padding, that nobody guesses texts from the lengths of events. */
	static const struct member table[] = {{"include_obfuscation", member_hint, 0, false}};

	return members_read(r, at, v, table, ARRAY_SIZE(table), into);
}

/* What has to wait for the rest. */
struct body {
	struct chat chat;
	struct chat_text instructions;
	struct json_span input;
};

static const struct member body_members[] = {
	{"model", member_known, 0, false},
	{"input", member_any, offsetof(struct body, input), false},
	{"instructions", member_string, offsetof(struct body, instructions), false},
	{"max_output_tokens", read_max_tokens, 0, false},
	{"stream", member_bool, offsetof(struct body, chat.stream), false},
	{"stream_options", read_stream_options, 0, false},
	{"temperature", read_number, offsetof(struct body, chat.temperature), false},
	{"top_p", read_number, offsetof(struct body, chat.top_p), false},
	{"tools", read_tools, 0, false},
	{"tool_choice", read_tool_choice, 0, false},
	{"parallel_tool_calls", read_parallel, 0, false},
	{"text", read_text, 0, false},
	{"reasoning", read_reasoning, 0, false},
	{"user", member_string, offsetof(struct body, chat.user), false},
	{"store", read_store, 0, false},
	{"previous_response_id", read_stored, 0, false},
	{"conversation", read_stored, 0, false},
	{"prompt", read_stored, 0, false},
	{"include", member_no_list, 0, false},
	{"truncation", read_truncation, 0, false},
	{"background", member_not_true, 0, false},
	{"max_tool_calls", member_inexpressible, 0, false},
	{"top_logprobs", read_logprobs, 0, false},
	{"context_management", member_inexpressible, 0, false},
	{"moderation", member_inexpressible, 0, false},
	{"metadata", member_hint, 0, false},
	{"safety_identifier", member_hint, 0, false},
	{"prompt_cache_key", member_hint, 0, false},
	{"prompt_cache_options", member_hint, 0, false},
	{"prompt_cache_retention", member_hint, 0, false},
	{"service_tier", read_tier, 0, false},
};

int responses_parse(struct chat_reader *r, const struct dialect_target *t, const char *text, size_t len,
		    struct chat *ret)
{
	_Static_assert(offsetof(struct body, chat) == 0, "readers of the body take it for the chat");
	struct body body = {.chat = *ret};
	struct json_span whole;
	int rc;

	(void)t;
	r->owner = "OpenAI";
	if (json_scan_value(text, len, &whole, NULL) < 0 || whole.type != JSON_SPAN_OBJECT)
		return err_set(&r->fault->err, ERR_INVAL, "We could not parse the JSON body of your request.");
	rc = members_read(r, NULL, &whole, body_members, ARRAY_SIZE(body_members), &body);
	if (rc == 0)
		rc = responses_read_input(r, body.instructions, &body.input, &body.chat);
	if (rc == 0)
		*ret = body.chat;
	return rc;
}
