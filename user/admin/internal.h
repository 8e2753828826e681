/* What the control API's files share. */
#ifndef ADMIN_INTERNAL_H
#define ADMIN_INTERNAL_H

#include "admin/admin.h"
#include "admin/job.h"
#include "base/buf.h"

#include <jansson.h>
#include <stdatomic.h>

struct admin {
	struct admin_opts o;
	char token[65];
	int64_t confirm_by_ms, confirm_id; /* of the active policy; 0 = nothing to confirm */
	struct jobs *jobs;
	_Atomic int64_t reconciled_upto; /* last usage id that a reconciliation has looked at */
	_Atomic bool reconciling;
	_Atomic uint64_t discrepancies_open;
};

/* One request: on the control thread, or as a job on a lane's (then `x` is NULL, and the control thread's store, kernel
 * and ops are out of bounds). */
struct admin_call {
	struct admin *a;
	struct http_exchange *x;
	struct job *job;
	struct store *books; /* jobs only; NULL without billing */
	const char *actor;
	const char *query;
	const char *body;
	size_t body_len;
	char part[ADMIN_PART_MAX]; /* what stands for {id} or {list} in the path, decoded */
};

/* ---- position.c: jobs of the long lane only */
int64_t position_load(struct admin_call *c); /* 0: from the start */
void position_save(struct admin_call *c, int64_t usage_id);

/* ---- reply.c */
void reply_json(struct admin_call *c, int status, json_t *body); /* takes the reference; NULL = out of memory */
void reply_text(struct admin_call *c, int status, const char *type, struct buf *text);
void reply_error(struct admin_call *c, int status, const char *code, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* With the status that fits the code. */
void reply_err(struct admin_call *c, const struct err *err);
/* 400 with all errors of a policy. */
void reply_conf_errors(struct admin_call *c, const struct conf_errors *errs, int status);
json_t *conf_errors_json(const struct conf_errors *errs);

/* ---- query.c */
/* A query parameter, decoded; false = absent (or longer than the room: then it is as if absent, callers check forms).
 */
bool query_get(const struct admin_call *c, const char *name, char *ret, size_t size);
/* 0 when absent; ERR_INVAL. */
int query_number(const struct admin_call *c, const char *name, uint64_t *ret, struct err *err) MUST_CHECK;
bool percent_decode(const char *s, size_t len, char *ret, size_t size);
/* The body as a JSON object; NULL: answered. */
json_t *body_object(struct admin_call *c);
/* A string member of 1 to max bytes; NULL: answered. */
const char *body_string(struct admin_call *c, const json_t *o, const char *name, size_t max, bool required);

/* ---- handlers */
void handle_status(struct admin_call *c);
void handle_stats(struct admin_call *c);
void handle_metrics(struct admin_call *c);
void handle_health(struct admin_call *c);
void handle_ready(struct admin_call *c);
void handle_tenants_list(struct admin_call *c);
void handle_tenant_create(struct admin_call *c);
void handle_tenant_disable(struct admin_call *c);
void handle_tenant_enable(struct admin_call *c);
void handle_keys_list(struct admin_call *c);
void handle_key_create(struct admin_call *c);
void handle_key_disable(struct admin_call *c);
void handle_key_enable(struct admin_call *c);
void handle_key_delete(struct admin_call *c);
void handle_list_show(struct admin_call *c);
void handle_list_add(struct admin_call *c);
void handle_list_del(struct admin_call *c);
void handle_policy_check(struct admin_call *c);
void handle_policy_diff(struct admin_call *c);
void handle_policy_apply(struct admin_call *c);
void handle_policy_confirm(struct admin_call *c);
void handle_policy_rollback(struct admin_call *c);
void handle_policy_show(struct admin_call *c);
void handle_policy_versions(struct admin_call *c);
void handle_limits(struct admin_call *c);
void handle_explain(struct admin_call *c);
void handle_tenant_tier(struct admin_call *c);
void handle_accounts_list(struct admin_call *c);
void handle_account_show(struct admin_call *c);
void handle_account_deposit(struct admin_call *c);
void handle_account_adjust(struct admin_call *c);
void handle_account_refund(struct admin_call *c);
void handle_account_credit_line(struct admin_call *c);
void handle_account_transfers(struct admin_call *c);
void handle_usage_list(struct admin_call *c);
void handle_prices_list(struct admin_call *c);
void handle_prices_quote(struct admin_call *c);
void handle_bill_explain(struct admin_call *c);
void handle_bill_holds(struct admin_call *c);
void handle_bill_recoveries(struct admin_call *c);
void handle_bill_reconcile(struct admin_call *c);
void handle_discrepancies_list(struct admin_call *c);
void handle_discrepancy_close(struct admin_call *c);
void handle_settle(struct admin_call *c);
void handle_settlements_list(struct admin_call *c);
void handle_statement(struct admin_call *c);
void handle_invoice_put(struct admin_call *c);
void handle_invoice_show(struct admin_call *c);
void handle_backup(struct admin_call *c);
void handle_breakers_list(struct admin_call *c);
void handle_breaker_open(struct admin_call *c);
void handle_breaker_close(struct admin_call *c);
void handle_breaker_auto(struct admin_call *c);
void handle_events_list(struct admin_call *c);

/* ---- breakers.c */
/* Deployments that get no call just now, with why; null: can't be said. */
json_t *breakers_unwell_json(struct admin *a);

/* ---- reconcile.c */
/* What is open now, for admin_discrepancies_open(); the figure of before stays when the books can't say. */
void discrepancies_count(struct admin_call *c);

/* ---- prices.c */
bool tier_known(const struct admin *a, const char *tier);
void reply_unknown_tier(struct admin_call *c, const char *tier);

/* ---- limits.c */
json_t *dimensions_json(struct admin *a, uint32_t subject);

#endif
