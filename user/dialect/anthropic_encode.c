/* Anthropic messages, a stream for their clients from a provider of another wire.
 *
 *   message_start, (content_block_start, content_block_delta..., content_block_stop)..., message_delta, message_stop
 *
 * One block is open at a time. Each frame has its event: line, without which the SDK doesn't see it. The last two are
 * made at the end, into what is held back (D4): a provider's usage may come behind its finish reason. */
#include "dialect/anthropic.h"

#include "base/json_text.h"

#define PUT(out, literal) buf_append(out, literal, sizeof(literal) - 1)
/* The beginning of a frame, up to the members of its data. */
#define PUT_EVENT(out, type) PUT(out, "event: " type "\ndata: {\"type\":\"" type "\"")

static void put_index(unsigned n, struct buf *out)
{
	char text[16], *p = text + sizeof(text);

	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	PUT(out, ",\"index\":");
	buf_append(out, p, (size_t)(text + sizeof(text) - p));
}

/* Of the usage nothing is known yet, as a rule; the SDK needs it all the same, and takes message_delta's for it. */
static void put_start(struct dialect_stream *s, struct buf *out)
{
	struct anthropic_encoder *e = wire_encoder(s);
	struct usage u = s->have_usage ? s->usage : (struct usage){0};

	if (e->started)
		return;
	e->started = true;
	u.output_tokens = u.reasoning_tokens = 0;
	PUT_EVENT(out, "message_start");
	PUT(out, ",\"message\":");
	anthropic_put_head(&s->opts, out);
	PUT(out, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,");
	anthropic_put_usage(&u, out);
	PUT(out, "}}\n\n");
}

/* ---- blocks */

static void begin_block(struct anthropic_encoder *e, bool tool, struct buf *out)
{
	e->open = true;
	e->tool_open = tool;
	PUT_EVENT(out, "content_block_start");
	put_index(e->index, out);
	PUT(out, ",\"content_block\":");
}

static void put_text_delta(struct anthropic_encoder *e, struct chat_text text, struct buf *out)
{
	if (!e->open) {
		begin_block(e, false, out);
		PUT(out, "{\"type\":\"text\",\"text\":\"\"}}\n\n");
	}
	PUT_EVENT(out, "content_block_delta");
	put_index(e->index, out);
	PUT(out, ",\"delta\":{\"type\":\"text_delta\",\"text\":");
	chat_put_string(out, text);
	PUT(out, "}}\n\n");
}

static void end_block(struct anthropic_encoder *e, struct buf *out)
{
	bool tool = e->tool_open;

	if (!e->open)
		return;
	PUT_EVENT(out, "content_block_stop");
	put_index(e->index++, out);
	PUT(out, "}\n\n");
	e->open = e->tool_open = false;
	if (!tool || !e->late.len)
		return;
	put_text_delta(e, (struct chat_text){e->late.data, e->late.len}, out);
	buf_reset(&e->late);
}

/* Text between the pieces of a call's arguments, whose block has to stay open, waits for the call's end. */
static int encode_text(struct anthropic_encoder *e, struct chat_text text, struct buf *out)
{
	int rc;

	if (!e->tool_open) {
		put_text_delta(e, text, out);
		return 0;
	}
	e->late.max = DIALECT_EVENT_MAX;
	rc = buf_append(&e->late, text.at, text.len);
	return rc == ERR_FULL ? ERR_PROTO : rc;
}

static void begin_tool(struct dialect_stream *s, const struct chat_event *ev, struct buf *out)
{
	struct anthropic_encoder *e = wire_encoder(s);
	struct chat_text id = ev->id;
	char made[64];

	end_block(e, out); /* a call's, if its decoder didn't say that it ended, */
	end_block(e, out); /* and the text that waited for it */
	e->tool = ev->tool;
	if (!id.at)
		id = (struct chat_text){made, chat_make_call_id(&s->opts, ev->choice, ev->tool, made)};
	begin_block(e, true, out);
	PUT(out, "{\"type\":\"tool_use\",\"id\":");
	chat_put_string(out, id);
	PUT(out, ",\"name\":");
	chat_put_string(out, ev->name);
	PUT(out, ",\"input\":{}}}\n\n");
}

/* A piece of the arguments: the content of a string, or an object that has to become it. */
static void put_args(const struct anthropic_encoder *e, const struct chat_event *ev, struct buf *out)
{
	PUT_EVENT(out, "content_block_delta");
	put_index(e->index, out);
	PUT(out, ",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"");
	if (ev->kind == CHAT_EV_TOOL_WHOLE)
		json_escape(ev->args.at, ev->args.len, out);
	else
		buf_append(out, ev->text.at, ev->text.len);
	PUT(out, "\"}}\n\n");
}

static int encode_tool(struct dialect_stream *s, const struct chat_event *ev, struct buf *out)
{
	struct anthropic_encoder *e = wire_encoder(s);

	if (ev->kind == CHAT_EV_TOOL_BEGIN || ev->kind == CHAT_EV_TOOL_WHOLE)
		begin_tool(s, ev, out);
	else if (!e->tool_open || ev->tool != e->tool)
		return ev->kind == CHAT_EV_TOOL_END ? 0 : ERR_PROTO; /* of a call that has ended */
	if (ev->kind == CHAT_EV_TOOL_ARGS || (ev->kind == CHAT_EV_TOOL_WHOLE && ev->args.len))
		put_args(e, ev, out);
	if (ev->kind == CHAT_EV_TOOL_END || ev->kind == CHAT_EV_TOOL_WHOLE)
		end_block(e, out);
	return 0;
}

/* ---- the end */

static int encode_finish(struct anthropic_encoder *e, const struct chat_event *ev, struct buf *out)
{
	end_block(e, out);
	end_block(e, out);
	e->finish = e->refused && ev->finish == CHAT_FINISH_STOP ? CHAT_FINISH_FILTER : ev->finish;
	return ev->stop_sequence.len ? buf_append(&e->stop_sequence, ev->stop_sequence.at, ev->stop_sequence.len) : 0;
}

static void encode_end(struct dialect_stream *s, struct buf *out)
{
	struct anthropic_encoder *e = wire_encoder(s);
	struct chat_text sequence = {e->stop_sequence.data, e->stop_sequence.len};
	const struct usage none = {0};

	end_block(e, out);
	end_block(e, out);
	PUT_EVENT(out, "message_delta");
	PUT(out, ",\"delta\":{");
	anthropic_put_stop(e->finish, sequence, out);
	PUT(out, "},");
	anthropic_put_usage(s->have_usage ? &s->usage : &none, out);
	PUT(out, "}\n\n");
	PUT_EVENT(out, "message_stop");
	PUT(out, "}\n\n");
}

int anthropic_encode(struct dialect_stream *s, const struct chat_event *ev, struct buf *out)
{
	struct anthropic_encoder *e = wire_encoder(s);

	if (ev->kind == CHAT_EV_ERROR)
		return anthropic_error_event(s, ev->error, out);
	if (ev->choice) /* one was asked for */
		return 0;
	put_start(s, out);
	switch (ev->kind) {
	case CHAT_EV_REFUSAL:
		e->refused = true;
		/* fall through */
	case CHAT_EV_TEXT:
		return encode_text(e, ev->text, out);
	case CHAT_EV_TOOL_BEGIN:
	case CHAT_EV_TOOL_ARGS:
	case CHAT_EV_TOOL_WHOLE:
	case CHAT_EV_TOOL_END:
		return encode_tool(s, ev, out);
	case CHAT_EV_FINISH:
		return encode_finish(e, ev, out);
	case CHAT_EV_END:
		encode_end(s, out);
		return 0;
	case CHAT_EV_ERROR:
		break;
	}
	return 0;
}

void anthropic_encoder_done(struct dialect_stream *s)
{
	struct anthropic_encoder *e = wire_encoder(s);

	buf_done(&e->late);
	buf_done(&e->stop_sequence);
}

int anthropic_error_event(struct dialect_stream *s, const struct dialect_error *e, struct buf *out)
{
	struct dialect_error own = *e;
	int rc;

	if (!own.request_id)
		own.request_id = s->opts.id;
	PUT(out, "event: error\ndata: ");
	rc = dialect_error_body(TG_DIALECT_ANTHROPIC, &own, out);
	PUT(out, "\n\n");
	return rc < 0 ? rc : out->failed ? ERR_NOMEM : 0;
}
