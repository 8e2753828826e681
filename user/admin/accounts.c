/* Prepaid accounts: balances, and what operators post. Balances are the ledger's own words in memory, so listing them
 * reads no books. */
#include "admin/bill_json.h"

#include <string.h>

/* ---- balances (control thread) */

static json_t *balance_json(const struct admin_call *c, const struct tenant *t)
{
	const struct ledger_account *account = ledger_account_at(c->a->o.ledger, t->subject);
	struct ledger_balance b = {0};

	if (account)
		ledger_account_balance(account, &b);
	return json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:I}", "tenant", t->id, "status",
			 t->status == TENANT_ACTIVE ? "active" : "disabled", "tier", t->tier, "currency",
			 c->a->o.currency, "balance", money_json(b.balance_nano), "held", money_json(b.held_nano),
			 "available", money_json(b.available_nano), "credit_line", money_json(b.credit_line_nano),
			 "holds", (json_int_t)b.holds);
}

struct listing {
	const struct admin_call *c;
	json_t *list;
};

static int add_balance(const struct tenant *t, void *arg)
{
	struct listing *l = arg;

	return json_array_append_new(l->list, balance_json(l->c, t)) < 0 ? ERR_NOMEM : 0;
}

void handle_accounts_list(struct admin_call *c)
{
	struct listing l = {.c = c, .list = json_array()};
	struct err err = {.code = ERR_NOMEM, .msg = "out of memory"};

	if (store_tenant_each(c->a->o.store, add_balance, &l, &err) < 0) {
		json_decref(l.list);
		reply_err(c, &err);
		return;
	}
	reply_json(c, 200, json_pack("{s:o}", "accounts", l.list));
}

void handle_account_show(struct admin_call *c)
{
	struct tenant t;
	struct err err;

	if (store_tenant_get(c->a->o.store, c->part, &t, &err) < 0)
		reply_err(c, &err);
	else
		reply_json(c, 200, balance_json(c, &t));
}

/* ---- posting (jobs) */

static int find_account(struct admin_call *c, struct account *ret, struct err *err)
{
	int rc = store_account_get(c->books, ACCOUNT_TENANT, c->part, ret, err);

	if (rc == ERR_NOT_FOUND)
		return err_set(err, rc, "there is no tenant '%s'", c->part);
	return rc;
}

/* {transfer, balance}; 201, or 200 when its ref had been posted before. */
static void reply_posted(struct admin_call *c, const struct transfer *t, const struct request_id *request, bool again)
{
	_cleanup_(account_names_done) struct account_names names = {0};
	struct account account;
	struct err err;
	json_t *o;

	/* It is posted: whatever fails now, it has to be said. */
	if (account_names_load(c->books, &names, &err) < 0 || find_account(c, &account, &err) < 0) {
		reply_json(c, again ? 200 : 201,
			   json_pack("{s:{s:I,s:o}}", "transfer", "id", (json_int_t)t->id, "amount",
				     money_json(t->amount_nano)));
		return;
	}
	o = json_pack("{s:o,s:o,s:s,s:b}", "transfer", transfer_json(t, &names, account.id, request), "balance",
		      money_json(account.balance_nano), "currency", c->a->o.currency, "repeated", again);
	reply_json(c, again ? 200 : 201, o);
}

static void post(struct admin_call *c, struct ledger_posting *p)
{
	struct account account;
	struct transfer t;
	struct err err;
	bool again = false;

	if (find_account(c, &account, &err) < 0) {
		reply_err(c, &err);
		return;
	}
	p->tenant_id = c->part;
	p->actor = c->actor;
	p->repeated = &again;
	if (ledger_post(c->a->o.ledger, p, &t, &err) < 0)
		reply_err(c, &err);
	else
		reply_posted(c, &t, p->request, again);
}

/* ref and note of a body; "" is as if absent. false: answered. */
static bool take_texts(struct admin_call *c, const json_t *o, struct ledger_posting *p, bool note_required)
{
	const char *ref = body_string(c, o, "ref", sizeof(((struct transfer *)NULL)->ref) - 1, false);
	const char *note =
		ref ? body_string(c, o, "note", sizeof(((struct transfer *)NULL)->note) - 1, note_required) : NULL;

	if (!note)
		return false;
	p->ref = *ref ? ref : NULL;
	p->note = *note ? note : NULL;
	return true;
}

static bool right_currency(struct admin_call *c, const json_t *o)
{
	const char *given = body_string(c, o, "currency", 16, false);

	if (!given)
		return false;
	if (!*given || !strcmp(given, c->a->o.currency))
		return true;
	reply_error(c, 400, "invalid", "currency: these books are in %s; '%s' can't be posted to them",
		    c->a->o.currency, given);
	return false;
}

