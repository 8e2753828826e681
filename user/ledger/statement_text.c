/* Statements that people read. */
#include "ledger/books_internal.h"
#include "ledger/text_table.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put_count(struct text_table *t, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	text_table_cell(t, text);
}

static void put_amount(struct text_table *t, int64_t nano)
{
	char text[MONEY_TEXT_MAX];

	money_format(nano, text);
	text_table_cell(t, text);
}

static void put_cents(struct text_table *t, int64_t cents)
{
	char text[MONEY_TEXT_MAX];

	books_format_cents(cents, text);
	text_table_cell(t, text);
}

static void put_cells(struct text_table *t, const char *const *texts)
{
	for (unsigned i = 0; i < t->n_columns; i++)
		text_table_cell(t, texts[i]);
}

/* "2026-11 (2026-11-01 to 2026-11-30, UTC)": days as people count them, the last one included. */
static void put_head(const struct books_view *v, const char *title, struct buf *out)
{
	char from[25], to[25], at[25];

	clock_format_wall(v->head->from_ms, from);
	clock_format_wall(v->head->to_ms - 1, to);
	clock_format_wall(v->head->settled_ms, at);
	buf_printf(out, "%s\n\n", title);
	if (v->tenant)
		buf_printf(out, "Tenant    %s\n", v->tenant);
	buf_printf(out, "Period    %s (%.10s to %.10s, UTC)\n", v->head->period, from, to);
	buf_printf(out, "Currency  %s\n", v->head->currency[0] ? v->head->currency : "-");
	if (v->draft)
		buf_puts(out, "Status    DRAFT: not settled, figures can still change\n");
	else
		buf_printf(out, "Status    settled on %.10s at %.5s by %s\n", at, at + 11, v->head->actor);
}

static void put_line_totals(struct text_table *t, const char *label, const struct store_settlement_line *l,
			    int64_t amount_nano)
{
	text_table_cell(t, label);
	put_count(t, l->calls);
	put_count(t, l->usage.input_tokens);
	put_count(t, l->usage.cached_input_tokens);
	put_count(t, l->usage.output_tokens);
	put_amount(t, amount_nano);
}

static const char *model_label(const struct store_settlement_line *l)
{
	return l->model[0] ? l->model : "(no provider reached)";
}

static void put_usage(const struct books_part *p, struct buf *out)
{
	static const char *const heading[] = {"model",          "calls",         "input tokens",
					      "of them cached", "output tokens", "amount"};
	struct text_table t _cleanup_(text_table_done) = {
		.n_columns = ARRAY_SIZE(heading),
		.align = {TEXT_LEFT, TEXT_RIGHT, TEXT_RIGHT, TEXT_RIGHT, TEXT_RIGHT, TEXT_POINT},
	};

	buf_puts(out, "\nCalls by model\n");
	if (!p->n_usage) {
		buf_puts(out, "  none\n");
		return;
	}
	put_cells(&t, heading);
	for (size_t i = 0; i < p->n_usage; i++)
		put_line_totals(&t, model_label(&p->usage[i]), &p->usage[i], p->usage[i].price_nano);
	text_table_rule(&t);
	put_line_totals(&t, "total", p->statement, p->statement->price_nano);
	text_table_write(&t, 2, out);
}

static void put_account(const struct books_part *p, struct buf *out)
{
	static const char *const label[TRANSFER_KINDS] = {
		[TRANSFER_DEPOSIT] = "deposits", [TRANSFER_ADJUSTMENT] = "adjustments",
		[TRANSFER_CHARGE] = "charges",   [TRANSFER_OVERAGE] = "charges above what was held",
		[TRANSFER_REFUND] = "refunds",   [TRANSFER_SLA_CREDIT] = "compensation (SLA)",
	};
	struct text_table t _cleanup_(text_table_done) = {.n_columns = 3, .align = {TEXT_LEFT, TEXT_RIGHT, TEXT_POINT}};

	buf_puts(out, "\nAccount\n");
	text_table_cell(&t, "opening balance");
	text_table_cell(&t, "");
	put_amount(&t, p->statement->opening_nano);
	for (size_t i = 0; i < p->n_transfers; i++) {
		unsigned kind = p->transfers[i].transfer_kind;

		text_table_cell(&t, kind < TRANSFER_KINDS && label[kind] ? label[kind] : "other");
		put_count(&t, p->transfers[i].calls);
		put_amount(&t, p->transfers[i].price_nano);
	}
	text_table_rule(&t);
	text_table_cell(&t, "closing balance");
	text_table_cell(&t, "");
	put_amount(&t, p->statement->closing_nano);
	text_table_write(&t, 2, out);
}

/* For what is shown as taken away. */
static int64_t negative(int64_t nano)
{
	return nano == INT64_MIN ? INT64_MAX : -nano;
}

static void put_pair(struct text_table *t, const char *label, int64_t nano)
{
	text_table_cell(t, label);
	put_amount(t, nano);
}

