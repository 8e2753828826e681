/* From a call to its answer on the wire. */
#include "sim/conn.h"
#include "sim/table.h"

#include <string.h>

#define BURST_MAX ((size_t)64 << 10) /* of an unpaced stream, before others get their turn */

static const char *reason_of(unsigned status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 402:
		return "Payment Required";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 429:
		return "Too Many Requests";
	case 500:
		return "Internal Server Error";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	default:
		return status < 500 ? "Refused" : "Failed";
	}
}

/* Ids and limits as the dialect has them: Google none, Azure limits that say nothing. */
static void put_manners(const struct sim_job *j, struct buf *o)
{
	switch (j->dialect) {
	case TG_DIALECT_ANTHROPIC:
		SIM_PUT(o, "request-id: req_sim");
		sim_put_hex16(o, j->id);
		SIM_PUT(o, "\r\n");
		break;
	case TG_DIALECT_GEMINI:
		SIM_PUT(o, "Server-Timing: gfet4t7; dur=1\r\n");
		break;
	case TG_DIALECT_AZURE:
		SIM_PUT(o, "apim-request-id: sim");
		sim_put_hex16(o, j->id);
		SIM_PUT(o, "\r\nx-ratelimit-limit-requests: 0\r\nx-ratelimit-remaining-requests: -1\r\n"
			   "x-ratelimit-limit-tokens: 0\r\nx-ratelimit-remaining-tokens: -1\r\nx-request-id: req_sim");
		sim_put_hex16(o, j->id);
		SIM_PUT(o, "\r\n");
		break;
	default:
		SIM_PUT(o, "x-request-id: req_sim");
		sim_put_hex16(o, j->id);
		SIM_PUT(o, "\r\nopenai-processing-ms: ");
		sim_put_uint(o, j->latency_ms);
		SIM_PUT(o, "\r\n");
	}
}

void sim_put_head(const struct sim_conn *c, struct buf *o, unsigned status, const char *type, const char *extra)
{
	SIM_PUT(o, "HTTP/1.1 ");
	sim_put_uint(o, status);
	buf_putc(o, ' ');
	buf_puts(o, reason_of(status));
	SIM_PUT(o, "\r\nContent-Type: ");
	buf_puts(o, type);
	SIM_PUT(o, "\r\n");
	put_manners(&c->job, o);
	if (c->close_after)
		SIM_PUT(o, "Connection: close\r\n");
	buf_puts(o, extra);
}

void sim_send_out(struct sim_conn *c)
{
	struct buf *o = &c->worker->out;

	if (o->failed)
		sim_conn_close(c);
	else
		sim_conn_send(c, o->data, o->len);
}

void sim_answer_over(struct sim_conn *c)
{
	c->state = CONN_READING;
	if (c->model)
		sim_model_end(c->model);
	c->model = NULL;
}

void sim_respond(struct sim_conn *c, unsigned status, const char *type, const char *extra, const struct buf *body)
{
	struct buf *o = &c->worker->out;

	buf_reset(o);
	sim_put_head(c, o, status, type, extra);
	SIM_PUT(o, "Content-Length: ");
	sim_put_uint(o, body->len);
	SIM_PUT(o, "\r\n\r\n");
	buf_append(o, body->data, body->len);
	if (body->failed)
		o->failed = true;
	sim_answer_over(c);
	sim_send_out(c);
}

void sim_refuse(struct sim_conn *c, const struct sim_error *e, const char *extra)
{
	struct buf *b = &c->worker->body;

	buf_reset(b);
	sim_error_render(c->job.dialect, e, c->job.id, b);
	sim_respond(c, e->status, SIM_JSON, extra, b);
}

void sim_count_report(struct sim_conn *c)
{
	struct sim_stats *s = &c->worker->stats;
	struct sim_tokens t;

	if (!sim_tokens_of(&c->job, &t))
		return;
	sim_count(&s->reports, 1);
	sim_count(&s->input_tokens, t.prompt);
	sim_count(&s->cached_input_tokens, t.cached);
	sim_count(&s->output_tokens, t.completion);
}

/* ---- streams */

static void put_chunk(struct buf *o, const struct buf *event)
{
	char digits[16];
	size_t at = sizeof(digits);

	if (!event->len)
		return; /* it would be the last */
	for (size_t v = event->len; v; v >>= 4)
		digits[--at] = "0123456789abcdef"[v & 15];
	buf_append(o, digits + at, sizeof(digits) - at);
	buf_append(o, "\r\n", 2);
	buf_append(o, event->data, event->len);
	buf_append(o, "\r\n", 2);
}

static bool fails_here(const struct sim_job *j)
{
	return j->fault == SIM_ERROR_FIRST || (j->fault == SIM_MIDSTREAM_ERROR && j->step > sim_pieces(j) / 2);
}

/* An event that says the call has failed. */
static void put_failure(struct sim_job *j, struct buf *o)
{
	if (j->wire->stream_error) {
		j->wire->stream_error(j, o);
		return;
	}
	buf_puts(o, j->wire->error_head);
	sim_error_render(j->dialect, &sim_stream_failure, j->id, o);
	buf_puts(o, "\n\n");
}

