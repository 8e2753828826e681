/* Anthropic messages, a provider's stream: passed to its own clients (watch) or taken apart for others (decode).
 *
 * Usage (D3): message_start has the input's counts, and message_delta overwrites field by field. Only what
 * message_delta has said counts as the stream's usage: the output_tokens before it are where counting began. Between
 * the two the counts are in s->partial, of which input_tokens is the fresh input plus one; 0 = not known, or not
 * believed. */
#include "dialect/anthropic.h"

#include "base/json_text.h"

#include <string.h>

enum { TYPE, INDEX, DELTA, BLOCK, MESSAGE, USAGE, ERROR, FIELDS };

static int scan_event(const struct wire_event *ev, struct json_member m[FIELDS])
{
	static const char *const names[FIELDS] = {"type",    "index", "delta", "content_block",
						  "message", "usage", "error"};

	for (size_t i = 0; i < FIELDS; i++)
		m[i].name = names[i];
	if (json_scan_object(ev->data, ev->len, m, FIELDS, NULL) < 0 || m[TYPE].value.type != JSON_SPAN_STRING)
		return ERR_PROTO;
	return 0;
}

/* ---- usage */

static struct anthropic_counts counts_so_far(const struct dialect_stream *s)
{
	return (struct anthropic_counts){
		.input = s->partial.input_tokens ? s->partial.input_tokens - 1 : 0,
		.have_input = s->partial.input_tokens != 0,
		.cache_read = s->partial.cached_input_tokens,
		.cache_write = s->partial.cache_write_tokens,
		.output = s->partial.output_tokens,
		.thinking = s->partial.reasoning_tokens,
	};
}

static void keep_counts(struct dialect_stream *s, const struct anthropic_counts *c)
{
	s->partial = (struct usage){
		.input_tokens = c->have_input ? c->input + 1 : 0,
		.cached_input_tokens = c->cache_read,
		.cache_write_tokens = c->cache_write,
		.output_tokens = c->output,
		.reasoning_tokens = c->thinking,
	};
}

static void take_usage(struct dialect_stream *s, const struct json_span *v, bool final)
{
	struct anthropic_counts c = counts_so_far(s);
	struct usage u = {0};
	int rc = anthropic_counts_read(v, &c);

	if (rc == ERR_NOT_FOUND)
		return;
	if (rc < 0)
		c = (struct anthropic_counts){0};
	keep_counts(s, &c);
	if (rc == 0 && final)
		rc = anthropic_counts_sum(&c, &u);
	if (rc < 0 || final)
		wire_take_usage(s, rc, &u, false);
}

static void take_start_usage(struct dialect_stream *s, const struct json_span *message)
{
	struct json_member m = {.name = "usage"};

	if (message->type == JSON_SPAN_OBJECT && json_scan_object(message->at, message->len, &m, 1, NULL) == 0)
		take_usage(s, &m.value, false);
}

/* ---- same wire */

static void watch_delta(struct dialect_stream *s, const struct json_span *delta)
{
	enum { TEXT, JSON, THINKING, N };
	struct json_member m[N] = {
		[TEXT] = {.name = "text"}, [JSON] = {.name = "partial_json"}, [THINKING] = {.name = "thinking"}};

	if (delta->type != JSON_SPAN_OBJECT || json_scan_object(delta->at, delta->len, m, N, NULL) < 0)
		return;
	for (unsigned i = 0; i < N; i++)
		if (m[i].value.type == JSON_SPAN_STRING)
			s->content_bytes += m[i].string_bytes;
}

static void watch_block(struct dialect_stream *s, const struct json_span *block)
{
	struct json_member m = {.name = "name"};

	if (block->type == JSON_SPAN_OBJECT && json_scan_object(block->at, block->len, &m, 1, NULL) == 0 &&
	    m.value.type == JSON_SPAN_STRING)
		s->content_bytes += m.string_bytes;
}

bool anthropic_watch(struct dialect_stream *s, const struct wire_event *ev)
{
	struct json_member m[FIELDS];
	const struct json_span *type = &m[TYPE].value;

	if (!ev->data || scan_event(ev, m) < 0)
		return true; /* not ours to mend */
	if (json_string_is(type, "content_block_delta")) {
		watch_delta(s, &m[DELTA].value);
	} else if (json_string_is(type, "content_block_start")) {
		watch_block(s, &m[BLOCK].value);
	} else if (json_string_is(type, "message_start")) {
		take_start_usage(s, &m[MESSAGE].value);
	} else if (json_string_is(type, "message_delta")) {
		take_usage(s, &m[USAGE].value, true);
	} else if (json_string_is(type, "message_stop")) {
		s->complete = true;
		s->ending = true;
	} else if (json_string_is(type, "error")) {
		s->error_seen = true;
	}
	return true;
}

/* ---- for another wire */

