/* Goal: C1, C2 of crypto/key.c; hashes against published vectors.
 * Method: many made keys counted per character (chi-square), single-character errors, RFC 4231 and FIPS 180 vectors,
 * an independent HMAC by OpenSSL's one-shot call. */
#include "crypto/keyed.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define TEXT_LEN 57u

static void make(char text[KEY_TEXT_MAX])
{
	struct err err;

	cr_assert_eq(crypto_key_make(text, &err), 0, "%s", err.msg);
}

Test(key, form)
{
	char text[KEY_TEXT_MAX], other[KEY_TEXT_MAX];

	make(text);
	make(other);
	cr_expect_eq(strlen(text), TEXT_LEN);
	cr_expect_eq(strncmp(text, "tg_live_", 8), 0);
	cr_expect(crypto_key_well_formed(text, strlen(text)));
	cr_expect_str_neq(text, other);
}

/* C1: 20,000 keys give 860,000 characters; chi-square with 61 degrees of freedom exceeds 137 once in 10^7 runs. With
 * `byte % 62` over all 256 bytes it would be about 5,600. */
Test(key, characters_are_uniform)
{
	double count[256] = {0}, chi = 0, want = 20000.0 * 43 / 62;

	for (int n = 0; n < 20000; n++) {
		char text[KEY_TEXT_MAX];

		make(text);
		for (size_t i = 8; i < 8 + 43; i++)
			count[(unsigned char)text[i]]++;
	}
	for (int c = 0; c < 256; c++) {
		bool good = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

		if (good)
			chi += (count[c] - want) * (count[c] - want) / want;
		else
			cr_expect_eq(count[c], 0, "character %d", c);
	}
	cr_expect_lt(chi, 137.0, "chi-square %f", chi);
}

/* C2: every single-character error and every swap of neighbours is seen (CRC-32 guarantees it at this length). */
Test(key, typing_errors)
{
	char text[KEY_TEXT_MAX], wrong[KEY_TEXT_MAX];

	make(text);
	for (size_t i = 0; i < TEXT_LEN; i++) {
		memcpy(wrong, text, sizeof(wrong));
		wrong[i] = text[i] == 'x' ? 'y' : 'x';
		cr_expect_not(crypto_key_well_formed(wrong, TEXT_LEN), "character %zu", i);
		memcpy(wrong, text, sizeof(wrong));
		if (i + 1 == TEXT_LEN || wrong[i] == wrong[i + 1])
			continue;
		wrong[i] = text[i + 1];
		wrong[i + 1] = text[i];
		cr_expect_not(crypto_key_well_formed(wrong, TEXT_LEN), "swap at %zu", i);
	}
	for (size_t len = 0; len < TEXT_LEN; len++)
		cr_expect_not(crypto_key_well_formed(text, len), "length %zu", len);
	cr_expect_not(crypto_key_well_formed("", 0));
	memset(wrong, 'a', sizeof(wrong));
	cr_expect_not(crypto_key_well_formed(wrong, TEXT_LEN + 1));
}

Test(key, hint)
{
	char text[KEY_TEXT_MAX], hint[KEY_HINT_MAX], want[KEY_HINT_MAX];

	make(text);
	crypto_key_hint(text, strlen(text), hint);
	snprintf(want, sizeof(want), "tg_live_%.4s...%.4s", text + 8, text + TEXT_LEN - 4);
	cr_expect_str_eq(hint, want);
	crypto_key_hint("short-secret", 12, hint);
	cr_expect_str_eq(hint, "tg_live_...", "what isn't a whole key shows nothing of itself");
}

/* RFC 4231's keys aren't 32 bytes long, so that the vector here is its case 1 padded: HMAC pads keys with zeros. */
Test(hash, hmac_vector)
{
	static const uint8_t want[32] = {0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53, 0x5c, 0xa8, 0xaf,
					 0xce, 0xaf, 0x0b, 0xf1, 0x2b, 0x88, 0x1d, 0xc2, 0x00, 0xc9, 0x83,
					 0x3d, 0xa7, 0x26, 0xe9, 0x37, 0x6c, 0x2e, 0x32, 0xcf, 0xf7};
	uint8_t pepper[CRYPTO_PEPPER_LEN] = {0}, got[KEY_HASH_LEN];
	struct err err;

	memset(pepper, 0x0b, 20);
	cr_assert_eq(crypto_key_hash(pepper, "Hi There", 8, got, &err), 0, "%s", err.msg);
	cr_expect_arr_eq(got, want, 32);
}

Test(hash, sha256_vectors)
{
	static const struct {
		const char *text;
		uint8_t first[4], last[4];
	} rows[] = {
		{"abc", {0xba, 0x78, 0x16, 0xbf}, {0xf2, 0x00, 0x15, 0xad}},
		{"", {0xe3, 0xb0, 0xc4, 0x42}, {0x78, 0x52, 0xb8, 0x55}},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 {0x24, 0x8d, 0x6a, 0x61},
		 {0x19, 0xdb, 0x06, 0xc1}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t got[32];
		struct err err;

		cr_assert_eq(crypto_sha256(rows[i].text, strlen(rows[i].text), got, &err), 0, "%s", err.msg);
		cr_expect_arr_eq(got, rows[i].first, 4, "'%s'", rows[i].text);
		cr_expect_arr_eq(got + 28, rows[i].last, 4, "'%s'", rows[i].text);
	}
}

static void *hash_many(void *arg)
{
	uint8_t pepper[CRYPTO_PEPPER_LEN];
	long *bad = arg;

	memset(pepper, 7, sizeof(pepper));
	for (int i = 0; i < 2000; i++) {
		uint8_t got[KEY_HASH_LEN], want[32];
		char text[32];
		int len = snprintf(text, sizeof(text), "key %p %d", arg, i);
		unsigned n = 0;

		if (crypto_key_hash(pepper, text, (size_t)len, got, NULL) < 0)
			++*bad;
		HMAC(EVP_sha256(), pepper, sizeof(pepper), (const unsigned char *)text, (size_t)len, want, &n);
		*bad += !crypto_equal(got, want, 32);
	}
	return NULL;
}

Test(hash, threads)
{
	pthread_t threads[4];
	long bad[4] = {0};

	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, hash_many, &bad[i]), 0);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		cr_expect_eq(bad[i], 0);
	}
}

Test(hash, equal)
{
	cr_expect(crypto_equal("abcd", "abcd", 4));
	cr_expect_not(crypto_equal("abcd", "abce", 4));
	cr_expect_not(crypto_equal("xbcd", "abcd", 4));
	cr_expect(crypto_equal("x", "y", 0));
}
