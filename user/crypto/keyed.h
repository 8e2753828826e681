/* API keys: made, checked, hashed. The room (with upstream/ for TLS) that includes openssl. */
#ifndef CRYPTO_KEYED_H
#define CRYPTO_KEYED_H

#include "base/err.h"
#include "model/tenant.h"

#include <stdbool.h>
#include <stdint.h>

#define CRYPTO_PEPPER_LEN 32

/* From the kernel's random source; fails only when that does. */
int crypto_random(void *out, size_t len, struct err *err) MUST_CHECK;

/* A new API key: "tg_live_" + 43 characters base62 (256 bits) + 6 characters check part over what precedes. */
int crypto_key_make(char text[KEY_TEXT_MAX], struct err *err) MUST_CHECK;
/* Form and check part are right (says nothing about whether the key exists). Lets typing errors be told apart. */
bool crypto_key_well_formed(const char *text, size_t len);
/* "tg_live_ab12...wxyz" */
void crypto_key_hint(const char *text, size_t len, char hint[KEY_HINT_MAX]);
/* HMAC-SHA256(pepper, text). */
int crypto_key_hash(const uint8_t pepper[CRYPTO_PEPPER_LEN], const char *text, size_t len, uint8_t out[KEY_HASH_LEN],
		    struct err *err) MUST_CHECK;
/* Constant time. */
bool crypto_equal(const void *a, const void *b, size_t len);
/* SHA-256, for hash chains. */
int crypto_sha256(const void *data, size_t len, uint8_t out[32], struct err *err) MUST_CHECK;
/* The 32-byte secret in `path`; made (mode 0600, fsynced, renamed into place) when absent. */
int crypto_secret_file(const char *path, uint8_t out[CRYPTO_PEPPER_LEN], struct err *err) MUST_CHECK;

#endif
