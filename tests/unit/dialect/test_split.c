/* Goal: dialect.h's D1 to D4 for every recorded stream, passed on and translated for every client. Method: each stream
 * is fed whole, cut in two at every byte, byte by byte and in steps; all must give the same bytes before and after the
 * release, the same usage and flags. Passed on, the bytes are the provider's own. Translated, a client's reading of
 * them (the same wire watched again, or translated once more into OpenAI's chunks and read by jansson) is the
 * recording's summary, usage and end. */
#include "dialect/wire.h"
#include "streams.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void same_bytes(const struct buf *a, const struct buf *b, const char *what)
{
	cr_assert_eq(a->len, b->len, "%s: %zu and %zu bytes", what, a->len, b->len);
	cr_assert(!a->len || memcmp(a->data, b->data, a->len) == 0, "%s: '%s' and '%s'", what, a->data, b->data);
}

static void same_run(const struct stream_run *a, const struct stream_run *b, const char *what)
{
	cr_assert_eq(a->rc, b->rc, "%s: %d and %d", what, a->rc, b->rc);
	same_bytes(&a->out, &b->out, what);
	same_bytes(&a->held, &b->held, what);
	cr_assert_eq(a->s.have_usage, b->s.have_usage, "%s", what);
	cr_assert_eq(a->s.usage_malformed, b->s.usage_malformed, "%s", what);
	cr_assert_eq(a->s.usage_inconsistent, b->s.usage_inconsistent, "%s", what);
	cr_assert_eq(a->s.complete, b->s.complete, "%s", what);
	cr_assert_eq(a->s.error_seen, b->s.error_seen, "%s", what);
	cr_assert_eq(a->s.content_bytes, b->s.content_bytes, "%s", what);
	cr_assert_arr_eq(&a->s.usage, &b->s.usage, sizeof(a->s.usage), "%s", what);
}

/* D1 */
static void every_cut(const struct recorded_stream *row, const struct dialect_answer_opts *o,
		      const struct stream_run *whole, const char *what)
{
	size_t len = strlen(row->text);
	struct stream_run cut;

	for (size_t at = 0; at <= len; at++) {
		stream_run(&cut, o, row->text, len, at, 0);
		same_run(whole, &cut, what);
		stream_run_done(&cut);
	}
	for (size_t step = 1; step < 12; step++) {
		stream_run(&cut, o, row->text, len, step / 2, step);
		same_run(whole, &cut, what);
		stream_run_done(&cut);
	}
}

static void as_recorded(const struct recorded_stream *row, const struct dialect_stream *s, const char *what)
{
	cr_expect_eq(s->complete, row->complete, "%s: complete %d", what, s->complete);
	cr_expect_eq(s->error_seen, row->error, "%s: error %d", what, s->error_seen);
	cr_expect_eq(s->have_usage, row->have_usage, "%s: usage %d", what, s->have_usage);
	cr_expect_eq(s->usage_malformed, row->usage_malformed, "%s: malformed %d", what, s->usage_malformed);
	cr_expect_eq(s->have_usage && s->usage_inconsistent, row->usage_inconsistent, "%s", what);
	if (row->have_usage)
		cr_expect_arr_eq(&s->usage, &row->usage, sizeof(s->usage), "%s: in %" PRIu64 " out %" PRIu64, what,
				 s->usage.input_tokens, s->usage.output_tokens);
}

/* D2 */
static void passed_on(const struct recorded_stream *row, const struct stream_run *r, const char *what)
{
	_cleanup_(buf_done) struct buf all = BUF_INIT;

	cr_assert_eq(r->rc, 0, "%s", what);
	buf_append(&all, r->out.data, r->out.len);
	buf_append(&all, r->held.data, r->held.len);
	cr_expect_str_eq(all.data, row->text, "%s", what);
}

