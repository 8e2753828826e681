/* The bodies: chat in JSON and in SSE events, embeddings, models, errors. */
#include "sim/sim.h"

#include "base/clock.h"

#include <math.h>
#include <string.h>

#define PUT(o, literal) buf_append(o, "" literal, sizeof(literal) - 1)

void sim_put_uint(struct buf *o, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + v % 10);
	while (v /= 10);
	buf_append(o, digits + at, sizeof(digits) - at);
}

static void put_hex16(struct buf *o, uint64_t v)
{
	char digits[16];

	for (int i = 15; i >= 0; i--, v >>= 4)
		digits[i] = "0123456789abcdef"[v & 15];
	buf_append(o, digits, sizeof(digits));
}

static void put_string(struct buf *o, const char *raw)
{
	buf_putc(o, '"');
	buf_puts(o, raw);
	buf_putc(o, '"');
}

/* `,"usage":...`, as often as it is reported. */
static void put_usage(struct buf *o, const struct sim_job *j)
{
	if (j->usage == SIM_USAGE_NONE)
		return;
	if (j->usage == SIM_USAGE_TWICE) {
		PUT(o, ",\"usage\":");
		sim_usage_render(j, true, o);
	}
	PUT(o, ",\"usage\":");
	sim_usage_render(j, false, o);
}

static void put_head(struct buf *o, const struct sim_job *j, const char *object)
{
	PUT(o, "{\"id\":\"chatcmpl-sim");
	put_hex16(o, j->id);
	PUT(o, "\",\"object\":\"");
	buf_puts(o, object);
	PUT(o, "\",\"created\":");
	sim_put_uint(o, (uint64_t)j->created_s);
	PUT(o, ",\"model\":");
	put_string(o, j->model);
	PUT(o, ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_tollgate_sim\",\"choices\":[");
}

static const char *finish_reason(const struct sim_job *j)
{
	return j->tool ? "tool_calls" : j->cut ? "length" : "stop";
}

/* "id": the call's own, so that a tool result can be matched. */
static void put_tool_id(struct buf *o, const struct sim_job *j, unsigned choice)
{
	PUT(o, "\"id\":\"call_sim");
	put_hex16(o, j->id * SIM_CHOICES_MAX + choice);
	PUT(o, "\",\"type\":\"function\",\"function\":{\"name\":");
	put_string(o, j->tool_name);
	PUT(o, ",\"arguments\":");
}

void sim_chat_render(const struct sim_job *j, struct buf *o)
{
	put_head(o, j, "chat.completion");
	for (unsigned i = 0; i < j->choices; i++) {
		if (i)
			buf_putc(o, ',');
		PUT(o, "{\"index\":");
		sim_put_uint(o, i);
		PUT(o, ",\"message\":{\"role\":\"assistant\",\"content\":");
		if (j->tool) {
			PUT(o, "null,\"refusal\":null,\"tool_calls\":[{");
			put_tool_id(o, j, i);
			buf_put_json_string(o, j->tool_args, strlen(j->tool_args));
			PUT(o, "}}]}");
		} else {
			buf_putc(o, '"');
			sim_text_render(o, 0, j->words);
			PUT(o, "\",\"refusal\":null}");
		}
		PUT(o, ",\"logprobs\":null,\"finish_reason\":");
		put_string(o, finish_reason(j));
		buf_putc(o, '}');
	}
	buf_putc(o, ']');
	put_usage(o, j);
	buf_putc(o, '}');
	if (j->fault == SIM_MALFORMED)
		o->data[o->len - 1] = ',';
}

/* ---- streams: step 0 opens (role), 1..pieces carry content, pieces + 1 closes (finish_reason), then usage and [DONE]
 */

#define ARGS_PIECE 8 /* bytes of a tool's arguments per chunk */

static unsigned pieces(const struct sim_job *j)
{
	if (j->tool)
		return (unsigned)((strlen(j->tool_args) + ARGS_PIECE - 1) / ARGS_PIECE);
	return j->chunks;
}

