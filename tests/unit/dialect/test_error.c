/* Goal: refusals and errors say the same in four dialects, each in its own shape. Method: table rows, read with jansson
 * or compared byte for byte. */
#include "dialect/wire.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

Test(refusal, table)
{
	static const struct {
		enum tg_reason reason;
		int status;
		const char *type, *code;
	} rows[] = {
		{TG_REASON_NO_KEY, 401, "invalid_request_error", "invalid_api_key"},
		{TG_REASON_UNKNOWN_KEY, 401, "invalid_request_error", "invalid_api_key"},
		{TG_REASON_UNKNOWN_ROUTE, 404, "invalid_request_error", "unknown_url"},
		{TG_REASON_KEY_DISABLED, 403, "permission_error", "key_disabled"},
		{TG_REASON_KEY_BLOCKED, 403, "permission_error", "key_blocked"},
		{TG_REASON_TENANT_DISABLED, 403, "permission_error", "account_disabled"},
		{TG_REASON_GLOBAL_REQUESTS, 429, "requests", "rate_limit_exceeded"},
		{TG_REASON_TENANT_REQUESTS, 429, "requests", "rate_limit_exceeded"},
		{TG_REASON_KEY_REQUESTS, 429, "requests", "rate_limit_exceeded"},
		{TG_REASON_ROUTE_REQUESTS, 429, "requests", "rate_limit_exceeded"},
		{TG_REASON_KEY_TOKENS, 429, "tokens", "rate_limit_exceeded"},
		{TG_REASON_CIRCUIT_OPEN, 503, "server_error", "circuit_open"},
		{TG_REASON_BULKHEAD_FULL, 503, "server_error", "too_many_concurrent_requests"},
		{TG_REASON_TOO_LARGE, 400, "invalid_request_error", "request_too_large"},
		{TG_REASON_NONE, 0, NULL, NULL},
		{TG_REASON_BLOCK_LIST, 0, NULL, NULL},
		{(enum tg_reason)200, 0, NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dialect_refusal r = dialect_refusal_of(rows[i].reason);

		cr_expect_eq(r.status, rows[i].status, "row %zu", i);
		if (!rows[i].status)
			continue;
		cr_expect_str_eq(r.type, rows[i].type);
		cr_expect_str_eq(r.code, rows[i].code);
		cr_expect_gt(strlen(r.message), 10);
	}
}

Test(money, refusals)
{
	static const struct {
		enum dialect_money reason;
		int status;
		const char *code;
		bool final;
	} want[] = {
		{DIALECT_MONEY_CREDIT_EXHAUSTED, 402, "credit_balance_exhausted", true},
		{DIALECT_MONEY_UNAVAILABLE, 503, "billing_unavailable", false},
		{DIALECT_MONEY_NOT_PRICED, 503, "model_not_priced", true},
		{DIALECT_MONEY_IDEMPOTENCY_INVALID, 400, "idempotency_key_invalid", true},
		{DIALECT_MONEY_IDEMPOTENCY_IN_USE, 409, "idempotency_key_in_use", false},
		{DIALECT_MONEY_IDEMPOTENCY_REUSED, 409, "idempotency_key_reused", true},
	};

	cr_assert_eq(ARRAY_SIZE(want), DIALECT_MONEY_REASONS);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		struct dialect_refusal r = dialect_money_refusal(want[i].reason);

		cr_expect_eq(r.status, want[i].status);
		cr_expect_str_eq(r.code, want[i].code);
		cr_expect_eq(r.final, want[i].final, "%s", r.code);
		cr_expect(r.type && r.message && r.message[0], "%s", r.code);
	}
}

/* ---- bodies */

