/* From a request to its answer on the wire, honest or broken as the scenario asks. */
#include "sim/conn.h"

#include "upstream/upstream.h"

#include <string.h>

#define JSON "application/json"
#define EVENT_STREAM "text/event-stream; charset=utf-8"
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
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 429:
		return "Too Many Requests";
	case 500:
		return "Internal Server Error";
	case 503:
		return "Service Unavailable";
	default:
		return status < 500 ? "Refused" : "Failed";
	}
}

static void put_head(struct sim_conn *c, struct buf *o, unsigned status, const char *type, const char *extra)
{
	buf_printf(o,
		   "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nx-request-id: req_sim%016llx\r\n"
		   "openai-processing-ms: %u\r\n%s%s",
		   status, reason_of(status), type, (unsigned long long)c->job.id, c->job.latency_ms,
		   c->close_after ? "Connection: close\r\n" : "", extra);
}

static void send_out(struct sim_conn *c)
{
	struct buf *o = &c->worker->out;

	if (o->failed)
		sim_conn_close(c);
	else
		sim_conn_send(c, o->data, o->len);
}

static void respond(struct sim_conn *c, unsigned status, const char *type, const char *extra, const struct buf *body)
{
	struct buf *o = &c->worker->out;

	buf_reset(o);
	put_head(c, o, status, type, extra);
	buf_printf(o, "Content-Length: %zu\r\n\r\n", body->len);
	buf_append(o, body->data, body->len);
	send_out(c);
}

static void refuse(struct sim_conn *c, unsigned status, const char *extra, const char *message)
{
	struct buf *b = &c->worker->body;

	buf_reset(b);
	sim_error_render(status, message, b);
	respond(c, status, JSON, extra, b);
}

/* S3: the answer is whole, and about to be sent. */
static void count_report(struct sim_conn *c)
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
	buf_printf(o, "%zx\r\n", event->len);
	buf_append(o, event->data, event->len);
	buf_append(o, "\r\n", 2);
}

static bool breaks_here(const struct sim_job *j)
{
	return (j->fault == SIM_TRUNCATE || j->fault == SIM_BADCHUNK || j->fault == SIM_TRUNCATE_CLEAN) &&
	       j->step > j->chunks / 2;
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
	more = sim_stream_next(&c->job, event);
	put_chunk(o, event);
	if (more)
		return true;
	buf_puts(o, "0\r\n\r\n");
	if (c->job.fault != SIM_MIDSTREAM_ERROR)
		count_report(c);
	return false;
}

static void stream_run(struct sim_conn *c)
{
	struct buf *o = &c->worker->out;
	uint64_t interval_ns = (uint64_t)c->job.interval_ms * 1000000;
	bool more = true;

	if (sim_conn_blocked(c))
		return; /* on again when the socket has room */
	/* The head goes out with the first events. */
	if (c->job.step > 0)
		buf_reset(o);
	do
		more = stream_step(c, o);
	while (more && o->len < BURST_MAX && (!interval_ns || sim_stream_unpaced(&c->job)));
	if (!more)
		c->state = CONN_READING;
	else if (interval_ns || o->len >= BURST_MAX)
		sim_conn_timer(c, interval_ns);
	send_out(c);
}

static void stream_open(struct sim_conn *c)
{
	struct buf *o = &c->worker->out;

	buf_reset(o);
	put_head(c, o, 200, EVENT_STREAM, "Cache-Control: no-cache\r\n");
	buf_puts(o, "Transfer-Encoding: chunked\r\n\r\n");
	c->state = CONN_STREAMING;
	stream_run(c);
}

/* ---- whole answers, and the ways to spoil them */

static void render_body(struct sim_job *j, struct buf *o)
{
	buf_reset(o);
	if (j->embeddings)
		sim_embeddings_render(j, o);
	else if (j->stream)
		while (sim_stream_next(j, o))
			;
	else
		sim_chat_render(j, o);
}

