/* Goal: TLS upstream is verified, resumed, and survives WANT_READ/WANT_WRITE, key updates and truncation.
 * Method: a blocking OpenSSL server in a thread, with certificates of a CA made for the test; the client on its loop.
 */
#include "certs.h"
#include "peer.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define T 30

/* What the server does with its nth connection. */
struct tls_script {
	const char *answer;
	size_t filler;    /* more bytes after it */
	unsigned answers; /* requests served before it closes; 0 = 1 */
	bool rude;        /* closes without close_notify */
	bool key_update;  /* asks for new keys in mid-answer */
	bool raw_close;   /* closes instead of a handshake */
};

struct tls_peer {
	pthread_t thread;
	int fd;
	unsigned port, count;
	SSL_CTX *ctx;
	const struct tls_script *scripts;
	atomic_uint handshakes, resumed, requests;
	atomic_size_t body_bytes;
	char alpn[16];
};

/* Reads one request; false at the end. */
static bool read_request(struct tls_peer *p, SSL *ssl)
{
	static _Thread_local char data[65536];
	size_t have = 0, need = 0, head = 0;

	for (;;) {
		int n = SSL_read(ssl, data + (head ? 0 : have), (int)(sizeof(data) - (head ? 0 : have)));
		const char *end, *v;

		if (n <= 0)
			return false;
		have += (size_t)n;
		if (!head && (end = memmem(data, have, "\r\n\r\n", 4))) {
			head = (size_t)(end - data) + 4;
			need = head;
			if (upstream_header(data, head, "content-length", &v) >= 0)
				need += strtoul(v, NULL, 10);
		}
		if (head && have >= need) {
			atomic_fetch_add(&p->body_bytes, have - head);
			return true;
		}
	}
}

static void write_all(SSL *ssl, const char *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		int n = SSL_write(ssl, data + at, len - at > 100000 ? 100000 : (int)(len - at));

		if (n <= 0)
			return;
		at += (size_t)n;
	}
}

static void serve(struct tls_peer *p, SSL *ssl, const struct tls_script *s)
{
	static const char xs[65536] = {[0 ... 65535] = 'x'};

	for (unsigned i = 0; i < (s->answers ? s->answers : 1); i++) {
		if (!read_request(p, ssl))
			return;
		atomic_fetch_add(&p->requests, 1);
		write_all(ssl, s->answer, strlen(s->answer));
		if (s->key_update)
			SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
		for (size_t left = s->filler; left;) {
			size_t n = left < sizeof(xs) ? left : sizeof(xs);

			write_all(ssl, xs, n);
			left -= n;
		}
	}
	if (!s->rude)
		SSL_shutdown(ssl);
}

static void *tls_main(void *arg)
{
	struct tls_peer *p = arg;

	for (unsigned i = 0;; i++) {
		const struct tls_script *s = &p->scripts[i < p->count ? i : p->count - 1];
		int fd = accept(p->fd, NULL, NULL);
		const unsigned char *alpn;
		unsigned alpn_len;
		SSL *ssl;

		if (fd < 0)
			return NULL;
		ssl = SSL_new(p->ctx);
		SSL_set_fd(ssl, fd);
		if (!s->raw_close && SSL_accept(ssl) == 1) {
			SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
			snprintf(p->alpn, sizeof(p->alpn), "%.*s", (int)alpn_len, (const char *)alpn);
			atomic_fetch_add(&p->handshakes, 1);
			if (SSL_session_reused(ssl))
				atomic_fetch_add(&p->resumed, 1);
			serve(p, ssl, s);
		}
		SSL_free(ssl);
		close(fd);
	}
}

static int alpn_choose(SSL *ssl, const unsigned char **out, unsigned char *len, const unsigned char *in,
		       unsigned in_len, void *arg)
{
	(void)ssl, (void)arg;
	*out = in + 1;
	*len = in[0];
	return in_len ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static void tls_start(struct tls_peer *p, const struct cert *leaf, int max_version, const struct tls_script *s,
		      unsigned n)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	signal(SIGPIPE, SIG_IGN); /* OpenSSL's server side writes with write() */
	memset(p, 0, sizeof(*p));
	p->scripts = s;
	p->count = n;
	p->ctx = SSL_CTX_new(TLS_server_method());
	cr_assert(SSL_CTX_use_certificate(p->ctx, leaf->x509) && SSL_CTX_use_PrivateKey(p->ctx, leaf->key));
	SSL_CTX_set_max_proto_version(p->ctx, max_version);
	SSL_CTX_set_min_proto_version(p->ctx, TLS1_VERSION);
	SSL_CTX_set_cipher_list(p->ctx, "DEFAULT@SECLEVEL=0");
	SSL_CTX_set_alpn_select_cb(p->ctx, alpn_choose, NULL);
	p->fd = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(p->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(p->fd, 16), 0);
	cr_assert_eq(getsockname(p->fd, (struct sockaddr *)&a, &len), 0);
	p->port = ntohs(a.sin_port);
	cr_assert_eq(pthread_create(&p->thread, NULL, tls_main, p), 0);
}

