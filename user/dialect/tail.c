/* The usage of an answer that was too large to be kept whole, from its end. */
#include "dialect/wire.h"

#include <stdio.h>
#include <string.h>

void dialect_tail_feed(struct dialect_tail *t, const char *data, size_t len)
{
	size_t keep = sizeof(t->text) - len;

	if (len >= sizeof(t->text)) {
		memcpy(t->text, data + len - sizeof(t->text), sizeof(t->text));
		t->len = sizeof(t->text);
		return;
	}
	if (t->len > keep) {
		memmove(t->text, t->text + t->len - keep, keep);
		t->len = keep;
	}
	memcpy(t->text + t->len, data, len);
	t->len += len;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* What follows the string that p opens; NULL when it has no end. */
static const char *string_end(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		p += *p == '\\';
	return p < end ? p + 1 : NULL;
}

/* From p, which is inside a container: behind the bracket that closes it. NULL when that isn't there. */
static const char *container_end(const char *p, const char *end)
{
	unsigned depth = 1;

	while (p && p < end) {
		if (*p == '"') {
			p = string_end(p, end);
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']') && --depth == 0)
			return p + 1;
		p++;
	}
	return NULL;
}

/* The object of the member that begins at `at`, if it is a member of what the answer's last bracket closes. Inside a
 * string the quotes would be escaped. */
static bool usage_at(const char *at, size_t name_len, const char *end, struct json_span *ret)
{
	const char *p = skip_space(at + name_len, end), *behind, *outer;

	if (p == end || *p != ':')
		return false;
	p = skip_space(p + 1, end);
	if (p == end || *p != '{')
		return false;
	behind = container_end(p + 1, end);
	outer = behind ? container_end(behind, end) : NULL;
	if (!outer || skip_space(outer, end) != end)
		return false;
	*ret = (struct json_span){.at = p, .len = (size_t)(behind - p), .type = JSON_SPAN_OBJECT};
	return true;
}

int dialect_tail_usage(const struct dialect_tail *t, enum wire wire, struct usage *ret, bool *ret_inconsistent)
{
	const struct wire_ops *ops = wire_ops_of(wire);
	const char *end = t->text + t->len, *p = t->text, *at;
	struct json_span v = {.type = JSON_SPAN_ABSENT}, found;
	char name[64];
	size_t n = (size_t)snprintf(name, sizeof(name), "\"%s\"", ops->usage_member);

	for (; (at = memmem(p, (size_t)(end - p), name, n)); p = at + n)
		if (usage_at(at, n, end, &found))
			v = found;
	return ops->usage(&v, ret, ret_inconsistent);
}
