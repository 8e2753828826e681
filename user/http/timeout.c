/* Time limits: each phase with a limit keeps its connections oldest first, so one timer at the earliest limit does for
 * all. Where a slow peer may be honest (a body, an answer under way) the limit starts again when at least
 * HTTP_PROGRESS_BYTES have moved. */
#include "http/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define DROP_NS 2000000000u
#define DROP_BYTES (4u << 20)
#define DROPS_MAX 1024u

uint64_t timeout_phase_ns(const struct http_server *s, enum http_phase phase)
{
	switch (phase) {
	case HTTP_PHASE_IDLE:
	case HTTP_PHASE_HEAD:
		return (uint64_t)s->opts.idle_timeout_ms * 1000000u;
	case HTTP_PHASE_BODY:
	case HTTP_PHASE_SEND:
	case HTTP_PHASE_STREAM:
		return (uint64_t)s->opts.body_timeout_ms * 1000000u;
	default:
		return 0; /* the gateway's own limits rule while it works */
	}
}

void timeout_arm(struct http_server *s, uint64_t due_ns)
{
	if (s->timer.heap_index && s->timer.due_ns <= due_ns)
		return;
	/* Out of memory: the next phase change tries again. */
	if (loop_timer_set(s->loop, &s->timer, due_ns) < 0)
		return;
}

/* Bytes the peer has acknowledged; for a Unix socket what it has read can't be told but by what waits. */
static uint64_t sent_bytes(const struct http_conn *conn)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (conn->peer->sa_family == AF_UNIX)
		return conn->x ? conn->x->bytes_sent : 0;
	if (getsockopt(conn->io.fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return info.tcpi_bytes_acked;
}

static bool has_waiting_output(const struct http_conn *conn)
{
	const struct http_exchange *x = conn->x;
	int queued = 0;

	if (conn->phase == HTTP_PHASE_SEND || (x && x->out.len))
		return true;
	return ioctl(conn->io.fd, SIOCOUTQ, &queued) == 0 && queued > 0;
}

/* Does the peer deserve another period? */
static bool made_progress(struct http_conn *conn)
{
	uint64_t at;

	switch ((enum http_phase)conn->phase) {
	case HTTP_PHASE_BODY:
		at = conn->x ? conn->x->body_seen : 0;
		break;
	case HTTP_PHASE_STREAM:
		if (!has_waiting_output(conn)) {
			conn->progress = sent_bytes(conn);
			return true; /* the producer is slow, not the client */
		}
		at = sent_bytes(conn);
		break;
	case HTTP_PHASE_SEND:
		at = sent_bytes(conn);
		break;
	default:
		return false;
	}
	if (at < conn->progress + HTTP_PROGRESS_BYTES)
		return false;
	conn->progress = at;
	return true;
}

/* A connection that has never sent a whole request line gets a 408, one that is idle between requests a FIN. */
static bool wants_408(const struct http_conn *conn)
{
	return conn->phase == HTTP_PHASE_HEAD || conn->phase == HTTP_PHASE_BODY ||
	       (conn->phase == HTTP_PHASE_IDLE && !conn->served);
}

static void expire(struct http_conn *conn)
{
	if (wants_408(conn))
		request_refuse_straight(conn, HTTP_REFUSE_TIMEOUT);
	if (conn->x && conn->phase == HTTP_PHASE_STREAM)
		exchange_gone(conn->x);
	conn_shut(conn);
}

static uint64_t sweep_phase(struct http_server *s, enum http_phase phase, uint64_t now_ns)
{
	struct http_conn_list *list = &s->phases[phase];
	uint64_t limit_ns = timeout_phase_ns(s, phase);

	while (limit_ns && list->head && list->head->since_ns + limit_ns <= now_ns) {
		struct http_conn *conn = list->head;
		bool go_on = made_progress(conn);
		uint64_t progress = conn->progress;

		if (!go_on)
			expire(conn);
		/* To the end of the list either way: libmicrohttpd may need a moment to close it. */
		conn_enter(conn, phase);
		conn->progress = progress;
		conn->since_ns = now_ns;
	}
	return limit_ns && list->head ? list->head->since_ns + limit_ns : UINT64_MAX;
}

static uint64_t sweep_drops(struct http_server *s, uint64_t now_ns)
{
	while (s->drops && s->drops->since_ns + DROP_NS <= now_ns)
		drop_end(s->drops);
	return s->drops ? s->drops->since_ns + DROP_NS : UINT64_MAX;
}

void timeout_fire(struct loop *l, struct loop_timer *t)
{
	struct http_server *s = CONTAINER_OF(t, struct http_server, timer);
	uint64_t now_ns = loop_now_ns(l), due_ns = sweep_drops(s, now_ns);

	for (enum http_phase p = 0; p < HTTP_PHASES; p++) {
		uint64_t phase_due_ns = sweep_phase(s, p, now_ns);

		if (phase_due_ns < due_ns)
			due_ns = phase_due_ns;
	}
	if (due_ns != UINT64_MAX)
		timeout_arm(s, due_ns);
}

void drop_end(struct http_drop *d)
{
	struct http_server *s = d->server;

	loop_io_del(s->loop, &d->io);
	close(d->io.fd);
	if (d->prev)
		d->prev->next = d->next;
	else
		s->drops = d->next;
	if (d->next)
		d->next->prev = d->prev;
	else
		s->drops_tail = d->prev;
	s->drops_count--;
	free(d);
}

static void drop_event(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct http_drop *d = CONTAINER_OF(io, struct http_drop, io);
	char waste[16384];
	ssize_t n;

	(void)l;
	(void)events;
	while ((n = recv(d->io.fd, waste, sizeof(waste), MSG_DONTWAIT)) > 0) {
		d->bytes += (size_t)n;
		if (d->bytes > DROP_BYTES)
			break;
	}
	if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		drop_end(d);
}

void drop_start(struct http_server *s, int fd)
{
	struct http_drop *d;

	if (s->drops_count >= DROPS_MAX)
		return;
	d = calloc(1, sizeof(*d));
	if (!d)
		return;
	d->server = s;
	d->io.cb = drop_event;
	d->io.fd = dup(fd);
	if (d->io.fd < 0 || loop_io_add(s->loop, &d->io, EPOLLIN | EPOLLRDHUP, NULL) < 0) {
		if (d->io.fd >= 0)
			close(d->io.fd);
		free(d);
		return;
	}
	(void)shutdown(d->io.fd, SHUT_WR);
	d->since_ns = loop_now_ns(s->loop);
	d->prev = s->drops_tail;
	if (s->drops_tail)
		s->drops_tail->next = d;
	else
		s->drops = d;
	s->drops_tail = d;
	s->drops_count++;
	timeout_arm(s, d->since_ns + DROP_NS);
}
