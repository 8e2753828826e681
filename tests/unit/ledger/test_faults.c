/* Goal: L3 and L6: a store that fails delays records and loses none; one that recovers is used again by itself; a
 * record that the books can't take holds up no other. Method: the database locked by a second connection, a file size
 * limit (EFBIG), a file system that is really full (tmpfs; root). */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

TestSuite(faults, .init = world_new, .fini = world_free, .timeout = 60);

static void until_available(bool available)
{
	struct ledger_stats s;

	do
		ledger_stats(w.l, &s);
	while (s.available != available);
}

static void expect_refused(const char *word)
{
	struct ledger_hold_terms t = terms(1000, 1);
	struct ledger_stats s;
	struct ledger_hold *h;
	struct err err = {0};

	cr_expect_eq(ledger_hold_take(w.l, 0, w.account, &t, &h, &err), ERR_BUSY);
	cr_expect_not_null(strstr(err.msg, word), "%s", err.msg);
	ledger_stats(w.l, &s);
	cr_expect_not_null(strstr(s.why, word), "%s", s.why);
	cr_expect_gt(s.commit_failures, 0);
}

#define CALLS 20

/* Settles CALLS more while the store fails by `breaks`, sees them refused and kept, then `mends` it: all are posted. */
static void survive(void (*breaks)(void), void (*mends)(void), const char *word)
{
	struct ledger_hold *h[CALLS];
	struct call calls[CALLS];
	struct books b;

	for (unsigned i = 0; i < CALLS; i++)
		h[i] = hold_of(i + 1, 30);
	breaks();
	for (unsigned i = 0; i < CALLS; i++)
		settle(&calls[i], h[i], i + 1, 20, 15);
	until_available(false);
	expect_refused(word);
	for (unsigned i = 0; i < CALLS; i++)
		cr_expect_eq(calls[i].done, 0); /* L3 */
	mends();
	await(CALLS);
	until_available(true);
	for (unsigned i = 0; i < CALLS; i++)
		cr_expect(calls[i].done == 1 && calls[i].rc == 0, "%u: %d", i, calls[i].rc);
	ledger_hold_void(w.l, hold_of(2000, 1));
	ledger_stop(w.l);
	b = books_read();
	cr_expect_eq(b.records, CALLS);
	cr_expect_eq(b.sum, 0);
	cr_expect_eq(b.differences, 0, "%s", b.first);
	cr_expect_eq(b.balance, 1000000 - 20 * CALLS);
	cr_expect_eq(world_balance().available_nano, 1000000 - 20 * CALLS);
}

static struct store *other;

static void lock(void)
{
	other = store_reader();
	cr_assert_eq(store_books_begin(other, NULL), 0);
}

static void unlock(void)
{
	store_books_abort(other);
	store_close(other);
	other = NULL;
}

Test(faults, locked)
{
	world_start();
	world_deposit(1000000);
	survive(lock, unlock, "locked");
}

static void limit_files(void)
{
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){100, RLIM_INFINITY}), 0);
}

static void unlimit_files(void)
{
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}), 0);
}

/* EFBIG on each write: an I/O error; the connection is opened anew until that helps. */
Test(faults, writes_fail)
{
	world_start();
	world_deposit(1000000);
	survive(limit_files, unlimit_files, "I/O error");
}

static char filler[96];

static void fill_disk(void)
{
	static const char block[4096];
	int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	cr_assert(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	cr_expect_eq(errno, ENOSPC);
	close(fd);
}

static void empty_disk(void)
{
	cr_assert_eq(unlink(filler), 0);
}

Test(faults, disk_full)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tg-ledger", w.dir, "tmpfs", 0, "size=8m") < 0)
		cr_skip_test("needs to mount a tmpfs");
	snprintf(filler, sizeof(filler), "%s/filler", w.dir);
	world_start();
	world_deposit(1000000);
	survive(fill_disk, empty_disk, "disk full");
	world_close();
	umount2(w.dir, MNT_DETACH);
}

/* H3: no room for the holds file: said at start, and nothing dies of a signal later. */
Test(faults, no_room_for_the_holds_file)
{
	struct ledger *l = NULL;
	struct err err = {0};

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){8192, RLIM_INFINITY}), 0);
	cr_expect_eq(ledger_open(&w.opts, &l, &err), ERR_IO, "%s", err.msg);
	unlimit_files();
	cr_assert(!l);
	world_start(); /* the file that was begun is made anew */
}

