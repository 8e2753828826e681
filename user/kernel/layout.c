#include "kernel/layout.h"

#include "kernel/pin.h"
#include "kernel/walk.h"

#include <errno.h>
#include <string.h>

#define SPEC_TEXT_MAX 128

static const char *spec_format(char buf[SPEC_TEXT_MAX], uint32_t type, uint32_t key, uint32_t value, uint32_t max,
			       uint32_t flags)
{
	const char *name = libbpf_bpf_map_type_str((enum bpf_map_type)type);

	snprintf(buf, SPEC_TEXT_MAX, "%s, key %u, value %u, %u entries, flags %#x", name ? name : "?", key, value, max,
		 flags);
	return buf;
}

int layout_check_version(const char *pin_dir, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	char path[PIN_PATH_MAX];
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info), zero = 0;
	union {
		struct tg_control control;
		char room[4096];
	} v = {0};
	int rc = pin_path(path, pin_dir, PIN_MAPS, "tg_control", err);

	if (rc)
		return rc;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return err_errno(err, errno, "no pinned gate at %s", pin_dir);
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return err_errno(err, errno, "can't ask about %s", path);
	if (info.key_size != 4 || info.value_size < 8 || info.value_size > sizeof(v) ||
	    bpf_map_lookup_elem(fd, &zero, &v))
		return err_set(err, ERR_VERSION, "%s is not Tollgate's: remove it, or choose another pin directory",
			       path);
	if (v.control.magic == 0) /* made by a process that died before it wrote the word */
		return 0;
	if (v.control.magic != TG_ABI_MAGIC)
		return err_set(err, ERR_VERSION, "%s has magic %#x, not Tollgate's %#x: choose another pin directory",
			       path, v.control.magic, TG_ABI_MAGIC);
	if (v.control.abi_version != TG_ABI_VERSION)
		return err_set(
			err, ERR_VERSION,
			"maps pinned in %s have layout version %u, this program has version %u: run `tollctl "
			"detach` (the gate is open until the next start; lists and used-up limits there are lost) "
			"and start again",
			pin_dir, v.control.abi_version, TG_ABI_VERSION);
	return 0;
}

bool layout_is_pinned(const struct bpf_map *map)
{
	enum bpf_map_type type = bpf_map__type(map);

	if (bpf_map__is_internal(map)) /* .rodata, .bss */
		return false;
	return kernel_map_row(bpf_map__name(map)) ||
	       (type != BPF_MAP_TYPE_PERCPU_ARRAY && type != BPF_MAP_TYPE_PERCPU_HASH);
}

int layout_check_map(const struct bpf_map *map, int fd, bool *ret_same_size, struct err *err)
{
	const struct kernel_map_row *row = kernel_map_row(bpf_map__name(map));
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	char theirs[SPEC_TEXT_MAX], ours[SPEC_TEXT_MAX];
	bool same_size;

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return err_errno(err, errno, "can't ask about pinned map %s", bpf_map__name(map));
	same_size = info.max_entries == bpf_map__max_entries(map);
	if (info.type != (uint32_t)bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) || info.map_flags != bpf_map__map_flags(map) ||
	    (!same_size && (!row || row->size == KERNEL_SIZE_FIXED)))
		return err_set(
			err, ERR_VERSION,
			"pinned map %s has another layout (%s) than this program's (%s): run `tollctl detach` and "
			"start again",
			bpf_map__name(map),
			spec_format(theirs, info.type, info.key_size, info.value_size, info.max_entries,
				    info.map_flags),
			spec_format(ours, (uint32_t)bpf_map__type(map), bpf_map__key_size(map),
				    bpf_map__value_size(map), bpf_map__max_entries(map), bpf_map__map_flags(map)));
	*ret_same_size = same_size;
	return 0;
}

