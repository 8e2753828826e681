/* OpenAI responses, what a client's request says: instructions and the items of its input. Items are finer than
 * messages: what one turn of the model has said, text and calls, stands in several of them and becomes one message
 * again, because other wires want all results of a turn's calls right behind that turn. */
#include "dialect/responses_parse.h"

/* ---- parts of content */

/* data:TYPE;base64,DATA or a link */
static int read_image_url(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct chat_part *part = into;
	struct chat_text url = chat_text_of(v);

	if (!url.at)
		return members_refuse(r, at, "expected a string");
	if (chat_text_begins(url, "http:") || chat_text_begins(url, "https:")) {
		part->kind = CHAT_IMAGE_URL;
		part->url = url;
		return 0;
	}
	if (!chat_split_data_url(url, part))
		return members_refuse(r, at, "expected an http(s) URL or data:TYPE;base64,DATA");
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
	return json_string_is(v, "auto") ? 0 : member_inexpressible(r, at, v, into);
}

static const struct member input_text[] = {
	{"type", member_known, 0, true},
	{"text", member_string, offsetof(struct chat_part, text), true},
	{"prompt_cache_breakpoint", read_breakpoint, 0, false},
};
static const struct member input_image[] = {
	{"type", member_known, 0, true},
	{"file_id", member_inexpressible, 0, false},
	{"image_url", read_image_url, 0, true},
	{"detail", read_detail, 0, false},
	{"prompt_cache_breakpoint", read_breakpoint, 0, false},
};
static const struct member output_text[] = {
	{"type", member_known, 0, true},
	{"text", member_string, offsetof(struct chat_part, text), true},
	{"annotations", member_no_list, 0, false},
	{"logprobs", member_no_list, 0, false},
};
static const struct member refusal[] = {
	{"type", member_known, 0, true},
	{"refusal", member_string, offsetof(struct chat_part, text), true},
};

static const struct content_kind part_kinds[] = {
	{"input_text", CHAT_TEXT, IN_SYSTEM | IN_USER | IN_RESULT, input_text, ARRAY_SIZE(input_text)},
	{"input_image", CHAT_IMAGE_DATA, IN_USER | IN_RESULT, input_image, ARRAY_SIZE(input_image)},
	{"output_text", CHAT_TEXT, IN_ASSISTANT, output_text, ARRAY_SIZE(output_text)},
	{"refusal", CHAT_REFUSAL, IN_ASSISTANT, refusal, ARRAY_SIZE(refusal)},
};
static const struct content_kinds kinds = {
	.at = part_kinds,
	.n = ARRAY_SIZE(part_kinds),
	.unknown = "only texts, images and refusals can",
	.misplaced = "such a part can't stand here",
	.expected = "expected a string or an array of parts",
};

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
	message = chat_append_message(r, &all->tail, role);
	if (!message)
		return ERR_NOMEM;
	all->last = message;
	all->parts = (struct parts){
		.tail = &message->parts,
		.where = role == CHAT_USER ? IN_USER : IN_ASSISTANT,
		.kinds = &kinds,
	};
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
		return rc < 0 ? rc : content_read(r, &content_at, &m.content, &all->parts);
	}
	if (!json_string_is(&m.role, "system") && !json_string_is(&m.role, "developer"))
		return members_refuse(r, &role_at, "expected user, assistant, system or developer");
	if (all->last)
		return members_inexpressible(r, &role_at, "system messages stand before all others");
	return content_read(r, &content_at, &m.content, &all->system);
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
		{"caller", member_caller, 0, false},
		{"namespace", member_inexpressible, 0, false},
	};
	struct chat_part *part;

	if (open_message(r, all, CHAT_ASSISTANT, CHAT_TOOL_CALL) < 0)
		return ERR_NOMEM;
	part = chat_append_part(r, &all->parts.tail, CHAT_TOOL_CALL);
	return part ? members_read(r, at, v, table, ARRAY_SIZE(table), part) : ERR_NOMEM;
}

