/* Goal: the YAML layer (Y1 to Y3 of tree.h): what is refused, where, and that hostile files cost little.
 * Method: rows through policy_parse; generated files for size, depth and expansion. */
#include "fixture.h"

#include <stdlib.h>

Test(yaml, errors)
{
	static const struct error_row rows[] = {
		{"anchor", "version: 1\nnic: &a {answer: on}\n", {"2:6: nic: anchors (&name) are not supported**"}},
		{"anchor on a value",
		 "version: 1\nshadow: &a off\n",
		 {"2:9: shadow: anchors (&name) are not supported**"}},
		{"anchor on a key", "version: 1\n&a shadow: off\n", {"2:1: : anchors (&name) are not supported**"}},
		{"alias",
		 "version: 1\nnic: *a\n",
		 {"2:6: nic: aliases (*name) are not supported; write the value out"}},
		{"alias as a key", "version: 1\nnic: {*a : 1}\n", {"2:7: nic: aliases (*name) are not supported**"}},
		{"tag",
		 "version: 1\nshadow: !!bool off\n",
		 {"2:9: shadow: tags (!type) are not supported; leave the tag out"}},
		{"tag on a section",
		 "version: 1\nnic: !x {answer: on}\n",
		 {"2:6: nic: tags (!type) are not supported**"}},
		{"merge key", "version: 1\nnic: {<<: {answer: on}}\n", {"2:7: nic.<<: merge keys are not supported**"}},
		{"list as a key",
		 "version: 1\nnic: {[a, {b: c}]: 1, answer: maybe}\n",
		 {"2:7: nic: a key must be a plain word, not a list or mapping",
		  "2:31: nic.answer: \"maybe\" is neither true**"}},
		{"mapping as a key, its value too",
		 "version: 1\n? {a: [b]}\n: {answer: x}\n",
		 {"2:3: : a key must be a plain word**"}},
		{"duplicate keys, all but the first",
		 "version: 1\nshadow: on\nshadow: off\nversion: 1\nshadow: on\n",
		 {"3:1: : \"shadow\" is given twice, first on line 2; keep one",
		  "4:1: : \"version\" is given twice, first on line 1; keep one",
		  "5:1: : \"shadow\" is given twice, first on line 2; keep one"}},
		{"second document",
		 "version: 1\n---\nversion: 1\n",
		 {"2:1: : a second document starts here; a file holds one"}},
		{"syntax: unclosed",
		 "version: 1\nnic: {answer: on\n",
		 {"3:1: : not valid YAML: did not find expected ',' or '}'**"}},
		{"syntax: tab",
		 "version: 1\nnic:\n\tanswer: on\n",
		 {"3:1: nic: not valid YAML: a tab; indent with blanks"}},
		{"syntax: colon missing",
		 "version: 1\nshadow\n",
		 {"3:1: : not valid YAML: could not find expected ':'**"}},
		{"syntax: indentation",
		 "version: 1\n shadow: on\n",
		 {"2:8: : not valid YAML: mapping values are not allowed in this context**"}},
		{"not UTF-8", "version: 1\n# caf\xe9\n", {"2:6: : byte 0xe9 is not text in UTF-8"}},
		{"overlong UTF-8", "version: 1\n# \xc0\xaf\n", {"2:3: : byte 0xc0 is not text in UTF-8"}},
		{"surrogate", "# \xed\xa0\x80\n", {"1:3: : byte 0xed is not text in UTF-8"}},
		{"beyond Unicode", "# \xf4\x90\x80\x80\n", {"1:3: : byte 0xf4 is not text in UTF-8"}},
		{"cut sequence", "# \xe2\x82", {"1:3: : byte 0xe2 is not text in UTF-8"}},
		{"UTF-16", "\xff\xfev", {"1:1: : byte 0xff is not text in UTF-8"}},
		{"control character", "version: 1\nshadow: \x07\n", {"2:9: : byte 0x07 is not text in UTF-8"}},
		{"columns count characters",
		 "version: 1\nlists: {block: [{reason: \"\xc3\xa9\xe2\x82\xac\", cidr: x}]}\n",
		 {"2:38: lists.block[0].cidr: \"x\" is no address**"}},
		{"NUL in a key",
		 "version: 1\n\"sh\\0adow\": on\n",
		 {"2:1: : a key holds a NUL**", "2:1: sh: is not known here**"}},
	};

	fixture_error_rows(FIXTURE_POLICY, rows, ARRAY_SIZE(rows));
}

