/* Goal: openai.h's D1 and D2 for any bytes. Method: the first bytes of the input choose the cuts; the rest is fed
 * whole, cut, and byte by byte. All must give the same output, usage and flags; without stripping the output is the
 * input; with stripping it is a subsequence of whole events. */
#include "dialect/openai.h"

#include <string.h>

#define REQUIRE(x)                                                                                                     \
	do {                                                                                                           \
		if (!(x))                                                                                              \
			abort();                                                                                       \
	} while (0)

struct result {
	struct openai_stream s;
	struct buf out;
};

static void run(struct result *r, const char *data, size_t len, bool strip, const uint8_t *cuts, size_t n_cuts)
{
	size_t at = 0, i = 0;

	r->out = BUF_INIT;
	openai_stream_init(&r->s, strip);
	while (at < len) {
		size_t n = n_cuts ? (size_t)cuts[i++ % n_cuts] + 1 : len;
		char *piece;

		n = n > len - at ? len - at : n;
		piece = malloc(n); /* of the exact size, for ASan */
		REQUIRE(piece);
		memcpy(piece, data + at, n);
		REQUIRE(openai_stream_feed(&r->s, piece, n, &r->out) == 0);
		free(piece);
		at += n;
	}
	REQUIRE(openai_stream_end(&r->s, &r->out) == 0);
}

static void same(const struct result *a, const struct result *b)
{
	REQUIRE(a->out.len == b->out.len && (!a->out.len || memcmp(a->out.data, b->out.data, a->out.len) == 0));
	REQUIRE(a->s.have_usage == b->s.have_usage && a->s.done_seen == b->s.done_seen);
	REQUIRE(a->s.error_seen == b->s.error_seen && a->s.content_bytes == b->s.content_bytes);
	REQUIRE(memcmp(&a->s.usage, &b->s.usage, sizeof(a->s.usage)) == 0);
}

static void done(struct result *r)
{
	openai_stream_done(&r->s);
	buf_done(&r->out);
}

/* Is what's left the input with pieces taken out? */
static bool subsequence(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t i = 0;

	for (size_t j = 0; i < a_len && j < b_len; j++)
		i += a[i] == b[j];
	return i == a_len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cuts = data, one[] = {0};
	struct result whole, cut, bytes;
	const char *text;

	if (size < 4)
		return 0;
	text = (const char *)data + 4;
	size -= 4;
	for (int strip = 0; strip < 2; strip++) {
		run(&whole, text, size, strip, NULL, 0);
		run(&cut, text, size, strip, cuts, 4);
		run(&bytes, text, size, strip, one, 1);
		same(&whole, &cut);
		same(&whole, &bytes);
		if (strip)
			REQUIRE(subsequence(whole.out.data, whole.out.len, text, size));
		else
			REQUIRE(whole.out.len == size && (!size || memcmp(whole.out.data, text, size) == 0));
		done(&whole);
		done(&cut);
		done(&bytes);
	}
	return 0;
}
