#include "guard/rates.h"

#include "tollgate/gcra.h"

/* From 10 us per unit on, a whole number of nanoseconds is within 0.01 % of the rate asked for, and makes single
 * units cost exactly burst_ns / burst: a burst of N admits N and not N - 1. Finer rates keep the fraction. */
#define WHOLE_NS_FROM 10000u

static __u64 emission_q16(__u64 units, __u64 period_ns)
{
	unsigned __int128 q16 = (((unsigned __int128)period_ns << 16) + units - 1) / units;
	unsigned __int128 max = (unsigned __int128)TG_GCRA_MAX_NS << 16;

	if (q16 >= (unsigned __int128)WHOLE_NS_FROM << 16)
		q16 = (q16 + 0xffff) >> 16 << 16;
	if (q16 > max)
		q16 = max;
	return q16 ? (__u64)q16 : 1;
}

struct tg_rate rates_compile(__u64 units, __u64 period_ns, __u64 burst, bool shadow)
{
	struct tg_rate r = {.flags = shadow ? TG_RATE_SHADOW : 0};

	if (!units)
		return r;
	r.emission_q16 = emission_q16(units, period_ns);
	/* A burst below one unit would refuse for ever. */
	r.burst_ns = tg_gcra_cost_ns(r.emission_q16, burst ? burst : 1);
	if (r.burst_ns > TG_GCRA_MAX_NS)
		r.burst_ns = TG_GCRA_MAX_NS;
	r.limit = units > 0xffffffffu ? 0xffffffffu : (__u32)units;
	return r;
}
