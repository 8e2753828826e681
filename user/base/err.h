/* Errors: a negative code for the program, a message for the person. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/util.h"

enum err_code {
	ERR_OK = 0,
	ERR_INVAL = -1,     /* input breaks a rule */
	ERR_RANGE = -2,     /* number out of range, overflow */
	ERR_NOMEM = -3,
	ERR_IO = -4,        /* a system call failed; message holds errno's text */
	ERR_NOT_FOUND = -5,
	ERR_EXISTS = -6,
	ERR_PERM = -7,      /* not permitted, by the system or by policy */
	ERR_BUSY = -8,      /* try again later */
	ERR_FULL = -9,      /* a bounded thing is full */
	ERR_PROTO = -10,    /* the peer broke its protocol */
	ERR_TIMEOUT = -11,
	ERR_CLOSED = -12,   /* the peer went away */
	ERR_UNSUPPORTED = -13,
	ERR_CORRUPT = -14,  /* stored data fails its check */
	ERR_VERSION = -15,  /* layout or schema of another version */
};

#define ERR_MSG_MAX 512

/* The caller's, of fixed size; setting it can't fail. */
struct err {
	int code;
	char msg[ERR_MSG_MAX];
};

/* Set *err (may be NULL) and return `code`, so that a caller can `return err_set(...)`. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set with ": strerror(errnum)" appended; maps EACCES/EPERM to ERR_PERM, ENOMEM to ERR_NOMEM, ENOENT to
 * ERR_NOT_FOUND, EEXIST to ERR_EXISTS, E2BIG/ENOSPC to ERR_FULL, others to ERR_IO. */
int err_errno(struct err *err, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Put "context: " before the message; returns err->code. */
int err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Stable lower-case name of a code, such as "not_found". */
const char *err_name(int code);

#endif
