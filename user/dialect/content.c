#include "dialect/content.h"

/* ---- parts */

static int read_part(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	const struct place here = member_of(at, "type");
	struct parts *list = into;
	const struct content_kind *kind = list->kinds->at, *end = kind + list->kinds->n;
	struct chat_part *part;
	struct json_span type;

	if (members_type(r, at, v, &type) < 0)
		return ERR_INVAL;
	while (kind < end && !json_string_is(&type, kind->type))
		kind++;
	if (kind == end)
		return members_inexpressible(r, &here, list->kinds->unknown);
	if (!(kind->where & list->where))
		return members_refuse(r, &here, list->kinds->misplaced);
	part = chat_append_part(r, &list->tail, kind->kind);
	return part ? members_read(r, at, v, kind->members, kind->n, part) : ERR_NOMEM;
}

int content_read(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct parts *list = into;
	struct chat_part *part;

	if (v->type != JSON_SPAN_STRING)
		return members_each(r, at, v, list->kinds->expected, read_part, list);
	part = chat_append_part(r, &list->tail, CHAT_TEXT);
	if (!part)
		return ERR_NOMEM;
	part->text = chat_text_of(v);
	return 0;
}

/* ---- tools */

struct tools {
	struct chat_tool **tail;
	tool_fn read;
};

static int read_tool(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct tools *list = into;
	struct chat_tool *tool = chat_append_tool(r, &list->tail);

	return tool ? list->read(r, at, v, tool) : ERR_NOMEM;
}

int content_tools(struct chat_reader *r, const struct place *at, const struct json_span *v, tool_fn read,
		  struct chat *c)
{
	struct tools list = {.tail = &c->tools, .read = read};

	return members_each(r, at, v, "expected an array", read_tool, &list);
}

int member_caller(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct json_span type;

	if (members_type(r, at, v, &type) < 0)
		return ERR_INVAL;
	return json_string_is(&type, "direct") ? 0 : member_inexpressible(r, at, v, into);
}

int member_callers(struct chat_reader *r, const struct place *at, const struct json_span *v, void *into)
{
	struct json_span caller;
	struct json_iter it;

	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return members_refuse(r, at, "expected an array");
	while (json_iter_next(&it, NULL, &caller) == 1)
		if (!json_string_is(&caller, "direct"))
			return member_inexpressible(r, at, v, into);
	return 0;
}
