/* Goal: R1 of tollgate/route.h: paths are matched whole, to the right API method and dialect.
 * Method: table of paths; each good one again with a byte more, a byte less and a byte changed. */
#include "tollgate/route.h"

#include <criterion/criterion.h>
#include <string.h>

#define R(x) TG_ROUTE_##x
#define D(x) TG_DIALECT_##x

static const struct {
	const char *path;
	unsigned route, dialect;
} rows[] = {
	{"/v1/chat/completions", R(CHAT_COMPLETIONS), D(OPENAI)},
	{"/v1/chat/completions?api-version=1", R(CHAT_COMPLETIONS), D(OPENAI)},
	{"/v1/embeddings", R(EMBEDDINGS), D(OPENAI)},
	{"/v1/models", R(MODELS), D(OPENAI)},
	{"/v1/models?x", R(MODELS), D(OPENAI)},
	{"/v1/models/gpt-4o", R(MODELS), D(OPENAI)},
	{"/v1/models/a", R(MODELS), D(OPENAI)},
	{"/v1/responses", R(RESPONSES), D(OPENAI)},
	{"/v1/messages", R(MESSAGES), D(ANTHROPIC)},
	{"/v1/batch/chat/completions", R(BATCH), D(OPENAI)},
	{"/v1/models/gemini-2.0-flash:generateContent", R(GENERATE_CONTENT), D(GEMINI)},
	{"/v1beta/models/gemini-2.0-flash:generateContent?alt=sse", R(GENERATE_CONTENT), D(GEMINI)},
	{"/v1beta/models/g:streamGenerateContent", R(GENERATE_CONTENT), D(GEMINI)},
	{"/v1beta/models", R(MODELS), D(GEMINI)},
	{"/v1beta/models/g", R(MODELS), D(GEMINI)},
	{"/openai/deployments/d/chat/completions?api-version=2024", R(CHAT_COMPLETIONS), D(AZURE)},
	{"/openai/deployments/my-dep/embeddings", R(EMBEDDINGS), D(AZURE)},
	{"/openai/v1/chat/completions", R(CHAT_COMPLETIONS), D(AZURE)},
	{"/openai/v1/responses", R(RESPONSES), D(AZURE)},
	{"/openai/v1/models", R(MODELS), D(AZURE)},
	/* no routes; the dialect says in which form to refuse */
	{"", R(NONE), D(OPENAI)},
	{"/", R(NONE), D(OPENAI)},
	{"?", R(NONE), D(OPENAI)},
	{"/v1/", R(NONE), D(OPENAI)},
	{"/v1/chat", R(NONE), D(OPENAI)},
	{"/v1/chat/completions/", R(NONE), D(OPENAI)},
	{"/v1/chat/completion", R(NONE), D(OPENAI)},
	{"/v1/chat/completionsx", R(NONE), D(OPENAI)},
	{"/V1/chat/completions", R(NONE), D(OPENAI)},
	{"//v1/chat/completions", R(NONE), D(OPENAI)},
	{"/v1//chat/completions", R(NONE), D(OPENAI)},
	{"/v1/chat%2fcompletions", R(NONE), D(OPENAI)},
	{"http://h/v1/chat/completions", R(NONE), D(OPENAI)},
	{"/v1/models/", R(NONE), D(OPENAI)},
	{"/v1beta/models/", R(NONE), D(OPENAI)},
	{"/v1/models/:generateContent", R(MODELS), D(OPENAI)}, /* no model's name before the colon */
	{"/openai/deployments//chat/completions", R(NONE), D(AZURE)},
	{"/openai/deployments/chat/completions", R(NONE), D(AZURE)},
	{"/openai/deployments/d/chat", R(NONE), D(AZURE)},
	{"/openai/v1/", R(NONE), D(OPENAI)},
};

static unsigned find(const char *path)
{
	return tg_route_find_text(path, strlen(path));
}

Test(shared_route, rows)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned hit = find(rows[i].path);

		cr_expect(TG_ROUTE_OF(hit) == rows[i].route && TG_DIALECT_OF(hit) == rows[i].dialect,
			  "%s: route %u, dialect %u", rows[i].path, TG_ROUTE_OF(hit), TG_DIALECT_OF(hit));
	}
}

/* Fixed paths only: any one character changed is another path. */
Test(shared_route, every_character_counts)
{
	for (size_t i = 0; i < 10; i++) {
		char path[64];

		if (strchr(rows[i].path, '?') || !strncmp(rows[i].path, "/v1/models/", 11))
			continue;
		for (size_t at = 0; rows[i].path[at]; at++) {
			strcpy(path, rows[i].path);
			path[at] ^= 1;
			cr_expect_neq(TG_ROUTE_OF(find(path)), rows[i].route, "%s", path);
		}
	}
}

Test(shared_route, methods)
{
	for (unsigned route = 0; route < TG_ROUTE_COUNT; route++)
		for (unsigned m = TG_METHOD_NONE; m <= TG_METHOD_OPTIONS; m++) {
			int want = route == TG_ROUTE_MODELS ? m == TG_METHOD_GET || m == TG_METHOD_HEAD
							    : m == TG_METHOD_POST;

			cr_expect_eq(tg_route_allows(route, m), want, "route %u, method %u", route, m);
		}
	cr_expect_eq(tg_route_allows(TG_ROUTE_NONE, TG_METHOD_POST), 0);
}

Test(shared_route, too_long)
{
	static char path[TG_HEAD_MAX + 2];

	memset(path, 'a', sizeof(path) - 1);
	memcpy(path, "/v1/models/", 11);
	cr_expect_eq(TG_ROUTE_OF(tg_route_find_text(path, TG_HEAD_MAX)), TG_ROUTE_MODELS);
	cr_expect_eq(TG_ROUTE_OF(tg_route_find_text(path, TG_HEAD_MAX + 1)), TG_ROUTE_NONE);
}
