/* Are pinned maps the ones this program means? Reuse, refuse, or copy into maps of another size. */
#ifndef KERNEL_LAYOUT_H
#define KERNEL_LAYOUT_H

#include "kernel/handle.h"

/* A pinned map whose content moves into a new one of another size. */
struct layout_move {
	struct bpf_map *map;
	int old_fd;
};
#define LAYOUT_MOVES_MAX 16
struct layout_plan {
	struct layout_move moves[LAYOUT_MOVES_MAX];
	size_t n_moves;
};

/* K2, by the first two words of tg_control, which every version has. ERR_NOT_FOUND when nothing is pinned. */
int layout_check_version(const char *pin_dir, struct err *err) MUST_CHECK;
/* Whether a map outlives the process: those of the contract, and private ones but for per-CPU scratch. */
bool layout_is_pinned(const struct bpf_map *map);
/* Before loading: sizes from opts, pinned maps reused where they fit. */
int layout_prepare(struct bpf_object *obj, const struct kernel_opts *opts, struct layout_plan *plan,
		   struct err *err) MUST_CHECK;
/* After loading: content of resized maps is copied, and everything new is pinned. */
int layout_commit(struct bpf_object *obj, const char *pin_dir, struct layout_plan *plan, struct err *err) MUST_CHECK;
void layout_plan_done(struct layout_plan *plan);
/* fd must be what `map` says, size aside where opts decide it. */
int layout_check_map(const struct bpf_map *map, int fd, bool *ret_same_size, struct err *err) MUST_CHECK;

#endif
