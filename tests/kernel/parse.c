/* Goal: every shape of frame gets the verdict that bpf/parse.h's rules P1 to P4 name, on both hooks.
 * Method: table of frames, built or damaged, run through the real program; truncation at each byte of each shape. */
#include "gate.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(parse, .init = gate_setup, .fini = gate_teardown);

/* Extension headers: hop-by-hop, routing, destination options, AH (12 bytes), fragments. */
static const uint8_t hop_tcp[8] = {IPPROTO_TCP, 0, 1, 4};
static const uint8_t hop_dst_route_tcp[32] = {60, 0, 1, 4, 0, 0, 0, 0, 43, 0, 1, 4, 0, 0, 0, 0, IPPROTO_TCP, 1};
static const uint8_t ah_tcp[12] = {IPPROTO_TCP, 1};
static const uint8_t frag_first[8] = {IPPROTO_TCP, 0, 0, 1};
static const uint8_t frag_later[8] = {IPPROTO_TCP, 0, 0x01, 0x00};
static const uint8_t frag_atomic[8] = {IPPROTO_TCP, 0, 0, 0};
static const uint8_t hop_icmp6[8] = {IPPROTO_ICMPV6, 0, 1, 4};
static const uint8_t frag_icmp6[8] = {IPPROTO_ICMPV6, 0, 0x01, 0x00};
static const uint8_t eight_dst_tcp[64] = {
	60, [8] = 60, [16] = 60, [24] = 60, [32] = 60, [40] = 60, [48] = 60, [56] = IPPROTO_TCP};
static const uint8_t nine_dst_tcp[72] = {
	60, [8] = 60, [16] = 60, [24] = 60, [32] = 60, [40] = 60, [48] = 60, [56] = 60, [64] = IPPROTO_TCP};
static const uint8_t dst_beyond[8] = {IPPROTO_TCP, 200};

#define EXT(type, bytes) .v6 = true, .ext = bytes, .ext_len = sizeof(bytes), .ext_type = (type)
#define PASS TG_VERDICT_PASS
#define DROP TG_VERDICT_DROP
#define R(x) TG_REASON_##x

static const struct shape {
	const char *name;
	struct spec spec;
	int verdict, reason;
} shapes[] = {
	{"v4 tcp, guarded", {.flags = T_ACK}, PASS, R(NO_REQUEST)},
	{"v4 tcp, tls port", {.dport = GATE_TLS_PORT}, PASS, R(NONE)},
	{"v4 tcp, other port", {.dport = 22}, PASS, R(OTHER_PORT)},
	{"v4 tcp, port 0 is not guarded by the list's end", {.sport = 1, .dport = 8}, PASS, R(OTHER_PORT)},
	{"v4 udp", {.proto = IPPROTO_UDP}, PASS, R(OTHER_PORT)},
	{"v4 icmp (P2)", {.proto = IPPROTO_ICMP}, PASS, R(ICMP)},
	{"v4 options", {.ip_options = 4}, PASS, R(NO_REQUEST)},
	{"v4 all options", {.ip_options = 40}, PASS, R(NO_REQUEST)},
	{"v4 vlan", {.vlans = 1}, PASS, R(NO_REQUEST)},
	{"v4 qinq", {.vlans = 2}, PASS, R(NO_REQUEST)},
	{"three tags (P1)", {.vlans = 3}, PASS, R(NOT_IP)},
	{"v4 qinq, options, timestamps", {.vlans = 2, .ip_options = 12, .ts = true}, PASS, R(NO_REQUEST)},
	{"v4 first fragment (P4)", {.frag = 0x2000}, PASS, R(FRAGMENT)},
	{"v4 later fragment (P4)", {.frag = 0x2010}, PASS, R(FRAGMENT)},
	{"v4 last fragment (P4)", {.frag = 0x0010}, PASS, R(FRAGMENT)},
	{"v4 first fragment, other port", {.frag = 0x2000, .dport = 22}, PASS, R(OTHER_PORT)},
	{"v4 later fragment of icmp (P2)", {.frag = 0x0010, .proto = IPPROTO_ICMP}, PASS, R(ICMP)},
	{"v4 fragment over the header (P3)", {.frag = 0x0001}, DROP, R(MALFORMED)},
	{"v4 don't fragment", {.frag = 0x4000}, PASS, R(NO_REQUEST)},
	{"v6 tcp", {.v6 = true}, PASS, R(NO_REQUEST)},
	{"v6 vlan", {.v6 = true, .vlans = 1}, PASS, R(NO_REQUEST)},
	{"v6 qinq", {.v6 = true, .vlans = 2}, PASS, R(NO_REQUEST)},
	{"v6 tls port", {.v6 = true, .dport = GATE_TLS_PORT}, PASS, R(NONE)},
	{"v6 other port", {.v6 = true, .dport = 22}, PASS, R(OTHER_PORT)},
	{"v6 icmp6 (P2)", {.v6 = true, .proto = IPPROTO_ICMPV6}, PASS, R(ICMP)},
	{"v6 udp", {.v6 = true, .proto = IPPROTO_UDP}, PASS, R(OTHER_PORT)},
	{"v6 hop-by-hop", {EXT(0, hop_tcp)}, PASS, R(NO_REQUEST)},
	{"v6 hop, dst, routing", {EXT(0, hop_dst_route_tcp)}, PASS, R(NO_REQUEST)},
	{"v6 ah", {EXT(51, ah_tcp)}, PASS, R(NO_REQUEST)},
	{"v6 first fragment (P4)", {EXT(44, frag_first)}, PASS, R(FRAGMENT)},
	{"v6 later fragment (P4)", {EXT(44, frag_later)}, PASS, R(FRAGMENT)},
	{"v6 atomic fragment is whole", {EXT(44, frag_atomic)}, PASS, R(NO_REQUEST)},
	{"v6 hop, icmp6 (P2)", {EXT(0, hop_icmp6)}, PASS, R(ICMP)},
	{"v6 later fragment of icmp6 (P2)", {EXT(44, frag_icmp6)}, PASS, R(ICMP)},
	{"v6 eight extension headers", {EXT(60, eight_dst_tcp)}, PASS, R(NO_REQUEST)},
	{"v6 nine extension headers (P3)", {EXT(60, nine_dst_tcp)}, DROP, R(MALFORMED)},
	{"v6 extension beyond the packet (P3)", {EXT(60, dst_beyond)}, DROP, R(MALFORMED)},
	{"v4 syn", {.flags = T_SYN}, PASS, R(NO_REQUEST)},
	{"v4 payload that is no request", {.payload = "hello, this is not HTTP"}, PASS, R(NO_REQUEST)},
	{"v4 payload too short", {.payload = "GET / HTTP"}, PASS, R(NO_REQUEST)},
	{"v4 request with FIN", {.flags = T_ACK | T_FIN, .payload = "GET / HTTP/1.1\r\n\r\n"}, PASS, R(NO_KEY)},
};

