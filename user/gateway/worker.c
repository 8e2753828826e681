/* One worker: its servers, its pools, its view of the catalog. */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/isolate.h"

#include <stdio.h>
#include <string.h>

#define TICK_NS 1000000000ull
#define LOG_LINES_PER_SECOND 20u

/* ---- pools */

static bool same_text(const char *a, const char *b)
{
	return (!a && !b) || (a && b && !strcmp(a, b));
}

static struct upstream_opts pool_opts(const struct conf *conf, const struct conf_provider *p)
{
	struct upstream_opts o = UPSTREAM_OPTS_DEFAULT;

	o.connect_timeout_ms = conf->upstream.connect_timeout_ms;
	o.first_byte_timeout_ms = conf->upstream.first_byte_timeout_ms;
	o.idle_timeout_ms = conf->upstream.idle_timeout_ms;
	o.total_timeout_ms = conf->upstream.total_timeout_ms;
	o.pool_max = conf->upstream.pool_max;
	o.pool_idle_ms = conf->upstream.pool_idle_ms;
	o.ca_file = p->ca_file;
	return o;
}

static bool pool_fits(const struct worker_pool *p, const struct conf_provider *conf, const struct upstream_opts *o)
{
	return p->pool && same_text(p->base_url, conf->base_url) && same_text(p->ca_file, conf->ca_file) &&
	       p->opts.connect_timeout_ms == o->connect_timeout_ms &&
	       p->opts.first_byte_timeout_ms == o->first_byte_timeout_ms &&
	       p->opts.idle_timeout_ms == o->idle_timeout_ms && p->opts.total_timeout_ms == o->total_timeout_ms &&
	       p->opts.pool_max == o->pool_max && p->opts.pool_idle_ms == o->pool_idle_ms;
}

static struct worker_pool *pool_take(struct gateway_worker *w, const struct conf *conf, const struct conf_provider *cp)
{
	struct upstream_opts o = pool_opts(conf, cp);
	struct worker_pool *p;
	struct err err;

	for (p = w->pools; p; p = p->next)
		if (pool_fits(p, cp, &o)) {
			p->refs++;
			return p;
		}
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->refs = 1;
	p->base_url = strdup(cp->base_url);
	p->ca_file = cp->ca_file ? strdup(cp->ca_file) : NULL;
	o.ca_file = p->ca_file;
	p->opts = o;
	if (upstream_pool_new(w->loop, cp->base_url, &o, &p->pool, &err) < 0) {
		p->pool = NULL;
		snprintf(p->why, sizeof(p->why), "%.150s", err.msg);
		if (w->index == 0)
			log_error(NULL, "provider %s can't be used: %s", cp->name, err.msg);
	}
	p->next = w->pools;
	w->pools = p;
	return p;
}

static void pool_put(struct gateway_worker *w, struct worker_pool *p)
{
	struct worker_pool **at = &w->pools;

	if (!p || --p->refs)
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	upstream_pool_free(p->pool);
	free(p->base_url);
	free(p->ca_file);
	free(p);
}

/* ---- catalog */

static void catalog_release(struct gateway *gw, struct catalog *c, struct pricing *p)
{
	bool last, last_pricing;

	pthread_mutex_lock(&gw->catalog_lock);
	last = --c->refs == 0;
	last_pricing = p && --p->refs == 0;
	pthread_mutex_unlock(&gw->catalog_lock);
	if (last)
		catalog_free(c);
	if (last_pricing)
		pricing_free(p);
}

static void worker_catalog_free(struct gateway_worker *w, struct worker_catalog *wc)
{
	for (size_t i = 0; wc->pools && i < wc->catalog->n_providers; i++)
		pool_put(w, wc->pools[i]);
	catalog_release(w->gw, wc->catalog, wc->pricing);
	free(wc->pools);
	free(wc);
}

