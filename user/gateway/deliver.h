/* The provider's answer on its way to the client. */
#ifndef GATEWAY_DELIVER_H
#define GATEWAY_DELIVER_H

#include "gateway/call.h"

void deliver_head(struct call *c, const struct upstream_head *h);
void deliver_body(struct call *c, const char *data, size_t len);
/* The provider failed after its answer's head. */
void deliver_failed(struct call *c, int code);

#endif
