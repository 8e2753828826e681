/* UTF-8 of configuration files. Private to the room. */
#ifndef CONF_UTF8_H
#define CONF_UTF8_H

#include <stdbool.h>
#include <stddef.h>

struct utf8_place {
	unsigned line, column; /* from 1, columns in characters */
};

/* Offset of the first byte that is not UTF-8 or is a control character other than tab and line ends; len = none. */
size_t utf8_check(const char *text, size_t len);
bool utf8_is_ascii(const char *text, size_t len);
struct utf8_place utf8_place_of(const char *text, size_t offset);

#endif
