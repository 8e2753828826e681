/* The books against themselves. In slices, each in a reading transaction of its own: a long one would keep SQLite from
 * shortening its log while the ledger thread writes. */
#include "ledger/books_internal.h"

#include "base/clock.h"
#include "model/request_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SLICE 50000

static bool no_request(const struct request_id *id)
{
	static const struct request_id none;

	return memcmp(id, &none, sizeof(none)) == 0;
}

static void subject_of(const struct store_difference *d, char subject[BOOKS_SUBJECT_MAX])
{
	if (!no_request(&d->request_id))
		request_id_format(&d->request_id, subject);
	else if (d->usage_id)
		snprintf(subject, BOOKS_SUBJECT_MAX, "usage %" PRId64, d->usage_id);
	else if (d->transfer_id)
		snprintf(subject, BOOKS_SUBJECT_MAX, "transfer %" PRId64, d->transfer_id);
	else if (d->account_id)
		snprintf(subject, BOOKS_SUBJECT_MAX, "account %" PRId64, d->account_id);
	else
		snprintf(subject, BOOKS_SUBJECT_MAX, "books");
}

void books_report_add(struct books_report *r, const struct store_difference *d, const char *subject)
{
	r->differences++;
	if (r->n_first == ARRAY_SIZE(r->first))
		return;
	r->first[r->n_first] = *d;
	if (subject)
		snprintf(r->subject[r->n_first], BOOKS_SUBJECT_MAX, "%s", subject);
	else
		subject_of(d, r->subject[r->n_first]);
	r->n_first++;
}

/* What the store found wrong, and what to do about it. */
static const char *advice_of(const char *kind)
{
	static const struct {
		const char *kind, *advice;
	} table[] = {
		{"usage_without_charge", "adjust the account, or write it off"},
		{"charge_differs", "refund or adjust the difference"},
		{"overage_differs", "compare the hold with the record"},
		{"cost_differs", "compare with the provider's invoice"},
		{"charge_of_other_account", "adjust both accounts"},
		{"refund_above_price", "adjust the account by the difference"},
		{"transfer_without_usage", "compare with a backup; adjust the account"},
		{"usage_missing", "the file was altered: compare with a backup"},
		{"transfer_missing", "the file was altered: compare with a backup"},
		{"time_runs_back", "the file was altered: compare with a backup"},
		{"balance_differs", "the file was altered: compare with a backup"},
		{"total_not_zero", "the file was altered: compare with a backup"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].kind, kind) == 0)
			return table[i].advice;
	return "the file was altered, or a sum made wrongly: compare with a backup";
}

static int take_difference(const struct store_difference *d, void *arg)
{
	struct store_difference told = *d;

	snprintf(told.text, sizeof(told.text), "%.150s; %s", d->text, advice_of(d->kind));
	books_report_add(arg, &told, NULL);
	return 0;
}

struct recompute {
	struct store *store;
	struct books_report *report;
	struct books_rules rules;
	int64_t last_id; /* the slice before ended with it */
	struct err *err;
};

static void recompute_done(struct recompute *r)
{
	books_rules_done(&r->rules);
}

static void add_verdict(struct recompute *p, const struct usage_record *r, enum books_verdict v,
			const struct price_steps *steps, const char *why)
{
	static const struct {
		const char *kind, *advice;
	} of[] = {
		[BOOKS_RULE_MISSING] = {"rule_missing", "restore the books from a backup that has it"},
		[BOOKS_NOT_COMPUTABLE] = {"not_computable", "check the record's tokens and its rule"},
		[BOOKS_CHARGED_FOR_NOTHING] = {"charged_for_nothing", "refund it"},
		[BOOKS_COST_DIFFERS] = {"cost_differs", "compare with the provider's invoice"},
		[BOOKS_PRICE_DIFFERS] = {"price_differs", "refund or adjust the difference"},
	};
	struct store_difference d = {
		.kind = of[v].kind, .usage_id = r->id, .account_id = r->account_id, .request_id = r->request_id};
	bool cost = v == BOOKS_COST_DIFFERS;

	if (v == BOOKS_COST_DIFFERS || v == BOOKS_PRICE_DIFFERS)
		d.expected_nano = cost ? steps->cost_nano : steps->price_nano;
	d.found_nano = cost ? r->cost_nano : r->price_nano;
	snprintf(d.text, sizeof(d.text), "%s; %s", why, of[v].advice);
	books_report_add(p->report, &d, NULL);
}

