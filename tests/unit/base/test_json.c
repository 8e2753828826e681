/* Goal: json_scan.h's J1 to J3. Method: rows, each with the vector code and with the portable one (compiled in below),
 * each value also at every place of a longer text, so that it meets the edges of the 16-byte steps; every text also cut
 * short at every byte. Agreement with a full parser on any bytes: tests/fuzz/json_fuzz.c. */
#include "base/buf.h"
#include "base/json_scan.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The code for machines without SSE2, under other names. */
#define JSON_SCAN_PORTABLE
#define json_scan_object portable_scan_object
#define json_scan_value portable_scan_value
#define json_iter_init portable_iter_init
#define json_iter_next portable_iter_next
#define json_is_empty portable_is_empty
#define json_string_is portable_string_is
#define json_number_u64 portable_number_u64
int json_scan_object(const char *, size_t, struct json_member *, size_t, struct json_fault *);
int json_scan_value(const char *, size_t, struct json_span *, struct json_fault *);
int json_iter_init(struct json_iter *, const struct json_span *);
int json_iter_next(struct json_iter *, struct json_span *, struct json_span *);
bool json_is_empty(const struct json_span *);
bool json_string_is(const struct json_span *, const char *);
int json_number_u64(const struct json_span *, uint64_t *);
#include "../../../user/base/json_scan.c"
#undef json_scan_object
#undef json_scan_value
#undef json_iter_init
#undef json_iter_next
#undef json_is_empty
#undef json_string_is
#undef json_number_u64

/* Both must say the same, in a block of the exact size (ASan sees a read beyond). */
static int scan(const char *text, size_t len, struct json_fault *ret_fault)
{
	char *copy = malloc(len ? len : 1);
	struct json_fault f = {0}, g = {0};
	struct json_span v = {0}, w = {0};
	int rc, rc2;

	memcpy(copy, text, len);
	rc = json_scan_value(copy, len, &v, &f);
	rc2 = portable_scan_value(copy, len, &w, &g);
	cr_assert_eq(rc, rc2, "portable code differs on %.*s", (int)len, text);
	cr_assert_eq(f.at, g.at);
	cr_assert(rc < 0 || (v.at == w.at && v.len == w.len && v.type == w.type));
	free(copy);
	if (ret_fault)
		*ret_fault = f;
	return rc;
}

static const char *const valid[] = {
	"0",
	"-0",
	"12",
	"-1.5",
	"1e5",
	"1E-5",
	"0.0e+00",
	"123456789012345678901234567890",
	"true",
	"false",
	"null",
	"\"\"",
	"\"a\"",
	"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
	"\"\\u00e9\\uD83D\\uDE00\"",
	"\"\\ud800\"",
	"\"\\u0000\"",
	"\"\x7f\"",
	"\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbf \xf4\x8f\xbf\xbf\"",
	"[]",
	"{}",
	"[[]]",
	"[1,2]",
	" [ 1 , 2 ] ",
	"{\"a\":1}",
	"{\"a\":{\"b\":[{}]},\"c\":[]}",
	"{\"a\":1,\"a\":2}",
	"{\"\":0}",
	"\t\r\n 1 \t\r\n",
	"[\"]\",\"}\"]",
	"\"0123456789abcdef0123456789abcdef\"",
	"\"0123456789abcde\"",
	"\"0123456789abcd\\n\"",
	"{\"a\":\"b\" , \"c\" : \"d\"}",
};

static const char *const invalid[] = {
	"",
	" ",
	"-",
	"+1",
	"01",
	"-01",
	"1.",
	".5",
	"1e",
	"1e+",
	"1.e5",
	"0x1",
	"1 2",
	"Infinity",
	"NaN",
	"True",
	"nul",
	"truee",
	"\"",
	"\"a",
	"\"\\",
	"\"\\\"",
	"\"\\x\"",
	"\"\\u12\"",
	"\"\\u12g4\"",
	"\"\\U0041\"",
	"\"\n\"",
	"\"\t\"",
	"\"\x1f\"",
	"'a'",
	"\"\x80\"",
	"\"\xc3\"",
	"\"\xc3(\"",
	"\"\xc0\x80\"",
	"\"\xe0\x80\x80\"",
	"\"\xed\xa0\x80\"",
	"\"\xf4\x90\x80\x80\"",
	"\"\xf8\x88\x80\x80\x80\"",
	"\"\xff\"",
	"\"\xe2\x82\"",
	"[",
	"]",
	"[1",
	"[1,",
	"[1,]",
	"[,1]",
	"[1 2]",
	"[1}",
	"{",
	"}",
	"{\"a\"",
	"{\"a\":",
	"{\"a\":1",
	"{\"a\":1,",
	"{\"a\":1,}",
	"{,}",
	"{a:1}",
	"{1:1}",
	"{\"a\" 1}",
	"{\"a\":1]",
	"{\"a\"}",
	"[]]",
	"{}}",
	"1,",
	",",
	":",
	"\xef\xbb\xbf{}",
	"// x\n1",
	"[1]/**/",
	"\"a\"b",
	"\x0c"
	"1",
	"\xc2\xa0"
	"1",
};

