/* A server on a loop in a thread of its own, with a handler that does what the path asks for, and a raw client.
 *
 *   /echo            answers with the body            /later   answers when fx_release() says so
 *   /hang            never answers                    /forbid  refuses in `head` with 401
 *   /stream?N-SIZE   N chunks of SIZE bytes           /abort?N-SIZE the same, then aborts instead of ending
 *   /open            a stream that only begins; fx_release() writes "tail" and ends it
 *   /who             "family path query"              /close   answers and closes after
 */
#ifndef TEST_HTTP_FIXTURE_H
#define TEST_HTTP_FIXTURE_H

#include "http/internal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct fx {
	struct http_server_opts opts;
	struct loop *loop;
	struct http_server *server;
	uint16_t port;
	char unix_path[64];
	pthread_t thread;
	/* Under the lock, broadcast at each change. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned requests, finished, completed, gone, writable, heads;
	unsigned refused[8];
	size_t queued_max;
	uint64_t bytes_sent, written;
	unsigned closed; /* connections */
	struct http_exchange *parked;
	uint64_t idle_table[65536];
};

/* Fill opts first (fx_defaults), then start. */
void fx_defaults(struct fx *f);
void fx_start(struct fx *f);
void fx_stop(struct fx *f);
/* Waits until *counter is at least `least`; false after five seconds. */
bool fx_wait(struct fx *f, const unsigned *counter, unsigned least);
/* Runs fn on the loop's thread and waits for it. */
void fx_do(struct fx *f, void (*fn)(struct fx *f));
void fx_release(struct fx *f);
unsigned fx_connections(struct fx *f);

/* ---- the client: sockets with a receive time limit of five seconds */
int cl_connect(struct fx *f);
int cl_connect_unix(struct fx *f);
void cl_send(int fd, const char *s, size_t len);
void cl_puts(int fd, const char *s);

struct answer {
	int status; /* 0 = the connection ended without an answer */
	bool close; /* it says so */
	bool complete;
	char head[4096];
	char *body;
	size_t len, cap;
};
/* Reads one answer, chunked or with a length. */
struct answer cl_answer(int fd);
/* The connection ends: true for FIN, false for a reset or further bytes. */
bool cl_eof(int fd);
/* One request, one answer, on a connection of its own; body freed by the caller. */
struct answer cl_once(struct fx *f, const char *request);

#endif
