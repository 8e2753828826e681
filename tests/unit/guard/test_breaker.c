/* Goal: the breaker's rules, each state and edge of its drawing. Method: rows of scripts in virtual time; an hour of a
 * provider that comes and goes; what a restart keeps. Random walks are in test_breaker_model.c, threads in
 * test_breaker_threads.c.
 *
 * A script's words:
 *   s f n x   a call that succeeds, fails, says nothing; one that is refused      s*4  four of them
 *   +30 +5ms  time goes on                                                         C O H  the state must be
 *   <a        a call named a begins; >as >af >an it ends; |a its answer begins
 *   !open !close !auto   force
 */
#include "guard/breaker.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define SEC 1000000000ull
#define T0 (7 * 86400 * SEC)

struct play {
	const char *name;
	struct breaker b;
	struct breaker_rules r;
	uint64_t now_ns;
	struct breaker_ticket named[26];
	unsigned opened;
	bool bad;
};

static enum breaker_outcome outcome_of(char c)
{
	return c == 's' ? BREAKER_SUCCESS : c == 'f' ? BREAKER_FAILURE : BREAKER_NEUTRAL;
}

static void seen(struct play *p, bool said, const struct breaker_change *c)
{
	struct breaker_view v;

	cr_expect_eq(said, c->from != c->to, "%s: said %d, change %d -> %d", p->name, said, c->from, c->to);
	if (c->from == c->to)
		return;
	breaker_look(&p->b, &p->r, p->now_ns, &v);
	cr_expect_eq(v.state, c->to, "%s", p->name);
	cr_expect_not_null(c->why, "%s", p->name);
	p->opened += c->to == BREAKER_OPEN;
}

static bool begin(struct play *p, struct breaker_ticket *t)
{
	struct breaker_change c;
	uint64_t blocked_ns = breaker_blocked_until(&p->b, p->now_ns);
	bool in = breaker_enter(&p->b, &p->r, p->now_ns, t, &c);

	/* With other rules the gate is behind by one call; it must not stay so. */
	if (!in && !blocked_ns)
		blocked_ns = breaker_blocked_until(&p->b, p->now_ns);
	cr_expect_eq(in, !blocked_ns, "%s: let through %d, blocked until %llu", p->name, in,
		     (unsigned long long)blocked_ns);
	seen(p, c.from != c.to, &c);
	return in;
}

static void end(struct play *p, struct breaker_ticket t, char how)
{
	struct breaker_change c;
	bool moved = breaker_leave(&p->b, &p->r, t, outcome_of(how), p->now_ns, &c);

	seen(p, moved, &c);
}

static bool call(struct play *p, char how)
{
	struct breaker_ticket t;

	if (!begin(p, &t))
		return how == 'x';
	end(p, t, how);
	return how != 'x';
}

static bool force(struct play *p, const char *word)
{
	enum breaker_force f = !strcmp(word, "!open")    ? BREAKER_FORCED_OPEN
			       : !strcmp(word, "!close") ? BREAKER_FORCED_CLOSED
							 : BREAKER_AUTO;
	struct breaker_change c;
	bool moved = breaker_force_set(&p->b, &p->r, f, p->now_ns, &c);

	seen(p, moved, &c);
	return true;
}

static bool state_is(struct play *p, char want)
{
	struct breaker_view v;

	breaker_look(&p->b, &p->r, p->now_ns, &v);
	return "COH"[v.state] == want;
}

/* False: the word didn't do what it says. */
static bool word_play(struct play *p, const char *w)
{
	struct breaker_change c;
	unsigned n;

	switch (*w) {
	case '+':
		p->now_ns += strtoull(w + 1, NULL, 10) * (strstr(w, "ms") ? SEC / 1000 : SEC);
		return true;
	case 'C':
	case 'O':
	case 'H':
		return state_is(p, *w);
	case '<':
		return begin(p, &p->named[w[1] - 'a']);
	case '>':
		end(p, p->named[w[1] - 'a'], w[2]);
		return true;
	case '|':
		seen(p, breaker_answering(&p->b, &p->r, &p->named[w[1] - 'a'], p->now_ns, &c), &c);
		return true;
	case '!':
		return force(p, w);
	default:
		n = w[1] == '*' ? (unsigned)atoi(w + 2) : 1;
		while (n && call(p, *w))
			n--;
		return !n;
	}
}

