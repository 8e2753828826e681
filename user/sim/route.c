/* Which path is whose: keys, versions, and the call that a body is. */
#include "sim/check.h"
#include "sim/conn.h"
#include "sim/table.h"

#include "upstream/upstream.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct route {
	const char *method, *path; /* a '*' stands for one name, which may have no '/' in it */
	enum tg_dialect dialect;
	const struct sim_wire *wire;                                    /* of a call */
	void (*serve)(struct sim_conn *c, const struct sim_request *r); /* the simulator's own; no key, not counted */
	bool models;                                                    /* a list of models, or one */
	bool stream;                                                    /* the path says so */
	bool versioned;                                                 /* wants ?api-version= */
};

static const struct route routes[] = {
	{"POST", "/v1/chat/completions", TG_DIALECT_OPENAI, .wire = &sim_wire_chat},
	{"POST", "/v1/messages", TG_DIALECT_ANTHROPIC, .wire = &sim_wire_messages},
	{"POST", "/v1/responses", TG_DIALECT_OPENAI, .wire = &sim_wire_responses},
	{"POST", "/v1/embeddings", TG_DIALECT_OPENAI, .wire = &sim_wire_embeddings},
	{"POST", "/v1beta/models/*:generateContent", TG_DIALECT_GEMINI, .wire = &sim_wire_gemini},
	{"POST", "/v1beta/models/*:streamGenerateContent", TG_DIALECT_GEMINI, .wire = &sim_wire_gemini, .stream = true},
	{"POST", "/v1/models/*:generateContent", TG_DIALECT_GEMINI, .wire = &sim_wire_gemini},
	{"POST", "/v1/models/*:streamGenerateContent", TG_DIALECT_GEMINI, .wire = &sim_wire_gemini, .stream = true},
	{"POST", "/openai/deployments/*/chat/completions", TG_DIALECT_AZURE, .wire = &sim_wire_chat, .versioned = true},
	{"POST", "/openai/deployments/*/embeddings", TG_DIALECT_AZURE, .wire = &sim_wire_embeddings, .versioned = true},
	{"POST", "/openai/v1/chat/completions", TG_DIALECT_AZURE, .wire = &sim_wire_chat},
	{"POST", "/openai/v1/responses", TG_DIALECT_AZURE, .wire = &sim_wire_responses},
	{"POST", "/openai/v1/embeddings", TG_DIALECT_AZURE, .wire = &sim_wire_embeddings},
	{"GET", "/openai/v1/models", TG_DIALECT_AZURE, .models = true},
	{"GET", "/openai/v1/models/*", TG_DIALECT_AZURE, .models = true},
	{"GET", "/v1/models", TG_DIALECT_OPENAI, .models = true},
	{"GET", "/v1/models/*", TG_DIALECT_OPENAI, .models = true},
	{"GET", "/v1beta/models", TG_DIALECT_GEMINI, .models = true},
	{"GET", "/v1beta/models/*", TG_DIALECT_GEMINI, .models = true},
	{"GET", "/_sim/stats", TG_DIALECT_OPENAI, .serve = sim_serve_stats},
	{"GET", "/_sim/last", TG_DIALECT_OPENAI, .serve = sim_serve_last},
	{"POST", "/_sim/script", TG_DIALECT_OPENAI, .serve = sim_serve_script},
	{"DELETE", "/_sim/script", TG_DIALECT_OPENAI, .serve = sim_serve_script},
};

/* What the '*' stands for. */
struct capture {
	const char *at;
	size_t len;
};

static bool path_matches(const char *pattern, const char *path, size_t len, struct capture *ret)
{
	const char *star = strchr(pattern, '*');
	size_t before = star ? (size_t)(star - pattern) : strlen(pattern), after = star ? strlen(star + 1) : 0;

	*ret = (struct capture){0};
	if (!star)
		return len == before && memcmp(path, pattern, len) == 0;
	if (len <= before + after || memcmp(path, pattern, before) != 0 ||
	    memcmp(path + len - after, star + 1, after) != 0)
		return false;
	*ret = (struct capture){path + before, len - before - after};
	return !memchr(ret->at, '/', ret->len);
}

static bool method_is(const struct sim_request *r, const char *method)
{
	return r->method_len == strlen(method) && memcmp(r->method, method, r->method_len) == 0;
}

