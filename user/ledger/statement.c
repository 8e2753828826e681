#include "ledger/books_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool books_view_part(const struct books_view *v, size_t *at, struct books_part *ret)
{
	size_t i = *at;

	if (i == v->n || v->lines[i].kind != STORE_LINE_STATEMENT)
		return false;
	*ret = (struct books_part){.statement = &v->lines[i++]};
	ret->usage = &v->lines[i];
	for (; i < v->n && v->lines[i].kind == STORE_LINE_USAGE; i++)
		ret->n_usage++;
	ret->transfers = &v->lines[i];
	for (; i < v->n && v->lines[i].kind == STORE_LINE_TRANSFERS; i++)
		ret->n_transfers++;
	*at = i;
	return true;
}

int64_t books_part_transfers(const struct books_part *p, enum transfer_kind kind)
{
	for (size_t i = 0; i < p->n_transfers; i++)
		if (p->transfers[i].transfer_kind == (unsigned)kind)
			return p->transfers[i].price_nano;
	return 0;
}

/* What is shown may come from a file that others could write to: it must not wrap, whatever it says. */
static int64_t less(int64_t a, int64_t b)
{
	int64_t v;

	return __builtin_sub_overflow(a, b, &v) ? (b > 0 ? INT64_MIN : INT64_MAX) : v;
}

int64_t books_part_amount(const struct books_part *p)
{
	return less(less(p->statement->price_nano, books_part_transfers(p, TRANSFER_REFUND)),
		    books_part_transfers(p, TRANSFER_SLA_CREDIT));
}

void books_view_margin(const struct books_view *v, struct books_margin *ret)
{
	const struct store_settlement *h = v->head;
	__int128 e2, half;

	*ret = (struct books_margin){.revenue_nano = less(less(h->price_nano, h->refunds_nano), h->sla_nano)};
	ret->margin_nano = less(ret->revenue_nano, h->cost_nano);
	if (ret->revenue_nano <= 0)
		return;
	half = ret->margin_nano < 0 ? -ret->revenue_nano / 2 : ret->revenue_nano / 2;
	e2 = ((__int128)ret->margin_nano * 10000 + half) / ret->revenue_nano;
	ret->have_percent = e2 <= INT64_MAX && e2 >= INT64_MIN;
	ret->percent_e2 = ret->have_percent ? (int64_t)e2 : 0;
}

void books_format_cents(int64_t cents, char buf[MONEY_TEXT_MAX])
{
	uint64_t abs = cents < 0 ? 0 - (uint64_t)cents : (uint64_t)cents;

	snprintf(buf, MONEY_TEXT_MAX, "%s%" PRIu64 ".%02u", cents < 0 ? "-" : "", abs / 100, (unsigned)(abs % 100));
}

void books_format_percent(const struct books_margin *m, char buf[MONEY_TEXT_MAX])
{
	books_format_cents(m->percent_e2, buf);
}

/* ---- where the lines come from */

struct lines_load {
	struct books_lines *lines;
	struct err *err;
};

static int take_line(const struct store_settlement_line *l, void *arg)
{
	struct lines_load *load = arg;

	return books_lines_add(load->lines, l, load->err);
}

static int load_settled(struct store *s, const struct books_statement_opts *o, struct books_figures *f, struct err *err)
{
	struct lines_load load = {&f->lines, err};
	int64_t from_ms, to_ms;
	int rc = books_period_parse(o->period, &from_ms, &to_ms, err);

	if (rc == 0)
		rc = store_settlement_get(s, o->period, &f->head, err);
	if (rc == ERR_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND, "%s is not settled (ask for a draft)", o->period);
	return rc < 0 ? rc : store_settlement_line_each(s, o->period, o->tenant, take_line, &load, err);
}

static int load_draft(struct store *s, const struct books_statement_opts *o, struct books_figures *f, struct err *err)
{
	struct books_figures_opts fo = {.period = o->period, .tenant = o->tenant};
	struct store_settlement settled;
	int rc = store_settlement_get(s, o->period, &settled, err);

	if (rc == 0)
		return err_set(err, ERR_EXISTS, "%s is settled: there is no draft of it any more", o->period);
	return rc == ERR_NOT_FOUND ? books_draft_figures(s, &fo, o->now_ms, f, err) : rc;
}

/* A provider may have a tenant's name: then its payables are among the lines, but not first. */
static bool has_statement(const struct books_figures *f)
{
	return f->lines.n && f->lines.v[0].kind == STORE_LINE_STATEMENT;
}

int books_statement(struct store *s, const struct books_statement_opts *o, struct buf *out, struct err *err)
{
	static void (*const write[])(const struct books_view *v, struct buf *out) = {
		[BOOKS_TEXT] = books_text_write, [BOOKS_JSON] = books_json_write, [BOOKS_CSV] = books_csv_write};
	struct books_figures f _cleanup_(books_figures_done) = {0};
	struct books_view v = {.head = &f.head, .tenant = o->tenant, .draft = o->draft};
	int rc = o->draft ? load_draft(s, o, &f, err) : load_settled(s, o, &f, err);

	if (rc < 0)
		return rc;
	if (o->tenant && !has_statement(&f))
		return err_set(err, ERR_NOT_FOUND,
			       "tenant \"%.64s\" has no statement in %s: nothing moved, and nothing was left over",
			       o->tenant, o->period);
	v.lines = f.lines.v;
	v.n = f.lines.n;
	write[o->format](&v, out);
	if (out->failed)
		return err_set(err, ERR_FULL, "the statement of %s is longer than what is given out at once",
			       o->period);
	return 0;
}
