#include "gateway/health.h"

#include <stdio.h>
#include <string.h>

int health_registry_new(struct health_registry **ret, struct err *err)
{
	struct health_registry *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(err, ERR_NOMEM, "no memory for deployments' health");
	pthread_mutex_init(&r->events_lock, NULL);
	r->all = calloc(HEALTH_DEPLOYMENTS_MAX, sizeof(struct health *)); /* touched as far as it is used */
	r->budgets = calloc(HEALTH_BUDGETS_MAX, sizeof(struct health_budget *));
	r->events = calloc(HEALTH_EVENTS_MAX, sizeof(*r->events));
	if (!r->all || !r->budgets || !r->events) {
		health_registry_free(r);
		return err_set(err, ERR_NOMEM, "no memory for deployments' health");
	}
	*ret = r;
	return 0;
}

static void entry_free(struct health *h)
{
	breaker_done(&h->breaker);
	free(h);
}

void health_registry_free(struct health_registry *r)
{
	if (!r)
		return;
	for (size_t i = 0; r->all && i < r->n; i++)
		entry_free(r->all[i]);
	for (size_t i = 0; r->budgets && i < r->n_budgets; i++)
		free(r->budgets[i]);
	pthread_mutex_destroy(&r->events_lock);
	free(r->all);
	free(r->budgets);
	free(r->events);
	free(r);
}

/* ---- entries */

struct health *health_find(const struct health_registry *r, const char *id)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->all[i]->id, id))
			return r->all[i];
	return NULL;
}

/* I2. Who is waited for or inside has a call, which has its catalog. */
static bool is_droppable(struct health *h)
{
	struct breaker_saved s;

	if (atomic_load_explicit(&h->refs, memory_order_acquire))
		return false;
	breaker_save(&h->breaker, 0, 0, &s);
	return s.force == BREAKER_AUTO;
}

/* Where the next entry goes: behind the others, or where the oldest was that nobody needs any more. */
static int place_of_next(struct health_registry *r, size_t *ret, struct err *err)
{
	if (r->n < HEALTH_DEPLOYMENTS_MAX) {
		*ret = r->n++;
		return 0;
	}
	for (size_t i = 0; i < r->n; i++)
		if (is_droppable(r->all[i])) {
			entry_free(r->all[i]);
			*ret = i;
			return 0;
		}
	return err_set(err, ERR_FULL, "more than %u different deployments", HEALTH_DEPLOYMENTS_MAX);
}

int health_take(struct health_registry *r, const char *provider, const char *model, struct health **ret,
		struct err *err)
{
	size_t at = 0, provider_len = strlen(provider), len = provider_len + 1 + strlen(model);
	char id[HEALTH_ID_MAX];
	struct health *h;
	int rc;

	if (len >= sizeof(id))
		return err_set(err, ERR_RANGE, "%s/%.60s...: names of a provider and its model are over %u characters",
			       provider, model, HEALTH_ID_MAX - 1);
	memcpy(id, provider, provider_len);
	id[provider_len] = '/';
	memcpy(id + provider_len + 1, model, len - provider_len); /* with NUL */
	h = health_find(r, id);
	if (!h) {
		h = aligned_alloc(_Alignof(struct health), sizeof(*h));
		if (!h)
			return err_set(err, ERR_NOMEM, "no memory for the health of %s", id);
		rc = place_of_next(r, &at, err);
		if (rc < 0) {
			free(h);
			return rc;
		}
		memset(h, 0, sizeof(*h));
		breaker_init(&h->breaker);
		memcpy(h->id, id, len + 1);
		h->provider_len = provider_len;
		r->all[at] = h;
	}
	atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
	*ret = h;
	return 0;
}

void health_put(struct health *h)
{
	if (h)
		atomic_fetch_sub_explicit(&h->refs, 1, memory_order_release);
}

/* ---- retry budgets */

