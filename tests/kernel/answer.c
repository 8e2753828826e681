/* Goal: a refused request gets a right answer: verdict, reason, headers, digits, checksums; only where it is safe.
 * Method: real sockets in SYN_RECV or ESTABLISHED in the test's own namespace, their sequence numbers in built frames.
 */
#include "gate.h"

#include <criterion/criterion.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(answer, .init = gate_setup, .fini = gate_teardown);

#define KEY "tg_live_0123456789abcdef0123456789abcdef"
#define KEY_SUBJECT 7
#define TENANT_SUBJECT 5
#define MINUTE 60000000000ull
#define CHAT(header) "POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\n" header "Content-Length: 2\r\n\r\n{}"
#define CHAT_KEY CHAT("Authorization: Bearer " KEY "\r\n")

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void limit_key(uint32_t requests)
{
	gate.subjects[KEY_SUBJECT].incarnation = 3;
	gate.subjects[TENANT_SUBJECT].incarnation = 4;
	gate_learn(KEY, KEY_SUBJECT, TENANT_SUBJECT);
	*gate_rate(KEY_SUBJECT, TG_DIM_REQUESTS) = rate_of(requests, MINUTE, 0);
	gate_exhaust(KEY_SUBJECT, TG_DIM_REQUESTS);
}

/* The number after `name: `, which must be left-aligned and end in a blank or CR. */
static long field(const char *text, const char *name)
{
	const char *p = strstr(text, name);
	char *end;
	long v;

	cr_assert_not_null(p, "%s in %s", name, text);
	p += strlen(name) + 2;
	p += *p == ' ' && p[-1] == ' '; /* the template's evener */
	v = strtol(p, &end, 10);
	cr_assert(end > p && (*end == ' ' || *end == '\r'), "%s: %.20s", name, p);
	return v;
}

static void check_answer(enum gate_hook hook, const struct conn *c, const struct frame *f, struct seen *s, long limit)
{
	size_t l4 = f->l3 + (c->v6 ? 40u : 20u), len = 0;
	const uint8_t *tcp = s->out + l4;
	const char *why, *text = (const char *)tcp + 32;
	long wait_ms, wait_s;

	cr_assert(frame_sums_right(s->out, s->out_len, &why), "%s: %s", gate_hook_name[hook], why);
	cr_expect_arr_eq(s->out, f->b + 6, 6, "MAC addresses swapped");
	cr_expect_arr_eq(s->out + 6, f->b, 6, "MAC addresses swapped");
	cr_expect_arr_eq(s->out + 12, f->b + 12, f->l3 - 12, "tags kept");
	cr_expect_arr_eq(tcp, f->b + f->l4 + 2, 2, "source port");
	cr_expect_arr_eq(tcp + 2, f->b + f->l4, 2, "destination port");
	cr_expect_eq(get32(tcp + 4), c->ack);
	cr_expect_eq(get32(tcp + 8), c->seq + (uint32_t)(f->len - f->l4 - 32));
	cr_expect_eq(tcp[12], 0x80);
	cr_expect_eq(tcp[13], T_FIN | T_PSH | T_ACK);
	cr_expect_eq(get32(tcp + 20), 0x0101080a);
	cr_expect_eq(get32(tcp + 24), c->ts_ecr, "our time is what the client last saw");
	cr_expect_eq(get32(tcp + 28), c->ts_val, "the client's time comes back");
	len = s->out_len - l4 - 32;
	s->out[s->out_len] = 0;
	cr_assert(len > 100 && !memcmp(text, "HTTP/1.1 ", 9), "%.*s", (int)len, text);
	wait_ms = field(text, "retry-after-ms");
	wait_s = field(text, "retry-after");
	cr_expect(wait_s >= 1 && wait_s == (wait_ms + 999) / 1000, "%ld s, %ld ms", wait_s, wait_ms);
	cr_expect_eq(field(text, "limit-requests"), limit);
	cr_expect_eq(strspn(strstr(text, "req_nic_") + 8, "0123456789abcdef"), 16);
}

