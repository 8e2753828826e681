/* OpenAI's dialect: bytes <-> what the gateway needs. Pure. Facts: protocols.md. */
#ifndef DIALECT_OPENAI_H
#define DIALECT_OPENAI_H

#include "base/buf.h"
#include "base/err.h"
#include "model/usage.h"
#include "tollgate/abi.h"

#include <stdbool.h>

/* What admission needs from a request body. Spans are borrowed from the body. */
struct openai_request {
	const char *model;       /* JSON string content; one written with escapes is refused, so this is what it reads */
	size_t model_len;
	size_t model_at;         /* offset of the quoted model string in the body, quotes included */
	size_t model_quoted_len;
	bool stream;
	bool include_usage;      /* the client asked for it */
	size_t stream_options_at;     /* offset of the stream_options value; 0 = absent */
	size_t stream_options_len;
	bool stream_options_object;   /* else null */
	size_t include_usage_at;      /* offset of its value; 0 = absent */
	size_t include_usage_len;
	uint64_t max_output_tokens;   /* max_completion_tokens or max_tokens (the larger), times n; 0 = not given */
	uint64_t choices;             /* n; 1 when not given */
	uint64_t prompt_tokens_estimate; /* ceil(bytes of text / 4); an embedded file counts OPENAI_FILE_TOKENS */
};
/* What an image, audio or file given as base64 counts in the estimate: its bytes say nothing about its tokens, and
 * usage corrects it. */
#define OPENAI_FILE_TOKENS 1000u

/* Checks the whole body (well-formed JSON, UTF-8, an object, members' types) and reads it. ERR_INVAL: err->msg is for
 * the client (it never quotes the body), `*ret_param` names the member at fault or is NULL. A member read here and given
 * twice is refused. `route` is CHAT_COMPLETIONS or EMBEDDINGS. */
int openai_parse_request(enum tg_route route, const char *body, size_t len, struct openai_request *ret,
			 const char **ret_param, struct err *err) MUST_CHECK;
/* The body for the provider, appended to `out`: upstream model name in place of the public one, stream_options.include_usage set when
 * streaming. Everything else byte for byte. */
int openai_rewrite_request(const struct openai_request *req, const char *body, size_t len, const char *upstream_model,
			   struct buf *out, struct err *err) MUST_CHECK;

/* Usage of a whole JSON answer; ERR_NOT_FOUND when there is none, ERR_INVAL when it is malformed. */
int openai_answer_usage(const char *body, size_t len, struct usage *ret) MUST_CHECK;

/* A stream, fed in pieces of any size.
 *  D1  However it is cut into pieces, what goes to the client and what is read is the same.
 *  D2  The client gets the provider's bytes; only, when `strip_usage`, an event with usage and without choices is left
 *      out. Events that aren't understood pass.
 *  D3  Of several usages the last counts; they are never added. */
struct openai_stream {
	bool strip_usage;
	bool have_usage, done_seen, error_seen;
	struct usage usage;
	uint64_t content_bytes;   /* of the strings in the choices of delivered events, for estimates */
	struct buf line;          /* an incomplete event, bounded by OPENAI_EVENT_MAX */
	size_t line_start;        /* where its last line begins */
};
#define OPENAI_EVENT_MAX ((size_t)1 << 20)
void openai_stream_init(struct openai_stream *s, bool strip_usage);
/* Appends what goes to the client to `out`. ERR_PROTO when an event exceeds the bound. */
int openai_stream_feed(struct openai_stream *s, const char *data, size_t len, struct buf *out) MUST_CHECK;
/* End of the upstream's body: forwards an incomplete rest. */
int openai_stream_end(struct openai_stream *s, struct buf *out) MUST_CHECK;
void openai_stream_done(struct openai_stream *s);

/* {"error": {"message", "type", "param", "code"}}; param and code may be NULL (then null). */
int openai_error_body(struct buf *out, const char *message, const char *type, const char *param, const char *code);
/* The mid-stream form: "data: {error}\n\n". */
int openai_error_event(struct buf *out, const char *message, const char *type, const char *code);

/* Status, type, code and message of a refusal by the verdict table; status 0: that reason has no HTTP answer. */
struct openai_refusal {
	int status;
	const char *type, *code, *message;
};
struct openai_refusal openai_refusal_of(enum tg_reason reason);

/* The full NIC answer ("HTTP/1.1 429 ...\r\n...") for a reason: same status, headers and body as the daemon's own
 * refusal, with field offsets set (abi.h). Connection: close. len 0 when the reason has no answer. */
int openai_nic_answer(enum tg_reason reason, struct tg_answer *ret, struct err *err) MUST_CHECK;

/* {"object":"list","data":[{"id","object":"model","created","owned_by"}]} */
int openai_model_object(struct buf *out, const char *id, const char *owned_by, long long created);

#endif
