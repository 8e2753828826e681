/* Policy versions: check, diff, apply, confirm, roll back.
 *
 * The store comes first, so that no policy is ever in force without a record of who wanted it; when it can't be put in
 * force, the version before becomes the active one again, as a version of its own. */
#include "admin/internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

static void errors_done(struct conf_errors *e)
{
	conf_errors_done(e);
}

static void policyp(struct policy **p)
{
	policy_free(*p);
}

/* NULL: answered. */
static struct policy *parse_body(struct admin_call *c, int bad_status)
{
	_cleanup_(errors_done) struct conf_errors errs = {0};
	struct policy *p = NULL;

	if (policy_parse(c->body, c->body_len, &p, &errs) < 0) {
		reply_conf_errors(c, &errs, bad_status);
		return NULL;
	}
	return p;
}

void handle_policy_check(struct admin_call *c)
{
	struct policy *p = parse_body(c, 200); /* the check itself went well */

	if (!p)
		return;
	policy_free(p);
	reply_json(c, 200, json_pack("{s:b,s:[]}", "ok", 1, "errors"));
}

void handle_policy_diff(struct admin_call *c)
{
	_cleanup_(policyp) struct policy *p = parse_body(c, 400);
	_cleanup_(buf_done) struct buf b = BUF_INIT;

	if (!p)
		return;
	if (policy_diff(c->a->o.ops.policy_current(c->a->o.ops.arg), p, &b) < 0) {
		reply_error(c, 503, "no_memory", "out of memory");
		return;
	}
	reply_json(c, 200, json_pack("{s:b,s:s}", "ok", 1, "diff", b.data ? b.data : ""));
}

/* ---- apply */

static void remember(struct admin *a, const struct store_policy *p)
{
	a->confirm_id = p->confirm_by_ms ? p->id : 0;
	a->confirm_by_ms = p->confirm_by_ms;
}

/* The text of the version before goes back into the store. */
static void undo(struct admin *a, int64_t failed_id, const char *old_text)
{
	struct store_policy p;
	char comment[120];
	struct err err;

	snprintf(comment, sizeof(comment), "version %lld could not be put in force", (long long)failed_id);
	if (!old_text ||
	    store_policy_add_active(a->o.store, "tollgated", comment, old_text, strlen(old_text), 0, &p, &err) < 0)
		log_error(NULL, "policy version %lld is stored as active but not in force: %s", (long long)failed_id,
			  old_text ? err.msg : "there is none before it");
	else
		remember(a, &p);
}

int admin_policy_apply(struct admin *a, const struct admin_apply *how, const char *text, size_t len,
		       struct store_policy *ret, uint32_t *ret_generation, struct conf_errors *errs, struct err *err)
{
	_cleanup_(policyp) struct policy *p = NULL;
	_cleanup_(freep) char *old_text = NULL;
	struct store_policy old, now;
	struct err ignored;
	int rc;

	rc = policy_parse(text, len, &p, errs);
	if (rc < 0)
		return err_set(err, rc, "the policy has errors");
	if (store_policy_get(a->o.store, 0, &old, &old_text, &ignored) < 0)
		old_text = NULL;
	rc = store_policy_add_active(a->o.store, how->actor, how->comment, text, len, how->confirm_by_ms, &now, err);
	if (rc < 0)
		return rc;
	p->version_id = now.id;
	rc = a->o.ops.policy_apply(a->o.ops.arg, p, ret_generation, err);
	if (rc < 0) {
		undo(a, now.id, old_text);
		return rc;
	}
	(void)take_ptr(&p); /* the gateway's now */
	remember(a, &now);
	*ret = now;
	return 0;
}

static void reply_applied(struct admin_call *c, const struct store_policy *p, uint32_t generation)
{
	reply_json(c, 200,
		   json_pack("{s:I,s:I,s:I}", "id", (json_int_t)p->id, "generation", (json_int_t)generation,
			     "confirm_by_ms", (json_int_t)p->confirm_by_ms));
}

void handle_policy_apply(struct admin_call *c)
{
	_cleanup_(errors_done) struct conf_errors errs = {0};
	char comment[160] = "";
	struct admin_apply how = {.actor = c->actor, .comment = comment};
	struct store_policy p;
	uint64_t confirm_ms;
	uint32_t generation;
	struct err err;

	if (query_number(c, "confirm_ms", &confirm_ms, &err) < 0) {
		reply_err(c, &err);
		return;
	}
	if (confirm_ms > 86400000) {
		reply_error(c, 400, "invalid", "confirm_ms is at most 86400000 (a day)");
		return;
	}
	if (confirm_ms)
		how.confirm_by_ms = clock_wall_ms() + (int64_t)confirm_ms;
	query_get(c, "comment", comment, sizeof(comment));
	if (admin_policy_apply(c->a, &how, c->body, c->body_len, &p, &generation, &errs, &err) == 0)
		reply_applied(c, &p, generation);
	else if (errs.count)
		reply_conf_errors(c, &errs, 400);
	else
		reply_err(c, &err);
}

/* ---- confirm, roll back */