Test(answer, refused_in_syn_recv)
{
	struct conn c;
	struct frame f;
	struct seen s;

	limit_key(10);
	for (int v6 = 0; v6 < 2; v6++)
		for (unsigned vlans = 0; vlans < 3; vlans++)
			for (int hook = 0; hook < GATE_HOOKS; hook++) {
				struct spec spec;

				conn_open(&c, v6, true);
				spec = conn_segment(&c, CHAT_KEY);
				spec.vlans = vlans;
				frame_build(&f, &spec);
				gate_expect((enum gate_hook)hook, &f, TG_VERDICT_ANSWER, TG_REASON_KEY_REQUESTS,
					    "limited", &s);
				check_answer((enum gate_hook)hook, &c, &f, &s, 10);
				conn_close(&c);
			}
	cr_expect_eq(gate_slot(KEY_SUBJECT).answered, 12);
	cr_expect_eq(gate_slot(TENANT_SUBJECT).answered, 12);
	cr_expect_eq(gate_health().helper_failed, 0);
}

/* Each key header, each refusing dimension, each flag: verdict and reason. */
enum setup {
	NOTHING,
	GLOBAL,
	TENANT,
	KEY_REQ,
	KEY_TOK,
	ROUTE_GATEWAY,
	ROUTE_TENANT,
	ROUTE_KEY,
	DISABLED,
	BLOCKED,
	TENANT_OFF,
	SHADOW_KEY,
	SHADOW_ALL,
	NO_ANSWER,
	STALE_KEY,
	STALE_TENANT,
	WORST
};

static void arrange(enum setup s)
{
	struct tg_policy p = gate_policy_default();
	uint32_t route = TG_ROUTE_CHAT_COMPLETIONS, subject = 0;
	unsigned dim = TG_DIM_REQUESTS;
	bool exhaust = true;

	memset(gate.rates, 0, sizeof(*gate.rates) * 64);
	memset(gate.rates + TG_SUBJECTS_MAX, 0, sizeof(*gate.rates) * 64);
	memset(gate.buckets, 0, sizeof(*gate.buckets) * 64);
	gate.subjects[KEY_SUBJECT] = (struct tg_subject){.incarnation = 3};
	gate.subjects[TENANT_SUBJECT] = (struct tg_subject){.incarnation = 4};
	gate_learn(KEY, KEY_SUBJECT, TENANT_SUBJECT);
	switch (s) {
	case GLOBAL:
		subject = TG_SUBJECT_GATEWAY;
		break;
	case TENANT:
		subject = TENANT_SUBJECT;
		break;
	case KEY_TOK:
		subject = KEY_SUBJECT;
		dim = TG_DIM_TOKENS;
		break;
	case ROUTE_GATEWAY:
	case ROUTE_TENANT:
	case ROUTE_KEY:
		p.route_scope[route] = (uint8_t)(TG_ROUTE_SCOPE_GATEWAY + (s - ROUTE_GATEWAY));
		subject = s == ROUTE_GATEWAY ? TG_SUBJECT_GATEWAY : s == ROUTE_TENANT ? TENANT_SUBJECT : KEY_SUBJECT;
		dim = TG_DIM_ROUTE0 + route;
		break;
	case DISABLED:
	case BLOCKED:
		gate.subjects[KEY_SUBJECT].flags = s == DISABLED ? TG_SUBJECT_DISABLED : TG_SUBJECT_BLOCKED;
		exhaust = false;
		break;
	case TENANT_OFF:
		gate.subjects[TENANT_SUBJECT].flags = TG_SUBJECT_DISABLED;
		exhaust = false;
		break;
	case NOTHING:
		exhaust = false;
		break;
	default:
		subject = KEY_SUBJECT;
	}
	if (s == SHADOW_ALL)
		p.flags |= TG_POLICY_SHADOW;
	if (s == NO_ANSWER)
		p.flags &= ~TG_POLICY_ANSWER;
	gate_policy(&p);
	if (exhaust) {
		*gate_rate(subject, dim) = rate_of(60, MINUTE, s == SHADOW_KEY ? TG_RATE_SHADOW : 0);
		gate_exhaust(subject, dim);
	}
	if (s == WORST) { /* the tenant's wait is a hundred times the key's */
		*gate_rate(TENANT_SUBJECT, TG_DIM_REQUESTS) = rate_of(1, 100 * MINUTE, 0);
		gate_exhaust(TENANT_SUBJECT, TG_DIM_REQUESTS);
	}
	if (s == STALE_KEY)
		gate.subjects[KEY_SUBJECT].incarnation++;
	if (s == STALE_TENANT)
		gate.subjects[TENANT_SUBJECT].incarnation++;
}

