/* A pool's life, and the reaping of connections that nobody used for long. */
#include "upstream/internal.h"

#include <stdio.h>
#include <string.h>

static void upstream_pool_freep(struct upstream_pool **p)
{
	upstream_pool_free(*p);
}

static void on_resolved(void *arg, const struct upstream_addrs *addrs, const char *why)
{
	struct upstream_pool *p = arg;

	p->addrs = *addrs;
	if (p->addr_good >= p->addrs.count)
		p->addr_good = 0;
	snprintf(p->unresolved, sizeof(p->unresolved), "cannot resolve %.100s: %s", p->url.host, why);
	requests_resolved(p);
}

static uint64_t idle_due_ns(const struct upstream_pool *p, const struct conn *c)
{
	return c->idle_since_ns + (uint64_t)p->opts.pool_idle_ms * 1000000;
}

static void on_idle_timer(struct loop *l, struct loop_timer *t)
{
	struct upstream_pool *p = CONTAINER_OF(t, struct upstream_pool, idle_timer);

	while (p->idle_oldest && idle_due_ns(p, p->idle_oldest) <= loop_now_ns(l))
		conn_close(conn_unpark_oldest(p));
	/* Out of memory: the next park arms it. */
	if (p->idle_oldest && loop_timer_set(l, t, idle_due_ns(p, p->idle_oldest)) < 0)
		return;
}

static int addresses_find(struct upstream_pool *p, struct err *err)
{
	const char *why;

	if (!p->url.numeric)
		return resolver_new(p->loop, &p->url, on_resolved, p, &p->resolver, err);
	why = resolver_lookup(&p->url, &p->addrs);
	return why ? err_set(err, ERR_INVAL, "base URL: %s: %s", p->url.host, why) : 0;
}

int upstream_pool_new(struct loop *l, const char *base_url, const struct upstream_opts *opts,
		      struct upstream_pool **ret, struct err *err)
{
	_cleanup_(upstream_pool_freep) struct upstream_pool *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return err_set(err, ERR_NOMEM, "upstream: out of memory");
	p->loop = l;
	p->opts = opts ? *opts : UPSTREAM_OPTS_DEFAULT;
	p->opts.ca_file = NULL; /* read now, not borrowed */
	p->idle_timer.cb = on_idle_timer;
	rc = upstream_url_parse(base_url, &p->url, err);
	if (rc < 0)
		return rc;
	if (p->url.tls) {
		p->tls = tls_context_new(p, opts ? opts->ca_file : NULL, err);
		if (!p->tls)
			return ERR_INVAL;
	}
	rc = addresses_find(p, err);
	if (rc < 0)
		return rc;
	*ret = take_ptr(&p);
	return 0;
}

void upstream_pool_free(struct upstream_pool *p)
{
	struct conn *c;
	struct upstream_request *r;

	if (!p)
		return;
	p->closing = true;
	while (p->requests)
		request_fail(p->requests, ERR_CLOSED, "the gateway is closing");
	while (p->idle_oldest)
		conn_close(conn_unpark_oldest(p));
	while ((c = p->conns_free)) {
		p->conns_free = c->next;
		parser_done(&c->parser);
		free(c);
	}
	while ((r = p->requests_free)) {
		p->requests_free = r->next;
		buf_done(&r->head);
		free(r);
	}
	resolver_free(p->resolver);
	loop_timer_del(p->loop, &p->idle_timer);
	SSL_SESSION_free(p->session);
	SSL_CTX_free(p->tls);
	free(p);
}

void upstream_pool_stats(const struct upstream_pool *p, struct upstream_stats *ret)
{
	*ret = p->stats;
}
