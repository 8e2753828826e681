/* The ledger's database: accounts, transfers, usage records, price rules, idempotent answers, settlements. A file of
 * its own (store_opts.schema = STORE_SCHEMA_BOOKS), so that nothing the control plane writes can hold a settlement up.
 * One connection writes (the ledger thread's); others may read at the same time.
 *
 * Invariants (tests cite them):
 *  B1  Transfers and usage records are never changed or deleted (triggers refuse it): a correction is another transfer.
 *  B2  A request id has at most one usage record.
 *  B3  posted_ms and transfer time never run back, nor into a settled period, and ids count in order of posting: what
 *      was read up to an id is final.
 *  B4  What is posted between begin and commit is there wholly or not at all.
 *  B5  A period is settled at most once, and what was settled is never changed.
 *  B6  A call's charge, overage and cost directly follow its record, in ids without a gap: so they are found without an
 *      index, and a row that went missing is seen.
 */
#ifndef STORE_BOOKS_H
#define STORE_BOOKS_H

#include "model/billing.h"
#include "model/price_rule.h"
#include "store/store.h"

/* The currency of these books, fixed by the first call. ERR_INVAL: they are kept in another one. */
int store_books_currency(struct store *s, const char *currency, struct err *err) MUST_CHECK;

/* ---- posting: one transaction of many rows. Only between begin and commit/abort. */
int store_books_begin(struct store *s, struct err *err) MUST_CHECK;
/* On failure the transaction is over, and nothing is known to be stored: what is put again may then be there
 * (ERR_EXISTS). */
int store_books_commit(struct store *s, struct err *err) MUST_CHECK;
void store_books_abort(struct store *s);
/* ERR_EXISTS: the request id has a record already; the transaction can go on, as after ERR_INVAL (a negative amount, no
 * such account or rule, posted_ms before the last one) and ERR_RANGE (a count above 2^53). r->id: 0, or exactly the
 * next one (B6); *ret_id is what it got. */
int store_usage_put(struct store *s, const struct usage_record *r, int64_t *ret_id, struct err *err) MUST_CHECK;
/* ERR_EXISTS: that ref was used with this account (the tenant of the two) already; ERR_INVAL: amount not above zero, no
 * such account or record, time before the last one, or a call's transfer that doesn't follow its record (B6). After
 * both the transaction can go on; after any other error it has to be aborted. */
int store_transfer_put(struct store *s, const struct transfer *t, int64_t *ret_id, struct err *err) MUST_CHECK;
/* Moves the write-ahead log's pages into the database file, as far as nobody reads old ones. For the writer's idle
 * moments: without it a commit does so now and then, and takes longer. */
int store_books_checkpoint(struct store *s, struct err *err) MUST_CHECK;
/* The largest posted_ms/time_ms so far, or where the last settled period ends when that is later, and the largest ids,
 * for B3; zeros in an empty database. */
struct store_books_tail {
	int64_t time_ms, usage_id, transfer_id;
};
int store_books_tail(struct store *s, struct store_books_tail *ret, struct err *err) MUST_CHECK;

/* ---- accounts. */
/* Gets or makes; within a posting transaction or outside (then it is one of its own). */
int store_account_open(struct store *s, enum account_kind kind, const char *name, int64_t now_ms, struct account *ret,
		       struct err *err) MUST_CHECK;
int store_account_get(struct store *s, enum account_kind kind, const char *name, struct account *ret,
		      struct err *err) MUST_CHECK; /* with balance; ERR_NOT_FOUND */
int store_account_set_credit_line(struct store *s, const char *actor, int64_t id, int64_t credit_line_nano,
				  struct err *err) MUST_CHECK; /* own transaction, audited; ERR_NOT_FOUND */
typedef int (*store_account_cb)(const struct account *a, void *arg);
/* With balances as of now: the materialised ones and the transfers since. */
int store_account_each(struct store *s, store_account_cb cb, void *arg, struct err *err) MUST_CHECK;
typedef int (*store_transfer_cb)(const struct transfer *t, void *arg);
/* Newest first, those of one account (account_id 0 = all) with id < before (0 = from the newest), at most `limit`. */
int store_transfer_page(struct store *s, int64_t account_id, int64_t before, size_t limit, store_transfer_cb cb,
			void *arg, struct err *err) MUST_CHECK;
int store_transfer_of_usage(struct store *s, int64_t usage_id, store_transfer_cb cb, void *arg,
			    struct err *err) MUST_CHECK;
/* The same ref again, for idempotent deposits. ERR_NOT_FOUND. */
int store_transfer_by_ref(struct store *s, int64_t account_id, const char *ref, struct transfer *ret,
			  struct err *err) MUST_CHECK;

/* ---- usage */
int store_usage_get(struct store *s, const struct request_id *id, struct usage_record *ret,
		    struct err *err) MUST_CHECK; /* ERR_NOT_FOUND */
