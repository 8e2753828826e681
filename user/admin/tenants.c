/* Tenants and keys. Order of each change: the store, then what enforces; a failure of the second says so and is
 * repaired by the next start, which fits slots to the store. */
#include "admin/internal.h"

#include <string.h>

static json_t *tenant_json(const struct tenant *t)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:I,s:I}", "id", t->id, "name", t->name, "tier", t->tier, "status",
			 t->status == TENANT_ACTIVE ? "active" : "disabled", "subject", (json_int_t)t->subject,
			 "created_ms", (json_int_t)t->created_ms);
}

static json_t *key_json(const struct api_key *k)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I}", "id", k->id, "tenant", k->tenant_id, "name", k->name,
			 "hint", k->hint, "status", k->status == KEY_ACTIVE ? "active" : "disabled", "subject",
			 (json_int_t)k->subject, "created_ms", (json_int_t)k->created_ms, "expires_ms",
			 (json_int_t)k->expires_ms);
}

static int add_tenant(const struct tenant *t, void *arg)
{
	return json_array_append_new(arg, tenant_json(t)) < 0 ? ERR_NOMEM : 0;
}

static int add_key(const struct api_key *k, void *arg)
{
	return json_array_append_new(arg, key_json(k)) < 0 ? ERR_NOMEM : 0;
}

void handle_tenants_list(struct admin_call *c)
{
	json_t *list = json_array();
	struct err err = {.code = ERR_NOMEM, .msg = "out of memory"};

	if (store_tenant_each(c->a->o.store, add_tenant, list, &err) < 0) {
		json_decref(list);
		reply_err(c, &err);
		return;
	}
	reply_json(c, 200, json_pack("{s:o}", "tenants", list));
}

/* A new tenant is of the default tier for the store: another one is a second step. */
static int create_tenant(struct admin_call *c, const char *id, const char *name, const char *tier, struct tenant *ret,
			 struct err *err)
{
	struct store *s = c->a->o.store;
	int rc = store_tenant_create(s, c->actor, id, *name ? name : id, ret, err);

	if (rc == 0 && *tier && strcmp(tier, ret->tier) != 0) {
		rc = store_tenant_set_tier(s, c->actor, id, tier, err);
		if (rc == 0)
			rc = store_tenant_get(s, id, ret, err);
		if (rc < 0)
			err_prefix(err, "the tenant is made, but of tier %s", TENANT_TIER_DEFAULT);
	}
	return rc;
}

void handle_tenant_create(struct admin_call *c)
{
	json_t *o = body_object(c);
	const char *id, *name, *tier;
	struct tenant t;
	struct err err;

	if (!o)
		return;
	id = body_string(c, o, "id", TENANT_ID_MAX - 1, true);
	name = id ? body_string(c, o, "name", TENANT_NAME_MAX - 1, false) : NULL;
	tier = name ? body_string(c, o, "tier", TENANT_TIER_MAX - 1, false) : NULL;
	if (tier && *tier && !tier_known(c->a, tier)) {
		reply_unknown_tier(c, tier);
	} else if (tier) {
		if (create_tenant(c, id, name, tier, &t, &err) < 0 ||
		    c->a->o.ops.tenant_put(c->a->o.ops.arg, &t, &err) < 0)
			reply_err(c, &err);
		else
			reply_json(c, 201, tenant_json(&t));
	}
	json_decref(o);
}

void handle_tenant_tier(struct admin_call *c)
{
	json_t *o = body_object(c);
	const char *tier;
	struct tenant t;
	struct err err;

	if (!o)
		return;
	tier = body_string(c, o, "tier", TENANT_TIER_MAX - 1, true);
	if (tier && store_tenant_get(c->a->o.store, c->part, &t, &err) < 0) {
		reply_err(c, &err);
	} else if (tier && !tier_known(c->a, tier)) {
		reply_unknown_tier(c, tier);
	} else if (tier) {
		if (store_tenant_set_tier(c->a->o.store, c->actor, c->part, tier, &err) < 0 ||
		    store_tenant_get(c->a->o.store, c->part, &t, &err) < 0 ||
		    c->a->o.ops.tenant_put(c->a->o.ops.arg, &t, &err) < 0)
			reply_err(c, &err);
		else
			reply_json(c, 200, tenant_json(&t));
	}
	json_decref(o);
}

