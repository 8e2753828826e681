/* Memory that dies at once: a request's. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/util.h"

struct arena_block;

struct arena {
	struct arena_block *head;
	char *at;
	size_t left;
	size_t used; /* bytes handed out */
	size_t max;  /* bound on used; 0 = none */
};

/* Zeroed, aligned for any type; NULL when out of memory or over the bound. */
void *arena_alloc(struct arena *a, size_t size) MUST_CHECK;
/* A NUL-terminated copy. */
char *arena_strndup(struct arena *a, const char *s, size_t len) MUST_CHECK;
/* Frees everything but keeps the first block for the next request. */
void arena_reset(struct arena *a);
void arena_done(struct arena *a);

#endif
