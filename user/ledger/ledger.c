/* Opening, starting, stopping; what it is doing. */
#include "ledger/internal.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>

static int check_opts(const struct ledger_opts *o, struct err *err)
{
	if (!o->path || !o->holds_path || !o->sha256)
		return err_set(err, ERR_INVAL, "ledger_opts: path, holds_path and sha256 are required");
	if (o->lanes == 0 || o->lanes > LEDGER_LANES_MAX)
		return err_set(err, ERR_INVAL, "ledger_opts.lanes: 1 to %u are right", LEDGER_LANES_MAX);
	if (o->batch_max == 0)
		return err_set(err, ERR_INVAL, "ledger_opts.batch_max is 0");
	if (o->gather_us >= 1000000)
		return err_set(err, ERR_INVAL, "ledger_opts.gather_us: below a second is right");
	if (o->holds_max == 0 || o->holds_max > LEDGER_HOLDS_MAX)
		return err_set(err, ERR_INVAL, "ledger_opts.holds_max: 1 to %u are right", LEDGER_HOLDS_MAX);
	if (!o->currency || strlen(o->currency) != CURRENCY_MAX - 1)
		return err_set(err, ERR_INVAL, "ledger_opts.currency: three letters are right");
	return 0;
}

static int ledger_make(const struct ledger_opts *o, struct ledger **ret, struct err *err)
{
	struct ledger *l = aligned_alloc(LEDGER_CACHE_LINE, sizeof(*l));

	if (!l)
		return err_set(err, ERR_NOMEM, "out of memory");
	memset(l, 0, sizeof(*l));
	*ret = l;
	l->opts = *o;
	l->slots.fd = -1;
	l->wake_fd = -1;
	memcpy(l->currency, o->currency, CURRENCY_MAX);
	l->pending_tail = &l->pending;
	l->tasks_tail = &l->tasks;
	pthread_mutex_init(&l->accounts.lock, NULL);
	pthread_mutex_init(&l->pool_lock, NULL);
	pthread_mutex_init(&l->task_lock, NULL);
	pthread_cond_init(&l->task_done, NULL);
	pthread_mutex_init(&l->claim_lock, NULL);
	pthread_mutex_init(&l->why_lock, NULL);
	atomic_init(&l->available, true);
	l->path = strdup(o->path);
	l->holds_path = strdup(o->holds_path);
	if (!l->path || !l->holds_path)
		return err_set(err, ERR_NOMEM, "out of memory");
	l->opts.path = l->path;
	l->opts.holds_path = l->holds_path;
	l->opts.currency = l->currency;
	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->wake_fd < 0)
		return err_errno(err, errno, "eventfd");
	return lanes_init(l, err);
}

/* Recovery comes before the accounts are read for good: what it posts is in their balances then. */
static int open_all(struct ledger *l, struct err *err)
{
	struct store_books_tail tail;
	int rc = slots_open(&l->slots, l->holds_path, l->opts.holds_max, err);

	if (rc == 0)
		rc = ledger_store_open(l, true, err);
	if (rc == 0)
		rc = store_books_tail(l->store, &tail, err);
	if (rc < 0)
		return rc;
	l->last_ms = tail.time_ms;
	rc = accounts_init(l, err);
	if (rc == 0)
		rc = recover(l, err);
	if (rc == 0 && l->recovery.found) {
		accounts_done(l);
		rc = accounts_init(l, err);
	}
	if (rc == 0)
		rc = slots_resize(&l->slots, l->opts.holds_max, err);
	if (rc == 0)
		rc = slots_flush(&l->slots, err);
	return rc < 0 ? rc : holds_init(l, err);
}

int ledger_open(const struct ledger_opts *opts, struct ledger **ret, struct err *err)
{
	struct ledger *l = NULL;
	int rc = check_opts(opts, err);

	if (rc < 0)
		return rc;
	rc = ledger_make(opts, &l, err);
	if (rc == 0)
		rc = open_all(l, err);
	if (rc < 0) {
		ledger_free(l);
		return rc;
	}
	*ret = l;
	return 0;
}

int ledger_start(struct ledger *l, struct err *err)
{
	int rc;

	assert(!l->started);
	atomic_store(&l->stop, false);
	rc = pthread_create(&l->thread, NULL, writer_main, l);
	if (rc)
		return err_errno(err, rc, "ledger thread");
	l->started = true;
	pthread_setname_np(l->thread, "ledger");
	return 0;
}

