/* Allow and block lists. Exact addresses first (the cheapest way to be refused), then prefixes, longest first; an
 * inactive prefix (expired, or of another generation) must not hide a shorter active one. */
#ifndef BPF_LISTS_H
#define BPF_LISTS_H

#include "work.h"

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

static __noinline int list_allow4(__u32 addr, __u32 generation)
{
	struct tg_lpm4 key = {.prefix_len = 32, .addr = addr};
	__u64 now_ns = 0;

	return LIST_COVERS(&tg_allow_net4, &key, generation, &now_ns);
}

static __noinline int list_block_net4(__u32 addr, __u32 generation)
{
	struct tg_lpm4 key = {.prefix_len = 32, .addr = addr};
	__u64 now_ns = 0;

	return LIST_COVERS(&tg_block_net4, &key, generation, &now_ns);
}

static __noinline int list_allow6(const __u32 *addr, __u32 generation)
{
	struct tg_lpm6 key = {.prefix_len = 128, .addr = {addr[0], addr[1], addr[2], addr[3]}};
	__u64 now_ns = 0;

	return LIST_COVERS(&tg_allow_net6, &key, generation, &now_ns);
}

static __noinline int list_block_net6(const __u32 *addr, __u32 generation)
{
	struct tg_lpm6 key = {.prefix_len = 128, .addr = {addr[0], addr[1], addr[2], addr[3]}};
	__u64 now_ns = 0;

	return LIST_COVERS(&tg_block_net6, &key, generation, &now_ns);
}

/* Verdict of the lists on a source, OUT_NONE when it is on neither. */
TG_INLINE __u32 list_judge(const struct tg_control *control, const struct pkt *p, __u32 generation)
{
	struct tg_list_value *v;
	__u64 now_ns = 0;

	if (TG_READ_ONCE(control->have_allow) &&
	    (p->v6 ? list_allow6(p->src, generation) : list_allow4(p->src[3], generation)))
		return OUT(PASS, ALLOW_LIST);
	v = p->v6 ? bpf_map_lookup_elem(&tg_block6, p->src) : bpf_map_lookup_elem(&tg_block4, &p->src[3]);
	if (v && list_active(v, generation, &now_ns))
		return OUT(DROP, BLOCK_LIST);
	if (TG_READ_ONCE(control->have_block_net) &&
	    (p->v6 ? list_block_net6(p->src, generation) : list_block_net4(p->src[3], generation)))
		return OUT(DROP, BLOCK_LIST);
	return OUT_NONE;
}

#endif
