/* Anthropic messages, a client's request as a chat: tools, and all that isn't content. */
#include "dialect/anthropic_parse.h"

/* ---- tools */

static int read_tool_type(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	(void)into;
	if (v->type != JSON_SPAN_STRING)
		return members_refuse(r, at, "expected a string");
	return json_string_is(v, "custom") ? 0 : members_inexpressible(r, at, "Anthropic's own tools run only there");
}

static int read_tool(struct chat_reader *r, const struct place *at, const struct json_span *v, struct chat_tool *tool)
{
	static const struct member table[] = {
		{"type", read_tool_type, 0, false},
		{"name", member_string, offsetof(struct chat_tool, name), true},
		{"description", member_string, offsetof(struct chat_tool, description), false},
		{"input_schema", member_object, offsetof(struct chat_tool, schema), true},
		{"strict", member_bool, offsetof(struct chat_tool, strict), false},
		{"cache_control", anthropic_read_cache_control, 0, false},
		{"eager_input_streaming", member_hint, 0, false},
		{"defer_loading", member_not_true, 0, false},
		{"allowed_callers", member_callers, 0, false},
		{"input_examples", member_no_list, 0, false},
	};
	const struct place here = member_of(at, "type");
	struct json_member type = {.name = "type"};

	/* Before what it lacks: a server's tool has no schema, and that isn't what is wrong with it. */
	if (v->type == JSON_SPAN_OBJECT && json_scan_object(v->at, v->len, &type, 1, NULL) == 0 &&
	    wire_given(&type.value) && read_tool_type(r, &here, &type.value, NULL) < 0)
		return ERR_INVAL;
	return members_read(r, at, v, table, ARRAY_SIZE(table), tool);
}

static int read_tools(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	return content_tools(r, at, v, read_tool, into);
}

static int read_disable_parallel(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct chat *c = into;
	bool disable = false;
	int rc = member_bool(r, at, v, &disable);

	if (rc < 0)
		return rc;
	c->parallel_given = true;
	c->parallel = !disable;
	return 0;
}

static int read_tool_choice(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	static const struct member table[] = {
		{"type", member_known, 0, true},
		{"disable_parallel_tool_use", read_disable_parallel, 0, false},
		{"name", member_string, offsetof(struct chat, tool_choice_name), true},
	};
	static const struct {
		const char *type;
		enum chat_tool_choice choice;
		size_t n_members;
	} choices[] = {
		{"auto", CHAT_TOOLS_AUTO, 2},
		{"any", CHAT_TOOLS_REQUIRED, 2},
		{"none", CHAT_TOOLS_NONE, 1},
		{"tool", CHAT_TOOLS_NAMED, 3},
	};
	const struct place here = member_of(at, "type");
	struct chat *c = into;
	struct json_span type;

	if (members_type(r, at, v, &type) < 0)
		return ERR_INVAL;
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
		if (!json_string_is(&type, choices[i].type))
			continue;
		c->tool_choice_given = true;
		c->tool_choice = choices[i].choice;
		return members_read(r, at, v, table, choices[i].n_members, c);
	}
	return members_refuse(r, &here, "expected auto, any, tool or none");
}

/* ---- the rest of the body */

/* "Set to 0 to fill the prompt cache without generating": nobody else can. */
static int read_max_tokens(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct chat *c = into;
	uint64_t n;

	if (json_number_u64(v, &n) < 0)
		return members_refuse(r, at, "expected a whole number");
	if (n == 0)
		return members_inexpressible(r, at, "others generate at least one token");
	c->max_tokens_given = true;
	c->max_tokens = n;
	return 0;
}

/* From 0 to 1, without looking at how many digits it has. */
static bool is_share(const struct json_span *v)
{
	const char *p = v->at, *end = p + v->len;

	if (v->type != JSON_SPAN_NUMBER || *p == '-' || memchr(p, 'e', v->len) || memchr(p, 'E', v->len))
		return false;
	if (*p == '0')
		return true;
	if (*p != '1' || (p + 1 < end && p[1] != '.'))
		return false;
	for (p += 2; p < end; p++)
		if (*p != '0')
			return false;
	return true;
}

static int read_share(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	return is_share(v) ? member_any(r, at, v, into) : members_refuse(r, at, "expected a number from 0 to 1");
}

static int read_top_k(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	uint64_t n;

	return json_number_u64(v, &n) < 0 ? members_refuse(r, at, "expected a whole number")
					  : member_any(r, at, v, into);
}

