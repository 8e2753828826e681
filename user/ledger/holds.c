/* Holds: taken from the balance by one compare-and-swap (L1), kept in a slot of the mapped file (slots.h).
 *
 * Free slots lie in a pool; each lane keeps some at hand, so that lanes meet on the pool's lock once per chunk. */
#include "ledger/internal.h"

#include "base/clock.h"

#include <assert.h>
#include <stdio.h>

#define CHUNK_MAX 64u

uint64_t coarse_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

int holds_init(struct ledger *l, struct err *err)
{
	uint32_t n = l->slots.count;

	l->holds = calloc(n, sizeof(*l->holds));
	l->deadline_ms = calloc(n, sizeof(*l->deadline_ms));
	if (!l->holds || !l->deadline_ms)
		return err_set(err, ERR_NOMEM, "out of memory for %u holds", n);
	l->chunk = n / (l->opts.lanes * 8);
	l->chunk = l->chunk < 1 ? 1 : l->chunk > CHUNK_MAX ? CHUNK_MAX : l->chunk;
	for (uint32_t i = n; i-- > 0;) {
		l->holds[i].slot = &l->slots.at[i];
		l->holds[i].next_free = l->pool;
		l->pool = &l->holds[i];
	}
	return 0;
}

void holds_done(struct ledger *l)
{
	free(l->holds);
	free((void *)l->deadline_ms);
}

static uint32_t hold_index(const struct ledger *l, const struct ledger_hold *h)
{
	return (uint32_t)(h - l->holds);
}

/* ---- free slots */

static void used_raise(struct ledger *l, uint32_t n)
{
	uint32_t old = atomic_load_explicit(&l->holds_used, memory_order_relaxed);

	while (old < n && !atomic_compare_exchange_weak(&l->holds_used, &old, n))
		;
}

static void lane_refill(struct ledger *l, struct ledger_lane *lane)
{
	uint32_t highest = 0;

	pthread_mutex_lock(&l->pool_lock);
	while (l->pool && lane->n_free < l->chunk) {
		struct ledger_hold *h = l->pool;

		l->pool = h->next_free;
		h->next_free = lane->free;
		lane->free = h;
		lane->n_free++;
		if (hold_index(l, h) >= highest)
			highest = hold_index(l, h) + 1;
	}
	pthread_mutex_unlock(&l->pool_lock);
	used_raise(l, highest);
}

static void lane_give_back(struct ledger *l, struct ledger_lane *lane)
{
	pthread_mutex_lock(&l->pool_lock);
	while (lane->n_free > l->chunk) {
		struct ledger_hold *h = lane->free;

		lane->free = h->next_free;
		lane->n_free--;
		h->next_free = l->pool;
		l->pool = h;
	}
	pthread_mutex_unlock(&l->pool_lock);
}

static struct ledger_hold *hold_grab(struct ledger *l, struct ledger_lane *lane)
{
	struct ledger_hold *h;

	if (!lane->free)
		lane_refill(l, lane);
	h = lane->free;
	if (h) {
		lane->free = h->next_free;
		lane->n_free--;
	}
	return h;
}

void hold_free(struct ledger *l, struct ledger_hold *h)
{
	struct ledger_lane *lane = &l->lanes[h->lane];

	atomic_store_explicit(&h->slot->word, SLOT_WORD(h->generation, SLOT_FREE), memory_order_release);
	h->next_free = lane->free;
	lane->free = h;
	lane->n_free++;
	count_up(&lane->freed, 1);
	if (lane->n_free > 2 * l->chunk)
		lane_give_back(l, lane);
}

static void hold_free_to_pool(struct ledger *l, struct ledger_hold *h)
{
	atomic_store_explicit(&h->slot->word, SLOT_WORD(h->generation, SLOT_FREE), memory_order_release);
	pthread_mutex_lock(&l->pool_lock);
	h->next_free = l->pool;
	l->pool = h;
	pthread_mutex_unlock(&l->pool_lock);
	count_up(&l->freed, 1);
}

/* ---- balance */

/* L1 */
static bool balance_take(struct ledger_account *a, int64_t amount)
{
	int64_t old = atomic_load_explicit(&a->available, memory_order_relaxed);

	do
		if (old < amount)
			return false;
	while (!atomic_compare_exchange_weak_explicit(&a->available, &old, old - amount, memory_order_relaxed,
						      memory_order_relaxed));
	atomic_fetch_add_explicit(&a->held, amount, memory_order_relaxed);
	atomic_fetch_add_explicit(&a->holds, 1, memory_order_relaxed);
	return true;
}

