/* Anthropic messages: between the files of this wire (anthropic*.c), whose row is in anthropic.c. */
#ifndef DIALECT_ANTHROPIC_H
#define DIALECT_ANTHROPIC_H

#include "dialect/wire.h"

/* Requests */
int anthropic_scan(const struct dialect_target *t, const char *body, size_t len, struct dialect_request *q,
		   struct dialect_fault *fault);
int anthropic_splice(const struct dialect_request *q, const char *body, size_t len, const char *upstream_model,
		     struct buf *out);
int anthropic_parse(struct chat_reader *r, const struct dialect_target *t, const char *body, size_t len,
		    struct chat *ret);
int anthropic_render(const struct chat *c, const struct dialect_upstream *u, struct buf *out, struct buf *ignored,
		     struct dialect_fault *fault);

/* Answers */
bool anthropic_answer_valid(const char *body, size_t len);
int anthropic_answer_usage(const char *body, size_t len, struct usage *ret, bool *ret_inconsistent);
int anthropic_answer_parse(struct arena *a, const char *body, size_t len, struct chat_answer *ret, struct err *err);
int anthropic_answer_render(const struct chat_answer *answer, const struct dialect_answer_opts *o, struct buf *out);
int anthropic_usage(const struct json_span *v, struct usage *ret, bool *ret_inconsistent);

/* Streams: watch and decode */
bool anthropic_watch(struct dialect_stream *s, const struct wire_event *ev);
enum anthropic_block { ANTHROPIC_NO_BLOCK, ANTHROPIC_TEXT, ANTHROPIC_TOOL, ANTHROPIC_TOOL_WHOLE, ANTHROPIC_OTHER };
struct anthropic_decoder {
	bool started;
	enum anthropic_block block; /* the one that is open */
	uint64_t index;             /* its number */
	unsigned tools;             /* begun so far */
};
int anthropic_decode(struct dialect_stream *s, const struct wire_event *ev);

/* Streams: encode */
struct anthropic_encoder {
	bool started;
	bool open, tool_open; /* a block is; it is a tool's */
	unsigned index, tool; /* the block's number; which of the calls it is */
	bool refused;
	enum chat_finish finish;
	struct buf stop_sequence;
	struct buf late; /* text that came while a tool's block was open */
};
int anthropic_encode(struct dialect_stream *s, const struct chat_event *ev, struct buf *out);
void anthropic_encoder_done(struct dialect_stream *s);
int anthropic_error_event(struct dialect_stream *s, const struct dialect_error *e, struct buf *out);

/* Usage: its counts as this wire has them, fresh input apart from what a cache gave or took. */
struct anthropic_counts {
	uint64_t input, cache_read, cache_write, output, thinking;
	bool have_input, have_output;
};
/* Overwrites the fields that are there (D3). ERR_NOT_FOUND when null, absent or without counts; ERR_INVAL when one of
 * them isn't plainly a count; *c is then half changed and no use. */
int anthropic_counts_read(const struct json_span *v, struct anthropic_counts *c) MUST_CHECK;
/* ERR_INVAL: half a report, a part above its whole, a sum above what JSON's numbers carry. */
int anthropic_counts_sum(const struct anthropic_counts *c, struct usage *ret) MUST_CHECK;

/* stop_reason <-> finish. Absent and null: CHAT_FINISH_NONE. Unknown reasons are stops. */
enum chat_finish anthropic_finish_of(const struct json_span *stop_reason);
/* "stop_reason":"...","stop_sequence":... */
void anthropic_put_stop(enum chat_finish finish, struct chat_text stop_sequence, struct buf *out);
/* {"id":"msg_...","type":"message","role":"assistant","model":"..." : what a message begins with. */
void anthropic_put_head(const struct dialect_answer_opts *o, struct buf *out);
/* "usage":{...} */
void anthropic_put_usage(const struct usage *u, struct buf *out);

#endif