/* Stopped while the store fails: done() is never called, the holds are found at the next start. */
Test(faults, stopped_meanwhile)
{
	struct ledger_recovery rec;
	struct ledger_hold *h;
	struct call c;
	struct books b;

	world_start();
	world_deposit(1000000);
	h = hold_of(1, 100);
	ledger_hold_forwarded(h, &w.rule, 30, true);
	ledger_hold_delivered(h, 30);
	call_fill(&c, 1, 80, 60);
	c.job.record.usage.output_tokens = 60;
	lock();
	ledger_settle(w.l, h, &c.job);
	until_available(false);
	world_close();
	unlock();
	cr_expect_eq(c.done, 0);
	world_start();
	ledger_recovered(w.l, &rec);
	cr_expect_eq(rec.found, 1);
	cr_expect_eq(rec.charged, 1);
	b = books_read();
	cr_expect_eq(b.balance, 1000000 - 80);
	cr_expect_eq(b.records, 1);
}

/* What the books can't take is told apart: the rest is posted, it becomes a discrepancy, its hold stays for the next
 * start. */
Test(faults, unpostable_records)
{
	static const struct {
		const char *name;
		int64_t price, cost;
		const char *provider;
		int64_t rule; /* 0: the right one */
		uint64_t tokens;
		int rc;
	} rows[] = {
		{"sound", 20, 15, "openai", 0, 5, 0},
		{"price beyond all accounts", INT64_MAX, 15, "openai", 0, 5, ERR_RANGE},
		{"negative price", -1, 15, "openai", 0, 5, ERR_INVAL},
		{"negative cost", 20, -1, "openai", 0, 5, ERR_INVAL},
		{"smallest price", INT64_MIN, 0, NULL, 0, 5, ERR_INVAL},
		{"cost of nobody", 20, 15, NULL, 0, 5, ERR_INVAL},
		{"more tokens than can be", 20, 15, "openai", 0, USAGE_TOKENS_MAX + 1, ERR_INVAL},
		{"no such rule, says the store", 20, 15, "openai", 9999, 5, ERR_INVAL},
		{"below what an account can have", INT64_MAX / 2, 15, "openai", 0, 5, 0},
		{"and more", INT64_MAX / 2, 15, "openai", 0, 5, ERR_RANGE},
		{"sound too", 20, 15, "openai", 0, 5, 0},
	};
	enum { N = ARRAY_SIZE(rows) };
	struct ledger_hold *h[N];
	struct call calls[N];
	struct ledger_stats s;
	struct books b;
	unsigned bad = 0;

	w.opts.gather_us = 20000; /* all in one batch */
	world_start();
	world_deposit(1000000);
	for (unsigned i = 0; i < N; i++)
		h[i] = hold_of(i + 1, 30);
	for (unsigned i = 0; i < N; i++) {
		call_fill(&calls[i], i + 1, rows[i].price, rows[i].cost);
		calls[i].job.provider = rows[i].provider;
		calls[i].job.record.usage.output_tokens = rows[i].tokens;
		if (rows[i].rule)
			calls[i].job.record.rule_id = rows[i].rule;
		ledger_settle(w.l, h[i], &calls[i].job);
		bad += rows[i].rc != 0;
	}
	await(N);
	for (unsigned i = 0; i < N; i++)
		cr_expect_eq(calls[i].rc, rows[i].rc, "%s: %d", rows[i].name, calls[i].rc);
	ledger_stats(w.l, &s);
	cr_expect_eq(s.unpostable, bad, "%u", (unsigned)s.unpostable);
	cr_expect_eq(s.holds_open, bad, "%u", s.holds_open);
	cr_expect(s.available);
	cr_expect_eq(discrepancies_read("unpostable_record"), bad, "%u", discrepancies_read("unpostable_record"));
	b = books_read();
	cr_expect_eq(b.records, N - bad);
	cr_expect_eq(b.sum, 0);
	cr_expect_eq(b.balance, 1000000 - 40 - INT64_MAX / 2);
	world_close();
	world_start(); /* nothing was delivered of them: void */
	b = books_read();
	cr_expect_eq(b.records, N, "%u", (unsigned)b.records);
	cr_expect_eq(b.balance, 1000000 - 40 - INT64_MAX / 2);
}
