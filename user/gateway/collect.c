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
