/* A policy's schema, and its reading.
 *
 * Invariants (tests cite them):
 *  P1  What a policy leaves out has the default of the table; an override inherits what it leaves out from the
 *      limit it overrides.
 *  P2  Every rate fits GCRA's range: burst * period / units <= TG_GCRA_MAX_NS, period >= 1 ms, units < 2^32.
 *  P3  Nothing that could never have an effect is accepted.
 */
#include "conf/policy.h"

#include "base/num.h"
#include "conf/policy_lists.h"
#include "conf/schema.h"
#include "model/tenant.h"
#include "tollgate/gcra.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define POLICY_BYTES_MAX ((size_t)64 << 20)
#define POLICY_NODES_MAX 4000000
#define OVERRIDES_MAX (TG_SUBJECTS_MAX - 1)
#define NS_PER_MS 1000000u
#define PERIOD_MAX (39u * 3600000000000u) /* within TG_GCRA_MAX_NS, and a round number */

struct policy_owned {
	struct policy policy;
	struct arena arena;
};

#define SCHEMA(table) .fields = table, .n_fields = ARRAY_SIZE(table)

/* ---- rates. Every section with a rate has these four fields first, in this order. */

#define GIVEN_UNITS 1u
#define GIVEN_PERIOD 2u
#define GIVEN_BURST 4u
#define GIVEN_SHADOW 8u
#define GIVEN_RATE 15u

static const struct schema_choice unlimited[] = {{"unlimited", 0}, {0}};

#define RATE_FIELDS(unit, number, at, d_units, d_period, d_burst, t_units, t_period, t_burst, t_shadow)                \
	{.name = unit,                                                                                                 \
	 .type = number,                                                                                               \
	 .offset = (at) + offsetof(struct policy_rate, units),                                                         \
	 .min = 1,                                                                                                     \
	 .max = UINT32_MAX,                                                                                            \
	 .choices = unlimited,                                                                                         \
	 .def = d_units,                                                                                               \
	 .def_text = t_units,                                                                                          \
	 .help = "How many per `period`, or \"unlimited\"."},                                                          \
		{.name = "period",                                                                                     \
		 .type = SCHEMA_DURATION_NS,                                                                           \
		 .offset = (at) + offsetof(struct policy_rate, period_ns),                                             \
		 .min = NS_PER_MS,                                                                                     \
		 .max = PERIOD_MAX,                                                                                    \
		 .def = d_period,                                                                                      \
		 .def_text = t_period,                                                                                 \
		 .help = "Over what time."},                                                                           \
		{.name = "burst",                                                                                      \
		 .type = number,                                                                                       \
		 .offset = (at) + offsetof(struct policy_rate, burst),                                                 \
		 .min = 1,                                                                                             \
		 .max = UINT32_MAX,                                                                                    \
		 .def = d_burst,                                                                                       \
		 .def_text = t_burst,                                                                                  \
		 .help = "How many at once after a pause. burst x period / " unit " may be at most 39h."},             \
	{                                                                                                              \
		.name = "shadow", .type = SCHEMA_BOOL, .offset = (at) + offsetof(struct policy_rate, shadow),          \
		.def_text = t_shadow, .help = "Count what would be refused, refuse nothing."                           \
	}

#define BASE_RATE(unit, at, d_units, d_burst, t_burst)                                                                 \
	RATE_FIELDS(unit, SCHEMA_COUNT, at, d_units, "60s", d_burst, NULL, NULL, t_burst, "false")
#define OVERRIDE_RATE(unit, at)                                                                                        \
	RATE_FIELDS(unit, SCHEMA_COUNT, at, NULL, NULL, NULL, "inherited", "inherited",                                \
		    "inherited; see Overrides above", "inherited")
#define OF_LIMITS(member) offsetof(struct policy_limits, member)

/* Where to point at: the line of a field, else the section's. */
static const struct node *field_or(const struct node *map, const char *field)
{
	const struct node *n = node_get(map, field);

	return n ? n : map;
}

