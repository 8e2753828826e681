/* The policy swap: everything of the next generation is written where no packet looks yet, then one word flips.
 *
 * cur = generation in force, next = cur + 1. An entry's policy half is changed so that it reads right in both:
 *   in the new policy, active now:      gen_to = for ever
 *   in the new policy, not active now:  gen_from = next, gen_to = for ever
 *   not in it, active now:              gen_to = next
 *   not in it, not active:              no policy half (left over by a swap that died)
 * so that the state before the flip needs no memory of earlier swaps, and dying anywhere is harmless (K4). */
#include "kernel/entries.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>

#define GEN_FOREVER UINT32_MAX
#define GRACE_FALLBACK_NS 500000000

/* One entry to change. */
struct swap_item {
	struct kernel_cidr cidr;
	uint8_t map;
	bool existed;
	bool retired; /* its policy half ends with this swap */
	struct tg_list_value before, after;
};

struct swap {
	struct kernel *k;
	uint32_t cur, next;
	struct swap_item *items;
	size_t n, cap;
	/* of the list in hand */
	const struct kernel_cidr *cidrs;
	const uint16_t *reasons;
	struct cidr_set wanted;
	bool *seen;
	bool no_memory;
};

void policy_wait_grace(void)
{
	struct timespec wait = {.tv_nsec = GRACE_FALLBACK_NS};

	/* MEMBARRIER_CMD_GLOBAL is synchronize_rcu(), and packets are judged in RCU read sections. Kernels with
	 * nohz_full CPUs don't offer it. */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0)
		return;
	while (nanosleep(&wait, &wait) && errno == EINTR)
		;
}

/* ---- what has to change */

static int swap_add(struct swap *s, const struct swap_item *item)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 256;
		struct swap_item *items = reallocarray(s->items, cap, sizeof(*items));

		if (!items) {
			s->no_memory = true;
			return ERR_NOMEM;
		}
		s->items = items;
		s->cap = cap;
	}
	s->items[s->n++] = *item;
	return 0;
}

static uint16_t wanted_reason(const struct swap *s, uint32_t i)
{
	return s->reasons ? s->reasons[i] : 0;
}

/* The policy half as the head of this file says. */
static void half_set(const struct swap *s, struct tg_list_value *v, bool wanted, uint16_t reason)
{
	bool active = entry_in_policy(v, s->cur);

	if (wanted) {
		v->gen_from = active ? v->gen_from : s->next;
		v->gen_to = GEN_FOREVER;
		if (v->expires_ns == 0)
			v->reason = reason;
	} else if (active) {
		v->gen_to = s->next;
	} else {
		v->gen_from = v->gen_to = 0;
	}
}

static int diff_existing(struct kernel *k, enum kernel_list list, enum kernel_map map, const struct kernel_cidr *c,
			 const struct tg_list_value *v, void *arg)
{
	struct swap *s = arg;
	uint32_t i = cidr_set_find(&s->wanted, c);
	bool wanted = i != CIDR_SET_NONE;
	struct swap_item item = {
		.cidr = *c,
		.map = (uint8_t)map,
		.existed = true,
		.retired = !wanted,
		.before = *v,
		.after = *v,
	};

	(void)k;
	(void)list;
	if (wanted)
		s->seen[i] = true;
	half_set(s, &item.after, wanted, wanted ? wanted_reason(s, i) : 0);
	if (memcmp(&item.before, &item.after, sizeof(item.before)) == 0)
		return 0;
	return swap_add(s, &item);
}

static int diff_missing(struct swap *s, enum kernel_list list, size_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct kernel_cidr *c = &s->cidrs[i];
		struct swap_item item = {.cidr = *c, .map = (uint8_t)entry_map(list, c)};
		int rc;

		if (s->seen[i] || cidr_set_find(&s->wanted, c) != i)
			continue;
		item.after.source = TG_LIST_POLICY;
		item.after.prefix_len = c->prefix_len;
		half_set(s, &item.after, true, wanted_reason(s, i));
		rc = swap_add(s, &item);
		if (rc)
			return rc;
	}
	return 0;
}

static int diff_list(struct swap *s, enum kernel_list list, const struct kernel_cidr *cidrs, const uint16_t *reasons,
		     size_t n, struct err *err)
{
	int rc = 0;

	s->cidrs = cidrs;
	s->reasons = reasons;
	s->seen = calloc(n ? n : 1, sizeof(*s->seen));
	if (!s->seen)
		rc = err_set(err, ERR_NOMEM, "out of memory for %zu list entries", n);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = cidr_check(&cidrs[i], err);
	if (rc == 0)
		rc = cidr_set_init(&s->wanted, cidrs, sizeof(*cidrs), n, err);
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		cidr_set_put(&s->wanted, i);
	if (rc == 0)
		rc = entry_each(s->k, list, diff_existing, s, err);
	if (rc == 0)
		rc = diff_missing(s, list, n);
	if (s->no_memory)
		rc = err_set(err, ERR_NOMEM, "out of memory for the changes of %zu list entries", n);
	cidr_set_done(&s->wanted);
	free(take_ptr(&s->seen));
	return rc;
}

/* Said before anything is written. */
static int check_room(const struct swap *s, struct err *err)
{
	uint64_t fresh[KERNEL_MAP_COUNT] = {0};

	for (size_t i = 0; i < s->n; i++)
		fresh[s->items[i].map] += !s->items[i].existed;
	for (size_t m = 0; m < KERNEL_MAP_COUNT; m++)
		if (fresh[m] && s->k->used[m] + fresh[m] > s->k->map_max[m])
			return err_set(err, ERR_FULL,
				       "the policy's lists need %" PRIu64
				       " more entries in map %s, which holds %" PRIu64
				       " of %u: allow more in the configuration, or list fewer",
				       fresh[m], kernel_map_table[m].name, s->k->used[m], s->k->map_max[m]);
	return 0;
}

