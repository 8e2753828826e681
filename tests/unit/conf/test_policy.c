/* Goal: policies (P1 to P3 of policy.c, PL1 and PL2 of policy_lists.c): defaults, inheritance, ranges, errors with
 * their places, and a large one. Method: table rows; the large policy's time is printed, not asserted. */
#include "fixture.h"

#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

#define SECOND 1000000000ull

static void expect_rate(const char *what, const struct policy_rate *r, uint64_t units, uint64_t period_s,
			uint64_t burst)
{
	cr_expect_eq(r->units, units, "%s: %llu units", what, (unsigned long long)r->units);
	cr_expect_eq(r->period_ns, period_s * SECOND, "%s: period %llu", what, (unsigned long long)r->period_ns);
	cr_expect_eq(r->burst, burst, "%s: burst %llu", what, (unsigned long long)r->burst);
	cr_expect_not(r->shadow, "%s", what);
}

/* P1 */
Test(policy, defaults)
{
	struct policy *p = fixture_policy("version: 1\n"), *q = fixture_policy(policy_default_text);
	char *diff = fixture_diff(p, q);

	cr_expect_str_eq(diff, "", "the built-in text says the table's defaults: %s", diff);
	expect_rate("global", &p->global.requests, 100000, 60, 100000);
	expect_rate("tenant", &p->tenant.requests, 10000, 60, 1500);
	expect_rate("key", &p->key.requests, 1000, 60, 1000);
	expect_rate("tokens", &p->key.tokens, 100000, 60, 100000);
	expect_rate("route", &p->routes[TG_ROUTE_CHAT_COMPLETIONS].requests, 500, 60, 500);
	cr_expect_eq(p->routes[TG_ROUTE_CHAT_COMPLETIONS].scope, TG_ROUTE_SCOPE_TENANT);
	cr_expect(p->global.requests.set && p->tenant.requests.set && p->key.requests.set && p->key.tokens.set);
	cr_expect_eq(p->routes[TG_ROUTE_EMBEDDINGS].requests.units, 0);
	cr_expect_eq(p->routes[TG_ROUTE_EMBEDDINGS].scope, TG_ROUTE_SCOPE_NONE);
	cr_expect_eq(p->global.tokens.units, 0);
	cr_expect_not(p->shadow);
	cr_expect(p->nic.answer && p->nic.answer_established);
	cr_expect_eq(p->nic.events_per_second, 100);
	cr_expect_not(p->network.scope_all || p->network.map_full_closed);
	for (size_t i = 0; i < TG_NET_SCOPE_COUNT; i++)
		for (size_t j = 0; j < TG_NET_DIM_COUNT; j++)
			cr_expect(!p->network.rate[i][j].units && !p->network.rate[i][j].set);
	cr_expect_eq(p->n_tenants + p->n_keys + p->n_allow + p->n_block, 0);
	free(diff);
	policy_free(p);
	policy_free(q);
}

