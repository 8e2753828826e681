/* From what the file holds to the program's schema, step by step (schema.h). */
#include "store/internal.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

static int64_t latest(const struct store *s)
{
	return (int64_t)s->schema->n_steps;
}

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

static int wrong_file(int64_t application_id, struct err *err)
{
	if (application_id == schema_books.application_id)
		return err_set(err, ERR_INVAL, "holds Tollgate's books, not its configuration; name another file");
	if (application_id == schema_control.application_id)
		return err_set(err, ERR_INVAL, "holds Tollgate's configuration, not its books; name another file");
	return err_set(err, ERR_INVAL, "an SQLite database, but not Tollgate's; name another file in store.path");
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
	if (app != s->schema->application_id && (version || tables))
		return wrong_file(app, err);
	if (version > latest(s))
		return err_set(
			err, ERR_VERSION,
			"schema version %lld, this program knows up to %lld; run a newer Tollgate or restore a backup",
			(long long)version, (long long)latest(s));
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
	if (version < latest(s)) {
		snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %lld", (long long)++version);
		rc = store_exec(s, s->schema->steps[version - 1], err);
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
	while (rc == 0 && version < latest(s))
		rc = take_step(s, &version, err);
	return rc;
}
