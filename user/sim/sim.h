/* tollgate-sim: a simulated provider for the demo, tests and benchmarks, in the four dialects.
 *
 * Invariants:
 *  S1  Every complete request is counted before it is answered, so that GET /_sim/stats proves how many calls arrived.
 *  S2  The same chat gets the same text and the same token counts, streamed or not, in whatever dialect it is said.
 *  S3  The tokens in the stats are those of the complete answers that carried a usage which can be believed, before
 *      their last byte is sent; so that books that believe the same must have the same sums.
 *  S4  What the real provider refuses is refused, in its words' shape: unknown members, wrong types, wrong roles, tool
 *      results without their call. So a gateway that says nonsense is found out.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/buf.h"
#include "base/json_scan.h"
#include "event/loop.h"
#include "tollgate/abi.h"

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

#define SIM_THREADS_MAX 64
#define SIM_BODY_MAX ((size_t)32 << 20)
#define SIM_WORDS_MAX 1000000u
#define SIM_CHOICES_MAX 16u
#define SIM_NAME_MAX 200
#define SIM_DIMENSIONS_MAX 4096

#define SIM_PUT(o, literal) buf_append(o, "" literal, sizeof(literal) - 1)

struct sim_config {
	const char *address;
	unsigned port, threads;
	unsigned latency_ms, chunk_interval_ms;
	unsigned chunks;       /* content chunks of a stream */
	unsigned answer_bytes; /* least length of the text; 0 = one word per chunk */
	bool require_key;
	const char *key; /* with require_key: this one only; NULL = any */
	const char *tls_cert, *tls_key;
};

/* One thread's counters: written by that thread, read by whichever answers /_sim/stats. */
struct sim_stats {
	_Atomic uint64_t requests, chat, streams, embeddings, models;
	_Atomic uint64_t cancelled, cancelled_streams; /* the client went before its answer was complete */
	_Atomic uint64_t connections, connections_open, tls_handshakes;
	_Atomic uint64_t bytes_in, bytes_out;
	/* S3 */
	_Atomic uint64_t reports, input_tokens, cached_input_tokens, output_tokens;
	_Atomic uint64_t by_dialect[TG_DIALECT_COUNT], streams_by_dialect[TG_DIALECT_COUNT],
		refused_by_dialect[TG_DIALECT_COUNT]; /* calls; refused: S4 */
};

static inline void sim_count(_Atomic uint64_t *c, uint64_t by)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + by, memory_order_relaxed);
}

struct sim_conn;
struct sim_table;

struct sim_worker {
	struct loop *loop;
	struct loop_io listener;
	const struct sim_config *config;
	SSL_CTX *tls;
	struct sim_conn *conns;
	struct sim_table *table;            /* all threads' */
	struct buf out, body, event, spare; /* scratch */
	uint64_t next_id;
	struct sim_worker *all; /* every thread's, for the sums */
	struct sim_stats stats;
	char read_buf[65536];
};

/* ---- what to answer */

enum sim_fault {
	SIM_OK,
	/* answers other than 200 */
	SIM_ERROR,
	SIM_RATELIMIT,
	SIM_RETRY_AFTER,
	SIM_RETRY_MS,
	SIM_QUOTA,
	SIM_OVERLOADED,
	SIM_NO_MODEL,
	SIM_BAD_KEY,
	SIM_HTML,
	/* broken HTTP */
	SIM_TRUNCATE,
	SIM_TRUNCATE_CLEAN,
	SIM_BADCHUNK,
	SIM_CLOSE,
	SIM_EARLY_CLOSE,
	SIM_HANG,
	SIM_DRIP,
	SIM_WRONG_LENGTH,
	SIM_CUT,
	SIM_ENDLESS_HEAD,
	SIM_HUGE_HEAD,
	/* odd bodies */
	SIM_MALFORMED,
	SIM_GZIP,
	SIM_HUGE,
	SIM_WRONG_TYPE,
	SIM_ARRAY,
	SIM_EMPTY,
	/* odd streams */
	SIM_MIDSTREAM_ERROR,
	SIM_ERROR_FIRST,
	SIM_NODONE,
	SIM_PING,
};

/* How usage is reported. */
enum sim_usage {
	SIM_USAGE_TRUE,
	SIM_USAGE_NONE,
	SIM_USAGE_ZERO,
	SIM_USAGE_STRING,
	SIM_USAGE_NEGATIVE,
	SIM_USAGE_HUGE,
	SIM_USAGE_CACHED,
	SIM_USAGE_CACHE_CREATED,
	SIM_USAGE_INCONSISTENT,
	SIM_USAGE_OVERCAP, /* true, but the client's limit is not kept */
	SIM_USAGE_ON_CHOICE,
	SIM_USAGE_TWICE,
};

/* Why a text ended. */
enum sim_end { SIM_END_TURN, SIM_END_LIMIT, SIM_END_STOP, SIM_END_TOOL };

struct sim_wire;

