/* Goal: requests and answers on plain HTTP, and invariants H1 to H3.
 * Method: a server in a thread, a raw client over loopback (fixture.h). */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct fx f;

static void start(void)
{
	fx_defaults(&f);
	fx_start(&f);
}

static void stop(void)
{
	fx_stop(&f);
}

TestSuite(http_server, .init = start, .fini = stop, .timeout = 60);

static void expect(struct answer a, int status, const char *body)
{
	cr_assert_eq(a.status, status, "status %d, wanted %d", a.status, status);
	cr_assert(a.complete);
	cr_assert_str_eq(a.body, body);
	free(a.body);
}

Test(http_server, echo)
{
	expect(cl_once(&f, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello"), 200, "hello");
}

Test(http_server, keep_alive_and_pipelining)
{
	int fd = cl_connect(&f);

	for (int i = 0; i < 3; i++) {
		cl_puts(fd, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\na");
		expect(cl_answer(fd), 200, "a");
	}
	cl_puts(fd, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\na"
		    "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nbb"
		    "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	expect(cl_answer(fd), 200, "a");
	expect(cl_answer(fd), 200, "bb");
	expect(cl_answer(fd), 200, "2 /who ");
	close(fd);
}

Test(http_server, answered_later_h1)
{
	int fd = cl_connect(&f);

	for (unsigned i = 1; i <= 3; i++) {
		cl_puts(fd, "GET /later HTTP/1.1\r\nHost: t\r\n\r\n");
		cr_assert(fx_wait(&f, &f.requests, i));
		fx_release(&f);
		expect(cl_answer(fd), 200, "later");
	}
	cr_assert(fx_wait(&f, &f.finished, 3));
	cr_expect_eq(f.completed, 3);
	cr_expect_eq(f.bytes_sent, 15);
	close(fd);
}

Test(http_server, stream)
{
	int fd = cl_connect(&f);

	for (int i = 0; i < 2; i++) { /* twice: the connection stays usable */
		struct answer a;

		cl_puts(fd, "GET /stream?100-50 HTTP/1.1\r\nHost: t\r\n\r\n");
		a = cl_answer(fd);
		cr_assert_eq(a.status, 200);
		cr_assert(a.complete);
		cr_assert_eq(a.len, 5000);
		free(a.body);
	}
	close(fd);
	cr_assert(fx_wait(&f, &f.completed, 2));
}

Test(http_server, stream_chunks_after_the_head)
{
	int fd = cl_connect(&f);

	cl_puts(fd, "GET /open HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_assert(fx_wait(&f, &f.requests, 1));
	fx_release(&f);
	expect(cl_answer(fd), 200, "tail");
	cl_puts(fd, "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	expect(cl_answer(fd), 200, "2 /who ");
	close(fd);
}

/* ---- H1, H2: clients that hang up */
static const struct {
	const char *name, *request;
	bool read_head;
} hangups[] = {
	{"while waiting", "GET /hang HTTP/1.1\r\nHost: t\r\n\r\n", false},
	{"while streaming", "GET /open HTTP/1.1\r\nHost: t\r\n\r\n", true},
	{"with pipelined bytes unread", "GET /hang HTTP/1.1\r\nHost: t\r\n\r\nGET /hang HT", false},
};

Test(http_server, hangup_h1_h2)
{
	for (unsigned i = 0; i < ARRAY_SIZE(hangups); i++) {
		int fd = cl_connect(&f);

		cl_puts(fd, hangups[i].request);
		cr_assert(fx_wait(&f, &f.requests, i + 1), "%s", hangups[i].name);
		if (hangups[i].read_head) {
			char head[64];

			cr_assert_gt(recv(fd, head, sizeof(head), 0), 0);
		}
		close(fd);
		cr_expect(fx_wait(&f, &f.gone, i + 1), "%s: gone", hangups[i].name);
		cr_expect(fx_wait(&f, &f.finished, i + 1), "%s: finished", hangups[i].name);
	}
	cr_expect_eq(f.completed, 0);
	cr_expect_eq(f.finished, ARRAY_SIZE(hangups));
}

/* The hang-up comes with the request, before there is anything to suspend. */
Test(http_server, hangup_at_once_h2)
{
	int fd = cl_connect(&f);

	cl_puts(fd, "GET /hang HTTP/1.1\r\nHost: t\r\n\r\n");
	close(fd);
	cr_expect(fx_wait(&f, &f.finished, 1));
	cr_expect_eq(f.gone, f.requests);
}

Test(http_server, hangup_in_body_h1)
{
	int fd = cl_connect(&f);

	cl_puts(fd, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc");
	cr_assert(fx_wait(&f, &f.heads, 1));
	close(fd);
	cr_expect(fx_wait(&f, &f.finished, 1));
	cr_expect_eq(f.requests, 0);
	cr_expect_eq(f.completed, 0);
}

/* The server goes while exchanges wait and stream. */
Test(http_server, freed_with_exchanges_h1)
{
	int a = cl_connect(&f), b = cl_connect(&f), c = cl_connect(&f);

	cl_puts(a, "GET /hang HTTP/1.1\r\nHost: t\r\n\r\n");
	cl_puts(b, "GET /open HTTP/1.1\r\nHost: t\r\n\r\n");
	cl_puts(c, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc");
	cr_assert(fx_wait(&f, &f.requests, 2));
	cr_assert(fx_wait(&f, &f.heads, 3));
	fx_stop(&f);
	cr_expect_eq(f.finished, 3);
	cr_expect_eq(f.completed, 0);
	close(a);
	close(b);
	close(c);
	fx_defaults(&f);
	fx_start(&f); /* for .fini */
}

/* ---- bytes in any portions */
static const struct {
	const char *name, *request, *body;
	bool close;
} split_rows[] = {
	{"length", "POST /echo?a=b&c HTTP/1.1\r\nHost: t\r\nX: \r\nContent-Length: 11\r\n\r\nhello world",
	 "hello world", false},
	{"chunked",
	 "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n"
	 "Trailer: x\r\n\r\n",
	 "hello world", true},
	{"query", "GET /who?a=%41&b=%00 HTTP/1.1\r\nHost: t\r\n\r\n", "2 /who a=%41&b=%00", false},
	{"absolute form", "GET http://t:1/who?q HTTP/1.1\r\nHost: t\r\n\r\n", "2 /who q", false},
};

Test(http_server, split_at_every_byte)
{
	for (unsigned i = 0; i < ARRAY_SIZE(split_rows); i++) {
		size_t len = strlen(split_rows[i].request);

		for (size_t at = 1; at < len; at++) {
			int fd = cl_connect(&f);
			struct answer a;

			cl_send(fd, split_rows[i].request, at);
			cl_send(fd, split_rows[i].request + at, len - at);
			a = cl_answer(fd);
			cr_assert_eq(a.status, 200, "%s at %zu: status %d", split_rows[i].name, at, a.status);
			cr_assert_str_eq(a.body, split_rows[i].body, "%s at %zu", split_rows[i].name, at);
			cr_expect_eq(a.close, split_rows[i].close, "%s", split_rows[i].name);
			free(a.body);
			close(fd);
		}
	}
}

Test(http_server, byte_by_byte)
{
	const char *request = split_rows[0].request;
	int fd = cl_connect(&f);

	for (size_t i = 0; i < strlen(request); i++)
		cl_send(fd, request + i, 1);
	expect(cl_answer(fd), 200, "hello world");
	close(fd);
}

Test(http_server, large_body)
{
	size_t len = 3u << 20;
	char *body = malloc(len), head[128];
	int fd = cl_connect(&f);
	struct answer a;

	for (size_t i = 0; i < len; i++)
		body[i] = (char)('a' + i % 26);
	snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: %zu\r\n\r\n", len);
	cl_puts(fd, head);
	cl_send(fd, body, len);
	a = cl_answer(fd);
	cr_assert_eq(a.len, len);
	cr_expect_eq(memcmp(a.body, body, len), 0);
	free(a.body);
	free(body);
	close(fd);
}

/* ---- back-pressure */
static int narrow_client(void)
{
	int fd = cl_connect(&f), small = 4096;

	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	return fd;
}

Test(http_server, slow_reader_h3)
{
	int fd = cl_connect(&f);
	struct answer a;

	/* 32 MB: more than any socket buffer, so the producer must be paused. */
	cl_puts(fd, "GET /stream?8000-4000 HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_assert(fx_wait(&f, &f.requests, 1));
	a = cl_answer(fd);
	cr_expect_eq(a.len, 32000000);
	cr_expect(a.complete);
	free(a.body);
	cr_expect_gt(f.writable, 0);
	cr_expect_leq(f.queued_max, f.opts.stream_buffer_bytes + 4000 + 16);
	/* The connection is at a request's start again. */
	cl_puts(fd, "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	expect(cl_answer(fd), 200, "2 /who ");
	close(fd);
}

Test(http_server, paused_reader_hangs_up_h2)
{
	int fd = narrow_client();

	cl_puts(fd, "GET /stream?8000-4000 HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_assert(fx_wait(&f, &f.requests, 1));
	close(fd);
	cr_expect(fx_wait(&f, &f.finished, 1));
	cr_expect_eq(f.completed, 0);
}

/* libmicrohttpd looks at the oldest connection of a shard by itself; the others depend on us. */
Test(http_server, broken_streams_let_go_beside_older_connections)
{
	enum { OLDER = 5, BROKEN = 5 };
	static const char ask[] = "GET /who HTTP/1.1\r\nHost: t\r\n\r\n";
	int older[OLDER], fd, left = 5000;
	struct answer a;

	for (size_t i = 0; i < OLDER; i++) {
		older[i] = cl_connect(&f);
		cl_puts(older[i], ask);
		a = cl_answer(older[i]);
		cr_expect_eq(a.status, 200);
		free(a.body);
	}
	for (size_t i = 0; i < BROKEN; i++) { /* we break off */
		a = cl_once(&f, "GET /abort?3-100 HTTP/1.1\r\nHost: t\r\n\r\n");
		cr_expect(!a.complete);
		free(a.body);
	}
	for (size_t i = 0; i < BROKEN; i++) { /* the client leaves */
		fd = cl_connect(&f);
		cl_puts(fd, "GET /open HTTP/1.1\r\nHost: t\r\n\r\n");
		cr_expect(fx_wait(&f, &f.requests, (unsigned)(OLDER + BROKEN + i + 1)));
		close(fd);
	}
	while (fx_connections(&f) > OLDER && --left)
		usleep(1000);
	cr_expect_eq(fx_connections(&f), OLDER);
	for (size_t i = 0; i < OLDER; i++)
		close(older[i]);
}

Test(http_server, abort_is_seen)
{
	static const char *const rows[] = {"0-1", "1-10", "200-1000"};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char request[128];
		struct answer a;

		snprintf(request, sizeof(request), "GET /abort?%s HTTP/1.1\r\nHost: t\r\n\r\n", rows[i]);
		a = cl_once(&f, request);
		cr_expect_not(a.complete, "%s", rows[i]);
		free(a.body);
	}
	cr_expect(fx_wait(&f, &f.finished, ARRAY_SIZE(rows)));
	cr_expect_eq(f.completed, 0);
}

/* ---- protocol versions and methods */
Test(http_server, http_1_0)
{
	int fd = cl_connect(&f);
	struct answer a;
	char rest[5000];
	size_t n = 0;
	ssize_t got;

	cl_puts(fd, "GET /who HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	expect(cl_answer(fd), 200, "2 /who ");
	cl_puts(fd, "GET /stream?10-100 HTTP/1.0\r\n\r\n");
	a = cl_answer(fd);
	cr_assert_eq(a.status, 200);
	cr_expect_null(strstr(a.head, "chunked"));
	while (n < sizeof(rest) && (got = recv(fd, rest + n, sizeof(rest) - n, 0)) > 0)
		n += (size_t)got;
	cr_expect_eq(n, 1000);
	close(fd);
}

Test(http_server, head_has_no_body)
{
	int fd = cl_connect(&f);
	struct answer a = {0};

	cl_puts(fd, "HEAD /who HTTP/1.1\r\nHost: t\r\n\r\nGET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	while (!strstr(a.head, "\r\n\r\n"))
		cr_assert_eq(recv(fd, a.head + strlen(a.head), 1, 0), 1);
	cr_expect_not_null(strstr(a.head, "Content-Length: 7"));
	expect(cl_answer(fd), 200, "2 /who ");
	close(fd);
}

Test(http_server, unix_socket)
{
	int fd = cl_connect_unix(&f);

	cl_puts(fd, "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	expect(cl_answer(fd), 200, "1 /who ");
	cl_puts(fd, "GET /stream?3-10 HTTP/1.1\r\nHost: t\r\n\r\n");
	expect(cl_answer(fd), 200, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	close(fd);
}

Test(http_server, close_after)
{
	int fd = cl_connect(&f);
	struct answer a;

	cl_puts(fd, "POST /close HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx");
	a = cl_answer(fd);
	cr_expect(a.close);
	cr_expect(cl_eof(fd));
	free(a.body);
	close(fd);
}