#define ANSWER TG_VERDICT_ANSWER
#define PASS TG_VERDICT_PASS
#define SHADOW TG_VERDICT_SHADOW
#define R(x) TG_REASON_##x

static const struct verdict_case {
	const char *name;
	enum setup setup;
	const char *request;
	int verdict, reason;
} verdicts[] = {
	{"within limits", NOTHING, CHAT_KEY, PASS, R(NONE)},
	{"global", GLOBAL, CHAT_KEY, ANSWER, R(GLOBAL_REQUESTS)},
	{"tenant", TENANT, CHAT_KEY, ANSWER, R(TENANT_REQUESTS)},
	{"key, bearer", KEY_REQ, CHAT_KEY, ANSWER, R(KEY_REQUESTS)},
	{"key, bearer in other case", KEY_REQ, CHAT("AUTHORIZATION: bEARER " KEY "\r\n"), ANSWER, R(KEY_REQUESTS)},
	{"key, x-api-key", KEY_REQ, CHAT("X-API-Key: " KEY "\r\n"), ANSWER, R(KEY_REQUESTS)},
	{"key, x-api-key, no blank", KEY_REQ, CHAT("x-api-key:" KEY "\r\n"), ANSWER, R(KEY_REQUESTS)},
	{"key, api-key", KEY_REQ, CHAT("api-key: " KEY "\r\n"), ANSWER, R(KEY_REQUESTS)},
	{"key, x-goog-api-key", KEY_REQ, CHAT("x-goog-api-key: " KEY "\r\n"), ANSWER, R(KEY_REQUESTS)},
	{"key tokens", KEY_TOK, CHAT_KEY, ANSWER, R(KEY_TOKENS)},
	{"route, gateway", ROUTE_GATEWAY, CHAT_KEY, ANSWER, R(ROUTE_REQUESTS)},
	{"route, tenant", ROUTE_TENANT, CHAT_KEY, ANSWER, R(ROUTE_REQUESTS)},
	{"route, key", ROUTE_KEY, CHAT_KEY, ANSWER, R(ROUTE_REQUESTS)},
	{"another route's bucket", ROUTE_KEY, "POST /v1/embeddings HTTP/1.1\r\nAuthorization: Bearer " KEY "\r\n\r\n",
	 PASS, R(NONE)},
	{"the longest wait names the reason", WORST, CHAT_KEY, ANSWER, R(TENANT_REQUESTS)},
	{"disabled", DISABLED, CHAT_KEY, ANSWER, R(KEY_DISABLED)},
	{"blocked", BLOCKED, CHAT_KEY, ANSWER, R(KEY_BLOCKED)},
	{"tenant disabled", TENANT_OFF, CHAT_KEY, ANSWER, R(TENANT_DISABLED)},
	{"shadow of one limit", SHADOW_KEY, CHAT_KEY, SHADOW, R(KEY_REQUESTS)},
	{"shadow of all", SHADOW_ALL, CHAT_KEY, SHADOW, R(KEY_REQUESTS)},
	{"no answers wanted", NO_ANSWER, CHAT_KEY, PASS, R(KEY_REQUESTS)},
	{"stale key (Q3)", STALE_KEY, CHAT_KEY, PASS, R(UNKNOWN_KEY)},
	{"stale tenant (Q3)", STALE_TENANT, CHAT_KEY, PASS, R(UNKNOWN_KEY)},
	{"no key", KEY_REQ, CHAT(""), PASS, R(NO_KEY)},
	{"unknown key", KEY_REQ, CHAT("x-api-key: other\r\n"), PASS, R(UNKNOWN_KEY)},
	{"key with a tail", KEY_REQ, CHAT("x-api-key: " KEY "x\r\n"), PASS, R(UNKNOWN_KEY)},
	{"key with a blank after", KEY_REQ, CHAT("x-api-key: " KEY " \r\n"), PASS, R(UNKNOWN_KEY)},
	{"unknown route", KEY_REQ, "POST /v2/chat HTTP/1.1\r\nx-api-key: " KEY "\r\n\r\n", PASS, R(UNKNOWN_ROUTE)},
	{"wrong method", KEY_REQ, "GET /v1/chat/completions HTTP/1.1\r\nx-api-key: " KEY "\r\n\r\n", PASS,
	 R(UNKNOWN_ROUTE)},
	{"models", KEY_REQ, "GET /v1/models HTTP/1.1\r\nx-api-key: " KEY "\r\n\r\n", ANSWER, R(KEY_REQUESTS)},
	{"query", KEY_REQ, "GET /v1/models?a=b HTTP/1.1\r\nx-api-key: " KEY "\r\n\r\n", ANSWER, R(KEY_REQUESTS)},
	{"head goes on", KEY_REQ, "POST /v1/chat/completions HTTP/1.1\r\nx-api-key: " KEY "\r\nHos", PASS,
	 R(HEAD_INCOMPLETE)},
	{"head cut in the blank line", KEY_REQ, "GET /v1/models HTTP/1.1\r\nx-api-key: " KEY "\r\n\r", PASS,
	 R(HEAD_INCOMPLETE)},
	{"two keys", KEY_REQ, CHAT("x-api-key: " KEY "\r\nAuthorization: Bearer " KEY "\r\n"), PASS, R(HEAD_AMBIGUOUS)},
	{"two Authorization", KEY_REQ, CHAT("Authorization: Bearer a\r\nAuthorization: Bearer " KEY "\r\n"), PASS,
	 R(HEAD_AMBIGUOUS)},
	{"Basic", KEY_REQ, CHAT("Authorization: Basic abcd\r\n"), PASS, R(HEAD_AMBIGUOUS)},
	{"length and coding", KEY_REQ, CHAT("x-api-key: " KEY "\r\nTransfer-Encoding: chunked\r\n"), PASS,
	 R(HEAD_AMBIGUOUS)},
	{"coding alone", KEY_REQ,
	 "POST /v1/chat/completions HTTP/1.1\r\nx-api-key: " KEY "\r\nTransfer-Encoding: chunked\r\n\r\n", ANSWER,
	 R(KEY_REQUESTS)},
	{"expect", KEY_REQ, CHAT("x-api-key: " KEY "\r\nExpect: 100-continue\r\n"), ANSWER, R(KEY_REQUESTS)},
	{"two lengths", KEY_REQ, CHAT("x-api-key: " KEY "\r\nContent-Length: 2\r\n"), PASS, R(HEAD_AMBIGUOUS)},
	{"folded line", KEY_REQ, CHAT("x-api-key: " KEY "\r\n folded\r\n"), PASS, R(HEAD_AMBIGUOUS)},
	{"bare LF", KEY_REQ, CHAT("x-api-key: " KEY "\n"), PASS, R(HEAD_AMBIGUOUS)},
	{"pipelined bytes after", KEY_REQ, CHAT_KEY CHAT_KEY, ANSWER, R(KEY_REQUESTS)},
	{"not a method", KEY_REQ, "GETX /v1/models HTTP/1.1\r\nx-api-key: " KEY "\r\n\r\n", PASS, R(NO_REQUEST)},
};

