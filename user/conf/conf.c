/* Reading the configuration file. */
#include "conf/conf.h"

#include "conf/file.h"
#include "conf/schema.h"

#include <string.h>

#define CONF_BYTES_MAX ((size_t)4 << 20)
#define CONF_NODES_MAX 400000

/* The snapshot with the memory that its strings and arrays live in. */
struct conf_owned {
	struct conf conf;
	struct arena arena;
};

static int model_compare(const void *a, const void *b)
{
	return strcmp(((const struct conf_model *)a)->name, ((const struct conf_model *)b)->name);
}

static int conf_read(const char *text, size_t len, const char *folder, struct conf **ret, struct conf_errors *errs)
{
	static const struct tree_bounds bounds = {CONF_BYTES_MAX, CONF_NODES_MAX};
	struct conf_owned *o = calloc(1, sizeof(*o));
	struct arena scratch = {0};
	struct node *root = NULL;
	size_t before = errs->count + errs->dropped;
	int rc = ERR_NOMEM;

	if (o)
		rc = tree_parse(text, len, &bounds, &scratch, &root, errs);
	if (rc == 0) {
		struct reader rd = {.errs = errs, .arena = &o->arena, .folder = folder, .root = &o->conf};

		schema_read(&rd, &conf_schema, root, &o->conf);
		if (rd.nomem)
			rc = ERR_NOMEM;
		else if (errs->count + errs->dropped > before)
			rc = ERR_INVAL;
	}
	arena_done(&scratch);
	conf_errors_sort(errs);
	if (rc < 0) {
		conf_free(o ? &o->conf : NULL);
		return rc;
	}
	/* By name for conf_model_find; deployments point to providers, not to models. */
	if (o->conf.n_models)
		qsort(o->conf.models, o->conf.n_models, sizeof(*o->conf.models), model_compare);
	*ret = &o->conf;
	return 0;
}

int conf_parse(const char *text, size_t len, struct conf **ret, struct conf_errors *errs)
{
	return conf_read(text, len, NULL, ret, errs);
}

int conf_load(const char *path, struct conf **ret, struct conf_errors *errs)
{
	_cleanup_(buf_done) struct buf text = BUF_INIT;
	_cleanup_(freep) char *folder = NULL;
	const char *slash = strrchr(path, '/');
	struct err err;
	int rc = file_read(path, CONF_BYTES_MAX, &text, &err);

	if (rc < 0) {
		conf_errors_add(errs, 0, 0, "", "%.300s", err.msg);
		return rc == ERR_NOMEM ? rc : ERR_INVAL;
	}
	folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	if (!folder)
		return ERR_NOMEM;
	return conf_read(text.data, text.len, folder, ret, errs);
}

void conf_free(struct conf *conf)
{
	struct conf_owned *o;

	if (!conf)
		return;
	o = CONTAINER_OF(conf, struct conf_owned, conf);
	for (size_t i = 0; i < conf->n_providers; i++)
		if (conf->providers[i].api_key)
			explicit_bzero(conf->providers[i].api_key, strlen(conf->providers[i].api_key));
	arena_done(&o->arena);
	free(o);
}

const struct conf_model *conf_model_find(const struct conf *conf, const char *name, size_t len)
{
	size_t lo = 0, hi = conf->n_models;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2, mid_len = strlen(conf->models[mid].name);
		int c = memcmp(name, conf->models[mid].name, len < mid_len ? len : mid_len);

		if (!c && len == mid_len)
			return &conf->models[mid];
		if (c < 0 || (!c && len < mid_len))
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}
