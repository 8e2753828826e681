/* Goal: block and allow lists: both halves of an entry, ends, longest match, counts, fullness, keys.
 * Method: real maps; time runs only where an end has to pass, and then it's the argument that moves. */
#include "room.h"

#include "base/clock.h"
#include "kernel/cidr.h"

#include <stdio.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

/* Puts entries on the block list by policy. */
static void policy_block(struct kernel *k, const char *const texts[], size_t n)
{
	struct kernel_cidr cidrs[8];
	struct room_policy p;
	struct err err = {0};
	uint32_t generation;

	for (size_t i = 0; i < n; i++)
		cidrs[i] = room_cidr(texts[i]);
	room_policy_init(&p, k, 1, 1);
	p.in.block = cidrs;
	p.in.n_block = n;
	cr_assert_eq(kernel_policy_swap(k, &p.in, &generation, &err), 0, "%s", err.msg);
}

static int del(struct kernel *k, enum kernel_list list, const char *text, struct err *err)
{
	struct kernel_cidr c = room_cidr(text);

	return kernel_list_del(k, list, &c, err);
}

Test(lists, match)
{
	static const struct {
		const char *address;
		bool blocked, allowed;
	} rows[] = {
		{"192.0.2.1", true, false},        {"192.0.2.2", false, false},    {"198.51.100.255", true, true},
		{"198.51.101.0", false, true},     {"2001:db8::1", true, false},   {"2001:db8::2", false, false},
		{"2001:db8:7::ffff", true, false}, {"2001:db8:8::", false, false}, {"203.0.113.5", false, true},
	};
	struct kernel *k;

	room_enter();
	k = room_open();
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.1", 0);
	room_put(k, KERNEL_LIST_BLOCK, "198.51.100.0/24", 0);
	room_put(k, KERNEL_LIST_BLOCK, "2001:db8::1", 0);
	room_put(k, KERNEL_LIST_BLOCK, "2001:db8:7::/48", 0);
	room_put(k, KERNEL_LIST_ALLOW, "198.51.100.0/22", 0);
	room_put(k, KERNEL_LIST_ALLOW, "203.0.113.5/32", 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cr_expect_eq(room_listed(k, KERNEL_LIST_BLOCK, rows[i].address), rows[i].blocked, "%s",
			     rows[i].address);
		cr_expect_eq(room_listed(k, KERNEL_LIST_ALLOW, rows[i].address), rows[i].allowed, "%s",
			     rows[i].address);
	}
	cr_expect_eq(kernel_control(k)->have_allow, 2);
	cr_expect_eq(kernel_control(k)->have_block_net, 2);
	cr_expect_eq(room_list_size(k, KERNEL_LIST_BLOCK), 4);
	kernel_close(k);
}

/* The default route as a prefix is a prefix like others. */
Test(lists, everything)
{
	struct kernel *k;

	room_enter();
	k = room_open();
	room_put(k, KERNEL_LIST_BLOCK, "0.0.0.0/0", 0);
	cr_expect(room_listed(k, KERNEL_LIST_BLOCK, "192.0.2.1"));
	cr_expect_not(room_listed(k, KERNEL_LIST_BLOCK, "2001:db8::1"));
	kernel_close(k);
}

/* A longer prefix that has run out doesn't hide a shorter one that holds. */
Test(lists, ended_entry_hides_nothing)
{
	struct kernel_cidr c = room_cidr("192.0.2.1");
	struct kernel_list_entry e;
	struct kernel *k;

	room_enter();
	k = room_open();
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.0/24", 0);
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.0/30", 1);
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.0/31", 1);
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.1", 1);
	cr_expect_eq(kernel_list_match(k, KERNEL_LIST_BLOCK, &c, &e), 0);
	cr_expect_eq(e.cidr.prefix_len, 24);
	cr_expect_eq(e.cidr.addr[0], room_cidr("192.0.2.0").addr[0]);
	cr_expect_eq(room_list_size(k, KERNEL_LIST_BLOCK), 1);
	kernel_close(k);
}

Test(lists, invalid_entries_change_nothing)
{
	static const struct {
		struct kernel_list_entry e;
		const char *says;
	} rows[] = {
		{{.cidr = {false, 33, {0}}, .expires_ns = 1}, "over 32"},
		{{.cidr = {true, 129, {0}}, .expires_ns = 1}, "over 128"},
		{{.cidr = {false, 24, {0x01020304}}, .expires_ns = 1}, "below its prefix"},
		{{.cidr = {false, 32, {1}}, .expires_ns = 0}, "needs an end"},
		{{.cidr = {false, 32, {1}}, .expires_ns = 1, .source = TG_LIST_SOURCE_COUNT}, "source"},
		{{.cidr = {false, 32, {1}}, .expires_ns = 1, .source = TG_LIST_POLICY}, "source"},
	};
	struct kernel *k;

	room_enter();
	k = room_open();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kernel_list_entry two[2] = {room_entry("192.0.2.1", 0), rows[i].e};
		struct err err = {0};
		size_t done = 0;

		cr_expect_eq(kernel_list_put(k, KERNEL_LIST_BLOCK, two, 2, &done, &err), ERR_INVAL, "row %zu", i);
		cr_expect(strstr(err.msg, rows[i].says), "row %zu: %s", i, err.msg);
		cr_expect_eq(room_list_size(k, KERNEL_LIST_BLOCK), 0, "row %zu", i);
	}
	kernel_close(k);
}

