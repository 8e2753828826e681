/* Finance's questions to large books: explain, lists, statements, a settlement; on as many usage records as asked for.
 *
 * Usage: books [--dir DIR] [--records 10000000] [--tenants 1000]
 *
 * Records are posted as the ledger posts them (record, charge, cost; rolled up as it goes), spread over October 2026,
 * then read by another connection. Each question is asked many times with other arguments; medians are printed as JSON
 * lines. */
#include "base/clock.h"
#include "crypto/keyed.h"
#include "ledger/books.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define BATCH 8000u /* what the writer remembers for its roll-up */
#define MODELS 4u
#define FROM_MS 1790812800000ll /* 2026-10-01 00:00 UTC */
#define MONTH_MS (31ll * 86400000)
#define ASKED_MAX 101u

static struct {
	struct store *writer, *s;
	uint64_t records, tenants;
	int64_t *tenant, revenue, cost, payable, rule[MODELS];
	struct price_rule rules[MODELS];
	uint64_t random;
} b = {.records = 10000000, .tenants = 1000};

static struct err err;

static void must(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "books: %s: %s\n", what, err.msg);
	exit(1);
}

static uint64_t random_u64(void)
{
	uint64_t z = b.random += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* The n-th call's id: as the gateway makes them, its time first. */
static struct request_id id_of(uint64_t n)
{
	int64_t ms = FROM_MS + (int64_t)((double)n / (double)b.records * (double)MONTH_MS);
	struct request_id id;

	for (unsigned i = 0; i < 6; i++) {
		id.b[i] = (uint8_t)(ms >> (40 - 8 * i));
		id.b[6 + i] = (uint8_t)(n >> (40 - 8 * i));
	}
	return id;
}

static int64_t time_of(uint64_t n)
{
	return FROM_MS + (int64_t)((double)n / (double)b.records * (double)MONTH_MS);
}

/* ---- filling */

static int64_t account(enum account_kind kind, const char *name)
{
	struct account a;

	must(store_account_open(b.writer, kind, name, FROM_MS, &a, &err), "account");
	return a.id;
}

static void make_accounts(void)
{
	static const char *const models[MODELS] = {"gpt-4o", "gpt-4o-mini", "claude-sonnet", "qwen-max"};
	char name[32];

	must(store_books_begin(b.writer, &err), "begin");
	b.revenue = account(ACCOUNT_REVENUE, "");
	b.cost = account(ACCOUNT_COST, "");
	b.payable = account(ACCOUNT_PAYABLE, "openai");
	for (uint64_t t = 0; t < b.tenants; t++) {
		snprintf(name, sizeof(name), "tenant-%" PRIu64, t);
		b.tenant[t] = account(ACCOUNT_TENANT, name);
	}
	for (unsigned m = 0; m < MODELS; m++) {
		struct price_rule *r = &b.rules[m];

		*r = (struct price_rule){
			.book_id = 1,
			.currency = "USD",
			.provider = "openai",
			.tier = "growth",
			.supply = SUPPLY_BALANCED,
			.rate_nano = {150000000ll * (m + 1), 75000000, 150000000, 600000000ll * (m + 1)},
			.base_margin_e4 = 2500,
			.tier_margin_e4 = 2500,
			.model_factor_e4 = 10000,
			.supply_factor_e4 = 10000,
			.min_margin_e4 = 1500,
			.max_margin_e4 = 5000};
		snprintf(r->upstream_model, sizeof(r->upstream_model), "%s", models[m]);
		snprintf(r->model, sizeof(r->model), "%s", models[m]);
		must(store_price_rule_intern(b.writer, r, &b.rule[m], &err), "rule");
	}
	must(store_books_commit(b.writer, &err), "commit");
}

static void post(uint64_t n)
{
	uint64_t dice = random_u64();
	unsigned model = dice % MODELS;
	struct usage_record r = {
		.request_id = id_of(n),
		.account_id = b.tenant[dice / MODELS % b.tenants],
		.rule_id = b.rule[model],
		.key_id = "key_abcdefghijklmnop",
		.route = 1,
		.admitted_ms = time_of(n),
		.posted_ms = time_of(n),
		.usage = {.input_tokens = 100 + (dice >> 20) % 2000, .output_tokens = 1 + (dice >> 40) % 900},
		.source = USAGE_REPORTED,
		.status = 200,
		.latency_us = 345678,
		.bytes = 2345};
	struct transfer charge = {.kind = TRANSFER_CHARGE, .debit_account = r.account_id, .credit_account = b.revenue},
			cost = {.kind = TRANSFER_COST, .debit_account = b.cost, .credit_account = b.payable};
	int64_t id;

	must(price_amounts(&b.rules[model], &r.usage, &r.cost_nano, &r.price_nano), "price");
	r.hold_nano = r.price_nano;
	must(store_usage_put(b.writer, &r, &id, &err), "record");
	charge.time_ms = cost.time_ms = r.posted_ms;
	charge.usage_id = cost.usage_id = id;
	charge.amount_nano = r.price_nano;
	cost.amount_nano = r.cost_nano;
	must(store_transfer_put(b.writer, &charge, &id, &err), "charge");
	must(store_transfer_put(b.writer, &cost, &id, &err), "cost");
}

static void fill(void)
{
	for (uint64_t n = 0; n < b.records; n++) {
		if (n % BATCH == 0)
			must(store_books_begin(b.writer, &err), "begin");
		post(n);
		if (n % BATCH != BATCH - 1 && n != b.records - 1)
			continue;
		must(store_books_commit(b.writer, &err), "commit");
		must(store_books_roll_up(b.writer, &err), "roll-up");
	}
}

/* ---- questions. `n` is a random number; each returns after its answer is whole. */

static void tenant_name(uint64_t n, char ret[32])
{
	snprintf(ret, 32, "tenant-%" PRIu64, n % b.tenants);
}

static void ask_explain(uint64_t n)
{
	static struct books_explanation x;
	struct request_id id = id_of(n % b.records);

	must(books_explain(b.s, &id, &x, &err), "explain");
	if (!x.matches) {
		fprintf(stderr, "books: an explanation that doesn't match: %s\n", x.why);
		exit(1);
	}
}

static int count(const struct usage_record *r, void *arg)
{
	(void)r;
	++*(uint64_t *)arg;
	return 0;
}

static void ask_list(uint64_t n)
{
	uint64_t rows = 0;

	must(store_usage_page(b.s, b.tenant[n % b.tenants], 0, 100, count, &rows, &err), "list");
}

static void statement(uint64_t n, bool draft, bool all)
{
	struct books_statement_opts o = {
		.period = "2026-10", .format = BOOKS_TEXT, .draft = draft, .now_ms = FROM_MS + MONTH_MS + 86400000};
	struct buf out = BUF_INIT;
	char tenant[32];

	tenant_name(n, tenant);
	o.tenant = all ? NULL : tenant;
	must(books_statement(b.s, &o, &out, &err), "statement");
	if (out.failed || out.len < 100)
		must(err_set(&err, ERR_NOMEM, "no text"), "statement");
	buf_done(&out);
}

static void ask_draft(uint64_t n)
{
	statement(n, true, false);
}

static void ask_statement(uint64_t n)
{
	statement(n, false, false);
}

static void ask_all(uint64_t n)
{
	statement(n, false, true);
}

static void settle(uint64_t n)
{
	struct store_settlement p;

	(void)n;
	must(books_settle(b.writer, "bench", "2026-10", FROM_MS + MONTH_MS + 1, &p, &err), "settle");
}

static int by_size(const void *x, const void *y)
{
	const double *p = x, *q = y;

	return *p < *q ? -1 : *p > *q;
}

static void measure(const char *what, void (*ask)(uint64_t n), unsigned times)
{
	double ms[ASKED_MAX];

	for (unsigned i = 0; i < times; i++) {
		uint64_t start_ns = clock_mono_ns();

		ask(random_u64());
		ms[i] = (double)(clock_mono_ns() - start_ns) / 1e6;
	}
	qsort(ms, times, sizeof(*ms), by_size);
	printf("{\"name\": \"%s, %" PRIu64
	       " records\", \"value\": %.3f, \"unit\": \"ms\", \"peer\": \"\", \"ratio\": null}\n",
	       what, b.records, ms[times / 2]);
	fflush(stdout);
}

static void open_both(const char *path)
{
	struct store_opts o = STORE_OPTS_DEFAULT;

	o.schema = STORE_SCHEMA_BOOKS;
	o.sha256 = crypto_sha256;
	must(store_open(path, &o, &b.writer, &err), "open");
	must(store_books_currency(b.writer, "USD", &err), "currency");
	must(store_open(path, &o, &b.s, &err), "open");
}

static void clean_up(const char *dir)
{
	static const char *const files[] = {"books.db", "books.db-wal", "books.db-shm"};
	char path[300];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

int main(int argc, char **argv)
{
	const char *dir = "/tmp";
	char own[200], path[256];
	struct rusage ru;
	uint64_t start_ns;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--dir") == 0)
			dir = argv[i + 1];
		else if (strcmp(argv[i], "--records") == 0)
			b.records = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--tenants") == 0)
			b.tenants = strtoull(argv[i + 1], NULL, 10);
	}
	snprintf(own, sizeof(own), "%.150s/tg-bench-books-XXXXXX", dir);
	b.tenant = calloc(b.tenants ? b.tenants : 1, sizeof(*b.tenant));
	if (!b.records || !b.tenants || !b.tenant || !mkdtemp(own)) {
		perror("books");
		return 1;
	}
	snprintf(path, sizeof(path), "%s/books.db", own);
	open_both(path);
	make_accounts();
	start_ns = clock_mono_ns();
	fill();
	printf("{\"name\": \"posting in batches of %u, rolled up\", \"value\": %.0f, \"unit\": \"records/s\", "
	       "\"peer\": \"\", "
	       "\"ratio\": null}\n",
	       BATCH, (double)b.records / ((double)(clock_mono_ns() - start_ns) / 1e9));
	measure("explain a charge", ask_explain, 101);
	measure("latest 100 calls of a tenant", ask_list, 101);
	measure("draft statement of a tenant", ask_draft, 21);
	measure("settle the month, all tenants", settle, 1);
	measure("settled statement of a tenant", ask_statement, 101);
	measure("settled statement of all", ask_all, 21);
	getrusage(RUSAGE_SELF, &ru);
	printf("{\"name\": \"memory at most\", \"value\": %.1f, \"unit\": \"MB\", \"peer\": \"\", \"ratio\": null}\n",
	       (double)ru.ru_maxrss / 1024);
	store_close(b.s);
	store_close(b.writer);
	clean_up(own);
	free(b.tenant);
	return 0;
}
