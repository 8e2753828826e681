/* Goal: the room's promises as packets see them: a blocked source stays out through upgrades (K1, K3), and no packet is
 * judged by a mixture of two policies (A2).
 * Method: a flood over veth while the gate is upgraded or policies swap; a packet socket behind the program, and the
 * program's own counters, tell what came through. */
#include "room.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct frame {
	struct ether_header eth;
	struct iphdr ip;
	uint8_t udp[8];
} __attribute__((packed));

static struct frame frame_from(const char *source)
{
	struct frame f = {.eth = {.ether_dhost = {2, 0, 0, 0, 0, 1}, .ether_shost = {2, 0, 0, 0, 0, 2}}};

	f.eth.ether_type = htons(ETHERTYPE_IP);
	f.ip.version = 4;
	f.ip.ihl = 5;
	f.ip.tot_len = htons(sizeof(f) - sizeof(f.eth));
	f.ip.ttl = 64;
	f.ip.protocol = IPPROTO_UDP;
	f.ip.saddr = inet_addr(source);
	f.ip.daddr = inet_addr("198.18.0.1");
	return f;
}

static int packet_socket(const char *ifname)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_IP));

	cr_assert_geq(fd, 0, "%s", strerror(errno));
	at.sll_ifindex = (int)if_nametoindex(ifname);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

struct flood {
	int in, out; /* packet sockets on both ends */
	struct frame frame;
	atomic_bool stop;
	atomic_ulong sent, arrived;
};

static void flood_count(struct flood *f)
{
	struct frame got;

	while (recv(f->out, &got, sizeof(got), 0) >= (ssize_t)sizeof(got))
		if (got.ip.saddr == f->frame.ip.saddr && got.ip.daddr == f->frame.ip.daddr)
			atomic_fetch_add(&f->arrived, 1);
}

static void *flood_run(void *arg)
{
	struct flood *f = arg;

	while (!atomic_load(&f->stop)) {
		if (send(f->in, &f->frame, sizeof(f->frame), 0) == (ssize_t)sizeof(f->frame))
			atomic_fetch_add(&f->sent, 1);
		flood_count(f);
	}
	return NULL;
}

static void flood_init(struct flood *f, const char *source)
{
	*f = (struct flood){.in = packet_socket("tg1"), .out = packet_socket("tg0"), .frame = frame_from(source)};
}

static void flood_wait(struct flood *f, unsigned long more)
{
	unsigned long until = atomic_load(&f->sent) + more;

	while (atomic_load(&f->sent) < until)
		sched_yield();
}

static struct kernel *gate(struct room_policy *p, const struct kernel_cidr *block, size_t n)
{
	struct kernel_attachment a;
	struct kernel *k = room_open();
	struct err err = {0};
	uint32_t generation;

	room_policy_init(p, k, 0, 1);
	p->in.block = block;
	p->in.n_block = n;
	cr_assert_eq(kernel_policy_swap(k, &p->in, &generation, &err), 0, "%s", err.msg);
	kernel_set_armed(k, true);
	cr_assert_eq(kernel_attach(k, "tg0", KERNEL_WANT_NATIVE, &a, &err), 0, "%s", err.msg);
	return k;
}

Test(traffic, blocked_through_upgrades)
{
	struct kernel_cidr block = room_cidr("192.0.2.1");
	struct flood bad, good;
	struct room_policy p;
	struct kernel_stats stats;
	struct kernel *k;
	struct err err = {0};
	pthread_t thread;

	room_enter();
	room_veth();
	kernel_close(gate(&p, &block, 1));
	flood_init(&bad, "192.0.2.1");
	flood_init(&good, "192.0.2.2");
	cr_assert_eq(pthread_create(&thread, NULL, flood_run, &bad), 0);
	flood_wait(&bad, 100); /* no process holds the gate */
	for (int i = 0; i < 3; i++) {
		struct kernel_attachment a;

		k = room_open();
		cr_assert_eq(kernel_attach(k, "tg0", KERNEL_WANT_AUTO, &a, &err), 0, "%s", err.msg);
		kernel_close(k);
		flood_wait(&bad, 100);
	}
	atomic_store(&bad.stop, true);
	pthread_join(thread, NULL);
	cr_expect_eq(atomic_load(&bad.arrived), 0, "%lu of %lu", atomic_load(&bad.arrived), atomic_load(&bad.sent));
	/* the same road is open to others */
	cr_assert_eq(pthread_create(&thread, NULL, flood_run, &good), 0);
	while (atomic_load(&good.arrived) == 0)
		sched_yield();
	atomic_store(&good.stop, true);
	pthread_join(thread, NULL);
	cr_assert_eq(kernel_open_pinned(ROOM_PIN, &k, &err), 0, "%s", err.msg);
	cr_assert_eq(kernel_stats(k, &stats, &err), 0, "%s", err.msg);
	cr_expect_geq(stats.by[TG_VERDICT_DROP][TG_REASON_BLOCK_LIST].packets, 400);
	kernel_close(k);
}

