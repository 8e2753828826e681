/* A call's money: the claim on an idempotency key, the hold, the charge.
 *
 * Invariants (tests cite them):
 *  N1  Nothing is forwarded before its worst-case price is held.
 *  N2  The last bytes of a charged answer leave after the commit of its record.
 *  N3  A hold ends exactly once: void (nothing reached a provider) or with one record.
 *  N4  Of an idempotency key's calls one reaches a provider and one is charged. */
#ifndef GATEWAY_MONEY_H
#define GATEWAY_MONEY_H

#include "gateway/call.h"

/* Meters the call, if it wasn't yet, and ends the hold and the claim without making anybody wait: for answers that
 * aren't charged, and clients that are gone.
 */
void money_end(struct call *c);
/* What goes to the client is also kept for its idempotency key. */
void money_keep(struct call *c, const char *data, size_t len);

#endif
