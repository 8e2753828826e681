/* Goal: the policy swap: one generation for everything (A2, A3), rules apart from state (A4), all or nothing (K4), also
 * when a swap dies half-way; and that it scales to the sizes the product promises.
 * Method: the maps are read back as the kernel program would read them, before, at and after the flip. */
#include "room.h"

#include "base/clock.h"
#include "kernel/entries.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint32_t swap(struct kernel *k, struct room_policy *p)
{
	struct err err = {0};
	uint32_t generation = 0;

	cr_assert_eq(kernel_policy_swap(k, &p->in, &generation, &err), 0, "%s", err.msg);
	cr_expect_eq(kernel_control(k)->generation, generation);
	return generation;
}

static struct tg_policy policy_of_bank(struct kernel *k, uint32_t bank)
{
	struct tg_policy p;

	cr_assert_eq(bpf_map_lookup_elem(k->map_fd[KERNEL_MAP_POLICY], &bank, &p), 0);
	return p;
}

Test(policy, swap)
{
	struct room_policy p;
	struct kernel *k;
	uint32_t first, g;

	room_enter();
	k = room_open();
	first = kernel_control(k)->generation;
	kernel_buckets(k)[5].tat_ns[0] = 1234;
	for (uint32_t i = 1; i <= 3; i++) {
		room_policy_init(&p, k, i, i == 2 ? 10 : 20);
		g = swap(k, &p);
		cr_expect_eq(g, first + i);
		cr_expect_eq(kernel_rates(k, g & 1)[9].rate[0].limit, i);
		cr_expect_eq(kernel_rates(k, g & 1)[9].rate[0].emission_q16, 10);
		cr_expect_eq(policy_of_bank(k, g & 1).events_per_second, i);
		/* published before and after the flip, with the same generation */
		cr_expect_eq(p.n_published, 2);
		cr_expect(p.published[0] == g && p.published[1] == g);
		cr_expect_eq(p.word_then[0], g - 1);
		cr_expect_eq(p.word_then[1], g);
		/* the bank before is whole still: a packet that read the word just before the flip uses it */
		if (i > 1)
			cr_expect_eq(kernel_rates(k, (g - 1) & 1)[9].rate[0].limit, i - 1);
	}
	/* a bank used by a longer list of subjects before keeps none of their rules */
	room_policy_init(&p, k, 4, 10);
	g = swap(k, &p);
	for (uint32_t s = 10; s < 40; s++)
		cr_expect_eq(kernel_rates(k, g & 1)[s].rate[0].emission_q16, 0, "subject %u", s);
	cr_expect_eq(kernel_buckets(k)[5].tat_ns[0], 1234, "A4");
	kernel_close(k);
}

Test(policy, one_subject_between_swaps)
{
	struct tg_rate_block r = {.rate = {{.emission_q16 = 5, .limit = 6, .burst_ns = 7}}};
	struct room_policy p;
	struct kernel *k;
	uint32_t g;

	room_enter();
	k = room_open();
	room_policy_init(&p, k, 1, 2);
	g = swap(k, &p);
	cr_assert_eq(kernel_rates_set(k, 9, &r, NULL), 0);
	cr_expect_eq(memcmp(&kernel_rates(k, g & 1)[9], &r, sizeof(r)), 0);
	cr_expect_eq(kernel_rates_set(k, TG_SUBJECTS_MAX, &r, NULL), ERR_RANGE, "no such slot");
	cr_assert_eq(kernel_rates_set(k, TG_SUBJECTS_MAX - 1, &r, NULL), 0);
	cr_expect_eq(memcmp(&kernel_rates(k, g & 1)[TG_SUBJECTS_MAX - 1], &r, sizeof(r)), 0, "the last slot");
	g = swap(k, &p);
	g = swap(k, &p);
	cr_expect_eq(kernel_rates(k, g & 1)[9].rate[0].emission_q16, 0, "the policy knows 2 subjects");
	kernel_close(k);
}

/* What a packet of generation g would find in the maps. */
static bool active_in(struct kernel *k, enum kernel_list list, const char *text, uint32_t g)
{
	struct kernel_cidr c = room_cidr(text);
	struct tg_list_value v;

	return entry_read(k, entry_map(list, &c), &c, &v) == 0 && entry_in_policy(&v, g);
}

