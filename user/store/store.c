/* Opening and closing.
 *
 * Invariants (tests cite them):
 *  S1  Each public call is one transaction: all of it is there after a crash, or nothing.
 *  S2  What was committed survives a power cut (WAL with synchronous=FULL).
 *  S3  A database of another program, a newer schema, or a damaged file is refused and left as it was.
 *  S4  A slot has one owner at a time; each new owner gets a higher incarnation, also after deletions and restarts.
 *  S5  An action and its audit row are committed together.
 */
#include "store/internal.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes the folders above `path`, like mkdir -p. */
static int make_folders(const char *path, struct err *err)
{
	_cleanup_(freep) char *copy = strdup(path);

	if (!copy)
		return err_set(err, ERR_NOMEM, "out of memory");
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0750) < 0 && errno != EEXIST)
			return err_errno(err, errno, "%s: making folder %s", path, copy);
		*slash = '/';
	}
	return 0;
}

/* The file is ours before SQLite sees it, so that it (and -wal, -shm, which take its mode) is never world-readable. One
 * that is there already isn't opened: POSIX locks are the process's, so closing any descriptor of the file would drop
 * those of its other connections, and the next program to read the books would delete the log under them. */
static int prepare_file(const char *path, bool create, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	int rc;

	if (create) {
		rc = make_folders(path, err);
		if (rc < 0)
			return rc;
		fd = open(path, O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, 0600);
		if (fd >= 0)
			return 0;
	}
	if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0)
		return 0;
	if (errno == EROFS)
		return err_set(err, ERR_PERM, "%s: is on a read-only file system", path);
	return err_errno(err, errno, "%s", path);
}

static int set_up(struct store *s, struct err *err)
{
	int rc;

	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
	rc = store_exec(s, "PRAGMA foreign_keys = ON", err);
	if (rc == 0)
		rc = store_exec(s, "PRAGMA synchronous = FULL", err); /* S2 */
	if (rc == 0) /* a bulk import may grow the log; give the disk space back afterwards */
		rc = store_exec(s, "PRAGMA journal_size_limit = 16777216", err);
	if (rc == 0) /* KiB, used by imports of lists, whose entries come in no order */
		rc = store_exec(s, "PRAGMA cache_size = -65536", err);
	return rc;
}

static int set_up_books(struct store *s, struct err *err)
{
	int rc;

	/* Roll-up sorts its few thousand rows in memory; a sandboxed daemon may have no folder for temporary files. */
	rc = store_exec(s, "PRAGMA temp_store = MEMORY", err);
	/* Pages. store_books_checkpoint does it while the writer is idle, this when it never is. Often: a small log is
	 * soon written over in place, and no single commit pays for much (measured at 10,000/s against 8000 pages: 20 %
	 * less CPU, longest commit 7 instead of 16 ms). */
	if (rc == 0)
		rc = store_exec(s, "PRAGMA wal_autocheckpoint = 1000", err);
	if (rc == 0) /* larger than that: the log's blocks are written over, not cut off and allocated again */
		rc = store_exec(s, "PRAGMA journal_size_limit = 67108864", err);
	/* Each function here checks what it puts, and says what is wrong with it; the schema's CHECKs are for other
	 * programs' writes, and for store_check, which looks for what those left. */
	if (rc == 0)
		rc = store_exec(s, "PRAGMA ignore_check_constraints = ON", err);
	/* KiB. Rows go to the right edge, and the pages that the index of request ids has under way are few: a larger
	 * cache only holds pages that nobody asks for again, each in memory not touched before. */
	if (rc == 0)
		rc = store_exec(s, "PRAGMA cache_size = -8192", err);
	if (rc == 0)
		rc = sums_register(s, err);
	return rc;
}

/* Allocations are counted for limits that nobody sets, under one mutex for all threads. SQLite refuses to be told so
 * when something else in the process has used it before: that costs time, and nothing else. */
static void configure_once(void)
{
	if (sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK)
		log_debug("store", "SQLite was in use already, so that it goes on counting its allocations");
}

int store_open(const char *path, const struct store_opts *opts, struct store **ret, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct store *s;
	int rc;

	pthread_once(&once, configure_once);
	if (!opts->sha256)
		return err_set(err, ERR_INVAL, "store_opts.sha256 is required");
	rc = prepare_file(path, opts->create, err);
	if (rc < 0)
		return rc;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(err, ERR_NOMEM, "out of memory");
	s->sha256 = opts->sha256;
	s->schema = opts->schema == STORE_SCHEMA_BOOKS ? &schema_books : &schema_control;
	if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		rc = s->db ? store_fail(s, err, "opening") : err_set(err, ERR_NOMEM, "out of memory");
	} else {
		sqlite3_busy_timeout(s->db, (int)opts->busy_timeout_ms);
		rc = set_up(s, err);
		if (rc == 0 && s->schema == &schema_books)
			rc = set_up_books(s, err);
		if (rc == 0)
			rc = check_at_open(s, err);
		if (rc == 0)
			rc = store_migrate(s, err);
	}
	if (rc < 0) {
		store_close(s);
		err_prefix(err, "%s", path);
		return rc;
	}
	*ret = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(s->statements); i++)
		sqlite3_finalize(s->statements[i]);
	sqlite3_close(s->db);
	recent_done(&s->recent);
	free(s);
}
