/* Every map of the kernel program, as the table at the end of tollgate/abi.h names them. Sizes marked "user" are set by
 * user space before loading. */
#ifndef BPF_MAPS_H
#define BPF_MAPS_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "tollgate/abi.h"

#define TG_MAP(name, map_type, entries, key_t, value_t, flags)                                                         \
	struct {                                                                                                       \
		__uint(type, map_type);                                                                                \
		__uint(max_entries, entries);                                                                          \
		__uint(map_flags, flags);                                                                              \
		__type(key, key_t);                                                                                    \
		__type(value, value_t);                                                                                \
	} name SEC(".maps")

TG_MAP(tg_control, BPF_MAP_TYPE_ARRAY, 1, __u32, struct tg_control, BPF_F_MMAPABLE);
TG_MAP(tg_policy, BPF_MAP_TYPE_ARRAY, 2, __u32, struct tg_policy, 0);
TG_MAP(tg_buckets, BPF_MAP_TYPE_ARRAY, TG_SUBJECTS_MAX, __u32, struct tg_bucket_block, BPF_F_MMAPABLE);
TG_MAP(tg_rates, BPF_MAP_TYPE_ARRAY, 2 * TG_SUBJECTS_MAX, __u32, struct tg_rate_block, BPF_F_MMAPABLE);
TG_MAP(tg_subjects, BPF_MAP_TYPE_ARRAY, TG_SUBJECTS_MAX, __u32, struct tg_subject, BPF_F_MMAPABLE);
TG_MAP(tg_routes, BPF_MAP_TYPE_ARRAY, TG_DIM_COUNT, __u32, struct tg_route_state, BPF_F_MMAPABLE);
TG_MAP(tg_keys, BPF_MAP_TYPE_HASH, TG_SUBJECTS_MAX, __u64, struct tg_key_entry, BPF_F_NO_PREALLOC);
TG_MAP(tg_net_state, BPF_MAP_TYPE_LRU_HASH, 65536 /* user */, struct tg_net_key, struct tg_net_value, 0);
TG_MAP(tg_net_all, BPF_MAP_TYPE_ARRAY, 1, __u32, struct tg_net_value, 0);

TG_MAP(tg_block4, BPF_MAP_TYPE_HASH, 1000000 /* user */, __u32, struct tg_list_value, BPF_F_NO_PREALLOC);
TG_MAP(tg_block6, BPF_MAP_TYPE_HASH, 1000000 /* user */, struct in6_addr, struct tg_list_value, BPF_F_NO_PREALLOC);
TG_MAP(tg_block_net4, BPF_MAP_TYPE_LPM_TRIE, 1000000 /* user */, struct tg_lpm4, struct tg_list_value,
       BPF_F_NO_PREALLOC);
TG_MAP(tg_block_net6, BPF_MAP_TYPE_LPM_TRIE, 1000000 /* user */, struct tg_lpm6, struct tg_list_value,
       BPF_F_NO_PREALLOC);
TG_MAP(tg_allow_net4, BPF_MAP_TYPE_LPM_TRIE, 65536, struct tg_lpm4, struct tg_list_value, BPF_F_NO_PREALLOC);
TG_MAP(tg_allow_net6, BPF_MAP_TYPE_LPM_TRIE, 65536, struct tg_lpm6, struct tg_list_value, BPF_F_NO_PREALLOC);

TG_MAP(tg_answers, BPF_MAP_TYPE_ARRAY, TG_ANSWERS_MAX, __u32, struct tg_answer, 0);
TG_MAP(tg_stats, BPF_MAP_TYPE_PERCPU_ARRAY, TG_VERDICT_COUNT *TG_STATS_STRIDE, __u32, struct tg_stat, 0);
TG_MAP(tg_slot_stats, BPF_MAP_TYPE_PERCPU_ARRAY, TG_SUBJECTS_MAX, __u32, struct tg_slot_stat, 0);
TG_MAP(tg_health, BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, struct tg_health, 0);
TG_MAP(tg_idle, BPF_MAP_TYPE_ARRAY, TG_IDLE_MAX, __u32, __u64, BPF_F_MMAPABLE);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} tg_events SEC(".maps");

#endif
