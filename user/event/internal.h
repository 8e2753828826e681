/* What the loop's files share. */
#ifndef EVENT_INTERNAL_H
#define EVENT_INTERNAL_H

#include "event/loop.h"

#include <pthread.h>
#include <stdatomic.h>

#define LOOP_BATCH 256

/* An io's place in the table. The kernel hands back (generation, index), so an event for a deleted io finds another
 * generation and is dropped without touching its memory (E1). */
struct loop_slot {
	struct loop_io *io; /* NULL = free */
	uint32_t generation;
	uint32_t next_free;
};

/* The time is copied beside the pointer, so that sifting doesn't touch the timers' owners. */
struct loop_heap_node {
	uint64_t due_ns;
	struct loop_timer *timer;
};

struct loop_post_node {
	struct loop_post_node *next;
	void (*fn)(void *arg);
	void *arg;
};

struct loop {
	int epoll_fd;
	uint64_t now_ns;

	struct loop_slot *slots;
	uint32_t slots_len, slots_cap, slot_free; /* index 0 is never used */

	struct loop_heap_node *heap;
	uint32_t heap_len, heap_cap;

	loop_idle_cb idle;
	void *idle_arg;

	struct loop_io wake_io; /* an eventfd */
	atomic_bool wake_pending, stop;
	pthread_mutex_t post_lock;
	struct loop_post_node *post_head, **post_tail;

	struct epoll_event events[LOOP_BATCH];
};

/* Fires what is due at l->now_ns. */
void loop_timers_run(struct loop *l);
/* How long until the first timer, rounded up to ms; -1 = there is none. */
int loop_timers_wait_ms(const struct loop *l, uint64_t now_ns);

#endif
