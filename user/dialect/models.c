/* Lists of models. The same path serves OpenAI's, Anthropic's and Google's clients (v1), and says not who asks: one
 * answer has what each of their SDKs looks for. */
#include "dialect/dialect.h"

#include "base/json_text.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

static void put_text(struct buf *out, const char *s)
{
	buf_put_json_string(out, s, strlen(s));
}

static void put_openai(struct buf *out, const char *id, const char *owned_by, int64_t created_s)
{
	buf_puts(out, "\"id\":");
	put_text(out, id);
	buf_printf(out, ",\"object\":\"model\",\"created\":%" PRId64 ",\"owned_by\":", created_s);
	put_text(out, owned_by);
}

static void put_anthropic(struct buf *out, const char *id, int64_t created_s)
{
	time_t t = (time_t)created_s;
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	buf_printf(out, "\"type\":\"model\",\"created_at\":\"%s\",\"display_name\":", text);
	put_text(out, id);
}

static void put_gemini(struct buf *out, const char *id)
{
	buf_puts(out, "\"name\":\"models/");
	json_escape(id, strlen(id), out);
	buf_puts(out, "\",\"displayName\":");
	put_text(out, id);
	buf_puts(out, ",\"supportedGenerationMethods\":[\"generateContent\",\"streamGenerateContent\"]");
}

int dialect_model_object(enum tg_dialect d, const char *id, const char *owned_by, int64_t created_s, struct buf *out)
{
	buf_putc(out, '{');
	switch (d) {
	case TG_DIALECT_OPENAI: /* /v1: whoever it is */
	case TG_DIALECT_ANTHROPIC:
		put_openai(out, id, owned_by, created_s);
		buf_putc(out, ',');
		put_anthropic(out, id, created_s);
		buf_putc(out, ',');
		put_gemini(out, id);
		break;
	case TG_DIALECT_GEMINI:
		put_gemini(out, id);
		break;
	case TG_DIALECT_AZURE:
		put_openai(out, id, owned_by, created_s);
		break;
	case TG_DIALECT_COUNT:
		assert(0);
	}
	buf_putc(out, '}');
	return out->failed ? ERR_NOMEM : 0;
}

static void put_objects(enum tg_dialect d, const struct dialect_model *m, size_t n, int64_t created_s, struct buf *out)
{
	buf_putc(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_putc(out, ',');
		dialect_model_object(d, m[i].id, m[i].owned_by, created_s, out);
	}
	buf_putc(out, ']');
}

static void put_id_or_null(struct buf *out, const char *name, const char *id)
{
	buf_printf(out, ",\"%s\":", name);
	if (id)
		put_text(out, id);
	else
		buf_puts(out, "null");
}

/* All of them at once: none of the dialects' pages has a next one. */
int dialect_model_list(enum tg_dialect d, const struct dialect_model *m, size_t n, int64_t created_s, struct buf *out)
{
	if (d == TG_DIALECT_GEMINI) {
		buf_puts(out, "{\"models\":");
		put_objects(d, m, n, created_s, out);
	} else {
		buf_puts(out, "{\"object\":\"list\",\"data\":");
		put_objects(d, m, n, created_s, out);
	}
	if (d == TG_DIALECT_OPENAI || d == TG_DIALECT_ANTHROPIC) {
		buf_puts(out, ",\"has_more\":false");
		put_id_or_null(out, "first_id", n ? m[0].id : NULL);
		put_id_or_null(out, "last_id", n ? m[n - 1].id : NULL);
		buf_puts(out, ",\"models\":");
		put_objects(TG_DIALECT_GEMINI, m, n, created_s, out);
	}
	buf_putc(out, '}');
	return out->failed ? ERR_NOMEM : 0;
}
