/* The answer at the NIC: is it safe to give, and the packet itself. */
#ifndef BPF_ANSWER_H
#define BPF_ANSWER_H

#include "flow.h"

#include <bpf/bpf_endian.h>

/* Windows we advertise in a flow that we absorb: nothing is buffered, so the size only has to keep the client's last
 * segments coming. Shifted by the scale the server offered. */
#define ANSWER_WINDOW 4096
#define ANSWER_TTL 64

#define SOCK_ESTABLISHED 1
#define SOCK_NEW_SYN_RECV 12

/* The few fields that are read, relocated by name at load time (CO-RE); vmlinux.h would carry thousands of lines. */
struct tcp_request_sock___tg {
	__u32 rcv_nxt;
	__u32 snt_isn;
} __attribute__((preserve_access_index));
struct tcp_sock___tg {
	__u32 rcv_nxt;
	__u32 copied_seq;
	__u32 write_seq;
	__u32 snd_nxt;
} __attribute__((preserve_access_index));
struct atomic64___tg {
	__s64 counter;
} __attribute__((preserve_access_index));
struct sock_common___tg {
	struct atomic64___tg skc_cookie;
} __attribute__((preserve_access_index));

/* The daemon has marked this connection as being between two requests. */
TG_INLINE int answer_idle(__u64 cookie)
{
	__u32 index = (__u32)cookie & (TG_IDLE_MAX - 1);
	const __u64 *idle = bpf_map_lookup_elem(&tg_idle, &index);

	return cookie && idle && TG_READ_ONCE(*idle) == cookie;
}

/* Does the server's socket stand exactly where this request begins, with nothing under way? */
TG_INLINE int answer_safe_socket(struct bpf_sock *sk, const struct pkt *p, __u32 policy_flags)
{
	if (sk->state == SOCK_NEW_SYN_RECV) {
		struct tcp_request_sock___tg *req = (void *)bpf_skc_to_tcp_request_sock(sk);

		return req && req->rcv_nxt == p->seq && req->snt_isn + 1 == p->ack;
	}
	if (sk->state == SOCK_ESTABLISHED && (policy_flags & TG_POLICY_ANSWER_OPEN)) {
		struct tcp_sock___tg *tcp = (void *)bpf_skc_to_tcp_sock(sk);
		__u32 next;

		if (!tcp)
			return 0;
		next = tcp->snd_nxt;
		return tcp->rcv_nxt == p->seq && tcp->copied_seq == p->seq && tcp->write_seq == next &&
		       next == p->ack && answer_idle((__u64)((struct sock_common___tg *)tcp)->skc_cookie.counter);
	}
	return 0;
}

