/* The ledger alone: what a settled call costs the ledger thread and the worker, and how long the last bytes are held.
 *
 * Usage: ledger [--dir DIR] [--seconds N] [--rates 1000,10000,0] [--gathers 0,500,1000,2000] [--json 1]
 * Rate 0 = as fast as it goes. --json: JSON lines for run.py instead of a table.
 *
 * One worker (lane) with a loop of its own: a timer every 100 us starts what is due; each call is held, forwarded,
 * settled at once. CPU is the thread's own, from its schedstat. */
#include "base/clock.h"
#include "crypto/keyed.h"
#include "ledger/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>

#define CALLS 32768u    /* under way at most */
#define SATURATED 8192u /* kept under way at rate 0 */
#define SAMPLES (4u << 20)

struct call {
	struct ledger_job job;
	struct call *next;
	uint64_t start_ns;
};

static bool as_json;

static struct bench {
	struct ledger *ledger;
	struct ledger_account *account;
	struct price_rule rule;
	struct loop *loop;
	struct loop_io timer;
	struct call *calls, *free;
	uint32_t *held_us;
	uint64_t n_held;
	uint64_t rate, start_ns, end_ns, begun, ended, failed, under_way, most_under_way;
	uint64_t worker_ns;
	uint64_t sequence;
} b;

static void die(const char *what, const struct err *err)
{
	fprintf(stderr, "ledger: %s: %s\n", what, err->msg);
	exit(1);
}

static void on_done(struct ledger_job *job, int rc)
{
	struct call *c = CONTAINER_OF(job, struct call, job);

	if (b.n_held < SAMPLES)
		b.held_us[b.n_held++] = (uint32_t)((clock_mono_ns() - c->start_ns) / 1000);
	b.failed += rc != 0;
	b.ended++;
	b.under_way--;
	c->next = b.free;
	b.free = c;
}

static void call_begin(uint64_t now_ns)
{
	struct call *c = b.free;
	uint64_t n = ++b.sequence, wall_ms = (uint64_t)clock_wall_ms();
	struct ledger_hold_terms t = {.key_id = "key_abcdefghijklmnop",
				      .amount_nano = 2000,
				      .admitted_ms = (int64_t)wall_ms,
				      .expires_ms = (int64_t)wall_ms + 600000};
	struct ledger_hold *h;
	struct err err;

	for (int i = 0; i < 6; i++)
		t.request_id.b[i] = (uint8_t)(wall_ms >> (40 - 8 * i));
	/* As the gateway's: time, then bits without order. */
	n *= 0x9e3779b97f4a7c15ull;
	memcpy(t.request_id.b + 6, &n, 6);
	if (ledger_hold_take(b.ledger, 0, b.account, &t, &h, &err) < 0)
		die("hold", &err);
	ledger_hold_forwarded(h, &b.rule, 812, false);
	b.free = c->next;
	c->start_ns = now_ns;
	c->job.done = on_done;
	c->job.provider = "openai";
	c->job.answer = NULL;
	c->job.record = (struct usage_record){.request_id = t.request_id,
					      .rule_id = b.rule.id,
					      .key_id = "key_abcdefghijklmnop",
					      .route = 1,
					      .admitted_ms = t.admitted_ms,
					      .usage = {.input_tokens = 812, .output_tokens = 231},
					      .source = USAGE_REPORTED,
					      .status = 200,
					      .cost_nano = 1043,
					      .price_nano = 1391,
					      .latency_us = 12345,
					      .bytes = 1234};
	ledger_settle(b.ledger, h, &c->job);
	b.begun++;
	if (++b.under_way > b.most_under_way)
		b.most_under_way = b.under_way;
}

static uint64_t due(uint64_t now_ns)
{
	uint64_t most = CALLS - b.under_way, n;

	if (now_ns >= b.end_ns)
		return 0;
	if (!b.rate)
		return b.under_way < SATURATED ? SATURATED - b.under_way : 0;
	n = (uint64_t)((double)(now_ns - b.start_ns) * 1e-9 * (double)b.rate) - b.begun;
	return n < most ? n : most;
}

