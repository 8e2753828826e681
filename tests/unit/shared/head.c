/* Goal: H1 to H3 of tollgate/head.h.
 * Method: table of heads with what must come out; each again byte by byte for H3; sanitizers watch H1. */
#include "tollgate/head.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define REQ "POST /v1/chat/completions HTTP/1.1\r\n"
#define DONE TG_HEAD_DONE
#define AMB TG_HEAD_AMBIGUOUS
#define KEY TG_HEAD_KEY

static const struct row {
	const char *name, *text;
	unsigned flags;
	const char *path, *key;
	unsigned length;
} rows[] = {
	{"plain", REQ "Host: a\r\n\r\n", DONE, "/v1/chat/completions", NULL, 0},
	{"query", "GET /v1/models?limit=3&a=? HTTP/1.1\r\n\r\n", DONE, "/v1/models", NULL, 0},
	{"HTTP/1.0", "GET /x HTTP/1.0\r\n\r\n", DONE, "/x", NULL, 0},
	{"bearer", REQ "Authorization: Bearer abc\r\n\r\n", DONE | KEY, NULL, "abc", 0},
	{"bearer, cases", REQ "aUTHORIZATION: BEARER abc\r\n\r\n", DONE | KEY, NULL, "abc", 0},
	{"bearer, no blank after the colon", REQ "Authorization:Bearer abc\r\n\r\n", DONE | KEY, NULL, "abc", 0},
	{"x-api-key", REQ "X-Api-Key: k1\r\n\r\n", DONE | KEY, NULL, "k1", 0},
	{"api-key", REQ "api-key:k2\r\n\r\n", DONE | KEY, NULL, "k2", 0},
	{"x-goog-api-key", REQ "x-goog-api-key: k3\r\n\r\n", DONE | KEY, NULL, "k3", 0},
	{"names that only begin so",
	 REQ "x-api-keys: a\r\nAuthorization-Info: b\r\nContent-Lengths: x\r\napi-key2: c\r\n\r\n", DONE, NULL, NULL,
	 0},
	{"length", REQ "Content-Length: 1234\r\n\r\n", DONE | TG_HEAD_LENGTH, NULL, NULL, 1234},
	{"length 0", REQ "content-length:0\r\n\r\n", DONE | TG_HEAD_LENGTH, NULL, NULL, 0},
	{"longest length", REQ "Content-Length: 999999999\r\n\r\n", DONE | TG_HEAD_LENGTH, NULL, NULL, 999999999},
	{"coding", REQ "Transfer-Encoding: chunked\r\n\r\n", DONE | TG_HEAD_CODING, NULL, NULL, 0},
	{"expect", REQ "Expect: 100-continue\r\n\r\n", DONE | TG_HEAD_EXPECT, NULL, NULL, 0},
	{"close", REQ "Connection: Close\r\n\r\n", DONE | TG_HEAD_CLOSE, NULL, NULL, 0},
	{"keep-alive", REQ "Connection: keep-alive\r\n\r\n", DONE, NULL, NULL, 0},
	{"tab in a value", REQ "A: b\tc\r\n\r\n", DONE, NULL, NULL, 0},
	{"bytes over 127", REQ "A: \xc3\xa4\xff\r\n\r\n", DONE, NULL, NULL, 0},
	{"stops at the blank line", REQ "\r\nx-api-key: no\r\nContent-Length: 5\r\n\r\n", DONE, NULL, NULL, 0},
	/* H2 */
	{"two keys", REQ "x-api-key: a\r\napi-key: a\r\n\r\n", AMB, NULL, NULL, 0},
	{"same key header twice", REQ "x-api-key: a\r\nX-API-KEY: a\r\n\r\n", AMB, NULL, NULL, 0},
	{"empty key", REQ "x-api-key: \r\n\r\n", AMB, NULL, NULL, 0},
	{"empty key, no blank", REQ "x-api-key:\r\n\r\n", AMB, NULL, NULL, 0},
	{"key after two blanks", REQ "x-api-key:  a\r\n\r\n", AMB, NULL, NULL, 0},
	{"bearer without key", REQ "Authorization: Bearer \r\n\r\n", AMB, NULL, NULL, 0},
	{"bearer alone", REQ "Authorization: Bearer\r\n\r\n", AMB, NULL, NULL, 0},
	{"basic", REQ "Authorization: Basic YTpi\r\n\r\n", AMB, NULL, NULL, 0},
	{"blank before the colon", REQ "Content-Length : 5\r\n\r\n", AMB, NULL, NULL, 0},
	{"tab before the colon", REQ "x-api-key\t: 5\r\n\r\n", AMB, NULL, NULL, 0},
	{"two lengths", REQ "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", AMB, NULL, NULL, 0},
	{"length and coding", REQ "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", AMB, NULL, NULL, 0},
	{"coding and length", REQ "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", AMB, NULL, NULL, 0},
	{"two codings", REQ "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", AMB, NULL, NULL, 0},
	{"negative length", REQ "Content-Length: -1\r\n\r\n", AMB, NULL, NULL, 0},
	{"signed length", REQ "Content-Length: +1\r\n\r\n", AMB, NULL, NULL, 0},
	{"hexadecimal length", REQ "Content-Length: 0x5\r\n\r\n", AMB, NULL, NULL, 0},
	{"list of lengths", REQ "Content-Length: 5, 5\r\n\r\n", AMB, NULL, NULL, 0},
	{"length with a blank after", REQ "Content-Length: 5 \r\n\r\n", AMB, NULL, NULL, 0},
	{"no length", REQ "Content-Length: \r\n\r\n", AMB, NULL, NULL, 0},
	{"length too long", REQ "Content-Length: 1000000000\r\n\r\n", AMB, NULL, NULL, 0},
	{"folded with a blank", REQ "A: b\r\n c\r\n\r\n", AMB, NULL, NULL, 0},
	{"folded with a tab", REQ "A: b\r\n\tc\r\n\r\n", AMB, NULL, NULL, 0},
	{"bare LF", REQ "A: b\nC: d\r\n\r\n", AMB, NULL, NULL, 0},
	{"bare CR", REQ "A: b\rC: d\r\n\r\n", AMB, NULL, NULL, 0},
	{"control character", REQ "A: \x01\r\n\r\n", AMB, NULL, NULL, 0},
	{"control character that folds to a dash", REQ "content\rlength: 5\r\n\r\n", AMB, NULL, NULL, 0},
	{"LF request line", "GET /x HTTP/1.1\nA: b\r\n\r\n", AMB, NULL, NULL, 0},
	{"HTTP/2.0", "GET /x HTTP/2.0\r\n\r\n", AMB, NULL, NULL, 0},
	{"HTTP/0.9", "GET /verylongpath\r\n\r\n", AMB, NULL, NULL, 0},
	{"two blanks", "GET /x  HTTP/1.1\r\n\r\n", AMB, NULL, NULL, 0},
	{"blank in the path", "GET /x y HTTP/1.1\r\n\r\n", AMB, NULL, NULL, 0},
	{"lower-case version", "GET /x http/1.1\r\n\r\n", AMB, NULL, NULL, 0},
	/* neither: more bytes are needed */
	{"no blank line yet", REQ "A: b\r\n", 0, NULL, NULL, 0},
	{"cut before the last LF", REQ "A: b\r\n\r", 0, NULL, NULL, 0},
};

