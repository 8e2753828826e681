/* Goal: lists by the active rule of tollgate/abi.h: TTL, generation, exact before prefix, an inactive prefix hides
 * nothing, allow beats block, v4 and v6; counters let the program skip what is empty. Method: entries written straight
 * into the maps, one frame per question. */
#include "gate.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "tollgate.skel.h"
#pragma GCC diagnostic pop

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(lists, .init = gate_setup, .fini = gate_teardown);

#define PASS TG_VERDICT_PASS
#define DROP TG_VERDICT_DROP
#define R(x) TG_REASON_##x
#define FOREVER TG_LIST_NEVER

static void put(const struct bpf_map *m, const void *key, size_t size, unsigned prefix_len, struct tg_list_value v)
{
	v.prefix_len = (uint8_t)prefix_len;
	cr_assert(bpf_map__update_elem(m, key, size, &v, sizeof(v), BPF_ANY) == 0);
}

/* "192.0.2.0/24" into the maps of a list, as user/kernel does: full length into the hash, of the block list. */
static void list_add(bool allow, const char *cidr, struct tg_list_value v)
{
	char text[64];
	unsigned prefix_len;
	struct tg_lpm4 k4;
	struct tg_lpm6 k6;

	cr_assert(sscanf(cidr, "%63[^/]/%u", text, &prefix_len) == 2);
	k4.prefix_len = k6.prefix_len = prefix_len;
	if (inet_pton(AF_INET, text, &k4.addr) == 1) {
		if (!allow && prefix_len == 32)
			put(gate.skel->maps.tg_block4, &k4.addr, sizeof(k4.addr), 32, v);
		else
			put(allow ? gate.skel->maps.tg_allow_net4 : gate.skel->maps.tg_block_net4, &k4, sizeof(k4),
			    prefix_len, v);
	} else {
		cr_assert(inet_pton(AF_INET6, text, k6.addr) == 1);
		if (!allow && prefix_len == 128)
			put(gate.skel->maps.tg_block6, k6.addr, sizeof(k6.addr), 128, v);
		else
			put(allow ? gate.skel->maps.tg_allow_net6 : gate.skel->maps.tg_block_net6, &k6, sizeof(k6),
			    prefix_len, v);
	}
	if (allow)
		gate.control->have_allow++;
	else if (prefix_len < (strchr(cidr, ':') ? 128u : 32u))
		gate.control->have_block_net++;
	else
		gate.control->have_block++;
	gate.control->list_epoch++;
}

static void ask(const char *from, int verdict, int reason, const char *what)
{
	struct spec s = {.flags = T_ACK, .dport = 22};
	struct in_addr a;
	struct frame f;

	if (inet_pton(AF_INET, from, &a) == 1) {
		s.src4 = ntohl(a.s_addr);
	} else {
		s.v6 = true;
		cr_assert(inet_pton(AF_INET6, from, &s.src6) == 1);
	}
	frame_build(&f, &s);
	for (int hook = 0; hook < GATE_HOOKS; hook++)
		gate_expect((enum gate_hook)hook, &f, verdict, reason, what, NULL);
}

static struct tg_list_value dynamic(uint64_t expires_ns)
{
	return (struct tg_list_value){.expires_ns = expires_ns};
}

static struct tg_list_value by_policy(uint32_t from, uint32_t to)
{
	return (struct tg_list_value){.gen_from = from, .gen_to = to};
}

/* Each row: one entry, one address inside it; gate.h arms generation 2. */
Test(lists, active_rule)
{
	const uint64_t past = 1, future = gate_now_ns() + 3600000000000ull;
	const struct {
		const char *name;
		struct tg_list_value v;
		bool active;
	} rows[] = {
		{"no TTL", dynamic(FOREVER), true},
		{"TTL to come", dynamic(future), true},
		{"TTL over", dynamic(past), false},
		{"neither half", dynamic(0), false},
		{"policy, from now", by_policy(2, UINT32_MAX), true},
		{"policy, until the next", by_policy(1, 3), true},
		{"policy, gone with this one", by_policy(1, 2), false},
		{"policy, next one", by_policy(3, UINT32_MAX), false},
		{"policy gone, TTL to come", {.gen_from = 1, .gen_to = 2, .expires_ns = future}, true},
		{"policy in force, TTL over", {.gen_from = 2, .gen_to = 3, .expires_ns = past}, true},
	};
	static const struct {
		const char *cidr, *inside, *outside;
	} places[] = {
		{"192.0.2.7/32", "192.0.2.7", "192.0.2.8"},
		{"192.0.2.0/24", "192.0.2.200", "192.0.3.1"},
		{"0.0.0.0/0", "203.0.113.1", NULL},
		{"2001:db8:7::1/128", "2001:db8:7::1", "2001:db8:7::2"},
		{"2001:db8:7::/48", "2001:db8:7:ffff::9", "2001:db8:8::1"},
		{"::/0", "2001:db9::1", NULL},
	};

	for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			list_add(false, places[p].cidr, rows[i].v);
			ask(places[p].inside, rows[i].active ? DROP : PASS,
			    rows[i].active ? R(BLOCK_LIST) : R(OTHER_PORT), rows[i].name);
			if (places[p].outside)
				ask(places[p].outside, PASS, R(OTHER_PORT), rows[i].name);
			list_add(false, places[p].cidr, dynamic(0));
		}
}

