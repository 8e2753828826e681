#include "gateway/refuse.h"

#include "base/num.h"
#include "gateway/money.h"

#include <string.h>

/* Decimal digits and NUL. */
static const char *put_u64(char *to, uint64_t v)
{
	char digits[20];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	for (unsigned i = 0; i < n; i++)
		to[i] = digits[n - 1 - i];
	to[n] = '\0';
	return to;
}

static const char *number(struct answer_headers *a, uint64_t v)
{
	return put_u64(a->text[a->n_text++], v);
}

static const char *duration(struct answer_headers *a, uint64_t ns)
{
	char *to = a->text[a->n_text++];

	num_format_go_duration(ns, to);
	return to;
}

void answer_header(struct answer_headers *a, const char *name, const char *value)
{
	if (a->n < ANSWER_HEADERS_MAX)
		a->h[a->n++] = (struct http_header){name, value};
}

void answer_headers_init(struct answer_headers *a, const struct call *c)
{
	const struct limits_state *r = &c->limits.requests, *t = &c->limits.tokens;

	a->n = a->n_text = 0;
	answer_header(a, "x-request-id", c->request_id);
	if (r->limit) {
		answer_header(a, "x-ratelimit-limit-requests", number(a, r->limit));
		answer_header(a, "x-ratelimit-remaining-requests", number(a, r->remaining));
		answer_header(a, "x-ratelimit-reset-requests", duration(a, r->reset_ns));
	}
	if (t->limit) {
		answer_header(a, "x-ratelimit-limit-tokens", number(a, t->limit));
		answer_header(a, "x-ratelimit-remaining-tokens", number(a, t->remaining));
		answer_header(a, "x-ratelimit-reset-tokens", duration(a, t->reset_ns));
	}
}

void answer_retry_after(struct answer_headers *a, uint64_t ns)
{
	uint64_t ms = (ns + 999999) / 1000000;

	ms = ms ? ms : 1;
	answer_header(a, "retry-after", number(a, (ms + 999) / 1000));
	answer_header(a, "retry-after-ms", number(a, ms));
}

void call_error_with(struct call *c, struct answer_headers *a, int status, const char *type, const char *code,
		     const char *param, const char *message)
{
	struct buf b = BUF_INIT;
	size_t len;
	char *body;

	if (!c->status)
		c->status = status;
	/* Nobody is charged for an error of ours, so that it needn't wait. */
	money_end(c);
	if (!c->x || c->gone)
		return;
	answer_header(a, "content-type", "application/json");
	openai_error_body(&b, message, type, param, code);
	len = b.len;
	body = buf_steal(&b);
	buf_done(&b);
	c->status = status;
	if (body)
		http_respond_take(c->x, status, a->h, a->n, body, len);
	else
		http_respond(c->x, status, a->h, a->n, NULL, 0);
}

void call_error(struct call *c, int status, const char *type, const char *code, const char *param, const char *message)
{
	struct answer_headers a;

	answer_headers_init(&a, c);
	call_error_with(c, &a, status, type, code, param, message);
}

void call_refuse(struct call *c, enum tg_reason reason, const char *message)
{
	struct openai_refusal r = openai_refusal_of(reason);
	struct answer_headers a;

	answer_headers_init(&a, c);
	if (r.status == 429)
		answer_retry_after(&a, c->limits.retry_after_ns);
	call_error_with(c, &a, r.status, r.type, r.code, NULL, message ? message : r.message);
}

void call_refuse_http(struct call *c, enum http_refusal why)
{
	static const struct {
		int status;
		const char *type, *code, *message;
	} rows[] = {
		[HTTP_REFUSE_BAD_REQUEST] = {400, "invalid_request_error", "bad_request",
					     "The request is not valid HTTP, or can be read in more than one way."},
		[HTTP_REFUSE_HEAD_TOO_LARGE] = {431, "invalid_request_error", "headers_too_large",
						"The request's headers are too large."},
		[HTTP_REFUSE_BODY_TOO_LARGE] = {413, "invalid_request_error", "request_too_large",
						"The request's body is too large."},
		[HTTP_REFUSE_TIMEOUT] = {408, "invalid_request_error", "request_timeout",
					 "The request did not arrive in time."},
		[HTTP_REFUSE_EXPECTATION] = {417, "invalid_request_error", "expectation_failed",
					     "Only the expectation 100-continue is known."},
		[HTTP_REFUSE_NO_MEMORY] = {503, "server_error", "no_memory", "The gateway is out of memory."},
	};

	call_error(c, rows[why].status, rows[why].type, rows[why].code, NULL, rows[why].message);
}
