/* Patterns of model and provider names. */
#include "price/price.h"

#include <string.h>

/* Whether name is pattern..end, where '*' is any run. On a mismatch only the last '*' takes one character more: that
 * is enough, and bounds the work by length times length whatever the pattern is. */
static bool match_one(const char *pattern, const char *end, const char *name)
{
	const char *star = NULL, *resume = NULL;

	while (*name) {
		if (pattern < end && *pattern == '*') {
			star = ++pattern;
			resume = name;
		} else if (pattern < end && *pattern == *name) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star;
			name = ++resume;
		} else {
			return false;
		}
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}

bool price_match(const char *pattern, const char *name)
{
	for (;;) {
		const char *end = strchrnul(pattern, '|');

		if (match_one(pattern, end, name))
			return true;
		if (!*end)
			return false;
		pattern = end + 1;
	}
}
