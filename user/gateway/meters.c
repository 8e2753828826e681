#include "gateway/meters.h"

#include "gateway/call.h"
#include "gateway/collect.h"

#include <stdio.h>
#include <string.h>

static const double total_buckets[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300};
/* The gateway's own share is microseconds. */
static const double overhead_buckets[] = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001,
					  0.0025,  0.005,    0.01,    0.05,   0.2,     1};

int meters_init(struct gateway *gw, struct metrics *m, struct err *err)
{
	static const char *const request_labels[] = {"service", "route", "provider", "status", NULL};
	static const char *const route_labels[] = {"service", "route", NULL};
	static const char *const token_labels[] = {"provider", "type", NULL};
	static const char *const error_labels[] = {"provider", "kind", NULL};
	static const char *const provider_labels[] = {"provider", NULL};
	static const char *const none[] = {NULL};
	struct meters *t = &gw->meters;

	t->metrics = m;
	t->requests = metrics_register(m, METRIC_COUNTER, "requests_total", "Requests answered, by outcome.",
				       request_labels, 2000, NULL, 0);
	t->duration = metrics_register(m, METRIC_HISTOGRAM, "requests_duration_seconds",
				       "From a request's head to the end of its answer.", route_labels, 32,
				       total_buckets, ARRAY_SIZE(total_buckets));
	t->overhead = metrics_register(m, METRIC_HISTOGRAM, "tollgate_gateway_overhead_seconds",
				       "The gateway's own share of a forwarded request: the total without the time "
				       "between sending it to the provider and the end of the provider's answer.",
				       route_labels, 32, overhead_buckets, ARRAY_SIZE(overhead_buckets));
	t->first_byte = metrics_register(m, METRIC_HISTOGRAM, "tollgate_time_to_first_byte_seconds",
					 "From a request's head to the first byte of the provider's answer.",
					 route_labels, 32, total_buckets, ARRAY_SIZE(total_buckets));
	t->tokens = metrics_register(m, METRIC_COUNTER, "tollgate_tokens_total",
				     "Tokens used as reported by providers.", token_labels, 64, NULL, 0);
	t->upstream_errors =
		metrics_register(m, METRIC_COUNTER, "tollgate_upstream_errors_total",
				 "Attempts at a provider that failed, by kind.", error_labels, 256, NULL, 0);
	t->no_usage = metrics_register(m, METRIC_COUNTER, "tollgate_usage_missing_total",
				       "Answers whose provider reported no usage that can be believed; an estimate "
				       "stands in.",
				       provider_labels, 32, NULL, 0);
	t->learn_failed = metrics_register(m, METRIC_COUNTER, "tollgate_kernel_learn_failures_total",
					   "Keys the kernel could not be taught: their limits hold in the daemon only.",
					   none, 1, NULL, 0);
	if (!t->requests || !t->duration || !t->overhead || !t->first_byte || !t->tokens || !t->upstream_errors ||
	    !t->no_usage || !t->learn_failed)
		return err_set(err, ERR_NOMEM, "no memory for metrics");
	if (metrics_collector_add(m, gateway_collect, gw) < 0)
		return err_set(err, ERR_NOMEM, "no memory for metrics");
	return 0;
}

const char *meters_route_name(enum tg_route route)
{
	static const char *const names[] = {
#define X(sym, name) name,
		TG_ROUTES(X)
#undef X
	};

	return (unsigned)route < TG_ROUTE_COUNT ? names[route] : "none";
}

static unsigned route_row(enum tg_route route)
{
	return (unsigned)route < TG_ROUTE_COUNT ? (unsigned)route : TG_ROUTE_COUNT;
}

/* Row of a status that is met often; METER_STATUSES = look it up each time. */
static unsigned status_row(int status)
{
	static const short common[METER_STATUSES] = {200, 400, 401, 403, 404, 405, 408, 409, 413, 415, 417, 422,
						     429, 431, 499, 500, 501, 502, 503, 504, 529, 201, 204, 402};

	for (unsigned i = 0; i < METER_STATUSES; i++)
		if (common[i] == status)
			return i;
	return METER_STATUSES;
}

