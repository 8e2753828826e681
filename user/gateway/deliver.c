/* The provider's answer: collected and sent whole, or passed on event by event with back-pressure.
 *
 * Invariants (tests cite them):
 *  V1  Nothing of a broken answer looks complete: before the first byte it is a 502 or 504, later the stream is reset.
 *  V2  What a provider says about its account with us (organisation, its limits, its keys) doesn't reach the client. */
#include "gateway/deliver.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/failure.h"
#include "gateway/money.h"
#include "gateway/quota.h"
#include "gateway/refuse.h"

#include <string.h>
#include <strings.h>

/* Larger answers are passed on as they come, with a look at their ends only. */
#define ANSWER_BUFFER_MAX ((size_t)4 << 20)

/* Of an error more isn't read: a page without end would keep the call from being served elsewhere. */
#define ERROR_BUFFER_MAX ((size_t)64 << 10)

/* The head and the error event get out before the reset; a reset in the same breath would overtake them. */
#define CUT_AFTER_NS 20000000u

/* ---- headers */

/* On the same wire. The rest is between the provider and us. */
static const char *const passed_down[] = {"content-type", "cache-control", "openai-processing-ms", "openai-version"};

static bool is_name(const char *name, size_t len, const char *want)
{
	return strlen(want) == len && !strncasecmp(want, name, len);
}

static const char *passed(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(passed_down); i++)
		if (is_name(name, len, passed_down[i]))
			return passed_down[i];
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

struct retry_headers {
	const char *after_ms, *after;
};

/* One of the provider's headers. */
static void keep_header(struct call *c, const char *name, size_t name_len, const char *value, size_t len,
			struct retry_headers *retry)
{
	const char *pass = passed(name, name_len);

	if (is_name(name, name_len, "content-encoding")) {
		c->content_encoding = keep_text(c, value, len);
	} else if (is_name(name, name_len, "retry-after")) {
		retry->after = keep_text(c, value, len);
	} else if (is_name(name, name_len, "retry-after-ms")) {
		retry->after_ms = keep_text(c, value, len);
	} else if (pass && c->n_passed < ARRAY_SIZE(c->passed)) {
		value = keep_text(c, value, len);
		if (!value)
			return;
		if (pass == passed_down[0])
			c->content_type = value;
		if (c->wire == c->target.wire || pass == passed_down[0])
			c->passed[c->n_passed++] = (struct http_header){pass, value};
	}
}

/* One walk over the block. */
static void keep_headers(struct call *c, const struct upstream_head *h)
{
	const char *at = h->headers, *end = h->headers + h->headers_len;
	struct retry_headers retry = {0};
	struct quota quota = {0};

	c->n_passed = c->passed_len = 0;
	c->content_type = c->content_encoding = NULL;
	while (at < end) {
		const char *eol = memchr(at, '\n', (size_t)(end - at)), *next = eol ? eol + 1 : end;
		const char *colon = memchr(at, ':', (size_t)(next - at)), *stop = eol ? eol : end;
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
		keep_header(c, name, (size_t)(colon - name), value, (size_t)(stop - value), &retry);
	}
	if (c->load)
		quota_note(&quota, c->load, c->first_byte_ns);
	c->retry_after_ms = 0;
	if (retry.after_ms || retry.after) /* few answers have one: the clock needn't be read for the others */
		(void)dialect_retry_after(retry.after_ms, retry.after, clock_wall_ms() / 1000, &c->retry_after_ms);
}

static void add_passed(const struct call *c, struct answer_headers *a)
{
	for (size_t i = 0; i < c->n_passed; i++)
		answer_header(a, c->passed[i].name, c->passed[i].value);
}

static bool is_type(const char *value, const char *want)
{
	size_t n = strlen(want);

	return value && !strncasecmp(value, want, n) && (!value[n] || value[n] == ';' || value[n] == ' ');
}

/* ---- the stream's side */

/* The head goes out with the first bytes: until then another deployment can take the call over. */
static void stream_begin(struct call *c)
{
	struct answer_headers a;

	if (c->gone || c->begun)
		return;
	c->begun = true;
	http_body_release(c->x); /* a stream may last: what it was asked with needn't */
	answer_headers_init(&a, c);
	add_passed(c, &a);
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
	stream_begin(c);
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
}

