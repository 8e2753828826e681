/* Goal: bodies of clients and providers, any bytes, stay inside their memory (ASan), and what comes of them is of the
 * other side's wire. Method: the first byte chooses the client's wire and the kind of provider. A request that is taken
 * renders to a JSON object or is refused with a reason; on the same wire it reads back with the provider's name and the
 * same figures; between wires the provider's own parser takes what was rendered. The same bytes as a whole answer: what
 * is translated is valid there, usage that is believed obeys the bounds. As a provider's error: a verdict, texts that
 * end. */
#include "base/arena.h"
#include "dialect/wire.h"

#include <string.h>

#define REQUIRE(x)                                                                                                     \
	do {                                                                                                           \
		if (!(x))                                                                                              \
			abort();                                                                                       \
	} while (0)

struct side {
	struct arena a;
	struct buf out, ignored;
	struct dialect_fault fault;
};

static void side_done(struct side *s)
{
	arena_done(&s->a);
	buf_done(&s->out);
	buf_done(&s->ignored);
}

static void reads_back(const struct dialect_request *q, struct dialect_target t, const struct buf *body)
{
	struct dialect_request again;
	struct dialect_fault fault;

	if (t.wire != WIRE_GEMINI)
		t.model = NULL; /* the body says it now */
	REQUIRE(dialect_request_parse(&t, body->data, body->len, &again, &fault) == 0);
	REQUIRE(again.stream == q->stream && again.max_output_tokens == q->max_output_tokens);
	REQUIRE(again.choices == q->choices);
	if (t.wire != WIRE_GEMINI)
		REQUIRE(again.model_len == 2 && memcmp(again.model, "up", 2) == 0);
	if (t.wire == WIRE_OPENAI_CHAT)
		REQUIRE(again.include_usage == q->stream);
}

static void taken_there(enum wire to, const struct buf *body)
{
	struct dialect_target t = {.wire = to, .model = to == WIRE_GEMINI ? "up" : NULL, .model_len = 2};
	struct dialect_request q;
	struct side s = {0};

	REQUIRE(dialect_request_parse(&t, body->data, body->len, &q, &s.fault) == 0);
	side_done(&s);
}

static void request(const struct dialect_target *t, enum provider_kind kind, const char *text, size_t len)
{
	struct dialect_upstream u = {.kind = kind, .model = "up", .api_version = ""};
	enum wire to = dialect_wire_for(kind, t->wire);
	struct dialect_request q;
	struct side s = {0};
	int rc;

	rc = dialect_request_parse(t, text, len, &q, &s.fault);
	REQUIRE(rc == 0 || (rc == ERR_INVAL && s.fault.err.msg[0]));
	if (rc == 0 && to != WIRE_NONE) {
		rc = dialect_request_render(&q, t, text, len, &u, &s.a, &s.out, &s.ignored, &s.fault);
		REQUIRE(rc == 0 || (rc == ERR_INVAL && s.fault.err.msg[0]));
		if (rc == 0)
			REQUIRE(json_scan_object(s.out.data, s.out.len, NULL, 0, NULL) == 0);
		if (rc == 0 && to == t->wire)
			reads_back(&q, *t, &s.out);
		else if (rc == 0)
			taken_there(to, &s.out);
	}
	side_done(&s);
}

static void answer(enum wire client, enum wire provider, const char *text, size_t len)
{
	struct dialect_answer_opts o = {
		.from = provider, .to = client, .id = "req_1", .model = "m", .model_len = 1, .choices = 1};
	struct usage u = {0};
	struct side s = {0};
	struct err err;
	bool odd;
	int rc;

	rc = dialect_answer_usage(provider, text, len, &u, &odd);
	REQUIRE(rc == 0 || rc == ERR_NOT_FOUND || rc == ERR_INVAL || rc == ERR_PROTO);
	REQUIRE(u.cached_input_tokens <= u.input_tokens && u.reasoning_tokens <= u.output_tokens);
	(void)dialect_answer_valid(provider, text, len);
	if (client != provider && wire_ops_of(provider)->answer_parse && wire_ops_of(client)->answer_render) {
		rc = dialect_answer_translate(&o, text, len, &s.a, &s.out, &err);
		REQUIRE(rc == 0 || rc == ERR_PROTO);
		REQUIRE(rc < 0 || dialect_answer_valid(client, s.out.data, s.out.len));
	}
	side_done(&s);
}

static void error(enum provider_kind kind, int status, const char *text, size_t len)
{
	struct dialect_provider_error e;

	dialect_provider_error_read(kind, status, text, len, &e);
	REQUIRE(strlen(e.message) < sizeof(e.message) && strlen(e.code) < sizeof(e.code));
	REQUIRE(e.understood || (!e.message[0] && !e.code[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dialect_target t = {0};
	enum provider_kind kind;
	enum wire provider;
	const char *text;

	if (size < 1)
		return 0;
	t.wire = (enum wire)(data[0] % WIRE_COUNT);
	kind = (enum provider_kind)(data[0] / 8 % PROVIDER_KINDS);
	if (t.wire == WIRE_GEMINI || data[0] & 0x80) {
		t.model = "by path";
		t.model_len = strlen(t.model);
	}
	t.stream = t.wire == WIRE_GEMINI && data[0] & 0x40;
	text = (const char *)data + 1;
	size--;
	request(&t, kind, text, size);
	provider = dialect_wire_for(kind, t.wire);
	if (provider != WIRE_NONE)
		answer(t.wire, provider, text, size);
	error(kind, 400 + data[0], text, size);
	return 0;
}
