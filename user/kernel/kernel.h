/* The only libbpf room: load, pin, attach, shared arrays, policy swap, lists, statistics, events.
 *
 * Invariants (tests cite them):
 *  K1  What is pinned keeps holding while no daemon runs; opening again finds the same buckets, lists, keys.
 *  K2  A pinned layout of another ABI version is never reinterpreted: ERR_VERSION says both versions and what to do.
 *  K3  There is no moment without a program on an interface during an upgrade: the new program replaces the old one
 *      in its link (bpf_link_update).
 *  K4  kernel_policy_swap is all or nothing: on error the old generation stays in force and what was prepared is
 *      undone. A process that dies in between leaves nothing active of the new one.
 *  K5  The same calls work without a kernel (kernel_open_memory): shared arrays are anonymous memory, lists and
 *      network buckets are not enforced and say ERR_UNSUPPORTED (a policy's lists are passed over).
 *
 * Threads: any may call, but for kernel_policy_swap, kernel_rates_set and kernel_subject_reset, which belong to one
 * control thread, and kernel_events_drain, which belongs to one thread. Callbacks of kernel_list_each and
 * kernel_policy_input may not call list functions. After kernel_open, kernel_attach and kernel_set_ports a process may
 * drop user and capabilities: everything but attaching and detaching goes on working.
 */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include "base/buf.h"
#include "base/err.h"
#include "tollgate/abi.h"

#include <stdbool.h>

struct kernel;

struct kernel_opts {
	const char *pin_dir; /* made when absent; must be on a bpffs, which is mounted when it isn't and we may */
	/* Sizes of maps. Where a pinned map has another size, its content is copied into a new one before the pin moves
	 * (ERR_FULL when it doesn't fit); programs on interfaces use the old one until kernel_attach. */
	unsigned list_entries_max; /* of each: exact IPv4, exact IPv6, IPv4 prefixes, IPv6 prefixes of the block list */
	unsigned net_sources_max;
	unsigned flows_max;
};
#define KERNEL_OPTS_DEFAULT                                                                                            \
	((struct kernel_opts){.pin_dir = "/sys/fs/bpf/tollgate",                                                       \
			      .list_entries_max = 1000000,                                                             \
			      .net_sources_max = 65536,                                                                \
			      .flows_max = 65536})

/* Loads the program, reusing pinned maps of the same layout (K1, K2). Needs CAP_BPF, CAP_NET_ADMIN (root).
 * ERR_PERM, ERR_UNSUPPORTED (no BTF, kernel too old), ERR_VERSION: the message says what to do. */
int kernel_open(const struct kernel_opts *opts, struct kernel **ret, struct err *err) MUST_CHECK;
/* For tollctl while the daemon is down: only what is pinned, nothing is loaded. ERR_NOT_FOUND when nothing is. */
int kernel_open_pinned(const char *pin_dir, struct kernel **ret, struct err *err) MUST_CHECK;
/* --no-kernel. Keys and answers are accepted and lead nowhere. */
int kernel_open_memory(struct kernel **ret, struct err *err) MUST_CHECK;
bool kernel_is_memory(const struct kernel *k);
/* Leaves programs, links and maps pinned. */
void kernel_close(struct kernel *k);

enum kernel_mode { KERNEL_MODE_NONE, KERNEL_MODE_XDP_NATIVE, KERNEL_MODE_XDP_GENERIC, KERNEL_MODE_TC };
enum kernel_want { KERNEL_WANT_AUTO, KERNEL_WANT_NATIVE, KERNEL_WANT_GENERIC, KERNEL_WANT_TC };
struct kernel_attachment {
	char ifname[16];
	unsigned ifindex;
	enum kernel_mode mode;
	char note[256]; /* what whoever asked for it should know: why AUTO did not take native, or what native needs; ""
			   else */
};
/* Attaches to an interface or replaces the program there (K3), pins the link. */
int kernel_attach(struct kernel *k, const char *ifname, enum kernel_want want, struct kernel_attachment *ret,
		  struct err *err) MUST_CHECK;
int kernel_detach(struct kernel *k, const char *ifname, struct err *err) MUST_CHECK;
/* All links, then all pins: nothing is left. Works with a layout of another version too (for upgrades). */
int kernel_detach_all(const char *pin_dir, struct err *err) MUST_CHECK;
typedef int (*kernel_attachment_cb)(const struct kernel_attachment *a, void *arg);
int kernel_attachments(struct kernel *k, kernel_attachment_cb cb, void *arg, struct err *err) MUST_CHECK;

/* ---- shared memory; valid until kernel_close */
struct tg_control *kernel_control(struct kernel *k);
struct tg_bucket_block *kernel_buckets(struct kernel *k);            /* [TG_SUBJECTS_MAX] */
struct tg_rate_block *kernel_rates(struct kernel *k, unsigned bank); /* subjects that have been given rules here */
struct tg_subject *kernel_subjects(struct kernel *k);                /* [TG_SUBJECTS_MAX] */
struct tg_route_state *kernel_routes(struct kernel *k);              /* [TG_DIM_COUNT] */
uint64_t *kernel_idle(struct kernel *k);                             /* [TG_IDLE_MAX]; NULL in memory mode */

