/* Models and where they run, as the hot path wants it: looked up by name in a hash, headers and answers rendered ahead.
 * Immutable; made from a configuration, which it owns. */
#ifndef GATEWAY_CATALOG_H
#define GATEWAY_CATALOG_H

#include "base/err.h"
#include "conf/conf.h"
#include "gateway/health.h"
#include "tollgate/abi.h"

#include <stdatomic.h>

/* Rendered ahead, by enum tg_dialect. Paths that dialects share have one text: owned by the first of them. */
struct catalog_text {
	char *data;
	size_t len;
};

struct catalog_provider {
	const struct conf_provider *conf;
	unsigned index;
	char *headers; /* of every request there: dialect_upstream_headers() */
	size_t headers_len;
};

struct catalog_deployment {
	const struct catalog_provider *provider;
	const char *upstream_model;
	unsigned weight, priority;
	unsigned concurrency; /* 0 = not known */
	unsigned index;       /* among all deployments of the catalog */
	/* By catalog_bind_health() */
	unsigned wires;        /* bit per enum wire of clients that it can serve */
	struct health *health; /* of its identity, as the next ones */
	unsigned bulkhead;     /* calls at a time; 0 = as the policy says */
	struct tg_rate requests, tokens; /* our share of the provider's limits */
};

struct catalog_model {
	const char *name;
	size_t name_len;
	struct catalog_deployment *deployments; /* by priority */
	unsigned n_deployments;
	unsigned output_tokens_default;
	struct catalog_text object[TG_DIALECT_COUNT]; /* the answer to GET /v1/models/{id} */
	struct health_budget *retries;
};

/* A deployment by who it is: several models may use it. */
struct catalog_identity {
	struct health *health;
	unsigned wires, bulkhead;
	uint64_t requests_per_minute, tokens_per_minute; /* 0 = none */
};

struct catalog {
	struct conf *conf;
	unsigned version;
	unsigned refs; /* under the gateway's catalog lock */
	struct catalog_provider *providers;
	size_t n_providers;
	struct catalog_model *models;
	size_t n_models;
	unsigned n_deployments; /* of all models */
	uint32_t *hash;         /* index + 1 into models, open addressing */
	uint32_t hash_mask;
	struct catalog_text list[TG_DIALECT_COUNT]; /* the answer to GET /v1/models */
	struct catalog_identity *identities; /* sorted by address */
	size_t n_identities;
};

/* At most this many deployments of one model are tried (a call remembers them in one word). */
#define CATALOG_DEPLOYMENTS_MAX 64u

/* Takes over conf on success only. `created_s` is what models say about themselves. */
int catalog_new(struct conf *conf, unsigned version, int64_t created_s, struct catalog **ret,
		struct err *err) MUST_CHECK;
void catalog_free(struct catalog *c);
/* Joins deployments and models with what is known of them (health.h), for as long as the catalog lives. Where models
 * say different things of one deployment, the tightest holds for all. [control] */
int catalog_bind_health(struct catalog *c, struct health_registry *r, const struct retry_rules *retries,
			struct err *err) MUST_CHECK;
void catalog_unbind_health(struct catalog *c);
const struct catalog_model *catalog_find(const struct catalog *c, const char *name, size_t len);

#endif
