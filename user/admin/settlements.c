/* Settling a period, its statements, and the invoices of providers that our records are compared with. */
#include "admin/bill_json.h"

#include "base/clock.h"

#include <string.h>

static json_t *settlement_json(const struct store_settlement *p)
{
	static const char digits[] = "0123456789abcdef";
	char hash[65] = "";

	for (unsigned i = 0; i < 32; i++) {
		hash[2 * i] = digits[p->hash[i] >> 4];
		hash[2 * i + 1] = digits[p->hash[i] & 15];
	}
	return json_pack("{s:s,s:I,s:I,s:I,s:s,s:s,s:I,s:o,s:o,s:o,s:o,s:s}", "period", p->period, "from_ms",
			 (json_int_t)p->from_ms, "to_ms", (json_int_t)p->to_ms, "settled_ms", (json_int_t)p->settled_ms,
			 "currency", p->currency, "actor", p->actor, "calls", (json_int_t)p->calls, "cost",
			 money_json(p->cost_nano), "price", money_json(p->price_nano), "refunds",
			 money_json(p->refunds_nano), "sla", money_json(p->sla_nano), "hash", hash);
}

/* ---- settling */

static int put(struct store *s, void *arg, struct err *err)
{
	return books_settle_put(s, arg, err);
}

/* Made here, beside the ledger thread: that one only stores it, so that calls don't wait for the sums of large books.
 * When a batch came in between, it is made once more. */
static int settle(struct admin_call *c, const char *period, int64_t now_ms, struct books_settlement *ret,
		  struct err *err)
{
	int rc = ERR_BUSY;

	for (unsigned tries = 0; rc == ERR_BUSY && tries < 2; tries++) {
		books_settlement_done(ret);
		rc = books_settle_make(c->books, c->actor, period, now_ms, ret, err);
		if (rc == 0)
			rc = ledger_run(c->a->o.ledger, put, ret, err);
	}
	return rc;
}

/* Too early is no mistake in the request: it says when it can be. */
static bool is_over(struct admin_call *c, const char *period, int64_t to_ms, int64_t now_ms)
{
	char when[25];

	if (to_ms <= now_ms)
		return true;
	clock_format_wall(to_ms, when);
	reply_json(
		c, 409,
		json_pack("{s:{s:s,s:o},s:I}", "error", "code", "not_over", "message",
			  json_sprintf("%s isn't over: it can be settled from %.10s %.8s UTC on; until then there are "
				       "drafts",
				       period, when, when + 11),
			  "can_settle_ms", (json_int_t)to_ms));
	return false;
}

void handle_settle(struct admin_call *c)
{
	_cleanup_(books_settlement_done) struct books_settlement made = {.n = 0};
	int64_t from_ms, to_ms, now_ms = clock_wall_ms();
	json_t *o = body_object(c);
	const char *period;
	struct err err;

	if (!o)
		return;
	period = body_string(c, o, "period", sizeof(made.head.period) - 1, true);
	if (period && books_period_parse(period, &from_ms, &to_ms, &err) < 0)
		reply_err(c, &err);
	else if (period && is_over(c, period, to_ms, now_ms)) {
		int rc = settle(c, period, now_ms, &made, &err);

		if (rc == ERR_INVAL) /* the form is right and it is over: it doesn't go with what is settled */
			reply_error(c, 409, "conflict", "%s", err.msg);
		else if (rc < 0)
			reply_err(c, &err);
		else
			reply_json(c, 201, settlement_json(&made.head));
	}
	json_decref(o);
}

static int add_settlement(const struct store_settlement *p, void *arg)
{
	return json_array_append_new(arg, settlement_json(p)) < 0 ? ERR_NOMEM : 0;
}

void handle_settlements_list(struct admin_call *c)
{
	json_t *list = json_array();
	struct err err = {.code = ERR_NOMEM, .msg = "out of memory"};

	if (store_settlement_each(c->books, add_settlement, list, &err) < 0) {
		json_decref(list);
		reply_err(c, &err);
		return;
	}
	reply_json(c, 200, json_pack("{s:o}", "settlements", list));
}

/* ---- statements */

static const struct {
	const char *name, *type;
	enum books_format format;
} formats[] = {
	{"text", "text/plain; charset=utf-8", BOOKS_TEXT},
	{"json", "application/json", BOOKS_JSON},
	{"csv", "text/csv; charset=utf-8", BOOKS_CSV},
};

/* SIZE_MAX: answered. */
static size_t wanted_format(struct admin_call *c)
{
	char name[16] = "json";

	query_get(c, "format", name, sizeof(name));
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (!strcmp(name, formats[i].name))
			return i;
	reply_error(c, 400, "invalid", "format must be text, json or csv");
	return SIZE_MAX;
}

/* An account without calls has a statement too; a name that nobody has, none. */
static int check_tenant(struct admin_call *c, const char *tenant, struct err *err)
{
	struct account a;
	int rc = store_account_get(c->books, ACCOUNT_TENANT, tenant, &a, err);

	return rc == ERR_NOT_FOUND ? err_set(err, rc, "there is no tenant '%s'", tenant) : rc;
}

void handle_statement(struct admin_call *c)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;
	char tenant[TENANT_ID_MAX], draft[8] = "0";
	struct books_statement_opts o = {.period = c->part, .now_ms = clock_wall_ms()};
	size_t format = wanted_format(c);
	int64_t from_ms, to_ms;
	struct err err;
	int rc;

	if (format == SIZE_MAX)
		return;
	query_get(c, "draft", draft, sizeof(draft));
	o.draft = !strcmp(draft, "1");
	o.format = formats[format].format;
	if (query_get(c, "tenant", tenant, sizeof(tenant)))
		o.tenant = tenant;
	rc = books_period_parse(o.period, &from_ms, &to_ms, &err);
	if (rc == 0 && o.tenant)
		rc = check_tenant(c, o.tenant, &err);
	if (rc == 0)
		rc = books_statement(c->books, &o, &out, &err);
	if (rc < 0)
		reply_err(c, &err);
	else
		reply_text(c, 200, formats[format].type, &out);
}
