/* Request and token limits over the shared buckets. Pure: memory and time are arguments.
 *
 * Invariants (tests cite them):
 *  L1  A request is admitted only when every dimension admits it; a refused one leaves every bucket as it was.
 *  L2  No dimension ever admits more than its rule, from any mix of threads and the kernel (gcra.h G1).
 *  L3  Dimensions in shadow count and consume nothing they'd have refused, and refuse nothing. Under the policy's own
 *      shadow the request is judged as if all were real: what would have been refused consumes nothing anywhere.
 */
#ifndef GUARD_LIMITS_H
#define GUARD_LIMITS_H

#include "base/util.h"
#include "tollgate/abi.h"

#include <stdbool.h>

/* The arrays that kernel and daemon share. `rates` is the bank of one generation: TG_SUBJECTS_MAX blocks. */
struct limits_view {
	struct tg_bucket_block *buckets;
	const struct tg_rate_block *rates;
	const struct tg_policy *policy; /* route scopes, shadow; same generation */
};

struct limits_request {
	__u32 tenant_subject; /* 0 = none: that dimension is left out */
	__u32 key_subject;    /* likewise */
	enum tg_route route;
	__u64 tokens; /* estimate + cap, charged to the key's token bucket; 0 = none */
};

/* One dimension as headers show it. limit == 0: no such limit. */
struct limits_state {
	__u64 limit;     /* units per period */
	__u64 remaining; /* units that would be admitted now */
	__u64 reset_ns;  /* until the bucket is full again */
};

#define LIMITS_UNCHARGED (~0ull)
struct limits_result {
	bool admitted;
	enum tg_reason reason; /* why refused (TG_REASON_*_REQUESTS, KEY_TOKENS, TOO_LARGE) */
	bool shadowed;         /* admitted although shadow_reason would have refused */
	enum tg_reason shadow_reason;
	__u64 retry_after_ns; /* when the same request may be admitted; 0 with TOO_LARGE: never */
	__u64 tokens_charged; /* for limits_settle_tokens; LIMITS_UNCHARGED: a shadow limit would have refused them */
	/* For headers: the request dimension that refused, else the one with the least left; and the key's tokens when
	 * the request had some. Limits in shadow don't show. */
	struct limits_state requests;
	struct limits_state tokens;
};

/* Admits or refuses, all or nothing (L1). Lock-free; no system call. Of several dimensions that refuse, the one that
 * makes the request wait longest is the reason; TOO_LARGE before all others. */
void limits_admit(const struct limits_view *v, const struct limits_request *req, __u64 now_ns,
		  struct limits_result *ret);
/* When usage is known: correct the token bucket by actual - charged (limits_result.tokens_charged; 0 when the request
 * was admitted without tokens). What was used beyond the charge is owed even when the bucket is empty. */
void limits_settle_tokens(const struct limits_view *v, __u32 key_subject, __u64 charged, __u64 actual, __u64 now_ns);
/* One dimension's state (all 0 without a limit), for `limits show` and `explain`. */
void limits_peek(const struct tg_rate *rate, __u64 tat_ns, __u64 now_ns, struct limits_state *ret);

#endif
