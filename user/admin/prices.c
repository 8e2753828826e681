/* Prices: the rules in force, and quotes ahead. On the control thread: rules are the gateway's, in memory. */
#include "admin/bill_json.h"

#include <string.h>

#define MILLION 1000000u

/* ---- tiers */

/* The policy's tiers; without a policy only the default one. */
bool tier_known(const struct admin *a, const char *tier)
{
	const struct policy *p = a->o.ops.policy_current(a->o.ops.arg);

	for (size_t i = 0; p && i < p->prices.n_tiers; i++)
		if (!strcmp(p->prices.tiers[i].name, tier))
			return true;
	return (!p || !p->prices.n_tiers) && !strcmp(tier, TENANT_TIER_DEFAULT);
}

void reply_unknown_tier(struct admin_call *c, const char *tier)
{
	const struct policy *p = c->a->o.ops.policy_current(c->a->o.ops.arg);
	_cleanup_(buf_done) struct buf known = BUF_INIT;

	for (size_t i = 0; p && i < p->prices.n_tiers; i++)
		buf_printf(&known, "%s%s", i ? ", " : "", p->prices.tiers[i].name);
	reply_error(c, 400, "unknown_tier", "the policy has no price tier '%s'; it has: %s", tier,
		    known.len ? known.data : TENANT_TIER_DEFAULT);
}

/* ---- list */

/* A million tokens of one class and none of the others. */
static struct usage million_of(enum token_class class)
{
	struct usage u = {0};

	if (class == TOKEN_OUTPUT)
		u.output_tokens = MILLION;
	else
		u.input_tokens = MILLION;
	if (class == TOKEN_CACHED_INPUT)
		u.cached_input_tokens = MILLION;
	if (class == TOKEN_CACHE_WRITE)
		u.cache_write_tokens = MILLION;
	return u;
}

static json_t *deployment_json(const struct price_rule *r, const struct admin_deployment *d)
{
	json_t *o = rule_json(r);

	json_object_set_new(o, "weight", json_integer((json_int_t)d->weight));
	json_object_set_new(o, "priority", json_integer((json_int_t)d->priority));
	json_object_set_new(o, "supply_measured", json_string(price_supply_name(d->measured)));
	json_object_set_new(o, "utilisation", e4_json(d->utilisation_e4));
	return o;
}

/* Price per million tokens of each class, and the margin in it. */
static void add_prices(json_t *o, const struct price_rule *r)
{
	json_t *prices = json_object(), *steps_o;
	struct price_steps steps;
	struct err err;

	for (unsigned i = 0; i < TOKEN_CLASSES; i++) {
		struct usage u = million_of((enum token_class)i);

		if (price_compute(r, &u, &steps, &err) < 0)
			continue;
		json_object_set_new(prices, price_class_name((enum token_class)i), money_json(steps.price_nano));
		steps_o = steps_json(&steps);
		if (r->rate_nano[i] > 0 && !json_object_get(o, "margin")) {
			json_object_set(o, "margin", json_object_get(steps_o, "margin_used"));
			json_object_set(o, "margin_unclamped", json_object_get(steps_o, "margin"));
			json_object_set(o, "clamp", json_object_get(steps_o, "clamp"));
		}
		json_decref(steps_o);
	}
	json_object_set_new(o, "prices", prices);
}

static int add_row(const struct price_rule *r, const struct admin_deployment *d, void *arg)
{
	json_t *o = deployment_json(r, d);

	add_prices(o, r);
	return json_array_append_new(arg, o) < 0 ? ERR_NOMEM : 0;
}

void handle_prices_list(struct admin_call *c)
{
	char model[PRICE_NAME_MAX], tier[PRICE_TIER_MAX];
	bool one_model = query_get(c, "model", model, sizeof(model)),
	     one_tier = query_get(c, "tier", tier, sizeof(tier));
	struct err err = {.code = ERR_NOMEM, .msg = "out of memory"};
	json_t *list;

	if (one_tier && !tier_known(c->a, tier)) {
		reply_unknown_tier(c, tier);
		return;
	}
	list = json_array();
	if (c->a->o.ops.prices_each(c->a->o.ops.arg, one_model ? model : NULL, one_tier ? tier : NULL, add_row, list,
				    &err) < 0) {
		json_decref(list);
		reply_err(c, &err);
		return;
	}
	reply_json(c, 200, json_pack("{s:s,s:o}", "currency", c->a->o.currency, "prices", list));
}