typedef int (*store_usage_cb)(const struct usage_record *r, void *arg);
/* In order of posting, ids in (after, upto]. */
int store_usage_each(struct store *s, int64_t after_id, int64_t upto_id, store_usage_cb cb, void *arg,
		     struct err *err) MUST_CHECK;
/* Newest first, of one account (0 = all), id < before (0 = from the newest), at most `limit`. */
int store_usage_page(struct store *s, int64_t account_id, int64_t before, size_t limit, store_usage_cb cb, void *arg,
		     struct err *err) MUST_CHECK;

/* ---- price rules: equal content has one id. Own transaction when none is open. r->id is ignored. */
int store_price_rule_intern(struct store *s, const struct price_rule *r, int64_t *ret_id, struct err *err) MUST_CHECK;
int store_price_rule_get(struct store *s, int64_t id, struct price_rule *ret, struct err *err) MUST_CHECK;

/* ---- roll-ups: sums per account, hour (of posted_ms, UTC) and rule, and balances, both made from what was posted
 * since the last time; one transaction. Cheap per row, so that posting needs no index but the request id's. */
int store_books_roll_up(struct store *s, struct err *err) MUST_CHECK;
struct store_usage_sum {
	int64_t account_id, rule_id;
	uint64_t calls, charged_calls; /* charged: price or cost above zero */
	struct usage usage;
	uint64_t estimated_calls; /* source ESTIMATED or RECOVERED */
	int64_t cost_nano, price_nano;
};
typedef int (*store_usage_sum_cb)(const struct store_usage_sum *s, void *arg);
/* Per account and rule over posted_ms in [from, to), both whole hours; account_id 0 = all, ordered by account, then
 * rule. Includes what isn't rolled up yet. ERR_RANGE: a sum doesn't fit. */
int store_usage_sums(struct store *s, int64_t account_id, int64_t from_ms, int64_t to_ms, store_usage_sum_cb cb,
		     void *arg, struct err *err) MUST_CHECK;
struct store_transfer_sum {
	int64_t account_id;
	enum transfer_kind kind;
	uint64_t count;
	int64_t credits_nano, debits_nano; /* to and from this account */
};
typedef int (*store_transfer_sum_cb)(const struct store_transfer_sum *s, void *arg);
/* Per account and kind over time_ms in [from, to); account_id 0 = all. By roll-ups too: whole hours. */
int store_transfer_sums(struct store *s, int64_t account_id, int64_t from_ms, int64_t to_ms, store_transfer_sum_cb cb,
			void *arg, struct err *err) MUST_CHECK;

/* ---- checks of the books, for reconciliation. Each calls back per difference found, with what and where in words.
 * `from_id`/`to_id` bound usage ids (0 = all), so that a job can go on where it stopped. Read only. */
struct store_difference {
	const char *kind; /* stable word: "usage_without_charge", "charge_differs", "balance_differs", ... */
	int64_t usage_id, transfer_id, account_id;
	struct request_id request_id;
	int64_t expected_nano, found_nano;
	char text[240];
};
typedef int (*store_difference_cb)(const struct store_difference *d, void *arg);
/* usage <-> its transfers: charge + overage = price, overage = price - hold where above, cost = cost; refunds <= price;
 * no transfer of a kind that needs a record without one. */
int store_check_usage(struct store *s, int64_t from_id, int64_t to_id, store_difference_cb cb, void *arg,
		      uint64_t *ret_checked, struct err *err) MUST_CHECK;
/* Balances against the sum of all transfers, roll-ups against usage records, total of all accounts = 0. */
int store_check_sums(struct store *s, store_difference_cb cb, void *arg, struct err *err) MUST_CHECK;

/* ---- idempotent answers */
struct store_answer {
	int64_t account_id;
	const char *key; /* the client's Idempotency-Key, 1..255 bytes */
	uint8_t body_hash[32];
	struct request_id request_id;
	int status;
	const char *headers; /* "name: value\r\n" lines to give again; borrowed in callbacks */
	size_t headers_len;
	const char *body;
	size_t body_len;
	bool body_kept; /* false: it was larger than what is kept */
	int64_t expires_ms;
};
/* Within a posting transaction; replaces an expired one of that key. */
int store_answer_put(struct store *s, const struct store_answer *a, struct err *err) MUST_CHECK;
typedef int (*store_answer_cb)(const struct store_answer *a, void *arg);
/* cb is called once, or ERR_NOT_FOUND (also when it has expired). */
int store_answer_get(struct store *s, int64_t account_id, const char *key, int64_t now_ms, store_answer_cb cb,
		     void *arg, struct err *err) MUST_CHECK;
/* At most `limit` expired ones are removed; *ret_removed says how many. */
int store_answer_expire(struct store *s, int64_t now_ms, size_t limit, size_t *ret_removed, struct err *err) MUST_CHECK;

