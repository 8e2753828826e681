/* Goal: roll-ups say what the rows say: sums, balances, pages are the same before, between and after them. Method:
 * made-up records; each answer against one computed from all rows in C; every mixture of rolled-up and fresh rows. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#define TENANTS 7
#define HOUR 3600000

static struct store *s;
static struct books_accounts acc;

static void set_up(void)
{
	fixture_init();
	s = fixture_books();
	fixture_accounts(s, TENANTS, &acc);
}

static void clean(void)
{
	store_close(s);
	fixture_done();
}

TestSuite(books_sum, .init = set_up, .fini = clean);

/* ---- the oracle: a table of sums by account and rule, and by account and kind */

struct oracle {
	int64_t account_id, from_ms, to_ms;
	struct store_usage_sum usage[32][4];
	struct store_transfer_sum transfers[32][TRANSFER_KINDS];
	int64_t balance[32];
};

static int add_usage(const struct usage_record *r, void *arg)
{
	struct oracle *o = arg;
	struct store_usage_sum *sum = &o->usage[r->account_id][r->rule_id];

	if ((o->account_id && r->account_id != o->account_id) || r->posted_ms < o->from_ms || r->posted_ms >= o->to_ms)
		return 0;
	sum->account_id = r->account_id;
	sum->rule_id = r->rule_id;
	sum->calls++;
	sum->charged_calls += r->price_nano || r->cost_nano;
	sum->estimated_calls += r->source == USAGE_ESTIMATED || r->source == USAGE_RECOVERED;
	sum->usage.input_tokens += r->usage.input_tokens;
	sum->usage.cached_input_tokens += r->usage.cached_input_tokens;
	sum->usage.cache_write_tokens += r->usage.cache_write_tokens;
	sum->usage.output_tokens += r->usage.output_tokens;
	sum->usage.reasoning_tokens += r->usage.reasoning_tokens;
	sum->cost_nano += r->cost_nano;
	sum->price_nano += r->price_nano;
	return 0;
}

static int add_transfer(const struct transfer *t, void *arg)
{
	struct oracle *o = arg;
	int64_t sides[] = {t->credit_account, t->debit_account};

	o->balance[t->credit_account] += t->amount_nano;
	o->balance[t->debit_account] -= t->amount_nano;
	for (int i = 0; i < 2; i++) {
		struct store_transfer_sum *sum = &o->transfers[sides[i]][t->kind];

		if ((o->account_id && sides[i] != o->account_id) || t->time_ms < o->from_ms || t->time_ms >= o->to_ms)
			continue;
		sum->account_id = sides[i];
		sum->kind = t->kind;
		sum->count++;
		if (i == 0)
			sum->credits_nano += t->amount_nano;
		else
			sum->debits_nano += t->amount_nano;
	}
	return 0;
}

static int take_usage_sum(const struct store_usage_sum *sum, void *arg)
{
	struct store_usage_sum *want = &((struct oracle *)arg)->usage[sum->account_id][sum->rule_id];

	cr_assert_eq(memcmp(sum, want, sizeof(*sum)), 0, "account %lld rule %lld: %llu calls, want %llu",
		     (long long)sum->account_id, (long long)sum->rule_id, (unsigned long long)sum->calls,
		     (unsigned long long)want->calls);
	want->calls = 0;
	return 0;
}

static int take_transfer_sum(const struct store_transfer_sum *sum, void *arg)
{
	struct store_transfer_sum *want = &((struct oracle *)arg)->transfers[sum->account_id][sum->kind];

	cr_assert(sum->count == want->count && sum->credits_nano == want->credits_nano &&
			  sum->debits_nano == want->debits_nano,
		  "account %lld kind %d: %llu, want %llu", (long long)sum->account_id, (int)sum->kind,
		  (unsigned long long)sum->count, (unsigned long long)want->count);
	want->count = 0;
	return 0;
}