/* P2 */
static void check_range(struct reader *rd, const struct node *n, const char *unit, const struct policy_rate *r)
{
	unsigned __int128 span, most;
	char text[32];

	if (!r->units || !r->period_ns || !r->burst)
		return;
	span = (unsigned __int128)r->burst * r->period_ns;
	if (span <= (unsigned __int128)TG_GCRA_MAX_NS * r->units)
		return;
	num_format_duration(r->period_ns, text);
	most = (unsigned __int128)TG_GCRA_MAX_NS * r->units / r->period_ns;
	if (most)
		reader_error(rd, field_or(n, "burst"), n && node_get(n, "burst") ? "burst" : NULL,
			     "burst %" PRIu64 " at %" PRIu64
			     " %s per %s would take over 39h to refill; burst may be at most %" PRIu64,
			     r->burst, r->units, unit, text, (uint64_t)most);
	else
		reader_error(rd, field_or(n, "period"), NULL,
			     "%" PRIu64 " %s per %s is less than one per 39h; raise %s or shorten period", r->units,
			     unit, text, unit);
}

/* Burst of an override that sets units but no burst: it follows the units where the limit it inherits from does,
 * else it stays, but not above the override's own units (who lowers a limit doesn't want to keep its old burst). */
static uint64_t inherited_burst(const struct policy_rate *parent, uint64_t units)
{
	if (!parent || parent->burst == parent->units || parent->burst > units)
		return units;
	return parent->burst;
}

/* The file says "unlimited", as opposed to a number with an error. */
static bool is_unlimited(const struct node *n, const char *unit)
{
	const struct node *v = node_get(n, unit);

	return v && v->type == NODE_SCALAR && !strcmp(v->text, unlimited[0].name);
}

/* After a rate's four fields were read. `parent` is what an override inherits from, NULL elsewhere. */
static void finish_rate(struct reader *rd, const struct node *n, const char *unit, struct policy_rate *r,
			const struct policy_rate *parent, uint64_t given)
{
	given &= GIVEN_RATE;
	if (parent)
		r->set = given != 0;
	if (!r->units) {
		if (given & ~(uint64_t)GIVEN_UNITS && (!(given & GIVEN_UNITS) || is_unlimited(n, unit)))
			reader_error(rd, n, NULL,
				     "period, burst or shadow have no effect without a number of %s; give %s", unit,
				     unit);
		r->burst = 0;
		return;
	}
	if (given & GIVEN_UNITS && !(given & GIVEN_BURST))
		r->burst = inherited_burst(parent, r->units);
	if (!r->burst)
		r->burst = r->units;
	check_range(rd, n, unit, r);
}

/* ---- limits of the gateway, of each tenant, of each key */

#define CHECK_REQUESTS(fn, member)                                                                                     \
	static void fn(struct reader *rd, void *base, const struct node *n, uint64_t given)                            \
	{                                                                                                              \
		struct policy *p = base;                                                                               \
                                                                                                                       \
		finish_rate(rd, n, "requests", &p->member, NULL, given);                                               \
	}
CHECK_REQUESTS(check_global, global.requests)
CHECK_REQUESTS(check_tenant, tenant.requests)
CHECK_REQUESTS(check_key, key.requests)

static void check_key_tokens(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	struct policy *p = base;

	finish_rate(rd, n, "tokens", &p->key.tokens, NULL, given);
}

#define OF_POLICY(member) offsetof(struct policy, member)
#define BURST_FOLLOWS "= requests"

static const struct schema_field global_fields[] = {
	BASE_RATE("requests", OF_POLICY(global.requests), "100000", NULL, BURST_FOLLOWS)};
static const struct schema global_schema = {SCHEMA(global_fields), .check = check_global};

static const struct schema_field tenant_fields[] = {
	BASE_RATE("requests", OF_POLICY(tenant.requests), "10000", "1500", "1500; = requests when these are given")};
static const struct schema tenant_schema = {SCHEMA(tenant_fields), .check = check_tenant};

static const struct schema_field key_tokens_fields[] = {
	BASE_RATE("tokens", OF_POLICY(key.tokens), "100000", NULL, "= tokens")};
static const struct schema key_tokens_schema = {SCHEMA(key_tokens_fields), .check = check_key_tokens};

static const struct schema_field key_fields[] = {
	BASE_RATE("requests", OF_POLICY(key.requests), "1000", NULL, BURST_FOLLOWS),
	{.name = "tokens",
	 .type = SCHEMA_MAP,
	 .sub = &key_tokens_schema,
	 .help = "Prompt estimate and output cap at admission, corrected by the usage."},
};
static const struct schema key_schema = {SCHEMA(key_fields), .check = check_key};

/* ---- routes */

static const struct schema_choice route_names[] = {
#define X(sym, name) {name, TG_ROUTE_##sym},
	TG_ROUTES(X)
#undef X
		{0}};

