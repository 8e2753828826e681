/* Goal: directory.h's D1 and D2: versions don't change, what a change replaces is retired once. Method: made-up tenants
 * and keys; hashes that collide in the table's low bits. */
#include "gateway/directory.h"

#include "tollgate/abi.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct tenant tenant(const char *id, uint32_t subject, uint32_t incarnation)
{
	struct tenant t = {.subject = subject, .incarnation = incarnation};

	snprintf(t.id, sizeof(t.id), "%s", id);
	return t;
}

/* All hashes share their first eight bytes: every look-up walks. */
static struct api_key key(const char *id, const char *tenant_id, uint32_t subject, uint8_t last)
{
	struct api_key k = {.subject = subject, .incarnation = 1};

	snprintf(k.id, sizeof(k.id), "%s", id);
	snprintf(k.tenant_id, sizeof(k.tenant_id), "%s", tenant_id);
	memset(k.hash, 7, sizeof(k.hash));
	k.hash[KEY_HASH_LEN - 1] = last;
	return k;
}

static struct directory *filled(void)
{
	struct tenant t[] = {tenant("acme", 1, 3), tenant("zeta", 2, 1)};
	struct api_key k[] = {key("key_a", "acme", 3, 1), key("key_b", "zeta", 4, 2), key("key_c", "acme", 9, 3)};
	struct directory *d = NULL;
	struct err err;

	cr_assert_eq(directory_new(&d, &err), 0);
	cr_assert_eq(directory_fill(d, t, 2, k, 3, &err), 0, "%s", err.msg);
	return d;
}

Test(directory, finds_by_hash_slot_and_id)
{
	struct directory *d = filled();
	struct api_key k = key("key_b", "zeta", 4, 2), other = key("x", "zeta", 4, 99);
	const struct principal *p = directory_find_key(d, k.hash);

	cr_assert(p);
	cr_expect_str_eq(p->id, "key_b");
	cr_expect_eq(p->tenant_subject, 2);
	cr_expect_eq(p->tenant_incarnation, 1);
	cr_expect_null(directory_find_key(d, other.hash), "a hash that differs in its last byte is another key");
	cr_expect_eq(directory_at(d, 9), directory_find_id(d, PRINCIPAL_KEY, "key_c"));
	cr_expect_null(directory_at(d, 5));
	cr_expect_null(directory_at(d, TG_SUBJECTS_MAX + 5));
	cr_expect_null(directory_find_id(d, PRINCIPAL_TENANT, "key_c"), "kinds don't mix");
	directory_free_all(d);
}

/* D1, D2 */
Test(directory, a_change_is_a_new_version)
{
	struct directory *d = filled(), *e = NULL, *f = NULL;
	struct api_key changed = key("key_b", "zeta", 4, 2), fresh = key("key_new", "acme", 700, 5);
	const struct principal *before = directory_at(d, 4);
	struct err err;

	changed.status = KEY_DISABLED;
	cr_assert_eq(directory_with_key(d, &changed, &e, &err), 0, "%s", err.msg);
	cr_expect(!before->disabled, "the version before is as it was");
	cr_expect(directory_find_key(e, changed.hash)->disabled);
	cr_expect_eq(directory_find_key(d, changed.hash), before);
	cr_expect_eq(e->retired, before, "what was replaced is retired");
	cr_expect_eq(e->n_keys, d->n_keys);
	cr_assert_eq(directory_with_key(e, &fresh, &f, &err), 0, "%s", err.msg);
	cr_expect_null(f->retired, "a new slot replaces nothing");
	cr_expect_eq(f->n_subjects, 701);
	cr_expect_eq(f->n_keys, 4);
	cr_expect_eq(directory_at(f, 3), directory_at(d, 3), "the others are shared");
	directory_free_version(d);
	directory_free_retired(e);
	directory_free_version(e);
	directory_free_all(f);
}

Test(directory, without_one)
{
	struct directory *d = filled(), *e = NULL;
	struct api_key b = key("key_b", "zeta", 4, 2), c = key("key_c", "acme", 9, 3);
	struct err err;

	cr_assert_eq(directory_without(d, 4, &e, &err), 0);
	cr_expect_null(directory_find_key(e, b.hash));
	cr_expect(directory_find_key(e, c.hash), "a key behind the removed one in the table is still found");
	cr_expect_eq(e->n_keys, 2);
	directory_free_version(d);
	directory_free_all(e);
}

Test(directory, refuses_what_contradicts_itself)
{
	struct tenant t[] = {tenant("acme", 1, 1)}, far = tenant("far", TG_SUBJECTS_MAX, 1),
		      zero = tenant("zero", 0, 1);
	struct api_key orphan = key("key_o", "nobody", 3, 1);
	struct directory *d = NULL, *e = NULL;
	struct err err;

	cr_assert_eq(directory_new(&d, &err), 0);
	cr_expect_eq(directory_fill(d, t, 1, &orphan, 1, &err), ERR_CORRUPT);
	cr_expect_eq(directory_with_key(d, &orphan, &e, &err), ERR_NOT_FOUND);
	cr_expect_eq(directory_with_tenant(d, &far, &e, &err), ERR_CORRUPT);
	cr_expect_eq(directory_with_tenant(d, &zero, &e, &err), ERR_CORRUPT, "slot 0 is the gateway's");
	cr_expect_null(e);
	directory_free_all(d);
}

Test(directory, many)
{
	enum { N = 5000 };
	struct tenant t[] = {tenant("acme", 1, 1)};
	struct api_key *k = calloc(N, sizeof(*k));
	struct directory *d = NULL;
	struct err err;

	for (uint32_t i = 0; i < N; i++) {
		char id[16];

		snprintf(id, sizeof(id), "key_%u", i);
		k[i] = key(id, "acme", i + 2, 0);
		memcpy(k[i].hash, &(uint64_t){(uint64_t)i * 0x9e3779b97f4a7c15ull}, 8);
	}
	cr_assert_eq(directory_new(&d, &err), 0);
	cr_assert_eq(directory_fill(d, t, 1, k, N, &err), 0, "%s", err.msg);
	for (uint32_t i = 0; i < N; i++)
		cr_assert_str_eq(directory_find_key(d, k[i].hash)->id, k[i].id);
	free(k);
	directory_free_all(d);
}
