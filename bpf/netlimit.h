/* Packet, byte and new-connection buckets of a source, its network and everybody: consumed here.
 *
 * Invariants (tests cite them):
 *  N1  All or nothing: what a refused packet took from earlier buckets is given back.
 *  N2  A limit in shadow mode that would refuse takes nothing and refuses nothing.
 *  N3  A state map that can't take a source is counted, and the policy's map_full decides.
 */
#ifndef BPF_NETLIMIT_H
#define BPF_NETLIMIT_H

#include "work.h"

#include "tollgate/gcra.h"

/* What a packet has taken so far, for N1. Addresses of map values; 0 = nothing. */
struct net_taken {
	struct tg_net_value *state[TG_NET_SCOPE_COUNT];
	__u64 cost_ns[TG_NET_SCOPE_COUNT][TG_NET_DIM_COUNT];
};

/* Separately verified: the compare-and-swap loops would else be walked once per bucket and path. */
__noinline int net_take(__u64 *tat_ns, __u64 now_ns, __u64 cost_ns, __u64 burst_ns)
{
	return tat_ns ? (int)tg_gcra_take(tat_ns, now_ns, cost_ns, burst_ns) : (int)TG_GCRA_REFUSE;
}

__noinline int net_give(__u64 *tat_ns, __u64 cost_ns)
{
	if (tat_ns && cost_ns)
		tg_gcra_give(tat_ns, cost_ns);
	return 0;
}

TG_INLINE void net_give_back(struct net_taken *t)
{
#pragma unroll
	for (int s = 0; s < TG_NET_SCOPE_COUNT; s++) {
		if (!t->state[s])
			continue;
#pragma unroll
		for (int d = 0; d < TG_NET_DIM_COUNT; d++)
			net_give(&t->state[s]->tat_ns[d], t->cost_ns[s][d]);
	}
}

TG_INLINE struct tg_net_value *net_state(const struct pkt *p, const int scope)
{
	struct tg_net_key key = {.scope = (__u32)scope};
	struct tg_net_value *v, fresh = {};
	__u32 zero = 0;

	if (scope == TG_NET_ALL)
		return bpf_map_lookup_elem(&tg_net_all, &zero);
	__builtin_memcpy(key.addr, p->src, sizeof(key.addr));
	if (scope == TG_NET_AGGREGATE) {
		if (p->v6)
			key.addr[2] = key.addr[3] = 0;
		else
			key.addr[3] &= bpf_htonl(0xffffff00);
	}
	v = bpf_map_lookup_elem(&tg_net_state, &key);
	if (v)
		return v;
	bpf_map_update_elem(&tg_net_state, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&tg_net_state, &key);
}

/* One scope's three buckets. OUT_NONE: within its limits. */
TG_INLINE __u32 net_scope(struct pkt *p, const struct tg_policy *policy, struct net_taken *taken, __u64 now_ns,
			  const int scope)
{
	const int opens = (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	struct tg_net_value *state;

	if (!(policy->net[scope][TG_NET_PACKETS].emission_q16 | policy->net[scope][TG_NET_BYTES].emission_q16 |
	      (opens ? policy->net[scope][TG_NET_CONNS].emission_q16 : 0)))
		return OUT_NONE;
	state = net_state(p, scope);
	if (!state) {
		HEALTH_COUNT(state_full);
		return policy->flags & TG_POLICY_MAP_FULL_CLOSED ? OUT(DROP, STATE_FULL) : OUT_NONE;
	}
	taken->state[scope] = state;
#pragma unroll
	for (int d = 0; d < TG_NET_DIM_COUNT; d++) {
		const struct tg_rate *rate = &policy->net[scope][d];
		__u64 cost_ns;
		int got;

		if (!rate->emission_q16 || (d == TG_NET_CONNS && !opens))
			continue;
		cost_ns = tg_gcra_cost_ns(rate->emission_q16, d == TG_NET_BYTES ? p->len : 1);
		got = net_take(&state->tat_ns[d], now_ns, cost_ns, rate->burst_ns);
		if (got == TG_GCRA_ADMIT) {
			taken->cost_ns[scope][d] = cost_ns;
			continue;
		}
		if (got == TG_GCRA_CONTENDED)
			HEALTH_COUNT(gcra_contended);
		if (!(rate->flags & TG_RATE_SHADOW))
			return OUT_OF(TG_VERDICT_DROP, TG_REASON_PACKETS_SOURCE + d * TG_NET_SCOPE_COUNT + scope);
		if (!p->shadow)
			p->shadow = (__u32)(TG_REASON_PACKETS_SOURCE + d * TG_NET_SCOPE_COUNT + scope);
	}
	return OUT_NONE;
}
_Static_assert(TG_REASON_BYTES_SOURCE == TG_REASON_PACKETS_SOURCE + 3 &&
		       TG_REASON_CONNS_ALL == TG_REASON_PACKETS_SOURCE + 8,
	       "reasons by dimension, then scope");

/* Does any network limit exist in this policy? Saves the clock and the look-ups. */
TG_INLINE int net_limited(const struct tg_policy *policy)
{
	__u64 any = 0;

#pragma unroll
	for (int s = 0; s < TG_NET_SCOPE_COUNT; s++)
#pragma unroll
		for (int d = 0; d < TG_NET_DIM_COUNT; d++)
			any |= policy->net[s][d].emission_q16;
	return any != 0;
}

/* Of the packet in w->pkt, whose `shadow` it sets. A global function too, and the same one for both hooks. */
__noinline int net_judge(__u32 generation)
{
	__u32 bank = generation & 1, out;
	const struct tg_policy *policy = bpf_map_lookup_elem(&tg_policy, &bank);
	struct work *w = work_get();
	struct net_taken taken = {};
	__u64 now_ns = bpf_ktime_get_ns();

	if (!w || !policy)
		return (int)OUT_NONE;
	out = net_scope(&w->pkt, policy, &taken, now_ns, TG_NET_SOURCE);
	if (out == OUT_NONE)
		out = net_scope(&w->pkt, policy, &taken, now_ns, TG_NET_AGGREGATE);
	if (out == OUT_NONE)
		out = net_scope(&w->pkt, policy, &taken, now_ns, TG_NET_ALL);
	if (out != OUT_NONE)
		net_give_back(&taken);
	return (int)out;
}

#endif