static void tls_stop(struct tls_peer *p)
{
	shutdown(p->fd, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	close(p->fd);
	SSL_CTX_free(p->ctx);
}

/* ---- the fixture: two CAs, one of them trusted */

static struct cert ca, other_ca;
static char dir[] = "/tmp/tg-upstream-XXXXXX", ca_file[64];

static void certs_make(void)
{
	cr_assert(mkdtemp(dir));
	ca = cert_ca("Tollgate test CA");
	other_ca = cert_ca("Another CA");
	snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", dir);
	cert_save(&ca, ca_file);
}

static void certs_drop(void)
{
	cert_done(&ca);
	cert_done(&other_ca);
	unlink(ca_file);
	rmdir(dir);
}

TestSuite(tls, .init = certs_make, .fini = certs_drop, .timeout = T);

static struct upstream_pool *tls_pool(struct loop *l, const char *host, unsigned port)
{
	struct upstream_opts o = UPSTREAM_OPTS_DEFAULT;
	struct upstream_pool *p = NULL;
	struct err err = {0};
	char url[64];

	o.ca_file = ca_file;
	snprintf(url, sizeof(url), "https://%s:%u", host, port);
	cr_assert_eq(upstream_pool_new(l, url, &o, &p, &err), 0, "%s", err.msg);
	return p;
}

#define OK_2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static const struct {
	const char *name, *host, *san;
	bool other_ca;
	long valid_s;
	int max_version;
	const char *why; /* NULL = accepted */
} rows[] = {
	{"name", "localhost", "DNS:localhost", false, 3600, 0, NULL},
	{"address", "127.0.0.1", "IP:127.0.0.1", false, 3600, 0, NULL},
	{"TLS 1.2", "localhost", "DNS:localhost", false, 3600, TLS1_2_VERSION, NULL},
	{"TLS 1.1", "localhost", "DNS:localhost", false, 3600, TLS1_1_VERSION, "TLS"},
	{"wrong name", "localhost", "DNS:example.com", false, 3600, 0, "ostname mismatch"},
	{"wrong address", "127.0.0.1", "IP:127.0.0.2", false, 3600, 0, "IP address mismatch"},
	{"name for an address", "127.0.0.1", "DNS:127.0.0.1", false, 3600, 0, "IP address mismatch"},
	{"partial wildcard", "localhost", "DNS:local*", false, 3600, 0, "ostname mismatch"},
	{"expired", "localhost", "DNS:localhost", false, -60, 0, "expired"},
	{"unknown CA", "localhost", "DNS:localhost", true, 3600, 0, "issuer certificate"},
};

Test(tls, verification)
{
	static const struct tls_script script = {.answer = OK_2};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cert leaf = cert_leaf(rows[i].other_ca ? &other_ca : &ca, rows[i].san, rows[i].valid_s);
		struct loop *l = test_loop();
		struct recorder r = {0};
		struct upstream_pool *p;
		struct tls_peer peer;

		tls_start(&peer, &leaf, rows[i].max_version, &script, 1);
		p = tls_pool(l, rows[i].host, peer.port);
		recorder_start(&r, l, p, NULL);
		test_run(l);
		upstream_pool_free(p);
		tls_stop(&peer);
		if (rows[i].why) {
			cr_expect_str_eq(r.text, "F-4", "%s: %s", rows[i].name, r.text);
			cr_expect(strstr(r.msg, rows[i].why), "%s: %s", rows[i].name, r.msg);
			cr_expect(!r.sent, "%s: a request went to an unverified peer", rows[i].name);
			cr_expect_eq(peer.requests, 0, "%s: the peer saw the request", rows[i].name);
		} else {
			cr_expect_str_eq(r.text, "H200 Bhi D", "%s: %s %s", rows[i].name, r.text, r.msg);
			cr_expect_str_eq(peer.alpn, "http/1.1");
		}
		cert_done(&leaf);
		loop_free(l);
	}
}

Test(tls, no_such_ca_file)
{
	struct upstream_opts o = UPSTREAM_OPTS_DEFAULT;
	struct loop *l = test_loop();
	struct upstream_pool *p = NULL;
	struct err err = {0};

	o.ca_file = "/nonexistent/ca.pem";
	cr_expect_eq(upstream_pool_new(l, "https://h", &o, &p, &err), ERR_INVAL);
	cr_expect(strstr(err.msg, "/nonexistent/ca.pem"), "%s", err.msg);
	cr_expect_null(p);
	loop_free(l);
}

/* A connection serves many requests; a second connection resumes the first one's session. */
static void sessions_check(int max_version)
{
	static const struct tls_script script = {.answer = OK_2, .answers = 2};
	struct cert leaf = cert_leaf(&ca, "DNS:localhost", 3600);
	struct loop *l = test_loop();
	struct upstream_pool *p;
	struct tls_peer peer;

	tls_start(&peer, &leaf, max_version, &script, 1);
	p = tls_pool(l, "localhost", peer.port);
	for (int i = 0; i < 6; i++) {
		struct recorder r = {0};

		recorder_start(&r, l, p, NULL);
		test_run(l);
		cr_expect_str_eq(r.text, "H200 Bhi D", "%d: %s %s", i, r.text, r.msg);
	}
	upstream_pool_free(p);
	tls_stop(&peer);
	cr_expect_eq(peer.requests, 6);
	cr_expect_eq(peer.handshakes, 3);
	cr_expect_eq(peer.resumed, 2);
	cert_done(&leaf);
	loop_free(l);
}

