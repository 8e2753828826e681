/* The part of Criterion that our unit tests use, for ThreadSanitizer: Criterion's own runner forks with threads
 * running, which gcc 12's TSan aborts. Unit tests compile against this header unchanged (-Itests/tsan/shim); shim.c has
 * main.
 *
 * As in Criterion each test runs in a process of its own, here a fresh one of the same program (fork and exec, from a
 * process with one thread).
 */
#ifndef TESTS_TSAN_CRITERION_H
#define TESTS_TSAN_CRITERION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shim_options {
	void (*init)(void), (*fini)(void);
	unsigned timeout; /* seconds; 0 = SHIM_TIMEOUT_S */
};

struct shim_test {
	const char *suite, *name; /* name NULL: the options of the suite */
	void (*fn)(void);
	struct shim_options options;
	struct shim_test *next;
};

void shim_add(struct shim_test *t);
/* Writes down a failed check; a fatal one ends the test's process. */
void shim_check(bool fatal, bool ok, const char *file, int line, const char *what, const char *format, ...)
	__attribute__((format(printf, 6, 7)));
void shim_skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define SHIM_ADD(id, ...)                                                                                              \
	static __attribute__((constructor)) void id##_add(void)                                                        \
	{                                                                                                              \
		static struct shim_test t = __VA_ARGS__;                                                               \
		shim_add(&t);                                                                                          \
	}
#define Test(s, n, ...)                                                                                                \
	static void s##_##n##_impl(void);                                                                              \
	SHIM_ADD(s##_##n, {.suite = #s, .name = #n, .fn = s##_##n##_impl, .options = {__VA_ARGS__}})                   \
	static void s##_##n##_impl(void)
#define TestSuite(s, ...)                                                                                              \
	SHIM_ADD(s##_suite, {.suite = #s, .options = {__VA_ARGS__}})                                                   \
	struct shim_test /* takes the semicolon */

/* The blank before the optional message keeps an absent one from being an empty format. */
#define SHIM_CHECK(fatal, cond, what, ...) shim_check(fatal, cond, __FILE__, __LINE__, what, " " __VA_ARGS__)
#define SHIM_OP(fatal, a, op, b, ...) SHIM_CHECK(fatal, (a)op(b), #a " " #op " " #b, __VA_ARGS__)
#define SHIM_STR(fatal, a, op, b, ...) SHIM_CHECK(fatal, strcmp(a, b) op 0, #a " " #op " " #b, __VA_ARGS__)
#define SHIM_ARR(fatal, a, op, b, n, ...) SHIM_CHECK(fatal, memcmp(a, b, n) op 0, #a " " #op " " #b, __VA_ARGS__)

#define cr_assert(c, ...) SHIM_CHECK(true, c, #c, __VA_ARGS__)
#define cr_assert_not(c, ...) SHIM_CHECK(true, !(c), "!(" #c ")", __VA_ARGS__)
#define cr_assert_eq(a, b, ...) SHIM_OP(true, a, ==, b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) SHIM_OP(true, a, >=, b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) SHIM_OP(true, a, >, b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) SHIM_OP(true, a, <=, b, __VA_ARGS__)
#define cr_assert_not_null(a, ...) SHIM_CHECK(true, (a) != NULL, #a " != NULL", __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) SHIM_STR(true, a, ==, b, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...) SHIM_ARR(true, a, ==, b, n, __VA_ARGS__)

#define cr_expect(c, ...) SHIM_CHECK(false, c, #c, __VA_ARGS__)
#define cr_expect_not(c, ...) SHIM_CHECK(false, !(c), "!(" #c ")", __VA_ARGS__)
#define cr_expect_eq(a, b, ...) SHIM_OP(false, a, ==, b, __VA_ARGS__)
#define cr_expect_neq(a, b, ...) SHIM_OP(false, a, !=, b, __VA_ARGS__)
#define cr_expect_geq(a, b, ...) SHIM_OP(false, a, >=, b, __VA_ARGS__)
#define cr_expect_gt(a, b, ...) SHIM_OP(false, a, >, b, __VA_ARGS__)
#define cr_expect_leq(a, b, ...) SHIM_OP(false, a, <=, b, __VA_ARGS__)
#define cr_expect_lt(a, b, ...) SHIM_OP(false, a, <, b, __VA_ARGS__)
#define cr_expect_null(a, ...) SHIM_CHECK(false, (a) == NULL, #a " == NULL", __VA_ARGS__)
#define cr_expect_not_null(a, ...) SHIM_CHECK(false, (a) != NULL, #a " != NULL", __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...) SHIM_STR(false, a, ==, b, __VA_ARGS__)
#define cr_expect_str_neq(a, b, ...) SHIM_STR(false, a, !=, b, __VA_ARGS__)
#define cr_expect_arr_eq(a, b, n, ...) SHIM_ARR(false, a, ==, b, n, __VA_ARGS__)
#define cr_expect_arr_neq(a, b, n, ...) SHIM_ARR(false, a, !=, b, n, __VA_ARGS__)

#define cr_log_info(...) (void)fprintf(stderr, "# " __VA_ARGS__)
#define cr_skip_test(...) shim_skip(" " __VA_ARGS__)

#endif
