/* Goal: what bounds a client (time, connections), draining, and the idle table that the kernel program reads.
 * Method: a server in a thread with small limits. Nothing here asserts how long something takes, only what happens
 * in the end. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

static struct fx f;

static void init(void)
{
	fx_defaults(&f);
}

static void stop(void)
{
	fx_stop(&f);
}

TestSuite(http_limits, .init = init, .fini = stop, .timeout = 60);

static void expect_timeout(const char *bytes)
{
	int fd = cl_connect(&f);
	struct answer a;

	cl_puts(fd, bytes);
	a = cl_answer(fd);
	cr_expect_eq(a.status, 408, "'%s': %d", bytes, a.status);
	cr_expect(a.complete && !strcmp(a.body, "{\"refused\":408}"));
	cr_expect(cl_eof(fd));
	free(a.body);
	close(fd);
}

Test(http_limits, slow_heads_and_bodies)
{
	f.opts.idle_timeout_ms = f.opts.body_timeout_ms = 50;
	fx_start(&f);
	expect_timeout("GET /who HTTP/1.1\r\nHo");
	expect_timeout("GET /wh");
	expect_timeout("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc");
	expect_timeout("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	cr_expect_eq(f.refused[HTTP_REFUSE_TIMEOUT], 4);
	cr_expect(fx_wait(&f, &f.finished, 4)); /* H1: also for those that got no further than a request line's start */
}

/* A client that sends a byte now and then has no longer than one that sends none. */
Test(http_limits, dribbled_head)
{
	int fd;
	struct answer a;

	f.opts.idle_timeout_ms = 100;
	fx_start(&f);
	fd = cl_connect(&f);
	cl_puts(fd, "GET /who HTTP/1.1\r\nX: ");
	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1 && poll(&(struct pollfd){fd, POLLIN, 0}, 1, 2) == 0)
		;
	a = cl_answer(fd);
	cr_expect_eq(a.status, 408, "%d", a.status);
	free(a.body);
	close(fd);
}

