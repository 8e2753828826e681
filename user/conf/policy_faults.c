/* How failures are kept apart. The rules themselves: guard/breaker.h, bulkhead.h, retry.h. Invariants:
 * policy_faults.h. */
#include "conf/policy_faults.h"

#include "conf/policy_prices.h"
#include "conf/policy_rate.h"

#include "model/tenant.h"

#include <stdlib.h>
#include <string.h>

#define TENANTS_MAX (TG_SUBJECTS_MAX - 1)
#define MS_NS 1000000ull
#define SEC_NS 1000000000ull
#define HOUR_NS (3600 * SEC_NS)

#define OF_BREAKERS(member) OF_POLICY(faults.breakers.member)
#define OF_RETRIES(member) OF_POLICY(faults.retries.member)
#define NUMBER(name_, offset_, min_, max_, def_, help_)                                                                \
	{                                                                                                              \
		.name = name_, .type = SCHEMA_UINT, .offset = offset_, .min = min_, .max = max_, .def = def_,          \
		.help = help_                                                                                          \
	}
#define SHARE(name_, offset_, max_, def_, help_)                                                                       \
	{                                                                                                              \
		.name = name_, .type = SCHEMA_E4, .offset = offset_, .max = max_, .def = def_, .help = help_           \
	}
#define TIME(name_, offset_, min_, max_, def_, help_)                                                                  \
	{                                                                                                              \
		.name = name_, .type = SCHEMA_DURATION_NS, .offset = offset_, .min = min_, .max = max_, .def = def_,   \
		.help = help_                                                                                          \
	}

/* ---- breakers */

enum {
	FIELD_FAILURE_RATE = 1,
	FIELD_MIN_REQUESTS,
	FIELD_OPEN = 4,
	FIELD_OPEN_MAX,
	FIELD_COOLDOWN = 7,
	FIELD_QUOTA_COOLDOWN,
	FIELD_COOLDOWN_MAX,
	BREAKERS_FIELDS,
};

static const struct schema_field breakers_fields[] = {
	NUMBER("consecutive_failures", OF_BREAKERS(consecutive_failures), 0, 10000, "5",
	       "So many failures running open a deployment's circuit; 0 = this rule is off."),
	/* Above all of them no rate can be. */
	SHARE("failure_rate", OF_BREAKERS(failure_rate_e4), 9999, "0.5",
	      "A greater share of failures in the window opens it too; 0 = this rule is off."),
	NUMBER("min_requests", OF_BREAKERS(min_requests), 1, 1000000, "20",
	       "Before so many requests in the window their share doesn't count."),
	TIME("window", OF_BREAKERS(window_ns), SEC_NS, HOUR_NS, "60s",
	     "Over what time the share is taken; and what opens again so soon after closing stays open twice as long."),
	TIME("open", OF_BREAKERS(open_ns), 10 * MS_NS, 24 * HOUR_NS, "30s",
	     "How long it stays open the first time, before it is probed."),
	TIME("open_max", OF_BREAKERS(open_max_ns), 10 * MS_NS, 24 * HOUR_NS, "5m", "How long at most."),
	NUMBER("probes", OF_BREAKERS(probes), 1, 1000, "3", "So many calls probe it; it closes when all succeed."),
	TIME("cooldown", OF_BREAKERS(cooldown_ns), 0, 24 * HOUR_NS, "5s",
	     "How long a deployment is left alone after a 429 that names no time; 0s = it isn't."),
	TIME("quota_cooldown", OF_BREAKERS(quota_cooldown_ns), 0, 24 * HOUR_NS, "60s",
	     "And when the account's quota is spent."),
	TIME("cooldown_max", OF_BREAKERS(cooldown_max_ns), 0, 24 * HOUR_NS, "5m",
	     "And at most, whatever time the provider names; 0s = it never is."),
};
_Static_assert(ARRAY_SIZE(breakers_fields) == BREAKERS_FIELDS, "their ordinals");

/* PF2: the time at `field` is at most the one at `most`. */
static void check_at_most(struct reader *rd, const void *base, const struct node *n, uint64_t given, unsigned field,
			  unsigned most)
{
	const struct schema_field *f = &breakers_fields[field], *m = &breakers_fields[most];
	uint64_t value, bound;
	char lo[64], hi[64];
	const char *where = given >> field & 1 ? f->name : m->name;

	memcpy(&value, (const char *)base + f->offset, sizeof(value));
	memcpy(&bound, (const char *)base + m->offset, sizeof(bound));
	if (value <= bound || policy_field_has_error(rd, n, f->name) || policy_field_has_error(rd, n, m->name))
		return;
	schema_format(f, value, lo);
	schema_format(m, bound, hi);
	reader_error(rd, node_get(n, where), where, "%s %s is above %s %s; it may be at most that", f->name, lo,
		     m->name, hi);
}

static void check_breakers(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	const struct policy *p = base;

	check_at_most(rd, base, n, given, FIELD_OPEN, FIELD_OPEN_MAX);
	check_at_most(rd, base, n, given, FIELD_COOLDOWN, FIELD_COOLDOWN_MAX);
	check_at_most(rd, base, n, given, FIELD_QUOTA_COOLDOWN, FIELD_COOLDOWN_MAX);
	if (given >> FIELD_MIN_REQUESTS & 1 && !p->faults.breakers.failure_rate_e4 &&
	    !policy_field_has_error(rd, n, "failure_rate"))
		reader_error(rd, node_get(n, "min_requests"), "min_requests",
			     "has no effect with failure_rate: 0; leave it out");
}

const struct schema policy_breakers_schema = {SCHEMA(breakers_fields), .check = check_breakers};

