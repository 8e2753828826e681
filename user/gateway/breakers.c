/* Deployments' breakers as the daemon sees them: listed, forced, kept over a restart, and what happens told. */
#include "gateway/breakers.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "gateway/isolate.h"

#include <stdio.h>
#include <string.h>

/* ---- a change, on whichever thread made it */

static void detail_of(const struct breaker_change *ch, char *to, size_t size)
{
	char open[32];

	if (ch->to != BREAKER_OPEN || !ch->open_ns) { /* forced open: for no time of its own */
		snprintf(to, size, "%s", ch->why);
		return;
	}
	num_format_duration(ch->open_ns, open);
	snprintf(to, size, "%s (%u in a row, %u of %u calls of the window failed); open for %s", ch->why,
		 ch->consecutive, ch->failed, ch->total, open);
}

void breakers_changed(struct gateway *gw, struct health *h, const struct breaker_change *change, uint64_t now_ns)
{
	static const enum health_event_kind kinds[BREAKER_STATES] = {[BREAKER_CLOSED] = HEALTH_CLOSED,
								     [BREAKER_OPEN] = HEALTH_OPENED,
								     [BREAKER_HALF_OPEN] = HEALTH_HALF_OPEN};
	int64_t now_ms = clock_wall_ms();
	char detail[160];

	routes_update(&gw->routes, now_ns);
	detail_of(change, detail, sizeof(detail));
	health_event_add(gw->health, h, kinds[change->to], now_ms, detail);
	if (change->to == BREAKER_OPEN)
		atomic_fetch_add_explicit(&h->opened, 1, memory_order_relaxed);
	atomic_store_explicit(&h->changed_ms, now_ms, memory_order_relaxed);
	atomic_store_explicit(&h->unsaved, true, memory_order_release);
}

/* ---- the list */

/* A row per public model and deployment, and one for each that no model uses any more. */
struct row {
	struct health *health;
	const char *model; /* NULL = none */
	unsigned bulkhead;
};

static int by_id(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = strcmp(x->health->id, y->health->id);

	return order || !x->model || !y->model ? order : strcmp(x->model, y->model);
}

/* What is of interest of those that aren't used: what an operator has forced, what is still open. */
static bool is_remembered(struct health *h)
{
	struct breaker_saved s;

	breaker_save(&h->breaker, 0, 0, &s);
	return s.force != BREAKER_AUTO || s.state != BREAKER_CLOSED;
}

static size_t collect_rows(const struct gateway *gw, struct row *rows)
{
	const struct catalog *c = gw->catalog;
	size_t n = 0, used;

	for (size_t m = 0; c && m < c->n_models; m++)
		for (unsigned i = 0; i < c->models[m].n_deployments; i++) {
			const struct catalog_deployment *d = &c->models[m].deployments[i];

			rows[n++] = (struct row){d->health, c->models[m].name, d->bulkhead};
		}
	qsort(rows, n, sizeof(*rows), by_id);
	used = n;
	for (size_t i = 0; i < gw->health->n; i++) {
		struct row row = {.health = gw->health->all[i]};

		if (is_remembered(row.health) && !bsearch(&row, rows, used, sizeof(row), by_id))
			rows[n++] = row;
	}
	qsort(rows, n, sizeof(*rows), by_id);
	return n;
}

static uint64_t left(uint64_t until_ns, uint64_t now_ns)
{
	return until_ns > now_ns ? until_ns - now_ns : 0;
}

static int say(const struct gateway *gw, const struct row *row, const char *models, uint64_t now_ns,
	       int (*cb)(const struct gateway_breaker *b, void *arg), void *arg)
{
	const struct faults *f = gateway_faults(gw);
	struct health *h = row->health;
	char provider[HEALTH_ID_MAX];
	struct gateway_breaker b = {
		.deployment = h->id,
		.provider = provider,
		.model = h->id + h->provider_len + 1,
		.models = models,
		.cooling_ns = left(atomic_load(&h->cool_until_ns), now_ns),
		.quota_exhausted = atomic_load(&h->quota_exhausted),
		.inside = atomic_load(&h->bulkhead.inside),
		.waiting = atomic_load(&h->bulkhead.waiting),
		.concurrent = row->bulkhead ? row->bulkhead : f->deployment.concurrent,
		.latency_us = atomic_load(&h->latency_us),
		.changed_ms = atomic_load(&h->changed_ms),
		.opened = atomic_load(&h->opened),
		.quota_times = atomic_load(&h->quota_times),
	};

	snprintf(provider, sizeof(provider), "%.*s", (int)h->provider_len, h->id);
	breaker_look(&h->breaker, &f->breaker, now_ns, &b.view);
	return cb(&b, arg);
}