/* Within a slice the store looks for gaps, between two slices nobody else does. */
static void check_seam(struct recompute *p, const struct usage_record *r)
{
	struct store_difference d = {.kind = "usage_missing", .usage_id = p->last_id + 1};

	if (!p->last_id || r->id == p->last_id + 1)
		return;
	snprintf(d.text, sizeof(d.text), "usage records %" PRId64 " to %" PRId64 " are missing", p->last_id + 1,
		 r->id - 1);
	(void)take_difference(&d, p->report);
}

static int recompute_record(const struct usage_record *r, void *arg)
{
	const struct price_rule *rule = NULL;
	struct price_steps steps = {0};
	struct recompute *p = arg;
	enum books_verdict v;
	char why[200];
	int rc = 0;

	check_seam(p, r);
	p->last_id = 0;
	if (r->rule_id)
		rc = books_rules_get(&p->rules, p->store, r->rule_id, &rule, p->err);
	if (rc < 0 && rc != ERR_NOT_FOUND)
		return rc;
	v = books_recompute(r, rc < 0 ? NULL : rule, &steps, why);
	if (v != BOOKS_MATCHES)
		add_verdict(p, r, v, &steps, why);
	return 0;
}

static int check_slices(struct recompute *p, int64_t after, int64_t upto, struct err *err)
{
	int rc = 0;

	for (int64_t from = after; rc == 0 && from < upto;) {
		int64_t to = upto - from > SLICE ? from + SLICE : upto;
		uint64_t checked = 0;

		p->last_id = from;
		rc = store_check_usage(p->store, from + 1, to, take_difference, p->report, &checked, err);
		if (rc == 0)
			rc = store_usage_each(p->store, from, to, recompute_record, p, err);
		p->report->records_checked += checked;
		from = to;
	}
	return rc;
}

/* ---- sums */

struct total {
	__int128 nano;
};

static int add_balance(const struct account *a, void *arg)
{
	((struct total *)arg)->nano += a->balance_nano;
	return 0;
}

/* Cheap, where store_check_sums reads all rows: each transfer gives what it takes. */
static int check_total(struct store *s, struct books_report *r, struct err *err)
{
	struct store_difference d = {.kind = "total_not_zero",
				     .text = "the balances of all accounts don't add up to zero"};
	struct total total = {0};
	int rc = store_account_each(s, add_balance, &total, err);

	if (rc < 0 || total.nano == 0)
		return rc;
	d.found_nano = total.nano > INT64_MAX ? INT64_MAX : total.nano < INT64_MIN ? INT64_MIN : (int64_t)total.nano;
	return take_difference(&d, r);
}

/* ---- what was settled (K2) */

struct settled {
	struct store_settlement *v;
	size_t n, cap;
	struct err *err;
};

static void settled_done(struct settled *s)
{
	free(s->v);
}

static int take_settled(const struct store_settlement *p, void *arg)
{
	struct settled *s = arg;
	int rc = books_grow((void **)&s->v, s->n, &s->cap, sizeof(*s->v), s->err);

	if (rc == 0)
		s->v[s->n++] = *p;
	return rc;
}

static void add_settlement(struct books_report *r, const struct store_settlement *p, const char *kind, int64_t expected,
			   int64_t found, const char *text)
{
	struct store_difference d = {.kind = kind, .expected_nano = expected, .found_nano = found};
	char subject[BOOKS_SUBJECT_MAX];

	snprintf(subject, sizeof(subject), "settlement %s", p->period);
	snprintf(d.text, sizeof(d.text), "%.*s", (int)sizeof(d.text) - 1, text);
	books_report_add(r, &d, subject);
}

