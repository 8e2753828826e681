/* Goal: opening, pinning and the layout check: K1, K2, K5, sizes, and that detaching leaves nothing.
 * Method: a bpffs of the test's own; foreign layouts are made by hand with libbpf. */
#include "room.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>

static int open_err(const struct kernel_opts *o, struct err *err)
{
	struct kernel *k = NULL;
	int rc = kernel_open(o, &k, err);

	if (rc == 0)
		kernel_close(k);
	return rc;
}

Test(open, fresh_gate)
{
	struct kernel *k;

	room_enter();
	k = room_open();
	cr_expect_eq(kernel_control(k)->magic, TG_ABI_MAGIC);
	cr_expect_eq(kernel_control(k)->abi_version, TG_ABI_VERSION);
	cr_expect(kernel_control(k)->sip_key[0] != 0 && kernel_control(k)->sip_key[1] != 0);
	cr_expect_eq(kernel_control(k)->armed, 0, "a gate without a policy lets everything pass");
	cr_expect_not(kernel_is_memory(k));
	kernel_set_armed(k, true);
	cr_expect_eq(kernel_control(k)->armed, 1);
	kernel_close(k);
	kernel_close(NULL);
}

/* K1 */
Test(open, pinned_state_holds)
{
	struct tg_key_entry key = {1, 2, 3, 4}, found;
	struct kernel *k;
	struct err err = {0};
	uint64_t hash;
	uint32_t generation;

	room_enter();
	k = room_open();
	hash = kernel_key_hash(k, "tg_live_x", 9);
	kernel_buckets(k)[7].tat_ns[TG_DIM_TOKENS] = 4711;
	kernel_subject_flags(k, 7, TG_SUBJECT_BLOCKED);
	kernel_routes(k)[TG_ROUTE_MESSAGES].open_until_ns = 4712;
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.1", 0);
	room_put(k, KERNEL_LIST_ALLOW, "2001:db8::/32", 0);
	cr_assert_eq(kernel_key_learn(k, hash, &key, &err), 0, "%s", err.msg);
	generation = kernel_control(k)->generation;
	kernel_close(k);

	for (int pinned = 0; pinned < 2; pinned++) {
		if (pinned)
			cr_assert_eq(kernel_open_pinned(ROOM_PIN, &k, &err), 0, "%s", err.msg);
		else
			k = room_open();
		cr_expect_eq(kernel_buckets(k)[7].tat_ns[TG_DIM_TOKENS], 4711);
		cr_expect_eq(kernel_subjects(k)[7].flags, TG_SUBJECT_BLOCKED);
		cr_expect_eq(kernel_routes(k)[TG_ROUTE_MESSAGES].open_until_ns, 4712);
		cr_expect(room_listed(k, KERNEL_LIST_BLOCK, "192.0.2.1"));
		cr_expect(room_listed(k, KERNEL_LIST_ALLOW, "2001:db8:1::1"));
		cr_expect_eq(kernel_key_hash(k, "tg_live_x", 9), hash);
		cr_expect_eq(kernel_key_find(k, hash, &found), 0);
		cr_expect_eq(found.tenant_incarnation, 4);
		cr_expect_eq(kernel_control(k)->generation, generation);
		cr_expect_eq(kernel_control(k)->have_allow, 1);
		cr_expect_eq(room_used(k, "tg_block4"), 1);
		cr_expect_eq(room_used(k, "tg_keys"), 1);
		kernel_close(k);
	}
}

/* A gate pinned before there was a map of routes: what only looks finds all routes usable, the next start makes the map,
 * and from then on it is kept like the others. */
