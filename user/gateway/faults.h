/* How failures are kept apart, as the policy in force says it: converted once per policy, read by workers as a part of
 * their snapshot (W2). */
#ifndef GATEWAY_FAULTS_H
#define GATEWAY_FAULTS_H

#include "conf/policy.h"
#include "gateway/directory.h"
#include "guard/breaker.h"
#include "guard/bulkhead.h"
#include "guard/retry.h"

#include <stdatomic.h>

struct faults {
	struct breaker_rules breaker;
	uint64_t cooldown_ns, quota_cooldown_ns, cooldown_max_ns;
	struct bulkhead_rule deployment, tenant;
	struct retry_rules retry;
	/* Tenants with a rule of their own */
	struct bulkhead_rule *own; /* in the policy's order */
	_Atomic uint32_t *own_of;  /* [TG_SUBJECTS_MAX]: index + 1 into own; NULL = nobody has one */
};

/* Before the first policy. */
void faults_default(struct faults *f);
/* ERR_NOMEM: *f is as it was. What *f held before is freed on success. */
int faults_set(struct faults *f, const struct policy_faults *p, const struct directory *d, struct err *err) MUST_CHECK;
void faults_done(struct faults *f);
/* A tenant has got this slot while the policy `p`, which `f` was made from, is in force. */
void faults_tenant(const struct faults *f, const struct policy_faults *p, const char *id, uint32_t subject);

static inline const struct bulkhead_rule *faults_tenant_rule(const struct faults *f, uint32_t subject)
{
	uint32_t own = f->own_of ? atomic_load_explicit(&f->own_of[subject], memory_order_relaxed) : 0;

	return own ? &f->own[own - 1] : &f->tenant;
}

#endif
