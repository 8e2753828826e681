/* The kernel program: XDP and TC ingress around one core.
 *
 *   parse -> allow list -> block list -> network buckets -> refused flow? -> request: key, route, circuit, limits ->
 * answer | pass
 *
 * The core is compiled once per hook. Its two heavy parts (judging a request, writing a packet) are global functions:
 * those are verified once each instead of once per path that leads to them.
 */
#include "answer.h"
#include "count.h"
#include "flood.h"
#include "flow.h"
#include "lists.h"
#include "netlimit.h"
#include "parse.h"
#include "request.h"

char LICENSE[] SEC("license") = "GPL";

/* ---- the heavy parts ------------------------------------------------------------------------------- */

/* Existing flow or start of a request. w->pkt and w->flow_key are set. */
TG_INLINE __u32 judge_stream(void *ctx, const enum hook hook, __u32 generation)
{
	__u32 bank = generation & 1, out;
	const struct tg_policy *policy = bpf_map_lookup_elem(&tg_policy, &bank);
	struct work *w = work_get();

	if (!w || !policy)
		return OUT(PASS, INTERNAL);
	out = request_judge(ctx, w, hook, generation);
	if (OUT_VERDICT(out) == TG_VERDICT_ANSWER)
		out = answer_prepare(ctx, w, policy, out);
	return out;
}

__noinline int judge_stream_xdp(struct xdp_md *ctx, __u32 generation)
{
	return (int)judge_stream(ctx, HOOK_XDP, generation);
}

__noinline int judge_stream_tc(struct __sk_buff *ctx, __u32 generation)
{
	return (int)judge_stream(ctx, HOOK_TC, generation);
}

__noinline int emit_xdp(struct xdp_md *ctx)
{
	struct work *w = work_get();

	return w ? answer_emit(ctx, w, HOOK_XDP) : EMIT_STALE;
}

__noinline int emit_tc(struct __sk_buff *ctx)
{
	struct work *w = work_get();

	return w ? answer_emit(ctx, w, HOOK_TC) : EMIT_STALE;
}

/* ---- the core --------------------------------------------------------------------------------------- */

/* Is the port in a list of TG_PORTS_MAX that 0 ends? Four ports per comparison; port 0 never matches. */
TG_INLINE int port_listed(const __u16 *ports_be, __u16 port_be)
{
	const __u64 *four = (const __u64 *)ports_be;
	__u64 want = port_be * 0x0001000100010001ull, found = 0;

#pragma unroll
	for (__u32 i = 0; i < TG_PORTS_MAX / 4; i++) {
		__u64 x = TG_READ_ONCE(four[i]) ^ want;

		found |= (x - 0x0001000100010001ull) & ~x & 0x8000800080008000ull;
	}
	return found && port_be;
}

