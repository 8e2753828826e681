/* Goal: pools of several loops live beside each other; a resolver's thread and its pool part without a race, whoever is
 * first. Method: 4 threads, each with a loop and a peer of its own; pools by name and by number, used and thrown away
 * while the resolver is still asking, or has just answered. */
#include "../unit/upstream/peer.h"

#include <criterion/criterion.h>
#include <pthread.h>

#define THREADS 4
#define ROUNDS 25

static const struct peer_answer good = {.text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"};

struct worker {
	pthread_t thread;
	unsigned answered;
};

static struct upstream_pool *pool(struct loop *l, const char *host, unsigned port)
{
	struct upstream_pool *p = NULL;
	char url[64];

	snprintf(url, sizeof(url), "http://%s:%u", host, port);
	cr_assert_eq(upstream_pool_new(l, url, &UPSTREAM_OPTS_DEFAULT, &p, NULL), 0);
	return p;
}

static void round_of(struct worker *w, struct loop *l, unsigned port, unsigned i)
{
	struct upstream_pool *used = pool(l, i % 2 ? "localhost" : "127.0.0.1", port);
	struct upstream_pool *unused = pool(l, i % 2 ? "127.0.0.1" : "localhost", port);
	struct upstream_pool *waiting = pool(l, "localhost", port);
	struct recorder r = {0}, cut = {0};

	upstream_pool_free(unused); /* before its resolver has answered, most likely */
	recorder_start(&cut, l, waiting, &test_post);
	upstream_pool_free(waiting);
	test_run(l); /* takes the recorder's stop */
	cr_expect_str_eq(cut.text, "F-12", "%s", cut.text);
	recorder_start(&r, l, used, &test_post);
	test_run(l);
	cr_expect_str_eq(r.text, "H200 Bhi D", "%s %s", r.text, r.msg);
	w->answered += !strcmp(r.text, "H200 Bhi D");
	upstream_pool_free(used);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct loop *l = test_loop();
	struct peer peer;

	peer_start(&peer, l, &good, 1);
	for (unsigned i = 0; i < ROUNDS; i++)
		round_of(w, l, peer.port, i);
	peer_stop(&peer);
	loop_free(l);
	return NULL;
}

Test(pools, several_threads, .timeout = 60)
{
	struct worker w[THREADS] = {{0}};
	unsigned answered = 0;

	for (unsigned i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		answered += w[i].answered;
	}
	cr_expect_eq(answered, THREADS * ROUNDS);
}
