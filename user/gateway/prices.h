/* The prices in force. [control] */
#ifndef GATEWAY_PRICES_H
#define GATEWAY_PRICES_H

#include "gateway/state.h"

/* Prices of this catalog under this policy; *ret stays NULL without billing, or while there is no policy. */
int prices_make(struct gateway *gw, const struct catalog *c, const struct policy *policy, struct pricing **ret,
		struct err *err) MUST_CHECK;
/* What workers see from now on. Takes over both; catalog NULL = the one before stays. */
void prices_exchange(struct gateway *gw, struct catalog *c, struct pricing *p);
/* Tiers that no tenant has yet have prices too. */
int prices_know_tiers(struct gateway *gw, const struct policy *policy, struct err *err) MUST_CHECK;
/* The tenant's account, and its tier's prices if nobody had that tier before. */
int prices_bind_account(struct gateway *gw, const struct tenant *t, struct err *err) MUST_CHECK;

#endif