static int catalog_refresh(struct gateway_worker *w)
{
	struct worker_catalog *wc = calloc(1, sizeof(*wc)), *old = w->current;

	if (!wc)
		return ERR_NOMEM;
	pthread_mutex_lock(&w->gw->catalog_lock);
	wc->version = atomic_load(&w->gw->catalog_version);
	wc->catalog = w->gw->catalog;
	wc->catalog->refs++;
	wc->pricing = w->gw->pricing;
	if (wc->pricing)
		wc->pricing->refs++;
	pthread_mutex_unlock(&w->gw->catalog_lock);
	wc->pools = calloc(wc->catalog->n_providers + 1, sizeof(struct worker_pool *));
	if (!wc->pools) {
		worker_catalog_free(w, wc);
		return ERR_NOMEM;
	}
	for (size_t i = 0; i < wc->catalog->n_providers; i++)
		wc->pools[i] = pool_take(w, wc->catalog->conf, wc->catalog->providers[i].conf);
	w->current = wc;
	if (old && !old->calls) {
		worker_catalog_free(w, old);
	} else if (old) {
		old->next = w->old;
		w->old = old;
	}
	return 0;
}

struct worker_catalog *worker_catalog_take(struct gateway_worker *w)
{
	unsigned version = atomic_load_explicit(&w->gw->catalog_version, memory_order_acquire);

	/* Out of memory: the catalog before still serves, the next call tries again. */
	if ((!w->current || w->current->version != version) && catalog_refresh(w) < 0 && !w->current)
		return NULL;
	w->current->calls++;
	return w->current;
}

void worker_catalog_put(struct gateway_worker *w, struct worker_catalog *wc)
{
	struct worker_catalog **at = &w->old;

	if (!wc || --wc->calls || wc == w->current)
		return;
	while (*at != wc)
		at = &(*at)->next;
	*at = wc->next;
	worker_catalog_free(w, wc);
}

/* ---- small things */

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

struct buf worker_buf_take(struct gateway_worker *w)
{
	return w->n_spare ? w->spare[--w->n_spare] : BUF_INIT;
}

void worker_buf_give(struct gateway_worker *w, struct buf *b)
{
	if (!b->cap)
		return;
	if (b->cap > WORKER_SPARE_BYTES || w->n_spare == WORKER_SPARE_BUFS) {
		buf_done(b);
		return;
	}
	buf_reset(b);
	b->max = 0;
	w->spare[w->n_spare++] = *b;
	*b = BUF_INIT;
}

uint64_t worker_random(struct gateway_worker *w)
{
	return mix(w->random += 0x9e3779b97f4a7c15ull);
}

/* Unique, not secret: time, worker, the worker's count, and two random bytes of this start against a clock that was set
 * back. The time comes first, so that ids sort by it and the books' index of them grows at its end. */
void worker_request_id(struct gateway_worker *w, struct request_id *ret)
{
	uint64_t ms = (uint64_t)clock_wall_ms(), n = ++w->id_count;

	for (unsigned i = 0; i < 6; i++)
		ret->b[i] = (uint8_t)(ms >> (40 - 8 * i));
	ret->b[6] = (uint8_t)w->index;
	for (unsigned i = 0; i < 3; i++)
		ret->b[7 + i] = (uint8_t)(n >> (16 - 8 * i));
	ret->b[10] = (uint8_t)w->id_seed;
	ret->b[11] = (uint8_t)(w->id_seed >> 8);
}

bool worker_may_log(struct gateway_worker *w)
{
	uint64_t now = loop_now_ns(w->loop);

	if (now - w->log_window_ns >= TICK_NS) {
		if (w->log_dropped)
			log_warn(NULL, "worker=%u %u more lines like these were left out", w->index, w->log_dropped);
		w->log_window_ns = now;
		w->log_count = w->log_dropped = 0;
	}
	if (w->log_count++ < LOG_LINES_PER_SECOND)
		return true;
	w->log_dropped++;
	return false;
}

