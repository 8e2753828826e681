/* What lives elsewhere and is read at a scrape: verdicts of both layers, maps, generation, connections. */
#include "gateway/collect.h"

#include "base/clock.h"
#include "gateway/state.h"

#include <stdio.h>
#include <string.h>

static const char *const verdict_names[] = {
#define X(sym, name, text) name,
	TG_VERDICTS(X)
#undef X
};
static const char *const reason_names[] = {
#define X(sym, name, text) name,
	TG_REASONS(X)
#undef X
};

static void put_verdict(struct buf *out, const char *layer, unsigned v, unsigned r, uint64_t n)
{
	char labels[160];

	if (!n)
		return;
	snprintf(labels, sizeof(labels), "layer=\"%s\",verdict=\"%s\",reason=\"%s\"", layer, verdict_names[v],
		 reason_names[r]);
	metrics_put_value(out, "tollgate_limiter_verdicts_total", labels, (double)n);
}

static void put_verdicts(struct gateway *gw, const struct kernel_stats *nic, struct buf *out, bool om)
{
	uint64_t own[TG_VERDICT_COUNT][TG_REASON_COUNT];

	gateway_verdicts(gw, own);
	metrics_put_head(out, om, METRIC_COUNTER, "tollgate_limiter_verdicts_total",
			 "Packets (layer nic) and requests (layer daemon) by verdict and reason.");
	for (unsigned v = 0; v < TG_VERDICT_COUNT; v++)
		for (unsigned r = 0; r < TG_REASON_COUNT; r++) {
			put_verdict(out, "nic", v, r, nic->by[v][r].packets);
			put_verdict(out, "daemon", v, r, own[v][r]);
		}
}

static void put_one(struct buf *out, bool om, enum metric_kind kind, const char *name, const char *help, double v)
{
	metrics_put_head(out, om, kind, name, help);
	metrics_put_value(out, name, "", v);
}

static void put_fill(struct kernel *k, struct buf *out, bool om)
{
	struct kernel_fill fill[32];
	size_t n = ARRAY_SIZE(fill);
	char labels[64];
	struct err err;

	if (kernel_is_memory(k) || kernel_fill(k, fill, &n, &err) < 0)
		return;
	metrics_put_head(out, om, METRIC_GAUGE, "tollgate_map_entries", "Entries in use of a kernel map.");
	for (size_t i = 0; i < n; i++) {
		snprintf(labels, sizeof(labels), "map=\"%s\"", fill[i].map);
		metrics_put_value(out, "tollgate_map_entries", labels, (double)fill[i].used);
	}
	metrics_put_head(out, om, METRIC_GAUGE, "tollgate_map_entries_max", "Room of a kernel map.");
	for (size_t i = 0; i < n; i++) {
		snprintf(labels, sizeof(labels), "map=\"%s\"", fill[i].map);
		metrics_put_value(out, "tollgate_map_entries_max", labels, (double)fill[i].max);
	}
}

static void put_health(const struct tg_health *h, struct buf *out, bool om)
{
	put_one(out, om, METRIC_COUNTER, "tollgate_events_lost_total",
		"Sampled refusals lost because the ring buffer was full.", (double)h->events_lost);
	put_one(out, om, METRIC_COUNTER, "tollgate_events_throttled_total",
		"Sampled refusals left out because the budget of the second was spent.", (double)h->events_throttled);
	put_one(out, om, METRIC_COUNTER, "tollgate_state_full_total",
		"Entries that did not fit a kernel state map; the policy's map_full decided.", (double)h->state_full);
	put_one(out, om, METRIC_COUNTER, "tollgate_gcra_contended_total",
		"Bucket updates given up under contention, judged as over the limit.", (double)h->gcra_contended);
	put_one(out, om, METRIC_COUNTER, "tollgate_kernel_helper_failures_total",
		"Failed helper calls in the kernel program; the packet passed.", (double)h->helper_failed);
}

