/* The runner behind shim/criterion/criterion.h: TAP, one process per test, time-outs, reports of the sanitizer.
 *
 * Usage: PROGRAM           every test
 *        PROGRAM SUITE/NAME  that one, in this process
 *        PROGRAM --stress N  every test N times
 */
#include "criterion/criterion.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHIM_TIMEOUT_S 60
#define EXIT_FAILED 1
#define EXIT_SKIPPED 77
#define EXIT_SANITIZER 66 /* TSan's own default */

static struct shim_test *tests, **tail = &tests;
static bool failed; /* checks are the main thread's and its threads'; only ever set */

void shim_add(struct shim_test *t)
{
	*tail = t;
	tail = &t->next;
}

void shim_check(bool fatal, bool ok, const char *file, int line, const char *what, const char *format, ...)
{
	char message[512];
	va_list ap;

	if (ok)
		return;
	va_start(ap, format);
	vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	fprintf(stderr, "# %s:%d: not true: %s:%s\n", file, line, what, message);
	__atomic_store_n(&failed, true, __ATOMIC_RELAXED);
	if (fatal)
		_exit(EXIT_FAILED);
}

void shim_skip(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "#");
	vfprintf(stderr, format, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	_exit(EXIT_SKIPPED);
}

static const struct shim_options *suite_options(const char *suite)
{
	static const struct shim_options none;

	for (const struct shim_test *t = tests; t; t = t->next)
		if (!t->name && !strcmp(t->suite, suite))
			return &t->options;
	return &none;
}

static int run_here(const struct shim_test *t)
{
	const struct shim_options *suite = suite_options(t->suite);
	void (*init)(void) = t->options.init ? t->options.init : suite->init;
	void (*fini)(void) = t->options.fini ? t->options.fini : suite->fini;
	unsigned timeout_s = t->options.timeout ? t->options.timeout : suite->timeout;

	alarm(timeout_s ? timeout_s : SHIM_TIMEOUT_S); /* SIGALRM ends the process; tests that use it set it again */
	if (init)
		init();
	t->fn();
	if (fini)
		fini();
	return __atomic_load_n(&failed, __ATOMIC_RELAXED) ? EXIT_FAILED : 0;
}

/* The status of waitpid(). */
static int run_apart(const char *program, const struct shim_test *t)
{
	char name[256];
	int status;
	pid_t pid;

	snprintf(name, sizeof(name), "%s/%s", t->suite, t->name);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", program, name, (char *)NULL);
		_exit(127);
	}
	if (pid < 0)
		return 127 << 8;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127 << 8;
	return status;
}

/* True unless it failed. */
static bool report(unsigned number, const struct shim_test *t, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	printf("%sok %u - %s/%s", code == 0 || code == EXIT_SKIPPED ? "" : "not ", number, t->suite, t->name);
	if (WIFSIGNALED(status))
		printf(" # %s", WTERMSIG(status) == SIGALRM ? "no end in its time" : strsignal(WTERMSIG(status)));
	else if (code == EXIT_SKIPPED)
		printf(" # SKIP see above");
	else if (code == EXIT_SANITIZER)
		printf(" # the sanitizer reported something");
	else if (code)
		printf(" # see above (status %d)", code);
	printf("\n");
	return code == 0 || code == EXIT_SKIPPED;
}

static int run_all(const char *program, unsigned times)
{
	unsigned count = 0, number = 0;
	bool good = true;

	for (const struct shim_test *t = tests; t; t = t->next)
		count += t->name != NULL;
	printf("1..%u\n", count * times);
	for (unsigned i = 0; i < times; i++)
		for (const struct shim_test *t = tests; t; t = t->next)
			if (t->name && !report(++number, t, run_apart(program, t)))
				good = false;
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--stress"))
		return run_all(argv[0], (unsigned)strtoul(argv[2], NULL, 10));
	if (argc == 1)
		return run_all(argv[0], 1);
	for (const struct shim_test *t = tests; t; t = t->next)
		if (t->name && !strncmp(argv[1], t->suite, strlen(t->suite)) && argv[1][strlen(t->suite)] == '/' &&
		    !strcmp(argv[1] + strlen(t->suite) + 1, t->name))
			return run_here(t);
	fprintf(stderr, "%s: there is no test '%s'\n", argv[0], argv[1]);
	return 2;
}