static void play_start(struct play *p, const char *name)
{
	*p = (struct play){.name = name, .r = BREAKER_RULES_DEFAULT, .now_ns = T0};
	breaker_init(&p->b);
}

static void play(struct play *p, const char *script)
{
	char text[1024], *at = text, *w;

	snprintf(text, sizeof(text), "%s", script);
	while ((w = strsep(&at, " ")))
		if (*w && !word_play(p, w)) {
			cr_expect(false, "%s: at \"%s\", before \"%s\"", p->name, w, at ? at : "");
			return;
		}
}

struct row {
	const char *name, *script;
};

static void play_rows(const struct row *rows, size_t n, struct breaker_rules r)
{
	for (size_t i = 0; i < n; i++) {
		struct play p;

		play_start(&p, rows[i].name);
		p.r = r;
		play(&p, rows[i].script);
		breaker_done(&p.b);
	}
}

Test(breaker, scripts)
{
	static const struct row rows[] = {
		{"B1 closed lets everything through", "C s*1000 C n*10 C"},
		{"five in a row", "f*4 C f O x*100 O"},
		{"a success in between", "f*4 s f*4 s f*4 C f O"},
		{"B2 neutral neither counts nor breaks the row", "f*4 n*50 C f O"},
		{"B2 neutral alone never opens", "n*10000 C"},
		{"four and then idle for an hour", "f*4 +3600 C f O"},
		{"rate: 20 at 55 %", "s*7 f*4 s f*4 s f*2 C f O"},
		{"rate: at 50 % exactly it stays", "s f s f s f s f s f s f s f s f s f s f s f C"},
		{"rate: 19 are too few", "f*4 s f*4 s f*4 s f*3 s C"},
		{"rate: the 20th", "f*4 s f*4 s f*4 s f*3 s C f O"},
		{"rate: the 20th is a success, and still it is 80 %", "f*4 s f*4 s f*4 s f*4 C s O"},
		{"rate: neutral don't make up the 20", "f*4 s f*4 s n*20 f*4 s f*3 C"},
		{"window: failures slide out", "f*4 s f*4 s f*4 s +61 s*17 f*4 C"},
		{"window: what is 54 s old is in it", "f*4 s f*4 s f*4 s +54 s f f C f f O"},
		{"window: slides by and by", "f s f s f s +20 f s f s f s +20 f s f s f s +25 f*4 s C"},
		{"window: idle for a day", "f*4 s f*4 s f*4 s +86400 f*4 C f O"},
		{"open for 30 s", "f*5 +29999ms x O +1ms s H"},
		{"B1 three probes, not four", "f*5 +30 <a <b <c x*10 H >as x H >bs x H >cs C s*100"},
		{"the three one after the other", "f*5 +30 s H s H s C"},
		{"a probe fails", "f*5 +30 f O x +59999ms x +1ms s s s C"},
		{"the last of the probes fails", "f*5 +30 s s f O x"},
		{"B2 a neutral probe gives its place back", "f*5 +30 <a <b <c x >an H <d x >bs >cs H >ds C"},
		{"B2 neutral probes only: probing goes on", "f*5 +30 n*100 H s*3 C"},
		{"B3 late failures of before the opening", "<a <b <c f*5 +30 <d H >af >bf H >cf >ds s s C"},
		{"B3 late success of before the opening", "<a f*5 O >as O +30 >as s H"},
		{"B3 late ones after it closed again", "<a <b <c <d <e f*5 +30 s*3 C >af >bf >cf >df >ef C f*4 C f O"},
		{"B3 probes of an earlier half-open",
		 "f*5 +30 <a <b <c >af O >bs >cs O +60 <d <e <f x H >ds >es >fs C"},
		{"B3 a late probe that failed, after closing", "f*5 +30 <a <b s >as >bs C f*4 C"},
		{"closing forgets what was in the window", "f*4 s f*4 s f*4 s f*5 O +30 s*3 C f f f f s C"},
		{"B4 doubling while probes fail",
		 "f*5 +29 x +1 f +59 x +1 f +119 x +1 f +239 x +1 f +299 x +1 f +299 x +1 s*3 C"},
		{"B4 doubling while it comes and goes",
		 "f*5 +30 s*3 C +10 f*5 O +59 x +1 s*3 C +59 f*5 O +119 x +1 s*3 C"},
		{"B4 a window without opening resets", "f*5 +30 f +60 s*3 C +60 f*5 O +29 x +1 s H"},
		{"B4 just within", "f*5 +30 f +60 s*3 C +59999ms f*5 O +119 x +1 s H"},
		{"a probe under way", "f*5 +30 <a +3600 H s s H >as C"},
		{"an answer that has begun is a probe's success", "f*5 +30 <a <b <c |a |b H |c C s*100 >as >bs >cs C"},
		{"and the stream that breaks then", "f*5 +30 <a <b |a H >af O x"},
		{"and one that ends well gives no second place back", "f*5 +30 <a |a >as <b <c x H >bs >cs C"},
		{"and one that closed it counts in the new window", "f*5 +30 s s <a |a C f*4 C >af O"},
		{"answers of calls that are no probes", "<a |a >as f*4 <b |b C >bf O"},
		{"answers of probes that are history", "f*5 +30 <a f O |a >as O"},
	};

	play_rows(rows, ARRAY_SIZE(rows), BREAKER_RULES_DEFAULT);
}

