/* One row per wire: how its bodies, answers and events are read and written. Private to the room.
 *
 *   client's request  -parse->  struct chat  -render->  provider's request
 *   provider's answer -answer_parse->  struct chat_answer  -answer_render->  client's answer
 *   provider's event  -decode->  struct chat_event...  -encode->  client's events
 *   same wire: provider's event -watch-> passed as it is
 *
 * A NULL function: that isn't needed of this wire (no provider is spoken to in WIRE_OPENAI_RESPONSES but by its own
 * clients; embeddings aren't translated). */
#ifndef DIALECT_WIRE_H
#define DIALECT_WIRE_H

#include "dialect/chat.h"

/* One server-sent event, cut out by the engine: several data lines are joined by newlines. */
struct wire_event {
	const char *name; /* of its "event:" line; NULL = none */
	size_t name_len;
	const char *data; /* NULL = none: a comment, a ping */
	size_t len;
};

struct wire_ops {
	/* What admission needs; `q` is zeroed but for wire, and model and stream when the path says them. The body is
	 * not yet checked. */
	int (*scan)(const struct dialect_target *t, const char *body, size_t len, struct dialect_request *q,
		    struct dialect_fault *fault);
	/* The same wire at the provider: the body with the model's name replaced. */
	int (*splice)(const struct dialect_request *q, const char *body, size_t len, const char *upstream_model,
		      struct buf *out);
	/* For another wire. The body has been scanned. */
	int (*parse)(struct chat_reader *r, const struct dialect_target *t, const char *body, size_t len,
		     struct chat *ret);
	int (*render)(const struct chat *c, const struct dialect_upstream *u, struct buf *out, struct buf *ignored,
		      struct dialect_fault *fault);

	bool (*answer_valid)(const char *body, size_t len);
	int (*answer_usage)(const char *body, size_t len, struct usage *ret, bool *ret_inconsistent);
	int (*answer_parse)(struct arena *a, const char *body, size_t len, struct chat_answer *ret, struct err *err);
	int (*answer_render)(const struct chat_answer *answer, const struct dialect_answer_opts *o, struct buf *out);
	/* A usage value by itself, and the member it stands under in a whole answer, for dialect_tail_usage(). */
	int (*usage)(const struct json_span *v, struct usage *ret, bool *ret_inconsistent);
	const char *usage_member;

	/* How large one event of such a provider, and what is held back of its stream, may be; 0 = DIALECT_EVENT_MAX. */
	size_t event_max;
	/* Same wire: reads what the gateway needs (usage, completeness, errors, content bytes). False: the event isn't
	 * for the client. Sets s->ending when this event and all after it are to be held back (D4). */
	bool (*watch)(struct dialect_stream *s, const struct wire_event *ev);
	/* Translation, provider's side: calls emit() for what the event says, sets s->complete, usage, error_seen. Its
	 * own state is at wire_decoder(s). ERR_PROTO: no event of this wire. */
	size_t decoder_size;
	int (*decode)(struct dialect_stream *s, const struct wire_event *ev);
	/* Translation, client's side. Its own state is at wire_encoder(s). */
	size_t encoder_size;
	int (*encode)(struct dialect_stream *s, const struct chat_event *ev, struct buf *out);
	/* Memory inside the encoder's state that isn't the state's own; NULL = none. */
	void (*encoder_done)(struct dialect_stream *s);
	/* An error in the middle of a stream, for a client of this wire, translated or not. */
	int (*error_event)(struct dialect_stream *s, const struct dialect_error *e, struct buf *out);
};

extern const struct wire_ops wire_openai_chat, wire_openai_responses, wire_openai_embeddings, wire_anthropic,
	wire_gemini;
const struct wire_ops *wire_ops_of(enum wire w);

/* ---- the engine (stream.c), for decoders */
void *wire_decoder(const struct dialect_stream *s); /* zeroed at the beginning */
void *wire_encoder(const struct dialect_stream *s);
/* Hands an event to the client's encoder; counts content bytes; after an error of it decode() returns it. */
int wire_emit(struct dialect_stream *s, const struct chat_event *ev) MUST_CHECK;
/* A choice is done; true when all that were asked for are. */
bool wire_finish(struct dialect_stream *s, unsigned choice);
bool wire_is_finished(const struct dialect_stream *s, unsigned choice); /* choices beyond those counted never are */
/* Usage from `v` by D3. */
void wire_take_usage(struct dialect_stream *s, int rc, const struct usage *u, bool inconsistent);

/* Absent and null are the same to every provider. */
static inline bool wire_given(const struct json_span *v)
{
	return v->type != JSON_SPAN_ABSENT && v->type != JSON_SPAN_NULL;
}

#endif
