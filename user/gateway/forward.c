/* Send the request to the chosen deployment, take what comes back (deliver.c).
 *
 * Invariants (tests cite them):
 *  O1  Another deployment is tried only while nothing of the request can have reached the one before.
 *  O2  The client's credentials never go upstream, the provider's never come back. */
#include "gateway/call.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/deliver.h"
#include "gateway/refuse.h"

#include <stdio.h>
#include <string.h>

/* What of the client's headers a provider gets to see; all else stays here. */
static const char *const passed_up[] = {"traceparent", "tracestate", "openai-beta"};

static void put_line(struct buf *b, const char *name, const char *value)
{
	buf_puts(b, name);
	buf_append(b, ": ", 2);
	buf_puts(b, value);
	buf_append(b, "\r\n", 2);
}

static int make_headers(struct call *c)
{
	const struct catalog_provider *p = c->deployment->provider;
	struct buf *b = &c->sent_headers;

	buf_reset(b);
	buf_append(b, p->headers, p->headers_len);
	buf_puts(b, c->req.stream ? "Accept: text/event-stream\r\n" : "Accept: application/json\r\n");
	put_line(b, "X-Client-Request-Id", c->request_id);
	for (size_t i = 0; i < ARRAY_SIZE(passed_up); i++) {
		unsigned count = 0;
		const char *v = http_request_header(c->x, passed_up[i], &count);

		if (v && *v && count == 1)
			put_line(b, passed_up[i], v);
	}
	/* Not the client's own: at the provider all our tenants are one account. */
	if (http_request_header(c->x, "idempotency-key", NULL))
		put_line(b, "Idempotency-Key", c->request_id);
	return b->failed ? ERR_NOMEM : 0;
}

static const char *const upstream_paths[] = {
	[TG_ROUTE_CHAT_COMPLETIONS] = "/v1/chat/completions", [TG_ROUTE_EMBEDDINGS] = "/v1/embeddings"};

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
	if (!sent && !c->gone) { /* O1 */
		call_run(c, CALL_CHOOSE);
		return;
	}
	c->broken = true;
	if (code == ERR_TIMEOUT)
		call_error(c, 504, "server_error", "upstream_timeout", NULL, "The provider did not answer in time.");
	else
		call_error(c, 502, "server_error", "upstream_failed", NULL,
			   "The provider closed the connection without an answer.");
}

static void on_failed(void *arg, int code, const char *msg, bool sent)
{
	struct call *c = arg;

	call_enter(c);
	c->upstream = NULL;
	c->reached = sent; /* had an attempt before got there, this one wouldn't have been made */
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

enum call_step call_forward(struct call *c)
{
	const struct worker_pool *pool = c->wc->pools[c->deployment->provider->index];
	struct upstream_send send = {.method = "POST", .path = upstream_paths[c->route]};
	const char *body;
	struct err err;
	size_t len;
	int rc;

	if (!pool || !pool->pool) {
		call_log(c, LOG_ERROR, "provider %s: %s", c->deployment->provider->conf->name,
			 pool ? pool->why : "no memory");
		meters_upstream_error(c, "connect");
		call_run(c, CALL_CHOOSE);
		return CALL_DONE;
	}
	http_body(c->x, &body, &len);
	if (!c->sent_body.cap) {
		c->sent_body = worker_buf_take(c->w);
		c->sent_headers = worker_buf_take(c->w);
	}
	buf_reset(&c->sent_body);
	if (make_headers(c) < 0 ||
	    openai_rewrite_request(&c->req, body, len, c->deployment->upstream_model, &c->sent_body, &err) < 0) {
		call_error(c, 503, "server_error", "no_memory", NULL, "The gateway is out of memory.");
		return CALL_DONE;
	}
	send.headers = c->sent_headers.data;
	send.headers_len = c->sent_headers.len;
	send.body = c->sent_body.data;
	send.body_len = c->sent_body.len;
	if (!c->forwarded_ns)
		c->forwarded_ns = clock_mono_ns();
	if (c->wc->pricing) {
		c->load = &c->wc->pricing->loads[c->deployment->index];
		atomic_fetch_add_explicit(&c->load->in_flight, 1, memory_order_relaxed);
	}
	/* Before it starts: a crash in between must not leave a forwarded call that looks as if it weren't. */
	if (c->hold)
		ledger_hold_forwarded(c->hold, c->rule, c->req.prompt_tokens_estimate, c->req.stream);
	rc = upstream_start(pool->pool, &send, &events, c, &c->upstream, &err); /* never calls back from inside */
	c->reached |= rc == 0;                                                  /* as far as we know */
	if (rc < 0) {
		call_load_end(c);
		c->crowded |= rc == ERR_FULL;
		call_log(c, LOG_ERROR, "provider %s: %s", c->deployment->provider->conf->name, err.msg);
		meters_upstream_error(c, rc == ERR_FULL ? "pool_full" : "connect");
		call_run(c, CALL_CHOOSE);
		return CALL_DONE;
	}
	return CALL_WAIT;
}
