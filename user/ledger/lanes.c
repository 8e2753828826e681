/* What goes back to the workers: one list and one wake-up per lane and batch. */
#include "ledger/internal.h"

#include "base/clock.h"

int lanes_init(struct ledger *l, struct err *err)
{
	l->lanes = aligned_alloc(LEDGER_CACHE_LINE, l->opts.lanes * sizeof(*l->lanes));
	if (!l->lanes)
		return err_set(err, ERR_NOMEM, "out of memory");
	memset(l->lanes, 0, l->opts.lanes * sizeof(*l->lanes));
	for (unsigned i = 0; i < l->opts.lanes; i++) {
		struct ledger_lane *lane = &l->lanes[i];

		lane->ledger = l;
		pthread_mutex_init(&lane->lock, NULL);
		lane->done_tail = &lane->done;
		lane->decided_tail = &lane->decided;
		lane->batch_tail = &lane->batch;
		lane->claims_tail = &lane->claims;
	}
	return 0;
}

void lanes_done(struct ledger *l)
{
	if (!l->lanes)
		return;
	for (unsigned i = 0; i < l->opts.lanes; i++)
		pthread_mutex_destroy(&l->lanes[i].lock);
	free(l->lanes);
}

int ledger_lane_bind(struct ledger *l, unsigned lane, struct loop *loop, struct err *err)
{
	if (lane >= l->opts.lanes)
		return err_set(err, ERR_RANGE, "lane %u: there are %u", lane, l->opts.lanes);
	pthread_mutex_lock(&l->lanes[lane].lock);
	l->lanes[lane].loop = loop;
	pthread_mutex_unlock(&l->lanes[lane].lock);
	return 0;
}

/* ---- on the lane's loop */

/* The slot is free before the caller hears of it, so that it can take the next hold at once. */
static void job_end(struct ledger *l, struct ledger_job *job, uint64_t now_ns)
{
	if (job->state == JOB_LATE)
		hold_let_go(l, job->hold);
	else if (job->state != JOB_UNFIT) /* of an unfit one the slot is kept, for the next start */
		hold_free(l, job->hold);
	atomic_fetch_add_explicit(&l->held_ns_sum, now_ns - job->settled_ns, memory_order_relaxed);
	job->done(job, job->rc);
}

static void lane_hear(void *arg)
{
	struct ledger_lane *lane = arg;
	struct ledger_claim *claims;
	struct ledger_job *jobs;
	uint64_t now_ns = clock_mono_ns();

	pthread_mutex_lock(&lane->lock);
	jobs = lane->done;
	lane->done = NULL;
	lane->done_tail = &lane->done;
	claims = lane->decided;
	lane->decided = NULL;
	lane->decided_tail = &lane->decided;
	lane->told = false;
	pthread_mutex_unlock(&lane->lock);
	while (jobs) {
		struct ledger_job *job = jobs;

		jobs = job->next; /* done() may free it */
		job_end(lane->ledger, job, now_ns);
	}
	while (claims) {
		struct ledger_claim *c = claims;

		claims = c->next;
		c->decided(c, c->rc);
	}
}

/* ---- on the ledger thread */

void lane_add_job(struct ledger *l, struct ledger_job *job)
{
	struct ledger_lane *lane = &l->lanes[job->lane];

	job->next = NULL;
	*lane->batch_tail = job;
	lane->batch_tail = &job->next;
}

void lane_add_claim(struct ledger *l, struct ledger_claim *c)
{
	struct ledger_lane *lane = &l->lanes[c->lane];

	c->next = NULL;
	*lane->claims_tail = c;
	lane->claims_tail = &c->next;
}

/* True: the loop has to be told. */
static bool lane_hand_over(struct ledger_lane *lane)
{
	bool tell;

	pthread_mutex_lock(&lane->lock);
	if (lane->batch) {
		*lane->done_tail = lane->batch;
		lane->done_tail = lane->batch_tail;
	}
	if (lane->claims) {
		*lane->decided_tail = lane->claims;
		lane->decided_tail = lane->claims_tail;
	}
	tell = !lane->told;
	lane->told = true;
	pthread_mutex_unlock(&lane->lock);
	lane->batch = NULL;
	lane->batch_tail = &lane->batch;
	lane->claims = NULL;
	lane->claims_tail = &lane->claims;
	return tell;
}

static bool lane_post(struct ledger_lane *lane)
{
	struct loop *loop;

	pthread_mutex_lock(&lane->lock);
	loop = lane->loop;
	pthread_mutex_unlock(&lane->lock);
	return loop && loop_post(loop, lane_hear, lane) == 0;
}

bool lanes_tell(struct ledger *l)
{
	bool owed = false;

	for (unsigned i = 0; i < l->opts.lanes; i++) {
		struct ledger_lane *lane = &l->lanes[i];

		if ((lane->batch || lane->claims) && lane_hand_over(lane))
			lane->owed = true;
		if (lane->owed)
			lane->owed = !lane_post(lane);
		owed |= lane->owed;
	}
	return owed;
}
