/* Goal: tenants, keys, and S4: slots. Method: table rows of names; deletions and reopenings between creations. */
#include "fixture.h"

#include "tollgate/abi.h"

#include <stdio.h>
#include <string.h>

static struct store *s;

static void set_up(void)
{
	fixture_init();
	s = fixture_open();
}

static void clean(void)
{
	store_close(s);
	fixture_done();
}

TestSuite(tenant, .init = set_up, .fini = clean);

Test(tenant, ids)
{
	static const struct {
		const char *id;
		int rc;
	} rows[] = {
		{"a", 0},
		{"7", 0},
		{"acme-eu_2", 0},
		{"123456789012345678901234567890123456789012345678901234567890123", 0},
		{"1234567890123456789012345678901234567890123456789012345678901234", ERR_INVAL},
		{"", ERR_INVAL},
		{"-acme", ERR_INVAL},
		{"_acme", ERR_INVAL},
		{"Acme", ERR_INVAL},
		{"ac me", ERR_INVAL},
		{"acme/../x", ERR_INVAL},
		{"acm\xc3\xa9", ERR_INVAL},
		{"acme\n", ERR_INVAL},
		{"a", ERR_EXISTS},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tenant t = {.subject = 77};
		struct err err = {0};
		int rc = store_tenant_create(s, "tester", rows[i].id, "A name", &t, &err);

		cr_expect_eq(rc, rows[i].rc, "'%s': %d %s", rows[i].id, rc, err.msg);
		if (rc == ERR_INVAL)
			cr_expect_not_null(strstr(err.msg, "a-z, 0-9, _ and -"), "says what is right: %s", err.msg);
		if (rc)
			cr_expect_eq(t.subject, 77, "out is untouched");
	}
	cr_expect_eq(fixture_number("SELECT count(*) FROM audit"), 4, "refused ones leave no audit row");
	cr_expect_eq(fixture_number("SELECT count(*) FROM slots"), 4, "nor a slot");
}

