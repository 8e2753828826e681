/* A gateway's arrays in private memory, with the rates of one tenant (subject 1) and two keys (2, 3). */
#ifndef TESTS_GUARD_WORLD_H
#define TESTS_GUARD_WORLD_H

#include "guard/limits.h"
#include "guard/rates.h"

#include <criterion/criterion.h>
#include <string.h>

#define SEC 1000000000ull
#define T0 (1000 * SEC)
#define TENANT 1u
#define KEY 2u
#define KEY2 3u

static struct tg_bucket_block *w_buckets;
static struct tg_rate_block *w_rates;
static struct tg_policy w_policy;
static struct limits_view w_view;

static inline void world_new(void)
{
	w_buckets = calloc(TG_SUBJECTS_MAX, sizeof(*w_buckets));
	w_rates = calloc(TG_SUBJECTS_MAX, sizeof(*w_rates));
	cr_assert(w_buckets && w_rates);
	memset(&w_policy, 0, sizeof(w_policy));
	w_view = (struct limits_view){w_buckets, w_rates, &w_policy};
}

static inline void world_free(void)
{
	free(w_buckets);
	free(w_rates);
}

static inline void set_rate(unsigned subject, unsigned dim, __u64 units, __u64 burst, bool shadow)
{
	w_rates[subject].rate[dim] = rates_compile(units, 60 * SEC, burst, shadow);
}

static inline struct limits_result admit(unsigned key, enum tg_route route, __u64 tokens, __u64 now_ns)
{
	struct limits_request req = {.tenant_subject = TENANT, .key_subject = key, .route = route, .tokens = tokens};
	struct limits_result r;

	memset(&r, 0xa5, sizeof(r));
	limits_admit(&w_view, &req, now_ns, &r);
	return r;
}

#endif
