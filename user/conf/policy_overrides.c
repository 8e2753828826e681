/* Schema of `overrides`: what single tenants and keys have instead of `limits`. */
#include "conf/policy_rate.h"

#include "model/tenant.h"

#include <string.h>

#define OVERRIDES_MAX (TG_SUBJECTS_MAX - 1)

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
		const struct policy_route *route = &p->routes[policy_route_names[i].value];

		if (strlen(policy_route_names[i].name) != s->len ||
		    memcmp(policy_route_names[i].name, s->name, s->len) != 0)
			continue;
		if (route->scope == TG_ROUTE_SCOPE_NONE)
			reader_error(rd, n, NULL, "limits.routes has no %s; give it there, so that its scope is known",
				     policy_route_names[i].name);
		else if (route->scope != scope)
			reader_error(rd, n, NULL, "limits.routes.%s has scope %s, so this would have no effect",
				     policy_route_names[i].name, policy_route_scopes[route->scope - 1].name);
		else
			policy_finish_rate(rd, n, "requests", r, &route->requests, given);
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

	policy_finish_rate(rd, n, "tokens", &o->limits.tokens, &p->key.tokens, given);
}

static const struct schema_field tokens_override_fields[] = {
	OVERRIDE_RATE("tokens", offsetof(struct policy_override, limits.tokens))};
static const struct schema tokens_override_schema = {SCHEMA(tokens_override_fields), .check = check_tokens_override};

static void check_override(struct reader *rd, const struct node *n, struct policy_override *o,
			   const struct policy_rate *parent, uint64_t given)
{
	if (!given && n && !n->n)
		reader_error(rd, n, NULL, "sets nothing; give a limit or leave it out");
	policy_finish_rate(rd, n, "requests", &o->limits.requests, parent, given);
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
	 .choices = policy_route_names,
	 .help = "Of routes with scope tenant."},
};

static const struct schema_field key_override_fields[] = {
	OVERRIDE_RATE("requests", OF_OVERRIDE(limits.requests)),
	{.name = "tokens", .type = SCHEMA_MAP, .sub = &tokens_override_schema, .help = "The key's token limit."},
	{.name = "routes",
	 .type = SCHEMA_TABLE,
	 .offset = OF_OVERRIDE(limits.routes),
	 .sub = &key_route_schema,
	 .choices = policy_route_names,
	 .help = "Of routes with scope key."},
};

const char *policy_broken_tenant(const char *s, size_t len)
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
	.name_text = "TENANT",          .name_rule = policy_broken_tenant,      .init = init_tenant_override,
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
const struct schema policy_overrides_schema = {SCHEMA(overrides_fields)};
