/* tollgate-sim: a simulated OpenAI-compatible provider for the demo, tests and benchmarks.
 *
 * Invariants:
 *  S1  Every complete request is counted before it is answered, so that GET /_sim/stats proves how many calls arrived.
 *  S2  The same request gets the same text and the same usage, streamed or not.
 *  S3  The tokens in the stats are those of the complete answers that carried a usage which can be believed, before
 *      their last byte is sent; so that books that believe the same must have the same sums.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/buf.h"
#include "event/loop.h"

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
};

static inline void sim_count(_Atomic uint64_t *c, uint64_t by)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + by, memory_order_relaxed);
}

struct sim_conn;

struct sim_worker {
	struct loop *loop;
	struct loop_io listener;
	const struct sim_config *config;
	SSL_CTX *tls;
	struct sim_conn *conns;
	struct buf out, body, event; /* scratch */
	uint64_t next_id;
	struct sim_worker *all; /* every thread's, for the sums */
	struct sim_stats stats;
	char read_buf[65536];
};

/* ---- what to answer */

enum sim_fault {
	SIM_OK,
	SIM_ERROR,
	SIM_RATELIMIT,
	SIM_TRUNCATE,
	SIM_MALFORMED,
	SIM_BADCHUNK,
	SIM_CLOSE,
	SIM_HANG,
	SIM_DRIP,
	SIM_WRONG_LENGTH,
	SIM_MIDSTREAM_ERROR,
	SIM_CUT,
	SIM_NODONE,
	SIM_TRUNCATE_CLEAN,
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
	SIM_USAGE_INCONSISTENT,
	SIM_USAGE_OVERCAP, /* true, but the client's limit is not kept */
	SIM_USAGE_ON_CHOICE,
	SIM_USAGE_TWICE,
};

/* A parsed chat or embeddings call, and how far its stream has got. */
struct sim_job {
	enum sim_fault fault;
	enum sim_usage usage;
	bool stream, include_usage, tool, embeddings, base64, cut; /* cut: the client's token limit ended the text */
	unsigned status, latency_ms, interval_ms;
	unsigned cut_at; /* SIM_CUT: bytes of the body */
	unsigned words, chunks, choices, step;
	unsigned prompt_tokens;
	unsigned inputs, dimensions;
	uint64_t id, seed;
	int64_t created_s;
	char model[SIM_NAME_MAX]; /* raw JSON string content */
	char tool_name[SIM_NAME_MAX];
	char tool_args[512]; /* a JSON object's text */
};

/* Reads the request's body. False: it is refused (400), and *ret_why, if touched, says why; else it was no JSON. */
bool sim_chat_parse(const struct sim_config *c, const char *body, size_t len, struct sim_job *ret,
		    const char **ret_why);
bool sim_embeddings_parse(const struct sim_config *c, const char *body, size_t len, struct sim_job *ret,
			  const char **ret_why);
/* The n-th scenario as a model's name, with some number where one belongs; false behind the last. */
bool sim_scenario_example(unsigned n, char *ret, size_t size);

/* Tokens that the complete answer reports; false when it reports none that can be believed. */
struct sim_tokens {
	uint64_t prompt, cached, completion;
};
bool sim_tokens_of(const struct sim_job *j, struct sim_tokens *ret);
/* The usage object; `part`: that of the first of two reports, which doesn't count. */
void sim_usage_render(const struct sim_job *j, bool part, struct buf *o);

/* The JSON answers. */
void sim_chat_render(const struct sim_job *j, struct buf *o);
void sim_embeddings_render(const struct sim_job *j, struct buf *o);
void sim_error_render(unsigned status, const char *message, struct buf *o);
void sim_model_render(const char *id, size_t len, struct buf *o);
void sim_models_render(struct buf *o);
/* The next event of a stream ("data: ...\n\n"); false when that was the last. */
bool sim_stream_next(struct sim_job *j, struct buf *o);
/* The step's events come at once, unpaced (head and tail of a stream). */
bool sim_stream_unpaced(const struct sim_job *j);

void sim_put_uint(struct buf *o, uint64_t v);
void sim_text_init(void);
/* Words from the `from`-th on, of the endless text. */
void sim_text_render(struct buf *o, unsigned from, unsigned count);
size_t sim_text_bytes(unsigned words);

/* ---- serving */
int sim_worker_listen(struct sim_worker *w, int fd, struct err *err) MUST_CHECK;
void sim_worker_done(struct sim_worker *w);
void sim_stats_render(const struct sim_worker *w, struct buf *o);

#endif
