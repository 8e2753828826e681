/* Streams of server-sent events on their way to the client. Whole events inside one buffer, which is nearly all of
 * them, are read where they lie; only an event that a buffer's end cuts in two is gathered in s->line. On the same wire
 * runs of events are copied once, and what comes from the end mark on goes to s->held; between two wires each event is
 * decoded into chat events and these are encoded for the client at once, without anything being kept in between. */
#include "dialect/wire.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* What a translated stream may hold back: it can have the whole text once more (OpenAI's response.completed). */
#define TRANSLATED_HELD_MAX (16 * DIALECT_EVENT_MAX)

struct dialect_stream_state {
	const struct wire_ops *from, *to;
	struct buf *out; /* of the call under way */
	int rc;          /* the encoder's first failure */
	void *decoder, *encoder;
	alignas(max_align_t) char memory[];
};

static size_t aligned(size_t size)
{
	return (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
}

static struct dialect_stream_state *state_new(const struct wire_ops *from, const struct wire_ops *to)
{
	struct dialect_stream_state *st;

	assert(from->decode && to->encode);
	st = calloc(1, sizeof(*st) + aligned(from->decoder_size) + aligned(to->encoder_size));
	if (!st)
		return NULL;
	st->from = from;
	st->to = to;
	st->decoder = st->memory;
	st->encoder = st->memory + aligned(from->decoder_size);
	return st;
}

int dialect_stream_init(struct dialect_stream *s, const struct dialect_answer_opts *o)
{
	size_t event_max = wire_ops_of(o->from)->event_max;

	if (!event_max)
		event_max = DIALECT_EVENT_MAX;
	*s = (struct dialect_stream){.opts = *o, .line = {.max = event_max}, .held = {.max = event_max}};
	if (!s->opts.choices)
		s->opts.choices = 1;
	if (o->from == o->to)
		return 0;
	s->held.max = TRANSLATED_HELD_MAX;
	s->state = state_new(wire_ops_of(o->from), wire_ops_of(o->to));
	return s->state ? 0 : ERR_NOMEM;
}

void dialect_stream_done(struct dialect_stream *s)
{
	if (s->state && s->state->to->encoder_done)
		s->state->to->encoder_done(s);
	free(s->state);
	s->state = NULL;
	buf_done(&s->line);
	buf_done(&s->held);
}

/* ---- for decoders and encoders */

void *wire_decoder(const struct dialect_stream *s)
{
	return s->state->decoder;
}

void *wire_encoder(const struct dialect_stream *s)
{
	return s->state->encoder;
}

int wire_emit(struct dialect_stream *s, const struct chat_event *ev)
{
	struct dialect_stream_state *st = s->state;

	if (st->rc < 0)
		return st->rc;
	switch (ev->kind) {
	case CHAT_EV_TEXT:
	case CHAT_EV_REFUSAL:
	case CHAT_EV_TOOL_ARGS:
		s->content_bytes += ev->text.len;
		break;
	case CHAT_EV_TOOL_BEGIN:
		s->content_bytes += ev->name.len;
		break;
	case CHAT_EV_TOOL_WHOLE:
		s->content_bytes += ev->name.len + ev->args.len;
		break;
	case CHAT_EV_TOOL_END:
	case CHAT_EV_FINISH:
	case CHAT_EV_END:
		break;
	case CHAT_EV_ERROR:
		s->error_seen = true;
		break;
	}
	st->rc = st->to->encode(s, ev, st->out);
	if (st->rc == 0 && st->out->failed)
		st->rc = ERR_NOMEM;
	return st->rc;
}

#define FINISHED_MAX (ARRAY_SIZE(((struct dialect_stream *)0)->finished_bits) * 64)

bool wire_is_finished(const struct dialect_stream *s, unsigned choice)
{
	return choice < FINISHED_MAX && s->finished_bits[choice / 64] >> choice % 64 & 1;
}

bool wire_finish(struct dialect_stream *s, unsigned choice)
{
	if (choice < FINISHED_MAX && !wire_is_finished(s, choice)) {
		s->finished_bits[choice / 64] |= 1ull << choice % 64;
		s->finished++;
	}
	return s->finished >= s->opts.choices;
}

void wire_take_usage(struct dialect_stream *s, int rc, const struct usage *u, bool inconsistent)
{
	if (rc == ERR_NOT_FOUND)
		return;
	s->have_usage = rc == 0;
	s->usage_malformed = rc < 0;
	if (rc == 0) {
		s->usage = *u;
		s->usage_inconsistent = inconsistent;
	}
}

/* ---- one event */

/* The value behind "name:" and one blank. */
static const char *field_value(const char *line, size_t len, size_t name_len, size_t *ret_len)
{
	const char *v = line + name_len + 1, *end = line + len;

	if (v < end && *v == ' ')
		v++;
	*ret_len = (size_t)(end - v);
	return v;
}

static void read_line(const char *line, size_t len, struct wire_event *ev, unsigned *n_data)
{
	if (len >= 5 && memcmp(line, "data:", 5) == 0) {
		ev->data = field_value(line, len, 4, &ev->len);
		++*n_data;
	} else if (len >= 6 && memcmp(line, "event:", 6) == 0) {
		ev->name = field_value(line, len, 5, &ev->name_len);
	}
}

/* Reads the first event of [p, end): what follows it, or NULL when its end isn't there. *ret has its last data line;
 * *n_data says how many there are. rest: the body has ended, what is there is the event. */
static const char *cut_event(const char *p, const char *end, bool rest, struct wire_event *ret, unsigned *n_data)
{
	const char *nl, *stop;
	size_t len;

	*ret = (struct wire_event){0};
	*n_data = 0;
	for (; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl && !rest)
			return NULL;
		stop = nl ? nl : end;
		len = (size_t)(stop - p) - (stop > p && stop[-1] == '\r');
		if (nl && !len)
			return nl + 1;
		read_line(p, len, ret, n_data);
		if (!nl)
			return end;
	}
	return rest ? end : NULL;
}

