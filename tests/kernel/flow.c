/* Goal: a refused flow goes through the states of bpf/flow.h and ends with both sides closed: F1 to F5.
 * Method: sequences of segments against a real socket in SYN_RECV; after each, what came out and where it goes. */
#include "gate.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "tollgate.skel.h"
#pragma GCC diagnostic pop

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(flow, .init = gate_setup, .fini = gate_teardown);

#define KEY "tg_live_abcdefabcdefabcdefabcdefabcdefab"
#define REQUEST                                                                                                        \
	"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " KEY                                  \
	"\r\nContent-Length: 999\r\n\r\n{"                                                                             \
	"........................................................................................................."
#define LEN ((long)sizeof(REQUEST) - 1)

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* What may come of a segment. */
enum effect {
	ANSWER,  /* the 429 for the first time */
	AGAIN,   /* the very same bytes again (but for what they acknowledge) */
	NOTHING, /* absorbed */
	ACK,     /* acknowledged to the client */
	RESET,   /* turned into the server's RST and passed up */
	UP,      /* passed as it is */
};

/* Relative: seq to the request's first byte, ack to the answer's first byte, with `acked` after the answer and its FIN.
 */
struct step {
	const char *name;
	long seq, len;
	uint8_t flags;
	bool acked; /* acknowledges the answer */
	enum effect effect;
	long told; /* ANSWER, AGAIN, ACK: what the client is told was received */
};

