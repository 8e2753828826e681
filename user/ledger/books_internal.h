/* What the files of the books' side (explain, reconcile, settlement, statement, invoice) share. */
#ifndef LEDGER_BOOKS_INTERNAL_H
#define LEDGER_BOOKS_INTERNAL_H

#include "ledger/books.h"

/* ---- price rules by id, each read once */
struct books_rules {
	struct price_rule *v; /* sorted by id */
	size_t n, cap;
};
/* *ret is valid until the next call. ERR_NOT_FOUND: the books have no such rule. */
int books_rules_get(struct books_rules *rules, struct store *s, int64_t id, const struct price_rule **ret,
		    struct err *err) MUST_CHECK;
void books_rules_done(struct books_rules *rules);

/* ---- all accounts, sorted by id */
struct books_accounts {
	struct account *v;
	size_t n, cap;
};
int books_accounts_load(struct books_accounts *accounts, struct store *s, struct err *err) MUST_CHECK;
const struct account *books_accounts_find(const struct books_accounts *accounts, int64_t id); /* NULL: none */
void books_accounts_done(struct books_accounts *accounts);

/* Room for one more element; ERR_NOMEM. */
int books_grow(void **v, size_t n, size_t *cap, size_t size, struct err *err) MUST_CHECK;

/* ---- explain.c: does the stored charge follow from its rule and tokens (K1)? `rule` NULL: there is none. *steps is
 * filled where there is something to compute; `why` says what is to be said of the record otherwise. */
enum books_verdict {
	BOOKS_MATCHES,
	BOOKS_RULE_MISSING,
	BOOKS_NOT_COMPUTABLE,
	BOOKS_CHARGED_FOR_NOTHING,
	BOOKS_COST_DIFFERS,
	BOOKS_PRICE_DIFFERS,
};
enum books_verdict books_recompute(const struct usage_record *r, const struct price_rule *rule,
				   struct price_steps *steps, char why[200]);

/* ---- figures.c: a period's figures, made from the books */
struct books_lines {
	struct store_settlement_line *v;
	size_t n, cap;
};
int books_lines_add(struct books_lines *lines, const struct store_settlement_line *l, struct err *err) MUST_CHECK;
void books_lines_done(struct books_lines *lines);

struct books_figures {
	struct store_settlement head; /* all but settled_ms, actor, last ids and hash */
	struct books_lines lines;     /* per tenant: STATEMENT, its USAGE, its TRANSFERS; then PAYABLE */
};
struct books_figures_opts {
	const char *period;
	const char *tenant; /* NULL: all; else without payables */
	bool closed;        /* nothing is posted meanwhile: usage and transfers have to agree, ERR_CORRUPT if not */
};
/* ERR_NOT_FOUND: no such tenant; ERR_RANGE: a sum doesn't fit. */
int books_figures_make(struct store *s, const struct books_figures_opts *o, struct books_figures *ret,
		       struct err *err) MUST_CHECK;
void books_figures_done(struct books_figures *f);
/* Token sums and calls of `from` added; ERR_RANGE. */
int books_line_add(struct store_settlement_line *to, const struct store_settlement_line *from,
		   struct err *err) MUST_CHECK;
/* Payables of a period per provider and upstream model; provider NULL = all. */
int books_payables(struct store *s, const char *provider, int64_t from_ms, int64_t to_ms, struct books_lines *ret,
		   struct err *err) MUST_CHECK;

/* ---- settlement.c */
/* The chain over a settlement and its lines: begin, then each line. */
int books_hash_head(const struct store_settlement *p, uint8_t hash[32], struct err *err) MUST_CHECK;
int books_hash_line(const struct store_settlement_line *l, uint8_t hash[32], struct err *err) MUST_CHECK;

/* ERR_INVAL: the period has not begun. */
int books_draft_figures(struct store *s, const struct books_figures_opts *o, int64_t now_ms, struct books_figures *ret,
			struct err *err) MUST_CHECK;

/* ---- statement*.c */
/* One tenant's part of the lines. */
struct books_part {
	const struct store_settlement_line *statement;
	const struct store_settlement_line *usage, *transfers; /* next to each other */
	size_t n_usage, n_transfers;
};
struct books_view {
	const struct store_settlement *head;
	const struct store_settlement_line *lines;
	size_t n;
	const char *tenant; /* NULL: the whole */
	bool draft;
};
/* The tenant's part at *at, which then is behind it; false: no tenant is left, *at is at the payables. */
bool books_view_part(const struct books_view *v, size_t *at, struct books_part *ret);
/* Credits less debits of one kind of transfer. */
int64_t books_part_transfers(const struct books_part *p, enum transfer_kind kind);
/* What is invoiced, exactly: charges less refunds less SLA credits. */
int64_t books_part_amount(const struct books_part *p);
/* Revenue less cost, and in hundredths of a percent of the revenue; false: without revenue there is no percentage. */
struct books_margin {
	int64_t revenue_nano, margin_nano;
	bool have_percent;
	int64_t percent_e2;
};
void books_view_margin(const struct books_view *v, struct books_margin *ret);
void books_format_cents(int64_t cents, char buf[MONEY_TEXT_MAX]);
void books_format_percent(const struct books_margin *m, char buf[MONEY_TEXT_MAX]);

void books_text_write(const struct books_view *v, struct buf *out);
void books_json_write(const struct books_view *v, struct buf *out);
void books_csv_write(const struct books_view *v, struct buf *out);

/* ---- reports */
/* The next difference; those past the first ones are counted only. subject NULL: from the difference. */
void books_report_add(struct books_report *r, const struct store_difference *d, const char *subject);

#endif
