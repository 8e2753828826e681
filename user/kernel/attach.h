/* Ways onto an interface, for attach.c alone. Each replaces what this gate has there without a gap (K3). */
#ifndef KERNEL_ATTACH_H
#define KERNEL_ATTACH_H

#include "kernel/handle.h"

struct attach_at {
	const char *ifname;
	unsigned ifindex;
};

/* XDP: a pinned link. `mode` KERNEL_MODE_NONE keeps the mode of the link that is there. ERR_NOT_FOUND (with NONE) when
 * none is. */
int xdp_attach(struct kernel *k, const struct attach_at *at, enum kernel_mode mode, enum kernel_mode *ret_mode,
	       struct err *err) MUST_CHECK;
/* TC ingress: a pinned tcx link (Linux 6.6), ERR_UNSUPPORTED on older kernels; or a filter in clsact with the program
 * pinned beside it as a mark. */
int tcx_attach(struct kernel *k, const struct attach_at *at, struct err *err) MUST_CHECK;
int clsact_attach(struct kernel *k, const struct attach_at *at, struct err *err) MUST_CHECK;

/* One pin under PIN_DIR/links: what it is, and its end. */
enum link_kind { LINK_XDP, LINK_TCX, LINK_CLSACT, LINK_CLSACT_OWN, LINK_KINDS };
extern const char *const link_suffix[LINK_KINDS];
bool link_parse(const char *pin, char ifname[16], enum link_kind *ret);
int link_path(char path[], const char *pin_dir, const char *ifname, enum link_kind kind, struct err *err) MUST_CHECK;
int link_remove(const char *path, const char *ifname, enum link_kind kind, struct err *err) MUST_CHECK;
/* The interface a pinned link is on; 0 = gone. */
int link_ifindex(int link_fd, unsigned *ret, struct err *err) MUST_CHECK;
enum kernel_mode xdp_mode_now(unsigned ifindex);
/* One end of a veth pair? False also when the driver can't be asked. */
bool link_is_veth(const char *ifname);

#endif