static const struct story {
	const char *name;
	struct step steps[12];
} stories[] = {
	{"plain",
	 {{"request", 0, LEN, T_ACK | T_PSH, false, ANSWER, LEN},
	  {"ack of the answer", LEN, 0, T_ACK, true, RESET, 0},
	  {"fin", LEN, 0, T_ACK | T_FIN, true, ACK, LEN + 1},
	  {"fin again", LEN, 0, T_ACK | T_FIN, true, ACK, LEN + 1},
	  {"late ack", LEN + 1, 0, T_ACK, true, NOTHING, 0}}},
	{"the answer is lost twice (F1)",
	 {{"request", 0, LEN, T_ACK | T_PSH, false, ANSWER, LEN},
	  {"bare ack, answer not seen", LEN, 0, T_ACK, false, NOTHING, 0},
	  {"request again", 0, LEN, T_ACK | T_PSH, false, AGAIN, LEN},
	  {"tail of it again", LEN - 5, 5, T_ACK | T_PSH, false, AGAIN, LEN},
	  {"ack of the answer", LEN, 0, T_ACK, true, RESET, 0},
	  {"fin", LEN, 0, T_ACK | T_FIN, true, ACK, LEN + 1}}},
	{"body in several segments",
	 {{"head", 0, LEN, T_ACK, false, ANSWER, LEN},
	  {"body 1", LEN, 100, T_ACK, false, NOTHING, 0},
	  {"body 2", LEN + 100, 100, T_ACK | T_PSH, false, NOTHING, 0},
	  {"ack of the answer: the body is acknowledged first", LEN + 200, 0, T_ACK, true, ACK, LEN + 200},
	  {"next pure ack", LEN + 200, 0, T_ACK, true, RESET, 0},
	  {"body 3", LEN + 200, 50, T_ACK | T_PSH, true, ACK, LEN + 250},
	  {"fin", LEN + 250, 0, T_ACK | T_FIN, true, ACK, LEN + 251}}},
	{"body, and the answer is lost",
	 {{"head", 0, LEN, T_ACK, false, ANSWER, LEN},
	  {"body", LEN, 100, T_ACK | T_PSH, false, NOTHING, 0},
	  {"head again covers all that came", 0, LEN, T_ACK, false, AGAIN, LEN + 100},
	  {"ack of the answer", LEN + 100, 0, T_ACK, true, RESET, 0},
	  {"fin", LEN + 100, 0, T_ACK | T_FIN, true, ACK, LEN + 101}}},
	{"body with a hole",
	 {{"head", 0, LEN, T_ACK, false, ANSWER, LEN},
	  {"body 2, body 1 was lost", LEN + 100, 100, T_ACK, false, NOTHING, 0},
	  {"ack of the answer", LEN, 0, T_ACK, true, RESET, 0},
	  {"body 2 again: only the head was received", LEN + 100, 100, T_ACK, true, ACK, LEN},
	  {"body 1", LEN, 100, T_ACK, true, ACK, LEN + 100},
	  {"body 2", LEN + 100, 100, T_ACK, true, ACK, LEN + 200}}},
	{"no pure ack before the fin",
	 {{"request", 0, LEN, T_ACK | T_PSH, false, ANSWER, LEN},
	  {"fin that acknowledges", LEN, 0, T_ACK | T_FIN, true, RESET, 0},
	  {"fin again", LEN, 0, T_ACK | T_FIN, true, ACK, LEN + 1}}},
	{"half close before the answer arrives",
	 {{"request", 0, LEN, T_ACK | T_PSH, false, ANSWER, LEN},
	  {"fin, answer not seen", LEN, 0, T_ACK | T_FIN, false, AGAIN, LEN + 1},
	  {"ack of the answer", LEN + 1, 0, T_ACK, true, RESET, 0}}},
	{"request and fin in one segment",
	 {{"request", 0, LEN, T_ACK | T_PSH | T_FIN, false, ANSWER, LEN + 1},
	  {"again", 0, LEN, T_ACK | T_PSH | T_FIN, false, AGAIN, LEN + 1},
	  {"ack of the answer", LEN + 1, 0, T_ACK, true, RESET, 0}}},
	{"client resets",
	 {{"request", 0, LEN, T_ACK | T_PSH, false, ANSWER, LEN},
	  {"rst", LEN, 0, T_RST, false, RESET, 0},
	  {"the entry is gone", LEN, 0, T_ACK, true, UP, 0}}},
	{"blind reset (F5)",
	 {{"request", 0, LEN, T_ACK | T_PSH, false, ANSWER, LEN},
	  {"rst far ahead", LEN + 1000000, 0, T_RST, false, NOTHING, 0},
	  {"rst far behind", -100000, 0, T_RST, false, NOTHING, 0},
	  {"still there", 0, LEN, T_ACK | T_PSH, false, AGAIN, LEN}}},
	{"address and port are used again",
	 {{"request", 0, LEN, T_ACK | T_PSH, false, ANSWER, LEN},
	  {"syn", 5000, 0, T_SYN, false, UP, 0},
	  {"the new connection's packets pass", 5001, 0, T_ACK, false, UP, 0}}},
	{"keep-alive probe",
	 {{"request", 0, LEN, T_ACK | T_PSH, false, ANSWER, LEN},
	  {"ack", LEN, 0, T_ACK, true, RESET, 0},
	  {"probe with a byte", LEN - 1, 1, T_ACK, true, ACK, LEN}}},
};

static char body[2048];

