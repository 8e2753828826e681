#include "fixture.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define PATIENCE_S 5

/* ---- the handler */
struct job {
	unsigned left;
	size_t size;
	bool abort, paused;
};

static const struct http_header json[] = {{"Content-Type", "application/json"}};

static void bump(struct fx *f, unsigned *counter)
{
	pthread_mutex_lock(&f->lock);
	++*counter;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static void pump(struct fx *f, struct http_exchange *x, struct job *j)
{
	static char data[1 << 16];

	memset(data, 'x', sizeof(data));
	while (j->left && !j->paused) {
		int rc = http_stream_write(x, data, j->size);

		if (rc < 0)
			return;
		j->left--;
		j->paused = rc == 1;
		pthread_mutex_lock(&f->lock);
		f->written += j->size;
		if (x->out.len > f->queued_max)
			f->queued_max = x->out.len;
		pthread_mutex_unlock(&f->lock);
	}
	if (j->left)
		return;
	if (j->abort)
		http_stream_abort(x);
	else
		http_stream_end(x);
}

static void start_stream(struct fx *f, struct http_exchange *x, bool abort)
{
	struct job *j = arena_alloc(http_arena(x), sizeof(*j));

	assert(j);
	assert(sscanf(http_query(x), "%u-%zu", &j->left, &j->size) == 2);
	j->abort = abort;
	http_set_user(x, j);
	if (http_stream_begin(x, 200, json, 1) == 0)
		pump(f, x, j);
}

static void answer_who(struct http_exchange *x)
{
	struct sockaddr_storage a;
	char text[10000];
	int n;

	http_peer(x, &a);
	n = snprintf(text, sizeof(text), "%d %s %s", a.ss_family, http_path(x), http_query(x));
	assert(http_respond(x, 200, json, 1, text, (size_t)n) == 0);
}

static void on_request(struct http_exchange *x, void *arg)
{
	const char *path = http_path(x), *body;
	struct fx *f = arg;
	size_t len;

	http_body(x, &body, &len);
	if (!strcmp(path, "/echo")) {
		(void)http_respond(x, 200, json, 1, body, len);
	} else if (!strcmp(path, "/close")) {
		http_close_after(x);
		(void)http_respond(x, 200, json, 1, body, len);
	} else if (!strcmp(path, "/who")) {
		answer_who(x);
	} else if (!strcmp(path, "/stream") || !strcmp(path, "/abort")) {
		start_stream(f, x, path[1] == 'a');
	} else if (!strcmp(path, "/later")) {
		f->parked = x;
	} else if (!strcmp(path, "/open")) {
		f->parked = x;
		(void)http_stream_begin(x, 200, json, 1);
	} else if (strcmp(path, "/hang") != 0) {
		(void)http_respond(x, 404, json, 1, "{}", 2);
	}
	bump(f, &f->requests);
}

static void on_head(struct http_exchange *x, void *arg)
{
	struct fx *f = arg;

	if (!strcmp(http_path(x), "/forbid"))
		(void)http_respond(x, 401, json, 1, "{\"no\":1}", 8);
	bump(f, &f->heads);
}

static void on_gone(struct http_exchange *x, void *arg)
{
	struct fx *f = arg;

	if (f->parked == x)
		f->parked = NULL;
	bump(f, &f->gone);
}

static void on_writable(struct http_exchange *x, void *arg)
{
	struct job *j = http_user(x);
	struct fx *f = arg;

	bump(f, &f->writable);
	j->paused = false;
	pump(f, x, j);
}

static void on_finished(struct http_exchange *x, bool complete, uint64_t bytes_sent, void *arg)
{
	struct fx *f = arg;

	if (f->parked == x)
		f->parked = NULL;
	pthread_mutex_lock(&f->lock);
	f->finished++;
	f->completed += complete;
	f->bytes_sent += bytes_sent;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static void on_refuse(struct http_exchange *x, enum http_refusal why, void *arg)
{
	static const int status[] = {
		[HTTP_REFUSE_BAD_REQUEST] = 400, [HTTP_REFUSE_HEAD_TOO_LARGE] = 431, [HTTP_REFUSE_BODY_TOO_LARGE] = 413,
		[HTTP_REFUSE_TIMEOUT] = 408,     [HTTP_REFUSE_EXPECTATION] = 417,    [HTTP_REFUSE_NO_MEMORY] = 503};
	struct fx *f = arg;
	char text[32];
	int n = snprintf(text, sizeof(text), "{\"refused\":%d}", status[why]);

	bump(f, &f->refused[why]);
	(void)http_respond(x, status[why], json, 1, text, (size_t)n);
}

/* ---- start and stop */
void fx_defaults(struct fx *f)
{
	memset(f, 0, sizeof(*f));
	f->opts = HTTP_SERVER_OPTS_DEFAULT;
	f->opts.shards = 4;
	f->opts.idle_table = f->idle_table;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
}

static void *run(void *arg)
{
	struct fx *f = arg;
	struct err e = {0};

	assert(loop_run(f->loop, &e) == 0);
	return NULL;
}

static void must(int rc, const struct err *e)
{
	if (rc < 0) {
		fprintf(stderr, "fixture: %s\n", e->msg);
		abort();
	}
}

void fx_start(struct fx *f)
{
	const struct http_handler h = {.head = on_head,
				       .request = on_request,
				       .gone = on_gone,
				       .writable = on_writable,
				       .finished = on_finished,
				       .refuse = on_refuse};
	struct sockaddr_in a = {0};
	socklen_t len = sizeof(a);
	struct err e = {0};
	int fd = -1;

	must(loop_new(&f->loop, &e), &e);
	must(http_server_new(f->loop, &f->opts, &h, f, &f->server, &e), &e);
	must(http_listen_tcp("127.0.0.1", 0, true, &fd, &e), &e);
	assert(getsockname(fd, (struct sockaddr *)(void *)&a, &len) == 0);
	f->port = ntohs(a.sin_port);
	must(http_server_add_listener(f->server, fd, &e), &e);
	snprintf(f->unix_path, sizeof(f->unix_path), "/tmp/tg-http-%d.sock", getpid());
	must(http_listen_unix(f->unix_path, 0600, &fd, &e), &e);
	must(http_server_add_listener(f->server, fd, &e), &e);
	assert(pthread_create(&f->thread, NULL, run, f) == 0);
}

void fx_stop(struct fx *f)
{
	loop_stop(f->loop);
	pthread_join(f->thread, NULL);
	http_server_free(f->server);
	loop_free(f->loop);
}

static struct timespec deadline(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += PATIENCE_S;
	return t;
}

bool fx_wait(struct fx *f, const unsigned *counter, unsigned least)
{
	struct timespec until = deadline();
	bool ok;

	pthread_mutex_lock(&f->lock);
	while (*counter < least && pthread_cond_timedwait(&f->changed, &f->lock, &until) == 0)
		;
	ok = *counter >= least;
	pthread_mutex_unlock(&f->lock);
	return ok;
}

struct call {
	struct fx *f;
	void (*fn)(struct fx *f);
	unsigned done;
};

static void call_run(void *arg)
{
	struct call *c = arg;

	c->fn(c->f);
	bump(c->f, &c->done);
}

void fx_do(struct fx *f, void (*fn)(struct fx *f))
{
	struct call c = {f, fn, 0};

	assert(loop_post(f->loop, call_run, &c) == 0);
	if (!fx_wait(f, &c.done, 1))
		abort(); /* c is on our stack */
}

static void release(struct fx *f)
{
	struct http_exchange *x = f->parked;

	if (!x)
		return;
	f->parked = NULL;
	if (!strcmp(http_path(x), "/open")) {
		(void)http_stream_write(x, "tail", 4);
		http_stream_end(x);
	} else {
		(void)http_respond(x, 200, json, 1, "later", 5);
	}
}

void fx_release(struct fx *f)
{
	fx_do(f, release);
}

static void count_connections(struct fx *f)
{
	f->closed = http_server_connections(f->server);
}

unsigned fx_connections(struct fx *f)
{
	fx_do(f, count_connections);
	return f->closed;
}

/* ---- the client */
static int patient(int fd)
{
	struct timeval tv = {.tv_sec = PATIENCE_S};
	int one = 1;

	assert(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

int cl_connect(struct fx *f)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(f->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert(fd >= 0 && connect(fd, (struct sockaddr *)(void *)&a, sizeof(a)) == 0);
	return patient(fd);
}

int cl_connect_unix(struct fx *f)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, f->unix_path, strlen(f->unix_path));
	assert(fd >= 0 && connect(fd, (struct sockaddr *)(void *)&a, sizeof(a)) == 0);
	return patient(fd);
}

void cl_send(int fd, const char *s, size_t len)
{
	while (len) {
		ssize_t n = send(fd, s, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; /* the server may have hung up: the answer tells */
		s += n;
		len -= (size_t)n;
	}
}

void cl_puts(int fd, const char *s)
{
	cl_send(fd, s, strlen(s));
}

static bool read_byte(int fd, char *c)
{
	return recv(fd, c, 1, 0) == 1;
}

static bool read_head(int fd, struct answer *a)
{
	size_t n = 0;

	while (n + 1 < sizeof(a->head) && read_byte(fd, a->head + n)) {
		a->head[++n] = '\0';
		if (n >= 4 && !memcmp(a->head + n - 4, "\r\n\r\n", 4))
			return true;
	}
	return false;
}

static bool read_body(int fd, struct answer *a, size_t more)
{
	size_t need = a->len + more + 1;

	if (need > a->cap) {
		a->cap = need > 2 * a->cap ? need : 2 * a->cap;
		a->body = realloc(a->body, a->cap);
		assert(a->body);
	}
	while (more) {
		ssize_t n = recv(fd, a->body + a->len, more, 0);

		if (n <= 0)
			return false;
		a->len += (size_t)n;
		more -= (size_t)n;
	}
	a->body[a->len] = '\0';
	return true;
}

static bool read_crlf(int fd)
{
	char c[2];

	return read_byte(fd, c) && read_byte(fd, c + 1) && !memcmp(c, "\r\n", 2);
}

static bool read_chunks(int fd, struct answer *a)
{
	for (;;) {
		char line[20] = {0};
		size_t n = 0, size;

		while (n + 1 < sizeof(line) && read_byte(fd, line + n) && line[n] != '\n')
			n++;
		if (n < 2 || line[n - 1] != '\r')
			return false;
		size = strtoul(line, NULL, 16);
		if (!read_body(fd, a, size) || !read_crlf(fd))
			return false;
		if (!size)
			return true;
	}
}

struct answer cl_answer(int fd)
{
	struct answer a = {0};
	const char *length;

	if (!read_head(fd, &a) || sscanf(a.head, "HTTP/1.1 %d ", &a.status) != 1) {
		a.status = 0;
		return a;
	}
	a.close = strcasestr(a.head, "\r\nConnection: close\r\n") != NULL;
	length = strcasestr(a.head, "\r\nContent-Length:");
	if (strcasestr(a.head, "\r\nTransfer-Encoding: chunked\r\n"))
		a.complete = read_chunks(fd, &a);
	else if (length)
		a.complete = read_body(fd, &a, strtoul(length + 17, NULL, 10));
	return a;
}

bool cl_eof(int fd)
{
	char c;

	return recv(fd, &c, 1, 0) == 0;
}

struct answer cl_once(struct fx *f, const char *request)
{
	int fd = cl_connect(f);
	struct answer a;

	cl_puts(fd, request);
	a = cl_answer(fd);
	close(fd);
	return a;
}
