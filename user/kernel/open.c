/* Opening: load the program or take what is pinned, or do without the kernel. */
#include "kernel/handle.h"
#include "kernel/layout.h"
#include "kernel/pin.h"
#include "kernel/skeleton.h"
#include "kernel/trace.h"

#include "tollgate/siphash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define BTF_PATH "/sys/kernel/btf/vmlinux"

const struct kernel_map_row kernel_map_table[KERNEL_MAP_COUNT] = {
#define X(sym, map_name, map_size) [KERNEL_MAP_##sym] = {map_name, KERNEL_SIZE_##map_size},
	KERNEL_MAPS(X)
#undef X
};

const struct kernel_map_row *kernel_map_row(const char *name)
{
	for (size_t i = 0; i < KERNEL_MAP_COUNT; i++)
		if (strcmp(kernel_map_table[i].name, name) == 0)
			return &kernel_map_table[i];
	return NULL;
}

static void skelp(struct tollgate_bpf **s)
{
	tollgate_bpf__destroy(*s);
}

static void kernel_closep(struct kernel **k)
{
	kernel_close(*k);
}

static int kernel_new(const char *pin_dir, struct kernel **ret, struct err *err)
{
	_cleanup_(kernel_closep) struct kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return err_set(err, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < KERNEL_MAP_COUNT; i++)
		k->map_fd[i] = -1;
	k->xdp_fd = k->tc_fd = -1;
	pthread_mutex_init(&k->lists_lock, NULL);
	pthread_mutex_init(&k->census_lock, NULL);
	pthread_mutex_init(&k->attachments_lock, NULL);
	k->memory = !pin_dir;
	k->grace_owed = true;
	if (pin_dir) {
		int n = libbpf_num_possible_cpus();

		if (n <= 0)
			return err_errno(err, -n, "can't count CPUs");
		k->n_cpus = (unsigned)n;
		k->pin_dir = strdup(pin_dir);
		if (!k->pin_dir)
			return err_set(err, ERR_NOMEM, "out of memory");
	}
	*ret = take_ptr(&k);
	return 0;
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	ring_buffer__free(k->ring);
	arrays_unmap(k);
	for (size_t i = 0; i < KERNEL_MAP_COUNT; i++)
		closep(&k->map_fd[i]);
	closep(&k->xdp_fd);
	closep(&k->tc_fd);
	expiry_done(&k->expiry);
	pthread_mutex_destroy(&k->lists_lock);
	pthread_mutex_destroy(&k->census_lock);
	pthread_mutex_destroy(&k->attachments_lock);
	free(k->pin_dir);
	free(k);
}

bool kernel_is_memory(const struct kernel *k)
{
	return k->memory;
}

/* ---- the control word */

static int boot_id_hash(uint64_t *ret, struct err *err)
{
	_cleanup_(closep) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char id[64];
	ssize_t n = fd < 0 ? -1 : read(fd, id, sizeof(id));

	if (n <= 0)
		return err_errno(err, errno, "can't read the boot id");
	*ret = tg_sip13(0, 0, id, (size_t)n);
	return 0;
}

