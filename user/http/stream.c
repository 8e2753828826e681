/* Streamed answers.
 *
 * Over TLS and to HTTP/1.0 clients every write is queued and libmicrohttpd resumed, whose reader takes it from the
 * queue. On plain HTTP/1.1 that costs more than the chunk: once the reader has suspended, libmicrohttpd has sent the
 * head and all it held, and stands between two chunks. From then on chunks are framed and written to the socket here;
 * it doesn't notice. At the end it is resumed, its reader says so, and it writes the last chunk and goes on to the next
 * request as ever.
 *
 * H3: the queue holds what the client hasn't taken. Above stream_buffer_bytes the producer is asked to pause, at a
 * quarter it is told to go on; one that doesn't pause is cut off HTTP_STREAM_SLACK_BYTES later. A single write may be
 * of any size: an event is, and who made it has held it anyway. */
#include "http/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

void queue_free(struct http_queue *q)
{
	free(q->data);
	*q = (struct http_queue){0};
}

static int queue_put(struct http_queue *q, const void *data, size_t len)
{
	if (q->head && q->head + q->len + len > q->cap) {
		memmove(q->data, q->data + q->head, q->len);
		q->head = 0;
	}
	if (q->len + len > q->cap) {
		size_t cap = q->cap ? q->cap * 2 : 4096;
		char *p;

		while (cap < q->len + len)
			cap *= 2;
		p = realloc(q->data, cap);
		if (!p)
			return ERR_NOMEM;
		q->data = p;
		q->cap = cap;
	}
	memcpy(q->data + q->head + q->len, data, len);
	q->len += len;
	return 0;
}

static void queue_drop(struct http_queue *q, size_t n)
{
	q->head += n;
	q->len -= n;
	if (!q->len)
		q->head = 0;
}

static void go_on_if_room(struct http_exchange *x)
{
	struct http_server *s = x->conn->server;

	if (!x->paused || x->out.len > s->opts.stream_buffer_bytes / 4)
		return;
	x->paused = false;
	if (s->handler.writable && !x->ended)
		s->handler.writable(x, s->arg);
}

