#include "guard/bulkhead.h"

#include <assert.h>
#include <sched.h>

#define SPINS 64 /* then whoever holds it has been put to sleep with it */

static void lock(struct bulkhead *b)
{
	for (unsigned i = 1; atomic_flag_test_and_set_explicit(&b->lock, memory_order_acquire); i++)
		if (i % SPINS == 0)
			sched_yield();
}

static void unlock(struct bulkhead *b)
{
	atomic_flag_clear_explicit(&b->lock, memory_order_release);
}

/* Written under the lock only; atomic for who looks without it. */
static unsigned get(const atomic_uint *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static void set(atomic_uint *n, unsigned value)
{
	atomic_store_explicit(n, value, memory_order_relaxed);
}

static bool place_free(const struct bulkhead *b, const struct bulkhead_rule *r)
{
	return !r->concurrent || get(&b->inside) < r->concurrent;
}

bool bulkhead_has_room(const struct bulkhead *b, const struct bulkhead_rule *r)
{
	return place_free(b, r) && (!r->concurrent || !get(&b->waiting));
}

static void queue_append(struct bulkhead *b, struct bulkhead_waiter *w)
{
	w->waiting = true;
	w->next = NULL;
	w->prev = b->last;
	if (b->last)
		b->last->next = w;
	else
		b->first = w;
	b->last = w;
	set(&b->waiting, get(&b->waiting) + 1);
}

static void queue_remove(struct bulkhead *b, struct bulkhead_waiter *w)
{
	if (w->prev)
		w->prev->next = w->next;
	else
		b->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		b->last = w->prev;
	w->prev = w->next = NULL;
	w->waiting = false;
	set(&b->waiting, get(&b->waiting) - 1);
}

enum bulkhead_entry bulkhead_enter(struct bulkhead *b, const struct bulkhead_rule *r, struct bulkhead_waiter *w)
{
	enum bulkhead_entry e = BULKHEAD_FULL;

	lock(b);
	if (bulkhead_has_room(b, r)) {
		set(&b->inside, get(&b->inside) + 1);
		e = BULKHEAD_ENTERED;
	} else if (w && get(&b->waiting) < r->queue) {
		queue_append(b, w);
		e = BULKHEAD_QUEUED;
	}
	unlock(b);
	return e;
}

/* Under the lock. */
static struct bulkhead_waiter *grant(struct bulkhead *b, const struct bulkhead_rule *r)
{
	struct bulkhead_waiter *w = b->first;

	if (!w || !place_free(b, r))
		return NULL;
	queue_remove(b, w);
	set(&b->inside, get(&b->inside) + 1);
	return w;
}

struct bulkhead_waiter *bulkhead_leave(struct bulkhead *b, const struct bulkhead_rule *r)
{
	struct bulkhead_waiter *w;

	lock(b);
	assert(get(&b->inside));
	set(&b->inside, get(&b->inside) - 1);
	w = grant(b, r);
	unlock(b);
	return w;
}

struct bulkhead_waiter *bulkhead_next(struct bulkhead *b, const struct bulkhead_rule *r)
{
	struct bulkhead_waiter *w;

	if (!get(&b->waiting) || !place_free(b, r))
		return NULL;
	lock(b);
	w = grant(b, r);
	unlock(b);
	return w;
}

bool bulkhead_abandon(struct bulkhead *b, struct bulkhead_waiter *w)
{
	bool waited;

	lock(b);
	waited = w->waiting;
	if (waited)
		queue_remove(b, w);
	unlock(b);
	return waited;
}