static void answer_whole(struct sim_conn *c, const struct buf *body)
{
	if (c->job.fault != SIM_MALFORMED)
		count_report(c);
	respond(c, 200, c->job.stream ? EVENT_STREAM : JSON, "", body);
}

static void answer_spoilt(struct sim_conn *c, const struct buf *body)
{
	struct buf *o = &c->worker->out;
	enum sim_fault fault = c->job.fault;
	size_t sent = fault == SIM_TRUNCATE || fault == SIM_TRUNCATE_CLEAN ? body->len / 2 : body->len;
	size_t claimed = fault == SIM_WRONG_LENGTH ? body->len - 10 : fault == SIM_TRUNCATE_CLEAN ? sent : body->len;

	buf_reset(o);
	put_head(c, o, 200, c->job.stream ? EVENT_STREAM : JSON, "");
	if (fault == SIM_BADCHUNK)
		buf_printf(o, "Transfer-Encoding: chunked\r\n\r\n8\r\n%.8s\r\n1z\r\n", body->data);
	else
		buf_printf(o, "Content-Length: %zu\r\n\r\n", claimed);
	if (fault != SIM_BADCHUNK)
		buf_append(o, body->data, sent);
	if (fault == SIM_TRUNCATE || fault == SIM_BADCHUNK)
		c->close_after = true;
	if (fault == SIM_DRIP) {
		count_report(c);
		buf_append(&c->out, o->data, o->len);
		c->state = CONN_DRIPPING;
		sim_conn_timer(c, 0);
	} else {
		send_out(c);
	}
}

/* The first cut_at bytes of the body, then the connection ends: a stream without its last chunk even behind its last
 * byte. A body that isn't longer than that is sent as if nothing were. */
static void answer_cut(struct sim_conn *c, const struct buf *body)
{
	struct buf *o = &c->worker->out;
	size_t sent = c->job.cut_at;

	if (sent > body->len || (sent == body->len && !c->job.stream)) {
		answer_whole(c, body);
		return;
	}
	buf_reset(o);
	c->close_after = true;
	if (c->job.stream) {
		put_head(c, o, 200, EVENT_STREAM, "Transfer-Encoding: chunked\r\n\r\n");
		if (sent)
			buf_printf(o, "%zx\r\n%.*s\r\n", sent, (int)sent, body->data);
	} else {
		put_head(c, o, 200, JSON, "");
		buf_printf(o, "Content-Length: %zu\r\n\r\n", body->len);
		buf_append(o, body->data, sent);
	}
	send_out(c);
}

static void job_answer(struct sim_conn *c)
{
	struct sim_job *j = &c->job;
	bool whole_fault = j->fault == SIM_WRONG_LENGTH || j->fault == SIM_DRIP || j->fault == SIM_CUT;

	c->state = CONN_READING;
	if (j->fault == SIM_ERROR || (j->fault == SIM_MIDSTREAM_ERROR && !j->stream)) {
		refuse(c, j->fault == SIM_ERROR ? j->status : 500, "", "the simulated model was asked to fail");
	} else if (j->fault == SIM_RATELIMIT) {
		refuse(c, 429,
		       "retry-after: 2\r\nretry-after-ms: 1500\r\nx-ratelimit-limit-requests: 60\r\n"
		       "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 1.5s\r\n",
		       "Rate limit reached for the simulated model");
	} else if (j->stream && !whole_fault) {
		stream_open(c);
	} else {
		struct buf *b = &c->worker->body;

		render_body(j, b);
		if (j->fault == SIM_CUT)
			answer_cut(c, b);
		else if (j->fault == SIM_OK || j->fault == SIM_NODONE || j->fault == SIM_MALFORMED)
			answer_whole(c, b);
		else
			answer_spoilt(c, b);
	}
}

void sim_answer_continue(struct sim_conn *c)
{
	switch (c->state) {
	case CONN_WAITING:
		job_answer(c);
		break;
	case CONN_STREAMING:
		stream_run(c);
		break;
	case CONN_DRIPPING:
		sim_conn_drip(c);
		break;
	case CONN_READING:
	case CONN_HANGING:
		break;
	}
}

