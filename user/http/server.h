/* The libmicrohttpd adapter: one server per worker (data plane) or for the control plane. Runs MHD in external epoll
 * mode, sharded, on the worker's loop. Speaks HTTP/1.1 with keep-alive; TLS when given a certificate.
 *
 * Invariants (tests cite them):
 *  H1  Every exchange gets exactly one `finished` callback, after which its pointer is dead.
 *
 *  H2  While an exchange waits (after `request` returned without an answer) its connection is suspended, and a client
 *      that hangs up (half or whole) is noticed at once: `gone` is called.
 *
 *  H3  What is queued for one client of a stream is bounded by stream_buffer_bytes and one write: http_stream_write()
 *      says when to pause, `writable` says when to go on. A producer that doesn't pause is cut off 256 KiB later.
 *
 *  H4  A request that is ambiguous on the wire (Content-Length twice or with Transfer-Encoding, bare LF, obs-fold, a
 *      blank before the colon, NUL or control characters, two of a header that must be single) is refused with 400 and
 *      the connection closed. After a chunked body the connection is closed with the answer: libmicrohttpd is lenient
 *      about its line ends, so nothing after it is taken for a request.
 *
 *  H5  libmicrohttpd's own error pages don't reach a client: the handler's `refuse` renders every error. Over TLS the
 *      connection is closed without an answer where libmicrohttpd would write its own. What remains: two clients whose
 *      bytes one shard takes in one pass, one malformed and one in the middle of a head, can't always be told apart;
 *      then the page gets out rather than a valid request being refused.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "base/arena.h"
#include "base/err.h"
#include "event/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct http_server;
struct http_exchange;

struct http_header {
	const char *name, *value;
};

struct http_server_opts {
	unsigned shards;          /* MHD daemons, default 32 */
	unsigned connections_max; /* of this server */
	unsigned connections_per_ip_max;
	unsigned head_bytes_max;
	size_t body_bytes_max;
	size_t stream_buffer_bytes;
	/* Between requests and for a whole head; for each 16 KiB of a body, or of an answer that the client takes. */
	unsigned idle_timeout_ms, body_timeout_ms;
	const char *tls_cert_pem, *tls_key_pem; /* contents; NULL = plain */
	uint64_t *idle_table;                   /* kernel's tg_idle (TG_IDLE_MAX words) or NULL */
};
#define HTTP_SERVER_OPTS_DEFAULT                                                                                       \
	((struct http_server_opts){.shards = 32,                                                                       \
				   .connections_max = 10000,                                                           \
				   .head_bytes_max = 8192,                                                             \
				   .body_bytes_max = 16u << 20,                                                        \
				   .stream_buffer_bytes = 64u << 10,                                                   \
				   .idle_timeout_ms = 75000,                                                           \
				   .body_timeout_ms = 60000})

/* What the adapter itself refuses. */
enum http_refusal {
	HTTP_REFUSE_BAD_REQUEST,
	HTTP_REFUSE_HEAD_TOO_LARGE, /* 431 */
	HTTP_REFUSE_BODY_TOO_LARGE, /* 413 */
	HTTP_REFUSE_TIMEOUT,        /* 408 */
	HTTP_REFUSE_EXPECTATION,    /* 417 */
	HTTP_REFUSE_NO_MEMORY,      /* 503 */
};

struct http_handler {
	/* The head is complete, the body not yet read: return to go on, or answer now (http_respond) to refuse without
	 * reading it; `request` is then not called. A body of up to 64 KiB is read and dropped, so that the connection
	 * stays usable; a larger, chunked or expected one ends the connection. NULL = go on. */
	void (*head)(struct http_exchange *x, void *arg);
	/* The whole request is there. Answer now or later from the loop's thread. */
	void (*request)(struct http_exchange *x, void *arg);
	/* The client hung up while the exchange was waiting or streaming; nothing more can be sent. */
	void (*gone)(struct http_exchange *x, void *arg);
	/* The stream's buffer has room again. */
	void (*writable)(struct http_exchange *x, void *arg);
	void (*finished)(struct http_exchange *x, bool complete, uint64_t bytes_sent, void *arg);
	/* Render an error answer, with http_respond(), for a request that never becomes an exchange's `request`.
	 * Method, path and headers may be empty. */
	void (*refuse)(struct http_exchange *x, enum http_refusal why, void *arg);
};

