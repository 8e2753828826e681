/* OpenAI's chat completion chunks: watched, decoded, encoded. */
#include "dialect/openai_chat.h"

#include "base/json_text.h"

#include <stdio.h>
#include <string.h>

static bool is_done(const struct wire_event *ev)
{
	return ev->len == 6 && memcmp(ev->data, "[DONE]", 6) == 0;
}

static void read_usage(struct dialect_stream *s, const struct json_span *v)
{
	struct usage u;
	bool inconsistent = false;
	int rc;

	if (!wire_given(v))
		return;
	rc = openai_read_usage(v, true, &u, &inconsistent);
	wire_take_usage(s, rc, &u, inconsistent);
}

/* ---- same wire */

/* A choice's own "finish_reason" with a value. */
static void read_choice(struct dialect_stream *s, const struct json_span *choice)
{
	enum { INDEX, REASON, FIELDS };
	struct json_member m[FIELDS] = {[INDEX] = {.name = "index"}, [REASON] = {.name = "finish_reason"}};
	uint64_t index = 0;

	if (json_scan_object(choice->at, choice->len, m, FIELDS, NULL) < 0 || !wire_given(&m[REASON].value) ||
	    (m[INDEX].count && json_number_u64(&m[INDEX].value, &index) < 0) || index >= SCAN_CHOICES_MAX)
		return;
	s->complete |= wire_finish(s, (unsigned)index);
}

/* Nearly every event ends with this, and then a second look at its choices would be for nothing: of several choices in
 * one event, which no provider is known to send, one before the last may have finished, so only a call for one choice
 * can skip it. */
static bool surely_unfinished(const struct dialect_stream *s, const struct json_span *choices)
{
	static const char tail[] = "\"finish_reason\":null}]";
	const size_t n = sizeof(tail) - 1;

	return s->opts.choices == 1 && choices->len > n && memcmp(choices->at + choices->len - n, tail, n) == 0;
}

static void read_choices(struct dialect_stream *s, const struct json_span *choices)
{
	struct json_span choice;
	struct json_iter it;

	if (choices->type != JSON_SPAN_ARRAY || surely_unfinished(s, choices) || json_iter_init(&it, choices) < 0)
		return;
	while (json_iter_next(&it, NULL, &choice) == 1)
		read_choice(s, &choice);
}

bool openai_chat_watch(struct dialect_stream *s, const struct wire_event *ev)
{
	enum { CHOICES, USAGE, ERROR, FIELDS };
	struct json_member m[FIELDS] = {
		[CHOICES] = {.name = "choices"}, [USAGE] = {.name = "usage"}, [ERROR] = {.name = "error"}};
	const struct json_span *choices = &m[CHOICES].value;

	if (is_done(ev)) {
		s->ending = s->complete = true;
		return true;
	}
	if (json_scan_object(ev->data, ev->len, m, FIELDS, NULL) < 0)
		return true; /* not ours to mend */
	if (wire_given(&m[ERROR].value))
		s->error_seen = true;
	read_usage(s, &m[USAGE].value);
	if (!s->opts.include_usage && wire_given(&m[USAGE].value) && !wire_given(&m[ERROR].value) &&
	    (!wire_given(choices) || json_is_empty(choices)))
		return false;
	read_choices(s, choices);
	s->content_bytes += m[CHOICES].string_bytes;
	return true;
}

/* ---- from the provider */

static int emit_error(struct dialect_stream *s, const struct wire_event *ev)
{
	struct dialect_provider_error pe;
	struct dialect_error e = {.status = 500};
	struct chat_event error = {.kind = CHAT_EV_ERROR, .error = &e};

	dialect_provider_error_read(PROVIDER_OPENAI, 500, ev->data, ev->len, &pe);
	if (pe.verdict == DIALECT_RATE_LIMITED)
		e.status = 429;
	else if (pe.verdict == DIALECT_OVERLOADED)
		e.status = 503;
	e.type = pe.type[0] ? pe.type : "server_error";
	e.code = pe.code[0] ? pe.code : NULL;
	e.message = pe.message[0] ? pe.message : "The provider reported an error.";
	return wire_emit(s, &error);
}

static int end_tool(struct dialect_stream *s, unsigned choice)
{
	struct openai_chat_decoder *d = wire_decoder(s);
	struct chat_event ev = {.kind = CHAT_EV_TOOL_END, .choice = choice, .tool = d->open[choice] - 1};

	if (!d->open[choice])
		return 0;
	d->open[choice] = 0;
	return wire_emit(s, &ev);
}

