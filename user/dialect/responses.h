/* OpenAI responses: between the files of this wire (responses*.c), whose row is in responses_stream.c.
 *
 * A provider is spoken to in it only by its own clients, so that it is never decoded, and a chat is never rendered in
 * it. What its clients say to other providers is parsed, and their answers are rendered and encoded. */
#ifndef DIALECT_RESPONSES_H
#define DIALECT_RESPONSES_H

#include "dialect/wire.h"

/* Requests */
int responses_scan(const struct dialect_target *t, const char *body, size_t len, struct dialect_request *q,
		   struct dialect_fault *fault);
int responses_splice(const struct dialect_request *q, const char *body, size_t len, const char *upstream_model,
		     struct buf *out);
int responses_parse(struct chat_reader *r, const struct dialect_target *t, const char *body, size_t len,
		    struct chat *ret);

/* Answers */
bool responses_answer_valid(const char *body, size_t len);
int responses_answer_usage(const char *body, size_t len, struct usage *ret, bool *ret_inconsistent);
int responses_answer_render(const struct chat_answer *answer, const struct dialect_answer_opts *o, struct buf *out);
int responses_usage(const struct json_span *v, struct usage *ret, bool *ret_inconsistent);

/* Streams */
/* On the same wire the last event has the instructions, the tools and all of the output in it, one in the middle may
 * have an image. */
#define RESPONSES_EVENT_MAX ((size_t)16 << 20)
bool responses_watch(struct dialect_stream *s, const struct wire_event *ev);

/* ---- pieces of a response object, in whole answers and at the end of streams (responses_answer.c) */

/* Ids of a response and of what is in it, from the request's: resp_D, msg_D_0, fc_D_1. */
void responses_put_id(const struct dialect_answer_opts *o, struct buf *out);
void responses_put_item_id(const struct dialect_answer_opts *o, bool call, unsigned index, struct buf *out);
/* How the response, or an item in it, ended: "completed", "incomplete"; "in_progress" before. */
const char *responses_status(enum chat_finish finish);
/* {"type":"output_text","text":"...","annotations":[],"logprobs":[]} or a refusal */
void responses_put_part(bool refusal, struct chat_text text, struct buf *out);
/* {"id":...,"type":"message",...,"content":[   ...   ]} : the parts go in between */
void responses_put_message_head(const struct dialect_answer_opts *o, unsigned index, const char *status,
				struct buf *out);
/* What a function's call is up to its arguments, which go between quotes and a closing brace behind it. */
void responses_put_call_head(const struct dialect_answer_opts *o, unsigned index, const char *status,
			     struct chat_text call_id, struct chat_text name, struct buf *out);
/* The response up to its output's items: {..."output":[ ; and what is behind them. u NULL: null. */
void responses_put_head(const struct dialect_answer_opts *o, const char *status, enum chat_finish finish,
			struct buf *out);
void responses_put_tail(const struct usage *u, struct buf *out);

#endif
