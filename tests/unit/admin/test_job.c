/* Goal: M4 and job.h's J1 to J3. Method: the ledger's thread is held up, so that jobs which write wait for as long as
 * the test wants; requests meanwhile. */
#include "fixture.h"

#include "admin/job.h"

#include <criterion/criterion.h>
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

/* J2, J3: one runs, the lane's worth waits, the rest is refused; clients that left have had their deposit. */
Test(job, queue_is_bounded_and_clients_may_leave)
{
	enum { MORE = 5 };
	int fds[1 + JOBS_QUEUED_MAX + MORE];
	unsigned refused = 0;
	char balance[16];

	fixture_block_ledger();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = begin_deposit();
	/* Taken in order, so the last ones are refused; they are answered while the others wait. */
	for (size_t i = ARRAY_SIZE(fds) - MORE; i < ARRAY_SIZE(fds); i++) {
		struct reply r = ask_end(fds[i]);

		cr_expect_eq(r.status, 503, "%zu: %d %s", i, r.status, r.body);
		reply_done(&r);
	}
	close(fds[0]);
	close(fds[3]);
	expect_ok("/healthz");
	fixture_release_ledger();
	for (size_t i = 1; i < ARRAY_SIZE(fds) - MORE; i++) {
		struct reply r;

		if (i == 3)
			continue;
		r = ask_end(fds[i]);
		refused += r.status == 503;
		cr_expect(r.status == 201 || r.status == 503, "%d %s", r.status, r.body);
		reply_done(&r);
	}
	/* One more may have come before the lane's thread had taken the first. */
	cr_expect_leq(refused, 1);
	snprintf(balance, sizeof(balance), "%u.00", 1 + JOBS_QUEUED_MAX - refused);
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
