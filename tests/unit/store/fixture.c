#include "fixture.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

char fixture_folder[64], fixture_path[80], fixture_books_path[120];
_Thread_local struct err oops;

void fixture_init(void)
{
	snprintf(fixture_folder, sizeof(fixture_folder), "/tmp/tg-store-XXXXXX");
	cr_assert_not_null(mkdtemp(fixture_folder));
	snprintf(fixture_path, sizeof(fixture_path), "%s/tollgate.db", fixture_folder);
	snprintf(fixture_books_path, sizeof(fixture_books_path), "%s/books.db", fixture_folder);
}

void fixture_done(void)
{
	char cmd[96];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", fixture_folder);
	cr_expect_eq(system(cmd), 0);
}

static int sha256(const void *data, size_t len, uint8_t out[32], struct err *err)
{
	unsigned n;

	if (EVP_Digest(data, len, out, &n, EVP_sha256(), NULL) != 1)
		return err_set(err, ERR_IO, "sha256");
	return 0;
}

struct store_opts fixture_opts(void)
{
	struct store_opts opts = STORE_OPTS_DEFAULT;

	opts.sha256 = sha256;
	return opts;
}

struct store *fixture_open(void)
{
	struct store_opts opts = fixture_opts();
	struct store *s = NULL;

	MUST(store_open(fixture_path, &opts, &s, &oops));
	return s;
}

int fixture_try_open(struct err *err)
{
	struct store_opts opts = fixture_opts();
	struct store *s = NULL;
	int rc = store_open(fixture_path, &opts, &s, err);

	store_close(s);
	return rc;
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	char *msg = NULL;

	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &msg), SQLITE_OK, "%s: %s", sql, msg);
	sqlite3_close(db);
}

void fixture_sql(const char *sql)
{
	run_sql(fixture_path, sql);
}

void fixture_books_sql(const char *sql)
{
	run_sql(fixture_books_path, sql);
}

static long long number(const char *path, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	long long v = -1;

	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	if (sqlite3_step(stmt) == SQLITE_ROW)
		v = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return v;
}

long long fixture_number(const char *sql)
{
	return number(fixture_path, sql);
}

long long fixture_books_number(const char *sql)
{
	return number(fixture_books_path, sql);
}

int fixture_key(struct store *s, const char *tenant, unsigned n, struct api_key *ret, struct err *err)
{
	uint8_t hash[KEY_HASH_LEN] = {0};
	struct store_key_new in = {.tenant_id = tenant, .name = "test", .hint = "tg_live_ab12...wxyz", .hash = hash};

	memcpy(hash, &n, sizeof(n));
	return store_key_create(s, "tester", &in, ret, err);
}

/* ---- books */

struct store *fixture_books(void)
{
	struct store_opts opts = fixture_opts();
	struct store *s = NULL;

	opts.schema = STORE_SCHEMA_BOOKS;
	MUST(store_open(fixture_books_path, &opts, &s, &oops));
	return s;
}

static int64_t open_account(struct store *s, enum account_kind kind, const char *name)
{
	struct account a;

	MUST(store_account_open(s, kind, name, FIXTURE_START_MS, &a, &oops));
	return a.id;
}

void fixture_accounts(struct store *s, size_t tenants, struct books_accounts *ret)
{
	struct price_rule rule = {.book_id = 1, .currency = "USD", .provider = "openai", .tier = "free"};

	MUST(store_books_begin(s, &oops));
	for (size_t i = 0; i < tenants; i++) {
		char name[24];

		snprintf(name, sizeof(name), "t%zu", i);
		ret->tenant[i] = open_account(s, ACCOUNT_TENANT, name);
	}
	ret->other[BOOKS_CASH] = open_account(s, ACCOUNT_CASH, "");
	ret->other[BOOKS_REVENUE] = open_account(s, ACCOUNT_REVENUE, "");
	ret->other[BOOKS_COST] = open_account(s, ACCOUNT_COST, "");
	ret->other[BOOKS_PAYABLE] = open_account(s, ACCOUNT_PAYABLE, "openai");
	for (int i = 0; i < 3; i++) {
		rule.rate_nano[TOKEN_INPUT] = i;
		MUST(store_price_rule_intern(s, &rule, &ret->rule[i], &oops));
	}
	MUST(store_books_commit(s, &oops));
}

static uint64_t mix(uint64_t x) /* splitmix64 */
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

struct usage_record fixture_record(const struct books_accounts *a, size_t tenants, uint64_t n, int64_t step_ms)
{
	uint64_t x = mix(n);
	struct usage_record r = {
		.account_id = a->tenant[n % tenants],
		.rule_id = a->rule[(x >> 60) % 3],
		.key_id = "key_abcdefghijklmnop",
		.route = 1,
		.posted_ms = FIXTURE_START_MS + (int64_t)n * step_ms,
		.usage = {.input_tokens = x % 5000, .cached_input_tokens = x % 50, .output_tokens = (x >> 13) % 2000},
		.source = (x >> 7) % 10 ? USAGE_REPORTED : USAGE_ESTIMATED,
		.status = 200,
		.hold_nano = 3000000,
		.latency_us = 800000,
		.bytes = 1234,
	};

	r.admitted_ms = r.posted_ms - 800;
	r.price_nano = n % 50 ? (int64_t)(x % 3100000) : 0; /* some above the hold, some free */
	r.cost_nano = r.price_nano / 4 * 3;
	/* As on the wire: milliseconds, then random bytes; unique by n. */
	for (int i = 0; i < 6; i++)
		r.request_id.b[i] = (uint8_t)(r.admitted_ms >> (40 - 8 * i));
	memcpy(r.request_id.b + 6, &n, 6);
	r.request_id.b[11] ^= (uint8_t)x;
	return r;
}

int fixture_post(struct store *s, const struct books_accounts *a, const struct usage_record *r, struct err *err)
{
	int64_t charge = r->price_nano < r->hold_nano ? r->price_nano : r->hold_nano;
	struct transfer t = {.time_ms = r->posted_ms,
			     .kind = TRANSFER_CHARGE,
			     .debit_account = r->account_id,
			     .credit_account = a->other[BOOKS_REVENUE],
			     .amount_nano = charge};
	int64_t id;
	int rc = store_usage_put(s, r, &t.usage_id, err);

	if (rc == 0 && charge)
		rc = store_transfer_put(s, &t, &id, err);
	if (rc == 0 && r->price_nano > charge) {
		t.kind = TRANSFER_OVERAGE;
		t.amount_nano = r->price_nano - charge;
		rc = store_transfer_put(s, &t, &id, err);
	}
	if (rc == 0 && r->cost_nano) {
		t.kind = TRANSFER_COST;
		t.debit_account = a->other[BOOKS_COST];
		t.credit_account = a->other[BOOKS_PAYABLE];
		t.amount_nano = r->cost_nano;
		rc = store_transfer_put(s, &t, &id, err);
	}
	return rc;
}

void fixture_fill(struct store *s, const struct books_accounts *a, size_t tenants, uint64_t from, uint64_t to,
		  uint64_t batch, int64_t step_ms)
{
	for (uint64_t n = from; n < to; n++) {
		struct usage_record r = fixture_record(a, tenants, n, step_ms);

		if ((n - from) % batch == 0)
			MUST(store_books_begin(s, &oops));
		MUST(fixture_post(s, a, &r, &oops));
		if ((n - from) % batch == batch - 1 || n == to - 1)
			MUST(store_books_commit(s, &oops));
	}
}
