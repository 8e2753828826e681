/* Statements as JSON: amounts as decimal strings, names as in docs/billing.md. */
#include "ledger/books_internal.h"

#include <inttypes.h>
#include <string.h>

static void put_name(struct buf *b, const char *name)
{
	/* A comma unless it is the first in its object. */
	if (b->len && b->data[b->len - 1] != '{')
		buf_putc(b, ',');
	buf_printf(b, "\"%s\":", name);
}

static void put_text(struct buf *b, const char *name, const char *value)
{
	put_name(b, name);
	buf_put_json_string(b, value, strlen(value));
}

static void put_amount(struct buf *b, const char *name, int64_t nano)
{
	char text[MONEY_TEXT_MAX];

	money_format(nano, text);
	put_text(b, name, text);
}

static void put_count(struct buf *b, const char *name, uint64_t n)
{
	put_name(b, name);
	buf_printf(b, "%" PRIu64, n);
}

static void put_ms(struct buf *b, const char *name, int64_t ms)
{
	put_name(b, name);
	buf_printf(b, "%" PRId64, ms);
}

static void put_model(struct buf *b, const char *name, const char *model)
{
	if (*model) {
		put_text(b, name, model);
	} else { /* no provider was reached */
		put_name(b, name);
		buf_puts(b, "null");
	}
}

static void put_tokens(struct buf *b, const struct usage *u)
{
	put_count(b, "input_tokens", u->input_tokens);
	put_count(b, "cached_input_tokens", u->cached_input_tokens);
	put_count(b, "cache_write_tokens", u->cache_write_tokens);
	put_count(b, "output_tokens", u->output_tokens);
	put_count(b, "reasoning_tokens", u->reasoning_tokens);
}

static void put_head(struct buf *b, const struct books_view *v)
{
	const struct store_settlement *h = v->head;

	put_text(b, "period", h->period);
	put_ms(b, "from_ms", h->from_ms);
	put_ms(b, "to_ms", h->to_ms);
	put_text(b, "currency", h->currency);
	put_name(b, "draft");
	buf_puts(b, v->draft ? "true" : "false");
	if (v->draft)
		return;
	put_ms(b, "settled_ms", h->settled_ms);
	put_text(b, "settled_by", h->actor);
	put_name(b, "hash");
	buf_putc(b, '"');
	for (size_t i = 0; i < sizeof(h->hash); i++)
		buf_printf(b, "%02x", h->hash[i]);
	buf_putc(b, '"');
}

static void put_models(struct buf *b, const struct books_part *p)
{
	put_name(b, "models");
	buf_putc(b, '[');
	for (size_t i = 0; i < p->n_usage; i++) {
		buf_puts(b, i ? ",{" : "{");
		put_model(b, "model", p->usage[i].model);
		put_count(b, "calls", p->usage[i].calls);
		put_tokens(b, &p->usage[i].usage);
		put_amount(b, "amount", p->usage[i].price_nano);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

static void put_transfers(struct buf *b, const struct books_part *p)
{
	put_name(b, "transfers");
	buf_putc(b, '[');
	for (size_t i = 0; i < p->n_transfers; i++) {
		buf_puts(b, i ? ",{" : "{");
		put_text(b, "kind", books_transfer_name((enum transfer_kind)p->transfers[i].transfer_kind));
		put_count(b, "count", p->transfers[i].calls);
		put_amount(b, "amount", p->transfers[i].price_nano);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

static void put_part(struct buf *b, const struct books_part *p)
{
	const struct store_settlement_line *l = p->statement;
	char cents[MONEY_TEXT_MAX];

	put_text(b, "tenant", l->account);
	put_count(b, "calls", l->calls);
	put_tokens(b, &l->usage);
	put_amount(b, "opening_balance", l->opening_nano);
	put_amount(b, "closing_balance", l->closing_nano);
	put_amount(b, "charges", l->price_nano);
	put_amount(b, "refunds", books_part_transfers(p, TRANSFER_REFUND));
	put_amount(b, "sla_credits", books_part_transfers(p, TRANSFER_SLA_CREDIT));
	put_amount(b, "amount", books_part_amount(p));
	put_amount(b, "carried_in", l->carried_in_nano);
	books_format_cents(l->invoice_cents, cents);
	put_text(b, "invoice", cents);
	put_amount(b, "carried_out", l->carried_out_nano);
	put_models(b, p);
	put_transfers(b, p);
}

static void put_totals(struct buf *b, const struct books_view *v)
{
	struct books_margin m;
	char percent[MONEY_TEXT_MAX];

	books_view_margin(v, &m);
	put_count(b, "calls", v->head->calls);
	put_amount(b, "charges", v->head->price_nano);
	put_amount(b, "refunds", v->head->refunds_nano);
	put_amount(b, "sla_credits", v->head->sla_nano);
	put_amount(b, "revenue", m.revenue_nano);
	put_amount(b, "cost", v->head->cost_nano);
	put_amount(b, "margin", m.margin_nano);
	if (m.have_percent) {
		books_format_percent(&m, percent);
		put_text(b, "margin_percent", percent);
	}
}

static void put_payables(struct buf *b, const struct books_view *v, size_t at)
{
	put_name(b, "payables");
	buf_putc(b, '[');
	for (size_t i = at; i < v->n; i++) {
		buf_puts(b, i > at ? ",{" : "{");
		put_text(b, "provider", v->lines[i].account);
		put_text(b, "model", v->lines[i].model);
		put_count(b, "calls", v->lines[i].calls);
		put_tokens(b, &v->lines[i].usage);
		put_amount(b, "cost", v->lines[i].cost_nano);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

void books_json_write(const struct books_view *v, struct buf *out)
{
	struct books_part p;
	bool first = true;
	size_t at = 0;

	buf_putc(out, '{');
	put_head(out, v);
	if (v->tenant) {
		if (books_view_part(v, &at, &p))
			put_part(out, &p);
		buf_puts(out, "}\n");
		return;
	}
	put_totals(out, v);
	put_name(out, "tenants");
	buf_putc(out, '[');
	for (; !out->failed && books_view_part(v, &at, &p); first = false) {
		buf_puts(out, first ? "{" : ",{");
		put_part(out, &p);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
	put_payables(out, v, at);
	buf_puts(out, "}\n");
}
