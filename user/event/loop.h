/* One epoll loop per worker thread, with timers. Not thread safe but for loop_wake(), loop_stop() and loop_post().
 *
 * Invariants (tests cite them):
 *  E1  After loop_io_del() or loop_timer_del() no callback comes any more, even for events of the batch under way.
 *  E2  A timer never fires before its time; timers due in one pass fire in the order of their times.
 *  E3  Every posted function runs exactly once, in the order posted, on the loop's thread.
 *  E4  A timer that re-arms itself in the past can't starve I/O: it runs once per pass.
 */
#ifndef EVENT_LOOP_H
#define EVENT_LOOP_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct loop_io;
struct loop_timer;

/* `events` are EPOLL* bits as reported. */
typedef void (*loop_io_cb)(struct loop *l, struct loop_io *io, uint32_t events);
typedef void (*loop_timer_cb)(struct loop *l, struct loop_timer *t);

/* Embedded in its owner (CONTAINER_OF). After loop_io_del() the owner's memory may be freed at once (E1); delete
 * before closing the fd. Deleting what was never added does nothing. */
struct loop_io {
	int fd;
	loop_io_cb cb;
	uint32_t slot; /* private: 0 = not added, so start zeroed */
};

/* Embedded, start zeroed; O(log n) heap. `due_ns` is CLOCK_MONOTONIC. A timer is disarmed when its callback runs. */
struct loop_timer {
	loop_timer_cb cb;
	uint64_t due_ns;
	uint32_t heap_index; /* private: position + 1, 0 = not armed */
};

int loop_new(struct loop **ret, struct err *err) MUST_CHECK;
/* Functions posted but not run yet are dropped. */
void loop_free(struct loop *l);
int loop_io_add(struct loop *l, struct loop_io *io, uint32_t events, struct err *err) MUST_CHECK;
int loop_io_mod(struct loop *l, struct loop_io *io, uint32_t events, struct err *err) MUST_CHECK;
void loop_io_del(struct loop *l, struct loop_io *io);
int loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t due_ns) MUST_CHECK; /* arms or moves; ERR_NOMEM */
void loop_timer_del(struct loop *l, struct loop_timer *t);

/* Called after each batch of events and before sleeping; returns how long the loop may sleep at most, in ms
 * (-1 = no bound, 0 = poll again at once). One per loop: the HTTP adapter runs libmicrohttpd here. */
typedef int (*loop_idle_cb)(struct loop *l, void *arg);
void loop_set_idle(struct loop *l, loop_idle_cb cb, void *arg);

/* The time at the start of the current batch (saves clock calls on the hot path). */
uint64_t loop_now_ns(const struct loop *l);
/* Runs until loop_stop(), which may also have come before; a stop ends one run. */
int loop_run(struct loop *l, struct err *err) MUST_CHECK;
/* From any thread or signal handler. */
void loop_stop(struct loop *l);
void loop_wake(struct loop *l);
/* Runs fn(arg) on the loop's thread, in order. From any thread; ERR_NOMEM. */
int loop_post(struct loop *l, void (*fn)(void *arg), void *arg) MUST_CHECK;

#endif
