/* Hashes over OpenSSL's EVP. The algorithms are fetched once: an implicit fetch per call costs more than the hash.
 * EVP_MAC and EVP_MD objects are shared between threads, contexts are not. */
#include "crypto/keyed.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static EVP_MAC_CTX *hmac_template; /* HMAC-SHA256 without a key; only ever duplicated */

static void fetch_once(void)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

	EVP_MAC_free(hmac); /* the context holds its own reference */
	if (ctx && EVP_MAC_CTX_set_params(ctx, params) == 1)
		hmac_template = ctx;
	else
		EVP_MAC_CTX_free(ctx);
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static int fetched(const void *what, const char *name, struct err *err)
{
	if (what)
		return 0;
	return err_set(err, ERR_UNSUPPORTED, "OpenSSL offers no %s (is its default provider disabled?)", name);
}

static void mac_ctx_freep(EVP_MAC_CTX **ctx)
{
	EVP_MAC_CTX_free(*ctx);
}

int crypto_key_hash(const uint8_t pepper[CRYPTO_PEPPER_LEN], const char *text, size_t len, uint8_t out[KEY_HASH_LEN],
		    struct err *err)
{
	_cleanup_(mac_ctx_freep) EVP_MAC_CTX *ctx = NULL;
	uint8_t mac[KEY_HASH_LEN];
	size_t mac_len = 0;
	int rc;

	pthread_once(&once, fetch_once);
	rc = fetched(hmac_template, "HMAC-SHA256", err);
	if (rc < 0)
		return rc;
	ctx = EVP_MAC_CTX_dup(hmac_template);
	if (!ctx)
		return err_set(err, ERR_NOMEM, "out of memory for HMAC-SHA256");
	if (EVP_MAC_init(ctx, pepper, CRYPTO_PEPPER_LEN, NULL) != 1 ||
	    EVP_MAC_update(ctx, (const unsigned char *)text, len) != 1 ||
	    EVP_MAC_final(ctx, mac, &mac_len, sizeof(mac)) != 1 || mac_len != sizeof(mac))
		return err_set(err, ERR_IO, "HMAC-SHA256 failed in OpenSSL");
	for (size_t i = 0; i < sizeof(mac); i++)
		out[i] = mac[i];
	return 0;
}

int crypto_sha256(const void *data, size_t len, uint8_t out[32], struct err *err)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	int rc;

	pthread_once(&once, fetch_once);
	rc = fetched(sha256, "SHA-256", err);
	if (rc < 0)
		return rc;
	if (EVP_Digest(data, len, digest, &n, sha256, NULL) != 1 || n != 32)
		return err_set(err, ERR_IO, "SHA-256 failed in OpenSSL");
	for (size_t i = 0; i < 32; i++)
		out[i] = digest[i];
	return 0;
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}
