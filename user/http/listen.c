/* Listening sockets and accepting. */
#include "http/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG 4096
#define ACCEPT_BATCH 64
/* A client that connects and sends nothing is kept from us this long. */
#define DEFER_ACCEPT_S 10
#define ACCEPT_PAUSE_NS 100000000u

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int tcp_socket(const struct addrinfo *a, bool reuse_port)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), saved;

	if (fd < 0)
		return -1;
	if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 &&
	    (!reuse_port || set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) == 0) &&
	    set_int(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, DEFER_ACCEPT_S) == 0 &&
	    bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int http_listen_tcp(const char *host, uint16_t port, bool reuse_port, int *ret_fd, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list = NULL;
	char service[8];
	int rc, fd = -1;

	snprintf(service, sizeof(service), "%u", port);
	rc = getaddrinfo(host, service, &hints, &list);
	if (rc)
		return err_set(err, ERR_INVAL, "listen on %s:%u: %s", host, port, gai_strerror(rc));
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
		fd = tcp_socket(a, reuse_port);
	rc = errno;
	freeaddrinfo(list);
	if (fd < 0)
		return err_errno(err, rc, "listen on %s:%u", host, port);
	*ret_fd = fd;
	return 0;
}

/* A socket file that nobody serves is left over from a crash; one that answers belongs to another daemon. */
static int unix_clear(const struct sockaddr_un *a, struct err *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;
	struct stat st;

	if (fd < 0)
		return err_errno(err, errno, "socket");
	rc = connect(fd, (const struct sockaddr *)(const void *)a, sizeof(*a));
	close(fd);
	if (rc == 0)
		return err_set(err, ERR_EXISTS, "%s: another process serves this socket", a->sun_path);
	if (lstat(a->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) && unlink(a->sun_path) < 0)
		return err_errno(err, errno, "unlink %s", a->sun_path);
	return 0;
}

int http_listen_unix(const char *path, unsigned mode, int *ret_fd, struct err *err)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	mode_t old_mask;
	int fd, rc;

	if (strlen(path) >= sizeof(a.sun_path))
		return err_set(err, ERR_RANGE, "%s: a Unix socket's path has at most %zu bytes", path,
			       sizeof(a.sun_path) - 1);
	memcpy(a.sun_path, path, strlen(path) + 1);
	rc = unix_clear(&a, err);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, errno, "socket");
	old_mask = umask(0777 & ~mode); /* never more open than asked for, not even for a moment */
	rc = bind(fd, (const struct sockaddr *)(const void *)&a, sizeof(a));
	umask(old_mask);
	if (rc < 0 || chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0) {
		rc = err_errno(err, errno, "listen on %s", path);
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

static int listeners_watch(struct http_server *s, uint32_t events)
{
	int rc = 0;

	for (struct http_listener *li = s->listeners; li; li = li->next)
		if (loop_io_mod(s->loop, &li->io, events, NULL) < 0)
			rc = ERR_IO;
	return rc;
}

static int accept_retry_later(struct http_server *s)
{
	return loop_timer_set(s->loop, &s->accept_timer, loop_now_ns(s->loop) + ACCEPT_PAUSE_NS);
}

void listen_again(struct loop *l, struct loop_timer *t)
{
	struct http_server *s = CONTAINER_OF(t, struct http_server, accept_timer);

	(void)l;
	if (listeners_watch(s, EPOLLIN) < 0)
		(void)!accept_retry_later(s); /* the fired timer's place in the heap is free again: can't fail */
}

/* Level-triggered listeners would spin while accept fails. */
static void accept_pause(struct http_server *s)
{
	if (accept_retry_later(s) == 0)
		(void)!listeners_watch(s, 0); /* failing means spinning, not losing anything */
}

static void admit(struct http_listener *li, int fd, const struct sockaddr_storage *addr, socklen_t len)
{
	const struct sockaddr *a = (const struct sockaddr *)(const void *)addr;
	struct http_server *s = li->server;
	struct http_shard *sh;

	if (s->connections >= s->opts.connections_max || !ip_admit(s, a)) {
		close(fd);
		return;
	}
	if (!li->is_unix)
		(void)set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	sh = shard_choose(s);
	/* Closes the socket itself when it fails. */
	if (MHD_add_connection(sh->mhd, fd, a, len) == MHD_YES)
		shard_mark(sh);
}

static void accept_event(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct http_listener *li = CONTAINER_OF(io, struct http_listener, io);

	(void)l;
	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage a = {0};
		socklen_t len = sizeof(a);
		int fd = accept4(io->fd, (struct sockaddr *)(void *)&a, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			a.ss_family = li->is_unix ? AF_UNIX : a.ss_family;
			admit(li, fd, &a, len);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			accept_pause(li->server);
			return;
		} else if (errno == EAGAIN) {
			return;
		} /* else one connection died in the queue, or a signal came: the next one */
	}
}

int http_server_add_listener(struct http_server *s, int fd, struct err *err)
{
	struct sockaddr_un a = {0};
	socklen_t len = sizeof(a);
	struct http_listener *li = calloc(1, sizeof(*li));
	int rc;

	if (!li)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (getsockname(fd, (struct sockaddr *)(void *)&a, &len) == 0 && a.sun_family == AF_UNIX) {
		li->is_unix = true;
		li->path = strdup(a.sun_path);
	}
	li->server = s;
	li->io.fd = fd;
	li->io.cb = accept_event;
	rc = loop_io_add(s->loop, &li->io, EPOLLIN, err);
	if (rc < 0) {
		free(li->path);
		free(li);
		return rc;
	}
	li->next = s->listeners;
	s->listeners = li;
	return 0;
}

void listeners_close(struct http_server *s)
{
	while (s->listeners) {
		struct http_listener *li = s->listeners;

		s->listeners = li->next;
		loop_io_del(s->loop, &li->io);
		close(li->io.fd);
		if (li->path && li->path[0])
			unlink(li->path);
		free(li->path);
		free(li);
	}
	loop_timer_del(s->loop, &s->accept_timer);
}
