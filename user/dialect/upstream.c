/* Where and how a provider is asked: paths and headers. */
#include "dialect/dialect.h"

#include <assert.h>
#include <string.h>

/* A name as one segment of a path. */
static void put_segment(struct buf *out, const char *name)
{
	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c))
			buf_putc(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

static const char *openai_method(enum wire wire)
{
	return wire == WIRE_OPENAI_CHAT        ? "chat/completions"
	       : wire == WIRE_OPENAI_RESPONSES ? "responses"
					       : "embeddings";
}

/* Responses have no deployment paths. */
static void azure_path(const struct dialect_upstream *u, enum wire wire, struct buf *out)
{
	if (!u->api_version || !*u->api_version || wire == WIRE_OPENAI_RESPONSES) {
		buf_printf(out, "/openai/v1/%s", openai_method(wire));
		return;
	}
	buf_puts(out, "/openai/deployments/");
	put_segment(out, u->model);
	buf_printf(out, "/%s?api-version=", openai_method(wire));
	put_segment(out, u->api_version);
}

static void gemini_path(const struct dialect_upstream *u, const struct dialect_target *t, bool stream, struct buf *out)
{
	bool v1 = t->wire == WIRE_GEMINI && !t->beta;
	const char *version = u->api_version && *u->api_version ? u->api_version : v1 ? "v1" : "v1beta";

	buf_printf(out, "/%s/models/", version);
	put_segment(out, u->model);
	buf_puts(out, stream ? ":streamGenerateContent?alt=sse" : ":generateContent");
}

int dialect_upstream_path(const struct dialect_upstream *u, enum wire wire, const struct dialect_target *t, bool stream,
			  struct buf *out)
{
	switch (u->kind) {
	case PROVIDER_OPENAI:
		buf_printf(out, "/v1/%s", openai_method(wire));
		break;
	case PROVIDER_ANTHROPIC:
		buf_puts(out, "/v1/messages");
		break;
	case PROVIDER_GEMINI:
		gemini_path(u, t, stream, out);
		break;
	case PROVIDER_AZURE:
		azure_path(u, wire, out);
		break;
	case PROVIDER_KINDS:
		assert(0);
	}
	return out->failed ? ERR_NOMEM : 0;
}

int dialect_upstream_headers(enum provider_kind kind, const char *api_key, struct buf *out)
{
	static const char *const key_headers[PROVIDER_KINDS] = {
		[PROVIDER_OPENAI] = "Authorization: Bearer ",
		[PROVIDER_ANTHROPIC] = "x-api-key: ",
		[PROVIDER_GEMINI] = "x-goog-api-key: ",
		[PROVIDER_AZURE] = "api-key: ",
	};

	buf_puts(out, "Content-Type: application/json\r\nUser-Agent: tollgate/" TOLLGATE_VERSION "\r\n");
	if (api_key && *api_key)
		buf_printf(out, "%s%s\r\n", key_headers[kind], api_key);
	return out->failed ? ERR_NOMEM : 0;
}

/* The version decides what a body may say (wire_anthropic's render()): the client's own where its body passes as it is,
 * else the one that translations are written for. */
static void anthropic_headers(const struct dialect_upstream *u, bool same, const char *client_version,
			      const char *client_beta, struct buf *out)
{
	const char *version = u->api_version && *u->api_version ? u->api_version : "2023-06-01";

	if (same && client_version && *client_version)
		version = client_version;
	buf_printf(out, "anthropic-version: %s\r\n", version);
	if (same && client_beta && *client_beta)
		buf_printf(out, "anthropic-beta: %s\r\n", client_beta);
}

int dialect_upstream_request_headers(const struct dialect_upstream *u, enum wire from, enum wire to, bool stream,
				     const char *client_version, const char *client_beta, struct buf *out)
{
	buf_puts(out, stream ? "Accept: text/event-stream\r\n" : "Accept: application/json\r\n");
	if (to == WIRE_ANTHROPIC)
		anthropic_headers(u, from == to, client_version, client_beta, out);
	return out->failed ? ERR_NOMEM : 0;
}
