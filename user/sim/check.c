#include "sim/check.h"

#include "base/json_text.h"
#include "base/num.h"

#include <stdio.h>
#include <string.h>

/* ---- naming what is refused */

struct text {
	char *at;
	size_t size, len;
};

static void text_add(struct text *t, const char *s, size_t len)
{
	size_t room = t->size - t->len - 1;

	if (len > room)
		len = room;
	memcpy(t->at + t->len, s, len);
	t->len += len;
	t->at[t->len] = '\0';
}

/* "messages[0].content" for OpenAI and Google, "messages.0.content" for Anthropic. */
static void path_write(struct text *t, const struct sim_path *p, bool dots)
{
	char index[16];

	if (!p)
		return;
	path_write(t, p->up, dots);
	if (p->name) {
		if (t->len)
			text_add(t, ".", 1);
		text_add(t, p->name, strlen(p->name));
	} else {
		int n = snprintf(index, sizeof(index), dots ? ".%u" : "[%u]", p->index);

		text_add(t, index, (size_t)n);
	}
}

static void param_set(struct sim_reader *r, const struct sim_path *at)
{
	struct text t = {.at = r->refusal.param, .size = sizeof(r->refusal.param)};

	t.at[0] = '\0';
	path_write(&t, at, r->job->dialect == TG_DIALECT_ANTHROPIC);
}

static bool refuse(struct sim_reader *r, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
static bool refuse(struct sim_reader *r, const char *code, const char *fmt, ...)
{
	va_list ap;

	r->refusal.code = code;
	va_start(ap, fmt);
	vsnprintf(r->refusal.message, sizeof(r->refusal.message), fmt, ap);
	va_end(ap);
	return false;
}

bool sim_refuse_unknown(struct sim_reader *r, const struct sim_path *object, const char *name, size_t len)
{
	char copy[64];

	snprintf(copy, sizeof(copy), "%.*s", (int)(len < 64 ? len : 63), name);
	param_set(r, SIM_AT(object, copy));
	switch (r->job->dialect) {
	case TG_DIALECT_ANTHROPIC:
		return refuse(r, NULL, "%s: Extra inputs are not permitted", r->refusal.param);
	case TG_DIALECT_GEMINI:
		return refuse(r, NULL, "Invalid JSON payload received. Unknown name \"%s\" at '%s': Cannot find field.",
			      copy, r->refusal.param);
	default:
		return refuse(r, "unknown_parameter", "Unknown parameter: '%s'.", r->refusal.param);
	}
}

bool sim_refuse_missing(struct sim_reader *r, const struct sim_path *at)
{
	param_set(r, at);
	switch (r->job->dialect) {
	case TG_DIALECT_ANTHROPIC:
		return refuse(r, NULL, "%s: Field required", r->refusal.param);
	case TG_DIALECT_GEMINI:
		return refuse(r, NULL, "%s: is not specified", r->refusal.param);
	default:
		return refuse(r, "missing_required_parameter", "Missing required parameter: '%s'.", r->refusal.param);
	}
}

bool sim_refuse_type(struct sim_reader *r, const struct sim_path *at, const char *expected)
{
	param_set(r, at);
	switch (r->job->dialect) {
	case TG_DIALECT_ANTHROPIC:
		return refuse(r, NULL, "%s: Input should be %s", r->refusal.param, expected);
	case TG_DIALECT_GEMINI:
		return refuse(r, NULL, "Invalid value at '%s', expected %s", r->refusal.param, expected);
	default:
		return refuse(r, "invalid_type", "Invalid type for '%s': expected %s.", r->refusal.param, expected);
	}
}

bool sim_refuse_value(struct sim_reader *r, const struct sim_path *at, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	param_set(r, at);
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (r->job->dialect == TG_DIALECT_ANTHROPIC || r->job->dialect == TG_DIALECT_GEMINI)
		return refuse(r, NULL, "%s: %s", r->refusal.param, why);
	return refuse(r, "invalid_value", "Invalid value for '%s': %s.", r->refusal.param, why);
}

/* ---- objects by table */

static const char *type_name(unsigned may)
{
	static const struct {
		unsigned may;
		const char *name;
	} names[] = {
		{SIM_STRING, "a string"},
		{SIM_NUMBER, "a number"},
		{SIM_BOOL, "a boolean"},
		{SIM_LIST, "an array"},
		{SIM_OBJECT, "an object"},
		{SIM_STRING | SIM_LIST, "a string or an array"},
		{SIM_STRING | SIM_OBJECT, "a string or an object"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].may == (may & SIM_ANY))
			return names[i].name;
	return "another type";
}

/* Google reads snake_case as well: what it means in camelCase. */
static size_t camel(const char *name, size_t len, char *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < size; i++)
		if (i && name[i] == '_' && i + 1 < len && name[i + 1] >= 'a' && name[i + 1] <= 'z')
			ret[n++] = (char)(name[++i] - 'a' + 'A');
		else
			ret[n++] = name[i];
	return n;
}

