/* From the policy's numbers to GCRA rates: what kernel and daemon enforce. Pure. */
#ifndef GUARD_RATES_H
#define GUARD_RATES_H

#include "base/util.h"
#include "tollgate/abi.h"

#include <stdbool.h>

/* A rate of `units` per `period_ns` with `burst` units. Emission rounds up (G3); units == 0 gives "no limit", burst ==
 * 0 counts as 1. Ranges are checked by the policy's schema: burst * period / units <= TG_GCRA_MAX_NS; beyond it the
 * burst is cut to that. */
struct tg_rate rates_compile(__u64 units, __u64 period_ns, __u64 burst, bool shadow);

#endif
