/* A control API on its own thread: store in a temporary folder, kernel room in memory, gateway as recording stand-ins.
 */
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
	struct policy *policy; /* in force, as the gateway would have it */
	unsigned generation;
	bool refuse_policies; /* policy_apply fails */
	bool draining;
};

extern struct fixture fx;
extern const char fixture_token[65];

void fixture_start(void);
void fixture_stop(void);

struct reply {
	int status;
	char *body;   /* NUL-terminated */
	json_t *json; /* NULL when the body is none */
};
/* One request over the Unix socket. extra: more header lines, each with CRLF. */
struct reply ask(const char *method, const char *path, const char *extra, const char *body);
struct reply ask_tcp(const char *method, const char *path, const char *extra, const char *body);
void reply_done(struct reply *r);

#endif
