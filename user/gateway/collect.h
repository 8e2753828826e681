/* Metrics collector of the gateway. [control] */
#ifndef GATEWAY_COLLECT_H
#define GATEWAY_COLLECT_H

#include "base/buf.h"

#include <stdbool.h>

/* A metrics_collector; the argument is the struct gateway. */
void gateway_collect(struct buf *out, bool openmetrics, void *arg);

#endif
