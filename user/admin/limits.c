/* What is left of a subject's limits, and what would happen to a request now. Looks at the same words as kernel and
 * workers, consumes nothing. */
#include "admin/internal.h"

#include "base/clock.h"
#include "guard/limits.h"
#include "guard/rates.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const char *const route_names[] = {
#define X(sym, name) name,
	TG_ROUTES(X)
#undef X
};
static const char *const reason_names[] = {
#define X(sym, name, text) name,
	TG_REASONS(X)
#undef X
};

static const char *const reason_texts[] = {
#define X(sym, name, text) text,
	TG_REASONS(X)
#undef X
};

static void dim_name(unsigned dim, char buf[40])
{
	if (dim == TG_DIM_REQUESTS)
		snprintf(buf, 40, "requests");
	else if (dim == TG_DIM_TOKENS)
		snprintf(buf, 40, "tokens");
	else
		snprintf(buf, 40, "route.%s", route_names[dim - TG_DIM_ROUTE0]);
}

static json_t *dimension_json(const char *name, const struct tg_rate *r, uint64_t tat_ns, uint64_t now_ns)
{
	struct limits_state s;
	/* Back from nanoseconds per unit: exact to the rounding that rates_compile did. */
	unsigned __int128 period = ((unsigned __int128)r->emission_q16 * r->limit) >> 16;
	unsigned __int128 burst = ((unsigned __int128)r->burst_ns << 16) / r->emission_q16;

	limits_peek(r, tat_ns, now_ns, &s);
	return json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:b}", "name", name, "limit", (json_int_t)r->limit, "period_ns",
			 (json_int_t)period, "burst", (json_int_t)burst, "remaining", (json_int_t)s.remaining,
			 "reset_ms", (json_int_t)((s.reset_ns + 999999) / 1000000), "shadow",
			 (r->flags & TG_RATE_SHADOW) != 0);
}

json_t *dimensions_json(struct admin *a, uint32_t subject)
{
	struct kernel *k = a->o.kernel;
	const struct tg_rate_block *rates = &kernel_rates(k, kernel_control(k)->generation & 1)[subject];
	const struct tg_bucket_block *buckets = &kernel_buckets(k)[subject];
	uint64_t now = clock_mono_ns();
	json_t *list = json_array();
	char name[40];

	for (unsigned d = 0; d < TG_DIM_ROUTE0 + TG_ROUTE_COUNT; d++) {
		if (!rates->rate[d].emission_q16)
			continue;
		dim_name(d, name);
		json_array_append_new(list,
				      dimension_json(name, &rates->rate[d], TG_READ_ONCE(buckets->tat_ns[d]), now));
	}
	return list;
}

static json_t *flags_json(struct admin *a, uint32_t subject)
{
	uint32_t flags = TG_READ_ONCE(kernel_subjects(a->o.kernel)[subject].flags);
	json_t *list = json_array();

	if (flags & TG_SUBJECT_DISABLED)
		json_array_append_new(list, json_string("disabled"));
	if (flags & TG_SUBJECT_BLOCKED)
		json_array_append_new(list, json_string("blocked"));
	return list;
}

static json_t *nic_counts_json(struct admin *a, uint32_t subject)
{
	struct tg_slot_stat s;
	struct err err;

	if (kernel_is_memory(a->o.kernel) || kernel_slot_stats(a->o.kernel, subject, &s, &err) < 0)
		return json_null();
	return json_pack("{s:I,s:I,s:I,s:I}", "answered", (json_int_t)s.answered, "shadowed", (json_int_t)s.shadowed,
			 "passed", (json_int_t)s.passed, "refused_bytes", (json_int_t)s.bytes);
}

static json_t *subject_json(struct admin *a, const char *kind, const char *id, uint32_t subject)
{
	return json_pack("{s:s,s:s,s:I,s:o,s:o,s:o}", "kind", kind, "id", id, "subject", (json_int_t)subject, "flags",
			 flags_json(a, subject), "dimensions", dimensions_json(a, subject), "nic",
			 nic_counts_json(a, subject));
}