static int on_message_start(struct dialect_stream *s, const struct json_member m[FIELDS])
{
	struct anthropic_decoder *d = wire_decoder(s);

	if (d->started || m[MESSAGE].value.type != JSON_SPAN_OBJECT)
		return ERR_PROTO;
	d->started = true;
	take_start_usage(s, &m[MESSAGE].value);
	return 0;
}

enum { B_TYPE, B_TEXT, B_ID, B_NAME, B_INPUT, B_FIELDS };

static int begin_tool(struct dialect_stream *s, struct anthropic_decoder *d, const struct json_member b[B_FIELDS])
{
	const struct json_span *input = &b[B_INPUT].value;
	struct chat_event ev = {
		.kind = CHAT_EV_TOOL_BEGIN,
		.tool = d->tools++,
		.id = chat_text_of(&b[B_ID].value),
		.name = chat_text_of(&b[B_NAME].value),
	};

	if (!ev.id.at || !ev.name.at)
		return ERR_PROTO;
	d->block = ANTHROPIC_TOOL;
	/* It is {} here, and what it is comes in pieces; a server that doesn't stream it has it all here. */
	if (input->type == JSON_SPAN_OBJECT && !json_is_empty(input)) {
		d->block = ANTHROPIC_TOOL_WHOLE;
		ev.kind = CHAT_EV_TOOL_WHOLE;
		ev.args = *input;
	}
	return wire_emit(s, &ev);
}

static int emit_text(struct dialect_stream *s, const struct json_span *text)
{
	struct chat_event ev = {.kind = CHAT_EV_TEXT, .text = chat_text_of(text)};

	return ev.text.len ? wire_emit(s, &ev) : 0;
}

static int on_block_start(struct dialect_stream *s, const struct json_member m[FIELDS])
{
	struct json_member b[B_FIELDS] = {[B_TYPE] = {.name = "type"},
					  [B_TEXT] = {.name = "text"},
					  [B_ID] = {.name = "id"},
					  [B_NAME] = {.name = "name"},
					  [B_INPUT] = {.name = "input"}};
	const struct json_span *block = &m[BLOCK].value;
	struct anthropic_decoder *d = wire_decoder(s);

	if (!d->started || d->block != ANTHROPIC_NO_BLOCK || json_number_u64(&m[INDEX].value, &d->index) < 0 ||
	    block->type != JSON_SPAN_OBJECT || json_scan_object(block->at, block->len, b, B_FIELDS, NULL) < 0 ||
	    b[B_TYPE].value.type != JSON_SPAN_STRING)
		return ERR_PROTO;
	if (json_string_is(&b[B_TYPE].value, "tool_use"))
		return begin_tool(s, d, b);
	d->block = ANTHROPIC_OTHER;
	if (!json_string_is(&b[B_TYPE].value, "text"))
		return 0; /* thinking may come unasked, and others have no place for it */
	d->block = ANTHROPIC_TEXT;
	return emit_text(s, &b[B_TEXT].value);
}

static int emit_args(struct dialect_stream *s, const struct anthropic_decoder *d, const struct json_span *piece)
{
	struct chat_event ev = {.kind = CHAT_EV_TOOL_ARGS, .tool = d->tools - 1, .text = chat_text_of(piece)};

	return ev.text.len ? wire_emit(s, &ev) : 0;
}

static bool is_block(const struct anthropic_decoder *d, const struct json_span *index)
{
	uint64_t n;

	return d->block != ANTHROPIC_NO_BLOCK && json_number_u64(index, &n) == 0 && n == d->index;
}

static int on_block_delta(struct dialect_stream *s, const struct json_member m[FIELDS])
{
	enum { D_TYPE, D_TEXT, D_JSON, D_FIELDS };
	struct json_member b[D_FIELDS] = {
		[D_TYPE] = {.name = "type"}, [D_TEXT] = {.name = "text"}, [D_JSON] = {.name = "partial_json"}};
	const struct json_span *delta = &m[DELTA].value, *type = &b[D_TYPE].value;
	const struct anthropic_decoder *d = wire_decoder(s);

	if (!is_block(d, &m[INDEX].value) || delta->type != JSON_SPAN_OBJECT ||
	    json_scan_object(delta->at, delta->len, b, D_FIELDS, NULL) < 0 || type->type != JSON_SPAN_STRING)
		return ERR_PROTO;
	if (json_string_is(type, "text_delta"))
		return d->block == ANTHROPIC_TEXT && b[D_TEXT].value.type == JSON_SPAN_STRING
			       ? emit_text(s, &b[D_TEXT].value)
			       : ERR_PROTO;
	if (json_string_is(type, "input_json_delta") && d->block != ANTHROPIC_OTHER)
		return d->block == ANTHROPIC_TOOL && b[D_JSON].value.type == JSON_SPAN_STRING
			       ? emit_args(s, d, &b[D_JSON].value)
			       : ERR_PROTO;
	return 0;
}

