#include "maps.h"

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int tg_xdp(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

SEC("tc")
int tg_tc_ingress(struct __sk_buff *skb)
{
	(void)skb;
	return 0; /* TC_ACT_OK */
}
