/* At start: the store's lists and the kernel's maps against each other. Fresh maps are filled from the store; maps that
 * lived on are the truth, and the store follows. */
#include "admin/lists.h"

#include "base/clock.h"

#include <string.h>

static uint64_t mono_of(int64_t expires_ms, int64_t wall_now_ms, uint64_t mono_now_ns)
{
	if (!expires_ms)
		return TG_LIST_NEVER;
	return expires_ms > wall_now_ms ? mono_now_ns + (uint64_t)(expires_ms - wall_now_ms) * 1000000u : mono_now_ns;
}

struct gather {
	struct list_batch batch;
	int64_t wall_ms;
	enum store_list want;
};

static int gather_row(enum store_list list, const struct store_list_entry *row, void *arg)
{
	struct gather *g = arg;
	struct policy_list_entry parsed;
	struct kernel_list_entry *e;
	struct err err;

	if (list != g->want)
		return 0;
	if (row->expires_ms && row->expires_ms <= g->wall_ms)
		return 0;
	if (policy_parse_cidr(row->cidr, strlen(row->cidr), &parsed, &err) < 0)
		return 0; /* not canonical: can't have been written by us */
	if (list_batch_room(&g->batch, 0) < 0)
		return ERR_NOMEM;
	e = &g->batch.e[g->batch.n++];
	memset(e, 0, sizeof(*e));
	list_cidr_of(&parsed, &e->cidr);
	e->expires_ns = mono_of(row->expires_ms, g->wall_ms, g->batch.now_ns);
	e->source = (uint8_t)row->source;
	e->reason = g->batch.a->o.ops.reason_of(g->batch.a->o.ops.arg, row->reason);
	return 0;
}

static int restore(struct admin *a, enum kernel_list list, size_t *count, struct err *err)
{
	struct gather g = {.batch = {.a = a, .errors = json_array(), .now_ns = clock_mono_ns()},
			   .wall_ms = clock_wall_ms(),
			   .want = list_store_of(list)};
	size_t done = 0;
	int rc = store_list_each(a->o.store, gather_row, &g, err);

	if (rc == 0)
		rc = kernel_list_put(a->o.kernel, list, g.batch.e, g.batch.n, &done, err);
	*count += done;
	json_decref(g.batch.errors);
	free(g.batch.e);
	return rc;
}

int admin_lists_restore(struct admin *a, size_t *ret_count, struct err *err)
{
	size_t count = 0;
	int rc;

	if (kernel_is_memory(a->o.kernel)) {
		*ret_count = 0;
		return 0;
	}
	rc = restore(a, KERNEL_LIST_ALLOW, &count, err);
	if (rc == 0)
		rc = restore(a, KERNEL_LIST_BLOCK, &count, err);
	*ret_count = count;
	return rc;
}

static int gather_map(enum kernel_list list, const struct kernel_list_entry *e, void *arg)
{
	struct gather *g = arg;

	(void)list;
	if (!e->expires_ns)
		return 0; /* the policy's alone */
	if (list_batch_room(&g->batch, 0) < 0)
		return ERR_NOMEM;
	g->batch.e[g->batch.n++] = *e;
	return 0;
}

static int by_cidr(const void *a, const void *b)
{
	const struct kernel_list_entry *ea = a, *eb = b;

	if (ea->cidr.v6 != eb->cidr.v6)
		return ea->cidr.v6 ? 1 : -1;
	if (ea->cidr.prefix_len != eb->cidr.prefix_len)
		return ea->cidr.prefix_len < eb->cidr.prefix_len ? -1 : 1;
	return memcmp(ea->cidr.addr, eb->cidr.addr, sizeof(ea->cidr.addr));
}

static int drop_rows(struct admin *a, enum kernel_list list, const struct kernel_list_entry *e, size_t n,
		     struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		char text[64];
		const char *one = text;
		int rc;

		list_cidr_text(&e[i].cidr, text);
		rc = store_list_del(a->o.store, "tollgated", list_store_of(list), &one, 1, err);
		if (rc < 0 && rc != ERR_NOT_FOUND)
			return rc;
	}
	return 0;
}

/* Both sorted; moves what is only in x to the front of x and returns how many that are. */
static size_t only_in(struct kernel_list_entry *x, size_t nx, const struct kernel_list_entry *y, size_t ny)
{
	size_t n = 0, j = 0;

	for (size_t i = 0; i < nx; i++) {
		while (j < ny && by_cidr(&y[j], &x[i]) < 0)
			j++;
		if (j >= ny || by_cidr(&y[j], &x[i]) != 0)
			x[n++] = x[i];
	}
	return n;
}

static int adopt(struct admin *a, enum kernel_list list, size_t *adopted, size_t *dropped, struct err *err)
{
	struct gather map = {.batch = {.a = a, .errors = json_array(), .now_ns = clock_mono_ns()}};
	struct gather rows = {.batch = map.batch, .wall_ms = clock_wall_ms(), .want = list_store_of(list)};
	_cleanup_(freep) struct kernel_list_entry *copy = NULL;
	int rc = kernel_list_each(a->o.kernel, list, gather_map, &map, err);

	if (rc == 0)
		rc = store_list_each(a->o.store, gather_row, &rows, err);
	if (rc == 0) {
		size_t n_new, n_old;

		copy = malloc((map.batch.n + 1) * sizeof(*copy));
		if (!copy) {
			rc = err_set(err, ERR_NOMEM, "out of memory");
		} else {
			if (map.batch.n)
				qsort(map.batch.e, map.batch.n, sizeof(*copy), by_cidr);
			if (rows.batch.n)
				qsort(rows.batch.e, rows.batch.n, sizeof(*copy), by_cidr);
			if (map.batch.n)
				memcpy(copy, map.batch.e, map.batch.n * sizeof(*copy));
			n_new = only_in(copy, map.batch.n, rows.batch.e, rows.batch.n);
			n_old = only_in(rows.batch.e, rows.batch.n, map.batch.e, map.batch.n);
			rc = n_new ? list_store_entries(a, "tollctl", list, copy, n_new, err) : 0;
			if (rc == 0)
				rc = drop_rows(a, list, rows.batch.e, n_old, err);
			*adopted += n_new;
			*dropped += n_old;
		}
	}
	json_decref(map.batch.errors);
	free(map.batch.e);
	free(rows.batch.e);
	return rc;
}

int admin_lists_adopt(struct admin *a, size_t *ret_adopted, size_t *ret_dropped, struct err *err)
{
	size_t adopted = 0, dropped = 0;
	int rc;

	*ret_adopted = *ret_dropped = 0;
	if (kernel_is_memory(a->o.kernel))
		return 0;
	rc = adopt(a, KERNEL_LIST_ALLOW, &adopted, &dropped, err);
	if (rc == 0)
		rc = adopt(a, KERNEL_LIST_BLOCK, &adopted, &dropped, err);
	*ret_adopted = adopted;
	*ret_dropped = dropped;
	return rc;
}
