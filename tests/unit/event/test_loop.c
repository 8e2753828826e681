/* Goal: loop.h's invariants E1..E4 and the heap. Method: pipes, eventfds and threads on a real loop; the heap against a
 * sorted model with a fixed random seed. */
#include "base/clock.h"
#include "event/loop.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/time.h>

static struct loop *new_loop(void)
{
	struct loop *l = NULL;
	struct err err = {0};

	cr_assert_eq(loop_new(&l, &err), 0, "%s", err.msg);
	return l;
}

static void run(struct loop *l)
{
	struct err err = {0};

	cr_assert_eq(loop_run(l, &err), 0, "%s", err.msg);
}

/* ---- io */

struct half {
	struct loop_io io;
	struct half *other;
	int calls;
};

static void on_half(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct half *me = CONTAINER_OF(io, struct half, io);

	cr_assert(events & EPOLLIN);
	me->calls++;
	loop_io_del(l, &me->other->io);
	closep(&me->other->io.fd);
	me->other->io.fd = -1;
	loop_stop(l);
}

static int ready_fd(void)
{
	int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);

	cr_assert(fd >= 0);
	return fd;
}

/* E1: both are readable in one batch; whichever comes first deletes the other. */
Test(loop, del_in_batch)
{
	struct loop *l = new_loop();
	struct half a = {.io = {.fd = ready_fd(), .cb = on_half}};
	struct half b = {.io = {.fd = ready_fd(), .cb = on_half}, .other = &a};

	a.other = &b;
	cr_assert_eq(loop_io_add(l, &a.io, EPOLLIN, NULL), 0);
	cr_assert_eq(loop_io_add(l, &b.io, EPOLLIN, NULL), 0);
	run(l);
	cr_expect_eq(a.calls + b.calls, 1);
	closep(&a.io.fd);
	closep(&b.io.fd);
	loop_free(l);
}

struct reuse {
	struct loop_io first, second, fresh;
	int fresh_calls;
	uint32_t old_slot;
};
static struct reuse reuse;

static void on_fresh(struct loop *l, struct loop_io *io, uint32_t events)
{
	(void)l, (void)io, (void)events;
	reuse.fresh_calls++;
}

static void on_reuse(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct loop_io *other = io == &reuse.first ? &reuse.second : &reuse.first;

	(void)events;
	reuse.old_slot = other->slot;
	loop_io_del(l, other);
	cr_assert_eq(loop_io_add(l, &reuse.fresh, EPOLLIN, NULL), 0);
	loop_io_del(l, io);
	loop_stop(l);
}

/* E1: the slot of an io deleted in the batch goes to a new io at once; the old event must not reach the new one. */
Test(loop, slot_reused_in_batch)
{
	struct loop *l = new_loop();

	reuse = (struct reuse){.first = {.fd = ready_fd(), .cb = on_reuse},
			       .second = {.fd = ready_fd(), .cb = on_reuse},
			       .fresh = {.fd = eventfd(0, EFD_NONBLOCK), .cb = on_fresh}};
	cr_assert_eq(loop_io_add(l, &reuse.first, EPOLLIN, NULL), 0);
	cr_assert_eq(loop_io_add(l, &reuse.second, EPOLLIN, NULL), 0);
	run(l);
	cr_expect_eq(reuse.fresh.slot, reuse.old_slot, "the test means nothing unless the slot is reused");
	cr_expect_eq(reuse.fresh_calls, 0);
	close(reuse.first.fd);
	close(reuse.second.fd);
	close(reuse.fresh.fd);
	loop_free(l);
}

Test(loop, io_errors)
{
	struct loop *l = new_loop();
	struct err err = {0};
	struct loop_io io = {.fd = -1, .cb = on_fresh};

	cr_expect_eq(loop_io_add(l, &io, EPOLLIN, &err), ERR_IO);
	cr_expect_eq(io.slot, 0);
	cr_expect_eq(loop_io_mod(l, &io, EPOLLIN, &err), ERR_INVAL);
	loop_io_del(l, &io);
	loop_free(l);
}

