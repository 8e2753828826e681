/* Goal: the breaker does what its invariants say, B1 to B6, on any path. Method: random walks from seeds, beside a
 * reference that is as naive as can be: it keeps every outcome in a list and counts anew each time. A failure names its
 * seed. */
#include "guard/breaker.h"

#include <criterion/criterion.h>
#include <string.h>

#define SEC 1000000000ull
#define OUTCOMES_MAX 4096
#define OPEN_CALLS_MAX 64
#define STEPS 3000
#define SEEDS 300

struct naive {
	enum breaker_state state;
	enum breaker_force force;
	unsigned era; /* which stretch between two changes of state */
	struct {
		uint64_t at_ns;
		bool failed;
	} outcome[OUTCOMES_MAX];
	unsigned n_outcomes, consecutive, openings;
	uint64_t changed_ns, acts_ns, until_ns; /* acts_ns: force included */
	unsigned probing, proven;
};

struct call {
	struct breaker_ticket ticket;
	unsigned era;
	bool probe;
};

struct walk {
	uint64_t seed, random, t0_ns, now_ns;
	struct breaker b;
	struct breaker_rules r;
	struct naive n;
	struct call call[OPEN_CALLS_MAX];
	unsigned n_calls, failing; /* of 100 calls */
	unsigned changes[BREAKER_STATES];
};

static uint64_t draw(struct walk *w, uint64_t below)
{
	w->random ^= w->random << 13, w->random ^= w->random >> 7, w->random ^= w->random << 17;
	return (w->random * 0x2545f4914f6cdd1dull >> 16) % below;
}

static enum breaker_state acts(const struct naive *n)
{
	return n->force == BREAKER_FORCED_OPEN ? BREAKER_OPEN : n->force == BREAKER_AUTO ? n->state : BREAKER_CLOSED;
}

/* The window moves by a twelfth of itself at a time, counted from t0. */
static void window(const struct walk *w, unsigned *total, unsigned *failed)
{
	uint64_t width = w->r.window_ns / 12, now = (w->now_ns - w->t0_ns) / width;

	*total = *failed = 0;
	for (unsigned i = 0; i < w->n.n_outcomes; i++)
		if ((w->n.outcome[i].at_ns - w->t0_ns) / width + 12 > now) {
			++*total;
			*failed += w->n.outcome[i].failed;
		}
}

static void naive_go(struct walk *w, enum breaker_state to)
{
	struct naive *n = &w->n;

	n->state = to;
	n->era++;
	n->changed_ns = w->now_ns;
	n->probing = n->proven = 0;
	if (to == BREAKER_CLOSED)
		n->n_outcomes = n->consecutive = 0;
}

static void naive_open(struct walk *w)
{
	struct naive *n = &w->n;
	uint64_t t = w->r.open_ns;

	if (n->state == BREAKER_CLOSED && w->now_ns - n->changed_ns >= w->r.window_ns)
		n->openings = 0;
	for (unsigned i = 0; i < n->openings && t < w->r.open_max_ns; i++)
		t *= 2;
	n->openings++;
	n->until_ns = w->now_ns + (t < w->r.open_max_ns ? t : w->r.open_max_ns);
	naive_go(w, BREAKER_OPEN);
}

static bool naive_overdue(const struct walk *w)
{
	unsigned total, failed;

	window(w, &total, &failed);
	if (w->r.consecutive_failures && w->n.consecutive >= w->r.consecutive_failures)
		return true;
	return w->r.failure_rate_e4 && total >= w->r.min_requests &&
	       failed * 10000ull > total * 1ull * w->r.failure_rate_e4;
}

static bool naive_enter(struct walk *w, struct call *c)
{
	struct naive *n = &w->n;

	*c = (struct call){0};
	if (acts(n) == BREAKER_OPEN && (n->force != BREAKER_AUTO || w->now_ns < n->until_ns))
		return false;
	if (acts(n) == BREAKER_OPEN)
		naive_go(w, BREAKER_HALF_OPEN);
	if (acts(n) == BREAKER_HALF_OPEN) {
		if (n->proven >= w->r.probes) {
			naive_go(w, BREAKER_CLOSED);
		} else if (n->probing + n->proven >= w->r.probes) {
			return false;
		} else {
			n->probing++;
			c->probe = true;
		}
	}
	c->era = n->era;
	return true;
}

