/* Schema of `limits`: the gateway, each tenant, each key, routes. */
#include "conf/policy_rate.h"

/* ---- limits of the gateway, of each tenant, of each key */

#define CHECK_REQUESTS(fn, member)                                                                                     \
	static void fn(struct reader *rd, void *base, const struct node *n, uint64_t given)                            \
	{                                                                                                              \
		struct policy *p = base;                                                                               \
                                                                                                                       \
		policy_finish_rate(rd, n, "requests", &p->member, NULL, given);                                        \
	}
CHECK_REQUESTS(check_global, global.requests)
CHECK_REQUESTS(check_tenant, tenant.requests)
CHECK_REQUESTS(check_key, key.requests)

static void check_key_tokens(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	struct policy *p = base;

	policy_finish_rate(rd, n, "tokens", &p->key.tokens, NULL, given);
}

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

const struct schema_choice policy_route_names[] = {
#define X(sym, name) {name, TG_ROUTE_##sym},
	TG_ROUTES(X)
#undef X
		{0}};

const struct schema_choice policy_route_scopes[] = {
	{"gateway", TG_ROUTE_SCOPE_GATEWAY}, {"tenant", TG_ROUTE_SCOPE_TENANT}, {"key", TG_ROUTE_SCOPE_KEY}, {0}};

static void check_route(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	struct policy_route *r = base;

	r->requests.set = true;
	if (given & GIVEN_UNITS)
		policy_finish_rate(rd, n, "requests", &r->requests, NULL, given);
	else
		reader_error(rd, n, "requests", "is missing: how many per period, or \"unlimited\"");
}

static const struct schema_field route_fields[] = {
	RATE_FIELDS("requests", SCHEMA_COUNT, offsetof(struct policy_route, requests), NULL, "60s", NULL, NULL, NULL,
		    BURST_FOLLOWS, "false"),
	{.name = "scope",
	 .type = SCHEMA_CHOICE,
	 .offset = offsetof(struct policy_route, scope),
	 .choices = policy_route_scopes,
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
	 .choices = policy_route_names,
	 .def_text = "chat.completions: {requests: 500, period: 60s, scope: tenant}",
	 .help = "By API method. Given, it replaces the default: `routes: {}` has no route limit."},
};
const struct schema policy_limits_schema = {SCHEMA(limits_fields), .check = check_limits};
