/* OpenAI's chat requests, for another wire: the members at the top. */
#include "dialect/openai_chat_parse.h"

#include <assert.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- objects by table */

int openai_refuse(struct chat_reader *r, const char *at, const char *name, const char *what)
{
	char param[DIALECT_PARAM_MAX];
	int n = snprintf(param, sizeof(param), "%s%s", at, name);

	if (n > 0 && n < (int)sizeof(param) && param[n - 1] == '.') /* the object itself */
		param[n - 1] = '\0';
	return chat_refuse(r->fault, param, "%s", what);
}

/* An unknown member's name is quoted only when it looks like one. */
static int refuse_unknown(struct chat_reader *r, const char *at, const struct json_span *name)
{
	char text[65] = "";

	for (size_t i = 1; i + 1 < name->len && name->len - 2 < sizeof(text); i++) {
		char c = name->at[i];

		if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-')
			return openai_refuse(r, at, "", "unknown member");
		text[i - 1] = c;
	}
	return openai_refuse(r, at, text, "unknown member, which can't be passed on to this model's provider");
}

int openai_read_object(struct chat_reader *r, const char *at, const struct json_span *object,
		       const struct openai_member *table, size_t n, void *to)
{
	struct json_span name, v;
	struct json_iter it;
	uint64_t seen = 0;
	size_t i;
	int rc = 0;

	assert(n <= 64);
	if (object->type != JSON_SPAN_OBJECT || json_iter_init(&it, object) < 0)
		return openai_refuse(r, at, "", "expected an object");
	while (rc == 0 && json_iter_next(&it, &name, &v) == 1) {
		for (i = 0; i < n && !json_string_is(&name, table[i].name);)
			i++;
		if (!wire_given(&v))
			continue;
		if (i == n)
			return refuse_unknown(r, at, &name);
		if (seen & 1ull << i) /* readers append to what they fill */
			return openai_refuse(r, at, table[i].name, "given twice");
		seen |= 1ull << i;
		rc = table[i].read(r, at, table[i].name, &v, to);
	}
	return rc;
}

int openai_read_hint(struct chat_reader *r, const char *at, const char *name, const struct json_span *v, void *to)
{
	(void)at;
	(void)v;
	(void)to;
	chat_ignore(r->ignored, name);
	return 0;
}

int openai_read_nothing(struct chat_reader *r, const char *at, const char *name, const struct json_span *v, void *to)
{
	(void)r;
	(void)at;
	(void)name;
	(void)v;
	(void)to;
	return 0;
}

int openai_read_unsupported(struct chat_reader *r, const char *at, const char *name, const struct json_span *v,
			    void *to)
{
	(void)v;
	(void)to;
	return openai_refuse(r, at, name, "not available with this model's provider");
}

int openai_want_string(struct chat_reader *r, const char *at, const char *name, const struct json_span *v,
		       struct chat_text *ret)
{
	if (v->type != JSON_SPAN_STRING)
		return openai_refuse(r, at, name, "expected a string");
	*ret = chat_text_of(v);
	return 0;
}

int openai_want_bool(struct chat_reader *r, const char *at, const char *name, const struct json_span *v, bool *ret)
{
	if (v->type != JSON_SPAN_TRUE && v->type != JSON_SPAN_FALSE)
		return openai_refuse(r, at, name, "expected a boolean");
	*ret = v->type == JSON_SPAN_TRUE;
	return 0;
}

/* ---- members at the top; `to` is the struct chat */

#define READER(name)                                                                                                   \
	static int name(struct chat_reader *r, const char *at, const char *member, const struct json_span *v, void *to)

static int want_number(struct chat_reader *r, const char *at, const char *name, const struct json_span *v,
		       struct json_span *ret)
{
	if (v->type != JSON_SPAN_NUMBER)
		return openai_refuse(r, at, name, "expected a number");
	*ret = *v;
	return 0;
}

READER(read_temperature)
{
	return want_number(r, at, member, v, &((struct chat *)to)->temperature);
}

READER(read_top_p)
{
	return want_number(r, at, member, v, &((struct chat *)to)->top_p);
}

READER(read_presence)
{
	return want_number(r, at, member, v, &((struct chat *)to)->presence_penalty);
}

READER(read_frequency)
{
	return want_number(r, at, member, v, &((struct chat *)to)->frequency_penalty);
}

READER(read_seed)
{
	return want_number(r, at, member, v, &((struct chat *)to)->seed);
}

READER(read_max_tokens)
{
	struct chat *c = to;
	uint64_t n = 0;

	(void)at;
	if (scan_count(v, member, SCAN_TOKENS_MAX, &n, r->fault) < 0)
		return ERR_INVAL;
	c->max_tokens_given = true;
	c->max_tokens = n > c->max_tokens ? n : c->max_tokens; /* the larger of the two names, as admission has it */
	return 0;
}

READER(read_n)
{
	(void)at;
	return scan_count(v, member, SCAN_CHOICES_MAX, &((struct chat *)to)->n, r->fault);
}

