/* XDP links, tcx links and clsact filters, each with its pin. */
#include "kernel/attach.h"
#include "kernel/pin.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Newer than Debian 12's headers; libbpf 1.1 hands unknown types through. */
#define ATTACH_TCX_INGRESS ((enum bpf_attach_type)46)

/* Ours among the filters of an interface. */
#define CLSACT_HANDLE 1
#define CLSACT_PRIORITY 0x7467 /* "tg" */

const char *const link_suffix[LINK_KINDS] = {
	[LINK_XDP] = "xdp",
	[LINK_TCX] = "tc",
	[LINK_CLSACT] = "clsact",        /* the qdisc was there before us */
	[LINK_CLSACT_OWN] = "clsactown", /* it goes when we go */
};

bool link_parse(const char *pin, char ifname[16], enum link_kind *ret)
{
	for (size_t i = 0; i < LINK_KINDS; i++) {
		if (pin_unescape(ifname, pin, link_suffix[i])) {
			*ret = (enum link_kind)i;
			return true;
		}
	}
	return false;
}

int link_path(char path[], const char *pin_dir, const char *ifname, enum link_kind kind, struct err *err)
{
	char name[PIN_NAME_MAX];

	pin_escape(name, ifname, link_suffix[kind]);
	return pin_path(path, pin_dir, PIN_LINKS, name, err);
}

int link_ifindex(int link_fd, unsigned *ret, struct err *err)
{
	struct bpf_link_info info = {0};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(link_fd, &info, &len))
		return err_errno(err, errno, "can't ask about a pinned link");
	*ret = info.xdp.ifindex; /* tcx has it in the same place */
	return 0;
}

enum kernel_mode xdp_mode_now(unsigned ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);

	if (bpf_xdp_query((int)ifindex, 0, &q))
		return KERNEL_MODE_NONE;
	switch (q.attach_mode) {
	case XDP_ATTACHED_DRV:
		return KERNEL_MODE_XDP_NATIVE;
	case XDP_ATTACHED_SKB:
		return KERNEL_MODE_XDP_GENERIC;
	default:
		return KERNEL_MODE_NONE;
	}
}

bool link_is_veth(const char *ifname)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq ifr = {.ifr_data = (void *)&info};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	return fd >= 0 && ioctl(fd, SIOCETHTOOL, &ifr) == 0 && strcmp(info.driver, "veth") == 0;
}

/* Opens the pinned link when it is on this very interface. A link whose interface is gone (and perhaps another has its
 * name now) is removed. *ret_fd = -1: none. */
static int link_open(const char *path, unsigned ifindex, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int fd = bpf_obj_get(path);
	unsigned on = 0;
	int rc;

	*ret_fd = -1;
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, errno, "can't open pinned link %s", path);
	rc = link_ifindex(fd, &on, err);
	if (rc)
		return rc;
	if (on != ifindex) {
		unlink(path);
		return 0;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int link_create(int prog_fd, const struct attach_at *at, enum bpf_attach_type type, uint32_t flags,
		       const char *path, struct err *err)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	_cleanup_(closep) int fd = bpf_link_create(prog_fd, (int)at->ifindex, type, &opts);

	if (fd < 0)
		return -errno; /* the caller knows what it means */
	/* Closing an unpinned link detaches it: a failure here leaves nothing. */
	return pin_replace(path, fd, err) ? -EIO : 0;
}

/* ---- XDP */

static int xdp_refused(int errnum, const char *ifname, bool native, struct err *err)
{
	const char *mode = native ? "native" : "generic";

	switch (errnum) {
	case EPERM:
		return err_set(err, ERR_PERM, "not permitted to attach to %s: run as root (CAP_NET_ADMIN, CAP_BPF)",
			       ifname);
	case EOPNOTSUPP:
		return err_set(err, ERR_UNSUPPORTED, "the driver of %s has no %s XDP", ifname, mode);
	case EBUSY:
	case EEXIST:
		return err_set(
			err, ERR_EXISTS,
			"another XDP program is on %s: remove it (`ip link set dev %s xdp off`, or end its owner), "
			"or use mode tc",
			ifname, ifname);
	case EINVAL:
	case ERANGE:
		return err_set(
			err, ERR_UNSUPPORTED,
			"%s refuses %s XDP: usually the MTU is too large for it, or LRO is on (`ethtool -K %s lro "
			"off`)",
			ifname, mode, ifname);
	default:
		return err_errno(err, errnum, "%s refuses %s XDP", ifname, mode);
	}
}

static int xdp_create(struct kernel *k, const struct attach_at *at, enum kernel_mode mode, const char *path,
		      struct err *err)
{
	bool native = mode == KERNEL_MODE_XDP_NATIVE;
	int rc = link_create(k->xdp_fd, at, BPF_XDP, native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE, path, err);

	if (rc == -EIO)
		return err->code;
	return rc ? xdp_refused(-rc, at->ifname, native, err) : 0;
}

