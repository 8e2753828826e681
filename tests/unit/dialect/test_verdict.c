/* Goal: what a provider's error means is decided by status and code, never by the words of its message; and when to
 * come back. Method: table rows of the four providers' bodies, of compatible servers' and of what is no error body. */
#include "dialect/dialect.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#define OPENAI(type, code, param)                                                                                      \
	"{\"error\":{\"message\":\"a credit balance quota billing limit\",\"type\":" type ",\"param\":" param          \
	",\"code\":" code "}}"
#define ANTHROPIC(type)                                                                                                \
	"{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"Your credit balance is too low\"},"        \
	"\"request_id\":\"r\"}"
#define GEMINI(status, details)                                                                                        \
	"{\"error\":{\"code\":1,\"message\":\"You exceeded your current quota\",\"status\":\"" status                  \
	"\",\"details\":[" details "]}}"
#define INFO(reason)                                                                                                   \
	"{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"" reason                                 \
	"\",\"domain\":\"googleapis.com\"}"
#define QUOTA(id)                                                                                                      \
	"{\"@type\":\"type.googleapis.com/"                                                                            \
	"google.rpc.QuotaFailure\",\"violations\":[{\"quotaMetric\":\"m\",\"quotaId\":"                                \
	"\"" id "\"}]}"
#define RETRY(delay) "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"" delay "\"}"

