/* Shared arrays: one memory for kernel and daemon.
 *
 * tg_rates is by far the largest (two banks of TG_SUBJECTS_MAX blocks) and mostly unused: slots are given out from the
 * smallest. A map's pages all count as ours once mapped, so its address range is only reserved, and mapped as far as slots
 * are in use (rates_reach). Addresses never move. */
#include "kernel/handle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

struct array_row {
	void **at;
	size_t bytes;
	enum kernel_map map;
};
#define ARRAYS_COUNT 6

static void arrays_rows(struct kernel *k, struct array_row rows[ARRAYS_COUNT])
{
	const struct array_row all[ARRAYS_COUNT] = {
		{(void **)&k->control, sizeof(struct tg_control), KERNEL_MAP_CONTROL},
		{(void **)&k->buckets, TG_SUBJECTS_MAX * sizeof(struct tg_bucket_block), KERNEL_MAP_BUCKETS},
		{(void **)&k->rates, 2 * TG_SUBJECTS_MAX * sizeof(struct tg_rate_block), KERNEL_MAP_RATES},
		{(void **)&k->subjects, TG_SUBJECTS_MAX * sizeof(struct tg_subject), KERNEL_MAP_SUBJECTS},
		{(void **)&k->routes, TG_DIM_COUNT * sizeof(struct tg_route_state), KERNEL_MAP_ROUTES},
		{(void **)&k->idle, TG_IDLE_MAX * sizeof(uint64_t), KERNEL_MAP_IDLE},
	};

	memcpy(rows, all, sizeof(all));
}

