/* The schema, as steps. Step n takes a database from version n to n + 1 (PRAGMA user_version); a released step never
 * changes, a new one is appended. */
#include "store/internal.h"
#include "tollgate/abi.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

/* "toll": tells our files from other programs' SQLite files. */
#define APPLICATION_ID 0x746f6c6c

static const char *const steps[] = {
	/* 1: tenants, keys, policies, lists, audit */
	"CREATE TABLE slots ("
	" slot INTEGER PRIMARY KEY CHECK (slot >= 1),"
	" incarnation INTEGER NOT NULL CHECK (incarnation BETWEEN 1 AND 4294967295),"
	" used INTEGER NOT NULL CHECK (used IN (0, 1))) STRICT;"
	"CREATE INDEX slots_free ON slots (slot) WHERE used = 0;"

	"CREATE TABLE tenants ("
	" id TEXT PRIMARY KEY,"
	" name TEXT NOT NULL,"
	" status INTEGER NOT NULL CHECK (status IN (0, 1)),"
	" slot INTEGER NOT NULL UNIQUE REFERENCES slots (slot),"
	" created_ms INTEGER NOT NULL) STRICT;"

	"CREATE TABLE keys ("
	" id TEXT PRIMARY KEY,"
	" tenant_id TEXT NOT NULL REFERENCES tenants (id),"
	" name TEXT NOT NULL,"
	" hint TEXT NOT NULL,"
	" hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),"
	" status INTEGER NOT NULL CHECK (status IN (0, 1)),"
	" slot INTEGER NOT NULL UNIQUE REFERENCES slots (slot),"
	" created_ms INTEGER NOT NULL,"
	" expires_ms INTEGER NOT NULL CHECK (expires_ms >= 0)) STRICT;"
	"CREATE INDEX keys_of_tenant ON keys (tenant_id, id);"

	"CREATE TABLE policies ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" created_ms INTEGER NOT NULL,"
	" confirm_by_ms INTEGER NOT NULL CHECK (confirm_by_ms >= 0),"
	" active INTEGER NOT NULL CHECK (active IN (0, 1)),"
	" actor TEXT NOT NULL,"
	" comment TEXT NOT NULL,"
	" text TEXT NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX policies_one_active ON policies (active) WHERE active = 1;"

	"CREATE TABLE lists ("
	" list INTEGER NOT NULL CHECK (list IN (0, 1)),"
	" cidr TEXT NOT NULL,"
	" reason TEXT NOT NULL,"
	" source INTEGER NOT NULL,"
	" expires_ms INTEGER NOT NULL CHECK (expires_ms >= 0),"
	" PRIMARY KEY (list, cidr)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX lists_expiring ON lists (expires_ms) WHERE expires_ms > 0;"

	"CREATE TABLE audit ("
	" id INTEGER PRIMARY KEY,"
	" time_ms INTEGER NOT NULL,"
	" actor TEXT NOT NULL,"
	" action TEXT NOT NULL,"
	" target TEXT NOT NULL,"
	" detail TEXT NOT NULL,"
	" hash BLOB NOT NULL CHECK (length(hash) = 32)) STRICT;"
	"CREATE TABLE audit_head ("
	" one INTEGER PRIMARY KEY CHECK (one = 1),"
	" id INTEGER NOT NULL,"
	" hash BLOB NOT NULL CHECK (length(hash) = 32)) STRICT;"
	"INSERT INTO audit_head VALUES (1, 0, zeroblob(32));"
	"PRAGMA application_id = " TEXT(APPLICATION_ID) ";",
};
#define LATEST ((int64_t)ARRAY_SIZE(steps))

static int pragma_int(struct store *s, const char *sql, int64_t *ret, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW)
		rc = store_fail(s, err, "database");
	else
		*ret = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc;
}

/* S3. Inside a transaction that excludes other writers, or before one as a courtesy. */
static int read_version(struct store *s, int64_t *ret, struct err *err)
{
	int64_t version, app, tables;
	int rc;

	rc = pragma_int(s, "PRAGMA user_version", &version, err);
	if (rc == 0)
		rc = pragma_int(s, "PRAGMA application_id", &app, err);
	if (rc == 0)
		rc = pragma_int(s, "SELECT count(*) FROM sqlite_schema", &tables, err);
	if (rc < 0)
		return rc;
	if (app != APPLICATION_ID && (version || tables))
		return err_set(err, ERR_INVAL,
			       "an SQLite database, but not Tollgate's; name another file in store.path");
	if (version > LATEST)
		return err_set(
			err, ERR_VERSION,
			"schema version %lld, this program knows up to %lld; run a newer Tollgate or restore a backup",
			(long long)version, (long long)LATEST);
	*ret = version;
	return 0;
}

/* One step, or none when another process was first. */
static int take_step(struct store *s, int64_t *ret_version, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	char set_version[48];
	int64_t version;
	int rc;

	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = read_version(s, &version, err);
	if (rc < 0)
		return rc;
	if (version < LATEST) {
		snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %lld", (long long)++version);
		rc = store_exec(s, steps[version - 1], err);
		if (rc == 0)
			rc = store_exec(s, set_version, err);
		if (rc < 0)
			return err_prefix(err, "migrating to schema version %lld", (long long)version);
	}
	rc = txn_commit(&txn, err);
	if (rc == 0)
		*ret_version = version;
	return rc;
}

/* The switch to WAL needs the file for itself for a moment, and SQLite doesn't apply the busy time-out to it: try for
 * about a second. */
static int enter_wal(struct store *s, struct err *err)
{
	int rc;

	for (int tries = 0;; tries++) {
		rc = store_exec(s, "PRAGMA journal_mode = WAL", err);
		if (rc != ERR_BUSY || tries == 50)
			return rc;
		poll(NULL, 0, 20);
	}
}

int store_migrate(struct store *s, struct err *err)
{
	int64_t version;
	int rc;

	rc = read_version(s, &version, err);
	if (rc == 0)
		rc = enter_wal(s, err);
	while (rc == 0 && version < LATEST)
		rc = take_step(s, &version, err);
	return rc;
}
