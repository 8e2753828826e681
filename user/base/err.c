#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void err_format(struct err *err, int code, const char *fmt, va_list ap)
{
	if (!err)
		return;
	err->code = code;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_format(err, code, fmt, ap);
	va_end(ap);
	return code;
}

static int err_code_of_errno(int errnum)
{
	switch (errnum) {
	case EACCES:
	case EPERM:
		return ERR_PERM;
	case ENOMEM:
		return ERR_NOMEM;
	case ENOENT:
		return ERR_NOT_FOUND;
	case EEXIST:
		return ERR_EXISTS;
	case E2BIG:
	case ENOSPC:
		return ERR_FULL;
	case EAGAIN:
	case EBUSY:
		return ERR_BUSY;
	default:
		return ERR_IO;
	}
}

int err_errno(struct err *err, int errnum, const char *fmt, ...)
{
	int code = err_code_of_errno(errnum);
	char text[128];
	va_list ap;
	size_t used;

	va_start(ap, fmt);
	err_format(err, code, fmt, ap);
	va_end(ap);
	if (err) {
		used = strlen(err->msg);
		snprintf(err->msg + used, sizeof(err->msg) - used, ": %s",
			 strerror_r(errnum, text, sizeof(text)));
	}
	return code;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char old[ERR_MSG_MAX];
	va_list ap;
	size_t used;

	if (!err)
		return ERR_INVAL;
	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", old);
	return err->code;
}

const char *err_name(int code)
{
	static const char *const names[] = {
		"ok",	 "invalid", "range", "no_memory", "io",	     "not_found",   "exists",  "not_permitted",
		"busy",	 "full",    "protocol", "timeout", "closed", "unsupported", "corrupt", "version",
	};

	if (code > 0 || (size_t)-code >= ARRAY_SIZE(names))
		return "unknown";
	return names[-code];
}
