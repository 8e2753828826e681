/* The only SQL room. SQLite (WAL, synchronous=FULL); one struct store per thread that uses it.
 *
 * Errors of all calls: ERR_NOT_FOUND, ERR_EXISTS, ERR_INVAL as named; ERR_BUSY (locked past the time-out),
 * ERR_FULL (disk), ERR_CORRUPT, ERR_PERM (read-only), ERR_IO, ERR_VERSION (database newer than the program).
 * Nothing is half applied: each call is one transaction. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/buf.h"
#include "base/err.h"
#include "model/tenant.h"

struct store;

/* crypto_sha256 has this shape; the audit chain needs it, and rooms on one floor don't see each other. */
typedef int (*store_sha256)(const void *data, size_t len, uint8_t out[32], struct err *err);

/* Two files: what operators configure, and the books (books.h). */
enum store_schema { STORE_SCHEMA_CONTROL, STORE_SCHEMA_BOOKS };

struct store_opts {
	enum store_schema schema;
	unsigned busy_timeout_ms;
	bool create;         /* make the file and directory when absent; older schema is migrated */
	store_sha256 sha256; /* required: crypto_sha256 */
};
#define STORE_OPTS_DEFAULT ((struct store_opts){.busy_timeout_ms = 5000, .create = true})

/* Checks the file (quick_check) and migrates an older schema, step by step, each step in one transaction. */
int store_open(const char *path, const struct store_opts *opts, struct store **ret, struct err *err) MUST_CHECK;
void store_close(struct store *s);
/* A consistent copy of the whole database while others write to it. ERR_EXISTS: `path` is there already; on failure
 * no file is left. */
int store_backup(struct store *s, const char *path, struct err *err) MUST_CHECK;
/* quick_check of everything, also of what store_open left out for its size (the books' usage and transfers); reads the
 * whole file. ERR_CORRUPT names the first damage. */
int store_check(struct store *s, struct err *err) MUST_CHECK;

/* ---- tenants: id chosen by the operator; the slot (subject) is the smallest free one, shared number space with
 * keys, 1 .. TG_SUBJECTS_MAX - 1; ERR_FULL when none is left. `actor` goes to the audit log. */
int store_tenant_create(struct store *s, const char *actor, const char *id, const char *name, struct tenant *ret,
			struct err *err) MUST_CHECK; /* tier: TENANT_TIER_DEFAULT */
int store_tenant_get(struct store *s, const char *id, struct tenant *ret, struct err *err) MUST_CHECK;
/* tier: a name of the policy's prices.tiers; not checked here. */
int store_tenant_set_tier(struct store *s, const char *actor, const char *id, const char *tier,
			  struct err *err) MUST_CHECK;
int store_tenant_set_status(struct store *s, const char *actor, const char *id, enum tenant_status status,
			    struct err *err) MUST_CHECK;
/* All walks below: a callback's result other than 0 ends the walk and is returned. A callback may not write to the
 * same store. */
typedef int (*store_tenant_cb)(const struct tenant *t, void *arg);
int store_tenant_each(struct store *s, store_tenant_cb cb, void *arg, struct err *err) MUST_CHECK;

/* ---- keys. `hash` and `hint` are the caller's (crypto); the text never gets here. */
struct store_key_new {
	const char *tenant_id;
	const char *name;
	const char *hint;
	const uint8_t *hash; /* KEY_HASH_LEN */
	int64_t expires_ms;  /* 0 = never */
};
int store_key_create(struct store *s, const char *actor, const struct store_key_new *k, struct api_key *ret,
		     struct err *err) MUST_CHECK;
int store_key_get(struct store *s, const char *id, struct api_key *ret, struct err *err) MUST_CHECK;
int store_key_set_status(struct store *s, const char *actor, const char *id, enum key_status status,
			 struct err *err) MUST_CHECK;
int store_key_delete(struct store *s, const char *actor, const char *id, struct err *err) MUST_CHECK;
typedef int (*store_key_cb)(const struct api_key *k, void *arg);
/* tenant_id NULL = all. */
int store_key_each(struct store *s, const char *tenant_id, store_key_cb cb, void *arg, struct err *err) MUST_CHECK;

/* ---- policy versions: text as given; ids count from 1; exactly one is active (after the first apply). */
struct store_policy {
	int64_t id;
	int64_t created_ms;
	int64_t confirm_by_ms; /* 0 = confirmed; else it is rolled back when this passes unconfirmed */
	bool active;
	char actor[64];
	char comment[160];
};
int store_policy_add_active(struct store *s, const char *actor, const char *comment, const char *text, size_t len,
			    int64_t confirm_by_ms, struct store_policy *ret, struct err *err) MUST_CHECK;
