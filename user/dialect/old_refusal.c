/* Refusals and errors in OpenAI's shape. One table: the daemon and the NIC read it. Texts of the NIC's are short: an
 * answer has to fit where its request was (bpf/io.h). When to retry is in the headers. */
#include "dialect/openai.h"

#include "dialect/internal.h"

#include <assert.h>
#include <string.h>

static const struct openai_refusal refusals[TG_REASON_COUNT] = {
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
	[TG_REASON_INTERNAL] = {500, "server_error", "internal_error", "The gateway failed to handle the request.",
				false},
};

struct openai_refusal openai_refusal_of(enum tg_reason reason)
{
	if ((unsigned)reason >= TG_REASON_COUNT || !refusals[reason].status)
		return (struct openai_refusal){0};
	return refusals[reason];
}

static const struct openai_refusal money[OPENAI_MONEY_REASONS] = {
	[OPENAI_MONEY_CREDIT_EXHAUSTED] = {402, "insufficient_quota", "credit_balance_exhausted",
					   "Your account's balance doesn't cover this request. Add credit, or lower "
					   "max_completion_tokens.",
					   .final = true},
	[OPENAI_MONEY_UNAVAILABLE] = {503, "server_error", "billing_unavailable",
				      "Requests can't be billed at the moment, so none are taken. Please retry later.",
				      false},
	[OPENAI_MONEY_NOT_PRICED] = {503, "server_error", "model_not_priced",
				     "This model has no price yet. Please ask the operator of this gateway.",
				     .final = true},
	[OPENAI_MONEY_IDEMPOTENCY_INVALID] = {400, "invalid_request_error", "idempotency_key_invalid",
					      "An Idempotency-Key is 1 to 255 printable ASCII characters.",
					      .final = true},
	[OPENAI_MONEY_IDEMPOTENCY_IN_USE] = {409, "invalid_request_error", "idempotency_key_in_use",
					     "A request with this Idempotency-Key is still under way. Retry to get its "
					     "answer.",
					     false},
	[OPENAI_MONEY_IDEMPOTENCY_REUSED] = {409, "invalid_request_error", "idempotency_key_reused",
					     "This Idempotency-Key was used with another request body. Use a new one.",
					     .final = true},
};

struct openai_refusal openai_money_refusal(enum openai_money reason)
{
	assert((unsigned)reason < OPENAI_MONEY_REASONS);
	return money[reason];
}

static void put_string_or_null(struct buf *out, const char *s)
{
	if (s)
		buf_put_json_string(out, s, strlen(s));
	else
		buf_puts(out, "null");
}

int openai_error_body(struct buf *out, const char *message, const char *type, const char *param, const char *code)
{
	buf_puts(out, "{\"error\":{\"message\":");
	buf_put_json_string(out, message, strlen(message));
	buf_puts(out, ",\"type\":");
	buf_put_json_string(out, type, strlen(type));
	buf_puts(out, ",\"param\":");
	put_string_or_null(out, param);
	buf_puts(out, ",\"code\":");
	put_string_or_null(out, code);
	buf_puts(out, "}}");
	return out->failed ? ERR_NOMEM : 0;
}

int openai_error_event(struct buf *out, const char *message, const char *type, const char *code)
{
	buf_puts(out, "data: ");
	openai_error_body(out, message, type, NULL, code);
	return buf_puts(out, "\n\n");
}

int openai_model_object(struct buf *out, const char *id, const char *owned_by, long long created)
{
	buf_puts(out, "{\"id\":");
	buf_put_json_string(out, id, strlen(id));
	buf_printf(out, ",\"object\":\"model\",\"created\":%lld,\"owned_by\":", created);
	buf_put_json_string(out, owned_by, strlen(owned_by));
	buf_putc(out, '}');
	return out->failed ? ERR_NOMEM : 0;
}
