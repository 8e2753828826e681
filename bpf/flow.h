/* A refused flow: the client's side of the connection is closed by this program with the answer (429 + FIN), the
 * server's side by a reset that the client's own packets are turned into.
 *
 *     request refused                 client acks the answer            client's FIN
 *   (none) --------> ANSWERED -----------------------------> ACKED --------------------> acked by us until the client
 *                    | same request, or a FIN:               | first pure ACK, else FIN:   is gone; then stale
 *                    | the same answer again, if the         | becomes RST to the server
 *                    | packet has room for it                |
 *                    | anything else: absorbed, unanswered   | data: acked
 *   SYN: the entry is deleted, the packet passes. RST: becomes the server's RST, the entry is deleted.
 *
 * Invariants (tests cite them):
 *  F1  No packet but the answer itself acknowledges the refused request before the client has acknowledged the answer:
 *      else a lost answer would never be asked for again.
 *  F2  The server's side gets exactly the RST it accepts: sequence number = what it expects next, acknowledgement =
 *      what it has sent. It never sees a byte after the refused request's first.
 *  F3  The client gets no RST.
 *  F4  An entry not used for FLOW_IDLE_NS means nothing.
 *  F5  A RST far from the client's window is absorbed: nobody off the path closes a connection with it.
 */
#ifndef BPF_FLOW_H
#define BPF_FLOW_H

#include "work.h"

#define FLOW_IDLE_NS 120000000000ull
#define FLOW_WINDOW 65536u /* F5 */

TG_INLINE void flow_key_of(struct tg_flow_key *key, const struct pkt *p, __u32 ifindex)
{
	__builtin_memcpy(key->client, p->src, sizeof(key->client));
	__builtin_memcpy(key->server, p->dst, sizeof(key->server));
	key->client_port_be = p->src_port_be;
	key->server_port_be = p->dst_port_be;
	key->ifindex = ifindex;
}

TG_INLINE void flow_answer(struct reply *r, const struct flow *f)
{
	r->to = REPLY_CLIENT;
	r->answer = f->answer;
	r->seq = f->ans_seq;
	r->ack = f->acked;
	r->tcp_flags = TCP_FIN | TCP_PSH | TCP_ACK;
	r->wait_ms = f->wait_ms;
	r->limit = f->limit;
	r->id = f->id;
}

TG_INLINE __u32 flow_ack(struct reply *r, struct flow *f)
{
	f->acked = f->client_next;
	r->to = REPLY_CLIENT;
	r->seq = f->ans_seq + f->ans_len + 1; /* + FIN */
	r->ack = f->acked;
	r->tcp_flags = TCP_ACK;
	return OUT(ABSORB, FLOW_CLOSE);
}

TG_INLINE __u32 flow_reset(struct reply *r, struct flow *f)
{
	f->reset_sent = 1;
	r->to = REPLY_SERVER;
	r->seq = f->req_seq;
	r->ack = f->ans_seq;
	r->tcp_flags = TCP_RST | TCP_ACK;
	return OUT(ABSORB, FLOW_CLOSE);
}

/* A segment without SYN of a refused flow. Fills w->reply. */
TG_INLINE __u32 flow_step(struct work *w, struct flow *f)
{
	const struct pkt *p = &w->pkt;
	struct reply *r = &w->reply;
	__u32 fin = p->tcp_flags & TCP_FIN ? 1 : 0;
	__u32 end = p->seq + p->payload_len + fin;
	int acked = !SEQ_BEFORE(p->ack, f->ans_seq + f->ans_len + 1);
	int old = p->payload_len && SEQ_BEFORE(p->seq, f->client_next);

	r->to = REPLY_NONE;
	r->answer = 0;
	if (p->tcp_flags & TCP_RST) {
		__u32 out;

		if (p->seq - f->req_seq > f->client_next - f->req_seq + FLOW_WINDOW)
			return OUT(ABSORB, FLOW_CLOSE); /* F5 */
		out = flow_reset(r, f);
		bpf_map_delete_elem(&tg_flows, &w->flow_key);
		return out;
	}
	if (!SEQ_BEFORE(f->client_next, p->seq) && SEQ_BEFORE(f->client_next, end))
		f->client_next = end;
	if (!acked) { /* F1 */
		if (!old && !fin)
			return OUT(ABSORB, FLOW_CLOSE);
		f->acked = f->client_next;
		flow_answer(r, f);
		return OUT(ABSORB, FLOW_RETRANSMIT);
	}
	if (p->payload_len == 0 && !fin) {
		if (f->acked != f->client_next)
			return flow_ack(r, f);
		return f->reset_sent ? OUT(ABSORB, FLOW_CLOSE) : flow_reset(r, f);
	}
	if (fin && !f->reset_sent)
		return flow_reset(r, f); /* the client repeats its FIN and is acked then */
	return flow_ack(r, f);
}

#endif
