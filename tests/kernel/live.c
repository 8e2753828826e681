/* Goal: real clients over a lossy link get well-formed 429s, no reset, and nothing stays open on either side.
 * Method: veth between this test's namespace (server) and a child's (clients), the program attached in native mode, 5 %
 * of the packets lost each way by small BPF programs on the client's end, checksums computed in software (veth would
 * hide wrong ones). Behind the program stands a little server, as the daemon would: when a request's first segment is
 * lost and a later one comes first, the connection is established and the program passes. Without loss nobody gets
 * there. Connections end when they end: the waits are bounded polls. */
#include "gate.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "tollgate.skel.h"
#pragma GCC diagnostic pop

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

TestSuite(live, .init = gate_setup, .fini = gate_teardown, .timeout = 120);

#define KEY "tg_live_9876543210987654321098765432109876543210987654321098765432"
#define HEAD "POST /v1/chat/completions HTTP/1.1\r\nHost: gate\r\nUser-Agent: live\r\nAuthorization: Bearer " KEY "\r\n"
#define SERVER "198.18.7.1"
#define CLIENT "198.18.7.2"
#define THREADS 24

/* Much smaller than its answer: the packet has to grow by all the room that veth and loopback give it. */
#define SMALL_GET "GET /v1/models HTTP/1.1\r\nHost: 198.18.7.1:8080\r\nAuthorization: Bearer " KEY "\r\n\r\n"
#define ANSWER_LEN 386u /* the longest of user/dialect's (tests/unit/dialect) */

/* How a client sends its request. */
enum style { WHOLE, BODY_LATER, BIG_BODY, EXPECT, PIPELINED, HALF_CLOSE, SMALL, STYLES };

static const char *server_address = SERVER;

static void shell(const char *command)
{
	cr_assert(system(command) == 0, "%s", command);
}

/* A program that loses about one packet in twenty: returns `lose`, else `keep`. */
static int lossy_program(enum bpf_prog_type type, int keep, int lose, unsigned per_65536)
{
	struct bpf_insn code[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_prandom_u32},
		{.code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = BPF_REG_0, .imm = 0xffff},
		{.code = BPF_JMP | BPF_JLT | BPF_K, .dst_reg = BPF_REG_0, .off = 2, .imm = (int)per_65536},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = keep},
		{.code = BPF_JMP | BPF_EXIT},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = lose},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(type, "tg_lossy", "GPL", code, sizeof(code) / sizeof(code[0]), NULL);
}

static void software_checksums(const char *dev)
{
	struct ethtool_value v = {.cmd = ETHTOOL_STXCSUM};
	struct ifreq r = {.ifr_data = (void *)&v};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", dev);
	cr_assert(fd >= 0 && ioctl(fd, SIOCETHTOOL, &r) == 0, "checksums of %s: %s", dev, strerror(errno));
	close(fd);
}

static void lose_packets(const char *dev, unsigned per_65536)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(dev), .attach_point = BPF_TC_EGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, tc, .prog_fd = lossy_program(BPF_PROG_TYPE_SCHED_CLS, 0, 2, per_65536));
	int xdp = lossy_program(BPF_PROG_TYPE_XDP, 2, 1, per_65536);

	cr_assert(xdp >= 0 && tc.prog_fd >= 0);
	cr_assert(bpf_xdp_attach((int)if_nametoindex(dev), xdp, 1u << 2 /* native */, NULL) == 0);
	cr_assert(bpf_tc_hook_create(&hook) == 0 && bpf_tc_attach(&hook, &tc) == 0);
}

/* ---- the client's process */

struct tally {
	pthread_mutex_t lock;
	int asked, refused, reset, other;
	char what[200];
};

