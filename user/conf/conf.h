/* The configuration file, validated: what the process is (listeners, store, providers, kernel attachment).
 * Policies (limits, lists) are in policy.h. Immutable once loaded. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "conf/errors.h"
#include "model/provider.h"

#include <stdbool.h>
#include <stdint.h>

struct conf_listen {
	char host[64]; /* address literal */
	uint16_t port;
	bool tls; /* uses conf.tls */
};

struct conf_provider {
	char *name;
	unsigned kind;  /* enum provider_kind */
	char *base_url; /* http(s)://host[:port][/prefix] */
	char *api_key;  /* resolved secret, never logged; "" = none */
	char *ca_file;  /* NULL = the system's */
	char *api_version; /* "" = the default of its kind (dialect.h, struct dialect_upstream) */
};

struct conf_deployment {
	const struct conf_provider *provider;
	char *upstream_model;
	unsigned weight;   /* 1..1000 */
	unsigned priority; /* 0 first */
	/* Calls it takes at a time: its bulkhead, in place of the policy's, and what utilisation (supply and demand) is
	 * measured against; 0 = not known. */
	unsigned concurrency;
	uint64_t requests_per_minute, tokens_per_minute; /* of the provider's limits, ours to use; 0 = none */
};

struct conf_model {
	char *name; /* public name */
	char *owned_by;
	unsigned output_tokens_default; /* charged until usage is known, for a call without an output cap; default 1024 */
	struct conf_deployment *deployments;
	size_t n_deployments;
};

struct conf_interface {
	char name[16];
	unsigned xdp_mode; /* enum conf_xdp_mode */
	bool tc;           /* TC ingress instead of XDP */
};
enum conf_xdp_mode { CONF_XDP_AUTO, CONF_XDP_NATIVE, CONF_XDP_GENERIC, CONF_XDP_OFF };

struct conf {
	struct conf_listen *listen; /* data plane */
	size_t n_listen;
	struct conf_listen control;   /* /metrics, /healthz, /admin */
	char *control_socket;         /* Unix socket path */
	unsigned control_socket_mode; /* file mode, default 0660 */
	char *tls_cert_file, *tls_key_file;
	unsigned workers;  /* 0 = one per core */
	char *user;        /* to become after set-up; NULL = stay */
	char *state_dir;   /* pepper, list snapshots */
	char *store_path;  /* SQLite file */
	char *policy_file; /* applied at start when the store has none; NULL = built-in default */
	char *log_format, *log_level;
	struct {
		bool enabled;
		char *pin_dir; /* on a bpffs, default /sys/fs/bpf/tollgate */
		struct conf_interface *interfaces;
		size_t n_interfaces;
		unsigned list_entries_max; /* default 1000000 */
		unsigned net_sources_max;  /* default 65536 */
		unsigned flows_max;        /* default 65536 */
	} kernel;
	struct {
		unsigned connections_max;        /* per process, default 20000 */
		unsigned connections_per_ip_max; /* 0 = none */
		unsigned head_bytes_max;         /* default 8192 */
		unsigned body_bytes_max;         /* default 16 MiB */
		unsigned response_buffer_bytes;  /* per stream before back-pressure, default 64 KiB */
		unsigned idle_timeout_ms;        /* keep-alive and slow heads, default 75000 */
		unsigned body_timeout_ms;        /* slow bodies, default 60000 */
	} http;
	struct {
		unsigned connect_timeout_ms;    /* default 5000 */
		unsigned first_byte_timeout_ms; /* default 120000 */
		unsigned idle_timeout_ms;       /* between chunks, default 120000 */
		unsigned total_timeout_ms;      /* default 600000 */
		unsigned pool_max;              /* calls in flight per worker and provider, default 20000 */
		unsigned pool_idle_ms;          /* default 60000 */
	} upstream;
	struct {
		char currency[4];                /* default USD */
		bool enabled;                    /* default true: prices, holds, charges; false: a plain proxy */
		char *path;                      /* the books' SQLite file; default books.db in state_dir */
		unsigned gather_us;              /* how long a batch is gathered, default 1000 */
		unsigned holds_max;              /* calls under way at a time, default 65536 */
		unsigned holds_sync_ms;          /* default 1000*/
		unsigned hold_bytes_per_token;   /* worst case of a prompt: bytes of text per token, default 1 */
		unsigned drain_timeout_ms;       /* the provider's answer is read on after the client hung up, default 30000 */
		unsigned drain_bytes_max;        /* default 4 MiB */
		unsigned commit_timeout_ms;      /* an answer that can't be committed: then the client is cut off, default 30000 */
		unsigned idempotency_ttl_s;      /* default 86400 */
		unsigned idempotency_bytes_max;  /* of an answer that is kept, default 1 MiB */
		unsigned reconcile_interval_s;   /* 0 = only by command, default 3600 */
	} billing;
	unsigned stop_timeout_ms; /* graceful stop, default 30000 */
	struct conf_provider *providers;
	size_t n_providers;
	struct conf_model *models; /* sorted by name */
	size_t n_models;
};

/* Reads and validates `path`. On failure returns ERR_INVAL with every error in *errs (the file's own absence
 * too), or ERR_NOMEM; *ret untouched. Relative paths are meant from the file's folder; in conf_parse, from the working
 * directory. */
int conf_load(const char *path, struct conf **ret, struct conf_errors *errs) MUST_CHECK;
int conf_parse(const char *text, size_t len, struct conf **ret, struct conf_errors *errs) MUST_CHECK;
void conf_free(struct conf *conf);
const struct conf_model *conf_model_find(const struct conf *conf, const char *name, size_t len);

/* The configuration reference as Markdown, generated from the schema tables (config and policy). */
int conf_reference(struct buf *out) MUST_CHECK;

#endif