static int begin_tool(struct dialect_stream *s, unsigned choice, const struct json_span *id,
		      const struct json_span *name)
{
	struct openai_chat_decoder *d = wire_decoder(s);
	struct chat_event ev = {.kind = CHAT_EV_TOOL_BEGIN,
				.choice = choice,
				.tool = d->begun[choice],
				.id = chat_text_of(id),
				.name = chat_text_of(name)};
	int rc = end_tool(s, choice);

	if (rc < 0)
		return rc;
	if (!ev.name.at)
		return ERR_PROTO;
	d->open[choice] = ++d->begun[choice];
	return wire_emit(s, &ev);
}

/* One element of delta.tool_calls. Calls come one after the other; a server that leaves the index out begins one with
 * each id. */
static int decode_tool(struct dialect_stream *s, unsigned choice, const struct json_span *call)
{
	enum { INDEX, ID, FUNCTION, FIELDS };
	struct json_member m[FIELDS] = {
		[INDEX] = {.name = "index"}, [ID] = {.name = "id"}, [FUNCTION] = {.name = "function"}};
	enum { NAME, ARGS };
	struct json_member f[] = {[NAME] = {.name = "name"}, [ARGS] = {.name = "arguments"}};
	struct openai_chat_decoder *d = wire_decoder(s);
	struct chat_event ev = {.kind = CHAT_EV_TOOL_ARGS, .choice = choice};
	uint64_t index;
	int rc = 0;

	if (json_scan_object(call->at, call->len, m, FIELDS, NULL) < 0)
		return ERR_PROTO;
	if (m[FUNCTION].value.type == JSON_SPAN_OBJECT &&
	    json_scan_object(m[FUNCTION].value.at, m[FUNCTION].value.len, f, ARRAY_SIZE(f), NULL) < 0)
		return ERR_PROTO;
	if (!m[INDEX].count || json_number_u64(&m[INDEX].value, &index) < 0)
		index = wire_given(&m[ID].value) || !d->begun[choice] ? d->begun[choice] : d->begun[choice] - 1;
	if (index == d->begun[choice])
		rc = begin_tool(s, choice, &m[ID].value, &f[NAME].value);
	else if (index + 1 != d->open[choice])
		return ERR_PROTO;
	ev.tool = (unsigned)index;
	ev.text = chat_text_of(&f[ARGS].value);
	return rc < 0 || !ev.text.len ? rc : wire_emit(s, &ev);
}

static int decode_delta(struct dialect_stream *s, unsigned choice, const struct json_span *delta)
{
	enum { CONTENT, REFUSAL, TOOLS, FIELDS };
	struct json_member m[FIELDS] = {
		[CONTENT] = {.name = "content"}, [REFUSAL] = {.name = "refusal"}, [TOOLS] = {.name = "tool_calls"}};
	struct chat_event ev = {.kind = CHAT_EV_TEXT, .choice = choice};
	struct json_span call;
	struct json_iter it;
	int rc = 0;

	if (json_scan_object(delta->at, delta->len, m, FIELDS, NULL) < 0 ||
	    (wire_given(&m[CONTENT].value) && m[CONTENT].value.type != JSON_SPAN_STRING))
		return ERR_PROTO;
	ev.text = chat_text_of(&m[CONTENT].value);
	if (ev.text.len)
		rc = wire_emit(s, &ev);
	ev.kind = CHAT_EV_REFUSAL;
	ev.text = chat_text_of(&m[REFUSAL].value);
	if (rc == 0 && ev.text.len)
		rc = wire_emit(s, &ev);
	if (rc < 0 || !wire_given(&m[TOOLS].value))
		return rc;
	if (m[TOOLS].value.type != JSON_SPAN_ARRAY || json_iter_init(&it, &m[TOOLS].value) < 0)
		return ERR_PROTO;
	while (rc == 0 && json_iter_next(&it, NULL, &call) == 1)
		rc = decode_tool(s, choice, &call);
	return rc;
}

static int finish_choice(struct dialect_stream *s, unsigned choice, enum chat_finish finish)
{
	struct chat_event ev = {.kind = CHAT_EV_FINISH, .choice = choice, .finish = finish};
	int rc;

	if (wire_is_finished(s, choice))
		return 0;
	rc = end_tool(s, choice);
	s->complete |= wire_finish(s, choice);
	return rc < 0 ? rc : wire_emit(s, &ev);
}