READER(read_stop)
{
	struct chat *c = to;
	struct json_span one;
	struct json_iter it;

	if (v->type == JSON_SPAN_STRING) {
		c->stop[c->n_stop++] = chat_text_of(v);
		return 0;
	}
	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return openai_refuse(r, at, member, "expected a string or an array of strings");
	while (json_iter_next(&it, NULL, &one) == 1) {
		if (one.type != JSON_SPAN_STRING)
			return openai_refuse(r, at, member, "expected a string or an array of strings");
		if (c->n_stop == CHAT_STOPS_MAX)
			return openai_refuse(r, at, member, "too many stop sequences");
		c->stop[c->n_stop++] = chat_text_of(&one);
	}
	return 0;
}

READER(read_parallel)
{
	struct chat *c = to;

	c->parallel_given = true;
	return openai_want_bool(r, at, member, v, &c->parallel);
}

READER(read_effort)
{
	return openai_want_string(r, at, member, v, &((struct chat *)to)->effort);
}

READER(read_user)
{
	return openai_want_string(r, at, member, v, &((struct chat *)to)->user);
}

READER(read_stream)
{
	return openai_want_bool(r, at, member, v, &((struct chat *)to)->stream);
}

READER(read_include_usage)
{
	return openai_want_bool(r, at, member, v, &((struct chat *)to)->include_usage);
}

READER(read_stream_options)
{
	static const struct openai_member table[] = {
		{"include_usage", read_include_usage},
		{"include_obfuscation", openai_read_hint},
	};

	(void)at;
	(void)member;
	return openai_read_object(r, "stream_options.", v, table, ARRAY_SIZE(table), to);
}

/* False and nothing asked for are as if they weren't there. */
READER(read_if_asked)
{
	if (v->type == JSON_SPAN_FALSE || (v->type == JSON_SPAN_NUMBER && v->len == 1 && *v->at == '0') ||
	    ((v->type == JSON_SPAN_OBJECT || v->type == JSON_SPAN_ARRAY) && json_is_empty(v)))
		return 0;
	return openai_read_unsupported(r, at, member, v, to);
}

/* Stored answers are the provider's; false asks for nothing. */
READER(read_store)
{
	if (v->type == JSON_SPAN_FALSE)
		return openai_read_hint(r, at, member, v, to);
	return openai_read_unsupported(r, at, member, v, to);
}

READER(read_service_tier)
{
	if (json_string_is(v, "auto") || json_string_is(v, "default"))
		return openai_read_hint(r, at, member, v, to);
	return openai_refuse(r, at, member, "only \"auto\" is available with this model's provider");
}

/* Medium is what a model does unasked. */
READER(read_verbosity)
{
	if (json_string_is(v, "medium"))
		return openai_read_hint(r, at, member, v, to);
	return openai_read_unsupported(r, at, member, v, to);
}

READER(read_modalities)
{
	struct json_span one;
	struct json_iter it;

	(void)to;
	if (v->type != JSON_SPAN_ARRAY || json_iter_init(&it, v) < 0)
		return openai_refuse(r, at, member, "expected an array");
	while (json_iter_next(&it, NULL, &one) == 1)
		if (!json_string_is(&one, "text"))
			return openai_refuse(r, at, member, "only \"text\" is available with this model's provider");
	return 0;
}

static const struct openai_member members[] = {
	{"messages", openai_read_messages},
	{"model", openai_read_nothing},
	{"stream", read_stream},
	{"max_completion_tokens", read_max_tokens},
	{"max_tokens", read_max_tokens},
	{"temperature", read_temperature},
	{"top_p", read_top_p},
	{"tools", openai_read_tools},
	{"tool_choice", openai_read_tool_choice},
	{"parallel_tool_calls", read_parallel},
	{"stop", read_stop},
	{"n", read_n},
	{"stream_options", read_stream_options},
	{"response_format", openai_read_format},
	{"presence_penalty", read_presence},
	{"frequency_penalty", read_frequency},
	{"seed", read_seed},
	{"reasoning_effort", read_effort},
	{"user", read_user},
	{"metadata", openai_read_hint},
	{"store", read_store},
	{"service_tier", read_service_tier},
	{"prompt_cache_key", openai_read_hint},
	{"prompt_cache_retention", openai_read_hint},
	{"safety_identifier", openai_read_hint},
	{"prediction", openai_read_hint}, /* makes the answer faster, not another one */
	{"verbosity", read_verbosity},
	{"modalities", read_modalities},
	{"logprobs", read_if_asked},
	{"top_logprobs", read_if_asked},
	{"logit_bias", read_if_asked},
	{"functions", read_if_asked},
	{"function_call", openai_read_unsupported},
	{"audio", openai_read_unsupported},
	{"web_search_options", openai_read_unsupported},
};

int openai_chat_parse(struct chat_reader *r, const struct dialect_target *t, const char *body, size_t len,
		      struct chat *ret)
{
	struct json_span whole;

	(void)t;
	if (json_scan_value(body, len, &whole, NULL) < 0)
		return chat_refuse(r->fault, "", "no JSON"); /* it was scanned before */
	return openai_read_object(r, "", &whole, members, ARRAY_SIZE(members), ret);
}