/* The store failed until the end. Their holds stay in the file; their calls may be gone before the ledger is freed. */
static void pending_forget(struct ledger *l)
{
	while (l->pending) {
		struct ledger_job *job = l->pending;

		l->pending = job->next;
		if (job->state == JOB_EXPIRY)
			free(job);
	}
	l->pending_tail = &l->pending;
	l->n_pending = 0;
}

void ledger_stop(struct ledger *l)
{
	if (!l->started)
		return;
	atomic_store(&l->stop, true);
	writer_wake(l);
	pthread_join(l->thread, NULL);
	l->started = false;
	pending_forget(l);
	if (l->store && l->to_roll_up && store_books_roll_up(l->store, NULL) == 0) /* else the next start's does it */
		l->to_roll_up = false;
	if (slots_flush(&l->slots, NULL) < 0) {
		/* The page cache has it anyway; the next start says what is wrong with the disk. */
	}
}

void ledger_free(struct ledger *l)
{
	if (!l)
		return;
	ledger_stop(l);
	store_close(l->store);
	payables_forget(l);
	claims_done(l);
	accounts_done(l);
	holds_done(l);
	slots_close(&l->slots);
	lanes_done(l);
	closep(&l->wake_fd);
	pthread_mutex_destroy(&l->accounts.lock);
	pthread_mutex_destroy(&l->pool_lock);
	pthread_mutex_destroy(&l->task_lock);
	pthread_cond_destroy(&l->task_done);
	pthread_mutex_destroy(&l->claim_lock);
	pthread_mutex_destroy(&l->why_lock);
	free(l->path);
	free(l->holds_path);
	free(l);
}

/* ---- what it is doing */

void ledger_set_available(struct ledger *l)
{
	pthread_mutex_lock(&l->why_lock);
	l->why[0] = '\0';
	pthread_mutex_unlock(&l->why_lock);
	atomic_store(&l->available, true);
}

static const char *reason(int code)
{
	switch (code) {
	case ERR_FULL:
		return "disk full";
	case ERR_BUSY:
		return "database locked";
	case ERR_PERM:
		return "read-only";
	case ERR_CORRUPT:
		return "database damaged";
	case ERR_NOMEM:
		return "out of memory";
	default:
		return "I/O error";
	}
}

void ledger_set_unavailable(struct ledger *l, int code, const char *why)
{
	pthread_mutex_lock(&l->why_lock);
	snprintf(l->why, sizeof(l->why), "%s: %.120s", reason(code), why);
	pthread_mutex_unlock(&l->why_lock);
	atomic_store(&l->available, false);
}

void ledger_stats(struct ledger *l, struct ledger_stats *ret)
{
	uint64_t freed = count_of(&l->freed), settled = 0, ended = count_of(&l->jobs_ended);

	*ret = (struct ledger_stats){
		.available = atomic_load(&l->available),
		.records = count_of(&l->records),
		.batches = count_of(&l->batches),
		.commit_failures = count_of(&l->commit_failures),
		.retries = count_of(&l->retries),
		.unpostable = count_of(&l->unpostable),
		.holds_expired = count_of(&l->expired),
		.holds_recovered = l->recovery.found,
		.commit_ns_sum = count_of(&l->commit_ns_sum),
		.commit_ns_max = atomic_exchange_explicit(&l->commit_ns_max, 0, memory_order_relaxed),
		.held_ns_sum = count_of(&l->held_ns_sum),
	};
	for (unsigned i = 0; i < USAGE_SOURCES; i++)
		ret->source[i] = count_of(&l->source[i]);
	for (unsigned i = 0; i < l->opts.lanes; i++) {
		struct ledger_lane *lane = &l->lanes[i];

		/* What ends is read before what began: the differences are not negative. */
		freed += count_of(&lane->freed);
		settled += count_of(&lane->settled);
		ret->holds_refused += count_of(&lane->refused);
		ret->holds_voided += count_of(&lane->voided);
		ret->holds_taken += count_of(&lane->taken);
	}
	ret->holds_open = ret->holds_taken > freed ? (unsigned)(ret->holds_taken - freed) : 0;
	ret->queued = settled > ended ? (unsigned)(settled - ended) : 0;
	pthread_mutex_lock(&l->why_lock);
	memcpy(ret->why, l->why, sizeof(ret->why));
	pthread_mutex_unlock(&l->why_lock);
}

void ledger_recovered(const struct ledger *l, struct ledger_recovery *ret)
{
	*ret = l->recovery;
}
