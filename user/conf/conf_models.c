#include "conf/conf_models.h"

#include "conf/conf.h"

#include <string.h>

#define SCHEMA(table) .fields = table, .n_fields = ARRAY_SIZE(table)

static const char *broken_name(const char *name, size_t len)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";

	if (!len || len > 64 || strspn(name, alphabet) != len)
		return "is no good name; 1 to 64 of a-z, 0-9, \"_\", \".\" and \"-\"";
	return NULL;
}

static const char *broken_model(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '"' || name[i] == '\\')
			return "is no good model name; printable ASCII without blanks, quotes and backslashes";
	return len && len <= 128 ? NULL : "is no good model name; 1 to 128 characters";
}

static const struct schema_choice provider_kinds[] = {{"openai", PROVIDER_OPENAI},
						      {"anthropic", PROVIDER_ANTHROPIC},
						      {"gemini", PROVIDER_GEMINI},
						      {"azure", PROVIDER_AZURE},
						      {0}};

static const struct schema_field provider_fields[] = {
	{.name = "kind",
	 .type = SCHEMA_CHOICE,
	 .offset = offsetof(struct conf_provider, kind),
	 .choices = provider_kinds,
	 .required = true,
	 .help = "Which API the provider speaks."},
	{.name = "base_url",
	 .type = SCHEMA_URL,
	 .offset = offsetof(struct conf_provider, base_url),
	 .max = 1024,
	 .required = true,
	 .help = "http(s)://host[:port][/prefix]; the API path (/v1/..., /v1beta/..., /openai/...) is appended."},
	{.name = "api_key",
	 .type = SCHEMA_SECRET,
	 .offset = offsetof(struct conf_provider, api_key),
	 .def_text = "none is sent",
	 .help = "Key for the provider: env:NAME or file:PATH, never the key itself."},
	{.name = "ca_file",
	 .type = SCHEMA_FILE,
	 .offset = offsetof(struct conf_provider, ca_file),
	 .def_text = "the system's",
	 .help = "Certificate authorities (PEM) that the provider's certificate is verified against."},
	{.name = "api_version",
	 .type = SCHEMA_STRING,
	 .offset = offsetof(struct conf_provider, api_version),
	 .max = 32,
	 .def_text = "of its kind",
	 .help = "anthropic: date of the header anthropic-version, else 2023-06-01. gemini: v1 or v1beta, else the "
		 "client's, else v1beta. azure: api-version of the deployment paths, such as 2024-10-21; without "
		 "it the v1 API is spoken. Not for openai."},
};