static void set_tenant(struct admin_call *c, enum tenant_status status)
{
	struct tenant t;
	struct err err;

	if (store_tenant_set_status(c->a->o.store, c->actor, c->part, status, &err) < 0 ||
	    store_tenant_get(c->a->o.store, c->part, &t, &err) < 0 ||
	    c->a->o.ops.tenant_put(c->a->o.ops.arg, &t, &err) < 0)
		reply_err(c, &err);
	else
		reply_json(c, 200, tenant_json(&t));
}

void handle_tenant_disable(struct admin_call *c)
{
	set_tenant(c, TENANT_DISABLED);
}

void handle_tenant_enable(struct admin_call *c)
{
	set_tenant(c, TENANT_ACTIVE);
}

void handle_keys_list(struct admin_call *c)
{
	char tenant[TENANT_ID_MAX];
	bool one = query_get(c, "tenant", tenant, sizeof(tenant));
	struct err err = {.code = ERR_NOMEM, .msg = "out of memory"};
	json_t *list = json_array();
	struct tenant t;
	int rc = one ? store_tenant_get(c->a->o.store, tenant, &t, &err) : 0;

	if (rc == 0)
		rc = store_key_each(c->a->o.store, one ? tenant : NULL, add_key, list, &err);
	if (rc < 0) {
		json_decref(list);
		reply_err(c, &err);
		return;
	}
	reply_json(c, 200, json_pack("{s:o}", "keys", list));
}

static void create_key(struct admin_call *c, const char *tenant, const char *name, int64_t expires_ms)
{
	char text[KEY_TEXT_MAX], hint[KEY_HINT_MAX];
	uint8_t hash[KEY_HASH_LEN];
	struct store_key_new n = {
		.tenant_id = tenant, .name = name, .hint = hint, .hash = hash, .expires_ms = expires_ms};
	struct api_key k;
	struct err err;
	json_t *o;

	if (crypto_key_make(text, &err) < 0 || crypto_key_hash(c->a->o.pepper, text, strlen(text), hash, &err) < 0) {
		reply_err(c, &err);
		return;
	}
	crypto_key_hint(text, strlen(text), hint);
	if (store_key_create(c->a->o.store, c->actor, &n, &k, &err) < 0 ||
	    c->a->o.ops.key_put(c->a->o.ops.arg, &k, &err) < 0) {
		reply_err(c, &err);
	} else {
		o = key_json(&k);
		json_object_set_new(o, "key", json_string(text)); /* M3 */
		reply_json(c, 201, o);
	}
	explicit_bzero(text, sizeof(text));
}

void handle_key_create(struct admin_call *c)
{
	json_t *o = body_object(c), *expires;
	const char *tenant, *name;

	if (!o)
		return;
	tenant = body_string(c, o, "tenant", TENANT_ID_MAX - 1, true);
	name = tenant ? body_string(c, o, "name", KEY_NAME_MAX - 1, false) : NULL;
	expires = json_object_get(o, "expires_ms");
	if (name && expires && (!json_is_integer(expires) || json_integer_value(expires) < 0))
		reply_error(c, 400, "invalid", "expires_ms must be a Unix time in milliseconds, 0 for never");
	else if (name)
		create_key(c, tenant, *name ? name : "unnamed", json_integer_value(expires));
	json_decref(o);
}

static void set_key(struct admin_call *c, enum key_status status)
{
	struct api_key k;
	struct err err;

	if (store_key_set_status(c->a->o.store, c->actor, c->part, status, &err) < 0 ||
	    store_key_get(c->a->o.store, c->part, &k, &err) < 0 || c->a->o.ops.key_put(c->a->o.ops.arg, &k, &err) < 0)
		reply_err(c, &err);
	else
		reply_json(c, 200, key_json(&k));
}

void handle_key_disable(struct admin_call *c)
{
	set_key(c, KEY_DISABLED);
}

void handle_key_enable(struct admin_call *c)
{
	set_key(c, KEY_ACTIVE);
}

void handle_key_delete(struct admin_call *c)
{
	struct api_key k;
	struct err err;

	/* Enforcement first: between the two steps the key is dead rather than alive and forgotten. */
	if (store_key_get(c->a->o.store, c->part, &k, &err) < 0 ||
	    c->a->o.ops.key_remove(c->a->o.ops.arg, &k, &err) < 0) {
		reply_err(c, &err);
		return;
	}
	if (store_key_delete(c->a->o.store, c->actor, c->part, &err) < 0) {
		struct err ignored;

		(void)!c->a->o.ops.key_put(c->a->o.ops.arg, &k, &ignored);
		reply_err(c, &err);
		return;
	}
	reply_json(c, 200, key_json(&k));
}
