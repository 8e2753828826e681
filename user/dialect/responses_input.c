/* OpenAI responses, what a client's request says: instructions and the items of its input. Items are finer than
 * messages: what one turn of the model has said, text and calls, stands in several of them and becomes one message
 * again, because other wires want all results of a turn's calls right behind that turn. */
#include "dialect/responses_parse.h"

/* ---- parts of content */

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

static bool text_begins(struct chat_text t, const char *prefix)
{
	size_t len = strlen(prefix);

	return t.len >= len && memcmp(t.at, prefix, len) == 0;
}

/* data:MEDIA;base64,DATA or a link */
static int read_image_url(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	static const char base64[] = ";base64,";
	struct chat_part *part = into;
	struct chat_text url = chat_text_of(v);
	const char *mark;

	if (!url.at)
		return members_refuse(r, at, "expected a string");
	if (text_begins(url, "http:") || text_begins(url, "https:")) {
		part->kind = CHAT_IMAGE_URL;
		part->url = url;
		return 0;
	}
	mark = memmem(url.at, url.len, base64, sizeof(base64) - 1);
	if (!text_begins(url, "data:") || !mark || mark == url.at + 5)
		return members_refuse(r, at, "expected an http(s) URL or data:TYPE;base64,DATA");
	part->media_type = (struct chat_text){.at = url.at + 5, .len = (size_t)(mark - url.at) - 5};
	part->data.at = mark + sizeof(base64) - 1;
	part->data.len = url.len - (size_t)(part->data.at - url.at);
	return 0;
}

/* Members that come back from an earlier answer, or only help a cache: none can change this one. */
static int read_id(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	(void)at;
	(void)v;
	(void)into;
	chat_ignore(r->ignored, "input.id");
	return 0;
}

static int read_status(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	(void)at;
	(void)v;
	(void)into;
	chat_ignore(r->ignored, "input.status");
	return 0;
}

static int read_phase(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	(void)at;
	(void)v;
	(void)into;
	chat_ignore(r->ignored, "input.phase");
	return 0;
}

static int read_breakpoint(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	(void)at;
	(void)v;
	(void)into;
	chat_ignore(r->ignored, "input.content.prompt_cache_breakpoint");
	return 0;
}

static int read_detail(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	return json_string_is(v, "auto") ? 0 : responses_read_elsewhere(r, at, v, into);
}

/* Who called: the model itself is what there is elsewhere. */
static int read_caller(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct json_span type;

	if (members_type(r, at, v, &type) < 0)
		return ERR_INVAL;
	return json_string_is(&type, "direct") ? 0 : responses_read_elsewhere(r, at, v, into);
}

static const struct member input_text[] = {
	{"type", member_known, 0, true},
	{"text", member_string, offsetof(struct chat_part, text), true},
	{"prompt_cache_breakpoint", read_breakpoint, 0, false},
};
static const struct member input_image[] = {
	{"type", member_known, 0, true},
	{"file_id", responses_read_elsewhere, 0, false},
	{"image_url", read_image_url, 0, true},
	{"detail", read_detail, 0, false},
	{"prompt_cache_breakpoint", read_breakpoint, 0, false},
};
static const struct member output_text[] = {
	{"type", member_known, 0, true},
	{"text", member_string, offsetof(struct chat_part, text), true},
	{"annotations", responses_read_no_list, 0, false},
	{"logprobs", responses_read_no_list, 0, false},
};
static const struct member refusal[] = {
	{"type", member_known, 0, true},
	{"refusal", member_string, offsetof(struct chat_part, text), true},
};

static const struct kind_of_part {
	const char *type;
	enum chat_part_kind kind;
	unsigned where;
	const struct member *members;
	size_t n;
} part_kinds[] = {
	{"input_text", CHAT_TEXT, IN_SYSTEM | IN_USER | IN_RESULT, input_text, ARRAY_SIZE(input_text)},
	{"input_image", CHAT_IMAGE_DATA, IN_USER | IN_RESULT, input_image, ARRAY_SIZE(input_image)},
	{"output_text", CHAT_TEXT, IN_ASSISTANT, output_text, ARRAY_SIZE(output_text)},
	{"refusal", CHAT_REFUSAL, IN_ASSISTANT, refusal, ARRAY_SIZE(refusal)},
};

