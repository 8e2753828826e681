#include "gateway/faults.h"

#include <string.h>

#define SECOND_NS 1000000000ull

static struct bulkhead_rule bulkhead_of(const struct policy_bulkhead *p)
{
	return (struct bulkhead_rule){.concurrent = p->concurrent, .queue = p->queue, .wait_ns = p->wait_ns};
}

void faults_default(struct faults *f)
{
	*f = (struct faults){
		.breaker = BREAKER_RULES_DEFAULT,
		.cooldown_ns = 5 * SECOND_NS,
		.quota_cooldown_ns = 60 * SECOND_NS,
		.cooldown_max_ns = 300 * SECOND_NS,
		.deployment = BULKHEAD_RULE_DEFAULT,
		.tenant = BULKHEAD_RULE_DEFAULT,
		.retry = RETRY_RULES_DEFAULT,
	};
}

void faults_done(struct faults *f)
{
	free(f->own);
	free((void *)f->own_of);
	f->own = NULL;
	f->own_of = NULL;
}

void faults_tenant(const struct faults *f, const struct policy_faults *p, const char *id, uint32_t subject)
{
	size_t lo = 0, hi = p->bulkheads.n_tenants;
	uint32_t own = 0;

	if (!f->own_of || subject >= TG_SUBJECTS_MAX)
		return;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int order = strcmp(p->bulkheads.tenants[mid].tenant, id);

		if (order == 0)
			own = (uint32_t)mid + 1;
		if (order == 0)
			break;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	atomic_store_explicit(&f->own_of[subject], own, memory_order_relaxed);
}

static int set_tenants(struct faults *f, const struct policy_faults *p, const struct directory *d)
{
	size_t n = p->bulkheads.n_tenants;

	if (!n)
		return 0;
	f->own = calloc(n, sizeof(*f->own));
	f->own_of = calloc(TG_SUBJECTS_MAX, sizeof(*f->own_of));
	if (!f->own || !f->own_of)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		f->own[i] = bulkhead_of(&p->bulkheads.tenants[i].rule);
	for (uint32_t s = 0; s < d->n_subjects; s++)
		if (d->by_subject[s] && d->by_subject[s]->kind == PRINCIPAL_TENANT)
			faults_tenant(f, p, d->by_subject[s]->id, s);
	return 0;
}

int faults_set(struct faults *f, const struct policy_faults *p, const struct directory *d, struct err *err)
{
	struct faults made = {
		.breaker = {.consecutive_failures = p->breakers.consecutive_failures,
			    .failure_rate_e4 = p->breakers.failure_rate_e4,
			    .min_requests = p->breakers.min_requests,
			    .window_ns = p->breakers.window_ns,
			    .open_ns = p->breakers.open_ns,
			    .open_max_ns = p->breakers.open_max_ns,
			    .probes = p->breakers.probes},
		.cooldown_ns = p->breakers.cooldown_ns,
		.quota_cooldown_ns = p->breakers.quota_cooldown_ns,
		.cooldown_max_ns = p->breakers.cooldown_max_ns,
		.deployment = bulkhead_of(&p->bulkheads.deployment),
		.tenant = bulkhead_of(&p->bulkheads.tenant),
		.retry = {.share_e4 = p->retries.share_e4,
			  .reserve = p->retries.reserve,
			  .attempts = p->retries.attempts},
	};

	if (set_tenants(&made, p, d) < 0) {
		faults_done(&made);
		return err_set(err, ERR_NOMEM, "no memory for tenants' bulkheads");
	}
	faults_done(f);
	*f = made;
	return 0;
}