static int read_stop(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct chat *c = into;

	if (v->type != JSON_SPAN_STRING)
		return members_refuse(r, at, "expected a string");
	if (c->n_stop == CHAT_STOPS_MAX)
		return members_inexpressible(r, at->up, "there are too many");
	c->stop[c->n_stop++] = chat_text_of(v);
	return 0;
}

static int read_stops(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	return members_each(r, at, v, "expected an array", read_stop, into);
}

static int read_metadata(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	static const struct member table[] = {{"user_id", member_string, offsetof(struct chat, user), false}};

	return members_read(r, at, v, table, ARRAY_SIZE(table), into);
}

/* Off is what others are unless told otherwise. */
static int read_thinking(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	const struct place here = member_of(at, "type");
	struct json_span type;

	if (members_type(r, at, v, &type) < 0)
		return ERR_INVAL;
	return json_string_is(&type, "disabled") ? member_hint(r, at, v, into)
						 : members_inexpressible(r, &here, "others can't be told how to think");
}

static int read_speed(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	return json_string_is(v, "standard") ? 0 : member_inexpressible(r, at, v, into);
}

static int read_effort(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	static const char *const efforts[] = {"low", "medium", "high", "xhigh"};

	for (size_t i = 0; i < ARRAY_SIZE(efforts); i++)
		if (json_string_is(v, efforts[i]))
			return member_string(r, at, v, into);
	return json_string_is(v, "max") ? members_inexpressible(r, at, "others don't have this one")
					: members_refuse(r, at, "expected low, medium, high, xhigh or max");
}

static int read_format(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	static const struct member table[] = {
		{"type", member_known, 0, true},
		{"schema", member_object, offsetof(struct chat, format_schema), true},
	};
	const struct place here = member_of(at, "type");
	struct chat *c = into;
	struct json_span type;

	if (members_type(r, at, v, &type) < 0)
		return ERR_INVAL;
	if (!json_string_is(&type, "json_schema"))
		return members_refuse(r, &here, "expected json_schema");
	c->format = CHAT_FORMAT_SCHEMA;
	c->format_strict = true; /* there it always is */
	return members_read(r, at, v, table, ARRAY_SIZE(table), c);
}

static int read_output_config(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	static const struct member table[] = {
		{"effort", read_effort, offsetof(struct chat, effort), false},
		{"format", read_format, 0, false},
	};

	return members_read(r, at, v, table, ARRAY_SIZE(table), into);
}

/* What has to wait for the rest. */
struct body {
	struct chat chat;
	struct json_span system, messages;
};

static const struct member body_members[] = {
	{"model", member_known, 0, false},
	{"messages", member_any, offsetof(struct body, messages), true},
	{"system", member_any, offsetof(struct body, system), false},
	{"max_tokens", read_max_tokens, 0, true},
	{"stream", member_bool, offsetof(struct body, chat.stream), false},
	{"stop_sequences", read_stops, 0, false},
	{"temperature", read_share, offsetof(struct body, chat.temperature), false},
	{"top_p", read_share, offsetof(struct body, chat.top_p), false},
	{"top_k", read_top_k, offsetof(struct body, chat.top_k), false},
	{"tools", read_tools, 0, false},
	{"tool_choice", read_tool_choice, 0, false},
	{"metadata", read_metadata, 0, false},
	{"thinking", read_thinking, 0, false},
	{"output_config", read_output_config, 0, false},
	{"speed", read_speed, 0, false},
	{"service_tier", member_hint, 0, false},
	{"cache_control", anthropic_read_cache_control, 0, false},
	{"diagnostics", member_hint, 0, false},
	{"container", member_inexpressible, 0, false},
	{"context_management", member_inexpressible, 0, false},
	{"inference_geo", member_inexpressible, 0, false},
	{"mcp_servers", member_no_list, 0, false},
};

int anthropic_parse(struct chat_reader *r, const struct dialect_target *t, const char *text, size_t len,
		    struct chat *ret)
{
	_Static_assert(offsetof(struct body, chat) == 0, "readers of the body take it for the chat");
	struct body body = {.chat = *ret};
	struct json_span whole;
	int rc;

	(void)t;
	r->owner = "Anthropic";
	if (json_scan_value(text, len, &whole, NULL) < 0 || whole.type != JSON_SPAN_OBJECT)
		return err_set(&r->fault->err, ERR_INVAL, "We could not parse the JSON body of your request.");
	rc = members_read(r, NULL, &whole, body_members, ARRAY_SIZE(body_members), &body);
	if (rc == 0)
		rc = anthropic_read_conversation(r, &body.system, &body.messages, &body.chat);
	if (rc == 0)
		*ret = body.chat;
	return rc;
}
