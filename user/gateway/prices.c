/* The prices in force: made anew when the catalog, the policy, the tiers or the time of a cost row change them. */
#include "gateway/prices.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

/* Prices of this catalog under this policy; *ret stays NULL without billing. */
int prices_make(struct gateway *gw, const struct catalog *c, const struct policy *policy, struct pricing **ret,
		struct err *err)
{
	if (!gw->ledger || !policy || !c)
		return 0;
	if (strcmp(policy->prices.currency, c->conf->billing.currency) != 0)
		return err_set(err, ERR_INVAL, "prices.currency is %s, but the books are in %s (billing.currency)",
			       policy->prices.currency, c->conf->billing.currency);
	return pricing_new(c, policy, &gw->tiers, gw->ledger, gw->pricing, gw->catalog, clock_wall_ms(), ret, err);
}

/* Takes over both; catalog NULL = the one before stays. */
void prices_exchange(struct gateway *gw, struct catalog *c, struct pricing *p)
{
	struct catalog *old = NULL;
	struct pricing *old_pricing;
	bool last = false, last_pricing;

	if (p && p->unpriced)
		log_warn(NULL,
			 "%zu deployments have no cost in the policy and get no calls (the first: %s): add rows to "
			 "prices.costs",
			 p->unpriced, p->first_unpriced);
	pthread_mutex_lock(&gw->catalog_lock);
	if (c) {
		old = gw->catalog;
		gw->catalog = c;
		last = old && --old->refs == 0;
		routes_set(&gw->routes, c, clock_mono_ns());
	}
	old_pricing = gw->pricing;
	gw->pricing = p;
	last_pricing = old_pricing && --old_pricing->refs == 0;
	atomic_fetch_add(&gw->catalog_version, 1);
	pthread_mutex_unlock(&gw->catalog_lock);
	if (last)
		catalog_free(old);
	if (last_pricing)
		pricing_free(old_pricing);
}

int gateway_catalog_publish(struct gateway *gw, struct conf *conf, struct err *err)
{
	struct pricing *p = NULL;
	struct catalog *c;
	int rc;

	if (catalog_new(conf, atomic_load(&gw->catalog_version) + 1, clock_wall_ms() / 1000, &c, err) < 0) {
		conf_free(conf);
		return ERR_NOMEM;
	}
	rc = catalog_bind_health(c, gw->health, &gateway_faults(gw)->retry, err);
	if (rc == 0)
		rc = prices_make(gw, c, gw->policy, &p, err);
	if (rc < 0) {
		catalog_free(c);
		return rc;
	}
	prices_exchange(gw, c, p);
	return 0;
}

static int reprice(struct gateway *gw, const struct policy *policy, struct err *err)
{
	struct pricing *p = NULL;
	int rc = prices_make(gw, gw->catalog, policy, &p, err);

	if (rc == 0 && p)
		prices_exchange(gw, NULL, p);
	return rc;
}

void gateway_prices_tick(struct gateway *gw, uint64_t now_ns, int64_t now_ms)
{
	struct err err;

	if (!gw->pricing)
		return;
	pricing_sample(gw->pricing, now_ns);
	if (!gw->pricing->next_change_ms || now_ms < gw->pricing->next_change_ms)
		return;
	if (reprice(gw, gw->policy, &err) == 0) {
		log_info(NULL, "prices: another row of costs has come into effect");
	} else {
		log_error(NULL, "costs that are in effect by now can't be used yet, tried again in 10 s: %s", err.msg);
		gw->pricing->next_change_ms = now_ms + 10000;
	}
}

static int each_of_model(const struct gateway *gw, const struct catalog_model *m, const char *tier,
			 int (*cb)(const struct gateway_price *p, void *arg), void *arg)
{
	const struct pricing *p = gw->pricing;

	for (unsigned i = 0; i < m->n_deployments; i++)
		for (unsigned t = 0; t < p->n_tiers; t++) {
			const struct catalog_deployment *d = &m->deployments[i];
			const struct pricing_load *l = &p->loads[d->index];
			struct gateway_price price = {
				.rule = pricing_rule(p, d->index, t, (enum price_supply)atomic_load(&l->supply)),
				.weight = d->weight,
				.priority = d->priority,
				.measured = l->window.state,
				.utilisation_e4 = l->window.last_mean_e4,
			};
			int rc;

			if (!price.rule || (tier && strcmp(tier, gw->tiers.name[t]) != 0))
				continue;
			rc = cb(&price, arg);
			if (rc)
				return rc;
		}
	return 0;
}

int gateway_prices_each(const struct gateway *gw, const char *model, const char *tier,
			int (*cb)(const struct gateway_price *p, void *arg), void *arg, struct err *err)
{
	const struct catalog *c = gw->catalog;
	bool found = !model;

	if (!gw->pricing)
		return err_set(err, ERR_UNSUPPORTED, "billing is off");
	for (size_t i = 0; i < c->n_models; i++) {
		int rc;

		if (model && strcmp(model, c->models[i].name) != 0)
			continue;
		found = true;
		rc = each_of_model(gw, &c->models[i], tier, cb, arg);
		if (rc)
			return rc;
	}
	return found ? 0 : err_set(err, ERR_NOT_FOUND, "no model %s", model);
}

/* Tiers that no tenant has yet have prices too: for quotes, and for the tenant that comes. */
int prices_know_tiers(struct gateway *gw, const struct policy *policy, struct err *err)
{
	unsigned tier;
	int rc = 0;

	for (size_t i = 0; rc == 0 && gw->ledger && i < policy->prices.n_tiers; i++)
		rc = pricing_tier(&gw->tiers, policy->prices.tiers[i].name, &tier, err);
	return rc;
}

/* Its account, and its tier's prices if nobody had that tier before. */
int prices_bind_account(struct gateway *gw, const struct tenant *t, struct err *err)
{
	unsigned before = gw->tiers.n, tier;
	int rc;

	if (!gw->ledger)
		return 0;
	rc = pricing_tier(&gw->tiers, t->tier, &tier, err);
	if (rc == 0 && gw->tiers.n != before) {
		rc = reprice(gw, gw->policy, err);
		if (rc < 0)
			gw->tiers.n = before; /* else the next of that tier would be bound without prices */
	}
	return rc < 0 ? rc : ledger_account_bind(gw->ledger, t->id, t->subject, tier, err);
}
