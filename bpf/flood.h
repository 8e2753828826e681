/* The flood's way: drops a packet of a source that the lists are remembered to block, before the packet is taken apart.
 *
 *  B1  It drops nothing that the long way would not drop for the same reason, and counts it the same: whatever is not
 *      a plain IPv4 packet (options, VLAN tags, later fragments, ICMP, odd lengths), not remembered, or would be
 *      reported (shadow mode, an event that may be due) goes the long way.
 */
#ifndef BPF_FLOOD_H
#define BPF_FLOOD_H

#include "count.h"
#include "lists.h"

#define FLOOD_PLAIN_IP4 0x45 /* version 4, no options */

TG_INLINE int flood_drop(void *ctx, const struct tg_control *control, const struct tg_policy *policy,
			 const enum hook hook, __u32 generation)
{
	struct ethhdr *eth = io_data(ctx, hook);
	struct iphdr *ip = (void *)(eth + 1);
	__u32 len = io_len(ctx, hook), total;
	const struct list_memo *m;
	struct tg_health *health;

	if (!(TG_READ_ONCE(control->have_block) | TG_READ_ONCE(control->have_block_net)) ||
	    (void *)(ip + 1) > io_data_end(ctx, hook))
		return 0;
	total = bpf_ntohs(ip->tot_len);
	if (eth->h_proto != bpf_htons(ETH_P_IP) || *(__u8 *)ip != FLOOD_PLAIN_IP4 || ip->protocol == PROTO_ICMP ||
	    (ip->frag_off & bpf_htons(IP4_FRAGMENT_OFFSET)) || total < sizeof(*ip) || sizeof(*eth) + total > len)
		return 0;
	m = list_memo_of((__u64)ip->saddr << 32 | bpf_htonl(0xffff), 0);
	if (!m || !list_memo_holds(m, (__u64)ip->saddr << 32 | bpf_htonl(0xffff), 0, 0, generation,
				   TG_READ_ONCE(control->list_epoch)))
		return 0;
	if (m->out != OUT(DROP, BLOCK_LIST) || (policy->flags & TG_POLICY_SHADOW))
		return 0;
	if (policy->events_per_second) {
		health = health_get();
		if (!health || health->events_quiet != bpf_jiffies64())
			return 0;
		health->events_throttled++;
	}
	count_packet(OUT(DROP, BLOCK_LIST), len);
	return 1;
}

#endif
