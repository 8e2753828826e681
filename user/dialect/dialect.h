/* The dialects of clients and providers: bytes <-> what the gateway needs. Pure. Facts: protocols.md.
 *
 * A dialect (enum tg_dialect) is whose manners an answer has: paths, keys, errors, limit headers. A wire is the shape
 * of a body. Where the client's wire is the provider's too, bytes pass as they are but for what must change; else a
 * chat is translated by way of chat.h.
 *
 * Invariants (tests cite them):
 *  D1  However a stream is cut into pieces, what goes to the client and what is read is the same.
 *  D2  On the same wire the client gets the provider's bytes in their order; only, an event that the client didn't ask
 *      for (OpenAI's usage chunk) is left out. Events that aren't understood pass.
 *  D3  Of several usages the last counts; they are never added (Anthropic's fields are overwritten one by one). A
 *      malformed one isn't believed, nor is what stood before it: then usage_malformed is set and have_usage isn't.
 *  D4  The end of a stream, without which no client takes it for complete, is held back until dialect_stream_release().
 *  D5  What a client's request says is either said to the provider too, or named: by a 400, or, when it can't change
 *      the answer (a hint), in *ret_ignored.
 *  D6  Nothing of an answer that isn't one of its wire is passed on as if it were: ERR_PROTO.
 */
#ifndef DIALECT_DIALECT_H
#define DIALECT_DIALECT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/provider.h"
#include "model/usage.h"
#include "tollgate/abi.h"

#include <stdbool.h>

enum wire {
	WIRE_OPENAI_CHAT,       /* /v1/chat/completions; Azure's too */
	WIRE_OPENAI_RESPONSES,  /* /v1/responses; likewise */
	WIRE_OPENAI_EMBEDDINGS, /* /v1/embeddings; likewise */
	WIRE_ANTHROPIC,         /* /v1/messages */
	WIRE_GEMINI,            /* :generateContent, :streamGenerateContent */
	WIRE_COUNT,
	WIRE_NONE = WIRE_COUNT,
};

/* ---- where a request goes: path and query (target.c) */

struct dialect_target {
	enum tg_route route; /* TG_ROUTE_NONE: nothing is served here */
	enum tg_dialect dialect;
	enum wire wire; /* WIRE_NONE: models, or no route */
	/* Of the path, percent-decoded into the arena: Gemini's model, Azure's deployment, the id of a single model
	 * (Gemini's without "models/"). NULL = the path names none. */
	const char *model;
	size_t model_len;
	bool stream; /* the path says so: Gemini's :streamGenerateContent */
	bool beta;   /* Gemini: /v1beta */
};
/* ERR_INVAL: err->msg is for the client (a malformed %XX, :streamGenerateContent without alt=sse); *ret then still says
 * route and dialect. ERR_NOMEM. `path` is without query; `query` "" when there is none. */
int dialect_target_of(const char *path, const char *query, struct arena *a, struct dialect_target *ret,
		      struct err *err) MUST_CHECK;

/* The wire of a route's clients; WIRE_NONE: its requests don't go to providers. */
enum wire dialect_wire_of(enum tg_route route);

/* ---- requests */

/* What admission needs from a request. Spans are borrowed from body and target. */
struct dialect_request {
	enum wire wire;
	const char *model; /* public name: of the path where that names one, else the body's */
	size_t model_len;
	bool stream;
	bool include_usage;              /* OpenAI chat: the client asked for the usage chunk */
	uint64_t max_output_tokens;      /* all choices together; 0 = not given */
	uint64_t choices;                /* 1 when not given */
	uint64_t prompt_tokens_estimate; /* ceil(bytes of text / 4); an embedded file counts DIALECT_FILE_TOKENS */
	uint64_t text_bytes;             /* what can become tokens, as written: no token is less than a byte */
	uint64_t files;                  /* images, audio and files, embedded or linked */
	/* What dialect_request_render() replaces on the same wire. Offsets into the body; len 0 = not there. */
	struct {
		size_t at, len;
	} body_model, stream_options, stream_options_usage;
	bool stream_options_object; /* else null */
};
/* What an image, audio or file given as base64 counts in the estimate: its bytes say nothing about its tokens, and
 * usage corrects it. */
#define DIALECT_FILE_TOKENS 1000u
/* A member's name as the client writes it ("messages[2].content[0].image_url.url"), for the error's `param`. */
#define DIALECT_PARAM_MAX 160u
struct dialect_fault {
	char param[DIALECT_PARAM_MAX]; /* "" = no single member */
	struct err err;                /* msg is for the client; it never quotes the body */
};

/* Checks the whole body (well-formed JSON, UTF-8, an object, types of the members read here, none of these twice) and
 * reads it. ERR_INVAL with *fault. */
int dialect_request_parse(const struct dialect_target *t, const char *body, size_t len, struct dialect_request *ret,
			  struct dialect_fault *fault) MUST_CHECK;