Test(open, pins_from_before_routes)
{
	static const char path[] = ROOM_PIN "/maps/tg_routes";
	struct kernel *k;
	struct err err = {0};

	room_enter();
	k = room_open();
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.1", 0);
	kernel_close(k);
	cr_assert_eq(unlink(path), 0);

	cr_assert_eq(kernel_open_pinned(ROOM_PIN, &k, &err), 0, "%s", err.msg);
	for (unsigned r = 0; r < TG_DIM_COUNT; r++)
		cr_expect_eq(kernel_routes(k)[r].open_until_ns, 0);
	cr_expect(room_listed(k, KERNEL_LIST_BLOCK, "192.0.2.1"));
	kernel_close(k);
	cr_expect_neq(access(path, F_OK), 0, "looking pins nothing");

	for (int round = 0; round < 2; round++) {
		k = room_open();
		cr_expect_eq(access(path, F_OK), 0);
		cr_expect_eq(kernel_routes(k)[TG_ROUTE_COUNT].open_until_ns, round ? 99 : 0);
		kernel_routes(k)[TG_ROUTE_COUNT].open_until_ns = 99;
		cr_expect(room_listed(k, KERNEL_LIST_BLOCK, "192.0.2.1"));
		kernel_close(k);
	}
	/* any other map can't be missing */
	cr_assert_eq(unlink(ROOM_PIN "/maps/tg_subjects"), 0);
	cr_expect_eq(kernel_open_pinned(ROOM_PIN, &k, &err), ERR_NOT_FOUND);
	cr_expect(strstr(err.msg, "tg_subjects"), "%s", err.msg);
}

/* A process may have died between an entry and its count. */
Test(open, counts_are_repaired)
{
	struct kernel *k;

	room_enter();
	k = room_open();
	room_put(k, KERNEL_LIST_ALLOW, "192.0.2.0/24", 0);
	room_put(k, KERNEL_LIST_BLOCK, "198.51.100.0/24", 0);
	kernel_control(k)->have_allow = 9;
	kernel_control(k)->have_block_net = 0;
	kernel_close(k);
	k = room_open();
	cr_expect_eq(kernel_control(k)->have_allow, 1);
	cr_expect_eq(kernel_control(k)->have_block_net, 1);
	kernel_close(k);
}

/* K2: by the version word. */
Test(open, other_version_is_refused)
{
	struct kernel_opts o;
	struct kernel *k;
	struct err err = {0};

	room_enter();
	o = room_opts();
	k = room_open();
	kernel_control(k)->abi_version = 42;
	kernel_close(k);
	cr_expect_eq(open_err(&o, &err), ERR_VERSION);
	cr_expect(strstr(err.msg, "version 42") && strstr(err.msg, "tollctl detach"), "%s", err.msg);
	cr_expect_eq(kernel_open_pinned(ROOM_PIN, &k, &err), ERR_VERSION);
	/* and detaching works all the same */
	cr_expect_eq(kernel_detach_all(ROOM_PIN, &err), 0, "%s", err.msg);
	cr_expect_eq(open_err(&o, &err), 0, "%s", err.msg);
}

Test(open, foreign_magic_is_refused)
{
	struct kernel_opts o;
	struct kernel *k;
	struct err err = {0};

	room_enter();
	o = room_opts();
	k = room_open();
	kernel_control(k)->magic = 0x12345678;
	kernel_close(k);
	cr_expect_eq(open_err(&o, &err), ERR_VERSION);
	cr_expect(strstr(err.msg, "magic"), "%s", err.msg);
}

Test(open, other_boot_is_refused)
{
	struct kernel_opts o;
	struct kernel *k;
	struct err err = {0};

	room_enter();
	o = room_opts();
	k = room_open();
	kernel_control(k)->boot_id_hash ^= 1;
	kernel_close(k);
	cr_expect_eq(open_err(&o, &err), ERR_VERSION);
	cr_expect(strstr(err.msg, "another boot"), "%s", err.msg);
}

