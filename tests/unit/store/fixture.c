#include "fixture.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

char fixture_folder[64], fixture_path[80];
_Thread_local struct err oops;

void fixture_init(void)
{
	snprintf(fixture_folder, sizeof(fixture_folder), "/tmp/tg-store-XXXXXX");
	cr_assert_not_null(mkdtemp(fixture_folder));
	snprintf(fixture_path, sizeof(fixture_path), "%s/tollgate.db", fixture_folder);
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

void fixture_sql(const char *sql)
{
	sqlite3 *db = NULL;
	char *msg = NULL;

	cr_assert_eq(sqlite3_open(fixture_path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &msg), SQLITE_OK, "%s: %s", sql, msg);
	sqlite3_close(db);
}

long long fixture_number(const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	long long v = -1;

	cr_assert_eq(sqlite3_open(fixture_path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	if (sqlite3_step(stmt) == SQLITE_ROW)
		v = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return v;
}

int fixture_key(struct store *s, const char *tenant, unsigned n, struct api_key *ret, struct err *err)
{
	uint8_t hash[KEY_HASH_LEN] = {0};
	struct store_key_new in = {.tenant_id = tenant, .name = "test", .hint = "tg_live_ab12...wxyz", .hash = hash};

	memcpy(hash, &n, sizeof(n));
	return store_key_create(s, "tester", &in, ret, err);
}
