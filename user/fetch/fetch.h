/* The only libcurl room: one HTTP request at a time, blocking, for cold paths (tollctl, probes). Everything is bounded:
 * time, size of the answer, number of headers. Redirects aren't followed, proxies not used on a Unix socket. */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include "base/buf.h"
#include "base/err.h"

struct fetch_opts {
	const char *url;            /* http:// or https:// (certificates verified) */
	const char *unix_socket;    /* connect here instead of to the URL's host; NULL = no */
	const char *method;         /* upper case */
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	const void *body;           /* borrowed during the call; NULL = none */
	size_t body_len;
	unsigned connect_timeout_ms;
	unsigned total_timeout_ms; /* 0 = none */
	size_t response_bytes_max; /* body; a longer one is ERR_FULL */
};
#define FETCH_OPTS_DEFAULT                                                                                             \
	((struct fetch_opts){.method = "GET",                                                                          \
			     .connect_timeout_ms = 5000,                                                               \
			     .total_timeout_ms = 60000,                                                                \
			     .response_bytes_max = (size_t)64 << 20})

#define FETCH_HEADERS_MAX 100
struct fetch_response {
	int status;
	char *header_lines[FETCH_HEADERS_MAX]; /* "Name: value", of the last answer (not of a 100 before it) */
	size_t n_headers;
	struct buf body;
};

/* Any HTTP status is success here. Errors: ERR_CLOSED (nobody listens there), ERR_PERM (not allowed to connect),
 * ERR_TIMEOUT, ERR_FULL (answer over its bound), ERR_PROTO (not HTTP, or cut off midway), ERR_INVAL (the options),
 * ERR_IO. *ret is set on success only; free it with fetch_response_done. */
int fetch_request(const struct fetch_opts *opts, struct fetch_response *ret, struct err *err) MUST_CHECK;
void fetch_response_done(struct fetch_response *r);
/* The value, or NULL. Names compare without case. */
const char *fetch_header(const struct fetch_response *r, const char *name);

/* Percent-encodes a query value onto *out. */
int fetch_put_escaped(struct buf *out, const char *text);

#endif
