/* OpenAI's chat messages, for another wire. */
#include "dialect/openai_chat_parse.h"

#include <stdio.h>
#include <string.h>

/* Where in the body something stands, for the error. */
struct place {
	char text[DIALECT_PARAM_MAX];
};

/* A place too deep for the text is cut: it is for people. */
static struct place place_of(const char *at, const char *name, unsigned index)
{
	struct place p;
	int n = snprintf(p.text, sizeof(p.text), "%s%s[%u].", at, name, index);

	if (n < 0)
		p.text[0] = '\0';
	return p;
}

static struct place member_place(const char *at, const char *name)
{
	struct place p;
	int n = snprintf(p.text, sizeof(p.text), "%s%s.", at, name);

	if (n < 0)
		p.text[0] = '\0';
	return p;
}

/* A message as written; what of it may be given depends on its role. */
struct message {
	struct json_span role, content, name, refusal, tool_calls, tool_call_id;
};

struct part_list {
	struct chat_part **end;
	bool assistant, text_only;
};

static int add_text(struct chat_reader *r, struct part_list *l, enum chat_part_kind kind, struct chat_text text)
{
	struct chat_part *p = chat_append_part(r, &l->end, kind);

	if (!p)
		return ERR_NOMEM;
	p->text = text;
	return 0;
}

/* ---- content parts */

struct part {
	struct json_span type, text, refusal, image_url;
};

#define SPAN_READER(type, field)                                                                                       \
	static int read_##type##_##field(struct chat_reader *r, const char *at, const char *name,                      \
					 const struct json_span *v, void *to)                                          \
	{                                                                                                              \
		(void)r;                                                                                               \
		(void)at;                                                                                              \
		(void)name;                                                                                            \
		((struct type *)to)->field = *v;                                                                       \
		return 0;                                                                                              \
	}
SPAN_READER(part, type)
SPAN_READER(part, text)
SPAN_READER(part, refusal)
SPAN_READER(part, image_url)

struct image {
	struct json_span url;
};
SPAN_READER(image, url)

/* How closely an image is looked at: only what a model does unasked. */
static int read_detail(struct chat_reader *r, const char *at, const char *name, const struct json_span *v, void *to)
{
	if (json_string_is(v, "auto"))
		return 0;
	return openai_read_unsupported(r, at, name, v, to);
}

static int add_image(struct chat_reader *r, const char *at, const struct json_span *v, struct part_list *l)
{
	static const struct openai_member table[] = {{"url", read_image_url}, {"detail", read_detail}};
	struct place p = member_place(at, "image_url");
	struct chat_part *part;
	struct image image = {0};
	struct chat_text url;
	int rc;

	if (l->text_only || l->assistant)
		return openai_refuse(r, at, "type", "only text is allowed here");
	rc = openai_read_object(r, p.text, v, table, ARRAY_SIZE(table), &image);
	if (rc == 0)
		rc = openai_want_string(r, p.text, "url", &image.url, &url);
	if (rc < 0)
		return rc;
	part = chat_append_part(r, &l->end, CHAT_IMAGE_URL);
	if (!part)
		return ERR_NOMEM;
	if (url.len > 5 && chat_text_begins(url, "data:"))
		return chat_split_data_url(url, part)
			       ? 0
			       : openai_refuse(r, p.text, "url", "a data: URL must be data:TYPE;base64,DATA");
	part->url = url;
	return 0;
}

static int read_part(struct chat_reader *r, const char *at, const struct json_span *v, struct part_list *l)
{
	static const struct openai_member table[] = {
		{"type", read_part_type},
		{"text", read_part_text},
		{"refusal", read_part_refusal},
		{"image_url", read_part_image_url},
		{"cache_control", openai_read_hint}, /* not OpenAI's own, but sent by clients of mixed models */
		{"input_audio", openai_read_unsupported},
		{"file", openai_read_unsupported},
	};
	struct part part = {0};
	struct chat_text text;
	int rc = openai_read_object(r, at, v, table, ARRAY_SIZE(table), &part);

	if (rc < 0)
		return rc;
	if (json_string_is(&part.type, "text")) {
		rc = openai_want_string(r, at, "text", &part.text, &text);
		return rc < 0 ? rc : add_text(r, l, CHAT_TEXT, text);
	}
	if (json_string_is(&part.type, "refusal") && l->assistant) {
		rc = openai_want_string(r, at, "refusal", &part.refusal, &text);
		return rc < 0 ? rc : add_text(r, l, CHAT_REFUSAL, text);
	}
	if (json_string_is(&part.type, "image_url"))
		return add_image(r, at, &part.image_url, l);
	return openai_refuse(r, at, "type", "not available with this model's provider");
}

