#include "ctl/view.h"

#include "base/clock.h"
#include "base/num.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- values */

static void put_grouped(struct buf *out, int64_t v)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRId64, v);

	for (int i = 0; i < n; i++) {
		buf_putc(out, digits[i]);
		if (digits[i] != '-' && i + 1 < n && (n - i - 1) % 3 == 0)
			buf_putc(out, ',');
	}
}

static void put_bytes(struct buf *out, int64_t v)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double x = (double)v;
	size_t i = 0;

	for (; x >= 1024 && i + 1 < ARRAY_SIZE(units); i++)
		x /= 1024;
	buf_printf(out, i ? "%.1f %s" : "%.0f %s", x, units[i]);
}

/* Two units are enough for people: "3d 4h", "59m 12s", "250ms". */
static void put_duration_ms(struct buf *out, int64_t ms)
{
	static const struct {
		int64_t ms;
		const char *name;
	} units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
	int shown = 0;

	if (ms < 0) {
		buf_putc(out, '-');
		ms = -ms;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units) && shown < 2; i++) {
		bool minor = units[i].ms == 1 && shown; /* no milliseconds beside larger units */

		if (ms < units[i].ms || minor)
			continue;
		buf_printf(out, "%s%" PRId64 "%s", shown ? " " : "", ms / units[i].ms, units[i].name);
		ms %= units[i].ms;
		shown++;
	}
	if (!shown)
		buf_puts(out, "0s");
}

static void put_when(struct buf *out, int64_t ms)
{
	char text[25];

	if (!ms) {
		buf_putc(out, '-');
		return;
	}
	clock_format_wall(ms, text);
	buf_printf(out, "%.10s %.8s", text, text + 11);
}

static void put_expires(struct buf *out, int64_t ms, int64_t now_ms)
{
	if (!ms) {
		buf_puts(out, "never");
	} else if (ms <= now_ms) {
		buf_puts(out, "expired");
	} else {
		buf_puts(out, "in ");
		put_duration_ms(out, ms - now_ms);
	}
}

static void put_number(struct buf *out, int64_t v, enum view_format format, int64_t now_ms)
{
	char text[32];

	switch (format) {
	case VIEW_BYTES:
		put_bytes(out, v);
		break;
	case VIEW_WHEN:
		put_when(out, v);
		break;
	case VIEW_EXPIRES:
		put_expires(out, v, now_ms);
		break;
	case VIEW_PERIOD_NS:
		num_format_duration((uint64_t)v, text);
		buf_puts(out, text);
		break;
	case VIEW_WAIT_MS:
		put_duration_ms(out, v);
		break;
	case VIEW_NUMBER:
		put_grouped(out, v);
		break;
	case VIEW_RATE:
		put_grouped(out, v);
		buf_puts(out, "/s");
		break;
	case VIEW_TEXT:
	case VIEW_MARK:
	case VIEW_MONEY:
		buf_printf(out, "%" PRId64, v);
		break;
	}
}

