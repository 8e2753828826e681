/* stats, once or again and again. */
#include "ctl/api.h"
#include "ctl/output.h"
#include "ctl/pinned.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *meaning_of(const char *reason)
{
	static const char *const rows[][2] = {
#define X(sym, name, text) {name, text},
		TG_REASONS(X)
#undef X
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (reason && strcmp(rows[i][0], reason) == 0)
			return rows[i][1];
	return "";
}

/* Rows that counted something, with words for people. */
static json_t *readable_verdicts(json_t *verdicts)
{
	json_t *rows = json_array(), *row;
	size_t i;

	json_array_foreach(verdicts, i, row)
	{
		json_t *copy;

		if (!json_integer_value(json_object_get(row, "packets")))
			continue;
		copy = json_copy(row);
		json_object_set_new(copy, "meaning",
				    json_string(meaning_of(json_string_value(json_object_get(row, "reason")))));
		json_array_append_new(rows, copy);
	}
	return rows;
}

static void put_verdicts(struct buf *out, json_t *verdicts, bool rates, int64_t now_ms)
{
	static const struct view_column plain[] = {
		{"layer", "LAYER", VIEW_TEXT},     {"verdict", "VERDICT", VIEW_TEXT}, {"reason", "REASON", VIEW_TEXT},
		{"packets", "COUNT", VIEW_NUMBER}, {"bytes", "BYTES", VIEW_BYTES},    {"meaning", "MEANING", VIEW_TEXT},
		{NULL, NULL, VIEW_TEXT},
	};
	static const struct view_column with_rates[] = {
		{"layer", "LAYER", VIEW_TEXT},       {"verdict", "VERDICT", VIEW_TEXT},
		{"reason", "REASON", VIEW_TEXT},     {"packets", "COUNT", VIEW_NUMBER},
		{"packets_per_s", "NOW", VIEW_RATE}, {"bytes", "BYTES", VIEW_BYTES},
		{"meaning", "MEANING", VIEW_TEXT},   {NULL, NULL, VIEW_TEXT},
	};
	_cleanup_(json_decrefp) json_t *rows = readable_verdicts(verdicts);

	if (!json_array_size(rows))
		buf_puts(out, "nothing counted yet\n");
	else
		view_table(out, rows, rates ? with_rates : plain, now_ms);
}

static void put_fill(struct buf *out, json_t *fill, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"map", "MAP", VIEW_TEXT},      {"used", "USED", VIEW_NUMBER}, {"max", "MAX", VIEW_NUMBER},
		{"percent", "FULL", VIEW_TEXT}, {NULL, NULL, VIEW_TEXT},
	};
	json_t *row;
	size_t i;

	if (!json_array_size(fill))
		return;
	json_array_foreach(fill, i, row)
	{
		json_int_t used = json_integer_value(json_object_get(row, "used"));
		json_int_t max = json_integer_value(json_object_get(row, "max"));

		json_object_set_new(row, "percent",
				    json_sprintf("%.0f%%", max ? 100.0 * (double)used / (double)max : 0.0));
	}
	buf_putc(out, '\n');
	view_table(out, fill, columns, now_ms);
}

/* What else the daemon counts, such as lost events. */
static void put_rest(struct buf *out, json_t *json, int64_t now_ms)
{
	_cleanup_(json_decrefp) json_t *rest = json_copy(json);

	json_object_del(rest, "verdicts");
	json_object_del(rest, "fill");
	json_object_del(rest, "seconds");
	if (!json_object_size(rest))
		return;
	buf_putc(out, '\n');
	view_any(out, rest, 0, now_ms);
}

static void view_stats(struct buf *out, json_t *json, int64_t now_ms)
{
	put_verdicts(out, json_object_get(json, "verdicts"), json_object_get(json, "seconds") != NULL, now_ms);
	put_fill(out, json_object_get(json, "fill"), now_ms);
	put_rest(out, json, now_ms);
}

