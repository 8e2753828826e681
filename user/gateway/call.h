/* One request's way through the gateway. The struct moves forward through the table of stages in call.c; each stage
 * writes only its own part.
 *
 *   authenticate -> parse -> admit -> choose -> forward ~~> deliver -> meter -> finish
 *                                       ^________|  next deployment, only before anything was delivered
 *
 * A stage that refuses answers by itself (refuse.h) and ends the walk; `forward` waits for the upstream's callbacks. */
#ifndef GATEWAY_CALL_H
#define GATEWAY_CALL_H

#include "base/log.h"
#include "dialect/openai.h"
#include "gateway/state.h"

enum call_stage {
	CALL_AUTHENTICATE,
	CALL_PARSE,
	CALL_ADMIT,
	CALL_CHOOSE,
	CALL_FORWARD,
	CALL_DELIVER,
	CALL_METER,
	CALL_FINISH,
	CALL_STAGES,
};

enum call_step {
	CALL_NEXT, /* on to the stage after this one */
	CALL_WAIT, /* a callback goes on */
	CALL_DONE, /* answered */
};

/* How the upstream's answer reaches the client. */
enum call_mode {
	CALL_MODE_NONE,
	CALL_MODE_BUFFER, /* collected, sent with its length */
	CALL_MODE_EVENTS, /* server-sent events, through the dialect */
	CALL_MODE_RAW,    /* too large to collect: as it comes */
};

struct call {
	/* set at entry */
	struct gateway_worker *w;
	struct http_exchange *x;
	struct call *prev, *next;
	struct worker_catalog *wc;
	enum tg_route route;
	enum call_stage stage;
	uint64_t received_ns;
	char request_id[REQUEST_ID_LEN + 1];

	/* authenticate */
	bool authenticated;
	uint32_t key_subject, tenant_subject;

	/* parse */
	struct openai_request req;
	const struct catalog_model *model;

	/* admit */
	struct limits_result limits;
	bool admitted;

	/* choose */
	const struct catalog_deployment *deployment;
	uint64_t tried; /* bit per deployment of the model */
	unsigned attempts;
	bool crowded; /* a provider's pool had no connection left */

	/* forward */
	struct upstream_request *upstream;
	struct buf sent_body, sent_headers;
	uint64_t forwarded_ns; /* first attempt */

	/* deliver */
	enum call_mode mode;
	int upstream_status;
	struct http_header passed[8]; /* of the upstream's answer, values in the arena */
	size_t n_passed;
	struct buf answer;
	struct openai_stream events;
	uint64_t first_byte_ns, upstream_done_ns;
	bool paused, delivered;
	uint64_t cut_ns; /* broken: to be reset then; 0 = not */

	/* meter */
	bool metered, have_usage;
	struct usage usage;

	/* finish */
	int status; /* 0 = not answered yet */
	bool gone;
};

typedef enum call_step (*call_stage_fn)(struct call *c);
enum call_step call_authenticate(struct call *c);
enum call_step call_parse(struct call *c);
enum call_step call_admit(struct call *c);
enum call_step call_choose(struct call *c);
enum call_step call_forward(struct call *c);
enum call_step call_deliver(struct call *c);
enum call_step call_meter(struct call *c);
enum call_step call_finish(struct call *c);

/* Walks the table from `stage`. */
void call_run(struct call *c, enum call_stage stage);
/* A log line with the request's context, if this second still has room for one. */
void call_log(struct call *c, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
