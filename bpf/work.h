/* What one packet's walk through the program knows, and the per-CPU scratch that holds what is too big for the stack
 * or crosses a call between separately verified functions. */
#ifndef BPF_WORK_H
#define BPF_WORK_H

#include "io.h"

#include "tollgate/head.h"

/* A decision: verdict and reason in one word. */
#define OUT(verdict, reason) ((__u32)TG_VERDICT_##verdict << 8 | (__u32)TG_REASON_##reason)
#define OUT_OF(verdict, reason) ((__u32)(verdict) << 8 | (__u32)(reason))
#define OUT_VERDICT(out) ((out) >> 8)
#define OUT_REASON(out) ((out)&0xffu)
#define OUT_NONE (~0u) /* not decided yet */

/* Where the transport header is, and whether there is one. */
enum piece { PIECE_WHOLE, PIECE_FIRST, PIECE_LATER };

struct pkt {
	__u32 src[4], dst[4]; /* as in struct tg_net_key */
	__u32 len;            /* of the frame */
	__u32 l3, l4;         /* offsets */
	__u32 end;            /* offset where the IP packet ends (Ethernet may pad) */
	__u32 payload, payload_len;
	__u32 seq, ack;
	__u32 shadow; /* reason of a limit in shadow mode that would have refused, or 0 */
	__u16 src_port_be, dst_port_be;
	__u8 v6, proto, piece;
	__u8 tcp_flags, tcp_len;
	__u8 request; /* struct who in the scratch is of this packet */
};

/* Whose request it is. */
struct who {
	__u32 known; /* key_subject and tenant_subject are set */
	__u32 key_subject, tenant_subject;
	__u8 route, dialect;
	__u16 reserved;
};

/* The worst of the limits that refuse a request, and a shadowed one that would. */
struct peek {
	__u64 now_ns;
	__u64 wait_ns;
	__u32 reason, shadow, limit;
};

/* A packet to be made of the one in hand. */
enum reply_to {
	REPLY_NONE,   /* the packet just disappears */
	REPLY_CLIENT, /* back where it came from */
	REPLY_SERVER, /* up to our stack, as the client's */
};
struct reply {
	__u32 to;
	__u32 answer; /* index into tg_answers + 1, 0 = no payload */
	__u32 seq, ack;
	__u32 tcp_flags;
	__u32 wait_ms, limit;
	__u64 id;
};

/* A refused flow (value of tg_flows); flow.h has the state machine. */
struct flow {
	__u64 seen_ns;
	__u64 id;
	__u32 req_seq; /* first byte refused = what the server expects next from the client */
	__u32 ans_seq; /* first byte of the answer = what the client expects next from the server */
	__u32 ans_len;
	__u32 ans_csum; /* of the template: tells when it was replaced in between */
	__u32 answer;   /* index into tg_answers + 1 */
	__u32 wait_ms, limit;
	__u32 client_next; /* client's bytes seen without a gap */
	__u32 acked;       /* what the client was told */
	__u32 reset_sent;  /* the server's side is closed */
};

/* TCP header with the pseudo header before it, as the checksum wants them. */
struct segment {
	__u32 src[4], dst[4];
	__u32 len_be, proto_be;
	__u8 tcp[32];
};

struct work {
	struct tg_head_buf buf;
	struct tg_head head;
	struct pkt pkt;
	struct who who;
	struct peek peek; /* here and not on the stack: the verifier would track every combination */
	struct reply reply;
	struct tg_flow_key flow_key;
	struct flow flow;
	struct segment seg;
	__u8 ip[40];
	__u8 l2[32];
	__u8 digits[32]; /* number right-aligned in the first 16 bytes, blanks after */
	__u8 id_text[16];
	__u32 ts_val, ts_ecr, has_ts; /* the segment's timestamp option, network order */
};

/* Private to this program. */
TG_MAP(tg_scratch, BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, struct work, 0);
TG_MAP(tg_flows, BPF_MAP_TYPE_LRU_HASH, 65536 /* user */, struct tg_flow_key, struct flow, 0);

TG_INLINE struct work *work_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tg_scratch, &zero);
}

TG_INLINE struct tg_health *health_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tg_health, &zero);
}
#define HEALTH_COUNT(field)                                                                                            \
	do {                                                                                                           \
		struct tg_health *health_ = health_get();                                                              \
		if (health_)                                                                                           \
			health_->field++;                                                                              \
	} while (0)

#endif
