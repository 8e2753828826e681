/* What is known of each model: how often it was asked for, how many calls at once, its last request, its script. Shared
 * by the threads: counters are atomic, the rest has a lock per model. */
#include "sim/table.h"

#include "base/num.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define STEPS_MAX 256
#define KEPT_MAX ((size_t)256 << 10) /* of a last request's body */

struct step {
	char name[64];
	uint64_t left;
};

struct sim_model {
	char name[SIM_NAME_MAX];
	_Atomic uint64_t requests, in_flight, max_in_flight;
	_Atomic uint64_t script_left; /* 0 = no need to look */
	pthread_mutex_t lock;
	struct step *steps; /* STEPS_MAX, made when first needed */
	unsigned n_steps, at;
	struct buf head, body; /* the last request; head: from its first line to the blank one */
	bool body_cut;
};

struct sim_table {
	pthread_mutex_t lock; /* for making models */
	_Atomic unsigned n;
	_Atomic(struct sim_model *) models[SIM_MODELS_MAX];
};

struct sim_table *sim_table_new(void)
{
	struct sim_table *t = calloc(1, sizeof(*t));

	if (t)
		pthread_mutex_init(&t->lock, NULL);
	return t;
}

void sim_table_free(struct sim_table *t)
{
	for (unsigned i = 0; t && i < t->n; i++) {
		struct sim_model *m = t->models[i];

		buf_done(&m->head);
		buf_done(&m->body);
		free(m->steps);
		pthread_mutex_destroy(&m->lock);
		free(m);
	}
	if (t)
		pthread_mutex_destroy(&t->lock);
	free(t);
}

struct sim_model *sim_table_find(struct sim_table *t, const char *name)
{
	unsigned n = atomic_load_explicit(&t->n, memory_order_acquire);

	for (unsigned i = 0; i < n; i++) {
		struct sim_model *m = atomic_load_explicit(&t->models[i], memory_order_relaxed);

		if (strcmp(m->name, name) == 0)
			return m;
	}
	return NULL;
}

struct sim_model *sim_table_get(struct sim_table *t, const char *name)
{
	struct sim_model *m = sim_table_find(t, name);

	if (m)
		return m;
	pthread_mutex_lock(&t->lock);
	m = sim_table_find(t, name);
	if (!m && t->n < SIM_MODELS_MAX && (m = calloc(1, sizeof(*m)))) {
		snprintf(m->name, sizeof(m->name), "%s", name);
		pthread_mutex_init(&m->lock, NULL);
		atomic_store_explicit(&t->models[t->n], m, memory_order_relaxed);
		atomic_store_explicit(&t->n, t->n + 1, memory_order_release);
	}
	pthread_mutex_unlock(&t->lock);
	return m;
}

/* ---- counting */

void sim_model_begin(struct sim_model *m)
{
	uint64_t now = atomic_fetch_add(&m->in_flight, 1) + 1, most = atomic_load(&m->max_in_flight);

	while (now > most && !atomic_compare_exchange_weak(&m->max_in_flight, &most, now))
		;
}

void sim_model_end(struct sim_model *m)
{
	atomic_fetch_sub(&m->in_flight, 1);
}

void sim_table_stats(const struct sim_table *t, struct buf *o)
{
	unsigned n = atomic_load_explicit(&t->n, memory_order_acquire);

	buf_putc(o, '{');
	for (unsigned i = 0; i < n; i++) {
		struct sim_model *m = t->models[i];

		if (i)
			buf_putc(o, ',');
		sim_put_string(o, m->name);
		buf_printf(o, ":{\"requests\":%llu,\"in_flight\":%llu,\"max_in_flight\":%llu,\"script_left\":%llu}",
			   (unsigned long long)m->requests, (unsigned long long)m->in_flight,
			   (unsigned long long)m->max_in_flight, (unsigned long long)m->script_left);
	}
	buf_putc(o, '}');
}

/* ---- scripts */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* "error-500*5" */
static bool step_parse(const char *at, size_t len, struct step *ret)
{
	const char *star = memchr(at, '*', len);
	size_t name_len = star ? (size_t)(star - at) : len;
	struct sim_job job = {0};

	ret->left = 1;
	if (star && num_parse_u64(star + 1, len - name_len - 1, &ret->left) < 0)
		return false;
	if (!name_len || name_len + 5 > sizeof(ret->name) || !ret->left || ret->left > 1000000)
		return false;
	snprintf(ret->name, sizeof(ret->name), "%s%.*s", name_len > 4 && memcmp(at, "sim-", 4) == 0 ? "" : "sim-",
		 (int)name_len, at);
	return sim_scenario_apply(&job, ret->name);
}

static int steps_parse(const char *text, size_t len, struct step *steps, unsigned *ret_n, uint64_t *ret_left,
		       struct err *err)
{
	const char *at = text, *end = text + len;

	*ret_n = 0;
	*ret_left = 0;
	for (;;) {
		const char *word;

		while (at < end && is_blank(*at))
			at++;
		if (at == end)
			return 0;
		for (word = at; at < end && !is_blank(*at);)
			at++;
		if (*ret_n == STEPS_MAX)
			return err_set(err, ERR_RANGE, "a script has at most %u steps", STEPS_MAX);
		if (!step_parse(word, (size_t)(at - word), &steps[*ret_n]))
			return err_set(err, ERR_INVAL, "no such step: %.*s", (int)(at - word < 80 ? at - word : 80),
				       word);
		*ret_left += steps[(*ret_n)++].left;
	}
}

