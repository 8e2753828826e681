#include "gateway/pricing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int pricing_tier(struct pricing_tiers *t, const char *name, unsigned *ret, struct err *err)
{
	for (unsigned i = 0; i < t->n; i++)
		if (!strcmp(t->name[i], name)) {
			*ret = i;
			return 0;
		}
	if (t->n == PRICING_TIERS_MAX)
		return err_set(err, ERR_FULL, "more than %u price tiers since the start; restart to use \"%s\"",
			       PRICING_TIERS_MAX, name);
	snprintf(t->name[t->n], sizeof(t->name[0]), "%s", name);
	*ret = t->n++;
	return 0;
}

/* ---- one rule */

/* The row that holds now: the first in the file's order whose patterns fit, and among rows with the same patterns the
 * latest in effect. *next: the earliest later change of any fitting row. */
static const struct policy_cost *cost_of(const struct policy_prices *p, const char *provider, const char *model,
					 int64_t now_ms, int64_t *next_ms)
{
	const struct policy_cost *found = NULL;

	for (size_t i = 0; i < p->n_costs; i++) {
		const struct policy_cost *c = &p->costs[i];

		if (!price_match(c->provider, provider) || !price_match(c->model, model))
			continue;
		if (found && (strcmp(found->provider, c->provider) != 0 || strcmp(found->model, c->model) != 0))
			continue;
		if (c->effective_ms > now_ms) {
			if (!*next_ms || c->effective_ms < *next_ms)
				*next_ms = c->effective_ms;
		} else if (!found || c->effective_ms > found->effective_ms) {
			found = c;
		}
	}
	return found;
}

static uint32_t tier_margin(const struct policy_prices *p, const char *tier)
{
	for (size_t i = 0; i < p->n_tiers; i++)
		if (!strcmp(p->tiers[i].name, tier))
			return p->tiers[i].margin_e4;
	return p->base_margin_e4;
}

static uint32_t model_factor(const struct policy_prices *p, const char *model)
{
	for (size_t i = 0; i < p->n_models; i++)
		if (price_match(p->models[i].match, model))
			return p->models[i].factor_e4;
	return PRICE_E4;
}

static struct price_rule make_rule(const struct policy *policy, const struct policy_cost *cost, const char *provider,
				   const char *upstream_model, const char *model, const char *tier, enum price_supply s)
{
	const struct policy_prices *p = &policy->prices;
	struct price_rule r = {
		.book_id = policy->version_id,
		.effective_ms = cost->effective_ms,
		.formula = p->formula == POLICY_FORMULA_MULTIPLIER ? PRICE_MULTIPLIER : PRICE_MARGIN,
		.supply = s,
		.supply_pinned = p->supply.pin != POLICY_MEASURED,
		.rate_nano = {[TOKEN_INPUT] = cost->input_nano,
			      [TOKEN_CACHED_INPUT] = cost->cached_input_nano,
			      [TOKEN_CACHE_WRITE] = cost->cache_write_nano,
			      [TOKEN_OUTPUT] = cost->output_nano},
		.base_margin_e4 = p->base_margin_e4,
		.tier_margin_e4 = tier_margin(p, tier),
		.model_factor_e4 = model_factor(p, model),
		.supply_factor_e4 = p->supply.factor_e4[s],
		.min_margin_e4 = p->min_margin_e4,
		.max_margin_e4 = p->max_margin_e4,
	};

	snprintf(r.currency, sizeof(r.currency), "%s", p->currency);
	snprintf(r.provider, sizeof(r.provider), "%s", provider);
	snprintf(r.upstream_model, sizeof(r.upstream_model), "%s", upstream_model);
	snprintf(r.model, sizeof(r.model), "%s", model);
	snprintf(r.tier, sizeof(r.tier), "%s", tier);
	return r;
}

/* ---- all of them */

static void fill_deployment(struct pricing *p, const struct catalog_model *m, const struct catalog_deployment *d,
			    const struct policy *policy, const struct pricing_tiers *tiers, int64_t now_ms)
{
	const char *provider = d->provider->conf->name;
	const struct policy_cost *cost =
		cost_of(&policy->prices, provider, d->upstream_model, now_ms, &p->next_change_ms);

	if (!cost) {
		if (!p->unpriced++)
			snprintf(p->first_unpriced, sizeof(p->first_unpriced), "%s/%s", provider, d->upstream_model);
		return;
	}
	for (unsigned t = 0; t < p->n_tiers; t++)
		for (unsigned s = 0; s < SUPPLY_STATES; s++)
			p->rules[((size_t)d->index * p->n_tiers + t) * SUPPLY_STATES + s] =
				make_rule(policy, cost, provider, d->upstream_model, m->name, tiers->name[t],
					  (enum price_supply)s);
}

static void fill_load(struct pricing *p, const struct catalog_deployment *d, const struct policy_prices *prices)
{
	struct pricing_load *l = &p->loads[d->index];
	bool pinned = prices->supply.pin != POLICY_MEASURED;
	enum price_supply s = pinned ? (enum price_supply)prices->supply.pin : SUPPLY_BALANCED;

	l->concurrency = d->concurrency;
	l->pinned = pinned;
	l->window.state = SUPPLY_BALANCED;
	atomic_init(&l->supply, (unsigned)s);
	atomic_init(&l->in_flight, 0);
	atomic_init(&l->quota_used_e4, PRICING_QUOTA_UNKNOWN);
}

