/* Goal: breakers and events are kept as they were given, in one piece, over a restart and from version 2 on; forces are
 * in the audit log; old events go. Method: small histories, and the file looked at behind the store's back. */
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

TestSuite(breaker, .init = set_up, .fini = clean);

static void reopen(void)
{
	store_close(s);
	s = fixture_open();
}

struct kept {
	struct store_breaker b[8];
	size_t n, stop_after;
};

static int keep(const struct store_breaker *b, void *arg)
{
	struct kept *k = arg;

	cr_assert_lt(k->n, ARRAY_SIZE(k->b));
	k->b[k->n++] = *b;
	return k->n == k->stop_after ? 77 : 0;
}

static void expect_rows(const struct store_breaker *want, size_t n)
{
	struct kept k = {0};

	MUST(store_breaker_each(s, keep, &k, &oops));
	cr_assert_eq(k.n, n, "%zu rows", k.n);
	for (size_t i = 0; i < n; i++) {
		cr_expect_str_eq(k.b[i].deployment, want[i].deployment);
		cr_expect(k.b[i].state == want[i].state && k.b[i].force == want[i].force &&
				  k.b[i].openings == want[i].openings && k.b[i].changed_ms == want[i].changed_ms &&
				  k.b[i].until_ms == want[i].until_ms,
			  "%s", want[i].deployment);
	}
}

static const struct store_breaker rows[] = {
	{"azure/my-gpt", 2, 0, 4294967295, 1795000000000, 0},
	{"openai/gpt-4o", 1, 0, 3, 1795000000123, 1795000120123},
	{"openai/org/model:free", 0, 2, 0, -5, -1},
};

Test(breaker, kept_over_a_restart)
{
	struct store_breaker changed[3];
	struct kept k = {.stop_after = 1};

	expect_rows(NULL, 0);
	MUST(store_breaker_put(s, rows, 0, &oops));
	MUST(store_breaker_put(s, rows, 3, &oops));
	reopen();
	expect_rows(rows, 3);
	memcpy(changed, rows, sizeof(rows));
	changed[1] = (struct store_breaker){"openai/gpt-4o", 0, 1, 0, 1795000200000, 0};
	MUST(store_breaker_put(s, &changed[1], 1, &oops));
	expect_rows(changed, 3);
	cr_expect_eq(store_breaker_each(s, keep, &k, &oops), 77, "a callback ends the walk");
	cr_expect_eq(k.n, 1);
	cr_expect_eq(fixture_number("SELECT count(*) FROM audit"), 0, "state changes by itself");
}

/* The longest name that there can be: the audit's target is shorter. */
Test(breaker, names)
{
	struct store_breaker b = {.state = 1};
	struct kept k = {0};

	memset(b.deployment, 'm', sizeof(b.deployment) - 1);
	MUST(store_breaker_put(s, &b, 1, &oops));
	MUST(store_breaker_force(s, "alice", &b, &oops));
	MUST(store_breaker_each(s, keep, &k, &oops));
	cr_expect_str_eq(k.b[0].deployment, b.deployment);
	MUST(store_audit_verify(s, &oops));
}

