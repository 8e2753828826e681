/* Goal: keycache.h's C1 (all of hash and tags must agree) and C2 (fixed size, least recently used goes). Method:
 * entries that differ in one bit; more entries than a set has room for. */
#include "gateway/keycache.h"

#include <criterion/criterion.h>

static struct keycache_entry entry(uint64_t hash, uint64_t tag, uint32_t subject)
{
	return (struct keycache_entry){.hash = hash, .tag = {tag, ~tag}, .key_subject = subject};
}

Test(keycache, all_bits_must_agree)
{
	struct keycache c = {0};
	struct keycache_entry e = entry(5, 77, 3);

	cr_assert_eq(keycache_init(&c), 0);
	cr_expect_null(keycache_find(&c, 0, (uint64_t[]){0, 0}), "an empty slot is no entry");
	keycache_put(&c, &e);
	cr_expect(keycache_find(&c, e.hash, e.tag));
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t t0[2] = {e.tag[0] ^ 1ull << bit, e.tag[1]}, t1[2] = {e.tag[0], e.tag[1] ^ 1ull << bit};

		cr_expect_null(keycache_find(&c, e.hash, t0), "bit %u of the first tag", bit);
		cr_expect_null(keycache_find(&c, e.hash, t1), "bit %u of the second tag", bit);
		cr_expect_null(keycache_find(&c, e.hash ^ 1ull << bit, e.tag), "bit %u of the hash", bit);
	}
	keycache_forget(&c, e.hash);
	cr_expect_null(keycache_find(&c, e.hash, e.tag));
	keycache_done(&c);
}

Test(keycache, least_recently_used_goes)
{
	struct keycache c = {0};
	struct keycache_entry e[KEYCACHE_WAYS + 1];

	cr_assert_eq(keycache_init(&c), 0);
	for (unsigned i = 0; i <= KEYCACHE_WAYS; i++)
		e[i] = entry(9 + (uint64_t)i * KEYCACHE_SETS, i, i + 1); /* one set */
	for (unsigned i = 0; i < KEYCACHE_WAYS; i++)
		keycache_put(&c, &e[i]);
	cr_expect(keycache_find(&c, e[0].hash, e[0].tag), "used: now the second is the oldest");
	keycache_put(&c, &e[KEYCACHE_WAYS]);
	cr_expect_null(keycache_find(&c, e[1].hash, e[1].tag));
	for (unsigned i = 0; i <= KEYCACHE_WAYS; i++)
		if (i != 1)
			cr_expect(keycache_find(&c, e[i].hash, e[i].tag), "entry %u", i);
	keycache_done(&c);
}

Test(keycache, same_key_again_replaces)
{
	struct keycache c = {0};
	struct keycache_entry a = entry(1, 2, 3), b = entry(1, 2, 4);

	cr_assert_eq(keycache_init(&c), 0);
	keycache_put(&c, &a);
	keycache_put(&c, &b);
	cr_expect_eq(keycache_find(&c, 1, a.tag)->key_subject, 4);
	keycache_forget(&c, 1);
	cr_expect_null(keycache_find(&c, 1, a.tag), "there was one entry, not two");
	keycache_done(&c);
}
