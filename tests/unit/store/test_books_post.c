/* Goal: posting keeps B1 to B4 and B6. Method: rows that break a rule one by one in one transaction, which goes on; the
 * file changed behind the store's back. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static struct store *s;
static struct books_accounts acc;

static void set_up(void)
{
	fixture_init();
	s = fixture_books();
	fixture_accounts(s, 3, &acc);
}

static void clean(void)
{
	store_close(s);
	fixture_done();
}

TestSuite(books_post, .init = set_up, .fini = clean);

static struct usage_record record(uint64_t n)
{
	return fixture_record(&acc, 3, n, 1000);
}

static struct transfer deposit(int64_t amount_nano, const char *ref)
{
	struct transfer t = {.time_ms = FIXTURE_START_MS,
			     .kind = TRANSFER_DEPOSIT,
			     .debit_account = acc.other[BOOKS_CASH],
			     .credit_account = acc.tenant[0],
			     .amount_nano = amount_nano,
			     .actor = "alice",
			     .note = "bank"};

	snprintf(t.ref, sizeof(t.ref), "%s", ref);
	return t;
}

static uint64_t usage_count(void)
{
	uint64_t n;

	MUST(store_usage_count(s, &n, &oops));
	return n;
}

Test(books_post, records_come_back_as_put)
{
	struct usage_record got, r = record(7);

	fixture_fill(s, &acc, 3, 0, 10, 4, 1000);
	MUST(store_usage_get(s, &r.request_id, &got, &oops));
	r.id = 8;
	cr_expect_eq(memcmp(&r, &got, sizeof(r)), 0);
	r.request_id.b[0] ^= 1;
	cr_expect_eq(store_usage_get(s, &r.request_id, &got, &oops), ERR_NOT_FOUND);
}

/* Every field at the end of its range. */
Test(books_post, extremes_come_back_as_put)
{
	struct usage_record got, r = record(1);
	int64_t id;

	memset(r.request_id.b, 0xff, sizeof(r.request_id.b));
	memset(r.key_id, 'k', sizeof(r.key_id) - 1);
	r.rule_id = 0;
	r.route = UINT32_MAX;
	r.admitted_ms = r.posted_ms = INT64_MAX;
	r.usage = (struct usage){USAGE_TOKENS_MAX, USAGE_TOKENS_MAX, USAGE_TOKENS_MAX, USAGE_TOKENS_MAX,
				 USAGE_TOKENS_MAX};
	r.source = USAGE_RECOVERED;
	r.flags = UINT32_MAX;
	r.status = 599;
	r.hold_nano = r.cost_nano = r.price_nano = INT64_MAX;
	r.latency_us = UINT32_MAX;
	r.bytes = INT64_MAX;
	MUST(store_books_begin(s, &oops));
	MUST(store_usage_put(s, &r, &id, &oops));
	MUST(store_books_commit(s, &oops));
	MUST(store_usage_get(s, &r.request_id, &got, &oops));
	r.id = id;
	cr_expect_eq(memcmp(&r, &got, sizeof(r)), 0);
}

/* B1: from any connection, not only ours. */
Test(books_post, rows_are_never_changed)
{
	static const char *const bad[] = {
		"UPDATE usage SET price_nano = 0 WHERE id = 1",
		"DELETE FROM usage WHERE id = 1",
		"UPDATE transfers SET amount_nano = amount_nano + 1 WHERE id = 1",
		"DELETE FROM transfers",
		"UPDATE price_rules SET rate_input_nano = 9 WHERE id = 1",
		"DELETE FROM price_rules WHERE id = 1",
		"DELETE FROM accounts WHERE id = 1",
	};

	fixture_fill(s, &acc, 3, 0, 10, 10, 1000);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = {0};

		cr_expect_eq(store_exec(s, bad[i], &err), ERR_PERM, "%s: %s", bad[i], err.msg);
		cr_expect_not_null(strstr(err.msg, "never"), "%s: %s", bad[i], err.msg);
	}
	cr_expect_eq(usage_count(), 10);
}

