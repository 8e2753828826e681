#include "conf/policy_rate.h"

#include "base/num.h"

#include <inttypes.h>
#include <string.h>

const struct schema_choice policy_unlimited[] = {{"unlimited", 0}, {0}};

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
	/* At least 1: PERIOD_MAX is below TG_GCRA_MAX_NS. */
	most = (unsigned __int128)TG_GCRA_MAX_NS * r->units / r->period_ns;
	reader_error(rd, field_or(n, "burst"), n && node_get(n, "burst") ? "burst" : NULL,
		     "burst %" PRIu64 " at %" PRIu64
		     " %s per %s would take over 39h to refill; burst may be at most %" PRIu64,
		     r->burst, r->units, unit, text, (uint64_t)most);
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

	return v && v->type == NODE_SCALAR && !strcmp(v->text, policy_unlimited[0].name);
}

void policy_finish_rate(struct reader *rd, const struct node *n, const char *unit, struct policy_rate *r,
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
