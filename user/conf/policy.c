/* A policy's schema apart from limits and overrides, and its reading. Invariants: policy_rate.h, policy_lists.c. */
#include "conf/policy.h"

#include "conf/policy_faults.h"
#include "conf/policy_lists.h"
#include "conf/policy_prices.h"
#include "conf/policy_rate.h"

#include <string.h>

#define POLICY_BYTES_MAX ((size_t)64 << 20)
#define POLICY_NODES_MAX 4000000

struct policy_owned {
	struct policy policy;
	struct arena arena;
};

/* ---- network */

#define NET_RATE(unit, number) RATE_FIELDS(unit, number, 0, NULL, "1s", NULL, "unlimited", NULL, "= " unit, "false")

static void finish_net_rate(struct reader *rd, void *base, const struct node *n, uint64_t given, const char *unit)
{
	struct policy_rate *r = base;

	r->set = (given & GIVEN_RATE) != 0;
	policy_finish_rate(rd, n, unit, r, NULL, given);
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
	{.name = "limits", .type = SCHEMA_MAP, .sub = &policy_limits_schema, .help = "Requests and tokens."},
	{.name = "overrides",
	 .type = SCHEMA_MAP,
	 .sub = &policy_overrides_schema,
	 .help = "For single tenants and keys."},
	{.name = "network", .type = SCHEMA_MAP, .sub = &network_schema, .help = "Below HTTP; consumed in the kernel."},
	{.name = "nic", .type = SCHEMA_MAP, .sub = &nic_schema, .help = "Answers at the NIC."},
	{.name = "breakers",
	 .type = SCHEMA_MAP,
	 .sub = &policy_breakers_schema,
	 .help = "When a deployment that fails is left alone, and for how long."},
	{.name = "bulkheads",
	 .type = SCHEMA_MAP,
	 .sub = &policy_bulkheads_schema,
	 .help = "Calls under way at a time, so that one deployment or tenant can't take all of the gateway."},
	{.name = "retries",
	 .type = SCHEMA_MAP,
	 .sub = &policy_retries_schema,
	 .help = "Further attempts of a call at other deployments."},
	{.name = "prices",
	 .type = SCHEMA_MAP,
	 .sub = &policy_prices_schema,
	 .help = "What calls cost and are sold for."},
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
	policy_sort_bulkheads(&p->faults);
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
