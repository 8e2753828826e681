/* Goal: what a provider's limit headers say of its utilisation (quota.h). Method: tables of headers as providers send them. */
#include "gateway/quota.h"

#include <criterion/criterion.h>
#include <string.h>

struct row {
	const char *name;
	const char *headers[4][2];
	uint32_t used_e4;
};

static const struct row rows[] = {
	{"nothing said", {{NULL}}, PRICING_QUOTA_UNKNOWN},
	{"requests", {{"x-ratelimit-limit-requests", "100"}, {"x-ratelimit-remaining-requests", "25"}}, 7500},
	{"any case", {{"X-RateLimit-Limit-Requests", "100"}, {"X-RATELIMIT-REMAINING-REQUESTS", "100"}}, 0},
	{"the fuller of two",
	 {{"x-ratelimit-limit-requests", "100"},
	  {"x-ratelimit-remaining-requests", "90"},
	  {"x-ratelimit-limit-tokens", "1000000"},
	  {"x-ratelimit-remaining-tokens", "200000"}},
	 8000},
	{"half a pair", {{"x-ratelimit-limit-tokens", "10"}}, PRICING_QUOTA_UNKNOWN},
	{"Azure's -1", {{"x-ratelimit-limit-tokens", "10"}, {"x-ratelimit-remaining-tokens", "-1"}}, PRICING_QUOTA_UNKNOWN},
	{"Azure's 0", {{"x-ratelimit-limit-tokens", "0"}, {"x-ratelimit-remaining-tokens", "0"}}, PRICING_QUOTA_UNKNOWN},
	{"more left than there is",
	 {{"x-ratelimit-limit-tokens", "10"}, {"x-ratelimit-remaining-tokens", "11"}},
	 PRICING_QUOTA_UNKNOWN},
	{"no number", {{"x-ratelimit-limit-tokens", "many"}, {"x-ratelimit-remaining-tokens", "9"}}, PRICING_QUOTA_UNKNOWN},
	{"too large to multiply",
	 {{"x-ratelimit-limit-tokens", "18446744073709551615"}, {"x-ratelimit-remaining-tokens", "1"}},
	 PRICING_QUOTA_UNKNOWN},
	{"another header", {{"x-ratelimit-reset-tokens", "10"}, {"x-ratelimit-remaining-tokens", "1"}}, PRICING_QUOTA_UNKNOWN},
};

Test(quota, tables)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pricing_load load = {0};
		struct quota q = {0};

		atomic_init(&load.quota_used_e4, PRICING_QUOTA_UNKNOWN);
		for (unsigned h = 0; h < 4 && rows[i].headers[h][0]; h++)
			quota_read(&q, rows[i].headers[h][0], strlen(rows[i].headers[h][0]), rows[i].headers[h][1],
				   strlen(rows[i].headers[h][1]));
		quota_note(&q, &load, 7);
		cr_expect_eq(atomic_load(&load.quota_used_e4), rows[i].used_e4, "%s: %u", rows[i].name,
			     atomic_load(&load.quota_used_e4));
	}
}

Test(quota, silence_keeps_what_was_said_before)
{
	struct pricing_load load = {0};
	struct quota q = {0};

	atomic_init(&load.quota_used_e4, 1234);
	quota_note(&q, &load, 7);
	cr_expect_eq(atomic_load(&load.quota_used_e4), 1234);
}