Test(policy, values)
{
	struct policy *p = fixture_policy(
		"version: 1\nshadow: on\n"
		"limits:\n"
		"  global: {requests: unlimited}\n"
		"  tenant: {requests: 50}\n"
		"  key: {burst: 7, shadow: yes, tokens: {tokens: 4294967295, period: 1h}}\n"
		"  routes:\n"
		"    embeddings: {requests: 3, period: 1ms, burst: 9, scope: key}\n"
		"network: {scope: all, map_full: closed, bytes: {aggregate: {bytes: 1GiB, burst: 64MiB}},\n"
		"  packets: {source: {packets: 5}}, connections: {all: {connections: 6, period: 1h}}}\n"
		"nic: {answer: off, answer_established: no, events_per_second: 0}\n");

	cr_expect(p->shadow);
	expect_rate("global", &p->global.requests, 0, 60, 0);
	expect_rate("tenant: burst follows", &p->tenant.requests, 50, 60, 50);
	cr_expect_eq(p->key.requests.units, 1000);
	cr_expect_eq(p->key.requests.burst, 7);
	cr_expect(p->key.requests.shadow);
	expect_rate("tokens", &p->key.tokens, 4294967295, 3600, 4294967295);
	cr_expect_eq(p->routes[TG_ROUTE_EMBEDDINGS].requests.period_ns, 1000000);
	cr_expect_eq(p->routes[TG_ROUTE_EMBEDDINGS].requests.burst, 9);
	cr_expect_eq(p->routes[TG_ROUTE_EMBEDDINGS].scope, TG_ROUTE_SCOPE_KEY);
	cr_expect_eq(p->routes[TG_ROUTE_CHAT_COMPLETIONS].requests.units, 0, "given routes replace the default");
	cr_expect(p->network.scope_all && p->network.map_full_closed);
	expect_rate("packets", &p->network.rate[TG_NET_SOURCE][TG_NET_PACKETS], 5, 1, 5);
	expect_rate("bytes", &p->network.rate[TG_NET_AGGREGATE][TG_NET_BYTES], 1u << 30, 1, 64u << 20);
	expect_rate("connections", &p->network.rate[TG_NET_ALL][TG_NET_CONNS], 6, 3600, 6);
	cr_expect(p->network.rate[TG_NET_ALL][TG_NET_CONNS].set);
	cr_expect_not(p->network.rate[TG_NET_ALL][TG_NET_PACKETS].set);
	cr_expect_not(p->nic.answer || p->nic.answer_established);
	cr_expect_eq(p->nic.events_per_second, 0);
	policy_free(p);
}

Test(policy, no_route_limits)
{
	struct policy *p = fixture_policy("version: 1\nlimits: {routes: {}}\n");

	for (size_t i = 0; i < TG_ROUTE_COUNT; i++)
		cr_expect(!p->routes[i].requests.units && p->routes[i].scope == TG_ROUTE_SCOPE_NONE);
	policy_free(p);
}

/* P1: overrides stand before the limits in the file on purpose: order doesn't matter. */
Test(policy, overrides)
{
	struct policy *p = fixture_policy(
		"version: 1\n"
		"overrides:\n"
		"  keys:\n"
		"    key_d: {requests: 9}\n"
		"    key_a: {requests: 5000, tokens: {burst: 10}}\n"
		"    key_b: {period: 1s, routes: {embeddings: {requests: 2}}}\n"
		"    key_c: {requests: unlimited, tokens: {tokens: unlimited}}\n"
		"  tenants:\n"
		"    raised: {requests: 20000}\n"
		"    lowered: {requests: 100}\n"
		"    shadowed: {shadow: true, routes: {chat.completions: {requests: 1, burst: 4}}}\n"
		"limits:\n"
		"  routes: {embeddings: {requests: 70, scope: key}, chat.completions: {requests: 500}}\n");
	const struct policy_override *k = p->keys, *t = p->tenants;

	cr_assert_eq(p->n_keys, 4);
	cr_assert_eq(p->n_tenants, 3);
	cr_expect_str_eq(k[0].subject, "key_a", "sorted");
	expect_rate("a: burst follows like the default's", &k[0].limits.requests, 5000, 60, 5000);
	expect_rate("a: tokens", &k[0].limits.tokens, 100000, 60, 10);
	cr_expect(k[0].limits.requests.set && k[0].limits.tokens.set && !k[0].limits.routes[TG_ROUTE_EMBEDDINGS].set);
	expect_rate("b: period alone", &k[1].limits.requests, 1000, 1, 1000);
	expect_rate("b: route", &k[1].limits.routes[TG_ROUTE_EMBEDDINGS], 2, 60, 2);
	cr_expect(k[1].limits.routes[TG_ROUTE_EMBEDDINGS].set);
	expect_rate("b: tokens inherited", &k[1].limits.tokens, 100000, 60, 100000);
	cr_expect_not(k[1].limits.tokens.set);
	cr_expect(k[2].limits.requests.set && !k[2].limits.requests.units, "unlimited is set, to none");
	cr_expect(k[2].limits.tokens.set && !k[2].limits.tokens.units);
	expect_rate("d: burst follows down", &k[3].limits.requests, 9, 60, 9);
	cr_expect_str_eq(t[0].subject, "lowered");
	expect_rate("lowered: burst is at most its requests", &t[0].limits.requests, 100, 60, 100);
	expect_rate("raised: keeps the inherited burst", &t[1].limits.requests, 20000, 60, 1500);
	cr_expect(t[2].limits.requests.shadow && t[2].limits.requests.units == 10000);
	expect_rate("shadowed: route", &t[2].limits.routes[TG_ROUTE_CHAT_COMPLETIONS], 1, 60, 4);
	policy_free(p);
}

