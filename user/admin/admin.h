/* The control API (docs/api.md): REST for tollctl and operators, metrics and health. Runs on the control thread's loop.
 *
 * Invariants (tests cite them):
 *  M1  On TCP every path under /admin needs the bearer token; on the Unix socket the file mode is the right. /metrics
 * and the health paths are open. M2  A request changes all it asks for or nothing, and says so. M3  A key's text is in
 * exactly one answer: that of its creation. */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "base/err.h"
#include "conf/policy.h"
#include "crypto/keyed.h"
#include "http/server.h"
#include "kernel/kernel.h"
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
	void *arg;
};

struct admin_opts {
	struct store *store; /* all borrowed */
	struct kernel *kernel;
	struct metrics *metrics;
	const uint8_t *pepper; /* CRYPTO_PEPPER_LEN */
	const uint8_t *token;  /* 32 bytes; its hex form is the bearer token */
	struct admin_ops ops;
};

int admin_new(const struct admin_opts *opts, struct admin **ret, struct err *err) MUST_CHECK;
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
/* The store's lists into fresh maps. */
int admin_lists_restore(struct admin *a, size_t *ret_count, struct err *err) MUST_CHECK;
/* Maps that lived on while no daemon ran: what `tollctl` put there meanwhile into the store, what it took out, out. */
int admin_lists_adopt(struct admin *a, size_t *ret_adopted, size_t *ret_dropped, struct err *err) MUST_CHECK;

#endif
