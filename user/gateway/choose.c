/* Which deployment serves the call: one that can have it is picked (pick.h) and entered: its bulkhead, our share of its
 * limits, its breaker, in this order, so that a ticket of the breaker is held only by a call that is forwarded. */
#include "gateway/choose.h"

#include "base/clock.h"
#include "gateway/attempt.h"
#include "gateway/breakers.h"
#include "gateway/isolate.h"
#include "gateway/refuse.h"
#include "tollgate/gcra.h"

#include <stdio.h>
#include <string.h>

#define RETRY_AFTER_NS 1000000000ull
#define RETRY_FORCED_NS 30000000000ull /* nobody knows how long an operator means it */

static uint64_t tokens_of(const struct call *c)
{
	return c->req.prompt_tokens_estimate + call_output_cap(c);
}

/* A call larger than the whole limit goes when nothing else did. */
static uint64_t tokens_cost(const struct tg_rate *r, uint64_t tokens)
{
	uint64_t cost = tg_gcra_cost_ns(r->emission_q16, tokens);

	return cost < r->burst_ns ? cost : r->burst_ns;
}

static uint64_t limits_wait_ns(const struct call *c, const struct catalog_deployment *d, uint64_t now_ns)
{
	const struct health *h = d->health;
	uint64_t a = 0, b = 0;

	if (d->requests.emission_q16)
		a = tg_gcra_wait_ns(TG_READ_ONCE(h->requests_tat_ns), now_ns,
				    tg_gcra_cost_ns(d->requests.emission_q16, 1), d->requests.burst_ns);
	if (d->tokens.emission_q16)
		b = tg_gcra_wait_ns(TG_READ_ONCE(h->tokens_tat_ns), now_ns, tokens_cost(&d->tokens, tokens_of(c)),
				    d->tokens.burst_ns);
	return a > b ? a : b;
}

/* ---- what can be had */

static void look_at(const struct call *c, unsigned i, const struct faults *f, uint64_t now_ns,
		    struct pick_candidate *ret)
{
	const struct catalog_deployment *d = &c->model->deployments[i];
	const struct health *h = d->health;
	struct bulkhead_rule r = choose_rule(f, d);
	uint64_t until_ns;

	*ret = (struct pick_candidate){
		.weight = d->weight,
		.priority = d->priority,
		.in_flight = atomic_load_explicit(&h->bulkhead.inside, memory_order_relaxed) +
			     atomic_load_explicit(&h->bulkhead.waiting, memory_order_relaxed),
		.latency_us = atomic_load_explicit(&h->latency_us, memory_order_relaxed),
	};
	if (c->tried >> i & 1) {
		ret->block = PICK_TRIED;
	} else if (!(d->wires >> c->target.wire & 1)) {
		ret->block = PICK_WIRE;
	} else if ((until_ns = breaker_blocked_until(&h->breaker, now_ns))) {
		ret->block = PICK_OPEN;
		ret->until_ns = until_ns;
	} else if ((until_ns = atomic_load_explicit(&h->cool_until_ns, memory_order_relaxed)) > now_ns ||
		   (until_ns = now_ns + limits_wait_ns(c, d, now_ns)) > now_ns) {
		ret->block = PICK_COOL;
		ret->until_ns = until_ns;
	} else if (!bulkhead_has_room(&h->bulkhead, &r)) {
		ret->block = PICK_FULL;
	}
}

static unsigned look(const struct call *c, const struct faults *f, uint64_t now_ns,
		     struct pick_candidate ret[CATALOG_DEPLOYMENTS_MAX])
{
	for (unsigned i = 0; i < c->model->n_deployments; i++)
		look_at(c, i, f, now_ns, &ret[i]);
	return c->model->n_deployments;
}

