/* Reading a request's body strictly (S4): tables of the members that an object may have, and refusals that name the
 * member as the dialect does. The body was checked as a whole, so walking it can't fail. */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "sim/sim.h"

#define SIM_STOPS_MAX 16u
#define SIM_FILE_TOKENS 85u /* what an image or a file counts */

/* What a member may be. Null is as good as absent. */
enum {
	SIM_STRING = 1u << JSON_SPAN_STRING,
	SIM_NUMBER = 1u << JSON_SPAN_NUMBER,
	SIM_BOOL = 1u << JSON_SPAN_TRUE | 1u << JSON_SPAN_FALSE,
	SIM_LIST = 1u << JSON_SPAN_ARRAY,
	SIM_OBJECT = 1u << JSON_SPAN_OBJECT,
	SIM_ANY = SIM_STRING | SIM_NUMBER | SIM_BOOL | SIM_LIST | SIM_OBJECT,
	SIM_NEEDED = 1u << 16,
};
struct sim_member {
	const char *name;
	unsigned may;
};

/* Where something stands: a member (name) or an element (index) of what `up` is; NULL = the body. */
struct sim_path {
	const struct sim_path *up;
	const char *name;
	unsigned index;
};
#define SIM_AT(path, member) (&(struct sim_path){.up = (path), .name = (member)})
#define SIM_NTH(path, i) (&(struct sim_path){.up = (path), .index = (i)})

struct sim_refusal {
	const char *code;
	char param[160], message[400];
};

/* A request while it is read: what of it decides the answer. */
struct sim_reader {
	const struct sim_config *config;
	struct sim_job *job;
	struct buf *spare;
	bool new_rules; /* anthropic-version from 2026-10-21 on */
	struct sim_refusal refusal;
	struct json_span model, user; /* absent where the path has the model's name */
	uint64_t text_bytes;          /* of the prompt, as it reads */
	uint64_t files, limit;        /* limit: the client's, of tokens; 0 = none */
	struct json_span stops[SIM_STOPS_MAX];
	unsigned n_stops;
	struct json_span tool_name, tool_schema, tool_wanted; /* the first, or the one asked for */
	bool tools_off, after_result; /* the conversation ends with a tool's result: no call again */
	struct json_span pending[64]; /* calls that have no result yet */
	unsigned n_pending;
};

/* Reads the members of `object` into ret[n] by the table. False: refused. */
bool sim_members_read(struct sim_reader *r, const struct sim_path *at, const struct json_span *object,
		      const struct sim_member *table, unsigned n, struct json_span *ret) MUST_CHECK;
#define SIM_MEMBERS(r, at, object, table, ret) sim_members_read(r, at, object, table, ARRAY_SIZE(table), ret)

/* Refuses; always false, so that it can be returned. */
bool sim_refuse_unknown(struct sim_reader *r, const struct sim_path *object, const char *name, size_t len);
bool sim_refuse_missing(struct sim_reader *r, const struct sim_path *at);
bool sim_refuse_type(struct sim_reader *r, const struct sim_path *at, const char *expected);
bool sim_refuse_value(struct sim_reader *r, const struct sim_path *at, const char *fmt, ...) PRINTF_LIKE(3, 4);

static inline bool sim_given(const struct json_span *v)
{
	return v->type > JSON_SPAN_NULL;
}
/* When given, one of the names; a number in the range; a whole number in the range. */
bool sim_check_one_of(struct sim_reader *r, const struct sim_path *at, const struct json_span *v,
		      const char *const *names, unsigned n);
#define SIM_ONE_OF(r, at, v, ...)                                                                                      \
	sim_check_one_of(r, at, v, (const char *const[]){__VA_ARGS__},                                                 \
			 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
bool sim_check_range(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, double low,
		     double high);
bool sim_check_uint(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, uint64_t low,
		    uint64_t high, uint64_t *ret);
/* A string's content as written. */
struct json_span sim_raw(const struct json_span *string);
/* Bytes of a string as it reads; of a value without blanks between its tokens. */
size_t sim_string_len(const struct json_span *string);
size_t sim_compact_len(const char *at, size_t len);
struct json_span sim_member_of(const struct json_span *object, const char *name);
/* Bytes of a tool's arguments given as a string that holds JSON; false: it doesn't. */
bool sim_args_text_len(struct sim_reader *r, const struct json_span *string, size_t *ret);

/* Adds to the prompt. */
void sim_prompt_add(struct sim_reader *r, const struct json_span *string);
/* A string's text, or each element by `read`, which is told what it is of; absent: nothing. False: refused. */
typedef bool (*sim_part_fn)(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, unsigned of);
bool sim_read_parts(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, sim_part_fn read,
		    unsigned of);
bool sim_stops_read(struct sim_reader *r, const struct sim_path *at, const struct json_span *list, unsigned most);
/* A tool's declaration; one more stop on the way to a call. */
void sim_tool_offer(struct sim_reader *r, const struct json_span *name, const struct json_span *schema);
/* A call in the history; its result. False: refused (no such call). */
bool sim_call_seen(struct sim_reader *r, const struct json_span *id);
bool sim_result_seen(struct sim_reader *r, const struct json_span *id);

/* Before and after reading: from the configuration; scenario, length, stop, tool. */
void sim_job_begin(struct sim_job *j, const struct sim_config *c);
void sim_job_settle(struct sim_reader *r, const char *scripted);
/* The name that the answer and the scenario go by. False: refused. */
bool sim_model_take(struct sim_reader *r);

#endif
