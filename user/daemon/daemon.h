/* The daemon's parts and their order.
 *
 * Threads: the main thread is the control thread (signals, control API, kernel events, upkeep); one thread per worker;
 * one that writes the ledger; those of the control API's jobs.
 *
 * Start: configuration -> state directory, lock -> store, ledger (resolves what a crash left open), secrets -> kernel -> tenants and keys into their slots ->
 * policy -> lists -> answers -> listeners -> attach -> privileges dropped -> workers -> ready. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "admin/admin.h"
#include "conf/conf.h"
#include "crypto/keyed.h"
#include "daemon/privileges.h"
#include "event/loop.h"
#include "gateway/gateway.h"
#include "http/server.h"
#include "kernel/kernel.h"
#include "ledger/ledger.h"
#include "observe/metrics.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct options {
	const char *config;
	bool no_kernel;
};

enum daemon_state { DAEMON_STARTING, DAEMON_READY, DAEMON_DRAINING, DAEMON_ABORTING, DAEMON_OVER };

struct daemon;

struct worker {
	struct daemon *d;
	unsigned index;
	pthread_t thread;
	bool started;
	struct loop *loop;
	struct gateway_worker *gw;
	struct loop_timer drain_timer; /* looks whether the calls under way have ended */
	bool aborting;
};

#define DAEMON_LISTEN_MAX 64u

struct daemon {
	struct options opts;
	struct conf *conf; /* as it was at start: what can't change while running */
	enum daemon_state state;
	uint64_t started_ns;
	int exit_code;

	int lock_fd;
	struct identity identity;
	struct store *store;
	struct ledger *ledger; /* NULL = billing is off */
	uint8_t pepper[CRYPTO_PEPPER_LEN], token[CRYPTO_PEPPER_LEN];
	struct kernel *kernel;
	bool kernel_fresh; /* nothing was pinned before */
	struct metrics *metrics;
	struct gateway *gw;
	struct admin *admin;
	char *tls_cert, *tls_key;
	char *policy_text; /* of conf->policy_file, read before privileges go */

	struct loop *loop;
	struct http_server *control;
	struct loop_io signal_io, events_io;
	struct loop_timer upkeep, stop_timer;
	unsigned upkeep_count;
	bool ledger_failing; /* said so */
	uint64_t holds_expired_said;
	uint64_t event_window_ns;
	unsigned event_lines, events_unsaid;

	int *listen_fds; /* [n_workers][conf->n_listen] */
	int control_tcp_fd, control_unix_fd;
	unsigned n_workers, workers_left;
	struct worker *workers;
	const char *listen_names[DAEMON_LISTEN_MAX + 1];
};

/* ---- start.c: everything up to running; *err says what to do */
int daemon_start(struct daemon *d, struct err *err) MUST_CHECK;
void daemon_free(struct daemon *d);

/* ---- state.c: files of the state directory */
int state_open(struct daemon *d, struct err *err) MUST_CHECK;

/* ---- kernel_setup.c */
int kernel_setup_open(struct daemon *d, struct err *err) MUST_CHECK;
int kernel_setup_attach(struct daemon *d, struct err *err) MUST_CHECK;

/* ---- policy_setup.c */
int policy_setup(struct daemon *d, struct err *err) MUST_CHECK;

/* ---- listen.c */
int listen_open(struct daemon *d, struct err *err) MUST_CHECK;

/* ---- workers.c */
int workers_make(struct daemon *d, struct err *err) MUST_CHECK;
int workers_start(struct daemon *d, struct err *err) MUST_CHECK;
/* Each worker drains and ends its loop; d->workers_left counts down on the control loop. */
void workers_drain(struct daemon *d);
void workers_abort(struct daemon *d);
/* Their threads end; then, once nothing can call them back (the ledger has stopped), they are freed. */
void workers_join(struct daemon *d);
void workers_free(struct daemon *d);

/* ---- ledger_setup.c */
int ledger_setup_open(struct daemon *d, struct err *err) MUST_CHECK;
/* Says what changed: available or not, holds that expired. About once a second. */
void ledger_watch(struct daemon *d);

/* ---- health.c: deployments' breakers */
/* As they were before the restart; after the policy. */
int health_restore(struct daemon *d, struct err *err) MUST_CHECK;
/* What happened since the last time goes to the log and the store. */
void health_tick(struct daemon *d);
int health_breakers_each(void *arg, admin_breaker_cb cb, void *cb_arg, struct err *err);
int health_breaker_force(void *arg, const char *actor, const char *deployment, unsigned force, struct err *err);

/* ---- control.c: the control thread's loop */
int control_make(struct daemon *d, struct err *err) MUST_CHECK;
void control_workers_ended(struct daemon *d);
int control_run(struct daemon *d, struct err *err) MUST_CHECK;

/* ---- reload.c */
void daemon_reload(struct daemon *d);
int log_setup(const struct conf *conf);

/* ---- notify.c: systemd's protocol; nothing without NOTIFY_SOCKET */
void notify_systemd(const char *text);

#endif