void handle_account_deposit(struct admin_call *c)
{
	struct ledger_posting p = {.kind = TRANSFER_DEPOSIT};
	json_t *o = body_object(c);

	if (!o)
		return;
	if (body_amount(c, o, "amount", AMOUNT_POSITIVE, true, &p.amount_nano) && right_currency(c, o) &&
	    take_texts(c, o, &p, false))
		post(c, &p);
	json_decref(o);
}

void handle_account_adjust(struct admin_call *c)
{
	struct ledger_posting p = {.kind = TRANSFER_ADJUSTMENT};
	json_t *o = body_object(c);

	if (!o)
		return;
	if (body_amount(c, o, "amount", AMOUNT_SIGNED, true, &p.amount_nano) && right_currency(c, o) &&
	    take_texts(c, o, &p, true))
		post(c, &p);
	json_decref(o);
}

/* The call must be this tenant's: a wrong paste must not pay somebody else. */
static int check_call(struct admin_call *c, const struct request_id *id, struct err *err)
{
	struct usage_record r;
	struct account account;
	int rc = find_account(c, &account, err);

	if (rc == 0)
		rc = store_usage_get(c->books, id, &r, err);
	if (rc == 0 && r.account_id != account.id)
		rc = err_set(err, ERR_NOT_FOUND, "that call is not one of tenant '%s'", c->part);
	return rc;
}

void handle_account_refund(struct admin_call *c)
{
	struct ledger_posting p = {.kind = TRANSFER_REFUND};
	json_t *o = body_object(c);
	struct request_id id;
	const char *text;
	struct err err;

	if (!o)
		return;
	text = body_string(c, o, "request", 64, true);
	if (text && request_id_parse(text, strlen(text), &id) < 0)
		reply_error(c, 400, "invalid", "request must be a call's x-request-id: req_ and 24 hex digits");
	else if (text && body_amount(c, o, "amount", AMOUNT_POSITIVE, false, &p.amount_nano) &&
		 take_texts(c, o, &p, false)) {
		p.request = &id;
		if (check_call(c, &id, &err) < 0)
			reply_err(c, &err);
		else
			post(c, &p);
	}
	json_decref(o);
}

void handle_account_credit_line(struct admin_call *c)
{
	json_t *o = body_object(c);
	struct account account;
	int64_t nano;
	struct err err;

	if (!o)
		return;
	if (body_amount(c, o, "amount", AMOUNT_NOT_NEGATIVE, true, &nano)) {
		if (find_account(c, &account, &err) < 0 ||
		    ledger_set_credit_line(c->a->o.ledger, c->actor, c->part, nano, &err) < 0)
			reply_err(c, &err);
		else
			reply_json(c, 200,
				   json_pack("{s:s,s:o,s:o,s:s}", "tenant", c->part, "credit_line", money_json(nano),
					     "balance", money_json(account.balance_nano), "currency",
					     c->a->o.currency));
	}
	json_decref(o);
}

/* ---- what was posted */

struct transfers {
	struct admin_call *c;
	const struct account_names *names;
	int64_t account, last_id;
	json_t *list;
	/* Collected first: the callback may not ask the same store for the calls. */
	struct transfer *rows;
	size_t n, room;
};

static int collect(const struct transfer *t, void *arg)
{
	struct transfers *l = arg;

	if (l->n == l->room)
		return ERR_RANGE;
	l->rows[l->n++] = *t;
	return 0;
}

static int take_request(const struct usage_record *r, void *arg)
{
	*(struct request_id *)arg = r->request_id;
	return 1;
}

static void add_transfer(struct transfers *l, const struct transfer *t)
{
	struct request_id request;
	struct err err;
	bool of_call = t->usage_id &&
		       store_usage_each(l->c->books, t->usage_id - 1, t->usage_id, take_request, &request, &err) == 1;

	json_array_append_new(l->list, transfer_json(t, l->names, l->account, of_call ? &request : NULL));
	l->last_id = t->id;
}

void handle_account_transfers(struct admin_call *c)
{
	_cleanup_(account_names_done) struct account_names names = {0};
	_cleanup_(freep) struct transfer *rows = NULL;
	struct transfers l = {.c = c, .names = &names};
	struct account account;
	struct page page;
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
	if (find_account(c, &account, &err) < 0 || account_names_load(c->books, &names, &err) < 0 ||
	    store_transfer_page(c->books, account.id, page.before, page.limit, collect, &l, &err) < 0) {
		reply_err(c, &err);
		return;
	}
	l.account = account.id;
	l.list = json_array();
	for (size_t i = 0; i < l.n; i++)
		add_transfer(&l, &rows[i]);
	reply_page(c, "transfers", l.list, &page, l.last_id);
}
