#include "guard/limits.h"

#include "tollgate/gcra.h"

#include <assert.h>

/* One dimension of one request. */
struct dim {
	__u64 *tat_ns;
	const struct tg_rate *rate;
	__u64 cost_ns;
	__u64 wait_ns; /* as peeked; 0 = would be admitted */
	float slack;   /* how many such requests the bucket would admit, as peeked */
	enum tg_reason reason;
	bool shadow;
};

/* Key, route, tenant, gateway, and the key's tokens. */
#define DIMS_MAX 5

struct dims {
	struct dim d[DIMS_MAX];
	unsigned n;
};

static void dims_add(struct dims *ds, const struct limits_view *v, __u32 subject, unsigned dim, __u64 units,
		     enum tg_reason reason)
{
	const struct tg_rate *rate;

	assert(subject < TG_SUBJECTS_MAX);
	rate = &v->rates[subject].rate[dim];
	if (!rate->emission_q16)
		return;
	ds->d[ds->n++] = (struct dim){
		.tat_ns = &v->buckets[subject].tat_ns[dim],
		.rate = rate,
		.cost_ns = tg_gcra_cost_ns(rate->emission_q16, units),
		.reason = reason,
		.shadow = rate->flags & TG_RATE_SHADOW,
	};
}

static void dims_add_route(struct dims *ds, const struct limits_view *v, const struct limits_request *req)
{
	unsigned dim = TG_DIM_ROUTE0 + (unsigned)req->route;

	if ((unsigned)req->route >= TG_ROUTE_COUNT)
		return;
	switch ((enum tg_route_scope)v->policy->route_scope[req->route]) {
	case TG_ROUTE_SCOPE_GATEWAY:
		dims_add(ds, v, TG_SUBJECT_GATEWAY, dim, 1, TG_REASON_ROUTE_REQUESTS);
		break;
	case TG_ROUTE_SCOPE_TENANT:
		if (req->tenant_subject)
			dims_add(ds, v, req->tenant_subject, dim, 1, TG_REASON_ROUTE_REQUESTS);
		break;
	case TG_ROUTE_SCOPE_KEY:
		if (req->key_subject)
			dims_add(ds, v, req->key_subject, dim, 1, TG_REASON_ROUTE_REQUESTS);
		break;
	case TG_ROUTE_SCOPE_NONE:
		break;
	}
}

/* The dimensions that have a limit, narrowest first. */
static void dims_collect(struct dims *ds, const struct limits_view *v, const struct limits_request *req)
{
	ds->n = 0;
	if (req->key_subject) {
		dims_add(ds, v, req->key_subject, TG_DIM_REQUESTS, 1, TG_REASON_KEY_REQUESTS);
		if (req->tokens)
			dims_add(ds, v, req->key_subject, TG_DIM_TOKENS, req->tokens, TG_REASON_KEY_TOKENS);
	}
	dims_add_route(ds, v, req);
	if (req->tenant_subject)
		dims_add(ds, v, req->tenant_subject, TG_DIM_REQUESTS, 1, TG_REASON_TENANT_REQUESTS);
	dims_add(ds, v, TG_SUBJECT_GATEWAY, TG_DIM_REQUESTS, 1, TG_REASON_GLOBAL_REQUESTS);
}

static void dims_peek(struct dims *ds, __u64 now_ns)
{
	for (struct dim *d = ds->d; d < ds->d + ds->n; d++) {
		__u64 tat = TG_READ_ONCE(*d->tat_ns);
		__u64 used = tat > now_ns ? tat - now_ns : 0;
		__u64 left = used < d->rate->burst_ns ? d->rate->burst_ns - used : 0;

		d->wait_ns = tg_gcra_wait_ns(tat, now_ns, d->cost_ns, d->rate->burst_ns);
		d->slack = (float)left / (float)d->cost_ns;
	}
}

/* The dimension nearest to refusing comes first: then concurrent requests that the tightest bucket turns away have
 * touched no other one, and none of those looks fuller than it is meanwhile. Shadow ones come last. */
static void dims_sort(struct dims *ds)
{
	for (unsigned i = 1; i < ds->n; i++) {
		struct dim x = ds->d[i];
		unsigned j = i;

		while (j && (ds->d[j - 1].shadow != x.shadow ? ds->d[j - 1].shadow : ds->d[j - 1].slack > x.slack)) {
			ds->d[j] = ds->d[j - 1];
			j--;
		}
		ds->d[j] = x;
	}
}

static bool never_fits(const struct dim *d)
{
	return d->cost_ns > d->rate->burst_ns;
}

static enum tg_reason reason_of(const struct dim *d)
{
	return never_fits(d) ? TG_REASON_TOO_LARGE : d->reason;
}

/* The dimension that makes the request wait longest, for ever if it can't fit; NULL when none does. */
static const struct dim *dims_refusing(const struct dims *ds, bool shadow)
{
	const struct dim *worst = NULL;

	for (const struct dim *d = ds->d; d < ds->d + ds->n; d++) {
		if (d->shadow != shadow || !d->wait_ns)
			continue;
		if (!worst || (never_fits(d) && !never_fits(worst)) ||
		    (never_fits(d) == never_fits(worst) && d->wait_ns > worst->wait_ns))
			worst = d;
	}
	return worst;
}

