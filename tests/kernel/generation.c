/* Goal: A2: no packet is judged by a mixture of two policies.
 * Method: generation 2 blocks the source by its list and has no limits; generation 3 has it on no list and a limit that
 * refuses everything. Either policy alone drops the packet; only list 3 with limits 2 would pass it. A thread flips the
 * generation as fast as it can while another runs the packet. */
#include "gate.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include "tollgate.skel.h"
#pragma GCC diagnostic pop

#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <pthread.h>

TestSuite(generation, .init = gate_setup, .fini = gate_teardown, .timeout = 60);

#define RUNS 300
#define REPEAT 5000

static _Atomic int stop;

static void *flip(void *arg)
{
	(void)arg;
	while (!stop)
		TG_WRITE_ONCE(gate.control->generation, gate.control->generation ^ 1);
	return NULL;
}

Test(generation, no_mixture)
{
	struct tg_list_value v = {.gen_from = 2, .gen_to = 3, .prefix_len = 32};
	struct tg_policy none = gate_policy_default(), all = gate_policy_default();
	uint32_t src = __builtin_bswap32(0x0a000001), two = 0, three = 1;
	struct spec s = {.flags = T_ACK};
	struct frame f;
	pthread_t t;

	none.events_per_second = all.events_per_second = 0;
	all.net[TG_NET_ALL][TG_NET_PACKETS] =
		(struct tg_rate){.emission_q16 = 1000ull << 16, .burst_ns = 0, .limit = 1};
	gate.control->have_block = 1;
	cr_assert(bpf_map__update_elem(gate.skel->maps.tg_block4, &src, sizeof(src), &v, sizeof(v), BPF_ANY) == 0);
	cr_assert(bpf_map__update_elem(gate.skel->maps.tg_policy, &two, sizeof(two), &none, sizeof(none), BPF_ANY) ==
		  0);
	cr_assert(bpf_map__update_elem(gate.skel->maps.tg_policy, &three, sizeof(three), &all, sizeof(all), BPF_ANY) ==
		  0);
	frame_build(&f, &s);
	cr_assert(pthread_create(&t, NULL, flip, NULL) == 0);
	for (int i = 0; i < RUNS; i++)
		for (int hook = 0; hook < GATE_HOOKS; hook++) {
			LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = f.b, .data_size_in = (uint32_t)f.len,
				    .repeat = REPEAT);
			struct bpf_program *p =
				hook == GATE_XDP ? gate.skel->progs.tg_xdp : gate.skel->progs.tg_tc_ingress;

			cr_assert(bpf_prog_test_run_opts(bpf_program__fd(p), &o) == 0);
		}
	stop = 1;
	pthread_join(t, NULL);
	/* both policies were really met, and nothing else happened */
	cr_expect_gt(gate_stat(TG_VERDICT_DROP, TG_REASON_BLOCK_LIST), 0);
	cr_expect_gt(gate_stat(TG_VERDICT_DROP, TG_REASON_PACKETS_ALL), 0);
	cr_expect_eq(gate_stat(TG_VERDICT_DROP, TG_REASON_BLOCK_LIST) +
			     gate_stat(TG_VERDICT_DROP, TG_REASON_PACKETS_ALL),
		     (uint64_t)RUNS * REPEAT * GATE_HOOKS);
}
