/* Goal: docs/configuration.md and the examples in deploy/ can't go stale. Method: they are compared with what the
 * tables generate, and parsed. With TG_WRITE_REFERENCE=1 the page is written instead. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGE "docs/configuration.md"

Test(reference, page_is_current)
{
	struct buf out = BUF_INIT;
	char *page;

	cr_assert_eq(conf_reference(&out), 0);
	if (getenv("TG_WRITE_REFERENCE")) {
		FILE *f = fopen(PAGE, "w");

		cr_assert_not_null(f);
		cr_assert_eq(fwrite(out.data, 1, out.len, f), out.len);
		cr_assert_eq(fclose(f), 0);
	}
	page = fixture_source(PAGE);
	cr_expect(!strcmp(page, out.data), PAGE " is stale: run `make docs`");
	free(page);
	buf_done(&out);
}

static bool has_row(const char *page, const char *path, const char *value)
{
	char row[200];
	const char *at, *end;

	snprintf(row, sizeof(row), "\n| `%s` |", path);
	at = strstr(page, row);
	end = at ? strchr(at + 1, '\n') : NULL;
	at = at ? strstr(at, value) : NULL;
	return at && end && at < end;
}

/* The page names what a person looks for: path, unit, range, default. */
Test(reference, rows)
{
	static const struct {
		const char *path, *value;
	} rows[] = {
		{"listen[].address", "**required**"},
		{"workers", "0 to 256"},
		{"http.head_bytes_max", "1KiB to 64KiB | `8KiB`"},
		{"upstream.connect_timeout", "ms, s, m, h, d | 1ms to 1d | `5s`"},
		{"providers.NAME.api_key", "env:NAME or file:PATH"},
		{"models.MODEL.deployments[].weight", "1 to 1000 | `1`"},
		{"limits.key.tokens.tokens", "1 to 4294967295, `unlimited` | `100000`"},
		{"limits.routes.ROUTE.scope", "`gateway`, `tenant`, `key` | `tenant`"},
		{"overrides.keys.KEY.routes.ROUTE.requests", "inherited"},
		{"network.bytes.aggregate.bytes", "KiB"},
		{"lists.block[].cidr", "**required**"},
		{"billing.gather_window", "us, ms, s, m, h, d | 0s to 100ms | `1ms`"},
		{"billing.idempotency_ttl", "s, m, h, d | 1s to 30d | `24h`"},
		{"prices.currency", "three capital letters | `USD`"},
		{"prices.margin.base", "4 decimals | 0 to 0.95 | `0.25`"},
		{"prices.tiers.TIER.margin", "= `prices.margin.base`"},
		{"prices.costs[].input", "9 decimals | 0 to 1000000 | **required**"},
		{"prices.costs[].effective", "UTC | 1970-01-01T00:00:00Z to 9999-12-31T23:59:59Z | always"},
		{"providers.NAME.kind", "`openai`, `anthropic`, `gemini`, `azure` | **required**"},
		{"breakers.failure_rate", "4 decimals | 0 to 0.9999 | `0.5`"},
		{"breakers.open_max", "10ms to 1d | `5m`"},
		{"bulkheads.deployment.concurrent", "0 to 1000000, `unlimited` | `10`"},
		{"bulkheads.tenants.TENANT.wait", "= `bulkheads.tenant`"},
		{"retries.reserve", "1 to 100000 | `10`"},
	};
	struct buf out = BUF_INIT;

	cr_assert_eq(conf_reference(&out), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect(has_row(out.data, rows[i].path, rows[i].value), "%s: %s", rows[i].path, rows[i].value);
	buf_done(&out);
}

Test(reference, examples_are_valid)
{
	struct conf_errors errs = {0};
	struct conf *c = NULL;
	char path[512], *text = fixture_source("deploy/policy.yaml");
	const char *root = getenv("TG_ROOT");

	snprintf(path, sizeof(path), "%s/deploy/tollgated.yaml", root ? root : ".");
	cr_expect_eq(conf_load(path, &c, &errs), 0, "%u: %s", errs.count ? errs.items[0].line : 0,
		     errs.count ? errs.items[0].msg : "");
	conf_errors_done(&errs);
	conf_free(c);
	policy_free(fixture_policy(text));
	free(text);
}

/* The example says of its prices that all but the costs are the defaults; likewise of breakers, bulkheads, retries. */
Test(reference, example_prices_and_faults_are_the_defaults)
{
	char *text = fixture_source("deploy/policy.yaml"), *diff, *line, *rest;
	struct policy *a = fixture_policy("version: 1\n"), *b = fixture_policy(text);

	diff = fixture_diff(a, b);
	cr_expect_gt(b->prices.n_costs, 3);
	for (line = strtok_r(diff, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		cr_expect(!strncmp(line, "prices.costs: +", 15) || !strncmp(line, "bulkheads.tenants: +", 20) ||
				  (strncmp(line, "prices.", 7) != 0 && strncmp(line, "breakers.", 9) != 0 &&
				   strncmp(line, "bulkheads.", 10) != 0 && strncmp(line, "retries.", 8) != 0),
			  "%s", line);
	free(text);
	free(diff);
	policy_free(a);
	policy_free(b);
}
