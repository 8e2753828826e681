#include "certs.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static void extension_add(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	cr_assert(e && X509_add_ext(x, e, -1));
	X509_EXTENSION_free(e);
}

static struct cert cert_new(const char *name, long valid_s)
{
	static long serial = 1;
	struct cert c = {.x509 = X509_new(), .key = EVP_EC_gen("P-256")};
	X509_NAME *subject = X509_get_subject_name(c.x509);

	cr_assert(c.x509 && c.key);
	X509_set_version(c.x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c.x509), serial++);
	X509_gmtime_adj(X509_getm_notBefore(c.x509), -86400);
	X509_gmtime_adj(X509_getm_notAfter(c.x509), valid_s);
	X509_set_pubkey(c.x509, c.key);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	return c;
}

struct cert cert_ca(const char *name)
{
	struct cert c = cert_new(name, 3600);

	X509_set_issuer_name(c.x509, X509_get_subject_name(c.x509));
	extension_add(c.x509, c.x509, NID_basic_constraints, "critical,CA:TRUE");
	extension_add(c.x509, c.x509, NID_key_usage, "critical,keyCertSign,cRLSign");
	cr_assert(X509_sign(c.x509, c.key, EVP_sha256()));
	return c;
}

struct cert cert_leaf(const struct cert *ca, const char *san, long valid_s)
{
	struct cert c = cert_new("leaf", valid_s);

	X509_set_issuer_name(c.x509, X509_get_subject_name(ca->x509));
	extension_add(c.x509, ca->x509, NID_subject_alt_name, san);
	cr_assert(X509_sign(c.x509, ca->key, EVP_sha256()));
	return c;
}

void cert_done(struct cert *c)
{
	X509_free(c->x509);
	EVP_PKEY_free(c->key);
}

void cert_save(const struct cert *c, const char *path)
{
	FILE *f = fopen(path, "w");

	cr_assert(f && PEM_write_X509(f, c->x509) == 1);
	fclose(f);
}