Test(tenant, names)
{
	char longest[TENANT_NAME_MAX], too_long[TENANT_NAME_MAX + 1];
	struct tenant t;
	struct err err = {0};

	memset(longest, 'n', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	memset(too_long, 'n', sizeof(too_long));
	too_long[sizeof(too_long) - 1] = '\0';
	MUST(store_tenant_create(s, "tester", "a", longest, &t, &oops));
	MUST(store_tenant_create(s, "tester", "b",
				 "Stra\xc3\x9f"
				 "e & S\xc3\xb6hne; DROP TABLE tenants",
				 &t, &oops));
	MUST(store_tenant_get(s, "b", &t, &oops));
	cr_expect_str_eq(t.name, "Stra\xc3\x9f"
				 "e & S\xc3\xb6hne; DROP TABLE tenants");
	cr_expect_eq(store_tenant_create(s, "tester", "c", too_long, &t, &err), ERR_INVAL);
	cr_expect_eq(store_tenant_create(s, "tester", "c", "", &t, &err), ERR_INVAL);
	cr_expect_eq(store_tenant_create(s, "tester", "c", NULL, &t, &err), ERR_INVAL);
	cr_expect_eq(store_tenant_create(s, "tester", "c", "two\nlines", &t, &err), ERR_INVAL, "%s", err.msg);
}

static int count_tenant(const struct tenant *t, void *arg)
{
	(void)t;
	return ++*(int *)arg == 2 ? 42 : 0;
}

Test(tenant, status_and_walk)
{
	struct tenant t;
	struct err err = {0};
	int n = 0;

	for (int i = 0; i < 3; i++) {
		char id[16];

		snprintf(id, sizeof(id), "t%d", i);
		MUST(store_tenant_create(s, "tester", id, id, &t, &oops));
	}
	MUST(store_tenant_set_status(s, "tester", "t1", TENANT_DISABLED, &oops));
	MUST(store_tenant_get(s, "t1", &t, &oops));
	cr_expect_eq(t.status, TENANT_DISABLED);
	MUST(store_tenant_set_status(s, "tester", "t1", TENANT_ACTIVE, &oops));
	MUST(store_tenant_get(s, "t1", &t, &oops));
	cr_expect_eq(t.status, TENANT_ACTIVE);
	cr_expect_eq(store_tenant_set_status(s, "tester", "nobody", TENANT_DISABLED, &err), ERR_NOT_FOUND);
	cr_expect_eq(store_tenant_get(s, "nobody", &t, &err), ERR_NOT_FOUND, "%s", err.msg);
	cr_expect_eq(store_tenant_each(s, count_tenant, &n, &err), 42, "a callback ends the walk");
	cr_expect_eq(n, 2);
}

Test(tenant, keys)
{
	struct api_key k, got;
	struct tenant t;
	struct err err = {0};

	cr_expect_eq(fixture_key(s, "acme", 1, &k, &err), ERR_NOT_FOUND, "%s", err.msg);
	MUST(store_tenant_create(s, "tester", "acme", "Acme", &t, &oops));
	MUST(fixture_key(s, "acme", 1, &k, &oops));
	cr_expect_eq(strlen(k.id), 20);
	cr_expect_eq(strncmp(k.id, "key_", 4), 0);
	cr_expect_eq(k.status, KEY_ACTIVE);
	MUST(store_key_get(s, k.id, &got, &oops));
	cr_expect_eq(memcmp(&k, &got, sizeof(k)), 0, "what is read is what was made");
	cr_expect_eq(fixture_key(s, "acme", 1, &k, &err), ERR_EXISTS, "the same hash twice");
	MUST(store_key_set_status(s, "tester", got.id, KEY_DISABLED, &oops));
	MUST(store_key_get(s, got.id, &k, &oops));
	cr_expect_eq(k.status, KEY_DISABLED);
	MUST(store_key_delete(s, "tester", got.id, &oops));
	cr_expect_eq(store_key_get(s, got.id, &k, &err), ERR_NOT_FOUND);
	cr_expect_eq(store_key_delete(s, "tester", got.id, &err), ERR_NOT_FOUND);
	cr_expect_eq(store_key_set_status(s, "tester", "tg_live_secret", KEY_ACTIVE, &err), ERR_NOT_FOUND);
	cr_expect_null(strstr(err.msg, "secret"), "a key's text in the place of an id isn't echoed: %s", err.msg);
}

static int sum_slots(const struct api_key *k, void *arg)
{
	*(uint32_t *)arg += k->subject;
	return 0;
}

/* S4: the smallest free slot; the incarnation rises with each owner, also over a reopening. */
Test(tenant, slots_are_reused_with_a_new_incarnation)
{
	struct api_key k[5], again;
	struct tenant t;
	uint32_t sum = 0;

	MUST(store_tenant_create(s, "tester", "acme", "Acme", &t, &oops));
	cr_expect_eq(t.subject, 1, "0 is the gateway's");
	for (unsigned i = 0; i < 5; i++) {
		MUST(fixture_key(s, "acme", i, &k[i], &oops));
		cr_expect_eq(k[i].subject, 2 + i);
		cr_expect_eq(k[i].incarnation, 1);
	}
	MUST(store_key_delete(s, "tester", k[3].id, &oops));
	MUST(store_key_delete(s, "tester", k[1].id, &oops));
	store_close(s);
	s = fixture_open();
	MUST(fixture_key(s, "acme", 11, &again, &oops));
	cr_expect_eq(again.subject, k[1].subject, "the smallest free one");
	cr_expect_eq(again.incarnation, 2);
	MUST(store_key_delete(s, "tester", again.id, &oops));
	MUST(store_tenant_create(s, "tester", "next", "Next", &t, &oops));
	cr_expect_eq(t.subject, k[1].subject, "tenants and keys share the numbers");
	cr_expect_eq(t.incarnation, 3);
	MUST(fixture_key(s, "next", 12, &again, &oops));
	cr_expect_eq(again.subject, k[3].subject);
	MUST(fixture_key(s, "next", 13, &again, &oops));
	cr_expect_eq(again.subject, 7, "none free: the next new one");
	MUST(store_key_each(s, NULL, sum_slots, &sum, &oops));
	cr_expect_eq(sum, 2 + 4 + 6 + 5 + 7);
	sum = 0;
	MUST(store_key_each(s, "next", sum_slots, &sum, &oops));
	cr_expect_eq(sum, 5 + 7);
}

Test(tenant, slots_run_out)
{
	struct tenant t;
	struct err err = {0};

	MUST(store_exec(s,
			"WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 65534)"
			" INSERT INTO slots SELECT i, 1, 1 FROM n",
			&oops));
	MUST(store_tenant_create(s, "tester", "last", "Last", &t, &oops));
	cr_expect_eq(t.subject, TG_SUBJECTS_MAX - 1);
	cr_expect_eq(store_tenant_create(s, "tester", "more", "More", &t, &err), ERR_FULL);
	cr_expect_not_null(strstr(err.msg, "65535"), "%s", err.msg);
}
