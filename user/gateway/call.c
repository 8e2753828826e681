/* Entry and exit of a call, and the table of its stages. */
#include "gateway/call.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/attempt.h"
#include "gateway/isolate.h"
#include "gateway/money.h"
#include "gateway/refuse.h"
#include "tollgate/head.h"
#include "tollgate/route.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	call_stage_fn run;
} stages[CALL_STAGES] = {
	[CALL_AUTHENTICATE] = {"authenticate", call_authenticate},
	[CALL_PARSE] = {"parse", call_parse},
	[CALL_ISOLATE] = {"isolate", call_isolate},
	[CALL_ADMIT] = {"admit", call_admit},
	[CALL_CLAIM] = {"claim", call_claim},
	[CALL_HOLD] = {"hold", call_hold},
	[CALL_CHOOSE] = {"choose", call_choose},
	[CALL_FORWARD] = {"forward", call_forward},
	[CALL_DELIVER] = {"deliver", call_deliver},
	[CALL_METER] = {"meter", call_meter},
	[CALL_SETTLE] = {"settle", call_settle},
	[CALL_FINISH] = {"finish", call_finish},
};

void call_run(struct call *c, enum call_stage stage)
{
	for (c->stage = stage; c->stage < CALL_STAGES; c->stage++)
		if (stages[c->stage].run(c) != CALL_NEXT)
			return;
}

void call_log(struct call *c, enum log_level level, const char *fmt, ...)
{
	char context[96], msg[512];
	va_list ap;

	if (!worker_may_log(c->w))
		return;
	snprintf(context, sizeof(context), "request=%s stage=%s", c->request_id,
		 c->stage < CALL_STAGES ? stages[c->stage].name : "end");
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	log_line(level, context, "%s", msg);
}

/* ---- life */

static struct call *call_new(struct gateway_worker *w, struct http_exchange *x)
{
	struct call *c = w->spare_calls;

