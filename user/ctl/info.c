/* status, health, limits show. */
#include "ctl/api.h"
#include "ctl/output.h"
#include "ctl/pinned.h"

static const struct view_column attachment_columns[] = {
	{"interface", "INTERFACE", VIEW_TEXT},
	{"mode", "MODE", VIEW_TEXT},
	{"note", "NOTE", VIEW_TEXT},
	{NULL, NULL, VIEW_TEXT},
};

/* ---- status */

static void put_list(struct buf *out, const char *title, json_t *array)
{
	json_t *item;
	size_t i;

	if (!json_array_size(array))
		return;
	buf_printf(out, "%s", title);
	json_array_foreach(array, i, item)
	{
		buf_puts(out, i ? ", " : "");
		view_value(out, item, VIEW_TEXT, 0);
	}
	buf_putc(out, '\n');
}

static void put_kernel(struct buf *out, json_t *kernel, int64_t now_ms)
{
	json_t *attachments = json_object_get(kernel, "attachments");

	if (json_is_false(json_object_get(kernel, "enabled"))) {
		buf_puts(out,
			 "\nkernel: off; limits hold in user space only, lists and network limits are not enforced\n");
	} else if (!json_array_size(attachments)) {
		buf_puts(out, "\nkernel: the program is attached to no interface (tollctl attach INTERFACE)\n");
	} else {
		buf_putc(out, '\n');
		view_table(out, attachments, attachment_columns, now_ms);
	}
}

static void view_status(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column fields[] = {
		{"state", "state", VIEW_TEXT},      {"version", "version", VIEW_TEXT},
		{"pid", "pid", VIEW_TEXT},          {"uptime", "uptime", VIEW_WAIT_MS},
		{"policy_id", "policy", VIEW_TEXT}, {"generation", "generation", VIEW_TEXT},
		{"workers", "workers", VIEW_TEXT},  {"connections", "connections", VIEW_NUMBER},
		{"calls", "calls", VIEW_NUMBER},    {NULL, NULL, VIEW_TEXT},
	};
	json_t *uptime = json_object_get(json, "uptime_s");

	if (uptime)
		json_object_set_new(json, "uptime", json_integer((json_int_t)(json_number_value(uptime) * 1000)));
	view_fields(out, json, fields, now_ms);
	put_list(out, "listen       ", json_object_get(json, "listen"));
	put_kernel(out, json_object_get(json, "kernel"), now_ms);
}

/* Without the daemon: what is pinned, and failure. */
static int status_pinned(struct ctl *ctl, int rc, struct err *err)
{
	_cleanup_(pinned_closep) struct kernel *k = NULL;
	_cleanup_(json_decrefp) json_t *result = NULL;
	struct err why = *err;
	json_t *kernel;

	rc = pinned_instead(ctl, rc, &k, err);
	if (rc == 0)
		rc = pinned_status(k, &kernel, err);
	if (rc < 0)
		return rc;
	result = json_pack("{s:s, s:O, s:o}", "state", "down", "generation", json_object_get(kernel, "generation"),
			   "kernel", kernel);
	rc = output(ctl, result, view_status, err);
	if (rc < 0)
		return rc;
	if (ctl->json)
		why.msg[0] = '\0'; /* the JSON says it */
	*err = why;
	return why.code;
}

int ctl_run_status(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	struct api_request request;
	int rc;

	(void)args;
	api_path(&request, "GET", "/admin/v1/status", NULL);
	rc = api_call(ctl, &request, &reply, err);
	return rc < 0 ? status_pinned(ctl, rc, err) : output(ctl, reply.json, view_status, err);
}

/* ---- health */

static void view_health(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column fields[] = {
		{"alive", "alive", VIEW_TEXT}, {"ready", "ready", VIEW_TEXT}, {NULL, NULL, VIEW_TEXT}};

	view_fields(out, json, fields, now_ms);
}

/* Answered with a 2xx? Only a missing answer is an error. */
static int ask(struct ctl *ctl, const char *path, bool *ret, struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	struct api_request request;
	int rc;

	api_path(&request, "GET", path, NULL);
	request.any_answer = true;
	rc = api_call(ctl, &request, &reply, err);
	if (rc < 0 && !reply.status)
		return rc;
	*ret = rc == 0;
	return 0;
}

int ctl_run_health(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(json_decrefp) json_t *result = NULL;
	bool alive = false, ready = false;
	int rc;

	(void)args;
	rc = ask(ctl, "/healthz", &alive, err);
	if (rc == 0)
		rc = ask(ctl, "/readyz", &ready, err);
	if (rc < 0)
		return rc;
	result = json_pack("{s:b, s:b}", "alive", alive, "ready", ready);
	rc = output(ctl, result, view_health, err);
	if (rc == 0 && !(alive && ready)) {
		rc = err_set(err, ERR_BUSY, "tollgated is %s", alive ? "alive, but not ready" : "not well");
		if (ctl->json)
			err->msg[0] = '\0';
	}
	return rc;
}

/* ---- limits */

static void view_limits(struct buf *out, json_t *json, int64_t now_ms)
{
	json_t *rows = json_object_get(json, "dimensions");

	if (!json_array_size(rows))
		buf_puts(out, "no limits\n");
	else
		view_limits_table(out, rows, false, now_ms);
}

int ctl_run_limits_show(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const char *tenant = ctl_option(args, "tenant"), *key = ctl_option(args, "key");
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	struct api_request request;
	int rc;

	if (tenant && key) {
		err_set(err, ERR_INVAL, "--tenant and --key exclude each other");
		return CTL_USAGE;
	}
	api_path(&request, "GET", "/admin/v1/limits", NULL);
	api_query(&request, "tenant", tenant);
	api_query(&request, "key", key);
	rc = api_call(ctl, &request, &reply, err);
	return rc < 0 ? rc : output(ctl, reply.json, view_limits, err);
}
