#include "gateway/reasons.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

struct reasons {
	int fd; /* -1 = memory only */
	unsigned n;
	char *text[REASONS_MAX + 1]; /* from 1 */
};

static int add(struct reasons *r, const char *text)
{
	if (r->n >= REASONS_MAX)
		return 0;
	r->text[r->n + 1] = strdup(text);
	if (!r->text[r->n + 1])
		return 0;
	return (int)++r->n;
}

static int load(struct reasons *r, const char *path, struct err *err)
{
	int fd = dup(r->fd);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	char line[512];

	if (!f) {
		int e = errno;

		if (fd >= 0)
			close(fd);
		return err_errno(err, e, "%s", path);
	}
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!add(r, line))
			break;
	}
	fclose(f);
	return 0;
}

int reasons_open(const char *path, struct reasons **ret, struct err *err)
{
	struct reasons *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(err, ERR_NOMEM, "no memory for the table of reasons");
	r->fd = -1;
	if (path) {
		r->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
		if (r->fd < 0) {
			int rc = err_errno(err, errno, "%s", path);

			reasons_free(r);
			return rc;
		}
		if (load(r, path, err) < 0) {
			reasons_free(r);
			return err ? err->code : ERR_IO;
		}
	}
	*ret = r;
	return 0;
}

void reasons_free(struct reasons *r)
{
	if (!r)
		return;
	for (unsigned i = 1; i <= r->n; i++)
		free(r->text[i]);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}

/* The line is on disk before its number can get into a map. */
static int append_line(struct reasons *r, const char *text)
{
	char line[REASON_TEXT_MAX + 2];
	int len = snprintf(line, sizeof(line), "%s\n", text);
	ssize_t n;

	if (r->fd < 0)
		return 0;
	do
		n = write(r->fd, line, (size_t)len);
	while (n < 0 && errno == EINTR);
	return n == len ? 0 : ERR_IO;
}

uint16_t reasons_number(struct reasons *r, const char *text)
{
	char clean[REASON_TEXT_MAX];

	if (!text || !*text)
		return 0;
	snprintf(clean, sizeof(clean), "%s", text);
	for (char *c = clean; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	/* Newest first: an import gives the same few again and again. */
	for (unsigned i = r->n; i > 0; i--)
		if (!strcmp(r->text[i], clean))
			return (uint16_t)i;
	if (r->n >= REASONS_MAX || append_line(r, clean) < 0)
		return 0;
	return (uint16_t)add(r, clean);
}

const char *reasons_text(const struct reasons *r, uint16_t number)
{
	return number && number <= r->n ? r->text[number] : "";
}
