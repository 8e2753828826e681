/* OpenAI responses: other wires' streams as one of this; and the wire's row.
 *
 * A stream of this wire says everything several times: in pieces, and whole when a part, an item and the response are
 * done. So the encoder collects what it has said, which is bounded (R1).
 *
 * Invariants (tests cite them):
 *  R1  Of texts, arguments and names at most RESPONSES_TEXT_MAX is kept, in at most RESPONSES_ITEMS_MAX items; more is
 *      ERR_FULL, never a response without its end.
 *  R2  Items are numbered in the order in which they are added, and each that was added is done before the response is:
 *      the SDKs' accumulators index by it.
 *  R3  Sequence numbers have no gaps, and an error of ours goes on where they ended (same wire: where the provider's
 *      did, responses_watch.c). */
#include "dialect/responses.h"

#include <inttypes.h>
#include <string.h>

/* Its last event fits in what the engine holds back of a translated stream, with what is around the texts. */
#define RESPONSES_TEXT_MAX ((size_t)15 << 20)
#define RESPONSES_ITEMS_MAX 2048u
/* What surrounds a text in the response: counted with it, so that many small parts are bounded as well. */
#define RESPONSES_PART_COST 96u

/* ---- what the encoder keeps */

struct item {
	bool call, done;
	const char *status; /* once it is done */
	unsigned tool;      /* a call's index among the calls */
	struct buf text;    /* as the content of a string: arguments; a message: of the part that is open */
	struct buf kept;    /* a call's id and name; a message's parts that are done, as JSON */
	size_t id_len;      /* a call's */
	unsigned n_parts;   /* a message's, the open one included */
	bool part_open, refusal;
};

struct encoder {
	bool begun;
	enum chat_finish finish;
	size_t collected; /* R1 */
	struct item *items;
	unsigned n_items, room;
};

static void responses_encoder_done(struct dialect_stream *s)
{
	struct encoder *e = wire_encoder(s);

	for (unsigned i = 0; i < e->n_items; i++) {
		buf_done(&e->items[i].text);
		buf_done(&e->items[i].kept);
	}
	free(e->items);
}

static int collect(struct encoder *e, struct buf *into, struct chat_text t, size_t cost)
{
	if (t.len > RESPONSES_TEXT_MAX - e->collected || cost > RESPONSES_TEXT_MAX - e->collected - t.len)
		return ERR_FULL;
	e->collected += t.len + cost;
	return t.len ? buf_append(into, t.at, t.len) : 0;
}

static int item_add(struct encoder *e, bool call, struct item **ret)
{
	unsigned room = e->room ? 2 * e->room : 4;
	struct item *grown;

	if (e->n_items == RESPONSES_ITEMS_MAX)
		return ERR_FULL;
	if (e->n_items == e->room) {
		grown = realloc(e->items, room * sizeof(*grown));
		if (!grown)
			return ERR_NOMEM;
		e->items = grown;
		e->room = room;
	}
	*ret = &e->items[e->n_items++];
	**ret = (struct item){.call = call};
	return 0;
}

static unsigned index_of(const struct encoder *e, const struct item *it)
{
	return (unsigned)(it - e->items);
}

static struct chat_text text_of(const struct buf *b)
{
	return (struct chat_text){.at = b->len ? b->data : "", .len = b->len};
}

static struct chat_text call_id(const struct item *it)
{
	return (struct chat_text){.at = it->id_len ? it->kept.data : "", .len = it->id_len};
}

static struct chat_text call_name(const struct item *it)
{
	return (struct chat_text){.at = it->kept.len ? it->kept.data + it->id_len : "",
				  .len = it->kept.len - it->id_len};
}

/* ---- events */

