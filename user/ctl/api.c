#include "ctl/api.h"

#include "fetch/fetch.h"

#include <string.h>

/* Policies and pages of lists are the largest answers. */
#define ANSWER_MAX ((size_t)256 << 20)

void api_path(struct api_request *r, const char *method, const char *format, const char *part)
{
	const char *at = strstr(format, "%s");

	*r = (struct api_request){.method = method};
	buf_append(&r->path, format, at ? (size_t)(at - format) : strlen(format));
	if (at) {
		fetch_put_escaped(&r->path, part);
		buf_puts(&r->path, at + 2);
	}
}

void api_query(struct api_request *r, const char *name, const char *value)
{
	if (!value)
		return;
	buf_putc(&r->path, r->path.data && strchr(r->path.data, '?') ? '&' : '?');
	buf_printf(&r->path, "%s=", name);
	fetch_put_escaped(&r->path, value);
}

void api_reply_done(struct api_reply *reply)
{
	json_decref(reply->json);
	buf_done(&reply->text);
}

static int code_of_status(int status)
{
	switch (status) {
	case 400:
	case 422:
		return ERR_INVAL;
	case 401:
	case 403:
		return ERR_PERM;
	case 404:
		return ERR_NOT_FOUND;
	case 409:
		return ERR_EXISTS;
	case 413:
		return ERR_RANGE;
	case 503:
		return ERR_BUSY;
	case 507:
		return ERR_FULL;
	default:
		return ERR_IO;
	}
}

static int refused(const struct api_reply *reply, struct err *err)
{
	json_t *error = json_object_get(reply->json, "error");
	const char *message = json_string_value(json_object_get(error, "message"));

	if (!message)
		message = json_string_value(error);
	if (message)
		return err_set(err, code_of_status(reply->status), "%s", message);
	return err_set(err, code_of_status(reply->status), "tollgated answered with HTTP status %d", reply->status);
}

static int no_answer(const struct ctl *ctl, int rc, struct err *err)
{
	switch (rc) {
	case ERR_CLOSED:
		return err_set(err, rc,
			       "tollgated doesn't answer at %s; start it, or name its socket with --socket or "
			       "TOLLGATE_SOCKET",
			       ctl->socket);
	case ERR_PERM:
		return err_set(err, rc, "not allowed to open %s; run as root or as a member of the socket's group",
			       ctl->socket);
	case ERR_TIMEOUT:
		return err_set(err, rc,
			       "tollgated didn't answer within %u ms (--timeout); whether it did what was asked is "
			       "not known",
			       ctl->timeout_ms);
	default:
		return rc;
	}
}

static int exchange(struct ctl *ctl, const struct api_request *r, struct fetch_response *ret, struct err *err)
{
	_cleanup_(buf_done) struct buf url = BUF_INIT, type = BUF_INIT;
	const char *headers[] = {"Accept: application/json", NULL, NULL};
	struct fetch_opts opts = FETCH_OPTS_DEFAULT;

	buf_puts(&url, "http://tollgate");
	buf_puts(&url, r->path.data ? r->path.data : "/");
	if (r->content_type) {
		buf_printf(&type, "Content-Type: %s", r->content_type);
		headers[1] = type.data;
	}
	if (url.failed || type.failed || r->path.failed)
		return err_set(err, ERR_NOMEM, "out of memory");
	opts.url = url.data;
	opts.unix_socket = ctl->socket;
	opts.method = r->method;
	opts.headers = headers;
	opts.body = r->body;
	opts.body_len = r->body_len;
	opts.total_timeout_ms = ctl->timeout_ms;
	opts.response_bytes_max = ANSWER_MAX;
	return fetch_request(&opts, ret, err);
}

int api_call(struct ctl *ctl, struct api_request *r, struct api_reply *ret, struct err *err)
{
	_cleanup_(fetch_response_done) struct fetch_response response = {0};
	int rc;

	rc = exchange(ctl, r, &response, err);
	buf_done(&r->path);
	if (rc < 0)
		return no_answer(ctl, rc, err);
	*ret = (struct api_reply){.status = response.status, .text = response.body};
	response.body = BUF_INIT;
	if (ret->text.len)
		ret->json = json_loadb(ret->text.data, ret->text.len, 0, NULL);
	if (ret->status < 200 || ret->status > 299)
		return refused(ret, err);
	if (ret->text.len && !ret->json && !r->any_answer)
		return err_set(err, ERR_PROTO, "what answers at %s isn't tollgated: its answer is no JSON",
			       ctl->socket);
	return 0;
}
