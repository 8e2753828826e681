/* Gemini's generateContent: between the files gemini*.c.
 *
 * Google's JSON has two spellings of each member, camelCase (which the SDKs send) and snake_case; both are read, and a
 * fault names the camelCase one. What proto3 takes for a member's absence (null, and for what is refused also false and
 * an empty array) is absence here too. */
#ifndef DIALECT_GEMINI_H
#define DIALECT_GEMINI_H

#include "dialect/members.h"
#include "dialect/wire.h"

/* ---- members of objects (gemini_members.c) */

/* Calls are answered by the turn behind them: of more than a model makes in one turn, the last are looked at, however
 * long the conversation. */
#define GEMINI_CALLS_KEPT 256u
struct gemini_reader {
	struct chat_reader *r;
	struct chat *chat;
	/* The last calls seen, so that a response without an id finds its own. */
	struct gemini_call *calls, **calls_end;
	unsigned n_calls;
};
struct gemini_call {
	struct gemini_call *next;
	const struct chat_part *part;
	bool answered;
};
enum gemini_member_kind {
	GEMINI_READ,   /* into its place in ret[] */
	GEMINI_HINT,   /* can't change the answer */
	GEMINI_REFUSE, /* can't be said in another wire, unless it says nothing */
};
struct gemini_member {
	const char *name;
	enum gemini_member_kind kind;
};
/* Reads an object's members by its table; ret[i] is row i's value (absent when null). ERR_INVAL: no object, a member
 * that isn't in the table, one given twice, one that can't be said. */
int gemini_members(struct gemini_reader *g, const struct place *at, const struct json_span *object,
		   const struct gemini_member *rows, size_t n, struct json_span *ret) MUST_CHECK;
/* A member's name in either spelling. */
bool gemini_name_is(const struct json_span *name, const char *camel);

/* These leave *ret alone when the value is absent. */
int gemini_string(struct gemini_reader *g, const struct place *up, const char *name, const struct json_span *v,
		  struct chat_text *ret) MUST_CHECK;
int gemini_number(struct gemini_reader *g, const struct place *up, const char *name, const struct json_span *v,
		  struct json_span *ret) MUST_CHECK;
int gemini_bool(struct gemini_reader *g, const struct place *up, const char *name, const struct json_span *v,
		bool *ret) MUST_CHECK;
/* A whole number, which Google also takes as a string of digits. */
struct json_span gemini_unquoted(const struct json_span *v);

/* ---- a request's parts */

int gemini_scan(const struct dialect_target *t, const char *body, size_t len, struct dialect_request *q,
		struct dialect_fault *fault) MUST_CHECK;
int gemini_splice(const struct dialect_request *q, const char *body, size_t len, const char *upstream_model,
		  struct buf *out) MUST_CHECK;
int gemini_parse(struct chat_reader *r, const struct dialect_target *t, const char *body, size_t len,
		 struct chat *ret) MUST_CHECK;
int gemini_render(const struct chat *c, const struct dialect_upstream *u, struct buf *out, struct buf *ignored,
		  struct dialect_fault *fault) MUST_CHECK;

/* gemini_contents.c */
int gemini_read_contents(struct gemini_reader *g, const struct place *at, const struct json_span *v) MUST_CHECK;
int gemini_read_system(struct gemini_reader *g, const struct place *at, const struct json_span *v) MUST_CHECK;
/* gemini_tools.c */
int gemini_read_tools(struct gemini_reader *g, const struct place *at, const struct json_span *v) MUST_CHECK;
int gemini_read_tool_config(struct gemini_reader *g, const struct place *at, const struct json_span *v) MUST_CHECK;
/* gemini_config.c */
int gemini_read_config(struct gemini_reader *g, const struct place *at, const struct json_span *v) MUST_CHECK;
/* A schema under one of two names: Google's (OpenAPI 3.0: "type":"STRING", nullable), which becomes JSON Schema in the
 * arena, or JSON Schema as it is (gemini_schema.c). Neither: *ret is absent. */
struct gemini_either {
	const char *google, *json, *both; /* both: what is said to that */
};
int gemini_read_either_schema(struct gemini_reader *g, const struct place *up, const struct gemini_either *names,
			      const struct json_span *google, const struct json_span *json,
			      struct json_span *ret) MUST_CHECK;

/* ---- answers (gemini_answer.c) */

bool gemini_answer_valid(const char *body, size_t len);
int gemini_answer_usage(const char *body, size_t len, struct usage *ret, bool *ret_inconsistent) MUST_CHECK;
int gemini_answer_parse(struct arena *a, const char *body, size_t len, struct chat_answer *ret,
			struct err *err) MUST_CHECK;
int gemini_answer_render(const struct chat_answer *answer, const struct dialect_answer_opts *o,
			 struct buf *out) MUST_CHECK;
int gemini_usage(const struct json_span *v, struct usage *ret, bool *ret_inconsistent) MUST_CHECK;

/* Google says STOP for tool calls too. */
enum chat_finish gemini_finish_of(const struct json_span *reason, bool tools);
/* broken_call: a tool call was left out whose arguments are no JSON. */
const char *gemini_finish_name(enum chat_finish f, bool broken_call);
/* {"functionCall":...}. ERR_INVAL: the arguments are no JSON object; nothing is appended. */
int gemini_put_call(struct buf *out, const struct chat_part *call) MUST_CHECK;
void gemini_put_usage(struct buf *out, const struct usage *u);
/* ,"modelVersion":...,"responseId":...} */
void gemini_put_tail(struct buf *out, const struct dialect_answer_opts *o);

/* Takes back what was appended behind `len`. */
static inline void gemini_cut(struct buf *out, size_t len)
{
	out->len = len;
	if (out->data)
		out->data[len] = '\0';
}

/* One part of an answer. */
struct gemini_part {
	bool thought;
	struct chat_text text; /* absent: it isn't one */
	bool is_call;
	struct chat_text id, name;
	struct json_span args; /* an object */
};
/* ERR_PROTO: no part as Google sends them. Parts that only server tools make are neither text nor call. */
int gemini_part_read(const struct json_span *v, struct gemini_part *ret) MUST_CHECK;

/* ---- streams (gemini_stream.c, gemini_encode.c) */

bool gemini_watch(struct dialect_stream *s, const struct wire_event *ev);
#define GEMINI_CHOICES_MAX 128u
struct gemini_decoder {
	uint16_t tools[GEMINI_CHOICES_MAX]; /* calls so far, by choice */
};
int gemini_decode(struct dialect_stream *s, const struct wire_event *ev) MUST_CHECK;
/* A call whose arguments come in pieces. */
struct gemini_open_call {
	bool open;
	unsigned choice, tool;
	struct buf text; /* id, name, arguments, as they were written */
	size_t id_len, name_len;
};
struct gemini_encoder {
	struct buf tail; /* how each frame ends */
	struct gemini_open_call *calls;
	size_t n_calls;
	size_t collected;                   /* bytes in all of them */
	uint8_t finish[GEMINI_CHOICES_MAX]; /* enum chat_finish */
	bool broken_call[GEMINI_CHOICES_MAX];
	unsigned n_choices;
};
int gemini_encode(struct dialect_stream *s, const struct chat_event *ev, struct buf *out) MUST_CHECK;
void gemini_encoder_done(struct dialect_stream *s);
int gemini_error_event(struct dialect_stream *s, const struct dialect_error *e, struct buf *out) MUST_CHECK;

#endif
