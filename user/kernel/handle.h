/* What the files of this room share: the handle and the table of maps. Nobody else includes it. */
#ifndef KERNEL_HANDLE_H
#define KERNEL_HANDLE_H

#include "kernel/cidr.h"
#include "kernel/expiry.h"
#include "kernel/kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>
#include <stdatomic.h>

/* Who says how many entries a map has. */
enum kernel_size {
	KERNEL_SIZE_FIXED, /* the program */
	KERNEL_SIZE_LISTS, /* kernel_opts; a pinned map of another size is copied into a new one */
	KERNEL_SIZE_SOURCES,
	KERNEL_SIZE_FLOWS,
};

/* Maps that user space touches. X(SYMBOL, "name", SIZE) */
#define KERNEL_MAPS(X)                                                                                                 \
	X(CONTROL, "tg_control", FIXED)                                                                                \
	X(POLICY, "tg_policy", FIXED)                                                                                  \
	X(BUCKETS, "tg_buckets", FIXED)                                                                                \
	X(RATES, "tg_rates", FIXED)                                                                                    \
	X(SUBJECTS, "tg_subjects", FIXED)                                                                              \
	X(ROUTES, "tg_routes", FIXED)                                                                                  \
	X(KEYS, "tg_keys", FIXED)                                                                                      \
	X(NET_STATE, "tg_net_state", SOURCES)                                                                          \
	X(BLOCK4, "tg_block4", LISTS)                                                                                  \
	X(BLOCK6, "tg_block6", LISTS)                                                                                  \
	X(BLOCK_NET4, "tg_block_net4", LISTS)                                                                          \
	X(BLOCK_NET6, "tg_block_net6", LISTS)                                                                          \
	X(ALLOW_NET4, "tg_allow_net4", FIXED)                                                                          \
	X(ALLOW_NET6, "tg_allow_net6", FIXED)                                                                          \
	X(ANSWERS, "tg_answers", FIXED)                                                                                \
	X(FLOWS, "tg_flows", FLOWS)                                                                                    \
	X(STATS, "tg_stats", FIXED)                                                                                    \
	X(SLOT_STATS, "tg_slot_stats", FIXED)                                                                          \
	X(HEALTH, "tg_health", FIXED)                                                                                  \
	X(EVENTS, "tg_events", FIXED)                                                                                  \
	X(IDLE, "tg_idle", FIXED)

enum kernel_map {
#define X(sym, name, size) KERNEL_MAP_##sym,
	KERNEL_MAPS(X)
#undef X
		KERNEL_MAP_COUNT,
};

struct kernel_map_row {
	const char *name;
	enum kernel_size size;
};
extern const struct kernel_map_row kernel_map_table[KERNEL_MAP_COUNT];
/* NULL when user space doesn't touch that map. */
const struct kernel_map_row *kernel_map_row(const char *name);

#define KERNEL_ATTACHMENTS_MAX 64

struct kernel {
	bool memory;
	char *pin_dir;
	int map_fd[KERNEL_MAP_COUNT]; /* -1: the program has no such map */
	uint32_t map_max[KERNEL_MAP_COUNT];
	int xdp_fd, tc_fd; /* programs; -1 unless kernel_open loaded them */
	unsigned n_cpus;   /* possible, as per-CPU values count them */

	/* shared arrays */
	struct tg_control *control;
	struct tg_bucket_block *buckets;
	struct tg_rate_block *rates;
	struct tg_subject *subjects;
	struct tg_route_state *routes;
	uint64_t *idle;
	uint32_t rates_used[2]; /* subjects from here on have no rules in that bank, or only those of slots given back */
	uint32_t rates_reach;   /* subjects whose rules are mapped, in both banks */
	bool grace_owed;        /* packets may still read the inactive bank (A3) */

	/* Lists. The lock makes read-modify-write of entries and counts one step among the daemon's threads; the kernel
	 * program only reads entries. */
	pthread_mutex_t lists_lock;
	_Atomic uint64_t used[KERNEL_MAP_COUNT]; /* entries, where only user space adds and removes */
	struct expiry_heap expiry;

	/* The kernel adds and removes here by itself, so these are counted now and then (stats.c). */
	struct {
		uint64_t used, counted_ns, cost_ns;
	} census[KERNEL_MAP_COUNT];
	pthread_mutex_t census_lock;

	struct ring_buffer *ring;
	struct event_sink {
		kernel_event_cb cb;
		void *arg;
	} sink;

	pthread_mutex_t attachments_lock;
	struct kernel_attachment attachments[KERNEL_ATTACHMENTS_MAX];
	size_t n_attachments;
};

/* arrays.c */
int arrays_map(struct kernel *k, struct err *err) MUST_CHECK;
int arrays_map_memory(struct kernel *k, struct err *err) MUST_CHECK;
void arrays_unmap(struct kernel *k);
/* Maps the rules of subjects 0 .. n_subjects-1 in both banks. */
int rates_reach(struct kernel *k, uint32_t n_subjects, struct err *err) MUST_CHECK;

/* lists.c: counts entries and keys, and sets the counters that the kernel reads */
int lists_count(struct kernel *k, struct err *err) MUST_CHECK;

/* attach.c: learns what is attached from the pinned links */
int attach_scan(struct kernel *k, struct err *err) MUST_CHECK;

/* events.c */
int events_open(struct kernel *k, struct err *err) MUST_CHECK;

/* policy.c: waits until every packet that may read an old bank or entry has left */
void policy_wait_grace(void);

static inline uint32_t kernel_generation(const struct kernel *k)
{
	return __atomic_load_n(&k->control->generation, __ATOMIC_ACQUIRE);
}

static inline int kernel_refuse_memory(const struct kernel *k, const char *what, struct err *err)
{
	if (!k->memory)
		return 0;
	return err_set(err, ERR_UNSUPPORTED, "%s needs the kernel program, and this gateway runs without it", what);
}

#endif
