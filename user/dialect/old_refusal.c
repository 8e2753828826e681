/* The old names, until the gateway has moved over. */
#include "dialect/openai.h"

#include "dialect/dialect.h"

static struct openai_refusal old(struct dialect_refusal r)
{
	return (struct openai_refusal){r.status, r.type, r.code, r.message, r.final};
}

struct openai_refusal openai_refusal_of(enum tg_reason reason)
{
	return old(dialect_refusal_of(reason));
}

struct openai_refusal openai_money_refusal(enum openai_money reason)
{
	return old(dialect_money_refusal((enum dialect_money)reason));
}

int openai_error_body(struct buf *out, const char *message, const char *type, const char *param, const char *code)
{
	struct dialect_error e = {.type = type, .code = code, .param = param, .message = message};

	return dialect_error_body(TG_DIALECT_OPENAI, &e, out);
}

int openai_error_event(struct buf *out, const char *message, const char *type, const char *code)
{
	buf_puts(out, "data: ");
	openai_error_body(out, message, type, NULL, code);
	return buf_puts(out, "\n\n");
}

int openai_model_object(struct buf *out, const char *id, const char *owned_by, long long created)
{
	return dialect_model_object(TG_DIALECT_AZURE, id, owned_by, created, out);
}

int openai_nic_answer(enum tg_reason reason, struct tg_answer *ret, struct err *err)
{
	return dialect_nic_answer(TG_DIALECT_OPENAI, reason, ret, err);
}