Test(answer, verdicts)
{
	struct conn c;
	struct frame f;
	struct seen s;

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		for (int hook = 0; hook < GATE_HOOKS; hook++) {
			const struct verdict_case *v = &verdicts[i];
			struct tg_slot_stat before = gate_slot(KEY_SUBJECT), after;
			struct spec spec;

			arrange(v->setup);
			conn_open(&c, hook, true);
			spec = conn_segment(&c, v->request);
			frame_build(&f, &spec);
			gate_expect((enum gate_hook)hook, &f, v->verdict, v->reason, v->name, &s);
			after = gate_slot(KEY_SUBJECT);
			cr_expect_eq(after.answered - before.answered, v->verdict == ANSWER, "%s", v->name);
			cr_expect_eq(after.shadowed - before.shadowed, v->verdict == SHADOW, "%s", v->name);
			conn_close(&c);
		}
}

/* A head longer than the first load, with its key behind it, and one longer than all that is looked at. */
Test(answer, long_heads)
{
	static const struct {
		int filler, verdict, reason;
	} cases[] = {{300, ANSWER, R(KEY_REQUESTS)},
		     {440, ANSWER, R(KEY_REQUESTS)},
		     {1000, ANSWER, R(KEY_REQUESTS)},
		     {1330, ANSWER, R(KEY_REQUESTS)},
		     {1500, PASS, R(HEAD_INCOMPLETE)}};
	char request[2048], filler[1501];
	struct conn c;
	struct frame f;

	limit_key(10);
	memset(filler, 'f', sizeof(filler));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int hook = 0; hook < GATE_HOOKS; hook++) {
			struct spec spec;

			conn_open(&c, false, true);
			snprintf(request, sizeof(request),
				 "POST /v1/chat/completions HTTP/1.1\r\nUser-Agent: %.*s\r\nAuthorization: Bearer " KEY
				 "\r\nContent-Length: 2\r\n\r\n{}",
				 cases[i].filler, filler);
			spec = conn_segment(&c, request);
			frame_build(&f, &spec);
			gate_expect((enum gate_hook)hook, &f, cases[i].verdict, cases[i].reason, "long head", NULL);
			conn_close(&c);
		}
	/* every length around the first load's end */
	for (int n = 380; n < 450; n++) {
		struct spec spec;

		conn_open(&c, false, true);
		snprintf(request, sizeof(request),
			 "POST /v1/chat/completions HTTP/1.1\r\nUser-Agent: %.*s\r\nAuthorization: Bearer " KEY
			 "\r\n\r\n",
			 n, filler);
		spec = conn_segment(&c, request);
		frame_build(&f, &spec);
		gate_expect(GATE_XDP, &f, ANSWER, R(KEY_REQUESTS), "head around the first load", NULL);
		conn_close(&c);
	}
}

