/* From a policy and a directory to what kernel and workers enforce: one block of rates per slot. Pure. */
#ifndef GATEWAY_RULEBOOK_H
#define GATEWAY_RULEBOOK_H

#include "conf/policy.h"
#include "gateway/directory.h"
#include "tollgate/abi.h"

struct rulebook {
	const struct policy *policy;
	const struct directory *directory;
	/* The policy's overrides sorted by id, so that 10,000 keys against 10,000 overrides stay cheap. */
	const struct policy_override **tenants, **keys;
};

int rulebook_init(struct rulebook *b, const struct policy *policy, const struct directory *d,
		  struct err *err) MUST_CHECK;
void rulebook_done(struct rulebook *b);
/* The rules of a slot; all "no limit" for a free one. */
void rulebook_rates(const struct rulebook *b, uint32_t subject, struct tg_rate_block *ret);
/* The words that don't belong to a slot. */
void rulebook_policy_words(const struct policy *p, struct tg_policy *ret);

#endif
