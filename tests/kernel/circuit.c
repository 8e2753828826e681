/* Goal: while a route's word lies in the future, its requests get the route's own 503 with the time left, in the
 * dialect of their path; nothing else changes (Q4). Method: real sockets in SYN_RECV in the test's own namespace, their
 * sequence numbers in built frames; the word is set as the daemon sets it, through shared memory.
 */
#include "gate.h"

#include "tollgate/route.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "tollgate.skel.h"
#pragma GCC diagnostic pop

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "tg_live_0123456789abcdef0123456789abcdef"
#define KEY_SUBJECT 7
#define TENANT_SUBJECT 5
#define SECOND 1000000000ull
#define POST(path, header) "POST " path " HTTP/1.1\r\nHost: h\r\n" header "Content-Length: 2\r\n\r\n{}"
#define BEARER "Authorization: Bearer " KEY "\r\n"
#define CHAT POST("/v1/chat/completions", BEARER)

#define ANSWER TG_VERDICT_ANSWER
#define PASS TG_VERDICT_PASS
#define SHADOW TG_VERDICT_SHADOW
#define R(x) TG_REASON_##x
#define ROUTE(x) TG_ROUTE_##x

static void setup(void)
{
	gate_setup();
	gate.subjects[KEY_SUBJECT].incarnation = 3;
	gate.subjects[TENANT_SUBJECT].incarnation = 4;
	gate_learn(KEY, KEY_SUBJECT, TENANT_SUBJECT);
}

TestSuite(circuit, .init = setup, .fini = gate_teardown);

static void open_for(unsigned route, uint64_t ns)
{
	gate.routes[route].open_until_ns = gate_now_ns() + ns;
}

/* One request on a new connection; ret->out ends in NUL. */
static void ask(enum gate_hook hook, bool v6, const char *request, int verdict, int reason, const char *what,
		struct seen *ret)
{
	struct spec spec;
	struct conn c;
	struct frame f;

	conn_open(&c, v6, true);
	spec = conn_segment(&c, request);
	frame_build(&f, &spec);
	gate_expect(hook, &f, verdict, reason, what, ret);
	ret->out[ret->out_len] = 0;
	conn_close(&c);
}

static const char *text_of(const struct seen *s, bool v6)
{
	return (const char *)s->out + (v6 ? 86 : 66);
}

static long number(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	cr_assert_not_null(p, "%s in %s", name, text);
	return strtol(p + strlen(name) + 1, NULL, 10);
}

/* Every path that leads to a provider, in each dialect's manners. `open`: the route said to be out of order. */
static const struct path_case {
	const char *request;
	unsigned open;
	int dialect; /* of the answer; -1: passes */
} paths[] = {
	{CHAT, ROUTE(CHAT_COMPLETIONS), TG_DIALECT_OPENAI},
	{POST("/v1/chat/completions?x=y", BEARER), ROUTE(CHAT_COMPLETIONS), TG_DIALECT_OPENAI},
	{POST("/v1/responses", BEARER), ROUTE(RESPONSES), TG_DIALECT_OPENAI},
	{POST("/v1/embeddings", BEARER), ROUTE(EMBEDDINGS), TG_DIALECT_OPENAI},
	{POST("/v1/messages", "x-api-key: " KEY "\r\nanthropic-version: 2023-06-01\r\n"), ROUTE(MESSAGES),
	 TG_DIALECT_ANTHROPIC},
	{POST("/v1/messages", BEARER), ROUTE(MESSAGES), TG_DIALECT_ANTHROPIC},
	{POST("/v1/models/gemini-2.5-pro:generateContent", "x-goog-api-key: " KEY "\r\n"), ROUTE(GENERATE_CONTENT),
	 TG_DIALECT_GEMINI},
	{POST("/v1beta/models/m:streamGenerateContent?alt=sse", "x-goog-api-key: " KEY "\r\n"), ROUTE(GENERATE_CONTENT),
	 TG_DIALECT_GEMINI},
	{POST("/openai/deployments/d/chat/completions?api-version=2024-10-21", "api-key: " KEY "\r\n"),
	 ROUTE(CHAT_COMPLETIONS), TG_DIALECT_AZURE},
	{POST("/openai/deployments/d/embeddings?api-version=2024-10-21", "api-key: " KEY "\r\n"), ROUTE(EMBEDDINGS),
	 TG_DIALECT_AZURE},
	{POST("/openai/v1/chat/completions", "api-key: " KEY "\r\n"), ROUTE(CHAT_COMPLETIONS), TG_DIALECT_AZURE},
	{POST("/openai/v1/responses", "api-key: " KEY "\r\n"), ROUTE(RESPONSES), TG_DIALECT_AZURE},
	/* another route's circuit is nobody's business */
	{CHAT, ROUTE(MESSAGES), -1},
	{POST("/v1/messages", BEARER), ROUTE(CHAT_COMPLETIONS), -1},
	{POST("/v1/responses", BEARER), ROUTE(CHAT_COMPLETIONS), -1},
	{"GET /v1/models HTTP/1.1\r\n" BEARER "\r\n", ROUTE(CHAT_COMPLETIONS), -1},
};

