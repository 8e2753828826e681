/* How much of the provider's limits is used, as its answers say. */
#ifndef GATEWAY_QUOTA_H
#define GATEWAY_QUOTA_H

#include "gateway/pricing.h"

enum { QUOTA_LIMIT_REQUESTS, QUOTA_REMAINING_REQUESTS, QUOTA_LIMIT_TOKENS, QUOTA_REMAINING_TOKENS, QUOTA_NUMBERS };
struct quota {
	uint64_t number[QUOTA_NUMBERS];
	unsigned seen; /* bit per number */
};

/* One header of an answer. */
void quota_read(struct quota *q, const char *name, size_t name_len, const char *value, size_t value_len);
/* All of them were read: the fuller of requests and tokens goes to the deployment's load. Azure's -1 and 0 say nothing.
 */
void quota_note(const struct quota *q, struct pricing_load *load, uint64_t now_ns);

#endif
