#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct kernel *k;
struct metrics *metrics;
struct gateway *gw;

void fixture_setup(void)
{
	static const uint8_t pepper[CRYPTO_PEPPER_LEN] = {1};
	struct gateway_opts o = {.pepper = pepper, .workers = 1};
	struct err err;

	cr_assert_eq(kernel_open_memory(&k, &err), 0, "%s", err.msg);
	cr_assert_eq(metrics_new(2, &metrics, &err), 0);
	o.kernel = k;
	o.metrics = metrics;
	cr_assert_eq(gateway_new(&o, &gw, &err), 0, "%s", err.msg);
}

void fixture_teardown(void)
{
	gateway_free(gw);
	metrics_free(metrics);
	kernel_close(k);
}

int fixture_policy(const char *rest)
{
	struct conf_errors errs = {0};
	struct policy *p = NULL;
	uint32_t generation;
	char text[1024];
	struct err err;

	snprintf(text, sizeof(text), "version: 1\n%s", rest);
	cr_assert_eq(policy_parse(text, strlen(text), &p, &errs), 0, "%s: %s", errs.count ? errs.items[0].path : "",
		     errs.count ? errs.items[0].msg : "");
	conf_errors_done(&errs);
	return gateway_policy_apply(gw, p, &generation, &err);
}
