/* Places in bulkheads, a tenant's and a deployment's, as calls hold and wait for them.
 *
 * A call that waits belongs to its worker; whoever leaves a place gives it to the call that has waited longest and
 * tells that one's worker, where the call goes on. Between the two the place is the call's already: it can't be freed
 * before it has been told (H3), and when it doesn't want the place any more it passes it on. */
#ifndef GATEWAY_ISOLATE_H
#define GATEWAY_ISOLATE_H

#include "gateway/attempt.h"

/* Enters, or waits: BULKHEAD_QUEUED = c->waits_for is set, and the call goes on at its stage (CALL_ISOLATE: the next
 * one; CALL_CHOOSE: with c->granted set) or is refused when its time is over. */
enum bulkhead_entry isolate_enter(struct call *c, struct bulkhead *b, const struct bulkhead_rule *r) MUST_CHECK;
/* Gives a place back, and tells who gets it. */
void isolate_leave(struct bulkhead *b, const struct bulkhead_rule *r);
/* Tells those that have room by a rule that was raised. */
void isolate_wake(struct bulkhead *b, const struct bulkhead_rule *r);
void isolate_wake_tenants(struct gateway *gw); /* [control] */
/* The call doesn't want to wait any more: its client is gone, or it has been answered. Does nothing when it doesn't. */
void isolate_abandon(struct call *c);
/* At the end, when nobody can be told anything any more. */
void isolate_drop(struct call *c);
/* Calls of this worker that have got a place go on. */
void isolate_run_granted(struct gateway_worker *w);
/* 503 with retry-after. */
void isolate_refuse(struct call *c, enum tg_reason reason, uint64_t retry_after_ns);

#endif
