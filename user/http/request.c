/* From libmicrohttpd's callbacks to the handler's: head, body, whole request, end. Also what happens to a request that
 * never becomes one.
 *
 * libmicrohttpd 0.9.75 answers what it can't parse with HTML pages of its own, and offers no hook for them but its
 * log. It logs before it sends, in the same thread, so our answer goes to the socket at that moment and the socket is
 * shut for writing: its page has nowhere to go (H5). The log line doesn't say which connection it is about; it is one
 * of those with fresh bytes in this run of this shard, nearly always the only one. When two are equally likely nothing
 * is done and the page gets out. Over TLS the connection is closed without an answer. */
#include "http/internal.h"

#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct http_conn *conn_of(struct MHD_Connection *c)
{
	return MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* Path and query of a request target; the absolute form ("http://host/path") counts from its path. */
static bool split_target(struct http_exchange *x, const char *uri)
{
	const char *query, *path = uri;

	if (!strncasecmp(uri, "http://", 7) || !strncasecmp(uri, "https://", 8)) {
		path = strchr(strchr(uri, ':') + 3, '/');
		if (!path)
			path = "/";
	}
	query = strchr(path, '?');
	x->uri_len = strlen(uri);
	x->path = arena_strndup(&x->arena, path, query ? (size_t)(query - path) : strlen(path));
	x->query = query ? arena_strndup(&x->arena, query + 1, strlen(query + 1)) : "";
	return x->path && x->query;
}

/* The request line has come. What we return is the request's context in later callbacks. */
void *request_line(void *cls, const char *uri, struct MHD_Connection *c)
{
	struct http_conn *conn = conn_of(c);
	struct http_exchange *x;
	char *query;

	(void)cls;
	if (!conn)
		return NULL;
	x = exchange_new(conn);
	if (!x)
		return NULL;
	conn->x = x;
	conn_enter(conn, HTTP_PHASE_HEAD);
	x->bad_target = !http_head_target_ok(uri);
	if (!split_target(x, uri))
		x->aborted = true;
	/* libmicrohttpd would now split the query into records in its pool, 28 times its size, and answer 431 with a
	 * page of its own when they don't fit. We have our copy: leave it nothing to split. */
	query = strchr(uri, '?');
	if (query && query[1])
		query[1] = '\0';
	return x;
}

static void refuse(struct http_exchange *x, enum http_refusal why)
{
	struct http_server *s = x->conn->server;

	x->at_head = true;
	x->close_after = true;
	if (s->handler.refuse)
		s->handler.refuse(x, why, s->arg);
	x->at_head = false;
}

void request_refuse_straight(struct http_conn *conn, enum http_refusal why)
{
	struct http_exchange *own = NULL, *x = conn->x;

	if (conn->refused || conn->server->tls)
		return;
	if (!x) {
		x = own = exchange_new(conn);
		if (!x)
			return;
		x->received_ns = loop_now_ns(conn->server->loop);
	}
	if (!x->answered) {
		x->straight = true;
		refuse(x, why);
	}
	if (own)
		exchange_finish(own, conn->refused);
}

/* How likely is it that this page is for that connection? 0 = it can't be. */
static int suspicion(const struct http_conn *c, unsigned status)
{
	int unread = 0;

	if (c->refused || c->phase > HTTP_PHASE_BODY)
		return 0;
	if ((status == 431 && (!c->x || c->x->head_done)) || (status == 414 && c->x))
		return 0; /* 431 comes after the request line, 414 before its end */
	if (c->phase == HTTP_PHASE_IDLE)
		return 1;
	return ioctl(c->io.fd, FIONREAD, &unread) == 0 && unread == 0 ? 3 : 2; /* its bytes have been read */
}

static struct http_conn *find_culprit(struct http_shard *sh, unsigned status)
{
	struct http_conn *best = NULL;
	int best_score = 0;

	for (struct http_conn *c = sh->fresh; c; c = c->fresh_next) {
		int score = suspicion(c, status);

		if (score == best_score)
			best = NULL; /* two of them: can't tell */
		if (score > best_score) {
			best = c;
			best_score = score;
		}
	}
	return best;
}

void request_own_page(struct http_shard *sh, unsigned status)
{
	struct http_conn *conn = find_culprit(sh, status);
	enum http_refusal why = status == 413                    ? HTTP_REFUSE_BODY_TOO_LARGE
				: status == 414 || status == 431 ? HTTP_REFUSE_HEAD_TOO_LARGE
								 : HTTP_REFUSE_BAD_REQUEST;

	if (!conn)
		return;
	request_refuse_straight(conn, why);
	conn->refused = true;
	(void)shutdown(conn->io.fd, sh->server->tls ? SHUT_RDWR : SHUT_WR);
}

/* Is there room left in libmicrohttpd's pool for the answer's head? It stands behind the request's, and each header
 * has a record of eight words at the end. */
static bool head_fits(const struct http_server *s, const struct http_exchange *x, size_t head_len)
{
	size_t used = head_len + x->head.count * 64u + HTTP_ANSWER_HEAD_BYTES;

	return head_len <= s->opts.head_bytes_max && used <= s->opts.head_bytes_max + HTTP_POOL_EXTRA_BYTES;
}

static bool judge_head(struct http_exchange *x, const char *url, const char *method, const char *version,
		       enum http_refusal *ret_why)
{
	const struct http_server *s = x->conn->server;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(x->conn->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	size_t head_len = info ? info->header_size : 0;

	switch (http_head_check(method, head_len, url, x->uri_len, version, &x->head)) {
	case HTTP_HEAD_MANY:
		*ret_why = HTTP_REFUSE_HEAD_TOO_LARGE;
		return false;
	case HTTP_HEAD_EXPECT:
		*ret_why = HTTP_REFUSE_EXPECTATION;
		return false;
	case HTTP_HEAD_BAD:
		*ret_why = HTTP_REFUSE_BAD_REQUEST;
		return false;
	case HTTP_HEAD_OK:
		break;
	}
	if (!head_fits(s, x, head_len))
		*ret_why = HTTP_REFUSE_HEAD_TOO_LARGE;
	else if (x->bad_target || (x->path[0] != '/' && strcmp(x->path, "*") != 0))
		*ret_why = HTTP_REFUSE_BAD_REQUEST;
	else if (x->head.length > s->opts.body_bytes_max)
		*ret_why = HTTP_REFUSE_BODY_TOO_LARGE;
	else
		return true;
	return false;
}

static bool expects_body(const struct http_exchange *x)
{
	return x->head.chunked || x->head.length;
}

static enum MHD_Result handle_head(struct http_exchange *x, const char *url, const char *method, const char *version)
{
	struct http_conn *conn = x->conn;
	struct http_server *s = conn->server;
	enum http_refusal why = HTTP_REFUSE_BAD_REQUEST;

	x->head_done = true;
	x->method = method;
	x->received_ns = loop_now_ns(s->loop);
	if (!judge_head(x, url, method, version, &why)) {
		/* A head that fills the pool leaves no room for libmicrohttpd to answer in. */
		x->straight = why == HTTP_REFUSE_HEAD_TOO_LARGE && !s->tls;
		conn->linger = true;
		refuse(x, why);
		return x->answered && !x->straight ? MHD_YES : MHD_NO;
	}
	/* After a chunked body nothing is read as a request any more: libmicrohttpd is lenient about line ends in
	 * the framing, and a front end that isn't could see another request there (H4). */
	if (x->head.chunked)
		x->close_after = true;
	x->at_head = true;
	if (s->handler.head)
		s->handler.head(x, s->arg);
	x->at_head = false;
	if (x->aborted)
		return MHD_NO;
	if (expects_body(x))
		conn_enter(conn, HTTP_PHASE_BODY);
	return MHD_YES;
}

/* Room for `more` bytes and a NUL; as much as was announced at once (untouched pages cost nothing), else doubling. */
static bool body_reserve(struct http_exchange *x, size_t more)
{
	size_t want = x->body_len + more, cap = x->head.has_length ? (size_t)x->head.length : x->body_cap * 2;
	char *body;

	if (want < x->body_cap)
		return true;
	if (cap < want)
		cap = want;
	if (cap < 8191)
		cap = 8191;
	body = realloc(x->body, cap + 1);
	if (!body)
		return false;
	x->body = body;
	x->body_cap = cap + 1;
	return true;
}

/* The body is too large or there is no memory, and libmicrohttpd can't queue an answer in the middle of it. */
static enum MHD_Result refuse_in_body(struct http_exchange *x, enum http_refusal why)
{
	struct http_conn *conn = x->conn;

	conn->linger = true;
	if (!conn->server->tls)
		request_refuse_straight(conn, why);
	return MHD_NO;
}

static enum MHD_Result handle_body(struct http_exchange *x, const char *data, size_t *size)
{
	struct http_server *s = x->conn->server;
	size_t n = *size;

	*size = 0;
	x->body_seen += n;
	if (x->body_seen > s->opts.body_bytes_max)
		return refuse_in_body(x, HTTP_REFUSE_BODY_TOO_LARGE);
	if (x->swallow)
		return MHD_YES;
	if (!body_reserve(x, n))
		return refuse_in_body(x, HTTP_REFUSE_NO_MEMORY);
	memcpy(x->body + x->body_len, data, n);
	x->body_len += n;
	x->body[x->body_len] = '\0';
	return MHD_YES;
}

static enum MHD_Result handle_whole(struct http_exchange *x)
{
	struct http_conn *conn = x->conn;
	struct http_server *s = conn->server;

	if (x->deferred) {
		struct MHD_Response *r = take_ptr(&x->deferred);
		enum MHD_Result queued = MHD_queue_response(conn->mhd, (unsigned)x->deferred_status, r);

		MHD_destroy_response(r);
		conn_enter(conn, x->streaming ? HTTP_PHASE_STREAM : HTTP_PHASE_SEND);
		return queued;
	}
	if (!x->delivered) {
		x->delivered = true;
		conn_enter(conn, HTTP_PHASE_WORK);
		s->handler.request(x, s->arg);
	}
	if (x->answered && !x->aborted)
		return MHD_YES;
	if (conn->peer_closed)
		exchange_gone(x);
	if (x->aborted || x->gone)
		return MHD_NO;
	exchange_suspend(x);
	return MHD_YES;
}

enum MHD_Result request_handle(void *cls, struct MHD_Connection *c, const char *url, const char *method,
			       const char *version, const char *data, size_t *size, void **con_cls)
{
	struct http_exchange *x = *con_cls;

	(void)cls;
	(void)c;
	if (!x || x->aborted || x->gone || x->conn->refused)
		return MHD_NO;
	if (!x->head_done)
		return handle_head(x, url, method, version);
	if (*size)
		return handle_body(x, data, size);
	return handle_whole(x);
}

void request_completed(void *cls, struct MHD_Connection *c, void **con_cls, enum MHD_RequestTerminationCode code)
{
	struct http_exchange *x = *con_cls;
	struct http_conn *conn;
	bool complete;

	(void)cls;
	(void)c;
	if (!x)
		return;
	*con_cls = NULL;
	conn = x->conn;
	conn->x = NULL;
	conn->served = true;
	complete = (code == MHD_REQUEST_TERMINATED_COMPLETED_OK || x->straight) && x->answered && !x->aborted &&
		   !x->gone && (!x->streaming || x->ended);
	exchange_finish(x, complete);
	conn_enter(conn, HTTP_PHASE_IDLE);
	conn_fresh(conn);
}
