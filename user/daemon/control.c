/* The control thread: signals, the control API, kernel events, upkeep. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "gateway/directory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#define SECOND_NS 1000000000ull
#define EVENT_LINES_PER_SECOND 10u
/* A list of a million entries is one request. */
#define CONTROL_BODY_MAX ((size_t)128 << 20)

/* ---- what the control API asks of the gateway */

static int op_policy_apply(void *arg, struct policy *p, uint32_t *ret_generation, struct err *err)
{
	return gateway_policy_apply(((struct daemon *)arg)->gw, p, ret_generation, err);
}

static const struct policy *op_policy_current(void *arg)
{
	return gateway_policy(((struct daemon *)arg)->gw);
}

static int op_tenant_put(void *arg, const struct tenant *t, struct err *err)
{
	return gateway_tenant_put(((struct daemon *)arg)->gw, t, err);
}

static int op_key_put(void *arg, const struct api_key *k, struct err *err)
{
	return gateway_key_put(((struct daemon *)arg)->gw, k, err);
}

static int op_key_remove(void *arg, const struct api_key *k, struct err *err)
{
	return gateway_key_remove(((struct daemon *)arg)->gw, k, err);
}

static bool op_key_find(void *arg, const uint8_t hash[KEY_HASH_LEN], char ret_id[KEY_ID_MAX])
{
	const struct principal *p = directory_find_key(gateway_directory(((struct daemon *)arg)->gw), hash);

	if (p)
		snprintf(ret_id, KEY_ID_MAX, "%.*s", KEY_ID_MAX - 1, p->id);
	return p != NULL;
}

static uint16_t op_reason_of(void *arg, const char *text)
{
	return gateway_reason_of(((struct daemon *)arg)->gw, text);
}

static const char *op_reason_text(void *arg, uint16_t reason)
{
	return gateway_reason_text(((struct daemon *)arg)->gw, reason);
}

static void op_verdicts(void *arg, uint64_t ret[TG_VERDICT_COUNT][TG_REASON_COUNT])
{
	gateway_verdicts(((struct daemon *)arg)->gw, ret);
}

static void op_status(void *arg, struct admin_status *ret)
{
	const struct daemon *d = arg;

	*ret = (struct admin_status){
		.uptime_s = (clock_mono_ns() - d->started_ns) / SECOND_NS,
		.workers = d->n_workers,
		.connections = gateway_connections(d->gw),
		.calls = gateway_calls(d->gw),
		.listen = d->listen_names,
		.ready = d->state == DAEMON_READY,
		.draining = d->state > DAEMON_READY,
	};
}

struct price_walk {
	admin_price_cb cb;
	void *arg;
};

static int say_price(const struct gateway_price *p, void *arg)
{
	const struct price_walk *w = arg;
	struct admin_deployment d = {
		.provider = p->rule->provider,
		.upstream_model = p->rule->upstream_model,
		.weight = p->weight,
		.priority = p->priority,
		.measured = p->measured,
		.utilisation_e4 = p->utilisation_e4,
	};

	return w->cb(p->rule, &d, w->arg);
}

static int op_prices_each(void *arg, const char *model, const char *tier, admin_price_cb cb, void *cb_arg,
			  struct err *err)
{
	struct price_walk w = {cb, cb_arg};

	return gateway_prices_each(((struct daemon *)arg)->gw, model, tier, say_price, &w, err);
}

static int make_admin(struct daemon *d, struct err *err)
{
	struct admin_opts o = {
		.store = d->store,
		.kernel = d->kernel,
		.metrics = d->metrics,
		.pepper = d->pepper,
		.token = d->token,
		.loop = d->loop,
		.ledger = d->ledger,
		.store_path = d->conf->store_path,
		.books_path = d->ledger ? d->conf->billing.path : NULL,
		.currency = d->conf->billing.currency,
		.ops = {.policy_apply = op_policy_apply,
			.policy_current = op_policy_current,
			.tenant_put = op_tenant_put,
			.key_put = op_key_put,
			.key_remove = op_key_remove,
			.key_find = op_key_find,
			.reason_of = op_reason_of,
			.reason_text = op_reason_text,
			.verdicts = op_verdicts,
			.status = op_status,
			.prices_each = op_prices_each,
			.breakers_each = health_breakers_each,
			.breaker_force = health_breaker_force,
			.arg = d},
	};

	return admin_new(&o, &d->admin, err);
}

