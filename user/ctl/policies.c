/* policy: check, diff, apply, show, versions, confirm, rollback. */
#include "ctl/api.h"
#include "ctl/input.h"
#include "ctl/output.h"

#include "base/num.h"
#include "conf/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define POLICY_MAX ((size_t)64 << 20)

/* ---- errors with their places */

/* The place of errors on standard error, "-" as people know it. */
static const char *place_name(const char *path)
{
	return strcmp(path, "-") == 0 ? "<stdin>" : path;
}

static json_t *errors_json(const struct conf_errors *errs)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < errs->count; i++)
		json_array_append_new(rows, json_pack("{s:i, s:i, s:s, s:s}", "line", (int)errs->items[i].line,
						      "column", (int)errs->items[i].column, "path", errs->items[i].path,
						      "message", errs->items[i].msg));
	return rows;
}

static int policy_errors(const char *path, size_t n, struct err *err)
{
	return err_set(err, ERR_INVAL, "%s: %zu %s, nothing was applied", input_name(path), n,
		       n == 1 ? "error" : "errors");
}

/* ERR_INVAL after all errors went to standard error; *ret_errors then holds them as JSON. */
static int check_here(const char *path, const struct buf *text, json_t **ret_errors, struct err *err)
{
	_cleanup_(conf_errors_done) struct conf_errors errs = {0};
	_cleanup_(buf_done) struct buf out = BUF_INIT;
	struct policy *policy = NULL;
	int rc;

	rc = policy_parse(text->data ? text->data : "", text->len, &policy, &errs);
	policy_free(policy);
	if (rc == 0)
		return 0;
	conf_errors_print(&errs, place_name(path), &out);
	fputs(out.data ? out.data : "", stderr);
	*ret_errors = errors_json(&errs);
	return policy_errors(path, errs.count + errs.dropped, err);
}

/* The daemon's errors, in the same form. */
static void print_remote_errors(const char *path, json_t *reply)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(reply, "errors"), i, item)
	{
		const char *where = json_string_value(json_object_get(item, "path"));
		const char *message = json_string_value(json_object_get(item, "message"));

		fprintf(stderr, "%s:%" JSON_INTEGER_FORMAT ":%" JSON_INTEGER_FORMAT ": %s%s%s\n", place_name(path),
			json_integer_value(json_object_get(item, "line")),
			json_integer_value(json_object_get(item, "column")), where ? where : "",
			where && *where ? ": " : "", message ? message : "");
	}
}

static int read_policy(const struct ctl_args *args, struct buf *text, struct err *err)
{
	return input_read(args->positional[0], POLICY_MAX, text, err);
}

/* ---- check */

static void view_checked(struct buf *out, json_t *json, int64_t now_ms)
{
	(void)now_ms;
	if (json_is_true(json_object_get(json, "ok")))
		buf_puts(out, "the policy is right\n");
}

int ctl_run_policy_check(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT;
	_cleanup_(json_decrefp) json_t *result = NULL;
	json_t *errors = NULL;
	int rc, out_rc;

	rc = read_policy(args, &text, err);
	if (rc < 0)
		return rc;
	rc = check_here(args->positional[0], &text, &errors, err);
	if (rc < 0 && !ctl->json)
		return rc;
	result = json_pack("{s:b, s:o}", "ok", rc == 0, "errors", errors ? errors : json_array());
	out_rc = output(ctl, result, view_checked, err);
	if (rc < 0)
		err->msg[0] = '\0'; /* all is said: the JSON holds the errors */
	return out_rc < 0 ? out_rc : rc;
}

/* ---- diff and apply */

static int send_policy(struct ctl *ctl, struct api_request *request, const struct ctl_args *args,
		       const struct buf *text, struct api_reply *reply, struct err *err)
{
	int rc;

	request->content_type = "text/yaml";
	request->body = text->data ? text->data : "";
	request->body_len = text->len;
	rc = api_call(ctl, request, reply, err);
	if (rc == ERR_INVAL && json_array_size(json_object_get(reply->json, "errors"))) {
		print_remote_errors(args->positional[0], reply->json);
		return policy_errors(args->positional[0], json_array_size(json_object_get(reply->json, "errors")), err);
	}
	return rc;
}

