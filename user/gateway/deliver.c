/* The provider's answer: collected and sent whole, or passed on event by event with back-pressure.
 *
 * Invariants (tests cite them):
 *  V1  Nothing of a broken answer looks complete: before the first byte it is a 502 or 504, later the stream is reset.
 *  V2  What a provider says about its account with us (organisation, its limits, its keys) doesn't reach the client. */
#include "gateway/deliver.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/money.h"
#include "gateway/quota.h"
#include "gateway/refuse.h"

#include <string.h>
#include <strings.h>

/* Larger answers are passed on as they come, without a look at their usage. */
#define ANSWER_BUFFER_MAX ((size_t)4 << 20)

/* The head and the error event get out before the reset; a reset in the same breath would overtake them. */
#define CUT_AFTER_NS 20000000u

/* ---- headers */

struct passed_header {
	const char *name;
	bool only_retry; /* with 429 and 503 only */
};

static const struct passed_header passed_down[] = {
	{"content-type", false},         {"content-encoding", false}, {"cache-control", false},
	{"openai-processing-ms", false}, {"openai-version", false},   {"retry-after", true},
	{"retry-after-ms", true},        {"x-should-retry", true},
};

static const struct passed_header *passed(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(passed_down); i++)
		if (strlen(passed_down[i].name) == len && !strncasecmp(passed_down[i].name, name, len))
			return &passed_down[i];
	return NULL;
}

/* A copy that lives as long as the call; NULL when there is no room left. */
static const char *keep_text(struct call *c, const char *text, size_t len)
{
	char *to = c->passed_text + c->passed_len;

	if (len >= sizeof(c->passed_text) - c->passed_len)
		return NULL;
	memcpy(to, text, len);
	to[len] = '\0';
	c->passed_len += len + 1;
	return to;
}

