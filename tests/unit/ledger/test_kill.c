/* Goal: L3, L4, L5 and H1 through SIGKILL: a client that was told has been charged once; nothing stays open; the books
 * agree. Method: a child runs the ledger with four workers at full speed and writes each acknowledged request into a
 * shared page; it is killed at a random instant; the files are opened again. */
#include "fixture.h"

#include "base/clock.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

TestSuite(kill, .init = world_new, .fini = world_free, .timeout = 180);

#define ROUNDS 20
#define LANES 4
#define WINDOW 64
#define ACKED_MAX 200000

struct told {
	_Atomic unsigned running, failed;
	struct {
		_Atomic uint32_t n;
		uint32_t request[ACKED_MAX];
	} lane[LANES];
};
static struct told *told;

struct client {
	struct ledger_job job;
	struct lane *lane;
	uint32_t request;
};
struct lane {
	pthread_t thread;
	unsigned index;
	uint32_t next;
	struct loop *loop;
	struct client clients[WINDOW];
};

/* Every lane of every round has numbers of its own. */
static uint32_t first_of(unsigned round, unsigned lane)
{
	return (round * LANES + lane) * 2000000u + 1;
}

static void client_next(struct client *c);

/* As the last bytes of an answer: from here on the client has it. */
static void client_done(struct ledger_job *job, int rc)
{
	struct client *c = CONTAINER_OF(job, struct client, job);
	uint32_t n = atomic_load_explicit(&told->lane[c->lane->index].n, memory_order_relaxed);

	if (rc < 0 || n == ACKED_MAX) {
		atomic_fetch_add(&told->failed, rc < 0);
		return;
	}
	told->lane[c->lane->index].request[n] = c->request;
	atomic_store(&told->lane[c->lane->index].n, n + 1);
	client_next(c);
}

static void client_next(struct client *c)
{
	uint32_t n = c->request = c->lane->next++;
	struct ledger_hold_terms t = terms(n, 100);
	struct ledger_hold *h;

	t.idempotent = n % 7 == 0;
	if (ledger_hold_take(w.l, c->lane->index, w.account, &t, &h, NULL) < 0) {
		atomic_fetch_add(&told->failed, 1);
		return;
	}
	if (n % 11 == 0) {
		ledger_hold_void(w.l, h);
		t.request_id = request_number(n + 1000000);
		if (ledger_hold_take(w.l, c->lane->index, w.account, &t, &h, NULL) < 0)
			return;
		c->request += 1000000;
	}
	ledger_hold_forwarded(h, &w.rule, 30, n % 2);
	for (unsigned i = 1; i <= n % 4; i++)
		ledger_hold_delivered(h, 10 * i);
	if (n % 3 == 0)
		ledger_hold_reported(h, &(struct usage){.input_tokens = 30, .output_tokens = 40});
	memset(&c->job, 0, sizeof(c->job));
	c->job.record = (struct usage_record){.request_id = t.request_id,
					      .rule_id = w.rule.id,
					      .key_id = "key_abcdefghijklmnop",
					      .usage = {.input_tokens = 45, .output_tokens = 45},
					      .source = USAGE_REPORTED,
					      .cost_nano = 90,
					      .price_nano = 120};
	c->job.provider = "openai";
	c->job.done = client_done;
	ledger_settle(w.l, h, &c->job);
}

static void lane_begin(void *arg)
{
	struct lane *lane = arg;

	for (unsigned i = 0; i < WINDOW; i++) {
		lane->clients[i].lane = lane;
		client_next(&lane->clients[i]);
	}
	atomic_fetch_add(&told->running, 1);
}

static void *lane_run(void *arg)
{
	struct lane *lane = arg;

	if (loop_post(lane->loop, lane_begin, lane) < 0 || loop_run(lane->loop, NULL) < 0)
		atomic_fetch_add(&told->failed, 1);
	return NULL;
}

/* Never returns. */
static void child(unsigned round)
{
	static struct lane lanes[LANES];

	world_start();
	for (unsigned i = 0; i < LANES; i++) {
		lanes[i].index = i;
		lanes[i].next = first_of(round, i);
		if (loop_new(&lanes[i].loop, NULL) < 0 || ledger_lane_bind(w.l, i, lanes[i].loop, NULL) < 0 ||
		    pthread_create(&lanes[i].thread, NULL, lane_run, &lanes[i]))
			_exit(1);
	}
	for (;;)
		pause();
}

static unsigned acknowledged_so_far(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LANES; i++)
		n += atomic_load(&told->lane[i].n);
	return n;
}

/* The instant: after some number of acknowledgements, and a little later; anything will do. */
static void run_and_kill(unsigned round)
{
	const uint64_t random = clock_mono_ns() * 2654435761u;
	struct timespec t = {.tv_nsec = (long)(random % 3000000)};
	int status;
	pid_t pid;

	memset(told, 0, sizeof(*told));
	pid = fork();
	cr_assert(pid >= 0);
	if (pid == 0)
		child(round);
	while ((atomic_load(&told->running) < LANES || acknowledged_so_far() < random / 4096 % 400) &&
	       waitpid(pid, &status, WNOHANG) == 0)
		sched_yield();
	nanosleep(&t, NULL);
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended by itself: %d", status);
	cr_assert_eq(atomic_load(&told->failed), 0);
}

/* Each acknowledged request has its record, at the price that was settled. (At most one: its id is unique.) */
static unsigned expect_charged(void)
{
	struct store *s = store_reader();
	unsigned n = 0;

	for (unsigned i = 0; i < LANES; i++)
		for (uint32_t k = 0; k < atomic_load(&told->lane[i].n); k++, n++) {
			struct request_id id = request_number(told->lane[i].request[k]);
			struct usage_record r;
			struct err err = {0};

			cr_assert_eq(store_usage_get(s, &id, &r, &err), 0, "request %u: %s", told->lane[i].request[k],
				     err.msg);
			cr_assert(r.price_nano == 120 && r.source == USAGE_REPORTED);
		}
	store_close(s);
	return n;
}

Test(kill, at_any_instant)
{
	unsigned acknowledged = 0, found = 0;
	uint64_t slowest_us = 0;
	struct books b;

	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert(told != MAP_FAILED);
	w.opts.lanes = LANES;
	w.opts.holds_sync_ms = 10;
	w.opts.roll_up_ms = 20;
	world_open();
	world_deposit(1000000 * NANO);
	world_close();
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct ledger_recovery rec;
		struct ledger_hold_view v;

		run_and_kill(round);
		world_open();
		ledger_recovered(w.l, &rec);
		cr_expect_eq(ledger_holds(w.l, &v, 1), 0); /* L5 */
		cr_expect_eq(rec.damaged, 0);
		cr_expect_eq(rec.found, rec.charged + rec.voided + rec.known);
		acknowledged += expect_charged();
		found += rec.found;
		slowest_us = rec.took_us > slowest_us ? rec.took_us : slowest_us;
		world_close();
	}
	b = books_read();
	cr_expect_eq(b.sum, 0);
	cr_expect_eq(b.differences, 0, "%s", b.first);
	cr_expect_gt(acknowledged, 0);
	cr_expect_gt(found, 0);
	cr_log_info("%d kills: %u calls acknowledged, %u holds found, slowest recovery %u us, %u records\n", ROUNDS,
		    acknowledged, found, (unsigned)slowest_us, (unsigned)b.records);
	munmap(told, sizeof(*told));
}