/* Up to where the event's own members go. */
static void event_begin(struct dialect_stream *s, const char *type, struct buf *out)
{
	buf_printf(out, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%" PRIu64, type, type, s->sequence++);
}

static void event_end(struct buf *out)
{
	buf_puts(out, "}\n\n");
}

static void event_of_item(struct dialect_stream *s, const char *type, const struct item *it, struct buf *out)
{
	event_begin(s, type, out);
	buf_printf(out, ",\"output_index\":%u", index_of(wire_encoder(s), it));
}

/* Events of what is in an item. */
static void event_in_item(struct dialect_stream *s, const char *type, const struct item *it, struct buf *out)
{
	event_of_item(s, type, it, out);
	buf_puts(out, ",\"item_id\":");
	responses_put_item_id(&s->opts, it->call, index_of(wire_encoder(s), it), out);
	if (!it->call)
		buf_printf(out, ",\"content_index\":%u", it->n_parts - 1);
}

static void event_put_text(const char *name, struct chat_text text, struct buf *out)
{
	buf_printf(out, ",\"%s\":", name);
	chat_put_string(out, text);
}

static void put_item(struct dialect_stream *s, const struct item *it, struct buf *out)
{
	const char *status = it->done ? it->status : "in_progress";
	unsigned index = index_of(wire_encoder(s), it);

	if (it->call) {
		responses_put_call_head(&s->opts, index, status, call_id(it), call_name(it), out);
		chat_put_string(out, text_of(&it->text));
		buf_putc(out, '}');
	} else {
		responses_put_message_head(&s->opts, index, status, out);
		buf_append(out, text_of(&it->kept).at, it->kept.len);
		buf_puts(out, "]}");
	}
}

static void put_item_event(struct dialect_stream *s, const char *type, const struct item *it, struct buf *out)
{
	event_of_item(s, type, it, out);
	buf_puts(out, ",\"item\":");
	put_item(s, it, out);
	event_end(out);
}

static void put_response_event(struct dialect_stream *s, const char *type, const char *status, const struct usage *u,
			       struct buf *out)
{
	const struct encoder *e = wire_encoder(s);

	event_begin(s, type, out);
	buf_puts(out, ",\"response\":");
	responses_put_head(&s->opts, status, e->finish, out);
	for (unsigned i = 0; i < e->n_items; i++) {
		if (i)
			buf_putc(out, ',');
		put_item(s, &e->items[i], out);
	}
	responses_put_tail(u, out);
	event_end(out);
}

static void begin(struct dialect_stream *s, struct encoder *e, struct buf *out)
{
	if (e->begun)
		return;
	e->begun = true;
	put_response_event(s, "response.created", "in_progress", NULL, out);
	put_response_event(s, "response.in_progress", "in_progress", NULL, out);
}

/* ---- messages */

static int close_part(struct dialect_stream *s, struct item *it, struct buf *out)
{
	struct chat_text text = text_of(&it->text);

	if (!it->part_open)
		return 0;
	event_in_item(s, it->refusal ? "response.refusal.done" : "response.output_text.done", it, out);
	event_put_text(it->refusal ? "refusal" : "text", text, out);
	buf_puts(out, it->refusal ? "" : ",\"logprobs\":[]");
	event_end(out);
	event_in_item(s, "response.content_part.done", it, out);
	buf_puts(out, ",\"part\":");
	responses_put_part(it->refusal, text, out);
	event_end(out);
	if (it->n_parts > 1)
		buf_putc(&it->kept, ',');
	responses_put_part(it->refusal, text, &it->kept);
	buf_reset(&it->text);
	it->part_open = false;

	return it->kept.failed ? ERR_NOMEM : 0;
}

static int open_part(struct dialect_stream *s, struct encoder *e, struct item *it, bool refusal, struct buf *out)
{
	int rc;

	if (it->part_open && it->refusal == refusal)
		return 0;
	rc = close_part(s, it, out);
	if (rc == 0)
		rc = collect(e, &it->text, (struct chat_text){0}, RESPONSES_PART_COST);
	if (rc < 0)
		return rc;
	it->part_open = true;
	it->refusal = refusal;
	it->n_parts++;
	event_in_item(s, "response.content_part.added", it, out);
	buf_puts(out, ",\"part\":");
	responses_put_part(refusal, (struct chat_text){.at = "", .len = 0}, out);
	event_end(out);
	return 0;
}

static int close_item(struct dialect_stream *s, struct item *it, const char *status, struct buf *out)
{
	int rc = it->done ? 0 : close_part(s, it, out);

	if (it->done || rc < 0)
		return rc;
	if (it->call) {
		event_in_item(s, "response.function_call_arguments.done", it, out);
		event_put_text("name", call_name(it), out);
		event_put_text("arguments", text_of(&it->text), out);
		event_end(out);
	}
	it->done = true;
	it->status = status;
	put_item_event(s, "response.output_item.done", it, out);
	return 0;
}

/* The last item, if it is a message that isn't done. */
static struct item *open_message(const struct encoder *e)
{
	struct item *last = e->n_items ? &e->items[e->n_items - 1] : NULL;

	return last && !last->call && !last->done ? last : NULL;
}

static int encode_text(struct dialect_stream *s, struct encoder *e, const struct chat_event *ev, struct buf *out)
{
	bool refusal = ev->kind == CHAT_EV_REFUSAL;
	struct item *it = open_message(e);
	int rc = 0;

	if (!ev->text.len)
		return 0;
	if (!it) {
		rc = item_add(e, false, &it);
		if (rc < 0)
			return rc;
		put_item_event(s, "response.output_item.added", it, out);
	}
	rc = open_part(s, e, it, refusal, out);
	if (rc == 0)
		rc = collect(e, &it->text, ev->text, 0);
	if (rc < 0)
		return rc;
	event_in_item(s, refusal ? "response.refusal.delta" : "response.output_text.delta", it, out);
	event_put_text("delta", ev->text, out);
	buf_puts(out, refusal ? "" : ",\"logprobs\":[]");
	event_end(out);
	return 0;
}

/* ---- calls */

static struct item *find_call(const struct encoder *e, unsigned tool)
{
	for (unsigned i = e->n_items; i > 0; i--)
		if (e->items[i - 1].call && !e->items[i - 1].done && e->items[i - 1].tool == tool)
			return &e->items[i - 1];
	return NULL;
}

static int begin_call(struct dialect_stream *s, struct encoder *e, const struct chat_event *ev, struct buf *out)
{
	struct item *message = open_message(e), *it;
	struct chat_text id = ev->id;
	char made[64];
	int rc = message ? close_item(s, message, "completed", out) : 0;

	if (rc == 0)
		rc = item_add(e, true, &it);
	if (rc < 0)
		return rc;
	it->tool = ev->tool;
	if (!id.at)
		id = (struct chat_text){.at = made, .len = chat_make_call_id(&s->opts, 0, ev->tool, made)};
	rc = collect(e, &it->kept, id, RESPONSES_PART_COST);
	it->id_len = it->kept.len;
	if (rc == 0)
		rc = collect(e, &it->kept, ev->name, 0);
	if (rc == 0)
		put_item_event(s, "response.output_item.added", it, out);
	return rc;
}

static int call_args(struct dialect_stream *s, struct encoder *e, const struct chat_event *ev, struct buf *out)
{
	struct item *it = find_call(e, ev->tool);
	int rc;

	if (!it)
		return ERR_PROTO;
	if (!ev->text.len)
		return 0;
	rc = collect(e, &it->text, ev->text, 0);
	if (rc < 0)
		return rc;
	event_in_item(s, "response.function_call_arguments.delta", it, out);
	event_put_text("delta", ev->text, out);
	event_end(out);
	return 0;
}

static int end_call(struct dialect_stream *s, struct encoder *e, unsigned tool, struct buf *out)
{
	struct item *it = find_call(e, tool);

	return it ? close_item(s, it, "completed", out) : ERR_PROTO;
}

static int whole_call(struct dialect_stream *s, struct encoder *e, const struct chat_event *ev, struct buf *out)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT;
	const struct chat_part part = {.kind = CHAT_TOOL_CALL, .args = ev->args};
	struct chat_event args = {.kind = CHAT_EV_TOOL_ARGS, .tool = ev->tool};
	int rc = begin_call(s, e, ev, out);

	if (rc == 0)
		rc = chat_put_args_text(&text, &part);
	args.text = text_of(&text);
	if (rc == 0)
		rc = call_args(s, e, &args, out);
	return rc < 0 ? rc : end_call(s, e, ev->tool, out);
}

