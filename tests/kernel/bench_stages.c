/* Goal: what each stage of the kernel program costs per packet, beside an empty XDP program.
 * Method: BPF_PROG_TEST_RUN repeats one frame in the kernel; best of several rounds, since only noise adds to it.
 * Prints JSON lines {"name","value","unit","peer","ratio"}; ratio is ours / the empty program. "seen before": the
 * program remembers what the lists say of a source (bpf/lists.h); "first packet": it doesn't yet, which is measured
 * with a memory of one slot, which is not this source's. Needs root.
 */
#include "tollgate/siphash.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "tollgate.skel.h"
#pragma GCC diagnostic pop

#include "tollgate/abi.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/filter.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 1200 /* the best counts: other load on the machine only ever adds */
#define REPEAT 5000
#define KEY "tg_live_0123456789abcdef0123456789abcdef0123456789abcdef"

static struct tollgate_bpf *skel;
static double empty_ns;

static void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench_stages: %s\n", what);
		exit(1);
	}
}

static void set(const struct bpf_map *m, uint32_t index, const void *value, size_t size)
{
	must(bpf_map__update_elem(m, &index, sizeof(index), value, size, BPF_ANY) == 0, bpf_map__name(m));
}

/* ns per packet; every run must end in `action`. */
static double measure(int prog_fd, const void *frame, size_t len, uint32_t action)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = (uint32_t)len, .repeat = REPEAT);
	double best = 1e9;

	for (int i = 0; i < ROUNDS; i++) {
		must(bpf_prog_test_run_opts(prog_fd, &o) == 0, "test run");
		must(o.retval == action, "a frame did not end as it should");
		if (o.duration < best)
			best = o.duration;
	}
	return best;
}

static void report(const char *name, double ns)
{
	printf("{\"name\":\"%s\",\"value\":%.0f,\"unit\":\"ns\",\"peer\":\"empty program\",\"ratio\":%.2f}\n", name, ns,
	       ns / empty_ns);
	fflush(stdout);
}

static int empty_program(void)
{
	struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 2},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "tg_empty", "GPL", code, 2, NULL);
}

/* A TCP segment of 1421 bytes (as design.md's figures), checksums left out: nothing here looks at them. */
static size_t build(uint8_t *b, bool v6, uint32_t src, uint16_t port, const char *payload)
{
	size_t l3 = 14, l4 = v6 ? 54 : 34, len = 1421;

	memset(b, 0, len);
	memset(b + l4 + 32, 'x', len - l4 - 32);
	b[12] = v6 ? 0x86 : 0x08;
	b[13] = v6 ? 0xdd : 0x00;
	src = htonl(src);
	if (v6) {
		b[l3] = 0x60;
		b[l3 + 4] = (uint8_t)((len - l4) >> 8);
		b[l3 + 5] = (uint8_t)(len - l4);
		b[l3 + 6] = 6;
		memcpy(b + l3 + 20, &src, 4);
	} else {
		b[l3] = 0x45;
		b[l3 + 2] = (uint8_t)((len - l3) >> 8);
		b[l3 + 3] = (uint8_t)(len - l3);
		b[l3 + 9] = 6;
		memcpy(b + l3 + 12, &src, 4);
	}
	b[l4 + 2] = (uint8_t)(port >> 8);
	b[l4 + 3] = (uint8_t)port;
	b[l4 + 12] = 0x80;
	b[l4 + 13] = 0x18;
	if (payload)
		memcpy(b + l4 + 32, payload, strlen(payload));
	return len;
}

static void load(bool remember)
{
	struct tg_control c = {.magic = TG_ABI_MAGIC,
			       .abi_version = TG_ABI_VERSION,
			       .generation = 2,
			       .armed = 1,
			       .sip_key = {1, 2},
			       .have_block = 1,
			       .port_be = {htons(8080)}};
	struct tg_policy p = {.flags = TG_POLICY_ANSWER | TG_POLICY_ANSWER_OPEN};
	struct tg_key_entry e = {.key_subject = 2, .tenant_subject = 1};
	struct tg_list_value v = {.expires_ns = TG_LIST_NEVER, .prefix_len = 32};
	uint64_t hash = tg_sip13(1, 2, KEY, strlen(KEY));
	uint32_t blocked = htonl(0x0a090807);

	skel = tollgate_bpf__open();
	must(skel && (remember || bpf_map__set_max_entries(skel->maps.tg_list_memo, 1) == 0) &&
		     tollgate_bpf__load(skel) == 0,
	     "cannot load the kernel program: needs root and a kernel with BTF");
	set(skel->maps.tg_control, 0, &c, sizeof(c));
	set(skel->maps.tg_policy, 0, &p, sizeof(p));
	must(bpf_map__update_elem(skel->maps.tg_keys, &hash, sizeof(hash), &e, sizeof(e), BPF_ANY) == 0, "tg_keys");
	must(bpf_map__update_elem(skel->maps.tg_block4, &blocked, sizeof(blocked), &v, sizeof(v), BPF_ANY) == 0,
	     "tg_block4");
}