bool choose_possible(const struct call *c, uint64_t now_ns)
{
	const struct faults *f = &gateway_snapshot(c->w->gw)->faults;

	for (unsigned i = 0; i < c->model->n_deployments; i++) {
		struct pick_candidate p;

		look_at(c, i, f, now_ns, &p);
		if (p.block == PICK_FREE || p.block == PICK_FULL)
			return true;
	}
	return false;
}

/* ---- going in */

static bool take_limits(struct call *c, const struct catalog_deployment *d, uint64_t now_ns)
{
	uint64_t one = tg_gcra_cost_ns(d->requests.emission_q16, 1), cost;
	struct health *h = d->health;

	c->own_tokens_ns = 0;
	if (d->requests.emission_q16 &&
	    tg_gcra_take(&h->requests_tat_ns, now_ns, one, d->requests.burst_ns) != TG_GCRA_ADMIT)
		return false;
	if (!d->tokens.emission_q16)
		return true;
	cost = tokens_cost(&d->tokens, tokens_of(c));
	if (tg_gcra_take(&h->tokens_tat_ns, now_ns, cost, d->tokens.burst_ns) == TG_GCRA_ADMIT) {
		c->own_tokens_ns = cost;
		return true;
	}
	if (d->requests.emission_q16)
		tg_gcra_give(&h->requests_tat_ns, one);
	return false;
}

static void give_limits(struct call *c, const struct catalog_deployment *d)
{
	struct health *h = d->health;

	if (d->requests.emission_q16)
		tg_gcra_give(&h->requests_tat_ns, tg_gcra_cost_ns(d->requests.emission_q16, 1));
	if (c->own_tokens_ns)
		tg_gcra_give(&h->tokens_tat_ns, c->own_tokens_ns);
	c->own_tokens_ns = 0;
}

static void begin(struct call *c, unsigned i, const struct faults *f, uint64_t now_ns)
{
	c->tried |= 1ull << i;
	c->deployment = &c->model->deployments[i];
	c->rule = pricing_rule(c->wc->pricing, c->deployment->index, c->tier,
			       (enum price_supply)(c->supply[i / 32] >> (i % 32 * 2) & 3));
	c->attempting = true;
	c->attempted_ns = now_ns;
	if (!c->attempts++)
		retry_budget_call(&c->model->retries->budget, &f->retry);
}

/* With a place in its bulkhead. False: the place is given back, and *p says why it can't be had. */
static bool start(struct call *c, unsigned i, const struct faults *f, uint64_t now_ns, struct pick_candidate *p)
{
	const struct catalog_deployment *d = &c->model->deployments[i];
	struct bulkhead_rule r = choose_rule(f, d);
	struct breaker_change change = {0};

	if (p->block == PICK_FREE && !take_limits(c, d, now_ns)) {
		p->block = PICK_COOL;
		p->until_ns = now_ns + limits_wait_ns(c, d, now_ns);
	}
	if (p->block == PICK_FREE && !breaker_enter(&d->health->breaker, &f->breaker, now_ns, &c->ticket, &change)) {
		give_limits(c, d);
		p->block = PICK_OPEN;
		p->until_ns = breaker_blocked_until(&d->health->breaker, now_ns);
		if (p->until_ns < now_ns)
			p->until_ns = now_ns;
	}
	if (p->block != PICK_FREE) {
		isolate_leave(&d->health->bulkhead, &r);
		return false;
	}
	if (change.from != change.to)
		breakers_changed(c->w->gw, d->health, &change, now_ns);
	begin(c, i, f, now_ns);
	return true;
}

