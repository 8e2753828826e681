/* A strict second look at a request's head, on the bytes as libmicrohttpd left them: it parses in place and
 * replaces each separator by NUL, so the head still lies in one piece from the method to the empty line, and what
 * it was lenient about (bare LF, folded lines, blanks before a colon, NUL bytes) is still to be seen there.
 * That layout is libmicrohttpd 0.9.75's; with another one every request would be refused, which no test would miss.
 * Pure; no I/O. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEADERS_MAX 100u

struct http_head_field {
	const char *name, *value;
	uint32_t name_len;
};

struct http_head {
	struct http_head_field fields[HTTP_HEADERS_MAX];
	unsigned count;
	bool minor_1; /* HTTP/1.1 and not 1.0 */
	bool chunked;
	bool expect_continue;
	bool has_length;
	uint64_t length;
};

enum http_head_verdict {
	HTTP_HEAD_OK,
	HTTP_HEAD_BAD,    /* ambiguous or malformed */
	HTTP_HEAD_MANY,   /* more than HTTP_HEADERS_MAX fields */
	HTTP_HEAD_EXPECT, /* an expectation we can't meet */
};

/* A request target as it came: not empty, printable bytes only. */
bool http_head_target_ok(const char *uri);
/* method .. method + len is the head; uri and version point into it, uri_len is the target's length as it came (what
 * lies there may since have been cut up). */
enum http_head_verdict http_head_check(const char *method, size_t len, const char *uri, size_t uri_len,
				       const char *version, struct http_head *ret);
const char *http_head_find(const struct http_head *h, const char *name, unsigned *ret_count);

#endif
