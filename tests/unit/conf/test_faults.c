/* Goal: breakers, bulkheads and retries of a policy (PF1 to PF3 of policy_faults.h): guard's own defaults, inheritance,
 * every broken rule at its place, differences. Method: table rows. */
#include "fixture.h"

#include "guard/breaker.h"
#include "guard/bulkhead.h"
#include "guard/retry.h"

#include <stdio.h>
#include <stdlib.h>

#define V "version: 1\n"
#define MS 1000000ull
#define SEC 1000000000ull

static void expect_bulkhead(const struct policy_bulkhead *b, const char *what, unsigned concurrent, unsigned queue,
			    uint64_t wait_ns)
{
	cr_expect_eq(b->concurrent, concurrent, "%s: %u", what, b->concurrent);
	cr_expect_eq(b->queue, queue, "%s: %u", what, b->queue);
	cr_expect_eq(b->wait_ns, wait_ns, "%s", what);
}

static void expect_defaults(const char *text)
{
	const struct breaker_rules rules = BREAKER_RULES_DEFAULT;
	const struct bulkhead_rule bulkhead = BULKHEAD_RULE_DEFAULT;
	const struct retry_rules retry = RETRY_RULES_DEFAULT;
	struct policy *p = fixture_policy(text);
	const struct policy_faults *f = &p->faults;

	cr_expect_eq(f->breakers.consecutive_failures, rules.consecutive_failures);
	cr_expect_eq(f->breakers.failure_rate_e4, rules.failure_rate_e4);
	cr_expect_eq(f->breakers.min_requests, rules.min_requests);
	cr_expect_eq(f->breakers.probes, rules.probes);
	cr_expect_eq(f->breakers.window_ns, rules.window_ns);
	cr_expect_eq(f->breakers.open_ns, rules.open_ns);
	cr_expect_eq(f->breakers.open_max_ns, rules.open_max_ns);
	cr_expect_eq(f->breakers.cooldown_ns, 5 * SEC);
	cr_expect_eq(f->breakers.quota_cooldown_ns, 60 * SEC);
	cr_expect_eq(f->breakers.cooldown_max_ns, 300 * SEC);
	expect_bulkhead(&f->bulkheads.deployment, "deployment", bulkhead.concurrent, bulkhead.queue, bulkhead.wait_ns);
	expect_bulkhead(&f->bulkheads.tenant, "tenant", bulkhead.concurrent, bulkhead.queue, bulkhead.wait_ns);
	cr_expect_eq(f->bulkheads.n_tenants, 0);
	cr_expect_eq(f->retries.share_e4, retry.share_e4);
	cr_expect_eq(f->retries.reserve, retry.reserve);
	cr_expect_eq(f->retries.attempts, retry.attempts);
	policy_free(p);
}

Test(faults, defaults)
{
	expect_defaults(V);
	expect_defaults(V "breakers: {}\nbulkheads: ~\nretries: {}\n");
	expect_defaults(V "bulkheads: {deployment: {}, tenant: ~, tenants: {}}\n");
	expect_defaults(policy_default_text);
}

Test(faults, values)
{
	struct policy *p = fixture_policy(
		V "breakers: {consecutive_failures: 0, failure_rate: 0.9999, min_requests: 1, window: 1s, open: 10ms,\n"
		  "  open_max: 10ms, probes: 1000, cooldown: 100ms, quota_cooldown: 24h, cooldown_max: 1d}\n"
		  "bulkheads:\n"
		  "  deployment: {concurrent: unlimited, queue: 0, wait: 1ms}\n"
		  "  tenant: {concurrent: 7, wait: 10m}\n"
		  "retries: {budget: 1, reserve: 100000, attempts: 16}\n");
	const struct policy_faults *f = &p->faults;

	cr_expect_eq(f->breakers.consecutive_failures, 0);
	cr_expect_eq(f->breakers.failure_rate_e4, 9999);
	cr_expect_eq(f->breakers.min_requests, 1);
	cr_expect_eq(f->breakers.window_ns, SEC);
	cr_expect_eq(f->breakers.open_ns, 10 * MS);
	cr_expect_eq(f->breakers.open_max_ns, 10 * MS);
	cr_expect_eq(f->breakers.probes, 1000);
	cr_expect_eq(f->breakers.cooldown_ns, 100 * MS);
	cr_expect_eq(f->breakers.quota_cooldown_ns, 86400 * SEC);
	cr_expect_eq(f->breakers.cooldown_max_ns, 86400 * SEC);
	expect_bulkhead(&f->bulkheads.deployment, "deployment", 0, 0, MS);
	expect_bulkhead(&f->bulkheads.tenant, "tenant", 7, 100, 600 * SEC);
	cr_expect_eq(f->retries.share_e4, 10000);
	cr_expect_eq(f->retries.reserve, 100000);
	cr_expect_eq(f->retries.attempts, 16);
	policy_free(p);
}

