/* A policy: limits, overrides, lists, NIC behaviour. Parsed from YAML, immutable. Numbers here are as people
 * write them; compiling them to GCRA rates is guard's (guard/rates.h). */
#ifndef CONF_POLICY_H
#define CONF_POLICY_H

#include "conf/errors.h"
#include "tollgate/abi.h"

#include <stdbool.h>
#include <stdint.h>

/* units per period; units == 0 = no limit. In an override, what the file leaves out holds the inherited values. */
struct policy_rate {
	uint64_t units;
	uint64_t period_ns;
	uint64_t burst; /* defaults to units */
	bool shadow;
	bool set; /* in force by the file or a default; in an override: the file gives some of it */
};

struct policy_route {
	struct policy_rate requests;
	enum tg_route_scope scope;
};

/* Limits of one subject. */
struct policy_limits {
	struct policy_rate requests;
	struct policy_rate tokens;
	struct policy_rate routes[TG_ROUTE_COUNT]; /* overrides of the route limits for this subject */
};

struct policy_override {
	char *subject; /* tenant id or key id */
	struct policy_limits limits;
};

struct policy_list_entry {
	bool v6;
	uint8_t prefix_len;
	uint32_t addr[4]; /* network order, host bits zero; IPv4 in addr[0] */
	char *reason;     /* NULL = none */
};

/* Rates, margins and factors of prices. Amounts as the file gives them, exactly: nano-units, or 1e-4. */
struct policy_tier {
	char *name;
	uint32_t margin_e4; /* prices.margin.base when the file names none */
};
struct policy_model_factor {
	char *match; /* pattern of public model names: '*' any run, '|' alternatives; the first that fits counts */
	uint32_t factor_e4;
};
struct policy_cost {
	char *provider, *model; /* patterns of the provider's name and of its model's */
	int64_t input_nano, cached_input_nano, cache_write_nano, output_nano; /* per million tokens */
	int64_t effective_ms; /* Unix time from which it holds; 0 = always */
};
enum policy_formula { POLICY_FORMULA_MARGIN, POLICY_FORMULA_MULTIPLIER };               /* as enum price_formula */
enum policy_supply { POLICY_SURPLUS, POLICY_BALANCED, POLICY_SCARCE, POLICY_MEASURED }; /* as enum price_supply */

struct policy_prices {
	char currency[4];
	unsigned formula; /* enum policy_formula */
	uint32_t base_margin_e4, min_margin_e4, max_margin_e4;
	struct policy_tier *tiers; /* sorted by name */
	size_t n_tiers;
	struct policy_model_factor *models; /* in the file's order */
	size_t n_models;
	struct {
		uint32_t factor_e4[3]; /* by enum policy_supply */
		unsigned pin;          /* enum policy_supply; POLICY_MEASURED = not pinned */
		uint32_t surplus_below_e4, scarce_above_e4, hysteresis_e4;
		uint64_t window_ns;
	} supply;
	/* In the file's order; the first fitting pattern counts, of equal ones the latest in effect. */
	struct policy_cost *costs;
	size_t n_costs;
};

/* How failures are kept apart; the defaults are guard's (breaker.h, bulkhead.h, retry.h). */
struct policy_bulkhead {
	unsigned concurrent; /* 0 = no bound */
	unsigned queue;      /* 0 = full is refused at once */
	uint64_t wait_ns;
};
struct policy_tenant_bulkhead {
	char *tenant;
	struct policy_bulkhead rule; /* what the file leaves out is inherited */
};
struct policy_faults {
	struct {
		unsigned consecutive_failures, failure_rate_e4, min_requests, probes;
		uint64_t window_ns, open_ns, open_max_ns;
		uint64_t cooldown_ns;       /* of a provider's 429 that names no Retry-After */
		uint64_t quota_cooldown_ns; /* of a quota that is exhausted, likewise */
		uint64_t cooldown_max_ns;   /* longer ones are cut to it */
	} breakers;
	struct {
		struct policy_bulkhead deployment, tenant;
		struct policy_tenant_bulkhead *tenants; /* sorted by tenant */
		size_t n_tenants;
	} bulkheads;
	struct {
		unsigned share_e4, reserve, attempts;
	} retries;
};

struct policy {
	int64_t version_id; /* of the store; set by who applies it, 0 = not stored */
	bool shadow;        /* all limits */
	struct policy_limits global, tenant, key;
	struct policy_route routes[TG_ROUTE_COUNT];
	struct policy_override *tenants, *keys; /* sorted by subject */
	size_t n_tenants, n_keys;
	struct {
		bool scope_all; /* count all IP packets, not only those to guarded ports */
		bool map_full_closed;
		struct policy_rate rate[TG_NET_SCOPE_COUNT][TG_NET_DIM_COUNT];
	} network;
	struct {
		bool answer;                /* answer at the NIC, default true */
		bool answer_established;    /* also on idle established connections, default true */
		unsigned events_per_second; /* per CPU, default 100 */
	} nic;
	struct policy_prices prices;
	struct policy_faults faults;
	struct policy_list_entry *allow, *block; /* sorted, no entry twice, none in both */
	size_t n_allow, n_block;
};

/* On failure ERR_INVAL with every error in *errs, or ERR_NOMEM; *ret untouched. */
int policy_parse(const char *text, size_t len, struct policy **ret, struct conf_errors *errs) MUST_CHECK;
void policy_free(struct policy *p); /* of policy_parse */
/* The defaults of spec.md section 1, as policy text. */
extern const char policy_default_text[];
/* What changes from a to b, one line each ("limits.key.requests: 1000 -> 500"), lists as counts and samples. */
int policy_diff(const struct policy *a, const struct policy *b, struct buf *out) MUST_CHECK;
/* Parse "10.0.0.0/8", "2001:db8::/32", "192.0.2.1". Host bits must be zero. ERR_INVAL with a message. */
int policy_parse_cidr(const char *s, size_t len, struct policy_list_entry *ret, struct err *err) MUST_CHECK;
/* Always with prefix length: "192.0.2.1/32". */
void policy_format_cidr(const struct policy_list_entry *e, char buf[64]);

#endif
