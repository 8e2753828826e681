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

enum {
	IN_SYSTEM = 1,
	IN_USER = 2,
	IN_ASSISTANT = 4,
	IN_RESULT = 8,
};

/* Where parts are appended, and of what kind they may be there. */
struct parts {
	struct chat_part **tail;
	unsigned where;
};

static struct chat_part *parts_append(struct chat_reader *r, struct parts *list, enum chat_part_kind kind)
{
	struct chat_part *part = chat_alloc(r, sizeof(*part));

	if (!part)
		return NULL;
	part->kind = kind;
	*list->tail = part;
	list->tail = &part->next;
	return part;
}

static int read_content(struct chat_reader *r, const struct place *at, const struct json_span *v, struct parts *list);

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
	struct parts list = {.tail = &part->parts, .where = IN_RESULT};

	return read_content(r, at, v, &list);
}

/* Who may call the tool: the model itself is what there is elsewhere. */
static int read_caller(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct json_span type;

	if (members_type(r, at, v, &type) < 0)
		return ERR_INVAL;
	return json_string_is(&type, "direct") ? 0 : member_inexpressible(r, at, v, into);
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
	{"caller", read_caller, 0, false},
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

static const struct block {
	const char *type;
	enum chat_part_kind kind;
	unsigned where;
	const struct member *members;
	size_t n;
} blocks[] = {
	{"text", CHAT_TEXT, IN_SYSTEM | IN_USER | IN_ASSISTANT | IN_RESULT, text_members, ARRAY_SIZE(text_members)},
	{"image", CHAT_IMAGE_DATA, IN_USER | IN_RESULT, image_members, ARRAY_SIZE(image_members)},
	{"tool_use", CHAT_TOOL_CALL, IN_ASSISTANT, tool_use_members, ARRAY_SIZE(tool_use_members)},
	{"tool_result", CHAT_TOOL_RESULT, IN_USER, tool_result_members, ARRAY_SIZE(tool_result_members)},
};

static int read_block(struct chat_reader *r, const struct place *at, const struct json_span *v, struct parts *list)
{
	const struct place here = member_of(at, "type");
	struct chat_part *part;
	struct json_span type;
	size_t i = 0;

	if (members_type(r, at, v, &type) < 0)
		return ERR_INVAL;
	while (i < ARRAY_SIZE(blocks) && !json_string_is(&type, blocks[i].type))
		i++;
	if (i == ARRAY_SIZE(blocks))
		return members_inexpressible(r, &here, "only text, image, tool_use and tool_result blocks can");
	if (!(blocks[i].where & list->where))
		return members_refuse(r, &here, "such a block can't stand here");
	part = parts_append(r, list, blocks[i].kind);
	if (!part)
		return ERR_NOMEM;
	return members_read(r, at, v, blocks[i].members, blocks[i].n, part);
}

/* A string, or blocks. */
static int read_content(struct chat_reader *r, const struct place *at, const struct json_span *v, struct parts *list)
{
	struct place here = {.up = at};
	struct chat_part *part;
	struct json_span block;
	struct json_iter it;
	int rc;

	if (v->type == JSON_SPAN_STRING) {
		part = parts_append(r, list, CHAT_TEXT);
		if (!part)
			return ERR_NOMEM;
		part->text = chat_text_of(v);
		return 0;
	}
	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return members_refuse(r, at, "expected a string or an array of blocks");
	for (; json_iter_next(&it, NULL, &block) == 1; here.index++) {
		rc = read_block(r, &here, &block, list);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- messages */

struct messages {
	struct chat *chat;
	struct chat_message **tail;
	struct parts system;
};

struct message {
	struct json_span role, content;
};

static int append_message(struct chat_reader *r, const struct place *content_at, const struct message *m,
			  enum chat_role role, struct messages *all)
{
	struct chat_message *message = chat_alloc(r, sizeof(*message));
	struct parts list = {.where = role == CHAT_USER ? IN_USER : IN_ASSISTANT};

	if (!message)
		return ERR_NOMEM;
	message->role = role;
	list.tail = &message->parts;
	*all->tail = message;
	all->tail = &message->next;
	return read_content(r, content_at, &m->content, &list);
}

static int read_message(struct chat_reader *r, const struct place *at, const struct json_span *v, struct messages *all)
{
	static const struct member table[] = {
		{"role", member_any, offsetof(struct message, role), true},
		{"content", member_any, offsetof(struct message, content), true},
	};
	const struct place role_at = member_of(at, "role"), content_at = member_of(at, "content");
	struct message m = {0};
	int rc = members_read(r, at, v, table, ARRAY_SIZE(table), &m);

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
	return read_content(r, &content_at, &m.content, &all->system);
}

static int read_messages(struct chat_reader *r, const struct json_span *v, struct messages *all)
{
	const struct place at = member_of(NULL, "messages");
	struct place here = {.up = &at};
	const struct chat_message *last = NULL;
	struct json_span message;
	struct json_iter it;
	int rc;

	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return members_refuse(r, &at, "expected an array");
	for (; json_iter_next(&it, NULL, &message) == 1; here.index++) {
		rc = read_message(r, &here, &message, all);
		if (rc < 0)
			return rc;
	}
	for (const struct chat_message *m = all->chat->messages; m; m = m->next)
		last = m;
	if (!last)
		return members_refuse(r, &at, "expected a user's message");
	here.index--;
	if (last->role == CHAT_ASSISTANT)
		return members_inexpressible(r, &here, "others don't go on with an answer begun by the client");
	return 0;
}

int anthropic_read_conversation(struct chat_reader *r, const struct json_span *system, const struct json_span *messages,
				struct chat *ret)
{
	const struct place at = member_of(NULL, "system");
	struct messages all = {.chat = ret, .tail = &ret->messages};
	int rc = 0;

	all.system = (struct parts){.tail = &ret->system, .where = IN_SYSTEM};
	if (system->type != JSON_SPAN_ABSENT)
		rc = read_content(r, &at, system, &all.system);
	return rc < 0 ? rc : read_messages(r, messages, &all);
}