static void on_timer(struct loop *l, struct loop_io *io, uint32_t events)
{
	uint64_t now_ns = clock_mono_ns(), n = due(now_ns), expirations;

	(void)events;
	if (read(io->fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		return;
	for (uint64_t i = 0; i < n; i++)
		call_begin(now_ns);
	b.worker_ns += clock_mono_ns() - now_ns;
	if (now_ns >= b.end_ns && !b.under_way)
		loop_stop(l);
}

static uint64_t cpu_of_thread(const char *name)
{
	struct dirent *e;
	DIR *d = opendir("/proc/self/task");
	uint64_t ns = 0;

	while (d && (e = readdir(d))) {
		char path[300], text[64] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "re");
		if (f && fgets(text, sizeof(text), f))
			text[strcspn(text, "\n")] = '\0';
		if (f)
			fclose(f);
		snprintf(path, sizeof(path), "/proc/self/task/%s/schedstat", e->d_name);
		f = strcmp(text, name) == 0 ? fopen(path, "re") : NULL;
		if (f && fscanf(f, "%" SCNu64, &ns) != 1)
			ns = 0;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return ns;
}

static int by_size(const void *x, const void *y)
{
	const uint32_t *a = x, *c = y;

	return *a < *c ? -1 : *a > *c;
}

static int intern(struct store *s, void *arg, struct err *err)
{
	struct price_rule *r = arg;

	return store_price_rule_intern(s, r, &r->id, err);
}

static void set_up(const char *dir, unsigned gather_us)
{
	static char path[256], holds[256];
	struct ledger_opts o = LEDGER_OPTS_DEFAULT;
	struct ledger_posting p = {
		.kind = TRANSFER_DEPOSIT, .tenant_id = "acme", .actor = "bench", .amount_nano = 1000000 * MONEY_NANO};
	struct transfer t;
	struct err err;

	snprintf(path, sizeof(path), "%s/books.db", dir);
	snprintf(holds, sizeof(holds), "%s/holds", dir);
	o.path = path;
	o.holds_path = holds;
	o.sha256 = crypto_sha256;
	o.gather_us = gather_us;
	b.rule = (struct price_rule){.book_id = 1,
				     .currency = "USD",
				     .provider = "openai",
				     .upstream_model = "gpt-4o-mini",
				     .model = "gpt-4o-mini",
				     .tier = "growth",
				     .supply = SUPPLY_BALANCED,
				     .rate_nano = {1000000, 1000000, 1000000, 1000000},
				     .base_margin_e4 = 2500,
				     .tier_margin_e4 = 2500,
				     .model_factor_e4 = 10000,
				     .supply_factor_e4 = 10000,
				     .min_margin_e4 = 1500,
				     .max_margin_e4 = 5000};
	if (ledger_open(&o, &b.ledger, &err) < 0 || ledger_account_bind(b.ledger, "acme", 1, 0, &err) < 0 ||
	    ledger_run(b.ledger, intern, &b.rule, &err) < 0 || ledger_post(b.ledger, &p, &t, &err) < 0 ||
	    loop_new(&b.loop, &err) < 0 || ledger_lane_bind(b.ledger, 0, b.loop, &err) < 0 ||
	    ledger_start(b.ledger, &err) < 0)
		die("set-up", &err);
	b.account = ledger_account_at(b.ledger, 1);
}

static void tear_down(const char *dir)
{
	static const char *const files[] = {"books.db", "books.db-wal", "books.db-shm", "holds"};
	char path[300];

	ledger_free(b.ledger);
	loop_free(b.loop);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
}

static void timer_add(void)
{
	struct itimerspec every = {{0, 100000}, {0, 100000}};
	struct err err;

	b.timer = (struct loop_io){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), .cb = on_timer};
	if (b.timer.fd < 0 || timerfd_settime(b.timer.fd, 0, &every, NULL) < 0) {
		perror("ledger: timerfd");
		exit(1);
	}
	if (loop_io_add(b.loop, &b.timer, EPOLLIN, &err) < 0)
		die("timer", &err);
}

static void say_json(const char *what, unsigned gather_us, double value, const char *unit)
{
	char rate[32] = "as fast as it goes";

	if (b.rate)
		snprintf(rate, sizeof(rate), "%" PRIu64 " calls/s", b.rate);
	printf("{\"name\": \"%s, %s, gathering %u us\", \"value\": %.2f, \"unit\": \"%s\", \"peer\": \"\", "
	       "\"ratio\": null}\n",
	       what, rate, gather_us, value, unit);
}

static void say(const struct ledger_stats *s, unsigned gather_us, double took_s, uint64_t cpu_ns)
{
	double n = (double)b.ended, us = (double)cpu_ns / 1000 / n;
	const uint32_t *held = b.held_us;

	if (!as_json) {
		printf("%8" PRIu64 " %8u %10.0f %8.1f %10.2f %10.0f %8u %8u %8u %8" PRIu64 " %10.2f\n", b.rate,
		       gather_us, n / took_s, n / (double)s->batches, us, (double)b.worker_ns / n, held[b.n_held / 2],
		       held[b.n_held * 99 / 100], held[b.n_held - 1], b.most_under_way, (double)s->commit_ns_max / 1e6);
		return;
	}
	say_json("settled", gather_us, n / took_s, "calls/s");
	say_json("ledger CPU", gather_us, us, "us/call");
	if (!b.rate)
		return;
	say_json("last bytes held, median", gather_us, (double)held[b.n_held / 2] / 1000, "ms");
	say_json("last bytes held, p99", gather_us, (double)held[b.n_held * 99 / 100] / 1000, "ms");
}

static void measure(const char *dir, uint64_t rate, unsigned gather_us, unsigned seconds)
{
	struct ledger_stats s;
	uint64_t cpu_ns;
	double took_s;
	struct err err;

	set_up(dir, gather_us);
	b.free = NULL;
	for (unsigned i = 0; i < CALLS; i++) {
		b.calls[i].next = b.free;
		b.free = &b.calls[i];
	}
	b.rate = rate;
	b.begun = b.ended = b.failed = b.under_way = b.most_under_way = b.n_held = b.worker_ns = 0;
	b.start_ns = clock_mono_ns();
	b.end_ns = b.start_ns + seconds * 1000000000ull;
	cpu_ns = cpu_of_thread("ledger");
	timer_add();
	if (loop_run(b.loop, &err) < 0)
		die("loop", &err);
	took_s = (double)(clock_mono_ns() - b.start_ns) * 1e-9;
	cpu_ns = cpu_of_thread("ledger") - cpu_ns;
	ledger_stats(b.ledger, &s);
	loop_io_del(b.loop, &b.timer);
	close(b.timer.fd);
	if (b.failed || !b.ended) {
		fprintf(stderr, "ledger: %" PRIu64 " of %" PRIu64 " calls were not posted\n", b.failed, b.ended);
		exit(1);
	}
	qsort(b.held_us, b.n_held, sizeof(*b.held_us), by_size);
	say(&s, gather_us, took_s, cpu_ns);
	fflush(stdout);
	tear_down(dir);
}

/* The next number of a comma-separated list. */
static bool next(const char **list, uint64_t *ret)
{
	char *end;

	if (!**list)
		return false;
	*ret = strtoull(*list, &end, 10);
	*list = *end == ',' ? end + 1 : end;
	return true;
}

int main(int argc, char **argv)
{
	const char *dir = "/tmp", *rates = "1000,10000,0", *gathers = "0,500,1000,2000";
	unsigned seconds = 3;
	char own[200];
	uint64_t rate, gather;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--dir") == 0)
			dir = argv[i + 1];
		else if (strcmp(argv[i], "--rates") == 0)
			rates = argv[i + 1];
		else if (strcmp(argv[i], "--gathers") == 0)
			gathers = argv[i + 1];
		else if (strcmp(argv[i], "--seconds") == 0)
			seconds = (unsigned)strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--json") == 0)
			as_json = strcmp(argv[i + 1], "0") != 0;
	}
	snprintf(own, sizeof(own), "%.150s/tg-bench-ledger-XXXXXX", dir);
	if (!mkdtemp(own)) {
		perror("ledger: mkdtemp");
		return 1;
	}
	b.calls = calloc(CALLS, sizeof(*b.calls));
	b.held_us = malloc(SAMPLES * sizeof(*b.held_us));
	if (!b.calls || !b.held_us)
		return 1;
	if (!as_json)
		printf("%8s %8s %10s %8s %10s %10s %8s %8s %8s %8s %10s\n", "rate/s", "gather", "settled/s", "batch",
		       "us/record", "worker ns", "p50 us", "p99 us", "max us", "waiting", "commit ms");
	while (next(&rates, &rate))
		for (const char *g = gathers; next(&g, &gather);)
			measure(own, rate, (unsigned)gather, seconds);
	rmdir(own);
	free(b.calls);
	free(b.held_us);
	return 0;
}
