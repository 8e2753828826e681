/* A period's figures: per tenant what it used, what moved on its account, what is invoiced; per provider what is owed.
 * All of it from the store's sums, so that the cost follows the number of tenants and models, not of calls. */
#include "ledger/books_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CENT_NANO (MONEY_NANO / 100)

int books_lines_add(struct books_lines *lines, const struct store_settlement_line *l, struct err *err)
{
	int rc = books_grow((void **)&lines->v, lines->n, &lines->cap, sizeof(*lines->v), err);

	if (rc == 0)
		lines->v[lines->n++] = *l;
	return rc;
}

void books_lines_done(struct books_lines *lines)
{
	free(lines->v);
	*lines = (struct books_lines){0};
}

void books_figures_done(struct books_figures *f)
{
	books_lines_done(&f->lines);
}

static bool add_u64(uint64_t *to, uint64_t v)
{
	return !__builtin_add_overflow(*to, v, to);
}

static bool add_i64(int64_t *to, int64_t v)
{
	return !__builtin_add_overflow(*to, v, to);
}

static int too_large(const char *whose, struct err *err)
{
	return err_set(err, ERR_RANGE, "%s: a sum of the period does not fit", whose);
}

int books_line_add(struct store_settlement_line *to, const struct store_settlement_line *from, struct err *err)
{
	if (add_u64(&to->calls, from->calls) && add_u64(&to->usage.input_tokens, from->usage.input_tokens) &&
	    add_u64(&to->usage.cached_input_tokens, from->usage.cached_input_tokens) &&
	    add_u64(&to->usage.cache_write_tokens, from->usage.cache_write_tokens) &&
	    add_u64(&to->usage.output_tokens, from->usage.output_tokens) &&
	    add_u64(&to->usage.reasoning_tokens, from->usage.reasoning_tokens) &&
	    add_i64(&to->cost_nano, from->cost_nano) && add_i64(&to->price_nano, from->price_nano))
		return 0;
	return too_large(to->account, err);
}

/* ---- lines of the same account and model become one */

static int by_account_model(const void *a, const void *b)
{
	const struct store_settlement_line *x = a, *y = b;
	int c = strcmp(x->account, y->account);

	return c ? c : strcmp(x->model, y->model);
}

static int merge(struct books_lines *lines, struct err *err)
{
	size_t n = 0;
	int rc = 0;

	if (lines->n)
		qsort(lines->v, lines->n, sizeof(*lines->v), by_account_model);
	for (size_t i = 0; i < lines->n && rc == 0; i++) {
		if (n && by_account_model(&lines->v[n - 1], &lines->v[i]) == 0)
			rc = books_line_add(&lines->v[n - 1], &lines->v[i], err);
		else
			lines->v[n++] = lines->v[i];
	}
	lines->n = n;
	return rc;
}

/* ---- what is gathered */

/* One account's movements. */
struct tally {
	const struct account *account;
	int64_t opening_nano;
	struct {
		uint64_t count;
		int64_t net_nano; /* credits less debits */
	} kind[TRANSFER_KINDS];
};

struct making {
	struct store *store;
	struct err *err;
	bool opening; /* transfers are those before the period */
	struct books_accounts accounts;
	struct tally *tallies; /* as accounts */
	struct books_rules rules;
	struct books_lines usage;    /* USAGE, by tenant and public model */
	struct books_lines payables; /* PAYABLE, by provider and upstream model */
	struct books_lines before;   /* STATEMENT lines of the settlement before, by tenant */
};

static void making_done(struct making *m)
{
	books_accounts_done(&m->accounts);
	free(m->tallies);
	books_rules_done(&m->rules);
	books_lines_done(&m->usage);
	books_lines_done(&m->payables);
	books_lines_done(&m->before);
}

static int unknown_account(int64_t id, struct err *err)
{
	return err_set(err, ERR_CORRUPT, "the books have figures of account %" PRId64 ", but no such account", id);
}

