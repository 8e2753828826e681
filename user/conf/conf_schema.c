/* The configuration file's schema: all but providers and models. */
#include "conf/conf.h"

#include "conf/conf_billing.h"
#include "conf/conf_models.h"

#include <stdio.h>
#include <string.h>

#define SUN_PATH_MAX 107
#define AT(member) .offset = offsetof(struct conf, member)
#define LIST_AT(member) .offset = offsetof(struct conf, member), .count_offset = offsetof(struct conf, n_##member)
#define SCHEMA(table) .fields = table, .n_fields = ARRAY_SIZE(table)
#define MS(s) ((s)*1000u)
#define DAY_MS MS(86400)

/* ---- listen, control, tls */

static const struct schema_field listen_fields[] = {
	{.name = "address",
	 .type = SCHEMA_ADDRESS,
	 .offset = 0,
	 .required = true,
	 .help = "Address and port, such as 127.0.0.1:8080 or \"[::1]:8080\"."},
	{.name = "tls",
	 .type = SCHEMA_BOOL,
	 .offset = offsetof(struct conf_listen, tls),
	 .def = "false",
	 .help = "Speak TLS here, with the certificate of `tls`."},
};

static const struct schema listen_schema = {SCHEMA(listen_fields), .size = sizeof(struct conf_listen)};

static const struct schema_field control_fields[] = {
	{.name = "listen",
	 .type = SCHEMA_ADDRESS,
	 AT(control),
	 .def = "127.0.0.1:8081",
	 .help = "Where /metrics, /healthz, /readyz and the control API listen."},
	{.name = "socket",
	 .type = SCHEMA_PATH,
	 AT(control_socket),
	 .max = SUN_PATH_MAX,
	 .def = "/run/tollgate/control.sock",
	 .help = "Unix socket of tollctl. Who may open it has operator rights."},
	{.name = "socket_mode",
	 .type = SCHEMA_MODE,
	 AT(control_socket_mode),
	 .min = 0600,
	 .max = 0777,
	 .def = "0660",
	 .help = "File mode of the socket."},
};
static const struct schema control_schema = {SCHEMA(control_fields)};

static const struct schema_field tls_fields[] = {
	{.name = "certificate",
	 .type = SCHEMA_FILE,
	 AT(tls_cert_file),
	 .help = "Certificate chain, PEM. Goes with `key`."},
	{.name = "key", .type = SCHEMA_FILE, AT(tls_key_file), .help = "Private key, PEM. Goes with `certificate`."},
};

static void check_tls(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	(void)base;
	if (given == 1)
		reader_error(rd, n, NULL, "has a certificate but no key; give both");
	else if (given == 2)
		reader_error(rd, n, NULL, "has a key but no certificate; give both");
}

static const struct schema tls_schema = {SCHEMA(tls_fields), .check = check_tls};

/* ---- store, log */

static const struct schema_field store_fields[] = {
	{.name = "path",
	 .type = SCHEMA_PATH,
	 AT(store_path),
	 .max = 4000,
	 .def_text = "tollgate.db in state_dir",
	 .help = "SQLite file with tenants, keys, policy versions, lists and the audit log."},
};
static const struct schema store_schema = {SCHEMA(store_fields)};

static const struct schema_choice log_formats[] = {{"logfmt", 0}, {"json", 0}, {0}};
static const struct schema_choice log_levels[] = {{"debug", 0}, {"info", 0}, {"warn", 0}, {"error", 0}, {0}};

static const struct schema_field log_fields[] = {
	{.name = "format",
	 .type = SCHEMA_WORD,
	 AT(log_format),
	 .choices = log_formats,
	 .def = "logfmt",
	 .help = "Form of a log line on standard error."},
	{.name = "level",
	 .type = SCHEMA_WORD,
	 AT(log_level),
	 .choices = log_levels,
	 .def = "info",
	 .help = "Least level that is written."},
};
static const struct schema log_schema = {SCHEMA(log_fields)};

/* ---- kernel */

#define MODE_TC (CONF_XDP_OFF + 1)
static const struct schema_choice interface_modes[] = {
	{"auto", CONF_XDP_AUTO}, {"native", CONF_XDP_NATIVE}, {"generic", CONF_XDP_GENERIC}, {"tc", MODE_TC}, {0}};

