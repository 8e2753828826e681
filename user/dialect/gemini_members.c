/* Members of Google's objects: by table, in both spellings, and in words for who got one wrong. */
#include "dialect/gemini.h"

#include <stdio.h>
#include <string.h>

#define NAME_SHOWN_MAX 64

/* ---- tables */

static size_t snake_of(const char *camel, char *ret, size_t size)
{
	size_t n = 0;

	for (; *camel && n + 3 < size; camel++) {
		if (*camel >= 'A' && *camel <= 'Z')
			ret[n++] = '_';
		ret[n++] = (char)(*camel >= 'A' && *camel <= 'Z' ? *camel | 0x20 : *camel);
	}
	ret[n] = '\0';
	return n;
}

bool gemini_name_is(const struct json_span *name, const char *camel)
{
	char snake[64];

	if (json_string_is(name, camel))
		return true;
	snake_of(camel, snake, sizeof(snake));
	return json_string_is(name, snake);
}

static const struct gemini_member *row_of(const struct json_span *name, const struct gemini_member *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (gemini_name_is(name, rows[i].name))
			return &rows[i];
	return NULL;
}

static int refuse_unknown(struct gemini_reader *g, const struct place *at, const struct json_span *name)
{
	size_t len = name->len - 2;
	const struct place here = {
		.up = at, .name = name->at + 1, .name_len = len < NAME_SHOWN_MAX ? len : NAME_SHOWN_MAX};

	return members_refuse(g->r, &here, "no such member is known here");
}

/* Says it nothing? */
static bool is_default(const struct json_span *v)
{
	return v->type == JSON_SPAN_FALSE || (v->type == JSON_SPAN_ARRAY && json_is_empty(v));
}

static int take_member(struct gemini_reader *g, const struct place *at, const struct gemini_member *row,
		       const struct json_span *v, struct json_span *ret)
{
	struct place here = member_of(at, row->name);

	if (v->type == JSON_SPAN_NULL)
		return 0;
	if (row->kind == GEMINI_REFUSE && !is_default(v))
		return members_inexpressible(g->r, &here, "only Google's own API has it");
	if (row->kind == GEMINI_HINT)
		members_ignore(g->r, &here);
	if (ret->type != JSON_SPAN_ABSENT)
		return members_refuse(g->r, &here, "given twice");
	*ret = *v;
	return 0;
}

int gemini_members(struct gemini_reader *g, const struct place *at, const struct json_span *object,
		   const struct gemini_member *rows, size_t n, struct json_span *ret)
{
	const struct gemini_member *row;
	struct json_span name, v;
	struct json_iter it;
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		ret[i] = (struct json_span){.type = JSON_SPAN_ABSENT};
	if (object->type != JSON_SPAN_OBJECT || json_iter_init(&it, object) < 0)
		return members_refuse(g->r, at, "expected an object");
	while (rc == 0 && json_iter_next(&it, &name, &v) == 1) {
		row = row_of(&name, rows, n);
		rc = row ? take_member(g, at, row, &v, &ret[row - rows]) : refuse_unknown(g, at, &name);
	}
	return rc;
}

/* ---- values */

int gemini_string(struct gemini_reader *g, const struct place *up, const char *name, const struct json_span *v,
		  struct chat_text *ret)
{
	struct place here = member_of(up, name);

	if (!wire_given(v))
		return 0;
	if (v->type != JSON_SPAN_STRING)
		return members_refuse(g->r, &here, "expected a string");
	*ret = chat_text_of(v);
	return 0;
}

int gemini_number(struct gemini_reader *g, const struct place *up, const char *name, const struct json_span *v,
		  struct json_span *ret)
{
	struct place here = member_of(up, name);

	if (!wire_given(v))
		return 0;
	if (v->type != JSON_SPAN_NUMBER)
		return members_refuse(g->r, &here, "expected a number");
	*ret = *v;
	return 0;
}

int gemini_bool(struct gemini_reader *g, const struct place *up, const char *name, const struct json_span *v, bool *ret)
{
	struct place here = member_of(up, name);

	if (!wire_given(v))
		return 0;
	if (v->type != JSON_SPAN_TRUE && v->type != JSON_SPAN_FALSE)
		return members_refuse(g->r, &here, "expected a boolean");
	*ret = v->type == JSON_SPAN_TRUE;
	return 0;
}

struct json_span gemini_unquoted(const struct json_span *v)
{
	struct json_span digits;

	if (v->type != JSON_SPAN_STRING || v->len <= 2)
		return *v;
	digits = (struct json_span){.at = v->at + 1, .len = v->len - 2, .type = JSON_SPAN_NUMBER};
	for (size_t i = 0; i < digits.len; i++)
		if (digits.at[i] < '0' || digits.at[i] > '9')
			return *v;
	return digits;
}
