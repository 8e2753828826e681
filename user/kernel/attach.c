/* Which way onto an interface is taken, and what is attached. */
#include "kernel/attach.h"
#include "kernel/pin.h"
#include "kernel/trace.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static void note_reason(struct kernel_attachment *a, const char *why)
{
	size_t used = strlen(a->note);

	snprintf(a->note + used, sizeof(a->note) - used, "%s%.*s", used ? "; " : "", (int)(sizeof(a->note) - used) - 3,
		 why);
}

/* veth in native mode puts a frame sent back (XDP_TX) into the peer's ring, and rings the bell only when the peer has
 * an XDP program (veth_xdp_flush): else the answer lies there, with GRO for seconds, without NAPI for good. Nothing
 * reports it. Where the peer is in another namespace nobody here can look. */
#define VETH_WHY "veth delivers a native answer (XDP_TX) only when its peer has an XDP program"

static void note_native_veth(struct kernel_attachment *a)
{
	if (a->mode == KERNEL_MODE_XDP_NATIVE && link_is_veth(a->ifname))
		note_reason(a, VETH_WHY ": without one, answers get stuck; mode generic needs none");
}

/* ---- the record: filled from pins at open, so that it can be asked after privileges are gone */

static void record_put(struct kernel *k, const struct kernel_attachment *a)
{
	size_t i = 0;

	pthread_mutex_lock(&k->attachments_lock);
	while (i < k->n_attachments && strcmp(k->attachments[i].ifname, a->ifname) != 0)
		i++;
	if (i < KERNEL_ATTACHMENTS_MAX) {
		k->attachments[i] = *a;
		if (i == k->n_attachments)
			k->n_attachments++;
	}
	pthread_mutex_unlock(&k->attachments_lock);
}

static void record_drop(struct kernel *k, const char *ifname)
{
	pthread_mutex_lock(&k->attachments_lock);
	for (size_t i = 0; i < k->n_attachments; i++) {
		if (strcmp(k->attachments[i].ifname, ifname) == 0) {
			k->attachments[i] = k->attachments[--k->n_attachments];
			break;
		}
	}
	pthread_mutex_unlock(&k->attachments_lock);
}

static int scan_one(const char *path, const char *name, void *arg, struct err *err)
{
	struct kernel *k = arg;
	struct kernel_attachment a = {.mode = KERNEL_MODE_TC};
	enum link_kind kind;
	int rc = 0;

	if (!link_parse(name, a.ifname, &kind))
		return 0;
	if (kind == LINK_XDP || kind == LINK_TCX) {
		_cleanup_(closep) int fd = bpf_obj_get(path);

		if (fd < 0)
			return err_errno(err, errno, "can't open pinned link %s", path);
		rc = link_ifindex(fd, &a.ifindex, err);
	} else {
		a.ifindex = if_nametoindex(a.ifname);
	}
	if (kind == LINK_XDP) {
		a.mode = xdp_mode_now(a.ifindex);
		note_native_veth(&a);
	}
	if (rc == 0)
		record_put(k, &a);
	return rc;
}

int attach_scan(struct kernel *k, struct err *err)
{
	return pin_each(k->pin_dir, PIN_LINKS, scan_one, k, err);
}