Test(circuit, every_path_in_its_dialect)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		for (int n = 0; n < 2 * GATE_HOOKS; n++) {
			const struct path_case *p = &paths[i];
			enum gate_hook hook = (enum gate_hook)(n / 2);
			bool v6 = n % 2;
			const char *why, *text;
			struct seen s;

			memset(gate.routes, 0, sizeof(*gate.routes) * TG_DIM_COUNT);
			open_for(p->open, 30 * SECOND);
			ask(hook, v6, p->request, p->dialect < 0 ? PASS : ANSWER,
			    p->dialect < 0 ? R(NONE) : R(CIRCUIT_OPEN), p->request, &s);
			if (p->dialect < 0)
				continue;
			text = text_of(&s, v6);
			cr_expect(frame_sums_right(s.out, s.out_len, &why), "%s: %s", p->request, why);
			cr_expect(strncmp(text, "HTTP/1.1 503 ", 13) == 0, "%s: %s", p->request, text);
			cr_expect_eq(number(text, "\"error\""),
				     (long)tg_answer_index((uint32_t)p->dialect, R(CIRCUIT_OPEN)), "%s: %s", p->request,
				     text);
			cr_expect_eq(number(text, "retry-after:"), 30, "%s: %s", p->request, text);
		}
	cr_expect_eq(gate_health().helper_failed, 0);
}

/* The word is a time: what is left of it is said, rounded up; from then on requests pass though nobody clears it. */
Test(circuit, time)
{
	static const struct {
		int64_t left_ns;
		long ms; /* at most, and less by what the test takes */
	} rows[] = {
		{-(int64_t)SECOND, 0},
		{-1, 0},
		{(int64_t)SECOND * 30, 30000},
		{(int64_t)SECOND * 299 + 1, 299001},
		{(int64_t)SECOND * 1000000, 999999999}, /* more digits than there are places for */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int hook = 0; hook < GATE_HOOKS; hook++) {
			struct seen s;
			long ms;

			gate.routes[ROUTE(CHAT_COMPLETIONS)].open_until_ns = gate_now_ns() + (uint64_t)rows[i].left_ns;
			ask((enum gate_hook)hook, false, CHAT, rows[i].ms ? ANSWER : PASS,
			    rows[i].ms ? R(CIRCUIT_OPEN) : R(NONE), "time", &s);
			if (!rows[i].ms)
				continue;
			ms = number(text_of(&s, false), "retry-after-ms:");
			cr_expect(ms <= rows[i].ms && ms > rows[i].ms - 10000, "row %zu: %ld", i, ms);
			cr_expect_eq(number(text_of(&s, false), "retry-after:"),
				     (ms + 999) / 1000 > 999999 ? 999999 : (ms + 999) / 1000);
		}
	gate.routes[ROUTE(CHAT_COMPLETIONS)].open_until_ns = 0;
	for (int hook = 0; hook < GATE_HOOKS; hook++) {
		struct seen s;

		ask((enum gate_hook)hook, false, CHAT, PASS, R(NONE), "cleared", &s);
	}
}