/* Inactive prefixes must not hide shorter active ones, nor an inactive exact entry an active prefix. */
Test(lists, inactive_hides_nothing)
{
	list_add(false, "10.0.0.0/8", dynamic(FOREVER));
	list_add(false, "10.1.0.0/16", dynamic(1));
	list_add(false, "10.1.2.0/24", by_policy(7, 9));
	list_add(false, "10.1.2.3/32", dynamic(1));
	ask("10.1.2.3", DROP, R(BLOCK_LIST), "three inactive entries over an active one");
	ask("10.1.2.4", DROP, R(BLOCK_LIST), "two");
	ask("11.1.2.4", PASS, R(OTHER_PORT), "outside");
	list_add(false, "10.0.0.0/8", dynamic(1));
	ask("10.1.2.3", PASS, R(OTHER_PORT), "all inactive");
	list_add(false, "2001:db8::/32", dynamic(FOREVER));
	list_add(false, "2001:db8:1::/48", dynamic(1));
	list_add(false, "2001:db8:1::5/128", dynamic(1));
	ask("2001:db8:1::5", DROP, R(BLOCK_LIST), "v6");
}

Test(lists, allow_beats_block)
{
	list_add(false, "192.0.2.7/32", dynamic(FOREVER));
	list_add(false, "192.0.2.0/24", dynamic(FOREVER));
	list_add(false, "2001:db8:7::/48", dynamic(FOREVER));
	list_add(true, "192.0.2.7/32", dynamic(FOREVER));
	list_add(true, "2001:db8:7:1::/64", by_policy(2, 3));
	ask("192.0.2.7", PASS, R(ALLOW_LIST), "allowed");
	ask("192.0.2.8", DROP, R(BLOCK_LIST), "its neighbour");
	ask("2001:db8:7:1::1", PASS, R(ALLOW_LIST), "allowed v6");
	ask("2001:db8:7:2::1", DROP, R(BLOCK_LIST), "its neighbour v6");
	gate.control->generation = 4;
	gate_policy(&(struct tg_policy){0});
	ask("2001:db8:7:1::1", DROP, R(BLOCK_LIST), "another generation");
}

/* The counts are hints that the maps are empty. */
Test(lists, counts_gate_the_look_ups)
{
	list_add(false, "192.0.2.0/24", dynamic(FOREVER));
	list_add(true, "192.0.2.9/32", dynamic(FOREVER));
	gate.control->have_block_net = 0;
	gate.control->list_epoch++;
	ask("192.0.2.1", PASS, R(OTHER_PORT), "no prefixes said");
	gate.control->have_block_net = 1;
	gate.control->have_allow = 0;
	gate.control->list_epoch++;
	ask("192.0.2.9", DROP, R(BLOCK_LIST), "no allowances said");
}