void handle_policy_confirm(struct admin_call *c)
{
	struct store_policy p;
	char *text = NULL;
	uint64_t id;
	struct err err;
	int rc = query_number(c, "id", &id, &err);

	if (rc == 0)
		rc = store_policy_get(c->a->o.store, 0, &p, &text, &err);
	free(text);
	if (rc == 0 && id && (int64_t)id != p.id)
		rc = err_set(&err, ERR_NOT_FOUND, "version %llu is not the active one (%lld is)",
			     (unsigned long long)id, (long long)p.id);
	if (rc == 0)
		rc = store_policy_confirm(c->a->o.store, c->actor, p.id, &err);
	if (rc < 0) {
		reply_err(c, &err);
		return;
	}
	c->a->confirm_id = 0;
	c->a->confirm_by_ms = 0;
	reply_json(c, 200, json_pack("{s:I,s:I}", "id", (json_int_t)p.id, "confirm_by_ms", (json_int_t)0));
}

struct before {
	int64_t active, found;
};

static int find_before(const struct store_policy *p, void *arg)
{
	struct before *b = arg;

	if (p->active)
		b->active = p->id;
	else if (b->active && p->id < b->active && !b->found)
		b->found = p->id;
	return 0;
}

int admin_policy_rollback(struct admin *a, const char *actor, const char *comment, int64_t id, struct store_policy *ret,
			  uint32_t *ret_generation, struct err *err)
{
	_cleanup_(errors_done) struct conf_errors errs = {0};
	_cleanup_(freep) char *text = NULL;
	struct before b = {0};
	struct store_policy p;
	char said[120];
	struct admin_apply how = {.actor = actor, .comment = comment};
	int rc = 0;

	if (!id) {
		rc = store_policy_each(a->o.store, find_before, &b, err);
		if (rc == 0 && !b.found)
			rc = err_set(err, ERR_NOT_FOUND, "there is no version before the active one");
		id = b.found;
	}
	if (rc == 0)
		rc = store_policy_get(a->o.store, id, &p, &text, err);
	if (rc < 0)
		return rc;
	if (!comment || !*comment) {
		snprintf(said, sizeof(said), "rolled back to version %lld", (long long)id);
		how.comment = said;
	}
	return admin_policy_apply(a, &how, text, strlen(text), ret, ret_generation, &errs, err);
}

void handle_policy_rollback(struct admin_call *c)
{
	struct store_policy p;
	uint32_t generation;
	uint64_t id;
	struct err err;

	if (query_number(c, "id", &id, &err) < 0 ||
	    admin_policy_rollback(c->a, c->actor, NULL, (int64_t)id, &p, &generation, &err) < 0)
		reply_err(c, &err);
	else
		reply_applied(c, &p, generation);
}

int admin_policy_tick(struct admin *a, int64_t now_ms, struct err *err)
{
	struct store_policy p;
	uint32_t generation;
	char comment[120];
	int rc;

	if (!a->confirm_id || now_ms < a->confirm_by_ms)
		return 0;
	snprintf(comment, sizeof(comment), "version %lld was not confirmed in time", (long long)a->confirm_id);
	rc = admin_policy_rollback(a, "tollgated", comment, 0, &p, &generation, err);
	if (rc < 0) {
		a->confirm_by_ms = now_ms + 1000; /* try again */
		return rc;
	}
	return 1;
}

int admin_policy_restore(struct admin *a, struct conf_errors *errs, struct err *err)
{
	_cleanup_(policyp) struct policy *p = NULL;
	_cleanup_(freep) char *text = NULL;
	struct store_policy active;
	uint32_t generation;
	int rc = store_policy_get(a->o.store, 0, &active, &text, err);

	if (rc < 0)
		return rc == ERR_NOT_FOUND ? 0 : rc;
	rc = policy_parse(text, strlen(text), &p, errs);
	if (rc < 0)
		return err_set(err, rc, "the store's active policy (version %lld) has errors", (long long)active.id);
	p->version_id = active.id;
	rc = a->o.ops.policy_apply(a->o.ops.arg, p, &generation, err);
	if (rc < 0)
		return rc;
	(void)take_ptr(&p);
	remember(a, &active);
	return 1;
}

/* ---- showing */

void handle_policy_show(struct admin_call *c)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT;
	struct store_policy p;
	char *text = NULL;
	uint64_t id;
	struct err err;

	if (query_number(c, "id", &id, &err) < 0 || store_policy_get(c->a->o.store, (int64_t)id, &p, &text, &err) < 0) {
		reply_err(c, &err);
		return;
	}
	buf_puts(&b, text);
	free(text);
	reply_text(c, 200, "text/yaml; charset=utf-8", &b);
}

static int add_version(const struct store_policy *p, void *arg)
{
	return json_array_append_new(arg,
				     json_pack("{s:I,s:I,s:I,s:b,s:s,s:s}", "id", (json_int_t)p->id, "created_ms",
					       (json_int_t)p->created_ms, "confirm_by_ms", (json_int_t)p->confirm_by_ms,
					       "active", p->active, "actor", p->actor, "comment", p->comment)) < 0
		       ? ERR_NOMEM
		       : 0;
}

void handle_policy_versions(struct admin_call *c)
{
	struct err err = {.code = ERR_NOMEM, .msg = "out of memory"};
	json_t *list = json_array();

	if (store_policy_each(c->a->o.store, add_version, list, &err) < 0) {
		json_decref(list);
		reply_err(c, &err);
		return;
	}
	reply_json(c, 200, json_pack("{s:o}", "versions", list));
}
