/* The usage that an answer reports, true or not. */
#include "sim/sim.h"

#include <string.h>

static uint64_t completion_tokens(const struct sim_job *j)
{
	uint64_t said = j->tool ? (strlen(j->tool_name) + strlen(j->tool_args) + 3) / 4 : j->words;

	return j->wire == &sim_wire_embeddings ? 0 : j->choices * (said + j->thoughts);
}

static struct sim_tokens tokens_true(const struct sim_job *j)
{
	struct sim_tokens t = {.prompt = j->prompt_tokens,
			       .completion = completion_tokens(j),
			       .thoughts = (uint64_t)j->choices * j->thoughts};

	if (j->usage == SIM_USAGE_ZERO)
		return (struct sim_tokens){0};
	if (j->usage == SIM_USAGE_CACHED)
		t.cached = t.prompt / 2;
	if (j->usage == SIM_USAGE_CACHE_CREATED && j->wire == &sim_wire_messages)
		t.created = t.prompt / 2;
	return t;
}

bool sim_tokens_of(const struct sim_job *j, struct sim_tokens *ret)
{
	/* Only OpenAI's chat has to be asked. */
	if (j->stream && j->wire == &sim_wire_chat && !j->include_usage)
		return false;
	/* The event that has it doesn't come. */
	if (j->stream && j->wire == &sim_wire_responses && j->fault == SIM_NODONE)
		return false;
	if (j->usage == SIM_USAGE_NONE || j->usage == SIM_USAGE_STRING || j->usage == SIM_USAGE_NEGATIVE ||
	    j->usage == SIM_USAGE_HUGE)
		return false;
	*ret = tokens_true(j);
	return true;
}

struct sim_tokens sim_tokens_said(const struct sim_job *j, bool part)
{
	struct sim_tokens t = tokens_true(j);

	if (part) {
		t.completion /= 2;
		t.thoughts = t.thoughts > t.completion ? t.completion : t.thoughts;
	}
	return t;
}

void sim_put_count(struct buf *o, const struct sim_job *j, uint64_t v)
{
	bool string = j->usage == SIM_USAGE_STRING;

	if (string)
		buf_putc(o, '"');
	if (j->usage == SIM_USAGE_NEGATIVE)
		buf_putc(o, '-');
	sim_put_uint(o, j->usage == SIM_USAGE_HUGE ? (1ull << 53) + 1 + v : v);
	if (string)
		buf_putc(o, '"');
}
