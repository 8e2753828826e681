/* Reading a whole map in batches. */
#ifndef KERNEL_WALK_H
#define KERNEL_WALK_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define WALK_BATCH 4096u

struct walk {
	int fd;
	size_t key_size, value_size;
	char *keys, *values; /* of this batch */
	uint32_t n;          /* in this batch; 0 = the end */
	uint32_t room;
	char token[64]; /* where the kernel goes on */
	bool started, ended;
};

int walk_init(struct walk *w, int fd, struct err *err) MUST_CHECK;
/* The next batch into w->keys, w->values, w->n. In a trie nothing may be deleted meanwhile: the kernel would start
 * anew from its root. */
int walk_next(struct walk *w, struct err *err) MUST_CHECK;
void walk_done(struct walk *w);
int walk_count(int fd, uint64_t *ret, struct err *err) MUST_CHECK;

static inline const void *walk_key(const struct walk *w, uint32_t i)
{
	return w->keys + i * w->key_size;
}

static inline const void *walk_value(const struct walk *w, uint32_t i)
{
	return w->values + i * w->value_size;
}

#endif