/* Several data lines in one event are one value with newlines in between. */
static int join_data(const char *p, const char *end, struct buf *joined, struct wire_event *ev)
{
	const char *nl, *stop;
	struct wire_event line;
	unsigned n_data, n = 0;

	for (; p < end; p = nl ? nl + 1 : end) {
		nl = memchr(p, '\n', (size_t)(end - p));
		stop = nl ? nl : end;
		n_data = 0;
		read_line(p, (size_t)(stop - p) - (stop > p && stop[-1] == '\r'), &line, &n_data);
		if (!n_data)
			continue;
		if (n++)
			buf_putc(joined, '\n');
		buf_append(joined, line.data, line.len);
	}
	ev->data = joined->data;
	ev->len = joined->len;
	return joined->failed ? ERR_NOMEM : 0;
}

static int judge_data(struct dialect_stream *s, const struct wire_event *ev, struct buf *out, bool *ret_forward)
{
	struct dialect_stream_state *st = s->state;
	int rc;

	if (!st) {
		*ret_forward = wire_ops_of(s->opts.from)->watch(s, ev);
		return 0;
	}
	*ret_forward = false;
	if (s->error_seen)
		return 0; /* the client's stream is over */
	st->out = out;
	rc = st->from->decode(s, ev);
	return rc < 0 ? rc : st->rc;
}

/* One event, [p, end) with its blank line. Forward: it goes to the client as it is. */
static int judge_event(struct dialect_stream *s, const struct wire_event *cut, unsigned n_data, const char *p,
		       const char *end, struct buf *out, bool *ret_forward)
{
	_cleanup_(buf_done) struct buf joined = BUF_INIT;
	struct wire_event ev = *cut;
	int rc;

	*ret_forward = !s->state;
	if (!n_data)
		return 0;
	if (n_data > 1) {
		rc = join_data(p, end, &joined, &ev);
		if (rc < 0)
			return rc;
	}
	return judge_data(s, &ev, out, ret_forward);
}

/* ---- events in the stream */

/* The beginning of an event whose end is still to come. */
static int keep(struct dialect_stream *s, const char *data, size_t len)
{
	const char *last;
	int rc = buf_append(&s->line, data, len);

	if (rc < 0)
		return rc == ERR_FULL ? ERR_PROTO : rc;
	last = memrchr(data, '\n', len);
	if (last)
		s->line_start = s->line.len - len + (size_t)(last - data) + 1;
	return 0;
}

/* D4: where an event goes that was just judged. */
static int forward_event(struct dialect_stream *s, const char *ev, size_t len, struct buf *out)
{
	int rc = buf_append(s->ending ? &s->held : out, ev, len);

	return rc == ERR_FULL && s->ending ? ERR_PROTO : rc;
}

