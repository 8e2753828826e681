/* tollgated: options and exit codes (0 done, 1 failed, 2 wrong usage). */
#include "base/log.h"
#include "daemon/daemon.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"Usage: tollgated --config FILE [--no-kernel]\n"
	"       tollgated --check FILE\n"
	"       tollgated --reference\n"
	"\n"
	"  --config FILE   run with this configuration\n"
	"  --check FILE    say everything that is wrong with a configuration, change nothing\n"
	"  --no-kernel     enforce limits in user space only, without the kernel program\n"
	"  --reference     print the reference of configuration and policy (Markdown)\n"
	"  --version       print the version\n"
	"  --help          print this\n"
	"\n"
	"Signals: SIGTERM and SIGINT stop gracefully (a second one at once), SIGHUP reloads models,\n"
	"providers and the log level. Exit status: 0 done, 1 failed, 2 wrong usage.\n";

static int check(const char *path)
{
	struct conf_errors errs = {0};
	struct buf b = BUF_INIT;
	struct conf *conf = NULL;
	int rc = conf_load(path, &conf, &errs);

	conf_errors_print(&errs, path, &b);
	fputs(b.data ? b.data : "", stderr);
	if (rc == 0)
		printf("%s: ok\n", path);
	buf_done(&b);
	conf_errors_done(&errs);
	conf_free(conf);
	return rc == 0 ? 0 : 1;
}

static int reference(void)
{
	struct buf b = BUF_INIT;
	int rc = conf_reference(&b);

	if (rc == 0 && (fwrite(b.data, 1, b.len, stdout) != b.len || fflush(stdout) != 0))
		rc = ERR_IO;
	buf_done(&b);
	return rc == 0 ? 0 : 1;
}

/* Workers free what they allocated, a batch of answers at a time: with the library's 128 KiB each batch gave memory back to
 * the system and took it again (measured: 9 % of a worker's CPU). */
static void keep_memory(void)
{
	mallopt(M_TRIM_THRESHOLD, 16 << 20);
	mallopt(M_TOP_PAD, 256 << 10);
}

static int run(const struct options *o)
{
	struct daemon *d = calloc(1, sizeof(*d));
	struct err err = {0};
	int rc;

	if (!d)
		return 1;
	keep_memory();
	d->opts = *o;
	rc = daemon_start(d, &err);
	if (rc == 0)
		rc = control_run(d, &err);
	if (rc < 0)
		log_error(NULL, "%s", err.msg);
	rc = rc < 0 ? 1 : d->exit_code;
	if (rc == 0)
		log_info(NULL, "stopped");
	daemon_free(d);
	free(d);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", required_argument, NULL, 'k'},
		{"no-kernel", no_argument, NULL, 'n'},
		{"reference", no_argument, NULL, 'r'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct options o = {0};
	int opt;

	while ((opt = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o.config = optarg;
			break;
		case 'k':
			return check(optarg);
		case 'n':
			o.no_kernel = true;
			break;
		case 'r':
			return reference();
		case 'V':
			puts("tollgated " TOLLGATE_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (!o.config || optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
	return run(&o);
}
