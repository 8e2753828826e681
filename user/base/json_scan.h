/* A JSON skipper for the hot path: checks a whole text and finds members in it without building anything.
 *
 * Invariants (tests and tests/fuzz/json_fuzz.c cite them):
 *  J1  What it accepts is RFC 8259 JSON in valid UTF-8 (RFC 3629), nothing else: no BOM, no NUL, no trailing comma.
 *  J2  Nesting is bounded by JSON_DEPTH_MAX (ERR_RANGE); no recursion, no allocation.
 *  J3  Spans lie inside the text. A name is compared as it reads, not as it is written: "mod\u0065l" is "model".
 *
 * Beside jansson: lone surrogates in \u escapes and \u0000 are accepted (the grammar has them, JavaScript clients send
 * them, and the text is passed on as it is); numbers have no range. Duplicate names are allowed unless asked for.
 */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 256

enum json_type {
	JSON_SPAN_ABSENT,
	JSON_SPAN_NULL,
	JSON_SPAN_FALSE,
	JSON_SPAN_TRUE,
	JSON_SPAN_NUMBER,
	JSON_SPAN_STRING,
	JSON_SPAN_ARRAY,
	JSON_SPAN_OBJECT
};

/* A value's bytes as written, quotes and brackets included. Borrowed from the text. */
struct json_span {
	const char *at;
	size_t len;
	enum json_type type;
	bool escaped; /* a string with a backslash in it */
};

/* A member asked for. The caller sets `name`; the rest is the scan's. */
struct json_member {
	const char *name;
	size_t name_len;
	struct json_span value; /* of its last occurrence; JSON_SPAN_ABSENT when there is none */
	unsigned count;         /* how often it stands */
	uint64_t string_bytes;  /* of all string values inside, quotes left out, escapes as written */
};

struct json_fault {
	size_t at;        /* offset of the first byte that can't be */
	const char *what; /* for people; static */
};

/* Check the whole text; it must be one object. ERR_INVAL or ERR_RANGE (J2): *fault (may be NULL) says where and what,
 * and `want` is undefined. */
int json_scan_object(const char *text, size_t len, struct json_member *want, size_t n_want,
		     struct json_fault *fault) MUST_CHECK;
/* Check the whole text: one value of any type. */
int json_scan_value(const char *text, size_t len, struct json_span *ret, struct json_fault *fault) MUST_CHECK;

/* Walk an object's members or an array's elements, given its span (checked before or not). */
struct json_iter {
	const char *at, *end;
	enum json_type type;
	bool first;
};
/* ERR_INVAL when it is neither object nor array. */
int json_iter_init(struct json_iter *it, const struct json_span *container) MUST_CHECK;
/* 1 = *ret is the next value (and *ret_name its name with quotes; may be NULL, untouched in an array), 0 = no more,
 * ERR_INVAL or ERR_RANGE = malformed. */
int json_iter_next(struct json_iter *it, struct json_span *ret_name, struct json_span *ret) MUST_CHECK;

/* Has an object or array (checked before) nothing in it? */
bool json_is_empty(const struct json_span *container);
/* Does a string span read as `text`? */
bool json_string_is(const struct json_span *s, const char *text);
/* A non-negative whole number as written without fraction or exponent. ERR_INVAL, ERR_RANGE. */
int json_number_u64(const struct json_span *s, uint64_t *ret) MUST_CHECK;

#endif
