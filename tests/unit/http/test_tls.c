/* Goal: TLS on the listener: requests, streams by suspend and resume, refusals, broken certificates.
 * Method: a certificate made by openssl(1) in a temporary folder; OpenSSL as the client. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

/* GnuTLS 3.7 forgets a certificate that it couldn't parse. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:gnutls_x509_crt_init\nleak:gnutls_subject_alt_names_init\n";
}

static struct fx f;
static char cert[8192], key[8192];

static void slurp(const char *folder, const char *name, char *to, size_t size)
{
	char path[128];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "r");
	cr_assert_not_null(file);
	n = fread(to, 1, size - 1, file);
	to[n] = '\0';
	fclose(file);
	unlink(path);
}

static void start(void)
{
	char folder[] = "/tmp/tg-http-tls-XXXXXX", command[512];

	cr_assert_not_null(mkdtemp(folder));
	snprintf(command, sizeof(command),
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
		 "-keyout %s/key -out %s/cert 2>/dev/null",
		 folder, folder);
	cr_assert_eq(system(command), 0);
	slurp(folder, "cert", cert, sizeof(cert));
	slurp(folder, "key", key, sizeof(key));
	rmdir(folder);
	fx_defaults(&f);
	f.opts.tls_cert_pem = cert;
	f.opts.tls_key_pem = key;
	fx_start(&f);
}

static void stop(void)
{
	fx_stop(&f);
}

TestSuite(http_tls, .init = start, .fini = stop, .timeout = 60);

struct tls {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
};

static struct tls tls_connect(void)
{
	struct tls t = {.fd = cl_connect(&f), .ctx = SSL_CTX_new(TLS_client_method())};

	t.ssl = SSL_new(t.ctx);
	cr_assert(SSL_set_fd(t.ssl, t.fd));
	cr_assert_eq(SSL_connect(t.ssl), 1);
	return t;
}

static void tls_close(struct tls *t)
{
	SSL_free(t->ssl);
	SSL_CTX_free(t->ctx);
	close(t->fd);
}

static void tls_puts(struct tls *t, const char *s)
{
	cr_assert_eq(SSL_write(t->ssl, s, (int)strlen(s)), (int)strlen(s));
}

/* Reads until `end` is seen or the connection ends; returns the length. */
static size_t tls_read(struct tls *t, char *to, size_t size, const char *end)
{
	size_t n = 0;
	int got;

	to[0] = '\0';
	while (n + 1 < size && (got = SSL_read(t->ssl, to + n, (int)(size - 1 - n))) > 0) {
		n += (size_t)got;
		to[n] = '\0';
		if (end && n >= strlen(end) && !strcmp(to + n - strlen(end), end))
			break;
	}
	return n;
}

Test(http_tls, keep_alive)
{
	struct tls t = tls_connect();
	char text[2048];

	for (int i = 0; i < 3; i++) {
		tls_puts(&t, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");
		tls_read(&t, text, sizeof(text), "hello");
		cr_expect_eq(strncmp(text, "HTTP/1.1 200", 12), 0);
	}
	tls_close(&t);
	cr_expect(fx_wait(&f, &f.completed, 3));
}

Test(http_tls, answered_later)
{
	struct tls t = tls_connect();
	char text[2048];

	tls_puts(&t, "GET /later HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_assert(fx_wait(&f, &f.requests, 1));
	fx_release(&f);
	tls_read(&t, text, sizeof(text), "later");
	cr_expect_not_null(strstr(text, "\r\n\r\nlater"));
	tls_close(&t);
}

Test(http_tls, stream)
{
	struct tls t = tls_connect();
	size_t size = 1u << 20, xs = 0, n;
	char *text = malloc(size);

	for (int i = 0; i < 2; i++) {
		tls_puts(&t, "GET /stream?200-1000 HTTP/1.1\r\nHost: t\r\n\r\n");
		n = tls_read(&t, text, size, "\r\n0\r\n\r\n");
		xs = 0;
		for (const char *p = strstr(text, "\r\n\r\n"); p && p < text + n; p++)
			xs += *p == 'x';
		cr_expect_eq(xs, 200000, "%zu", xs);
	}
	free(text);
	tls_close(&t);
}

Test(http_tls, stream_begun_before_its_data)
{
	struct tls t = tls_connect();
	char text[2048];

	tls_puts(&t, "GET /open HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_assert(fx_wait(&f, &f.requests, 1));
	tls_read(&t, text, sizeof(text), "\r\n\r\n");
	fx_release(&f);
	tls_read(&t, text, sizeof(text), "0\r\n\r\n");
	cr_expect_not_null(strstr(text, "4\r\ntail\r\n"));
	tls_close(&t);
}

Test(http_tls, hangup_h2)
{
	struct tls t = tls_connect();

	tls_puts(&t, "GET /hang HTTP/1.1\r\nHost: t\r\n\r\n");
	cr_assert(fx_wait(&f, &f.requests, 1));
	tls_close(&t);
	cr_expect(fx_wait(&f, &f.gone, 1));
	cr_expect(fx_wait(&f, &f.finished, 1));
}

/* H4 with the handler's answer; H5: where libmicrohttpd would write its own there is none. */
Test(http_tls, refusals_h4_h5)
{
	static const struct {
		const char *request, *answer;
	} rows[] = {
		{"GET /who HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n", "HTTP/1.1 400 "},
		{"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999\r\n\r\n", "HTTP/1.1 413 "},
		{"GET /who HTTP/1.1\r\nno colon\r\n\r\n", ""},
		{"HELLO\r\n\r\n", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tls t = tls_connect();
		char text[2048];

		tls_puts(&t, rows[i].request);
		tls_read(&t, text, sizeof(text), NULL);
		cr_expect_eq(strncmp(text, rows[i].answer, strlen(rows[i].answer)), 0, "%s: %s", rows[i].request, text);
		cr_expect(rows[i].answer[0] || !text[0], "%s: %s", rows[i].request, text);
		cr_expect_null(strstr(text, "<html"));
		tls_close(&t);
	}
}

Test(http_tls, plain_bytes_end_the_connection)
{
	int fd = cl_connect(&f);
	char c;

	cl_puts(fd, "GET /who HTTP/1.1\r\nHost: t\r\n\r\n");
	while (recv(fd, &c, 1, 0) == 1)
		; /* a TLS alert may come */
	cr_expect_eq(f.requests, 0);
	close(fd);
}

Test(http_tls, broken_certificate)
{
	struct http_server_opts opts = HTTP_SERVER_OPTS_DEFAULT;
	struct http_handler h = {.request = (void (*)(struct http_exchange *, void *))abort};
	struct http_server *s = NULL;
	struct err e = {0};

	opts.tls_cert_pem = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";
	opts.tls_key_pem = key;
	cr_expect_lt(http_server_new(f.loop, &opts, &h, NULL, &s, &e), 0);
	cr_expect_not_null(strstr(e.msg, "certificate"));
	cr_expect_null(s);
	opts.tls_key_pem = NULL;
	cr_expect_eq(http_server_new(f.loop, &opts, &h, NULL, &s, &e), ERR_INVAL);
}
