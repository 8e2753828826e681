/* Allow and block lists. Exact addresses first (the cheapest way to be refused), then prefixes, longest first; an
 * inactive prefix (expired, or of another generation) must not hide a shorter active one.
 *
 * What the lists said of a source is remembered per CPU, in slots that sources overwrite each other in: who floods, and
 * who is served, sends more than one packet, and a trie of 10,000 prefixes costs more than all the rest of a drop.
 *  M1  A memory counts for the generation and list_epoch (A6) that it was read under, no longer: a change of the lists
 *      is effective for the next packet, as without it. The epoch is read before the lists (x86, which this is built
 *      for, doesn't reorder loads).
 *  M2  An answer in which a TTL had its say is remembered until the clock ticks (jiffies): a TTL ends late by a tick.
 */
#ifndef BPF_LISTS_H
#define BPF_LISTS_H

#include "work.h"

#define LIST_MEMO_BITS 10
struct list_memo {
	__u64 addr[2]; /* struct pkt's src */
	__u32 generation, epoch;
	__u32 out;
	__u32 v6;   /* ::ffff:192.0.2.1 in an IPv6 header is not 192.0.2.1 */
	__u64 tick; /* M2; 0 = no end */
};
TG_MAP(tg_list_memo, BPF_MAP_TYPE_PERCPU_ARRAY, 1 << LIST_MEMO_BITS, __u32, struct list_memo, 0);

/* The active rule of tollgate/abi.h. *now_ns is read once, and only for entries with a TTL. */
TG_INLINE int list_active(const struct tg_list_value *v, __u32 generation, __u64 *now_ns)
{
	__u64 expires = TG_READ_ONCE(v->expires_ns);

	if (expires == TG_LIST_NEVER || (v->gen_from <= generation && generation < v->gen_to))
		return 1;
	if (!expires)
		return 0;
	if (!*now_ns)
		*now_ns = bpf_ktime_get_ns();
	return expires > *now_ns;
}

/* Is the address covered by an active prefix of this LPM map? Each step goes to a shorter prefix; LIST_STEPS nested
 * inactive ones are looked behind, which the daemon's sweep of expired entries keeps out of reach. */
#define LIST_STEPS 32
#define LIST_COVERS(map, key, generation, now_ns)                                                                      \
	({                                                                                                             \
		int covers_ = 0;                                                                                       \
		for (int step_ = 0; step_ < LIST_STEPS; step_++) {                                                     \
			struct tg_list_value *v_ = bpf_map_lookup_elem(map, key);                                      \
			if (!v_)                                                                                       \
				break;                                                                                 \
			if (list_active(v_, generation, now_ns)) {                                                     \
				covers_ = 1;                                                                           \
				break;                                                                                 \
			}                                                                                              \
			if (v_->prefix_len == 0)                                                                       \
				break;                                                                                 \
			(key)->prefix_len = v_->prefix_len - 1u;                                                       \
		}                                                                                                      \
		covers_;                                                                                               \
	})

#define LIST_HIT 1
#define LIST_TIMED 2 /* a TTL had its say */
#define LIST_RESULT(covers, now_ns) ((covers) | ((now_ns) ? LIST_TIMED : 0))

static __noinline int list_allow4(__u32 addr, __u32 generation)
{
	struct tg_lpm4 key = {.prefix_len = 32, .addr = addr};
	__u64 now_ns = 0;
	int covers = LIST_COVERS(&tg_allow_net4, &key, generation, &now_ns);

	return LIST_RESULT(covers, now_ns);
}

static __noinline int list_block_net4(__u32 addr, __u32 generation)
{
	struct tg_lpm4 key = {.prefix_len = 32, .addr = addr};
	__u64 now_ns = 0;
	int covers = LIST_COVERS(&tg_block_net4, &key, generation, &now_ns);

	return LIST_RESULT(covers, now_ns);
}

static __noinline int list_allow6(const __u32 *addr, __u32 generation)
{
	struct tg_lpm6 key = {.prefix_len = 128, .addr = {addr[0], addr[1], addr[2], addr[3]}};
	__u64 now_ns = 0;
	int covers = LIST_COVERS(&tg_allow_net6, &key, generation, &now_ns);

	return LIST_RESULT(covers, now_ns);
}

