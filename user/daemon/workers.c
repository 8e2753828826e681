/* Worker threads: each runs its loop until its calls have ended. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DRAIN_LOOK_NS 20000000ull

static struct http_server_opts server_opts(const struct daemon *d)
{
	struct http_server_opts o = HTTP_SERVER_OPTS_DEFAULT;
	const struct conf *c = d->conf;
	unsigned share = (c->http.connections_max + d->n_workers - 1) / d->n_workers;

	/* SO_REUSEPORT spreads by hash: room for an uneven hand. */
	o.connections_max = d->n_workers > 1 ? share + share / 4 + 16 : share;
	o.connections_per_ip_max = c->http.connections_per_ip_max;
	o.head_bytes_max = c->http.head_bytes_max;
	o.body_bytes_max = c->http.body_bytes_max;
	o.stream_buffer_bytes = c->http.response_buffer_bytes;
	o.idle_timeout_ms = c->http.idle_timeout_ms;
	o.body_timeout_ms = c->http.body_timeout_ms;
	o.tls_cert_pem = d->tls_cert;
	o.tls_key_pem = d->tls_key;
	o.idle_table = kernel_idle(d->kernel);
	return o;
}

static int make_one(struct daemon *d, unsigned index, struct err *err)
{
	struct http_server_opts o = server_opts(d);
	struct worker *w = &d->workers[index];
	int rc;

	w->d = d;
	w->index = index;
	rc = loop_new(&w->loop, err);
	if (rc == 0)
		rc = gateway_worker_new(d->gw, index, w->loop, &o, &w->gw, err);
	for (size_t i = 0; rc == 0 && i < d->conf->n_listen; i++) {
		int *fd = &d->listen_fds[index * d->conf->n_listen + i];

		rc = gateway_worker_listen(w->gw, *fd, d->conf->listen[i].tls, err);
		if (rc == 0)
			*fd = -1; /* the server's now */
	}
	return rc;
}

int workers_make(struct daemon *d, struct err *err)
{
	d->workers = calloc(d->n_workers, sizeof(*d->workers));
	if (!d->workers)
		return err_set(err, ERR_NOMEM, "no memory for workers");
	for (unsigned i = 0; i < d->n_workers; i++) {
		int rc = make_one(d, i, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static void ended(void *arg)
{
	struct worker *w = arg;

	if (--w->d->workers_left == 0)
		control_workers_ended(w->d);
}

static void *run(void *arg)
{
	struct worker *w = arg;
	char name[16];
	struct err err;

	snprintf(name, sizeof(name), "worker-%u", w->index);
	pthread_setname_np(pthread_self(), name);
	if (loop_run(w->loop, &err) < 0)
		log_error(NULL, "worker=%u its loop ended: %s", w->index, err.msg);
	gateway_worker_ended(w->gw);
	while (loop_post(w->d->loop, ended, w) < 0)
		usleep(1000);
	return NULL;
}

int workers_start(struct daemon *d, struct err *err)
{
	for (unsigned i = 0; i < d->n_workers; i++) {
		int rc = pthread_create(&d->workers[i].thread, NULL, run, &d->workers[i]);

		if (rc)
			return err_errno(err, rc, "starting worker %u", i);
		d->workers[i].started = true;
		d->workers_left++;
	}
	return 0;
}

/* ---- on the worker's thread */

static void look(struct loop *l, struct loop_timer *t)
{
	struct worker *w = CONTAINER_OF(t, struct worker, drain_timer);

	if (gateway_worker_drained(w->gw) || loop_timer_set(l, t, loop_now_ns(l) + DRAIN_LOOK_NS) < 0)
		loop_stop(l);
}

static void drain(void *arg)
{
	struct worker *w = arg;

	gateway_worker_drain(w->gw);
	w->drain_timer.cb = look;
	look(w->loop, &w->drain_timer);
}

static void give_up(struct loop *l, struct loop_timer *t)
{
	(void)t;
	loop_stop(l);
}

static void abort_calls(void *arg)
{
	struct worker *w = arg;

	gateway_worker_abort(w->gw);
	/* One round for the last answers to get out. */
	w->drain_timer.cb = give_up;
	if (loop_timer_set(w->loop, &w->drain_timer, loop_now_ns(w->loop) + 10 * DRAIN_LOOK_NS) < 0)
		loop_stop(w->loop);
}

/* ---- on the control thread */

void workers_drain(struct daemon *d)
{
	for (unsigned i = 0; i < d->n_workers; i++)
		if (d->workers[i].started && loop_post(d->workers[i].loop, drain, &d->workers[i]) < 0)
			loop_stop(d->workers[i].loop);
}

void workers_abort(struct daemon *d)
{
	for (unsigned i = 0; i < d->n_workers; i++)
		if (d->workers[i].started && loop_post(d->workers[i].loop, abort_calls, &d->workers[i]) < 0)
			loop_stop(d->workers[i].loop);
}

void workers_join(struct daemon *d)
{
	for (unsigned i = 0; d->workers && i < d->n_workers; i++) {
		struct worker *w = &d->workers[i];

		if (!w->started)
			continue;
		loop_stop(w->loop);
		pthread_join(w->thread, NULL);
		w->started = false;
	}
}

void workers_free(struct daemon *d)
{
	for (unsigned i = 0; d->workers && i < d->n_workers; i++) {
		gateway_worker_free(d->workers[i].gw);
		loop_free(d->workers[i].loop);
	}
	free(d->workers);
	d->workers = NULL;
}
