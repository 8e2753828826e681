/* Goal: a secret file is made once, privately, whole; a wrong one is refused and left alone.
 * Method: real files in a temporary folder; eight processes that race to make the same secret. */
#include "crypto/keyed.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char folder[] = "/tmp/tg-secret-XXXXXX";
static char path[64];

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/pepper", folder);
}

static void clean(void)
{
	char cmd[80];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", folder);
	cr_expect_eq(system(cmd), 0);
}

TestSuite(secret, .init = set_up, .fini = clean);

static void write_file(const void *data, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, data, len), (ssize_t)len);
	cr_assert_eq(fchmod(fd, mode), 0);
	close(fd);
}

static int files(void)
{
	DIR *dir = opendir(folder);
	int n = 0;

	for (struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

Test(secret, made_once)
{
	uint8_t first[32], second[32], zero[32] = {0};
	struct stat st;
	struct err err;

	cr_assert_eq(crypto_secret_file(path, first, &err), 0, "%s", err.msg);
	cr_assert_eq(crypto_secret_file(path, second, &err), 0, "%s", err.msg);
	cr_expect_arr_eq(first, second, 32);
	cr_expect_arr_neq(first, zero, 32);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	cr_expect_eq(st.st_size, 32);
	cr_expect_eq(files(), 1, "no temporary file is left");
}

Test(secret, racing_processes_agree)
{
	uint8_t all[8][32];
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			uint8_t mine[32];

			if (crypto_secret_file(path, mine, NULL) < 0 || write(fds[1], mine, 32) != 32)
				_exit(1);
			_exit(0);
		}
	}
	for (int i = 0; i < 8; i++) {
		int status;

		wait(&status);
		cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	for (int i = 0; i < 8; i++) {
		cr_assert_eq(read(fds[0], all[i], 32), 32);
		cr_expect_arr_eq(all[i], all[0], 32);
	}
	cr_expect_eq(files(), 1);
}

Test(secret, wrong_files_are_refused)
{
	static const struct {
		size_t len;
		mode_t mode;
		int rc;
		const char *says;
	} rows[] = {
		{32, 0600, 0, ""},
		{32, 0400, 0, ""},
		{32, 0640, ERR_PERM, "chmod 0600"},
		{32, 0604, ERR_PERM, "chmod 0600"},
		{0, 0600, ERR_CORRUPT, "32 bytes"},
		{31, 0600, ERR_CORRUPT, "32 bytes"},
		{33, 0600, ERR_CORRUPT, "32 bytes"},
		{4000, 0600, ERR_CORRUPT, "32 bytes"},
	};
	char data[4000];

	memset(data, 's', sizeof(data));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t out[32] = {1, 2, 3};
		struct err err = {0};
		struct stat st;
		int rc;

		write_file(data, rows[i].len, rows[i].mode);
		rc = crypto_secret_file(path, out, &err);
		cr_expect_eq(rc, rows[i].rc, "row %zu: %d %s", i, rc, err.msg);
		cr_expect_not_null(strstr(err.msg, rows[i].says), "row %zu: %s", i, err.msg);
		cr_expect_eq(out[0], rc ? 1 : 's', "out is untouched on failure");
		cr_assert_eq(stat(path, &st), 0);
		cr_expect_eq((size_t)st.st_size, rows[i].len, "the file is left as it was");
		unlink(path);
	}
}

Test(secret, odd_places)
{
	uint8_t out[32];
	struct err err = {0};

	cr_expect_eq(crypto_secret_file("/nonexistent/folder/pepper", out, &err), ERR_NOT_FOUND, "%s", err.msg);
	cr_assert_eq(symlink("/etc/hostname", path), 0);
	cr_expect_lt(crypto_secret_file(path, out, &err), 0, "a symbolic link isn't followed");
	unlink(path);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_eq(crypto_secret_file(path, out, &err), ERR_INVAL, "a FIFO doesn't hang it: %s", err.msg);
}
