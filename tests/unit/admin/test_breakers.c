/* Goal: breakers, forcing and events over the control API; what explain says of circuits and bulkheads.
 * Method: the real handlers behind the real HTTP adapter; the gateway's answers are the test's, events come from the
 * real store, a route's state from memory shared as with the kernel. */
#include "fixture.h"

#include "base/clock.h"
#include "guard/breaker.h"

#include <criterion/criterion.h>
#include <string.h>

static struct admin_breaker rows[4];

static void setup(void)
{
	fixture_start();
	rows[0] = (struct admin_breaker){
		.deployment = "anthropic/claude-sonnet-5",
		.provider = "anthropic",
		.model = "claude-sonnet-5",
		.models = "claude, claude-latest",
		.state = BREAKER_OPEN,
		.consecutive = 5,
		.total = 40,
		.failed = 21,
		.openings = 2,
		.until_ms = 29500,
		.concurrent = 10,
		.changed_ms = 1790812800000,
	};
	rows[1] = (struct admin_breaker){
		.deployment = "openai/gpt-4o",
		.provider = "openai",
		.model = "gpt-4o",
		.models = "gpt-4o",
		.state = BREAKER_HALF_OPEN,
		.probes_running = 2,
		.probes_ok = 1,
		.inside = 3,
		.latency_us = 123499,
		.changed_ms = 1790812800001,
	};
	rows[2] = (struct admin_breaker){
		.deployment = "openai/gpt-4o-mini",
		.provider = "openai",
		.model = "gpt-4o-mini",
		.models = "",
		.state = BREAKER_CLOSED,
		.cooling_ms = 61000,
		.quota_exhausted = true,
		.inside = 7,
		.waiting = 4,
		.concurrent = 7,
		.latency_us = 200,
	};
	rows[3] = (struct admin_breaker){
		.deployment = "openai/o5",
		.provider = "openai",
		.model = "o5",
		.models = "o5",
		.state = BREAKER_CLOSED,
	};
	fx.breakers = rows;
	fx.n_breakers = ARRAY_SIZE(rows);
}

TestSuite(breakers, .init = setup, .fini = fixture_stop, .timeout = 60);

/* The value as text, such as {"calls":40}. */
static void expect_member(json_t *o, const char *name, const char *want)
{
	json_t *v = json_object_get(o, name);
	char *text = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("(absent)");

	cr_expect_str_eq(text, want, "%s: %s, expected %s", name, text, want);
	free(text);
}

Test(breakers, list)
{
	static const struct {
		size_t row;
		const char *name, *want;
	} want[] = {
		{0, "deployment", "\"anthropic/claude-sonnet-5\""},
		{0, "provider", "\"anthropic\""},
		{0, "model", "\"claude-sonnet-5\""},
		{0, "models", "[\"claude\",\"claude-latest\"]"},
		{0, "state", "\"open\""},
		{0, "force", "\"auto\""},
		{0, "failures_in_a_row", "5"},
		{0, "window", "{\"calls\":40,\"failures\":21}"},
		{0, "openings", "2"},
		{0, "probes", "{\"running\":0,\"succeeded\":0}"},
		{0, "retry_ms", "29500"},
		{0, "cooling_ms", "0"},
		{0, "quota_exhausted", "false"},
		{0, "concurrency", "10"},
		{0, "latency_ms", "0"},
		{0, "changed_ms", "1790812800000"},
		{1, "state", "\"half_open\""},
		{1, "probes", "{\"running\":2,\"succeeded\":1}"},
		{1, "in_flight", "3"},
		{1, "concurrency", "0"},
		{1, "latency_ms", "123"},
		{2, "models", "[]"},
		{2, "state", "\"closed\""},
		{2, "cooling_ms", "61000"},
		{2, "quota_exhausted", "true"},
		{2, "in_flight", "7"},
		{2, "waiting", "4"},
		{2, "latency_ms", "1"},
	};
	struct reply r = ask("GET", "/admin/v1/breakers", NULL, NULL);
	json_t *list = json_object_get(r.json, "breakers");

	cr_assert_eq(r.status, 200, "%s", r.body);
	cr_assert_eq(json_array_size(list), 4);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		expect_member(json_array_get(list, want[i].row), want[i].name, want[i].want);
	reply_done(&r);
}

