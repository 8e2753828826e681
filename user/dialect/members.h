/* A request's objects as tables of their members: what each is read into, or that it is a hint, or refused by its name
 * (C1). For parsers of Anthropic's messages and of OpenAI's responses; places and refusals for Gemini's too. */
#ifndef DIALECT_MEMBERS_H
#define DIALECT_MEMBERS_H

#include "dialect/chat.h"

#include <string.h>

/* Where a value stands. Written out ("messages[2].content[0].source") only when somebody has to know. */
struct place {
	const struct place *up; /* NULL: in the body itself */
	const char *name;       /* NULL: an array's element */
	size_t name_len, index;
};

static inline struct place member_of(const struct place *up, const char *name)
{
	return (struct place){.up = up, .name = name, .name_len = strlen(name)};
}

/* "messages[2].content[0].source", cut at DIALECT_PARAM_MAX. */
void place_text(const struct place *p, char ret[DIALECT_PARAM_MAX]);

/* ERR_INVAL: wrong, or right and nothing that another wire has. */
int members_refuse(struct chat_reader *r, const struct place *at, const char *what);
int members_inexpressible(struct chat_reader *r, const struct place *at, const char *why);
/* A hint: named without numbers of elements. */
void members_ignore(struct chat_reader *r, const struct place *at);

/* What becomes of a member; `into` is what is being filled, at the member's offset. */
typedef int (*member_fn)(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into);

struct member {
	const char *name;
	member_fn read;
	size_t offset;
	bool required;
};

/* Reads an object; at most MEMBERS_MAX rows. Null is the same as absent; a member that isn't in the table is refused.
 */
#define MEMBERS_MAX 64u
int members_read(struct chat_reader *r, const struct place *at, const struct json_span *object,
		 const struct member *table, size_t n, void *into);
/* Reads an array's elements in turn; what isn't one is refused with `expected`. */
int members_each(struct chat_reader *r, const struct place *at, const struct json_span *array, const char *expected,
		 member_fn read, void *into);
/* The "type" of an object that comes in kinds. */
int members_type(struct chat_reader *r, const struct place *at, const struct json_span *object, struct json_span *ret);

/* Kept as it is: into a struct json_span, a struct chat_text, a bool */
int member_any(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into);
int member_object(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into);
int member_string(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into);
int member_bool(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into);
/* Read before */
int member_known(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into);
/* Left out by name, without numbers of elements */
int member_hint(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into);
/* Refused as r->owner's alone: always, unless it is an empty list, unless it is false */
int member_inexpressible(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into);
int member_no_list(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into);
int member_not_true(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into);

#endif
