/* Lists of models: every scenario is one. */
#include "sim/sim.h"

#include <string.h>

static void openai_model(const char *id, size_t len, struct buf *o)
{
	SIM_PUT(o, "{\"id\":");
	buf_put_json_string(o, id, len);
	SIM_PUT(o, ",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"tollgate-sim\"}");
}

static void anthropic_model(const char *id, size_t len, struct buf *o)
{
	SIM_PUT(o, "{\"type\":\"model\",\"id\":");
	buf_put_json_string(o, id, len);
	SIM_PUT(o, ",\"display_name\":");
	buf_put_json_string(o, id, len);
	SIM_PUT(o, ",\"created_at\":\"2023-11-14T22:13:20Z\"}");
}

static void gemini_model(const char *id, size_t len, struct buf *o)
{
	struct buf name = BUF_INIT;

	buf_printf(&name, "models/%.*s", (int)len, id);
	SIM_PUT(o, "{\"name\":");
	buf_put_json_string(o, name.data ? name.data : "", name.len);
	SIM_PUT(o, ",\"version\":\"001\",\"displayName\":");
	buf_put_json_string(o, id, len);
	SIM_PUT(o, ",\"inputTokenLimit\":1048576,\"outputTokenLimit\":65536,\"supportedGenerationMethods\":"
		   "[\"generateContent\"]}");
	buf_done(&name);
}

void sim_model_render(enum tg_dialect d, const char *id, size_t len, struct buf *o)
{
	if (d == TG_DIALECT_ANTHROPIC)
		anthropic_model(id, len, o);
	else if (d == TG_DIALECT_GEMINI)
		gemini_model(id, len, o);
	else
		openai_model(id, len, o);
}

void sim_models_render(enum tg_dialect d, struct buf *o)
{
	char name[SIM_NAME_MAX], first[SIM_NAME_MAX] = "";

	buf_puts(o, d == TG_DIALECT_GEMINI      ? "{\"models\":["
		    : d == TG_DIALECT_ANTHROPIC ? "{\"data\":["
						: "{\"object\":\"list\",\"data\":[");
	for (unsigned i = 0; sim_scenario_example(i, name, sizeof(name)); i++) {
		if (i)
			buf_putc(o, ',');
		else
			strcpy(first, name);
		sim_model_render(d, name, strlen(name), o);
	}
	buf_putc(o, ']');
	if (d == TG_DIALECT_ANTHROPIC)
		buf_printf(o, ",\"has_more\":false,\"first_id\":\"%s\",\"last_id\":\"%s\"", first, name);
	buf_putc(o, '}');
}
