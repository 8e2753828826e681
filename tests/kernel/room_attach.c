/* Goal: attaching: modes and fall-backs with their reasons, replacing without a gap (K3), and detaching.
 * Method: veth and loopback of the test's own network namespace; the kernel is asked what is attached. */
#include "room.h"

#include "kernel/attach.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdatomic.h>
#include <string.h>

static uint32_t xdp_id(const char *ifname)
{
	uint32_t id = 0;

	cr_assert_eq(bpf_xdp_query_id((int)if_nametoindex(ifname), 0, &id), 0);
	return id;
}

static struct kernel_attachment attach(struct kernel *k, const char *ifname, enum kernel_want want)
{
	struct kernel_attachment a = {.ifname = ""};
	struct err err = {0};

	cr_assert_eq(kernel_attach(k, ifname, want, &a, &err), 0, "%s: %s", ifname, err.msg);
	cr_expect_str_eq(a.ifname, ifname);
	cr_expect_eq(a.ifindex, if_nametoindex(ifname));
	return a;
}

Test(attach, modes)
{
	static const struct {
		const char *ifname;
		enum kernel_want want;
		int rc;
		enum kernel_mode mode;
		const char *says; /* in the note or the error; NULL: there is no note */
	} rows[] = {
		{"tg0", KERNEL_WANT_AUTO, 0, KERNEL_MODE_XDP_GENERIC, "set mode native where it has one"},
		{"tg0", KERNEL_WANT_NATIVE, 0, KERNEL_MODE_XDP_NATIVE, "without one, answers get stuck"},
		{"tg0", KERNEL_WANT_GENERIC, 0, KERNEL_MODE_XDP_GENERIC, NULL},
		{"tg0", KERNEL_WANT_TC, 0, KERNEL_MODE_TC, NULL},
		{"lo", KERNEL_WANT_AUTO, 0, KERNEL_MODE_XDP_GENERIC, "no native XDP"},
		{"lo", KERNEL_WANT_NATIVE, ERR_UNSUPPORTED, KERNEL_MODE_NONE, "no native XDP"},
		{"tgabsent", KERNEL_WANT_AUTO, ERR_NOT_FOUND, KERNEL_MODE_NONE, "no interface \"tgabsent\""},
	};
	struct kernel *k;

	room_enter();
	room_veth();
	k = room_open();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kernel_attachment a = {.note = ""};
		struct err err = {0};

		cr_expect_eq(kernel_attach(k, rows[i].ifname, rows[i].want, &a, &err), rows[i].rc, "row %zu: %s", i,
			     err.msg);
		cr_expect_eq(a.mode, rows[i].mode, "row %zu: mode %d", i, a.mode);
		if (rows[i].says)
			cr_expect(strstr(rows[i].rc ? err.msg : a.note, rows[i].says), "row %zu: note '%s', error '%s'",
				  i, a.note, err.msg);
		else
			cr_expect_str_empty(a.note, "row %zu", i);
		if (rows[i].rc == 0)
			cr_expect_eq(kernel_detach(k, rows[i].ifname, &err), 0, "row %zu: %s", i, err.msg);
		cr_expect_eq(kernel_detach(k, rows[i].ifname, &err), ERR_NOT_FOUND, "row %zu", i);
	}
	kernel_close(k);
}