static bool send_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void send_request(int fd, enum style style)
{
	static char big[60000];

	switch (style) {
	case WHOLE:
	case HALF_CLOSE:
		send_all(fd, HEAD "Content-Length: 2\r\n\r\n{}", sizeof(HEAD "Content-Length: 2\r\n\r\n{}") - 1);
		if (style == HALF_CLOSE)
			shutdown(fd, SHUT_WR);
		break;
	case BODY_LATER:
		send_all(fd, HEAD "Content-Length: 4\r\n\r\n", sizeof(HEAD "Content-Length: 4\r\n\r\n") - 1);
		send_all(fd, "{}{}", 4);
		break;
	case BIG_BODY:
		send_all(fd, HEAD "Content-Length: 60000\r\n\r\n", sizeof(HEAD "Content-Length: 60000\r\n\r\n") - 1);
		send_all(fd, big, sizeof(big));
		break;
	case EXPECT:
		send_all(fd, HEAD "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n",
			 sizeof(HEAD "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n") - 1);
		break;
	case SMALL:
		send_all(fd, SMALL_GET, sizeof(SMALL_GET) - 1);
		break;
	default:
		send_all(fd, HEAD "Content-Length: 2\r\n\r\n{}" HEAD,
			 sizeof(HEAD "Content-Length: 2\r\n\r\n{}" HEAD) - 1);
	}
}

/* 1: a whole 429; 0: something else; -1: a reset. */
static int one_request(enum style style, char what[200])
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(GATE_PORT)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	char text[4096];
	size_t len = 0;
	ssize_t n = 0;
	const char *body;

	inet_pton(AF_INET, server_address, &to.sin_addr);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fd < 0 || connect(fd, (void *)&to, sizeof(to)) != 0) {
		snprintf(what, 200, "connect: %s", strerror(errno));
		close(fd);
		return 0;
	}
	send_request(fd, style);
	while (len < sizeof(text) - 1 && (n = recv(fd, text + len, sizeof(text) - 1 - len, 0)) > 0)
		len += (size_t)n;
	text[len] = 0;
	if (n < 0)
		snprintf(what, 200, "style %d after %zu bytes: %s", (int)style, len, strerror(errno));
	close(fd);
	if (n < 0)
		return -1;
	body = strstr(text, "\r\n\r\n");
	if (!strncmp(text, "HTTP/1.1 429 ", 13) && body && strlen(body) == 4 + 14)
		return 1;
	snprintf(what, 200, "style %d: %zu bytes %.60s", (int)style, len, text);
	return 0;
}

static struct tally tally = {.lock = PTHREAD_MUTEX_INITIALIZER};
static int rounds;

static void *client_thread(void *arg)
{
	for (int i = 0; i < rounds; i++) {
		char what[200] = "";
		int r = one_request((enum style)(((size_t)arg + (size_t)i) % STYLES), what);

		pthread_mutex_lock(&tally.lock);
		tally.asked++;
		tally.refused += r == 1;
		tally.reset += r < 0;
		tally.other += r == 0;
		if (r != 1)
			memcpy(tally.what, what, sizeof(what));
		pthread_mutex_unlock(&tally.lock);
	}
	return NULL;
}

/* Sockets of this namespace that are neither listening nor in TIME_WAIT. */
static int open_sockets(char *states, size_t size)
{
	FILE *f = fopen("/proc/thread-self/net/tcp", "r");
	unsigned state, n = 0;
	char line[256];
	size_t at = 0;

	states[0] = 0;
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " %*d: %*x:%*x %*x:%*x %x", &state) == 1 && state != 10 && state != 6) {
			n++;
			if (at + 4 < size)
				at += (size_t)snprintf(states + at, size - at, "%x ", state);
		}
	if (f)
		fclose(f);
	return (int)n;
}

static int wait_closed(char *states, size_t size)
{
	struct timespec tick = {.tv_nsec = 50000000};
	int n = 0;

	for (int i = 0; i < 600 && (n = open_sockets(states, size)) > 0; i++)
		nanosleep(&tick, NULL);
	return n;
}

struct report {
	struct tally tally;
	int open;
	char states[64];
};

static void client_process(int from_parent, int to_parent)
{
	pthread_t t[THREADS];
	struct report r;
	char go;

	if (unshare(CLONE_NEWNET) != 0 || write(to_parent, "n", 1) != 1 || read(from_parent, &go, 1) != 1)
		_exit(1);
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, client_thread, (void *)i) != 0)
			_exit(1);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	memset(&r, 0, sizeof(r));
	r.tally = tally;
	r.open = wait_closed(r.states, sizeof(r.states));
	_exit(write(to_parent, &r, sizeof(r)) == (ssize_t)sizeof(r) ? 0 : 1);
}

/* ---- the server's side */

