/* Errors as each dialect says them. */
#include "sim/sim.h"

#include <string.h>

const struct sim_error sim_stream_failure = {.status = 500, .message = "the simulated model failed in mid-stream"};

struct kind {
	unsigned status;
	const char *type, *code;
};

static const struct kind openai_kinds[] = {
	{400, "invalid_request_error", NULL},
	{401, "invalid_request_error", "invalid_api_key"},
	{403, "invalid_request_error", "permission_denied"},
	{404, "invalid_request_error", "not_found"},
	{405, "invalid_request_error", "method_not_supported"},
	{429, "requests", "rate_limit_exceeded"},
	{503, "server_error", "server_is_overloaded"},
};

static const struct kind anthropic_kinds[] = {
	{400, "invalid_request_error", NULL}, {401, "authentication_error", NULL}, {402, "billing_error", NULL},
	{403, "permission_error", NULL},      {404, "not_found_error", NULL},      {409, "conflict_error", NULL},
	{413, "request_too_large", NULL},     {429, "rate_limit_error", NULL},     {504, "timeout_error", NULL},
	{503, "overloaded_error", NULL},      {529, "overloaded_error", NULL},
};

static const struct kind gemini_kinds[] = {
	{400, "INVALID_ARGUMENT", NULL},  {401, "UNAUTHENTICATED", NULL},   {402, "FAILED_PRECONDITION", NULL},
	{403, "PERMISSION_DENIED", NULL}, {404, "NOT_FOUND", NULL},         {405, "NOT_FOUND", NULL},
	{409, "ABORTED", NULL},           {413, "INVALID_ARGUMENT", NULL},  {429, "RESOURCE_EXHAUSTED", NULL},
	{503, "UNAVAILABLE", NULL},       {504, "DEADLINE_EXCEEDED", NULL},
};

static struct kind kind_of(const struct kind *table, size_t n, unsigned status, const char *client, const char *server)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].status == status)
			return table[i];
	return (struct kind){status, status < 500 ? client : server, NULL};
}

static void put_or_null(struct buf *o, const char *text)
{
	if (text && *text)
		buf_put_json_string(o, text, strlen(text));
	else
		SIM_PUT(o, "null");
}

static void openai_object(const struct sim_error *e, struct buf *o)
{
	struct kind k =
		kind_of(openai_kinds, ARRAY_SIZE(openai_kinds), e->status, "invalid_request_error", "server_error");

	SIM_PUT(o, "{\"message\":");
	buf_put_json_string(o, e->message, strlen(e->message));
	SIM_PUT(o, ",\"type\":");
	put_or_null(o, e->type ? e->type : k.type);
	SIM_PUT(o, ",\"param\":");
	put_or_null(o, e->param);
	SIM_PUT(o, ",\"code\":");
	put_or_null(o, e->code ? e->code : k.code);
	buf_putc(o, '}');
}

/* Azure's codes are the status' digits where it has no word. */
static void azure_object(const struct sim_error *e, struct buf *o)
{
	if (e->param || e->type) {
		openai_object(e, o);
		return;
	}
	SIM_PUT(o, "{\"code\":");
	if (e->code)
		put_or_null(o, e->code);
	else
		buf_printf(o, "\"%u\"", e->status);
	SIM_PUT(o, ",\"message\":");
	buf_put_json_string(o, e->message, strlen(e->message));
	buf_putc(o, '}');
}

static void anthropic_object(const struct sim_error *e, struct buf *o)
{
	struct kind k =
		kind_of(anthropic_kinds, ARRAY_SIZE(anthropic_kinds), e->status, "invalid_request_error", "api_error");

	SIM_PUT(o, "{\"type\":");
	put_or_null(o, k.type);
	SIM_PUT(o, ",\"message\":");
	buf_put_json_string(o, e->message, strlen(e->message));
	buf_putc(o, '}');
}

static void put_violation(const struct sim_error *e, struct buf *o)
{
	SIM_PUT(o, "{\"@type\":\"type.googleapis.com/google.rpc.BadRequest\",\"fieldViolations\":[{\"field\":");
	put_or_null(o, e->param);
	SIM_PUT(o, ",\"description\":");
	buf_put_json_string(o, e->message, strlen(e->message));
	SIM_PUT(o, "}]}");
}

static void put_quota(struct buf *o)
{
	SIM_PUT(o, "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":[{\"quotaMetric\":"
		   "\"generativelanguage.googleapis.com/generate_content_requests\",\"quotaId\":"
		   "\"GenerateRequestsPerDayPerProjectPerModel\",\"quotaValue\":\"250\"}]}");
}

/* "1.5s" */
static void put_retry(uint64_t ms, struct buf *o)
{
	SIM_PUT(o, "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"");
	sim_put_uint(o, ms / 1000);
	if (ms % 1000)
		buf_printf(o, ".%03u", (unsigned)(ms % 1000));
	SIM_PUT(o, "s\"}");
}

static void gemini_object(const struct sim_error *e, struct buf *o)
{
	struct kind k = kind_of(gemini_kinds, ARRAY_SIZE(gemini_kinds), e->status, "INVALID_ARGUMENT", "INTERNAL");

	buf_printf(o, "{\"code\":%u,\"message\":", e->status);
	buf_put_json_string(o, e->message, strlen(e->message));
	SIM_PUT(o, ",\"status\":");
	put_or_null(o, k.type);
	if (e->param || e->quota || e->retry_ms)
		SIM_PUT(o, ",\"details\":[");
	if (e->param)
		put_violation(e, o);
	else if (e->quota)
		put_quota(o);
	else if (e->retry_ms)
		put_retry(e->retry_ms, o);
	if (e->param || e->quota || e->retry_ms)
		buf_putc(o, ']');
	buf_putc(o, '}');
}

static void error_object(enum tg_dialect d, const struct sim_error *e, struct buf *o)
{
	switch (d) {
	case TG_DIALECT_ANTHROPIC:
		anthropic_object(e, o);
		break;
	case TG_DIALECT_GEMINI:
		gemini_object(e, o);
		break;
	case TG_DIALECT_AZURE:
		azure_object(e, o);
		break;
	default:
		openai_object(e, o);
	}
}

void sim_error_render(enum tg_dialect d, const struct sim_error *e, uint64_t id, struct buf *o)
{
	buf_puts(o, d == TG_DIALECT_ANTHROPIC ? "{\"type\":\"error\",\"error\":" : "{\"error\":");
	error_object(d, e, o);
	if (d == TG_DIALECT_ANTHROPIC) {
		SIM_PUT(o, ",\"request_id\":\"req_sim");
		sim_put_hex16(o, id);
		buf_putc(o, '"');
	}
	buf_putc(o, '}');
}
