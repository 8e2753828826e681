/* Policy versions: the text as given; one is active. */
#include "store/internal.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

static void read_policy(struct query *q, struct store_policy *p)
{
	memset(p, 0, sizeof(*p));
	p->id = sqlite3_column_int64(q->stmt, 0);
	p->created_ms = sqlite3_column_int64(q->stmt, 1);
	p->confirm_by_ms = sqlite3_column_int64(q->stmt, 2);
	p->active = sqlite3_column_int(q->stmt, 3) != 0;
	query_column_text(q, 4, p->actor, sizeof(p->actor));
	query_column_text(q, 5, p->comment, sizeof(p->comment));
}

static int deactivate(struct store *s, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_POLICY_DEACTIVATE, err);

	return query_run(&q);
}

static int insert_policy(struct store *s, struct store_policy *p, const char *text, size_t len, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_POLICY_INSERT, err);
	int rc;

	query_int(&q, p->created_ms);
	query_int(&q, p->confirm_by_ms);
	query_text(&q, p->actor);
	query_text(&q, p->comment);
	query_bytes_as_text(&q, text, len);
	rc = query_run(&q);
	if (rc == 0)
		p->id = sqlite3_last_insert_rowid(s->db);
	return rc;
}

int store_policy_add_active(struct store *s, const char *actor, const char *comment, const char *text, size_t len,
			    int64_t confirm_by_ms, struct store_policy *ret, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	struct store_policy p = {.created_ms = clock_wall_ms(), .confirm_by_ms = confirm_by_ms, .active = true};
	char target[32];
	int rc;

	if (confirm_by_ms < 0)
		return err_set(err, ERR_INVAL, "the time to confirm by is negative");
	if (comment && *comment) {
		rc = name_check("comment", comment, sizeof(p.comment), err);
		if (rc < 0)
			return rc;
		snprintf(p.comment, sizeof(p.comment), "%s", comment);
	}
	snprintf(p.actor, sizeof(p.actor), "%s", actor && *actor ? actor : "unknown");
	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = deactivate(s, err);
	if (rc == 0)
		rc = insert_policy(s, &p, text, len, err);
	snprintf(target, sizeof(target), "%lld", (long long)p.id);
	if (rc == 0)
		rc = audit_add(s, actor, "policy.apply", target, err, "bytes=%zu confirm_by_ms=%lld comment=%s", len,
			       (long long)confirm_by_ms, p.comment);
	if (rc == 0)
		rc = txn_commit(&txn, err);
	if (rc == 0)
		*ret = p;
	return rc;
}

static int no_policy(int64_t id, struct err *err)
{
	if (id)
		return err_set(err, ERR_NOT_FOUND, "no policy version %lld", (long long)id);
	return err_set(err, ERR_NOT_FOUND, "no policy was applied yet");
}

int store_policy_get(struct store *s, int64_t id, struct store_policy *ret, char **ret_text, struct err *err)
{
	_cleanup_(query_done) struct query q =
		query_begin(s, id ? STORE_SQL_POLICY_GET : STORE_SQL_POLICY_GET_ACTIVE, err);
	_cleanup_(freep) char *copy = NULL;
	const void *text;
	size_t len;
	int rc;

	if (id)
		query_int(&q, id);
	rc = query_row(&q);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return no_policy(id, err);
	text = sqlite3_column_text(q.stmt, 6);
	len = (size_t)sqlite3_column_bytes(q.stmt, 6);
	copy = malloc(len + 1);
	if (!copy || (!text && len))
		return err_set(err, ERR_NOMEM, "out of memory for a policy of %zu bytes", len);
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	read_policy(&q, ret);
	*ret_text = take_ptr(&copy);
	return 0;
}

static int read_active(struct store *s, struct store_policy *ret, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_POLICY_GET_ACTIVE, err);
	int rc = query_row(&q);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return no_policy(0, err);
	read_policy(&q, ret);
	return 0;
}

static int clear_deadline(struct store *s, int64_t id, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_POLICY_CONFIRM, err);

	query_int(&q, id);
	return query_run(&q);
}

int store_policy_confirm(struct store *s, const char *actor, int64_t id, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	struct store_policy active;
	char target[32];
	int rc;

	snprintf(target, sizeof(target), "%lld", (long long)id);
	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = read_active(s, &active, err);
	if (rc < 0)
		return rc;
	if (active.id != id)
		return err_set(err, ERR_INVAL,
			       "policy version %lld is not the active one (%lld is); it may have been "
			       "rolled back",
			       (long long)id, (long long)active.id);
	if (!active.confirm_by_ms)
		return 0; /* confirmed before */
	rc = clear_deadline(s, id, err);
	if (rc == 0)
		rc = audit_add(s, actor, "policy.confirm", target, err, "%s", "");
	return rc < 0 ? rc : txn_commit(&txn, err);
}

int store_policy_each(struct store *s, store_policy_cb cb, void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_POLICY_EACH, err);
	int rc;

	while ((rc = query_row(&q)) > 0) {
		struct store_policy p;

		read_policy(&q, &p);
		rc = cb(&p, arg);
		if (rc)
			return rc;
	}
	return rc;
}
