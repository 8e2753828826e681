/* From a request's body to what will be answered: model name, scenario, text length, tool call, usage. */
#include "sim/sim.h"

#include "base/clock.h"
#include "base/json_scan.h"
#include "base/num.h"

#include <stdio.h>
#include <string.h>

/* ---- reading JSON; the body was checked as a whole, so walking it can't fail */

static struct json_span member(const struct json_span *object, const char *name)
{
	struct json_span found = {0}, key, value;
	struct json_iter it;

	if (object->type != JSON_SPAN_OBJECT || json_iter_init(&it, object) < 0)
		return found;
	while (json_iter_next(&it, &key, &value) > 0)
		if (json_string_is(&key, name))
			found = value;
	return found;
}

/* A string as written, without its quotes; empty when it isn't one. */
static struct json_span raw_string(const struct json_span *v)
{
	if (v->type != JSON_SPAN_STRING)
		return (struct json_span){.at = ""};
	return (struct json_span){.at = v->at + 1, .len = v->len - 2, .type = JSON_SPAN_STRING};
}

static uint64_t number_or(const struct json_span *v, uint64_t otherwise)
{
	uint64_t n = otherwise;

	return json_number_u64(v, &n) < 0 ? otherwise : n;
}

/* ---- scenarios */

struct scenario {
	const char *name; /* a trailing '-' means a number follows */
	enum sim_fault fault;
	enum sim_usage usage;
};

static const struct scenario scenarios[] = {
	{"sim-ok", SIM_OK, SIM_USAGE_TRUE},
	{"sim-slow-", SIM_OK, SIM_USAGE_TRUE},
	{"sim-error-", SIM_ERROR, SIM_USAGE_TRUE},
	{"sim-ratelimit", SIM_RATELIMIT, SIM_USAGE_TRUE},
	{"sim-truncate", SIM_TRUNCATE, SIM_USAGE_TRUE},
	{"sim-malformed", SIM_MALFORMED, SIM_USAGE_TRUE},
	{"sim-badchunk", SIM_BADCHUNK, SIM_USAGE_TRUE},
	{"sim-close", SIM_CLOSE, SIM_USAGE_TRUE},
	{"sim-hang", SIM_HANG, SIM_USAGE_TRUE},
	{"sim-drip", SIM_DRIP, SIM_USAGE_TRUE},
	{"sim-long-", SIM_OK, SIM_USAGE_TRUE},
	{"sim-wrong-length", SIM_WRONG_LENGTH, SIM_USAGE_TRUE},
	{"sim-nousage", SIM_OK, SIM_USAGE_NONE},
	{"sim-midstream-error", SIM_MIDSTREAM_ERROR, SIM_USAGE_TRUE},
	{"sim-cut-", SIM_CUT, SIM_USAGE_TRUE},
	{"sim-nodone", SIM_NODONE, SIM_USAGE_TRUE},
	{"sim-truncate-clean", SIM_TRUNCATE_CLEAN, SIM_USAGE_TRUE},
	{"sim-slowstream-", SIM_OK, SIM_USAGE_TRUE},
	{"sim-usage-zero", SIM_OK, SIM_USAGE_ZERO},
	{"sim-usage-string", SIM_OK, SIM_USAGE_STRING},
	{"sim-usage-negative", SIM_OK, SIM_USAGE_NEGATIVE},
	{"sim-usage-huge", SIM_OK, SIM_USAGE_HUGE},
	{"sim-usage-cached", SIM_OK, SIM_USAGE_CACHED},
	{"sim-usage-inconsistent", SIM_OK, SIM_USAGE_INCONSISTENT},
	{"sim-usage-overcap", SIM_OK, SIM_USAGE_OVERCAP},
	{"sim-usage-on-choice-chunk", SIM_OK, SIM_USAGE_ON_CHOICE},
	{"sim-usage-twice", SIM_OK, SIM_USAGE_TWICE},
};

bool sim_scenario_example(unsigned n, char *ret, size_t size)
{
	const char *name;

	if (n >= ARRAY_SIZE(scenarios))
		return false;
	name = scenarios[n].name;
	snprintf(ret, size, "%s%s", name, name[strlen(name) - 1] == '-' ? "500" : "");
	return true;
}

static void apply_number(struct sim_job *j, const char *name, uint64_t n)
{
	if (strcmp(name, "sim-slow-") == 0)
		j->latency_ms = n > 600000 ? 600000 : (unsigned)n;
	else if (strcmp(name, "sim-error-") == 0)
		j->status = n >= 400 && n <= 599 ? (unsigned)n : 500;
	else if (strcmp(name, "sim-slowstream-") == 0)
		j->interval_ms = n > 600000 ? 600000 : (unsigned)n;
	else if (strcmp(name, "sim-cut-") == 0)
		j->cut_at = n > UINT32_MAX ? UINT32_MAX : (unsigned)n;
	else if (strcmp(name, "sim-long-") == 0)
		j->words = j->chunks = n < 1 ? 1 : n > SIM_WORDS_MAX ? SIM_WORDS_MAX : (unsigned)n;
}

