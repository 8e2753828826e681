/* Goal: dialect.h's D1 to D4 for any bytes, between any two wires. Method: the first bytes of the input choose the
 * wires, the choices asked for and the cuts; the rest is fed whole, cut, and byte by byte. All must give the same
 * output (before and after the release), usage and flags. On the same wire the output is the input, or, without usage
 * asked for, the input with whole events taken out. Between wires, what the client gets is read again as a client
 * would: it is of the client's wire, and complete where the provider's was. The same bytes as the end of a large
 * answer: any cuts, the same usage, and one that is believed obeys the bounds. */
#include "dialect/wire.h"

#include <string.h>

#define REQUIRE(x)                                                                                                     \
	do {                                                                                                           \
		if (!(x))                                                                                              \
			abort();                                                                                       \
	} while (0)

struct result {
	struct dialect_stream s;
	struct buf out;
	size_t unheld; /* of out: before the release */
	int rc;
	struct dialect_tail tail;
};

static void run(struct result *r, const struct dialect_answer_opts *o, const char *data, size_t len,
		const uint8_t *cuts, size_t n_cuts)
{
	size_t at = 0, i = 0;

	*r = (struct result){0};
	REQUIRE(dialect_stream_init(&r->s, o) == 0);
	while (at < len) {
		size_t n = n_cuts ? (size_t)cuts[i++ % n_cuts] + 1 : len;
		char *piece;

		n = n > len - at ? len - at : n;
		piece = malloc(n); /* of the exact size, for ASan */
		REQUIRE(piece);
		memcpy(piece, data + at, n);
		if (r->rc == 0)
			r->rc = dialect_stream_feed(&r->s, piece, n, &r->out);
		dialect_tail_feed(&r->tail, piece, n);
		free(piece);
		at += n;
	}
	REQUIRE(r->rc == 0 || (r->rc == ERR_PROTO && o->from != o->to));
	if (r->rc == 0)
		r->rc = dialect_stream_end(&r->s, &r->out);
	REQUIRE(r->rc == 0 || (r->rc == ERR_PROTO && o->from != o->to));
	r->unheld = r->out.len;
	REQUIRE(dialect_stream_release(&r->s, &r->out) == 0);
	REQUIRE(r->out.len == r->unheld || r->s.ending);
}

static void believable(const struct usage *u)
{
	REQUIRE(u->input_tokens <= 4 * USAGE_TOKENS_MAX && u->cached_input_tokens <= u->input_tokens);
	REQUIRE(u->cache_write_tokens <= u->input_tokens);
	REQUIRE(u->output_tokens <= 4 * USAGE_TOKENS_MAX && u->reasoning_tokens <= u->output_tokens);
}

static void same_tail(enum wire wire, const struct dialect_tail *a, const struct dialect_tail *b)
{
	struct usage u = {0}, v = {0};
	bool odd_u = false, odd_v = false;
	int rc = dialect_tail_usage(a, wire, &u, &odd_u);

	REQUIRE(rc == dialect_tail_usage(b, wire, &v, &odd_v) && odd_u == odd_v && memcmp(&u, &v, sizeof(u)) == 0);
	believable(&u);
}

static void same(const struct result *a, const struct result *b)
{
	REQUIRE(a->rc == b->rc);
	REQUIRE(a->out.len == b->out.len && (!a->out.len || memcmp(a->out.data, b->out.data, a->out.len) == 0));
	REQUIRE(a->unheld == b->unheld && a->s.finished == b->s.finished && a->s.complete == b->s.complete);
	REQUIRE(a->s.usage_malformed == b->s.usage_malformed && !(a->s.usage_malformed && a->s.have_usage));
	REQUIRE(a->s.usage_inconsistent == b->s.usage_inconsistent);
	believable(&a->s.usage);
	same_tail(a->s.opts.from, &a->tail, &b->tail);
	REQUIRE(a->s.have_usage == b->s.have_usage && a->s.ending == b->s.ending);
	REQUIRE(a->s.error_seen == b->s.error_seen && a->s.content_bytes == b->s.content_bytes);
	REQUIRE(memcmp(&a->s.usage, &b->s.usage, sizeof(a->s.usage)) == 0);
}

static void done(struct result *r)
{
	dialect_stream_done(&r->s);
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

static void passed_on(const struct result *r, const char *text, size_t len)
{
	if (r->s.opts.from == WIRE_OPENAI_CHAT && !r->s.opts.include_usage)
		REQUIRE(subsequence(r->out.data, r->out.len, text, len));
	else
		REQUIRE(r->out.len == len && (!len || memcmp(r->out.data, text, len) == 0));
}

/* Read as its client reads it. An error of the provider's ends it. */
static void translated(const struct result *r)
{
	struct dialect_answer_opts o = r->s.opts;
	struct result again;

	if (r->rc < 0)
		return;
	o.from = o.to;
	run(&again, &o, r->out.data ? r->out.data : "", r->out.len, NULL, 0);
	REQUIRE(again.s.error_seen == r->s.error_seen);
	REQUIRE(r->s.error_seen || !r->s.complete || again.s.complete);
	REQUIRE(again.s.complete == r->s.complete || r->s.error_seen || r->unheld == r->out.len);
	done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum wire from[] = {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC, WIRE_GEMINI, WIRE_OPENAI_RESPONSES};
	static const enum wire to[] = {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC, WIRE_GEMINI, WIRE_OPENAI_RESPONSES};
	struct dialect_answer_opts o = {.id = "req_0123456789abcdef01234567", .model = "m\"", .model_len = 2};
	struct result whole, cut, bytes;
	const uint8_t one[] = {0}, *cuts = data + 2;
	const char *text;

	if (size < 6)
		return 0;
	o.from = from[data[0] % 4];
	o.to = data[0] & 0x40 ? to[data[0] / 4 % 4] : o.from;
	if (o.from == WIRE_OPENAI_RESPONSES)
		o.to = o.from; /* its providers are spoken to by its own clients alone */
	o.include_usage = data[1] & 1;
	o.choices = o.to == WIRE_OPENAI_CHAT || o.to == WIRE_GEMINI ? 1 + data[1] / 2 % 3 : 1;
	text = (const char *)data + 6;
	size -= 6;
	run(&whole, &o, text, size, cuts, 0);
	run(&cut, &o, text, size, cuts, 4);
	run(&bytes, &o, text, size, one, 1);
	same(&whole, &cut);
	same(&whole, &bytes);
	if (o.from == o.to)
		passed_on(&whole, text, size);
	else
		translated(&whole);
	done(&whole);
	done(&cut);
	done(&bytes);
	return 0;
}
