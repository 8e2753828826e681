/* A request's body: checked, read, and respliced for the provider. */
#include "dialect/openai.h"

#include "dialect/internal.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define CHOICES_MAX 128u

enum {
	MODEL,
	MESSAGES,
	INPUT,
	STREAM,
	STREAM_OPTIONS,
	MAX_TOKENS,
	MAX_COMPLETION_TOKENS,
	N,
	TOOLS,
	FUNCTIONS,
	RESPONSE_FORMAT,
	MEMBERS
};

/* Everything that reads a member of the body goes through here: who is at fault, in the client's words. */
struct reader {
	struct json_member m[MEMBERS];
	const char *body;
	const char *param;
	struct err *err;
};

static int refuse(struct reader *r, const char *param, const char *what)
{
	r->param = param;
	return err_set(r->err, ERR_INVAL, "Invalid value for '%s': %s.", param, what);
}

static int read_model(struct reader *r, struct openai_request *q)
{
	const struct json_span *v = &r->m[MODEL].value;

	if (v->type == JSON_SPAN_ABSENT) {
		r->param = "model";
		return err_set(r->err, ERR_INVAL, "You must provide a model parameter.");
	}
	if (v->type != JSON_SPAN_STRING || v->len <= 2)
		return refuse(r, "model", "expected a non-empty string");
	if (v->escaped)
		return refuse(r, "model", "a model's name has no escapes");
	q->model = v->at + 1;
	q->model_len = v->len - 2;
	q->model_at = (size_t)(v->at - r->body);
	q->model_quoted_len = v->len;
	return 0;
}

static int read_bool(struct reader *r, const char *param, const struct json_span *v, bool *ret)
{
	if (!wire_given(v))
		return 0;
	if (v->type != JSON_SPAN_TRUE && v->type != JSON_SPAN_FALSE)
		return refuse(r, param, "expected a boolean");
	*ret = v->type == JSON_SPAN_TRUE;
	return 0;
}

static int read_count(struct reader *r, unsigned member, uint64_t max, uint64_t *ret)
{
	const struct json_span *v = &r->m[member].value;
	uint64_t n;

	if (!wire_given(v))
		return 0;
	if (json_number_u64(v, &n) < 0 || n == 0)
		return refuse(r, r->m[member].name, "expected a positive integer");
	if (n > max)
		return refuse(r, r->m[member].name, "the number is too large");
	*ret = n;
	return 0;
}

static int read_stream_options(struct reader *r, struct openai_request *q)
{
	const struct json_span *v = &r->m[STREAM_OPTIONS].value;
	struct json_span name, option;
	struct json_iter it;
	unsigned count = 0;

	if (v->type == JSON_SPAN_ABSENT)
		return 0;
	q->stream_options_at = (size_t)(v->at - r->body);
	q->stream_options_len = v->len;
	if (v->type == JSON_SPAN_NULL)
		return 0;
	if (json_iter_init(&it, v) < 0 || v->type != JSON_SPAN_OBJECT)
		return refuse(r, "stream_options", "expected an object");
	if (!q->stream)
		return refuse(r, "stream_options", "only allowed when stream is true");
	q->stream_options_object = true;
	while (json_iter_next(&it, &name, &option) == 1) {
		if (!json_string_is(&name, "include_usage"))
			continue;
		if (count++)
			return refuse(r, "stream_options.include_usage", "given twice");
		q->include_usage_at = (size_t)(option.at - r->body);
		q->include_usage_len = option.len;
		if (read_bool(r, "stream_options.include_usage", &option, &q->include_usage) < 0)
			return ERR_INVAL;
	}
	return 0;
}

static int read_output_cap(struct reader *r, struct openai_request *q)
{
	uint64_t old = 0, cap = 0;

	q->choices = 1;
	/* 2^40 tokens are beyond any bucket (gcra.h), and the product with n stays in 64 bits. */
	if (read_count(r, MAX_TOKENS, 1ull << 40, &old) < 0 ||
	    read_count(r, MAX_COMPLETION_TOKENS, 1ull << 40, &cap) < 0 ||
	    read_count(r, N, CHOICES_MAX, &q->choices) < 0)
		return ERR_INVAL;
	q->max_output_tokens = (old > cap ? old : cap) * q->choices;
	return 0;
}

static int read_chat(struct reader *r, struct openai_request *q)
{
	const struct json_span *messages = &r->m[MESSAGES].value;

	if (messages->type == JSON_SPAN_ABSENT) {
		r->param = "messages";
		return err_set(r->err, ERR_INVAL, "Missing required parameter: 'messages'.");
	}
	if (messages->type != JSON_SPAN_ARRAY || json_is_empty(messages))
		return refuse(r, "messages", "expected a non-empty array");
	if (read_bool(r, "stream", &r->m[STREAM].value, &q->stream) < 0 || read_stream_options(r, q) < 0)
		return ERR_INVAL;
	return read_output_cap(r, q);
}

