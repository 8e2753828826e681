/* Whole small files. Private to the room. */
#ifndef CONF_FILE_H
#define CONF_FILE_H

#include "base/buf.h"

/* Regular file of at most `max` bytes. ERR_FULL when it is larger, else as err_errno. */
int file_read(const char *path, size_t max, struct buf *out, struct err *err) MUST_CHECK;

#endif