Test(json, valid_and_invalid)
{
	for (size_t i = 0; i < ARRAY_SIZE(valid); i++)
		cr_expect_eq(scan(valid[i], strlen(valid[i]), NULL), 0, "'%s'", valid[i]);
	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++) {
		struct json_fault f = {0};

		cr_expect_eq(scan(invalid[i], strlen(invalid[i]), &f), ERR_INVAL, "'%s'", invalid[i]);
		cr_expect_not_null(f.what);
		cr_expect_leq(f.at, strlen(invalid[i]));
	}
	cr_expect_eq(scan("1\0", 2, NULL), ERR_INVAL, "a NUL is no end");
	cr_expect_eq(scan("\"a\0b\"", 5, NULL), ERR_INVAL);
}

/* As an element behind text of every length, in a string and out of it; and every prefix is incomplete. */
Test(json, at_every_place)
{
	char text[256];

	for (size_t pad = 0; pad < 40; pad++) {
		for (size_t i = 0; i < ARRAY_SIZE(valid) + ARRAY_SIZE(invalid); i++) {
			bool good = i < ARRAY_SIZE(valid);
			const char *v = good ? valid[i] : invalid[i - ARRAY_SIZE(valid)];
			int len = snprintf(text, sizeof(text), "[\"%.*s\",%s]", (int)pad,
					   "0123456789012345678901234567890123456789", v);
			int rc = scan(text, (size_t)len, NULL);

			if (good)
				cr_assert_eq(rc, 0, "%s", text);
			for (int cut = 0; good && cut < len; cut++)
				cr_assert_eq(scan(text, (size_t)cut, NULL), ERR_INVAL, "cut at %d: %s", cut, text);
			if (!good && *v == '"' && v[1]) /* the others may be fine inside an array */
				cr_assert_eq(rc, ERR_INVAL, "%s", text);
		}
	}
}

/* Every byte inside a string, at every offset of the 16-byte step. */
Test(json, every_byte_in_a_string)
{
	char text[40];

	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 1; at < 35; at++) {
			memset(text, 'x', 36);
			text[0] = text[35] = '"';
			text[at] = (char)c;
			cr_assert_eq(scan(text, 36, NULL) == 0, c >= 0x20 && c < 0x80 && c != '"' && c != '\\',
				     "byte %u at %zu", c, at);
		}
}

/* J2 */
Test(json, depth)
{
	char text[4 * JSON_DEPTH_MAX];

	for (int object = 0; object < 2; object++)
		for (size_t depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
			struct buf b = {.max = sizeof(text) * 4};

			for (size_t i = 0; i < depth; i++)
				buf_puts(&b, object ? "{\"a\":" : "[");
			if (object)
				buf_putc(&b, '1');
			for (size_t i = 0; i < depth; i++)
				buf_putc(&b, object ? '}' : ']');
			cr_expect_eq(scan(b.data, b.len, NULL), depth > JSON_DEPTH_MAX ? ERR_RANGE : 0, "depth %zu",
				     depth);
			buf_done(&b);
		}
	memset(text, '[', sizeof(text));
	cr_expect_eq(scan(text, sizeof(text), NULL), ERR_RANGE);
}