static const struct schema_choice route_scopes[] = {
	{"gateway", TG_ROUTE_SCOPE_GATEWAY}, {"tenant", TG_ROUTE_SCOPE_TENANT}, {"key", TG_ROUTE_SCOPE_KEY}, {0}};

static void check_route(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	struct policy_route *r = base;

	r->requests.set = true;
	if (given & GIVEN_UNITS)
		finish_rate(rd, n, "requests", &r->requests, NULL, given);
	else
		reader_error(rd, n, "requests", "is missing: how many per period, or \"unlimited\"");
}

static const struct schema_field route_fields[] = {
	RATE_FIELDS("requests", SCHEMA_COUNT, offsetof(struct policy_route, requests), NULL, "60s", NULL, NULL, NULL,
		    BURST_FOLLOWS, "false"),
	{.name = "scope",
	 .type = SCHEMA_CHOICE,
	 .offset = offsetof(struct policy_route, scope),
	 .choices = route_scopes,
	 .def = "tenant",
	 .help = "Who has a bucket of its own for this route."},
};
static const struct schema route_schema = {SCHEMA(route_fields), .size = sizeof(struct policy_route),
					   .check = check_route, .name_text = "ROUTE"};

static void default_routes(struct policy *p)
{
	p->routes[TG_ROUTE_CHAT_COMPLETIONS] =
		(struct policy_route){.requests = {.units = 500, .period_ns = 60000000000u, .burst = 500, .set = true},
				      .scope = TG_ROUTE_SCOPE_TENANT};
}

static void check_limits(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	struct policy *p = base;

	(void)rd;
	(void)n;
	p->global.requests.set = p->tenant.requests.set = p->key.requests.set = p->key.tokens.set = true;
	if (!(given & 8))
		default_routes(p);
}

static const struct schema_field limits_fields[] = {
	{.name = "global", .type = SCHEMA_MAP, .sub = &global_schema, .help = "The whole gateway."},
	{.name = "tenant", .type = SCHEMA_MAP, .sub = &tenant_schema, .help = "Each tenant."},
	{.name = "key", .type = SCHEMA_MAP, .sub = &key_schema, .help = "Each API key."},
	{.name = "routes",
	 .type = SCHEMA_TABLE,
	 .offset = OF_POLICY(routes),
	 .sub = &route_schema,
	 .choices = route_names,
	 .def_text = "chat.completions: {requests: 500, period: 60s, scope: tenant}",
	 .help = "By API method. Given, it replaces the default: `routes: {}` has no route limit."},
};
static const struct schema limits_schema = {SCHEMA(limits_fields), .check = check_limits};

/* ---- overrides */

static void init_tenant_override(struct reader *rd, void *base, const struct node *n, unsigned which)
{
	const struct policy *p = rd->root;
	struct policy_override *o = base;

	(void)n;
	(void)which;
	o->limits.requests = p->tenant.requests;
	o->limits.requests.set = false;
	for (size_t i = 0; i < TG_ROUTE_COUNT; i++) {
		o->limits.routes[i] = p->routes[i].requests;
		o->limits.routes[i].set = false;
	}
}

static void init_key_override(struct reader *rd, void *base, const struct node *n, unsigned which)
{
	const struct policy *p = rd->root;
	struct policy_override *o = base;

	init_tenant_override(rd, base, n, which);
	o->limits.requests = p->key.requests;
	o->limits.tokens = p->key.tokens;
	o->limits.requests.set = o->limits.tokens.set = false;
}

/* P3: a route is limited per tenant or per key or for all; only that one's overrides can have an effect. */
static void check_override_route(struct reader *rd, void *base, const struct node *n, uint64_t given,
				 enum tg_route_scope scope)
{
	const struct policy *p = rd->root;
	const struct segment *s = &rd->path[rd->depth - 1];
	struct policy_rate *r = base;

	for (unsigned i = 0; i < TG_ROUTE_COUNT; i++) {
		const struct policy_route *route = &p->routes[route_names[i].value];

		if (strlen(route_names[i].name) != s->len || memcmp(route_names[i].name, s->name, s->len) != 0)
			continue;
		if (route->scope == TG_ROUTE_SCOPE_NONE)
			reader_error(rd, n, NULL, "limits.routes has no %s; give it there, so that its scope is known",
				     route_names[i].name);
		else if (route->scope != scope)
			reader_error(rd, n, NULL, "limits.routes.%s has scope %s, so this would have no effect",
				     route_names[i].name, route_scopes[route->scope - 1].name);
		else
			finish_rate(rd, n, "requests", r, &route->requests, given);
	}
}