/* The gateway's texts may hold what others typed: a control character must not reach the terminal. */
static void put_clean(struct buf *out, const char *text)
{
	for (; *text; text++)
		buf_putc(out, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

/* Thousands apart before the point; what isn't a decimal number, as it is. */
static void put_money(struct buf *out, const char *text)
{
	size_t sign = *text == '-', whole = strspn(text + sign, "0123456789");

	if (!whole || text[sign + whole + strspn(text + sign + whole, ".0123456789")]) {
		put_clean(out, text);
		return;
	}
	buf_append(out, text, sign);
	for (size_t i = 0; i < whole; i++) {
		buf_putc(out, text[sign + i]);
		if (i + 1 < whole && (whole - i - 1) % 3 == 0)
			buf_putc(out, ',');
	}
	buf_puts(out, text + sign + whole);
}

void view_value(struct buf *out, json_t *value, enum view_format format, int64_t now_ms)
{
	char *dump;

	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		if (format == VIEW_MONEY)
			put_money(out, json_string_value(value));
		else
			put_clean(out, json_string_value(value));
		break;
	case JSON_INTEGER:
		put_number(out, json_integer_value(value), format, now_ms);
		break;
	case JSON_REAL:
		buf_printf(out, format == VIEW_RATE ? "%.1f/s" : "%.3g", json_real_value(value));
		break;
	case JSON_TRUE:
		buf_puts(out, "yes");
		break;
	case JSON_FALSE:
		buf_puts(out, format == VIEW_MARK ? "" : "no");
		break;
	case JSON_NULL:
		if (format == VIEW_EXPIRES)
			buf_puts(out, "never");
		break;
	default: /* a small structure in a cell */
		dump = json_dumps(value, JSON_COMPACT);
		put_clean(out, dump ? dump : "");
		free(dump);
	}
}

/* ---- tables */

/* Columns a terminal needs for UTF-8 text, wide scripts aside. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static bool right_aligned(enum view_format f)
{
	return f == VIEW_NUMBER || f == VIEW_BYTES || f == VIEW_RATE || f == VIEW_MONEY;
}

static void put_padded(struct buf *out, const char *text, size_t width, bool right, bool last)
{
	size_t pad = width - width_of(text);

	if (right)
		buf_printf(out, "%*s", (int)pad, "");
	buf_puts(out, text);
	if (!last && !right)
		buf_printf(out, "%*s", (int)pad, "");
	if (!last)
		buf_puts(out, "  ");
}

struct table {
	const struct view_column *columns;
	size_t n_columns;
	struct view_pages *pages;
	struct buf cell;
	int64_t now_ms;
};

static const char *cell_text(struct table *t, json_t *row, size_t column)
{
	buf_reset(&t->cell);
	view_value(&t->cell, json_object_get(row, t->columns[column].field), t->columns[column].format, t->now_ms);
	return t->cell.data ? t->cell.data : "";
}

/* The point and what is behind it. */
static size_t decimals_of(const char *text)
{
	const char *point = strchr(text, '.');

	return point ? strlen(point) : 0;
}

static void measure_money(struct view_pages *p, size_t column, const char *text)
{
	size_t decimals = decimals_of(text), whole = width_of(text) - decimals;

	if (decimals > p->decimals[column])
		p->decimals[column] = decimals;
	if (whole > p->whole[column])
		p->whole[column] = whole;
	if (p->whole[column] + p->decimals[column] > p->width[column])
		p->width[column] = p->whole[column] + p->decimals[column];
}

static void measure(struct table *t, json_t *rows)
{
	json_t *row;
	size_t i;

	for (size_t c = 0; c < t->n_columns && !t->pages->started; c++)
		t->pages->width[c] = width_of(t->columns[c].title);
	json_array_foreach(rows, i, row) for (size_t c = 0; c < t->n_columns; c++)
	{
		const char *text = cell_text(t, row, c);
		size_t w = width_of(text);

		if (t->columns[c].format == VIEW_MONEY)
			measure_money(t->pages, c, text);
		if (w > t->pages->width[c])
			t->pages->width[c] = w;
	}
}

static void put_row(struct buf *out, struct table *t, json_t *row, unsigned indent)
{
	buf_printf(out, "%*s", (int)indent, "");
	for (size_t c = 0; c < t->n_columns; c++) {
		const char *text = row ? cell_text(t, row, c) : t->columns[c].title;

		if (row && t->columns[c].format == VIEW_MONEY) {
			buf_printf(&t->cell, "%*s", (int)(t->pages->decimals[c] - decimals_of(text)), "");
			text = t->cell.data ? t->cell.data : "";
		}
		put_padded(out, text, t->pages->width[c], right_aligned(t->columns[c].format), c + 1 == t->n_columns);
	}
	while (out->len && out->data[out->len - 1] == ' ') /* no blanks at a line's end */
		out->data[--out->len] = '\0';
	buf_putc(out, '\n');
}

static void put_table(struct buf *out, json_t *rows, const struct view_column *columns, struct view_pages *pages,
		      unsigned indent, int64_t now_ms)
{
	struct table t = {.columns = columns, .pages = pages, .now_ms = now_ms};
	json_t *row;
	size_t i;

	while (t.n_columns < VIEW_COLUMNS_MAX && columns[t.n_columns].field)
		t.n_columns++;
	measure(&t, rows);
	if (!pages->started)
		put_row(out, &t, NULL, indent);
	pages->started = true;
	json_array_foreach(rows, i, row) put_row(out, &t, row, indent);
	buf_done(&t.cell);
}

void view_table(struct buf *out, json_t *rows, const struct view_column *columns, int64_t now_ms)
{
	struct view_pages pages = {0};

	put_table(out, rows, columns, &pages, 0, now_ms);
}

void view_table_page(struct buf *out, json_t *rows, const struct view_column *columns, struct view_pages *pages,
		     int64_t now_ms)
{
	put_table(out, rows, columns, pages, 0, now_ms);
}

void view_fields(struct buf *out, json_t *object, const struct view_column *fields, int64_t now_ms)
{
	size_t width = 0;

	for (const struct view_column *f = fields; f->field; f++)
		if (json_object_get(object, f->field) && width_of(f->title) > width)
			width = width_of(f->title);
	for (const struct view_column *f = fields; f->field; f++) {
		json_t *value = json_object_get(object, f->field);

		if (!value)
			continue;
		put_padded(out, f->title, width, false, false);
		view_value(out, value, f->format, now_ms);
		buf_putc(out, '\n');
	}
}

const char *view_text_at(json_t *object, const char *path)
{
	const char *text;

	while (object && *path) {
		size_t len = strcspn(path, ".");

		object = json_object_getn(object, path, len);
		path += len + (path[len] == '.');
	}
	text = json_string_value(object);
	return text ? text : "";
}

void view_limits_table(struct buf *out, json_t *rows, bool owner, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"owner", "OF", VIEW_TEXT},
		{"name", "DIMENSION", VIEW_TEXT},
		{"limit", "LIMIT", VIEW_NUMBER},
		{"period_ns", "PER", VIEW_PERIOD_NS},
		{"burst", "BURST", VIEW_NUMBER},
		{"remaining", "LEFT", VIEW_NUMBER},
		{"reset_ms", "FULL AGAIN IN", VIEW_WAIT_MS},
		{"shadow", "SHADOW", VIEW_MARK},
		{NULL, NULL, VIEW_TEXT},
	};

	view_table(out, rows, owner ? columns : columns + 1, now_ms);
}