/* Where it is sent. */
struct dialect_upstream {
	enum provider_kind kind;
	const char *model; /* its name there */
	/* azure: api-version of the deployment paths, "" = the v1 surface; anthropic: of the header, "" = 2023-06-01;
	 * gemini: "v1" or "v1beta", "" = as the client's, else v1beta */
	const char *api_version;
};
/* The wire in which such a provider serves a client's wire; WIRE_NONE: it can't. */
enum wire dialect_wire_for(enum provider_kind kind, enum wire client);
/* The path with its query, appended; the method is POST. */
int dialect_upstream_path(const struct dialect_upstream *u, enum wire wire, const struct dialect_target *t, bool stream,
			  struct buf *out) MUST_CHECK;
/* Headers that every request to the provider has, each with CRLF: content type, user agent, credentials. */
int dialect_upstream_headers(enum provider_kind kind, const char *api_key, struct buf *out) MUST_CHECK;
/* Headers that depend on the request: Accept, and anthropic-version and -beta. client_version and client_beta (may be
 * NULL): the client's own, which pass on the same wire. */
int dialect_upstream_request_headers(const struct dialect_upstream *u, enum wire from, enum wire to, bool stream,
				     const char *client_version, const char *client_beta, struct buf *out) MUST_CHECK;
/* The body for the provider, appended to `out`. Same wire: byte for byte but for the model's name and
 * stream_options.include_usage. Else translated; names of hints that were left out go to `ignored`, joined by ", ".
 * ERR_INVAL: something can't be said to this provider, *fault names it (another deployment may do). ERR_NOMEM. */
int dialect_request_render(const struct dialect_request *q, const struct dialect_target *t, const char *body,
			   size_t len, const struct dialect_upstream *u, struct arena *a, struct buf *out,
			   struct buf *ignored, struct dialect_fault *fault) MUST_CHECK;

/* ---- whole answers */

/* Usage of a whole 200 answer. ERR_NOT_FOUND: it has none. ERR_INVAL: malformed, which is all of: counts that are
 * strings, negative, fractions or above USAGE_TOKENS_MAX, a part above its whole, half a report. An explicit zero is a
 * count like others. ERR_PROTO: it is no JSON object. *ret_inconsistent: a total is there and isn't the sum. */
int dialect_answer_usage(enum wire wire, const char *body, size_t len, struct usage *ret,
			 bool *ret_inconsistent) MUST_CHECK;
/* Is it an answer of its wire, as far as a client would notice: a JSON object with what makes it one? (D6) */
bool dialect_answer_valid(enum wire wire, const char *body, size_t len);

/* What an answer in the client's wire says of itself. Borrowed. */
struct dialect_answer_opts {
	enum wire from, to;
	const char *id;    /* the request's, "req_..." */
	const char *model; /* as the client named it; model_len bytes */
	size_t model_len;
	int64_t created_s;
	bool include_usage; /* OpenAI chat streams */
	unsigned choices;   /* asked for */
};
/* ERR_PROTO with a message for the log (D6), ERR_NOMEM. */
int dialect_answer_translate(const struct dialect_answer_opts *o, const char *body, size_t len, struct arena *a,
			     struct buf *out, struct err *err) MUST_CHECK;

/* The end of an answer that is too large to be kept, fed in pieces of any size. Start with `.len = 0`. */
#define DIALECT_TAIL_BYTES 2048
struct dialect_tail {
	size_t len;
	char text[DIALECT_TAIL_BYTES];
};
void dialect_tail_feed(struct dialect_tail *t, const char *data, size_t len);
/* As dialect_answer_usage, when the end holds the usage whole and the answer is complete; else ERR_NOT_FOUND. */
int dialect_tail_usage(const struct dialect_tail *t, enum wire wire, struct usage *ret,
		       bool *ret_inconsistent) MUST_CHECK;

/* ---- streams of server-sent events, fed in pieces of any size (stream.c) */

struct dialect_stream_state; /* of a translation; private */
struct dialect_stream {
	struct dialect_answer_opts opts; /* its strings outlive the stream */
	bool have_usage, usage_malformed, usage_inconsistent;
	bool complete;   /* the provider has said all: its end mark, or each choice's finish */
	bool error_seen; /* the provider's own error event; it has been passed on, in the client's wire */
	struct usage usage;
	uint64_t content_bytes; /* of text and tool arguments delivered, for estimates */
	/* private to the room */
	unsigned finished;                  /* choices with a finish reason so far */
	uint64_t finished_bits[2];          /* which, by index */
	bool ending;                        /* D4: from here on to `held` */
	struct buf line;                    /* an incomplete event, bounded by the wire's event_max */
	size_t line_start;                  /* where its last line begins */
	struct buf held;                    /* D4; bounded likewise */
	struct usage partial;               /* Anthropic: fields so far */
	uint64_t sequence;                  /* OpenAI responses: number of the next event */
	struct dialect_stream_state *state; /* NULL on the same wire */
};
#define DIALECT_EVENT_MAX ((size_t)1 << 20) /* unless the provider's wire says more (wire.h) */
int dialect_stream_init(struct dialect_stream *s, const struct dialect_answer_opts *o) MUST_CHECK; /* ERR_NOMEM */
/* Appends what goes to the client to `out`. ERR_PROTO: an event, or what is held back, exceeds the bound, or
 * (translated) an event isn't one of its wire. */
