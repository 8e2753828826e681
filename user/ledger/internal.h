/* What the ledger's files share. */
#ifndef LEDGER_INTERNAL_H
#define LEDGER_INTERNAL_H

#include "ledger/ledger.h"
#include "ledger/slots.h"

#include "tollgate/abi.h"

#include <pthread.h>
#include <string.h>

#define LEDGER_LANES_MAX 256u
#define LEDGER_HOLDS_MAX (1u << 24)
/* Balances and credit lines stay within these, so that no sum of two leaves an int64_t. */
#define LEDGER_BALANCE_MAX (INT64_MAX / 2)
#define LEDGER_CREDIT_MAX (INT64_MAX / 4)

#define LEDGER_CACHE_LINE 64

/* ---- accounts (accounts.c) */
struct ledger_account {
	/* L1: the authority. Alone on its line: every lane writes it. */
	_Alignas(LEDGER_CACHE_LINE) _Atomic int64_t available;
	/* For display only; fits `available` when nothing is under way. */
	_Atomic int64_t held;
	_Atomic int holds;
	_Atomic int64_t credit_line;
	_Atomic unsigned tier;
	int64_t id;
	int64_t booked;                      /* ledger thread: the balance as posted, for range checks */
	struct ledger_account *next_by_name; /* chains of ledger.accounts */
	struct ledger_account *next_by_id;
	char name[ACCOUNT_NAME_MAX];
};

#define ACCOUNT_BUCKETS 4096u
struct accounts {
	pthread_mutex_t lock;
	struct ledger_account *by_name[ACCOUNT_BUCKETS], *by_id[ACCOUNT_BUCKETS];
};

/* The accounts there is one of; opened at start. */
struct house {
	int64_t cash, revenue, cost, adjustments;
};

/* ---- holds (holds.c) */
enum { LET_GO_WORKER = 1, LET_GO_LEDGER = 2 };
struct ledger_hold {
	struct slot *slot;
	struct ledger_account *account;
	int64_t amount;
	struct ledger_hold *next_free;
	unsigned lane;
	uint32_t generation;     /* of the slot's word */
	_Atomic unsigned let_go; /* of an expired one: the second to let go frees it */
};

/* ---- queues: pushed from any thread, taken whole by the ledger thread, newest first */
struct mpsc_node {
	struct mpsc_node *next;
};

/* ---- lanes (lanes.c) */
struct ledger_lane {
	_Alignas(LEDGER_CACHE_LINE) struct ledger *ledger;
	struct loop *loop;
	/* The lane's worker only. */
	struct ledger_hold *free;
	unsigned n_free;
	/* Written by the lane's worker, read by all. */
	_Atomic uint64_t taken, refused, voided, settled, freed;
	/* What is decided and committed, for the worker to hear of. */
	_Alignas(LEDGER_CACHE_LINE) pthread_mutex_t lock;
	struct ledger_job *done, **done_tail;
	struct ledger_claim *decided, **decided_tail;
	bool told; /* a post to the loop is under way */
	/* The ledger thread's. */
	struct ledger_job *batch, **batch_tail;
	struct ledger_claim *claims, **claims_tail;
	bool owed; /* the loop could not be told yet */
};

/* ---- tasks of the control thread (control.c), on its stack */
struct ledger_task {
	struct ledger_task *next;
	int (*fn)(struct ledger *l, void *arg, struct err *err);
	void *arg;
	struct err *err;
	int rc;
	bool done;
};

/* ---- payables of providers (post.c) */
#define PAYABLE_BUCKETS 64u
struct payable {
	struct payable *next;
	int64_t id;
	char name[];
};

enum job_state {
	JOB_POST,   /* to be posted */
	JOB_LATE,   /* its hold had expired: nothing to post */
	JOB_EXPIRY, /* the ledger's own, of an expired hold */
	JOB_UNFIT,  /* the books can't take it: a discrepancy instead */
};

#define RULES_KEPT 64u /* resolve.c */

/* In-flight idempotency keys (claims.c). */
struct claim_entry;
#define CLAIM_BUCKETS 4096u

struct ledger {
	struct ledger_opts opts;
	char *path, *holds_path;
	char currency[CURRENCY_MAX];

	struct store *store; /* the ledger thread's once it runs; NULL: to be opened again */
	struct house house;
	struct accounts accounts;
	struct ledger_account *_Atomic at[TG_SUBJECTS_MAX];

	/* Holds. */
	struct slots slots;
	struct ledger_hold *holds;     /* slots.count */
	_Atomic uint64_t *deadline_ms; /* of each hold, CLOCK_MONOTONIC_COARSE; 0 = not to be looked at */
	_Atomic uint32_t holds_used;   /* highest index ever taken + 1 */
	pthread_mutex_t pool_lock;
	struct ledger_hold *pool;
	unsigned chunk; /* holds that a lane takes from the pool, or gives to it, at a time */

	struct ledger_lane *lanes;

	/* Queues and the thread's sleep. */
	_Alignas(LEDGER_CACHE_LINE) _Atomic(struct ledger_job *) jobs;
	_Alignas(LEDGER_CACHE_LINE) _Atomic(struct ledger_claim *) claims;
	_Alignas(LEDGER_CACHE_LINE) atomic_bool sleeping;
	int wake_fd;
	atomic_bool stop;
	pthread_t thread;
	bool started;
	pthread_mutex_t task_lock;
	pthread_cond_t task_done;
	struct ledger_task *tasks, **tasks_tail;
	atomic_bool have_tasks;