/* The halves of an entry come and go independently. */
Test(lists, two_halves)
{
	static const char *const texts[] = {"192.0.2.1", "198.51.100.0/24", "2001:db8::1", "2001:db8:1::/48"};
	struct kernel *k;
	struct err err = {0};

	room_enter();
	k = room_open();
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		/* dynamic first, then policy, dynamic goes, policy stays */
		room_put(k, KERNEL_LIST_BLOCK, texts[i], 0);
		policy_block(k, &texts[i], 1);
		cr_expect_eq(del(k, KERNEL_LIST_BLOCK, texts[i], &err), 0, "%s", err.msg);
		cr_expect_eq(room_list_size(k, KERNEL_LIST_BLOCK), 1);
		cr_expect_eq(del(k, KERNEL_LIST_BLOCK, texts[i], &err), ERR_NOT_FOUND);
		cr_expect(strstr(err.msg, "by policy only"), "%s", err.msg);
		/* policy first, then dynamic, policy goes, dynamic stays */
		room_put(k, KERNEL_LIST_BLOCK, texts[i], 0);
		policy_block(k, NULL, 0);
		cr_expect_eq(room_list_size(k, KERNEL_LIST_BLOCK), 1);
		cr_expect_eq(del(k, KERNEL_LIST_BLOCK, texts[i], &err), 0, "%s", err.msg);
		cr_expect_eq(room_list_size(k, KERNEL_LIST_BLOCK), 0);
		cr_expect_eq(del(k, KERNEL_LIST_BLOCK, texts[i], &err), ERR_NOT_FOUND);
		cr_expect(strstr(err.msg, "not on the list"), "%s", err.msg);
	}
	cr_expect_eq(kernel_control(k)->have_block_net, 0);
	cr_expect_eq(room_used(k, "tg_block4") + room_used(k, "tg_block6"), 0);
	kernel_close(k);
}

/* Deleting a prefix doesn't take the longer or shorter one. */
Test(lists, exact_prefix_only)
{
	struct kernel *k;
	struct err err = {0};

	room_enter();
	k = room_open();
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.0/24", 0);
	cr_expect_eq(del(k, KERNEL_LIST_BLOCK, "192.0.2.0/25", &err), ERR_NOT_FOUND);
	cr_expect_eq(del(k, KERNEL_LIST_BLOCK, "192.0.0.0/16", &err), ERR_NOT_FOUND);
	cr_expect_eq(del(k, KERNEL_LIST_BLOCK, "192.0.2.0", &err), ERR_NOT_FOUND);
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.0/25", 0);
	cr_expect_eq(del(k, KERNEL_LIST_BLOCK, "192.0.2.0/24", &err), 0, "%s", err.msg);
	cr_expect(room_listed(k, KERNEL_LIST_BLOCK, "192.0.2.1"));
	cr_expect_not(room_listed(k, KERNEL_LIST_BLOCK, "192.0.2.129"));
	kernel_close(k);
}

Test(lists, put_again_and_repeated)
{
	struct kernel_list_entry e[3];
	struct kernel_cidr c = room_cidr("192.0.2.1");
	struct kernel_list_entry found;
	struct kernel *k;
	struct err err = {0};
	size_t done = 0;

	room_enter();
	k = room_open();
	for (size_t i = 0; i < 3; i++) {
		e[i] = room_entry("192.0.2.1", 0);
		e[i].reason = (uint16_t)(i + 1);
	}
	for (int again = 0; again < 2; again++) {
		cr_assert_eq(kernel_list_put(k, KERNEL_LIST_BLOCK, e, 3, &done, &err), 0, "%s", err.msg);
		cr_expect_eq(done, 3);
		cr_expect_eq(room_used(k, "tg_block4"), 1);
	}
	cr_assert_eq(kernel_list_match(k, KERNEL_LIST_BLOCK, &c, &found), 0);
	cr_expect_eq(found.reason, 3, "the last of equals counts");
	cr_expect_eq(kernel_list_put(k, KERNEL_LIST_BLOCK, NULL, 0, &done, &err), 0);
	cr_expect_eq(done, 0);
	kernel_close(k);
}

