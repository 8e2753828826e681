/* Turns and their parts. Calls without an id, which Google's API allows, get one here: other wires join calls and
 * results by it. */
#include "dialect/gemini.h"

#include <stdio.h>
#include <string.h>

/* ---- media */

static int check_image(struct gemini_reader *g, const struct place *at, struct chat_text media_type)
{
	if (!chat_text_begins(media_type, "image"))
		return members_inexpressible(g->r, at, "of files only images can be");
	return 0;
}

static int read_inline(struct gemini_reader *g, const struct place *at, const struct json_span *v, struct chat_part *p)
{
	enum { TYPE, DATA, DISPLAY, FIELDS };
	static const struct gemini_member rows[FIELDS] = {[TYPE] = {"mimeType", GEMINI_READ},
							  [DATA] = {"data", GEMINI_READ},
							  [DISPLAY] = {"displayName", GEMINI_HINT}};
	struct json_span m[FIELDS];
	int rc = gemini_members(g, at, v, rows, FIELDS, m);

	p->kind = CHAT_IMAGE_DATA;
	if (rc == 0)
		rc = gemini_string(g, at, "mimeType", &m[TYPE], &p->media_type);
	if (rc == 0)
		rc = gemini_string(g, at, "data", &m[DATA], &p->data);
	if (rc < 0)
		return rc;
	if (!p->data.at || !p->media_type.at)
		return members_refuse(g->r, at, "expected mimeType and data");
	return check_image(g, at, p->media_type);
}

static int read_file(struct gemini_reader *g, const struct place *at, const struct json_span *v, struct chat_part *p)
{
	enum { URI, TYPE, DISPLAY, FIELDS };
	static const struct gemini_member rows[FIELDS] = {[URI] = {"fileUri", GEMINI_READ},
							  [TYPE] = {"mimeType", GEMINI_READ},
							  [DISPLAY] = {"displayName", GEMINI_HINT}};
	struct place uri = member_of(at, "fileUri");
	struct json_span m[FIELDS];
	int rc = gemini_members(g, at, v, rows, FIELDS, m);

	p->kind = CHAT_IMAGE_URL;
	if (rc == 0)
		rc = gemini_string(g, at, "fileUri", &m[URI], &p->url);
	if (rc == 0)
		rc = gemini_string(g, at, "mimeType", &m[TYPE], &p->media_type);
	if (rc < 0)
		return rc;
	if (!p->url.at)
		return members_refuse(g->r, &uri, "expected a string");
	/* An upload is known to Google alone; an escaped slash is as good as a plain one. */
	if (!(chat_text_begins(p->url, "https:") || chat_text_begins(p->url, "http:")) ||
	    memmem(p->url.at, p->url.len, "generativelanguage.googleapis.com", 33))
		return members_inexpressible(g->r, &uri, "only files on the open web can be");
	return check_image(g, at, p->media_type);
}

/* ---- calls and their results */

static int make_id(struct gemini_reader *g, struct chat_text *ret)
{
	char *text = chat_alloc(g->r, 32);

	if (!text)
		return ERR_NOMEM;
	ret->len = (size_t)snprintf(text, 32, "call_tg%u", g->n_calls);
	ret->at = text;
	return 0;
}

static int remember_call(struct gemini_reader *g, struct chat_part *p)
{
	struct gemini_call *c = chat_alloc(g->r, sizeof(*c));

	if (!c)
		return ERR_NOMEM;
	c->part = p;
	*g->calls_end = c;
	g->calls_end = &c->next;
	if (++g->n_calls > GEMINI_CALLS_KEPT)
		g->calls = g->calls->next;
	return p->id.at ? 0 : make_id(g, &p->id);
}

