/* All errors of one file, each with its place, in file order. */
#ifndef CONF_ERRORS_H
#define CONF_ERRORS_H

#include "base/buf.h"
#include "base/err.h"

struct conf_error {
	unsigned line, column; /* from 1; 0 = about the file as a whole */
	char path[160];        /* "limits.key.requests", "" for the file */
	char msg[320];         /* what is wrong, and what would be right */
};

/* Bounded: past CONF_ERRORS_MAX further errors are only counted. */
#define CONF_ERRORS_MAX 200
struct conf_errors {
	struct conf_error *items;
	size_t count, cap, dropped;
};

void conf_errors_add(struct conf_errors *errs, unsigned line, unsigned column, const char *path, const char *fmt, ...)
	PRINTF_LIKE(5, 6);
/* By place; errors of one place keep their order. */
void conf_errors_sort(struct conf_errors *errs);
/* One line each: "file:line:column: path: what is wrong, what would be right". */
void conf_errors_print(const struct conf_errors *errs, const char *file, struct buf *out);
void conf_errors_done(struct conf_errors *errs);

#endif
