/* Google's schemas are OpenAPI 3.0's in Google's JSON: types in capitals, "nullable" beside the type, bounds of lengths
 * as strings. Others want JSON Schema. What says the same in both moves as written. */
#include "dialect/gemini.h"

#include <string.h>

enum kind {
	SAME,   /* moves as written */
	NUMBER, /* an int64: a number, or digits in quotes */
	SCHEMA, /* one schema */
	LIST,   /* an array of them */
	MAP,    /* an object of them */
	EITHER, /* a schema or a boolean */
	TYPE,   /* with NULLABLE and ENUM put together behind the walk */
	NULLABLE,
	ENUM,
	EXAMPLE, /* JSON Schema has a list of them */
	ORDER,   /* a hint */
};
static const struct row {
	const char *name; /* Google's */
	const char *to;   /* NULL = the same */
	enum kind kind;
} rows[] = {
	{"type", NULL, TYPE},
	{"nullable", NULL, NULLABLE},
	{"enum", NULL, ENUM},
	{"properties", NULL, MAP},
	{"items", NULL, SCHEMA},
	{"anyOf", NULL, LIST},
	{"required", NULL, SAME},
	{"description", NULL, SAME},
	{"title", NULL, SAME},
	{"format", NULL, SAME},
	{"default", NULL, SAME},
	{"pattern", NULL, SAME},
	{"minimum", NULL, SAME},
	{"maximum", NULL, SAME},
	{"minItems", NULL, NUMBER},
	{"maxItems", NULL, NUMBER},
	{"minLength", NULL, NUMBER},
	{"maxLength", NULL, NUMBER},
	{"minProperties", NULL, NUMBER},
	{"maxProperties", NULL, NUMBER},
	{"prefixItems", NULL, LIST},
	{"additionalProperties", NULL, EITHER},
	{"ref", "$ref", SAME},
	{"$ref", NULL, SAME},
	{"defs", "$defs", MAP},
	{"$defs", NULL, MAP},
	{"example", "examples", EXAMPLE},
	{"propertyOrdering", NULL, ORDER},
};

struct schema {
	struct gemini_reader *g;
	struct buf *out;
	/* of the object under way */
	struct json_span type, values;
	bool nullable;
};

static int put_schema(struct gemini_reader *g, const struct place *at, const struct json_span *v, struct buf *out);

static const struct row *row_of(const struct json_span *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (gemini_name_is(name, rows[i].name))
			return &rows[i];
	return NULL;
}

static void put_comma(struct buf *out)
{
	if (out->len && out->data[out->len - 1] != '{' && out->data[out->len - 1] != '[')
		buf_putc(out, ',');
}

static void put_name(struct buf *out, const char *name)
{
	put_comma(out);
	buf_printf(out, "\"%s\":", name);
}

static int put_each(struct gemini_reader *g, const struct place *at, const struct json_span *v, struct buf *out)
{
	bool map = v->type == JSON_SPAN_OBJECT;
	struct place here = {.up = at};
	struct json_span name, schema;
	struct json_iter it;
	int rc = 0;

	if (json_iter_init(&it, v) < 0)
		return members_refuse(g->r, at, "expected schemas");
	buf_putc(out, map ? '{' : '[');
	for (; rc == 0 && json_iter_next(&it, &name, &schema) == 1; here.index++) {
		put_comma(out);
		if (map) {
			chat_put_span(out, &name);
			buf_putc(out, ':');
		}
		rc = put_schema(g, map ? at : &here, &schema, out);
	}
	buf_putc(out, map ? '}' : ']');
	return rc;
}

static int put_value(struct schema *s, const struct place *at, const struct row *row, const struct json_span *v)
{
	struct json_span number;

	switch (row->kind) {
	case SAME:
		chat_put_span(s->out, v);
		return 0;
	case EXAMPLE:
		buf_putc(s->out, '[');
		chat_put_span(s->out, v);
		buf_putc(s->out, ']');
		return 0;
	case NUMBER:
		number = gemini_unquoted(v);
		if (number.type != JSON_SPAN_NUMBER)
			return members_refuse(s->g->r, at, "expected a number");
		chat_put_span(s->out, &number);
		return 0;
	case LIST:
	case MAP:
		if (v->type != (row->kind == MAP ? JSON_SPAN_OBJECT : JSON_SPAN_ARRAY))
			return members_refuse(s->g->r, at, "expected schemas");
		return put_each(s->g, at, v, s->out);
	case EITHER:
		if (v->type == JSON_SPAN_TRUE || v->type == JSON_SPAN_FALSE) {
			chat_put_span(s->out, v);
			return 0;
		}
		return put_schema(s->g, at, v, s->out);
	default:
		return put_schema(s->g, at, v, s->out);
	}
}

