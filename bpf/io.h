/* The two hooks behind one set of names: the core is compiled once for XDP and once for TC, `hook` being a constant. */
#ifndef BPF_IO_H
#define BPF_IO_H

#include "maps.h"
#include "net.h"

#include "tollgate/head.h"

enum hook { HOOK_XDP, HOOK_TC };

#define HEADERS_MAX                                                                                                    \
	448u /* all headers up to the end of TCP's fixed part lie in these bytes, or the packet is malformed */

/* The barriers keep clang from reading a field through a computed address: the context's must be plain offsets. */
TG_INLINE void *io_data(void *ctx, const enum hook hook)
{
	TG_HIDE(ctx);
	return hook == HOOK_XDP ? (void *)(long)((struct xdp_md *)ctx)->data
				: (void *)(long)((struct __sk_buff *)ctx)->data;
}

TG_INLINE void *io_data_end(void *ctx, const enum hook hook)
{
	TG_HIDE(ctx);
	return hook == HOOK_XDP ? (void *)(long)((struct xdp_md *)ctx)->data_end
				: (void *)(long)((struct __sk_buff *)ctx)->data_end;
}

/* Bytes of the frame. XDP: the program doesn't take fragmented buffers (section "xdp", not "xdp.frags"), so a frame is
 * linear however big, and the difference is bpf_xdp_get_buff_len() without its call. */
TG_INLINE __u32 io_len(void *ctx, const enum hook hook)
{
	return hook == HOOK_XDP ? (__u32)(io_data_end(ctx, hook) - io_data(ctx, hook)) : ((struct __sk_buff *)ctx)->len;
}

TG_INLINE __u32 io_ifindex(void *ctx, const enum hook hook)
{
	return hook == HOOK_XDP ? ((struct xdp_md *)ctx)->ingress_ifindex : ((struct __sk_buff *)ctx)->ifindex;
}

/* TC: headers may lie outside the linear part. */
TG_INLINE void io_pull(void *ctx, const enum hook hook)
{
	__u32 want;

	if (hook != HOOK_TC)
		return;
	want = io_len(ctx, hook);
	if (want > HEADERS_MAX)
		want = HEADERS_MAX;
	if (io_data(ctx, hook) + want > io_data_end(ctx, hook))
		bpf_skb_pull_data(ctx, want);
}

TG_INLINE long io_load(void *ctx, const enum hook hook, __u32 off, void *to, __u32 len)
{
	return hook == HOOK_XDP ? bpf_xdp_load_bytes(ctx, off, to, len) : bpf_skb_load_bytes(ctx, off, to, len);
}

/* TC: keeps skb->csum (CHECKSUM_COMPLETE) true. */
TG_INLINE long io_store(void *ctx, const enum hook hook, __u32 off, void *from, __u32 len)
{
	return hook == HOOK_XDP ? bpf_xdp_store_bytes(ctx, off, from, len)
				: bpf_skb_store_bytes(ctx, off, from, len, BPF_F_RECOMPUTE_CSUM);
}

/* XDP: takes tail room, as much of `grow` as there is, in halving steps: how much there is cannot be asked. Returns
 * what was taken. */
#define IO_GROW_STEP 512
TG_INLINE int io_grow_tail(void *ctx, int grow)
{
	int got = 0;

#pragma unroll
	for (int step = IO_GROW_STEP; step > 0; step /= 2)
		if (step <= grow - got && !bpf_xdp_adjust_tail(ctx, step))
			got += step;
	return got;
}

/* Makes the frame `want` bytes long; its contents are rewritten by the caller. On failure it is as it was.
 * XDP: tail room first, of which a NIC's buffer has plenty. On veth and in generic mode a packet has no more than its
 * allocation was rounded up by, so what the tail can't give comes from the head room: 256 bytes less struct
 * xdp_frame's. */
TG_INLINE long io_resize(void *ctx, const enum hook hook, int have, int want)
{
	int grow = want - have, got;

	if (hook == HOOK_TC)
		return bpf_skb_change_tail(ctx, (__u32)want, 0);
	if (grow == 0 || !bpf_xdp_adjust_tail(ctx, grow))
		return 0;
	if (grow < 0)
		return -1;
	if (!bpf_xdp_adjust_head(ctx, -grow))
		return 0;
	got = io_grow_tail(ctx, grow - 1);
	if (!bpf_xdp_adjust_head(ctx, got - grow))
		return 0;
	if (got)
		bpf_xdp_adjust_tail(ctx, -got);
	return -1;
}

TG_INLINE int io_pass(const enum hook hook)
{
	return hook == HOOK_XDP ? (int)XDP_PASS : TC_OK;
}

TG_INLINE int io_drop(const enum hook hook)
{
	return hook == HOOK_XDP ? (int)XDP_DROP : TC_SHOT;
}

/* Out where it came in. */
TG_INLINE int io_reflect(void *ctx, const enum hook hook)
{
	return hook == HOOK_XDP ? (int)XDP_TX : (int)bpf_redirect(((struct __sk_buff *)ctx)->ifindex, 0);
}

#endif
