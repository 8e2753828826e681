/* Block and allow lists: the dynamic half (operators, risk, penalties). */
#include "kernel/entries.h"
#include "kernel/walk.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

static bool is_list_map(size_t map)
{
	return map == KERNEL_MAP_BLOCK4 || map == KERNEL_MAP_BLOCK6 || map == KERNEL_MAP_BLOCK_NET4 ||
	       map == KERNEL_MAP_BLOCK_NET6 || map == KERNEL_MAP_ALLOW_NET4 || map == KERNEL_MAP_ALLOW_NET6;
}

int lists_count(struct kernel *k, struct err *err)
{
	uint64_t n[KERNEL_MAP_COUNT] = {0};

	for (size_t i = 0; i < KERNEL_MAP_COUNT; i++) {
		int rc = is_list_map(i) || i == KERNEL_MAP_KEYS ? walk_count(k->map_fd[i], &n[i], err) : 0;

		if (rc)
			return rc;
		k->used[i] = n[i];
	}
	/* A process may have died between an entry and its count. */
	__atomic_store_n(&k->control->have_allow, (uint32_t)(n[KERNEL_MAP_ALLOW_NET4] + n[KERNEL_MAP_ALLOW_NET6]),
			 __ATOMIC_SEQ_CST);
	__atomic_store_n(&k->control->have_block, (uint32_t)(n[KERNEL_MAP_BLOCK4] + n[KERNEL_MAP_BLOCK6]),
			 __ATOMIC_SEQ_CST);
	__atomic_store_n(&k->control->have_block_net, (uint32_t)(n[KERNEL_MAP_BLOCK_NET4] + n[KERNEL_MAP_BLOCK_NET6]),
			 __ATOMIC_SEQ_CST);
	entry_changed(k);
	return 0;
}

/* ---- put */

static int put_check(const struct kernel_list_entry *e, size_t n, struct err *err)
{
	char text[CIDR_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		int rc = cidr_check(&e[i].cidr, err);

		if (rc)
			return rc;
		if (e[i].expires_ns == 0 || e[i].source >= TG_LIST_SOURCE_COUNT || e[i].source == TG_LIST_POLICY)
			return err_set(err, ERR_INVAL, "%s: needs an end and a source other than the policy",
				       cidr_format(&e[i].cidr, text));
	}
	return 0;
}

struct put {
	struct kernel *k;
	enum kernel_list list;
	const struct kernel_list_entry *entries;
	size_t n;
	struct cidr_set set;
	struct tg_list_value *known; /* what the maps hold for each entry; prefix_len 0 and no half: nothing */
	struct entry_writer writer;
};

static bool value_is_empty(const struct tg_list_value *v)
{
	return v->expires_ns == 0 && v->gen_from == 0 && v->gen_to == 0 && v->prefix_len == 0;
}

static void put_done(struct put *p)
{
	cidr_set_done(&p->set);
	free(take_ptr(&p->known));
	writer_done(&p->writer);
}

static int put_know(struct kernel *k, enum kernel_list list, enum kernel_map map, const struct kernel_cidr *c,
		    const struct tg_list_value *v, void *arg)
{
	struct put *p = arg;
	uint32_t i = cidr_set_find(&p->set, c);

	(void)k;
	(void)list;
	(void)map;
	if (i != CIDR_SET_NONE)
		p->known[i] = *v;
	return 0;
}

static uint64_t list_used(const struct kernel *k, enum kernel_list list)
{
	enum kernel_map maps[ENTRY_MAPS_MAX];
	size_t n = entry_maps(list, maps);
	uint64_t used = 0;

	for (size_t i = 0; i < n; i++)
		used += k->used[maps[i]];
	return used;
}

/* What the maps hold of the entries to put: by one look-up each, or by reading all when that is less work (a look-up is
 * a system call). */
static int put_learn(struct put *p, struct err *err)
{
	uint64_t used = list_used(p->k, p->list);

	if (used == 0)
		return 0;
	if (used < p->n * 8)
		return entry_each(p->k, p->list, put_know, p, err);
	for (size_t i = 0; i < p->n; i++) {
		const struct kernel_cidr *c = &p->entries[i].cidr;
		enum kernel_map map = entry_map(p->list, c);
		int rc = p->k->used[map] ? entry_read(p->k, map, c, &p->known[i]) : ERR_NOT_FOUND;

		if (rc && rc != ERR_NOT_FOUND)
			return err_errno(err, errno, "can't read map %s", kernel_map_table[map].name);
	}
	return 0;
}

