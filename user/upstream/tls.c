/* TLS by OpenSSL 3: peer and host name verified, sessions reused per pool. */
#include "upstream/internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static const char *error_text(void)
{
	const char *s = ERR_reason_error_string(ERR_peek_last_error());

	return s ? s : "unknown error";
}

/* The server gave us a session (TLS 1.3: a ticket, any time): keep the latest. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct upstream_pool *p = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(p->session);
	p->session = session;
	return 1; /* ours now */
}

static bool context_set_up(SSL_CTX *ctx, const char *ca_file)
{
	static const unsigned char alpn[] = "\x08http/1.1";

	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/* A record costs one recv instead of two. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1) == 0 &&
	       (ca_file ? SSL_CTX_load_verify_file(ctx, ca_file) : SSL_CTX_set_default_verify_paths(ctx)) == 1;
}

SSL_CTX *tls_context_new(struct upstream_pool *p, const char *ca_file, struct err *err)
{
	SSL_CTX *ctx;

	ERR_clear_error();
	ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx || !context_set_up(ctx, ca_file)) {
		err_set(err, ERR_INVAL, "TLS set-up (CA file %s): %s", ca_file ? ca_file : "of the system",
			error_text());
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_app_data(ctx, p);
	return ctx;
}

/* The certificate must name the host (no partial wildcards), or carry the address as an IP SAN. */
static bool verify_name(SSL *ssl, const struct upstream_url *u)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (u->numeric)
		return X509_VERIFY_PARAM_set1_ip_asc(param, u->host) == 1;
	return X509_VERIFY_PARAM_set1_host(param, u->host, 0) == 1 && SSL_set_tlsext_host_name(ssl, u->host) == 1;
}

SSL *tls_session_new(struct upstream_pool *p, int fd)
{
	SSL *ssl;

	ERR_clear_error();
	ssl = SSL_new(p->tls);
	if (!ssl || !verify_name(ssl, &p->url) || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_connect_state(ssl);
	/* A refused session only costs a full handshake. */
	if (p->session)
		SSL_set_session(ssl, p->session);
	return ssl;
}

int tls_handshake(SSL *ssl, char *why, size_t why_size)
{
	long verified;
	int n;

	ERR_clear_error();
	n = SSL_do_handshake(ssl);
	if (n == 1)
		return 1;
	switch (SSL_get_error(ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	case SSL_ERROR_SYSCALL:
		snprintf(why, why_size, "TLS: the peer closed in the handshake");
		return ERR_IO;
	default:
		verified = SSL_get_verify_result(ssl);
		snprintf(why, why_size, "TLS: %s",
			 verified != X509_V_OK ? X509_verify_cert_error_string(verified) : error_text());
		return ERR_IO;
	}
}
