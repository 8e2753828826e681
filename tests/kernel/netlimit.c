/* Goal: packet, byte and connection buckets per source, network and in all, consumed in the kernel: N1 to N3, G1.
 * Method: limits of a few units per hour, so that no test depends on how fast it runs. */
#include "gate.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "tollgate.skel.h"
#pragma GCC diagnostic pop

#include <criterion/criterion.h>
#include <string.h>

TestSuite(netlimit, .init = gate_setup, .fini = gate_teardown);

#define PASS TG_VERDICT_PASS
#define DROP TG_VERDICT_DROP
#define SHADOW TG_VERDICT_SHADOW
#define R(x) TG_REASON_##x
#define HOUR 3600000000000ull

/* Sources: a and b share a /24 (or /64), c is elsewhere. */
static struct spec source(bool v6, char who)
{
	struct spec s = {.v6 = v6, .src4 = who == 'a' ? 0x0a000101 : who == 'b' ? 0x0a000102 : 0x0a000201};

	s.src6.s6_addr[0] = 0x20;
	s.src6.s6_addr[7] = who == 'c';
	s.src6.s6_addr[15] = who == 'b' ? 2 : 1;
	return s;
}

static void forget(void)
{
	struct tg_net_key key;
	struct tg_net_value zero = {0};
	uint32_t index = 0;

	while (bpf_map__get_next_key(gate.skel->maps.tg_net_state, NULL, &key, sizeof(key)) == 0)
		bpf_map__delete_elem(gate.skel->maps.tg_net_state, &key, sizeof(key), 0);
	bpf_map__update_elem(gate.skel->maps.tg_net_all, &index, sizeof(index), &zero, sizeof(zero), BPF_ANY);
}

/* limit units of one scope and dimension; then packets of sources, the last of which is refused. */
static const struct {
	const char *name;
	int scope, dim;
	uint32_t limit;
	const char *sources; /* each passes but where `refused` has an x */
	const char *refused;
	uint8_t flags;
	int reason;
} rows[] = {
	{"packets, source", TG_NET_SOURCE, TG_NET_PACKETS, 3, "aaabaab", "....xx.", T_ACK, R(PACKETS_SOURCE)},
	{"packets, network", TG_NET_AGGREGATE, TG_NET_PACKETS, 3, "abacabc", "....xx.", T_ACK, R(PACKETS_AGGREGATE)},
	{"packets, all", TG_NET_ALL, TG_NET_PACKETS, 3, "abcabc", "...xxx", T_ACK, R(PACKETS_ALL)},
	{"connections, source", TG_NET_SOURCE, TG_NET_CONNS, 2, "aaabb", "..x..", T_SYN, R(CONNS_SOURCE)},
	{"connections, network", TG_NET_AGGREGATE, TG_NET_CONNS, 2, "abac", "..x.", T_SYN, R(CONNS_AGGREGATE)},
	{"connections, all", TG_NET_ALL, TG_NET_CONNS, 2, "abc", "..x", T_SYN, R(CONNS_ALL)},
	{"connections don't count other packets", TG_NET_SOURCE, TG_NET_CONNS, 2, "aaaa", "....", T_ACK, 0},
	{"connections don't count answers to ours", TG_NET_SOURCE, TG_NET_CONNS, 2, "aaaa", "....", T_SYN | T_ACK, 0},
};

Test(netlimit, scopes_and_dimensions)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int hook = 0; hook < GATE_HOOKS; hook++)
			for (int v6 = 0; v6 < 2; v6++) {
				struct tg_policy p = gate_policy_default();

				p.net[rows[i].scope][rows[i].dim] = rate_of(rows[i].limit, HOUR, 0);
				gate_policy(&p);
				forget();
				for (size_t n = 0; rows[i].sources[n]; n++) {
					struct spec s = source(v6, rows[i].sources[n]);
					struct frame f;

					s.flags = rows[i].flags;
					frame_build(&f, &s);
					if (rows[i].refused[n] == 'x')
						gate_expect((enum gate_hook)hook, &f, DROP, rows[i].reason,
							    rows[i].name, NULL);
					else
						gate_expect((enum gate_hook)hook, &f, PASS, R(NO_REQUEST), rows[i].name,
							    NULL);
				}
			}
}

Test(netlimit, bytes_are_frame_bytes)
{
	for (int scope = 0; scope < TG_NET_SCOPE_COUNT; scope++)
		for (int hook = 0; hook < GATE_HOOKS; hook++) {
			struct tg_policy p = gate_policy_default();
			struct spec s = source(false, 'a');
			struct frame f;

			s.payload = "0123456789";
			frame_build(&f, &s);
			p.net[scope][TG_NET_BYTES] = rate_of((uint32_t)f.len * 3 + 1, HOUR, 0);
			gate_policy(&p);
			forget();
			for (int i = 0; i < 3; i++)
				gate_expect((enum gate_hook)hook, &f, PASS, R(NO_REQUEST), "bytes", NULL);
			gate_expect((enum gate_hook)hook, &f, DROP, R(BYTES_SOURCE) + scope, "bytes", NULL);
		}
}

