/* Goal: M4 and job.h's J1 to J3. Method: the ledger's thread is held up, so that jobs which write wait for as long as
 * the test wants; requests meanwhile. */
#include "fixture.h"

#include "admin/internal.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void setup(void)
{
	struct reply r;

	fixture_start();
	r = ask("POST", "/admin/v1/tenants", NULL, "{\"id\":\"acme\"}");
	cr_assert_eq(r.status, 201, "%s", r.body);
	reply_done(&r);
}

TestSuite(job, .init = setup, .fini = fixture_stop, .timeout = 60);

static int begin_deposit(void)
{
	return ask_begin("POST", "/admin/v1/accounts/acme/deposits", "{\"amount\":\"1\"}");
}

static void expect_ok(const char *path)
{
	struct reply r = ask("GET", path, NULL, NULL);

	cr_expect_eq(r.status, 200, "%s: %d %s", path, r.status, r.body);
	reply_done(&r);
}

static void wait_for_balance(const char *balance)
{
	for (;;) {
		struct reply r = ask("GET", "/admin/v1/accounts/acme", NULL, NULL);
		bool there = !strcmp(json_string_value(json_object_get(r.json, "balance")), balance);

		reply_done(&r);
		if (there)
			return; /* the test's time-out is for what never comes */
		usleep(1000);
	}
}

/* M4 */
Test(job, control_thread_does_not_wait_for_the_books)
{
	struct reply r;
	int fd;

	fixture_block_ledger();
	fd = begin_deposit();
	expect_ok("/healthz");
	expect_ok("/readyz");
	expect_ok("/metrics");
	expect_ok("/admin/v1/accounts");
	expect_ok("/admin/v1/status");
	/* The other lane. */
	expect_ok("/admin/v1/bills/settlements/2020-01?draft=1");
	fixture_release_ledger();
	r = ask_end(fd);
	cr_expect_eq(r.status, 201, "%s", r.body);
	reply_done(&r);
}

/* Until the lane's thread has taken all that was queued. */
static void wait_until_taken(enum job_lane lane)
{
	struct jobs *jobs = fx.admin->jobs;

	for (bool taken = false; !taken;) {
		pthread_mutex_lock(&jobs->lock);
		taken = jobs->lane[lane].started && !jobs->lane[lane].first;
		pthread_mutex_unlock(&jobs->lock);
		usleep(1000);
	}
}

/* Until so many of them have an answer; which ones is the server's choice. */
static void wait_for_answers(struct pollfd *fds, size_t n, unsigned want)
{
	for (unsigned ready = 0; ready < want;) {
		cr_assert_geq(poll(fds, n, -1), 0);
		ready = 0;
		for (size_t i = 0; i < n; i++)
			ready += fds[i].revents != 0;
		usleep(1000);
	}
}

/* J2, J3: one runs, the lane's worth waits, the rest is refused at once; clients that left have had their deposit. */
Test(job, queue_is_bounded_and_clients_may_leave)
{
	enum { MORE = 5, N = 1 + JOBS_QUEUED_MAX + MORE };
	struct pollfd fds[N];
	unsigned left = 0, refused = 0, posted = 0;
	char balance[16];

	fixture_block_ledger();
	for (unsigned i = 0; i < N; i++) {
		fds[i] = (struct pollfd){.fd = begin_deposit(), .events = POLLIN};
		if (!i)
			wait_until_taken(JOB_SHORT);
	}
	wait_for_answers(fds, N, MORE);
	for (unsigned i = 0; i < N && left < 2; i++)
		if (!fds[i].revents) {
			close(fds[i].fd);
			fds[i].fd = -1;
			left++;
		}
	expect_ok("/healthz");
	fixture_release_ledger();
	for (unsigned i = 0; i < N; i++) {
		struct reply r;

		if (fds[i].fd < 0)
			continue;
		r = ask_end(fds[i].fd);
		refused += r.status == 503;
		posted += r.status == 201;
		reply_done(&r);
	}
	cr_expect_eq(refused, MORE);
	cr_expect_eq(posted, N - MORE - left);
	snprintf(balance, sizeof(balance), "%u.00", N - MORE);
	wait_for_balance(balance);
}

/* J1: stopping with one job under way and others waiting. */
Test(job, stop_while_jobs_wait)
{
	int fds[4];

	fixture_block_ledger();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = begin_deposit();
	expect_ok("/healthz"); /* they are queued */
	fixture_release_ledger();
	fixture_stop();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	fixture_start(); /* for the suite's end */
}

Test(job, reconciliation_in_the_background)
{
	admin_reconcile(fx.admin);
	admin_reconcile(fx.admin); /* one is under way, or it is another one: either is well */
	expect_ok("/admin/v1/bills/settlements/2020-01?draft=1"); /* behind it on its lane */
	cr_expect_eq(admin_discrepancies_open(fx.admin), 0);
}