static void put_ledger(struct ledger *l, struct buf *out, bool om)
{
	static const char *const sources[USAGE_SOURCES] = {"none", "reported", "drained", "estimated", "recovered"};
	struct ledger_stats s;
	char labels[48];

	ledger_stats(l, &s);
	put_one(out, om, METRIC_COUNTER, "total_billing_records", "Usage records posted by this process.",
		(double)s.records);
	put_one(out, om, METRIC_GAUGE, "tollgate_ledger_available",
		"1 while charges can be committed; 0: billable calls get 503.", s.available ? 1 : 0);
	put_one(out, om, METRIC_GAUGE, "tollgate_ledger_queue", "Records that wait for their commit.",
		(double)s.queued);
	put_one(out, om, METRIC_COUNTER, "tollgate_ledger_batches_total", "Commits.", (double)s.batches);
	put_one(out, om, METRIC_COUNTER, "tollgate_ledger_commit_failures_total",
		"Commits that failed and were tried again.", (double)s.commit_failures);
	put_one(out, om, METRIC_COUNTER, "tollgate_ledger_commit_seconds_total", "Time spent in commits.",
		(double)s.commit_ns_sum / 1e9);
	put_one(out, om, METRIC_COUNTER, "tollgate_ledger_wait_seconds_total",
		"Time that records waited for their commit, over all records.", (double)s.held_ns_sum / 1e9);
	put_one(out, om, METRIC_COUNTER, "tollgate_ledger_unpostable_total",
		"Records the books could not take; each opened a discrepancy.", (double)s.unpostable);
	put_one(out, om, METRIC_GAUGE, "tollgate_holds_open", "Holds open now.", (double)s.holds_open);
	put_one(out, om, METRIC_COUNTER, "tollgate_holds_total", "Holds taken.", (double)s.holds_taken);
	put_one(out, om, METRIC_COUNTER, "tollgate_holds_refused_total",
		"Calls whose worst case the balance didn't cover.", (double)s.holds_refused);
	put_one(out, om, METRIC_COUNTER, "tollgate_holds_expired_total", "Holds that were still open past their time.",
		(double)s.holds_expired);
	metrics_put_head(out, om, METRIC_COUNTER, "tollgate_usage_records_total",
			 "Usage records by where their tokens are from.");
	for (unsigned i = 0; i < USAGE_SOURCES; i++) {
		snprintf(labels, sizeof(labels), "source=\"%s\"", sources[i]);
		metrics_put_value(out, "tollgate_usage_records_total", labels, (double)s.source[i]);
	}
}

static void put_supply(struct gateway *gw, struct buf *out, bool om)
{
	const struct catalog *c = gw->catalog;
	char labels[320];

	metrics_put_head(out, om, METRIC_GAUGE, "tollgate_deployment_supply",
			 "Supply and demand as prices see it: 0 surplus, 1 balanced, 2 scarce.");
	for (size_t m = 0; m < c->n_models; m++)
		for (unsigned i = 0; i < c->models[m].n_deployments; i++) {
			const struct catalog_deployment *d = &c->models[m].deployments[i];

			snprintf(labels, sizeof(labels), "model=\"%.100s\",provider=\"%.60s\",deployment=\"%.100s\"",
				 c->models[m].name, d->provider->conf->name, d->upstream_model);
			metrics_put_value(out, "tollgate_deployment_supply", labels,
					  (double)atomic_load(&gw->pricing->loads[d->index].supply));
		}
}

/* ---- deployments' health. Series are bounded: of deployments by what fits, of tenants there is the sum. */

#define DEPLOYMENTS_SHOWN 1000u

struct breaker_rows {
	struct gateway_breaker *rows;
	char (*ids)[HEALTH_ID_MAX];
	size_t n, max;
};

static int keep_breaker(const struct gateway_breaker *b, void *arg)
{
	struct breaker_rows *r = arg;

	if (r->n == r->max)
		return 1;
	r->rows[r->n] = *b;
	memcpy(r->ids[r->n], b->deployment, strlen(b->deployment) + 1);
	r->n++;
	return 0;
}

static void put_deployments(const struct breaker_rows *r, struct buf *out, bool om, enum metric_kind kind,
			    const char *name, const char *help, double (*value)(const struct gateway_breaker *b))
{
	char labels[HEALTH_ID_MAX + 20];

	metrics_put_head(out, om, kind, name, help);
	for (size_t i = 0; i < r->n; i++) {
		snprintf(labels, sizeof(labels), "deployment=\"%s\"", r->ids[i]);
		metrics_put_value(out, name, labels, value(&r->rows[i]));
	}
}

static double value_state(const struct gateway_breaker *b)
{
	return b->view.state;
}

static double value_opened(const struct gateway_breaker *b)
{
	return (double)b->opened;
}

static double value_cooling(const struct gateway_breaker *b)
{
	return b->cooling_ns > 0;
}

static double value_latency(const struct gateway_breaker *b)
{
	return (double)b->latency_us / 1e6;
}

/* Places of one kind: a series per deployment, one for all tenants together. */
static void put_places(struct gateway *gw, const struct breaker_rows *r, struct buf *out, bool om, const char *name,
		       const char *help, bool waiting)
{
	const struct directory *d = gateway_directory(gw);
	uint64_t tenants = 0;
	char labels[HEALTH_ID_MAX + 20];

	for (uint32_t s = 0; s < d->n_subjects; s++)
		tenants += atomic_load_explicit(waiting ? &gw->tenants[s].waiting : &gw->tenants[s].inside,
						memory_order_relaxed);
	metrics_put_head(out, om, METRIC_GAUGE, name, help);
	metrics_put_value(out, name, "group=\"tenants\"", (double)tenants);
	for (size_t i = 0; i < r->n; i++) {
		snprintf(labels, sizeof(labels), "group=\"%s\"", r->ids[i]);
		metrics_put_value(out, name, labels, waiting ? r->rows[i].waiting : r->rows[i].inside);
	}
}

