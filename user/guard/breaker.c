#include "guard/breaker.h"

#include <assert.h>

/* `gate`: what is let through, and above it the epoch of the tickets, so that both are read at once. */
enum gate {
	GATE_PASS,  /* everything */
	GATE_WAIT,  /* nothing before until_ns, then a probe */
	GATE_PROBE, /* there are places for probes */
	GATE_FULL,  /* all probes are under way */
	GATE_SHUT,  /* forced open */
};
#define GATE_BITS 3u
#define EPOCH_MASK (UINT32_MAX >> GATE_BITS)
#define OPENINGS_MAX 64u /* doubled so often, any time is at its maximum */

static uint64_t since(uint64_t then_ns, uint64_t now_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0; /* another thread's clock may have been read later */
}

static unsigned probes_of(const struct breaker_rules *r)
{
	return r->probes ? r->probes : 1;
}

static enum breaker_state effective(const struct breaker *b)
{
	switch (b->force) {
	case BREAKER_FORCED_OPEN:
		return BREAKER_OPEN;
	case BREAKER_FORCED_CLOSED:
		return BREAKER_CLOSED;
	default:
		return b->state;
	}
}

/* ---- the window: BREAKER_BUCKETS stretches, the last of them under way; sums are kept along */

static void window_clear(struct breaker *b)
{
	for (unsigned i = 0; i < BREAKER_BUCKETS; i++)
		b->bucket[i].total = b->bucket[i].failed = 0;
	b->total = b->failed = 0;
}

static void window_start(struct breaker *b, uint64_t width_ns, uint64_t now_ns)
{
	window_clear(b);
	b->width_ns = width_ns;
	b->at = 0;
	b->at_end_ns = now_ns + width_ns;
}

/* What has left the window is forgotten. A window of another length starts anew. */
static void window_slide(struct breaker *b, const struct breaker_rules *r, uint64_t now_ns)
{
	uint64_t width_ns = r->window_ns / BREAKER_BUCKETS, steps;

	if (!width_ns)
		width_ns = 1;
	if (b->width_ns != width_ns) {
		window_start(b, width_ns, now_ns);
		return;
	}
	if (now_ns < b->at_end_ns)
		return;
	steps = (now_ns - b->at_end_ns) / width_ns + 1;
	b->at_end_ns += steps * width_ns;
	if (steps >= BREAKER_BUCKETS) {
		window_clear(b);
		return;
	}
	while (steps--) {
		b->at = (b->at + 1) % BREAKER_BUCKETS;
		b->total -= b->bucket[b->at].total;
		b->failed -= b->bucket[b->at].failed;
		b->bucket[b->at].total = b->bucket[b->at].failed = 0;
	}
}

static void window_count(struct breaker *b, bool failed)
{
	if (b->total == UINT32_MAX)
		return;
	b->total++;
	b->bucket[b->at].total++;
	b->failed += failed;
	b->bucket[b->at].failed += failed;
}

/* ---- state; everything below is under the lock */

/* A window without opening (B4). */
static void openings_forget(struct breaker *b, const struct breaker_rules *r, uint64_t now_ns)
{
	if (b->openings && b->state == BREAKER_CLOSED && since(b->changed_ns, now_ns) >= r->window_ns)
		b->openings = 0;
}

static uint64_t open_time(const struct breaker_rules *r, unsigned openings)
{
	uint64_t t = r->open_ns;

	while (--openings && t < r->open_max_ns)
		t *= 2;
	return t < r->open_max_ns ? t : r->open_max_ns;
}

static void gate_set(struct breaker *b, const struct breaker_rules *r)
{
	enum gate g = GATE_PASS;

	if (b->force == BREAKER_FORCED_OPEN)
		g = GATE_SHUT;
	else if (b->force == BREAKER_AUTO && b->state == BREAKER_OPEN)
		g = GATE_WAIT;
	else if (b->force == BREAKER_AUTO && b->state == BREAKER_HALF_OPEN)
		g = b->probes_running + b->probes_ok < probes_of(r) ? GATE_PROBE : GATE_FULL;
	atomic_store_explicit(&b->gate, b->epoch << GATE_BITS | (unsigned)g, memory_order_release);
}

