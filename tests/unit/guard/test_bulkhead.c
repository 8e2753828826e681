/* Goal: H1 to H4. Method: rows of scripts; random walks from seeds beside a naive reference (a list of names); 8
 * threads that enter, wait, give up and leave. Run under SAN=thread too. */
#include "guard/bulkhead.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#define NAMES 26

TestSuite(bulkhead, .timeout = 120);

/* A script's words: +a a enters and may queue, -a a leaves, !a a gives up, ? next; c5 q2 set the rule. What happened is
 * written down: E entered, Q queued, F full; after a leave or next the one that was granted, '.' nobody; y/n of giving
 * up. ~a enters without queueing. */
static void script_run(struct bulkhead *b, const char *script, char *said)
{
	static struct bulkhead_waiter w[NAMES];
	struct bulkhead_rule r = BULKHEAD_RULE_DEFAULT;

	memset(w, 0, sizeof(w));
	for (const char *s = script; *s; s += s[1] ? 2 : 1) {
		struct bulkhead_waiter *me = &w[(unsigned)(s[1] - 'a') % NAMES], *got;

		while (*s == ' ')
			s++;
		me = &w[(unsigned)(s[1] - 'a') % NAMES];
		switch (*s) {
		case '+':
			*said++ = "EQF"[bulkhead_enter(b, &r, me)];
			break;
		case '~':
			*said++ = "EQF"[bulkhead_enter(b, &r, NULL)];
			break;
		case '-':
		case '?':
			got = *s == '-' ? bulkhead_leave(b, &r) : bulkhead_next(b, &r);
			*said++ = got ? (char)('a' + (got - w)) : '.';
			break;
		case '!':
			*said++ = bulkhead_abandon(b, me) ? 'y' : 'n';
			break;
		case 'c':
			r.concurrent = (unsigned)(s[1] - '0');
			break;
		case 'q':
			r.queue = (unsigned)(s[1] - '0');
			break;
		}
	}
	*said = 0;
}

