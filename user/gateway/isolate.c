/* A tenant's calls under way at a time, and waiting for a place. */
#include "gateway/isolate.h"

#include "base/log.h"
#include "gateway/choose.h"
#include "gateway/refuse.h"

#define RETRY_AFTER_NS 1000000000ull

void isolate_refuse(struct call *c, enum tg_reason reason, uint64_t retry_after_ns)
{
	struct dialect_refusal r = dialect_refusal_of(reason);

	meters_verdict(c, TG_VERDICT_ANSWER, reason);
	/* At the NIC it is about a whole API method, here about one model. */
	call_error_retry(c, retry_after_ns, r.status, r.type, r.code,
			 reason == TG_REASON_CIRCUIT_OPEN
				 ? "Every provider of this model is failing at present; retry later."
				 : r.message);
}

/* ---- telling the one that got a place */

static void run_granted(void *arg)
{
	isolate_run_granted(arg);
}

/* Any thread. The waiter is ours from here to its worker: its links are free. */
static void tell(struct bulkhead_waiter *waiter)
{
	struct call *c = waiter->owner;
	struct gateway_worker *w = c->w;
	struct bulkhead_waiter *first = atomic_load_explicit(&w->granted, memory_order_relaxed);

	do
		waiter->next = first;
	while (!atomic_compare_exchange_weak_explicit(&w->granted, &first, waiter, memory_order_release,
						      memory_order_relaxed));
	/* Not the first: its worker has been told and hasn't come yet. Out of memory: it looks once a second. */
	if (!first && loop_post(w->loop, run_granted, w) < 0)
		log_warn(NULL, "no memory: a call that may go on waits for its worker's next tick");
}

void isolate_wake(struct bulkhead *b, const struct bulkhead_rule *r)
{
	struct bulkhead_waiter *w;

	while ((w = bulkhead_next(b, r)))
		tell(w);
}

void isolate_leave(struct bulkhead *b, const struct bulkhead_rule *r)
{
	struct bulkhead_waiter *w = bulkhead_leave(b, r);

	if (w) {
		tell(w);
		isolate_wake(b, r);
	}
}

void isolate_wake_tenants(struct gateway *gw)
{
	const struct directory *d = gateway_directory(gw);
	const struct faults *f = gateway_faults(gw);

	for (uint32_t s = 0; s < d->n_subjects; s++)
		isolate_wake(&gw->tenants[s], faults_tenant_rule(f, s));
}

/* ---- waiting */

/* The rule of what the call waits for. */
static struct bulkhead_rule rule_waited_for(const struct call *c)
{
	const struct faults *f = &gateway_snapshot(c->w->gw)->faults;

	if (c->stage == CALL_ISOLATE)
		return *faults_tenant_rule(f, c->tenant_subject);
	return choose_rule(f, &c->model->deployments[c->waits_at]);
}

static void granted(struct call *c)
{
	struct bulkhead *b = c->waits_for;

	call_enter(c);
	c->waits_for = NULL;
	loop_timer_del(c->w->loop, &c->wait_timer);
	if (c->unwilling || !c->x || c->gone || c->status) {
		struct bulkhead_rule r = rule_waited_for(c);

		isolate_leave(b, &r);
	} else if (c->stage == CALL_ISOLATE) {
		c->in_tenant = true;
		call_run(c, CALL_ADMIT);
	} else {
		c->granted = true;
		call_run(c, CALL_CHOOSE);
	}
	call_leave(c);
}

void isolate_run_granted(struct gateway_worker *w)
{
	struct bulkhead_waiter *newest = atomic_exchange_explicit(&w->granted, NULL, memory_order_acquire),
			       *oldest = NULL;

	while (newest) {
		struct bulkhead_waiter *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct bulkhead_waiter *next = oldest->next;

		granted(oldest->owner);
		oldest = next;
	}
}

/* Its time is over. When it was granted in this moment its worker will be told so in the next: then it goes on. */
static void on_wait_over(struct loop *l, struct loop_timer *t)
{
	struct call *c = CONTAINER_OF(t, struct call, wait_timer);

	(void)l;
	call_enter(c);
	if (bulkhead_abandon(c->waits_for, &c->waiter)) {
		c->waits_for = NULL;
		isolate_refuse(c, TG_REASON_BULKHEAD_FULL, RETRY_AFTER_NS);
	}
	call_leave(c);
}

enum bulkhead_entry isolate_enter(struct call *c, struct bulkhead *b, const struct bulkhead_rule *r)
{
	enum bulkhead_entry e;

	c->waiter.owner = c;
	c->waits_for = b; /* before it can be granted */
	e = bulkhead_enter(b, r, &c->waiter);
	if (e != BULKHEAD_QUEUED) {
		c->waits_for = NULL;
		return e;
	}
	isolate_wake(b, r);
	c->wait_timer.cb = on_wait_over;
	if (loop_timer_set(c->w->loop, &c->wait_timer, loop_now_ns(c->w->loop) + r->wait_ns) < 0 &&
	    bulkhead_abandon(b, &c->waiter)) {
		c->waits_for = NULL;
		return BULKHEAD_FULL;
	}
	return BULKHEAD_QUEUED;
}

void isolate_abandon(struct call *c)
{
	if (!c->waits_for)
		return;
	loop_timer_del(c->w->loop, &c->wait_timer);
	if (bulkhead_abandon(c->waits_for, &c->waiter))
		c->waits_for = NULL;
	else
		c->unwilling = true;
}

void isolate_drop(struct call *c)
{
	loop_timer_del(c->w->loop, &c->wait_timer);
	if (c->waits_for)
		(void)!bulkhead_abandon(c->waits_for, &c->waiter);
	c->waits_for = NULL;
}

/* ---- the tenant's */

enum call_step call_isolate(struct call *c)
{
	const struct bulkhead_rule *r;
	struct bulkhead *b;

	if (c->route == TG_ROUTE_MODELS)
		return CALL_NEXT;
	r = faults_tenant_rule(&gateway_snapshot(c->w->gw)->faults, c->tenant_subject);
	b = &c->w->gw->tenants[c->tenant_subject];
	switch (isolate_enter(c, b, r)) {
	case BULKHEAD_ENTERED:
		c->in_tenant = true;
		return CALL_NEXT;
	case BULKHEAD_QUEUED:
		return CALL_WAIT;
	case BULKHEAD_FULL:
		break;
	}
	isolate_refuse(c, TG_REASON_BULKHEAD_FULL, RETRY_AFTER_NS);
	return CALL_DONE;
}

void isolate_end(struct call *c)
{
	struct gateway *gw = c->w->gw;

	isolate_abandon(c);
	attempt_settle(c);
	if (!c->in_tenant)
		return;
	c->in_tenant = false;
	isolate_leave(&gw->tenants[c->tenant_subject],
		      faults_tenant_rule(&gateway_snapshot(gw)->faults, c->tenant_subject));
}
