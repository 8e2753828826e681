/* From JSON to what people read. Pure: no I/O, the clock is an argument. */
#ifndef CTL_VIEW_H
#define CTL_VIEW_H

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum view_format {
	VIEW_TEXT,
	VIEW_NUMBER,  /* 1,234,567; right-aligned */
	VIEW_BYTES,   /* 1.5 MiB */
	VIEW_WHEN,    /* Unix time in ms -> 2026-11-24 10:54:03 (UTC) */
	VIEW_EXPIRES, /* Unix time in ms -> "in 59m", "never" */
	VIEW_PERIOD_NS,
	VIEW_WAIT_MS, /* duration in ms */
	VIEW_MARK,    /* true -> "yes", false -> "" */
	VIEW_RATE,    /* per second, one decimal */
	VIEW_MONEY,   /* a decimal string -> 1,234.50; points of a column under each other */
};

struct view_column {
	const char *field; /* of each row's object; NULL ends */
	const char *title;
	enum view_format format;
};

/* An array of objects as an aligned table. */
void view_table(struct buf *out, json_t *rows, const struct view_column *columns, int64_t now_ms);
/* The same, page by page: titles before the first one only, columns only ever get wider. */
#define VIEW_COLUMNS_MAX 24u
struct view_pages {
	bool started;
	size_t width[VIEW_COLUMNS_MAX];
	size_t whole[VIEW_COLUMNS_MAX], decimals[VIEW_COLUMNS_MAX]; /* VIEW_MONEY: before the point, and from it on */
};
void view_table_page(struct buf *out, json_t *rows, const struct view_column *columns, struct view_pages *pages,
		     int64_t now_ms);
/* "name  value" lines of an object's scalars, in the given order; fields that aren't there are left out. */
void view_fields(struct buf *out, json_t *object, const struct view_column *fields, int64_t now_ms);
/* Columns of limits: an array of what GET /admin/v1/limits calls dimensions; `owner` adds one from that field. */
void view_limits_table(struct buf *out, json_t *rows, bool owner, int64_t now_ms);
/* Anything: scalars as lines, arrays of objects as tables with the fields' names as titles, objects indented. Names
 * that end in a unit (_ms, _ns, _bytes, ...) choose the format. */
void view_any(struct buf *out, json_t *value, unsigned indent, int64_t now_ms);

/* What stands at a path of names ("rule.rates.input"), as text; "" when it isn't there or no string. */
const char *view_text_at(json_t *object, const char *path);

/* One value as text. */
void view_value(struct buf *out, json_t *value, enum view_format format, int64_t now_ms);

#endif