/* J3 */
Test(json, members)
{
	static const struct {
		const char *text, *value;
		unsigned count;
		enum json_type type;
		uint64_t string_bytes;
	} rows[] = {
		{"{\"model\":\"x\"}", "\"x\"", 1, JSON_SPAN_STRING, 1},
		{" { \"a\" : 1 , \"model\" : [ \"ab\" , {\"k\":\"cde\"} ] } ", "[ \"ab\" , {\"k\":\"cde\"} ]", 1,
		 JSON_SPAN_ARRAY, 5},
		{"{\"mod\\u0065l\":{}}", "{}", 1, JSON_SPAN_OBJECT, 0},
		{"{\"\\u006D\\u006f\\u0064\\u0065\\u006c\":null}", "null", 1, JSON_SPAN_NULL, 0},
		{"{\"model\":1,\"model\":\"ab\",\"model\":false}", "false", 3, JSON_SPAN_FALSE, 0},
		{"{\"a\":{\"model\":1}}", NULL, 0, JSON_SPAN_ABSENT, 0},
		{"{\"a\":[{\"model\":1}],\"mode\":1,\"models\":2,\"mod\\u0065\":3,\"Model\":4,\"model\\u0000\":5}",
		 NULL, 0, JSON_SPAN_ABSENT, 0},
		{"{}", NULL, 0, JSON_SPAN_ABSENT, 0},
		{"{\"model\":-1.5e3,\"z\":\"zz\"}", "-1.5e3", 1, JSON_SPAN_NUMBER, 0},
		{"{\"model\":true}", "true", 1, JSON_SPAN_TRUE, 0},
		{"{\"model\":\"a\\nb\"}", "\"a\\nb\"", 1, JSON_SPAN_STRING, 4},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct json_member m = {.name = "model", .count = 99, .string_bytes = 99};

		cr_assert_eq(json_scan_object(rows[i].text, strlen(rows[i].text), &m, 1, NULL), 0, "%s", rows[i].text);
		cr_expect_eq(m.count, rows[i].count, "%s", rows[i].text);
		cr_expect_eq(m.value.type, rows[i].type, "%s", rows[i].text);
		cr_expect_eq(m.string_bytes, rows[i].string_bytes, "%s", rows[i].text);
		if (!rows[i].value)
			continue;
		cr_expect_eq(m.value.len, strlen(rows[i].value), "%s", rows[i].text);
		cr_expect_eq(strncmp(m.value.at, rows[i].value, m.value.len), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(valid); i++) {
		const char *p = valid[i] + strspn(valid[i], " \t\r\n");

		cr_expect_eq(json_scan_object(valid[i], strlen(valid[i]), NULL, 0, NULL), *p == '{' ? 0 : ERR_INVAL);
	}
}

Test(json, string_is)
{
	static const struct {
		const char *json, *text;
		bool same;
	} rows[] = {
		{"\"abc\"", "abc", true},
		{"\"abc\"", "ab", false},
		{"\"ab\"", "abc", false},
		{"\"\"", "", true},
		{"\"\\u00e9\\u20ac\\ud83d\\ude00\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", true},
		{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", true},
		{"\"a\\u0062\"", "ab", true},
		{"\"a\\u0062\"", "a", false},
		{"\"a\\u0062\"", "abc", false},
		{"\"\\ud83d\"", "\xf0\x9f\x98\x80", false},
		{"\"\\ud83dx\"", "x", false},
		{"\"\\u0000\"", "", false},
		{"1", "1", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct json_span v;

		cr_assert_eq(json_scan_value(rows[i].json, strlen(rows[i].json), &v, NULL), 0);
		cr_expect_eq(json_string_is(&v, rows[i].text), rows[i].same, "%s", rows[i].json);
	}
}

Test(json, iterator)
{
	static const char text[] = "{ \"a\" : 1 ,\"b\":[ ],\"c\":[1, \"x\" ,{ }]}";
	struct json_span whole, name, v;
	struct json_iter it;
	uint64_t n;

	cr_assert_eq(json_scan_value(text, strlen(text), &whole, NULL), 0);
	cr_assert_eq(json_iter_init(&it, &whole), 0);
	cr_assert_eq(json_iter_next(&it, &name, &v), 1);
	cr_expect(json_string_is(&name, "a"));
	cr_assert_eq(json_number_u64(&v, &n), 0);
	cr_expect_eq(n, 1);
	cr_expect_eq(json_iter_init(&(struct json_iter){0}, &v), ERR_INVAL, "a number holds nothing");
	cr_assert_eq(json_iter_next(&it, &name, &v), 1);
	cr_expect(json_is_empty(&v));
	cr_assert_eq(json_iter_next(&it, NULL, &v), 1);
	cr_expect_not(json_is_empty(&v));
	cr_assert_eq(json_iter_next(&it, &name, &whole), 0);
	cr_assert_eq(json_iter_next(&it, &name, &whole), 0, "stays at the end");
	cr_assert_eq(json_iter_init(&it, &v), 0);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(json_iter_next(&it, NULL, &v), 1);
	cr_expect_eq(v.type, JSON_SPAN_OBJECT);
	cr_expect_eq(json_iter_next(&it, NULL, &v), 0);
}

/* The walk checks for itself: a span that was never scanned gives an error, not a wild pointer. */
Test(json, iterator_over_rubbish)
{
	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++) {
		struct json_span v = {.at = invalid[i], .len = strlen(invalid[i])}, name;
		struct json_iter it;
		int rc;

		if (*invalid[i] != '[' && *invalid[i] != '{')
			continue;
		v.type = *invalid[i] == '[' ? JSON_SPAN_ARRAY : JSON_SPAN_OBJECT;
		if (v.len < 2)
			continue;
		cr_assert_eq(json_iter_init(&it, &v), 0);
		while ((rc = json_iter_next(&it, &name, &v)) == 1)
			;
		cr_expect(rc == 0 || rc == ERR_INVAL);
	}
}

Test(json, numbers)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t v;
	} rows[] = {{"0", 0, 0},
		    {"18446744073709551615", 0, UINT64_MAX},
		    {"18446744073709551616", ERR_RANGE, 0},
		    {"-1", ERR_INVAL, 0},
		    {"-0", ERR_INVAL, 0},
		    {"1.0", ERR_INVAL, 0},
		    {"1e2", ERR_INVAL, 0},
		    {"\"1\"", ERR_INVAL, 0},
		    {"null", ERR_INVAL, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct json_span v;
		uint64_t n = 77;

		cr_assert_eq(json_scan_value(rows[i].text, strlen(rows[i].text), &v, NULL), 0);
		cr_expect_eq(json_number_u64(&v, &n), rows[i].rc, "%s", rows[i].text);
		cr_expect_eq(n, rows[i].rc ? 77 : rows[i].v, "%s", rows[i].text);
	}
}
