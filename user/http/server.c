/* Servers, and which of them a loop's one idle callback serves. */
#include "http/internal.h"

#include <pthread.h>
#include <string.h>

/* A loop has one idle callback, a worker may have several servers (plain and TLS). */
struct http_mux {
	struct http_mux *next;
	struct loop *loop;
	struct http_server *servers;
};

static pthread_mutex_t mux_lock = PTHREAD_MUTEX_INITIALIZER;
static struct http_mux *muxes;

static int mux_idle(struct loop *l, void *arg)
{
	struct http_mux *m = arg;
	int wait_ms = -1;

	(void)l;
	for (struct http_server *s = m->servers; s; s = s->mux_next)
		if (server_run(s) == 0)
			wait_ms = 0;
	return wait_ms;
}

static int mux_join(struct http_server *s)
{
	struct http_mux *m;

	pthread_mutex_lock(&mux_lock);
	for (m = muxes; m && m->loop != s->loop; m = m->next)
		;
	if (!m) {
		m = calloc(1, sizeof(*m));
		if (m) {
			m->loop = s->loop;
			m->next = muxes;
			muxes = m;
			loop_set_idle(s->loop, mux_idle, m);
		}
	}
	pthread_mutex_unlock(&mux_lock);
	if (!m)
		return ERR_NOMEM;
	s->mux = m;
	s->mux_next = m->servers;
	m->servers = s;
	return 0;
}

static void mux_leave(struct http_server *s)
{
	struct http_mux *m = s->mux, **pm;
	struct http_server **p;

	if (!m)
		return;
	for (p = &m->servers; *p != s; p = &(*p)->mux_next)
		;
	*p = s->mux_next;
	if (m->servers)
		return;
	loop_set_idle(s->loop, NULL, NULL);
	pthread_mutex_lock(&mux_lock);
	for (pm = &muxes; *pm != m; pm = &(*pm)->next)
		;
	*pm = m->next;
	pthread_mutex_unlock(&mux_lock);
	free(m);
}

static int server_start(struct http_server *s, struct err *err)
{
	s->shards = calloc(s->opts.shards, sizeof(*s->shards));
	if (!s->shards || mux_join(s) < 0)
		return err_set(err, ERR_NOMEM, "out of memory");
	if (s->opts.connections_per_ip_max) {
		s->ips = calloc(HTTP_IP_BUCKETS, sizeof(*s->ips));
		if (!s->ips)
			return err_set(err, ERR_NOMEM, "out of memory");
	}
	for (unsigned i = 0; i < s->opts.shards; i++) {
		int rc = shard_init(s, &s->shards[i], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int http_server_new(struct loop *l, const struct http_server_opts *opts, const struct http_handler *h, void *arg,
		    struct http_server **ret, struct err *err)
{
	struct http_server *s;
	int rc;

	if (!opts->shards || !opts->head_bytes_max || !h->request || !opts->tls_cert_pem != !opts->tls_key_pem)
		return err_set(err, ERR_INVAL,
			       "HTTP server: shards, head limit, request handler, or one of certificate "
			       "and key are missing");
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(err, ERR_NOMEM, "out of memory");
	s->loop = l;
	s->opts = *opts;
	s->handler = *h;
	s->arg = arg;
	s->tls = opts->tls_cert_pem != NULL;
	s->timer.cb = timeout_fire;
	s->accept_timer.cb = listen_again;
	rc = server_start(s, err);
	if (rc < 0) {
		http_server_free(s);
		return rc;
	}
	s->opts.tls_cert_pem = s->opts.tls_key_pem = NULL; /* the caller's memory */
	*ret = s;
	return 0;
}

void http_server_drain(struct http_server *s)
{
	s->draining = true;
	listeners_close(s);
	for (struct http_conn *c = s->phases[HTTP_PHASE_IDLE].head; c; c = c->next)
		conn_shut(c);
}

bool http_server_drained(const struct http_server *s)
{
	return s->draining && !s->connections;
}

unsigned http_server_connections(const struct http_server *s)
{
	return s->connections;
}

/* libmicrohttpd aborts the process when it is stopped with suspended connections. */
static void abort_exchanges(struct http_server *s)
{
	for (unsigned p = 0; p < HTTP_PHASES; p++)
		for (struct http_conn *c = s->phases[p].head; c; c = c->next)
			if (c->x && c->x->suspended) {
				c->x->aborted = true;
				exchange_resume(c->x);
			}
	while (server_run(s) == 0 && s->connections)
		;
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	s->draining = s->stopping = true;
	listeners_close(s);
	abort_exchanges(s);
	for (unsigned i = 0; s->shards && i < s->opts.shards; i++) {
		if (!s->shards[i].mhd)
			continue;
		loop_io_del(s->loop, &s->shards[i].io);
		MHD_stop_daemon(s->shards[i].mhd);
	}
	while (s->drops)
		drop_end(s->drops);
	loop_timer_del(s->loop, &s->timer);
	mux_leave(s);
	exchange_pool_free(s);
	free(s->ips);
	free(s->shards);
	free(s);
}