/* id 0 = the active one. *ret_text is malloc'ed. */
int store_policy_get(struct store *s, int64_t id, struct store_policy *ret, char **ret_text,
		     struct err *err) MUST_CHECK;
int store_policy_confirm(struct store *s, const char *actor, int64_t id, struct err *err) MUST_CHECK;
typedef int (*store_policy_cb)(const struct store_policy *p, void *arg);
int store_policy_each(struct store *s, store_policy_cb cb, void *arg, struct err *err) MUST_CHECK; /* newest first */

/* ---- lists: the durable copy of operator entries, restored after a reboot. CIDR text is canonical
 * (policy_format_cidr). expires_ms Unix time, 0 = never. */
enum store_list { STORE_LIST_ALLOW, STORE_LIST_BLOCK };
struct store_list_entry {
	char cidr[64];
	char reason[96];
	unsigned source; /* enum tg_list_source */
	int64_t expires_ms;
};
/* Adds or replaces n entries in one transaction. */
int store_list_put(struct store *s, const char *actor, enum store_list list, const struct store_list_entry *e, size_t n,
		   struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND names the first that isn't there; then none is removed. */
int store_list_del(struct store *s, const char *actor, enum store_list list, const char *const *cidrs, size_t n,
		   struct err *err) MUST_CHECK;
typedef int (*store_list_cb)(enum store_list list, const struct store_list_entry *e, void *arg);
int store_list_each(struct store *s, store_list_cb cb, void *arg, struct err *err) MUST_CHECK;
/* At most `limit` entries in text order, those after `after` ("" = from the start). */
int store_list_page(struct store *s, enum store_list list, const char *after, size_t limit, store_list_cb cb, void *arg,
		    struct err *err) MUST_CHECK;
int store_list_count(struct store *s, enum store_list list, uint64_t *ret, struct err *err) MUST_CHECK;
/* Removes what has expired; cheap when nothing has. */
int store_list_expire(struct store *s, int64_t now_ms, struct err *err) MUST_CHECK;

/* ---- deployments' circuit breakers: what a restart keeps. state and force as guard/breaker.h has them. */
struct store_breaker {
	char deployment[256]; /* "PROVIDER/MODEL" */
	unsigned state, force, openings;
	int64_t changed_ms, until_ms;
};
/* Replaces n rows in one transaction. No audit: state changes by itself. */
int store_breaker_put(struct store *s, const struct store_breaker *b, size_t n, struct err *err) MUST_CHECK;
typedef int (*store_breaker_cb)(const struct store_breaker *b, void *arg);
int store_breaker_each(struct store *s, store_breaker_cb cb, void *arg, struct err *err) MUST_CHECK;
/* An operator forces or frees a breaker: the row and the audit entry in one transaction. ERR_INVAL: no such force. */
int store_breaker_force(struct store *s, const char *actor, const struct store_breaker *b, struct err *err) MUST_CHECK;

/* What happened to providers, newest last; STORE_EVENTS_MAX are kept. (Outboxes of webhooks come with them.) */
#define STORE_EVENTS_MAX 10000
struct store_event {
	int64_t id, time_ms;
	char kind[32];     /* "breaker.opened", "breaker.half_open", "breaker.closed", "provider.quota_exhausted" */
	char subject[256]; /* deployment */
	char detail[256];
};
int store_event_add(struct store *s, const struct store_event *e, size_t n, struct err *err) MUST_CHECK;
typedef int (*store_event_cb)(const struct store_event *e, void *arg);
/* Newest first, at most `limit`, of those before id `before` (0 = from the newest). */
int store_event_each(struct store *s, int64_t before, unsigned limit, store_event_cb cb, void *arg,
		     struct err *err) MUST_CHECK;

/* ---- audit log, hash-chained: each row's hash covers its fields and the row before. Written inside the
 * transaction of the action. */
struct store_audit {
	int64_t id, time_ms;
	char actor[64], action[64], target[96], detail[256];
};
typedef int (*store_audit_cb)(const struct store_audit *a, void *arg);
int store_audit_each(struct store *s, int64_t after_id, store_audit_cb cb, void *arg, struct err *err) MUST_CHECK;
/* ERR_CORRUPT names the first row that breaks the chain, or says that rows are missing at its end. */
int store_audit_verify(struct store *s, struct err *err) MUST_CHECK;

#endif