static void put_retries(struct gateway *gw, struct buf *out, bool om)
{
	static const char *const results[HEALTH_RETRIES] = {
		[HEALTH_RETRY_GRANTED] = "granted",          [HEALTH_RETRY_NO_BUDGET] = "no_budget",
		[HEALTH_RETRY_NO_ATTEMPTS] = "max_attempts", [HEALTH_RETRY_TOO_LATE] = "too_late",
		[HEALTH_RETRY_NOWHERE] = "no_deployment",
	};
	char labels[40];

	metrics_put_head(out, om, METRIC_COUNTER, "tollgate_retries_total",
			 "Attempts that failed after they may have reached a provider: was another one made?");
	for (unsigned i = 0; i < HEALTH_RETRIES; i++) {
		snprintf(labels, sizeof(labels), "result=\"%s\"", results[i]);
		metrics_put_value(out, "tollgate_retries_total", labels, (double)atomic_load(&gw->health->retries[i]));
	}
}

/* Deployments come sorted, so that those of a provider stand together. */
static void put_quota(const struct breaker_rows *r, struct buf *out, bool om)
{
	char labels[HEALTH_ID_MAX + 20];

	metrics_put_head(out, om, METRIC_COUNTER, "tollgate_provider_quota_exhausted_total",
			 "Times that a provider said our quota or credit with it is spent.");
	for (size_t i = 0, next; i < r->n; i = next) {
		size_t len = strcspn(r->ids[i], "/") + 1;
		uint64_t n = 0;

		for (next = i; next < r->n && !strncmp(r->ids[i], r->ids[next], len); next++)
			n += r->rows[next].quota_times;
		snprintf(labels, sizeof(labels), "provider=\"%.*s\"", (int)len - 1, r->ids[i]);
		metrics_put_value(out, "tollgate_provider_quota_exhausted_total", labels, (double)n);
	}
}

static void put_breakers(struct gateway *gw, struct buf *out, bool om)
{
	struct breaker_rows r = {.max = DEPLOYMENTS_SHOWN};
	struct err err;

	r.rows = calloc(r.max, sizeof(*r.rows));
	r.ids = calloc(r.max, sizeof(*r.ids));
	if (r.rows && r.ids && gateway_breakers_each(gw, clock_mono_ns(), keep_breaker, &r, &err) >= 0) {
		put_deployments(&r, out, om, METRIC_GAUGE, "tollgate_breaker_state",
				"State of a deployment's circuit: 0 closed, 1 open, 2 half-open.", value_state);
		put_deployments(&r, out, om, METRIC_COUNTER, "tollgate_breaker_openings_total",
				"Times that a deployment's circuit opened.", value_opened);
		put_deployments(&r, out, om, METRIC_GAUGE, "tollgate_deployment_cooling",
				"1 while a deployment is left alone because its provider asked for it.", value_cooling);
		put_deployments(&r, out, om, METRIC_GAUGE, "tollgate_deployment_latency_seconds",
				"Time to a deployment's first byte, smoothed, as routing sees it.", value_latency);
		put_places(gw, &r, out, om, "tollgate_bulkhead_inside", "Calls under way in a group.", false);
		put_places(gw, &r, out, om, "tollgate_bulkhead_waiting", "Calls that wait for a place in a group.",
			   true);
		put_quota(&r, out, om);
	}
	put_retries(gw, out, om);
	free(r.rows);
	free(r.ids);
}

void gateway_collect(struct buf *out, bool openmetrics, void *arg)
{
	struct gateway *gw = arg;
	struct kernel_stats *nic = calloc(1, sizeof(*nic));
	struct err err;

	if (nic && !kernel_is_memory(gw->kernel) && kernel_stats(gw->kernel, nic, &err) < 0)
		memset(nic, 0, sizeof(*nic));
	if (nic) {
		put_verdicts(gw, nic, out, openmetrics);
		put_health(&nic->health, out, openmetrics);
	}
	free(nic);
	put_fill(gw->kernel, out, openmetrics);
	if (gw->ledger)
		put_ledger(gw->ledger, out, openmetrics);
	if (gw->pricing)
		put_supply(gw, out, openmetrics);
	put_breakers(gw, out, openmetrics);
	put_one(out, openmetrics, METRIC_GAUGE, "tollgate_policy_generation", "Generation of the policy in force.",
		(double)gw->control->generation);
	put_one(out, openmetrics, METRIC_GAUGE, "tollgate_kernel_enabled",
		"1 when the kernel program enforces, 0 in user space only (--no-kernel).",
		kernel_is_memory(gw->kernel) ? 0 : 1);
	put_one(out, openmetrics, METRIC_GAUGE, "tollgate_connections", "Open client connections.",
		(double)gateway_connections(gw));
	put_one(out, openmetrics, METRIC_GAUGE, "tollgate_requests_in_flight", "Requests under way.",
		(double)gateway_calls(gw));
	metrics_put_head(out, openmetrics, METRIC_GAUGE, "tollgate_build_info", "Version of the running program.");
	metrics_put_value(out, "tollgate_build_info", "version=\"" TOLLGATE_VERSION "\"", 1);
}