static size_t sweep(struct kernel *k, uint64_t now_ns)
{
	struct err err = {0};
	size_t removed = 0;

	cr_assert_eq(kernel_list_sweep(k, now_ns, &removed, &err), 0, "%s", err.msg);
	return removed;
}

Test(lists, sweep)
{
	static const char *const texts[] = {"192.0.2.1", "192.0.2.0/24"};
	uint64_t now_ns = clock_mono_ns();
	struct kernel *k;
	struct err err = {0};

	room_enter();
	k = room_open();
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.1", 60 * SECOND_NS);
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.0/24", 120 * SECOND_NS);
	room_put(k, KERNEL_LIST_ALLOW, "2001:db8::/32", 60 * SECOND_NS);
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.3", 0);
	cr_expect_eq(sweep(k, now_ns), 0);
	/* an end put off after it was noted: the old note removes nothing */
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.5", 30 * SECOND_NS);
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.5", 600 * SECOND_NS);
	cr_expect_eq(sweep(k, now_ns + 90 * SECOND_NS), 2);
	cr_expect_eq(kernel_control(k)->have_allow, 0);
	cr_expect_eq(sweep(k, now_ns + 90 * SECOND_NS), 0);
	/* the policy's half outlives the other */
	policy_block(k, texts, 2);
	cr_expect_eq(sweep(k, now_ns + 1000 * SECOND_NS), 2);
	cr_expect_eq(room_list_size(k, KERNEL_LIST_BLOCK), 3);
	cr_expect_eq(del(k, KERNEL_LIST_BLOCK, "192.0.2.0/24", &err), ERR_NOT_FOUND);
	kernel_close(k);
}

/* Another process put the entries: the first sweep finds their ends in the maps. */
Test(lists, sweep_after_reopen)
{
	uint64_t now_ns = clock_mono_ns();
	struct kernel_list_entry e[100];
	struct kernel *k;
	struct err err = {0};

	room_enter();
	k = room_open();
	for (uint64_t i = 0; i < ARRAY_SIZE(e); i++) {
		e[i] = room_entry("192.0.2.0", 0);
		e[i].cidr.addr[0] |= __builtin_bswap32((uint32_t)i);
		e[i].expires_ns = now_ns + (i + 1) * SECOND_NS;
	}
	cr_assert_eq(kernel_list_put(k, KERNEL_LIST_BLOCK, e, ARRAY_SIZE(e), NULL, &err), 0, "%s", err.msg);
	kernel_close(k);
	k = room_open();
	cr_expect_eq(sweep(k, now_ns), 0);
	for (uint64_t s = 10; s <= 100; s += 10)
		cr_expect_eq(sweep(k, now_ns + s * SECOND_NS), 10, "at %d s", (int)s);
	cr_expect_eq(room_used(k, "tg_block4"), 0);
	kernel_close(k);
}

/* Put again and again, the notes don't pile up without end. */
Test(lists, sweep_many_renewals)
{
	struct kernel *k;

	room_enter();
	k = room_open();
	cr_expect_eq(sweep(k, clock_mono_ns()), 0);
	for (int i = 0; i < 3000; i++)
		room_put(k, KERNEL_LIST_BLOCK, "192.0.2.1", 100 * SECOND_NS);
	cr_expect_eq(sweep(k, clock_mono_ns()), 0);
	cr_expect_eq(sweep(k, clock_mono_ns() + 200 * SECOND_NS), 1);
	kernel_close(k);
}

Test(lists, full)
{
	struct kernel_opts o;
	struct kernel_list_entry e[20];
	struct kernel *k;
	struct err err = {0};
	size_t done = 0;

	room_enter();
	o = room_opts();
	o.list_entries_max = 10;
	k = room_open_with(&o);
	for (size_t i = 0; i < 20; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.%zu.0.0/16", i);
		e[i] = room_entry(text, 0);
	}
	cr_expect_eq(kernel_list_put(k, KERNEL_LIST_BLOCK, e, 20, &done, &err), ERR_FULL);
	cr_expect(strstr(err.msg, "10 of 20") && strstr(err.msg, "tg_block_net4"), "%s", err.msg);
	cr_expect_eq(done, 10);
	cr_expect_eq(room_list_size(k, KERNEL_LIST_BLOCK), 10);
	cr_expect_eq(kernel_control(k)->have_block_net, 10);
	/* what is there can still be renewed and removed */
	cr_expect_eq(kernel_list_put(k, KERNEL_LIST_BLOCK, e, 10, &done, &err), 0, "%s", err.msg);
	cr_expect_eq(del(k, KERNEL_LIST_BLOCK, "10.0.0.0/16", &err), 0, "%s", err.msg);
	cr_expect_eq(kernel_list_put(k, KERNEL_LIST_BLOCK, &e[12], 1, &done, &err), 0, "%s", err.msg);
	kernel_close(k);
}

