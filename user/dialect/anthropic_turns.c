/* Anthropic messages, a chat for a provider: system, and messages as turns that alternate.
 *
 * Consecutive messages of one role are one turn; in a user's turn the results of tools stand first, as must be there.
 * A call without an id (Gemini's) gets one, and so does its result: the first to come of the calls of that name in the
 * turn before that has none yet. */
#include "dialect/anthropic_render.h"

#include "base/json_text.h"

#include <string.h>

/* Pairing looks at all calls of a turn for each of its results. */
#define PAIRED_MAX 256u

struct turn {
	const struct chat *chat;
	struct buf *out;
	struct dialect_fault *fault;
	bool any;                         /* a block has been written */
	const struct chat_message *calls; /* where the assistant's turn before begins; it ends where this one begins */
	const struct chat_message *first, *end;
	unsigned number; /* of the turn, for ids */
};

/* ---- ids */

static bool is_id_char(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == '-';
}

/* Only letters, digits, _ and - are taken there. An id is only what a call and its result have in common, and no client
 * sees the changed one. */
static void put_id(struct chat_text id, struct buf *out)
{
	const char *p = id.at, *end = id.at + id.len, *run;

	buf_putc(out, '"');
	while (p < end) {
		for (run = p; p < end && is_id_char(*p);)
			p++;
		buf_append(out, run, (size_t)(p - run));
		if (p < end) {
			buf_putc(out, '_');
			p++;
		}
	}
	buf_putc(out, '"');
}

static void put_made_id(unsigned turn, unsigned call, struct buf *out)
{
	buf_printf(out, "\"call_%u_%u\"", turn, call);
}

/* Which of the turn's parts of a kind without an id, all of them or those of one name, is `part`? */
static unsigned rank_of(const struct chat_message *first, const struct chat_message *end, const struct chat_part *part,
			bool by_name)
{
	unsigned n = 0;

	for (const struct chat_message *m = first; m != end; m = m->next)
		for (const struct chat_part *p = m->parts; p; p = p->next) {
			if (p == part)
				return n;
			n += p->kind == part->kind && !p->id.at && (!by_name || chat_text_same(p->name, part->name));
		}
	return n;
}

/* The number of the call that a result without an id is of; -1: there is none. */
static int call_of_result(const struct turn *t, const struct chat_part *result)
{
	unsigned want = rank_of(t->first, t->end, result, true), n = 0, call = 0;

	for (const struct chat_message *m = t->calls; m != t->first; m = m->next)
		for (const struct chat_part *p = m->parts; p; p = p->next) {
			if (p->kind != CHAT_TOOL_CALL || p->id.at)
				continue;
			if (chat_text_same(p->name, result->name) && n++ == want)
				return (int)call;
			call++;
		}
	return -1;
}

/* ---- blocks */

static void put_text(struct chat_text text, struct buf *out)
{
	buf_puts(out, "{\"type\":\"text\",\"text\":");
	chat_put_string(out, text);
	buf_putc(out, '}');
}

