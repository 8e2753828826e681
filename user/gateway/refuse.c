#include "gateway/refuse.h"

#include "base/clock.h"
#include "base/num.h"
#include "gateway/money.h"

#include <string.h>
#include <time.h>

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

/* RFC 3339, whole seconds, rounded up. */
static const char *instant(struct answer_headers *a, uint64_t from_now_ns)
{
	char *to = a->text[a->n_text++];
	time_t at = (time_t)((clock_wall_ms() + (int64_t)(from_now_ns / 1000000) + 999) / 1000);
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(to, sizeof(a->text[0]), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return to;
}

static const char *const limit_names[][2][3] = {
	/* else */
	{{"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"},
	 {"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"}},
	/* Anthropic */
	{{"anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining",
	  "anthropic-ratelimit-requests-reset"},
	 {"anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining",
	  "anthropic-ratelimit-tokens-reset"}},
};

static void put_limit(struct answer_headers *a, const struct limits_state *s, bool anthropic, unsigned kind)
{
	const char *const *name = limit_names[anthropic][kind];

	if (!s->limit)
		return;
	answer_header(a, name[0], number(a, s->limit));
	answer_header(a, name[1], number(a, s->remaining));
	answer_header(a, name[2], anthropic ? instant(a, s->reset_ns) : duration(a, s->reset_ns));
}

void answer_headers_init(struct answer_headers *a, const struct call *c)
{
	bool anthropic = c->target.dialect == TG_DIALECT_ANTHROPIC;

	a->n = a->n_text = 0;
	answer_header(a, "x-request-id", c->request_id);
	if (anthropic)
		answer_header(a, "request-id", c->request_id);
	put_limit(a, &c->limits.requests, anthropic, 0);
	put_limit(a, &c->limits.tokens, anthropic, 1);
	if (c->ignored.len)
		answer_header(a, "x-tollgate-ignored", c->ignored.data);
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
	struct dialect_error e = {
		.status = status,
		.type = type,
		.code = code,
		.param = param,
		.message = message,
		.request_id = c->request_id,
	};
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
	dialect_error_body(c->target.dialect, &e, &b);
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

void call_error_retry(struct call *c, uint64_t retry_after_ns, int status, const char *type, const char *code,
		      const char *message)
{
	struct answer_headers a;

	answer_headers_init(&a, c);
	if (retry_after_ns)
		answer_retry_after(&a, retry_after_ns);
	call_error_with(c, &a, status, type, code, NULL, message);
}

void call_refuse(struct call *c, enum tg_reason reason, const char *message)
{
	struct dialect_refusal r = dialect_refusal_of(reason);
	struct answer_headers a;

	answer_headers_init(&a, c);
	if (r.status == 429)
		answer_retry_after(&a, c->limits.retry_after_ns);
	call_error_with(c, &a, r.status, r.type, r.code, NULL, message ? message : r.message);
}

bool call_fail(struct call *c)
{
	const struct call_failure *f = &c->failure;

	if (f->status) {
		c->broken |= f->broken;
		call_error_retry(c, f->retry_after_ms * 1000000, f->status, f->type, f->code, f->message);
		return true;
	}
	if (c->fault) {
		call_error(c, 400, "invalid_request_error", "unsupported_by_provider",
			   *c->fault->param ? c->fault->param : NULL, c->fault->err.msg);
		return true;
	}
	return false;
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