Test(parse, shapes)
{
	struct frame f;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		for (int hook = 0; hook < GATE_HOOKS; hook++) {
			frame_build(&f, &shapes[i].spec);
			gate_expect((enum gate_hook)hook, &f, shapes[i].verdict, shapes[i].reason, shapes[i].name,
				    NULL);
		}
}

/* One byte of a good frame is changed. */
static const struct damage {
	const char *name;
	struct spec spec;
	size_t at; /* from l3, or from l4 when from_l4 */
	bool from_l4;
	uint8_t value;
	int verdict, reason;
} damages[] = {
	{"v4 version 5", {.flags = T_ACK}, 0, false, 0x55, DROP, R(MALFORMED)},
	/* with this ack, what would be taken for TCP's header is a good one */
	{"v4 ihl 4", {.flags = T_ACK, .ack = 0x50100000}, 0, false, 0x44, DROP, R(MALFORMED)},
	{"v4 ihl 0", {.flags = T_ACK}, 0, false, 0x40, DROP, R(MALFORMED)},
	{"v4 ihl beyond the packet", {.flags = T_ACK}, 0, false, 0x4f, DROP, R(MALFORMED)},
	{"v4 total length beyond the frame", {.flags = T_ACK}, 2, false, 0x10, DROP, R(MALFORMED)},
	{"v4 total length below the header", {.flags = T_ACK}, 3, false, 19, DROP, R(MALFORMED)},
	{"v4 total length cuts TCP", {.flags = T_ACK}, 3, false, 39, DROP, R(MALFORMED)},
	{"v4 total length 0", {.flags = T_ACK}, 3, false, 0, DROP, R(MALFORMED)},
	{"v4 first fragment cuts TCP", {.frag = 0x2000}, 3, false, 28, DROP, R(MALFORMED)},
	{"v6 version 4", {.v6 = true}, 0, false, 0x40, DROP, R(MALFORMED)},
	{"v6 length beyond the frame", {.v6 = true}, 4, false, 0x10, DROP, R(MALFORMED)},
	{"v6 length cuts TCP", {.v6 = true}, 5, false, 19, DROP, R(MALFORMED)},
	{"v6 length 0", {.v6 = true}, 5, false, 0, DROP, R(MALFORMED)},
	{"v6 no next header", {.v6 = true}, 6, false, 59, PASS, R(OTHER_PORT)},
	{"v6 extension cut", {EXT(0, hop_tcp)}, 5, false, 4, DROP, R(MALFORMED)},
	{"tcp doff 4", {.flags = T_ACK}, 12, true, 0x40, DROP, R(MALFORMED)},
	{"tcp doff 0", {.flags = T_ACK}, 12, true, 0, DROP, R(MALFORMED)},
	{"tcp doff beyond the packet", {.flags = T_ACK}, 12, true, 0x60, DROP, R(MALFORMED)},
	{"v6 tcp doff beyond the packet", {.v6 = true}, 12, true, 0xf0, DROP, R(MALFORMED)},
	{"other port with bad doff", {.dport = 22}, 12, true, 0x40, DROP, R(MALFORMED)},
};

