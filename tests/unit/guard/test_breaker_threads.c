/* Goal: B1 to B3 with many threads on one breaker. Method: 8 threads that start together, a frozen or shared virtual
 * clock, so that the numbers are exact. Run under SAN=thread too. */
#include "guard/breaker.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "base/clock.h"

#define SEC 1000000000ull
#define T0 (86400 * SEC)
#define THREADS 8
#define ASKS 2000

TestSuite(breaker_threads, .timeout = 120);

static struct breaker b;
static struct breaker_rules r;
static pthread_barrier_t start;
static _Atomic uint64_t clock_ns;
static atomic_uint entered, inside_probes, too_many, changes[BREAKER_STATES];

static void noted(bool said, const struct breaker_change *c)
{
	if (said)
		atomic_fetch_add(&changes[c->to], 1);
}

static void run(void *(*work)(void *))
{
	pthread_t t[THREADS];

	cr_assert_eq(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, work, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&start);
}

static void open_it(void)
{
	struct breaker_ticket t;
	struct breaker_change c;

	breaker_init(&b);
	r = BREAKER_RULES_DEFAULT;
	for (unsigned i = 0; i < r.consecutive_failures; i++) {
		cr_assert(breaker_enter(&b, &r, T0, &t, &c));
		breaker_leave(&b, &r, t, BREAKER_FAILURE, T0, &c);
	}
	cr_assert(breaker_blocked_until(&b, T0));
}

static void *ask_and_keep(void *arg)
{
	struct breaker_ticket t;
	struct breaker_change c;

	(void)arg;
	pthread_barrier_wait(&start);
	for (unsigned i = 0; i < ASKS; i++) {
		if (breaker_enter(&b, &r, T0 + 30 * SEC, &t, &c)) {
			cr_expect(t.probe);
			atomic_fetch_add(&entered, 1);
			noted(c.from != c.to, &c);
		}
		if (i % 32 == 0)
			sched_yield();
	}
	return NULL;
}

/* B1: 16000 asks at once, none of them ends: 3 come through. */
Test(breaker_threads, exactly_three_probes)
{
	for (unsigned round = 0; round < 20; round++) {
		entered = changes[BREAKER_HALF_OPEN] = 0;
		open_it();
		run(ask_and_keep);
		cr_expect_eq(entered, 3u, "%u probes", entered);
		cr_expect_eq(changes[BREAKER_HALF_OPEN], 1u);
		breaker_done(&b);
	}
}

/* Probes that say nothing: never more than 3 at a time, and it goes on for ever. */
static void *neutral_probes(void *arg)
{
	struct breaker_ticket t;
	struct breaker_change c;

	(void)arg;
	pthread_barrier_wait(&start);
	for (unsigned i = 0; i < ASKS; i++) {
		if (!breaker_enter(&b, &r, T0 + 30 * SEC, &t, &c)) {
			sched_yield();
			continue;
		}
		if (atomic_fetch_add(&inside_probes, 1) >= r.probes)
			atomic_fetch_add(&too_many, 1);
		atomic_fetch_add(&entered, 1);
		if (i % 4 == 0)
			sched_yield();
		atomic_fetch_sub(&inside_probes, 1);
		cr_expect(!breaker_leave(&b, &r, t, BREAKER_NEUTRAL, T0 + 30 * SEC, &c));
	}
	return NULL;
}

Test(breaker_threads, neutral_probes_give_their_places_back)
{
	struct breaker_view v;

	open_it();
	run(neutral_probes);
	breaker_look(&b, &r, T0 + 30 * SEC, &v);
	cr_expect_eq(too_many, 0u);
	cr_expect_gt(entered, r.probes, "%u", entered);
	cr_expect(v.state == BREAKER_HALF_OPEN && v.probes_running == 0 && v.probes_ok == 0);
	breaker_done(&b);
}

/* Every thread fails once, all calls having begun before: it opens once, not eight times (B3). */
static void *fail_together(void *arg)
{
	struct breaker_ticket t;
	struct breaker_change c;

	(void)arg;
	cr_expect(breaker_enter(&b, &r, T0, &t, &c));
	pthread_barrier_wait(&start);
	noted(breaker_leave(&b, &r, t, BREAKER_FAILURE, T0, &c), &c);
	return NULL;
}