/* B2, B3 and ranges: each bad record is refused, and the transaction goes on. */
Test(books_post, bad_records)
{
	struct usage_record rows[16];
	int rcs[16], n = 0;
	int64_t id = 77;

#define BAD(code, change)                                                                                              \
	do {                                                                                                           \
		struct usage_record r = record(5);                                                                     \
		change;                                                                                                \
		rcs[n] = code;                                                                                         \
		rows[n++] = r;                                                                                         \
	} while (0)
	BAD(ERR_EXISTS, r.request_id = record(0).request_id);
	BAD(ERR_INVAL, r.posted_ms = record(0).posted_ms - 1);
	BAD(ERR_INVAL, r.account_id = 0);
	BAD(ERR_INVAL, r.account_id = 999);
	BAD(ERR_INVAL, r.rule_id = 999);
	BAD(ERR_INVAL, r.rule_id = -1);
	BAD(ERR_INVAL, r.price_nano = -1);
	BAD(ERR_INVAL, r.cost_nano = -1);
	BAD(ERR_INVAL, r.hold_nano = INT64_MIN);
	BAD(ERR_INVAL, r.source = USAGE_SOURCES);
	BAD(ERR_INVAL, r.id = 3);
	BAD(ERR_INVAL, r.id = 1);
	BAD(ERR_RANGE, r.usage.input_tokens = USAGE_TOKENS_MAX + 1);
	BAD(ERR_RANGE, r.usage.reasoning_tokens = UINT64_MAX);
	BAD(ERR_RANGE, r.bytes = UINT64_MAX);
#undef BAD
	MUST(store_books_begin(s, &oops));
	rows[15] = record(0);
	MUST(store_usage_put(s, &rows[15], &id, &oops));
	for (int i = 0; i < n; i++) {
		int64_t untouched = 77;

		cr_expect_eq(store_usage_put(s, &rows[i], &untouched, &oops), rcs[i], "row %d: %s", i, oops.msg);
		cr_expect_eq(untouched, 77);
	}
	rows[15] = record(6);
	rows[15].id = 2; /* the next one, asked for by name */
	MUST(store_usage_put(s, &rows[15], &id, &oops));
	cr_expect_eq(id, 2);
	MUST(store_books_commit(s, &oops));
	cr_expect_eq(usage_count(), 2);
}

Test(books_post, bad_transfers)
{
	struct transfer rows[16];
	struct usage_record r = record(0);
	int64_t usage_id, id;
	int n = 0;

#define BAD(change)                                                                                                    \
	do {                                                                                                           \
		struct transfer t = deposit(5, "");                                                                    \
		change;                                                                                                \
		rows[n++] = t;                                                                                         \
	} while (0)
	BAD(t.amount_nano = 0);
	BAD(t.amount_nano = -5);
	BAD(t.amount_nano = INT64_MIN);
	BAD(t.debit_account = t.credit_account);
	BAD(t.debit_account = 0);
	BAD(t.credit_account = 999);
	BAD(t.kind = TRANSFER_KINDS);
	BAD(t.time_ms = FIXTURE_START_MS - 1); /* B3 */
	BAD(t.usage_id = 2);
	BAD(t.usage_id = -1);
	BAD(t.kind = TRANSFER_CHARGE; t.usage_id = 0);
	BAD(t.id = 9);
#undef BAD
	MUST(store_books_begin(s, &oops));
	MUST(store_usage_put(s, &r, &usage_id, &oops));
	for (int i = 0; i < n; i++)
		cr_expect_eq(store_transfer_put(s, &rows[i], &id, &oops), ERR_INVAL, "row %d", i);
	rows[0] = deposit(5, "");
	MUST(store_transfer_put(s, &rows[0], &id, &oops));
	cr_expect_eq(id, 1);
	/* B6: the deposit is between the record and its charge. */
	rows[0].kind = TRANSFER_CHARGE;
	rows[0].usage_id = usage_id;
	cr_expect_eq(store_transfer_put(s, &rows[0], &id, &oops), ERR_INVAL);
	r = record(1);
	MUST(store_usage_put(s, &r, &usage_id, &oops));
	/* B6: of the record before. */
	cr_expect_eq(store_transfer_put(s, &rows[0], &id, &oops), ERR_INVAL);
	MUST(store_books_commit(s, &oops));
	cr_expect_eq(fixture_books_number("SELECT count(*) FROM transfers"), 1);
}

/* A reference is one per account, whichever side of the transfer the tenant is. */
Test(books_post, references)
{
	struct transfer got, t = deposit(5, "inv-1");
	int64_t first, id;

	MUST(store_books_begin(s, &oops));
	MUST(store_transfer_put(s, &t, &first, &oops));
	cr_expect_eq(store_transfer_put(s, &t, &id, &oops), ERR_EXISTS);
	cr_expect_not_null(strstr(oops.msg, "inv-1"), "%s", oops.msg);
	t.kind = TRANSFER_ADJUSTMENT; /* the other way, same tenant */
	t.debit_account = acc.tenant[0];
	t.credit_account = acc.other[BOOKS_REVENUE];
	cr_expect_eq(store_transfer_put(s, &t, &id, &oops), ERR_EXISTS);
	t.debit_account = acc.tenant[1]; /* another tenant's number */
	MUST(store_transfer_put(s, &t, &id, &oops));
	t = deposit(5, "");
	MUST(store_transfer_put(s, &t, &id, &oops)); /* none at all: as often as one likes */
	MUST(store_transfer_put(s, &t, &id, &oops));
	MUST(store_books_commit(s, &oops));
	MUST(store_transfer_by_ref(s, acc.tenant[0], "inv-1", &got, &oops));
	t = deposit(5, "inv-1");
	t.id = first;
	cr_expect_eq(memcmp(&t, &got, sizeof(t)), 0);
	cr_expect_eq(store_transfer_by_ref(s, acc.tenant[0], "inv-2", &got, &oops), ERR_NOT_FOUND);
	cr_expect_eq(store_transfer_by_ref(s, acc.tenant[0], "", &got, &oops), ERR_NOT_FOUND);
	cr_expect_eq(store_transfer_by_ref(s, acc.other[BOOKS_REVENUE], "inv-1", &got, &oops), ERR_NOT_FOUND);
}

