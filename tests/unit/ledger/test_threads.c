/* Goal: L1 and L3 with many workers at once. Method: one thread per lane, each with its own loop, start together; the
 * numbers are exact whatever the interleaving. Run under SAN=thread too. */
#include "fixture.h"

#include "base/clock.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#define THREADS 8

TestSuite(ledger_threads, .init = world_new, .fini = world_free, .timeout = 120);

struct worker {
	pthread_t thread;
	unsigned lane;
	struct loop *loop;
	/* admit */
	unsigned asks, admitted, refused;
	/* churn */
	unsigned calls, started, ended, wrong;
	uint64_t first_request;
	int64_t charged;
	struct ledger_hold *kept[32];
};
static pthread_barrier_t start;

static void run(struct worker *workers, void *(*fn)(void *))
{
	cr_assert_eq(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&workers[i].thread, NULL, fn, &workers[i]), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&start);
}

static void *admit(void *arg)
{
	struct worker *wk = arg;

	pthread_barrier_wait(&start);
	for (unsigned i = 0; i < wk->asks; i++) {
		struct ledger_hold_terms t = terms(wk->lane * 100000 + i, NANO);
		struct ledger_hold *h;
		int rc = ledger_hold_take(w.l, wk->lane, w.account, &t, &h, NULL);

		if (rc == 0 && wk->admitted < ARRAY_SIZE(wk->kept))
			wk->kept[wk->admitted++] = h;
		else
			wk->refused += rc == ERR_FULL;
		sched_yield();
	}
	return NULL;
}

/* Balance for 10 calls and 1000 at once: 10. And when they are voided, 10 again. */
Test(ledger_threads, balance_for_ten_admits_ten)
{
	w.opts.lanes = THREADS;
	world_start();
	world_deposit(10 * NANO + NANO - 1);
	for (int round = 0; round < 20; round++) {
		struct worker workers[THREADS] = {0};
		unsigned admitted = 0, refused = 0;
		struct ledger_balance b;

		for (unsigned i = 0; i < THREADS; i++)
			workers[i] = (struct worker){.lane = i, .asks = 1000 / THREADS};
		run(workers, admit);
		for (unsigned i = 0; i < THREADS; i++) {
			admitted += workers[i].admitted;
			refused += workers[i].refused;
		}
		cr_assert_eq(admitted, 10, "round %d: %u", round, admitted);
		cr_assert_eq(refused, 990);
		b = world_balance();
		cr_expect_eq(b.available_nano, NANO - 1);
		cr_expect_eq(b.held_nano, 10 * NANO);
		cr_expect_eq(b.holds, 10);
		for (unsigned i = 0; i < THREADS; i++)
			for (unsigned k = 0; k < workers[i].admitted; k++)
				ledger_hold_void(w.l, workers[i].kept[k]);
		cr_expect_eq(world_balance().available_nano, 11 * NANO - 1);
	}
}

/* ---- many calls, settled and voided, on all lanes */

#define WINDOW 16

struct churn_call {
	struct ledger_job job;
	struct worker *worker;
	bool busy;
	uint64_t number;
};
static struct churn_call churn_calls[THREADS][WINDOW];

static void churn_next(struct worker *wk, struct churn_call *c);

static void churn_done(struct ledger_job *job, int rc)
{
	struct churn_call *c = CONTAINER_OF(job, struct churn_call, job);
	struct worker *wk = c->worker;

	wk->wrong += rc != 0 || !c->busy || job->record.id <= 0; /* L3: once, and committed */
	wk->charged += job->record.price_nano;
	c->busy = false;
	wk->ended++;
	if (wk->started < wk->calls)
		churn_next(wk, c);
	else if (wk->ended == wk->calls)
		loop_stop(wk->loop);
}

