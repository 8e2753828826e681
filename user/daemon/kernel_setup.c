/* Opening the kernel's part, or doing without it, said loudly. */
#include "base/log.h"
#include "daemon/daemon.h"

#include <stdio.h>
#include <string.h>

static int open_memory(struct daemon *d, const char *why, struct err *err)
{
	int rc = kernel_open_memory(&d->kernel, err);

	if (rc == 0)
		log_warn(NULL,
			 "RUNNING WITHOUT THE KERNEL PROGRAM (%s): limits hold in user space only; block lists and "
			 "packet, "
			 "byte and connection limits are NOT enforced; buckets start full at each start",
			 why);
	d->kernel_fresh = true;
	return rc;
}

int kernel_setup_open(struct daemon *d, struct err *err)
{
	struct kernel_opts o = KERNEL_OPTS_DEFAULT;
	int rc;

	if (d->opts.no_kernel)
		return open_memory(d, "--no-kernel", err);
	if (!d->conf->kernel.enabled)
		return open_memory(d, "kernel.enabled: false", err);
	o.pin_dir = d->conf->kernel.pin_dir;
	o.list_entries_max = d->conf->kernel.list_entries_max;
	o.net_sources_max = d->conf->kernel.net_sources_max;
	o.flows_max = d->conf->kernel.flows_max;
	rc = kernel_open(&o, &d->kernel, err);
	if (rc < 0) {
		size_t used = strlen(err->msg);

		snprintf(err->msg + used, sizeof(err->msg) - used,
			 "; or run with --no-kernel: the same limits in user space only");
		return rc;
	}
	/* The generation a new layout starts with: no policy was ever put in force. */
	d->kernel_fresh = kernel_control(d->kernel)->generation <= 1;
	return 0;
}

static enum kernel_want want_of(const struct conf_interface *i)
{
	if (i->tc)
		return KERNEL_WANT_TC;
	return i->xdp_mode == CONF_XDP_NATIVE    ? KERNEL_WANT_NATIVE
	       : i->xdp_mode == CONF_XDP_GENERIC ? KERNEL_WANT_GENERIC
						 : KERNEL_WANT_AUTO;
}

static const char *mode_text(enum kernel_mode m)
{
	return m == KERNEL_MODE_XDP_NATIVE    ? "XDP, native"
	       : m == KERNEL_MODE_XDP_GENERIC ? "XDP, generic"
	       : m == KERNEL_MODE_TC          ? "TC ingress"
					      : "nothing";
}

static int set_ports(struct daemon *d, struct err *err)
{
	uint16_t plain[TG_PORTS_MAX], tls[TG_PORTS_MAX];
	size_t n_plain = 0, n_tls = 0;

	for (size_t i = 0; i < d->conf->n_listen; i++) {
		const struct conf_listen *l = &d->conf->listen[i];
		uint16_t *to = l->tls ? tls : plain;
		size_t *n = l->tls ? &n_tls : &n_plain, j = 0;

		while (j < *n && to[j] != l->port)
			j++;
		if (j < *n)
			continue;
		if (*n == TG_PORTS_MAX)
			return err_set(err, ERR_RANGE, "listen: at most %u different ports of a kind can be guarded",
				       TG_PORTS_MAX);
		to[(*n)++] = l->port;
	}
	return kernel_set_ports(d->kernel, plain, n_plain, tls, n_tls, err);
}

int kernel_setup_attach(struct daemon *d, struct err *err)
{
	int rc = set_ports(d, err);

	if (rc < 0)
		return rc;
	kernel_set_armed(d->kernel, true);
	if (kernel_is_memory(d->kernel))
		return 0;
	if (!d->conf->kernel.n_interfaces)
		log_warn(NULL, "kernel.interfaces names no interface: the kernel program is loaded but sees no packet");
	for (size_t i = 0; i < d->conf->kernel.n_interfaces; i++) {
		const struct conf_interface *f = &d->conf->kernel.interfaces[i];
		struct kernel_attachment a;

		if (f->xdp_mode == CONF_XDP_OFF && !f->tc)
			continue;
		rc = kernel_attach(d->kernel, f->name, want_of(f), &a, err);
		if (rc < 0) {
			size_t used = strlen(err->msg);

			snprintf(err->msg + used, sizeof(err->msg) - used,
				 "; or run with --no-kernel: the same limits in user space only");
			return rc;
		}
		if (a.note[0])
			log_warn(NULL, "interface %s: attached as %s%s: %s", a.ifname, mode_text(a.mode),
				 a.mode == KERNEL_MODE_XDP_NATIVE ? "" : ", SLOWER THAN WANTED", a.note);
		else
			log_info(NULL, "interface %s: attached as %s", a.ifname, mode_text(a.mode));
	}
	return 0;
}
