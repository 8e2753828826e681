#include "kernel/entries.h"

#include "kernel/walk.h"

#include <errno.h>
#include <string.h>

#define WRITER_BATCH 4096u
/* The kernel's allocator for map entries refills itself in the background and may be empty for a moment. */
#define ENOMEM_TRIES 20
#define ENOMEM_WAIT_NS 1000000

size_t entry_maps(enum kernel_list list, enum kernel_map ret[ENTRY_MAPS_MAX])
{
	static const enum kernel_map allow[] = {KERNEL_MAP_ALLOW_NET4, KERNEL_MAP_ALLOW_NET6};
	static const enum kernel_map block[] = {KERNEL_MAP_BLOCK4, KERNEL_MAP_BLOCK6, KERNEL_MAP_BLOCK_NET4,
						KERNEL_MAP_BLOCK_NET6};

	if (list == KERNEL_LIST_ALLOW) {
		memcpy(ret, allow, sizeof(allow));
		return ARRAY_SIZE(allow);
	}
	memcpy(ret, block, sizeof(block));
	return ARRAY_SIZE(block);
}

enum kernel_map entry_map(enum kernel_list list, const struct kernel_cidr *c)
{
	if (list == KERNEL_LIST_ALLOW)
		return c->v6 ? KERNEL_MAP_ALLOW_NET6 : KERNEL_MAP_ALLOW_NET4;
	if (c->v6)
		return c->prefix_len == 128 ? KERNEL_MAP_BLOCK6 : KERNEL_MAP_BLOCK_NET6;
	return c->prefix_len == 32 ? KERNEL_MAP_BLOCK4 : KERNEL_MAP_BLOCK_NET4;
}

void entry_key(union cidr_key *key, enum kernel_map map, const struct kernel_cidr *c)
{
	switch (map) {
	case KERNEL_MAP_BLOCK4:
		key->addr4 = c->addr[0];
		break;
	case KERNEL_MAP_BLOCK6:
		memcpy(key->addr6, c->addr, sizeof(key->addr6));
		break;
	case KERNEL_MAP_BLOCK_NET4:
	case KERNEL_MAP_ALLOW_NET4:
		key->lpm4 = (struct tg_lpm4){c->prefix_len, c->addr[0]};
		break;
	default:
		key->lpm6.prefix_len = c->prefix_len;
		memcpy(key->lpm6.addr, c->addr, sizeof(key->lpm6.addr));
	}
}

static size_t entry_key_size(enum kernel_map map)
{
	switch (map) {
	case KERNEL_MAP_BLOCK4:
		return sizeof(__u32);
	case KERNEL_MAP_BLOCK6:
		return sizeof(__u32[4]);
	case KERNEL_MAP_BLOCK_NET4:
	case KERNEL_MAP_ALLOW_NET4:
		return sizeof(struct tg_lpm4);
	default:
		return sizeof(struct tg_lpm6);
	}
}

void entry_cidr(struct kernel_cidr *c, enum kernel_map map, const void *key)
{
	const union cidr_key *u = key;

	*c = (struct kernel_cidr){.v6 = false};
	switch (map) {
	case KERNEL_MAP_BLOCK4:
		memcpy(&c->addr[0], key, sizeof(__u32));
		c->prefix_len = 32;
		break;
	case KERNEL_MAP_BLOCK6:
		memcpy(c->addr, key, sizeof(c->addr));
		c->v6 = true;
		c->prefix_len = 128;
		break;
	case KERNEL_MAP_BLOCK_NET4:
	case KERNEL_MAP_ALLOW_NET4:
		c->addr[0] = u->lpm4.addr;
		c->prefix_len = (uint8_t)u->lpm4.prefix_len;
		break;
	default:
		memcpy(c->addr, u->lpm6.addr, sizeof(c->addr));
		c->v6 = true;
		c->prefix_len = (uint8_t)u->lpm6.prefix_len;
	}
}

int entry_read(struct kernel *k, enum kernel_map map, const struct kernel_cidr *c, struct tg_list_value *ret)
{
	struct tg_list_value v;
	union cidr_key key;

	entry_key(&key, map, c);
	if (bpf_map_lookup_elem(k->map_fd[map], &key, &v))
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	if (v.prefix_len != c->prefix_len) /* a trie answers with what covers it */
		return ERR_NOT_FOUND;
	*ret = v;
	return 0;
}

