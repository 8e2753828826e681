/* A provider's invoice against our own records: what it wants more or less of, in sentences with both figures. */
#include "ledger/books_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct imported {
	struct store_invoice_line *v; /* sorted by model */
	size_t n, cap;
	struct err *err;
};

static void imported_done(struct imported *i)
{
	free(i->v);
}

static int take_imported(const struct store_invoice_line *l, void *arg)
{
	struct imported *i = arg;
	int rc = books_grow((void **)&i->v, i->n, &i->cap, sizeof(*i->v), i->err);

	if (rc == 0)
		i->v[i->n++] = *l;
	return rc;
}

static int by_model(const void *a, const void *b)
{
	return strcmp(((const struct store_invoice_line *)a)->model, ((const struct store_invoice_line *)b)->model);
}

struct comparison {
	const char *provider, *period;
	int64_t tolerance_nano;
	struct books_report *report;
	unsigned amounts; /* differences in amounts so far */
	int64_t invoice_nano, ours_nano;
	bool overflow;
};

static void add(struct comparison *c, const char *kind, const char *model, int64_t ours, int64_t theirs,
		const char *text)
{
	struct store_difference d = {.kind = kind, .expected_nano = ours, .found_nano = theirs};
	char subject[BOOKS_SUBJECT_MAX];

	snprintf(subject, sizeof(subject), "%.40s %.10s %.70s", c->provider, c->period, model);
	snprintf(d.text, sizeof(d.text), "%s", text);
	books_report_add(c->report, &d, subject);
}

/* Both may be of any size. */
static bool apart(int64_t a, int64_t b, int64_t tolerance)
{
	__int128 diff = (__int128)a - b;

	return (diff < 0 ? -diff : diff) > tolerance;
}

static void add_amount(struct comparison *c, const char *kind, const char *model, int64_t ours, int64_t theirs,
		       const char *format)
{
	char mine[MONEY_TEXT_MAX], other[MONEY_TEXT_MAX], text[240];
	struct buf b _cleanup_(buf_done) = BUF_INIT;

	/* `format` says $m for the model, $i for the invoice's figure, $o for ours. */
	money_format(ours, mine);
	money_format(theirs, other);
	for (const char *f = format; *f; f++) {
		if (*f != '$') {
			buf_putc(&b, *f);
			continue;
		}
		f++;
		buf_printf(&b, "%.60s", *f == 'm' ? model : *f == 'i' ? other : mine);
	}
	snprintf(text, sizeof(text), "%s", b.data ? b.data : "");
	add(c, kind, model, ours, theirs, text);
	c->amounts++;
}

static void compare_count(struct comparison *c, const char *kind, const char *what, const char *model, uint64_t ours,
			  uint64_t theirs)
{
	char text[240];

	if (theirs == UINT64_MAX || ours == theirs)
		return;
	snprintf(text, sizeof(text),
		 "%.60s: the invoice says %" PRIu64 " %s, our records say %" PRIu64 " (%s%" PRIu64 ")", model, theirs,
		 what, ours, theirs > ours ? "+" : "-", theirs > ours ? theirs - ours : ours - theirs);
	/* Figures of counts are in the text: the fields are for amounts. */
	add(c, kind, model, 0, 0, text);
}

static void compare_model(struct comparison *c, const struct store_settlement_line *ours,
			  const struct store_invoice_line *theirs)
{
	if (apart(ours->cost_nano, theirs->amount_nano, c->tolerance_nano))
		add_amount(c, "invoice_amount_differs", ours->model, ours->cost_nano, theirs->amount_nano,
			   "$m: the invoice says $i, our records come to $o; compare rates and tokens with the "
			   "provider's price list");
	compare_count(c, "invoice_calls_differ", "calls", ours->model, ours->calls, theirs->calls);
	compare_count(c, "invoice_input_differs", "input tokens", ours->model, ours->usage.input_tokens,
		      theirs->input_tokens);
	compare_count(c, "invoice_cached_differs", "cached input tokens", ours->model, ours->usage.cached_input_tokens,
		      theirs->cached_input_tokens);
	compare_count(c, "invoice_output_differs", "output tokens", ours->model, ours->usage.output_tokens,
		      theirs->output_tokens);
}

static void only_ours(struct comparison *c, const struct store_settlement_line *ours)
{
	add_amount(c, "invoice_model_missing", ours->model, ours->cost_nano, 0,
		   "$m: our records come to $o, but the invoice has no line for it; it may follow on the next one");
}

static void only_theirs(struct comparison *c, const struct store_invoice_line *theirs)
{
	add_amount(c, "invoice_model_unknown", theirs->model, 0, theirs->amount_nano,
		   "$m: the invoice says $i, but we have no call of it; is the provider's key used elsewhere, or the "
		   "model "
		   "named otherwise in the catalog?");
}

/* Both sides are sorted by model. */
static void compare_all(struct comparison *c, const struct books_lines *ours, const struct imported *theirs)
{
	size_t o = 0, t = 0;

	while (o < ours->n || t < theirs->n) {
		int order = o == ours->n ? 1 : t == theirs->n ? -1 : strcmp(ours->v[o].model, theirs->v[t].model);

		if (order <= 0)
			c->overflow |= money_add(c->ours_nano, ours->v[o].cost_nano, &c->ours_nano) < 0;
		if (order >= 0)
			c->overflow |= money_add(c->invoice_nano, theirs->v[t].amount_nano, &c->invoice_nano) < 0;
		if (order == 0)
			compare_model(c, &ours->v[o++], &theirs->v[t++]);
		else if (order < 0)
			only_ours(c, &ours->v[o++]);
		else
			only_theirs(c, &theirs->v[t++]);
	}
}

/* Many small differences can be a large one. */
static void compare_totals(struct comparison *c)
{
	if (c->amounts == 0 && apart(c->ours_nano, c->invoice_nano, c->tolerance_nano))
		add_amount(c, "invoice_total_differs", "all models", c->ours_nano, c->invoice_nano,
			   "$m: each line is within the tolerance, but the invoice's total is $i, ours $o");
}

int books_invoice_compare(struct store *s, const char *provider, const char *period, int64_t tolerance_nano,
			  struct books_report *ret, struct err *err)
{
	struct books_report *r _cleanup_(freep) = calloc(1, sizeof(*r));
	struct comparison c = {provider, period, tolerance_nano, r, 0, 0, 0, false};
	struct imported theirs _cleanup_(imported_done) = {.err = err};
	struct books_lines ours _cleanup_(books_lines_done) = {0};
	int64_t from_ms, to_ms;
	int rc;

	if (!r)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (tolerance_nano < 0)
		return err_set(err, ERR_INVAL, "the tolerance is negative");
	rc = books_period_parse(period, &from_ms, &to_ms, err);
	if (rc == 0)
		rc = store_invoice_each(s, provider, period, take_imported, &theirs, err);
	if (rc == 0 && !theirs.n)
		return err_set(err, ERR_NOT_FOUND, "no invoice of \"%.64s\" was imported for %s", provider, period);
	if (rc == 0)
		rc = books_payables(s, provider, from_ms, to_ms, &ours, err);
	if (rc < 0)
		return rc;
	qsort(theirs.v, theirs.n, sizeof(*theirs.v), by_model);
	compare_all(&c, &ours, &theirs);
	if (c.overflow)
		return err_set(err, ERR_RANGE, "the sum of %s's invoice or of our records does not fit", provider);
	compare_totals(&c);
	r->records_checked = theirs.n;
	*ret = *r;
	return 0;
}