static const struct row {
	enum provider_kind kind;
	int status;
	const char *body;
	enum dialect_verdict verdict;
	bool understood;
	const char *type, *code, *param;
	uint64_t retry_ms;
} rows[] = {
#define O PROVIDER_OPENAI
#define A PROVIDER_ANTHROPIC
#define G PROVIDER_GEMINI
	/* the words of a message don't count: all of these speak of credit and quotas */
	{O, 400, OPENAI("\"invalid_request_error\"", "null", "\"messages\""), DIALECT_CLIENT_ERROR, 1,
	 "invalid_request_error", "", "messages", 0},
	{O, 429, OPENAI("\"requests\"", "\"rate_limit_exceeded\"", "null"), DIALECT_RATE_LIMITED, 1, "requests",
	 "rate_limit_exceeded", "", 0},
	{O, 429, OPENAI("\"insufficient_quota\"", "\"insufficient_quota\"", "null"), DIALECT_QUOTA_EXHAUSTED, 1,
	 "insufficient_quota", "insufficient_quota", "", 0},
	{O, 429, OPENAI("\"insufficient_quota\"", "null", "null"), DIALECT_QUOTA_EXHAUSTED, 1, "insufficient_quota", "",
	 "", 0},
	{O, 429, OPENAI("\"x\"", "\"credit_balance_exhausted\"", "null"), DIALECT_QUOTA_EXHAUSTED, 1, "x",
	 "credit_balance_exhausted", "", 0},
	{O, 429, OPENAI("\"x\"", "\"organization_spend_limit_exceeded\"", "null"), DIALECT_QUOTA_EXHAUSTED, 1, "x",
	 "organization_spend_limit_exceeded", "", 0},
	{O, 429, OPENAI("\"x\"", "\"slow_down\"", "null"), DIALECT_RATE_LIMITED, 1, "x", "slow_down", "", 0},
	{O, 401, OPENAI("\"x\"", "\"invalid_api_key\"", "null"), DIALECT_CREDENTIALS, 1, "x", "invalid_api_key", "", 0},
	{O, 403, OPENAI("\"x\"", "null", "null"), DIALECT_CREDENTIALS, 1, "x", "", "", 0},
	{O, 404, OPENAI("\"x\"", "\"model_not_found\"", "null"), DIALECT_NO_MODEL, 1, "x", "model_not_found", "", 0},
	{O, 404, OPENAI("\"x\"", "null", "\"previous_response_id\""), DIALECT_CLIENT_ERROR, 1, "x", "",
	 "previous_response_id", 0},
	{O, 404, OPENAI("\"x\"", "null", "\"model\""), DIALECT_NO_MODEL, 1, "x", "", "model", 0},
	{O, 500, OPENAI("\"server_error\"", "null", "null"), DIALECT_SERVER_ERROR, 1, "server_error", "", "", 0},
	{O, 503, OPENAI("\"x\"", "\"server_is_overloaded\"", "null"), DIALECT_OVERLOADED, 1, "x",
	 "server_is_overloaded", "", 0},
	{O, 500, OPENAI("\"x\"", "\"server_is_overloaded\"", "null"), DIALECT_OVERLOADED, 1, "x",
	 "server_is_overloaded", "", 0},
	{PROVIDER_AZURE, 404, "{\"error\":{\"code\":\"DeploymentNotFound\",\"message\":\"m\"}}", DIALECT_NO_MODEL, 1,
	 "", "DeploymentNotFound", "", 0},
	{PROVIDER_AZURE, 429, "{\"error\":{\"code\":\"429\",\"message\":\"m\"}}", DIALECT_RATE_LIMITED, 1, "", "429",
	 "", 0},
	{PROVIDER_AZURE, 401, "{\"statusCode\":401,\"message\":\"m\"}", DIALECT_CREDENTIALS, 1, "", "", "", 0},
	{PROVIDER_AZURE, 400, OPENAI("null", "\"content_filter\"", "\"prompt\""), DIALECT_CLIENT_ERROR, 1, "",
	 "content_filter", "prompt", 0},
	{A, 400, ANTHROPIC("invalid_request_error"), DIALECT_CLIENT_ERROR, 1, "invalid_request_error", "", "", 0},
	{A, 402, ANTHROPIC("billing_error"), DIALECT_QUOTA_EXHAUSTED, 1, "billing_error", "", "", 0},
	{A, 401, ANTHROPIC("authentication_error"), DIALECT_CREDENTIALS, 1, "authentication_error", "", "", 0},
	{A, 403, ANTHROPIC("permission_error"), DIALECT_CREDENTIALS, 1, "permission_error", "", "", 0},
	{A, 404, ANTHROPIC("not_found_error"), DIALECT_NO_MODEL, 1, "not_found_error", "", "", 0},
	{A, 409, ANTHROPIC("conflict_error"), DIALECT_CLIENT_ERROR, 1, "conflict_error", "", "", 0},
	{A, 413, ANTHROPIC("request_too_large"), DIALECT_CLIENT_ERROR, 1, "request_too_large", "", "", 0},
	{A, 429, ANTHROPIC("rate_limit_error"), DIALECT_RATE_LIMITED, 1, "rate_limit_error", "", "", 0},
	{A, 500, ANTHROPIC("api_error"), DIALECT_SERVER_ERROR, 1, "api_error", "", "", 0},
	{A, 529, ANTHROPIC("overloaded_error"), DIALECT_OVERLOADED, 1, "overloaded_error", "", "", 0},
	{G, 400, GEMINI("INVALID_ARGUMENT", ), DIALECT_CLIENT_ERROR, 1, "INVALID_ARGUMENT", "", "", 0},
	{G, 400, GEMINI("INVALID_ARGUMENT", INFO("API_KEY_INVALID")), DIALECT_CREDENTIALS, 1, "INVALID_ARGUMENT",
	 "API_KEY_INVALID", "", 0},
	{G, 403, GEMINI("PERMISSION_DENIED", INFO("BILLING_DISABLED")), DIALECT_QUOTA_EXHAUSTED, 1, "PERMISSION_DENIED",
	 "BILLING_DISABLED", "", 0},
	{G, 404, GEMINI("NOT_FOUND", ), DIALECT_NO_MODEL, 1, "NOT_FOUND", "", "", 0},
	{G, 429, GEMINI("RESOURCE_EXHAUSTED", QUOTA("GenerateRequestsPerMinutePerProject") "," RETRY("34.5s")),
	 DIALECT_RATE_LIMITED, 1, "RESOURCE_EXHAUSTED", "", "", 34501},
	{G, 429, GEMINI("RESOURCE_EXHAUSTED", RETRY("7s") "," QUOTA("GenerateRequestsPerDayPerProjectPerModel")),
	 DIALECT_QUOTA_EXHAUSTED, 1, "RESOURCE_EXHAUSTED", "", "", 7000},
	{G, 503, "[" GEMINI("UNAVAILABLE", ) "]", DIALECT_OVERLOADED, 1, "UNAVAILABLE", "", "", 0},
	{G, 500, GEMINI("INTERNAL", "7,\"x\",{}," RETRY("s") "," RETRY("-1s") "," RETRY("5")), DIALECT_SERVER_ERROR, 1,
	 "INTERNAL", "", "", 0},
	/* compatible servers, and what isn't an error of an API */
	{O, 400, "{\"error\":\"bad request\"}", DIALECT_CLIENT_ERROR, 1, "", "", "", 0},
	{O, 422, "{\"detail\":[]}", DIALECT_CLIENT_ERROR, 0, "", "", "", 0},
	{O, 502, "<html>Bad gateway</html>", DIALECT_SERVER_ERROR, 0, "", "", "", 0},
	{O, 429, "", DIALECT_RATE_LIMITED, 0, "", "", "", 0},
	{O, 402, "credit", DIALECT_QUOTA_EXHAUSTED, 0, "", "", "", 0},
	{O, 408, "{}", DIALECT_SERVER_ERROR, 0, "", "", "", 0},
	{O, 302, "", DIALECT_SERVER_ERROR, 0, "", "", "", 0},
	{O, 204, "", DIALECT_SERVER_ERROR, 0, "", "", "", 0},
	{O, 529, "[]", DIALECT_OVERLOADED, 0, "", "", "", 0},
	{O, 400, "{\"error\":{\"message\":7,\"type\":[],\"code\":{}}}", DIALECT_CLIENT_ERROR, 1, "", "", "", 0},
	{O, 400, "{\"error\":{\"message\":\"", DIALECT_CLIENT_ERROR, 0, "", "", "", 0},
};

