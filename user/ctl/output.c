#include "ctl/output.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static int write_all(const char *data, size_t len, struct err *err)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "writing to standard output");
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int output_text(struct buf *text, struct err *err)
{
	int rc;

	if (text->failed)
		return err_set(err, ERR_NOMEM, "out of memory for the output");
	rc = write_all(text->data ? text->data : "", text->len, err);
	buf_reset(text);
	return rc;
}

int output(struct ctl *ctl, json_t *json, output_view view, struct err *err)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;
	char *dump;

	out.max = (size_t)1 << 30;
	if (ctl->json) {
		dump = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY);
		if (!dump)
			return err_set(err, ERR_NOMEM, "out of memory for the output");
		buf_puts(&out, dump);
		buf_putc(&out, '\n');
		free(dump);
	} else {
		view(&out, json, clock_wall_ms());
	}
	return output_text(&out, err);
}

void output_note(const char *fmt, ...)
{
	va_list ap;

	fputs("tollctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}
