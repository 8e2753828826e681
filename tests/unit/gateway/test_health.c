/* Goal: health.h's I1 to I3, routes.h's Q1, breakers listed, forced and kept, tenants' bulkheads by the policy in
 * force. Method: a gateway in memory mode with catalogs from text; breakers are moved as calls move them. */
#include "fixture.h"

#include "base/clock.h"
#include "gateway/breakers.h"
#include "gateway/health.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void publish(const char *models)
{
	struct conf_errors errs = {0};
	struct conf *conf = NULL;
	char text[2048];
	struct err err;

	snprintf(text, sizeof(text),
		 "listen:\n  - {address: \"127.0.0.1:8080\"}\nstate_dir: /tmp/tg-none\nproviders:\n"
		 "  a: {kind: openai, base_url: \"http://127.0.0.1:1\"}\n"
		 "  b: {kind: openai, base_url: \"http://127.0.0.1:2\"}\n"
		 "  c: {kind: anthropic, base_url: \"http://127.0.0.1:3\"}\nmodels:\n%s",
		 models);
	cr_assert_eq(conf_parse(text, strlen(text), &conf, &errs), 0, "%s: %s", errs.count ? errs.items[0].path : "",
		     errs.count ? errs.items[0].msg : "");
	conf_errors_done(&errs);
	cr_assert_eq(gateway_catalog_publish(gw, conf, &err), 0, "%s", err.msg);
}

static void policy(const char *rest)
{
	cr_assert_eq(fixture_policy(rest), 0);
}

#define ONE "  m1: {deployments: [{provider: a, model: x}]}\n"
#define TWO "  m1: {deployments: [{provider: a, model: x}, {provider: b, model: y}]}\n"

TestSuite(health, .init = fixture_setup, .fini = fixture_teardown);

/* As calls do it. */
static void outcome(const char *id, enum breaker_outcome o, unsigned times)
{
	struct health *h = health_find(gw->health, id);
	const struct breaker_rules *r = &gateway_faults(gw)->breaker;

	cr_assert(h, "%s", id);
	while (times--) {
		struct breaker_change ch = {0};
		struct breaker_ticket t;
		uint64_t now = clock_mono_ns();

		cr_assert(breaker_enter(&h->breaker, r, now, &t, &ch), "%s lets nothing through", id);
		if (ch.from != ch.to)
			breakers_changed(gw, h, &ch, now);
		if (breaker_leave(&h->breaker, r, t, o, now, &ch))
			breakers_changed(gw, h, &ch, now);
	}
}

static uint64_t word(enum tg_route r)
{
	return kernel_routes(k)[r].open_until_ns;
}

struct told {
	unsigned events, changed;
	char kinds[64][32], ids[64][64];
	struct breaker_saved last;
};

static void on_event(const struct gateway_event *e, void *arg)
{
	struct told *t = arg;

	snprintf(t->kinds[t->events % 64], sizeof(t->kinds[0]), "%s", e->kind);
	snprintf(t->ids[t->events++ % 64], sizeof(t->ids[0]), "%s", e->deployment);
	cr_expect(*e->detail && e->time_ms > 0);
}

static void on_changed(const char *deployment, const struct breaker_saved *s, void *arg)
{
	struct told *t = arg;

	(void)deployment;
	t->changed++;
	t->last = *s;
}

static struct told tick(void)
{
	struct told t = {0};
	struct gateway_health_sink sink = {on_event, on_changed, &t};

	gateway_health_tick(gw, clock_mono_ns(), clock_wall_ms(), &sink);
	return t;
}