static void tick(struct loop *l, struct loop_timer *t)
{
	struct gateway_worker *w = CONTAINER_OF(t, struct gateway_worker, tick);
	unsigned n = http_server_connections(w->plain) + (w->tls ? http_server_connections(w->tls) : 0);

	atomic_store_explicit(&w->n_connections, n, memory_order_relaxed);
	isolate_run_granted(w);
	for (struct call *c = w->calls, *next; c; c = next) {
		next = c->next;
		call_tick(c, loop_now_ns(l));
	}
	/* Pools are made here at first: they start threads to resolve names, and those must not be older than the loss
	 * of privileges. A reload reaches idle workers too, so that connections to a provider that is gone don't
	 * linger. */
	if (!w->current || w->current->version != atomic_load_explicit(&w->gw->catalog_version, memory_order_acquire)) {
		struct worker_catalog *wc = worker_catalog_take(w);

		if (wc)
			worker_catalog_put(w, wc);
	}
	if (loop_timer_set(l, t, loop_now_ns(l) + TICK_NS) < 0)
		log_error(NULL, "worker=%u no memory for a timer: figures of connections stand still", w->index);
}

/* ---- life */

int gateway_worker_new(struct gateway *gw, unsigned index, struct loop *l, const struct http_server_opts *opts,
		       struct gateway_worker **ret, struct err *err)
{
	struct gateway_worker *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return err_set(err, ERR_NOMEM, "no memory for worker %u", index);
	w->gw = gw;
	w->index = index;
	w->loop = l;
	w->opts = *opts;
	w->tick.cb = tick;
	w->cut.cb = worker_cut;
	w->opts.tls_cert_pem = w->opts.tls_key_pem = NULL;
	rc = keycache_init(&w->keys);
	if (rc == 0)
		rc = crypto_random(&w->id_seed, sizeof(w->id_seed), err);
	if (rc == 0)
		rc = crypto_random(&w->random, sizeof(w->random), err);
	if (rc == 0)
		rc = http_server_new(l, &w->opts, &call_handler, w, &w->plain, err);
	w->opts = *opts;
	if (rc == 0)
		rc = loop_timer_set(l, &w->tick, clock_mono_ns()); /* with the loop's first round */
	if (rc < 0) {
		if (rc == ERR_NOMEM)
			err_set(err, rc, "no memory for worker %u", index);
		gateway_worker_free(w);
		return rc;
	}
	if (gw->ledger) {
		rc = ledger_lane_bind(gw->ledger, index, l, err);
		if (rc < 0) {
			gateway_worker_free(w);
			return rc;
		}
	}
	atomic_store(&gw->workers[index], w);
	*ret = w;
	return 0;
}

int gateway_worker_listen(struct gateway_worker *w, int fd, bool tls, struct err *err)
{
	if (!tls)
		return http_server_add_listener(w->plain, fd, err);
	if (!w->tls) {
		struct http_server_opts o = w->opts;
		int rc;

		o.idle_table = NULL; /* the NIC can't answer inside TLS */
		rc = http_server_new(w->loop, &o, &call_handler, w, &w->tls, err);
		if (rc < 0)
			return rc;
	}
	return http_server_add_listener(w->tls, fd, err);
}

void gateway_worker_drain(struct gateway_worker *w)
{
	w->draining = true;
	http_server_drain(w->plain);
	if (w->tls)
		http_server_drain(w->tls);
}

bool gateway_worker_drained(const struct gateway_worker *w)
{
	return !w->calls && http_server_drained(w->plain) && (!w->tls || http_server_drained(w->tls));
}

void gateway_worker_abort(struct gateway_worker *w)
{
	w->aborting = true;
	for (struct call *c = w->calls, *next; c; c = next) {
		next = c->next;
		call_abort(c);
	}
}

void gateway_worker_free(struct gateway_worker *w)
{
	if (!w)
		return;
	if (w->index < w->gw->n_workers)
		atomic_store(&w->gw->workers[w->index], NULL);
	loop_timer_del(w->loop, &w->tick);
	loop_timer_del(w->loop, &w->cut);
	http_server_free(w->tls);
	http_server_free(w->plain);
	while (w->calls)
		call_drop(w->calls);
	while (w->spare_calls) {
		struct call *c = w->spare_calls;

		w->spare_calls = c->next;
		free(c);
	}
	if (w->current) {
		w->current->next = w->old;
		w->old = w->current;
	}
	while (w->old) {
		struct worker_catalog *wc = w->old;

		w->old = wc->next;
		worker_catalog_free(w, wc);
	}
	keycache_done(&w->keys);
	buf_done(&w->scratch);
	while (w->n_spare)
		buf_done(&w->spare[--w->n_spare]);
	free(w);
}