static void churn_next(struct worker *wk, struct churn_call *c)
{
	uint64_t n = wk->first_request + wk->started++;
	struct ledger_hold_terms t = terms(n, 1000);
	struct ledger_hold *h;

	if (n % 5 == 0 && ledger_hold_take(w.l, wk->lane, w.account, &t, &h, NULL) == 0)
		ledger_hold_void(w.l, h); /* some end before anything is forwarded */
	if (ledger_hold_take(w.l, wk->lane, w.account, &t, &h, NULL) < 0) {
		wk->wrong++;
		return;
	}
	ledger_hold_forwarded(h, &w.rule, 10, n % 2);
	ledger_hold_delivered(h, n % 50);
	ledger_hold_reported(h, &(struct usage){.input_tokens = n % 100, .output_tokens = 1});
	memset(&c->job, 0, sizeof(c->job));
	c->job.record = (struct usage_record){.request_id = request_number(n),
					      .rule_id = w.rule.id,
					      .key_id = "key_abcdefghijklmnop",
					      .source = USAGE_REPORTED,
					      .cost_nano = (int64_t)(n % 100),
					      .price_nano = (int64_t)(n % 1100)};
	c->job.provider = n % 3 ? "openai" : "azure";
	c->job.done = churn_done;
	c->worker = wk;
	c->number = n;
	c->busy = true;
	ledger_settle(w.l, h, &c->job);
}

static void churn_begin(void *arg)
{
	struct worker *wk = arg;

	for (unsigned i = 0; i < WINDOW; i++)
		churn_next(wk, &churn_calls[wk->lane][i]);
}

static void *churn(void *arg)
{
	struct worker *wk = arg;
	struct err err;

	pthread_barrier_wait(&start);
	if (loop_post(wk->loop, churn_begin, wk) < 0 || loop_run(wk->loop, &err) < 0)
		wk->wrong++;
	return NULL;
}

Test(ledger_threads, every_call_is_posted_once)
{
	struct worker workers[THREADS];
	struct ledger_hold_view views[64];
	struct ledger_stats stats;
	int64_t charged = 0;
	struct books b;
	struct err err;
	const unsigned calls = 1500;

	w.opts.lanes = THREADS;
	w.opts.roll_up_ms = 20;
	w.opts.holds_sync_ms = 5;
	world_start();
	world_deposit(1000000000);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.lane = i, .calls = calls, .first_request = 1 + i * calls};
		cr_assert_eq(loop_new(&workers[i].loop, &err), 0);
		cr_assert_eq(ledger_lane_bind(w.l, i, workers[i].loop, &err), 0);
	}
	cr_assert_eq(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&workers[i].thread, NULL, churn, &workers[i]), 0);
	/* Listings, balances and statistics at the same time. */
	do {
		size_t n = ledger_holds(w.l, views, ARRAY_SIZE(views));

		for (size_t i = 0; i < n; i++) {
			cr_expect_eq(views[i].amount_nano, 1000);
			cr_expect_str_eq(views[i].key_id, "key_abcdefghijklmnop");
		}
		ledger_stats(w.l, &stats);
		(void)world_balance();
		sched_yield();
	} while (stats.records < THREADS * calls);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		cr_expect_eq(workers[i].wrong, 0);
		cr_expect_eq(workers[i].ended, calls);
		charged += workers[i].charged;
		loop_free(workers[i].loop);
	}
	pthread_barrier_destroy(&start);
	ledger_stats(w.l, &stats);
	cr_expect_eq(stats.holds_open, 0);
	cr_expect_eq(stats.queued, 0);
	cr_expect_eq(stats.holds_voided, THREADS * calls / 5);
	cr_expect_lt(stats.batches, stats.records, "nothing was grouped");
	cr_expect_eq(world_balance().available_nano, 1000000000 - charged);
	cr_expect_eq(world_balance().held_nano, 0);
	ledger_stop(w.l);
	b = books_read();
	cr_expect_eq(b.records, THREADS * calls);
	cr_expect_eq(b.sum, 0);
	cr_expect_eq(b.balance, 1000000000 - charged);
	cr_expect_eq(b.differences, 0, "%s", b.first);
}
