/* The simulator's own endpoints: GET /_sim/stats, GET /_sim/last?model=M, POST and DELETE /_sim/script[?model=M]. */
#include "sim/conn.h"
#include "sim/table.h"

#include "base/json_text.h"

#include <string.h>

void sim_serve_stats(struct sim_conn *c, const struct sim_request *r)
{
	struct buf *b = &c->worker->body;

	(void)r;
	buf_reset(b);
	sim_stats_render(c->worker, b);
	sim_respond(c, 200, SIM_JSON, "", b);
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

bool sim_name_read(struct buf *spare, const char *at, size_t len, char ret[SIM_NAME_MAX])
{
	struct buf raw = BUF_INIT;
	bool good;

	buf_reset(spare);
	for (size_t i = 0; i < len; i++) {
		int high = at[i] == '%' && i + 2 < len ? hex(at[i + 1]) : -1, low = high >= 0 ? hex(at[i + 2]) : -1;

		if (at[i] == '%' && low < 0)
			return false;
		if (at[i] == '%')
			i += 2;
		buf_putc(spare, low < 0 ? at[i] : (char)((unsigned)high << 4 | (unsigned)low));
	}
	good = spare->len && json_escape(spare->data, spare->len, &raw) == 0 && raw.len < SIM_NAME_MAX;
	if (good)
		memcpy(ret, raw.data, raw.len + 1);
	buf_done(&raw);
	return good;
}

static void refuse(struct sim_conn *c, unsigned status, const char *message)
{
	sim_refuse(c, &(struct sim_error){.status = status, .message = message}, "");
}

/* The model that the query names; false (and answered): none. *ret "" when that may be. */
static bool model_of(struct sim_conn *c, const struct sim_request *r, bool needed, char ret[SIM_NAME_MAX])
{
	const char *v;
	long n = sim_request_query(r, "model", &v);

	ret[0] = '\0';
	if (n < 0 && !needed)
		return true;
	if (n > 0 && sim_name_read(&c->worker->spare, v, (size_t)n, ret))
		return true;
	refuse(c, 400, "?model=NAME says which");
	return false;
}

void sim_serve_last(struct sim_conn *c, const struct sim_request *r)
{
	struct buf *b = &c->worker->body;
	char name[SIM_NAME_MAX];
	struct sim_model *m;

	if (!model_of(c, r, true, name))
		return;
	m = sim_table_find(c->worker->table, name);
	buf_reset(b);
	if (m && sim_model_last(m, b))
		sim_respond(c, 200, SIM_JSON, "", b);
	else
		refuse(c, 404, "no request for that model yet");
}

static void script_set(struct sim_conn *c, const struct sim_request *r, const char *name)
{
	struct sim_model *m = sim_table_get(c->worker->table, name);
	struct buf *b = &c->worker->body;
	struct err err = {0};

	if (!m) {
		refuse(c, 507, "no room for more models");
		return;
	}
	if (sim_model_script_set(m, r->body, r->body_len, &err) < 0) {
		refuse(c, 400, err.msg);
		return;
	}
	buf_reset(b);
	buf_printf(b, "{\"model\":\"%s\",\"script_left\":%llu}\n", name, (unsigned long long)sim_model_script_left(m));
	sim_respond(c, 200, SIM_JSON, "", b);
}

static void script_clear(struct sim_conn *c, const char *name)
{
	struct sim_model *m = *name ? sim_table_find(c->worker->table, name) : NULL;
	struct buf *b = &c->worker->body;

	if (m)
		sim_model_script_clear(m);
	else if (!*name)
		sim_table_scripts_clear(c->worker->table);
	buf_reset(b);
	buf_puts(b, "{\"script_left\":0}\n");
	sim_respond(c, 200, SIM_JSON, "", b);
}

void sim_serve_script(struct sim_conn *c, const struct sim_request *r)
{
	bool set = r->method[0] == 'P';
	char name[SIM_NAME_MAX];

	if (!model_of(c, r, set, name))
		return;
	if (set)
		script_set(c, r, name);
	else
		script_clear(c, name);
}