/* What both need first: the text, free of errors that can be found here. */
static int read_checked(const struct ctl_args *args, struct buf *text, struct err *err)
{
	json_t *errors = NULL;
	int rc = read_policy(args, text, err);

	if (rc == 0)
		rc = check_here(args->positional[0], text, &errors, err);
	json_decref(errors);
	return rc;
}

static void view_diff(struct buf *out, json_t *json, int64_t now_ms)
{
	const char *diff = json_string_value(json_object_get(json, "diff"));

	(void)now_ms;
	buf_puts(out, diff && *diff ? diff : "no difference\n");
	if (diff && *diff && diff[strlen(diff) - 1] != '\n')
		buf_putc(out, '\n');
}

int ctl_run_policy_diff(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	_cleanup_(buf_done) struct buf text = BUF_INIT;
	struct api_request request;
	int rc;

	rc = read_checked(args, &text, err);
	if (rc < 0)
		return rc;
	api_path(&request, "POST", "/admin/v1/policy/diff", NULL);
	rc = send_policy(ctl, &request, args, &text, &reply, err);
	return rc < 0 ? rc : output(ctl, reply.json, view_diff, err);
}

static void view_applied(struct buf *out, json_t *json, int64_t now_ms)
{
	json_int_t id = json_integer_value(json_object_get(json, "id"));
	json_int_t confirm_by = json_integer_value(json_object_get(json, "confirm_by_ms"));
	json_t *generation = json_object_get(json, "generation");

	buf_printf(out, "policy %" JSON_INTEGER_FORMAT " is in force", id);
	if (generation)
		buf_printf(out, " (generation %" JSON_INTEGER_FORMAT ")", json_integer_value(generation));
	buf_putc(out, '\n');
	if (confirm_by) {
		buf_puts(out, "it is rolled back ");
		view_value(out, json_object_get(json, "confirm_by_ms"), VIEW_EXPIRES, now_ms);
		buf_printf(out, " unless confirmed: tollctl policy confirm %" JSON_INTEGER_FORMAT "\n", id);
	}
}

int ctl_run_policy_apply(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	_cleanup_(buf_done) struct buf text = BUF_INIT;
	struct api_request request;
	uint64_t confirm_ns = 0;
	char ms[24];
	int rc;

	rc = ctl_option_duration(args, "confirm", &confirm_ns, err);
	if (rc)
		return rc;
	rc = read_checked(args, &text, err);
	if (rc < 0)
		return rc;
	api_path(&request, "POST", "/admin/v1/policy/apply", NULL);
	snprintf(ms, sizeof(ms), "%" PRIu64, confirm_ns / 1000000u);
	api_query(&request, "confirm_ms", confirm_ns ? ms : NULL);
	api_query(&request, "comment", ctl_option(args, "comment"));
	rc = send_policy(ctl, &request, args, &text, &reply, err);
	return rc < 0 ? rc : output(ctl, reply.json, view_applied, err);
}

/* ---- versions */

static int check_id(const char *id, struct err *err)
{
	uint64_t number;

	if (!id || (num_parse_u64(id, strlen(id), &number) == 0 && number))
		return 0;
	err_set(err, ERR_INVAL, "'%s' is not a policy version; a number from `tollctl policy versions` is right", id);
	return CTL_USAGE;
}

