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
	struct dialect_fault fault;
	const char *body;
	size_t len;

	if (c->target_error) {
		call_error(c, 400, "invalid_request_error", NULL, NULL, c->target_error);
		return CALL_DONE;
	}
	if (c->route == TG_ROUTE_MODELS)
		return CALL_NEXT;
	http_body(c->x, &body, &len);
	if (dialect_request_parse(&c->target, body, len, &c->req, &fault) < 0) {
		call_error(c, 400, "invalid_request_error", NULL, *fault.param ? fault.param : NULL, fault.err.msg);
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

/* The lists of models and single ones end here: the gateway knows the answer. */
static enum call_step answer_models(struct call *c)
{
	const struct catalog *cat = c->wc->catalog;
	const struct catalog_text *text = &cat->list[c->target.dialect];
	const struct catalog_model *m;
	struct answer_headers a;

	if (c->target.model) {
		m = catalog_find(cat, c->target.model, c->target.model_len);
		if (!m)
			return unknown_model(c, c->target.model, c->target.model_len);
		text = &m->object[c->target.dialect];
	}
	answer_headers_init(&a, c);
	answer_header(&a, "content-type", "application/json");
	c->status = 200;
	http_respond(c->x, 200, a.h, a.n, text->data, text->len);
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
