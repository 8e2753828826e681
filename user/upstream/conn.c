/* One connection: connect, handshake, bytes, and the pool's list of idle ones.
 *
 * Edge-triggered: each socket is registered once, for everything. Who stops reading before the socket is empty must
 * come back by himself (request_io's `kicked`).
 */
#include "upstream/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#define TLS_RECORD 16384

/* ---- bytes */

static long tls_result(struct conn *c, int n)
{
	if (n > 0)
		return n;
	switch (SSL_get_error(c->ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return CONN_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return CONN_EOF;
	default:
		return CONN_BROKEN; /* an end without close_notify too: it may be a truncation by a third party */
	}
}

static long socket_result(ssize_t n)
{
	return n >= 0 ? n : errno == EAGAIN || errno == EWOULDBLOCK ? CONN_AGAIN : CONN_BROKEN;
}

long conn_recv(struct conn *c, char *data, size_t len)
{
	ssize_t n;

	if (c->ssl) {
		ERR_clear_error();
		return tls_result(c, SSL_read(c->ssl, data, (int)len));
	}
	do
		n = recv(c->io.fd, data, len, 0);
	while (n < 0 && errno == EINTR);
	return socket_result(n);
}

/* Head and body make one record as long as they fit; a record is repeated byte for byte after "later", which is what
 * SSL_write asks for. */
static long tls_send(struct conn *c, const char *head, size_t head_len, const char *body, size_t body_len)
{
	char record[TLS_RECORD];
	size_t part;

	ERR_clear_error();
	if (!head_len)
		return tls_result(c, SSL_write(c->ssl, body, (int)(body_len < TLS_RECORD ? body_len : TLS_RECORD)));
	if (head_len >= TLS_RECORD)
		return tls_result(c, SSL_write(c->ssl, head, TLS_RECORD));
	part = body_len < TLS_RECORD - head_len ? body_len : TLS_RECORD - head_len;
	memcpy(record, head, head_len);
	if (part)
		memcpy(record + head_len, body, part);
	return tls_result(c, SSL_write(c->ssl, record, (int)(head_len + part)));
}

long conn_send(struct conn *c, const char *head, size_t head_len, const char *body, size_t body_len)
{
	/* iovec has no const. */
	struct iovec iov[2] = {{(char *)(uintptr_t)head, head_len}, {(char *)(uintptr_t)body, body_len}};
	struct msghdr m = {.msg_iov = head_len ? iov : iov + 1, .msg_iovlen = head_len && body_len ? 2 : 1};
	ssize_t n;

	if (c->ssl)
		return tls_send(c, head, head_len, body, body_len);
	do
		n = sendmsg(c->io.fd, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return socket_result(n);
}

bool conn_quiet(struct conn *c)
{
	char byte;

	return conn_recv(c, &byte, 1) == CONN_AGAIN;
}

/* ---- life */

static struct conn *conn_take(struct upstream_pool *p)
{
	struct conn *c = p->conns_free;

	if (c) {
		p->conns_free = c->next;
		c->next = NULL;
		return c;
	}
	c = calloc(1, sizeof(*c));
	if (c)
		c->pool = p;
	return c;
}

void conn_close(struct conn *c)
{
	struct upstream_pool *p = c->pool;

	loop_io_del(p->loop, &c->io);
	if (c->ssl) {
		ERR_clear_error();
		/* Also keeps OpenSSL from taking the session for a bad one. */
		if (SSL_is_init_finished(c->ssl))
			SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
		c->ssl = NULL;
	}
	close(c->io.fd);
	c->io.fd = -1;
	c->state = CONN_FREE;
	c->req = NULL;
	c->reused = c->hup = false;
	c->serial++;
	buf_done(&c->kept);
	c->kept_at = 0;
	c->prev = NULL;
	c->next = p->conns_free;
	p->conns_free = c;
}

/* ---- idle ones: most recent first */

static void idle_unlink(struct conn *c)
{
	struct upstream_pool *p = c->pool;

	if (c->prev)
		c->prev->next = c->next;
	else
		p->idle_newest = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		p->idle_oldest = c->prev;
	c->prev = c->next = NULL;
	p->stats.idle--;
}

void conn_park(struct conn *c)
{
	struct upstream_pool *p = c->pool;

	c->req = NULL;
	c->serial++;
	c->state = CONN_IDLE;
	c->reused = true;
	c->idle_since_ns = loop_now_ns(p->loop);
	c->prev = NULL;
	c->next = p->idle_newest;
	if (c->next)
		c->next->prev = c;
	else
		p->idle_oldest = c;
	p->idle_newest = c;
	p->stats.idle++;
	/* Looked at lazily: armed once while any is idle. Without memory for it they just stay. */
	if (!p->idle_timer.heap_index &&
	    loop_timer_set(p->loop, &p->idle_timer, c->idle_since_ns + (uint64_t)p->opts.pool_idle_ms * 1000000) < 0)
		return;
}

/* What came since it was parked may not have been told yet: in one batch of events ours can stand behind that of the
 * client who is served now. He must not get it for an answer. */
struct conn *conn_unpark_quiet(struct upstream_pool *p)
{
	struct conn *c;

	while ((c = p->idle_newest)) {
		idle_unlink(c);
		if (!c->hup && conn_quiet(c)) {
			c->state = CONN_READY;
			break;
		}
		conn_close(c);
	}
	return c;
}

struct conn *conn_unpark_oldest(struct upstream_pool *p)
{
	struct conn *c = p->idle_oldest;

	idle_unlink(c);
	return c;
}

/* Nobody asked for anything: the peer closes, sends a session ticket, or breaks the protocol; or it is an edge left
 * over from the last request. */
static void idle_io(struct conn *c)
{
	if (!c->hup && conn_quiet(c))
		return;
	idle_unlink(c);
	conn_close(c);
}

/* ---- connecting */

static void conn_failed(struct conn *c, const char *why)
{
	struct upstream_request *r = c->req;

	conn_close(c);
	r->conn = NULL;
	request_connect_failed(r, why);
}

static void conn_ready(struct conn *c)
{
	c->state = CONN_READY;
	request_connected(c->req);
}

static void handshake_go_on(struct conn *c)
{
	char why[128];
	int rc = tls_handshake(c->ssl, why, sizeof(why));

	if (rc < 0) {
		conn_failed(c, why);
	} else if (rc == 1) {
		c->pool->stats.tls_handshakes++;
		conn_ready(c);
	}
}

static void connect_go_on(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);
	char why[96];

	if (getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		snprintf(why, sizeof(why), "connect: %s", strerror(error));
		conn_failed(c, why);
		return;
	}
	if (!c->pool->tls) {
		conn_ready(c);
		return;
	}
	c->ssl = tls_session_new(c->pool, c->io.fd);
	if (!c->ssl) {
		conn_failed(c, "TLS: out of memory");
		return;
	}
	c->state = CONN_HANDSHAKING;
	handshake_go_on(c);
}

static void on_io(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct conn *c = CONTAINER_OF(io, struct conn, io);

	(void)l;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->hup = true;
	switch (c->state) {
	case CONN_CONNECTING:
		connect_go_on(c);
		break;
	case CONN_HANDSHAKING:
		handshake_go_on(c);
		break;
	case CONN_READY:
		request_io(c->req, events);
		break;
	case CONN_IDLE:
		idle_io(c);
		break;
	case CONN_FREE:
		break;
	}
}

int conn_open(struct upstream_pool *p, struct upstream_request *r, struct err *err)
{
	unsigned at = (r->addr_first + r->addr_tries) % p->addrs.count;
	const struct sockaddr *addr = (const struct sockaddr *)&p->addrs.at[at].addr;
	struct conn *c = conn_take(p);
	int one = 1, rc = 0;

	if (!c)
		return err_set(err, ERR_NOMEM, "upstream: out of memory");
	c->io = (struct loop_io){.cb = on_io};
	c->state = CONN_CONNECTING;
	c->io.fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->io.fd < 0) {
		rc = err_errno(err, errno, "socket");
	} else {
		setsockopt(c->io.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		/* EINTR of a non-blocking connect means under way. */
		if (connect(c->io.fd, addr, p->addrs.at[at].len) < 0 && errno != EINPROGRESS && errno != EINTR)
			rc = err_errno(err, errno, "connect");
		else
			rc = loop_io_add(p->loop, &c->io, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, err);
	}
	if (rc < 0) {
		conn_close(c);
		return rc;
	}
	p->stats.connects++;
	c->req = r;
	r->conn = c;
	return 0;
}