int kernel_attachments(struct kernel *k, kernel_attachment_cb cb, void *arg, struct err *err)
{
	struct kernel_attachment copy[KERNEL_ATTACHMENTS_MAX];
	size_t n;

	(void)err;
	pthread_mutex_lock(&k->attachments_lock);
	n = k->n_attachments;
	memcpy(copy, k->attachments, n * sizeof(copy[0]));
	pthread_mutex_unlock(&k->attachments_lock);
	for (size_t i = 0; i < n; i++) {
		unsigned ifindex = if_nametoindex(copy[i].ifname);
		int rc;

		if (ifindex != copy[i].ifindex || ifindex == 0) {
			copy[i].mode = KERNEL_MODE_NONE;
			snprintf(copy[i].note, sizeof(copy[i].note), "%s",
				 ifindex ? "the interface was made anew: attach again" : "the interface is gone");
		}
		rc = cb(&copy[i], arg);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- attach */

static int tc_attach(struct kernel *k, const struct attach_at *at, enum kernel_mode *ret_mode, struct err *err)
{
	int rc = tcx_attach(k, at, err);

	if (rc == ERR_UNSUPPORTED)
		rc = clsact_attach(k, at, err);
	if (rc == 0)
		*ret_mode = KERNEL_MODE_TC;
	return rc;
}

/* What is there stays in its mode; else native, generic, TC, with the reason for each step down. */
static int auto_attach(struct kernel *k, const struct attach_at *at, struct kernel_attachment *a, struct err *err)
{
	static const enum kernel_mode steps[] = {KERNEL_MODE_NONE, KERNEL_MODE_XDP_NATIVE, KERNEL_MODE_XDP_GENERIC};
	struct err why = {0};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int rc;

		if (steps[i] == KERNEL_MODE_XDP_NATIVE && link_is_veth(at->ifname)) {
			note_reason(a, VETH_WHY ": set mode native where it has one");
			continue;
		}
		rc = xdp_attach(k, at, steps[i], &a->mode, &why);
		if (rc == 0)
			return 0;
		if (rc == ERR_PERM) {
			if (err)
				*err = why;
			return rc;
		}
		if (rc != ERR_NOT_FOUND)
			note_reason(a, why.msg);
	}
	return tc_attach(k, at, &a->mode, err);
}

static int attach_as(struct kernel *k, const struct attach_at *at, enum kernel_want want, struct kernel_attachment *a,
		     struct err *err)
{
	switch (want) {
	case KERNEL_WANT_NATIVE:
		return xdp_attach(k, at, KERNEL_MODE_XDP_NATIVE, &a->mode, err);
	case KERNEL_WANT_GENERIC:
		return xdp_attach(k, at, KERNEL_MODE_XDP_GENERIC, &a->mode, err);
	case KERNEL_WANT_TC:
		return tc_attach(k, at, &a->mode, err);
	case KERNEL_WANT_AUTO:
	default:
		return auto_attach(k, at, a, err);
	}
}

/* After a change of kind the former one goes: for a moment both judge, never none. */
static int remove_other_kinds(struct kernel *k, const char *ifname, enum kernel_mode mode, struct err *err)
{
	char path[PIN_PATH_MAX];
	int rc = 0;

	for (enum link_kind kind = 0; rc == 0 && kind < LINK_KINDS; kind++) {
		if ((kind == LINK_XDP) == (mode != KERNEL_MODE_TC))
			continue;
		rc = link_path(path, k->pin_dir, ifname, kind, err);
		if (rc == 0 && access(path, F_OK) == 0)
			rc = link_remove(path, ifname, kind, err);
	}
	return rc;
}

int kernel_attach(struct kernel *k, const char *ifname, enum kernel_want want, struct kernel_attachment *ret,
		  struct err *err)
{
	struct attach_at at = {ifname, if_nametoindex(ifname)};
	struct kernel_attachment a = {.ifindex = at.ifindex};
	struct err local = {0};
	int rc = kernel_refuse_memory(k, "attaching", err);

	if (rc)
		return rc;
	if (k->xdp_fd < 0)
		return err_set(err, ERR_INVAL, "attaching needs the program loaded (kernel_open)");
	if (at.ifindex == 0)
		return err_set(err, ERR_NOT_FOUND, "no interface \"%.15s\" here: `ip link` lists them", ifname);
	trace_start();
	snprintf(a.ifname, sizeof(a.ifname), "%s", ifname);
	if (!err)
		err = &local; /* links.c reads it back */
	rc = attach_as(k, &at, want, &a, err);
	if (rc == 0)
		rc = remove_other_kinds(k, ifname, a.mode, err);
	if (rc)
		return rc;
	note_native_veth(&a);
	record_put(k, &a);
	*ret = a;
	return 0;
}

/* ---- detach */

int kernel_detach(struct kernel *k, const char *ifname, struct err *err)
{
	char path[PIN_PATH_MAX];
	bool found = false;
	int rc = kernel_refuse_memory(k, "detaching", err);

	trace_start();
	for (enum link_kind kind = 0; rc == 0 && kind < LINK_KINDS; kind++) {
		rc = link_path(path, k->pin_dir, ifname, kind, err);
		if (rc || access(path, F_OK))
			continue;
		found = true;
		rc = link_remove(path, ifname, kind, err);
	}
	if (rc)
		return rc;
	record_drop(k, ifname);
	return found ? 0 : err_set(err, ERR_NOT_FOUND, "nothing of this gate is attached to %.15s", ifname);
}

static int detach_one(const char *path, const char *name, void *arg, struct err *err)
{
	char ifname[16];
	enum link_kind kind;

	(void)arg;
	if (link_parse(name, ifname, &kind))
		return link_remove(path, ifname, kind, err);
	return unlink(path) ? err_errno(err, errno, "can't remove %s", path) : 0;
}

static int unpin_one(const char *path, const char *name, void *arg, struct err *err)
{
	(void)name;
	(void)arg;
	return unlink(path) && errno != ENOENT ? err_errno(err, errno, "can't remove %s", path) : 0;
}

int kernel_detach_all(const char *pin_dir, struct err *err)
{
	int rc;

	trace_start();
	rc = pin_each(pin_dir, PIN_LINKS, detach_one, NULL, err);
	if (rc == 0)
		rc = pin_each(pin_dir, PIN_MAPS, unpin_one, NULL, err);
	return rc ? rc : pin_remove_dirs(pin_dir, err);
}
