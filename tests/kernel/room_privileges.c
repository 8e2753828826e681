/* Goal: after set-up the daemon gives up user and capabilities, and everything but attaching goes on working;
 * statistics and events as such. Method: a child drops to nobody with no capabilities and no-new-privs, and makes the
 * calls; its exit status names the first that failed. */
#include "room.h"

#include "base/clock.h"
#include "kernel/handle.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void drop_privileges(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	cr_assert_eq(setgroups(0, NULL), 0);
	cr_assert_eq(setresgid(65534, 65534, 65534), 0);
	cr_assert_eq(setresuid(65534, 65534, 65534), 0);
	cr_assert_eq(syscall(SYS_capset, &head, none), 0);
	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
}

static int count_attachment(const struct kernel_attachment *a, void *arg)
{
	*(int *)arg += a->mode == KERNEL_MODE_XDP_GENERIC;
	return 0;
}

Test(privileges, none_left)
{
	struct tg_key_entry key = {1, 2, 3, 4};
	struct kernel_cidr block = room_cidr("192.0.2.0/24");
	struct tg_answer answer = {.len = 2};
	struct kernel_attachment a;
	struct kernel_stats stats;
	struct tg_slot_stat slot;
	struct tg_net_key net = {.scope = TG_NET_SOURCE};
	struct tg_net_value value;
	struct room_policy p;
	struct kernel *k;
	struct err err = {0};
	uint32_t generation;
	uint16_t port = 8080;
	size_t n = 0;
	int attached = 0;

	room_enter();
	room_veth();
	k = room_open();
	cr_assert_eq(kernel_attach(k, "tg0", KERNEL_WANT_AUTO, &a, &err), 0, "%s", err.msg);
	drop_privileges();
	cr_assert_neq(setuid(0), 0);

	kernel_set_armed(k, true);
	cr_expect_eq(kernel_set_ports(k, &port, 1, NULL, 0, &err), 0, "%s", err.msg);
	cr_expect_eq(kernel_set_answer(k, tg_answer_index(TG_DIALECT_OPENAI, 3), &answer, &err), 0, "%s", err.msg);
	cr_expect_eq(kernel_set_answer(k, TG_ANSWERS_MAX, &answer, &err), ERR_RANGE);
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.1", 1);
	room_put(k, KERNEL_LIST_ALLOW, "2001:db8::/32", 0);
	cr_expect_eq(kernel_list_sweep(k, clock_mono_ns() + 1, &n, &err), 0, "%s", err.msg);
	cr_expect_eq(n, 1);
	room_policy_init(&p, k, 1, 100);
	p.in.block = &block;
	p.in.n_block = 1;
	for (int i = 0; i < 3; i++)
		cr_expect_eq(kernel_policy_swap(k, &p.in, &generation, &err), 0, "%s", err.msg);
	cr_expect(room_listed(k, KERNEL_LIST_BLOCK, "192.0.2.9"));
	cr_expect_eq(kernel_key_learn(k, 99, &key, &err), 0, "%s", err.msg);
	cr_expect_eq(kernel_key_find(k, 99, &key), 0);
	cr_expect_eq(kernel_keys_sweep(k, &n, &err), 0, "%s", err.msg);
	cr_expect_eq(kernel_stats(k, &stats, &err), 0, "%s", err.msg);
	cr_expect_eq(kernel_slot_stats(k, 1, &slot, &err), 0, "%s", err.msg);
	cr_expect_eq(kernel_net_state(k, &net, &value), ERR_NOT_FOUND);
	cr_expect_eq(room_used(k, "tg_net_state"), 0);
	cr_expect_geq(kernel_events_drain(k, NULL, NULL), 0);
	cr_expect_eq(kernel_attachments(k, count_attachment, &attached, &err), 0);
	cr_expect_eq(attached, 1);
	/* and what it may not do says so */
	cr_expect_eq(kernel_attach(k, "tg1", KERNEL_WANT_AUTO, &a, &err), ERR_PERM);
	cr_expect(strstr(err.msg, "permit") || strstr(err.msg, "Permission"), "%s", err.msg);
	kernel_close(k);
}