#define MANY 300
static struct loop_io many[MANY];

static void on_many(struct loop *l, struct loop_io *io, uint32_t events)
{
	static int left = MANY;
	uint64_t count;

	(void)events;
	cr_assert_eq(read(io->fd, &count, sizeof(count)), (ssize_t)sizeof(count), "called for another's fd");
	if (--left == 0)
		loop_stop(l);
}

/* The table of slots grows with many added: every one is still told of its own fd. */
Test(loop, many_io, .timeout = 30)
{
	struct loop *l = new_loop();

	for (int i = 0; i < MANY; i++) {
		many[i] = (struct loop_io){.fd = ready_fd(), .cb = on_many};
		cr_assert_eq(loop_io_add(l, &many[i], EPOLLIN, NULL), 0);
	}
	run(l);
	for (int i = 0; i < MANY; i++) {
		loop_io_del(l, &many[i]);
		close(many[i].fd);
	}
	loop_free(l);
}

/* ---- timers */

#define TIMERS 200
struct ticker {
	struct loop_timer t;
	uint64_t want_ns;
};
static struct ticker tickers[TIMERS];
static uint64_t last_due_ns;
static int fired;
static int expect_fired;

static void on_tick(struct loop *l, struct loop_timer *t)
{
	struct ticker *k = CONTAINER_OF(t, struct ticker, t);

	cr_expect(loop_now_ns(l) >= k->want_ns, "fired early");
	cr_expect(k->want_ns >= last_due_ns, "out of order");
	last_due_ns = k->want_ns;
	if (++fired == expect_fired)
		loop_stop(l);
}

/* E2, and the heap's moves: arm, move and delete at random, then see every survivor once and in order. */
Test(loop, timers_in_order)
{
	struct loop *l = new_loop();
	uint64_t base_ns = clock_mono_ns();
	unsigned seed = 7;

	for (int round = 0; round < 2000; round++) {
		struct ticker *k = &tickers[rand_r(&seed) % TIMERS];

		k->t.cb = on_tick;
		if (rand_r(&seed) % 3 == 0) {
			loop_timer_del(l, &k->t);
			continue;
		}
		k->want_ns = base_ns + (uint64_t)(rand_r(&seed) % 30000) * 1000;
		cr_assert_eq(loop_timer_set(l, &k->t, k->want_ns), 0);
	}
	for (int i = 0; i < TIMERS; i++)
		expect_fired += tickers[i].t.heap_index != 0;
	cr_assert_gt(expect_fired, TIMERS / 3);
	run(l);
	cr_expect_eq(fired, expect_fired);
	for (int i = 0; i < TIMERS; i++)
		cr_expect_eq(tickers[i].t.heap_index, 0);
	loop_free(l);
}

static int past_fired;

static void on_past(struct loop *l, struct loop_timer *t)
{
	past_fired++;
	cr_assert_eq(loop_timer_set(l, t, 1), 0);
}

static void on_stop_io(struct loop *l, struct loop_io *io, uint32_t events)
{
	(void)io, (void)events;
	if (past_fired >= 3)
		loop_stop(l);
}

/* E4 */
Test(loop, past_timer_does_not_starve)
{
	struct loop *l = new_loop();
	struct loop_timer t = {.cb = on_past};
	struct loop_io io = {.fd = ready_fd(), .cb = on_stop_io};

	cr_assert_eq(loop_timer_set(l, &t, 1), 0);
	cr_assert_eq(loop_io_add(l, &io, EPOLLIN, NULL), 0);
	run(l);
	cr_expect_leq(past_fired, 4);
	close(io.fd);
	loop_free(l);
}

static struct loop_timer victims[2];
static int victims_fired;

static void on_victim(struct loop *l, struct loop_timer *t)
{
	victims_fired++;
	loop_timer_del(l, t == &victims[0] ? &victims[1] : &victims[0]);
	loop_stop(l);
}