/* L1: all real dimensions or none. Returns the one that refused after all (another thread was faster), or NULL. */
static struct dim *dims_take(struct dims *ds, __u64 now_ns)
{
	for (unsigned i = 0; i < ds->n && !ds->d[i].shadow; i++) {
		struct dim *d = &ds->d[i];

		if (tg_gcra_take(d->tat_ns, now_ns, d->cost_ns, d->rate->burst_ns) == TG_GCRA_ADMIT)
			continue;
		while (i--)
			tg_gcra_give(ds->d[i].tat_ns, ds->d[i].cost_ns);
		d->wait_ns = tg_gcra_wait_ns(TG_READ_ONCE(*d->tat_ns), now_ns, d->cost_ns, d->rate->burst_ns);
		if (!d->wait_ns) /* contended, or given back since */
			d->wait_ns = 1;
		return d;
	}
	return NULL;
}

/* L3: what fits is consumed, what doesn't is only noted (wait_ns). */
static void dims_take_shadow(struct dims *ds, __u64 now_ns)
{
	for (struct dim *d = ds->d; d < ds->d + ds->n; d++) {
		if (!d->shadow)
			continue;
		if (tg_gcra_take(d->tat_ns, now_ns, d->cost_ns, d->rate->burst_ns) == TG_GCRA_ADMIT)
			d->wait_ns = 0;
		else if (!d->wait_ns)
			d->wait_ns = 1;
	}
}

static const struct dim *dims_tokens(const struct dims *ds)
{
	for (const struct dim *d = ds->d; d < ds->d + ds->n; d++)
		if (d->reason == TG_REASON_KEY_TOKENS)
			return d;
	return NULL;
}

/* What headers show. Of the request dimensions: the one that refused, else the one with the least left. Limits that
 * refuse nobody (shadow) are not shown. */
static void dims_state(const struct dims *ds, const struct dim *refusing, __u64 now_ns, struct limits_result *r)
{
	bool named = refusing && refusing->reason != TG_REASON_KEY_TOKENS;

	for (const struct dim *d = ds->d; d < ds->d + ds->n; d++) {
		bool tokens = d->reason == TG_REASON_KEY_TOKENS;
		struct limits_state st;

		if (d->shadow || (named && !tokens && d != refusing))
			continue;
		limits_peek(d->rate, TG_READ_ONCE(*d->tat_ns), now_ns, &st);
		if (tokens)
			r->tokens = st;
		else if (!r->requests.limit || st.remaining < r->requests.remaining)
			r->requests = st;
	}
}

/* Under the policy's own shadow everything is judged as if it were real, and then let through. */
static void refuse(const struct dim *d, bool policy_shadow, struct limits_result *r)
{
	r->admitted = policy_shadow;
	r->shadowed = policy_shadow;
	*(policy_shadow ? &r->shadow_reason : &r->reason) = reason_of(d);
	if (!policy_shadow && !never_fits(d))
		r->retry_after_ns = d->wait_ns;
}

void limits_admit(const struct limits_view *v, const struct limits_request *req, __u64 now_ns,
		  struct limits_result *ret)
{
	bool policy_shadow = v->policy->flags & TG_POLICY_SHADOW;
	const struct dim *refusing, *shadow, *tokens;
	struct dims ds;

	*ret = (struct limits_result){.reason = TG_REASON_NONE, .shadow_reason = TG_REASON_NONE};
	dims_collect(&ds, v, req);
	dims_peek(&ds, now_ns);
	refusing = dims_refusing(&ds, false);
	if (!refusing) {
		dims_sort(&ds);
		refusing = dims_take(&ds, now_ns);
	}
	tokens = dims_tokens(&ds);
	ret->tokens_charged = tokens ? LIMITS_UNCHARGED : 0;
	if (refusing) {
		refuse(refusing, policy_shadow, ret);
	} else {
		ret->admitted = true;
		dims_take_shadow(&ds, now_ns);
		shadow = dims_refusing(&ds, true);
		ret->shadowed = shadow;
		if (shadow)
			ret->shadow_reason = reason_of(shadow);
		if (tokens && (!tokens->shadow || !tokens->wait_ns))
			ret->tokens_charged = req->tokens;
	}
	if (!policy_shadow)
		dims_state(&ds, refusing, now_ns, ret);
}

void limits_settle_tokens(const struct limits_view *v, __u32 key_subject, __u64 charged, __u64 actual, __u64 now_ns)
{
	const struct tg_rate *rate;
	__u64 *tat_ns, charged_ns, actual_ns;

	assert(key_subject < TG_SUBJECTS_MAX);
	rate = &v->rates[key_subject].rate[TG_DIM_TOKENS];
	tat_ns = &v->buckets[key_subject].tat_ns[TG_DIM_TOKENS];
	if (charged == LIMITS_UNCHARGED || !rate->emission_q16)
		return;
	/* The difference of the costs, not the cost of the difference: rounding up twice would give back too much. */
	charged_ns = tg_gcra_cost_ns(rate->emission_q16, charged);
	actual_ns = tg_gcra_cost_ns(rate->emission_q16, actual);
	if (actual_ns > charged_ns)
		tg_gcra_charge(tat_ns, now_ns, actual_ns - charged_ns);
	else if (actual_ns < charged_ns)
		tg_gcra_give(tat_ns, charged_ns - actual_ns);
}

void limits_peek(const struct tg_rate *rate, __u64 tat_ns, __u64 now_ns, struct limits_state *ret)
{
	__u64 used = tat_ns > now_ns ? tat_ns - now_ns : 0;
	__u64 left = used < rate->burst_ns ? rate->burst_ns - used : 0;

	*ret = (struct limits_state){0};
	if (!rate->emission_q16)
		return;
	/* left < 2^48, so the shift keeps every bit. */
	*ret = (struct limits_state){
		.limit = rate->limit, .remaining = (left << 16) / rate->emission_q16, .reset_ns = used};
}
