/* Prometheus text 0.0.4 and OpenMetrics 1.0. They differ in a counter's family name (OpenMetrics leaves _total out of
 * TYPE and HELP), in quotes in help texts, in whole numbers of le, and in the # EOF. */
#include "observe/internal.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_escaped(struct buf *out, const char *s, bool quotes)
{
	size_t len = strlen(s), i = 0, n;

	while (i < len) {
		n = utf8_sequence_len(s + i, len - i);
		if (n == 0)
			buf_puts(out, "\xef\xbf\xbd");
		else if (s[i] == '\n')
			buf_puts(out, "\\n");
		else if (s[i] == '\\' || (s[i] == '"' && quotes))
			buf_append(out, (const char[]){'\\', s[i]}, 2);
		else
			buf_append(out, s + i, n);
		i += n ? n : 1;
	}
}

/* The shortest decimal that reads back as the same number. */
static void put_double(struct buf *out, double v, bool keep_point)
{
	char text[40];

	if (isnan(v) || isinf(v)) {
		buf_puts(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_puts(out, text);
	if (keep_point && !strpbrk(text, ".e"))
		buf_puts(out, ".0");
}

void metrics_put_label(struct buf *labels, const char *name, const char *value)
{
	if (labels->len)
		buf_putc(labels, ',');
	buf_puts(labels, name);
	buf_puts(labels, "=\"");
	put_escaped(labels, value, true);
	buf_putc(labels, '"');
}

void metrics_put_head(struct buf *out, bool openmetrics, enum metric_kind kind, const char *name, const char *help)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};
	size_t len = strlen(name);

	if (openmetrics && kind == METRIC_COUNTER && len > 6 && strcmp(name + len - 6, "_total") == 0)
		len -= 6;
	buf_puts(out, "# HELP ");
	buf_append(out, name, len);
	buf_putc(out, ' ');
	put_escaped(out, help, openmetrics);
	buf_puts(out, "\n# TYPE ");
	buf_append(out, name, len);
	buf_putc(out, ' ');
	buf_puts(out, kinds[kind]);
	buf_putc(out, '\n');
}

static void put_name(struct buf *out, const char *name, const char *suffix, const char *labels)
{
	buf_puts(out, name);
	buf_puts(out, suffix);
	if (*labels) {
		buf_putc(out, '{');
		buf_puts(out, labels);
		buf_putc(out, '}');
	}
	buf_putc(out, ' ');
}

void metrics_put_value(struct buf *out, const char *name, const char *labels, double v)
{
	put_name(out, name, "", labels);
	put_double(out, v, false);
	buf_putc(out, '\n');
}

static uint64_t cell_sum(const struct metric *f, int series, size_t cell)
{
	uint64_t sum = 0;

	for (unsigned shard = 0; shard < f->owner->shards; shard++)
		sum += cell_load(metric_cells(f, series, shard) + cell);
	return sum;
}

static double histogram_sum(const struct metric *f, int series)
{
	double sum = 0;

	for (unsigned shard = 0; shard < f->owner->shards; shard++) {
		uint64_t bits = cell_load(metric_cells(f, series, shard) + f->n_buckets + 1);
		double part;

		memcpy(&part, &bits, sizeof(part));
		sum += part;
	}
	return sum;
}

static void put_histogram(const struct metric *f, int series, bool openmetrics, struct buf *out)
{
	const char *labels = f->series[series].labels;
	uint64_t count = 0;

	for (size_t b = 0; b <= f->n_buckets; b++) {
		count += cell_sum(f, series, b);
		buf_puts(out, f->name);
		buf_puts(out, "_bucket{");
		buf_puts(out, labels);
		buf_puts(out, *labels ? ",le=\"" : "le=\"");
		put_double(out, b < f->n_buckets ? f->buckets[b] : (double)INFINITY, openmetrics);
		buf_printf(out, "\"} %" PRIu64 "\n", count);
	}
	put_name(out, f->name, "_sum", labels);
	put_double(out, histogram_sum(f, series), false);
	buf_putc(out, '\n');
	put_name(out, f->name, "_count", labels);
	buf_printf(out, "%" PRIu64 "\n", count);
}

/* "other" shows up once something was counted there. */
static bool series_unused(const struct metric *f, int series)
{
	if (series || !f->n_labels)
		return false;
	for (size_t cell = 0; cell < f->n_cells; cell++)
		if (cell_sum(f, series, cell))
			return false;
	return true;
}

static void put_metric(const struct metric *f, bool openmetrics, struct buf *out)
{
	unsigned n = __atomic_load_n(&f->n_series, __ATOMIC_ACQUIRE);

	metrics_put_head(out, openmetrics, f->kind, f->name, f->help);
	for (int i = 0; i < (int)n; i++) {
		if (series_unused(f, i))
			continue;
		if (f->kind == METRIC_HISTOGRAM) {
			put_histogram(f, i, openmetrics, out);
			continue;
		}
		put_name(out, f->name, "", f->series[i].labels);
		if (f->kind == METRIC_COUNTER)
			buf_printf(out, "%" PRIu64 "\n", cell_sum(f, i, 0));
		else
			buf_printf(out, "%" PRId64 "\n", (int64_t)cell_load(metric_cells(f, i, 0)));
	}
}

int metrics_render(struct metrics *m, bool openmetrics, struct buf *out)
{
	const struct metric *f = __atomic_load_n(&m->first, __ATOMIC_ACQUIRE);
	const struct collector *c = __atomic_load_n(&m->collectors, __ATOMIC_ACQUIRE);

	for (; f; f = __atomic_load_n(&f->next, __ATOMIC_ACQUIRE))
		put_metric(f, openmetrics, out);
	metrics_put_head(out, openmetrics, METRIC_COUNTER, "metrics_series_dropped_total",
			 "Look-ups of label sets beyond a family's bound, counted under \"other\".");
	metrics_put_value(out, "metrics_series_dropped_total", "", (double)cell_load(&m->series_dropped));
	for (; c; c = __atomic_load_n(&c->next, __ATOMIC_ACQUIRE))
		c->fn(out, openmetrics, c->arg);
	if (openmetrics)
		buf_puts(out, "# EOF\n");
	return out->failed ? ERR_NOMEM : 0;
}