/* K2: by the maps' specifications, each difference alone. */
Test(open, other_map_layout_is_refused)
{
	static const struct {
		const char *map;
		enum bpf_map_type type;
		uint32_t key, value, max, flags;
		const char *says;
	} rows[] = {
		{"tg_keys", BPF_MAP_TYPE_HASH, 8, 24, TG_SUBJECTS_MAX, BPF_F_NO_PREALLOC, "value 24"},
		{"tg_keys", BPF_MAP_TYPE_HASH, 16, 16, TG_SUBJECTS_MAX, BPF_F_NO_PREALLOC, "key 16"},
		{"tg_keys", BPF_MAP_TYPE_HASH, 8, 16, TG_SUBJECTS_MAX, 0, "flags 0"},
		{"tg_keys", BPF_MAP_TYPE_HASH, 8, 16, 100, BPF_F_NO_PREALLOC, "100 entries"},
		{"tg_keys", BPF_MAP_TYPE_LRU_HASH, 8, 16, TG_SUBJECTS_MAX, 0, "lru_hash"},
		{"tg_buckets", BPF_MAP_TYPE_ARRAY, 4, 64, TG_SUBJECTS_MAX, BPF_F_MMAPABLE, "value 64"},
	};

	room_enter();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		LIBBPF_OPTS(bpf_map_create_opts, mo, .map_flags = rows[i].flags);
		struct kernel_opts o = room_opts();
		struct err err = {0};
		char path[128];
		int fd = bpf_map_create(rows[i].type, "x", rows[i].key, rows[i].value, rows[i].max, &mo);

		cr_assert_geq(fd, 0, "row %zu: %s", i, strerror(errno));
		kernel_close(room_open());
		snprintf(path, sizeof(path), ROOM_PIN "/maps/%s", rows[i].map);
		cr_assert_eq(unlink(path), 0);
		cr_assert_eq(bpf_obj_pin(fd, path), 0);
		close(fd);
		cr_expect_eq(open_err(&o, &err), ERR_VERSION, "row %zu: %s", i, err.msg);
		cr_expect(strstr(err.msg, rows[i].map) && strstr(err.msg, rows[i].says), "row %zu: %s", i, err.msg);
		cr_assert_eq(kernel_detach_all(ROOM_PIN, &err), 0, "%s", err.msg);
	}
}

/* A map whose size the configuration changed keeps its content. */
Test(open, resized_maps_are_copied)
{
	struct kernel_opts o;
	struct kernel *k;
	struct err err = {0};
	struct kernel_fill fill[16];
	size_t n = ARRAY_SIZE(fill), seen = 0;

	room_enter();
	o = room_opts();
	k = room_open();
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.1", 0);
	room_put(k, KERNEL_LIST_BLOCK, "2001:db8::1", 0);
	room_put(k, KERNEL_LIST_BLOCK, "198.51.100.0/24", 0);
	room_put(k, KERNEL_LIST_BLOCK, "2001:db8:1::/48", 0);
	kernel_buckets(k)[3].tat_ns[0] = 99;
	kernel_close(k);
	o.list_entries_max = 9999;
	k = room_open_with(&o);
	cr_expect(room_listed(k, KERNEL_LIST_BLOCK, "192.0.2.1"));
	cr_expect(room_listed(k, KERNEL_LIST_BLOCK, "2001:db8::1"));
	cr_expect(room_listed(k, KERNEL_LIST_BLOCK, "198.51.100.77"));
	cr_expect(room_listed(k, KERNEL_LIST_BLOCK, "2001:db8:1::77"));
	cr_expect_eq(kernel_buckets(k)[3].tat_ns[0], 99);
	cr_assert_eq(kernel_fill(k, fill, &n, &err), 0);
	for (size_t i = 0; i < n; i++) {
		if (strncmp(fill[i].map, "tg_block", 8) != 0)
			continue;
		seen++;
		cr_expect_eq(fill[i].max, 9999, "%s", fill[i].map);
		cr_expect_eq(fill[i].used, 1, "%s", fill[i].map);
	}
	cr_expect_eq(seen, 4);
	room_put(k, KERNEL_LIST_BLOCK, "192.0.2.2", 0);
	kernel_close(k);
	/* Too small for what is there: refused, and nothing is lost. */
	o.list_entries_max = 1;
	cr_expect_eq(open_err(&o, &err), ERR_FULL);
	cr_expect(strstr(err.msg, "tg_block4") && strstr(err.msg, "allow more"), "%s", err.msg);
	o.list_entries_max = 9999;
	k = room_open_with(&o);
	cr_expect(room_listed(k, KERNEL_LIST_BLOCK, "192.0.2.2"));
	kernel_close(k);
}

