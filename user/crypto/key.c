/* The text of an API key: "tg_live_" + 43 random characters + 6 check characters, all base62.
 *
 * Invariants (tests cite them):
 *  C1  Each random character is uniform over 62: bytes that would favour some characters are thrown away. 43 of them
 *      hold 43 * log2(62) = 256.03 bits.
 *  C2  The check part is the CRC-32 of what precedes: it tells a typing error from an unknown key, and guards nothing.
 */
#include "crypto/keyed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <zlib.h>

#define PREFIX "tg_live_"
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define RANDOM_CHARS 43u
#define CHECK_CHARS 6u /* 62^6 > 2^32 */
#define TEXT_LEN (PREFIX_LEN + RANDOM_CHARS + CHECK_CHARS)
_Static_assert(TEXT_LEN < KEY_TEXT_MAX, "a key's text fits its buffer");

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

int crypto_random(void *out, size_t len, struct err *err)
{
	unsigned char *p = out;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "getrandom");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static void put_check(const char *text, char out[CHECK_CHARS])
{
	unsigned long crc = crc32(0, (const unsigned char *)text, PREFIX_LEN + RANDOM_CHARS);

	for (size_t i = CHECK_CHARS; i-- > 0; crc /= 62)
		out[i] = base62[crc % 62];
}

int crypto_key_make(char text[KEY_TEXT_MAX], struct err *err)
{
	char made[TEXT_LEN + 1] = PREFIX;
	unsigned char pool[64];
	size_t have = 0;

	while (have < RANDOM_CHARS) {
		int rc = crypto_random(pool, sizeof(pool), err);

		if (rc < 0)
			return rc;
		for (size_t i = 0; i < sizeof(pool) && have < RANDOM_CHARS; i++)
			if (pool[i] < 62 * 4) /* C1 */
				made[PREFIX_LEN + have++] = base62[pool[i] % 62];
	}
	put_check(made, made + PREFIX_LEN + RANDOM_CHARS);
	memcpy(text, made, sizeof(made));
	explicit_bzero(made, sizeof(made));
	explicit_bzero(pool, sizeof(pool));
	return 0;
}

static bool is_base62(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool crypto_key_well_formed(const char *text, size_t len)
{
	char check[CHECK_CHARS];

	if (len != TEXT_LEN || memcmp(text, PREFIX, PREFIX_LEN) != 0)
		return false;
	for (size_t i = PREFIX_LEN; i < TEXT_LEN; i++)
		if (!is_base62(text[i]))
			return false;
	put_check(text, check);
	return memcmp(check, text + PREFIX_LEN + RANDOM_CHARS, CHECK_CHARS) == 0;
}

void crypto_key_hint(const char *text, size_t len, char hint[KEY_HINT_MAX])
{
	/* Anything that isn't a whole key shows nothing of itself. */
	if (len < TEXT_LEN)
		snprintf(hint, KEY_HINT_MAX, PREFIX "...");
	else
		snprintf(hint, KEY_HINT_MAX, "%.*s...%.4s", (int)PREFIX_LEN + 4, text, text + len - 4);
}
