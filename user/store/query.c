/* Statements, transactions, and SQLite's error codes as ours. */
#include "store/internal.h"

#include <errno.h>
#include <string.h>

static const char *const sql_text[] = {
#define X(sym, sql) [STORE_SQL_##sym] = sql,
	STORE_STATEMENTS(X) STORE_BOOKS_STATEMENTS(X)
#undef X
};

/* A trigger's RAISE and a broken CHECK are the caller's mistakes; a sum that left 64 bits arrives as a REAL, which a
 * STRICT table refuses. */
static int code_of_constraint(int sqlite_code)
{
	switch (sqlite_code) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_ROWID:
		return ERR_EXISTS;
	case SQLITE_CONSTRAINT_DATATYPE:
		return ERR_RANGE;
	case SQLITE_CONSTRAINT_TRIGGER:
		return ERR_PERM;
	default:
		return ERR_INVAL;
	}
}

static int code_of(int sqlite_code)
{
	switch (sqlite_code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return ERR_PERM;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_CONSTRAINT:
		return code_of_constraint(sqlite_code);
	case SQLITE_TOOBIG:
		return ERR_RANGE;
	default:
		return ERR_IO;
	}
}

static const char *advice(int code, int sqlite_code)
{
	switch (code) {
	case ERR_BUSY:
		return " (another process holds the database; try again)";
	case ERR_FULL:
		return " (free some disk space, then try again)";
	case ERR_CORRUPT:
		return " (restore it from a backup)";
	case ERR_PERM: /* a trigger says by itself why */
		return sqlite_code == SQLITE_CONSTRAINT_TRIGGER ? "" : " (the file and its folder must be writable)";
	default:
		return "";
	}
}

int store_fail(struct store *s, struct err *err, const char *what)
{
	return store_fail_db(s->db, err, what);
}

int store_fail_db(sqlite3 *db, struct err *err, const char *what)
{
	int sqlite_code = sqlite3_extended_errcode(db);
	int code = code_of(sqlite_code);

	if (sqlite_code == SQLITE_ERROR && strstr(sqlite3_errmsg(db), "integer overflow")) /* sum() */
		return err_set(err, ERR_RANGE, "%s: a sum doesn't fit in 64 bits", what);
	/* With SQLITE_IOERR and SQLITE_CANTOPEN the system's own error says more. */
	if (code == ERR_IO && sqlite3_system_errno(db)) {
		int errnum = sqlite3_system_errno(db);

		code = errnum == ENOSPC || errnum == EDQUOT  ? ERR_FULL
		       : errnum == EACCES || errnum == EROFS ? ERR_PERM
							     : ERR_IO;
		return err_set(err, code, "%s: %s: %s%s", what, sqlite3_errmsg(db), strerror(errnum),
			       advice(code, sqlite_code));
	}
	return err_set(err, code, "%s: %s%s", what, sqlite3_errmsg(db), advice(code, sqlite_code));
}

int store_exec(struct store *s, const char *sql, struct err *err)
{
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return store_fail(s, err, "database");
}

/* ---- one query */

struct query query_begin(struct store *s, enum store_statement which, struct err *err)
{
	struct query q = {.store = s, .err = err};

	if (!s->statements[which] && sqlite3_prepare_v3(s->db, sql_text[which], -1, SQLITE_PREPARE_PERSISTENT,
							&s->statements[which], NULL) != SQLITE_OK)
		q.rc = store_fail(s, err, "database");
	q.stmt = s->statements[which];
	return q;
}

static void bound(struct query *q, int sqlite_code)
{
	if (sqlite_code != SQLITE_OK && q->rc == 0)
		q->rc = store_fail(q->store, q->err, "database");
}

/* Values are borrowed until the query is done. */
void query_bytes_as_text(struct query *q, const char *text, size_t len)
{
	if (q->rc == 0)
		bound(q, sqlite3_bind_text64(q->stmt, ++q->bound, text, len, SQLITE_STATIC, SQLITE_UTF8));
}

void query_text(struct query *q, const char *text)
{
	query_bytes_as_text(q, text, strlen(text));
}

void query_blob(struct query *q, const void *data, size_t len)
{
	if (q->rc == 0)
		bound(q, sqlite3_bind_blob64(q->stmt, ++q->bound, data, len, SQLITE_STATIC));
}

void query_int(struct query *q, int64_t v)
{
	if (q->rc == 0)
		bound(q, sqlite3_bind_int64(q->stmt, ++q->bound, v));
}

void query_null(struct query *q)
{
	if (q->rc == 0)
		bound(q, sqlite3_bind_null(q->stmt, ++q->bound));
}

int query_row(struct query *q)
{
	if (q->rc < 0)
		return q->rc;
	switch (sqlite3_step(q->stmt)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		q->rc = store_fail(q->store, q->err, "database");
		return q->rc;
	}
}

int query_run(struct query *q)
{
	int rc;

	do
		rc = query_row(q);
	while (rc > 0);
	return rc;
}

void query_again(struct query *q)
{
	if (q->stmt)
		sqlite3_reset(q->stmt);
	q->bound = 0;
}

void query_release(struct query *q)
{
	if (q->stmt)
		sqlite3_reset(q->stmt);
}

void query_done(struct query *q)
{
	if (!q->stmt)
		return;
	sqlite3_reset(q->stmt);
	sqlite3_clear_bindings(q->stmt);
}

void query_column_text(struct query *q, int column, char *out, size_t size)
{
	const unsigned char *text = sqlite3_column_text(q->stmt, column);
	size_t len = text ? (size_t)sqlite3_column_bytes(q->stmt, column) : 0;

	if (len >= size) {
		len = size - 1;
		while (len && (text[len] & 0xc0) == 0x80)
			len--;
	}
	if (len)
		memcpy(out, text, len);
	out[len] = '\0';
}

int query_changes(const struct query *q)
{
	return sqlite3_changes(q->store->db);
}

/* ---- one transaction */

static int run(struct store *s, enum store_statement which, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, which, err);

	return query_run(&q);
}

int txn_begin(struct txn *t, struct store *s, struct err *err)
{
	/* IMMEDIATE: the busy time-out applies here, and not to a later upgrade from reading to writing, which SQLite
	 * refuses at once. */
	int rc = run(s, STORE_SQL_BEGIN, err);

	if (rc == 0)
		t->open = s;
	return rc;
}

int txn_join(struct txn *t, struct store *s, struct err *err)
{
	return sqlite3_get_autocommit(s->db) ? txn_begin(t, s, err) : 0;
}

int txn_begin_read(struct txn *t, struct store *s, struct err *err)
{
	int rc = 0;

	if (sqlite3_get_autocommit(s->db)) {
		rc = run(s, STORE_SQL_BEGIN_READ, err);
		if (rc == 0)
			t->open = s;
	}
	return rc;
}

int txn_commit(struct txn *t, struct err *err)
{
	int rc;

	if (!t->open) /* joined: whoever began it commits it */
		return 0;
	rc = run(t->open, STORE_SQL_COMMIT, err);

	if (rc == 0)
		t->open = NULL;
	return rc;
}

void txn_end(struct txn *t)
{
	/* After some errors (disk full, I/O) SQLite has rolled back by itself. */
	if (t->open && !sqlite3_get_autocommit(t->open->db) && run(t->open, STORE_SQL_ROLLBACK, NULL) < 0)
		return;
	t->open = NULL;
}
