/* Books in a temporary folder, posted to as the ledger thread does, with figures that can be computed by hand:
 * the rules of bk_rule cost 1.00 per million tokens of input, 0.50 cached, 2.00 of output, margin 0.20, so that a token
 * of input costs 1000 nano-units and is charged 1250. */
#ifndef TESTS_LEDGER_BOOKS_FIXTURE_H
#define TESTS_LEDGER_BOOKS_FIXTURE_H

#include "ledger/books.h"

#include <criterion/criterion.h>
#include <stdbool.h>

#define OCTOBER_MS 1790812800000ll /* 2026-10-01 00:00 UTC */
#define NOVEMBER_MS 1793491200000ll
#define DECEMBER_MS 1796083200000ll
#define JANUARY_MS 1798761600000ll
#define DAY_MS 86400000ll
#define CENT_TOKENS 8000 /* of input: a cent */

extern struct store *bk_store;
extern char bk_folder[64], bk_path[80];
extern struct err bk_err;

#define MUST(call)                                                                                                     \
	do {                                                                                                           \
		int rc_ = (call);                                                                                      \
		cr_assert_eq(rc_, 0, #call ": %d %s", rc_, bk_err.msg);                                                \
	} while (0)
/* The call fails with `code`, and its message has `part` in it. */
#define REFUSED(call, want, part)                                                                                      \
	do {                                                                                                           \
		int rc_ = (call);                                                                                      \
		cr_expect_eq(rc_, want, #call ": %d, not %d: %s", rc_, want, bk_err.msg);                              \
		cr_expect(strstr(bk_err.msg, part) != NULL, #call ": \"%s\" doesn't say \"%s\"", bk_err.msg, part);    \
	} while (0)

void bk_init(void);
void bk_done(void);
/* Closes and opens them again. */
void bk_reopen(void);
/* SQL behind the store's back. */
void bk_sql(const char *sql);

int64_t bk_rule(const char *provider, const char *upstream_model, const char *model);
int64_t bk_account(enum account_kind kind, const char *name);

struct bk_call {
	const char *tenant;
	int64_t rule; /* 0: no provider was reached */
	uint64_t input, cached, output;
	int64_t at_ms;
	int64_t hold_nano;        /* 0: as much as its price */
	enum usage_source source; /* USAGE_NONE: nothing is charged */
	int status;               /* 0: 200 */
	unsigned flags;
};
/* Posts it with its transfers; the record's id. */
int64_t bk_call(const struct bk_call *c);
/* The request id of the n-th call, from 1: as the record's id. */
struct request_id bk_request(int64_t n);
/* An operator's or a refund's transfer; amount below zero takes from the tenant. usage_id 0 = none. */
int64_t bk_transfer(enum transfer_kind kind, const char *tenant, int64_t amount_nano, int64_t at_ms, int64_t usage_id);

/* Statement lines of a settled period. */
struct bk_lines {
	struct store_settlement_line *v;
	size_t n;
};
void bk_lines(const char *period, const char *account, struct bk_lines *ret);
/* The one of that kind (and model, when not NULL); the test fails when there is none. */
const struct store_settlement_line *bk_line(const struct bk_lines *l, enum store_line_kind kind, const char *account,
					    const char *model);
bool bk_has_line(const struct bk_lines *l, enum store_line_kind kind, const char *account, const char *model);

#endif