/* ---- quote */

struct quote {
	struct admin_call *c;
	char model[PRICE_NAME_MAX], tier[PRICE_TIER_MAX];
	struct usage usage;
	int supply; /* enum price_supply, or -1: as it is */
	json_t *list;
	struct err *err;
};

static int quote_one(const struct price_rule *r, const struct admin_deployment *d, void *arg)
{
	struct quote *q = arg;
	const struct policy *p = q->c->a->o.ops.policy_current(q->c->a->o.ops.arg);
	struct price_rule rule = *r;
	struct price_steps steps;
	json_t *o;
	int rc;

	if (q->supply >= 0 && p) {
		rule.supply = (enum price_supply)q->supply;
		rule.supply_pinned = false; /* it is the question's, not the policy's */
		rule.supply_factor_e4 = p->prices.supply.factor_e4[q->supply];
	}
	rc = price_compute(&rule, &q->usage, &steps, q->err);
	if (rc < 0)
		return rc;
	o = json_pack("{s:o,s:o}", "rule", deployment_json(&rule, d), "steps", steps_json(&steps));
	return json_array_append_new(q->list, o) < 0 ? err_set(q->err, ERR_NOMEM, "out of memory") : 0;
}

/* tier=, or the tier of tenant=. false: answered. */
static bool take_tier(struct admin_call *c, struct quote *q)
{
	char id[TENANT_ID_MAX];
	bool by_tier = query_get(c, "tier", q->tier, sizeof(q->tier)),
	     by_tenant = query_get(c, "tenant", id, sizeof(id));
	struct tenant t;
	struct err err;

	if (by_tier && by_tenant) {
		reply_error(c, 400, "invalid", "tier and tenant exclude each other");
		return false;
	}
	if (by_tenant && store_tenant_get(c->a->o.store, id, &t, &err) < 0) {
		reply_err(c, &err);
		return false;
	}
	if (!by_tier)
		memcpy(q->tier, by_tenant ? t.tier : TENANT_TIER_DEFAULT,
		       by_tenant ? sizeof(q->tier) : sizeof(TENANT_TIER_DEFAULT));
	if (!tier_known(c->a, q->tier)) {
		reply_unknown_tier(c, q->tier);
		return false;
	}
	return true;
}

static bool take_supply(struct admin_call *c, struct quote *q)
{
	char text[16];

	q->supply = -1;
	if (!query_get(c, "supply", text, sizeof(text)))
		return true;
	for (int i = 0; i < SUPPLY_STATES; i++)
		if (!strcmp(text, price_supply_name((enum price_supply)i)))
			q->supply = i;
	if (q->supply < 0)
		reply_error(c, 400, "invalid", "supply must be surplus, balanced or scarce");
	return q->supply >= 0;
}

static bool take_tokens(struct admin_call *c, struct quote *q)
{
	struct err err;

	if (query_number(c, "input", &q->usage.input_tokens, &err) < 0 ||
	    query_number(c, "cached_input", &q->usage.cached_input_tokens, &err) < 0 ||
	    query_number(c, "cache_write", &q->usage.cache_write_tokens, &err) < 0 ||
	    query_number(c, "output", &q->usage.output_tokens, &err) < 0 || price_check_usage(&q->usage, &err) < 0) {
		reply_err(c, &err);
		return false;
	}
	return true;
}

void handle_prices_quote(struct admin_call *c)
{
	struct err err = {.code = ERR_NOMEM, .msg = "out of memory"};
	struct quote q = {.c = c, .err = &err};

	if (!query_get(c, "model", q.model, sizeof(q.model))) {
		reply_error(c, 400, "invalid", "a quote for which model? give model=");
		return;
	}
	if (!take_tier(c, &q) || !take_supply(c, &q) || !take_tokens(c, &q))
		return;
	q.list = json_array();
	if (c->a->o.ops.prices_each(c->a->o.ops.arg, q.model, q.tier, quote_one, &q, &err) < 0) {
		json_decref(q.list);
		reply_err(c, &err);
		return;
	}
	reply_json(c, 200,
		   json_pack("{s:s,s:s,s:s,s:o}", "model", q.model, "tier", q.tier, "currency", c->a->o.currency,
			     "quotes", q.list));
}
