/* Answers: the headers every answer has, and refusals in the dialect's shape. */
#ifndef GATEWAY_REFUSE_H
#define GATEWAY_REFUSE_H

#include "gateway/call.h"

#define ANSWER_HEADERS_MAX 24u

struct answer_headers {
	struct http_header h[ANSWER_HEADERS_MAX];
	size_t n;
	/* text of the numbers above */
	char text[10][32];
	size_t n_text;
};

/* Request id, and the limits' headers when limits were looked at. */
void answer_headers_init(struct answer_headers *a, const struct call *c);
void answer_header(struct answer_headers *a, const char *name, const char *value);
/* retry-after (whole seconds, rounded up, at least 1) and retry-after-ms. */
void answer_retry_after(struct answer_headers *a, uint64_t ns);

/* By the verdict table. */
void call_refuse(struct call *c, enum tg_reason reason, const char *message);
/* Anything else. message goes to the client; param and code may be NULL. */
void call_error(struct call *c, int status, const char *type, const char *code, const char *param, const char *message);
void call_error_with(struct call *c, struct answer_headers *a, int status, const char *type, const char *code,
		     const char *param, const char *message);
/* As call_error, with when to ask again; 0 = that isn't said. */
void call_error_retry(struct call *c, uint64_t retry_after_ns, int status, const char *type, const char *code,
		      const char *message);
/* What the last attempt failed with (c->failure), or what couldn't be said to any deployment (c->fault). False:
 * neither; then nothing was answered. */
bool call_fail(struct call *c) MUST_CHECK;
/* What the adapter itself refuses. */
void call_refuse_http(struct call *c, enum http_refusal why);

#endif
