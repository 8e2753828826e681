/* What the scans of all wires have in common: members read for admission, and the body respliced for the provider. */
#include "dialect/internal.h"

#include <stdio.h>
#include <string.h>

int scan_missing(struct dialect_fault *fault, const char *param)
{
	snprintf(fault->param, sizeof(fault->param), "%s", param);
	return err_set(&fault->err, ERR_INVAL, "Missing required parameter: '%s'.", param);
}

int scan_body(const char *body, size_t len, struct json_member *m, size_t n, struct dialect_fault *fault)
{
	struct json_fault at = {0};

	if (json_scan_object(body, len, m, n, &at) < 0)
		return err_set(&fault->err, ERR_INVAL,
			       "We could not parse the JSON body of your request: %s at byte %zu.", at.what, at.at);
	for (size_t i = 0; i < n; i++)
		if (m[i].count > 1)
			return chat_refuse(fault, m[i].name, "given twice");
	return 0;
}

int scan_model(const char *body, const struct json_span *v, struct dialect_request *q, struct dialect_fault *fault)
{
	bool by_path = q->model != NULL;

	if (by_path && !wire_given(v)) {
		if (v->type == JSON_SPAN_NULL) {
			q->body_model.at = (size_t)(v->at - body);
			q->body_model.len = v->len;
		}
		return 0;
	}
	if (v->type == JSON_SPAN_ABSENT)
		return scan_missing(fault, "model");
	if (v->type != JSON_SPAN_STRING || v->len <= 2)
		return chat_refuse(fault, "model", "expected a non-empty string");
	if (v->escaped && !by_path)
		return chat_refuse(fault, "model", "a model's name has no escapes");
	q->body_model.at = (size_t)(v->at - body);
	q->body_model.len = v->len;
	if (!by_path) {
		q->model = v->at + 1;
		q->model_len = v->len - 2;
	}
	return 0;
}

int scan_bool(const struct json_span *v, const char *param, bool *ret, struct dialect_fault *fault)
{
	if (!wire_given(v))
		return 0;
	if (v->type != JSON_SPAN_TRUE && v->type != JSON_SPAN_FALSE)
		return chat_refuse(fault, param, "expected a boolean");
	*ret = v->type == JSON_SPAN_TRUE;
	return 0;
}

int scan_count(const struct json_span *v, const char *param, uint64_t max, uint64_t *ret, struct dialect_fault *fault)
{
	uint64_t n;

	if (!wire_given(v))
		return 0;
	if (json_number_u64(v, &n) < 0 || n == 0)
		return chat_refuse(fault, param, "expected a positive integer");
	if (n > max)
		return chat_refuse(fault, param, "the number is too large");
	*ret = n;
	return 0;
}

void scan_estimate(struct dialect_request *q, struct estimate e, uint64_t other_bytes)
{
	q->prompt_tokens_estimate = e.tokens;
	q->text_bytes = e.text_bytes + other_bytes;
	q->files = e.files;
}

/* ---- for the provider */

static const char *skip_space(const char *p)
{
	while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
		p++;
	return p;
}

static size_t put_splice(const struct splice *s, const char *body, size_t from, struct buf *out)
{
	buf_append(out, body + from, s->at - from);
	buf_puts(out, s->text);
	return s->at + s->len;
}

/* Where the name goes and what is put there: in place of the old one, or as the first member. */
static int model_splice(const struct dialect_request *q, const char *body, const char *name, struct buf *text,
			struct splice *ret)
{
	const char *first;

	*ret = (struct splice){q->body_model.at, q->body_model.len, NULL};
	if (!q->body_model.len) {
		first = skip_space(body) + 1;
		ret->at = (size_t)(first - body);
		buf_puts(text, "\"model\":");
	}
	buf_put_json_string(text, name, strlen(name));
	if (!q->body_model.len && *skip_space(body + ret->at) != '}')
		buf_putc(text, ',');
	ret->text = text->data;
	return text->failed ? ERR_NOMEM : 0;
}

int splice_model(const struct dialect_request *q, const char *body, size_t len, const char *upstream_model,
		 const struct splice *more, struct buf *out)
{
	_cleanup_(buf_done) struct buf model = BUF_INIT;
	struct splice first, second = more ? *more : (struct splice){.at = len, .text = ""};
	size_t from;
	int rc;

	rc = model_splice(q, body, upstream_model, &model, &first);
	if (rc == 0) /* once, so that the pieces don't grow it step by step */
		rc = buf_reserve(out, len + model.len + strlen(second.text));
	if (rc < 0)
		return rc;
	if (second.at < first.at) {
		struct splice swap = first;

		first = second;
		second = swap;
	}
	from = put_splice(&first, body, 0, out);
	from = put_splice(&second, body, from, out);
	buf_append(out, body + from, len - from);
	return 0;
}
