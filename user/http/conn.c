/* A connection's life: born in libmicrohttpd's notification, told of by the loop, dead in the other notification. */
#include "http/internal.h"

#include "base/clock.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

static void list_remove(struct http_conn_list *l, struct http_conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		l->head = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		l->tail = c->prev;
	c->prev = c->next = NULL;
}

static void list_append(struct http_conn_list *l, struct http_conn *c)
{
	c->prev = l->tail;
	if (l->tail)
		l->tail->next = c;
	else
		l->head = c;
	l->tail = c;
}

/* Tells the kernel program whether it may answer on this connection. */
static void idle_table_set(struct http_conn *conn, bool idle)
{
	uint64_t *table = conn->server->opts.idle_table, *word;

	if (!table || !conn->cookie)
		return;
	word = &table[conn->cookie & 65535];
	if (idle)
		__atomic_store_n(word, conn->cookie, __ATOMIC_RELEASE);
	else if (__atomic_load_n(word, __ATOMIC_RELAXED) == conn->cookie)
		__atomic_store_n(word, 0, __ATOMIC_RELEASE);
}

void conn_enter(struct http_conn *conn, enum http_phase phase)
{
	struct http_server *s = conn->server;
	uint64_t limit_ns = timeout_phase_ns(s, phase);

	if ((conn->phase == HTTP_PHASE_IDLE) != (phase == HTTP_PHASE_IDLE))
		idle_table_set(conn, phase == HTTP_PHASE_IDLE);
	list_remove(&s->phases[conn->phase], conn);
	conn->phase = (uint8_t)phase;
	conn->since_ns = loop_now_ns(s->loop);
	conn->progress = 0;
	list_append(&s->phases[phase], conn);
	if (limit_ns)
		timeout_arm(s, conn->since_ns + limit_ns);
	if (s->draining && phase == HTTP_PHASE_IDLE)
		conn_shut(conn);
}

void conn_fresh(struct http_conn *conn)
{
	if (conn->fresh)
		return;
	conn->fresh = true;
	conn->fresh_next = conn->shard->fresh;
	conn->shard->fresh = conn;
}

static void conn_stale(struct http_conn *conn)
{
	struct http_conn **p = &conn->shard->fresh;

	while (*p && *p != conn)
		p = &(*p)->fresh_next;
	if (*p)
		*p = conn->fresh_next;
}

void conn_shut(struct http_conn *conn)
{
	(void)shutdown(conn->io.fd, SHUT_RDWR);
}

/* A FIN makes a socket readable too. */
static bool has_bytes(const struct http_conn *conn, uint32_t events)
{
	int unread = 0;

	return !(events & EPOLLRDHUP) || (ioctl(conn->io.fd, FIONREAD, &unread) == 0 && unread > 0);
}

static void conn_event(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct http_conn *conn = CONTAINER_OF(io, struct http_conn, io);
	struct http_exchange *x = conn->x;

	(void)l;
	if ((events & EPOLLIN) && has_bytes(conn, events)) {
		/* Unread bytes now, before libmicrohttpd runs: between exchanges they are the next request's. */
		if (conn->phase == HTTP_PHASE_IDLE)
			conn_enter(conn, HTTP_PHASE_HEAD);
		conn_fresh(conn);
	}
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		conn->peer_closed = true;
	if (!x || (conn->phase != HTTP_PHASE_WORK && conn->phase != HTTP_PHASE_STREAM))
		return; /* libmicrohttpd notices by itself */
	/* To a client that only said it sends no more, an answer under way to its end is still worth sending. */
	if (conn->peer_closed && (!x->ended || (events & (EPOLLHUP | EPOLLERR))))
		exchange_gone(x);
	else if ((events & EPOLLOUT) && x->direct)
		stream_flush(x);
}

static int conn_watch(struct http_conn *conn, struct http_server *s)
{
	conn->io.fd = MHD_get_connection_info(conn->mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	conn->io.cb = conn_event;
	return loop_io_add(s->loop, &conn->io, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, NULL);
}

static void conn_new(struct http_shard *sh, struct MHD_Connection *c, void **socket_context)
{
	struct http_server *s = sh->server;
	struct http_conn *conn = calloc(1, sizeof(*conn));
	socklen_t cookie_len = sizeof(conn->cookie);

	if (!conn)
		return; /* request_line() finds no context and refuses the connection */
	conn->server = s;
	conn->shard = sh;
	conn->mhd = c;
	conn->peer =
		(const struct sockaddr *)MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
	if (conn_watch(conn, s) < 0) {
		free(conn);
		return;
	}
	if (s->opts.idle_table && conn->peer->sa_family != AF_UNIX &&
	    getsockopt(conn->io.fd, SOL_SOCKET, SO_COOKIE, &conn->cookie, &cookie_len) < 0)
		conn->cookie = 0;
	ip_add(s, conn->peer);
	s->connections++;
	sh->connections++;
	conn->phase = HTTP_PHASE_HEAD;
	list_append(&s->phases[HTTP_PHASE_HEAD], conn);
	conn_enter(conn, HTTP_PHASE_IDLE);
	conn_fresh(conn);
	*socket_context = conn;
}

/* libmicrohttpd gave up on a request line without a word: the client gets ours. */
static bool conn_died_unheard(struct http_conn *conn)
{
	char c;

	if (conn->x || conn->peer_closed || conn->refused || conn->server->tls || conn->server->stopping)
		return false;
	/* A new connection's first bytes come with it, without an event. */
	if (conn->phase != HTTP_PHASE_HEAD && (conn->phase != HTTP_PHASE_IDLE || conn->served))
		return false;
	return recv(conn->io.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

static void conn_end(struct http_conn *conn)
{
	struct http_server *s = conn->server;

	if (conn_died_unheard(conn))
		request_refuse_straight(conn, HTTP_REFUSE_BAD_REQUEST);
	if (conn->linger && !conn->peer_closed)
		drop_start(s, conn->io.fd);
	loop_io_del(s->loop, &conn->io);
	if (conn->phase == HTTP_PHASE_IDLE)
		idle_table_set(conn, false);
	list_remove(&s->phases[conn->phase], conn);
	ip_remove(s, conn->peer);
	s->connections--;
	conn->shard->connections--;
	conn_stale(conn);
	free(conn);
}

void conn_notify(void *cls, struct MHD_Connection *c, void **socket_context, enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		conn_new(cls, c, socket_context);
	else if (*socket_context)
		conn_end(*socket_context);
}
