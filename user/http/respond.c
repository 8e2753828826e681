/* Whole answers. Through libmicrohttpd, which takes the body without copying; or straight to the socket where
 * libmicrohttpd can't answer any more (see request.c). */
#include "http/internal.h"

#include "base/buf.h"

#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* Framing is ours: a handler's own idea of it would be a second one. */
static bool is_framing(const char *name)
{
	return !strcasecmp(name, "content-length") || !strcasecmp(name, "transfer-encoding") ||
	       !strcasecmp(name, "connection");
}

int response_add_headers(struct http_exchange *x, struct MHD_Response *r, const struct http_header *h, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (h[i].value && h[i].value[0] && !is_framing(h[i].name) &&
		    MHD_add_response_header(r, h[i].name, h[i].value) != MHD_YES)
			return ERR_INVAL;
	if ((x->close_after || x->conn->server->draining) &&
	    MHD_add_response_header(r, "Connection", "close") != MHD_YES)
		return ERR_NOMEM;
	return 0;
}

/* No answer can be given: the connection ends, `finished` tells the handler. */
int response_failed(struct http_exchange *x, int code)
{
	x->aborted = true;
	exchange_resume(x);
	return code;
}

/* Takes over the reference to r. */
int response_queue(struct http_exchange *x, int status, struct MHD_Response *r)
{
	struct http_conn *conn = x->conn;
	bool body_to_come = !x->delivered && (x->head.chunked || x->head.length);
	bool early = x->at_head && body_to_come &&
		     (x->close_after || x->head.expect_continue || x->head.length > HTTP_SWALLOW_BYTES);
	enum MHD_Result queued;

	x->answered = true;
	if (!x->delivered && !early && !(x->at_head && x->close_after)) {
		x->deferred = r;
		x->deferred_status = status;
		x->swallow = true;
		return 0;
	}
	if (early)
		conn->linger = true;
	queued = MHD_queue_response(conn->mhd, (unsigned)status, r);
	MHD_destroy_response(r);
	if (queued != MHD_YES)
		return response_failed(x, ERR_CLOSED);
	conn_enter(conn, x->streaming ? HTTP_PHASE_STREAM : HTTP_PHASE_SEND);
	exchange_resume(x);
	return 0;
}

static int respond_straight(struct http_exchange *x, int status, const struct http_header *h, size_t n,
			    const char *body, size_t len)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT;
	struct http_conn *conn = x->conn;

	buf_printf(&b, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %zu\r\n", status,
		   MHD_get_reason_phrase_for((unsigned)status), len);
	for (size_t i = 0; i < n; i++)
		if (h[i].value && h[i].value[0] && !is_framing(h[i].name))
			buf_printf(&b, "%s: %s\r\n", h[i].name, h[i].value);
	buf_puts(&b, "\r\n");
	if (strcmp(x->method, "HEAD") != 0)
		buf_append(&b, body, len);
	x->answered = true;
	conn->refused = true;
	conn->linger = true;
	/* One attempt: an error page fits the buffer of a socket on which nothing was sent, or the client isn't
	 * reading and gets none. */
	if (b.failed || send(conn->io.fd, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)b.len)
		return ERR_CLOSED;
	x->bytes_sent = len;
	return 0;
}

/* Whatever `mode` says of the body's ownership holds on failure too. */
static int respond(struct http_exchange *x, int status, const struct http_header *h, size_t n, char *body, size_t len,
		   enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *r = NULL;
	int rc = ERR_CLOSED;

	if (x->answered || x->gone || x->aborted)
		goto unused;
	if (x->straight) {
		rc = respond_straight(x, status, h, n, body, len);
		goto unused;
	}
	r = MHD_create_response_from_buffer(len, body, mode);
	if (!r) {
		rc = response_failed(x, ERR_NOMEM);
		goto unused;
	}
	rc = response_add_headers(x, r, h, n);
	if (rc < 0) {
		MHD_destroy_response(r);
		return response_failed(x, rc);
	}
	x->bytes_sent = len;
	return response_queue(x, status, r);
unused:
	if (mode == MHD_RESPMEM_MUST_FREE)
		free(body);
	return rc;
}

int http_respond_take(struct http_exchange *x, int status, const struct http_header *h, size_t n, char *body,
		      size_t len)
{
	return respond(x, status, h, n, body, len, MHD_RESPMEM_MUST_FREE);
}

int http_respond_borrow(struct http_exchange *x, int status, const struct http_header *h, size_t n, const char *body,
			size_t len)
{
	return respond(x, status, h, n, (char *)(uintptr_t)body, len, MHD_RESPMEM_PERSISTENT);
}

int http_respond(struct http_exchange *x, int status, const struct http_header *h, size_t n, const char *body,
		 size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return response_failed(x, ERR_NOMEM);
	if (len)
		memcpy(copy, body, len);
	return http_respond_take(x, status, h, n, copy, len);
}
