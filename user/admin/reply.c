#include "admin/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* body NULL: out of memory. */
static void reply_bytes(struct admin_call *c, int status, const char *type, char *body, size_t len)
{
	const struct http_header h[] = {{"content-type", type}, {"cache-control", "no-store"}};

	if (c->job) { /* the control thread gives it */
		free(c->job->answer);
		c->job->status = status;
		c->job->type = type;
		c->job->answer = body;
		c->job->answer_len = len;
	} else if (body) {
		http_respond_take(c->x, status, h, ARRAY_SIZE(h), body, len);
	} else {
		http_respond(c->x, 503, NULL, 0, NULL, 0);
	}
}

void reply_json(struct admin_call *c, int status, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	reply_bytes(c, status, "application/json", text, text ? strlen(text) : 0);
}

void reply_text(struct admin_call *c, int status, const char *type, struct buf *text)
{
	size_t len = text->len;

	reply_bytes(c, status, type, buf_steal(text), len);
}

void reply_error(struct admin_call *c, int status, const char *code, const char *fmt, ...)
{
	char message[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	reply_json(c, status, json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", message));
}

static int status_of(int code)
{
	switch (code) {
	case ERR_INVAL:
	case ERR_RANGE:
		return 400;
	case ERR_PERM:
		return 403;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_EXISTS:
		return 409;
	case ERR_FULL:
		return 507;
	case ERR_BUSY:
	case ERR_NOMEM:
		return 503;
	case ERR_UNSUPPORTED:
		return 501;
	default:
		return 500;
	}
}

void reply_err(struct admin_call *c, const struct err *err)
{
	reply_error(c, status_of(err->code), err_name(err->code), "%s", err->msg);
}

json_t *conf_errors_json(const struct conf_errors *errs)
{
	json_t *list = json_array();

	for (size_t i = 0; i < errs->count; i++) {
		const struct conf_error *e = &errs->items[i];

		json_array_append_new(list, json_pack("{s:i,s:i,s:s,s:s}", "line", (int)e->line, "column",
						      (int)e->column, "path", e->path, "message", e->msg));
	}
	return list;
}

void reply_conf_errors(struct admin_call *c, const struct conf_errors *errs, int status)
{
	char message[80];

	snprintf(message, sizeof(message), "the policy has %zu error%s; nothing was changed",
		 errs->count + errs->dropped, errs->count + errs->dropped == 1 ? "" : "s");
	reply_json(c, status,
		   json_pack("{s:b,s:{s:s,s:s},s:o}", "ok", 0, "error", "code", "invalid", "message", message, "errors",
			     conf_errors_json(errs)));
}