static int read_call(struct gemini_reader *g, const struct place *at, const struct json_span *v, struct chat_part *p)
{
	enum { ID, NAME, ARGS, PARTIAL, CONTINUES, FIELDS };
	static const struct gemini_member rows[FIELDS] = {[ID] = {"id", GEMINI_READ},
							  [NAME] = {"name", GEMINI_READ},
							  [ARGS] = {"args", GEMINI_READ},
							  [PARTIAL] = {"partialArgs", GEMINI_REFUSE},
							  [CONTINUES] = {"willContinue", GEMINI_REFUSE}};
	struct place name = member_of(at, "name"), args = member_of(at, "args");
	struct json_span m[FIELDS];
	int rc = gemini_members(g, at, v, rows, FIELDS, m);

	p->kind = CHAT_TOOL_CALL;
	if (rc == 0)
		rc = gemini_string(g, at, "id", &m[ID], &p->id);
	if (rc == 0)
		rc = gemini_string(g, at, "name", &m[NAME], &p->name);
	if (rc < 0)
		return rc;
	if (!p->name.len)
		return members_refuse(g->r, &name, "expected a non-empty string");
	if (m[ARGS].type != JSON_SPAN_OBJECT && wire_given(&m[ARGS]))
		return members_refuse(g->r, &args, "expected an object");
	p->args = m[ARGS];
	if (!p->id.len)
		p->id.at = NULL;
	return remember_call(g, p);
}

/* The call that a result answers: by id, else the oldest open one of the function. */
static struct gemini_call *find_call(struct gemini_reader *g, const struct chat_part *result)
{
	for (struct gemini_call *c = g->calls; c; c = c->next)
		if (result->id.at ? chat_text_same(c->part->id, result->id)
				  : !c->answered && chat_text_same(c->part->name, result->name))
			return c;
	return NULL;
}

/* {"result":"text"}, {"output":"text"} and {"error":"text"} are how a text is said here; other objects stay what they
 * are. */
static int read_response(struct gemini_reader *g, const struct json_span *v, struct chat_part *p)
{
	struct json_span name, value, second;
	struct chat_part *text;
	struct json_iter it;
	bool output;

	p->result = *v;
	if (json_iter_init(&it, v) < 0 || json_iter_next(&it, &name, &value) != 1 ||
	    json_iter_next(&it, NULL, &second) != 0)
		return 0;
	p->is_error = json_string_is(&name, "error") && wire_given(&value);
	output = json_string_is(&name, "result") || json_string_is(&name, "output");
	if (value.type != JSON_SPAN_STRING || !(output || p->is_error))
		return 0;
	text = chat_alloc(g->r, sizeof(*text));
	if (!text)
		return ERR_NOMEM;
	text->text = chat_text_of(&value);
	p->parts = text;
	p->result = (struct json_span){.type = JSON_SPAN_ABSENT};
	return 0;
}

static int read_result(struct gemini_reader *g, const struct place *at, const struct json_span *v, struct chat_part *p)
{
	enum { ID, NAME, RESPONSE, PARTS, SCHEDULING, CONTINUES, FIELDS };
	static const struct gemini_member rows[FIELDS] = {[ID] = {"id", GEMINI_READ},
							  [NAME] = {"name", GEMINI_READ},
							  [RESPONSE] = {"response", GEMINI_READ},
							  [PARTS] = {"parts", GEMINI_REFUSE},
							  [SCHEDULING] = {"scheduling", GEMINI_HINT},
							  [CONTINUES] = {"willContinue", GEMINI_REFUSE}};
	struct place name = member_of(at, "name"), response = member_of(at, "response");
	struct json_span m[FIELDS];
	struct gemini_call *call;
	int rc = gemini_members(g, at, v, rows, FIELDS, m);

	p->kind = CHAT_TOOL_RESULT;
	if (rc == 0)
		rc = gemini_string(g, at, "id", &m[ID], &p->id);
	if (rc == 0)
		rc = gemini_string(g, at, "name", &m[NAME], &p->name);
	if (rc < 0)
		return rc;
	if (!p->name.len)
		return members_refuse(g->r, &name, "expected a non-empty string");
	if (m[RESPONSE].type != JSON_SPAN_OBJECT)
		return members_refuse(g->r, &response, "expected an object");
	if (!p->id.len)
		p->id.at = NULL;
	call = find_call(g, p);
	if (!call)
		return members_refuse(g->r, at, "no functionCall before it that it answers");
	call->answered = true;
	p->id = call->part->id;
	return read_response(g, &m[RESPONSE], p);
}

