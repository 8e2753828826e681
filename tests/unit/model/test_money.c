/* Goal: amounts as text are exact both ways, nothing else is taken for one, and sums and cents don't wrap. Method:
 * tables; 2 million random amounts there and back; every text of up to five characters of a small alphabet against the
 * form as a grammar says it. */
#include "model/money.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define UNTOUCHED (-77)

Test(money, parse)
{
	static const struct {
		const char *text;
		int rc;
		int64_t nano;
	} rows[] = {
		{"0", 0, 0},
		{"-0", 0, 0},
		{"0.0", 0, 0},
		{"12", 0, 12 * MONEY_NANO},
		{"12.5", 0, 12500000000},
		{"12.50", 0, 12500000000},
		{"0.0000125", 0, 12500},
		{"0.000000001", 0, 1},
		{"-0.000000001", 0, -1},
		{"007.25", 0, 7250000000},
		{"00000000000000000000000000000000000000001", 0, MONEY_NANO},
		{"9223372036.854775807", 0, INT64_MAX},
		{"-9223372036.854775808", 0, INT64_MIN},
		{"9223372036.854775808", ERR_RANGE, 0},
		{"-9223372036.854775809", ERR_RANGE, 0},
		{"9223372037", ERR_RANGE, 0},
		{"18446744073.709551616", ERR_RANGE, 0}, /* 2^64 nano-units: 0 when it wraps */
		{"18446744073709551617", ERR_RANGE, 0},
		{"99999999999999999999999999999999", ERR_RANGE, 0},
		{"", ERR_INVAL, 0},
		{"-", ERR_INVAL, 0},
		{".", ERR_INVAL, 0},
		{"-.", ERR_INVAL, 0},
		{".5", ERR_INVAL, 0},
		{"5.", ERR_INVAL, 0},
		{"+5", ERR_INVAL, 0},
		{"--5", ERR_INVAL, 0},
		{"5-", ERR_INVAL, 0},
		{"1.2.3", ERR_INVAL, 0},
		{"1..2", ERR_INVAL, 0},
		{"1,5", ERR_INVAL, 0},
		{"1e3", ERR_INVAL, 0},
		{"0x10", ERR_INVAL, 0},
		{" 5", ERR_INVAL, 0},
		{"5 ", ERR_INVAL, 0},
		{"5\n", ERR_INVAL, 0},
		{"0.0000000001", ERR_INVAL, 0}, /* ten decimals, also if the tenth is a 0 */
		{"0.0000000010", ERR_INVAL, 0},
		{"NaN", ERR_INVAL, 0},
		{"inf", ERR_INVAL, 0},
		{"\xd9\xa1", ERR_INVAL, 0},                 /* ARABIC-INDIC DIGIT ONE */
		{"99999999999999999999999x", ERR_INVAL, 0}, /* no amount, rather than one too large */
		{"99999999999999999999999.", ERR_INVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t nano = UNTOUCHED;
		struct err err = {0};

		cr_expect_eq(money_parse(rows[i].text, strlen(rows[i].text), &nano, &err), rows[i].rc, "\"%s\"",
			     rows[i].text);
		cr_expect_eq(nano, rows[i].rc ? UNTOUCHED : rows[i].nano, "\"%s\": %" PRId64, rows[i].text, nano);
		cr_expect_eq(err.code, rows[i].rc, "\"%s\"", rows[i].text);
	}
}

Test(money, parse_ends_at_its_length)
{
	int64_t nano = UNTOUCHED;

	cr_expect_eq(money_parse("12.5678", 4, &nano, NULL), 0);
	cr_expect_eq(nano, 12500000000);
	cr_expect_eq(money_parse("12.5", 3, &nano, NULL), ERR_INVAL);
	cr_expect_eq(money_parse("1\0002", 3, &nano, NULL), ERR_INVAL);
	cr_expect_eq(money_parse("5", 0, &nano, NULL), ERR_INVAL);
}

/* amount = ["-"] digit+ ["." digit+], at most five characters here, so that decimals and size don't matter. */
static bool is_amount(const char *s)
{
	s += *s == '-';
	if (!strspn(s, "01"))
		return false;
	s += strspn(s, "01");
	if (*s == '.') {
		s++;
		if (!strspn(s, "01"))
			return false;
		s += strspn(s, "01");
	}
	return !*s;
}

Test(money, form_of_all_short_texts)
{
	static const char alphabet[] = "01.-+e ";
	const unsigned n = sizeof(alphabet) - 1;

	for (unsigned len = 0, count = 1; len <= 5; len++, count *= n)
		for (unsigned k = 0; k < count; k++) {
			char s[6] = "";
			int64_t nano = UNTOUCHED;
			int rc;

			for (unsigned i = 0, rest = k; i < len; i++, rest /= n)
				s[i] = alphabet[rest % n];
			rc = money_parse(s, len, &nano, NULL);
			if (rc != (is_amount(s) ? 0 : ERR_INVAL) || (rc < 0 && nano != UNTOUCHED))
				cr_assert_fail("\"%s\": %d", s, rc);
		}
}

Test(money, format)
{
	static const struct {
		int64_t nano;
		const char *text;
	} rows[] = {
		{0, "0.00"},
		{1, "0.000000001"},
		{-1, "-0.000000001"},
		{10, "0.00000001"},
		{12500, "0.0000125"},
		{640714, "0.000640714"},
		{10000000, "0.01"},
		{1000000, "0.001"},
		{100000000, "0.10"},
		{12500000000, "12.50"},
		{-12500000000, "-12.50"},
		{12 * MONEY_NANO, "12.00"},
		{100 * MONEY_NANO, "100.00"},
		{INT64_MAX, "9223372036.854775807"},
		{INT64_MIN, "-9223372036.854775808"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char buf[MONEY_TEXT_MAX];

		money_format(rows[i].nano, buf);
		cr_expect_str_eq(buf, rows[i].text);
	}
}

Test(money, there_and_back)
{
	uint64_t x = 88172645463325252u;

	for (unsigned i = 0; i < 2000000; i++) {
		char buf[MONEY_TEXT_MAX];
		int64_t nano, again = UNTOUCHED;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17; /* xorshift64 */
		nano = (int64_t)x >> (i % 64);
		money_format(nano, buf);
		if (money_parse(buf, strlen(buf), &again, NULL) || again != nano)
			cr_assert_fail("%" PRId64 ": %s", nano, buf);
	}
}

Test(money, round_cents)
{
	static const struct {
		int64_t nano, rounded_nano;
	} rows[] = {
		{0, 0},
		{4999999, 0},
		{5000000, 10000000},
		{-4999999, 0},
		{-5000000, -10000000},
		{10000000, 10000000},
		{14999999, 10000000},
		{15000000, 20000000},
		{25000000, 30000000}, /* away from zero, not to even */
		{-25000000, -30000000},
		{640714, 0},
		{INT64_MAX, 9223372036850000000},
		{INT64_MIN, -9223372036850000000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_eq(money_round_cents(rows[i].nano), rows[i].rounded_nano, "%" PRId64, rows[i].nano);
}

Test(money, add)
{
	static const struct {
		int64_t a, b, sum;
		int rc;
	} rows[] = {
		{1, 2, 3, 0},
		{INT64_MAX, 0, INT64_MAX, 0},
		{INT64_MAX, INT64_MIN, -1, 0},
		{INT64_MAX, 1, 0, ERR_RANGE},
		{INT64_MIN, -1, 0, ERR_RANGE},
		{INT64_MIN, INT64_MIN, 0, ERR_RANGE},
		{INT64_MAX, INT64_MAX, 0, ERR_RANGE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t sum = UNTOUCHED;

		cr_expect_eq(money_add(rows[i].a, rows[i].b, &sum), rows[i].rc, "row %zu", i);
		cr_expect_eq(sum, rows[i].rc ? UNTOUCHED : rows[i].sum, "row %zu", i);
	}
}
