/* See gate.h: loading, running, counters, rules. */
#include "gate.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "tollgate.skel.h"
#pragma GCC diagnostic pop
#include "tollgate/gcra.h"
#include "tollgate/siphash.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

const char *const gate_hook_name[GATE_HOOKS] = {"xdp", "tc"};
struct gate gate;

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static void *map_memory(const struct bpf_map *m)
{
	size_t each = (bpf_map__value_size(m) + 7) & ~7ul, len = each * bpf_map__max_entries(m);
	void *p = mmap(NULL, (len + 4095) & ~4095ul, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(m), 0);

	cr_assert(p != MAP_FAILED, "mmap of %s", bpf_map__name(m));
	return p;
}

static void loopback_up(void)
{
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	cr_assert(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &r) == 0, "lo up");
	close(fd);
}

struct tg_policy gate_policy_default(void)
{
	return (struct tg_policy){.flags = TG_POLICY_ANSWER | TG_POLICY_ANSWER_OPEN, .events_per_second = 1000};
}

void gate_policy(const struct tg_policy *p)
{
	uint32_t bank = gate.control->generation & 1;

	cr_assert(bpf_map__update_elem(gate.skel->maps.tg_policy, &bank, sizeof(bank), p, sizeof(*p), BPF_ANY) == 0);
}

void gate_setup(void)
{
	struct tg_policy p = gate_policy_default();

	libbpf_set_print(quiet);
	cr_assert(unshare(CLONE_NEWNET) == 0, "these tests need root");
	loopback_up();
	gate.skel = tollgate_bpf__open();
	cr_assert_not_null(gate.skel);
	bpf_map__set_max_entries(gate.skel->maps.tg_net_state, 4096);
	bpf_map__set_max_entries(gate.skel->maps.tg_flows, 4096);
	cr_assert(tollgate_bpf__load(gate.skel) == 0, "the kernel program doesn't load");
	gate.control = map_memory(gate.skel->maps.tg_control);
	gate.buckets = map_memory(gate.skel->maps.tg_buckets);
	gate.rates = map_memory(gate.skel->maps.tg_rates);
	gate.subjects = map_memory(gate.skel->maps.tg_subjects);
	gate.routes = map_memory(gate.skel->maps.tg_routes);
	gate.idle = map_memory(gate.skel->maps.tg_idle);
	*gate.control = (struct tg_control){.magic = TG_ABI_MAGIC,
					    .abi_version = TG_ABI_VERSION,
					    .generation = 2,
					    .armed = 1,
					    .sip_key = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull},
					    .port_be = {htons(9999), htons(GATE_PORT)},
					    .tls_port_be = {htons(GATE_TLS_PORT)}};
	gate_policy(&p);
	gate_answers();
}

void gate_teardown(void)
{
	tollgate_bpf__destroy(gate.skel);
	gate.skel = NULL;
}

uint64_t gate_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- running */

#define CPUS_MAX 256

static void stats_read(uint64_t packets[TG_VERDICT_COUNT * TG_STATS_STRIDE])
{
	static struct tg_stat v[CPUS_MAX];
	int cpus = libbpf_num_possible_cpus();

	cr_assert(cpus > 0 && cpus <= CPUS_MAX);
	for (uint32_t i = 0; i < TG_VERDICT_COUNT * TG_STATS_STRIDE; i++) {
		packets[i] = 0;
		cr_assert(bpf_map__lookup_elem(gate.skel->maps.tg_stats, &i, sizeof(i), v, sizeof(v[0]) * (size_t)cpus,
					       0) == 0);
		for (int c = 0; c < cpus; c++)
			packets[i] += v[c].packets;
	}
}

uint64_t gate_stat(int verdict, int reason)
{
	uint64_t s[TG_VERDICT_COUNT * TG_STATS_STRIDE];

	stats_read(s);
	return s[verdict * (int)TG_STATS_STRIDE + reason];
}

struct tg_slot_stat gate_slot(uint32_t subject)
{
	static struct tg_slot_stat v[CPUS_MAX];
	struct tg_slot_stat sum = {0};
	int cpus = libbpf_num_possible_cpus();