/* A client of the wire `to` reads what it got. */
static void read_again(const struct recorded_stream *row, enum wire to, const struct buf *all, const char *what)
{
	struct dialect_answer_opts o = stream_opts(to, to, row->choices);
	struct stream_run again;
	char *summary;
	size_t same;

	stream_run(&again, &o, all->data ? all->data : "", all->len, 0, 0);
	cr_expect_eq(again.s.complete, row->complete && !row->error, "%s: its client sees complete %d: %s", what,
		     again.s.complete, all->data);
	cr_expect_eq(again.s.error_seen, row->error, "%s: its client sees error %d", what, again.s.error_seen);
	if (row->have_usage && row->complete && !row->error) {
		cr_expect(again.s.have_usage && !again.s.usage_inconsistent, "%s: its client sees no usage", what);
		cr_expect_eq(again.s.usage.input_tokens, row->usage.input_tokens, "%s", what);
		cr_expect_eq(again.s.usage.cached_input_tokens, row->usage.cached_input_tokens, "%s", what);
		cr_expect_eq(again.s.usage.output_tokens, row->usage.output_tokens, "%s", what);
	}
	stream_run_done(&again);
	if (to != WIRE_OPENAI_CHAT) {
		if (!wire_ops_of(to)->decode)
			return;
		o = stream_opts(to, WIRE_OPENAI_CHAT, row->choices);
		stream_run(&again, &o, all->data ? all->data : "", all->len, 0, 0);
		cr_assert_eq(again.rc, 0, "%s: back again: %d: %s", what, again.rc, all->data);
		summary = stream_summary(again.out.data ? again.out.data : "", again.out.len);
		stream_run_done(&again);
	} else {
		summary = stream_summary(all->data ? all->data : "", all->len);
	}
	/* Some wires say all finishes at the end, which a broken stream hasn't. */
	same = row->complete ? strlen(summary) + 1 : strcspn(row->summary, "|") + 1;
	cr_expect_eq(strncmp(summary, row->summary, same), 0, "%s: '%s'", what, summary);
	free(summary);
}

static void translated(const struct recorded_stream *row, enum wire to, const struct stream_run *r, const char *what)
{
	_cleanup_(buf_done) struct buf all = BUF_INIT;

	if (!row->summary) {
		cr_expect_eq(r->rc, ERR_PROTO, "%s: %d", what, r->rc);
		return;
	}
	cr_assert_eq(r->rc, 0, "%s: %d", what, r->rc);
	cr_expect(r->held.len == 0 || r->s.complete, "%s", what);
	cr_expect(r->held.len > 0 || !row->complete || row->error, "%s: nothing held back", what); /* D4 */
	buf_append(&all, r->out.data, r->out.len);
	buf_append(&all, r->held.data, r->held.len);
	read_again(row, to, &all, what);
	as_recorded(row, &r->s, what);
}

/* Only OpenAI's and Gemini's clients can ask for several choices. */
static bool asks_so_much(enum wire client, const struct recorded_stream *row)
{
	return row->choices <= 1 || client == WIRE_OPENAI_CHAT || client == WIRE_GEMINI;
}

static void one(const struct recorded_stream *row, enum wire to)
{
	struct dialect_answer_opts o = stream_opts(row->wire, to, row->choices);
	size_t len = strlen(row->text);
	struct stream_run whole;
	char what[160];

	snprintf(what, sizeof(what), "%s, wire %d to %d", row->name, row->wire, to);
	stream_run(&whole, &o, row->text, len, 0, 0);
	if (to == row->wire) {
		passed_on(row, &whole, what);
		as_recorded(row, &whole.s, what);
	} else {
		translated(row, to, &whole, what);
	}
	every_cut(row, &o, &whole, what);
	stream_run_done(&whole);
}

static void all_rows(enum wire to, bool same)
{
	size_t n = 0;

	for (size_t i = 0; i < n_recorded_streams; i++)
		for (const struct recorded_stream *row = recorded_streams[i]; row->name; row++) {
			bool from_responses = row->wire == WIRE_OPENAI_RESPONSES;

			if (same != (row->wire == to) || !asks_so_much(to, row) || (!same && from_responses))
				continue;
			one(row, to);
			n++;
		}
	cr_assert_gt(n, 0);
}

Test(split, passed_on, .timeout = 300)
{
	all_rows(WIRE_OPENAI_CHAT, true);
	all_rows(WIRE_ANTHROPIC, true);
	all_rows(WIRE_GEMINI, true);
}

Test(split, for_openais_client, .timeout = 300)
{
	all_rows(WIRE_OPENAI_CHAT, false);
}

Test(split, for_anthropics_client, .timeout = 300)
{
	all_rows(WIRE_ANTHROPIC, false);
}

Test(split, for_geminis_client, .timeout = 300)
{
	all_rows(WIRE_GEMINI, false);
}

Test(split, for_responses_client, .timeout = 300)
{
	all_rows(WIRE_OPENAI_RESPONSES, false);
}
