/* What changes from one policy's breakers, bulkheads and retries to another's. */
#include "conf/policy_diff.h"
#include "conf/policy_faults.h"

#include <stdio.h>
#include <string.h>

static void diff_breakers(struct buf *out, const struct policy_faults *fa, const struct policy_faults *fb)
{
	const __typeof__(fa->breakers) *a = &fa->breakers, *b = &fb->breakers;
	const struct diff_value values[] = {
		{"consecutive_failures", SCHEMA_UINT, a->consecutive_failures, b->consecutive_failures},
		{"failure_rate", SCHEMA_E4, a->failure_rate_e4, b->failure_rate_e4},
		{"min_requests", SCHEMA_UINT, a->min_requests, b->min_requests},
		{"window", SCHEMA_DURATION_NS, a->window_ns, b->window_ns},
		{"open", SCHEMA_DURATION_NS, a->open_ns, b->open_ns},
		{"open_max", SCHEMA_DURATION_NS, a->open_max_ns, b->open_max_ns},
		{"probes", SCHEMA_UINT, a->probes, b->probes},
		{"cooldown", SCHEMA_DURATION_NS, a->cooldown_ns, b->cooldown_ns},
		{"quota_cooldown", SCHEMA_DURATION_NS, a->quota_cooldown_ns, b->quota_cooldown_ns},
		{"cooldown_max", SCHEMA_DURATION_NS, a->cooldown_max_ns, b->cooldown_max_ns},
	};

	diff_values(out, "breakers.", values, ARRAY_SIZE(values));
}

static void diff_bulkhead(struct buf *out, const char *path, const struct policy_bulkhead *a,
			  const struct policy_bulkhead *b)
{
	const struct diff_value values[] = {
		{"concurrent", SCHEMA_UINT, a->concurrent, b->concurrent},
		{"queue", SCHEMA_UINT, a->queue, b->queue},
		{"wait", SCHEMA_DURATION_NS, a->wait_ns, b->wait_ns},
	};

	diff_values(out, path, values, ARRAY_SIZE(values));
}

/* One tenant's, which one of the two policies may not name. */
static void diff_tenant(struct buf *out, const struct policy_tenant_bulkhead *a, const struct policy_tenant_bulkhead *b)
{
	const struct policy_tenant_bulkhead *one = b ? b : a;
	char path[160], wait[64];

	if (a && b) {
		snprintf(path, sizeof(path), "bulkheads.tenants.%s.", b->tenant);
		diff_bulkhead(out, path, &a->rule, &b->rule);
		return;
	}
	diff_format(SCHEMA_DURATION_NS, one->rule.wait_ns, wait);
	buf_printf(out, "bulkheads.tenants: %c %s: concurrent %u, queue %u, wait %s\n", b ? '+' : '-', one->tenant,
		   one->rule.concurrent, one->rule.queue, wait);
}

/* Both are sorted: a merge. */
static void diff_tenants(struct buf *out, const struct policy_faults *fa, const struct policy_faults *fb)
{
	const struct policy_tenant_bulkhead *a = fa->bulkheads.tenants, *b = fb->bulkheads.tenants;
	size_t n_a = fa->bulkheads.n_tenants, n_b = fb->bulkheads.n_tenants, i = 0, j = 0, differ = 0;

	while (i < n_a || j < n_b) {
		int c = i == n_a ? 1 : j == n_b ? -1 : strcmp(a[i].tenant, b[j].tenant);
		size_t before = out->len;

		diff_tenant(out, c <= 0 ? &a[i] : NULL, c >= 0 ? &b[j] : NULL);
		if (out->len > before && ++differ > DIFF_SHOWN_MAX) {
			out->len = before;
			out->data[before] = '\0';
		}
		i += c <= 0;
		j += c >= 0;
	}
	if (differ > DIFF_SHOWN_MAX)
		buf_printf(out, "bulkheads.tenants: %zu -> %zu, %zu differ in all (%zu not shown)\n", n_a, n_b, differ,
			   differ - DIFF_SHOWN_MAX);
}

void policy_diff_faults(struct buf *out, const struct policy_faults *a, const struct policy_faults *b)
{
	const struct diff_value retries[] = {
		{"budget", SCHEMA_E4, a->retries.share_e4, b->retries.share_e4},
		{"reserve", SCHEMA_UINT, a->retries.reserve, b->retries.reserve},
		{"attempts", SCHEMA_UINT, a->retries.attempts, b->retries.attempts},
	};

	diff_breakers(out, a, b);
	diff_bulkhead(out, "bulkheads.deployment.", &a->bulkheads.deployment, &b->bulkheads.deployment);
	diff_bulkhead(out, "bulkheads.tenant.", &a->bulkheads.tenant, &b->bulkheads.tenant);
	diff_tenants(out, a, b);
	diff_values(out, "retries.", retries, ARRAY_SIZE(retries));
}
