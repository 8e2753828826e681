/* The one place where a decision becomes a write to the shared maps.
 *
 * Invariants (tests cite them):
 *  F1  A slot is emptied only when it changes hands: a restart, a policy, a status change leave buckets as they are.
 *  F2  A removed key's slot is disabled and of another incarnation at once, before the store forgets the key.
 */
#ifndef GATEWAY_ENFORCE_H
#define GATEWAY_ENFORCE_H

#include "gateway/directory.h"
#include "gateway/rulebook.h"
#include "kernel/kernel.h"

/* Slot and status of a principal. `book` NULL: its rules come with the next policy. */
int enforce_principal(struct kernel *k, const struct principal *p, const struct rulebook *book,
		      struct err *err) MUST_CHECK;
void enforce_removed(struct kernel *k, const struct principal *p);
/* Teaches the kernel a key that has just been authenticated. Safe from any worker. */
int enforce_key_learned(struct kernel *k, uint64_t hash, const struct tg_key_entry *e, struct err *err) MUST_CHECK;

struct enforce_lists {
	struct kernel_cidr *allow, *block;
	uint16_t *block_reason;
	size_t n_allow, n_block;
};
typedef uint16_t (*enforce_reason)(void *arg, const char *text);
int enforce_lists_init(struct enforce_lists *l, const struct policy *p, enforce_reason reason_of, void *arg,
		       struct err *err) MUST_CHECK;
void enforce_lists_done(struct enforce_lists *l);
int enforce_policy(struct kernel *k, const struct rulebook *book, const struct enforce_lists *lists,
		   void (*publish)(uint32_t generation, void *arg), void *arg, uint32_t *ret_generation,
		   struct err *err) MUST_CHECK;
int enforce_answers(struct kernel *k, struct err *err) MUST_CHECK;

#endif
