#include "kernel/cidr.h"

#include "tollgate/siphash.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static unsigned cidr_words(const struct kernel_cidr *c)
{
	return c->v6 ? 4 : 1;
}

static uint32_t word_mask(unsigned prefix_len, unsigned word)
{
	unsigned from = word * 32;

	if (prefix_len <= from)
		return 0;
	if (prefix_len >= from + 32)
		return UINT32_MAX;
	return htonl(UINT32_MAX << (32 - (prefix_len - from)));
}

int cidr_check(const struct kernel_cidr *c, struct err *err)
{
	char text[CIDR_TEXT_MAX];

	if (c->prefix_len > (c->v6 ? 128 : 32))
		return err_set(err, ERR_INVAL, "prefix length %u is over %d", c->prefix_len, c->v6 ? 128 : 32);
	for (unsigned i = 0; i < cidr_words(c); i++)
		if (c->addr[i] & ~word_mask(c->prefix_len, i))
			return err_set(err, ERR_INVAL, "%s has bits set below its prefix", cidr_format(c, text));
	return 0;
}

const char *cidr_format(const struct kernel_cidr *c, char buf[CIDR_TEXT_MAX])
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(c->v6 ? AF_INET6 : AF_INET, c->addr, addr, sizeof(addr));
	snprintf(buf, CIDR_TEXT_MAX, "%s/%u", addr, c->prefix_len);
	return buf;
}

bool cidr_equal(const struct kernel_cidr *a, const struct kernel_cidr *b)
{
	return a->v6 == b->v6 && a->prefix_len == b->prefix_len &&
	       memcmp(a->addr, b->addr, cidr_words(a) * sizeof(a->addr[0])) == 0;
}

void cidr_mask(struct kernel_cidr *c, unsigned prefix_len)
{
	for (unsigned i = 0; i < cidr_words(c); i++)
		c->addr[i] &= word_mask(prefix_len, i);
	c->prefix_len = (uint8_t)prefix_len;
}

static uint64_t cidr_hash(const struct cidr_set *set, const struct kernel_cidr *c)
{
	struct tg_sip s;

	tg_sip_init(&s, set->secret[0], set->secret[1]);
	for (unsigned i = 0; i < cidr_words(c); i++)
		tg_sip_word(&s, c->addr[i]);
	return tg_sip_final(&s, c->prefix_len, c->v6);
}

static const struct kernel_cidr *set_at(const struct cidr_set *s, uint32_t i)
{
	return (const struct kernel_cidr *)(const void *)((const char *)s->first + (size_t)i * s->stride);
}

int cidr_set_init(struct cidr_set *s, const struct kernel_cidr *first, size_t stride, size_t n, struct err *err)
{
	size_t n_slots = 16;

	if (n >= CIDR_SET_NONE / 2)
		return err_set(err, ERR_RANGE, "%zu list entries are too many at once", n);
	while (n_slots < 2 * n)
		n_slots *= 2;
	*s = (struct cidr_set){.first = first, .stride = stride, .n_slots = n_slots};
	if (getrandom(s->secret, sizeof(s->secret), 0) != (ssize_t)sizeof(s->secret))
		return err_errno(err, errno, "no random numbers");
	s->slots = malloc(n_slots * sizeof(*s->slots));
	if (!s->slots)
		return err_set(err, ERR_NOMEM, "out of memory for %zu list entries", n);
	memset(s->slots, 0xff, n_slots * sizeof(*s->slots));
	return 0;
}

void cidr_set_done(struct cidr_set *s)
{
	free(take_ptr(&s->slots));
}

/* The slot that holds this prefix, or the free one where it belongs. */
static size_t set_slot(const struct cidr_set *s, const struct kernel_cidr *c)
{
	size_t at = cidr_hash(s, c) & (s->n_slots - 1);

	while (s->slots[at] != CIDR_SET_NONE && !cidr_equal(set_at(s, s->slots[at]), c))
		at = (at + 1) & (s->n_slots - 1);
	return at;
}

void cidr_set_put(struct cidr_set *s, uint32_t i)
{
	s->slots[set_slot(s, set_at(s, i))] = i;
}

uint32_t cidr_set_find(const struct cidr_set *s, const struct kernel_cidr *c)
{
	return s->slots[set_slot(s, c)];
}