static int put_one(struct put *p, size_t i, struct err *err)
{
	const struct kernel_list_entry *e = &p->entries[i];
	struct tg_list_value v = p->known[i];
	bool fresh = value_is_empty(&v);

	v.expires_ns = e->expires_ns;
	v.reason = e->reason;
	v.source = e->source;
	v.prefix_len = e->cidr.prefix_len;
	if (e->expires_ns != TG_LIST_NEVER && p->k->expiry.complete) {
		struct expiry x = {.expires_ns = e->expires_ns, .cidr = e->cidr, .list = (uint8_t)p->list};

		expiry_push(&p->k->expiry, &x);
	}
	return writer_put(&p->writer, entry_map(p->list, &e->cidr), &e->cidr, &v, fresh, err);
}

static int put_all(struct put *p, struct err *err)
{
	int rc = cidr_set_init(&p->set, &p->entries[0].cidr, sizeof(*p->entries), p->n, err);

	if (rc)
		return rc;
	p->known = calloc(p->n, sizeof(*p->known));
	if (!p->known)
		return err_set(err, ERR_NOMEM, "out of memory for %zu list entries", p->n);
	for (uint32_t i = 0; i < p->n; i++)
		cidr_set_put(&p->set, i);
	rc = put_learn(p, err);
	for (uint32_t i = 0; rc == 0 && i < p->n; i++)
		if (cidr_set_find(&p->set, &p->entries[i].cidr) == i) /* the last of equals counts */
			rc = put_one(p, i, err);
	return rc ? rc : writer_flush(&p->writer, err);
}

int kernel_list_put(struct kernel *k, enum kernel_list list, const struct kernel_list_entry *e, size_t n,
		    size_t *ret_done, struct err *err)
{
	_cleanup_(put_done) struct put p = {.k = k, .list = list, .entries = e, .n = n, .writer = {.k = k}};
	int rc = kernel_refuse_memory(k, "a block or allow list", err);

	if (rc == 0)
		rc = put_check(e, n, err);
	if (rc)
		return rc;
	LISTS_LOCKED(k);
	if (n)
		rc = put_all(&p, err);
	if (ret_done)
		*ret_done = rc ? p.writer.done : n;
	if (rc && err)
		err_prefix(err, "%zu of %zu entries written", p.writer.done, n);
	return rc;
}

/* ---- del, sweep */

/* Takes the dynamic half off an entry, and the entry when nothing is left. */
static int drop_dynamic(struct kernel *k, enum kernel_map map, const struct kernel_cidr *c, struct tg_list_value *v,
			struct err *err)
{
	if (v->gen_from == v->gen_to)
		return entry_delete(k, map, c, err);
	v->expires_ns = 0;
	v->source = TG_LIST_POLICY;
	return entry_write(k, map, c, v, false, err);
}

int kernel_list_del(struct kernel *k, enum kernel_list list, const struct kernel_cidr *c, struct err *err)
{
	enum kernel_map map = entry_map(list, c);
	char text[CIDR_TEXT_MAX];
	struct tg_list_value v;
	int rc = kernel_refuse_memory(k, "a block or allow list", err);

	if (rc == 0)
		rc = cidr_check(c, err);
	if (rc)
		return rc;
	LISTS_LOCKED(k);
	rc = entry_read(k, map, c, &v);
	if (rc == ERR_IO)
		return err_errno(err, errno, "can't read map %s", kernel_map_table[map].name);
	if (rc)
		return err_set(err, ERR_NOT_FOUND, "%s is not on the list", cidr_format(c, text));
	if (v.expires_ns == 0)
		return err_set(err, ERR_NOT_FOUND, "%s is on the list by policy only: change the policy",
			       cidr_format(c, text));
	return drop_dynamic(k, map, c, &v, err);
}

static int remember_expiry(struct kernel *k, enum kernel_list list, enum kernel_map map, const struct kernel_cidr *c,
			   const struct tg_list_value *v, void *arg)
{
	struct expiry x = {.expires_ns = v->expires_ns, .cidr = *c, .list = (uint8_t)list};

	(void)map;
	(void)arg;
	if (v->expires_ns != 0 && v->expires_ns != TG_LIST_NEVER)
		expiry_push(&k->expiry, &x);
	return 0;
}

/* Hints of entries that were put again and again pile up: start anew when they outnumber the entries. */
static bool expiry_is_bloated(const struct kernel *k)
{
	uint64_t entries = 0;

	for (size_t i = 0; i < KERNEL_MAP_COUNT; i++)
		entries += is_list_map(i) ? k->used[i] : 0;
	return k->expiry.n > 2 * entries + 1024;
}

static int expiry_rebuild(struct kernel *k, struct err *err)
{
	int rc;

	expiry_clear(&k->expiry);
	k->expiry.complete = true;
	rc = entry_each(k, KERNEL_LIST_ALLOW, remember_expiry, NULL, err);
	if (rc == 0)
		rc = entry_each(k, KERNEL_LIST_BLOCK, remember_expiry, NULL, err);
	if (rc)
		expiry_clear(&k->expiry);
	return rc;
}