	if (c) {
		w->spare_calls = c->next;
		w->n_spare_calls--;
		memset(c, 0, sizeof(*c));
	} else {
		c = calloc(1, sizeof(*c));
	}
	if (!c)
		return NULL;
	c->w = w;
	c->x = x;
	c->route = TG_ROUTE_NONE;
	c->received_ns = http_received_ns(x);
	if (!c->received_ns) /* refused before its head was complete */
		c->received_ns = loop_now_ns(w->loop);
	c->next = w->calls;
	if (c->next)
		c->next->prev = c;
	w->calls = c;
	atomic_store_explicit(&w->n_calls, atomic_load_explicit(&w->n_calls, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	worker_request_id(w, &c->id);
	request_id_format(&c->id, c->request_id);
	http_set_user(x, c);
	return c;
}

static void call_free(struct call *c)
{
	struct gateway_worker *w = c->w;

	worker_buf_give(w, &c->sent_body);
	worker_buf_give(w, &c->sent_headers);
	worker_buf_give(w, &c->answer);
	worker_buf_give(w, &c->kept);
	worker_buf_give(w, &c->kept_headers);
	buf_done(&c->ignored);
	if (c->mode == CALL_MODE_EVENTS)
		dialect_stream_done(&c->events);
	free(c->tail);
	free(c->fault);
	if (c->claim) {
		ledger_claim_done(c->claim);
		free(c->claim);
	}
	worker_catalog_put(w, c->wc);
	if (c->prev)
		c->prev->next = c->next;
	else
		w->calls = c->next;
	if (c->next)
		c->next->prev = c->prev;
	atomic_store_explicit(&w->n_calls, atomic_load_explicit(&w->n_calls, memory_order_relaxed) - 1,
			      memory_order_relaxed);
	if (w->n_spare_calls >= WORKER_SPARE_CALLS) {
		free(c);
		return;
	}
	c->next = w->spare_calls;
	w->spare_calls = c;
	w->n_spare_calls++;
}

void call_enter(struct call *c)
{
	c->entered++;
}

void call_leave(struct call *c)
{
	if (--c->entered || c->x || c->upstream || c->claiming || c->waits_for)
		return;
	attempt_end(c, ATTEMPT_NEUTRAL); /* P1: whatever hasn't ended it */
	money_end(c);
	isolate_end(c);
	if (!c->settling)
		call_free(c);
}

void call_drop(struct call *c)
{
	c->settling = c->claiming = false; /* the ledger's thread has ended; what it didn't post is in the holds file */
	call_cancel_upstream(c);
	isolate_drop(c);
	call_free(c);
}

/* ---- entry */

static enum tg_method method_of(const char *m)
{
	return !strcmp(m, "POST")   ? TG_METHOD_POST
	       : !strcmp(m, "GET")  ? TG_METHOD_GET
	       : !strcmp(m, "HEAD") ? TG_METHOD_HEAD
				    : TG_METHOD_NONE;
}

static void refuse_method(struct call *c)
{
	struct answer_headers a;

	answer_headers_init(&a, c);
	answer_header(&a, "allow", c->route == TG_ROUTE_MODELS ? "GET, HEAD" : "POST");
	call_error_with(c, &a, 405, "invalid_request_error", "method_not_allowed", NULL,
			"This method isn't allowed here.");
}

/* Nothing is served there. In Google's API what is done with a model stands behind its name (":countTokens"): a method
 * that isn't known is no model's name. */
static bool is_unknown(const struct dialect_target *t, enum tg_method method)
{
	return t->route == TG_ROUTE_NONE || t->route == TG_ROUTE_BATCH ||
	       (t->route == TG_ROUTE_MODELS && method == TG_METHOD_POST && t->model &&
		memchr(t->model, ':', t->model_len));
}

/* True: the request goes on. A path that names a route badly is refused where the request is parsed: strangers are told
 * first that they are strangers. */
static bool find_route(struct call *c)
{
	struct err err;
	int rc = dialect_target_of(http_path(c->x), http_query(c->x), http_arena(c->x), &c->target, &err);

	if (rc == ERR_NOMEM) {
		call_error(c, 503, "server_error", "no_memory", NULL, "The gateway is out of memory.");
		return false;
	}
	if (rc < 0) {
		c->target_error = arena_strndup(http_arena(c->x), err.msg, strlen(err.msg));
		if (!c->target_error)
			c->target_error = "The path is malformed.";
	}
	if (is_unknown(&c->target, method_of(http_method(c->x)))) {
		meters_verdict(c, TG_VERDICT_ANSWER, TG_REASON_UNKNOWN_ROUTE);
		call_refuse(c, TG_REASON_UNKNOWN_ROUTE, NULL);
		return false;
	}
	c->route = c->target.route;
	if (!tg_route_allows(c->route, method_of(http_method(c->x)))) {
		refuse_method(c);
		return false;
	}
	return true;
}

/* Who it is is decided before the body is read: strangers can't make us hold megabytes. */
static void look_at_head(struct call *c)
{
	struct gateway_worker *w = c->w;

	c->wc = worker_catalog_take(w);
	if (!c->wc) {
		call_error(c, 503, "server_error", "no_memory", NULL, "The gateway is out of memory.");
		return;
	}
	if (w->draining) {
		http_close_after(c->x);
		call_error(c, 503, "server_error", "server_is_draining", NULL,
			   "The gateway is shutting down; retry on a new connection.");
		return;
	}
	if (find_route(c))
		c->authenticated = call_authenticate(c) == CALL_NEXT;
}

/* The callbacks below may end the call from inside (the adapter calls `finished` when an answer can't be given). */
static void on_head(struct http_exchange *x, void *arg)
{
	struct gateway_worker *w = arg;
	struct call *c = call_new(w, x);

	if (!c) {
		http_close_after(x);
		http_respond(x, 503, NULL, 0, NULL, 0);
		return;
	}
	call_enter(c);
	look_at_head(c);
	call_leave(c);
}

static void on_request(struct http_exchange *x, void *arg)
{
	struct call *c = http_user(x);

	(void)arg;
	if (!c || !c->authenticated || c->status)
		return;
	call_enter(c);
	call_run(c, CALL_PARSE);
	call_leave(c);
}

static void on_refuse(struct http_exchange *x, enum http_refusal why, void *arg)
{
	struct call *c = http_user(x);
	const char *path;

	if (!c)
		c = call_new(arg, x);
	if (!c) {
		http_close_after(x);
		http_respond(x, 503, NULL, 0, NULL, 0);
		return;
	}
	call_enter(c);
	path = http_path(x);
	if (c->route == TG_ROUTE_NONE && path) /* refused before anybody looked at it */
		c->target.dialect = (enum tg_dialect)TG_DIALECT_OF(tg_route_find_text(path, strlen(path)));
	call_refuse_http(c, why);
	call_leave(c);
}

/* ---- exit */

void call_load_end(struct call *c)
{
	if (c->load)
		atomic_fetch_sub_explicit(&c->load->in_flight, 1, memory_order_relaxed);
	c->load = NULL;
}

void call_cancel_upstream(struct call *c)
{
	if (c->upstream)
		upstream_cancel(take_ptr(&c->upstream));
	call_load_end(c);
	attempt_end(c, ATTEMPT_NEUTRAL);
}

void call_answer_opts(const struct call *c, struct dialect_answer_opts *ret)
{
	*ret = (struct dialect_answer_opts){
		.from = c->wire,
		.to = c->target.wire,
		.id = c->request_id,
		.model = c->model->name,
		.model_len = c->model->name_len,
		.created_s = clock_wall_ms() / 1000,
		.include_usage = c->req.include_usage,
		.choices = (unsigned)(c->req.choices ? c->req.choices : 1),
	};
}

/* With money in it the provider's answer is read on: it costs us, and what it costs is in its last lines. */
void call_client_gone(struct call *c)
{
	const struct conf *conf = c->wc ? c->wc->catalog->conf : NULL;

	if (c->gone)
		return;
	c->gone = true;
	isolate_abandon(c);
	if (!c->upstream)
		return;
	if (!c->hold || !conf->billing.drain_timeout_ms) {
		call_cancel_upstream(c);
		money_end(c);
		return;
	}
	c->drain_until_ns = loop_now_ns(c->w->loop) + (uint64_t)conf->billing.drain_timeout_ms * 1000000u;
	if (c->paused) {
		c->paused = false;
		upstream_resume(c->upstream);
	}
}

void call_tick(struct call *c, uint64_t now_ns)
{
	const struct conf *conf = c->wc ? c->wc->catalog->conf : NULL;

	call_enter(c);
	if (c->drain_until_ns && now_ns >= c->drain_until_ns && c->upstream) {
		call_cancel_upstream(c);
		money_end(c);
	}
	/* The charge can't be committed: the client must not wait for ever, nor take its answer for complete. */
	if (c->settling && c->waits_for_commit && c->x && !c->gone &&
	    now_ns >= c->settled_ns + (uint64_t)conf->billing.commit_timeout_ms * 1000000u) {
		call_log(c, LOG_ERROR, "the charge could not be committed in time: the client is cut off");
		c->waits_for_commit = false;
		c->gone = true;
		http_stream_abort(c->x);
	}
	call_leave(c);
}

static void on_gone(struct http_exchange *x, void *arg)
{
	struct call *c = http_user(x);

	(void)arg;
	if (!c)
		return;
	call_enter(c);
	call_client_gone(c);
	call_leave(c);
}

static void on_writable(struct http_exchange *x, void *arg)
{
	struct call *c = http_user(x);

	(void)arg;
	if (!c || !c->paused || !c->upstream)
		return;
	call_enter(c);
	c->paused = false;
	upstream_resume(c->upstream);
	call_leave(c);
}

static void on_finished(struct http_exchange *x, bool complete, uint64_t bytes_sent, void *arg)
{
	struct call *c = http_user(x);

	(void)arg;
	(void)bytes_sent;
	if (!c)
		return;
	call_enter(c);
	http_set_user(x, NULL);
	if (c->upstream || !complete)
		call_client_gone(c);
	/* As nginx logs it: the client closed the request. */
	if (!c->status || (!complete && c->gone && !c->broken))
		c->status = 499;
	meters_call(c, clock_mono_ns());
	c->x = NULL;
	call_leave(c);
}

/* A call whose charge is being committed ends by itself in a moment: it isn't charged for an answer that it never got.
 */
void call_abort(struct call *c)
{
	if (c->waits_for_commit)
		return;
	call_enter(c);
	/* What was under way breaks off here, and it's we who break it: no answer to keep or to charge as if it were
	 * whole. */
	if (c->upstream && !c->gone)
		c->broken = true;
	call_cancel_upstream(c);
	isolate_abandon(c);
	money_end(c);
	if (c->x) {
		http_close_after(c->x);
		if (!c->status)
			call_error(c, 503, "server_error", "server_is_draining", NULL,
				   "The gateway was stopped before the answer was complete.");
		else
			http_stream_abort(c->x);
	}
	call_leave(c);
}

const struct http_handler call_handler = {
	.head = on_head,
	.request = on_request,
	.gone = on_gone,
	.writable = on_writable,
	.finished = on_finished,
	.refuse = on_refuse,
};