static int request_series(const struct call *c, const char *provider)
{
	char status[12];
	const char *labels[] = {"router", meters_route_name(c->route), provider, status};

	snprintf(status, sizeof(status), "%d", c->status);
	return metrics_series(c->w->gw->meters.requests, labels);
}

static void count_request(struct call *c)
{
	struct worker_meters *m = &c->w->meters;
	const struct catalog_provider *p = c->deployment ? c->deployment->provider : NULL;
	unsigned provider = p ? p->index : METER_PROVIDERS, status = status_row(c->status);
	int series, *cached = NULL;

	if (c->wc && m->catalog_version != c->wc->catalog->version) {
		memset(m->requests, 0, sizeof(m->requests));
		m->catalog_version = c->wc->catalog->version;
	}
	if (status < METER_STATUSES && provider <= METER_PROVIDERS && (!p || p->index < METER_PROVIDERS))
		cached = &m->requests[route_row(c->route)][provider][status];
	if (cached && *cached) {
		series = *cached - 1;
	} else {
		series = request_series(c, p ? p->conf->name : "none");
		if (series < 0)
			return;
		if (cached)
			*cached = series + 1;
	}
	metrics_add(c->w->gw->meters.requests, series, c->w->index, 1);
}

static void observe(struct call *c, struct metric *f, int *cache, uint64_t ns)
{
	int *cached = &cache[route_row(c->route)];

	if (!*cached) {
		const char *labels[] = {"router", meters_route_name(c->route)};
		int series = metrics_series(f, labels);

		if (series < 0)
			return;
		*cached = series + 1;
	}
	metrics_observe(f, *cached - 1, c->w->index, (double)ns / 1e9);
}

static void count_tokens(struct call *c)
{
	const struct meters *m = &c->w->gw->meters;
	const char *provider = c->deployment->provider->conf->name;
	const struct {
		const char *type;
		uint64_t n;
	} kinds[] = {{"input", c->usage.input_tokens},
		     {"output", c->usage.output_tokens},
		     {"cached_input", c->usage.cached_input_tokens}};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *labels[] = {provider, kinds[i].type};
		int series = kinds[i].n ? metrics_series(m->tokens, labels) : -1;

		if (series >= 0)
			metrics_add(m->tokens, series, c->w->index, kinds[i].n);
	}
}

void meters_call(struct call *c, uint64_t now_ns)
{
	struct gateway_worker *w = c->w;
	uint64_t total = now_ns - c->received_ns;

	count_request(c);
	observe(c, w->gw->meters.duration, w->meters.duration, total);
	if (c->first_byte_ns)
		observe(c, w->gw->meters.first_byte, w->meters.first_byte, c->first_byte_ns - c->received_ns);
	if (c->upstream_done_ns) {
		uint64_t away = c->upstream_done_ns - c->forwarded_ns;

		observe(c, w->gw->meters.overhead, w->meters.overhead, total > away ? total - away : 0);
	}
}

void meters_usage(struct call *c)
{
	if (c->have_usage) {
		count_tokens(c);
	} else if (c->source == USAGE_ESTIMATED) {
		const char *labels[] = {c->deployment->provider->conf->name};
		int series = metrics_series(c->w->gw->meters.no_usage, labels);

		if (series >= 0)
			metrics_add(c->w->gw->meters.no_usage, series, c->w->index, 1);
	}
}

void meters_verdict(struct call *c, enum tg_verdict verdict, enum tg_reason reason)
{
	_Atomic uint64_t *n = &c->w->meters.verdicts[verdict][reason];

	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_relaxed);
}

void meters_upstream_error(struct call *c, const char *kind)
{
	const char *labels[] = {c->deployment->provider->conf->name, kind};
	int series = metrics_series(c->w->gw->meters.upstream_errors, labels);

	if (series >= 0)
		metrics_add(c->w->gw->meters.upstream_errors, series, c->w->index, 1);
}

void meters_learn_failed(struct call *c)
{
	static const char *const none[] = {NULL};
	int series = metrics_series(c->w->gw->meters.learn_failed, none);

	if (series >= 0)
		metrics_add(c->w->gw->meters.learn_failed, series, c->w->index, 1);
}