static bool is_date(const char *s, size_t len)
{
	static const char form[] = "dddd-dd-dd";
	int month, day;

	if (len != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < len; i++)
		if (form[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
			return false;
	month = atoi(s + 5);
	day = atoi(s + 8);
	return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/* The rule that the text breaks, or NULL. */
static const char *broken_version(enum provider_kind kind, const char *s)
{
	static const char preview[] = "-preview";
	size_t len = strlen(s), end = sizeof(preview) - 1;

	switch (kind) {
	case PROVIDER_ANTHROPIC:
		return is_date(s, len) ? NULL : "is no version of anthropic; give a date such as 2023-06-01";
	case PROVIDER_GEMINI:
		return !strcmp(s, "v1") || !strcmp(s, "v1beta") ? NULL : "is no version of gemini; give v1 or v1beta";
	case PROVIDER_AZURE:
		if (len > end && !strcmp(s + len - end, preview))
			len -= end;
		return is_date(s, len) ? NULL
				       : "is no version of azure; give a date such as 2024-10-21 or "
					 "2025-04-01-preview, or leave it out for the v1 API";
	default:
		return "has no effect with kind: openai; leave it out";
	}
}

static bool ends_in(const char *s, size_t len, const char *end)
{
	return len > strlen(end) && !strcmp(s + len - strlen(end), end);
}

/* As providers' own pages give it; every call would go to /v1/v1/... Returns the part that is too much, or NULL.
 * Others than Azure serve OpenAI's API below a prefix /openai, and that is no part of the paths then. */
static const char *path_in_url(enum provider_kind kind, const char *url)
{
	static const char *const paths[] = {"/openai/v1", "/v1beta/openai", "/v1", "/v1beta", "/openai"};
	size_t len = strlen(url);

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (ends_in(url, len, paths[i])) {
			if (kind != PROVIDER_OPENAI)
				return paths[i];
			return i == 0 ? "/v1" : i == 4 ? NULL : paths[i];
		}
	return NULL;
}
static void check_provider(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	struct conf_provider *p = base;
	const char *too_much, *broken;

	if (!p->api_key)
		p->api_key = reader_strndup(rd, "", 0);
	if (!p->api_version)
		p->api_version = reader_strndup(rd, "", 0);
	if (rd->nomem || !(given & 1) || reader_has_error(rd, node_get(n, "kind")))
		return;
	too_much = p->base_url ? path_in_url(p->kind, p->base_url) : NULL;
	if (too_much)
		reader_error(rd, node_get(n, "base_url"), "base_url",
			     "ends in %s, which is part of the API paths appended to it; leave it out", too_much);
	broken = *p->api_version ? broken_version(p->kind, p->api_version) : NULL;
	if (broken)
		reader_error(rd, node_get(n, "api_version"), "api_version", "\"%s\" %s", p->api_version, broken);
}

const struct schema conf_provider_schema = {SCHEMA(provider_fields),
					    .size = sizeof(struct conf_provider),
					    .name_offset = offsetof(struct conf_provider, name),
					    .name_text = "NAME",
					    .name_rule = broken_name,
					    .check = check_provider};

static void read_provider(struct reader *rd, const struct schema_field *f, const struct node *n, void *base)
{
	const struct conf *c = rd->root;
	struct conf_deployment *d = base;
	const char *best = NULL;
	size_t cost = SIZE_MAX;

	(void)f;
	if (!n || !reader_scalar(rd, n, "a provider's name"))
		return;
	for (size_t i = 0; i < c->n_providers; i++) {
		if (!c->providers[i].name)
			continue; /* out of memory, which is reported at the end */
		if (!strcmp(c->providers[i].name, n->text)) {
			d->provider = &c->providers[i];
			return;
		}
		schema_suggest_add(c->providers[i].name, n->text, n->len, &best, &cost);
	}
	reader_error(rd, n, NULL, "\"%.64s\" is not in `providers`%s%s%s", n->text,
		     best ? "; did you mean \"" : "; add it there", best ? best : "", best ? "\"?" : "");
}

static const struct schema_field deployment_fields[] = {
	{.name = "provider",
	 .type = SCHEMA_REF,
	 .read = read_provider,
	 .required = true,
	 .help = "A name of `providers`."},
	{.name = "model",
	 .type = SCHEMA_STRING,
	 .offset = offsetof(struct conf_deployment, upstream_model),
	 .max = 190, /* "PROVIDER/MODEL" is a deployment's name in the store: 255 bytes */
	 .def_text = "the public name",
	 .help = "The model's name at the provider."},
	{.name = "weight",
	 .type = SCHEMA_UINT,
	 .offset = offsetof(struct conf_deployment, weight),
	 .min = 1,
	 .max = 1000,
	 .def = "1",
	 .help = "Share of the calls among deployments of the same priority."},
	{.name = "priority",
	 .type = SCHEMA_UINT,
	 .offset = offsetof(struct conf_deployment, priority),
	 .max = 100,
	 .def = "0",
	 .help = "Smaller is tried first; others are the fall-back."},
	{.name = "concurrency",
	 .type = SCHEMA_UINT,
	 .offset = offsetof(struct conf_deployment, concurrency),
	 .max = 1000000,
	 .def = "0",
	 .help = "Calls that it takes at a time, in place of the policy's `bulkheads.deployment.concurrent`; and what "
		 "utilisation, and so the supply factor of prices, is measured against; 0 = not known: the policy's, "
		 "always balanced."},
	{.name = "requests_per_minute",
	 .type = SCHEMA_COUNT,
	 .offset = offsetof(struct conf_deployment, requests_per_minute),
	 .max = UINT32_MAX,
	 .def = "0",
	 .help = "Of the provider's limit, ours to use: beyond it calls go to other deployments; 0 = none."},
	{.name = "tokens_per_minute",
	 .type = SCHEMA_COUNT,
	 .offset = offsetof(struct conf_deployment, tokens_per_minute),
	 .max = UINT32_MAX,
	 .def = "0",
	 .help = "Likewise, prompt and answer together; 0 = none."},
};
static const struct schema deployment_schema = {SCHEMA(deployment_fields), .size = sizeof(struct conf_deployment)};

static const struct schema_field model_fields[] = {
	{.name = "owned_by",
	 .type = SCHEMA_STRING,
	 .offset = offsetof(struct conf_model, owned_by),
	 .max = 128,
	 .def = "tollgate",
	 .help = "As /v1/models shows it."},
	{.name = "output_tokens_default",
	 .type = SCHEMA_UINT,
	 .offset = offsetof(struct conf_model, output_tokens_default),
	 .max = 1u << 24,
	 .def = "1024",
	 .help = "Charged at admission for the answer of a call that names no output cap; its usage corrects it."},
	{.name = "deployments",
	 .type = SCHEMA_LIST,
	 .offset = offsetof(struct conf_model, deployments),
	 .count_offset = offsetof(struct conf_model, n_deployments),
	 .max = 64,
	 .sub = &deployment_schema,
	 .required = true,
	 .help = "Where calls for this model go."},
};

static void check_model(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	struct conf_model *m = base;
	const struct node *list = node_get(n, "deployments");

	(void)given;
	if (list && !m->n_deployments && (node_is_null(list) || (list->type == NODE_LIST && !list->n)))
		reader_error(rd, list, "deployments", "is empty; give at least one {provider: NAME}");
	for (size_t i = 0; i < m->n_deployments; i++)
		if (!m->deployments[i].upstream_model)
			m->deployments[i].upstream_model = m->name;
}

const struct schema conf_model_schema = {
	SCHEMA(model_fields), .size = sizeof(struct conf_model), .name_offset = offsetof(struct conf_model, name),
	.name_text = "MODEL", .name_rule = broken_model,         .check = check_model};