/* One that is free, else a place in the queue of one that isn't. CALL_DONE: neither. */
static enum call_step go_in(struct call *c, const struct faults *f, uint64_t now_ns, struct pick_candidate *p,
			    unsigned n)
{
	int i;

	while ((i = pick_one(p, n, PICK_FREE, worker_random(c->w))) >= 0) {
		struct bulkhead_rule r = choose_rule(f, &c->model->deployments[i]);

		if (bulkhead_enter(&c->model->deployments[i].health->bulkhead, &r, NULL) != BULKHEAD_ENTERED)
			p[i].block = PICK_FULL;
		else if (start(c, (unsigned)i, f, now_ns, &p[i]))
			return CALL_NEXT;
	}
	while ((i = pick_one(p, n, PICK_FULL, worker_random(c->w))) >= 0) {
		struct bulkhead_rule r = choose_rule(f, &c->model->deployments[i]);
		enum bulkhead_entry e;

		c->waits_at = (unsigned)i;
		e = isolate_enter(c, &c->model->deployments[i].health->bulkhead, &r);
		if (e == BULKHEAD_QUEUED)
			return CALL_WAIT;
		p[i].block = e == BULKHEAD_ENTERED ? PICK_FREE : PICK_CROWD;
		if (e == BULKHEAD_ENTERED && start(c, (unsigned)i, f, now_ns, &p[i]))
			return CALL_NEXT;
	}
	return CALL_DONE;
}

/* ---- nothing to be had */

static void refuse_cooling(struct call *c, uint64_t retry_ns)
{
	call_error_retry(c, retry_ns, 429, "requests", "rate_limit_exceeded",
			 "The providers of this model are at their rate limits; retry later.");
}

static void refuse_wire(struct call *c)
{
	char message[240];

	snprintf(message, sizeof(message), "The model `%.100s` is not served by this API.", c->model->name);
	call_error(c, 400, "invalid_request_error", "model_not_supported", "model", message);
}

/* What was tried has failed. */
static void refuse_failed(struct call *c)
{
	if (call_fail(c))
		return;
	if (c->crowded)
		call_error_retry(c, RETRY_AFTER_NS, 503, "server_error", "server_is_overloaded",
				 "All connections to this model's providers are busy; retry shortly.");
	else
		call_error(c, 502, "server_error", "upstream_unreachable", NULL,
			   "No provider of this model could be reached.");
}

/* Nothing has failed: what couldn't be said to one may be said to another that can't be had just now. */
static bool only_unsaid(const struct call *c, enum pick_block why)
{
	return c->fault && !c->failure.status && !c->crowded && why != PICK_WIRE;
}

static void refuse(struct call *c, const struct pick_candidate *p, unsigned n, uint64_t now_ns)
{
	uint64_t until_ns, retry_ns;
	enum pick_block why = pick_none(p, n, &until_ns);

	retry_ns = until_ns == UINT64_MAX ? RETRY_FORCED_NS : until_ns > now_ns ? until_ns - now_ns : 1;
	if (why == PICK_TRIED || (c->attempts && !only_unsaid(c, why)))
		refuse_failed(c);
	else if (why == PICK_OPEN)
		isolate_refuse(c, TG_REASON_CIRCUIT_OPEN, retry_ns);
	else if (why == PICK_COOL)
		refuse_cooling(c, retry_ns);
	else if (why == PICK_WIRE)
		refuse_wire(c);
	else
		isolate_refuse(c, TG_REASON_BULKHEAD_FULL, RETRY_AFTER_NS);
}

void choose_undo(struct call *c)
{
	give_limits(c, c->deployment);
	attempt_end(c, ATTEMPT_NEUTRAL);
}

enum call_step call_choose(struct call *c)
{
	const struct faults *f = &gateway_snapshot(c->w->gw)->faults;
	struct pick_candidate p[CATALOG_DEPLOYMENTS_MAX];
	uint64_t now_ns = clock_mono_ns();
	unsigned n = look(c, f, now_ns, p);
	enum call_step step;

	if (c->granted) { /* has a place since then, but other things may have changed */
		c->granted = false;
		if (p[c->waits_at].block == PICK_FULL)
			p[c->waits_at].block = PICK_FREE;
		if (start(c, c->waits_at, f, now_ns, &p[c->waits_at]))
			return CALL_NEXT;
	}
	step = go_in(c, f, now_ns, p, n);
	if (step == CALL_DONE)
		refuse(c, p, n, now_ns);
	return step;
}
