/* Schema of `prices`, and its differences. Private to the room. */
#ifndef CONF_POLICY_PRICES_H
#define CONF_POLICY_PRICES_H

#include "conf/policy.h"
#include "conf/schema.h"

extern const struct schema policy_prices_schema;

/* Everything that `covered` matches, `pattern` matches too. May say no where it is hard to tell. */
bool policy_pattern_covers(const char *pattern, const char *covered);

void policy_diff_prices(struct buf *out, const struct policy_prices *a, const struct policy_prices *b);

#endif