Test(error, shapes)
{
	static const struct {
		enum tg_dialect d;
		struct dialect_error e;
		const char *want;
	} rows[] = {
		{TG_DIALECT_OPENAI,
		 {.status = 400, .type = "t", .message = "m"},
		 "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":null}}"},
		{TG_DIALECT_AZURE,
		 {.status = 400,
		  .type = "t",
		  .message = "a\"b\\\n\x01\xff",
		  .param = "p",
		  .code = "c",
		  .request_id = "r"},
		 "{\"error\":{\"message\":\"a\\\"b\\\\\\n\\u0001\\ufffd\",\"type\":\"t\",\"param\":\"p\",\"code\":"
		 "\"c\"}}"},
		{TG_DIALECT_ANTHROPIC,
		 {.status = 429, .type = "requests", .message = "m", .code = "c", .request_id = "req_1"},
		 "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"m\"},\"request_id\":"
		 "\"req_1\"}"},
		{TG_DIALECT_ANTHROPIC,
		 {.status = 400, .type = "t", .message = "must be positive", .param = "max_tokens"},
		 "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"max_tokens: must be "
		 "positive\"}}"},
		{TG_DIALECT_ANTHROPIC,
		 {.status = 400, .type = "t", .message = "Invalid value for 'max_tokens': 0.", .param = "max_tokens"},
		 "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Invalid value for "
		 "'max_tokens': 0.\"}}"},
		{TG_DIALECT_GEMINI,
		 {.status = 404, .type = "t", .message = "m", .code = "model_not_found", .param = "model"},
		 "{\"error\":{\"code\":404,\"message\":\"model: m\",\"status\":\"NOT_FOUND\",\"details\":[{\"@type\":"
		 "\"type.googleapis.com/"
		 "google.rpc.ErrorInfo\",\"reason\":\"MODEL_NOT_FOUND\",\"domain\":\"tollgate\"}]}}"},
		{TG_DIALECT_GEMINI,
		 {.status = 500, .type = "server-error", .message = "m"},
		 "{\"error\":{\"code\":500,\"message\":\"m\",\"status\":\"INTERNAL\",\"details\":[{\"@type\":"
		 "\"type.googleapis.com/"
		 "google.rpc.ErrorInfo\",\"reason\":\"SERVER_ERROR\",\"domain\":\"tollgate\"}]}}"},
	};
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		buf_reset(&b);
		cr_assert_eq(dialect_error_body(rows[i].d, &rows[i].e, &b), 0);
		cr_expect_str_eq(b.data, rows[i].want, "%s", b.data);
	}
	buf_done(&b);
	for (int d = 0; d < TG_DIALECT_COUNT; d++) {
		b.max = 10;
		cr_expect_lt(dialect_error_body((enum tg_dialect)d, &rows[0].e, &b), 0);
		buf_done(&b);
	}
}

/* Statuses in Anthropic's types and Google's names: protocols.md. */
Test(error, statuses)
{
	static const struct {
		int status;
		const char *anthropic, *gemini;
	} rows[] = {
		{400, "invalid_request_error", "INVALID_ARGUMENT"},
		{401, "authentication_error", "UNAUTHENTICATED"},
		{402, "billing_error", "FAILED_PRECONDITION"},
		{403, "permission_error", "PERMISSION_DENIED"},
		{404, "not_found_error", "NOT_FOUND"},
		{405, "invalid_request_error", "NOT_FOUND"},
		{409, "conflict_error", "ABORTED"},
		{413, "request_too_large", "INVALID_ARGUMENT"},
		{429, "rate_limit_error", "RESOURCE_EXHAUSTED"},
		{431, "invalid_request_error", "INVALID_ARGUMENT"},
		{500, "api_error", "INTERNAL"},
		{502, "api_error", "INTERNAL"},
		{503, "overloaded_error", "UNAVAILABLE"},
		{504, "timeout_error", "DEADLINE_EXCEEDED"},
		{529, "overloaded_error", "UNAVAILABLE"},
	};
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dialect_error e = {.status = rows[i].status, .type = "t", .message = "m"};
		const char *text;
		json_t *root;

		buf_reset(&b);
		cr_assert_eq(dialect_error_body(TG_DIALECT_ANTHROPIC, &e, &b), 0);
		root = json_loadb(b.data, b.len, 0, NULL);
		cr_assert_eq(json_unpack(root, "{s:{s:s}}", "error", "type", &text), 0);
		cr_expect_str_eq(text, rows[i].anthropic, "%d", rows[i].status);
		json_decref(root);
		buf_reset(&b);
		cr_assert_eq(dialect_error_body(TG_DIALECT_GEMINI, &e, &b), 0);
		root = json_loadb(b.data, b.len, 0, NULL);
		cr_assert_eq(json_unpack(root, "{s:{s:s}}", "error", "status", &text), 0);
		cr_expect_str_eq(text, rows[i].gemini, "%d", rows[i].status);
		json_decref(root);
	}
	buf_done(&b);
}

/* In the middle of a stream every client's SDK has to see it: watched again, it is the wire's error. */
Test(error, in_streams)
{
	static const enum wire wires[] = {WIRE_OPENAI_CHAT, WIRE_OPENAI_RESPONSES, WIRE_ANTHROPIC, WIRE_GEMINI};
	struct dialect_error e = {.status = 502, .type = "server_error", .code = "upstream_failed", .message = "m"};

	for (size_t i = 0; i < ARRAY_SIZE(wires); i++) {
		struct dialect_answer_opts o = {
			.from = wires[i], .to = wires[i], .id = "req_1", .model = "m", .model_len = 1, .choices = 1};
		struct buf event = BUF_INIT, out = BUF_INIT;
		struct dialect_stream s, again;

		cr_assert_eq(dialect_stream_init(&s, &o), 0);
		cr_assert_eq(dialect_stream_init(&again, &o), 0);
		cr_assert_eq(dialect_stream_error(&s, &e, &event), 0);
		cr_assert_eq(dialect_stream_feed(&again, event.data, event.len, &out), 0);
		cr_expect(again.error_seen && !again.complete, "wire %d: %s", wires[i], event.data);
		cr_expect(event.len > 2 && !strcmp(event.data + event.len - 2, "\n\n"));
		dialect_stream_done(&s);
		dialect_stream_done(&again);
		buf_done(&event);
		buf_done(&out);
	}
}
