/* How far the books were checked, in a file beside them ("books.db.checked": usage id and request id), so that a start
 * doesn't read all of them again. It is believed only when the record with that id is of that request: not after older
 * books were restored. A file that is missing, torn or doesn't fit costs one full reading, nothing else; so it isn't
 * synced. */
#include "admin/internal.h"

#include "model/request_id.h"
#include "store/books.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define POSITION_LINE_MAX (20 + 1 + REQUEST_ID_TEXT + 1)

static int take_request(const struct usage_record *r, void *arg)
{
	request_id_format(&r->request_id, arg);
	return 0;
}

/* "" when there is no such record. */
static void request_at(struct store *s, int64_t usage_id, char ret[REQUEST_ID_TEXT])
{
	struct err err;

	ret[0] = '\0';
	if (store_usage_each(s, usage_id - 1, usage_id, take_request, ret, &err) < 0)
		ret[0] = '\0';
}

static int position_open(const struct admin *a, int flags)
{
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s.checked", a->o.books_path);

	return n < (int)sizeof(path) ? open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
}

static int position_line(struct store *s, int64_t usage_id, char ret[POSITION_LINE_MAX + 1])
{
	char request[REQUEST_ID_TEXT];

	request_at(s, usage_id, request);
	return *request ? snprintf(ret, POSITION_LINE_MAX + 1, "%" PRId64 " %s\n", usage_id, request) : 0;
}

int64_t position_load(struct admin_call *c)
{
	char line[POSITION_LINE_MAX + 1] = "", expected[POSITION_LINE_MAX + 1];
	int fd = position_open(c->a, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : TEMP_FAILURE_RETRY(read(fd, line, sizeof(line) - 1));
	int64_t id;

	if (fd >= 0)
		close(fd);
	if (n <= 0 || sscanf(line, "%19" SCNd64 " ", &id) != 1 || id <= 0)
		return 0;
	return position_line(c->books, id, expected) > 0 && !strcmp(line, expected) ? id : 0;
}

void position_save(struct admin_call *c, int64_t usage_id)
{
	char line[POSITION_LINE_MAX + 1];
	int len = position_line(c->books, usage_id, line), fd;

	if (len <= 0)
		return;
	fd = position_open(c->a, O_WRONLY | O_CREAT | O_TRUNC);
	if (fd < 0)
		return;
	(void)!TEMP_FAILURE_RETRY(write(fd, line, (size_t)len));
	close(fd);
}