TG_INLINE int starts_request(void *ctx, const struct pkt *p, const enum hook hook)
{
	__u32 off = p->payload, len;
	__u32 *first;

	if (p->payload_len < 16 || (p->tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK)
		return 0;
	TG_HIDE(off);
	if (off > HEADERS_MAX + 60)
		return 0;
	first = io_data(ctx, hook) + off;
	return (void *)(first + 1) <= io_data_end(ctx, hook) && tg_head_method(*first, &len) != TG_METHOD_NONE;
}

TG_INLINE __u32 judge_buckets(struct pkt *p, const struct tg_policy *policy, __u32 generation)
{
	struct work *w;
	__u32 out;

	if (!net_limited(policy))
		return OUT_NONE;
	w = work_get();
	if (!w)
		return OUT(PASS, INTERNAL);
	w->pkt = *p;
	out = (__u32)net_judge(generation);
	p->shadow = w->pkt.shadow;
	return out;
}

/* A segment to a guarded plaintext port. */
TG_INLINE __u32 judge_segment(void *ctx, struct pkt *p, const enum hook hook, __u32 generation)
{
	struct work *w = work_get();
	struct flow *f;

	if (!w)
		return OUT(PASS, INTERNAL);
	flow_key_of(&w->flow_key, p, io_ifindex(ctx, hook));
	f = bpf_map_lookup_elem(&tg_flows, &w->flow_key);
	if (f) {
		__u64 now_ns = bpf_ktime_get_ns();

		if ((p->tcp_flags & TCP_SYN) || now_ns - f->seen_ns > FLOW_IDLE_NS) {
			bpf_map_delete_elem(&tg_flows, &w->flow_key);
		} else {
			f->seen_ns = now_ns;
			w->pkt = *p;
			w->flow.ans_len = f->ans_len;
			w->flow.ans_csum = f->ans_csum;
			return flow_step(w, f);
		}
	}
	if (!starts_request(ctx, p, hook))
		return OUT(PASS, NO_REQUEST);
	w->pkt = *p;
	p->request = 1;
	return hook == HOOK_XDP ? (__u32)judge_stream_xdp(ctx, generation) : (__u32)judge_stream_tc(ctx, generation);
}

TG_INLINE __u32 judge(void *ctx, struct pkt *p, const struct tg_control *control, const struct tg_policy *policy,
		      const enum hook hook, __u32 generation)
{
	__u32 out, tls = 0, guarded = 0;

	io_pull(ctx, hook);
	out = parse_network(ctx, p, hook);
	if (out != OUT_NONE)
		return out;
	out = list_judge(control, p, generation);
	if (out != OUT_NONE)
		return out;
	if (p->piece == PIECE_LATER) {
		guarded = 1;
	} else if (p->proto == PROTO_TCP) {
		out = parse_tcp(ctx, p, hook);
		if (out != OUT_NONE)
			return out;
		tls = port_listed(control->tls_port_be, p->dst_port_be);
		guarded = tls || port_listed(control->port_be, p->dst_port_be);
	}
	if (guarded || (policy->flags & TG_POLICY_SCOPE_ALL)) {
		out = judge_buckets(p, policy, generation);
		if (out != OUT_NONE)
			return out;
	}
	if (!guarded)
		return OUT(PASS, OTHER_PORT);
	if (p->piece != PIECE_WHOLE)
		return OUT(PASS, FRAGMENT);
	if (tls)
		return OUT(PASS, NONE);
	return judge_segment(ctx, p, hook, generation);
}

/* Shadow mode, action, count: the only place where a refusal is turned into anything else. */
TG_INLINE int finish(void *ctx, const struct pkt *p, const struct tg_policy *policy, __u32 out, const enum hook hook)
{
	__u32 verdict = OUT_VERDICT(out), reason = OUT_REASON(out);
	struct work *w;
	int act = io_pass(hook);

	if ((verdict == TG_VERDICT_DROP || verdict == TG_VERDICT_ANSWER) && (policy->flags & TG_POLICY_SHADOW))
		verdict = TG_VERDICT_SHADOW;
	if (verdict == TG_VERDICT_PASS && p->shadow) {
		verdict = TG_VERDICT_SHADOW;
		reason = p->shadow;
	}
	if (verdict == TG_VERDICT_DROP) {
		act = io_drop(hook);
	} else if (verdict == TG_VERDICT_ANSWER || verdict == TG_VERDICT_ABSORB) {
		w = work_get();
		if (w && w->reply.to == REPLY_NONE)
			act = io_drop(hook);
		else
			act = hook == HOOK_XDP ? emit_xdp(ctx) : emit_tc(ctx);
		if (act == EMIT_NO_ROOM && verdict == TG_VERDICT_ABSORB) {
			act = io_drop(
				hook); /* too small to carry the answer again: the request itself will be repeated */
		} else if (act < 0) {
			if (w)
				bpf_map_delete_elem(&tg_flows, &w->flow_key);
			HEALTH_COUNT(helper_failed);
			act = io_pass(hook);
			verdict = TG_VERDICT_PASS;
			reason = TG_REASON_INTERNAL;
		}
	}
	count_end(p, policy, OUT_OF(verdict, reason));
	return act;
}

TG_INLINE int core(void *ctx, const enum hook hook)
{
	__u32 zero = 0, generation, bank, out;
	const struct tg_control *control = bpf_map_lookup_elem(&tg_control, &zero);
	const struct tg_policy *policy;
	struct pkt p;

	if (!control || TG_READ_ONCE(control->magic) != TG_ABI_MAGIC || !TG_READ_ONCE(control->armed))
		return io_pass(hook);
	generation = TG_READ_ONCE(control->generation); /* A2: once */
	bank = generation & 1;
	policy = bpf_map_lookup_elem(&tg_policy, &bank);
	if (!policy)
		return io_pass(hook);
	if (flood_drop(ctx, control, policy, hook, generation))
		return io_drop(hook);
	__builtin_memset(&p, 0, sizeof(p));
	out = judge(ctx, &p, control, policy, hook, generation);
	return finish(ctx, &p, policy, out, hook);
}

SEC("xdp")
int tg_xdp(struct xdp_md *ctx)
{
	return core(ctx, HOOK_XDP);
}

SEC("tc")
int tg_tc_ingress(struct __sk_buff *skb)
{
	return core(skb, HOOK_TC);
}
