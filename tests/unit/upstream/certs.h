/* A throw-away CA and certificates, made in the test. */
#ifndef TEST_CERTS_H
#define TEST_CERTS_H

#include <openssl/ssl.h>

struct cert {
	X509 *x509;
	EVP_PKEY *key;
};

struct cert cert_ca(const char *name);
/* san: "DNS:localhost,IP:127.0.0.1"; valid until now + valid_s (negative = expired). */
struct cert cert_leaf(const struct cert *ca, const char *san, long valid_s);
void cert_done(struct cert *c);
/* Writes the certificate as PEM. */
void cert_save(const struct cert *c, const char *path);

#endif
