/* Is the file sound? Looked at from its structure; audit.c and books_check*.c look at what it says. */
#include "store/internal.h"

#include <stdio.h>
#include <string.h>

static int run_check(struct store *s, const char *sql, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	char text[200] = "";
	int rc;

	if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW) {
		rc = store_fail(s, err, "checking the database");
		sqlite3_finalize(stmt);
		return rc;
	}
	snprintf(text, sizeof(text), "%s", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	if (strcmp(text, "ok") == 0)
		return 0;
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	return err_set(err, ERR_CORRUPT, "damaged: %s; restore it from a backup", text);
}

static bool is_large(const struct schema *schema, const char *table)
{
	for (const char *const *t = schema->large; t && *t; t++)
		if (strcmp(*t, table) == 0)
			return true;
	return false;
}

static int check_small_tables(struct store *s, sqlite3_stmt *tables, struct err *err)
{
	int step, rc = 0;

	while (rc == 0 && (step = sqlite3_step(tables)) == SQLITE_ROW) {
		const char *table = (const char *)sqlite3_column_text(tables, 0);
		char sql[128];

		if (!table || is_large(s->schema, table))
			continue;
		sqlite3_snprintf(sizeof(sql), sql, "PRAGMA quick_check(%Q)", table);
		rc = run_check(s, sql, err);
	}
	return rc < 0 || step == SQLITE_DONE ? rc : store_fail(s, err, "checking the database");
}

static int check_all(struct store *s, struct err *err)
{
	return run_check(s, "PRAGMA quick_check(1)", err);
}

/* The large ones are left to store_check. */
static int check_tables(struct store *s, struct err *err)
{
	sqlite3_stmt *tables = NULL;
	int rc;

	if (sqlite3_prepare_v2(s->db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
			       -1, &tables, NULL) != SQLITE_OK)
		rc = store_fail(s, err, "checking the database");
	else
		rc = check_small_tables(s, tables, err);
	sqlite3_finalize(tables);
	return rc;
}

/* What looks at rows has to see broken CHECKs too, which the books' connections don't enforce. */
static int with_checks(struct store *s, int (*check)(struct store *s, struct err *err), struct err *err)
{
	int rc = store_exec(s, "PRAGMA ignore_check_constraints = OFF", err), back;

	if (rc == 0)
		rc = check(s, err);
	if (s->schema != &schema_books)
		return rc;
	back = store_exec(s, "PRAGMA ignore_check_constraints = ON", rc < 0 ? NULL : err);
	return rc < 0 ? rc : back;
}

int check_at_open(struct store *s, struct err *err)
{
	return with_checks(s, s->schema->large ? check_tables : check_all, err);
}

int store_check(struct store *s, struct err *err)
{
	return with_checks(s, check_all, err);
}
