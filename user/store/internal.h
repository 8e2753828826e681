/* What the store's files share: the connection, one query at a time, one transaction at a time. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include "store/books.h"
#include "store/schema.h"
#include "store/sql.h"
#include "store/store.h"

#include <sqlite3.h>

/* books_recent.c: what the writer posted since the last roll-up. */
struct groups {
	struct group *all;
	uint32_t *index;
	size_t n, cap, slots;
};
struct recent {
	int64_t usage_after, transfer_after; /* the ids before the first ones remembered */
	struct recent_usage *usage;
	struct recent_transfer *transfers;
	size_t n_usage, n_transfers, usage_cap, transfers_cap;
	size_t usage_committed, transfers_committed; /* of those: what a commit was told to have stored */
	struct groups by_rule, by_pair, by_side, by_account;
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[STORE_SQL_COUNT]; /* prepared at first use */
	store_sha256 sha256;
	const struct schema *schema;
	/* What a posting transaction knows without asking (books_post.c). */
	struct posting {
		bool open;
		struct store_books_tail tail;
		int64_t last_account, last_rule; /* ids run from 1 without a gap */
		int64_t record;                  /* whose transfers may follow; 0 = none (B6) */
	} posting;
	struct recent recent;
};

/* Fill *err from the connection's last error; returns its code. */
int store_fail(struct store *s, struct err *err, const char *what);
int store_fail_db(sqlite3 *db, struct err *err, const char *what);
/* For SQL without results that isn't worth keeping prepared. */
int store_exec(struct store *s, const char *sql, struct err *err) MUST_CHECK;
int store_migrate(struct store *s, struct err *err) MUST_CHECK;

/* check.c: what store_open checks. */
int check_at_open(struct store *s, struct err *err) MUST_CHECK;
/* books_sum.c: the SQL function saturating_sum, and what roll-up works with. */
int sums_register(struct store *s, struct err *err) MUST_CHECK;
/* A statement over rows with ids in (after, upto]. */
int sums_run(struct store *s, enum store_statement which, int64_t after, int64_t upto, struct err *err) MUST_CHECK;
/* books_recent.c: called by posting, in its order; a transaction that isn't committed is forgotten by the next begin.
 */
void recent_begin(struct recent *r, const struct store_books_tail *tail);
void recent_usage(struct recent *r, const struct usage_record *u);
void recent_transfer(struct recent *r, const struct transfer *t);
void recent_commit(struct recent *r);
void recent_done(struct recent *r);
/* Nothing is remembered; what comes next follows these ids. */
void recent_restart(struct recent *r, int64_t usage_id, int64_t transfer_id);
/* Exactly the rows after the first id up to the second? */
bool recent_covers(const struct recent *r, int64_t usage_id, int64_t usage_last, int64_t transfer_id,
		   int64_t transfer_last);
/* Sums of what is committed; false: SQL has to make them. Then they can be stored, inside a transaction. */
bool recent_group(struct recent *r) MUST_CHECK;
int recent_store(struct store *s, struct err *err) MUST_CHECK;
/* books_post.c: is a posting transaction open, and still the one that was begun? */
int posting_check_open(struct store *s, struct err *err) MUST_CHECK;

/* ---- one query: begin, bind in order, then query_run (no row), query_row (row by row). A failure sticks, so that only
 * the last call's result needs looking at. Reset when it leaves its scope:
 *     _cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_KEY_GET, err); */
struct query {
	struct store *store;
	sqlite3_stmt *stmt;
	struct err *err;
	int rc;
	int bound;
};
struct query query_begin(struct store *s, enum store_statement which, struct err *err);
void query_text(struct query *q, const char *text);
void query_bytes_as_text(struct query *q, const char *text, size_t len);
void query_blob(struct query *q, const void *data, size_t len);
void query_int(struct query *q, int64_t v);
void query_null(struct query *q);
/* 0, or an error. */
int query_run(struct query *q) MUST_CHECK;
/* 1: a row, 0: none left, else an error. */
int query_row(struct query *q) MUST_CHECK;
/* Ready to bind again, for loops. */
void query_again(struct query *q);
void query_done(struct query *q);
/* The same for a statement whose every use binds all its parameters: the values needn't be cleared in between. */
void query_release(struct query *q);
/* A text column copied to a buffer, cut at a character's boundary when it doesn't fit. */
void query_column_text(struct query *q, int column, char *out, size_t size);
/* Rows the last insert, update or delete touched. */
int query_changes(const struct query *q);

/* ---- one transaction; rolled back when it leaves its scope without txn_commit:
 *     _cleanup_(txn_end) struct txn txn = TXN_INIT;
 *     rc = txn_begin(&txn, s, err); */
struct txn {
	struct store *open; /* NULL: nothing to roll back */
};
#define TXN_INIT ((struct txn){0})
int txn_begin(struct txn *t, struct store *s, struct err *err) MUST_CHECK;
/* The transaction that is open already, or one of its own. */
int txn_join(struct txn *t, struct store *s, struct err *err) MUST_CHECK;
/* One moment for several queries; takes no lock that a writer could meet. Ended by txn_end. */
int txn_begin_read(struct txn *t, struct store *s, struct err *err) MUST_CHECK;
int txn_commit(struct txn *t, struct err *err) MUST_CHECK;
void txn_end(struct txn *t);

/* ---- audit: inside the transaction of the action */
int audit_add(struct store *s, const char *actor, const char *action, const char *target, struct err *err,
	      const char *detail_fmt, ...) MUST_CHECK PRINTF_LIKE(6, 7);

/* ---- rows of the books as values */
void read_usage(struct query *q, struct usage_record *r);
void read_transfer(struct query *q, struct transfer *t);
void read_request_id(struct query *q, int column, struct request_id *ret);
void read_tokens(struct query *q, int first_column, struct usage *ret); /* five columns, in struct usage's order */
/* B6: what directly follows a call's record. */
static inline bool transfer_of_call(enum transfer_kind kind)
{
	return kind == TRANSFER_CHARGE || kind == TRANSFER_OVERAGE || kind == TRANSFER_COST;
}
/* LIMIT's argument: -1 = none. */
int64_t limit_of(size_t limit);

/* ---- slots: inside a transaction */
int slot_take(struct store *s, uint32_t *ret_slot, uint32_t *ret_incarnation, struct err *err) MUST_CHECK;

/* ---- names: what is wrong and what would be right */
int name_check(const char *what, const char *name, size_t size, struct err *err) MUST_CHECK;

#endif
