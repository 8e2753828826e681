/* Providers' invoices as CSV. All errors are reported, each with its line, and nothing is taken when there is one. */
#include "ledger/books_internal.h"

#include "base/num.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LINES_MAX 100000u
#define CELLS_MAX 32u

enum column { COL_MODEL, COL_AMOUNT, COL_CALLS, COL_INPUT, COL_CACHED, COL_OUTPUT, COLUMNS };
static const char *const column_names[COLUMNS] = {
	"model", "amount", "calls", "input_tokens", "cached_input_tokens", "output_tokens",
};
#define KNOWN_COLUMNS "model, amount, calls, input_tokens, cached_input_tokens, output_tokens"

/* A cell's text lies in `parsing.text`: quotes taken off, unquoted blanks at its ends too. */
struct cell {
	size_t at, len;
};

struct parsing {
	const char *s, *end;
	unsigned line;     /* of s */
	unsigned row_line; /* where the row began */
	struct buf text;   /* of the row's cells */
	struct cell cells[CELLS_MAX];
	unsigned n_cells;   /* more than CELLS_MAX are counted only */
	bool blank;         /* a line without anything */
	int place[COLUMNS]; /* of a column among the cells; -1 = absent */
	unsigned n_columns;
	int64_t sum_nano;

	struct store_invoice_line *lines;
	unsigned *line_numbers;
	size_t n, cap, cap_numbers;

	struct books_invoice_error *errors;
	size_t n_errors, max_errors, all_errors;
};

static void parsing_done(struct parsing *p)
{
	buf_done(&p->text);
	free(p->lines);
	free(p->line_numbers);
}

static void fault(struct parsing *p, unsigned line, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void fault(struct parsing *p, unsigned line, const char *fmt, ...)
{
	struct books_invoice_error *e;
	va_list ap;

	p->all_errors++;
	if (p->n_errors == p->max_errors)
		return;
	e = &p->errors[p->n_errors++];
	e->line = line;
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
}

/* ---- rows and cells (RFC 4180; lines end with LF too) */

static bool at_line_end(const struct parsing *p)
{
	return p->s == p->end || *p->s == '\n' || (*p->s == '\r' && p->s + 1 < p->end && p->s[1] == '\n');
}

static void skip_line_end(struct parsing *p)
{
	if (p->s < p->end && *p->s == '\r')
		p->s++;
	if (p->s < p->end && *p->s == '\n')
		p->s++;
	p->line++;
}

static void skip_blanks(struct parsing *p)
{
	while (p->s < p->end && (*p->s == ' ' || *p->s == '\t'))
		p->s++;
}

/* False: the row can't be read; the rest of its line is skipped. */
static bool read_quoted(struct parsing *p)
{
	p->s++;
	for (; p->s < p->end; p->s++) {
		if (*p->s == '\n')
			p->line++;
		if (*p->s != '"') {
			buf_putc(&p->text, *p->s);
			continue;
		}
		if (p->s + 1 == p->end || p->s[1] != '"')
			break;
		p->s++;
		buf_putc(&p->text, '"');
	}
	if (p->s == p->end) {
		fault(p, p->row_line, "a quotation mark is not closed before the end");
		return false;
	}
	p->s++;
	skip_blanks(p);
	if (at_line_end(p) || *p->s == ',')
		return true;
	fault(p, p->row_line, "there is something between a closing quotation mark and the comma");
	return false;
}

static bool read_plain(struct parsing *p)
{
	size_t start = p->text.len;

	for (; !at_line_end(p) && *p->s != ','; p->s++) {
		if (*p->s == '"') {
			fault(p, p->row_line, "a quotation mark inside a cell that doesn't begin with one");
			return false;
		}
		buf_putc(&p->text, *p->s);
	}
	while (p->text.len > start && (p->text.data[p->text.len - 1] == ' ' || p->text.data[p->text.len - 1] == '\t'))
		p->text.len--;
	return true;
}

static bool read_cell(struct parsing *p)
{
	size_t at = p->text.len;

	skip_blanks(p);
	if (p->s < p->end && *p->s == '"' ? !read_quoted(p) : !read_plain(p))
		return false;
	if (p->n_cells < CELLS_MAX)
		p->cells[p->n_cells] = (struct cell){at, p->text.len - at};
	p->n_cells++;
	return true;
}

/* False: it has an error. Either way the next line is next. */
static bool read_row(struct parsing *p)
{
	bool well;

	buf_reset(&p->text);
	p->n_cells = 0;
	p->row_line = p->line;
	while ((well = read_cell(p)) && p->s < p->end && *p->s == ',')
		p->s++;
	while (!at_line_end(p))
		p->s++;
	skip_line_end(p);
	p->blank = well && p->n_cells == 1 && p->cells[0].len == 0;
	if (well && p->n_cells > CELLS_MAX) {
		fault(p, p->row_line, "%u cells, at most %u are read", p->n_cells, CELLS_MAX);
		return false;
	}
	return well;
}

static const char *cell_text(const struct parsing *p, unsigned i, size_t *ret_len)
{
	*ret_len = p->cells[i].len;
	return p->text.data ? p->text.data + p->cells[i].at : "";
}

/* ---- the header */

static int column_of(const char *s, size_t len)
{
	for (int c = 0; c < COLUMNS; c++)
		if (strlen(column_names[c]) == len && strncasecmp(column_names[c], s, len) == 0)
			return c;
	return -1;
}

/* For messages: what was given, without what would garble a terminal. */
static void printable(const char *s, size_t len, char out[64])
{
	size_t n = 0;

	for (; n < len && n < 63; n++)
		out[n] = (unsigned char)s[n] < 0x20 || s[n] == 0x7f ? '?' : s[n];
	out[n] = '\0';
}

static void read_header(struct parsing *p)
{
	char shown[64];
	size_t len;

	p->n_columns = p->n_cells;
	for (unsigned i = 0; i < p->n_cells; i++) {
		const char *s = cell_text(p, i, &len);
		int c = column_of(s, len);

		printable(s, len, shown);
		if (c < 0)
			fault(p, p->row_line, "column %u: no such column \"%s\"; known ones: " KNOWN_COLUMNS, i + 1,
			      shown);
		else if (p->place[c] >= 0)
			fault(p, p->row_line, "column %u: \"%s\" is there twice", i + 1, shown);
		else
			p->place[c] = (int)i;
	}
	for (int c = COL_MODEL; c <= COL_AMOUNT; c++)
		if (p->place[c] < 0)
			fault(p, p->row_line, "column \"%s\" is missing", column_names[c]);
}

/* ---- one line's values */

static bool is_utf8(const char *s, size_t len)
{
	size_t n;

	for (; len; s += n, len -= n)
		if (!(n = utf8_sequence_len(s, len)))
			return false;
	return true;
}

static bool read_model(struct parsing *p, struct store_invoice_line *l)
{
	size_t len;
	const char *s = cell_text(p, (unsigned)p->place[COL_MODEL], &len);

	if (len == 0 || len >= sizeof(l->model)) {
		fault(p, p->row_line, "model: %zu bytes, 1 to %zu are possible", len, sizeof(l->model) - 1);
		return false;
	}
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f) {
			fault(p, p->row_line, "model: control characters");
			return false;
		}
	if (!is_utf8(s, len)) {
		fault(p, p->row_line, "model: not UTF-8");
		return false;
	}
	memcpy(l->model, s, len);
	l->model[len] = '\0';
	return true;
}

