/* Goal: a refused request gets a right answer: verdict, reason, headers, digits, checksums; only where it is safe.
 * Method: real sockets in SYN_RECV or ESTABLISHED in the test's own namespace, their sequence numbers in built frames. */
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

static void check_answer(enum gate_hook hook, const struct conn *c, const struct frame *f, struct seen *s,
			 long limit)
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
				gate_expect((enum gate_hook)hook, &f, TG_VERDICT_ANSWER, TG_REASON_KEY_REQUESTS, "limited",
					    &s);
				check_answer((enum gate_hook)hook, &c, &f, &s, 10);
				conn_close(&c);
			}
	cr_expect_eq(gate_slot(KEY_SUBJECT).answered, 12);
	cr_expect_eq(gate_slot(TENANT_SUBJECT).answered, 12);
	cr_expect_eq(gate_health().helper_failed, 0);
}