/* A parsed call, and how far its stream has got. Names and texts from the request are raw JSON string content. */
struct sim_job {
	enum tg_dialect dialect;
	const struct sim_wire *wire;
	enum sim_fault fault;
	enum sim_usage usage;
	enum sim_end end;
	bool stream, include_usage, tool, json, base64;
	unsigned status, latency_ms, interval_ms, first_ms;
	uint64_t retry_ms;
	unsigned cut_at;      /* SIM_CUT: bytes of the body */
	unsigned huge_mb;     /* SIM_HUGE */
	unsigned words, trim; /* trim: bytes that a stop sequence takes from the last word */
	unsigned thoughts;    /* words thought before */
	unsigned chunks, choices, step;
	unsigned prompt_tokens;
	unsigned inputs, dimensions;
	unsigned sequence; /* number of the next event, where events have one */
	uint64_t id, seed;
	int64_t created_s;
	char model[SIM_NAME_MAX];
	char stop[SIM_NAME_MAX]; /* SIM_END_STOP: the one that it was */
	char tool_name[SIM_NAME_MAX];
	char tool_args[512]; /* a JSON object's text */
};

/* Where a scenario's marker for SIM_HUGE stands in a rendered body: no JSON text has this byte. */
#define SIM_HUGE_MARK '\x01'

/* ---- scenarios (scenario.c) */
/* "sim-NAME"; false (and *j untouched) when there is none of that name. */
bool sim_scenario_apply(struct sim_job *j, const char *name);
/* The n-th scenario as a model's name, with some number where one belongs; false behind the last. */
bool sim_scenario_example(unsigned n, char *ret, size_t size);
void sim_scenario_help(struct buf *o);

/* ---- usage */
/* Tokens that the complete answer reports; false when it reports none that can be believed. */
struct sim_tokens {
	uint64_t prompt, cached, created, completion,
		thoughts; /* prompt includes cached and created; completion thoughts */
};
bool sim_tokens_of(const struct sim_job *j, struct sim_tokens *ret);
/* As to be rendered; `part`: of the first of two reports, which doesn't count. */
struct sim_tokens sim_tokens_said(const struct sim_job *j, bool part);
/* A count, written as the scenario asks. */
void sim_put_count(struct buf *o, const struct sim_job *j, uint64_t v);

/* ---- the wires: what a request is read by, and answers and events are written by */
struct sim_reader;
struct sim_wire {
	const char *name;
	/* Reads the body, which is JSON. False: refused, r->refusal says why. */
	bool (*read)(struct sim_reader *r, const struct json_span *body);
	void (*render)(const struct sim_job *j, struct buf *o);
	/* Appends the next step's events; false when that was the last. NULL: no streams. */
	bool (*stream_next)(struct sim_job *j, struct buf *o);
	/* An event that says the call has failed: the dialect's error behind this, or a function of its own. */
	const char *error_head;
	void (*stream_error)(struct sim_job *j, struct buf *o);
	const char *ping; /* something that clients have to skip */
};
extern const struct sim_wire sim_wire_chat, sim_wire_responses, sim_wire_embeddings, sim_wire_messages, sim_wire_gemini;

/* Content pieces of a stream: step 0 opens, 1..pieces carry content, pieces + 1 closes. */
unsigned sim_pieces(const struct sim_job *j);
/* The text's piece from `piece` on, as JSON string content; all of it. */
void sim_piece_render(const struct sim_job *j, unsigned piece, struct buf *o);
void sim_answer_text_render(const struct sim_job *j, struct buf *o);
void sim_thoughts_render(const struct sim_job *j, struct buf *o);
/* A piece of a tool's arguments, as a JSON string; quotes included. */
void sim_args_piece_render(const struct sim_job *j, unsigned piece, struct buf *o);

void sim_put_uint(struct buf *o, uint64_t v);
void sim_put_hex16(struct buf *o, uint64_t v);
void sim_put_string(struct buf *o, const char *raw);
void sim_text_init(void);
/* Words from the `from`-th on, of the endless text. */
void sim_text_render(struct buf *o, unsigned from, unsigned count);
size_t sim_text_bytes(unsigned words);

/* Azure's content filter */
void sim_azure_prompt_filter(struct buf *o);
void sim_azure_choice_filter(struct buf *o);

/* ---- errors and lists, per dialect */
struct sim_error {
	unsigned status;
	const char *type, *code; /* NULL = by status */
	const char *param;       /* NULL = none */
	const char *message;
	uint64_t retry_ms; /* Gemini says it in the body; 0 = no */
	bool quota;        /* likewise */
};
void sim_error_render(enum tg_dialect d, const struct sim_error *e, uint64_t id, struct buf *o);
extern const struct sim_error sim_stream_failure;
void sim_model_render(enum tg_dialect d, const char *id, size_t len, struct buf *o);
void sim_models_render(enum tg_dialect d, struct buf *o);

/* ---- serving */
int sim_worker_listen(struct sim_worker *w, int fd, struct err *err) MUST_CHECK;
void sim_worker_done(struct sim_worker *w);
void sim_stats_render(const struct sim_worker *w, struct buf *o);

#endif