Test(bulkhead, scripts)
{
	static const struct {
		const char *name, *script, *said;
		unsigned inside, waiting;
	} rows[] = {
		{"the 11th waits", "+a +b +c +d +e +f +g +h +i +j +k", "EEEEEEEEEEQ", 10, 1},
		{"the 11th is refused by the rule", "q0 +a +b +c +d +e +f +g +h +i +j +k", "EEEEEEEEEEF", 10, 0},
		{"H1 and H4", "c2 q2 +a +b +c +d +e +f", "EEQQFF", 2, 2},
		{"in the order of arrival", "c1 +a +b +c +d -a -b -c -d", "EQQQbcd.", 0, 0},
		{"who doesn't queue", "c1 +a ~b", "EF", 1, 0},
		{"H2 nobody overtakes", "c1 +a +b -a ~c +d -b -d", "EQbFQd.", 0, 0},
		{"H3 given up: first, middle, last", "c1 +a +b +c +d !b !d !c -a", "EQQQyyy.", 0, 0},
		{"H3 given up in the middle", "c1 +a +b +c +d !c -a -b -d", "EQQQybd.", 0, 0},
		{"H3 granted before it gave up", "c1 +a +b -a !b -b", "EQbn.", 0, 0},
		{"twice the same one", "c1 +a +b !b +b -a -b", "EQyQb.", 0, 0},
		{"given up makes room in the queue", "c1 q1 +a +b +c !b +c", "EQFyQ", 1, 1},
		{"the rule was raised: leave and next", "c1 +a +b +c +d +e c3 -a ?? ?? ??", "EQQQQbcd.", 3, 1},
		{"the rule was raised: who comes queues behind, next grants", "c1 +a +b c3 +c ?? ?? ??", "EQQbc.", 3,
		 0},
		{"the rule was raised, the queue full", "c1 q1 +a +b c3 +c ?? ?? ~c", "EQFb.E", 3, 0},
		{"the rule was lowered: nobody until it fits", "c3 +a +b +c +d c1 -a -b -c -d", "EEEQ..d.", 0, 0},
		{"no bound", "c0 q0 +a +b +c +d", "EEEE", 4, 0},
		{"a bound from now on", "c0 +a +b +c c2 q0 +d -a -b +d", "EEEF..E", 2, 0},
		{"no bound from now on", "c1 +a +b c0 +c ?? ??", "EQEb.", 3, 0},
		{"nothing to grant", "?? +a ?? -a ??", ".E...", 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bulkhead b;
		char said[64];

		memset(&b, 0, sizeof(b)); /* as it is in an array of tenants */
		script_run(&b, rows[i].script, said);
		cr_expect_str_eq(said, rows[i].said, "%s: %s, wanted %s", rows[i].name, said, rows[i].said);
		cr_expect_eq(b.inside, rows[i].inside, "%s: %u inside", rows[i].name, b.inside);
		cr_expect_eq(b.waiting, rows[i].waiting, "%s: %u waiting", rows[i].name, b.waiting);
	}
}

/* ---- random walks */

#define CALLS 40
struct walk {
	uint64_t seed, random;
	struct bulkhead b;
	struct bulkhead_rule r;
	struct bulkhead_waiter w[CALLS];
	enum { AWAY, WAITING, INSIDE } is[CALLS];
	unsigned queue[CALLS], n_queue, n_inside; /* the reference: names in the order of arrival */
};

static unsigned draw(struct walk *k, unsigned below)
{
	k->random ^= k->random << 13, k->random ^= k->random >> 7, k->random ^= k->random << 17;
	return (unsigned)((k->random >> 20) % below);
}

static void queue_drop(struct walk *k, unsigned at)
{
	k->n_queue--;
	memmove(&k->queue[at], &k->queue[at + 1], (k->n_queue - at) * sizeof(k->queue[0]));
}

/* The one that was told to be inside must be who has waited longest, if there is a place. */
static bool granted(struct walk *k, const struct bulkhead_waiter *got)
{
	bool place = !k->r.concurrent || k->n_inside < k->r.concurrent;

	if (!got) {
		cr_assert(!place || !k->n_queue, "seed %lu: H2: %u wait, %u of %u inside", k->seed, k->n_queue,
			  k->n_inside, k->r.concurrent);
		return false;
	}
	cr_assert(place, "seed %lu: H1", k->seed);
	cr_assert(k->n_queue && got == &k->w[k->queue[0]], "seed %lu: not who has waited longest", k->seed);
	cr_assert_eq(got->owner, k, "seed %lu", k->seed);
	k->is[k->queue[0]] = INSIDE;
	queue_drop(k, 0);
	k->n_inside++;
	return true;
}

static void enter(struct walk *k, unsigned i)
{
	bool may_queue = draw(k, 4);
	bool place = !k->r.concurrent || (k->n_inside < k->r.concurrent && !k->n_queue);
	enum bulkhead_entry want = place                                  ? BULKHEAD_ENTERED
				   : may_queue && k->n_queue < k->r.queue ? BULKHEAD_QUEUED
									  : BULKHEAD_FULL;
	enum bulkhead_entry e;

	k->w[i].owner = k;
	cr_assert_eq(bulkhead_has_room(&k->b, &k->r), place, "seed %lu", k->seed);
	e = bulkhead_enter(&k->b, &k->r, may_queue ? &k->w[i] : NULL);
	cr_assert_eq(e, want, "seed %lu: %d, wanted %d", k->seed, e, want);
	if (e == BULKHEAD_ENTERED) {
		k->is[i] = INSIDE;
		k->n_inside++;
		return;
	}
	if (e == BULKHEAD_QUEUED) {
		k->is[i] = WAITING;
		k->queue[k->n_queue++] = i;
	}
	while (granted(k, bulkhead_next(&k->b, &k->r)))
		;
}

static void step(struct walk *k)
{
	unsigned i = draw(k, CALLS), at = 0;

	if (draw(k, 100) == 0) {
		k->r.concurrent = draw(k, 8);
		k->r.queue = draw(k, 12);
		while (granted(k, bulkhead_next(&k->b, &k->r)))
			;
	} else if (k->is[i] == AWAY) {
		enter(k, i);
	} else if (k->is[i] == INSIDE && draw(k, 8) == 0) {
		cr_assert(!bulkhead_abandon(&k->b, &k->w[i]), "seed %lu: H3", k->seed);
	} else if (k->is[i] == INSIDE) {
		k->is[i] = AWAY;
		k->n_inside--;
		granted(k, bulkhead_leave(&k->b, &k->r));
	} else if (draw(k, 2)) {
		while (k->queue[at] != i)
			at++;
		cr_assert(bulkhead_abandon(&k->b, &k->w[i]), "seed %lu: H3", k->seed);
		queue_drop(k, at);
		k->is[i] = AWAY;
	}
	cr_assert_eq(k->b.inside, k->n_inside, "seed %lu", k->seed);
	cr_assert_eq(k->b.waiting, k->n_queue, "seed %lu", k->seed);
}

Test(bulkhead, random_walks)
{
	static struct walk k;

	for (uint64_t seed = 1; seed <= 300; seed++) {
		memset(&k, 0, sizeof(k));
		k.seed = seed;
		k.random = seed * 0x9e3779b97f4a7c15ull;
		k.r = (struct bulkhead_rule){.concurrent = 1 + draw(&k, 6), .queue = draw(&k, 12)};
		for (unsigned i = 0; i < 3000; i++)
			step(&k);
	}
}

/* ---- threads: each waits for its grant as a worker would, or gives up */

#define THREADS 8
#define ROUNDS 10000

struct caller {
	struct bulkhead_waiter w;
	atomic_bool told;
	unsigned entered, queued, full, gave_up, too_late, seed;
};
static struct bulkhead shared;
static struct bulkhead_rule rule = {.concurrent = 3, .queue = 4};
static struct caller callers[THREADS];
static atomic_uint inside, too_many, too_long;
static pthread_barrier_t start;

static void tell(struct bulkhead_waiter *w)
{
	if (w)
		atomic_store(&((struct caller *)w->owner)->told, true);
}

static void be_inside(struct caller *c)
{
	if (atomic_fetch_add(&inside, 1) >= rule.concurrent)
		atomic_fetch_add(&too_many, 1);
	if (c->seed++ % 8 == 0)
		sched_yield();
	atomic_fetch_sub(&inside, 1);
	tell(bulkhead_leave(&shared, &rule));
}

static void wait_or_give_up(struct caller *c)
{
	unsigned patience = c->seed % 3 ? 1u << 24 : c->seed % 7;

	if (atomic_load_explicit(&shared.waiting, memory_order_relaxed) > rule.queue)
		atomic_fetch_add(&too_long, 1);
	while (!atomic_load(&c->told) && patience--)
		sched_yield();
	if (!atomic_load(&c->told) && bulkhead_abandon(&shared, &c->w)) {
		c->gave_up++;
		return;
	}
	/* granted: if it wanted to give up, whoever left is about to tell it */
	c->too_late += !atomic_load(&c->told);
	while (!atomic_load(&c->told))
		sched_yield();
	be_inside(c);
}

static void *call_again_and_again(void *arg)
{
	struct caller *c = arg;

	pthread_barrier_wait(&start);
	for (unsigned i = 0; i < ROUNDS; i++) {
		atomic_store(&c->told, false);
		switch (bulkhead_enter(&shared, &rule, &c->w)) {
		case BULKHEAD_ENTERED:
			c->entered++;
			be_inside(c);
			break;
		case BULKHEAD_QUEUED:
			c->queued++;
			wait_or_give_up(c);
			break;
		case BULKHEAD_FULL:
			c->full++;
			sched_yield();
			break;
		}
	}
	return NULL;
}

Test(bulkhead, threads)
{
	pthread_t t[THREADS];
	unsigned entered = 0, queued = 0, gave_up = 0;

	cr_assert_eq(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		callers[i].w.owner = &callers[i];
		callers[i].seed = i;
		cr_assert_eq(pthread_create(&t[i], NULL, call_again_and_again, &callers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		entered += callers[i].entered;
		queued += callers[i].queued;
		gave_up += callers[i].gave_up;
	}
	cr_expect_eq(too_many, 0u, "H1: %u times more than %u inside", too_many, rule.concurrent);
	cr_expect_eq(too_long, 0u, "H4");
	cr_expect_eq(shared.inside, 0u);
	cr_expect_eq(shared.waiting, 0u);
	cr_expect(!shared.first && !shared.last);
	cr_expect_gt(entered, 0u);
	cr_expect_gt(queued, 100u, "only %u queued: the threads didn't meet", queued);
	cr_expect_gt(gave_up, 0u);
}

/* The counts themselves: without a bound threads do nothing but count, as close together as they can. */
static void *in_and_out(void *arg)
{
	static const struct bulkhead_rule no_bound;

	(void)arg;
	pthread_barrier_wait(&start);
	for (unsigned i = 0; i < 50 * ROUNDS; i++) {
		if (bulkhead_enter(&shared, &no_bound, NULL) != BULKHEAD_ENTERED)
			atomic_fetch_add(&too_many, 1);
		tell(bulkhead_leave(&shared, &no_bound));
	}
	return NULL;
}

Test(bulkhead, counts_are_exact)
{
	pthread_t t[THREADS];

	cr_assert_eq(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, in_and_out, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&start);
	cr_expect_eq(too_many, 0u);
	cr_expect_eq(shared.inside, 0u, "%u inside, and nobody is", shared.inside);
}
