/* Goal: the two files aren't taken for each other; version 1 of the control database gets its tiers; backups are whole;
 * damage is found, also where opening doesn't look. Method: real files; a thread that posts while a backup is made;
 * bytes overwritten on disk. */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

TestSuite(books_file, .init = fixture_init, .fini = fixture_done);

static int try_books(const char *path, enum store_schema schema, struct err *err)
{
	struct store_opts opts = fixture_opts();
	struct store *s = NULL;
	int rc;

	opts.schema = schema;
	rc = store_open(path, &opts, &s, err);
	store_close(s);
	return rc;
}

Test(books_file, the_two_are_told_apart)
{
	struct err err = {0};

	store_close(fixture_open());
	store_close(fixture_books());
	cr_expect_eq(try_books(fixture_path, STORE_SCHEMA_BOOKS, &err), ERR_INVAL);
	cr_expect_not_null(strstr(err.msg, "holds Tollgate's configuration, not its books"), "%s", err.msg);
	cr_expect_eq(try_books(fixture_books_path, STORE_SCHEMA_CONTROL, &err), ERR_INVAL);
	cr_expect_not_null(strstr(err.msg, "holds Tollgate's books, not its configuration"), "%s", err.msg);
	cr_expect_eq(fixture_books_number("PRAGMA user_version"), 1);
	fixture_books_sql("PRAGMA user_version = 99");
	cr_expect_eq(try_books(fixture_books_path, STORE_SCHEMA_BOOKS, &err), ERR_VERSION);
}

/* As the first release left it: the steps before the last one, and rows in them. */
Test(books_file, control_version_1_gets_tiers)
{
	struct store *s;
	struct tenant t;

	fixture_sql(schema_control.steps[0]);
	fixture_sql("PRAGMA user_version = 1; INSERT INTO slots VALUES (1, 1, 1);"
		    "INSERT INTO tenants VALUES ('acme', 'Acme', 0, 1, 5000)");
	s = fixture_open();
	MUST(store_tenant_get(s, "acme", &t, &oops));
	cr_expect_str_eq(t.tier, TENANT_TIER_DEFAULT);
	cr_expect_str_eq(t.name, "Acme");
	MUST(store_tenant_set_tier(s, "alice", "acme", "growth", &oops));
	MUST(store_tenant_get(s, "acme", &t, &oops));
	cr_expect_str_eq(t.tier, "growth");
	cr_expect_eq(store_tenant_set_tier(s, "alice", "nobody", "growth", &oops), ERR_NOT_FOUND);
	cr_expect_eq(store_tenant_set_tier(s, "alice", "acme", "", &oops), ERR_INVAL);
	MUST(store_tenant_create(s, "alice", "zoo", "Zoo", &t, &oops));
	cr_expect_str_eq(t.tier, TENANT_TIER_DEFAULT);
	MUST(store_audit_verify(s, &oops));
	cr_expect_eq(fixture_number("PRAGMA user_version"), 3);
	store_close(s);
}

/* ---- backup */

static unsigned files_in_folder(void)
{
	DIR *dir = opendir(fixture_folder);
	unsigned n = 0;

	cr_assert_not_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static atomic_bool stop;
static struct books_accounts acc;

static void *post_until_told(void *arg)
{
	struct store *s = fixture_books();
	uint64_t n = *(uint64_t *)arg;

	while (!stop) {
		fixture_fill(s, &acc, 3, n, n + 20, 20, 1000);
		n += 20;
		if (n % 5000 == 0) {
			MUST(store_books_roll_up(s, &oops));
			MUST(store_books_checkpoint(s, &oops));
		}
	}
	store_close(s);
	return NULL;
}

static int no_difference(const struct store_difference *d, void *arg)
{
	(void)arg;
	cr_assert_fail("%s: %s", d->kind, d->text);
	return 1;
}

/* Taken while another thread posts, each copy is of one moment: its checks find nothing, and whole batches are in it.
 */
Test(books_file, backup_while_posting)
{
	struct store *s = fixture_books(), *copy;
	char path[160], books[120];
	uint64_t from = 5000, n, before = 0;
	pthread_t writer;
	struct stat st;

	memcpy(books, fixture_books_path, sizeof(books));
	fixture_accounts(s, 3, &acc);
	fixture_fill(s, &acc, 3, 0, from, 1000, 1000);
	cr_assert_eq(pthread_create(&writer, NULL, post_until_told, &from), 0);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/copy-%d.db", fixture_folder, i);
		MUST(store_backup(s, path, &oops));
	}
	stop = true;
	pthread_join(writer, NULL);
	for (int i = 0; i < 4; i++) {
		snprintf(fixture_books_path, sizeof(fixture_books_path), "%s/copy-%d.db", fixture_folder, i);
		cr_assert_eq(stat(fixture_books_path, &st), 0);
		cr_expect_eq(st.st_mode & 07777, 0600);
		copy = fixture_books();
		MUST(store_check(copy, &oops));
		MUST(store_check_usage(copy, 0, 0, no_difference, NULL, &n, &oops));
		MUST(store_check_sums(copy, no_difference, NULL, &oops));
		cr_expect(n >= from && n % 20 == 0 && n >= before, "%llu records", (unsigned long long)n);
		before = n;
		fixture_fill(copy, &acc, 3, n, n + 5, 5, 1000); /* and it can be worked with */
		store_close(copy);
	}
	memcpy(fixture_books_path, books, sizeof(books));
	store_close(s);
}