static void apply_scenario(struct sim_job *j, const char *wanted)
{
	uint64_t number;

	if (strncmp(wanted, "sim-", 4) != 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		const char *name = scenarios[i].name, *rest = wanted + strlen(name);
		bool numbered = name[strlen(name) - 1] == '-';

		if (strncmp(wanted, name, strlen(name)) != 0)
			continue;
		if (numbered ? num_parse_u64(rest, strlen(rest), &number) < 0 : *rest != '\0')
			continue;
		j->fault = scenarios[i].fault;
		j->usage = scenarios[i].usage;
		if (numbered)
			apply_number(j, name, number);
		return;
	}
}

static unsigned tokens_of(const struct json_span *v)
{
	return (unsigned)(v->len + 3) / 4;
}

static void copy_name(char *to, const struct json_span *raw)
{
	size_t n = raw->len < SIM_NAME_MAX ? raw->len : SIM_NAME_MAX - 1;

	memcpy(to, raw->at, n);
	to[n] = '\0';
}

/* An argument for every required property, so that a client that checks the schema's strings is content. */
static void tool_args_render(struct sim_job *j, const struct json_span *function)
{
	struct json_span parameters = member(function, "parameters"), required = member(&parameters, "required"), v;
	struct json_iter it;
	size_t at = 1;

	strcpy(j->tool_args, "{");
	if (required.type == JSON_SPAN_ARRAY && json_iter_init(&it, &required) == 0)
		while (json_iter_next(&it, NULL, &v) > 0) {
			if (v.type != JSON_SPAN_STRING || at + v.len + sizeof(", : \"sim\"}") > sizeof(j->tool_args))
				break;
			at += (size_t)snprintf(j->tool_args + at, sizeof(j->tool_args) - at, "%s%.*s: \"sim\"",
					       at > 1 ? ", " : "", (int)v.len, v.at);
		}
	strcpy(j->tool_args + at, "}");
}

/* First and last element of an array; absent when there is none. */
static void array_ends(const struct json_span *array, struct json_span *ret_first, struct json_span *ret_last)
{
	struct json_iter it;
	struct json_span v;

	*ret_first = *ret_last = (struct json_span){0};
	if (array->type != JSON_SPAN_ARRAY || json_iter_init(&it, array) < 0)
		return;
	while (json_iter_next(&it, NULL, &v) > 0) {
		if (ret_first->type == JSON_SPAN_ABSENT)
			*ret_first = v;
		*ret_last = v;
	}
}

/* The first tool is called, unless the conversation already holds its result (else an agent would never end). */
static void tool_pick(struct sim_job *j, const struct json_span *tools, const struct json_span *choice,
		      const struct json_span *messages)
{
	struct json_span first, last, function, name, role;

	if (tools->type != JSON_SPAN_ARRAY || (choice->type == JSON_SPAN_STRING && json_string_is(choice, "none")))
		return;
	array_ends(messages, &first, &last);
	role = member(&last, "role");
	if (role.type == JSON_SPAN_STRING && json_string_is(&role, "tool"))
		return;
	array_ends(tools, &first, &last);
	function = member(&first, "function");
	name = member(&function, "name");
	name = raw_string(&name);
	if (!name.len || name.len >= SIM_NAME_MAX)
		return;
	j->tool = true;
	copy_name(j->tool_name, &name);
	tool_args_render(j, &function);
}

static void job_init(struct sim_job *j, const struct sim_config *c)
{
	j->fault = SIM_OK;
	j->usage = SIM_USAGE_TRUE;
	j->stream = j->include_usage = j->tool = j->embeddings = j->base64 = j->cut = false;
	j->status = 200;
	j->latency_ms = c->latency_ms;
	j->interval_ms = c->chunk_interval_ms;
	j->cut_at = 0;
	j->words = j->chunks = c->chunks;
	j->choices = 1;
	j->step = 0;
	j->created_s = clock_wall_ms() / 1000;
}

/* The model's name chooses the scenario, else the `user` does: one model of a gateway's then serves for all. */
static bool model_take(struct sim_job *j, const struct json_span *v, const struct json_span *user, const char **ret_why)
{
	struct json_span model = raw_string(v), scenario = raw_string(user);
	char name[SIM_NAME_MAX];

	if (!model.len || model.len >= SIM_NAME_MAX) {
		*ret_why = "you must provide a model parameter";
		return false;
	}
	copy_name(name, &scenario);
	apply_scenario(j, name);
	copy_name(j->model, &model);
	apply_scenario(j, j->model);
	return true;
}