/* What came isn't what an API of this wire answers. */
static void malformed(struct call *c, const char *why)
{
	static const struct call_failure f = {502, "server_error", "upstream_failed",
					      "The provider answered with something that is no answer of its API.",
					      .broken = true};

	meters_upstream_error(c, "protocol");
	call_log(c, LOG_WARN, "provider %s: %s", c->deployment->provider->conf->name, why);
	call_give_up(c, &f, ATTEMPT_FAILURE);
}

/* V1, as far as it can be seen of an answer that isn't kept: it is an object from its first byte to its last. */
static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool raw_begins_well(const char *data, size_t len)
{
	size_t n = 0;

	while (n < len && is_blank(data[n]))
		n++;
	return n == len || data[n] == '{';
}

static bool raw_ends_well(const struct dialect_tail *t)
{
	size_t n = t ? t->len : 0;

	while (n && is_blank(t->text[n - 1]))
		n--;
	return !t || (n && t->text[n - 1] == '}');
}

/* False: that was its end. */
static bool raw_feed(struct call *c, const char *data, size_t len)
{
	if (!c->begun && !raw_begins_well(data, len)) {
		malformed(c, "the answer is none of its API");
		return false;
	}
	if (c->tail)
		dialect_tail_feed(c->tail, data, len);
	if (c->hold) { /* before it is written, as feed_events */
		c->body_bytes += len;
		ledger_hold_delivered(c->hold, call_estimate(c).output_tokens);
		c->body_bytes -= len;
	}
	stream_write(c, data, len);
	return true;
}

/* Of a 200: NULL, or what is wrong with its head. */
static const char *wrong_head(const struct call *c, const struct upstream_head *h)
{
	bool events = is_type(c->content_type, "text/event-stream");

	if (c->content_encoding && *c->content_encoding && strcasecmp(c->content_encoding, "identity") != 0)
		return "the answer is encoded, which it wasn't asked to be";
	if (c->req.stream != events)
		return events ? "the answer is a stream, which wasn't asked for" : "the answer is no stream";
	if (!events && !is_type(c->content_type, "application/json"))
		return "the answer is no JSON";
	if (h->content_length > (long long)ANSWER_BUFFER_MAX && c->wire != c->target.wire)
		return "the answer is too large to be translated";
	return NULL;
}

static void events_begin(struct call *c)
{
	struct dialect_answer_opts o;

	call_answer_opts(c, &o);
	if (dialect_stream_init(&c->events, &o) < 0) {
		malformed(c, "no memory for a stream");
		return;
	}
	c->mode = CALL_MODE_EVENTS;
}

