/* Goal: models are found by their whole name, deployments stand by priority, answers are rendered ahead. Method:
 * configurations as text. */
#include "gateway/catalog.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const char text[] =
	"listen:\n"
	"  - {address: \"127.0.0.1:8080\"}\n"
	"state_dir: /tmp/tg-none\n"
	"providers:\n"
	"  a: {kind: openai, base_url: \"http://127.0.0.1:1\", api_key: \"env:TG_CATALOG_KEY\"}\n"
	"  b: {kind: openai, base_url: \"http://127.0.0.1:2/openai\"}\n"
	"models:\n"
	"  m1: {deployments: [{provider: a, model: late, priority: 5}, {provider: b, model: first}]}\n"
	"  org/m2: {deployments: [{provider: a, model: x}]}\n";

static struct catalog *make(void)
{
	struct conf_errors errs = {0};
	struct catalog *c = NULL;
	struct conf *conf = NULL;
	struct err err;

	setenv("TG_CATALOG_KEY", "sk-secret", 1);
	cr_assert_eq(conf_parse(text, strlen(text), &conf, &errs), 0, "%s: %s", errs.count ? errs.items[0].path : "",
		     errs.count ? errs.items[0].msg : "");
	conf_errors_done(&errs);
	cr_assert_eq(catalog_new(conf, 1, 1700000000, &c, &err), 0, "%s", err.msg);
	return c;
}

Test(catalog, finds_whole_names_only)
{
	struct catalog *c = make();

	cr_expect(catalog_find(c, "m1", 2));
	cr_expect(catalog_find(c, "org/m2", 6));
	cr_expect_null(catalog_find(c, "m", 1));
	cr_expect_null(catalog_find(c, "m12", 3));
	cr_expect_null(catalog_find(c, "M1", 2));
	cr_expect_null(catalog_find(c, "", 0));
	catalog_free(c);
}

Test(catalog, deployments_by_priority)
{
	struct catalog *c = make();
	const struct catalog_model *m = catalog_find(c, "m1", 2);

	cr_assert_eq(m->n_deployments, 2);
	cr_expect_str_eq(m->deployments[0].upstream_model, "first");
	cr_expect_str_eq(m->deployments[0].provider->conf->name, "b");
	catalog_free(c);
}

Test(catalog, answers_and_headers_are_ready)
{
	struct catalog *c = make();
	const struct catalog_model *m = catalog_find(c, "org/m2", 6);

	for (unsigned d = 0; d < TG_DIALECT_COUNT; d++) {
		const char *list = c->list[d].data, *object = m->object[d].data;

		cr_expect(strstr(object, "org/m2\""), "%u", d);
		cr_expect_eq(strlen(object), m->object[d].len);
		cr_expect_eq(strlen(list), c->list[d].len);
		cr_expect(strstr(list, "m1\"") && strstr(list, object), "%u", d);
		cr_expect_null(strstr(list, "sk-secret"));
	}
	for (size_t i = 0; i < c->n_providers; i++) {
		const struct catalog_provider *p = &c->providers[i];

		cr_expect_eq(strstr(p->headers, "Authorization: Bearer sk-secret\r\n") != NULL,
			     !strcmp(p->conf->name, "a"), "%s", p->conf->name);
		cr_expect_eq(memcmp(p->headers + p->headers_len - 2, "\r\n", 2), 0);
	}
	catalog_free(c);
}
