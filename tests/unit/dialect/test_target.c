/* Goal: where a path leads, whose client asks, and where and how a provider is asked in turn. Method: table rows. */
#include "dialect/dialect.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct row {
	const char *path, *query;
	enum tg_route route;
	enum tg_dialect dialect;
	enum wire wire;
	const char *model;
	bool stream, beta, refused;
} rows[] = {
#define R(route, dialect) TG_ROUTE_##route, TG_DIALECT_##dialect
	{"/v1/chat/completions", "", R(CHAT_COMPLETIONS, OPENAI), WIRE_OPENAI_CHAT, NULL, 0, 0, 0},
	{"/v1/responses", "", R(RESPONSES, OPENAI), WIRE_OPENAI_RESPONSES, NULL, 0, 0, 0},
	{"/v1/embeddings", "", R(EMBEDDINGS, OPENAI), WIRE_OPENAI_EMBEDDINGS, NULL, 0, 0, 0},
	{"/v1/messages", "beta=true", R(MESSAGES, ANTHROPIC), WIRE_ANTHROPIC, NULL, 0, 0, 0},
	{"/v1/models", "", R(MODELS, OPENAI), WIRE_NONE, NULL, 0, 0, 0},
	{"/v1/models/gpt-4", "", R(MODELS, OPENAI), WIRE_NONE, "gpt-4", 0, 0, 0},
	{"/v1/models/org%2Fname%20%C3%A9", "", R(MODELS, OPENAI), WIRE_NONE, "org/name \xc3\xa9", 0, 0, 0},
	{"/v1/models/org/name", "", R(MODELS, OPENAI), WIRE_NONE, "org/name", 0, 0, 0},
	{"/v1beta/models", "pageSize=50", R(MODELS, GEMINI), WIRE_NONE, NULL, 0, 1, 0},
	{"/v1beta/models/gemini-pro", "", R(MODELS, GEMINI), WIRE_NONE, "gemini-pro", 0, 1, 0},
	{"/v1beta/models/gemini-pro:generateContent", "", R(GENERATE_CONTENT, GEMINI), WIRE_GEMINI, "gemini-pro", 0, 1,
	 0},
	{"/v1/models/llama:8b:generateContent", "", R(GENERATE_CONTENT, GEMINI), WIRE_GEMINI, "llama:8b", 0, 0, 0},
	{"/v1/models/g:streamGenerateContent", "alt=sse", R(GENERATE_CONTENT, GEMINI), WIRE_GEMINI, "g", 1, 0, 0},
	{"/v1/models/g:streamGenerateContent", "key=x&$alt=sse&y", R(GENERATE_CONTENT, GEMINI), WIRE_GEMINI, "g", 1, 0,
	 0},
	{"/openai/deployments/my%2Ddep/chat/completions", "api-version=2024-10-21", R(CHAT_COMPLETIONS, AZURE),
	 WIRE_OPENAI_CHAT, "my-dep", 0, 0, 0},
	{"/openai/deployments/d/embeddings", "", R(EMBEDDINGS, AZURE), WIRE_OPENAI_EMBEDDINGS, "d", 0, 0, 0},
	{"/openai/v1/chat/completions", "", R(CHAT_COMPLETIONS, AZURE), WIRE_OPENAI_CHAT, NULL, 0, 0, 0},
	{"/openai/v1/responses", "", R(RESPONSES, AZURE), WIRE_OPENAI_RESPONSES, NULL, 0, 0, 0},
	{"/openai/v1/models/x", "", R(MODELS, AZURE), WIRE_NONE, "x", 0, 0, 0},
	/* nothing is served there, but whose manners the 404 has is known */
	{"/v1/chat/completions/", "", R(NONE, OPENAI), WIRE_NONE, NULL, 0, 0, 0},
	{"/v1/files", "", R(NONE, OPENAI), WIRE_NONE, NULL, 0, 0, 0},
	{"/v1/messages/count_tokens", "", R(NONE, ANTHROPIC), WIRE_NONE, NULL, 0, 0, 0},
	{"/v1beta/files", "", R(NONE, GEMINI), WIRE_NONE, NULL, 0, 1, 0},
	{"/openai/deployments/d/images", "", R(NONE, AZURE), WIRE_NONE, NULL, 0, 0, 0},
	{"/openai/files", "", R(NONE, AZURE), WIRE_NONE, NULL, 0, 0, 0},
	{"/openai/deployments//chat/completions", "", R(NONE, AZURE), WIRE_NONE, NULL, 0, 0, 0},
	{"", "", R(NONE, OPENAI), WIRE_NONE, NULL, 0, 0, 0},
	{"/", "", R(NONE, OPENAI), WIRE_NONE, NULL, 0, 0, 0},
	/* refused */
	{"/v1/models/a%2", "", R(MODELS, OPENAI), WIRE_NONE, NULL, 0, 0, 1},
	{"/v1/models/a%", "", R(MODELS, OPENAI), WIRE_NONE, NULL, 0, 0, 1},
	{"/v1/models/a%zz", "", R(MODELS, OPENAI), WIRE_NONE, NULL, 0, 0, 1},
	{"/v1/models/a%00b", "", R(MODELS, OPENAI), WIRE_NONE, NULL, 0, 0, 1},
	{"/openai/deployments/%f/chat/completions", "", R(CHAT_COMPLETIONS, AZURE), WIRE_OPENAI_CHAT, NULL, 0, 0, 1},
	{"/v1beta/models/g:streamGenerateContent", "", R(GENERATE_CONTENT, GEMINI), WIRE_GEMINI, NULL, 1, 1, 1},
	{"/v1beta/models/g:streamGenerateContent", "alt=json", R(GENERATE_CONTENT, GEMINI), WIRE_GEMINI, NULL, 1, 1, 1},
	{"/v1beta/models/g:streamGenerateContent", "x=alt=sse", R(GENERATE_CONTENT, GEMINI), WIRE_GEMINI, NULL, 1, 1,
	 1},
};

