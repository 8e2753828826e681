/* How deployments are doing, by who they are: "PROVIDER/MODEL". One entry for all public models that use it, for all
 * workers, and over reloads: what was learned of a provider doesn't go with a change of the file.
 *
 * Threads: health_take, health_find and health_budget_take are for the control thread alone; entries are used by
 * everybody, and freed only in health_take when nobody holds them (the registry is bounded) and at the end.
 *
 * Invariants (tests cite them):
 *  I1  An identity has one entry as long as anybody refers to it, and the same one after a reload.
 *  I2  An entry that a catalog refers to, or that an operator has forced, is never dropped.
 *  I3  An event is told once, in order; when more happen than fit they are counted as lost. */
#ifndef GATEWAY_HEALTH_H
#define GATEWAY_HEALTH_H

#include "base/err.h"
#include "guard/breaker.h"
#include "guard/bulkhead.h"
#include "guard/retry.h"
#include "tollgate/abi.h"

#include <stdatomic.h>

#define HEALTH_ID_MAX 256u
#define HEALTH_DEPLOYMENTS_MAX 8192u
#define HEALTH_BUDGETS_MAX 8192u
#define HEALTH_EVENTS_MAX 256u

struct health {
	_Alignas(64) struct breaker breaker;
	_Alignas(64) struct bulkhead bulkhead;
	_Atomic uint64_t cool_until_ns; /* left alone until then, as the provider asked */
	_Atomic uint32_t latency_us;    /* to the first byte, smoothed; 0 = not known yet */
	atomic_bool quota_exhausted;    /* that is why it cools */
	/* The provider's limits, ours to use (gcra.h) */
	__u64 requests_tat_ns, tokens_tat_ns;

	atomic_bool unsaved; /* the store doesn't have its breaker's state */
	_Atomic int64_t changed_ms;
	_Atomic uint64_t opened, quota_times; /* times since the start that it opened; that its quota was exhausted */
	atomic_uint refs;
	char id[HEALTH_ID_MAX];
	size_t provider_len; /* of id; the model's name is after the slash */
};

/* A public model's retry budget, likewise. */
struct health_budget {
	struct retry_budget budget;
	atomic_uint refs;
	char model[HEALTH_ID_MAX];
};

/* Retries by what became of them. */
enum health_retry {
	HEALTH_RETRY_GRANTED,
	HEALTH_RETRY_NO_BUDGET,
	HEALTH_RETRY_NO_ATTEMPTS, /* the policy's number was reached */
	HEALTH_RETRY_TOO_LATE,    /* the call's time is over */
	HEALTH_RETRY_NOWHERE,     /* no other deployment could be had */
	HEALTH_RETRIES,
};

enum health_event_kind { HEALTH_OPENED, HEALTH_HALF_OPEN, HEALTH_CLOSED, HEALTH_QUOTA_EXHAUSTED, HEALTH_EVENT_KINDS };
struct health_event {
	int64_t time_ms;
	enum health_event_kind kind;
	char id[HEALTH_ID_MAX];
	char detail[192];
};

struct health_registry {
	struct health **all; /* [HEALTH_DEPLOYMENTS_MAX], n in use */
	size_t n;
	struct health_budget **budgets; /* [HEALTH_BUDGETS_MAX] */
	size_t n_budgets;
	_Atomic uint64_t retries[HEALTH_RETRIES];
	pthread_mutex_t events_lock;
	struct health_event *events; /* ring */
	size_t events_first, n_events;
	uint64_t events_lost;
};

int health_registry_new(struct health_registry **ret, struct err *err) MUST_CHECK;
void health_registry_free(struct health_registry *r);

/* The identity's entry, made when it is new, with one reference more. ERR_FULL, ERR_RANGE (name too long). */
int health_take(struct health_registry *r, const char *provider, const char *model, struct health **ret,
		struct err *err) MUST_CHECK;
/* Any thread. */
void health_put(struct health *h);
/* NULL: not known. */
struct health *health_find(const struct health_registry *r, const char *id);
int health_budget_take(struct health_registry *r, const char *model, const struct retry_rules *rules,
		       struct health_budget **ret, struct err *err) MUST_CHECK;
void health_budget_put(struct health_budget *b); /* any thread */
/* All budgets start anew: their rule has changed. */
void health_budgets_reset(struct health_registry *r, const struct retry_rules *rules);

/* Any thread. */
void health_event_add(struct health_registry *r, const struct health *h, enum health_event_kind kind, int64_t now_ms,
		      const char *detail);
/* The oldest event, taken out; false: none. */
bool health_event_next(struct health_registry *r, struct health_event *ret);
/* What didn't fit since the last question. */
uint64_t health_events_lost(struct health_registry *r);

/* A sample of the time to the first byte. */
void health_latency(struct health *h, uint64_t ns);

#endif
