/* The loop: wait, hand out events, run timers, let the adapter idle, again. */
#include "event/internal.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>

static void loop_freep(struct loop **l)
{
	loop_free(*l);
}

static int slots_grow(struct loop *l)
{
	uint32_t cap = l->slots_cap ? l->slots_cap * 2 : 64;
	struct loop_slot *slots = realloc(l->slots, cap * sizeof(*slots));

	if (!slots)
		return ERR_NOMEM;
	l->slots = slots;
	l->slots_cap = cap;
	return 0;
}

static int slot_take(struct loop *l, uint32_t *ret)
{
	if (l->slot_free) {
		*ret = l->slot_free;
		l->slot_free = l->slots[*ret].next_free;
		return 0;
	}
	if (l->slots_len == l->slots_cap && slots_grow(l) < 0)
		return ERR_NOMEM;
	l->slots[l->slots_len] = (struct loop_slot){0};
	*ret = l->slots_len++;
	return 0;
}

static void slot_give(struct loop *l, uint32_t index)
{
	struct loop_slot *s = &l->slots[index];

	s->io = NULL;
	s->generation++;
	s->next_free = l->slot_free;
	l->slot_free = index;
}

static int io_control(struct loop *l, struct loop_io *io, int op, uint32_t events)
{
	struct epoll_event e = {
		.events = events,
		.data.u64 = (uint64_t)l->slots[io->slot].generation << 32 | io->slot,
	};

	return epoll_ctl(l->epoll_fd, op, io->fd, &e);
}

int loop_io_add(struct loop *l, struct loop_io *io, uint32_t events, struct err *err)
{
	uint32_t index;

	assert(!io->slot && io->cb);
	if (slot_take(l, &index) < 0)
		return err_set(err, ERR_NOMEM, "loop: out of memory");
	io->slot = index;
	l->slots[index].io = io;
	if (io_control(l, io, EPOLL_CTL_ADD, events) < 0) {
		slot_give(l, index);
		io->slot = 0;
		return err_errno(err, errno, "epoll_ctl add");
	}
	return 0;
}

int loop_io_mod(struct loop *l, struct loop_io *io, uint32_t events, struct err *err)
{
	if (!io->slot)
		return err_set(err, ERR_INVAL, "loop: io was not added");
	if (io_control(l, io, EPOLL_CTL_MOD, events) < 0)
		return err_errno(err, errno, "epoll_ctl mod");
	return 0;
}

void loop_io_del(struct loop *l, struct loop_io *io)
{
	if (!io->slot)
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	slot_give(l, io->slot);
	io->slot = 0;
}

void loop_set_idle(struct loop *l, loop_idle_cb cb, void *arg)
{
	l->idle = cb;
	l->idle_arg = arg;
}

uint64_t loop_now_ns(const struct loop *l)
{
	return l->now_ns;
}

void loop_wake(struct loop *l)
{
	static const uint64_t one = 1;
	int saved = errno; /* callable from a signal handler */

	/* The eventfd is written once per pass, however many wake. EAGAIN means it is readable anyway. */
	if (!atomic_exchange(&l->wake_pending, true))
		while (write(l->wake_io.fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
	errno = saved;
}

void loop_stop(struct loop *l)
{
	atomic_store(&l->stop, true);
	loop_wake(l);
}

int loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_post_node *node = malloc(sizeof(*node));

	if (!node)
		return ERR_NOMEM;
	*node = (struct loop_post_node){.fn = fn, .arg = arg};
	pthread_mutex_lock(&l->post_lock);
	*l->post_tail = node;
	l->post_tail = &node->next;
	pthread_mutex_unlock(&l->post_lock);
	loop_wake(l);
	return 0;
}

static struct loop_post_node *posts_take(struct loop *l)
{
	struct loop_post_node *head;

	pthread_mutex_lock(&l->post_lock);
	head = l->post_head;
	l->post_head = NULL;
	l->post_tail = &l->post_head;
	pthread_mutex_unlock(&l->post_lock);
	return head;
}

static void on_wake(struct loop *l, struct loop_io *io, uint32_t events)
{
	struct loop_post_node *node;
	uint64_t count;

	(void)events;
	while (read(io->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	/* Before the queue is looked at: a post that comes now writes the eventfd again. */
	atomic_store(&l->wake_pending, false);
	node = posts_take(l);
	while (node) {
		struct loop_post_node *next = node->next;

		node->fn(node->arg);
		free(node);
		node = next;
	}
}

static void batch_dispatch(struct loop *l, int n)
{
	for (int i = 0; i < n; i++) {
		uint64_t id = l->events[i].data.u64;
		struct loop_slot *s = &l->slots[(uint32_t)id];

		if (s->io && s->generation == (uint32_t)(id >> 32))
			s->io->cb(l, s->io, l->events[i].events);
	}
}

/* What the loop may sleep: the shorter of the idle callback's bound and the first timer. */
static int sleep_ms(struct loop *l)
{
	int idle_ms = l->idle ? l->idle(l, l->idle_arg) : -1;
	int timer_ms;

	if (idle_ms == 0)
		return 0;
	/* Reads the clock only when a timer is armed. */
	timer_ms = l->heap_len ? loop_timers_wait_ms(l, clock_mono_ns()) : -1;
	if (idle_ms < 0)
		return timer_ms;
	return timer_ms >= 0 && timer_ms < idle_ms ? timer_ms : idle_ms;
}

int loop_run(struct loop *l, struct err *err)
{
	l->now_ns = clock_mono_ns();
	while (!atomic_load_explicit(&l->stop, memory_order_relaxed)) {
		int n = epoll_wait(l->epoll_fd, l->events, LOOP_BATCH, sleep_ms(l));

		if (n < 0 && errno != EINTR)
			return err_errno(err, errno, "epoll_wait");
		l->now_ns = clock_mono_ns();
		batch_dispatch(l, n);
		loop_timers_run(l);
	}
	atomic_store(&l->stop, false);
	return 0;
}

int loop_new(struct loop **ret, struct err *err)
{
	_cleanup_(loop_freep) struct loop *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return err_set(err, ERR_NOMEM, "loop: out of memory");
	l->wake_io.fd = -1;
	l->post_tail = &l->post_head;
	pthread_mutex_init(&l->post_lock, NULL);
	l->now_ns = clock_mono_ns();
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		return err_errno(err, errno, "epoll_create1");
	if (slots_grow(l) < 0)
		return err_set(err, ERR_NOMEM, "loop: out of memory");
	l->slots[0] = (struct loop_slot){0};
	l->slots_len = 1;
	l->wake_io.cb = on_wake;
	l->wake_io.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->wake_io.fd < 0)
		return err_errno(err, errno, "eventfd");
	rc = loop_io_add(l, &l->wake_io, EPOLLIN, err);
	if (rc < 0)
		return rc;
	*ret = take_ptr(&l);
	return 0;
}

void loop_free(struct loop *l)
{
	struct loop_post_node *node;

	if (!l)
		return;
	node = posts_take(l);
	while (node) {
		struct loop_post_node *next = node->next;

		free(node);
		node = next;
	}
	closep(&l->wake_io.fd);
	closep(&l->epoll_fd);
	pthread_mutex_destroy(&l->post_lock);
	free(l->slots);
	free(l->heap);
	free(l);
}
