/* Goal: upstream.h's time limits, and that a connection is come by: addresses in turn, names off the loop. Method: a
 * scripted peer on loopback (peer.h); limits of a few tens of milliseconds, never judged by the clock. */
#include "peer.h"

#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <string.h>

#define T 30 /* seconds: only a hang gets there */
#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define OK_2 OK_HEAD "Content-Length: 2\r\n\r\nhi"

/* ---- time-outs */

static const struct {
	const char *name;
	struct peer_answer answer;
	struct upstream_opts opts;
	const char *events, *msg;
} timeouts[] = {
	{"first byte", {.text = ""}, {.first_byte_timeout_ms = 20}, "F-11", "timed out waiting for the answer"},
	{"idle in head",
	 {.text = "HTTP/1.1 2"},
	 {.idle_timeout_ms = 20},
	 "F-11",
	 "timed out waiting for more of the answer"},
	{"idle in body",
	 {.text = OK_HEAD "Content-Length: 3\r\n\r\nhi"},
	 {.idle_timeout_ms = 20},
	 "H200 Bhi F-11",
	 "timed out waiting for more of the answer"},
	{"total",
	 {.text = OK_HEAD "Content-Length: 3\r\n\r\nhi"},
	 {.total_timeout_ms = 300, .idle_timeout_ms = 60000},
	 "H200 Bhi F-11",
	 "timed out waiting for more of the answer"},
};

Test(client, timeouts, .timeout = T)
{
	for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++) {
		struct upstream_opts o = timeouts[i].opts;
		struct loop *l = test_loop();
		struct recorder r = {0};
		struct upstream_pool *p;
		struct peer peer;

		o.pool_max = 10;
		o.head_bytes_max = 1000;
		peer_start(&peer, l, &timeouts[i].answer, 1);
		p = test_pool(l, peer.port, &o);
		recorder_start(&r, l, p, NULL);
		test_run(l);
		cr_expect_str_eq(r.text, timeouts[i].events, "%s: %s", timeouts[i].name, r.text);
		cr_expect_str_eq(r.msg, timeouts[i].msg, "%s: %s", timeouts[i].name, r.msg);
		cr_expect(r.sent, "%s", timeouts[i].name);
		cr_expect_eq(test_stats(p).idle, 0, "%s", timeouts[i].name);
		upstream_pool_free(p);
		peer_stop(&peer);
		loop_free(l);
	}
}

static struct loop_timer pass_timer;
static struct recorder *pass_rec;

/* A slow client is not a slow provider: paused, only the total counts. */
static void pause_at_head(struct recorder *r, char event)
{
	if (event != 'H')
		return;
	upstream_pause(r->req);
	cr_assert_eq(loop_timer_set(r->loop, &pass_timer, loop_now_ns(r->loop) + 60000000), 0);
}

static void on_resume_once(struct loop *l, struct loop_timer *t)
{
	(void)l, (void)t;
	cr_assert(!pass_rec->over, "timed out while paused: %s", pass_rec->msg);
	upstream_resume(pass_rec->req);
}

Test(client, paused_is_not_idle, .timeout = T)
{
	static const struct peer_answer answer = {.text = OK_2};
	struct upstream_opts o = UPSTREAM_OPTS_DEFAULT;
	struct loop *l = test_loop();
	struct recorder r = {.hook = pause_at_head};
	struct upstream_pool *p;
	struct peer peer;

	o.idle_timeout_ms = 10;
	peer_start(&peer, l, &answer, 1);
	p = test_pool(l, peer.port, &o);
	pass_rec = &r;
	pass_timer = (struct loop_timer){.cb = on_resume_once};
	recorder_start(&r, l, p, NULL);
	test_run(l);
	cr_expect_str_eq(r.text, "H200 Bhi D");
	upstream_pool_free(p);
	peer_stop(&peer);
	loop_free(l);
}

/* A listener whose queue is full answers no SYN. */
Test(client, connect_timeout, .timeout = T)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct upstream_opts o = UPSTREAM_OPTS_DEFAULT;
	socklen_t len = sizeof(a);
	struct loop *l = test_loop();
	struct recorder r = {0};
	struct upstream_pool *p;
	int fd = socket(AF_INET, SOCK_STREAM, 0), full[4];

	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(fd, 0), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	for (int i = 0; i < 4; i++) {
		full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(full[i], (struct sockaddr *)&a, sizeof(a));
	}
	o.connect_timeout_ms = 30;
	p = test_pool(l, ntohs(a.sin_port), &o);
	recorder_start(&r, l, p, NULL);
	test_run(l);
	cr_expect_str_eq(r.text, "F-11");
	cr_expect(!r.sent);
	upstream_pool_free(p);
	for (int i = 0; i < 4; i++)
		close(full[i]);
	close(fd);
	loop_free(l);
}