	cr_assert(bpf_map__lookup_elem(gate.skel->maps.tg_slot_stats, &subject, sizeof(subject), v,
				       sizeof(v[0]) * (size_t)cpus, 0) == 0);
	for (int c = 0; c < cpus; c++) {
		sum.answered += v[c].answered;
		sum.shadowed += v[c].shadowed;
		sum.passed += v[c].passed;
		sum.bytes += v[c].bytes;
	}
	return sum;
}

struct tg_health gate_health(void)
{
	static struct tg_health v[CPUS_MAX];
	struct tg_health sum = {0};
	int cpus = libbpf_num_possible_cpus();
	uint32_t zero = 0;

	cr_assert(bpf_map__lookup_elem(gate.skel->maps.tg_health, &zero, sizeof(zero), v, sizeof(v[0]) * (size_t)cpus,
				       0) == 0);
	for (int c = 0; c < cpus; c++) {
		sum.events_lost += v[c].events_lost;
		sum.events_throttled += v[c].events_throttled;
		sum.state_full += v[c].state_full;
		sum.gcra_contended += v[c].gcra_contended;
		sum.helper_failed += v[c].helper_failed;
	}
	return sum;
}

void gate_run(enum gate_hook hook, const void *frame, size_t len, struct seen *ret)
{
	uint64_t before[TG_VERDICT_COUNT * TG_STATS_STRIDE], after[TG_VERDICT_COUNT * TG_STATS_STRIDE];
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = (uint32_t)len, .data_out = ret->out,
		    .data_size_out = sizeof(ret->out), .repeat = 1);
	struct bpf_program *p = hook == GATE_XDP ? gate.skel->progs.tg_xdp : gate.skel->progs.tg_tc_ingress;
	int r;

	stats_read(before);
	r = bpf_prog_test_run_opts(bpf_program__fd(p), &o);
	cr_assert(r == 0, "test run of %zu bytes (%s): %d", len, gate_hook_name[hook], r);
	stats_read(after);
	ret->ret = (int)o.retval;
	ret->out_len = o.data_size_out;
	ret->verdict = ret->reason = -1;
	for (int i = 0; i < (int)(TG_VERDICT_COUNT * TG_STATS_STRIDE); i++) {
		if (after[i] == before[i])
			continue;
		if (ret->verdict != -1 || after[i] != before[i] + 1) {
			ret->verdict = ret->reason = -2;
			return;
		}
		ret->verdict = i / (int)TG_STATS_STRIDE;
		ret->reason = i % (int)TG_STATS_STRIDE;
	}
}

static const char *reason_name(int reason)
{
	static const char *const names[] = {
#define X(sym, name, text) name,
		TG_REASONS(X)
#undef X
	};

	return reason >= 0 && reason < TG_REASON_COUNT ? names[reason] : reason == -1 ? "(uncounted)" : "(several)";
}

static const char *verdict_name(int verdict)
{
	static const char *const names[] = {
#define X(sym, name, text) name,
		TG_VERDICTS(X)
#undef X
	};

	return verdict >= 0 && verdict < TG_VERDICT_COUNT ? names[verdict] : "?";
}

void gate_expect(enum gate_hook hook, const struct frame *f, int verdict, int reason, const char *what,
		 struct seen *ret)
{
	struct seen here, *s = ret ? ret : &here;

	gate_run(hook, f->b, f->len, s);
	cr_assert(s->verdict == verdict && s->reason == reason, "%s, %s: %s/%s, expected %s/%s", gate_hook_name[hook],
		  what, verdict_name(s->verdict), reason_name(s->reason), verdict_name(verdict), reason_name(reason));
	if (verdict == TG_VERDICT_PASS || verdict == TG_VERDICT_SHADOW) {
		cr_assert(s->ret == GATE_RET_PASS(hook), "%s, %s: returned %d", gate_hook_name[hook], what, s->ret);
		cr_assert(s->out_len == f->len && !memcmp(s->out, f->b, f->len), "%s, %s: a passed packet was changed",
			  gate_hook_name[hook], what);
	} else if (verdict == TG_VERDICT_DROP) {
		cr_assert(s->ret == GATE_RET_DROP(hook), "%s, %s: returned %d", gate_hook_name[hook], what, s->ret);
	} else if (verdict == TG_VERDICT_ANSWER) {
		cr_assert(s->ret == GATE_RET_SEND(hook), "%s, %s: returned %d", gate_hook_name[hook], what, s->ret);
	}
}

/* ---- rules and subjects */

