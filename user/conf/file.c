#include "conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static int read_all(int fd, const char *path, size_t max, struct buf *out, struct err *err)
{
	for (;;) {
		ssize_t n;

		if (buf_reserve(out, 65536) < 0)
			return err_set(err, ERR_NOMEM, "%s: out of memory", path);
		n = read(fd, out->data + out->len, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "can't read %s", path);
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		if (out->len > max)
			return err_set(err, ERR_FULL, "%s is larger than %zu bytes", path, max);
		if (!n)
			return 0;
	}
}

int file_read(const char *path, size_t max, struct buf *out, struct err *err)
{
	/* O_NONBLOCK: a FIFO shall not hang the start. */
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_errno(err, errno, "can't open %s", path);
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "can't stat %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVAL, "%s is not a regular file", path);
	out->max = max + 2 * 65536;
	return read_all(fd, path, max, out, err);
}
