/* Which wire is spoken where, and the way into its row. */
#include "dialect/wire.h"

#include <assert.h>
#include <string.h>

static const struct wire_ops *const wires[WIRE_COUNT] = {
	[WIRE_OPENAI_CHAT] = &wire_openai_chat,
	[WIRE_OPENAI_RESPONSES] = &wire_openai_responses,
	[WIRE_OPENAI_EMBEDDINGS] = &wire_openai_embeddings,
	[WIRE_ANTHROPIC] = &wire_anthropic,
	[WIRE_GEMINI] = &wire_gemini,
};

const struct wire_ops *wire_ops_of(enum wire w)
{
	assert(w < WIRE_COUNT);
	return wires[w];
}

enum wire dialect_wire_for(enum provider_kind kind, enum wire client)
{
	static const enum wire chat[PROVIDER_KINDS] = {
		[PROVIDER_OPENAI] = WIRE_OPENAI_CHAT,
		[PROVIDER_ANTHROPIC] = WIRE_ANTHROPIC,
		[PROVIDER_GEMINI] = WIRE_GEMINI,
		[PROVIDER_AZURE] = WIRE_OPENAI_CHAT,
	};
	bool openai = kind == PROVIDER_OPENAI || kind == PROVIDER_AZURE;

	switch (client) {
	case WIRE_OPENAI_RESPONSES:
		return openai ? WIRE_OPENAI_RESPONSES : chat[kind];
	case WIRE_OPENAI_EMBEDDINGS:
		return openai ? WIRE_OPENAI_EMBEDDINGS : WIRE_NONE;
	case WIRE_OPENAI_CHAT:
	case WIRE_ANTHROPIC:
	case WIRE_GEMINI:
		return chat[kind];
	case WIRE_NONE:
		break;
	}
	return WIRE_NONE;
}

/* ---- requests */

int dialect_request_parse(const struct dialect_target *t, const char *body, size_t len, struct dialect_request *ret,
			  struct dialect_fault *fault)
{
	struct dialect_request q = {
		.wire = t->wire, .model = t->model, .model_len = t->model_len, .stream = t->stream, .choices = 1};
	int rc;

	*fault = (struct dialect_fault){0};
	rc = wire_ops_of(t->wire)->scan(t, body, len, &q, fault);
	if (rc == 0)
		*ret = q;
	return rc;
}

static int translate_request(const struct dialect_target *t, const struct dialect_request *q, const char *body,
			     size_t len, const struct dialect_upstream *u, enum wire to, struct chat_reader *r,
			     struct buf *out)
{
	struct chat chat = {.from = q->wire, .n = 1};
	int rc = wire_ops_of(q->wire)->parse(r, t, body, len, &chat);

	if (rc < 0)
		return rc;
	rc = wire_ops_of(to)->render(&chat, u, out, r->ignored, r->fault);
	if (rc == 0 && out->failed)
		rc = ERR_NOMEM;
	return rc;
}

int dialect_request_render(const struct dialect_request *q, const struct dialect_target *t, const char *body,
			   size_t len, const struct dialect_upstream *u, struct arena *a, struct buf *out,
			   struct buf *ignored, struct dialect_fault *fault)
{
	enum wire to = dialect_wire_for(u->kind, q->wire);
	struct chat_reader r = {.arena = a, .fault = fault, .ignored = ignored};
	int rc;

	assert(to != WIRE_NONE);
	*fault = (struct dialect_fault){0};
	if (to == q->wire)
		rc = wire_ops_of(to)->splice(q, body, len, u->model, out);
	else
		rc = translate_request(t, q, body, len, u, to, &r, out);
	if (rc < 0 && rc != ERR_INVAL)
		err_set(&fault->err, rc, "request body: %s", rc == ERR_FULL ? "too large" : "out of memory");
	return rc;
}

/* ---- whole answers */

int dialect_answer_usage(enum wire wire, const char *body, size_t len, struct usage *ret, bool *ret_inconsistent)
{
	return wire_ops_of(wire)->answer_usage(body, len, ret, ret_inconsistent);
}

bool dialect_answer_valid(enum wire wire, const char *body, size_t len)
{
	return wire_ops_of(wire)->answer_valid(body, len);
}

int dialect_answer_translate(const struct dialect_answer_opts *o, const char *body, size_t len, struct arena *a,
			     struct buf *out, struct err *err)
{
	struct chat_answer answer = {0};
	int rc = wire_ops_of(o->from)->answer_parse(a, body, len, &answer, err);

	if (rc < 0)
		return rc;
	rc = wire_ops_of(o->to)->answer_render(&answer, o, out);
	if (rc < 0 || out->failed)
		return err_set(err, rc < 0 ? rc : ERR_NOMEM, "answer: %s",
			       rc == ERR_PROTO ? "malformed" : "out of memory");
	return 0;
}
