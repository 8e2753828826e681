#include "sim/json.h"

#include <string.h>

static const char *skip_blank(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

/* p is after the opening quote; returns after the closing one, or NULL. */
static const char *skip_string(const char *p, const char *end)
{
	while (p < end) {
		const char *q = memchr(p, '"', (size_t)(end - p));
		const char *b;

		if (!q)
			return NULL;
		b = memchr(p, '\\', (size_t)(q - p));
		if (!b)
			return q + 1;
		p = b + 2;
	}
	return NULL;
}

static bool is_scalar_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '+' ||
	       c == '.';
}

static const char *skip_scalar(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && is_scalar_char(*p))
		p++;
	return p > start ? p : NULL;
}

static const char *skip_value(const char *p, const char *end, int depth);

/* p is after the opening bracket. */
static const char *skip_container(const char *p, const char *end, char close, int depth)
{
	p = skip_blank(p, end);
	if (p < end && *p == close)
		return p + 1;
	while (p < end) {
		if (close == '}') {
			if (*p != '"' || !(p = skip_string(p + 1, end)))
				return NULL;
			p = skip_blank(p, end);
			if (p == end || *p != ':')
				return NULL;
			p++;
		}
		p = skip_value(p, end, depth);
		if (!p)
			return NULL;
		p = skip_blank(p, end);
		if (p == end)
			return NULL;
		if (*p == close)
			return p + 1;
		if (*p != ',')
			return NULL;
		p = skip_blank(p + 1, end);
	}
	return NULL;
}

static const char *skip_value(const char *p, const char *end, int depth)
{
	p = skip_blank(p, end);
	if (p == end || depth >= JSON_DEPTH_MAX)
		return NULL;
	switch (*p) {
	case '"':
		return skip_string(p + 1, end);
	case '{':
		return skip_container(p + 1, end, '}', depth + 1);
	case '[':
		return skip_container(p + 1, end, ']', depth + 1);
	default:
		return skip_scalar(p, end);
	}
}

bool json_parse(const char *text, size_t len, struct json *ret)
{
	const char *end = text + len, *start = skip_blank(text, end), *p;

	p = skip_value(start, end, 0);
	if (!p || skip_blank(p, end) != end)
		return false;
	*ret = (struct json){start, (size_t)(p - start)};
	return true;
}

bool json_next(struct json container, size_t *pos, struct json *ret_name, struct json *ret_value)
{
	const char *end, *p, *q;
	bool object;

	if (!container.ptr || (container.ptr[0] != '{' && container.ptr[0] != '['))
		return false;
	object = container.ptr[0] == '{';
	end = container.ptr + container.len;
	p = skip_blank(container.ptr + (*pos ? *pos : 1), end);
	if (p < end && *p == ',')
		p = skip_blank(p + 1, end);
	if (p >= end - 1)
		return false;
	if (object) {
		q = skip_string(p + 1, end);
		if (!q)
			return false;
		if (ret_name)
			*ret_name = (struct json){p, (size_t)(q - p)};
		p = skip_blank(q, end) + 1;
	}
	p = skip_blank(p, end);
	q = skip_value(p, end, 0);
	if (!q)
		return false;
	*ret_value = (struct json){p, (size_t)(q - p)};
	*pos = (size_t)(q - container.ptr);
	return true;
}

struct json json_get(struct json object, const char *name)
{
	struct json found = {0}, key, value;
	size_t pos = 0, len = strlen(name);

	if (!object.ptr || object.ptr[0] != '{')
		return found;
	while (json_next(object, &pos, &key, &value))
		if (key.len == len + 2 && memcmp(key.ptr + 1, name, len) == 0)
			found = value;
	return found;
}

bool json_is_string(struct json v)
{
	return v.ptr && v.len >= 2 && v.ptr[0] == '"';
}

bool json_is(struct json v, const char *text)
{
	return v.ptr && v.len == strlen(text) && memcmp(v.ptr, text, v.len) == 0;
}

struct json json_raw_string(struct json v)
{
	if (!json_is_string(v))
		return (struct json){"", 0};
	return (struct json){v.ptr + 1, v.len - 2};
}

unsigned long json_uint(struct json v, unsigned long otherwise)
{
	unsigned long n = 0;

	if (!v.ptr || !v.len || v.len > 9)
		return otherwise;
	for (size_t i = 0; i < v.len; i++) {
		if (v.ptr[i] < '0' || v.ptr[i] > '9')
			return otherwise;
		n = n * 10 + (unsigned long)(v.ptr[i] - '0');
	}
	return n;
}