static bool read_amount(struct parsing *p, struct store_invoice_line *l)
{
	struct err why = {0};
	char shown[64];
	size_t len;
	const char *s = cell_text(p, (unsigned)p->place[COL_AMOUNT], &len);
	int64_t sum;

	printable(s, len, shown);
	if (len == 0) {
		fault(p, p->row_line, "amount: missing");
		return false;
	}
	if (money_parse(s, len, &l->amount_nano, &why) < 0) {
		fault(p, p->row_line,
		      why.code == ERR_RANGE
			      ? "amount: \"%s\" is too large"
			      : "amount: \"%s\" is not a number like 1234.56 (at most nine decimals, a point, "
				"no currency or thousands separator)",
		      shown);
		return false;
	}
	if (money_add(p->sum_nano, l->amount_nano, &sum) < 0) {
		fault(p, p->row_line, "amount: the sum of all lines is too large");
		return false;
	}
	p->sum_nano = sum;
	return true;
}

/* An absent column or an empty cell: the invoice doesn't say. */
static bool read_count(struct parsing *p, enum column c, uint64_t *ret)
{
	char shown[64];
	const char *s;
	uint64_t v;
	size_t len;

	*ret = UINT64_MAX;
	if (p->place[c] < 0)
		return true;
	s = cell_text(p, (unsigned)p->place[c], &len);
	if (len == 0)
		return true;
	if (num_parse_u64(s, len, &v) == 0 && v <= USAGE_TOKENS_MAX) {
		*ret = v;
		return true;
	}
	printable(s, len, shown);
	fault(p, p->row_line, "%s: \"%s\" is not a whole number from 0 to 2^53", column_names[c], shown);
	return false;
}