/* E1 for timers: both due in one pass, the first deletes the second. */
Test(loop, timer_deleted_in_pass)
{
	struct loop *l = new_loop();

	for (int i = 0; i < 2; i++) {
		victims[i].cb = on_victim;
		cr_assert_eq(loop_timer_set(l, &victims[i], 1), 0);
	}
	run(l);
	cr_expect_eq(victims_fired, 1);
	loop_free(l);
}

/* ---- posts, wake, idle */

#define POSTS 2000
struct poster {
	struct loop *l;
	int id;
};
static int seen[4];
static int posts_run;
static pthread_t loop_thread;

static void on_post(void *arg)
{
	int v = (int)(intptr_t)arg;

	cr_assert(pthread_equal(pthread_self(), loop_thread));
	cr_assert_eq(seen[v / POSTS], v % POSTS, "out of order");
	seen[v / POSTS]++;
	posts_run++;
}

static void *post_many(void *arg)
{
	struct poster *p = arg;

	for (int i = 0; i < POSTS; i++)
		if (loop_post(p->l, on_post, (void *)(intptr_t)(p->id * POSTS + i)) < 0)
			abort();
	return NULL;
}

static int idle_until_posted(struct loop *l, void *arg)
{
	if (posts_run == *(int *)arg)
		loop_stop(l);
	return -1;
}

/* E3 from four threads. The idle callback asks for no time bound, so a lost wake-up hangs the test. */
Test(loop, posts, .timeout = 30)
{
	struct loop *l = new_loop();
	struct poster p[4];
	pthread_t threads[4];
	int want = 4 * POSTS;

	loop_thread = pthread_self();
	loop_set_idle(l, idle_until_posted, &want);
	for (int i = 0; i < 4; i++) {
		p[i] = (struct poster){.l = l, .id = i};
		cr_assert_eq(pthread_create(&threads[i], NULL, post_many, &p[i]), 0);
	}
	run(l);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(posts_run, want);
	/* Not run yet, dropped by free: ASan would tell of a leak. */
	cr_assert_eq(loop_post(l, on_post, NULL), 0);
	loop_free(l);
}

static void *stop_it(void *arg)
{
	loop_stop(arg);
	return NULL;
}

Test(loop, stop_from_thread_and_before_run, .timeout = 30)
{
	struct loop *l = new_loop();
	pthread_t t;

	loop_stop(l);
	run(l);
	cr_assert_eq(pthread_create(&t, NULL, stop_it, l), 0);
	run(l);
	pthread_join(t, NULL);
	loop_free(l);
}

static struct loop *signal_loop;
static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	(void)sig;
	if (++alarms == 20)
		loop_stop(signal_loop);
}

/* EINTR of epoll_wait is no event and no error. */
Test(loop, interrupted, .timeout = 30)
{
	struct loop *l = new_loop();
	struct sigaction sa = {.sa_handler = on_alarm};
	struct itimerval every = {.it_interval.tv_usec = 500, .it_value.tv_usec = 500};
	struct itimerval off = {0};

	signal_loop = l;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	run(l);
	setitimer(ITIMER_REAL, &off, NULL);
	cr_expect_geq(alarms, 20);
	loop_free(l);
}

static int idle_zero(struct loop *l, void *arg)
{
	int *n = arg;

	if (++*n == 5)
		loop_stop(l);
	return 0;
}

static int idle_bounded(struct loop *l, void *arg)
{
	int *n = arg;

	if (++*n == 3)
		loop_stop(l);
	return 1;
}

/* Nothing else is armed: only the returned bound brings the loop round again. */
Test(loop, idle_bounds_the_sleep, .timeout = 30)
{
	struct loop *l = new_loop();
	int n = 0;

	loop_set_idle(l, idle_zero, &n);
	run(l);
	cr_expect_eq(n, 5);
	n = 0;
	loop_set_idle(l, idle_bounded, &n);
	run(l);
	cr_expect_eq(n, 3);
	loop_free(l);
}
