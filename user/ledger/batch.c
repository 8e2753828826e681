/* Group commit: what is pending becomes one transaction; then its lanes hear of it (L3). A failing store changes
 * nothing but the time (L6): the jobs stay where they are. */
#include "ledger/internal.h"

#include "base/clock.h"

#include <stdio.h>

void writer_pend(struct ledger *l, struct ledger_job *job)
{
	job->next = NULL;
	*l->pending_tail = job;
	l->pending_tail = &job->next;
	l->n_pending++;
}

/* ---- the account's balance, watched so that no sum leaves its range */

static int book(struct ledger_job *job, struct err *err)
{
	struct ledger_account *a = job->hold->account;

	int64_t after;

	if (__builtin_sub_overflow(a->booked, job->record.price_nano, &after) || after < -LEDGER_BALANCE_MAX)
		return err_set(err, ERR_RANGE, "the balance would go below %lld", -(long long)LEDGER_BALANCE_MAX);
	a->booked = after;
	return 0;
}

static void unbook(struct ledger_job *first, const struct ledger_job *end)
{
	for (struct ledger_job *job = first; job != end; job = job->next)
		if ((job->state == JOB_POST || job->state == JOB_EXPIRY) && job->rc == 0)
			job->hold->account->booked += job->record.price_nano;
}

/* ---- one job */

static void unfit(struct ledger *l, struct ledger_job *job, int rc)
{
	if (job->state == JOB_POST)
		job->state = JOB_UNFIT;
	job->rc = rc;
	count_up(&l->unpostable, 1);
}

static int post_answer(struct ledger *l, struct ledger_job *job, struct err *err)
{
	struct store_answer *a = job->answer;
	int rc;

	a->account_id = job->record.account_id;
	a->request_id = job->record.request_id;
	a->expires_ms = job->record.posted_ms + (int64_t)l->opts.answer_ttl_s * 1000;
	rc = store_answer_put(l->store, a, err);
	return rc == ERR_EXISTS ? 0 : rc; /* another answer is kept under that key: no reason not to charge */
}

/* The rows of one job. Its own failure is returned; what the transaction holds of it is then to be undone. */
static int job_rows(struct ledger *l, struct ledger_job *job, struct err *err)
{
	int rc = book(job, err);

	if (rc < 0)
		return rc;
	rc = post_record(l, &job->record, job->provider, err);
	if (rc == 0 && job->answer)
		rc = post_answer(l, job, err);
	if (rc == ERR_EXISTS && job->record.id == 0) { /* L4: the request was charged before; nothing was posted */
		job->hold->account->booked += job->record.price_nano;
		job->rc = ERR_EXISTS;
		return 0;
	}
	if (rc < 0)
		job->hold->account->booked += job->record.price_nano;
	return rc;
}

static int job_post(struct ledger *l, struct ledger_job *job, struct err *err)
{
	if (job->state == JOB_LATE) {
		job->rc = ERR_EXISTS;
		return 0;
	}
	if (job->rc < 0 && job->rc != ERR_EXISTS) /* unfit */
		return post_unpostable(l, &job->record, job->rc, "the books refuse it; its hold is kept", err);
	job->rc = post_check(&job->record, job->provider, err);
	if (job->rc < 0) {
		unfit(l, job, job->rc);
		return post_unpostable(l, &job->record, job->rc, err->msg, err);
	}
	return job_rows(l, job, err);
}

/* ---- the batch */

/* Posts the first jobs, up to *ret_end. ERR_... with *ret_end the job that can't be posted, or the store's failure. */
static int jobs_post(struct ledger *l, struct ledger_job **ret_end, unsigned *ret_n, struct err *err)
{
	struct ledger_job *job = l->pending;
	unsigned n = 0;
	int rc = 0;

	for (; job && n < l->opts.batch_max; job = job->next, n++) {
		rc = job_post(l, job, err);
		if (rc < 0)
			break;
	}
	*ret_end = job;
	*ret_n = n;
	return rc;
}

static void batch_undo(struct ledger *l, const struct ledger_job *end)
{
	store_books_abort(l->store);
	unbook(l->pending, end);
	if (l->payables_new)
		payables_forget(l);
}

/* One transaction of the first jobs. A job that is itself at fault is marked, and all begin anew without it. */
static int batch_commit(struct ledger *l, unsigned *ret_n, struct err *err)
{
	struct ledger_job *end;
	int rc;

	for (;;) {
		rc = store_books_begin(l->store, err);
		if (rc < 0)
			return rc;
		rc = jobs_post(l, &end, ret_n, err);
		if (rc == 0)
			break;
		batch_undo(l, end);
		if (!post_error_is_own(rc) || !end || end->rc < 0)
			return rc;
		unfit(l, end, rc);
	}
	rc = store_books_commit(l->store, err);
	if (rc < 0)
		batch_undo(l, end);
	else
		l->payables_new = false;
	return rc;
}

/* Nothing was charged: what the settlement took is given back. */
static void price_give_back(struct ledger_job *job)
{
	account_give(job->hold->account, job->record.price_nano);
}

static void job_committed(struct ledger *l, struct ledger_job *job)
{
	if (job->answer) /* the key: answered from the store now, or free again */
		claim_forget(l, job->hold->account->id, job->answer->key);
	if (job->rc == 0) {
		count_up(&l->records, 1);
		count_up(&l->source[job->record.source], 1);
	} else if (job->state != JOB_LATE && job->record.price_nano > 0) {
		price_give_back(job);
	}
	if (job->state == JOB_EXPIRY) {
		if (job->rc == 0 || job->rc == ERR_EXISTS)
			hold_expiry_posted(l, job->hold);
		free(job); /* first member of its struct expiry_job */
	} else {
		count_up(&l->jobs_ended, 1);
		lane_add_job(l, job);
	}
}

static void batch_hand_over(struct ledger *l, unsigned n)
{
	l->n_pending -= n;
	while (n-- > 0) {
		struct ledger_job *job = l->pending;

		l->pending = job->next;
		job_committed(l, job);
	}
	if (!l->pending)
		l->pending_tail = &l->pending;
}

int batch_post(struct ledger *l, struct err *err)
{
	uint64_t start_ns = clock_mono_ns(), took_ns;
	unsigned n;
	int rc = batch_commit(l, &n, err);

	if (rc < 0)
		return rc;
	took_ns = clock_mono_ns() - start_ns;
	count_up(&l->batches, 1);
	count_up(&l->commit_ns_sum, took_ns);
	if (took_ns > count_of(&l->commit_ns_max))
		atomic_store_explicit(&l->commit_ns_max, took_ns, memory_order_relaxed);
	batch_hand_over(l, n);
	l->to_roll_up = true;
	l->not_rolled_up += n;
	l->to_checkpoint = true;
	l->committed_ms = (start_ns + took_ns) / 1000000;
	return 0;
}