struct tg_rate rate_of(uint32_t n, uint64_t period_ns, uint32_t flags)
{
	return (struct tg_rate){
		.emission_q16 = ((period_ns << 16) + n - 1) / n, .burst_ns = period_ns + n, .limit = n, .flags = flags};
}

void gate_learn(const char *key, uint32_t key_subject, uint32_t tenant_subject)
{
	uint64_t hash = tg_sip13(gate.control->sip_key[0], gate.control->sip_key[1], key, strlen(key));
	struct tg_key_entry e = {.key_subject = key_subject,
				 .tenant_subject = tenant_subject,
				 .key_incarnation = gate.subjects[key_subject].incarnation,
				 .tenant_incarnation = gate.subjects[tenant_subject].incarnation};

	cr_assert(bpf_map__update_elem(gate.skel->maps.tg_keys, &hash, sizeof(hash), &e, sizeof(e), BPF_ANY) == 0);
}

struct tg_rate *gate_rate(uint32_t subject, unsigned dim)
{
	return &gate.rates[subject + (gate.control->generation & 1) * TG_SUBJECTS_MAX].rate[dim];
}

void gate_exhaust(uint32_t subject, unsigned dim)
{
	gate.buckets[subject].tat_ns[dim] = gate_now_ns() + gate_rate(subject, dim)->burst_ns;
}

/* A template of every field; what the daemon makes has the same form (abi.h). */
static void answer_make(struct tg_answer *a, unsigned status, unsigned index)
{
	char *t = a->text;
	int n = 0;

	memset(a, 0, sizeof(*a));
#define FIELD(off, width)                                                                                              \
	do {                                                                                                           \
		if (n & 1)                                                                                             \
			t[n++] = ' ';                                                                                  \
		(off) = (uint16_t)n;                                                                                   \
		memset(t + n, 0, (width)); /* for the sum */                                                           \
		n += (int)(width);                                                                                     \
		n += sprintf(t + n, "\r\n");                                                                           \
	} while (0)
	n += sprintf(t + n, "HTTP/1.1 %u No\r\nretry-after: ", status);
	FIELD(a->retry_off, TG_ANSWER_DIGITS);
	n += sprintf(t + n, "retry-after-ms: ");
	FIELD(a->retry_ms_off, TG_ANSWER_MS_DIGITS);
	n += sprintf(t + n, "x-ratelimit-limit-requests: ");
	FIELD(a->limit_off, TG_ANSWER_LIMIT_DIGITS);
	n += sprintf(t + n, "x-request-id: req_nic_");
	FIELD(a->id_off, TG_ANSWER_ID_DIGITS);
	n += sprintf(t + n, "connection: close\r\n%scontent-length: 14\r\n\r\n{\"error\":%4u}",
		     n & 1 ? "x: y\r\n" : "x: yy\r\n", index);
	cr_assert(n % 2 == 0, "a template is even");
	a->len = (uint16_t)n;
	a->status = (uint16_t)status;
	for (int i = 0; i < n; i += 2) {
		uint16_t w;

		memcpy(&w, t + i, 2);
		a->csum += w;
	}
	memset(t + a->retry_off, ' ', TG_ANSWER_DIGITS);
	memset(t + a->retry_ms_off, ' ', TG_ANSWER_MS_DIGITS);
	memset(t + a->limit_off, ' ', TG_ANSWER_LIMIT_DIGITS);
	memset(t + a->id_off, ' ', TG_ANSWER_ID_DIGITS);
#undef FIELD
}

static void answer_put(uint32_t dialect, uint32_t reason, unsigned status)
{
	uint32_t i = tg_answer_index(dialect, reason);
	struct tg_answer a;

	answer_make(&a, status, i);
	cr_assert(bpf_map__update_elem(gate.skel->maps.tg_answers, &i, sizeof(i), &a, sizeof(a), BPF_ANY) == 0);
}

void gate_answers(void)
{
	for (uint32_t d = 0; d < TG_DIALECT_COUNT; d++) {
		for (uint32_t r = TG_REASON_GLOBAL_REQUESTS; r <= TG_REASON_TENANT_DISABLED; r++)
			answer_put(d, r, r >= TG_REASON_KEY_DISABLED ? 403 : 429);
		answer_put(d, TG_REASON_CIRCUIT_OPEN, 503);
	}
}