static const struct schema_field interface_fields[] = {
	{.name = "name",
	 .type = SCHEMA_NAME,
	 .offset = offsetof(struct conf_interface, name),
	 .max = 15,
	 .required = true,
	 .help = "Network interface, such as eth0."},
	{.name = "mode",
	 .type = SCHEMA_CHOICE,
	 .offset = offsetof(struct conf_interface, xdp_mode),
	 .choices = interface_modes,
	 .def = "auto",
	 .help = "XDP in the driver (native), in the stack (generic), native with generic as fall-back (auto), or TC "
		 "ingress (tc)."},
};

static void check_interface(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	struct conf_interface *i = base;

	(void)given;
	if (i->xdp_mode == MODE_TC) {
		i->tc = true;
		i->xdp_mode = CONF_XDP_OFF;
	}
	if (strpbrk(i->name, "/ :") || !strcmp(i->name, ".") || !strcmp(i->name, ".."))
		reader_error(rd, node_get(n, "name"), "name", "is no interface name; `ip link` lists them");
}

static const struct schema interface_schema = {SCHEMA(interface_fields), .size = sizeof(struct conf_interface),
					       .check = check_interface};

static const struct schema_field kernel_fields[] = {
	{.name = "enabled",
	 .type = SCHEMA_BOOL,
	 AT(kernel.enabled),
	 .def_text = "true when interfaces are listed",
	 .help = "Refuse at the NIC by the kernel program. Without it the daemon alone enforces the limits."},
	{.name = "interfaces",
	 .type = SCHEMA_LIST,
	 .offset = offsetof(struct conf, kernel.interfaces),
	 .count_offset = offsetof(struct conf, kernel.n_interfaces),
	 .max = 64,
	 .sub = &interface_schema,
	 .help = "Where the program is attached."},
	{.name = "pin_dir",
	 .type = SCHEMA_PATH,
	 AT(kernel.pin_dir),
	 .max = 4000,
	 .def = "/sys/fs/bpf/tollgate",
	 .help = "Folder on a bpffs where maps and links outlive the daemon."},
	{.name = "list_entries_max",
	 .type = SCHEMA_UINT,
	 AT(kernel.list_entries_max),
	 .min = 1,
	 .max = 16777216,
	 .def = "1000000",
	 .help = "Room for entries in each list map."},
	{.name = "net_sources_max",
	 .type = SCHEMA_UINT,
	 AT(kernel.net_sources_max),
	 .min = 1,
	 .max = 16777216,
	 .def = "65536",
	 .help = "Source addresses and networks with packet, byte and connection buckets at a time."},
	{.name = "flows_max",
	 .type = SCHEMA_UINT,
	 AT(kernel.flows_max),
	 .min = 1,
	 .max = 16777216,
	 .def = "65536",
	 .help = "Refused connections being closed at a time."},
};

static void check_kernel(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	struct conf *c = base;
	const struct node *interfaces = node_get(n, "interfaces"), *item = interfaces ? interfaces->first : NULL;

	if (!(given & 1))
		c->kernel.enabled = c->kernel.n_interfaces > 0;
	else if (c->kernel.enabled && !c->kernel.n_interfaces && (!item || interfaces->type != NODE_LIST))
		reader_error(rd, node_get(n, "enabled"), "interfaces",
			     "is empty: name an interface such as {name: eth0}, or set enabled: false");
	for (size_t i = 0; i < c->kernel.n_interfaces && item; i++, item = item->next)
		for (size_t j = 0; j < i; j++)
			if (!strcmp(c->kernel.interfaces[i].name, c->kernel.interfaces[j].name) &&
			    c->kernel.interfaces[i].name[0])
				reader_error(rd, item, "interfaces", "%s is listed twice; one program per interface",
					     c->kernel.interfaces[i].name);
}

static const struct schema kernel_schema = {SCHEMA(kernel_fields), .check = check_kernel};

/* ---- http, upstream */

