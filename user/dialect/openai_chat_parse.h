/* Reading OpenAI's chat requests for another wire: between the files that do. */
#ifndef DIALECT_OPENAI_CHAT_PARSE_H
#define DIALECT_OPENAI_CHAT_PARSE_H

#include "dialect/openai_chat.h"

/* A member of an object and who reads it; `at` is the object's own place ("messages[2]."), "" at the top. */
struct openai_member {
	const char *name;
	int (*read)(struct chat_reader *r, const char *at, const char *name, const struct json_span *v, void *to);
};
/* Every member given is in the table or refused by name (C1); null counts as not given. */
int openai_read_object(struct chat_reader *r, const char *at, const struct json_span *object,
		       const struct openai_member *table, size_t n, void *to) MUST_CHECK;
int openai_refuse(struct chat_reader *r, const char *at, const char *name, const char *what);

/* Readers for tables. */
int openai_read_hint(struct chat_reader *r, const char *at, const char *name, const struct json_span *v, void *to);
int openai_read_nothing(struct chat_reader *r, const char *at, const char *name, const struct json_span *v, void *to);
int openai_read_unsupported(struct chat_reader *r, const char *at, const char *name, const struct json_span *v,
			    void *to);
int openai_want_string(struct chat_reader *r, const char *at, const char *name, const struct json_span *v,
		       struct chat_text *ret) MUST_CHECK;
int openai_want_bool(struct chat_reader *r, const char *at, const char *name, const struct json_span *v,
		     bool *ret) MUST_CHECK;

int openai_read_messages(struct chat_reader *r, const char *at, const char *name, const struct json_span *v, void *to);
int openai_read_tools(struct chat_reader *r, const char *at, const char *name, const struct json_span *v, void *to);
int openai_read_tool_choice(struct chat_reader *r, const char *at, const char *name, const struct json_span *v,
			    void *to);
int openai_read_format(struct chat_reader *r, const char *at, const char *name, const struct json_span *v, void *to);

#endif