int xdp_attach(struct kernel *k, const struct attach_at *at, enum kernel_mode mode, enum kernel_mode *ret_mode,
	       struct err *err)
{
	_cleanup_(closep) int fd = -1;
	enum kernel_mode now;
	char path[PIN_PATH_MAX];
	int rc = link_path(path, k->pin_dir, at->ifname, LINK_XDP, err);

	if (rc == 0)
		rc = link_open(path, at->ifindex, &fd, err);
	if (rc)
		return rc;
	if (fd < 0 && mode == KERNEL_MODE_NONE)
		return err_set(err, ERR_NOT_FOUND, "nothing attached to %s yet", at->ifname);
	now = fd < 0 ? KERNEL_MODE_NONE : xdp_mode_now(at->ifindex);
	if (fd >= 0 && (mode == KERNEL_MODE_NONE || mode == now)) {
		if (bpf_link_update(fd, k->xdp_fd, NULL))
			return xdp_refused(errno, at->ifname, now == KERNEL_MODE_XDP_NATIVE, err);
		*ret_mode = now;
		return 0;
	}
	/* Another mode was asked for: an interface has one of them at a time. */
	if (fd >= 0) {
		rc = link_remove(path, at->ifname, LINK_XDP, err);
		if (rc)
			return rc;
	}
	rc = xdp_create(k, at, mode, path, err);
	if (rc == 0)
		*ret_mode = mode;
	return rc;
}

/* ---- TC */

int tcx_attach(struct kernel *k, const struct attach_at *at, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	char path[PIN_PATH_MAX];
	int rc = link_path(path, k->pin_dir, at->ifname, LINK_TCX, err);

	if (rc == 0)
		rc = link_open(path, at->ifindex, &fd, err);
	if (rc)
		return rc;
	if (fd >= 0)
		return bpf_link_update(fd, k->tc_fd, NULL)
			       ? err_errno(err, errno, "can't replace the program at TC ingress of %s", at->ifname)
			       : 0;
	rc = link_create(k->tc_fd, at, ATTACH_TCX_INGRESS, 0, path, err);
	if (rc == -EIO)
		return err->code;
	if (rc == -EINVAL)
		return err_set(err, ERR_UNSUPPORTED, "this kernel has no tcx links");
	return rc ? err_errno(err, -rc, "can't attach to TC ingress of %s", at->ifname) : 0;
}

static int clsact_mark(struct kernel *k, const struct attach_at *at, bool own, struct err *err)
{
	char path[PIN_PATH_MAX];
	int rc;

	/* Replacing: the mark that is there knows whose the qdisc is. */
	rc = link_path(path, k->pin_dir, at->ifname, LINK_CLSACT_OWN, err);
	if (rc == 0 && !own && access(path, F_OK))
		rc = link_path(path, k->pin_dir, at->ifname, LINK_CLSACT, err);
	return rc ? rc : pin_replace(path, k->tc_fd, err);
}

static int clsact_remove(unsigned ifindex, bool own, struct err *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	int rc = bpf_tc_detach(&hook, &opts);

	if (rc && rc != -ENOENT && rc != -ENODEV && rc != -EINVAL)
		return err_errno(err, -rc, "can't remove the TC filter");
	if (own) {
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS; /* the qdisc itself */
		bpf_tc_hook_destroy(&hook);
	}
	return 0;
}

int clsact_attach(struct kernel *k, const struct attach_at *at, struct err *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)at->ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY, .prog_fd = k->tc_fd,
		    .flags = BPF_TC_F_REPLACE);
	int made = bpf_tc_hook_create(&hook);
	int rc;

	if (made && made != -EEXIST)
		return err_errno(err, -made, "can't make a clsact qdisc on %s", at->ifname);
	rc = bpf_tc_attach(&hook, &opts);
	if (rc)
		rc = err_errno(err, -rc, "can't attach to TC ingress of %s", at->ifname);
	else
		rc = clsact_mark(k, at, made == 0, err);
	if (rc && made == 0)
		(void)clsact_remove(at->ifindex, true, NULL);
	return rc;
}

/* ---- the end */

static int link_detach(const char *path, struct err *err)
{
	_cleanup_(closep) int fd = bpf_obj_get(path);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, errno, "can't open pinned link %s", path);
	/* At once, though somebody may have the link open; a link whose interface is gone says ENOLINK or EINVAL. */
	if (bpf_link_detach(fd) && errno != ENOLINK && errno != EINVAL && errno != EOPNOTSUPP)
		return err_errno(err, errno, "can't detach %s", path);
	return 0;
}

int link_remove(const char *path, const char *ifname, enum link_kind kind, struct err *err)
{
	unsigned ifindex;
	int rc = 0;

	if (kind == LINK_XDP || kind == LINK_TCX) {
		rc = link_detach(path, err);
	} else {
		ifindex = if_nametoindex(ifname);
		if (ifindex)
			rc = clsact_remove(ifindex, kind == LINK_CLSACT_OWN, err);
	}
	if (rc)
		return rc;
	if (unlink(path) && errno != ENOENT)
		return err_errno(err, errno, "can't remove %s", path);
	return 0;
}