int dialect_stream_feed(struct dialect_stream *s, const char *data, size_t len, struct buf *out) MUST_CHECK;
/* End of the upstream's body. 0 with s->complete false: it was truncated. */
int dialect_stream_end(struct dialect_stream *s, struct buf *out) MUST_CHECK;
/* Appends what was held back, once. */
int dialect_stream_release(struct dialect_stream *s, struct buf *out) MUST_CHECK;
void dialect_stream_done(struct dialect_stream *s);

/* ---- errors, in the client's dialect */

/* In OpenAI's terms; other dialects have their own words for some of it. */
struct dialect_error {
	int status;
	const char *type, *code, *param, *message; /* code, param NULL = none */
	const char *request_id;                    /* NULL = none */
};
int dialect_error_body(enum tg_dialect d, const struct dialect_error *e, struct buf *out);
/* The form in the middle of a stream, for the client's wire. */
int dialect_stream_error(struct dialect_stream *s, const struct dialect_error *e, struct buf *out);

/* Status, type, code and message of a refusal by the verdict table; status 0: that reason has no HTTP answer. */
struct dialect_refusal {
	int status;
	const char *type, *code, *message;
	bool final; /* asking again can't help: x-should-retry: false; SDKs repeat 409 and 503 by themselves */
};
struct dialect_refusal dialect_refusal_of(enum tg_reason reason);

/* Refusals that have to do with money. */
enum dialect_money {
	DIALECT_MONEY_CREDIT_EXHAUSTED,    /* 402 */
	DIALECT_MONEY_UNAVAILABLE,         /* 503: the books can't be written; send retry-after */
	DIALECT_MONEY_NOT_PRICED,          /* 503: the policy has no costs for the model */
	DIALECT_MONEY_IDEMPOTENCY_INVALID, /* 400: the key itself */
	DIALECT_MONEY_IDEMPOTENCY_IN_USE,  /* 409: the first call is under way; send retry-after: 1 */
	DIALECT_MONEY_IDEMPOTENCY_REUSED,  /* 409: with another body */
	DIALECT_MONEY_REASONS,
};
struct dialect_refusal dialect_money_refusal(enum dialect_money reason);

/* The full NIC answer ("HTTP/1.1 429 ...\r\n...") for a reason: same status, headers and body as the daemon's own
 * refusal, with field offsets set (abi.h). Connection: close. len 0 when the reason has no answer. */
int dialect_nic_answer(enum tg_dialect d, enum tg_reason reason, struct tg_answer *ret, struct err *err) MUST_CHECK;

/* ---- what a provider's answer other than 200 means (verdict.c). By status and code, never by words of a message. */

enum dialect_verdict {
	DIALECT_CLIENT_ERROR,    /* the request's own fault: goes to the client, counts for nothing */
	DIALECT_RATE_LIMITED,    /* 429: the deployment cools down */
	DIALECT_QUOTA_EXHAUSTED, /* our account there is spent: provider.quota_exhausted */
	DIALECT_CREDENTIALS,     /* 401, 403: our key */
	DIALECT_NO_MODEL,        /* the model isn't there: our configuration */
	DIALECT_OVERLOADED,      /* 503, 529, code server_is_overloaded */
	DIALECT_SERVER_ERROR,    /* other 5xx, 408, and what is no answer of an API (3xx, 2xx other than 200) */
};
struct dialect_provider_error {
	enum dialect_verdict verdict;
	bool understood; /* the body is an error of the provider's dialect; else the texts below are "" */
	char type[64], code[64], param[DIALECT_PARAM_MAX];
	char message[1024];      /* UTF-8, cut */
	uint64_t retry_after_ms; /* said in the body (Gemini's RetryInfo); 0 = not */
};
void dialect_provider_error_read(enum provider_kind kind, int status, const char *body, size_t len,
				 struct dialect_provider_error *ret);
/* retry-after-ms and retry-after (seconds or an HTTP date); NULL or "" = absent. False: neither can be read. */
bool dialect_retry_after(const char *after_ms, const char *after, int64_t now_s, uint64_t *ret_ms);

/* ---- lists of models (models.c) */

/* /v1/models is the same path in three dialects, so that one answer has to serve all: OpenAI's list and objects, with
 * what Anthropic's and Google's SDKs look for beside it. /v1beta/models is Google's alone. */
int dialect_model_object(enum tg_dialect d, const char *id, const char *owned_by, int64_t created_s, struct buf *out);
struct dialect_model {
	const char *id, *owned_by;
};
int dialect_model_list(enum tg_dialect d, const struct dialect_model *m, size_t n, int64_t created_s, struct buf *out);

#endif
