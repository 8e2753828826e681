/* Allow and block lists of a policy. Private to the room. */
#ifndef CONF_POLICY_LISTS_H
#define CONF_POLICY_LISTS_H

#include "conf/policy.h"
#include "conf/schema.h"

/* Family, address, prefix length. */
int policy_entry_compare(const struct policy_list_entry *a, const struct policy_list_entry *b);

extern const struct schema policy_lists_schema;

#endif
