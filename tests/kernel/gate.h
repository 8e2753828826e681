/* Harness of the kernel program's tests: the real object, loaded into this kernel, run by BPF_PROG_TEST_RUN.
 * Each Criterion test is a process of its own with its own maps, in its own network namespace: nothing is pinned or
 * attached, nothing is left when it ends, however it ends. Needs root. */
#ifndef TESTS_KERNEL_GATE_H
#define TESTS_KERNEL_GATE_H

#include "tollgate/abi.h"
#include "tollgate/verdict.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gate_hook { GATE_XDP, GATE_TC, GATE_HOOKS };
extern const char *const gate_hook_name[GATE_HOOKS];

/* The running program's maps. */
struct gate {
	struct tollgate_bpf *skel;
	struct tg_control *control;
	struct tg_bucket_block *buckets;
	struct tg_rate_block *rates;
	struct tg_subject *subjects;
	struct tg_route_state *routes;
	uint64_t *idle;
};
extern struct gate gate;

#define GATE_PORT 8080
#define GATE_TLS_PORT 8443

/* Criterion fixture: load, arm, guard GATE_PORT and GATE_TLS_PORT; generation 2, no limits, answers on. */
void gate_setup(void);
void gate_teardown(void);

/* Policy of the generation in force. */
void gate_policy(const struct tg_policy *p);
struct tg_policy gate_policy_default(void);

uint64_t gate_now_ns(void);

/* ---- packets */
#define FRAME_MAX 3400
struct frame {
	uint8_t b[FRAME_MAX];
	size_t len;
	size_t l3, l4; /* where they ended up */
};

/* What to build. Zero is: IPv4, no tags, no options, 10.0.0.1:40000 -> 10.0.0.2:GATE_PORT, ACK. */
struct spec {
	bool v6;
	unsigned vlans;      /* 1: 802.1Q; 2: 802.1ad then 802.1Q */
	unsigned ip_options; /* bytes, IPv4, multiple of 4 */
	const uint8_t *ext;  /* IPv6 extension headers, ready; first's type in ext_type */
	size_t ext_len;
	uint8_t ext_type;
	uint8_t proto;              /* 0 = TCP */
	uint16_t frag;              /* IPv4 fragment word, host order */
	uint32_t src4;              /* host order, 0 = default */
	struct in6_addr src6, dst6; /* :: = default */
	uint32_t dst4;
	uint16_t sport, dport;
	uint8_t flags; /* 0 = ACK */
	uint32_t seq, ack;
	bool ts; /* timestamp option */
	uint32_t ts_val, ts_ecr;
	const char *payload;
	size_t payload_len; /* 0 with payload: its strlen */
};
void frame_build(struct frame *f, const struct spec *s);
uint16_t frame_sum(const void *data, size_t len, uint32_t start); /* folded one's complement sum */
/* IP and TCP checksums of a whole TCP packet are right. */
bool frame_sums_right(const uint8_t *frame, size_t len, const char **why);

#define T_FIN 1
#define T_SYN 2
#define T_RST 4
#define T_PSH 8
#define T_ACK 16

/* ---- running */
struct seen {
	int verdict, reason; /* -1: not counted; -2: more than one counter moved */
	int ret;
	uint8_t out[FRAME_MAX + 1024];
	size_t out_len;
};
/* Runs one frame; what moved in tg_stats and what came out. */
void gate_run(enum gate_hook hook, const void *frame, size_t len, struct seen *ret);
#define GATE_RET_PASS(hook) ((hook) == GATE_XDP ? 2 : 0)
#define GATE_RET_DROP(hook) ((hook) == GATE_XDP ? 1 : 2)
#define GATE_RET_SEND(hook) ((hook) == GATE_XDP ? 3 : 7)

/* Asserts verdict and reason; the return code follows from the verdict (not for ABSORB). */
void gate_expect(enum gate_hook hook, const struct frame *f, int verdict, int reason, const char *what,
		 struct seen *ret);

uint64_t gate_stat(int verdict, int reason);
struct tg_slot_stat gate_slot(uint32_t subject);
struct tg_health gate_health(void);

/* ---- rules and subjects */
/* n per period, burst = n. */
struct tg_rate rate_of(uint32_t n, uint64_t period_ns, uint32_t flags);
void gate_learn(const char *key, uint32_t key_subject, uint32_t tenant_subject);
struct tg_rate *gate_rate(uint32_t subject, unsigned dim); /* of the generation in force */
/* Fills a bucket of that rule to its burst, so that the next unit waits for about a period / n. */
void gate_exhaust(uint32_t subject, unsigned dim);

/* Templates for all dialects and reasons: "HTTP/1.1 429 ...", 403 or 503, with every field. The body names which it is:
 * {"error":INDEX}. */
void gate_answers(void);

/* ---- connections: a real client and a server socket in this namespace's loopback */
struct conn {
	bool v6;
	int listener, client, server; /* server -1 while not accepted */
	uint16_t sport;
	uint32_t seq, ack; /* the client's next byte, and what it expects */
	uint32_t ts_val, ts_ecr;
};
/* deferred: the server side stays in SYN_RECV (TCP_DEFER_ACCEPT); else it is accepted. */
void conn_open(struct conn *c, bool v6, bool deferred);
void conn_close(struct conn *c);
/* A segment of the client: fills addresses, ports, seq, ack. */
struct spec conn_segment(const struct conn *c, const char *payload);

#endif
