/* From a request's body to what will be answered: model name, scenario, text length, tool call, usage. */
#include "sim/sim.h"

#include "base/clock.h"

#include <string.h>

struct scenario {
	const char *name; /* a trailing '-' means a number follows */
	enum sim_fault fault;
};

static const struct scenario scenarios[] = {
	{"sim-ok", SIM_OK},
	{"sim-slow-", SIM_OK},
	{"sim-error-", SIM_ERROR},
	{"sim-ratelimit", SIM_RATELIMIT},
	{"sim-truncate", SIM_TRUNCATE},
	{"sim-malformed", SIM_MALFORMED},
	{"sim-badchunk", SIM_BADCHUNK},
	{"sim-close", SIM_CLOSE},
	{"sim-hang", SIM_HANG},
	{"sim-drip", SIM_DRIP},
	{"sim-long-", SIM_OK},
	{"sim-wrong-length", SIM_WRONG_LENGTH},
	{"sim-nousage", SIM_NOUSAGE},
	{"sim-midstream-error", SIM_MIDSTREAM_ERROR},
};

static void apply_number(struct sim_job *j, const char *name, unsigned long n)
{
	if (strcmp(name, "sim-slow-") == 0)
		j->latency_ms = n > 600000 ? 600000 : (unsigned)n;
	else if (strcmp(name, "sim-error-") == 0)
		j->status = n >= 400 && n <= 599 ? (unsigned)n : 500;
	else if (strcmp(name, "sim-long-") == 0)
		j->words = j->chunks = n < 1 ? 1 : n > SIM_WORDS_MAX ? SIM_WORDS_MAX : (unsigned)n;
}

static void apply_scenario(struct sim_job *j, struct json model)
{
	if (model.len < 4 || memcmp(model.ptr, "sim-", 4) != 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		size_t n = strlen(scenarios[i].name);
		bool numbered = scenarios[i].name[n - 1] == '-';

		if (model.len < n || memcmp(model.ptr, scenarios[i].name, n) != 0 || (!numbered && model.len != n))
			continue;
		j->fault = scenarios[i].fault;
		if (numbered)
			apply_number(j, scenarios[i].name, json_uint((struct json){model.ptr + n, model.len - n}, 0));
		if (j->fault == SIM_RATELIMIT)
			j->status = 429;
		return;
	}
}

static unsigned tokens_of(struct json v)
{
	return (unsigned)(v.len + 3) / 4;
}

static void copy_name(char *to, size_t size, struct json raw)
{
	memcpy(to, raw.ptr, raw.len < size ? raw.len : size - 1);
	to[raw.len < size ? raw.len : size - 1] = '\0';
}

/* An argument for every required property, so that a client that checks the schema's strings is content. */
static void tool_args_render(struct sim_job *j, struct json function)
{
	struct json required = json_get(json_get(function, "parameters"), "required"), v;
	size_t pos = 0, at = 1;

	strcpy(j->tool_args, "{");
	while (json_next(required, &pos, NULL, &v)) {
		if (!json_is_string(v) || at + v.len + sizeof(", : \"sim\"}") > sizeof(j->tool_args))
			break;
		at += (size_t)snprintf(j->tool_args + at, sizeof(j->tool_args) - at, "%s%.*s: \"sim\"",
				       at > 1 ? ", " : "", (int)v.len, v.ptr);
	}
	strcpy(j->tool_args + at, "}");
}

/* The first tool is called, unless the conversation already holds its result (else an agent would never end). */
static void tool_pick(struct sim_job *j, struct json body, struct json messages)
{
	struct json tools = json_get(body, "tools"), first, last = {0}, v, name;
	size_t pos = 0;

	if (!json_next(tools, &pos, NULL, &first) || json_is(json_get(body, "tool_choice"), "\"none\""))
		return;
	for (pos = 0; json_next(messages, &pos, NULL, &v);)
		last = v;
	if (json_is(json_get(last, "role"), "\"tool\""))
		return;
	name = json_raw_string(json_get(json_get(first, "function"), "name"));
	if (!name.len || name.len >= SIM_NAME_MAX)
		return;
	j->tool = true;
	copy_name(j->tool_name, sizeof(j->tool_name), name);
	tool_args_render(j, json_get(first, "function"));
}