static void job_start(struct sim_conn *c)
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

/* ---- routes */

static bool authorized(const struct sim_config *cfg, const struct sim_request *r)
{
	const char *v;
	long n;

	if (!cfg->require_key)
		return true;
	n = upstream_header(r->headers, r->headers_len, "authorization", &v);
	if (n <= 7 || strncasecmp(v, "Bearer ", 7) != 0)
		return false;
	return !cfg->key || ((size_t)n - 7 == strlen(cfg->key) && memcmp(v + 7, cfg->key, (size_t)n - 7) == 0);
}

typedef bool (*parse_fn)(const struct sim_config *c, const char *body, size_t len, struct sim_job *ret,
			 const char **ret_why);

static void serve_call(struct sim_conn *c, const struct sim_request *r, parse_fn parse)
{
	const char *why = "could not parse the JSON body of the request";

	if (!parse(c->worker->config, r->body, r->body_len, &c->job, &why)) {
		refuse(c, 400, "", why);
		return;
	}
	sim_count(c->job.embeddings ? &c->worker->stats.embeddings : &c->worker->stats.chat, 1);
	if (c->job.stream)
		sim_count(&c->worker->stats.streams, 1);
	job_start(c);
}

static void serve_chat(struct sim_conn *c, const struct sim_request *r)
{
	serve_call(c, r, sim_chat_parse);
}

static void serve_embeddings(struct sim_conn *c, const struct sim_request *r)
{
	serve_call(c, r, sim_embeddings_parse);
}

static void serve_models(struct sim_conn *c, const struct sim_request *r)
{
	const size_t prefix = sizeof("/v1/models/") - 1;
	struct buf *b = &c->worker->body;

	sim_count(&c->worker->stats.models, 1);
	buf_reset(b);
	if (r->path_len > prefix)
		sim_model_render(r->path + prefix, r->path_len - prefix, b);
	else
		sim_models_render(b);
	respond(c, 200, JSON, "", b);
}

static void serve_stats(struct sim_conn *c, const struct sim_request *r)
{
	struct buf *b = &c->worker->body;

	(void)r;
	buf_reset(b);
	sim_stats_render(c->worker, b);
	respond(c, 200, JSON, "", b);
}

struct route {
	const char *method, *path; /* a trailing '/' matches everything below */
	void (*serve)(struct sim_conn *c, const struct sim_request *r);
	bool open; /* no key, not counted */
};

static const struct route routes[] = {
	{"POST", "/v1/chat/completions", serve_chat, false}, {"POST", "/v1/embeddings", serve_embeddings, false},
	{"GET", "/v1/models", serve_models, false},          {"GET", "/v1/models/", serve_models, false},
	{"GET", "/_sim/stats", serve_stats, true},
};

static const struct route *route_find(const struct sim_request *r)
{
	const char *query = memchr(r->path, '?', r->path_len);
	size_t len = query ? (size_t)(query - r->path) : r->path_len;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		size_t n = strlen(routes[i].path);
		bool below = routes[i].path[n - 1] == '/';

		if ((below ? len > n : len == n) && memcmp(r->path, routes[i].path, n) == 0)
			return &routes[i];
	}
	return NULL;
}

void sim_request_serve(struct sim_conn *c, const struct sim_request *r)
{
	const struct route *route = route_find(r);

	c->job = (struct sim_job){.id = c->worker->next_id++};
	c->close_after = c->close_after || r->close;
	if (!route || !route->open)
		sim_count(&c->worker->stats.requests, 1);
	if (!route)
		refuse(c, 404, "", "unknown request URL");
	else if (r->method_len != strlen(route->method) || memcmp(r->method, route->method, r->method_len) != 0)
		refuse(c, 405, route->method[0] == 'P' ? "Allow: POST\r\n" : "Allow: GET\r\n", "method not allowed");
	else if (!route->open && !authorized(c->worker->config, r))
		refuse(c, 401, "", "you didn't provide a valid API key");
	else
		route->serve(c, r);
}