#define V "version: 1\n"

Test(policy, errors)
{
	static const struct error_row rows[] = {
		{"empty", "", {"0:0: version: is missing: Form of this file: 1."}},
		{"version missing", "shadow: on\n", {"1:1: version: is missing**"}},
		{"version unknown",
		 "version: 2\n",
		 {"1:10: version: \"2\" is no version this program knows; write version: 1"}},
		{"unknown section", V "limit: {}\n", {"2:1: limit: is not known here; did you mean \"limits\"?"}},
		{"tokens of a tenant",
		 V "limits: {tenant: {tokens: {tokens: 1}}}\n",
		 {"2:19: limits.tenant.tokens: is not known here**"}},
		{"zero requests",
		 V "limits: {key: {requests: 0}}\n",
		 {"2:26: limits.key.requests: 0 is out of range; from 1 to 4294967295"}},
		{"too many",
		 V "limits: {key: {requests: 4294967296}}\n",
		 {"2:26: limits.key.requests: 4294967296 is out of range; from 1 to 4294967295"}},
		{"neither number nor word",
		 V "limits: {key: {requests: none}}\n",
		 {"2:26: limits.key.requests: \"none\" is not a whole number or unlimited; write digits only, such as "
		  "1000"}},
		{"only one error for it",
		 V "limits: {key: {requests: none, period: 1s}}\n",
		 {"2:26: limits.key.requests**"}},
		{"period too short",
		 V "limits: {key: {period: 999us}}\n",
		 {"2:24: limits.key.period: 999us is out of range; from 1ms to 39h"}},
		{"period too long",
		 V "limits: {key: {period: 2d}}\n",
		 {"2:24: limits.key.period: 2d is out of range; from 1ms to 39h"}},
		{"burst too large",
		 V "limits: {key: {requests: 1, period: 1h, burst: 40}}\n",
		 {"2:48: limits.key.burst: burst 40 at 1 requests per 1h would take over 39h to refill; burst may be "
		  "at most 39"}},
		{"burst too large by the period",
		 V "limits: {tenant: {period: 39h}, global: {requests: 10, burst: 1000000}}\n",
		 {"2:63: limits.global.burst: burst 1000000 at 10 requests per 60s would take over 39h to refill; "
		  "burst may be at most 23456"}},
		{"unlimited with burst",
		 V "limits: {key: {requests: unlimited, burst: 5}}\n",
		 {"2:15: limits.key: period, burst or shadow have no effect without a number of requests; give "
		  "requests"}},
		{"route unknown",
		 V "limits: {routes: {chat: {requests: 1}}}\n",
		 {"2:19: limits.routes.chat: is not known here; one of chat.completions, embeddings**"}},
		{"route without requests",
		 V "limits: {routes: {models: {period: 1s}}}\n",
		 {"2:27: limits.routes.models.requests: is missing: how many per period, or \"unlimited\""}},
		{"route scope",
		 V "limits: {routes: {models: {requests: 1, scope: tenants}}}\n",
		 {"2:48: limits.routes.models.scope: \"tenants\" is none of its words; one of gateway, tenant, key; "
		  "did you mean \"tenant\"?"}},
		{"tenant id",
		 V "overrides: {tenants: {A: {requests: 1}}}\n",
		 {"2:23: overrides.tenants.A: is no tenant id**"}},
		{"key id", V "overrides: {keys: {k1: {requests: 1}}}\n", {"2:20: overrides.keys.k1: is no key id**"}},
		{"key text isn't shown",
		 V "overrides: {keys: {tg_live_abcdef: {requests: 1}}}\n",
		 {"2:20: overrides.keys.tg_live_...: is an API key's text, not its id**"}},
		{"key given twice",
		 V "overrides: {keys: {key_a: {requests: 1}, key_a: {requests: 2}}}\n",
		 {"2:42: overrides.keys: \"key_a\" is given twice, first on line 2; keep one"}},
		{"override sets nothing",
		 V "overrides: {keys: {key_a: {}}}\n",
		 {"2:27: overrides.keys.key_a: sets nothing; give a limit or leave it out"}},
		{"override out of range by inheritance",
		 V "overrides: {keys: {key_a: {period: 39h, burst: 2000}}}\n",
		 {"2:48: overrides.keys.key_a.burst: burst 2000 at 1000 requests per 39h would take over 39h to "
		  "refill; burst may be at most 1002"}},
		{"override of nothing",
		 V "limits: {key: {requests: unlimited}}\noverrides: {keys: {key_a: {burst: 5}}}\n",
		 {"3:27: overrides.keys.key_a: period, burst or shadow have no effect without a number of requests; "
		  "give requests"}},
		{"override of a route without limit",
		 V "overrides: {keys: {key_a: {routes: {models: {requests: 1}}}}}\n",
		 {"2:45: overrides.keys.key_a.routes.models: limits.routes has no models; give it there, so that its "
		  "scope is known"}},
		{"override of another scope",
		 V "overrides: {keys: {key_a: {routes: {chat.completions: {requests: 1}}}}}\n",
		 {"2:55: overrides.keys.key_a.routes.chat.completions: limits.routes.chat.completions has scope "
		  "tenant, so this would have no effect"}},
		{"network: other unit",
		 V "network: {connections: {source: {requests: 50}}}\n",
		 {"2:34: network.connections.source.requests: is not known here; known here: connections, period, "
		  "burst, shadow"}},
		{"network: no number",
		 V "network: {packets: {all: {period: 5s}}}\n",
		 {"2:26: network.packets.all: period, burst or shadow have no effect without a number of packets; give "
		  "packets"}},
		{"network: size",
		 V "network: {bytes: {all: {bytes: 5GiB}}}\n",
		 {"2:32: network.bytes.all.bytes: 5GiB is out of range; from 1 to 4294967295"}},
		{"network: scope",
		 V "network: {scope: port}\n",
		 {"2:18: network.scope: \"port\" is none of its words; one of ports, all; did you mean \"ports\"?"}},
		{"list: no address",
		 V "lists: {block: [10.0.0.256]}\n",
		 {"2:17: lists.block[0]: \"10.0.0.256\" is no address; write 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32"}},
		{"list: host bits",
		 V "lists:\n  allow:\n    - 10.0.0.0/8\n    - 10.1.2.3/8\n",
		 {"5:7: lists.allow[1]: 10.1.2.3/8 has bits set below its prefix; the network is 10.0.0.0/8, the one "
		  "address 10.1.2.3"}},
		{"list: prefix",
		 V "lists: {block: [{cidr: 10.0.0.0/33}]}\n",
		 {"2:24: lists.block[0].cidr: \"10.0.0.0/33\" has a bad prefix length; from 0 to 32"}},
		{"list: cidr missing",
		 V "lists: {block: [{reason: x}]}\n",
		 {"2:17: lists.block[0].cidr: is missing**"}},
		{"list: twice",
		 V "lists:\n  block:\n    - 10.0.0.1\n    - 10.0.0.2\n    - {cidr: 10.0.0.1/32, reason: x}\n",
		 {"6:14: lists.block: 10.0.0.1/32 is listed twice, first on line 4; keep one"}},
		{"list: on both",
		 V "lists: {block: [10.0.0.1, \"::1\"], allow: [\"::1\"]}\n",
		 {"2:27: lists.block: ::1/128 is on the allow list too, which wins; keep it in one of them"}},
		{"list: a mapping",
		 V "lists: {block: {a: b}}\n",
		 {"2:16: lists.block: is a mapping; give a list (lines that start with \"- \")"}},
		{"list: nested",
		 V "lists: {block: [[10.0.0.1]]}\n",
		 {"2:17: lists.block[0]: is a list; give an address or network such as 10.0.0.0/8"}},
		{"list: long reason",
		 V "lists: {block: [{cidr: 10.0.0.1, reason: "
		   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}]}"
		   "\n",
		 {"2:42: lists.block[0].reason: is 96 bytes long; at most 95"}},
	};

	fixture_error_rows(FIXTURE_POLICY, rows, ARRAY_SIZE(rows));
}