/* I1 */
Test(health, one_entry_for_all_models_and_over_reloads)
{
	struct health *x, *y;

	publish("  m1: {deployments: [{provider: a, model: x}]}\n"
		"  m2: {deployments: [{provider: b, model: x}, {provider: a, model: x}]}\n");
	x = health_find(gw->health, "a/x");
	y = health_find(gw->health, "b/x");
	cr_assert(x && y && x != y);
	cr_expect_eq(gw->catalog->models[0].deployments[0].health, x);
	cr_expect_eq(gw->catalog->n_identities, 2);
	outcome("a/x", BREAKER_FAILURE, 4);
	publish("  other: {deployments: [{provider: a, model: x}]}\n");
	cr_expect_eq(health_find(gw->health, "a/x"), x);
	cr_expect_eq(atomic_load(&x->refs), 1);
	cr_expect_eq(atomic_load(&y->refs), 0, "nobody's any more, but remembered");
	outcome("a/x", BREAKER_FAILURE, 1);
	cr_expect_gt(breaker_blocked_until(&x->breaker, clock_mono_ns()), 0, "four before the reload and one after");
	publish(TWO);
	cr_expect_eq(health_find(gw->health, "b/x"), y);
}

static int take(const char *provider, const char *model, struct health **ret)
{
	struct err err;

	return health_take(gw->health, provider, model, ret, &err);
}

/* I2 */
Test(health, full_of_what_is_needed)
{
	struct health *h = NULL, *forced;
	struct breaker_saved s;
	struct err err;
	char name[32];

	publish(ONE);
	for (unsigned i = 1; i < HEALTH_DEPLOYMENTS_MAX; i++) {
		snprintf(name, sizeof(name), "m%u", i);
		cr_assert_eq(take("p", name, &h), 0);
		if (i > 1)
			health_put(h);
	}
	cr_assert_eq(gateway_breaker_force(gw, "p/m2", BREAKER_FORCED_OPEN, &s, &err), 0);
	forced = health_find(gw->health, "p/m2");
	cr_assert_eq(take("p", "one more", &h), 0, "m3 goes");
	cr_expect_null(health_find(gw->health, "p/m3"));
	cr_expect(health_find(gw->health, "p/m1"), "a catalog's");
	cr_expect_eq(health_find(gw->health, "p/m2"), forced, "an operator's");
	cr_expect(health_find(gw->health, "a/x"));
	for (unsigned i = 4; i < HEALTH_DEPLOYMENTS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		cr_assert_eq(take("p", name, &h), 0);
	}
	cr_expect_eq(take("p", "too many", &h), ERR_FULL);
	cr_expect_eq(gw->health->n, HEALTH_DEPLOYMENTS_MAX);
}

Test(health, names_have_a_bound)
{
	struct health *h = NULL;
	char name[HEALTH_ID_MAX + 1] = {0};

	memset(name, 'x', HEALTH_ID_MAX - 3);
	cr_expect_eq(take("p", name, &h), 0);
	cr_expect_eq(strlen(h->id), HEALTH_ID_MAX - 1);
	name[HEALTH_ID_MAX - 3] = 'x';
	cr_expect_eq(take("p", name, &h), ERR_RANGE);
}

/* Q1, and I3 along with it. */
Test(health, a_route_is_marked_while_all_that_serve_it_are_open)
{
	uint64_t now = clock_mono_ns();
	struct told t;

	publish(TWO);
	cr_expect_eq(word(TG_ROUTE_CHAT_COMPLETIONS), 0);
	outcome("a/x", BREAKER_FAILURE, 5);
	cr_expect_eq(word(TG_ROUTE_CHAT_COMPLETIONS), 0, "b/y serves it");
	outcome("b/y", BREAKER_FAILURE, 4);
	cr_expect_eq(word(TG_ROUTE_CHAT_COMPLETIONS), 0);
	outcome("b/y", BREAKER_FAILURE, 1);
	/* At once, in all APIs that these can serve, until the first may be probed: a/x. */
	cr_expect_eq(word(TG_ROUTE_CHAT_COMPLETIONS),
		     breaker_blocked_until(&health_find(gw->health, "a/x")->breaker, now));
	for (unsigned r = 0; r < TG_ROUTE_COUNT; r++)
		cr_expect_eq(word((enum tg_route)r) > now, dialect_wire_of((enum tg_route)r) != WIRE_NONE, "route %u",
			     r);
	t = tick();
	cr_expect_eq(t.events, 2);
	cr_expect_str_eq(t.kinds[0], "breaker.opened");
	cr_expect_str_eq(t.ids[0], "a/x");
	cr_expect_str_eq(t.ids[1], "b/y");
	cr_expect_eq(t.changed, 2);
	t = tick();
	cr_expect_eq(t.events + t.changed, 0, "told once");
	cr_expect_gt(word(TG_ROUTE_MESSAGES), now, "a tick changes nothing");
	/* A reload with another provider for chats: embeddings have none but these. */
	publish("  m1: {deployments: [{provider: a, model: x}, {provider: c, model: z}]}\n");
	cr_expect_eq(word(TG_ROUTE_CHAT_COMPLETIONS), 0);
	cr_expect_gt(word(TG_ROUTE_EMBEDDINGS), now);
	publish("  m1: {deployments: [{provider: c, model: z}]}\n");
	cr_expect_eq(word(TG_ROUTE_EMBEDDINGS), 0, "no deployment at all is the daemon's to explain");
}