Test(breaker, forced)
{
	static const struct row rows[] = {
		{"B5 open lets nothing through, ever", "!open O x +86400 x O !auto C s"},
		{"B5 closed lets everything through", "!close C f*1000 C f +86400 f C"},
		{"B5 and is judged when taken back", "!close f*5 C !auto O +29 x +1 s H"},
		{"B5 rate likewise", "!close f*4 s f*4 s f*4 s f*4 s f C !auto O"},
		{"B5 seen and forgiven", "!close f*50 s +61 !auto C f*4 C f O"},
		{"B5 late outcomes under forced open", "<a <b <c <d <e !open >af >bf >cf >df O >ef O !auto O +30 s H"},
		{"B5 late ones that are well", "<a f*4 !open >as !auto C f*4 C f O"},
		{"B5 closing an open one", "f*5 x !close C s f*4 s !auto C f*4 C f O"},
		{"B5 the reset: close and auto", "f*5 x !close !auto C s*10"},
		{"B5 forced open while open: its time goes on", "f*5 !open +29 !auto O x +1 s H"},
		{"B5 forced open while open, time over", "f*5 !open +3000 x !auto O s H s s C"},
		{"B5 half-open and forced open: probed anew",
		 "f*5 +30 <a <b <c !open x >as >bf !auto O <d <e <f x H >cs H >ds >es >fs C"},
		{"B5 half-open and forced closed", "f*5 +30 <a <b !close C s >af >bf !auto C f*4 C"},
		{"from closed to open", "!close f*7 !open O x !auto O"},
		{"from open to closed", "!open x !close C s !auto C"},
		{"twice the same", "!open !open O !close !close C !auto !auto C s"},
		{"B4 a force in between doesn't keep doubling alive",
		 "f*5 +30 s*3 C +50 !open +20 !auto C f*5 O +29 x +1 s H"},
	};

	play_rows(rows, ARRAY_SIZE(rows), BREAKER_RULES_DEFAULT);
}