/* The magic goes in last: a word without it is one that was never finished. */
static int control_init(struct tg_control *c, uint64_t boot, struct err *err)
{
	if (getrandom(c->sip_key, sizeof(c->sip_key), 0) != (ssize_t)sizeof(c->sip_key))
		return err_errno(err, errno, "no random numbers");
	c->abi_version = TG_ABI_VERSION;
	c->boot_id_hash = boot;
	c->generation = 1;
	__atomic_store_n(&c->magic, TG_ABI_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

static int control_open(struct kernel *k, bool may_init, struct err *err)
{
	uint64_t boot = 0;
	int rc = boot_id_hash(&boot, err);

	if (rc)
		return rc;
	if (k->control->magic == 0 && may_init)
		return control_init(k->control, boot, err);
	if (k->control->magic == 0)
		return err_set(err, ERR_NOT_FOUND, "the gate at %s was never finished: start tollgated", k->pin_dir);
	if (k->control->boot_id_hash != boot)
		return err_set(
			err, ERR_VERSION,
			"maps pinned in %s come from another boot, and their times mean nothing in this one: run "
			"`tollctl detach` and start again",
			k->pin_dir);
	return 0;
}

/* ---- loading */

static int btf_check(struct err *err)
{
	if (access(BTF_PATH, R_OK) == 0)
		return 0;
	return err_set(err, ERR_UNSUPPORTED,
		       "this kernel has no BTF (%s is absent): use a kernel with CONFIG_DEBUG_INFO_BTF=y", BTF_PATH);
}

static int load_failed(int errnum, struct err *err)
{
	if (errnum == EPERM || errnum == EACCES) {
		/* The verifier says EACCES too, and then it has said why. */
		if (!trace_tail()[0] || geteuid() != 0)
			return err_set(
				err, ERR_PERM,
				"not permitted to load the kernel program: start as root (CAP_BPF, CAP_NET_ADMIN, "
				"CAP_PERFMON)");
	}
	return err_set(err, ERR_UNSUPPORTED, "this kernel refuses the program (%s); Linux 6.1 or newer is needed: %s",
		       strerrordesc_np(errnum) ? strerrordesc_np(errnum) : "?", trace_tail());
}

static int take_fds(struct kernel *k, struct tollgate_bpf *skel, struct err *err)
{
	for (size_t i = 0; i < KERNEL_MAP_COUNT; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(skel->obj, kernel_map_table[i].name);

		if (!map)
			continue;
		k->map_max[i] = bpf_map__max_entries(map);
		k->map_fd[i] = fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 3);
		if (k->map_fd[i] < 0)
			return err_errno(err, errno, "can't keep map %s open", kernel_map_table[i].name);
	}
	k->xdp_fd = fcntl(bpf_program__fd(skel->progs.tg_xdp), F_DUPFD_CLOEXEC, 3);
	k->tc_fd = fcntl(bpf_program__fd(skel->progs.tg_tc_ingress), F_DUPFD_CLOEXEC, 3);
	if (k->xdp_fd < 0 || k->tc_fd < 0)
		return err_errno(err, errno, "can't keep the program open");
	return 0;
}

/* What both ways of opening do once the maps are there. */
static int open_finish(struct kernel *k, bool may_init, struct err *err)
{
	int rc = arrays_map(k, err);

	if (rc == 0)
		rc = control_open(k, may_init, err);
	if (rc == 0)
		rc = lists_count(k, err);
	if (rc == 0)
		rc = attach_scan(k, err);
	return rc;
}

static int open_load(struct kernel *k, const struct kernel_opts *opts, struct err *err)
{
	_cleanup_(skelp) struct tollgate_bpf *skel = NULL;
	_cleanup_(layout_plan_done) struct layout_plan plan = {.n_moves = 0};
	int rc;

	trace_start();
	skel = tollgate_bpf__open();
	if (!skel)
		return err_errno(err, errno, "can't read the embedded kernel program");
	rc = layout_prepare(skel->obj, opts, &plan, err);
	if (rc)
		return rc;
	rc = tollgate_bpf__load(skel);
	if (rc)
		return load_failed(-rc, err);
	rc = layout_commit(skel->obj, opts->pin_dir, &plan, err);
	return rc ? rc : take_fds(k, skel, err);
}

int kernel_open(const struct kernel_opts *opts, struct kernel **ret, struct err *err)
{
	_cleanup_(kernel_closep) struct kernel *k = NULL;
	struct err absent = {0};
	int rc = btf_check(err);

	if (rc == 0)
		rc = pin_prepare(opts->pin_dir, err);
	if (rc)
		return rc;
	rc = layout_check_version(opts->pin_dir, &absent);
	if (rc && rc != ERR_NOT_FOUND)
		return err_set(err, rc, "%s", absent.msg);
	rc = kernel_new(opts->pin_dir, &k, err);
	if (rc == 0)
		rc = open_load(k, opts, err);
	if (rc == 0)
		rc = open_finish(k, true, err);
	if (rc == 0)
		rc = events_open(k, err);
	if (rc)
		return rc;
	*ret = take_ptr(&k);
	return 0;
}

/* Added to the layout without another version (abi.h): a gate that was pinned before has none, and a program that knows
 * nothing of it. Memory of our own stands in for it, all zero: nothing is said there. kernel_open pins the missing map. */
static bool may_be_absent(enum kernel_map id)
{
	return id == KERNEL_MAP_ROUTES;
}

static int take_pinned(struct kernel *k, const struct bpf_object *obj, enum kernel_map id, struct err *err)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(obj, kernel_map_table[id].name);
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	char path[PIN_PATH_MAX];
	bool same_size = true;
	int rc;

	if (!map)
		return 0;
	rc = pin_path(path, k->pin_dir, PIN_MAPS, kernel_map_table[id].name, err);
	if (rc)
		return rc;
	k->map_fd[id] = bpf_obj_get(path);
	if (k->map_fd[id] < 0)
		return errno == ENOENT && may_be_absent(id) ? 0 :
							      err_errno(err, errno, "can't open pinned map %s", path);
	rc = layout_check_map(map, k->map_fd[id], &same_size, err);
	if (rc == 0 && bpf_obj_get_info_by_fd(k->map_fd[id], &info, &len))
		rc = err_errno(err, errno, "can't ask about %s", path);
	k->map_max[id] = info.max_entries;
	return rc;
}

int kernel_open_pinned(const char *pin_dir, struct kernel **ret, struct err *err)
{
	_cleanup_(kernel_closep) struct kernel *k = NULL;
	_cleanup_(skelp) struct tollgate_bpf *skel = NULL;
	int rc = layout_check_version(pin_dir, err);

	if (rc == 0)
		rc = kernel_new(pin_dir, &k, err);
	if (rc)
		return rc;
	trace_start();
	skel = tollgate_bpf__open(); /* not loaded: it says what the maps should be */
	if (!skel)
		return err_errno(err, errno, "can't read the embedded kernel program");
	for (size_t i = 0; i < KERNEL_MAP_COUNT; i++) {
		rc = take_pinned(k, skel->obj, (enum kernel_map)i, err);
		if (rc)
			return rc;
	}
	rc = open_finish(k, false, err);
	if (rc)
		return rc;
	*ret = take_ptr(&k);
	return 0;
}

int kernel_open_memory(struct kernel **ret, struct err *err)
{
	_cleanup_(kernel_closep) struct kernel *k = NULL;
	uint64_t boot = 0;
	int rc = kernel_new(NULL, &k, err);

	if (rc == 0)
		rc = arrays_map_memory(k, err);
	if (rc == 0)
		rc = boot_id_hash(&boot, err);
	if (rc == 0)
		rc = control_init(k->control, boot, err);
	if (rc)
		return rc;
	*ret = take_ptr(&k);
	return 0;
}
