/* The ledger: prepaid balances, holds, and one thread that posts.
 *
 *   worker:  hold -> (progress ...) -> settle ---queue---> ledger thread: gather, one transaction, commit
 *      ^                                                        |
 *      '------------- done(job) on the worker's loop <----------'   the last bytes of the answer go out here
 *
 * Holds live in a file that is mapped into memory (holds.c): taking and updating one is a few stores and no system call,
 * and they survive a `kill -9`. The file is synced to disk every holds_sync_ms. What start-up finds in it is resolved by
 * rule (recover.c) and listed.
 *
 * Invariants (tests cite them):
 *  L1  available = balance + credit line - open holds, in one atomic word per account; a hold is taken from it by one
 *      compare-and-swap, so that the sum of holds never exceeds what was there.
 *  L2  After a settlement a call's entries sum to zero: charge + overage = price to revenue, cost to the provider's payable.
 *  L3  done() is called after the commit that holds the record, never before; exactly once per job.
 *  L4  A request id is charged at most once, whatever dies whenever.
 *  L5  Every open hold ends: settled, voided, expired, or resolved by recovery.
 *  L6  When the store fails nothing is dropped: jobs wait and are tried again; new holds are refused and say why.
 *  L7  Time in the books never runs back, whatever the clock does.
 *
 * Threads: functions are marked [control] (the control thread), [lane] (the lane's worker) or [any].
 */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include "base/err.h"
#include "event/loop.h"
#include "model/billing.h"
#include "model/price_rule.h"
#include "store/books.h"

#include <stdatomic.h>

struct ledger;
struct ledger_account;
struct ledger_hold;

struct ledger_opts {
	const char *path;           /* the books' database */
	const char *holds_path;     /* the holds file */
	store_sha256 sha256;        /* crypto_sha256 */
	unsigned lanes;             /* workers */
	unsigned gather_us;         /* how long a batch is gathered before it is committed */
	unsigned batch_max;         /* records of one transaction */
	unsigned holds_max;         /* calls under way at a time, all lanes */
	unsigned holds_sync_ms;     /* the holds file to disk; 0 = left to the system */
	unsigned roll_up_ms;        /* sums and balances made from the records */
	unsigned retry_ms;          /* between attempts while the store fails */
	unsigned busy_timeout_ms;   /* of the database's lock */
	unsigned answer_ttl_s;      /* idempotent answers */
	const char *currency;       /* of the books, fixed at first use */
};
#define LEDGER_OPTS_DEFAULT                                                                                            \
	((struct ledger_opts){.lanes = 1,                                                                              \
			      .gather_us = 1000,                                                                       \
			      .batch_max = 4096,                                                                       \
			      .holds_max = 65536,                                                                      \
			      .holds_sync_ms = 1000,                                                                   \
			      .roll_up_ms = 2000,                                                                      \
			      .retry_ms = 200,                                                                         \
			      .busy_timeout_ms = 1000,                                                                 \
			      .answer_ttl_s = 86400,                                                                   \
			      .currency = "USD"})

/* Opens the database, resolves the holds that a crash left (R1..R5 in recover.c), loads the accounts. No thread yet.
 * Errors: those of store_open; ERR_INVAL (the books are in another currency); ERR_VERSION (holds file of another layout). */
int ledger_open(const struct ledger_opts *opts, struct ledger **ret, struct err *err) MUST_CHECK;
/* Starts the ledger thread. */
int ledger_start(struct ledger *l, struct err *err) MUST_CHECK;
/* [control] Posts what is queued, then ends the thread. Jobs that can't be posted keep their holds for the next start. */
void ledger_stop(struct ledger *l);
void ledger_free(struct ledger *l);

/* ---- accounts */

/* [control] The tenant's account, made when it has none yet, bound to its slot; tier is an index of the caller's. Idempotent. */
int ledger_account_bind(struct ledger *l, const char *tenant_id, uint32_t subject, unsigned tier,
			struct err *err) MUST_CHECK;
/* [any] Of a slot; NULL = not bound. Lives as long as the ledger. */
struct ledger_account *ledger_account_at(const struct ledger *l, uint32_t subject);
int64_t ledger_account_id(const struct ledger_account *a);
unsigned ledger_account_tier(const struct ledger_account *a);
struct ledger_balance {
	int64_t balance_nano, held_nano, credit_line_nano, available_nano;
	unsigned holds;
};
void ledger_account_balance(const struct ledger_account *a, struct ledger_balance *ret);

/* [control] Posts one operator's transfer and waits for its commit. kind: DEPOSIT, ADJUSTMENT (amount may be negative),
 * REFUND (request names the call; amount 0 = all that is left of its price).
 * Errors: ERR_INVAL (amount zero, negative or too large; refund above what was paid; no such kind), ERR_NOT_FOUND (tenant,
 * request), ERR_EXISTS (ref used before with another amount or kind; with the same it is answered again), store errors. */
struct ledger_posting {
	enum transfer_kind kind;
	const char *tenant_id, *actor, *ref, *note; /* ref and note may be NULL */
	int64_t amount_nano;
	const struct request_id *request; /* REFUND */
	bool *repeated;                   /* NULL, or: set to whether the ref had been posted before, and *ret is that one */
};
int ledger_post(struct ledger *l, const struct ledger_posting *p, struct transfer *ret, struct err *err) MUST_CHECK;
/* [control] */
int ledger_set_credit_line(struct ledger *l, const char *actor, const char *tenant_id, int64_t credit_line_nano,
			   struct err *err) MUST_CHECK;