/* ---- anything */

static bool ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), e = strlen(end);

	return n >= e && strcmp(name + n - e, end) == 0;
}

static enum view_format format_of(const char *name)
{
	static const struct {
		const char *end;
		enum view_format format;
	} rows[] = {
		{"created_ms", VIEW_WHEN},
		{"expires_ms", VIEW_EXPIRES},
		{"confirm_by_ms", VIEW_EXPIRES},
		{"time_ms", VIEW_WHEN},
		{"_ms", VIEW_WAIT_MS},
		{"_ns", VIEW_PERIOD_NS},
		{"bytes", VIEW_BYTES},
		{"_id", VIEW_TEXT},
		{"pid", VIEW_TEXT},
		{"subject", VIEW_TEXT},
		{"incarnation", VIEW_TEXT},
		{"port", VIEW_TEXT},
		{"generation", VIEW_TEXT},
		{"", VIEW_NUMBER},
	};

	for (size_t i = 0;; i++)
		if (ends_in(name, rows[i].end))
			return rows[i].format;
}

static bool array_of_objects(json_t *value)
{
	return json_is_array(value) && json_array_size(value) && json_is_object(json_array_get(value, 0));
}

/* Columns from the first object's fields. */
static void put_any_table(struct buf *out, json_t *rows, unsigned indent, int64_t now_ms)
{
	struct view_column columns[VIEW_COLUMNS_MAX + 1] = {{0}};
	struct view_pages pages = {0};
	const char *name;
	json_t *value;
	size_t n = 0;

	json_object_foreach(json_array_get(rows, 0), name, value) if (n < VIEW_COLUMNS_MAX)
	{
		enum view_format f = format_of(name);
		bool text = json_is_string(value) || json_is_boolean(value);

		columns[n++] = (struct view_column){name, name, text ? VIEW_TEXT : f};
	}
	put_table(out, rows, columns, &pages, indent, now_ms);
}

static size_t widest_name(json_t *object)
{
	const char *name;
	json_t *value;
	size_t width = 0;

	json_object_foreach(object, name, value) if (!json_is_object(value) && !array_of_objects(value) &&
						     strlen(name) > width) width = strlen(name);
	return width;
}

static void put_any_array(struct buf *out, json_t *array, int64_t now_ms)
{
	json_t *item;
	size_t i;

	json_array_foreach(array, i, item)
	{
		buf_puts(out, i ? ", " : "");
		view_value(out, item, VIEW_TEXT, now_ms);
	}
}

static void put_any_object(struct buf *out, json_t *object, unsigned indent, int64_t now_ms)
{
	size_t width = widest_name(object);
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		buf_printf(out, "%*s%-*s", (int)indent, "", (int)width, name);
		if (json_is_object(value) || array_of_objects(value)) {
			buf_putc(out, '\n');
			view_any(out, value, indent + 2, now_ms);
			continue;
		}
		buf_puts(out, "  ");
		if (json_is_array(value))
			put_any_array(out, value, now_ms);
		else
			view_value(out, value, format_of(name), now_ms);
		buf_putc(out, '\n');
	}
}

void view_any(struct buf *out, json_t *value, unsigned indent, int64_t now_ms)
{
	if (indent > 20) /* deeper than anything the daemon says */
		return;
	if (json_is_object(value)) {
		put_any_object(out, value, indent, now_ms);
	} else if (array_of_objects(value)) {
		put_any_table(out, value, indent, now_ms);
	} else {
		buf_printf(out, "%*s", (int)indent, "");
		view_value(out, value, VIEW_TEXT, now_ms);
		buf_putc(out, '\n');
	}
}
