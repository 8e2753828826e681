/* One list entry in its map: which map, which key, and writing many of them. Callers hold lists_lock. */
#ifndef KERNEL_ENTRIES_H
#define KERNEL_ENTRIES_H

#include "kernel/handle.h"

static inline void lists_unlockp(pthread_mutex_t **m)
{
	pthread_mutex_unlock(*m);
}

static inline pthread_mutex_t *lists_lock(struct kernel *k)
{
	pthread_mutex_lock(&k->lists_lock);
	return &k->lists_lock;
}

/* Until the end of the block. */
#define LISTS_LOCKED(k) _cleanup_(lists_unlockp) __attribute__((unused)) pthread_mutex_t *locked_ = lists_lock(k)

/* Whole addresses of the block list sit in a hash, everything else in a trie. */
enum kernel_map entry_map(enum kernel_list list, const struct kernel_cidr *c);
/* The maps of a list; returns how many. */
#define ENTRY_MAPS_MAX 4
size_t entry_maps(enum kernel_list list, enum kernel_map ret[ENTRY_MAPS_MAX]);
void entry_key(union cidr_key *key, enum kernel_map map, const struct kernel_cidr *c);
void entry_cidr(struct kernel_cidr *c, enum kernel_map map, const void *key);

static inline bool entry_in_policy(const struct tg_list_value *v, uint32_t generation)
{
	return v->gen_from <= generation && generation < v->gen_to;
}

/* This very prefix, not a shorter one that covers it. ERR_NOT_FOUND, ERR_IO. */
int entry_read(struct kernel *k, enum kernel_map map, const struct kernel_cidr *c,
	       struct tg_list_value *ret) MUST_CHECK;
/* `fresh`: the entry isn't in the map yet. */
int entry_write(struct kernel *k, enum kernel_map map, const struct kernel_cidr *c, const struct tg_list_value *v,
		bool fresh, struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND when it isn't there. */
int entry_delete(struct kernel *k, enum kernel_map map, const struct kernel_cidr *c, struct err *err) MUST_CHECK;
/* Moves the count of a map, and the counts that let the kernel skip a look-up: raised before an entry comes, lowered
 * after it went. */
void entry_count(struct kernel *k, enum kernel_map map, int64_t by);

/* After every change of a list map (A6). What is in this header does it by itself. */
void entry_changed(struct kernel *k);

/* Every entry of a list, active or not; nothing may be deleted meanwhile (walk.h). */
typedef int (*entry_cb)(struct kernel *k, enum kernel_list list, enum kernel_map map, const struct kernel_cidr *c,
			const struct tg_list_value *v, void *arg);
int entry_each(struct kernel *k, enum kernel_list list, entry_cb cb, void *arg, struct err *err) MUST_CHECK;

/* Writes or deletes in batches, one per map: a system call per entry would cost more than the entry. */
struct entry_writer {
	struct kernel *k;
	bool deletes;
	struct entry_batch {
		char *keys;
		struct tg_list_value *values;
		bool *fresh;
		uint32_t n;
	} batch[KERNEL_MAP_COUNT];
	size_t done; /* entries that are in the kernel, or gone from it */
};
int writer_put(struct entry_writer *w, enum kernel_map map, const struct kernel_cidr *c, const struct tg_list_value *v,
	       bool fresh, struct err *err) MUST_CHECK;
/* Of a writer with `deletes`. An entry that isn't there is passed over. */
int writer_delete(struct entry_writer *w, enum kernel_map map, const struct kernel_cidr *c, struct err *err) MUST_CHECK;
int writer_flush(struct entry_writer *w, struct err *err) MUST_CHECK;
void writer_done(struct entry_writer *w);

#endif
