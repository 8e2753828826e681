/* Anthropic messages, what a client's request says: system, messages, and their blocks of content. */
#include "dialect/anthropic_parse.h"

int anthropic_read_cache_control(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	(void)at;
	(void)v;
	(void)into;
	chat_ignore(r->ignored, "cache_control");
	return 0;
}

/* ---- blocks of content */

static const struct content_kinds blocks;

static int read_source(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	static const struct member base64[] = {
		{"type", member_known, 0, true},
		{"media_type", member_string, offsetof(struct chat_part, media_type), true},
		{"data", member_string, offsetof(struct chat_part, data), true},
	};
	static const struct member url[] = {
		{"type", member_known, 0, true},
		{"url", member_string, offsetof(struct chat_part, url), true},
	};
	const struct place here = member_of(at, "type");
	struct chat_part *part = into;
	struct json_span type;

	if (members_type(r, at, v, &type) < 0)
		return ERR_INVAL;
	if (json_string_is(&type, "base64")) {
		part->kind = CHAT_IMAGE_DATA;
		return members_read(r, at, v, base64, ARRAY_SIZE(base64), part);
	}
	if (json_string_is(&type, "url")) {
		part->kind = CHAT_IMAGE_URL;
		return members_read(r, at, v, url, ARRAY_SIZE(url), part);
	}
	return members_inexpressible(r, &here, "an image is given as base64 or as a URL");
}

static int read_result_content(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct chat_part *part = into;
	struct parts list = {.tail = &part->parts, .where = IN_RESULT, .kinds = &blocks};

	return content_read(r, at, v, &list);
}

static const struct member text_members[] = {
	{"type", member_known, 0, true},
	{"text", member_string, offsetof(struct chat_part, text), true},
	{"cache_control", anthropic_read_cache_control, 0, false},
	{"citations", member_no_list, 0, false},
};
static const struct member image_members[] = {
	{"type", member_known, 0, true},
	{"source", read_source, 0, true},
	{"cache_control", anthropic_read_cache_control, 0, false},
	{"transformations", member_inexpressible, 0, false},
};
static const struct member tool_use_members[] = {
	{"type", member_known, 0, true},
	{"id", member_string, offsetof(struct chat_part, id), true},
	{"name", member_string, offsetof(struct chat_part, name), true},
	{"input", member_object, offsetof(struct chat_part, args), true},
	{"cache_control", anthropic_read_cache_control, 0, false},
	{"caller", member_caller, 0, false},
	{"toolset_name", member_inexpressible, 0, false},
};
static const struct member tool_result_members[] = {
	{"type", member_known, 0, true},
	{"tool_use_id", member_string, offsetof(struct chat_part, id), true},
	{"content", read_result_content, 0, false},
	{"is_error", member_bool, offsetof(struct chat_part, is_error), false},
	{"cache_control", anthropic_read_cache_control, 0, false},
	{"toolset_name", member_inexpressible, 0, false},
};

static const struct content_kind block_kinds[] = {
	{"text", CHAT_TEXT, IN_SYSTEM | IN_USER | IN_ASSISTANT | IN_RESULT, text_members, ARRAY_SIZE(text_members)},
	{"image", CHAT_IMAGE_DATA, IN_USER | IN_RESULT, image_members, ARRAY_SIZE(image_members)},
	{"tool_use", CHAT_TOOL_CALL, IN_ASSISTANT, tool_use_members, ARRAY_SIZE(tool_use_members)},
	{"tool_result", CHAT_TOOL_RESULT, IN_USER, tool_result_members, ARRAY_SIZE(tool_result_members)},
};
static const struct content_kinds blocks = {
	.at = block_kinds,
	.n = ARRAY_SIZE(block_kinds),
	.unknown = "only text, image, tool_use and tool_result blocks can",
	.misplaced = "such a block can't stand here",
	.expected = "expected a string or an array of blocks",
};

/* ---- messages */

struct messages {
	struct chat *chat;
	struct chat_message **tail, *last;
	size_t n; /* elements of the array */
	struct parts system;
};

struct message {
	struct json_span role, content;
};

static int append_message(struct chat_reader *r, const struct place *content_at, const struct message *m,
			  enum chat_role role, struct messages *all)
{
	struct chat_message *message = chat_append_message(r, &all->tail, role);
	struct parts list = {.where = role == CHAT_USER ? IN_USER : IN_ASSISTANT, .kinds = &blocks};

	if (!message)
		return ERR_NOMEM;
	all->last = message;
	list.tail = &message->parts;
	return content_read(r, content_at, &m->content, &list);
}

static int read_message(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct messages *all = into;
	static const struct member table[] = {
		{"role", member_any, offsetof(struct message, role), true},
		{"content", member_any, offsetof(struct message, content), true},
	};
	const struct place role_at = member_of(at, "role"), content_at = member_of(at, "content");
	struct message m = {0};
	int rc = members_read(r, at, v, table, ARRAY_SIZE(table), &m);

	all->n++;
	if (rc < 0)
		return rc;
	if (json_string_is(&m.role, "user"))
		return append_message(r, &content_at, &m, CHAT_USER, all);
	if (json_string_is(&m.role, "assistant"))
		return append_message(r, &content_at, &m, CHAT_ASSISTANT, all);
	if (!json_string_is(&m.role, "system"))
		return members_refuse(r, &role_at, "expected user, assistant or system");
	if (all->chat->messages)
		return members_inexpressible(r, &role_at, "system messages stand before all others");
	return content_read(r, &content_at, &m.content, &all->system);
}

static int read_messages(struct chat_reader *r, const struct json_span *v, struct messages *all)
{
	const struct place at = member_of(NULL, "messages");
	struct place last = {.up = &at};
	int rc = members_each(r, &at, v, "expected an array", read_message, all);

	if (rc < 0)
		return rc;
	if (!all->last)
		return members_refuse(r, &at, "expected a user's message");
	last.index = all->n - 1;
	if (all->last->role == CHAT_ASSISTANT)
		return members_inexpressible(r, &last, "others don't go on with an answer begun by the client");
	return 0;
}

int anthropic_read_conversation(struct chat_reader *r, const struct json_span *system, const struct json_span *messages,
				struct chat *ret)
{
	const struct place at = member_of(NULL, "system");
	struct messages all = {.chat = ret, .tail = &ret->messages};
	int rc = 0;

	all.system = (struct parts){.tail = &ret->system, .where = IN_SYSTEM, .kinds = &blocks};
	if (system->type != JSON_SPAN_ABSENT)
		rc = content_read(r, &at, system, &all.system);
	return rc < 0 ? rc : read_messages(r, messages, &all);
}