void entry_count(struct kernel *k, enum kernel_map map, int64_t by)
{
	k->used[map] += (uint64_t)by;
	switch (map) {
	case KERNEL_MAP_ALLOW_NET4:
	case KERNEL_MAP_ALLOW_NET6:
		__atomic_fetch_add(&k->control->have_allow, (uint32_t)by, __ATOMIC_SEQ_CST);
		break;
	case KERNEL_MAP_BLOCK4:
	case KERNEL_MAP_BLOCK6:
		__atomic_fetch_add(&k->control->have_block, (uint32_t)by, __ATOMIC_SEQ_CST);
		break;
	case KERNEL_MAP_BLOCK_NET4:
	case KERNEL_MAP_BLOCK_NET6:
		__atomic_fetch_add(&k->control->have_block_net, (uint32_t)by, __ATOMIC_SEQ_CST);
		break;
	default:
		break;
	}
}

void entry_changed(struct kernel *k)
{
	__atomic_fetch_add(&k->control->list_epoch, 1, __ATOMIC_SEQ_CST);
}

static int write_failed(struct kernel *k, enum kernel_map map, int errnum, struct err *err)
{
	if (errnum == E2BIG || errnum == ENOSPC)
		return err_set(err, ERR_FULL,
			       "map %s is full (%u entries): allow more in the configuration, or remove some",
			       kernel_map_table[map].name, k->map_max[map]);
	return err_errno(err, errnum, "can't write to map %s", kernel_map_table[map].name);
}

int entry_write(struct kernel *k, enum kernel_map map, const struct kernel_cidr *c, const struct tg_list_value *v,
		bool fresh, struct err *err)
{
	union cidr_key key;

	entry_key(&key, map, c);
	if (fresh)
		entry_count(k, map, 1);
	if (bpf_map_update_elem(k->map_fd[map], &key, v, BPF_ANY)) {
		if (fresh)
			entry_count(k, map, -1);
		return write_failed(k, map, errno, err);
	}
	entry_changed(k);
	return 0;
}

int entry_delete(struct kernel *k, enum kernel_map map, const struct kernel_cidr *c, struct err *err)
{
	union cidr_key key;

	entry_key(&key, map, c);
	if (bpf_map_delete_elem(k->map_fd[map], &key))
		return err_errno(err, errno, "can't delete from map %s", kernel_map_table[map].name);
	entry_changed(k);
	entry_count(k, map, -1);
	return 0;
}

/* ---- reading all */

static int each_of_map(struct kernel *k, enum kernel_list list, enum kernel_map map, entry_cb cb, void *arg,
		       struct err *err)
{
	_cleanup_(walk_done) struct walk w = {0};
	int rc = k->used[map] ? walk_init(&w, k->map_fd[map], err) : 0;

	if (rc || !k->used[map])
		return rc;
	do {
		rc = walk_next(&w, err);
		for (uint32_t i = 0; rc == 0 && i < w.n; i++) {
			struct tg_list_value v;
			struct kernel_cidr c;

			memcpy(&v, walk_value(&w, i), sizeof(v));
			entry_cidr(&c, map, walk_key(&w, i));
			rc = cb(k, list, map, &c, &v, arg);
		}
	} while (rc == 0 && w.n);
	return rc;
}

int entry_each(struct kernel *k, enum kernel_list list, entry_cb cb, void *arg, struct err *err)
{
	enum kernel_map maps[ENTRY_MAPS_MAX];
	size_t n = entry_maps(list, maps);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = each_of_map(k, list, maps[i], cb, arg, err);
	return rc;
}

/* ---- batches */

static uint32_t count_fresh(const struct entry_batch *b, uint32_t from)
{
	uint32_t n = 0;

	for (uint32_t i = from; i < b->n; i++)
		n += b->fresh[i];
	return n;
}

/* How many of n a batch command did. When it fails before its loop it leaves the count as it was given. */
static uint32_t batch_did(uint32_t asked, uint32_t told, int errnum)
{
	return errnum && told >= asked ? 0 : told;
}

/* As many as the kernel takes from `at` on; 0 or an errno. */
static int batch_write(struct entry_writer *w, enum kernel_map map, uint32_t *at)
{
	struct entry_batch *b = &w->batch[map];
	uint32_t asked = b->n - *at, n = asked;
	int errnum = 0;

	if (bpf_map_update_batch(w->k->map_fd[map], b->keys + *at * entry_key_size(map), b->values + *at, &n, NULL))
		errnum = errno;
	*at += batch_did(asked, n, errnum);
	return errnum;
}

