/* Goal: PP2's question, whether one pattern leaves anything to another, is never answered with a wrong yes (that would
 * refuse a policy that is right), and with yes where people expect it. Method: table rows; and random patterns against
 * all short names, matched by a matcher of the test's own (recursive, of another form than the code's). */
#include "fixture.h"

#include "conf/policy_prices.h"

#include <stdlib.h>

Test(pattern, covers)
{
	static const struct {
		const char *pattern, *covered;
		bool want;
	} rows[] = {
		{"a", "a", true},
		{"a", "b", false},
		{"a", "a*", false},
		{"*", "a", true},
		{"*", "*", true},
		{"*", "a|b*|*", true},
		{"**", "*", true},
		{"*", "**", true},
		{"a*", "a", true},
		{"a*", "a*", true},
		{"a*", "a*b", true},
		{"a*b", "a*", false},
		{"a*b", "a*b*b", true},
		{"*a*", "*ba*", true},
		{"*a*", "*b*", false},
		{"gpt-4o*", "gpt-4o-mini*", true},
		{"gpt-4o-mini*", "gpt-4o*", false},
		{"gpt-4*|o1*", "gpt-4o|o1-mini", true},
		{"gpt-4*|o1*", "gpt-4o|o3-mini", false},
		{"a|b", "b|a", true},
		{"a|b", "a|b|c", false},
		{"a|b|c", "a|b", true},
		{"abc", "ab", false},
		{"ab", "abc", false},
		{"*b", "ab", true},
		{"*bb", "abbb", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_eq(policy_pattern_covers(rows[i].pattern, rows[i].covered), rows[i].want, "%s over %s",
			     rows[i].pattern, rows[i].covered);
}

/* What would take very long is left: "no" forbids nothing. */
Test(pattern, gives_up)
{
	char pattern[513], covered[513];

	memset(covered, 'a', 512);
	for (size_t i = 0; i < 512; i += 2)
		memcpy(pattern + i, "a*", 2);
	pattern[512] = covered[512] = '\0';
	cr_expect(policy_pattern_covers(pattern, covered));
	memset(pattern, 'a', 256);
	pattern[0] = '*';
	pattern[256] = 'b';
	pattern[257] = '*';
	pattern[258] = '\0';
	cr_expect_not(policy_pattern_covers(pattern, covered));
	/* It does, but finding out takes 256 steps from each of 256 places. */
	covered[511] = 'b';
	pattern[257] = '\0';
	cr_expect_not(policy_pattern_covers(pattern, covered));
}

static bool match_from(const char *p, const char *name)
{
	if (!*p || *p == '|')
		return !*name;
	if (*p == '*')
		return match_from(p + 1, name) || (*name && match_from(p, name + 1));
	return *p == *name && match_from(p + 1, name + 1);
}

static bool matches(const char *pattern, const char *name)
{
	while (!match_from(pattern, name)) {
		pattern = strchr(pattern, '|');
		if (!pattern++)
			return false;
	}
	return true;
}

static void random_pattern(unsigned *seed, char buf[8])
{
	static const char alphabet[] = "aabb**|";
	size_t len = 1 + (size_t)rand_r(seed) % 6, n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = alphabet[(size_t)rand_r(seed) % (sizeof(alphabet) - 1)];

		/* No empty alternatives: the schema refuses them. */
		if (c != '|' || (n && buf[n - 1] != '|' && i + 1 < len))
			buf[n++] = c;
	}
	if (!n || buf[n - 1] == '|')
		buf[n++] = 'a';
	buf[n] = '\0';
}

/* All names of up to 7 letters a, b and x, where x is in no pattern: bit patterns in base 3. */
static const char *counterexample(const char *pattern, const char *covered, char name[8])
{
	for (unsigned len = 0, count = 1; len <= 7; len++, count *= 3)
		for (unsigned i = 0; i < count; i++) {
			unsigned rest = i;

			for (unsigned j = 0; j < len; j++, rest /= 3)
				name[j] = "abx"[rest % 3];
			name[len] = '\0';
			if (matches(covered, name) && !matches(pattern, name))
				return name;
		}
	return NULL;
}

Test(pattern, never_a_wrong_yes)
{
	unsigned seed = 1, yes = 0;

	for (int i = 0; i < 3000; i++) {
		char pattern[8], covered[8], name[8];
		const char *wrong;

		random_pattern(&seed, pattern);
		random_pattern(&seed, covered);
		if (!policy_pattern_covers(pattern, covered))
			continue;
		yes++;
		wrong = counterexample(pattern, covered, name);
		cr_assert_null(wrong, "%s over %s: but %s", pattern, covered, wrong);
	}
	cr_expect_gt(yes, 300, "the test saw enough of them: %u", yes);
}