/* ---- ends */

static int close_all(struct dialect_stream *s, struct encoder *e, struct buf *out)
{
	const char *status;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < e->n_items; i++) {
		status = i + 1 == e->n_items ? responses_status(e->finish) : "completed";
		rc = close_item(s, &e->items[i], status, out);
	}
	return rc;
}

static int encode_end(struct dialect_stream *s, struct encoder *e, struct buf *out)
{
	const char *status = responses_status(e->finish);
	int rc = close_all(s, e, out);

	if (rc == 0)
		put_response_event(s, strcmp(status, "completed") == 0 ? "response.completed" : "response.incomplete",
				   status, s->have_usage ? &s->usage : NULL, out);
	return rc;
}

static int responses_error_event(struct dialect_stream *s, const struct dialect_error *e, struct buf *out)
{
	_cleanup_(buf_done) struct buf said = BUF_INIT;

	buf_puts(&said, ",\"code\":");
	if (e->code)
		buf_put_json_string(&said, e->code, strlen(e->code));
	else
		buf_puts(&said, "null");
	buf_puts(&said, ",\"message\":");
	buf_put_json_string(&said, e->message, strlen(e->message));
	buf_puts(&said, ",\"param\":");
	if (e->param)
		buf_put_json_string(&said, e->param, strlen(e->param));
	else
		buf_puts(&said, "null");
	if (said.failed)
		return ERR_NOMEM;
	event_begin(s, "error", out);
	buf_append(out, said.data, said.len);
	/* A loop over the SDK's stream throws for what has an "error" in it; the members above it only yields, and a
	 * loop that looks for texts alone would take the end of such a stream for a success. */
	buf_puts(out, ",\"error\":{\"type\":");
	buf_put_json_string(out, e->type, strlen(e->type));
	buf_append(out, said.data, said.len);
	buf_putc(out, '}');
	event_end(out);
	return out->failed ? ERR_NOMEM : 0;
}