Test(tls, sessions_are_resumed)
{
	sessions_check(0);
	sessions_check(TLS1_2_VERSION);
}

/* Bodies beyond every buffer in both directions, with new keys in mid-answer, and the connection still good after it.
 */
Test(tls, large_both_ways)
{
	size_t size = (size_t)8 << 20;
	const struct tls_script scripts[] = {{.answer = "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n",
					      .filler = size,
					      .answers = 3,
					      .key_update = true}};
	char *body = malloc(size);
	const struct upstream_send s = {.method = "POST", .path = "/", .body = body, .body_len = size};
	struct cert leaf = cert_leaf(&ca, "DNS:localhost", 3600);
	struct loop *l = test_loop();
	struct upstream_pool *p;
	struct tls_peer peer;

	memset(body, 'b', size);
	tls_start(&peer, &leaf, 0, scripts, 1);
	p = tls_pool(l, "localhost", peer.port);
	for (int i = 0; i < 3; i++) {
		struct recorder r = {0};

		recorder_start(&r, l, p, &s);
		test_run(l);
		cr_expect_eq(r.body_bytes, size, "%d: %zu %s", i, r.body_bytes, r.msg);
		cr_expect(!r.code, "%d: %s", i, r.msg);
	}
	cr_expect_eq(test_stats(p).tls_handshakes, 1);
	upstream_pool_free(p);
	tls_stop(&peer);
	cr_expect_eq(peer.body_bytes, 3 * size);
	cert_done(&leaf);
	loop_free(l);
	free(body);
}

/* Paused after every record: what OpenSSL has read ahead isn't forgotten (no edge will tell of it again). */
Test(tls, pause_in_every_callback)
{
	const struct tls_script script = {
		.answer = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", .filler = 1000000, .answers = 2};
	struct cert leaf = cert_leaf(&ca, "DNS:localhost", 3600);
	struct loop *l = test_loop();
	struct upstream_pool *p;
	struct tls_peer peer;

	tls_start(&peer, &leaf, 0, &script, 1);
	p = tls_pool(l, "localhost", peer.port);
	for (int i = 0; i < 2; i++) {
		struct recorder r = {0};

		recorder_stutter(&r, l);
		recorder_start(&r, l, p, NULL);
		test_run(l);
		loop_timer_del(l, &r.stutter);
		cr_expect_eq(r.body_bytes, 1000000, "%d: %zu %s", i, r.body_bytes, r.msg);
		cr_expect(!r.code, "%d: %s", i, r.msg);
	}
	upstream_pool_free(p);
	tls_stop(&peer);
	cr_expect_eq(peer.handshakes, 1);
	cert_done(&leaf);
	loop_free(l);
}

/* A close-delimited answer ends well only with close_notify: anyone on the way can forge a FIN. */
Test(tls, truncation)
{
	static const struct {
		struct tls_script script;
		const char *events;
	} cases[] = {
		{{.answer = "HTTP/1.1 200 OK\r\n\r\nhi"}, "H200 Bhi D"},
		{{.answer = "HTTP/1.1 200 OK\r\n\r\nhi", .rude = true}, "H200 Bhi F-12"},
		{{.answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi"}, "H200 Bhi F-12"},
		{{.raw_close = true}, "F-4"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cert leaf = cert_leaf(&ca, "DNS:localhost", 3600);
		struct loop *l = test_loop();
		struct recorder r = {0};
		struct upstream_pool *p;
		struct tls_peer peer;

		tls_start(&peer, &leaf, 0, &cases[i].script, 1);
		p = tls_pool(l, "localhost", peer.port);
		recorder_start(&r, l, p, NULL);
		test_run(l);
		cr_expect_str_eq(r.text, cases[i].events, "%zu: %s %s", i, r.text, r.msg);
		upstream_pool_free(p);
		tls_stop(&peer);
		cert_done(&leaf);
		loop_free(l);
	}
}

/* The server closes after each answer, seen by the client before or after the next request goes out: dropped, or U2. */
Test(tls, stale_connections)
{
	static const struct tls_script script = {.answer = OK_2, .answers = 1};
	struct cert leaf = cert_leaf(&ca, "DNS:localhost", 3600);
	struct loop *l = test_loop();
	struct upstream_pool *p;
	struct tls_peer peer;

	tls_start(&peer, &leaf, 0, &script, 1);
	p = tls_pool(l, "localhost", peer.port);
	for (int i = 0; i < 20; i++) {
		struct recorder r = {0};

		recorder_start(&r, l, p, NULL);
		test_run(l);
		cr_expect_str_eq(r.text, "H200 Bhi D", "%d: %s %s", i, r.text, r.msg);
	}
	upstream_pool_free(p);
	tls_stop(&peer);
	cr_expect_eq(peer.requests, 20);
	cert_done(&leaf);
	loop_free(l);
}