Test(client, idle_connections_are_reaped, .timeout = T)
{
	static const struct peer_answer answer = {.text = OK_2};
	struct upstream_opts o = UPSTREAM_OPTS_DEFAULT;
	struct loop *l = test_loop();
	struct recorder r = {0};
	struct upstream_pool *p;
	struct peer peer;

	o.pool_idle_ms = 10;
	peer_start(&peer, l, &answer, 1);
	p = test_pool(l, peer.port, &o);
	recorder_start(&r, l, p, NULL);
	test_run(l);
	cr_assert_eq(test_stats(p).idle, 1);
	/* Ends when the peer sees the close. */
	peer.on_closed = loop_stop;
	test_run(l);
	cr_expect_eq(test_stats(p).idle, 0);
	upstream_pool_free(p);
	peer_stop(&peer);
	loop_free(l);
}

/* ---- connecting */

Test(client, connection_refused, .timeout = T)
{
	struct loop *l = test_loop();
	struct recorder r = {0};
	struct upstream_pool *p;
	struct peer peer;

	/* A port that was free a moment ago. */
	peer_start(&peer, l, &(struct peer_answer){0}, 1);
	peer_stop(&peer);
	p = test_pool(l, peer.port, NULL);
	recorder_start(&r, l, p, NULL);
	test_run(l);
	cr_expect_str_eq(r.text, "F-4");
	cr_expect(!r.sent);
	cr_expect(strstr(r.msg, "refused"), "%s", r.msg);
	upstream_pool_free(p);
	loop_free(l);
}

/* Addresses in turn, and the one that worked comes first the next time. */
Test(client, second_address, .timeout = T)
{
	static const struct peer_answer answers[] = {{.text = OK_2, .then = PEER_CLOSE}};
	struct loop *l = test_loop();
	struct recorder r = {0}, again = {0};
	struct upstream_pool *p;
	struct peer peer;
	unsigned long long connects;

	peer_start(&peer, l, answers, 1);
	p = test_pool(l, peer.port, NULL);
	p->addrs.count = 3;
	p->addrs.at[2] = p->addrs.at[1] = p->addrs.at[0];
	((struct sockaddr_in *)&p->addrs.at[0].addr)->sin_addr.s_addr = htonl(0x7f000002);
	((struct sockaddr_in *)&p->addrs.at[1].addr)->sin_addr.s_addr = htonl(0x7f000003);
	recorder_start(&r, l, p, NULL);
	test_run(l);
	cr_expect_str_eq(r.text, "H200 Bhi D", "%s %s", r.text, r.msg);
	connects = test_stats(p).connects;
	recorder_start(&again, l, p, NULL);
	test_run(l);
	cr_expect_str_eq(again.text, "H200 Bhi D");
	cr_expect_eq(test_stats(p).connects, connects + 1);
	upstream_pool_free(p);
	peer_stop(&peer);
	loop_free(l);
}

Test(client, names_are_resolved_off_the_loop, .timeout = T)
{
	static const struct peer_answer answer = {.text = OK_2};
	struct loop *l = test_loop();
	struct recorder r = {0}, bad = {0};
	struct upstream_pool *p = NULL, *q = NULL;
	struct peer peer;
	char url[64];

	peer_start(&peer, l, &answer, 1);
	snprintf(url, sizeof(url), "http://localhost:%u", peer.port);
	cr_assert_eq(upstream_pool_new(l, url, NULL, &p, NULL), 0);
	recorder_start(&r, l, p, NULL);
	test_run(l);
	cr_expect_str_eq(r.text, "H200 Bhi D", "%s %s", r.text, r.msg);
	cr_assert_eq(upstream_pool_new(l, "http://no-such-host.invalid", NULL, &q, NULL), 0);
	recorder_start(&bad, l, q, NULL);
	test_run(l);
	cr_expect(!bad.sent);
	cr_expect(bad.code == ERR_IO || bad.code == ERR_TIMEOUT, "%d", bad.code);
	if (bad.code == ERR_IO)
		cr_expect(strstr(bad.msg, "no-such-host.invalid"), "%s", bad.msg);
	upstream_pool_free(p);
	upstream_pool_free(q);
	peer_stop(&peer);
	loop_free(l);
}