/* Pinned maps stay open between samples. */
static int sample(struct ctl *ctl, struct kernel **k, json_t **ret, struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	struct api_request request;
	int rc;

	if (*k)
		return pinned_stats(*k, ret, err);
	api_path(&request, "GET", "/admin/v1/stats", NULL);
	rc = api_call(ctl, &request, &reply, err);
	if (rc < 0) {
		rc = pinned_instead(ctl, rc, k, err);
		return rc < 0 ? rc : pinned_stats(*k, ret, err);
	}
	*ret = json_incref(reply.json);
	return 0;
}

static bool same_row(json_t *a, json_t *b)
{
	static const char *const names[] = {"layer", "verdict", "reason"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!json_equal(json_object_get(a, names[i]), json_object_get(b, names[i])))
			return false;
	return true;
}

/* Adds packets_per_s to each verdict, and the seconds that it is measured over. */
static void add_rates(json_t *now, json_t *before, double seconds)
{
	json_t *row, *old;
	size_t i, j;

	json_array_foreach(json_object_get(now, "verdicts"), i, row)
	{
		double packets = (double)json_integer_value(json_object_get(row, "packets"));

		json_array_foreach(json_object_get(before, "verdicts"), j, old) if (same_row(row, old)) packets -=
			(double)json_integer_value(json_object_get(old, "packets"));
		json_object_set_new(row, "packets_per_s", json_real(packets / seconds));
	}
	json_object_set_new(now, "seconds", json_real(seconds));
}

static int print_sample(struct ctl *ctl, json_t *json, struct err *err)
{
	_cleanup_(buf_done) struct buf out = BUF_INIT;
	char *line;

	if (ctl->json) { /* one sample a line */
		line = json_dumps(json, JSON_COMPACT);
		buf_puts(&out, line ? line : "null");
		free(line);
		buf_putc(&out, '\n');
		return output_text(&out, err);
	}
	if (isatty(STDOUT_FILENO))
		buf_puts(&out, "\033[H\033[2J");
	view_stats(&out, json, clock_wall_ms());
	buf_putc(&out, '\n');
	return output_text(&out, err);
}

static void pause_ns(uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static int watch(struct ctl *ctl, uint64_t interval_ns, uint64_t count, struct err *err)
{
	_cleanup_(pinned_closep) struct kernel *k = NULL;
	_cleanup_(json_decrefp) json_t *before = NULL;
	uint64_t before_ns = 0;

	for (uint64_t n = 0; !count || n < count; n++) {
		json_t *now = NULL;
		uint64_t now_ns;
		int rc;

		if (n)
			pause_ns(interval_ns);
		rc = sample(ctl, &k, &now, err);
		if (rc < 0)
			return rc;
		now_ns = clock_mono_ns();
		if (before)
			add_rates(now, before, (double)(now_ns - before_ns) / 1e9);
		rc = print_sample(ctl, now, err);
		json_decref(before);
		before = now;
		before_ns = now_ns;
		if (rc < 0)
			return rc;
	}
	return 0;
}

int ctl_run_stats(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(pinned_closep) struct kernel *k = NULL;
	_cleanup_(json_decrefp) json_t *json = NULL;
	uint64_t interval_ns = 1000000000u, count = 0;
	int rc;

	rc = ctl_option_duration(args, "interval", &interval_ns, err);
	if (rc == 0)
		rc = ctl_option_number(args, "count", &count, err);
	if (rc)
		return rc;
	if (!ctl_option(args, "watch") && (ctl_option(args, "interval") || ctl_option(args, "count"))) {
		err_set(err, ERR_INVAL, "--interval and --count go with --watch");
		return CTL_USAGE;
	}
	if (ctl_option(args, "watch"))
		return watch(ctl, interval_ns, count, err);
	rc = sample(ctl, &k, &json, err);
	return rc < 0 ? rc : output(ctl, json, view_stats, err);
}