/* [DONE]: a server that left a reason out has come to an end all the same, and other wires want one. */
static int decode_done(struct dialect_stream *s)
{
	struct openai_chat_decoder *d = wire_decoder(s);
	int rc = 0;

	d->done = s->complete = true;
	for (unsigned i = 0; rc == 0 && i < s->opts.choices && i < SCAN_CHOICES_MAX; i++)
		rc = finish_choice(s, i, CHAT_FINISH_STOP);
	return rc;
}

static int decode_choice(struct dialect_stream *s, const struct json_span *choice)
{
	enum { INDEX, DELTA, REASON, FIELDS };
	struct json_member m[FIELDS] = {
		[INDEX] = {.name = "index"}, [DELTA] = {.name = "delta"}, [REASON] = {.name = "finish_reason"}};
	uint64_t index = 0;
	int rc = 0;

	if (json_scan_object(choice->at, choice->len, m, FIELDS, NULL) < 0 ||
	    (m[INDEX].count && json_number_u64(&m[INDEX].value, &index) < 0) || index >= SCAN_CHOICES_MAX)
		return ERR_PROTO;
	if (wire_given(&m[DELTA].value))
		rc = decode_delta(s, (unsigned)index, &m[DELTA].value);
	if (rc == 0 && wire_given(&m[REASON].value))
		rc = finish_choice(s, (unsigned)index, openai_finish_of(&m[REASON].value));
	return rc;
}

int openai_chat_decode(struct dialect_stream *s, const struct wire_event *ev)
{
	enum { CHOICES, USAGE, ERROR, FIELDS };
	struct json_member m[FIELDS] = {
		[CHOICES] = {.name = "choices"}, [USAGE] = {.name = "usage"}, [ERROR] = {.name = "error"}};
	struct openai_chat_decoder *d = wire_decoder(s);
	struct json_span choice;
	struct json_iter it;
	int rc = 0;

	if (is_done(ev))
		return decode_done(s);
	if (json_scan_object(ev->data, ev->len, m, FIELDS, NULL) < 0)
		return ERR_PROTO;
	if (wire_given(&m[ERROR].value))
		return emit_error(s, ev);
	read_usage(s, &m[USAGE].value);
	if (d->done)
		return 0;
	if (!wire_given(&m[CHOICES].value))
		return wire_given(&m[USAGE].value) ? 0 : ERR_PROTO;
	if (m[CHOICES].value.type != JSON_SPAN_ARRAY || json_iter_init(&it, &m[CHOICES].value) < 0)
		return ERR_PROTO;
	while (rc == 0 && json_iter_next(&it, NULL, &choice) == 1)
		rc = decode_choice(s, &choice);
	return rc;
}

/* ---- to the client */

#define PUT(out, literal) buf_append(out, literal, sizeof(literal) - 1)

static void put_number(struct buf *out, unsigned n)
{
	char text[16], *p = text + sizeof(text);

	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	buf_append(out, p, (size_t)(text + sizeof(text) - p));
}

/* Up to the members of the delta; its first one says the role. */
static int begin_chunk(struct dialect_stream *s, unsigned choice, bool text, struct buf *out)
{
	struct openai_chat_encoder *e = wire_encoder(s);
	uint64_t *said, bit = 1ull << choice % 64;

	if (choice >= SCAN_CHOICES_MAX)
		return ERR_PROTO;
	if (!e->head.len) {
		PUT(&e->head, "data: {");
		openai_put_head(&e->head, &s->opts, "chat.completion.chunk");
		PUT(&e->head, ",\"choices\":[");
		if (e->head.failed)
			return ERR_NOMEM;
	}
	buf_append(out, e->head.data, e->head.len);
	PUT(out, "{\"index\":");
	put_number(out, choice);
	PUT(out, ",\"delta\":{");
	said = &e->role_said[choice / 64];
	if (*said & bit)
		return 0;
	*said |= bit;
	PUT(out, "\"role\":\"assistant\"");
	if (!text)
		PUT(out, ",\"content\":null");
	return buf_putc(out, ',');
}

static void end_chunk(const struct dialect_stream *s, struct buf *out)
{
	if (s->opts.include_usage)
		PUT(out, "}],\"usage\":null}\n\n");
	else
		PUT(out, "}]}\n\n");
}

