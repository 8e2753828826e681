/* Send the request to the chosen deployment, take what comes back (deliver.c).
 *
 * Invariants (tests cite them):
 *  O1  Another deployment is tried freely only while nothing of the request can have reached the one before; else by
 * P2. O2  The client's credentials never go upstream, the provider's never come back. */
#include "gateway/call.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/attempt.h"
#include "gateway/choose.h"
#include "gateway/deliver.h"
#include "gateway/failure.h"
#include "gateway/refuse.h"

#include <stdio.h>
#include <string.h>

/* What of the client's headers a provider gets to see beside its wire's own; all else stays here. */
static const char *const passed_up[] = {"traceparent", "tracestate"};

static void put_line(struct buf *b, const char *name, const char *value)
{
	buf_puts(b, name);
	buf_append(b, ": ", 2);
	buf_puts(b, value);
	buf_append(b, "\r\n", 2);
}

/* The single value; NULL when absent, empty or given twice. */
static const char *client_header(const struct call *c, const char *name)
{
	unsigned count = 0;
	const char *v = http_request_header(c->x, name, &count);

	return v && *v && count == 1 ? v : NULL;
}

static int make_headers(struct call *c, const struct dialect_upstream *to)
{
	const struct catalog_provider *p = c->deployment->provider;
	bool same = c->wire == c->target.wire;
	struct buf *b = &c->sent_headers;
	const char *v;
	int rc;

	buf_reset(b);
	buf_append(b, p->headers, p->headers_len);
	rc = dialect_upstream_request_headers(to, c->target.wire, c->wire, c->req.stream,
					      same ? client_header(c, "anthropic-version") : NULL,
					      same ? client_header(c, "anthropic-beta") : NULL, b);
	if (rc < 0)
		return rc;
	put_line(b, "X-Client-Request-Id", c->request_id);
	for (size_t i = 0; i < ARRAY_SIZE(passed_up); i++)
		if ((v = client_header(c, passed_up[i])))
			put_line(b, passed_up[i], v);
	if (same && (v = client_header(c, "openai-beta")))
		put_line(b, "OpenAI-Beta", v);
	/* Not the client's own: at the provider all our tenants are one account. Another deployment there is asked for
	 * something else. */
	if (http_request_header(c->x, "idempotency-key", NULL))
		buf_printf(b, c->attempts > 1 ? "Idempotency-Key: %s-%u\r\n" : "Idempotency-Key: %s\r\n", c->request_id,
			   c->attempts);
	return b->failed ? ERR_NOMEM : 0;
}

static void on_head(void *arg, const struct upstream_head *h)
{
	struct call *c = arg;

	call_enter(c);
	deliver_head(c, h);
	call_leave(c);
}

static void on_body(void *arg, const char *data, size_t len)
{
	struct call *c = arg;

	call_enter(c);
	deliver_body(c, data, len);
	call_leave(c);
}

static void on_done(void *arg)
{
	struct call *c = arg;

	call_enter(c);
	c->upstream = NULL;
	call_load_end(c);
	c->upstream_done_ns = clock_mono_ns();
	call_run(c, CALL_DELIVER);
	call_leave(c);
}

static const char *failure_kind(int code)
{
	return code == ERR_TIMEOUT  ? "timeout"
	       : code == ERR_PROTO  ? "protocol"
	       : code == ERR_CLOSED ? "closed"
				    : "connect";
}

static void failed_before_answer(struct call *c, int code, bool sent)
{
	struct call_failure f = {502, "server_error", "upstream_failed",
				 "The provider closed the connection without an answer.", .broken = true};

	if (code == ERR_TIMEOUT) {
		f.status = 504;
		f.code = "upstream_timeout";
		f.message = "The provider did not answer in time.";
	} else if (!sent) {
		f.code = "upstream_unreachable";
		f.message = "No provider of this model could be reached.";
	}
	if (sent)
		call_give_up(c, &f, ATTEMPT_FAILURE);
	else
		call_unreached(c, &f);
}

static void on_failed(void *arg, int code, const char *msg, bool sent)
{
	struct call *c = arg;

	call_enter(c);
	c->upstream = NULL;
	c->reached = c->reached_earlier || sent;
	call_load_end(c);
	meters_upstream_error(c, failure_kind(code));
	call_log(c, LOG_WARN, "provider %s: %s", c->deployment->provider->conf->name, msg);
	if (c->upstream_status)
		deliver_failed(c, code);
	else
		failed_before_answer(c, code, sent);
	call_leave(c);
}