static int table_find(const struct sim_member *table, unsigned n, const char *name, size_t len)
{
	for (unsigned i = 0; i < n; i++)
		if (table[i].name[0] == name[0] && strncmp(table[i].name, name, len) == 0 && !table[i].name[len])
			return (int)i;
	return -1;
}

static int member_find(const struct sim_reader *r, const struct sim_member *table, unsigned n, const char *name,
		       size_t len)
{
	char buf[64];
	int i = len ? table_find(table, n, name, len) : -1;

	if (i >= 0 || r->job->dialect != TG_DIALECT_GEMINI || !memchr(name, '_', len))
		return i;
	len = camel(name, len, buf, sizeof(buf));
	return table_find(table, n, buf, len);
}

bool sim_members_read(struct sim_reader *r, const struct sim_path *at, const struct json_span *object,
		      const struct sim_member *table, unsigned n, struct json_span *ret)
{
	struct json_span key, value;
	struct json_iter it;

	memset(ret, 0, n * sizeof(*ret));
	if (object->type != JSON_SPAN_OBJECT || json_iter_init(&it, object) < 0)
		return sim_refuse_type(r, at, "an object");
	while (json_iter_next(&it, &key, &value) > 0) {
		int i = member_find(r, table, n, key.at + 1, key.len - 2);

		if (i < 0)
			return sim_refuse_unknown(r, at, key.at + 1, key.len - 2);
		if (value.type != JSON_SPAN_NULL && !(table[i].may & 1u << value.type))
			return sim_refuse_type(r, SIM_AT(at, table[i].name), type_name(table[i].may));
		ret[i] = value;
	}
	for (unsigned i = 0; i < n; i++)
		if (table[i].may & SIM_NEEDED && !sim_given(&ret[i]))
			return sim_refuse_missing(r, SIM_AT(at, table[i].name));
	return true;
}

/* ---- values */

struct json_span sim_raw(const struct json_span *v)
{
	if (v->type != JSON_SPAN_STRING)
		return (struct json_span){.at = ""};
	return (struct json_span){.at = v->at + 1, .len = v->len - 2, .type = JSON_SPAN_STRING, .escaped = v->escaped};
}

struct json_span sim_member_of(const struct json_span *object, const char *name)
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

static bool one_of(const struct json_span *v, const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (json_string_is(v, names[i]))
			return true;
	return false;
}

bool sim_check_one_of(struct sim_reader *r, const struct sim_path *at, const struct json_span *v,
		      const char *const *names, unsigned n)
{
	char list[128] = "";
	struct text t = {.at = list, .size = sizeof(list)};

	if (!sim_given(v) || one_of(v, names, n))
		return true;
	for (unsigned i = 0; i < n; i++) {
		text_add(&t, i ? ", '" : "'", i ? 3 : 1);
		text_add(&t, names[i], strlen(names[i]));
		text_add(&t, "'", 1);
	}
	return sim_refuse_value(r, at, "it should be one of %s", list);
}

bool sim_check_range(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, double low,
		     double high)
{
	char copy[48];
	double d;

	if (!sim_given(v))
		return true;
	snprintf(copy, sizeof(copy), "%.*s", (int)(v->len < 47 ? v->len : 47), v->at);
	d = strtod(copy, NULL);
	if (v->type == JSON_SPAN_NUMBER && d >= low && d <= high)
		return true;
	return sim_refuse_value(r, at, "it should be from %g to %g", low, high);
}