int sim_model_script_set(struct sim_model *m, const char *text, size_t len, struct err *err)
{
	struct step *steps = calloc(STEPS_MAX, sizeof(*steps)), *old;
	uint64_t left;
	unsigned n;
	int rc;

	if (!steps)
		return err_set(err, ERR_NOMEM, "out of memory");
	rc = steps_parse(text, len, steps, &n, &left, err);
	if (rc < 0) {
		free(steps);
		return rc;
	}
	pthread_mutex_lock(&m->lock);
	old = m->steps;
	m->steps = steps;
	m->n_steps = n;
	m->at = 0;
	atomic_store(&m->script_left, left);
	pthread_mutex_unlock(&m->lock);
	free(old);
	return 0;
}

void sim_model_script_clear(struct sim_model *m)
{
	pthread_mutex_lock(&m->lock);
	m->n_steps = m->at = 0;
	atomic_store(&m->script_left, 0);
	pthread_mutex_unlock(&m->lock);
}

void sim_table_scripts_clear(struct sim_table *t)
{
	for (unsigned i = 0; i < t->n; i++)
		sim_model_script_clear(t->models[i]);
}

uint64_t sim_model_script_left(const struct sim_model *m)
{
	return atomic_load(&m->script_left);
}

bool sim_model_script_next(struct sim_model *m, char *ret, size_t size)
{
	bool found = false;

	if (!atomic_load_explicit(&m->script_left, memory_order_relaxed))
		return false;
	pthread_mutex_lock(&m->lock);
	if (m->at < m->n_steps) {
		found = true;
		snprintf(ret, size, "%s", m->steps[m->at].name);
		if (--m->steps[m->at].left == 0)
			m->at++;
		atomic_fetch_sub(&m->script_left, 1);
	}
	pthread_mutex_unlock(&m->lock);
	return found;
}

/* ---- the last request */

void sim_model_request(struct sim_model *m, const char *head, size_t head_len, const char *body, size_t len)
{
	atomic_fetch_add_explicit(&m->requests, 1, memory_order_relaxed);
	pthread_mutex_lock(&m->lock);
	buf_reset(&m->head);
	buf_append(&m->head, head, head_len);
	buf_reset(&m->body);
	m->body_cut = len > KEPT_MAX;
	buf_append(&m->body, body, m->body_cut ? KEPT_MAX : len);
	pthread_mutex_unlock(&m->lock);
}

/* "name: value" lines as a JSON object, names in lower case; the last of several counts. */
static void headers_render(const char *at, const char *end, struct buf *o)
{
	bool first = true;

	buf_putc(o, '{');
	while (at < end) {
		const char *eol = memchr(at, '\r', (size_t)(end - at)), *colon, *value;
		char name[128];
		size_t n;

		if (!eol || eol == at)
			break;
		colon = memchr(at, ':', (size_t)(eol - at));
		if (colon && (n = (size_t)(colon - at)) < sizeof(name)) {
			for (size_t i = 0; i < n; i++)
				name[i] = (char)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] | 0x20 : at[i]);
			for (value = colon + 1; value < eol && *value == ' ';)
				value++;
			buf_puts(o, first ? "" : ",");
			buf_put_json_string(o, name, n);
			buf_putc(o, ':');
			buf_put_json_string(o, value, (size_t)(eol - value));
			first = false;
		}
		at = eol + 2;
	}
	buf_putc(o, '}');
}

static void last_render(const struct sim_model *m, struct buf *o)
{
	const char *head = m->head.data, *end = head + m->head.len;
	const char *path = memchr(head, ' ', m->head.len), *tail = memchr(path + 1, ' ', (size_t)(end - path - 1));
	const char *eol = memchr(tail, '\r', (size_t)(end - tail));
	struct json_span v;

	SIM_PUT(o, "{\"model\":");
	sim_put_string(o, m->name);
	SIM_PUT(o, ",\"method\":");
	buf_put_json_string(o, head, (size_t)(path - head));
	SIM_PUT(o, ",\"path\":");
	buf_put_json_string(o, path + 1, (size_t)(tail - path - 1));
	SIM_PUT(o, ",\"headers\":");
	headers_render(eol + 2, end, o);
	SIM_PUT(o, ",\"raw\":");
	buf_put_json_string(o, m->body.data ? m->body.data : "", m->body.len);
	SIM_PUT(o, ",\"body\":");
	if (m->body.len && json_scan_value(m->body.data, m->body.len, &v, NULL) == 0)
		buf_append(o, v.at, v.len);
	else
		buf_put_json_string(o, m->body.data ? m->body.data : "", m->body.len);
	buf_printf(o, ",\"cut\":%s,\"requests\":%llu}\n", m->body_cut ? "true" : "false",
		   (unsigned long long)m->requests);
}

bool sim_model_last(struct sim_model *m, struct buf *o)
{
	bool found;

	pthread_mutex_lock(&m->lock);
	found = m->head.len && !m->head.failed && !m->body.failed;
	if (found)
		last_render(m, o);
	pthread_mutex_unlock(&m->lock);
	return found;
}
