/* Goal: metrics.h's M1 to M3, and texts that Prometheus takes. Method: exact texts; promtool (skipped when it isn't
 * installed); threads on their own shards with scrapes in between. */
#include "observe/metrics.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct metrics *registry(unsigned shards)
{
	struct metrics *m = NULL;
	struct err err = {0};

	cr_assert_eq(metrics_new(shards, &m, &err), 0, "%s", err.msg);
	return m;
}

static const char *render(struct metrics *m, bool openmetrics, struct buf *out)
{
	buf_reset(out);
	cr_assert_eq(metrics_render(m, openmetrics, out), 0);
	return out->data;
}

static void expect_line(const char *text, const char *line)
{
	const char *at = text;
	size_t n = strlen(line);

	while ((at = strstr(at, line))) {
		if ((at == text || at[-1] == '\n') && at[n] == '\n')
			return;
		at += n;
	}
	cr_expect(false, "no line '%s' in:\n%s", line, text);
}

static const char *const route_labels[] = {"service", "route", "status", NULL};
static const double seconds[] = {0.005, 0.1, 1, 2.5};

static void collect(struct buf *out, bool openmetrics, void *arg)
{
	struct buf labels = BUF_INIT;

	(*(int *)arg)++;
	metrics_put_head(out, openmetrics, METRIC_COUNTER, "tollgate_verdicts_total",
			 "By \"layer\" and \\ reason\nall.");
	metrics_put_label(&labels, "layer", "nic");
	metrics_put_label(&labels, "reason",
			  "a\"b\\c\nd\xff"
			  "e");
	metrics_put_value(out, "tollgate_verdicts_total", labels.data, 12345678901234.0);
	buf_done(&labels);
}

static struct metrics *example(void)
{
	static int calls;
	struct metrics *m = registry(2);
	struct metric *requests =
		metrics_register(m, METRIC_COUNTER, "requests_total", "Requests answered.", route_labels, 10, NULL, 0);
	struct metric *duration =
		metrics_register(m, METRIC_HISTOGRAM, "requests_duration_seconds", "Time.",
				 (const char *const[]){"service", NULL}, 4, seconds, ARRAY_SIZE(seconds));
	struct metric *open = metrics_register(m, METRIC_GAUGE, "tollgate_connections", "Open.", NULL, 0, NULL, 0);
	int ok = metrics_series(requests, (const char *const[]){"router", "chat.completions", "200"});
	int bad = metrics_series(requests, (const char *const[]){"router", "we\"ird\\\n\xc3\xa9\xff", NULL});
	int time = metrics_series(duration, (const char *const[]){"router"});

	metrics_add(requests, ok, 0, 5);
	metrics_add(requests, ok, 1, 7);
	metrics_add(requests, bad, 1, 1);
	metrics_observe(duration, time, 0, 0.005);
	metrics_observe(duration, time, 1, 0.0050001);
	metrics_observe(duration, time, 1, 2);
	metrics_observe(duration, time, 0, 100);
	metrics_observe(duration, time, 0, NAN);
	metrics_observe(duration, time, 0, -3);
	metrics_set(open, 0, -4);
	cr_assert_eq(metrics_collector_add(m, collect, &calls), 0);
	return m;
}

Test(metrics, text)
{
	struct metrics *m = example();
	struct buf out = BUF_INIT;
	const char *t = render(m, false, &out);

	expect_line(t, "# HELP requests_total Requests answered.");
	expect_line(t, "# TYPE requests_total counter");
	expect_line(t, "requests_total{service=\"router\",route=\"chat.completions\",status=\"200\"} 12");
	expect_line(t,
		    "requests_total{service=\"router\",route=\"we\\\"ird\\\\\\n\xc3\xa9\xef\xbf\xbd\",status=\"\"} 1");
	expect_line(t, "# TYPE requests_duration_seconds histogram");
	expect_line(t, "requests_duration_seconds_bucket{service=\"router\",le=\"0.005\"} 3");
	expect_line(t, "requests_duration_seconds_bucket{service=\"router\",le=\"0.1\"} 4");
	expect_line(t, "requests_duration_seconds_bucket{service=\"router\",le=\"1\"} 4");
	expect_line(t, "requests_duration_seconds_bucket{service=\"router\",le=\"2.5\"} 5");
	expect_line(t, "requests_duration_seconds_bucket{service=\"router\",le=\"+Inf\"} 6");
	expect_line(t, "requests_duration_seconds_count{service=\"router\"} 6");
	expect_line(t, "requests_duration_seconds_sum{service=\"router\"} 102.0100001");
	expect_line(t, "tollgate_connections -4");
	expect_line(t, "metrics_series_dropped_total 0");
	expect_line(t, "# HELP tollgate_verdicts_total By \"layer\" and \\\\ reason\\nall.");
	expect_line(t, "tollgate_verdicts_total{layer=\"nic\",reason=\"a\\\"b\\\\c\\nd\xef\xbf\xbd"
		       "e\"} 12345678901234");
	cr_expect_null(strstr(t, "=\"other\""));
	cr_expect_null(strstr(t, "# EOF"));
	buf_done(&out);
	metrics_free(m);
}