/* The one place that changes the state (the drawing in breaker.h). until_ns: of OPEN. The caller sets the gate. */
static void state_set(struct breaker *b, enum breaker_state to, uint64_t until_ns, uint64_t now_ns)
{
	b->state = to;
	b->epoch = (b->epoch + 1) & EPOCH_MASK;
	b->changed_ns = now_ns;
	b->probes_running = b->probes_ok = 0;
	/* Before the gate: who reads GATE_WAIT reads this time or a later opening's. */
	atomic_store_explicit(&b->until_ns, until_ns, memory_order_relaxed);
	if (to == BREAKER_CLOSED) {
		/* What led to the opening may still be in the window, and would open it again. */
		b->consecutive = 0;
		window_clear(b);
	}
}

static void open_now(struct breaker *b, const struct breaker_rules *r, uint64_t now_ns)
{
	openings_forget(b, r, now_ns);
	if (b->openings < OPENINGS_MAX)
		b->openings++;
	state_set(b, BREAKER_OPEN, now_ns + open_time(r, b->openings), now_ns);
}

static void change_note(struct breaker *b, enum breaker_state from, const char *why, uint64_t now_ns,
			struct breaker_change *ret)
{
	*ret = (struct breaker_change){.from = from, .to = effective(b), .why = why, .consecutive = b->consecutive};
	ret->total = b->total;
	ret->failed = b->failed;
	b->effective_ns = now_ns;
	if (ret->to == BREAKER_OPEN && b->force == BREAKER_AUTO)
		ret->open_ns = since(now_ns, atomic_load_explicit(&b->until_ns, memory_order_relaxed));
}

/* Why a closed circuit is to open; NULL = it isn't. */
static const char *overdue(const struct breaker *b, const struct breaker_rules *r)
{
	if (r->consecutive_failures && b->consecutive >= r->consecutive_failures)
		return "failures in a row";
	if (r->failure_rate_e4 && b->total && b->total >= r->min_requests &&
	    (uint64_t)b->failed * 10000 > (uint64_t)b->total * r->failure_rate_e4)
		return "failure rate";
	return NULL;
}

/* Half-open, with an outcome or another rule: are all probes through? */
static bool close_if_proven(struct breaker *b, const struct breaker_rules *r, uint64_t now_ns,
			    struct breaker_change *ret_change)
{
	if (b->probes_ok < probes_of(r))
		return false;
	state_set(b, BREAKER_CLOSED, 0, now_ns);
	change_note(b, BREAKER_HALF_OPEN, "probes succeeded", now_ns, ret_change);
	return true;
}

static bool judge_closed(struct breaker *b, const struct breaker_rules *r, enum breaker_outcome o, uint64_t now_ns,
			 struct breaker_change *ret_change)
{
	const char *why;

	if (o == BREAKER_NEUTRAL)
		return false;
	window_slide(b, r, now_ns);
	window_count(b, o == BREAKER_FAILURE);
	if (o == BREAKER_SUCCESS)
		b->consecutive = 0;
	else if (b->consecutive < UINT32_MAX)
		b->consecutive++;
	if (b->force != BREAKER_AUTO || !b->failed || !(why = overdue(b, r)))
		return false; /* B5: judged when the force is taken back */
	open_now(b, r, now_ns);
	change_note(b, BREAKER_CLOSED, why, now_ns, ret_change);
	return true;
}

static bool judge_probe(struct breaker *b, const struct breaker_rules *r, bool probe, enum breaker_outcome o,
			uint64_t now_ns, struct breaker_change *ret_change)
{
	if (o == BREAKER_FAILURE) {
		open_now(b, r, now_ns);
		change_note(b, BREAKER_HALF_OPEN, "a probe failed", now_ns, ret_change);
		return true;
	}
	if (probe) {
		assert(b->probes_running);
		b->probes_running--;
		b->probes_ok += o == BREAKER_SUCCESS;
	}
	return close_if_proven(b, r, now_ns, ret_change);
}

/* ---- */

void breaker_init(struct breaker *b)
{
	*b = (struct breaker){0};
	pthread_mutex_init(&b->lock, NULL); /* the default kind can't fail */
}

void breaker_done(struct breaker *b)
{
	pthread_mutex_destroy(&b->lock);
}

uint64_t breaker_blocked_until(const struct breaker *b, uint64_t now_ns)
{
	uint64_t until_ns;

	switch ((enum gate)(atomic_load_explicit(&b->gate, memory_order_acquire) & ((1u << GATE_BITS) - 1))) {
	case GATE_WAIT:
		until_ns = atomic_load_explicit(&b->until_ns, memory_order_relaxed);
		return now_ns < until_ns ? until_ns : 0;
	case GATE_FULL:
		return now_ns + 1;
	case GATE_SHUT:
		return UINT64_MAX;
	default:
		return 0;
	}
}

