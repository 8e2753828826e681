#include "peer.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct peer_conn {
	struct loop_io io;
	struct loop_timer timer;
	struct peer *peer;
	struct peer_conn *prev, *next;
	struct buf in;
	const struct peer_answer *answer; /* under way */
	size_t at;
	bool blocked;
};

static void conn_free(struct peer_conn *c)
{
	struct peer *p = c->peer;

	loop_io_del(p->loop, &c->io);
	loop_timer_del(p->loop, &c->timer);
	close(c->io.fd);
	if (c->prev)
		c->prev->next = c->next;
	else
		p->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	buf_done(&c->in);
	free(c);
	p->closed++;
	if (p->on_closed)
		p->on_closed(p->loop);
}

static size_t answer_len(const struct peer_answer *a)
{
	return (a->len || !a->text ? a->len : strlen(a->text)) + a->filler;
}

static void again(struct peer_conn *c)
{
	cr_assert_eq(loop_timer_set(c->peer->loop, &c->timer, 0), 0);
}

static void answer_end(struct peer_conn *c)
{
	enum peer_then then = c->answer->then;
	struct linger hard = {.l_onoff = 1};

	c->answer = NULL;
	if (then == PEER_RESET)
		setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	if (then != PEER_KEEP)
		conn_free(c);
}

/* One piece, or as much as the socket takes. */
static void answer_go_on(struct peer_conn *c)
{
	static const char xs[65536] = {[0 ... 65535] = 'x'};
	const struct peer_answer *a = c->answer;
	size_t total = answer_len(a), text_len = total - a->filler;

	while (c->at < total) {
		const char *from = c->at < text_len ? a->text + c->at : xs;
		size_t n = c->at < text_len ? text_len - c->at : total - c->at;
		ssize_t w;

		n = n > sizeof(xs) ? sizeof(xs) : n;
		n = a->piece && n > a->piece ? a->piece : n;
		w = send(c->io.fd, from, n, MSG_NOSIGNAL);
		if (w < 0 && errno == EAGAIN) {
			c->blocked = c->peer->blocked = true;
			cr_assert_eq(loop_io_mod(c->peer->loop, &c->io, EPOLLOUT, NULL), 0);
			if (c->peer->on_blocked)
				c->peer->on_blocked(c->peer);
			return;
		}
		if (w < 0) {
			conn_free(c);
			return;
		}
		c->at += (size_t)w;
		c->peer->sent += (size_t)w;
		if (a->piece && c->at < total) {
			again(c);
			return;
		}
	}
	answer_end(c);
}

static void on_peer_timer(struct loop *l, struct loop_timer *t)
{
	(void)l;
	answer_go_on(CONTAINER_OF(t, struct peer_conn, timer));
}

/* Length of the complete request at the start, 0 = not there. */
static size_t request_len(const struct peer_conn *c, bool head_only)
{
	const char *end = c->in.len ? memmem(c->in.data, c->in.len, "\r\n\r\n", 4) : NULL, *v;
	size_t head, body = 0;

	if (!end)
		return 0;
	head = (size_t)(end - c->in.data) + 4;
	if (upstream_header(c->in.data, head, "content-length", &v) >= 0)
		body = strtoul(v, NULL, 10);
	return head_only ? head : c->in.len >= head + body ? head + body : 0;
}

static void request_take(struct peer_conn *c)
{
	struct peer *p = c->peer;
	const struct peer_answer *a = &p->answers[p->requests < p->count ? p->requests : p->count - 1];
	size_t len = request_len(c, a->early);

	if (!len || c->answer)
		return;
	p->last_len = len < sizeof(p->last_request) ? len : sizeof(p->last_request) - 1;
	memcpy(p->last_request, c->in.data, p->last_len);
	p->last_request[p->last_len] = '\0';
	buf_consume(&c->in, len);
	p->requests++;
	c->answer = a;
	c->at = 0;
	answer_go_on(c);
}

static void on_peer_io(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct peer_conn *c = CONTAINER_OF(io, struct peer_conn, io);
	static _Thread_local char data[65536];
	ssize_t n;

	if (c->blocked) {
		c->blocked = c->peer->blocked = false;
		cr_assert_eq(loop_io_mod(l, io, EPOLLIN, NULL), 0);
		if (events & EPOLLERR)
			conn_free(c);
		else
			answer_go_on(c);
		return;
	}
	n = recv(io->fd, data, sizeof(data), 0);
	if (n <= 0) {
		conn_free(c);
		return;
	}
	cr_assert_eq(buf_append(&c->in, data, (size_t)n), 0);
	request_take(c);
}

static void on_peer_accept(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct peer *p = CONTAINER_OF(io, struct peer, listener);
	struct peer_conn *c = calloc(1, sizeof(*c));

	(void)events;
	c->peer = p;
	c->io = (struct loop_io){.fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), .cb = on_peer_io};
	c->timer.cb = on_peer_timer;
	cr_assert(c->io.fd >= 0);
	cr_assert_eq(loop_io_add(l, &c->io, EPOLLIN, NULL), 0);
	c->next = p->conns;
	if (c->next)
		c->next->prev = c;
	p->conns = c;
	p->accepted++;
}

