/* backup. */
#include "ctl/call.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* The daemon's working folder isn't ours. */
static int absolute(const char *dir, struct buf *ret, struct err *err)
{
	char here[PATH_MAX];

	if (dir[0] != '/') {
		if (!getcwd(here, sizeof(here)))
			return err_errno(err, errno, "the working folder");
		buf_printf(ret, "%s/", here);
	}
	buf_puts(ret, dir);
	while (ret->len > 1 && ret->data[ret->len - 1] == '/')
		ret->data[--ret->len] = '\0';
	return ret->failed ? err_set(err, ERR_NOMEM, "out of memory") : 0;
}

static void view_backup(struct buf *out, json_t *json, int64_t now_ms)
{
	static const struct view_column columns[] = {{"name", "FILE", VIEW_TEXT},
						     {"bytes", "SIZE", VIEW_BYTES},
						     {"of", "COPY OF", VIEW_TEXT},
						     {NULL, NULL, VIEW_TEXT}};
	json_t *files = json_object_get(json, "files"), *f;
	const char *path = view_text_at(json, "path");
	size_t i;

	buf_printf(out, "%s, each file verified:\n", path);
	view_table(out, files, columns, now_ms);
	buf_puts(out, "\nTo restore: stop tollgated, then for each file, as tollgated's user:\n");
	json_array_foreach(files, i, f)
		buf_printf(out, "  rm -f %s-wal %s-shm && cp %s/%s %s\n", view_text_at(f, "of"), view_text_at(f, "of"),
			   path, view_text_at(f, "name"), view_text_at(f, "of"));
	buf_puts(
		out,
		"and start it. The secrets of its state directory (pepper, admin.secret) are not in the copy: without\n"
		"the same pepper no API key works. Calls that end after the copy was made are not in it.\n");
}

int ctl_run_backup(struct ctl *ctl, const struct ctl_args *args, struct err *err)
{
	_cleanup_(buf_done) struct buf dir = BUF_INIT;
	int rc = absolute(args->positional[0], &dir, err);

	if (rc < 0)
		return rc;
	call_patiently(ctl);
	return call_json(ctl, "POST", "/admin/v1/backup", NULL, json_pack("{s:s}", "path", dir.data), view_backup, err);
}