static int read_embeddings(struct reader *r, struct openai_request *q)
{
	const struct json_span *input = &r->m[INPUT].value;

	q->choices = 1;
	if (!wire_given(input)) {
		r->param = "input";
		return err_set(r->err, ERR_INVAL, "Missing required parameter: 'input'.");
	}
	if ((input->type == JSON_SPAN_STRING && input->len > 2) ||
	    (input->type == JSON_SPAN_ARRAY && !json_is_empty(input)))
		return 0;
	return refuse(r, "input", "expected a non-empty string or array");
}

static int old_scan_body(struct reader *r, size_t len)
{
	struct json_fault fault = {0};

	if (json_scan_object(r->body, len, r->m, MEMBERS, &fault) < 0)
		return err_set(r->err, ERR_INVAL, "We could not parse the JSON body of your request: %s at byte %zu.",
			       fault.what, fault.at);
	for (unsigned i = 0; i < MEMBERS; i++)
		if (r->m[i].count > 1)
			return refuse(r, r->m[i].name, "given twice");
	return 0;
}

/* Other members become tokens as well. */
static void read_estimate(struct openai_request *q, struct estimate e, uint64_t other_bytes)
{
	q->prompt_tokens_estimate = e.tokens;
	q->text_bytes = e.text_bytes + other_bytes;
	q->files = e.files;
}

int openai_parse_request(enum tg_route route, const char *body, size_t len, struct openai_request *ret,
			 const char **ret_param, struct err *err)
{
	struct reader r = {
		.m = {[MODEL] = {.name = "model"},
		      [MESSAGES] = {.name = "messages"},
		      [INPUT] = {.name = "input"},
		      [STREAM] = {.name = "stream"},
		      [STREAM_OPTIONS] = {.name = "stream_options"},
		      [MAX_TOKENS] = {.name = "max_tokens"},
		      [MAX_COMPLETION_TOKENS] = {.name = "max_completion_tokens"},
		      [N] = {.name = "n"},
		      [TOOLS] = {.name = "tools"},
		      [FUNCTIONS] = {.name = "functions"},
		      [RESPONSE_FORMAT] = {.name = "response_format"}},
		.body = body,
		.err = err,
	};
	struct openai_request q = {0};
	int rc;

	assert(route == TG_ROUTE_CHAT_COMPLETIONS || route == TG_ROUTE_EMBEDDINGS);
	rc = old_scan_body(&r, len);
	if (rc == 0)
		rc = read_model(&r, &q);
	if (rc == 0)
		rc = route == TG_ROUTE_EMBEDDINGS ? read_embeddings(&r, &q) : read_chat(&r, &q);
	if (rc < 0) {
		*ret_param = r.param;
		return rc;
	}
	if (route == TG_ROUTE_EMBEDDINGS)
		read_estimate(&q, estimate_input(&r.m[INPUT]), 0);
	else
		read_estimate(&q, estimate_messages(&r.m[MESSAGES], &r.m[TOOLS]),
			      r.m[FUNCTIONS].value.len + r.m[RESPONSE_FORMAT].value.len);
	*ret = q;
	return 0;
}

/* ---- for the provider */

/* Replace `len` bytes at `at` (0 = insert). */
struct old_splice {
	size_t at, len;
	const char *text;
};

static struct old_splice usage_splice(const struct openai_request *q, const char *body)
{
	const char *after;

	if (!q->stream_options_at) /* right behind the model, whose place is known */
		return (struct old_splice){q->model_at + q->model_quoted_len, 0,
					   ",\"stream_options\":{\"include_usage\":true}"};
	if (!q->stream_options_object)
		return (struct old_splice){q->stream_options_at, q->stream_options_len, "{\"include_usage\":true}"};
	if (q->include_usage_at)
		return (struct old_splice){q->include_usage_at, q->include_usage_len, "true"};
	after = body + q->stream_options_at + 1;
	while (*after == ' ' || *after == '\n' || *after == '\r' || *after == '\t')
		after++;
	return (struct old_splice){q->stream_options_at + 1, 0,
				   *after == '}' ? "\"include_usage\":true" : "\"include_usage\":true,"};
}

static size_t put_splice(const struct old_splice *s, const char *body, size_t from, struct buf *out)
{
	buf_append(out, body + from, s->at - from);
	buf_puts(out, s->text);
	return s->at + s->len;
}

int openai_rewrite_request(const struct openai_request *req, const char *body, size_t len, const char *upstream_model,
			   struct buf *out, struct err *err)
{
	_cleanup_(buf_done) struct buf model = BUF_INIT;
	struct old_splice first, second = {.at = len, .text = ""};
	size_t from;
	int rc;

	rc = buf_put_json_string(&model, upstream_model, strlen(upstream_model));
	if (rc == 0) /* once, so that the pieces don't grow it step by step */
		rc = buf_reserve(out, len + model.len + 64);
	if (rc < 0)
		return err_set(err, rc, "request body: %s", rc == ERR_FULL ? "too large" : "out of memory");
	first = (struct old_splice){req->model_at, req->model_quoted_len, model.data};
	if (req->stream && !req->include_usage)
		second = usage_splice(req, body);
	if (second.at < first.at) {
		struct old_splice swap = first;

		first = second;
		second = swap;
	}
	from = put_splice(&first, body, 0, out);
	from = put_splice(&second, body, from, out);
	buf_append(out, body + from, len - from);
	return 0;
}
