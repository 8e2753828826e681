/* Goal: policy versions: text as given, one active, confirmation. Method: small histories. */
#include "fixture.h"

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

TestSuite(policy, .init = set_up, .fini = clean);

static int walk(const struct store_policy *p, void *arg)
{
	int64_t *at = arg;

	cr_expect_eq(p->id, *at, "newest first");
	cr_expect_eq(p->active, p->id == 2);
	--*at;
	return 0;
}

static const char first[] = "a: 1\n# caf\xc3\xa9\n";

Test(policy, history)
{
	struct store_policy p, got;
	struct err err = {0};
	char *text = NULL;
	int64_t newest = 2;

	cr_expect_eq(store_policy_get(s, 0, &p, &text, &err), ERR_NOT_FOUND, "%s", err.msg);
	cr_expect_eq(store_policy_confirm(s, "tester", 1, &err), ERR_NOT_FOUND);
	MUST(store_policy_add_active(s, "alice", "first", first, strlen(first), 0, &p, &oops));
	cr_expect_eq(p.id, 1);
	MUST(store_policy_add_active(s, "bob", NULL, "", 0, 0, &p, &oops));
	cr_expect_eq(p.id, 2);
	cr_expect(p.active);
	MUST(store_policy_get(s, 0, &got, &text, &oops));
	cr_expect_eq(got.id, 2);
	cr_expect_str_eq(got.actor, "bob");
	cr_expect_str_eq(text, "");
	free(text);
	MUST(store_policy_get(s, 1, &got, &text, &oops));
	cr_expect_not(got.active);
	cr_expect_str_eq(text, first);
	cr_expect_str_eq(got.comment, "first");
	free(text);
	cr_expect_eq(store_policy_get(s, 3, &got, &text, &err), ERR_NOT_FOUND);
	MUST(store_policy_each(s, walk, &newest, &oops));
	cr_expect_eq(newest, 0);
	cr_expect_eq(store_policy_add_active(s, "bob", "two\nlines", "x", 1, 0, &p, &err), ERR_INVAL);
	cr_expect_eq(fixture_number("SELECT id FROM policies WHERE active"), 2);
}

Test(policy, confirmation)
{
	struct store_policy p, got;
	struct err err = {0};
	char *text;

	MUST(store_policy_add_active(s, "alice", "", "a", 1, 0, &p, &oops));
	MUST(store_policy_add_active(s, "alice", "", "b", 1, 123456, &p, &oops));
	cr_expect_eq(p.confirm_by_ms, 123456);
	cr_expect_eq(store_policy_confirm(s, "alice", 1, &err), ERR_INVAL, "not the active one: %s", err.msg);
	MUST(store_policy_confirm(s, "alice", 2, &oops));
	MUST(store_policy_confirm(s, "alice", 2, &oops)); /* again: nothing to do */
	MUST(store_policy_get(s, 0, &got, &text, &oops));
	cr_expect_eq(got.confirm_by_ms, 0);
	free(text);
	cr_expect_eq(fixture_number("SELECT count(*) FROM audit WHERE action = 'policy.confirm'"), 1);
	cr_expect_eq(store_policy_add_active(s, "alice", "", "c", 1, -1, &p, &err), ERR_INVAL);
}

/* The database itself refuses two active versions. */
Test(policy, one_active)
{
	struct store_policy p;
	struct err err = {0};

	MUST(store_policy_add_active(s, "alice", "", "a", 1, 0, &p, &oops));
	MUST(store_policy_add_active(s, "alice", "", "b", 1, 0, &p, &oops));
	cr_expect_eq(store_exec(s, "UPDATE policies SET active = 1", &err), ERR_EXISTS);
}