/* The hold ends at `price`. */
static void balance_end(struct ledger_account *a, int64_t amount, int64_t price)
{
	account_give(a, amount - (price < 0 ? 0 : price)); /* a negative one is refused when it is posted */
	atomic_fetch_sub_explicit(&a->held, amount, memory_order_relaxed);
	atomic_fetch_sub_explicit(&a->holds, 1, memory_order_relaxed);
}

/* ---- a hold's life */

/* All but the state word. */
static void slot_write(struct slot *s, const struct ledger_account *a, const struct ledger_hold_terms *t)
{
	struct slot_identity id = {.route = (uint16_t)t->route,
				   .idempotent = t->idempotent,
				   .account_id = a->id,
				   .amount_nano = t->amount_nano,
				   .admitted_ms = t->admitted_ms,
				   .expires_ms = t->expires_ms};

	memcpy(id.request_id, t->request_id.b, sizeof(id.request_id));
	memcpy(id.key_id, t->key_id, strnlen(t->key_id, sizeof(id.key_id) - 1));
	slot_identity_seal(&id);
	/* H1: the compiler may not move these before the store that freed the slot. A killed process leaves a prefix of
	 * its stores in program order; no other barrier is needed. */
	atomic_signal_fence(memory_order_seq_cst);
	slot_identity_put(s, &id);
	atomic_store_explicit(&s->phase, 0, memory_order_relaxed);
	atomic_store_explicit(&s->rule_id, 0, memory_order_relaxed);
	atomic_store_explicit(&s->input_estimate, 0, memory_order_relaxed);
	atomic_store_explicit(&s->delivered, 0, memory_order_relaxed);
	atomic_store_explicit(&s->reports, 0, memory_order_relaxed);
}

static int refuse_unavailable(struct ledger *l, struct ledger_lane *lane, struct err *err)
{
	int rc;

	count_up(&lane->refused, 1);
	pthread_mutex_lock(&l->why_lock);
	rc = err_set(err, ERR_BUSY, "the ledger can't post at present: %s", l->why);
	pthread_mutex_unlock(&l->why_lock);
	return rc;
}

int ledger_hold_take(struct ledger *l, unsigned lane_index, struct ledger_account *a, const struct ledger_hold_terms *t,
		     struct ledger_hold **ret, struct err *err)
{
	struct ledger_lane *lane = &l->lanes[lane_index];
	int64_t life_ms = t->expires_ms - t->admitted_ms;
	struct ledger_hold *h;

	assert(lane_index < l->opts.lanes);
	if (!atomic_load_explicit(&l->available, memory_order_relaxed)) /* L6 */
		return refuse_unavailable(l, lane, err);
	if (t->amount_nano < 0)
		return err_set(err, ERR_INVAL, "a hold of %lld", (long long)t->amount_nano);
	if (!balance_take(a, t->amount_nano)) {
		count_up(&lane->refused, 1);
		return err_set(err, ERR_FULL, "the balance doesn't allow it");
	}
	h = hold_grab(l, lane);
	if (!h) {
		balance_end(a, t->amount_nano, 0);
		count_up(&lane->refused, 1);
		return err_set(err, ERR_BUSY, "all %u holds are taken", l->slots.count);
	}
	h->account = a;
	h->amount = t->amount_nano;
	h->lane = lane_index;
	atomic_store_explicit(&h->let_go, 0, memory_order_relaxed);
	h->generation = SLOT_GENERATION_OF(atomic_load_explicit(&h->slot->word, memory_order_relaxed)) + 1;
	slot_write(h->slot, a, t);
	/* By the monotonic clock: a step of the wall clock ends no call. */
	atomic_store_explicit(&l->deadline_ms[hold_index(l, h)],
			      coarse_ms() + (uint64_t)(life_ms > 0 ? life_ms : 0) + 1, memory_order_relaxed);
	atomic_store_explicit(&h->slot->word, SLOT_WORD(h->generation, SLOT_OPEN), memory_order_release);
	count_up(&lane->taken, 1);
	*ret = h;
	return 0;
}