static void put_invoice(const struct books_part *p, struct buf *out)
{
	const struct store_settlement_line *l = p->statement;
	struct text_table t _cleanup_(text_table_done) = {.n_columns = 2, .align = {TEXT_LEFT, TEXT_POINT}};
	int64_t refunds = books_part_transfers(p, TRANSFER_REFUND), sla = books_part_transfers(p, TRANSFER_SLA_CREDIT);

	buf_puts(out, "\nInvoice\n");
	put_pair(&t, "charges", l->price_nano);
	if (refunds)
		put_pair(&t, "less refunds", negative(refunds));
	if (sla)
		put_pair(&t, "less compensation (SLA)", negative(sla));
	put_pair(&t, "carried in", l->carried_in_nano);
	text_table_rule(&t);
	text_table_cell(&t, "invoice, in whole cents");
	put_cents(&t, l->invoice_cents);
	put_pair(&t, "carried out", l->carried_out_nano);
	text_table_write(&t, 2, out);
	buf_puts(out,
		 "\n  Calls are charged exactly, invoices are in whole cents. What rounding leaves over (at most half "
		 "a\n"
		 "  cent, either way) is carried to the next invoice, so that invoices add up to the exact charges.\n");
	if (l->invoice_cents < 0)
		buf_puts(out, "  A negative invoice is a credit note.\n");
}

static void put_tenant(const struct books_view *v, struct buf *out)
{
	struct books_part p;
	size_t at = 0;

	put_head(v, "STATEMENT", out);
	if (!books_view_part(v, &at, &p))
		return;
	put_usage(&p, out);
	put_account(&p, out);
	put_invoice(&p, out);
}

/* ---- the whole */

/* Returns where the payables begin. */
static size_t put_tenants(const struct books_view *v, struct buf *out)
{
	static const char *const heading[] = {"tenant",     "calls",   "charges",     "refunds", "compensation",
					      "carried in", "invoice", "carried out", "balance"};
	struct text_table t _cleanup_(text_table_done) = {
		.n_columns = ARRAY_SIZE(heading),
		.align = {TEXT_LEFT, TEXT_RIGHT, TEXT_POINT, TEXT_POINT, TEXT_POINT, TEXT_POINT, TEXT_POINT, TEXT_POINT,
			  TEXT_POINT},
	};
	struct books_part p;
	size_t at = 0;

	buf_puts(out, "\nTenants\n");
	put_cells(&t, heading);
	while (books_view_part(v, &at, &p)) {
		text_table_cell(&t, p.statement->account);
		put_count(&t, p.statement->calls);
		put_amount(&t, p.statement->price_nano);
		put_amount(&t, books_part_transfers(&p, TRANSFER_REFUND));
		put_amount(&t, books_part_transfers(&p, TRANSFER_SLA_CREDIT));
		put_amount(&t, p.statement->carried_in_nano);
		put_cents(&t, p.statement->invoice_cents);
		put_amount(&t, p.statement->carried_out_nano);
		put_amount(&t, p.statement->closing_nano);
	}
	if (at)
		text_table_write(&t, 2, out);
	else
		buf_puts(out, "  none\n");
	return at;
}

static void put_payables(const struct books_view *v, size_t at, struct buf *out)
{
	static const char *const heading[] = {"provider",       "model",         "calls", "input tokens",
					      "of them cached", "output tokens", "cost"};
	struct text_table t _cleanup_(text_table_done) = {
		.n_columns = ARRAY_SIZE(heading),
		.align = {TEXT_LEFT, TEXT_LEFT, TEXT_RIGHT, TEXT_RIGHT, TEXT_RIGHT, TEXT_RIGHT, TEXT_POINT},
	};

	buf_puts(out, "\nPayable to providers\n");
	if (at == v->n) {
		buf_puts(out, "  none\n");
		return;
	}
	put_cells(&t, heading);
	for (size_t i = at; i < v->n; i++) {
		text_table_cell(&t, v->lines[i].account);
		put_line_totals(&t, v->lines[i].model, &v->lines[i], v->lines[i].cost_nano);
	}
	text_table_write(&t, 2, out);
}

static void put_totals(const struct books_view *v, struct buf *out)
{
	struct text_table t _cleanup_(text_table_done) = {.n_columns = 2, .align = {TEXT_LEFT, TEXT_POINT}};
	char percent[MONEY_TEXT_MAX];
	struct books_margin m;

	books_view_margin(v, &m);
	buf_printf(out, "\nResult (%" PRIu64 " call%s)\n", v->head->calls, v->head->calls == 1 ? "" : "s");
	put_pair(&t, "charges", v->head->price_nano);
	put_pair(&t, "less refunds", negative(v->head->refunds_nano));
	put_pair(&t, "less compensation (SLA)", negative(v->head->sla_nano));
	put_pair(&t, "revenue", m.revenue_nano);
	put_pair(&t, "less cost", negative(v->head->cost_nano));
	text_table_rule(&t);
	put_pair(&t, "margin", m.margin_nano);
	text_table_write(&t, 2, out);
	if (!m.have_percent)
		return;
	books_format_percent(&m, percent);
	buf_printf(out, "  %s %% of the revenue\n", percent);
}

void books_text_write(const struct books_view *v, struct buf *out)
{
	size_t at;

	if (v->tenant) {
		put_tenant(v, out);
		return;
	}
	put_head(v, "SETTLEMENT", out);
	at = put_tenants(v, out);
	put_payables(v, at, out);
	put_totals(v, out);
	if (v->draft)
		return;
	buf_puts(out, "\nSHA-256 ");
	for (size_t i = 0; i < sizeof(v->head->hash); i++)
		buf_printf(out, "%02x", v->head->hash[i]);
	buf_putc(out, '\n');
}
