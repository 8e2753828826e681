/* Between text and the content of JSON strings. */
#ifndef BASE_JSON_TEXT_H
#define BASE_JSON_TEXT_H

#include "base/buf.h"

/* Does the content of a string (checked before; `escaped`: with a backslash in it) read as text? */
bool json_content_is(const char *raw, size_t len, bool escaped, const char *text, size_t text_len);
/* Appends what the content of a string (checked before; without its quotes) reads as. A lone surrogate, which no UTF-8
 * can say, becomes U+FFFD. ERR_NOMEM, ERR_FULL. */
int json_unescape(const char *raw, size_t len, struct buf *out);
/* One escape at p (a backslash) as UTF-8 into out; returns what follows it. Surrogate pairs are joined, a lone
 * surrogate gives its three-byte form, which equals no valid text. */
const char *json_unescape_one(const char *p, const char *end, char out[4], size_t *ret_len);
/* Appends text as the content of a string, without quotes. Invalid UTF-8 becomes U+FFFD. */
int json_escape(const char *text, size_t len, struct buf *out);

#endif
