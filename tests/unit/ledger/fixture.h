/* A ledger of one's own: files in a folder that is removed at the end, lane 0 on the test's own loop. */
#ifndef TESTS_LEDGER_FIXTURE_H
#define TESTS_LEDGER_FIXTURE_H

#include <criterion/criterion.h>

#include "ledger/ledger.h"

#define NANO MONEY_NANO
#define TENANT "acme"
#define SUBJECT 7u

struct world {
	char dir[64], db[96], holds[96];
	struct ledger_opts opts;
	struct ledger *l;
	struct loop *loop;              /* lane 0's */
	struct ledger_account *account; /* TENANT's */
	struct price_rule rule;         /* stored; price = cost x 4/3 */
};
extern struct world w;

void world_new(void);
void world_free(void);
/* Opens on the files that are there, binds TENANT and lane 0. */
void world_open(void);
void world_start(void);
/* Without settling anything: open holds stay in the file, as after a kill. */
void world_close(void);
void world_deposit(int64_t nano);
struct ledger_balance world_balance(void);

struct request_id request_number(uint64_t n);
struct ledger_hold_terms terms(uint64_t request, int64_t amount);
/* Asserts that it is taken. */
struct ledger_hold *hold_of(uint64_t request, int64_t amount);

/* A settled call: done() counts and stops the loop once `waited_for` have ended. */
struct call {
	struct ledger_job job;
	int rc, done;
};
void call_fill(struct call *c, uint64_t request, int64_t price, int64_t cost);
void settle(struct call *c, struct ledger_hold *h, uint64_t request, int64_t price, int64_t cost);
/* Runs the loop until n calls have ended since the last call of this. */
void await(unsigned n);

/* ---- what the books say, by a connection of its own */
struct books {
	uint64_t records, transfers, differences;
	int64_t sum;     /* of all balances: zero */
	int64_t balance; /* of TENANT */
	int64_t revenue, cost, payable;
	char first[240];
};
struct books books_read(void);
bool record_read(uint64_t request, struct usage_record *ret);
unsigned recoveries_read(struct store_recovery *ret, unsigned max);
unsigned discrepancies_read(const char *kind);
struct store *store_reader(void);

#endif