/* PL1 */
Test(policy, lists_are_sorted)
{
	struct policy *p = fixture_policy(V "lists: {block: [\"2001:db8::/32\", 10.0.0.2, 10.0.0.0/8, {cidr: "
					    "10.0.0.0/16, reason: why}, 9.0.0.0/8, \"::1\"]}\n");
	static const char *const want[] = {"9.0.0.0/8",   "10.0.0.0/8", "10.0.0.0/16",
					   "10.0.0.2/32", "::1/128",    "2001:db8::/32"};
	char text[64];

	cr_assert_eq(p->n_block, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		policy_format_cidr(&p->block[i], text);
		cr_expect_str_eq(text, want[i]);
	}
	cr_expect_str_eq(p->block[2].reason, "why");
	cr_expect_null(p->block[1].reason);
	policy_free(p);
}

Test(policy, cidr)
{
	static const struct {
		const char *text, *want; /* NULL = refused */
		const char *message;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1/32", NULL},
		{"10.0.0.0/8", "10.0.0.0/8", NULL},
		{"0.0.0.0/0", "0.0.0.0/0", NULL},
		{"::/0", "::/0", NULL},
		{"2001:DB8::/32", "2001:db8::/32", NULL},
		{"fd00::1", "fd00::1/128", NULL},
		{"::ffff:0:0/95", NULL, "the network is ::fffe:0:0/95"},
		{"::ffff:1.2.3.4", NULL, "write 1.2.3.4/32"},
		{"::ffff:10.0.0.0/104", NULL, "write 10.0.0.0/8"},
		{"2001:db8::1/32", NULL, "the network is 2001:db8::/32"},
		{"10.0.0.0/", NULL, "bad prefix length"},
		{"10.0.0.0/-1", NULL, "bad prefix length"},
		{"10.0.0.0/08x", NULL, "bad prefix length"},
		{"::/129", NULL, "from 0 to 128"},
		{"", NULL, "is no address"},
		{"/8", NULL, "is no address"},
		{"10.0.0", NULL, "is no address"},
		{"010.0.0.1", NULL, "is no address"},
		{"10.0.0.1 ", NULL, "is no address"},
		{"example.com", NULL, "is no address"},
		{"fe80::1%eth0", NULL, "is no address"},
		{"1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222:3333", NULL, "is no address"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy_list_entry e = {.prefix_len = 77};
		struct err err = {0};
		int rc = policy_parse_cidr(rows[i].text, strlen(rows[i].text), &e, &err);
		char text[64];

		cr_expect_eq(rc, rows[i].want ? 0 : ERR_INVAL, "%s: %d %s", rows[i].text, rc, err.msg);
		if (rows[i].want && !rc) {
			policy_format_cidr(&e, text);
			cr_expect_str_eq(text, rows[i].want);
		} else {
			cr_expect_eq(e.prefix_len, 77, "%s: untouched", rows[i].text);
			cr_expect(strstr(err.msg, rows[i].message), "%s: %s", rows[i].text, err.msg);
		}
	}
}

static char *large(int reasons)
{
	struct buf text = BUF_INIT;

	buf_puts(&text, V "overrides:\n  keys:\n");
	for (int i = 0; i < 10000; i++)
		buf_printf(&text, "    key_%016d: {requests: %d, period: 60s, burst: 50, tokens: {tokens: 1000}}\n", i,
			   i + 1);
	buf_puts(&text, "lists:\n  block:\n");
	for (unsigned i = 100000; i-- > 0;)
		buf_printf(&text, reasons ? "    - {cidr: 10.%u.%u.%u, reason: abuse}\n" : "    - 10.%u.%u.%u\n",
			   i >> 16, i >> 8 & 255, i & 255);
	return buf_steal(&text);
}

Test(policy, large)
{
	for (int reasons = 0; reasons < 2; reasons++) {
		char *text = large(reasons), *diff;
		uint64_t t0 = clock_mono_ns(), t1, t2;
		clock_t cpu0 = clock();
		double cpu;
		struct policy *p = fixture_policy(text), *q = fixture_policy(V);

		t1 = clock_mono_ns();
		cpu = (double)(clock() - cpu0) * 1e3 / CLOCKS_PER_SEC;
		diff = fixture_diff(q, p);
		t2 = clock_mono_ns();
		cr_expect_eq(p->n_keys, 10000);
		cr_expect_eq(p->keys[9999].limits.requests.units, 10000);
		cr_expect_eq(p->n_block, 100000);
		cr_expect_eq(p->block[65536].addr[0], __builtin_bswap32(0x0a010000));
		cr_expect(strstr(diff, "overrides.keys: 10000 added, 0 removed, 0 changed in all (9950 not shown)\n"),
			  "%.2000s", diff);
		cr_expect(strstr(diff, "lists.block: 0 -> 100000 entries: 100000 added, 0 removed, 0 with another "
				       "reason (not all shown)\n"));
		cr_log_info("10,000 keys and 100,000 entries, %zu bytes: parsed in %.1f ms (CPU %.1f ms), compared in "
			    "%.1f ms",
			    strlen(text), (double)(t1 - t0) / 1e6, cpu, (double)(t2 - t1) / 1e6);
		free(text);
		free(diff);
		policy_free(p);
		policy_free(q);
	}
}

static const struct {
	const char *name, *a, *b, *want;
} diff_rows[] = {
	{"same", V "shadow: off\n", V, ""},
	{"one number", V, V "limits: {key: {requests: 500}}\n",
	 "limits.key.requests: 1000 -> 500\nlimits.key.burst: 1000 -> 500\n"},
	{"to unlimited", V, V "limits: {global: {requests: unlimited}}\n",
	 "limits.global.requests: 100000 -> unlimited\n"},
	{"from unlimited", V "limits: {global: {requests: unlimited}}\n", V "limits: {global: {requests: 5}}\n",
	 "limits.global.requests: unlimited -> 5\nlimits.global.period: none -> 60s\nlimits.global.burst: none -> 5\n"},
	{"words", V,
	 V "shadow: on\nnetwork: {scope: all, map_full: closed}\nnic: {answer: off, events_per_second: 5}\n",
	 "shadow: off -> on\nnetwork.scope: ports -> all\nnetwork.map_full: open -> closed\nnic.answer: on -> "
	 "off\nnic.events_per_second: 100 -> 5\n"},
	{"route scope", V, V "limits: {routes: {chat.completions: {requests: 500, scope: key}}}\n",
	 "limits.routes.chat.completions.scope: tenant -> key\n"},
	{"overrides", V "overrides: {keys: {key_a: {requests: 1}, key_b: {requests: 2}}}\n",
	 V "overrides: {keys: {key_b: {requests: 3}, key_c: {shadow: on}}}\n",
	 "overrides.keys.key_a.requests: 1 -> inherited\noverrides.keys.key_b.requests: 2 -> "
	 "3\noverrides.keys.key_b.burst: 2 -> 3\n"
	 "overrides.keys.key_c.requests: inherited -> 1000\noverrides.keys.key_c: per 60s, burst 1000, shadow on\n"},
	{"a changed default doesn't repeat in overrides", V "overrides: {keys: {key_a: {tokens: {tokens: 5}}}}\n",
	 V "limits: {key: {period: 1s}}\noverrides: {keys: {key_a: {tokens: {tokens: 5}}}}\n",
	 "limits.key.period: 60s -> 1s\n"},
	{"lists", V "lists: {block: [1.1.1.1, 1.1.1.2, {cidr: 1.1.1.3, reason: x}]}\n",
	 V "lists: {block: [{cidr: 1.1.1.3, reason: y}, 1.1.1.4, 1.1.1.1]}\n",
	 "lists.block: - 1.1.1.2/32\nlists.block: ~ 1.1.1.3/32 y\nlists.block: + 1.1.1.4/32\n"
	 "lists.block: 3 -> 3 entries: 1 added, 1 removed, 1 with another reason\n"},
};

Test(policy, diff)
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