void peer_start(struct peer *p, struct loop *l, const struct peer_answer *answers, unsigned count)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	*p = (struct peer){.loop = l, .answers = answers, .count = count};
	p->listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	p->listener.cb = on_peer_accept;
	cr_assert_eq(bind(p->listener.fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(p->listener.fd, 64), 0);
	cr_assert_eq(getsockname(p->listener.fd, (struct sockaddr *)&a, &len), 0);
	p->port = ntohs(a.sin_port);
	cr_assert_eq(loop_io_add(l, &p->listener, EPOLLIN, NULL), 0);
}

void peer_hang_up(struct peer *p)
{
	while (p->conns)
		conn_free(p->conns);
}

void peer_stop(struct peer *p)
{
	peer_hang_up(p);
	loop_io_del(p->loop, &p->listener);
	close(p->listener.fd);
}

/* ---- the recorder */

static void note(struct recorder *r, const char *text, size_t len)
{
	cr_assert(!r->over, "U1: an event after the last one");
	cr_assert(!r->starting, "called back from inside upstream_start()");
	if (len > sizeof(r->text) - 1 - r->at)
		len = sizeof(r->text) - 1 - r->at;
	memcpy(r->text + r->at, text, len);
	r->at += len;
	r->text[r->at] = '\0';
}

static void note_event(struct recorder *r, const char *text)
{
	if (r->at)
		note(r, " ", 1);
	note(r, text, strlen(text));
	r->in_body = false;
}

static void finish(struct recorder *r, char event)
{
	r->over = true;
	loop_stop(r->loop);
	if (r->hook)
		r->hook(r, event);
}

static void on_head(void *arg, const struct upstream_head *h)
{
	struct recorder *r = arg;
	char text[32];

	snprintf(text, sizeof(text), "H%d", h->status);
	note_event(r, text);
	snprintf(r->headers, sizeof(r->headers), "%.*s", (int)h->headers_len, h->headers);
	if (r->hook)
		r->hook(r, 'H');
}

static void on_body(void *arg, const char *data, size_t len)
{
	struct recorder *r = arg;

	cr_assert_gt(len, 0);
	if (!r->in_body)
		note_event(r, "B");
	r->in_body = true;
	note(r, data, len);
	r->body_bytes += len;
	if (r->hook)
		r->hook(r, 'B');
}

static void on_done(void *arg)
{
	note_event(arg, "D");
	finish(arg, 'D');
}

static void on_failed(void *arg, int code, const char *msg, bool sent)
{
	struct recorder *r = arg;
	char text[32];

	snprintf(text, sizeof(text), "F%d", code);
	note_event(r, text);
	r->code = code;
	r->sent = sent;
	snprintf(r->msg, sizeof(r->msg), "%s", msg);
	finish(r, 'F');
}

const struct upstream_events recorder_events = {on_head, on_body, on_done, on_failed};

const struct upstream_send test_post = {.method = "POST",
					.path = "/v1/chat",
					.headers = "X-A: b\r\n",
					.headers_len = 8,
					.body = "{\"a\":1}",
					.body_len = 7};

void recorder_start(struct recorder *r, struct loop *l, struct upstream_pool *p, const struct upstream_send *s)
{
	struct err err = {0};

	r->loop = l;
	r->starting = true;
	cr_assert_eq(upstream_start(p, s ? s : &test_post, &recorder_events, r, &r->req, &err), 0, "%s", err.msg);
	r->starting = false;
}

static void on_stutter(struct loop *l, struct loop_timer *t)
{
	struct recorder *r = CONTAINER_OF(t, struct recorder, stutter);

	if (r->over)
		return;
	if (r->req)
		upstream_resume(r->req);
	cr_assert_eq(loop_timer_set(l, t, 0), 0);
}

static void stutter_hook(struct recorder *r, char event)
{
	if (event == 'H' || event == 'B')
		upstream_pause(r->req);
}

void recorder_stutter(struct recorder *r, struct loop *l)
{
	r->hook = stutter_hook;
	r->stutter = (struct loop_timer){.cb = on_stutter};
	cr_assert_eq(loop_timer_set(l, &r->stutter, 0), 0);
}

struct loop *test_loop(void)
{
	struct loop *l = NULL;

	cr_assert_eq(loop_new(&l, NULL), 0);
	return l;
}

struct upstream_pool *test_pool(struct loop *l, unsigned port, const struct upstream_opts *o)
{
	struct upstream_pool *p = NULL;
	struct err err = {0};
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/base", port);
	cr_assert_eq(upstream_pool_new(l, url, o, &p, &err), 0, "%s", err.msg);
	return p;
}

void test_run(struct loop *l)
{
	struct err err = {0};

	cr_assert_eq(loop_run(l, &err), 0, "%s", err.msg);
}

static void stop_posted(void *arg)
{
	loop_stop(arg);
}

void test_pass(struct loop *l)
{
	cr_assert_eq(loop_post(l, stop_posted, l), 0);
	test_run(l);
}

struct upstream_stats test_stats(struct upstream_pool *p)
{
	struct upstream_stats s;

	upstream_pool_stats(p, &s);
	return s;
}
