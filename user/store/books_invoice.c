/* Provider invoices as imported. */
#include "store/internal.h"

#include <stdio.h>
#include <string.h>

static void bind_count(struct query *q, uint64_t n)
{
	if (n == UINT64_MAX) /* the invoice doesn't say */
		query_null(q);
	else
		query_int(q, (int64_t)n);
}

static uint64_t read_count(struct query *q, int column)
{
	if (sqlite3_column_type(q->stmt, column) == SQLITE_NULL)
		return UINT64_MAX;
	return (uint64_t)sqlite3_column_int64(q->stmt, column);
}

static bool count_fits(uint64_t n)
{
	return n <= INT64_MAX || n == UINT64_MAX;
}

static int delete_lines(struct store *s, const char *provider, const char *period, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_INVOICE_DELETE, err);

	query_text(&q, provider);
	query_text(&q, period);
	return query_run(&q);
}

static int insert_lines(struct store *s, const char *provider, const char *period,
			const struct store_invoice_line *lines, size_t n, struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_INVOICE_INSERT, err);

	for (size_t i = 0; i < n; i++) {
		const struct store_invoice_line *l = &lines[i];
		int rc;

		if (!count_fits(l->calls) || !count_fits(l->input_tokens) || !count_fits(l->cached_input_tokens) ||
		    !count_fits(l->output_tokens))
			return err_set(err, ERR_RANGE, "invoice line %zu: a count is above 2^63", i + 1);
		query_again(&q);
		query_text(&q, provider);
		query_text(&q, period);
		query_text(&q, l->model);
		bind_count(&q, l->calls);
		bind_count(&q, l->input_tokens);
		bind_count(&q, l->cached_input_tokens);
		bind_count(&q, l->output_tokens);
		query_int(&q, l->amount_nano);
		rc = query_run(&q);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int store_invoice_put(struct store *s, const char *actor, const char *provider, const char *period,
		      const struct store_invoice_line *lines, size_t n, struct err *err)
{
	_cleanup_(txn_end) struct txn txn = TXN_INIT;
	int rc;

	rc = name_check("provider", provider, PRICE_NAME_MAX, err);
	if (rc == 0)
		rc = name_check("period", period, sizeof(lines->period), err);
	if (rc == 0)
		rc = txn_begin(&txn, s, err);
	if (rc == 0)
		rc = delete_lines(s, provider, period, err);
	if (rc == 0)
		rc = insert_lines(s, provider, period, lines, n, err);
	if (rc == 0)
		rc = audit_add(s, actor, "bill.invoice", provider, err, "period=%s lines=%zu", period, n);
	return rc < 0 ? rc : txn_commit(&txn, err);
}

int store_invoice_each(struct store *s, const char *provider, const char *period, store_invoice_cb cb, void *arg,
		       struct err *err)
{
	_cleanup_(query_done) struct query q = query_begin(s, STORE_SQL_INVOICE_EACH, err);
	int rc;

	query_text(&q, provider);
	query_text(&q, period);
	while ((rc = query_row(&q)) > 0) {
		struct store_invoice_line l = {
			.calls = read_count(&q, 3),
			.input_tokens = read_count(&q, 4),
			.cached_input_tokens = read_count(&q, 5),
			.output_tokens = read_count(&q, 6),
			.amount_nano = sqlite3_column_int64(q.stmt, 7),
		};

		query_column_text(&q, 0, l.provider, sizeof(l.provider));
		query_column_text(&q, 1, l.period, sizeof(l.period));
		query_column_text(&q, 2, l.model, sizeof(l.model));
		rc = cb(&l, arg);
		if (rc)
			return rc;
	}
	return rc;
}
