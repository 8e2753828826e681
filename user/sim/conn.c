#include "sim/conn.h"

#include "base/clock.h"
#include "sim/table.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>

#define PIPELINE_MAX ((size_t)1 << 20) /* bytes kept while an answer is under way */

/* ---- bytes */

/* As recv/send: > 0, 0 = end, -1 = later, -2 = broken. */
static long conn_recv(struct sim_conn *c, char *data, size_t len)
{
	long n;

	if (c->ssl) {
		ERR_clear_error();
		n = SSL_read(c->ssl, data, (int)len);
		if (n > 0)
			return n;
		switch (SSL_get_error(c->ssl, (int)n)) {
		case SSL_ERROR_WANT_READ:
		case SSL_ERROR_WANT_WRITE:
			return -1;
		default:
			return 0;
		}
	}
	do
		n = recv(c->io.fd, data, len, 0);
	while (n < 0 && errno == EINTR);
	return n >= 0 ? n : errno == EAGAIN ? -1 : -2;
}

static long conn_write(struct sim_conn *c, const char *data, size_t len)
{
	long n;

	if (c->ssl) {
		ERR_clear_error();
		n = SSL_write(c->ssl, data, len > 1 << 20 ? 1 << 20 : (int)len);
		if (n > 0)
			return n;
		switch (SSL_get_error(c->ssl, (int)n)) {
		case SSL_ERROR_WANT_READ:
		case SSL_ERROR_WANT_WRITE:
			return -1;
		default:
			return -2;
		}
	}
	do
		n = send(c->io.fd, data, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n >= 0 ? n : errno == EAGAIN ? -1 : -2;
}

static void conn_want_write(struct sim_conn *c, bool on)
{
	if (c->writing == on)
		return;
	c->writing = on;
	if (loop_io_mod(c->worker->loop, &c->io, on ? EPOLLIN | EPOLLOUT : EPOLLIN, NULL) < 0)
		sim_conn_close(c);
}

void sim_conn_close(struct sim_conn *c)
{
	c->closed = true;
}

bool sim_conn_blocked(const struct sim_conn *c)
{
	return c->writing;
}

void sim_conn_timer(struct sim_conn *c, uint64_t after_ns)
{
	uint64_t due = (after_ns ? clock_mono_ns() : 0) + after_ns;

	if (loop_timer_set(c->worker->loop, &c->timer, due) < 0)
		sim_conn_close(c);
}

void sim_conn_send(struct sim_conn *c, const char *data, size_t len)
{
	size_t done = 0;

	while (!c->writing && !c->closed && done < len) {
		long n = conn_write(c, data + done, len - done);

		if (n == -2) {
			sim_conn_close(c);
		} else if (n == -1) {
			conn_want_write(c, true);
		} else {
			done += (size_t)n;
			sim_count(&c->worker->stats.bytes_out, (uint64_t)n);
		}
	}
	if (done < len && !c->closed && buf_append(&c->out, data + done, len - done) < 0)
		sim_conn_close(c);
	if (!c->writing && c->state == CONN_READING && c->close_after)
		sim_conn_close(c);
}

static void out_forget(struct sim_conn *c)
{
	buf_done(&c->out);
	c->out = BUF_INIT;
	c->out_at = 0;
}

static void conn_flush(struct sim_conn *c)
{
	while (c->out_at < c->out.len) {
		long n = conn_write(c, c->out.data + c->out_at, c->out.len - c->out_at);

		if (n == -1)
			return;
		if (n < 0) {
			sim_conn_close(c);
			return;
		}
		c->out_at += (size_t)n;
		sim_count(&c->worker->stats.bytes_out, (uint64_t)n);
	}
	out_forget(c);
	conn_want_write(c, false);
	if (c->state == CONN_READING && c->close_after)
		sim_conn_close(c);
}

void sim_conn_drip(struct sim_conn *c)
{
	long n;

	if (c->out_at + 1 == c->out.len && c->model) {
		sim_model_end(c->model);
		c->model = NULL;
	}
	n = conn_write(c, c->out.data + c->out_at, 1);
	if (n == -2) {
		sim_conn_close(c);
		return;
	}
	if (n > 0) {
		c->out_at++;
		sim_count(&c->worker->stats.bytes_out, 1);
	}
	if (c->out_at < c->out.len) {
		sim_conn_timer(c, (uint64_t)c->worker->config->chunk_interval_ms * 1000000);
		return;
	}
	out_forget(c);
	sim_answer_over(c);
	if (c->close_after)
		sim_conn_close(c);
}

/* ---- requests */

static void refuse_bytes(struct sim_conn *c, long status)
{
	char head[128];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %ld Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
			 status);

	c->close_after = true;
	sim_conn_send(c, head, (size_t)n);
}

/* Serves what is complete in the text; returns the bytes used. */
static size_t conn_process(struct sim_conn *c, const char *text, size_t len)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	size_t at = 0;

	while (at < len && c->state == CONN_READING && !c->closed && !c->close_after) {
		struct sim_request r;
		bool cont;
		long n = sim_request_parse(text + at, len - at, &r, &cont);

		if (n < 0)
			refuse_bytes(c, -n);
		if (n == 0 && cont && !c->said_continue) {
			c->said_continue = true;
			sim_conn_send(c, go_on, sizeof(go_on) - 1);
		}
		if (n <= 0)
			break;
		c->said_continue = false;
		at += (size_t)n;
		sim_request_serve(c, &r);
	}
	return at;
}