/* Words until the text has answer_bytes. */
static unsigned words_for(unsigned answer_bytes)
{
	unsigned low = 1, high = SIM_WORDS_MAX;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (sim_text_bytes(mid) >= answer_bytes)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* The client's limit ends the text early. */
static void limit_apply(struct sim_job *j, const struct json_span *limit)
{
	uint64_t max = number_or(limit, SIM_WORDS_MAX);

	if (j->usage == SIM_USAGE_OVERCAP && max < SIM_WORDS_MAX / 2) {
		j->words = j->chunks = (unsigned)max * 2;
	} else if (max && max < j->words) {
		j->words = (unsigned)max;
		j->cut = true;
	}
	if (j->chunks > j->words)
		j->chunks = j->words;
}

bool sim_chat_parse(const struct sim_config *c, const char *body, size_t len, struct sim_job *ret, const char **ret_why)
{
	enum { MODEL, MESSAGES, STREAM, OPTIONS, N, MAX, MAX_OLD, TOOLS, CHOICE, USER, COUNT };
	struct json_member m[COUNT] = {
		[MODEL] = {.name = "model"},
		[MESSAGES] = {.name = "messages"},
		[STREAM] = {.name = "stream"},
		[OPTIONS] = {.name = "stream_options"},
		[N] = {.name = "n"},
		[MAX] = {.name = "max_completion_tokens"},
		[MAX_OLD] = {.name = "max_tokens"},
		[TOOLS] = {.name = "tools"},
		[CHOICE] = {.name = "tool_choice"},
		[USER] = {.name = "user"},
	};
	static _Thread_local unsigned answer_words;
	uint64_t n;

	if (json_scan_object(body, len, m, COUNT, NULL) < 0)
		return false;
	job_init(ret, c);
	if (c->answer_bytes) {
		if (!answer_words)
			answer_words = words_for(c->answer_bytes);
		ret->words = answer_words;
	}
	if (!model_take(ret, &m[MODEL].value, &m[USER].value, ret_why))
		return false;
	if (m[MESSAGES].value.type != JSON_SPAN_ARRAY) {
		*ret_why = "'messages' is a required property and must be an array";
		return false;
	}
	n = number_or(&m[N].value, 1);
	if (n < 1 || n > SIM_CHOICES_MAX) {
		*ret_why = "'n' must be from 1 to 16";
		return false;
	}
	ret->choices = (unsigned)n;
	limit_apply(ret, m[MAX].count ? &m[MAX].value : &m[MAX_OLD].value);
	ret->stream = m[STREAM].value.type == JSON_SPAN_TRUE;
	ret->include_usage = member(&m[OPTIONS].value, "include_usage").type == JSON_SPAN_TRUE;
	ret->prompt_tokens = tokens_of(&m[MESSAGES].value);
	tool_pick(ret, &m[TOOLS].value, &m[CHOICE].value, &m[MESSAGES].value);
	return true;
}

/* ---- embeddings */

static uint64_t hash(const struct json_span *v)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < v->len; i++)
		h = (h ^ (unsigned char)v->at[i]) * 0x100000001b3u;
	return h;
}

/* One text, one list of tokens, or a list of either; 0 = none of these. */
static unsigned inputs_count(const struct json_span *input)
{
	struct json_span first, last, v;
	struct json_iter it;
	unsigned n = 0;

	array_ends(input, &first, &last);
	if (input->type == JSON_SPAN_STRING || first.type == JSON_SPAN_NUMBER)
		return 1;
	if (input->type != JSON_SPAN_ARRAY || json_iter_init(&it, input) < 0)
		return 0;
	while (json_iter_next(&it, NULL, &v) > 0)
		n++;
	return n;
}

bool sim_embeddings_parse(const struct sim_config *c, const char *body, size_t len, struct sim_job *ret,
			  const char **ret_why)
{
	enum { MODEL, INPUT, DIMENSIONS, FORMAT, USER, COUNT };
	struct json_member m[COUNT] = {
		[MODEL] = {.name = "model"},
		[INPUT] = {.name = "input"},
		[DIMENSIONS] = {.name = "dimensions"},
		[FORMAT] = {.name = "encoding_format"},
		[USER] = {.name = "user"},
	};
	uint64_t dimensions;

	if (json_scan_object(body, len, m, COUNT, NULL) < 0)
		return false;
	job_init(ret, c);
	ret->embeddings = true;
	if (!model_take(ret, &m[MODEL].value, &m[USER].value, ret_why))
		return false;
	dimensions = number_or(&m[DIMENSIONS].value, 1536);
	if (dimensions < 1 || dimensions > SIM_DIMENSIONS_MAX) {
		*ret_why = "'dimensions' must be from 1 to 4096";
		return false;
	}
	ret->dimensions = (unsigned)dimensions;
	ret->inputs = inputs_count(&m[INPUT].value);
	if (ret->inputs < 1 || ret->inputs > 2048) {
		*ret_why = "'input' must be a string or an array of 1 to 2048 elements";
		return false;
	}
	ret->base64 = m[FORMAT].value.type == JSON_SPAN_STRING && json_string_is(&m[FORMAT].value, "base64");
	ret->prompt_tokens = tokens_of(&m[INPUT].value);
	ret->seed = hash(&m[INPUT].value);
	return true;
}
