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
	 .help = "Wire dialect of the provider."},
	{.name = "base_url",
	 .type = SCHEMA_URL,
	 .offset = offsetof(struct conf_provider, base_url),
	 .max = 1024,
	 .required = true,
	 .help = "http(s)://host[:port][/prefix]; the API path (/v1/...) is appended."},
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
};
static void check_provider(struct reader *rd, void *base, const struct node *n, uint64_t given)
{
	struct conf_provider *p = base;
	size_t len = p->base_url ? strlen(p->base_url) : 0;

	(void)given;
	if (!p->api_key)
		p->api_key = reader_strndup(rd, "", 0);
	/* As providers' own pages give it; every call would go to /v1/v1/... */
	if (len > 3 && !strcmp(p->base_url + len - 3, "/v1"))
		reader_error(rd, node_get(n, "base_url"), "base_url",
			     "ends in /v1, which is part of the API paths appended to it; leave it out");
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
	 .max = 256,
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
	 .help = "Calls that it takes at a time: what utilisation, and so the supply factor of prices, is measured "
		 "against; 0 = not known, always balanced."},
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