static void expect_sums(int64_t account_id, int64_t from_ms, int64_t to_ms)
{
	static struct oracle o;

	memset(&o, 0, sizeof(o));
	o.account_id = account_id;
	o.from_ms = from_ms;
	o.to_ms = to_ms;
	MUST(store_usage_each(s, 0, INT64_MAX, add_usage, &o, &oops));
	MUST(store_transfer_page(s, 0, 0, SIZE_MAX, add_transfer, &o, &oops));
	MUST(store_usage_sums(s, account_id, from_ms, to_ms, take_usage_sum, &o, &oops));
	MUST(store_transfer_sums(s, account_id, from_ms, to_ms, take_transfer_sum, &o, &oops));
	for (int a = 0; a < 32; a++) {
		for (int r = 0; r < 4; r++)
			cr_assert_eq(o.usage[a][r].calls, 0, "account %d rule %d is missing", a, r);
		for (int k = 0; k < TRANSFER_KINDS; k++)
			cr_assert_eq(o.transfers[a][k].count, 0, "account %d kind %d is missing", a, k);
	}
}

static int take_balance(const struct account *a, void *arg)
{
	int64_t *balance = &((struct oracle *)arg)->balance[a->id];
	struct account same;

	cr_assert_eq(a->balance_nano, *balance, "account %lld: %lld, want %lld", (long long)a->id,
		     (long long)a->balance_nano, (long long)*balance);
	*balance = 0;
	MUST(store_account_get(s, a->kind, a->name, &same, &oops));
	cr_assert_eq(memcmp(&same, a, sizeof(same)), 0);
	return 0;
}

static void expect_balances(void)
{
	static struct oracle o;

	memset(&o, 0, sizeof(o));
	MUST(store_transfer_page(s, 0, 0, SIZE_MAX, add_transfer, &o, &oops));
	MUST(store_account_each(s, take_balance, &o, &oops));
	for (int a = 0; a < 32; a++)
		cr_assert_eq(o.balance[a], 0, "account %d is missing", a);
}

struct page {
	int64_t account_id, ids[200];
	size_t n;
};

static int take_record(const struct usage_record *r, void *arg)
{
	struct page *p = arg;

	cr_assert(!p->account_id || r->account_id == p->account_id);
	cr_assert(!p->n || r->id < p->ids[p->n - 1], "newest first");
	p->ids[p->n++] = r->id;
	return 0;
}

static int take_transfer(const struct transfer *t, void *arg)
{
	struct page *p = arg;

	cr_assert(!p->account_id || t->debit_account == p->account_id || t->credit_account == p->account_id);
	cr_assert(!p->n || t->id < p->ids[p->n - 1], "newest first");
	p->ids[p->n++] = t->id;
	return 0;
}

/* Walked page by page, every row of the account comes once. */
static void expect_pages(int64_t account_id, long long rows, long long transfers)
{
	struct page p = {.account_id = account_id};
	int64_t before = 0;
	long long seen = 0;

	do {
		p.n = 0;
		MUST(store_usage_page(s, account_id, before, 150, take_record, &p, &oops));
		seen += (long long)p.n;
		before = p.n ? p.ids[p.n - 1] : 0;
	} while (p.n == 150);
	cr_assert_eq(seen, rows, "account %lld: %lld records of %lld", (long long)account_id, seen, rows);
	seen = before = 0;
	do {
		p.n = 0;
		MUST(store_transfer_page(s, account_id, before, 200, take_transfer, &p, &oops));
		seen += (long long)p.n;
		before = p.n ? p.ids[p.n - 1] : 0;
	} while (p.n == 200);
	cr_assert_eq(seen, transfers, "account %lld: %lld transfers of %lld", (long long)account_id, seen, transfers);
}

