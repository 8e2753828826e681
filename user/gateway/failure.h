/* An attempt that didn't serve the call: another one, or an error for the client. */
#ifndef GATEWAY_FAILURE_H
#define GATEWAY_FAILURE_H

#include "gateway/attempt.h"

/* The attempt is over, with nothing delivered, and f is what the client is told unless another deployment may be tried.
 */
void call_give_up(struct call *c, const struct call_failure *f, enum attempt_outcome outcome);
/* Nothing of the request got to the provider: the next one is tried (O1). */
void call_unreached(struct call *c, const struct call_failure *f);
/* The provider's whole answer isn't a 200. CALL_NEXT: it goes to the client as it is. */
enum call_step call_provider_refused(struct call *c);

#endif
