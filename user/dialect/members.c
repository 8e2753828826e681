/* A request's objects as tables of their members (chat.h's C1). What isn't in a table is refused, and what stands in it
 * says itself what becomes of it. */
#include "dialect/members.h"

#include <assert.h>
#include <stdio.h>

/* ---- who is at fault */

static void place_append(const struct place *p, bool indices, char out[DIALECT_PARAM_MAX], size_t *len)
{
	int n = 0;

	if (p->up)
		place_append(p->up, indices, out, len);
	if (p->name)
		n = snprintf(out + *len, DIALECT_PARAM_MAX - *len, "%s%.*s", *len ? "." : "", (int)p->name_len,
			     p->name);
	else if (indices)
		n = snprintf(out + *len, DIALECT_PARAM_MAX - *len, "[%zu]", p->index);
	*len += (size_t)n;
	if (*len >= DIALECT_PARAM_MAX)
		*len = DIALECT_PARAM_MAX - 1;
}

void place_text(const struct place *p, char ret[DIALECT_PARAM_MAX])
{
	size_t len = 0;

	ret[0] = '\0';
	place_append(p, true, ret, &len);
}

int members_refuse(struct chat_reader *r, const struct place *at, const char *what)
{
	char param[DIALECT_PARAM_MAX];

	place_text(at, param);
	return chat_refuse(r->fault, param, "%s", what);
}

int members_inexpressible(struct chat_reader *r, const struct place *at, const char *why)
{
	place_text(at, r->fault->param);
	return err_set(&r->fault->err, ERR_INVAL, "'%s' can't be expressed for this model's provider: %s.",
		       r->fault->param, why);
}

void members_ignore(struct chat_reader *r, const struct place *at)
{
	char name[DIALECT_PARAM_MAX] = "";
	size_t len = 0;

	place_append(at, false, name, &len);
	chat_ignore(r->ignored, name);
}

/* ---- members by table */

static size_t member_find(const struct member *table, size_t n, const struct json_span *name)
{
	size_t i = 0;

	while (i < n && !json_string_is(name, table[i].name))
		i++;
	return i;
}

int members_read(struct chat_reader *r, const struct place *at, const struct json_span *object,
		 const struct member *table, size_t n, void *into)
{
	struct json_span name, v;
	struct json_iter it;
	uint64_t seen = 0;
	int rc;

	assert(n <= MEMBERS_MAX);
	if (object->type != JSON_SPAN_OBJECT || json_iter_init(&it, object) < 0)
		return members_refuse(r, at, "expected an object");
	while (json_iter_next(&it, &name, &v) == 1) {
		const struct place here = {.up = at, .name = name.at + 1, .name_len = name.len - 2};
		size_t i = member_find(table, n, &name);

		if (v.type == JSON_SPAN_NULL)
			continue;
		if (i == n)
			return members_inexpressible(r, &here, "this parameter isn't known");
		if (seen & 1ull << i)
			return members_refuse(r, &here, "given twice");
		seen |= 1ull << i;
		rc = table[i].read(r, &here, &v, into ? (char *)into + table[i].offset : NULL);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < n; i++) {
		const struct place missing = member_of(at, table[i].name);

		if (table[i].required && !(seen & 1ull << i))
			return members_refuse(r, &missing, "this parameter is required");
	}
	return 0;
}

int members_each(struct chat_reader *r, const struct place *at, const struct json_span *array, const char *expected,
		 member_fn read, void *into)
{
	struct place here = {.up = at};
	struct json_span element;
	struct json_iter it;
	int rc = 0;

	if (array->type != JSON_SPAN_ARRAY || json_iter_init(&it, array) < 0)
		return members_refuse(r, at, expected);
	for (; rc == 0 && json_iter_next(&it, NULL, &element) == 1; here.index++)
		rc = read(r, &here, &element, into);
	return rc;
}

int member_any(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	(void)r;
	(void)at;
	*(struct json_span *)into = *v;
	return 0;
}

int member_object(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	return v->type == JSON_SPAN_OBJECT ? member_any(r, at, v, into) : members_refuse(r, at, "expected an object");
}

int member_string(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	if (v->type != JSON_SPAN_STRING)
		return members_refuse(r, at, "expected a string");
	*(struct chat_text *)into = chat_text_of(v);
	return 0;
}

int member_bool(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	if (v->type != JSON_SPAN_TRUE && v->type != JSON_SPAN_FALSE)
		return members_refuse(r, at, "expected a boolean");
	*(bool *)into = v->type == JSON_SPAN_TRUE;
	return 0;
}

int member_known(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	(void)r;
	(void)at;
	(void)v;
	(void)into;
	return 0;
}

int member_hint(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	(void)v;
	(void)into;
	members_ignore(r, at);
	return 0;
}

int member_inexpressible(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	char why[64];

	(void)v;
	(void)into;
	snprintf(why, sizeof(why), "only %s's models have it", r->owner);
	return members_inexpressible(r, at, why);
}

int member_no_list(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	if (v->type != JSON_SPAN_ARRAY)
		return members_refuse(r, at, "expected an array");
	return json_is_empty(v) ? 0 : member_inexpressible(r, at, v, into);
}

int member_not_true(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	bool on = false;
	int rc = member_bool(r, at, v, &on);

	return rc == 0 && on ? member_inexpressible(r, at, v, into) : rc;
}

int members_type(struct chat_reader *r, const struct place *at, const struct json_span *object, struct json_span *ret)
{
	struct json_member m = {.name = "type"};
	struct place here = member_of(at, "type");

	if (object->type != JSON_SPAN_OBJECT || json_scan_object(object->at, object->len, &m, 1, NULL) < 0)
		return members_refuse(r, at, "expected an object");
	if (m.value.type != JSON_SPAN_STRING)
		return members_refuse(r, &here, "expected a string");
	*ret = m.value;
	return 0;
}
