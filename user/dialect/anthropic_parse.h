/* Anthropic messages: between anthropic_content.c and anthropic_parse.c. */
#ifndef DIALECT_ANTHROPIC_PARSE_H
#define DIALECT_ANTHROPIC_PARSE_H

#include "dialect/anthropic.h"
#include "dialect/content.h"

int anthropic_read_cache_control(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into);

/* System's text, and all messages, whose leading system messages follow it. Absent: none. */
int anthropic_read_conversation(struct chat_reader *r, const struct json_span *system, const struct json_span *messages,
				struct chat *ret);

#endif
