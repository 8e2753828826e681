/* Listening sockets, opened before privileges go. */
#include "daemon/daemon.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int open_workers(struct daemon *d, struct err *err)
{
	size_t n = d->conf->n_listen;

	d->listen_fds = malloc((d->n_workers * n + 1) * sizeof(int));
	if (!d->listen_fds)
		return err_set(err, ERR_NOMEM, "no memory for listeners");
	for (size_t i = 0; i < d->n_workers * n; i++)
		d->listen_fds[i] = -1;
	for (size_t w = 0; w < d->n_workers; w++)
		for (size_t i = 0; i < n; i++) {
			const struct conf_listen *l = &d->conf->listen[i];
			int rc = http_listen_tcp(l->host, l->port, true, &d->listen_fds[w * n + i], err);

			if (rc < 0)
				return rc;
		}
	return 0;
}

/* The socket's folder: /run/tollgate and the like are gone after a reboot. */
static int make_parent(const char *path, const struct identity *id, struct err *err)
{
	char copy[512], *dir;

	snprintf(copy, sizeof(copy), "%s", path);
	dir = dirname(copy);
	if (mkdir(dir, 0755) < 0)
		return errno == EEXIST ? 0 : err_errno(err, errno, "control.socket: mkdir %s", dir);
	if (id->change && chown(dir, id->uid, id->gid) < 0)
		return err_errno(err, errno, "control.socket: giving %s to %s", dir, id->name);
	return 0;
}

static int open_unix(struct daemon *d, struct err *err)
{
	const char *path = d->conf->control_socket;
	int rc = make_parent(path, &d->identity, err);

	if (rc == 0)
		rc = http_listen_unix(path, d->conf->control_socket_mode, &d->control_unix_fd, err);
	if (rc == 0 && d->identity.change && chown(path, d->identity.uid, d->identity.gid) < 0)
		return err_errno(err, errno, "control.socket: giving %s to %s", path, d->identity.name);
	return rc;
}

static int name_listeners(struct daemon *d, struct err *err)
{
	for (size_t i = 0; i < d->conf->n_listen && i < DAEMON_LISTEN_MAX; i++) {
		const struct conf_listen *l = &d->conf->listen[i];
		bool v6 = strchr(l->host, ':') != NULL;
		char *text;

		if (asprintf(&text, "%s://%s%s%s:%u", l->tls ? "https" : "http", v6 ? "[" : "", l->host, v6 ? "]" : "",
			     l->port) < 0)
			return err_set(err, ERR_NOMEM, "no memory for listeners");
		d->listen_names[i] = text;
	}
	return 0;
}

int listen_open(struct daemon *d, struct err *err)
{
	int rc = name_listeners(d, err);

	if (rc == 0)
		rc = open_workers(d, err);
	if (rc == 0 && d->conf->control.port)
		rc = http_listen_tcp(d->conf->control.host, d->conf->control.port, false, &d->control_tcp_fd, err);
	if (rc == 0 && d->conf->control_socket && *d->conf->control_socket)
		rc = open_unix(d, err);
	return rc;
}
