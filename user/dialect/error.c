/* Refusals and errors in the four dialects' shapes. One table: the daemon and the NIC read it. Texts of the NIC's are
 * short: an answer has to fit where its request was (bpf/io.h). When to retry is in the headers. */
#include "dialect/dialect.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct dialect_refusal refusals[TG_REASON_COUNT] = {
	[TG_REASON_NO_KEY] = {401, "invalid_request_error", "invalid_api_key",
			      "You didn't provide an API key. Send it as 'Authorization: Bearer KEY'.", false},
	[TG_REASON_UNKNOWN_KEY] = {401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.",
				   false},
	[TG_REASON_UNKNOWN_ROUTE] = {404, "invalid_request_error", "unknown_url", "Unknown request URL.", false},
	[TG_REASON_HEAD_AMBIGUOUS] = {400, "invalid_request_error", "ambiguous_request",
				      "The request's headers contradict each other.", false},
	[TG_REASON_KEY_DISABLED] = {403, "permission_error", "key_disabled", "This API key is disabled.", false},
	[TG_REASON_KEY_BLOCKED] = {403, "permission_error", "key_blocked", "This API key is blocked.", false},
	[TG_REASON_TENANT_DISABLED] = {403, "permission_error", "account_disabled", "This account is disabled.", false},
	[TG_REASON_GLOBAL_REQUESTS] = {429, "requests", "rate_limit_exceeded", "Gateway's request limit reached.",
				       false},
	[TG_REASON_TENANT_REQUESTS] = {429, "requests", "rate_limit_exceeded", "Account's request limit reached.",
				       false},
	[TG_REASON_KEY_REQUESTS] = {429, "requests", "rate_limit_exceeded", "API key's request limit reached.", false},
	[TG_REASON_ROUTE_REQUESTS] = {429, "requests", "rate_limit_exceeded", "API method's request limit reached.",
				      false},
	[TG_REASON_KEY_TOKENS] = {429, "tokens", "rate_limit_exceeded", "API key's token limit reached.", false},
	[TG_REASON_TOO_LARGE] = {400, "invalid_request_error", "request_too_large",
				 "The request asks for more tokens than this API key's limit can ever admit. "
				 "Shorten the input or lower max_completion_tokens.",
				 false},
	[TG_REASON_STATE_FULL] = {503, "server_error", "server_is_overloaded",
				  "The gateway is overloaded. Please retry later.", false},
	[TG_REASON_CIRCUIT_OPEN] = {503, "server_error", "circuit_open", "No provider of this API method is available.",
				    false},
	[TG_REASON_BULKHEAD_FULL] = {503, "server_error", "too_many_concurrent_requests",
				     "Too many requests are under way. Please retry later.", false},
	[TG_REASON_INTERNAL] = {500, "server_error", "internal_error", "The gateway failed to handle the request.",
				false},
};

struct dialect_refusal dialect_refusal_of(enum tg_reason reason)
{
	if ((unsigned)reason >= TG_REASON_COUNT || !refusals[reason].status)
		return (struct dialect_refusal){0};
	return refusals[reason];
}

static const struct dialect_refusal money[DIALECT_MONEY_REASONS] = {
	[DIALECT_MONEY_CREDIT_EXHAUSTED] = {402, "insufficient_quota", "credit_balance_exhausted",
					    "Your account's balance doesn't cover this request. Add credit, or lower "
					    "max_completion_tokens.",
					    .final = true},
	[DIALECT_MONEY_UNAVAILABLE] = {503, "server_error", "billing_unavailable",
				       "Requests can't be billed at the moment, so none are taken. Please retry later.",
				       false},
	[DIALECT_MONEY_NOT_PRICED] = {503, "server_error", "model_not_priced",
				      "This model has no price yet. Please ask the operator of this gateway.",
				      .final = true},
	[DIALECT_MONEY_IDEMPOTENCY_INVALID] = {400, "invalid_request_error", "idempotency_key_invalid",
					       "An Idempotency-Key is 1 to 255 printable ASCII characters.",
					       .final = true},
	[DIALECT_MONEY_IDEMPOTENCY_IN_USE] =
		{409, "invalid_request_error", "idempotency_key_in_use",
		 "A request with this Idempotency-Key is still under way. Retry to get its "
		 "answer.",
		 false},
	[DIALECT_MONEY_IDEMPOTENCY_REUSED] = {409, "invalid_request_error", "idempotency_key_reused",
					      "This Idempotency-Key was used with another request body. Use a new one.",
					      .final = true},
};