static int budget_place(struct health_registry *r, size_t *ret, struct err *err)
{
	if (r->n_budgets < HEALTH_BUDGETS_MAX) {
		*ret = r->n_budgets++;
		return 0;
	}
	for (size_t i = 0; i < r->n_budgets; i++)
		if (!atomic_load_explicit(&r->budgets[i]->refs, memory_order_acquire)) {
			free(r->budgets[i]);
			*ret = i;
			return 0;
		}
	return err_set(err, ERR_FULL, "more than %u models", HEALTH_BUDGETS_MAX);
}

int health_budget_take(struct health_registry *r, const char *model, const struct retry_rules *rules,
		       struct health_budget **ret, struct err *err)
{
	struct health_budget *b = NULL;
	size_t at = 0;
	int rc;

	for (size_t i = 0; i < r->n_budgets && !b; i++)
		if (!strcmp(r->budgets[i]->model, model))
			b = r->budgets[i];
	if (!b) {
		b = calloc(1, sizeof(*b));
		if (!b)
			return err_set(err, ERR_NOMEM, "no memory for the retry budget of %s", model);
		rc = budget_place(r, &at, err);
		if (rc < 0) {
			free(b);
			return rc;
		}
		retry_budget_init(&b->budget, rules);
		snprintf(b->model, sizeof(b->model), "%s", model);
		r->budgets[at] = b;
	}
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	*ret = b;
	return 0;
}

void health_budget_put(struct health_budget *b)
{
	if (b)
		atomic_fetch_sub_explicit(&b->refs, 1, memory_order_release);
}

void health_budgets_reset(struct health_registry *r, const struct retry_rules *rules)
{
	for (size_t i = 0; i < r->n_budgets; i++)
		retry_budget_init(&r->budgets[i]->budget, rules);
}

/* ---- events */

void health_event_add(struct health_registry *r, const struct health *h, enum health_event_kind kind, int64_t now_ms,
		      const char *detail)
{
	pthread_mutex_lock(&r->events_lock);
	if (r->n_events == HEALTH_EVENTS_MAX) {
		r->events_lost++;
	} else {
		struct health_event *e = &r->events[(r->events_first + r->n_events++) % HEALTH_EVENTS_MAX];

		e->time_ms = now_ms;
		e->kind = kind;
		memcpy(e->id, h->id, sizeof(e->id));
		snprintf(e->detail, sizeof(e->detail), "%s", detail);
	}
	pthread_mutex_unlock(&r->events_lock);
}

bool health_event_next(struct health_registry *r, struct health_event *ret)
{
	bool any;

	pthread_mutex_lock(&r->events_lock);
	any = r->n_events > 0;
	if (any) {
		*ret = r->events[r->events_first];
		r->events_first = (r->events_first + 1) % HEALTH_EVENTS_MAX;
		r->n_events--;
	}
	pthread_mutex_unlock(&r->events_lock);
	return any;
}

uint64_t health_events_lost(struct health_registry *r)
{
	uint64_t n;

	pthread_mutex_lock(&r->events_lock);
	n = r->events_lost;
	r->events_lost = 0;
	pthread_mutex_unlock(&r->events_lock);
	return n;
}

/* ---- latency */

/* Of samples that two workers take at the same time one may get lost: it is a mean. */
void health_latency(struct health *h, uint64_t ns)
{
	uint64_t us = ns / 1000;
	int64_t now = atomic_load_explicit(&h->latency_us, memory_order_relaxed), sample;

	sample = us > UINT32_MAX / 2 ? UINT32_MAX / 2 : us ? (int64_t)us : 1;
	/* An eighth of the way, but always a step: 7 us of difference would never be made up. */
	if (!now)
		now = sample;
	else if (sample > now)
		now += (sample - now + 7) / 8;
	else
		now -= (now - sample + 7) / 8;
	atomic_store_explicit(&h->latency_us, (uint32_t)now, memory_order_relaxed);
}