static int append_kind(const struct transfer *t, void *arg)
{
	char *text = arg;
	size_t used = strlen(text);

	snprintf(text + used, 64 - used, "%d:%lld ", (int)t->kind, (long long)t->amount_nano);
	return 0;
}

Test(books_post, transfers_of_a_call)
{
	struct usage_record r = record(1);
	struct transfer refund = {.time_ms = r.posted_ms + 5000,
				  .kind = TRANSFER_REFUND,
				  .debit_account = acc.other[BOOKS_REVENUE],
				  .credit_account = r.account_id,
				  .amount_nano = 7,
				  .usage_id = 2};
	char text[64] = "";
	int64_t id;

	MUST(store_books_begin(s, &oops));
	for (uint64_t n = 0; n < 4; n++) {
		r = record(n);
		r.hold_nano = 100;
		r.price_nano = n == 3 ? 0 : 130;
		r.cost_nano = n == 3 ? 0 : 60;
		MUST(fixture_post(s, &acc, &r, &oops));
	}
	MUST(store_transfer_put(s, &refund, &id, &oops));
	refund.kind = TRANSFER_DEPOSIT; /* none of the call's */
	refund.usage_id = 0;
	MUST(store_transfer_put(s, &refund, &id, &oops));
	refund.kind = TRANSFER_REFUND;
	refund.usage_id = 3;
	MUST(store_transfer_put(s, &refund, &id, &oops));
	MUST(store_books_commit(s, &oops));
	MUST(store_transfer_of_usage(s, 2, append_kind, text, &oops));
	cr_expect_str_eq(text, "2:100 3:30 4:60 5:7 ");
	text[0] = '\0';
	MUST(store_transfer_of_usage(s, 4, append_kind, text, &oops));
	cr_expect_str_eq(text, "", "free, and not its neighbours'");
	MUST(store_transfer_of_usage(s, 99, append_kind, text, &oops));
	cr_expect_str_eq(text, "");
}

/* B4, without faults: those are in test_books_fault.c. */
Test(books_post, begin_commit_abort)
{
	struct store_books_tail tail;
	struct usage_record r = record(0);
	int64_t id;

	cr_expect_eq(store_usage_put(s, &r, &id, &oops), ERR_INVAL, "not begun");
	cr_expect_eq(store_books_commit(s, &oops), ERR_INVAL);
	store_books_abort(s);
	MUST(store_books_begin(s, &oops));
	cr_expect_eq(store_books_begin(s, &oops), ERR_INVAL, "begun already");
	MUST(fixture_post(s, &acc, &r, &oops));
	store_books_abort(s);
	cr_expect_eq(usage_count(), 0);
	MUST(store_books_begin(s, &oops));
	MUST(store_books_commit(s, &oops));
	fixture_fill(s, &acc, 3, 0, 3, 3, 1000);
	MUST(store_books_tail(s, &tail, &oops));
	cr_expect_eq(tail.usage_id, 3);
	cr_expect_eq(tail.time_ms, record(2).posted_ms);
	cr_expect_eq(tail.transfer_id, fixture_books_number("SELECT max(id) FROM transfers"));
}

/* SQLite gives a transaction up by itself after some failures: a row put then must not become one of its own. */
Test(books_post, a_transaction_that_is_gone_takes_no_more)
{
	struct usage_record r = record(0);
	int64_t id;

	MUST(store_books_begin(s, &oops));
	MUST(fixture_post(s, &acc, &r, &oops));
	MUST(store_exec(s, "ROLLBACK", &oops));
	r = record(1);
	cr_expect_eq(store_usage_put(s, &r, &id, &oops), ERR_IO, "%s", oops.msg);
	cr_expect_eq(store_books_commit(s, &oops), ERR_IO, "%s", oops.msg);
	cr_expect_eq(usage_count(), 0);
	fixture_fill(s, &acc, 3, 0, 3, 3, 1000);
	cr_expect_eq(usage_count(), 3);
}

Test(books_post, locked_by_another)
{
	struct store_opts opts = fixture_opts();
	struct store *second = NULL;

	opts.schema = STORE_SCHEMA_BOOKS;
	opts.busy_timeout_ms = 0;
	MUST(store_open(fixture_books_path, &opts, &second, &oops));
	MUST(store_books_begin(s, &oops));
	cr_expect_eq(store_books_begin(second, &oops), ERR_BUSY, "%s", oops.msg);
	MUST(store_books_commit(s, &oops));
	MUST(store_books_begin(second, &oops));
	MUST(store_books_commit(second, &oops));
	store_close(second);
}
