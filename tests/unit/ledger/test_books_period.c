/* Goal: a period is the month or day that people mean, UTC, and nothing else is taken for one. Method: bounds from
 * `date -u -d`, refused spellings. */
#include "ledger/books.h"

#include <criterion/criterion.h>
#include <inttypes.h>

Test(books_period, bounds)
{
	static const struct {
		const char *text;
		int64_t from_s, to_s;
	} rows[] = {
		{"1970-01", 0, 2678400},
		{"1970-01-01", 0, 86400},
		{"2000-02", 949363200, 951868800}, /* 29 days: divisible by 400 */
		{"2024-02-29", 1709164800, 1709251200},
		{"2026-02", 1769904000, 1772323200},
		{"2026-10", 1790812800, 1793491200},
		{"2026-11", 1793491200, 1796083200},
		{"2026-11-24", 1795478400, 1795564800},
		{"2026-12", 1796083200, 1798761600},
		{"2026-12-31", 1798675200, 1798761600},
		{"2100-02", 4105123200, 4107542400}, /* 28 days: divisible by 100 only */
		{"9999-12-31", 253402214400, 253402300800},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t from = -1, to = -1;
		struct err err = {0};

		cr_expect_eq(books_period_parse(rows[i].text, &from, &to, &err), 0, "%s: %s", rows[i].text, err.msg);
		cr_expect_eq(from, rows[i].from_s * 1000, "%s begins at %" PRId64, rows[i].text, from);
		cr_expect_eq(to, rows[i].to_s * 1000, "%s ends at %" PRId64, rows[i].text, to);
	}
}

Test(books_period, refused)
{
	static const char *const texts[] = {"",         "2026",       "2026-1",     "2026-13",    "2026-00",
					    "2026-11-", "2026-11-31", "2026-02-29", "2100-02-29", "2026-11-00",
					    "2026/11",  " 2026-11",   "2026-11 ",   "+026-11",    "2026-11-24T00:00",
					    "1969-12",  "20a6-11",    "2026-11-2x", "-026-11",    "99999-11"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		int64_t from = 7, to = 8;
		struct err err = {0};

		cr_expect_eq(books_period_parse(texts[i], &from, &to, &err), ERR_INVAL, "\"%s\" was taken", texts[i]);
		cr_expect(from == 7 && to == 8, "\"%s\": out parameters were touched", texts[i]);
		cr_expect(err.msg[0] != '\0');
	}
}
