/* Goal: the client's invariants U1..U4 over real sockets. Method: a scripted peer (peer.h) on the same loop, so that
 * order is decided by passes of the loop and not by sleeping; every callback is written down and compared. */
#include "peer.h"

#include <criterion/criterion.h>
#include <string.h>

#define T 30 /* seconds: only a hang gets there */
#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define OK_2 OK_HEAD "Content-Length: 2\r\n\r\nhi"

/* ---- framings, whole and in pieces; which of them leave a connection that can be used again (U1, U3) */

struct framing {
	const char *name, *text, *events;
	enum peer_then then;
	bool reused;
};

static const struct framing framings[] = {
	{"length", OK_2, "H200 Bhi D", PEER_KEEP, true},
	{"empty", OK_HEAD "Content-Length: 0\r\n\r\n", "H200 D", PEER_KEEP, true},
	{"204", "HTTP/1.1 204 No\r\n\r\n", "H204 D", PEER_KEEP, true},
	{"interim", "HTTP/1.1 100 Continue\r\n\r\n" OK_2, "H200 Bhi D", PEER_KEEP, true},
	{"chunked", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\nA: b\r\n\r\n", "H200 Bhi D",
	 PEER_KEEP, true},
	{"close-delimited", OK_HEAD "\r\nhi", "H200 Bhi D", PEER_CLOSE, false},
	{"asks to close", OK_HEAD "Connection: close\r\nContent-Length: 2\r\n\r\nhi", "H200 Bhi D", PEER_KEEP, false},
	{"length and closed", OK_2, "H200 Bhi D", PEER_CLOSE, false},
	{"surplus", OK_2 "!", "H200 Bhi D", PEER_KEEP, false},
	{"cut in head", "HTTP/1.1 200 OK\r\nConte", "F-12", PEER_CLOSE, false},
	{"cut in body", OK_HEAD "Content-Length: 3\r\n\r\nhi", "H200 Bhi F-12", PEER_CLOSE, false},
	{"cut in chunks", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "H200 Bhi F-12", PEER_CLOSE, false},
	{"no answer", "", "F-12", PEER_CLOSE, false},
	{"bad chunk", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nzz\r\n", "H200 Bhi F-10", PEER_KEEP, false},
	{"both lengths", OK_HEAD "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "F-10", PEER_KEEP,
	 false},
	{"not HTTP", "220 mail ready\r\n\r\n", "F-10", PEER_KEEP, false},
};

static void framing_check(const struct framing *f, size_t piece)
{
	struct peer_answer answers[] = {{.text = f->text, .piece = piece, .then = f->then}, {.text = OK_2}};
	struct loop *l = test_loop();
	struct recorder first = {0}, second = {0};
	struct upstream_pool *p;
	struct peer peer;

	peer_start(&peer, l, answers, 2);
	p = test_pool(l, peer.port, NULL);
	recorder_start(&first, l, p, NULL);
	test_run(l);
	cr_expect_str_eq(first.text, f->events, "%s, pieces of %zu: %s %s", f->name, piece, first.text, first.msg);
	recorder_start(&second, l, p, NULL);
	test_run(l);
	cr_expect_str_eq(second.text, "H200 Bhi D", "%s, pieces of %zu, next: %s %s", f->name, piece, second.text,
			 second.msg);
	/* A peer that closes right after its answer may be seen before or after the answer's end: either a new
	 * connection at once, or one retry. */
	cr_expect_eq(peer.accepted, f->reused ? 1 : 2, "%s, pieces of %zu: %u connections", f->name, piece,
		     peer.accepted);
	upstream_pool_free(p);
	peer_stop(&peer);
	loop_free(l);
}

Test(client, framings, .timeout = T)
{
	static const size_t pieces[] = {0, 1, 7};

	for (size_t i = 0; i < ARRAY_SIZE(framings); i++)
		for (size_t j = 0; j < ARRAY_SIZE(pieces); j++)
			framing_check(&framings[i], pieces[j]);
}

Test(client, request_on_the_wire, .timeout = T)
{
	static const struct peer_answer answer = {.text = OK_HEAD "X-B: c\r\nContent-Length: 0\r\n\r\n"};
	const struct upstream_send get = {.method = "GET", .path = "/m?x=1"};
	const struct upstream_send empty = {.method = "POST", .path = "/e"};
	struct loop *l = test_loop();
	struct recorder r = {0}, g = {0}, e = {0};
	struct upstream_pool *p;
	struct peer peer;
	char want[256];

	peer_start(&peer, l, &answer, 1);
	p = test_pool(l, peer.port, NULL);
	recorder_start(&r, l, p, NULL);
	test_run(l);
	snprintf(want, sizeof(want),
		 "POST /base/v1/chat HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX-A: b\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
		 peer.port);
	cr_expect_str_eq(peer.last_request, want);
	cr_expect_str_eq(r.headers, "X-B: c\r\nContent-Length: 0\r\n");
	recorder_start(&g, l, p, &get);
	test_run(l);
	snprintf(want, sizeof(want), "GET /base/m?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", peer.port);
	cr_expect_str_eq(peer.last_request, want);
	recorder_start(&e, l, p, &empty);
	test_run(l);
	snprintf(want, sizeof(want), "POST /base/e HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: 0\r\n\r\n",
		 peer.port);
	cr_expect_str_eq(peer.last_request, want);
	upstream_pool_free(p);
	peer_stop(&peer);
	loop_free(l);
}

Test(client, refused_input)
{
	static const struct upstream_send bad[] = {
		{.method = "GET", .path = ""},
		{.method = "GET", .path = "x"},
		{.method = "GET", .path = "/a b"},
		{.method = "GET", .path = "/a\r\nX: y"},
		{.method = "GET", .path = "/", .headers = "A: b", .headers_len = 4},
	};
	struct loop *l = test_loop();
	struct upstream_pool *p = test_pool(l, 9, NULL);
	struct upstream_request *req = NULL;
	struct recorder r = {.loop = l};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cr_expect_eq(upstream_start(p, &bad[i], &recorder_events, &r, &req, NULL), ERR_INVAL, "row %zu", i);
		cr_expect_null(req);
	}
	cr_expect_eq(test_stats(p).active, 0);
	upstream_pool_free(p);
	loop_free(l);
}

