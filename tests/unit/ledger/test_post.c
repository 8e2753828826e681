/* Goal: what an operator posts (deposits, adjustments, refunds), its bounds and its refs; L4, L7. Method: rows against
 * a running ledger; the books are read back. */
#include "fixture.h"

#include "base/clock.h"

#include <string.h>

TestSuite(posting, .init = world_new, .fini = world_free, .timeout = 60);

static char long_ref[200];

Test(posting, rows)
{
	const struct request_id paid = request_number(1), unknown = request_number(77);
	const struct {
		const char *name;
		enum transfer_kind kind;
		int64_t amount;
		const char *tenant, *ref;
		const struct request_id *request;
		int rc;
		int64_t available; /* afterwards */
		bool repeated;
	} rows[] = {
		{"deposit", TRANSFER_DEPOSIT, 100, TENANT, "d1", NULL, 0, 1070, false},
		{"the same again", TRANSFER_DEPOSIT, 100, TENANT, "d1", NULL, 0, 1070, true},
		{"same ref, other amount", TRANSFER_DEPOSIT, 101, TENANT, "d1", NULL, ERR_EXISTS, 1070, false},
		{"same ref, other kind", TRANSFER_ADJUSTMENT, 100, TENANT, "d1", NULL, ERR_EXISTS, 1070, false},
		{"zero", TRANSFER_DEPOSIT, 0, TENANT, NULL, NULL, ERR_INVAL, 1070, false},
		{"negative deposit", TRANSFER_DEPOSIT, -1, TENANT, NULL, NULL, ERR_INVAL, 1070, false},
		{"nobody", TRANSFER_DEPOSIT, 1, "nobody", NULL, NULL, ERR_NOT_FOUND, 1070, false},
		{"too large", TRANSFER_DEPOSIT, INT64_MAX, TENANT, NULL, NULL, ERR_INVAL, 1070, false},
		{"smallest", TRANSFER_ADJUSTMENT, INT64_MIN, TENANT, NULL, NULL, ERR_INVAL, 1070, false},
		{"leaves the range", TRANSFER_DEPOSIT, INT64_MAX / 2, TENANT, NULL, NULL, ERR_RANGE, 1070, false},
		{"adjustment down", TRANSFER_ADJUSTMENT, -70, TENANT, "a1", NULL, 0, 1000, false},
		{"the same down", TRANSFER_ADJUSTMENT, -70, TENANT, "a1", NULL, 0, 1000, true},
		{"same ref, up", TRANSFER_ADJUSTMENT, 70, TENANT, "a1", NULL, ERR_EXISTS, 1000, false},
		{"long ref", TRANSFER_DEPOSIT, 1, TENANT, long_ref, NULL, ERR_INVAL, 1000, false},
		{"not the operator's", TRANSFER_CHARGE, 1, TENANT, NULL, NULL, ERR_INVAL, 1000, false},
		{"refund without request", TRANSFER_REFUND, 1, TENANT, NULL, NULL, ERR_INVAL, 1000, false},
		{"refund of the unknown", TRANSFER_REFUND, 1, TENANT, NULL, &unknown, ERR_NOT_FOUND, 1000, false},
		{"refund above the price", TRANSFER_REFUND, 31, TENANT, NULL, &paid, ERR_INVAL, 1000, false},
		{"part", TRANSFER_REFUND, 10, TENANT, "r1", &paid, 0, 1010, false},
		{"the same part", TRANSFER_REFUND, 10, TENANT, "r1", &paid, 0, 1010, true},
		{"above what is left", TRANSFER_REFUND, 21, TENANT, NULL, &paid, ERR_INVAL, 1010, false},
		{"another tenant's", TRANSFER_REFUND, 1, "other", NULL, &paid, ERR_NOT_FOUND, 1010, false},
		{"all that is left", TRANSFER_REFUND, 0, TENANT, "r2", &paid, 0, 1030, false},
		{"again", TRANSFER_REFUND, 0, TENANT, "r2", &paid, 0, 1030, true},
		{"nothing left", TRANSFER_REFUND, 0, TENANT, NULL, &paid, ERR_INVAL, 1030, false},
	};
	struct call c;
	struct books b;
	struct err err;

	memset(long_ref, 'x', sizeof(long_ref) - 1);
	world_start();
	cr_assert_eq(ledger_account_bind(w.l, "other", SUBJECT + 1, 3, &err), 0);
	cr_expect_eq(ledger_account_tier(ledger_account_at(w.l, SUBJECT + 1)), 3);
	world_deposit(1000);
	settle(&c, hold_of(1, 30), 1, 30, 20);
	await(1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool repeated = false;
		struct ledger_posting p = {.kind = rows[i].kind,
					   .tenant_id = rows[i].tenant,
					   .actor = "test",
					   .ref = rows[i].ref,
					   .amount_nano = rows[i].amount,
					   .request = rows[i].request,
					   .repeated = &repeated};
		struct transfer t = {.id = -7};
		int rc = ledger_post(w.l, &p, &t, &err);

		cr_expect_eq(rc, rows[i].rc, "%s: %d %s", rows[i].name, rc, err.msg);
		cr_expect_eq(world_balance().available_nano, rows[i].available, "%s: %lld", rows[i].name,
			     (long long)world_balance().available_nano);
		cr_expect_eq(repeated, rows[i].repeated, "%s", rows[i].name);
		cr_expect(rc < 0 ? t.id == -7 : t.id > 0, "%s", rows[i].name);
	}
	ledger_stop(w.l);
	b = books_read();
	cr_expect_eq(b.sum, 0);
	cr_expect_eq(b.balance, 1030);
	cr_expect_eq(b.differences, 0, "%s", b.first);
}