static void check_effect(enum gate_hook hook, const struct conn *c, const struct frame *f, const struct step *st,
			 const struct seen *s, const struct seen *first, uint32_t answer_len)
{
	const uint8_t *tcp = s->out + f->l3 + (c->v6 ? 40 : 20);
	const char *why;

	switch (st->effect) {
	case ANSWER:
		cr_assert(s->verdict == TG_VERDICT_ANSWER && s->ret == GATE_RET_SEND(hook), "%s", st->name);
		break;
	case AGAIN:
		cr_assert(s->verdict == TG_VERDICT_ABSORB && s->reason == TG_REASON_FLOW_RETRANSMIT, "%s: %d %d",
			  st->name, s->verdict, s->reason);
		cr_assert_eq(s->ret, GATE_RET_SEND(hook));
		cr_assert_eq(s->out_len, first->out_len, "%s", st->name);
		cr_assert_arr_eq(tcp + 32, first->out + (tcp - s->out) + 32, answer_len, "%s: other bytes", st->name);
		cr_assert_eq(get32(tcp + 4), c->ack, "%s", st->name);
		break;
	case NOTHING:
		cr_assert(s->verdict == TG_VERDICT_ABSORB && s->reason == TG_REASON_FLOW_CLOSE, "%s: %d %d", st->name,
			  s->verdict, s->reason);
		cr_assert_eq(s->ret, GATE_RET_DROP(hook), "%s", st->name);
		return;
	case ACK:
		cr_assert(s->verdict == TG_VERDICT_ABSORB && s->ret == GATE_RET_SEND(hook), "%s: %d", st->name, s->ret);
		cr_assert_eq(tcp[13], T_ACK, "%s", st->name);
		cr_assert_eq(get32(tcp + 4), c->ack + answer_len + 1, "%s", st->name);
		cr_assert_eq(s->out_len, (size_t)(tcp - s->out) + 32, "%s", st->name);
		break;
	case RESET: /* F2 */
		cr_assert(s->verdict == TG_VERDICT_ABSORB && s->ret == GATE_RET_PASS(hook), "%s: %d", st->name, s->ret);
		cr_assert_eq(tcp[13], T_RST | T_ACK, "%s", st->name);
		cr_assert_eq(get32(tcp + 4), c->seq, "%s", st->name);
		cr_assert_eq(get32(tcp + 8), c->ack, "%s", st->name);
		cr_assert_arr_eq(tcp, f->b + f->l4, 4, "%s: ports", st->name);
		cr_assert_arr_eq(s->out, f->b, 12, "%s: addresses", st->name);
		break;
	case UP:
		cr_assert(s->verdict == TG_VERDICT_PASS && s->ret == GATE_RET_PASS(hook), "%s: %d %d", st->name,
			  s->verdict, s->reason);
		cr_assert(s->out_len == f->len && !memcmp(s->out, f->b, f->len), "%s: changed", st->name);
		return;
	}
	if (st->effect != RESET) {
		cr_assert_eq(tcp[13] & T_RST, 0, "%s (F3)", st->name);
		cr_assert_eq(get32(tcp + 8) - c->seq, (uint32_t)st->told, "%s: told %u", st->name,
			     get32(tcp + 8) - c->seq);
	}
	cr_assert(frame_sums_right(s->out, s->out_len, &why), "%s: %s", st->name, why);
}

static void tell(const struct story *story, enum gate_hook hook, bool v6)
{
	struct seen s, first = {0};
	uint32_t answer_len = 0;
	struct conn c;

	conn_open(&c, v6, true);
	for (const struct step *st = story->steps; st->name; st++) {
		struct spec spec = conn_segment(&c, st->len == LEN && st->seq == 0 ? REQUEST : body);
		struct frame f;

		spec.seq = c.seq + (uint32_t)st->seq;
		spec.ack = c.ack + (st->acked ? answer_len + 1 : 0);
		spec.flags = st->flags;
		spec.payload_len = (size_t)st->len;
		if (!st->len)
			spec.payload = NULL;
		frame_build(&f, &spec);
		gate_run(hook, f.b, f.len, &s);
		if (st->effect == ANSWER) {
			first = s;
			answer_len = (uint32_t)(s.out_len - (f.l4 + 32));
		}
		check_effect(hook, &c, &f, st, &s, &first, answer_len);
	}
	conn_close(&c);
}

static void limited_key(void)
{
	gate_learn(KEY, 9, 8);
	*gate_rate(9, TG_DIM_REQUESTS) = rate_of(1, 60000000000ull, 0);
	gate_exhaust(9, TG_DIM_REQUESTS);
	memset(body, 'b', sizeof(body));
}