/* ---- parts */

enum {
	TEXT,
	INLINE,
	FILE_DATA,
	CALL,
	RESULT,
	DATA_MEMBERS, /* the above: one of them */
	THOUGHT = DATA_MEMBERS,
	SIGNATURE,
	METADATA,
	CODE,
	CODE_RESULT,
	TOOL_CALL,
	TOOL_RESPONSE,
	TRANSCRIPTION,
	VIDEO,
	RESOLUTION,
	PROCESSING,
	SPEECH,
	MEMBERS
};
static const struct gemini_member part_members[MEMBERS] = {
	[TEXT] = {"text", GEMINI_READ},
	[INLINE] = {"inlineData", GEMINI_READ},
	[FILE_DATA] = {"fileData", GEMINI_READ},
	[CALL] = {"functionCall", GEMINI_READ},
	[RESULT] = {"functionResponse", GEMINI_READ},
	[THOUGHT] = {"thought", GEMINI_REFUSE},
	[SIGNATURE] = {"thoughtSignature", GEMINI_HINT}, /* of a thought that another model didn't have */
	[METADATA] = {"partMetadata", GEMINI_HINT},
	[CODE] = {"executableCode", GEMINI_REFUSE},
	[CODE_RESULT] = {"codeExecutionResult", GEMINI_REFUSE},
	[TOOL_CALL] = {"toolCall", GEMINI_REFUSE},
	[TOOL_RESPONSE] = {"toolResponse", GEMINI_REFUSE},
	[TRANSCRIPTION] = {"audioTranscription", GEMINI_REFUSE},
	[VIDEO] = {"videoMetadata", GEMINI_REFUSE},
	[RESOLUTION] = {"mediaResolution", GEMINI_REFUSE},
	[PROCESSING] = {"mediaProcessing", GEMINI_REFUSE},
	[SPEECH] = {"speechMetadata", GEMINI_REFUSE},
};

/* What stands in whose turn. */
static int check_turn(struct gemini_reader *g, const struct place *at, unsigned member, enum chat_role role)
{
	if (role == CHAT_ASSISTANT && (member == INLINE || member == FILE_DATA))
		return members_inexpressible(g->r, at, "a model's turn has no files");
	if (role == CHAT_ASSISTANT && member == RESULT)
		return members_refuse(g->r, at, "only in a user's turn");
	if (role == CHAT_USER && member == CALL)
		return members_refuse(g->r, at, "only in a model's turn");
	return 0;
}

static int read_part(struct gemini_reader *g, const struct place *at, const struct json_span *v, enum chat_role role,
		     struct chat_part *p)
{
	struct json_span m[MEMBERS];
	struct place here;
	unsigned member = DATA_MEMBERS;
	int rc = gemini_members(g, at, v, part_members, MEMBERS, m);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < DATA_MEMBERS; i++) {
		if (!wire_given(&m[i]))
			continue;
		if (member != DATA_MEMBERS)
			return members_refuse(g->r, at, "expected one kind of data");
		member = i;
	}
	here = member_of(at, part_members[member].name);
	rc = check_turn(g, &here, member, role);
	if (rc < 0)
		return rc;
	switch (member) {
	case TEXT:
		p->kind = CHAT_TEXT;
		return gemini_string(g, at, "text", &m[TEXT], &p->text);
	case INLINE:
		return read_inline(g, &here, &m[INLINE], p);
	case FILE_DATA:
		return read_file(g, &here, &m[FILE_DATA], p);
	case CALL:
		return read_call(g, &here, &m[CALL], p);
	case RESULT:
		return read_result(g, &here, &m[RESULT], p);
	default:
		return members_refuse(g->r, at,
				      "expected text, inlineData, fileData, functionCall or functionResponse");
	}
}

