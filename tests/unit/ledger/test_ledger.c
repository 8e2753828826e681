/* Goal: L1, L2, L3, L4 and L7 seen from outside: what is held, settled, posted by hand. Method: a ledger on files of
 * its own, lane 0 on the test's loop; the books are read back by a second connection. */
#include "fixture.h"

#include <string.h>

TestSuite(ledger, .init = world_new, .fini = world_free, .timeout = 60);

Test(ledger, hold_settle_done)
{
	struct ledger_balance b;
	struct usage_record r;
	struct books books;
	struct call c;

	world_start();
	world_deposit(10 * NANO);
	settle(&c, hold_of(1, 3 * NANO), 1, 2 * NANO, NANO);
	b = world_balance(); /* before the commit: the price is gone, the rest is back */
	cr_expect_eq(b.available_nano, 8 * NANO);
	await(1);
	cr_expect_eq(c.rc, 0);
	b = world_balance();
	cr_expect_eq(b.balance_nano, 8 * NANO);
	cr_expect_eq(b.held_nano, 0);
	cr_expect_eq(b.holds, 0);
	books = books_read();
	cr_expect_eq(books.sum, 0);
	cr_expect_eq(books.balance, 8 * NANO);
	cr_expect_eq(books.revenue, 2 * NANO);
	cr_expect_eq(books.cost, -NANO);
	cr_expect_eq(books.payable, NANO);
	cr_expect_eq(books.records, 1);
	cr_expect_eq(books.transfers, 3); /* deposit, charge, cost */
	cr_assert(record_read(1, &r));
	cr_expect_eq(r.price_nano, 2 * NANO);
	cr_expect_eq(r.hold_nano, 3 * NANO);
	cr_expect_eq(r.account_id, ledger_account_id(w.account));
}

/* L2: charge + overage = price; nothing for zero amounts. */
Test(ledger, transfers_of_a_call)
{
	static const struct {
		int64_t hold, price, cost;
		unsigned transfers;
	} rows[] = {
		{100, 100, 75, 2},                             /* charge, cost */
		{100, 101, 75, 3},                             /* and one of overage */
		{100, 0, 75, 1},                               /* our cost alone */
		{100, 0, 0, 0},    {0, 0, 0, 0}, {0, 7, 0, 1}, /* all of it overage */
	};
	struct call calls[ARRAY_SIZE(rows)];
	int64_t price = 0, cost = 0;
	unsigned transfers = 1;
	struct books b;

	world_start();
	world_deposit(1000);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		settle(&calls[i], hold_of(i + 1, rows[i].hold), i + 1, rows[i].price, rows[i].cost);
		price += rows[i].price;
		cost += rows[i].cost;
		transfers += rows[i].transfers;
	}
	await(ARRAY_SIZE(rows));
	b = books_read();
	cr_expect_eq(b.sum, 0);
	cr_expect_eq(b.transfers, transfers, "%u, wanted %u", (unsigned)b.transfers, transfers);
	cr_expect_eq(b.balance, 1000 - price);
	cr_expect_eq(b.revenue, price);
	cr_expect_eq(b.payable, cost);
	cr_expect_eq(b.differences, 0, "%s", b.first);
	cr_expect_eq(world_balance().available_nano, 1000 - price);
}