/* Guarded ports, host order; at most TG_PORTS_MAX of each. */
int kernel_set_ports(struct kernel *k, const uint16_t *plain, size_t n_plain, const uint16_t *tls, size_t n_tls,
		     struct err *err) MUST_CHECK;
int kernel_set_answer(struct kernel *k, unsigned index, const struct tg_answer *a, struct err *err) MUST_CHECK;
void kernel_set_armed(struct kernel *k, bool armed);

/* ---- keys */
uint64_t kernel_key_hash(const struct kernel *k, const char *text, size_t len); /* SipHash-1-3 under the boot secret */
int kernel_key_learn(struct kernel *k, uint64_t hash, const struct tg_key_entry *e, struct err *err) MUST_CHECK;
int kernel_key_find(struct kernel *k, uint64_t hash, struct tg_key_entry *ret) MUST_CHECK;
/* Drops entries whose incarnations are stale (A5). */
int kernel_keys_sweep(struct kernel *k, size_t *ret_dropped, struct err *err) MUST_CHECK;

/* ---- lists */
struct kernel_cidr {
	bool v6;
	uint8_t prefix_len;
	uint32_t addr[4]; /* network order; IPv4 in addr[0] */
};
enum kernel_list { KERNEL_LIST_ALLOW, KERNEL_LIST_BLOCK };
struct kernel_list_entry {
	struct kernel_cidr cidr;
	uint64_t expires_ns; /* CLOCK_MONOTONIC; TG_LIST_NEVER; 0 = no dynamic half */
	bool in_policy;
	uint16_t reason;
	uint8_t source;
};
/* Sets the dynamic half of n entries (batched). ERR_FULL names how many went in. */
int kernel_list_put(struct kernel *k, enum kernel_list list, const struct kernel_list_entry *e, size_t n,
		    size_t *ret_done, struct err *err) MUST_CHECK;
/* Removes the dynamic half. ERR_NOT_FOUND when it had none. */
int kernel_list_del(struct kernel *k, enum kernel_list list, const struct kernel_cidr *c, struct err *err) MUST_CHECK;
typedef int (*kernel_list_cb)(enum kernel_list list, const struct kernel_list_entry *e, void *arg);
int kernel_list_each(struct kernel *k, enum kernel_list list, kernel_list_cb cb, void *arg, struct err *err) MUST_CHECK;
/* What a source address would meet: ERR_NOT_FOUND or the active entry (longest match). */
int kernel_list_match(struct kernel *k, enum kernel_list list, const struct kernel_cidr *addr,
		      struct kernel_list_entry *ret) MUST_CHECK;
/* Removes expired entries; call every second or so. */
int kernel_list_sweep(struct kernel *k, uint64_t now_ns, size_t *ret_removed, struct err *err) MUST_CHECK;
struct kernel_fill {
	const char *map;
	uint64_t used, max;
};
/* n_ret in: room, out: filled. */
int kernel_fill(struct kernel *k, struct kernel_fill *ret, size_t *n_ret, struct err *err) MUST_CHECK;

/* ---- policy swap (A2, A3, K4) */
struct kernel_policy_input {
	struct tg_policy policy;
	/* Fills one subject's rules; called for 0 .. n_subjects-1 on the caller's thread. */
	void (*rates)(uint32_t subject, struct tg_rate_block *ret, void *arg);
	void *arg;
	uint32_t n_subjects;
	const struct kernel_cidr *allow, *block; /* with reason per entry, may be NULL */
	const uint16_t *block_reason;
	size_t n_allow, n_block;
	/* Called with the new generation right before and right after the generation word flips (which of them the word
	 * tells), so that the daemon publishes its snapshot of the same generation; may be NULL. It can't fail:
	 * whatever can go wrong has to have been done before kernel_policy_swap. */
	void (*publish)(uint32_t generation, void *arg);
};
int kernel_policy_swap(struct kernel *k, const struct kernel_policy_input *in, uint32_t *ret_generation,
		       struct err *err) MUST_CHECK;
/* Rewrites one subject's rules in the active bank (a new tenant or key under the policy in force). */
int kernel_rates_set(struct kernel *k, uint32_t subject, const struct tg_rate_block *r, struct err *err) MUST_CHECK;
/* A slot gets a new owner: bucket emptied of history, flags cleared, incarnation set (A5). */
void kernel_subject_reset(struct kernel *k, uint32_t subject, uint32_t incarnation);
void kernel_subject_flags(struct kernel *k, uint32_t subject, uint32_t flags);

/* ---- statistics */
struct kernel_stats {
	struct tg_stat by[TG_VERDICT_COUNT][TG_REASON_COUNT]; /* summed over CPUs */
	struct tg_health health;
};
int kernel_stats(struct kernel *k, struct kernel_stats *ret, struct err *err) MUST_CHECK;
int kernel_slot_stats(struct kernel *k, uint32_t subject, struct tg_slot_stat *ret, struct err *err) MUST_CHECK;
/* A source's network buckets for scope SOURCE or AGGREGATE; ERR_NOT_FOUND when idle. */
int kernel_net_state(struct kernel *k, const struct tg_net_key *key, struct tg_net_value *ret) MUST_CHECK;

/* ---- events: an fd for epoll and a drain */
typedef void (*kernel_event_cb)(const struct tg_event *e, void *arg);
int kernel_events_fd(struct kernel *k);
int kernel_events_drain(struct kernel *k, kernel_event_cb cb, void *arg);

#endif