/* One step's events; false when they were the last. */
static bool events_next(struct sim_job *j, struct buf *o)
{
	if (fails_here(j)) {
		put_failure(j, o);
		return false;
	}
	if (j->fault == SIM_PING && j->step > 0)
		buf_puts(o, j->wire->ping);
	return j->wire->stream_next(j, o);
}

static bool breaks_here(const struct sim_job *j)
{
	return (j->fault == SIM_TRUNCATE || j->fault == SIM_BADCHUNK || j->fault == SIM_TRUNCATE_CLEAN) &&
	       j->step > sim_pieces(j) / 2;
}

/* Appends the next step's chunk. Returns false when the stream is over, well or badly. */
static bool stream_step(struct sim_conn *c, struct buf *o)
{
	struct buf *event = &c->worker->event;
	bool more;

	if (breaks_here(&c->job)) {
		if (c->job.fault == SIM_BADCHUNK)
			buf_puts(o, "1z\r\n");
		if (c->job.fault == SIM_TRUNCATE_CLEAN)
			buf_puts(o, "0\r\n\r\n");
		else
			c->close_after = true;
		return false;
	}
	buf_reset(event);
	more = events_next(&c->job, event);
	put_chunk(o, event);
	if (event->failed)
		o->failed = true;
	if (more)
		return true;
	buf_puts(o, "0\r\n\r\n");
	if (!fails_here(&c->job))
		sim_count_report(c);
	return false;
}

/* Head and tail of a stream come at once, unpaced. */
static bool unpaced(const struct sim_job *j)
{
	return !j->interval_ms || j->step == 0 || j->step > sim_pieces(j);
}

/* On from where worker->out ends. */
static void stream_run(struct sim_conn *c)
{
	struct buf *o = &c->worker->out;
	bool more = true;

	do
		more = stream_step(c, o);
	while (more && o->len < BURST_MAX && unpaced(&c->job));
	if (!more)
		sim_answer_over(c);
	else if (c->job.interval_ms || o->len >= BURST_MAX)
		sim_conn_timer(c, (uint64_t)c->job.interval_ms * 1000000);
	sim_send_out(c);
}

static void stream_open(struct sim_conn *c)
{
	struct buf *o = &c->worker->out;

	buf_reset(o);
	sim_put_head(c, o, 200, SIM_EVENT_STREAM, "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n");
	c->state = CONN_STREAMING;
	if (!c->job.first_ms) {
		/* The head goes out with the first events. */
		stream_run(c);
		return;
	}
	sim_conn_timer(c, (uint64_t)c->job.first_ms * 1000000);
	sim_send_out(c);
}

/* ---- whole answers */

void sim_body_render(struct sim_conn *c, struct buf *o)
{
	struct sim_job *j = &c->job;

	buf_reset(o);
	if (j->stream) {
		while (events_next(j, o) && !o->failed)
			;
		return;
	}
	j->wire->render(j, o);
	if (j->fault == SIM_MALFORMED && o->len)
		o->data[o->len - 1] = ',';
}

static void late_body(struct sim_conn *c, const struct buf *body)
{
	struct buf *o = &c->worker->out;

	buf_reset(o);
	sim_put_head(c, o, 200, SIM_JSON, "");
	buf_printf(o, "Content-Length: %zu\r\n\r\n", body->len);
	buf_reset(&c->tail);
	buf_append(&c->tail, body->data, body->len);
	c->flood_left = 0;
	c->state = CONN_FLOODING;
	sim_conn_timer(c, (uint64_t)c->job.first_ms * 1000000);
	sim_send_out(c);
}

static void job_answer(struct sim_conn *c)
{
	struct sim_job *j = &c->job;
	struct buf *b = &c->worker->body;

	c->state = CONN_READING;
	if (j->fault != SIM_OK && sim_fault_answer(c))
		return;
	if (j->stream) {
		stream_open(c);
		return;
	}
	sim_body_render(c, b);
	if (j->fault != SIM_MALFORMED)
		sim_count_report(c);
	if (j->first_ms)
		late_body(c, b);
	else
		sim_respond(c, 200, SIM_JSON, "", b);
}

void sim_answer_continue(struct sim_conn *c)
{
	switch (c->state) {
	case CONN_WAITING:
		job_answer(c);
		break;
	case CONN_STREAMING:
		if (sim_conn_blocked(c))
			break; /* on again when the socket has room */
		buf_reset(&c->worker->out);
		stream_run(c);
		break;
	case CONN_DRIPPING:
		sim_conn_drip(c);
		break;
	case CONN_FLOODING:
		sim_flood_run(c);
		break;
	case CONN_READING:
	case CONN_HANGING:
		break;
	}
}

void sim_answer_start(struct sim_conn *c)
{
	struct sim_job *j = &c->job;

	if (j->fault == SIM_CLOSE) {
		sim_conn_close(c);
	} else if (j->fault == SIM_HANG) {
		c->state = CONN_HANGING;
	} else if (j->latency_ms) {
		c->state = CONN_WAITING;
		sim_conn_timer(c, (uint64_t)j->latency_ms * 1000000);
	} else {
		job_answer(c);
	}
}
