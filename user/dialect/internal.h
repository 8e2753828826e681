/* Between the files of this room. */
#ifndef DIALECT_INTERNAL_H
#define DIALECT_INTERNAL_H

#include "base/json_scan.h"
#include "model/usage.h"

/* Prompt tokens of an embeddings request's `input`, of a chat's `messages` and `tools`. */
uint64_t openai_estimate_input(const struct json_member *input);
uint64_t openai_estimate_chat(const struct json_member *messages, const struct json_member *tools);

/* A `usage` value. ERR_NOT_FOUND when null, absent or without counts; ERR_INVAL when malformed. */
int openai_read_usage(const struct json_span *v, struct usage *ret) MUST_CHECK;

#endif
