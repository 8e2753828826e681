#include "fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];
static char path_buf[160];

static int parse(enum fixture_kind kind, const char *text, void **ret, struct conf_errors *errs)
{
	size_t len = strlen(text);

	return kind == FIXTURE_CONF ? conf_parse(text, len, (struct conf **)ret, errs)
				    : policy_parse(text, len, (struct policy **)ret, errs);
}

static void check_row(enum fixture_kind kind, const struct error_row *row)
{
	struct conf_errors errs = {0};
	void *untouched = &errs, *result = untouched;
	int rc = parse(kind, row->text, &result, &errs);
	size_t i = 0;

	cr_expect_eq(rc, ERR_INVAL, "%s: rc %d", row->name, rc);
	cr_expect(result == untouched, "%s: the result is untouched", row->name);
	for (; i < errs.count; i++) {
		const struct conf_error *e = &errs.items[i];
		char got[600], *rest;

		snprintf(got, sizeof(got), "%u:%u: %s: %s", e->line, e->column, e->path, e->msg);
		if (i >= ARRAY_SIZE(row->want) || !row->want[i]) {
			cr_expect(false, "%s: not expected: %s", row->name, got);
			break;
		}
		/* The part before "**" has to be at the start, what is after it anywhere behind. */
		rest = strstr(row->want[i], "**");
		if (!rest)
			cr_expect_str_eq(got, row->want[i], "%s: got \"%s\", want \"%s\"", row->name, got,
					 row->want[i]);
		else
			cr_expect(!strncmp(got, row->want[i], (size_t)(rest - row->want[i])) && strstr(got, rest + 2),
				  "%s: got \"%s\", want \"%s\"", row->name, got, row->want[i]);
	}
	cr_expect(i >= ARRAY_SIZE(row->want) || !row->want[i], "%s: missing: %s", row->name, row->want[i]);
	conf_errors_done(&errs);
}

void fixture_error_rows(enum fixture_kind kind, const struct error_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_row(kind, &rows[i]);
}

static void *must_parse(enum fixture_kind kind, const char *text)
{
	struct conf_errors errs = {0};
	struct buf out = BUF_INIT;
	void *result = NULL;
	int rc = parse(kind, text, &result, &errs);

	conf_errors_print(&errs, "text", &out);
	cr_assert_eq(rc, 0, "rc %d: %s", rc, out.data ? out.data : "");
	buf_done(&out);
	conf_errors_done(&errs);
	return result;
}

struct conf *fixture_conf(const char *text)
{
	return must_parse(FIXTURE_CONF, text);
}

struct policy *fixture_policy(const char *text)
{
	return must_parse(FIXTURE_POLICY, text);
}

char *fixture_diff(const struct policy *a, const struct policy *b)
{
	struct buf out = BUF_INIT;

	cr_assert_eq(policy_diff(a, b, &out), 0);
	if (!out.data)
		buf_puts(&out, "");
	return buf_steal(&out);
}

void fixture_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/tgconf-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
}

const char *fixture_path(const char *name)
{
	snprintf(path_buf, sizeof(path_buf), "%s/%s", folder, name);
	return path_buf;
}

void fixture_write(const char *name, const void *data, size_t len)
{
	FILE *f = fopen(fixture_path(name), "w");

	cr_assert_not_null(f);
	cr_assert_eq(fwrite(data, 1, len, f), len);
	cr_assert_eq(fclose(f), 0);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void fixture_done(void)
{
	if (folder[0])
		nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	folder[0] = '\0';
}

char *fixture_source(const char *path)
{
	const char *root = getenv("TG_ROOT");
	char full[512];
	struct buf text = BUF_INIT;
	char piece[4096];
	size_t n;
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root ? root : ".", path);
	f = fopen(full, "r");
	cr_assert_not_null(f, "%s (run from the source tree's root, or set TG_ROOT)", full);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_append(&text, piece, n);
	fclose(f);
	return buf_steal(&text);
}