static int far_ahead(struct store *s, void *arg, struct err *err)
{
	const struct transfer *t = arg;
	int64_t id;
	int rc = store_books_begin(s, err);

	if (rc == 0)
		rc = store_transfer_put(s, t, &id, err);
	return rc < 0 ? rc : store_books_commit(s, err);
}

/* L7: the books are a day ahead of the clock, as after a clock that ran ahead and was set back. */
Test(posting, time_never_runs_back)
{
	const int64_t ahead_ms = clock_wall_ms() + 86400000;
	struct transfer t = {.time_ms = ahead_ms,
			     .kind = TRANSFER_ADJUSTMENT,
			     .debit_account = 1,
			     .credit_account = 2,
			     .amount_nano = 1};
	struct usage_record r;
	struct call c[2];
	struct err err;

	world_start();
	world_deposit(1000);
	cr_assert_eq(ledger_run(w.l, far_ahead, &t, &err), 0, "%s", err.msg);
	settle(&c[0], hold_of(1, 30), 1, 30, 20);
	await(1);
	cr_assert(record_read(1, &r));
	cr_expect_eq(r.posted_ms, ahead_ms);
	world_close();
	world_start();
	settle(&c[1], hold_of(2, 30), 2, 30, 20);
	await(1);
	cr_assert(record_read(2, &r));
	cr_expect_eq(r.posted_ms, ahead_ms);
}

static int answer_42(struct store *s, void *arg, struct err *err)
{
	*(int *)arg = s ? 42 : 0;
	return err_set(err, ERR_RANGE, "told");
}

/* The task's own result and message come back, before the thread runs too. */
Test(posting, run)
{
	struct err err = {0};
	int got = 0;

	world_open();
	cr_expect_eq(ledger_run(w.l, answer_42, &got, &err), ERR_RANGE);
	cr_expect_eq(got, 42);
	got = 0;
	cr_assert_eq(ledger_start(w.l, NULL), 0);
	cr_expect_eq(ledger_run(w.l, answer_42, &got, &err), ERR_RANGE);
	cr_expect_eq(got, 42);
	cr_expect_str_eq(err.msg, "told");
}
