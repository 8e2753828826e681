/* Goal: lists: put, replace, delete, pages, expiry; all or nothing. Method: small lists, and 100,000 entries. */
#include "fixture.h"

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

TestSuite(list, .init = set_up, .fini = clean);

static struct store_list_entry entry(const char *cidr, const char *reason, int64_t expires_ms)
{
	struct store_list_entry e = {.expires_ms = expires_ms};

	snprintf(e.cidr, sizeof(e.cidr), "%s", cidr);
	snprintf(e.reason, sizeof(e.reason), "%s", reason);
	return e;
}

static int append(enum store_list list, const struct store_list_entry *e, void *arg)
{
	char *text = arg;
	size_t used = strlen(text);

	snprintf(text + used, 400 - used, "%s:%s=%s,%lld ", list == STORE_LIST_ALLOW ? "allow" : "block", e->cidr,
		 e->reason, (long long)e->expires_ms);
	return 0;
}

static void expect(const char *want)
{
	char text[400] = "";

	MUST(store_list_each(s, append, text, &oops));
	cr_expect_str_eq(text, want);
}

Test(list, put_replace_delete)
{
	struct store_list_entry e[] = {entry("10.0.0.0/8", "lab", 0), entry("2001:db8::1", "", 5000)};
	const char *cidrs[] = {"10.0.0.0/8", "192.0.2.1"};
	struct err err = {0};

	MUST(store_list_put(s, "tester", STORE_LIST_BLOCK, e, 2, &oops));
	MUST(store_list_put(s, "tester", STORE_LIST_ALLOW, e, 1, &oops));
	expect("allow:10.0.0.0/8=lab,0 block:10.0.0.0/8=lab,0 block:2001:db8::1=,5000 ");
	e[0] = entry("10.0.0.0/8", "again", 7000);
	MUST(store_list_put(s, "tester", STORE_LIST_BLOCK, e, 1, &oops));
	expect("allow:10.0.0.0/8=lab,0 block:10.0.0.0/8=again,7000 block:2001:db8::1=,5000 ");
	cr_expect_eq(store_list_del(s, "tester", STORE_LIST_BLOCK, cidrs, 2, &err), ERR_NOT_FOUND);
	cr_expect_str_eq(err.msg, "192.0.2.1 is not on the block list");
	expect("allow:10.0.0.0/8=lab,0 block:10.0.0.0/8=again,7000 block:2001:db8::1=,5000 ");
	MUST(store_list_del(s, "tester", STORE_LIST_BLOCK, cidrs, 1, &oops));
	expect("allow:10.0.0.0/8=lab,0 block:2001:db8::1=,5000 ");
	MUST(store_list_put(s, "tester", STORE_LIST_BLOCK, NULL, 0, &oops));
	MUST(store_audit_verify(s, &oops));
}

Test(list, the_last_of_equal_entries_wins)
{
	struct store_list_entry e[9];

	for (size_t i = 0; i < ARRAY_SIZE(e); i++)
		e[i] = entry(i % 3 ? "10.0.0.1" : "10.0.0.2", "", (int64_t)i);
	MUST(store_list_put(s, "tester", STORE_LIST_BLOCK, e, ARRAY_SIZE(e), &oops));
	expect("block:10.0.0.1=,8 block:10.0.0.2=,6 ");
}

Test(list, one_bad_entry_applies_none)
{
	struct store_list_entry e[] = {entry("10.0.0.1", "", 0), entry("10.0.0.2", "", -5)};
	struct err err = {0};

	cr_expect_eq(store_list_put(s, "tester", STORE_LIST_BLOCK, e, 2, &err), ERR_INVAL);
	cr_expect_not_null(strstr(err.msg, "10.0.0.2"), "%s", err.msg);
	expect("");
	cr_expect_eq(fixture_number("SELECT count(*) FROM audit"), 0, "S5");
}

Test(list, expiry)
{
	struct store_list_entry e[] = {entry("10.0.0.1", "", 1000), entry("10.0.0.2", "", 2000),
				       entry("10.0.0.3", "", 0)};

	MUST(store_list_put(s, "tester", STORE_LIST_BLOCK, e, 3, &oops));
	MUST(store_list_expire(s, 999, &oops));
	expect("block:10.0.0.1=,1000 block:10.0.0.2=,2000 block:10.0.0.3=,0 ");
	MUST(store_list_expire(s, 1000, &oops));
	expect("block:10.0.0.2=,2000 block:10.0.0.3=,0 ");
	MUST(store_list_expire(s, INT64_MAX, &oops));
	expect("block:10.0.0.3=,0 ");
}

struct pages {
	char last[64];
	size_t n;
};

static int count(enum store_list list, const struct store_list_entry *e, void *arg)
{
	struct pages *p = arg;

	cr_assert_eq(list, STORE_LIST_BLOCK);
	cr_assert_gt(strcmp(e->cidr, p->last), 0, "in order, none twice");
	memcpy(p->last, e->cidr, sizeof(p->last));
	p->n++;
	return 0;
}

/* 100,000 in chunks of 10,000, in a scattered order, then read back in pages of 7,000. */
Test(list, bulk_and_pages)
{
	static struct store_list_entry e[10000];
	struct pages p = {.last = ""};
	size_t before;
	uint64_t n;

	for (unsigned chunk = 0; chunk < 10; chunk++) {
		for (unsigned i = 0; i < 10000; i++) {
			unsigned a = (chunk * 10000 + i) * 2654435761u;

			snprintf(e[i].cidr, sizeof(e[i].cidr), "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255,
				 a & 255);
		}
		MUST(store_list_put(s, "tester", STORE_LIST_BLOCK, e, 10000, &oops));
	}
	MUST(store_list_count(s, STORE_LIST_BLOCK, &n, &oops));
	cr_expect_eq(n, 100000);
	do {
		char after[64];

		before = p.n;
		memcpy(after, p.last, sizeof(after));
		MUST(store_list_page(s, STORE_LIST_BLOCK, after, 7000, count, &p, &oops));
	} while (p.n == before + 7000);
	cr_expect_eq(p.n, 100000);
}