static int read_content(struct chat_reader *r, const char *at, const struct json_span *v, struct part_list *l)
{
	struct json_span one;
	struct json_iter it;
	unsigned i = 0;
	int rc = 0;

	if (!wire_given(v))
		return 0;
	if (v->type == JSON_SPAN_STRING)
		return v->len == 2 && l->assistant ? 0 : add_text(r, l, CHAT_TEXT, chat_text_of(v));
	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return openai_refuse(r, at, "content", "expected a string or an array");
	while (rc == 0 && json_iter_next(&it, NULL, &one) == 1) {
		struct place p = place_of(at, "content", i++);

		rc = read_part(r, p.text, &one, l);
	}
	return rc;
}

/* ---- tool calls */

struct call {
	struct json_span id, type, function;
};
SPAN_READER(call, id)
SPAN_READER(call, type)
SPAN_READER(call, function)

struct function {
	struct json_span name, arguments;
};
SPAN_READER(function, name)
SPAN_READER(function, arguments)

static int read_call(struct chat_reader *r, const char *at, const struct json_span *v, struct part_list *l)
{
	static const struct openai_member table[] = {
		{"id", read_call_id},
		{"type", read_call_type},
		{"function", read_call_function},
		{"index", openai_read_nothing}, /* as a stream's delta has it */
		{"custom", openai_read_unsupported},
	};
	static const struct openai_member function_table[] = {{"name", read_function_name},
							      {"arguments", read_function_arguments}};
	struct place p = member_place(at, "function");
	struct call call = {0};
	struct function f = {0};
	struct chat_part *part;
	int rc = openai_read_object(r, at, v, table, ARRAY_SIZE(table), &call);

	if (rc == 0 && wire_given(&call.type) && !json_string_is(&call.type, "function"))
		return openai_refuse(r, at, "type", "only \"function\" is available with this model's provider");
	if (rc == 0)
		rc = openai_read_object(r, p.text, &call.function, function_table, ARRAY_SIZE(function_table), &f);
	if (rc < 0)
		return rc;
	part = chat_append_part(r, &l->end, CHAT_TOOL_CALL);
	if (!part)
		return ERR_NOMEM;
	if (openai_want_string(r, at, "id", &call.id, &part->id) < 0 ||
	    openai_want_string(r, p.text, "name", &f.name, &part->name) < 0 ||
	    (wire_given(&f.arguments) &&
	     openai_want_string(r, p.text, "arguments", &f.arguments, &part->args_text) < 0))
		return ERR_INVAL;
	return 0;
}

static int read_calls(struct chat_reader *r, const char *at, const struct json_span *v, struct part_list *l)
{
	struct json_span one;
	struct json_iter it;
	unsigned i = 0;
	int rc = 0;

	if (!wire_given(v))
		return 0;
	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return openai_refuse(r, at, "tool_calls", "expected an array");
	while (rc == 0 && json_iter_next(&it, NULL, &one) == 1) {
		struct place p = place_of(at, "tool_calls", i++);

		rc = read_call(r, p.text, &one, l);
	}
	return rc;
}

/* ---- messages by role */

struct messages {
	struct chat *chat;
	struct chat_message **end;
	struct part_list system, results;
	bool last_is_results; /* the last message has tool results only: the next one's go to it too */
};

static struct chat_message *add_message(struct chat_reader *r, struct messages *l, enum chat_role role)
{
	struct chat_message *m = chat_append_message(r, &l->end, role);

	if (m)
		l->last_is_results = false;
	return m;
}

static int refuse_given(struct chat_reader *r, const char *at, const char *name, const struct json_span *v)
{
	return wire_given(v) ? openai_refuse(r, at, name, "not allowed in a message of this role") : 0;
}

/* Other wires have what the system says in front of the conversation, so that is where it must stand. */
static int read_system(struct chat_reader *r, const char *at, const struct message *m, struct messages *l)
{
	if (l->chat->messages)
		return openai_refuse(r, at, "role", "this model's provider takes such messages only before all others");
	if (wire_given(&m->name))
		return openai_read_unsupported(r, at, "name", &m->name, NULL);
	if (refuse_given(r, at, "refusal", &m->refusal) < 0 || refuse_given(r, at, "tool_calls", &m->tool_calls) < 0 ||
	    refuse_given(r, at, "tool_call_id", &m->tool_call_id) < 0)
		return ERR_INVAL;
	l->system.text_only = true;
	return read_content(r, at, &m->content, &l->system);
}

static int read_user(struct chat_reader *r, const char *at, const struct message *m, struct messages *l)
{
	struct chat_message *message;
	struct part_list parts = {0};

	if (refuse_given(r, at, "refusal", &m->refusal) < 0 || refuse_given(r, at, "tool_calls", &m->tool_calls) < 0 ||
	    refuse_given(r, at, "tool_call_id", &m->tool_call_id) < 0)
		return ERR_INVAL;
	if (!wire_given(&m->content))
		return openai_refuse(r, at, "content", "expected a string or an array");
	message = add_message(r, l, CHAT_USER);
	if (!message)
		return ERR_NOMEM;
	if (wire_given(&m->name) && openai_want_string(r, at, "name", &m->name, &message->name) < 0)
		return ERR_INVAL;
	parts.end = &message->parts;
	return read_content(r, at, &m->content, &parts);
}

