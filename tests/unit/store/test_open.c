/* Goal: S1 to S3: crash consistency, migration, refusal of what isn't ours, newer, damaged or not writable.
 * Method: real files; a child killed by SIGKILL inside a transaction and between commits; bytes overwritten on disk. */
#include "fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

TestSuite(open, .init = fixture_init, .fini = fixture_done);

Test(open, makes_folders_and_a_private_file)
{
	struct stat st;
	struct store *s;

	snprintf(fixture_path, sizeof(fixture_path), "%s/a/b/tg.db", fixture_folder);
	s = fixture_open();
	cr_assert_eq(stat(fixture_path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	store_close(s);
	store_close(NULL);
	cr_expect_eq(fixture_number("PRAGMA user_version"), 3);
}

Test(open, without_create)
{
	struct store_opts opts = fixture_opts();
	struct store *s = NULL;
	struct err err = {0};

	opts.create = false;
	cr_expect_eq(store_open(fixture_path, &opts, &s, &err), ERR_NOT_FOUND, "%s", err.msg);
	cr_expect_null(s);
	cr_expect_neq(access(fixture_path, F_OK), 0, "nothing is made");
	opts.sha256 = NULL;
	cr_expect_eq(store_open(fixture_path, &opts, &s, &err), ERR_INVAL);
}

Test(open, synchronous_full_in_wal)
{
	struct store *s = fixture_open();
	sqlite3_stmt *stmt;

	cr_assert_eq(sqlite3_prepare_v2(s->db,
					"SELECT s.synchronous, j.journal_mode, f.foreign_keys FROM"
					" pragma_synchronous s, pragma_journal_mode j, pragma_foreign_keys f",
					-1, &stmt, NULL),
		     SQLITE_OK);
	cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW);
	cr_expect_eq(sqlite3_column_int(stmt, 0), 2, "S2");
	cr_expect_str_eq((const char *)sqlite3_column_text(stmt, 1), "wal");
	cr_expect_eq(sqlite3_column_int(stmt, 2), 1);
	sqlite3_finalize(stmt);
	store_close(s);
}

/* S3, S1: a step that fails in its middle leaves nothing of itself. */
Test(open, failed_migration_leaves_nothing)
{
	struct err err = {0};

	fixture_sql("PRAGMA application_id = 1953459308; CREATE TABLE policies (x)");
	cr_expect_lt(fixture_try_open(&err), 0);
	cr_expect_not_null(strstr(err.msg, "migrating to schema version 1"), "%s", err.msg);
	cr_expect_eq(fixture_number("PRAGMA user_version"), 0);
	cr_expect_eq(fixture_number("SELECT count(*) FROM sqlite_schema"), 1);
}

Test(open, refuses_what_is_not_ours_or_newer)
{
	struct err err = {0};

	fixture_sql("CREATE TABLE someone_elses (x)");
	cr_expect_eq(fixture_try_open(&err), ERR_INVAL, "%s", err.msg);
	cr_expect_not_null(strstr(err.msg, "not Tollgate's"), "%s", err.msg);
	cr_expect_eq(fixture_number("SELECT count(*) FROM sqlite_schema"), 1, "left as it was");
	unlink(fixture_path);

	store_close(fixture_open());
	fixture_sql("PRAGMA user_version = 99");
	cr_expect_eq(fixture_try_open(&err), ERR_VERSION);
	cr_expect_not_null(strstr(err.msg, "99"), "%s", err.msg);
	cr_expect_not_null(strstr(err.msg, fixture_path), "%s", err.msg);
	cr_expect_eq(fixture_number("PRAGMA user_version"), 99);
}

static void overwrite(off_t at, size_t len)
{
	char junk[4096];
	int fd = open(fixture_path, O_WRONLY);

	memset(junk, 0xa5, sizeof(junk));
	cr_assert_geq(fd, 0);
	for (size_t done = 0; done < len; done += sizeof(junk))
		cr_assert_eq(pwrite(fd, junk, sizeof(junk), at + (off_t)done), (ssize_t)sizeof(junk));
	close(fd);
}

Test(open, damaged_file)
{
	struct err err = {0};
	struct store *s = fixture_open();
	struct tenant t;

	MUST(store_tenant_create(s, "tester", "acme", "Acme", &t, &oops));
	store_close(s);
	overwrite(4096, 20 * 4096);
	cr_expect_eq(fixture_try_open(&err), ERR_CORRUPT, "%s", err.msg);
	cr_expect_not_null(strstr(err.msg, "backup"), "says what to do: %s", err.msg);

	overwrite(0, 4096);
	cr_expect_eq(fixture_try_open(&err), ERR_CORRUPT, "not even a header: %s", err.msg);
}

/* As another user, since root may write everything. */
Test(open, not_writable)
{
	int status, fds[2];
	char said[600] = "";
	pid_t pid;

	store_close(fixture_open());
	cr_assert_eq(chmod(fixture_path, 0444), 0);
	cr_assert_eq(chmod(fixture_folder, 0755), 0);
	cr_assert_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		struct err err = {0};
		int rc = setgid(65534) || setuid(65534) ? 1 : fixture_try_open(&err);

		if (write(fds[1], err.msg, sizeof(err.msg)) < 0)
			_exit(1);
		_exit(rc == ERR_PERM ? 0 : 2);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_gt(read(fds[0], said, sizeof(said) - 1), 0);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x: %s", (unsigned)status, said);
	cr_expect_not_null(strstr(said, fixture_path), "%s", said);
}

/* The folder can't take the write-ahead log: the first thing that needs it says so. */
Test(open, folder_not_writable)
{
	int status;
	pid_t pid;

	store_close(fixture_open());
	cr_assert_eq(chmod(fixture_path, 0666), 0);
	cr_assert_eq(chmod(fixture_folder, 0755), 0);
	pid = fork();
	if (pid == 0) {
		struct err err = {0};
		int rc = setgid(65534) || setuid(65534) ? 1 : fixture_try_open(&err);

		_exit(rc == ERR_PERM ? 0 : 2);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
}

Test(open, disk_full)
{
	static struct store_list_entry e[2000];
	struct store *s = fixture_open();
	struct err err = {0};
	uint64_t n = 1;

	for (size_t i = 0; i < ARRAY_SIZE(e); i++)
		snprintf(e[i].cidr, sizeof(e[i].cidr), "10.0.%zu.%zu", i / 256, i % 256);
	MUST(store_exec(s, "PRAGMA max_page_count = 24", &oops));
	cr_expect_eq(store_list_put(s, "tester", STORE_LIST_BLOCK, e, ARRAY_SIZE(e), &err), ERR_FULL, "%s", err.msg);
	cr_expect_not_null(strstr(err.msg, "disk space"), "%s", err.msg);
	MUST(store_list_count(s, STORE_LIST_BLOCK, &n, &oops));
	cr_expect_eq(n, 0, "S1");
	MUST(store_exec(s, "PRAGMA max_page_count = 100000", &oops));
	MUST(store_list_put(s, "tester", STORE_LIST_BLOCK, e, ARRAY_SIZE(e), &oops));
	MUST(store_audit_verify(s, &oops));
	store_close(s);
}

Test(open, busy)
{
	struct store_opts opts = fixture_opts();
	struct store *first = fixture_open(), *second = NULL;
	struct txn txn = TXN_INIT;
	struct err err = {0};
	struct tenant t;

	opts.busy_timeout_ms = 0;
	MUST(store_open(fixture_path, &opts, &second, &oops));
	MUST(txn_begin(&txn, first, &oops));
	cr_expect_eq(store_tenant_create(second, "tester", "acme", "Acme", &t, &err), ERR_BUSY, "%s", err.msg);
	cr_expect_eq(store_tenant_get(second, "acme", &t, &err), ERR_NOT_FOUND, "reading is not held up: %s", err.msg);
	txn_end(&txn);
	MUST(store_tenant_create(second, "tester", "acme", "Acme", &t, &oops));
	MUST(store_tenant_get(first, "acme", &t, &oops));
	store_close(first);
	store_close(second);
}

/* ---- kill -9 */

static void kill_child(pid_t pid)
{
	int status;

	cr_assert_eq(kill(pid, SIGKILL), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void inside_a_transaction(int ready)
{
	struct store *s = fixture_open();
	struct txn txn = TXN_INIT;
	struct err err;
	uint32_t slot, incarnation;

	/* With so small a cache, pages of the open transaction go to the log before it commits. */
	if (store_exec(s, "PRAGMA cache_size = 4", &err) < 0 || txn_begin(&txn, s, &err) < 0)
		_exit(1);
	for (int i = 0; i < 3000; i++)
		if (slot_take(s, &slot, &incarnation, &err) < 0 || audit_add(s, "child", "x", "y", &err, "%d", i) < 0)
			_exit(1);
	if (write(ready, "1", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

Test(open, killed_inside_a_transaction)
{
	char wal[96], byte;
	struct store *s;
	struct tenant t;
	struct stat st;
	int fds[2];
	pid_t pid;

	store_close(fixture_open());
	cr_assert_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0)
		inside_a_transaction(fds[1]);
	cr_assert_eq(read(fds[0], &byte, 1), 1);
	snprintf(wal, sizeof(wal), "%s-wal", fixture_path);
	cr_assert_eq(stat(wal, &st), 0);
	cr_assert_gt(st.st_size, 100000, "the open transaction reached the disk");
	kill_child(pid);

	s = fixture_open();
	MUST(store_audit_verify(s, &oops));
	cr_expect_eq(fixture_number("SELECT count(*) FROM slots"), 0, "S1");
	cr_expect_eq(fixture_number("SELECT count(*) FROM audit"), 0, "S5");
	MUST(store_tenant_create(s, "tester", "acme", "Acme", &t, &oops));
	cr_expect_eq(t.subject, 1);
	store_close(s);
}

static void commit_forever(int done)
{
	struct store *s = fixture_open();
	struct api_key k;
	struct err err;

	for (unsigned n = 1;; n++)
		if (fixture_key(s, "acme", n, &k, &err) < 0 || write(done, &k, sizeof(k)) != (ssize_t)sizeof(k))
			_exit(1);
}

/* S1, S2, S5: whatever was reported as committed is there, with its audit row; nothing is half there. */
Test(open, killed_between_commits)
{
	struct api_key k, got;
	struct store *s = fixture_open();
	struct tenant t;
	long long keys;
	int fds[2], reported = 0;
	pid_t pid;

	MUST(store_tenant_create(s, "tester", "acme", "Acme", &t, &oops));
	store_close(s);
	cr_assert_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0)
		commit_forever(fds[1]);
	close(fds[1]);
	for (int i = 0; i < 50; i++)
		cr_assert_eq(read(fds[0], &k, sizeof(k)), (ssize_t)sizeof(k));
	kill_child(pid);

	s = fixture_open();
	MUST(store_key_get(s, k.id, &got, &oops));
	for (reported = 50; read(fds[0], &k, sizeof(k)) == (ssize_t)sizeof(k); reported++)
		MUST(store_key_get(s, k.id, &got, &oops));
	keys = fixture_number("SELECT count(*) FROM keys");
	cr_expect(keys == reported || keys == reported + 1, "%lld keys, %d reported", keys, reported);
	cr_expect_eq(fixture_number("SELECT count(*) FROM audit"), keys + 1, "S5");
	cr_expect_eq(fixture_number("SELECT count(*) FROM slots WHERE used"), keys + 1);
	MUST(store_audit_verify(s, &oops));
	store_close(s);
}

/* ---- two connections at once, opening included */

static void *create_many(void *arg)
{
	struct store *s = fixture_open();
	unsigned base = *(unsigned *)arg;

	for (unsigned i = 0; i < 60; i++) {
		char id[32];
		struct tenant t;

		snprintf(id, sizeof(id), "t%u", base + i);
		MUST(store_tenant_create(s, "tester", id, id, &t, &oops));
	}
	store_close(s);
	return NULL;
}

Test(open, connections_at_once)
{
	unsigned bases[3] = {0, 1000, 2000};
	pthread_t threads[3];
	struct store *s;

	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, create_many, &bases[i]), 0);
	for (size_t i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	cr_expect_eq(fixture_number("SELECT count(DISTINCT slot) FROM tenants"), 180, "S4");
	cr_expect_eq(fixture_number("SELECT max(slot) FROM tenants"), 180, "no gap");
	s = fixture_open();
	MUST(store_audit_verify(s, &oops));
	store_close(s);
}