static int take_usage(const struct store_usage_sum *u, void *arg)
{
	struct making *m = arg;
	const struct account *a = books_accounts_find(&m->accounts, u->account_id);
	struct store_settlement_line l = {.kind = STORE_LINE_USAGE,
					  .calls = u->calls,
					  .usage = u->usage,
					  .cost_nano = u->cost_nano,
					  .price_nano = u->price_nano};
	const struct price_rule *rule = NULL;
	int rc = 0;

	if (!a || a->kind != ACCOUNT_TENANT)
		return unknown_account(u->account_id, m->err);
	if (u->rule_id)
		rc = books_rules_get(&m->rules, m->store, u->rule_id, &rule, m->err);
	if (rc == ERR_NOT_FOUND)
		return err_set(m->err, ERR_CORRUPT, "price rule %" PRId64 ", by which calls were charged, is missing",
			       u->rule_id);
	if (rc < 0)
		return rc;
	snprintf(l.account, sizeof(l.account), "%s", a->name);
	snprintf(l.model, sizeof(l.model), "%s", rule ? rule->model : "");
	rc = books_lines_add(&m->usage, &l, m->err);
	/* What was neither charged nor cost anything is nothing a provider has to be paid for. */
	if (rc < 0 || !rule || !u->charged_calls)
		return rc;
	l.kind = STORE_LINE_PAYABLE;
	l.calls = u->charged_calls;
	l.price_nano = 0;
	snprintf(l.account, sizeof(l.account), "%s", rule->provider);
	snprintf(l.model, sizeof(l.model), "%s", rule->upstream_model);
	return books_lines_add(&m->payables, &l, m->err);
}

static int take_transfers(const struct store_transfer_sum *t, void *arg)
{
	struct making *m = arg;
	const struct account *a = books_accounts_find(&m->accounts, t->account_id);
	struct tally *tally;
	int64_t net;

	if (!a || (unsigned)t->kind >= TRANSFER_KINDS)
		return unknown_account(t->account_id, m->err);
	tally = &m->tallies[a - m->accounts.v];
	if (__builtin_sub_overflow(t->credits_nano, t->debits_nano, &net) ||
	    !add_i64(m->opening ? &tally->opening_nano : &tally->kind[t->kind].net_nano, net))
		return too_large(a->name, m->err);
	if (!m->opening)
		tally->kind[t->kind].count += t->count;
	return 0;
}

/* ---- the carry of whole-cent invoices (K3) */

struct latest {
	int64_t before_ms;
	struct store_settlement found;
};

static int take_latest(const struct store_settlement *p, void *arg)
{
	struct latest *l = arg;

	if (p->to_ms <= l->before_ms && p->to_ms > l->found.to_ms)
		l->found = *p;
	return 0;
}

static int take_before(const struct store_settlement_line *l, void *arg)
{
	struct making *m = arg;

	return l->kind == STORE_LINE_STATEMENT ? books_lines_add(&m->before, l, m->err) : 0;
}

/* A tenant with a carry has a statement in each settlement (see worth_saying), so the last one before has them all. */
static int load_carries(struct making *m, int64_t from_ms, const char *tenant)
{
	struct latest l = {.before_ms = from_ms};
	int rc = store_settlement_each(m->store, take_latest, &l, m->err);

	if (rc == 0 && l.found.to_ms)
		rc = store_settlement_line_each(m->store, l.found.period, tenant, take_before, m, m->err);
	if (rc == 0 && m->before.n)
		qsort(m->before.v, m->before.n, sizeof(*m->before.v), by_account_model);
	return rc;
}

static int64_t carry_of(const struct making *m, const char *tenant)
{
	struct store_settlement_line key = {.model = ""};
	const struct store_settlement_line *l;

	snprintf(key.account, sizeof(key.account), "%s", tenant);
	l = m->before.n ? bsearch(&key, m->before.v, m->before.n, sizeof(key), by_account_model) : NULL;
	return l ? l->carried_out_nano : 0;
}

/* ---- one tenant's lines */

static int invoice(const struct tally *t, struct store_settlement_line *l, struct err *err)
{
	int64_t exact = l->price_nano, rounded;

	if (__builtin_sub_overflow(exact, t->kind[TRANSFER_REFUND].net_nano, &exact) ||
	    __builtin_sub_overflow(exact, t->kind[TRANSFER_SLA_CREDIT].net_nano, &exact) ||
	    !add_i64(&exact, l->carried_in_nano))
		return too_large(l->account, err);
	rounded = money_round_cents(exact);
	l->invoice_cents = rounded / CENT_NANO;
	l->carried_out_nano = exact - rounded;
	return 0;
}

static bool worth_saying(const struct tally *t, const struct store_settlement_line *l)
{
	for (unsigned k = 0; k < TRANSFER_KINDS; k++)
		if (t->kind[k].count)
			return true;
	return l->calls || l->opening_nano || l->closing_nano || l->carried_in_nano;
}