/* M1, B1: what is remembered of a source changes no verdict and no reason. */
Test(lists, remembered)
{
	static const uint8_t destination_options[8] = {IPPROTO_TCP};
	const struct {
		const char *name;
		struct spec s;
		int verdict, reason;
	} rows[] = {
		{"plain", {.dport = 22}, DROP, R(BLOCK_LIST)},
		{"ICMP", {.proto = IPPROTO_ICMP}, PASS, R(ICMP)},
		{"UDP", {.proto = IPPROTO_UDP}, DROP, R(BLOCK_LIST)},
		{"IP options", {.ip_options = 8}, DROP, R(BLOCK_LIST)},
		{"VLAN", {.vlans = 1}, DROP, R(BLOCK_LIST)},
		{"VLAN in VLAN, ICMP", {.vlans = 2, .proto = IPPROTO_ICMP}, PASS, R(ICMP)},
		{"first fragment", {.frag = 0x2000}, DROP, R(BLOCK_LIST)},
		{"later fragment", {.frag = 0x0010}, DROP, R(BLOCK_LIST)},
		{"fragment over the TCP header", {.frag = 0x0001}, DROP, R(MALFORMED)},
		{"the same address, mapped into IPv6",
		 {.v6 = true, .src6 = {{{[10] = 0xff, 0xff, 192, 0, 2, 7}}}},
		 PASS,
		 R(NO_REQUEST)},
		{"mapped, with an extension header",
		 {.v6 = true,
		  .src6 = {{{[10] = 0xff, 0xff, 192, 0, 2, 7}}},
		  .ext = destination_options,
		  .ext_len = sizeof(destination_options),
		  .ext_type = IPPROTO_DSTOPTS},
		 PASS,
		 R(NO_REQUEST)},
	};
	static const int cuts[] = {1, -1}; /* total length beyond the frame; below the header */
	struct frame f;

	list_add(false, "192.0.2.7/32", dynamic(FOREVER));
	for (int again = 0; again < 3; again++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct spec s = rows[i].s;

			s.src4 = 0xc0000207;
			frame_build(&f, &s);
			for (int hook = 0; hook < GATE_HOOKS; hook++)
				gate_expect((enum gate_hook)hook, &f, rows[i].verdict, rows[i].reason, rows[i].name,
					    NULL);
		}
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		frame_build(&f, &(struct spec){.src4 = 0xc0000207});
		f.b[f.l3 + 2] = 0;
		f.b[f.l3 + 3] = (uint8_t)(cuts[i] > 0 ? f.len - f.l3 + 1 : 19);
		for (int hook = 0; hook < GATE_HOOKS; hook++)
			gate_expect((enum gate_hook)hook, &f, DROP, R(MALFORMED), "length that lies", NULL);
	}
}

/* M2: what a TTL decided is not remembered beyond it (by more than a tick). */
Test(lists, remembered_not_beyond_ttl)
{
	static const char *const places[] = {"192.0.2.7/32", "192.0.2.0/24"};
	struct spec s = {.src4 = 0xc0000207, .dport = 22};
	struct frame f;

	frame_build(&f, &s);
	for (size_t i = 0; i < 2; i++) {
		uint64_t end_ns = gate_now_ns() + 50000000;
		struct seen seen = {.verdict = DROP};
		uint64_t asked = 0;

		list_add(false, places[i], dynamic(end_ns));
		while (seen.verdict == DROP) {
			gate_run(GATE_XDP, f.b, f.len, &seen);
			asked++;
		}
		cr_expect_eq(seen.verdict, PASS);
		cr_expect_geq(gate_now_ns(), end_ns, "%s: let through before its end", places[i]);
		cr_expect_gt(asked, 2, "%s: dropped before", places[i]);
	}
}

/* B1: each drop is an event or a throttled one, and counted once. */
Test(lists, remembered_drops_are_reported)
{
	struct tg_policy p = gate_policy_default();
	struct spec s = {.src4 = 0xc0000207, .dport = 22};
	struct frame f;

	p.events_per_second = 2;
	gate_policy(&p);
	list_add(false, "192.0.2.0/24", dynamic(FOREVER));
	frame_build(&f, &s);
	for (int i = 0; i < 200; i++)
		gate_expect(GATE_XDP, &f, DROP, R(BLOCK_LIST), "flood", NULL);
	cr_expect_eq(gate_stat(DROP, R(BLOCK_LIST)), 200);
	cr_expect_geq(gate_health().events_throttled, 100);
	cr_expect_leq(gate_health().events_throttled, 198);
}

Test(lists, icmp_and_shadow)
{
	struct spec s = {.proto = IPPROTO_ICMP, .src4 = 0xc0000207};
	struct tg_policy p = gate_policy_default();
	struct frame f;

	list_add(false, "192.0.2.7/32", dynamic(FOREVER));
	frame_build(&f, &s);
	for (int hook = 0; hook < GATE_HOOKS; hook++)
		gate_expect((enum gate_hook)hook, &f, PASS, R(ICMP), "ICMP of a blocked source", NULL);
	ask("192.0.2.7", DROP, R(BLOCK_LIST), "blocked, and remembered so");
	p.flags |= TG_POLICY_SHADOW;
	gate_policy(&p);
	ask("192.0.2.7", TG_VERDICT_SHADOW, R(BLOCK_LIST), "shadow mode");
}