/* ---- doing, undoing, tidying */

static int swap_write(struct swap *s, struct err *err)
{
	_cleanup_(writer_done) struct entry_writer w = {.k = s->k};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->n; i++) {
		const struct swap_item *item = &s->items[i];

		rc = writer_put(&w, (enum kernel_map)item->map, &item->cidr, &item->after, !item->existed, err);
	}
	return rc ? rc : writer_flush(&w, err);
}

/* Writes what was before, whether or not it had been changed already. Returns how many could not be. */
static size_t swap_undo(struct swap *s)
{
	size_t failed = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct swap_item *item = &s->items[i];
		int rc;

		if (item->existed)
			rc = entry_write(s->k, (enum kernel_map)item->map, &item->cidr, &item->before, false, NULL);
		else
			rc = entry_delete(s->k, (enum kernel_map)item->map, &item->cidr, NULL);
		failed += rc != 0 && rc != ERR_NOT_FOUND;
	}
	return failed;
}

static int tidy_put(struct entry_writer *w, struct swap_item *item)
{
	item->after.gen_from = item->after.gen_to = 0;
	return writer_put(w, (enum kernel_map)item->map, &item->cidr, &item->after, false, NULL);
}

/* After the flip: entries that no generation wants any more go, or keep their dynamic half alone. Failures are left to
 * the next swap, which finds them left over; they are inactive. */
static void swap_tidy(struct swap *s)
{
	_cleanup_(writer_done) struct entry_writer puts = {.k = s->k};
	_cleanup_(writer_done) struct entry_writer deletes = {.k = s->k, .deletes = true};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->n; i++) {
		struct swap_item *item = &s->items[i];

		if (!item->retired)
			continue;
		if (item->after.expires_ns)
			rc = tidy_put(&puts, item);
		else
			rc = writer_delete(&deletes, (enum kernel_map)item->map, &item->cidr, NULL);
	}
	if (rc == 0)
		rc = writer_flush(&puts, NULL);
	if (rc == 0)
		rc = writer_flush(&deletes, NULL);
}

/* ---- the inactive bank */

static int bank_write(struct kernel *k, unsigned bank, const struct kernel_policy_input *in, struct err *err)
{
	struct tg_rate_block *rates = kernel_rates(k, bank);
	int rc = rates_reach(k, in->n_subjects, err);

	if (rc < 0)
		return rc;
	for (uint32_t s = 0; s < in->n_subjects; s++) {
		struct tg_rate_block block = {0};

		in->rates(s, &block, in->arg);
		rates[s] = block;
	}
	if (k->rates_used[bank] > in->n_subjects)
		memset(&rates[in->n_subjects], 0, (k->rates_used[bank] - in->n_subjects) * sizeof(*rates));
	k->rates_used[bank] = in->n_subjects;
	return 0;
}

static int policy_write(struct kernel *k, uint32_t bank, const struct tg_policy *p, struct err *err)
{
	if (k->memory)
		return 0;
	if (bpf_map_update_elem(k->map_fd[KERNEL_MAP_POLICY], &bank, p, BPF_ANY))
		return err_errno(err, errno, "can't write the policy");
	return 0;
}

/* Everything up to the flip. */
static int swap_prepare(struct swap *s, const struct kernel_policy_input *in, struct err *err)
{
	struct kernel *k = s->k;
	int rc = 0;

	if (in->n_subjects > TG_SUBJECTS_MAX)
		return err_set(err, ERR_RANGE, "%u subjects are too many: at most %u", in->n_subjects, TG_SUBJECTS_MAX);
	if (s->next == GEN_FOREVER)
		return err_set(err, ERR_RANGE, "generations are used up: run `tollctl detach` and start again");
	if (!k->memory) {
		rc = diff_list(s, KERNEL_LIST_ALLOW, in->allow, NULL, in->n_allow, err);
		if (rc == 0)
			rc = diff_list(s, KERNEL_LIST_BLOCK, in->block, in->block_reason, in->n_block, err);
		if (rc == 0)
			rc = check_room(s, err);
	}
	if (rc)
		return rc;
	if (k->grace_owed)
		policy_wait_grace(); /* A3: the process before us may have died between flip and wait */
	k->grace_owed = false;
	rc = bank_write(k, s->next & 1, in, err);
	if (rc == 0)
		rc = policy_write(k, s->next & 1, &in->policy, err);
	return rc ? rc : swap_write(s, err);
}

static void swap_flip(struct swap *s, const struct kernel_policy_input *in)
{
	struct kernel *k = s->k;

	if (in->publish)
		in->publish(s->next, in->arg);
	k->grace_owed = true;
	__atomic_store_n(&k->control->generation, s->next, __ATOMIC_SEQ_CST);
	if (in->publish)
		in->publish(s->next, in->arg);
	policy_wait_grace();
	k->grace_owed = false;
}

int kernel_policy_swap(struct kernel *k, const struct kernel_policy_input *in, uint32_t *ret_generation,
		       struct err *err)
{
	struct swap s = {.k = k};
	int rc;

	LISTS_LOCKED(k);
	s.cur = kernel_generation(k);
	s.next = s.cur + 1;
	rc = swap_prepare(&s, in, err);
	if (rc) {
		size_t failed = swap_undo(&s);

		if (failed && err)
			err_prefix(err,
				   "%zu list entries couldn't be restored (they stay as they were in force); next swap "
				   "tidies them",
				   failed);
		free(s.items);
		return rc;
	}
	swap_flip(&s, in);
	swap_tidy(&s);
	free(s.items);
	*ret_generation = s.next;
	return 0;
}