static int batch_put(struct entry_writer *w, enum kernel_map map, struct err *err)
{
	struct entry_batch *b = &w->batch[map];
	int tries = 0, errnum = 0;
	uint32_t at = 0;

	entry_count(w->k, map, count_fresh(b, 0));
	while (at < b->n && tries < ENOMEM_TRIES) {
		uint32_t before = at;

		errnum = batch_write(w, map, &at);
		if (errnum && errnum != ENOMEM && errnum != EINTR && errnum != EAGAIN)
			break;
		tries = at > before ? 0 : tries + 1;
		if (errnum == ENOMEM)
			nanosleep(&(struct timespec){.tv_nsec = ENOMEM_WAIT_NS}, NULL);
	}
	entry_changed(w->k);
	w->done += at;
	if (at == b->n)
		return 0;
	entry_count(w->k, map, -(int64_t)count_fresh(b, at));
	return write_failed(w->k, map, errnum, err);
}

static int batch_delete(struct entry_writer *w, enum kernel_map map, struct err *err)
{
	struct entry_batch *b = &w->batch[map];

	for (uint32_t at = 0; at < b->n;) {
		uint32_t asked = b->n - at, n = asked;
		int errnum = 0;

		if (bpf_map_delete_batch(w->k->map_fd[map], b->keys + at * entry_key_size(map), &n, NULL))
			errnum = errno;
		n = batch_did(asked, n, errnum);
		entry_changed(w->k);
		entry_count(w->k, map, -(int64_t)n);
		w->done += n;
		at += n + (errnum == ENOENT);
		if (errnum && errnum != ENOENT && errnum != EINTR && errnum != EAGAIN)
			return err_errno(err, errnum, "can't delete from map %s", kernel_map_table[map].name);
	}
	return 0;
}

static int batch_flush(struct entry_writer *w, enum kernel_map map, struct err *err)
{
	int rc = w->deletes ? batch_delete(w, map, err) : batch_put(w, map, err);

	w->batch[map].n = 0;
	return rc;
}

static int batch_init(struct entry_batch *b, enum kernel_map map, struct err *err)
{
	b->keys = malloc(WRITER_BATCH * entry_key_size(map));
	b->values = malloc(WRITER_BATCH * sizeof(*b->values));
	b->fresh = malloc(WRITER_BATCH * sizeof(*b->fresh));
	if (!b->keys || !b->values || !b->fresh)
		return err_set(err, ERR_NOMEM, "out of memory for list entries");
	return 0;
}

static int batch_add(struct entry_writer *w, enum kernel_map map, const struct kernel_cidr *c,
		     const struct tg_list_value *v, bool fresh, struct err *err)
{
	struct entry_batch *b = &w->batch[map];
	union cidr_key key;
	int rc = b->fresh ? 0 : batch_init(b, map, err);

	if (rc)
		return rc;
	entry_key(&key, map, c);
	memcpy(b->keys + b->n * entry_key_size(map), &key, entry_key_size(map));
	b->values[b->n] = *v;
	b->fresh[b->n] = fresh;
	return ++b->n == WRITER_BATCH ? batch_flush(w, map, err) : 0;
}

int writer_put(struct entry_writer *w, enum kernel_map map, const struct kernel_cidr *c, const struct tg_list_value *v,
	       bool fresh, struct err *err)
{
	return batch_add(w, map, c, v, fresh, err);
}

int writer_delete(struct entry_writer *w, enum kernel_map map, const struct kernel_cidr *c, struct err *err)
{
	static const struct tg_list_value none;

	return batch_add(w, map, c, &none, false, err);
}

int writer_flush(struct entry_writer *w, struct err *err)
{
	for (size_t i = 0; i < KERNEL_MAP_COUNT; i++) {
		int rc = w->batch[i].n ? batch_flush(w, (enum kernel_map)i, err) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

void writer_done(struct entry_writer *w)
{
	for (size_t i = 0; i < KERNEL_MAP_COUNT; i++) {
		free(w->batch[i].keys);
		free(w->batch[i].values);
		free(w->batch[i].fresh);
	}
}