static void check(const struct row *r, const struct tg_head_buf *buf, const struct tg_head *h)
{
	if (r->flags & AMB) {
		cr_expect(h->flags & AMB, "%s: flags %x", r->name, h->flags);
		return;
	}
	cr_expect_eq(h->flags, r->flags, "%s: flags %x", r->name, h->flags);
	if (r->path)
		cr_expect(h->path_len == strlen(r->path) && !memcmp(buf->b + h->path_off, r->path, h->path_len), "%s",
			  r->name);
	if (r->key)
		cr_expect(h->key_len == strlen(r->key) && !memcmp(buf->b + h->key_off, r->key, h->key_len), "%s",
			  r->name);
	cr_expect_eq(h->content_length, r->length, "%s", r->name);
	if (h->flags & DONE) {
		const char *end = strstr(r->text, "\r\n\r\n");

		cr_expect_eq(h->head_len, end + 4 - r->text, "%s", r->name);
	}
}

Test(shared_head, rows)
{
	struct tg_head_buf buf;
	struct tg_head h;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&buf, 0xaa, sizeof(buf)); /* what is behind the input must not matter */
		tg_head_parse(&buf, &h, rows[i].text, strlen(rows[i].text));
		check(&rows[i], &buf, &h);
	}
}

/* H3: first n bytes, then all; for every n that holds the whole path. */
Test(shared_head, in_two_pieces)
{
	struct tg_head_buf buf;
	struct tg_head h;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		__u32 len = (__u32)strlen(rows[i].text);

		for (__u32 n = 16; n < len; n++) {
			memset(&buf, 0xaa, sizeof(buf));
			memcpy(buf.b, rows[i].text, n);
			memset(buf.b + n, 0, 16);
			tg_head_begin(&buf, &h, n);
			if (h.method == TG_METHOD_NONE)
				continue;
			tg_head_scan(&buf, &h, n);
			if (!(h.flags & (DONE | AMB))) {
				memcpy(buf.b + n, rows[i].text + n, len - n);
				memset(buf.b + len, 0, 16);
				tg_head_scan(&buf, &h, len);
			}
			check(&rows[i], &buf, &h);
		}
	}
}

