#include "dialect/internal.h"
#include "dialect/openai.h"

#include <string.h>

int openai_answer_usage(const char *body, size_t len, struct usage *ret, bool *ret_inconsistent)
{
	enum { USAGE, CHOICES, FIELDS };
	struct json_member m[FIELDS] = {[USAGE] = {.name = "usage"}, [CHOICES] = {.name = "choices"}};

	if (json_scan_object(body, len, m, FIELDS, NULL) < 0)
		return ERR_INVAL;
	return openai_read_usage(&m[USAGE].value, m[CHOICES].count > 0, ret, ret_inconsistent);
}

void openai_tail_feed(struct openai_tail *t, const char *data, size_t len)
{
	struct dialect_tail tail = {.len = t->len};

	memcpy(tail.text, t->text, t->len);
	dialect_tail_feed(&tail, data, len);
	t->len = tail.len;
	memcpy(t->text, tail.text, tail.len);
}

int openai_tail_usage(const struct openai_tail *t, struct usage *ret, bool *ret_inconsistent)
{
	struct dialect_tail tail = {.len = t->len};

	memcpy(tail.text, t->text, t->len);
	return dialect_tail_usage(&tail, WIRE_OPENAI_EMBEDDINGS, ret, ret_inconsistent);
}