static size_t page_round(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static int array_map(const struct array_row *row, int fd, struct err *err)
{
	int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
	void *p = mmap(NULL, page_round(row->bytes), PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		return err_errno(err, errno, "can't share memory of map %s", kernel_map_table[row->map].name);
	*row->at = p;
	return 0;
}

static int array_reserve(const struct array_row *row, struct err *err)
{
	void *p = mmap(NULL, page_round(row->bytes), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return err_errno(err, errno, "can't reserve addresses for map %s", kernel_map_table[row->map].name);
	*row->at = p;
	return 0;
}

#define RATES_STEP 4096u /* subjects; whole pages of blocks */

int rates_reach(struct kernel *k, uint32_t n_subjects, struct err *err)
{
	uint32_t want = (n_subjects + RATES_STEP - 1) / RATES_STEP * RATES_STEP;
	size_t at = k->rates_reach * sizeof(*k->rates);

	if (want <= k->rates_reach)
		return 0;
	for (unsigned bank = 0; bank < 2; bank++) {
		char *to = (char *)kernel_rates(k, bank) + at;
		void *p = mmap(to, (want - k->rates_reach) * sizeof(*k->rates), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			       k->map_fd[KERNEL_MAP_RATES], (off_t)((size_t)(to - (char *)k->rates)));

		if (p == MAP_FAILED)
			return err_errno(err, errno, "can't share memory of map %s", kernel_map_table[KERNEL_MAP_RATES].name);
	}
	k->rates_reach = want;
	return 0;
}

int arrays_map(struct kernel *k, struct err *err)
{
	struct array_row rows[ARRAYS_COUNT];

	arrays_rows(k, rows);
	for (size_t i = 0; i < ARRAYS_COUNT; i++) {
		int rc = rows[i].map == KERNEL_MAP_RATES ? array_reserve(&rows[i], err) :
							   array_map(&rows[i], k->map_fd[rows[i].map], err);

		if (rc)
			return rc;
	}
	return rates_reach(k, RATES_STEP, err);
}

int arrays_map_memory(struct kernel *k, struct err *err)
{
	struct array_row rows[ARRAYS_COUNT];

	arrays_rows(k, rows);
	for (size_t i = 0; i < ARRAYS_COUNT; i++) {
		int rc = rows[i].map == KERNEL_MAP_IDLE ? 0 : array_map(&rows[i], -1, err);

		if (rc)
			return rc;
	}
	k->rates_reach = TG_SUBJECTS_MAX; /* untouched anonymous pages cost nothing */
	return 0;
}

void arrays_unmap(struct kernel *k)
{
	struct array_row rows[ARRAYS_COUNT];

	arrays_rows(k, rows);
	for (size_t i = 0; i < ARRAYS_COUNT; i++)
		if (*rows[i].at)
			munmap(take_ptr(rows[i].at), page_round(rows[i].bytes));
}

struct tg_control *kernel_control(struct kernel *k)
{
	return k->control;
}

struct tg_bucket_block *kernel_buckets(struct kernel *k)
{
	return k->buckets;
}

struct tg_rate_block *kernel_rates(struct kernel *k, unsigned bank)
{
	return k->rates + (bank & 1) * TG_SUBJECTS_MAX;
}

struct tg_subject *kernel_subjects(struct kernel *k)
{
	return k->subjects;
}

struct tg_route_state *kernel_routes(struct kernel *k)
{
	return k->routes;
}

uint64_t *kernel_idle(struct kernel *k)
{
	return k->idle;
}

/* Words first, the end mark after them: the program may see a port list in the making, never one without an end. */
static void ports_write(__u16 dst[TG_PORTS_MAX], const uint16_t *ports, size_t n)
{
	for (size_t i = 0; i < TG_PORTS_MAX; i++)
		TG_WRITE_ONCE(dst[i], (__u16)(i < n ? htons(ports[i]) : 0));
}

int kernel_set_ports(struct kernel *k, const uint16_t *plain, size_t n_plain, const uint16_t *tls, size_t n_tls,
		     struct err *err)
{
	if (n_plain > TG_PORTS_MAX || n_tls > TG_PORTS_MAX)
		return err_set(err, ERR_RANGE, "%zu guarded ports are too many: at most %u plaintext and %u TLS",
			       n_plain > n_tls ? n_plain : n_tls, TG_PORTS_MAX, TG_PORTS_MAX);
	for (size_t i = 0; i < n_plain + n_tls; i++)
		if ((i < n_plain ? plain[i] : tls[i - n_plain]) == 0)
			return err_set(err, ERR_INVAL, "port 0 can't be guarded");
	ports_write(k->control->port_be, plain, n_plain);
	ports_write(k->control->tls_port_be, tls, n_tls);
	return 0;
}

int kernel_set_answer(struct kernel *k, unsigned index, const struct tg_answer *a, struct err *err)
{
	if (index >= TG_ANSWERS_MAX)
		return err_set(err, ERR_RANGE, "answer %u is over %u", index, TG_ANSWERS_MAX - 1);
	if (k->memory)
		return 0;
	if (bpf_map_update_elem(k->map_fd[KERNEL_MAP_ANSWERS], &index, a, BPF_ANY))
		return err_errno(err, errno, "can't write answer %u", index);
	return 0;
}

void kernel_set_armed(struct kernel *k, bool armed)
{
	__atomic_store_n(&k->control->armed, armed ? 1u : 0u, __ATOMIC_RELEASE);
}

/* A reader between two words sees the larger of two bursts or no limit, never a limit with no burst. */
static void rate_write(struct tg_rate *dst, const struct tg_rate *src)
{
	if (dst->burst_ns < src->burst_ns)
		__atomic_store_n(&dst->burst_ns, src->burst_ns, __ATOMIC_RELEASE);
	__atomic_store_n(&dst->emission_q16, src->emission_q16, __ATOMIC_RELEASE);
	__atomic_store_n(&dst->burst_ns, src->burst_ns, __ATOMIC_RELEASE);
	TG_WRITE_ONCE(dst->limit, src->limit);
	TG_WRITE_ONCE(dst->flags, src->flags);
}

int kernel_rates_set(struct kernel *k, uint32_t subject, const struct tg_rate_block *r, struct err *err)
{
	unsigned bank = __atomic_load_n(&k->control->generation, __ATOMIC_ACQUIRE) & 1;
	int rc;

	if (subject >= TG_SUBJECTS_MAX)
		return err_set(err, ERR_RANGE, "subject %u is over %u", subject, TG_SUBJECTS_MAX - 1);
	rc = rates_reach(k, subject + 1, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < TG_DIM_COUNT; i++)
		rate_write(&kernel_rates(k, bank)[subject].rate[i], &r->rate[i]);
	if (k->rates_used[bank] <= subject)
		k->rates_used[bank] = subject + 1;
	return 0;
}

void kernel_subject_reset(struct kernel *k, uint32_t subject, uint32_t incarnation)
{
	if (subject >= TG_SUBJECTS_MAX)
		return;
	/* Incarnation first: from here on no stale key speaks for the slot (A5). */
	__atomic_store_n(&k->subjects[subject].incarnation, incarnation, __ATOMIC_SEQ_CST);
	for (size_t i = 0; i < TG_DIM_COUNT; i++)
		__atomic_store_n(&k->buckets[subject].tat_ns[i], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&k->subjects[subject].flags, 0, __ATOMIC_RELEASE);
}

void kernel_subject_flags(struct kernel *k, uint32_t subject, uint32_t flags)
{
	if (subject < TG_SUBJECTS_MAX)
		__atomic_store_n(&k->subjects[subject].flags, flags, __ATOMIC_RELEASE);
}
