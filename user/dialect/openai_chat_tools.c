/* OpenAI's tools and formats, for another wire. */
#include "dialect/openai_chat_parse.h"

#include <stdio.h>
#include <string.h>

#define READER(name)                                                                                                   \
	static int name(struct chat_reader *r, const char *at, const char *member, const struct json_span *v, void *to)

/* ---- tools */

READER(read_function_type)
{
	(void)to;
	if (json_string_is(v, "function"))
		return 0;
	return openai_refuse(r, at, member, "only \"function\" is available with this model's provider");
}

READER(read_tool_name)
{
	return openai_want_string(r, at, member, v, &((struct chat_tool *)to)->name);
}

READER(read_tool_description)
{
	return openai_want_string(r, at, member, v, &((struct chat_tool *)to)->description);
}

READER(read_tool_parameters)
{
	if (v->type != JSON_SPAN_OBJECT)
		return openai_refuse(r, at, member, "expected an object");
	((struct chat_tool *)to)->schema = *v;
	return 0;
}

READER(read_tool_strict)
{
	return openai_want_bool(r, at, member, v, &((struct chat_tool *)to)->strict);
}

READER(read_tool_function)
{
	static const struct openai_member table[] = {
		{"name", read_tool_name},
		{"description", read_tool_description},
		{"parameters", read_tool_parameters},
		{"strict", read_tool_strict},
	};
	char place[DIALECT_PARAM_MAX];

	snprintf(place, sizeof(place), "%s%s.", at, member);
	return openai_read_object(r, place, v, table, ARRAY_SIZE(table), to);
}

int openai_read_tools(struct chat_reader *r, const char *at, const char *name, const struct json_span *v, void *to)
{
	static const struct openai_member table[] = {
		{"type", read_function_type},
		{"function", read_tool_function},
		{"cache_control", openai_read_hint},
	};
	struct chat_tool **end = &((struct chat *)to)->tools, *tool;
	struct json_span one;
	struct json_iter it;
	char place[64];
	unsigned i = 0;
	int rc = 0;

	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return openai_refuse(r, at, name, "expected an array");
	while (rc == 0 && json_iter_next(&it, NULL, &one) == 1) {
		tool = chat_append_tool(r, &end);
		if (!tool)
			return ERR_NOMEM;
		snprintf(place, sizeof(place), "tools[%u].", i++);
		rc = openai_read_object(r, place, &one, table, ARRAY_SIZE(table), tool);
		if (rc == 0 && !tool->name.at)
			rc = openai_refuse(r, place, "function.name", "expected a string");
	}
	return rc;
}

READER(read_choice_name)
{
	return openai_want_string(r, at, member, v, &((struct chat *)to)->tool_choice_name);
}

READER(read_choice_function)
{
	static const struct openai_member table[] = {{"name", read_choice_name}};

	(void)at;
	(void)member;
	return openai_read_object(r, "tool_choice.function.", v, table, ARRAY_SIZE(table), to);
}

int openai_read_tool_choice(struct chat_reader *r, const char *at, const char *name, const struct json_span *v,
			    void *to)
{
	static const struct openai_member table[] = {
		{"type", read_function_type},
		{"function", read_choice_function},
		{"allowed_tools", openai_read_unsupported},
		{"custom", openai_read_unsupported},
	};
	struct chat *c = to;
	int rc;

	c->tool_choice_given = true;
	if (json_string_is(v, "auto"))
		c->tool_choice = CHAT_TOOLS_AUTO;
	else if (json_string_is(v, "none"))
		c->tool_choice = CHAT_TOOLS_NONE;
	else if (json_string_is(v, "required"))
		c->tool_choice = CHAT_TOOLS_REQUIRED;
	else if (v->type == JSON_SPAN_OBJECT)
		c->tool_choice = CHAT_TOOLS_NAMED;
	else
		return openai_refuse(r, at, name, "expected auto, none, required or a function");
	if (c->tool_choice != CHAT_TOOLS_NAMED)
		return 0;
	rc = openai_read_object(r, "tool_choice.", v, table, ARRAY_SIZE(table), to);
	if (rc == 0 && !c->tool_choice_name.at)
		rc = openai_refuse(r, "tool_choice.function.", "name", "expected a string");
	return rc;
}

/* ---- formats */

READER(read_format_type)
{
	struct chat *c = to;

	if (json_string_is(v, "text"))
		c->format = CHAT_FORMAT_TEXT;
	else if (json_string_is(v, "json_object"))
		c->format = CHAT_FORMAT_JSON;
	else if (json_string_is(v, "json_schema"))
		c->format = CHAT_FORMAT_SCHEMA;
	else
		return openai_refuse(r, at, member, "expected text, json_object or json_schema");
	return 0;
}

READER(read_schema_name)
{
	return openai_want_string(r, at, member, v, &((struct chat *)to)->format_name);
}

READER(read_schema_description)
{
	return openai_want_string(r, at, member, v, &((struct chat *)to)->format_description);
}

READER(read_schema_schema)
{
	if (v->type != JSON_SPAN_OBJECT)
		return openai_refuse(r, at, member, "expected an object");
	((struct chat *)to)->format_schema = *v;
	return 0;
}

READER(read_schema_strict)
{
	return openai_want_bool(r, at, member, v, &((struct chat *)to)->format_strict);
}

READER(read_format_schema)
{
	static const struct openai_member table[] = {
		{"name", read_schema_name},
		{"description", read_schema_description},
		{"schema", read_schema_schema},
		{"strict", read_schema_strict},
	};

	(void)at;
	(void)member;
	return openai_read_object(r, "response_format.json_schema.", v, table, ARRAY_SIZE(table), to);
}

int openai_read_format(struct chat_reader *r, const char *at, const char *name, const struct json_span *v, void *to)
{
	static const struct openai_member table[] = {{"type", read_format_type}, {"json_schema", read_format_schema}};
	struct chat *c = to;
	int rc;

	(void)at;
	(void)name;
	rc = openai_read_object(r, "response_format.", v, table, ARRAY_SIZE(table), to);
	if (rc == 0 && c->format == CHAT_FORMAT_SCHEMA && c->format_schema.type == JSON_SPAN_ABSENT)
		rc = openai_refuse(r, "response_format.json_schema.", "schema", "expected an object");
	return rc;
}
