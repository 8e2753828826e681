/* OpenAI's chat completions: what is read of a request, and the row of the wire. */
#include "dialect/openai_chat.h"

#include <string.h>

enum {
	MODEL,
	MESSAGES,
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

static int read_stream_options(const char *body, const struct json_span *v, struct dialect_request *q,
			       struct dialect_fault *fault)
{
	struct json_span name, option;
	struct json_iter it;
	unsigned count = 0;

	if (v->type == JSON_SPAN_ABSENT)
		return 0;
	q->stream_options.at = (size_t)(v->at - body);
	q->stream_options.len = v->len;
	if (v->type == JSON_SPAN_NULL)
		return 0;
	if (v->type != JSON_SPAN_OBJECT || json_iter_init(&it, v) < 0)
		return chat_refuse(fault, "stream_options", "expected an object");
	if (!q->stream)
		return chat_refuse(fault, "stream_options", "only allowed when stream is true");
	q->stream_options_object = true;
	while (json_iter_next(&it, &name, &option) == 1) {
		if (!json_string_is(&name, "include_usage"))
			continue;
		if (count++)
			return chat_refuse(fault, "stream_options.include_usage", "given twice");
		q->stream_options_usage.at = (size_t)(option.at - body);
		q->stream_options_usage.len = option.len;
		if (scan_bool(&option, "stream_options.include_usage", &q->include_usage, fault) < 0)
			return ERR_INVAL;
	}
	return 0;
}

static int read_output_cap(const struct json_member *m, struct dialect_request *q, struct dialect_fault *fault)
{
	uint64_t old = 0, cap = 0;

	if (scan_count(&m[MAX_TOKENS].value, "max_tokens", SCAN_TOKENS_MAX, &old, fault) < 0 ||
	    scan_count(&m[MAX_COMPLETION_TOKENS].value, "max_completion_tokens", SCAN_TOKENS_MAX, &cap, fault) < 0 ||
	    scan_count(&m[N].value, "n", SCAN_CHOICES_MAX, &q->choices, fault) < 0)
		return ERR_INVAL;
	q->max_output_tokens = (old > cap ? old : cap) * q->choices;
	return 0;
}

static int scan(const struct dialect_target *t, const char *body, size_t len, struct dialect_request *q,
		struct dialect_fault *fault)
{
	struct json_member m[MEMBERS] = {
		[MODEL] = {.name = "model"},
		[MESSAGES] = {.name = "messages"},
		[STREAM] = {.name = "stream"},
		[STREAM_OPTIONS] = {.name = "stream_options"},
		[MAX_TOKENS] = {.name = "max_tokens"},
		[MAX_COMPLETION_TOKENS] = {.name = "max_completion_tokens"},
		[N] = {.name = "n"},
		[TOOLS] = {.name = "tools"},
		[FUNCTIONS] = {.name = "functions"},
		[RESPONSE_FORMAT] = {.name = "response_format"},
	};
	const struct json_span *messages = &m[MESSAGES].value;

	(void)t;
	if (scan_body(body, len, m, MEMBERS, fault) < 0 || scan_model(body, &m[MODEL].value, q, fault) < 0)
		return ERR_INVAL;
	if (messages->type == JSON_SPAN_ABSENT)
		return scan_missing(fault, "messages");
	if (messages->type != JSON_SPAN_ARRAY || json_is_empty(messages))
		return chat_refuse(fault, "messages", "expected a non-empty array");
	if (scan_bool(&m[STREAM].value, "stream", &q->stream, fault) < 0 ||
	    read_stream_options(body, &m[STREAM_OPTIONS].value, q, fault) < 0 || read_output_cap(m, q, fault) < 0)
		return ERR_INVAL;
	scan_estimate(q, estimate_messages(&m[MESSAGES], &m[TOOLS]),
		      m[FUNCTIONS].value.len + m[RESPONSE_FORMAT].value.len);
	return 0;
}

/* Usage is asked for in any case: stream_options as they have to be. */
static struct splice usage_splice(const struct dialect_request *q, const char *body)
{
	size_t at = q->stream_options.at, len = q->stream_options.len;
	const char *after;

