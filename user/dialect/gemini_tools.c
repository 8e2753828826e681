/* Functions that the model may call. Tools that Google itself runs can't be had elsewhere. */
#include "dialect/gemini.h"

#include <string.h>

/* ---- declarations */

static int read_declaration(struct gemini_reader *g, const struct place *at, const struct json_span *v,
			    struct chat_tool *t)
{
	enum { NAME, DESCRIPTION, PARAMETERS, PARAMETERS_JSON, RESPONSE, RESPONSE_JSON, BEHAVIOR, FIELDS };
	static const struct gemini_member rows[FIELDS] = {
		[NAME] = {"name", GEMINI_READ},
		[DESCRIPTION] = {"description", GEMINI_READ},
		[PARAMETERS] = {"parameters", GEMINI_READ},
		[PARAMETERS_JSON] = {"parametersJsonSchema", GEMINI_READ},
		[RESPONSE] = {"response", GEMINI_REFUSE},
		[RESPONSE_JSON] = {"responseJsonSchema", GEMINI_REFUSE},
		[BEHAVIOR] = {"behavior", GEMINI_HINT}, /* of live calls only */
	};
	static const struct gemini_either schema = {"parameters", "parametersJsonSchema",
						    "only one of parameters and parametersJsonSchema"};
	struct place name = member_of(at, "name");
	struct json_span m[FIELDS];
	int rc = gemini_members(g, at, v, rows, FIELDS, m);

	if (rc == 0)
		rc = gemini_string(g, at, "name", &m[NAME], &t->name);
	if (rc == 0)
		rc = gemini_string(g, at, "description", &m[DESCRIPTION], &t->description);
	if (rc == 0 && !t->name.len)
		rc = members_refuse(g->r, &name, "expected a non-empty string");
	if (rc == 0)
		rc = gemini_read_either_schema(g, at, &schema, &m[PARAMETERS], &m[PARAMETERS_JSON], &t->schema);
	return rc;
}

static int read_declarations(struct gemini_reader *g, const struct place *up, const struct json_span *v,
			     struct chat_tool ***end)
{
	struct place list = member_of(up, "functionDeclarations"), at = {.up = &list};
	struct json_span declaration;
	struct json_iter it;
	int rc = 0;

	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return members_refuse(g->r, &list, "expected an array");
	for (; rc == 0 && json_iter_next(&it, NULL, &declaration) == 1; at.index++) {
		struct chat_tool *tool = chat_append_tool(g->r, end);

		rc = tool ? read_declaration(g, &at, &declaration, tool) : ERR_NOMEM;
	}
	return rc;
}

int gemini_read_tools(struct gemini_reader *g, const struct place *tools, const struct json_span *v)
{
	enum { DECLARATIONS };
	static const struct gemini_member rows[] = {
		[DECLARATIONS] = {"functionDeclarations", GEMINI_READ},
		{"googleSearch", GEMINI_REFUSE},
		{"googleSearchRetrieval", GEMINI_REFUSE},
		{"codeExecution", GEMINI_REFUSE},
		{"urlContext", GEMINI_REFUSE},
		{"computerUse", GEMINI_REFUSE},
		{"fileSearch", GEMINI_REFUSE},
		{"googleMaps", GEMINI_REFUSE},
		{"mcpServers", GEMINI_REFUSE},
		{"retrieval", GEMINI_REFUSE},
		{"enterpriseWebSearch", GEMINI_REFUSE},
		{"exaAiSearch", GEMINI_REFUSE},
		{"parallelAiSearch", GEMINI_REFUSE},
	};
	struct place at = {.up = tools};
	struct json_span tool, m[ARRAY_SIZE(rows)];
	struct chat_tool **end = &g->chat->tools;
	struct json_iter it;
	int rc = 0;

	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return members_refuse(g->r, tools, "expected an array");
	for (; rc == 0 && json_iter_next(&it, NULL, &tool) == 1; at.index++) {
		rc = gemini_members(g, &at, &tool, rows, ARRAY_SIZE(rows), m);
		if (rc == 0 && wire_given(&m[DECLARATIONS]))
			rc = read_declarations(g, &at, &m[DECLARATIONS], &end);
	}
	return rc;
}

/* ---- which may be called */

/* One name is a function that has to be called; a choice among several no other wire knows. */
static int read_names(struct gemini_reader *g, const struct place *at, const struct json_span *v)
{
	struct json_span name, second;
	struct json_iter it;

	if (!wire_given(v))
		return 0;
	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return members_refuse(g->r, at, "expected an array of strings");
	if (json_iter_next(&it, NULL, &name) != 1)
		return 0;
	if (name.type != JSON_SPAN_STRING)
		return members_refuse(g->r, at, "expected an array of strings");
	if (json_iter_next(&it, NULL, &second) != 0)
		return members_inexpressible(g->r, at, "at most one name can be");
	if (g->chat->tool_choice != CHAT_TOOLS_REQUIRED)
		return members_refuse(g->r, at, "only allowed when the mode is ANY");
	g->chat->tool_choice = CHAT_TOOLS_NAMED;
	g->chat->tool_choice_name = chat_text_of(&name);
	return 0;
}

static int read_mode(struct gemini_reader *g, const struct place *at, const struct json_span *v)
{
	static const struct {
		const char *name;
		enum chat_tool_choice choice;
	} modes[] = {{"AUTO", CHAT_TOOLS_AUTO},
		     {"MODE_UNSPECIFIED", CHAT_TOOLS_AUTO},
		     {"ANY", CHAT_TOOLS_REQUIRED},
		     {"NONE", CHAT_TOOLS_NONE}};

	if (!wire_given(v))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (json_string_is(v, modes[i].name)) {
			g->chat->tool_choice_given = true;
			g->chat->tool_choice = modes[i].choice;
			return 0;
		}
	if (json_string_is(v, "VALIDATED"))
		return members_inexpressible(g->r, at, "only Google's own API has it");
	return members_refuse(g->r, at, "expected AUTO, ANY or NONE");
}

static int read_calling(struct gemini_reader *g, const struct place *at, const struct json_span *v)
{
	enum { MODE, NAMES, STREAM, FIELDS };
	static const struct gemini_member rows[FIELDS] = {[MODE] = {"mode", GEMINI_READ},
							  [NAMES] = {"allowedFunctionNames", GEMINI_READ},
							  [STREAM] = {"streamFunctionCallArguments", GEMINI_REFUSE}};
	struct place mode = member_of(at, "mode"), names = member_of(at, "allowedFunctionNames");
	struct json_span m[FIELDS];
	int rc = gemini_members(g, at, v, rows, FIELDS, m);

	if (rc == 0)
		rc = read_mode(g, &mode, &m[MODE]);
	if (rc == 0)
		rc = read_names(g, &names, &m[NAMES]);
	return rc;
}

int gemini_read_tool_config(struct gemini_reader *g, const struct place *at, const struct json_span *v)
{
	enum { CALLING, RETRIEVAL, SERVER_SIDE, FIELDS };
	static const struct gemini_member rows[FIELDS] = {
		[CALLING] = {"functionCallingConfig", GEMINI_READ},
		[RETRIEVAL] = {"retrievalConfig", GEMINI_REFUSE},
		[SERVER_SIDE] = {"includeServerSideToolInvocations", GEMINI_REFUSE}};
	struct place calling = member_of(at, "functionCallingConfig");
	struct json_span m[FIELDS];
	int rc = gemini_members(g, at, v, rows, FIELDS, m);

	if (rc == 0 && wire_given(&m[CALLING]))
		rc = read_calling(g, &calling, &m[CALLING]);
	return rc;
}
