/* The schemas as steps: step n takes a database from version n to n + 1 (PRAGMA user_version); a released step never
 * changes, a new one is appended. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

/* Tell our files from other programs' SQLite files, and from each other. Steps name them in figures. */
#define SCHEMA_CONTROL_ID 1953459308 /* "toll" */
#define SCHEMA_BOOKS_ID 1952932459   /* "tgbk" */

struct schema {
	int64_t application_id;
	const char *const *steps;
	size_t n_steps;
	/* Tables that grow with every call: too large to be checked at each start (store_check does). NULL ends them.
	 */
	const char *const *large;
};
extern const struct schema schema_control, schema_books;

/* Both files have an audit chain (audit.c). */
#define SQL_AUDIT_TABLES                                                                                               \
	"CREATE TABLE audit ("                                                                                         \
	" id INTEGER PRIMARY KEY,"                                                                                     \
	" time_ms INTEGER NOT NULL,"                                                                                   \
	" actor TEXT NOT NULL,"                                                                                        \
	" action TEXT NOT NULL,"                                                                                       \
	" target TEXT NOT NULL,"                                                                                       \
	" detail TEXT NOT NULL,"                                                                                       \
	" hash BLOB NOT NULL CHECK (length(hash) = 32)) STRICT;"                                                       \
	"CREATE TABLE audit_head ("                                                                                    \
	" one INTEGER PRIMARY KEY CHECK (one = 1),"                                                                    \
	" id INTEGER NOT NULL,"                                                                                        \
	" hash BLOB NOT NULL CHECK (length(hash) = 32)) STRICT;"                                                       \
	"INSERT INTO audit_head VALUES (1, 0, zeroblob(32));"

#endif
