/* Ethernet to TCP.
 *
 * Rules (tests name them):
 *  P1  Not IPv4 or IPv6 after at most two VLAN tags: pass, not_ip.
 *  P2  ICMP and ICMPv6: pass, before any list or bucket.
 *  P3  Headers that contradict each other or the frame's length (what the stack would throw away too): drop, malformed.
 *      IPv4: version, ihl < 5, total length below the header or beyond the frame. IPv6: version, length beyond the
 *      frame, more than EXTENSIONS_MAX extension headers. TCP: cut header, doff < 5 or beyond the packet; a first
 *      fragment without the whole TCP header and a fragment that would overwrite it (RFC 3128).
 *  P4  A later fragment has no ports: it counts as guarded traffic in the network buckets, then passes, fragment.
 */
#ifndef BPF_PARSE_H
#define BPF_PARSE_H

#include "work.h"

#include <bpf/bpf_endian.h>

#define EXTENSIONS_MAX 8

/* Walks IPv6 extension headers; p->l4 and p->proto move on. Rare, so it reads through the helper. */
TG_INLINE __u32 parse_extensions(void *ctx, struct pkt *p, const enum hook hook)
{
	__u32 off = p->l4, proto = p->proto;

	for (int i = 0; i <= EXTENSIONS_MAX; i++) {
		__u8 h[8];
		__u32 size;

		if (proto != PROTO_HOPOPTS && proto != PROTO_ROUTING && proto != PROTO_FRAGMENT && proto != PROTO_AH &&
		    proto != PROTO_DSTOPTS)
			break;
		if (i == EXTENSIONS_MAX || off + 8 > p->end || off > HEADERS_MAX)
			return OUT(DROP, MALFORMED);
		if (io_load(ctx, hook, off, h, sizeof(h)))
			return OUT(DROP, MALFORMED);
		size = ((__u32)h[1] + 1) * 8;
		if (proto == PROTO_AH)
			size = ((__u32)h[1] + 2) * 4;
		if (proto == PROTO_FRAGMENT) {
			__u32 frag = (__u32)h[2] << 8 | h[3];

			size = 8;
			if (frag >> 3)
				p->piece = PIECE_LATER;
			else if (frag & 1)
				p->piece = PIECE_FIRST;
		}
		proto = h[0];
		off += size;
		if (p->piece == PIECE_LATER)
			break;
	}
	if (off > p->end)
		return OUT(DROP, MALFORMED);
	p->l4 = off;
	p->proto = (__u8)proto;
	return OUT_NONE;
}

TG_INLINE __u32 parse_ip4(void *ctx, struct pkt *p, const enum hook hook)
{
	struct iphdr *ip = io_data(ctx, hook) + (p->l3 & 31);
	__u32 size, total, frag;

	if ((void *)(ip + 1) > io_data_end(ctx, hook) || ip->version != 4 || ip->ihl < 5)
		return OUT(DROP, MALFORMED);
	size = (__u32)ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (total == 0 && p->len - p->l3 > 65535) /* BIG TCP: the length doesn't fit its field */
		total = p->len - p->l3;
	if (total < size || p->l3 + total > p->len)
		return OUT(DROP, MALFORMED);
	p->src[2] = p->dst[2] = bpf_htonl(0xffff);
	p->src[3] = ip->saddr;
	p->dst[3] = ip->daddr;
	p->proto = ip->protocol;
	p->l4 = p->l3 + size;
	p->end = p->l3 + total;
	frag = bpf_ntohs(ip->frag_off);
	if (frag & IP4_FRAGMENT_OFFSET) {
		p->piece = PIECE_LATER;
		if (p->proto == PROTO_TCP && (frag & IP4_FRAGMENT_OFFSET) == 1)
			return OUT(DROP, MALFORMED);
	} else if (frag & IP4_MORE_FRAGMENTS) {
		p->piece = PIECE_FIRST;
	}
	return OUT_NONE;
}

TG_INLINE __u32 parse_ip6(void *ctx, struct pkt *p, const enum hook hook)
{
	struct ipv6hdr *ip = io_data(ctx, hook) + (p->l3 & 31);
	__u32 total;

	if ((void *)(ip + 1) > io_data_end(ctx, hook) || ip->version != 6)
		return OUT(DROP, MALFORMED);
	total = bpf_ntohs(ip->payload_len);
	if (total == 0 && p->len - p->l3 > 65535 + sizeof(*ip))
		total = p->len - p->l3 - sizeof(*ip);
	p->l4 = p->l3 + sizeof(*ip);
	p->end = p->l4 + total;
	if (p->end > p->len)
		return OUT(DROP, MALFORMED);
	p->v6 = 1;
	p->proto = ip->nexthdr;
	__builtin_memcpy(p->src, &ip->saddr, sizeof(p->src));
	__builtin_memcpy(p->dst, &ip->daddr, sizeof(p->dst));
	if (p->proto == PROTO_TCP)
		return OUT_NONE;
	return parse_extensions(ctx, p, hook);
}

/* To the network header's end. OUT_NONE: go on. */
TG_INLINE __u32 parse_network(void *ctx, struct pkt *p, const enum hook hook)
{
	void *data = io_data(ctx, hook), *data_end = io_data_end(ctx, hook);
	struct ethhdr *eth = data;
	__u16 type;
	__u32 out;

	p->len = io_len(ctx, hook);
	if ((void *)(eth + 1) > data_end)
		return OUT(DROP, MALFORMED);
	type = eth->h_proto;
	p->l3 = sizeof(*eth);
	for (int i = 0; i < 2; i++) {
		__u16 *tag = data + p->l3;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 2) > data_end)
			return OUT(DROP, MALFORMED);
		type = tag[1];
		p->l3 += 4;
	}
	if (type == bpf_htons(ETH_P_IP))
		out = parse_ip4(ctx, p, hook);
	else if (type == bpf_htons(ETH_P_IPV6))
		out = parse_ip6(ctx, p, hook);
	else
		return OUT(PASS, NOT_IP);
	if (out == OUT_NONE && p->proto == (p->v6 ? PROTO_ICMPV6 : PROTO_ICMP))
		return OUT(PASS, ICMP);
	return out;
}

/* TCP's header; only for p->proto == PROTO_TCP and not a later fragment. OUT_NONE: go on. */
TG_INLINE __u32 parse_tcp(void *ctx, struct pkt *p, const enum hook hook)
{
	__u32 l4 = p->l4;
	struct tcphdr *tcp;

	TG_HIDE(l4);
	if (l4 > HEADERS_MAX)
		return OUT(DROP, MALFORMED);
	tcp = io_data(ctx, hook) + l4;
	if ((void *)(tcp + 1) > io_data_end(ctx, hook) || p->l4 + TCP_HEADER_LEN > p->end)
		return OUT(DROP, MALFORMED);
	p->tcp_len = (__u8)((((__u8 *)tcp)[12] >> 4) * 4);
	p->tcp_flags = ((__u8 *)tcp)[13];
	if (p->tcp_len < TCP_HEADER_LEN || p->l4 + p->tcp_len > p->end)
		return OUT(DROP, MALFORMED);
	p->src_port_be = tcp->source;
	p->dst_port_be = tcp->dest;
	p->seq = bpf_ntohl(tcp->seq);
	p->ack = bpf_ntohl(tcp->ack_seq);
	p->payload = p->l4 + p->tcp_len;
	p->payload_len = p->end - p->payload;
	return OUT_NONE;
}

#endif
