/* Goal: openai.h's D1, D2 and D4 for any bytes. Method: the first bytes of the input choose the cuts; the rest is fed
 * whole, cut, and byte by byte. All must give the same output (before and after the release), usage and flags; without
 * stripping the output is the input; with stripping it is a subsequence of whole events. The same bytes as the end of a
 * large answer: any cuts, the same usage, and one that is believed obeys the bounds. */
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
	size_t unheld; /* of out: before the release */
	struct openai_tail tail;
};

static void run(struct result *r, const char *data, size_t len, bool strip, const uint8_t *cuts, size_t n_cuts)
{
	size_t at = 0, i = 0;

	r->out = BUF_INIT;
	openai_stream_init(&r->s, strip);
	r->s.choices = 1 + cuts[0] % 3;
	r->tail.len = 0;
	while (at < len) {
		size_t n = n_cuts ? (size_t)cuts[i++ % n_cuts] + 1 : len;
		char *piece;

		n = n > len - at ? len - at : n;
		piece = malloc(n); /* of the exact size, for ASan */
		REQUIRE(piece);
		memcpy(piece, data + at, n);
		REQUIRE(openai_stream_feed(&r->s, piece, n, &r->out) == 0);
		openai_tail_feed(&r->tail, piece, n);
		free(piece);
		at += n;
	}
	REQUIRE(openai_stream_end(&r->s, &r->out) == 0);
	r->unheld = r->out.len;
	REQUIRE(openai_stream_release(&r->s, &r->out) == 0);
	REQUIRE(r->out.len == r->unheld || r->s.done_seen);
}

static void believable(const struct usage *u)
{
	REQUIRE(u->input_tokens <= USAGE_TOKENS_MAX && u->cached_input_tokens <= u->input_tokens);
	REQUIRE(u->output_tokens <= USAGE_TOKENS_MAX && u->reasoning_tokens <= u->output_tokens);
	REQUIRE(u->cache_write_tokens == 0);
}

static void same_tail(const struct openai_tail *a, const struct openai_tail *b)
{
	struct usage u = {0}, v = {0};
	bool odd_u = false, odd_v = false;
	int rc = openai_tail_usage(a, &u, &odd_u);

	REQUIRE(rc == openai_tail_usage(b, &v, &odd_v) && odd_u == odd_v && memcmp(&u, &v, sizeof(u)) == 0);
	believable(&u);
}

static void same(const struct result *a, const struct result *b)
{
	REQUIRE(a->out.len == b->out.len && (!a->out.len || memcmp(a->out.data, b->out.data, a->out.len) == 0));
	REQUIRE(a->unheld == b->unheld && a->s.finished == b->s.finished);
	REQUIRE(a->s.usage_malformed == b->s.usage_malformed && !(a->s.usage_malformed && a->s.have_usage));
	REQUIRE(a->s.usage_inconsistent == b->s.usage_inconsistent);
	believable(&a->s.usage);
	same_tail(&a->tail, &b->tail);
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
	const uint8_t *cuts = data;
	uint8_t one[] = {0};
	struct result whole, cut, bytes;
	const char *text;

	if (size < 4)
		return 0;
	text = (const char *)data + 4;
	size -= 4;
	for (int strip = 0; strip < 2; strip++) {
		run(&whole, text, size, strip, cuts, 0);
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
