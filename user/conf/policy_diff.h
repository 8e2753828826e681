/* Parts of a difference. Private to the room. */
#ifndef CONF_POLICY_DIFF_H
#define CONF_POLICY_DIFF_H

#include "conf/policy.h"
#include "conf/schema.h"

/* Entries of a list shown one by one; the rest is counted. */
#define DIFF_SHOWN_MAX 50

struct diff_value {
	const char *name;
	enum schema_type type; /* of a number */
	uint64_t from, to;
};
void diff_format(enum schema_type type, uint64_t value, char buf[64]);
/* "PATHNAME: 1 -> 2", when they differ. */
void diff_values(struct buf *out, const char *path, const struct diff_value *v, size_t n);

#endif