Test(health, events_have_a_bound)
{
	struct told t;

	publish(ONE);
	for (unsigned i = 0; i < HEALTH_EVENTS_MAX + 7; i++)
		health_event_add(gw->health, health_find(gw->health, "a/x"), HEALTH_OPENED, 1, "x");
	cr_expect_eq(gw->health->events_lost, 7);
	t = tick();
	cr_expect_eq(t.events, HEALTH_EVENTS_MAX);
	cr_expect_eq(gw->health->events_lost, 0, "said");
	health_event_add(gw->health, health_find(gw->health, "a/x"), HEALTH_QUOTA_EXHAUSTED, 1, "x");
	t = tick();
	cr_expect_eq(t.events, 1);
	cr_expect_str_eq(t.kinds[0], "provider.quota_exhausted");
}

Test(health, forced_states)
{
	uint64_t now = clock_mono_ns();
	struct breaker_saved s;
	struct told t;
	struct err err;

	publish(ONE);
	cr_expect_eq(gateway_breaker_force(gw, "a/nobody", BREAKER_FORCED_OPEN, &s, &err), ERR_NOT_FOUND);
	cr_assert_eq(gateway_breaker_force(gw, "a/x", BREAKER_FORCED_OPEN, &s, &err), 0);
	cr_expect_eq(s.force, BREAKER_FORCED_OPEN);
	cr_expect_gt(word(TG_ROUTE_CHAT_COMPLETIONS), now + ROUTES_FORCED_NS / 2);
	cr_expect_lt(word(TG_ROUTE_CHAT_COMPLETIONS), now + 3 * ROUTES_FORCED_NS);
	/* The word runs out by itself, and each tick sets it anew. */
	kernel_routes(k)[TG_ROUTE_CHAT_COMPLETIONS].open_until_ns = now;
	t = tick();
	cr_expect_eq(t.events, 1);
	cr_expect_gt(word(TG_ROUTE_CHAT_COMPLETIONS), now);
	cr_assert_eq(gateway_breaker_force(gw, "a/x", BREAKER_FORCED_CLOSED, &s, &err), 0);
	cr_expect_eq(word(TG_ROUTE_CHAT_COMPLETIONS), 0);
	outcome("a/x", BREAKER_FAILURE, 10);
	cr_expect_eq(word(TG_ROUTE_CHAT_COMPLETIONS), 0, "whatever happens");
	cr_assert_eq(gateway_breaker_force(gw, "a/x", BREAKER_AUTO, &s, &err), 0);
	cr_expect_gt(word(TG_ROUTE_CHAT_COMPLETIONS), now, "now it is judged");
	t = tick();
	cr_expect_eq(t.events, 2, "closed, opened");
}

/* ---- listing */

struct list {
	unsigned n;
	char ids[8][64], models[8][64];
	struct gateway_breaker b[8];
};

static int take_row(const struct gateway_breaker *b, void *arg)
{
	struct list *l = arg;

	cr_assert_lt(l->n, 8);
	snprintf(l->ids[l->n], sizeof(l->ids[0]), "%s|%s|%s", b->deployment, b->provider, b->model);
	snprintf(l->models[l->n], sizeof(l->models[0]), "%s", b->models);
	l->b[l->n++] = *b;
	return 0;
}