TG_INLINE int answer_safe(void *ctx, struct work *w, __u32 policy_flags)
{
	const struct tg_flow_key *k = &w->flow_key;
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	int safe;

	if (w->pkt.v6) {
		__builtin_memcpy(t.ipv6.saddr, k->client, sizeof(t.ipv6.saddr));
		__builtin_memcpy(t.ipv6.daddr, k->server, sizeof(t.ipv6.daddr));
		t.ipv6.sport = k->client_port_be;
		t.ipv6.dport = k->server_port_be;
		sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
	} else {
		t.ipv4.saddr = k->client[3];
		t.ipv4.daddr = k->server[3];
		t.ipv4.sport = k->client_port_be;
		t.ipv4.dport = k->server_port_be;
		sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return 0;
	safe = answer_safe_socket(sk, &w->pkt, policy_flags);
	bpf_sk_release(sk);
	return safe;
}

/* A request is to be refused with an answer: gives one when policy and connection allow it, else passes with the
 * reason. On OUT(ANSWER, ...) the flow is entered and w->reply is filled. */
TG_INLINE __u32 answer_prepare(void *ctx, struct work *w, const struct tg_policy *policy, __u32 out)
{
	const struct pkt *p = &w->pkt;
	__u32 reason = OUT_REASON(out), index = tg_answer_index(w->who.dialect, reason);
	const struct tg_answer *t = bpf_map_lookup_elem(&tg_answers, &index);
	struct flow *f = &w->flow;

	if (policy->flags & TG_POLICY_SHADOW)
		return out; /* the funnel makes it a shadow */
	if (!(policy->flags & TG_POLICY_ANSWER) || !t || !t->len)
		return OUT_OF(TG_VERDICT_PASS, reason);
	if (!answer_safe(ctx, w, policy->flags))
		return OUT(PASS, CONN_BUSY);
	f->seen_ns = bpf_ktime_get_ns();
	f->id = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
	f->req_seq = p->seq;
	f->ans_seq = p->ack;
	f->ans_len = t->len;
	f->ans_csum = t->csum;
	f->answer = index + 1;
	f->wait_ms = w->reply.wait_ms;
	f->limit = w->reply.limit;
	f->client_next = f->acked = p->seq + p->payload_len + (p->tcp_flags & TCP_FIN ? 1 : 0);
	f->reset_sent = 0;
	if (bpf_map_update_elem(&tg_flows, &w->flow_key, f, BPF_ANY)) {
		HEALTH_COUNT(state_full);
		return OUT(PASS, STATE_FULL);
	}
	flow_answer(&w->reply, f);
	return out;
}

/* The client's timestamp option, wherever it usually stands: first, or after one or two NOPs. */
TG_INLINE void answer_timestamps(void *ctx, struct work *w, const enum hook hook)
{
	__u8 o[12];

	w->has_ts = 0;
	if (w->pkt.tcp_len < TCP_HEADER_LEN + sizeof(o) || io_load(ctx, hook, w->pkt.l4 + TCP_HEADER_LEN, o, sizeof(o)))
		return;
#pragma unroll
	for (int at = 0; at <= 2; at++) {
		if (o[at] != 8 || o[at + 1] != 10)
			continue;
		__builtin_memcpy(&w->ts_val, o + at + 2, 4);
		__builtin_memcpy(&w->ts_ecr, o + at + 6, 4);
		w->has_ts = 1;
		return;
	}
}

TG_INLINE __u32 csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u32)~sum & 0xffff;
}

/* TCP header and its checksum; `extra` is the payload's sum. */
TG_INLINE void answer_tcp(struct work *w, __u32 tcp_len, __u32 text_len, __u32 extra)
{
	const struct tg_flow_key *k = &w->flow_key;
	const struct reply *r = &w->reply;
	struct segment *s = &w->seg;
	struct tcphdr *tcp = (struct tcphdr *)s->tcp;
	const int up = r->to == REPLY_SERVER;

	/* the pseudo header's sum is the same either way round */
	__builtin_memcpy(s->src, k->client, sizeof(s->src));
	__builtin_memcpy(s->dst, k->server, sizeof(s->dst));
	s->len_be = bpf_htonl(tcp_len + text_len);
	s->proto_be = bpf_htonl(PROTO_TCP);
	__builtin_memset(s->tcp, 0, sizeof(s->tcp));
	tcp->source = up ? k->client_port_be : k->server_port_be;
	tcp->dest = up ? k->server_port_be : k->client_port_be;
	tcp->seq = bpf_htonl(r->seq);
	tcp->ack_seq = bpf_htonl(r->ack);
	s->tcp[12] = (__u8)(tcp_len / 4 << 4);
	s->tcp[13] = (__u8)r->tcp_flags;
	tcp->window = bpf_htons(ANSWER_WINDOW);
	if (w->has_ts) { /* NOP NOP TS */
		*(__u32 *)(s->tcp + 20) = bpf_htonl(0x0101080a);
		*(__u32 *)(s->tcp + 24) = up ? w->ts_val : w->ts_ecr;
		*(__u32 *)(s->tcp + 28) = up ? w->ts_ecr : w->ts_val;
	}
	tcp->check = (__u16)csum_fold((__u64)bpf_csum_diff(0, 0, (__be32 *)s, sizeof(*s), extra));
}

