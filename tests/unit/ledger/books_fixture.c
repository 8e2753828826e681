#include "books_fixture.h"

#include "crypto/keyed.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

struct store *bk_store;
char bk_folder[64], bk_path[80];
struct err bk_err;

static void open_store(void)
{
	struct store_opts o = STORE_OPTS_DEFAULT;

	o.schema = STORE_SCHEMA_BOOKS;
	o.sha256 = crypto_sha256;
	MUST(store_open(bk_path, &o, &bk_store, &bk_err));
}

void bk_init(void)
{
	snprintf(bk_folder, sizeof(bk_folder), "/tmp/tg-books-XXXXXX");
	cr_assert_not_null(mkdtemp(bk_folder));
	snprintf(bk_path, sizeof(bk_path), "%s/books.db", bk_folder);
	open_store();
	MUST(store_books_currency(bk_store, "USD", &bk_err));
}

void bk_done(void)
{
	char cmd[96];

	store_close(bk_store);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", bk_folder);
	cr_expect_eq(system(cmd), 0);
}

void bk_reopen(void)
{
	store_close(bk_store);
	bk_store = NULL;
	open_store();
}

void bk_sql(const char *sql)
{
	sqlite3 *db = NULL;
	char *msg = NULL;

	cr_assert_eq(sqlite3_open(bk_path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &msg), SQLITE_OK, "%s: %s", sql, msg);
	sqlite3_close(db);
}

int64_t bk_rule(const char *provider, const char *upstream_model, const char *model)
{
	struct price_rule r = {
		.book_id = 1,
		.currency = "USD",
		.tier = "free",
		.formula = PRICE_MARGIN,
		.supply = SUPPLY_BALANCED,
		.rate_nano = {1000000000, 500000000, 1000000000, 2000000000},
		.base_margin_e4 = 2500,
		.tier_margin_e4 = 2000,
		.model_factor_e4 = 10000,
		.supply_factor_e4 = 10000,
		.min_margin_e4 = 1500,
		.max_margin_e4 = 5000,
	};
	int64_t id = 0;

	snprintf(r.provider, sizeof(r.provider), "%s", provider);
	snprintf(r.upstream_model, sizeof(r.upstream_model), "%s", upstream_model);
	snprintf(r.model, sizeof(r.model), "%s", model);
	MUST(store_price_rule_intern(bk_store, &r, &id, &bk_err));
	return id;
}

int64_t bk_account(enum account_kind kind, const char *name)
{
	struct account a;

	MUST(store_account_open(bk_store, kind, name, OCTOBER_MS, &a, &bk_err));
	return a.id;
}

struct request_id bk_request(int64_t n)
{
	struct request_id id = {{0}};

	for (int i = 0; i < 8; i++)
		id.b[4 + i] = (uint8_t)((uint64_t)n >> (8 * (7 - i)));
	return id;
}

static void put_transfer(enum transfer_kind kind, int64_t debit, int64_t credit, int64_t amount_nano, int64_t at_ms,
			 int64_t usage_id)
{
	struct transfer t = {.time_ms = at_ms,
			     .kind = kind,
			     .debit_account = debit,
			     .credit_account = credit,
			     .amount_nano = amount_nano,
			     .usage_id = usage_id};
	int64_t id;

	if (amount_nano)
		MUST(store_transfer_put(bk_store, &t, &id, &bk_err));
}

