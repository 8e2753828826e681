#include "base/num.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first, so that formatting finds the shortest exact form. */
static const struct unit durations[] = {
	{ "d", 86400000000000u }, { "h", 3600000000000u }, { "m", 60000000000u }, { "s", 1000000000u },
	{ "ms", 1000000u },	  { "us", 1000u },	   { "ns", 1u },
};

static const struct unit sizes[] = {
	{ "GiB", 1u << 30 },   { "MiB", 1u << 20 }, { "KiB", 1u << 10 }, { "GB", 1000000000u },
	{ "MB", 1000000u },    { "kB", 1000u },	    { "B", 1u },	 { "", 1u },
};

int num_parse_u64(const char *s, size_t len, uint64_t *ret)
{
	uint64_t v = 0;

	if (!len)
		return ERR_INVAL;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return ERR_INVAL;
		if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
			return ERR_RANGE;
	}
	*ret = v;
	return 0;
}

static int parse_with_unit(const char *s, size_t len, const struct unit *units, size_t n_units, uint64_t *ret)
{
	size_t digits = 0;
	uint64_t v;
	int rc;

	while (digits < len && s[digits] >= '0' && s[digits] <= '9')
		digits++;
	rc = num_parse_u64(s, digits, &v);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n_units; i++) {
		if (strlen(units[i].name) != len - digits || memcmp(units[i].name, s + digits, len - digits) != 0)
			continue;
		if (__builtin_mul_overflow(v, units[i].factor, &v))
			return ERR_RANGE;
		*ret = v;
		return 0;
	}
	return ERR_INVAL;
}

int num_parse_duration_ns(const char *s, size_t len, uint64_t *ret_ns)
{
	return parse_with_unit(s, len, durations, ARRAY_SIZE(durations), ret_ns);
}

int num_parse_bytes(const char *s, size_t len, uint64_t *ret_bytes)
{
	return parse_with_unit(s, len, sizes, ARRAY_SIZE(sizes), ret_bytes);
}

void num_format_duration(uint64_t ns, char buf[32])
{
	size_t i = 0;

	if (ns == 0) {
		snprintf(buf, 32, "0s");
		return;
	}
	/* Up to 120 s stays in seconds: "60s" reads better than "1m" beside other periods. */
	if (ns % 1000000000u == 0 && ns <= 120000000000u)
		i = 3;
	while (i + 1 < ARRAY_SIZE(durations) && ns % durations[i].factor)
		i++;
	snprintf(buf, 32, "%" PRIu64 "%s", ns / durations[i].factor, durations[i].name);
}

void num_format_go_duration(uint64_t ns, char buf[32])
{
	uint64_t ms = (ns + 999999u) / 1000000u, h, m;

	if (ms < 1000) {
		snprintf(buf, 32, "%" PRIu64 "ms", ms);
		return;
	}
	h = ms / 3600000u;
	m = ms / 60000u % 60u;
	ms %= 60000u;
	if (h)
		snprintf(buf, 32, "%" PRIu64 "h%" PRIu64 "m%" PRIu64 "s", h, m, ms / 1000u);
	else if (m)
		snprintf(buf, 32, "%" PRIu64 "m%" PRIu64 "s", m, ms / 1000u);
	else if (ms % 1000u)
		snprintf(buf, 32, "%" PRIu64 ".%03" PRIu64 "s", ms / 1000u, ms % 1000u);
	else
		snprintf(buf, 32, "%" PRIu64 "s", ms / 1000u);
}
