/* Anthropic messages, a chat for a provider (chat.h's C2): what is said beside the conversation. */
#include "dialect/anthropic_render.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* max_tokens is required there. */
#define MAX_TOKENS_DEFAULT 4096u
/* From this version on sampling can't be asked for. */
#define VERSION_WITHOUT_SAMPLING "2026-10-21"

/* A value of 0 says the same as none for what is refused unless it is 0. */
static bool is_zero(const struct json_span *v)
{
	for (size_t i = 0; i < v->len; i++) {
		if (v->at[i] == 'e' || v->at[i] == 'E')
			break;
		if (v->at[i] != '0' && v->at[i] != '.' && v->at[i] != '-')
			return false;
	}
	return v->type == JSON_SPAN_NUMBER;
}

static int check_expressible(const struct chat *c, struct dialect_fault *fault)
{
	if (c->n > 1)
		return chat_inexpressible(fault, c, CHAT_F_N, "it makes one answer a request");
	if (c->presence_penalty.type != JSON_SPAN_ABSENT && !is_zero(&c->presence_penalty))
		return chat_inexpressible(fault, c, CHAT_F_PRESENCE_PENALTY, "it has no penalties");
	if (c->frequency_penalty.type != JSON_SPAN_ABSENT && !is_zero(&c->frequency_penalty))
		return chat_inexpressible(fault, c, CHAT_F_FREQUENCY_PENALTY, "it has no penalties");
	if (c->seed.type != JSON_SPAN_ABSENT)
		return chat_inexpressible(fault, c, CHAT_F_SEED, "it has no seed");
	if (c->format == CHAT_FORMAT_JSON)
		return chat_inexpressible(fault, c, CHAT_F_FORMAT, "it makes JSON only by a schema");
	return 0;
}

/* ---- sampling */

/* Numbers as written; of those the grammar has, strtod() reads all that fit, and none that doesn't is from 0 to 1. */
static bool is_up_to_one(const struct json_span *v)
{
	char text[64];
	double d;

	if (v->type != JSON_SPAN_NUMBER || v->len >= sizeof(text))
		return false;
	memcpy(text, v->at, v->len);
	text[v->len] = '\0';
	d = strtod(text, NULL);
	return d >= 0 && d <= 1;
}

static void put_number(struct buf *out, const char *name, const struct json_span *v)
{
	if (v->type == JSON_SPAN_ABSENT)
		return;
	buf_printf(out, ",\"%s\":", name);
	chat_put_span(out, v);
}

static int put_sampling(const struct chat *c, const struct dialect_upstream *u, struct buf *out, struct buf *ignored,
			struct dialect_fault *fault)
{
	static const enum chat_field fields[] = {CHAT_F_TEMPERATURE, CHAT_F_TOP_P, CHAT_F_TOP_K};
	const struct json_span *const values[] = {&c->temperature, &c->top_p, &c->top_k};

	if (u->api_version && strcmp(u->api_version, VERSION_WITHOUT_SAMPLING) >= 0) {
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			if (values[i]->type != JSON_SPAN_ABSENT)
				chat_ignore(ignored, chat_name(c->from, fields[i]));
		return 0;
	}
	if (c->temperature.type != JSON_SPAN_ABSENT && !is_up_to_one(&c->temperature))
		return chat_inexpressible(fault, c, CHAT_F_TEMPERATURE, "it takes 0 to 1");
	put_number(out, "temperature", &c->temperature);
	put_number(out, "top_p", &c->top_p);
	put_number(out, "top_k", &c->top_k);
	return 0;
}

/* ---- tools */

/* A schema must say there that it is of an object; elsewhere a tool's always is. */
static void put_schema(const struct json_span *schema, struct buf *out)
{
	struct json_member type = {.name = "type"};

	if (schema->type == JSON_SPAN_ABSENT) {
		buf_puts(out, "{\"type\":\"object\",\"properties\":{}}");
		return;
	}
	if (json_scan_object(schema->at, schema->len, &type, 1, NULL) < 0 || type.count) {
		chat_put_span(out, schema);
		return;
	}
	buf_puts(out, json_is_empty(schema) ? "{\"type\":\"object\"" : "{\"type\":\"object\",");
	buf_append(out, schema->at + 1, schema->len - 1);
}

static void put_tool(const struct chat_tool *t, struct buf *out)
{
	buf_puts(out, "{\"name\":");
	chat_put_string(out, t->name);
	if (t->description.at) {
		buf_puts(out, ",\"description\":");
		chat_put_string(out, t->description);
	}
	buf_puts(out, ",\"input_schema\":");
	put_schema(&t->schema, out);
	buf_puts(out, t->strict ? ",\"strict\":true}" : "}");
}

static int put_tool_choice(const struct chat *c, struct buf *out, struct dialect_fault *fault)
{
	static const char *const types[] = {[CHAT_TOOLS_AUTO] = "auto",
					    [CHAT_TOOLS_NONE] = "none",
					    [CHAT_TOOLS_REQUIRED] = "any",
					    [CHAT_TOOLS_NAMED] = "tool"};
	enum chat_tool_choice choice = c->tool_choice_given ? c->tool_choice : CHAT_TOOLS_AUTO;
	bool one = c->parallel_given && !c->parallel && choice != CHAT_TOOLS_NONE;

	if (!c->tools) /* auto and none then say nothing */
		return choice == CHAT_TOOLS_REQUIRED || choice == CHAT_TOOLS_NAMED
			       ? chat_inexpressible(fault, c, CHAT_F_TOOL_CHOICE, "there are no tools")
			       : 0;
	if (!c->tool_choice_given && !one)
		return 0;
	buf_printf(out, ",\"tool_choice\":{\"type\":\"%s\"", types[choice]);
	if (choice == CHAT_TOOLS_NAMED) {
		buf_puts(out, ",\"name\":");
		chat_put_string(out, c->tool_choice_name);
	}
	buf_puts(out, one ? ",\"disable_parallel_tool_use\":true}" : "}");
	return 0;
}