Test(health, listed_by_deployment_with_its_models)
{
	struct list l = {0};
	struct breaker_saved s;
	struct err err;

	publish("  m2: {deployments: [{provider: b, model: org/x, concurrency: 7}, {provider: a, model: x}]}\n"
		"  m1: {deployments: [{provider: b, model: org/x, concurrency: 9}]}\n"
		"  m0: {deployments: [{provider: c, model: was}]}\n");
	outcome("a/x", BREAKER_FAILURE, 5);
	cr_assert_eq(gateway_breaker_force(gw, "c/was", BREAKER_FORCED_OPEN, &s, &err), 0);
	publish("  m2: {deployments: [{provider: b, model: org/x, concurrency: 7}, {provider: a, model: x}]}\n"
		"  m1: {deployments: [{provider: b, model: org/x, concurrency: 9}]}\n");
	cr_assert_eq(gateway_breakers_each(gw, clock_mono_ns(), take_row, &l, &err), 0);
	cr_assert_eq(l.n, 3);
	cr_expect_str_eq(l.ids[0], "a/x|a|x");
	cr_expect_str_eq(l.models[0], "m2");
	cr_expect_eq(l.b[0].view.state, BREAKER_OPEN);
	cr_expect_eq(l.b[0].opened, 1);
	cr_expect_gt(l.b[0].changed_ms, 0);
	cr_expect_str_eq(l.ids[1], "b/org/x|b|org/x");
	cr_expect_str_eq(l.models[1], "m1, m2");
	cr_expect_eq(l.b[1].concurrent, 7, "the tightest");
	cr_expect_str_eq(l.ids[2], "c/was|c|was");
	cr_expect_str_eq(l.models[2], "", "what an operator forced is shown although nobody uses it");
}

/* ---- kept over a restart */

Test(health, restored_before_and_after_its_deployment_is_known)
{
	struct breaker_saved s = {.state = BREAKER_OPEN, .openings = 2, .changed_ms = clock_wall_ms() - 1000};
	struct err err;

	s.until_ms = clock_wall_ms() + 20000;
	publish(ONE);
	cr_expect_eq(gateway_breaker_restore(gw, "no slash", &s, &err), ERR_INVAL);
	cr_assert_eq(gateway_breaker_restore(gw, "a/x", &s, &err), 0);
	cr_expect_gt(word(TG_ROUTE_CHAT_COMPLETIONS), clock_mono_ns());
	cr_assert_eq(gateway_breaker_restore(gw, "b/y", &s, &err), 0);
	publish("  m1: {deployments: [{provider: b, model: y}]}\n");
	cr_expect_gt(word(TG_ROUTE_CHAT_COMPLETIONS), clock_mono_ns(), "remembered for a later catalog");
	cr_expect_eq(tick().events, 0, "nothing has happened");
}

/* ---- rules by the policy in force */

Test(health, tenants_rules_by_slot)
{
	struct tenant acme = {.id = "acme", .subject = 1, .incarnation = 1};
	struct tenant late = {.id = "late", .subject = 9, .incarnation = 1};
	struct err err;

	cr_assert_eq(gateway_directory_load(gw, &acme, 1, NULL, 0, &err), 0);
	cr_expect_eq(faults_tenant_rule(gateway_faults(gw), 1)->concurrent, 10, "before any policy");
	policy("bulkheads:\n  tenant: {concurrent: 3}\n  tenants: {acme: {concurrent: 50}, late: {queue: 0}}\n");
	cr_expect_eq(faults_tenant_rule(gateway_faults(gw), 1)->concurrent, 50);
	cr_expect_eq(faults_tenant_rule(gateway_faults(gw), 9)->queue, 100, "nobody's slot");
	cr_assert_eq(gateway_tenant_put(gw, &late, &err), 0, "%s", err.msg);
	cr_expect_eq(faults_tenant_rule(gateway_faults(gw), 9)->queue, 0);
	cr_expect_eq(faults_tenant_rule(gateway_faults(gw), 9)->concurrent, 3, "inherited");
	snprintf(late.id, sizeof(late.id), "new");
	late.incarnation = 2;
	cr_assert_eq(gateway_tenant_put(gw, &late, &err), 0, "%s", err.msg);
	cr_expect_eq(faults_tenant_rule(gateway_faults(gw), 9)->queue, 100, "another owner of the slot");
	policy("bulkheads: {tenant: {concurrent: 4}}\n");
	cr_expect_eq(faults_tenant_rule(gateway_faults(gw), 1)->concurrent, 4);
}

