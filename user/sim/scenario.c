/* The scenarios: by name, with a number where the name ends in '-'. Their help is this table. */
#include "sim/sim.h"

#include "base/num.h"

#include <stdio.h>
#include <string.h>

struct scenario {
	const char *name, *help;
	enum sim_fault fault;
	enum sim_usage usage;
};

static const struct scenario scenarios[] = {
	{"sim-ok", "answers", SIM_OK, SIM_USAGE_TRUE},
	{"sim-slow-", "answers after MS milliseconds", SIM_OK, SIM_USAGE_TRUE},
	{"sim-slow-first-", "the head at once, the body's first byte after MS milliseconds", SIM_OK, SIM_USAGE_TRUE},
	{"sim-slowstream-", "MS milliseconds between the chunks of a stream", SIM_OK, SIM_USAGE_TRUE},
	{"sim-long-", "N content chunks of one word", SIM_OK, SIM_USAGE_TRUE},
	{"sim-thoughts", "thinks 8 words first", SIM_OK, SIM_USAGE_TRUE},
	{"sim-ping", "pings or comments between the events of a stream", SIM_PING, SIM_USAGE_TRUE},
	{"sim-gzip", "compressed, asked or not", SIM_GZIP, SIM_USAGE_TRUE},
	{"sim-drip", "one byte at a time (--chunk-interval-ms between them)", SIM_DRIP, SIM_USAGE_TRUE},
	{"sim-huge-", "N megabytes of text", SIM_HUGE, SIM_USAGE_TRUE},
	{"sim-error-", "fails with an HTTP status from 400 to 599", SIM_ERROR, SIM_USAGE_TRUE},
	{"sim-ratelimit", "429 with retry-after and the dialect's limit headers", SIM_RATELIMIT, SIM_USAGE_TRUE},
	{"sim-retryafter-", "429 with retry-after N (Gemini: RetryInfo too)", SIM_RETRY_AFTER, SIM_USAGE_TRUE},
	{"sim-retryms-", "429 with retry-after-ms N (Gemini: RetryInfo alone)", SIM_RETRY_MS, SIM_USAGE_TRUE},
	{"sim-retryms", "the same with 1500", SIM_RETRY_MS, SIM_USAGE_TRUE},
	{"sim-quota", "the account is spent: 429, Anthropic 402", SIM_QUOTA, SIM_USAGE_TRUE},
	{"sim-overloaded", "503, Anthropic 529", SIM_OVERLOADED, SIM_USAGE_TRUE},
	{"sim-404-model", "404: no such model", SIM_NO_MODEL, SIM_USAGE_TRUE},
	{"sim-401-key", "401: a wrong key", SIM_BAD_KEY, SIM_USAGE_TRUE},
	{"sim-html", "502 with a page of HTML", SIM_HTML, SIM_USAGE_TRUE},
	{"sim-close", "closes without an answer", SIM_CLOSE, SIM_USAGE_TRUE},
	{"sim-early-close", "closes behind the head", SIM_EARLY_CLOSE, SIM_USAGE_TRUE},
	{"sim-hang", "never answers", SIM_HANG, SIM_USAGE_TRUE},
	{"sim-truncate", "closes in the middle of the answer", SIM_TRUNCATE, SIM_USAGE_TRUE},
	{"sim-truncate-clean", "ends properly in the middle of the answer", SIM_TRUNCATE_CLEAN, SIM_USAGE_TRUE},
	{"sim-cut-", "closes after N bytes of the body", SIM_CUT, SIM_USAGE_TRUE},
	{"sim-badchunk", "breaks the chunked framing", SIM_BADCHUNK, SIM_USAGE_TRUE},
	{"sim-wrong-length", "Content-Length 10 less than what comes", SIM_WRONG_LENGTH, SIM_USAGE_TRUE},
	{"sim-endless-head", "header lines for ever", SIM_ENDLESS_HEAD, SIM_USAGE_TRUE},
	{"sim-huge-head", "a megabyte of header lines, then an answer", SIM_HUGE_HEAD, SIM_USAGE_TRUE},
	{"sim-empty", "200 without a body", SIM_EMPTY, SIM_USAGE_TRUE},
	{"sim-wrongtype", "200 with a page of HTML", SIM_WRONG_TYPE, SIM_USAGE_TRUE},
	{"sim-array", "200 with the answer inside a JSON array", SIM_ARRAY, SIM_USAGE_TRUE},
	{"sim-malformed", "200 with broken JSON", SIM_MALFORMED, SIM_USAGE_TRUE},
	{"sim-midstream-error", "an error event halfway through a stream", SIM_MIDSTREAM_ERROR, SIM_USAGE_TRUE},
	{"sim-event-error-first", "an error as a stream's first event", SIM_ERROR_FIRST, SIM_USAGE_TRUE},
	{"sim-nodone", "a stream that ends properly without its end ([DONE], message_stop, finishReason, ...)",
	 SIM_NODONE, SIM_USAGE_TRUE},
	{"sim-nousage", "leaves usage out", SIM_OK, SIM_USAGE_NONE},
	{"sim-usage-zero", "reports 0 tokens", SIM_OK, SIM_USAGE_ZERO},
	{"sim-usage-cached", "half of the prompt was cached", SIM_OK, SIM_USAGE_CACHED},
	{"sim-usage-cache-created", "half of the prompt was put into the cache (Anthropic)", SIM_OK,
	 SIM_USAGE_CACHE_CREATED},
	{"sim-usage-string", "counts as strings", SIM_OK, SIM_USAGE_STRING},
	{"sim-usage-negative", "counts below zero", SIM_OK, SIM_USAGE_NEGATIVE},
	{"sim-usage-huge", "counts above 2^53", SIM_OK, SIM_USAGE_HUGE},
	{"sim-usage-inconsistent", "the total is 7 more than its parts (Anthropic: the cache's)", SIM_OK,
	 SIM_USAGE_INCONSISTENT},
	{"sim-usage-overcap", "twice the client's limit, delivered and reported", SIM_OK, SIM_USAGE_OVERCAP},
	{"sim-usage-on-choice-chunk", "usage on the last chunk with choices (OpenAI)", SIM_OK, SIM_USAGE_ON_CHOICE},
	{"sim-usage-twice", "two reports, of which the last is true", SIM_OK, SIM_USAGE_TWICE},
};