/* What comes before the circuit, and what doesn't. */
enum arrangement {
	NOTHING,
	KEY_OFF,
	KEY_BAD,
	TENANT_OFF,
	OVER_LIMIT,
	OVER_LIMIT_IN_SHADOW,
	SHADOW_ALL,
	SHADOW_ALL_OVER_LIMIT,
	NO_ANSWERS,
	NO_TEMPLATE,
	STALE,
};
static const struct order_case {
	const char *name;
	enum arrangement a;
	const char *request;
	int verdict, reason;
} orders[] = {
	{"nothing else", NOTHING, CHAT, ANSWER, R(CIRCUIT_OPEN)},
	{"a disabled key learns only that", KEY_OFF, CHAT, ANSWER, R(KEY_DISABLED)},
	{"a blocked key likewise", KEY_BAD, CHAT, ANSWER, R(KEY_BLOCKED)},
	{"a disabled tenant likewise", TENANT_OFF, CHAT, ANSWER, R(TENANT_DISABLED)},
	{"before the limits", OVER_LIMIT, CHAT, ANSWER, R(CIRCUIT_OPEN)},
	{"and before one in shadow mode", OVER_LIMIT_IN_SHADOW, CHAT, ANSWER, R(CIRCUIT_OPEN)},
	{"shadow mode of all passes", SHADOW_ALL, CHAT, SHADOW, R(CIRCUIT_OPEN)},
	{"and counts the circuit", SHADOW_ALL_OVER_LIMIT, CHAT, SHADOW, R(CIRCUIT_OPEN)},
	{"no answers wanted", NO_ANSWERS, CHAT, PASS, R(CIRCUIT_OPEN)},
	{"no template", NO_TEMPLATE, CHAT, PASS, R(CIRCUIT_OPEN)},
	{"an unknown key is the daemon's to refuse", NOTHING, POST("/v1/chat/completions", "x-api-key: other\r\n"),
	 PASS, R(UNKNOWN_KEY)},
	{"a stale key likewise", STALE, CHAT, PASS, R(UNKNOWN_KEY)},
	{"no key", NOTHING, POST("/v1/chat/completions", ""), PASS, R(NO_KEY)},
	{"wrong method", NOTHING, "GET /v1/chat/completions HTTP/1.1\r\n" BEARER "\r\n", PASS, R(UNKNOWN_ROUTE)},
	{"no route", NOTHING, POST("/v1/chat", BEARER), PASS, R(UNKNOWN_ROUTE)},
	{"ambiguous", NOTHING, POST("/v1/chat/completions", BEARER "x-api-key: " KEY "\r\n"), PASS, R(HEAD_AMBIGUOUS)},
};

static void arrange(enum arrangement a)
{
	struct tg_policy p = gate_policy_default();
	uint32_t none = tg_answer_index(TG_DIALECT_OPENAI, R(CIRCUIT_OPEN));
	struct tg_answer empty = {0};
	bool limited = a == OVER_LIMIT || a == OVER_LIMIT_IN_SHADOW || a == SHADOW_ALL_OVER_LIMIT;

	gate_answers();
	gate.subjects[KEY_SUBJECT] = (struct tg_subject){.incarnation = a == STALE ? 4 : 3,
							 .flags = a == KEY_OFF   ? TG_SUBJECT_DISABLED
								  : a == KEY_BAD ? TG_SUBJECT_BLOCKED
										 : 0};
	gate.subjects[TENANT_SUBJECT] =
		(struct tg_subject){.incarnation = 4, .flags = a == TENANT_OFF ? TG_SUBJECT_DISABLED : 0};
	*gate_rate(KEY_SUBJECT, TG_DIM_REQUESTS) = (struct tg_rate){0};
	if (limited) {
		*gate_rate(KEY_SUBJECT, TG_DIM_REQUESTS) =
			rate_of(10, 60 * SECOND, a == OVER_LIMIT_IN_SHADOW ? TG_RATE_SHADOW : 0);
		gate_exhaust(KEY_SUBJECT, TG_DIM_REQUESTS);
	}
	if (a == SHADOW_ALL || a == SHADOW_ALL_OVER_LIMIT)
		p.flags |= TG_POLICY_SHADOW;
	if (a == NO_ANSWERS)
		p.flags &= ~TG_POLICY_ANSWER;
	gate_policy(&p);
	if (a == NO_TEMPLATE)
		cr_assert(bpf_map__update_elem(gate.skel->maps.tg_answers, &none, sizeof(none), &empty, sizeof(empty),
					       BPF_ANY) == 0);
}

