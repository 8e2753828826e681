/* How deployments are doing: circuit breakers with their bulkheads, by deployment and rolled up by provider; forcing
 * one; what happened to them. */
#include "admin/bill_json.h"

#include "guard/breaker.h"

#include <string.h>

static const char *const state_names[] = {
	[BREAKER_CLOSED] = "closed",
	[BREAKER_OPEN] = "open",
	[BREAKER_HALF_OPEN] = "half_open",
};
_Static_assert(ARRAY_SIZE(state_names) == BREAKER_STATES, "a name for each state");
static const char *const force_names[] = {
	[BREAKER_AUTO] = "auto",
	[BREAKER_FORCED_OPEN] = "open",
	[BREAKER_FORCED_CLOSED] = "close",
};
_Static_assert(ARRAY_SIZE(force_names) == BREAKER_FORCES, "a name for each force");

/* Milliseconds until it is probed; null: not by itself. */
static json_t *retry_json(const struct admin_breaker *b)
{
	return b->force == BREAKER_FORCED_OPEN ? json_null() : json_integer((json_int_t)b->until_ms);
}

static json_t *models_json(const char *joined)
{
	json_t *list = json_array();

	while (*joined) {
		const char *end = strstr(joined, ", ");
		size_t n = end ? (size_t)(end - joined) : strlen(joined);

		json_array_append_new(list, json_stringn(joined, n));
		joined += n + (end ? 2 : 0);
	}
	return list;
}

/* Time to the first byte; 0 = none has been seen, so that what has been is at least 1. */
static json_int_t latency_ms(uint64_t us)
{
	return us && us < 500 ? 1 : (json_int_t)((us + 500) / 1000);
}

static json_t *breaker_json(const struct admin_breaker *b)
{
	return json_pack(
		"{s:s,s:s,s:s,s:o, s:s,s:s,s:i, s:{s:i,s:i}, s:i,s:{s:i,s:i}, s:o,s:I,s:b, s:i,s:i,s:i, s:I,s:I}",
		"deployment", b->deployment, "provider", b->provider, "model", b->model, "models",
		models_json(b->models), "state", state_names[b->state], "force", force_names[b->force],
		"failures_in_a_row", (int)b->consecutive, "window", "calls", (int)b->total, "failures", (int)b->failed,
		"openings", (int)b->openings, "probes", "running", (int)b->probes_running, "succeeded",
		(int)b->probes_ok, "retry_ms", retry_json(b), "cooling_ms", (json_int_t)b->cooling_ms,
		"quota_exhausted", b->quota_exhausted, "in_flight", (int)b->inside, "waiting", (int)b->waiting,
		"concurrency", (int)b->concurrent, "latency_ms", latency_ms(b->latency_us), "changed_ms",
		(json_int_t)b->changed_ms);
}

/* ---- providers: open when all of their deployments are */

static json_t *provider_find(json_t *providers, const char *name)
{
	json_t *p;
	size_t i;

	json_array_foreach(providers, i,
			   p) if (!strcmp(json_string_value(json_object_get(p, "provider")), name)) return p;
	p = json_pack("{s:s,s:s,s:i,s:i,s:i}", "provider", name, "state", state_names[BREAKER_CLOSED], "deployments", 0,
		      "open", 0, "half_open", 0);
	json_array_append_new(providers, p);
	return p;
}

static void count(json_t *object, const char *name)
{
	json_object_set_new(object, name, json_integer(json_integer_value(json_object_get(object, name)) + 1));
}

static void provider_add(json_t *providers, const struct admin_breaker *b)
{
	json_t *p = provider_find(providers, b->provider);
	json_int_t all, open, half;

	count(p, "deployments");
	if (b->state != BREAKER_CLOSED)
		count(p, state_names[b->state]);
	all = json_integer_value(json_object_get(p, "deployments"));
	open = json_integer_value(json_object_get(p, "open"));
	half = json_integer_value(json_object_get(p, "half_open"));
	json_object_set_new(p, "state",
			    json_string(state_names[open == all          ? BREAKER_OPEN
						    : open + half == all ? BREAKER_HALF_OPEN
									 : BREAKER_CLOSED]));
}

/* ---- requests */

struct listing {
	json_t *breakers, *providers;
	const char *only; /* one deployment; NULL = all */
};

