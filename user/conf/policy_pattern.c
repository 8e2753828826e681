/* Patterns of names: are they well-formed, and does one leave anything to another? (What a pattern matches is price's:
 * price_match.) */
#include "conf/policy_prices.h"

#include "conf/utf8.h"

#include <string.h>

/* Steps for one pair of patterns, so that a thousand entries of stars take no minutes. People's take some dozens. */
#define STEPS_MAX 4096

/* One alternative of each. The other's '*' is taken as a character that only our '*' takes: what ours makes of
 * that character it can make of any run in its place. */
static bool alternative_covers(const char *p, const char *p_end, const char *s, const char *s_end, unsigned *steps)
{
	const char *star = NULL, *resume = NULL;

	while (s < s_end) {
		if (++*steps > STEPS_MAX)
			return false;
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

static bool any_covers(const char *pattern, const char *s, const char *s_end, unsigned *steps)
{
	for (;;) {
		const char *end = alternative_end(pattern);

		if (alternative_covers(pattern, end, s, s_end, steps))
			return true;
		if (!*end)
			return false;
		pattern = end + 1;
	}
}

bool policy_pattern_covers(const char *pattern, const char *covered)
{
	unsigned steps = 0;

	for (;;) {
		const char *end = alternative_end(covered);

		if (!any_covers(pattern, covered, end, &steps))
			return false;
		if (!*end)
			return true;
		covered = end + 1;
	}
}

void policy_covered_error(struct reader *rd, const struct node *later, const char *name, const struct node *first)
{
	reader_error(rd, later, NULL,
		     "\"%.64s\" does nothing: the entry on line %u matches all of it, and the first counts; put this "
		     "one before that",
		     name, first->line);
}

/* The rule that a pattern breaks, or NULL. */
static const char *pattern_broken(const char *s, bool of_providers)
{
	static const char provider_alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-*|";

	if (*s == '|' || s[strlen(s) - 1] == '|' || strstr(s, "||"))
		return "has an empty alternative beside \"|\"; leave that \"|\" out";
	if (strchr(s, ' '))
		return "has a blank, which no name has; leave it out";
	if (of_providers && s[strspn(s, provider_alphabet)])
		return "has a character that no provider's name has (a-z, 0-9, \"_\", \".\", \"-\")";
	if (!utf8_is_ascii(s, strlen(s)))
		return "has a character that no model's name has; printable ASCII only";
	return NULL;
}

void policy_check_pattern(struct reader *rd, const struct node *n, const char *field, const char *pattern,
			  bool of_providers)
{
	const char *broken = pattern ? pattern_broken(pattern, of_providers) : NULL;

	if (broken)
		reader_error(rd, node_get(n, field), field, "\"%.64s\" %s", pattern, broken);
}
