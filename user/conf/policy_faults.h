/* Schema of `breakers`, `bulkheads` and `retries`, and their differences. Private to the room.
 *
 * Invariants (tests cite them):
 *  PF1  What the file leaves out has guard's defaults; a tenant's bulkhead inherits it from `bulkheads.tenant`.
 *  PF2  open is at most open_max, cooldown and quota_cooldown at most cooldown_max: no time is silently cut.
 *  PF3  Nothing that could never have an effect is accepted (P3 of policy_rate.h).
 */
#ifndef CONF_POLICY_FAULTS_H
#define CONF_POLICY_FAULTS_H

#include "conf/policy.h"
#include "conf/schema.h"

extern const struct schema policy_breakers_schema, policy_bulkheads_schema, policy_retries_schema;

/* After all was read: by tenant. */
void policy_sort_bulkheads(struct policy_faults *f);
void policy_diff_faults(struct buf *out, const struct policy_faults *a, const struct policy_faults *b);

#endif