ssize_t stream_read(void *cls, uint64_t pos, char *to, size_t max)
{
	struct http_exchange *x = cls;
	size_t n = x->out.len < max ? x->out.len : max;

	(void)pos;
	if (!x->aborted && !x->gone && !x->out.len && !x->ended && x->conn->peer_closed)
		exchange_gone(x);
	if (x->aborted || x->gone) {
		/* libmicrohttpd takes the connection for closed by this, but lets go of it only when it looks at it
		 * once more: in its next run at those with a time limit of their own, at others only while they are its
		 * oldest. */
		MHD_set_connection_option(x->conn->mhd, MHD_CONNECTION_OPTION_TIMEOUT, HTTP_NEVER_S);
		shard_mark(x->conn->shard);
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	if (n) {
		memcpy(to, x->out.data + x->out.head, n);
		queue_drop(&x->out, n);
		go_on_if_room(x);
		return (ssize_t)n;
	}
	if (x->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	x->direct = x->head.minor_1 && !x->conn->server->tls;
	exchange_suspend(x); /* to return 0 without would make libmicrohttpd ask again at once, for ever */
	return 0;
}

int http_stream_begin(struct http_exchange *x, int status, const struct http_header *h, size_t n)
{
	struct MHD_Response *r;
	int rc;

	if (x->answered || x->gone || x->aborted || x->straight)
		return ERR_CLOSED;
	/* The block is used only where there are no chunks. */
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, x->head.minor_1 ? 64 : 4096, stream_read, x, NULL);
	if (!r)
		return response_failed(x, ERR_NOMEM);
	rc = response_add_headers(x, r, h, n);
	if (rc < 0) {
		MHD_destroy_response(r);
		return response_failed(x, rc);
	}
	x->streaming = true;
	return response_queue(x, status, r);
}

static void stream_abort(struct http_exchange *x)
{
	struct linger hard = {.l_onoff = 1};
	struct http_conn *conn = x->conn;

	x->aborted = true;
	conn->linger = false;
	/* A body that ends with the connection would look whole without a reset. One in chunks lacks its last, and a
	 * reset could overtake what the client hasn't read yet: the error that says why. */
	if (!x->head.minor_1)
		(void)setsockopt(conn->io.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	if (!x->suspended)
		conn_shut(conn); /* libmicrohttpd waits for the socket to take more: nothing else would wake it */
	exchange_resume(x);
}

/* What http_stream_write() returns for the queue as it is. */
static int pressure(struct http_exchange *x)
{
	size_t limit = x->conn->server->opts.stream_buffer_bytes;

	if (x->out.len <= limit)
		return 0;
	if (!x->paused) {
		x->paused = true;
		x->paused_len = x->out.len;
	} else if (x->out.len > x->paused_len + HTTP_STREAM_SLACK_BYTES) {
		stream_abort(x);
		return ERR_FULL;
	}
	return 1;
}

static int stream_failed(struct http_exchange *x, int code)
{
	stream_abort(x);
	return code;
}

/* The socket refused: the write's return value tells the producer, no `gone` is called. */
static int stream_lost(struct http_exchange *x)
{
	x->gone = true;
	exchange_resume(x);
	return ERR_CLOSED;
}

/* "1a2b\r\n" into at[20]. */
static size_t chunk_head(char at[20], size_t len)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (int shift = (int)sizeof(len) * 8 - 4; shift >= 0; shift -= 4)
		if (n || !shift || len >> shift)
			at[n++] = digits[len >> shift & 15];
	at[n++] = '\r';
	at[n++] = '\n';
	return n;
}

/* Puts what sendmsg() left of the frame into the queue. */
static int queue_rest(struct http_queue *q, const struct iovec *v, size_t count, size_t sent)
{
	for (size_t i = 0; i < count; i++) {
		if (sent >= v[i].iov_len) {
			sent -= v[i].iov_len;
			continue;
		}
		if (queue_put(q, (const char *)v[i].iov_base + sent, v[i].iov_len - sent) < 0)
			return ERR_NOMEM;
		sent = 0;
	}
	return 0;
}

static int write_direct(struct http_exchange *x, const char *data, size_t len)
{
	char head[20];
	struct iovec v[3] = {{head, chunk_head(head, len)}, {(void *)(uintptr_t)data, len}, {(char[]){"\r\n"}, 2}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 3};
	size_t total = v[0].iov_len + len + 2;
	ssize_t sent = 0;

	if (!x->out.len) {
		do
			sent = sendmsg(x->conn->io.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		while (sent < 0 && errno == EINTR);
		if (sent < 0 && errno != EAGAIN && errno != ENOBUFS)
			return stream_lost(x);
		if (sent < 0)
			sent = 0;
	}
	if ((size_t)sent < total && queue_rest(&x->out, v, 3, (size_t)sent) < 0)
		return stream_failed(x, ERR_NOMEM);
	return pressure(x);
}

int http_stream_write(struct http_exchange *x, const char *data, size_t len)
{
	if (x->gone || x->aborted || !x->streaming || x->ended)
		return ERR_CLOSED;
	if (!len)
		return x->paused;
	x->bytes_sent += len;
	if (x->direct && x->suspended)
		return write_direct(x, data, len);
	if (queue_put(&x->out, data, len) < 0)
		return stream_failed(x, ERR_NOMEM);
	exchange_resume(x);
	return pressure(x);
}

void stream_flush(struct http_exchange *x)
{
	if (!x->suspended || !x->out.len)
		return;
	while (x->out.len) {
		ssize_t n = send(x->conn->io.fd, x->out.data + x->out.head, x->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
			break;
		if (n < 0) {
			exchange_gone(x);
			return;
		}
		queue_drop(&x->out, (size_t)n);
	}
	go_on_if_room(x);
	if (x->ended && !x->out.len)
		exchange_resume(x);
}

void http_stream_end(struct http_exchange *x)
{
	if (x->gone || x->aborted || !x->streaming || x->ended)
		return;
	x->ended = true;
	if (!x->direct || !x->out.len)
		exchange_resume(x);
}

void http_stream_abort(struct http_exchange *x)
{
	if (x->gone || x->aborted || (x->answered && !x->streaming))
		return;
	stream_abort(x);
	if (!x->delivered)
		conn_shut(x->conn); /* libmicrohttpd reads a body: nothing else would wake it */
}