static const struct catalog_deployment *same_deployment(const struct catalog *c, const struct catalog_model *m,
							const struct catalog_deployment *d)
{
	const struct catalog_model *was = catalog_find(c, m->name, m->name_len);

	for (unsigned i = 0; was && i < was->n_deployments; i++)
		if (!strcmp(was->deployments[i].provider->conf->name, d->provider->conf->name) &&
		    !strcmp(was->deployments[i].upstream_model, d->upstream_model))
			return &was->deployments[i];
	return NULL;
}

/* What was measured so far isn't forgotten because a policy changed. */
static void inherit_load(struct pricing *p, const struct catalog_model *m, const struct catalog_deployment *d,
			 const struct pricing *before, const struct catalog *before_catalog)
{
	const struct catalog_deployment *was = before ? same_deployment(before_catalog, m, d) : NULL;
	struct pricing_load *to = &p->loads[d->index], *from;

	if (!was)
		return;
	from = &before->loads[was->index];
	atomic_init(&to->quota_used_e4, atomic_load(&from->quota_used_e4));
	atomic_init(&to->quota_ns, atomic_load(&from->quota_ns));
	to->window = from->window;
	if (!to->pinned)
		atomic_init(&to->supply, (unsigned)to->window.state);
}

struct intern {
	struct pricing *p;
};

/* R1; one transaction. */
static int intern_rules(struct store *s, void *arg, struct err *err)
{
	struct pricing *p = ((struct intern *)arg)->p;
	size_t n = p->n_deployments * p->n_tiers * SUPPLY_STATES;
	int rc = store_books_begin(s, err);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (!p->rules[i].currency[0])
			continue; /* R3 */
		rc = price_check_rule(&p->rules[i], err);
		if (rc == 0)
			rc = store_price_rule_intern(s, &p->rules[i], &p->rules[i].id, err);
	}
	if (rc == 0)
		rc = store_books_commit(s, err);
	if (rc < 0)
		store_books_abort(s);
	return rc;
}

int pricing_new(const struct catalog *c, const struct policy *policy, const struct pricing_tiers *tiers,
		struct ledger *ledger, const struct pricing *before, const struct catalog *before_catalog,
		int64_t now_ms, struct pricing **ret, struct err *err)
{
	struct pricing *p = calloc(1, sizeof(*p));
	struct intern intern = {p};
	int rc;

	if (!p)
		return err_set(err, ERR_NOMEM, "no memory for prices");
	p->refs = 1;
	p->n_deployments = c->n_deployments;
	p->n_tiers = tiers->n;
	p->supply = (struct supply_opts){
		.surplus_below_e4 = policy->prices.supply.surplus_below_e4,
		.scarce_above_e4 = policy->prices.supply.scarce_above_e4,
		.hysteresis_e4 = policy->prices.supply.hysteresis_e4,
		.window_ns = policy->prices.supply.window_ns,
	};
	p->rules = calloc(c->n_deployments * tiers->n * SUPPLY_STATES + 1, sizeof(*p->rules));
	p->loads = aligned_alloc(64, (c->n_deployments + 1) * sizeof(*p->loads));
	if (!p->rules || !p->loads) {
		pricing_free(p);
		return err_set(err, ERR_NOMEM, "no memory for prices");
	}
	memset(p->loads, 0, (c->n_deployments + 1) * sizeof(*p->loads));
	for (size_t m = 0; m < c->n_models; m++)
		for (unsigned i = 0; i < c->models[m].n_deployments; i++) {
			const struct catalog_deployment *d = &c->models[m].deployments[i];

			fill_deployment(p, &c->models[m], d, policy, tiers, now_ms);
			fill_load(p, d, &policy->prices);
			inherit_load(p, &c->models[m], d, before, before_catalog);
		}
	rc = ledger_run(ledger, intern_rules, &intern, err);
	if (rc < 0) {
		pricing_free(p);
		return err_prefix(err, "storing the price rules");
	}
	*ret = p;
	return 0;
}

void pricing_free(struct pricing *p)
{
	if (!p)
		return;
	free(p->rules);
	free(p->loads);
	free(p);
}

/* ---- supply and demand */

/* The fuller of concurrency and quota; false: neither is known. What a provider said longer than a window ago says
 * nothing any more: limits refill while nobody calls. */
static bool utilisation(struct pricing_load *l, uint64_t window_ns, uint64_t now_ns, uint32_t *ret_e4)
{
	unsigned in_flight = atomic_load_explicit(&l->in_flight, memory_order_relaxed);
	uint32_t quota = atomic_load_explicit(&l->quota_used_e4, memory_order_relaxed);
	uint64_t busy = l->concurrency ? (uint64_t)in_flight * PRICE_E4 / l->concurrency : 0;

	if (quota != PRICING_QUOTA_UNKNOWN &&
	    now_ns > atomic_load_explicit(&l->quota_ns, memory_order_relaxed) + window_ns)
		quota = PRICING_QUOTA_UNKNOWN;
	if (!l->concurrency && quota == PRICING_QUOTA_UNKNOWN)
		return false;
	if (quota != PRICING_QUOTA_UNKNOWN && quota > busy)
		busy = quota;
	*ret_e4 = busy > 10u * PRICE_E4 ? 10u * PRICE_E4 : (uint32_t)busy;
	return true;
}

void pricing_sample(struct pricing *p, uint64_t now_ns)
{
	for (size_t i = 0; i < p->n_deployments; i++) {
		struct pricing_load *l = &p->loads[i];
		enum price_supply s;
		uint32_t e4;

		if (!utilisation(l, p->supply.window_ns, now_ns, &e4))
			continue;
		s = supply_sample(&l->window, &p->supply, e4, now_ns);
		if (!l->pinned)
			atomic_store_explicit(&l->supply, (unsigned)s, memory_order_relaxed);
	}
}