static int check_tenant(const struct tally *t, const struct store_settlement_line *l, struct err *err)
{
	char records[MONEY_TEXT_MAX], transfers[MONEY_TEXT_MAX];
	int64_t paid;

	if (__builtin_add_overflow(t->kind[TRANSFER_CHARGE].net_nano, t->kind[TRANSFER_OVERAGE].net_nano, &paid) ||
	    __builtin_sub_overflow(0, paid, &paid))
		return too_large(l->account, err);
	if (paid == l->price_nano)
		return 0;
	money_format(l->price_nano, records);
	money_format(paid, transfers);
	return err_set(err, ERR_CORRUPT,
		       "tenant %.64s: the calls' prices come to %s, its charges to %s; reconcile before settling",
		       l->account, records, transfers);
}

static int add_transfers(const struct tally *t, struct books_lines *lines, struct err *err)
{
	struct store_settlement_line l = {.kind = STORE_LINE_TRANSFERS};
	int rc = 0;

	snprintf(l.account, sizeof(l.account), "%s", t->account->name);
	for (unsigned k = 0; k < TRANSFER_KINDS && rc == 0; k++) {
		if (!t->kind[k].count)
			continue;
		l.transfer_kind = k;
		l.calls = t->kind[k].count;
		l.price_nano = t->kind[k].net_nano;
		rc = books_lines_add(lines, &l, err);
	}
	return rc;
}

/* Settlement totals from a tenant's. */
static int add_totals(struct store_settlement *head, const struct tally *t, const struct store_settlement_line *l,
		      struct err *err)
{
	if (add_u64(&head->calls, l->calls) && add_i64(&head->cost_nano, l->cost_nano) &&
	    add_i64(&head->price_nano, l->price_nano) &&
	    add_i64(&head->refunds_nano, t->kind[TRANSFER_REFUND].net_nano) &&
	    add_i64(&head->sla_nano, t->kind[TRANSFER_SLA_CREDIT].net_nano))
		return 0;
	return too_large("all tenants", err);
}

/* usage[*at...] are this tenant's, if it has any. */
static int add_tenant(struct making *m, const struct tally *t, size_t *at, bool closed, struct books_figures *f)
{
	struct store_settlement_line l = {.kind = STORE_LINE_STATEMENT, .opening_nano = t->opening_nano};
	size_t first = *at;
	int rc = 0;

	snprintf(l.account, sizeof(l.account), "%s", t->account->name);
	l.carried_in_nano = carry_of(m, l.account);
	for (; rc == 0 && *at < m->usage.n && strcmp(m->usage.v[*at].account, l.account) == 0; ++*at)
		rc = books_line_add(&l, &m->usage.v[*at], m->err);
	l.closing_nano = l.opening_nano;
	for (unsigned k = 0; rc == 0 && k < TRANSFER_KINDS; k++)
		if (!add_i64(&l.closing_nano, t->kind[k].net_nano))
			rc = too_large(l.account, m->err);
	if (rc == 0)
		rc = invoice(t, &l, m->err);
	if (rc == 0 && closed)
		rc = check_tenant(t, &l, m->err);
	if (rc < 0 || !worth_saying(t, &l))
		return rc;
	rc = books_lines_add(&f->lines, &l, m->err);
	for (size_t i = first; rc == 0 && i < *at; i++)
		rc = books_lines_add(&f->lines, &m->usage.v[i], m->err);
	if (rc == 0)
		rc = add_transfers(t, &f->lines, m->err);
	return rc < 0 ? rc : add_totals(&f->head, t, &l, m->err);
}

static int by_name(const void *a, const void *b)
{
	const struct tally *x = a, *y = b;

	return strcmp(x->account->name, y->account->name);
}

/* K4, providers' half: what the cost transfers gave to a provider's account is what its calls cost. */
static int check_providers(const struct making *m)
{
	for (size_t i = 0; i < m->accounts.n; i++) {
		const struct tally *t = &m->tallies[i];
		char records[MONEY_TEXT_MAX], transfers[MONEY_TEXT_MAX];
		int64_t cost = 0;

		if (t->account->kind != ACCOUNT_PAYABLE)
			continue;
		for (size_t k = 0; k < m->payables.n; k++)
			if (strcmp(m->payables.v[k].account, t->account->name) == 0 &&
			    !add_i64(&cost, m->payables.v[k].cost_nano))
				return too_large(t->account->name, m->err);
		if (cost == t->kind[TRANSFER_COST].net_nano)
			continue;
		money_format(cost, records);
		money_format(t->kind[TRANSFER_COST].net_nano, transfers);
		return err_set(m->err, ERR_CORRUPT,
			       "provider %.64s: the calls' costs come to %s, its account got %s; reconcile before "
			       "settling",
			       t->account->name, records, transfers);
	}
	return 0;
}