Test(target, rows)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct dialect_target t;
		struct arena a = {0};
		struct err err = {0};
		int rc = dialect_target_of(r->path, r->query, &a, &t, &err);

		cr_assert_eq(rc, r->refused ? ERR_INVAL : 0, "%s: %d", r->path, rc);
		cr_expect_eq(t.route, r->route, "%s: %d", r->path, t.route);
		cr_expect_eq(t.dialect, r->dialect, "%s: %d", r->path, t.dialect);
		cr_expect_eq(t.wire, r->wire, "%s", r->path);
		cr_expect_eq(t.stream, r->stream, "%s", r->path);
		cr_expect_eq(t.beta, r->beta, "%s", r->path);
		if (r->refused)
			cr_expect_gt(strlen(err.msg), 10);
		else if (r->model)
			cr_expect(t.model && t.model_len == strlen(r->model) && !strcmp(t.model, r->model), "%s: %s",
				  r->path, t.model);
		else
			cr_expect_null(t.model, "%s", r->path);
		arena_done(&a);
	}
}

Test(target, no_memory)
{
	struct arena a = {.max = 1};
	struct dialect_target t;
	struct err err;

	cr_expect_eq(dialect_target_of("/v1/models/abcdefghijklmnopqrstuvwxyz", "", &a, &t, &err), ERR_NOMEM);
	cr_expect_eq(t.route, TG_ROUTE_MODELS);
	arena_done(&a);
}

/* ---- the provider's side */

Test(upstream, wires)
{
	static const enum wire want[PROVIDER_KINDS][WIRE_COUNT] = {
		/* by chat, responses, embeddings, anthropic, gemini client */
		[PROVIDER_OPENAI] = {WIRE_OPENAI_CHAT, WIRE_OPENAI_RESPONSES, WIRE_OPENAI_EMBEDDINGS, WIRE_OPENAI_CHAT,
				     WIRE_OPENAI_CHAT},
		[PROVIDER_AZURE] = {WIRE_OPENAI_CHAT, WIRE_OPENAI_RESPONSES, WIRE_OPENAI_EMBEDDINGS, WIRE_OPENAI_CHAT,
				    WIRE_OPENAI_CHAT},
		[PROVIDER_ANTHROPIC] = {WIRE_ANTHROPIC, WIRE_ANTHROPIC, WIRE_NONE, WIRE_ANTHROPIC, WIRE_ANTHROPIC},
		[PROVIDER_GEMINI] = {WIRE_GEMINI, WIRE_GEMINI, WIRE_NONE, WIRE_GEMINI, WIRE_GEMINI},
	};

	for (int kind = 0; kind < PROVIDER_KINDS; kind++) {
		for (int client = 0; client < WIRE_COUNT; client++)
			cr_expect_eq(dialect_wire_for((enum provider_kind)kind, (enum wire)client), want[kind][client],
				     "%d %d", kind, client);
		cr_expect_eq(dialect_wire_for((enum provider_kind)kind, WIRE_NONE), WIRE_NONE);
	}
}