/* Right before and after the flip, where everything is prepared: packets in between tell. */
static void wait_at_flip(uint32_t generation, void *arg)
{
	(void)generation;
	flood_wait(arg, 10);
}

static void no_rates(uint32_t subject, struct tg_rate_block *ret, void *arg)
{
	(void)subject;
	(void)ret;
	(void)arg;
}

/* Policy 1 lists the source and is in shadow mode; policy 2 doesn't list it and isn't. Any mixture of one's list with
 * the other's mode drops a packet; neither policy does. */
Test(traffic, no_mixture_of_policies)
{
	static const char *const sources[] = {"192.0.2.1", "10.1.2.3"}; /* by hash, by prefix */
	struct kernel_cidr block[2] = {room_cidr("192.0.2.1"), room_cidr("10.0.0.0/8")};
	struct kernel_stats stats;
	struct room_policy p;
	struct kernel *k;
	struct err err = {0};
	uint32_t generation;

	room_enter();
	room_veth();
	k = gate(&p, block, 0);
	for (size_t s = 0; s < ARRAY_SIZE(sources); s++) {
		pthread_t thread;
		struct flood f;

		flood_init(&f, sources[s]);
		p.in.rates = no_rates;
		p.in.publish = wait_at_flip;
		p.in.arg = &f;
		cr_assert_eq(pthread_create(&thread, NULL, flood_run, &f), 0);
		for (int i = 0; i < 20; i++) {
			p.in.n_block = i % 2 ? 0 : 2;
			p.in.policy.flags = i % 2 ? 0 : TG_POLICY_SHADOW;
			cr_assert_eq(kernel_policy_swap(k, &p.in, &generation, &err), 0, "%s", err.msg);
			flood_wait(&f, 20);
		}
		atomic_store(&f.stop, true);
		pthread_join(thread, NULL);
	}
	cr_assert_eq(kernel_stats(k, &stats, &err), 0, "%s", err.msg);
	cr_expect_eq(stats.by[TG_VERDICT_DROP][TG_REASON_BLOCK_LIST].packets, 0, "judged by a mixture: %llu",
		     stats.by[TG_VERDICT_DROP][TG_REASON_BLOCK_LIST].packets);
	cr_expect_gt(stats.by[TG_VERDICT_SHADOW][TG_REASON_BLOCK_LIST].packets, 0);
	cr_expect_gt(stats.by[TG_VERDICT_PASS][TG_REASON_OTHER_PORT].packets, 0);
	kernel_close(k);
}

static void see_event(const struct tg_event *e, void *arg)
{
	*(struct tg_event *)arg = *e;
}

/* A refusal's event comes out of the ring buffer. */
Test(traffic, events)
{
	struct kernel_cidr block = room_cidr("192.0.2.1");
	struct tg_event last = {0};
	struct room_policy p;
	struct flood f;
	struct kernel *k;
	struct err err = {0};
	uint32_t generation;

	room_enter();
	room_veth();
	k = gate(&p, &block, 1);
	cr_assert_geq(kernel_events_fd(k), 0);
	p.in.policy.events_per_second = 1000;
	cr_assert_eq(kernel_policy_swap(k, &p.in, &generation, &err), 0, "%s", err.msg);
	flood_init(&f, "192.0.2.1");
	while (last.time_ns == 0) {
		cr_assert_eq(send(f.in, &f.frame, sizeof(f.frame), 0), (ssize_t)sizeof(f.frame));
		cr_assert_geq(kernel_events_drain(k, see_event, &last), 0);
	}
	cr_expect_eq(last.verdict, TG_VERDICT_DROP);
	cr_expect_eq(last.reason, TG_REASON_BLOCK_LIST);
	cr_expect_eq(last.addr[3], inet_addr("192.0.2.1"));
	cr_expect_eq(last.length, sizeof(struct frame));
	kernel_close(k);
}