	if (!len && q->body_model.len) /* right behind the model, whose place is known */
		return (struct splice){q->body_model.at + q->body_model.len, 0,
				       ",\"stream_options\":{\"include_usage\":true}"};
	if (!len) /* the path names the model: right behind the first bracket; messages follow */
		return (struct splice){(size_t)(strchr(body, '{') - body) + 1, 0,
				       "\"stream_options\":{\"include_usage\":true},"};
	if (!q->stream_options_object)
		return (struct splice){at, len, "{\"include_usage\":true}"};
	if (q->stream_options_usage.len)
		return (struct splice){q->stream_options_usage.at, q->stream_options_usage.len, "true"};
	after = body + at + 1;
	while (*after == ' ' || *after == '\n' || *after == '\r' || *after == '\t')
		after++;
	return (struct splice){at + 1, 0, *after == '}' ? "\"include_usage\":true" : "\"include_usage\":true,"};
}

static int splice(const struct dialect_request *q, const char *body, size_t len, const char *upstream_model,
		  struct buf *out)
{
	struct splice usage;

	if (!q->stream || q->include_usage)
		return splice_model(q, body, len, upstream_model, NULL, out);
	usage = usage_splice(q, body);
	return splice_model(q, body, len, upstream_model, &usage, out);
}

/* ---- whole answers */

static bool choice_valid(const struct json_span *v)
{
	struct json_member message = {.name = "message"}, content = {.name = "content"};

	if (v->type != JSON_SPAN_OBJECT || json_scan_object(v->at, v->len, &message, 1, NULL) < 0 ||
	    message.value.type != JSON_SPAN_OBJECT ||
	    json_scan_object(message.value.at, message.value.len, &content, 1, NULL) < 0)
		return false;
	return !wire_given(&content.value) || content.value.type == JSON_SPAN_STRING ||
	       content.value.type == JSON_SPAN_ARRAY;
}

static bool answer_valid(const char *body, size_t len)
{
	struct json_member m = {.name = "choices"};
	struct json_iter it;
	struct json_span v;

	if (json_scan_object(body, len, &m, 1, NULL) < 0 || m.value.type != JSON_SPAN_ARRAY ||
	    json_is_empty(&m.value) || json_iter_init(&it, &m.value) < 0)
		return false;
	while (json_iter_next(&it, NULL, &v) == 1)
		if (!choice_valid(&v))
			return false;
	return true;
}

static int usage(const struct json_span *v, struct usage *ret, bool *ret_inconsistent)
{
	return openai_read_usage(v, true, ret, ret_inconsistent);
}

static int answer_usage(const char *body, size_t len, struct usage *ret, bool *ret_inconsistent)
{
	struct json_member m = {.name = "usage"};

	if (json_scan_object(body, len, &m, 1, NULL) < 0)
		return ERR_PROTO;
	return usage(&m.value, ret, ret_inconsistent);
}

const struct wire_ops wire_openai_chat = {
	.scan = scan,
	.splice = splice,
	.parse = openai_chat_parse,
	.render = openai_chat_render,
	.answer_valid = answer_valid,
	.answer_usage = answer_usage,
	.answer_parse = openai_chat_answer_parse,
	.answer_render = openai_chat_answer_render,
	.usage = usage,
	.usage_member = "usage",
	.watch = openai_chat_watch,
	.decoder_size = sizeof(struct openai_chat_decoder),
	.decode = openai_chat_decode,
	.encoder_size = sizeof(struct openai_chat_encoder),
	.encode = openai_chat_encode,
	.encoder_done = openai_chat_encoder_done,
	.error_event = openai_chat_error_event,
};