/* Not an open gate, and time may have come. Under the lock. */
static bool enter_slow(struct breaker *b, const struct breaker_rules *r, uint64_t now_ns, struct breaker_ticket *ret,
		       struct breaker_change *ret_change)
{
	bool probe = false;

	if (b->force == BREAKER_FORCED_OPEN)
		return false;
	if (b->state == BREAKER_OPEN) {
		if (now_ns < atomic_load_explicit(&b->until_ns, memory_order_relaxed))
			return false;
		state_set(b, BREAKER_HALF_OPEN, 0, now_ns);
		change_note(b, BREAKER_OPEN, "its time is over", now_ns, ret_change);
	}
	if (b->state == BREAKER_HALF_OPEN && !close_if_proven(b, r, now_ns, ret_change)) {
		if (b->probes_running + b->probes_ok >= probes_of(r)) {
			gate_set(b, r); /* there were places by the rules of before */
			return false;
		}
		b->probes_running++;
		probe = true;
	}
	gate_set(b, r);
	*ret = (struct breaker_ticket){.epoch = b->epoch, .probe = probe};
	return true;
}

bool breaker_enter(struct breaker *b, const struct breaker_rules *r, uint64_t now_ns, struct breaker_ticket *ret,
		   struct breaker_change *ret_change)
{
	unsigned gate = atomic_load_explicit(&b->gate, memory_order_acquire);
	bool entered;

	*ret_change = (struct breaker_change){0};
	if ((gate & ((1u << GATE_BITS) - 1)) == GATE_PASS) {
		*ret = (struct breaker_ticket){.epoch = gate >> GATE_BITS};
		return true;
	}
	if (breaker_blocked_until(b, now_ns))
		return false;
	pthread_mutex_lock(&b->lock);
	entered = enter_slow(b, r, now_ns, ret, ret_change);
	pthread_mutex_unlock(&b->lock);
	return entered;
}

bool breaker_answering(struct breaker *b, const struct breaker_rules *r, struct breaker_ticket *t, uint64_t now_ns,
		       struct breaker_change *ret_change)
{
	bool moved = false;

	*ret_change = (struct breaker_change){0};
	if (!t->probe)
		return false;
	pthread_mutex_lock(&b->lock);
	if (t->epoch == b->epoch) {
		moved = judge_probe(b, r, true, BREAKER_SUCCESS, now_ns, ret_change);
		gate_set(b, r);
		*t = (struct breaker_ticket){.epoch = b->epoch};
	}
	pthread_mutex_unlock(&b->lock);
	return moved;
}

bool breaker_leave(struct breaker *b, const struct breaker_rules *r, struct breaker_ticket t, enum breaker_outcome o,
		   uint64_t now_ns, struct breaker_change *ret_change)
{
	bool moved = false;

	*ret_change = (struct breaker_change){0};
	if (o == BREAKER_NEUTRAL && !t.probe)
		return false;
	pthread_mutex_lock(&b->lock);
	if (t.epoch == b->epoch) { /* B3 */
		if (b->state == BREAKER_CLOSED)
			moved = judge_closed(b, r, o, now_ns, ret_change);
		else if (b->state == BREAKER_HALF_OPEN)
			moved = judge_probe(b, r, t.probe, o, now_ns, ret_change);
		if (moved || t.probe)
			gate_set(b, r);
	}
	pthread_mutex_unlock(&b->lock);
	return moved;
}

static const char *const why_forced[BREAKER_FORCES] = {"the force was taken back", "forced open", "forced closed"};

bool breaker_force_set(struct breaker *b, const struct breaker_rules *r, enum breaker_force f, uint64_t now_ns,
		       struct breaker_change *ret_change)
{
	const char *why = why_forced[f], *due;
	enum breaker_state from;
	bool moved;

	assert((unsigned)f < BREAKER_FORCES);
	*ret_change = (struct breaker_change){0};
	pthread_mutex_lock(&b->lock);
	from = effective(b);
	openings_forget(b, r, now_ns);
	window_slide(b, r, now_ns);
	b->force = f;
	if (f == BREAKER_FORCED_CLOSED && b->state != BREAKER_CLOSED)
		state_set(b, BREAKER_CLOSED, 0, now_ns);
	/* Its probes are forgotten; when the force is taken back it is probed anew. */
	if (f == BREAKER_FORCED_OPEN && b->state == BREAKER_HALF_OPEN)
		state_set(b, BREAKER_OPEN, now_ns, now_ns);
	if (f == BREAKER_AUTO && b->state == BREAKER_CLOSED && (due = overdue(b, r))) {
		open_now(b, r, now_ns);
		why = due;
	}
	moved = effective(b) != from;
	if (moved)
		change_note(b, from, why, now_ns, ret_change);
	gate_set(b, r);
	pthread_mutex_unlock(&b->lock);
	return moved;
}

