/* One client connection: bytes in, requests out of them, answers back. */
#ifndef SIM_CONN_H
#define SIM_CONN_H

#include "sim/sim.h"

/* READING -request-> WAITING -latency over-> READING (JSON) | STREAMING | DRIPPING | FLOODING -> READING;
 * HANGING for good. */
enum conn_state {
	CONN_READING,
	CONN_WAITING,
	CONN_STREAMING,
	CONN_DRIPPING,
	CONN_FLOODING,
	CONN_HANGING,
};

struct sim_conn {
	struct loop_io io;
	struct loop_timer timer;
	struct sim_worker *worker;
	struct sim_conn *prev, *next;
	SSL *ssl;
	enum conn_state state;
	bool tls_ready, close_after, closed, writing, said_continue;
	struct buf in, out; /* what doesn't fit the moment */
	size_t out_at;
	struct sim_job job;
	struct sim_model *model; /* whose call is under way; NULL = none */
	/* FLOODING: the block over and over until flood_left bytes were sent, then the tail. */
	const char *flood;
	size_t flood_len;
	uint64_t flood_left;
	struct buf tail;
};

/* A request whose every byte is there; borrowed. */
struct sim_request {
	const char *method, *path, *headers, *body;
	size_t method_len, path_len, headers_len, body_len;
	bool close;
};

/* Bytes of the first request in the text, 0 = not complete yet, negative = the status that refuses it.
 * *ret_continue: the client waits for "100 Continue". */
long sim_request_parse(const char *text, size_t len, struct sim_request *ret, bool *ret_continue);

/* Value of a query's parameter as written, borrowed; negative = it isn't there. */
long sim_request_query(const struct sim_request *r, const char *name, const char **ret);

/* Answers, or sets the connection's state so that a timer does. */
void sim_request_serve(struct sim_conn *c, const struct sim_request *r);
/* Goes on with c->job: the latency is over, or the next chunk is due, or the socket takes bytes again. */
void sim_answer_continue(struct sim_conn *c);

/* ---- making answers (answer.c) */

#define SIM_JSON "application/json"
#define SIM_EVENT_STREAM "text/event-stream; charset=utf-8"

/* Starts c->job, which has been read. */
void sim_answer_start(struct sim_conn *c);
/* Status line and headers without the length's; `extra` whole lines. */
void sim_put_head(const struct sim_conn *c, struct buf *o, unsigned status, const char *type, const char *extra);
/* Sends worker->out; closes when it failed. */
void sim_send_out(struct sim_conn *c);
/* The last bytes are about to be sent. */
void sim_answer_over(struct sim_conn *c);
void sim_respond(struct sim_conn *c, unsigned status, const char *type, const char *extra, const struct buf *body);
void sim_refuse(struct sim_conn *c, const struct sim_error *e, const char *extra);
/* S3: the answer is whole, and about to be sent. */
void sim_count_report(struct sim_conn *c);
/* The answer's whole body, a stream's too. */
void sim_body_render(struct sim_conn *c, struct buf *o);
/* Faults that leave nothing of the usual way of answering; false: the job's isn't one. (faults.c) */
bool sim_fault_answer(struct sim_conn *c);
void sim_flood_run(struct sim_conn *c);

/* The control endpoints (control.c). */
void sim_serve_stats(struct sim_conn *c, const struct sim_request *r);
void sim_serve_last(struct sim_conn *c, const struct sim_request *r);
void sim_serve_script(struct sim_conn *c, const struct sim_request *r);
/* A name from a path or query, percent-decoded, as JSON string content. False: it can't be one. */
bool sim_name_read(struct buf *spare, const char *at, size_t len, char ret[SIM_NAME_MAX]);

/* Sends now what the socket takes and keeps the rest. */
void sim_conn_send(struct sim_conn *c, const char *data, size_t len);
bool sim_conn_blocked(const struct sim_conn *c);
void sim_conn_close(struct sim_conn *c);
void sim_conn_timer(struct sim_conn *c, uint64_t after_ns);
/* One byte of what is kept per pass of the loop. */
void sim_conn_drip(struct sim_conn *c);

#endif
