/* Sends TCP SYNs from one address out of one interface as fast as one core can, as XDP frames (BPF_PROG_TEST_RUN with
 * live frames and a redirect): much cheaper per packet than any socket, so that the receiver is most of what is
 * measured. On veth the other end receives in softirq of this very core. Prints the packets sent and the CPU time they
 * took, in ns. Usage: flood IFNAME SOURCE DESTINATION PORT DESTINATION_MAC MILLISECONDS */
#include "base/clock.h"
#include "base/err.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#define REPEAT 65536
#define BATCH 64

struct frame {
	struct ether_header eth;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t padding[6]; /* to the least size of Ethernet */
} __attribute__((packed));

static uint16_t sum_fold(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *p = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static int frame_build(struct frame *f, char *const argv[])
{
	uint8_t *mac = f->eth.ether_dhost;
	uint32_t pseudo;

	memset(f, 0, sizeof(*f));
	if (sscanf(argv[5], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
		return ERR_INVAL;
	f->eth.ether_shost[0] = 2;
	f->eth.ether_type = htons(ETHERTYPE_IP);
	f->ip.version = 4;
	f->ip.ihl = 5;
	f->ip.tot_len = htons(sizeof(f->ip) + sizeof(f->tcp));
	f->ip.ttl = 64;
	f->ip.protocol = IPPROTO_TCP;
	if (inet_pton(AF_INET, argv[2], &f->ip.saddr) != 1 || inet_pton(AF_INET, argv[3], &f->ip.daddr) != 1)
		return ERR_INVAL;
	f->ip.check = sum_fold(&f->ip, sizeof(f->ip), 0);
	f->tcp.source = htons(40000);
	f->tcp.dest = htons((uint16_t)atoi(argv[4]));
	f->tcp.doff = 5;
	f->tcp.syn = 1;
	f->tcp.window = htons(64240);
	pseudo = IPPROTO_TCP + sizeof(f->tcp);
	for (size_t i = 0; i < 2; i++) {
		uint32_t a = ntohl(i ? f->ip.daddr : f->ip.saddr);

		pseudo += (a >> 16) + (a & 0xffff);
	}
	f->tcp.check = sum_fold(&f->tcp, sizeof(f->tcp), pseudo);
	return 0;
}

/* return bpf_redirect(ifindex, 0) */
static int redirect_load(unsigned ifindex)
{
	const struct bpf_insn prog[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = (int)ifindex},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "tg_flood", "GPL", prog, ARRAY_SIZE(prog), NULL);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int main(int argc, char **argv)
{
	_cleanup_(closep) int fd = -1;
	struct frame frame;
	uint64_t until, cpu, sent = 0;
	unsigned ifindex = argc == 7 ? if_nametoindex(argv[1]) : 0;

	if (ifindex == 0 || frame_build(&frame, argv)) {
		fprintf(stderr, "usage: %s IFNAME SOURCE DESTINATION PORT DESTINATION_MAC MILLISECONDS\n", argv[0]);
		return 2;
	}
	fd = redirect_load(ifindex);
	if (fd < 0) {
		fprintf(stderr, "flood: can't load: %s\n", strerror(errno));
		return 1;
	}
	until = clock_mono_ns() + strtoull(argv[6], NULL, 10) * 1000000;
	cpu = cpu_ns();
	while (clock_mono_ns() < until) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &frame, .data_size_in = sizeof(frame),
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .repeat = REPEAT, .batch_size = BATCH);

		if (bpf_prog_test_run_opts(fd, &opts) && errno != EINTR) {
			fprintf(stderr, "flood: can't send: %s\n", strerror(errno));
			return 1;
		}
		sent += REPEAT;
	}
	printf("%" PRIu64 " %" PRIu64 "\n", sent, cpu_ns() - cpu);
	return 0;
}
