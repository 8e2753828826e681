/* What the client's files share: a pool has connections and requests; a connection carries at most one request. */
#ifndef UPSTREAM_INTERNAL_H
#define UPSTREAM_INTERNAL_H

#include "upstream/parse.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

#define UPSTREAM_READ_BYTES 65536u /* `buffer` of U4 */
#define UPSTREAM_ADDRS_MAX 16u
#define UPSTREAM_HOST_MAX 254

/* ---- base URL */
struct upstream_url {
	bool tls, numeric; /* numeric: the host is an address */
	unsigned port;
	char host[UPSTREAM_HOST_MAX];           /* without brackets */
	char authority[UPSTREAM_HOST_MAX + 10]; /* for Host: */
	char prefix[256];
};
int upstream_url_parse(const char *text, struct upstream_url *ret, struct err *err) MUST_CHECK;

/* ---- names to addresses, off the loop */
struct upstream_addrs {
	unsigned count;
	struct {
		struct sockaddr_storage addr;
		socklen_t len;
	} at[UPSTREAM_ADDRS_MAX];
};
struct resolver;
/* `changed` runs on the loop whenever an answer came: addrs->count is 0 while there was never a good one, and `why`
 * says why the last try failed ("" = it didn't). */
typedef void (*resolver_cb)(void *arg, const struct upstream_addrs *addrs, const char *why);
int resolver_new(struct loop *l, const struct upstream_url *url, resolver_cb changed, void *arg, struct resolver **ret,
		 struct err *err) MUST_CHECK;
void resolver_free(struct resolver *r);
/* Blocking; one try. Returns a message, or NULL. */
const char *resolver_lookup(const struct upstream_url *url, struct upstream_addrs *ret);

/* ---- TLS */
SSL_CTX *tls_context_new(struct upstream_pool *p, const char *ca_file, struct err *err);
/* A client session on the socket, set to verify the pool's host. */
SSL *tls_session_new(struct upstream_pool *p, int fd);
/* 1 = done, 0 = later, negative = failed with *ret_why. */
int tls_handshake(SSL *ssl, char *why, size_t why_size);

/* ---- connections */

/* FREE -conn_open-> CONNECTING -> (HANDSHAKING ->) READY <-> IDLE; every state -conn_close-> FREE */
enum conn_state { CONN_FREE, CONN_CONNECTING, CONN_HANDSHAKING, CONN_READY, CONN_IDLE };

struct conn {
	struct loop_io io;
	struct upstream_pool *pool;
	struct upstream_request *req; /* NULL when IDLE or FREE */
	struct conn *prev, *next;     /* idle list or free list; `next` alone in the latter */
	SSL *ssl;
	enum conn_state state;
	bool reused;     /* it has answered before */
	bool hup;        /* the peer said it closes */
	bool drained;    /* the last read emptied the socket */
	uint64_t serial; /* changes when the request leaves: tells a callback's caller that the world has moved */
	uint64_t idle_since_ns;
	struct parser parser;
	struct buf kept; /* read but not delivered, while paused; at most UPSTREAM_READ_BYTES (U4) */
	size_t kept_at;
};

#define CONN_AGAIN (-1)
#define CONN_EOF 0
#define CONN_BROKEN (-2)

/* A connection under way for `r`; 0 or negative. */
int conn_open(struct upstream_pool *p, struct upstream_request *r, struct err *err) MUST_CHECK;
void conn_close(struct conn *c);
/* Give the connection to the pool's idle list, or take the most recent from there. */
void conn_park(struct conn *c);
struct conn *conn_unpark_quiet(struct upstream_pool *p); /* U3; others are closed */
struct conn *conn_unpark_oldest(struct upstream_pool *p); /* to be closed; there must be one */
/* Bytes, or CONN_AGAIN, CONN_EOF (clean), CONN_BROKEN. */
long conn_recv(struct conn *c, char *data, size_t len);
/* Nothing waits to be read. Takes a byte when there is one: the connection is then good for closing only. */
bool conn_quiet(struct conn *c);
long conn_send(struct conn *c, const char *head, size_t head_len, const char *body, size_t body_len);

/* ---- requests */

/* RESOLVING -> CONNECTING -> ACTIVE (bytes go out, then come in) -> OVER. ACTIVE -> CONNECTING is the one retry (U2).
 * FAILING: `failed` is due on the next pass of the loop, so that nothing is called back from upstream_start(). */
enum request_state { REQ_RESOLVING, REQ_CONNECTING, REQ_ACTIVE, REQ_FAILING, REQ_OVER };

struct upstream_request {
	struct loop_timer timer; /* the nearest deadline, looked at lazily; or "now", to run `kicked` work */
	struct upstream_pool *pool;
	struct upstream_request *prev, *next;
	struct conn *conn;
	struct upstream_events ev;
	void *arg;
	enum request_state state;
	bool paused, kicked, sent_any, sent_broken, got_bytes, no_body;
	unsigned addr_first, addr_tries;
	/* Moving a deadline back only stores it; the timer finds out when it fires. */
	uint64_t deadline_ns, connect_deadline_ns, total_deadline_ns;
	const char *waits_for; /* for the message of a time-out */
	struct buf head;
	const char *body;
	size_t body_len, sent;
	int fail_code;
	char fail_msg[160];
};

struct upstream_pool {
	struct loop *loop;
	struct upstream_url url;
	struct upstream_opts opts;
	SSL_CTX *tls;
	SSL_SESSION *session; /* the latest */
	struct resolver *resolver;
	struct upstream_addrs addrs;
	unsigned addr_good; /* the one that worked last */
	char unresolved[160]; /* why there is no address; "" = not known yet */
	bool closing;
	struct conn *idle_newest, *idle_oldest, *conns_free;
	struct upstream_request *requests, *requests_free;
	struct loop_timer idle_timer;
	struct upstream_stats stats;
	char read_buf[UPSTREAM_READ_BYTES];
};

/* What connections tell their request. */
void request_connected(struct upstream_request *r);
void request_connect_failed(struct upstream_request *r, const char *why);
void request_io(struct upstream_request *r, uint32_t events);
/* Names have been resolved, or not: requests that wait for that go on. */
void requests_resolved(struct upstream_pool *p);
/* Calls `failed`, or sends again if U2 lets it. */
void request_fail(struct upstream_request *r, int code, const char *msg);

#endif
