/* A growable byte buffer with an upper bound. Always NUL-terminated after len when data is not NULL. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max;  /* bound on len; 0 = BUF_MAX_DEFAULT */
	bool failed; /* an append failed; sticky until buf_reset */
};

#define BUF_MAX_DEFAULT ((size_t)64 << 20)
#define BUF_INIT ((struct buf){ 0 })

/* Appends return 0, ERR_NOMEM or ERR_FULL. They also set buf->failed, so that a writer of many pieces may ignore
 * single results and look once at the end. */
int buf_reserve(struct buf *b, size_t more);
int buf_append(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

/* Drop the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* Forget the content, keep the memory. */
void buf_reset(struct buf *b);
void buf_done(struct buf *b);
/* The content as a malloc'ed string that the caller owns; the buffer is empty afterwards. NULL when out of
 * memory or buf->failed. */
char *buf_steal(struct buf *b) MUST_CHECK;

/* A JSON string literal with quotes; invalid UTF-8 becomes U+FFFD. */
int buf_put_json_string(struct buf *b, const char *s, size_t len);

#endif
