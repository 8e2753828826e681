/* What the adapter's files share.
 *
 * A connection's phase is changed by conn_enter() alone; each phase has its own list, oldest first, which is also how
 * its time limit is kept (one timer for all, see timeout.c):
 *
 *   IDLE -bytes-> HEAD -head-> BODY -whole-> WORK -respond-> SEND -sent-> IDLE
 *                                              \-stream_begin-> STREAM -sent-/
 *
 * libmicrohttpd's own time limits are off: they restart at every byte, so a client that dribbles never meets them. */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

#include "http/head.h"
#include "http/server.h"

#include <microhttpd.h>

/* A body or an answer that moves less than this within its time limit is taken for an attack on memory. */
#define HTTP_PROGRESS_BYTES 16384u
/* A declared body up to this size is read and dropped when `head` refuses, so that the connection stays usable. */
#define HTTP_SWALLOW_BYTES (64u << 10)
/* Beyond what was queued when the producer was asked to pause by this much the stream is aborted. */
#define HTTP_STREAM_SLACK_BYTES (256u << 10)
/* Room in libmicrohttpd's pool beside the request's head: header records, and the answer's head. */
#define HTTP_POOL_EXTRA_BYTES 2048u
#define HTTP_ANSWER_HEAD_BYTES 1024u
/* A run of a shard costs a system call, and a walk over its suspended connections when one resumes (20 ns each): so few
 * connections share few shards, and many spread. */
#define HTTP_SHARD_FILL 64u
#define HTTP_NEVER_S 86400u
#define HTTP_EXCHANGE_POOL 256u
#define HTTP_BODY_KEEP_BYTES (32u << 10)

enum http_phase {
	HTTP_PHASE_IDLE,
	HTTP_PHASE_HEAD,
	HTTP_PHASE_BODY,
	HTTP_PHASE_WORK,
	HTTP_PHASE_SEND,
	HTTP_PHASE_STREAM,
	HTTP_PHASES
};

struct http_shard {
	struct loop_io io; /* libmicrohttpd's epoll fd */
	struct http_server *server;
	struct MHD_Daemon *mhd;
	struct http_shard *dirty_next;
	bool dirty;
	unsigned connections;
	struct http_conn *fresh; /* may have bytes that libmicrohttpd reads in its next run */
};

struct http_conn {
	struct loop_io io; /* the client's socket, edge-triggered, beside libmicrohttpd's own registration */
	struct http_server *server;
	struct http_shard *shard;
	struct MHD_Connection *mhd;
	struct http_exchange *x;
	const struct sockaddr *peer; /* libmicrohttpd's copy */
	struct http_conn *prev, *next;
	struct http_conn *fresh_next;
	uint64_t since_ns; /* of the phase, or of the last progress */
	uint64_t progress; /* bytes at since_ns */
	uint64_t cookie;
	uint8_t phase;
	bool fresh;
	bool served;      /* an exchange has ended on it */
	bool peer_closed; /* half or whole */
	bool refused;     /* an answer of ours went straight to the socket, libmicrohttpd has no say any more */
	bool linger;      /* the client may still be sending: drain before closing */
};

/* A queue of bytes for a stream. */
struct http_queue {
	char *data;
	size_t head, len, cap;
};

struct http_exchange {
	struct http_conn *conn;
	struct http_exchange *free_next;
	struct arena arena;
	void *user;
	uint64_t received_ns;
	uint64_t bytes_sent;

	const char *method, *path, *query;
	size_t uri_len;

	char *body;
	size_t body_len, body_cap;
	uint64_t body_seen; /* dropped bytes too */

	struct MHD_Response *deferred; /* answered in `head`, to be queued once the body has been dropped */
	int deferred_status;

	struct http_queue out;
	bool at_head; /* inside the `head` or `refuse` callback, response may be queued early */
	bool bad_target;
	bool head_done; /* the head was judged */
	bool delivered; /* `request` was called */
	bool swallow;   /* drop what comes of the body */
	bool suspended;
	bool answered; /* respond or stream_begin was called */
	bool straight; /* respond writes to the socket, not through libmicrohttpd */
	bool streaming, ended, direct, paused;
	size_t paused_len; /* of the queue, when the producer was asked to pause */
	bool aborted, gone;
	bool close_after;

	struct http_head head; /* last: large, and cold once the request is under way */
};

struct http_conn_list {
	struct http_conn *head, *tail;
};

