/* Goal: loop_post(), loop_wake() and loop_stop() from other threads against a loop that is busy with timers and
 * descriptors and posts to itself (E3); and two loops that post to each other. Method: counts; a lost wake-up hangs. */
#include "event/loop.h"

#include <criterion/criterion.h>
#include <pthread.h>

#define THREADS 4
#define POSTS 3000

struct place {
	struct loop *l;
	struct place *other;
	struct loop_timer timer;
	unsigned ran, want, ticks, bounced;
};

static void on_tick(struct loop *l, struct loop_timer *t)
{
	struct place *p = CONTAINER_OF(t, struct place, timer);

	p->ticks++;
	cr_assert_eq(loop_timer_set(l, t, loop_now_ns(l) + 10000), 0);
}

/* Plain counters: only the loop's own thread touches them. */
static void count(void *arg)
{
	struct place *p = arg;

	if (++p->ran == p->want)
		loop_stop(p->l);
}

static void *post_and_wake(void *arg)
{
	struct place *p = arg;

	for (unsigned i = 0; i < POSTS; i++) {
		cr_assert_eq(loop_post(p->l, count, p), 0);
		if (i % 3 == 0)
			loop_wake(p->l);
	}
	return NULL;
}

Test(threads, posts_wakes_and_timers, .timeout = 60)
{
	struct place p = {.timer.cb = on_tick, .want = THREADS * POSTS};
	pthread_t t[THREADS];

	cr_assert_eq(loop_new(&p.l, NULL), 0);
	cr_assert_eq(loop_timer_set(p.l, &p.timer, 1), 0);
	for (unsigned i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, post_and_wake, &p), 0);
	cr_assert_eq(loop_run(p.l, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	cr_expect_eq(p.ran, THREADS * POSTS);
	cr_expect_gt(p.ticks, 0u);
	loop_timer_del(p.l, &p.timer);
	loop_free(p.l);
}

/* As workers and control thread do: what is handed over through a post is seen by the other side. */
static void bounce(void *arg)
{
	struct place *p = arg;

	if (++p->bounced == POSTS) {
		loop_stop(p->l);
		loop_stop(p->other->l);
		return;
	}
	p->other->bounced = p->bounced;
	cr_assert_eq(loop_post(p->other->l, bounce, p->other), 0);
}

static void *run_other(void *arg)
{
	struct place *p = arg;

	cr_assert_eq(loop_run(p->l, NULL), 0);
	return NULL;
}

Test(threads, two_loops, .timeout = 60)
{
	struct place a = {0}, b = {.other = &a};
	pthread_t t;

	a.other = &b;
	cr_assert_eq(loop_new(&a.l, NULL), 0);
	cr_assert_eq(loop_new(&b.l, NULL), 0);
	cr_assert_eq(pthread_create(&t, NULL, run_other, &b), 0);
	cr_assert_eq(loop_post(a.l, bounce, &a), 0);
	cr_assert_eq(loop_run(a.l, NULL), 0);
	pthread_join(t, NULL);
	cr_expect(a.bounced == POSTS || b.bounced == POSTS);
	loop_free(a.l);
	loop_free(b.l);
}