static bool is_numbered(const struct scenario *s)
{
	return s->name[strlen(s->name) - 1] == '-';
}

bool sim_scenario_example(unsigned n, char *ret, size_t size)
{
	if (n >= ARRAY_SIZE(scenarios))
		return false;
	snprintf(ret, size, "%s%s", scenarios[n].name, is_numbered(&scenarios[n]) ? "500" : "");
	return true;
}

void sim_scenario_help(struct buf *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		const struct scenario *s = &scenarios[i];
		char name[64];

		snprintf(name, sizeof(name), "%s%s", s->name,
			 !is_numbered(s)                        ? ""
			 : s->fault == SIM_ERROR                ? "STATUS"
			 : strncmp(s->name, "sim-slow", 8) == 0 ? "MS"
								: "N");
		buf_printf(o, "  %-25s  %s\n", name, s->help);
	}
}

static unsigned at_most(uint64_t n, unsigned most)
{
	return n > most ? most : (unsigned)n;
}

static void number_apply(struct sim_job *j, const char *name, uint64_t n)
{
	if (strcmp(name, "sim-slow-") == 0)
		j->latency_ms = at_most(n, 600000);
	else if (strcmp(name, "sim-slow-first-") == 0)
		j->first_ms = at_most(n, 600000);
	else if (strcmp(name, "sim-slowstream-") == 0)
		j->interval_ms = at_most(n, 600000);
	else if (strcmp(name, "sim-error-") == 0)
		j->status = n >= 400 && n <= 599 ? (unsigned)n : 500;
	else if (strcmp(name, "sim-cut-") == 0)
		j->cut_at = at_most(n, UINT32_MAX);
	else if (strcmp(name, "sim-huge-") == 0)
		j->huge_mb = at_most(n, 4096);
	else if (strcmp(name, "sim-long-") == 0)
		j->words = j->chunks = n < 1 ? 1 : at_most(n, SIM_WORDS_MAX);
	else if (strcmp(name, "sim-retryafter-") == 0)
		j->retry_ms = (uint64_t)at_most(n, 1000000) * 1000;
	else if (strcmp(name, "sim-retryms-") == 0)
		j->retry_ms = n;
}

bool sim_scenario_apply(struct sim_job *j, const char *wanted)
{
	uint64_t number = 0;

	if (strncmp(wanted, "sim-", 4) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		const struct scenario *s = &scenarios[i];
		const char *rest = wanted + strlen(s->name);

		if (strncmp(wanted, s->name, strlen(s->name)) != 0)
			continue;
		if (is_numbered(s) ? num_parse_u64(rest, strlen(rest), &number) < 0 : *rest != '\0')
			continue;
		j->fault = s->fault;
		j->usage = s->usage;
		j->retry_ms = 1500;
		j->thoughts = strcmp(s->name, "sim-thoughts") == 0 ? 8 : 0;
		number_apply(j, s->name, number);
		return true;
	}
	return false;
}
