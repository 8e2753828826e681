/* Sampled refusals out of the ring buffer. */
#include "kernel/handle.h"

#include <errno.h>
#include <string.h>

static int event_in(void *arg, void *data, size_t size)
{
	struct kernel *k = arg;
	struct tg_event e;

	if (size < sizeof(e) || !k->sink.cb)
		return 0;
	memcpy(&e, data, sizeof(e));
	k->sink.cb(&e, k->sink.arg);
	return 0;
}

int events_open(struct kernel *k, struct err *err)
{
	k->ring = ring_buffer__new(k->map_fd[KERNEL_MAP_EVENTS], event_in, k, NULL);
	return k->ring ? 0 : err_errno(err, errno, "can't open the ring buffer of events");
}

int kernel_events_fd(struct kernel *k)
{
	return k->ring ? ring_buffer__epoll_fd(k->ring) : -1;
}

int kernel_events_drain(struct kernel *k, kernel_event_cb cb, void *arg)
{
	int n;

	if (!k->ring)
		return 0;
	k->sink = (struct event_sink){cb, arg};
	n = ring_buffer__consume(k->ring);
	return n < 0 ? ERR_IO : n;
}