static int encode_text(struct dialect_stream *s, const struct chat_event *ev, struct buf *out)
{
	int rc = begin_chunk(s, ev->choice, ev->kind == CHAT_EV_TEXT, out);

	if (rc < 0)
		return rc;
	if (ev->kind == CHAT_EV_TEXT)
		PUT(out, "\"content\":");
	else
		PUT(out, "\"refusal\":");
	chat_put_string(out, ev->text);
	PUT(out, "},\"finish_reason\":null");
	end_chunk(s, out);
	return 0;
}

static void put_call_id(const struct dialect_stream *s, const struct chat_event *ev, struct buf *out)
{
	char made[64];

	if (ev->id.at) {
		chat_put_string(out, ev->id);
		return;
	}
	buf_putc(out, '"');
	buf_append(out, made, chat_make_call_id(&s->opts, ev->choice, ev->tool, made));
	buf_putc(out, '"');
}

static int encode_tool(struct dialect_stream *s, const struct chat_event *ev, struct buf *out)
{
	int rc = begin_chunk(s, ev->choice, false, out);

	if (rc < 0)
		return rc;
	PUT(out, "\"tool_calls\":[{\"index\":");
	put_number(out, ev->tool);
	if (ev->kind != CHAT_EV_TOOL_ARGS) {
		PUT(out, ",\"id\":");
		put_call_id(s, ev, out);
		PUT(out, ",\"type\":\"function\",\"function\":{\"name\":");
		chat_put_string(out, ev->name);
		PUT(out, ",\"arguments\":\"");
		if (ev->kind == CHAT_EV_TOOL_WHOLE)
			json_escape(ev->args.at, ev->args.len, out);
	} else {
		PUT(out, ",\"function\":{\"arguments\":\"");
		buf_append(out, ev->text.at, ev->text.len);
	}
	PUT(out, "\"}}]},\"finish_reason\":null");
	end_chunk(s, out);
	return 0;
}

static int encode_finish(struct dialect_stream *s, const struct chat_event *ev, struct buf *out)
{
	struct openai_chat_encoder *e = wire_encoder(s);
	bool silent = ev->choice < SCAN_CHOICES_MAX && !(e->role_said[ev->choice / 64] >> ev->choice % 64 & 1);
	int rc = begin_chunk(s, ev->choice, true, out);

	if (rc < 0)
		return rc;
	if (silent) /* not a word was said: the role's comma wants a member behind it */
		PUT(out, "\"content\":\"\"");
	PUT(out, "},\"finish_reason\":\"");
	buf_puts(out, openai_finish_name(ev->finish));
	buf_putc(out, '"');
	end_chunk(s, out);
	return 0;
}

static void encode_end(struct dialect_stream *s, struct buf *out)
{
	struct openai_chat_encoder *e = wire_encoder(s);

	if (s->opts.include_usage && s->have_usage && e->head.len) {
		buf_append(out, e->head.data, e->head.len);
		PUT(out, "],\"usage\":");
		openai_put_usage(out, &s->usage);
		PUT(out, "}\n\n");
	}
	PUT(out, "data: [DONE]\n\n");
}

int openai_chat_encode(struct dialect_stream *s, const struct chat_event *ev, struct buf *out)
{
	switch (ev->kind) {
	case CHAT_EV_TEXT:
	case CHAT_EV_REFUSAL:
		return encode_text(s, ev, out);
	case CHAT_EV_TOOL_BEGIN:
	case CHAT_EV_TOOL_ARGS:
	case CHAT_EV_TOOL_WHOLE:
		return encode_tool(s, ev, out);
	case CHAT_EV_TOOL_END:
		return 0;
	case CHAT_EV_FINISH:
		return encode_finish(s, ev, out);
	case CHAT_EV_ERROR:
		return openai_chat_error_event(s, ev->error, out);
	case CHAT_EV_END:
		encode_end(s, out);
		return 0;
	}
	return 0;
}

void openai_chat_encoder_done(struct dialect_stream *s)
{
	struct openai_chat_encoder *e = wire_encoder(s);

	buf_done(&e->head);
}

int openai_chat_error_event(struct dialect_stream *s, const struct dialect_error *e, struct buf *out)
{
	(void)s;
	PUT(out, "data: ");
	dialect_error_body(TG_DIALECT_OPENAI, e, out);
	return PUT(out, "\n\n");
}
