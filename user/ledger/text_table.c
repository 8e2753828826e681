#include "ledger/text_table.h"

#include <string.h>

#define RULE_CELL "\001" /* no cell's text: controls are replaced */
#define GAP 2

/* Of one column: before the point and from it on; words and counts have no second part. */
struct width {
	size_t whole, part;
};

void text_table_cell(struct text_table *t, const char *text)
{
	for (; *text; text++)
		buf_putc(&t->cells, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
	buf_putc(&t->cells, '\0');
	t->column = (t->column + 1) % t->n_columns;
}

void text_table_rule(struct text_table *t)
{
	buf_append(&t->cells, RULE_CELL, sizeof(RULE_CELL));
}

void text_table_done(struct text_table *t)
{
	buf_done(&t->cells);
}

/* Characters of UTF-8, as wide as they are in most scripts. */
static size_t characters(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

/* Headings have letters: they stand to the right, and don't count for the point's place. */
static bool is_amount(const char *cell)
{
	return *cell && !cell[strspn(cell, "-0123456789.%")];
}

static void measure(struct width *w, enum text_align align, const char *cell)
{
	size_t len = strlen(cell), point = len, n;

	if (align == TEXT_POINT && is_amount(cell))
		point = strcspn(cell, ".");
	n = characters(cell, point);
	if (align == TEXT_POINT && !is_amount(cell))
		return;
	if (n > w->whole)
		w->whole = n;
	if (len - point > w->part)
		w->part = len - point;
}

static void measure_all(const struct text_table *t, struct width *w)
{
	const char *end = t->cells.data + t->cells.len;
	unsigned column = 0;

	for (unsigned pass = 0; pass < 2; pass++) {
		for (const char *c = t->cells.data; c < end; c += strlen(c) + 1) {
			size_t n = characters(c, strlen(c));

			if (*c == *RULE_CELL)
				continue;
			if (pass == 0)
				measure(&w[column], t->align[column], c);
			else if (n > w[column].whole + w[column].part)
				w[column].whole = n - w[column].part;
			column = (column + 1) % t->n_columns;
		}
	}
}

static void blanks(struct buf *out, size_t n)
{
	while (n--)
		buf_putc(out, ' ');
}

static void write_cell(const char *cell, enum text_align align, const struct width *w, struct buf *out)
{
	size_t n = characters(cell, strlen(cell)), all = w->whole + w->part, before = 0;

	if (align == TEXT_POINT && is_amount(cell))
		before = w->whole - strcspn(cell, ".");
	else if (align != TEXT_LEFT)
		before = all - n;
	blanks(out, before);
	buf_puts(out, cell);
	blanks(out, all - before - n);
}

static void end_line(struct buf *out)
{
	while (out->len && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	buf_putc(out, '\n');
}

static void write_rule(const struct text_table *t, const struct width *w, unsigned indent, struct buf *out)
{
	size_t n = GAP * (t->n_columns - 1u);

	for (unsigned i = 0; i < t->n_columns; i++)
		n += w[i].whole + w[i].part;
	blanks(out, indent);
	while (n--)
		buf_putc(out, '-');
	end_line(out);
}

void text_table_write(struct text_table *t, unsigned indent, struct buf *out)
{
	struct width w[TEXT_TABLE_COLUMNS] = {0};
	const char *end = t->cells.data + t->cells.len;
	unsigned column = 0;

	if (t->cells.failed)
		out->failed = true;
	if (t->cells.failed || !t->cells.len)
		return;
	measure_all(t, w);
	for (const char *c = t->cells.data; c < end; c += strlen(c) + 1) {
		if (*c == *RULE_CELL) {
			write_rule(t, w, indent, out);
			continue;
		}
		blanks(out, column ? GAP : indent);
		write_cell(c, t->align[column], &w[column], out);
		column = (column + 1) % t->n_columns;
		if (column == 0)
			end_line(out);
	}
	buf_reset(&t->cells);
}
