/* Schema of `prices`, and its differences. Private to the room.
 *
 * Invariants (tests cite them):
 *  PP1  Margins stay below 1 (at most 0.95), so that cost / (1 - margin) is always a price.
 *  PP2  No entry of `models` or `costs` is behind one that takes all that it would match: the first counts, so
 *       that one would do nothing, and a cheap model would be billed as the dear one before it.
 */
#ifndef CONF_POLICY_PRICES_H
#define CONF_POLICY_PRICES_H

#include "conf/policy.h"
#include "conf/schema.h"

#define POLICY_PATTERN_MAX 512

extern const struct schema policy_prices_schema, policy_cost_schema;

/* The field of the section n was in error: what was read of it is nobody's value to judge. */
static inline bool policy_field_has_error(const struct reader *rd, const struct node *n, const char *field)
{
	return reader_has_error(rd, node_get(n, field));
}

/* ---- patterns (policy_pattern.c) */

/* Everything that `covered` matches, `pattern` matches too. May say no where it is hard to tell, never a wrong yes. */
bool policy_pattern_covers(const char *pattern, const char *covered);
/* PP2 is broken: `later`, called `name`, is covered by `first`. */
void policy_covered_error(struct reader *rd, const struct node *later, const char *name, const struct node *first);
/* The pattern (NULL = was in error) of the section n's field could match a name: a provider's, or else a model's. */
void policy_check_pattern(struct reader *rd, const struct node *n, const char *field, const char *pattern,
			  bool of_providers);

/* PP2 of the costs, whose list is `list`; the reader stands there. */
void policy_check_cost_order(struct reader *rd, const struct policy_prices *p, const struct node *list);

void policy_diff_prices(struct buf *out, const struct policy_prices *a, const struct policy_prices *b);

#endif