void ledger_hold_forwarded(struct ledger_hold *h, const struct price_rule *rule, uint64_t input_tokens_estimate,
			   bool stream)
{
	/* What another deployment reported, whose answer nobody got, isn't this one's. */
	atomic_store_explicit(&h->slot->reports, 0, memory_order_relaxed);
	atomic_store_explicit(&h->slot->delivered, 0, memory_order_relaxed);
	atomic_store_explicit(&h->slot->rule_id, rule->id, memory_order_relaxed);
	atomic_store_explicit(&h->slot->input_estimate, input_tokens_estimate, memory_order_relaxed);
	atomic_store_explicit(&h->slot->phase, SLOT_FORWARDED | (stream ? SLOT_STREAM : 0), memory_order_release);
}

void ledger_hold_delivered(struct ledger_hold *h, uint64_t output_tokens_estimate)
{
	atomic_store_explicit(&h->slot->delivered, output_tokens_estimate, memory_order_release);
}

void ledger_hold_reported(struct ledger_hold *h, const struct usage *u)
{
	slot_usage_put(h->slot, u);
}

/* The one way out of OPEN. */
static bool hold_leave(struct ledger_hold *h, uint32_t generation, enum slot_state to)
{
	uint32_t open = SLOT_WORD(generation, SLOT_OPEN);

	return atomic_compare_exchange_strong_explicit(&h->slot->word, &open, SLOT_WORD(generation, to),
						       memory_order_acq_rel, memory_order_acquire);
}

static void deadline_clear(struct ledger *l, struct ledger_hold *h)
{
	atomic_store_explicit(&l->deadline_ms[hold_index(l, h)], 0, memory_order_relaxed);
}

static void record_write(struct ledger_hold *h, const struct usage_record *r)
{
	struct slot *s = h->slot;

	slot_usage_put(s, &r->usage);
	atomic_store_explicit(&s->rule_id, r->rule_id, memory_order_relaxed);
	s->flags = (uint16_t)r->flags;
	s->status = (uint16_t)r->status;
	s->cost_nano = r->cost_nano;
	s->price_nano = r->price_nano;
	s->bytes = r->bytes;
	s->latency_us = r->latency_us;
	s->source = (uint8_t)r->source;
	atomic_store_explicit(&s->word, SLOT_WORD(h->generation, SLOT_SETTLING), memory_order_release);
}

static void job_push(struct ledger *l, struct ledger_job *job)
{
	struct ledger_job *head = atomic_load_explicit(&l->jobs, memory_order_relaxed);

	do
		job->next = head;
	while (!atomic_compare_exchange_weak(&l->jobs, &head, job));
	/* The thread says that it sleeps before it looks at the queue for the last time: one of the two sees the other.
	 */
	if (!head && atomic_load(&l->sleeping))
		writer_wake(l);
}

void ledger_settle(struct ledger *l, struct ledger_hold *h, struct ledger_job *job)
{
	struct ledger_lane *lane = &l->lanes[h->lane];

	job->hold = h;
	job->lane = h->lane;
	job->rc = 0;
	job->settled_ns = clock_mono_ns();
	job->record.account_id = h->account->id;
	job->record.hold_nano = h->amount;
	if (hold_leave(h, h->generation, SLOT_CLOSING)) {
		deadline_clear(l, h);
		job->state = JOB_POST;
		record_write(h, &job->record);
		balance_end(h->account, h->amount, job->record.price_nano);
	} else {
		job->state = JOB_LATE; /* the ledger thread gave the amount back */
	}
	count_up(&lane->settled, 1);
	job_push(l, job);
}

void ledger_hold_void(struct ledger *l, struct ledger_hold *h)
{
	struct ledger_lane *lane = &l->lanes[h->lane];

	if (!hold_leave(h, h->generation, SLOT_VOID)) {
		hold_let_go(l, h);
		return;
	}
	deadline_clear(l, h);
	balance_end(h->account, h->amount, 0);
	count_up(&lane->voided, 1);
	hold_free(l, h);
}

/* ---- expiry */

void hold_let_go(struct ledger *l, struct ledger_hold *h)
{
	if (atomic_fetch_or(&h->let_go, LET_GO_WORKER) & LET_GO_LEDGER)
		hold_free(l, h);
}

void hold_expiry_posted(struct ledger *l, struct ledger_hold *h)
{
	if (atomic_fetch_or(&h->let_go, LET_GO_LEDGER) & LET_GO_WORKER)
		hold_free_to_pool(l, h);
}

/* The record that an expired hold gets: what was delivered by then is charged, as R2 to R4 would after a crash. */
struct expiry_job {
	struct ledger_job job;
	struct resolution resolution;
};