static void job_init(struct sim_job *j, const struct sim_config *c)
{
	j->fault = SIM_OK;
	j->stream = j->include_usage = j->tool = j->embeddings = j->base64 = j->cut = false;
	j->status = 200;
	j->latency_ms = c->latency_ms;
	j->words = j->chunks = c->chunks;
	j->choices = 1;
	j->step = 0;
	j->created_s = clock_wall_ms() / 1000;
}

static bool model_take(struct sim_job *j, struct json body, const char **ret_why)
{
	struct json model = json_raw_string(json_get(body, "model"));

	if (!model.len || model.len >= SIM_NAME_MAX) {
		*ret_why = "you must provide a model parameter";
		return false;
	}
	copy_name(j->model, sizeof(j->model), model);
	apply_scenario(j, model);
	return true;
}

/* Words until the text has answer_bytes. */
static unsigned words_for(const struct sim_config *c)
{
	unsigned low = 1, high = SIM_WORDS_MAX;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (sim_text_bytes(mid) >= c->answer_bytes)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

bool sim_chat_parse(const struct sim_config *c, struct json body, struct sim_job *ret, const char **ret_why)
{
	struct json messages = json_get(body, "messages"), limit = json_get(body, "max_completion_tokens");
	unsigned long max, n = json_uint(json_get(body, "n"), 1);
	static _Thread_local unsigned answer_words;

	job_init(ret, c);
	if (c->answer_bytes) {
		if (!answer_words)
			answer_words = words_for(c);
		ret->words = answer_words;
	}
	if (!model_take(ret, body, ret_why))
		return false;
	if (!messages.ptr || messages.ptr[0] != '[') {
		*ret_why = "'messages' is a required property and must be an array";
		return false;
	}
	if (n < 1 || n > SIM_CHOICES_MAX) {
		*ret_why = "'n' must be from 1 to 16";
		return false;
	}
	ret->choices = (unsigned)n;
	max = json_uint(limit.ptr ? limit : json_get(body, "max_tokens"), SIM_WORDS_MAX);
	if (max && max < ret->words) {
		ret->words = (unsigned)max;
		ret->cut = true;
	}
	if (ret->chunks > ret->words)
		ret->chunks = ret->words;
	ret->stream = json_is(json_get(body, "stream"), "true");
	ret->include_usage = json_is(json_get(json_get(body, "stream_options"), "include_usage"), "true");
	ret->prompt_tokens = tokens_of(messages);
	tool_pick(ret, body, messages);
	return true;
}

static uint64_t hash(struct json v)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < v.len; i++)
		h = (h ^ (unsigned char)v.ptr[i]) * 0x100000001b3u;
	return h;
}

bool sim_embeddings_parse(const struct sim_config *c, struct json body, struct sim_job *ret, const char **ret_why)
{
	struct json input = json_get(body, "input"), v = {0};
	size_t pos = 0;

	job_init(ret, c);
	ret->embeddings = true;
	if (!model_take(ret, body, ret_why))
		return false;
	ret->dimensions = (unsigned)json_uint(json_get(body, "dimensions"), 1536);
	if (ret->dimensions < 1 || ret->dimensions > 4096) {
		*ret_why = "'dimensions' must be from 1 to 4096";
		return false;
	}
	/* One text, one list of tokens, or a list of either. */
	ret->inputs = 1;
	if (json_next(input, &pos, NULL, &v) && (json_is_string(v) || v.ptr[0] == '['))
		while (json_next(input, &pos, NULL, &v))
			ret->inputs++;
	else if (!json_is_string(input) && !v.ptr) {
		*ret_why = "'input' must be a string or a non-empty array";
		return false;
	}
	if (ret->inputs > 2048) {
		*ret_why = "'input' must not have more than 2048 elements";
		return false;
	}
	ret->base64 = json_is(json_get(body, "encoding_format"), "\"base64\"");
	ret->prompt_tokens = tokens_of(input);
	ret->seed = hash(input);
	return true;
}
