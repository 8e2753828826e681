/* A secret in a file: read, or made once. Two processes that start at the same time end up with the same secret: the
 * file is moved into place only when none is there, and the loser reads the winner's. */
#include "crypto/keyed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int read_secret(int fd, const char *path, uint8_t out[CRYPTO_PEPPER_LEN], struct err *err)
{
	uint8_t got[CRYPTO_PEPPER_LEN + 1]; /* one more, to see a longer file */
	size_t have = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVAL, "%s: not a regular file", path);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return err_set(err, ERR_PERM, "%s: mode %04o lets others at the secret; chmod 0600 it", path,
			       st.st_mode & 07777);
	while (have < sizeof(got)) {
		ssize_t n = read(fd, got + have, sizeof(got) - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "%s", path);
		if (n == 0)
			break;
		have += (size_t)n;
	}
	if (have == CRYPTO_PEPPER_LEN)
		memcpy(out, got, CRYPTO_PEPPER_LEN);
	explicit_bzero(got, sizeof(got));
	if (have == CRYPTO_PEPPER_LEN)
		return 0;
	return err_set(err, ERR_CORRUPT,
		       "%s: not %d bytes long; restore it from a backup (with a new one every API key stops working)",
		       path, CRYPTO_PEPPER_LEN);
}

static int write_all(int fd, const uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int sync_folder(const char *path, struct err *err)
{
	_cleanup_(freep) char *copy = strdup(path);
	_cleanup_(closep) int fd = -1;
	char *slash;

	if (!copy)
		return err_set(err, ERR_NOMEM, "out of memory");
	slash = strrchr(copy, '/');
	if (slash)
		slash[slash == copy] = '\0';
	fd = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_errno(err, errno, "%s: syncing its folder", path);
	return 0;
}

/* Whole and synced under another name first, so that a crash never leaves half a secret under `path`. */
static int write_beside(const char *beside, struct err *err)
{
	_cleanup_(closep) int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	uint8_t fresh[CRYPTO_PEPPER_LEN];
	int rc;

	if (fd < 0)
		return err_errno(err, errno, "%s", beside);
	rc = crypto_random(fresh, sizeof(fresh), err);
	if (rc == 0 && (write_all(fd, fresh, sizeof(fresh)) < 0 || fsync(fd) < 0))
		rc = err_errno(err, errno, "%s", beside);
	explicit_bzero(fresh, sizeof(fresh));
	return rc;
}

static int make_secret(const char *path, struct err *err)
{
	_cleanup_(freep) char *beside = NULL;
	uint64_t nonce;
	int rc;

	rc = crypto_random(&nonce, sizeof(nonce), err);
	if (rc < 0)
		return rc;
	if (asprintf(&beside, "%s.new-%016llx", path, (unsigned long long)nonce) < 0) {
		beside = NULL;
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	rc = write_beside(beside, err);
	if (rc == 0 && renameat2(AT_FDCWD, beside, AT_FDCWD, path, RENAME_NOREPLACE) < 0 && errno != EEXIST)
		rc = err_errno(err, errno, "%s: renaming %s to it", path, beside);
	unlink(beside); /* gone already when the rename succeeded */
	return rc < 0 ? rc : sync_folder(path, err);
}

int crypto_secret_file(const char *path, uint8_t out[CRYPTO_PEPPER_LEN], struct err *err)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int rc;

	if (fd < 0 && errno == ENOENT) {
		rc = make_secret(path, err);
		if (rc < 0)
			return rc;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	}
	if (fd < 0)
		return err_errno(err, errno, "%s", path);
	return read_secret(fd, path, out, err);
}
