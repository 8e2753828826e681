/* The audit log as a hash chain: hash = SHA-256(hash before, id, time, and each text with its length). The head row
 * repeats the last id and hash, so that rows cut off the end are missed too. The chain shows careless or partial
 * tampering; who can rewrite the whole file can rewrite the chain: ship the rows elsewhere against that. */
#include "store/internal.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

struct link {
	int64_t id;
	uint8_t hash[32];
};

static void put_u64(uint8_t **p, uint64_t v)
{
	for (int i = 7; i >= 0; i--)
		*(*p)++ = (uint8_t)(v >> (8 * i));
}

static void put_text(uint8_t **p, const char *text)
{
	size_t len = strlen(text);

	put_u64(p, len);
	memcpy(*p, text, len);
	*p += len;
}

static int chain(struct store *s, const uint8_t before[32], const struct store_audit *a, uint8_t out[32],
		 struct err *err)
{
	uint8_t bytes[32 + 2 * 8 + 4 * 8 + sizeof(a->actor) + sizeof(a->action) + sizeof(a->target) +
		      sizeof(a->detail)];
	uint8_t *p = bytes;

	memcpy(p, before, 32);
	p += 32;
	put_u64(&p, (uint64_t)a->id);
	put_u64(&p, (uint64_t)a->time_ms);
	put_text(&p, a->actor);
	put_text(&p, a->action);
	put_text(&p, a->target);
	put_text(&p, a->detail);
	return s->sha256(bytes, (size_t)(p - bytes), out, err);
}

static int read_head(struct store *s, struct link *ret, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_AUDIT_HEAD, err);
	int rc = query_row(&q);

	if (rc < 0)
		return rc;
	if (rc == 0 || sqlite3_column_bytes(q.stmt, 1) != 32)
		return err_set(err, ERR_CORRUPT, "audit log: its head row is missing");
	ret->id = sqlite3_column_int64(q.stmt, 0);
	memcpy(ret->hash, sqlite3_column_blob(q.stmt, 1), 32);
	return 0;
}

static int write_row(struct store *s, const struct store_audit *a, const uint8_t hash[32], struct err *err)
{
	_cleanup_(query_done) struct query row = query_begin(s, STORE_SQL_AUDIT_INSERT, err);
	_cleanup_(query_done) struct query head = query_begin(s, STORE_SQL_AUDIT_HEAD_SET, err);
	int rc;

	query_int(&row, a->id);
	query_int(&row, a->time_ms);
	query_text(&row, a->actor);
	query_text(&row, a->action);
	query_text(&row, a->target);
	query_text(&row, a->detail);
	query_blob(&row, hash, 32);
	rc = query_run(&row);
	if (rc < 0)
		return rc;
	query_int(&head, a->id);
	query_blob(&head, hash, 32);
	return query_run(&head);
}

int audit_add(struct store *s, const char *actor, const char *action, const char *target, struct err *err,
	      const char *detail_fmt, ...)
{
	struct store_audit a = {.time_ms = clock_wall_ms()};
	struct link head;
	uint8_t hash[32];
	va_list ap;
	int rc;

	rc = read_head(s, &head, err);
	if (rc < 0)
		return rc;
	a.id = head.id + 1;
	/* What is hashed is what is stored: cut to size first. */
	snprintf(a.actor, sizeof(a.actor), "%s", actor && *actor ? actor : "unknown");
	snprintf(a.action, sizeof(a.action), "%s", action);
	snprintf(a.target, sizeof(a.target), "%s", target);
	va_start(ap, detail_fmt);
	vsnprintf(a.detail, sizeof(a.detail), detail_fmt, ap);
	va_end(ap);
	rc = chain(s, head.hash, &a, hash, err);
	return rc < 0 ? rc : write_row(s, &a, hash, err);
}

static bool column_is(struct query *q, int column, const char *text)
{
	return (size_t)sqlite3_column_bytes(q->stmt, column) == strlen(text);
}

/* False when a text is longer than we write: then it was altered, and what is read is not what is stored. */
static bool read_row(struct query *q, struct store_audit *a)
{
	a->id = sqlite3_column_int64(q->stmt, 0);
	a->time_ms = sqlite3_column_int64(q->stmt, 1);
	query_column_text(q, 2, a->actor, sizeof(a->actor));
	query_column_text(q, 3, a->action, sizeof(a->action));
	query_column_text(q, 4, a->target, sizeof(a->target));
	query_column_text(q, 5, a->detail, sizeof(a->detail));
	return column_is(q, 2, a->actor) && column_is(q, 3, a->action) && column_is(q, 4, a->target) &&
	       column_is(q, 5, a->detail);
}

int store_audit_each(struct store *s, int64_t after_id, store_audit_cb cb, void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_AUDIT_EACH, err);
	int rc;

	query_int(&q, after_id);
	while ((rc = query_row(&q)) > 0) {
		struct store_audit a;

		read_row(&q, &a);
		rc = cb(&a, arg);
		if (rc)
			return rc;
	}
	return rc;
}

/* A row is sound when its hash follows from the row before and from what it says. */
static int check_row(struct store *s, struct query *q, struct link *at, struct err *err)
{
	struct store_audit a;
	uint8_t hash[32];
	bool whole = read_row(q, &a);
	int rc;

	if (a.id != at->id + 1)
		return err_set(err, ERR_CORRUPT, "audit log: row %lld is missing", (long long)at->id + 1);
	rc = chain(s, at->hash, &a, hash, err);
	if (rc < 0)
		return rc;
	if (!whole || sqlite3_column_bytes(q->stmt, 6) != 32 || memcmp(hash, sqlite3_column_blob(q->stmt, 6), 32) != 0)
		return err_set(err, ERR_CORRUPT, "audit log: row %lld was altered", (long long)a.id);
	at->id = a.id;
	memcpy(at->hash, hash, 32);
	return 0;
}

static int verify_rows(struct store *s, struct link *at, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_AUDIT_EACH, err);
	int rc;

	query_int(&q, 0);
	while ((rc = query_row(&q)) > 0) {
		rc = check_row(s, &q, at, err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int store_audit_verify(struct store *s, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT; /* rows and head of one moment; nothing is written */
	struct link at = {0}, head;
	int rc;

	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = read_head(s, &head, err);
	if (rc == 0)
		rc = verify_rows(s, &at, err);
	if (rc < 0)
		return rc;
	if (at.id < head.id)
		return err_set(err, ERR_CORRUPT, "audit log: rows %lld to %lld are missing at its end",
			       (long long)at.id + 1, (long long)head.id);
	if (at.id != head.id || memcmp(at.hash, head.hash, 32) != 0)
		return err_set(err, ERR_CORRUPT, "audit log: the head row was altered (rows end at %lld)",
			       (long long)at.id);
	return 0;
}