void handle_limits(struct admin_call *c)
{
	char id[TENANT_ID_MAX];
	struct api_key k;
	struct tenant t;
	struct err err;

	if (query_get(c, "tenant", id, sizeof(id))) {
		if (store_tenant_get(c->a->o.store, id, &t, &err) < 0)
			reply_err(c, &err);
		else
			reply_json(c, 200, subject_json(c->a, "tenant", t.id, t.subject));
	} else if (query_get(c, "key", id, sizeof(id))) {
		if (store_key_get(c->a->o.store, id, &k, &err) < 0)
			reply_err(c, &err);
		else
			reply_json(c, 200, subject_json(c->a, "key", k.id, k.subject));
	} else {
		reply_json(c, 200, subject_json(c->a, "gateway", "", TG_SUBJECT_GATEWAY));
	}
}

/* ---- explain */

struct verdict {
	const char *layer, *verdict;
	enum tg_reason reason;
};

static json_t *verdict_json(const struct verdict *v)
{
	return json_pack("{s:s,s:s,s:s,s:s}", "layer", v->layer, "verdict", v->verdict, "reason",
			 reason_names[v->reason], "text", reason_texts[v->reason]);
}

static bool exhausted(struct admin *a, uint32_t subject, unsigned dim)
{
	struct kernel *k = a->o.kernel;
	const struct tg_rate *r = &kernel_rates(k, kernel_control(k)->generation & 1)[subject].rate[dim];
	struct limits_state s;

	if (!r->emission_q16 || (r->flags & TG_RATE_SHADOW))
		return false;
	limits_peek(r, TG_READ_ONCE(kernel_buckets(k)[subject].tat_ns[dim]), clock_mono_ns(), &s);
	return s.remaining == 0;
}

/* How long a route is out of order: every deployment behind it has its circuit open. */
static uint64_t route_open_ms(struct admin *a, enum tg_route route)
{
	uint64_t until = TG_READ_ONCE(kernel_routes(a->o.kernel)[route].open_until_ns), now = clock_mono_ns();

	return until > now ? (until - now + 999999) / 1000000 : 0;
}

static json_t *routes_json(struct admin *a)
{
	json_t *list = json_array();

	for (unsigned r = 0; r < TG_ROUTE_COUNT; r++) {
		uint64_t ms = route_open_ms(a, (enum tg_route)r);

		if (ms)
			json_array_append_new(list, json_pack("{s:s,s:I}", "route", route_names[r], "retry_ms",
							      ms > INT64_MAX ? INT64_MAX : (json_int_t)ms));
	}
	return list;
}

/* How many calls of a tenant may be under way at once. */
static json_t *bulkhead_json(struct admin *a, const char *tenant)
{
	const struct policy *p = a->o.ops.policy_current(a->o.ops.arg);
	const struct policy_bulkhead *rule;

	if (!p)
		return json_null();
	rule = &p->faults.bulkheads.tenant;
	for (size_t i = 0; i < p->faults.bulkheads.n_tenants; i++)
		if (!strcmp(p->faults.bulkheads.tenants[i].tenant, tenant))
			rule = &p->faults.bulkheads.tenants[i].rule;
	return json_pack("{s:I,s:I,s:I}", "concurrent", (json_int_t)rule->concurrent, "queue", (json_int_t)rule->queue,
			 "wait_ms", (json_int_t)(rule->wait_ns / 1000000));
}

/* A chat request of one token, as admission would see it. The kernel looks at the route's circuit before the limits
 * (bpf/request.h, Q4), the daemon after them. */
static struct verdict judge_key(struct admin *a, const struct api_key *k, const struct tenant *t, bool known)
{
	const struct tg_subject *s = kernel_subjects(a->o.kernel);
	uint32_t key = TG_READ_ONCE(s[k->subject].flags), tenant = TG_READ_ONCE(s[t->subject].flags);
	struct verdict v = {known ? "nic" : "daemon", "answer", TG_REASON_NONE};
	const unsigned route = TG_DIM_ROUTE0 + TG_ROUTE_CHAT_COMPLETIONS;
	bool open = route_open_ms(a, TG_ROUTE_CHAT_COMPLETIONS) > 0;