/* Only where the server's socket stands exactly where the request begins. */
Test(answer, unsafe_connections_pass)
{
	struct tg_policy p = gate_policy_default();
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	struct conn c;
	struct frame f;
	struct spec spec;

	limit_key(10);
	for (int hook = 0; hook < GATE_HOOKS; hook++) {
		enum gate_hook h = (enum gate_hook)hook;

		conn_open(&c, false, true);
		spec = conn_segment(&c, CHAT_KEY);
		spec.seq++;
		frame_build(&f, &spec);
		gate_expect(h, &f, PASS, R(CONN_BUSY), "syn_recv, wrong seq", NULL);
		spec = conn_segment(&c, CHAT_KEY);
		spec.ack--;
		frame_build(&f, &spec);
		gate_expect(h, &f, PASS, R(CONN_BUSY), "syn_recv, wrong ack", NULL);
		spec = conn_segment(&c, CHAT_KEY);
		spec.sport ^= 1;
		frame_build(&f, &spec);
		gate_expect(h, &f, PASS, R(CONN_BUSY), "no connection (the listener is found)", NULL);
		conn_close(&c);

		conn_open(&c, hook, false);
		spec = conn_segment(&c, CHAT_KEY);
		frame_build(&f, &spec);
		gate_expect(h, &f, PASS, R(CONN_BUSY), "established, not marked idle", NULL);
		cr_assert(getsockopt(c.server, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0);
		gate.idle[cookie & (TG_IDLE_MAX - 1)] = cookie + TG_IDLE_MAX;
		gate_expect(h, &f, PASS, R(CONN_BUSY), "established, another marked idle", NULL);
		gate.idle[cookie & (TG_IDLE_MAX - 1)] = cookie;
		spec.seq += 5;
		frame_build(&f, &spec);
		gate_expect(h, &f, PASS, R(CONN_BUSY), "established, wrong seq", NULL);
		spec = conn_segment(&c, CHAT_KEY);
		spec.ack--;
		frame_build(&f, &spec);
		gate_expect(h, &f, PASS, R(CONN_BUSY), "established, answer to something else under way", NULL);
		p.flags = TG_POLICY_ANSWER;
		gate_policy(&p);
		spec = conn_segment(&c, CHAT_KEY);
		frame_build(&f, &spec);
		gate_expect(h, &f, PASS, R(CONN_BUSY), "established, not wanted by the policy", NULL);
		p.flags |= TG_POLICY_ANSWER_OPEN;
		gate_policy(&p);
		cr_assert(write(c.client, "x", 1) == 1); /* unread bytes in the server's socket */
		while (recv(c.server, &cookie, 1, MSG_PEEK) != 1)
			;
		gate_expect(h, &f, PASS, R(CONN_BUSY), "established, bytes under way", NULL);
		conn_close(&c);

		conn_open(&c, hook, false);
		cr_assert(getsockopt(c.server, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0);
		gate.idle[cookie & (TG_IDLE_MAX - 1)] = cookie;
		spec = conn_segment(&c, CHAT_KEY);
		frame_build(&f, &spec);
		gate_expect(h, &f, ANSWER, R(KEY_REQUESTS), "established and idle", NULL);
		conn_close(&c);
	}
}

/* Digits for waits of every size; a segment without timestamps; IP options and extension headers are not copied. */
Test(answer, digits_and_shapes)
{
	static const uint64_t waits_ms[] = {1, 9, 10, 999, 1000, 1001, 59999, 123456789};
	static const uint8_t hop[8] = {IPPROTO_TCP, 0, 1, 4};
	struct conn c;
	struct frame f;
	struct seen s;
	const char *why;

	limit_key(10);
	for (size_t i = 0; i < sizeof(waits_ms) / sizeof(waits_ms[0]); i++) {
		struct tg_rate *r = gate_rate(KEY_SUBJECT, TG_DIM_REQUESTS);
		struct spec spec;
		long ms;

		conn_open(&c, false, true);
		spec = conn_segment(&c, CHAT_KEY);
		frame_build(&f, &spec);
		gate.buckets[KEY_SUBJECT].tat_ns[TG_DIM_REQUESTS] =
			gate_now_ns() + r->burst_ns - (r->emission_q16 >> 16) + waits_ms[i] * 1000000;
		gate_run(GATE_XDP, f.b, f.len, &s);
		if (s.verdict == PASS && waits_ms[i] <= 10) { /* the wait was over before the program ran */
			conn_close(&c);
			continue;
		}
		cr_assert_eq(s.verdict, ANSWER);
		s.out[s.out_len] = 0;
		ms = field((char *)s.out + 66, "retry-after-ms");
		cr_expect(ms >= 1 && ms <= (long)waits_ms[i] + 1 && ms + 2000 >= (long)waits_ms[i], "%ld for %ld", ms,
			  (long)waits_ms[i]);
		cr_expect_eq(field((char *)s.out + 66, "retry-after"), (ms + 999) / 1000);
		cr_expect(frame_sums_right(s.out, s.out_len, &why), "%s", why);
		conn_close(&c);
	}
	gate_exhaust(KEY_SUBJECT, TG_DIM_REQUESTS);
	for (int v6 = 0; v6 < 2; v6++)
		for (int hook = 0; hook < GATE_HOOKS; hook++) {
			struct spec spec;

			conn_open(&c, v6, true);
			spec = conn_segment(&c, CHAT_KEY);
			spec.ts = false;
			spec.ip_options = v6 ? 0 : 8;
			if (v6) {
				spec.ext = hop;
				spec.ext_len = sizeof(hop);
			}
			frame_build(&f, &spec);
			gate_expect((enum gate_hook)hook, &f, ANSWER, R(KEY_REQUESTS), "without timestamps", &s);
			cr_expect(frame_sums_right(s.out, s.out_len, &why), "%s", why);
			cr_expect_eq(s.out[14 + (v6 ? 40 : 20) + 12], 0x50);
			conn_close(&c);
		}
}