static void expect_all(void)
{
	const int64_t start = FIXTURE_START_MS;
	char sql[120];

	expect_sums(0, 0, start + 1000ll * HOUR);
	expect_sums(0, start, start + HOUR);
	expect_sums(acc.tenant[3], start + HOUR, start + 5 * HOUR);
	expect_sums(acc.other[BOOKS_REVENUE], start, start + 3 * HOUR);
	expect_sums(0, start + HOUR, start + HOUR);
	expect_balances();
	for (int i = 0; i < TENANTS; i++) {
		long long rows, transfers;

		snprintf(sql, sizeof(sql), "SELECT count(*) FROM usage WHERE account_id = %lld",
			 (long long)acc.tenant[i]);
		rows = fixture_books_number(sql);
		snprintf(sql, sizeof(sql), "SELECT count(*) FROM transfers WHERE debit = %lld OR credit = %lld",
			 (long long)acc.tenant[i], (long long)acc.tenant[i]);
		transfers = fixture_books_number(sql);
		expect_pages(acc.tenant[i], rows, transfers);
	}
	expect_pages(0, fixture_books_number("SELECT count(*) FROM usage"),
		     fixture_books_number("SELECT count(*) FROM transfers"));
}

static int no_difference(const struct store_difference *d, void *arg)
{
	(void)arg;
	cr_assert_fail("%s: %s", d->kind, d->text);
	return 1;
}

/* The borders of hours, of blocks of 4096 ids, and of roll-ups lie anywhere to each other. */
Test(books_sum, rolled_up_and_fresh)
{
	static const uint64_t upto[] = {1, 2, 700, 4095, 4097, 9000, 9001, 14000};
	uint64_t from = 0, checked;

	expect_all();
	MUST(store_books_roll_up(s, &oops));
	for (size_t i = 0; i < ARRAY_SIZE(upto); i++) {
		fixture_fill(s, &acc, TENANTS, from, upto[i], 1000, 3100);
		from = upto[i];
		expect_all();
		if (i == 4) /* two runs of fresh rows at once */
			continue;
		MUST(store_books_roll_up(s, &oops));
		MUST(store_check_sums(s, no_difference, NULL, &oops));
		expect_all();
	}
	MUST(store_check_usage(s, 0, 0, no_difference, NULL, &checked, &oops));
	cr_expect_eq(checked, 14000);
}

/* Reading needs no lock of the writer's, and sees what was committed. */
Test(books_sum, reader_beside_a_posting_transaction)
{
	struct store *reader = fixture_books(), *writer = s;
	struct usage_record r = fixture_record(&acc, TENANTS, 5000, 3100);

	fixture_fill(s, &acc, TENANTS, 0, 5000, 5000, 3100);
	MUST(store_books_begin(writer, &oops));
	MUST(fixture_post(writer, &acc, &r, &oops));
	s = reader;
	expect_pages(0, 5000, fixture_books_number("SELECT count(*) FROM transfers"));
	expect_balances();
	MUST(store_books_commit(writer, &oops));
	MUST(store_books_roll_up(writer, &oops));
	expect_all();
	expect_pages(0, 5001, fixture_books_number("SELECT count(*) FROM transfers"));
	store_close(writer);
}

Test(books_sum, nothing_new_writes_nothing)
{
	struct store *other = fixture_books();
	struct txn txn = TXN_INIT;

	fixture_fill(s, &acc, TENANTS, 0, 10, 10, 3100);
	MUST(store_books_roll_up(s, &oops));
	MUST(txn_begin(&txn, other, &oops)); /* the lock is taken: a write would be ERR_BUSY */
	MUST(store_books_roll_up(s, &oops));
	txn_end(&txn);
	store_close(other);
}

static int any(const struct store_usage_sum *sum, void *arg)
{
	*(struct store_usage_sum *)arg = *sum;
	return 0;
}

static int any_transfer(const struct store_transfer_sum *sum, void *arg)
{
	(void)sum;
	(void)arg;
	return 0;
}

