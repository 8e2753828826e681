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