/* ---- U2 */

struct retry {
	const char *name;
	struct peer_answer answers[4]; /* the first is good and leaves an idle connection */
	const char *events;
	unsigned requests, retries;
};

static const struct retry retries[] = {
	{"closed", {{.text = OK_2}, {.then = PEER_CLOSE}, {.text = OK_2}}, "H200 Bhi D", 3, 1},
	{"reset", {{.text = OK_2}, {.then = PEER_RESET}, {.text = OK_2}}, "H200 Bhi D", 3, 1},
	{"only once", {{.text = OK_2}, {.then = PEER_CLOSE}, {.then = PEER_CLOSE}, {.text = OK_2}}, "F-12", 3, 1},
	{"not after a byte", {{.text = OK_2}, {.text = "H", .then = PEER_CLOSE}, {.text = OK_2}}, "F-12", 2, 0},
	{"not for nonsense", {{.text = OK_2}, {.text = "nonsense\r\n\r\n"}, {.text = OK_2}}, "F-10", 2, 0},
};

Test(client, retry_on_stale_connection, .timeout = T)
{
	for (size_t i = 0; i < ARRAY_SIZE(retries); i++) {
		const struct retry *row = &retries[i];
		struct loop *l = test_loop();
		struct recorder first = {0}, second = {0};
		struct upstream_pool *p;
		struct peer peer;

		peer_start(&peer, l, row->answers, 4);
		p = test_pool(l, peer.port, NULL);
		recorder_start(&first, l, p, NULL);
		test_run(l);
		cr_assert_eq(test_stats(p).idle, 1);
		recorder_start(&second, l, p, NULL);
		test_run(l);
		cr_expect_str_eq(second.text, row->events, "%s: %s", row->name, second.text);
		cr_expect_eq(peer.requests, row->requests, "%s: %u requests arrived", row->name, peer.requests);
		cr_expect_eq(test_stats(p).retries, row->retries, "%s", row->name);
		if (second.code)
			cr_expect(second.sent, "%s", row->name);
		upstream_pool_free(p);
		peer_stop(&peer);
		loop_free(l);
	}
}