static void check_tenant_route(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	check_override_route(rd, base, n, given, TG_ROUTE_SCOPE_TENANT);
}

static void check_key_route(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	check_override_route(rd, base, n, given, TG_ROUTE_SCOPE_KEY);
}

static const struct schema_field override_route_fields[] = {OVERRIDE_RATE("requests", 0)};
static const struct schema tenant_route_schema = {SCHEMA(override_route_fields), .size = sizeof(struct policy_rate),
						  .check = check_tenant_route, .name_text = "ROUTE"};
static const struct schema key_route_schema = {SCHEMA(override_route_fields), .size = sizeof(struct policy_rate),
					       .check = check_key_route, .name_text = "ROUTE"};

static void check_tokens_override(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	const struct policy *p = rd->root;
	struct policy_override *o = base;

	finish_rate(rd, n, "tokens", &o->limits.tokens, &p->key.tokens, given);
}

static const struct schema_field tokens_override_fields[] = {
	OVERRIDE_RATE("tokens", offsetof(struct policy_override, limits.tokens))};
static const struct schema tokens_override_schema = {SCHEMA(tokens_override_fields), .check = check_tokens_override};

static void check_override(struct reader *rd, const struct node *n, struct policy_override *o,
			   const struct policy_rate *parent, uint64_t given)
{
	if (!given && n && !n->n)
		reader_error(rd, n, NULL, "sets nothing; give a limit or leave it out");
	finish_rate(rd, n, "requests", &o->limits.requests, parent, given);
}

static void check_tenant_override(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	const struct policy *p = rd->root;

	check_override(rd, n, base, &p->tenant.requests, given);
}

static void check_key_override(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	const struct policy *p = rd->root;

	check_override(rd, n, base, &p->key.requests, given);
}

#define OF_OVERRIDE(member) offsetof(struct policy_override, member)

static const struct schema_field tenant_override_fields[] = {
	OVERRIDE_RATE("requests", OF_OVERRIDE(limits.requests)),
	{.name = "routes",
	 .type = SCHEMA_TABLE,
	 .offset = OF_OVERRIDE(limits.routes),
	 .sub = &tenant_route_schema,
	 .choices = route_names,
	 .help = "Of routes with scope tenant."},
};

static const struct schema_field key_override_fields[] = {
	OVERRIDE_RATE("requests", OF_OVERRIDE(limits.requests)),
	{.name = "tokens", .type = SCHEMA_MAP, .sub = &tokens_override_schema, .help = "The key's token limit."},
	{.name = "routes",
	 .type = SCHEMA_TABLE,
	 .offset = OF_OVERRIDE(limits.routes),
	 .sub = &key_route_schema,
	 .choices = route_names,
	 .help = "Of routes with scope key."},
};

static const char *broken_tenant_id(const char *s, size_t len)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

	if (!len || len >= TENANT_ID_MAX || strspn(s, alphabet) != len || *s == '_' || *s == '-')
		return "is no tenant id; a-z, 0-9, \"_\" and \"-\", at most 63 characters";
	return NULL;
}

static const char *broken_key_id(const char *s, size_t len)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	if (!strncmp(s, "tg_live_", 8))
		return "is an API key's text, not its id: take it out of this file; `tollctl key list` shows ids";
	if (len < 5 || len >= KEY_ID_MAX || strncmp(s, "key_", 4) != 0 || strspn(s + 4, alphabet) != len - 4)
		return "is no key id; such as key_2f5k7m3q2f5k7m3q (`tollctl key list` shows them)";
	return NULL;
}

static const struct schema tenant_override_schema = {
	SCHEMA(tenant_override_fields), .size = sizeof(struct policy_override), .name_offset = OF_OVERRIDE(subject),
	.name_text = "TENANT",          .name_rule = broken_tenant_id,          .init = init_tenant_override,
	.check = check_tenant_override};
static const struct schema key_override_schema = {
	SCHEMA(key_override_fields),         .size = sizeof(struct policy_override),
	.name_offset = OF_OVERRIDE(subject), .name_text = "KEY",
	.name_rule = broken_key_id,          .init = init_key_override,
	.check = check_key_override};