Test(verdict, rows)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct dialect_provider_error e;

		dialect_provider_error_read(r->kind, r->status, r->body, strlen(r->body), &e);
		cr_expect_eq(e.verdict, r->verdict, "%d %s: %d", r->status, r->body, e.verdict);
		cr_expect_eq(e.understood, r->understood, "%s", r->body);
		cr_expect_str_eq(e.type, r->type, "%s", r->body);
		cr_expect_str_eq(e.code, r->code, "%s", r->body);
		cr_expect_str_eq(e.param, r->param, "%s", r->body);
		cr_expect_eq(e.retry_after_ms, r->retry_ms, "%s: %" PRIu64, r->body, e.retry_after_ms);
	}
}

/* A long message is cut between characters; escapes are read. */
Test(verdict, long_message)
{
	struct dialect_provider_error e;
	struct buf b = BUF_INIT;

	buf_puts(&b, "{\"error\":{\"message\":\"\\n\\u00e4x");
	for (int i = 0; i < 1000; i++)
		buf_puts(&b, "\xc3\xa4");
	buf_puts(&b, "\"}}");
	dialect_provider_error_read(PROVIDER_OPENAI, 400, b.data, b.len, &e);
	cr_expect_eq(strncmp(e.message, "\n\xc3\xa4x\xc3\xa4", 6), 0);
	cr_expect_eq(strlen(e.message), sizeof(e.message) - 2);
	cr_expect_eq((unsigned char)e.message[strlen(e.message) - 1], 0xa4);
	buf_done(&b);
}

Test(verdict, retry_after)
{
	static const struct {
		const char *ms, *after;
		bool ok;
		uint64_t want;
	} after[] = {
		{"1500", "7", true, 1500},
		{"1500.2", NULL, true, 1501},
		{NULL, "7", true, 7000},
		{"", "0.25", true, 250},
		{"x", "7 ", true, 7000},
		{NULL, "0", true, 0},
		{NULL, "Sun, 06 Nov 1994 08:49:47 GMT", true, 10000},
		{NULL, "Sunday, 06-Nov-94 08:49:38 GMT", true, 1000},
		{NULL, "Sun Nov  6 08:50:37 1994", true, 60000},
		{NULL, "Sun, 06 Nov 1994 08:49:36 GMT", true, 0}, /* it has been */
		{NULL, NULL, false, 0},
		{"", "", false, 0},
		{NULL, "soon", false, 0},
		{NULL, "-1", false, 0},
		{NULL, "1e3", false, 0},
		{NULL, "7 s", false, 0},
		{NULL, "9999999999999", false, 0},
		{NULL, "Sun, 06 Nov 1994 08:49:37 CET", false, 0},
		{NULL, "Sun, 06 Foo 1994 08:49:37 GMT", false, 0},
		{NULL, "Sun, 06 Nov 1994 25:49:37 GMT", false, 0},
		{NULL, "Sun, 06 Nov 1994 08:49:37 GMT, x", false, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(after); i++) {
		uint64_t ms = 77;

		cr_expect_eq(dialect_retry_after(after[i].ms, after[i].after, 784111777, &ms), after[i].ok, "row %zu",
			     i);
		cr_expect_eq(ms, after[i].ok ? after[i].want : 77, "row %zu: %" PRIu64, i, ms);
	}
}
