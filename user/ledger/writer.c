/* The ledger thread: sleeps until there is something, gathers, commits, hands back; and in between rolls up, ends old
 * holds, writes the holds file back, serves the control thread.
 *
 *   asleep -first record-> gather (gather_us) -> commit -ok-> hand back -> asleep, or at once again when more is
 * waiting
 *                                                  '-fails-> refuse new holds, wait retry_ms, (reopen the store),
 * commit again */
#include "ledger/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>

#define EXPIRY_SCAN_MS 200u
/* A roll-up reads what it sums, about as long as posting it took: in small portions, for commits wait meanwhile. */
#define ROLL_UP_RECORDS 1000u
#define CHECKPOINT_MS 500u
#define ANSWERS_MS 5000u
#define ANSWERS_AT_ONCE 64u
#define IDLE_MS 1000u
#define OWED_MS 1u
/* Plain retries before the connection is given up for a new one. */
#define RETRIES_BEFORE_REOPEN 2u

void writer_wake(struct ledger *l)
{
	static const uint64_t one = 1;

	if (atomic_exchange(&l->sleeping, false))
		while (write(l->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
}

/* ---- the queue: newest first as pushed, oldest first in the pending list */

static void jobs_collect(struct ledger *l)
{
	struct ledger_job *newest = atomic_exchange(&l->jobs, NULL), *oldest = NULL, *tail = newest;
	unsigned n = 0;

	if (!newest)
		return;
	while (newest) {
		struct ledger_job *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
		n++;
	}
	*l->pending_tail = oldest;
	l->pending_tail = &tail->next;
	l->n_pending += n;
}

/* ---- a failing store */

int ledger_store_open(struct ledger *l, bool create, struct err *err)
{
	struct store_opts o = STORE_OPTS_DEFAULT;

	o.schema = STORE_SCHEMA_BOOKS;
	o.busy_timeout_ms = l->opts.busy_timeout_ms;
	o.create = create;
	o.sha256 = l->opts.sha256;
	return store_open(l->path, &o, &l->store, err);
}

static void store_failed(struct ledger *l, const struct err *err)
{
	ledger_set_unavailable(l, err->code, err->msg);
	count_up(&l->commit_failures, 1);
	l->failures_in_row++;
	l->retry_at_ms = clock_mono_ms() + l->opts.retry_ms;
	/* A connection that met an I/O error may keep failing on its own state; a new one starts from the file. */
	if (err->code != ERR_BUSY && err->code != ERR_NOMEM && l->failures_in_row > RETRIES_BEFORE_REOPEN) {
		store_close(l->store);
		l->store = NULL;
		payables_forget(l);
	}
}

/* 0: the store is open. */
static int store_ready(struct ledger *l, struct err *err)
{
	return l->store ? 0 : ledger_store_open(l, false, err);
}

static int roll_up(struct ledger *l, struct err *err)
{
	int rc = store_books_roll_up(l->store, err);

	l->rolled_up_ms = clock_mono_ms();
	if (rc == 0) {
		l->to_roll_up = false;
		l->not_rolled_up = 0;
		l->to_checkpoint = true;
	}
	/* A sum that doesn't fit is for reconciliation to explain; records can be posted all the same. */
	return post_error_is_own(rc) ? 0 : rc;
}

/* While the store fails with nothing pending a roll-up shows when it is well again. */
static int attempt(struct ledger *l, struct err *err)
{
	int rc = store_ready(l, err);

	if (rc < 0)
		return rc;
	return l->pending ? batch_post(l, err) : roll_up(l, err);
}

static bool commit_pending(struct ledger *l)
{
	struct err err = {0};

	if (l->failures_in_row)
		count_up(&l->retries, 1);
	if (attempt(l, &err) < 0) {
		store_failed(l, &err);
		return false;
	}
	if (l->failures_in_row) {
		l->failures_in_row = 0;
		ledger_set_available(l);
	}
	return true;
}

/* ---- now and then */

static uint64_t holds_mark(const struct ledger *l, uint64_t *ret_open)
{
	uint64_t taken = 0, freed = count_of(&l->freed), settled = 0;

	for (unsigned i = 0; i < l->opts.lanes; i++) {
		taken += count_of(&l->lanes[i].taken);
		freed += count_of(&l->lanes[i].freed);
		settled += count_of(&l->lanes[i].settled);
	}
	*ret_open = taken - freed;
	return taken + freed + settled;
}

static void write_back(struct ledger *l, uint64_t now_ms)
{
	uint64_t open, mark = holds_mark(l, &open);

	if (!l->opts.holds_sync_ms || now_ms - l->synced_ms < l->opts.holds_sync_ms)
		return;
	l->synced_ms = now_ms;
	if (mark == l->synced_mark && !open) /* open ones may have progressed */
		return;
	l->synced_mark = mark;
	(void)slots_write_back(&l->slots); /* a disk that fails says so at the next commit */
}

/* For quiet moments: what commits would otherwise stop for. */
static void tidy_when_quiet(struct ledger *l, uint64_t now_ms)
{
	struct err err;
	size_t removed = 0;

	/* Their failures are no reason to refuse calls: the next commit will tell. */
	if (l->to_checkpoint && now_ms - l->committed_ms >= CHECKPOINT_MS) {
		l->to_checkpoint = false;
		if (store_books_checkpoint(l->store, &err) < 0)
			return;
	}
	if (now_ms >= l->answers_ms) {
		if (store_answer_expire(l->store, post_time(l), ANSWERS_AT_ONCE, &removed, &err) < 0)
			removed = 0;
		l->answers_ms = now_ms + (removed == ANSWERS_AT_ONCE ? 0 : ANSWERS_MS);
	}
}

static void tidy(struct ledger *l)
{
	uint64_t now_ms = clock_mono_ms();
	struct err err = {0};

	write_back(l, now_ms);
	if (now_ms - l->scanned_ms >= EXPIRY_SCAN_MS) {
		l->scanned_ms = now_ms;
		holds_expire(l);
	}
	if (!l->store || l->failures_in_row)
		return;
	if (l->to_roll_up && (now_ms - l->rolled_up_ms >= l->opts.roll_up_ms || l->not_rolled_up >= ROLL_UP_RECORDS)) {
		if (roll_up(l, &err) < 0)
			store_failed(l, &err);
	} else if (!l->pending && !atomic_load_explicit(&l->jobs, memory_order_relaxed)) {
		tidy_when_quiet(l, now_ms);
	}
}

/* ---- sleeping */

static uint64_t sooner(uint64_t a_ms, uint64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

static int sleep_ms(const struct ledger *l, bool owed)
{
	uint64_t now_ms = clock_mono_ms(), until = now_ms + IDLE_MS, open;
	uint64_t mark = holds_mark(l, &open);

	if (owed)
		return OWED_MS;
	if (l->failures_in_row)
		until = sooner(until, l->retry_at_ms);
	if (open)
		until = sooner(until, l->scanned_ms + EXPIRY_SCAN_MS);
	if (l->opts.holds_sync_ms && (open || mark != l->synced_mark))
		until = sooner(until, l->synced_ms + l->opts.holds_sync_ms);
	if (l->to_roll_up && !l->failures_in_row)
		until = sooner(until, l->rolled_up_ms + l->opts.roll_up_ms);
	if (l->to_checkpoint && !l->failures_in_row)
		until = sooner(until, l->committed_ms + CHECKPOINT_MS);
	return until <= now_ms ? 0 : (int)(until - now_ms) + 1;
}

static bool something_queued(struct ledger *l)
{
	return atomic_load(&l->jobs) || atomic_load(&l->claims) || atomic_load(&l->have_tasks) || atomic_load(&l->stop);
}

static void wait_for_work(struct ledger *l, bool owed)
{
	struct pollfd p = {.fd = l->wake_fd, .events = POLLIN};
	uint64_t count;

	atomic_store(&l->sleeping, true);
	if (!something_queued(l) && poll(&p, 1, sleep_ms(l, owed)) > 0)
		while (read(l->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
			;
	atomic_store(&l->sleeping, false);
}

/* One transaction costs about as much as forty records: worth waiting a little for more. */
static void gather(struct ledger *l)
{
	struct timespec t = {.tv_nsec = (long)l->opts.gather_us * 1000};

	if (l->opts.gather_us && atomic_load_explicit(&l->jobs, memory_order_relaxed) && !atomic_load(&l->stop))
		nanosleep(&t, NULL);
}

/* ---- the thread */

static bool may_try(const struct ledger *l)
{
	if (l->failures_in_row)
		return clock_mono_ms() >= l->retry_at_ms;
	return l->pending != NULL;
}

/* Commits until nothing is pending, or the store fails. */
static void commit_all(struct ledger *l, bool *owed)
{
	while (may_try(l)) {
		bool ok = commit_pending(l);

		*owed = lanes_tell(l);
		if (!ok || l->n_pending < l->opts.batch_max)
			break; /* what is left over is gathered with what comes */
	}
}

static bool finished(struct ledger *l)
{
	return atomic_load(&l->stop) && !atomic_load(&l->jobs) && !atomic_load(&l->claims) &&
	       !atomic_load(&l->have_tasks) && (!l->pending || l->failures_in_row);
}

void *writer_main(void *arg)
{
	struct ledger *l = arg;
	bool owed = false;

	l->rolled_up_ms = l->scanned_ms = l->synced_ms = clock_mono_ms();
	while (!finished(l)) {
		if (l->n_pending < l->opts.batch_max)
			gather(l);
		jobs_collect(l);
		claims_decide(l);
		commit_all(l, &owed);
		owed = lanes_tell(l);
		tasks_do(l);
		tidy(l);
		if (!l->pending || l->failures_in_row)
			wait_for_work(l, owed);
	}
	return NULL;
}
