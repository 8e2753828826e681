#include "fixture.h"

#include "crypto/keyed.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct world w;
static unsigned ended, wanted;

void world_new(void)
{
	memset(&w, 0, sizeof(w));
	snprintf(w.dir, sizeof(w.dir), "/tmp/tg-ledger-XXXXXX");
	cr_assert_not_null(mkdtemp(w.dir));
	snprintf(w.db, sizeof(w.db), "%s/books.db", w.dir);
	snprintf(w.holds, sizeof(w.holds), "%s/holds", w.dir);
	w.opts = LEDGER_OPTS_DEFAULT;
	w.opts.path = w.db;
	w.opts.holds_path = w.holds;
	w.opts.sha256 = crypto_sha256;
	w.opts.holds_max = 2048;
	w.opts.gather_us = 200;
	w.opts.retry_ms = 5;
	w.opts.busy_timeout_ms = 20;
}

static void remove_file(const char *suffix)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", w.dir, suffix);
	unlink(path);
}

void world_free(void)
{
	world_close();
	remove_file("books.db");
	remove_file("books.db-wal");
	remove_file("books.db-shm");
	remove_file("holds");
	rmdir(w.dir);
}

static int intern(struct store *s, void *arg, struct err *err)
{
	struct price_rule *r = arg;

	return store_price_rule_intern(s, r, &r->id, err);
}

static void make_rule(void)
{
	struct err err = {0};

	/* A nano-unit per token, margin 0.25 by multiplicands of one. */
	w.rule = (struct price_rule){.book_id = 1,
				     .currency = "USD",
				     .provider = "openai",
				     .upstream_model = "gpt",
				     .model = "gpt",
				     .tier = "free",
				     .formula = PRICE_MARGIN,
				     .supply = SUPPLY_BALANCED,
				     .rate_nano = {1000000, 1000000, 1000000, 1000000},
				     .base_margin_e4 = 2500,
				     .tier_margin_e4 = 2500,
				     .model_factor_e4 = 10000,
				     .supply_factor_e4 = 10000,
				     .min_margin_e4 = 1500,
				     .max_margin_e4 = 5000};
	cr_assert_eq(ledger_run(w.l, intern, &w.rule, &err), 0, "%s", err.msg);
}

void world_open(void)
{
	struct err err = {0};

	cr_assert_eq(ledger_open(&w.opts, &w.l, &err), 0, "%s", err.msg);
	cr_assert_eq(ledger_account_bind(w.l, TENANT, SUBJECT, 0, &err), 0, "%s", err.msg);
	w.account = ledger_account_at(w.l, SUBJECT);
	cr_assert_not_null(w.account);
	make_rule();
	cr_assert_eq(loop_new(&w.loop, &err), 0, "%s", err.msg);
	cr_assert_eq(ledger_lane_bind(w.l, 0, w.loop, &err), 0, "%s", err.msg);
}

void world_start(void)
{
	struct err err = {0};

	world_open();
	cr_assert_eq(ledger_start(w.l, &err), 0, "%s", err.msg);
}

void world_close(void)
{
	ledger_free(w.l);
	loop_free(w.loop);
	w.l = NULL;
	w.loop = NULL;
	w.account = NULL;
	ended = 0;
}

void world_deposit(int64_t nano)
{
	struct ledger_posting p = {.kind = TRANSFER_DEPOSIT, .tenant_id = TENANT, .actor = "test", .amount_nano = nano};
	struct transfer t;
	struct err err = {0};

	cr_assert_eq(ledger_post(w.l, &p, &t, &err), 0, "%s", err.msg);
}

struct ledger_balance world_balance(void)
{
	struct ledger_balance b;

	ledger_account_balance(w.account, &b);
	return b;
}

struct request_id request_number(uint64_t n)
{
	struct request_id id = {{0x01, 0x93, 0x5f}};

	for (int i = 0; i < 8; i++)
		id.b[REQUEST_ID_BYTES - 1 - i] = (uint8_t)(n >> 8 * i);
	return id;
}

struct ledger_hold_terms terms(uint64_t request, int64_t amount)
{
	return (struct ledger_hold_terms){.request_id = request_number(request),
					  .key_id = "key_abcdefghijklmnop",
					  .amount_nano = amount,
					  .admitted_ms = 1000,
					  .expires_ms = 601000,
					  .route = 1};
}

struct ledger_hold *hold_of(uint64_t request, int64_t amount)
{
	struct ledger_hold_terms t = terms(request, amount);
	struct ledger_hold *h = NULL;
	struct err err = {0};

	cr_assert_eq(ledger_hold_take(w.l, 0, w.account, &t, &h, &err), 0, "%s", err.msg);
	return h;
}

static void on_done(struct ledger_job *job, int rc)
{
	struct call *c = CONTAINER_OF(job, struct call, job);

	c->rc = rc;
	c->done++;
	ended++;
	if (wanted && ended >= wanted)
		loop_stop(w.loop);
}