/* Answers one connection the daemon's way: 429, then waits for the client to be done. */
static void *serve(void *arg)
{
	static const char refusal[] =
		"HTTP/1.1 429 No\r\ncontent-length: 14\r\nconnection: close\r\n\r\n{\"error\":   0}";
	int fd = (int)(size_t)arg;
	char b[4096], tail[8] = "";
	ssize_t n;

	while (!strstr(tail, "\r\n\r\n") && recv(fd, b, 1, 0) == 1) {
		memmove(tail, tail + 1, 3);
		tail[3] = b[0];
	}
	if (send_all(fd, refusal, sizeof(refusal) - 1)) {
		shutdown(fd, SHUT_WR);
		while ((n = recv(fd, b, sizeof(b), 0)) > 0)
			;
	}
	close(fd);
	return NULL;
}

static _Atomic int served;

static void *accept_thread(void *arg)
{
	int listener = (int)(size_t)arg, fd;
	pthread_t t;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		served++;
		cr_assert(pthread_create(&t, NULL, serve, (void *)(size_t)fd) == 0);
		pthread_detach(t);
	}
	return NULL;
}

static int listen_deferred(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(GATE_PORT)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), thirty = 30;

	cr_assert(setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &thirty, sizeof(thirty)) == 0);
	cr_assert(bind(fd, (void *)&a, sizeof(a)) == 0 && listen(fd, 1024) == 0);
	return fd;
}

/* In the child's namespace: /proc/PID/ns/net. */
static void in_client(pid_t pid, const char *dev, unsigned loss)
{
	char path[64], command[200];
	int here = open("/proc/self/ns/net", O_RDONLY), there;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	there = open(path, O_RDONLY);
	cr_assert(here >= 0 && there >= 0 && setns(there, CLONE_NEWNET) == 0);
	snprintf(command, sizeof(command), "ip addr add " CLIENT "/24 dev %s && ip link set %s up && ip link set lo up",
		 dev, dev);
	shell(command);
	software_checksums(dev);
	lose_packets(dev, loss);
	cr_assert(setns(here, CLONE_NEWNET) == 0);
	close(here);
	close(there);
}

/* Brings the answer to its real length by a header more. */
static void pad_answer(void)
{
	uint32_t index = tg_answer_index(TG_DIALECT_OPENAI, TG_REASON_KEY_REQUESTS);
	struct tg_answer a;
	char *end;
	size_t at, n;

	cr_assert(bpf_map__lookup_elem(gate.skel->maps.tg_answers, &index, sizeof(index), &a, sizeof(a), 0) == 0);
	end = memmem(a.text, a.len, "\r\n\r\n", 4);
	cr_assert(end && a.len + 8u <= ANSWER_LEN);
	at = (size_t)(end - a.text);
	n = ANSWER_LEN - a.len;
	memmove(end + n, end, a.len - at);
	memset(end, 'x', n);
	memcpy(end, "\r\nx:", 4);
	for (size_t i = at; i < at + n; i++)
		a.csum += (uint32_t)(uint8_t)a.text[i] << (i % 2 * 8);
	a.len = ANSWER_LEN;
	cr_assert(bpf_map__update_elem(gate.skel->maps.tg_answers, &index, sizeof(index), &a, sizeof(a), BPF_ANY) == 0);
}

static void refuse_key(void)
{
	pad_answer();
	gate_learn(KEY, 9, 8);
	*gate_rate(9, TG_DIM_REQUESTS) = rate_of(1, 600000000000ull, 0);
	gate_exhaust(9, TG_DIM_REQUESTS);
}