static void naive_leave(struct walk *w, struct call *c, enum breaker_outcome o)
{
	struct naive *n = &w->n;

	if (c->era != n->era) /* B3 */
		return;
	if (n->state == BREAKER_CLOSED && o != BREAKER_NEUTRAL) {
		cr_assert(n->n_outcomes < OUTCOMES_MAX);
		n->outcome[n->n_outcomes].at_ns = w->now_ns;
		n->outcome[n->n_outcomes++].failed = o == BREAKER_FAILURE;
		n->consecutive = o == BREAKER_FAILURE ? n->consecutive + 1 : 0;
		if (n->force == BREAKER_AUTO && naive_overdue(w))
			naive_open(w);
	} else if (n->state == BREAKER_HALF_OPEN && (c->probe || o != BREAKER_NEUTRAL)) {
		n->probing -= c->probe;
		n->proven += c->probe && o == BREAKER_SUCCESS;
		if (o == BREAKER_FAILURE)
			naive_open(w);
		else if (n->proven >= w->r.probes)
			naive_go(w, BREAKER_CLOSED);
	}
}

static void naive_force(struct walk *w, enum breaker_force f)
{
	struct naive *n = &w->n;

	if (n->state == BREAKER_CLOSED && w->now_ns - n->changed_ns >= w->r.window_ns)
		n->openings = 0;
	n->force = f;
	if (f == BREAKER_FORCED_CLOSED && n->state != BREAKER_CLOSED)
		naive_go(w, BREAKER_CLOSED);
	if (f == BREAKER_FORCED_OPEN && n->state == BREAKER_HALF_OPEN) {
		naive_go(w, BREAKER_OPEN);
		n->until_ns = w->now_ns;
	}
	if (f == BREAKER_AUTO && n->state == BREAKER_CLOSED && naive_overdue(w))
		naive_open(w);
}

/* ---- both side by side */

static void same_change(struct walk *w, const char *what, enum breaker_state before, bool said,
			const struct breaker_change *c)
{
	enum breaker_state after = acts(&w->n);

	cr_assert_eq(said, before != after, "seed %lu: %s: said %d, %d -> %d", w->seed, what, said, before, after);
	cr_assert_eq(c->from != c->to, said, "seed %lu: %s", w->seed, what);
	if (said) {
		cr_assert(c->from == before && c->to == after, "seed %lu: %s: %d -> %d, reference %d -> %d", w->seed,
			  what, c->from, c->to, before, after);
		w->changes[after]++;
		w->n.acts_ns = w->now_ns;
	}
}

static void same_view(struct walk *w)
{
	struct breaker_view v;
	unsigned total, failed;

	breaker_look(&w->b, &w->r, w->now_ns, &v);
	window(w, &total, &failed);
	cr_assert_eq(v.state, acts(&w->n), "seed %lu: state %d, reference %d", w->seed, v.state, acts(&w->n));
	cr_assert_eq(v.force, w->n.force, "seed %lu", w->seed);
	cr_assert(v.total == total && v.failed == failed, "seed %lu: window %u/%u, reference %u/%u", w->seed, v.failed,
		  v.total, failed, total);
	cr_assert_eq(v.consecutive, w->n.consecutive, "seed %lu: %u in a row", w->seed, v.consecutive);
	cr_assert(v.probes_running == w->n.probing && v.probes_ok == w->n.proven, "seed %lu: probes", w->seed);
	cr_assert_eq(v.changed_ns, w->n.acts_ns, "seed %lu: changed", w->seed);
}

static void step_enter(struct walk *w)
{
	enum breaker_state before = acts(&w->n);
	struct breaker_ticket t;
	struct breaker_change c;
	struct call call;
	uint64_t blocked_ns = breaker_blocked_until(&w->b, w->now_ns);
	bool in, want;

	if (w->n_calls == OPEN_CALLS_MAX)
		return;
	in = breaker_enter(&w->b, &w->r, w->now_ns, &t, &c);
	want = naive_enter(w, &call);
	cr_assert_eq(in, want, "seed %lu: let through %d, reference %d", w->seed, in, want);
	cr_assert_eq(!blocked_ns, in, "seed %lu: blocked until %lu", w->seed, blocked_ns);
	if (before == BREAKER_OPEN && !in)
		cr_assert_eq(blocked_ns, w->n.force == BREAKER_AUTO ? w->n.until_ns : UINT64_MAX, "seed %lu", w->seed);
	same_change(w, "enter", before, c.from != c.to, &c);
	if (!in)
		return;
	cr_assert_eq(t.probe, call.probe, "seed %lu", w->seed);
	call.ticket = t;
	w->call[w->n_calls++] = call;
}

