/* breaker and event. */
#include "ctl/call.h"

#include <string.h>

static json_int_t number_at(json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static json_int_t inner(json_t *object, const char *name, const char *field)
{
	return number_at(json_object_get(object, name), field);
}

/* ---- what a row says to people, beside its fields */

static json_t *state_text(json_t *row)
{
	const char *state = view_text_at(row, "state");

	if (strcmp(view_text_at(row, "force"), "auto") != 0)
		return json_sprintf("%s (forced)", state);
	return json_string(strcmp(state, "half_open") == 0 ? "half-open" : state);
}

static json_t *why_text(json_t *row)
{
	const char *state = view_text_at(row, "state");

	if (strcmp(view_text_at(row, "force"), "auto") != 0)
		return json_string("by an operator");
	if (strcmp(state, "half_open") == 0)
		return json_sprintf("probes: %d succeeded, %d under way", (int)inner(row, "probes", "succeeded"),
				    (int)inner(row, "probes", "running"));
	if (strcmp(state, "open") == 0)
		return json_sprintf("%d failures in a row, %d of %d calls", (int)number_at(row, "failures_in_a_row"),
				    (int)inner(row, "window", "failures"), (int)inner(row, "window", "calls"));
	if (!number_at(row, "cooling_ms"))
		return json_string("");
	return json_string(json_is_true(json_object_get(row, "quota_exhausted")) ? "provider: quota exhausted"
										 : "provider: wait");
}

/* Milliseconds until it is tried again: null = never by itself. */
static json_t *again(json_t *row)
{
	json_t *retry = json_object_get(row, "retry_ms");
	json_int_t ms = json_integer_value(retry), cooling = number_at(row, "cooling_ms");

	if (json_is_null(retry))
		return json_string("when freed");
	if (cooling > ms)
		ms = cooling;
	return ms ? json_integer(ms) : json_string("");
}

static json_t *in_flight_text(json_t *row)
{
	int now = (int)number_at(row, "in_flight"), most = (int)number_at(row, "concurrency");
	int waiting = (int)number_at(row, "waiting");
	char bound[24] = "", queue[32] = "";

	if (most)
		snprintf(bound, sizeof(bound), " of %d", most);
	if (waiting)
		snprintf(queue, sizeof(queue), ", %d waiting", waiting);
	return json_sprintf("%d%s%s", now, bound, queue);
}

static json_t *models_text(json_t *row)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT;
	json_t *models = json_object_get(row, "models"), *model;
	size_t i;

	json_array_foreach(models, i, model) buf_printf(&text, "%s%s", i ? ", " : "", json_string_value(model));
	return json_string(text.data ? text.data : "");
}

static void explain_row(json_t *row)
{
	json_object_set_new(row, "why", why_text(row));
	json_object_set_new(row, "again", again(row));
	json_object_set_new(row, "calls", in_flight_text(row));
	json_object_set_new(row, "models", models_text(row));
	if (!number_at(row, "latency_ms")) /* none has been seen */
		json_object_set_new(row, "latency_ms", json_string(""));
	json_object_set_new(row, "state", state_text(row)); /* last: the others read it */
}

/* ---- list */

static void put_providers(struct buf *out, json_t *providers)
{
	json_t *p;
	size_t i;

	json_array_foreach(providers, i, p)
	{
		const char *state = view_text_at(p, "state");
		int n = (int)number_at(p, "deployments");

		if (strcmp(state, "open") == 0)
			buf_printf(out, "provider %s is out of order: %s open\n", view_text_at(p, "provider"),
				   n == 1 ? "its one deployment is" : "all its deployments are");
		else if (strcmp(state, "half_open") == 0)
			buf_printf(out, "provider %s is being probed\n", view_text_at(p, "provider"));
	}
}

static void view_breakers(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"deployment", "DEPLOYMENT", VIEW_TEXT},
		{"models", "MODELS", VIEW_TEXT},
		{"state", "STATE", VIEW_TEXT},
		{"why", "WHY", VIEW_TEXT},
		{"again", "TRIED AGAIN IN", VIEW_WAIT_MS},
		{"calls", "IN FLIGHT", VIEW_TEXT},
		{"latency_ms", "FIRST BYTE", VIEW_WAIT_MS},
		{"changed_ms", "SINCE (UTC)", VIEW_WHEN},
		{NULL, NULL, VIEW_TEXT},
	};
	json_t *rows = json_object_get(json, "breakers"), *row;
	size_t i;

	if (!json_array_size(rows)) {
		buf_puts(out, "no deployments: the configuration has no models\n");
		return;
	}
	json_array_foreach(rows, i, row) explain_row(row);
	view_table(out, rows, columns, now_ms);
	put_providers(out, json_object_get(json, "providers"));
}

int ctl_run_breaker_list(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	(void)args;
	return call_simple(ctl, "GET", "/admin/v1/breakers", NULL, view_breakers, err);
}

/* ---- forcing */

static void view_breaker(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column fields[] = {
		{"deployment", "deployment", VIEW_TEXT}, {"models", "serves", VIEW_TEXT},
		{"state", "state", VIEW_TEXT},           {"why", "why", VIEW_TEXT},
		{"calls", "in flight", VIEW_TEXT},       {NULL, NULL, VIEW_TEXT},
	};

	if (!json_object_get(json, "state")) { /* not configured now, remembered for when it is */
		buf_printf(out, "%s: %s, once it is configured\n", view_text_at(json, "deployment"),
			   view_text_at(json, "force"));
		return;
	}
	explain_row(json);
	if (!*view_text_at(json, "why"))
		json_object_del(json, "why");
	view_fields(out, json, fields, now_ms);
}

int ctl_run_breaker_open(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	return call_simple(ctl, "POST", "/admin/v1/breakers/%s/open", args->positional[0], view_breaker, err);
}

int ctl_run_breaker_close(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	return call_simple(ctl, "POST", "/admin/v1/breakers/%s/close", args->positional[0], view_breaker, err);
}

int ctl_run_breaker_auto(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	return call_simple(ctl, "POST", "/admin/v1/breakers/%s/auto", args->positional[0], view_breaker, err);
}

/* ---- events */

static void view_events(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"time_ms", "TIME (UTC)", VIEW_WHEN}, {"kind", "WHAT", VIEW_TEXT}, {"subject", "OF", VIEW_TEXT},
		{"detail", "DETAIL", VIEW_TEXT},      {NULL, NULL, VIEW_TEXT},
	};
	json_t *rows = json_object_get(json, "events");

	if (!json_array_size(rows))
		buf_puts(out, "no events\n");
	else
		view_table(out, rows, columns, now_ms);
	call_put_next(out, json);
}

int ctl_run_event_list(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	struct api_request request;
	int rc;

	api_path(&request, "GET", "/admin/v1/events", NULL);
	rc = call_page(args, &request, err);
	return rc ? rc : call_request(ctl, &request, view_events, err);
}
