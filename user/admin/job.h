/* What must not run on the control thread: everything that reads or writes the books, and backups.
 *
 *   on_request -job_start-> queued -> running (lane's thread) -> done -loop_post-> answered on the control thread
 *
 * A job is a handler like any other, with a copy of its request and a connection to the books of its lane's own; its
 * reply is kept in the job until the control thread gives it. Two lanes, one thread each, so that a deposit doesn't
 * wait behind a settlement.
 *
 * Invariants (tests cite them):
 *  J1  Each request given to a lane is answered once, or its client is gone; after admin_stop() as well.
 *  J2  A client that hangs up doesn't stop its job: what was asked for is done, or not, as a whole.
 *  J3  At most JOBS_QUEUED_MAX wait in a lane; one more is refused with 503 at once. */
#ifndef ADMIN_JOB_H
#define ADMIN_JOB_H

#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define JOBS_QUEUED_MAX 16u
#define JOB_BODY_MAX ((size_t)16 << 20) /* provider invoices are the largest */

enum job_lane {
	JOB_NONE,  /* on the control thread, at once */
	JOB_SHORT, /* bounded by indexes and page sizes */
	JOB_LONG,  /* may read the whole books */
	JOB_LANES,
};

#define ADMIN_PART_MAX 256u /* of a path; the longest is a deployment's "PROVIDER/MODEL" */

struct admin;
struct admin_call;
struct http_exchange;
struct store;

struct job {
	struct job *next;
	struct admin *a;
	struct http_exchange *x; /* control thread only; NULL: nobody waits (any more) */
	void (*handle)(struct admin_call *c);
	const char *actor;
	char part[ADMIN_PART_MAX];
	char *query, *body; /* body may be NULL */
	size_t body_len;
	/* The reply. */
	int status;
	const char *type;
	char *answer;
	size_t answer_len;
};

struct lane {
	struct admin *a;
	pthread_t thread;
	bool started;
	pthread_cond_t wake;
	struct job *first, **last; /* queued */
	unsigned queued;
	struct store *books; /* the thread's own; opened by its first job */
};

struct jobs {
	pthread_mutex_t lock; /* over all below and the lanes' queues */
	bool stopping;
	struct job *done, **done_last; /* to be answered */
	struct lane lane[JOB_LANES];
};

int jobs_init(struct admin *a, struct err *err) MUST_CHECK;
/* Queues the call, or answers it with what is in the way. */
void job_start(struct admin_call *c, enum job_lane lane, void (*handle)(struct admin_call *c));
/* A job that nobody waits for. ERR_BUSY, ERR_NOMEM. */
int job_start_silent(struct admin *a, enum job_lane lane, void (*handle)(struct admin_call *c),
		     struct err *err) MUST_CHECK;
/* The exchange ended before its job. */
void job_forget(struct job *j);
void jobs_stop(struct admin *a);
void jobs_done(struct admin *a);

#endif
