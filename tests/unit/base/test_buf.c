/* Goal: buf.h, arena.h and err.h keep their promises: bounds, sticky failure, untouched content, alignment. Method:
 * rows and small walks. */
#include "base/arena.h"
#include "base/buf.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

/* ---- buf */

Test(buf, append_and_bound)
{
	struct buf b = {.max = 10};

	cr_assert_eq(buf_append(&b, "", 0), 0);
	cr_assert_not_null(b.data, "terminated from the first append on");
	cr_assert_eq(buf_puts(&b, "12345"), 0);
	cr_assert_eq(buf_printf(&b, "%d", 678), 0);
	cr_assert_eq(buf_putc(&b, '9'), 0);
	cr_expect_eq(buf_puts(&b, "ab"), ERR_FULL);
	cr_expect(b.failed);
	cr_expect_str_eq(b.data, "123456789", "what didn't fit left nothing behind");
	cr_expect_eq(buf_printf(&b, "%s", "ab"), ERR_FULL);
	cr_expect_eq(buf_append(&b, "x", SIZE_MAX), ERR_FULL);
	cr_assert_eq(buf_putc(&b, '0'), 0, "up to the bound");
	cr_expect(b.failed, "sticky");
	cr_expect_null(buf_steal(&b), "a failed buffer isn't taken for whole");
	buf_reset(&b);
	cr_expect_not(b.failed);
	cr_expect_str_eq(b.data, "");
	buf_done(&b);
	cr_expect_null(b.data);
}

Test(buf, consume)
{
	static const struct {
		size_t n;
		const char *left;
	} rows[] = {{0, "abcdef"}, {1, "bcdef"}, {5, "f"}, {6, ""}, {7, ""}, {SIZE_MAX, ""}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf b = BUF_INIT;

		cr_assert_eq(buf_puts(&b, "abcdef"), 0);
		buf_consume(&b, rows[i].n);
		cr_expect_str_eq(b.data, rows[i].left);
		cr_expect_eq(b.len, strlen(rows[i].left));
		buf_done(&b);
	}
	buf_consume(&(struct buf){0}, 5);
}

Test(buf, steal)
{
	struct buf b = BUF_INIT;
	char *s;

	s = buf_steal(&b);
	cr_expect_str_eq(s, "", "an empty buffer gives an empty string");
	free(s);
	for (int i = 0; i < 10000; i++)
		buf_puts(&b, "xy");
	s = buf_steal(&b);
	cr_expect_eq(strlen(s), 20000);
	cr_expect_eq(b.len, 0);
	cr_assert_eq(buf_puts(&b, "again"), 0);
	cr_expect_str_eq(b.data, "again");
	free(s);
	buf_done(&b);
}

Test(buf, json_string)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} rows[] = {
		{"", 0, "\"\""},
		{"a\"b\\/", 5, "\"a\\\"b\\\\/\""},
		{"\n\r\t\x01\x1f\x7f", 6, "\"\\n\\r\\t\\u0001\\u001f\\u007f\""},
		{"a\0b", 3, "\"a\\u0000b\""},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
		{"\xff\xc3", 2, "\"\\ufffd\\ufffd\""},
		{"\xc0\x80\xed\xa0\x80", 5, "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\""},
		{"\xf4\x90\x80\x80", 4, "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
		{"\xe2\x82", 2, "\"\\ufffd\\ufffd\""},
	};
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		buf_reset(&b);
		cr_assert_eq(buf_put_json_string(&b, rows[i].in, rows[i].len), 0);
		cr_expect_str_eq(b.data, rows[i].out, "row %zu: %s", i, b.data);
	}
	buf_done(&b);
	b.max = 3;
	cr_expect_lt(buf_put_json_string(&b, "abc", 3), 0);
	buf_done(&b);
}

/* ---- arena */

