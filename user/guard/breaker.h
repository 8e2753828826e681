/* Circuit breaker of one deployment. Pure: time is an argument; any number of threads.
 *
 *            5 failures running, or rate over the limit
 *   CLOSED ---------------------------------------------> OPEN
 *     ^                                                    |  open_ns; doubled each time, up to open_max_ns
 *     |  all probes succeeded                              v
 *     +------------------------------------------------ HALF_OPEN  --one probe failed--> OPEN
 *
 * Invariants (tests cite them):
 *  B1  In CLOSED every call is let through; in OPEN none; in HALF_OPEN exactly `probes`, however many threads ask.
 *  B2  Only failures count against a deployment: the client's own errors, and a provider's 429, are NEUTRAL. A neutral
 *      probe gives its place back.
 *  B3  An outcome of a call that was let through before the state changed changes nothing any more.
 *  B4  The open time doubles while it opens again within `window_ns` of having closed, so that a flapping provider
 *      doesn't flap the route; a window without opening resets it.
 *  B5  Forced states hold until they are taken back: forced open lets nothing through, forced closed everything. What
 *      is seen meanwhile is counted, and judged when the force is taken back. Forcing closed forgets what was before;
 *      from forced open it goes back to what it was (half-open: to be probed anew).
 *  B6  breaker_save() and breaker_restore() keep state, force and open time over a restart; a window's counts start
 *      anew.
 */
#ifndef GUARD_BREAKER_H
#define GUARD_BREAKER_H

#include "base/util.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct breaker_rules {
	unsigned consecutive_failures; /* 5; 0 = this rule is off */
	unsigned failure_rate_e4;      /* 5000: opens above it; 0 = off */
	unsigned min_requests;         /* 20, in the window, before the rate counts */
	uint64_t window_ns;            /* 60 s */
	uint64_t open_ns, open_max_ns; /* 30 s, 5 min */
	unsigned probes;               /* 3; at least 1 */
};
#define BREAKER_RULES_DEFAULT                                                                                          \
	((struct breaker_rules){.consecutive_failures = 5,                                                             \
				.failure_rate_e4 = 5000,                                                               \
				.min_requests = 20,                                                                    \
				.window_ns = 60000000000ull,                                                           \
				.open_ns = 30000000000ull,                                                             \
				.open_max_ns = 300000000000ull,                                                        \
				.probes = 3})

/* Stored: append only. */
enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_STATES };
enum breaker_force { BREAKER_AUTO, BREAKER_FORCED_OPEN, BREAKER_FORCED_CLOSED, BREAKER_FORCES };

/* The window moves on by a twelfth at a time: it covers between 11/12 of window_ns and all of it. */
#define BREAKER_BUCKETS 12u
struct breaker {
	pthread_mutex_t lock;
	atomic_uint gate; /* what may pass, and the epoch: all that a call needs while nothing is wrong; private */
	_Atomic uint64_t until_ns; /* of OPEN; written under the lock */
	/* under the lock */
	enum breaker_state state; /* what it would be without force */
	enum breaker_force force;
	uint32_t epoch;       /* counts changes of state (B3) */
	unsigned consecutive; /* failures running */
	unsigned openings;    /* in a row (B4): open time = open_ns << (openings - 1) */
	unsigned probes_running, probes_ok;
	uint64_t changed_ns;   /* `state` */
	uint64_t effective_ns; /* the effective one */
	/* the window */
	uint64_t width_ns, at_end_ns; /* of a bucket; when the one under way is over */
	unsigned at;                  /* the one under way */
	uint32_t total, failed;       /* over all buckets */
	struct {
		uint32_t total, failed;
	} bucket[BREAKER_BUCKETS];
};
void breaker_init(struct breaker *b);
void breaker_done(struct breaker *b);

/* What a call that was let through gives back with its outcome. */
struct breaker_ticket {
	uint32_t epoch;
	bool probe;
};
enum breaker_outcome { BREAKER_SUCCESS, BREAKER_FAILURE, BREAKER_NEUTRAL };

/* A change of the effective state (force included), for events, metrics and the store. */
struct breaker_change {
	enum breaker_state from, to;
	const char *why;                     /* static: "failures in a row", "failure rate", ... for people */
	unsigned consecutive, total, failed; /* when it opened: running, and of the window */
	uint64_t open_ns;                    /* for how long, when it opened; 0 = forced */
};

/* Would a call be let through now? Lock-free; other threads may change it at once, other rules with the next call. 0 =
 * yes; else when the next one will (UINT64_MAX: not by itself). While half-open with every probe under way: now + 1. */
uint64_t breaker_blocked_until(const struct breaker *b, uint64_t now_ns);
/* Lets a call through or not (B1); without the lock unless half-open. true: *ret is to be given back exactly once, by
 * breaker_leave(). *ret_change->from != to when this moved the state (OPEN -> HALF_OPEN). */
bool breaker_enter(struct breaker *b, const struct breaker_rules *r, uint64_t now_ns, struct breaker_ticket *ret,
		   struct breaker_change *ret_change) MUST_CHECK;
/* Optional, before breaker_leave(): the answer has begun as it should. A probe's place then counts as succeeded, so
 * that a stream of ten minutes doesn't keep the circuit half-open for as long; should it break later, that is counted
 * like any call's. For calls that are no probes it does nothing. true: the state has changed. */
bool breaker_answering(struct breaker *b, const struct breaker_rules *r, struct breaker_ticket *t, uint64_t now_ns,
		       struct breaker_change *ret_change);
/* true: the state has changed. */
bool breaker_leave(struct breaker *b, const struct breaker_rules *r, struct breaker_ticket t, enum breaker_outcome o,
		   uint64_t now_ns, struct breaker_change *ret_change);
/* true: the effective state has changed. How long it is open may have changed in any case. */
bool breaker_force_set(struct breaker *b, const struct breaker_rules *r, enum breaker_force f, uint64_t now_ns,
		       struct breaker_change *ret_change);

struct breaker_view {
	enum breaker_state state; /* as it acts: forced open is OPEN */
	enum breaker_force force;
	unsigned consecutive, total, failed; /* of the window */
	unsigned openings, probes_running, probes_ok;
	uint64_t changed_ns,
		until_ns; /* of `state`; until_ns: of OPEN, when it becomes half-open; UINT64_MAX = forced */
};
void breaker_look(struct breaker *b, const struct breaker_rules *r, uint64_t now_ns, struct breaker_view *ret);

/* What a restart keeps (B6); times in Unix ms. */
struct breaker_saved {
	enum breaker_state state; /* without force */
	enum breaker_force force;
	unsigned openings;
	int64_t changed_ms, until_ms;
};
void breaker_save(struct breaker *b, uint64_t now_ns, int64_t now_ms, struct breaker_saved *ret);
/* HALF_OPEN comes back as OPEN whose time is over; a time beyond open_max_ns from now is cut to it. Values that can't
 * be are taken as closed and automatic. */
void breaker_restore(struct breaker *b, const struct breaker_rules *r, const struct breaker_saved *s, uint64_t now_ns,
		     int64_t now_ms);

#endif