struct http_listener {
	struct loop_io io;
	struct http_server *server;
	struct http_listener *next;
	bool is_unix;
	char *path; /* of a Unix socket, to unlink */
};

/* A socket whose connection is over but for what the client still sends. */
struct http_drop {
	struct loop_io io;
	struct http_server *server;
	struct http_drop *prev, *next;
	uint64_t since_ns;
	size_t bytes;
};

struct http_ip {
	struct http_ip *next;
	unsigned count;
	uint8_t addr[16];
};
#define HTTP_IP_BUCKETS 4096u

struct http_mux;

struct http_server {
	struct loop *loop;
	struct http_server_opts opts;
	struct http_handler handler;
	void *arg;
	struct http_mux *mux;
	struct http_server *mux_next;

	struct http_shard *shards;
	struct http_shard *dirty;

	struct http_conn_list phases[HTTP_PHASES];
	unsigned connections;

	struct http_exchange *free_exchanges;
	unsigned free_count;

	struct http_listener *listeners;
	struct http_ip **ips; /* HTTP_IP_BUCKETS, NULL without a limit */
	struct http_drop *drops, *drops_tail;
	unsigned drops_count;

	struct loop_timer timer;        /* the earliest time limit */
	struct loop_timer accept_timer; /* accept again after the process ran out of descriptors */
	bool draining, stopping, tls;
};

/* ---- listen.c */
void listeners_close(struct http_server *s);
void listen_again(struct loop *l, struct loop_timer *t);

/* ---- shard.c */
int shard_init(struct http_server *s, struct http_shard *sh, struct err *err) MUST_CHECK;
void shard_mark(struct http_shard *sh);
/* Where a new connection goes. */
struct http_shard *shard_choose(struct http_server *s);
/* Runs what needs it; 0 = again at once, -1 = nothing to do. */
int server_run(struct http_server *s);

/* ---- conn.c */
void conn_notify(void *cls, struct MHD_Connection *c, void **socket_context, enum MHD_ConnectionNotificationCode code);
void conn_enter(struct http_conn *conn, enum http_phase phase);
void conn_fresh(struct http_conn *conn);
/* Ends the TCP connection in both directions; libmicrohttpd notices and cleans up. */
void conn_shut(struct http_conn *conn);

/* ---- limit.c: addresses */
bool ip_admit(struct http_server *s, const struct sockaddr *a);
void ip_add(struct http_server *s, const struct sockaddr *a);
void ip_remove(struct http_server *s, const struct sockaddr *a);

/* ---- timeout.c */
void timeout_arm(struct http_server *s, uint64_t due_ns);
void timeout_fire(struct loop *l, struct loop_timer *t);
uint64_t timeout_phase_ns(const struct http_server *s, enum http_phase phase);
/* Takes a duplicate of the socket and reads what still comes, so that closing doesn't reset what we sent. */
void drop_start(struct http_server *s, int fd);
void drop_end(struct http_drop *d);

/* ---- exchange.c */
struct http_exchange *exchange_new(struct http_conn *conn);
/* Calls `finished` and recycles. */
void exchange_finish(struct http_exchange *x, bool complete);
void exchange_pool_free(struct http_server *s);
/* The client hung up. */
void exchange_gone(struct http_exchange *x);
void exchange_suspend(struct http_exchange *x);
void exchange_resume(struct http_exchange *x);

/* ---- request.c: libmicrohttpd's callbacks */
void *request_line(void *cls, const char *uri, struct MHD_Connection *c);
enum MHD_Result request_handle(void *cls, struct MHD_Connection *c, const char *url, const char *method,
			       const char *version, const char *data, size_t *size, void **con_cls);
void request_completed(void *cls, struct MHD_Connection *c, void **con_cls, enum MHD_RequestTerminationCode code);
/* libmicrohttpd is about to send a page of its own on some connection of the shard. */
void request_own_page(struct http_shard *sh, unsigned status);
/* Refuse from outside of libmicrohttpd's callbacks: our answer goes straight to the socket. */
void request_refuse_straight(struct http_conn *conn, enum http_refusal why);

/* ---- respond.c */
int response_add_headers(struct http_exchange *x, struct MHD_Response *r, const struct http_header *h, size_t n);
int response_failed(struct http_exchange *x, int code);
int response_queue(struct http_exchange *x, int status, struct MHD_Response *r);

/* ---- stream.c */
ssize_t stream_read(void *cls, uint64_t pos, char *to, size_t max);
/* The socket has room again. */
void stream_flush(struct http_exchange *x);
void queue_free(struct http_queue *q);

#endif