static int entries_in(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	if (!d)
		return errno == ENOENT ? -1 : -2;
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

Test(open, detach_all_leaves_nothing)
{
	struct kernel_attachment a;
	struct kernel *k;
	struct err err = {0};

	room_enter();
	room_veth();
	RUN("ip", "link", "add", "tg2.7", "type", "veth", "peer", "name", "tg3");
	k = room_open();
	cr_assert_eq(kernel_attach(k, "tg0", KERNEL_WANT_NATIVE, &a, &err), 0, "%s", err.msg);
	cr_assert_eq(kernel_attach(k, "lo", KERNEL_WANT_TC, &a, &err), 0, "%s", err.msg);
	/* a name with a dot, which bpffs refuses in pins */
	cr_assert_eq(kernel_attach(k, "tg2.7", KERNEL_WANT_GENERIC, &a, &err), 0, "%s", err.msg);
	kernel_close(k);
	cr_expect_eq(entries_in(ROOM_PIN "/links"), 3);
	cr_expect_eq(kernel_detach_all(ROOM_PIN, &err), 0, "%s", err.msg);
	cr_expect_eq(entries_in(ROOM_PIN), -1, "the pin directory is still there");
	RUN("sh", "-c", "! ip -d link | grep -q xdp");
	RUN("sh", "-c", "! tc filter show dev lo ingress | grep -q .");
	cr_expect_eq(kernel_detach_all(ROOM_PIN, &err), 0, "twice: %s", err.msg);
	cr_expect_eq(kernel_open_pinned(ROOM_PIN, &k, &err), ERR_NOT_FOUND);
}

Test(open, bpffs_is_mounted_when_missing)
{
	struct kernel_opts o;
	struct err err = {0};
	struct statfs fs;

	room_enter();
	o = room_opts();
	o.pin_dir = ROOM_DIR "/elsewhere/deep";
	cr_assert_eq(open_err(&o, &err), 0, "%s", err.msg);
	cr_assert_eq(statfs(o.pin_dir, &fs), 0);
	cr_expect_eq((unsigned)fs.f_type, BPF_FS_MAGIC);
	cr_expect_eq(kernel_detach_all(o.pin_dir, &err), 0, "%s", err.msg);

	/* beneath /sys/fs/bpf it goes where everybody expects it */
	umount2("/sys/fs/bpf", MNT_DETACH);
	o.pin_dir = "/sys/fs/bpf/tg-test";
	cr_assert_eq(open_err(&o, &err), 0, "%s", err.msg);
	cr_assert_eq(statfs("/sys/fs/bpf", &fs), 0);
	cr_expect_eq((unsigned)fs.f_type, BPF_FS_MAGIC);
	cr_expect_eq(kernel_detach_all(o.pin_dir, &err), 0, "%s", err.msg);
	cr_expect_eq(entries_in(o.pin_dir), -1);
}

Test(open, bad_options)
{
	static const struct {
		const char *pin_dir;
		unsigned entries, sources;
		int rc;
	} rows[] = {
		{"relative/dir", 10, 10, ERR_INVAL},
		{"", 10, 10, ERR_INVAL},
		{ROOM_PIN, 0, 10, ERR_RANGE},
		{ROOM_PIN, 10, 0, ERR_RANGE},
	};

	room_enter();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kernel_opts o = room_opts();
		struct err err = {0};

		o.pin_dir = rows[i].pin_dir;
		o.list_entries_max = rows[i].entries;
		o.net_sources_max = rows[i].sources;
		cr_expect_eq(open_err(&o, &err), rows[i].rc, "row %zu: %s", i, err.msg);
	}
}

Test(open, without_permission)
{
	struct kernel_opts o;
	struct err err = {0};

	room_enter();
	o = room_opts();
	cr_assert_eq(chmod(ROOM_DIR "/bpf", 0777), 0);
	cr_assert_eq(setresuid(65534, 65534, 65534), 0);
	cr_expect_eq(open_err(&o, &err), ERR_PERM);
	cr_expect(strstr(err.msg, "root"), "%s", err.msg);
}

Test(open, ports)
{
	uint16_t many[TG_PORTS_MAX + 1], plain[] = {8080, 80}, zero = 0;
	struct kernel *k;
	struct err err = {0};

	room_enter();
	k = room_open();
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (uint16_t)(i + 1);
	cr_expect_eq(kernel_set_ports(k, many, TG_PORTS_MAX, NULL, 0, &err), 0);
	cr_expect_eq(kernel_control(k)->port_be[TG_PORTS_MAX - 1], __builtin_bswap16(TG_PORTS_MAX));
	cr_expect_eq(kernel_set_ports(k, many, TG_PORTS_MAX + 1, NULL, 0, &err), ERR_RANGE);
	cr_expect_eq(kernel_set_ports(k, &zero, 1, NULL, 0, &err), ERR_INVAL);
	cr_expect_eq(kernel_set_ports(k, plain, 2, plain, 1, &err), 0);
	cr_expect_eq(kernel_control(k)->port_be[0], __builtin_bswap16(8080));
	cr_expect_eq(kernel_control(k)->port_be[2], 0);
	cr_expect_eq(kernel_control(k)->tls_port_be[0], __builtin_bswap16(8080));
	kernel_close(k);
}

