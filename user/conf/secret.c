#include "conf/secret.h"

#include "conf/file.h"

#include <string.h>

#define SECRET_MAX 8192

/* Goes into a header line: printable ASCII without blanks. */
static bool check_value(struct reader *rd, const struct node *n, const char *what, const char *s, size_t len)
{
	if (!len) {
		reader_error(rd, n, NULL, "%s is empty", what);
		return false;
	}
	if (len > SECRET_MAX) {
		reader_error(rd, n, NULL, "%s is longer than %d bytes", what, SECRET_MAX);
		return false;
	}
	for (size_t i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] > '~') {
			reader_error(rd, n, NULL,
				     "%s holds a blank, control or non-ASCII character, which no key can have", what);
			return false;
		}
	return true;
}

static bool from_env(struct reader *rd, const struct node *n, const char *name, char **ret)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	const char *value;

	/* Names of another form are refused unseen: it may be the key itself. */
	if (!*name || strspn(name, alphabet) != strlen(name) || strlen(name) > 128) {
		reader_error(rd, n, NULL,
			     "env: wants the name of an environment variable in capitals, such as env:OPENAI_API_KEY");
		return false;
	}
	value = getenv(name);
	if (!value) {
		reader_error(rd, n, NULL, "environment variable %s is not set; set it, or use file:PATH", name);
		return false;
	}
	if (!check_value(rd, n, name, value, strlen(value)))
		return false;
	*ret = reader_strndup(rd, value, strlen(value));
	return *ret != NULL;
}

static void buf_wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_done(b);
}

static bool from_file(struct reader *rd, const struct node *n, const char *name, char **ret)
{
	_cleanup_(buf_wipe) struct buf text = BUF_INIT;
	struct err err;
	char *path = reader_path(rd, name, strlen(name));

	if (!path)
		return false;
	if (!*name) {
		reader_error(rd, n, NULL, "file: wants a path, such as file:/etc/tollgate/openai.key");
		return false;
	}
	if (file_read(path, SECRET_MAX + 2, &text, &err) < 0) {
		reader_error(rd, n, NULL, "%.280s", err.msg);
		return false;
	}
	while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
		text.len--;
	if (!check_value(rd, n, "the file", text.data, text.len))
		return false;
	*ret = reader_strndup(rd, text.data, text.len);
	return *ret != NULL;
}

bool secret_resolve(struct reader *rd, const struct node *n, char **ret)
{
	if (!strncmp(n->text, "env:", 4))
		return from_env(rd, n, n->text + 4, ret);
	if (!strncmp(n->text, "file:", 5))
		return from_file(rd, n, n->text + 5, ret);
	reader_error(
		rd, n, NULL,
		"must be env:NAME or file:PATH; a key does not belong in the configuration itself (not shown here)");
	return false;
}
