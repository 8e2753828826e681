/* Goal: what is refused before it becomes a request, by whom and how; H4, H5.
 * Method: raw bytes to a server in a thread. Every refusal must be the handler's JSON, and the connection must end with
 * it (FIN, not a reset, so that the client can read it). */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct fx f;

static void start(void)
{
	fx_defaults(&f);
	f.opts.body_bytes_max = 1000;
	fx_start(&f);
}

static void stop(void)
{
	fx_stop(&f);
}

TestSuite(http_refuse, .init = start, .fini = stop, .timeout = 60);

static void expect_refused(const char *name, const char *bytes, size_t len, int status)
{
	int fd = cl_connect(&f);
	char body[32];
	struct answer a;

	cl_send(fd, bytes, len);
	a = cl_answer(fd);
	snprintf(body, sizeof(body), "{\"refused\":%d}", status);
	cr_expect_eq(a.status, status, "%s: status %d, wanted %d", name, a.status, status);
	cr_expect(a.complete && !strcmp(a.body, body), "%s: body '%s'", name, a.body ? a.body : "");
	cr_expect(a.close, "%s: says it closes", name);
	cr_expect(cl_eof(fd), "%s: ends", name);
	free(a.body);
	close(fd);
}

#define H "POST /echo HTTP/1.1\r\nHost: t\r\n"
#define B "\r\n0\r\n\r\nGET /echo HTTP/1.1\r\nHost: t\r\n\r\n"