TG_INLINE void answer_ip(struct work *w, __u32 tcp_text_len)
{
	const struct tg_flow_key *k = &w->flow_key;
	const int up = w->reply.to == REPLY_SERVER;

	__builtin_memset(w->ip, 0, sizeof(w->ip));
	if (w->pkt.v6) {
		struct ipv6hdr *ip = (struct ipv6hdr *)w->ip;

		w->ip[0] = 0x60;
		ip->payload_len = bpf_htons((__u16)tcp_text_len);
		ip->nexthdr = PROTO_TCP;
		ip->hop_limit = ANSWER_TTL;
		__builtin_memcpy(&ip->saddr, up ? k->client : k->server, 16);
		__builtin_memcpy(&ip->daddr, up ? k->server : k->client, 16);
	} else {
		struct iphdr *ip = (struct iphdr *)w->ip;

		w->ip[0] = 0x45;
		ip->tot_len = bpf_htons((__u16)(sizeof(*ip) + tcp_text_len));
		ip->frag_off = bpf_htons(IP4_DONT_FRAGMENT);
		ip->ttl = ANSWER_TTL;
		ip->protocol = PROTO_TCP;
		ip->saddr = up ? k->client[3] : k->server[3];
		ip->daddr = up ? k->server[3] : k->client[3];
		ip->check = (__u16)csum_fold((__u64)bpf_csum_diff(0, 0, (__be32 *)w->ip, sizeof(*ip), 0));
	}
}

/* Stores a number of n (even) characters, left-aligned, at offset `at` of the frame; its checksum comes back. */
TG_INLINE __u32 answer_number(void *ctx, struct work *w, const enum hook hook, __u32 at, __u32 value, const __u32 n)
{
	__u32 first = 15, sum = 0, top = n >= 10 ? 4000000000u : 999999u;

	if (value > top)
		value = top;
	*(__u64 *)(w->digits + 16) = *(__u64 *)(w->digits + 24) = TG_ONES * ' ';
#pragma unroll
	for (__u32 i = 0; i < 10; i++) {
		__u32 rest = (__u32)(((__u64)value * 0xcccccccdu) >> 35); /* / 10 */

		w->digits[15 - i] = (__u8)('0' + (value - rest * 10));
		if (value)
			first = 15 - i;
		value = rest;
	}
	TG_HIDE(first);
	first &= 15;
#pragma unroll
	for (__u32 i = 0; i < n; i += 2)
		sum += *(__u16 *)(w->digits + first + i);
	if (io_store(ctx, hook, at, w->digits + first, n))
		HEALTH_COUNT(helper_failed);
	return sum;
}

TG_INLINE __u32 answer_id(void *ctx, struct work *w, const enum hook hook, __u32 at, __u64 id)
{
	__u32 sum = 0;

#pragma unroll
	for (__u32 i = 0; i < TG_ANSWER_ID_DIGITS; i++) {
		__u32 nibble = (__u32)(id >> (60 - 4 * i)) & 15;

		w->id_text[i] = (__u8)(nibble + (nibble < 10 ? '0' : 'a' - 10));
	}
#pragma unroll
	for (__u32 i = 0; i < TG_ANSWER_ID_DIGITS; i += 2)
		sum += *(__u16 *)(w->id_text + i);
	if (io_store(ctx, hook, at, w->id_text, TG_ANSWER_ID_DIGITS))
		HEALTH_COUNT(helper_failed);
	return sum;
}

