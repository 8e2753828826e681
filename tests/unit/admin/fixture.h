/* A control API on its own thread: store, books and ledger in a temporary folder, kernel room in memory, gateway as
 * recording stand-ins. */
#ifndef TEST_ADMIN_FIXTURE_H
#define TEST_ADMIN_FIXTURE_H

#include "admin/admin.h"

#include <jansson.h>

struct fixture {
	char dir[64], socket[96];
	uint16_t port;
	struct kernel *kernel;
	struct store *store;
	struct metrics *metrics;
	struct admin *admin;
	struct ledger *ledger;
	struct policy *policy;     /* in force, as the gateway would have it */
	struct tenant last_tenant; /* what the gateway was told last */
	unsigned generation;
	bool refuse_policies; /* policy_apply fails */
	bool draining;
	struct admin_breaker *breakers; /* what the gateway says; forcing writes here */
	size_t n_breakers;
	bool breakers_fail;
	char forced_by[64]; /* actor of the last force */
};

extern struct fixture fx;
extern const char fixture_token[65];

void fixture_start(void);
void fixture_start_without_billing(void);
void fixture_stop(void);

/* Of this model, by provider "sim": 1.00 per million input tokens, 0.50 cached, 2.00 output; tier margin 0.25, model
 * factor 1.2: margin 0.30. One row per tier. */
#define FIXTURE_MODEL "gpt-4o"
/* One call from hold to commit, of a tenant in tier growth; n makes its request id ("req_" and n in 24 hex digits).
 * hold 0: as much as its price. */
struct fixture_call {
	const char *tenant;
	unsigned n;
	struct usage usage;
	int64_t hold_nano;
	enum usage_source source;
	unsigned flags;
};
void fixture_call(const struct fixture_call *call);
/* While blocked the ledger thread posts nothing. */
void fixture_block_ledger(void);
void fixture_release_ledger(void);

struct reply {
	int status;
	char *body;   /* NUL-terminated */
	json_t *json; /* NULL when the body is none */
};
/* One request over the Unix socket. extra: more header lines, each with CRLF. */
struct reply ask(const char *method, const char *path, const char *extra, const char *body);
struct reply ask_tcp(const char *method, const char *path, const char *extra, const char *body);
/* The same in two steps. */
int ask_begin(const char *method, const char *path, const char *body);
struct reply ask_end(int fd);
void reply_done(struct reply *r);

#endif
