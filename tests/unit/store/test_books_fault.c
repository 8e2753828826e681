/* Goal: B4 whatever the disk does: what a commit acknowledged is there after the process ends and the file is opened
 * again; nothing is half there; and when the fault is over, the same connection posts what it could not.
 * Method: a child posts batches while the n-th write, sync or truncation fails, for every n until it makes no
 * difference; then it either ends at once, as in a crash, or goes on. Also a child that is killed at random. */
#include "fault_vfs.h"
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Every n; a process of its own each, which is slow with the sanitizer in it: there every third, from one. */
#if defined(__SANITIZE_ADDRESS__)
#define STRIDE 3
#else
#define STRIDE 1
#endif
#define TENANTS 3
#define BASE 40 /* records there before */
#define BATCHES 4
#define BATCH 12 /* records */
#define EXPECTED_RECORDS (BASE + BATCHES * BATCH)

static struct books_accounts acc;
static char template_path[120];

static void copy_file(const char *from, const char *to)
{
	static char bytes[1 << 20];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	cr_assert(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		cr_assert_eq(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}

static void set_up(void)
{
	struct store *s;

	fixture_init();
	s = fixture_books();
	fixture_accounts(s, TENANTS, &acc);
	fixture_fill(s, &acc, TENANTS, 0, BASE, BASE, 60000);
	MUST(store_books_roll_up(s, &oops));
	store_close(s);
	snprintf(template_path, sizeof(template_path), "%s/template.db", fixture_folder);
	copy_file(fixture_books_path, template_path);
}

TestSuite(books_fault, .init = set_up, .fini = fixture_done);

static void fresh_copy(void)
{
	char path[160];

	snprintf(path, sizeof(path), "%s-wal", fixture_books_path);
	unlink(path);
	snprintf(path, sizeof(path), "%s-shm", fixture_books_path);
	unlink(path);
	copy_file(template_path, fixture_books_path);
}

/* One batch: an acknowledged commit, or nothing. Rows that an unacknowledged commit left are ERR_EXISTS. */
static int post_batch(struct store *s, unsigned batch, struct err *err)
{
	int rc = store_books_begin(s, err);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; rc == 0 && i < BATCH; i++) {
		struct usage_record r = fixture_record(&acc, TENANTS, BASE + batch * BATCH + i, 60000);

		rc = fixture_post(s, &acc, &r, err);
		if (rc == ERR_EXISTS)
			rc = 0;
	}
	if (rc == 0)
		return store_books_commit(s, err);
	store_books_abort(s);
	return rc;
}

struct outcome {
	bool fired, opened;
	unsigned acked; /* bit per batch */
	int worst;      /* the first error */
};

static struct store *try_books(struct err *err)
{
	struct store_opts opts = fixture_opts();
	struct store *s = NULL;

	opts.schema = STORE_SCHEMA_BOOKS;
	return store_open(fixture_books_path, &opts, &s, err) == 0 ? s : NULL;
}

/* In the child: everything that writes, with the fault armed. */
static void post_all(struct store *s, struct outcome *out, struct err *err)
{
	for (unsigned b = 0; b < BATCHES; b++) {
		int rc = post_batch(s, b, err);

		if (rc == 0)
			out->acked |= 1u << b;
		else if (!out->worst)
			out->worst = rc;
		if (b == 1 && store_books_roll_up(s, err) < 0 && !out->worst)
			out->worst = err->code;
		if (b == 2 && store_books_checkpoint(s, err) < 0 && !out->worst)
			out->worst = err->code;
	}
}

static bool go_on(struct store *s, const struct outcome *out, struct err *err)
{
	/* In order of time: the books take nothing dated before their last row, as the ledger never does. */
	for (unsigned b = 0; b < BATCHES; b++) {
		struct usage_record r;

		if (out->acked & (1u << b))
			continue;
		if (store_books_begin(s, err) < 0)
			return false;
		for (unsigned i = 0; i < BATCH; i++) {
			struct store_books_tail tail;

			r = fixture_record(&acc, TENANTS, BASE + b * BATCH + i, 60000);
			if (store_books_tail(s, &tail, err) < 0)
				return false;
			if (r.posted_ms < tail.time_ms)
				r.posted_ms = tail.time_ms;
			if (fixture_post(s, &acc, &r, err) < 0)
				return false;
		}
		if (store_books_commit(s, err) < 0)
			return false;
	}
	return store_books_roll_up(s, err) == 0;
}

static void child(int result, enum fault kind, unsigned n, unsigned more, bool crash)
{
	struct outcome out = {0};
	struct err err = {0};
	struct store *s;

	fault_vfs_register();
	s = try_books(&err);
	if (!s)
		_exit(2);
	fault_arm(kind, n, more);
	post_all(s, &out, &err);
	out.fired = fault_disarm();
	if (write(result, &out, sizeof(out)) != (ssize_t)sizeof(out))
		_exit(3);
	if (crash)
		_exit(0);
	if (!go_on(s, &out, &err)) {
		dprintf(2, "fault %d at %u+%u: %s\n", (int)kind, n, more, err.msg);
		_exit(4);
	}
	store_close(s);
	_exit(0);
}

static int no_difference(const struct store_difference *d, void *arg)
{
	(void)arg;
	cr_assert_fail("%s: %s", d->kind, d->text);
	return 1;
}

/* Whole batches only, and at least those that were acknowledged. */
static void verify(const struct outcome *out, bool crash, const char *what)
{
	struct store *s = fixture_books();
	uint64_t checked, n;

	MUST(store_exec(s, "PRAGMA synchronous = OFF", &oops)); /* nothing is at stake here but the test's time */
	MUST(store_check(s, &oops));
	MUST(store_check_usage(s, 0, 0, no_difference, NULL, &checked, &oops));
	MUST(store_check_sums(s, no_difference, NULL, &oops));
	for (unsigned b = 0; b < BATCHES; b++) {
		unsigned there = 0;

		for (unsigned i = 0; i < BATCH; i++) {
			struct usage_record got, r = fixture_record(&acc, TENANTS, BASE + b * BATCH + i, 60000);
			int rc = store_usage_get(s, &r.request_id, &got, &oops);

			cr_assert(rc == 0 || rc == ERR_NOT_FOUND, "%s", oops.msg);
			there += rc == 0;
		}
		cr_assert(there == 0 || there == BATCH, "%s: batch %u is half there (%u)", what, b, there);
		if (!crash || (out->acked & (1u << b)))
			cr_assert_eq(there, BATCH, "%s: batch %u is lost", what, b);
	}
	MUST(store_usage_count(s, &n, &oops));
	cr_assert_eq(n, checked);
	store_close(s);
}

/* False when the fault came after all was done. */
static bool one_case(enum fault kind, unsigned n, unsigned more, bool crash)
{
	struct outcome out = {0};
	int fds[2], status;
	char what[64];
	pid_t pid;

	snprintf(what, sizeof(what), "fault %d at %u+%u, %s", (int)kind, n, more, crash ? "crash" : "going on");
	fresh_copy();
	cr_assert_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0)
		child(fds[1], kind, n, more, crash);
	close(fds[1]);
	cr_assert_eq(read(fds[0], &out, sizeof(out)), (ssize_t)sizeof(out), "%s", what);
	close(fds[0]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status %x", what, (unsigned)status);
	if (!out.fired)
		cr_assert(out.acked == (1u << BATCHES) - 1 && !out.worst, "%s: without a fault all is well", what);
	if (out.worst) /* the two that mean "wait and try again" to the ledger */
		cr_assert(out.worst == ERR_FULL || out.worst == ERR_IO, "%s: code %d", what, out.worst);
	verify(&out, crash, what);
	return out.fired;
}

static void every_n(enum fault kind, unsigned at_least)
{
	static const unsigned more[] = {0, 1000000};

	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		unsigned n = 1;

		/* Crash and going on by turns: between one fault and many, each n has both. */
		for (; one_case(kind, n, more[i], (n / STRIDE + i) % 2 == 0); n += STRIDE)
			;
		cr_assert_gt(n, at_least, "fault %d happened only %u times", (int)kind, n - 1);
	}
}