/* A connection that the peer closes while idle is dropped as soon as that is seen: no retry is needed. */
Test(client, idle_close_is_noticed, .timeout = T)
{
	static const struct peer_answer answers[] = {{.text = OK_2}};
	struct loop *l = test_loop();
	struct recorder first = {0}, second = {0};
	struct upstream_pool *p;
	struct peer peer;

	peer_start(&peer, l, answers, 1);
	p = test_pool(l, peer.port, NULL);
	recorder_start(&first, l, p, NULL);
	test_run(l);
	cr_assert_eq(test_stats(p).idle, 1);
	peer_hang_up(&peer);
	for (int pass = 0; test_stats(p).idle && pass < 1000; pass++) {
		test_pass(l);
	}
	cr_expect_eq(test_stats(p).idle, 0);
	recorder_start(&second, l, p, NULL);
	test_run(l);
	cr_expect_str_eq(second.text, "H200 Bhi D");
	cr_expect_eq(test_stats(p).retries, 0);
	upstream_pool_free(p);
	peer_stop(&peer);
	loop_free(l);
}

/* ---- callbacks that cancel, and start anew from the same memory (U1) */

struct canceller {
	struct upstream_pool *pool;
	char at;
	struct recorder *next;
};

static void cancel_hook(struct recorder *r, char event)
{
	struct canceller *c = r->user;

	if (event != c->at)
		return;
	upstream_cancel(r->req);
	r->over = true; /* any further event fails the test */
	recorder_start(c->next, r->loop, c->pool, NULL);
}