/* PF1: from `tenant`, wherever in the file that is; sorted by tenant. */
Test(faults, tenants_inherit)
{
	static const char text[] = V "bulkheads:\n"
				     "  tenants:\n"
				     "    zoo: {concurrent: 0}\n"
				     "    acme: {queue: 0}\n"
				     "    m-1: {concurrent: 3, queue: 4, wait: 5ms}\n"
				     "  tenant: {concurrent: 20, wait: 2s}\n"
				     "  deployment: {concurrent: 99}\n";
	struct policy *p = fixture_policy(text);
	const struct policy_faults *f = &p->faults;

	cr_assert_eq(f->bulkheads.n_tenants, 3);
	cr_expect_str_eq(f->bulkheads.tenants[0].tenant, "acme");
	expect_bulkhead(&f->bulkheads.tenants[0].rule, "acme", 20, 0, 2 * SEC);
	cr_expect_str_eq(f->bulkheads.tenants[1].tenant, "m-1");
	expect_bulkhead(&f->bulkheads.tenants[1].rule, "m-1", 3, 4, 5 * MS);
	cr_expect_str_eq(f->bulkheads.tenants[2].tenant, "zoo");
	expect_bulkhead(&f->bulkheads.tenants[2].rule, "zoo", 0, 100, 2 * SEC);
	policy_free(p);
}

Test(faults, errors)
{
	static const struct error_row rows[] = {
		{"PF2 open above open_max",
		 V "breakers: {open: 6m}\n",
		 {"2:18: breakers.open: open 6m is above open_max 5m; it may be at most that"}},
		{"PF2 open_max below open",
		 V "breakers: {open_max: 10s}\n",
		 {"2:22: breakers.open_max: open 30s is above open_max 10s; it may be at most that"}},
		{"PF2 cooldown_max below both: one error is enough",
		 V "breakers: {cooldown_max: 1s}\n",
		 {"2:26: breakers.cooldown_max: cooldown 5s is above cooldown_max 1s; it may be at most that"}},
		{"PF2 quota_cooldown",
		 V "breakers: {quota_cooldown: 1h}\n",
		 {"2:28: breakers.quota_cooldown: quota_cooldown 1h is above cooldown_max 5m; it may be at most that"}},
		{"a broken value is not judged twice",
		 V "breakers: {open: 30, open_max: 1s, cooldown: 2d, cooldown_max: 1s, quota_cooldown: 1s}\n",
		 {"2:18: breakers.open: \"30\" is not a duration**",
		  "2:46: breakers.cooldown: 2d is out of range; from 0s to 1d"}},
		{"PF3 a rate that can't be exceeded",
		 V "breakers: {failure_rate: 1}\n",
		 {"2:26: breakers.failure_rate: 1 is out of range; from 0 to 0.9999"}},
		{"PF3 min_requests without a rate",
		 V "breakers: {failure_rate: 0, min_requests: 50}\n",
		 {"2:43: breakers.min_requests: has no effect with failure_rate: 0; leave it out"}},
		{"ranges",
		 V "breakers: {probes: 0, window: 999ms, min_requests: 0, consecutive_failures: -1}\n",
		 {"2:20: breakers.probes: 0 is out of range; from 1 to 1000",
		  "2:31: breakers.window: 999ms is out of range; from 1s to 1h",
		  "2:52: breakers.min_requests: 0 is out of range; from 1 to 1000000",
		  "2:77: breakers.consecutive_failures: \"-1\" is not a whole number**"}},
		{"too many probes", V "breakers: {probes: 1001}\n", {"2:20: breakers.probes: 1001 is out of range**"}},
		{"an unknown key", V "breakers: {probe: 3}\n", {"2:12: breakers.probe: **did you mean \"probes\"?"}},
		{"bulkhead ranges",
		 V "bulkheads: {deployment: {concurrent: 1000001, queue: 1000001, wait: 0s}, tenant: {wait: 11m}}\n",
		 {"2:38: bulkheads.deployment.concurrent: 1000001 is out of range; from 0 to 1000000",
		  "2:54: bulkheads.deployment.queue: 1000001 is out of range; from 0 to 1000000",
		  "2:69: bulkheads.deployment.wait: 0s is out of range; from 1ms to 10m",
		  "2:89: bulkheads.tenant.wait: 11m is out of range; from 1ms to 10m"}},
		{"bulkhead of no tenant",
		 V "bulkheads: {tenants: {Acme: {concurrent: 5}}}\n",
		 {"2:23: bulkheads.tenants.Acme: is no tenant id**"}},
		{"PF3 a tenant that sets nothing",
		 V "bulkheads: {tenants: {acme: {}}}\n",
		 {"2:29: bulkheads.tenants.acme: sets nothing**"}},
		{"a tenant twice",
		 V "bulkheads: {tenants: {acme: {queue: 1}, acme: {queue: 2}}}\n",
		 {"2:41: bulkheads.tenants: \"acme\" is given twice**"}},
		{"retry ranges",
		 V "retries: {budget: 1.0001, reserve: 0, attempts: 0}\n",
		 {"2:19: retries.budget: 1.0001 is out of range; from 0 to 1",
		  "2:36: retries.reserve: 0 is out of range; from 1 to 100000",
		  "2:49: retries.attempts: 0 is out of range; from 1 to 16"}},
		{"PF3 a budget without retries",
		 V "retries: {budget: 0.2, attempts: 1}\n",
		 {"2:10: retries: budget has no effect with attempts: 1; leave it out"}},
		{"PF3 a reserve without retries",
		 V "retries: {reserve: 2, attempts: 1}\n",
		 {"2:10: retries: reserve has no effect with attempts: 1; leave it out"}},
	};

	fixture_error_rows(FIXTURE_POLICY, rows, ARRAY_SIZE(rows));
	policy_free(fixture_policy(V "retries: {attempts: 1}\n"));
	policy_free(fixture_policy(V "breakers: {failure_rate: 0}\n"));
}

