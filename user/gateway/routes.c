#include "gateway/routes.h"

#include "gateway/health.h"

void routes_init(struct routes *r, struct tg_route_state *words)
{
	pthread_mutex_init(&r->lock, NULL);
	r->words = words;
	r->catalog = NULL;
}

void routes_done(struct routes *r)
{
	pthread_mutex_destroy(&r->lock);
}

/* Per wire: when the first deployment can be had again; 0 = one can be had now, or there is none at all, which is the
 * daemon's to explain. */
static void look(const struct catalog *c, uint64_t now_ns, uint64_t until_ns[WIRE_COUNT + 1])
{
	bool usable[WIRE_COUNT + 1] = {[WIRE_NONE] = true};

	for (unsigned w = 0; w <= WIRE_COUNT; w++)
		until_ns[w] = 0;
	for (size_t i = 0; c && i < c->n_identities; i++) {
		const struct catalog_identity *id = &c->identities[i];
		uint64_t t = breaker_blocked_until(&id->health->breaker, now_ns);

		if (t == UINT64_MAX)
			t = now_ns + ROUTES_FORCED_NS;
		for (unsigned w = 0; w < WIRE_COUNT; w++) {
			if (!(id->wires >> w & 1))
				continue;
			usable[w] |= !t;
			if (!until_ns[w] || t < until_ns[w])
				until_ns[w] = t;
		}
	}
	for (unsigned w = 0; w <= WIRE_COUNT; w++)
		if (usable[w])
			until_ns[w] = 0;
}

/* Under the lock. */
static void update(struct routes *r, uint64_t now_ns)
{
	uint64_t until_ns[WIRE_COUNT + 1];

	look(r->catalog, now_ns, until_ns);
	for (unsigned i = 0; i < TG_ROUTE_COUNT; i++)
		__atomic_store_n(&r->words[i].open_until_ns, until_ns[dialect_wire_of((enum tg_route)i)],
				 __ATOMIC_RELEASE);
}

void routes_set(struct routes *r, const struct catalog *c, uint64_t now_ns)
{
	pthread_mutex_lock(&r->lock);
	r->catalog = c;
	update(r, now_ns);
	pthread_mutex_unlock(&r->lock);
}

void routes_update(struct routes *r, uint64_t now_ns)
{
	pthread_mutex_lock(&r->lock);
	update(r, now_ns);
	pthread_mutex_unlock(&r->lock);
}