static int end_block(struct dialect_stream *s, struct anthropic_decoder *d)
{
	struct chat_event ev = {.kind = CHAT_EV_TOOL_END, .tool = d->tools - 1};
	bool tool = d->block == ANTHROPIC_TOOL;

	d->block = ANTHROPIC_NO_BLOCK;
	return tool ? wire_emit(s, &ev) : 0;
}

static int on_block_stop(struct dialect_stream *s, const struct json_member m[FIELDS])
{
	struct anthropic_decoder *d = wire_decoder(s);

	return is_block(d, &m[INDEX].value) ? end_block(s, d) : ERR_PROTO;
}

static int on_message_delta(struct dialect_stream *s, const struct json_member m[FIELDS])
{
	enum { REASON, SEQUENCE, N };
	struct json_member b[N] = {[REASON] = {.name = "stop_reason"}, [SEQUENCE] = {.name = "stop_sequence"}};
	const struct json_span *delta = &m[DELTA].value;
	struct anthropic_decoder *d = wire_decoder(s);
	struct chat_event ev = {.kind = CHAT_EV_FINISH};
	int rc;

	if (!d->started || delta->type != JSON_SPAN_OBJECT || json_scan_object(delta->at, delta->len, b, N, NULL) < 0)
		return ERR_PROTO;
	take_usage(s, &m[USAGE].value, true);
	ev.finish = anthropic_finish_of(&b[REASON].value);
	ev.stop_sequence = chat_text_of(&b[SEQUENCE].value);
	if (ev.finish == CHAT_FINISH_NONE || s->finished)
		return 0;
	wire_finish(s, 0);
	rc = end_block(s, d);
	return rc < 0 ? rc : wire_emit(s, &ev);
}

static int on_message_stop(struct dialect_stream *s, const struct json_member m[FIELDS])
{
	(void)m;
	if (!s->finished)
		return ERR_PROTO; /* nobody could say why it ended */
	s->complete = true;
	return 0;
}

/* What a provider's error in the middle of a stream is to the client. What is between the provider and us (our key, our
 * limits there) is told in our words. */
static struct dialect_error error_of(const struct json_span *type, const char *message)
{
	static const struct {
		const char *type;
		struct dialect_error error;
	} known[] = {
		{"invalid_request_error", {.status = 400, .type = "invalid_request_error"}},
		{"request_too_large", {.status = 413, .type = "invalid_request_error", .code = "request_too_large"}},
		{"overloaded_error", {.status = 503, .type = "server_error", .code = "server_is_overloaded"}},
		{"timeout_error", {.status = 504, .type = "server_error", .code = "upstream_timeout"}},
		{"api_error", {.status = 502, .type = "server_error", .code = "upstream_failed"}},
		{"rate_limit_error",
		 {.status = 503,
		  .type = "server_error",
		  .code = "server_is_overloaded",
		  .message = "The model's provider is overloaded. Please retry later."}},
	};
	struct dialect_error e = {.status = 502,
				  .type = "server_error",
				  .code = "upstream_failed",
				  .message = "The model's provider broke off its answer."};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (json_string_is(type, known[i].type)) {
			e = known[i].error;
			if (!e.message)
				e.message = message;
		}
	return e;
}

static int on_error(struct dialect_stream *s, const struct json_member m[FIELDS])
{
	enum { E_TYPE, E_MESSAGE, N };
	struct json_member b[N] = {[E_TYPE] = {.name = "type"}, [E_MESSAGE] = {.name = "message"}};
	const struct json_span *error = &m[ERROR].value;
	_cleanup_(buf_done) struct buf message = BUF_INIT;
	struct chat_event ev = {.kind = CHAT_EV_ERROR};
	struct dialect_error e;
	struct chat_text text;

	if (error->type != JSON_SPAN_OBJECT || json_scan_object(error->at, error->len, b, N, NULL) < 0)
		return ERR_PROTO;
	text = chat_text_of(&b[E_MESSAGE].value);
	if (text.at && json_unescape(text.at, text.len, &message) < 0)
		return ERR_NOMEM;
	e = error_of(&b[E_TYPE].value, message.len ? message.data : "The model's provider failed.");
	e.request_id = s->opts.id;
	ev.error = &e;
	return wire_emit(s, &ev);
}

int anthropic_decode(struct dialect_stream *s, const struct wire_event *ev)
{
	static const struct {
		const char *type;
		int (*on)(struct dialect_stream *s, const struct json_member m[FIELDS]);
	} events[] = {
		{"content_block_delta", on_block_delta}, /* nearly all of them */
		{"content_block_start", on_block_start}, {"content_block_stop", on_block_stop},
		{"message_start", on_message_start},     {"message_delta", on_message_delta},
		{"message_stop", on_message_stop},       {"error", on_error},
	};
	struct json_member m[FIELDS];

	if (!ev->data || s->complete)
		return 0;
	if (scan_event(ev, m) < 0)
		return ERR_PROTO;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (json_string_is(&m[TYPE].value, events[i].type))
			return events[i].on(s, m);
	return 0; /* ping, and what may be added to the protocol */
}