/* ---- bulkheads */

#define CONCURRENT_HELP "Calls under way at a time; 0 or `unlimited` = no bound."
#define QUEUE_HELP "Calls that wait for a place, in the order of arrival; 0 = what finds none is refused at once: 503."
#define WAIT_HELP "How long one waits before it is refused."
#define QUEUE_MAX 1000000u
#define WAIT_MAX (600 * SEC_NS)

#define BULKHEAD_FIELDS(at, d_concurrent, d_queue, d_wait, text)                                                       \
	{.name = "concurrent",                                                                                         \
	 .type = SCHEMA_UINT,                                                                                          \
	 .offset = (at) + offsetof(struct policy_bulkhead, concurrent),                                                \
	 .max = 1000000,                                                                                               \
	 .choices = policy_unlimited,                                                                                  \
	 .def = d_concurrent,                                                                                          \
	 .def_text = text,                                                                                             \
	 .help = CONCURRENT_HELP},                                                                                     \
		{.name = "queue",                                                                                      \
		 .type = SCHEMA_UINT,                                                                                  \
		 .offset = (at) + offsetof(struct policy_bulkhead, queue),                                             \
		 .max = QUEUE_MAX,                                                                                     \
		 .def = d_queue,                                                                                       \
		 .def_text = text,                                                                                     \
		 .help = QUEUE_HELP},                                                                                  \
	{                                                                                                              \
		.name = "wait", .type = SCHEMA_DURATION_NS,                                                            \
		.offset = (at) + offsetof(struct policy_bulkhead, wait_ns), .min = MS_NS, .max = WAIT_MAX,             \
		.def = d_wait, .def_text = text, .help = WAIT_HELP                                                     \
	}

static const struct schema_field deployment_fields[] = {
	BULKHEAD_FIELDS(OF_POLICY(faults.bulkheads.deployment), "10", "100", "5s", NULL)};
static const struct schema_field tenant_fields[] = {
	BULKHEAD_FIELDS(OF_POLICY(faults.bulkheads.tenant), "10", "100", "5s", NULL)};
static const struct schema deployment_schema = {SCHEMA(deployment_fields)};
static const struct schema tenant_schema = {SCHEMA(tenant_fields)};

#define OF_OVERRIDE(member) offsetof(struct policy_tenant_bulkhead, member)
static const struct schema_field override_fields[] = {
	BULKHEAD_FIELDS(OF_OVERRIDE(rule), NULL, NULL, NULL, "= `bulkheads.tenant`")};

static void init_override(struct reader *rd, void *base, const struct node *n, unsigned which)
{
	struct policy_tenant_bulkhead *o = base;

	(void)n;
	(void)which;
	o->rule = ((const struct policy *)rd->root)->faults.bulkheads.tenant;
}

static void check_override(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	(void)base;
	if (!given && n && !n->n)
		reader_error(rd, n, NULL, "sets nothing; give concurrent, queue or wait, or leave it out");
}

static const struct schema override_schema = {SCHEMA(override_fields),
					      .size = sizeof(struct policy_tenant_bulkhead),
					      .name_offset = OF_OVERRIDE(tenant),
					      .name_text = "TENANT",
					      .name_rule = policy_broken_tenant,
					      .init = init_override,
					      .check = check_override};

/* Order matters: tenants inherit from `tenant`. */
static const struct schema_field bulkheads_fields[] = {
	{.name = "deployment",
	 .type = SCHEMA_MAP,
	 .sub = &deployment_schema,
	 .help = "Each deployment's; its `concurrency` in the configuration takes the place of `concurrent`."},
	{.name = "tenant", .type = SCHEMA_MAP, .sub = &tenant_schema, .help = "Each tenant's."},
	{.name = "tenants",
	 .type = SCHEMA_DICT,
	 .offset = OF_POLICY(faults.bulkheads.tenants),
	 .count_offset = OF_POLICY(faults.bulkheads.n_tenants),
	 .max = TENANTS_MAX,
	 .sub = &override_schema,
	 .help = "Of single tenants, by id."},
};
const struct schema policy_bulkheads_schema = {SCHEMA(bulkheads_fields)};

static int tenant_compare(const void *a, const void *b)
{
	return strcmp(((const struct policy_tenant_bulkhead *)a)->tenant,
		      ((const struct policy_tenant_bulkhead *)b)->tenant);
}

void policy_sort_bulkheads(struct policy_faults *f)
{
	if (f->bulkheads.n_tenants)
		qsort(f->bulkheads.tenants, f->bulkheads.n_tenants, sizeof(*f->bulkheads.tenants), tenant_compare);
}

/* ---- retries */

static const struct schema_field retries_fields[] = {
	SHARE("budget", OF_RETRIES(share_e4), 10000, "0.1",
	      "Retries as a share of calls: providers that fail don't get more load than this for it."),
	/* Without any nothing could be saved up, and the budget would be none. */
	NUMBER("reserve", OF_RETRIES(reserve), 1, 100000, "10", "Retries at hand at the start, and saved up at most."),
	NUMBER("attempts", OF_RETRIES(attempts), 1, 16, "3",
	       "Of one call in all, before anything was delivered; 1 = no retries."),
};

static void check_retries(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	const struct policy *p = base;

	if (p->faults.retries.attempts != 1 || !(given & 3) || policy_field_has_error(rd, n, "attempts"))
		return;
	reader_error(rd, n, NULL, "%s has no effect with attempts: 1; leave it out", given & 1 ? "budget" : "reserve");
}

const struct schema policy_retries_schema = {SCHEMA(retries_fields), .check = check_retries};
