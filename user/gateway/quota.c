#include "gateway/quota.h"

#include "base/num.h"

#include <string.h>
#include <strings.h>

void quota_read(struct quota *q, const char *name, size_t name_len, const char *value, size_t value_len)
{
	static const char prefix[] = "x-ratelimit-";
	static const char *const names[QUOTA_NUMBERS] = {"limit-requests", "remaining-requests", "limit-tokens",
							 "remaining-tokens"};
	const size_t prefix_len = sizeof(prefix) - 1;
	uint64_t n;

	if (name_len <= prefix_len || strncasecmp(name, prefix, prefix_len) != 0)
		return;
	for (unsigned i = 0; i < QUOTA_NUMBERS; i++)
		if (strlen(names[i]) == name_len - prefix_len &&
		    !strncasecmp(names[i], name + prefix_len, name_len - prefix_len) &&
		    num_parse_u64(value, value_len, &n) == 0) {
			q->number[i] = n;
			q->seen |= 1u << i;
		}
}

/* False: not said, or not usable. */
static bool used(const struct quota *q, unsigned limit, unsigned remaining, uint32_t *ret_e4)
{
	const unsigned both = 1u << limit | 1u << remaining;

	if ((q->seen & both) != both || !q->number[limit] || q->number[remaining] > q->number[limit] ||
	    q->number[limit] > UINT64_MAX / PRICE_E4)
		return false;
	*ret_e4 = (uint32_t)((q->number[limit] - q->number[remaining]) * PRICE_E4 / q->number[limit]);
	return true;
}

void quota_note(const struct quota *q, struct pricing_load *load, uint64_t now_ns)
{
	uint32_t requests = 0, tokens = 0;
	bool any = used(q, QUOTA_LIMIT_REQUESTS, QUOTA_REMAINING_REQUESTS, &requests);

	any |= used(q, QUOTA_LIMIT_TOKENS, QUOTA_REMAINING_TOKENS, &tokens);
	if (!any)
		return;
	atomic_store_explicit(&load->quota_used_e4, requests > tokens ? requests : tokens, memory_order_relaxed);
	atomic_store_explicit(&load->quota_ns, now_ns, memory_order_relaxed);
}