static void collect_books(struct buf *out, bool openmetrics, void *arg)
{
	const struct daemon *d = arg;

	metrics_put_head(out, openmetrics, METRIC_GAUGE, "billing_discrepancies",
			 "Differences in the books that nobody has closed yet.");
	metrics_put_value(out, "billing_discrepancies", "", (double)admin_discrepancies_open(d->admin));
}

/* ---- kernel events: a sample of refusals, at a bounded rate */

static void say_event(const struct tg_event *e, void *arg)
{
	static const char *const verdicts[] = {
#define X(sym, name, text) name,
		TG_VERDICTS(X)
#undef X
	};
	static const char *const reasons[] = {
#define X(sym, name, text) text,
		TG_REASONS(X)
#undef X
	};
	struct daemon *d = arg;
	bool v4 = !e->addr[0] && !e->addr[1] && e->addr[2] == htonl(0xffff);
	const struct principal *p;
	char addr[INET6_ADDRSTRLEN];

	if (d->event_lines >= EVENT_LINES_PER_SECOND) {
		d->events_unsaid++;
		return;
	}
	d->event_lines++;
	if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? &e->addr[3] : e->addr, addr, sizeof(addr)))
		return;
	p = e->subject ? directory_at(gateway_directory(d->gw), e->subject) : NULL;
	log_info(NULL, "nic verdict=%s source=%s:%u subject=%s %s",
		 e->verdict < ARRAY_SIZE(verdicts) ? verdicts[e->verdict] : "?", addr, ntohs(e->port_be),
		 p ? p->id : "-", e->reason < ARRAY_SIZE(reasons) ? reasons[e->reason] : "?");
}

static void on_events(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct daemon *d = CONTAINER_OF(io, struct daemon, events_io);

	(void)events;
	if (loop_now_ns(l) - d->event_window_ns >= SECOND_NS) {
		if (d->events_unsaid)
			log_info(NULL, "nic %u more sampled refusals", d->events_unsaid);
		d->event_window_ns = loop_now_ns(l);
		d->event_lines = d->events_unsaid = 0;
	}
	(void)kernel_events_drain(d->kernel, say_event, d);
}

/* ---- upkeep */

static void every_minute(struct daemon *d)
{
	struct err err;
	size_t dropped;

	if (store_list_expire(d->store, clock_wall_ms(), &err) < 0)
		log_warn(NULL, "upkeep: %s", err.msg);
	if (!kernel_is_memory(d->kernel) && kernel_keys_sweep(d->kernel, &dropped, &err) < 0)
		log_warn(NULL, "upkeep: %s", err.msg);
}

static void on_upkeep(struct loop *l, struct loop_timer *t)
{
	struct daemon *d = CONTAINER_OF(t, struct daemon, upkeep);
	struct err err;
	size_t removed;
	int rc;

	if (loop_timer_set(l, t, loop_now_ns(l) + SECOND_NS / 4) < 0)
		log_error(NULL, "upkeep: no memory for a timer; expired list entries stay until a restart");
	gateway_prices_tick(d->gw, clock_mono_ns(), clock_wall_ms());
	health_tick(d);
	if (d->ledger && d->upkeep_count % 4 == 0)
		ledger_watch(d);
	if (d->ledger && d->conf->billing.reconcile_interval_s &&
	    d->upkeep_count % (4ull * d->conf->billing.reconcile_interval_s) == 4)
		admin_reconcile(d->admin);
	rc = admin_policy_tick(d->admin, clock_wall_ms(), &err);
	if (rc == 1)
		log_warn(NULL, "the policy was not confirmed in time: rolled back to the version before");
	else if (rc < 0)
		log_error(NULL, "rolling back an unconfirmed policy: %s", err.msg);
	if (d->upkeep_count++ % 4)
		return;
	if (!kernel_is_memory(d->kernel) && kernel_list_sweep(d->kernel, clock_mono_ns(), &removed, &err) < 0)
		log_warn(NULL, "upkeep: %s", err.msg);
	if (d->upkeep_count % 240 == 1)
		every_minute(d);
}

/* ---- stopping: READY -signal-> DRAINING -time is up or second signal-> ABORTING; both -workers ended-> OVER */

static void over(struct daemon *d)
{
	d->state = DAEMON_OVER;
	loop_stop(d->loop);
}

void control_workers_ended(struct daemon *d)
{
	if (d->state == DAEMON_READY) {
		log_error(NULL, "all workers have ended by themselves");
		d->exit_code = 1;
	}
	over(d);
}