Test(breaker, other_rules)
{
	static const struct {
		struct row row;
		struct breaker_rules r;
	} rows[] = {
		{{"no rule in a row", "f*19 C f O"}, {0, 5000, 20, 60 * SEC, SEC, SEC, 1}},
		{{"no rate", "f*4 s f*4 s f*4 s f*4 s f*4 s C f*5 O"}, {5, 0, 20, 60 * SEC, SEC, SEC, 1}},
		{{"no rule at all", "f*1000 C"}, {0, 0, 0, 60 * SEC, SEC, SEC, 1}},
		{{"the first failure", "s C f O +1 s C"}, {1, 0, 0, 60 * SEC, SEC, SEC, 1}},
		{{"the rate from the first call on", "s*3 f f C f f O"}, {0, 5000, 0, 60 * SEC, SEC, SEC, 1}},
		{{"100 % can't be exceeded", "f*100 C"}, {0, 10000, 1, 60 * SEC, SEC, SEC, 1}},
		{{"open_max below open", "f +1 s C"}, {1, 0, 0, 60 * SEC, 30 * SEC, SEC, 1}},
		{{"no probes counts as one", "f +1 <a x >as C"}, {1, 0, 0, 60 * SEC, SEC, SEC, 0}},
		{{"a window of nothing", "f +1 s C f O +1 s C"}, {1, 5000, 1, 0, SEC, SEC, 1}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		play_rows(&rows[i].row, 1, rows[i].r);
}

/* A reload may change the rules at any time. */
Test(breaker, rules_changed_under_way)
{
	struct play p;

	play_start(&p, "fewer probes, all of them done");
	play(&p, "f*5 +30 s s H");
	p.r.probes = 2;
	play(&p, "s C");
	breaker_done(&p.b);

	play_start(&p, "fewer probes, more are under way");
	play(&p, "f*5 +30 <a <b <c");
	p.r.probes = 1;
	play(&p, "x H >an H x >bs C >cf C");
	breaker_done(&p.b);

	play_start(&p, "fewer probes, so many are under way, and the gate was open");
	play(&p, "f*5 +30 <a <b");
	p.r.probes = 2;
	play(&p, "x x H >as x >bs C");
	breaker_done(&p.b);

	play_start(&p, "more probes");
	play(&p, "f*5 +30 <a <b <c x >as");
	p.r.probes = 5;
	play(&p, ">bs <d <e x >cs >ds H >es C");
	breaker_done(&p.b);

	play_start(&p, "another window starts anew");
	play(&p, "f*4 s f*4 s f*4 s f*3 s");
	p.r.window_ns = 120 * SEC;
	play(&p, "f*4 C f O");
	breaker_done(&p.b);
}

/* What is told of an opening. */
Test(breaker, change)
{
	struct breaker_change c = {0};
	struct breaker_ticket t;
	struct play p;

	play_start(&p, "change");
	play(&p, "s*3 f*4");
	cr_assert(begin(&p, &t));
	cr_assert(breaker_leave(&p.b, &p.r, t, BREAKER_FAILURE, p.now_ns, &c));
	cr_expect_eq(c.from, BREAKER_CLOSED);
	cr_expect_eq(c.to, BREAKER_OPEN);
	cr_expect_str_eq(c.why, "failures in a row");
	cr_expect(c.consecutive == 5 && c.total == 8 && c.failed == 5);
	cr_expect_eq(c.open_ns, 30 * SEC);
	cr_expect_eq(breaker_blocked_until(&p.b, p.now_ns), T0 + 30 * SEC);
	breaker_force_set(&p.b, &p.r, BREAKER_FORCED_OPEN, p.now_ns, &c);
	cr_expect_eq(breaker_blocked_until(&p.b, p.now_ns), UINT64_MAX);
	cr_expect_eq(c.from, c.to, "it was open, it is open");
	breaker_done(&p.b);
}

/* A provider that works for `up` and fails for `down` seconds, a call each 100 ms, for an hour. */
static unsigned flap(unsigned up, unsigned down, unsigned *ret_refused, unsigned *ret_failed)
{
	struct play p;
	unsigned opened;

	*ret_refused = *ret_failed = 0;
	play_start(&p, "flapping");
	for (; p.now_ns < T0 + 3600 * SEC; p.now_ns += SEC / 10) {
		bool ok = (p.now_ns - T0) / SEC % (up + down) < up;
		struct breaker_ticket t;

		if (!begin(&p, &t)) {
			++*ret_refused;
			continue;
		}
		*ret_failed += !ok;
		end(&p, t, ok ? 's' : 'f');
	}
	opened = p.opened;
	breaker_done(&p.b);
	return opened;
}

/* B4: at 30 s a time it would open 90 times and more. */
Test(breaker, flapping_provider)
{
	unsigned refused, failed, opened = flap(10, 10, &refused, &failed);

	/* 30 + 60 + 120 + 240 s, then 300 s each. */
	cr_expect_leq(opened, 4 + (3600 - 450) / 300 + 1, "%u times", opened);
	cr_expect_geq(opened, 5, "%u times: the test shows nothing", opened);
	/* An opening costs 5 failed calls at most, or 3 probes. */
	cr_expect_leq(failed, 5 * opened, "%u failed calls", failed);

	opened = flap(3600, 0, &refused, &failed);
	cr_expect(!opened && !refused && !failed);
	opened = flap(0, 3600, &refused, &failed);
	cr_expect_leq(failed, 5 + 3 * 15, "%u calls to a provider that is down for an hour", failed);
	/* Now and then is no flapping: each time it is let off after 30 s. */
	opened = flap(300, 5, &refused, &failed);
	cr_expect_geq(opened, 11);
	cr_expect_leq(refused, opened * 305);
}

/* ---- B6 */

Test(breaker, restart)
{
	static const struct {
		const char *name, *before;
		unsigned away_s, up_s; /* between; how long the machine has been up then */
		const char *after;
	} rows[] = {
		{"closed", "f*4", 5, 1000, "C f*4 C f O"},
		{"open, early", "f*5 O", 10, 1000, "O x +19 x +1 s H s s C"},
		{"open, its time over", "f*5 O", 31, 1000, "O s H"},
		{"open, the machine just booted", "f*5 O", 10, 1, "O x +19 x +1 s H"},
		{"half-open", "f*5 +30 <a <b", 1, 1000, "O <c <d <e x H"},
		{"B4 doubling goes on", "f*5 +30 f +60 f", 130, 1000, "O f O +239 x +1 s H"},
		{"B4 closed for less than a window", "f*5 +30 s*3 C", 20, 1000, "C f*5 O +59 x +1 s H"},
		{"B4 the same, just booted", "f*5 +30 s*3 C", 20, 3, "C f*5 O +59 x +1 s H"},
		{"B4 closed for longer", "f*5 +30 s*3 C", 61, 1000, "C f*5 O +29 x +1 s H"},
		{"B4 closed for longer, just booted", "f*5 +30 s*3 C", 61, 3, "C f*5 O +29 x +1 s H"},
		{"B5 forced open", "!open", 3600, 1000, "O x !auto C"},
		{"B5 forced open, open below it", "f*5 !open", 10, 1000, "O x !auto O +20 s H"},
		{"B5 forced closed", "f*5 !close", 3600, 1000, "C f*100 C !auto O"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const int64_t wall_ms = 1795000000123;
		struct breaker_saved saved;
		struct play p, q;

		play_start(&p, rows[i].name);
		play(&p, rows[i].before);
		breaker_save(&p.b, p.now_ns, wall_ms, &saved);
		play_start(&q, rows[i].name);
		q.now_ns = rows[i].up_s * SEC;
		breaker_restore(&q.b, &q.r, &saved, q.now_ns, wall_ms + rows[i].away_s * 1000ll);
		play(&q, rows[i].after);
		breaker_done(&p.b);
		breaker_done(&q.b);
	}
}

/* Whatever the store gives, it is a breaker afterwards, and one that isn't shut for longer than the rules say. */
Test(breaker, restores_anything)
{
	static const int64_t times[] = {INT64_MIN, -1, 0, 1, 1795000000000, 1795000030000, 1999000000000, INT64_MAX};
	const int64_t wall_ms = 1795000000000;

	for (unsigned state = 0; state < 5; state++)
		for (unsigned force = 0; force < 5; force++)
			for (size_t i = 0; i < ARRAY_SIZE(times) * ARRAY_SIZE(times); i++) {
				struct breaker_saved s = {
					.state = (enum breaker_state)state,
					.force = (enum breaker_force)force,
					.openings = i % 3 ? UINT32_MAX : 0,
					.changed_ms = times[i % ARRAY_SIZE(times)],
					.until_ms = times[i / ARRAY_SIZE(times)],
				};
				uint64_t until_ns;
				struct play p;

				play_start(&p, "anything");
				breaker_restore(&p.b, &p.r, &s, T0, wall_ms);
				until_ns = breaker_blocked_until(&p.b, T0);
				if (force == BREAKER_FORCED_OPEN)
					cr_expect_eq(until_ns, UINT64_MAX);
				else
					cr_expect_leq(until_ns, T0 + p.r.open_max_ns);
				p.now_ns = T0 + p.r.open_max_ns;
				if (force != BREAKER_FORCED_OPEN)
					play(&p, "s s s C");
				breaker_done(&p.b);
			}
}