void call_fill(struct call *c, uint64_t request, int64_t price, int64_t cost)
{
	memset(c, 0, sizeof(*c));
	c->rc = 1;
	c->job.done = on_done;
	c->job.provider = cost ? "openai" : NULL;
	c->job.record = (struct usage_record){.request_id = request_number(request),
					      .rule_id = w.rule.id,
					      .key_id = "key_abcdefghijklmnop",
					      .route = 1,
					      .admitted_ms = 1000,
					      .source = USAGE_REPORTED,
					      .status = 200,
					      .cost_nano = cost,
					      .price_nano = price};
}

void settle(struct call *c, struct ledger_hold *h, uint64_t request, int64_t price, int64_t cost)
{
	call_fill(c, request, price, cost);
	ledger_settle(w.l, h, &c->job);
}

void await(unsigned n)
{
	struct err err = {0};

	wanted = n;
	if (ended < n)
		cr_assert_eq(loop_run(w.loop, &err), 0, "%s", err.msg);
	cr_assert_eq(ended, n);
	ended = wanted = 0;
}

/* ---- the books */

struct store *store_reader(void)
{
	struct store_opts o = STORE_OPTS_DEFAULT;
	struct store *s = NULL;
	struct err err = {0};

	o.schema = STORE_SCHEMA_BOOKS;
	o.create = false;
	o.sha256 = crypto_sha256;
	cr_assert_eq(store_open(w.db, &o, &s, &err), 0, "%s", err.msg);
	return s;
}

static int on_account(const struct account *a, void *arg)
{
	struct books *b = arg;

	b->sum += a->balance_nano;
	if (a->kind == ACCOUNT_TENANT && strcmp(a->name, TENANT) == 0)
		b->balance = a->balance_nano;
	if (a->kind == ACCOUNT_REVENUE)
		b->revenue = a->balance_nano;
	if (a->kind == ACCOUNT_COST)
		b->cost = a->balance_nano;
	if (a->kind == ACCOUNT_PAYABLE)
		b->payable += a->balance_nano;
	return 0;
}

static int on_transfer(const struct transfer *t, void *arg)
{
	((struct books *)arg)->transfers++;
	return t->amount_nano > 0 ? 0 : ERR_INVAL;
}

static int on_difference(const struct store_difference *d, void *arg)
{
	struct books *b = arg;

	if (!b->differences++)
		snprintf(b->first, sizeof(b->first), "%s: %.200s", d->kind, d->text);
	return 0;
}

struct books books_read(void)
{
	struct store *s = store_reader();
	struct books b = {0};
	struct err err = {0};
	uint64_t checked;

	cr_assert_eq(store_account_each(s, on_account, &b, &err), 0, "%s", err.msg);
	cr_assert_eq(store_transfer_page(s, 0, 0, SIZE_MAX, on_transfer, &b, &err), 0, "%s", err.msg);
	cr_assert_eq(store_usage_count(s, &b.records, &err), 0, "%s", err.msg);
	cr_assert_eq(store_check_usage(s, 0, 0, on_difference, &b, &checked, &err), 0, "%s", err.msg);
	cr_assert_eq(store_check_sums(s, on_difference, &b, &err), 0, "%s", err.msg);
	store_close(s);
	return b;
}

bool record_read(uint64_t request, struct usage_record *ret)
{
	struct request_id id = request_number(request);
	struct store *s = store_reader();
	struct err err = {0};
	int rc = store_usage_get(s, &id, ret, &err);

	store_close(s);
	cr_assert(rc == 0 || rc == ERR_NOT_FOUND, "%s", err.msg);
	return rc == 0;
}

struct recoveries {
	struct store_recovery *at;
	unsigned n, max;
};

static int on_recovery(const struct store_recovery *r, void *arg)
{
	struct recoveries *all = arg;

	if (all->n < all->max)
		all->at[all->n] = *r;
	all->n++;
	return 0;
}

unsigned recoveries_read(struct store_recovery *ret, unsigned max)
{
	struct recoveries all = {.at = ret, .max = max};
	struct store *s = store_reader();
	struct err err = {0};

	cr_assert_eq(store_recovery_page(s, 0, 100000, on_recovery, &all, &err), 0, "%s", err.msg);
	store_close(s);
	return all.n;
}

struct kind {
	const char *name;
	unsigned n;
};

static int on_discrepancy(const struct store_discrepancy *d, void *arg)
{
	struct kind *k = arg;

	k->n += strcmp(d->kind, k->name) == 0;
	return 0;
}

unsigned discrepancies_read(const char *kind)
{
	struct kind k = {.name = kind};
	struct store *s = store_reader();
	struct err err = {0};

	cr_assert_eq(store_discrepancy_page(s, true, 0, 1000, on_discrepancy, &k, &err), 0, "%s", err.msg);
	store_close(s);
	return k.n;
}