/* Writes the template and its fields at frame offset `at`; *sum becomes the text's checksum. */
TG_INLINE int answer_text(void *ctx, struct work *w, const enum hook hook, const struct tg_answer *t, __u32 len,
			  __u32 at, __u64 *sum)
{
	const struct reply *r = &w->reply;
	__u32 seconds = (r->wait_ms + 999) / 1000;

	if (io_store(ctx, hook, at, (void *)t->text, len))
		return -1;
	*sum = t->csum;
	if (t->retry_off)
		*sum += answer_number(ctx, w, hook, at + t->retry_off, seconds ? seconds : 1, TG_ANSWER_DIGITS);
	if (t->retry_ms_off)
		*sum += answer_number(ctx, w, hook, at + t->retry_ms_off, r->wait_ms ? r->wait_ms : 1,
				      TG_ANSWER_MS_DIGITS);
	if (t->limit_off)
		*sum += answer_number(ctx, w, hook, at + t->limit_off, r->limit, TG_ANSWER_LIMIT_DIGITS);
	if (t->id_off)
		*sum += answer_id(ctx, w, hook, at + t->id_off, r->id);
	return 0;
}

/* Makes w->reply of the packet in hand. Returns what the hook shall return, or one of these: nothing was changed, it
 * can still be passed. */
#define EMIT_STALE (-1)   /* the template is not the one that the flow was answered with */
#define EMIT_NO_ROOM (-2) /* the packet can't grow to the answer's size */
TG_INLINE int answer_emit(void *ctx, struct work *w, const enum hook hook)
{
	const struct tg_answer *t = 0;
	__u32 l3 = w->pkt.l3, text_len = 0, ip_len = w->pkt.v6 ? 40 : 20, tcp_len, index;
	__u64 sum = 0;

	if (w->reply.answer) {
		index = w->reply.answer - 1;
		t = bpf_map_lookup_elem(&tg_answers, &index);
		if (!t)
			return EMIT_STALE;
		text_len = t->len;
		/* replaced by another while the flow lives: the client must not get two texts mixed */
		if (text_len != w->flow.ans_len || t->csum != w->flow.ans_csum)
			return EMIT_STALE;
	}
	answer_timestamps(ctx, w, hook);
	tcp_len = w->has_ts ? 32 : 20;
	TG_HIDE(l3);
	if (l3 < sizeof(struct ethhdr) || l3 > sizeof(struct ethhdr) + 8 || io_load(ctx, hook, 0, w->l2, l3))
		return EMIT_STALE;
	if (io_resize(ctx, hook, (int)w->pkt.len, (int)(l3 + ip_len + tcp_len + text_len)))
		return EMIT_NO_ROOM;
	if (w->reply.to == REPLY_CLIENT) {
		__u8 mac[6];

		__builtin_memcpy(mac, w->l2, 6);
		__builtin_memcpy(w->l2, w->l2 + 6, 6);
		__builtin_memcpy(w->l2 + 6, mac, 6);
	}
	TG_HIDE(text_len);
	if (t && (text_len < 2 || text_len > TG_ANSWER_TEXT_MAX ||
		  answer_text(ctx, w, hook, t, text_len, l3 + ip_len + tcp_len, &sum)))
		goto failed;
	sum = (sum & 0xffff) + (sum >> 16);
	answer_ip(w, tcp_len + text_len);
	answer_tcp(w, tcp_len, text_len, (__u32)sum);
	if (io_store(ctx, hook, 0, w->l2, l3))
		goto failed;
	if (w->pkt.v6 ? io_store(ctx, hook, l3, w->ip, 40) : io_store(ctx, hook, l3, w->ip, 20))
		goto failed;
	if (w->has_ts ? io_store(ctx, hook, l3 + ip_len, w->seg.tcp, 32)
		      : io_store(ctx, hook, l3 + ip_len, w->seg.tcp, 20))
		goto failed;
	return w->reply.to == REPLY_CLIENT ? io_reflect(ctx, hook) : io_pass(hook);
failed: /* cannot happen after a successful resize; half a packet must not leave */
	HEALTH_COUNT(helper_failed);
	return io_drop(hook);
}

#endif