/* A batch over many of the writer's, with prefixes of all four kinds. */
Test(lists, many)
{
	enum { N = 20000 };
	struct kernel_list_entry *e = calloc(N, sizeof(*e));
	struct kernel_opts o;
	struct kernel *k;
	struct err err = {0};
	size_t done = 0;

	room_enter();
	o = room_opts();
	o.list_entries_max = N;
	k = room_open_with(&o);
	for (uint32_t i = 0; i < N; i++) {
		e[i] = room_entry(i % 2 ? "2001:db8::" : "10.0.0.0", 0);
		e[i].cidr.addr[i % 2 ? 1 : 0] |= __builtin_bswap32(i << 8);
		e[i].cidr.prefix_len = (uint8_t)(i % 4 == 0 ? 24 : i % 4 == 1 ? 64 : e[i].cidr.prefix_len);
	}
	cr_assert_eq(kernel_list_put(k, KERNEL_LIST_BLOCK, e, N, &done, &err), 0, "%s", err.msg);
	cr_expect_eq(done, N);
	cr_expect_eq(room_list_size(k, KERNEL_LIST_BLOCK), N);
	for (uint32_t i = 0; i < N; i += 997) {
		struct kernel_list_entry found;

		cr_expect_eq(kernel_list_match(k, KERNEL_LIST_BLOCK, &e[i].cidr, &found), 0, "%u", i);
		cr_expect(cidr_equal(&found.cidr, &e[i].cidr));
	}
	cr_expect_eq(kernel_control(k)->have_block_net, N / 2);
	kernel_close(k);
	free(e);
}

/* A5: keys of a slot's former owner go. */
Test(keys, learn_and_sweep)
{
	struct tg_key_entry e = {1, 2, 10, 20};
	struct kernel *k;
	struct err err = {0};
	size_t dropped = 0;

	room_enter();
	k = room_open();
	kernel_subject_reset(k, 1, 10);
	kernel_subject_reset(k, 2, 20);
	for (uint64_t h = 1; h <= 5000; h++)
		cr_assert_eq(kernel_key_learn(k, h, &e, &err), 0, "%s", err.msg);
	cr_expect_eq(kernel_key_learn(k, 1, &e, &err), 0, "again: %s", err.msg);
	cr_expect_eq(room_used(k, "tg_keys"), 5000);
	e.key_subject = TG_SUBJECTS_MAX; /* from nowhere */
	cr_expect_eq(kernel_key_learn(k, 6000, &e, &err), 0);
	cr_expect_eq(kernel_keys_sweep(k, &dropped, &err), 0);
	cr_expect_eq(dropped, 1);
	kernel_subject_reset(k, 2, 21); /* the tenant's slot has another owner */
	cr_expect_eq(kernel_keys_sweep(k, &dropped, &err), 0);
	cr_expect_eq(dropped, 5000);
	cr_expect_eq(kernel_key_find(k, 1, &e), ERR_NOT_FOUND);
	cr_expect_eq(room_used(k, "tg_keys"), 0);
	kernel_close(k);
}

/* A6: after each call that changed an entry, the program forgets what it remembered. */
Test(lists, changes_move_the_epoch)
{
	static const char *const cidrs[] = {"192.0.2.7", "192.0.2.0/24", "2001:db8::7", "2001:db8::/48"};
	struct kernel *k;
	struct err err = {0};

	room_enter();
	k = room_open();
	for (int list = KERNEL_LIST_ALLOW; list <= KERNEL_LIST_BLOCK; list++)
		for (size_t i = 0; i < ARRAY_SIZE(cidrs); i++) {
			const uint32_t *epoch = &kernel_control(k)->list_epoch;
			struct kernel_cidr c = room_cidr(cidrs[i]);
			uint32_t before = *epoch;
			size_t removed = 0;

			room_put(k, (enum kernel_list)list, cidrs[i], 0);
			cr_expect_neq(*epoch, before, "%s: put", cidrs[i]);
			before = *epoch;
			room_put(k, (enum kernel_list)list, cidrs[i], 3600000000000ull);
			cr_expect_neq(*epoch, before, "%s: put again", cidrs[i]);
			before = *epoch;
			cr_expect_eq(kernel_list_del(k, (enum kernel_list)list, &c, &err), 0, "%s", err.msg);
			cr_expect_neq(*epoch, before, "%s: del", cidrs[i]);
			room_put(k, (enum kernel_list)list, cidrs[i], 1);
			before = *epoch;
			cr_expect_eq(kernel_list_sweep(k, clock_mono_ns() + 1, &removed, &err), 0, "%s", err.msg);
			cr_expect_eq(removed, 1);
			cr_expect_neq(*epoch, before, "%s: sweep", cidrs[i]);
		}
	cr_expect_eq(kernel_control(k)->have_block, 0);
	kernel_close(k);
}