/* The event in s->line. */
static int judge_kept(struct dialect_stream *s, bool rest, struct buf *out)
{
	const char *p = s->line.data, *end = p + s->line.len;
	struct wire_event ev;
	unsigned n_data;
	bool forward;
	int rc;

	cut_event(p, end, rest, &ev, &n_data);
	rc = judge_event(s, &ev, n_data, p, end, out, &forward);
	if (rc == 0 && forward)
		rc = forward_event(s, p, (size_t)(end - p), out);
	buf_reset(&s->line);
	s->line_start = 0;
	return rc;
}

/* Goes on with the event in s->line. *ret_used: how much of the input belongs to it. */
static int feed_kept(struct dialect_stream *s, const char *data, size_t len, struct buf *out, size_t *ret_used)
{
	const char *p = data, *end = data + len, *nl;
	int rc = 0;

	while (p < end && (nl = memchr(p, '\n', (size_t)(end - p)))) {
		size_t before = s->line.len - s->line_start, more = (size_t)(nl - p);
		bool blank = before + more == 0 ||
			     (before + more == 1 && (before ? s->line.data[s->line_start] : *p) == '\r');

		rc = keep(s, p, more + 1);
		if (rc < 0)
			return rc;
		p = nl + 1;
		if (!blank)
			continue;
		*ret_used = (size_t)(p - data);
		return judge_kept(s, false, out);
	}
	*ret_used = len;
	return keep(s, p, (size_t)(end - p));
}

/* Event by event: all of a translated stream, and those from the end mark on, which are few. */
static int feed_each(struct dialect_stream *s, const char *p, const char *end, struct buf *out)
{
	struct wire_event ev;
	const char *next;
	unsigned n_data;
	bool forward;
	int rc;

	for (; (next = cut_event(p, end, false, &ev, &n_data)); p = next) {
		rc = judge_event(s, &ev, n_data, p, next, out, &forward);
		if (rc == 0 && forward)
			rc = forward_event(s, p, (size_t)(next - p), out);
		if (rc < 0)
			return rc;
	}
	return p == end ? 0 : keep(s, p, (size_t)(end - p));
}

/* As much as possible at once. */
static int feed_runs(struct dialect_stream *s, const char *p, const char *end, struct buf *out)
{
	const char *run = p, *next;
	struct wire_event ev;
	unsigned n_data;
	bool forward;
	int rc;

	for (; (next = cut_event(p, end, false, &ev, &n_data)); p = next) {
		rc = judge_event(s, &ev, n_data, p, next, out, &forward);
		if (rc < 0)
			return rc;
		if (forward && !s->ending)
			continue;
		rc = buf_append(out, run, (size_t)(p - run));
		if (rc == 0 && forward)
			rc = forward_event(s, p, (size_t)(next - p), out);
		if (rc < 0 || s->ending)
			return rc < 0 ? rc : feed_each(s, next, end, out);
		run = next;
	}
	rc = buf_append(out, run, (size_t)(p - run));
	return rc < 0 || p == end ? rc : keep(s, p, (size_t)(end - p));
}

int dialect_stream_feed(struct dialect_stream *s, const char *data, size_t len, struct buf *out)
{
	size_t used = 0;
	int rc;

	if (!len)
		return 0;
	if (s->line.len) {
		rc = feed_kept(s, data, len, out, &used);
		if (rc < 0)
			return rc;
	}
	if (s->state || s->ending)
		return feed_each(s, data + used, data + len, out);
	return feed_runs(s, data + used, data + len, out);
}

/* The client's end, when the provider has said all. */
static int translated_end(struct dialect_stream *s)
{
	struct chat_event end = {.kind = CHAT_EV_END};
	int rc;

	if (s->ending || s->error_seen || !s->complete)
		return 0;
	s->ending = true;
	s->state->out = &s->held;
	rc = wire_emit(s, &end);
	return rc == ERR_FULL ? ERR_PROTO : rc;
}

int dialect_stream_end(struct dialect_stream *s, struct buf *out)
{
	int rc = s->line.len ? judge_kept(s, true, out) : 0;

	if (!s->state)
		return rc;
	/* A rest that is no event was cut off: not the provider's protocol but its connection broke. */
	if (rc == ERR_PROTO)
		rc = 0;
	return rc < 0 ? rc : translated_end(s);
}

int dialect_stream_release(struct dialect_stream *s, struct buf *out)
{
	int rc = s->held.len ? buf_append(out, s->held.data, s->held.len) : 0;

	if (rc == 0)
		buf_reset(&s->held);
	return rc;
}

int dialect_stream_error(struct dialect_stream *s, const struct dialect_error *e, struct buf *out)
{
	return wire_ops_of(s->opts.to)->error_event(s, e, out);
}