static int put_image(const struct turn *t, const struct chat_part *p)
{
	static const char *const types[] = {"image/jpeg", "image/png", "image/gif", "image/webp"};
	size_t i = 0;

	if (p->kind == CHAT_IMAGE_URL) {
		buf_puts(t->out, "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":");
		chat_put_string(t->out, p->url);
		buf_puts(t->out, "}}");
		return 0;
	}
	while (i < ARRAY_SIZE(types) && !chat_text_is(p->media_type, types[i]))
		i++;
	if (i == ARRAY_SIZE(types))
		return chat_inexpressible(t->fault, t->chat, CHAT_F_IMAGE, "it takes JPEG, PNG, GIF and WebP");
	buf_printf(t->out,
		   "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"%s\",\"data\":", types[i]);
	chat_put_string(t->out, p->data);
	buf_puts(t->out, "}}");
	return 0;
}

static int put_call(struct turn *t, const struct chat_part *p)
{
	unsigned call;
	int rc;

	buf_puts(t->out, "{\"type\":\"tool_use\",\"id\":");
	if (p->id.at) {
		put_id(p->id, t->out);
	} else {
		call = rank_of(t->first, t->end, p, false);
		if (call >= PAIRED_MAX)
			return chat_inexpressible(t->fault, t->chat, CHAT_F_MESSAGES, "too many calls in one turn");
		put_made_id(t->number, call, t->out);
	}
	buf_puts(t->out, ",\"name\":");
	chat_put_string(t->out, p->name);
	buf_puts(t->out, ",\"input\":");
	rc = chat_put_args_object(t->out, p);
	if (rc == ERR_INVAL)
		return chat_inexpressible(t->fault, t->chat, CHAT_F_MESSAGES,
					  "the arguments of a tool call are no JSON object");
	buf_putc(t->out, '}');
	return rc;
}

static bool says_something(const struct chat_part *p)
{
	return (p->kind != CHAT_TEXT && p->kind != CHAT_REFUSAL) || p->text.len;
}

static int put_result_content(const struct turn *t, const struct chat_part *result)
{
	struct turn inner = *t;
	int rc = 0;

	if (result->result.type != JSON_SPAN_ABSENT) {
		buf_puts(t->out, ",\"content\":\"");
		json_escape(result->result.at, result->result.len, t->out);
		buf_putc(t->out, '"');
		return 0;
	}
	inner.any = false;
	for (const struct chat_part *p = result->parts; p && rc == 0; p = p->next) {
		if (!says_something(p))
			continue;
		buf_puts(t->out, inner.any ? "," : ",\"content\":[");
		inner.any = true;
		if (p->kind == CHAT_TEXT)
			put_text(p->text, t->out);
		else
			rc = put_image(&inner, p);
	}
	if (inner.any)
		buf_putc(t->out, ']');
	return rc;
}

static int put_result(struct turn *t, const struct chat_part *p)
{
	int call, rc;

	buf_puts(t->out, "{\"type\":\"tool_result\",\"tool_use_id\":");
	if (p->id.at) {
		put_id(p->id, t->out);
	} else {
		call = t->calls ? call_of_result(t, p) : -1;
		if (call < 0)
			return chat_inexpressible(t->fault, t->chat, CHAT_F_MESSAGES,
						  "a tool's result has no call in the turn before");
		put_made_id(t->number - 1, (unsigned)call, t->out);
	}
	rc = put_result_content(t, p);
	buf_puts(t->out, p->is_error ? ",\"is_error\":true}" : "}");
	return rc;
}

static int put_part(struct turn *t, const struct chat_part *p)
{
	if (!says_something(p))
		return 0; /* empty text is refused there */
	if (t->any)
		buf_putc(t->out, ',');
	t->any = true;
	switch (p->kind) {
	case CHAT_TEXT:
	case CHAT_REFUSAL:
		put_text(p->text, t->out);
		return 0;
	case CHAT_IMAGE_URL:
	case CHAT_IMAGE_DATA:
		return put_image(t, p);
	case CHAT_TOOL_CALL:
		return put_call(t, p);
	case CHAT_TOOL_RESULT:
		return put_result(t, p);
	}
	return 0;
}

/* ---- turns */

static int put_parts(struct turn *t, bool results)
{
	int rc;

	for (const struct chat_message *m = t->first; m != t->end; m = m->next)
		for (const struct chat_part *p = m->parts; p; p = p->next) {
			if ((p->kind == CHAT_TOOL_RESULT) != results)
				continue;
			rc = put_part(t, p);
			if (rc < 0)
				return rc;
		}
	return 0;
}

static int put_turn(struct turn *t)
{
	int rc;

	buf_printf(t->out, "{\"role\":\"%s\",\"content\":[", t->first->role == CHAT_USER ? "user" : "assistant");
	rc = put_parts(t, true);
	if (rc == 0)
		rc = put_parts(t, false);
	buf_puts(t->out, "]}");
	return rc;
}

static bool message_is_empty(const struct chat_message *m)
{
	for (const struct chat_part *p = m->parts; p; p = p->next)
		if (says_something(p))
			return false;
	return true;
}

/* From m on, the first message that says something, and isn't of `role`; NULL: none. */
static const struct chat_message *find_message(const struct chat_message *m, const enum chat_role *not_role)
{
	while (m && (message_is_empty(m) || (not_role && m->role == *not_role)))
		m = m->next;
	return m;
}

static int put_messages(const struct chat *c, struct buf *out, struct dialect_fault *fault)
{
	struct turn t = {.chat = c, .out = out, .fault = fault, .first = find_message(c->messages, NULL)};
	int rc;

	if (!t.first)
		return chat_inexpressible(fault, c, CHAT_F_MESSAGES, "it needs a user's message");
	buf_puts(out, ",\"messages\":[");
	for (; t.first; t.number++) {
		t.end = find_message(t.first, &t.first->role);
		if (t.number)
			buf_putc(out, ',');
		t.any = false;
		rc = put_turn(&t);
		if (rc < 0)
			return rc;
		if (!t.end && t.first->role == CHAT_ASSISTANT)
			return chat_inexpressible(fault, c, CHAT_F_MESSAGES,
						  "it would go on with the assistant's last message");
		t.calls = t.first->role == CHAT_ASSISTANT ? t.first : NULL;
		t.first = t.end;
	}
	buf_putc(out, ']');
	return 0;
}

static void put_system(const struct chat *c, struct buf *out)
{
	bool any = false;

	for (const struct chat_part *p = c->system; p; p = p->next) {
		if (!says_something(p))
			continue;
		buf_puts(out, any ? "," : ",\"system\":[");
		any = true;
		put_text(p->text, out);
	}
	if (any)
		buf_putc(out, ']');
}

int anthropic_put_conversation(const struct chat *c, struct buf *out, struct dialect_fault *fault)
{
	for (const struct chat_message *m = c->messages; m; m = m->next)
		if (m->name.at)
			return chat_inexpressible(fault, c, CHAT_F_NAME, "its messages have no names");
	put_system(c, out);
	return put_messages(c, out, fault);
}
