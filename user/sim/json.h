/* A small JSON walker over borrowed text: enough to read a request fast. It checks structure (brackets, strings,
 * separators), not UTF-8 and not the grammar of numbers. */
#ifndef SIM_JSON_H
#define SIM_JSON_H

#include <stdbool.h>
#include <stddef.h>

#define JSON_DEPTH_MAX 64

/* Raw text of one value, without blanks around it; ptr == NULL = absent. Strings keep their quotes and escapes. */
struct json {
	const char *ptr;
	size_t len;
};

/* The one value that fills the text; false when it isn't well-formed. */
bool json_parse(const char *text, size_t len, struct json *ret);
/* A member of an object; absent when it isn't one or has no such member. The last of equal names wins. */
struct json json_get(struct json object, const char *name);
/* Walks an array's elements or an object's members: start with *pos = 0; false at the end. name may be NULL. */
bool json_next(struct json container, size_t *pos, struct json *ret_name, struct json *ret_value);

bool json_is_string(struct json v);
bool json_is(struct json v, const char *text); /* a string or literal by its raw text: "\"none\"", "true" */
/* A string without its quotes, still escaped; empty when it isn't one. */
struct json json_raw_string(struct json v);
/* A non-negative integer, or `otherwise`. */
unsigned long json_uint(struct json v, unsigned long otherwise);

#endif
