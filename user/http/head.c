#include "http/head.h"

#include <string.h>
#include <strings.h>

static bool is_token_char(unsigned char c)
{
	static const bool token[256] = {
		['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
		['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
		['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
	};

	return token[c];
}

/* Length of the token at s, within len bytes. */
static size_t token_len(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && is_token_char((unsigned char)s[n]))
		n++;
	return n;
}

/* Length of the field value at s, up to a control character (blank and tab are none). */
static size_t value_len(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && ((unsigned char)s[n] >= 0x20 || s[n] == '\t') && s[n] != 0x7f)
		n++;
	return n;
}

bool http_head_target_ok(const char *uri)
{
	const char *p = uri;

	while ((unsigned char)*p > 0x20 && *p != 0x7f)
		p++;
	return p > uri && !*p;
}

/* "METHOD\0URI\0HTTP/1.x\0\0"; returns its length or 0. */
static size_t check_request_line(const char *method, size_t len, const char *uri, size_t uri_len, const char *version)
{
	size_t method_len = token_len(method, len), line_len = method_len + 1 + uri_len + 1 + strlen("HTTP/1.1") + 2;

	if (!method_len || line_len > len || uri != method + method_len + 1 || version != uri + uri_len + 1)
		return 0;
	if (method[method_len] != '\0' || uri[uri_len] != '\0')
		return 0;
	if (memcmp(method + line_len - 2, "\0\0", 2) != 0) /* a bare LF left one NUL */
		return 0;
	return line_len;
}

static bool same_name(const struct http_head_field *f, const char *name, size_t name_len)
{
	return f->name_len == name_len && !strncasecmp(f->name, name, name_len);
}

/* Fields that decide framing, routing or identity: two of them are two readings of one request. */
static bool must_be_single(const struct http_head_field *f)
{
	static const char *const names[] = {"host",          "content-length", "transfer-encoding",
					    "authorization", "content-type",   "expect",
					    "x-api-key",     "api-key",        "x-goog-api-key"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (same_name(f, names[i], strlen(names[i])))
			return true;
	return false;
}

static bool parse_length(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	*ret = v;
	return true;
}

/* Splits "name\0 value\0\0" lines up to the empty one, which must end the head. */
static enum http_head_verdict split_fields(const char *p, const char *end, struct http_head *h)
{
	while (end - p > 2) {
		struct http_head_field *f;
		size_t n = token_len(p, (size_t)(end - p));

		if (h->count == HTTP_HEADERS_MAX)
			return HTTP_HEAD_MANY;
		f = &h->fields[h->count++];
		if (!n || p + n == end || p[n] != '\0')
			return HTTP_HEAD_BAD;
		f->name = p;
		f->name_len = (uint32_t)n;
		p += n + 1;
		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		f->value = p;
		p += value_len(p, (size_t)(end - p));
		if (end - p < 4 || p[0] != '\0' || p[1] != '\0') /* bare LF, a control character or NUL inside */
			return HTTP_HEAD_BAD;
		p += 2;
	}
	return end - p == 2 && p[0] == '\0' && p[1] == '\0' ? HTTP_HEAD_OK : HTTP_HEAD_BAD;
}

static enum http_head_verdict check_framing(struct http_head *h)
{
	const char *coding = http_head_find(h, "transfer-encoding", NULL);
	const char *length = http_head_find(h, "content-length", NULL);
	const char *expect = http_head_find(h, "expect", NULL);

	for (unsigned i = 0; i < h->count; i++) {
		if (!must_be_single(&h->fields[i]))
			continue;
		for (unsigned j = i + 1; j < h->count; j++)
			if (same_name(&h->fields[j], h->fields[i].name, h->fields[i].name_len))
				return HTTP_HEAD_BAD;
	}
	if (coding && (length || !h->minor_1 || strcasecmp(coding, "chunked") != 0))
		return HTTP_HEAD_BAD;
	h->chunked = coding != NULL;
	h->has_length = length != NULL;
	if (length && !parse_length(length, &h->length))
		return HTTP_HEAD_BAD;
	if (h->minor_1 && !http_head_find(h, "host", NULL))
		return HTTP_HEAD_BAD;
	h->expect_continue = expect && h->minor_1;
	return h->expect_continue && strcasecmp(expect, "100-continue") != 0 ? HTTP_HEAD_EXPECT : HTTP_HEAD_OK;
}

enum http_head_verdict http_head_check(const char *method, size_t len, const char *uri, size_t uri_len,
				       const char *version, struct http_head *ret)
{
	size_t line_len = check_request_line(method, len, uri, uri_len, version);
	enum http_head_verdict verdict;

	ret->count = 0;
	ret->chunked = ret->expect_continue = ret->has_length = false;
	ret->length = 0;
	if (!line_len)
		return HTTP_HEAD_BAD;
	ret->minor_1 = version[7] != '0';
	verdict = split_fields(method + line_len, method + len, ret);
	return verdict == HTTP_HEAD_OK ? check_framing(ret) : verdict;
}

const char *http_head_find(const struct http_head *h, const char *name, unsigned *ret_count)
{
	size_t name_len = strlen(name);
	const char *value = NULL;
	unsigned count = 0;

	for (unsigned i = 0; i < h->count; i++) {
		if (!same_name(&h->fields[i], name, name_len))
			continue;
		if (!value)
			value = h->fields[i].value;
		count++;
	}
	if (ret_count)
		*ret_count = count;
	return value;
}
