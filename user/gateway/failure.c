#include "gateway/failure.h"

#include "base/log.h"
#include "gateway/refuse.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

/* Whatever the provider says: nobody is sent away for longer. */
#define RETRY_AFTER_MAX_MS 86400000u

/* As before the attempt. */
static void forget_answer(struct call *c)
{
	if (c->mode == CALL_MODE_EVENTS)
		dialect_stream_done(&c->events);
	free(take_ptr(&c->tail));
	buf_reset(&c->answer);
	c->mode = CALL_MODE_NONE;
	c->upstream_status = 0;
	c->n_passed = c->passed_len = 0;
	c->content_type = c->content_encoding = NULL;
	c->retry_after_ms = 0;
	c->first_byte_ns = c->upstream_done_ns = 0;
	c->paused = false;
}

/* c->failure says with what. */
static void answer_failure(struct call *c)
{
	bool answered = call_fail(c);

	assert(answered);
	(void)answered;
}

void call_give_up(struct call *c, const struct call_failure *f, enum attempt_outcome outcome)
{
	attempt_end(c, outcome);
	call_cancel_upstream(c);
	c->failure = *f;
	if (c->gone || c->begun || !attempt_again(c)) {
		answer_failure(c);
		return;
	}
	forget_answer(c);
	c->between = true;
	call_run(c, CALL_CHOOSE);
}

void call_unreached(struct call *c, const struct call_failure *f)
{
	attempt_end(c, ATTEMPT_FAILURE);
	c->failure = *f;
	if (c->gone)
		answer_failure(c);
	else
		call_run(c, CALL_CHOOSE);
}

/* ---- answers other than 200 */

static const struct refused {
	enum attempt_outcome outcome;
	bool cools, quota;
	enum log_level level;
	const char *kind; /* of upstream errors in metrics */
	int status;
	const char *type, *code, *message;
} refused[] = {
	[DIALECT_RATE_LIMITED] = {ATTEMPT_NEUTRAL, true, false, LOG_WARN, "rate_limit", 429, "requests",
				  "rate_limit_exceeded", "The provider of this model is rate limiting; retry later."},
	[DIALECT_QUOTA_EXHAUSTED] = {ATTEMPT_NEUTRAL, true, true, LOG_ERROR, "quota_exhausted", 503, "server_error",
				     "provider_unavailable",
				     "The provider of this model takes no requests at present."},
	[DIALECT_CREDENTIALS] = {ATTEMPT_NEUTRAL, false, false, LOG_ERROR, "credentials", 502, "server_error",
				 "upstream_failed", "The provider could not serve this request."},
	[DIALECT_NO_MODEL] = {ATTEMPT_NEUTRAL, false, false, LOG_ERROR, "no_model", 502, "server_error",
			      "upstream_failed", "The provider could not serve this request."},
	[DIALECT_OVERLOADED] = {ATTEMPT_FAILURE, true, false, LOG_WARN, "overloaded", 503, "server_error",
				"server_is_overloaded", "The provider of this model is overloaded; retry shortly."},
	[DIALECT_SERVER_ERROR] = {ATTEMPT_FAILURE, true, false, LOG_WARN, "server_error", 502, "server_error",
				  "upstream_failed", "The provider failed to answer."},
};

/* Do the client's and the provider's dialect have the same errors? Azure's own (not its models') have no type, which
 * OpenAI's clients look for. */
static bool same_errors(const struct call *c, const struct dialect_provider_error *e)
{
	unsigned kind = c->deployment->provider->conf->kind, d = c->target.dialect;

	return kind == d || ((kind == PROVIDER_OPENAI || kind == PROVIDER_AZURE) &&
			     (d == TG_DIALECT_OPENAI || d == TG_DIALECT_AZURE) && *e->type);
}

static const char *type_of_status(int status)
{
	return status == 401   ? "authentication_error"
	       : status == 403 ? "permission_error"
	       : status == 404 ? "not_found_error"
	       : status == 413 ? "request_too_large"
			       : "invalid_request_error";
}

/* The request's own fault, as the provider sees it. */
static enum call_step client_error(struct call *c, const struct dialect_provider_error *e)
{
	attempt_end(c, ATTEMPT_SUCCESS);
	if (e->understood && same_errors(c, e))
		return CALL_NEXT;
	call_error(c, c->upstream_status, type_of_status(c->upstream_status),
		   e->understood && *e->code ? e->code : NULL, same_errors(c, e) && *e->param ? e->param : NULL,
		   e->understood && *e->message ? e->message : "The provider refused this request.");
	return CALL_DONE;
}

enum call_step call_provider_refused(struct call *c)
{
	const char *provider = c->deployment->provider->conf->name;
	const struct refused *r;
	struct dialect_provider_error e;
	struct call_failure f;

	dialect_provider_error_read((enum provider_kind)c->deployment->provider->conf->kind, c->upstream_status,
				    c->answer.data ? c->answer.data : "", c->answer.len, &e);
	if (e.verdict == DIALECT_CLIENT_ERROR)
		return client_error(c, &e);
	r = &refused[e.verdict];
	f = (struct call_failure){r->status, r->type, r->code, r->message, 0, false};
	f.retry_after_ms = c->retry_after_ms ? c->retry_after_ms : e.retry_after_ms;
	if (f.retry_after_ms > RETRY_AFTER_MAX_MS)
		f.retry_after_ms = RETRY_AFTER_MAX_MS;
	if (f.status == 502 && c->upstream_status >= 500 && c->upstream_status < 529)
		f.status = c->upstream_status;
	meters_upstream_error(c, r->kind);
	call_log(c, r->level, "provider %s answered %d (%s%s%s)", provider, c->upstream_status, r->kind,
		 *e.code ? ", code " : "", e.code);
	if (r->quota || (r->cools && (f.retry_after_ms || r->outcome == ATTEMPT_NEUTRAL)))
		attempt_cool(c, f.retry_after_ms * 1000000, r->quota);
	call_give_up(c, &f, r->outcome);
	return CALL_DONE;
}
