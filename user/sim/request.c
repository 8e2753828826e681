/* Parsing requests: strict where smuggling would hide (both lengths, bad numbers), simple elsewhere. */
#include "sim/conn.h"

#include "base/num.h"
#include "upstream/upstream.h"

#include <string.h>
#include <strings.h>

#define HEAD_MAX 65536

static bool line_parse(const char *line, size_t len, struct sim_request *r, bool *ret_http10)
{
	const char *sp = memchr(line, ' ', len), *path, *end;

	if (!sp || sp == line)
		return false;
	path = sp + 1;
	end = memchr(path, ' ', len - (size_t)(path - line));
	if (!end || *path != '/' || (size_t)(line + len - end) != sizeof(" HTTP/1.1") - 1 ||
	    memcmp(end, " HTTP/1.", 8) != 0)
		return false;
	r->method = line;
	r->method_len = (size_t)(sp - line);
	r->path = path;
	r->path_len = (size_t)(end - path);
	*ret_http10 = end[8] == '0';
	return end[8] == '0' || end[8] == '1';
}

static bool value_is(const char *v, long len, const char *want)
{
	return len == (long)strlen(want) && strncasecmp(v, want, (size_t)len) == 0;
}

long sim_request_parse(const char *text, size_t len, struct sim_request *ret, bool *ret_continue)
{
	const char *end = memmem(text, len < HEAD_MAX ? len : HEAD_MAX, "\r\n\r\n", 4), *eol, *v;
	bool http10;
	uint64_t body_len = 0;
	size_t head_len;
	long n;

	*ret_continue = false;
	if (!end)
		return len >= HEAD_MAX ? -431 : 0;
	head_len = (size_t)(end - text) + 4;
	eol = memchr(text, '\r', head_len);
	if (!line_parse(text, (size_t)(eol - text), ret, &http10))
		return -400;
	ret->headers = eol + 2;
	ret->headers_len = head_len - (size_t)(ret->headers - text);
	if (upstream_header(ret->headers, ret->headers_len, "transfer-encoding", &v) >= 0)
		return -411;
	n = upstream_header(ret->headers, ret->headers_len, "content-length", &v);
	if (n >= 0 && num_parse_u64(v, (size_t)n, &body_len) < 0)
		return -400;
	if (body_len > SIM_BODY_MAX)
		return -413;
	n = upstream_header(ret->headers, ret->headers_len, "connection", &v);
	ret->close = http10 ? !value_is(v, n, "keep-alive") : value_is(v, n, "close");
	ret->body = text + head_len;
	ret->body_len = body_len;
	if (len - head_len >= body_len)
		return (long)(head_len + body_len);
	n = upstream_header(ret->headers, ret->headers_len, "expect", &v);
	*ret_continue = value_is(v, n, "100-continue");
	return 0;
}

long sim_request_query(const struct sim_request *r, const char *name, const char **ret)
{
	const char *at = memchr(r->path, '?', r->path_len), *end = r->path + r->path_len;
	size_t len = strlen(name);

	while (at && ++at < end) {
		const char *next = memchr(at, '&', (size_t)(end - at)), *stop = next ? next : end;

		if ((size_t)(stop - at) > len && memcmp(at, name, len) == 0 && at[len] == '=') {
			*ret = at + len + 1;
			return stop - *ret;
		}
		at = next;
	}
	return -1;
}