static int set_size(struct bpf_map *map, const struct kernel_opts *opts, struct err *err)
{
	const struct kernel_map_row *row = kernel_map_row(bpf_map__name(map));
	const unsigned sizes[] = {
		[KERNEL_SIZE_FIXED] = 0,
		[KERNEL_SIZE_LISTS] = opts->list_entries_max,
		[KERNEL_SIZE_SOURCES] = opts->net_sources_max,
		[KERNEL_SIZE_FLOWS] = opts->flows_max,
	};
	int rc;

	if (!row || row->size == KERNEL_SIZE_FIXED)
		return 0;
	if (sizes[row->size] == 0)
		return err_set(err, ERR_RANGE, "map %s needs room for at least one entry", row->name);
	rc = bpf_map__set_max_entries(map, sizes[row->size]);
	return rc ? err_errno(err, -rc, "can't size map %s", row->name) : 0;
}

static int reuse_pinned(struct bpf_map *map, const char *pin_dir, struct layout_plan *plan, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	char path[PIN_PATH_MAX];
	bool same_size = true;
	int rc = pin_path(path, pin_dir, PIN_MAPS, bpf_map__name(map), err);

	if (rc)
		return rc;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, errno, "can't open pinned map %s", path);
	rc = layout_check_map(map, fd, &same_size, err);
	if (rc)
		return rc;
	if (same_size) {
		rc = bpf_map__reuse_fd(map, fd);
		return rc ? err_errno(err, -rc, "can't reuse pinned map %s", path) : 0;
	}
	if (plan->n_moves == LAYOUT_MOVES_MAX)
		return err_set(err, ERR_FULL, "too many maps changed their size");
	plan->moves[plan->n_moves++] = (struct layout_move){map, fd};
	fd = -1;
	return 0;
}

int layout_prepare(struct bpf_object *obj, const struct kernel_opts *opts, struct layout_plan *plan, struct err *err)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
	{
		int rc = set_size(map, opts, err);

		if (rc == 0 && layout_is_pinned(map))
			rc = reuse_pinned(map, opts->pin_dir, plan, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int move_failed(const struct layout_move *m, int errnum, struct err *err)
{
	if (errnum == E2BIG || errnum == ENOSPC)
		return err_set(err, ERR_FULL,
			       "pinned map %s holds more than the %u entries now configured: allow more, or remove "
			       "entries first",
			       bpf_map__name(m->map), bpf_map__max_entries(m->map));
	return err_errno(err, errnum, "can't copy pinned map %s into one of %u entries", bpf_map__name(m->map),
			 bpf_map__max_entries(m->map));
}

static int move_content(const struct layout_move *m, struct err *err)
{
	_cleanup_(walk_done) struct walk w = {0};
	int rc = walk_init(&w, m->old_fd, err);

	if (rc)
		return rc;
	do {
		uint32_t n;

		rc = walk_next(&w, err);
		if (rc)
			return rc;
		n = w.n;
		if (n && bpf_map_update_batch(bpf_map__fd(m->map), w.keys, w.values, &n, NULL))
			return move_failed(m, errno, err);
	} while (w.n);
	return 0;
}

static bool is_moved(const struct layout_plan *plan, const struct bpf_map *map)
{
	for (size_t i = 0; i < plan->n_moves; i++)
		if (plan->moves[i].map == map)
			return true;
	return false;
}

int layout_commit(struct bpf_object *obj, const char *pin_dir, struct layout_plan *plan, struct err *err)
{
	struct bpf_map *map;
	int rc;

	for (size_t i = 0; i < plan->n_moves; i++) {
		rc = move_content(&plan->moves[i], err);
		if (rc)
			return rc;
	}
	bpf_object__for_each_map(map, obj)
	{
		char path[PIN_PATH_MAX];

		if (!layout_is_pinned(map))
			continue;
		rc = pin_path(path, pin_dir, PIN_MAPS, bpf_map__name(map), err);
		if (rc == 0 && (is_moved(plan, map) || access(path, F_OK)))
			rc = pin_replace(path, bpf_map__fd(map), err);
		if (rc)
			return rc;
	}
	return 0;
}

void layout_plan_done(struct layout_plan *plan)
{
	for (size_t i = 0; i < plan->n_moves; i++)
		closep(&plan->moves[i].old_fd);
	plan->n_moves = 0;
}