struct flip_look {
	struct room_policy p; /* first: policy_publish casts back */
	const char *leaving, *staying, *coming;
	void (*publish)(uint32_t generation, void *arg);
};

/* Right before and right after the flip both generations must find exactly their own entries. */
static void look_at_flip(uint32_t generation, void *arg)
{
	struct flip_look *f = arg;
	struct kernel *k = f->p.k;

	f->publish(generation, &f->p);
	cr_expect(active_in(k, KERNEL_LIST_BLOCK, f->leaving, generation - 1));
	cr_expect_not(active_in(k, KERNEL_LIST_BLOCK, f->leaving, generation));
	cr_expect(active_in(k, KERNEL_LIST_BLOCK, f->staying, generation - 1));
	cr_expect(active_in(k, KERNEL_LIST_BLOCK, f->staying, generation));
	cr_expect_not(active_in(k, KERNEL_LIST_BLOCK, f->coming, generation - 1));
	cr_expect(active_in(k, KERNEL_LIST_BLOCK, f->coming, generation));
}

/* A2 */
Test(policy, lists_change_at_the_flip)
{
	static const struct {
		const char *leaving, *staying, *coming;
	} rows[] = {
		{"192.0.2.1", "192.0.2.2", "192.0.2.3"},
		{"10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"},
		{"2001:db8::1", "2001:db8::2", "2001:db8::3"},
		{"2001:db8:1::/48", "2001:db8:2::/48", "2001:db8:3::/48"},
	};
	struct kernel *k;

	room_enter();
	k = room_open();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kernel_cidr before[2] = {room_cidr(rows[i].leaving), room_cidr(rows[i].staying)};
		struct kernel_cidr after[3] = {room_cidr(rows[i].staying), room_cidr(rows[i].coming),
					       room_cidr(rows[i].coming)};
		struct flip_look f = {.leaving = rows[i].leaving, .staying = rows[i].staying, .coming = rows[i].coming};

		room_policy_init(&f.p, k, 1, 4);
		f.p.in.block = before;
		f.p.in.n_block = 2;
		swap(k, &f.p);
		f.publish = f.p.in.publish;
		f.p.in.publish = look_at_flip;
		f.p.in.arg = &f;
		f.p.in.block = after;
		f.p.in.n_block = 3;
		f.p.n_published = 0;
		swap(k, &f.p);
		cr_expect_eq(f.p.n_published, 2);
		cr_expect_eq(room_list_size(k, KERNEL_LIST_BLOCK), 2, "row %zu", i);
		cr_expect_not(room_listed(k, KERNEL_LIST_BLOCK, "192.0.2.1"));
	}
	cr_expect_eq(room_used(k, "tg_block4"), 0, "entries without a policy are gone, not just inactive");
	cr_expect_eq(kernel_control(k)->have_block_net, 2);
	kernel_close(k);
}

/* An entry that leaves the policy and comes back later is valid again. */
Test(policy, leave_and_return)
{
	struct kernel_cidr c = room_cidr("192.0.2.0/24");
	struct room_policy p;
	struct kernel *k;

	room_enter();
	k = room_open();
	for (int i = 0; i < 6; i++) {
		room_policy_init(&p, k, 1, 1);
		p.in.allow = &c;
		p.in.n_allow = i % 2 == 0;
		swap(k, &p);
		cr_expect_eq(room_listed(k, KERNEL_LIST_ALLOW, "192.0.2.9"), i % 2 == 0, "swap %d", i);
		cr_expect_eq(kernel_control(k)->have_allow, i % 2 == 0, "swap %d", i);
	}
	kernel_close(k);
}

Test(policy, reasons)
{
	struct kernel_cidr c[2] = {room_cidr("192.0.2.1"), room_cidr("192.0.2.2")};
	uint16_t reasons[2] = {11, 12};
	struct kernel_list_entry e;
	struct room_policy p;
	struct kernel *k;

	room_enter();
	k = room_open();
	room_policy_init(&p, k, 1, 1);
	p.in.block = c;
	p.in.block_reason = reasons;
	p.in.n_block = 2;
	swap(k, &p);
	reasons[1] = 13; /* same entry, another reason */
	swap(k, &p);
	cr_assert_eq(kernel_list_match(k, KERNEL_LIST_BLOCK, &c[0], &e), 0);
	cr_expect(e.in_policy && e.reason == 11 && e.source == TG_LIST_POLICY);
	cr_assert_eq(kernel_list_match(k, KERNEL_LIST_BLOCK, &c[1], &e), 0);
	cr_expect_eq(e.reason, 13);
	kernel_close(k);
}