int64_t bk_call(const struct bk_call *c)
{
	struct usage_record r = {
		.account_id = bk_account(ACCOUNT_TENANT, c->tenant),
		.rule_id = c->rule,
		.key_id = "key_aaaaaaaaaaaaaaaa",
		.admitted_ms = c->at_ms,
		.posted_ms = c->at_ms,
		.usage = {.input_tokens = c->input, .cached_input_tokens = c->cached, .output_tokens = c->output},
		.source = c->source,
		.flags = c->flags,
		.status = c->status ? c->status : 200,
	};
	int64_t revenue = bk_account(ACCOUNT_REVENUE, ""), cost = bk_account(ACCOUNT_COST, ""), payable = 0, id = 0;
	struct price_rule rule = {0};
	struct store_books_tail tail;
	int64_t charge;

	if (c->rule) {
		MUST(store_price_rule_get(bk_store, c->rule, &rule, &bk_err));
		payable = bk_account(ACCOUNT_PAYABLE, rule.provider);
	}
	if (c->rule && c->source != USAGE_NONE)
		cr_assert_eq(price_amounts(&rule, &r.usage, &r.cost_nano, &r.price_nano), 0);
	r.hold_nano = c->hold_nano ? c->hold_nano : r.price_nano;
	MUST(store_books_tail(bk_store, &tail, &bk_err));
	r.request_id = bk_request(tail.usage_id + 1);
	MUST(store_books_begin(bk_store, &bk_err));
	MUST(store_usage_put(bk_store, &r, &id, &bk_err));
	charge = r.price_nano < r.hold_nano ? r.price_nano : r.hold_nano;
	put_transfer(TRANSFER_CHARGE, r.account_id, revenue, charge, c->at_ms, id);
	put_transfer(TRANSFER_OVERAGE, r.account_id, revenue, r.price_nano - charge, c->at_ms, id);
	put_transfer(TRANSFER_COST, cost, payable, r.cost_nano, c->at_ms, id);
	MUST(store_books_commit(bk_store, &bk_err));
	return id;
}

int64_t bk_transfer(enum transfer_kind kind, const char *tenant, int64_t amount_nano, int64_t at_ms, int64_t usage_id)
{
	static const enum account_kind other[TRANSFER_KINDS] = {
		[TRANSFER_DEPOSIT] = ACCOUNT_CASH,
		[TRANSFER_ADJUSTMENT] = ACCOUNT_ADJUSTMENTS,
		[TRANSFER_REFUND] = ACCOUNT_REVENUE,
		[TRANSFER_SLA_CREDIT] = ACCOUNT_SLA,
	};
	int64_t to = bk_account(ACCOUNT_TENANT, tenant), from = bk_account(other[kind], "");
	struct transfer t = {.time_ms = at_ms,
			     .kind = kind,
			     .debit_account = amount_nano < 0 ? to : from,
			     .credit_account = amount_nano < 0 ? from : to,
			     .amount_nano = amount_nano < 0 ? -amount_nano : amount_nano,
			     .usage_id = usage_id,
			     .actor = "tester"};
	int64_t id = 0;

	MUST(store_books_begin(bk_store, &bk_err));
	MUST(store_transfer_put(bk_store, &t, &id, &bk_err));
	MUST(store_books_commit(bk_store, &bk_err));
	return id;
}

static int take_line(const struct store_settlement_line *l, void *arg)
{
	struct bk_lines *lines = arg;

	lines->v = reallocarray(lines->v, lines->n + 1, sizeof(*lines->v));
	cr_assert_not_null(lines->v);
	lines->v[lines->n++] = *l;
	return 0;
}

void bk_lines(const char *period, const char *account, struct bk_lines *ret)
{
	*ret = (struct bk_lines){0};
	MUST(store_settlement_line_each(bk_store, period, account, take_line, ret, &bk_err));
}

static const struct store_settlement_line *find_line(const struct bk_lines *l, enum store_line_kind kind,
						     const char *account, const char *model)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].kind == kind && strcmp(l->v[i].account, account) == 0 &&
		    (!model || strcmp(l->v[i].model, model) == 0))
			return &l->v[i];
	return NULL;
}

bool bk_has_line(const struct bk_lines *l, enum store_line_kind kind, const char *account, const char *model)
{
	return find_line(l, kind, account, model) != NULL;
}

const struct store_settlement_line *bk_line(const struct bk_lines *l, enum store_line_kind kind, const char *account,
					    const char *model)
{
	const struct store_settlement_line *found = find_line(l, kind, account, model);

	cr_assert_not_null(found, "no line of kind %d for %s %s", (int)kind, account, model ? model : "");
	return found;
}