Test(circuit, order_and_counts)
{
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		for (int hook = 0; hook < GATE_HOOKS; hook++) {
			const struct order_case *o = &orders[i];
			uint64_t tat = gate.buckets[KEY_SUBJECT].tat_ns[TG_DIM_REQUESTS];
			struct tg_slot_stat before = gate_slot(KEY_SUBJECT), after;
			struct seen s;

			arrange(o->a);
			open_for(ROUTE(CHAT_COMPLETIONS), 30 * SECOND);
			tat = gate.buckets[KEY_SUBJECT].tat_ns[TG_DIM_REQUESTS];
			ask((enum gate_hook)hook, false, o->request, o->verdict, o->reason, o->name, &s);
			after = gate_slot(KEY_SUBJECT);
			cr_expect_eq(after.answered - before.answered, o->verdict == ANSWER, "%s", o->name);
			cr_expect_eq(after.shadowed - before.shadowed, o->verdict == SHADOW, "%s", o->name);
			cr_expect_eq(gate.buckets[KEY_SUBJECT].tat_ns[TG_DIM_REQUESTS], tat,
				     "%s: a bucket was touched (Q2)", o->name);
		}
}

static int take_event(void *arg, void *data, size_t len)
{
	cr_assert_eq(len, sizeof(struct tg_event));
	memcpy(arg, data, len);
	return 0;
}

Test(circuit, sampled)
{
	struct tg_event e = {0};
	struct ring_buffer *ring = ring_buffer__new(bpf_map__fd(gate.skel->maps.tg_events), take_event, &e, NULL);
	struct seen s;

	cr_assert_not_null(ring);
	open_for(ROUTE(MESSAGES), 5 * SECOND);
	ask(GATE_XDP, false, POST("/v1/messages", BEARER), ANSWER, R(CIRCUIT_OPEN), "sampled", &s);
	cr_assert_eq(ring_buffer__consume(ring), 1);
	cr_expect_eq(e.verdict, ANSWER);
	cr_expect_eq(e.reason, R(CIRCUIT_OPEN));
	cr_expect_eq(e.route, ROUTE(MESSAGES));
	cr_expect_eq(e.subject, KEY_SUBJECT);
	ring_buffer__free(ring);
}

/* A refused flow stays refused: the same bytes again when its request is repeated, though the circuit has closed. */
Test(circuit, closes_between_two_looks_at_a_flow)
{
	struct seen first, again;
	struct spec spec;
	struct conn c;
	struct frame f;

	open_for(ROUTE(CHAT_COMPLETIONS), 30 * SECOND);
	conn_open(&c, false, true);
	spec = conn_segment(&c, CHAT);
	frame_build(&f, &spec);
	gate_expect(GATE_XDP, &f, ANSWER, R(CIRCUIT_OPEN), "first", &first);
	gate.routes[ROUTE(CHAT_COMPLETIONS)].open_until_ns = 0;
	gate_run(GATE_XDP, f.b, f.len, &again);
	cr_expect_eq(again.verdict, TG_VERDICT_ABSORB);
	cr_expect_eq(again.reason, R(FLOW_RETRANSMIT));
	cr_assert_eq(again.out_len, first.out_len);
	cr_expect_arr_eq(again.out, first.out, first.out_len);
	conn_close(&c);
	ask(GATE_XDP, false, CHAT, PASS, R(NONE), "a new flow", &again);
}