Test(client, cancel_in_callbacks, .timeout = T)
{
	static const struct {
		char at;
		const char *text, *events;
		unsigned accepted;
	} cases[] = {
		{'H', OK_2, "H200", 2},
		{'B', OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", "H200 Bh", 2},
		{'D', OK_2, "H200 Bhi D", 1},
		{'F', "nonsense\r\n\r\n", "F-10", 2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct peer_answer answers[] = {{.text = cases[i].text}, {.text = OK_2}};
		struct loop *l = test_loop();
		struct recorder next = {0};
		struct canceller c = {.at = cases[i].at, .next = &next};
		struct recorder r = {.hook = cancel_hook, .user = &c};
		struct peer peer;

		peer_start(&peer, l, answers, 2);
		c.pool = test_pool(l, peer.port, NULL);
		recorder_start(&r, l, c.pool, NULL);
		while (!next.over)
			test_run(l);
		cr_expect_str_eq(r.text, cases[i].events, "%c: %s", cases[i].at, r.text);
		cr_expect_str_eq(next.text, "H200 Bhi D", "%c: %s", cases[i].at, next.text);
		cr_expect_eq(peer.accepted, cases[i].accepted, "%c: %u", cases[i].at, peer.accepted);
		cr_expect_eq(test_stats(c.pool).active, 0);
		upstream_pool_free(c.pool);
		peer_stop(&peer);
		loop_free(l);
	}
}

Test(client, cancel_before_anything, .timeout = T)
{
	static const struct peer_answer answer = {.text = OK_2};
	struct loop *l = test_loop();
	struct recorder r = {0}, next = {0};
	struct upstream_pool *p;
	struct peer peer;

	peer_start(&peer, l, &answer, 1);
	p = test_pool(l, peer.port, NULL);
	recorder_start(&r, l, p, NULL);
	upstream_cancel(r.req);
	r.over = true;
	recorder_start(&next, l, p, NULL);
	test_run(l);
	cr_expect_str_eq(next.text, "H200 Bhi D");
	cr_expect_eq(peer.requests, 1);
	upstream_pool_free(p);
	peer_stop(&peer);
	loop_free(l);
}

/* ---- U4 */

#define BIG ((size_t)32 << 20)

struct throttle {
	struct loop_timer resume;
	struct recorder *rec;
	struct peer *peer;
	size_t kept_max, at_pause, stops;
};

/* Paused, and the peer can send no more: the pause has reached it. Only now the client goes on. */
static void resume_if_stopped(struct throttle *t)
{
	if (!t->peer->blocked || t->rec->over || !t->rec->req->paused)
		return;
	t->stops++;
	cr_assert_eq(loop_timer_set(t->rec->loop, &t->resume, 0), 0);
}

static void pause_hook(struct recorder *r, char event)
{
	struct throttle *t = r->user;
	const int room = 1 << 18;

	/* What the sockets could hold must be less than what is to come after the last pause, or the peer never stops:
	 * left alone, the receive buffer grows to the system's limit, which may be all of BIG. */
	if (event == 'H')
		cr_assert_eq(setsockopt(r->req->conn->io.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
	if (event != 'B' || r->body_bytes - t->at_pause < BIG / 8 || r->body_bytes > BIG / 2 + BIG / 8)
		return;
	t->at_pause = r->body_bytes;
	upstream_pause(r->req);
	resume_if_stopped(t);
}

static void on_resume(struct loop *l, struct loop_timer *timer)
{
	struct throttle *t = CONTAINER_OF(timer, struct throttle, resume);

	(void)l;
	cr_expect_eq(t->rec->body_bytes, t->at_pause, "delivered while paused");
	if (t->rec->req->conn->kept.len > t->kept_max)
		t->kept_max = t->rec->req->conn->kept.len;
	upstream_resume(t->rec->req);
}

static void on_blocked(struct peer *p)
{
	resume_if_stopped(p->user);
}

Test(client, pause_reaches_the_peer, .timeout = T)
{
	struct peer_answer answer = {.text = OK_HEAD "Content-Length: 33554432\r\n\r\n", .filler = BIG};
	struct loop *l = test_loop();
	struct peer peer;
	struct recorder r = {.hook = pause_hook};
	struct throttle t = {.resume = {.cb = on_resume}, .rec = &r, .peer = &peer};
	struct upstream_pool *p;

	r.user = &t;
	peer_start(&peer, l, &answer, 1);
	peer.on_blocked = on_blocked;
	peer.user = &t;
	p = test_pool(l, peer.port, NULL);
	recorder_start(&r, l, p, NULL);
	test_run(l);
	cr_expect_eq(r.body_bytes, BIG);
	cr_expect_eq(r.text[strlen("H200 B")], 'x');
	cr_expect_geq(t.stops, 3, "the peer was stopped %zu times", t.stops);
	cr_expect_leq(t.kept_max, UPSTREAM_READ_BYTES, "U4: %zu", t.kept_max);
	cr_expect_eq(test_stats(p).idle, 1, "U3: nothing is left over, it can be used again");
	upstream_pool_free(p);
	peer_stop(&peer);
	loop_free(l);
}

/* Paused in every single callback, resumed once per pass: the same events, and the connection stays good. */
Test(client, pause_in_every_callback, .timeout = T)
{
	for (size_t i = 0; i < ARRAY_SIZE(framings); i++) {
		struct peer_answer answers[] = {{.text = framings[i].text, .then = framings[i].then}};
		struct loop *l = test_loop();
		struct recorder r = {0};
		struct upstream_pool *p;
		struct peer peer;

		peer_start(&peer, l, answers, 1);
		p = test_pool(l, peer.port, NULL);
		recorder_stutter(&r, l);
		recorder_start(&r, l, p, NULL);
		test_run(l);
		loop_timer_del(l, &r.stutter);
		cr_expect_str_eq(r.text, framings[i].events, "%s: %s", framings[i].name, r.text);
		cr_expect_eq(test_stats(p).idle, framings[i].reused ? 1 : 0, "%s", framings[i].name);
		upstream_pool_free(p);
		peer_stop(&peer);
		loop_free(l);
	}
}

/* ---- bounds, early answers, the end */

Test(client, pool_max, .timeout = T)
{
	static const struct peer_answer answer = {.text = OK_2};
	struct upstream_opts o = UPSTREAM_OPTS_DEFAULT;
	struct loop *l = test_loop();
	struct recorder a = {0}, b = {0}, c = {0};
	struct upstream_request *none = NULL;
	struct upstream_pool *p;
	struct peer peer;

	o.pool_max = 2;
	peer_start(&peer, l, &answer, 1);
	p = test_pool(l, peer.port, &o);
	recorder_start(&a, l, p, NULL);
	recorder_start(&b, l, p, NULL);
	cr_expect_eq(upstream_start(p, &test_post, &recorder_events, &c, &none, NULL), ERR_FULL);
	cr_expect_null(none);
	while (!a.over || !b.over)
		test_run(l);
	cr_expect_eq(test_stats(p).idle, 2);
	recorder_start(&c, l, p, NULL);
	test_run(l);
	cr_expect_str_eq(c.text, "H200 Bhi D");
	cr_expect_eq(peer.accepted, 2);
	cr_expect_eq(test_stats(p).reused, 1);
	upstream_pool_free(p);
	peer_stop(&peer);
	loop_free(l);
}

/* The provider answers 413 from the head alone and stops reading: the answer arrives, the connection isn't used again.
 */
Test(client, early_answer, .timeout = T)
{
	static const struct peer_answer answers[] = {
		{.text = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno", .early = true},
	};
	size_t size = (size_t)48 << 20;
	char *body = calloc(1, size);
	const struct upstream_send s = {.method = "POST", .path = "/", .body = body, .body_len = size};
	struct loop *l = test_loop();
	struct recorder r = {0};
	struct upstream_pool *p;
	struct peer peer;

	peer_start(&peer, l, answers, 1);
	p = test_pool(l, peer.port, NULL);
	recorder_start(&r, l, p, &s);
	test_run(l);
	cr_expect_str_eq(r.text, "H413 Bno D");
	cr_expect_eq(test_stats(p).idle, 0);
	upstream_pool_free(p);
	peer_stop(&peer);
	loop_free(l);
	free(body);
}

/* A body larger than every socket buffer goes out in pieces and arrives whole. */
Test(client, large_request, .timeout = T)
{
	static const struct peer_answer answers[] = {{.text = OK_2}};
	size_t size = (size_t)24 << 20;
	char *body = malloc(size);
	const struct upstream_send s = {.method = "POST", .path = "/", .body = body, .body_len = size};
	struct loop *l = test_loop();
	struct recorder r = {0};
	struct upstream_pool *p;
	struct peer peer;

	memset(body, 'b', size);
	peer_start(&peer, l, answers, 1);
	p = test_pool(l, peer.port, NULL);
	recorder_start(&r, l, p, &s);
	test_run(l);
	cr_expect_str_eq(r.text, "H200 Bhi D");
	cr_expect_eq(test_stats(p).idle, 1);
	upstream_pool_free(p);
	peer_stop(&peer);
	loop_free(l);
	free(body);
}

static void restart_hook(struct recorder *r, char event)
{
	struct upstream_request *none = NULL;

	if (event == 'F')
		cr_expect_eq(upstream_start(r->user, &test_post, &recorder_events, r, &none, NULL), ERR_CLOSED);
}

Test(client, free_fails_what_is_in_flight, .timeout = T)
{
	static const struct peer_answer answer = {.text = OK_HEAD "Content-Length: 3\r\n\r\nhi"};
	struct loop *l = test_loop();
	struct recorder r[3] = {{0}};
	struct upstream_pool *p;
	struct peer peer;

	peer_start(&peer, l, &answer, 1);
	p = test_pool(l, peer.port, NULL);
	for (int i = 0; i < 3; i++) {
		r[i].hook = restart_hook;
		r[i].user = p;
		recorder_start(&r[i], l, p, NULL);
	}
	upstream_pool_free(p);
	for (int i = 0; i < 3; i++)
		cr_expect_str_eq(r[i].text, "F-12");
	peer_stop(&peer);
	loop_free(l);
}