Test(health, a_budget_starts_anew_only_with_another_rule)
{
	struct health_budget *b;

	policy("retries: {reserve: 2}\n");
	publish(ONE);
	b = gw->catalog->models[0].retries;
	cr_expect(retry_budget_take(&b->budget) && retry_budget_take(&b->budget));
	publish("  m1: {deployments: [{provider: b, model: y}]}\n");
	cr_expect_eq(gw->catalog->models[0].retries, b);
	policy("retries: {reserve: 2}\nlimits: {global: {requests: 5}}\n");
	cr_expect_not(retry_budget_take(&b->budget), "a reload and a policy about other things refill nothing");
	policy("retries: {reserve: 1}\n");
	cr_expect(retry_budget_take(&b->budget));
	cr_expect_not(retry_budget_take(&b->budget));
}

Test(health, latency_follows)
{
	struct health *h = NULL;

	cr_assert_eq(take("p", "m", &h), 0);
	cr_expect_eq(h->latency_us, 0);
	health_latency(h, 0);
	cr_expect_eq(h->latency_us, 1, "known, however quick");
	health_latency(h, 8000);
	cr_expect_gt(h->latency_us, 1);
	for (unsigned i = 0; i < 100; i++)
		health_latency(h, 8000000);
	cr_expect_eq(h->latency_us, 8000);
	for (unsigned i = 0; i < 100; i++)
		health_latency(h, 5000000);
	cr_expect_eq(h->latency_us, 5000);
	health_latency(h, UINT64_MAX);
	cr_expect_lt(h->latency_us, UINT32_MAX / 2);
}

/* ---- threads: workers open and close while the control thread ticks and reloads */

static void *flap(void *arg)
{
	const char *id = arg;
	struct health *h = health_find(gw->health, id);
	struct breaker_rules r = gateway_faults(gw)->breaker;

	r.open_ns = r.open_max_ns = 1;
	for (unsigned i = 0; i < 4000; i++) {
		struct breaker_change ch = {0};
		struct breaker_ticket t;
		uint64_t now = clock_mono_ns();

		if (!breaker_enter(&h->breaker, &r, now, &t, &ch))
			continue;
		if (ch.from != ch.to)
			breakers_changed(gw, h, &ch, now);
		if (breaker_leave(&h->breaker, &r, t, i / 8 % 2 ? BREAKER_SUCCESS : BREAKER_FAILURE, now, &ch))
			breakers_changed(gw, h, &ch, now);
	}
	return NULL;
}

Test(health, words_are_those_of_the_breakers_in_the_end)
{
	pthread_t threads[4];
	uint64_t want = UINT64_MAX, now;

	publish(TWO);
	for (unsigned i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, flap, i % 2 ? "a/x" : "b/y");
	for (unsigned i = 0; i < 50; i++) {
		publish(TWO);
		tick();
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	outcome("a/x", BREAKER_SUCCESS, 3); /* whatever state it is in: closed after three */
	cr_expect_eq(word(TG_ROUTE_CHAT_COMPLETIONS), 0);
	outcome("a/x", BREAKER_FAILURE, 5);
	outcome("b/y", BREAKER_SUCCESS, 3);
	outcome("b/y", BREAKER_FAILURE, 5);
	now = clock_mono_ns();
	for (unsigned i = 0; i < 2; i++) {
		uint64_t t = breaker_blocked_until(&health_find(gw->health, i ? "a/x" : "b/y")->breaker, now);

		want = t < want ? t : want;
	}
	cr_expect_eq(word(TG_ROUTE_CHAT_COMPLETIONS), want);
}
