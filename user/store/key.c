/* API keys: ids, hashes and hints. The text never gets here. */
#include "store/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* "key_" + 80 random bits as 16 characters. Names a key, opens nothing. */
static int make_id(char id[KEY_ID_MAX], struct err *err)
{
	static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char bytes[16];

	/* Up to 256 bytes come whole or not at all. */
	while (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		if (errno != EINTR)
			return err_errno(err, errno, "getrandom");
	memcpy(id, "key_", 4);
	for (size_t i = 0; i < sizeof(bytes); i++)
		id[4 + i] = base32[bytes[i] & 31];
	id[4 + sizeof(bytes)] = '\0';
	return 0;
}

static void read_key(struct query *q, struct api_key *k)
{
	memset(k, 0, sizeof(*k));
	query_column_text(q, 0, k->id, sizeof(k->id));
	query_column_text(q, 1, k->tenant_id, sizeof(k->tenant_id));
	query_column_text(q, 2, k->name, sizeof(k->name));
	query_column_text(q, 3, k->hint, sizeof(k->hint));
	if (sqlite3_column_bytes(q->stmt, 4) == KEY_HASH_LEN) /* the schema's CHECK says so */
		memcpy(k->hash, sqlite3_column_blob(q->stmt, 4), KEY_HASH_LEN);
	k->status = sqlite3_column_int(q->stmt, 5) ? KEY_DISABLED : KEY_ACTIVE;
	k->subject = (uint32_t)sqlite3_column_int64(q->stmt, 6);
	k->incarnation = (uint32_t)sqlite3_column_int64(q->stmt, 7);
	k->created_ms = sqlite3_column_int64(q->stmt, 8);
	k->expires_ms = sqlite3_column_int64(q->stmt, 9);
}

static int insert_key(struct store *s, const struct api_key *k, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_KEY_INSERT, err);
	int rc;

	query_text(&q, k->id);
	query_text(&q, k->tenant_id);
	query_text(&q, k->name);
	query_text(&q, k->hint);
	query_blob(&q, k->hash, KEY_HASH_LEN);
	query_int(&q, k->subject);
	query_int(&q, k->created_ms);
	query_int(&q, k->expires_ms);
	rc = query_run(&q);
	if (rc == ERR_EXISTS)
		return err_set(err, ERR_EXISTS, "a key with this id or hash is there already");
	return rc;
}

static int fill_key(struct api_key *k, const struct store_key_new *in, struct err *err)
{
	int rc;

	rc = name_check("key name", in->name, sizeof(k->name), err);
	if (rc == 0)
		rc = name_check("key hint", in->hint, sizeof(k->hint), err);
	if (rc == 0 && in->expires_ms < 0)
		rc = err_set(err, ERR_INVAL, "expiry is negative; milliseconds of Unix time or 0 for never are right");
	if (rc == 0)
		rc = make_id(k->id, err);
	if (rc < 0)
		return rc;
	snprintf(k->tenant_id, sizeof(k->tenant_id), "%s", in->tenant_id);
	snprintf(k->name, sizeof(k->name), "%s", in->name);
	snprintf(k->hint, sizeof(k->hint), "%s", in->hint);
	memcpy(k->hash, in->hash, KEY_HASH_LEN);
	k->expires_ms = in->expires_ms;
	k->created_ms = clock_wall_ms();
	return 0;
}

int store_key_create(struct store *s, const char *actor, const struct store_key_new *in, struct api_key *ret,
		     struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	struct api_key k = {.status = KEY_ACTIVE};
	struct tenant owner;
	int rc;

	rc = fill_key(&k, in, err);
	if (rc == 0)
		rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = store_tenant_get(s, in->tenant_id, &owner, err);
	if (rc == 0)
		rc = slot_take(s, &k.subject, &k.incarnation, err);
	if (rc == 0)
		rc = insert_key(s, &k, err);
	if (rc == 0)
		rc = audit_add(s, actor, "key.create", k.id, err, "tenant=%s hint=%s slot=%u.%u name=%s", k.tenant_id,
			       k.hint, k.subject, k.incarnation, k.name);
	if (rc == 0)
		rc = txn_commit(&txn, err);
	if (rc == 0)
		*ret = k;
	return rc;
}

static int no_key(const char *id, struct err *err)
{
	/* Somebody may have typed a key's text where its id belongs: never echo that. */
	if (strncmp(id, "key_", 4) != 0)
		return err_set(err, ERR_NOT_FOUND, "no such key: a key's id starts with key_ (see the list of keys)");
	return err_set(err, ERR_NOT_FOUND, "no key '%.39s'", id);
}

int store_key_get(struct store *s, const char *id, struct api_key *ret, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_KEY_GET, err);
	int rc;

	query_text(&q, id);
	rc = query_row(&q);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return no_key(id, err);
	read_key(&q, ret);
	return 0;
}

static int update_status(struct store *s, const char *id, enum key_status status, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_KEY_STATUS, err);
	int rc;

	query_text(&q, id);
	query_int(&q, status == KEY_DISABLED);
	rc = query_run(&q);
	if (rc == 0 && !query_changes(&q))
		return no_key(id, err);
	return rc;
}

int store_key_set_status(struct store *s, const char *actor, const char *id, enum key_status status, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	int rc;

	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = update_status(s, id, status, err);
	if (rc == 0)
		rc = audit_add(s, actor, status == KEY_DISABLED ? "key.disable" : "key.enable", id, err, "%s", "");
	return rc < 0 ? rc : txn_commit(&txn, err);
}

static int delete_key(struct store *s, const char *id, struct err *err)
{
	_cleanup_(query_done) struct query slot = query_begin(s, STORE_SQL_SLOT_FREE, err);
	_cleanup_(query_done) struct query key = query_begin(s, STORE_SQL_KEY_DELETE, err);
	int rc;

	query_text(&slot, id);
	rc = query_run(&slot);
	if (rc < 0)
		return rc;
	query_text(&key, id);
	rc = query_run(&key);
	if (rc == 0 && !query_changes(&key))
		return no_key(id, err);
	return rc;
}

int store_key_delete(struct store *s, const char *actor, const char *id, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	struct api_key k;
	int rc;

	rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = store_key_get(s, id, &k, err);
	if (rc == 0)
		rc = delete_key(s, id, err);
	if (rc == 0)
		rc = audit_add(s, actor, "key.delete", id, err, "tenant=%s hint=%s slot=%u.%u", k.tenant_id, k.hint,
			       k.subject, k.incarnation);
	return rc < 0 ? rc : txn_commit(&txn, err);
}

int store_key_each(struct store *s, const char *tenant_id, store_key_cb cb, void *arg, struct err *err)
{
	_cleanup_(query_done) struct query q =
		query_begin(s, tenant_id ? STORE_SQL_KEY_EACH_OF : STORE_SQL_KEY_EACH, err);
	int rc;

	if (tenant_id)
		query_text(&q, tenant_id);
	while ((rc = query_row(&q)) > 0) {
		struct api_key k;

		read_key(&q, &k);
		rc = cb(&k, arg);
		if (rc)
			return rc;
	}
	return rc;
}
