/* The usage that an answer reports, true or not. */
#include "sim/sim.h"

#include <string.h>

static uint64_t completion_tokens(const struct sim_job *j)
{
	if (j->embeddings)
		return 0;
	return j->choices * (j->tool ? (unsigned)(strlen(j->tool_name) + strlen(j->tool_args) + 3) / 4 : j->words);
}

bool sim_tokens_of(const struct sim_job *j, struct sim_tokens *ret)
{
	struct sim_tokens t = {.prompt = j->prompt_tokens, .completion = completion_tokens(j)};

	if (j->stream && !j->include_usage)
		return false;
	switch (j->usage) {
	case SIM_USAGE_NONE:
	case SIM_USAGE_STRING:
	case SIM_USAGE_NEGATIVE:
	case SIM_USAGE_HUGE:
		return false;
	case SIM_USAGE_ZERO:
		t = (struct sim_tokens){0};
		break;
	case SIM_USAGE_CACHED:
		t.cached = t.prompt / 2;
		break;
	case SIM_USAGE_TRUE:
	case SIM_USAGE_INCONSISTENT:
	case SIM_USAGE_OVERCAP:
	case SIM_USAGE_ON_CHOICE:
	case SIM_USAGE_TWICE:
		break;
	}
	*ret = t;
	return true;
}

#define PUT(o, literal) buf_append(o, "" literal, sizeof(literal) - 1)

/* A count, written as the scenario asks. */
static void put_count(struct buf *o, const struct sim_job *j, uint64_t v)
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

void sim_usage_render(const struct sim_job *j, bool part, struct buf *o)
{
	struct sim_tokens t = {.prompt = j->prompt_tokens, .completion = completion_tokens(j)};

	(void)sim_tokens_of(j, &t);
	if (part)
		t.completion /= 2;
	PUT(o, "{\"prompt_tokens\":");
	put_count(o, j, t.prompt);
	if (!j->embeddings) {
		PUT(o, ",\"completion_tokens\":");
		put_count(o, j, t.completion);
	}
	PUT(o, ",\"total_tokens\":");
	put_count(o, j, t.prompt + t.completion + (j->usage == SIM_USAGE_INCONSISTENT ? 7 : 0));
	if (!j->embeddings || t.cached) {
		PUT(o, ",\"prompt_tokens_details\":{\"cached_tokens\":");
		sim_put_uint(o, t.cached);
		buf_putc(o, '}');
	}
	if (!j->embeddings)
		PUT(o, ",\"completion_tokens_details\":{\"reasoning_tokens\":0}");
	buf_putc(o, '}');
}