/* Settled figures against what the records say now. */
static int compare_settled(struct store *s, const struct store_settlement *p, struct books_report *r, struct err *err)
{
	struct books_figures_opts o = {.period = p->period};
	struct books_figures now _cleanup_(books_figures_done) = {0};
	struct err why = {0};
	int rc = books_figures_make(s, &o, &now, &why);
	const struct {
		const char *what;
		int64_t settled, records;
	} sums[] = {
		{"charges", p->price_nano, now.head.price_nano},
		{"cost", p->cost_nano, now.head.cost_nano},
		{"refunds", p->refunds_nano, now.head.refunds_nano},
		{"SLA credits", p->sla_nano, now.head.sla_nano},
	};
	char want[MONEY_TEXT_MAX], have[MONEY_TEXT_MAX], text[240];

	if (rc == ERR_CORRUPT || rc == ERR_RANGE) {
		snprintf(text, sizeof(text), "%s can't be made again from its records: %.120s; compare with a backup",
			 p->period, why.msg);
		add_settlement(r, p, "settlement_differs", 0, 0, text);
		return 0;
	}
	if (rc < 0)
		return err_set(err, rc, "%s", why.msg);
	for (size_t i = 0; i < ARRAY_SIZE(sums); i++) {
		if (sums[i].settled == sums[i].records)
			continue;
		money_format(sums[i].records, want);
		money_format(sums[i].settled, have);
		snprintf(text, sizeof(text),
			 "%s of %s were settled as %s, but the records come to %s; find what was altered, adjust the "
			 "accounts",
			 sums[i].what, p->period, have, want);
		add_settlement(r, p, "settlement_differs", sums[i].records, sums[i].settled, text);
		return 0;
	}
	if (p->calls != now.head.calls) {
		snprintf(text, sizeof(text), "%" PRIu64 " calls were settled, but there are records of %" PRIu64,
			 p->calls, now.head.calls);
		add_settlement(r, p, "settlement_differs", 0, 0, text);
	}
	return 0;
}

static int check_settlements(struct store *s, bool full, struct books_report *r, struct err *err)
{
	struct settled list _cleanup_(settled_done) = {.err = err};
	struct err why = {0};
	int rc = store_settlement_each(s, take_settled, &list, err);

	for (size_t i = 0; rc == 0 && i < list.n; i++) {
		rc = books_settlement_verify(s, list.v[i].period, &why);
		if (rc == ERR_CORRUPT)
			add_settlement(r, &list.v[i], "settlement_altered", 0, 0, why.msg);
		else if (rc < 0)
			return err_set(err, rc, "%s", why.msg);
		rc = full ? compare_settled(s, &list.v[i], r, err) : 0;
	}
	return rc;
}

int books_reconcile(struct store *s, bool full, int64_t after_usage_id, int64_t now_ms, struct books_report *ret,
		    int64_t *ret_last_usage_id, struct err *err)
{
	uint64_t started = clock_mono_ms();
	struct books_report *r _cleanup_(freep) = calloc(1, sizeof(*r));
	struct recompute p _cleanup_(recompute_done) = {.store = s, .report = r, .err = err};
	struct store_books_tail tail;
	int rc;

	if (!r)
		return err_set(err, ERR_NOMEM, "out of memory");
	rc = store_books_tail(s, &tail, err);
	if (rc == 0)
		rc = check_slices(&p, full ? 0 : after_usage_id, tail.usage_id, err);
	if (rc == 0)
		rc = full ? store_check_sums(s, take_difference, r, err) : check_total(s, r, err);
	if (rc == 0)
		rc = check_settlements(s, full, r, err);
	if (rc < 0)
		return rc;
	r->started_ms = now_ms;
	r->took_ms = (int64_t)(clock_mono_ms() - started);
	*ret = *r;
	*ret_last_usage_id = tail.usage_id;
	return 0;
}

/* ---- discrepancies */

static int record_one(struct store *s, const struct store_difference *d, const char *subject, int64_t now_ms,
		      struct err *err)
{
	struct store_discrepancy x = {
		.found_ms = now_ms, .expected_nano = d->expected_nano, .found_nano = d->found_nano};

	snprintf(x.kind, sizeof(x.kind), "%s", d->kind);
	snprintf(x.subject, sizeof(x.subject), "%s", subject);
	snprintf(x.text, sizeof(x.text), "%s", d->text);
	return store_discrepancy_put(s, &x, err);
}

/* So that the open ones don't look like all there are. */
static int record_rest(struct store *s, const struct books_report *r, int64_t now_ms, struct err *err)
{
	struct store_difference d = {.kind = "more_differences"};

	if (r->differences == r->n_first)
		return 0;
	snprintf(d.text, sizeof(d.text),
		 "%" PRIu64 " differences were found, the first %zu are listed; correct those, then reconcile in full",
		 r->differences, r->n_first);
	return record_one(s, &d, "books", now_ms, err);
}

int books_record(struct store *s, const struct books_report *r, int64_t now_ms, struct err *err)
{
	int rc;

	if (r->n_first == 0)
		return 0;
	rc = store_books_begin(s, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < r->n_first; i++)
		rc = record_one(s, &r->first[i], r->subject[i], now_ms, err);
	if (rc == 0)
		rc = record_rest(s, r, now_ms, err);
	if (rc == 0)
		rc = store_books_commit(s, err);
	if (rc < 0)
		store_books_abort(s);
	return rc;
}
