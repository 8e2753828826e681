/* Goal: patterns say what docs/pricing.md says of them, in bounded time. Method: rows. */
#include "price/price.h"

#include <criterion/criterion.h>
#include <string.h>

Test(match, rows)
{
	static const struct {
		const char *pattern, *name;
		bool fits;
	} rows[] = {
		{"gpt-4*", "gpt-4", true},
		{"gpt-4*", "gpt-4o-mini", true},
		{"gpt-4*", "gpt-3.5", false},
		{"gpt-4*", "my-gpt-4", false},
		{"gpt-4", "gpt-4o", false},
		{"gpt-4o", "gpt-4", false},
		{"GPT-4*", "gpt-4", false},
		{"*", "", true},
		{"*", "anything", true},
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
		{"*-mini", "gpt-4o-mini", true},
		{"*-mini", "gpt-4o-mini-2", false},
		{"*-mini*", "gpt-4o-mini-2", true},
		{"a*b*c", "abc", true},
		{"a*b*c", "a-b-b-c-c", true},
		{"a*b*c", "acb", false},
		{"*ab", "aab", true},
		{"a**b", "ab", true},
		{"**", "", true},
		{"qwen*|deepseek*|glm*", "qwen-max", true},
		{"qwen*|deepseek*|glm*", "deepseek-r1", true},
		{"qwen*|deepseek*|glm*", "glm", true},
		{"qwen*|deepseek*|glm*", "a-glm", false},
		{"qwen*|deepseek*|glm*", "qwen*|deepseek", true}, /* the first alternative, by its '*' */
		{"a|b", "a|b", false},
		{"a|b", "ab", false},
		{"a|", "", true},
		{"|a", "a", true},
		{"a|b", "c", false},
		{"|", "", true},
		{"|", "|", false},
		/* nothing else is special */
		{"gpt-3.5", "gpt-3x5", false},
		{"[a]?", "[a]?", true},
		{"[a]?", "ab", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_eq(price_match(rows[i].pattern, rows[i].name), rows[i].fits, "\"%s\" and \"%s\"",
			     rows[i].pattern, rows[i].name);
}

/* A matcher that tries all ways of sharing the name among the stars would not come back from this. */
Test(match, many_stars)
{
	char pattern[128] = "", name[PRICE_NAME_MAX];

	for (unsigned i = 0; i < 50; i++)
		strcat(pattern, "a*");
	strcat(pattern, "b");
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cr_expect_not(price_match(pattern, name));
	name[sizeof(name) - 2] = 'b';
	cr_expect(price_match(pattern, name));
}