void deliver_head(struct call *c, const struct upstream_head *h)
{
	const char *wrong;

	c->first_byte_ns = clock_mono_ns();
	c->upstream_status = h->status;
	c->reached = true;
	keep_headers(c, h);
	wrong = h->status == 200 ? wrong_head(c, h) : NULL;
	if (wrong) {
		malformed(c, wrong);
		return;
	}
	if (h->status == 200 && c->req.stream) {
		events_begin(c);
		return;
	}
	c->mode = CALL_MODE_BUFFER;
	if (!c->answer.cap)
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
	int rc;

	buf_reset(out);
	rc = dialect_stream_feed(&c->events, data, len, out);
	/* An error in place of a stream: the client's head isn't out yet, and its first byte not either. */
	if (rc < 0 || out->failed || (c->events.error_seen && !c->begun)) {
		meters_upstream_error(c, c->events.error_seen ? "server_error" : "protocol");
		call_log(c, LOG_WARN, "provider %s: %s", c->deployment->provider->conf->name,
			 rc < 0 ? "an event of the stream is too large, or none of its API" : "its stream is an error");
		deliver_failed(c, ERR_PROTO);
		return;
	}
	attempt_answering(c);
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
	if (!raw_feed(c, c->answer.data, c->answer.len))
		return;
	(void)raw_feed(c, data, len);
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

/* An error page of megabytes: the first part will do, and isn't passed on. */
static void error_overflows(struct call *c)
{
	if (c->upstream)
		upstream_cancel(take_ptr(&c->upstream));
	call_load_end(c);
	c->upstream_done_ns = clock_mono_ns();
	buf_reset(&c->answer);
	call_run(c, CALL_DELIVER);
}

void deliver_body(struct call *c, const char *data, size_t len)
{
	if (c->gone && !drain_goes_on(c, len))
		return;
	if (c->mode == CALL_MODE_EVENTS) {
		feed_events(c, data, len);
	} else if (c->mode == CALL_MODE_RAW) {
		(void)raw_feed(c, data, len);
	} else if (c->upstream_status != 200 && c->answer.len + len > ERROR_BUFFER_MAX) {
		error_overflows(c);
	} else if (c->answer.len + len <= ANSWER_BUFFER_MAX && buf_append(&c->answer, data, len) == 0) {
		; /* goes on being collected */
	} else if (c->wire == c->target.wire) {
		go_raw(c, data, len);
	} else {
		malformed(c, "the answer is too large to be translated");
	}
}

void deliver_failed(struct call *c, int code)
{
	bool timeout = code == ERR_TIMEOUT;
	struct call_failure f = {
		.status = timeout ? 504 : 502,
		.type = "server_error",
		.code = timeout ? "upstream_timeout" : "upstream_failed",
		.message = "The provider's answer broke off.",
		.broken = true,
	};
	struct dialect_error e = {f.status, f.type, f.code, NULL, f.message, c->request_id};
	struct buf *out = &c->w->scratch;

	if (!c->begun || c->gone) {
		call_give_up(c, &f, ATTEMPT_FAILURE);
		return;
	}
	attempt_end(c, ATTEMPT_FAILURE);
	call_cancel_upstream(c);
	c->broken = true;
	money_end(c);
	if (c->mode == CALL_MODE_EVENTS && !c->events.error_seen) {
		buf_reset(out);
		if (dialect_stream_error(&c->events, &e, out) == 0)
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

static enum call_step end_events(struct call *c)
{
	struct buf *out = &c->w->scratch;

	buf_reset(out);
	/* V1: a stream that just stops isn't an answer, however politely the connection was closed. */
	if (dialect_stream_end(&c->events, out) < 0 || out->failed || !c->events.complete || c->events.error_seen) {
		meters_upstream_error(c, c->events.error_seen ? "server_error" : "protocol");
		deliver_failed(c, ERR_PROTO);
		return CALL_DONE;
	}
	attempt_end(c, ATTEMPT_SUCCESS);
	stream_write(c, out->data, out->len);
	money_keep(c, c->events.held.data, c->events.held.len); /* kept with the charge, sent after it */
	return CALL_NEXT;
}

/* The whole answer in the client's wire. */
static int translate(struct call *c)
{
	_cleanup_(arena_done) struct arena arena = {0};
	struct buf out = worker_buf_take(c->w), untranslated = c->answer;
	struct dialect_answer_opts o;
	struct err err;
	int rc;

	call_answer_opts(c, &o);
	rc = dialect_answer_translate(&o, c->answer.data, c->answer.len, &arena, &out, &err);
	if (rc < 0) {
		call_log(c, LOG_WARN, "%s", err.msg);
		worker_buf_give(c->w, &out);
		return rc;
	}
	c->answer = out;
	worker_buf_give(c->w, &untranslated);
	return 0;
}

static enum call_step end_answer(struct call *c)
{
	if (!c->answer.data || !dialect_answer_valid(c->wire, c->answer.data, c->answer.len)) {
		malformed(c, "the answer is none of its API");
		return CALL_DONE;
	}
	c->report =
		dialect_answer_usage(c->wire, c->answer.data, c->answer.len, &c->reported, &c->reported_inconsistent);
	if (c->wire != c->target.wire && translate(c) < 0) {
		malformed(c, "the answer can't be translated");
		return CALL_DONE;
	}
	attempt_end(c, ATTEMPT_SUCCESS);
	return CALL_NEXT;
}

enum call_step call_deliver(struct call *c)
{
	if (c->mode == CALL_MODE_EVENTS)
		return end_events(c);
	if (c->upstream_status != 200)
		return call_provider_refused(c);
	if (c->mode == CALL_MODE_BUFFER)
		return end_answer(c);
	if (!raw_ends_well(c->tail)) {
		meters_upstream_error(c, "protocol");
		deliver_failed(c, ERR_PROTO);
		return CALL_DONE;
	}
	attempt_end(c, ATTEMPT_SUCCESS);
	return CALL_NEXT;
}

/* The end of a stream, held back until now. */
static void finish_stream(struct call *c)
{
	struct buf *out = &c->w->scratch;

	stream_begin(c);
	if (c->gone)
		return;
	buf_reset(out);
	if (c->mode == CALL_MODE_EVENTS && dialect_stream_release(&c->events, out) < 0) {
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
	answer_headers_init(&a, c);
	add_passed(c, &a);
	c->status = c->upstream_status;
	c->delivered = true;
	http_respond_borrow(c->x, c->status, a.h, a.n, len ? c->answer.data : "", len);
	return CALL_DONE;
}
