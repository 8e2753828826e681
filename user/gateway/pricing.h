/* The price rules of every deployment, as calls use them: made from a catalog and a policy's prices, stored in the
 * books, and immutable but for how busy deployments are.
 *
 * Invariants (tests cite them):
 *  R1  A rule that a call can get has its id in the books before any worker can see it.
 *  R2  A call takes its rule from the pricing it started with and from the supply states of its admission: nothing that
 *      changes later changes its price.
 *  R3  A deployment that no cost row fits has no rules and gets no calls while billing is on. */
#ifndef GATEWAY_PRICING_H
#define GATEWAY_PRICING_H

#include "conf/policy.h"
#include "gateway/catalog.h"
#include "ledger/ledger.h"
#include "price/price.h"

#include <stdatomic.h>

/* Tiers ever seen; a tenant's account holds the index. Control thread only, but for the names' number. */
#define PRICING_TIERS_MAX 64u
struct pricing_tiers {
	char name[PRICING_TIERS_MAX][PRICE_TIER_MAX];
	unsigned n;
};
/* The tier's index, new ones appended; ERR_FULL. */
int pricing_tier(struct pricing_tiers *t, const char *name, unsigned *ret, struct err *err) MUST_CHECK;

#define PRICING_QUOTA_UNKNOWN UINT32_MAX

/* How busy a deployment is: workers write, the control thread samples. A line of its own. */
struct pricing_load {
	_Alignas(64) atomic_uint in_flight;
	atomic_uint quota_used_e4; /* of the provider's limit, as it last said; PRICING_QUOTA_UNKNOWN */
	_Atomic uint64_t quota_ns; /* when it said so, CLOCK_MONOTONIC */
	atomic_uint supply;        /* enum price_supply */
	unsigned concurrency;      /* what it takes at a time; 0 = not known */
	bool pinned;               /* `supply` is the policy's, whatever the window says */
	struct supply window;      /* control thread only */
};

struct pricing {
	unsigned refs; /* under the gateway's catalog lock */
	size_t n_deployments;
	unsigned n_tiers;
	struct price_rule *rules; /* [deployment][tier][supply]; id 0 = none */
	struct pricing_load *loads;
	struct supply_opts supply;
	int64_t next_change_ms; /* Unix time when another cost row takes effect; 0 = none known */
	size_t unpriced;        /* deployments without a cost row */
	char first_unpriced[PRICE_NAME_MAX * 2 + 2];
};

/* Interns the rules in the books through the ledger's thread. `before` (may be NULL): supply states go on from there.
 */
int pricing_new(const struct catalog *c, const struct policy *policy, const struct pricing_tiers *tiers,
		struct ledger *ledger, const struct pricing *before, const struct catalog *before_catalog,
		int64_t now_ms, struct pricing **ret, struct err *err) MUST_CHECK;
void pricing_free(struct pricing *p);

/* NULL: not priced. */
static inline const struct price_rule *pricing_rule(const struct pricing *p, unsigned deployment, unsigned tier,
						    enum price_supply s)
{
	const struct price_rule *r;

	if (!p || tier >= p->n_tiers)
		return NULL;
	r = &p->rules[((size_t)deployment * p->n_tiers + tier) * SUPPLY_STATES + s];
	return r->id ? r : NULL;
}

/* One look at every deployment's utilisation. [control] */
void pricing_sample(struct pricing *p, uint64_t now_ns);

#endif
