/* What lives elsewhere and is read at a scrape: verdicts of both layers, maps, generation, connections. */
#include "gateway/collect.h"

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
