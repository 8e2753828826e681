#include "gateway/enforce.h"

#include "dialect/dialect.h"

#include <string.h>

int enforce_principal(struct kernel *k, const struct principal *p, const struct rulebook *book, struct err *err)
{
	const struct tg_subject *s = &kernel_subjects(k)[p->subject];
	struct tg_rate_block rates;
	uint32_t flags;

	if (TG_READ_ONCE(s->incarnation) != p->incarnation)
		kernel_subject_reset(k, p->subject, p->incarnation); /* F1 */
	flags = TG_READ_ONCE(s->flags) & ~TG_SUBJECT_DISABLED;
	kernel_subject_flags(k, p->subject, flags | (p->disabled ? TG_SUBJECT_DISABLED : 0u));
	if (!book)
		return 0;
	rulebook_rates(book, p->subject, &rates);
	return kernel_rates_set(k, p->subject, &rates, err);
}

void enforce_removed(struct kernel *k, const struct principal *p)
{
	/* Caches compare incarnations: none of them knows this one. */
	kernel_subject_reset(k, p->subject, p->incarnation + 1);
	kernel_subject_flags(k, p->subject, TG_SUBJECT_DISABLED);
}

int enforce_key_learned(struct kernel *k, uint64_t hash, const struct tg_key_entry *e, struct err *err)
{
	return kernel_key_learn(k, hash, e, err);
}

static void cidr_of(const struct policy_list_entry *e, struct kernel_cidr *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->v6 = e->v6;
	ret->prefix_len = e->prefix_len;
	memcpy(ret->addr, e->addr, sizeof(ret->addr));
}

int enforce_lists_init(struct enforce_lists *l, const struct policy *p, enforce_reason reason_of, void *arg,
		       struct err *err)
{
	*l = (struct enforce_lists){.n_allow = p->n_allow, .n_block = p->n_block};
	l->allow = calloc(p->n_allow + 1, sizeof(*l->allow));
	l->block = calloc(p->n_block + 1, sizeof(*l->block));
	l->block_reason = calloc(p->n_block + 1, sizeof(*l->block_reason));
	if (!l->allow || !l->block || !l->block_reason) {
		enforce_lists_done(l);
		return err_set(err, ERR_NOMEM, "no memory for the policy's lists");
	}
	for (size_t i = 0; i < p->n_allow; i++)
		cidr_of(&p->allow[i], &l->allow[i]);
	for (size_t i = 0; i < p->n_block; i++) {
		cidr_of(&p->block[i], &l->block[i]);
		if (p->block[i].reason)
			l->block_reason[i] = reason_of(arg, p->block[i].reason);
	}
	return 0;
}

void enforce_lists_done(struct enforce_lists *l)
{
	free(l->allow);
	free(l->block);
	free(l->block_reason);
	*l = (struct enforce_lists){0};
}

struct swap {
	const struct rulebook *book;
	void (*publish)(uint32_t generation, void *arg);
	void *arg;
};

static void swap_rates(uint32_t subject, struct tg_rate_block *ret, void *arg)
{
	const struct swap *s = arg;

	rulebook_rates(s->book, subject, ret);
}

static void swap_publish(uint32_t generation, void *arg)
{
	const struct swap *s = arg;

	s->publish(generation, s->arg);
}

int enforce_policy(struct kernel *k, const struct rulebook *book, const struct enforce_lists *lists,
		   void (*publish)(uint32_t generation, void *arg), void *arg, uint32_t *ret_generation,
		   struct err *err)
{
	struct swap swap = {.book = book, .publish = publish, .arg = arg};
	struct kernel_policy_input in = {
		.rates = swap_rates,
		.publish = swap_publish,
		.arg = &swap,
		.n_subjects = book->directory->n_subjects ? book->directory->n_subjects : 1,
		.allow = lists->allow,
		.n_allow = lists->n_allow,
		.block = lists->block,
		.block_reason = lists->block_reason,
		.n_block = lists->n_block,
	};

	rulebook_policy_words(book->policy, &in.policy);
	return kernel_policy_swap(k, &in, ret_generation, err);
}

int enforce_answers(struct kernel *k, struct err *err)
{
	for (unsigned i = 0; i < TG_DIALECT_COUNT * TG_REASON_COUNT; i++) {
		enum tg_dialect dialect = (enum tg_dialect)(i / TG_REASON_COUNT);
		enum tg_reason reason = (enum tg_reason)(i % TG_REASON_COUNT);
		struct tg_answer a = {0};
		int rc = dialect_nic_answer(dialect, reason, &a, err);

		/* Also where there is none: a version before may have left one in the pinned map. */
		if (rc == 0)
			rc = kernel_set_answer(k, tg_answer_index(dialect, reason), &a, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
