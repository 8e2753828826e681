#include "ctl/call.h"

#include <string.h>

int call_request(struct ctl *ctl, struct api_request *request, output_view view, struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	int rc = api_call(ctl, request, &reply, err);

	return rc < 0 ? rc : output(ctl, reply.json, view, err);
}

int call_simple(struct ctl *ctl, const char *method, const char *path, const char *part, output_view view,
		struct err *err)
{
	_cleanup_(api_reply_done) struct api_reply reply = {0};
	_cleanup_(json_decrefp) json_t *said = NULL;
	struct api_request request;
	int rc;

	api_path(&request, method, path, part);
	rc = api_call(ctl, &request, &reply, err);
	if (rc < 0)
		return rc;
	/* A 204 has no body, but --json promises one value. */
	said = reply.json ? json_incref(reply.json) : json_pack("{s:s}", "id", part ? part : "");
	return output(ctl, said, view, err);
}

int call_json(struct ctl *ctl, const char *method, const char *path, const char *part, json_t *body, output_view view,
	      struct err *err)
{
	_cleanup_(freep) char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct api_request request;

	json_decref(body);
	if (!text)
		return err_set(err, ERR_INVAL, "a text is not valid UTF-8");
	api_path(&request, method, path, part);
	request.content_type = "application/json";
	request.body = text;
	request.body_len = strlen(text);
	return call_request(ctl, &request, view, err);
}

int call_page(const struct ctl_args *args, struct api_request *request, struct err *err)
{
	uint64_t ignored;
	int rc = ctl_option_number(args, "limit", &ignored, err);

	if (rc == 0)
		rc = ctl_option_number(args, "before", &ignored, err);
	api_query(request, "limit", ctl_option(args, "limit"));
	api_query(request, "before", ctl_option(args, "before"));
	if (rc)
		buf_done(&request->path);
	return rc;
}

void call_patiently(struct ctl *ctl)
{
	if (!ctl->timeout_given)
		ctl->timeout_ms = CTL_LONG_TIMEOUT_MS;
}

void call_put_next(struct buf *out, json_t *json)
{
	json_t *next = json_object_get(json, "next");

	if (json_is_integer(next))
		buf_printf(out, "older ones: --before %" JSON_INTEGER_FORMAT "\n", json_integer_value(next));
}

void call_view_done(struct buf *out, json_t *json, int64_t now_ms)
{
	(void)json;
	(void)now_ms;
	buf_puts(out, "done\n");
}