Test(metrics, openmetrics)
{
	struct metrics *m = example();
	struct buf out = BUF_INIT;
	const char *t = render(m, true, &out);

	expect_line(t, "# HELP requests Requests answered.");
	expect_line(t, "# TYPE requests counter");
	expect_line(t, "requests_total{service=\"router\",route=\"chat.completions\",status=\"200\"} 12");
	expect_line(t, "requests_duration_seconds_bucket{service=\"router\",le=\"1.0\"} 4");
	expect_line(t, "requests_duration_seconds_bucket{service=\"router\",le=\"+Inf\"} 6");
	expect_line(t, "# TYPE tollgate_verdicts counter");
	expect_line(t, "# HELP tollgate_verdicts By \\\"layer\\\" and \\\\ reason\\nall.");
	cr_expect_str_eq(out.data + out.len - 6, "# EOF\n");
	cr_expect_null(strstr(t, "\n\n"));
	buf_done(&out);
	metrics_free(m);
}

/* M3, by Prometheus' own parser and linter. */
Test(metrics, promtool)
{
	struct metrics *m = example();
	struct buf out = BUF_INIT;
	FILE *p;

	if (system("command -v promtool >/dev/null 2>&1") != 0)
		cr_skip_test("promtool is not installed");
	render(m, false, &out);
	p = popen("promtool check metrics 1>&2", "w");
	cr_assert_not_null(p);
	cr_assert_eq(fwrite(out.data, 1, out.len, p), out.len);
	cr_expect_eq(pclose(p), 0, "promtool objects to:\n%s", out.data);
	buf_done(&out);
	metrics_free(m);
}

/* M2 */
Test(metrics, bounded_series)
{
	struct metrics *m = registry(1);
	struct metric *f =
		metrics_register(m, METRIC_COUNTER, "x_total", "x.", (const char *const[]){"a", "b", NULL}, 3, NULL, 0);
	char long_value[METRICS_LABEL_BYTES_MAX];
	struct buf out = BUF_INIT;
	char v[16];

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 10; i++) {
			snprintf(v, sizeof(v), "v%d", i);
			metrics_add(f, metrics_series(f, (const char *const[]){v, "y"}), 0, 1);
		}
	memset(long_value, 'z', sizeof(long_value));
	long_value[sizeof(long_value) - 1] = '\0';
	metrics_add(f, metrics_series(f, (const char *const[]){long_value, "y"}), 0, 1);
	render(m, false, &out);
	expect_line(out.data, "x_total{a=\"v0\",b=\"y\"} 2");
	expect_line(out.data, "x_total{a=\"v2\",b=\"y\"} 2");
	cr_expect_null(strstr(out.data, "v3"));
	expect_line(out.data, "x_total{a=\"other\",b=\"other\"} 15");
	expect_line(out.data, "metrics_series_dropped_total 15");
	/* "ab","c" is not "a","bc"; "other" by name is the overflow series itself. */
	cr_expect_eq(metrics_series(f, (const char *const[]){"other", "other"}), 0);
	buf_done(&out);
	metrics_free(m);
}

