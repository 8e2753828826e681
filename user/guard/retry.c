#include "guard/retry.h"

#define ONE_E4 10000

void retry_budget_init(struct retry_budget *b, const struct retry_rules *r)
{
	atomic_init(&b->balance_e4, (int64_t)r->reserve * ONE_E4);
}

void retry_budget_call(struct retry_budget *b, const struct retry_rules *r)
{
	int64_t most = (int64_t)r->reserve * ONE_E4, now, next;

	now = atomic_load_explicit(&b->balance_e4, memory_order_relaxed);
	do {
		next = now + r->share_e4;
		if (next > most)
			next = most; /* also when the reserve was lowered */
		if (next == now)
			return; /* full, as nearly always: nothing is written */
	} while (!atomic_compare_exchange_weak_explicit(&b->balance_e4, &now, next, memory_order_relaxed,
							memory_order_relaxed));
}

bool retry_budget_take(struct retry_budget *b)
{
	int64_t now = atomic_load_explicit(&b->balance_e4, memory_order_relaxed);

	do {
		if (now < ONE_E4)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&b->balance_e4, &now, now - ONE_E4, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}
