/* Files of the state directory: the lock, the store, the secrets. They are made as the user the daemon becomes. */
#include "base/log.h"
#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Parents too, as root where need be; the last one becomes the user's. */
static int make_dir(const char *path, const struct identity *id, struct err *err)
{
	char part[512];
	size_t len = strlen(path);
	struct stat st;

	if (!len || len >= sizeof(part))
		return err_set(err, ERR_RANGE, "state_dir: the path is empty or too long");
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, i == len ? 0750 : 0755) < 0 && errno != EEXIST)
			return err_errno(err, errno, "state_dir: mkdir %s", part);
	}
	if (stat(path, &st) < 0)
		return err_errno(err, errno, "state_dir: %s", path);
	if (id->change && st.st_uid != id->uid && chown(path, id->uid, id->gid) < 0)
		return err_errno(err, errno, "state_dir: giving %s to %s", path, id->name);
	return 0;
}

static int lock(struct daemon *d, struct err *err)
{
	char path[600], pid[16];
	int len;

	snprintf(path, sizeof(path), "%s/lock", d->conf->state_dir);
	d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (d->lock_fd < 0)
		return err_errno(err, errno, "%s", path);
	if (flock(d->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_errno(err, errno, "%s", path);
		len = (int)read(d->lock_fd, pid, sizeof(pid) - 1);
		pid[len > 0 ? len : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		return err_set(err, ERR_BUSY,
			       "%s is in use by a running tollgated (pid %s): stop it first, or use another state_dir",
			       d->conf->state_dir, *pid ? pid : "unknown");
	}
	len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(d->lock_fd, 0) < 0 || pwrite(d->lock_fd, pid, (size_t)len, 0) != len)
		return err_errno(err, errno, "%s", path);
	return 0;
}

/* The token's readable form for people and scripts, beside the secret it is made from. */
static int write_token(const struct daemon *d, struct err *err)
{
	static const char hex[] = "0123456789abcdef";
	char path[600], text[66];
	int fd;
	ssize_t n;

	for (unsigned i = 0; i < 32; i++) {
		text[2 * i] = hex[d->token[i] >> 4];
		text[2 * i + 1] = hex[d->token[i] & 15];
	}
	text[64] = '\n';
	snprintf(path, sizeof(path), "%s/admin.token", d->conf->state_dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, errno, "%s", path);
	n = write(fd, text, 65);
	explicit_bzero(text, sizeof(text));
	close(fd);
	return n == 65 ? 0 : err_errno(err, errno, "%s", path);
}

static int open_files(struct daemon *d, struct err *err)
{
	struct store_opts o = STORE_OPTS_DEFAULT;
	char path[600];
	int rc;

	o.sha256 = crypto_sha256;
	rc = lock(d, err);
	if (rc == 0)
		rc = store_open(d->conf->store_path, &o, &d->store, err);
	if (rc == 0)
		rc = ledger_setup_open(d, err);
	snprintf(path, sizeof(path), "%s/pepper", d->conf->state_dir);
	if (rc == 0)
		rc = crypto_secret_file(path, d->pepper, err);
	snprintf(path, sizeof(path), "%s/admin.secret", d->conf->state_dir);
	if (rc == 0)
		rc = crypto_secret_file(path, d->token, err);
	return rc ? rc : write_token(d, err);
}

int state_open(struct daemon *d, struct err *err)
{
	struct err back;
	int rc = make_dir(d->conf->state_dir, &d->identity, err);

	if (rc == 0)
		rc = privileges_assume(&d->identity, err);
	if (rc < 0)
		return rc;
	rc = open_files(d, err);
	if (rc == ERR_PERM && d->identity.change) {
		size_t used = strlen(err->msg);

		snprintf(err->msg + used, sizeof(err->msg) - used, " (as user %s: does it own what is in %s?)",
			 d->identity.name, d->conf->state_dir);
	}
	if (privileges_resume(&d->identity, &back) < 0) {
		*err = back;
		return back.code;
	}
	return rc;
}
