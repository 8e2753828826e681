/* The timers: a binary heap of (time, timer), positions kept in the timers so that moving and deleting needs no search.
 */
#include "event/internal.h"

#include <assert.h>
#include <limits.h>

static void heap_place(struct loop *l, uint32_t at, struct loop_heap_node node)
{
	l->heap[at] = node;
	node.timer->heap_index = at + 1;
}

static void heap_up(struct loop *l, uint32_t at, struct loop_heap_node node)
{
	while (at > 0) {
		uint32_t parent = (at - 1) / 2;

		if (l->heap[parent].due_ns <= node.due_ns)
			break;
		heap_place(l, at, l->heap[parent]);
		at = parent;
	}
	heap_place(l, at, node);
}

static void heap_down(struct loop *l, uint32_t at, struct loop_heap_node node)
{
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= l->heap_len)
			break;
		if (child + 1 < l->heap_len && l->heap[child + 1].due_ns < l->heap[child].due_ns)
			child++;
		if (node.due_ns <= l->heap[child].due_ns)
			break;
		heap_place(l, at, l->heap[child]);
		at = child;
	}
	heap_place(l, at, node);
}

/* Puts a node into a hole at `at`, whichever way it has to go. */
static void heap_fill(struct loop *l, uint32_t at, struct loop_heap_node node)
{
	if (at > 0 && node.due_ns < l->heap[(at - 1) / 2].due_ns)
		heap_up(l, at, node);
	else
		heap_down(l, at, node);
}

int loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t due_ns)
{
	struct loop_heap_node node = {.due_ns = due_ns, .timer = t};

	if (t->heap_index) {
		t->due_ns = due_ns;
		heap_fill(l, t->heap_index - 1, node);
		return 0;
	}
	if (l->heap_len == l->heap_cap) {
		uint32_t cap = l->heap_cap ? l->heap_cap * 2 : 64;
		struct loop_heap_node *heap = realloc(l->heap, cap * sizeof(*heap));

		if (!heap)
			return ERR_NOMEM;
		l->heap = heap;
		l->heap_cap = cap;
	}
	t->due_ns = due_ns;
	heap_up(l, l->heap_len++, node);
	return 0;
}

void loop_timer_del(struct loop *l, struct loop_timer *t)
{
	uint32_t at;

	if (!t->heap_index)
		return;
	at = t->heap_index - 1;
	assert(at < l->heap_len && l->heap[at].timer == t);
	t->heap_index = 0;
	l->heap_len--;
	if (at < l->heap_len)
		heap_fill(l, at, l->heap[l->heap_len]);
}

void loop_timers_run(struct loop *l)
{
	/* E4: no more callbacks than timers were armed when the pass began. */
	uint32_t budget = l->heap_len;

	while (budget-- > 0 && l->heap_len > 0 && l->heap[0].due_ns <= l->now_ns) {
		struct loop_timer *t = l->heap[0].timer;

		loop_timer_del(l, t);
		t->cb(l, t);
	}
}

int loop_timers_wait_ms(const struct loop *l, uint64_t now_ns)
{
	uint64_t ms;

	if (!l->heap_len)
		return -1;
	if (l->heap[0].due_ns <= now_ns)
		return 0;
	/* Rounded up: waking early would only spin until the time has come. */
	ms = (l->heap[0].due_ns - now_ns + 999999) / 1000000;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}
