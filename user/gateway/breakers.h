/* A deployment's breaker has changed: what has to know of it. */
#ifndef GATEWAY_BREAKERS_H
#define GATEWAY_BREAKERS_H

#include "gateway/health.h"
#include "gateway/state.h"

/* Routes at the NIC at once (Q1); the event, the log line and the store with the control thread's next tick. Any
 * thread. */
void breakers_changed(struct gateway *gw, struct health *h, const struct breaker_change *change, uint64_t now_ns);

#endif