	if ((key | tenant) & TG_SUBJECT_BLOCKED)
		v.reason = TG_REASON_KEY_BLOCKED;
	else if (key & TG_SUBJECT_DISABLED)
		v.reason = TG_REASON_KEY_DISABLED;
	else if (tenant & TG_SUBJECT_DISABLED)
		v.reason = TG_REASON_TENANT_DISABLED;
	else if (open && known)
		v.reason = TG_REASON_CIRCUIT_OPEN;
	else if (exhausted(a, TG_SUBJECT_GATEWAY, TG_DIM_REQUESTS))
		v.reason = TG_REASON_GLOBAL_REQUESTS;
	else if (exhausted(a, t->subject, TG_DIM_REQUESTS))
		v.reason = TG_REASON_TENANT_REQUESTS;
	else if (exhausted(a, k->subject, TG_DIM_REQUESTS))
		v.reason = TG_REASON_KEY_REQUESTS;
	else if (exhausted(a, k->subject, TG_DIM_TOKENS))
		v.reason = TG_REASON_KEY_TOKENS;
	else if (exhausted(a, TG_SUBJECT_GATEWAY, route) || exhausted(a, t->subject, route) ||
		 exhausted(a, k->subject, route))
		v.reason = TG_REASON_ROUTE_REQUESTS;
	else if (open)
		v.reason = TG_REASON_CIRCUIT_OPEN;
	else
		v = (struct verdict){"daemon", "pass", TG_REASON_NONE};
	if ((v.reason == TG_REASON_NONE || (v.reason == TG_REASON_CIRCUIT_OPEN && !known)) && k->expires_ms &&
	    k->expires_ms <= clock_wall_ms())
		v = (struct verdict){"daemon", "answer", TG_REASON_UNKNOWN_KEY};
	return v;
}

static void explain_key(struct admin_call *c, const char *text)
{
	struct admin *a = c->a;
	bool is_text = !strncmp(text, "tg_live_", 8), known = false;
	char id[KEY_ID_MAX] = "";
	uint8_t hash[KEY_HASH_LEN];
	struct tg_key_entry e;
	struct verdict v;
	struct api_key k;
	struct tenant t;
	struct err err;
	json_t *o;

	if (is_text) {
		if (crypto_key_hash(a->o.pepper, text, strlen(text), hash, &err) < 0) {
			reply_err(c, &err);
			return;
		}
		if (!a->o.ops.key_find(a->o.ops.arg, hash, id)) {
			v = (struct verdict){"daemon", "answer", TG_REASON_UNKNOWN_KEY};
			o = json_pack("{s:s,s:b,s:o}", "kind", "key", "well_formed",
				      crypto_key_well_formed(text, strlen(text)), "verdict", verdict_json(&v));
			reply_json(c, 200, o);
			return;
		}
		known = kernel_key_find(a->o.kernel, kernel_key_hash(a->o.kernel, text, strlen(text)), &e) == 0;
	} else {
		snprintf(id, sizeof(id), "%.*s", KEY_ID_MAX - 1, text);
	}
	if (store_key_get(a->o.store, id, &k, &err) < 0 || store_tenant_get(a->o.store, k.tenant_id, &t, &err) < 0) {
		reply_err(c, &err);
		return;
	}
	v = judge_key(a, &k, &t, known);
	o = json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:o}", "kind", "key", "id", k.id, "tenant", t.id, "verdict",
		      verdict_json(&v), "gateway", subject_json(a, "gateway", "", TG_SUBJECT_GATEWAY), "tenant_limits",
		      subject_json(a, "tenant", t.id, t.subject), "key_limits",
		      subject_json(a, "key", k.id, k.subject));
	json_object_set_new(o, "known_to_kernel",
			    is_text && !kernel_is_memory(a->o.kernel) ? json_boolean(known) : json_null());
	json_object_set_new(o, "expires_ms", json_integer(k.expires_ms));
	json_object_set_new(o, "routes_open", routes_json(a));
	json_object_set_new(o, "deployments_unwell", breakers_unwell_json(a));
	json_object_set_new(o, "tenant_bulkhead", bulkhead_json(a, t.id));
	reply_json(c, 200, o);
}

static json_t *match_json(struct admin *a, enum kernel_list list, const struct kernel_cidr *addr)
{
	struct kernel_list_entry e;
	struct policy_list_entry p = {0};
	char text[64];

	if (kernel_is_memory(a->o.kernel) || kernel_list_match(a->o.kernel, list, addr, &e) < 0)
		return json_null();
	p.v6 = e.cidr.v6;
	p.prefix_len = e.cidr.prefix_len;
	memcpy(p.addr, e.cidr.addr, sizeof(p.addr));
	policy_format_cidr(&p, text);
	return json_pack("{s:s,s:s,s:b}", "cidr", text, "reason", a->o.ops.reason_text(a->o.ops.arg, e.reason),
			 "in_policy", e.in_policy);
}

