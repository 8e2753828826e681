/* Retry budget: retries are a share of calls, so that failing providers don't get more load for failing. Lock-free.
 *
 * Invariant (tests cite it):
 *  T1  Retries granted never exceed reserve + share * calls. */
#ifndef GUARD_RETRY_H
#define GUARD_RETRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct retry_rules {
	unsigned share_e4; /* 1000: a tenth */
	unsigned reserve;  /* 10: balance at start, and the most that is saved up */
	unsigned attempts; /* 3 in all for one call */
};
#define RETRY_RULES_DEFAULT ((struct retry_rules){.share_e4 = 1000, .reserve = 10, .attempts = 3})

struct retry_budget {
	_Atomic int64_t balance_e4; /* 1e4 = one retry */
};
void retry_budget_init(struct retry_budget *b, const struct retry_rules *r);
/* A call came: its share is added, up to the reserve. */
void retry_budget_call(struct retry_budget *b, const struct retry_rules *r);
/* Takes one retry, or not. */
bool retry_budget_take(struct retry_budget *b);

#endif