Test(books_sum, hours_are_whole)
{
	static const int64_t bad[][2] = {{1, HOUR}, {0, HOUR - 1}, {-HOUR, HOUR}, {HOUR, 0}, {0, INT64_MAX}};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct store_usage_sum sum;

		cr_expect_eq(store_usage_sums(s, 0, bad[i][0], bad[i][1], any, &sum, &oops), ERR_INVAL);
		cr_expect_eq(store_transfer_sums(s, 0, bad[i][0], bad[i][1], any_transfer, NULL, &oops), ERR_INVAL);
	}
}

/* Token counts saturate: what a provider says must not stop the roll-up. */
Test(books_sum, token_sums_saturate)
{
	struct store_usage_sum sum = {0};

	for (int part = 0; part < 3; part++) {
		MUST(store_books_begin(s, &oops));
		for (uint64_t n = 0; n < 500; n++) {
			struct usage_record r = fixture_record(&acc, 1, (uint64_t)part * 500 + n, 0);
			int64_t id;

			r.rule_id = acc.rule[0];
			r.usage.input_tokens = USAGE_TOKENS_MAX;
			r.price_nano = r.cost_nano = 0;
			MUST(store_usage_put(s, &r, &id, &oops));
		}
		MUST(store_books_commit(s, &oops));
		if (part < 2)
			MUST(store_books_roll_up(s, &oops));
	}
	MUST(store_usage_sums(s, 0, 0, FIXTURE_START_MS + 1000ll * HOUR, any, &sum, &oops));
	cr_expect_eq(sum.calls, 1500);
	cr_expect_eq(sum.usage.input_tokens, (uint64_t)INT64_MAX, "%llu", (unsigned long long)sum.usage.input_tokens);
	MUST(store_books_roll_up(s, &oops));
	MUST(store_check_sums(s, no_difference, NULL, &oops));
}

static int any_account(const struct account *a, void *arg)
{
	(void)a;
	(void)arg;
	return 0;
}

/* Money fails instead, in each way that a sum can go over. */
Test(books_sum, money_sums_fail)
{
	struct transfer t = {.time_ms = FIXTURE_START_MS,
			     .kind = TRANSFER_DEPOSIT,
			     .debit_account = acc.other[BOOKS_CASH],
			     .credit_account = acc.tenant[0],
			     .amount_nano = INT64_MAX - 1};
	struct account a;
	int64_t id;

	MUST(store_books_begin(s, &oops));
	MUST(store_transfer_put(s, &t, &id, &oops));
	MUST(store_books_commit(s, &oops));
	MUST(store_books_roll_up(s, &oops));
	MUST(store_account_get(s, ACCOUNT_TENANT, "t0", &a, &oops));
	cr_expect_eq(a.balance_nano, INT64_MAX - 1);
	MUST(store_books_begin(s, &oops));
	MUST(store_transfer_put(s, &t, &id, &oops));
	MUST(store_books_commit(s, &oops));
	cr_expect_eq(store_account_get(s, ACCOUNT_TENANT, "t0", &a, &oops), ERR_RANGE, "%s", oops.msg);
	cr_expect_eq(store_account_each(s, any_account, NULL, &oops), ERR_RANGE, "%s", oops.msg);
	cr_expect_eq(store_transfer_sums(s, 0, 0, FIXTURE_START_MS + HOUR, any_transfer, NULL, &oops), ERR_RANGE, "%s",
		     oops.msg);
	cr_expect_eq(store_books_roll_up(s, &oops), ERR_RANGE, "%s", oops.msg);
	MUST(store_books_begin(s, &oops)); /* and leaves no transaction open */
	MUST(store_transfer_put(s, &t, &id, &oops));
	MUST(store_books_commit(s, &oops));
	cr_expect_eq(store_account_get(s, ACCOUNT_TENANT, "t0", &a, &oops), ERR_RANGE, "sum() itself: %s", oops.msg);
}
