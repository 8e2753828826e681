/* Answers that fail, and the ways to spoil one. */
#include "sim/conn.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#define FLOOD_BLOCK ((size_t)16 << 10)
#define HUGE_HEAD ((uint64_t)1 << 20)

/* ---- answers other than 200 */

static void limit_headers(enum tg_dialect d, char *ret, size_t size)
{
	time_t reset = (time_t)(clock_wall_ms() / 1000 + 2);
	struct tm tm;
	char text[32];

	switch (d) {
	case TG_DIALECT_ANTHROPIC:
		gmtime_r(&reset, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
		snprintf(ret, size,
			 "retry-after: 2\r\nanthropic-ratelimit-requests-limit: 60\r\n"
			 "anthropic-ratelimit-requests-remaining: 0\r\nanthropic-ratelimit-requests-reset: %s\r\n",
			 text);
		break;
	case TG_DIALECT_GEMINI:
		*ret = '\0';
		break;
	case TG_DIALECT_AZURE:
		snprintf(ret, size, "retry-after: 2\r\nretry-after-ms: 1500\r\n");
		break;
	default:
		snprintf(ret, size,
			 "retry-after: 2\r\nretry-after-ms: 1500\r\nx-ratelimit-limit-requests: 60\r\n"
			 "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 1.5s\r\n");
	}
}

static void refuse_limit(struct sim_conn *c)
{
	const struct sim_job *j = &c->job;
	struct sim_error e = {
		.status = 429, .message = "Rate limit reached for the simulated model", .retry_ms = j->retry_ms};
	char headers[512] = "";

	if (j->fault == SIM_RATELIMIT)
		limit_headers(j->dialect, headers, sizeof(headers));
	else if (j->fault == SIM_RETRY_AFTER)
		snprintf(headers, sizeof(headers), "retry-after: %llu\r\n", (unsigned long long)j->retry_ms / 1000);
	else if (j->dialect != TG_DIALECT_GEMINI)
		snprintf(headers, sizeof(headers), "retry-after-ms: %llu\r\n", (unsigned long long)j->retry_ms);
	sim_refuse(c, &e, headers);
}

static void refuse_quota(struct sim_conn *c)
{
	struct sim_error e = {
		.status = 429, .quota = true, .message = "The simulated account has nothing left to spend"};

	if (c->job.dialect == TG_DIALECT_OPENAI) {
		e.type = "insufficient_quota";
		e.code = "credit_balance_exhausted";
	} else if (c->job.dialect == TG_DIALECT_AZURE) {
		e.code = "insufficient_quota";
	} else if (c->job.dialect == TG_DIALECT_ANTHROPIC) {
		e.status = 402;
	}
	sim_refuse(c, &e, "");
}

static void refuse_model(struct sim_conn *c)
{
	struct sim_error e = {.status = 404,
			      .message = "The simulated model does not exist or you do not have access to it"};

	if (c->job.dialect == TG_DIALECT_OPENAI)
		e.code = "model_not_found";
	else if (c->job.dialect == TG_DIALECT_AZURE)
		e.code = "DeploymentNotFound";
	sim_refuse(c, &e, "");
}

static void refuse_simply(struct sim_conn *c, unsigned status, const char *message)
{
	sim_refuse(c, &(struct sim_error){.status = status, .message = message}, "");
}

static void page(struct sim_conn *c, unsigned status)
{
	struct buf *b = &c->worker->body;

	buf_reset(b);
	buf_puts(b, "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1>"
		    "</body></html>\n");
	sim_respond(c, status, "text/html; charset=utf-8", "", b);
}

/* ---- floods */

void sim_flood_run(struct sim_conn *c)
{
	size_t burst = 0;

	while (c->flood_left && burst < 4 * FLOOD_BLOCK && !sim_conn_blocked(c)) {
		size_t n = c->flood_left < c->flood_len ? (size_t)c->flood_left : c->flood_len;

		sim_conn_send(c, c->flood, n);
		c->flood_left -= c->flood_left == UINT64_MAX ? 0 : n;
		burst += n;
	}
	if (c->flood_left) {
		if (!sim_conn_blocked(c))
			sim_conn_timer(c, 0);
		return; /* else on again when the socket has room */
	}
	sim_answer_over(c);
	if (c->tail.failed)
		sim_conn_close(c);
	else
		sim_conn_send(c, c->tail.data, c->tail.len);
	buf_done(&c->tail);
	c->tail = BUF_INIT;
}

/* What is in worker->out, `left` bytes of the block over and over, then the tail. */
static void flood(struct sim_conn *c, const char *block, size_t len, uint64_t left)
{
	c->flood = block;
	c->flood_len = len;
	c->flood_left = left;
	c->state = CONN_FLOODING;
	sim_send_out(c);
	if (!sim_conn_blocked(c))
		sim_flood_run(c);
}

/* Header lines of 64 bytes. */
static const char *head_lines(void)
{
	static _Thread_local char lines[FLOOD_BLOCK];

	if (!lines[0])
		for (size_t i = 0; i < sizeof(lines); i += 64) {
			memset(lines + i, 'f', 64);
			memcpy(lines + i, "x-filler: ", 10);
			memcpy(lines + i + 62, "\r\n", 2);
		}
	return lines;
}

static void flood_head(struct sim_conn *c, uint64_t left)
{
	struct buf *o = &c->worker->out, *b = &c->worker->body;

	buf_reset(&c->tail);
	if (left != UINT64_MAX) {
		sim_body_render(c, b);
		sim_count_report(c);
		buf_printf(&c->tail, "Content-Length: %zu\r\n\r\n", b->len);
		buf_append(&c->tail, b->data, b->len);
	}
	buf_reset(o);
	sim_put_head(c, o, 200, c->job.stream ? SIM_EVENT_STREAM : SIM_JSON, "");
	flood(c, head_lines(), FLOOD_BLOCK, left);
}

/* The text goes on for megabytes at the place that was marked. */
static void flood_body(struct sim_conn *c, const struct buf *body)
{
	static _Thread_local char letters[FLOOD_BLOCK];
	struct buf *o = &c->worker->out;
	const char *mark = memchr(body->data, SIM_HUGE_MARK, body->len);
	uint64_t more = (uint64_t)c->job.huge_mb << 20;
	size_t before = mark ? (size_t)(mark - body->data) : body->len;

	memset(letters, 'x', sizeof(letters));
	buf_reset(o);
	sim_put_head(c, o, 200, c->job.stream ? SIM_EVENT_STREAM : SIM_JSON, "");
	buf_printf(o, "Content-Length: %llu\r\n\r\n",
		   (unsigned long long)(body->len - (mark ? 1 : 0) + (mark ? more : 0)));
	buf_append(o, body->data, before);
	buf_reset(&c->tail);
	if (mark)
		buf_append(&c->tail, mark + 1, body->len - before - 1);
	sim_count_report(c);
	flood(c, letters, sizeof(letters), mark ? more : 0);
}

/* ---- spoilt wholes */

static bool gzip(const struct buf *from, struct buf *to)
{
	z_stream z = {.next_in = (Bytef *)from->data, .avail_in = (uInt)from->len};
	bool good;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	buf_reset(to);
	good = buf_reserve(to, deflateBound(&z, from->len)) == 0;
	if (good) {
		z.next_out = (Bytef *)to->data;
		z.avail_out = (uInt)(to->cap - 1);
		good = deflate(&z, Z_FINISH) == Z_STREAM_END;
		to->len = good ? z.total_out : 0;
	}
	deflateEnd(&z);
	return good;
}

static void answer_gzip(struct sim_conn *c, const struct buf *body)
{
	struct buf *b = &c->worker->spare;

	if (!gzip(body, b)) {
		sim_conn_close(c);
		return;
	}
	sim_count_report(c);
	sim_respond(c, 200, c->job.stream ? SIM_EVENT_STREAM : SIM_JSON, "Content-Encoding: gzip\r\n", b);
}

static void answer_array(struct sim_conn *c, const struct buf *body)
{
	struct buf *b = &c->worker->spare;

	buf_reset(b);
	buf_putc(b, '[');
	buf_append(b, body->data, body->len);
	buf_putc(b, ']');
	sim_respond(c, 200, SIM_JSON, "", b);
}

/* The first cut_at bytes of the body, then the connection ends: a stream without its last chunk even behind its last
 * byte. A body that isn't longer than that is sent as if nothing were. */
static void answer_cut(struct sim_conn *c, const struct buf *body)
{
	struct buf *o = &c->worker->out;
	size_t sent = c->job.cut_at;

	if (sent > body->len || (sent == body->len && !c->job.stream)) {
		sim_count_report(c);
		sim_respond(c, 200, c->job.stream ? SIM_EVENT_STREAM : SIM_JSON, "", body);
		return;
	}
	buf_reset(o);
	c->close_after = true;
	if (c->job.stream) {
		sim_put_head(c, o, 200, SIM_EVENT_STREAM, "Transfer-Encoding: chunked\r\n\r\n");
		if (sent)
			buf_printf(o, "%zx\r\n%.*s\r\n", sent, (int)sent, body->data);
	} else {
		sim_put_head(c, o, 200, SIM_JSON, "");
		buf_printf(o, "Content-Length: %zu\r\n\r\n", body->len);
		buf_append(o, body->data, sent);
	}
	sim_answer_over(c);
	sim_send_out(c);
}

static void answer_drip(struct sim_conn *c, const struct buf *body)
{
	sim_put_head(c, &c->out, 200, c->job.stream ? SIM_EVENT_STREAM : SIM_JSON, "");
	buf_printf(&c->out, "Content-Length: %zu\r\n\r\n", body->len);
	buf_append(&c->out, body->data, body->len);
	sim_count_report(c);
	c->state = CONN_DRIPPING;
	if (c->out.failed)
		sim_conn_close(c);
	else
		sim_conn_timer(c, 0);
}

/* Claims a length that isn't what comes, or breaks the framing. */
static void answer_spoilt(struct sim_conn *c, const struct buf *body)
{
	struct buf *o = &c->worker->out;
	enum sim_fault fault = c->job.fault;
	size_t sent = fault == SIM_TRUNCATE || fault == SIM_TRUNCATE_CLEAN ? body->len / 2 : body->len;
	size_t claimed = fault == SIM_WRONG_LENGTH && body->len > 10 ? body->len - 10 : body->len;

	buf_reset(o);
	sim_put_head(c, o, 200, c->job.stream ? SIM_EVENT_STREAM : SIM_JSON, "");
	if (fault == SIM_BADCHUNK) {
		buf_printf(o, "Transfer-Encoding: chunked\r\n\r\n8\r\n%.8s\r\n1z\r\n", body->data);
	} else {
		buf_printf(o, "Content-Length: %zu\r\n\r\n", fault == SIM_TRUNCATE_CLEAN ? sent : claimed);
		if (fault != SIM_EARLY_CLOSE)
			buf_append(o, body->data, sent);
	}
	if (fault == SIM_TRUNCATE || fault == SIM_BADCHUNK || fault == SIM_EARLY_CLOSE)
		c->close_after = true;
	sim_answer_over(c);
	sim_send_out(c);
}

static void spoil(struct sim_conn *c)
{
	struct buf *b = &c->worker->body;

	if (c->job.fault == SIM_ARRAY)
		c->job.stream = false;
	sim_body_render(c, b);
	if (b->failed) {
		sim_conn_close(c);
		return;
	}
	switch (c->job.fault) {
	case SIM_CUT:
		answer_cut(c, b);
		break;
	case SIM_DRIP:
		answer_drip(c, b);
		break;
	case SIM_GZIP:
		answer_gzip(c, b);
		break;
	case SIM_ARRAY:
		answer_array(c, b);
		break;
	case SIM_HUGE:
		flood_body(c, b);
		break;
	default:
		answer_spoilt(c, b);
	}
}

bool sim_fault_answer(struct sim_conn *c)
{
	static const char failed[] = "the simulated model was asked to fail";
	const struct buf nothing = BUF_INIT;

	switch (c->job.fault) {
	case SIM_OK:
	case SIM_MALFORMED:
	case SIM_NODONE:
	case SIM_PING:
	case SIM_CLOSE:
	case SIM_HANG:
		return false;
	case SIM_MIDSTREAM_ERROR:
	case SIM_ERROR_FIRST:
		if (c->job.stream)
			return false;
		refuse_simply(c, 500, failed);
		return true;
	case SIM_TRUNCATE:
	case SIM_TRUNCATE_CLEAN:
	case SIM_BADCHUNK:
		if (c->job.stream)
			return false;
		spoil(c);
		return true;
	case SIM_ERROR:
		refuse_simply(c, c->job.status, failed);
		return true;
	case SIM_RATELIMIT:
	case SIM_RETRY_AFTER:
	case SIM_RETRY_MS:
		refuse_limit(c);
		return true;
	case SIM_QUOTA:
		refuse_quota(c);
		return true;
	case SIM_OVERLOADED:
		refuse_simply(c, c->job.dialect == TG_DIALECT_ANTHROPIC ? 529 : 503, "Overloaded");
		return true;
	case SIM_NO_MODEL:
		refuse_model(c);
		return true;
	case SIM_BAD_KEY:
		refuse_simply(c, 401, "the simulated provider doesn't know this key");
		return true;
	case SIM_HTML:
		page(c, 502);
		return true;
	case SIM_WRONG_TYPE:
		page(c, 200);
		return true;
	case SIM_EMPTY:
		sim_respond(c, 200, c->job.stream ? SIM_EVENT_STREAM : SIM_JSON, "", &nothing);
		return true;
	case SIM_ENDLESS_HEAD:
		flood_head(c, UINT64_MAX);
		return true;
	case SIM_HUGE_HEAD:
		flood_head(c, HUGE_HEAD);
		return true;
	case SIM_EARLY_CLOSE:
	case SIM_DRIP:
	case SIM_WRONG_LENGTH:
	case SIM_CUT:
	case SIM_GZIP:
	case SIM_HUGE:
	case SIM_ARRAY:
		spoil(c);
		return true;
	}
	return false;
}