/* NULL: no such path; *ret_allow: with that method it would be one. */
static const struct route *route_find(const struct sim_request *r, struct capture *ret, const char **ret_allow)
{
	const char *query = memchr(r->path, '?', r->path_len);
	size_t len = query ? (size_t)(query - r->path) : r->path_len;

	*ret_allow = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!path_matches(routes[i].path, r->path, len, ret))
			continue;
		if (method_is(r, routes[i].method))
			return &routes[i];
		if (routes[i].path[strlen(routes[i].path) - 1] != '*') /* else it may be anything */
			*ret_allow = routes[i].method;
	}
	return NULL;
}

/* Whose words a refusal of an unknown path is in. */
static enum tg_dialect dialect_of_path(const struct sim_request *r)
{
	static const struct {
		const char *prefix;
		enum tg_dialect dialect;
	} prefixes[] = {{"/openai/", TG_DIALECT_AZURE},
			{"/v1beta/", TG_DIALECT_GEMINI},
			{"/v1/messages", TG_DIALECT_ANTHROPIC}};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (r->path_len >= strlen(prefixes[i].prefix) &&
		    memcmp(r->path, prefixes[i].prefix, strlen(prefixes[i].prefix)) == 0)
			return prefixes[i].dialect;
	return TG_DIALECT_OPENAI;
}

/* ---- headers */

static long header(const struct sim_request *r, const char *name, const char **ret)
{
	return upstream_header(r->headers, r->headers_len, name, ret);
}

static bool key_is(const struct sim_config *cfg, const char *key, long len)
{
	return len > 0 && (!cfg->key || ((size_t)len == strlen(cfg->key) && memcmp(key, cfg->key, (size_t)len) == 0));
}

static bool bearer_is(const struct sim_config *cfg, const struct sim_request *r)
{
	const char *v;
	long n = header(r, "authorization", &v);

	return n > 7 && strncasecmp(v, "Bearer ", 7) == 0 && key_is(cfg, v + 7, n - 7);
}

/* The dialect's own headers and no other's. */
static bool authorized(const struct sim_config *cfg, const struct sim_request *r, const struct route *route,
		       enum tg_dialect d)
{
	const char *v;
	long n;

	if (!cfg->require_key)
		return true;
	switch (d) {
	case TG_DIALECT_ANTHROPIC:
		n = header(r, "x-api-key", &v);
		return key_is(cfg, v, n) || bearer_is(cfg, r);
	case TG_DIALECT_GEMINI:
		n = header(r, "x-goog-api-key", &v);
		if (n < 0)
			n = sim_request_query(r, "key", &v);
		return key_is(cfg, v, n);
	case TG_DIALECT_AZURE:
		n = header(r, "api-key", &v);
		return key_is(cfg, v, n) || (!route->versioned && bearer_is(cfg, r));
	default:
		return bearer_is(cfg, r);
	}
}

/* Three dialects have their list at the same path. */
static enum tg_dialect dialect_of_models(const struct sim_request *r, const struct route *route)
{
	const char *v;

	if (route->dialect != TG_DIALECT_OPENAI)
		return route->dialect;
	if (header(r, "anthropic-version", &v) > 0 || header(r, "x-api-key", &v) > 0)
		return TG_DIALECT_ANTHROPIC;
	return header(r, "x-goog-api-key", &v) > 0 ? TG_DIALECT_GEMINI : TG_DIALECT_OPENAI;
}

static void refuse(struct sim_conn *c, unsigned status, const char *code, const char *message, const char *extra)
{
	sim_refuse(c, &(struct sim_error){.status = status, .code = code, .message = message}, extra);
}

/* ---- calls */

static bool version_read(struct sim_conn *c, const struct sim_request *r, struct sim_reader *reader)
{
	const char *v;
	long n = header(r, "anthropic-version", &v);

	if (n == 10 && memcmp(v, "2026-10-21", 10) == 0)
		reader->new_rules = true;
	else if (n <= 0)
		refuse(c, 400, NULL, "anthropic-version: header is required", "");
	else if (n != 10 || (memcmp(v, "2023-06-01", 10) != 0 && memcmp(v, "2023-01-01", 10) != 0))
		refuse(c, 400, NULL, "anthropic-version: this is not a valid version", "");
	else
		return true;
	return reader->new_rules;
}

