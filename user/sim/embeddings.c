/* OpenAI's embeddings, Azure's too. */
#include "sim/check.h"

#include <math.h>

static const struct sim_member body_members[] = {
	{"model", SIM_STRING},      {"input", SIM_STRING | SIM_LIST | SIM_NEEDED},
	{"dimensions", SIM_NUMBER}, {"encoding_format", SIM_STRING},
	{"user", SIM_STRING},
};
enum { MODEL, INPUT, DIMENSIONS, FORMAT, USER };

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
	struct json_span v;
	struct json_iter it;
	unsigned n = 0;

	if (input->type == JSON_SPAN_STRING)
		return 1;
	if (json_iter_init(&it, input) < 0)
		return 0;
	while (json_iter_next(&it, NULL, &v) > 0) {
		if (v.type == JSON_SPAN_NUMBER)
			return 1;
		n++;
	}
	return n;
}

static bool embeddings_read(struct sim_reader *r, const struct json_span *body)
{
	struct json_span m[ARRAY_SIZE(body_members)];
	uint64_t dimensions = 1536;

	if (!SIM_MEMBERS(r, NULL, body, body_members, m)) {
		r->model = sim_member_of(body, "model");
		return false;
	}
	r->model = m[MODEL];
	r->user = m[USER];
	if (!sim_model_take(r) ||
	    !sim_check_uint(r, SIM_AT(NULL, "dimensions"), &m[DIMENSIONS], 1, SIM_DIMENSIONS_MAX, &dimensions) ||
	    !SIM_ONE_OF(r, SIM_AT(NULL, "encoding_format"), &m[FORMAT], "float", "base64"))
		return false;
	r->job->dimensions = (unsigned)dimensions;
	r->job->inputs = inputs_count(&m[INPUT]);
	if (r->job->inputs < 1 || r->job->inputs > 2048)
		return sim_refuse_value(r, SIM_AT(NULL, "input"),
					"it should be a string or an array of 1 to 2048 elements");
	r->job->base64 = json_string_is(&m[FORMAT], "base64");
	r->text_bytes = m[INPUT].len;
	r->job->seed = hash(&m[INPUT]);
	return true;
}

/* ---- writing */

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

static void put_usage(const struct sim_job *j, bool part, struct buf *o)
{
	struct sim_tokens t = sim_tokens_said(j, part);

	SIM_PUT(o, ",\"usage\":{\"prompt_tokens\":");
	sim_put_count(o, j, t.prompt);
	SIM_PUT(o, ",\"total_tokens\":");
	sim_put_count(o, j, t.prompt + (j->usage == SIM_USAGE_INCONSISTENT ? 7 : 0));
	if (t.cached) {
		SIM_PUT(o, ",\"prompt_tokens_details\":{\"cached_tokens\":");
		sim_put_uint(o, t.cached);
		buf_putc(o, '}');
	}
	buf_putc(o, '}');
}

static void embeddings_render(const struct sim_job *j, struct buf *o)
{
	float v[SIM_DIMENSIONS_MAX];

	SIM_PUT(o, "{\"object\":\"list\",\"data\":[");
	for (unsigned i = 0; i < j->inputs; i++) {
		vector_fill(v, j->dimensions, j->seed + i);
		buf_printf(o, "%s{\"object\":\"embedding\",\"index\":%u,\"embedding\":", i ? "," : "", i);
		if (j->base64)
			put_base64(o, v, j->dimensions);
		else
			put_floats(o, v, j->dimensions);
		buf_putc(o, '}');
	}
	SIM_PUT(o, "],\"model\":\"");
	buf_puts(o, j->model);
	if (j->fault == SIM_HUGE)
		buf_putc(o, SIM_HUGE_MARK);
	buf_putc(o, '"');
	if (j->usage == SIM_USAGE_TWICE)
		put_usage(j, true, o);
	if (j->usage != SIM_USAGE_NONE)
		put_usage(j, false, o);
	buf_putc(o, '}');
}

const struct sim_wire sim_wire_embeddings = {
	.name = "embeddings",
	.read = embeddings_read,
	.render = embeddings_render,
};
