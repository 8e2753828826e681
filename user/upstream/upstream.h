/* HTTP/1.1 client for the hot path: non-blocking, on the worker's loop, pooled, TLS by OpenSSL with certificates
 * and host name verified. One struct upstream_pool per worker and provider; nothing is shared between threads.
 *
 * Invariants (tests cite them):
 *  U1  A request's callbacks come in order head, body*, then exactly one of done or failed; none after
 *      upstream_cancel() returns.
 *  U2  A request is sent again (once) only when it went out on a pooled connection that the peer closed before
 *      any byte of an answer, and nothing was delivered.
 *  U3  A connection returns to the pool only after a complete, well-framed answer without surplus bytes, and leaves it
 *      only when nothing has come since.
 *  U4  Never more than 64 KiB of unread bytes (with TLS one record more) are held for a paused request: back-pressure
 *      reaches the peer.
 *
 * Callbacks may start, cancel, pause and resume any request, but not free the pool. The process must ignore SIGPIPE
 * (OpenSSL writes with write(2)).
 */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "base/err.h"
#include "event/loop.h"

#include <stdbool.h>
#include <stddef.h>

struct upstream_pool;
struct upstream_request;

/* Time-outs of 0 are none. connect: name, TCP and TLS together. first byte: from there to the answer's first byte. idle:
 * between its bytes, not counted while paused. total: everything. */
struct upstream_opts {
	unsigned connect_timeout_ms, first_byte_timeout_ms, idle_timeout_ms, total_timeout_ms;
	unsigned pool_max;     /* requests in flight, and so connections */
	unsigned pool_idle_ms; /* an unused connection is closed after that */
	unsigned head_bytes_max;   /* of an answer */
	const char *ca_file;       /* NULL = the system's */
};
#define UPSTREAM_OPTS_DEFAULT                                                                                  \
	((struct upstream_opts){ .connect_timeout_ms = 5000, .first_byte_timeout_ms = 120000,                  \
				 .idle_timeout_ms = 120000, .total_timeout_ms = 600000, .pool_max = 1024,      \
				 .pool_idle_ms = 60000, .head_bytes_max = 32768 })

/* base_url: http(s)://host[:port][/prefix]; the name is resolved now and again every minute, off the loop. */
int upstream_pool_new(struct loop *l, const char *base_url, const struct upstream_opts *opts,
		      struct upstream_pool **ret, struct err *err) MUST_CHECK;
/* Cancels what is in flight (their `failed` is called with ERR_CLOSED). */
void upstream_pool_free(struct upstream_pool *p);

/* An answer's head; borrowed until the callback returns. */
struct upstream_head {
	int status;
	const char *content_type;  /* "" when absent */
	size_t content_type_len;
	long long content_length;  /* -1 = unknown */
	const char *headers;       /* raw header block, lines end in CRLF */
	size_t headers_len;
};
/* Finds a header (name without colon, case-insensitive) in a raw block; returns its value's length or -1. */
long upstream_header(const char *headers, size_t len, const char *name, const char **ret_value);

struct upstream_events {
	void (*head)(void *arg, const struct upstream_head *h);
	void (*body)(void *arg, const char *data, size_t len);
	void (*done)(void *arg);
	/* code: ERR_TIMEOUT, ERR_CLOSED, ERR_PROTO, ERR_IO (name, connection, TLS); `sent` = some of the request may have
	 * reached the peer. `msg` is for people; it never holds anything of the request or of the answer. */
	void (*failed)(void *arg, int code, const char *msg, bool sent);
};

struct upstream_send {
	const char *method;      /* "POST" */
	const char *path;        /* appended to the base's prefix */
	const char *headers;     /* extra header lines, each with CRLF; Host and Content-Length are added */
	size_t headers_len;
	const char *body;        /* borrowed until done, failed or cancel */
	size_t body_len;
};

/* Never calls back before it returns. ERR_FULL (pool_max), ERR_INVAL (blanks or control characters in the path, headers
 * that don't end in CRLF), ERR_NOMEM, ERR_CLOSED (pool being freed): then no callback comes at all. */
int upstream_start(struct upstream_pool *p, const struct upstream_send *send, const struct upstream_events *ev,
		   void *arg, struct upstream_request **ret, struct err *err) MUST_CHECK;
/* The request's pointer is dead after done, failed or cancel have returned. */
void upstream_cancel(struct upstream_request *r);
void upstream_pause(struct upstream_request *r); /* stop reading; callbacks stop with the one under way */
void upstream_resume(struct upstream_request *r);

struct upstream_stats {
	unsigned long long connects, tls_handshakes, reused, retries, failures;
	unsigned active, idle;
};
void upstream_pool_stats(const struct upstream_pool *p, struct upstream_stats *ret);

#endif
