/* Deployments' health towards the store, the log and the control API. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

#include <stdio.h>
#include <string.h>

/* What one tick can bring; more are stored in more than one transaction. */
#define BATCH 64u

struct batch {
	struct daemon *d;
	struct store_event events[BATCH];
	struct store_breaker breakers[BATCH];
	size_t n_events, n_breakers;
};

/* ---- to the store */

static void flush_events(struct batch *b)
{
	struct err err;

	if (b->n_events && store_event_add(b->d->store, b->events, b->n_events, &err) < 0)
		log_error(NULL, "%zu events could not be stored: %s", b->n_events, err.msg);
	b->n_events = 0;
}

static void flush_breakers(struct batch *b)
{
	struct err err;

	if (b->n_breakers && store_breaker_put(b->d->store, b->breakers, b->n_breakers, &err) < 0)
		log_error(NULL, "the state of %zu breakers could not be stored, a restart won't know it: %s",
			  b->n_breakers, err.msg);
	b->n_breakers = 0;
}

static void on_event(const struct gateway_event *e, void *arg)
{
	struct batch *b = arg;
	struct store_event *to = &b->events[b->n_events++];
	bool good = !strcmp(e->kind, "breaker.closed") || !strcmp(e->kind, "breaker.half_open");

	log_line(good ? LOG_INFO : LOG_WARN, NULL, "%s deployment=%s %s", e->kind, e->deployment, e->detail);
	to->id = 0;
	to->time_ms = e->time_ms;
	snprintf(to->kind, sizeof(to->kind), "%s", e->kind);
	snprintf(to->subject, sizeof(to->subject), "%s", e->deployment);
	snprintf(to->detail, sizeof(to->detail), "%s", e->detail);
	if (b->n_events == BATCH)
		flush_events(b);
}

static struct store_breaker row_of(const char *deployment, const struct breaker_saved *s)
{
	struct store_breaker row = {
		.state = (unsigned)s->state,
		.force = (unsigned)s->force,
		.openings = s->openings,
		.changed_ms = s->changed_ms,
		.until_ms = s->until_ms,
	};

	snprintf(row.deployment, sizeof(row.deployment), "%s", deployment);
	return row;
}

static void on_changed(const char *deployment, const struct breaker_saved *s, void *arg)
{
	struct batch *b = arg;

	b->breakers[b->n_breakers++] = row_of(deployment, s);
	if (b->n_breakers == BATCH)
		flush_breakers(b);
}

void health_tick(struct daemon *d)
{
	struct batch *b = &(struct batch){.d = d};
	struct gateway_health_sink sink = {.event = on_event, .changed = on_changed, .arg = b};

	gateway_health_tick(d->gw, clock_mono_ns(), clock_wall_ms(), &sink);
	flush_events(b);
	flush_breakers(b);
}

/* ---- from the store */

static int restore_one(const struct store_breaker *row, void *arg)
{
	struct daemon *d = arg;
	struct breaker_saved s = {
		.state = (enum breaker_state)row->state,
		.force = (enum breaker_force)row->force,
		.openings = row->openings,
		.changed_ms = row->changed_ms,
		.until_ms = row->until_ms,
	};
	struct err err;

	/* One row that can't be used is no reason not to start. */
	if (gateway_breaker_restore(d->gw, row->deployment, &s, &err) < 0)
		log_warn(NULL, "breaker of %s: %s", row->deployment, err.msg);
	else if (s.state != BREAKER_CLOSED || s.force != BREAKER_AUTO)
		log_info(NULL, "breaker of %s is as it was: state=%u force=%u", row->deployment, row->state,
			 row->force);
	return 0;
}

int health_restore(struct daemon *d, struct err *err)
{
	return store_breaker_each(d->store, restore_one, d, err);
}

/* ---- for the control API */

struct walk {
	admin_breaker_cb cb;
	void *arg;
	uint64_t now_ns;
};

static int say(const struct gateway_breaker *b, void *arg)
{
	const struct walk *w = arg;
	const struct breaker_view *v = &b->view;
	struct admin_breaker out = {
		.deployment = b->deployment,
		.provider = b->provider,
		.model = b->model,
		.models = b->models,
		.state = (unsigned)v->state,
		.force = (unsigned)v->force,
		.openings = v->openings,
		.consecutive = v->consecutive,
		.total = v->total,
		.failed = v->failed,
		.probes_running = v->probes_running,
		.probes_ok = v->probes_ok,
		.until_ms = v->until_ns != UINT64_MAX && v->until_ns > w->now_ns
				    ? (v->until_ns - w->now_ns + 999999) / 1000000
				    : 0,
		.cooling_ms = (b->cooling_ns + 999999) / 1000000,
		.quota_exhausted = b->quota_exhausted,
		.inside = b->inside,
		.waiting = b->waiting,
		.concurrent = b->concurrent,
		.latency_us = b->latency_us,
		.changed_ms = b->changed_ms,
	};

	return w->cb(&out, w->arg);
}

int health_breakers_each(void *arg, admin_breaker_cb cb, void *cb_arg, struct err *err)
{
	struct daemon *d = arg;
	struct walk w = {.cb = cb, .arg = cb_arg, .now_ns = clock_mono_ns()};

	return gateway_breakers_each(d->gw, w.now_ns, say, &w, err);
}

int health_breaker_force(void *arg, const char *actor, const char *deployment, unsigned force, struct err *err)
{
	struct daemon *d = arg;
	struct breaker_saved was = {0}, s;
	struct store_breaker row;
	struct err back;
	int rc;

	if (force >= BREAKER_FORCES)
		return err_set(err, ERR_INVAL, "no such force: %u", force);
	rc = gateway_breaker_saved(d->gw, deployment, &was, err);
	if (rc == 0)
		rc = gateway_breaker_force(d->gw, deployment, (enum breaker_force)force, &s, err);
	if (rc < 0)
		return rc;
	row = row_of(deployment, &s);
	rc = store_breaker_force(d->store, actor, &row, err);
	/* What isn't stored isn't in force: the next start would undo it unsaid. */
	if (rc < 0 && gateway_breaker_force(d->gw, deployment, was.force, &s, &back) < 0)
		log_error(NULL, "breaker of %s: %s", deployment, back.msg);
	return rc;
}
