/* Path and query -> where a request goes. Which path is which API method is decided by route.h, as in the kernel. */
#include "dialect/dialect.h"

#include "tollgate/head.h"
#include "tollgate/route.h"

#include <string.h>

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* NUL-terminated behind ret_len. A NUL in it is malformed: no name has one. */
static int percent_decode(const char *s, size_t len, struct arena *a, const char **ret, size_t *ret_len,
			  struct err *err)
{
	char *out = arena_alloc(a, len + 1);
	size_t n = 0;

	if (!out)
		return err_set(err, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < len; i++) {
		int high, low;

		if (s[i] != '%') {
			out[n++] = s[i];
			continue;
		}
		high = len - i > 2 ? hex_value(s[i + 1]) : -1;
		low = len - i > 2 ? hex_value(s[i + 2]) : -1;
		if (high < 0 || low < 0 || high + low == 0)
			return err_set(err, ERR_INVAL, "The request URL has a malformed percent-encoding.");
		out[n++] = (char)(high << 4 | low);
		i += 2;
	}
	*ret = out;
	*ret_len = n;
	return 0;
}

enum wire dialect_wire_of(enum tg_route route)
{
	static const enum wire wires[TG_ROUTE_COUNT] = {
		[TG_ROUTE_CHAT_COMPLETIONS] = WIRE_OPENAI_CHAT,
		[TG_ROUTE_EMBEDDINGS] = WIRE_OPENAI_EMBEDDINGS,
		[TG_ROUTE_MODELS] = WIRE_NONE,
		[TG_ROUTE_RESPONSES] = WIRE_OPENAI_RESPONSES,
		[TG_ROUTE_MESSAGES] = WIRE_ANTHROPIC,
		[TG_ROUTE_GENERATE_CONTENT] = WIRE_GEMINI,
		[TG_ROUTE_BATCH] = WIRE_NONE,
	};

	return (unsigned)route < TG_ROUTE_COUNT ? wires[route] : WIRE_NONE;
}

/* "alt=sse", which Google takes as "$alt=sse" too. */
static bool says_sse(const char *query)
{
	size_t n;

	for (; *query; query += n + (query[n] == '&')) {
		n = strcspn(query, "&");
		if ((n == 7 && strncmp(query, "alt=sse", 7) == 0) || (n == 8 && strncmp(query, "$alt=sse", 8) == 0))
			return true;
	}
	return false;
}

static bool ends_with(const char *s, size_t len, const char *tail)
{
	size_t n = strlen(tail);

	return len > n && memcmp(s + len - n, tail, n) == 0;
}

/* The name in the path, still encoded; NULL = none. */
static const char *name_in_path(const char *path, const struct dialect_target *t, size_t *ret_len)
{
	static const char azure[] = "/openai/deployments/", models[] = "/models/";
	const char *p, *stop;

	if (strncmp(path, azure, sizeof(azure) - 1) == 0 && t->route != TG_ROUTE_NONE) {
		p = path + sizeof(azure) - 1;
		stop = path + strlen(path) -
		       strlen(t->route == TG_ROUTE_EMBEDDINGS ? "/embeddings" : "/chat/completions");
		*ret_len = (size_t)(stop - p);
		return p;
	}
	if (t->route != TG_ROUTE_MODELS && t->route != TG_ROUTE_GENERATE_CONTENT)
		return NULL;
	p = strstr(path, models);
	if (!p)
		return NULL;
	p += sizeof(models) - 1;
	*ret_len = t->route == TG_ROUTE_MODELS ? strlen(p) : (size_t)(strrchr(p, ':') - p);
	return p;
}

int dialect_target_of(const char *path, const char *query, struct arena *a, struct dialect_target *ret, struct err *err)
{
	size_t len = strlen(path), name_len = 0;
	__u32 hit = tg_route_find_text(path, len);
	struct dialect_target t = {.route = (enum tg_route)TG_ROUTE_OF(hit),
				   .dialect = (enum tg_dialect)TG_DIALECT_OF(hit)};
	const char *name;
	int rc = 0;

	t.wire = dialect_wire_of(t.route);
	t.beta = strncmp(path, "/v1beta/", 8) == 0;
	/* Nothing is served there, but whose client it is shows. */
	if (t.route == TG_ROUTE_NONE && t.beta)
		t.dialect = TG_DIALECT_GEMINI;
	else if (t.route == TG_ROUTE_NONE && strncmp(path, "/v1/messages/", 13) == 0)
		t.dialect = TG_DIALECT_ANTHROPIC;
	else if (t.route == TG_ROUTE_NONE && strncmp(path, "/openai/", 8) == 0)
		t.dialect = TG_DIALECT_AZURE;
	t.stream = t.wire == WIRE_GEMINI && ends_with(path, len, ":streamGenerateContent");
	*ret = t;
	name = name_in_path(path, &t, &name_len);
	if (name)
		rc = percent_decode(name, name_len, a, &t.model, &t.model_len, err);
	if (rc == 0 && t.stream && !says_sse(query))
		rc = err_set(err, ERR_INVAL,
			     "Invalid value for 'alt': streamGenerateContent is served as server-sent events only; "
			     "ask for it with ?alt=sse.");
	if (rc == 0)
		*ret = t;
	return rc;
}
