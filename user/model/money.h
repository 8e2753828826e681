/* Money: whole nano-units (1e-9) of the installation's one currency, in an int64_t whose name ends in _nano.
 * 2^63 nano-units are 9.2 thousand million units: sums are checked, never wrapped. */
#ifndef MODEL_MONEY_H
#define MODEL_MONEY_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define MONEY_NANO 1000000000ll /* one unit of the currency */
#define MONEY_TEXT_MAX 32
#define CURRENCY_MAX 4 /* ISO 4217 and NUL */

/* "12", "12.5", "-0.000000001": at most nine decimals, no exponent, no blanks, no leading '+'.
 * Errors: ERR_INVAL (not of that form), ERR_RANGE; *ret then untouched. */
int money_parse(const char *s, size_t len, int64_t *ret_nano, struct err *err) MUST_CHECK;
/* Exact, with at least two decimals: "0.00", "12.50", "-0.000000001". */
void money_format(int64_t nano, char buf[MONEY_TEXT_MAX]);
/* To whole cents, half away from zero; the result is in nano-units still (money_format then shows two decimals). Can't
 * overflow: the last cents of an int64_t round towards zero. */
int64_t money_round_cents(int64_t nano);
/* ERR_RANGE when the sum doesn't fit; *ret then untouched. */
int money_add(int64_t a_nano, int64_t b_nano, int64_t *ret_nano) MUST_CHECK;

#endif