static int read_assistant(struct chat_reader *r, const char *at, const struct message *m, struct messages *l)
{
	struct part_list parts = {.assistant = true};
	struct chat_message *message;
	struct chat_text refusal;
	int rc;

	if (refuse_given(r, at, "tool_call_id", &m->tool_call_id) < 0)
		return ERR_INVAL;
	message = add_message(r, l, CHAT_ASSISTANT);
	if (!message)
		return ERR_NOMEM;
	parts.end = &message->parts;
	if (wire_given(&m->name) && openai_want_string(r, at, "name", &m->name, &message->name) < 0)
		return ERR_INVAL;
	rc = read_content(r, at, &m->content, &parts);
	if (rc == 0 && wire_given(&m->refusal)) {
		rc = openai_want_string(r, at, "refusal", &m->refusal, &refusal);
		if (rc == 0)
			rc = add_text(r, &parts, CHAT_REFUSAL, refusal);
	}
	return rc < 0 ? rc : read_calls(r, at, &m->tool_calls, &parts);
}

static int read_tool(struct chat_reader *r, const char *at, const struct message *m, struct messages *l)
{
	struct part_list content = {.text_only = true};
	struct chat_message *message;
	struct chat_part *result;

	if (refuse_given(r, at, "refusal", &m->refusal) < 0 || refuse_given(r, at, "tool_calls", &m->tool_calls) < 0)
		return ERR_INVAL;
	if (!l->last_is_results) {
		message = add_message(r, l, CHAT_USER);
		if (!message)
			return ERR_NOMEM;
		l->results.end = &message->parts;
		l->last_is_results = true;
	}
	result = chat_append_part(r, &l->results.end, CHAT_TOOL_RESULT);
	if (!result)
		return ERR_NOMEM;
	if (openai_want_string(r, at, "tool_call_id", &m->tool_call_id, &result->id) < 0 ||
	    (wire_given(&m->name) && openai_want_string(r, at, "name", &m->name, &result->name) < 0))
		return ERR_INVAL;
	if (!wire_given(&m->content))
		return openai_refuse(r, at, "content", "expected a string or an array");
	content.end = &result->parts;
	return read_content(r, at, &m->content, &content);
}

SPAN_READER(message, role)
SPAN_READER(message, content)
SPAN_READER(message, name)
SPAN_READER(message, refusal)
SPAN_READER(message, tool_calls)
SPAN_READER(message, tool_call_id)

/* As clients send an answer's message back. */
static int read_annotations(struct chat_reader *r, const char *at, const char *name, const struct json_span *v,
			    void *to)
{
	return v->type == JSON_SPAN_ARRAY && json_is_empty(v) ? 0 : openai_read_unsupported(r, at, name, v, to);
}

static int read_message(struct chat_reader *r, const char *at, const struct json_span *v, struct messages *l)
{
	static const struct openai_member table[] = {
		{"role", read_message_role},
		{"content", read_message_content},
		{"name", read_message_name},
		{"refusal", read_message_refusal},
		{"tool_calls", read_message_tool_calls},
		{"tool_call_id", read_message_tool_call_id},
		{"annotations", read_annotations},
		{"function_call", openai_read_unsupported},
		{"audio", openai_read_unsupported},
	};
	struct message m = {0};
	int rc = openai_read_object(r, at, v, table, ARRAY_SIZE(table), &m);

	if (rc < 0)
		return rc;
	if (json_string_is(&m.role, "user"))
		return read_user(r, at, &m, l);
	if (json_string_is(&m.role, "assistant"))
		return read_assistant(r, at, &m, l);
	if (json_string_is(&m.role, "tool"))
		return read_tool(r, at, &m, l);
	if (json_string_is(&m.role, "system") || json_string_is(&m.role, "developer"))
		return read_system(r, at, &m, l);
	return openai_refuse(r, at, "role", "expected system, developer, user, assistant or tool");
}

int openai_read_messages(struct chat_reader *r, const char *at, const char *name, const struct json_span *v, void *to)
{
	struct chat *c = to;
	struct messages l = {.chat = c, .end = &c->messages, .system = {.end = &c->system}};
	struct json_span one;
	struct json_iter it;
	unsigned i = 0;
	int rc = 0;

	(void)at;
	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return openai_refuse(r, "", name, "expected an array");
	while (rc == 0 && json_iter_next(&it, NULL, &one) == 1) {
		struct place p = place_of("", "messages", i++);

		rc = read_message(r, p.text, &one, &l);
	}
	if (rc == 0 && !c->messages)
		rc = openai_refuse(r, "", name, "this model's provider wants a message of the user");
	return rc;
}
