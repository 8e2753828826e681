/* Breakers over a restart, and the events of providers. */
#include "store/internal.h"

#include <string.h>

/* ---- breakers */

static int put_breaker(struct query *q, const struct store_breaker *b)
{
	int rc = name_check("deployment", b->deployment, sizeof(b->deployment), q->err);

	if (rc < 0)
		return rc;
	query_again(q);
	query_text(q, b->deployment);
	query_int(q, b->state);
	query_int(q, b->force);
	query_int(q, b->openings);
	query_int(q, b->changed_ms);
	query_int(q, b->until_ms);
	return query_run(q);
}

static int put_breakers(struct store *s, const struct store_breaker *b, size_t n, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_BREAKER_PUT, err);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = put_breaker(&q, &b[i]);
	return rc;
}

int store_breaker_put(struct store *s, const struct store_breaker *b, size_t n, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	int rc;

	if (!n)
		return 0;
	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = put_breakers(s, b, n, err);
	return rc < 0 ? rc : txn_commit(&txn, err);
}

int store_breaker_force(struct store *s, const char *actor, const struct store_breaker *b, struct err *err)
{
	static const char *const forces[] = {"auto", "open", "close"}; /* enum breaker_force (guard/breaker.h) */
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	int rc;

	if (b->force >= ARRAY_SIZE(forces))
		return err_set(err, ERR_INVAL, "force %u; 0 to %zu are right", b->force, ARRAY_SIZE(forces) - 1);
	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = put_breakers(s, b, 1, err);
	/* The target may be cut: a deployment's name has room in the detail. */
	if (rc == 0)
		rc = audit_add(s, actor, "breaker.force", b->deployment, err, "force=%s deployment=%s",
			       forces[b->force], b->deployment);
	return rc < 0 ? rc : txn_commit(&txn, err);
}

int store_breaker_each(struct store *s, store_breaker_cb cb, void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_BREAKER_EACH, err);
	int rc;

	while ((rc = query_row(&q)) > 0) {
		struct store_breaker b = {
			.state = (unsigned)sqlite3_column_int64(q.stmt, 1),
			.force = (unsigned)sqlite3_column_int64(q.stmt, 2),
			.openings = (unsigned)sqlite3_column_int64(q.stmt, 3),
			.changed_ms = sqlite3_column_int64(q.stmt, 4),
			.until_ms = sqlite3_column_int64(q.stmt, 5),
		};

		query_column_text(&q, 0, b.deployment, sizeof(b.deployment));
		rc = cb(&b, arg);
		if (rc)
			return rc;
	}
	return rc;
}

/* ---- events */

static int put_events(struct store *s, const struct store_event *e, size_t n, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_EVENT_INSERT, err);

	for (size_t i = 0; i < n; i++) {
		int rc = name_check("kind of event", e[i].kind, sizeof(e[i].kind), err);

		if (rc < 0)
			return rc;
		query_again(&q);
		query_int(&q, e[i].time_ms);
		query_text(&q, e[i].kind);
		query_text(&q, e[i].subject);
		query_text(&q, e[i].detail);
		rc = query_run(&q);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Ids run without a gap: those further back than STORE_EVENTS_MAX from the newest go. */
static int prune_events(struct store *s, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_EVENT_PRUNE, err);

	query_int(&q, STORE_EVENTS_MAX);
	return query_run(&q);
}

int store_event_add(struct store *s, const struct store_event *e, size_t n, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	int rc;

	if (!n)
		return 0;
	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = put_events(s, e, n, err);
	if (rc == 0)
		rc = prune_events(s, err);
	return rc < 0 ? rc : txn_commit(&txn, err);
}

int store_event_each(struct store *s, int64_t before, unsigned limit, store_event_cb cb, void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_EVENT_EACH, err);
	int rc;

	query_int(&q, before > 0 ? before : INT64_MAX);
	query_int(&q, limit);
	while ((rc = query_row(&q)) > 0) {
		struct store_event e = {
			.id = sqlite3_column_int64(q.stmt, 0),
			.time_ms = sqlite3_column_int64(q.stmt, 1),
		};

		query_column_text(&q, 2, e.kind, sizeof(e.kind));
		query_column_text(&q, 3, e.subject, sizeof(e.subject));
		query_column_text(&q, 4, e.detail, sizeof(e.detail));
		rc = cb(&e, arg);
		if (rc)
			return rc;
	}
	return rc;
}
