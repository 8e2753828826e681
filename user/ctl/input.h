/* Files that tollctl reads. */
#ifndef CTL_INPUT_H
#define CTL_INPUT_H

#include "base/buf.h"

#include <stdbool.h>

/* The whole file, or standard input for "-"; at most `max` bytes. ERR_NOT_FOUND, ERR_PERM, ERR_IO, ERR_FULL. */
int input_read(const char *path, size_t max, struct buf *ret, struct err *err) MUST_CHECK;
/* "standard input" for "-". */
const char *input_name(const char *path);

#endif