static const struct schema_field overrides_fields[] = {
	{.name = "tenants",
	 .type = SCHEMA_DICT,
	 .offset = OF_POLICY(tenants),
	 .count_offset = OF_POLICY(n_tenants),
	 .max = OVERRIDES_MAX,
	 .sub = &tenant_override_schema,
	 .help = "By tenant id."},
	{.name = "keys",
	 .type = SCHEMA_DICT,
	 .offset = OF_POLICY(keys),
	 .count_offset = OF_POLICY(n_keys),
	 .max = OVERRIDES_MAX,
	 .sub = &key_override_schema,
	 .help = "By key id."},
};
static const struct schema overrides_schema = {SCHEMA(overrides_fields)};

/* ---- network */

#define NET_RATE(unit, number) RATE_FIELDS(unit, number, 0, NULL, "1s", NULL, "unlimited", NULL, "= " unit, "false")

static void finish_net_rate(struct reader *rd, void *base, const struct node *n, uint64_t given, const char *unit)
{
	struct policy_rate *r = base;

	r->set = (given & GIVEN_RATE) != 0;
	finish_rate(rd, n, unit, r, NULL, given);
}

#define NET_SCHEMA(name, unit, number)                                                                                 \
	static void check_net_##name(struct reader *rd, void *base, const struct node *n, uint64_t given)              \
	{                                                                                                              \
		finish_net_rate(rd, base, n, given, unit);                                                             \
	}                                                                                                              \
	static const struct schema_field net_##name##_fields[] = {NET_RATE(unit, number)};                             \
	static const struct schema net_##name##_schema = {SCHEMA(net_##name##_fields), .check = check_net_##name}

NET_SCHEMA(packets, "packets", SCHEMA_COUNT);
NET_SCHEMA(bytes, "bytes", SCHEMA_SIZE64);
NET_SCHEMA(connections, "connections", SCHEMA_COUNT);

#define NET_SCOPES(dim, schema_)                                                                                       \
	{.name = "source",                                                                                             \
	 .type = SCHEMA_MAP,                                                                                           \
	 .offset = OF_POLICY(network.rate[TG_NET_SOURCE][dim]),                                                        \
	 .sub = &(schema_),                                                                                            \
	 .help = "Each source address."},                                                                              \
		{.name = "aggregate",                                                                                  \
		 .type = SCHEMA_MAP,                                                                                   \
		 .offset = OF_POLICY(network.rate[TG_NET_AGGREGATE][dim]),                                             \
		 .sub = &(schema_),                                                                                    \
		 .help = "Each source network: /24 of IPv4, /64 of IPv6."},                                            \
	{                                                                                                              \
		.name = "all", .type = SCHEMA_MAP, .offset = OF_POLICY(network.rate[TG_NET_ALL][dim]),                 \
		.sub = &(schema_), .help = "All sources together."                                                     \
	}

static const struct schema_field net_packets_scopes[] = {NET_SCOPES(TG_NET_PACKETS, net_packets_schema)};
static const struct schema_field net_bytes_scopes[] = {NET_SCOPES(TG_NET_BYTES, net_bytes_schema)};
static const struct schema_field net_connections_scopes[] = {NET_SCOPES(TG_NET_CONNS, net_connections_schema)};
static const struct schema packets_schema = {SCHEMA(net_packets_scopes)};
static const struct schema bytes_schema = {SCHEMA(net_bytes_scopes)};
static const struct schema connections_schema = {SCHEMA(net_connections_scopes)};

static const struct schema_choice net_scopes[] = {{"ports", 0}, {"all", 1}, {0}};
static const struct schema_choice map_full[] = {{"open", 0}, {"closed", 1}, {0}};

static const struct schema_field network_fields[] = {
	{.name = "scope",
	 .type = SCHEMA_FLAG,
	 .offset = OF_POLICY(network.scope_all),
	 .choices = net_scopes,
	 .def = "ports",
	 .help = "What the limits below count: packets to the listeners' ports, or all IP packets of the interface."},
	{.name = "map_full",
	 .type = SCHEMA_FLAG,
	 .offset = OF_POLICY(network.map_full_closed),
	 .choices = map_full,
	 .def = "open",
	 .help = "A source that the full state map has no room for: pass (open) or drop (closed)."},
	{.name = "packets", .type = SCHEMA_MAP, .sub = &packets_schema, .help = "Packets."},
	{.name = "bytes", .type = SCHEMA_MAP, .sub = &bytes_schema, .help = "Bytes."},
	{.name = "connections", .type = SCHEMA_MAP, .sub = &connections_schema, .help = "New TCP connections."},
};
static const struct schema network_schema = {SCHEMA(network_fields)};