static int read_part(struct chat_reader *r, const struct place *at, const struct json_span *v, struct parts *list)
{
	const struct place here = member_of(at, "type");
	const struct kind_of_part *kind = part_kinds, *end = part_kinds + ARRAY_SIZE(part_kinds);
	struct chat_part *part;
	struct json_span type;

	if (members_type(r, at, v, &type) < 0)
		return ERR_INVAL;
	while (kind < end && !json_string_is(&type, kind->type))
		kind++;
	if (kind == end)
		return members_inexpressible(r, &here, "only texts, images and refusals can");
	if (!(kind->where & list->where))
		return members_refuse(r, &here, "such a part can't stand here");
	part = parts_append(r, list, kind->kind);
	if (!part)
		return ERR_NOMEM;
	return members_read(r, at, v, kind->members, kind->n, part);
}

/* A string, or parts. */
static int read_content(struct chat_reader *r, const struct place *at, const struct json_span *v, struct parts *list)
{
	struct place here = {.up = at};
	struct chat_part *part;
	struct json_span one;
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
		return members_refuse(r, at, "expected a string or an array of parts");
	for (; json_iter_next(&it, NULL, &one) == 1; here.index++) {
		rc = read_part(r, &here, &one, list);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- items */

struct items {
	struct chat *chat;
	struct chat_message **tail, *last;
	struct parts system, parts;    /* parts: of the last message */
	enum chat_part_kind last_kind; /* of its last item */
};

/* Goes on with the last message where its role is the same and the items belong together: calls to the text or the
 * calls before them, text to the calls before it, results to results. */
static int open_message(struct chat_reader *r, struct items *all, enum chat_role role, enum chat_part_kind kind)
{
	struct chat_message *message;
	bool joined = all->last && all->last->role == role &&
		      (role == CHAT_ASSISTANT ? kind == CHAT_TOOL_CALL || all->last_kind == CHAT_TOOL_CALL
					      : kind == CHAT_TOOL_RESULT && all->last_kind == CHAT_TOOL_RESULT);

	all->last_kind = kind;
	if (joined)
		return 0;
	message = chat_alloc(r, sizeof(*message));
	if (!message)
		return ERR_NOMEM;
	message->role = role;
	*all->tail = message;
	all->tail = &message->next;
	all->last = message;
	all->parts = (struct parts){.tail = &message->parts, .where = role == CHAT_USER ? IN_USER : IN_ASSISTANT};
	return 0;
}

static int read_message(struct chat_reader *r, const struct place *at, const struct json_span *v, struct items *all)
{
	struct message {
		struct json_span role, content;
	} m = {0};
	static const struct member table[] = {
		{"type", member_known, 0, false},
		{"role", member_any, offsetof(struct message, role), true},
		{"content", member_any, offsetof(struct message, content), true},
		{"id", read_id, 0, false},
		{"status", read_status, 0, false},
		{"phase", read_phase, 0, false},
	};
	const struct place role_at = member_of(at, "role"), content_at = member_of(at, "content");
	bool user, assistant;
	int rc = members_read(r, at, v, table, ARRAY_SIZE(table), &m);

	if (rc < 0)
		return rc;
	user = json_string_is(&m.role, "user");
	assistant = json_string_is(&m.role, "assistant");
	if (user || assistant) {
		rc = open_message(r, all, user ? CHAT_USER : CHAT_ASSISTANT, CHAT_TEXT);
		return rc < 0 ? rc : read_content(r, &content_at, &m.content, &all->parts);
	}
	if (!json_string_is(&m.role, "system") && !json_string_is(&m.role, "developer"))
		return members_refuse(r, &role_at, "expected user, assistant, system or developer");
	if (all->last)
		return members_inexpressible(r, &role_at, "system messages stand before all others");
	return read_content(r, &content_at, &m.content, &all->system);
}

static int read_call(struct chat_reader *r, const struct place *at, const struct json_span *v, struct items *all)
{
	static const struct member table[] = {
		{"type", member_known, 0, true},
		{"call_id", member_string, offsetof(struct chat_part, id), true},
		{"name", member_string, offsetof(struct chat_part, name), true},
		{"arguments", member_string, offsetof(struct chat_part, args_text), true},
		{"id", read_id, 0, false},
		{"status", read_status, 0, false},
		{"caller", read_caller, 0, false},
		{"namespace", responses_read_elsewhere, 0, false},
	};
	struct chat_part *part;

	if (open_message(r, all, CHAT_ASSISTANT, CHAT_TOOL_CALL) < 0)
		return ERR_NOMEM;
	part = parts_append(r, &all->parts, CHAT_TOOL_CALL);
	return part ? members_read(r, at, v, table, ARRAY_SIZE(table), part) : ERR_NOMEM;
}

static int read_output(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct chat_part *part = into;
	struct parts list = {.tail = &part->parts, .where = IN_RESULT};

	return read_content(r, at, v, &list);
}

static int read_result(struct chat_reader *r, const struct place *at, const struct json_span *v, struct items *all)
{
	static const struct member table[] = {
		{"type", member_known, 0, true},   {"call_id", member_string, offsetof(struct chat_part, id), true},
		{"output", read_output, 0, true},  {"id", read_id, 0, false},
		{"status", read_status, 0, false}, {"caller", read_caller, 0, false},
	};
	struct chat_part *part;

	if (open_message(r, all, CHAT_USER, CHAT_TOOL_RESULT) < 0)
		return ERR_NOMEM;
	part = parts_append(r, &all->parts, CHAT_TOOL_RESULT);
	return part ? members_read(r, at, v, table, ARRAY_SIZE(table), part) : ERR_NOMEM;
}

/* What a model thought is sealed, and for that model alone. One that says nothing can be left out. */
static int read_reasoning(struct chat_reader *r, const struct place *at, const struct json_span *v, struct items *all)
{
	static const struct member table[] = {
		{"type", member_known, 0, true},
		{"summary", responses_read_no_list, 0, false},
		{"content", responses_read_no_list, 0, false},
		{"encrypted_content", responses_read_elsewhere, 0, false},
		{"id", read_id, 0, false},
		{"status", read_status, 0, false},
	};

	(void)all;
	return members_read(r, at, v, table, ARRAY_SIZE(table), NULL);
}

static int read_item(struct chat_reader *r, const struct place *at, const struct json_span *v, struct items *all)
{
	static const struct {
		const char *type;
		int (*read)(struct chat_reader *r, const struct place *at, const struct json_span *v,
			    struct items *all);
	} kinds[] = {
		{"message", read_message},
		{"function_call", read_call},
		{"function_call_output", read_result},
		{"reasoning", read_reasoning},
	};
	enum { TYPE, ROLE, FIELDS };
	struct json_member m[FIELDS] = {[TYPE] = {.name = "type"}, [ROLE] = {.name = "role"}};
	const struct place here = member_of(at, "type");

	if (v->type != JSON_SPAN_OBJECT || json_scan_object(v->at, v->len, m, FIELDS, NULL) < 0)
		return members_refuse(r, at, "expected an object");
	if (!wire_given(&m[TYPE].value) && wire_given(&m[ROLE].value))
		return read_message(r, at, v, all);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (json_string_is(&m[TYPE].value, kinds[i].type))
			return kinds[i].read(r, at, v, all);
	return members_inexpressible(r, &here, "only messages, function calls and their outputs can");
}

static int read_items(struct chat_reader *r, const struct place *at, const struct json_span *v, struct items *all)
{
	struct place here = {.up = at};
	struct json_span item;
	struct json_iter it;
	int rc;

	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return members_refuse(r, at, "expected a string or an array");
	for (; json_iter_next(&it, NULL, &item) == 1; here.index++) {
		rc = read_item(r, &here, &item, all);
		if (rc < 0)
			return rc;
	}
	return all->last ? 0 : members_refuse(r, at, "expected a user's message");
}

int responses_read_input(struct chat_reader *r, struct chat_text instructions, const struct json_span *input,
			 struct chat *ret)
{
	const struct place at = member_of(NULL, "input");
	struct items all = {.chat = ret, .tail = &ret->messages};
	struct chat_part *part;
	int rc;

	all.system = (struct parts){.tail = &ret->system, .where = IN_SYSTEM};
	if (instructions.at) {
		part = parts_append(r, &all.system, CHAT_TEXT);
		if (!part)
			return ERR_NOMEM;
		part->text = instructions;
	}
	if (input->type == JSON_SPAN_ABSENT)
		return members_refuse(r, &at, "this parameter is required");
	if (input->type != JSON_SPAN_STRING)
		return read_items(r, &at, input, &all);
	rc = open_message(r, &all, CHAT_USER, CHAT_TEXT);
	return rc < 0 ? rc : read_content(r, &at, input, &all.parts);
}
