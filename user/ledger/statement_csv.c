/* Statements as CSV (RFC 4180): one header, one figure's amount a line. A text that a spreadsheet would take for a
 * formula gets an apostrophe in front; amounts don't: they are numbers, also when negative. */
#include "ledger/books_internal.h"

#include <inttypes.h>
#include <string.h>

/* Columns: what the figure is of (account), which it is (line), its detail (item: model, kind of transfer). */
#define HEADER                                                                                                         \
	"period,currency,status,account,line,item,calls,input_tokens,cached_input_tokens,cache_write_tokens,"          \
	"output_tokens,amount\r\n"

static void put_text(struct buf *b, const char *s)
{
	bool formula = *s && strchr("=+-@\t\r", *s);

	if (!formula && !s[strcspn(s, ",\"\r\n")]) {
		buf_puts(b, s);
		return;
	}
	buf_puts(b, formula ? "\"'" : "\"");
	for (; *s; s++) {
		if (*s == '"')
			buf_putc(b, '"');
		buf_putc(b, *s);
	}
	buf_putc(b, '"');
}

struct row {
	const char *account, *line, *item;
	const uint64_t *calls;
	const struct usage *usage;
	const char *amount;
};

static void put_row(const struct books_view *v, const struct row *r, struct buf *b)
{
	put_text(b, v->head->period);
	buf_putc(b, ',');
	put_text(b, v->head->currency);
	buf_printf(b, ",%s,", v->draft ? "draft" : "settled");
	put_text(b, r->account);
	buf_printf(b, ",%s,", r->line);
	put_text(b, r->item);
	buf_putc(b, ',');
	if (r->calls)
		buf_printf(b, "%" PRIu64, *r->calls);
	if (r->usage)
		buf_printf(b, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, r->usage->input_tokens,
			   r->usage->cached_input_tokens, r->usage->cache_write_tokens, r->usage->output_tokens);
	else
		buf_puts(b, ",,,,");
	buf_printf(b, ",%s\r\n", r->amount);
}

static void put_amount(const struct books_view *v, const char *account, const char *line, int64_t nano, struct buf *b)
{
	struct row r = {.account = account, .line = line, .item = ""};
	char amount[MONEY_TEXT_MAX];

	money_format(nano, amount);
	r.amount = amount;
	put_row(v, &r, b);
}

static void put_line(const struct books_view *v, const struct store_settlement_line *l, struct buf *b)
{
	struct row r = {.account = l->account, .line = "usage", .item = l->model, .calls = &l->calls};
	char amount[MONEY_TEXT_MAX];

	if (l->kind == STORE_LINE_TRANSFERS) {
		r.line = "transfers";
		r.item = books_transfer_name((enum transfer_kind)l->transfer_kind);
	} else {
		r.usage = &l->usage;
	}
	if (l->kind == STORE_LINE_PAYABLE)
		r.line = "payable";
	money_format(l->kind == STORE_LINE_PAYABLE ? l->cost_nano : l->price_nano, amount);
	r.amount = amount;
	put_row(v, &r, b);
}

static void put_part(const struct books_view *v, const struct books_part *p, struct buf *b)
{
	const struct store_settlement_line *l = p->statement;
	struct row charges = {
		.account = l->account, .line = "charges", .item = "", .calls = &l->calls, .usage = &l->usage};
	char text[MONEY_TEXT_MAX];

	put_amount(v, l->account, "opening_balance", l->opening_nano, b);
	for (size_t i = 0; i < p->n_usage; i++)
		put_line(v, &p->usage[i], b);
	for (size_t i = 0; i < p->n_transfers; i++)
		put_line(v, &p->transfers[i], b);
	put_amount(v, l->account, "closing_balance", l->closing_nano, b);
	money_format(l->price_nano, text);
	charges.amount = text;
	put_row(v, &charges, b);
	put_amount(v, l->account, "amount", books_part_amount(p), b);
	put_amount(v, l->account, "carried_in", l->carried_in_nano, b);
	books_format_cents(l->invoice_cents, text);
	put_row(v, &(struct row){.account = l->account, .line = "invoice", .item = "", .amount = text}, b);
	put_amount(v, l->account, "carried_out", l->carried_out_nano, b);
}

static void put_totals(const struct books_view *v, struct buf *b)
{
	struct books_margin m;
	char text[MONEY_TEXT_MAX];

	books_view_margin(v, &m);
	money_format(v->head->price_nano, text);
	put_row(v,
		&(struct row){
			.account = "", .line = "total_charges", .item = "", .calls = &v->head->calls, .amount = text},
		b);
	put_amount(v, "", "total_refunds", v->head->refunds_nano, b);
	put_amount(v, "", "total_sla_credits", v->head->sla_nano, b);
	put_amount(v, "", "total_revenue", m.revenue_nano, b);
	put_amount(v, "", "total_cost", v->head->cost_nano, b);
	put_amount(v, "", "total_margin", m.margin_nano, b);
}

void books_csv_write(const struct books_view *v, struct buf *out)
{
	struct books_part p;
	size_t at = 0;

	buf_puts(out, HEADER);
	while (!out->failed && books_view_part(v, &at, &p)) {
		put_part(v, &p, out);
		if (v->tenant)
			return;
	}
	for (; at < v->n; at++)
		put_line(v, &v->lines[at], out);
	put_totals(v, out);
}
