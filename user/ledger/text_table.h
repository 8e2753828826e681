/* Columns of text, aligned: words to the left, counts to the right, amounts by their decimal point. */
#ifndef LEDGER_TEXT_TABLE_H
#define LEDGER_TEXT_TABLE_H

#include "base/buf.h"

#define TEXT_TABLE_COLUMNS 12

enum text_align { TEXT_LEFT, TEXT_RIGHT, TEXT_POINT };

struct text_table {
	unsigned n_columns;
	enum text_align align[TEXT_TABLE_COLUMNS];
	struct buf cells; /* NUL after each, row by row */
	unsigned column;  /* the next one */
};

/* Cells in order, row after row; the first row is a heading when the caller gives one. Controls become '?'. */
void text_table_cell(struct text_table *t, const char *text);
/* A line across, at the start of a row. */
void text_table_rule(struct text_table *t);
/* Writes it with `indent` blanks in front of each line, and forgets the cells. */
void text_table_write(struct text_table *t, unsigned indent, struct buf *out);
void text_table_done(struct text_table *t);

#endif
