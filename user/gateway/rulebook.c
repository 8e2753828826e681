#include "gateway/rulebook.h"

#include "guard/rates.h"

#include <string.h>

static int by_subject_id(const void *a, const void *b)
{
	const struct policy_override *const *oa = a, *const *ob = b;

	return strcmp((*oa)->subject, (*ob)->subject);
}

static int sort_overrides(const struct policy_override *o, size_t n, const struct policy_override ***ret,
			  struct err *err)
{
	const struct policy_override **sorted = calloc(n + 1, sizeof(*sorted));

	if (!sorted)
		return err_set(err, ERR_NOMEM, "no memory for %zu overrides", n);
	for (size_t i = 0; i < n; i++)
		sorted[i] = &o[i];
	qsort(sorted, n, sizeof(*sorted), by_subject_id);
	*ret = sorted;
	return 0;
}

int rulebook_init(struct rulebook *b, const struct policy *policy, const struct directory *d, struct err *err)
{
	*b = (struct rulebook){.policy = policy, .directory = d};
	if (sort_overrides(policy->tenants, policy->n_tenants, &b->tenants, err) < 0 ||
	    sort_overrides(policy->keys, policy->n_keys, &b->keys, err) < 0) {
		rulebook_done(b);
		return ERR_NOMEM;
	}
	return 0;
}

void rulebook_done(struct rulebook *b)
{
	free(b->tenants);
	free(b->keys);
	b->tenants = b->keys = NULL;
}

static const struct policy_limits *override_of(const struct policy_override **sorted, size_t n, const char *id)
{
	const struct policy_override want = {.subject = (char *)(uintptr_t)id}, *w = &want;
	const struct policy_override **hit = n ? bsearch(&w, sorted, n, sizeof(*sorted), by_subject_id) : NULL;

	return hit ? &(*hit)->limits : NULL;
}

static struct tg_rate compile(const struct policy_rate *own, const struct policy_rate *common)
{
	const struct policy_rate *r = own && own->set ? own : common;

	return rates_compile(r->units, r->period_ns, r->burst, r->shadow);
}

/* Limits of one slot: its own where it has some, else those of its kind; route limits where this scope owns them. */
static void fill(const struct rulebook *b, const struct policy_limits *common, const struct policy_limits *own,
		 enum tg_route_scope scope, struct tg_rate_block *ret)
{
	ret->rate[TG_DIM_REQUESTS] = compile(own ? &own->requests : NULL, &common->requests);
	ret->rate[TG_DIM_TOKENS] = compile(own ? &own->tokens : NULL, &common->tokens);
	for (unsigned r = 0; r < TG_ROUTE_COUNT; r++)
		if (b->policy->routes[r].scope == scope)
			ret->rate[TG_DIM_ROUTE0 + r] =
				compile(own ? &own->routes[r] : NULL, &b->policy->routes[r].requests);
}

void rulebook_rates(const struct rulebook *b, uint32_t subject, struct tg_rate_block *ret)
{
	const struct policy *p = b->policy;
	const struct principal *who;

	memset(ret, 0, sizeof(*ret));
	if (subject == TG_SUBJECT_GATEWAY) {
		fill(b, &p->global, NULL, TG_ROUTE_SCOPE_GATEWAY, ret);
		return;
	}
	who = directory_at(b->directory, subject);
	if (!who)
		return;
	if (who->kind == PRINCIPAL_TENANT)
		fill(b, &p->tenant, override_of(b->tenants, p->n_tenants, who->id), TG_ROUTE_SCOPE_TENANT, ret);
	else
		fill(b, &p->key, override_of(b->keys, p->n_keys, who->id), TG_ROUTE_SCOPE_KEY, ret);
}

void rulebook_policy_words(const struct policy *p, struct tg_policy *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->flags = (p->shadow ? TG_POLICY_SHADOW : 0u) |
		     (p->network.map_full_closed ? TG_POLICY_MAP_FULL_CLOSED : 0u) |
		     (p->network.scope_all ? TG_POLICY_SCOPE_ALL : 0u) | (p->nic.answer ? TG_POLICY_ANSWER : 0u) |
		     (p->nic.answer_established ? TG_POLICY_ANSWER_OPEN : 0u);
	ret->events_per_second = p->nic.events_per_second;
	for (unsigned s = 0; s < TG_NET_SCOPE_COUNT; s++)
		for (unsigned d = 0; d < TG_NET_DIM_COUNT; d++)
			ret->net[s][d] = compile(NULL, &p->network.rate[s][d]);
	for (unsigned r = 0; r < TG_ROUTE_COUNT; r++)
		ret->route_scope[r] = (__u8)p->routes[r].scope;
}
