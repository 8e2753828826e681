/* Puts the gate on an interface for drop_rate.py: a block list of many entries with one address among them. Answers
 * each line of standard input with the number of packets dropped by the list; at the end of input everything is
 * detached. Usage: drop_rate_gate PIN_DIR IFNAME hash|prefix ADDRESS */
#include "kernel/kernel.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ENTRIES 10000

static void no_rates(uint32_t subject, struct tg_rate_block *ret, void *arg)
{
	(void)subject;
	(void)ret;
	(void)arg;
}

static int put_entries(struct kernel *k, bool prefix, uint32_t addr, struct err *err)
{
	_cleanup_(freep) struct kernel_list_entry *e = calloc(ENTRIES, sizeof(*e));

	if (!e)
		return err_set(err, ERR_NOMEM, "out of memory");
	for (uint32_t i = 0; i < ENTRIES; i++) {
		/* 100.64.0.0/10 is nobody's; the last is the one that counts */
		uint32_t a = i == ENTRIES - 1 ? ntohl(addr) : 0x64400000u + (i << 8);

		e[i].cidr.prefix_len = prefix ? 24 : 32;
		e[i].cidr.addr[0] = htonl(prefix ? a & ~0xffu : a);
		e[i].expires_ns = TG_LIST_NEVER;
	}
	return kernel_list_put(k, KERNEL_LIST_BLOCK, e, ENTRIES, NULL, err);
}

static int put_up(struct kernel *k, const char *ifname, bool prefix, uint32_t addr, struct err *err)
{
	/* events as in the default policy: their throttling is part of a drop's cost */
	struct kernel_policy_input policy = {.policy.events_per_second = 100, .rates = no_rates, .n_subjects = 1};
	struct kernel_attachment a;
	uint32_t generation;
	uint16_t port = 8080;
	int rc = put_entries(k, prefix, addr, err);

	if (rc == 0)
		rc = kernel_set_ports(k, &port, 1, NULL, 0, err);
	if (rc == 0)
		rc = kernel_policy_swap(k, &policy, &generation, err);
	kernel_set_armed(k, true);
	return rc ? rc : kernel_attach(k, ifname, KERNEL_WANT_NATIVE, &a, err);
}

static int answer_counts(struct kernel *k, struct err *err)
{
	char line[16];

	while (fgets(line, sizeof(line), stdin)) {
		struct kernel_stats stats;
		int rc = kernel_stats(k, &stats, err);

		if (rc)
			return rc;
		printf("%" PRIu64 "\n", (uint64_t)stats.by[TG_VERDICT_DROP][TG_REASON_BLOCK_LIST].packets);
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct kernel_opts opts = KERNEL_OPTS_DEFAULT;
	struct kernel *k = NULL;
	struct err err = {0};
	uint32_t addr = 0;
	int rc;

	if (argc != 5 || inet_pton(AF_INET, argv[4], &addr) != 1) {
		fprintf(stderr, "usage: %s PIN_DIR IFNAME hash|prefix ADDRESS\n", argv[0]);
		return 2;
	}
	opts.pin_dir = argv[1];
	rc = kernel_open(&opts, &k, &err);
	if (rc == 0)
		rc = put_up(k, argv[2], strcmp(argv[3], "prefix") == 0, addr, &err);
	if (rc == 0)
		rc = answer_counts(k, &err);
	kernel_close(k);
	if (rc)
		fprintf(stderr, "drop_rate_gate: %s\n", err.msg);
	if (kernel_detach_all(argv[1], &err)) {
		fprintf(stderr, "drop_rate_gate: %s\n", err.msg);
		return 1;
	}
	return rc ? 1 : 0;
}
