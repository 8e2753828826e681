/* Goal: numbers and units as people write them. Method: table rows, valid and invalid. */
#include "base/num.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

struct row {
	const char *text;
	int rc;
	uint64_t value;
};

Test(num, duration)
{
	static const struct row rows[] = {
		{ "60s", 0, 60000000000u }, { "250us", 0, 250000u }, { "10ns", 0, 10 },
		{ "5m", 0, 300000000000u }, { "7d", 0, 604800000000000u }, { "0s", 0, 0 },
		{ "60", ERR_INVAL, 0 },	    { "", ERR_INVAL, 0 },    { "s", ERR_INVAL, 0 },
		{ "-1s", ERR_INVAL, 0 },    { "1.5s", ERR_INVAL, 0 }, { "1s ", ERR_INVAL, 0 },
		{ "1S", ERR_INVAL, 0 },	    { "99999999999999999999s", ERR_RANGE, 0 },
		{ "18446744073709551615d", ERR_RANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = 77;
		int rc = num_parse_duration_ns(rows[i].text, strlen(rows[i].text), &v);

		cr_expect_eq(rc, rows[i].rc, "'%s': rc %d", rows[i].text, rc);
		cr_expect_eq(v, rows[i].rc ? 77 : rows[i].value, "'%s': %" PRIu64, rows[i].text, v);
	}
}

Test(num, bytes)
{
	static const struct row rows[] = {
		{ "512", 0, 512 },	 { "8KiB", 0, 8192 },	  { "1GiB", 0, 1u << 30 },
		{ "5kB", 0, 5000 },	 { "8kib", ERR_INVAL, 0 }, { "KiB", ERR_INVAL, 0 },
		{ "99999999999GiB", ERR_RANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = 77;
		int rc = num_parse_bytes(rows[i].text, strlen(rows[i].text), &v);

		cr_expect_eq(rc, rows[i].rc, "'%s': rc %d", rows[i].text, rc);
		cr_expect_eq(v, rows[i].rc ? 77 : rows[i].value, "'%s'", rows[i].text);
	}
}

Test(num, formats)
{
	static const struct {
		uint64_t ns;
		const char *plain, *go;
	} rows[] = {
		{ 0, "0s", "0ms" },
		{ 60000000000u, "60s", "1m0s" },
		{ 1500000000u, "1500ms", "1.500s" },
		{ 12000000u, "12ms", "12ms" },
		{ 12000001u, "12000001ns", "13ms" },
		{ 3600000000000u, "1h", "1h0m0s" },
		{ 86400000000000u, "1d", "24h0m0s" },
	};
	char buf[32];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		num_format_duration(rows[i].ns, buf);
		cr_expect_str_eq(buf, rows[i].plain);
		num_format_go_duration(rows[i].ns, buf);
		cr_expect_str_eq(buf, rows[i].go);
	}
}