Test(metrics, values_side_by_side_stay_apart)
{
	struct metrics *m = registry(1);
	struct metric *f =
		metrics_register(m, METRIC_COUNTER, "x_total", "x.", (const char *const[]){"a", "b", NULL}, 9, NULL, 0);
	int one = metrics_series(f, (const char *const[]){"ab", "c"});

	cr_expect_neq(one, metrics_series(f, (const char *const[]){"a", "bc"}));
	cr_expect_neq(one, metrics_series(f, (const char *const[]){"abc", ""}));
	cr_expect_eq(one, metrics_series(f, (const char *const[]){"ab", "c"}));
	cr_expect_eq(metrics_series(NULL, NULL), 0);
	metrics_add(NULL, 0, 0, 1);
	metrics_set(NULL, 0, 1);
	metrics_observe(NULL, 0, 0, 1);
	metrics_free(m);
	metrics_free(NULL);
}

Test(metrics, numbers)
{
	static const struct {
		double v;
		const char *want;
	} rows[] = {{0, "m 0"},
		    {1, "m 1"},
		    {0.1, "m 0.1"},
		    {1e300, "m 1e+300"},
		    {-2.5, "m -2.5"},
		    {NAN, "m NaN"},
		    {INFINITY, "m +Inf"},
		    {-INFINITY, "m -Inf"},
		    {1.0 / 3, "m 0.3333333333333333"},
		    {9007199254740993.0, "m 9007199254740992"}};
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		buf_reset(&out);
		metrics_put_value(&out, "m", "", rows[i].v);
		cr_assert(out.len > 0 && out.data[out.len - 1] == '\n');
		out.data[out.len - 1] = '\0';
		cr_expect_str_eq(out.data, rows[i].want);
	}
	buf_done(&out);
}

Test(metrics, full_output)
{
	struct metrics *m = example();
	struct buf out = {.max = 100};

	cr_expect_lt(metrics_render(m, false, &out), 0);
	buf_done(&out);
	metrics_free(m);
}

/* ---- threads */

#define THREADS 4
#define ROUNDS 20000
struct writer {
	pthread_t thread;
	struct metric *counter, *histogram;
	unsigned shard;
};

static void *write_all(void *arg)
{
	struct writer *w = arg;
	char v[16];

	for (unsigned i = 0; i < ROUNDS; i++) {
		snprintf(v, sizeof(v), "%u", i % 50);
		metrics_add(w->counter, metrics_series(w->counter, (const char *const[]){v}), w->shard, 1);
		metrics_observe(w->histogram, 0, w->shard, 0.5);
	}
	return NULL;
}

static uint64_t sum_of(const char *text, const char *prefix)
{
	uint64_t sum = 0;

	for (const char *at = text; (at = strstr(at, prefix)); at++)
		if (at == text || at[-1] == '\n')
			sum += strtoull(strchr(at, ' ') + 1, NULL, 10);
	return sum;
}

/* M1: scrapes in between see sums that only grow; at the end nothing is lost, overflow included. */
Test(metrics, threads, .timeout = 60)
{
	struct metrics *m = registry(THREADS);
	struct metric *c =
		metrics_register(m, METRIC_COUNTER, "c_total", "c.", (const char *const[]){"v", NULL}, 30, NULL, 0);
	struct metric *h = metrics_register(m, METRIC_HISTOGRAM, "h", "h.", NULL, 0, seconds, ARRAY_SIZE(seconds));
	struct writer w[THREADS];
	struct buf out = BUF_INIT;
	uint64_t last = 0, last_count = 0;

	for (unsigned i = 0; i < THREADS; i++) {
		w[i] = (struct writer){.counter = c, .histogram = h, .shard = i};
		cr_assert_eq(pthread_create(&w[i].thread, NULL, write_all, &w[i]), 0);
	}
	while (last < THREADS * ROUNDS) {
		const char *t = render(m, true, &out);
		uint64_t now = sum_of(t, "c_total{"), count = sum_of(t, "h_count");

		cr_assert_geq(now, last);
		cr_assert_geq(count, last_count);
		cr_assert_eq(count, sum_of(t, "h_bucket{le=\"+Inf\"}"));
		last = now;
		last_count = count;
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	render(m, true, &out);
	cr_expect_eq(sum_of(out.data, "c_total{"), THREADS * ROUNDS);
	cr_expect_eq(sum_of(out.data, "h_count"), THREADS * ROUNDS);
	cr_expect_eq(sum_of(out.data, "h_sum"), THREADS * ROUNDS / 2);
	buf_done(&out);
	metrics_free(m);
}