static void net_key(const struct kernel_cidr *addr, enum tg_net_scope scope, struct tg_net_key *ret)
{
	*ret = (struct tg_net_key){.scope = scope};
	if (addr->v6) {
		memcpy(ret->addr, addr->addr, sizeof(ret->addr));
		if (scope == TG_NET_AGGREGATE)
			ret->addr[2] = ret->addr[3] = 0;
	} else {
		ret->addr[2] = htonl(0xffff);
		ret->addr[3] = scope == TG_NET_AGGREGATE ? addr->addr[0] & htonl(0xffffff00u) : addr->addr[0];
	}
}

static json_t *network_json(struct admin *a, const struct kernel_cidr *addr, struct verdict *v)
{
	static const char *const scopes[] = {"source", "aggregate"};
	static const char *const dims[TG_NET_DIM_COUNT] = {"packets", "bytes", "connections"};
	static const enum tg_reason reasons[2][TG_NET_DIM_COUNT] = {
		{TG_REASON_PACKETS_SOURCE, TG_REASON_BYTES_SOURCE, TG_REASON_CONNS_SOURCE},
		{TG_REASON_PACKETS_AGGREGATE, TG_REASON_BYTES_AGGREGATE, TG_REASON_CONNS_AGGREGATE},
	};
	const struct policy *p = a->o.ops.policy_current(a->o.ops.arg);
	json_t *list = json_array();
	uint64_t now = clock_mono_ns();

	for (unsigned s = 0; p && s < 2; s++) {
		struct tg_net_value state = {0};
		struct tg_net_key key;

		net_key(addr, (enum tg_net_scope)s, &key);
		(void)!kernel_net_state(a->o.kernel, &key, &state);
		for (unsigned d = 0; d < TG_NET_DIM_COUNT; d++) {
			const struct policy_rate *r = &p->network.rate[s][d];
			struct tg_rate rate = rates_compile(r->units, r->period_ns, r->burst, r->shadow);
			struct limits_state left;
			char name[40];

			if (!rate.emission_q16)
				continue;
			snprintf(name, sizeof(name), "%s.%s", scopes[s], dims[d]);
			json_array_append_new(list, dimension_json(name, &rate, state.tat_ns[d], now));
			limits_peek(&rate, state.tat_ns[d], now, &left);
			if (!left.remaining && v->reason == TG_REASON_NONE && !(rate.flags & TG_RATE_SHADOW))
				*v = (struct verdict){"nic", "drop", reasons[s][d]};
		}
	}
	return list;
}

static void explain_address(struct admin_call *c, const char *text)
{
	bool enforced = !kernel_is_memory(c->a->o.kernel);
	struct verdict v = {enforced ? "nic" : "daemon", "pass", TG_REASON_NONE};
	struct policy_list_entry e;
	struct kernel_cidr addr = {0};
	json_t *allow, *block, *net;
	struct err err;

	if (policy_parse_cidr(text, strlen(text), &e, &err) < 0) {
		reply_err(c, &err);
		return;
	}
	if (e.prefix_len != (e.v6 ? 128 : 32)) {
		reply_error(c, 400, "invalid", "address must be one address, not a network");
		return;
	}
	addr.v6 = e.v6;
	addr.prefix_len = e.prefix_len;
	memcpy(addr.addr, e.addr, sizeof(addr.addr));
	allow = match_json(c->a, KERNEL_LIST_ALLOW, &addr);
	block = match_json(c->a, KERNEL_LIST_BLOCK, &addr);
	if (!json_is_null(allow))
		v = (struct verdict){"nic", "pass", TG_REASON_ALLOW_LIST};
	else if (!json_is_null(block))
		v = (struct verdict){"nic", "drop", TG_REASON_BLOCK_LIST};
	net = enforced ? network_json(c->a, &addr, &v) : json_array();
	reply_json(c, 200,
		   json_pack("{s:s,s:s,s:b,s:o,s:o,s:o,s:o}", "kind", "address", "address", text, "enforced", enforced,
			     "verdict", verdict_json(&v), "allow", allow, "block", block, "network", net));
}

void handle_explain(struct admin_call *c)
{
	char text[128];

	if (query_get(c, "key", text, sizeof(text)))
		explain_key(c, text);
	else if (query_get(c, "address", text, sizeof(text)))
		explain_address(c, text);
	else
		reply_error(c, 400, "invalid", "explain what? give key= or address=");
	explicit_bzero(text, sizeof(text));
}