bool sim_check_uint(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, uint64_t low,
		    uint64_t high, uint64_t *ret)
{
	uint64_t n;

	if (!sim_given(v))
		return true;
	if (json_number_u64(v, &n) < 0 || n < low || n > high)
		return sim_refuse_value(r, at, "it should be a whole number from %llu to %llu", (unsigned long long)low,
					(unsigned long long)high);
	*ret = n;
	return true;
}

size_t sim_string_len(const struct json_span *v)
{
	const char *p, *end;
	size_t n = 0, one;
	char c[4];

	if (v->type != JSON_SPAN_STRING)
		return 0;
	if (!v->escaped)
		return v->len - 2;
	for (p = v->at + 1, end = v->at + v->len - 1; p < end; n += one) {
		one = 1;
		p = *p == '\\' ? json_unescape_one(p, end, c, &one) : p + 1;
	}
	return n;
}

size_t sim_compact_len(const char *at, size_t len)
{
	bool inside = false;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (inside && at[i] == '\\') {
			n += 2;
			i++;
			continue;
		}
		if (at[i] == '"')
			inside = !inside;
		n += inside || !strchr(" \t\r\n", at[i]);
	}
	return n;
}

bool sim_args_text_len(struct sim_reader *r, const struct json_span *string, size_t *ret)
{
	struct json_span raw = sim_raw(string), v;

	buf_reset(r->spare);
	if (json_unescape(raw.at, raw.len, r->spare) < 0)
		return false;
	if (!r->spare->len || json_scan_value(r->spare->data, r->spare->len, &v, NULL) < 0 ||
	    v.type != JSON_SPAN_OBJECT)
		return false;
	*ret = sim_compact_len(r->spare->data, r->spare->len);
	return true;
}

/* ---- what decides the answer */

void sim_prompt_add(struct sim_reader *r, const struct json_span *string)
{
	r->text_bytes += sim_string_len(string);
}

static bool stop_add(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, unsigned most)
{
	if (v->type != JSON_SPAN_STRING)
		return sim_refuse_type(r, at, "a string or an array of strings");
	if (r->n_stops == most)
		return sim_refuse_value(r, at, "at most %u stop sequences are allowed", most);
	r->stops[r->n_stops++] = *v;
	return true;
}

bool sim_read_parts(struct sim_reader *r, const struct sim_path *at, const struct json_span *v, sim_part_fn read,
		    unsigned of)
{
	struct json_iter it;
	struct json_span part;

	if (v->type == JSON_SPAN_STRING) {
		sim_prompt_add(r, v);
		return true;
	}
	if (!sim_given(v) || json_iter_init(&it, v) < 0)
		return true;
	for (unsigned i = 0; json_iter_next(&it, NULL, &part) > 0; i++)
		if (!read(r, SIM_NTH(at, i), &part, of))
			return false;
	return true;
}

bool sim_stops_read(struct sim_reader *r, const struct sim_path *at, const struct json_span *list, unsigned most)
{
	struct json_iter it;
	struct json_span v;

	if (!sim_given(list))
		return true;
	if (list->type == JSON_SPAN_STRING)
		return stop_add(r, at, list, most);
	if (json_iter_init(&it, list) < 0)
		return true;
	for (unsigned i = 0; json_iter_next(&it, NULL, &v) > 0; i++)
		if (!stop_add(r, at, &v, most))
			return false;
	return true;
}

static bool same_text(const struct json_span *a, const struct json_span *b)
{
	return a->len == b->len && memcmp(a->at, b->at, a->len) == 0;
}

void sim_tool_offer(struct sim_reader *r, const struct json_span *name, const struct json_span *schema)
{
	bool asked = sim_given(&r->tool_wanted) && same_text(name, &r->tool_wanted);

	if (r->tool_name.type != JSON_SPAN_ABSENT && !asked)
		return;
	r->tool_name = *name;
	r->tool_schema = *schema;
}

bool sim_call_seen(struct sim_reader *r, const struct json_span *id)
{
	if (r->n_pending == ARRAY_SIZE(r->pending))
		return false;
	r->pending[r->n_pending++] = *id;
	return true;
}

bool sim_result_seen(struct sim_reader *r, const struct json_span *id)
{
	for (unsigned i = 0; i < r->n_pending; i++)
		if (same_text(&r->pending[i], id)) {
			r->pending[i] = r->pending[--r->n_pending];
			return true;
		}
	return false;
}