static void on_stop_timeout(struct loop *l, struct loop_timer *t)
{
	struct daemon *d = CONTAINER_OF(t, struct daemon, stop_timer);

	(void)l;
	if (d->state == DAEMON_DRAINING) {
		log_warn(NULL, "stop_timeout is over: %u calls are cut off", gateway_calls(d->gw));
		d->state = DAEMON_ABORTING;
		workers_abort(d);
	}
}

static void stop(struct daemon *d, const char *why)
{
	if (d->state == DAEMON_READY) {
		log_info(NULL, "stopping (%s): %u calls under way", why, gateway_calls(d->gw));
		notify_systemd("STOPPING=1");
		d->state = DAEMON_DRAINING;
		workers_drain(d);
		if (loop_timer_set(d->loop, &d->stop_timer,
				   clock_mono_ns() + (uint64_t)d->conf->stop_timeout_ms * 1000000u) < 0)
			workers_abort(d);
	} else if (d->state == DAEMON_DRAINING) {
		log_warn(NULL, "stopping at once (%s again)", why);
		d->state = DAEMON_ABORTING;
		workers_abort(d);
	}
}

static void on_signal(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct daemon *d = CONTAINER_OF(io, struct daemon, signal_io);
	struct signalfd_siginfo s;

	(void)l;
	(void)events;
	while (read(io->fd, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGHUP)
			daemon_reload(d);
		else
			stop(d, s.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
	}
}

static int watch_signals(struct daemon *d, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	d->signal_io.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (d->signal_io.fd < 0)
		return err_errno(err, errno, "signalfd");
	d->signal_io.cb = on_signal;
	return loop_io_add(d->loop, &d->signal_io, EPOLLIN, err);
}

/* ---- making and running */

int control_make(struct daemon *d, struct err *err)
{
	int rc = loop_new(&d->loop, err);

	if (rc == 0)
		rc = make_admin(d, err);
	if (rc == 0 && d->ledger && metrics_collector_add(d->metrics, collect_books, d) < 0)
		rc = err_set(err, ERR_NOMEM, "no memory for metrics");
	return rc;
}

static int serve(struct daemon *d, struct err *err)
{
	struct http_server_opts o = HTTP_SERVER_OPTS_DEFAULT;
	int rc;

	o.shards = 2;
	o.connections_max = 256;
	o.head_bytes_max = d->conf->http.head_bytes_max;
	o.body_bytes_max = CONTROL_BODY_MAX;
	rc = http_server_new(d->loop, &o, &admin_handler, d->admin, &d->control, err);
	if (rc == 0 && d->control_tcp_fd >= 0) {
		rc = http_server_add_listener(d->control, d->control_tcp_fd, err);
		d->control_tcp_fd = rc == 0 ? -1 : d->control_tcp_fd;
	}
	if (rc == 0 && d->control_unix_fd >= 0) {
		rc = http_server_add_listener(d->control, d->control_unix_fd, err);
		d->control_unix_fd = rc == 0 ? -1 : d->control_unix_fd;
	}
	return rc;
}

static int watch_events(struct daemon *d, struct err *err)
{
	d->events_io.fd = kernel_is_memory(d->kernel) ? -1 : kernel_events_fd(d->kernel);
	if (d->events_io.fd < 0)
		return 0;
	d->events_io.cb = on_events;
	return loop_io_add(d->loop, &d->events_io, EPOLLIN, err);
}

int control_run(struct daemon *d, struct err *err)
{
	int rc = serve(d, err);

	d->upkeep.cb = on_upkeep;
	d->stop_timer.cb = on_stop_timeout;
	if (rc == 0)
		rc = watch_signals(d, err);
	if (rc == 0)
		rc = watch_events(d, err);
	if (rc == 0)
		rc = loop_timer_set(d->loop, &d->upkeep, clock_mono_ns() + SECOND_NS / 4);
	if (rc == 0 && d->ledger)
		rc = ledger_start(d->ledger, err);
	if (rc == 0)
		rc = workers_start(d, err);
	if (rc < 0)
		return rc;
	d->state = DAEMON_READY;
	notify_systemd("READY=1");
	log_info(NULL, "ready: %u workers, %s", d->n_workers,
		 kernel_is_memory(d->kernel) ? "limits in user space only" : "kernel program in force");
	rc = loop_run(d->loop, err);
	health_tick(d); /* of the last calls */
	return rc;
}
