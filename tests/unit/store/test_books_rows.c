/* Goal: accounts, rules, answers, recoveries, discrepancies, settlements (B5), invoices: what is put comes back; what
 * may not be put is refused by name. Method: values with every field different; edges; the audit chain afterwards. */
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
	MUST(store_audit_verify(s, &oops));
	store_close(s);
	fixture_done();
}

TestSuite(books_rows, .init = set_up, .fini = clean);

/* ---- accounts, currency */

Test(books_rows, accounts)
{
	struct account a, again;
	char long_name[ACCOUNT_NAME_MAX + 1];

	MUST(store_account_open(s, ACCOUNT_TENANT, "acme", 5000, &a, &oops));
	cr_expect_str_eq(a.name, "acme");
	cr_expect_eq(a.created_ms, 5000);
	cr_expect_eq(a.balance_nano, 0);
	MUST(store_account_open(s, ACCOUNT_TENANT, "acme", 9000, &again, &oops));
	cr_expect_eq(memcmp(&a, &again, sizeof(a)), 0, "the same one");
	MUST(store_account_open(s, ACCOUNT_PAYABLE, "acme", 9000, &again, &oops));
	cr_expect_neq(again.id, a.id, "of another kind");
	MUST(store_account_set_credit_line(s, "alice", a.id, 7000, &oops));
	MUST(store_account_get(s, ACCOUNT_TENANT, "acme", &a, &oops));
	cr_expect_eq(a.credit_line_nano, 7000);
	cr_expect_eq(fixture_books_number("SELECT count(*) FROM audit WHERE action = 'account.credit_line'"), 1);

	cr_expect_eq(store_account_set_credit_line(s, "alice", a.id, -1, &oops), ERR_INVAL);
	cr_expect_eq(store_account_set_credit_line(s, "alice", 999, 1, &oops), ERR_NOT_FOUND);
	cr_expect_eq(store_account_get(s, ACCOUNT_TENANT, "nobody", &a, &oops), ERR_NOT_FOUND);
	cr_expect_eq(store_account_open(s, ACCOUNT_TENANT, "", 1, &a, &oops), ERR_INVAL);
	cr_expect_eq(store_account_open(s, ACCOUNT_TENANT, "a\nb", 1, &a, &oops), ERR_INVAL);
	cr_expect_eq(store_account_open(s, ACCOUNT_KINDS, "a", 1, &a, &oops), ERR_INVAL);
	cr_expect_eq(store_account_open(s, ACCOUNT_TENANT, "early", -1, &a, &oops), ERR_INVAL);
	memset(long_name, 'a', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	cr_expect_eq(store_account_open(s, ACCOUNT_TENANT, long_name, 1, &a, &oops), ERR_INVAL);
	cr_expect_eq(fixture_books_number("SELECT count(*) FROM accounts"), 9);
}

Test(books_rows, currency)
{
	MUST(store_books_currency(s, "USD", &oops));
	MUST(store_books_currency(s, "USD", &oops));
	cr_expect_eq(store_books_currency(s, "EUR", &oops), ERR_INVAL);
	cr_expect_not_null(strstr(oops.msg, "USD"), "%s", oops.msg);
	fixture_books_sql("DELETE FROM book");
	cr_expect_eq(store_books_currency(s, "dollars", &oops), ERR_INVAL);
}

/* ---- rules */

static struct price_rule rule(void)
{
	return (struct price_rule){.book_id = 3,
				   .effective_ms = 1767225600000,
				   .currency = "USD",
				   .provider = "openai",
				   .upstream_model = "gpt-4o-mini-2024",
				   .model = "gpt-4o-mini",
				   .tier = "growth",
				   .formula = PRICE_MULTIPLIER,
				   .supply = SUPPLY_SCARCE,
				   .supply_pinned = true,
				   .rate_nano = {150, 75, 160, 600},
				   .base_margin_e4 = 2500,
				   .tier_margin_e4 = 2501,
				   .model_factor_e4 = 12000,
				   .supply_factor_e4 = 13000,
				   .min_margin_e4 = 1500,
				   .max_margin_e4 = 5000};
}

/* Every field tells rules apart, and comes back. */
Test(books_rows, rules)
{
	struct price_rule base = rule(), got, r;
	int64_t first, id, seen;
	long long before;
	int n = 0;

	MUST(store_price_rule_intern(s, &base, &first, &oops));
	before = fixture_books_number("SELECT count(*) FROM price_rules");
	MUST(store_price_rule_intern(s, &base, &id, &oops));
	cr_expect_eq(id, first);
	MUST(store_price_rule_get(s, first, &got, &oops));
	base.id = first;
	cr_expect_eq(memcmp(&base, &got, sizeof(got)), 0);
	seen = first;
#define OTHER(change)                                                                                                  \
	do {                                                                                                           \
		r = base;                                                                                              \
		change;                                                                                                \
		MUST(store_price_rule_intern(s, &r, &id, &oops));                                                      \
		cr_expect_gt(id, seen, #change);                                                                       \
		seen = r.id = id;                                                                                      \
		MUST(store_price_rule_get(s, id, &got, &oops));                                                        \
		cr_expect_eq(memcmp(&r, &got, sizeof(r)), 0, #change);                                                 \
		n++;                                                                                                   \
	} while (0)
	OTHER(r.book_id++);
	OTHER(r.effective_ms = 0);
	OTHER(r.currency[0] = 'A');
	OTHER(r.provider[0] = 'O');
	OTHER(r.upstream_model[0] = 'G');
	OTHER(r.model[0] = 'G');
	OTHER(r.tier[0] = 'G');
	OTHER(r.formula = PRICE_MARGIN);
	OTHER(r.supply = SUPPLY_SURPLUS);
	OTHER(r.supply_pinned = false);
	OTHER(r.rate_nano[0]++);
	OTHER(r.rate_nano[1]++);
	OTHER(r.rate_nano[2]++);
	OTHER(r.rate_nano[3] = INT64_MAX);
	OTHER(r.base_margin_e4++);
	OTHER(r.tier_margin_e4++);
	OTHER(r.model_factor_e4++);
	OTHER(r.supply_factor_e4++);
	OTHER(r.min_margin_e4++);
	OTHER(r.max_margin_e4 = UINT32_MAX);
#undef OTHER
	cr_expect_eq(fixture_books_number("SELECT count(*) FROM price_rules"), before + n);
	cr_expect_eq(store_price_rule_get(s, 999, &got, &oops), ERR_NOT_FOUND);
	r = base;
	r.rate_nano[0] = -1;
	cr_expect_eq(store_price_rule_intern(s, &r, &id, &oops), ERR_INVAL);
}

/* ---- answers */

struct kept {
	int calls, status;
	char headers[64], body[64];
	size_t body_len;
	bool body_kept;
	struct request_id request_id;
	uint8_t body_hash[32];
};

static int take_answer(const struct store_answer *a, void *arg)
{
	struct kept *k = arg;

	k->calls++;
	k->status = a->status;
	snprintf(k->headers, sizeof(k->headers), "%.*s", (int)a->headers_len, a->headers);
	cr_assert_lt(a->body_len, sizeof(k->body));
	memcpy(k->body, a->body, a->body_len);
	k->body_len = a->body_len;
	k->body_kept = a->body_kept;
	k->request_id = a->request_id;
	memcpy(k->body_hash, a->body_hash, 32);
	return 5;
}

static struct store_answer answer(const char *key, const char *body, size_t len, int64_t expires_ms)
{
	struct store_answer a = {.account_id = acc.tenant[0],
				 .key = key,
				 .status = 200,
				 .headers = "content-type: application/json\r\n",
				 .headers_len = 32,
				 .body = body,
				 .body_len = len,
				 .body_kept = body != NULL,
				 .expires_ms = expires_ms};

	memset(a.body_hash, 7, 32);
	memset(a.request_id.b, 9, REQUEST_ID_BYTES);
	return a;
}

static int put_answer(const struct store_answer *a)
{
	int rc;

	MUST(store_books_begin(s, &oops));
	rc = store_answer_put(s, a, &oops);
	MUST(store_books_commit(s, &oops));
	return rc;
}

Test(books_rows, answers)
{
	const int64_t now = FIXTURE_START_MS;
	struct usage_record r = fixture_record(&acc, 3, 0, 0);
	struct store_answer a = answer("k1", "a\0b", 3, now + 1000);
	struct kept k = {0};
	int64_t id;
	size_t removed = 99;

	cr_expect_eq(store_answer_put(s, &a, &oops), ERR_INVAL, "only in a posting transaction");
	MUST(store_books_begin(s, &oops)); /* with the record that it goes with */
	MUST(store_usage_put(s, &r, &id, &oops));
	MUST(store_answer_put(s, &a, &oops));
	MUST(store_books_commit(s, &oops));
	cr_expect_eq(store_answer_get(s, a.account_id, "k1", now, take_answer, &k, &oops), 5, "the callback's");
	cr_expect_eq(k.calls, 1);
	cr_expect_eq(k.status, 200);
	cr_expect_str_eq(k.headers, "content-type: application/json\r\n");
	cr_expect(k.body_kept && k.body_len == 3 && memcmp(k.body, "a\0b", 3) == 0);
	cr_expect_eq(memcmp(k.body_hash, a.body_hash, 32), 0);
	cr_expect_eq(memcmp(&k.request_id, &a.request_id, sizeof(a.request_id)), 0);
	cr_expect_eq(store_answer_get(s, acc.tenant[1], "k1", now, take_answer, &k, &oops), ERR_NOT_FOUND);
	cr_expect_eq(store_answer_get(s, a.account_id, "k2", now, take_answer, &k, &oops), ERR_NOT_FOUND);
	cr_expect_eq(store_answer_get(s, a.account_id, "k1", now + 1000, take_answer, &k, &oops), ERR_NOT_FOUND,
		     "expired");

	cr_expect_eq(put_answer(&a), ERR_EXISTS, "not expired yet, by the books' time");
	fixture_fill(s, &acc, 3, 1, 3, 2, 1000); /* the books' time goes on by two seconds */
	a.status = 201;
	a.expires_ms = now + 90000;
	cr_expect_eq(put_answer(&a), 0, "an expired one is replaced: %s", oops.msg);
	a = answer("k-large", NULL, 0, now + 5000);
	cr_expect_eq(put_answer(&a), 0);
	a = answer("k-empty", "", 0, now + 5001);
	cr_expect_eq(put_answer(&a), 0);
	cr_expect_eq(store_answer_get(s, a.account_id, "k1", now + 2000, take_answer, &k, &oops), 5);
	cr_expect_eq(k.status, 201);
	cr_expect_eq(store_answer_get(s, a.account_id, "k-large", now, take_answer, &k, &oops), 5);
	cr_expect(!k.body_kept && k.body_len == 0);
	cr_expect_eq(store_answer_get(s, a.account_id, "k-empty", now, take_answer, &k, &oops), 5);
	cr_expect(k.body_kept && k.body_len == 0);

	MUST(store_answer_expire(s, now + 100, 10, &removed, &oops));
	cr_expect_eq(removed, 0);
	MUST(store_answer_expire(s, now + 6000, 1, &removed, &oops));
	cr_expect_eq(removed, 1);
	MUST(store_answer_expire(s, now + 6000, 10, &removed, &oops));
	cr_expect_eq(removed, 1);
	cr_expect_eq(fixture_books_number("SELECT count(*) FROM answers"), 1);
}

Test(books_rows, bad_answers)
{
	char key[257];
	struct store_answer a = answer("", "x", 1, 5);

	cr_expect_eq(put_answer(&a), ERR_INVAL);
	memset(key, 'k', 256);
	key[256] = '\0';
	a = answer(key, "x", 1, 5);
	cr_expect_eq(put_answer(&a), ERR_INVAL);
	key[255] = '\0';
	cr_expect_eq(put_answer(&a), 0);
	a = answer("k", "x", 1, -5);
	cr_expect_eq(put_answer(&a), ERR_INVAL);
}

/* ---- findings */

struct list {
	int64_t ids[16];
	size_t n;
	struct store_recovery recovery;
	struct store_discrepancy discrepancy;
};

static int take_recovery(const struct store_recovery *r, void *arg)
{
	struct list *l = arg;

	l->ids[l->n++] = r->id;
	l->recovery = *r;
	return 0;
}

Test(books_rows, recoveries)
{
	struct store_recovery r = {.time_ms = 5,
				   .account_id = 2,
				   .hold_nano = 30,
				   .price_nano = 20,
				   .rule = "R4",
				   .text = "12 tokens delivered"};
	struct list l = {0};

	memset(r.request_id.b, 3, REQUEST_ID_BYTES);
	for (int i = 0; i < 5; i++)
		MUST(store_recovery_put(s, &r, &oops));
	MUST(store_recovery_page(s, 0, 2, take_recovery, &l, &oops));
	cr_expect(l.n == 2 && l.ids[0] == 5 && l.ids[1] == 4);
	l.n = 0;
	MUST(store_recovery_page(s, 4, 10, take_recovery, &l, &oops));
	cr_expect(l.n == 3 && l.ids[0] == 3 && l.ids[2] == 1);
	r.id = 1;
	cr_expect_eq(memcmp(&r, &l.recovery, sizeof(r)), 0);
}

static int take_discrepancy(const struct store_discrepancy *d, void *arg)
{
	struct list *l = arg;

	l->ids[l->n++] = d->id;
	l->discrepancy = *d;
	return 0;
}

Test(books_rows, discrepancies)
{
	struct store_discrepancy d = {.found_ms = 100,
				      .kind = "charge_differs",
				      .subject = "req_1",
				      .expected_nano = 5,
				      .found_nano = 6,
				      .text = "first"};
	struct list l = {0};
	uint64_t open;

	MUST(store_discrepancy_put(s, &d, &oops));
	d.found_ms = 200;
	d.found_nano = 7;
	snprintf(d.text, sizeof(d.text), "again");
	MUST(store_discrepancy_put(s, &d, &oops)); /* the same, found again */
	snprintf(d.subject, sizeof(d.subject), "req_2");
	MUST(store_discrepancy_put(s, &d, &oops));
	MUST(store_discrepancy_count(s, &open, &oops));
	cr_expect_eq(open, 2);
	MUST(store_discrepancy_page(s, true, 0, 10, take_discrepancy, &l, &oops));
	cr_expect_eq(l.n, 2);
	cr_expect_str_eq(l.discrepancy.subject, "req_1");
	cr_expect_str_eq(l.discrepancy.text, "again");
	cr_expect(l.discrepancy.found_nano == 7 && l.discrepancy.found_ms == 100, "when it was found first");

	MUST(store_discrepancy_close(s, "alice", l.ids[1], "refunded", 300, &oops));
	cr_expect_eq(store_discrepancy_close(s, "alice", l.ids[1], "again", 300, &oops), ERR_NOT_FOUND);
	cr_expect_eq(store_discrepancy_close(s, "alice", 99, "x", 300, &oops), ERR_NOT_FOUND);
	cr_expect_eq(store_discrepancy_close(s, "alice", l.ids[0], "", 300, &oops), ERR_INVAL, "a note is required");
	cr_expect_eq(store_discrepancy_close(s, "alice", l.ids[0], "x", 0, &oops), ERR_INVAL);
	MUST(store_discrepancy_count(s, &open, &oops));
	cr_expect_eq(open, 1);
	l.n = 0;
	MUST(store_discrepancy_page(s, false, 0, 10, take_discrepancy, &l, &oops));
	cr_expect_eq(l.n, 2);
	cr_expect_str_eq(l.discrepancy.note, "refunded");
	cr_expect_eq(l.discrepancy.closed_ms, 300);
	/* found again after it was closed: opened anew */
	snprintf(d.subject, sizeof(d.subject), "req_1");
	MUST(store_discrepancy_put(s, &d, &oops));
	MUST(store_discrepancy_count(s, &open, &oops));
	cr_expect_eq(open, 2);
	cr_expect_eq(fixture_books_number("SELECT count(*) FROM audit WHERE action = 'discrepancy.close'"), 1);
}

/* ---- settlements */

static struct store_settlement settlement(const char *period)
{
	struct store_settlement p = {.from_ms = 1000,
				     .to_ms = 2000,
				     .settled_ms = 3000,
				     .currency = "USD",
				     .actor = "alice",
				     .last_usage_id = 4,
				     .last_transfer_id = 5,
				     .calls = 6,
				     .cost_nano = 7,
				     .price_nano = 8,
				     .refunds_nano = 9,
				     .sla_nano = 10};

	snprintf(p.period, sizeof(p.period), "%s", period);
	memset(p.hash, 11, sizeof(p.hash));
	return p;
}

struct lines {
	struct store_settlement_line line[8];
	struct store_settlement settled[4];
	size_t n;
};

static int take_line(const struct store_settlement_line *l, void *arg)
{
	struct lines *out = arg;

	out->line[out->n++] = *l;
	return 0;
}

static int take_settlement(const struct store_settlement *p, void *arg)
{
	struct lines *out = arg;

	out->settled[out->n++] = *p;
	return 0;
}

Test(books_rows, settlements)
{
	struct store_settlement_line in[3] = {
		{.kind = STORE_LINE_STATEMENT,
		 .account = "acme",
		 .calls = 1,
		 .cost_nano = 2,
		 .price_nano = 3,
		 .opening_nano = -4,
		 .closing_nano = 5,
		 .invoice_cents = 6,
		 .carried_in_nano = -7,
		 .carried_out_nano = 8},
		{.kind = STORE_LINE_USAGE, .account = "zoo", .model = "gpt-4o", .usage = {1, 2, 3, 4, 5}},
		{.kind = STORE_LINE_TRANSFERS, .account = "acme", .transfer_kind = TRANSFER_REFUND},
	};
	struct store_settlement got, p = settlement("2026-10"), next = settlement("2026-11");
	struct lines out = {0};

	cr_expect_eq(store_settlement_get(s, "", &got, &oops), ERR_NOT_FOUND);
	MUST(store_settlement_put(s, &p, in, 3, &oops));
	MUST(store_settlement_get(s, "2026-10", &got, &oops));
	cr_expect_eq(memcmp(&p, &got, sizeof(p)), 0);
	MUST(store_settlement_line_each(s, "2026-10", NULL, take_line, &out, &oops));
	cr_expect(out.n == 3 && memcmp(out.line, in, sizeof(in)) == 0);
	out.n = 0;
	MUST(store_settlement_line_each(s, "2026-10", "acme", take_line, &out, &oops));
	cr_expect(out.n == 2 && memcmp(&out.line[1], &in[2], sizeof(in[2])) == 0);
	MUST(store_settlement_put(s, &next, NULL, 0, &oops));
	MUST(store_settlement_get(s, "", &got, &oops));
	cr_expect_str_eq(got.period, "2026-11");
	out.n = 0;
	MUST(store_settlement_each(s, take_settlement, &out, &oops));
	cr_expect(out.n == 2 && memcmp(&out.settled[1], &p, sizeof(p)) == 0);
	cr_expect_eq(store_settlement_get(s, "2026-09", &got, &oops), ERR_NOT_FOUND);
}

/* B5 */
Test(books_rows, settled_once_and_for_all)
{
	static const char *const bad[] = {
		"UPDATE settlements SET price_nano = 0",
		"DELETE FROM settlements",
		"UPDATE settlement_lines SET invoice_cents = 0",
		"DELETE FROM settlement_lines",
		"INSERT INTO settlement_lines SELECT NULL, period, kind, account, model, transfer_kind, calls,"
		" input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_nano,"
		" price_nano, opening_nano, closing_nano, invoice_cents, carried_in_nano, carried_out_nano"
		" FROM settlement_lines",
	};
	struct store_settlement_line in = {.account = "acme", .invoice_cents = 6};
	struct store_settlement p = settlement("2026-10");

	MUST(store_settlement_put(s, &p, &in, 1, &oops));
	in.account[0] = 'b';
	cr_expect_eq(store_settlement_put(s, &p, &in, 1, &oops), ERR_EXISTS);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect_eq(store_exec(s, bad[i], &oops), ERR_PERM, "%s: %s", bad[i], oops.msg);
	cr_expect_eq(fixture_books_number("SELECT count(*) FROM settlement_lines WHERE account = 'acme'"), 1);
	cr_expect_eq(fixture_books_number("SELECT count(*) FROM settlement_lines"), 1);
	p = settlement("2026-11");
	p.to_ms = p.from_ms;
	cr_expect_eq(store_settlement_put(s, &p, &in, 1, &oops), ERR_INVAL);
	cr_expect_eq(fixture_books_number("SELECT count(*) FROM settlement_lines"), 1);
	p = settlement("");
	cr_expect_eq(store_settlement_put(s, &p, &in, 1, &oops), ERR_INVAL);
}

/* B3: a clock that jumps back after a settlement, also by another connection and after a start. */
Test(books_rows, nothing_is_posted_into_a_settled_period)
{
	struct store_settlement p = settlement("2026-11"), earlier = settlement("2026-10");
	struct store_books_tail tail;
	struct transfer t = {.kind = TRANSFER_DEPOSIT, .debit_account = 1, .credit_account = 2, .amount_nano = 1};
	struct account a;
	int64_t id;

	MUST(store_account_open(s, ACCOUNT_CASH, "", 1, &a, &oops));
	MUST(store_account_open(s, ACCOUNT_TENANT, "acme", 1, &a, &oops));
	p.from_ms = 5000;
	p.to_ms = 9000;
	MUST(store_settlement_put(s, &p, NULL, 0, &oops));
	MUST(store_settlement_put(s, &earlier, NULL, 0, &oops)); /* the latest end counts, not the last one put */
	for (int i = 0; i < 2; i++) {
		MUST(store_books_tail(s, &tail, &oops));
		cr_expect_eq(tail.time_ms, 9000);
		MUST(store_books_begin(s, &oops));
		t.time_ms = 8999;
		cr_expect_eq(store_transfer_put(s, &t, &id, &oops), ERR_INVAL);
		t.time_ms = 9000;
		MUST(store_transfer_put(s, &t, &id, &oops));
		if (i == 0) {
			store_books_abort(s);
			store_close(s);
			s = fixture_books();
		} else {
			MUST(store_books_commit(s, &oops));
		}
	}
}

/* ---- invoices */

struct invoice {
	struct store_invoice_line line[4];
	size_t n;
};

static int take_invoice(const struct store_invoice_line *l, void *arg)
{
	struct invoice *out = arg;

	out->line[out->n++] = *l;
	return 0;
}

Test(books_rows, invoices)
{
	struct store_invoice_line in[2] = {
		{.provider = "openai",
		 .period = "2026-10",
		 .model = "gpt-4o",
		 .calls = 5,
		 .input_tokens = 6,
		 .cached_input_tokens = 7,
		 .output_tokens = 8,
		 .amount_nano = 9},
		{.provider = "openai",
		 .period = "2026-10",
		 .model = "o1",
		 .calls = UINT64_MAX,
		 .input_tokens = UINT64_MAX,
		 .cached_input_tokens = UINT64_MAX,
		 .output_tokens = UINT64_MAX,
		 .amount_nano = -3},
	};
	struct invoice out = {0};

	MUST(store_invoice_put(s, "alice", "openai", "2026-10", in, 2, &oops));
	MUST(store_invoice_each(s, "openai", "2026-10", take_invoice, &out, &oops));
	cr_expect(out.n == 2 && memcmp(out.line, in, sizeof(in)) == 0);
	MUST(store_invoice_put(s, "alice", "openai", "2026-11", in, 1, &oops));
	MUST(store_invoice_put(s, "alice", "openai", "2026-10", in + 1, 1, &oops)); /* replaces */
	out.n = 0;
	MUST(store_invoice_each(s, "openai", "2026-10", take_invoice, &out, &oops));
	cr_expect(out.n == 1 && out.line[0].amount_nano == -3);
	in[0].calls = (uint64_t)INT64_MAX + 1;
	cr_expect_eq(store_invoice_put(s, "alice", "openai", "2026-10", in, 2, &oops), ERR_RANGE);
	cr_expect_eq(store_invoice_put(s, "alice", "", "2026-10", in, 2, &oops), ERR_INVAL);
	out.n = 0;
	MUST(store_invoice_each(s, "openai", "2026-10", take_invoice, &out, &oops));
	cr_expect_eq(out.n, 1, "what was there stays");
	MUST(store_invoice_each(s, "nobody", "2026-10", take_invoice, &out, &oops));
	cr_expect_eq(out.n, 1);
}