int http_server_new(struct loop *l, const struct http_server_opts *opts, const struct http_handler *h, void *arg,
		    struct http_server **ret, struct err *err) MUST_CHECK;
/* Takes over a listening socket (SO_REUSEPORT, TCP_DEFER_ACCEPT for TCP are set by http_listen). */
int http_server_add_listener(struct http_server *s, int fd, struct err *err) MUST_CHECK;
/* Stop accepting; idle connections close, busy ones after their answer. */
void http_server_drain(struct http_server *s);
bool http_server_drained(const struct http_server *s);
unsigned http_server_connections(const struct http_server *s);
/* Only when drained, or with every exchange answered or aborted. */
void http_server_free(struct http_server *s);

int http_listen_tcp(const char *host, uint16_t port, bool reuse_port, int *ret_fd, struct err *err) MUST_CHECK;
int http_listen_unix(const char *path, unsigned mode, int *ret_fd, struct err *err) MUST_CHECK;

/* ---- the request; pointers live as long as the exchange */
const char *http_method(const struct http_exchange *x);
const char *http_path(const struct http_exchange *x);  /* without query, not decoded */
const char *http_query(const struct http_exchange *x); /* raw, "" when absent */
/* The single value, or NULL. Sets *ret_count (may be NULL) to how often it stands. */
const char *http_request_header(const struct http_exchange *x, const char *name, unsigned *ret_count);
void http_body(const struct http_exchange *x, const char **ret, size_t *ret_len);
void http_peer(const struct http_exchange *x, struct sockaddr_storage *ret); /* family AF_UNIX for the socket */
uint64_t http_received_ns(const struct http_exchange *x);                    /* CLOCK_MONOTONIC of the head */
struct arena *http_arena(struct http_exchange *x);
void http_set_user(struct http_exchange *x, void *user);
void *http_user(const struct http_exchange *x);
/* The request body is not needed any more (an upstream answered): frees it early. */
void http_body_release(struct http_exchange *x);

/* ---- the answer: one of respond, or stream_begin + write* + (end | abort). Headers are copied; Content-Length,
 * Transfer-Encoding and Connection are the adapter's and skipped. Negative = no answer can be given (ERR_CLOSED: gone
 * or answered already; ERR_INVAL: a header's value is malformed; ERR_NOMEM); the connection is then closed and
 * `finished` follows. */
int http_respond(struct http_exchange *x, int status, const struct http_header *h, size_t n, const char *body,
		 size_t len);
/* As http_respond, but takes ownership of a malloc'ed body (freed also on failure). */
int http_respond_take(struct http_exchange *x, int status, const struct http_header *h, size_t n, char *body,
		      size_t len);
/* As http_respond, but the body stays the caller's, unchanged until `finished`. */
int http_respond_borrow(struct http_exchange *x, int status, const struct http_header *h, size_t n, const char *body,
			size_t len);
int http_stream_begin(struct http_exchange *x, int status, const struct http_header *h, size_t n);
/* 0, or 1 = accepted and the caller should pause until `writable`; negative = gone (no `gone` follows, `finished`
 * does). */
int http_stream_write(struct http_exchange *x, const char *data, size_t len);
void http_stream_end(struct http_exchange *x);
/* The client must not take the answer for complete: the connection is reset. Also ends an exchange that has no answer
 * yet. */
void http_stream_abort(struct http_exchange *x);
/* Close the connection after this answer. */
void http_close_after(struct http_exchange *x);

#endif