Test(shared_head, methods)
{
	static const struct {
		const char *text;
		enum tg_method method;
	} cases[] = {{"GET /a HTTP/1.1\r\n\r\n", TG_METHOD_GET},         {"POST /a HTTP/1.1\r\n\r\n", TG_METHOD_POST},
		     {"PUT /a HTTP/1.1\r\n\r\n", TG_METHOD_PUT},         {"HEAD /a HTTP/1.1\r\n\r\n", TG_METHOD_HEAD},
		     {"DELETE /a HTTP/1.1\r\n\r\n", TG_METHOD_DELETE},   {"PATCH /a HTTP/1.1\r\n\r\n", TG_METHOD_PATCH},
		     {"OPTIONS /a HTTP/1.1\r\n\r\n", TG_METHOD_OPTIONS}, {"GETX /a HTTP/1.1\r\n\r\n", TG_METHOD_NONE},
		     {"POSTS /a HTTP/1.1\r\n\r\n", TG_METHOD_NONE},      {"get /a HTTP/1.1\r\n\r\n", TG_METHOD_NONE},
		     {"DELEGATE /a HTTP/1.1\r\n\r\n", TG_METHOD_NONE},   {"", TG_METHOD_NONE},
		     {"GET /a", TG_METHOD_NONE /* path not whole */}};
	struct tg_head_buf buf;
	struct tg_head h;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&buf, ' ', sizeof(buf));
		tg_head_parse(&buf, &h, cases[i].text, strlen(cases[i].text));
		cr_expect_eq(h.method, cases[i].method, "%s", cases[i].text);
	}
}

Test(shared_head, longest)
{
	struct tg_head_buf buf;
	struct tg_head h;
	char text[2 * TG_HEAD_MAX];
	int n;

	/* a key of 257 is one too many; a head of TG_HEAD_MAX bytes is still whole, one more is not */
	n = snprintf(text, sizeof(text), REQ "x-api-key: %0257d\r\n\r\n", 1);
	tg_head_parse(&buf, &h, text, (size_t)n);
	cr_expect(h.flags & AMB);
	for (int more = 0; more < 2; more++) {
		int fill = (int)TG_HEAD_MAX - (int)strlen(REQ "A: \r\n\r\n") + more;

		n = snprintf(text, sizeof(text), REQ "A: %0*d\r\n\r\n", fill, 7);
		tg_head_parse(&buf, &h, text, (size_t)n);
		cr_expect_eq(h.flags, more ? 0u : DONE, "%d bytes: %x", n, h.flags);
	}
}

/* H1 under noise: random bytes, and good heads with random damage; ends, in bounds, whatever it says. */
Test(shared_head, noise)
{
	struct tg_head_buf *buf = malloc(sizeof(*buf)); /* on the heap, where ASan sees its ends */
	struct tg_head h;
	char text[TG_HEAD_MAX];

	srand(7);
	for (int i = 0; i < 50000; i++) {
		size_t len = (size_t)rand() % sizeof(text);

		if (i % 2) {
			for (size_t k = 0; k < len; k++)
				text[k] = (char)rand();
			memcpy(text, "POST ", len < 5 ? len : 5);
		} else {
			const struct row *r = &rows[(size_t)rand() % (sizeof(rows) / sizeof(rows[0]))];

			len = strlen(r->text);
			memcpy(text, r->text, len);
			for (int k = 0; k < 3; k++)
				text[(size_t)rand() % len] = "\r\n :\t\0x9Aa"[rand() % 10];
		}
		tg_head_parse(buf, &h, text, len);
		cr_assert(h.head_len <= len && (size_t)h.key_off + h.key_len <= len &&
			  (size_t)h.path_off + h.path_len <= len);
	}
	free(buf);
}
