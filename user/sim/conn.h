/* One client connection: bytes in, requests out of them, answers back. */
#ifndef SIM_CONN_H
#define SIM_CONN_H

#include "sim/sim.h"

/* READING -request-> WAITING -latency over-> READING (JSON) | STREAMING | DRIPPING -> READING; HANGING for good. */
enum conn_state {
	CONN_READING,
	CONN_WAITING,
	CONN_STREAMING,
	CONN_DRIPPING,
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

/* Answers, or sets the connection's state so that a timer does. */
void sim_request_serve(struct sim_conn *c, const struct sim_request *r);
/* Goes on with c->job: the latency is over, or the next chunk is due, or the socket takes bytes again. */
void sim_answer_continue(struct sim_conn *c);

/* Sends now what the socket takes and keeps the rest. */
void sim_conn_send(struct sim_conn *c, const char *data, size_t len);
bool sim_conn_blocked(const struct sim_conn *c);
void sim_conn_close(struct sim_conn *c);
void sim_conn_timer(struct sim_conn *c, uint64_t after_ns);
/* One byte of what is kept per pass of the loop. */
void sim_conn_drip(struct sim_conn *c);

#endif
