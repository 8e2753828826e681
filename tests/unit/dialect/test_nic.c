/* Goal: the NIC's answers are well-formed HTTP, fit their template, and say what the daemon says. Method: every reason
 * of the verdict table; the kernel's part (filling fields, checksum) is done here the way abi.h tells it. */
#include "dialect/headers.h"
#include "dialect/openai.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

static const enum tg_reason limited[] = {TG_REASON_GLOBAL_REQUESTS, TG_REASON_TENANT_REQUESTS, TG_REASON_KEY_REQUESTS,
					 TG_REASON_ROUTE_REQUESTS, TG_REASON_KEY_TOKENS};
static const enum tg_reason barred[] = {TG_REASON_KEY_DISABLED, TG_REASON_KEY_BLOCKED, TG_REASON_TENANT_DISABLED};

static struct tg_answer answer_of(enum tg_reason reason)
{
	struct tg_answer a;
	struct err err = {0};

	memset(&a, 0xa5, sizeof(a));
	cr_assert_eq(openai_nic_answer(reason, &a, &err), 0, "reason %d: %s", reason, err.msg);
	return a;
}

/* Left-aligned digits, as the kernel writes them. */
static void fill(struct tg_answer *a, unsigned off, unsigned digits, const char *value)
{
	if (!off)
		return;
	cr_assert_eq(off % 2, 0);
	cr_assert_leq(off + digits, a->len);
	for (unsigned i = 0; i < digits; i++)
		cr_assert_eq(a->text[off + i], ' ', "field not blank");
	cr_assert_leq(strlen(value), digits);
	memcpy(a->text + off, value, strlen(value));
}

static void fill_all(struct tg_answer *a)
{
	fill(a, a->retry_off, TG_ANSWER_DIGITS, "123456");
	fill(a, a->retry_ms_off, TG_ANSWER_MS_DIGITS, "9876543210");
	fill(a, a->limit_off, TG_ANSWER_LIMIT_DIGITS, "1000");
	fill(a, a->id_off, TG_ANSWER_ID_DIGITS, "0123456789abcdef");
}

/* The value of a header without blanks, in out; NULL when absent. Names are compared as sent: lower case. */
static const char *header(const struct tg_answer *a, const char *name, char out[64])
{
	const char *end = memmem(a->text, a->len, "\r\n\r\n", 4), *p = a->text;
	size_t n = strlen(name), len;

	cr_assert_not_null(end);
	while ((p = memmem(p, (size_t)(end - p), "\r\n", 2))) {
		p += 2;
		if (strncmp(p, name, n) != 0 || p[n] != ':')
			continue;
		p += n + 1;
		len = strcspn(p, "\r");
		while (len && *p == ' ')
			p++, len--;
		while (len && p[len - 1] == ' ')
			len--;
		snprintf(out, 64, "%.*s", (int)len, p);
		return out;
	}
	return NULL;
}

static const char *body_of(const struct tg_answer *a, size_t *ret_len)
{
	const char *end = memmem(a->text, a->len, "\r\n\r\n", 4);

	*ret_len = (size_t)(a->text + a->len - end - 4);
	return end + 4;
}

static void check_body(const struct tg_answer *a, enum tg_reason reason)
{
	struct openai_refusal r = openai_refusal_of(reason);
	const char *message, *type, *code;
	char text[64], want[16];
	json_error_t jerr;
	json_t *root, *param;
	size_t len;
	const char *body = body_of(a, &len);

	snprintf(want, sizeof(want), "%zu", len);
	cr_expect_str_eq(header(a, "content-length", text), want);
	root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &jerr);
	cr_assert_not_null(root, "%s", jerr.text);
	cr_assert_eq(json_unpack(root, "{s:{s:s,s:s,s:o,s:s}}", "error", "message", &message, "type", &type, "param",
				 &param, "code", &code),
		     0);
	cr_expect(json_is_null(param));
	cr_expect_str_eq(message, r.message);
	cr_expect_str_eq(type, r.type);
	cr_expect_str_eq(code, r.code);
	json_decref(root);
}

static void check_checksum(const struct tg_answer *a)
{
	unsigned offs[] = {a->retry_off, a->retry_ms_off, a->limit_off, a->id_off};
	unsigned lens[] = {TG_ANSWER_DIGITS, TG_ANSWER_MS_DIGITS, TG_ANSWER_LIMIT_DIGITS, TG_ANSWER_ID_DIGITS};
	__u64 whole = 0, parts = a->csum;
	__u16 w;

	for (size_t i = 0; i < a->len; i += 2) {
		memcpy(&w, a->text + i, 2);
		whole += w;
	}
	for (size_t f = 0; f < ARRAY_SIZE(offs); f++)
		for (unsigned i = 0; offs[f] && i < lens[f]; i += 2) {
			memcpy(&w, a->text + offs[f] + i, 2);
			parts += w;
		}
	cr_expect_eq(whole, parts, "csum of the template plus the fields' is the text's");
}

