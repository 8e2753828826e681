/* Does one pattern of names leave anything to another? (What a pattern matches is price's: price_match.) */
#include "conf/policy_prices.h"

#include <string.h>

/* One alternative of each. The other's '*' is taken as a character that only our '*' takes: what ours makes of
 * that character it can make of any run in its place. */
static bool alternative_covers(const char *p, const char *p_end, const char *s, const char *s_end)
{
	const char *star = NULL, *resume = NULL;

	while (s < s_end) {
		if (p < p_end && *p == '*') {
			star = p++;
			resume = s;
		} else if (p < p_end && *p == *s) {
			p++;
			s++;
		} else if (star) {
			p = star + 1;
			s = ++resume;
		} else {
			return false;
		}
	}
	while (p < p_end && *p == '*')
		p++;
	return p == p_end;
}

static const char *alternative_end(const char *s)
{
	return s + strcspn(s, "|");
}

static bool any_covers(const char *pattern, const char *s, const char *s_end)
{
	for (;;) {
		const char *end = alternative_end(pattern);

		if (alternative_covers(pattern, end, s, s_end))
			return true;
		if (!*end)
			return false;
		pattern = end + 1;
	}
}

bool policy_pattern_covers(const char *pattern, const char *covered)
{
	for (;;) {
		const char *end = alternative_end(covered);

		if (!any_covers(pattern, covered, end))
			return false;
		if (!*end)
			return true;
		covered = end + 1;
	}
}
