/* Entries of the allow and block list on their way between requests, store and maps. */
#ifndef ADMIN_LISTS_H
#define ADMIN_LISTS_H

#include "admin/internal.h"

struct list_batch {
	struct admin *a;
	struct kernel_list_entry *e;
	size_t n, cap;
	json_t *errors;
	uint64_t now_ns;
};

void list_cidr_of(const struct policy_list_entry *e, struct kernel_cidr *ret);
void list_cidr_text(const struct kernel_cidr *c, char buf[64]);
enum store_list list_store_of(enum kernel_list list);
/* Room for one entry more; ERR_FULL: the batch's errors say so. */
int list_batch_room(struct list_batch *b, size_t line) MUST_CHECK;
/* In chunks of one transaction each. */
int list_store_entries(struct admin *a, const char *actor, enum kernel_list list, const struct kernel_list_entry *e,
		       size_t n, struct err *err) MUST_CHECK;

#endif