static void run_clients(bool tc, unsigned loss, int per_thread)
{
	int down[2], up[2], listener;
	pthread_t acceptor;
	char dev[16], peer[16], command[300], states[64], ready;
	uint64_t answered;
	struct report r;
	pid_t pid;

	rounds = per_thread;
	refuse_key();
	cr_assert(pipe(down) == 0 && pipe(up) == 0);
	pid = fork();
	cr_assert(pid >= 0);
	if (pid == 0)
		client_process(down[0], up[1]);
	cr_assert(read(up[0], &ready, 1) == 1);
	snprintf(dev, sizeof(dev), "tgs%d", (int)getpid() % 100000);
	snprintf(peer, sizeof(peer), "tgc%d", (int)getpid() % 100000);
	snprintf(command, sizeof(command),
		 "ip link add %s type veth peer name %s netns %d && ip addr add " SERVER
		 "/24 dev %s && ip link set %s up",
		 dev, peer, (int)pid, dev, dev);
	shell(command);
	in_client(pid, peer, loss);
	software_checksums(dev);
	if (tc) {
		DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(dev),
				    .attach_point = BPF_TC_INGRESS);
		DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(gate.skel->progs.tg_tc_ingress));

		cr_assert(bpf_tc_hook_create(&hook) == 0 && bpf_tc_attach(&hook, &opts) == 0);
	} else {
		cr_assert(bpf_xdp_attach((int)if_nametoindex(dev), bpf_program__fd(gate.skel->progs.tg_xdp), 1u << 2,
					 NULL) == 0,
			  "native mode");
	}
	listener = listen_deferred();
	cr_assert(pthread_create(&acceptor, NULL, accept_thread, (void *)(size_t)listener) == 0);
	cr_assert(write(down[1], "g", 1) == 1);
	cr_assert(read(up[0], &r, sizeof(r)) == (ssize_t)sizeof(r), "the clients' process");
	waitpid(pid, NULL, 0);
	answered = gate_stat(TG_VERDICT_ANSWER, TG_REASON_KEY_REQUESTS);
	shutdown(listener, SHUT_RDWR);
	pthread_join(acceptor, NULL);
	close(listener);
	if (!loss)
		cr_expect_eq(served, 0, "%d refused connections were accepted", (int)served);
	cr_expect(wait_closed(states, sizeof(states)) == 0, "open on the server: %s", states);
	cr_expect(r.open == 0, "open on the client: %s", r.states);
	cr_expect(r.tally.asked == THREADS * per_thread && r.tally.refused == r.tally.asked,
		  "%d asked, %d refused, %d resets, "
		  "%d other: %s",
		  r.tally.asked, r.tally.refused, r.tally.reset, r.tally.other, r.tally.what);
	cr_expect_eq(answered + (uint64_t)served, (uint64_t)r.tally.asked, "%d at the NIC, %d behind it", (int)answered,
		     (int)served);
	cr_expect(answered * 10 >= (uint64_t)r.tally.asked * 8, "%d at the NIC, %d behind it", (int)answered,
		  (int)served);
	cr_expect_eq(gate_stat(TG_VERDICT_DROP, TG_REASON_MALFORMED), 0);
	cr_expect_eq(gate_health().helper_failed, 0);
}

/* Generic mode on loopback, as `make run` has it: one program sees both directions, clients live beside the server. */
Test(live, lo_generic)
{
	pthread_t t[THREADS], acceptor;
	char states[64];
	int listener;

	rounds = 12;
	server_address = "127.0.0.1";
	refuse_key();
	cr_assert(bpf_xdp_attach((int)if_nametoindex("lo"), bpf_program__fd(gate.skel->progs.tg_xdp),
				 1u << 1 /* generic */, NULL) == 0);
	listener = listen_deferred();
	cr_assert(pthread_create(&acceptor, NULL, accept_thread, (void *)(size_t)listener) == 0);
	for (size_t i = 0; i < THREADS; i++)
		cr_assert(pthread_create(&t[i], NULL, client_thread, (void *)i) == 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	shutdown(listener, SHUT_RDWR);
	pthread_join(acceptor, NULL);
	close(listener);
	cr_expect_eq(served, 0, "%d refused connections were accepted", (int)served);
	cr_expect_eq(tally.refused, THREADS * rounds, "%d refused, %d resets, %d other: %s", tally.refused, tally.reset,
		     tally.other, tally.what);
	cr_expect(wait_closed(states, sizeof(states)) == 0, "open: %s", states);
	cr_expect_eq(gate_stat(TG_VERDICT_ANSWER, TG_REASON_KEY_REQUESTS), (uint64_t)(THREADS * rounds));
	cr_expect_eq(gate_health().helper_failed, 0);
}

Test(live, xdp_native)
{
	run_clients(false, 0, 12);
}

Test(live, xdp_native_5_percent_loss)
{
	run_clients(false, 65536 / 20, 12);
}

Test(live, tc_5_percent_loss)
{
	run_clients(true, 65536 / 20, 12);
}