/* Per-CPU values are summed, each verdict in its own place. */
Test(stats, summed_over_cpus)
{
	struct tg_stat *cpus;
	struct tg_health *health;
	struct tg_slot_stat *slots;
	struct kernel_stats stats;
	struct tg_slot_stat slot;
	struct kernel *k;
	struct err err = {0};
	uint32_t at = TG_VERDICT_DROP * TG_STATS_STRIDE + TG_REASON_BLOCK_LIST, zero = 0, subject = 17;
	uint64_t want = 0;

	room_enter();
	k = room_open();
	cpus = calloc(k->n_cpus, sizeof(*cpus));
	health = calloc(k->n_cpus, sizeof(*health));
	slots = calloc(k->n_cpus, sizeof(*slots));
	for (unsigned c = 0; c < k->n_cpus; c++) {
		cpus[c] = (struct tg_stat){c + 1, 100 * (c + 1)};
		health[c].events_lost = c + 1;
		slots[c].answered = c + 1;
		want += c + 1;
	}
	cr_assert_eq(bpf_map_update_elem(k->map_fd[KERNEL_MAP_STATS], &at, cpus, BPF_ANY), 0);
	cr_assert_eq(bpf_map_update_elem(k->map_fd[KERNEL_MAP_HEALTH], &zero, health, BPF_ANY), 0);
	cr_assert_eq(bpf_map_update_elem(k->map_fd[KERNEL_MAP_SLOT_STATS], &subject, slots, BPF_ANY), 0);
	cr_assert_eq(kernel_stats(k, &stats, &err), 0, "%s", err.msg);
	cr_assert_eq(kernel_slot_stats(k, subject, &slot, &err), 0, "%s", err.msg);
	cr_expect_eq(kernel_slot_stats(k, TG_SUBJECTS_MAX, &slot, &err), ERR_RANGE);
	for (unsigned v = 0; v < TG_VERDICT_COUNT; v++) {
		for (unsigned r = 0; r < TG_REASON_COUNT; r++) {
			bool here = v == TG_VERDICT_DROP && r == TG_REASON_BLOCK_LIST;

			cr_expect_eq(stats.by[v][r].packets, here ? want : 0, "%u/%u", v, r);
			cr_expect_eq(stats.by[v][r].bytes, here ? 100 * want : 0, "%u/%u", v, r);
		}
	}
	cr_expect_eq(stats.health.events_lost, want);
	cr_expect_eq(slot.answered, want);
	kernel_close(k);
	free(cpus);
	free(health);
	free(slots);
}

/* The kernel fills tg_net_state by itself: its count comes from a census, and is not taken at every call. */
Test(stats, census_of_sources)
{
	struct tg_net_value v = {.tat_ns = {1, 2, 3}}, found;
	struct tg_net_key key = {.scope = TG_NET_SOURCE};
	struct kernel *k;

	room_enter();
	k = room_open();
	for (uint32_t i = 0; i < 100; i++) {
		key.addr[3] = i;
		cr_assert_eq(bpf_map_update_elem(k->map_fd[KERNEL_MAP_NET_STATE], &key, &v, BPF_ANY), 0);
	}
	cr_expect_eq(room_used(k, "tg_net_state"), 100);
	cr_expect_eq(kernel_net_state(k, &key, &found), 0);
	cr_expect_eq(found.tat_ns[TG_NET_CONNS], 3);
	k->census[KERNEL_MAP_NET_STATE].counted_ns = UINT64_MAX / 2; /* just now, for a long time */
	k->census[KERNEL_MAP_NET_STATE].cost_ns = 0;
	k->census[KERNEL_MAP_NET_STATE].counted_ns = 0;
	cr_expect_eq(room_used(k, "tg_net_state"), 100);
	kernel_close(k);
}
