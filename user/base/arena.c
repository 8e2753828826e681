#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_MIN 1024u

struct arena_block {
	struct arena_block *next;
	size_t size;
	alignas(max_align_t) char data[];
};

static int arena_grow(struct arena *a, size_t size)
{
	size_t want = size > BLOCK_MIN ? size : BLOCK_MIN;
	struct arena_block *b;

	if (want > SIZE_MAX - sizeof(*b))
		return -1;
	b = malloc(sizeof(*b) + want);
	if (!b)
		return -1;
	b->size = want;
	b->next = a->head;
	a->head = b;
	a->at = b->data;
	a->left = want;
	return 0;
}

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t align = alignof(max_align_t);
	size_t rounded;
	void *p;

	if (size > SIZE_MAX - align)
		return NULL;
	rounded = size ? (size + align - 1) / align * align : align; /* also nothing has an address of its own */
	if (a->max && (rounded > a->max || a->used > a->max - rounded))
		return NULL;
	if (rounded > a->left && arena_grow(a, rounded) < 0)
		return NULL;
	p = a->at;
	a->at += rounded;
	a->left -= rounded;
	a->used += rounded;
	memset(p, 0, size);
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *p = len < SIZE_MAX ? arena_alloc(a, len + 1) : NULL;

	if (p)
		memcpy(p, s, len);
	return p;
}

void arena_reset(struct arena *a)
{
	struct arena_block *b = a->head;

	while (b && b->next) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
	a->head = b;
	a->at = b ? b->data : NULL;
	a->left = b ? b->size : 0;
	a->used = 0;
}

void arena_done(struct arena *a)
{
	while (a->head) {
		struct arena_block *next = a->head->next;

		free(a->head);
		a->head = next;
	}
	a->at = NULL;
	a->left = a->used = 0;
}
