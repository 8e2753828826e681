/* Goal: the four kinds of providers and what each allows of base_url and api_version; a deployment's own limits.
 * Method: table rows. */
#include "fixture.h"

#include <stdio.h>

#define MODELS "models: {m: {deployments: [{provider: p}]}}\n"
#define PROVIDER(fields) MODELS "providers: {p: {" fields "}}\n"

Test(providers, kinds)
{
	static const struct {
		const char *text;
		enum provider_kind kind;
		const char *base_url, *api_version;
	} rows[] = {
		{"kind: openai, base_url: https://api.openai.com", PROVIDER_OPENAI, "https://api.openai.com", ""},
		{"kind: openai, base_url: https://api.groq.com/openai", PROVIDER_OPENAI, "https://api.groq.com/openai",
		 ""},
		{"kind: openai, base_url: \"http://h/v1/proxy/\"", PROVIDER_OPENAI, "http://h/v1/proxy", ""},
		{"kind: openai, base_url: \"http://h/apiv1\"", PROVIDER_OPENAI, "http://h/apiv1", ""},
		{"kind: anthropic, base_url: https://api.anthropic.com", PROVIDER_ANTHROPIC,
		 "https://api.anthropic.com", ""},
		{"kind: anthropic, base_url: \"http://h\", api_version: 2026-10-21", PROVIDER_ANTHROPIC, "http://h",
		 "2026-10-21"},
		{"kind: gemini, base_url: \"http://h\"", PROVIDER_GEMINI, "http://h", ""},
		{"kind: gemini, base_url: \"http://h\", api_version: v1", PROVIDER_GEMINI, "http://h", "v1"},
		{"kind: gemini, base_url: \"http://h\", api_version: v1beta", PROVIDER_GEMINI, "http://h", "v1beta"},
		{"kind: azure, base_url: https://r.openai.azure.com", PROVIDER_AZURE, "https://r.openai.azure.com", ""},
		{"kind: azure, base_url: \"http://h\", api_version: 2024-10-21", PROVIDER_AZURE, "http://h",
		 "2024-10-21"},
		{"kind: azure, base_url: \"http://h\", api_version: \"2025-04-01-preview\"", PROVIDER_AZURE, "http://h",
		 "2025-04-01-preview"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf text = BUF_INIT;
		struct conf *c;

		buf_printf(&text, MODELS "providers: {p: {%s}}\n", rows[i].text);
		c = fixture_conf(text.data);
		cr_expect_eq(c->providers[0].kind, (unsigned)rows[i].kind, "%s", rows[i].text);
		cr_expect_str_eq(c->providers[0].base_url, rows[i].base_url);
		cr_expect_str_eq(c->providers[0].api_version, rows[i].api_version);
		conf_free(c);
		buf_done(&text);
	}
}

Test(providers, versions)
{
	static const struct error_row rows[] = {
		{"openai has none",
		 PROVIDER("kind: openai, base_url: \"http://h\", api_version: v1"),
		 {"2:66: providers.p.api_version: \"v1\" has no effect with kind: openai; leave it out"}},
		{"anthropic: no date",
		 PROVIDER("kind: anthropic, base_url: \"http://h\", api_version: v1"),
		 {"2:69: providers.p.api_version: \"v1\" is no version of anthropic; give a date such as 2023-06-01"}},
		{"anthropic: no such month",
		 PROVIDER("kind: anthropic, base_url: \"http://h\", api_version: 2023-13-01"),
		 {"2:69: providers.p.api_version: \"2023-13-01\" is no version of anthropic**"}},
		{"anthropic: no such day",
		 PROVIDER("kind: anthropic, base_url: \"http://h\", api_version: 2023-01-32"),
		 {"2:69: providers.p.api_version: \"2023-01-32\" is no version**"}},
		{"anthropic: no preview",
		 PROVIDER("kind: anthropic, base_url: \"http://h\", api_version: 2023-06-01-preview"),
		 {"2:69: providers.p.api_version: \"2023-06-01-preview\" is no version**"}},
		{"gemini",
		 PROVIDER("kind: gemini, base_url: \"http://h\", api_version: v1alpha"),
		 {"2:66: providers.p.api_version: \"v1alpha\" is no version of gemini; give v1 or v1beta"}},
		{"azure: a word",
		 PROVIDER("kind: azure, base_url: \"http://h\", api_version: preview"),
		 {"2:65: providers.p.api_version: \"preview\" is no version of azure; give a date such as 2024-10-21 "
		  "or "
		  "2025-04-01-preview, or leave it out for the v1 API"}},
		{"azure: what could break out of the query",
		 PROVIDER("kind: azure, base_url: \"http://h\", api_version: \"2024-10-21&a=b\""),
		 {"2:65: providers.p.api_version: \"2024-10-21&a=b\" is no version of azure**"}},
		{"azure: no date before preview",
		 PROVIDER("kind: azure, base_url: \"http://h\", api_version: \"-preview\""),
		 {"2:65: providers.p.api_version: \"-preview\" is no version of azure**"}},
		{"too long",
		 PROVIDER("kind: azure, base_url: \"http://h\", api_version: 2024-10-21-preview-preview-preview"),
		 {"2:65: providers.p.api_version: is 34 bytes long; at most 32"}},
		{"an unknown kind judges neither",
		 PROVIDER("kind: claude, base_url: \"http://h/v1\", api_version: v1"),
		 {"2:23: providers.p.kind: \"claude\" is none of its words**"}},
	};

	fixture_error_rows(FIXTURE_CONF, rows, ARRAY_SIZE(rows));
}

#define TOO_MUCH(end) " ends in " end ", which is part of the API paths appended to it; leave it out"

Test(providers, paths_in_urls)
{
	static const struct error_row rows[] = {
		{"openai",
		 PROVIDER("kind: openai, base_url: \"http://h/v1/\""),
		 {"2:41: providers.p.base_url:" TOO_MUCH("/v1")}},
		{"openai below a prefix",
		 PROVIDER("kind: openai, base_url: \"https://api.groq.com/openai/v1\""),
		 {"2:41: providers.p.base_url:" TOO_MUCH("/v1")}},
		{"gemini's own imitation of openai",
		 PROVIDER("kind: openai, base_url: \"http://h/v1beta/openai\""),
		 {"2:41: providers.p.base_url:" TOO_MUCH("/v1beta/openai")}},
		{"anthropic",
		 PROVIDER("kind: anthropic, base_url: \"https://api.anthropic.com/v1\""),
		 {"2:44: providers.p.base_url:" TOO_MUCH("/v1")}},
		{"gemini",
		 PROVIDER("kind: gemini, base_url: \"http://h/v1beta\""),
		 {"2:41: providers.p.base_url:" TOO_MUCH("/v1beta")}},
		{"gemini, openai's",
		 PROVIDER("kind: gemini, base_url: \"http://h/v1beta/openai/\""),
		 {"2:41: providers.p.base_url:" TOO_MUCH("/v1beta/openai")}},
		{"azure",
		 PROVIDER("kind: azure, base_url: \"http://h/openai\""),
		 {"2:40: providers.p.base_url:" TOO_MUCH("/openai")}},
		{"azure v1",
		 PROVIDER("kind: azure, base_url: \"http://h/openai/v1\""),
		 {"2:40: providers.p.base_url:" TOO_MUCH("/openai/v1")}},
	};

	fixture_error_rows(FIXTURE_CONF, rows, ARRAY_SIZE(rows));
}

/* The longest names give the longest name of a deployment that the store has room for. */
Test(providers, long_names)
{
	char provider[65], model[192], text[600], want[120];
	struct error_row row = {"a byte too long", text, {want}};
	struct conf *c;

	memset(provider, 'p', 64);
	memset(model, 'm', 191);
	provider[64] = model[190] = '\0';
	snprintf(text, sizeof(text),
		 "models: {m: {deployments: [{provider: %s, model: %s}]}}\n"
		 "providers: {%s: {kind: openai, base_url: \"http://h\"}}\n",
		 provider, model, provider);
	c = fixture_conf(text);
	cr_expect_eq(strlen(c->models[0].deployments[0].provider->name) + 1 +
			     strlen(c->models[0].deployments[0].upstream_model),
		     255);
	conf_free(c);
	model[190] = 'm';
	model[191] = '\0';
	snprintf(text, sizeof(text),
		 "models: {m: {deployments: [{provider: p, model: %s}]}}\n"
		 "providers: {p: {kind: openai, base_url: \"http://h\"}}\n",
		 model);
	snprintf(want, sizeof(want), "1:49: models.m.deployments[0].model: is 191 bytes long; at most 190");
	fixture_error_rows(FIXTURE_CONF, &row, 1);
}

Test(providers, deployment_limits)
{
	static const struct error_row rows[] = {
		{"out of range",
		 "models: {m: {deployments: [{provider: p, requests_per_minute: 4294967296, tokens_per_minute: x}]}}\n"
		 "providers: {p: {kind: openai, base_url: \"http://h\"}}\n",
		 {"1:63: models.m.deployments[0].requests_per_minute: 4294967296 is out of range; from 0 to 4294967295",
		  "1:94: models.m.deployments[0].tokens_per_minute: \"x\" is not a whole number**"}},
	};
	struct conf *c =
		fixture_conf("models: {m: {deployments: [{provider: p}, {provider: p, requests_per_minute: 4000, "
			     "tokens_per_minute: 4294967295}]}}\n"
			     "providers: {p: {kind: gemini, base_url: \"http://h\"}}\n");
	const struct conf_deployment *d = c->models[0].deployments;

	cr_expect(d[0].requests_per_minute == 0 && d[0].tokens_per_minute == 0);
	cr_expect(d[1].requests_per_minute == 4000 && d[1].tokens_per_minute == 4294967295);
	conf_free(c);
	fixture_error_rows(FIXTURE_CONF, rows, ARRAY_SIZE(rows));
}