/* K5 */
Test(memory, same_calls_without_kernel)
{
	struct tg_key_entry key = {1, 2, 3, 4};
	struct kernel_attachment a;
	struct tg_net_key net = {.scope = 0};
	struct tg_net_value value;
	struct kernel_list_entry e = room_entry("192.0.2.1", 0);
	struct tg_slot_stat slot;
	struct kernel_stats stats;
	struct room_policy p;
	struct kernel *k = NULL;
	struct err err = {0};
	uint32_t generation = 0;
	size_t n = 1;
	struct kernel_fill fill[1];

	cr_assert_eq(kernel_open_memory(&k, &err), 0, "%s", err.msg);
	cr_expect(kernel_is_memory(k));
	cr_expect_null(kernel_idle(k));
	kernel_routes(k)[TG_DIM_COUNT - 1].open_until_ns = 1;
	cr_expect_eq(kernel_routes(k)[TG_ROUTE_MESSAGES].open_until_ns, 0);
	kernel_buckets(k)[TG_SUBJECTS_MAX - 1].tat_ns[TG_DIM_COUNT - 1] = 1;
	kernel_rates(k, 1)[TG_SUBJECTS_MAX - 1].rate[TG_DIM_COUNT - 1].limit = 1;
	kernel_subject_reset(k, TG_SUBJECTS_MAX - 1, 5);
	cr_expect_eq(kernel_buckets(k)[TG_SUBJECTS_MAX - 1].tat_ns[TG_DIM_COUNT - 1], 0);
	cr_expect_eq(kernel_subjects(k)[TG_SUBJECTS_MAX - 1].incarnation, 5);

	room_policy_init(&p, k, 7, 10);
	p.in.block = &e.cidr;
	p.in.n_block = 1;
	cr_expect_eq(kernel_policy_swap(k, &p.in, &generation, &err), 0, "%s", err.msg);
	cr_expect_eq(generation, 2);
	cr_expect_eq(kernel_rates(k, 0)[9].rate[3].limit, 7);

	cr_expect_eq(kernel_key_learn(k, 1, &key, &err), 0);
	cr_expect_eq(kernel_key_find(k, 1, &key), ERR_NOT_FOUND);
	cr_expect_eq(kernel_keys_sweep(k, &n, &err), 0);
	cr_expect_eq(kernel_list_put(k, KERNEL_LIST_BLOCK, &e, 1, NULL, &err), ERR_UNSUPPORTED);
	cr_expect_eq(kernel_list_del(k, KERNEL_LIST_BLOCK, &e.cidr, &err), ERR_UNSUPPORTED);
	cr_expect_eq(kernel_list_match(k, KERNEL_LIST_BLOCK, &e.cidr, &e), ERR_UNSUPPORTED);
	cr_expect_eq(kernel_list_sweep(k, UINT64_MAX - 1, &n, &err), 0);
	cr_expect_eq(n, 0);
	cr_expect_eq(kernel_net_state(k, &net, &value), ERR_UNSUPPORTED);
	cr_expect_eq(kernel_attach(k, "lo", KERNEL_WANT_AUTO, &a, &err), ERR_UNSUPPORTED);
	cr_expect_eq(kernel_detach(k, "lo", &err), ERR_UNSUPPORTED);
	cr_expect_eq(kernel_stats(k, &stats, &err), 0);
	cr_expect_eq(kernel_slot_stats(k, 3, &slot, &err), 0);
	n = 1;
	cr_expect_eq(kernel_fill(k, fill, &n, &err), 0);
	cr_expect_eq(n, 0);
	cr_expect_eq(kernel_events_fd(k), -1);
	cr_expect_eq(kernel_events_drain(k, NULL, NULL), 0);
	kernel_close(k);
}