Test(books_file, backup_of_control)
{
	struct store *s = fixture_open();
	struct tenant t;
	char path[160];

	MUST(store_tenant_create(s, "alice", "acme", "Acme", &t, &oops));
	snprintf(path, sizeof(path), "%s/copy.db", fixture_folder);
	MUST(store_backup(s, path, &oops));
	store_close(s);
	memcpy(fixture_path, path, sizeof(fixture_path) - 1);
	s = fixture_open();
	MUST(store_tenant_get(s, "acme", &t, &oops));
	MUST(store_audit_verify(s, &oops));
	store_close(s);
}

Test(books_file, backup_that_cannot_be)
{
	struct store *s = fixture_books();
	struct err err = {0};
	unsigned files = files_in_folder();
	char path[160];

	cr_expect_eq(store_backup(s, fixture_books_path, &err), ERR_EXISTS, "%s", err.msg);
	snprintf(path, sizeof(path), "%s/no/such/folder.db", fixture_folder);
	cr_expect_eq(store_backup(s, path, &err), ERR_NOT_FOUND, "%s", err.msg);
	cr_expect_not_null(strstr(err.msg, path), "%s", err.msg);
	cr_expect_eq(files_in_folder(), files, "no file is left");
	store_close(s);
}

/* Files may not grow beyond a size, as on a disk that is full. */
Test(books_file, backup_on_a_full_disk)
{
	int status;
	pid_t pid;
	struct store *s = fixture_books();
	unsigned files;

	fixture_accounts(s, 3, &acc);
	fixture_fill(s, &acc, 3, 0, 5000, 1000, 1000);
	store_close(s);
	s = NULL;
	files = files_in_folder();
	pid = fork();
	if (pid == 0) {
		struct rlimit limit = {300000, 300000};
		struct err err = {0};
		char path[160];
		int rc;

		s = fixture_books();
		signal(SIGXFSZ, SIG_IGN);
		snprintf(path, sizeof(path), "%s/copy.db", fixture_folder);
		rc = setrlimit(RLIMIT_FSIZE, &limit) ? 0 : store_backup(s, path, &err);
		store_close(s);
		_exit(rc == ERR_IO || rc == ERR_FULL ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
	cr_expect_eq(files_in_folder(), files, "no file is left");
}

/* ---- damage */

static void overwrite_page(long long page)
{
	char junk[4096];
	int fd = open(fixture_books_path, O_WRONLY);

	memset(junk, 0xa5, sizeof(junk));
	cr_assert_geq(fd, 0);
	cr_assert_gt(page, 1);
	cr_assert_eq(pwrite(fd, junk, sizeof(junk), (off_t)(page - 1) * 4096), (ssize_t)sizeof(junk));
	close(fd);
}

static int any(const struct usage_record *r, void *arg)
{
	(void)r;
	(void)arg;
	return 0;
}

/* A page of a table that grows: opening doesn't read it all, the full check and whoever meets the page do. */
Test(books_file, damage_in_a_large_table)
{
	struct store *s = fixture_books();

	fixture_accounts(s, 3, &acc);
	fixture_fill(s, &acc, 3, 0, 5000, 1000, 1000);
	MUST(store_check(s, &oops));
	store_close(s);
	overwrite_page(fixture_books_number("SELECT pageno FROM dbstat WHERE name = 'usage' AND pagetype = 'leaf' "
					    "ORDER BY pageno LIMIT 1 OFFSET 9"));
	s = fixture_books();
	cr_expect_eq(store_check(s, &oops), ERR_CORRUPT, "%s", oops.msg);
	cr_expect_not_null(strstr(oops.msg, "backup"), "%s", oops.msg);
	cr_expect_eq(store_usage_each(s, 0, INT64_MAX, any, NULL, &oops), ERR_CORRUPT, "%s", oops.msg);
	store_close(s);
}

Test(books_file, damage_in_a_small_table)
{
	static const char *const tables[] = {"accounts", "price_rules", "settlements", "balances", "audit"};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		struct err err = {0};
		char sql[120];

		store_close(fixture_books());
		snprintf(sql, sizeof(sql), "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", tables[i]);
		overwrite_page(fixture_books_number(sql));
		cr_expect_eq(try_books(fixture_books_path, STORE_SCHEMA_BOOKS, &err), ERR_CORRUPT, "%s: %s", tables[i],
			     err.msg);
		unlink(fixture_books_path);
	}
}

/* In a child without rights: root may write to everything. */
Test(books_file, read_only)
{
	int status;
	pid_t pid;

	store_close(fixture_books());
	cr_assert_eq(chmod(fixture_books_path, 0444), 0);
	cr_assert_eq(chmod(fixture_folder, 0755), 0);
	pid = fork();
	if (pid == 0) {
		struct err err = {0};

		_exit(setgid(65534) || setuid(65534) ||
		      try_books(fixture_books_path, STORE_SCHEMA_BOOKS, &err) != ERR_PERM);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
}
