/* A store in a temporary folder, and what the store's tests share. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "store/internal.h"
#include "store/store.h"

#include <criterion/criterion.h>
#include <stdbool.h>

extern char fixture_folder[64], fixture_path[80];

/* The folder; no store is opened. */
void fixture_init(void);
void fixture_done(void);

struct store_opts fixture_opts(void);
struct store *fixture_open(void);
/* The result of opening; the store is closed again. */
int fixture_try_open(struct err *err);
/* SQL on the file behind the store's back. */
void fixture_sql(const char *sql);
/* One value; -1 when there is no row. */
long long fixture_number(const char *sql);
/* A key with a hash made from `n`. */
int fixture_key(struct store *s, const char *tenant, unsigned n, struct api_key *ret, struct err *err);

/* The error of calls that have to succeed: MUST(store_x(s, &oops)). */
extern _Thread_local struct err oops;

#define MUST(call)                                                                                                     \
	do {                                                                                                           \
		int rc_ = (call);                                                                                      \
		cr_assert_eq(rc_, 0, #call ": %d %s", rc_, oops.msg);                                                  \
	} while (0)

#endif
