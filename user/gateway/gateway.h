/* The gateway as the daemon sees it: what all workers share, and one worker each.
 *
 * Threads: functions marked [control] are for the control thread alone, [worker] for the worker's own thread.
 *
 * Invariants (tests cite them):
 *  W1  A request is judged by exactly one policy: that of the generation word as it stood when its limits were looked
 * at. W2  What a worker can still see is never freed or overwritten: the control thread waits for every worker to have
 *      passed between two callbacks (gateway_quiesce) before it retires a directory or reuses a snapshot.
 *  W3  A call keeps the catalog it started with; a reload changes later calls only.
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "base/err.h"
#include "conf/conf.h"
#include "conf/policy.h"
#include "event/loop.h"
#include "guard/breaker.h"
#include "http/server.h"
#include "kernel/kernel.h"
#include "ledger/ledger.h"
#include "model/tenant.h"
#include "observe/metrics.h"

struct gateway;
struct gateway_worker;
struct directory;

struct gateway_opts {
	struct kernel *kernel;   /* borrowed, as metrics */
	struct ledger *ledger;   /* borrowed; NULL = billing is off: nothing is priced, held or charged */
	struct metrics *metrics; /* made with workers + 1 shards: the last is the control thread's */
	const uint8_t *pepper;   /* CRYPTO_PEPPER_LEN bytes, copied */
	unsigned workers;
	const char *reasons_file; /* texts of list reasons, kept as long as pinned entries refer to them */
};

int gateway_new(const struct gateway_opts *opts, struct gateway **ret, struct err *err) MUST_CHECK;
/* After the workers. */
void gateway_free(struct gateway *gw);

/* ---- [control] what workers read */

/* Models and providers. Takes over conf, also on failure. */
int gateway_catalog_publish(struct gateway *gw, struct conf *conf, struct err *err) MUST_CHECK;
/* The configuration in force; until the next publish. */
const struct conf *gateway_conf(const struct gateway *gw);

/* Who there is, at start: walks are given as functions so that the store stays the caller's. Fits the kernel's slots to
 * it: a slot whose incarnation is another gets emptied, the rest keep their buckets. */
int gateway_directory_load(struct gateway *gw, const struct tenant *tenants, size_t n_tenants,
			   const struct api_key *keys, size_t n_keys, struct err *err) MUST_CHECK;
/* A tenant or key is new or has changed: effective for the next request everywhere. */
int gateway_tenant_put(struct gateway *gw, const struct tenant *t, struct err *err) MUST_CHECK;
int gateway_key_put(struct gateway *gw, const struct api_key *k, struct err *err) MUST_CHECK;
int gateway_key_remove(struct gateway *gw, const struct api_key *k, struct err *err) MUST_CHECK;
const struct directory *gateway_directory(const struct gateway *gw);

/* Puts a policy in force for kernel and workers at once, or changes nothing. Takes over *policy on success. */
int gateway_policy_apply(struct gateway *gw, struct policy *policy, uint32_t *ret_generation,
			 struct err *err) MUST_CHECK;
/* Deployments' utilisation, and cost rows whose time has come; a few times a second. */
void gateway_prices_tick(struct gateway *gw, uint64_t now_ns, int64_t now_ms);
/* The rules in force with the deployments they are for; model or tier NULL = all. A callback's result other than 0 ends
 * the walk and is returned. ERR_NOT_FOUND: no such model. */
struct gateway_price {
	const struct price_rule *rule;
	unsigned weight, priority;
	enum price_supply measured;
	uint32_t utilisation_e4;
};
int gateway_prices_each(const struct gateway *gw, const char *model, const char *tier,
			int (*cb)(const struct gateway_price *p, void *arg), void *arg, struct err *err) MUST_CHECK;
/* NULL before the first apply. */
const struct policy *gateway_policy(const struct gateway *gw);
/* The kernel's ready-made refusals. */
int gateway_answers_install(struct gateway *gw, struct err *err) MUST_CHECK;