static int take_member(struct schema *s, const struct place *up, const struct json_span *name,
		       const struct json_span *v)
{
	const struct row *row = row_of(name);
	struct place at = member_of(up, row ? row->name : "schema");

	if (!row)
		return members_inexpressible(s->g->r, up, "a schema has a member that isn't known");
	if (!wire_given(v) && row->kind != EXAMPLE && strcmp(row->name, "default") != 0)
		return 0;
	switch (row->kind) {
	case TYPE:
		s->type = *v;
		return v->type == JSON_SPAN_STRING ? 0 : members_refuse(s->g->r, &at, "expected a string");
	case ENUM:
		s->values = *v;
		return v->type == JSON_SPAN_ARRAY ? 0 : members_refuse(s->g->r, &at, "expected an array");
	case NULLABLE:
		return gemini_bool(s->g, up, row->name, v, &s->nullable);
	case ORDER:
		members_ignore(s->g->r, &at);
		return 0;
	default:
		put_name(s->out, row->to ? row->to : row->name);
		return put_value(s, &at, row, v);
	}
}

/* "STRING" as JSON Schema's "string"; SDKs send either. NULL: no type. */
static const char *type_of(const struct json_span *v)
{
	static const char *const types[][2] = {{"STRING", "string"},   {"NUMBER", "number"}, {"INTEGER", "integer"},
					       {"BOOLEAN", "boolean"}, {"ARRAY", "array"},   {"OBJECT", "object"},
					       {"NULL", "null"}};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (json_string_is(v, types[i][0]) || json_string_is(v, types[i][1]))
			return types[i][1];
	return NULL;
}

static int put_type(struct schema *s, const struct place *up)
{
	struct place at = member_of(up, "type");
	const char *type = type_of(&s->type);

	if (s->type.type != JSON_SPAN_ABSENT && !json_string_is(&s->type, "TYPE_UNSPECIFIED")) {
		if (!type)
			return members_refuse(s->g->r, &at, "no type of a schema");
		put_name(s->out, "type");
		buf_printf(s->out, s->nullable ? "[\"%s\",\"null\"]" : "\"%s\"", type);
	}
	if (s->values.type != JSON_SPAN_ABSENT) {
		put_name(s->out, "enum");
		buf_append(s->out, s->values.at, s->values.len - 1);
		if (s->nullable)
			buf_puts(s->out, json_is_empty(&s->values) ? "null" : ",null");
		buf_putc(s->out, ']');
	}
	return 0;
}

/* As deep as the body, whose depth the scan bounds. */
static int put_schema(struct gemini_reader *g, const struct place *at, const struct json_span *v, struct buf *out)
{
	struct schema s = {.g = g, .out = out};
	struct json_span name, value;
	struct json_iter it;
	int rc = 0;

	if (v->type != JSON_SPAN_OBJECT || json_iter_init(&it, v) < 0)
		return members_refuse(g->r, at, "expected a schema");
	buf_putc(out, '{');
	while (rc == 0 && json_iter_next(&it, &name, &value) == 1)
		rc = take_member(&s, at, &name, &value);
	if (rc == 0)
		rc = put_type(&s, at);
	buf_putc(out, '}');
	return rc;
}

static int read_schema(struct gemini_reader *g, const struct place *at, const struct json_span *v,
		       struct json_span *ret)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;
	char *text;
	int rc = put_schema(g, at, v, &out);

	if (rc < 0)
		return rc;
	text = out.failed ? NULL : chat_alloc(g->r, out.len);
	if (!text)
		return err_set(&g->r->fault->err, ERR_NOMEM, "out of memory");
	memcpy(text, out.data, out.len);
	*ret = (struct json_span){.at = text, .len = out.len, .type = JSON_SPAN_OBJECT};
	return 0;
}

int gemini_read_either_schema(struct gemini_reader *g, const struct place *up, const struct gemini_either *names,
			      const struct json_span *google, const struct json_span *json, struct json_span *ret)
{
	struct place at = member_of(up, names->google), at_json = member_of(up, names->json);

	if (wire_given(google) && wire_given(json))
		return members_refuse(g->r, &at_json, names->both);
	if (wire_given(google))
		return read_schema(g, &at, google, ret);
	if (wire_given(json) && json->type != JSON_SPAN_OBJECT)
		return members_refuse(g->r, &at_json, "expected an object");
	*ret = *json;
	return 0;
}
