/* The catalog's deployments by who they are. */
#include "gateway/catalog.h"

#include "dialect/dialect.h"
#include "guard/rates.h"

#include <string.h>

#define MINUTE_NS 60000000000ull

static unsigned wires_of(const struct conf_provider *p)
{
	unsigned wires = 0;

	for (unsigned w = 0; w < WIRE_COUNT; w++)
		if (dialect_wire_for((enum provider_kind)p->kind, (enum wire)w) != WIRE_NONE)
			wires |= 1u << w;
	return wires;
}

static const struct conf_deployment *conf_of(const struct catalog *c, const struct catalog_model *m,
					     const struct catalog_deployment *d)
{
	const struct conf_model *conf = &c->conf->models[m - c->models];

	for (size_t i = 0; i < conf->n_deployments; i++)
		if (conf->deployments[i].provider == d->provider->conf &&
		    !strcmp(conf->deployments[i].upstream_model, d->upstream_model))
			return &conf->deployments[i];
	return NULL;
}

static int by_health(const void *a, const void *b)
{
	const struct catalog_identity *x = a, *y = b;

	return x->health < y->health ? -1 : x->health > y->health;
}

static struct catalog_identity *identity_of(const struct catalog *c, struct health *h)
{
	struct catalog_identity want = {.health = h};

	return bsearch(&want, c->identities, c->n_identities, sizeof(want), by_health);
}

static uint64_t tighter(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* One row per deployment, those of one identity made one. Each row holds a reference. */
static void join(struct catalog *c)
{
	size_t n = 0;

	qsort(c->identities, c->n_identities, sizeof(*c->identities), by_health);
	for (size_t i = 0; i < c->n_identities; i++) {
		struct catalog_identity *last = n ? &c->identities[n - 1] : NULL, *id = &c->identities[i];

		if (!last || last->health != id->health) {
			c->identities[n++] = *id;
			continue;
		}
		last->bulkhead = (unsigned)tighter(last->bulkhead, id->bulkhead);
		last->requests_per_minute = tighter(last->requests_per_minute, id->requests_per_minute);
		last->tokens_per_minute = tighter(last->tokens_per_minute, id->tokens_per_minute);
		health_put(id->health);
	}
	c->n_identities = n;
}

static int take_all(struct catalog *c, struct health_registry *r, const struct retry_rules *retries, struct err *err)
{
	int rc = 0;

	for (size_t m = 0; m < c->n_models && rc == 0; m++) {
		struct catalog_model *model = &c->models[m];

		rc = health_budget_take(r, model->name, retries, &model->retries, err);
		for (unsigned i = 0; i < model->n_deployments && rc == 0; i++) {
			struct catalog_deployment *d = &model->deployments[i];
			const struct conf_deployment *conf = conf_of(c, model, d);

			rc = health_take(r, d->provider->conf->name, d->upstream_model, &d->health, err);
			if (rc == 0)
				c->identities[c->n_identities++] = (struct catalog_identity){
					.health = d->health,
					.wires = wires_of(d->provider->conf),
					.bulkhead = d->concurrency,
					.requests_per_minute = conf ? conf->requests_per_minute : 0,
					.tokens_per_minute = conf ? conf->tokens_per_minute : 0,
				};
		}
	}
	return rc;
}

int catalog_bind_health(struct catalog *c, struct health_registry *r, const struct retry_rules *retries,
			struct err *err)
{
	int rc;

	c->identities = calloc(c->n_deployments + 1, sizeof(*c->identities));
	if (!c->identities)
		return err_set(err, ERR_NOMEM, "no memory for the catalog of models");
	rc = take_all(c, r, retries, err);
	if (rc < 0) {
		catalog_unbind_health(c);
		return rc;
	}
	join(c);
	for (size_t m = 0; m < c->n_models; m++)
		for (unsigned i = 0; i < c->models[m].n_deployments; i++) {
			struct catalog_deployment *d = &c->models[m].deployments[i];
			const struct catalog_identity *id = identity_of(c, d->health);

			d->wires = id->wires;
			d->bulkhead = id->bulkhead;
			/* A burst of a minute's worth, as limits have when their policy doesn't say. */
			d->requests = rates_compile(id->requests_per_minute, MINUTE_NS, id->requests_per_minute, false);
			d->tokens = rates_compile(id->tokens_per_minute, MINUTE_NS, id->tokens_per_minute, false);
		}
	return 0;
}

void catalog_unbind_health(struct catalog *c)
{
	for (size_t i = 0; i < c->n_identities; i++)
		health_put(c->identities[i].health);
	for (size_t i = 0; c->identities && i < c->n_models; i++)
		health_budget_put(c->models[i].retries);
	free(c->identities);
	c->identities = NULL;
	c->n_identities = 0;
}