/* N1: the packet that the gateway's bucket refuses costs its source nothing. */
Test(netlimit, refused_takes_nothing)
{
	struct tg_policy p = gate_policy_default();
	struct tg_net_key key = {.addr = {0, 0, 0, 0}, .scope = TG_NET_SOURCE};
	struct tg_net_value before, after;
	struct spec s = source(false, 'a');
	struct frame f;

	key.addr[2] = __builtin_bswap32(0xffff);
	key.addr[3] = __builtin_bswap32(s.src4);
	for (int hook = 0; hook < GATE_HOOKS; hook++) {
		p.net[TG_NET_SOURCE][TG_NET_PACKETS] = rate_of(100, HOUR, 0);
		p.net[TG_NET_SOURCE][TG_NET_BYTES] = rate_of(100000, HOUR, 0);
		p.net[TG_NET_AGGREGATE][TG_NET_PACKETS] = rate_of(100, HOUR, 0);
		p.net[TG_NET_ALL][TG_NET_PACKETS] = rate_of(1, HOUR, 0);
		gate_policy(&p);
		forget();
		frame_build(&f, &s);
		gate_expect((enum gate_hook)hook, &f, PASS, R(NO_REQUEST), "first", NULL);
		cr_assert(bpf_map__lookup_elem(gate.skel->maps.tg_net_state, &key, sizeof(key), &before, sizeof(before),
					       0) == 0);
		cr_expect_gt(before.tat_ns[TG_NET_PACKETS], gate_now_ns());
		for (int i = 0; i < 5; i++)
			gate_expect((enum gate_hook)hook, &f, DROP, R(PACKETS_ALL), "refused in all (N1)", NULL);
		cr_assert(bpf_map__lookup_elem(gate.skel->maps.tg_net_state, &key, sizeof(key), &after, sizeof(after),
					       0) == 0);
		cr_expect_arr_eq(&after, &before, sizeof(after));
	}
}

/* N2, and shadow mode of the whole policy. */
Test(netlimit, shadow)
{
	struct spec s = source(false, 'a');
	struct tg_policy p;
	struct frame f;

	frame_build(&f, &s);
	for (int hook = 0; hook < GATE_HOOKS; hook++)
		for (int all = 0; all < 2; all++) {
			p = gate_policy_default();
			p.net[TG_NET_SOURCE][TG_NET_PACKETS] = rate_of(1, HOUR, all ? 0 : TG_RATE_SHADOW);
			p.flags |= all ? TG_POLICY_SHADOW : 0;
			gate_policy(&p);
			forget();
			gate_expect((enum gate_hook)hook, &f, PASS, R(NO_REQUEST), "first", NULL);
			gate_expect((enum gate_hook)hook, &f, SHADOW, R(PACKETS_SOURCE), "shadow", NULL);
		}
	/* a real limit behind a shadowed one still refuses */
	p = gate_policy_default();
	p.net[TG_NET_SOURCE][TG_NET_PACKETS] = rate_of(1, HOUR, TG_RATE_SHADOW);
	p.net[TG_NET_ALL][TG_NET_PACKETS] = rate_of(2, HOUR, 0);
	gate_policy(&p);
	forget();
	gate_expect(GATE_XDP, &f, PASS, R(NO_REQUEST), "first", NULL);
	gate_expect(GATE_XDP, &f, SHADOW, R(PACKETS_SOURCE), "second", NULL);
	gate_expect(GATE_XDP, &f, DROP, R(PACKETS_ALL), "third", NULL);
}

/* Which packets count: guarded ports and later fragments, or all with SCOPE_ALL; never ICMP or the allow list. */
Test(netlimit, what_counts)
{
	static const struct {
		const char *name;
		struct spec spec;
		bool guarded, all;
	} cases[] = {
		{"guarded", {.flags = T_ACK}, true, true},       {"tls", {.dport = GATE_TLS_PORT}, true, true},
		{"other port", {.dport = 22}, false, true},      {"udp", {.proto = IPPROTO_UDP}, false, true},
		{"later fragment", {.frag = 0x10}, true, true},  {"first fragment", {.frag = 0x2000}, true, true},
		{"icmp", {.proto = IPPROTO_ICMP}, false, false},
	};
	struct seen seen;
	struct frame f;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int all = 0; all < 2; all++)
			for (int hook = 0; hook < GATE_HOOKS; hook++) {
				struct tg_policy p = gate_policy_default();

				p.net[TG_NET_ALL][TG_NET_PACKETS] = rate_of(1, HOUR, 0);
				p.flags |= all ? TG_POLICY_SCOPE_ALL : 0;
				gate_policy(&p);
				forget();
				frame_build(&f, &cases[i].spec);
				gate_run((enum gate_hook)hook, f.b, f.len, &seen);
				cr_expect_eq(seen.verdict, PASS);
				gate_run((enum gate_hook)hook, f.b, f.len, &seen);
				cr_expect_eq(seen.verdict, (all ? cases[i].all : cases[i].guarded) ? DROP : PASS,
					     "%s, all %d", cases[i].name, all);
			}
}

/* The events of a flood stay within the budget; what is over is counted. */
Test(netlimit, event_budget)
{
	struct tg_policy p = gate_policy_default();
	struct spec s = source(false, 'a');
	struct tg_health h;
	struct frame f;

	p.events_per_second = 2;
	p.net[TG_NET_ALL][TG_NET_PACKETS] = rate_of(1, HOUR, 0);
	gate_policy(&p);
	frame_build(&f, &s);
	gate_expect(GATE_XDP, &f, PASS, R(NO_REQUEST), "first", NULL);
	for (int i = 0; i < 50; i++)
		gate_expect(GATE_XDP, &f, DROP, R(PACKETS_ALL), "flood", NULL);
	h = gate_health();
	cr_expect(h.events_throttled > 0 && h.events_throttled <= 48, "%d", (int)h.events_throttled);
	cr_expect_eq(h.events_lost, 0);
}
