/* Keys that the daemon has taught the kernel, by the keyed hash of their text. */
#include "kernel/handle.h"
#include "kernel/walk.h"

#include "tollgate/siphash.h"

#include <errno.h>
#include <string.h>

uint64_t kernel_key_hash(const struct kernel *k, const char *text, size_t len)
{
	return tg_sip13(k->control->sip_key[0], k->control->sip_key[1], text, len);
}

int kernel_key_learn(struct kernel *k, uint64_t hash, const struct tg_key_entry *e, struct err *err)
{
	int fd = k->map_fd[KERNEL_MAP_KEYS];

	if (k->memory)
		return 0;
	if (bpf_map_update_elem(fd, &hash, e, BPF_NOEXIST) == 0) {
		k->used[KERNEL_MAP_KEYS]++;
		return 0;
	}
	if (errno == EEXIST && bpf_map_update_elem(fd, &hash, e, BPF_ANY) == 0)
		return 0;
	if (errno == E2BIG)
		return err_set(err, ERR_FULL, "the kernel knows %u keys already; the daemon alone limits further ones",
			       k->map_max[KERNEL_MAP_KEYS]);
	return err_errno(err, errno, "can't teach the kernel a key");
}

int kernel_key_find(struct kernel *k, uint64_t hash, struct tg_key_entry *ret)
{
	struct tg_key_entry e;

	if (k->memory)
		return ERR_NOT_FOUND;
	if (bpf_map_lookup_elem(k->map_fd[KERNEL_MAP_KEYS], &hash, &e))
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	*ret = e;
	return 0;
}

static bool slot_is(const struct kernel *k, uint32_t subject, uint32_t incarnation)
{
	return subject < TG_SUBJECTS_MAX &&
	       __atomic_load_n(&k->subjects[subject].incarnation, __ATOMIC_ACQUIRE) == incarnation;
}

static bool key_is_stale(const struct kernel *k, const struct tg_key_entry *e)
{
	return !slot_is(k, e->key_subject, e->key_incarnation) || !slot_is(k, e->tenant_subject, e->tenant_incarnation);
}

int kernel_keys_sweep(struct kernel *k, size_t *ret_dropped, struct err *err)
{
	_cleanup_(walk_done) struct walk w = {0};
	size_t dropped = 0;
	int rc = k->memory ? 0 : walk_init(&w, k->map_fd[KERNEL_MAP_KEYS], err);

	if (rc)
		return rc;
	do {
		rc = k->memory ? 0 : walk_next(&w, err);
		if (rc)
			return rc;
		for (uint32_t i = 0; i < w.n; i++) {
			struct tg_key_entry e;

			memcpy(&e, walk_value(&w, i), sizeof(e));
			if (!key_is_stale(k, &e) || bpf_map_delete_elem(k->map_fd[KERNEL_MAP_KEYS], walk_key(&w, i)))
				continue;
			k->used[KERNEL_MAP_KEYS]--;
			dropped++;
		}
	} while (w.n);
	if (ret_dropped)
		*ret_dropped = dropped;
	return 0;
}