/* What there is to say before the body is looked at. False: it was said. */
static bool target_read(struct sim_conn *c, const struct sim_request *r, const struct route *route,
			const struct capture *name, struct sim_reader *reader)
{
	const char *v;

	if (name->at && !sim_name_read(&c->worker->spare, name->at, name->len, c->job.model)) {
		refuse(c, 404, route->dialect == TG_DIALECT_AZURE ? "DeploymentNotFound" : NULL, "no such model", "");
		return false;
	}
	if (route->versioned && sim_request_query(r, "api-version", &v) <= 0) {
		refuse(c, 404, NULL, "Resource not found: the query has no api-version", "");
		return false;
	}
	if (route->stream && (sim_request_query(r, "alt", &v) != 3 || memcmp(v, "sse", 3) != 0)) {
		refuse(c, 400, NULL, "alt: this simulator streams server-sent events only (alt=sse)", "");
		return false;
	}
	c->job.stream = route->stream;
	return route->dialect != TG_DIALECT_ANTHROPIC || version_read(c, r, reader);
}

static void refuse_body(struct sim_conn *c, const struct sim_refusal *why)
{
	struct sim_error e = {.status = 400,
			      .code = why->code,
			      .param = why->param[0] ? why->param : NULL,
			      .message =
				      why->message[0] ? why->message : "could not parse the JSON body of the request"};

	sim_count(&c->worker->stats.refused_by_dialect[c->job.dialect], 1);
	sim_refuse(c, &e, "");
}

static void serve_call(struct sim_conn *c, const struct sim_request *r, const struct route *route,
		       const struct capture *name)
{
	struct sim_worker *w = c->worker;
	struct sim_reader reader = {.config = w->config, .job = &c->job, .spare = &w->spare};
	struct json_span body;
	struct sim_model *model;
	char scripted[64];
	bool good, script;

	c->job.wire = route->wire;
	sim_job_begin(&c->job, w->config);
	sim_count(&w->stats.by_dialect[c->job.dialect], 1);
	if (!target_read(c, r, route, name, &reader))
		return;
	good = json_scan_value(r->body, r->body_len, &body, NULL) == 0 && route->wire->read(&reader, &body);
	if (!good && !c->job.model[0] && reader.model.type == JSON_SPAN_STRING)
		(void)sim_model_take(&reader);
	model = c->job.model[0] ? sim_table_get(w->table, c->job.model) : NULL;
	if (model)
		sim_model_request(model, r->method, (size_t)(r->body - r->method), r->body, r->body_len);
	if (!good) {
		refuse_body(c, &reader.refusal);
		return;
	}
	script = model && sim_model_script_next(model, scripted, sizeof(scripted));
	sim_job_settle(&reader, script ? scripted : NULL);
	sim_count(route->wire == &sim_wire_embeddings ? &w->stats.embeddings : &w->stats.chat, 1);
	if (c->job.stream) {
		sim_count(&w->stats.streams, 1);
		sim_count(&w->stats.streams_by_dialect[c->job.dialect], 1);
	}
	if (model)
		sim_model_begin(model);
	c->model = model;
	sim_answer_start(c);
}

static void serve_models(struct sim_conn *c, const struct capture *name)
{
	struct buf *b = &c->worker->body;

	sim_count(&c->worker->stats.models, 1);
	buf_reset(b);
	if (name->at)
		sim_model_render(c->job.dialect, name->at, name->len, b);
	else
		sim_models_render(c->job.dialect, b);
	sim_respond(c, 200, SIM_JSON, "", b);
}

void sim_request_serve(struct sim_conn *c, const struct sim_request *r)
{
	struct capture name;
	const char *allow;
	const struct route *route = route_find(r, &name, &allow);
	char extra[32];

	c->job = (struct sim_job){.id = c->worker->next_id++};
	c->job.dialect = !route ? dialect_of_path(r) : route->models ? dialect_of_models(r, route) : route->dialect;
	c->close_after = c->close_after || r->close;
	if (!route || !route->serve)
		sim_count(&c->worker->stats.requests, 1);
	if (!route && allow) {
		snprintf(extra, sizeof(extra), "Allow: %s\r\n", allow);
		refuse(c, 405, NULL, "method not allowed", extra);
	} else if (!route) {
		refuse(c, 404, NULL, "unknown request URL", "");
	} else if (route->serve) {
		route->serve(c, r);
	} else if (!authorized(c->worker->config, r, route, c->job.dialect)) {
		refuse(c, 401, NULL, "you didn't provide a valid API key", "");
	} else if (route->models) {
		serve_models(c, &name);
	} else {
		serve_call(c, r, route, &name);
	}
}