int ctl_run_policy_show(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const char *id = args->n_positional ? args->positional[0] : NULL;
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	_cleanup_(json_decrefp) json_t *result = NULL;
	struct api_request request;
	int rc;

	rc = check_id(id, err);
	if (rc)
		return rc;
	api_path(&request, "GET", "/admin/v1/policy", NULL);
	request.any_answer = true;
	api_query(&request, "id", id);
	rc = api_call(ctl, &request, &reply, err);
	if (rc < 0)
		return rc;
	if (!ctl->json)
		return output_text(&reply.text, err);
	result = json_pack("{s:s#}", "text", reply.text.data ? reply.text.data : "", reply.text.len);
	if (!result)
		return err_set(err, ERR_PROTO, "the policy's text is not valid UTF-8");
	if (id)
		json_object_set_new(result, "id", json_integer((json_int_t)strtoll(id, NULL, 10)));
	return output(ctl, result, NULL, err);
}

static void view_versions(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column columns[] = {
		{"id", "VERSION", VIEW_TEXT},
		{"active", "IN FORCE", VIEW_MARK},
		{"created_ms", "APPLIED (UTC)", VIEW_WHEN},
		{"confirm", "CONFIRM", VIEW_TEXT},
		{"actor", "BY", VIEW_TEXT},
		{"comment", "COMMENT", VIEW_TEXT},
		{NULL, NULL, VIEW_TEXT},
	};
	json_t *rows = json_object_get(json, "versions"), *row;
	size_t i;

	if (!json_array_size(rows)) {
		buf_puts(out, "no policy was applied yet\n");
		return;
	}
	json_array_foreach(rows, i, row)
	{
		json_int_t by = json_integer_value(json_object_get(row, "confirm_by_ms"));

		if (by && json_is_true(json_object_get(row, "active")))
			json_object_set_new(row, "confirm",
					    json_sprintf("within %" JSON_INTEGER_FORMAT " s",
							 by > now_ms ? (by - now_ms) / 1000 : 0));
	}
	view_table(out, rows, columns, now_ms);
}

int ctl_run_policy_versions(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	struct api_request request;
	int rc;

	(void)args;
	api_path(&request, "GET", "/admin/v1/policy/versions", NULL);
	rc = api_call(ctl, &request, &reply, err);
	return rc < 0 ? rc : output(ctl, reply.json, view_versions, err);
}

/* The version in force, as text. */
static int active_id(struct ctl *ctl, char id[24], struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	struct api_request request;
	json_t *value;
	int rc;

	api_path(&request, "GET", "/admin/v1/status", NULL);
	rc = api_call(ctl, &request, &reply, err);
	if (rc < 0)
		return rc;
	value = json_object_get(reply.json, "policy_id");
	if (!json_is_integer(value))
		return err_set(err, ERR_PROTO, "tollgated doesn't say which policy is in force; name the version");
	snprintf(id, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return 0;
}

static void view_confirmed(struct buf *out, json_t *json, int64_t now_ms)
{
	(void)json;
	(void)now_ms;
	buf_puts(out, "confirmed: the policy stays in force\n");
}

int ctl_run_policy_confirm(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	_cleanup_(json_decrefp) json_t *said = NULL;
	struct api_request request;
	char id[24];
	int rc;

	rc = check_id(args->n_positional ? args->positional[0] : NULL, err);
	if (rc)
		return rc;
	if (args->n_positional)
		snprintf(id, sizeof(id), "%s", args->positional[0]);
	else
		rc = active_id(ctl, id, err);
	if (rc < 0)
		return rc;
	api_path(&request, "POST", "/admin/v1/policy/confirm", NULL);
	api_query(&request, "id", id);
	rc = api_call(ctl, &request, &reply, err);
	if (rc < 0)
		return rc;
	said = reply.json ? json_incref(reply.json) : json_pack("{s:s}", "id", id);
	return output(ctl, said, view_confirmed, err);
}

int ctl_run_policy_rollback(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	const char *id = args->n_positional ? args->positional[0] : NULL;
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	struct api_request request;
	int rc;

	rc = check_id(id, err);
	if (rc)
		return rc;
	api_path(&request, "POST", "/admin/v1/policy/rollback", NULL);
	api_query(&request, "id", id);
	rc = api_call(ctl, &request, &reply, err);
	return rc < 0 ? rc : output(ctl, reply.json, view_applied, err);
}
