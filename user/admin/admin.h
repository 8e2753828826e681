/* The control API (docs/api.md): REST for tollctl and operators, metrics and health. Runs on the control thread's loop.
 *
 * Invariants (tests cite them):
 *  M1  On TCP every path under /admin needs the bearer token; on the Unix socket the file mode is the right. /metrics
 *      and the health paths are open.
 *  M2  A request changes all it asks for or nothing, and says so.
 *  M3  A key's text is in exactly one answer: that of its creation.
 *  M4  Nothing that reads or writes the books runs on the control thread: metrics, health and policies never wait for
 *      them (job.h).
 *  M5  Amounts are decimal strings, in and out; a JSON number for one is refused.
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "base/err.h"
#include "conf/policy.h"
#include "crypto/keyed.h"
#include "event/loop.h"
#include "http/server.h"
#include "kernel/kernel.h"
#include "ledger/ledger.h"
#include "model/price_rule.h"
#include "observe/metrics.h"
#include "store/store.h"

struct admin;

struct admin_status {
	uint64_t uptime_s;
	unsigned workers, connections, calls;
	const char *const *listen; /* "127.0.0.1:8080", NULL-terminated */
	bool ready;
	bool draining;
};

/* A deployment beside the rule it is priced by. */
struct admin_deployment {
	const char *provider, *upstream_model;
	unsigned weight, priority;
	enum price_supply measured; /* what its utilisation says, also where the policy pins another state */
	uint32_t utilisation_e4;    /* mean of the last whole window; 1e4 = full */
};
typedef int (*admin_price_cb)(const struct price_rule *r, const struct admin_deployment *d, void *cb_arg);

/* A deployment's circuit breaker as it stands. */
struct admin_breaker {
	const char *deployment; /* "PROVIDER/MODEL" */
	const char *provider, *model;
	const char *models; /* public names it serves, joined by ", " */
	unsigned state, force, openings; /* guard/breaker.h */
	unsigned consecutive, total, failed; /* of the window */
	unsigned probes_running, probes_ok;
	uint64_t until_ms;      /* left of the open time */
	uint64_t cooling_ms;    /* left of the provider's Retry-After */
	bool quota_exhausted;   /* that is why it cools */
	unsigned inside, waiting, concurrent; /* bulkhead; concurrent 0 = no bound */
	uint64_t latency_us;    /* to the first byte, smoothed */
	int64_t changed_ms;     /* Unix time; 0 = never */
};
typedef int (*admin_breaker_cb)(const struct admin_breaker *b, void *cb_arg);

/* What the control API asks of the gateway: rooms on one floor don't see each other, so the daemon hands these in. */
struct admin_ops {
	int (*policy_apply)(void *arg, struct policy *p, uint32_t *ret_generation, struct err *err);
	const struct policy *(*policy_current)(void *arg);
	int (*tenant_put)(void *arg, const struct tenant *t, struct err *err);
	int (*key_put)(void *arg, const struct api_key *k, struct err *err);
	int (*key_remove)(void *arg, const struct api_key *k, struct err *err);
	/* Whose key it is, by its text's hash; false = nobody's. */
	bool (*key_find)(void *arg, const uint8_t hash[KEY_HASH_LEN], char ret_id[KEY_ID_MAX]);
	uint16_t (*reason_of)(void *arg, const char *text);
	const char *(*reason_text)(void *arg, uint16_t reason);
	void (*verdicts)(void *arg, uint64_t ret[TG_VERDICT_COUNT][TG_REASON_COUNT]);
	void (*status)(void *arg, struct admin_status *ret);
	/* The rules in force, per model, deployment and tier; model or tier NULL = all of them. A callback's result
	 * other than 0 ends the walk and is returned. ERR_NOT_FOUND: no such model. */
	int (*prices_each)(void *arg, const char *model, const char *tier, admin_price_cb cb, void *cb_arg,
			   struct err *err);
	/* Sorted by deployment. */
	int (*breakers_each)(void *arg, admin_breaker_cb cb, void *cb_arg, struct err *err);
	/* force: guard/breaker.h. Stored and audited as `actor`'s. ERR_NOT_FOUND. */
	int (*breaker_force)(void *arg, const char *actor, const char *deployment, unsigned force, struct err *err);
	void *arg;
};

struct admin_opts {
	struct store *store; /* all borrowed */
	struct kernel *kernel;
	struct metrics *metrics;
	const uint8_t *pepper;  /* CRYPTO_PEPPER_LEN */
	const uint8_t *token;   /* 32 bytes; its hex form is the bearer token */
	struct loop *loop;      /* the control thread's: jobs answer on it */
	struct ledger *ledger;  /* NULL = billing is off: its paths answer 409 billing_off */
	const char *store_path; /* databases: jobs open them for themselves */
	const char *books_path; /* NULL without billing */
	const char *currency;   /* of the books */
	struct admin_ops ops;
};

int admin_new(const struct admin_opts *opts, struct admin **ret, struct err *err) MUST_CHECK;
/* Ends the jobs' threads, after what they are at; requests that waited are refused. On the control thread, before the
 * server is freed and the ledger stopped. No request may be handled afterwards. */
void admin_stop(struct admin *a);
void admin_free(struct admin *a);
/* For http_server_new; the argument is the struct admin. */
extern const struct http_handler admin_handler;

/* ---- also for the daemon itself */

/* Parses, stores as the active version, puts in force; the store is set back when that fails. errs: what is wrong with
 * the text (ERR_INVAL with errs->count > 0). */
struct admin_apply {
	const char *actor, *comment;
	int64_t confirm_by_ms; /* Unix time; 0 = for good */
};
int admin_policy_apply(struct admin *a, const struct admin_apply *how, const char *text, size_t len,
		       struct store_policy *ret, uint32_t *ret_generation, struct conf_errors *errs,
		       struct err *err) MUST_CHECK;
/* Applies an older version again; id 0 = the one before the active one. */
int admin_policy_rollback(struct admin *a, const char *actor, const char *comment, int64_t id, struct store_policy *ret,
			  uint32_t *ret_generation, struct err *err) MUST_CHECK;
/* Rolls an unconfirmed policy back whose time has passed: 1 = did, 0 = nothing to do. To be called every second or so.
 */
int admin_policy_tick(struct admin *a, int64_t now_ms, struct err *err) MUST_CHECK;
/* At start: the store's active policy into force; 0 = there was none, 1 = done. */
int admin_policy_restore(struct admin *a, struct conf_errors *errs, struct err *err) MUST_CHECK;
/* Has the books reconciled in the background from where the run before ended (at first: all of them); the result goes
 * to the log and the list of discrepancies. Nothing when one is under way or billing is off. */
void admin_reconcile(struct admin *a);
/* Open discrepancies, as of the last time that something changed them. */
uint64_t admin_discrepancies_open(const struct admin *a);
/* The store's lists into fresh maps. */
int admin_lists_restore(struct admin *a, size_t *ret_count, struct err *err) MUST_CHECK;
/* Maps that lived on while no daemon ran: what `tollctl` put there meanwhile into the store, what it took out, out. */
int admin_lists_adopt(struct admin *a, size_t *ret_adopted, size_t *ret_dropped, struct err *err) MUST_CHECK;

#endif
