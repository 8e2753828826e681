/* A scripted HTTP peer on the client's own loop, and a recorder of what the client tells. */
#ifndef TEST_PEER_H
#define TEST_PEER_H

#include "upstream/internal.h"

enum peer_then { PEER_KEEP, PEER_CLOSE, PEER_RESET };

/* What the nth request of all gets. */
struct peer_answer {
	const char *text; /* NULL = nothing */
	size_t len;       /* 0 = strlen */
	size_t piece;     /* bytes per pass of the loop; 0 = all at once */
	enum peer_then then;
	bool early;    /* answer as soon as the head is there, and read no more */
	size_t filler; /* that many 'x' after the text */
};

struct peer_conn;
struct peer {
	struct loop *loop;
	struct loop_io listener;
	unsigned port;
	const struct peer_answer *answers;
	unsigned count; /* the last answer repeats */
	unsigned accepted, requests, closed;
	char last_request[4096];
	size_t sent, last_len;
	void (*on_blocked)(struct peer *p); /* the client's side takes no more */
	bool blocked;
	void (*on_closed)(struct loop *l); /* after any connection is gone */
	void *user;
	struct peer_conn *conns;
};

void peer_start(struct peer *p, struct loop *l, const struct peer_answer *answers, unsigned count);
void peer_stop(struct peer *p);
/* Closes every connection, goes on listening. */
void peer_hang_up(struct peer *p);

/* "H200" "Bbody" "D" or "F-12": every callback, in order; equal ones of B are joined. */
struct recorder {
	struct loop *loop;
	struct upstream_request *req;
	char text[512];
	size_t at, body_bytes;
	bool in_body, over, sent, failed_in_start, starting;
	int code;
	char msg[160];
	char headers[512];
	/* What to do from inside: called after the event was written down. */
	void (*hook)(struct recorder *r, char event);
	void *user;
	struct loop_timer stutter;
};

extern const struct upstream_events recorder_events;
void recorder_start(struct recorder *r, struct loop *l, struct upstream_pool *p, const struct upstream_send *s);

/* Pauses in every callback, resumes once per pass of the loop. Delete r->stutter before the loop. */
void recorder_stutter(struct recorder *r, struct loop *l);

struct loop *test_loop(void);
struct upstream_pool *test_pool(struct loop *l, unsigned port, const struct upstream_opts *o);
void test_run(struct loop *l);
/* One pass of the loop. */
void test_pass(struct loop *l);
struct upstream_stats test_stats(struct upstream_pool *p);
extern const struct upstream_send test_post;

#endif