Test(upstream, paths)
{
	static const struct {
		enum provider_kind kind;
		const char *model, *version;
		enum wire wire, client;
		bool beta, stream;
		const char *want;
	} paths[] = {
		{PROVIDER_OPENAI, "m", "", WIRE_OPENAI_CHAT, WIRE_ANTHROPIC, 0, 1, "/v1/chat/completions"},
		{PROVIDER_OPENAI, "m", NULL, WIRE_OPENAI_RESPONSES, WIRE_OPENAI_RESPONSES, 0, 0, "/v1/responses"},
		{PROVIDER_OPENAI, "m", "", WIRE_OPENAI_EMBEDDINGS, WIRE_OPENAI_EMBEDDINGS, 0, 0, "/v1/embeddings"},
		{PROVIDER_ANTHROPIC, "m", "2026-10-21", WIRE_ANTHROPIC, WIRE_OPENAI_CHAT, 0, 1, "/v1/messages"},
		{PROVIDER_GEMINI, "g-2.5", "", WIRE_GEMINI, WIRE_OPENAI_CHAT, 0, 0,
		 "/v1beta/models/g-2.5:generateContent"},
		{PROVIDER_GEMINI, "g", "", WIRE_GEMINI, WIRE_GEMINI, 0, 1,
		 "/v1/models/g:streamGenerateContent?alt=sse"},
		{PROVIDER_GEMINI, "g", "", WIRE_GEMINI, WIRE_GEMINI, 1, 0, "/v1beta/models/g:generateContent"},
		{PROVIDER_GEMINI, "g", "v1", WIRE_GEMINI, WIRE_GEMINI, 1, 0, "/v1/models/g:generateContent"},
		{PROVIDER_GEMINI, "a/b c?", "v1", WIRE_GEMINI, WIRE_GEMINI, 0, 0,
		 "/v1/models/a%2Fb%20c%3F:generateContent"},
		{PROVIDER_AZURE, "dep", "2024-10-21", WIRE_OPENAI_CHAT, WIRE_GEMINI, 0, 1,
		 "/openai/deployments/dep/chat/completions?api-version=2024-10-21"},
		{PROVIDER_AZURE, "dep", "2024-10-21", WIRE_OPENAI_EMBEDDINGS, WIRE_OPENAI_EMBEDDINGS, 0, 0,
		 "/openai/deployments/dep/embeddings?api-version=2024-10-21"},
		{PROVIDER_AZURE, "dep", "2024-10-21", WIRE_OPENAI_RESPONSES, WIRE_OPENAI_RESPONSES, 0, 0,
		 "/openai/v1/responses"},
		{PROVIDER_AZURE, "dep", "", WIRE_OPENAI_CHAT, WIRE_OPENAI_CHAT, 0, 0, "/openai/v1/chat/completions"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct dialect_upstream u = {
			.kind = paths[i].kind, .model = paths[i].model, .api_version = paths[i].version};
		struct dialect_target t = {.wire = paths[i].client, .beta = paths[i].beta};
		struct buf b = BUF_INIT;

		cr_assert_eq(dialect_upstream_path(&u, paths[i].wire, &t, paths[i].stream, &b), 0);
		cr_expect_str_eq(b.data, paths[i].want, "%s", b.data);
		buf_done(&b);
	}
}

Test(upstream, headers)
{
	static const struct {
		enum provider_kind kind;
		const char *key, *want;
	} keys[] = {
		{PROVIDER_OPENAI, "k", "\r\nAuthorization: Bearer k\r\n"},
		{PROVIDER_ANTHROPIC, "k", "\r\nx-api-key: k\r\n"},
		{PROVIDER_GEMINI, "k", "\r\nx-goog-api-key: k\r\n"},
		{PROVIDER_AZURE, "k", "\r\napi-key: k\r\n"},
		{PROVIDER_OPENAI, "", "\r\n"},
		{PROVIDER_AZURE, NULL, "\r\n"},
	};
	static const struct {
		const char *version;
		enum wire from, to;
		bool stream;
		const char *client_version, *client_beta, *want;
	} more[] = {
		{"", WIRE_OPENAI_CHAT, WIRE_OPENAI_CHAT, 1, "x", "y", "Accept: text/event-stream\r\n"},
		{"", WIRE_ANTHROPIC, WIRE_GEMINI, 0, "2023-06-01", "y", "Accept: application/json\r\n"},
		{"", WIRE_OPENAI_CHAT, WIRE_ANTHROPIC, 0, NULL, NULL,
		 "Accept: application/json\r\nanthropic-version: 2023-06-01\r\n"},
		{"2026-10-21", WIRE_GEMINI, WIRE_ANTHROPIC, 0, NULL, NULL,
		 "Accept: application/json\r\nanthropic-version: 2026-10-21\r\n"},
		/* the client's own, where its body passes as it is */
		{"", WIRE_ANTHROPIC, WIRE_ANTHROPIC, 0, "2026-10-21", "files-api,x",
		 "Accept: application/json\r\nanthropic-version: 2026-10-21\r\nanthropic-beta: files-api,x\r\n"},
		{"2026-10-21", WIRE_ANTHROPIC, WIRE_ANTHROPIC, 0, "", "",
		 "Accept: application/json\r\nanthropic-version: 2026-10-21\r\n"},
	};
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		size_t n = strlen(keys[i].want);

		buf_reset(&b);
		cr_assert_eq(dialect_upstream_headers(keys[i].kind, keys[i].key, &b), 0);
		cr_expect(b.len > n && !strcmp(b.data + b.len - n, keys[i].want), "%s", b.data);
		cr_expect_not_null(strstr(b.data, "Content-Type: application/json\r\nUser-Agent: tollgate/"));
		cr_expect_eq(!strstr(b.data, "key:") && !strstr(b.data, "Bearer"), !keys[i].key || !*keys[i].key);
	}
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		struct dialect_upstream u = {.kind = PROVIDER_ANTHROPIC, .model = "m", .api_version = more[i].version};

		buf_reset(&b);
		cr_assert_eq(dialect_upstream_request_headers(&u, more[i].from, more[i].to, more[i].stream,
							      more[i].client_version, more[i].client_beta, &b),
			     0);
		cr_expect_str_eq(b.data, more[i].want, "%s", b.data);
	}
	buf_done(&b);
}
