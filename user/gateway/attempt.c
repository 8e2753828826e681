/* What a call's attempt says of the deployment it was made at. */
#include "gateway/attempt.h"

#include "base/clock.h"
#include "base/num.h"
#include "gateway/breakers.h"
#include "gateway/choose.h"
#include "gateway/isolate.h"
#include "tollgate/gcra.h"

#include <stdio.h>

static void note_latency(const struct call *c, struct health *h, enum attempt_outcome outcome, uint64_t now_ns)
{
	uint64_t end_ns = c->first_byte_ns > c->attempted_ns ? c->first_byte_ns : now_ns;
	uint64_t took_ns = end_ns > c->attempted_ns ? end_ns - c->attempted_ns : 0;

	/* A refused connection is quick, and no sign of speed; a time-out is one of slowness. */
	if (outcome == ATTEMPT_SUCCESS ||
	    (outcome == ATTEMPT_FAILURE && took_ns / 1000 > atomic_load_explicit(&h->latency_us, memory_order_relaxed)))
		health_latency(h, took_ns);
}

/* The tokens of our share: kept until it is known what was used (attempt_settle), given back where nothing was. */
static void give_tokens(struct call *c, struct health *h, enum attempt_outcome outcome)
{
	bool refused = c->upstream_status && c->upstream_status != 200;

	if (!c->own_tokens_ns || (outcome != ATTEMPT_FAILURE && !refused))
		return;
	tg_gcra_give(&h->tokens_tat_ns, c->own_tokens_ns);
	c->own_tokens_ns = 0;
}

void attempt_answering(struct call *c)
{
	const struct faults *f = &gateway_snapshot(c->w->gw)->faults;
	struct health *h = c->deployment->health;
	struct breaker_change change;
	uint64_t now_ns;

	if (!c->attempting || !c->ticket.probe)
		return;
	now_ns = clock_mono_ns();
	if (breaker_answering(&h->breaker, &f->breaker, &c->ticket, now_ns, &change))
		breakers_changed(c->w->gw, h, &change, now_ns);
}

void attempt_end(struct call *c, enum attempt_outcome outcome)
{
	static const enum breaker_outcome said[] = {[ATTEMPT_SUCCESS] = BREAKER_SUCCESS,
						    [ATTEMPT_FAILURE] = BREAKER_FAILURE,
						    [ATTEMPT_NEUTRAL] = BREAKER_NEUTRAL};
	const struct faults *f;
	struct breaker_change change;
	struct bulkhead_rule r;
	struct health *h;
	uint64_t now_ns;

	if (!c->attempting)
		return;
	c->attempting = false;
	f = &gateway_snapshot(c->w->gw)->faults;
	h = c->deployment->health;
	now_ns = clock_mono_ns();
	note_latency(c, h, outcome, now_ns);
	give_tokens(c, h, outcome);
	if (outcome == ATTEMPT_SUCCESS && atomic_load_explicit(&h->quota_exhausted, memory_order_relaxed))
		atomic_store_explicit(&h->quota_exhausted, false, memory_order_relaxed);
	if (breaker_leave(&h->breaker, &f->breaker, c->ticket, said[outcome], now_ns, &change))
		breakers_changed(c->w->gw, h, &change, now_ns);
	r = choose_rule(f, c->deployment);
	isolate_leave(&h->bulkhead, &r);
}

void attempt_settle(struct call *c)
{
	const struct tg_rate *r;
	uint64_t used, cost;
	struct health *h;

	if (!c->own_tokens_ns || !c->metered)
		return;
	h = c->deployment->health;
	r = &c->deployment->tokens;
	used = c->usage.input_tokens + c->usage.output_tokens;
	cost = tg_gcra_cost_ns(r->emission_q16, used);
	if (cost < c->own_tokens_ns)
		tg_gcra_give(&h->tokens_tat_ns, c->own_tokens_ns - cost);
	else if (cost > c->own_tokens_ns)
		tg_gcra_charge(&h->tokens_tat_ns, clock_mono_ns(), cost - c->own_tokens_ns);
	c->own_tokens_ns = 0;
}

void attempt_cool(struct call *c, uint64_t for_ns, bool quota)
{
	const struct faults *f = &gateway_snapshot(c->w->gw)->faults;
	struct health *h = c->deployment->health;
	uint64_t was, until;

	if (!for_ns)
		for_ns = quota ? f->quota_cooldown_ns : f->cooldown_ns;
	if (for_ns > f->cooldown_max_ns)
		for_ns = f->cooldown_max_ns;
	until = clock_mono_ns() + for_ns;
	was = atomic_load_explicit(&h->cool_until_ns, memory_order_relaxed);
	while (was < until && !atomic_compare_exchange_weak_explicit(&h->cool_until_ns, &was, until,
								     memory_order_relaxed, memory_order_relaxed))
		;
	if (quota && !atomic_exchange(&h->quota_exhausted, true)) { /* told once, until it has served again */
		char detail[64], duration[32];

		num_format_duration(for_ns, duration);
		snprintf(detail, sizeof(detail), "left alone for %s", duration);
		atomic_fetch_add_explicit(&h->quota_times, 1, memory_order_relaxed);
		health_event_add(c->w->gw->health, h, HEALTH_QUOTA_EXHAUSTED, clock_wall_ms(), detail);
	}
}

bool attempt_again(struct call *c)
{
	const struct faults *f = &gateway_snapshot(c->w->gw)->faults;
	uint64_t now_ns = clock_mono_ns(), total_ms = c->wc->catalog->conf->upstream.total_timeout_ms;
	enum health_retry result = HEALTH_RETRY_GRANTED;

	if (c->delivered || c->gone || !c->x)
		return false;
	if (c->attempts >= f->retry.attempts)
		result = HEALTH_RETRY_NO_ATTEMPTS;
	else if (total_ms && now_ns >= c->received_ns + total_ms * 1000000u)
		result = HEALTH_RETRY_TOO_LATE;
	else if (!choose_possible(c, now_ns))
		result = HEALTH_RETRY_NOWHERE;
	else if (!retry_budget_take(&c->model->retries->budget))
		result = HEALTH_RETRY_NO_BUDGET;
	atomic_fetch_add_explicit(&c->w->gw->health->retries[result], 1, memory_order_relaxed);
	return result == HEALTH_RETRY_GRANTED;
}
