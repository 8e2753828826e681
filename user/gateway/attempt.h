/* A call's attempt at a deployment, as the deployment's health sees it; and the places that the call holds.
 *
 * Invariants (tests cite them):
 *  P1  Every ticket of a breaker and every place in a bulkhead is given back exactly once, however the call ends.
 *  P2  An attempt that may have reached a provider is followed by another only within the retry budget, before anything
 *      was delivered.
 *  P3  A deployment whose circuit is open, which cools down, whose limits or bulkhead are full gets no call. */
#ifndef GATEWAY_ATTEMPT_H
#define GATEWAY_ATTEMPT_H

#include "gateway/call.h"

enum attempt_outcome {
	ATTEMPT_SUCCESS, /* the provider did what it should: an answer, or the client's own error named */
	ATTEMPT_FAILURE, /* time-out, connection, 5xx, broken or malformed answer */
	ATTEMPT_NEUTRAL, /* says nothing of its health: 429, cancelled by us, our own fault */
};
/* The attempt at c->deployment is over; does nothing when none is under way. First byte and end are read off the call
 * for the deployment's latency. */
void attempt_end(struct call *c, enum attempt_outcome outcome);
/* A good answer has begun (status 200): a probe that is a long stream needn't end before its circuit closes. Optional.
 */
void attempt_answering(struct call *c);
/* The provider asks to be left alone for so long (0 = it doesn't say for how long); quota: its account is spent. */
void attempt_cool(struct call *c, uint64_t for_ns, bool quota);
/* After an attempt that may have reached a provider, with nothing delivered: may another be made? Takes it from the
 * budget. False also when no other deployment could have the call: then what this one said is the answer. */
bool attempt_again(struct call *c);
/* What was used, once it is metered, against our share of the deployment's token limit. Does nothing a second time. */
void attempt_settle(struct call *c);
/* The call's place in its tenant's bulkhead, and its place in a queue if it waits. Does nothing when it has none. After
 * metering. */
void isolate_end(struct call *c);

#endif
