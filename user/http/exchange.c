/* Exchanges: pooled with their arenas and body buffers, and the accessors of a request. */
#include "http/internal.h"

#include <string.h>

struct http_exchange *exchange_new(struct http_conn *conn)
{
	struct http_server *s = conn->server;
	struct http_exchange *x = s->free_exchanges;

	if (x) {
		s->free_exchanges = x->free_next;
		s->free_count--;
	} else {
		x = calloc(1, sizeof(*x));
		if (!x)
			return NULL;
	}
	x->conn = conn;
	x->method = x->path = x->query = "";
	return x;
}

/* What the next user must not find. The header table and the buffers' memory stay. */
static void exchange_clear(struct http_exchange *x)
{
	struct arena arena = x->arena;
	struct http_queue out = x->out;
	char *body = x->body;
	size_t body_cap = x->body_cap;

	memset(x, 0, offsetof(struct http_exchange, head));
	x->head.count = 0;
	x->arena = arena;
	x->out = out;
	x->body = body;
	x->body_cap = body_cap;
	x->out.head = x->out.len = 0;
}

static void exchange_recycle(struct http_exchange *x)
{
	struct http_server *s = x->conn->server;

	if (x->deferred)
		MHD_destroy_response(x->deferred);
	arena_reset(&x->arena);
	if (x->out.cap > HTTP_BODY_KEEP_BYTES)
		queue_free(&x->out);
	if (x->body_cap > HTTP_BODY_KEEP_BYTES)
		http_body_release(x);
	exchange_clear(x);
	if (s->free_count < HTTP_EXCHANGE_POOL) {
		x->free_next = s->free_exchanges;
		s->free_exchanges = x;
		s->free_count++;
		return;
	}
	arena_done(&x->arena);
	queue_free(&x->out);
	free(x->body);
	free(x);
}

void exchange_finish(struct http_exchange *x, bool complete)
{
	struct http_server *s = x->conn->server;

	if (s->handler.finished)
		s->handler.finished(x, complete, x->bytes_sent, s->arg);
	exchange_recycle(x);
}

void exchange_pool_free(struct http_server *s)
{
	while (s->free_exchanges) {
		struct http_exchange *x = s->free_exchanges;

		s->free_exchanges = x->free_next;
		arena_done(&x->arena);
		queue_free(&x->out);
		free(x->body);
		free(x);
	}
	s->free_count = 0;
}

void exchange_suspend(struct http_exchange *x)
{
	x->suspended = true;
	MHD_suspend_connection(x->conn->mhd);
}

void exchange_resume(struct http_exchange *x)
{
	if (!x->suspended)
		return;
	x->suspended = false;
	MHD_resume_connection(x->conn->mhd);
	conn_fresh(x->conn);
	shard_mark(x->conn->shard);
}

void exchange_gone(struct http_exchange *x)
{
	struct http_server *s = x->conn->server;

	if (x->gone)
		return;
	x->gone = true;
	if (s->handler.gone && !x->aborted && !x->ended)
		s->handler.gone(x, s->arg);
	exchange_resume(x);
}

const char *http_method(const struct http_exchange *x)
{
	return x->method;
}

const char *http_path(const struct http_exchange *x)
{
	return x->path;
}

const char *http_query(const struct http_exchange *x)
{
	return x->query;
}

const char *http_request_header(const struct http_exchange *x, const char *name, unsigned *ret_count)
{
	return http_head_find(&x->head, name, ret_count);
}

void http_body(const struct http_exchange *x, const char **ret, size_t *ret_len)
{
	*ret = x->body_len ? x->body : "";
	*ret_len = x->body_len;
}

void http_body_release(struct http_exchange *x)
{
	free(x->body);
	x->body = NULL;
	x->body_len = x->body_cap = 0;
}

void http_peer(const struct http_exchange *x, struct sockaddr_storage *ret)
{
	static const size_t sizes[] = {[AF_UNIX] = sizeof(sa_family_t),
				       [AF_INET] = 16, /* struct sockaddr_in */
				       [AF_INET6] = 28 /* struct sockaddr_in6 */};
	const struct sockaddr *a = x->conn->peer;

	memset(ret, 0, sizeof(*ret));
	if (a->sa_family < ARRAY_SIZE(sizes))
		memcpy(ret, a, sizes[a->sa_family]);
}

uint64_t http_received_ns(const struct http_exchange *x)
{
	return x->received_ns;
}

struct arena *http_arena(struct http_exchange *x)
{
	return &x->arena;
}

void http_set_user(struct http_exchange *x, void *user)
{
	x->user = user;
}

void *http_user(const struct http_exchange *x)
{
	return x->user;
}

void http_close_after(struct http_exchange *x)
{
	x->close_after = true;
}
