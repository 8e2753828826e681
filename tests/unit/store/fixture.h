/* A store in a temporary folder, and what the store's tests share. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "store/books.h"
#include "store/internal.h"
#include "store/store.h"

#include <criterion/criterion.h>
#include <stdbool.h>

extern char fixture_folder[64], fixture_path[80];

/* The folder; no store is opened. */
void fixture_init(void);
void fixture_done(void);

struct store_opts fixture_opts(void);
struct store *fixture_open(void);
/* The result of opening; the store is closed again. */
int fixture_try_open(struct err *err);
/* SQL on the file behind the store's back. */
void fixture_sql(const char *sql);
/* One value; -1 when there is no row. */
long long fixture_number(const char *sql);
/* A key with a hash made from `n`. */
int fixture_key(struct store *s, const char *tenant, unsigned n, struct api_key *ret, struct err *err);

/* ---- the books, in the same folder */
extern char fixture_books_path[120];
struct store *fixture_books(void);
void fixture_books_sql(const char *sql);
long long fixture_books_number(const char *sql);
/* Tenants "t0".. (accounts 1..n), then cash, revenue, cost, payable of "openai". */
enum { BOOKS_CASH, BOOKS_REVENUE, BOOKS_COST, BOOKS_PAYABLE, BOOKS_OTHERS };
struct books_accounts {
	int64_t tenant[64], other[BOOKS_OTHERS], rule[3];
};
void fixture_accounts(struct store *s, size_t tenants, struct books_accounts *ret);
/* The n-th of made-up records, with everything random about it a function of n: of tenant n % tenants, `step_ms` apart
 * from 2026-11-01. */
struct usage_record fixture_record(const struct books_accounts *a, size_t tenants, uint64_t n, int64_t step_ms);
/* Puts the record and its transfers; inside a posting transaction. */
int fixture_post(struct store *s, const struct books_accounts *a, const struct usage_record *r, struct err *err);
/* Records [from, to), `batch` to a transaction. */
void fixture_fill(struct store *s, const struct books_accounts *a, size_t tenants, uint64_t from, uint64_t to,
		  uint64_t batch, int64_t step_ms);
#define FIXTURE_START_MS 1793491200000ll /* 2026-11-01 00:00 UTC */

/* The error of calls that have to succeed: MUST(store_x(s, &oops)). */
extern _Thread_local struct err oops;

#define MUST(call)                                                                                                     \
	do {                                                                                                           \
		int rc_ = (call);                                                                                      \
		cr_assert_eq(rc_, 0, #call ": %d %s", rc_, oops.msg);                                                  \
	} while (0)

#endif
