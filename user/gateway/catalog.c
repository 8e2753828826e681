#include "gateway/catalog.h"

#include "base/buf.h"
#include "dialect/dialect.h"

#include <stdio.h>
#include <string.h>

static uint32_t name_hash(const char *s, size_t len)
{
	uint32_t h = 2166136261u; /* FNV-1a: names are the operator's, not an attacker's, and the table is half empty */

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * 16777619u;
	return h;
}

static int make_provider(struct catalog_provider *p, const struct conf_provider *conf, unsigned index)
{
	struct buf b = BUF_INIT;

	p->conf = conf;
	p->index = index;
	if (dialect_upstream_headers((enum provider_kind)conf->kind, conf->api_key ? conf->api_key : "", &b) < 0)
		b.failed = true;
	p->headers_len = b.len;
	p->headers = buf_steal(&b);
	buf_done(&b);
	return p->headers ? 0 : ERR_NOMEM;
}

static int by_priority(const void *a, const void *b)
{
	const struct catalog_deployment *da = a, *db = b;

	return da->priority < db->priority ? -1 : da->priority > db->priority;
}

static const char *owner_of(const struct conf_model *m)
{
	return m->owned_by ? m->owned_by : "tollgate";
}

/* OpenAI's, Anthropic's and Azure's texts are one. */
static bool shares_texts(unsigned dialect)
{
	return dialect == TG_DIALECT_ANTHROPIC || dialect == TG_DIALECT_AZURE;
}

static bool keep_text(struct buf *b, struct catalog_text *ret)
{
	ret->len = b->len;
	ret->data = buf_steal(b);
	return ret->data;
}

static void free_texts(struct catalog_text *t)
{
	for (unsigned d = 0; d < TG_DIALECT_COUNT; d++)
		if (!shares_texts(d))
			free(t[d].data);
}

static int make_model(struct catalog *c, struct catalog_model *m, const struct conf_model *conf, int64_t created_s)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT;

	m->name = conf->name;
	m->name_len = strlen(conf->name);
	m->n_deployments = (unsigned)(conf->n_deployments < CATALOG_DEPLOYMENTS_MAX ? conf->n_deployments
										    : CATALOG_DEPLOYMENTS_MAX);
	m->deployments = calloc(m->n_deployments + 1, sizeof(*m->deployments));
	if (!m->deployments)
		return ERR_NOMEM;
	for (unsigned i = 0; i < m->n_deployments; i++) {
		const struct conf_deployment *d = &conf->deployments[i];

		m->deployments[i] = (struct catalog_deployment){
			.provider = &c->providers[d->provider - c->conf->providers],
			.upstream_model = d->upstream_model,
			.weight = d->weight ? d->weight : 1,
			.priority = d->priority,
			.concurrency = d->concurrency,
		};
	}
	m->output_tokens_default = conf->output_tokens_default;
	qsort(m->deployments, m->n_deployments, sizeof(*m->deployments), by_priority);
	for (unsigned i = 0; i < m->n_deployments; i++)
		m->deployments[i].index = c->n_deployments++;
	for (unsigned d = 0; d < TG_DIALECT_COUNT; d++) {
		buf_reset(&b);
		if (shares_texts(d))
			m->object[d] = m->object[TG_DIALECT_OPENAI];
		else if (dialect_model_object((enum tg_dialect)d, conf->name, owner_of(conf), created_s, &b) < 0 ||
			 !keep_text(&b, &m->object[d]))
			return ERR_NOMEM;
	}
	return 0;
}

static int make_list(struct catalog *c, int64_t created_s)
{
	_cleanup_(buf_done) struct buf b = BUF_INIT;
	struct dialect_model *models = calloc(c->n_models + 1, sizeof(*models));
	int rc = models ? 0 : ERR_NOMEM;

	for (size_t i = 0; models && i < c->n_models; i++)
		models[i] = (struct dialect_model){c->models[i].name, owner_of(&c->conf->models[i])};
	for (unsigned d = 0; rc == 0 && d < TG_DIALECT_COUNT; d++) {
		buf_reset(&b);
		if (shares_texts(d))
			c->list[d] = c->list[TG_DIALECT_OPENAI];
		else if (dialect_model_list((enum tg_dialect)d, models, c->n_models, created_s, &b) < 0 ||
			 !keep_text(&b, &c->list[d]))
			rc = ERR_NOMEM;
	}
	free(models);
	return rc;
}

static int make_hash(struct catalog *c)
{
	uint32_t cap = 16;

	while (cap < 2 * c->n_models + 1)
		cap *= 2;
	c->hash = calloc(cap, sizeof(*c->hash));
	if (!c->hash)
		return ERR_NOMEM;
	c->hash_mask = cap - 1;
	for (uint32_t m = 0; m < c->n_models; m++) {
		uint32_t i = name_hash(c->models[m].name, c->models[m].name_len) & c->hash_mask;

		while (c->hash[i])
			i = (i + 1) & c->hash_mask;
		c->hash[i] = m + 1;
	}
	return 0;
}

static int build(struct catalog *c, int64_t created_s)
{
	const struct conf *conf = c->conf;

	c->providers = calloc(conf->n_providers + 1, sizeof(*c->providers));
	c->models = calloc(conf->n_models + 1, sizeof(*c->models));
	if (!c->providers || !c->models)
		return ERR_NOMEM;
	for (; c->n_providers < conf->n_providers; c->n_providers++)
		if (make_provider(&c->providers[c->n_providers], &conf->providers[c->n_providers],
				  (unsigned)c->n_providers) < 0)
			return ERR_NOMEM;
	for (; c->n_models < conf->n_models; c->n_models++)
		if (make_model(c, &c->models[c->n_models], &conf->models[c->n_models], created_s) < 0)
			return ERR_NOMEM;
	return make_list(c, created_s) < 0 || make_hash(c) < 0 ? ERR_NOMEM : 0;
}

int catalog_new(struct conf *conf, unsigned version, int64_t created_s, struct catalog **ret, struct err *err)
{
	struct catalog *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(err, ERR_NOMEM, "no memory for the catalog of models");
	c->conf = conf;
	c->version = version;
	c->refs = 1;
	if (build(c, created_s) < 0) {
		c->conf = NULL; /* stays the caller's */
		catalog_free(c);
		return err_set(err, ERR_NOMEM, "no memory for the catalog of models");
	}
	*ret = c;
	return 0;
}

void catalog_free(struct catalog *c)
{
	if (!c)
		return;
	catalog_unbind_health(c);
	for (size_t i = 0; c->providers && i < c->n_providers; i++) {
		if (c->providers[i].headers)
			explicit_bzero(c->providers[i].headers, c->providers[i].headers_len);
		free(c->providers[i].headers);
	}
	for (size_t i = 0; c->models && i <= c->n_models;
	     i++) { /* the one under construction too: the array has room */
		free(c->models[i].deployments);
		free_texts(c->models[i].object);
	}
	free(c->providers);
	free(c->models);
	free(c->hash);
	free_texts(c->list);
	conf_free(c->conf);
	free(c);
}

const struct catalog_model *catalog_find(const struct catalog *c, const char *name, size_t len)
{
	for (uint32_t i = name_hash(name, len) & c->hash_mask; c->hash[i]; i = (i + 1) & c->hash_mask) {
		const struct catalog_model *m = &c->models[c->hash[i] - 1];

		if (m->name_len == len && !memcmp(m->name, name, len))
			return m;
	}
	return NULL;
}
