/* A request's life: start, send, read, deadlines, end. The invariants U1..U4 are kept here.
 *
 * Callbacks may cancel, pause, resume or start anything but free the pool. Whoever called one compares conn->serial
 * before touching the connection or the request again; connections are never freed while the pool lives.
 */
#include "upstream/internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define NEVER UINT64_MAX
#define READS_PER_EVENT 8 /* then others have their turn */
#define CONNECT_TRY_MIN_MS 250
#define HEAD_KEEP_BYTES 16384 /* a larger buffer isn't kept for the next request */

/* ---- deadlines */

static uint64_t after_ms(const struct upstream_request *r, unsigned ms)
{
	return ms ? loop_now_ns(r->pool->loop) + (uint64_t)ms * 1000000 : NEVER;
}

/* The timer is armed as long as the request lives, and moving an armed timer can't fail. */
static void timer_move(struct upstream_request *r, uint64_t due_ns)
{
	int rc = loop_timer_set(r->pool->loop, &r->timer, due_ns);

	assert(rc == 0);
	(void)rc;
}

static void deadline_set(struct upstream_request *r, uint64_t due_ns, const char *waits_for)
{
	r->deadline_ns = due_ns < r->total_deadline_ns ? due_ns : r->total_deadline_ns;
	r->waits_for = waits_for;
	if (r->deadline_ns < r->timer.due_ns)
		timer_move(r, r->deadline_ns);
}

static void answer_deadline_set(struct upstream_request *r)
{
	const struct upstream_opts *o = &r->pool->opts;

	if (r->paused) /* the client is slow, not the provider */
		deadline_set(r, NEVER, "the end of the answer");
	else if (r->got_bytes)
		deadline_set(r, after_ms(r, o->idle_timeout_ms), "more of the answer");
	else
		deadline_set(r, after_ms(r, o->first_byte_timeout_ms), "the answer");
}

/* Work on the next pass of the loop: never from inside a call of our user. */
static void kick(struct upstream_request *r)
{
	r->kicked = true;
	timer_move(r, 0);
}

/* ---- the end */

static void request_unlink(struct upstream_request *r)
{
	struct upstream_pool *p = r->pool;

	loop_timer_del(p->loop, &r->timer);
	if (r->prev)
		r->prev->next = r->next;
	else
		p->requests = r->next;
	if (r->next)
		r->next->prev = r->prev;
	r->prev = r->next = NULL;
	r->state = REQ_OVER;
	p->stats.active--;
}

static void request_recycle(struct upstream_request *r)
{
	if (r->head.cap > HEAD_KEEP_BYTES)
		buf_done(&r->head);
	r->next = r->pool->requests_free;
	r->pool->requests_free = r;
}

static void conn_drop(struct upstream_request *r)
{
	if (r->conn)
		conn_close(r->conn);
	r->conn = NULL;
}

void upstream_cancel(struct upstream_request *r)
{
	if (r->state == REQ_OVER)
		return; /* from inside its own done or failed */
	conn_drop(r);
	request_unlink(r);
	request_recycle(r);
}

static void request_done(struct upstream_request *r, bool surplus)
{
	struct conn *c = r->conn;
	bool sent_all = r->sent == r->head.len + r->body_len && !r->sent_broken;

	r->conn = NULL;
	/* U3: also nothing may have come that nobody has looked at. */
	if (c->parser.keep_alive && !surplus && sent_all && !c->hup && (c->drained || conn_quiet(c)))
		conn_park(c);
	else
		conn_close(c);
	request_unlink(r);
	r->ev.done(r->arg);
	request_recycle(r);
}

static void request_connect(struct upstream_request *r);

void request_fail(struct upstream_request *r, int code, const char *msg)
{
	struct upstream_pool *p = r->pool;
	/* U2: the peer had closed the idle connection before it saw the request, as far as anyone can know. The second
	 * attempt gets a new connection, so there is no third. */
	bool again = r->conn && r->conn->reused && !r->got_bytes && code == ERR_CLOSED && !p->closing;

	conn_drop(r);
	if (again) {
		r->sent = 0;
		r->sent_broken = false;
		p->stats.retries++;
		request_connect(r);
		return;
	}
	request_unlink(r);
	p->stats.failures++;
	r->ev.failed(r->arg, code, msg, r->sent_any);
	request_recycle(r);
}

