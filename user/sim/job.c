/* From what was read of a request to what will be answered: scenario, text length, tool call. */
#include "sim/check.h"

#include "base/clock.h"
#include "base/json_text.h"

#include <stdio.h>
#include <string.h>

void sim_job_begin(struct sim_job *j, const struct sim_config *c)
{
	j->fault = SIM_OK;
	j->usage = SIM_USAGE_TRUE;
	j->status = 200;
	j->latency_ms = c->latency_ms;
	j->interval_ms = c->chunk_interval_ms;
	j->words = j->chunks = c->chunks;
	j->choices = 1;
	j->created_s = clock_wall_ms() / 1000;
}

static void copy_name(char *to, const struct json_span *raw)
{
	size_t n = raw->len < SIM_NAME_MAX ? raw->len : SIM_NAME_MAX - 1;

	memcpy(to, raw->at, n);
	to[n] = '\0';
}

bool sim_model_take(struct sim_reader *r)
{
	struct json_span model = sim_raw(&r->model);

	if (r->job->model[0])
		return true;
	if (!model.len || model.len >= SIM_NAME_MAX)
		return sim_refuse_missing(r, SIM_AT(NULL, "model"));
	copy_name(r->job->model, &model);
	return true;
}

/* An argument for every required property, so that a client that checks the schema's strings is content. */
static void tool_args_render(struct sim_job *j, const struct json_span *schema)
{
	struct json_span required = sim_member_of(schema, "required"), v;
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

/* A tool is called, unless the conversation already ends with a result (else an agent would never end). */
static void tool_pick(struct sim_reader *r)
{
	struct json_span name = sim_raw(&r->tool_name);

	if (r->tools_off || r->after_result || !name.len || name.len >= SIM_NAME_MAX)
		return;
	r->job->tool = true;
	r->job->end = SIM_END_TOOL;
	copy_name(r->job->tool_name, &name);
	tool_args_render(r->job, &r->tool_schema);
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

/* The client's limit, which thinking counts towards, ends the text early. */
static void limit_apply(struct sim_job *j, uint64_t max)
{
	if (!max)
		return;
	if (j->usage == SIM_USAGE_OVERCAP && max < SIM_WORDS_MAX / 2) {
		j->words = j->chunks = (unsigned)max * 2;
	} else if (max < (uint64_t)j->words + j->thoughts) {
		if (j->thoughts > max)
			j->thoughts = (unsigned)max;
		j->words = (unsigned)max - j->thoughts;
		j->end = SIM_END_LIMIT;
	}
}

/* The first place in the text where one of the stop sequences begins: the text ends before it. What JSON mode puts
 * around the words isn't searched. */
static void stops_apply(struct sim_reader *r)
{
	struct sim_job *j = r->job;
	struct buf stop = BUF_INIT, *text = r->spare;
	size_t end;

	if (!r->n_stops)
		return;
	buf_reset(text);
	sim_text_render(text, 0, j->words);
	end = text->len;
	for (unsigned i = 0; i < r->n_stops; i++) {
		struct json_span raw = sim_raw(&r->stops[i]);
		const char *hit;

		buf_reset(&stop);
		if (json_unescape(raw.at, raw.len, &stop) < 0 || !stop.len || raw.len >= sizeof(j->stop))
			continue;
		hit = memmem(text->data, text->len, stop.data, stop.len);
		if (!hit || (size_t)(hit - text->data) >= end)
			continue;
		end = (size_t)(hit - text->data);
		copy_name(j->stop, &raw);
		j->end = SIM_END_STOP;
	}
	buf_done(&stop);
	if (j->end != SIM_END_STOP)
		return;
	j->words = end ? words_for((unsigned)end) : 0;
	j->trim = (unsigned)(sim_text_bytes(j->words) - end);
}

void sim_job_settle(struct sim_reader *r, const char *scripted)
{
	static _Thread_local unsigned answer_words;
	struct sim_job *j = r->job;
	struct json_span user = sim_raw(&r->user);
	char name[SIM_NAME_MAX];

	if (r->config->answer_bytes) {
		if (!answer_words)
			answer_words = words_for(r->config->answer_bytes);
		j->words = answer_words;
	}
	/* A script goes before the model's name, and that before the `user`: one model of a gateway's may serve for
	 * all. */
	copy_name(name, &user);
	if (scripted ? !sim_scenario_apply(j, scripted) : !sim_scenario_apply(j, j->model))
		sim_scenario_apply(j, name);
	j->prompt_tokens = (unsigned)((r->text_bytes + 3) / 4 + r->files * SIM_FILE_TOKENS);
	limit_apply(j, r->limit);
	stops_apply(r);
	tool_pick(r);
	if (j->chunks > j->words)
		j->chunks = j->words;
}

/* ---- pieces */

#define ARGS_PIECE 8 /* bytes of a tool's arguments per chunk */

unsigned sim_pieces(const struct sim_job *j)
{
	if (!j->tool)
		return j->chunks;
	/* Google sends a call whole. */
	return j->wire == &sim_wire_gemini ? 1 : (unsigned)((strlen(j->tool_args) + ARGS_PIECE - 1) / ARGS_PIECE);
}

void sim_args_piece_render(const struct sim_job *j, unsigned piece, struct buf *o)
{
	size_t len = strlen(j->tool_args), at = (size_t)piece * ARGS_PIECE;

	buf_put_json_string(o, j->tool_args + at, len - at < ARGS_PIECE ? len - at : ARGS_PIECE);
}

static void words_render(const struct sim_job *j, unsigned from, unsigned to, struct buf *o)
{
	if (j->json && from == 0)
		SIM_PUT(o, "{\\\"answer\\\": \\\"");
	sim_text_render(o, from, to - from);
	if (to < j->words || o->failed)
		return;
	o->len -= j->trim;
	if (j->fault == SIM_HUGE)
		buf_putc(o, SIM_HUGE_MARK);
	if (j->json && j->end == SIM_END_TURN)
		SIM_PUT(o, "\\\"}");
}

void sim_piece_render(const struct sim_job *j, unsigned piece, struct buf *o)
{
	/* The words are dealt out evenly. */
	words_render(j, (unsigned)((uint64_t)j->words * piece / j->chunks),
		     (unsigned)((uint64_t)j->words * (piece + 1) / j->chunks), o);
}

void sim_answer_text_render(const struct sim_job *j, struct buf *o)
{
	words_render(j, 0, j->words, o);
}

void sim_thoughts_render(const struct sim_job *j, struct buf *o)
{
	sim_text_render(o, 0, j->thoughts);
}
