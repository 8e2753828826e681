/* Online backup: a copy of one moment, made beside the target and linked to its name when it is whole and on disk. */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* All pages in one step: it reads from one snapshot, which in WAL holds no writer up, and needn't start anew when
 * somebody writes in between. */
static int copy_pages(struct store *s, sqlite3 *to, struct err *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", s->db, "main");
	int step = SQLITE_ERROR;

	if (backup) {
		step = sqlite3_backup_step(backup, -1);
		sqlite3_backup_finish(backup);
	}
	if (step == SQLITE_DONE)
		return 0;
	return store_fail_db(to, err, "copying");
}

static int copy_to(struct store *s, const char *path, struct err *err)
{
	sqlite3 *to = NULL;
	int rc;

	if (sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		rc = to ? store_fail_db(to, err, "opening the copy") : err_set(err, ERR_NOMEM, "out of memory");
	else
		rc = copy_pages(s, to, err);
	if (sqlite3_close(to) != SQLITE_OK && rc == 0)
		rc = err_set(err, ERR_IO, "closing the copy");
	return rc;
}

static int sync_path(const char *path, int flags, struct err *err)
{
	_cleanup_(closep) int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_errno(err, errno, "syncing %s", path);
	return 0;
}

static int sync_folder_of(const char *path, struct err *err)
{
	_cleanup_(freep) char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (!folder)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (slash)
		slash[slash == folder] = '\0';
	return sync_path(slash ? folder : ".", O_RDONLY | O_DIRECTORY, err);
}

/* link fails when the name is taken, also by somebody who was faster. */
static int publish(const char *part, const char *path, struct err *err)
{
	int rc = sync_path(part, O_RDONLY, err);

	if (rc < 0)
		return rc;
	if (link(part, path) < 0)
		return err_errno(err, errno, "making the copy");
	rc = sync_folder_of(path, err);
	if (rc < 0)
		unlink(path);
	return rc;
}

static int backup_by(struct store *s, char *part, const char *path, struct err *err)
{
	_cleanup_(closep) int fd = mkostemp(part, O_CLOEXEC); /* 0600 */
	int rc;

	if (fd < 0)
		return err_errno(err, errno, "making a file beside it");
	rc = copy_to(s, part, err);
	if (rc == 0)
		rc = publish(part, path, err);
	unlink(part);
	return rc;
}

int store_backup(struct store *s, const char *path, struct err *err)
{
	_cleanup_(freep) char *part = NULL;
	int rc;

	if (access(path, F_OK) == 0)
		return err_set(err, ERR_EXISTS, "%s: is there already; name a new file", path);
	if (asprintf(&part, "%s.part-XXXXXX", path) < 0) {
		part = NULL;
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	rc = backup_by(s, part, path, err);
	return rc < 0 ? err_prefix(err, "backup to %s", path) : 0;
}