/* `word`: the slot's, seen OPEN. Resolved before, so that a store which fails leaves the hold open; and again once it
 * is ours, for what was delivered in between. */
static int expire_one(struct ledger *l, uint32_t i, uint32_t word)
{
	struct ledger_hold *h = &l->holds[i];
	struct slot_identity id;
	struct resolution now;
	struct expiry_job *e = calloc(1, sizeof(*e));
	int rc = e ? 0 : ERR_NOMEM;

	if (rc == 0 && slot_identity_get(h->slot, &id))
		rc = slot_resolve(l, h->slot, &id, false, &e->resolution, NULL);
	if (rc < 0 || !hold_leave(h, SLOT_GENERATION_OF(word), SLOT_EXPIRED)) { /* or its worker was faster */
		free(e);
		return rc;
	}
	deadline_clear(l, h);
	slot_identity_get(h->slot, &id);
	if (slot_resolve(l, h->slot, &id, false, &now, NULL) == 0)
		e->resolution = now;
	e->job.hold = h;
	e->job.lane = h->lane;
	e->job.state = JOB_EXPIRY;
	e->job.settled_ns = clock_mono_ns();
	e->job.record = e->resolution.record;
	e->job.record.flags |= USAGE_FLAG_EXPIRED;
	e->job.provider = e->resolution.provider;
	balance_end(h->account, h->amount, e->job.record.price_nano);
	count_up(&l->expired, 1);
	writer_pend(l, &e->job);
	return 0;
}

void holds_expire(struct ledger *l)
{
	uint32_t used = atomic_load_explicit(&l->holds_used, memory_order_relaxed);
	uint64_t now_ms = coarse_ms();

	if (!l->store)
		return;
	for (uint32_t i = 0; i < used; i++) {
		uint64_t deadline = atomic_load_explicit(&l->deadline_ms[i], memory_order_relaxed);
		uint32_t word;

		if (!deadline || deadline > now_ms)
			continue;
		/* Once more, in this order: the deadline seen is then the one of that take, or of a later one. */
		word = atomic_load_explicit(&l->slots.at[i].word, memory_order_acquire);
		deadline = atomic_load_explicit(&l->deadline_ms[i], memory_order_relaxed);
		if (SLOT_STATE_OF(word) == SLOT_OPEN && deadline && deadline <= now_ms && expire_one(l, i, word) < 0)
			return;
	}
}

/* ---- listing */

static bool view_of(const struct slot *s, struct ledger_hold_view *v)
{
	uint32_t state = SLOT_STATE_OF(atomic_load_explicit(&s->word, memory_order_acquire));
	uint32_t phase = atomic_load_explicit(&s->phase, memory_order_relaxed);
	struct slot_identity id;

	if (state != SLOT_OPEN && state != SLOT_CLOSING && state != SLOT_SETTLING)
		return false;
	if (!slot_identity_get(s, &id)) /* ended, and being taken again, while we looked */
		return false;
	memcpy(v->request_id.b, id.request_id, sizeof(id.request_id));
	memcpy(v->key_id, id.key_id, sizeof(v->key_id));
	v->account_id = id.account_id;
	v->amount_nano = id.amount_nano;
	v->admitted_ms = id.admitted_ms;
	v->expires_ms = id.expires_ms;
	v->forwarded = phase & SLOT_FORWARDED;
	v->stream = phase & SLOT_STREAM;
	v->reported = atomic_load_explicit(&s->reports, memory_order_relaxed) != 0;
	v->delivered_tokens = atomic_load_explicit(&s->delivered, memory_order_relaxed);
	return true;
}

static int by_age(const void *a, const void *b)
{
	const struct ledger_hold_view *x = a, *y = b;

	return x->admitted_ms < y->admitted_ms ? -1 : x->admitted_ms > y->admitted_ms;
}

size_t ledger_holds(struct ledger *l, struct ledger_hold_view *ret, size_t n)
{
	uint32_t used = atomic_load_explicit(&l->holds_used, memory_order_relaxed);
	_cleanup_(freep) struct ledger_hold_view *all = used ? malloc(used * sizeof(*all)) : NULL;
	size_t found = 0;

	if (!all)
		return 0;
	for (uint32_t i = 0; i < used; i++)
		found += view_of(&l->slots.at[i], &all[found]);
	qsort(all, found, sizeof(*all), by_age);
	if (found < n)
		n = found;
	memcpy(ret, all, n * sizeof(*all));
	return n;
}