static int add_breaker(const struct admin_breaker *b, void *arg)
{
	struct listing *l = arg;

	if (l->only && strcmp(l->only, b->deployment) != 0)
		return 0;
	if (json_array_append_new(l->breakers, breaker_json(b)) < 0)
		return ERR_NOMEM;
	provider_add(l->providers, b);
	return 0;
}

void handle_breakers_list(struct admin_call *c)
{
	const struct admin_ops *ops = &c->a->o.ops;
	struct listing l = {.breakers = json_array(), .providers = json_array()};
	struct err err = {.code = ERR_NOMEM, .msg = "out of memory"};

	if (ops->breakers_each(ops->arg, add_breaker, &l, &err) < 0) {
		json_decref(l.breakers);
		json_decref(l.providers);
		reply_err(c, &err);
		return;
	}
	reply_json(c, 200, json_pack("{s:o,s:o}", "breakers", l.breakers, "providers", l.providers));
}

/* The breaker as it stands after the change. */
static void force(struct admin_call *c, enum breaker_force f)
{
	const struct admin_ops *ops = &c->a->o.ops;
	struct listing l = {.breakers = json_array(), .providers = json_array(), .only = c->part};
	struct err err = {.code = ERR_NOMEM, .msg = "out of memory"};
	int rc = ops->breaker_force(ops->arg, c->actor, c->part, f, &err);

	if (rc == 0)
		rc = ops->breakers_each(ops->arg, add_breaker, &l, &err);
	if (rc < 0)
		reply_err(c, &err);
	else if (!json_array_size(l.breakers)) /* forced ahead of a configuration that has it */
		reply_json(c, 200, json_pack("{s:s,s:s}", "deployment", c->part, "force", force_names[f]));
	else
		reply_json(c, 200, json_incref(json_array_get(l.breakers, 0)));
	json_decref(l.breakers);
	json_decref(l.providers);
}

void handle_breaker_open(struct admin_call *c)
{
	force(c, BREAKER_FORCED_OPEN);
}

void handle_breaker_close(struct admin_call *c)
{
	force(c, BREAKER_FORCED_CLOSED);
}

void handle_breaker_auto(struct admin_call *c)
{
	force(c, BREAKER_AUTO);
}

/* ---- events */

struct event_list {
	json_t *list;
	int64_t last_id;
};

static int add_event(const struct store_event *e, void *arg)
{
	struct event_list *l = arg;

	l->last_id = e->id;
	return json_array_append_new(l->list, json_pack("{s:I,s:I,s:s,s:s,s:s}", "id", (json_int_t)e->id, "time_ms",
							(json_int_t)e->time_ms, "kind", e->kind, "subject", e->subject,
							"detail", e->detail)) < 0
		       ? ERR_NOMEM
		       : 0;
}

void handle_events_list(struct admin_call *c)
{
	struct event_list l = {.list = NULL};
	struct err err = {.code = ERR_NOMEM, .msg = "out of memory"};
	struct page page;

	if (!query_page(c, &page))
		return;
	l.list = json_array();
	if (store_event_each(c->a->o.store, page.before, (unsigned)page.limit, add_event, &l, &err) < 0) {
		json_decref(l.list);
		reply_err(c, &err);
		return;
	}
	reply_page(c, "events", l.list, &page, l.last_id);
}

/* ---- for explain */

static int add_unwell(const struct admin_breaker *b, void *arg)
{
	bool full = b->concurrent && b->inside >= b->concurrent;

	if (b->state == BREAKER_CLOSED && !b->cooling_ms && !full)
		return 0;
	return json_array_append_new(arg, json_pack("{s:s,s:o,s:s,s:o,s:I,s:b,s:b}", "deployment", b->deployment,
						    "models", models_json(b->models), "state", state_names[b->state],
						    "retry_ms", retry_json(b), "cooling_ms", (json_int_t)b->cooling_ms,
						    "quota_exhausted", b->quota_exhausted, "full", full)) < 0
		       ? ERR_NOMEM
		       : 0;
}

json_t *breakers_unwell_json(struct admin *a)
{
	json_t *list = json_array();
	struct err err;

	if (a->o.ops.breakers_each(a->o.ops.arg, add_unwell, list, &err) < 0) {
		json_decref(list);
		return json_null();
	}
	return list;
}