static const struct schema_field http_fields[] = {
	{.name = "connections_max",
	 .type = SCHEMA_UINT,
	 AT(http.connections_max),
	 .min = 1,
	 .max = 1000000,
	 .def = "20000",
	 .help = "Client connections at a time, all workers together."},
	{.name = "connections_per_ip_max",
	 .type = SCHEMA_UINT,
	 AT(http.connections_per_ip_max),
	 .max = 1000000,
	 .def = "0",
	 .help = "Of one client address; 0 = no bound."},
	{.name = "head_bytes_max",
	 .type = SCHEMA_SIZE,
	 AT(http.head_bytes_max),
	 .min = 1024,
	 .max = 65536,
	 .def = "8KiB",
	 .help = "Request line and headers; more is 431."},
	{.name = "body_bytes_max",
	 .type = SCHEMA_SIZE,
	 AT(http.body_bytes_max),
	 .min = 1024,
	 .max = 1u << 30,
	 .def = "16MiB",
	 .help = "Request body; more is 413."},
	{.name = "response_buffer_bytes",
	 .type = SCHEMA_SIZE,
	 AT(http.response_buffer_bytes),
	 .min = 4096,
	 .max = 16u << 20,
	 .def = "64KiB",
	 .help = "Per answer, before the provider is slowed down to the client's pace."},
	{.name = "idle_timeout",
	 .type = SCHEMA_DURATION_MS,
	 AT(http.idle_timeout_ms),
	 .min = 100,
	 .max = DAY_MS,
	 .def = "75s",
	 .help = "A connection between requests, or a head that doesn't end."},
	{.name = "body_timeout",
	 .type = SCHEMA_DURATION_MS,
	 AT(http.body_timeout_ms),
	 .min = 100,
	 .max = DAY_MS,
	 .def = "60s",
	 .help = "A request body that doesn't end."},
};
static const struct schema http_schema = {SCHEMA(http_fields)};

static const struct schema_field upstream_fields[] = {
	{.name = "connect_timeout",
	 .type = SCHEMA_DURATION_MS,
	 AT(upstream.connect_timeout_ms),
	 .min = 1,
	 .max = DAY_MS,
	 .def = "5s",
	 .help = "TCP and TLS to the provider; then 504."},
	{.name = "first_byte_timeout",
	 .type = SCHEMA_DURATION_MS,
	 AT(upstream.first_byte_timeout_ms),
	 .min = 1,
	 .max = DAY_MS,
	 .def = "120s",
	 .help = "From the request's end to the answer's first byte; then 504."},
	{.name = "idle_timeout",
	 .type = SCHEMA_DURATION_MS,
	 AT(upstream.idle_timeout_ms),
	 .min = 1,
	 .max = DAY_MS,
	 .def = "120s",
	 .help = "Between two pieces of an answer."},
	{.name = "total_timeout",
	 .type = SCHEMA_DURATION_MS,
	 AT(upstream.total_timeout_ms),
	 .min = 1,
	 .max = DAY_MS,
	 .def = "600s",
	 .help = "A whole call."},
	{.name = "pool_max",
	 .type = SCHEMA_UINT,
	 AT(upstream.pool_max),
	 .min = 1,
	 .max = 65536,
	 .def = "20000",
	 .help = "Calls in flight, and so connections, per worker and provider. One more tries the next deployment."},
	{.name = "pool_idle",
	 .type = SCHEMA_DURATION_MS,
	 AT(upstream.pool_idle_ms),
	 .min = 1,
	 .max = DAY_MS,
	 .def = "60s",
	 .help = "How long an idle connection is kept."},
};
static const struct schema upstream_schema = {SCHEMA(upstream_fields)};

/* ---- the whole file. Order matters to hooks only: providers before models. */

