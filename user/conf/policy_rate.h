/* The four fields of a rate, and the parts of a policy's schema. Private to the room.
 *
 * Invariants (tests cite them):
 *  P1  What a policy leaves out has the default of the table; an override inherits what it leaves out from the
 *      limit it overrides.
 *  P2  Every rate fits GCRA's range: burst * period / units <= TG_GCRA_MAX_NS, period >= 1 ms, units < 2^32.
 *  P3  Nothing that could never have an effect is accepted.
 */
#ifndef CONF_POLICY_RATE_H
#define CONF_POLICY_RATE_H

#include "conf/policy.h"
#include "conf/schema.h"
#include "tollgate/gcra.h"

#define POLICY_PERIOD_MIN 1000000u
#define POLICY_PERIOD_MAX (39u * 3600000000000u) /* a round number within TG_GCRA_MAX_NS */
_Static_assert(POLICY_PERIOD_MAX <= TG_GCRA_MAX_NS, "P2");

#define OF_POLICY(member) offsetof(struct policy, member)
#define SCHEMA(table) .fields = table, .n_fields = ARRAY_SIZE(table)

/* Every section with a rate has RATE_FIELDS first: which of them the file gave. */
#define GIVEN_UNITS 1u
#define GIVEN_PERIOD 2u
#define GIVEN_BURST 4u
#define GIVEN_SHADOW 8u
#define GIVEN_RATE 15u

extern const struct schema_choice policy_unlimited[];

#define RATE_FIELDS(unit, number, at, d_units, d_period, d_burst, t_units, t_period, t_burst, t_shadow)                \
	{.name = unit,                                                                                                 \
	 .type = number,                                                                                               \
	 .offset = (at) + offsetof(struct policy_rate, units),                                                         \
	 .min = 1,                                                                                                     \
	 .max = UINT32_MAX,                                                                                            \
	 .choices = policy_unlimited,                                                                                  \
	 .def = d_units,                                                                                               \
	 .def_text = t_units,                                                                                          \
	 .help = "How many per `period`, or \"unlimited\"."},                                                          \
		{.name = "period",                                                                                     \
		 .type = SCHEMA_DURATION_NS,                                                                           \
		 .offset = (at) + offsetof(struct policy_rate, period_ns),                                             \
		 .min = POLICY_PERIOD_MIN,                                                                             \
		 .max = POLICY_PERIOD_MAX,                                                                             \
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

/* After a rate's four fields were read. `parent` is what an override inherits from, NULL elsewhere. */
void policy_finish_rate(struct reader *rd, const struct node *n, const char *unit, struct policy_rate *r,
			const struct policy_rate *parent, uint64_t given);

extern const struct schema_choice policy_route_names[], policy_route_scopes[];
/* The rule of a tenant's id that the text breaks, or NULL. */
const char *policy_broken_tenant(const char *s, size_t len);
extern const struct schema policy_limits_schema, policy_overrides_schema;

#endif