static const struct upstream_events events = {
	.head = on_head,
	.body = on_body,
	.done = on_done,
	.failed = on_failed,
};

/* Something in our own house is missing. */
static enum call_step no_memory(struct call *c)
{
	choose_undo(c);
	call_error(c, 503, "server_error", "no_memory", NULL, "The gateway is out of memory.");
	return CALL_DONE;
}

/* The provider can't be tried at all. */
static enum call_step next_one(struct call *c, const char *why, const char *kind)
{
	choose_undo(c);
	call_log(c, LOG_ERROR, "provider %s: %s", c->deployment->provider->conf->name, why);
	meters_upstream_error(c, kind);
	call_run(c, CALL_CHOOSE);
	return CALL_DONE;
}

/* The request as this deployment is told it. Negative: not; *ret_step says how it goes on. */
static int make_request(struct call *c, struct upstream_send *send, enum call_step *ret_step)
{
	struct dialect_upstream to = {
		.kind = (enum provider_kind)c->deployment->provider->conf->kind,
		.model = c->deployment->upstream_model,
		.api_version = c->deployment->provider->conf->api_version,
	};
	struct dialect_fault fault;
	const char *body;
	size_t len;
	int rc;

	http_body(c->x, &body, &len);
	if (!c->sent_body.cap)
		c->sent_body = worker_buf_take(c->w);
	if (!c->sent_headers.cap)
		c->sent_headers = worker_buf_take(c->w);
	buf_reset(&c->sent_body);
	buf_reset(&c->ignored);
	buf_reset(&c->w->scratch);
	*ret_step = CALL_DONE;
	if (make_headers(c, &to) < 0 ||
	    dialect_upstream_path(&to, c->wire, &c->target, c->req.stream, &c->w->scratch) < 0)
		return no_memory(c), ERR_NOMEM;
	rc = dialect_request_render(&c->req, &c->target, body, len, &to, http_arena(c->x), &c->sent_body, &c->ignored,
				    &fault);
	if (rc == ERR_INVAL) { /* another deployment may be able to say it */
		if (!c->fault)
			c->fault = malloc(sizeof(*c->fault));
		if (!c->fault)
			return no_memory(c), ERR_NOMEM;
		*c->fault = fault;
		choose_undo(c);
		call_run(c, CALL_CHOOSE);
		return rc;
	}
	if (rc < 0 || c->sent_body.failed)
		return no_memory(c), ERR_NOMEM;
	send->path = c->w->scratch.data;
	send->headers = c->sent_headers.data;
	send->headers_len = c->sent_headers.len;
	send->body = c->sent_body.data;
	send->body_len = c->sent_body.len;
	return 0;
}

enum call_step call_forward(struct call *c)
{
	const struct worker_pool *pool = c->wc->pools[c->deployment->provider->index];
	struct upstream_send send = {.method = "POST"};
	enum call_step step;
	struct err err;
	int rc;

	if (!pool || !pool->pool)
		return next_one(c, pool ? pool->why : "no memory", "connect");
	c->wire = dialect_wire_for((enum provider_kind)c->deployment->provider->conf->kind, c->target.wire);
	if (make_request(c, &send, &step) < 0)
		return step;
	if (!c->forwarded_ns)
		c->forwarded_ns = clock_mono_ns();
	if (c->wc->pricing) {
		c->load = &c->wc->pricing->loads[c->deployment->index];
		atomic_fetch_add_explicit(&c->load->in_flight, 1, memory_order_relaxed);
	}
	/* Before it starts: a crash in between must not leave a forwarded call that looks as if it weren't. */
	if (c->hold)
		ledger_hold_forwarded(c->hold, c->rule, c->req.prompt_tokens_estimate, c->req.stream);
	c->reached_earlier = c->reached;
	rc = upstream_start(pool->pool, &send, &events, c, &c->upstream, &err); /* never calls back from inside */
	worker_buf_give(c->w, &c->sent_headers);                                /* it has its own copy */
	if (rc < 0) {
		call_load_end(c);
		c->crowded |= rc == ERR_FULL;
		return next_one(c, err.msg, rc == ERR_FULL ? "pool_full" : "connect");
	}
	c->reached = true; /* as far as we know */
	c->between = false;
	return CALL_WAIT;
}