Test(breaker_threads, opens_once)
{
	for (unsigned round = 0; round < 200; round++) {
		struct breaker_view v;

		changes[BREAKER_OPEN] = 0;
		breaker_init(&b);
		r = BREAKER_RULES_DEFAULT;
		run(fail_together);
		breaker_look(&b, &r, T0, &v);
		cr_assert_eq(changes[BREAKER_OPEN], 1u, "opened %u times", changes[BREAKER_OPEN]);
		cr_assert(v.state == BREAKER_OPEN && v.openings == 1 && v.total == 5);
		breaker_done(&b);
	}
}

/* Anything at any time, the clock running: what was let through is counted, and changes form a chain. */
static void *anything(void *arg)
{
	uint64_t x = (uintptr_t)arg * 0x9e3779b97f4a7c15ull;

	pthread_barrier_wait(&start);
	for (unsigned i = 0; i < ASKS * 5; i++) {
		uint64_t now_ns = atomic_fetch_add(&clock_ns, 5000000);
		struct breaker_ticket t;
		struct breaker_change c;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		if (x % 512 == 0)
			noted(breaker_force_set(&b, &r, (enum breaker_force)(x >> 20) % BREAKER_FORCES, now_ns, &c),
			      &c);
		if (x % 512 == 1)
			noted(breaker_force_set(&b, &r, BREAKER_AUTO, now_ns, &c), &c);
		if (!breaker_enter(&b, &r, now_ns, &t, &c))
			continue;
		noted(c.from != c.to, &c);
		if (x % 16 == 2)
			sched_yield();
		if (x >> 8 & 1)
			noted(breaker_answering(&b, &r, &t, now_ns, &c), &c);
		/* good and bad times of 2 s */
		noted(breaker_leave(&b, &r, t,
				    x >> 10 & 7 ? now_ns / SEC & 2 ? BREAKER_FAILURE : BREAKER_SUCCESS
						: BREAKER_NEUTRAL,
				    now_ns, &c),
		      &c);
	}
	return NULL;
}

Test(breaker_threads, anything)
{
	struct breaker_view v;
	struct breaker_change c;
	unsigned in, out;

	breaker_init(&b);
	r = BREAKER_RULES_DEFAULT;
	r.open_ns = SEC / 2;
	r.open_max_ns = 3 * SEC;
	r.window_ns = 12 * SEC;
	clock_ns = T0;
	run(anything);
	breaker_force_set(&b, &r, BREAKER_FORCED_CLOSED, clock_ns, &c);
	noted(c.from != c.to, &c);
	breaker_look(&b, &r, clock_ns, &v);
	cr_expect_eq(v.probes_running, 0u, "%u probes never ended", v.probes_running);
	in = changes[BREAKER_OPEN];
	out = changes[BREAKER_HALF_OPEN] + changes[BREAKER_CLOSED];
	cr_expect_gt(changes[BREAKER_OPEN], 10u);
	cr_expect_gt(changes[BREAKER_HALF_OPEN], 10u);
	cr_expect_gt(changes[BREAKER_CLOSED], 5u);
	/* It left OPEN as often as it entered it; of HALF_OPEN some went on to CLOSED. */
	cr_expect_geq(out, in);
	cr_expect_leq(changes[BREAKER_CLOSED], in + 1);
	breaker_done(&b);
}

/* Said, not judged: what a call costs while nothing is wrong. */
Test(breaker_threads, cost)
{
	enum { N = 2000000 };
	struct breaker_ticket t;
	struct breaker_change c;
	uint64_t begin_ns;

	breaker_init(&b);
	r = BREAKER_RULES_DEFAULT;
	begin_ns = clock_mono_ns();
	for (unsigned i = 0; i < N; i++) {
		cr_assert(breaker_enter(&b, &r, T0 + i, &t, &c));
		breaker_leave(&b, &r, t, BREAKER_SUCCESS, T0 + i, &c);
	}
	fprintf(stderr, "# breaker_enter and breaker_leave, closed: %.1f ns\n",
		(double)(clock_mono_ns() - begin_ns) / N);
	breaker_done(&b);
}
