/* A consistent copy of both databases while the gateway serves. Each copy is consistent in itself; the books are copied
 * last, so that every account in them has its tenant in the other one. */
#include "admin/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct copy {
	const char *name, *of; /* of NULL: there is none */
	enum store_schema schema;
	int64_t bytes;
	char path[PATH_MAX];
};

/* Opens without making or migrating more than the copy itself. */
static int open_it(const char *path, enum store_schema schema, struct store **ret, struct err *err)
{
	struct store_opts o = STORE_OPTS_DEFAULT;

	o.schema = schema;
	o.create = false;
	o.sha256 = crypto_sha256;
	return store_open(path, &o, ret, err);
}

static void closep_store(struct store **s)
{
	store_close(*s);
}

/* The copy is read whole: a backup that nobody can restore is worse than none. */
static int verify(struct copy *f, struct err *err)
{
	_cleanup_(closep_store) struct store *s = NULL;
	struct stat st;
	int rc = open_it(f->path, f->schema, &s, err);

	if (rc == 0)
		rc = store_check(s, err);
	if (rc == 0 && stat(f->path, &st) < 0)
		rc = err_errno(err, errno, "%s", f->path);
	if (rc == 0)
		f->bytes = st.st_size;
	return rc < 0 ? err_prefix(err, "verifying the copy %s", f->name) : 0;
}

static int copy_one(struct copy *f, const char *dir, struct err *err)
{
	_cleanup_(closep_store) struct store *s = NULL;
	int rc;

	if (snprintf(f->path, sizeof(f->path), "%s/%s", dir, f->name) >= (int)sizeof(f->path))
		return err_set(err, ERR_RANGE, "the path is too long");
	rc = open_it(f->of, f->schema, &s, err);
	if (rc == 0)
		rc = store_backup(s, f->path, err);
	return rc < 0 ? rc : verify(f, err);
}

static int sync_dir(const char *dir, struct err *err)
{
	_cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_errno(err, errno, "%s", dir);
	return 0;
}

/* What was made of it goes again. */
static void undo(const struct copy *files, size_t n, const char *dir)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
	char path[PATH_MAX + 16];

	for (size_t i = 0; i < n; i++)
		for (size_t e = 0; e < ARRAY_SIZE(ends) && files[i].path[0]; e++) {
			snprintf(path, sizeof(path), "%s%s", files[i].path, ends[e]);
			(void)!unlink(path);
		}
	(void)!unlinkat(AT_FDCWD, dir, AT_REMOVEDIR);
}

static int make_dir(const char *dir, struct err *err)
{
	if (dir[0] != '/')
		return err_set(err, ERR_INVAL, "path must be absolute");
	if (mkdir(dir, 0700) == 0)
		return 0;
	if (errno == EEXIST)
		return err_set(err, ERR_EXISTS, "%s is there already; name a folder that isn't", dir);
	return err_errno(err, errno, "tollgated can't make %s (it does so as its own user)", dir);
}

static void reply_copies(struct admin_call *c, const char *dir, const struct copy *files, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (files[i].of)
			json_array_append_new(list, json_pack("{s:s,s:I,s:s}", "name", files[i].name, "bytes",
							      (json_int_t)files[i].bytes, "of", files[i].of));
	reply_json(c, 200, json_pack("{s:s,s:o}", "path", dir, "files", list));
}

static void backup(struct admin_call *c, const char *dir)
{
	struct copy files[] = {
		{.name = "tollgate.db", .of = c->a->o.store_path, .schema = STORE_SCHEMA_CONTROL},
		{.name = "books.db", .of = c->a->o.books_path, .schema = STORE_SCHEMA_BOOKS},
	};
	struct err err;
	int rc;

	if (make_dir(dir, &err) < 0) {
		reply_err(c, &err);
		return;
	}
	rc = 0;
	for (size_t i = 0; i < ARRAY_SIZE(files) && rc == 0; i++)
		rc = files[i].of ? copy_one(&files[i], dir, &err) : 0;
	if (rc == 0)
		rc = sync_dir(dir, &err);
	if (rc < 0) {
		undo(files, ARRAY_SIZE(files), dir);
		reply_err(c, &err);
	} else {
		reply_copies(c, dir, files, ARRAY_SIZE(files));
	}
}

void handle_backup(struct admin_call *c)
{
	json_t *o = body_object(c);
	const char *path;

	if (!o)
		return;
	path = body_string(c, o, "path", PATH_MAX - 32, true);
	if (path)
		backup(c, path);
	json_decref(o);
}
