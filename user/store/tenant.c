/* Tenants, and the slots that tenants and keys share. */
#include "store/internal.h"

#include "base/clock.h"
#include "tollgate/abi.h"

#include <stdio.h>
#include <string.h>

int slot_take(struct store *s, uint32_t *ret_slot, uint32_t *ret_incarnation, struct err *err)
{
	_cleanup_(query_done) struct query find = query_begin(s, STORE_SQL_SLOT_SMALLEST_FREE, err);
	_cleanup_(query_done) struct query take = query_begin(s, STORE_SQL_SLOT_TAKE, err);
	int64_t slot;
	int rc;

	rc = query_row(&find);
	if (rc < 0)
		return rc;
	slot = sqlite3_column_int64(find.stmt, 0);
	if (slot >= TG_SUBJECTS_MAX)
		return err_set(err, ERR_FULL,
			       "all %u places for tenants and keys are taken; delete keys no longer used",
			       TG_SUBJECTS_MAX - 1);
	query_int(&take, slot);
	rc = query_row(&take);
	if (rc < 0)
		return rc;
	*ret_incarnation = (uint32_t)sqlite3_column_int64(take.stmt, 0);
	*ret_slot = (uint32_t)slot;
	return query_run(&take); /* RETURNING: the statement has to run to its end */
}

static int check_id(const char *id, struct err *err)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t len = strlen(id);

	if (!len || len >= TENANT_ID_MAX || strspn(id, good) != len || id[0] == '_' || id[0] == '-')
		return err_set(err, ERR_INVAL,
			       "tenant id '%.80s' is not right: 1 to %d of a-z, 0-9, _ and -, first a letter or digit",
			       id, TENANT_ID_MAX - 1);
	return 0;
}

static void read_tenant(struct query *q, struct tenant *t)
{
	memset(t, 0, sizeof(*t));
	query_column_text(q, 0, t->id, sizeof(t->id));
	query_column_text(q, 1, t->name, sizeof(t->name));
	t->status = sqlite3_column_int(q->stmt, 2) ? TENANT_DISABLED : TENANT_ACTIVE;
	t->subject = (uint32_t)sqlite3_column_int64(q->stmt, 3);
	t->incarnation = (uint32_t)sqlite3_column_int64(q->stmt, 4);
	t->created_ms = sqlite3_column_int64(q->stmt, 5);
	query_column_text(q, 6, t->tier, sizeof(t->tier));
}

static int insert_tenant(struct store *s, const struct tenant *t, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_TENANT_INSERT, err);
	int rc;

	query_text(&q, t->id);
	query_text(&q, t->name);
	query_int(&q, t->subject);
	query_int(&q, t->created_ms);
	rc = query_run(&q);
	if (rc == ERR_EXISTS)
		return err_set(err, ERR_EXISTS, "tenant '%s' is there already", t->id);
	return rc;
}

int store_tenant_create(struct store *s, const char *actor, const char *id, const char *name, struct tenant *ret,
			struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	struct tenant t = {.status = TENANT_ACTIVE, .created_ms = clock_wall_ms(), .tier = TENANT_TIER_DEFAULT};
	int rc;

	rc = check_id(id, err);
	if (rc == 0)
		rc = name_check("tenant name", name, sizeof(t.name), err);
	if (rc < 0)
		return rc;
	snprintf(t.id, sizeof(t.id), "%s", id);
	snprintf(t.name, sizeof(t.name), "%s", name);
	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = slot_take(s, &t.subject, &t.incarnation, err);
	if (rc == 0)
		rc = insert_tenant(s, &t, err);
	if (rc == 0)
		rc = audit_add(s, actor, "tenant.create", id, err, "name=%s slot=%u.%u", name, t.subject,
			       t.incarnation);
	if (rc == 0)
		rc = txn_commit(&txn, err);
	if (rc == 0)
		*ret = t;
	return rc;
}

static int no_tenant(const char *id, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "no tenant '%.80s'", id);
}

int store_tenant_get(struct store *s, const char *id, struct tenant *ret, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_TENANT_GET, err);
	int rc;

	query_text(&q, id);
	rc = query_row(&q);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return no_tenant(id, err);
	read_tenant(&q, ret);
	return 0;
}

static int update_status(struct store *s, const char *id, enum tenant_status status, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_TENANT_STATUS, err);
	int rc;

	query_text(&q, id);
	query_int(&q, status == TENANT_DISABLED);
	rc = query_run(&q);
	if (rc == 0 && !query_changes(&q))
		return no_tenant(id, err);
	return rc;
}

int store_tenant_set_status(struct store *s, const char *actor, const char *id, enum tenant_status status,
			    struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	int rc;

	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = update_status(s, id, status, err);
	if (rc == 0)
		rc = audit_add(s, actor, status == TENANT_DISABLED ? "tenant.disable" : "tenant.enable", id, err, "%s",
			       "");
	return rc < 0 ? rc : txn_commit(&txn, err);
}

static int update_tier(struct store *s, const char *id, const char *tier, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_TENANT_TIER, err);
	int rc;

	query_text(&q, id);
	query_text(&q, tier);
	rc = query_run(&q);
	if (rc == 0 && !query_changes(&q))
		return no_tenant(id, err);
	return rc;
}

int store_tenant_set_tier(struct store *s, const char *actor, const char *id, const char *tier, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	int rc;

	rc = name_check("tier", tier, TENANT_TIER_MAX, err);
	if (rc == 0)
		rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = update_tier(s, id, tier, err);
	if (rc == 0)
		rc = audit_add(s, actor, "tenant.tier", id, err, "tier=%s", tier);
	return rc < 0 ? rc : txn_commit(&txn, err);
}

int store_tenant_each(struct store *s, store_tenant_cb cb, void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_TENANT_EACH, err);
	int rc;

	while ((rc = query_row(&q)) > 0) {
		struct tenant t;

		read_tenant(&q, &t);
		rc = cb(&t, arg);
		if (rc)
			return rc;
	}
	return rc;
}
