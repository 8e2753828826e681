/* Goal: requests arrive as asked; answers of every kind, good and bad, end in a result or the right error, bounded.
 * Method: a server thread on a Unix socket that reads one request and writes the row's bytes. */
#include "fetch/fetch.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static char folder[64], sock_path[80];

static void set_up(void)
{
	snprintf(folder, sizeof(folder), "/tmp/tg-fetch-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(sock_path, sizeof(sock_path), "%s/s", folder);
}

static void clean(void)
{
	unlink(sock_path);
	rmdir(folder);
}

TestSuite(fetch, .init = set_up, .fini = clean);

struct server {
	int listener;
	pthread_t thread;
	const char *answer;
	size_t answer_len;
	bool silent; /* accept, and say nothing until the client goes */
	char request[200000];
	size_t request_len;
};

static bool request_complete(struct server *s)
{
	char *end = memmem(s->request, s->request_len, "\r\n\r\n", 4), *length;

	if (!end)
		return false;
	*end = '\0';
	length = strcasestr(s->request, "content-length: ");
	*end = '\r';
	return s->request_len - (size_t)(end + 4 - s->request) >= (length ? strtoul(length + 16, NULL, 10) : 0);
}

static void *serve(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->listener, NULL, NULL);

	while (!request_complete(s)) {
		ssize_t n = read(fd, s->request + s->request_len, sizeof(s->request) - s->request_len);

		if (n <= 0)
			break;
		s->request_len += (size_t)n;
	}
	if (s->silent) {
		char byte;

		while (read(fd, &byte, 1) > 0)
			;
	}
	for (size_t done = 0; done < s->answer_len;) {
		ssize_t n = send(fd, s->answer + done, s->answer_len - done, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	close(fd);
	return NULL;
}

static void start(struct server *s)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", sock_path);
	unlink(sock_path);
	s->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(s->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	cr_assert_eq(listen(s->listener, 4), 0);
	cr_assert_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct server *s)
{
	pthread_join(s->thread, NULL);
	close(s->listener);
	s->request[s->request_len < sizeof(s->request) ? s->request_len : sizeof(s->request) - 1] = '\0';
}

static struct fetch_opts local(void)
{
	struct fetch_opts o = FETCH_OPTS_DEFAULT;

	o.unix_socket = sock_path;
	o.url = "http://tollgate/x?y=1";
	return o;
}

Test(fetch, request_as_asked)
{
	static const char *const headers[] = {"Content-Type: text/plain", "X-One: two", NULL};
	static struct server s = {.answer = "HTTP/1.1 201 Created\r\nX-A: b\r\nContent-Length: 2\r\n\r\nhi"};
	static char body[100000];
	struct fetch_opts o = local();
	struct fetch_response r;
	struct err err = {0};

	s.answer_len = strlen(s.answer);
	memset(body, 'b', sizeof(body));
	body[7] = '\0';
	start(&s);
	o.method = "POST";
	o.headers = headers;
	o.body = body;
	o.body_len = sizeof(body);
	cr_assert_eq(fetch_request(&o, &r, &err), 0, "%s", err.msg);
	stop(&s);
	cr_expect_eq(strncmp(s.request, "POST /x?y=1 HTTP/1.1\r\nHost: tollgate\r\n", 38), 0, "%s", s.request);
	cr_expect_not_null(strstr(s.request, "\r\nX-One: two\r\n"));
	cr_expect_null(strstr(s.request, "Expect:"));
	cr_expect_arr_eq(s.request + s.request_len - sizeof(body), body, sizeof(body), "NUL bytes included");
	cr_expect_eq(r.status, 201);
	cr_expect_str_eq(fetch_header(&r, "x-a"), "b");
	cr_expect_null(fetch_header(&r, "x-"));
	cr_expect_str_eq(r.body.data, "hi");
	fetch_response_done(&r);
}

Test(fetch, methods)
{
	static const char *const methods[] = {"GET", "DELETE", "POST", "HEAD"};

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		struct server *s = calloc(1, sizeof(*s));
		struct fetch_opts o = local();
		struct fetch_response r;
		struct err err = {0};

		s->answer = "HTTP/1.1 204 No Content\r\n\r\n";
		s->answer_len = strlen(s->answer);
		start(s);
		o.method = methods[i];
		cr_assert_eq(fetch_request(&o, &r, &err), 0, "%s: %s", methods[i], err.msg);
		stop(s);
		cr_expect_eq(strncmp(s->request, methods[i], strlen(methods[i])), 0, "%s", s->request);
		cr_expect_eq(r.status, 204);
		cr_expect_eq(r.body.len, 0);
		fetch_response_done(&r);
		free(s);
	}
}

Test(fetch, answers)
{
	static const struct {
		const char *answer;
		int rc;
		int status;
		const char *body;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 0, 200, "abc"},
		{"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", 0, 500, ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", 0, 200, "abc"},
		{"HTTP/1.1 200 OK\r\n\r\nuntil the end", 0, 200, "until the end"},
		{"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 0, 302, ""},
		{"HTTP/1.1 100 Continue\r\nX-A: no\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, 200, ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", ERR_PROTO, 0, ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", ERR_PROTO, 0, ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n"
		 "0123456789012345678901234567890123456789012345678901234567890123x",
		 ERR_FULL, 0, ""},
		{"SSH-2.0-OpenSSH_9.2\r\n", ERR_PROTO, 0, ""},
		{"", ERR_PROTO, 0, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct server *s = calloc(1, sizeof(*s));
		struct fetch_opts o = local();
		struct fetch_response r = {.status = 77};
		struct err err = {0};
		int rc;

		s->answer = rows[i].answer;
		s->answer_len = strlen(s->answer);
		start(s);
		o.response_bytes_max = 64;
		rc = fetch_request(&o, &r, &err);
		stop(s);
		cr_expect_eq(rc, rows[i].rc, "row %zu: %d %s", i, rc, err.msg);
		if (rc) {
			cr_expect_eq(r.status, 77, "row %zu: untouched on failure", i);
		} else {
			cr_expect_eq(r.status, rows[i].status, "row %zu: %d", i, r.status);
			cr_expect_eq(r.body.len, strlen(rows[i].body));
			cr_expect_eq(memcmp(r.body.len ? r.body.data : "", rows[i].body, r.body.len), 0, "row %zu", i);
			cr_expect_null(fetch_header(&r, "X-A"), "a 100's headers aren't the answer's");
			fetch_response_done(&r);
		}
		free(s);
	}
}

Test(fetch, too_many_headers)
{
	static struct server s;
	struct buf b = BUF_INIT;
	struct fetch_opts o = local();
	struct fetch_response r;
	struct err err = {0};

	buf_puts(&b, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i <= FETCH_HEADERS_MAX; i++)
		buf_printf(&b, "X-%d: y\r\n", i);
	buf_puts(&b, "Content-Length: 0\r\n\r\n");
	s.answer = b.data;
	s.answer_len = b.len;
	start(&s);
	cr_expect_eq(fetch_request(&o, &r, &err), ERR_FULL, "%s", err.msg);
	stop(&s);
	buf_done(&b);
}

Test(fetch, silence_times_out)
{
	static struct server s = {.silent = true};
	struct fetch_opts o = local();
	struct fetch_response r;
	struct err err = {0};

	start(&s);
	o.total_timeout_ms = 50;
	cr_expect_eq(fetch_request(&o, &r, &err), ERR_TIMEOUT, "%s", err.msg);
	stop(&s);
}

Test(fetch, nobody_there)
{
	static struct server s;
	struct fetch_opts o = local();
	struct fetch_response r;
	struct err err = {0};
	int status;
	pid_t pid;

	cr_expect_eq(fetch_request(&o, &r, &err), ERR_CLOSED, "no socket: %s", err.msg);
	cr_expect_eq(err.code, ERR_CLOSED);
	cr_expect_not_null(strstr(err.msg, sock_path), "%s", err.msg);
	start(&s);
	cr_assert_eq(fetch_request(&o, &r, &err), ERR_PROTO, "%s", err.msg);
	stop(&s);
	cr_expect_eq(fetch_request(&o, &r, &err), ERR_CLOSED, "a socket left behind: %s", err.msg);

	cr_assert_eq(chmod(sock_path, 0600), 0);
	cr_assert_eq(chmod(folder, 0755), 0);
	pid = fork();
	if (pid == 0)
		_exit(setuid(65534) || fetch_request(&o, &r, &err) != ERR_PERM);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "another user's socket");
}

Test(fetch, wrong_options)
{
	static const char *const two_lines[] = {"X: y\r\nEvil: 1", NULL}, *const no_colon[] = {"X", NULL};
	struct {
		const char *url, *method;
		const char *const *headers;
	} rows[] = {
		{"file:///etc/passwd", "GET", NULL},    {"ftp://x/", "GET", NULL},       {NULL, "GET", NULL},
		{"http://x/", "GET /y HTTP/1.1", NULL}, {"http://x/", "GET", two_lines}, {"http://x/", "GET", no_colon},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fetch_opts o = local();
		struct fetch_response r;

		o.url = rows[i].url;
		o.method = rows[i].method;
		o.headers = rows[i].headers;
		cr_expect_eq(fetch_request(&o, &r, NULL), ERR_INVAL, "row %zu", i);
	}
}

Test(fetch, escaping)
{
	struct buf b = BUF_INIT;

	cr_expect_eq(fetch_put_escaped(&b, "10.0.0.0/8 &a=b\xc3\xa9~._-"), 0);
	cr_expect_str_eq(b.data, "10.0.0.0%2F8%20%26a%3Db%C3%A9~._-");
	buf_done(&b);
}