static void put_delta_open(struct buf *o, const struct sim_job *j, unsigned choice)
{
	PUT(o, "{\"role\":\"assistant\",\"content\":");
	if (!j->tool) {
		PUT(o, "\"\",\"refusal\":null}");
		return;
	}
	PUT(o, "null,\"tool_calls\":[{\"index\":0,");
	put_tool_id(o, j, choice);
	PUT(o, "\"\"}}]}");
}

static void put_delta_piece(struct buf *o, const struct sim_job *j, unsigned piece)
{
	unsigned from, to;

	if (j->tool) {
		size_t len = strlen(j->tool_args), at = (size_t)piece * ARGS_PIECE;

		PUT(o, "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":");
		buf_put_json_string(o, j->tool_args + at, len - at < ARGS_PIECE ? len - at : ARGS_PIECE);
		PUT(o, "}}]}");
		return;
	}
	/* The words are dealt out evenly. */
	from = (unsigned)((uint64_t)j->words * piece / j->chunks);
	to = (unsigned)((uint64_t)j->words * (piece + 1) / j->chunks);
	PUT(o, "{\"content\":\"");
	sim_text_render(o, from, to - from);
	PUT(o, "\"}");
}

static void put_chunk(struct buf *o, const struct sim_job *j, unsigned choice)
{
	PUT(o, "data: ");
	put_head(o, j, "chat.completion.chunk");
	PUT(o, "{\"index\":");
	sim_put_uint(o, choice);
	PUT(o, ",\"delta\":");
	if (j->step == 0)
		put_delta_open(o, j, choice);
	else if (j->step <= pieces(j))
		put_delta_piece(o, j, j->step - 1);
	else
		PUT(o, "{}");
	PUT(o, ",\"logprobs\":null,\"finish_reason\":");
	if (j->step > pieces(j))
		put_string(o, finish_reason(j));
	else
		PUT(o, "null");
	PUT(o, "}]");
	if (j->include_usage && j->usage == SIM_USAGE_ON_CHOICE && j->step > pieces(j) && choice + 1 == j->choices)
		put_usage(o, j);
	else if (j->include_usage && j->usage != SIM_USAGE_NONE)
		PUT(o, ",\"usage\":null");
	PUT(o, "}\n\n");
}

static void put_usage_chunk(struct buf *o, const struct sim_job *j, bool part)
{
	PUT(o, "data: ");
	put_head(o, j, "chat.completion.chunk");
	PUT(o, "],\"usage\":");
	sim_usage_render(j, part, o);
	PUT(o, "}\n\n");
}

static void put_usage_chunks(struct buf *o, const struct sim_job *j)
{
	if (!j->include_usage || j->usage == SIM_USAGE_NONE || j->usage == SIM_USAGE_ON_CHOICE)
		return;
	if (j->usage == SIM_USAGE_TWICE)
		put_usage_chunk(o, j, true);
	put_usage_chunk(o, j, false);
}

bool sim_stream_unpaced(const struct sim_job *j)
{
	return j->step == 0 || j->step > pieces(j);
}

bool sim_stream_next(struct sim_job *j, struct buf *o)
{
	unsigned n = pieces(j);

	if (j->fault == SIM_MIDSTREAM_ERROR && j->step > n / 2) {
		PUT(o, "data: ");
		sim_error_render(500, "the simulated model failed in mid-stream", o);
		PUT(o, "\n\n");
		return false;
	}
	if (j->fault == SIM_MALFORMED && j->step == n / 2 + 1)
		PUT(o, "data: {\"id\":\"chatcmpl-broken\",\"choices\":[{\"index\":\n\n");
	for (unsigned i = 0; i < j->choices; i++)
		put_chunk(o, j, i);
	if (j->step++ <= n)
		return true;
	put_usage_chunks(o, j);
	if (j->fault != SIM_NODONE)
		PUT(o, "data: [DONE]\n\n");
	return false;
}

/* ---- embeddings */

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* A unit vector that depends on the input alone. */
static void vector_fill(float *v, unsigned n, uint64_t seed)
{
	double sum = 0;

	for (unsigned i = 0; i < n; i++) {
		v[i] = (float)((double)(next_random(&seed) >> 11) / (double)(1ull << 52) - 1.0);
		sum += (double)v[i] * (double)v[i];
	}
	sum = sqrt(sum > 0 ? sum : 1);
	for (unsigned i = 0; i < n; i++)
		v[i] = (float)((double)v[i] / sum);
}

/* Little-endian floats, as the SDKs expect them. */
static void put_base64(struct buf *o, const float *v, unsigned n)
{
	size_t bytes = n * sizeof(*v), need = (bytes + 2) / 3 * 4;

	buf_putc(o, '"');
	if (buf_reserve(o, need) == 0) {
		EVP_EncodeBlock((unsigned char *)o->data + o->len, (const unsigned char *)v, (int)bytes);
		o->len += need;
	}
	buf_putc(o, '"');
}

static void put_floats(struct buf *o, const float *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		buf_printf(o, "%c%.9g", i ? ',' : '[', (double)v[i]);
	buf_putc(o, ']');
}

void sim_embeddings_render(const struct sim_job *j, struct buf *o)
{
	float v[SIM_DIMENSIONS_MAX];

	PUT(o, "{\"object\":\"list\",\"data\":[");
	for (unsigned i = 0; i < j->inputs; i++) {
		vector_fill(v, j->dimensions, j->seed + i);
		buf_printf(o, "%s{\"object\":\"embedding\",\"index\":%u,\"embedding\":", i ? "," : "", i);
		if (j->base64)
			put_base64(o, v, j->dimensions);
		else
			put_floats(o, v, j->dimensions);
		buf_putc(o, '}');
	}
	PUT(o, "],\"model\":");
	put_string(o, j->model);
	put_usage(o, j);
	buf_putc(o, '}');
	if (j->fault == SIM_MALFORMED)
		o->data[o->len - 1] = ',';
}

/* ---- models and errors */

void sim_model_render(const char *id, size_t len, struct buf *o)
{
	PUT(o, "{\"id\":");
	buf_put_json_string(o, id, len);
	PUT(o, ",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"tollgate-sim\"}");
}

void sim_models_render(struct buf *o)
{
	char name[SIM_NAME_MAX];

	PUT(o, "{\"object\":\"list\",\"data\":[");
	for (unsigned i = 0; sim_scenario_example(i, name, sizeof(name)); i++) {
		if (i)
			buf_putc(o, ',');
		sim_model_render(name, strlen(name), o);
	}
	PUT(o, "]}");
}

struct error_kind {
	unsigned status;
	const char *type, *code; /* code: raw JSON */
};

static const struct error_kind error_kinds[] = {
	{400, "invalid_request_error", "null"},
	{401, "invalid_request_error", "\"invalid_api_key\""},
	{403, "invalid_request_error", "\"permission_denied\""},
	{404, "invalid_request_error", "\"not_found\""},
	{405, "invalid_request_error", "\"method_not_supported\""},
	{429, "requests", "\"rate_limit_exceeded\""},
	{503, "server_error", "\"server_is_overloaded\""},
};

void sim_error_render(unsigned status, const char *message, struct buf *o)
{
	struct error_kind kind = {status, status < 500 ? "invalid_request_error" : "server_error", "null"};

	for (size_t i = 0; i < ARRAY_SIZE(error_kinds); i++)
		if (error_kinds[i].status == status)
			kind = error_kinds[i];
	PUT(o, "{\"error\":{\"message\":");
	buf_put_json_string(o, message, strlen(message));
	buf_printf(o, ",\"type\":\"%s\",\"param\":null,\"code\":%s}}", kind.type, kind.code);
}
