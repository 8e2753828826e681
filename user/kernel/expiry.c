#include "kernel/expiry.h"

static bool heap_grow(struct expiry_heap *h)
{
	size_t cap = h->cap ? h->cap * 2 : 64;
	struct expiry *items = reallocarray(h->items, cap, sizeof(*items));

	if (!items)
		return false;
	h->items = items;
	h->cap = cap;
	return true;
}

void expiry_push(struct expiry_heap *h, const struct expiry *e)
{
	size_t at = h->n;

	if (h->n == h->cap && !heap_grow(h)) {
		h->complete = false;
		return;
	}
	h->n++;
	while (at > 0 && h->items[(at - 1) / 2].expires_ns > e->expires_ns) {
		h->items[at] = h->items[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	h->items[at] = *e;
}

bool expiry_pop_due(struct expiry_heap *h, uint64_t now_ns, struct expiry *ret)
{
	struct expiry last;
	size_t at = 0;

	if (h->n == 0 || h->items[0].expires_ns > now_ns)
		return false;
	*ret = h->items[0];
	last = h->items[--h->n];
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= h->n)
			break;
		if (child + 1 < h->n && h->items[child + 1].expires_ns < h->items[child].expires_ns)
			child++;
		if (h->items[child].expires_ns >= last.expires_ns)
			break;
		h->items[at] = h->items[child];
		at = child;
	}
	h->items[at] = last;
	return true;
}

void expiry_clear(struct expiry_heap *h)
{
	h->n = 0;
	h->complete = false;
}

void expiry_done(struct expiry_heap *h)
{
	free(take_ptr(&h->items));
	*h = (struct expiry_heap){0};
}
