#include "ledger/books_internal.h"

#include "model/request_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *books_transfer_name(enum transfer_kind kind)
{
	static const char *const names[] = {"deposit", "adjustment", "charge",    "overage",
					    "cost",    "refund",     "sla_credit"};

	_Static_assert(ARRAY_SIZE(names) == TRANSFER_KINDS, "a name for each kind");
	return (unsigned)kind < TRANSFER_KINDS ? names[kind] : "unknown";
}

const char *books_account_kind_name(enum account_kind kind)
{
	static const char *const names[] = {"tenant", "cash", "revenue", "cost", "payable", "adjustments", "sla"};

	_Static_assert(ARRAY_SIZE(names) == ACCOUNT_KINDS, "a name for each kind");
	return (unsigned)kind < ACCOUNT_KINDS ? names[kind] : "unknown";
}

const char *books_source_name(enum usage_source source)
{
	static const char *const names[] = {"none", "reported", "drained", "estimated", "recovered"};

	_Static_assert(ARRAY_SIZE(names) == USAGE_SOURCES, "a name for each source");
	return (unsigned)source < USAGE_SOURCES ? names[source] : "unknown";
}

/* ---- K1 */

#define WHY(...) snprintf(why, 200, __VA_ARGS__)

static enum books_verdict check_free(const struct usage_record *r, char why[200])
{
	char price[MONEY_TEXT_MAX], cost[MONEY_TEXT_MAX];

	money_format(r->price_nano, price);
	money_format(r->cost_nano, cost);
	if (r->price_nano != 0 || r->cost_nano != 0) {
		WHY("it has price %s and cost %s, but its record says that there is nothing to charge for (%s)", price,
		    cost, r->rule_id ? "nothing was delivered" : "no provider was reached");
		return BOOKS_CHARGED_FOR_NOTHING;
	}
	WHY("no charge: %s (status %d)%s",
	    r->rule_id ? "nothing was delivered that could be charged" : "no provider was reached", r->status,
	    r->flags & USAGE_FLAG_EXPIRED ? "; the hold's time was over" : "");
	return BOOKS_MATCHES;
}

enum books_verdict books_recompute(const struct usage_record *r, const struct price_rule *rule,
				   struct price_steps *steps, char why[200])
{
	char want[MONEY_TEXT_MAX], have[MONEY_TEXT_MAX];
	struct err err = {0};

	*why = '\0';
	if (r->source == USAGE_NONE || r->rule_id == 0)
		return check_free(r, why);
	if (!rule) {
		WHY("its price rule %" PRId64 " is not in the books: nothing to compute it from", r->rule_id);
		return BOOKS_RULE_MISSING;
	}
	if (price_compute(rule, &r->usage, steps, &err) < 0) {
		WHY("rule %" PRId64 " can't price its tokens: %.120s", r->rule_id, err.msg);
		return BOOKS_NOT_COMPUTABLE;
	}
	if (steps->price_nano != r->price_nano) {
		money_format(steps->price_nano, want);
		money_format(r->price_nano, have);
		WHY("rule %" PRId64 " makes its price %s, but %s is stored", r->rule_id, want, have);
		return BOOKS_PRICE_DIFFERS;
	}
	if (steps->cost_nano != r->cost_nano) {
		money_format(steps->cost_nano, want);
		money_format(r->cost_nano, have);
		WHY("rule %" PRId64 " makes its cost %s, but %s is stored", r->rule_id, want, have);
		return BOOKS_COST_DIFFERS;
	}
	return BOOKS_MATCHES;
}

/* ---- the record, its transfers, its account */

struct gather {
	struct books_explanation *ret;
	int64_t charged_nano, cost_nano;
	bool overflow;
};

static int take_transfer(const struct transfer *t, void *arg)
{
	struct gather *g = arg;
	struct books_explanation *e = g->ret;

	if (e->n_transfers < ARRAY_SIZE(e->transfers))
		e->transfers[e->n_transfers++] = *t;
	if (t->kind == TRANSFER_CHARGE || t->kind == TRANSFER_OVERAGE)
		g->overflow |= money_add(g->charged_nano, t->amount_nano, &g->charged_nano) < 0;
	else if (t->kind == TRANSFER_COST)
		g->overflow |= money_add(g->cost_nano, t->amount_nano, &g->cost_nano) < 0;
	return 0;
}

static void check_transfers(const struct gather *g, struct books_explanation *e)
{
	char want[MONEY_TEXT_MAX], have[MONEY_TEXT_MAX];
	bool price = g->charged_nano != e->record.price_nano;

	if (!e->matches || (!g->overflow && !price && g->cost_nano == e->record.cost_nano))
		return;
	money_format(price ? e->record.price_nano : e->record.cost_nano, want);
	money_format(price ? g->charged_nano : g->cost_nano, have);
	e->matches = false;
	snprintf(e->why, sizeof(e->why), "the record's %s is %s, but its transfers come to %s",
		 price ? "price" : "cost", want, have);
}

static int find_tenant(struct store *s, int64_t account_id, char name[ACCOUNT_NAME_MAX], struct err *err)
{
	struct books_accounts accounts _cleanup_(books_accounts_done) = {0};
	const struct account *a;
	int rc = books_accounts_load(&accounts, s, err);

	if (rc < 0)
		return rc;
	a = books_accounts_find(&accounts, account_id);
	snprintf(name, ACCOUNT_NAME_MAX, "%s", a ? a->name : "");
	return 0;
}

int books_explain(struct store *s, const struct request_id *id, struct books_explanation *ret, struct err *err)
{
	struct books_explanation e = {0};
	struct gather g = {.ret = &e};
	char text[REQUEST_ID_TEXT];
	int rc = store_usage_get(s, id, &e.record, err);

	if (rc == ERR_NOT_FOUND) {
		request_id_format(id, text);
		return err_set(err, ERR_NOT_FOUND, "%s: the books have no record of that request", text);
	}
	if (rc == 0)
		rc = find_tenant(s, e.record.account_id, e.tenant, err);
	if (rc == 0)
		rc = store_transfer_of_usage(s, e.record.id, take_transfer, &g, err);
	if (rc < 0)
		return rc;
	if (e.record.rule_id) {
		rc = store_price_rule_get(s, e.record.rule_id, &e.rule, err);
		if (rc < 0 && rc != ERR_NOT_FOUND)
			return rc;
		e.have_rule = rc == 0;
	}
	e.matches = books_recompute(&e.record, e.have_rule ? &e.rule : NULL, &e.steps, e.why) == BOOKS_MATCHES;
	check_transfers(&g, &e);
	*ret = e;
	return 0;
}
