/* Passes everything. veth hands on what its peer's program sends with XDP_TX only when it has an XDP program itself
 * (its flush looks for one); a real NIC needs no such thing. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}
