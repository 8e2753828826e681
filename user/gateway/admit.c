/* Parse and admit: what the request asks for, and whether its limits have room. */
#include "gateway/call.h"

#include "gateway/refuse.h"

#include <stdio.h>
#include <string.h>

static enum call_step unknown_model(struct call *c, const char *name, size_t len)
{
	char message[200];

	snprintf(message, sizeof(message), "The model `%.*s` does not exist or you do not have access to it.",
		 (int)(len < 100 ? len : 100), name);
	call_error(c, 404, "invalid_request_error", "model_not_found", "model", message);
	return CALL_DONE;
}

enum call_step call_parse(struct call *c)
{
	const char *body, *param = NULL;
	struct err err;
	size_t len;

	if (c->route == TG_ROUTE_MODELS)
		return CALL_NEXT;
	http_body(c->x, &body, &len);
	if (openai_parse_request(c->route, body, len, &c->req, &param, &err) < 0) {
		call_error(c, 400, "invalid_request_error", NULL, param, err.msg);
		return CALL_DONE;
	}
	c->model = catalog_find(c->wc->catalog, c->req.model, c->req.model_len);
	return c->model ? CALL_NEXT : unknown_model(c, c->req.model, c->req.model_len);
}

uint64_t call_output_cap(const struct call *c)
{
	uint64_t cap = c->req.max_output_tokens;

	if (!cap && c->route != TG_ROUTE_EMBEDDINGS)
		cap = (uint64_t)c->model->output_tokens_default * (c->req.choices ? c->req.choices : 1);
	return cap;
}

static uint64_t tokens_wanted(const struct call *c)
{
	return c->route == TG_ROUTE_MODELS ? 0 : c->req.prompt_tokens_estimate + call_output_cap(c);
}

/* Percent-decoded in place of %2F and the like; NULL when it isn't valid. */
static const char *decode(struct arena *a, const char *s, size_t *ret_len)
{
	char *out = arena_strndup(a, s, strlen(s));
	size_t n = 0;

	for (; out && *s; s++) {
		unsigned v;

		if (*s != '%') {
			out[n++] = *s;
			continue;
		}
		if (sscanf(s + 1, "%2x", &v) != 1 || !s[1] || !s[2] || !v)
			return NULL;
		out[n++] = (char)v;
		s += 2;
	}
	*ret_len = n;
	return out;
}

/* GET /v1/models and /v1/models/{id} end here: the gateway knows the answer. */
static enum call_step answer_models(struct call *c)
{
	static const char root[] = "/v1/models";
	const struct catalog *cat = c->wc->catalog;
	const char *id = http_path(c->x) + sizeof(root) - 1, *text = cat->list;
	size_t len = cat->list_len;
	struct answer_headers a;

	if (*id == '/') {
		const char *name = decode(http_arena(c->x), id + 1, &len);
		const struct catalog_model *m = name ? catalog_find(cat, name, len) : NULL;

		if (!m)
			return unknown_model(c, name ? name : id + 1, name ? len : strlen(id + 1));
		text = m->object;
		len = m->object_len;
	}
	answer_headers_init(&a, c);
	answer_header(&a, "content-type", "application/json");
	c->status = 200;
	http_respond(c->x, 200, a.h, a.n, text, len);
	return CALL_DONE;
}

enum call_step call_admit(struct call *c)
{
	const struct snapshot *s = gateway_snapshot(c->w->gw);
	struct limits_request want = {
		.tenant_subject = c->tenant_subject,
		.key_subject = c->key_subject,
		.route = c->route,
		.tokens = tokens_wanted(c),
	};

	limits_admit(&s->limits, &want, loop_now_ns(c->w->loop), &c->limits);
	if (!c->limits.admitted) {
		meters_verdict(c, TG_VERDICT_ANSWER, c->limits.reason);
		call_refuse(c, c->limits.reason, NULL);
		return CALL_DONE;
	}
	c->admitted = true;
	meters_verdict(c, TG_VERDICT_PASS, TG_REASON_NONE);
	if (c->limits.shadowed)
		meters_verdict(c, TG_VERDICT_SHADOW, c->limits.shadow_reason);
	return c->route == TG_ROUTE_MODELS ? answer_models(c) : CALL_NEXT;
}
