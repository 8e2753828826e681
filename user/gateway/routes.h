/* What the NIC knows of routes: while every deployment that could serve an API route has its circuit open, the route's
 * word says until when, and requests are answered 503 there (abi.h, struct tg_route_state).
 *
 * Invariant (tests cite it):
 *  Q1  Whoever changes a breaker calls routes_update() afterwards; of several at once the last one sees all changes, so
 *      that the words are those of the breakers. */
#ifndef GATEWAY_ROUTES_H
#define GATEWAY_ROUTES_H

#include "dialect/dialect.h"
#include "gateway/catalog.h"
#include "tollgate/abi.h"

#include <pthread.h>

/* A circuit that is forced open has no time; the route's word is set anew long before this is over (routes_update from
 * the control thread's tick), and runs out when nobody is there to do that. */
#define ROUTES_FORCED_NS 30000000000ull

struct routes {
	pthread_mutex_t lock;
	struct tg_route_state *words;  /* [TG_DIM_COUNT], the kernel's */
	const struct catalog *catalog; /* whose deployments count; NULL = none yet */
};

void routes_init(struct routes *r, struct tg_route_state *words);
void routes_done(struct routes *r);
/* Another catalog's deployments count from now on. Before the old one is released. */
void routes_set(struct routes *r, const struct catalog *c, uint64_t now_ns);
/* Any thread. */
void routes_update(struct routes *r, uint64_t now_ns);

#endif
