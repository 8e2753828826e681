#include "ledger/books.h"

#include <stdbool.h>
#include <string.h>

#define DAY_MS 86400000ll
#define YEAR_MIN 1970

/* Days since 1970-01-01 of a date of the Gregorian calendar; month 1..12. */
static int64_t days_of(int year, int month, int day)
{
	/* Years that begin in March, so that the leap day is a year's last. */
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

static int month_days(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : days[month - 1];
}

static bool digits(const char *s, size_t n, int *ret)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (s[i] - '0');
	}
	*ret = v;
	return true;
}

int books_period_parse(const char *text, int64_t *ret_from_ms, int64_t *ret_to_ms, struct err *err)
{
	size_t len = strlen(text);
	int year, month, day = 1;
	bool well;

	well = (len == 7 || len == 10) && digits(text, 4, &year) && text[4] == '-' && digits(text + 5, 2, &month);
	if (well && len == 10)
		well = text[7] == '-' && digits(text + 8, 2, &day);
	if (!well)
		return err_set(err, ERR_INVAL,
			       "period \"%.32s\": a month as 2026-11 or a day as 2026-11-24 is meant (UTC)", text);
	if (year < YEAR_MIN || month < 1 || month > 12 || day < 1 || day > month_days(year, month))
		return err_set(err, ERR_INVAL, "period \"%s\": there is no such %s", text, len == 7 ? "month" : "day");
	*ret_from_ms = days_of(year, month, day) * DAY_MS;
	*ret_to_ms = *ret_from_ms + (len == 7 ? month_days(year, month) : 1) * DAY_MS;
	return 0;
}
