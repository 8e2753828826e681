/* A thread per pool that calls getaddrinfo(): it can block for long, and the loop can't.
 *
 * The thread may outlive the pool (it can't be interrupted in getaddrinfo), so what both touch is counted, and the
 * eventfd by which it tells the loop is only written under the lock and while the pool lives.
 */
#include "upstream/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#define REFRESH_S 60
#define RETRY_FIRST_S 1 /* after a failure; doubles */
#define RETRY_MAX_S 8   /* requests may be waiting for the name server to come back */

struct resolver {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int refs;  /* the pool's and the thread's */
	bool stop; /* the pool is gone */
	struct upstream_url url;
	struct upstream_addrs addrs;
	char why[128];

	/* the loop's alone */
	struct loop *loop;
	struct loop_io io;
	resolver_cb changed;
	void *arg;
};

const char *resolver_lookup(const struct upstream_url *url, struct upstream_addrs *ret)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICSERV | (url->numeric ? AI_NUMERICHOST : 0)};
	struct upstream_addrs found = {0};
	struct addrinfo *list, *ai;
	char service[8];
	int rc;

	snprintf(service, sizeof(service), "%u", url->port);
	rc = getaddrinfo(url->host, service, &hints, &list);
	if (rc)
		return gai_strerror(rc);
	for (ai = list; ai && found.count < UPSTREAM_ADDRS_MAX; ai = ai->ai_next) {
		memcpy(&found.at[found.count].addr, ai->ai_addr, ai->ai_addrlen);
		found.at[found.count++].len = ai->ai_addrlen;
	}
	freeaddrinfo(list);
	if (!found.count)
		return "no address";
	*ret = found;
	return NULL;
}

static void resolver_unref(struct resolver *r)
{
	int refs;

	pthread_mutex_lock(&r->lock);
	refs = --r->refs;
	pthread_mutex_unlock(&r->lock);
	if (refs)
		return;
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->cond);
	free(r);
}

/* Under the lock. */
static void resolver_publish(struct resolver *r, const struct upstream_addrs *addrs, const char *why)
{
	static const uint64_t one = 1;

	if (!why)
		r->addrs = *addrs; /* else the last good answer stays */
	snprintf(r->why, sizeof(r->why), "%s", why ? why : "");
	while (write(r->io.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void *resolver_main(void *arg)
{
	struct resolver *r = arg;
	unsigned retry_s = RETRY_FIRST_S;

	pthread_mutex_lock(&r->lock);
	while (!r->stop) {
		struct upstream_addrs addrs;
		struct timespec until;
		const char *why;
		int rc = 0;

		pthread_mutex_unlock(&r->lock);
		why = resolver_lookup(&r->url, &addrs);
		pthread_mutex_lock(&r->lock);
		if (r->stop)
			break;
		resolver_publish(r, &addrs, why);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += why ? retry_s : REFRESH_S;
		retry_s = !why ? RETRY_FIRST_S : retry_s * 2 < RETRY_MAX_S ? retry_s * 2 : RETRY_MAX_S;
		while (!r->stop && rc != ETIMEDOUT)
			rc = pthread_cond_timedwait(&r->cond, &r->lock, &until);
	}
	pthread_mutex_unlock(&r->lock);
	resolver_unref(r);
	return NULL;
}

static void on_answer(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct resolver *r = CONTAINER_OF(io, struct resolver, io);
	struct upstream_addrs addrs;
	char why[sizeof(r->why)];
	uint64_t count;

	(void)l, (void)events;
	while (read(io->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&r->lock);
	addrs = r->addrs;
	memcpy(why, r->why, sizeof(why));
	pthread_mutex_unlock(&r->lock);
	r->changed(r->arg, &addrs, why);
}

static int thread_start(struct resolver *r, struct err *err)
{
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t t;
	int rc;

	/* Signals are for the threads that expect them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&t, &attr, resolver_main, r);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc ? err_errno(err, rc, "resolver thread") : 0;
}

int resolver_new(struct loop *l, const struct upstream_url *url, resolver_cb changed, void *arg, struct resolver **ret,
		 struct err *err)
{
	struct resolver *r = calloc(1, sizeof(*r));
	pthread_condattr_t ca;
	int rc;

	if (!r)
		return err_set(err, ERR_NOMEM, "resolver: out of memory");
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&ca);
	pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	pthread_cond_init(&r->cond, &ca);
	pthread_condattr_destroy(&ca);
	r->refs = 1;
	r->url = *url;
	r->loop = l;
	r->changed = changed;
	r->arg = arg;
	r->io = (struct loop_io){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .cb = on_answer};
	rc = r->io.fd < 0 ? err_errno(err, errno, "eventfd") : loop_io_add(l, &r->io, EPOLLIN, err);
	if (rc == 0) {
		r->refs = 2;
		rc = thread_start(r, err);
		if (rc < 0)
			r->refs = 1;
	}
	if (rc < 0) {
		resolver_free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	loop_io_del(r->loop, &r->io);
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	closep(&r->io.fd);
	pthread_cond_signal(&r->cond);
	pthread_mutex_unlock(&r->lock);
	resolver_unref(r);
}