/* ---- nic */

static const struct schema_field nic_fields[] = {
	{.name = "answer",
	 .type = SCHEMA_BOOL,
	 .offset = OF_POLICY(nic.answer),
	 .def = "true",
	 .help = "Refuse at the NIC with an HTTP answer; off: the daemon answers all."},
	{.name = "answer_established",
	 .type = SCHEMA_BOOL,
	 .offset = OF_POLICY(nic.answer_established),
	 .def = "true",
	 .help = "Also on established connections between two requests."},
	{.name = "events_per_second",
	 .type = SCHEMA_UINT,
	 .offset = OF_POLICY(nic.events_per_second),
	 .max = 1000000,
	 .def = "100",
	 .help = "Refusals reported as events, per CPU; 0 = none."},
};
static const struct schema nic_schema = {SCHEMA(nic_fields)};

/* ---- the whole file. Order matters: limits before overrides, which inherit from them. */

static void read_version(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	(void)f;
	(void)base;
	if (n && reader_scalar(rd, n, "1") && (!n->plain || strcmp(n->text, "1") != 0))
		reader_error(rd, n, NULL, "\"%.40s\" is no version this program knows; write version: 1", n->text);
}

static const struct schema_field root_fields[] = {
	{.name = "version",
	 .type = SCHEMA_REF,
	 .read = read_version,
	 .required = true,
	 .help = "Form of this file: 1."},
	{.name = "shadow",
	 .type = SCHEMA_BOOL,
	 .offset = OF_POLICY(shadow),
	 .def = "false",
	 .help = "All limits count what they would refuse, and refuse nothing."},
	{.name = "limits", .type = SCHEMA_MAP, .sub = &limits_schema, .help = "Requests and tokens."},
	{.name = "overrides", .type = SCHEMA_MAP, .sub = &overrides_schema, .help = "For single tenants and keys."},
	{.name = "network", .type = SCHEMA_MAP, .sub = &network_schema, .help = "Below HTTP; consumed in the kernel."},
	{.name = "nic", .type = SCHEMA_MAP, .sub = &nic_schema, .help = "Answers at the NIC."},
	{.name = "lists", .type = SCHEMA_MAP, .sub = &policy_lists_schema, .help = "Addresses and networks."},
};
const struct schema policy_schema = {SCHEMA(root_fields)};

/* ---- reading */

static int override_compare(const void *a, const void *b)
{
	return strcmp(((const struct policy_override *)a)->subject, ((const struct policy_override *)b)->subject);
}

static void sort_overrides(struct policy *p)
{
	if (p->n_tenants)
		qsort(p->tenants, p->n_tenants, sizeof(*p->tenants), override_compare);
	if (p->n_keys)
		qsort(p->keys, p->n_keys, sizeof(*p->keys), override_compare);
}

int policy_parse(const char *text, size_t len, struct policy **ret, struct conf_errors *errs)
{
	static const struct tree_bounds bounds = {POLICY_BYTES_MAX, POLICY_NODES_MAX};
	struct policy_owned *o = calloc(1, sizeof(*o));
	struct arena scratch = {0};
	struct node *root = NULL;
	size_t before = errs->count + errs->dropped;
	int rc = ERR_NOMEM;

	if (o)
		rc = tree_parse(text, len, &bounds, &scratch, &root, errs);
	if (rc == 0) {
		struct reader rd = {.errs = errs, .arena = &o->arena, .root = &o->policy};

		schema_read(&rd, &policy_schema, root, &o->policy);
		if (rd.nomem)
			rc = ERR_NOMEM;
		else if (errs->count + errs->dropped > before)
			rc = ERR_INVAL;
	}
	arena_done(&scratch);
	conf_errors_sort(errs);
	if (rc < 0) {
		policy_free(o ? &o->policy : NULL);
		return rc;
	}
	sort_overrides(&o->policy);
	*ret = &o->policy;
	return 0;
}

void policy_free(struct policy *p)
{
	struct policy_owned *o;

	if (!p)
		return;
	o = CONTAINER_OF(p, struct policy_owned, policy);
	arena_done(&o->arena);
	free(o);
}