Test(breaker, all_or_nothing)
{
	static const struct {
		const char *name;
		struct store_breaker b;
	} bad[] = {
		{"no name", {.state = 1}},
		{"a line end", {.deployment = "openai/a\nb"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct store_breaker both[] = {{"openai/good", 1, 0, 1, 1, 2}, bad[i].b};
		struct err err = {0};

		cr_expect_eq(store_breaker_put(s, both, 2, &err), ERR_INVAL, "%s: %s", bad[i].name, err.msg);
		expect_rows(NULL, 0);
	}
}

/* ---- forces */

static int last_audit(const struct store_audit *a, void *arg)
{
	*(struct store_audit *)arg = *a;
	return 0;
}

Test(breaker, forces_are_audited)
{
	static const char *const words[] = {"auto", "open", "close"};
	struct store_breaker b = rows[1];
	struct store_audit a = {0};
	struct err err = {0};

	for (unsigned f = 0; f < 3; f++) {
		char detail[64];

		b.force = f;
		MUST(store_breaker_force(s, "alice", &b, &oops));
		expect_rows(&b, 1);
		MUST(store_audit_each(s, 0, last_audit, &a, &oops));
		cr_expect_eq(a.id, f + 1);
		cr_expect_str_eq(a.actor, "alice");
		cr_expect_str_eq(a.action, "breaker.force");
		cr_expect_str_eq(a.target, "openai/gpt-4o");
		snprintf(detail, sizeof(detail), "force=%s deployment=openai/gpt-4o", words[f]);
		cr_expect_str_eq(a.detail, detail);
	}
	b.force = 3;
	cr_expect_eq(store_breaker_force(s, "alice", &b, &err), ERR_INVAL, "%s", err.msg);
	cr_expect_eq(fixture_number("SELECT force FROM breakers"), 2);
	MUST(store_audit_verify(s, &oops));
}

/* Without its audit entry no force is stored. */
Test(breaker, no_force_without_audit)
{
	struct err err = {0};

	MUST(store_breaker_put(s, &rows[1], 1, &oops));
	fixture_sql("DELETE FROM audit_head");
	cr_expect_eq(store_breaker_force(s, "alice",
					 &(struct store_breaker){"openai/gpt-4o", 1, 1, 3, 1795000000123, 0}, &err),
		     ERR_CORRUPT);
	expect_rows(&rows[1], 1);
}

/* ---- events */

struct seen {
	struct store_event e[64];
	size_t n;
};

static int see(const struct store_event *e, void *arg)
{
	struct seen *seen = arg;

	cr_assert_lt(seen->n, ARRAY_SIZE(seen->e));
	seen->e[seen->n++] = *e;
	return 0;
}

static struct store_event event(int64_t n)
{
	struct store_event e = {.time_ms = 1795000000000 + n, .kind = "breaker.opened"};

	snprintf(e.subject, sizeof(e.subject), "openai/m%lld", (long long)n);
	snprintf(e.detail, sizeof(e.detail), "5 failures in a row \xe2\x80\x93 %lld", (long long)n);
	return e;
}

static void expect_events(int64_t before, unsigned limit, int64_t newest, int64_t oldest)
{
	struct seen seen = {0};

	MUST(store_event_each(s, before, limit, see, &seen, &oops));
	cr_assert_eq((int64_t)seen.n, newest - oldest + 1, "before %lld limit %u: %zu", (long long)before, limit,
		     seen.n);
	for (size_t i = 0; i < seen.n; i++) {
		struct store_event want = event(newest - (int64_t)i);

		cr_expect_eq(seen.e[i].id, newest - (int64_t)i);
		cr_expect_eq(seen.e[i].time_ms, want.time_ms);
		cr_expect_str_eq(seen.e[i].kind, want.kind);
		cr_expect_str_eq(seen.e[i].subject, want.subject);
		cr_expect_str_eq(seen.e[i].detail, want.detail);
	}
}

Test(breaker, events_newest_first)
{
	struct store_event e[20];
	struct err err = {0};

	expect_events(0, 10, 0, 1);
	for (int64_t i = 0; i < 20; i++)
		e[i] = event(i + 1);
	MUST(store_event_add(s, e, 0, &oops));
	MUST(store_event_add(s, e, 7, &oops));
	MUST(store_event_add(s, e + 7, 13, &oops));
	reopen();
	expect_events(0, 100, 20, 1);
	expect_events(0, 5, 20, 16);
	expect_events(16, 5, 15, 11);
	expect_events(3, 5, 2, 1);
	expect_events(1, 5, 0, 1);
	expect_events(1000, 2, 20, 19);
	expect_events(0, 0, 0, 1);

	e[1].kind[0] = '\0';
	cr_expect_eq(store_event_add(s, e, 2, &err), ERR_INVAL, "%s", err.msg);
	expect_events(0, 100, 20, 1);
}

Test(breaker, old_events_go)
{
	enum { BATCH = 500 };
	static struct store_event e[BATCH];

	for (int64_t n = 0; n < STORE_EVENTS_MAX + 1500; n += BATCH) {
		for (int64_t i = 0; i < BATCH; i++)
			e[i] = event(n + i + 1);
		MUST(store_event_add(s, e, BATCH, &oops));
	}
	cr_expect_eq(fixture_number("SELECT count(*) FROM events"), STORE_EVENTS_MAX);
	cr_expect_eq(fixture_number("SELECT min(id) FROM events"), 1501);
	cr_expect_eq(fixture_number("SELECT max(id) FROM events"), STORE_EVENTS_MAX + 1500);
	e[0] = event(STORE_EVENTS_MAX + 1501);
	MUST(store_event_add(s, e, 1, &oops));
	cr_expect_eq(fixture_number("SELECT count(*) FROM events"), STORE_EVENTS_MAX);
	expect_events(0, 20, STORE_EVENTS_MAX + 1501, STORE_EVENTS_MAX + 1482);
	expect_events(1505, 20, 1504, 1502);
}

/* ---- from version 2, as the second release left it */

TestSuite(breaker_upgrade, .init = fixture_init, .fini = fixture_done);

Test(breaker_upgrade, version_2_gets_the_tables)
{
	struct store_event e = event(1);
	struct tenant t;

	fixture_sql(schema_control.steps[0]);
	fixture_sql(schema_control.steps[1]);
	fixture_sql("PRAGMA user_version = 2; INSERT INTO slots VALUES (1, 1, 1);"
		    "INSERT INTO tenants VALUES ('acme', 'Acme', 0, 1, 5000, 'growth')");
	s = fixture_open();
	cr_expect_eq(fixture_number("PRAGMA user_version"), 3);
	MUST(store_tenant_get(s, "acme", &t, &oops));
	cr_expect_str_eq(t.tier, "growth");
	MUST(store_breaker_put(s, rows, 3, &oops));
	MUST(store_event_add(s, &e, 1, &oops));
	expect_rows(rows, 3);
	expect_events(0, 10, 1, 1);
	MUST(store_breaker_force(s, "alice", &rows[2], &oops));
	MUST(store_audit_verify(s, &oops));
	store_close(s);
}

/* A step that fails leaves version 2 as it was. */
Test(breaker_upgrade, failed_one_leaves_version_2)
{
	struct err err = {0};

	fixture_sql(schema_control.steps[0]);
	fixture_sql(schema_control.steps[1]);
	fixture_sql("PRAGMA user_version = 2; CREATE TABLE events (x)");
	cr_expect_lt(fixture_try_open(&err), 0);
	cr_expect_not_null(strstr(err.msg, "migrating to schema version 3"), "%s", err.msg);
	cr_expect_eq(fixture_number("PRAGMA user_version"), 2);
	cr_expect_eq(fixture_number("SELECT count(*) FROM sqlite_schema WHERE name = 'breakers'"), 0);
}