Test(arena, aligned_zeroed_apart)
{
	struct arena a = {0};
	char *last = NULL;

	for (size_t size = 1; size < 9000; size = size * 2 + 1) {
		char *p = arena_alloc(&a, size);

		cr_assert_not_null(p);
		cr_expect_eq((uintptr_t)p % alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			cr_assert_eq(p[i], 0);
		memset(p, 0xff, size);
		cr_expect_neq(p, last);
		last = p;
	}
	cr_expect_str_eq(arena_strndup(&a, "abcdef", 3), "abc");
	arena_reset(&a);
	cr_expect_eq(a.used, 0);
	for (int round = 0; round < 3; round++, arena_reset(&a))
		for (int i = 0; i < 100; i++) {
			char *p = arena_alloc(&a, 100);

			cr_assert_not_null(p);
			for (int j = 0; j < 100; j++)
				cr_assert_eq(p[j], 0, "dirty after reset");
			memset(p, 0xff, 100);
		}
	arena_done(&a);
	arena_done(&a);
}

Test(arena, bound)
{
	struct arena a = {.max = 100};

	cr_expect_not_null(arena_alloc(&a, 64));
	cr_expect_null(arena_alloc(&a, 64));
	cr_expect_not_null(arena_alloc(&a, 32), "a refused one used nothing up");
	cr_expect_null(arena_alloc(&a, SIZE_MAX));
	cr_expect_null(arena_alloc(&a, SIZE_MAX - 8));
	cr_expect_null(arena_strndup(&a, "x", SIZE_MAX));
	arena_done(&a);
	a = (struct arena){0};
	cr_expect_null(arena_alloc(&a, SIZE_MAX - 17), "no bound, but no wrap-around either");
	arena_done(&a);
}

/* ---- err */

Test(err, messages)
{
	char huge[2 * ERR_MSG_MAX];
	struct err e = {0};

	cr_expect_eq(err_set(&e, ERR_RANGE, "%s is %d", "x", 5), ERR_RANGE);
	cr_expect_eq(e.code, ERR_RANGE);
	cr_expect_str_eq(e.msg, "x is 5");
	cr_expect_eq(err_prefix(&e, "file %s", "f"), ERR_RANGE);
	cr_expect_str_eq(e.msg, "file f: x is 5");
	cr_expect_eq(err_set(NULL, ERR_BUSY, "nobody listens"), ERR_BUSY);
	memset(huge, 'h', sizeof(huge));
	huge[sizeof(huge) - 1] = '\0';
	cr_expect_eq(err_set(&e, ERR_INVAL, "%s", huge), ERR_INVAL);
	cr_expect_eq(strlen(e.msg), ERR_MSG_MAX - 1);
	cr_expect_eq(err_errno(&e, ENOENT, "%s", huge), ERR_NOT_FOUND);
	cr_expect_eq(strlen(e.msg), ERR_MSG_MAX - 1);
	cr_expect_eq(err_prefix(&e, "%s", huge), ERR_NOT_FOUND);
	cr_expect_eq(strlen(e.msg), ERR_MSG_MAX - 1);
}

Test(err, codes_of_errno)
{
	static const struct {
		int errnum, code;
		const char *name;
	} rows[] = {
		{EACCES, ERR_PERM, "not_permitted"}, {EPERM, ERR_PERM, "not_permitted"},
		{ENOMEM, ERR_NOMEM, "no_memory"},    {ENOENT, ERR_NOT_FOUND, "not_found"},
		{EEXIST, ERR_EXISTS, "exists"},      {E2BIG, ERR_FULL, "full"},
		{ENOSPC, ERR_FULL, "full"},          {EAGAIN, ERR_BUSY, "busy"},
		{EBUSY, ERR_BUSY, "busy"},           {EIO, ERR_IO, "io"},
		{ECONNRESET, ERR_IO, "io"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = {0};

		cr_expect_eq(err_errno(&e, rows[i].errnum, "open"), rows[i].code);
		cr_expect_eq(strncmp(e.msg, "open: ", 6), 0);
		cr_expect_gt(strlen(e.msg), 8, "%s", e.msg);
		cr_expect_str_eq(err_name(rows[i].code), rows[i].name);
		cr_expect_eq(err_errno(NULL, rows[i].errnum, "open"), rows[i].code);
	}
	cr_expect_str_eq(err_name(0), "ok");
	cr_expect_str_eq(err_name(ERR_VERSION), "version");
	cr_expect_str_eq(err_name(-999), "unknown");
	cr_expect_str_eq(err_name(1), "unknown");
}
