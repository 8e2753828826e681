/* Templates of the answers that the kernel program gives in the daemon's place. */
#include "dialect/dialect.h"
#include "dialect/headers.h"

#include <stdio.h>
#include <string.h>

/* What the kernel may decide by itself; for the rest the daemon answers. */
static bool nic_may_answer(enum tg_reason reason)
{
	switch (reason) {
	case TG_REASON_GLOBAL_REQUESTS:
	case TG_REASON_TENANT_REQUESTS:
	case TG_REASON_KEY_REQUESTS:
	case TG_REASON_ROUTE_REQUESTS:
	case TG_REASON_KEY_TOKENS:
	case TG_REASON_KEY_DISABLED:
	case TG_REASON_KEY_BLOCKED:
	case TG_REASON_TENANT_DISABLED:
	case TG_REASON_CIRCUIT_OPEN:
		return true;
	default:
		return false;
	}
}

/* `name:` + prefix + `digits` blanks for the kernel to fill. A blank before the value brings the field to an even
 * offset, so that its checksum adds up on its own (abi.h); HTTP takes blanks on either side of a value, and none. The
 * NIC's headers have none where none is needed: each byte more is a smaller request that can't be answered there. */
static __u16 put_field(struct buf *out, const char *name, const char *prefix, unsigned digits)
{
	size_t at;

	buf_printf(out, "%s:", name);
	if ((out->len + strlen(prefix)) % 2)
		buf_putc(out, ' ');
	buf_puts(out, prefix);
	at = out->len;
	buf_printf(out, "%*s\r\n", (int)digits, "");
	return (__u16)at;
}

static void put_retry_fields(struct buf *out, struct tg_answer *a)
{
	a->retry_off = put_field(out, DIALECT_H_RETRY_AFTER, "", TG_ANSWER_DIGITS);
	a->retry_ms_off = put_field(out, DIALECT_H_RETRY_AFTER_MS, "", TG_ANSWER_MS_DIGITS);
}

/* The kernel refuses when not one unit is left. When there will be again is in retry-after: a time of day isn't the
 * kernel's to format. */
static void put_limit_fields(struct buf *out, enum tg_dialect d, const char *kind, struct tg_answer *a)
{
	char name[64];

	if (d == TG_DIALECT_ANTHROPIC) {
		snprintf(name, sizeof(name), DIALECT_H_ANTHROPIC "%s" DIALECT_H_ANTHROPIC_LIMIT, kind);
		a->limit_off = put_field(out, name, "", TG_ANSWER_LIMIT_DIGITS);
		buf_printf(out, DIALECT_H_ANTHROPIC "%s" DIALECT_H_ANTHROPIC_REMAINING ":0\r\n", kind);
		return;
	}
	snprintf(name, sizeof(name), DIALECT_H_LIMIT "%s", kind);
	a->limit_off = put_field(out, name, "", TG_ANSWER_LIMIT_DIGITS);
	buf_printf(out, DIALECT_H_REMAINING "%s:0\r\n", kind);
}

static const char *status_text(int status)
{
	return status == 429 ? "Too Many Requests" : status == 503 ? "Service Unavailable" : "Forbidden";
}

static void put_text(struct buf *out, enum tg_dialect d, const struct dialect_refusal *r, const struct buf *body,
		     struct tg_answer *a)
{
	buf_printf(out, "HTTP/1.1 %d %s\r\n", r->status, status_text(r->status));
	buf_puts(out, "content-type:application/json\r\n");
	buf_printf(out, "content-length:%zu\r\n", body->len);
	buf_puts(out, "connection: close\r\n");
	a->id_off = put_field(out, d == TG_DIALECT_ANTHROPIC ? DIALECT_H_REQUEST_ID_ANTHROPIC : DIALECT_H_REQUEST_ID,
			      " req_nic_", TG_ANSWER_ID_DIGITS);
	if (r->status != 403)
		put_retry_fields(out, a);
	if (r->status == 429)
		put_limit_fields(out, d, r->type, a);
	buf_puts(out, "\r\n");
	buf_append(out, body->data, body->len);
}

static void blank(char *text, __u16 off, unsigned digits)
{
	if (off)
		memset(text + off, 0, digits);
}

/* One's complement sum in native order of the text with its fields zeroed: the kernel adds each field's own sum. */
static __u32 template_csum(const struct tg_answer *a)
{
	char text[TG_ANSWER_TEXT_MAX];
	__u32 sum = 0;
	__u16 word;

	memcpy(text, a->text, a->len);
	blank(text, a->retry_off, TG_ANSWER_DIGITS);
	blank(text, a->retry_ms_off, TG_ANSWER_MS_DIGITS);
	blank(text, a->limit_off, TG_ANSWER_LIMIT_DIGITS);
	blank(text, a->id_off, TG_ANSWER_ID_DIGITS);
	for (size_t i = 0; i < a->len; i += 2) {
		memcpy(&word, text + i, 2);
		sum += word;
	}
	return sum;
}

int dialect_nic_answer(enum tg_dialect d, enum tg_reason reason, struct tg_answer *ret, struct err *err)
{
	_cleanup_(buf_done) struct buf body = BUF_INIT, text = BUF_INIT;
	struct dialect_refusal r = dialect_refusal_of(reason);
	struct dialect_error e = {.status = r.status, .type = r.type, .code = r.code, .message = r.message};
	struct tg_answer a = {0};

	if (!nic_may_answer(reason)) {
		*ret = a;
		return 0;
	}
	dialect_error_body(d, &e, &body);
	put_text(&text, d, &r, &body, &a);
	if (text.len % 2) { /* a blank after the JSON makes the length even */
		buf_putc(&body, ' ');
		buf_reset(&text);
		put_text(&text, d, &r, &body, &a);
	}
	if (text.failed || body.failed)
		return err_set(err, ERR_NOMEM, "answer at the NIC: out of memory");
	if (text.len > TG_ANSWER_TEXT_MAX || text.len % 2)
		return err_set(err, ERR_RANGE, "answer at the NIC: %zu bytes don't fit", text.len);
	memcpy(a.text, text.data, text.len);
	a.len = (__u16)text.len;
	a.status = (__u16)r.status;
	a.csum = template_csum(&a);
	*ret = a;
	return 0;
}