static void step_leave(struct walk *w)
{
	enum breaker_state before = acts(&w->n);
	enum breaker_outcome o = draw(w, 10) == 0            ? BREAKER_NEUTRAL
				 : draw(w, 100) < w->failing ? BREAKER_FAILURE
							     : BREAKER_SUCCESS;
	struct breaker_change c;
	struct call call;
	unsigned i;
	bool moved;

	if (!w->n_calls)
		return;
	i = (unsigned)draw(w, w->n_calls);
	call = w->call[i];
	w->call[i] = w->call[--w->n_calls];
	moved = breaker_leave(&w->b, &w->r, call.ticket, o, w->now_ns, &c);
	naive_leave(w, &call, o);
	same_change(w, "leave", before, moved, &c);
}

static void step_answering(struct walk *w)
{
	enum breaker_state before = acts(&w->n);
	struct breaker_change c;
	struct call *call;
	bool moved;

	if (!w->n_calls)
		return;
	call = &w->call[draw(w, w->n_calls)];
	moved = breaker_answering(&w->b, &w->r, &call->ticket, w->now_ns, &c);
	if (call->probe && call->era == w->n.era) {
		naive_leave(w, call, BREAKER_SUCCESS);
		*call = (struct call){.ticket = call->ticket, .era = w->n.era};
	}
	same_change(w, "answering", before, moved, &c);
}

static void step_force(struct walk *w)
{
	enum breaker_state before = acts(&w->n);
	enum breaker_force f = draw(w, 2) ? BREAKER_AUTO : (enum breaker_force)draw(w, BREAKER_FORCES);
	struct breaker_change c;
	bool moved = breaker_force_set(&w->b, &w->r, f, w->now_ns, &c);

	naive_force(w, f);
	same_change(w, "force", before, moved, &c);
}

/* A restart that takes no time: calls under way are gone, and so is the window. */
static void step_restart(struct walk *w)
{
	const int64_t wall_ms = 1795000000000;
	struct breaker_saved s;

	breaker_save(&w->b, w->now_ns, wall_ms, &s);
	breaker_done(&w->b);
	breaker_init(&w->b);
	breaker_restore(&w->b, &w->r, &s, w->now_ns, wall_ms);
	/* The reference's window has its origin; the new breaker takes now. All is on whole ms. */
	w->t0_ns = w->now_ns;
	w->n_calls = w->n.n_outcomes = w->n.consecutive = 0;
	w->n.era++;
	w->n.acts_ns = w->n.changed_ns;
	if (w->n.state == BREAKER_CLOSED && w->now_ns - w->n.changed_ns >= w->r.window_ns)
		w->n.openings = 0;
	if (w->n.state == BREAKER_HALF_OPEN) {
		w->n.state = BREAKER_OPEN;
		w->n.until_ns = w->now_ns;
		w->n.probing = w->n.proven = 0;
	}
	same_view(w);
}

static void step(struct walk *w)
{
	uint64_t what = draw(w, 1000);

	if (what < 400)
		step_enter(w);
	else if (what < 800)
		step_leave(w);
	else if (what < 830)
		step_answering(w);
	else if (what < 960)
		w->now_ns += draw(w, what < 940 ? 1000 : 70000) * 1000000;
	else if (what < 965)
		step_force(w);
	else if (what < 967)
		step_restart(w);
	else if (what < 975)
		w->failing = (unsigned)(draw(w, 3) ? draw(w, 100) : 100 * draw(w, 2));
	else if (what < 980 && !w->n.probing) /* changed under probes: test_breaker.c */
		w->r.probes = 1 + (unsigned)draw(w, 5);
	else
		same_view(w);
}

static void walk(struct walk *w, uint64_t seed)
{
	*w = (struct walk){.seed = seed, .random = seed * 0x9e3779b97f4a7c15ull, .now_ns = 86400 * SEC, .failing = 50};
	w->t0_ns = w->now_ns;
	w->r = BREAKER_RULES_DEFAULT;
	w->r.consecutive_failures = (unsigned)draw(w, 8);
	w->r.failure_rate_e4 = (unsigned)draw(w, 3) * 2500;
	w->r.min_requests = (unsigned)draw(w, 30);
	w->r.window_ns = (1 + draw(w, 60)) * 12 * SEC / 10;
	breaker_init(&w->b);
	same_view(w);
	for (unsigned i = 0; i < STEPS; i++)
		step(w);
	same_view(w);
	breaker_done(&w->b);
}

Test(breaker_model, random_walks, .timeout = 120)
{
	static struct walk w;
	unsigned long changes[BREAKER_STATES] = {0};

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		walk(&w, seed);
		for (unsigned s = 0; s < BREAKER_STATES; s++)
			changes[s] += w.changes[s];
	}
	for (unsigned s = 0; s < BREAKER_STATES; s++)
		cr_expect_gt(changes[s], SEEDS, "state %u only %lu times: the walks show nothing", s, changes[s]);
}