static void conn_feed(struct sim_conn *c, const char *data, size_t len)
{
	size_t used;

	sim_count(&c->worker->stats.bytes_in, len);
	if (!c->in.len) {
		used = conn_process(c, data, len);
		if (used < len && buf_append(&c->in, data + used, len - used) < 0)
			sim_conn_close(c);
		return;
	}
	if (buf_append(&c->in, data, len) < 0 || (c->state != CONN_READING && c->in.len > PIPELINE_MAX)) {
		sim_conn_close(c);
		return;
	}
	buf_consume(&c->in, conn_process(c, c->in.data, c->in.len));
}

/* An answer is complete: requests that came meanwhile have their turn. */
static void conn_next(struct sim_conn *c)
{
	if (c->in.len && c->state == CONN_READING && !c->closed)
		buf_consume(&c->in, conn_process(c, c->in.data, c->in.len));
	if (!c->in.len && c->in.cap > 65536)
		buf_done(&c->in);
}

static void conn_gone(struct sim_conn *c)
{
	if (c->state != CONN_READING || c->out.len > c->out_at) {
		sim_count(&c->worker->stats.cancelled, 1);
		if (c->job.stream)
			sim_count(&c->worker->stats.cancelled_streams, 1);
	}
	sim_conn_close(c);
}

static void conn_read(struct sim_conn *c)
{
	struct sim_worker *w = c->worker;

	for (;;) {
		long n = conn_recv(c, w->read_buf, sizeof(w->read_buf));

		if (n == -1)
			return;
		if (n <= 0) {
			conn_gone(c);
			return;
		}
		conn_feed(c, w->read_buf, (size_t)n);
		/* A short read of a plain socket has emptied it. */
		if (c->closed || (!c->ssl && (size_t)n < sizeof(w->read_buf)))
			return;
	}
}

static void conn_handshake(struct sim_conn *c)
{
	int n;

	ERR_clear_error();
	n = SSL_accept(c->ssl);
	if (n == 1) {
		c->tls_ready = true;
		sim_count(&c->worker->stats.tls_handshakes, 1);
		conn_want_write(c, false);
		return;
	}
	switch (SSL_get_error(c->ssl, n)) {
	case SSL_ERROR_WANT_READ:
		conn_want_write(c, false);
		break;
	case SSL_ERROR_WANT_WRITE:
		conn_want_write(c, true);
		break;
	default:
		sim_conn_close(c);
	}
}

static void conn_free(struct sim_conn *c)
{
	struct sim_worker *w = c->worker;

	loop_io_del(w->loop, &c->io);
	loop_timer_del(w->loop, &c->timer);
	if (c->ssl) {
		ERR_clear_error();
		if (c->tls_ready)
			SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
	}
	close(c->io.fd);
	if (c->prev)
		c->prev->next = c->next;
	else
		w->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	sim_count(&w->stats.connections_open, (uint64_t)-1);
	if (c->model)
		sim_model_end(c->model);
	buf_done(&c->tail);
	buf_done(&c->in);
	buf_done(&c->out);
	free(c);
}

static void on_io(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct sim_conn *c = CONTAINER_OF(io, struct sim_conn, io);

	(void)l;
	if (c->ssl && !c->tls_ready) {
		conn_handshake(c);
	} else {
		if (events & EPOLLOUT) {
			conn_flush(c);
			if (!c->closed && !c->writing && (c->state == CONN_STREAMING || c->state == CONN_FLOODING))
				sim_answer_continue(c);
		}
		if (!c->closed && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			conn_read(c);
	}
	if (!c->closed)
		conn_next(c);
	if (c->closed)
		conn_free(c);
}

static void on_timer(struct loop *l, struct loop_timer *t)
{
	struct sim_conn *c = CONTAINER_OF(t, struct sim_conn, timer);

	(void)l;
	sim_answer_continue(c);
	conn_next(c);
	if (c->closed)
		conn_free(c);
}

/* ---- the listener */

static void conn_new(struct sim_worker *w, int fd)
{
	struct sim_conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (!c) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->worker = w;
	c->io = (struct loop_io){.fd = fd, .cb = on_io};
	c->timer.cb = on_timer;
	if (w->tls && (!(c->ssl = SSL_new(w->tls)) || SSL_set_fd(c->ssl, fd) != 1))
		c->closed = true;
	if (c->closed || loop_io_add(w->loop, &c->io, EPOLLIN, NULL) < 0) {
		SSL_free(c->ssl);
		close(fd);
		free(c);
		return;
	}
	c->next = w->conns;
	if (c->next)
		c->next->prev = c;
	w->conns = c;
	sim_count(&w->stats.connections, 1);
	sim_count(&w->stats.connections_open, 1);
}

static void on_accept(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct sim_worker *w = CONTAINER_OF(io, struct sim_worker, listener);

	(void)l, (void)events;
	for (int i = 0; i < 64; i++) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			conn_new(w, fd);
		else if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

int sim_worker_listen(struct sim_worker *w, int fd, struct err *err)
{
	w->listener = (struct loop_io){.fd = fd, .cb = on_accept};
	return loop_io_add(w->loop, &w->listener, EPOLLIN, err);
}

void sim_worker_done(struct sim_worker *w)
{
	while (w->conns)
		conn_free(w->conns);
	loop_io_del(w->loop, &w->listener);
	if (w->listener.fd > 0)
		close(w->listener.fd);
	buf_done(&w->out);
	buf_done(&w->body);
	buf_done(&w->event);
	buf_done(&w->spare);
	loop_free(w->loop);
}
