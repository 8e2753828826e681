/* The gateway's metrics: families made once, series cached per worker so that counting is an array access. */
#ifndef GATEWAY_METERS_H
#define GATEWAY_METERS_H

#include "conf/conf.h"
#include "observe/metrics.h"
#include "tollgate/abi.h"
#include "upstream/upstream.h"

#include <stdatomic.h>

struct gateway;
struct call;

struct meters {
	struct metrics *metrics;
	struct metric *requests, *duration, *overhead, *first_byte, *tokens, *upstream_errors, *no_usage;
	struct metric *learn_failed;
};

#define METER_STATUSES 24u
#define METER_PROVIDERS 16u
struct worker_meters {
	/* series + 1; 0 = not looked up. The last row of each dimension is "none". */
	int requests[TG_ROUTE_COUNT + 1][METER_PROVIDERS + 1][METER_STATUSES];
	int duration[TG_ROUTE_COUNT + 1], overhead[TG_ROUTE_COUNT + 1], first_byte[TG_ROUTE_COUNT + 1];
	unsigned catalog_version; /* providers' indexes are of this catalog */
	/* Single writer: the worker. */
	_Atomic uint64_t verdicts[TG_VERDICT_COUNT][TG_REASON_COUNT];
};

int meters_init(struct gateway *gw, struct metrics *m, struct err *err) MUST_CHECK;
/* At the end of a call. */
void meters_call(struct call *c, uint64_t now_ns);
/* When its usage is known, or known to be missing. */
void meters_usage(struct call *c);
void meters_verdict(struct call *c, enum tg_verdict verdict, enum tg_reason reason);
void meters_upstream_error(struct call *c, const char *kind);
void meters_learn_failed(struct call *c);
const char *meters_route_name(enum tg_route route);

#endif
