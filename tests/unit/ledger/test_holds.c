/* Goal: L1, L5 and the life of a hold: each edge of the drawing in slots.h, and what may not be. Method: lane 0 by
 * hand; time-outs by holds whose time is over when they are taken. */
#include "fixture.h"

#include <string.h>

TestSuite(holds, .init = world_new, .fini = world_free, .timeout = 60);

static int take(int64_t amount, struct err *err)
{
	struct ledger_hold_terms t = terms(99, amount);
	struct ledger_hold *h;

	return ledger_hold_take(w.l, 0, w.account, &t, &h, err);
}

Test(holds, no_more_than_there_is)
{
	struct ledger_hold *h;
	struct err err;

	world_start();
	cr_expect_eq(take(1, &err), ERR_FULL);
	world_deposit(100);
	cr_expect_eq(take(101, &err), ERR_FULL);
	cr_expect_eq(take(-1, &err), ERR_INVAL);
	cr_expect_eq(take(INT64_MAX, &err), ERR_FULL);
	h = hold_of(1, 100);
	cr_expect_eq(world_balance().held_nano, 100);
	cr_expect_eq(take(1, &err), ERR_FULL);
	cr_expect_eq(take(0, &err), 0); /* a call that costs nothing */
	ledger_hold_void(w.l, h);
	cr_expect_eq(take(100, &err), 0);
}

Test(holds, credit_line)
{
	struct err err;

	world_start();
	world_deposit(100);
	cr_assert_eq(ledger_set_credit_line(w.l, "test", TENANT, 50, &err), 0, "%s", err.msg);
	cr_expect_eq(world_balance().available_nano, 150);
	cr_expect_eq(world_balance().balance_nano, 100);
	cr_expect_eq(take(151, &err), ERR_FULL);
	cr_expect_eq(take(150, &err), 0);
	cr_assert_eq(ledger_set_credit_line(w.l, "test", TENANT, 0, &err), 0);
	cr_expect_eq(world_balance().available_nano, -50); /* what is held stays held */
	cr_expect_eq(take(0, &err), ERR_FULL);
	cr_expect_eq(ledger_set_credit_line(w.l, "test", TENANT, -1, &err), ERR_INVAL);
	cr_expect_eq(ledger_set_credit_line(w.l, "test", TENANT, INT64_MAX, &err), ERR_RANGE);
	cr_expect_eq(ledger_set_credit_line(w.l, "test", "nobody", 1, &err), ERR_NOT_FOUND);
}

Test(holds, all_slots_taken)
{
	struct ledger_hold *held[4];
	struct err err;

	w.opts.holds_max = 4;
	world_start();
	world_deposit(100);
	for (unsigned i = 0; i < 4; i++)
		held[i] = hold_of(i, 1);
	cr_expect_eq(take(1, &err), ERR_BUSY);
	cr_expect_not_null(strstr(err.msg, "all 4"), "%s", err.msg);
	cr_expect_eq(world_balance().available_nano, 96); /* given back */
	ledger_hold_void(w.l, held[2]);
	cr_expect_eq(take(1, &err), 0);
}

Test(holds, listing_is_oldest_first)
{
	struct ledger_hold_view v[4];
	struct ledger_hold_terms t;
	struct ledger_hold *h;

	world_start();
	world_deposit(100);
	for (int i = 0; i < 4; i++) {
		t = terms((uint64_t)i, i + 1);
		t.admitted_ms = 1000 - i;
		cr_assert_eq(ledger_hold_take(w.l, 0, w.account, &t, &h, NULL), 0);
	}
	ledger_hold_forwarded(h, &w.rule, 5, true);
	ledger_hold_delivered(h, 17);
	ledger_hold_reported(h, &(struct usage){.output_tokens = 17});
	cr_assert_eq(ledger_holds(w.l, v, 3), 3);
	cr_expect_eq(v[0].amount_nano, 4);
	cr_expect(v[0].forwarded && v[0].stream && v[0].reported);
	cr_expect_eq(v[0].delivered_tokens, 17);
	cr_expect_eq(v[1].amount_nano, 3);
	cr_expect_not(v[1].forwarded || v[1].reported);
	cr_expect_eq(v[2].amount_nano, 2);
	cr_expect_eq(v[0].account_id, ledger_account_id(w.account));
}

/* ---- expiry */

static struct ledger_hold *overdue(uint64_t request, bool idempotent)
{
	struct ledger_hold_terms t = terms(request, 1000);
	struct ledger_hold *h = NULL;

	t.expires_ms = t.admitted_ms;
	t.idempotent = idempotent;
	cr_assert_eq(ledger_hold_take(w.l, 0, w.account, &t, &h, NULL), 0);
	return h;
}