static const struct {
	const char *name, *a, *b, *want;
} diff_rows[] = {
	{"breakers", V, V "breakers: {failure_rate: 0.25, open: 10s, probes: 1}\n",
	 "breakers.failure_rate: 0.5 -> 0.25\nbreakers.open: 30s -> 10s\nbreakers.probes: 3 -> 1\n"},
	{"every breaker field",
	 V
	 "breakers: {consecutive_failures: 1, failure_rate: 0.1, min_requests: 1, window: 1s, open: 1s, open_max: 1s, "
	 "probes: 1, cooldown: 1s, quota_cooldown: 1s, cooldown_max: 1s}\n",
	 V,
	 "breakers.consecutive_failures: 1 -> 5\nbreakers.failure_rate: 0.1 -> 0.5\nbreakers.min_requests: 1 -> 20\n"
	 "breakers.window: 1s -> 60s\nbreakers.open: 1s -> 30s\nbreakers.open_max: 1s -> 5m\nbreakers.probes: 1 -> 3\n"
	 "breakers.cooldown: 1s -> 5s\nbreakers.quota_cooldown: 1s -> 60s\nbreakers.cooldown_max: 1s -> 5m\n"},
	{"bulkheads", V, V "bulkheads: {deployment: {concurrent: 50}, tenant: {queue: 0, wait: 1s}}\n",
	 "bulkheads.deployment.concurrent: 10 -> 50\nbulkheads.tenant.queue: 100 -> 0\nbulkheads.tenant.wait: 5s -> "
	 "1s\n"},
	{"tenants", V "bulkheads: {tenants: {a: {queue: 1}, b: {queue: 2}, c: {queue: 3}}}\n",
	 V "bulkheads: {tenants: {b: {queue: 9, wait: 6s}, c: {queue: 3}, d: {concurrent: 50}}}\n",
	 "bulkheads.tenants: - a: concurrent 10, queue 1, wait 5s\nbulkheads.tenants.b.queue: 2 -> 9\n"
	 "bulkheads.tenants.b.wait: 5s -> 6s\nbulkheads.tenants: + d: concurrent 50, queue 100, wait 5s\n"},
	{"what is inherited", V "bulkheads: {tenants: {a: {queue: 1}}}\n",
	 V "bulkheads: {tenant: {concurrent: 11}, tenants: {a: {queue: 1}}}\n",
	 "bulkheads.tenant.concurrent: 10 -> 11\nbulkheads.tenants.a.concurrent: 10 -> 11\n"},
	{"retries", V, V "retries: {budget: 0.2, reserve: 5, attempts: 2}\n",
	 "retries.budget: 0.1 -> 0.2\nretries.reserve: 10 -> 5\nretries.attempts: 3 -> 2\n"},
	{"the same in other words", V "bulkheads: {tenant: {concurrent: 0}}\nretries: {budget: 0.10}\n",
	 V "bulkheads: {tenant: {concurrent: unlimited}}\nbreakers: {window: 1m}\n", ""},
};

Test(faults, diff)
{
	for (size_t i = 0; i < ARRAY_SIZE(diff_rows); i++) {
		struct policy *a = fixture_policy(diff_rows[i].a), *b = fixture_policy(diff_rows[i].b);
		char *diff = fixture_diff(a, b), *none = fixture_diff(b, b);

		cr_expect_str_eq(diff, diff_rows[i].want, "%s: %s", diff_rows[i].name, diff);
		cr_expect_str_eq(none, "", "%s: %s", diff_rows[i].name, none);
		free(diff);
		free(none);
		policy_free(a);
		policy_free(b);
	}
}

Test(faults, long_diffs_are_counted)
{
	struct policy *a = fixture_policy(V), *b;
	struct buf text = BUF_INIT;
	unsigned lines = 0;
	char *diff;

	buf_puts(&text, V "bulkheads:\n  tenants:\n");
	for (unsigned i = 0; i < 60; i++)
		buf_printf(&text, "    t%u: {queue: %u}\n", i, i);
	b = fixture_policy(text.data);
	diff = fixture_diff(a, b);
	for (const char *s = diff; *s; s++)
		lines += *s == '\n';
	cr_expect_eq(lines, 51, "%u lines", lines);
	cr_expect(strstr(diff, "\nbulkheads.tenants: 0 -> 60, 60 differ in all (10 not shown)\n"), "%s", diff);
	free(diff);
	buf_done(&text);
	policy_free(a);
	policy_free(b);
}