static const struct {
	const char *name, *bytes;
	size_t len; /* 0 = strlen */
	int status;
} smuggle[] = {
	{"two lengths", H "Content-Length: 5\r\nContent-Length: 6\r\n" B, 0, 400},
	{"two equal lengths", H "Content-Length: 5\r\nContent-Length: 5\r\n" B, 0, 400},
	{"length list", H "Content-Length: 5, 5\r\n" B, 0, 400},
	{"length with sign", H "Content-Length: +5\r\n" B, 0, 400},
	{"length negative", H "Content-Length: -5\r\n" B, 0, 400},
	{"length hexadecimal", H "Content-Length: 0x5\r\n" B, 0, 400},
	{"length empty", H "Content-Length: \r\n" B, 0, 400},
	{"length with blank inside", H "Content-Length: 5 5\r\n" B, 0, 400},
	{"length and chunked", H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" B, 0, 400},
	{"chunked and length", H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" B, 0, 400},
	{"chunked twice", H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" B, 0, 400},
	{"chunked, identity", H "Transfer-Encoding: chunked, identity\r\n" B, 0, 400},
	{"gzip, chunked", H "Transfer-Encoding: gzip, chunked\r\n" B, 0, 400},
	{"xchunked", H "Transfer-Encoding: xchunked\r\n" B, 0, 400},
	{"chunked with vertical tab",
	 H "Transfer-Encoding: \x0b"
	   "chunked\r\n" B,
	 0, 400},
	{"chunked in HTTP/1.0", "POST /echo HTTP/1.0\r\nHost: t\r\nTransfer-Encoding: chunked\r\n" B, 0, 400},
	{"blank before colon", H "Transfer-Encoding : chunked\r\n" B, 0, 400},
	{"tab before colon", H "Content-Length\t: 5\r\n" B, 0, 400},
	{"folded value", H "X: a\r\n b\r\n" B, 0, 400},
	{"folded into a name", H "Content-Len: 5\r\n gth: 6\r\n" B, 0, 400},
	{"folded with tab", H "X: a\r\n\tTransfer-Encoding: chunked\r\n" B, 0, 400},
	{"fold first", "POST /echo HTTP/1.1\r\n X: a\r\nHost: t\r\n" B, 0, 400},
	{"bare LF after a field", H "X: a\nContent-Length: 5\r\n" B, 0, 400},
	{"bare LF after the request line", "POST /echo HTTP/1.1\nHost: t\r\n" B, 0, 400},
	{"bare LF at the end", H "X: a\r\n\nGET /echo HTTP/1.1\r\nHost: t\r\n\r\n", 0, 400},
	{"bare CR in a value", H "X: a\rContent-Length: 5\r\n" B, 0, 400},
	{"NUL in a value", H "X: a\0b\r\n\r\n", sizeof(H "X: a\0b\r\n\r\n") - 1, 400},
	{"NUL in a name", H "X\0Y: a\r\n\r\n", sizeof(H "X\0Y: a\r\n\r\n") - 1, 400},
	{"NUL at a line's end", H "X: a\0\r\n\r\n", sizeof(H "X: a\0\r\n\r\n") - 1, 400},
	{"NUL in the target", "GET /e\0 HTTP/1.1\r\nHost: t\r\n\r\n",
	 sizeof("GET /e\0 HTTP/1.1\r\nHost: t\r\n\r\n") - 1, 400},
	{"control character in a value", H "X: a\x01\r\n" B, 0, 400},
	{"no colon", H "Hello\r\n" B, 0, 400},
	{"empty name", H ": x\r\n" B, 0, 400},
	{"name with parenthesis", H "X(y): x\r\n" B, 0, 400},
	{"two hosts", H "Host: u\r\n" B, 0, 400},
	{"no host", "GET /echo HTTP/1.1\r\n\r\n", 0, 400},
	{"two authorizations", H "Authorization: Bearer a\r\nauthorization: Bearer b\r\n" B, 0, 400},
	{"two x-api-keys", H "x-api-key: a\r\nX-Api-Key: b\r\n" B, 0, 400},
	{"two types", H "Content-Type: a\r\nContent-Type: b\r\n" B, 0, 400},
	{"blanks in the target", "GET /e cho HTTP/1.1\r\nHost: t\r\n\r\n", 0, 400},
	{"two blanks after the method", "GET  /echo HTTP/1.1\r\nHost: t\r\n\r\n", 0, 400},
	{"tab in the target", "GET /e\tcho HTTP/1.1\r\nHost: t\r\n\r\n", 0, 400},
	{"target without slash", "GET echo HTTP/1.1\r\nHost: t\r\n\r\n", 0, 400},
	{"method with a bracket", "G(T /echo HTTP/1.1\r\nHost: t\r\n\r\n", 0, 400},
	{"no version", "GET /echo\r\nHost: t\r\n\r\n", 0, 400},
	{"version 2", "GET /echo HTTP/2.0\r\nHost: t\r\n\r\n", 0, 400},
	{"version 0.9", "GET /echo HTTP/0.9\r\nHost: t\r\n\r\n", 0, 400},
	{"lower-case version", "GET /echo http/1.1\r\nHost: t\r\n\r\n", 0, 400},
	{"one word", "HELLO\r\n\r\n", 0, 400},
	{"TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 12, 400},
	{"chunk size not hexadecimal", H "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 0, 400},
	{"chunk longer than it says", H "Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n", 0, 400},
	{"chunk size overflows", H "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n", 0, 413},
	{"length overflows", H "Content-Length: 99999999999999999999999\r\n\r\n", 0, 413},
	{"length over the limit", H "Content-Length: 1001\r\n\r\n", 0, 413},
	{"other expectation", H "Expect: a-miracle\r\n\r\n", 0, 417},
};

Test(http_refuse, ambiguous_h4)
{
	for (size_t i = 0; i < ARRAY_SIZE(smuggle); i++)
		expect_refused(smuggle[i].name, smuggle[i].bytes,
			       smuggle[i].len ? smuggle[i].len : strlen(smuggle[i].bytes), smuggle[i].status);
	cr_expect_eq(f.requests, 0, "none became a request");
}

/* The same on a connection that has served a request, and in two pieces. */
Test(http_refuse, ambiguous_later_h4)
{
	for (size_t i = 0; i < ARRAY_SIZE(smuggle); i++) {
		size_t len = smuggle[i].len ? smuggle[i].len : strlen(smuggle[i].bytes);
		int fd = cl_connect(&f);
		struct answer a;

		cl_puts(fd, "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
		a = cl_answer(fd);
		cr_assert_eq(a.status, 200);
		free(a.body);
		cl_send(fd, smuggle[i].bytes, len / 2);
		cl_send(fd, smuggle[i].bytes + len / 2, len - len / 2);
		a = cl_answer(fd);
		cr_expect_eq(a.status, smuggle[i].status, "%s: status %d", smuggle[i].name, a.status);
		cr_expect(a.complete && !strncmp(a.body, "{\"refused\":", 11), "%s", smuggle[i].name);
		free(a.body);
		close(fd);
	}
	cr_expect_eq(f.requests, ARRAY_SIZE(smuggle));
}

/* A valid pipelined request before a malformed one is answered first. */
Test(http_refuse, after_a_pipelined_request_h5)
{
	int fd = cl_connect(&f);
	struct answer a;

	cl_puts(fd, "GET /who HTTP/1.1\r\nHost: t\r\n\r\nGET /who HTTP/1.1\r\nno colon\r\n\r\n");
	a = cl_answer(fd);
	cr_expect_eq(a.status, 200);
	free(a.body);
	a = cl_answer(fd);
	cr_expect_eq(a.status, 400);
	cr_expect(a.complete && !strcmp(a.body, "{\"refused\":400}"));
	free(a.body);
	close(fd);
}

/* ---- size */
static char *repeat(const char *before, const char *s, size_t times, const char *after)
{
	size_t n = strlen(s), at = strlen(before);
	char *p = malloc(at + n * times + strlen(after) + 1);

	memcpy(p, before, at);
	for (size_t i = 0; i < times; i++, at += n)
		memcpy(p + at, s, n);
	strcpy(p + at, after);
	return p;
}

static const struct {
	const char *name, *before, *repeated;
	size_t times;
	const char *after;
} large[] = {
	{"9 kB value", "GET /who HTTP/1.1\r\nHost: t\r\nX: ", "x", 9000, "\r\n\r\n"},
	{"value of the limit", "GET /who HTTP/1.1\r\nHost: t\r\nX: ", "x", 8192, "\r\n\r\n"},
	{"1 MB value", "GET /who HTTP/1.1\r\nHost: t\r\nX: ", "x", 1000000, "\r\n\r\n"},
	{"1 MB value that doesn't end", "GET /who HTTP/1.1\r\nHost: t\r\nX: ", "x", 1000000, ""},
	{"20 kB target", "GET /", "x", 20000, " HTTP/1.1\r\nHost: t\r\n\r\n"},
	{"20 kB query", "GET /who?", "x", 20000, " HTTP/1.1\r\nHost: t\r\n\r\n"},
	{"101 headers", "GET /who HTTP/1.1\r\nHost: t\r\n", "X: y\r\n", 100, "\r\n"},
	{"1000 headers", "GET /who HTTP/1.1\r\nHost: t\r\n", "X: y\r\n", 1000, "\r\n"},
	{"many cookies", "GET /who HTTP/1.1\r\nHost: t\r\nCookie: ", "a;", 2000, "\r\n\r\n"},
};

Test(http_refuse, large_head_h5)
{
	for (size_t i = 0; i < ARRAY_SIZE(large); i++) {
		char *s = repeat(large[i].before, large[i].repeated, large[i].times, large[i].after);

		expect_refused(large[i].name, s, strlen(s), 431);
		free(s);
	}
	cr_expect_eq(f.requests, 0);
}

/* Below the limit nothing is refused, and there is room for the answer's head. */
Test(http_refuse, head_sizes_up_to_the_limit)
{
	for (size_t n = 7000; n < 8192; n += 37) {
		char *s = repeat("GET /who HTTP/1.1\r\nHost: t\r\nX: ", "x", n - 34, "\r\n\r\n");
		struct answer a = cl_once(&f, s);

		cr_expect_eq(a.status, 200, "%zu bytes: %d", n, a.status);
		free(a.body);
		free(s);
	}
}

Test(http_refuse, query_of_many_parts)
{
	char *s = repeat("GET /who?", "a&", 2000, " HTTP/1.1\r\nHost: t\r\n\r\n");
	struct answer a = cl_once(&f, s);

	cr_expect_eq(a.status, 200);
	free(a.body);
	free(s);
}

Test(http_refuse, chunked_body_over_the_limit)
{
	char *s = repeat(H "Transfer-Encoding: chunked\r\n\r\n", "a\r\n0123456789\r\n", 101, "0\r\n\r\n");

	expect_refused("1010 bytes in chunks", s, strlen(s), 413);
	free(s);
}

/* ---- Expect */
Test(http_refuse, expect_continue)
{
	int fd = cl_connect(&f);
	char interim[32] = "";
	struct answer a;

	cl_puts(fd, H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	cr_assert_eq(recv(fd, interim, 25, MSG_WAITALL), 25);
	cr_expect_str_eq(interim, "HTTP/1.1 100 Continue\r\n\r\n");
	cl_puts(fd, "abc");
	a = cl_answer(fd);
	cr_expect_str_eq(a.body, "abc");
	free(a.body);
	close(fd);
}

Test(http_refuse, expect_refused_without_continue)
{
	struct answer a = cl_once(&f, "POST /forbid HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n"
				      "Expect: 100-continue\r\n\r\n");

	cr_expect_eq(a.status, 401);
	cr_expect(a.close);
	free(a.body);
}

/* ---- refused in `head` */
Test(http_refuse, head_keeps_the_connection)
{
	static const char *const rows[] = {"GET /forbid HTTP/1.1\r\nHost: t\r\n\r\n",
					   "POST /forbid HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc"};
	int fd = cl_connect(&f);

	for (int i = 0; i < 4; i++) {
		struct answer a;

		cl_puts(fd, rows[i % 2]);
		a = cl_answer(fd);
		cr_expect_eq(a.status, 401);
		cr_expect_not(a.close);
		free(a.body);
	}
	cr_expect_eq(f.requests, 0);
	close(fd);
}

Test(http_refuse, head_closes_before_a_chunked_body)
{
	int fd = cl_connect(&f);
	struct answer a;

	cl_puts(fd, "POST /forbid HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	a = cl_answer(fd);
	cr_expect_eq(a.status, 401);
	cr_expect(a.close);
	cl_puts(fd, "0\r\n\r\nGET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_expect(cl_eof(fd), "nothing of it is answered");
	free(a.body);
	close(fd);
}