static void fail_later(struct upstream_request *r, int code, const char *msg)
{
	conn_drop(r);
	r->state = REQ_FAILING;
	r->fail_code = code;
	snprintf(r->fail_msg, sizeof(r->fail_msg), "%s", msg);
	kick(r);
}

/* ---- connecting */

/* Addresses in turn, each with its share of the time. */
static void connect_try(struct upstream_request *r)
{
	struct upstream_pool *p = r->pool;
	unsigned share_ms = p->opts.connect_timeout_ms / p->addrs.count;
	struct err err = {.msg = "no address"};
	uint64_t due;

	r->state = REQ_CONNECTING;
	for (; r->addr_tries < p->addrs.count; r->addr_tries++) {
		if (conn_open(p, r, &err) < 0)
			continue;
		due = r->addr_tries + 1 == p->addrs.count
			      ? NEVER
			      : after_ms(r, share_ms > CONNECT_TRY_MIN_MS ? share_ms : CONNECT_TRY_MIN_MS);
		deadline_set(r, due < r->connect_deadline_ns ? due : r->connect_deadline_ns, "a connection");
		return;
	}
	fail_later(r, ERR_IO, err.msg);
}

void request_connect_failed(struct upstream_request *r, const char *why)
{
	if (++r->addr_tries < r->pool->addrs.count)
		connect_try(r);
	else
		fail_later(r, ERR_IO, why);
}

static void request_connect(struct upstream_request *r)
{
	struct upstream_pool *p = r->pool;

	r->connect_deadline_ns = after_ms(r, p->opts.connect_timeout_ms);
	r->addr_first = p->addr_good;
	r->addr_tries = 0;
	if (p->addrs.count) {
		connect_try(r);
		return;
	}
	/* The name is looked up again in the background; who waited for that would wait in vain most times. */
	if (p->unresolved[0]) {
		fail_later(r, ERR_IO, p->unresolved);
		return;
	}
	r->state = REQ_RESOLVING;
	deadline_set(r, r->connect_deadline_ns, "the provider's address");
}

void requests_resolved(struct upstream_pool *p)
{
	struct upstream_request *next;

	for (struct upstream_request *r = p->requests; r; r = next) {
		next = r->next;
		if (r->state != REQ_RESOLVING)
			continue;
		if (p->addrs.count)
			connect_try(r);
		else
			fail_later(r, ERR_IO, p->unresolved);
	}
}

/* ---- sending */

static bool sent_all(const struct upstream_request *r)
{
	return r->sent == r->head.len + r->body_len;
}

static void request_send(struct upstream_request *r)
{
	while (!sent_all(r)) {
		size_t head_at = r->sent < r->head.len ? r->sent : r->head.len, body_at = r->sent - head_at;
		const char *body = r->body_len ? r->body + body_at : "";
		long n = conn_send(r->conn, r->head.data + head_at, r->head.len - head_at, body, r->body_len - body_at);

		if (n == CONN_AGAIN)
			return;
		if (n <= 0) {
			/* The answer may still be there to be read (an early 413): the reader decides. */
			r->sent_broken = true;
			kick(r);
			return;
		}
		r->sent += (size_t)n;
		r->sent_any = true;
	}
}

void request_connected(struct upstream_request *r)
{
	struct upstream_pool *p = r->pool;
	struct conn *c = r->conn;

	if (!c->reused && p->addrs.count)
		p->addr_good = (r->addr_first + r->addr_tries) % p->addrs.count;
	r->state = REQ_ACTIVE;
	parser_reset(&c->parser, p->opts.head_bytes_max, r->no_body);
	answer_deadline_set(r);
	request_send(r);
}

/* ---- reading */

enum feed { FEED_MORE, FEED_PAUSED, FEED_GONE };

/* Hands out the bytes as events. FEED_GONE: the request has left this connection; touch neither. */
static enum feed feed(struct conn *c, const char *data, size_t len, size_t *ret_used)
{
	struct upstream_request *r = c->req;
	uint64_t serial = c->serial;
	size_t at = 0, used;

