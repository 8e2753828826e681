/* Goal: a reason's number means the same text for as long as entries carry it, over restarts too. Method: a file in a
 * temporary folder, opened again and again. */
#include "gateway/reasons.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static void make_path(void)
{
	snprintf(path, sizeof(path), "/tmp/tg-reasons-XXXXXX");
	close(mkstemp(path));
	unlink(path);
}

static void remove_path(void)
{
	unlink(path);
}

TestSuite(reasons, .init = make_path, .fini = remove_path);

Test(reasons, survive_a_restart)
{
	struct reasons *r = NULL;
	struct err err;
	uint16_t scan, spam;

	cr_assert_eq(reasons_open(path, &r, &err), 0, "%s", err.msg);
	scan = reasons_number(r, "scanning");
	spam = reasons_number(r, "spam");
	cr_expect(scan && spam && scan != spam);
	cr_expect_eq(reasons_number(r, "scanning"), scan);
	reasons_free(r);
	cr_assert_eq(reasons_open(path, &r, &err), 0, "%s", err.msg);
	cr_expect_str_eq(reasons_text(r, scan), "scanning");
	cr_expect_eq(reasons_number(r, "spam"), spam);
	cr_expect_neq(reasons_number(r, "a third"), spam);
	reasons_free(r);
}

Test(reasons, texts_are_one_line)
{
	char longest[300];
	struct reasons *r = NULL;
	struct err err;
	uint16_t n;

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	cr_assert_eq(reasons_open(path, &r, &err), 0);
	n = reasons_number(r, "two\nlines\x7f");
	cr_expect_str_eq(reasons_text(r, n), "two lines ");
	n = reasons_number(r, longest);
	cr_expect_eq(strlen(reasons_text(r, n)), REASON_TEXT_MAX - 1);
	cr_expect_eq(reasons_number(r, longest), n, "cut the same way each time");
	cr_expect_eq(reasons_number(r, ""), 0);
	cr_expect_eq(reasons_number(r, NULL), 0);
	cr_expect_str_eq(reasons_text(r, 0), "");
	cr_expect_str_eq(reasons_text(r, 60000), "");
	reasons_free(r);
}

Test(reasons, a_full_table_gives_none)
{
	struct reasons *r = NULL;
	char text[16];
	struct err err;

	cr_assert_eq(reasons_open(NULL, &r, &err), 0);
	for (unsigned i = 0; i < REASONS_MAX; i++) {
		snprintf(text, sizeof(text), "r%u", i);
		cr_assert_neq(reasons_number(r, text), 0);
	}
	cr_expect_eq(reasons_number(r, "one too many"), 0);
	cr_expect_neq(reasons_number(r, "r7"), 0);
	reasons_free(r);
}

Test(reasons, an_unusable_file_is_an_error)
{
	struct reasons *r = NULL;
	struct err err;

	cr_expect_lt(reasons_open("/nonexistent/folder/reasons", &r, &err), 0);
	cr_expect_null(r);
}
