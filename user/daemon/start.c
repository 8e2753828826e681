/* Start, in the order of daemon.h, and the end, in reverse. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX ((size_t)16 << 20)

static int read_file(const char *path, char **ret, struct err *err)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return err_errno(err, errno, "%s", path);
	b.max = FILE_MAX;
	for (;;) {
		ssize_t n;

		rc = buf_reserve(&b, 65536);
		if (rc < 0) {
			err_set(err, rc, "%s: too large, or no memory", path);
			break;
		}
		n = read(fd, b.data + b.len, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = err_errno(err, errno, "%s", path);
		if (n <= 0)
			break;
		b.len += (size_t)n;
	}
	close(fd);
	if (rc < 0)
		return rc;
	*ret = buf_steal(&b);
	return *ret ? 0 : err_set(err, ERR_NOMEM, "%s: no memory", path);
}

/* What only root may be able to read. */
static int read_secrets(struct daemon *d, struct err *err)
{
	const struct conf *c = d->conf;
	int rc = 0;

	if (c->tls_cert_file)
		rc = read_file(c->tls_cert_file, &d->tls_cert, err);
	if (rc == 0 && c->tls_key_file)
		rc = read_file(c->tls_key_file, &d->tls_key, err);
	if (rc == 0 && c->policy_file)
		rc = read_file(c->policy_file, &d->policy_text, err);
	return rc;
}

static int load_conf(struct daemon *d, struct conf **ret, struct err *err)
{
	struct conf_errors errs = {0};
	int rc = conf_load(d->opts.config, ret, &errs);

	if (rc < 0) {
		struct buf b = BUF_INIT;

		conf_errors_print(&errs, d->opts.config, &b);
		fputs(b.data ? b.data : "", stderr);
		err_set(err, rc, "%s has %zu error%s", d->opts.config, errs.count, errs.count == 1 ? "" : "s");
		buf_done(&b);
	}
	conf_errors_done(&errs);
	return rc;
}

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int make_gateway(struct daemon *d, struct err *err)
{
	struct gateway_opts o = {
		.pepper = d->pepper, .workers = d->n_workers, .kernel = d->kernel, .ledger = d->ledger};
	struct conf *conf = NULL;
	char path[600];
	int rc = metrics_new(d->n_workers + 1, &d->metrics, err);

	snprintf(path, sizeof(path), "%s/list-reasons", d->conf->state_dir);
	o.reasons_file = path;
	o.metrics = d->metrics;
	if (rc == 0)
		rc = privileges_assume(&d->identity, err);
	if (rc == 0) {
		struct err back;

		rc = gateway_new(&o, &d->gw, err);
		if (privileges_resume(&d->identity, &back) < 0) {
			*err = back;
			return back.code;
		}
	}
	/* Its own copy: a reload replaces it, while ours tells what the process was started with. */
	if (rc == 0)
		rc = load_conf(d, &conf, err);
	if (rc == 0)
		rc = gateway_catalog_publish(d->gw, conf, err);
	return rc;
}

static void raise_limits(const struct daemon *d)
{
	unsigned long want = 2ul * d->conf->http.connections_max + 1024, have = privileges_files(want);

	if (have < want)
		log_warn(NULL, "only %lu open files are permitted, %lu would be needed for http.connections_max: %u",
			 have, want, d->conf->http.connections_max);
}

static int drop(struct daemon *d, struct err *err)
{
	int rc = privileges_drop(&d->identity, err);

	if (rc == 0 && geteuid() == 0)
		log_warn(NULL, "RUNNING AS ROOT (without capabilities): set `user:` in %s", d->opts.config);
	return rc ? rc : privileges_seccomp(err);
}

static unsigned count_workers(const struct conf *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return c->workers ? c->workers : cores > 0 ? (unsigned)cores : 1;
}

int daemon_start(struct daemon *d, struct err *err)
{
	static int (*const steps[])(struct daemon * d, struct err * err) = {
		read_secrets,   state_open,  kernel_setup_open, make_gateway,        control_make, policy_setup,
		health_restore, listen_open, workers_make,      kernel_setup_attach, drop,
	};
	int rc;

	d->lock_fd = d->control_tcp_fd = d->control_unix_fd = -1;
	d->signal_io.fd = d->events_io.fd = -1;
	d->started_ns = clock_mono_ns();
	rc = load_conf(d, &d->conf, err);
	if (rc < 0)
		return rc;
	log_setup(d->conf);
	block_signals();
	d->n_workers = count_workers(d->conf);
	log_info(NULL, "tollgated " TOLLGATE_VERSION " starts, pid %d", (int)getpid());
	raise_limits(d);
	rc = privileges_find(d->conf->user, &d->identity, err);
	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(steps); i++)
		rc = steps[i](d, err);
	return rc;
}

static void close_listeners(struct daemon *d)
{
	for (size_t i = 0; d->listen_fds && i < d->n_workers * d->conf->n_listen; i++)
		if (d->listen_fds[i] >= 0)
			close(d->listen_fds[i]);
	free(d->listen_fds);
	if (d->control_tcp_fd >= 0)
		close(d->control_tcp_fd);
	if (d->control_unix_fd >= 0)
		close(d->control_unix_fd);
	for (size_t i = 0; i < DAEMON_LISTEN_MAX; i++)
		free((char *)(uintptr_t)d->listen_names[i]);
}

void daemon_free(struct daemon *d)
{
	workers_join(d);
	if (d->admin)
		admin_stop(d->admin);
	if (d->ledger)
		ledger_stop(d->ledger);
	workers_free(d);
	if (d->control)
		http_server_free(d->control);
	admin_free(d->admin);
	gateway_free(d->gw);
	metrics_free(d->metrics);
	if (d->signal_io.fd >= 0)
		close(d->signal_io.fd);
	loop_free(d->loop);
	kernel_close(d->kernel);
	ledger_free(d->ledger);
	store_close(d->store);
	close_listeners(d);
	if (d->tls_key)
		explicit_bzero(d->tls_key, strlen(d->tls_key));
	free(d->tls_cert);
	free(d->tls_key);
	free(d->policy_text);
	explicit_bzero(d->pepper, sizeof(d->pepper));
	explicit_bzero(d->token, sizeof(d->token));
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	conf_free(d->conf);
}