static int read_parts(struct gemini_reader *g, const struct place *up, const struct json_span *v, enum chat_role role,
		      struct chat_part **ret)
{
	struct place parts = member_of(up, "parts"), at = {.up = &parts};
	struct json_span part;
	struct json_iter it;
	int rc = 0;

	if (v->type != JSON_SPAN_ARRAY || json_is_empty(v) || json_iter_init(&it, v) < 0)
		return members_refuse(g->r, &parts, "expected a non-empty array");
	for (; rc == 0 && json_iter_next(&it, NULL, &part) == 1; at.index++) {
		struct chat_part *p = chat_append_part(g->r, &ret, CHAT_TEXT); /* until its kind is read */

		rc = p ? read_part(g, &at, &part, role, p) : ERR_NOMEM;
	}
	return rc;
}

/* ---- turns */

enum { C_ROLE, C_PARTS, C_MEMBERS };
static const struct gemini_member content_members[C_MEMBERS] = {
	[C_ROLE] = {"role", GEMINI_READ}, [C_PARTS] = {"parts", GEMINI_READ}};

static int read_role(struct gemini_reader *g, const struct place *up, const struct json_span *v, enum chat_role *ret)
{
	struct place at = member_of(up, "role");

	if (!wire_given(v) || json_string_is(v, "user") || json_string_is(v, "function"))
		*ret = CHAT_USER;
	else if (json_string_is(v, "model"))
		*ret = CHAT_ASSISTANT;
	else
		return members_refuse(g->r, &at, "expected user, model or function");
	return 0;
}

static int read_content(struct gemini_reader *g, const struct place *at, const struct json_span *v,
			struct chat_message *ret)
{
	struct json_span m[C_MEMBERS];
	int rc = gemini_members(g, at, v, content_members, C_MEMBERS, m);

	if (rc == 0)
		rc = read_role(g, at, &m[C_ROLE], &ret->role);
	if (rc == 0)
		rc = read_parts(g, at, &m[C_PARTS], ret->role, &ret->parts);
	return rc;
}

int gemini_read_contents(struct gemini_reader *g, const struct place *contents, const struct json_span *v)
{
	struct chat_message **end = &g->chat->messages;
	struct place at = {.up = contents};
	struct json_span content;
	struct json_iter it;
	int rc = 0;

	if (v->type != JSON_SPAN_ARRAY || json_is_empty(v) || json_iter_init(&it, v) < 0)
		return members_refuse(g->r, contents, "expected a non-empty array");
	for (; rc == 0 && json_iter_next(&it, NULL, &content) == 1; at.index++) {
		struct chat_message *message = chat_append_message(g->r, &end, CHAT_USER); /* until its role is read */

		rc = message ? read_content(g, &at, &content, message) : ERR_NOMEM;
	}
	return rc;
}

/* Its role says nothing. */
int gemini_read_system(struct gemini_reader *g, const struct place *at, const struct json_span *v)
{
	struct place parts = member_of(at, "parts"), here = {.up = &parts};
	struct json_span m[C_MEMBERS];
	int rc = gemini_members(g, at, v, content_members, C_MEMBERS, m);

	if (rc == 0)
		rc = read_parts(g, at, &m[C_PARTS], CHAT_USER, &g->chat->system);
	for (const struct chat_part *p = g->chat->system; rc == 0 && p; p = p->next, here.index++)
		if (p->kind != CHAT_TEXT)
			rc = members_inexpressible(g->r, &here, "a system instruction is text");
	return rc;
}