static void await_expired(unsigned n)
{
	struct ledger_stats s;

	do
		ledger_stats(w.l, &s);
	while (s.holds_expired < n || s.records < n);
}

/* OPEN -> EXPIRED by the rules R2 to R4; the worker that comes later finds it charged, and is told so once. */
Test(holds, expired_is_resolved_by_rule)
{
	static const struct {
		bool forwarded, idempotent;
		uint64_t delivered;
		bool reported;
		enum usage_source source;
		int64_t cost;
	} rows[] = {
		{false, false, 0, false, USAGE_NONE, 0},       {true, false, 0, false, USAGE_NONE, 0},
		{true, false, 0, true, USAGE_NONE, 0},         {true, true, 20, false, USAGE_NONE, 0},
		{true, false, 20, false, USAGE_RECOVERED, 30}, {true, false, 20, true, USAGE_RECOVERED, 45},
	};
	enum { N = ARRAY_SIZE(rows) };
	struct ledger_hold *h[N];
	struct call late[N];
	struct usage_record r;
	struct books b;

	world_open(); /* nothing ends before progress is written */
	world_deposit(1000000);
	for (unsigned i = 0; i < N; i++) {
		h[i] = overdue(i + 1, rows[i].idempotent);
		if (rows[i].forwarded)
			ledger_hold_forwarded(h[i], &w.rule, 10, true);
		if (rows[i].delivered)
			ledger_hold_delivered(h[i], rows[i].delivered);
		if (rows[i].reported)
			ledger_hold_reported(h[i], &(struct usage){.input_tokens = 12, .output_tokens = 33});
	}
	cr_assert_eq(ledger_start(w.l, NULL), 0);
	await_expired(N);
	for (unsigned i = 0; i < N; i++)
		settle(&late[i], h[i], i + 1, 500, 0);
	await(N);
	for (unsigned i = 0; i < N; i++) {
		cr_expect_eq(late[i].rc, ERR_EXISTS, "row %u: %d", i, late[i].rc);
		cr_expect_eq(late[i].done, 1);
		cr_assert(record_read(i + 1, &r));
		cr_expect_eq(r.source, rows[i].source, "row %u", i);
		cr_expect_eq(r.cost_nano, rows[i].cost, "row %u: %lld", i, (long long)r.cost_nano);
		cr_expect_eq(r.price_nano, rows[i].cost * 4 / 3, "row %u", i);
		cr_expect(r.flags & USAGE_FLAG_EXPIRED, "row %u", i);
	}
	ledger_stop(w.l);
	b = books_read();
	cr_expect_eq(b.records, N);
	cr_expect_eq(b.differences, 0, "%s", b.first);
	cr_expect_eq(b.balance, 1000000 - 100);
	cr_expect_eq(world_balance().available_nano, 1000000 - 100);
	cr_expect_eq(world_balance().held_nano, 0);
}

/* EXPIRED -> FREE: only when the ledger has posted it and its worker has let go, in either order. */
Test(holds, expired_slot_is_free_when_both_let_go)
{
	struct ledger_stats s;
	struct ledger_hold *h;
	struct err err;

	w.opts.holds_max = 1;
	world_start();
	world_deposit(1000000);
	for (uint64_t i = 1; i <= 20; i++) {
		h = overdue(i, false);
		if (i % 2) {
			await_expired((unsigned)i);
			cr_expect_eq(take(1, &err), ERR_BUSY); /* its worker may still write to it */
			ledger_hold_void(w.l, h);
		} else {
			struct ledger_hold_view v;

			while (ledger_holds(w.l, &v, 1)) /* until it has expired, posted or not */
				;
			ledger_hold_void(w.l, h);
			await_expired((unsigned)i);
		}
		do
			ledger_stats(w.l, &s);
		while (s.holds_open);
	}
	cr_expect_eq(world_balance().available_nano, 1000000);
	cr_expect_eq(s.holds_voided, 0); /* all of them ended as expired */
}

/* A step of the wall clock forward ends no call: only the time that passes counts. */
Test(holds, by_the_monotonic_clock)
{
	struct ledger_hold_terms t = terms(1, 10); /* admitted in 1970 by the wall clock, ten minutes to go */
	struct ledger_hold_view v;
	struct ledger_stats s;
	struct ledger_hold *h;

	world_start();
	world_deposit(2000);
	cr_assert_eq(ledger_hold_take(w.l, 0, w.account, &t, &h, NULL), 0);
	overdue(2, false); /* shows that the ledger has looked */
	await_expired(1);
	ledger_stats(w.l, &s);
	cr_expect_eq(s.holds_expired, 1);
	cr_assert_eq(ledger_holds(w.l, &v, 1), 1);
	cr_expect_eq(v.amount_nano, 10);
}