static void check_common(struct tg_answer *a, enum tg_reason reason)
{
	struct openai_refusal r = openai_refusal_of(reason);
	char text[64], want[32];

	cr_assert_gt(a->len, 0, "reason %d", reason);
	cr_assert_leq(a->len, TG_ANSWER_TEXT_MAX);
	cr_expect_eq(a->len % 2, 0);
	cr_expect_eq(a->status, r.status);
	fill_all(a);
	check_checksum(a);
	snprintf(want, sizeof(want), "HTTP/1.1 %d ", r.status);
	cr_expect_eq(strncmp(a->text, want, strlen(want)), 0);
	cr_expect_str_eq(header(a, "content-type", text), "application/json");
	cr_expect_str_eq(header(a, "connection", text), "close");
	cr_expect_str_eq(header(a, OPENAI_H_REQUEST_ID, text), "req_nic_0123456789abcdef");
	check_body(a, reason);
}

Test(nic, limits)
{
	for (size_t i = 0; i < ARRAY_SIZE(limited); i++) {
		struct tg_answer a = answer_of(limited[i]);
		const char *kind = limited[i] == TG_REASON_KEY_TOKENS ? "tokens" : "requests";
		char name[64], text[64];

		check_common(&a, limited[i]);
		cr_expect_eq(a.status, 429);
		/* what fits a `GET /v1/models` over IPv6 on veth: ANSWER_LEN of tests/kernel/live.c */
		cr_expect_leq(a.len, 386, "reason %d: %d bytes", (int)limited[i], (int)a.len);
		cr_expect_str_eq(header(&a, OPENAI_H_RETRY_AFTER, text), "123456");
		cr_expect_str_eq(header(&a, OPENAI_H_RETRY_AFTER_MS, text), "9876543210");
		snprintf(name, sizeof(name), "x-ratelimit-limit-%s", kind);
		cr_expect_str_eq(header(&a, name, text), "1000");
		snprintf(name, sizeof(name), "x-ratelimit-remaining-%s", kind);
		cr_expect_str_eq(header(&a, name, text), "0");
	}
}

Test(nic, barred)
{
	for (size_t i = 0; i < ARRAY_SIZE(barred); i++) {
		struct tg_answer a = answer_of(barred[i]);
		char text[64];

		check_common(&a, barred[i]);
		cr_expect_eq(a.status, 403);
		cr_expect_null(header(&a, OPENAI_H_RETRY_AFTER, text), "waiting doesn't help");
		cr_expect_eq(a.retry_off | a.retry_ms_off | a.limit_off, 0);
	}
}

/* Everything else passes to the daemon, an unknown key above all: the kernel only knows the keys it was taught. */
Test(nic, no_other_reason)
{
	for (int reason = 0; reason < TG_REASON_COUNT + 3; reason++) {
		bool answered = false;

		for (size_t i = 0; i < ARRAY_SIZE(limited); i++)
			answered |= reason == (int)limited[i];
		for (size_t i = 0; i < ARRAY_SIZE(barred); i++)
			answered |= reason == (int)barred[i];
		cr_expect_eq(answer_of((enum tg_reason)reason).len != 0, answered, "reason %d", reason);
	}
}

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
		{TG_REASON_TOO_LARGE, 400, "invalid_request_error", "request_too_large"},
		{TG_REASON_NONE, 0, NULL, NULL},
		{TG_REASON_BLOCK_LIST, 0, NULL, NULL},
		{(enum tg_reason)200, 0, NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct openai_refusal r = openai_refusal_of(rows[i].reason);

		cr_expect_eq(r.status, rows[i].status, "row %zu", i);
		if (!rows[i].status)
			continue;
		cr_expect_str_eq(r.type, rows[i].type);
		cr_expect_str_eq(r.code, rows[i].code);
		cr_expect_gt(strlen(r.message), 10);
	}
}

Test(refusal, bodies)
{
	static const struct {
		const char *message, *type, *param, *code, *want;
	} rows[] = {
		{"m", "t", NULL, NULL, "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":null}}"},
		{"a\"b\\\n\x01\xff", "t", "p", "c",
		 "{\"error\":{\"message\":\"a\\\"b\\\\\\n\\u0001\\ufffd\",\"type\":\"t\",\"param\":\"p\",\"code\":"
		 "\"c\"}}"},
	};
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		buf_reset(&b);
		cr_assert_eq(openai_error_body(&b, rows[i].message, rows[i].type, rows[i].param, rows[i].code), 0);
		cr_expect_str_eq(b.data, rows[i].want);
	}
	buf_reset(&b);
	cr_assert_eq(openai_error_event(&b, "m", "server_error", "x"), 0);
	cr_expect_str_eq(
		b.data,
		"data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,\"code\":\"x\"}}\n\n");
	buf_reset(&b);
	cr_assert_eq(openai_model_object(&b, "gpt-\"4", "tollgate", 1700000000), 0);
	cr_expect_str_eq(
		b.data, "{\"id\":\"gpt-\\\"4\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"tollgate\"}");
	buf_done(&b);
	b.max = 10;
	cr_expect_lt(openai_error_body(&b, "m", "t", NULL, NULL), 0);
	buf_done(&b);
}
