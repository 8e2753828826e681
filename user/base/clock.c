#include "base/clock.h"

#include <stdio.h>

void clock_format_wall(int64_t wall_ms, char buf[25])
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(buf, 25, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + 19, 6, ".%03uZ", (unsigned)(wall_ms % 1000) % 1000u);
}
