/* When list entries run out: a min-heap, so that the sweep of a million entries costs nothing while none is due.
 * It holds hints: an entry whose time was changed since is looked up and left alone (lists.c). */
#ifndef KERNEL_EXPIRY_H
#define KERNEL_EXPIRY_H

#include "kernel/kernel.h"

struct expiry {
	uint64_t expires_ns;
	struct kernel_cidr cidr;
	uint8_t list; /* enum kernel_list */
};

struct expiry_heap {
	struct expiry *items;
	size_t n, cap;
	bool complete; /* false: some entry may be missing, rebuild from the maps */
};

/* Out of memory clears `complete`. */
void expiry_push(struct expiry_heap *h, const struct expiry *e);
/* The earliest, when it is due. */
bool expiry_pop_due(struct expiry_heap *h, uint64_t now_ns, struct expiry *ret);
void expiry_clear(struct expiry_heap *h);
void expiry_done(struct expiry_heap *h);

#endif