struct dump {
	struct kernel_list_entry e[64];
	size_t n;
};

static int dump_one(enum kernel_list list, const struct kernel_list_entry *e, void *arg)
{
	struct dump *d = arg;

	(void)list;
	if (d->n < ARRAY_SIZE(d->e))
		d->e[d->n++] = *e;
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct kernel_list_entry *x = a, *y = b;
	int c = memcmp(x->cidr.addr, y->cidr.addr, sizeof(x->cidr.addr));

	return c ? c : (int)x->cidr.v6 - (int)y->cidr.v6;
}

static struct dump dump_block(struct kernel *k)
{
	struct dump d = {.n = 0};
	struct err err = {0};

	cr_assert_eq(kernel_list_each(k, KERNEL_LIST_BLOCK, dump_one, &d, &err), 0, "%s", err.msg);
	qsort(d.e, d.n, sizeof(d.e[0]), by_address);
	return d;
}

static void expect_same(const struct dump *a, const struct dump *b)
{
	cr_expect_eq(a->n, b->n);
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		const struct kernel_list_entry *x = &a->e[i], *y = &b->e[i];
		char text[CIDR_TEXT_MAX];

		cr_expect(cidr_equal(&x->cidr, &y->cidr) && x->expires_ns == y->expires_ns &&
				  x->in_policy == y->in_policy && x->reason == y->reason && x->source == y->source,
			  "%s", cidr_format(&x->cidr, text));
	}
}

/* K4: refused before anything is written. */
Test(policy, refused_whole)
{
	enum { N = 20 };
	struct kernel_cidr c[N], bad = {false, 33, {0}};
	struct kernel_opts o;
	struct room_policy p;
	struct kernel *k;
	struct err err = {0};
	struct dump before, after;
	uint32_t g, unused = 77;

	room_enter();
	o = room_opts();
	o.list_entries_max = 10;
	k = room_open_with(&o);
	for (uint32_t i = 0; i < N; i++) {
		c[i] = room_cidr("192.0.2.0");
		c[i].addr[0] |= __builtin_bswap32(i);
	}
	c[0] = room_cidr("192.0.2.0");
	room_policy_init(&p, k, 1, 2);
	p.in.block = c;
	p.in.n_block = 5;
	g = swap(k, &p);
	before = dump_block(k);

	p.mark = 2;
	p.in.n_block = N;
	cr_expect_eq(kernel_policy_swap(k, &p.in, &unused, &err), ERR_FULL);
	cr_expect(strstr(err.msg, "15 more entries") && strstr(err.msg, "tg_block4"), "%s", err.msg);
	p.in.n_block = 5;
	p.in.allow = &bad;
	p.in.n_allow = 1;
	cr_expect_eq(kernel_policy_swap(k, &p.in, &unused, &err), ERR_INVAL);
	p.in.n_allow = 0;
	p.in.n_subjects = TG_SUBJECTS_MAX + 1;
	cr_expect_eq(kernel_policy_swap(k, &p.in, &unused, &err), ERR_RANGE);
	cr_expect_eq(unused, 77, "out parameter touched");
	cr_expect_eq(kernel_control(k)->generation, g);
	cr_expect_eq(p.n_published, 2, "nothing was published by the failures");
	cr_expect_eq(kernel_rates(k, g & 1)[1].rate[0].limit, 1);
	after = dump_block(k);
	expect_same(&before, &after);
	kernel_close(k);
}

/* K4: the map turns out to be full in the middle of writing (somebody else filled it): all of it is undone, entries of
 * other maps, retired ones and dynamic halves included. */
