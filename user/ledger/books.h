/* Finance's side of the books: explain a charge, reconcile, settle a period, statements, provider invoices. Works on a
 * store of its own connection (reading beside the ledger thread); what writes goes through ledger_run().
 *
 * Invariants (tests cite them):
 *  K1  An explanation recomputes the charge from its frozen rule and its tokens by price_compute; it says so when that
 *      is not the stored number.
 *  K2  A settlement covers the usage posted in [from, to) of its period, all of it and nothing else; it can only be
 *      made when the period is over, and once. Settled periods follow each other: none overlaps another, and nothing
 *      that moved lies between two.
 *  K3  exact amount + carried in = invoice in whole cents + carried out, for each tenant; so invoices never drift from
 *      the exact sum by more than half a cent. Exact amount: charges less refunds less SLA credits.
 *  K4  Sum of the statements' prices = the period's revenue; sum of payables = its cost.
 */
#ifndef LEDGER_BOOKS_H
#define LEDGER_BOOKS_H

#include "base/buf.h"
#include "price/price.h"
#include "store/books.h"

/* ---- explain.c */
/* Stable words, as the control API and exports have them: "deposit", "sla_credit"; "tenant", "payable"; "reported". */
const char *books_transfer_name(enum transfer_kind kind);
const char *books_account_kind_name(enum account_kind kind);
const char *books_source_name(enum usage_source source);

struct books_explanation {
	struct usage_record record;
	bool have_rule;
	struct price_rule rule;
	struct price_steps steps;
	bool matches;  /* recomputed cost and price are the stored ones, and those of the transfers */
	char why[200]; /* when there is nothing to recompute (then it matches), or it differs */
	char tenant[ACCOUNT_NAME_MAX];
	struct transfer transfers[16]; /* the first ones */
	size_t n_transfers;
};
/* ERR_NOT_FOUND: no record of that request. */
int books_explain(struct store *s, const struct request_id *id, struct books_explanation *ret,
		  struct err *err) MUST_CHECK;

/* ---- reconcile.c */
#define BOOKS_SUBJECT_MAX 128
struct books_report {
	uint64_t records_checked, differences;
	int64_t started_ms, took_ms;
	struct store_difference first[64];
	char subject[64][BOOKS_SUBJECT_MAX]; /* of each: "req_...", "account 3", "openai 2026-11 gpt-4o" */
	size_t n_first;
};
/* Usage records and their transfers agree; every charge recomputes (K1); all accounts add up to zero; settlements are
 * unaltered. Looks at records after `after_usage_id`. `full`: at all of them, and also whether balances and hourly sums
 * are those of the rows they were made from, and settlements still say what the records say; that reads everything
 * (some tens of seconds per million records), and keeps SQLite from shortening its log meanwhile. Read only; differences
 * are for the caller to store (books_record). Open holds are the ledger's: it ends those whose time is over. */
int books_reconcile(struct store *s, bool full, int64_t after_usage_id, int64_t now_ms, struct books_report *ret,
		    int64_t *ret_last_usage_id, struct err *err) MUST_CHECK;
/* [ledger thread] Stores a report's differences as discrepancies; when it has more than its first ones, one more says
 * so. */
int books_record(struct store *s, const struct books_report *r, int64_t now_ms, struct err *err) MUST_CHECK;

/* ---- period.c: "2026-11" (month), "2026-11-24" (day), UTC */
int books_period_parse(const char *text, int64_t *ret_from_ms, int64_t *ret_to_ms, struct err *err) MUST_CHECK;

/* ---- settlement.c */
/* Made by reading only (seconds, with a thousand tenants and more), so that the ledger thread isn't kept from its calls;
 * then stored. ERR_EXISTS: settled; ERR_INVAL: the period isn't over, overlaps a settled one, lies before one, or leaves
 * out what moved before it; ERR_CORRUPT: calls and transfers disagree (reconcile first). */
struct books_settlement {
	struct store_settlement head;
	struct store_settlement_line *lines;
	size_t n;
};
int books_settle_make(struct store *s, const char *actor, const char *period, int64_t now_ms,
		      struct books_settlement *ret, struct err *err) MUST_CHECK;
/* [ledger thread] ERR_BUSY: something of the period was posted after it was made; make it again. */
int books_settle_put(struct store *s, const struct books_settlement *p, struct err *err) MUST_CHECK;
void books_settlement_done(struct books_settlement *p);
/* [ledger thread] Both at once, for small books and tests. */
int books_settle(struct store *s, const char *actor, const char *period, int64_t now_ms, struct store_settlement *ret,
		 struct err *err) MUST_CHECK;
/* What books_settle would say of the period so far, storing nothing. While calls are being posted, sums read one after the
 * other may be some calls apart. ERR_INVAL: it has not begun. Lines are malloc'ed. */
int books_draft(struct store *s, const char *period, int64_t now_ms, struct store_settlement *ret,
		struct store_settlement_line **ret_lines, size_t *ret_n, struct err *err) MUST_CHECK;
/* Recomputes the stored hash over the stored lines. ERR_CORRUPT. */
int books_settlement_verify(struct store *s, const char *period, struct err *err) MUST_CHECK;

/* ---- statement.c: one tenant's statement, or all of a settlement, of a settled period or as a draft */
enum books_format { BOOKS_TEXT, BOOKS_JSON, BOOKS_CSV };
struct books_statement_opts {
	const char *period;
	const char *tenant; /* NULL: the settlement as a whole, with payables and margin */
	enum books_format format;
	bool draft; /* of a period that isn't settled */
	int64_t now_ms;
};
/* Provider cost and margin are in the whole, never in a tenant's. ERR_NOT_FOUND: not settled, or the tenant has no statement
 * in it; ERR_EXISTS: a draft of a settled period; ERR_FULL: longer than out->max. */
int books_statement(struct store *s, const struct books_statement_opts *o, struct buf *out, struct err *err) MUST_CHECK;

/* ---- invoice.c: CSV with a header line: model,amount[,calls][,input_tokens][,cached_input_tokens][,output_tokens] */
struct books_invoice_error {
	unsigned line;
	char msg[200];
};
/* ERR_INVAL with all errors (at most *n); lines are malloc'ed. */
int books_invoice_parse(const char *text, size_t len, struct store_invoice_line **ret, size_t *ret_n,
			struct books_invoice_error *errors, size_t *n_errors, struct err *err) MUST_CHECK;
/* An imported invoice against our own records of that provider and period; differences above `tolerance_nano` (amount)
 * or in tokens go to the report. */
int books_invoice_compare(struct store *s, const char *provider, const char *period, int64_t tolerance_nano,
			  struct books_report *ret, struct err *err) MUST_CHECK;

#endif