	/* The ledger thread's own. */
	struct ledger_job *pending, **pending_tail;
	unsigned n_pending;
	int64_t last_ms; /* L7 */
	struct payable *payables[PAYABLE_BUCKETS];
	struct price_rule rules[RULES_KEPT];
	bool payables_new; /* some were made in the transaction that is open */
	uint64_t retry_at_ms, rolled_up_ms, synced_ms, scanned_ms, answers_ms;
	unsigned failures_in_row;
	uint64_t committed_ms;
	bool to_roll_up, to_checkpoint;
	unsigned not_rolled_up; /* records, about */
	uint64_t synced_mark; /* what had been taken and freed at the last write-back */

	/* Claims. */
	pthread_mutex_t claim_lock;
	struct claim_entry *claim_table[CLAIM_BUCKETS];
	unsigned n_claims;

	/* What it is doing. */
	atomic_bool available;
	pthread_mutex_t why_lock;
	int why_code;
	char why[160];
	_Atomic uint64_t records, batches, commit_failures, retries, expired, unpostable, late, freed;
	_Atomic uint64_t jobs_ended; /* of the lanes' jobs */
	_Atomic uint64_t commit_ns_sum, commit_ns_max, held_ns_sum;
	_Atomic uint64_t source[USAGE_SOURCES];
	struct ledger_recovery recovery;
};

/* Relaxed and by one writer: no locked instruction. */
static inline void count_up(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}
static inline uint64_t count_of(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/* accounts.c */
int accounts_init(struct ledger *l, struct err *err) MUST_CHECK;
void accounts_done(struct ledger *l);
struct ledger_account *account_by_name(struct ledger *l, const char *name);
struct ledger_account *account_by_id(struct ledger *l, int64_t id);
/* Adds to what is available; stays at the ends of the range rather than wrapping. */
void account_give(struct ledger_account *a, int64_t amount);

/* holds.c */
int holds_init(struct ledger *l, struct err *err) MUST_CHECK;
void holds_done(struct ledger *l);
/* [lane] The slot is free for the next call. */
void hold_free(struct ledger *l, struct ledger_hold *h);
/* [ledger thread] Ends holds that are past their time, as jobs of the pending list. */
void holds_expire(struct ledger *l);
/* [ledger thread] The expired hold's record is committed. */
void hold_expiry_posted(struct ledger *l, struct ledger_hold *h);
/* [lane] The worker has no use for an expired hold any more. */
void hold_let_go(struct ledger *l, struct ledger_hold *h);
uint64_t coarse_ms(void);

/* resolve.c: what a hold that nobody settled comes to (R2 to R4) */
struct resolution {
	const char *rule; /* "R2" */
	char text[120];
	struct usage_record record;
	char provider[PRICE_NAME_MAX];
};
/* `complete`: the slot's record is whole (state SETTLING). The rule's price is read from the store. */
int slot_resolve(struct ledger *l, const struct slot *slot, const struct slot_identity *id, bool complete,
		 struct resolution *ret, struct err *err) MUST_CHECK;

/* post.c: inside a posting transaction */
/* Usage row and transfers; id and posted_ms are filled in. ERR_EXISTS: the request has a record, nothing was posted. */
int post_record(struct ledger *l, struct usage_record *r, const char *provider, struct err *err) MUST_CHECK;
/* Keeps the rules of a record? ERR_INVAL, ERR_RANGE. */
int post_check(const struct usage_record *r, const char *provider, struct err *err) MUST_CHECK;
/* The time of the next posting: L7. */
int64_t post_time(struct ledger *l);
/* Is this error the record's own, not the store's? */
bool post_error_is_own(int rc);
/* The transaction failed: what it made is not there. */
void payables_forget(struct ledger *l);
int post_unpostable(struct ledger *l, const struct usage_record *r, int rc, const char *why,
		    struct err *err) MUST_CHECK;

/* recover.c */
int recover(struct ledger *l, struct err *err) MUST_CHECK;

/* writer.c */
void *writer_main(void *arg);
void writer_wake(struct ledger *l);
void writer_pend(struct ledger *l, struct ledger_job *job);
int ledger_store_open(struct ledger *l, bool create, struct err *err) MUST_CHECK;

/* batch.c */
/* Posts at most batch_max pending jobs in one transaction and hands them to their lanes. */
int batch_post(struct ledger *l, struct err *err) MUST_CHECK;

/* lanes.c */
int lanes_init(struct ledger *l, struct err *err) MUST_CHECK;
void lanes_done(struct ledger *l);
void lane_add_job(struct ledger *l, struct ledger_job *job);
void lane_add_claim(struct ledger *l, struct ledger_claim *c);
/* Tells each lane's loop of what was added; what can't be told yet is owed. True: something is owed. */
bool lanes_tell(struct ledger *l);

/* control.c */
/* [control] Runs it on the ledger thread, or here when there is none. */
int task_run(struct ledger *l, int (*fn)(struct ledger *l, void *arg, struct err *err), void *arg, struct err *err);
/* [ledger thread] */
void tasks_do(struct ledger *l);

/* claims.c */
void claims_init(struct ledger *l);
void claims_done(struct ledger *l);
void claims_decide(struct ledger *l);
void claim_forget(struct ledger *l, int64_t account_id, const char *key);
void claims_refuse(struct ledger *l, int rc);

/* ledger.c */
void ledger_set_available(struct ledger *l);
void ledger_set_unavailable(struct ledger *l, int code, const char *why);

#endif
