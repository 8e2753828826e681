/* GCRA: one 64-bit theoretical arrival time per bucket, moved by compare-and-swap. Kernel and daemon compile
 * this same code and may work on the same word at the same time.
 *
 * Invariants (tests cite them):
 *  G1  In any window of length w, at most (burst_ns + w) / emission units are admitted, from any mix of
 *      threads and CPUs, kernel and daemon.
 *  G2  A refusal changes nothing.
 *  G3  Costs round up, so that rounding never admits more.
 *  G4  A contended compare-and-swap that gives up is a refusal, never an admission.
 *
 * Range: burst_ns and costs are at most TG_GCRA_MAX_NS (one day and a bit), which keeps every product and sum
 * in 64 bits; the policy's schema enforces it.
 */
#ifndef TOLLGATE_GCRA_H
#define TOLLGATE_GCRA_H

#include "tollgate/abi.h"

#define TG_GCRA_MAX_NS (1ull << 47)
#define TG_GCRA_TRIES 16

enum tg_gcra {
	TG_GCRA_ADMIT = 0,
	TG_GCRA_REFUSE = 1,
	TG_GCRA_CONTENDED = 2,
};

/* Nanoseconds that `units` cost under a rate, rounded up; TG_GCRA_MAX_NS + 1 when it could never fit. */
TG_INLINE __u64 tg_gcra_cost_ns(__u64 emission_q16, __u64 units)
{
	__u64 whole = emission_q16 >> 16, frac = emission_q16 & 0xffff;
	__u64 cost;

	if (!((whole | units) >> 23)) /* the usual case: no division, which costs the kernel program */
		return whole * units + ((frac * units + 0xffff) >> 16);
	if (units >= (1ull << 40) || (whole && units > TG_GCRA_MAX_NS / whole))
		return TG_GCRA_MAX_NS + 1;
	cost = whole * units + ((frac * units + 0xffff) >> 16);
	return cost > TG_GCRA_MAX_NS ? TG_GCRA_MAX_NS + 1 : cost;
}

/* How long until `cost_ns` would be admitted; 0 = now. Changes nothing. For a cost over burst_ns the answer is
 * finite but the request never fits: callers check that first. */
TG_INLINE __u64 tg_gcra_wait_ns(__u64 tat_ns, __u64 now_ns, __u64 cost_ns, __u64 burst_ns)
{
	__u64 base = tat_ns > now_ns ? tat_ns : now_ns;
	__u64 need = base - now_ns + cost_ns;

	return need > burst_ns ? need - burst_ns : 0;
}

/* Consume `cost_ns` from the bucket or refuse. */
TG_INLINE enum tg_gcra tg_gcra_take(__u64 *tat_ns, __u64 now_ns, __u64 cost_ns, __u64 burst_ns)
{
	for (int i = 0; i < TG_GCRA_TRIES; i++) {
		__u64 old = TG_READ_ONCE(*tat_ns);
		__u64 base = old > now_ns ? old : now_ns;

		if (base - now_ns + cost_ns > burst_ns)
			return TG_GCRA_REFUSE;
		if (__sync_val_compare_and_swap(tat_ns, old, base + cost_ns) == old)
			return TG_GCRA_ADMIT;
	}
	return TG_GCRA_CONTENDED;
}

/* Give back what an earlier take consumed (a later dimension refused, or usage was below its estimate). Linear:
 * takes that came in between stay counted in full. Never goes below zero. Gives up after TG_GCRA_TRIES: the
 * bucket is then fuller than it should be, which errs towards refusing (G1). */
TG_INLINE void tg_gcra_give(__u64 *tat_ns, __u64 cost_ns)
{
	for (int i = 0; i < TG_GCRA_TRIES; i++) {
		__u64 old = TG_READ_ONCE(*tat_ns);

		if (__sync_val_compare_and_swap(tat_ns, old, old > cost_ns ? old - cost_ns : 0) == old)
			return;
	}
}

/* Charge without asking: usage above its estimate is owed even when the bucket is empty. Saturates at
 * TG_GCRA_MAX_NS ahead of now. */
TG_INLINE void tg_gcra_charge(__u64 *tat_ns, __u64 now_ns, __u64 cost_ns)
{
	for (int i = 0; i < TG_GCRA_TRIES; i++) {
		__u64 old = TG_READ_ONCE(*tat_ns);
		__u64 base = old > now_ns ? old : now_ns;
		__u64 tat = base + cost_ns;

		if (tat > now_ns + TG_GCRA_MAX_NS)
			tat = now_ns + TG_GCRA_MAX_NS;
		if (__sync_val_compare_and_swap(tat_ns, old, tat) == old)
			return;
	}
}

#endif