Test(flow, stories)
{
	limited_key();
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++)
		for (int hook = 0; hook < GATE_HOOKS; hook++)
			for (int v6 = 0; v6 < 2; v6++)
				tell(&stories[i], (enum gate_hook)hook, v6);
	cr_expect_eq(gate_health().helper_failed, 0);
}

/* A limit that ends, or a key that is enabled, changes nothing for a flow that was refused. */
Test(flow, refusal_stands)
{
	struct spec spec;
	struct frame f;
	struct seen s;
	struct conn c;

	limited_key();
	conn_open(&c, false, true);
	spec = conn_segment(&c, REQUEST);
	frame_build(&f, &spec);
	gate_expect(GATE_XDP, &f, TG_VERDICT_ANSWER, TG_REASON_KEY_REQUESTS, "refused", NULL);
	gate.buckets[9].tat_ns[TG_DIM_REQUESTS] = 0;
	gate_run(GATE_XDP, f.b, f.len, &s);
	cr_expect(s.verdict == TG_VERDICT_ABSORB && s.reason == TG_REASON_FLOW_RETRANSMIT);
	conn_close(&c);
}

static void refuse_one(struct conn *c, struct frame *f)
{
	struct spec spec;

	limited_key();
	conn_open(c, false, true);
	spec = conn_segment(c, REQUEST);
	frame_build(f, &spec);
	gate_expect(GATE_XDP, f, TG_VERDICT_ANSWER, TG_REASON_KEY_REQUESTS, "refused", NULL);
}

/* F4. The entry's first word is when it was last used (bpf/work.h). */
Test(flow, stale_entry_means_nothing)
{
	struct bpf_map *m = gate.skel->maps.tg_flows;
	size_t size = bpf_map__value_size(m);
	uint64_t value[64], seen_ns;
	struct tg_flow_key key;
	struct conn c;
	struct frame f, ack;
	struct spec spec;

	refuse_one(&c, &f);
	spec = conn_segment(&c, NULL);
	frame_build(&ack, &spec);
	for (int age_s = 119; age_s <= 121; age_s += 2) {
		cr_assert(size <= sizeof(value) && bpf_map__get_next_key(m, NULL, &key, sizeof(key)) == 0);
		cr_assert(bpf_map__lookup_elem(m, &key, sizeof(key), value, size, 0) == 0);
		seen_ns = gate_now_ns() - (uint64_t)age_s * 1000000000u;
		value[0] = seen_ns;
		cr_assert(bpf_map__update_elem(m, &key, sizeof(key), value, size, BPF_ANY) == 0);
		if (age_s < 120)
			gate_run(GATE_XDP, ack.b, ack.len, &(struct seen){0});
		else
			gate_expect(GATE_XDP, &ack, TG_VERDICT_PASS, TG_REASON_NO_REQUEST, "stale", NULL);
		cr_expect_eq(bpf_map__get_next_key(m, NULL, &key, sizeof(key)) == 0, age_s < 120, "after %d s", age_s);
	}
	conn_close(&c);
}

/* A template that was replaced while the flow lives: the client must not get two texts mixed. */
Test(flow, replaced_template_is_not_mixed)
{
	uint32_t i = tg_answer_index(TG_DIALECT_OPENAI, TG_REASON_KEY_REQUESTS);
	struct tg_answer a;
	struct conn c;
	struct frame f;

	refuse_one(&c, &f);
	cr_assert(bpf_map__lookup_elem(gate.skel->maps.tg_answers, &i, sizeof(i), &a, sizeof(a), 0) == 0);
	a.text[9] = '5';
	a.csum += 1;
	cr_assert(bpf_map__update_elem(gate.skel->maps.tg_answers, &i, sizeof(i), &a, sizeof(a), BPF_ANY) == 0);
	gate_expect(GATE_XDP, &f, TG_VERDICT_PASS, TG_REASON_INTERNAL, "replaced", NULL);
	cr_expect_eq(gate_health().helper_failed, 1);
	conn_close(&c);
}
