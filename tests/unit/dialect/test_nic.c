/* Goal: the NIC's answers are well-formed HTTP, fit their template, and say what the daemon says. Method: every reason
 * of the verdict table in every dialect; the kernel's part (filling fields, checksum) is done here the way abi.h tells
 * it. */
#include "dialect/dialect.h"
#include "dialect/headers.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

static const enum tg_reason limited[] = {TG_REASON_GLOBAL_REQUESTS, TG_REASON_TENANT_REQUESTS, TG_REASON_KEY_REQUESTS,
					 TG_REASON_ROUTE_REQUESTS, TG_REASON_KEY_TOKENS};
static const enum tg_reason barred[] = {TG_REASON_KEY_DISABLED, TG_REASON_KEY_BLOCKED, TG_REASON_TENANT_DISABLED};

static struct tg_answer answer_of(enum tg_dialect d, enum tg_reason reason)
{
	struct tg_answer a;
	struct err err = {0};

	memset(&a, 0xa5, sizeof(a));
	cr_assert_eq(dialect_nic_answer(d, reason, &a, &err), 0, "reason %d: %s", reason, err.msg);
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

/* The body is the daemon's own, but for blanks behind it. */
static void check_body(enum tg_dialect d, const struct tg_answer *a, enum tg_reason reason)
{
	struct dialect_refusal r = dialect_refusal_of(reason);
	struct dialect_error e = {.status = r.status, .type = r.type, .code = r.code, .message = r.message};
	struct buf own = BUF_INIT;
	char text[64], want[16];
	json_error_t jerr;
	json_t *root;
	size_t len;
	const char *body = body_of(a, &len);

	snprintf(want, sizeof(want), "%zu", len);
	cr_expect_str_eq(header(a, "content-length", text), want);
	root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &jerr);
	cr_assert_not_null(root, "%s", jerr.text);
	json_decref(root);
	cr_assert_eq(dialect_error_body(d, &e, &own), 0);
	cr_expect(own.len <= len && memcmp(own.data, body, own.len) == 0 &&
		  strspn(body + own.len, " ") == len - own.len);
	buf_done(&own);
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

static void check_common(enum tg_dialect d, struct tg_answer *a, enum tg_reason reason)
{
	struct dialect_refusal r = dialect_refusal_of(reason);
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
	cr_expect_str_eq(
		header(a, d == TG_DIALECT_ANTHROPIC ? DIALECT_H_REQUEST_ID_ANTHROPIC : DIALECT_H_REQUEST_ID, text),
		"req_nic_0123456789abcdef");
	check_body(d, a, reason);
}

static void check_limit(enum tg_dialect d, struct tg_answer *a, enum tg_reason reason)
{
	const char *kind = reason == TG_REASON_KEY_TOKENS ? "tokens" : "requests";
	bool anthropic = d == TG_DIALECT_ANTHROPIC;
	char name[64], text[64];

	cr_expect_eq(a->status, 429);
	cr_expect_str_eq(header(a, DIALECT_H_RETRY_AFTER, text), "123456");
	cr_expect_str_eq(header(a, DIALECT_H_RETRY_AFTER_MS, text), "9876543210");
	snprintf(name, sizeof(name), anthropic ? "anthropic-ratelimit-%s-limit" : "x-ratelimit-limit-%s", kind);
	cr_expect_str_eq(header(a, name, text), "1000");
	snprintf(name, sizeof(name), anthropic ? "anthropic-ratelimit-%s-remaining" : "x-ratelimit-remaining-%s", kind);
	cr_expect_str_eq(header(a, name, text), "0");
}

Test(nic, limits)
{
	for (int d = 0; d < TG_DIALECT_COUNT; d++)
		for (size_t i = 0; i < ARRAY_SIZE(limited); i++) {
			struct tg_answer a = answer_of((enum tg_dialect)d, limited[i]);

			check_common((enum tg_dialect)d, &a, limited[i]);
			check_limit((enum tg_dialect)d, &a, limited[i]);
			/* what fits a `GET /v1/models` over IPv6 on veth: ANSWER_LEN of tests/kernel/live.c */
			if (d == TG_DIALECT_OPENAI)
				cr_expect_leq(a.len, 386, "reason %d: %d bytes", (int)limited[i], (int)a.len);
		}
}

Test(nic, barred)
{
	for (int d = 0; d < TG_DIALECT_COUNT; d++)
		for (size_t i = 0; i < ARRAY_SIZE(barred); i++) {
			struct tg_answer a = answer_of((enum tg_dialect)d, barred[i]);
			char text[64];

			check_common((enum tg_dialect)d, &a, barred[i]);
			cr_expect_eq(a.status, 403);
			cr_expect_null(header(&a, DIALECT_H_RETRY_AFTER, text), "waiting doesn't help");
			cr_expect_eq(a.retry_off | a.retry_ms_off | a.limit_off, 0);
		}
}

/* Waiting helps, and no limit is at fault. */
Test(nic, circuit_open)
{
	static const char *const bodies[TG_DIALECT_COUNT] = {
		[TG_DIALECT_OPENAI] = "\"code\":\"circuit_open\"",
		[TG_DIALECT_ANTHROPIC] = "\"type\":\"overloaded_error\"",
		[TG_DIALECT_GEMINI] = "\"status\":\"UNAVAILABLE\"",
		[TG_DIALECT_AZURE] = "\"type\":\"server_error\"",
	};

	for (int d = 0; d < TG_DIALECT_COUNT; d++) {
		struct tg_answer a = answer_of((enum tg_dialect)d, TG_REASON_CIRCUIT_OPEN);
		char text[64];
		size_t len;

		check_common((enum tg_dialect)d, &a, TG_REASON_CIRCUIT_OPEN);
		cr_expect_eq(a.status, 503);
		cr_expect_str_eq(header(&a, DIALECT_H_RETRY_AFTER, text), "123456");
		cr_expect_str_eq(header(&a, DIALECT_H_RETRY_AFTER_MS, text), "9876543210");
		cr_expect_eq(a.limit_off, 0);
		cr_expect_not_null(strstr(body_of(&a, &len), bodies[d]), "dialect %d: %s", d, a.text);
	}
}

/* Everything else passes to the daemon, an unknown key above all: the kernel only knows the keys it was taught. */
Test(nic, no_other_reason)
{
	for (int reason = 0; reason < TG_REASON_COUNT + 3; reason++) {
		bool answered = reason == TG_REASON_CIRCUIT_OPEN;

		for (size_t i = 0; i < ARRAY_SIZE(limited); i++)
			answered |= reason == (int)limited[i];
		for (size_t i = 0; i < ARRAY_SIZE(barred); i++)
			answered |= reason == (int)barred[i];
		for (int d = 0; d < TG_DIALECT_COUNT; d++)
			cr_expect_eq(answer_of((enum tg_dialect)d, (enum tg_reason)reason).len != 0, answered,
				     "dialect %d, reason %d", d, reason);
	}
}