Test(yaml, byte_order_mark_and_line_ends_are_fine)
{
	policy_free(fixture_policy("\xef\xbb\xbfversion: 1\n"));
	policy_free(fixture_policy("version: 1\r\nshadow: on\r\n"));
	policy_free(fixture_policy("%YAML 1.1\n---\nversion: 1\n...\n"));
}

static void refused(const char *text, size_t len, const char *want)
{
	struct conf_errors errs = {0};
	struct policy *p = NULL;

	cr_expect_eq(policy_parse(text, len, &p, &errs), ERR_INVAL);
	cr_assert_geq(errs.count, 1);
	cr_expect(strstr(errs.items[0].msg, want), "got \"%s\", want \"%s\"", errs.items[0].msg, want);
	cr_expect_null(p);
	conf_errors_done(&errs);
}

/* Y1: depth; both in flow and in block form, and inside of a key, which nobody reads. */
Test(yaml, depth)
{
	enum { N = 100000 };
	char *text = malloc(2 * N + 100);

	memset(text, '[', N);
	refused(text, N, "nested too deep");
	text[0] = '?';
	text[1] = ' ';
	refused(text, N, "a key must be a plain word");
	for (size_t i = 0; i < N; i++)
		memcpy(text + 2 * i, "- ", 2);
	refused(text, 2 * N, "nested too deep");
	free(text);
}

/* Y1: ten references to ten references to ...: nothing is expanded. */
Test(yaml, billion_laughs)
{
	struct buf text = BUF_INIT;

	buf_puts(&text, "version: 1\nl0: &l0 [x, x]\n");
	for (int i = 1; i < 60; i++)
		buf_printf(&text, "l%d: &l%d [*l%d, *l%d, *l%d]\n", i, i, i - 1, i - 1, i - 1);
	refused(text.data, text.len, "anchors (&name) are not supported");
	buf_done(&text);
}

/* Y1: bytes and nodes. */
Test(yaml, size)
{
	size_t max = (size_t)64 << 20;
	char *text = malloc(max + 1);
	struct conf *c = NULL;
	struct conf_errors errs = {0};

	memset(text, ' ', max + 1);
	refused(text, max + 1, "67108865 bytes are too many; at most 67108864");
	cr_expect_eq(conf_parse(text, ((size_t)4 << 20) + 1, &c, &errs), ERR_INVAL);
	cr_assert_eq(errs.count, 1);
	cr_expect(strstr(errs.items[0].msg, "at most 4194304"), "%s", errs.items[0].msg);
	conf_errors_done(&errs);
	memcpy(text, "a: [", 4);
	for (size_t i = 4; i + 1 < (size_t)1 << 20; i += 2)
		memcpy(text + i, "a,", 2);
	cr_expect_eq(conf_parse(text, (size_t)1 << 20, &c, &errs), ERR_INVAL);
	cr_assert_eq(errs.count, 1);
	cr_expect(strstr(errs.items[0].msg, "too many values"), "%s", errs.items[0].msg);
	conf_errors_done(&errs);
	free(text);
}

/* Errors are bounded too, and the first ones are kept. */
Test(yaml, many_errors)
{
	struct buf text = BUF_INIT, out = BUF_INIT;
	struct conf_errors errs = {0};
	struct policy *p = NULL;

	buf_puts(&text, "version: 1\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "zzzzzz%d: 1\n", i);
	cr_expect_eq(policy_parse(text.data, text.len, &p, &errs), ERR_INVAL);
	cr_expect_eq(errs.count, CONF_ERRORS_MAX);
	cr_expect_eq(errs.dropped, 1000 - CONF_ERRORS_MAX);
	cr_expect_eq(errs.items[0].line, 2);
	conf_errors_print(&errs, "f", &out);
	cr_expect(strstr(out.data, "f:2:1: zzzzzz0: is not known here"));
	cr_expect(strstr(out.data, "f: 800 more errors not shown\n"));
	conf_errors_done(&errs);
	buf_done(&text);
	buf_done(&out);
}