/* ---- deployments' health; [control] */
struct gateway_breaker {
	const char *deployment, *provider, *model; /* deployment: "PROVIDER/MODEL" */
	const char *models;                        /* public names it serves, joined by ", " */
	struct breaker_view view;
	uint64_t cooling_ns;
	bool quota_exhausted;
	unsigned inside, waiting, concurrent;
	uint64_t latency_us;
	int64_t changed_ms;           /* Unix time; 0 = never */
	uint64_t opened, quota_times; /* since the start: times that it opened; that its quota was exhausted */
};
int gateway_breakers_each(struct gateway *gw, uint64_t now_ns, int (*cb)(const struct gateway_breaker *b, void *arg),
			  void *arg, struct err *err) MUST_CHECK;
/* Puts a force in force, and its effect on routes at the NIC. ERR_NOT_FOUND; else *ret is what to store. */
int gateway_breaker_force(struct gateway *gw, const char *deployment, enum breaker_force f, struct breaker_saved *ret,
			  struct err *err) MUST_CHECK;
/* As it stands now. ERR_NOT_FOUND. */
int gateway_breaker_saved(struct gateway *gw, const char *deployment, struct breaker_saved *ret,
			  struct err *err) MUST_CHECK;
/* At start, after the catalog was published; unknown deployments are remembered for a later catalog.
 */
int gateway_breaker_restore(struct gateway *gw, const char *deployment, const struct breaker_saved *s,
			    struct err *err) MUST_CHECK;
/* What has happened since the last call, oldest first; and every breaker that has to be stored again. A few times a
 * second. */
struct gateway_event {
	int64_t time_ms;
	const char *kind, *deployment, *detail; /* store.h, struct store_event */
};
struct gateway_health_sink {
	void (*event)(const struct gateway_event *e, void *arg);
	void (*changed)(const char *deployment, const struct breaker_saved *s, void *arg);
	void *arg;
};
void gateway_health_tick(struct gateway *gw, uint64_t now_ns, int64_t now_ms, const struct gateway_health_sink *sink);

/* The number that stands for a reason text in list entries; 0 when the table is full (counted, logged by the caller).
 */
uint16_t gateway_reason_of(struct gateway *gw, const char *text);
/* "" for 0 and unknown numbers. */
const char *gateway_reason_text(const struct gateway *gw, uint16_t reason);

/* Waits until every running worker has passed between two callbacks (W2). */
void gateway_quiesce(struct gateway *gw);

/* What the daemon's own layer decided, by verdict and reason. */
void gateway_verdicts(const struct gateway *gw, uint64_t ret[TG_VERDICT_COUNT][TG_REASON_COUNT]);
unsigned gateway_connections(const struct gateway *gw);
unsigned gateway_calls(const struct gateway *gw);

/* ---- workers */

/* Makes worker `index` on its loop; from the thread that sets up, before the loop runs. Listeners are added by the
 * caller through gateway_worker_server(). */
int gateway_worker_new(struct gateway *gw, unsigned index, struct loop *l, const struct http_server_opts *opts,
		       struct gateway_worker **ret, struct err *err) MUST_CHECK;
/* The server of plain or TLS connections; the second one is made when asked for the first time. */
int gateway_worker_listen(struct gateway_worker *w, int fd, bool tls, struct err *err) MUST_CHECK;
/* [worker] No new connections; calls under way go on. */
void gateway_worker_drain(struct gateway_worker *w);
/* [worker] */
bool gateway_worker_drained(const struct gateway_worker *w);
/* [worker] Its loop runs no more: nobody waits for it to pass, which could be for ever while others still drain. */
void gateway_worker_ended(struct gateway_worker *w);
/* [worker] Ends every call now: time is up. */
void gateway_worker_abort(struct gateway_worker *w);
/* Once drained or aborted, with its loop stopped and the ledger's thread ended. */
void gateway_worker_free(struct gateway_worker *w);

#endif
