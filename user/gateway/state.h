/* What the gateway's files share: the process-wide part and a worker's part. */
#ifndef GATEWAY_STATE_H
#define GATEWAY_STATE_H

#include "base/buf.h"
#include "crypto/keyed.h"
#include "gateway/catalog.h"
#include "gateway/directory.h"
#include "gateway/faults.h"
#include "gateway/gateway.h"
#include "gateway/keycache.h"
#include "gateway/meters.h"
#include "gateway/pricing.h"
#include "gateway/routes.h"
#include "guard/limits.h"
#include "upstream/upstream.h"

#include <pthread.h>
#include <stdatomic.h>

struct call;

/* A policy as workers judge by it. Two slots, chosen by generation & 1, reused in place (W2). */
struct snapshot {
	atomic_uint generation;
	struct tg_policy words;
	struct limits_view limits;
	struct faults faults;
};

struct reasons;

struct gateway {
	struct kernel *kernel;
	struct tg_control *control;
	struct tg_subject *subjects;
	uint8_t pepper[CRYPTO_PEPPER_LEN];
	uint64_t tag_key[4];
	_Atomic(struct directory *) directory;
	struct snapshot slots[2];
	pthread_mutex_t catalog_lock; /* taken only when the catalog changes hands */
	struct catalog *catalog;
	struct pricing *pricing;     /* of this catalog and the policy in force; NULL = billing is off */
	atomic_uint catalog_version; /* counts changes of either */
	struct policy *policy;
	struct ledger *ledger; /* NULL = billing is off */
	struct pricing_tiers tiers;
	struct reasons *reasons;
	struct health_registry *health;
	struct routes routes;
	struct bulkhead *tenants; /* [TG_SUBJECTS_MAX], touched where it is used */
	struct meters meters;
	unsigned n_workers;
	_Atomic(struct gateway_worker *) *workers; /* NULL = not running */
	pthread_mutex_t pass_lock;                 /* gateway_quiesce(): which pass is waited for */
	pthread_cond_t pass_cond;
	unsigned pass;
};

/* Connections to one provider; kept across reloads while its address and time limits stay. */
struct worker_pool {
	struct worker_pool *next;
	struct upstream_pool *pool; /* NULL: couldn't be made, `why` says so */
	char *base_url, *ca_file;
	struct upstream_opts opts;
	unsigned refs;
	char why[160];
};

/* A catalog and its prices as this worker uses them. */
struct worker_catalog {
	struct worker_catalog *next;
	unsigned version;
	struct catalog *catalog;
	struct pricing *pricing;    /* NULL = billing is off */
	struct worker_pool **pools; /* by provider */
	unsigned calls;
};

#define WORKER_SPARE_BUFS 64u
#define WORKER_SPARE_BYTES 65536u /* larger ones are freed */
#define WORKER_SPARE_CALLS 256u

struct gateway_worker {
	struct gateway *gw;
	unsigned index;
	struct loop *loop;
	struct http_server_opts opts;
	struct http_server *plain, *tls;
	struct worker_catalog *current, *old;
	struct worker_pool *pools;
	struct keycache keys;
	struct call *calls; /* under way */
	struct call *spare_calls;
	unsigned n_spare_calls;
	atomic_uint n_calls, n_connections;
	uint64_t id_seed, id_count;
	uint64_t random;
	struct buf scratch;                  /* one stream piece at a time */
	struct buf spare[WORKER_SPARE_BUFS]; /* memory of ended calls' buffers, for the next ones */
	unsigned n_spare;
	struct worker_meters meters;
	struct loop_timer tick;
	struct loop_timer cut; /* streams to be reset once what they hold is out */
	uint64_t log_window_ns;
	unsigned log_count, log_dropped;
	bool draining, cutting, aborting;
	unsigned passed;                           /* under gw->pass_lock */
	bool ended;                                /* likewise: its loop calls nothing back any more */
	_Atomic(struct bulkhead_waiter *) granted; /* calls of ours that got a place, by any worker (queue.c) */
};

/* The catalog in force, its calls count raised by one. */
struct worker_catalog *worker_catalog_take(struct gateway_worker *w);
void worker_catalog_put(struct gateway_worker *w, struct worker_catalog *wc);

/* The policy of the generation in force. The reference holds until the callback returns (W2). */
static inline const struct snapshot *gateway_snapshot(const struct gateway *gw)
{
	for (;;) {
		uint32_t generation = __atomic_load_n(&gw->control->generation, __ATOMIC_ACQUIRE);
		const struct snapshot *s = &gw->slots[generation & 1];

		if (atomic_load_explicit(&s->generation, memory_order_acquire) == generation)
			return s;
	}
}

/* How failures are kept apart, by the policy in force. [control] */
const struct faults *gateway_faults(const struct gateway *gw);

void worker_request_id(struct gateway_worker *w, struct request_id *ret);
uint64_t worker_random(struct gateway_worker *w);
/* An empty buffer, with an ended call's memory if there is some; given back when done with. */
struct buf worker_buf_take(struct gateway_worker *w);
void worker_buf_give(struct gateway_worker *w, struct buf *b);
/* A bounded number of lines a second; the rest is counted and said once. */
bool worker_may_log(struct gateway_worker *w);

extern const struct http_handler call_handler;
void call_abort(struct call *c);
/* What takes too long: drains, commits. Once a second. */
void call_tick(struct call *c, uint64_t now_ns);
/* At the end, when nothing can call back any more. */
void call_drop(struct call *c);
/* Resets the streams whose end was marked `cut`. */
void worker_cut(struct loop *l, struct loop_timer *t);

#endif