/* Another's program is never displaced. */
Test(attach, foreign_program)
{
	struct kernel_attachment a = {.note = ""};
	struct kernel *k;
	struct err err = {0};
	LIBBPF_OPTS(bpf_prog_load_opts, po);
	static const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	uint32_t foreign;
	int fd;

	room_enter();
	room_veth();
	k = room_open();
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign", "GPL", pass, ARRAY_SIZE(pass), &po);
	cr_assert_geq(fd, 0, "%s", strerror(errno));
	cr_assert_eq(bpf_xdp_attach((int)if_nametoindex("tg0"), fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	foreign = xdp_id("tg0");
	cr_expect_eq(kernel_attach(k, "tg0", KERNEL_WANT_NATIVE, &a, &err), ERR_EXISTS);
	cr_expect(strstr(err.msg, "another XDP program") && strstr(err.msg, "xdp off"), "%s", err.msg);
	cr_expect_eq(xdp_id("tg0"), foreign);
	/* AUTO finds another way and says why. */
	a = attach(k, "tg0", KERNEL_WANT_AUTO);
	cr_expect_eq(a.mode, KERNEL_MODE_TC);
	cr_expect(strstr(a.note, "another XDP program"), "%s", a.note);
	cr_expect_eq(xdp_id("tg0"), foreign);
	close(fd);
	kernel_close(k);
}

struct watch {
	unsigned ifindex;
	atomic_bool stop;
	atomic_uint looks, gaps;
};

static void *watch_gap(void *arg)
{
	struct watch *w = arg;

	while (!atomic_load(&w->stop)) {
		uint32_t id = 0;

		if (bpf_xdp_query_id((int)w->ifindex, 0, &id) || id == 0)
			atomic_fetch_add(&w->gaps, 1);
		atomic_fetch_add(&w->looks, 1);
	}
	return NULL;
}

/* K3: an upgrade, again and again, while somebody looks. */
Test(attach, replace_without_gap)
{
	struct watch w = {0};
	struct kernel *k;
	pthread_t thread;
	uint32_t first;

	room_enter();
	room_veth();
	k = room_open();
	attach(k, "tg0", KERNEL_WANT_NATIVE);
	kernel_close(k);
	first = xdp_id("tg0");
	cr_assert_neq(first, 0, "closing left the interface bare");
	w.ifindex = if_nametoindex("tg0");
	cr_assert_eq(pthread_create(&thread, NULL, watch_gap, &w), 0);
	for (int i = 0; i < 10; i++) {
		struct kernel_attachment a;

		k = room_open();
		a = attach(k, "tg0", i % 2 ? KERNEL_WANT_AUTO : KERNEL_WANT_NATIVE);
		cr_expect_eq(a.mode, KERNEL_MODE_XDP_NATIVE);
		kernel_close(k);
	}
	while (atomic_load(&w.looks) == 0)
		sched_yield();
	atomic_store(&w.stop, true);
	pthread_join(thread, NULL);
	cr_expect_eq(atomic_load(&w.gaps), 0);
	cr_expect_neq(xdp_id("tg0"), first, "the new program is the one attached");
}

static int find_one(const struct kernel_attachment *a, void *arg)
{
	struct kernel_attachment *want = arg;

	if (strcmp(a->ifname, want->ifname) != 0)
		return 0;
	*want = *a;
	return 1;
}

static struct kernel_attachment found(struct kernel *k, const char *ifname)
{
	struct kernel_attachment a = {.mode = KERNEL_MODE_NONE};
	struct err err = {0};

	snprintf(a.ifname, sizeof(a.ifname), "%s", ifname);
	cr_assert_eq(kernel_attachments(k, find_one, &a, &err), 1, "%s is not among the attachments", ifname);
	return a;
}

Test(attach, listed_by_any_process)
{
	struct kernel *k;
	struct err err = {0};

	room_enter();
	room_veth();
	k = room_open();
	attach(k, "tg0", KERNEL_WANT_NATIVE);
	attach(k, "tg1", KERNEL_WANT_TC);
	attach(k, "lo", KERNEL_WANT_AUTO);
	cr_expect_eq(found(k, "tg1").mode, KERNEL_MODE_TC);
	kernel_close(k);
	cr_assert_eq(kernel_open_pinned(ROOM_PIN, &k, &err), 0, "%s", err.msg);
	cr_expect_eq(found(k, "tg0").mode, KERNEL_MODE_XDP_NATIVE);
	cr_expect(strstr(found(k, "tg0").note, "answers get stuck"), "a later process warns too");
	cr_expect_eq(found(k, "tg1").mode, KERNEL_MODE_TC);
	cr_expect_eq(found(k, "lo").mode, KERNEL_MODE_XDP_GENERIC);
	/* opened so, it can take away but not attach */
	cr_expect_eq(kernel_attach(k, "tg0", KERNEL_WANT_AUTO, &(struct kernel_attachment){0}, &err), ERR_INVAL);
	cr_expect_eq(kernel_detach(k, "tg0", &err), 0, "%s", err.msg);
	cr_expect_eq(xdp_id("tg0"), 0);
	kernel_close(k);
}

/* The interface went away and another came under its name: the old pin is worth nothing. */
Test(attach, interface_made_anew)
{
	struct kernel_attachment a;
	struct kernel *k;

	room_enter();
	room_veth();
	k = room_open();
	attach(k, "tg0", KERNEL_WANT_AUTO);
	RUN("ip", "link", "del", "tg0");
	cr_expect_eq(found(k, "tg0").mode, KERNEL_MODE_NONE);
	cr_expect(strstr(found(k, "tg0").note, "gone"));
	room_veth();
	cr_expect(strstr(found(k, "tg0").note, "attach again"));
	a = attach(k, "tg0", KERNEL_WANT_AUTO);
	cr_expect_eq(a.mode, KERNEL_MODE_XDP_GENERIC);
	cr_expect_neq(xdp_id("tg0"), 0);
	kernel_close(k);
}

/* From one kind to another nothing of the former stays. */
Test(attach, change_of_kind)
{
	struct kernel_attachment a;
	struct kernel *k;

	room_enter();
	room_veth();
	k = room_open();
	a = attach(k, "tg0", KERNEL_WANT_AUTO);
	a = attach(k, "tg0", KERNEL_WANT_GENERIC);
	cr_expect_eq(a.mode, KERNEL_MODE_XDP_GENERIC);
	a = attach(k, "tg0", KERNEL_WANT_AUTO);
	cr_expect_eq(a.mode, KERNEL_MODE_XDP_GENERIC, "AUTO leaves what holds as it is");
	a = attach(k, "tg0", KERNEL_WANT_TC);
	cr_expect_eq(xdp_id("tg0"), 0);
	cr_expect_eq(access(ROOM_PIN "/links/tg0-tc", F_OK), 0);
	cr_expect_neq(access(ROOM_PIN "/links/tg0-xdp", F_OK), 0);
	a = attach(k, "tg0", KERNEL_WANT_NATIVE);
	cr_expect_eq(a.mode, KERNEL_MODE_XDP_NATIVE);
	cr_expect_neq(access(ROOM_PIN "/links/tg0-tc", F_OK), 0);
	kernel_close(k);
}

/* Kernels before 6.6 have no tcx: a filter in clsact. The qdisc goes with it only when we made it. */
Test(attach, clsact)
{
	struct kernel *k;
	struct err err = {0};

	room_enter();
	room_veth();
	k = room_open();
	RUN("tc", "qdisc", "add", "dev", "tg1", "clsact");
	for (int again = 0; again < 2; again++) {
		for (int i = 0; i < 2; i++) {
			struct attach_at at = {i ? "tg1" : "tg0", if_nametoindex(i ? "tg1" : "tg0")};

			cr_assert_eq(clsact_attach(k, &at, &err), 0, "%s", err.msg);
		}
	}
	kernel_close(k);
	RUN("sh", "-c", "test $(tc filter show dev tg0 ingress | grep -c tg_tc_ingress) = 1");
	RUN("sh", "-c", "test $(tc filter show dev tg1 ingress | grep -c tg_tc_ingress) = 1");
	cr_assert_eq(kernel_open_pinned(ROOM_PIN, &k, &err), 0, "%s", err.msg);
	cr_expect_eq(found(k, "tg0").mode, KERNEL_MODE_TC);
	cr_expect_eq(kernel_detach(k, "tg0", &err), 0, "%s", err.msg);
	kernel_close(k);
	RUN("sh", "-c", "! tc qdisc show dev tg0 | grep -q clsact");
	cr_expect_eq(kernel_detach_all(ROOM_PIN, &err), 0, "%s", err.msg);
	RUN("sh", "-c", "tc qdisc show dev tg1 | grep -q clsact");
	RUN("sh", "-c", "! tc filter show dev tg1 ingress | grep -q .");
}
