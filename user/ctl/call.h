/* What most commands are: one request, its answer printed. */
#ifndef CTL_CALL_H
#define CTL_CALL_H

#include "ctl/api.h"
#include "ctl/output.h"

/* A request without a body; `part` as in api_path. */
int call_simple(struct ctl *ctl, const char *method, const char *path, const char *part, output_view view,
		struct err *err) MUST_CHECK;
/* With a JSON body, whose reference it takes; NULL: a text wasn't UTF-8. */
int call_json(struct ctl *ctl, const char *method, const char *path, const char *part, json_t *body, output_view view,
	      struct err *err) MUST_CHECK;
/* A request made by the caller, with its query; freed. */
int call_request(struct ctl *ctl, struct api_request *request, output_view view, struct err *err) MUST_CHECK;
/* --limit and --before of a list into the query. */
int call_page(const struct ctl_args *args, struct api_request *request, struct err *err) MUST_CHECK;
/* Waits up to CTL_LONG_TIMEOUT_MS. */
void call_patiently(struct ctl *ctl);
/* A line that says how to see older rows, when there are some. */
void call_put_next(struct buf *out, json_t *json);
/* For changes whose object says enough with --json. */
void call_view_done(struct buf *out, json_t *json, int64_t now_ms);

#endif
