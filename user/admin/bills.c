/* Calls and what they cost: records, explanations, open holds, what recovery did. */
#include "admin/bill_json.h"

#include <string.h>

/* ---- usage records */

struct records {
	struct usage_record *rows; /* collected first: the callback may not ask the same store for rules */
	size_t n, room;
};

static int collect(const struct usage_record *r, void *arg)
{
	struct records *l = arg;

	if (l->n == l->room)
		return ERR_RANGE;
	l->rows[l->n++] = *r;
	return 0;
}

static json_t *records_json(struct admin_call *c, const struct records *l, const struct account_names *names)
{
	_cleanup_(rule_cache_done) struct rule_cache rules = {0};
	json_t *list = json_array();

	for (size_t i = 0; i < l->n; i++) {
		const struct account_name *a = account_names_find(names, l->rows[i].account_id);

		json_array_append_new(list, usage_json(&l->rows[i], a ? a->name : "",
						       rule_cache_get(&rules, c->books, l->rows[i].rule_id)));
	}
	return list;
}

/* tenant=: 0 when absent. */
static int wanted_account(struct admin_call *c, int64_t *ret, struct err *err)
{
	char tenant[TENANT_ID_MAX];
	struct account a;
	int rc;

	*ret = 0;
	if (!query_get(c, "tenant", tenant, sizeof(tenant)))
		return 0;
	rc = store_account_get(c->books, ACCOUNT_TENANT, tenant, &a, err);
	if (rc == ERR_NOT_FOUND)
		return err_set(err, rc, "there is no tenant '%s'", tenant);
	if (rc == 0)
		*ret = a.id;
	return rc;
}

void handle_usage_list(struct admin_call *c)
{
	_cleanup_(account_names_done) struct account_names names = {0};
	_cleanup_(freep) struct usage_record *rows = NULL;
	struct records l = {0};
	struct page page;
	int64_t account;
	struct err err;

	if (!query_page(c, &page))
		return;
	rows = calloc(page.limit, sizeof(*rows));
	if (!rows) {
		reply_error(c, 503, "no_memory", "out of memory");
		return;
	}
	l.rows = rows;
	l.room = page.limit;
	if (wanted_account(c, &account, &err) < 0 || account_names_load(c->books, &names, &err) < 0 ||
	    store_usage_page(c->books, account, page.before, page.limit, collect, &l, &err) < 0)
		reply_err(c, &err);
	else
		reply_page(c, "usage", records_json(c, &l, &names), &page, l.n ? rows[l.n - 1].id : 0);
}

/* ---- one charge, step by step */

static json_t *explanation_json(const struct books_explanation *e, const struct account_names *names,
				const char *currency)
{
	const struct price_rule *rule = e->have_rule ? &e->rule : NULL;
	json_t *transfers = json_array();
	struct price_steps steps;
	struct err ignored;
	/* Where nothing was charged there is nothing to compute; `why` says so. */
	bool computed =
		rule && e->record.source != USAGE_NONE && price_compute(rule, &e->record.usage, &steps, &ignored) == 0;

	for (size_t i = 0; i < e->n_transfers; i++)
		json_array_append_new(transfers, transfer_json(&e->transfers[i], names, e->record.account_id, NULL));
	return json_pack("{s:s,s:o,s:o,s:o,s:b,s:s,s:o}", "currency", currency, "record",
			 usage_json(&e->record, e->tenant, rule), "rule", rule ? rule_json(rule) : json_null(), "steps",
			 computed ? steps_json(&steps) : json_null(), "matches", e->matches, "why", e->why, "transfers",
			 transfers);
}

void handle_bill_explain(struct admin_call *c)
{
	_cleanup_(account_names_done) struct account_names names = {0};
	struct books_explanation *e;
	struct request_id id;
	char text[64];
	struct err err;

	if (!query_get(c, "request", text, sizeof(text)) || request_id_parse(text, strlen(text), &id) < 0) {
		reply_error(c, 400, "invalid", "request must be a call's x-request-id: req_ and 24 hex digits");
		return;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		reply_error(c, 503, "no_memory", "out of memory");
	else if (books_explain(c->books, &id, e, &err) < 0 || account_names_load(c->books, &names, &err) < 0)
		reply_err(c, &err);
	else
		reply_json(c, 200, explanation_json(e, &names, c->a->o.currency));
	free(e);
}

/* ---- holds and recoveries */

#define HOLDS_SHOWN 1000u

static json_t *hold_json(const struct ledger_hold_view *h, const struct account_names *names)
{
	const struct account_name *a = account_names_find(names, h->account_id);

	return json_pack("{s:o,s:s,s:s,s:o,s:I,s:I,s:b,s:b,s:b,s:I}", "request", request_json(&h->request_id), "tenant",
			 a ? a->name : "", "key", h->key_id, "amount", money_json(h->amount_nano), "admitted_ms",
			 (json_int_t)h->admitted_ms, "expires_ms", (json_int_t)h->expires_ms, "forwarded", h->forwarded,
			 "stream", h->stream, "reported", h->reported, "delivered_tokens",
			 (json_int_t)h->delivered_tokens);
}

void handle_bill_holds(struct admin_call *c)
{
	_cleanup_(account_names_done) struct account_names names = {0};
	_cleanup_(freep) struct ledger_hold_view *views = calloc(HOLDS_SHOWN, sizeof(*views));
	struct ledger_stats stats;
	json_t *list;
	struct err err;
	size_t n;

	if (!views) {
		reply_error(c, 503, "no_memory", "out of memory");
		return;
	}
	if (account_names_load(c->books, &names, &err) < 0) {
		reply_err(c, &err);
		return;
	}
	n = ledger_holds(c->a->o.ledger, views, HOLDS_SHOWN);
	ledger_stats(c->a->o.ledger, &stats);
	list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, hold_json(&views[i], &names));
	reply_json(c, 200, json_pack("{s:o,s:I}", "holds", list, "open", (json_int_t)stats.holds_open));
}

struct recoveries {
	const struct account_names *names;
	json_t *list;
	int64_t last_id;
};

static int add_recovery(const struct store_recovery *r, void *arg)
{
	struct recoveries *l = arg;
	const struct account_name *a = account_names_find(l->names, r->account_id);

	l->last_id = r->id;
	return json_array_append_new(l->list,
				     json_pack("{s:I,s:I,s:o,s:s,s:s,s:s,s:o,s:o}", "id", (json_int_t)r->id, "time_ms",
					       (json_int_t)r->time_ms, "request", request_json(&r->request_id),
					       "tenant", a ? a->name : "", "rule", r->rule, "text", r->text, "hold",
					       money_json(r->hold_nano), "price", money_json(r->price_nano))) < 0
		       ? ERR_NOMEM
		       : 0;
}

void handle_bill_recoveries(struct admin_call *c)
{
	_cleanup_(account_names_done) struct account_names names = {0};
	struct recoveries l = {.names = &names};
	struct page page;
	struct err err = {.code = ERR_NOMEM, .msg = "out of memory"};

	if (!query_page(c, &page))
		return;
	if (account_names_load(c->books, &names, &err) < 0) {
		reply_err(c, &err);
		return;
	}
	l.list = json_array();
	if (store_recovery_page(c->books, page.before, page.limit, add_recovery, &l, &err) < 0) {
		json_decref(l.list);
		reply_err(c, &err);
		return;
	}
	reply_page(c, "recoveries", l.list, &page, l.last_id);
}
