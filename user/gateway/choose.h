/* Which deployment serves a call; private to routing (choose.c, attempt.c, isolate.c). */
#ifndef GATEWAY_CHOOSE_H
#define GATEWAY_CHOOSE_H

#include "gateway/call.h"
#include "gateway/health.h"
#include "gateway/pick.h"

/* The deployment's bulkhead: the configuration's number of calls at a time, if it says one, in place of the policy's.
 */
static inline struct bulkhead_rule choose_rule(const struct faults *f, const struct catalog_deployment *d)
{
	struct bulkhead_rule r = f->deployment;

	if (d->bulkhead)
		r.concurrent = d->bulkhead;
	return r;
}

/* The attempt at c->deployment ends before anything was sent: what it took of the deployment's limits is given back
 * too.
 */
void choose_undo(struct call *c);
/* Could another deployment have the call, now or after waiting? */
bool choose_possible(const struct call *c, uint64_t now_ns);

#endif
