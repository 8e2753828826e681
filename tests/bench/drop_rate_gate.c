/* Puts the gate on an interface for drop_rate.py: a block list of many entries with one address among them.
 * Usage: drop_rate_gate up PIN_DIR IFNAME hash|prefix ADDRESS | count PIN_DIR | down PIN_DIR */
#include "kernel/kernel.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ENTRIES 10000

static int failed(const struct err *err)
{
	fprintf(stderr, "drop_rate_gate: %s\n", err->msg);
	return 1;
}

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

static int up(const char *pin_dir, const char *ifname, bool prefix, const char *address)
{
	struct kernel_opts opts = KERNEL_OPTS_DEFAULT;
	struct kernel_policy_input policy = {.rates = no_rates, .n_subjects = 1};
	struct kernel_attachment a;
	struct kernel *k = NULL;
	struct err err = {0};
	uint32_t addr, generation;
	uint16_t port = 8080;
	int rc;

	if (inet_pton(AF_INET, address, &addr) != 1)
		return 2;
	opts.pin_dir = pin_dir;
	rc = kernel_open(&opts, &k, &err);
	if (rc)
		return failed(&err);
	rc = put_entries(k, prefix, addr, &err);
	if (rc == 0)
		rc = kernel_set_ports(k, &port, 1, NULL, 0, &err);
	if (rc == 0)
		rc = kernel_policy_swap(k, &policy, &generation, &err);
	kernel_set_armed(k, true);
	if (rc == 0)
		rc = kernel_attach(k, ifname, KERNEL_WANT_NATIVE, &a, &err);
	kernel_close(k);
	return rc ? failed(&err) : 0;
}

static int count(const char *pin_dir)
{
	struct kernel_stats stats;
	struct kernel *k = NULL;
	struct err err = {0};

	if (kernel_open_pinned(pin_dir, &k, &err) || kernel_stats(k, &stats, &err))
		return failed(&err);
	printf("%" PRIu64 "\n", (uint64_t)stats.by[TG_VERDICT_DROP][TG_REASON_BLOCK_LIST].packets);
	kernel_close(k);
	return 0;
}

int main(int argc, char **argv)
{
	struct err err = {0};

	if (argc == 6 && strcmp(argv[1], "up") == 0)
		return up(argv[2], argv[3], strcmp(argv[4], "prefix") == 0, argv[5]);
	if (argc == 3 && strcmp(argv[1], "count") == 0)
		return count(argv[2]);
	if (argc == 3 && strcmp(argv[1], "down") == 0)
		return kernel_detach_all(argv[2], &err) ? failed(&err) : 0;
	fprintf(stderr, "usage: %s up PIN_DIR IFNAME hash|prefix ADDRESS | count PIN_DIR | down PIN_DIR\n", argv[0]);
	return 2;
}