static const struct schema_field root_fields[] = {
	{.name = "listen",
	 .type = SCHEMA_LIST,
	 LIST_AT(listen),
	 .max = 64,
	 .sub = &listen_schema,
	 .def_text = "127.0.0.1:8080 without TLS",
	 .help = "Where clients are served."},
	{.name = "control", .type = SCHEMA_MAP, .sub = &control_schema, .help = "Operators' side."},
	{.name = "tls", .type = SCHEMA_MAP, .sub = &tls_schema, .help = "For `listen` with tls: true."},
	{.name = "workers",
	 .type = SCHEMA_UINT,
	 AT(workers),
	 .max = 256,
	 .def = "0",
	 .help = "Worker threads; 0 = one per core."},
	{.name = "user",
	 .type = SCHEMA_STRING,
	 AT(user),
	 .max = 32,
	 .def_text = "stays as started",
	 .help = "User to become after set-up."},
	{.name = "state_dir",
	 .type = SCHEMA_PATH,
	 AT(state_dir),
	 .max = 3900,
	 .def = "/var/lib/tollgate",
	 .help = "Folder of what has to survive: the pepper of key hashes, the store."},
	{.name = "store", .type = SCHEMA_MAP, .sub = &store_schema, .help = "Tenants, keys, policy versions."},
	{.name = "policy",
	 .type = SCHEMA_FILE,
	 AT(policy_file),
	 .def_text = "the built-in policy",
	 .help = "Policy applied at start when the store has none yet."},
	{.name = "log", .type = SCHEMA_MAP, .sub = &log_schema, .help = "Logging."},
	{.name = "kernel", .type = SCHEMA_MAP, .sub = &kernel_schema, .help = "The program at the NIC."},
	{.name = "http", .type = SCHEMA_MAP, .sub = &http_schema, .help = "Clients' side."},
	{.name = "upstream", .type = SCHEMA_MAP, .sub = &upstream_schema, .help = "Providers' side."},
	{.name = "billing",
	 .type = SCHEMA_MAP,
	 .sub = &conf_billing_schema,
	 .help = "Prepaid accounts and their books."},
	{.name = "stop_timeout",
	 .type = SCHEMA_DURATION_MS,
	 AT(stop_timeout_ms),
	 .max = MS(3600),
	 .def = "30s",
	 .help = "How long a graceful stop waits for calls under way."},
	{.name = "providers",
	 .type = SCHEMA_DICT,
	 LIST_AT(providers),
	 .max = 1000,
	 .sub = &conf_provider_schema,
	 .help = "Who answers calls."},
	{.name = "models",
	 .type = SCHEMA_DICT,
	 LIST_AT(models),
	 .max = 10000,
	 .sub = &conf_model_schema,
	 .required = true,
	 .help = "Public model names and the deployments behind them."},
};

static bool same_address(const struct conf_listen *a, const struct conf_listen *b)
{
	return a->port == b->port && !strcmp(a->host, b->host);
}

static void check_listeners(struct reader *rd, struct conf *c, const struct node *root)
{
	const struct node *list = node_get(root, "listen"), *item = list ? list->first : NULL;

	for (size_t i = 0; i < c->n_listen && item; i++, item = item->next) {
		if (!c->listen[i].port)
			continue; /* an error already */
		if (c->listen[i].tls && !c->tls_cert_file)
			reader_error(rd, item, "listen", "asks for TLS, but `tls` names no certificate and key");
		if (same_address(&c->listen[i], &c->control))
			reader_error(rd, item, "listen", "%s:%u is the control listener's address too", c->control.host,
				     c->control.port);
		for (size_t j = 0; j < i; j++)
			if (same_address(&c->listen[i], &c->listen[j]))
				reader_error(rd, item, "listen", "%s:%u is listed twice", c->listen[i].host,
					     c->listen[i].port);
	}
}

static void default_listen(struct reader *rd, struct conf *c)
{
	c->listen = reader_alloc(rd, 1, sizeof(*c->listen));
	if (!c->listen)
		return;
	*c->listen = (struct conf_listen){.host = "127.0.0.1", .port = 8080};
	c->n_listen = 1;
}

static char *in_state_dir(struct reader *rd, const struct conf *c, const char *name)
{
	size_t len = c->state_dir ? strlen(c->state_dir) + strlen(name) + 2 : 0;
	char *path = len ? reader_alloc(rd, len, 1) : NULL;

	if (path)
		snprintf(path, len, "%s/%s", c->state_dir, name);
	return path;
}

static void check_root(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	const struct node *models;
	struct conf *c = base;

	if (given & 1)
		check_listeners(rd, c, n);
	models = node_get(n, "models");
	if (models && !c->n_models && (node_is_null(models) || (models->type == NODE_MAP && !models->n)))
		reader_error(rd, models, "models", "is empty; without a model nothing can be served");
	if (!c->n_listen)
		default_listen(rd, c);
	if (!c->store_path)
		c->store_path = in_state_dir(rd, c, "tollgate.db");
	if (!c->billing.path)
		c->billing.path = in_state_dir(rd, c, "books.db");
	conf_billing_check(rd, c, n);
}

const struct schema conf_schema = {SCHEMA(root_fields), .check = check_root};