Test(policy, undone_in_the_middle)
{
	static const char *const old_texts[] = {"192.0.2.1", "10.1.0.0/16", "2001:db8::1"};
	static const char *const new_texts[] = {"192.0.2.2",   "10.2.0.0/16", "10.3.0.0/16",
						"10.4.0.0/16", "192.0.2.1",   "2001:db8::2"};
	struct kernel_cidr c[8];
	struct kernel_opts o;
	struct room_policy p;
	struct kernel *k;
	struct err err = {0};
	struct dump before, after;
	uint32_t g, unused = 77;

	room_enter();
	o = room_opts();
	o.list_entries_max = 8;
	k = room_open_with(&o);
	for (size_t i = 0; i < ARRAY_SIZE(old_texts); i++)
		c[i] = room_cidr(old_texts[i]);
	room_policy_init(&p, k, 1, 2);
	p.in.block = c;
	p.in.n_block = ARRAY_SIZE(old_texts);
	g = swap(k, &p);
	room_put(k, KERNEL_LIST_BLOCK, "10.2.0.0/16", 0); /* in the new policy too */
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.1", 0);
	for (uint32_t i = 0; i < 5; i++) { /* behind the room's back */
		struct tg_lpm4 key = {16, room_cidr("172.16.0.0").addr[0] | __builtin_bswap32(i << 16)};
		struct tg_list_value v = {.expires_ns = TG_LIST_NEVER, .prefix_len = 16};

		cr_assert_eq(bpf_map_update_elem(k->map_fd[KERNEL_MAP_BLOCK_NET4], &key, &v, BPF_ANY), 0);
	}
	before = dump_block(k);

	for (size_t i = 0; i < ARRAY_SIZE(new_texts); i++)
		c[i] = room_cidr(new_texts[i]);
	p.in.n_block = ARRAY_SIZE(new_texts);
	p.mark = 2;
	cr_expect_eq(kernel_policy_swap(k, &p.in, &unused, &err), ERR_FULL, "%s", err.msg);
	cr_expect_eq(unused, 77);
	cr_expect_eq(kernel_control(k)->generation, g);
	after = dump_block(k);
	expect_same(&before, &after);
	cr_expect_eq(kernel_rates(k, g & 1)[1].rate[0].limit, 1);
	/* nothing of it sleeps in the maps either: the next generation number finds none of it active */
	cr_expect_not(active_in(k, KERNEL_LIST_BLOCK, "10.3.0.0/16", g + 1));
	cr_expect_not(active_in(k, KERNEL_LIST_BLOCK, "10.2.0.0/16", g + 1));
	cr_expect(active_in(k, KERNEL_LIST_BLOCK, "10.1.0.0/16", g + 1));
	kernel_close(k);
}

/* A process died after writing lists and before the flip: what it left is inactive, and the next swap, which has the
 * same generation number, starts clean. */
Test(policy, died_before_the_flip)
{
	struct tg_list_value leftover = {.gen_to = UINT32_MAX, .prefix_len = 32};
	struct tg_list_value retired = {.prefix_len = 32};
	struct kernel_cidr keep = room_cidr("192.0.2.7"), stray = room_cidr("192.0.2.8");
	struct room_policy p;
	struct kernel *k;
	struct err err = {0};
	uint32_t g;

	room_enter();
	k = room_open();
	room_policy_init(&p, k, 1, 1);
	p.in.block = &keep;
	p.in.n_block = 1;
	g = swap(k, &p);
	leftover.gen_from = g + 1;
	retired.gen_from = g;
	retired.gen_to = g + 1;
	cr_assert_eq(entry_write(k, KERNEL_MAP_BLOCK4, &stray, &leftover, true, &err), 0);
	cr_assert_eq(entry_write(k, KERNEL_MAP_BLOCK4, &keep, &retired, false, &err), 0);
	kernel_close(k);
	k = room_open();
	cr_expect(room_listed(k, KERNEL_LIST_BLOCK, "192.0.2.7"));
	cr_expect_not(room_listed(k, KERNEL_LIST_BLOCK, "192.0.2.8"));
	p.k = k;
	cr_expect_eq(swap(k, &p), g + 1);
	cr_expect(room_listed(k, KERNEL_LIST_BLOCK, "192.0.2.7"));
	cr_expect_not(room_listed(k, KERNEL_LIST_BLOCK, "192.0.2.8"));
	cr_expect_eq(room_used(k, "tg_block4"), 1);
	kernel_close(k);
}

