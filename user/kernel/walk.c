#include "kernel/walk.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

static int walk_room(struct walk *w, uint32_t room, struct err *err)
{
	char *keys = reallocarray(w->keys, room, w->key_size);
	char *values;

	if (keys)
		w->keys = keys;
	values = reallocarray(w->values, room, w->value_size);
	if (values)
		w->values = values;
	if (!keys || !values)
		return err_set(err, ERR_NOMEM, "out of memory for reading a kernel map");
	w->room = room;
	return 0;
}

int walk_init(struct walk *w, int fd, struct err *err)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return err_errno(err, errno, "can't ask about a kernel map");
	*w = (struct walk){.fd = fd, .key_size = info.key_size, .value_size = info.value_size};
	return walk_room(w, WALK_BATCH, err);
}

int walk_next(struct walk *w, struct err *err)
{
	char token[sizeof(w->token)];
	int rc;

	w->n = 0;
	while (!w->ended) {
		uint32_t n = w->room;

		if (bpf_map_lookup_batch(w->fd, w->started ? w->token : NULL, token, w->keys, w->values, &n, NULL)) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			if (errno == ENOSPC) { /* one bucket of the hash holds more than the batch */
				rc = walk_room(w, w->room * 2, err);
				if (rc)
					return rc;
				continue;
			}
			if (errno != ENOENT)
				return err_errno(err, errno, "can't read a kernel map");
			w->ended = true;
		}
		memcpy(w->token, token, sizeof(token));
		w->started = true;
		w->n = n;
		if (n)
			break;
	}
	return 0;
}

void walk_done(struct walk *w)
{
	free(take_ptr(&w->keys));
	free(take_ptr(&w->values));
}

int walk_count(int fd, uint64_t *ret, struct err *err)
{
	_cleanup_(walk_done) struct walk w = {0};
	uint64_t count = 0;
	int rc = walk_init(&w, fd, err);

	if (rc)
		return rc;
	do {
		rc = walk_next(&w, err);
		if (rc)
			return rc;
		count += w.n;
	} while (w.n);
	*ret = count;
	return 0;
}