/* 10,000 prefixes, of which 172.16.0.0/24 is hit. */
static void block_prefixes(void)
{
	struct tg_control c;
	uint32_t zero = 0;

	for (uint32_t i = 0; i < 10000; i++) {
		struct tg_lpm4 k = {.prefix_len = 24, .addr = htonl(0xac100000 + (i << 8))};
		struct tg_list_value v = {.expires_ns = TG_LIST_NEVER, .prefix_len = 24};

		must(bpf_map__update_elem(skel->maps.tg_block_net4, &k, sizeof(k), &v, sizeof(v), BPF_ANY) == 0,
		     "tg_block_net4");
	}
	must(bpf_map__lookup_elem(skel->maps.tg_control, &zero, sizeof(zero), &c, sizeof(c), 0) == 0, "tg_control");
	c.have_block_net = 10000;
	set(skel->maps.tg_control, 0, &c, sizeof(c));
}

/* Limits of 100000 per minute in every dimension of a request, as a policy in use has. */
static void limit_requests(uint32_t flags)
{
	struct tg_policy p = {.flags = TG_POLICY_ANSWER | TG_POLICY_ANSWER_OPEN | flags};
	struct tg_rate r = {.emission_q16 = 600000ull << 16, .burst_ns = 60000000000ull, .limit = 100000};
	struct tg_rate_block block;

	for (int i = 0; i < TG_DIM_COUNT; i++)
		block.rate[i] = r;
	for (uint32_t s = 0; s < 3; s++)
		set(skel->maps.tg_rates, s, &block, sizeof(block));
	p.route_scope[TG_ROUTE_CHAT_COMPLETIONS] = TG_ROUTE_SCOPE_KEY;
	set(skel->maps.tg_policy, 0, &p, sizeof(p));
}

static void exhaust_key(void)
{
	struct tg_bucket_block b;
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	for (int i = 0; i < TG_DIM_COUNT; i++)
		b.tat_ns[i] = ((uint64_t)t.tv_sec + 3600) * 1000000000u;
	set(skel->maps.tg_buckets, 2, &b, sizeof(b));
}

/* A route out of order, within limits: shadow mode again. */
static void open_circuit(void)
{
	struct tg_route_state r;
	struct tg_bucket_block none = {0};
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	r.open_until_ns = ((uint64_t)t.tv_sec + 3600) * 1000000000u;
	set(skel->maps.tg_routes, TG_ROUTE_CHAT_COMPLETIONS, &r, sizeof(r));
	set(skel->maps.tg_buckets, 2, &none, sizeof(none));
}

static void drops(const char *which)
{
	int fd = bpf_program__fd(skel->progs.tg_xdp);
	uint8_t b[2048];
	char name[100];
	size_t len;

	limit_requests(0);
	len = build(b, false, 0x0a090807, 8080, NULL);
	snprintf(name, sizeof(name), "blocked address, %s, drop", which);
	report(name, measure(fd, b, len, XDP_DROP));
	block_prefixes();
	len = build(b, false, 0xac10ff01, 8080, NULL);
	snprintf(name, sizeof(name), "blocked prefix among 10,000, %s, drop", which);
	report(name, measure(fd, b, len, XDP_DROP));
}

int main(void)
{
	static const char request[] =
		"POST /v1/chat/completions HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: OpenAI/JS 6.49.0\r\n"
		"Accept: application/json\r\nContent-Type: application/json\r\nX-Stainless-Lang: js\r\n"
		"X-Stainless-Package-Version: 6.49.0\r\nX-Stainless-OS: Linux\r\nX-Stainless-Arch: x64\r\n"
		"Authorization: Bearer " KEY "\r\nContent-Length: 900\r\nConnection: keep-alive\r\n\r\n{";
	uint8_t b[2048];
	size_t len;
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	load(true);
	fd = bpf_program__fd(skel->progs.tg_xdp);
	len = build(b, false, 0x0a000001, 80, NULL);
	empty_ns = measure(empty_program(), b, len, XDP_PASS);
	printf("{\"name\":\"empty program\",\"value\":%.0f,\"unit\":\"ns\",\"peer\":\"\",\"ratio\":null}\n", empty_ns);
	report("packet to a port not guarded, pass", measure(fd, b, len, XDP_PASS));
	len = build(b, false, 0x0a000001, 8080, NULL);
	report("segment without a request, pass", measure(fd, b, len, XDP_PASS));
	limit_requests(0);
	len = build(b, false, 0x0a000001, 8080, request);
	report("full HTTP verdict, pass", measure(fd, b, len, XDP_PASS));
	len = build(b, true, 0x0a000001, 8080, request);
	report("full HTTP verdict, IPv6, pass", measure(fd, b, len, XDP_PASS));
	/* The verdict of an over-limit request. In shadow mode the frame stays as it is, so that it can be repeated;
	 * the packet's own writing is measured end to end by the refusal benchmark. */
	limit_requests(TG_POLICY_SHADOW);
	exhaust_key();
	len = build(b, false, 0x0a000001, 8080, request);
	report("full HTTP verdict, over the limit", measure(fd, b, len, XDP_PASS));
	open_circuit();
	report("full HTTP verdict, circuit open", measure(fd, b, len, XDP_PASS));
	drops("source seen before");
	tollgate_bpf__destroy(skel);
	load(false);
	drops("source's first packet");
	tollgate_bpf__destroy(skel);
	return 0;
}
