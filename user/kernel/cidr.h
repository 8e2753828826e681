/* Addresses and prefixes as the list maps have them. */
#ifndef KERNEL_CIDR_H
#define KERNEL_CIDR_H

#include "kernel/kernel.h"

/* Widest key of a list map. */
union cidr_key {
	__u32 addr4;
	__u32 addr6[4];
	struct tg_lpm4 lpm4;
	struct tg_lpm6 lpm6;
};

/* ERR_INVAL: prefix too long, or bits set below it. */
int cidr_check(const struct kernel_cidr *c, struct err *err) MUST_CHECK;
/* "192.0.2.0/24", for messages. */
#define CIDR_TEXT_MAX 64
const char *cidr_format(const struct kernel_cidr *c, char buf[CIDR_TEXT_MAX]);
bool cidr_equal(const struct kernel_cidr *a, const struct kernel_cidr *b);
/* Network order, in place. */
void cidr_mask(struct kernel_cidr *c, unsigned prefix_len);

/* Finds prefixes among n of the caller's, by their ordinal numbers in the caller's array. */
struct cidr_set {
	const struct kernel_cidr *first;
	size_t stride; /* bytes from one to the next */
	uint32_t *slots;
	size_t n_slots;     /* power of two */
	uint64_t secret[2]; /* of the hash: lists may come from outside, nobody shall aim collisions */
};
#define CIDR_SET_NONE UINT32_MAX
int cidr_set_init(struct cidr_set *s, const struct kernel_cidr *first, size_t stride, size_t n,
		  struct err *err) MUST_CHECK;
void cidr_set_done(struct cidr_set *s);
/* Of equal prefixes the last one put stays. */
void cidr_set_put(struct cidr_set *s, uint32_t i);
uint32_t cidr_set_find(const struct cidr_set *s, const struct kernel_cidr *c);

#endif