/* A provider is what its deployments are together. */
Test(breakers, providers)
{
	static const struct {
		enum breaker_state state[3];
		const char *want;
		int open;
	} cases[] = {
		{{BREAKER_OPEN, BREAKER_OPEN, BREAKER_OPEN}, "\"open\"", 3},
		{{BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_OPEN}, "\"half_open\"", 2},
		{{BREAKER_HALF_OPEN, BREAKER_HALF_OPEN, BREAKER_HALF_OPEN}, "\"half_open\"", 0},
		{{BREAKER_OPEN, BREAKER_OPEN, BREAKER_CLOSED}, "\"closed\"", 2},
		{{BREAKER_CLOSED, BREAKER_HALF_OPEN, BREAKER_OPEN}, "\"closed\"", 1},
		{{BREAKER_CLOSED, BREAKER_CLOSED, BREAKER_CLOSED}, "\"closed\"", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct reply r;
		json_t *p;

		for (size_t k = 0; k < 3; k++)
			rows[k + 1].state = cases[i].state[k];
		r = ask("GET", "/admin/v1/breakers", NULL, NULL);
		cr_assert_eq(json_array_size(json_object_get(r.json, "providers")), 2, "%s", r.body);
		p = json_array_get(json_object_get(r.json, "providers"), 0);
		expect_member(p, "provider", "\"anthropic\"");
		expect_member(p, "state", "\"open\"");
		p = json_array_get(json_object_get(r.json, "providers"), 1);
		expect_member(p, "provider", "\"openai\"");
		expect_member(p, "state", cases[i].want);
		cr_expect_eq(json_integer_value(json_object_get(p, "deployments")), 3);
		cr_expect_eq(json_integer_value(json_object_get(p, "open")), cases[i].open);
		reply_done(&r);
	}
	fx.n_breakers = 0;
	{
		struct reply r = ask("GET", "/admin/v1/breakers", NULL, NULL);

		cr_expect_str_eq(r.body, "{\"breakers\":[],\"providers\":[]}");
		reply_done(&r);
	}
}

Test(breakers, forcing)
{
	static const struct {
		const char *path;
		unsigned row, force;
		const char *state, *says, *retry;
	} cases[] = {
		{"/admin/v1/breakers/openai%2Fgpt-4o/open", 1, BREAKER_FORCED_OPEN, "\"open\"", "\"open\"", "null"},
		{"/admin/v1/breakers/openai%2Fgpt-4o/close", 1, BREAKER_FORCED_CLOSED, "\"closed\"", "\"close\"", "0"},
		{"/admin/v1/breakers/openai%2Fgpt-4o/auto", 1, BREAKER_AUTO, "\"closed\"", "\"auto\"", "0"},
		{"/admin/v1/breakers/anthropic%2Fclaude%2Dsonnet%2d5/close", 0, BREAKER_FORCED_CLOSED, "\"closed\"",
		 "\"close\"", "0"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct reply r = ask("POST", cases[i].path, NULL, NULL);

		cr_expect_eq(r.status, 200, "%s: %s", cases[i].path, r.body);
		cr_expect_eq(rows[cases[i].row].force, cases[i].force, "%s", cases[i].path);
		cr_expect_str_eq(json_string_value(json_object_get(r.json, "deployment")),
				 rows[cases[i].row].deployment);
		expect_member(r.json, "state", cases[i].state);
		expect_member(r.json, "force", cases[i].says);
		expect_member(r.json, "retry_ms", cases[i].retry);
		cr_expect_str_eq(fx.forced_by, "socket");
		reply_done(&r);
	}
	cr_expect_eq(rows[2].force, BREAKER_AUTO, "nobody else");
}

Test(breakers, bad_requests)
{
	static char long_name[700] = "/admin/v1/breakers/";
	static const struct {
		const char *method, *path;
		int status;
		const char *code;
	} cases[] = {
		{"POST", "/admin/v1/breakers/openai%2Fnone/open", 404, "not_found"},
		{"POST", "/admin/v1/breakers/openai/gpt-4o/open", 404, "not_found"}, /* a slash that isn't encoded */
		{"POST", "/admin/v1/breakers//open", 404, "not_found"},
		{"POST", "/admin/v1/breakers/%zz/open", 404, "not_found"},
		{"POST", "/admin/v1/breakers/openai%2Fgpt-4o/half", 404, "not_found"},
		{"POST", "/admin/v1/breakers/openai%2Fgpt-4o", 404, "not_found"},
		{"GET", "/admin/v1/breakers/openai%2Fgpt-4o/open", 405, "method_not_allowed"},
		{"POST", "/admin/v1/breakers", 405, "method_not_allowed"},
		{"POST", "/admin/v1/events", 405, "method_not_allowed"},
		{"GET", "/admin/v1/events?limit=1001", 400, "invalid"},
		{"GET", "/admin/v1/events?limit=x", 400, "invalid"},
		{"GET", "/admin/v1/events?before=-1", 400, "invalid"},
		{"POST", long_name, 404, "not_found"},
	};
	struct reply r;

	memset(long_name + strlen(long_name), 'a', 300);
	strcat(long_name, "/open");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *error;

		r = ask(cases[i].method, cases[i].path, NULL, NULL);
		error = json_object_get(r.json, "error");
		cr_expect_eq(r.status, cases[i].status, "%s: %s", cases[i].path, r.body);
		cr_expect_str_eq(json_string_value(json_object_get(error, "code")), cases[i].code, "%s", cases[i].path);
		reply_done(&r);
	}
	r = ask_tcp("POST", "/admin/v1/breakers/openai%2Fgpt-4o/open", NULL, NULL);
	cr_expect_eq(r.status, 401, "M1: %s", r.body);
	reply_done(&r);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_eq(rows[i].force, BREAKER_AUTO, "%s was forced", rows[i].deployment);
	fx.breakers_fail = true;
	r = ask("GET", "/admin/v1/breakers", NULL, NULL);
	cr_expect_eq(r.status, 503, "%s", r.body);
	reply_done(&r);
}

/* The longest name that a deployment can have. */
Test(breakers, long_names)
{
	static char name[256], path[300];
	struct reply r;

	memset(name, 'm', 255);
	memcpy(name, "openai/", 7);
	rows[3].deployment = name;
	snprintf(path, sizeof(path), "/admin/v1/breakers/openai%%2F%s/open", name + 7);
	r = ask("POST", path, NULL, NULL);
	cr_expect_eq(r.status, 200, "%s", r.body);
	cr_expect_eq(rows[3].force, BREAKER_FORCED_OPEN);
	reply_done(&r);
}

/* ---- events */

static void add_events(int n)
{
	struct err err;

	for (int i = 1; i <= n; i++) {
		struct store_event e = {.time_ms = 1790812800000 + i, .kind = "breaker.opened"};

		snprintf(e.subject, sizeof(e.subject), "openai/m%d", i);
		snprintf(e.detail, sizeof(e.detail), "%d failures \"running\"", i);
		cr_assert_eq(store_event_add(fx.store, &e, 1, &err), 0, "%s", err.msg);
	}
}

Test(breakers, events_by_page)
{
	json_int_t before = 0, seen = 0, last = INT64_MAX;
	struct reply r = ask("GET", "/admin/v1/events", NULL, NULL);

	cr_expect_eq(r.status, 200, "%s", r.body);
	cr_expect_str_eq(r.body, "{\"events\":[],\"next\":null}");
	reply_done(&r);
	add_events(7);
	do {
		char path[80];
		json_t *e;
		size_t i;

		snprintf(path, sizeof(path), "/admin/v1/events?limit=3&before=%lld", before);
		r = ask("GET", path, NULL, NULL);
		cr_assert_eq(r.status, 200, "%s", r.body);
		json_array_foreach(json_object_get(r.json, "events"), i, e)
		{
			json_int_t id = json_integer_value(json_object_get(e, "id"));
			char want[64];

			cr_expect(id < last, "newest first, each once");
			last = id;
			snprintf(want, sizeof(want), "\"openai/m%lld\"", 7 - seen);
			expect_member(e, "subject", want);
			snprintf(want, sizeof(want), "\"%lld failures \\\"running\\\"\"", 7 - seen);
			expect_member(e, "detail", want);
			snprintf(want, sizeof(want), "%lld", 1790812800007 - seen);
			expect_member(e, "time_ms", want);
			expect_member(e, "kind", "\"breaker.opened\"");
			seen++;
		}
		before = json_integer_value(json_object_get(r.json, "next"));
		reply_done(&r);
	} while (before);
	cr_expect_eq(seen, 7);
}

/* ---- explain */

static struct reply explain(const char *key)
{
	char path[128];

	snprintf(path, sizeof(path), "/admin/v1/explain?key=%s", key);
	return ask("GET", path, NULL, NULL);
}

static void expect_verdict(const struct reply *r, const char *verdict, const char *reason)
{
	json_t *v = json_object_get(r->json, "verdict");

	cr_expect_str_eq(json_string_value(json_object_get(v, "verdict")), verdict, "%s", r->body);
	cr_expect_str_eq(json_string_value(json_object_get(v, "reason")), reason, "%s", r->body);
}

Test(breakers, explained)
{
	struct reply r = ask("POST", "/admin/v1/tenants", NULL, "{\"id\":\"acme\"}");
	struct tg_route_state *routes = kernel_routes(fx.kernel);
	char key[KEY_ID_MAX];

	reply_done(&r);
	r = ask("POST", "/admin/v1/keys", NULL, "{\"tenant\":\"acme\"}");
	cr_assert_eq(r.status, 201, "%s", r.body);
	snprintf(key, sizeof(key), "%s", json_string_value(json_object_get(r.json, "id")));
	reply_done(&r);

	r = explain(key);
	expect_verdict(&r, "pass", "none");
	expect_member(r.json, "routes_open", "[]");
	expect_member(r.json, "tenant_bulkhead", "null"); /* no policy yet */
	cr_expect_eq(json_array_size(json_object_get(r.json, "deployments_unwell")), 3, "%s", r.body);
	expect_member(json_array_get(json_object_get(r.json, "deployments_unwell"), 2), "full", "true");
	reply_done(&r);

	/* another route's */
	routes[TG_ROUTE_EMBEDDINGS].open_until_ns = clock_mono_ns() + 3600 * 1000000000ull;
	r = explain(key);
	expect_verdict(&r, "pass", "none");
	cr_expect_eq(json_array_size(json_object_get(r.json, "routes_open")), 1, "%s", r.body);
	expect_member(json_array_get(json_object_get(r.json, "routes_open"), 0), "route", "\"embeddings\"");
	reply_done(&r);

	routes[TG_ROUTE_CHAT_COMPLETIONS].open_until_ns = clock_mono_ns() + 3600 * 1000000000ull;
	r = explain(key);
	expect_verdict(&r, "answer", "circuit_open");
	reply_done(&r);
	kernel_subject_flags(fx.kernel, 1, TG_SUBJECT_DISABLED); /* the tenant's slot */
	r = explain(key);
	expect_verdict(&r, "answer", "tenant_disabled");
	reply_done(&r);
	kernel_subject_flags(fx.kernel, 1, 0);

	routes[TG_ROUTE_CHAT_COMPLETIONS].open_until_ns = 1; /* long ago */
	r = ask("POST", "/admin/v1/policy/apply", "Content-Type: text/yaml\r\n",
		"version: 1\nbulkheads:\n  tenants: {acme: {concurrent: 50}}\n");
	cr_expect_eq(r.status, 200, "%s", r.body);
	reply_done(&r);
	r = explain(key);
	expect_verdict(&r, "pass", "none");
	expect_member(r.json, "tenant_bulkhead", "{\"concurrent\":50,\"queue\":100,\"wait_ms\":5000}");
	reply_done(&r);
}