static double ms_since(uint64_t start_ns)
{
	return (double)(clock_mono_ns() - start_ns) / 1e6;
}

static struct kernel_cidr nth_cidr(uint32_t i)
{
	struct kernel_cidr c = {.prefix_len = 32};

	/* one in ten a /24, the rest whole addresses */
	if (i % 10 == 0) {
		c.prefix_len = 24;
		c.addr[0] = __builtin_bswap32(0x0a000000u + (i / 10 << 8));
	} else {
		c.addr[0] = __builtin_bswap32(0x40000000u + i);
	}
	return c;
}

/* 10,000 subjects and 100,000 entries, swapped in, swapped for half others, swapped out. Times are printed for the
 * reader, not judged. */
Test(policy, at_scale)
{
	enum { N = 100000, SUBJECTS = 10000 };
	struct kernel_cidr *c = calloc(N + N / 2, sizeof(*c));
	struct kernel_opts o = KERNEL_OPTS_DEFAULT;
	struct room_policy p;
	struct kernel *k;
	uint64_t start;
	uint32_t g;

	room_enter();
	o.pin_dir = ROOM_PIN;
	k = room_open_with(&o);
	for (uint32_t i = 0; i < N + N / 2; i++)
		c[i] = nth_cidr(i);
	for (uint32_t round = 0; round < 3; round++) {
		room_policy_init(&p, k, round, SUBJECTS);
		p.in.block = round == 1 ? c + N / 2 : c;
		p.in.n_block = round == 2 ? 0 : N;
		start = clock_mono_ns();
		g = swap(k, &p);
		fprintf(stderr, "# swap %u: %d subjects, %zu entries: %.0f ms\n", round, SUBJECTS, p.in.n_block,
			ms_since(start));
		cr_expect_eq(room_used(k, "tg_block4"), round == 2 ? 0 : N / 10 * 9);
		cr_expect_eq(kernel_control(k)->have_block_net, round == 2 ? 0 : N / 10);
		cr_expect_eq(kernel_rates(k, g & 1)[SUBJECTS - 1].rate[0].limit, round);
		for (uint32_t i = 0; i < N + N / 2; i += 9973) {
			struct kernel_list_entry e;
			bool want = round == 0 ? i < N : round == 1 && i >= N / 2;

			cr_expect_eq(kernel_list_match(k, KERNEL_LIST_BLOCK, &c[i], &e) == 0, want, "round %u, %u",
				     round, i);
		}
	}
	kernel_close(k);
	free(c);
}

/* A million addresses by an operator's import, all at once. */
Test(policy, million_entries)
{
	enum { N = 1000000 };
	struct kernel_list_entry *e = calloc(N, sizeof(*e));
	struct kernel_opts o = KERNEL_OPTS_DEFAULT;
	struct kernel *k;
	struct err err = {0};
	uint64_t start;
	size_t done = 0;

	room_enter();
	o.pin_dir = ROOM_PIN;
	k = room_open_with(&o);
	for (uint32_t i = 0; i < N; i++) {
		e[i].cidr = nth_cidr(i);
		e[i].expires_ns = TG_LIST_NEVER;
	}
	start = clock_mono_ns();
	cr_assert_eq(kernel_list_put(k, KERNEL_LIST_BLOCK, e, N, &done, &err), 0, "%s", err.msg);
	fprintf(stderr, "# put of %d entries: %.0f ms\n", N, ms_since(start));
	cr_expect_eq(done, N);
	cr_expect_eq(room_used(k, "tg_block4"), N / 10 * 9);
	cr_expect_eq(room_used(k, "tg_block_net4"), N / 10);
	kernel_close(k);
	start = clock_mono_ns();
	k = room_open_with(&o);
	fprintf(stderr, "# opening with %d entries: %.0f ms\n", N, ms_since(start));
	cr_expect_eq(room_used(k, "tg_block4"), N / 10 * 9);
	for (uint32_t i = 0; i < N; i += 99991) {
		struct kernel_list_entry found;

		cr_expect_eq(kernel_list_match(k, KERNEL_LIST_BLOCK, &e[i].cidr, &found), 0, "%u", i);
	}
	kernel_close(k);
	free(e);
}
