/* Streams for Gemini's clients. Frames as @google/genai takes them: only data lines, and no mark at the end; the end is
 * the frame with the reasons to finish. A call is said in one piece, so that its arguments are collected, which is
 * bounded: all that is open at once to DIALECT_EVENT_MAX. */
#include "dialect/gemini.h"

#include <string.h>

#define PUT(out, literal) buf_append(out, literal, sizeof(literal) - 1)
#define OPEN_CALLS_MAX 128u

static int begin_frame(struct dialect_stream *s, unsigned choice, struct buf *out)
{
	struct gemini_encoder *e = wire_encoder(s);

	if (choice >= GEMINI_CHOICES_MAX)
		return ERR_PROTO;
	if (choice >= e->n_choices)
		e->n_choices = choice + 1;
	return PUT(out, "data: {\"candidates\":[{\"content\":{\"parts\":[");
}

static void put_index(struct buf *out, unsigned n)
{
	char text[3] = {(char)('0' + n / 100), (char)('0' + n / 10 % 10), (char)('0' + n % 10)};
	size_t skip = n < 10 ? 2 : n < 100 ? 1 : 0;

	buf_append(out, text + skip, sizeof(text) - skip);
}

static int put_tail(struct dialect_stream *s, struct buf *out)
{
	struct gemini_encoder *e = wire_encoder(s);

	if (!e->tail.len) {
		gemini_put_tail(&e->tail, &s->opts);
		if (PUT(&e->tail, "\n\n") < 0 || e->tail.failed)
			return ERR_NOMEM;
	}
	return buf_append(out, e->tail.data, e->tail.len);
}

static int end_frame(struct dialect_stream *s, unsigned choice, struct buf *out)
{
	PUT(out, "],\"role\":\"model\"},\"index\":");
	put_index(out, choice);
	PUT(out, "}]");
	return put_tail(s, out);
}

static int encode_text(struct dialect_stream *s, const struct chat_event *ev, struct buf *out)
{
	int rc = begin_frame(s, ev->choice, out);

	if (rc < 0)
		return rc;
	PUT(out, "{\"text\":");
	chat_put_string(out, ev->text);
	PUT(out, "}");
	return end_frame(s, ev->choice, out);
}

/* ---- calls */

static int put_call(struct dialect_stream *s, unsigned choice, const struct chat_part *call, struct buf *out)
{
	struct gemini_encoder *e = wire_encoder(s);
	size_t before = out->len;
	int rc = begin_frame(s, choice, out);

	if (rc == 0)
		rc = gemini_put_call(out, call);
	if (rc == ERR_INVAL) { /* as in a whole answer */
		e->broken_call[choice] = true;
		gemini_cut(out, before);
		return 0;
	}
	if (rc < 0)
		return rc;
	PUT(out, "}");
	return end_frame(s, choice, out);
}

static int encode_whole(struct dialect_stream *s, const struct chat_event *ev, struct buf *out)
{
	struct chat_part call = {.kind = CHAT_TOOL_CALL, .id = ev->id, .name = ev->name, .args = ev->args};

	return put_call(s, ev->choice, &call, out);
}

static struct gemini_open_call *find_open(struct gemini_encoder *e, const struct chat_event *ev)
{
	for (size_t i = 0; i < e->n_calls; i++)
		if (e->calls[i].open && e->calls[i].choice == ev->choice && e->calls[i].tool == ev->tool)
			return &e->calls[i];
	return NULL;
}

/* A slot that isn't open, with the memory of the call that was in it. */
static struct gemini_open_call *free_slot(struct gemini_encoder *e)
{
	struct gemini_open_call *more;

	for (size_t i = 0; i < e->n_calls; i++)
		if (!e->calls[i].open)
			return &e->calls[i];
	more = realloc(e->calls, (e->n_calls + 1) * sizeof(*more));
	if (!more)
		return NULL;
	e->calls = more;
	more[e->n_calls] = (struct gemini_open_call){.text = {.max = DIALECT_EVENT_MAX}};
	return &more[e->n_calls++];
}

static int collect(struct gemini_encoder *e, struct gemini_open_call *c, struct chat_text t)
{
	if (t.len > DIALECT_EVENT_MAX - e->collected)
		return ERR_PROTO;
	e->collected += t.len;
	return buf_append(&c->text, t.at, t.len);
}

static size_t open_calls(const struct gemini_encoder *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n_calls; i++)
		n += e->calls[i].open;
	return n;
}

