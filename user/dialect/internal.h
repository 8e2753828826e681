/* Between the files of this room. */
#ifndef DIALECT_INTERNAL_H
#define DIALECT_INTERNAL_H

#include "base/json_scan.h"
#include "model/usage.h"

/* Absent and null are the same to every provider. */
static inline bool span_given(const struct json_span *v)
{
	return v->type != JSON_SPAN_ABSENT && v->type != JSON_SPAN_NULL;
}

/* What a prompt is made of, by its members. */
struct estimate {
	uint64_t tokens;     /* what it probably is */
	uint64_t text_bytes; /* what can become tokens */
	uint64_t files;
};
struct estimate openai_estimate_input(const struct json_member *input);
struct estimate openai_estimate_chat(const struct json_member *messages, const struct json_member *tools);

/* A `usage` value. ERR_NOT_FOUND when null, absent or without counts; ERR_INVAL when malformed. chat: completion_tokens
 * is part of it. */
int openai_read_usage(const struct json_span *v, bool chat, struct usage *ret, bool *ret_inconsistent) MUST_CHECK;

#endif
