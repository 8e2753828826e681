#include "ctl/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

const char *input_name(const char *path)
{
	return strcmp(path, "-") == 0 ? "standard input" : path;
}

static int read_all(int fd, const char *path, struct buf *ret, struct err *err)
{
	for (;;) {
		ssize_t n;
		int rc = buf_reserve(ret, 1);

		if (rc == ERR_FULL)
			return err_set(err, rc, "%s: over %zu MiB, too large", input_name(path), ret->max >> 20);
		if (rc < 0)
			return err_set(err, rc, "%s: out of memory", input_name(path));
		n = read(fd, ret->data + ret->len, ret->cap - ret->len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "%s", input_name(path));
		ret->len += (size_t)n;
		ret->data[ret->len] = '\0';
		if (!n)
			return 0;
	}
}

int input_read(const char *path, size_t max, struct buf *ret, struct err *err)
{
	_cleanup_(closep) int opened = -1;
	int fd = STDIN_FILENO;

	if (strcmp(path, "-") != 0) {
		fd = opened = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return err_errno(err, errno, "%s", path);
	}
	*ret = (struct buf){.max = max};
	return read_all(fd, path, ret, err);
}
