/* OpenAI responses: between the parser's files, responses_parse.c and responses_input.c. Objects are read by tables of
 * their members, as Anthropic's are. */
#ifndef DIALECT_RESPONSES_PARSE_H
#define DIALECT_RESPONSES_PARSE_H

#include "dialect/content.h"
#include "dialect/responses.h"

/* "instructions" and "input"; absent: none. */
int responses_read_input(struct chat_reader *r, struct chat_text instructions, const struct json_span *input,
			 struct chat *ret);

#endif