Test(http_limits, idle_connection_closes_silently)
{
	int fd;
	struct answer a;

	f.opts.idle_timeout_ms = 50;
	fx_start(&f);
	fd = cl_connect(&f);
	cl_puts(fd, "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	a = cl_answer(fd);
	cr_expect_eq(a.status, 200);
	cr_expect(cl_eof(fd));
	free(a.body);
	close(fd);
}

/* The gateway's own limits rule while it works on a request. */
Test(http_limits, waiting_is_not_limited_here)
{
	int fd, other;
	struct answer a;

	f.opts.idle_timeout_ms = f.opts.body_timeout_ms = 30;
	fx_start(&f);
	fd = cl_connect(&f);
	cl_puts(fd, "GET /later HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_assert(fx_wait(&f, &f.requests, 1));
	other = cl_connect(&f);
	cl_puts(other, "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	a = cl_answer(other);
	free(a.body);
	cr_expect(cl_eof(other)); /* that one's limit has passed, so the older one's would have */
	fx_release(&f);
	a = cl_answer(fd);
	cr_expect_eq(a.status, 200);
	free(a.body);
	close(fd);
	close(other);
}

/* A stream that the client doesn't read ends, one that has nothing to say doesn't. */
Test(http_limits, stalled_stream)
{
	int fd, quiet;
	struct answer a;

	f.opts.body_timeout_ms = 50;
	fx_start(&f);
	quiet = cl_connect(&f);
	cl_puts(quiet, "GET /open HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_assert(fx_wait(&f, &f.requests, 1));
	fd = cl_connect(&f);
	cl_puts(fd, "GET /stream?8000-4000 HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_expect(fx_wait(&f, &f.gone, 1));
	cr_expect(fx_wait(&f, &f.finished, 1));
	fx_release(&f);
	a = cl_answer(quiet);
	cr_expect(a.complete && !strcmp(a.body, "tail"));
	free(a.body);
	close(fd);
	close(quiet);
}

Test(http_limits, connections)
{
	int a, b, c;
	struct answer r;

	f.opts.connections_max = 2;
	fx_start(&f);
	a = cl_connect(&f);
	cl_puts(a, "GET /hang HTTP/1.1\r\nHost: t\r\n\r\n");
	b = cl_connect(&f);
	cl_puts(b, "GET /hang HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_assert(fx_wait(&f, &f.requests, 2));
	c = cl_connect(&f);
	cl_puts(c, "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	r = cl_answer(c);
	cr_expect_eq(r.status, 0, "no third connection");
	close(a);
	cr_assert(fx_wait(&f, &f.finished, 1));
	while (fx_connections(&f) > 1)
		;
	r = cl_once(&f, "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_expect_eq(r.status, 200);
	free(r.body);
	close(b);
	close(c);
}

Test(http_limits, connections_per_address)
{
	int a, b, local;
	struct answer r;

	f.opts.connections_per_ip_max = 1;
	fx_start(&f);
	a = cl_connect(&f);
	cl_puts(a, "GET /hang HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_assert(fx_wait(&f, &f.requests, 1));
	b = cl_connect(&f);
	cl_puts(b, "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	r = cl_answer(b);
	cr_expect_eq(r.status, 0, "no second connection of one address");
	local = cl_connect_unix(&f);
	cl_puts(local, "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	r = cl_answer(local);
	cr_expect_eq(r.status, 200, "the Unix socket has no addresses");
	free(r.body);
	close(local);
	close(a);
	while (fx_connections(&f))
		;
	r = cl_once(&f, "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_expect_eq(r.status, 200);
	free(r.body);
	close(b);
}

/* ---- drain */
static unsigned drained;

static void drain(struct fx *fx)
{
	http_server_drain(fx->server);
}

static void look(struct fx *fx)
{
	drained = http_server_drained(fx->server);
}

Test(http_limits, drain)
{
	int idle, busy, streaming;
	struct answer a;

	fx_start(&f);
	idle = cl_connect(&f);
	cl_puts(idle, "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	a = cl_answer(idle);
	free(a.body);
	streaming = cl_connect(&f);
	cl_puts(streaming, "GET /stream?8000-4000 HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_assert(fx_wait(&f, &f.requests, 2));
	busy = cl_connect(&f);
	cl_puts(busy, "GET /later HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_assert(fx_wait(&f, &f.requests, 3));
	fx_do(&f, drain);
	cr_expect(cl_eof(idle), "an idle connection ends");
	fx_do(&f, look);
	cr_expect_not(drained);
	fx_release(&f);
	a = cl_answer(busy);
	cr_expect_eq(a.status, 200);
	cr_expect(a.close, "a busy one after its answer");
	cr_expect(cl_eof(busy));
	free(a.body);
	a = cl_answer(streaming);
	cr_expect(a.complete && a.len == 32000000, "a stream to its end");
	cr_expect(cl_eof(streaming));
	free(a.body);
	do
		fx_do(&f, look);
	while (!drained);
	close(idle);
	close(busy);
	close(streaming);
}

/* ---- the idle table */
static uint64_t cookie_word;
static int server_side_marked;

static void count_marks(struct fx *fx)
{
	server_side_marked = 0;
	for (size_t i = 0; i < ARRAY_SIZE(fx->idle_table); i++)
		if (fx->idle_table[i]) {
			server_side_marked++;
			cookie_word = fx->idle_table[i];
			cr_expect_eq(fx->idle_table[i] & 65535, i);
		}
}

static int marks(void)
{
	fx_do(&f, count_marks);
	return server_side_marked;
}

Test(http_limits, idle_table)
{
	uint64_t first;
	struct answer a;
	int fd;

	fx_start(&f);
	fd = cl_connect(&f);
	cl_puts(fd, "GET /later HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_assert(fx_wait(&f, &f.requests, 1));
	cr_expect_eq(marks(), 0, "busy");
	fx_release(&f);
	a = cl_answer(fd);
	free(a.body);
	cr_assert(fx_wait(&f, &f.finished, 1));
	cr_expect_eq(marks(), 1, "between requests");
	first = cookie_word;
	cl_puts(fd, "GET /later HTTP/1.1\r\nHo");
	while (marks())
		;
	cl_puts(fd, "st: t\r\n\r\n");
	cr_assert(fx_wait(&f, &f.requests, 2));
	cr_expect_eq(marks(), 0);
	fx_release(&f);
	a = cl_answer(fd);
	free(a.body);
	cr_assert(fx_wait(&f, &f.finished, 2));
	cr_expect_eq(marks(), 1);
	cr_expect_eq(cookie_word, first, "the connection's cookie stays");
	close(fd);
	while (fx_connections(&f))
		;
	cr_expect_eq(marks(), 0, "closed");
}

/* ---- many connections: over all shards and beyond what one is filled to */
Test(http_limits, many_connections)
{
	enum { N = 600 };
	static int fds[N];

	fx_start(&f);
	for (int i = 0; i < N; i++)
		fds[i] = cl_connect(&f);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < N; i++) {
			struct answer a;

			cl_puts(fds[i], "GET /stream?3-10 HTTP/1.1\r\nHost: t\r\n\r\n");
			a = cl_answer(fds[i]);
			cr_assert(a.complete && a.len == 30, "connection %d, round %d", i, round);
			free(a.body);
		}
	cr_expect_eq(fx_connections(&f), N);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	while (fx_connections(&f))
		;
	cr_expect(fx_wait(&f, &f.completed, 2 * N));
}

/* No descriptor is left for a connection: accepting pauses, and goes on when there is one. */
Test(http_limits, out_of_descriptors)
{
	static int hoard[4096];
	struct rlimit limit = {.rlim_cur = 256, .rlim_max = 256};
	struct answer a;
	int fd, n = 0;

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	fx_start(&f);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	while ((hoard[n] = dup(fd)) >= 0)
		n++;
	close(fd);
	fd = cl_connect(&f); /* takes the one that was free */
	cl_puts(fd, "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	fx_connections(&f); /* the loop has been round: the connection was there to be accepted, or is still */
	cr_expect_lt(recv(fd, &a, 1, MSG_DONTWAIT), 0);
	while (n)
		close(hoard[--n]);
	a = cl_answer(fd);
	cr_expect_eq(a.status, 200);
	free(a.body);
	close(fd);
}

/* ---- listening sockets */
Test(http_limits, listen_unix)
{
	char path[64], long_path[200];
	struct stat st;
	struct err e = {0};
	int fd = -1, other = -1;

	fx_start(&f);
	snprintf(path, sizeof(path), "/tmp/tg-http-%d-b.sock", getpid());
	cr_assert_eq(http_listen_unix(path, 0640, &fd, &e), 0, "%s", e.msg);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0640);
	cr_expect_eq(http_listen_unix(path, 0600, &other, &e), ERR_EXISTS, "it is served");
	close(fd);
	cr_expect_eq(http_listen_unix(path, 0600, &fd, &e), 0, "left over: %s", e.msg);
	close(fd);
	unlink(path);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	cr_expect_eq(http_listen_unix(long_path, 0600, &other, &e), ERR_RANGE);
	cr_expect_lt(http_listen_unix("/nonexistent/socket", 0600, &other, &e), 0);
	cr_expect_eq(other, -1, "untouched on failure");
}

Test(http_limits, listen_tcp)
{
	static const char *const bad[] = {"256.1.1.1", "not a host", "192.0.2.1"};
	struct err e = {0};
	int fd = -1;

	fx_start(&f);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cr_expect_lt(http_listen_tcp(bad[i], 8080, false, &fd, &e), 0, "%s", bad[i]);
		cr_expect_not_null(strstr(e.msg, bad[i]), "%s", e.msg);
	}
	cr_expect_lt(http_listen_tcp("127.0.0.1", f.port, false, &fd, &e), 0, "taken");
	cr_expect_eq(fd, -1);
	cr_expect_eq(http_listen_tcp("::1", 0, true, &fd, &e), 0, "%s", e.msg);
	close(fd);
}