void breaker_look(struct breaker *b, const struct breaker_rules *r, uint64_t now_ns, struct breaker_view *ret)
{
	pthread_mutex_lock(&b->lock);
	openings_forget(b, r, now_ns);
	window_slide(b, r, now_ns);
	*ret = (struct breaker_view){
		.state = effective(b),
		.force = b->force,
		.consecutive = b->consecutive,
		.total = b->total,
		.failed = b->failed,
		.openings = b->openings,
		.probes_running = b->probes_running,
		.probes_ok = b->probes_ok,
		.changed_ns = b->effective_ns,
	};
	if (b->force == BREAKER_FORCED_OPEN)
		ret->until_ns = UINT64_MAX;
	else if (ret->state == BREAKER_OPEN)
		ret->until_ns = atomic_load_explicit(&b->until_ns, memory_order_relaxed);
	pthread_mutex_unlock(&b->lock);
}

/* ---- over a restart: monotonic times to Unix ones and back */

#define MS 1000000

/* then - now, on the other clock. Both differences are far below 2^63 ns. */
static int64_t to_ms(uint64_t then_ns, uint64_t now_ns, int64_t now_ms)
{
	if (then_ns >= now_ns)
		return now_ms + (int64_t)((then_ns - now_ns + MS - 1) / MS);
	return now_ms - (int64_t)((now_ns - then_ns) / MS);
}

void breaker_save(struct breaker *b, uint64_t now_ns, int64_t now_ms, struct breaker_saved *ret)
{
	uint64_t until_ns;

	pthread_mutex_lock(&b->lock);
	until_ns = atomic_load_explicit(&b->until_ns, memory_order_relaxed);
	*ret = (struct breaker_saved){
		.state = b->state,
		.force = b->force,
		.openings = b->openings,
		.changed_ms = to_ms(b->changed_ns, now_ns, now_ms),
		.until_ms = b->state == BREAKER_OPEN ? to_ms(until_ns, now_ns, now_ms) : 0,
	};
	pthread_mutex_unlock(&b->lock);
}

/* From `then_ms` to `later_ms` in ns, 0 when it lies the other way, at most max_ns. */
static uint64_t span_ns(int64_t then_ms, int64_t later_ms, uint64_t max_ns)
{
	uint64_t ms = later_ms > then_ms ? (uint64_t)later_ms - (uint64_t)then_ms : 0;

	return ms > max_ns / MS ? max_ns : ms * MS;
}

void breaker_restore(struct breaker *b, const struct breaker_rules *r, const struct breaker_saved *s, uint64_t now_ns,
		     int64_t now_ms)
{
	enum breaker_state state = (unsigned)s->state < BREAKER_STATES ? s->state : BREAKER_CLOSED;
	uint64_t age_ns = span_ns(s->changed_ms, now_ms, UINT64_MAX), until_ns = 0;

	pthread_mutex_lock(&b->lock);
	b->force = (unsigned)s->force < BREAKER_FORCES ? s->force : BREAKER_AUTO;
	if (b->force == BREAKER_FORCED_CLOSED)
		state = BREAKER_CLOSED;
	if (state == BREAKER_HALF_OPEN) {
		state = BREAKER_OPEN; /* its probes died with the process */
		until_ns = now_ns;
	} else if (state == BREAKER_OPEN) {
		until_ns = now_ns + span_ns(now_ms, s->until_ms, r->open_max_ns);
	}
	b->openings = s->openings < OPENINGS_MAX ? s->openings : OPENINGS_MAX;
	/* Here and not by changed_ns: the machine may have been up for less than that. */
	if (state == BREAKER_CLOSED && age_ns >= r->window_ns)
		b->openings = 0;
	window_clear(b);
	b->consecutive = 0;
	state_set(b, state, until_ns, now_ns);
	b->changed_ns = b->effective_ns = age_ns < now_ns ? now_ns - age_ns : 0;
	gate_set(b, r);
	pthread_mutex_unlock(&b->lock);
}