static int read_output(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct chat_part *part = into;
	struct parts list = {.tail = &part->parts, .where = IN_RESULT, .kinds = &kinds};

	return content_read(r, at, v, &list);
}

static int read_result(struct chat_reader *r, const struct place *at, const struct json_span *v, struct items *all)
{
	static const struct member table[] = {
		{"type", member_known, 0, true},   {"call_id", member_string, offsetof(struct chat_part, id), true},
		{"output", read_output, 0, true},  {"id", read_id, 0, false},
		{"status", read_status, 0, false}, {"caller", member_caller, 0, false},
	};
	struct chat_part *part;

	if (open_message(r, all, CHAT_USER, CHAT_TOOL_RESULT) < 0)
		return ERR_NOMEM;
	part = chat_append_part(r, &all->parts.tail, CHAT_TOOL_RESULT);
	return part ? members_read(r, at, v, table, ARRAY_SIZE(table), part) : ERR_NOMEM;
}

/* What a model thought is sealed, and for that model alone. One that says nothing can be left out. */
static int read_reasoning(struct chat_reader *r, const struct place *at, const struct json_span *v, struct items *all)
{
	static const struct member table[] = {
		{"type", member_known, 0, true},
		{"summary", member_no_list, 0, false},
		{"content", member_no_list, 0, false},
		{"encrypted_content", member_inexpressible, 0, false},
		{"id", read_id, 0, false},
		{"status", read_status, 0, false},
	};

	(void)all;
	return members_read(r, at, v, table, ARRAY_SIZE(table), NULL);
}

static int read_item(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	static const struct {
		const char *type;
		int (*read)(struct chat_reader *r, const struct place *at, const struct json_span *v,
			    struct items *all);
	} items[] = {
		{"message", read_message},
		{"function_call", read_call},
		{"function_call_output", read_result},
		{"reasoning", read_reasoning},
	};
	enum { TYPE, ROLE, FIELDS };
	struct items *all = into;
	struct json_member m[FIELDS] = {[TYPE] = {.name = "type"}, [ROLE] = {.name = "role"}};
	const struct place here = member_of(at, "type");

	if (v->type != JSON_SPAN_OBJECT || json_scan_object(v->at, v->len, m, FIELDS, NULL) < 0)
		return members_refuse(r, at, "expected an object");
	if (!wire_given(&m[TYPE].value) && wire_given(&m[ROLE].value))
		return read_message(r, at, v, all);
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		if (json_string_is(&m[TYPE].value, items[i].type))
			return items[i].read(r, at, v, all);
	return members_inexpressible(r, &here, "only messages, function calls and their outputs can");
}

static int read_items(struct chat_reader *r, const struct place *at, const struct json_span *v, struct items *all)
{
	int rc = members_each(r, at, v, "expected a string or an array", read_item, all);

	return rc < 0 || all->last ? rc : members_refuse(r, at, "expected a user's message");
}

int responses_read_input(struct chat_reader *r, struct chat_text instructions, const struct json_span *input,
			 struct chat *ret)
{
	const struct place at = member_of(NULL, "input");
	struct items all = {.chat = ret, .tail = &ret->messages};
	struct chat_part *part;
	int rc;

	all.system = (struct parts){.tail = &ret->system, .where = IN_SYSTEM, .kinds = &kinds};
	if (instructions.at) {
		part = chat_append_part(r, &all.system.tail, CHAT_TEXT);
		if (!part)
			return ERR_NOMEM;
		part->text = instructions;
	}
	if (input->type == JSON_SPAN_ABSENT)
		return members_refuse(r, &at, "this parameter is required");
	if (input->type != JSON_SPAN_STRING)
		return read_items(r, &at, input, &all);
	rc = open_message(r, &all, CHAT_USER, CHAT_TEXT);
	return rc < 0 ? rc : content_read(r, &at, input, &all.parts);
}