static bool read_values(struct parsing *p, struct store_invoice_line *l)
{
	bool well = true;

	/* Each is looked at, so that one pass reports all. */
	well &= read_model(p, l);
	well &= read_amount(p, l);
	well &= read_count(p, COL_CALLS, &l->calls);
	well &= read_count(p, COL_INPUT, &l->input_tokens);
	well &= read_count(p, COL_CACHED, &l->cached_input_tokens);
	well &= read_count(p, COL_OUTPUT, &l->output_tokens);
	if (well && l->input_tokens != UINT64_MAX && l->cached_input_tokens != UINT64_MAX &&
	    l->cached_input_tokens > l->input_tokens) {
		fault(p, p->row_line, "cached_input_tokens: %" PRIu64 " of %" PRIu64 " input tokens",
		      l->cached_input_tokens, l->input_tokens);
		return false;
	}
	return well;
}

static int read_line(struct parsing *p, struct err *err)
{
	struct store_invoice_line l = {0};
	int rc;

	if (p->n_cells != p->n_columns) {
		fault(p, p->row_line, "%u cells, but the header has %u", p->n_cells, p->n_columns);
		return 0;
	}
	if (!read_values(p, &l))
		return 0;
	rc = books_grow((void **)&p->lines, p->n, &p->cap, sizeof(*p->lines), err);
	if (rc == 0)
		rc = books_grow((void **)&p->line_numbers, p->n, &p->cap_numbers, sizeof(*p->line_numbers), err);
	if (rc < 0)
		return rc;
	p->lines[p->n] = l;
	p->line_numbers[p->n++] = p->row_line;
	return 0;
}

/* ---- a model twice: a provider's export has one line per model, so one of two would be a mistake */

static int by_model(const void *a, const void *b, void *arg)
{
	const struct parsing *p = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	int c = strcmp(p->lines[x].model, p->lines[y].model);

	return c ? c : (x > y) - (x < y);
}

static int find_doubles(struct parsing *p, struct err *err)
{
	size_t *order _cleanup_(freep) = calloc(p->n + 1, sizeof(*order));

	if (!order)
		return err_set(err, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < p->n; i++)
		order[i] = i;
	qsort_r(order, p->n, sizeof(*order), by_model, p);
	for (size_t i = 1, first = 0; i < p->n; i++) {
		if (strcmp(p->lines[order[i]].model, p->lines[order[first]].model) != 0)
			first = i;
		else
			fault(p, p->line_numbers[order[i]], "model \"%.64s\" is in line %u already",
			      p->lines[order[i]].model, p->line_numbers[order[first]]);
	}
	return 0;
}

static int by_line(const void *a, const void *b)
{
	const struct books_invoice_error *x = a, *y = b;

	return (x->line > y->line) - (x->line < y->line);
}

/* ---- all of it */

static int read_rows(struct parsing *p, struct err *err)
{
	bool header = false;
	int rc = 0;

	while (rc == 0 && p->s < p->end) {
		bool well = read_row(p);

		if (p->text.failed)
			return err_set(err, ERR_NOMEM, "out of memory");
		if (p->blank)
			continue;
		if (!header) {
			header = true;
			if (well)
				read_header(p);
			/* Without columns the lines can't be read. */
			if (p->all_errors)
				return 0;
		} else if (p->n == LINES_MAX) {
			fault(p, p->row_line, "more than %u lines", LINES_MAX);
			return 0;
		} else if (well) {
			rc = read_line(p, err);
		}
	}
	if (rc == 0 && !header)
		fault(p, 1, "it is empty: want a header line with the columns " KNOWN_COLUMNS);
	else if (rc == 0 && !p->n && !p->all_errors)
		fault(p, p->row_line, "there are no lines under the header");
	return rc;
}

static void skip_byte_order_mark(struct parsing *p)
{
	if (p->end - p->s >= 3 && memcmp(p->s, "\xef\xbb\xbf", 3) == 0)
		p->s += 3;
}

int books_invoice_parse(const char *text, size_t len, struct store_invoice_line **ret, size_t *ret_n,
			struct books_invoice_error *errors, size_t *n_errors, struct err *err)
{
	struct parsing p _cleanup_(parsing_done) = {
		.s = text, .end = text + len, .line = 1, .errors = errors, .max_errors = *n_errors};
	int rc;

	for (unsigned c = 0; c < COLUMNS; c++)
		p.place[c] = -1;
	skip_byte_order_mark(&p);
	rc = read_rows(&p, err);
	if (rc == 0)
		rc = find_doubles(&p, err);
	if (rc < 0)
		return rc;
	if (p.n_errors)
		qsort(errors, p.n_errors, sizeof(*errors), by_line);
	*n_errors = p.n_errors;
	if (p.all_errors)
		return err_set(err, ERR_INVAL, "invoice: %zu error%s, the first in line %u: %s", p.all_errors,
			       p.all_errors == 1 ? "" : "s", p.n_errors ? errors[0].line : 0,
			       p.n_errors ? errors[0].msg : "not shown");
	*ret = take_ptr(&p.lines);
	*ret_n = p.n;
	return 0;
}