/* One walk over the block. */
static void keep_headers(struct call *c, const struct upstream_head *h)
{
	const char *at = h->headers, *end = h->headers + h->headers_len;
	bool retry = h->status == 429 || h->status == 503;
	struct quota quota = {0};

	c->n_passed = c->passed_len = 0;
	while (at < end) {
		const char *eol = memchr(at, '\n', (size_t)(end - at)), *next = eol ? eol + 1 : end;
		const char *colon = memchr(at, ':', (size_t)(next - at)), *stop = eol ? eol : end;
		const struct passed_header *p = colon ? passed(at, (size_t)(colon - at)) : NULL;
		const char *name = at, *value;

		at = next;
		if (!colon)
			continue;
		for (value = colon + 1; value < stop && (*value == ' ' || *value == '\t');)
			value++;
		while (stop > value && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t'))
			stop--;
		if (c->load)
			quota_read(&quota, name, (size_t)(colon - name), value, (size_t)(stop - value));
		if (!p || (p->only_retry && !retry) || c->n_passed == ARRAY_SIZE(c->passed))
			continue;
		c->passed[c->n_passed].name = p->name;
		c->passed[c->n_passed].value = keep_text(c, value, (size_t)(stop - value));
		if (c->passed[c->n_passed].value)
			c->n_passed++;
	}
	if (c->load)
		quota_note(&quota, c->load, c->first_byte_ns);
}

static void add_passed(const struct call *c, struct answer_headers *a, bool with_type)
{
	for (size_t i = 0; i < c->n_passed; i++)
		if (with_type || strncmp(c->passed[i].name, "content-", 8) != 0)
			answer_header(a, c->passed[i].name, c->passed[i].value);
}

static const char *passed_type(const struct call *c)
{
	for (size_t i = 0; i < c->n_passed; i++)
		if (!strcmp(c->passed[i].name, "content-type"))
			return c->passed[i].value;
	return "";
}

static bool is_type(const char *value, const char *want)
{
	size_t n = strlen(want);

	return !strncasecmp(value, want, n) && (!value[n] || value[n] == ';' || value[n] == ' ');
}

/* ---- the stream's side */

static void stream_begin(struct call *c)
{
	struct answer_headers a;

	if (c->gone)
		return;
	answer_headers_init(&a, c);
	add_passed(c, &a, true);
	c->status = c->upstream_status;
	if (http_stream_begin(c->x, c->status, a.h, a.n) < 0)
		call_client_gone(c);
}

static void stream_write(struct call *c, const char *data, size_t len)
{
	int rc;

	if (!len)
		return;
	money_keep(c, data, len);
	if (c->gone)
		return;
	rc = http_stream_write(c->x, data, len);
	if (rc < 0) {
		call_client_gone(c);
		return;
	}
	c->delivered = true;
	c->body_bytes += len;
	if (rc == 1 && c->upstream && !c->paused) {
		c->paused = true;
		upstream_pause(c->upstream);
	}
}

/* ---- what comes */

/* Collecting isn't possible, or not any more: the answer is passed on as it comes, and its end kept in view. */
static void raw_begin(struct call *c)
{
	c->mode = CALL_MODE_RAW;
	c->tail = calloc(1, sizeof(*c->tail)); /* without it: no usage, an estimate stands in */
	stream_begin(c);
}

static void raw_feed(struct call *c, const char *data, size_t len)
{
	if (c->tail)
		openai_tail_feed(c->tail, data, len);
	if (c->hold) { /* before it is written, as feed_events */
		c->body_bytes += len;
		ledger_hold_delivered(c->hold, call_estimate(c).output_tokens);
		c->body_bytes -= len;
	}
	stream_write(c, data, len);
}

void deliver_head(struct call *c, const struct upstream_head *h)
{
	c->first_byte_ns = clock_mono_ns();
	c->upstream_status = h->status;
	c->reached = true;
	keep_headers(c, h);
	if (h->status == 200 && is_type(passed_type(c), "text/event-stream")) {
		c->mode = CALL_MODE_EVENTS;
		openai_stream_init(&c->events, !c->req.include_usage);
		c->events.choices = (unsigned)(c->req.choices ? c->req.choices : 1);
		if (c->x)
			http_body_release(c->x); /* a stream may last: what it was asked with needn't */
		stream_begin(c);
		return;
	}
	c->mode = CALL_MODE_BUFFER;
	c->answer = worker_buf_take(c->w);
	c->answer.max = ANSWER_BUFFER_MAX;
	if (h->content_length > (long long)ANSWER_BUFFER_MAX && h->status == 200)
		raw_begin(c);
	else if (h->content_length > 0 && h->content_length <= (long long)ANSWER_BUFFER_MAX)
		(void)buf_reserve(&c->answer, (size_t)h->content_length);
}

static void feed_events(struct call *c, const char *data, size_t len)
{
	struct buf *out = &c->w->scratch;

	buf_reset(out);
	if (openai_stream_feed(&c->events, data, len, out) < 0 || out->failed) {
		call_cancel_upstream(c);
		meters_upstream_error(c, "protocol");
		call_log(c, LOG_WARN, "provider %s: an event of the stream is too large",
			 c->deployment->provider->conf->name);
		deliver_failed(c, ERR_PROTO);
		return;
	}
	/* Before the client has it: what a crash leaves behind must not be less than what was delivered. */
	if (c->hold) {
		ledger_hold_delivered(c->hold, (c->events.content_bytes + 3) / 4);
		if (c->events.have_usage)
			ledger_hold_reported(c->hold, &c->events.usage);
	}
	stream_write(c, out->data, out->len);
}

/* The answer grew past what is collected: from here on it is passed as it comes. */
static void go_raw(struct call *c, const char *data, size_t len)
{
	raw_begin(c);
	raw_feed(c, c->answer.data, c->answer.len);
	raw_feed(c, data, len);
	buf_done(&c->answer);
}

/* False: enough was read for a client that is gone. */
static bool drain_goes_on(struct call *c, size_t len)
{
	c->drained_bytes += len;
	if (!c->gone || c->drained_bytes <= c->wc->catalog->conf->billing.drain_bytes_max)
		return true;
	call_cancel_upstream(c);
	money_end(c);
	return false;
}

void deliver_body(struct call *c, const char *data, size_t len)
{
	if (c->gone && !drain_goes_on(c, len))
		return;
	if (c->mode == CALL_MODE_EVENTS) {
		feed_events(c, data, len);
	} else if (c->mode == CALL_MODE_RAW) {
		raw_feed(c, data, len);
	} else if (c->upstream_status != 200 && c->answer.len + len > ANSWER_BUFFER_MAX) {
		; /* an error page of megabytes: the first part will do, and it isn't passed on */
	} else if (c->answer.len + len > ANSWER_BUFFER_MAX || buf_append(&c->answer, data, len) < 0) {
		go_raw(c, data, len);
	}
}

void deliver_failed(struct call *c, int code)
{
	struct buf *out = &c->w->scratch;

	c->broken = true;
	if (!c->status || c->gone) {
		bool timeout = code == ERR_TIMEOUT;

		call_error(c, timeout ? 504 : 502, "server_error", timeout ? "upstream_timeout" : "upstream_failed",
			   NULL, "The provider's answer broke off.");
		return;
	}
	money_end(c);
	if (c->mode == CALL_MODE_EVENTS) {
		buf_reset(out);
		if (openai_error_event(out, "The provider's answer broke off.", "server_error", "upstream_failed") == 0)
			(void)http_stream_write(c->x, out->data, out->len);
	}
	c->cut_ns = loop_now_ns(c->w->loop) + CUT_AFTER_NS;
	if (c->w->cutting)
		return;
	if (loop_timer_set(c->w->loop, &c->w->cut, c->cut_ns) < 0)
		http_stream_abort(c->x);
	else
		c->w->cutting = true;
}

void worker_cut(struct loop *l, struct loop_timer *t)
{
	struct gateway_worker *w = CONTAINER_OF(t, struct gateway_worker, cut);

	uint64_t now = loop_now_ns(l), next_ns = 0;

	for (struct call *c = w->calls, *next; c; c = next) {
		next = c->next;
		if (!c->cut_ns || !c->x)
			continue;
		if (c->cut_ns <= now) {
			c->cut_ns = 0;
			http_stream_abort(c->x);
		} else if (!next_ns || c->cut_ns < next_ns) {
			next_ns = c->cut_ns;
		}
	}
	w->cutting = next_ns && loop_timer_set(l, t, next_ns) == 0;
	if (next_ns && !w->cutting)
		log_error(NULL, "worker=%u no memory for a timer: broken streams stay open until their clients leave",
			  w->index);
}

/* ---- stages */

enum call_step call_deliver(struct call *c)
{
	struct buf *out = &c->w->scratch;

	if (c->mode != CALL_MODE_EVENTS)
		return CALL_NEXT;
	buf_reset(out);
	/* V1: a stream that just stops isn't an answer, however politely the connection was closed. */
	if (openai_stream_end(&c->events, out) < 0 || out->failed || !openai_stream_complete(&c->events)) {
		meters_upstream_error(c, "protocol");
		deliver_failed(c, ERR_PROTO);
		return CALL_DONE;
	}
	stream_write(c, out->data, out->len);
	money_keep(c, c->events.held.data, c->events.held.len); /* kept with the charge, sent after it */
	return CALL_NEXT;
}

/* Our account with the provider is in trouble, or what came isn't an API's answer: the client gets our own words. */
static bool finish_in_own_words(struct call *c)
{
	int s = c->upstream_status;
	struct answer_headers a;

	if (s == 401 || s == 403) {
		meters_upstream_error(c, "credentials");
		call_log(c, LOG_ERROR, "provider %s refuses our credentials (%d)", c->deployment->provider->conf->name,
			 s);
		call_error(c, 502, "server_error", "upstream_failed", NULL,
			   "The provider could not serve this request.");
		return true;
	}
	if (s == 429) {
		meters_upstream_error(c, "rate_limit");
		answer_headers_init(&a, c);
		add_passed(c, &a, false);
		call_error_with(c, &a, 429, "requests", "rate_limit_exceeded", NULL,
				"The provider of this model is rate limiting; retry later.");
		return true;
	}
	if (s >= 500)
		meters_upstream_error(c, "server_error");
	if ((s < 400 && s != 200) || (s >= 400 && !is_type(passed_type(c), "application/json"))) {
		call_error(c, s >= 400 && s < 500 ? s : 502, "server_error", "upstream_failed", NULL,
			   "The provider answered with something that is no answer of its API.");
		return true;
	}
	return false;
}

/* The end of a stream, held back until now. */
static void finish_stream(struct call *c)
{
	struct buf *out = &c->w->scratch;

	buf_reset(out);
	if (c->mode == CALL_MODE_EVENTS && openai_stream_release(&c->events, out) < 0) {
		http_stream_abort(c->x);
		return;
	}
	if (out->len && http_stream_write(c->x, out->data, out->len) < 0)
		return;
	http_stream_end(c->x);
}

enum call_step call_finish(struct call *c)
{
	struct answer_headers a;
	size_t len = c->answer.len;

	if (c->gone || !c->x)
		return CALL_DONE;
	if (c->mode != CALL_MODE_BUFFER) {
		finish_stream(c);
		return CALL_DONE;
	}
	if (finish_in_own_words(c))
		return CALL_DONE;
	answer_headers_init(&a, c);
	add_passed(c, &a, true);
	c->status = c->upstream_status;
	c->delivered = true;
	http_respond_borrow(c->x, c->status, a.h, a.n, len ? c->answer.data : "", len);
	return CALL_DONE;
}
