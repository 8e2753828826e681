/* SIGHUP: models, providers, their time limits and the log level change; the policy has its own versions and stays. */
#include "base/log.h"
#include "daemon/daemon.h"

#include <stdio.h>
#include <string.h>

int log_setup(const struct conf *conf)
{
	static const char *const levels[] = {"debug", "info", "warn", "error"};
	enum log_level level = LOG_INFO;

	for (unsigned i = 0; conf->log_level && i < ARRAY_SIZE(levels); i++)
		if (!strcmp(conf->log_level, levels[i]))
			level = (enum log_level)i;
	log_init(conf->log_format && !strcmp(conf->log_format, "json") ? LOG_JSON : LOG_LOGFMT, level);
	return 0;
}

static bool same(const char *a, const char *b)
{
	return (!a && !b) || (a && b && !strcmp(a, b));
}

static bool same_listen(const struct conf_listen *a, const struct conf_listen *b)
{
	return a->port == b->port && a->tls == b->tls && !strcmp(a->host, b->host);
}

static bool same_listeners(const struct conf *a, const struct conf *b)
{
	if (a->n_listen != b->n_listen)
		return false;
	for (size_t i = 0; i < a->n_listen; i++)
		if (!same_listen(&a->listen[i], &b->listen[i]))
			return false;
	return true;
}

static bool same_interfaces(const struct conf *a, const struct conf *b)
{
	if (a->kernel.n_interfaces != b->kernel.n_interfaces)
		return false;
	for (size_t i = 0; i < a->kernel.n_interfaces; i++)
		if (strcmp(a->kernel.interfaces[i].name, b->kernel.interfaces[i].name) != 0 ||
		    a->kernel.interfaces[i].xdp_mode != b->kernel.interfaces[i].xdp_mode ||
		    a->kernel.interfaces[i].tc != b->kernel.interfaces[i].tc)
			return false;
	return true;
}

/* What the ledger was opened with. How long to drain, what to keep and to hold are the catalog's, and change with it.
 */
static bool same_billing(const struct conf *a, const struct conf *b)
{
	return a->billing.enabled == b->billing.enabled && same(a->billing.path, b->billing.path) &&
	       !strcmp(a->billing.currency, b->billing.currency) && a->billing.gather_us == b->billing.gather_us &&
	       a->billing.holds_max == b->billing.holds_max && a->billing.holds_sync_ms == b->billing.holds_sync_ms &&
	       a->billing.idempotency_ttl_s == b->billing.idempotency_ttl_s;
}

/* Each thing that a reload can't change, and whether the file changed it. */
static void say_what_needs_a_restart(const struct conf *a, const struct conf *b)
{
	const struct {
		const char *name;
		bool same;
	} rows[] = {
		{"listen", same_listeners(a, b)},
		{"control", same_listen(&a->control, &b->control) && same(a->control_socket, b->control_socket) &&
				    a->control_socket_mode == b->control_socket_mode},
		{"tls", same(a->tls_cert_file, b->tls_cert_file) && same(a->tls_key_file, b->tls_key_file)},
		{"workers", a->workers == b->workers},
		{"user", same(a->user, b->user)},
		{"state_dir", same(a->state_dir, b->state_dir)},
		{"store", same(a->store_path, b->store_path)},
		{"http", !memcmp(&a->http, &b->http, sizeof(a->http))},
		{"billing", same_billing(a, b)},
		{"stop_timeout", a->stop_timeout_ms == b->stop_timeout_ms},
		{"kernel", a->kernel.enabled == b->kernel.enabled && same(a->kernel.pin_dir, b->kernel.pin_dir) &&
				   a->kernel.list_entries_max == b->kernel.list_entries_max &&
				   a->kernel.net_sources_max == b->kernel.net_sources_max &&
				   a->kernel.flows_max == b->kernel.flows_max && same_interfaces(a, b)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!rows[i].same)
			log_warn(NULL, "reload: '%s' has changed in the file but holds only after a restart",
				 rows[i].name);
	if (!same(a->policy_file, b->policy_file))
		log_warn(NULL, "reload: 'policy' names the first start's policy; use `tollctl policy apply`");
}

void daemon_reload(struct daemon *d)
{
	struct conf_errors errs = {0};
	struct conf *conf = NULL;
	struct err err;

	notify_systemd("RELOADING=1");
	if (conf_load(d->opts.config, &conf, &errs) < 0) {
		struct buf b = BUF_INIT;

		conf_errors_print(&errs, d->opts.config, &b);
		log_error(NULL, "reload: the file has errors, nothing was changed: %s", b.data ? b.data : "");
		buf_done(&b);
	} else {
		size_t models = conf->n_models, providers = conf->n_providers;

		say_what_needs_a_restart(d->conf, conf);
		log_setup(conf);
		if (gateway_catalog_publish(d->gw, conf, &err) < 0)
			log_error(NULL, "reload: %s", err.msg);
		else
			log_info(NULL, "reloaded: %zu models, %zu providers", models, providers);
	}
	conf_errors_done(&errs);
	notify_systemd("READY=1");
}