static int assemble(struct making *m, const struct books_figures_opts *o, struct books_figures *f)
{
	size_t at = 0;
	int rc = o->closed ? check_providers(m) : 0;

	if (m->accounts.n)
		qsort(m->tallies, m->accounts.n, sizeof(*m->tallies), by_name);
	for (size_t i = 0; i < m->accounts.n && rc == 0; i++) {
		const struct account *a = m->tallies[i].account;

		if (a->kind == ACCOUNT_TENANT && (!o->tenant || strcmp(a->name, o->tenant) == 0))
			rc = add_tenant(m, &m->tallies[i], &at, o->closed, f);
	}
	for (size_t i = 0; rc == 0 && !o->tenant && i < m->payables.n; i++)
		rc = books_lines_add(&f->lines, &m->payables.v[i], m->err);
	return rc;
}

static int load_accounts(struct making *m, const char *tenant, int64_t *ret_id)
{
	int rc = books_accounts_load(&m->accounts, m->store, m->err);

	if (rc < 0)
		return rc;
	*ret_id = 0;
	m->tallies = calloc(m->accounts.n + 1, sizeof(*m->tallies));
	if (!m->tallies)
		return err_set(m->err, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < m->accounts.n; i++) {
		m->tallies[i].account = &m->accounts.v[i];
		if (tenant && m->accounts.v[i].kind == ACCOUNT_TENANT && strcmp(m->accounts.v[i].name, tenant) == 0)
			*ret_id = m->accounts.v[i].id;
	}
	if (tenant && !*ret_id)
		return err_set(m->err, ERR_NOT_FOUND, "tenant \"%.64s\" has no account", tenant);
	return 0;
}

/* All rules of one installation are in its one currency; "" before there is any. */
static int find_currency(struct making *m, struct store_settlement *head)
{
	const struct price_rule *rule = m->rules.v;
	int rc = m->rules.n ? 0 : books_rules_get(&m->rules, m->store, 1, &rule, m->err);

	if (rc == 0)
		memcpy(head->currency, rule->currency, sizeof(head->currency));
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

int books_figures_make(struct store *s, const struct books_figures_opts *o, struct books_figures *ret, struct err *err)
{
	struct making m _cleanup_(making_done) = {.store = s, .err = err};
	struct books_figures f _cleanup_(books_figures_done) = {0};
	int64_t id = 0;
	int rc = books_period_parse(o->period, &f.head.from_ms, &f.head.to_ms, err);

	if (rc == 0)
		rc = load_accounts(&m, o->tenant, &id);
	if (rc == 0)
		rc = store_usage_sums(s, id, f.head.from_ms, f.head.to_ms, take_usage, &m, err);
	if (rc == 0)
		rc = store_transfer_sums(s, id, f.head.from_ms, f.head.to_ms, take_transfers, &m, err);
	m.opening = true;
	if (rc == 0 && f.head.from_ms > 0)
		rc = store_transfer_sums(s, id, 0, f.head.from_ms, take_transfers, &m, err);
	if (rc == 0)
		rc = load_carries(&m, f.head.from_ms, o->tenant);
	if (rc == 0)
		rc = merge(&m.usage, err);
	if (rc == 0)
		rc = merge(&m.payables, err);
	if (rc == 0)
		rc = find_currency(&m, &f.head);
	snprintf(f.head.period, sizeof(f.head.period), "%s", o->period);
	if (rc == 0)
		rc = assemble(&m, o, &f);
	if (rc < 0)
		return rc;
	*ret = f;
	f.lines = (struct books_lines){0};
	return 0;
}

int books_payables(struct store *s, const char *provider, int64_t from_ms, int64_t to_ms, struct books_lines *ret,
		   struct err *err)
{
	struct making m _cleanup_(making_done) = {.store = s, .err = err};
	int64_t id;
	int rc = load_accounts(&m, NULL, &id);

	if (rc == 0)
		rc = store_usage_sums(s, 0, from_ms, to_ms, take_usage, &m, err);
	if (rc == 0)
		rc = merge(&m.payables, err);
	for (size_t i = 0; rc == 0 && i < m.payables.n; i++)
		if (!provider || strcmp(m.payables.v[i].account, provider) == 0)
			rc = books_lines_add(ret, &m.payables.v[i], err);
	return rc;
}
