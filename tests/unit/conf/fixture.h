/* Files in a temporary folder, and errors as one comparable text. */
#ifndef TESTS_CONF_FIXTURE_H
#define TESTS_CONF_FIXTURE_H

#include "conf/conf.h"
#include "conf/policy.h"

#include <criterion/criterion.h>
#include <string.h>

/* One file and its errors, "line:column: path: message" each, in order; "**" stands for anything. */
struct error_row {
	const char *name;
	const char *text;
	const char *want[6]; /* NULL ends */
};

enum fixture_kind { FIXTURE_CONF, FIXTURE_POLICY };
/* Parses each row's text; checks ERR_INVAL, the untouched result, the number of errors, their order, places and texts.
 */
void fixture_error_rows(enum fixture_kind kind, const struct error_row *rows, size_t n);

/* Parse what has to be right; fails the test with the errors otherwise. */
struct conf *fixture_conf(const char *text);
struct policy *fixture_policy(const char *text);
/* policy_diff as text; the caller frees. */
char *fixture_diff(const struct policy *a, const struct policy *b);

/* Folder with files; the path stays valid until the next call. Removed by fixture_done. */
void fixture_folder(void);
const char *fixture_path(const char *name);
void fixture_write(const char *name, const void *data, size_t len);
void fixture_done(void);

/* A file of the source tree, malloc'ed. */
char *fixture_source(const char *path);

#endif
