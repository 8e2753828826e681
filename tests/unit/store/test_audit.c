/* Goal: the audit chain misses no alteration. Method: one change of each kind to the file behind the store's back,
 * for each row; each must be found and named. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static struct store *s;

static void set_up(void)
{
	struct tenant t;

	fixture_init();
	s = fixture_open();
	for (int i = 0; i < 5; i++) {
		char id[16];

		snprintf(id, sizeof(id), "t%d", i);
		MUST(store_tenant_create(s, "alice", id, "Name", &t, &oops));
	}
	MUST(store_audit_verify(s, &oops));
}

static void clean(void)
{
	store_close(s);
	fixture_done();
}

TestSuite(audit, .init = set_up, .fini = clean);

static int last(const struct store_audit *a, void *arg)
{
	*(struct store_audit *)arg = *a;
	return 0;
}

Test(audit, rows)
{
	struct store_audit a = {0};

	MUST(store_audit_each(s, 0, last, &a, &oops));
	cr_expect_eq(a.id, 5);
	cr_expect_str_eq(a.actor, "alice");
	cr_expect_str_eq(a.action, "tenant.create");
	cr_expect_str_eq(a.target, "t4");
	cr_expect_str_eq(a.detail, "name=Name slot=5.1");
	memset(&a, 0, sizeof(a));
	MUST(store_audit_each(s, 5, last, &a, &oops));
	cr_expect_eq(a.id, 0);
}

/* Texts over their size are cut before they're hashed, so that the chain holds. */
Test(audit, long_texts)
{
	char actor[300];
	struct tenant t;

	memset(actor, 'a', sizeof(actor));
	actor[sizeof(actor) - 1] = '\0';
	MUST(store_tenant_create(s, actor, "long", "Name", &t, &oops));
	MUST(store_tenant_create(s, NULL, "none", "Name", &t, &oops));
	MUST(store_audit_verify(s, &oops));
}

Test(audit, tampering)
{
	static const struct {
		const char *sql;
		const char *says;
	} rows[] = {
		{"UPDATE audit SET actor = 'mallory' WHERE id = 3", "row 3 was altered"},
		{"UPDATE audit SET time_ms = time_ms + 1 WHERE id = 1", "row 1 was altered"},
		{"UPDATE audit SET action = 'tenant.delete' WHERE id = 2", "row 2 was altered"},
		{"UPDATE audit SET target = 't9' WHERE id = 5", "row 5 was altered"},
		{"UPDATE audit SET detail = detail || 'x' WHERE id = 4", "row 4 was altered"},
		{"UPDATE audit SET actor = actor || action, action = '' WHERE id = 2", "row 2 was altered"},
		{"UPDATE audit SET actor = actor || char(0) || 'x' WHERE id = 2", "row 2 was altered"},
		{"UPDATE audit SET hash = randomblob(32) WHERE id = 3", "row 3 was altered"},
		{"DELETE FROM audit WHERE id = 3", "row 3 is missing"},
		{"DELETE FROM audit WHERE id = 1", "row 1 is missing"},
		{"DELETE FROM audit WHERE id >= 4", "rows 4 to 5 are missing at its end"},
		{"DELETE FROM audit", "rows 1 to 5 are missing at its end"},
		{"DELETE FROM audit WHERE id = 5; UPDATE audit_head SET id = 4", "the head row was altered"},
		{"DELETE FROM audit_head", "its head row is missing"},
		{"INSERT INTO audit SELECT 6, time_ms, actor, action, target, detail, hash FROM audit WHERE id = 5",
		 "row 6 was altered"},
	};

	fixture_sql("CREATE TABLE a2 AS SELECT * FROM audit; CREATE TABLE h2 AS SELECT * FROM audit_head");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};

		fixture_sql(rows[i].sql);
		cr_expect_eq(store_audit_verify(s, &err), ERR_CORRUPT, "%s", rows[i].sql);
		cr_expect_not_null(strstr(err.msg, rows[i].says), "%s: %s", rows[i].sql, err.msg);
		fixture_sql("DELETE FROM audit; INSERT INTO audit SELECT * FROM a2;"
			    "DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM h2");
		MUST(store_audit_verify(s, &oops));
	}
}

/* Texts are hashed with their lengths: moving a character over a border is an alteration too. */
Test(audit, borders)
{
	struct err err = {0};

	fixture_sql("UPDATE audit SET actor = actor || substr(action, 1, 1), action = substr(action, 2) WHERE id = 2");
	cr_expect_eq(store_audit_verify(s, &err), ERR_CORRUPT);
}