/* ---- recovered holds: what start-up recovery found and decided */
struct store_recovery {
	int64_t id, time_ms;
	struct request_id request_id;
	int64_t account_id, hold_nano, price_nano;
	char rule[24];  /* "R1" ... */
	char text[200]; /* why */
};
int store_recovery_put(struct store *s, const struct store_recovery *r, struct err *err) MUST_CHECK;
typedef int (*store_recovery_cb)(const struct store_recovery *r, void *arg);
/* Newest first, id < before (0 = from the newest). */
int store_recovery_page(struct store *s, int64_t before, size_t limit, store_recovery_cb cb, void *arg,
			struct err *err) MUST_CHECK;

/* ---- discrepancies: what reconciliation found and nobody has explained yet */
struct store_discrepancy {
	int64_t id, found_ms, closed_ms; /* 0 = open */
	char kind[32];
	char subject[128]; /* request id, account, provider and period: same kind and subject = the same discrepancy */
	int64_t expected_nano, found_nano;
	char text[240], note[160];
};
/* Opens it, or updates figures and text of the open one with the same kind and subject. Own transaction or the open
 * one. */
int store_discrepancy_put(struct store *s, const struct store_discrepancy *d, struct err *err) MUST_CHECK;
/* Audited. ERR_NOT_FOUND. */
int store_discrepancy_close(struct store *s, const char *actor, int64_t id, const char *note, int64_t now_ms,
			    struct err *err) MUST_CHECK;
typedef int (*store_discrepancy_cb)(const struct store_discrepancy *d, void *arg);
int store_discrepancy_page(struct store *s, bool open_only, int64_t before, size_t limit, store_discrepancy_cb cb,
			   void *arg, struct err *err) MUST_CHECK;
int store_discrepancy_count(struct store *s, uint64_t *ret_open, struct err *err) MUST_CHECK;
int store_usage_count(struct store *s, uint64_t *ret, struct err *err) MUST_CHECK; /* O(1) */

/* ---- settlements: a period's name ("2026-11"), its lines, its totals; immutable */
struct store_settlement {
	char period[16];
	int64_t from_ms, to_ms, settled_ms;
	char currency[CURRENCY_MAX], actor[64];
	int64_t last_usage_id, last_transfer_id; /* what it covers */
	uint64_t calls;
	int64_t cost_nano, price_nano, refunds_nano, sla_nano;
	uint8_t hash[32]; /* over all its lines, see ledger/settlement.c */
};
enum store_line_kind { STORE_LINE_STATEMENT, STORE_LINE_USAGE, STORE_LINE_TRANSFERS, STORE_LINE_PAYABLE };
/* One line: of a tenant's statement (its totals, per model, per kind of transfer), or a provider's payable. */
struct store_settlement_line {
	enum store_line_kind kind;
	char account[ACCOUNT_NAME_MAX]; /* tenant or provider */
	char model[PRICE_NAME_MAX];     /* USAGE; PAYABLE: upstream model */
	unsigned transfer_kind;         /* TRANSFERS */
	uint64_t calls;
	struct usage usage;
	int64_t cost_nano, price_nano;      /* TRANSFERS: price = credits less debits */
	int64_t opening_nano, closing_nano; /* STATEMENT */
	int64_t invoice_cents, carried_in_nano,
		carried_out_nano; /* STATEMENT: exact + carried in = invoice + carried out */
};
/* All in one transaction. ERR_EXISTS: settled before (B5). */
int store_settlement_put(struct store *s, const struct store_settlement *p, const struct store_settlement_line *lines,
			 size_t n, struct err *err) MUST_CHECK;
int store_settlement_get(struct store *s, const char *period, struct store_settlement *ret,
			 struct err *err) MUST_CHECK; /* "" = the latest; ERR_NOT_FOUND */
typedef int (*store_settlement_cb)(const struct store_settlement *p, void *arg);
int store_settlement_each(struct store *s, store_settlement_cb cb, void *arg,
			  struct err *err) MUST_CHECK; /* newest first */
typedef int (*store_settlement_line_cb)(const struct store_settlement_line *l, void *arg);
/* account NULL = all; in the order they were put. */
int store_settlement_line_each(struct store *s, const char *period, const char *account, store_settlement_line_cb cb,
			       void *arg, struct err *err) MUST_CHECK;

/* ---- provider invoices, imported */
struct store_invoice_line {
	char provider[PRICE_NAME_MAX], period[16], model[PRICE_NAME_MAX];
	uint64_t calls, input_tokens, cached_input_tokens, output_tokens; /* UINT64_MAX = the invoice doesn't say */
	int64_t amount_nano;
};
/* Replaces what was imported for that provider and period; one transaction, audited. */
int store_invoice_put(struct store *s, const char *actor, const char *provider, const char *period,
		      const struct store_invoice_line *lines, size_t n, struct err *err) MUST_CHECK;
typedef int (*store_invoice_cb)(const struct store_invoice_line *l, void *arg);
int store_invoice_each(struct store *s, const char *provider, const char *period, store_invoice_cb cb, void *arg,
		       struct err *err) MUST_CHECK;

#endif
