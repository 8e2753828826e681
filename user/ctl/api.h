/* The control API, from the client's side: one call, its JSON, its error. */
#ifndef CTL_API_H
#define CTL_API_H

#include "ctl/command.h"

#include <jansson.h>

struct api_request {
	const char *method;
	struct buf path;          /* build with api_path, api_query */
	const char *content_type; /* of body */
	const void *body;
	size_t body_len;
	bool any_answer; /* else a successful answer that isn't JSON is ERR_PROTO */
};

struct api_reply {
	int status;
	json_t *json;    /* NULL when the answer isn't JSON */
	struct buf text; /* the answer's body as it came */
};

/* "/admin/v1/tenants/%s/disable": the one %s becomes `part`, percent-encoded. */
void api_path(struct api_request *r, const char *method, const char *format, const char *part);
/* Appends ?name=value or &name=value, percent-encoded; nothing when value is NULL. */
void api_query(struct api_request *r, const char *name, const char *value);

/* Sends and frees the request. Errors: ERR_CLOSED when no daemon listens; what the daemon refused comes as its error's
 * message, with reply->json still there when given (for lists of errors). */
int api_call(struct ctl *ctl, struct api_request *r, struct api_reply *ret, struct err *err) MUST_CHECK;
void api_reply_done(struct api_reply *reply);

#endif