static int responses_encode(struct dialect_stream *s, const struct chat_event *ev, struct buf *out)
{
	struct encoder *e = wire_encoder(s);

	if (ev->kind == CHAT_EV_ERROR)
		return responses_error_event(s, ev->error, out);
	if (ev->choice) /* one was asked for */
		return ERR_PROTO;
	begin(s, e, out);
	switch (ev->kind) {
	case CHAT_EV_TEXT:
	case CHAT_EV_REFUSAL:
		return encode_text(s, e, ev, out);
	case CHAT_EV_TOOL_BEGIN:
		return begin_call(s, e, ev, out);
	case CHAT_EV_TOOL_ARGS:
		return call_args(s, e, ev, out);
	case CHAT_EV_TOOL_WHOLE:
		return whole_call(s, e, ev, out);
	case CHAT_EV_TOOL_END:
		return end_call(s, e, ev->tool, out);
	case CHAT_EV_FINISH:
		e->finish = ev->finish;
		return close_all(s, e, out);
	case CHAT_EV_END:
		return encode_end(s, e, out);
	case CHAT_EV_ERROR:
		break;
	}
	return ERR_PROTO;
}

const struct wire_ops wire_openai_responses = {
	.scan = responses_scan,
	.splice = responses_splice,
	.parse = responses_parse,
	.answer_valid = responses_answer_valid,
	.answer_usage = responses_answer_usage,
	.answer_render = responses_answer_render,
	.usage = responses_usage,
	.usage_member = "usage",
	.event_max = RESPONSES_EVENT_MAX,
	.watch = responses_watch,
	.encoder_size = sizeof(struct encoder),
	.encode = responses_encode,
	.encoder_done = responses_encoder_done,
	.error_event = responses_error_event,
};
