/* Money as text, and its few sums. */
#include "model/money.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#define NANO_DIGITS 9
#define SHOWN_DECIMALS 2
#define NANO_PER_CENT 10000000ll

/* Appends a digit unless that passes `max`; false then, and ever after when the caller keeps it so. */
static bool push_digit(uint64_t *n, unsigned digit, uint64_t max)
{
	if (*n > (max - digit) / 10)
		return false;
	*n = *n * 10 + digit;
	return true;
}

static int bad_form(struct err *err)
{
	return err_set(err, ERR_INVAL, "not an amount: want digits, and at most %d decimals, such as 12.50",
		       NANO_DIGITS);
}

int money_parse(const char *s, size_t len, int64_t *ret_nano, struct err *err)
{
	const char *end = s + len;
	bool negative = len && *s == '-';
	/* The magnitude; INT64_MIN's is one more than INT64_MAX. */
	uint64_t max = (uint64_t)INT64_MAX + negative, n = 0;
	int whole = 0, decimals = -1; /* -1: no point yet */
	bool fits = true;

	/* The form is judged to the end before the size is: "99999999999999x" is no amount, not one too large. */
	for (s += negative; s < end; s++) {
		if (*s == '.' && whole && decimals < 0) {
			decimals = 0;
			continue;
		}
		if (*s < '0' || *s > '9' || decimals == NANO_DIGITS)
			return bad_form(err);
		if (decimals >= 0)
			decimals++;
		else
			whole = 1;
		fits = fits && push_digit(&n, (unsigned)(*s - '0'), max);
	}
	if (!whole || decimals == 0)
		return bad_form(err);
	for (int d = decimals < 0 ? 0 : decimals; d < NANO_DIGITS; d++)
		fits = fits && push_digit(&n, 0, max);
	if (!fits)
		return err_set(err, ERR_RANGE, "amount too large: at most 9223372036.854775807");
	*ret_nano = negative ? (int64_t)(0 - n) : (int64_t)n;
	return 0;
}

void money_format(int64_t nano, char buf[MONEY_TEXT_MAX])
{
	uint64_t n = nano < 0 ? 0 - (uint64_t)nano : (uint64_t)nano;
	uint64_t whole = n / MONEY_NANO, rest = n % MONEY_NANO;
	int len = snprintf(buf, MONEY_TEXT_MAX, "%s%" PRIu64 ".%09" PRIu64, nano < 0 ? "-" : "", whole, rest);

	for (int cut = NANO_DIGITS - SHOWN_DECIMALS; cut && buf[len - 1] == '0'; cut--)
		buf[--len] = '\0';
}

int64_t money_round_cents(int64_t nano)
{
	int64_t rest = nano % NANO_PER_CENT; /* has the sign of nano */
	int64_t cut = nano - rest;

	if (rest >= NANO_PER_CENT / 2)
		return cut + NANO_PER_CENT;
	if (rest <= -NANO_PER_CENT / 2)
		return cut - NANO_PER_CENT;
	return cut;
}

int money_add(int64_t a_nano, int64_t b_nano, int64_t *ret_nano)
{
	int64_t sum;

	if (__builtin_add_overflow(a_nano, b_nano, &sum))
		return ERR_RANGE;
	*ret_nano = sum;
	return 0;
}