Test(parse, damages)
{
	struct frame f;

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++)
		for (int hook = 0; hook < GATE_HOOKS; hook++) {
			const struct damage *d = &damages[i];

			frame_build(&f, &d->spec);
			f.b[(d->from_l4 ? f.l4 : f.l3) + d->at] = d->value;
			gate_expect((enum gate_hook)hook, &f, d->verdict, d->reason, d->name, NULL);
		}
}

Test(parse, not_ip)
{
	static const uint16_t types[] = {0x0806, 0x88cc, 0x0000, 0x05dc, 0x8847, 0xffff};
	struct spec s = {.flags = T_ACK};
	struct frame f;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		for (int hook = 0; hook < GATE_HOOKS; hook++) {
			frame_build(&f, &s);
			f.b[12] = (uint8_t)(types[i] >> 8);
			f.b[13] = (uint8_t)types[i];
			gate_expect((enum gate_hook)hook, &f, PASS, R(NOT_IP), "ethertype (P1)", NULL);
		}
}

/* Cut anywhere, a frame is malformed (P3): nothing else may come out, and nothing may fault. A cut inside the payload
 * is one too, since the IP length then points beyond the frame. */
Test(parse, truncation)
{
	static const struct spec specs[] = {
		{.payload = "GET /v1/models HTTP/1.1\r\nx-api-key: k\r\n\r\n", .ts = true},
		{.vlans = 2, .ip_options = 8, .payload = "GET /v1/models HTTP/1.1\r\n\r\n"},
		{.v6 = true, .payload = "GET /v1/models HTTP/1.1\r\n\r\n", .ts = true},
		{.vlans = 1, EXT(0, hop_dst_route_tcp), .payload = "GET /v1/models HTTP/1.1\r\n\r\n"},
	};
	struct frame f, cut;
	char what[64];

	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		frame_build(&f, &specs[i]);
		for (size_t len = 14; len < f.len; len++)
			for (int hook = 0; hook < GATE_HOOKS; hook++) {
				/* the test runner itself looks at the IP header's room, before the TC program */
				if (hook == GATE_TC && len < f.l3 + (specs[i].v6 ? 40u : 20u))
					continue;
				cut = f;
				cut.len = len;
				snprintf(what, sizeof(what), "frame %zu cut to %zu", i, len);
				gate_expect((enum gate_hook)hook, &cut, DROP, R(MALFORMED), what, NULL);
			}
	}
}

/* Ethernet pads short frames: what lies behind the IP packet is not payload. */
Test(parse, padding)
{
	struct spec s = {.payload = "GET /v1/models H"};
	struct frame f;

	for (int hook = 0; hook < GATE_HOOKS; hook++) {
		frame_build(&f, &s);
		f.b[f.l3 + 3] = (uint8_t)(f.l4 - f.l3 + 20); /* IP ends after TCP's header */
		gate_expect((enum gate_hook)hook, &f, PASS, R(NO_REQUEST), "padded", NULL);
	}
}

Test(parse, unarmed_passes_uncounted)
{
	struct spec s = {.flags = T_ACK};
	struct frame f;
	struct seen seen;

	frame_build(&f, &s);
	for (int hook = 0; hook < GATE_HOOKS; hook++) {
		gate.control->armed = 0;
		gate_run((enum gate_hook)hook, f.b, f.len, &seen);
		cr_expect_eq(seen.ret, GATE_RET_PASS(hook));
		cr_expect_eq(seen.verdict, -1);
		gate.control->armed = 1;
		gate.control->magic = 1;
		gate_run((enum gate_hook)hook, f.b, f.len, &seen);
		cr_expect_eq(seen.ret, GATE_RET_PASS(hook));
		cr_expect_eq(seen.verdict, -1);
		gate.control->magic = TG_ABI_MAGIC;
	}
}