static __noinline int list_block_net6(const __u32 *addr, __u32 generation)
{
	struct tg_lpm6 key = {.prefix_len = 128, .addr = {addr[0], addr[1], addr[2], addr[3]}};
	__u64 now_ns = 0;
	int covers = LIST_COVERS(&tg_block_net6, &key, generation, &now_ns);

	return LIST_RESULT(covers, now_ns);
}

/* Exact entries of the block list. */
TG_INLINE int list_block_exact(const struct pkt *p, __u32 generation)
{
	const struct tg_list_value *v;
	__u64 now_ns = 0;
	int hit;

	v = p->v6 ? bpf_map_lookup_elem(&tg_block6, p->src) : bpf_map_lookup_elem(&tg_block4, &p->src[3]);
	hit = v && list_active(v, generation, &now_ns);
	return LIST_RESULT(hit, now_ns);
}

/* Walks the lists. *timed: the answer holds for this moment only. */
TG_INLINE __u32 list_search(const struct tg_control *control, const struct pkt *p, __u32 generation, int *timed)
{
	int found, any = 0;
	__u32 out = OUT_NONE;

	if (TG_READ_ONCE(control->have_allow)) {
		found = p->v6 ? list_allow6(p->src, generation) : list_allow4(p->src[3], generation);
		any |= found;
		if (found & LIST_HIT)
			out = OUT(PASS, ALLOW_LIST);
	}
	if (out == OUT_NONE && TG_READ_ONCE(control->have_block)) {
		found = list_block_exact(p, generation);
		any |= found;
		if (found & LIST_HIT)
			out = OUT(DROP, BLOCK_LIST);
	}
	if (out == OUT_NONE && TG_READ_ONCE(control->have_block_net)) {
		found = p->v6 ? list_block_net6(p->src, generation) : list_block_net4(p->src[3], generation);
		any |= found;
		if (found & LIST_HIT)
			out = OUT(DROP, BLOCK_LIST);
	}
	*timed = any & LIST_TIMED;
	return out;
}

TG_INLINE struct list_memo *list_memo_of(__u64 addr_low, __u64 addr_high)
{
	__u32 slot = (__u32)(((addr_low ^ addr_high) * 0x9e3779b97f4a7c15ull) >> (64 - LIST_MEMO_BITS));

	return bpf_map_lookup_elem(&tg_list_memo, &slot);
}

TG_INLINE int list_memo_holds(const struct list_memo *m, __u64 addr_low, __u64 addr_high, __u32 v6, __u32 generation,
			      __u32 epoch)
{
	return m->addr[1] == addr_low && m->addr[0] == addr_high && m->generation == generation && m->epoch == epoch &&
	       m->v6 == v6 && (!m->tick || m->tick == bpf_jiffies64());
}

/* Verdict of the lists on a source, OUT_NONE when it is on none. */
TG_INLINE __u32 list_judge(const struct tg_control *control, const struct pkt *p, __u32 generation)
{
	__u32 epoch = TG_READ_ONCE(control->list_epoch), out; /* before the lists are read: M1 */
	__u64 high = (__u64)p->src[1] << 32 | p->src[0], low = (__u64)p->src[3] << 32 | p->src[2];
	struct list_memo *m;
	__u64 tick;
	int timed;

	if (!(TG_READ_ONCE(control->have_allow) | TG_READ_ONCE(control->have_block) |
	      TG_READ_ONCE(control->have_block_net)))
		return OUT_NONE;
	m = list_memo_of(low, high);
	if (!m) /* a smaller map: the benchmark's way to measure the lists themselves */
		return list_search(control, p, generation, &timed);
	if (list_memo_holds(m, low, high, p->v6, generation, epoch))
		return m->out;
	tick = bpf_jiffies64();
	out = list_search(control, p, generation, &timed);
	m->addr[0] = high;
	m->addr[1] = low;
	m->generation = generation;
	m->epoch = epoch;
	m->out = out;
	m->v6 = p->v6;
	m->tick = timed ? tick : 0;
	return out;
}

#endif