	for (;;) {
		enum parse_event e = parser_next(&c->parser, data + at, len - at, &used);

		at += used;
		*ret_used = at;
		switch (e) {
		case PARSE_MORE:
			return FEED_MORE;
		case PARSE_HEAD:
			r->ev.head(r->arg, &c->parser.head);
			break;
		case PARSE_BODY:
			r->ev.body(r->arg, c->parser.body, c->parser.body_len);
			break;
		case PARSE_DONE:
			request_done(r, at < len);
			return FEED_GONE;
		case PARSE_ERROR:
			request_fail(r, ERR_PROTO, c->parser.why);
			return FEED_GONE;
		}
		if (c->serial != serial)
			return FEED_GONE;
		if (r->paused)
			return FEED_PAUSED;
	}
}

/* What a pause left over. Returns false when there is nothing more to do now. */
static bool kept_feed(struct conn *c)
{
	size_t used;

	switch (feed(c, c->kept.data ? c->kept.data + c->kept_at : "", c->kept.len - c->kept_at, &used)) {
	case FEED_MORE:
		buf_reset(&c->kept);
		c->kept_at = 0;
		return true;
	case FEED_PAUSED:
		c->kept_at += used;
		return false;
	case FEED_GONE:
		break;
	}
	return false;
}

static void request_eof(struct upstream_request *r, long how)
{
	if (how == CONN_EOF && parser_eof(&r->conn->parser))
		request_done(r, true);
	else if (r->got_bytes)
		request_fail(r, ERR_CLOSED, "the provider closed the connection within its answer");
	else
		request_fail(r, ERR_CLOSED, "the provider closed the connection without an answer");
}

/* Reads until the socket is empty, the request is over or paused, or others must have their turn. */
static void request_pump(struct upstream_request *r)
{
	struct conn *c = r->conn;
	char *data = r->pool->read_buf;
	size_t used;

	if (r->paused)
		return;
	if (r->kicked) {
		r->kicked = false;
		c->drained = false;
		if (!kept_feed(c))
			return;
	}
	for (int i = 0; i < READS_PER_EVENT; i++) {
		long n = conn_recv(c, data, UPSTREAM_READ_BYTES);

		if (n == CONN_AGAIN)
			return;
		if (n <= 0) {
			request_eof(r, n);
			return;
		}
		c->drained = !c->ssl && (size_t)n < UPSTREAM_READ_BYTES;
		r->got_bytes = true;
		answer_deadline_set(r);
		switch (feed(c, data, (size_t)n, &used)) {
		case FEED_MORE:
			break;
		case FEED_PAUSED:
			if (buf_append(&c->kept, data + used, (size_t)n - used) < 0)
				request_fail(r, ERR_IO, "out of memory");
			return;
		case FEED_GONE:
			return;
		}
		/* A short read has emptied a plain socket; the edge of a close has to be followed to its end. */
		if (c->drained && !c->hup)
			return;
	}
	kick(r);
}

void request_io(struct upstream_request *r, uint32_t events)
{
	if (!sent_all(r) && !r->sent_broken)
		request_send(r);
	/* TLS may want to write in order to read, so every event is worth a try. */
	if (r->conn->ssl || events != EPOLLOUT)
		request_pump(r);
}

/* ---- the timer: deadlines and kicked work */

static void deadline_passed(struct upstream_request *r)
{
	char msg[96];

	if (r->state == REQ_CONNECTING && loop_now_ns(r->pool->loop) < r->connect_deadline_ns &&
	    loop_now_ns(r->pool->loop) < r->total_deadline_ns) {
		conn_drop(r);
		request_connect_failed(r, "connect: timed out");
		return;
	}
	snprintf(msg, sizeof(msg), "timed out waiting for %s", r->waits_for);
	request_fail(r, ERR_TIMEOUT, msg);
}

static void on_timer(struct loop *l, struct loop_timer *t)
{
	struct upstream_request *r = CONTAINER_OF(t, struct upstream_request, timer);

	if (loop_timer_set(l, t, r->deadline_ns) < 0) {
		request_fail(r, ERR_IO, "out of memory");
		return;
	}
	if (r->state == REQ_FAILING)
		request_fail(r, r->fail_code, r->fail_msg);
	else if (loop_now_ns(l) >= r->deadline_ns)
		deadline_passed(r);
	else if (r->kicked && r->state == REQ_ACTIVE)
		request_pump(r);
}

/* ---- what users call */

