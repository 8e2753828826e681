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
	/* For the most that the prompt can be: no token is less than a byte. */
	uint64_t text_bytes;          /* messages, tools, functions, response_format as written, without embedded files */
	uint64_t files;               /* images, audio and files, embedded or linked */
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

/* Usage of a whole JSON answer. ERR_NOT_FOUND: it has none. ERR_INVAL: malformed, which is all of: the answer is no
 * JSON, counts that are strings, negative, fractions or above USAGE_TOKENS_MAX, a part above its whole (cached above
 * prompt, reasoning above completion), prompt_tokens missing, or completion_tokens in an answer with choices. An
 * explicit zero is a count like others. *ret_inconsistent: total_tokens is there and isn't the sum of its parts. */
int openai_answer_usage(const char *body, size_t len, struct usage *ret, bool *ret_inconsistent) MUST_CHECK;

/* The end of an answer that is too large to be kept, fed in pieces of any size. Start with `.len = 0`. */
#define OPENAI_TAIL_BYTES 2048
struct openai_tail {
	size_t len;
	char text[OPENAI_TAIL_BYTES];
};
void openai_tail_feed(struct openai_tail *t, const char *data, size_t len);
/* As openai_answer_usage, when the end holds the usage whole and the answer is complete; else ERR_NOT_FOUND. */
int openai_tail_usage(const struct openai_tail *t, struct usage *ret, bool *ret_inconsistent) MUST_CHECK;

/* A stream, fed in pieces of any size.
 *  D1  However it is cut into pieces, what goes to the client and what is read is the same.
 *  D2  The client gets the provider's bytes in their order; only, when `strip_usage`, an event with usage and without
 *      choices is left out. Events that aren't understood pass.
 *  D3  Of several usages the last counts; they are never added. A malformed one isn't believed, nor is what stood
 *      before it: then usage_malformed is set and have_usage isn't.
 *  D4  `data: [DONE]` and what follows it is held back until openai_stream_release(). */
struct openai_stream {
	bool strip_usage;
	unsigned choices;         /* how many were asked for; 1 unless the caller says more after openai_stream_init() */
	bool have_usage, usage_malformed, usage_inconsistent;
	bool done_seen, error_seen;
	struct usage usage;
	uint64_t content_bytes;   /* of the strings in the choices of delivered events, for estimates */
	unsigned finished;        /* choices with a finish_reason so far */
	uint64_t finished_bits[2]; /* which, by index */
	struct buf line;          /* an incomplete event, bounded by OPENAI_EVENT_MAX */
	size_t line_start;        /* where its last line begins */
	struct buf held;          /* D4; bounded likewise */
};
#define OPENAI_EVENT_MAX ((size_t)1 << 20)
void openai_stream_init(struct openai_stream *s, bool strip_usage);
/* Appends what goes to the client to `out`. ERR_PROTO when an event, or what follows [DONE], exceeds the bound. */
int openai_stream_feed(struct openai_stream *s, const char *data, size_t len, struct buf *out) MUST_CHECK;
/* End of the upstream's body: forwards an incomplete rest. */
int openai_stream_end(struct openai_stream *s, struct buf *out) MUST_CHECK;
/* Is the answer all there: [DONE], or each choice with its finish_reason? A stream that ends without was truncated. */
bool openai_stream_complete(const struct openai_stream *s);
/* Appends what was held back, once. */
int openai_stream_release(struct openai_stream *s, struct buf *out) MUST_CHECK;
void openai_stream_done(struct openai_stream *s);

/* {"error": {"message", "type", "param", "code"}}; param and code may be NULL (then null). */
int openai_error_body(struct buf *out, const char *message, const char *type, const char *param, const char *code);
/* The mid-stream form: "data: {error}\n\n". */
int openai_error_event(struct buf *out, const char *message, const char *type, const char *code);

/* Status, type, code and message of a refusal by the verdict table; status 0: that reason has no HTTP answer. */
struct openai_refusal {
	int status;
	const char *type, *code, *message;
	bool final; /* asking again can't help: x-should-retry: false; SDKs repeat 409 and 503 by themselves */
};
struct openai_refusal openai_refusal_of(enum tg_reason reason);

/* Refusals that have to do with money. */
enum openai_money {
	OPENAI_MONEY_CREDIT_EXHAUSTED,    /* 402 */
	OPENAI_MONEY_UNAVAILABLE,         /* 503: the books can't be written; send retry-after */
	OPENAI_MONEY_NOT_PRICED,          /* 503: the policy has no costs for the model */
	OPENAI_MONEY_IDEMPOTENCY_INVALID, /* 400: the key itself */
	OPENAI_MONEY_IDEMPOTENCY_IN_USE,  /* 409: the first call is under way; send retry-after: 1 */
	OPENAI_MONEY_IDEMPOTENCY_REUSED,  /* 409: with another body */
	OPENAI_MONEY_REASONS,
};
struct openai_refusal openai_money_refusal(enum openai_money reason);

/* The full NIC answer ("HTTP/1.1 429 ...\r\n...") for a reason: same status, headers and body as the daemon's own
 * refusal, with field offsets set (abi.h). Connection: close. len 0 when the reason has no answer. */
int openai_nic_answer(enum tg_reason reason, struct tg_answer *ret, struct err *err) MUST_CHECK;

/* {"object":"list","data":[{"id","object":"model","created","owned_by"}]} */
int openai_model_object(struct buf *out, const char *id, const char *owned_by, long long created);

#endif