static int begin_call(struct dialect_stream *s, const struct chat_event *ev)
{
	struct gemini_encoder *e = wire_encoder(s);
	struct gemini_open_call *c;
	int rc;

	if (ev->choice >= GEMINI_CHOICES_MAX || find_open(e, ev) || open_calls(e) == OPEN_CALLS_MAX)
		return ERR_PROTO;
	c = free_slot(e);
	if (!c)
		return ERR_NOMEM;
	c->open = true;
	c->choice = ev->choice;
	c->tool = ev->tool;
	c->id_len = ev->id.at ? ev->id.len : 0;
	c->name_len = ev->name.len;
	rc = c->id_len ? collect(e, c, ev->id) : 0;
	return rc < 0 ? rc : collect(e, c, ev->name);
}

static int end_call(struct dialect_stream *s, struct gemini_open_call *c, struct buf *out)
{
	struct gemini_encoder *e = wire_encoder(s);
	size_t head = c->id_len + c->name_len;
	struct chat_part call = {.kind = CHAT_TOOL_CALL,
				 .id = {.at = c->id_len ? c->text.data : NULL, .len = c->id_len},
				 .name = {.at = c->text.data + c->id_len, .len = c->name_len},
				 .args_text = {.at = c->text.data + head, .len = c->text.len - head}};
	int rc = put_call(s, c->choice, &call, out);

	c->open = false;
	e->collected -= c->text.len;
	buf_reset(&c->text);
	return rc;
}

static int encode_call(struct dialect_stream *s, const struct chat_event *ev, struct buf *out)
{
	struct gemini_open_call *c;

	if (ev->kind == CHAT_EV_TOOL_BEGIN)
		return begin_call(s, ev);
	c = find_open(wire_encoder(s), ev);
	if (!c)
		return ERR_PROTO;
	return ev->kind == CHAT_EV_TOOL_END ? end_call(s, c, out) : collect(wire_encoder(s), c, ev->text);
}

/* ---- the end */

/* Reasons are kept for the last frame. */
static int encode_finish(struct dialect_stream *s, const struct chat_event *ev, struct buf *out)
{
	struct gemini_encoder *e = wire_encoder(s);
	int rc = 0;

	if (ev->choice >= GEMINI_CHOICES_MAX)
		return ERR_PROTO;
	for (size_t i = 0; rc == 0 && i < e->n_calls; i++)
		if (e->calls[i].open && e->calls[i].choice == ev->choice)
			rc = end_call(s, &e->calls[i], out);
	if (ev->choice >= e->n_choices)
		e->n_choices = ev->choice + 1;
	e->finish[ev->choice] = (uint8_t)ev->finish;
	return rc;
}

static int encode_end(struct dialect_stream *s, struct buf *out)
{
	struct gemini_encoder *e = wire_encoder(s);

	PUT(out, "data: {\"candidates\":[");
	for (unsigned i = 0; i < e->n_choices; i++)
		buf_printf(out,
			   "%s{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},\"finishReason\":\"%s\","
			   "\"index\":%u}",
			   i ? "," : "", gemini_finish_name((enum chat_finish)e->finish[i], e->broken_call[i]), i);
	PUT(out, "]");
	if (s->have_usage) {
		PUT(out, ",");
		gemini_put_usage(out, &s->usage);
	}
	return put_tail(s, out);
}

int gemini_encode(struct dialect_stream *s, const struct chat_event *ev, struct buf *out)
{
	switch (ev->kind) {
	case CHAT_EV_TEXT:
	case CHAT_EV_REFUSAL:
		return encode_text(s, ev, out);
	case CHAT_EV_TOOL_BEGIN:
	case CHAT_EV_TOOL_ARGS:
	case CHAT_EV_TOOL_END:
		return encode_call(s, ev, out);
	case CHAT_EV_TOOL_WHOLE:
		return encode_whole(s, ev, out);
	case CHAT_EV_FINISH:
		return encode_finish(s, ev, out);
	case CHAT_EV_ERROR:
		return gemini_error_event(s, ev->error, out);
	case CHAT_EV_END:
		return encode_end(s, out);
	}
	return 0;
}

void gemini_encoder_done(struct dialect_stream *s)
{
	struct gemini_encoder *e = wire_encoder(s);

	for (size_t i = 0; i < e->n_calls; i++)
		buf_done(&e->calls[i].text);
	buf_done(&e->tail);
	free(e->calls);
	e->calls = NULL;
	e->n_calls = 0;
}

/* The SDK throws for a code from 400 to 599 and takes anything else for an answer. */
int gemini_error_event(struct dialect_stream *s, const struct dialect_error *e, struct buf *out)
{
	struct dialect_error shown = *e;

	(void)s;
	if (shown.status < 400 || shown.status > 599)
		shown.status = 500;
	PUT(out, "data: ");
	dialect_error_body(TG_DIALECT_GEMINI, &shown, out);
	PUT(out, "\n\n");
	return out->failed ? ERR_NOMEM : 0;
}