void upstream_pause(struct upstream_request *r)
{
	if (r->state == REQ_OVER || r->paused)
		return;
	r->paused = true;
	if (r->state == REQ_ACTIVE)
		answer_deadline_set(r);
}

void upstream_resume(struct upstream_request *r)
{
	if (r->state == REQ_OVER || !r->paused)
		return;
	r->paused = false;
	if (r->state != REQ_ACTIVE)
		return;
	answer_deadline_set(r);
	kick(r);
}

/* Blanks and control characters would end the line early: whoever lets them in is wrong, not lucky. */
static bool send_is_clean(const struct upstream_send *s)
{
	for (const char *c = s->path; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return false;
	return s->path[0] == '/' &&
	       (!s->headers_len || (s->headers_len >= 2 && !memcmp(s->headers + s->headers_len - 2, "\r\n", 2)));
}

static int head_build(struct upstream_request *r, const struct upstream_send *s)
{
	const struct upstream_url *u = &r->pool->url;
	struct buf *h = &r->head;
	char digits[24];
	size_t at = sizeof(digits), n = s->body_len;

	buf_reset(h);
	buf_puts(h, s->method);
	buf_putc(h, ' ');
	buf_puts(h, u->prefix);
	buf_puts(h, s->path);
	buf_puts(h, " HTTP/1.1\r\nHost: ");
	buf_puts(h, u->authority);
	buf_append(h, "\r\n", 2);
	buf_append(h, s->headers, s->headers_len);
	if (s->body_len || (strcmp(s->method, "GET") != 0 && strcmp(s->method, "HEAD") != 0)) {
		do
			digits[--at] = (char)('0' + n % 10);
		while (n /= 10);
		buf_puts(h, "Content-Length: ");
		buf_append(h, digits + at, sizeof(digits) - at);
		buf_append(h, "\r\n", 2);
	}
	return buf_append(h, "\r\n", 2) < 0 || h->failed ? ERR_NOMEM : 0;
}

static struct upstream_request *request_take(struct upstream_pool *p)
{
	struct upstream_request *r = p->requests_free;
	struct buf head;

	if (r) {
		p->requests_free = r->next;
		head = r->head;
	} else {
		r = malloc(sizeof(*r));
		head = BUF_INIT;
	}
	if (r)
		*r = (struct upstream_request){.pool = p, .head = head, .timer = {.cb = on_timer}, .state = REQ_OVER};
	return r;
}

static int request_prepare(struct upstream_request *r, const struct upstream_send *s, struct err *err)
{
	struct upstream_pool *p = r->pool;

	r->body = s->body;
	r->body_len = s->body_len;
	r->no_body = strcmp(s->method, "HEAD") == 0;
	r->total_deadline_ns = r->deadline_ns = after_ms(r, p->opts.total_timeout_ms);
	if (head_build(r, s) < 0 || loop_timer_set(p->loop, &r->timer, r->deadline_ns) < 0)
		return err_set(err, ERR_NOMEM, "upstream: out of memory");
	r->next = p->requests;
	if (r->next)
		r->next->prev = r;
	p->requests = r;
	p->stats.active++;
	return 0;
}

int upstream_start(struct upstream_pool *p, const struct upstream_send *send, const struct upstream_events *ev,
		   void *arg, struct upstream_request **ret, struct err *err)
{
	struct upstream_request *r;
	int rc;

	assert(ev->head && ev->body && ev->done && ev->failed);
	if (p->closing)
		return err_set(err, ERR_CLOSED, "upstream: the pool is being closed");
	if (p->stats.active >= p->opts.pool_max)
		return err_set(err, ERR_FULL, "upstream: all %u connections are busy", p->opts.pool_max);
	if (!send_is_clean(send))
		return err_set(err, ERR_INVAL, "upstream: malformed path or headers");
	r = request_take(p);
	if (!r)
		return err_set(err, ERR_NOMEM, "upstream: out of memory");
	r->ev = *ev;
	r->arg = arg;
	rc = request_prepare(r, send, err);
	if (rc < 0) {
		request_recycle(r);
		return rc;
	}
	r->conn = conn_unpark_quiet(p);
	if (r->conn) {
		r->conn->req = r;
		p->stats.reused++;
		request_connected(r);
	} else {
		request_connect(r);
	}
	*ret = r;
	return 0;
}