struct dialect_refusal dialect_money_refusal(enum dialect_money reason)
{
	assert((unsigned)reason < DIALECT_MONEY_REASONS);
	return money[reason];
}

/* ---- bodies */

static void put_text(struct buf *out, const char *s)
{
	buf_put_json_string(out, s, strlen(s));
}

static void put_text_or_null(struct buf *out, const char *s)
{
	if (s)
		put_text(out, s);
	else
		buf_puts(out, "null");
}

static void openai_body(const struct dialect_error *e, struct buf *out)
{
	buf_puts(out, "{\"error\":{\"message\":");
	put_text(out, e->message);
	buf_puts(out, ",\"type\":");
	put_text(out, e->type);
	buf_puts(out, ",\"param\":");
	put_text_or_null(out, e->param);
	buf_puts(out, ",\"code\":");
	put_text_or_null(out, e->code);
	buf_puts(out, "}}");
}

/* Dialects without a `param` have it in front of the message, unless that names it anyway. */
static void put_message(const struct dialect_error *e, struct buf *out)
{
	char text[DIALECT_PARAM_MAX + 1100];

	if (e->param && *e->param && !strstr(e->message, e->param))
		snprintf(text, sizeof(text), "%s: %s", e->param, e->message);
	else
		snprintf(text, sizeof(text), "%s", e->message);
	put_text(out, text);
}

struct status_name {
	int status;
	const char *name;
};

static const char *name_of(const struct status_name *names, size_t n, int status, const char *client,
			   const char *server)
{
	for (size_t i = 0; i < n; i++)
		if (names[i].status == status)
			return names[i].name;
	return status >= 500 ? server : client;
}

static void anthropic_body(const struct dialect_error *e, struct buf *out)
{
	static const struct status_name types[] = {
		{401, "authentication_error"}, {402, "billing_error"},    {403, "permission_error"},
		{404, "not_found_error"},      {408, "timeout_error"},    {409, "conflict_error"},
		{413, "request_too_large"},    {429, "rate_limit_error"}, {503, "overloaded_error"},
		{504, "timeout_error"},        {529, "overloaded_error"},
	};

	buf_puts(out, "{\"type\":\"error\",\"error\":{\"type\":");
	put_text(out, name_of(types, ARRAY_SIZE(types), e->status, "invalid_request_error", "api_error"));
	buf_puts(out, ",\"message\":");
	put_message(e, out);
	buf_putc(out, '}');
	if (e->request_id) {
		buf_puts(out, ",\"request_id\":");
		put_text(out, e->request_id);
	}
	buf_putc(out, '}');
}

/* As Google's reasons are written: UPPER_SNAKE_CASE. */
static void put_reason(const char *code, struct buf *out)
{
	buf_putc(out, '"');
	for (; *code; code++)
		buf_putc(out, isalnum((unsigned char)*code) ? (char)toupper((unsigned char)*code) : '_');
	buf_putc(out, '"');
}

static void gemini_body(const struct dialect_error *e, struct buf *out)
{
	static const struct status_name statuses[] = {
		{401, "UNAUTHENTICATED"},   {402, "FAILED_PRECONDITION"}, {403, "PERMISSION_DENIED"},
		{404, "NOT_FOUND"},         {405, "NOT_FOUND"},           {408, "DEADLINE_EXCEEDED"},
		{409, "ABORTED"},           {429, "RESOURCE_EXHAUSTED"},  {503, "UNAVAILABLE"},
		{504, "DEADLINE_EXCEEDED"}, {529, "UNAVAILABLE"},
	};

	buf_printf(out, "{\"error\":{\"code\":%d,\"message\":", e->status);
	put_message(e, out);
	buf_puts(out, ",\"status\":");
	put_text(out, name_of(statuses, ARRAY_SIZE(statuses), e->status, "INVALID_ARGUMENT", "INTERNAL"));
	buf_puts(out, ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":");
	put_reason(e->code ? e->code : e->type, out);
	buf_puts(out, ",\"domain\":\"tollgate\"}]}}");
}

int dialect_error_body(enum tg_dialect d, const struct dialect_error *e, struct buf *out)
{
	switch (d) {
	case TG_DIALECT_OPENAI:
	case TG_DIALECT_AZURE:
		openai_body(e, out);
		break;
	case TG_DIALECT_ANTHROPIC:
		anthropic_body(e, out);
		break;
	case TG_DIALECT_GEMINI:
		gemini_body(e, out);
		break;
	case TG_DIALECT_COUNT:
		assert(0);
	}
	return out->failed ? ERR_NOMEM : 0;
}