static int put_tools(const struct chat *c, struct buf *out, struct dialect_fault *fault)
{
	if (c->tools) {
		buf_puts(out, ",\"tools\":[");
		for (const struct chat_tool *t = c->tools; t; t = t->next) {
			if (t != c->tools)
				buf_putc(out, ',');
			put_tool(t, out);
		}
		buf_putc(out, ']');
	}
	return put_tool_choice(c, out, fault);
}

/* ---- output */

/* A schema's name is a label that no model sees; its description is told to the model and goes into the schema. */
static int put_format(const struct chat *c, struct buf *out, struct buf *ignored, struct dialect_fault *fault)
{
	struct json_member description = {.name = "description"};
	const struct json_span *schema = &c->format_schema;
	char name[DIALECT_PARAM_MAX];

	if (schema->type != JSON_SPAN_OBJECT)
		return chat_inexpressible(fault, c, CHAT_F_FORMAT, "it has no schema");
	if (c->format_name.at) {
		snprintf(name, sizeof(name), "%s%s.name", chat_name(c->from, CHAT_F_FORMAT),
			 c->from == WIRE_OPENAI_CHAT ? ".json_schema" : "");
		chat_ignore(ignored, name);
	}
	buf_puts(out, "\"format\":{\"type\":\"json_schema\",\"schema\":");
	if (!c->format_description.at) {
		chat_put_span(out, schema);
		return buf_putc(out, '}');
	}
	if (json_scan_object(schema->at, schema->len, &description, 1, NULL) < 0 || description.count)
		return chat_inexpressible(fault, c, CHAT_F_FORMAT, "the schema and its format are both described");
	buf_puts(out, "{\"description\":");
	chat_put_string(out, c->format_description);
	buf_puts(out, json_is_empty(schema) ? "" : ",");
	buf_append(out, schema->at + 1, schema->len - 1);
	return buf_putc(out, '}');
}

static int put_output_config(const struct chat *c, struct buf *out, struct buf *ignored, struct dialect_fault *fault)
{
	static const char *const efforts[] = {"low", "medium", "high", "xhigh"};
	bool effort = c->effort.at && !chat_text_is(c->effort, "none"), schema = c->format == CHAT_FORMAT_SCHEMA;
	size_t i = 0;
	int rc = 0;

	if (c->effort.at && !effort)
		buf_puts(out, ",\"thinking\":{\"type\":\"disabled\"}");
	if (!effort && !schema)
		return 0;
	buf_puts(out, ",\"output_config\":{");
	if (effort) {
		while (i < ARRAY_SIZE(efforts) && !chat_text_is(c->effort, efforts[i]))
			i++;
		if (i == ARRAY_SIZE(efforts))
			return chat_inexpressible(fault, c, CHAT_F_EFFORT, "it has low, medium, high and xhigh");
		buf_printf(out, "\"effort\":\"%s\"%s", efforts[i], schema ? "," : "");
	}
	if (schema)
		rc = put_format(c, out, ignored, fault);
	buf_putc(out, '}');
	return rc;
}

static void put_stops(const struct chat *c, struct buf *out)
{
	if (!c->n_stop)
		return;
	buf_puts(out, ",\"stop_sequences\":[");
	for (size_t i = 0; i < c->n_stop; i++) {
		if (i)
			buf_putc(out, ',');
		chat_put_string(out, c->stop[i]);
	}
	buf_putc(out, ']');
}

static void put_user(const struct chat *c, struct buf *out)
{
	if (!c->user.at)
		return;
	buf_puts(out, ",\"metadata\":{\"user_id\":");
	chat_put_string(out, c->user);
	buf_putc(out, '}');
}

int anthropic_render(const struct chat *c, const struct dialect_upstream *u, struct buf *out, struct buf *ignored,
		     struct dialect_fault *fault)
{
	int rc = check_expressible(c, fault);

	if (rc < 0)
		return rc;
	buf_puts(out, "{\"model\":");
	buf_put_json_string(out, u->model, strlen(u->model));
	buf_printf(out, ",\"max_tokens\":%" PRIu64, c->max_tokens_given ? c->max_tokens : MAX_TOKENS_DEFAULT);
	rc = anthropic_put_conversation(c, out, fault);
	if (rc == 0)
		rc = put_tools(c, out, fault);
	if (rc == 0)
		rc = put_sampling(c, u, out, ignored, fault);
	if (rc == 0)
		rc = put_output_config(c, out, ignored, fault);
	if (rc < 0)
		return rc;
	put_stops(c, out);
	put_user(c, out);
	if (c->stream)
		buf_puts(out, ",\"stream\":true");
	buf_putc(out, '}');
	return out->failed ? ERR_NOMEM : 0;
}
