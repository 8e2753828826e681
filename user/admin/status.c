/* Status, statistics, metrics, health. */
#include "admin/internal.h"

#include <string.h>

static const char *mode_name(enum kernel_mode mode)
{
	switch (mode) {
	case KERNEL_MODE_XDP_NATIVE:
		return "xdp_native";
	case KERNEL_MODE_XDP_GENERIC:
		return "xdp_generic";
	case KERNEL_MODE_TC:
		return "tc";
	case KERNEL_MODE_NONE:
		break;
	}
	return "none";
}

static int add_attachment(const struct kernel_attachment *a, void *arg)
{
	return json_array_append_new(arg, json_pack("{s:s,s:s,s:s}", "interface", a->ifname, "mode", mode_name(a->mode),
						    "note", a->note)) < 0
		       ? ERR_NOMEM
		       : 0;
}

static json_t *kernel_json(struct kernel *k)
{
	json_t *list = json_array(), *o;
	struct err err = {0};
	int rc = 0;

	if (!kernel_is_memory(k))
		rc = kernel_attachments(k, add_attachment, list, &err);
	o = json_pack("{s:b,s:b,s:o}", "enabled", !kernel_is_memory(k), "armed", kernel_control(k)->armed != 0,
		      "attachments", list);
	if (rc < 0)
		json_object_set_new(o, "error", json_string(err.msg));
	return o;
}

void handle_status(struct admin_call *c)
{
	struct admin *a = c->a;
	struct admin_status s = {0};
	struct store_policy active = {0};
	json_t *listen = json_array();
	char *text = NULL;

	a->o.ops.status(a->o.ops.arg, &s);
	for (const char *const *l = s.listen; l && *l; l++)
		json_array_append_new(listen, json_string(*l));
	if (store_policy_get(a->o.store, 0, &active, &text, NULL) < 0)
		active.id = 0;
	free(text);
	reply_json(c, 200,
		   json_pack("{s:s,s:i,s:I,s:I,s:I,s:I,s:o,s:i,s:i,s:i,s:o,s:b}", "version", TOLLGATE_VERSION, "pid",
			     (int)getpid(), "uptime_s", (json_int_t)s.uptime_s, "generation",
			     (json_int_t)kernel_control(a->o.kernel)->generation, "policy_id", (json_int_t)active.id,
			     "policy_confirm_by_ms", (json_int_t)active.confirm_by_ms, "kernel",
			     kernel_json(a->o.kernel), "workers", (int)s.workers, "connections", (int)s.connections,
			     "calls", (int)s.calls, "listen", listen, "draining", s.draining));
}

/* ---- statistics */

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

static void add_verdict(json_t *list, const char *layer, unsigned v, unsigned r, uint64_t packets, uint64_t bytes)
{
	if (packets)
		json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:I,s:I}", "layer", layer, "verdict",
						      verdict_names[v], "reason", reason_names[r], "packets",
						      (json_int_t)packets, "bytes", (json_int_t)bytes));
}

static json_t *verdicts_json(struct admin *a, const struct kernel_stats *nic)
{
	uint64_t own[TG_VERDICT_COUNT][TG_REASON_COUNT];
	json_t *list = json_array();

	a->o.ops.verdicts(a->o.ops.arg, own);
	for (unsigned v = 0; v < TG_VERDICT_COUNT; v++)
		for (unsigned r = 0; r < TG_REASON_COUNT; r++) {
			add_verdict(list, "nic", v, r, nic->by[v][r].packets, nic->by[v][r].bytes);
			add_verdict(list, "daemon", v, r, own[v][r], 0);
		}
	return list;
}

static json_t *fill_json(struct kernel *k)
{
	struct kernel_fill fill[32];
	size_t n = ARRAY_SIZE(fill);
	json_t *list = json_array();
	struct err err;

	if (kernel_is_memory(k) || kernel_fill(k, fill, &n, &err) < 0)
		return list;
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s,s:I,s:I}", "map", fill[i].map, "used",
						      (json_int_t)fill[i].used, "max", (json_int_t)fill[i].max));
	return list;
}

void handle_stats(struct admin_call *c)
{
	struct kernel *k = c->a->o.kernel;
	struct kernel_stats *nic = calloc(1, sizeof(*nic));
	struct err err;

	if (!nic || (!kernel_is_memory(k) && kernel_stats(k, nic, &err) < 0)) {
		if (nic)
			reply_err(c, &err);
		else
			reply_error(c, 503, "no_memory", "out of memory");
		free(nic);
		return;
	}
	reply_json(c, 200,
		   json_pack("{s:o,s:o,s:I,s:I,s:I,s:I,s:I}", "verdicts", verdicts_json(c->a, nic), "fill",
			     fill_json(k), "events_lost", (json_int_t)nic->health.events_lost, "events_throttled",
			     (json_int_t)nic->health.events_throttled, "state_full", (json_int_t)nic->health.state_full,
			     "gcra_contended", (json_int_t)nic->health.gcra_contended, "helper_failed",
			     (json_int_t)nic->health.helper_failed));
	free(nic);
}

/* ---- for monitoring */

void handle_metrics(struct admin_call *c)
{
	const char *accept = http_request_header(c->x, "accept", NULL);
	bool open = accept && strstr(accept, "application/openmetrics-text");
	_cleanup_(buf_done) struct buf b = BUF_INIT;

	if (metrics_render(c->a->o.metrics, open, &b) < 0) {
		reply_error(c, 503, "no_memory", "out of memory");
		return;
	}
	reply_text(c, 200,
		   open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			: "text/plain; version=0.0.4; charset=utf-8",
		   &b);
}

void handle_health(struct admin_call *c)
{
	reply_json(c, 200, json_pack("{s:s}", "status", "ok"));
}

void handle_ready(struct admin_call *c)
{
	struct admin_status s = {0};

	c->a->o.ops.status(c->a->o.ops.arg, &s);
	if (s.ready && !s.draining)
		reply_json(c, 200, json_pack("{s:s}", "status", "ready"));
	else
		reply_error(c, 503, "not_ready", s.draining ? "shutting down" : "starting");
}