Test(books_fault, disk_full)
{
	every_n(FAULT_WRITE_FULL, 20);
}

Test(books_fault, write_error)
{
	every_n(FAULT_WRITE_EIO, 20);
}

Test(books_fault, short_write)
{
	every_n(FAULT_WRITE_SHORT, 20);
}

Test(books_fault, torn_write)
{
	every_n(FAULT_WRITE_TORN, 20);
}

Test(books_fault, sync_error)
{
	every_n(FAULT_SYNC, 4);
}

/* ---- kill -9 */

static void commit_forever(int done)
{
	struct store *s = fixture_books();
	uint64_t n = BASE;

	for (;;) {
		uint64_t batch = 1 + n % 13;

		fixture_fill(s, &acc, TENANTS, n, n + batch, batch, 60000);
		n += batch;
		if (write(done, &n, sizeof(n)) != (ssize_t)sizeof(n))
			_exit(1);
		if (n % 5 == 0)
			MUST(store_books_roll_up(s, &oops));
		if (n % 7 == 0)
			MUST(store_books_checkpoint(s, &oops));
	}
}

static uint64_t expect_records(uint64_t acked)
{
	struct store *s = fixture_books();
	uint64_t n, checked;

	MUST(store_usage_count(s, &n, &oops));
	cr_assert(n >= acked && n <= acked + 13, "%llu acknowledged, %llu there", (unsigned long long)acked,
		  (unsigned long long)n);
	for (uint64_t i = 0; i < n; i++) {
		struct usage_record got, r = fixture_record(&acc, TENANTS, i, 60000);

		MUST(store_usage_get(s, &r.request_id, &got, &oops));
		cr_assert_eq(got.id, (int64_t)i + 1);
	}
	MUST(store_check_usage(s, 0, 0, no_difference, NULL, &checked, &oops));
	MUST(store_check_sums(s, no_difference, NULL, &oops));
	store_close(s);
	return n;
}

/* B4: all acknowledged, and at most the one batch under way beyond it. */
Test(books_fault, killed)
{
	unsigned seed = (unsigned)getpid();

	for (int round = 0; round < 12; round++) {
		uint64_t acked = BASE, n;
		int fds[2], status;
		pid_t pid;

		fresh_copy();
		cr_assert_eq(pipe(fds), 0);
		pid = fork();
		if (pid == 0) {
			close(fds[0]);
			commit_forever(fds[1]);
		}
		close(fds[1]);
		for (int i = 1 + rand_r(&seed) % 40; i > 0; i--)
			cr_assert_eq(read(fds[0], &acked, sizeof(acked)), (ssize_t)sizeof(acked));
		for (volatile int spin = rand_r(&seed) % 300000; spin > 0; spin--)
			;
		cr_assert_eq(kill(pid, SIGKILL), 0);
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		while (read(fds[0], &n, sizeof(n)) == (ssize_t)sizeof(n))
			acked = n;
		close(fds[0]);
		cr_assert(WIFSIGNALED(status), "seed %d", (int)getpid());
		expect_records(acked);
	}
}