int kernel_list_sweep(struct kernel *k, uint64_t now_ns, size_t *ret_removed, struct err *err)
{
	struct expiry x;
	size_t removed = 0;
	int rc = 0;

	LISTS_LOCKED(k);
	if (!k->memory && (!k->expiry.complete || expiry_is_bloated(k)))
		rc = expiry_rebuild(k, err);
	while (rc == 0 && expiry_pop_due(&k->expiry, now_ns, &x)) {
		enum kernel_map map = entry_map((enum kernel_list)x.list, &x.cidr);
		struct tg_list_value v;

		/* Gone, or given another end since: then another hint stands for it. */
		if (entry_read(k, map, &x.cidr, &v) || v.expires_ns != x.expires_ns)
			continue;
		rc = drop_dynamic(k, map, &x.cidr, &v, err);
		if (rc == ERR_NOT_FOUND)
			rc = 0;
		else if (rc)
			expiry_push(&k->expiry, &x);
		else
			removed++;
	}
	if (ret_removed)
		*ret_removed = removed;
	return rc;
}

/* ---- reading */

static void entry_show(const struct kernel_cidr *c, const struct tg_list_value *v, uint32_t generation,
		       struct kernel_list_entry *ret)
{
	*ret = (struct kernel_list_entry){
		.cidr = *c,
		.expires_ns = v->expires_ns,
		.in_policy = entry_in_policy(v, generation),
		.reason = v->reason,
		.source = v->expires_ns ? v->source : (uint8_t)TG_LIST_POLICY,
	};
}

struct each_arg {
	kernel_list_cb cb;
	void *arg;
	uint64_t now_ns;
	uint32_t generation;
};

static int each_show(struct kernel *k, enum kernel_list list, enum kernel_map map, const struct kernel_cidr *c,
		     const struct tg_list_value *v, void *arg)
{
	const struct each_arg *a = arg;
	struct kernel_list_entry e;

	(void)k;
	(void)map;
	entry_show(c, v, a->generation, &e);
	if (!e.in_policy && e.expires_ns <= a->now_ns)
		return 0;
	return a->cb(list, &e, a->arg);
}

int kernel_list_each(struct kernel *k, enum kernel_list list, kernel_list_cb cb, void *arg, struct err *err)
{
	struct each_arg a = {cb, arg, clock_mono_ns(), 0};
	int rc = kernel_refuse_memory(k, "a block or allow list", err);

	if (rc)
		return rc;
	LISTS_LOCKED(k);
	a.generation = kernel_generation(k);
	return entry_each(k, list, each_show, &a, err);
}

/* The longest active entry of a trie that covers c, as the kernel program looks for it: an inactive hit is retried
 * one bit shorter. */
static int match_trie(struct kernel *k, enum kernel_map map, const struct kernel_cidr *addr, uint64_t now_ns,
		      struct kernel_list_entry *ret)
{
	struct kernel_cidr c = *addr;
	struct tg_list_value v;
	union cidr_key key;

	for (;;) {
		struct kernel_list_entry e;

		entry_key(&key, map, &c);
		if (bpf_map_lookup_elem(k->map_fd[map], &key, &v))
			return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
		cidr_mask(&c, v.prefix_len);
		entry_show(&c, &v, kernel_generation(k), &e);
		if (e.in_policy || e.expires_ns > now_ns) {
			*ret = e;
			return 0;
		}
		if (v.prefix_len == 0)
			return ERR_NOT_FOUND;
		cidr_mask(&c, v.prefix_len - 1u);
	}
}

int kernel_list_match(struct kernel *k, enum kernel_list list, const struct kernel_cidr *addr,
		      struct kernel_list_entry *ret)
{
	enum kernel_map exact = entry_map(list, addr);
	uint64_t now_ns = clock_mono_ns();
	struct kernel_list_entry e;
	struct tg_list_value v;

	if (k->memory)
		return ERR_UNSUPPORTED;
	if (cidr_check(addr, NULL))
		return ERR_INVAL;
	LISTS_LOCKED(k);
	if (exact == KERNEL_MAP_BLOCK4 || exact == KERNEL_MAP_BLOCK6) {
		if (entry_read(k, exact, addr, &v) == 0) {
			entry_show(addr, &v, kernel_generation(k), &e);
			if (e.in_policy || e.expires_ns > now_ns) {
				*ret = e;
				return 0;
			}
		}
		return match_trie(k, addr->v6 ? KERNEL_MAP_BLOCK_NET6 : KERNEL_MAP_BLOCK_NET4, addr, now_ns, ret);
	}
	return match_trie(k, exact, addr, now_ns, ret);
}