/* [control] Runs fn on the ledger thread with its store between two batches, and waits: for rare writes (settlement,
 * imports, rules). */
int ledger_run(struct ledger *l, int (*fn)(struct store *s, void *arg, struct err *err), void *arg,
	       struct err *err) MUST_CHECK;

/* ---- holds [lane] */

/* The loop that done() is called on; before ledger_start or from the lane's thread. */
int ledger_lane_bind(struct ledger *l, unsigned lane, struct loop *loop, struct err *err) MUST_CHECK;

struct ledger_hold_terms {
	struct request_id request_id;
	const char *key_id;
	int64_t amount_nano;
	int64_t admitted_ms;
	int64_t expires_ms;       /* L5: past this the ledger ends it */
	unsigned route;
	bool idempotent;          /* the client will ask again under its key */
};
/* 0; ERR_FULL: the balance doesn't allow it (nothing was held); ERR_BUSY: the ledger can't post at present, or all slots
 * are taken: *err says which and why. */
int ledger_hold_take(struct ledger *l, unsigned lane, struct ledger_account *a, const struct ledger_hold_terms *t,
		     struct ledger_hold **ret, struct err *err) MUST_CHECK;
/* A deployment is being tried: what to price by, should recovery have to. */
void ledger_hold_forwarded(struct ledger_hold *h, const struct price_rule *rule, uint64_t input_tokens_estimate,
			   bool stream);
/* Bytes of content the client was sent so far, as tokens. */
void ledger_hold_delivered(struct ledger_hold *h, uint64_t output_tokens_estimate);
void ledger_hold_reported(struct ledger_hold *h, const struct usage *u);

/* ---- settling [lane] */

/* Embedded in the call. The caller fills `record` (all but id, account_id, posted_ms, hold_nano) and `answer` (NULL, or
 * to be kept under the client's key; account_id, request_id and expires_ms are the ledger's), both valid until done(). */
struct ledger_job {
	struct ledger_job *next; /* private, as all down to settled_ns */
	struct ledger_hold *hold;
	unsigned lane, state;
	int rc;
	uint64_t settled_ns;
	struct usage_record record;
	const char *provider; /* whose payable the cost goes to; NULL with cost 0 */
	struct store_answer *answer;
	/* On the lane's loop. rc 0: committed. ERR_EXISTS: the hold had expired or the request was charged before; nothing
	 * was posted now. Else (ERR_RANGE, ERR_INVAL): this record can't be posted, a discrepancy was opened, and the end of
	 * the answer must not be sent as if it were paid. */
	void (*done)(struct ledger_job *job, int rc);
};
/* Ends the hold: its amount is given back less the record's price, at once; the record is queued. */
void ledger_settle(struct ledger *l, struct ledger_hold *h, struct ledger_job *job);
/* Ends a hold without a record: the call was refused before anything was forwarded. */
void ledger_hold_void(struct ledger *l, struct ledger_hold *h);

/* ---- idempotency keys [lane]: the ledger thread decides, so that of several claims one is first */
enum ledger_claim_result {
	LEDGER_CLAIM_NEW,      /* go on; the job's answer must carry the key, or ledger_claim_release must be called */
	LEDGER_CLAIM_BUSY,     /* the first one is still under way */
	LEDGER_CLAIM_MISMATCH, /* the key was used with another body */
	LEDGER_CLAIM_ANSWERED, /* the answer is in `answer`, until ledger_claim_done */
};
struct ledger_claim {
	struct ledger_claim *next; /* private, and rc */
	int rc;
	unsigned lane;
	struct ledger_account *account;
	char key[256];
	uint8_t body_hash[32];
	enum ledger_claim_result result;
	struct store_answer answer; /* its texts are owned by the claim */
	/* rc < 0: the store can't say; the call must be refused. */
	void (*decided)(struct ledger_claim *c, int rc);
};
void ledger_claim(struct ledger *l, struct ledger_claim *c);
/* The claim ends without an answer to keep: the key is free again. */
void ledger_claim_release(struct ledger *l, struct ledger_account *a, const char *key);
void ledger_claim_done(struct ledger_claim *c); /* frees the answer's texts */

/* ---- what it is doing [any] */
struct ledger_stats {
	bool available;           /* the last commit worked */
	char why[160];            /* when not */
	uint64_t records, batches, commit_failures, retries;
	uint64_t unpostable;      /* records that the books can't take; each is a discrepancy */
	uint64_t holds_taken, holds_refused, holds_voided, holds_expired, holds_recovered;
	unsigned holds_open, queued;
	uint64_t commit_ns_sum, commit_ns_max; /* of batches; max since the last call of ledger_stats */
	uint64_t held_ns_sum;                  /* from settle to done, over all records */
	uint64_t source[USAGE_SOURCES];
};
void ledger_stats(struct ledger *l, struct ledger_stats *ret);
/* Open holds, oldest first, at most n; for listings. */
struct ledger_hold_view {
	struct request_id request_id;
	int64_t account_id, amount_nano, admitted_ms, expires_ms;
	char key_id[KEY_ID_MAX];
	bool forwarded, stream, reported;
	uint64_t delivered_tokens;
};
size_t ledger_holds(struct ledger *l, struct ledger_hold_view *ret, size_t n);
/* What start-up recovery did. */
struct ledger_recovery {
	unsigned found, charged, voided, known; /* known: the record was there already */
	unsigned damaged;                       /* of the voided ones: by R5 */
	uint64_t took_us;
};
void ledger_recovered(const struct ledger *l, struct ledger_recovery *ret);

#endif
