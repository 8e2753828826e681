/* A client's content and tools where objects come in kinds that their "type" tells: Anthropic's messages and OpenAI's
 * responses. */
#ifndef DIALECT_CONTENT_H
#define DIALECT_CONTENT_H

#include "dialect/members.h"

/* Where a kind of part may stand. */
enum { IN_SYSTEM = 1, IN_USER = 2, IN_ASSISTANT = 4, IN_RESULT = 8 };

struct content_kind {
	const char *type;
	enum chat_part_kind kind;
	unsigned where;
	const struct member *members;
	size_t n;
};
struct content_kinds {
	const struct content_kind *at;
	size_t n;
	const char *unknown, *misplaced, *expected; /* what is said of a kind, of a place, of a value */
};

/* Where parts are appended, and which may be there. */
struct parts {
	struct chat_part **tail;
	unsigned where;
	const struct content_kinds *kinds;
};
/* A string, or an array of parts; `into`: struct parts. */
int content_read(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into);

/* A list of tools, each of which `read` fills from its object. */
typedef int (*tool_fn)(struct chat_reader *r, const struct place *at, const struct json_span *v,
		       struct chat_tool *tool);
int content_tools(struct chat_reader *r, const struct place *at, const struct json_span *v, tool_fn read,
		  struct chat *c);

/* Who calls a tool, and who may: the model itself is what there is elsewhere. */
int member_caller(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into);
int member_callers(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into);

#endif