int gateway_breakers_each(struct gateway *gw, uint64_t now_ns, int (*cb)(const struct gateway_breaker *b, void *arg),
			  void *arg, struct err *err)
{
	size_t most = gw->health->n + (gw->catalog ? gw->catalog->n_deployments : 0), n;
	struct row *rows = calloc(most + 1, sizeof(*rows));
	struct buf models = BUF_INIT;
	int rc = 0;

	if (!rows)
		return err_set(err, ERR_NOMEM, "no memory for the list of breakers");
	n = collect_rows(gw, rows);
	for (size_t i = 0, next; i < n && rc == 0; i = next) {
		buf_reset(&models);
		for (next = i; next < n && rows[next].health == rows[i].health; next++) {
			bool same = next > i && rows[next].model && !strcmp(rows[next].model, rows[next - 1].model);

			if (rows[next].model && !same)
				buf_printf(&models, "%s%s", models.len ? ", " : "", rows[next].model);
		}
		rc = buf_putc(&models, '\0') < 0 ? err_set(err, ERR_NOMEM, "no memory for the list of breakers")
						 : say(gw, &rows[i], models.data, now_ns, cb, arg);
	}
	buf_done(&models);
	free(rows);
	return rc;
}

/* ---- operators, and the store */

int gateway_breaker_force(struct gateway *gw, const char *deployment, enum breaker_force f, struct breaker_saved *ret,
			  struct err *err)
{
	struct health *h = health_find(gw->health, deployment);
	uint64_t now_ns = clock_mono_ns();
	struct breaker_change change;

	if (!h)
		return err_set(err, ERR_NOT_FOUND, "no deployment %s", deployment);
	if (breaker_force_set(&h->breaker, &gateway_faults(gw)->breaker, f, now_ns, &change))
		breakers_changed(gw, h, &change, now_ns);
	breaker_save(&h->breaker, now_ns, clock_wall_ms(), ret);
	return 0;
}

int gateway_breaker_saved(struct gateway *gw, const char *deployment, struct breaker_saved *ret, struct err *err)
{
	struct health *h = health_find(gw->health, deployment);

	if (!h)
		return err_set(err, ERR_NOT_FOUND, "no deployment %s", deployment);
	breaker_save(&h->breaker, clock_mono_ns(), clock_wall_ms(), ret);
	return 0;
}

int gateway_breaker_restore(struct gateway *gw, const char *deployment, const struct breaker_saved *s, struct err *err)
{
	const char *slash = strchr(deployment, '/'); /* providers' names have none */
	uint64_t now_ns = clock_mono_ns();
	char provider[HEALTH_ID_MAX];
	struct health *h;
	int rc;

	if (!slash || (size_t)(slash - deployment) >= sizeof(provider))
		return err_set(err, ERR_INVAL, "%.80s is no PROVIDER/MODEL", deployment);
	snprintf(provider, sizeof(provider), "%.*s", (int)(slash - deployment), deployment);
	rc = health_take(gw->health, provider, slash + 1, &h, err);
	if (rc < 0)
		return rc;
	breaker_restore(&h->breaker, &gateway_faults(gw)->breaker, s, now_ns, clock_wall_ms());
	atomic_store(&h->changed_ms, s->changed_ms);
	health_put(h);
	routes_update(&gw->routes, now_ns);
	return 0;
}

/* ---- a few times a second */

static const char *const kind_names[HEALTH_EVENT_KINDS] = {
	[HEALTH_OPENED] = "breaker.opened",
	[HEALTH_HALF_OPEN] = "breaker.half_open",
	[HEALTH_CLOSED] = "breaker.closed",
	[HEALTH_QUOTA_EXHAUSTED] = "provider.quota_exhausted",
};

static void tell_events(struct gateway *gw, const struct gateway_health_sink *sink)
{
	uint64_t lost = health_events_lost(gw->health);
	struct health_event e;

	while (health_event_next(gw->health, &e)) {
		struct gateway_event out = {
			.time_ms = e.time_ms, .kind = kind_names[e.kind], .deployment = e.id, .detail = e.detail};

		sink->event(&out, sink->arg);
	}
	if (lost)
		log_warn(NULL, "%llu events of deployments' health were lost: too many at once",
			 (unsigned long long)lost);
}

static void tell_changed(struct gateway *gw, uint64_t now_ns, int64_t now_ms, const struct gateway_health_sink *sink)
{
	for (size_t i = 0; i < gw->health->n; i++) {
		struct health *h = gw->health->all[i];
		struct breaker_saved s;

		if (!atomic_load_explicit(&h->unsaved, memory_order_relaxed) ||
		    !atomic_exchange_explicit(&h->unsaved, false, memory_order_acquire))
			continue;
		breaker_save(&h->breaker, now_ns, now_ms, &s);
		sink->changed(h->id, &s, sink->arg);
	}
}

/* A rule that was raised lets calls in that wait, also when nobody leaves. */
static void wake_deployments(struct gateway *gw)
{
	const struct faults *f = gateway_faults(gw);

	for (size_t i = 0; gw->catalog && i < gw->catalog->n_identities; i++) {
		const struct catalog_identity *id = &gw->catalog->identities[i];
		struct bulkhead_rule r = f->deployment;

		if (id->bulkhead)
			r.concurrent = id->bulkhead;
		isolate_wake(&id->health->bulkhead, &r);
	}
}

void gateway_health_tick(struct gateway *gw, uint64_t now_ns, int64_t now_ms, const struct gateway_health_sink *sink)
{
	routes_update(&gw->routes, now_ns); /* forced open has no time of its own */
	wake_deployments(gw);
	tell_events(gw, sink);
	tell_changed(gw, now_ns, now_ms, sink);
}
