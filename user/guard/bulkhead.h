/* A bound on calls under way in a group (a deployment's, a tenant's), with a queue in the order of arrival. Pure; any
 * number of threads. A place that comes free goes to the one that has waited longest, whichever thread it belongs to:
 * whoever leaves is told who got it and wakes that one's thread.
 *
 * Invariants (tests cite them):
 *  H1  Never more than `concurrent` are inside, but for those that were when the rule was lowered.
 *  H2  A free place is never left unused while somebody waits; when the rule is raised, from the next bulkhead_leave()
 *      or bulkhead_next() on.
 *  H3  A waiter is granted or abandoned, never both: bulkhead_abandon() says which.
 *  H4  The queue never holds more than `queue`.
 */
#ifndef GUARD_BULKHEAD_H
#define GUARD_BULKHEAD_H

#include "base/util.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bulkhead_rule {
	unsigned concurrent; /* 0 = no bound */
	unsigned queue;      /* waiting at most; 0 = full is refused at once */
	uint64_t wait_ns;    /* how long; the caller's timer */
};
#define BULKHEAD_RULE_DEFAULT ((struct bulkhead_rule){.concurrent = 10, .queue = 100, .wait_ns = 5000000000ull})

struct bulkhead_waiter {
	struct bulkhead_waiter *prev, *next;
	bool waiting; /* under the bulkhead's lock */
	void *owner;  /* the caller's */
};

/* Zeroed memory is an empty one: bulkheads of tenants sit in an array that is touched only where it is used. */
struct bulkhead {
	atomic_flag lock; /* held for a few instructions */
	atomic_uint inside, waiting;
	struct bulkhead_waiter *first, *last;
};

enum bulkhead_entry { BULKHEAD_ENTERED, BULKHEAD_QUEUED, BULKHEAD_FULL };
/* Is there a place (to choose between deployments)? May be outdated at once. */
bool bulkhead_has_room(const struct bulkhead *b, const struct bulkhead_rule *r);
/* `w` NULL: don't queue. BULKHEAD_QUEUED: `w` is the bulkhead's until granted or abandoned. Nobody overtakes those that
 * wait: where the rule may have been raised meanwhile, call bulkhead_next() until NULL after anything but
 * BULKHEAD_ENTERED (it may return `w` itself). */
enum bulkhead_entry bulkhead_enter(struct bulkhead *b, const struct bulkhead_rule *r,
				   struct bulkhead_waiter *w) MUST_CHECK;
/* Somebody leaves. Returns the waiter that has got a place by it (it is inside now, and to be told), or NULL. With a
 * rule that was raised there can be more: call bulkhead_next() until NULL. */
struct bulkhead_waiter *bulkhead_leave(struct bulkhead *b, const struct bulkhead_rule *r) MUST_CHECK;
struct bulkhead_waiter *bulkhead_next(struct bulkhead *b, const struct bulkhead_rule *r) MUST_CHECK;
/* true: it doesn't wait any more. false: it had been granted (H3), so it is inside and has to leave. */
bool bulkhead_abandon(struct bulkhead *b, struct bulkhead_waiter *w) MUST_CHECK;

#endif
