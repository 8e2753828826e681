/* OpenAI's chat completions: between the files of this wire. */
#ifndef DIALECT_OPENAI_CHAT_H
#define DIALECT_OPENAI_CHAT_H

#include "dialect/internal.h"

int openai_chat_parse(struct chat_reader *r, const struct dialect_target *t, const char *body, size_t len,
		      struct chat *ret);
int openai_chat_render(const struct chat *c, const struct dialect_upstream *u, struct buf *out, struct buf *ignored,
		       struct dialect_fault *fault);
int openai_chat_answer_parse(struct arena *a, const char *body, size_t len, struct chat_answer *ret, struct err *err);
int openai_chat_answer_render(const struct chat_answer *answer, const struct dialect_answer_opts *o, struct buf *out);
bool openai_chat_watch(struct dialect_stream *s, const struct wire_event *ev);

struct openai_chat_decoder {
	bool done; /* [DONE] seen */
	/* By choice: tool calls begun so far, and the one that is open, plus one. */
	unsigned begun[SCAN_CHOICES_MAX], open[SCAN_CHOICES_MAX];
};
struct openai_chat_encoder {
	struct buf head;       /* what every chunk begins with */
	uint64_t role_said[2]; /* by choice */
};
int openai_chat_decode(struct dialect_stream *s, const struct wire_event *ev);
int openai_chat_encode(struct dialect_stream *s, const struct chat_event *ev, struct buf *out);
void openai_chat_encoder_done(struct dialect_stream *s);
int openai_chat_error_event(struct dialect_stream *s, const struct dialect_error *e, struct buf *out);

/* Shared by answers and streams. */
enum chat_finish openai_finish_of(const struct json_span *reason);
const char *openai_finish_name(enum chat_finish f);
/* {"prompt_tokens":...} */
void openai_put_usage(struct buf *out, const struct usage *u);
/* "id":"chatcmpl-...","object":...,"created":...,"model":... */
void openai_put_head(struct buf *out, const struct dialect_answer_opts *o, const char *object);

#endif
